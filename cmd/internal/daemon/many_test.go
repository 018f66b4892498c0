package daemon

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector"
	"tipline/model"
)

// TestManyNames holds that the sum of names that are too many to be workloads is in the report under a name of its own, projected and without a verdict, that no stanza takes it
// for its workload, and that nothing is told of it.
func TestManyNames(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(
		both(steady(map[string]string{"team_alias": "other"}, 2e7), steady(map[string]string{"team_alias": "support"}, 1e7)), steady(map[string]string{"model_name": "llama"}, 1e5),
	))
	r.text += "workloads:\n  - {match: {team_alias: support}, name: other@gateway}\n  - {source: gateway, name: all-of-it, meter: separate}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	restore := func(from, to time.Time) {
		c := r.setup.sources[0].collector
		for at := from; at.Before(to); at = at.Add(time.Hour) {
			h := model.Hour{Tokens: model.Volume{model.Input: 8e6, model.Output: 2e6}, Requests: 1e4, Coverage: 1}
			if _, err := c.Restore(collector.Kept{Labels: map[string]string{"": "other"}, Start: at, Hour: h}, r.clock(), false); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Save(); err != nil {
			t.Fatal(err)
		}
	}
	begin := opening.Add(-10 * 24 * time.Hour)
	restore(begin, opening)
	var report *model.Report
	for range 3 {
		report = r.days(t, 1)
		restore(r.clock().Add(-24*time.Hour), r.clock())
	}
	var names []string
	for _, w := range report.Workloads {
		names = append(names, w.Workload)
	}
	if got, want := strings.Join(names, " "), "all-of-it llama other@gateway other"; got != want {
		t.Errorf("got the workloads %s, want %s", got, want)
	}
	w := workload(t, report, "other")
	if w.Names != 1 || w.Decision.Recommendation != model.Unknown || !warned(w, manyNames) || w.Forecast == nil || len(w.Options) > 0 || w.Presence != nil {
		t.Errorf("got %d names, %s, %d options, %v, %+v; want the sum projected, without options and verdict, and with the reason", w.Names, w.Decision.Recommendation, len(w.Options), w.Presence, w.Warnings)
	}
	if want := 1e7 * 24 * 12.0; w.Usage.Last30dTokens == nil || math.Abs(float64(*w.Usage.Last30dTokens)/want-1) > 0.01 {
		t.Errorf("got %v tokens, want %v", *w.Usage.Last30dTokens, want)
	}
	if slices.ContainsFunc(report.DataFaults, func(f model.DataFault) bool { return f.Workload == "other" }) {
		t.Errorf("got %+v, want no fault of the sum", report.DataFaults)
	}
	for _, e := range r.box.events {
		if e.Workload == "other" {
			t.Errorf("got a message: %+v", e)
		}
	}
	for range 3 { // the names are gone
		report = r.days(t, 1)
	}
	if w = workload(t, report, "other"); w.Presence != nil || w.Decision.Recommendation != model.Unknown {
		t.Errorf("got %v and %s, want nothing told of the end of the sum", w.Presence, w.Decision.Recommendation)
	}
	for _, e := range r.box.events {
		if e.Workload == "other" {
			t.Errorf("got a message: %+v", e)
		}
	}
}

// TestManyNamesOfSources holds that the sums of two sources have names of their own whatever workloads are called.
func TestManyNamesOfSources(t *testing.T) {
	t.Parallel()
	usage := func(source, name string, names int) metered {
		return held(metered{usage: model.Usage{Source: source, Workload: name, Names: names}})
	}
	all := []metered{usage("a", "other", 3), usage("b", "other", 5), usage("b", "other", 0), usage("c", "other@a", 0)}
	for range 4 {
		all = append(all[1:], all[0])
		var got []string
		for _, m := range named(slices.Clone(all)) {
			got = append(got, m.usage.Source+":"+m.usage.Workload)
		}
		if got, want := strings.Join(got, " "), "b:other c:other@a a:other@a@a b:other@b"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
