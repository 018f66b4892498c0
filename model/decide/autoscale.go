package decide

import (
	"fmt"
	"math/big"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// scaledFleet is a fleet that follows its load, in blocks: what can be bought counts as one replica of all its throughput.
type scaledFleet struct {
	cost.Autoscaled

	hours      *big.Rat // of a month
	throughput *big.Rat // κ_max: tokens an hour of a block at maximum load
	variable   *big.Rat // USD per million tokens
	perBlock   int64    // replicas
}

// scaledPoint is a fleet that follows its load, at one volume.
type scaledPoint struct {
	cost.Scaling

	utilization *big.Rat // economic: tokens served over tokens that could have been served in the hours that are paid for
}

// followsLoad reports whether the cost of o depends on when the tokens come.
func (o Option) followsLoad() bool { return o.Hosting == model.Hybrid || o.Autoscale != nil }

// reservedAt returns a with another price of what is reserved.
func (a Autoscale) reservedAt(perHour *big.Rat) *Autoscale {
	a.ReservedPerHour = perHour
	return &a
}

// sameStarts reports whether a and b follow the load alike.
func (a *Autoscale) sameStarts(b *Autoscale) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ColdStart == b.ColdStart && a.IdleTimeout == b.IdleTimeout && equal(a.StartsPerDay, b.StartsPerDay)
}

// useAutoscale prepares a fleet that follows its load (cost model, section 4.6).
//
// The rule that a cold start must fit the latency limit holds where a request waits for one: in a fleet that may be at zero, and in
// one without a spare to carry what comes while the next replica starts.
func (p *plan) useAutoscale(o Option, constraints Constraints) error {
	c, err := p.capacity(o, constraints)
	if err != nil {
		return err
	}
	c.PeakFactor = nil // every hour has as many replicas as it needs
	fleet, err := c.Fleet()
	if err != nil {
		return err
	}
	if p.load = p.demand.shape; !p.load.Known() {
		return fmt.Errorf("the load of the hours is not known yet, and %s follows it", o.Name)
	}
	shape := fleet.Shape()
	toZero := shape.MinReplicas == 0
	waits := toZero || shape.SpareReplicas == 0
	switch limit := constraints.TTFTLimit; {
	case constraints.Batch || !waits:
	case limit > 0 && o.Autoscale.ColdStart > limit && toZero:
		return fmt.Errorf("%s scales to zero, and a cold start of %s is above the limit of %s", o.Name, o.Autoscale.ColdStart, limit)
	case limit > 0 && o.Autoscale.ColdStart > limit:
		return fmt.Errorf("%s has no spare replica, and a cold start of %s is above the limit of %s", o.Name, o.Autoscale.ColdStart, limit)
	case limit == 0:
		p.warn("COLD_START", "requests to %s may wait %s for a replica to start; no latency limit is given that this would break", o.Name, o.Autoscale.ColdStart)
	}
	k := shape.ReplicasPerBlock
	if c.MaxReplicas != nil && *c.MaxReplicas < k {
		return fmt.Errorf("the quota of %d replicas of %s is less than the %d that are bought together", *c.MaxReplicas, o.Name, k)
	}
	blocks := func(replicas int64) int64 { return (replicas + k - 1) / k }
	days := new(big.Rat).Quo(fleet.Hours, big.NewRat(24, 1))
	starts := new(big.Rat).Mul(days, orZero(o.Autoscale.StartsPerDay))
	p.scaled = &scaledFleet{
		Autoscaled: cost.Autoscaled{
			PerReplica: new(big.Rat).Mul(fleet.Usable, big.NewRat(k, 1)), ReplicaCost: new(big.Rat).Quo(fleet.BlockCost, fleet.Hours),
			ReservedCost: o.Autoscale.ReservedPerHour, MinReplicas: blocks(shape.MinReplicas), SpareReplicas: blocks(shape.SpareReplicas),
			ScaleToZero: toZero, ColdStarts: starts, ColdStartHours: hoursOf(o.Autoscale.ColdStart),
			IdleTimeouts: starts, IdleTimeoutHours: hoursOf(o.Autoscale.IdleTimeout), FixedMonthly: fleet.Fixed,
		},
		hours: fleet.Hours, throughput: new(big.Rat).Mul(fleet.Throughput, big.NewRat(k, 1)), variable: fleet.Variable, perBlock: k,
	}
	if c.MaxReplicas != nil {
		p.scaled.MaxReplicas = *c.MaxReplicas / k
	}
	return nil
}

// hoursOf returns d in hours.
func hoursOf(d time.Duration) *big.Rat { return big.NewRat(int64(d), int64(time.Hour)) }

func (p *plan) scaledAt(volume *big.Rat) bill {
	scaling, err := p.scaled.At(p.load.To(volume, p.scaled.hours))
	if err != nil {
		return bill{infeasible: err.Error()}
	}
	point := &scaledPoint{Scaling: scaling, utilization: new(big.Rat)}
	if scaling.PaidHours.Sign() > 0 {
		point.utilization.Quo(volume, new(big.Rat).Mul(scaling.PaidHours, p.scaled.throughput))
	}
	b := bill{scaled: point}
	reserved := new(big.Rat).Mul(big.NewRat(scaling.Reserved, 1), p.scaled.hours)
	if scaling.Reserved > 0 {
		b.parts = append(b.parts, cost.Part{
			Name: "reserved " + gpuHours, USD: new(big.Rat).Mul(reserved, p.scaled.ReservedCost),
			Formula: fmt.Sprintf("%d × %s USD/h × %s h", scaling.Reserved, cost.Decimal(p.scaled.ReservedCost), cost.Decimal(p.scaled.hours)),
		})
	}
	beyond := new(big.Rat).Sub(scaling.PaidHours, reserved)
	b.parts = append(b.parts, cost.Part{
		Name: gpuHours, USD: new(big.Rat).Mul(beyond, p.scaled.ReplicaCost),
		Formula: fmt.Sprintf("%s h × %s USD/h, at most %d at once", cost.Decimal(beyond), cost.Decimal(p.scaled.ReplicaCost), scaling.Most),
	})
	b.parts = append(b.parts, otherParts(p.scaled.FixedMonthly, p.scaled.variable, volume)...)
	b.usd = sum(b.parts)
	return b
}

// describeScaled fills in what only a fleet that follows its load has. Replicas are those of the hour of the highest load.
func (c *costed) describeScaled(o *model.OptionCost) {
	point := c.median.scaled
	replicas, utilization := point.Most*c.scaled.perBlock, fraction(point.utilization)
	idle := usd(point.CapacityCost)
	idle -= model.USD(float64(idle) * float64(utilization))
	o.Replicas, o.EconomicUtilizationRatio, o.IdleUSDPerMonth = &replicas, &utilization, &idle
	o.Reservation = point.reserve(c.scaled.perBlock)
}

// reserve says how many replicas are worth reserving, of which so many are bought together; nil when none can be.
func (p *scaledPoint) reserve(perBlock int64) *model.Reservation {
	r := p.Reservation
	if r == nil {
		return nil
	}
	m := &model.Reservation{
		Reserved: r.Reserved * perBlock, Replicas: p.Most * perBlock, BreakevenHours: float(r.BreakevenHours), USDPerMonth: usd(r.Cost),
		AllOnDemandUSDPerMonth: usd(r.AllOnDemand), AllReservedUSDPerMonth: usd(r.AllReserved),
	}
	for _, used := range r.Used { // longer and longer
		if used.Units > r.Reserved {
			m.FirstOnDemandHours = float(used.Hours)
		} else if m.LastReservedHours == 0 {
			m.LastReservedHours = float(used.Hours)
		}
	}
	return m
}
