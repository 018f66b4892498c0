package daemon

import (
	"math"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
)

// TestBudget lives through mornings of a month whose projection passes a budget: the report says by how much, and one message says when.
func TestBudget(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.text += "budgets:\n  - {name: support, usd_per_month: 1000, match: {team_alias: support}}\n  - {name: nobody, usd_per_month: 1000, match: {team_alias: none}}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.daily(t, 2)
	report := r.Report()
	b := report.Budgets[0]
	if b.Projected == nil || b.SpentUSD == nil || !b.Over() || len(b.Items) != 1 || len(b.Unknown) != 0 {
		t.Fatalf("got %+v, want the cost of the one workload, above the budget", b)
	}
	w := workload(t, report, "support")
	share := *w.Usage.MonthToDateTokens / w.Forecast.CalendarMonthTokens.P50
	if got, want := float64(*b.SpentUSD), float64(b.Projected.P50)*float64(share); math.Abs(got-want) > 0.01 {
		t.Errorf("spent: got %v, want %v", got, want)
	}
	if b.Month != report.AsOf.Format("2006-01") || !strings.HasPrefix(b.PassesOn, b.Month) {
		t.Errorf("month %s, passed on %s: want a day in %s", b.Month, b.PassesOn, report.AsOf.Format("2006-01"))
	}
	if nobody := report.Budgets[1]; nobody.Projected != nil || nobody.Over() {
		t.Errorf("a budget of no workload: got %+v, want nothing known", nobody)
	}
	r.daily(t, 5)
	told := 0
	for _, reason := range r.reasons() {
		if reason == alerting.OverBudget {
			told++
		}
	}
	if told != 1 {
		t.Errorf("got %d messages about the budget, want 1", told)
	}
}

// TestBudgetOfAMove moves a workload within a month: what was spent before stays what it was, and only the rest is priced on the new option. The
// next month knows nothing of it.
func TestBudgetOfAMove(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.text += "budgets:\n  - {name: support, usd_per_month: 1000, match: {team_alias: support}}\n"
	r.text = strings.Replace(r.text, "candidates: [api, fleet]", "candidates: [fleet]", 1) // it moves away from what is no candidate
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.daily(t, 10)
	before := r.Report()
	r.text = strings.Replace(r.text, "current: api", "current: fleet", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.start(t) // what it was on is in the ledger
	r.daily(t, 1)
	after := r.Report()
	spent, had := float64(*after.Budgets[0].SpentUSD), float64(*before.Budgets[0].SpentUSD)
	onAPI := float64(*workload(t, after, "support").Usage.MonthToDateTokens) * 3 / 1e6
	if math.Abs(spent-onAPI) > 0.02 || spent < had {
		t.Errorf("spent: got %v after %v, want %v on the API until the move", spent, had, onAPI)
	}
	// 14.6B tokens a month need two replicas, and a spare.
	hours := float64(30*24) - after.AsOf.Sub(opening.AddDate(0, 0, -1).Truncate(24*time.Hour)).Hours()
	rest := (3*7.98*730 + 9387) * hours / 730
	if got := float64(after.Budgets[0].Projected.P50); math.Abs(got-onAPI-rest) > 0.02 {
		t.Errorf("projected: got %v, want %v on the API and %v for %v hours of the fleet", got, onAPI, rest, hours)
	}
	r.daily(t, 20)
	if next := r.Report(); next.Budgets[0].Month != "2026-12" || math.Abs(float64(next.Budgets[0].Projected.P50)-(3*7.98*730+9387)*744/730) > 0.02 {
		t.Errorf("the month after: got %+v, want all of it on the fleet", next.Budgets[0])
	}
}
