package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/collector/promtest"
	"tipline/model"
	"tipline/model/drift"
)

// TestJump holds that a jump of a counter leaves no verdict until a person says in the configuration what it was, as the reason proposes: the verdict is then on what has been counted
// since, or on all of it, and what began to be counted otherwise is told as no new workload.
func TestJump(t *testing.T) {
	t.Parallel()
	at := opening.Add(-30 * time.Hour)
	gateway := func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "support"}, func(signal string, end time.Time) (float64, bool) {
			tokens := 2e4
			if end.After(at) {
				tokens = 2e7
			}
			v, ok := map[string]float64{"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": 100, "coverage": 1, "resets": 0}[signal]
			return v, ok
		})}
	}
	r := newRig(t, route(gateway, steady(map[string]string{"model_name": "llama"}, 1e5)))
	plain := r.text
	report := r.days(t, 2)
	w := workload(t, report, "support")
	if w.Decision.Recommendation != model.Unknown || !warned(w, drift.CounterUnit) || !strings.Contains(w.Decision.Because, "{at: 2026-11-01T00:00:00Z, is: counter}, or is: use") {
		t.Fatalf("got %s (%s), want none and how to say what it was", w.Decision.Recommendation, w.Decision.Because)
	}
	for _, tc := range []struct {
		at     time.Time
		is     string
		known  bool
		tokens float64
	}{
		{at, "counter", true, 2e7 * (30 + 24)},
		{at.Add(2 * time.Hour), "use", true, 2e7*(30+24) + 2e4*(14*24-30)}, // not to the hour
		{at.Add(-48 * time.Hour), "use", false, 2e7*(30+24) + 2e4*(14*24-30)},
		{opening.Add(25 * time.Hour), "counter", false, 2e7*(30+24) + 2e4*(14*24-30)}, // still to come
	} {
		r.text = plain + fmt.Sprintf("workloads:\n  - {match: {team_alias: support}, policy: {min_history: 24h}, jumps: [{at: %s, is: %s}]}\n", tc.at.Format(time.RFC3339), tc.is)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		r.now = opening.Add(24 * time.Hour)
		r.mu.Unlock()
		report := r.days(t, 1)
		w := workload(t, report, "support")
		if known := w.Decision.Recommendation != model.Unknown; known != tc.known {
			t.Errorf("%+v: got %s (%s)", tc, w.Decision.Recommendation, w.Decision.Because)
		}
		if got := float64(*w.Usage.Last30dTokens); got < 0.97*tc.tokens || got > 1.01*tc.tokens {
			t.Errorf("%+v: got %v tokens", tc, got)
		}
	}
	for _, w := range r.Report().Workloads {
		if w.Presence != nil && w.Presence.Kind == string(alerting.WorkloadNew) {
			t.Errorf("%s: got %+v, want no news of a workload", w.Workload, w.Presence)
		}
	}
}

// TestNewAfterAJump holds that a workload which begins after the counters of its source jumped is news, and those that were there before are not.
func TestNewAfterAJump(t *testing.T) {
	t.Parallel()
	began := opening.Add(-2 * 24 * time.Hour)
	teams := both(steady(map[string]string{"team_alias": "support"}, 1e7), func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "fresh"}, func(signal string, end time.Time) (float64, bool) {
			v, ok := map[string]float64{"input": 8e6, "output": 2e6, "requests": 100, "coverage": 1, "resets": 0}[signal]
			return v, ok && end.After(began)
		})}
	})
	r := newRig(t, route(teams, steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.text = strings.Replace(r.text, "defaults:\n", fmt.Sprintf("defaults:\n  jumps: [{at: %s, is: counter}]\n", opening.Add(-5*24*time.Hour).Format(time.RFC3339)), 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 2)
	for name, want := range map[string]bool{"fresh": true, "support": false, "llama": false} {
		if p := workload(t, report, name).Presence; (p != nil && p.Kind == string(alerting.WorkloadNew)) != want {
			t.Errorf("%s: got %+v, want it to be new: %v", name, p, want)
		}
	}
}

// TestMonthOfAJump holds that what a workload used of a month in which its counter began to count otherwise is not known, and is no little use to a budget.
func TestMonthOfAJump(t *testing.T) {
	t.Parallel()
	month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for at, known := range map[time.Time]bool{month.Add(time.Hour): false, month: true, month.Add(-time.Hour): true} {
		r := supported(t)
		r.text += fmt.Sprintf("workloads:\n  - {match: {team_alias: support}, policy: {min_history: 24h}, jumps: [{at: %s, is: counter}]}\n", at.Format(time.RFC3339)) +
			"budgets:\n  - {name: support, usd_per_month: 1000, match: {team_alias: support}}\n"
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		r.days(t, 2)
		if err := r.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := r.Report()
		w, b := workload(t, report, "support"), report.Budgets[0]
		if w.Decision.Recommendation == model.Unknown || warned(w, countedSince) == known || (w.Usage.MonthToDateTokens != nil) != known || (b.Projected != nil) != known || (len(b.Unknown) == 0) != known {
			t.Errorf("%s: got %s, %v of the month and the budget %+v, want them known: %v", at, w.Decision.Recommendation, w.Usage.MonthToDateTokens, b, known)
		}
	}
}
