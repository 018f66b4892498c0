package model

import (
	"cmp"
	"slices"
	"time"
)

// BudgetReport is what the workloads of a budget are projected to cost in the current calendar month in UTC, each on its current option.
type BudgetReport struct {
	Budget    string          `json:"budget"`
	USD       USD             `json:"usd_per_month"`
	Month     string          `json:"month"`               // 2006-01
	Projected *Quantiles[USD] `json:"projected_usd"`       // of the whole month; null when no cost is known. The outer two are of all workloads high or low at once
	SpentUSD  *USD            `json:"spent_usd"`           // of it what falls to the tokens measured so far; null as above
	PassesOn  string          `json:"passes_on,omitempty"` // the day on which the median passes the budget, 2006-01-02; absent when it does not
	Items     []BudgetItem    `json:"items"`               // the dearest workload first
	Unknown   []string        `json:"unknown"`             // workloads whose cost is not known and not in the numbers
}

// BudgetItem is what one workload of a budget is projected to cost in the month.
type BudgetItem struct {
	Workload string         `json:"workload"`
	USD      Quantiles[USD] `json:"projected_usd"`
	SpentUSD USD            `json:"spent_usd"`
}

// Over reports whether the median of the month is above the budget.
func (b BudgetReport) Over() bool { return b.Projected != nil && b.Projected.P50 > b.USD }

// Sum sets what the items of b come to together at now, and the day on which the median passes the budget if what is left of the month is spent evenly. The
// dearest item then comes first.
func (b *BudgetReport) Sum(now time.Time) {
	b.Projected, b.SpentUSD, b.PassesOn = nil, nil, ""
	if len(b.Items) == 0 {
		return
	}
	var projected Quantiles[USD]
	var spent USD
	slices.SortStableFunc(b.Items, func(a, b BudgetItem) int { return cmp.Compare(b.USD.P50, a.USD.P50) })
	for _, i := range b.Items {
		projected = Quantiles[USD]{P10: projected.P10 + i.USD.P10, P50: projected.P50 + i.USD.P50, P90: projected.P90 + i.USD.P90}
		spent += i.SpentUSD
	}
	b.Projected, b.SpentUSD = &projected, &spent
	if !b.Over() {
		return
	}
	now = now.UTC()
	end := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	passes := now
	if left := b.USD - spent; left > 0 {
		passes = now.Add(time.Duration(float64(left/(projected.P50-spent)) * float64(end.Sub(now))))
	}
	b.PassesOn = passes.Format(time.DateOnly)
}
