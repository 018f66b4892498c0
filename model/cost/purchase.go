package cost

import (
	"fmt"
	"math/big"
)

// UnitHours is a number of hours in which a number of units, such as replicas, is used.
type UnitHours struct {
	Hours *big.Rat
	Units int64
}

// Reservation is which of the units that a load uses are worth reserving (cost model, section 4.7).
type Reservation struct {
	UsedHours      []*big.Rat // hours in which the first, second, … unit is used
	Reserved       int64      // units to reserve
	Cost           *big.Rat   // USD a month with Reserved reserved and the others on demand
	AllOnDemand    *big.Rat   // USD a month
	AllReserved    *big.Rat   // USD a month
	BreakevenHours *big.Rat   // hours of use a month above which reserving pays
}

// Reserve applies the rule: reserve the n-th unit if and only if the hours it is used cost more on demand than all hours of
// the month cost reserved. Prices are USD per unit and hour; the on-demand price is above 0.
func Reserve(load []UnitHours, onDemand, reserved, hours *big.Rat) (Reservation, error) {
	if onDemand.Sign() <= 0 || reserved.Sign() < 0 || hours.Sign() <= 0 {
		return Reservation{}, fmt.Errorf("reserve: got %s on demand, %s reserved and %s hours, want prices and hours above 0",
			Decimal(onDemand), Decimal(reserved), Decimal(hours))
	}
	most := int64(0)
	for _, l := range load {
		most = max(most, l.Units)
	}
	month := mul(reserved, hours)
	r := Reservation{Cost: new(big.Rat), AllOnDemand: new(big.Rat), AllReserved: mul(month, integer(most)), BreakevenHours: quo(month, onDemand)}
	for n := int64(1); n <= most; n++ {
		used := new(big.Rat)
		for _, l := range load {
			if l.Units >= n {
				used.Add(used, l.Hours)
			}
		}
		demand := mul(used, onDemand)
		r.UsedHours = append(r.UsedHours, used)
		r.AllOnDemand.Add(r.AllOnDemand, demand)
		if demand.Cmp(month) > 0 {
			r.Reserved++
			demand = month
		}
		r.Cost.Add(r.Cost, demand)
	}
	return r, nil
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
