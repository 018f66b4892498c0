// Package metering finds traffic that more than one meter counts.
package metering

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"tipline/model"
)

// How two meters of one stream are told from two streams of the same rhythm and size. They are chosen, not fitted; README.md says how often that errs.
//
// What is left of the hours when the rhythm of the week is taken out is chance: which requests came, and how long their answers were. Two meters of one stream share it,
// two streams do not, however alike their days are.
const (
	weeks      = 4      // before now that are compared
	leastWeeks = 2      // of them that must be known: a single one has no rhythm to take out
	weekHours  = 7 * 24 // hours of a week
	window     = weeks * weekHours
	knownHours = 120  // hours of a week that must be known at both meters
	alike      = 0.6  // correlation that more than half of the weeks must reach
	alikeSum   = 0.7  // the same where workloads are added up, of which there are many ways
	agree      = 0.58 // share of the hours in which chance must move both the same way; 0.7 do at that correlation
	nearOne    = 1.10 // how many times the tokens of one meter those of the other may be
	nearCalls  = 1.25 // the same for requests, where both count them: one meter may count what was tried again
	roughly    = 1.25 // the same for the mean hours of two weeks, which are compared before anything else
	scatter    = 0.10 // logarithm by which the middle one of the busy hours may differ from the whole
	small      = 0.05 // share of a sum below which it is not asked whether a member belongs to it
	gain       = 0.01 // by which a member brings the chance of a sum nearer to that of the whole, or takes it away
	most       = 2.5  // standard deviations of chance that count of an hour
	smooth     = 5e-3 // standard deviation of what chance does to an hour, as a share, below which it is rounding
	offset     = 0.01 // of a mean hour, which is added before the logarithm, so that an hour without tokens has one
)

// A Double is traffic that two meters count: the workloads of One at one, those of Other at the other.
type Double struct {
	One, Other  []int   // places of workloads, ascending; One has no more of them than Other, and One[0] comes first where they are as many
	Ratio       float64 // tokens of Other over those of One, output only where there is any
	Correlation float64 // lowest that decided, at least 0.6
	Weeks       int     // that were compared
}

// Doubles returns the streams that workloads of different layers, or of different sources that do not say theirs, count twice over the four weeks before now, and those that
// sources of one layer count alike but for when they look: one workload beside another, or beside several that add up
// to it because they share the value of a label, are all that their source has, or, at different layers, are few and each a large part. A stream of which a part was found is not
// looked for again as a part of a larger one. Each workload is read when it is looked at; what is kept of all are the four weeks of what is compared. Nearly all pairs cost no
// more than a look at the signs of their chance, and most pairs that differ in size not that.
func Doubles(all []func() model.Usage, now time.Time) []Double {
	f := finder{all: all, watched: make([]watched, len(all)), end: now.UTC().Truncate(time.Hour)}
	for i, read := range all {
		f.watch(i, read())
	}
	meters := f.meters()
	slices.SortFunc(meters, func(a, b meter) int {
		return cmp.Or(cmp.Compare(a.mean, b.mean), slices.Compare(a.members, b.members))
	})
	found := f.pairs(meters)
	return f.finest(append(found, f.sums(meters, found)...))
}

// A finder compares the meters of all workloads up to end.
type finder struct {
	all     []func() model.Usage
	watched []watched // in the order of all
	end     time.Time
}

// watched is what is kept of a workload.
type watched struct {
	usage model.Usage // without its hours
	meter meter       // of it alone
	hours []float64   // what its meter counts, see hours; nil when it was not used in the newest leastWeeks
}

// watch keeps what is needed of u, the workload i.
func (f finder) watch(i int, u model.Usage) {
	w := &f.watched[i]
	if w.meter = f.single(i, u); w.meter.mean > 0 {
		w.hours = f.hours(u, w.meter.generates)
	}
	w.usage = u
	w.usage.Hours, w.usage.Serving = nil, nil
}

// hours returns the tokens of every hour of the window, only the output of a workload that generates; NaN where it was not measured.
func (f finder) hours(u model.Usage, generates bool) []float64 {
	hours := make([]float64, window)
	first := int(f.end.Sub(u.Start)/time.Hour) - window
	for h := range hours {
		switch k := first + h; {
		case k < 0 || k >= len(u.Hours) || !u.Hours[k].Measured():
			hours[h] = math.NaN()
		case generates:
			hours[h] = float64(u.Hours[k].Tokens[model.Output])
		default:
			hours[h] = float64(u.Hours[k].Tokens.Total())
		}
	}
	return hours
}

// pairs returns what two of meters, which are sorted by their means, both count.
func (f finder) pairs(meters []meter) (found []Double) {
	for i := range meters {
		a := &meters[i]
		for k := i + 1; k < len(meters) && meters[k].mean <= roughly*a.mean; k++ {
			b := &meters[k]
			apart := a.apart(b)
			if a.generates != b.generates || !near(a.calls, b.calls, nearCalls) || !a.together(b) || !apart && !f.beside(a, b) {
				continue
			}
			if d, ok := f.compare(a, b); ok && (apart || f.twins(a, b)) {
				found = append(found, d)
			}
		}
	}
	return found
}

// several stands for the places of a meter that has more than one.
const several = -1

// A meter is a workload, or several whose sum may be a stream.
type meter struct {
	members   []int                 // ascending
	place     int                   // number of the only place where members are counted, or several
	places    []string              // where members are counted, sorted, each once
	mean      float64               // tokens of an hour over the newest leastWeeks
	calls     float64               // requests of an hour over the same weeks; 0 means not known
	generates bool                  // it has output, and only that is compared: what input means differs between meters
	known, up [window/64 + 1]uint64 // hours of which chance is known, and those in which it was above 0
}

// near reports whether a and b differ by no more than times. What is not known, 0, is near everything.
func near(a, b, times float64) bool {
	return a == 0 || b == 0 || a <= times*b && b <= times*a
}

// place says where u is counted: its layer, or its source where that does not say its layer. A stream passes a layer once: two sources of one count a part of it each, which
// a balancer makes as large as the other and moves with it, or are twins.
func place(u model.Usage) string {
	if u.Layer != "" {
		return "layer\x00" + u.Layer
	}
	return "source\x00" + u.Source
}

// apart reports whether m and o have no place in common.
func (m *meter) apart(o *meter) bool {
	if m.place != several && o.place != several {
		return m.place != o.place
	}
	return !slices.ContainsFunc(m.places, func(s string) bool { return slices.Contains(o.places, s) })
}

// meters returns every workload that was used in the newest leastWeeks, and the sums that may be a stream.
func (f finder) meters() []meter {
	var found []meter
	places := map[string]int{}
	for _, w := range f.watched {
		at := place(w.usage)
		if _, known := places[at]; !known {
			places[at] = len(places)
		}
		if m := w.meter; m.mean > 0 {
			m.place = places[at]
			found = append(found, m)
		}
	}
	groups := map[string][]int{} // places in found
	for i, m := range found {
		u := f.watched[m.members[0]].usage
		groups[u.Source] = append(groups[u.Source], i)
		for _, name := range slices.Sorted(maps.Keys(u.Labels)) {
			label := "\x00" + name + "\x00" + u.Labels[name]
			groups[label] = append(groups[label], i)
			groups[u.Source+label] = append(groups[u.Source+label], i)
		}
	}
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if len(groups[key]) < 2 {
			continue
		}
		if m := sum(found, groups[key]); !seen[m.key()] {
			seen[m.key()] = true
			found = append(found, m)
		}
	}
	for i := range found {
		m := &found[i]
		for h, change := range chanceOf(f.countedBy(m)) {
			if !math.IsNaN(change) {
				m.known[h/64] |= 1 << (h % 64)
			}
			if change > 0 {
				m.up[h/64] |= 1 << (h % 64)
			}
		}
	}
	return found
}

// single returns the meter of u, the workload i, alone.
func (f finder) single(i int, u model.Usage) meter {
	m := meter{members: []int{i}, places: []string{place(u)}}
	first := int(f.end.Sub(u.Start)/time.Hour) - leastWeeks*weekHours
	lastKnown, gaps := -1, 0
	var total, output, calls float64
	for h := max(0, first); h < min(len(u.Hours), first+leastWeeks*weekHours); h++ {
		hour := &u.Hours[h]
		if !hour.Measured() {
			continue
		}
		if lastKnown >= 0 {
			gaps += h - lastKnown - 1
		}
		lastKnown = h
		total, output, calls = total+float64(hour.Tokens.Total()), output+float64(hour.Tokens[model.Output]), calls+hour.Requests
	}
	hours := float64(leastWeeks*weekHours - gaps)
	if m.generates = output > 0; m.generates {
		total = output
	}
	m.mean, m.calls = total/hours, calls/hours
	return m
}

// sum returns the meter of all members of the meters at places together.
func sum(all []meter, places []int) meter {
	s := meter{place: all[places[0]].place}
	counted := true
	for _, i := range places {
		p := &all[i]
		s.members, s.places = append(s.members, p.members...), append(s.places, p.places...)
		s.mean, s.calls = s.mean+p.mean, s.calls+p.calls
		s.generates, counted = s.generates || p.generates, counted && p.calls > 0
		if p.place != s.place {
			s.place = several
		}
	}
	if !counted {
		s.calls = 0
	}
	slices.Sort(s.members)
	slices.Sort(s.places)
	s.places = slices.Compact(s.places)
	return s
}

// key is the same for meters of the same members.
func (m *meter) key() string {
	var b []byte
	for _, i := range m.members {
		b = strconv.AppendInt(append(b, ' '), int64(i), 10)
	}
	return string(b)
}

// together reports whether chance moved a and b the same way often enough for a closer look. It costs a hundredth of that.
func (m *meter) together(o *meter) bool {
	known, same := 0, 0
	for i := range m.known {
		both := m.known[i] & o.known[i]
		known += bits.OnesCount64(both)
		same += bits.OnesCount64(both &^ (m.up[i] ^ o.up[i]))
	}
	return float64(same) > agree*float64(known)
}

// compare returns the stream that a and b both count, and false when they count two.
func (f finder) compare(a, b *meter) (Double, bool) {
	countedA, countedB := f.countedBy(a), f.countedBy(b)
	chanceA, chanceB := chanceOf(countedA), chanceOf(countedB)
	least := alike
	if len(a.members)+len(b.members) > 2 {
		least = alikeSum
	}
	var reached []float64
	known := 0
	for from := 0; from < window; from += weekHours {
		if r, ok := correlation(chanceA[from:from+weekHours], chanceB[from:from+weekHours]); ok {
			if known++; r >= least {
				reached = append(reached, r)
			}
		}
	}
	if known < leastWeeks || 2*len(reached) <= known {
		return Double{}, false
	}
	ratio, ok := proportion(countedA, countedB)
	if !ok || f.odd(a, countedA, chanceB) || f.odd(b, countedB, chanceA) {
		return Double{}, false
	}
	d := Double{One: a.members, Other: b.members, Ratio: ratio, Correlation: slices.Min(reached), Weeks: known}
	if cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(a.members[0], b.members[0])) > 0 {
		d.One, d.Other, d.Ratio = d.Other, d.One, 1/ratio
	}
	return d, true
}

// proportion returns how many times the tokens of a those of b are, and whether that is near one and about the same in every busy hour: workloads that one program calls
// come and go together, and in other proportions.
func proportion(a, b []float64) (float64, bool) {
	var one, other, known float64
	for h, x := range a {
		if y := b[h]; !math.IsNaN(x + y) {
			one, other, known = one+x, other+y, known+1
		}
	}
	if !near(one, other, nearOne) || one == 0 {
		return 0, false
	}
	var apart []float64
	for h, x := range a {
		if y := b[h]; x+y >= (one+other)/known {
			apart = append(apart, math.Abs(math.Log(y/x*one/other)))
		}
	}
	slices.Sort(apart)
	return other / one, apart[len(apart)/2] <= scatter
}

// odd reports whether m, which counted that much, would be more like other without one of its members: that one is not in the stream.
func (f finder) odd(m *meter, counted, other []float64) bool {
	if len(m.members) == 1 {
		return false
	}
	with, _ := correlation(chanceOf(counted), other)
	return slices.ContainsFunc(m.members, func(i int) bool {
		single := f.watched[i].meter
		if single.mean < small*m.mean {
			return false // too small to tell
		}
		rest := slices.Clone(counted)
		for h, n := range f.countedBy(&single) {
			if !math.IsNaN(n) {
				rest[h] -= n
			}
		}
		without, ok := correlation(chanceOf(rest), other)
		return ok && without > with+gain
	})
}

// countedBy returns the tokens of every hour of the window. An hour is not known, NaN, when one of the members was not measured in it; before the first and after the last
// hour of the window in which it was, a member used nothing.
func (f finder) countedBy(m *meter) []float64 {
	counted := make([]float64, window)
	measured := make([]bool, window)
	for _, i := range m.members {
		w := f.watched[i]
		hours := w.hours
		if m.generates && !w.meter.generates { // it may have before
			hours = f.hours(f.all[i](), true)
		}
		gap := -1 // where the hours began that are not measured; -1 before the first that is
		for h, n := range hours {
			if math.IsNaN(n) {
				continue
			}
			for g := gap; gap >= 0 && g < h; g++ {
				counted[g] = math.NaN()
			}
			gap = h + 1
			measured[h] = true
			counted[h] += n
		}
	}
	for h := range counted {
		if !measured[h] {
			counted[h] = math.NaN()
		}
	}
	return counted
}

// chanceOf returns what is left of the hours when growth from week to week, the rhythm of the week and whatever lasts for hours are taken out: the change from one hour to
// the next of the logarithm of the share of a mean hour, less its mean over the weeks, without extremes. NaN where it is not known.
func chanceOf(counted []float64) []float64 {
	level := make([]float64, window)
	for w := range weeks {
		week := counted[w*weekHours : (w+1)*weekHours]
		known, total := 0, 0.0
		for _, n := range week {
			if !math.IsNaN(n) {
				known, total = known+1, total+n
			}
		}
		mean := total / float64(known)
		for h, n := range week {
			level[w*weekHours+h] = math.NaN()
			if known >= knownHours && mean > 0 {
				level[w*weekHours+h] = math.Log(n/mean + offset)
			}
		}
	}
	for h := range weekHours {
		known, total := 0, 0.0
		for k := h; k < window; k += weekHours {
			if !math.IsNaN(level[k]) {
				known, total = known+1, total+level[k]
			}
		}
		for k := h; k < window; k += weekHours {
			if known < leastWeeks {
				level[k] = math.NaN()
			}
			level[k] -= total / float64(known)
		}
	}
	for h := window - 1; h > 0; h-- {
		level[h] -= level[h-1]
	}
	level[0] = math.NaN()
	clip(level)
	return level
}

// clip cuts changes at most standard deviations, estimated from the middle one: a step that many streams take together, such as to a bad day or into an outage, is rare and
// large, and must not weigh more than the many hours in which each goes its own way. Where most hours do not change at all, nothing is cut.
func clip(changes []float64) {
	sizes := make([]float64, 0, len(changes))
	for _, c := range changes {
		if !math.IsNaN(c) {
			sizes = append(sizes, math.Abs(c))
		}
	}
	limit := most * deviation(sizes)
	if limit == 0 {
		return
	}
	for h, c := range changes {
		changes[h] = max(-limit, min(limit, c))
	}
}

// correlation returns how alike the chance of two meters was in a week, and false when too little of it is known.
func correlation(a, b []float64) (float64, bool) {
	var n, sa, sb, aa, bb, ab float64
	for h, x := range a {
		y := b[h]
		if math.IsNaN(x + y) {
			continue
		}
		n, sa, sb, aa, bb, ab = n+1, sa+x, sb+y, aa+x*x, bb+y*y, ab+x*y
	}
	if n < knownHours {
		return 0, false
	}
	va, vb := aa/n-sa*sa/n/n, bb/n-sb*sb/n/n
	if va < smooth*smooth || vb < smooth*smooth {
		return 0, false
	}
	return (ab/n - sa*sb/n/n) / math.Sqrt(va*vb), true
}

// partOf reports whether one side of d is that of o and the other a part of it, and o shows that: with the workloads that it has besides, at most half is left of what the
// chance of the one meter does not share with that of the other. A part that is nearly the whole is within every bound.
func (d *Double) partOf(o *Double) bool {
	if len(o.One)+len(o.Other) <= len(d.One)+len(d.Other) || 2*(1-o.Correlation) > 1-d.Correlation {
		return false
	}
	extends := func(same, part, one, other []int) bool {
		return slices.Equal(same, one) && !slices.ContainsFunc(part, func(i int) bool { return !slices.Contains(other, i) })
	}
	return extends(d.One, d.Other, o.One, o.Other) || extends(d.One, d.Other, o.Other, o.One) ||
		extends(d.Other, d.One, o.One, o.Other) || extends(d.Other, d.One, o.Other, o.One)
}

// finest returns those of found that are not of a part of another, the ones of the fewest workloads first, in the order of their workloads.
func (f finder) finest(found []Double) []Double {
	all := slices.Clone(found)
	found = slices.DeleteFunc(found, func(d Double) bool {
		return slices.ContainsFunc(all, func(o Double) bool { return d.partOf(&o) })
	})
	slices.SortFunc(found, func(a, b Double) int {
		return cmp.Or(
			cmp.Compare(len(a.One)+len(a.Other), len(b.One)+len(b.Other)), cmp.Compare(b.Correlation, a.Correlation),
			slices.Compare(a.One, b.One), slices.Compare(a.Other, b.Other),
		)
	})
	type side struct {
		workload int
		source   string
	}
	taken := map[side]bool{}
	sides := func(members, others []int) (all []side) {
		var sources []string
		for _, k := range others {
			sources = append(sources, f.watched[k].usage.Source)
		}
		slices.Sort(sources)
		for _, source := range slices.Compact(sources) {
			for _, i := range members {
				all = append(all, side{i, source})
			}
		}
		return all
	}
	found = slices.DeleteFunc(found, func(d Double) bool {
		both := append(sides(d.One, d.Other), sides(d.Other, d.One)...)
		if slices.ContainsFunc(both, func(s side) bool { return taken[s] }) {
			return true
		}
		for _, s := range both {
			taken[s] = true
		}
		return false
	})
	slices.SortFunc(found, func(a, b Double) int {
		return cmp.Or(slices.Compare(a.One, b.One), slices.Compare(a.Other, b.Other))
	})
	return found
}
