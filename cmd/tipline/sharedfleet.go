package main

import (
	"fmt"

	"tipline/model"
)

// sharedFleet says what several workloads may share and what that costs.
func (e *explainer) sharedFleet() {
	f := e.r.SharedFleet
	e.of(fmt.Sprintf("a fleet that %s may share", count(len(f.Workloads), "workload")))
	e.title("VERDICT: share " + f.Option)
	e.line("  Because %s.", sentence(f.Because))
	e.title("COST A MONTH, AT THE MEDIAN VOLUMES")
	rows := [][]string{
		{"replicas", cents(f.CapacityUSDPerMonth), fmt.Sprintf("%d of them, spares included, for the %.2f that the highest hour takes, %s", f.Replicas, f.PeakReplicas, f.PeakHour)},
		{"operations", cents(f.OperationsUSDPerMonth), "once"},
		{"by volume", cents(f.VariableUSDPerMonth), ""},
		{"together", cents(f.USDPerMonth), ""},
		{"the best of each alone", cents(f.AloneUSDPerMonth), ""},
		{"saving", cents(f.SavingUSDPerMonth), "against the best of each alone"},
	}
	if now := f.CurrentUSDPerMonth; now != nil {
		rows = append(rows, []string{"what serves them now", cents(*now), ""})
	}
	if f.MigrationUSD > 0 {
		rows = append(rows, []string{"to move there", cents(f.MigrationUSD), "once"})
	}
	e.table("  ", rows)
}

// tenants says what every workload of a shared fleet brings into it.
func (e *explainer) tenants() {
	p, err := e.r.Shared()
	if err != nil {
		return // what is said below the numbers
	}
	e.title("WHAT EACH BRINGS")
	rows := [][]string{{"workload", "receipt", "replicas at its peak", "by volume", "alone", "now"}}
	for _, t := range p.Tenants {
		now := "unknown"
		if t.Now != nil {
			now = cents(model.USD(*t.Now))
		}
		rows = append(rows, []string{t.Workload, t.Decision, fmt.Sprintf("%.2f", t.Peak), cents(model.USD(t.Variable)), cents(model.USD(t.Alone)), now})
	}
	e.table("  ", rows)
}
