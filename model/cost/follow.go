package cost

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

// maxSteps is how many steps of a fleet that follows its load are looked at for each piece of an API's bill. Every hour of the load has steps of
// its own, so that a margin of a cent would make millions.
const maxSteps = 20_000

// follower is an autoscaled fleet under a load of one shape, whatever its volume. The hours of a month are in the order of their load.
//
// The cost is that of the smooth fleet, which is bought by the token and the hour, and less than one replica and its spares and the
// smallest fleet on top (cost model, section 7.2). That tells where it must be looked at step by step. It is so in floating point: a
// boundary is a number of tokens, of which a millionth of a thousandth does not matter.
type follower struct {
	rates, hours []float64 // tokens an hour of a token of the month, highest first, and hours of the month
	perReplica   float64   // κ
	onDemand     float64   // USD per replica-hour
	reserved     float64   // USD a month of a replica that is paid for in all hours; infinite when none can be reserved
	least, spare int
	toZero       bool

	fixed   float64 // USD a month that no volume changes: operations, cold starts and idle timeouts
	perUnit float64 // w: USD that a token costs where the smooth fleet is large, variable cost left out
	slack   float64 // USD a month that the cost is above the smooth one at most
}

// follow prepares a under the shape of l, in months of its length.
func (a Autoscaled) follow(l *Load) *follower {
	f := &follower{
		perReplica: Float(a.PerReplica), onDemand: Float(a.ReplicaCost), reserved: math.Inf(1),
		least: int(a.MinReplicas), spare: int(a.SpareReplicas), toZero: a.ScaleToZero,
	}
	month, total := Float(mul(l.all, l.month)), Float(mul(l.total, l.month))
	if a.ReservedCost != nil {
		f.reserved = Float(a.ReservedCost) * month
	}
	starting := Float(or(a.ColdStarts, zero))*Float(or(a.ColdStartHours, zero)) + Float(or(a.IdleTimeouts, zero))*Float(or(a.IdleTimeoutHours, zero))
	f.fixed = Float(or(a.FixedMonthly, zero)) + starting*f.onDemand
	before := 0.0
	for i, rate := range l.near {
		all := Float(l.until(i)) * Float(l.month)
		if n := len(f.rates); n > 0 && f.rates[n-1] == rate/total {
			f.hours[n-1] += all - before
		} else {
			f.rates, f.hours = append(f.rates, rate/total), append(f.hours, all-before)
		}
		before = all
	}
	used, below := 0.0, 0.0 // the load up to which replicas are used for longer than reserving takes
	for i, rate := range f.rates {
		if used += f.hours[i]; used*f.onDemand > f.reserved {
			below = rate
			f.perUnit = f.reserved * below / f.perReplica
			break
		}
	}
	for i, rate := range f.rates {
		f.perUnit += f.hours[i] * max(0, rate-below) * f.onDemand / f.perReplica
	}
	f.slack = float64(1+f.least+f.spare) * min(month*f.onDemand, f.reserved)
	return f
}

// most returns the volume up to which a quota of replicas carries the hour of the highest load.
func (f *follower) most(quota int64) float64 {
	if quota < int64(f.least+f.spare) {
		return 0
	}
	return float64(quota-int64(f.spare)) * f.perReplica / f.rates[0]
}

// unitCost returns what used hours of a replica cost: by the hour, or reserved.
func (f *follower) unitCost(used float64) float64 { return min(used*f.onDemand, f.reserved) }

// steps calls step for every range of volumes (from, to] in (lo, hi] in which the same replicas run, with what they cost a month.
func (f *follower) steps(lo, hi float64, step func(from, to, capacity float64)) {
	type change struct {
		volume float64
		hour   int
	}
	units := make([]int, len(f.rates)) // that the load of an hour takes just above lo
	var changes []change
	highest := 0
	for i, rate := range f.rates {
		if rate == 0 {
			continue
		}
		units[i] = int(math.Floor(lo*rate/f.perReplica*(1+near))) + 1
		n := units[i]
		for ; ; n++ {
			volume := float64(n) * f.perReplica / rate
			if volume >= hi {
				break
			}
			changes = append(changes, change{volume, i})
		}
		highest = max(highest, n)
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.volume, b.volume) })
	used := make([]float64, max(highest, f.least)+f.spare+2) // hours of the month in which a replica runs
	for i := range f.rates {
		running := max(units[i], f.least) + f.spare
		if units[i] == 0 && f.toZero {
			running = 0
		}
		used[running] += f.hours[i]
	}
	capacity := 0.0
	for n := len(used) - 2; n > 0; n-- {
		used[n] += used[n+1]
		capacity += f.unitCost(used[n])
	}
	from := lo
	for _, c := range changes {
		if c.volume > from*(1+near) {
			step(from, c.volume, capacity)
			from = c.volume
		}
		if units[c.hour]++; units[c.hour] > f.least {
			n := units[c.hour] + f.spare
			capacity -= f.unitCost(used[n])
			used[n] += f.hours[c.hour]
			capacity += f.unitCost(used[n])
		}
	}
	step(from, hi, capacity)
}

// far returns the volume beyond which steps are not told apart: no fleet has as many replicas.
func (f *follower) far() float64 { return mostReplicas * f.perReplica / f.rates[0] }

// perToken returns how many steps there are on average in a token of volume.
func (f *follower) perToken() (density float64) {
	for _, rate := range f.rates {
		density += rate / f.perReplica
	}
	return density
}

// followed is an autoscaled fleet against a straight piece of an API's bill.
type followed struct {
	f        *follower
	from, to float64 // the volumes of the piece
	net      float64 // p − v, USD per token
	fixed    float64 // USD a month that the fleet costs beyond the API, at no volume and without replicas
}

// between returns the favourable set within (lo, hi], looked at step by step.
func (s followed) between(lo, hi float64) (set []Interval) {
	if hi = min(hi, s.f.far()); !(lo < hi) {
		return nil
	}
	s.f.steps(lo, hi, func(from, to, capacity float64) {
		paid := s.fixed + capacity
		switch {
		case s.net > 0:
			from = max(from, paid/s.net)
		case s.net < 0:
			to = min(to, paid/s.net)
		case paid >= 0:
			return
		}
		if from < to*(1-near) {
			set = join(set, Interval{From: fromFloat(from), To: fromFloat(to)})
		}
	})
	return set
}

func (s followed) favourable() (set []Interval, cut *big.Rat) {
	margin := s.net - s.f.perUnit // that a token saves where the fleet is large
	if math.Abs(margin) <= near*math.Abs(s.net) {
		margin = 0
	}
	lo, hi, after := s.from, s.to, math.Inf(1)
	switch {
	case s.fixed < 0 && margin >= 0:
		after = (s.fixed + s.f.slack) / margin
	case margin > 0:
		lo, after = max(lo, s.fixed/margin*(1-near)), (s.fixed+s.f.slack)/margin
	case s.fixed >= 0:
		return nil, nil
	default:
		hi = min(hi, s.fixed/margin*(1+near))
	}
	if !(after > lo) { // NaN where neither the margin nor the rest is anything
		after = lo
	}
	if hi = min(hi, after); hi > lo {
		if most := min(lo+maxSteps/s.f.perToken(), s.f.far()); hi > most {
			hi, cut = most, fromFloat(most)
		}
		if set = s.between(lo, hi); len(set) > MaxIntervals {
			set = set[:MaxIntervals]
			cut = set[MaxIntervals-1].To
		}
	}
	if after < s.to {
		open := Interval{From: fromFloat(after)}
		if !math.IsInf(s.to, 1) {
			open.To = fromFloat(s.to)
		}
		set = join(set, open)
	}
	return set, cut
}

func (s followed) near(volume *big.Rat) []Interval {
	v, span := Float(volume), maxSteps/20/s.f.perToken()
	return s.between(max(s.from, v-span), min(s.to, v+span))
}

func fromFloat(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }

// FindFollowing returns the volumes at which the fleet costs strictly less than the API, when its load keeps the shape of l, and with it the
// hours of its month; variable is USD per million tokens that really vary with volume. Boundaries are right to a billionth of themselves.
func (a Autoscaled) FindFollowing(api Rate, l *Load, variable *big.Rat) Crossover {
	f, fee, v := a.follow(l), or(api.FixedMonthly, zero), Float(variable)/1e6
	x := Crossover{UnitFloor: add(fromFloat(f.perUnit*1e6), variable), variable: variable}
	if a.MaxReplicas > 0 {
		x.most = fromFloat(f.most(a.MaxReplicas))
	}
	x.Breakeven = x.BreakevenAt(api.Dearest())
	charge := func(s Segment) {
		piece := followed{f: f, from: Float(s.From), to: math.Inf(1), net: Float(s.Beta) - v, fixed: f.fixed - Float(s.Alpha)}
		if s.To != nil {
			piece.to = Float(s.To)
		}
		x.parts = append(x.parts, piece)
	}
	for _, s := range api.Segments() {
		s.Alpha = add(s.Alpha, fee)
		charge(s)
	}
	if commit := or(api.MinimumCommit, zero); commit.Sign() > 0 {
		charge(Segment{From: zero, Alpha: add(commit, fee), Beta: zero})
	}
	x.find(api.Dearest().Cmp(variable) > 0)
	return x
}
