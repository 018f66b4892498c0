package daemon

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/collector/promtest"
	"tipline/model"
)

// within answers like load for the hours of which in says so, and has no series in the others.
func within(load func(promtest.Query) promtest.Answer, in func(end time.Time) bool) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		a := load(q)
		for i := range a.Series {
			a.Series[i].Points = slices.DeleteFunc(a.Series[i].Points, func(p promtest.Point) bool { return !in(p.At) })
		}
		a.Series = slices.DeleteFunc(a.Series, func(s promtest.Series) bool { return len(s.Points) == 0 })
		return a
	}
}

// both answers with the series of one and of other.
func both(one, other func(promtest.Query) promtest.Answer) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: append(one(q).Series, other(q).Series...)}
	}
}

// TestRename holds that a label which changes is proposed as a rename and leaves both without a verdict, and that the history goes on once the configuration says what
// the workload was.
func TestRename(t *testing.T) {
	t.Parallel()
	at := opening.Add(-30 * time.Hour)
	was := within(steady(map[string]string{"team_alias": "helpdesk"}, 2e7), func(end time.Time) bool { return !end.After(at) })
	is := within(steady(map[string]string{"team_alias": "support"}, 2e7), at.Before)
	r := newRig(t, route(both(was, is), steady(map[string]string{"model_name": "llama"}, 1e5)))
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"helpdesk", "support"} {
		if w := workload(t, report, name); w.Decision.Recommendation != model.Unknown || !warned(w, "LABEL_CHANGED") {
			t.Errorf("%s: got %s (%s), want none while nobody says whether it is the same", name, w.Decision.Recommendation, w.Decision.Because)
		}
	}
	if len(report.Renames) != 1 {
		t.Fatalf("got %+v, want one rename", report.Renames)
	}
	got := report.Renames[0]
	if got.Source != "gateway" || !slices.Equal(got.Was, []string{"helpdesk"}) || !slices.Equal(got.Is, []string{"support"}) || !got.At.Equal(at) || got.Settles != "2026-11-15" ||
		!strings.Contains(got.Proposal, `was: {team_alias: "helpdesk"}`) {
		t.Errorf("got %+v", got)
	}
	r.text += "workloads:\n  - {match: {team_alias: support}, was: {team_alias: \"helpdesk\"}, name: support, notify: {}}\n" +
		"budgets:\n  - {name: support, usd_per_month: 1000, match: {team_alias: support}}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if report, err = r.Evaluate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := workload(t, report, "support")
	if len(report.Workloads) != 2 || len(report.Renames) != 0 || w.Decision.Recommendation != model.Move {
		t.Errorf("got %d workloads, %+v and %s (%s), want one with a verdict", len(report.Workloads), report.Renames, w.Decision.Recommendation, w.Decision.Because)
	}
	if want := 2e7 * 24 * 14; w.Usage.Last30dTokens == nil || float64(*w.Usage.Last30dTokens) < 0.98*want || w.Usage.CoverageRatio < 0.98 {
		t.Errorf("got %v tokens with coverage %v, want about %v: all of the history", *w.Usage.Last30dTokens, w.Usage.CoverageRatio, want)
	}
	if b := report.Budgets[0]; len(b.Items) != 1 {
		t.Errorf("got %+v, want the cost of support under the label that it has now", b)
	}
}

// TestMergedWorkloadHasTheTermsOfItsStanza holds that a workload which is made of several values of a label keeps its stanza and its budget, although its series have no
// value of that label in common.
func TestMergedWorkloadHasTheTermsOfItsStanza(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(
		both(steady(map[string]string{"team_alias": "support"}, 1e7), steady(map[string]string{"team_alias": "support-eu"}, 1e7)), steady(map[string]string{"model_name": "llama"}, 1e5),
	))
	r.text += "workloads:\n  - {match: {team_alias: [support, support-eu]}, name: all-support, policy: {confirmations: 1}}\n" +
		"budgets:\n  - {name: both, usd_per_month: 1000, match: {team_alias: [support, support-eu]}}\n  - {name: one, usd_per_month: 1000, match: {team_alias: support}}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 1)
	workload(t, report, "all-support")
	if len(r.box.events) != 1 || r.box.events[0].Reason != alerting.FirstSeen && r.box.events[0].Reason != alerting.Switched {
		t.Errorf("got %+v, want the verdict told on the first morning (policy.confirmations of the stanza)", r.box.events)
	}
	if items := len(report.Budgets[0].Items); items != 1 {
		t.Errorf("budget of both labels: got %d workloads, want 1", items)
	}
	if items := len(report.Budgets[1].Items); items != 0 {
		t.Errorf("budget of one label: got %d workloads, want none: not all of it is covered", items)
	}
}

// TestDigestTellsNewAndVanished holds which workloads are news: those that began or ended in the last week, unless their source is as young as they are.
func TestDigestTellsNewAndVanished(t *testing.T) {
	t.Parallel()
	w := func(name, source string, first, last time.Duration) model.WorkloadReport {
		from, to := opening.Add(-first), opening.Add(-last)
		report := model.WorkloadReport{Workload: name, Source: source, Usage: model.UsageSummary{FirstSample: &from, LastSample: &to}}
		report.Decision.Recommendation = model.Stay
		if last > staleAfter {
			report.Decision = model.Decision{Recommendation: model.Unknown, Because: "nothing has been measured"}
			report.Warnings = []model.Warning{{Code: stale}}
		}
		return report
	}
	const day = 24 * time.Hour
	got := digest(&model.Report{AsOf: opening, Workloads: []model.WorkloadReport{
		w("old", "a", 60*day, 0), w("new", "a", 3*day, 0), w("gone", "a", 60*day, 2*day), w("long-gone", "a", 60*day, 20*day), w("first", "b", 3*day, 0), w("second", "b", 3*day, 0),
	}}, standing{})
	var items []string
	for _, i := range got.Items {
		items = append(items, i.Kind+" "+i.Workload)
	}
	if all, want := strings.Join(items, ", "), "new new, vanished gone, unknown long-gone"; all != want {
		t.Errorf("got %s, want %s", all, want)
	}
}

// TestMergedWorkloadOutlivesItsSeries holds that a workload which is made of several series goes on when one of them ends, after a day in which nobody knows whether it was
// measured, and that its history is that of all of them.
func TestMergedWorkloadOutlivesItsSeries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		silent time.Duration
		goesOn bool
	}{{20 * time.Hour, false}, {30 * time.Hour, true}} {
		at := opening.Add(-c.silent)
		ended := within(steady(map[string]string{"team_alias": "support"}, 1e7), func(end time.Time) bool { return !end.After(at) })
		r := newRig(t, route(both(ended, steady(map[string]string{"team_alias": "support-eu"}, 1e7)), steady(map[string]string{"model_name": "llama"}, 1e5)))
		r.text += "workloads:\n  - {match: {team_alias: [support, support-eu]}, name: support}\n"
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := workload(t, report, "support")
		if known := w.Decision.Recommendation != model.Unknown; known != c.goesOn {
			t.Errorf("silent for %s: got %s (%s), want a verdict: %v", c.silent, w.Decision.Recommendation, w.Decision.Because, c.goesOn)
		}
		hours := 14*24 - 1.0
		if want := 1e7 * (2*hours - c.silent.Hours() + 1); c.goesOn && math.Abs(float64(*w.Usage.Last30dTokens)/want-1) > 0.01 {
			t.Errorf("silent for %s: got %v tokens, want about %v", c.silent, *w.Usage.Last30dTokens, want)
		}
	}
}
