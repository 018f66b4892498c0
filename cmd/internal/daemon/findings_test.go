package daemon

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
	"tipline/model"
)

// TestSharedFleetIsFound holds that two workloads which cost 17,520 USD a month each on the API, and which one fleet of 21,038 USD
// serves together, are shown that; with one of them unknown there is nothing to share.
func TestSharedFleetIsFound(t *testing.T) {
	t.Parallel()
	gateway, engines := steady(map[string]string{"team_alias": "support"}, 8e6), steady(map[string]string{"model_name": "llama"}, 8e6)
	r := newRig(t, route(gateway, engines))
	report := r.days(t, 1)
	if len(report.SharedFleets) != 1 {
		t.Fatalf("got %+v, want one shared fleet", report.SharedFleets)
	}
	f := report.SharedFleets[0]
	if f.Option != "fleet" || !slices.Equal(f.Workloads, []string{"llama", "support"}) || f.Replicas != 2 || math.Abs(float64(f.USDPerMonth)-21_037.8) > 0.01 {
		t.Errorf("got %+v, want llama and support on two replicas", f)
	}
	if math.Abs(float64(f.AloneUSDPerMonth)-35_040) > 1_500 {
		t.Errorf("alone: got %v USD a month, want about 35,040", f.AloneUSDPerMonth)
	}
	row, err := r.store.Get(ledger.Bucket, f.ID)
	if err != nil || ledger.Verify(row) != nil {
		t.Fatalf("receipt %q: %v, %v", f.ID, err, ledger.Verify(row))
	}
	receipt, err := ledger.Open(row)
	if err != nil || !cmp.Equal(*receipt.SharedFleet, f) {
		t.Errorf("the receipt has %+v, %v, want %+v", receipt.SharedFleet, err, f)
	}
	if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts < 7 {
		t.Errorf("computed again: %+v, %v, want every amount the same", c, err)
	}
	pool, err := receipt.Shared()
	if err != nil || len(pool.Tenants) != 2 {
		t.Fatalf("got %+v, %v, want two tenants", pool, err)
	}
	for _, tenant := range pool.Tenants {
		if decision := workload(t, report, tenant.Workload).Decision.ID; tenant.Decision != decision {
			t.Errorf("%s: got decision %q, want %s", tenant.Workload, tenant.Decision, decision)
		}
	}
	changed := bytes.Replace(row, []byte(`"replicas":2`), []byte(`"replicas":3`), 1)
	if receipt, err := ledger.Open(changed); err != nil || ledger.Verify(changed) == nil {
		t.Errorf("a changed receipt: %v, want to be told", err)
	} else if c, err := receipt.Recompute(); err != nil || len(c.Differences) != 1 || !strings.Contains(c.Differences[0], "replicas") {
		t.Errorf("a changed receipt, computed again: %+v, %v, want one difference", c, err)
	}
	next := r.days(t, 1)
	if len(next.SharedFleets) != 1 {
		t.Fatalf("the next day: got %+v, want the fleet again", next.SharedFleets)
	}
	if id := next.SharedFleets[0].ID; id != f.ID {
		if row, err := r.store.Get(ledger.Bucket, id); err != nil || row != nil {
			t.Errorf("the same fleet has another receipt in the ledger, %s, %v", row, err)
		}
		if row, err := r.Receipt(id); err != nil || ledger.Verify(row) != nil {
			t.Errorf("the receipt of the last cycle: %v, %v", err, ledger.Verify(row))
		}
	}
	down := func(promtest.Query) promtest.Answer { return promtest.Status(http.StatusServiceUnavailable, "stopped") }
	r.server.Answer(route(gateway, down))
	if report, err := r.Cycle(t.Context()); err == nil || report.SharedFleets == nil || len(report.SharedFleets) != 0 {
		t.Errorf("a source is down: got %+v, %v, want none to share with", report.SharedFleets, err)
	}
}

// TestMovedSinceTheLastCycle holds that the second cycle says why the cost is another than in the first, and that an evaluation
// beside the cycles is compared with the last of them too and is not what the next cycle is compared with.
func TestMovedSinceTheLastCycle(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	first := workload(t, r.days(t, 1), "support")
	if first.Moved != nil {
		t.Errorf("the first cycle: got %+v, want nothing to compare with", first.Moved)
	}
	support := map[string]string{"team_alias": "support"}
	r.server.Answer(route(both( // what was before stays as it was
		within(steady(support, 2e7), func(end time.Time) bool { return !end.After(opening) }),
		within(steady(support, 4e7), func(end time.Time) bool { return end.After(opening) }),
	), steady(map[string]string{"model_name": "llama"}, 1e5)))
	for _, name := range []string{"an evaluation beside the cycles", "the second cycle"} {
		report, err := r.Evaluate(t.Context())
		if name == "the second cycle" {
			report, err = r.Cycle(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		w := workload(t, report, "support")
		m := w.Moved
		if m == nil || !m.Since.Equal(opening) || m.Option != "api" || m.Cost.BeforeUSDPerMonth != cost(t, first) || m.Cost.AfterUSDPerMonth != cost(t, w) {
			t.Fatalf("%s: got %+v, want the change since %s", name, m, opening)
		}
		if m.Cost.ChangeUSDPerMonth <= 0 || len(m.Cost.Parts) == 0 || m.Cost.Parts[0].Input != "volume" {
			t.Errorf("%s: got %+v, want more volume", name, m.Cost)
		}
	}
}

// TestMovedSinceWhatWasSaid holds that a message says what moved since the verdict that was confirmed last, over cycles in which the volume grew
// little by little and over a restart, and that the next is held against that message.
func TestMovedSinceWhatWasSaid(t *testing.T) {
	t.Parallel()
	perHour := func(at time.Time) float64 { return 5e6 * (1 + 0.12*math.Max(0, at.Sub(opening).Hours()/24-4)) }
	r := newRig(t, route(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "support"}, func(signal string, at time.Time) (float64, bool) {
			switch signal {
			case "input":
				return perHour(at) * 0.8, true
			case "output":
				return perHour(at) * 0.2, true
			case "coverage":
				return 1, true
			case "resets", "requests":
				return 0, true
			}
			return 0, false
		})}
	}, nothingMeasured))
	var confirmed model.WorkloadReport
	for range 30 {
		w := workload(t, r.days(t, 1), "support")
		if w.Decision.Recommendation != model.Stay || r.desk.Said("support") != w.Decision.ID {
			continue
		}
		first := confirmed.Workload == ""
		if confirmed = w; first {
			r.start(t)
		}
	}
	var verdicts []alerting.Event
	for _, e := range r.box.events {
		if e.Reason == alerting.Switched {
			verdicts = append(verdicts, e)
		}
	}
	if confirmed.Decision.Recommendation != model.Stay || len(verdicts) != 1 {
		t.Fatalf("got %+v confirmed and %v, want to stay, and later one verdict to move", confirmed.Decision, r.reasons())
	}
	e := verdicts[0]
	m := e.Report.Moved
	if m == nil || m.Said != confirmed.Decision.ID || m.Cost.BeforeUSDPerMonth != cost(t, confirmed) || m.Cost.AfterUSDPerMonth != cost(t, e.Report) {
		t.Fatalf("got %+v, want the change since decision %s at %v", m, confirmed.Decision.ID, cost(t, confirmed))
	}
	if m.Cost.ChangeUSDPerMonth <= 0 || m.Cost.Parts[0].Input != "volume" {
		t.Errorf("got %+v, want more volume", m.Cost)
	}
	last := r.box.events[len(r.box.events)-1].Report.Decision.ID
	if w := workload(t, r.days(t, 1), "support"); w.Moved == nil || w.Moved.Said != last {
		t.Errorf("after the message: got %+v, want the change since decision %s", w.Moved, last)
	}
}

// cost returns what the current option of w costs.
func cost(t *testing.T, w model.WorkloadReport) model.USD {
	t.Helper()
	for _, o := range w.Options {
		if o.Option == w.Current {
			return o.USDPerMonth.P50
		}
	}
	t.Fatalf("no cost of %s in %+v", w.Current, w.Options)
	return 0
}
