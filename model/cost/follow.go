package cost

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"sort"

	"tipline/model"
)

// maxRanges is how many ranges of volume of a fleet that follows its load are looked at for each piece of an API's bill, and fewSteps how many
// steps of the fleet a range has that is looked at step by step. Every hour of the load has steps of its own, so that a margin of a cent makes
// millions: most of them lie in ranges that are favourable from end to end, or nowhere.
const (
	maxRanges = 50_000
	fewSteps  = 64
)

// A Follower is an autoscaled fleet under a load of one shape, whatever its volume, in floating point: Autoscaled.At is the same for one
// volume, exactly. The hours of a month are in the order of their load.
//
// The cost is that of the smooth fleet, which is bought by the token and the hour, and less than one replica and its spares and the
// smallest fleet on top (cost model, section 7.2). That tells where it must be looked at step by step. It is so in floating point: a
// boundary is a number of tokens, of which a millionth of a thousandth does not matter.
//
// It is not for use by several goroutines at once.
type Follower struct {
	rates, hours, until []float64 // tokens an hour of a token of the month, highest first; hours of the month with it, and with it or more

	perReplica   float64 // κ
	onDemand     float64 // USD per replica-hour
	reserved     float64 // USD a month of a replica that is paid for in all hours; infinite when none can be reserved
	least, spare int
	toZero       bool
	quota        int64 // replicas; 0 means none

	fixed    float64 // USD a month of operations
	starting float64 // USD a month of cold starts and idle timeouts
	perUnit  float64 // w: USD that a token costs where the smooth fleet is large, variable cost left out
	slack    float64 // USD a month that the cost is above the smooth one at most

	scratch *scratch // shared by all under the same load
}

// scratch is the room that walking through the steps of a fleet takes.
type scratch struct {
	changes []change
	units   []int
	used    []float64
	pieces  []piece
}

// A change is a volume above which an hour of the load takes one replica more.
type change struct {
	volume float64
	hour   int
}

// A piece is a range of volumes, and whether it is favourable.
type piece struct {
	from, to float64
	wins     bool
}

// Follow prepares a under the shape of l, in months of its length.
func (a Autoscaled) Follow(l *Load) *Follower {
	rates, hours := slices.Clone(l.near), make([]float64, len(l.near))
	month, before := Float(l.month), 0.0
	var r rounding
	for i := range rates {
		all := r.float(l.hours.at(i), l.perHour) * month
		hours[i], before = all-before, all
	}
	return a.FollowHours(rates, hours)
}

// FollowHours is Follow under loads in tokens per hour, highest first, and the hours of the month with each. Both belong to the fleet from then
// on.
func (a Autoscaled) FollowHours(loads, hours []float64) *Follower {
	total := 0.0
	for i, load := range loads {
		total += load * hours[i]
	}
	f := &Follower{rates: loads[:0], hours: hours[:0], until: make([]float64, 0, len(loads)), scratch: &scratch{}}
	all := 0.0
	for i, load := range loads {
		here := hours[i]
		all += here
		if n := len(f.rates); n > 0 && f.rates[n-1] == load/total {
			f.hours[n-1], f.until[n-1] = f.hours[n-1]+here, all
			continue
		}
		f.rates, f.hours, f.until = append(f.rates, load/total), append(f.hours, here), append(f.until, all)
	}
	return f.Instead(a)
}

// Instead returns a under the load of f.
func (f *Follower) Instead(a Autoscaled) *Follower {
	f = &Follower{
		rates: f.rates, hours: f.hours, until: f.until, scratch: f.scratch,
		perReplica: Float(a.PerReplica), onDemand: Float(a.ReplicaCost), reserved: math.Inf(1),
		least: int(a.MinReplicas), spare: int(a.SpareReplicas), toZero: a.ScaleToZero, quota: a.MaxReplicas,
		fixed: Float(or(a.FixedMonthly, zero)), starting: Float(a.Starting()) * Float(a.ReplicaCost),
	}
	month := 0.0
	if n := len(f.until); n > 0 {
		month = f.until[n-1]
	}
	if a.ReservedCost != nil {
		f.reserved = Float(a.ReservedCost) * month
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

// most returns the volume up to which the quota of replicas carries the hour of the highest load.
func (f *Follower) most() float64 {
	if f.quota < int64(f.least+f.spare) {
		return 0
	}
	return float64(f.quota-int64(f.spare)) * f.perReplica / f.rates[0]
}

// unitCost returns what used hours of a replica cost: by the hour, or reserved.
func (f *Follower) unitCost(used float64) float64 { return min(used*f.onDemand, f.reserved) }

// steps calls step for every range of volumes (from, to] in (lo, hi] in which the same replicas run, with what they cost a month.
func (f *Follower) steps(lo, hi float64, step func(from, to, capacity float64)) {
	units := room(f.scratch.units, len(f.rates)) // that the load of an hour takes just above lo
	changes := f.scratch.changes[:0]
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
	used := room(f.scratch.used, max(highest, f.least)+f.spare+2) // hours of the month in which a replica runs
	f.scratch.units, f.scratch.changes, f.scratch.used = units, changes, used
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

// room returns n zeros, in the memory of old where that is enough.
func room[T int | float64](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n, 2*n)
	}
	old = old[:n]
	clear(old)
	return old
}

// capacity returns what the replicas cost a month that run just above volume.
func (f *Follower) capacity(volume float64) (usd float64) {
	used, running := 0.0, 0 // hours of the month in which as many replicas run or more
	for i := 0; i < len(f.rates); {
		n := f.running(volume, f.rates[i])
		usd += float64(running-n) * f.unitCost(used)
		next := i + 1
		if next < len(f.rates) && f.running(volume, f.rates[next]) == n { // otherwise, with many replicas, most hours have numbers of their own
			next += sort.Search(len(f.rates)-next, func(j int) bool { return f.running(volume, f.rates[next+j]) < n })
		}
		used, running, i = f.until[next-1], n, next
	}
	return usd + float64(running)*f.unitCost(used)
}

// Capacity returns what the replicas, their cold starts and idle timeouts cost in USD a month of volume tokens; NaN when the quota does not
// allow them.
func (f *Follower) Capacity(volume float64) float64 {
	if f.quota > 0 && int64(f.Most(volume)) > f.quota {
		return math.NaN()
	}
	if volume <= 0 { // no hour has a load
		replicas := f.least + f.spare
		if f.toZero {
			replicas = 0
		}
		return f.starting + float64(replicas)*f.unitCost(f.until[len(f.until)-1])
	}
	return f.starting + f.capacity(volume*(1-near))
}

// Most returns how many replicas the hour of the highest load of a month of volume tokens takes.
func (f *Follower) Most(volume float64) int {
	if volume <= 0 {
		return f.running(0, 0)
	}
	return f.running(volume*(1-near), f.rates[0])
}

// running returns how many replicas run just above volume in the hours of rate.
func (f *Follower) running(volume, rate float64) int {
	if rate == 0 {
		if f.toZero {
			return 0
		}
		return f.least + f.spare
	}
	return max(int(volume*rate/f.perReplica)+1, f.least) + f.spare
}

// far returns the volume beyond which steps are not told apart: no fleet has as many replicas.
func (f *Follower) far() float64 { return mostReplicas * f.perReplica / f.rates[0] }

// perToken returns how many steps there are on average in a token of volume.
func (f *Follower) perToken() (density float64) {
	for _, rate := range f.rates {
		density += rate / f.perReplica
	}
	return density
}

// followed is an autoscaled fleet against a straight piece of an API's bill.
type followed struct {
	f        *Follower
	from, to float64 // the volumes of the piece
	net      float64 // p − v, USD per token
	fixed    float64 // USD a month that the fleet costs beyond the API, at no volume and without replicas
}

// split calls yield for ranges that follow each other and make up (lo, hi], from the last to the first when backward, and says which of them
// are favourable. It stops when yield returns false, and when it has looked at more ranges than left; then it is false. What the replicas cost
// never falls with volume, so what they cost at the ends of a range bounds what they cost within.
func (s followed) split(lo, hi float64, backward bool, left *int, yield func(p piece) bool) bool {
	if *left--; *left < 0 {
		return false
	}
	charged := [2]float64{s.net * lo, s.net * hi}
	switch {
	case max(charged[0], charged[1]) <= s.fixed+s.f.capacity(lo*(1-near)):
		return yield(piece{lo, hi, false})
	case min(charged[0], charged[1]) > s.fixed+s.f.capacity(hi*(1+near)):
		return yield(piece{lo, hi, true})
	}
	if middle := lo + (hi-lo)/2; (hi-lo)*s.f.perToken() > fewSteps && lo < middle && middle < hi {
		if backward {
			return s.split(middle, hi, true, left, yield) && s.split(lo, middle, true, left, yield)
		}
		return s.split(lo, middle, false, left, yield) && s.split(middle, hi, false, left, yield)
	}
	pieces := s.f.scratch.pieces[:0]
	s.f.steps(lo, hi, func(from, to, capacity float64) {
		begin, end := from, to // of what is favourable
		switch paid := s.fixed + capacity; {
		case s.net > 0:
			begin = max(from, paid/s.net)
		case s.net < 0:
			end = min(to, paid/s.net)
		case paid >= 0:
			begin = to
		}
		if (begin > from || end < to) && !(begin < end*(1-near)) {
			begin, end = to, to
		}
		for _, p := range [...]piece{{from, begin, false}, {begin, end, true}, {end, to, false}} {
			if p.from < p.to {
				pieces = append(pieces, p)
			}
		}
	})
	s.f.scratch.pieces = pieces
	if backward {
		slices.Reverse(pieces)
	}
	for _, p := range pieces {
		if !yield(p) {
			return false
		}
	}
	return true
}

// windows returns the favourable windows of (lo, hi], until one more than most of them has ended, and how far it looked. A window that had not
// ended there is left out.
func (s followed) windows(lo, hi float64, most int) (set []model.Interval, seen float64) {
	if !(lo < hi) {
		return nil, hi
	}
	left := maxRanges
	seen = lo
	all := s.split(lo, hi, false, &left, func(p piece) bool {
		n := len(set)
		switch {
		case !p.wins && n > most:
			return false
		case p.wins && n > 0 && set[n-1].ToInclusive == model.End(p.from):
			set[n-1].ToInclusive = model.End(p.to)
		case p.wins:
			set = append(set, window(p.from, p.to))
		}
		seen = p.to
		return true
	})
	if n := len(set); !all && n > 0 && float64(set[n-1].ToInclusive) == seen {
		seen, set = float64(set[n-1].FromExclusive), set[:n-1]
	}
	return set, seen
}

// bounds returns the volumes between which it depends on the step whether the fleet is cheaper, below which it is dearer or the piece begins,
// and the volume from which on it is cheaper for good; infinite when that is beyond any fleet. It is false when it is never cheaper.
func (s followed) bounds() (lo, hi, after float64, ever bool) {
	margin := s.net - s.f.perUnit // that a token saves where the fleet is large
	if math.Abs(margin) <= near*math.Abs(s.net) {
		margin = 0
	}
	lo, hi, after = s.from, s.to, math.Inf(1)
	switch {
	case s.fixed < 0 && margin >= 0:
		after = (s.fixed + s.f.slack) / margin
	case margin > 0:
		lo, after = max(lo, s.fixed/margin*(1-near)), (s.fixed+s.f.slack)/margin
	case s.fixed >= 0:
		return 0, 0, 0, false
	default:
		hi = min(hi, s.fixed/margin*(1+near))
	}
	if !(after > lo) { // NaN where neither the margin nor the rest is anything
		after = lo
	}
	far := s.f.far()
	if after > max(lo, far) {
		after = math.Inf(1)
	}
	return lo, min(hi, after, max(lo, far)), after, true
}

func (s followed) favourable() (set []model.Interval, cut float64) {
	cut = math.Inf(1)
	lo, hi, after, ever := s.bounds()
	if !ever {
		return nil, cut
	}
	set, seen := s.windows(lo, hi, MaxIntervals)
	if len(set) > MaxIntervals {
		set = set[:MaxIntervals]
		seen = float64(set[MaxIntervals-1].ToInclusive)
	}
	if seen < hi {
		cut = seen
	}
	if after >= s.to {
		return set, cut
	}
	if seen < hi { // where it is dearer for the last time
		left, known := maxRanges, false
		s.split(seen, hi, true, &left, func(p piece) bool {
			if p.wins {
				after = p.from
			}
			known = !p.wins
			return p.wins
		})
		if !known {
			return set, cut
		}
	}
	return join(set, window(after, s.to)), cut
}

func (s followed) near(volume *big.Rat) []model.Interval {
	lo, hi, after, ever := s.bounds()
	if !ever {
		return nil
	}
	v := Float(volume)
	set, seen := s.windows(max(lo, v-1/s.f.perToken()), hi, 1) // that at volume may begin below, and is the first
	if seen >= hi && after < s.to {
		set = join(set, window(after, s.to))
	}
	return set
}

// exactly takes what is found in floating point for exact.
func (s followed) exactly(v float64) *big.Rat { return fromFloat(v) }

func fromFloat(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }

// Find returns the volumes at which the fleet costs strictly less than the API; variable is USD per million tokens that really vary with
// volume. Boundaries are right to a billionth of themselves.
func (f *Follower) Find(api Rate, variable *big.Rat) Crossover {
	x := Crossover{UnitFloor: add(fromFloat(f.perUnit*1e6), variable), variable: variable}
	if f.quota > 0 {
		x.most = fromFloat(f.most())
	}
	x.Breakeven = x.BreakevenAt(api.Dearest())
	for _, piece := range f.against(api, variable) {
		x.parts = append(x.parts, piece)
	}
	x.find(api.Dearest().Cmp(variable) > 0)
	return x
}

// First returns the First of Find without looking for the others; NaN when there is none, or none among the ranges that are looked at.
func (f *Follower) First(api Rate, variable *big.Rat) float64 {
	first := math.Inf(1)
	for _, s := range f.against(api, variable) {
		lo, hi, after, ever := s.bounds()
		if !ever || lo >= first {
			continue
		}
		begins, left := after, maxRanges
		all := !(lo < hi) || s.split(lo, hi, false, &left, func(p piece) bool {
			if p.wins {
				begins = p.from
			}
			return !p.wins
		})
		if (!all && left >= 0) || all && after < s.to {
			first = min(first, begins)
		}
	}
	if math.IsInf(first, 1) || f.quota > 0 && first >= f.most() {
		return math.NaN()
	}
	return first
}

// against returns f against every straight piece of the bill of api.
func (f *Follower) against(api Rate, variable *big.Rat) (pieces []followed) {
	fee, v := api.Fee(), Float(variable)/1e6
	charge := func(s Segment) {
		piece := followed{f: f, from: Float(s.From), to: math.Inf(1), net: Float(s.Beta) - v, fixed: f.fixed + f.starting - Float(s.Alpha)}
		if s.To != nil {
			piece.to = Float(s.To)
		}
		pieces = append(pieces, piece)
	}
	for _, s := range api.Segments() {
		s.Alpha = add(s.Alpha, fee)
		charge(s)
	}
	if floor := api.Floor(); floor != nil {
		charge(Segment{From: zero, Alpha: add(floor, fee), Beta: zero})
	}
	return pieces
}
