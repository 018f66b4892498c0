package alerting

import (
	"flag"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

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
		judged[i] = Judged{Report: w, Policy: Policy{Confirmations: 1}, Receipt: receipt}
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := NewDesk(&memory{}, []Notifier{&mailbox{name: "box"}}, slog.New(slog.DiscardHandler), nil)
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
		if d, err := NewDesk(store, nil, slog.New(slog.DiscardHandler), nil); err != nil || len(d.Firing()) != 10_000 {
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

// TestUnstable lets a verdict sit on the line for sixty days, evaluated by the hour at a policy that has no margins and believes every evaluation (F45): a
// workload has at most one message a day and three of its changes told, then one that it is unstable, and nothing until one answer has stood for a week.
func TestUnstable(t *testing.T) {
	t.Parallel()
	const seeds, days, noise, fleet = 40, 60, 0.05, 20_000.0
	flighty := Policy{Confirmations: 1}
	for _, phi := range []float64{0, 0.9, 0.999} {
		unstable, all := 0, 0
		for seed := range uint64(seeds) {
			r := rand.New(rand.NewPCG(seed, 45))
			x := r.NormFloat64()
			var s State
			var told []time.Time    // of messages
			var changes []time.Time // told, since the last that was unstable
			var swings, was State   // when it was told to be, and the state before
			cheapest := func(at time.Time, api float64) Reason {
				w := evaluation("now", model.USD(api), fleet)
				if api > fleet {
					w = evaluation("X", model.USD(api), fleet)
				}
				var why Reason
				was = s
				if s, why = s.Next(w, at, flighty); !why.Notify() {
					return why
				}
				if last := len(told) - 1; last >= 0 && at.Sub(told[last]) < dwell-earliness {
					t.Fatalf("φ %v, seed %d: %s at %s, and a message at %s", phi, seed, why, at, told[last])
				}
				told = append(told, at)
				if why == Unstable {
					if n := len(changes); n < mostChanges || at.Sub(changes[n-mostChanges]) > changesWithin {
						t.Fatalf("φ %v, seed %d: unstable at %s after changes at %v", phi, seed, at, changes)
					}
					if u := s.unsettled(was); u == nil || u.Changes != 4 || !slices.Equal(slices.Sorted(slices.Values(u.Answers)), []string{"X", "now"}) {
						t.Fatalf("got %+v", u)
					}
					unstable, swings, changes = unstable+1, s, nil
					return why
				}
				if since := swings.Swing.Since; !since.IsZero() && len(changes) == 0 && at.Sub(was.Confirmed) < (CalmDays-1)*24*time.Hour-time.Hour {
					t.Fatalf("φ %v, seed %d: %s at %s, unstable since %s and last changed at %s", phi, seed, why, at, since, was.Confirmed)
				}
				changes = append(changes, at)
				if n := len(changes); n > mostChanges && at.Sub(changes[n-1-mostChanges]) <= changesWithin {
					t.Fatalf("φ %v, seed %d: changes told at %v, want the last to be that it is unstable", phi, seed, changes)
				}
				return why
			}
			end := morning.AddDate(0, 0, days)
			for at := morning; at.Before(end); at = at.Add(time.Hour) {
				x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
				cheapest(at, fleet*(1+noise*x))
			}
			all += len(told)
			if phi == 0 && (len(told) != 4 || !s.swings()) {
				t.Errorf("seed %d: messages at %v, want three changes and then one that it is unstable", seed, told)
			}
			if !s.swings() {
				continue
			}
			var last []Reason // once the volume has left the line
			for at := end; at.Before(end.AddDate(0, 0, 20)); at = at.Add(time.Hour) {
				if why := cheapest(at, 2*fleet); why.Notify() {
					last = append(last, why)
				}
			}
			if !slices.Equal(last, []Reason{Switched}) || s.Standing != "X" || s.swings() {
				t.Errorf("φ %v, seed %d: got %v and %+v, want one message of the move when it has stood for a week", phi, seed, last, s)
			}
		}
		t.Logf("φ %v: %.1f messages and %.1f times unstable in %d days", phi, float64(all)/seeds, float64(unstable)/seeds, days)
	}
}
