package cost

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"sort"

	"tipline/model"
)

// MaxIntervals is how many favourable intervals a Crossover lists for each price of an API. A margin of a cent a block makes millions of windows;
// the first of them and the permanent one are what a reader needs.
const MaxIntervals = 1000

// Interval is a range of monthly volumes, open on the left and closed on the right; a nil To has no right end.
type Interval struct{ From, To *big.Rat }

// window returns a range of volumes whose ends are each the nearest float.
func window(from, to float64) model.Interval {
	return model.Interval{FromExclusive: model.Tokens(from), ToInclusive: model.End(to)}
}

// Crossover is where a fleet is cheaper than an API (cost model, section 7). It is not for use by several goroutines at once: its exact numbers are
// worked out when they are asked for, in memory of its own.
type Crossover struct {
	Reason    string   // one of the model.Crossover and model.Never reasons
	Searched  *big.Rat // the volume beyond which Intervals leaves some out; nil when all are there
	First     *big.Rat // left end of the first interval; nil when never
	Permanent *big.Rat // left end of the unbounded interval; nil when there is none
	Unlimited *big.Rat // what First would be without a quota; nil when never

	MarginPerBlock *big.Rat // M: USD per month that one full block saves, at the dearest tier of the API; nil when the fleet follows its load
	Breakeven      *big.Rat // ρ: share of its capacity a block must carry to pay for itself, at that tier; nil when it is not above v
	UnitFloor      *big.Rat // USD per million tokens at a full block, or where a fleet that follows its load is large

	NoneAtOrBelow *big.Rat // smooth lower bound; nil unless the fleet runs all month, F' ≥ 0, M > 0 and the API has no commitment
	AlwaysAbove   *big.Rat // smooth upper bound, past the minimum fleet; nil unless the fleet runs all month, F' ≥ 0 and M > 0

	variable *big.Rat         // USD per million tokens
	most     *big.Rat         // volume that the quota allows; nil without a quota, 0 when it allows none
	parts    []staircase      // the favourable set is the union of theirs
	windows  []model.Interval // the favourable set, see Intervals
}

// A staircase is the cost of a fleet against a straight piece of an API's bill.
type staircase interface {
	// favourable returns the favourable set within the piece without the quota, and the volume after which windows may have been left out of
	// it; infinite when none were.
	favourable() (set []model.Interval, cut float64)
	// near returns that set at volume and just above it.
	near(volume *big.Rat) []model.Interval
	// exactly returns the end of a window, or of the piece, of which v is the nearest float; nil when there is none.
	exactly(v float64) *big.Rat
}

// FindCrossover returns the volumes at which the fleet costs strictly less than the API. Where the fleet's variable cost
// exceeds the API's price the right end of an interval is the volume at which both cost the same. Between two tiers the API's
// bill is straight: the favourable set is that of every tier, within its volumes.
func FindCrossover(api Rate, f *Fleet) Crossover {
	floor, fee := api.Floor(), api.Fee()
	var straight []*steps // the same, for every piece of the API's bill
	for _, segment := range api.Segments() {
		segment.Alpha = add(segment.Alpha, fee)
		straight = append(straight, newSteps(segment, f))
	}
	s, least := straight[0], straight[0]
	if len(straight) > 1 {
		s = newSteps(Segment{From: zero, Alpha: fee, Beta: quo(api.Dearest(), million)}, f)
		least = newSteps(Segment{From: zero, Alpha: fee, Beta: quo(api.cheapest(), million)}, f)
	}
	x := Crossover{
		MarginPerBlock: s.margin,
		UnitFloor:      add(quo(mul(f.BlockCost, million), f.PerBlock), f.Variable),
		variable:       sub(f.Variable, or(f.Working, zero)),
		most:           f.Shape().MaxVolume,
	}
	x.Breakeven = x.BreakevenAt(api.Dearest())
	repriced := api.Others != nil && (api.AllUnits || api.Scale != nil && api.Scale.AllUnits) && len(straight) > 1 // a volume may cost more or less on average than any of its tokens
	if s.fixed.Sign() >= 0 && s.margin.Sign() > 0 && floor == nil && !repriced {
		x.NoneAtOrBelow = quo(mul(s.fixed, f.PerBlock), s.margin)
	}
	if least.fixed.Sign() >= 0 && least.margin.Sign() > 0 && !repriced {
		spare := add(one, big.NewRat(f.spareReplicas, f.replicasPerBlock))
		x.AlwaysAbove = quo(mul(add(least.fixed, mul(f.BlockCost, spare)), f.PerBlock), least.margin)
	}
	for _, part := range straight {
		x.parts = append(x.parts, part)
	}
	if floor != nil { // max(a, b) is above the fleet's cost where a is or b is
		x.parts = append(x.parts, newSteps(Segment{From: zero, Alpha: add(floor, fee), Beta: zero}, f))
	}
	x.find(x.Breakeven != nil)
	return x
}

// find fills in the favourable set of the parts of x; dearer says whether a token of the API costs more than what varies with volume.
func (x *Crossover) find(dearer bool) {
	var unlimited []model.Interval
	searched := math.Inf(1)
	for _, part := range x.parts {
		windows, cut := part.favourable()
		unlimited = union(unlimited, windows)
		searched = min(searched, cut)
	}
	if cut := x.exactly(searched); cut != nil && (x.most == nil || x.most.Cmp(cut) > 0) {
		x.Searched = cut
	}
	if len(unlimited) > 0 {
		x.Unlimited = x.exactly(float64(unlimited[0].FromExclusive))
	}
	x.windows = x.clip(unlimited)
	switch {
	case len(x.windows) > 0:
		x.Reason = model.CrossoverFound
		x.First = x.exactly(float64(x.windows[0].FromExclusive))
		if last := x.windows[len(x.windows)-1]; last.ToInclusive.Unbounded() {
			x.Permanent = x.exactly(float64(last.FromExclusive))
		}
	case len(unlimited) > 0:
		x.Reason = model.NeverCapacityLimit
	case x.Searched != nil: // there is one, and too many steps to say where
		x.Reason = model.CrossoverFound
	case dearer:
		x.Reason = model.NeverUnitFloor
	default:
		x.Reason = model.NeverVariableAboveAPI
	}
}

// Intervals returns the favourable set, ascending: at most MaxIntervals of it for each piece of the API's bill, and the unbounded one. Every
// end is the float nearest to it. The list belongs to x.
func (x *Crossover) Intervals() []model.Interval {
	if x.windows == nil {
		return []model.Interval{} // a report says null of what is not known
	}
	return x.windows
}

// exactly returns the boundary of x of which v is the nearest float; nil for an infinite one.
func (x *Crossover) exactly(v float64) *big.Rat {
	if math.IsInf(v, 1) {
		return nil
	}
	if x.most != nil && Float(x.most) == v {
		return x.most
	}
	for _, part := range x.parts {
		if exact := part.exactly(v); exact != nil {
			return exact
		}
	}
	return fromFloat(v)
}

// BreakevenAt returns ρ against an API at a price in USD per million tokens: the share of its capacity that a block must carry to pay
// for itself; nil when the price is not above the variable cost.
func (x *Crossover) BreakevenAt(perMTok *big.Rat) *big.Rat {
	net := sub(perMTok, x.variable)
	if net.Sign() <= 0 {
		return nil
	}
	return quo(sub(x.UnitFloor, x.variable), net)
}

// Most returns the volume that the quota of the fleet allows, 0 when it allows none; nil without a quota.
func (x *Crossover) Most() *big.Rat { return x.most }

// Near returns, exactly, the last interval that ends below volume and the next two, with those that Intervals leaves out at volume and just above it.
func (x *Crossover) Near(volume *big.Rat) (exact []Interval) {
	v := Float(volume)
	next := sort.Search(len(x.windows), func(i int) bool { return float64(x.windows[i].ToInclusive) >= v })
	about := slices.Clone(x.windows[max(0, next-1):min(next+2, len(x.windows))])
	if x.Searched != nil {
		for _, s := range x.parts {
			about = union(about, x.clip(s.near(volume)))
		}
	}
	for _, w := range about {
		exact = append(exact, Interval{From: x.exactly(float64(w.FromExclusive)), To: x.exactly(float64(w.ToInclusive))})
	}
	return exact
}

// steps is the staircase of a fleet against a straight piece of an API's bill. The balance of step n is what the fleet saves at the
// end of the step: n·M − (F' + S·K·net).
//
// A margin of a cent makes a thousand windows that are listed. So their ends are worked out in whole parts of a token, without memory for each.
type steps struct {
	f      *Fleet
	piece  Interval // the volumes that count
	first  *big.Int // the smallest fleet that serves any volume
	net    *big.Rat // p − v, USD per token
	fixed  *big.Rat // F' = F less what the API charges at no volume, USD per month
	margin *big.Rat // M = k·K·net − c·H, USD per month
	offset *big.Rat // F' + S·K·net, USD per month

	unit     *big.Int // parts of a token
	from, to *big.Int // the piece, in parts; a nil to has no end
	ends     line     // the end of step n, in parts
	evens    line     // where step n costs what the API does, in parts; unused when net is 0

	start, end, even big.Int // of the step that is looked at
	rounding
}

// A line is a number of parts that goes up by the same from step to step.
type line struct{ none, each *big.Int }

// at sets n to what l is at step.
func (l line) at(n, step *big.Int) *big.Int { return n.Add(n.Mul(l.each, step), l.none) }

func newSteps(api Segment, f *Fleet) *steps {
	s := &steps{f: f, piece: Interval{From: api.From, To: api.To}, first: big.NewInt(f.minimum)}
	if f.stepEnd(s.first).Sign() <= 0 { // spares alone serve nothing
		s.first = following(s.first)
	}
	s.net = sub(api.Beta, quo(f.Variable, million))
	s.fixed = sub(f.Fixed, api.Alpha)
	s.margin = sub(mul(f.PerBlock, s.net), f.BlockCost)
	spares := mul(integer(f.spareReplicas), f.PerReplica)
	s.offset = add(s.fixed, mul(spares, s.net))
	even, perStep := zero, zero
	if s.net.Sign() != 0 {
		even, perStep = quo(s.fixed, s.net), quo(f.BlockCost, s.net)
	}
	s.unit = f.PerReplica.Denom()
	for _, r := range []*big.Rat{even, perStep, api.From, or(api.To, zero)} {
		s.unit = multiple(s.unit, r.Denom())
	}
	in := func(r *big.Rat) *big.Int { return parts(new(big.Int), r, s.unit) }
	if s.from = in(api.From); api.To != nil {
		s.to = in(api.To)
	}
	s.ends = line{in(spares), in(f.PerBlock)}
	s.ends.none.Neg(s.ends.none)
	s.evens = line{in(even), in(perStep)}
	return s
}

// favourable lists at most MaxIntervals bounded windows.
func (s *steps) favourable() (set []model.Interval, cut float64) {
	n, permanent := s.begin(), s.permanentStep()
	cut = math.Inf(1)
	switch s.margin.Sign() {
	case 1:
		// Without spares this is n1 = floor(F'/M) + 1 of the cost model, section 7.2.
		n = later(n, following(floor(quo(s.offset, s.margin))))
	case -1:
		// The balance worsens from step to step, so what the smallest fleet does not win on the API's fixed fee, none does.
		from, to, ok := s.bounds(n)
		if !ok {
			return nil, cut
		}
		set, n = append(set, s.window(from, to)), following(n)
		if last := s.lastFull(); last.Cmp(n) >= 0 {
			if from, to, ok := s.within(s.ends.at(&s.start, new(big.Int).Sub(n, unit)), s.ends.at(&s.end, last)); ok {
				set = join(set, s.window(from, to))
			}
			n = following(last)
		}
	}
	n = new(big.Int).Set(n) // which is counted up
	if permanent != nil {
		if left := new(big.Int).Sub(permanent, n); left.Sign() > 0 {
			set = slices.Grow(set, int(lower(left, big.NewInt(MaxIntervals)).Int64())+1)
		}
	}
	for ; permanent == nil || n.Cmp(permanent) < 0; n.Add(n, unit) {
		from, to, ok := s.bounds(n)
		if !ok {
			break
		}
		if len(set) == MaxIntervals {
			cut = float64(set[MaxIntervals-1].ToInclusive)
			break
		}
		set = join(set, s.window(from, to))
	}
	if permanent == nil {
		return set, cut
	}
	before := new(big.Int).Sub(permanent, unit)
	start := new(big.Int)
	if permanent.Cmp(s.first) > 0 {
		s.ends.at(start, before)
	}
	if !math.IsInf(cut, 1) && before.Cmp(s.first) >= 0 { // otherwise the window is in the set
		if from, _, ok := s.bounds(before); ok {
			start.Set(from)
		}
	}
	if from, to, ok := s.within(start, nil); ok {
		set = join(set, s.window(from, to))
	}
	return set, cut
}

func (s *steps) near(volume *big.Rat) (set []model.Interval) {
	n := s.stepOf(volume)
	for range 2 {
		if from, to, ok := s.bounds(n); ok {
			set = append(set, s.window(from, to))
		}
		n = following(n)
	}
	return set
}

// exactly looks at the steps about v.
func (s *steps) exactly(v float64) *big.Rat {
	matches := func(parts *big.Int) bool { return parts != nil && parts.Sign() >= 0 && s.float(parts, s.unit) == v }
	for _, end := range []*big.Int{s.from, s.to} {
		if matches(end) {
			return of(end, s.unit)
		}
	}
	const bits = 53
	fraction, exponent := math.Frexp(v)
	n := big.NewInt(int64(math.Ldexp(fraction, bits)))
	if n.Mul(n, s.unit); exponent > bits {
		n.Lsh(n, uint(exponent-bits))
	} else {
		n.Rsh(n, uint(bits-exponent))
	}
	n.Quo(n.Sub(n, s.ends.none), s.ends.each) // the last step that ends at v or before
	n.Sub(later(n, s.first), unit)
	for range 4 {
		for _, end := range []*big.Int{s.ends.at(&s.end, n), s.evens.at(&s.even, n)} {
			if matches(end) {
				return of(end, s.unit)
			}
		}
		n.Add(n, unit)
	}
	return nil
}

// begin returns the step of the volumes just above the start of the piece.
func (s *steps) begin() *big.Int {
	if s.from.Sign() == 0 {
		return s.first
	}
	n := s.stepOf(s.piece.From)
	if s.ends.at(&s.end, n).Cmp(s.from) <= 0 {
		n = following(n)
	}
	return n
}

// within returns the part of a range that lies in the piece, and false when none does. A nil to has no end.
func (s *steps) within(from, to *big.Int) (start, end *big.Int, some bool) {
	from = later(from, s.from)
	if to == nil || s.to != nil && s.to.Cmp(to) < 0 {
		to = s.to
	}
	return from, to, to == nil || from.Cmp(to) < 0
}

// permanentStep returns the first step after the smallest fleet's from which every volume is favourable, nil when there is
// none: x_n ≤ step start, which is n·M ≥ F' + (k + S)·K·net.
func (s *steps) permanentStep() *big.Int {
	need := add(s.offset, mul(s.f.PerBlock, s.net))
	next := following(s.first)
	switch {
	case s.margin.Sign() > 0:
		return later(next, ceil(quo(need, s.margin)))
	case s.margin.Sign() == 0 && (need.Sign() < 0 || need.Sign() == 0 && s.net.Sign() > 0):
		return next
	}
	return nil
}

// lastFull returns the last step, if it comes after the smallest fleet's, that is favourable from start to end when M < 0.
func (s *steps) lastFull() *big.Int {
	if s.net.Sign() > 0 { // x_n ≤ step start
		return floor(quo(add(s.offset, mul(s.f.PerBlock, s.net)), s.margin))
	}
	last := ceil(quo(s.offset, s.margin)) // a balance above zero
	return last.Sub(last, big.NewInt(1))
}

// stepOf returns the number of blocks that volume needs.
func (s *steps) stepOf(volume *big.Rat) *big.Int {
	replicas := add(quo(volume, s.f.PerReplica), integer(s.f.spareReplicas))
	return later(s.first, ceil(quo(new(big.Rat).SetInt(ceil(replicas)), integer(s.f.replicasPerBlock))))
}

// bounds returns the favourable part of step n within the piece: the volumes at which F' + n·c·H < net·V. They are valid until the next call.
func (s *steps) bounds(n *big.Int) (from, to *big.Int, some bool) {
	from, to = s.start.SetInt64(0), s.ends.at(&s.end, n)
	if n.Cmp(s.first) > 0 {
		from.Sub(to, s.ends.each)
	}
	switch s.net.Sign() {
	case 1:
		from = later(from, s.evens.at(&s.even, n))
	case 0:
		if paid := add(s.fixed, mul(new(big.Rat).SetInt(n), s.f.BlockCost)); paid.Sign() >= 0 {
			return nil, nil, false
		}
	default:
		to = lower(to, s.evens.at(&s.even, n))
	}
	if from.Cmp(to) >= 0 {
		return nil, nil, false
	}
	return s.within(from, to)
}

// window returns a range of parts in tokens.
func (s *steps) window(from, to *big.Int) model.Interval {
	end := math.Inf(1)
	if to != nil {
		end = s.float(to, s.unit)
	}
	return window(s.float(from, s.unit), end)
}

// join appends next, which begins at or after the end of the last window, and merges the two where they touch.
func join(set []model.Interval, next model.Interval) []model.Interval {
	if n := len(set); n > 0 && set[n-1].ToInclusive >= model.End(next.FromExclusive) {
		set[n-1].ToInclusive = max(set[n-1].ToInclusive, next.ToInclusive)
		return set
	}
	return append(set, next)
}

// union returns the volumes in a or in b, both of which may be written to.
func union(a, b []model.Interval) []model.Interval {
	if len(a) == 0 {
		return b
	}
	a = append(a, b...)
	slices.SortStableFunc(a, func(x, y model.Interval) int { return cmp.Compare(x.FromExclusive, y.FromExclusive) })
	set := a[:0]
	for _, next := range a {
		set = join(set, next)
	}
	return set
}

// clip returns the part of set that the quota allows.
func (x *Crossover) clip(set []model.Interval) []model.Interval {
	if x.most == nil {
		return set
	}
	most := Float(x.most)
	for i, w := range set {
		if float64(w.FromExclusive) >= most {
			return set[:i]
		}
		set[i].ToInclusive = min(w.ToInclusive, model.End(most))
	}
	return set
}

// unit is one step. It is never written to.
var unit = big.NewInt(1)

// following returns n + 1.
func following(n *big.Int) *big.Int { return new(big.Int).Add(n, unit) }

// later returns the greater of a and b.
func later(a, b *big.Int) *big.Int {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// lower returns the smaller of a and b.
func lower(a, b *big.Int) *big.Int {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}
