package cost

import (
	"errors"
	"fmt"
	"math/big"
)

// mostReplicas bounds the numbers of replicas that a configuration may name: far above any fleet, far below an overflow.
const mostReplicas = 1_000_000

// Fleet is a Capacity whose defaults are filled in and whose derived numbers are worked out once.
type Fleet struct {
	Throughput *big.Rat // κ_max: tokens per hour and replica at maximum load
	Usable     *big.Rat // κ = κ_max·u: tokens per hour and replica that the latency need allows
	Hours      *big.Rat // H
	PerHour    *big.Rat // c·(1+m): USD per hour of one block
	BlockCost  *big.Rat // c·(1+m)·H: USD per month of one block; of Jobs what it costs to start it in each of them
	PerReplica *big.Rat // K = κ·H/φ: tokens a month that one replica carries under the load shape
	PerBlock   *big.Rat // k·K
	Fixed      *big.Rat // F
	Variable   *big.Rat // v, USD per million tokens, with Working
	Working    *big.Rat // what the hours cost in which Jobs work, USD per million tokens; nil for a fleet that runs all month

	paid                                         *big.Rat // hours a month of a block that are paid for without any work
	replicasPerBlock, minReplicas, spareReplicas int64
	maxReplicas                                  *int64   // N_max; nil without a quota
	maxVolume                                    *big.Rat // (N_max − N_spare)·K; nil without a quota
	minimum                                      int64    // n0: blocks of the smallest fleet
	feasible                                     bool     // the quota allows the smallest fleet
}

// Point is a fleet at one volume.
type Point struct {
	Replicas, Blocks int64
	Hours            *big.Rat // a month of a block, of all blocks together, that are paid for
	CapacityCost     *big.Rat // USD per month for them
	Cost             *big.Rat // USD per month, fixed and variable costs included
	Utilization      *big.Rat // economic utilization: tokens served over tokens that could have been served
}

// Fleet fills in the defaults of c. The error names every value outside its range (cost model, section 15).
func (c Capacity) Fleet() (*Fleet, error) {
	minReplicas := int64(1)
	if c.MinReplicas != nil {
		minReplicas = *c.MinReplicas
	}
	perBlock := c.ReplicasPerBlock
	if perBlock == 0 {
		perBlock = 1
	}
	u, phi, h, m := or(c.TargetUtilization, one), or(c.PeakFactor, one), or(c.HoursPerMonth, DefaultHours), or(c.ManagedOverhead, zero)
	if err := c.validate(minReplicas, perBlock, u, phi, h, m); err != nil {
		return nil, err
	}
	f := &Fleet{
		Throughput: c.TokensPerHour, Usable: mul(c.TokensPerHour, u), Hours: h,
		PerHour: mul(c.BlockCostPerHour, add(one, m)), paid: h,
		Fixed: or(c.FixedMonthly, zero), Variable: or(c.VariablePerMTok, zero),
		replicasPerBlock: perBlock, minReplicas: minReplicas, spareReplicas: c.SpareReplicas,
		maxReplicas: c.MaxReplicas, feasible: true,
	}
	f.BlockCost = mul(f.PerHour, h)
	f.PerReplica = quo(mul(f.Usable, h), phi)
	f.PerBlock = mul(f.PerReplica, integer(perBlock))
	f.minimum = blocks(minReplicas+c.SpareReplicas, perBlock)
	if c.MaxReplicas != nil {
		f.feasible = minReplicas+c.SpareReplicas <= *c.MaxReplicas
		f.maxVolume = mul(integer(*c.MaxReplicas-c.SpareReplicas), f.PerReplica)
	}
	return f, nil
}

func (c Capacity) validate(minReplicas, perBlock int64, u, phi, h, m *big.Rat) error {
	var errs []error
	want := func(good bool, name string, got any, wanted string) {
		if !good {
			if r, ok := got.(*big.Rat); ok && r != nil {
				got = Decimal(r)
			}
			errs = append(errs, fmt.Errorf("%s: got %v, want %s", name, got, wanted))
		}
	}
	want(c.TokensPerHour != nil && c.TokensPerHour.Sign() > 0, "tokens_per_hour", c.TokensPerHour, "more than 0")
	want(c.BlockCostPerHour != nil && c.BlockCostPerHour.Sign() >= 0, "block_cost_per_hour", c.BlockCostPerHour, "0 or more")
	want(h.Sign() > 0, "hours_per_month", h, "more than 0")
	want(u.Sign() > 0 && u.Cmp(one) <= 0, "target_utilization", u, "more than 0 and at most 1")
	want(phi.Cmp(one) >= 0, "peak_factor", phi, "1 or more")
	want(perBlock >= 1 && perBlock <= mostReplicas, "replicas_per_block", perBlock, "1 to 1000000")
	want(m.Sign() >= 0, "managed_overhead", m, "0 or more")
	want(minReplicas >= 0 && minReplicas <= mostReplicas, "min_replicas", minReplicas, "0 to 1000000")
	want(c.SpareReplicas >= 0 && c.SpareReplicas <= mostReplicas, "spare_replicas", c.SpareReplicas, "0 to 1000000")
	want(or(c.FixedMonthly, zero).Sign() >= 0, "fixed_monthly", c.FixedMonthly, "0 or more")
	want(or(c.VariablePerMTok, zero).Sign() >= 0, "variable_per_mtok", c.VariablePerMTok, "0 or more")
	if c.MaxReplicas != nil {
		want(*c.MaxReplicas >= 0, "max_replicas", *c.MaxReplicas, "0 or more")
	}
	return errors.Join(errs...)
}

// blocks returns how many blocks of k replicas hold n replicas.
func blocks(n, k int64) int64 { return (n + k - 1) / k }

// At returns the fleet that volume tokens a month need, and false when the quota does not allow it:
// the option is then infeasible, not dearer.
func (f *Fleet) At(volume *big.Rat) (Point, bool) {
	if !f.feasible || f.maxVolume != nil && volume.Cmp(f.maxVolume) > 0 {
		return Point{}, false
	}
	needed := ceil(quo(volume, f.PerReplica))
	if needed.BitLen() > 53 { // more replicas than there are GPUs, and than may be added up
		return Point{}, false
	}
	p := Point{Replicas: max(f.minReplicas, needed.Int64()) + f.spareReplicas}
	p.Blocks = blocks(p.Replicas, f.replicasPerBlock)
	n, perBlock := integer(p.Blocks), integer(f.replicasPerBlock)
	p.Hours, p.CapacityCost = mul(n, f.paid), mul(n, f.BlockCost)
	p.Cost = add(add(p.CapacityCost, f.Fixed), perMillion(volume, f.Variable))
	if f.Working != nil {
		p.Hours = add(p.Hours, quo(volume, mul(f.Usable, perBlock)))
		p.CapacityCost = add(p.CapacityCost, perMillion(volume, f.Working))
	}
	p.Utilization = new(big.Rat)
	if p.Hours.Sign() > 0 {
		p.Utilization = quo(volume, mul(mul(p.Hours, perBlock), f.Throughput))
	}
	return p, true
}

// stepEnd returns the largest volume that n blocks carry: (nk − S)·K.
func (f *Fleet) stepEnd(n *big.Int) *big.Rat {
	replicas := new(big.Int).Mul(n, big.NewInt(f.replicasPerBlock))
	replicas.Sub(replicas, big.NewInt(f.spareReplicas))
	return mul(new(big.Rat).SetInt(replicas), f.PerReplica)
}

// Shape is the integer part of a fleet.
type Shape struct {
	ReplicasPerBlock, MinReplicas, SpareReplicas int64
	MaxVolume                                    *big.Rat // tokens a month that the quota allows; nil without a quota, 0 when it allows none
}

// Shape returns the integer part of f.
func (f *Fleet) Shape() Shape {
	s := Shape{ReplicasPerBlock: f.replicasPerBlock, MinReplicas: f.minReplicas, SpareReplicas: f.spareReplicas, MaxVolume: f.maxVolume}
	if !f.feasible {
		s.MaxVolume = zero
	}
	return s
}
