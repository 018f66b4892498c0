package model

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
