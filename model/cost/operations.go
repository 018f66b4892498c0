package cost

import "math/big"

// Operations is what running a fleet takes beside its GPUs (cost model, section 4.8). Nil fields are 0.
type Operations struct {
	EngineerMonth   *big.Rat // E: USD of one engineer-month, fully loaded
	BuildMonths     *big.Rat // m_build: engineer-months to build it
	AmortizeMonths  *big.Rat // T: months over which building is spread; nil leaves it out, for where it is paid up front
	FTE             *big.Rat // engineers who run it, 0.25 for a quarter of one
	OnCallPerWeek   *big.Rat // USD
	DriverUpdates   *big.Rat // a year
	DriverDays      *big.Rat // engineer-days of each
	ModelUpdates    *big.Rat // a year
	ModelDays       *big.Rat // engineer-days of each
	ToolingPerMonth *big.Rat // USD
}

// Working time and the calendar, as the cost model counts them.
var (
	workingDays = integer(21) // in an engineer-month
	weeksAYear  = integer(52)
	monthsAYear = integer(12)
)

// Monthly returns the terms of the cost of operations in USD a month, in the order of the specification, and their sum.
func (o Operations) Monthly() (parts []Part, total *big.Rat) {
	engineer := or(o.EngineerMonth, zero)
	updates := func(perYear, days *big.Rat) *big.Rat {
		return quo(mul(quo(engineer, workingDays), mul(or(perYear, zero), or(days, zero))), monthsAYear)
	}
	build := new(big.Rat)
	if o.AmortizeMonths != nil && o.AmortizeMonths.Sign() > 0 {
		build = quo(o.Upfront(), o.AmortizeMonths)
	}
	parts = []Part{
		{Name: "build", USD: build},
		{Name: "run", USD: mul(engineer, or(o.FTE, zero))},
		{Name: "on-call", USD: quo(mul(or(o.OnCallPerWeek, zero), weeksAYear), monthsAYear)},
		{Name: "driver updates", USD: updates(o.DriverUpdates, o.DriverDays)},
		{Name: "model updates", USD: updates(o.ModelUpdates, o.ModelDays)},
		{Name: "tooling", USD: add(or(o.ToolingPerMonth, zero), zero)},
	}
	total = new(big.Rat)
	for _, p := range parts {
		total.Add(total, p.USD)
	}
	return parts, total
}

// Upfront returns what building costs in USD. It is counted either here or, spread, in Monthly, never in both.
func (o Operations) Upfront() *big.Rat {
	return mul(or(o.EngineerMonth, zero), or(o.BuildMonths, zero))
}
