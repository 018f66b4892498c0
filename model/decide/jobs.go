package decide

import (
	"fmt"
	"math/big"

	"tipline/model/cost"
)

// monthly returns how many of j there are in a month of hours.
func (j Jobs) monthly(hours *big.Rat) *big.Rat {
	days := new(big.Rat).Quo(hours, big.NewRat(24, 1))
	return days.Mul(days, j.PerDay)
}

// fleet returns the instances of c that j takes.
func (j Jobs) fleet(c cost.Capacity) (*cost.Fleet, error) {
	hours := cost.DefaultHours
	if c.HoursPerMonth != nil {
		hours = c.HoursPerMonth
	}
	return cost.Jobs{PerMonth: j.monthly(hours), Deadline: hoursOf(j.Deadline), Start: hoursOf(j.Start)}.Fleet(c)
}

// same reports whether j and k are the same jobs.
func (j *Jobs) same(k *Jobs) bool {
	if j == nil || k == nil {
		return j == k
	}
	return j.Deadline == k.Deadline && j.Start == k.Start && equal(j.PerDay, k.PerDay)
}

// jobParts splits what the jobs of p cost that serve volume tokens.
func (p *plan) jobParts(point *cost.Point, volume *big.Rat) []cost.Part {
	j, f := p.option.Jobs, p.fleet
	jobs := j.monthly(f.Hours)
	starts := new(big.Rat).Mul(jobs, new(big.Rat).Mul(big.NewRat(point.Blocks, 1), hoursOf(j.Start)))
	work := new(big.Rat).Sub(point.Hours, starts)
	starting := new(big.Rat).Mul(starts, f.PerHour)
	perHour := cost.Decimal(f.PerHour)
	parts := []cost.Part{{
		Name: gpuHours, USD: new(big.Rat).Sub(point.CapacityCost, starting),
		Formula: fmt.Sprintf("%s h × %s USD/h, in which the jobs work", work.FloatString(2), perHour),
	}}
	if starting.Sign() > 0 {
		parts = append(parts, cost.Part{
			Name: "starting " + gpuHours, USD: starting,
			Formula: fmt.Sprintf("%s jobs × %d at once × %s × %s USD/h", jobs.FloatString(1), point.Blocks, j.Start, perHour),
		})
	}
	own := new(big.Rat).Sub(f.Variable, f.Working)
	return append(parts, otherParts(f.Fixed, own, volume)...)
}
