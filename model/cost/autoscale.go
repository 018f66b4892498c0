package cost

import (
	"fmt"
	"math/big"
)

// Autoscaled is a fleet that follows its load (cost model, section 4.6). Nil fields are 0.
type Autoscaled struct {
	PerReplica       *big.Rat // κ: tokens an hour that a replica may carry
	ReplicaCost      *big.Rat // USD per hour
	ReservedCost     *big.Rat // USD per hour of a replica that is paid for in all hours of the month; nil when none can be reserved
	MinReplicas      int64    // while there is load, and without it unless ScaleToZero
	SpareReplicas    int64    // beside them, while there are any
	ScaleToZero      bool     // hours without load cost nothing
	ColdStarts       *big.Rat // a month
	ColdStartHours   *big.Rat // paid at each
	IdleTimeouts     *big.Rat // a month
	IdleTimeoutHours *big.Rat // paid at each before the replica goes
	FixedMonthly     *big.Rat // USD
	MaxReplicas      int64    // the quota, spares included; 0 means none
}

// Scaling is what an autoscaled fleet takes in a month.
type Scaling struct {
	ReplicaHours *big.Rat     // in which a replica runs, cold starts and idle timeouts included
	PaidHours    *big.Rat     // the same, with the hours in which a reserved replica is not needed
	Most         int64        // replicas in the hour of the highest load
	Reserved     int64        // replicas that are worth reserving
	CapacityCost *big.Rat     // USD
	Cost         *big.Rat     // USD, FixedMonthly included
	Reservation  *Reservation // cold starts and idle timeouts left out; nil when none can be reserved, or all hours cost nothing
}

// At returns what the fleet takes under a load. It is an error when the load needs more replicas than the quota has.
func (a Autoscaled) At(l *Load) (Scaling, error) {
	steps, err := a.replicas(l)
	if err != nil {
		return Scaling{}, err
	}
	month := mul(l.all, l.month)
	starting := a.Starting()
	var s Scaling
	if len(steps) > 0 {
		s.Most = steps[0].Units
	}
	if a.ReservedCost != nil && a.ReplicaCost.Sign() > 0 && month.Sign() > 0 {
		r, err := Reserve(steps, a.ReplicaCost, a.ReservedCost, month)
		if err != nil {
			return Scaling{}, err
		}
		s.Reserved, s.Reservation = r.Reserved, &r
	}
	s.ReplicaHours = add(starting, unitHours(steps, 0))
	beyond := add(starting, unitHours(steps, s.Reserved)) // hours that are paid for as they come
	reserved := mul(integer(s.Reserved), month)
	s.PaidHours = add(beyond, reserved)
	s.CapacityCost = add(mul(beyond, a.ReplicaCost), mul(reserved, or(a.ReservedCost, zero)))
	s.Cost = add(s.CapacityCost, or(a.FixedMonthly, zero))
	return s, nil
}

// Starting returns the replica-hours a month of cold starts and idle timeouts.
func (a Autoscaled) Starting() *big.Rat {
	return add(mul(or(a.ColdStarts, zero), or(a.ColdStartHours, zero)), mul(or(a.IdleTimeouts, zero), or(a.IdleTimeoutHours, zero)))
}

// replicas returns in how many hours of the month how many replicas run, the most first. Neighbors may have the same number.
func (a Autoscaled) replicas(l *Load) (steps []UnitHours, err error) {
	carries := one // parts of a token an hour, in the curve as it was taken, that a replica carries
	if l.scale.Sign() > 0 {
		carries = quo(mul(a.PerReplica, new(big.Rat).SetInt(l.perToken)), l.scale)
	}
	var needed, rest, parts, most, hours, before big.Int
	for i := 0; i < len(l.near); {
		needed.QuoRem(parts.Mul(l.rates.at(i), carries.Denom()), carries.Num(), &rest)
		if l.scale.Sign() == 0 {
			needed.SetInt64(0)
		} else if rest.Sign() > 0 {
			needed.Add(&needed, unit)
		}
		if needed.BitLen() > 53 {
			return nil, fmt.Errorf("autoscale: %s tokens an hour need %s replicas, more than there are", Decimal(mul(l.rate(i), l.scale)), &needed)
		}
		units, next := needed.Int64(), i+1 // the first of those hours that need fewer
		most.Mul(needed.Sub(&needed, unit), carries.Num())
		for next < len(l.near) && (units == 0 || parts.Mul(l.rates.at(next), carries.Denom()).Cmp(&most) > 0) {
			next++
		}
		if units > 0 || !a.ScaleToZero {
			units = max(units, a.MinReplicas) + a.SpareReplicas
		}
		if a.MaxReplicas > 0 && units > a.MaxReplicas {
			return nil, fmt.Errorf("autoscale: %s tokens an hour need %d replicas, the quota is %d", Decimal(mul(l.rate(i), l.scale)), units, a.MaxReplicas)
		}
		until := l.hours.at(next - 1)
		steps = append(steps, UnitHours{Hours: mul(of(hours.Sub(until, &before), l.perHour), l.month), Units: units})
		before.Set(until)
		i = next
	}
	return steps, nil
}
