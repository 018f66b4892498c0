package cost

import "math/big"

// Owned is hardware of one's own (cost model, section 4.7). Nil fields are 0.
type Owned struct {
	Capex              *big.Rat // USD paid for it
	Months             int64    // life over which it is written off, at least 1
	AnnualRate         *big.Rat // cost of capital a year, 0.08 for 8 %; 0 writes off in a straight line
	Salvage            *big.Rat // USD that it is worth at the end
	GPUs               int64
	IdleWatts          *big.Rat // of a GPU that does nothing
	LoadWatts          *big.Rat // of a GPU that is busy
	HostWatts          *big.Rat // of everything around the GPUs
	Utilization        *big.Rat // share of the time in which the GPUs are busy
	PUE                *big.Rat // power of the whole room over that of the machines
	USDPerKWh          *big.Rat
	ColocationKW       *big.Rat // kilowatts that are rented
	ColocationPerKW    *big.Rat // USD a month and kilowatt
	MaintenancePerYear *big.Rat // share of Capex
	HoursPerMonth      *big.Rat // nil means DefaultHours
}

// OwnedCost is what owned hardware costs in USD a month.
type OwnedCost struct {
	Capital, Power, Colocation, Maintenance *big.Rat
}

// Total returns everything, the cost that the decision to buy compares.
func (c OwnedCost) Total() *big.Rat { return add(c.Capital, c.Avoidable()) }

// Avoidable returns what would stop being paid on leaving: all but the capital, which is sunk (cost model, section 4.10).
func (c OwnedCost) Avoidable() *big.Rat { return add(add(c.Power, c.Colocation), c.Maintenance) }

// Monthly returns the cost of o.
func (o Owned) Monthly() OwnedCost {
	gpus := integer(o.GPUs)
	idle, load := or(o.IdleWatts, zero), or(o.LoadWatts, zero)
	watts := add(mul(gpus, add(idle, mul(sub(load, idle), or(o.Utilization, zero)))), or(o.HostWatts, zero))
	kWh := mul(quo(watts, integer(1000)), mul(or(o.PUE, one), or(o.HoursPerMonth, DefaultHours)))
	return OwnedCost{
		Capital:     o.capital(),
		Power:       mul(kWh, or(o.USDPerKWh, zero)),
		Colocation:  mul(or(o.ColocationKW, zero), or(o.ColocationPerKW, zero)),
		Maintenance: quo(mul(or(o.Capex, zero), or(o.MaintenancePerYear, zero)), monthsAYear),
	}
}

// capital returns the annuity that pays off the price less what the salvage is worth today, or the straight line without
// interest.
func (o Owned) capital() *big.Rat {
	months := max(1, o.Months)
	capex, salvage := or(o.Capex, zero), or(o.Salvage, zero)
	rate := quo(or(o.AnnualRate, zero), monthsAYear)
	if rate.Sign() == 0 {
		return quo(sub(capex, salvage), integer(months))
	}
	growth := power(add(one, rate), months)
	return quo(mul(sub(capex, quo(salvage, growth)), mul(rate, growth)), sub(growth, one))
}

// power returns r to the power n ≥ 0.
func power(r *big.Rat, n int64) *big.Rat {
	e := big.NewInt(n)
	return new(big.Rat).SetFrac(new(big.Int).Exp(r.Num(), e, nil), new(big.Int).Exp(r.Denom(), e, nil))
}
