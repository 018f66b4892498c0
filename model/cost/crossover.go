package cost

import (
	"math/big"
	"sort"

	"tipline/model"
)

// MaxIntervals is how many favourable intervals a Crossover lists. A margin of a cent a block makes millions of windows;
// the first of them and the permanent one are what a reader needs.
const MaxIntervals = 1000

// Interval is a range of monthly volumes, open on the left and closed on the right; a nil To has no right end.
type Interval struct{ From, To *big.Rat }

// Crossover is where a fleet is cheaper than an API (cost model, section 7).
type Crossover struct {
	Reason    string     // one of the model.Crossover and model.Never reasons
	Intervals []Interval // the favourable set, ascending, at most MaxIntervals of it and the unbounded one
	Cut       bool       // intervals between the last bounded one listed and the unbounded one were left out
	First     *big.Rat   // left end of the first interval; nil when never
	Permanent *big.Rat   // left end of the unbounded interval; nil when there is none

	MarginPerBlock *big.Rat // M: USD per month that one full block saves
	Breakeven      *big.Rat // ρ: share of its capacity a block must carry to pay for itself; nil when the API is not above v
	UnitFloor      *big.Rat // USD per million tokens at a full block

	NoneAtOrBelow *big.Rat // smooth lower bound; nil unless F' ≥ 0 and M > 0
	AlwaysAbove   *big.Rat // smooth upper bound, past the minimum fleet; nil unless F' ≥ 0 and M > 0
}

// FindCrossover returns the volumes at which the fleet costs strictly less than the API. Where the fleet's variable cost
// exceeds the API's price the right end of an interval is the volume at which both cost the same.
func FindCrossover(api Linear, f *Fleet) Crossover {
	s := newSteps(api, f)
	x := Crossover{
		MarginPerBlock: s.margin,
		UnitFloor:      add(quo(mul(f.BlockCost, million), f.PerBlock), f.Variable),
	}
	if s.net.Sign() > 0 {
		x.Breakeven = quo(f.BlockCost, mul(f.PerBlock, s.net))
	}
	if s.fixed.Sign() >= 0 && s.margin.Sign() > 0 {
		x.NoneAtOrBelow = quo(mul(s.fixed, f.PerBlock), s.margin)
		spare := add(one, big.NewRat(f.spareReplicas, f.replicasPerBlock))
		x.AlwaysAbove = quo(mul(add(s.fixed, mul(f.BlockCost, spare)), f.PerBlock), s.margin)
	}
	unlimited, cut := s.favourable()
	if commit := or(api.MinimumCommit, zero); commit.Sign() > 0 {
		below := newSteps(Linear{PerMTok: zero, FixedMonthly: add(commit, or(api.FixedMonthly, zero))}, f)
		windows, more := below.favourable()
		unlimited, cut = union(unlimited, windows), cut || more
	}
	x.Cut = cut
	x.Intervals = clip(unlimited, f)
	switch {
	case len(x.Intervals) > 0:
		x.Reason = model.CrossoverFound
		x.First = x.Intervals[0].From
		if last := x.Intervals[len(x.Intervals)-1]; last.To == nil {
			x.Permanent = last.From
		}
	case len(unlimited) > 0:
		x.Reason = model.NeverCapacityLimit
	case s.net.Sign() <= 0:
		x.Reason = model.NeverVariableAboveAPI
	default:
		x.Reason = model.NeverUnitFloor
	}
	return x
}

// steps is the staircase of a fleet against a straight API price.
type steps struct {
	f      *Fleet
	net    *big.Rat // p − v, USD per token
	fixed  *big.Rat // F' = F less the API's fixed fee, USD per month
	margin *big.Rat // M = k·K·net − c·H, USD per month
}

func newSteps(api Linear, f *Fleet) steps {
	s := steps{f: f}
	s.net = quo(sub(api.PerMTok, f.Variable), million)
	s.fixed = sub(f.Fixed, or(api.FixedMonthly, zero))
	s.margin = sub(mul(f.PerBlock, s.net), f.BlockCost)
	return s
}

// favourable returns the favourable set without the quota, and whether windows were left out of it.
func (s steps) favourable() (set []Interval, cut bool) {
	n := s.firstStep()
	permanent := s.permanentStep() // nil: never for good
	for listed := 0; n != nil; n = new(big.Int).Add(n, big.NewInt(1)) {
		if permanent != nil && n.Cmp(permanent) >= 0 {
			break
		}
		window, ok := s.window(n)
		if !ok {
			if s.margin.Sign() <= 0 && listed > 0 || s.net.Sign() <= 0 {
				return set, false // with every further block the fleet only loses ground
			}
			if permanent == nil {
				return set, false
			}
			continue
		}
		if listed++; listed > MaxIntervals {
			cut = true
			break
		}
		set = join(set, window)
	}
	if permanent == nil {
		return set, cut
	}
	start := s.stepStart(permanent)
	if before := new(big.Int).Sub(permanent, big.NewInt(1)); before.Cmp(big.NewInt(s.f.minimum)) >= 0 {
		if window, ok := s.window(before); ok && window.To.Cmp(start) == 0 {
			start = window.From
		}
	}
	return join(set, Interval{From: start}), cut
}

// offset returns F' + S·K·net, the part of the balance of a step that does not depend on its number.
func (s steps) offset() *big.Rat {
	spare := mul(integer(s.f.spareReplicas), mul(s.f.PerReplica, s.net))
	return add(s.fixed, spare)
}

// firstStep returns the first step that may have a window, nil when none has.
func (s steps) firstStep() *big.Int {
	minimum := big.NewInt(s.f.minimum)
	if s.margin.Sign() <= 0 {
		// The balance only worsens from step to step, so the smallest fleet decides: it may win on the API's fixed fee.
		return minimum
	}
	// Without spares this is n1 = floor(F'/M) + 1 of the cost model, section 7.2.
	first := floor(quo(s.offset(), s.margin))
	first.Add(first, big.NewInt(1))
	if first.Cmp(minimum) < 0 {
		return minimum
	}
	return first
}

// permanentStep returns the first step from which every volume is favourable: x_n ≤ step start, which is
// n·M ≥ F' + (k + S)·K·net. It returns nil when there is none.
func (s steps) permanentStep() *big.Int {
	need := add(s.offset(), mul(s.f.PerBlock, s.net))
	next := big.NewInt(s.f.minimum + 1)
	var n *big.Int
	switch s.margin.Sign() {
	case 1:
		n = ceil(quo(need, s.margin))
		if n.Cmp(next) < 0 {
			n = next
		}
	case 0:
		if need.Sign() > 0 {
			return nil
		}
		n = next
	default:
		return nil
	}
	return n
}

// stepStart returns the volume above which n blocks are needed, 0 for the smallest fleet.
func (s steps) stepStart(n *big.Int) *big.Rat {
	if n.Cmp(big.NewInt(s.f.minimum)) <= 0 {
		return zero
	}
	return s.f.stepEnd(new(big.Int).Sub(n, big.NewInt(1)))
}

// window returns the favourable part of step n: the volumes at which F' + n·c·H < net·V.
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
	return Interval{From: from, To: to}, from.Cmp(to) < 0
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

// clip returns the part of set that the quota of f allows.
func clip(set []Interval, f *Fleet) []Interval {
	if !f.feasible {
		return nil
	}
	if f.maxVolume == nil {
		return set
	}
	var allowed []Interval
	for _, i := range set {
		if i.From.Cmp(f.maxVolume) >= 0 {
			break
		}
		if i.To == nil || i.To.Cmp(f.maxVolume) > 0 {
			i.To = f.maxVolume
		}
		allowed = append(allowed, i)
	}
	return allowed
}
