package cost

import (
	"math"
	"math/big"
	"slices"
)

// Segment is a part of a total cost: Alpha + Beta·V dollars a month for V in (From, To].
type Segment struct {
	From, To    *big.Rat
	Alpha, Beta *big.Rat
}

// Curve is a total cost as ascending segments; a volume between two of them cannot be served.
type Curve []Segment

// at returns the segment that holds the volumes just below and at to, and false when there is none.
func (c Curve) at(to *big.Rat) (Segment, bool) {
	i, _ := slices.BinarySearchFunc(c, to, func(s Segment, v *big.Rat) int { return s.To.Cmp(v) })
	if i < len(c) && c[i].From.Cmp(to) < 0 {
		return c[i], true
	}
	return Segment{}, false
}

// Curve returns the cost of the fleet on (0, limit], one segment a step: limit over PerBlock bounds the work.
func (f *Fleet) Curve(limit *big.Rat) Curve {
	var curve Curve
	if !f.feasible {
		return nil
	}
	if f.maxVolume != nil && f.maxVolume.Cmp(limit) < 0 {
		limit = f.maxVolume
	}
	beta := quo(f.Variable, million)
	from := zero
	for n := big.NewInt(f.minimum); from.Cmp(limit) < 0; n = new(big.Int).Add(n, big.NewInt(1)) {
		to := f.stepEnd(n)
		if to.Cmp(limit) > 0 {
			to = limit
		}
		if to.Cmp(from) > 0 {
			alpha := add(f.Fixed, mul(new(big.Rat).SetInt(n), f.BlockCost))
			curve = append(curve, Segment{From: from, To: to, Alpha: alpha, Beta: beta})
			from = to
		}
	}
	return curve
}

// committed cuts s where its cost passes the commitment, below which the commitment is due.
func committed(s Segment, commit, fixed *big.Rat) Curve {
	usage := Segment{From: s.From, To: s.To, Alpha: add(s.Alpha, fixed), Beta: s.Beta}
	floor := Segment{From: s.From, To: s.To, Alpha: add(commit, fixed), Beta: zero}
	startsBelow := add(s.Alpha, mul(s.Beta, s.From)).Cmp(commit) < 0
	endsBelow := add(s.Alpha, mul(s.Beta, s.To)).Cmp(commit) <= 0
	switch {
	case !startsBelow:
		return Curve{usage}
	case endsBelow:
		return Curve{floor}
	}
	cut := quo(sub(commit, s.Alpha), s.Beta)
	floor.To, usage.From = cut, cut
	return Curve{floor, usage}
}

// Winner is the place in the order of preference of the cheapest curve on (From, To], -1 where no option can serve.
type Winner struct {
	From, To *big.Rat
	Index    int
}

// Envelope returns which of the curves is cheapest at every volume in (0, limit] (cost model, section 7.4). On equal cost
// the earlier curve wins.
//
// Arithmetic is exact wherever two curves are near each other. Elsewhere floating point tells them apart, which is what makes a
// hundred thousand steps a matter of a second.
func Envelope(curves []Curve, limit *big.Rat) []Winner {
	sweeps := make([]sweep, len(curves))
	end := newCut(limit)
	cuts := []cut{end}
	for i, c := range curves {
		sweeps[i].curve = make([]rough, len(c))
		for j, s := range c {
			r := rough{from: newCut(s.From), to: newCut(s.To), alpha: Float(s.Alpha), beta: Float(s.Beta)}
			sweeps[i].curve[j] = r
			cuts = append(cuts, r.from, r.to)
		}
	}
	cuts = slices.DeleteFunc(cuts, func(c cut) bool { return c.exact.Sign() <= 0 || c.compare(end) > 0 })
	slices.SortFunc(cuts, cut.compare)
	cuts = slices.CompactFunc(cuts, func(a, b cut) bool { return a.compare(b) == 0 })
	var winners []Winner
	from := cut{exact: zero}
	for _, to := range cuts {
		for i := range sweeps {
			sweeps[i].advance(to)
		}
		if index, told := clearWinner(sweeps, from, to); told {
			winners = extend(winners, Winner{From: from.exact, To: to.exact, Index: index})
			from = to
			continue
		}
		start := from.exact
		for _, piece := range ascending(append(crossings(curves, start, to.exact), to.exact), to.exact) {
			winners = extend(winners, Winner{From: start, To: piece, Index: cheapest(curves, start, piece)})
			start = piece
		}
		from = to
	}
	return winners
}

// near is the relative distance within which two floats do not tell two exact numbers apart. It is far above the error of the
// few operations that they come from.
const near = 1e-9

// A cut is a volume at which a curve may bend.
type cut struct {
	exact *big.Rat
	rough float64
}

func newCut(v *big.Rat) cut { return cut{exact: v, rough: Float(v)} }

func (c cut) compare(other cut) int {
	if difference := c.rough - other.rough; math.Abs(difference) > near*(math.Abs(c.rough)+math.Abs(other.rough)) {
		if difference < 0 {
			return -1
		}
		return 1
	}
	if c.exact == other.exact {
		return 0
	}
	return c.exact.Cmp(other.exact)
}

// rough is a Segment in floating point.
type rough struct {
	from, to    cut
	alpha, beta float64
}

// A sweep goes through a curve from left to right.
type sweep struct {
	curve []rough
	next  int // the first segment that ends at the volume reached or later
}

func (s *sweep) advance(to cut) {
	for s.next < len(s.curve) && s.curve[s.next].to.compare(to) < 0 {
		s.next++
	}
}

// segment returns the segment that holds the volumes just below to, and false when there is none.
func (s *sweep) segment(to cut) (rough, bool) {
	if s.next == len(s.curve) || s.curve[s.next].from.compare(to) >= 0 {
		return rough{}, false
	}
	return s.curve[s.next], true
}

// clearWinner returns the curve that is below every other one in all of (from, to], where each of them is straight or absent: -1 when
// all are absent. It is false when two of them are too near at an end to tell.
func clearWinner(sweeps []sweep, from, to cut) (index int, told bool) {
	index = -1
	var left, right, size float64 // of index: its cost at from and to, and what that is added up from
	for i := range sweeps {
		s, ok := sweeps[i].segment(to)
		if !ok {
			continue
		}
		l, r := s.alpha+s.beta*from.rough, s.alpha+s.beta*to.rough
		own := math.Abs(s.alpha) + math.Abs(s.beta)*to.rough
		margin := near * (own + size)
		switch {
		case index < 0, l < left-margin && r < right-margin:
			index, left, right, size = i, l, r, own
		case l > left+margin && r > right+margin:
		default:
			return 0, false
		}
	}
	return index, true
}

// ascending returns the positive values up to limit, sorted, each once.
func ascending(values []*big.Rat, limit *big.Rat) []*big.Rat {
	values = slices.DeleteFunc(values, func(v *big.Rat) bool { return v.Sign() <= 0 || v.Cmp(limit) > 0 })
	slices.SortFunc(values, (*big.Rat).Cmp)
	return slices.CompactFunc(values, func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })
}

// crossings returns the volumes inside (from, to) at which two curves cost the same; every curve is straight there.
func crossings(curves []Curve, from, to *big.Rat) []*big.Rat {
	var cuts []*big.Rat
	for i := range curves {
		a, ok := curves[i].at(to)
		if !ok {
			continue
		}
		for _, other := range curves[i+1:] {
			b, ok := other.at(to)
			if !ok || a.Beta.Cmp(b.Beta) == 0 {
				continue
			}
			v := quo(sub(b.Alpha, a.Alpha), sub(a.Beta, b.Beta))
			if v.Cmp(from) > 0 && v.Cmp(to) < 0 {
				cuts = append(cuts, v)
			}
		}
	}
	return cuts
}

// cheapest returns the curve that is cheapest in the middle of (from, to].
func cheapest(curves []Curve, from, to *big.Rat) int {
	middle := quo(add(from, to), integer(2))
	winner := -1
	var least *big.Rat
	for i, c := range curves {
		s, ok := c.at(to)
		if !ok {
			continue
		}
		if total := add(s.Alpha, mul(s.Beta, middle)); winner < 0 || total.Cmp(least) < 0 {
			winner, least = i, total
		}
	}
	return winner
}

func extend(winners []Winner, next Winner) []Winner {
	if n := len(winners); n > 0 && winners[n-1].Index == next.Index {
		winners[n-1].To = next.To
		return winners
	}
	return append(winners, next)
}
