package cost

import (
	"math/big"
	"sort"

	"tipline/model"
)

// MaxIntervals is how many favourable intervals a Crossover lists for each price of an API. A margin of a cent a block makes millions of windows;
// the first of them and the permanent one are what a reader needs.
const MaxIntervals = 1000

// Interval is a range of monthly volumes, open on the left and closed on the right; a nil To has no right end.
type Interval struct{ From, To *big.Rat }

// Crossover is where a fleet is cheaper than an API (cost model, section 7).
type Crossover struct {
	Reason    string     // one of the model.Crossover and model.Never reasons
	Intervals []Interval // the favourable set, ascending, at most MaxIntervals of it for each price and the unbounded one
	Searched  *big.Rat   // the volume beyond which some were left out, after MaxIntervals bounded ones, see Near; nil when all are there
	First     *big.Rat   // left end of the first interval; nil when never
	Permanent *big.Rat   // left end of the unbounded interval; nil when there is none
	Unlimited *big.Rat   // what First would be without a quota; nil when never

	MarginPerBlock *big.Rat // M: USD per month that one full block saves, at the dearest tier of the API; nil when the fleet follows its load
	Breakeven      *big.Rat // ρ: share of its capacity a block must carry to pay for itself, at that tier; nil when it is not above v
	UnitFloor      *big.Rat // USD per million tokens at a full block, or where a fleet that follows its load is large

	NoneAtOrBelow *big.Rat // smooth lower bound; nil unless the fleet runs all month, F' ≥ 0, M > 0 and the API has no commitment
	AlwaysAbove   *big.Rat // smooth upper bound, past the minimum fleet; nil unless the fleet runs all month, F' ≥ 0 and M > 0

	variable *big.Rat    // USD per million tokens
	most     *big.Rat    // volume that the quota allows; nil without a quota, 0 when it allows none
	parts    []staircase // the favourable set is the union of theirs
}

// A staircase is the cost of a fleet against a straight piece of an API's bill.
type staircase interface {
	// favourable returns the favourable set within the piece without the quota, and the volume after which windows may have been left out of
	// it; nil when none were.
	favourable() (set []Interval, cut *big.Rat)
	// near returns that set at volume and just above it.
	near(volume *big.Rat) []Interval
}

// FindCrossover returns the volumes at which the fleet costs strictly less than the API. Where the fleet's variable cost
// exceeds the API's price the right end of an interval is the volume at which both cost the same. Between two tiers the API's
// bill is straight: the favourable set is that of every tier, within its volumes.
func FindCrossover(api Rate, f *Fleet) Crossover {
	floor, fee := api.Floor(), api.Fee()
	var straight []steps // the same, for every piece of the API's bill
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
		variable:       f.Variable,
		most:           f.Shape().MaxVolume,
	}
	x.Breakeven = x.BreakevenAt(api.Dearest())
	repriced := api.Others != nil && api.AllUnits && len(straight) > 1 // a volume may cost more or less on average than any of its tokens
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
	x.find(s.net.Sign() > 0)
	return x
}

// find fills in the favourable set of the parts of x; dearer says whether a token of the API costs more than what varies with volume.
func (x *Crossover) find(dearer bool) {
	var unlimited []Interval
	for _, part := range x.parts {
		windows, cut := part.favourable()
		unlimited = union(unlimited, windows)
		if cut != nil && (x.most == nil || x.most.Cmp(cut) > 0) && (x.Searched == nil || cut.Cmp(x.Searched) < 0) {
			x.Searched = cut
		}
	}
	x.Intervals = x.clip(unlimited)
	if len(unlimited) > 0 {
		x.Unlimited = unlimited[0].From
	}
	switch {
	case len(x.Intervals) > 0:
		x.Reason = model.CrossoverFound
		x.First = x.Intervals[0].From
		if last := x.Intervals[len(x.Intervals)-1]; last.To == nil {
			x.Permanent = last.From
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

// Near returns Intervals, and where that list was cut also those at volume and just above it.
func (x Crossover) Near(volume *big.Rat) []Interval {
	if x.Searched == nil {
		return x.Intervals
	}
	all := x.Intervals
	for _, s := range x.parts {
		all = union(all, x.clip(s.near(volume)))
	}
	return all
}

// steps is the staircase of a fleet against a straight piece of an API's bill. The balance of step n is what the fleet saves at the
// end of the step: n·M − (F' + S·K·net).
type steps struct {
	f      *Fleet
	piece  Interval // the volumes that count
	first  *big.Int // the smallest fleet that serves any volume
	net    *big.Rat // p − v, USD per token
	fixed  *big.Rat // F' = F less what the API charges at no volume, USD per month
	margin *big.Rat // M = k·K·net − c·H, USD per month
	offset *big.Rat // F' + S·K·net, USD per month
}

func newSteps(api Segment, f *Fleet) steps {
	s := steps{f: f, piece: Interval{From: api.From, To: api.To}, first: big.NewInt(f.minimum)}
	if f.stepEnd(s.first).Sign() <= 0 { // spares alone serve nothing
		s.first = following(s.first)
	}
	s.net = sub(api.Beta, quo(f.Variable, million))
	s.fixed = sub(f.Fixed, api.Alpha)
	s.margin = sub(mul(f.PerBlock, s.net), f.BlockCost)
	s.offset = add(s.fixed, mul(integer(f.spareReplicas), mul(f.PerReplica, s.net)))
	return s
}

// favourable lists at most MaxIntervals bounded windows.
func (s steps) favourable() (set []Interval, cut *big.Rat) {
	n, permanent := s.begin(), s.permanentStep()
	switch s.margin.Sign() {
	case 1:
		// Without spares this is n1 = floor(F'/M) + 1 of the cost model, section 7.2.
		n = later(n, following(floor(quo(s.offset, s.margin))))
	case -1:
		// The balance worsens from step to step, so what the smallest fleet does not win on the API's fixed fee, none does.
		window, ok := s.window(n)
		if !ok {
			return nil, nil
		}
		set, n = append(set, window), following(n)
		if last := s.lastFull(); last.Cmp(n) >= 0 {
			if full, ok := s.within(Interval{From: s.stepStart(n), To: s.f.stepEnd(last)}); ok {
				set = join(set, full)
			}
			n = following(last)
		}
	}
	for ; permanent == nil || n.Cmp(permanent) < 0; n = following(n) {
		window, ok := s.window(n)
		if !ok {
			break
		}
		if len(set) == MaxIntervals {
			cut = set[MaxIntervals-1].To
			break
		}
		set = join(set, window)
	}
	if permanent == nil {
		return set, cut
	}
	start := s.stepStart(permanent)
	if before := new(big.Int).Sub(permanent, big.NewInt(1)); cut != nil && before.Cmp(s.first) >= 0 { // otherwise the window is in the set
		if window, ok := s.window(before); ok {
			start = window.From
		}
	}
	if open, ok := s.within(Interval{From: start}); ok {
		set = join(set, open)
	}
	return set, cut
}

func (s steps) near(volume *big.Rat) (set []Interval) {
	n := s.stepOf(volume)
	for range 2 {
		if window, ok := s.window(n); ok {
			set = append(set, window)
		}
		n = following(n)
	}
	return set
}

// begin returns the step of the volumes just above the start of the piece.
func (s steps) begin() *big.Int {
	if s.piece.From.Sign() == 0 {
		return s.first
	}
	n := s.stepOf(s.piece.From)
	if s.f.stepEnd(n).Cmp(s.piece.From) <= 0 {
		n = following(n)
	}
	return n
}

// within returns the part of i that lies in the piece, and false when none does.
func (s steps) within(i Interval) (Interval, bool) {
	i.From = greater(i.From, s.piece.From)
	if i.To == nil || s.piece.To != nil && s.piece.To.Cmp(i.To) < 0 {
		i.To = s.piece.To
	}
	return i, i.To == nil || i.From.Cmp(i.To) < 0
}

// permanentStep returns the first step after the smallest fleet's from which every volume is favourable, nil when there is
// none: x_n ≤ step start, which is n·M ≥ F' + (k + S)·K·net.
func (s steps) permanentStep() *big.Int {
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
func (s steps) lastFull() *big.Int {
	if s.net.Sign() > 0 { // x_n ≤ step start
		return floor(quo(add(s.offset, mul(s.f.PerBlock, s.net)), s.margin))
	}
	last := ceil(quo(s.offset, s.margin)) // a balance above zero
	return last.Sub(last, big.NewInt(1))
}

// stepOf returns the number of blocks that volume needs.
func (s steps) stepOf(volume *big.Rat) *big.Int {
	replicas := add(quo(volume, s.f.PerReplica), integer(s.f.spareReplicas))
	return later(s.first, ceil(quo(new(big.Rat).SetInt(ceil(replicas)), integer(s.f.replicasPerBlock))))
}

// stepStart returns the volume above which n blocks are needed, 0 for the smallest fleet.
func (s steps) stepStart(n *big.Int) *big.Rat {
	if n.Cmp(s.first) <= 0 {
		return zero
	}
	return s.f.stepEnd(new(big.Int).Sub(n, big.NewInt(1)))
}

// window returns the favourable part of step n within the piece: the volumes at which F' + n·c·H < net·V.
func (s steps) window(n *big.Int) (Interval, bool) {
	from, to := s.stepStart(n), s.f.stepEnd(n)
	paid := add(s.fixed, mul(new(big.Rat).SetInt(n), s.f.BlockCost))
	switch s.net.Sign() {
	case 1:
		from = greater(from, quo(paid, s.net))
	case 0:
		if paid.Sign() >= 0 {
			return Interval{}, false
		}
	default:
		if even := quo(paid, s.net); even.Cmp(to) < 0 {
			to = even
		}
	}
	if from.Cmp(to) >= 0 {
		return Interval{}, false
	}
	return s.within(Interval{From: from, To: to})
}

// join appends next, which begins at or after the end of the last interval, and merges the two where they touch.
func join(set []Interval, next Interval) []Interval {
	if n := len(set); n > 0 && (set[n-1].To == nil || set[n-1].To.Cmp(next.From) >= 0) {
		if set[n-1].To != nil && (next.To == nil || next.To.Cmp(set[n-1].To) > 0) {
			set[n-1].To = next.To
		}
		return set
	}
	return append(set, next)
}

// union returns the volumes in a or in b.
func union(a, b []Interval) []Interval {
	all := append(append([]Interval{}, a...), b...)
	sort.SliceStable(all, func(i, j int) bool { return all[i].From.Cmp(all[j].From) < 0 })
	var set []Interval
	for _, next := range all {
		set = join(set, next)
	}
	return set
}

// clip returns the part of set that the quota allows.
func (x *Crossover) clip(set []Interval) []Interval {
	if x.most == nil {
		return set
	}
	var allowed []Interval
	for _, i := range set {
		if i.From.Cmp(x.most) >= 0 {
			break
		}
		if i.To == nil || i.To.Cmp(x.most) > 0 {
			i.To = x.most
		}
		allowed = append(allowed, i)
	}
	return allowed
}

// following returns n + 1.
func following(n *big.Int) *big.Int { return new(big.Int).Add(n, big.NewInt(1)) }

// later returns the greater of a and b.
func later(a, b *big.Int) *big.Int {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}
