package daemon

import (
	"math"
	"strings"
	"testing"

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
