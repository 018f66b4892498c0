package daemon

import (
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/model"
)

// TestDigest sums up a fleet: what is to be decided first, then what comes near by the day to act by, what is not known, what drifted.
func TestDigest(t *testing.T) {
	t.Parallel()
	stay := func(name string) model.WorkloadReport {
		return model.WorkloadReport{
			Workload: name, Current: "api", Options: []model.OptionCost{{Option: "api", USDPerMonth: &model.Quantiles[model.USD]{P50: 1000}}},
			Decision: model.Decision{ID: "0123456789ab", Recommendation: model.Stay, Option: "api"}, Case: &model.Case{Stage: model.StageWatching},
		}
	}
	report := &model.Report{AsOf: opening}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		report.Workloads = append(report.Workloads, stay(name))
	}
	report.Workloads[1].Decision.Recommendation, report.Workloads[1].Decision.Because = model.Unknown, "nothing has been measured"
	report.Workloads[2].Drift = []model.Drift{{Kind: "volume", Score: 1.5, Text: "twice as much"}, {Kind: "peak_factor", Score: 0.2}}
	report.Workloads[5].Forecast = &model.ForecastSummary{Scores: []model.ForecastScore{{Days: 7, ErrorRatio: 0.06}}}
	report.DataFaults = []model.DataFault{{Source: "gateway", Workload: "b", Code: "COUNTER_CHANGED"}, {Source: "engines", Code: "SOURCE_DOWN", Text: "nothing was read"}}
	report.JointMoves = []model.JointMove{{ID: "1514a8524d8c", Because: "a and b would save $5,500 a month"}}
	for i, c := range map[int]model.Case{
		0: {Stage: model.StageApproaching, Option: "fleet", ActBy: "2027-02-01"}, 3: {Stage: model.StageAnnounced, Option: "fleet", Since: opening},
		7: {Stage: model.StageUnstable, Option: "api", Other: "fleet", Since: opening},
		4: {Stage: model.StageApproaching, Option: "fleet", ActBy: "2027-03-01"}, 6: {Stage: model.StageAcknowledged, Option: "fleet", Since: opening},
	} {
		report.Workloads[i].Case = &c
	}
	report.Workloads = append(report.Workloads, model.WorkloadReport{Workload: "other", Names: 3, Decision: model.Decision{Recommendation: model.Unknown, Because: "it sums up names"}})
	got := digest(report, map[string]alerting.Outcome{"f": {From: "fleet", Made: opening, Promised: 500, Saves: 400}}, model.BudgetReport{})
	var items []string
	for _, i := range got.Items {
		items = append(items, i.Kind+" "+i.Workload)
	}
	if all, want := strings.Join(items, ", "), "decide d, approaching a, approaching e, together , unstable h, seen g, fault , unknown b, moved f, drift c"; all != want {
		t.Errorf("got %s, want %s", all, want)
	}
	if got.Quiet != 3 || got.Costed != 8 || got.USDPerMonth != 8000 || got.Graded != 1 || got.ErrorRatio != 0.06 {
		t.Errorf("got %+v", got)
	}
}

// TestDigestOfFrozen holds that what was confirmed is not forgotten while the data are not known.
func TestDigestOfFrozen(t *testing.T) {
	t.Parallel()
	report := &model.Report{AsOf: opening}
	for _, c := range []model.Case{{Stage: model.StageFrozen}, {Stage: model.StageFrozen, Option: "fleet", Since: opening}, {Stage: model.StageFrozen, Since: opening}} {
		report.Workloads = append(report.Workloads, model.WorkloadReport{Workload: "w", Case: &c, Decision: model.Decision{Recommendation: model.Unknown, Because: "nothing was read"}})
	}
	since := ", since " + model.FormatDate(opening) + ", frozen: nothing was read"
	want := []string{"nothing was read", "move to fleet" + since, "no option may serve it" + since}
	for i, item := range digest(report, nil, model.BudgetReport{}).Items {
		if item.Kind != model.DigestUnknown || item.Text != want[i] {
			t.Errorf("got %s %q, want %q", item.Kind, item.Text, want[i])
		}
	}
}

// TestDigestIsSent has the digest of a quiet fleet come by its schedule as one line.
func TestDigestIsSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nothingMeasured)
	r.sendDigest(t.Context()) // before the first cycle there is nothing to say
	r.daily(t, 1)
	if len(r.box.events) != 0 {
		t.Fatalf("got %+v before a digest", r.box.events)
	}
	r.sendDigest(t.Context())
	r.sendDigest(t.Context()) // the first one waits and is replaced
	if _, err := r.desk.Deliver(t.Context(), r.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(r.box.events) != 1 || r.box.events[0].Reason != alerting.Digested || slack.Text(r.box.events[0]) != "Workloads: 0 quiet. Receipt "+r.box.events[0].ID+"." {
		t.Errorf("got %+v, want one digest of a line", r.box.events)
	}
}

// TestSpendIsTheShareOfAnAccount holds that the digest adds up shares of a bill, which are what is paid, and not what each workload adds to it.
func TestSpendIsTheShareOfAnAccount(t *testing.T) {
	t.Parallel()
	w := model.WorkloadReport{Current: "api", Options: []model.OptionCost{
		{Option: "own", USDPerMonth: &model.Quantiles[model.USD]{P50: 7}}, {Option: "api", USDPerMonth: &model.Quantiles[model.USD]{P50: 0}},
	}}
	if got := w.Spend(); got == nil || *got != 0 {
		t.Errorf("alone: got %v, want the cost", got)
	}
	w.Options[1].Account = &model.AccountUse{ShareUSDPerMonth: new(model.USD(40))}
	if got := w.Spend(); got == nil || *got != 40 {
		t.Errorf("beside others: got %v, want the share", got)
	}
	w.Options[1].Account.ShareUSDPerMonth = nil
	if got := w.Spend(); got != nil {
		t.Errorf("beside others, without a share: got %v, want that it is not known", *got)
	}
}
