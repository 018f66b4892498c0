package cost

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Rate is an API bill as a function of volume alone: max(MinimumCommit, usage) + FixedMonthly. The usage is V · PerMTok / 10^6,
// and with Steps what the tiers make of it, with a Scale what the contract leaves of it. With Others it is what the volume adds to their bill: the bill with it less the bill without.
type Rate struct {
	PerMTok       *big.Rat // USD per million tokens of all classes, below all steps
	Steps         []Step   // ascending; none when empty
	AllUnits      bool     // the step that a month reaches prices all its tokens; otherwise a step prices those above it
	MinimumCommit *big.Rat // USD per month; nil means none
	FixedMonthly  *big.Rat // USD per month; nil means none
	Scale         *Scale   // of the contract, for what the volume and the others are charged together; nil means none
	Others        *Others  // what the account is charged for beside the volume; nil means nothing
}

// Others is what an account uses of an API beside the volume of a Rate. Its tokens come first: those of the volume lie in the tiers above them,
// the commitment is due without the volume too, and so is the fixed fee where there are any.
type Others struct {
	Tokens  *big.Rat   // a month
	PerMTok []*big.Rat // USD per million of them, below all steps and above each
	USD     *big.Rat   // a month, on other APIs under the same contract, before its scale; nil means nothing
	Beyond  *big.Rat   // tokens a month of those other APIs; nil means none
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
	variable.MinimumCommit, variable.FixedMonthly, variable.Tiers, variable.Scale = nil, nil, nil, nil
	perMTok := func(p Prices) (*big.Rat, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		bill := Bill{Cost: new(big.Rat), Tokens: totalOf(usage), sum: true}
		if err := p.charge(&bill, usage, p.levels(zero, bill.Tokens)); err != nil {
			return nil, err
		}
		if bill.Tokens.Sign() == 0 {
			return nil, errors.New("no tokens: the mix is not known")
		}
		return bill.PerMTok(), nil
	}
	r := Rate{AllUnits: p.AllUnits, MinimumCommit: p.MinimumCommit, FixedMonthly: p.FixedMonthly, Scale: p.Scale}
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

// RateBeside returns what a volume adds to the bill of an account that is used beside it in a month; with nothing beside it is Rate.
func (p Prices) RateBeside(beside Beside, usage []Usage) (Rate, error) {
	r, err := p.Rate(usage)
	if err != nil || beside.None() {
		return r, err
	}
	r.Others = &Others{Tokens: totalOf(beside.Usage), PerMTok: make([]*big.Rat, 1+len(r.Steps)), USD: beside.USD, Beyond: beside.Tokens}
	if r.Others.Tokens.Sign() == 0 {
		for i := range r.Others.PerMTok {
			r.Others.PerMTok[i] = zero
		}
		return r, nil
	}
	theirs, err := p.Rate(beside.Usage)
	if err != nil {
		return Rate{}, fmt.Errorf("the other workloads of the account: %w", err)
	}
	r.Others.PerMTok[0] = theirs.PerMTok
	for i, s := range theirs.Steps {
		r.Others.PerMTok[i+1] = s.PerMTok
	}
	return r, nil
}

// times returns o with as many tokens, each at as many times the price; nil for a nil o.
func (o *Others) times(tokens, price *big.Rat) *Others {
	if o == nil {
		return nil
	}
	scaled := &Others{Tokens: mul(o.Tokens, tokens), USD: o.USD, Beyond: mul(or(o.Beyond, zero), tokens)}
	for _, p := range o.PerMTok {
		scaled.PerMTok = append(scaled.PerMTok, mul(p, price))
	}
	return scaled
}

// Per returns r for tokens of which each is ratio of those that r counts.
func (r Rate) Per(ratio *big.Rat) Rate {
	steps := make([]Step, 0, len(r.Steps))
	for _, s := range r.Steps {
		steps = append(steps, Step{Above: quo(s.Above, ratio), PerMTok: mul(s.PerMTok, ratio)})
	}
	r.PerMTok, r.Steps, r.Others = mul(r.PerMTok, ratio), steps, r.Others.times(quo(one, ratio), ratio)
	r.Scale = r.Scale.per(ratio)
	return r
}

// Times returns r with as many times the price of every token.
func (r Rate) Times(factor *big.Rat) Rate {
	steps := make([]Step, 0, len(r.Steps))
	for _, s := range r.Steps {
		steps = append(steps, Step{Above: s.Above, PerMTok: mul(s.PerMTok, factor)})
	}
	r.PerMTok, r.Steps, r.Others = mul(r.PerMTok, factor), steps, r.Others.times(one, factor)
	return r
}

// Floor returns what the usage counts as at least, in USD: the minimum commitment, or what the others leave of it; nil when nothing does.
func (r Rate) Floor() *big.Rat {
	if or(r.MinimumCommit, zero).Sign() == 0 {
		return nil
	}
	if r.Others == nil {
		return r.MinimumCommit
	}
	if left := r.uncommitted(); left.Sign() > 0 || r.AllUnits || r.Scale != nil && r.Scale.AllUnits { // a bill of all units may fall to the commitment
		return left
	}
	return nil
}

// Fee returns what is charged beside the usage and its Floor, in USD. What is due without the volume is not charged for it: the fixed fee,
// and what is left of the commitment.
func (r Rate) Fee() *big.Rat {
	if r.Others == nil {
		return r.fixed()
	}
	return sub(r.fixed(), greater(r.uncommitted(), zero))
}

// fixed returns the fixed fee, which is not for the volume where others have the API too.
func (r Rate) fixed() *big.Rat {
	if r.Others != nil && r.Others.Tokens.Sign() > 0 {
		return zero
	}
	return or(r.FixedMonthly, zero)
}

// uncommitted returns what the others leave of the commitment, below 0 where they spend more.
func (r Rate) uncommitted() *big.Rat {
	return sub(or(r.MinimumCommit, zero), r.Scale.Due(r.before()))
}

// before returns what the others use of the contract, or of the account where there is none.
func (r Rate) before() Used {
	if r.Others == nil {
		return Used{zero, zero}
	}
	return Used{add(or(r.Others.USD, zero), r.Others.usage(r)), add(r.Others.Tokens, or(r.Others.Beyond, zero))}
}

// usage returns what the others cost by themselves at the steps of r, in USD.
func (o *Others) usage(r Rate) *big.Rat {
	alone := Rate{PerMTok: o.PerMTok[0], AllUnits: r.AllUnits}
	for i, s := range r.Steps {
		alone.Steps = append(alone.Steps, Step{Above: s.Above, PerMTok: o.PerMTok[i+1]})
	}
	return alone.Usage(o.Tokens)
}

// At returns the bill in USD for volume tokens.
func (r Rate) At(volume *big.Rat) *big.Rat {
	usage := r.Usage(volume)
	if floor := r.Floor(); floor != nil {
		usage = greater(usage, floor)
	}
	return add(usage, r.Fee())
}

// UsageFor returns what Usage of volume is when all prices are as many times as high as it takes for the bill to be usd, in USD; nil when no prices make it that.
func (r Rate) UsageFor(usd, volume *big.Rat) *big.Rat {
	if r.Scale != nil {
		return r.halve(usd, volume)
	}
	commit := or(r.MinimumCommit, zero)
	if r.Others == nil {
		usage := sub(usd, r.Fee())
		if usage.Sign() <= 0 || usage.Cmp(commit) < 0 {
			return nil
		}
		return usage
	}
	own, theirs := r.Usage(volume), r.Others.usage(r)
	usd, commit = sub(usd, r.fixed()), sub(commit, or(r.Others.USD, zero))
	if usd.Sign() <= 0 || own.Sign() <= 0 {
		return nil
	}
	if commit.Sign() <= 0 { // others spend as much elsewhere
		return usd
	}
	// The bill is max(commit, own + theirs) - max(commit, theirs): lower prices leave more of a commitment.
	if times := quo(add(usd, commit), add(own, theirs)); mul(times, theirs).Cmp(commit) <= 0 {
		return mul(own, times)
	}
	return usd
}

// halve is UsageFor by halving, for a bill that is not straight in its prices: to a billionth.
func (r Rate) halve(usd, volume *big.Rat) *big.Rat {
	const most, halvings = 1 << 20, 50
	reaches := func(times float64) bool { return r.Times(fromFloat(times)).At(volume).Cmp(usd) >= 0 }
	low, high := 0.0, float64(most)
	if reaches(low) || !reaches(high) {
		return nil
	}
	for range halvings {
		if middle := (low + high) / 2; reaches(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return r.Times(fromFloat(high)).Usage(volume)
}

// Usage returns what volume tokens cost in USD, without the commitment and the fixed fee. It may be below 0 where they bring the others to a
// lower price of all units.
func (r Rate) Usage(volume *big.Rat) *big.Rat {
	if len(r.Steps) == 0 && r.Scale == nil {
		return perMillion(volume, r.PerMTok)
	}
	if volume.Sign() == 0 {
		return zero
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
	if len(r.Steps) == 0 && r.Scale == nil {
		return r.PerMTok
	}
	if volume.Sign() == 0 {
		return mul(r.Segments()[0].Beta, million)
	}
	return quo(mul(r.Usage(volume), million), volume)
}

// prices returns what a token costs in USD per million in every tier that the volume reaches.
func (r Rate) prices() (all []*big.Rat) {
	all = append(all, r.PerMTok)
	for _, s := range r.Steps {
		if r.Others != nil && s.Above.Cmp(r.Others.Tokens) <= 0 {
			all = all[:0]
		}
		all = append(all, s.PerMTok)
	}
	if r.Scale == nil {
		return all
	}
	var scaled []*big.Rat
	for _, ratio := range r.Scale.ratios(r.before()) {
		for _, price := range all {
			scaled = append(scaled, mul(price, ratio))
		}
	}
	return scaled
}

// Dearest returns the highest price of a token in USD per million: beside the re-pricing of others no volume costs more on average.
func (r Rate) Dearest() *big.Rat { return slices.MaxFunc(r.prices(), (*big.Rat).Cmp) }

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

// cheapest returns the lowest price of a token in USD per million: beside the re-pricing of others no volume costs less on average.
func (r Rate) cheapest() *big.Rat { return slices.MinFunc(r.prices(), (*big.Rat).Cmp) }

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
	segments = append(segments, last)
	if r.Others != nil {
		segments = r.Others.above(segments, r.AllUnits)
	}
	if r.Scale != nil {
		segments = r.Scale.over(segments, r.before())
	}
	return segments
}

// above returns what r.Segments does of all tokens of the account, as pieces of the volume that comes after the others.
func (o *Others) above(all []Segment, allUnits bool) []Segment {
	var own []Segment
	without := o.PerMTok[0] // what a million of the others cost without the volume
	for i, s := range all {
		if s.From.Cmp(o.Tokens) < 0 {
			without = o.PerMTok[i]
		}
		if s.To != nil {
			if s.To.Cmp(o.Tokens) <= 0 {
				continue
			}
			s.To = sub(s.To, o.Tokens)
		}
		s.From, s.Alpha = greater(sub(s.From, o.Tokens), zero), zero
		switch {
		case allUnits: // the others are priced anew
			s.Alpha = perMillion(o.Tokens, sub(o.PerMTok[i], without))
		case len(own) > 0:
			last := own[len(own)-1]
			s.Alpha = add(last.Alpha, mul(s.From, sub(last.Beta, s.Beta)))
		}
		own = append(own, s)
	}
	return own
}

// Curve returns the cost of r on (0, limit].
func (r Rate) Curve(limit *big.Rat) Curve {
	var curve Curve
	floor, fee := r.Floor(), r.Fee()
	for _, s := range r.Segments() {
		if s.From.Cmp(limit) >= 0 {
			break
		}
		if s.To == nil || s.To.Cmp(limit) > 0 {
			s.To = limit
		}
		if floor == nil {
			s.Alpha = add(s.Alpha, fee)
			curve = append(curve, s)
			continue
		}
		curve = append(curve, committed(s, floor, fee)...)
	}
	return curve
}
