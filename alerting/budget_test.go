package alerting

import (
	"testing"
	"time"

	"tipline/model"
)

// TestBudgets holds that a budget that is going to be passed is told once a month, after as many evaluations as a verdict takes, and that
// what is not known moves nothing.
func TestBudgets(t *testing.T) {
	t.Parallel()
	projected := func(month string, usd model.USD) model.BudgetReport {
		b := model.BudgetReport{Budget: "support", USD: 1000, Month: month}
		if usd > 0 {
			b.Projected, b.SpentUSD = &model.Quantiles[model.USD]{P10: usd, P50: usd, P90: usd}, new(model.USD(100))
		}
		return b
	}
	store, box := &memory{}, &mailbox{name: "box"}
	for i, step := range []struct {
		month string
		usd   model.USD // 0: not known
		told  int       // messages so far
	}{
		{"2026-10", 900, 0},
		{"2026-10", 1100, 0},
		{"2026-10", 1100, 0},
		{"2026-10", 1000, 0}, // not above: begins anew
		{"2026-10", 1100, 0},
		{"2026-10", 0, 0}, // not known: as it was
		{"2026-10", 1100, 0},
		{"2026-10", 1100, 1},
		{"2026-10", 2000, 1},
		{"2026-10", 900, 1},
		{"2026-10", 2000, 1},
		{"2026-11", 2000, 1}, // another month
		{"2026-11", 2000, 1},
		{"2026-11", 2000, 2},
	} {
		d := newDesk(t, store, box) // a restart before every evaluation
		now := morning.AddDate(0, 0, i)
		for range 2 { // how often the schedule evaluates changes nothing
			all := []Budgeted{{Report: projected(step.month, step.usd), Route: Route{Channel: "#finops"}}, {Report: model.BudgetReport{Budget: "other", USD: 5, Month: step.month}}}
			if err := d.Budgets(all, policy, now); err != nil {
				t.Fatal(err)
			}
		}
		deliverAll(t, d, now, now.Add(time.Hour))
		if len(box.accepted) != step.told {
			t.Fatalf("evaluation %d, %+v: got %d messages, want %d", i, step, len(box.accepted), step.told)
		}
	}
	if e := box.accepted[1]; e.Reason != OverBudget || e.Channel != "#finops" || e.Budget.Month != "2026-11" || e.ID == box.accepted[0].ID {
		t.Errorf("got %+v, want the budget of November in its channel, under an id of its own", e)
	}
}
