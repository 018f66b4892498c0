package decide

import (
	"fmt"
	"math"
	"math/big"

	"tipline/model"
	"tipline/model/cost"
)

// throughput returns the tokens, input and output together, that a replica of o serves in an hour at maximum load with requests
// such as the workload's; nil when no measured shape can be used. From four shapes on it comes from their fit, so that it
// moves with the mix and with cache hits; otherwise it is that of the nearest shape (cost model, section 4.2).
func (p *plan) throughput(o Option) *big.Rat {
	f, known := p.demand.fits[o.Name]
	if !known {
		if f = p.demand.fit(o); p.demand.fits != nil {
			p.demand.fits[o.Name] = f
		}
	}
	if f.err == nil {
		p.warn("THROUGHPUT_FITTED", "%s", f.text)
		return f.rate
	}
	nearest := p.nearestShape(o)
	if nearest == nil {
		return nil
	}
	if len(o.Throughput) > 1 {
		p.warn("THROUGHPUT_NOT_FITTED", "the throughput of %s is that of one measured shape: %v", o.Name, f.err)
	}
	return nearest.tokensPerHour()
}

// A fit is the throughput of an option at the workload's own shape, by the fit of the measured ones.
type fit struct {
	rate *big.Rat // tokens an hour of a replica
	text string   // what it rests on
	err  error    // why there is none
}

// fit fits the measured shapes of o.
func (d demand) fit(o Option) (f fit) {
	f.rate, f.text, f.err = d.fitted(o)
	return f
}

func (d demand) fitted(o Option) (rate *big.Rat, text string, err error) {
	output := d.mix[model.Output]
	if d.perRequest == nil {
		return nil, "", fmt.Errorf("the size of this workload's requests is not known")
	}
	if output.Sign() == 0 || output.Cmp(one) == 0 {
		return nil, "", fmt.Errorf("this workload has tokens of one direction only")
	}
	shapes := make([]cost.MeasuredShape, len(o.Throughput))
	for i, t := range o.Throughput {
		shapes[i] = cost.MeasuredShape{Input: t.Input, Output: t.Output, OutputTokensPerSecond: float(orZero(t.OutputTokensPerSecond))}
	}
	c, miss, err := cost.FitThroughput(shapes)
	if err != nil {
		return nil, "", err
	}
	c.PrefixHit = d.prefixHit
	b := new(big.Rat).Mul(d.perRequest, output)
	a := new(big.Rat).Sub(d.perRequest, b)
	seconds, err := c.Seconds(a, b)
	if err != nil {
		return nil, "", err
	}
	text = fmt.Sprintf("the throughput of %s with %.0f input and %.0f output tokens a request is fitted to %d measured shapes, which the fit misses by %s on average",
		o.Name, float(a), float(b), len(shapes), model.FormatPercent(model.Fraction(miss)))
	if outside(shapes, float(d.perRequest)) {
		text += "; no measured request is of that size, so this is a guess beyond them"
	}
	if c.PrefixHit != nil {
		text += fmt.Sprintf("; %s of the input counts as found in the prefix cache", model.FormatPercent(fraction(c.PrefixHit)))
	}
	perHour := new(big.Rat).Mul(d.perRequest, big.NewRat(3600, 1))
	return whole(float(perHour.Quo(perHour, seconds))), text, nil
}

// tokensPerHour returns the tokens of all classes that a unit serves in an hour at a mix: what is read from a cache costs it nothing. It is
// nil when everything is.
func (p Provisioned) tokensPerHour(mix [model.NumClasses]*big.Rat) *big.Rat {
	weighed := new(big.Rat).Mul(mix[model.Output], p.OutputWeight)
	for _, class := range []model.Class{model.Input, model.CacheWrite, model.CacheWrite1h} {
		weighed.Add(weighed, mix[class])
	}
	if weighed.Sign() <= 0 {
		return nil
	}
	perHour := new(big.Rat).Mul(p.InputPerMinute, big.NewRat(60, 1))
	return perHour.Quo(perHour, weighed)
}

// outside reports whether requests of that many tokens are smaller or larger than every measured one.
func outside(shapes []cost.MeasuredShape, tokens float64) bool {
	least, most := math.Inf(1), 0.0
	for _, s := range shapes {
		total := float64(s.Input + s.Output)
		least, most = min(least, total), max(most, total)
	}
	return tokens < least/2 || tokens > 2*most
}

// nearestShape returns the measured shape of o nearest to the workload's requests, nil when none was measured. The
// result is of low confidence and says so.
func (p *plan) nearestShape(o Option) *Throughput {
	output := float(p.demand.mix[model.Output])
	distance := func(t Throughput) float64 {
		if p.demand.perRequest == nil || output == 0 || output == 1 {
			return math.Abs(math.Log(float64(t.Output)/float64(t.Input+t.Output)) - math.Log(max(output, 1e-6)))
		}
		tokens := float(p.demand.perRequest)
		return math.Abs(math.Log(float64(t.Input)/(tokens*(1-output)))) + math.Abs(math.Log(float64(t.Output)/(tokens*output)))
	}
	var nearest *Throughput
	for i, t := range o.Throughput {
		if t.Input < 0 || t.Output <= 0 || t.OutputTokensPerSecond == nil {
			continue
		}
		if nearest == nil || distance(t) < distance(*nearest) {
			nearest = &o.Throughput[i]
		}
	}
	switch {
	case nearest == nil:
	case p.demand.perRequest == nil:
		p.warn("THROUGHPUT_FROM_SHAPE", "throughput is that of requests with %d input and %d output tokens, the measured shape nearest in "+
			"the ratio of the two: the size of this workload's requests is not known", nearest.Input, nearest.Output)
	default:
		p.warn("THROUGHPUT_FROM_SHAPE", "throughput is that of requests with %d input and %d output tokens, the measured shape nearest to "+
			"this workload's", nearest.Input, nearest.Output)
	}
	return nearest
}

// tokensPerHour returns the tokens that a replica serves in an hour, input and output together, which is the unit of
// cost.Capacity: output tokens alone are a fraction of them.
func (t Throughput) tokensPerHour() *big.Rat {
	perSecond := new(big.Rat).Mul(t.OutputTokensPerSecond, big.NewRat(t.Input+t.Output, t.Output))
	return perSecond.Mul(perSecond, big.NewRat(3600, 1))
}
