package decide

import (
	"fmt"
	"math/big"
	"slices"

	"tipline/model"
	"tipline/model/cost"
)

// factor is one of the inputs that a change of cost is split over (cost model, section 12).
type factor int

const (
	volumeFactor factor = iota
	mixFactor
	cacheFactor
	priceFactor
	stepFactor
	throughputFactor
	operationsFactor
	othersFactor
	numFactors
)

func (f factor) String() string {
	return [numFactors]string{"volume", "mix", "cache", "price", "capacity step", "throughput", "operations", "others on the account"}[f]
}

// evaluation is what one option's cost rested on in one evaluation, so that single inputs can be exchanged with those of another.
type evaluation struct {
	demand      demand
	constraints Constraints
	parts       [3]Option // the option, and of a hybrid its base and its overflow
	overhang    *big.Rat  // of a fleet: blocks that it pays for beyond those that the volume would fill; nil for others
	usd         *big.Rat  // a month
}

// evaluated returns what the option called name rested on, and its cost. The error says why it has none.
func evaluated(in Input, name string) (*evaluation, error) {
	d, ok := in.demand()
	if !ok {
		return nil, fmt.Errorf("no volume is projected")
	}
	options := map[string]Option{}
	for _, o := range in.Options {
		options[o.Name] = o.at(in.Forecast.Origin)
	}
	e := &evaluation{demand: d, constraints: in.Constraints}
	o := options[name]
	e.parts = o.parts(options)
	if o.followsLoad() {
		e.demand.shape = cost.LoadOf(d.load)
	}
	p := e.plan()
	bill := p.at(d.median)
	if bill.usd == nil {
		return nil, fmt.Errorf("%s has no cost: %s", name, bill.infeasible)
	}
	e.usd = bill.usd
	if bill.fleet != nil && p.fleet.BlockCost.Sign() > 0 {
		e.overhang = new(big.Rat)
		e.overhang.Quo(e.overhang.Sub(bill.usd, e.smooth(p)), p.fleet.BlockCost)
	}
	return e, nil
}

func (e *evaluation) plan() *plan {
	options := map[string]Option{}
	for _, o := range e.parts {
		options[o.Name] = o
	}
	return newPlan(e.parts[0], options, e.constraints, e.demand)
}

// smooth returns what the fleet of p would cost if capacity were bought by the token and not by the block.
func (e *evaluation) smooth(p *plan) *big.Rat {
	usd := new(big.Rat).Quo(e.demand.median, p.fleet.PerBlock)
	usd.Mul(usd, p.fleet.BlockCost)
	return usd.Add(usd.Add(usd, p.fleet.Fixed), perMillion(e.demand.median, p.fleet.Variable))
}

// cost returns the cost of e after inputs were exchanged; nil when there is none.
func (e *evaluation) cost() *big.Rat {
	p := e.plan()
	if e.overhang == nil || p.fleet == nil {
		return p.at(e.demand.median).usd
	}
	return new(big.Rat).Add(e.smooth(p), new(big.Rat).Mul(e.overhang, p.fleet.BlockCost))
}

// take exchanges one input of e for that of other.
func (e *evaluation) take(f factor, other *evaluation) {
	d, o := &e.demand, &other.demand
	switch f {
	case volumeFactor:
		d.median = o.median
	case mixFactor:
		d.mix = mixed(o.mix, d.mix)
		d.perRequest, d.prompts = o.perRequest, o.prompts
	case cacheFactor:
		d.mix = mixed(d.mix, o.mix)
		d.prefixHit = o.prefixHit
	case priceFactor:
		d.batchShare, d.longShare = o.batchShare, o.longShare
	case stepFactor:
		e.overhang = other.overhang
	case throughputFactor:
		d.load, d.shape, e.constraints = o.load, o.shape, other.constraints
	case othersFactor:
		d.others = o.others
	case operationsFactor, numFactors:
	}
	for i := range e.parts {
		e.parts[i] = taken(e.parts[i], f, other.parts[i])
	}
}

// mixed returns the split into input and output of one mix with the split of the input over its classes of the other.
func mixed(direction, cache [model.NumClasses]*big.Rat) (mix [model.NumClasses]*big.Rat) {
	output := direction[model.Output]
	input := new(big.Rat).Sub(one, output)
	whole := new(big.Rat).Sub(one, cache[model.Output])
	for c := range mix {
		switch {
		case model.Class(c) == model.Output:
			mix[c] = output
		case whole.Sign() > 0:
			mix[c] = new(big.Rat).Quo(cache[c], whole)
			mix[c].Mul(mix[c], input)
		case model.Class(c) == model.Input: // the other has no input to tell how it is split
			mix[c] = input
		default:
			mix[c] = new(big.Rat)
		}
	}
	return mix
}

// taken returns o with what belongs to the input f as other has it.
func taken(o Option, f factor, other Option) Option {
	if o.Capacity != nil && other.Capacity != nil {
		c, from := *o.Capacity, other.Capacity
		switch f {
		case priceFactor:
			c.BlockCostPerHour, c.ManagedOverhead, c.VariablePerMTok, c.HoursPerMonth = from.BlockCostPerHour, from.ManagedOverhead, from.VariablePerMTok, from.HoursPerMonth
		case stepFactor:
			c.ReplicasPerBlock, c.MinReplicas, c.SpareReplicas, c.MaxReplicas = from.ReplicasPerBlock, from.MinReplicas, from.SpareReplicas, from.MaxReplicas
		case throughputFactor:
			c.TokensPerHour, c.TargetUtilization, c.PeakFactor = from.TokensPerHour, from.TargetUtilization, from.PeakFactor
		case operationsFactor:
			c.FixedMonthly = from.FixedMonthly
		case volumeFactor, mixFactor, cacheFactor, othersFactor, numFactors:
		}
		o.Capacity = &c
	}
	switch f {
	case priceFactor:
		o.API = other.API
		if o.Autoscale != nil && other.Autoscale != nil {
			o.Autoscale = o.Autoscale.reservedAt(other.Autoscale.ReservedPerHour)
		}
	case stepFactor:
		o.AssumedSpares = other.AssumedSpares
	case mixFactor:
		o.TokenRatioIn, o.TokenRatioOut = other.TokenRatioIn, other.TokenRatioOut
	case throughputFactor:
		o.Throughput, o.Spot, o.Provisioned, o.Jobs = other.Throughput, other.Spot, other.Provisioned, other.Jobs
		reserved := o.Autoscale
		if o.Autoscale = other.Autoscale; reserved != nil && other.Autoscale != nil {
			o.Autoscale = other.Autoscale.reservedAt(reserved.ReservedPerHour)
		}
	case othersFactor:
		o.Account = other.Account
	case volumeFactor, cacheFactor, operationsFactor, numFactors:
	}
	return o
}

// same reports whether e and other certainly agree in the input f; what is in doubt counts as changed, which costs time alone.
func (e *evaluation) same(f factor, other *evaluation) bool {
	d, o := &e.demand, &other.demand
	switch f {
	case volumeFactor:
		return equal(d.median, o.median)
	case mixFactor:
		if !equal(d.mix[model.Output], o.mix[model.Output]) || !equal(d.perRequest, o.perRequest) || d.prompts != o.prompts {
			return false
		}
	case cacheFactor:
		for c := range d.mix {
			if !equal(d.mix[c], o.mix[c]) { // in doubt where only the split into input and output moved
				return false
			}
		}
		return equal(d.prefixHit, o.prefixHit)
	case priceFactor:
		if !equal(d.batchShare, o.batchShare) || !equal(d.longShare, o.longShare) {
			return false
		}
	case stepFactor:
		if !equal(e.overhang, other.overhang) {
			return false
		}
	case throughputFactor:
		if !slices.Equal(d.load, o.load) || e.constraints.Batch != other.constraints.Batch || e.constraints.TTFTLimit != other.constraints.TTFTLimit {
			return false
		}
	case othersFactor:
		for i, part := range e.parts {
			other := other.parts[i]
			was, is := d.others[part.Account], o.others[other.Account]
			if part.Account != other.Account || !equal(was.USD, is.USD) || !slices.EqualFunc(was.Usage, is.Usage, sameUsage) {
				return false
			}
		}
		return true
	case operationsFactor, numFactors:
	}
	for i := range e.parts {
		if !sameOption(e.parts[i], f, other.parts[i]) {
			return false
		}
	}
	return true
}

// sameOption does what same does for one option.
func sameOption(a Option, f factor, b Option) bool {
	x, y := a.Capacity, b.Capacity
	if (x == nil) != (y == nil) {
		return false
	}
	if x == nil {
		x, y = &cost.Capacity{}, &cost.Capacity{}
	}
	switch f {
	case mixFactor:
		return equal(a.TokenRatioIn, b.TokenRatioIn) && equal(a.TokenRatioOut, b.TokenRatioOut)
	case priceFactor:
		return a.API == b.API && equal(x.BlockCostPerHour, y.BlockCostPerHour) && equal(x.ManagedOverhead, y.ManagedOverhead) &&
			equal(x.VariablePerMTok, y.VariablePerMTok) && equal(x.HoursPerMonth, y.HoursPerMonth) &&
			(a.Autoscale == nil || b.Autoscale == nil || equal(a.Autoscale.ReservedPerHour, b.Autoscale.ReservedPerHour))
	case stepFactor:
		return a.AssumedSpares == b.AssumedSpares && x.ReplicasPerBlock == y.ReplicasPerBlock && x.SpareReplicas == y.SpareReplicas && x.MinReplicas == y.MinReplicas && x.MaxReplicas == y.MaxReplicas
	case throughputFactor:
		return a.Spot == b.Spot && a.Provisioned == b.Provisioned && slices.Equal(a.Throughput, b.Throughput) && equal(x.TokensPerHour, y.TokensPerHour) &&
			equal(x.TargetUtilization, y.TargetUtilization) && equal(x.PeakFactor, y.PeakFactor) && a.Autoscale.sameStarts(b.Autoscale) &&
			a.Jobs.same(b.Jobs)
	case operationsFactor:
		return equal(x.FixedMonthly, y.FixedMonthly)
	case volumeFactor, cacheFactor, othersFactor, numFactors:
	}
	return true
}

// sameUsage reports whether a and b are the same tokens and requests, charged alike.
func sameUsage(a, b cost.Usage) bool {
	return a.Batch == b.Batch && a.Long == b.Long && equal(a.Requests, b.Requests) && slices.EqualFunc(a.Tokens[:], b.Tokens[:], equal)
}

// equal reports whether a and b are the same number, or both nil.
func equal(a, b *big.Rat) bool {
	return a == b || a != nil && b != nil && a.Cmp(b) == 0
}

// change is the cost of one option in two evaluations, and how the difference splits over the inputs.
type change struct {
	before, after *big.Rat             // USD a month
	parts         [numFactors]*big.Rat // sum to after − before
}

// changeOf returns how the cost of one option changed. Only the inputs that changed are looked at: every one doubles the work.
func changeOf(before, after Input, name string) (*change, error) {
	from, err := evaluated(before, name)
	if err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	to, err := evaluated(after, name)
	if err != nil {
		return nil, fmt.Errorf("after: %w", err)
	}
	c := &change{before: from.usd, after: to.usd}
	var moved []factor
	for i := range from.parts {
		if from.parts[i].Hosting != to.parts[i].Hosting || from.parts[i].Name != to.parts[i].Name {
			return nil, fmt.Errorf("%s is made of other options than before", name)
		}
	}
	for f := range numFactors {
		c.parts[f] = new(big.Rat)
		if !from.same(f, to) {
			moved = append(moved, f)
		}
	}
	if len(moved) == 0 {
		return c, nil
	}
	_, parts, err := Attribute(len(moved), func(changed uint) *big.Rat {
		e := *from
		for i, f := range moved {
			if changed&(1<<i) != 0 {
				e.take(f, to)
			}
		}
		return e.cost()
	})
	for i := range parts {
		c.parts[moved[i]] = parts[i]
	}
	return c, err
}

// report returns c less what has no change, as it is shown.
func (c *change) report() model.CostChange {
	r := model.CostChange{BeforeUSDPerMonth: usd(c.before), AfterUSDPerMonth: usd(c.after), Parts: []model.ChangePart{}}
	r.ChangeUSDPerMonth = usd(new(big.Rat).Sub(c.after, c.before))
	for f, part := range c.parts {
		if part.Sign() != 0 {
			r.Parts = append(r.Parts, model.ChangePart{Input: factor(f).String(), USDPerMonth: usd(part)})
		}
	}
	return r
}

// less returns the change of what b saves against c.
func (c *change) less(b *change) *change {
	m := &change{before: new(big.Rat).Sub(c.before, b.before), after: new(big.Rat).Sub(c.after, b.after)}
	for f := range m.parts {
		m.parts[f] = new(big.Rat).Sub(c.parts[f], b.parts[f])
	}
	return m
}

// Moved splits the change of the current option's cost between two evaluations of a workload over its inputs, and that of what the
// option called best saves against it. The parts sum to the change exactly, whatever order the inputs changed in, and an input
// that did not change has none. It is an error when a cost is missing or an option is made of others than before.
func Moved(before, after Input, best string) (*model.Moved, error) {
	now, err := changeOf(before, after, after.Current)
	if err != nil {
		return nil, err
	}
	m := &model.Moved{Since: before.Forecast.Origin, Option: after.Current, Cost: now.report()}
	if best == "" || best == after.Current {
		return m, nil
	}
	alternative, err := changeOf(before, after, best)
	if err != nil {
		return nil, err
	}
	m.Against, m.Margin = best, new(now.less(alternative).report())
	return m, nil
}
