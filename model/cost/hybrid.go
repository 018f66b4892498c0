package cost

import (
	"math/big"
	"slices"
	"sort"

	"tipline/model"
)

// LoadBlock is a number of hours of a month with the same load in tokens per hour.
type LoadBlock struct{ Hours, TokensPerHour *big.Rat }

// Load is a load-duration curve made ready for questions: how much of it a given capacity carries.
type Load struct {
	rates  []*big.Rat // descending
	hours  []*big.Rat // hours[i]: hours with a load of rates[i] or more
	volume []*big.Rat // volume[i]: tokens in the hours with a load below rates[i]
	total  *big.Rat
	all    *big.Rat // hours of the whole curve

	scale *big.Rat // λ' = scale·λ
	month *big.Rat // hours of the month over hours of the curve
}

// NewLoad sorts blocks and adds them up. The curve is taken as it is: its hours are the month's.
func NewLoad(blocks []LoadBlock) *Load {
	sorted := slices.Clone(blocks)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].TokensPerHour.Cmp(sorted[j].TokensPerHour) > 0 })
	l := &Load{total: zero, all: zero, scale: one, month: one}
	for _, b := range sorted {
		l.total = add(l.total, mul(b.Hours, b.TokensPerHour))
		l.all = add(l.all, b.Hours)
		l.rates = append(l.rates, b.TokensPerHour)
		l.hours = append(l.hours, l.all)
		l.volume = append(l.volume, l.total)
	}
	for i := range l.volume {
		l.volume[i] = sub(l.total, l.volume[i])
	}
	return l
}

// LoadOf returns the curve of an observed load, its tokens per hour rounded to whole ones.
func LoadOf(curve model.LoadCurve) *Load {
	blocks := make([]LoadBlock, len(curve))
	for i, b := range curve {
		hours := new(big.Rat)
		hours.SetFloat64(b.Hours)
		blocks[i] = LoadBlock{Hours: hours, TokensPerHour: integer(int64(b.TokensPerHour + 0.5))}
	}
	return NewLoad(blocks)
}

// Known reports whether the curve carries anything.
func (l *Load) Known() bool { return l.total.Sign() > 0 }

// To returns the curve of the same shape that carries volume tokens in hours hours (cost model, section 2.2).
func (l *Load) To(volume, hours *big.Rat) *Load {
	scaled := *l
	scaled.month = quo(hours, l.all)
	scaled.scale = quo(volume, mul(l.total, scaled.month))
	return &scaled
}

// Volume returns the tokens of the month.
func (l *Load) Volume() *big.Rat { return mul(l.total, mul(l.scale, l.month)) }

// Peak returns the highest load in tokens per hour.
func (l *Load) Peak() *big.Rat {
	if len(l.rates) == 0 {
		return zero
	}
	return mul(l.rates[0], l.scale)
}

// Carried returns the tokens that a capacity in tokens per hour carries: Σ hours·min(λ, capacity).
func (l *Load) Carried(capacity *big.Rat) *big.Rat {
	if l.scale.Sign() == 0 {
		return zero
	}
	x := quo(capacity, l.scale)
	i := sort.Search(len(l.rates), func(i int) bool { return l.rates[i].Cmp(x) <= 0 }) // rates[:i] are above x
	below, above := l.total, zero
	if i > 0 {
		above, below = l.hours[i-1], l.volume[i-1]
	}
	return mul(add(mul(x, above), below), mul(l.scale, l.month))
}

// Base is the fleet that carries the base load of a hybrid.
type Base struct {
	PerReplica  *big.Rat // κ: tokens per hour that one replica may carry
	ReplicaCost *big.Rat // c·H: USD per month of one replica
	Fixed       *big.Rat // F, due when there is at least one replica
	Variable    *big.Rat // v, USD per million tokens
}

// Base returns f as the base of a hybrid. Its unit is what can be bought: a block counts as one replica of k times the rate.
func (f *Fleet) Base() Base {
	return Base{
		PerReplica: mul(f.Usable, integer(f.replicasPerBlock)), ReplicaCost: f.BlockCost, Fixed: f.Fixed, Variable: f.Variable,
	}
}

// Hybrid is the best split of a load between replicas of one's own and an API (cost model, section 6).
type Hybrid struct {
	Best      model.Hosting // API when no replica pays, SelfHosted when the replicas carry everything
	Cost      *big.Rat      // USD per month of the best
	Replicas  int64         // n*: replicas that pay for themselves; 0 when none does
	CostAtN   *big.Rat      // USD per month with Replicas of them, fixed cost included
	APIOnly   *big.Rat      // USD per month without any
	Full      int64         // replicas that carry the peak
	Own       *big.Rat      // tokens that Replicas carry
	Overflow  *big.Rat      // tokens that the API carries
	Breakeven *big.Rat      // ρ: share of its capacity a replica must carry to pay for itself; nil when p ≤ v
}

// FindHybrid returns the best split when the API charges perMTok USD per million tokens. A replica is bought iff the tokens
// that it would carry, at what the API charges above the variable cost, are worth more than its month.
func FindHybrid(l *Load, b Base, perMTok *big.Rat) Hybrid {
	net := quo(sub(perMTok, b.Variable), million)
	h := Hybrid{
		APIOnly: quo(mul(l.Volume(), perMTok), million),
		Full:    ceil(quo(l.Peak(), b.PerReplica)).Int64(),
	}
	if net.Sign() > 0 {
		h.Breakeven = quo(b.ReplicaCost, mul(mul(b.PerReplica, mul(l.all, l.month)), net))
	}
	// What a replica carries never increases with its number, so those that pay come first.
	h.Replicas = int64(sort.Search(int(h.Full), func(k int) bool {
		return mul(l.Marginal(int64(k)+1, b), net).Cmp(b.ReplicaCost) <= 0
	}))
	h.Own = l.Carried(mul(integer(h.Replicas), b.PerReplica))
	h.Overflow = sub(l.Volume(), h.Own)
	h.CostAtN = l.Split(h.Replicas, b, perMTok)
	switch {
	case h.CostAtN.Cmp(h.APIOnly) >= 0:
		h.Best, h.Cost = model.API, h.APIOnly
	case h.Overflow.Sign() == 0:
		h.Best, h.Cost = model.SelfHosted, h.CostAtN
	default:
		h.Best, h.Cost = model.Hybrid, h.CostAtN
	}
	return h
}

// Marginal returns S_k, the tokens that replica k would carry; the first replica is 1.
func (l *Load) Marginal(k int64, b Base) *big.Rat {
	return sub(l.Carried(mul(integer(k), b.PerReplica)), l.Carried(mul(integer(k-1), b.PerReplica)))
}

// Split returns the cost in USD per month of n replicas with the rest on the API: C_hyb(n).
func (l *Load) Split(n int64, b Base, perMTok *big.Rat) *big.Rat {
	own := l.Carried(mul(integer(n), b.PerReplica))
	tokens := add(mul(own, b.Variable), mul(sub(l.Volume(), own), perMTok))
	total := add(mul(integer(n), b.ReplicaCost), quo(tokens, million))
	if n > 0 {
		total = add(total, b.Fixed)
	}
	return total
}
