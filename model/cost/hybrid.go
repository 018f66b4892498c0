package cost

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"sort"

	"tipline/model"
)

// LoadBlock is a number of hours of a month with the same load in tokens per hour.
type LoadBlock struct{ Hours, TokensPerHour *big.Rat }

// Load is a load-duration curve made ready for questions: how much of it a given capacity carries. Its numbers are whole ones of a
// fraction of a token and of an hour, since a load has hundreds.
type Load struct {
	rates  numbers   // descending
	near   []float64 // rates in tokens per hour, each rounded to the nearest float
	hours  numbers   // hours[i]: hours with a load of rates[i] or more
	volume numbers   // volume[i]: tokens in the hours with a load below rates[i]

	perToken, perHour *big.Int // parts that a token per hour and an hour are counted in

	total *big.Rat // tokens of the whole curve
	all   *big.Rat // hours of the whole curve
	scale *big.Rat // λ' = scale·λ
	month *big.Rat // hours of the month over hours of the curve
	times *big.Rat // tokens of the month over tokens of the curve: scale·month
	whole *big.Rat // tokens of the month
}

// NewLoad sorts blocks and adds them up. The curve is taken as it is: its hours are the month's.
func NewLoad(blocks []LoadBlock) *Load {
	sorted := slices.SortedStableFunc(slices.Values(blocks), func(a, b LoadBlock) int { return b.TokensPerHour.Cmp(a.TokensPerHour) })
	l := newLoad(len(sorted))
	for _, b := range sorted {
		l.perToken, l.perHour = multiple(l.perToken, b.TokensPerHour.Denom()), multiple(l.perHour, b.Hours.Denom())
	}
	var part big.Int
	for i, b := range sorted {
		l.rates.set(i, parts(&part, b.TokensPerHour, l.perToken))
		l.hours.set(i, parts(&part, b.Hours, l.perHour))
		l.near[i], _ = b.TokensPerHour.Float64()
	}
	return l.sum()
}

// LoadOf returns the curve of an observed load, its tokens per hour rounded to whole ones.
func LoadOf(curve model.LoadCurve) *Load {
	sorted := curve.Sorted()
	l := newLoad(len(sorted))
	var hours big.Rat
	for _, b := range sorted {
		if b.Hours != math.Trunc(b.Hours) {
			l.perHour = multiple(l.perHour, hours.SetFloat64(b.Hours).Denom())
		}
	}
	var part big.Int
	for i, b := range sorted {
		l.near[i] = math.Round(float64(b.TokensPerHour))
		l.rates.set(i, part.SetInt64(int64(l.near[i])))
		if b.Hours == math.Trunc(b.Hours) {
			hours.SetInt64(int64(b.Hours))
		} else {
			hours.SetFloat64(b.Hours)
		}
		l.hours.set(i, parts(&part, &hours, l.perHour))
	}
	return l.sum()
}

func newLoad(n int) *Load {
	return &Load{
		rates: newNumbers(n), near: make([]float64, n), hours: newNumbers(n), volume: newNumbers(n),
		perToken: big.NewInt(1), perHour: big.NewInt(1), scale: one, month: one, times: one,
	}
}

// numbers are whole numbers from 0 on, each in as many words as the largest takes: a big.Int for each would take several times the room.
type numbers struct {
	words []big.Word
	each  int
}

func newNumbers(n int) numbers { return numbers{words: make([]big.Word, n), each: 1} }

// at returns number i, which is not to be written to.
func (n numbers) at(i int) *big.Int { return new(big.Int).SetBits(n.words[i*n.each : (i+1)*n.each]) }

// set makes v number i.
func (n *numbers) set(i int, v *big.Int) {
	bits := v.Bits()
	if len(bits) > n.each {
		wider := numbers{words: make([]big.Word, len(n.words)/n.each*len(bits)), each: len(bits)}
		for j := range len(n.words) / n.each {
			copy(wider.words[j*wider.each:], n.words[j*n.each:(j+1)*n.each])
		}
		*n = wider
	}
	clear(n.words[i*n.each+copy(n.words[i*n.each:], bits) : (i+1)*n.each])
}

// multiple returns the least common multiple of a and b.
func multiple(a, b *big.Int) *big.Int {
	if a.Cmp(b) == 0 {
		return a
	}
	m := new(big.Int).GCD(nil, nil, a, b)
	return m.Mul(m.Quo(a, m), b)
}

// parts sets n to how many of the parts that a unit has r is, and returns it; unit is a multiple of the denominator of r.
func parts(n *big.Int, r *big.Rat, unit *big.Int) *big.Int {
	if r.IsInt() {
		return n.Mul(r.Num(), unit)
	}
	n.Quo(unit, r.Denom())
	return n.Mul(n, r.Num())
}

// of returns n parts as units of so many.
func of(n, unit *big.Int) *big.Rat {
	if unit.IsInt64() && unit.Int64() == 1 {
		return new(big.Rat).SetInt(n)
	}
	return new(big.Rat).SetFrac(n, unit)
}

// sum adds up the blocks, whose rates are sorted and whose hours are each its own.
func (l *Load) sum() *Load {
	var all, total, block big.Int
	for i := range slices.Backward(l.near) {
		l.volume.set(i, &total)
		total.Add(&total, block.Mul(l.hours.at(i), l.rates.at(i)))
	}
	for i := range l.near {
		l.hours.set(i, all.Add(&all, l.hours.at(i)))
	}
	l.all, l.total = of(&all, l.perHour), of(&total, all.Mul(l.perHour, l.perToken))
	l.whole = l.total
	return l
}

// rate returns the load of block i in tokens per hour, from the highest.
func (l *Load) rate(i int) *big.Rat { return of(l.rates.at(i), l.perToken) }

// until returns the hours with a load of block i or more.
func (l *Load) until(i int) *big.Rat { return of(l.hours.at(i), l.perHour) }

// Known reports whether the curve carries anything.
func (l *Load) Known() bool { return l.total.Sign() > 0 }

// To returns the curve of the same shape that carries volume tokens in hours hours (cost model, section 2.2).
func (l *Load) To(volume, hours *big.Rat) *Load {
	scaled := *l
	scaled.month = quo(hours, l.all)
	scaled.times, scaled.whole = quo(volume, l.total), volume
	scaled.scale = quo(scaled.times, scaled.month)
	return &scaled
}

// Volume returns the tokens of the month.
func (l *Load) Volume() *big.Rat { return l.whole }

// Peak returns the highest load in tokens per hour.
func (l *Load) Peak() *big.Rat {
	if len(l.near) == 0 {
		return zero
	}
	return mul(l.rate(0), l.scale)
}

// Carried returns the tokens that a capacity in tokens per hour carries: Σ hours·min(λ, capacity).
func (l *Load) Carried(capacity *big.Rat) *big.Rat {
	if l.scale.Sign() == 0 {
		return zero
	}
	x := quo(capacity, l.scale)
	i := l.above(x)
	below, above := l.total, zero
	if i > 0 {
		above, below = l.until(i-1), of(l.volume.at(i-1), new(big.Int).Mul(l.perHour, l.perToken))
	}
	return mul(add(mul(x, above), below), l.times)
}

// above returns how many rates are above x.
func (l *Load) above(x *big.Rat) int {
	near, _ := x.Float64()
	// Rounding keeps order, so only rates that round to the same float have to be compared exactly.
	i := sort.Search(len(l.near), func(i int) bool { return l.near[i] <= near })
	for i < len(l.near) && l.near[i] == near && l.rate(i).Cmp(x) > 0 {
		i++
	}
	return i
}

// Base is the fleet that carries the base load of a hybrid. Its replica is what can be bought.
type Base struct {
	PerReplica  *big.Rat // κ: tokens per hour that one replica may carry
	ReplicaCost *big.Rat // c·H: USD per month of one replica
	Fixed       *big.Rat // F, due when there is at least one replica
	Variable    *big.Rat // v, USD per million tokens
	Min         int64    // fewest replicas; 0 leaves it to FindHybrid whether to have any
	Max         *int64   // most replicas, the quota; nil means none
}

// Base returns f as the base of a hybrid, which has at least one replica: a block counts as one replica of k times the rate.
// It needs no spares, since the API takes what a lost replica carried, and no room for the peak, which goes there too.
func (f *Fleet) Base() Base {
	b := Base{
		PerReplica: mul(f.Usable, integer(f.replicasPerBlock)), ReplicaCost: f.BlockCost, Fixed: f.Fixed, Variable: f.Variable,
		Min: max(1, blocks(f.minReplicas, f.replicasPerBlock)),
	}
	if f.maxReplicas != nil {
		most := *f.maxReplicas / f.replicasPerBlock
		b.Max = &most
	}
	return b
}

// Hybrid is the best split of a load between replicas of one's own and an API (cost model, section 6).
type Hybrid struct {
	Best      model.Hosting // API when no replica pays, SelfHosted when the replicas carry everything
	Cost      *big.Rat      // USD per month of the best
	Replicas  int64         // n*: replicas that pay for themselves, within what the base allows; 0 when none does
	CostAtN   *big.Rat      // USD per month with Replicas of them, fixed cost included
	APIOnly   *big.Rat      // USD per month without any
	Full      int64         // replicas that carry the peak
	Own       *big.Rat      // tokens that Replicas carry
	Overflow  *big.Rat      // tokens that the API carries
	Breakeven *big.Rat      // ρ: share of its capacity a replica must carry to pay for itself; nil when p ≤ v
}

// FindHybrid returns the best split. A replica is bought iff the tokens that it would carry, at what the API charges above
// the variable cost, are worth more than its month; once the rest is within the API's commitment no replica saves anything. That
// holds as long as the rest stays in one tier of the API, so the best of every tier is compared with the others.
// It is false when the quota is below the fewest replicas.
func FindHybrid(l *Load, b Base, api Rate) (Hybrid, bool) {
	if b.Max != nil && *b.Max < b.Min {
		return Hybrid{}, false
	}
	h := Hybrid{APIOnly: api.At(l.Volume()), Full: l.replicas(b)}
	candidates := l.candidates(h.Full, b, api)
	h.Replicas = candidates[0]
	if len(candidates) > 1 {
		unfixed := b
		unfixed.Fixed = zero // the fixed cost decides between none and some of them, not how many
		h.Replicas = slices.MinFunc(candidates, func(n, m int64) int {
			if by := l.Split(n, unfixed, api).Cmp(l.Split(m, unfixed, api)); by != 0 {
				return by
			}
			return cmp.Compare(n, m)
		})
	}
	h.Own = l.Carried(mul(integer(h.Replicas), b.PerReplica))
	h.Overflow = sub(l.Volume(), h.Own)
	h.CostAtN = l.Split(h.Replicas, b, api)
	h.Breakeven = b.breakeven(mul(l.all, l.month), api.marginal(h.Overflow))
	switch {
	case h.CostAtN.Cmp(h.APIOnly) >= 0:
		h.Best, h.Cost = model.API, h.APIOnly
	case h.Overflow.Sign() == 0:
		h.Best, h.Cost = model.SelfHosted, h.CostAtN
	default:
		h.Best, h.Cost = model.Hybrid, h.CostAtN
	}
	return h, true
}

// candidates returns numbers of replicas one of which is best: that of every straight piece of the API's bill, which the marginal rule
// finds, and where the commitment begins to pay for the rest, from which on the cost only rises.
func (l *Load) candidates(full int64, b Base, api Rate) (all []int64) {
	floor := api.Floor()
	rest := func(n int64) *big.Rat { return sub(l.Volume(), l.Carried(mul(integer(n), b.PerReplica))) }
	most := max(full, b.Min)
	if b.Max != nil {
		most = min(most, *b.Max)
	}
	for _, s := range api.Segments() {
		least, end := b.Min, most // of the replicas with which the rest lies in s
		if s.To != nil {
			least = max(least, search(full, func(n int64) bool { return rest(n).Cmp(s.To) <= 0 }))
		}
		if s.From.Sign() > 0 {
			end = min(end, search(full, func(n int64) bool { return rest(n).Cmp(s.From) <= 0 })-1)
		}
		if least > end {
			continue
		}
		// What a replica carries never increases with its number, so those that pay come first.
		net := sub(s.Beta, quo(b.Variable, million))
		n := search(full, func(k int64) bool { return mul(l.Marginal(k+1, b), net).Cmp(b.ReplicaCost) <= 0 })
		if floor != nil {
			committed := search(full, func(n int64) bool { return add(s.Alpha, mul(s.Beta, rest(n))).Cmp(floor) <= 0 })
			if committed <= n {
				all = append(all, min(max(committed, least), end))
				n = committed - 1
			}
		}
		all = append(all, min(max(n, least), end))
	}
	return all
}

// breakeven returns ρ against an API at a price in USD per token, in a month of hours hours; nil when it is not above the variable cost.
func (b Base) breakeven(hours, perToken *big.Rat) *big.Rat {
	net := sub(perToken, quo(b.Variable, million))
	if net.Sign() <= 0 {
		return nil
	}
	return quo(b.ReplicaCost, mul(mul(b.PerReplica, hours), net))
}

// search returns the smallest k in [0, n) for which yes holds, n when there is none; yes never turns from true to false.
func search(n int64, yes func(k int64) bool) int64 {
	return int64(sort.Search(int(n), func(k int) bool { return yes(int64(k)) }))
}

// replicas returns how many replicas carry the peak.
func (l *Load) replicas(b Base) int64 {
	n := ceil(quo(l.Peak(), b.PerReplica))
	if n.BitLen() > 53 {
		return 1 << 53
	}
	return n.Int64()
}

// Marginal returns S_k, the tokens that replica k would carry; the first replica is 1.
func (l *Load) Marginal(k int64, b Base) *big.Rat {
	return sub(l.Carried(mul(integer(k), b.PerReplica)), l.Carried(mul(integer(k-1), b.PerReplica)))
}

// Split returns the cost in USD per month of n replicas with the rest on the API: C_hyb(n). What the API charges whether
// used or not is due even when there is no rest.
func (l *Load) Split(n int64, b Base, api Rate) *big.Rat {
	own := l.Carried(mul(integer(n), b.PerReplica))
	total := add(mul(integer(n), b.ReplicaCost), api.At(sub(l.Volume(), own)))
	if b.Variable.Sign() > 0 {
		total.Add(total, perMillion(own, b.Variable))
	}
	if n > 0 {
		total.Add(total, b.Fixed)
	}
	return total
}
