package alerting

import (
	"flag"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"tipline/model"
)

var update = flag.Bool("update", false, "write what is measured and derived to README.md")

// compared is an evaluation in which the API costs api and the fleet costs fleet, decided as cost model, section 11, with the margins of the
// default policy.
func compared(api, fleet float64) model.WorkloadReport {
	w := evaluation("now", model.USD(api), model.USD(fleet))
	if saving := api - fleet; saving >= 0.20*api && saving >= 1000 {
		w = evaluation("X", model.USD(api), model.USD(fleet))
	}
	return w
}

// TestFlapping lets a projected volume wander around a threshold for ninety daily evaluations and counts how often the answer changes: the
// confirmed one, and that of comparing the two costs. README.md is held to the figures.
func TestFlapping(t *testing.T) {
	t.Parallel()
	const seeds, days, noise, fleet = 2000, 90, 0.05, 20_000.0
	var table strings.Builder
	table.WriteString("| the volume wanders around | days take over | changes of a plain comparison | confirmed changes | messages |\n|---|---|---|---|---|\n")
	for _, where := range []struct {
		name string
		api  float64 // USD a month of the API at the volume around which it wanders
	}{{"the break-even", fleet}, {"the margin of 20 % to move", fleet / 0.8}} {
		for _, phi := range []float64{0, 0.9} {
			var plain, confirmed, messages int
			for seed := range uint64(seeds) {
				r := rand.New(rand.NewPCG(seed, 7))
				x := r.NormFloat64()
				var s State
				cheaper, begun := false, false
				for d := range days {
					x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
					api := where.api * (1 + noise*x)
					if is := api > where.api; begun && is != cheaper {
						plain++
					}
					cheaper, begun = api > where.api, true
					before := s.Standing
					var reason Reason
					s, reason = s.Next(compared(api, fleet), morning.AddDate(0, 0, d), policy)
					if before != "" && s.Standing != before {
						confirmed++
					}
					if reason.Notify() {
						messages++
					}
				}
			}
			perRun := func(n int) float64 { return float64(n) / seeds }
			if where.api == fleet && perRun(confirmed) > 0.3 {
				t.Errorf("φ %.1f: %.2f confirmed changes a run around the break-even, want 0.3 at most", phi, perRun(confirmed))
			}
			if perRun(messages) > 1 {
				t.Errorf("%s, φ %.1f: %.2f messages a run, want one at most", where.name, phi, perRun(messages))
			}
			fmt.Fprintf(&table, "| %s | %.1f | %.1f | %.2f | %.2f |\n", where.name, phi, perRun(plain), perRun(confirmed), perRun(messages))
		}
	}
	holdREADME(t, "measured", table.String())
}

// BenchmarkStorm has ten thousand workloads confirm a move in one evaluation.
func BenchmarkStorm(b *testing.B) {
	judged := make([]Judged, 10_000)
	for i := range judged {
		w := answers('X')
		w.Workload, w.Decision.ID = fmt.Sprintf("w%05d", i), fmt.Sprintf("%012x", i)
		judged[i] = Judged{Report: w, Policy: Policy{Confirmations: 1}, Receipt: []byte("{}")}
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := NewDesk(&memory{}, []Notifier{&mailbox{name: "box"}}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Consider(judged, morning); err != nil || d.Pending() != 1 {
			b.Fatalf("%d messages wait (%v), want one", d.Pending(), err)
		}
	}
}

// BenchmarkStart reads the states of ten thousand workloads.
func BenchmarkStart(b *testing.B) {
	store := &memory{rows: map[string]map[string][]byte{stateBucket: {}}}
	for i := range 10_000 {
		store.rows[stateBucket][fmt.Sprintf("w%05d", i)] = encode(record{Version: recordVersion, State: State{Current: "now", Standing: "X", Confirmed: morning}, Seen: morning})
	}
	b.ReportAllocs()
	for b.Loop() {
		if d, err := NewDesk(store, nil, slog.New(slog.DiscardHandler)); err != nil || len(d.Firing()) != 10_000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkNext measures one transition: at most 5 µs.
func BenchmarkNext(b *testing.B) {
	w := evaluation("X", 1000, 500, 900)
	var s State
	b.ReportAllocs()
	for d := 0; b.Loop(); d++ {
		s, _ = s.Next(w, morning.AddDate(0, 0, d), policy) // a day later, so that each one counts
	}
}
