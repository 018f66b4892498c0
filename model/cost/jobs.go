package cost

import (
	"fmt"
	"math/big"
)

// Jobs are how a batch transform works: its instances start when a job does, are paid for while they start and work, and go (cost model,
// section 5). Jobs come one after another, and a month's tokens are spread evenly over them.
type Jobs struct {
	PerMonth *big.Rat // in Capacity.HoursPerMonth
	Deadline *big.Rat // hours from the start of a job in which it must be done; at most those between two jobs
	Start    *big.Rat // hours until an instance works, paid for
}

// Fleet returns the instances that the jobs of c take. The work of a job, and so what it costs, is the same on many instances as on few for
// longer; but every instance starts. So a job takes as few as are done in time, and the cost of a month is, with n instances in each of J jobs,
//
//	F + J·n·start·c + V/(k·κ)·c + v·V/10^6,   n = ceil(V / (J·k·κ·(deadline − start))):
//
// a fleet of which a block costs what it takes to start in every job, and a token what it takes to work on it. There is no peak, no spare and
// no smallest number. The error names every value outside its range.
func (j Jobs) Fleet(c Capacity) (*Fleet, error) {
	hours := or(c.HoursPerMonth, DefaultHours)
	for _, v := range []struct {
		name  string
		value *big.Rat
		good  bool
		want  string
	}{
		{"jobs", j.PerMonth, j.PerMonth.Sign() > 0, "more than 0 a month"},
		{"start", j.Start, j.Start.Sign() >= 0, "0 hours or more"},
		{"deadline", j.Deadline, j.Deadline.Cmp(j.Start) > 0, fmt.Sprintf("more than the %s hours that an instance takes to start", Decimal(j.Start))},
		{"deadline", j.Deadline, mul(j.Deadline, j.PerMonth).Cmp(hours) <= 0, "at most the hours until the next job"},
	} {
		if !v.good {
			return nil, fmt.Errorf("%s: got %s, want %s", v.name, Decimal(v.value), v.want)
		}
	}
	none := int64(0)
	c.MinReplicas, c.SpareReplicas = &none, 0
	c.PeakFactor = quo(hours, mul(j.PerMonth, sub(j.Deadline, j.Start))) // of the month, an instance works in these hours at most
	f, err := c.Fleet()
	if err != nil {
		return nil, err
	}
	f.paid = mul(j.PerMonth, j.Start)
	f.BlockCost = mul(f.PerHour, f.paid)
	f.Working = quo(mul(f.PerHour, million), mul(f.Usable, integer(f.replicasPerBlock)))
	f.Variable = add(f.Variable, f.Working)
	return f, nil
}
