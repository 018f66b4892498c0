package alerting

import (
	"encoding/json"
	"fmt"
	"time"

	"tipline/model"
)

// budgeted is put before the name of a budget in the ledger, for the row that says what was found and told of it this month.
const budgeted = "budget/"

// Budgeted is a budget as an evaluation found it.
type Budgeted struct {
	Report model.BudgetReport
	Route  Route // of its messages

	Grounds any // what the numbers were worked out from, for the receipt of a message
}

// overspend is what is kept of a budget from one evaluation to the next.
type overspend struct {
	Month  string `json:"month"` // 2006-01; what is kept is of this month alone
	Told   bool   `json:"told,omitempty"`
	streak        // of evaluations that projected more than the budget
}

// next returns the state after an evaluation, and whether it is to be told: the median was above the budget in as many evaluations in a
// row as a verdict takes, once a month. It is pure.
func (o overspend) next(b model.BudgetReport, now time.Time, p Policy) (overspend, bool) {
	if o.Month != b.Month {
		o = overspend{Month: b.Month}
	}
	if o.Told || b.Projected == nil { // what is not known moves nothing
		return o, false
	}
	o.streak = o.streak.next(b.Over(), now, p)
	o.Told = o.holds(p)
	return o, o.Told
}

// Budgets moves the state of every budget and queues a message for each that is going to be passed, in one transaction.
func (d *Desk) Budgets(budgets []Budgeted, p Policy, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := batch{}
	var events []Event
	for _, b := range budgets {
		key := budgeted + b.Report.Budget
		row, err := d.store.Get(ledgerBucket, key)
		if err != nil {
			return err
		}
		var before overspend
		if row != nil && json.Unmarshal(row, &before) != nil {
			d.log.Error("row of a budget cannot be read and begins anew", "budget", b.Report.Budget)
		}
		after, tell := before.next(b.Report, now, p)
		if after != before {
			changes.put(ledgerBucket, key, encode(after))
		}
		if tell {
			events = append(events, Event{
				Version: eventVersion, ID: eventID(key, now.Unix(), b.Report.Month), Reason: OverBudget, Severity: OverBudget.Of(model.WorkloadReport{}, false), Time: now, Route: b.Route, Budget: &b.Report, Grounds: b.Grounds,
			})
		}
	}
	if err := d.commit(changes, events...); err != nil {
		return fmt.Errorf("budgets: %w", err)
	}
	return nil
}
