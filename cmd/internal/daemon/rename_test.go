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

// TestRenameProposalIsOfOneWorkload holds that what is proposed of a workload names all of its labels, so that it takes no other one that has some of them.
func TestRenameProposalIsOfOneWorkload(t *testing.T) {
	t.Parallel()
	at := opening.Add(-30 * time.Hour)
	llama := func(namespace, name string, perHour float64) func(promtest.Query) promtest.Answer {
		return steady(map[string]string{"namespace": namespace, "model_name": name}, perHour)
	}
	was := within(llama("a", "llama-3", 2e7), func(end time.Time) bool { return !end.After(at) })
	is := within(llama("a", "llama-3.3", 2e7), at.Before)
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 1e5), both(both(was, is), llama("b", "llama-3", 5e6))))
	r.text = strings.Replace(r.text, "group_by: [model_name]", "group_by: [namespace, model_name]", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Renames) != 1 {
		t.Fatalf("got %+v, want one rename", report.Renames)
	}
	_, proposed, _ := strings.Cut(report.Renames[0].Proposal, "was: {")
	proposed, _, _ = strings.Cut(proposed, "}")
	r.text += "workloads:\n  - {match: {namespace: a, model_name: llama-3.3}, was: {" + proposed + "}, name: chat}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if report, err = r.Evaluate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(report.Workloads) != 3 || len(report.Renames) != 0 {
		t.Errorf("got %d workloads and %+v, want chat, that of namespace b and support", len(report.Workloads), report.Renames)
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

// TestMergedWorkloadOutlivesItsSeries holds that a workload which is made of several series goes on when one of them ends, after a day in which nobody knows whether it was
// measured, if the others have what it had; that its history is then that of all of them; and that what is not known of a series is never nothing.
func TestMergedWorkloadOutlivesItsSeries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		silent time.Duration
		others float64 // tokens of an hour since, of 20 million of both before
		resets float64 // of the series an hour since; 0 means that it has no samples
		goesOn bool
	}{
		{"taken over for less than a day", 20 * time.Hour, 2e7, 0, false},
		{"taken over", 30 * time.Hour, 2e7, 0, true},
		{"not taken over: perhaps it is not scraped", 30 * time.Hour, 1e7, 0, false},
		{"refused", 30 * time.Hour, 2e7, 40, false},
		{"not taken over for thirteen days", 13 * 24 * time.Hour, 1e7, 0, false},
		{"not taken over for fifteen days", 15 * 24 * time.Hour, 1e7, 0, true},
		{"refused for fifteen days", 15 * 24 * time.Hour, 1e7, 40, false},
	} {
		at := opening.Add(-c.silent)
		load := func(team string, since, resets float64) func(promtest.Query) promtest.Answer {
			return func(q promtest.Query) promtest.Answer {
				return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": team}, func(signal string, end time.Time) (float64, bool) {
					tokens, fell := 1e7, 0.0
					if end.After(at) {
						tokens, fell = since, resets
					}
					v, ok := map[string]float64{"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": tokens / 1000, "coverage": 1, "resets": fell}[signal]
					return v, ok
				})}
			}
		}
		one := load("support", 1e7, c.resets)
		if c.resets == 0 {
			one = within(one, func(end time.Time) bool { return !end.After(at) })
		}
		r := newRig(t, route(both(one, load("support-eu", c.others, 0)), steady(map[string]string{"model_name": "llama"}, 1e5)))
		r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 30d") + "workloads:\n  - {match: {team_alias: [support, support-eu]}, name: support}\n"
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w := workload(t, report, "support")
		if known := w.Decision.Recommendation != model.Unknown; known != c.goesOn {
			t.Errorf("%s: got %s (%s), want a verdict: %v", c.name, w.Decision.Recommendation, w.Decision.Because, c.goesOn)
		}
		if dropped := c.silent > givenUp && c.resets == 0; dropped != warned(w, seriesEnded) {
			t.Errorf("%s: got %+v, want it to be said that a series ended: %v", c.name, w.Warnings, dropped)
		}
		if want := 1e7*(30*24-c.silent.Hours()) + c.others*c.silent.Hours() + 1e7*(30*24-c.silent.Hours()) - 2e7; c.goesOn && math.Abs(float64(*w.Usage.Last30dTokens)/want-1) > 0.01 {
			t.Errorf("%s: got %v tokens, want about %v", c.name, *w.Usage.Last30dTokens, want)
		}
	}
}
