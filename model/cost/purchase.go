package cost

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
)

// UnitHours is a number of hours in which a number of units, such as replicas, is used.
type UnitHours struct {
	Hours *big.Rat
	Units int64
}

// Reservation is which of the units that a load uses are worth reserving (cost model, section 4.7).
type Reservation struct {
	Used           []UnitHours // hours in which so many units or more are used, the most units first: the n-th is used as long as the last entry with n or more
	Reserved       int64       // units to reserve
	Cost           *big.Rat    // USD a month with Reserved reserved and the others on demand
	AllOnDemand    *big.Rat    // USD a month
	AllReserved    *big.Rat    // USD a month
	BreakevenHours *big.Rat    // hours of use a month above which reserving pays
}

// Reserve applies the rule: reserve the n-th unit if and only if the hours it is used cost more on demand than all hours of
// the month cost reserved. Prices are USD per unit and hour; the on-demand price is above 0.
func Reserve(load []UnitHours, onDemand, reserved, hours *big.Rat) (Reservation, error) {
	if onDemand.Sign() <= 0 || reserved.Sign() < 0 || hours.Sign() <= 0 {
		return Reservation{}, fmt.Errorf("reserve: got %s on demand, %s reserved and %s hours, want prices and hours above 0",
			Decimal(onDemand), Decimal(reserved), Decimal(hours))
	}
	most := func(a, b UnitHours) int { return cmp.Compare(b.Units, a.Units) }
	if !slices.IsSortedFunc(load, most) {
		load = slices.SortedStableFunc(slices.Values(load), most)
	}
	month := mul(reserved, hours)
	r := Reservation{Used: make([]UnitHours, 0, len(load)), BreakevenHours: quo(month, onDemand)}
	used := zero
	for _, l := range load {
		used = add(used, l.Hours)
		if n := len(r.Used); n > 0 && r.Used[n-1].Units == l.Units {
			r.Used[n-1].Hours = used
		} else if l.Units > 0 {
			r.Used = append(r.Used, UnitHours{Hours: used, Units: l.Units})
		}
		if r.Reserved == 0 && used.Cmp(r.BreakevenHours) > 0 {
			r.Reserved = l.Units
		}
	}
	r.AllOnDemand, r.AllReserved = mul(unitHours(load, 0), onDemand), new(big.Rat)
	if len(r.Used) > 0 {
		r.AllReserved = mul(month, integer(r.Used[0].Units))
	}
	r.Cost = add(mul(month, integer(r.Reserved)), mul(unitHours(load, r.Reserved), onDemand))
	return r, nil
}

// unitHours returns the hours of all units of load but the first so many, each hour of each unit counted. The hours of a load are parts of the
// same month, so that whole parts of an hour add up without memory for each.
func unitHours(load []UnitHours, but int64) *big.Rat {
	perHour := unit
	for _, l := range load {
		perHour = multiple(perHour, l.Hours.Denom())
	}
	var sum, hours, units, product big.Int
	for _, l := range load {
		if l.Units > but {
			sum.Add(&sum, product.Mul(parts(&hours, l.Hours, perHour), units.SetInt64(l.Units-but)))
		}
	}
	return of(&sum, perHour)
}

// Spot is capacity that can be taken away (cost model, section 4.7). Nil shares are 0.
type Spot struct {
	Spot     *big.Rat // USD per hour
	OnDemand *big.Rat // USD per hour of what stands in for it
	Over     *big.Rat // share that is provisioned beyond the need
	Fallback *big.Rat // q: share of the hours served on demand
	Redone   *big.Rat // share of the work that is done again after capacity was taken away
}

// PerHour returns the effective price of an hour in USD: (1 − q)·c_sp·(1 + over) + q·c_od.
func (s Spot) PerHour() *big.Rat {
	q := or(s.Fallback, zero)
	return add(mul(sub(one, q), mul(s.Spot, add(one, or(s.Over, zero)))), mul(q, or(s.OnDemand, zero)))
}

// Effective returns the part of a throughput that is left when work is done again.
func (s Spot) Effective(throughput *big.Rat) *big.Rat {
	return mul(throughput, sub(one, or(s.Redone, zero)))
}
