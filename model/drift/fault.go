package drift

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// Codes of the warnings that say that what is counted has changed rather than what is used.
const (
	CounterUnit    = "COUNTER_UNIT_CHANGED"    // a thousand times as much, or as little, from one hour to the next
	MeaningChanged = "COUNTER_MEANING_CHANGED" // a workload changed when the program that counts became a version that is known to count otherwise
	CounterChanged = "COUNTER_CHANGED"         // the workloads of a source changed by one factor in one hour
	LabelChanged   = "LABEL_CHANGED"           // a workload ended in the hour in which another began with its volume
	MetricGone     = "METRIC_GONE"             // every workload of a source ended in one hour
	ScrapeGap      = "SCRAPE_GAP"              // hours of the last day are missing
)

// How a change of what is counted is told from a change of use. They are chosen, not fitted: use seldom moves by one factor everywhere from one hour to the next.
const (
	faultHours = 24  // hours before and after an instant that are compared
	edge       = 4   // hours on either side whose means must differ by a step, and by sure standard errors
	sharpness  = 0.6 // least share of the change that is that step: of a change over days it is an eighth
	sure       = 4.5
	fewHours   = 6               // of these that must be known
	hoursAWeek = 7 * 24          // every hour is compared with the same hour a week before
	alike      = 0.15            // how far factors may be from each other, as a logarithm
	quiet      = 3               // hours without a sample after which a workload has ended
	usually    = 95              // percent of the hours of the week before that must be known, for a gap to be one
	gapHours   = 6               // unmeasured hours of the last day that are a gap
	sameVolume = 0.25            // how far the volume of a new label may be from that of the old one, as a logarithm
	fleetLeast = 3               // workloads of a source that must change alike; 2 where requests are counted and stay
	searched   = 24 * Recent     // hours in which a change is looked for
	mostOthers = 0.8             // share of the workloads of a source that a change must reach
	settledIn  = 14 * 24         // hours after which a workload under a new label is one like any other
	leastTotal = model.Tokens(1) // tokens an hour below which there is nothing to compare
)

// FaultsWithin is how far back hours are looked at for faults.
const FaultsWithin = (searched + hoursAWeek) * time.Hour

// GapReach is how long before the newest sample a ScrapeGap may have begun: its 24 hours, and those of the week before that may be missing.
const GapReach = (24 + hoursAWeek*(100-usually)/100) * time.Hour

// leastFactor is the smallest common factor that is taken for another meaning of the counter.
var leastFactor = math.Log(1.25)

// Fault says that what is counted of a workload has changed, or is missing.
type Fault struct {
	Code, Text string
	Readings   []model.Reading
	Jumped     time.Time // the first hour of which what was counted was otherwise; zero of faults that are no jump
}

// Faults looks at all workloads of one source, which has answered, and says for each in the same order which faults of the data its last Recent days have. A verdict on
// such a workload, and drift of it, would be about the counter and not about use. It also returns the renames of the last fortnight in the order of time. Each workload is
// read when it is looked at, most of them once.
func Faults(all []func() model.Usage, now time.Time) ([][]Fault, []Rename) {
	faults, lives := make([][]Fault, len(all)), make([]life, len(all))
	end := now.UTC().Truncate(time.Hour)
	tokens := make([]ratios, len(all))
	calls := func(i int) ratios { return against(all[i](), end, true) }
	for i, read := range all {
		u := read()
		lives[i] = lifeOf(u)
		tokens[i] = against(u, end, false)
		if at, times, found, ok := tokens[i].unit(func() ratios { return calls(i) }); ok {
			faults[i] = append(faults[i], Fault{Code: CounterUnit, Text: fmt.Sprintf(
				"the tokens of an hour were %s times what they were from %s on%s: the unit of the counter has changed, not the use", factor(times), clock(end, at), calls(i).stayed(at),
			), Readings: []model.Reading{{What: "tokens of an hour over those before", Value: found, AtLeast: new(times / 2), AtMost: new(times * 2)}}, Jumped: hourAt(end, at)})
		}
		if n := gap(u, end); n >= gapHours {
			faults[i] = append(faults[i], Fault{Code: ScrapeGap, Text: fmt.Sprintf(
				"%d of the last 24 hours were not measured, although nearly all of the week before were: a gap in what was scraped is no change of use", n,
			), Readings: []model.Reading{{What: "hours of the last 24 that were not measured", Value: float64(n), AtLeast: new(float64(gapHours))}}})
		}
	}
	together(faults, tokens, calls, end)
	return faults, relabelled(faults, all, lives, end)
}

// ratios are the hours of searched over those of a week before, the newest last; NaN where either is not known or nothing.
type ratios []float64

// against returns the ratios of the requests of u, or of its tokens.
func against(u model.Usage, end time.Time, requests bool) ratios {
	var values [searched + hoursAWeek]float64
	first := int(end.Sub(u.Start)/time.Hour) - len(values)
	hours := u.Hours[min(max(0, first), len(u.Hours)):min(max(0, first+len(values)), len(u.Hours))]
	from := min(max(0, -first), len(values)) // place of the first of hours
	for k := range values {
		values[k] = math.NaN()
	}
	for k := range hours {
		h := &hours[k]
		v := float64(h.Total())
		if requests {
			v = h.Requests
		}
		if v > 0 && h.Measured() {
			values[from+k] = v
		}
	}
	r := make(ratios, searched)
	for k := range r {
		r[k] = values[k+hoursAWeek] / values[k]
	}
	return r
}

// jump returns by how much the median of the logarithms of faultHours from at on differs from that of those before, whether enough of them are known, and whether it took no longer
// than from one known hour to the next.
func (r ratios) jump(at int) (by float64, known, sharp bool) {
	var before, after [faultHours]float64
	b, a := before[:0], after[:0]
	for i := max(0, at-faultHours); i < min(len(r), at+faultHours); i++ {
		switch {
		case math.IsNaN(r[i]):
		case i < at:
			b = append(b, math.Log(r[i]))
		default:
			a = append(a, math.Log(r[i]))
		}
	}
	if len(b) < fewHours || len(a) < fewHours {
		return 0, false, false
	}
	step := 0.0
	for i := range edge {
		step += (a[i] - b[len(b)-1-i]) / edge
	}
	// The noise of an hour is that of differences between neighbours, and the standard error that of the difference of two means of edge hours.
	var room [2 * faultHours]float64
	differences := room[:0]
	for _, side := range [...][]float64{b, a} {
		for i := 1; i < len(side); i++ {
			differences = append(differences, math.Abs(side[i]-side[i-1]))
		}
	}
	standardError := 1.4826 * median(differences) / math.Sqrt2 * math.Sqrt(2.0/edge)
	by = median(a) - median(b)
	return by, true, step/by > sharpness && math.Abs(step) > sure*standardError
}

// unit returns the first hour from which on there was a thousand or a million times as much, or as little, which of these, and how many times it was. Requests, where they are counted, must not have followed.
func (r ratios) unit(calls func() ratios) (at int, times, found float64, ok bool) {
	near := func(j float64) (float64, bool) {
		for _, unit := range [...]float64{1e3, 1e6} {
			if math.Abs(math.Abs(j)-math.Log(unit)) < math.Ln2 {
				return math.Exp(math.Copysign(math.Log(unit), j)), true
			}
		}
		return 0, false
	}
	before := math.NaN()
	for i, v := range r {
		if math.IsNaN(v) {
			continue
		}
		if v > 100*before || before > 100*v {
			j, _, sharp := r.jump(i)
			if times, unit := near(j); sharp && unit {
				if followed, known, _ := calls().jump(i); !known || math.Abs(followed) < math.Ln2 {
					return i, times, math.Exp(j), true
				}
			}
		}
		before = v
	}
	return 0, 0, 0, false
}

// stayed says that requests did not follow a jump at an hour, where they are counted.
func (r ratios) stayed(at int) string {
	for i := at; i < len(r); i++ {
		if !math.IsNaN(r[i]) {
			return " while requests are as many as before"
		}
	}
	return ""
}

// together adds a fault to the workloads that changed by one factor in one hour, when they are nearly all that were used then.
func together(faults [][]Fault, tokens []ratios, calls func(i int) ratios, end time.Time) {
	common, at, largest := make(ratios, searched), 0, 0.0
	var taken [searched]bool
	take := func(from, to int) { // the medians of these hours, of which most are never needed
		for i := max(0, from); i < min(searched, to); i++ {
			if !taken[i] {
				common[i], taken[i] = middle(tokens, i), true
			}
		}
	}
	often := jumpsOften(tokens)
	for i := 1; i < searched; i++ {
		if !often[i] {
			continue
		}
		if take(i-1, i+1); !moved(common[i-1], common[i]) && !moved(common[i], common[i-1]) {
			continue
		}
		take(i-faultHours, i+faultHours)
		if j, _, sharp := common.jump(i); sharp && math.Abs(j) > 1.25*math.Abs(largest) { // a week later it jumps back
			at, largest = i, j
		}
	}
	if math.Abs(largest) < leastFactor {
		return
	}
	var changed []int
	used, counted := 0, 0
	for i, r := range tokens {
		j, known, _ := r.jump(at)
		if !known {
			continue
		}
		used++
		followed, known, _ := calls(i).jump(at) // 0 where they are not counted
		if known {
			counted++
		}
		if math.Abs(j-largest) < alike && math.Abs(followed) < math.Abs(largest)/3 {
			changed = append(changed, i)
		}
	}
	least := fleetLeast
	if counted == used {
		least = fleetLeast - 1
	}
	if len(changed) < least || float64(len(changed)) < mostOthers*float64(used) {
		return
	}
	for _, i := range changed {
		if len(faults[i]) > 0 && faults[i][0].Code == CounterUnit {
			continue
		}
		common := model.Reading{What: "tokens of an hour over those before, of all together", Value: math.Exp(largest), AtLeast: new(math.Exp(leastFactor))}
		if largest < 0 {
			common.AtLeast, common.AtMost = nil, new(math.Exp(-leastFactor))
		}
		faults[i] = append(faults[i], Fault{Code: CounterChanged, Text: fmt.Sprintf(
			"the tokens of %d of %d workloads of the source changed by the same factor, ×%.3g, in the hour from %s%s: the counter counts otherwise, not the use",
			len(changed), used, math.Exp(largest), clock(end, at), calls(i).stayed(at),
		), Readings: []model.Reading{common, {What: fmt.Sprintf("workloads of %d that changed by that factor", used), Value: float64(len(changed)), AtLeast: new(max(float64(least), mostOthers*float64(used)))}}, Jumped: hourAt(end, at)})
	}
}

// jumpsOften reports of every hour whether more than half of the workloads that are known moved the same way from the hour before to it, by half of leastFactor or more; also when
// that is not known of any.
func jumpsOften(all []ratios) (often [searched]bool) {
	var up, down, known [searched]int
	for _, r := range all {
		for i := 1; i < len(r); i++ { // without branches, which noise would make unpredictable
			before, after := r[i-1], r[i]
			up[i] += one(moved(before, after))
			down[i] += one(moved(after, before))
			known[i] += one(!math.IsNaN(before + after))
		}
	}
	for i := range often {
		often[i] = 2*max(up[i], down[i]) >= known[i]
	}
	return often
}

// one returns 1 when yes is true, 0 otherwise.
func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// moved reports whether a ratio grew by half of leastFactor, as a logarithm, or more.
func moved(before, after float64) bool { return after > 1.118*before } // √1.25

// middle returns the median over the workloads of an hour, NaN when none is known.
func middle(all []ratios, at int) float64 {
	of := make([]float64, 0, len(all))
	for _, r := range all {
		if !math.IsNaN(r[at]) {
			of = append(of, r[at])
		}
	}
	if len(of) == 0 {
		return math.NaN()
	}
	return median(of)
}

// gap returns how many of the last 24 hours before the newest sample were not measured, 0 when hours are missing in most weeks, or when that sample is old: what has ended
// has no gap.
func gap(u model.Usage, end time.Time) (missing int) {
	last := min(len(u.Hours), int(end.Sub(u.Start)/time.Hour))
	for last > 0 && !u.Hours[last-1].Measured() {
		last-- // what is still to come is no gap, or the workload has ended
	}
	if last < 8*24 || int(end.Sub(u.Start)/time.Hour)-last > gapHours {
		return 0
	}
	usual := 0
	for i := last - 8*24; i < last-24; i++ {
		if u.Hours[i].Measured() {
			usual++
		}
	}
	for i := last - 24; i < last; i++ {
		if !u.Hours[i].Measured() {
			missing++
		}
	}
	if usual < hoursAWeek*usually/100 {
		return 0
	}
	return missing
}

// A Rename is workloads that ended when others began with their volume.
type Rename struct {
	Was, Is []int     // places of workloads
	At      time.Time // end of the last hour of those that ended
	Settles time.Time // from then on those that began are workloads like any other

	volume float64 // of those that began, over that of those that ended
}

// relabelled adds a fault where workloads ended in one hour: to them and to those that began then with their volume, which it returns, or to all when the source has none left.
func relabelled(faults [][]Fault, all []func() model.Usage, lives []life, end time.Time) []Rename {
	renames, gone := successions(all, lives, end)
	for _, r := range renames {
		for _, i := range slices.Concat(r.Was, r.Is) {
			faults[i] = append(faults[i], Fault{Code: LabelChanged, Text: fmt.Sprintf(
				"%s ended at %s, when %s began with the same volume: a label has changed, not the use", names(all, r.Was), moment(r.At), names(all, r.Is),
			), Readings: []model.Reading{{What: "tokens since then over those of a week before", Value: r.volume, AtLeast: new(math.Exp(-sameVolume)), AtMost: new(math.Exp(sameVolume))}}})
		}
	}
	for stop, old := range gone { // one at most
		for _, i := range old {
			faults[i] = append(faults[i], Fault{Code: MetricGone, Text: fmt.Sprintf(
				"no workload of the source has been measured since %s, although it answers: the metric has another name, or nobody scrapes it", moment(stop),
			), Readings: []model.Reading{{What: "workloads of the source that are still measured", AtMost: new(0.0)}}})
		}
	}
	return renames
}

// A life is from the first measured hour of a workload to the end of the last; zero without any.
type life struct{ start, stop time.Time }

func lifeOf(u model.Usage) life {
	first := slices.IndexFunc(u.Hours, func(h model.Hour) bool { return h.Measured() })
	if first < 0 {
		return life{}
	}
	last := len(u.Hours)
	for !u.Hours[last-1].Measured() {
		last--
	}
	return life{u.Start.Add(time.Duration(first) * time.Hour), u.Start.Add(time.Duration(last) * time.Hour)}
}

// successions returns the workloads that ended when others began with their volume, and, by their end, those that have no heirs in a source that has nothing else left.
func successions(all []func() model.Usage, lives []life, end time.Time) (renames []Rename, gone map[time.Time][]int) {
	began, ended := map[time.Time][]int{}, map[time.Time][]int{}
	lasting := 0
	for i, l := range lives {
		if l == (life{}) {
			continue
		}
		began[l.start] = append(began[l.start], i)
		switch silent := end.Sub(l.stop); {
		case silent < quiet*time.Hour:
			lasting++
		case silent <= settledIn*time.Hour && l.stop.Sub(l.start) >= hoursAWeek*time.Hour:
			ended[l.stop] = append(ended[l.stop], i)
		}
	}
	gone = map[time.Time][]int{}
	for _, stop := range slices.SortedFunc(maps.Keys(ended), time.Time.Compare) {
		old := ended[stop]
		heirs := began[stop]
		if len(heirs) == 0 { // the hour of the change may have been measured under both, or under neither
			heirs = slices.Concat(began[stop.Add(-time.Hour)], began[stop.Add(time.Hour)])
		}
		volume, same := 0.0, false
		if len(heirs) > 0 && !replaced(all, old) {
			volume, same = inherited(all, old, heirs, stop, end)
		}
		switch {
		case same:
			renames = append(renames, Rename{Was: old, Is: heirs, At: stop, Settles: stop.Add(settledIn * time.Hour), volume: volume})
		case lasting == 0 && len(ended) == 1:
			gone[stop] = old
		}
	}
	return renames, gone
}

// replaced reports whether one of old is of a single process, whose label changes with every rollout: that is no change of what is counted.
func replaced(all []func() model.Usage, old []int) bool {
	return slices.ContainsFunc(old, func(i int) bool {
		labels := all[i]().Labels
		_, pod := labels["pod"]
		_, instance := labels["instance"]
		return pod || instance
	})
}

// inherited returns what heirs have used since stop over what old had used in the same hours a week before, and whether that is the same volume.
func inherited(all []func() model.Usage, old, heirs []int, stop, end time.Time) (volume float64, same bool) {
	to := stop.Add(min(hoursAWeek*time.Hour, end.Sub(stop)))
	sum := func(of []int, from, to time.Time) (tokens model.Tokens, share model.Fraction) {
		for _, i := range of {
			volume, measured := all[i]().Between(from, to)
			tokens, share = tokens+volume.Total(), max(share, measured)
		}
		return tokens, share
	}
	is, seen := sum(heirs, stop, to)
	const aWeek = hoursAWeek * time.Hour
	was, known := sum(old, stop.Add(-aWeek), to.Add(-aWeek))
	hours := to.Sub(stop).Hours()
	volume = float64(is / was)
	return volume, hours*float64(seen) >= quiet && known > 0.5 && is > leastTotal && was > leastTotal && math.Abs(math.Log(volume)) < sameVolume
}

// names lists workloads, three at most.
func names(all []func() model.Usage, of []int) string {
	text := ""
	for k, i := range of {
		switch {
		case k == 3:
			return fmt.Sprintf("%s and %d more", text, len(of)-k)
		case k > 0:
			text += ", "
		}
		text += all[i]().Workload
	}
	return text
}

// hourAt returns when the hour at the place at of those that are searched began.
func hourAt(end time.Time, at int) time.Time { return end.Add(time.Duration(at-searched) * time.Hour) }

func clock(end time.Time, at int) string { return moment(hourAt(end, at)) }

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// factor writes how many times a unit is.
func factor(times float64) string {
	if times < 1 {
		return fmt.Sprintf("1/%.0f", 1/times)
	}
	return fmt.Sprintf("%.0f", times)
}
