package cost

import (
	"errors"
	"math/big"
)

// Rate is an API bill as a function of volume alone: max(MinimumCommit, usage) + FixedMonthly. The usage is V · PerMTok / 10^6,
// and with Steps what the tiers make of it.
type Rate struct {
	PerMTok       *big.Rat // USD per million tokens of all classes, below all steps
	Steps         []Step   // ascending; none when empty
	AllUnits      bool     // the step that a month reaches prices all its tokens; otherwise a step prices those above it
	MinimumCommit *big.Rat // USD per month; nil means none
	FixedMonthly  *big.Rat // USD per month; nil means none
}

// A Step is what a token costs above a volume.
type Step struct {
	Above   *big.Rat // tokens a month
	PerMTok *big.Rat // USD per million tokens of all classes
}

// Rate returns the bill at a fixed mix: usage holds the tokens of each class of some volume above zero and the requests that
// came with it. The errors are those of Monthly.
func (p Prices) Rate(usage []Usage) (Rate, error) {
	if err := p.Validate(); err != nil {
		return Rate{}, err
	}
	variable := p
	variable.MinimumCommit, variable.FixedMonthly, variable.Tiers = nil, nil, nil
	perMTok := func(p Prices) (*big.Rat, error) {
		bill, err := p.Monthly(usage)
		if err != nil {
			return nil, err
		}
		if bill.Tokens.Sign() == 0 {
			return nil, errors.New("no tokens: the mix is not known")
		}
		return bill.PerMTok(), nil
	}
	r := Rate{AllUnits: p.AllUnits, MinimumCommit: p.MinimumCommit, FixedMonthly: p.FixedMonthly}
	var err error
	if r.PerMTok, err = perMTok(variable); err != nil {
		return Rate{}, err
	}
	for _, t := range p.Tiers {
		price, err := perMTok(t.in(variable))
		if err != nil {
			return Rate{}, err
		}
		r.Steps = append(r.Steps, Step{Above: t.Above, PerMTok: price})
	}
	return r, nil
}

// Per returns r for tokens of which each is ratio of those that r counts.
func (r Rate) Per(ratio *big.Rat) Rate {
	steps := make([]Step, 0, len(r.Steps))
	for _, s := range r.Steps {
		steps = append(steps, Step{Above: quo(s.Above, ratio), PerMTok: mul(s.PerMTok, ratio)})
	}
	r.PerMTok, r.Steps = mul(r.PerMTok, ratio), steps
	return r
}

// Times returns r with as many times the price of every token.
func (r Rate) Times(factor *big.Rat) Rate {
	steps := make([]Step, 0, len(r.Steps))
	for _, s := range r.Steps {
		steps = append(steps, Step{Above: s.Above, PerMTok: mul(s.PerMTok, factor)})
	}
	r.PerMTok, r.Steps = mul(r.PerMTok, factor), steps
	return r
}

// At returns the bill in USD for volume tokens.
func (r Rate) At(volume *big.Rat) *big.Rat {
	return add(greater(r.Usage(volume), or(r.MinimumCommit, zero)), or(r.FixedMonthly, zero))
}

// Usage returns what volume tokens cost in USD, without the commitment and the fixed fee.
func (r Rate) Usage(volume *big.Rat) *big.Rat {
	if len(r.Steps) == 0 {
		return quo(mul(volume, r.PerMTok), million)
	}
	var usd *big.Rat
	for _, s := range r.Segments() {
		if usd = add(s.Alpha, mul(s.Beta, volume)); s.To == nil || volume.Cmp(s.To) <= 0 {
			break
		}
	}
	return usd
}

// Effective returns what a token costs on average in a month of volume tokens, in USD per million; without tokens that of the first.
func (r Rate) Effective(volume *big.Rat) *big.Rat {
	if len(r.Steps) == 0 || volume.Sign() == 0 {
		return r.PerMTok
	}
	return quo(mul(r.Usage(volume), million), volume)
}

// Dearest returns the highest price of a token in USD per million: no volume costs more on average.
func (r Rate) Dearest() *big.Rat {
	most := r.PerMTok
	for _, s := range r.Steps {
		most = greater(most, s.PerMTok)
	}
	return most
}

// marginal returns what one token more than volume costs, in USD.
func (r Rate) marginal(volume *big.Rat) *big.Rat {
	var perToken *big.Rat
	for _, s := range r.Segments() {
		if perToken = s.Beta; s.To == nil || s.To.Cmp(volume) > 0 {
			break
		}
	}
	return perToken
}

// cheapest returns the lowest price of a token in USD per million: no volume costs less on average.
func (r Rate) cheapest() *big.Rat {
	least := r.PerMTok
	for _, s := range r.Steps {
		if s.PerMTok.Cmp(least) < 0 {
			least = s.PerMTok
		}
	}
	return least
}

// Segments returns what Usage does as straight pieces. The To of the last is nil: it has no end.
func (r Rate) Segments() []Segment {
	last := Segment{From: zero, Alpha: zero, Beta: quo(r.PerMTok, million)}
	segments := make([]Segment, 0, 1+len(r.Steps))
	for _, s := range r.Steps {
		last.To = s.Above
		segments = append(segments, last)
		next := Segment{From: s.Above, Alpha: zero, Beta: quo(s.PerMTok, million)}
		if !r.AllUnits { // the two meet at the bound
			next.Alpha = add(last.Alpha, mul(s.Above, sub(last.Beta, next.Beta)))
		}
		last = next
	}
	return append(segments, last)
}

// Curve returns the cost of r on (0, limit].
func (r Rate) Curve(limit *big.Rat) Curve {
	var curve Curve
	for _, s := range r.Segments() {
		if s.From.Cmp(limit) >= 0 {
			break
		}
		if s.To == nil || s.To.Cmp(limit) > 0 {
			s.To = limit
		}
		curve = append(curve, committed(s, or(r.MinimumCommit, zero), or(r.FixedMonthly, zero))...)
	}
	return curve
}
