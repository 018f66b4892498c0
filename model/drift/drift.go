// Package drift finds out whether the inputs that a verdict rests on have moved.
//
// Every input is one number a day. The days before the last three weeks say what was to be expected: a level for each day of the week
// and, for volume, its growth. What the last three weeks were beyond that is added up by a cumulative sum (Page, Continuous inspection
// schemes, Biometrika 41, 1954), one upwards and one downwards. The same days give the same answer, whatever was evaluated before.
// README.md has the false alarms and the delays that were measured.
package drift

import (
	"math"
)

// The days that are looked at.
const (
	Recent    = 21 // days that are held against what was to be expected
	Reference = 63 // days before them, which say what that is
	Window    = 84 // both
	least     = 28 // days of the reference that must be known before anything is said
	week      = 7  // days
	fewest    = 3  // days since the change before which it is not told from a single odd day
)

// The cumulative sum. The allowance is half of the shift that is found the soonest, in standard deviations of a day; the threshold gives
// the rate of false alarms that README.md states.
const (
	allowance = 0.75
	threshold = 8.5
	mostStep  = 3.0  // standard deviations that one day counts for at most, so that a single batch is no drift
	mostCarry = 0.95 // of a day's deviation into the next
)

// Scale is how the values of an input are compared.
type Scale int

// The scales.
const (
	Ratio Scale = iota // by their logarithm: volumes, times, rates; a value of 0 is one
	Share              // by the logarithm of their odds: shares from 0 to 1
)

// Finding is what became of one input.
type Finding struct {
	Score    float64 `json:"score"`    // evidence over what an alarm takes: 1 and more is drift
	Days     int     `json:"days"`     // since when: that many days ago the deviation began; 0 when there is none
	Expected float64 `json:"expected"` // the level of the days since then as it was to be expected
	Found    float64 `json:"found"`    // the level that they have
}

// Find looks at the days of an input, the newest last and NaN where it is not known; days beyond Window are not read. A growing input is
// one whose growth is not drift. It is false when too little is known to expect anything.
func Find(days []float64, scale Scale, growing bool) (Finding, bool) {
	days = days[max(0, len(days)-Window):]
	n := len(days) - Recent // days of the reference
	if n < least {
		return Finding{}, false
	}
	var room [2][Window]float64
	values, deviations := room[0][:len(days)], room[1][:len(days)]
	offset := scale.transform(values, days, n)
	e, ok := expect(values[:n], growing)
	if !ok {
		return Finding{}, false
	}
	for i, v := range values {
		deviations[i] = v - e.at(i)
	}
	e.spread(deviations[:n])
	if growing {
		e.slopeError *= uncertainty(e.carry)
	}
	var up, down sum
	for i := n; i < len(deviations); i++ {
		fresh := deviations[i]
		if before := deviations[i-1]; !math.IsNaN(before) {
			fresh -= e.carry * before
		}
		if math.IsNaN(fresh) {
			continue
		}
		step := max(-mostStep, min(mostStep, fresh/e.deviation))
		doubt := e.slopeError * (float64(i) - e.middle) * (1 - e.carry) / e.deviation
		up.add(step-doubt, i)
		down.add(-step-doubt, i)
	}
	s := up
	if down.total > up.total {
		s = down
	}
	f := Finding{Score: s.total / threshold}
	if s.total == 0 {
		return f, true
	}
	f.Days = len(days) - s.since
	var since [2][Recent]float64
	beyond, expected := since[0][:0], since[1][:0]
	for i := s.since; i < len(deviations); i++ {
		if !math.IsNaN(deviations[i]) {
			beyond, expected = append(beyond, deviations[i]), append(expected, e.at(i))
		}
	}
	if len(beyond) < fewest { // a single day, however odd, is none
		f.Score = min(f.Score, 0.99)
	}
	level := median(expected)
	f.Found, f.Expected = scale.back(level+median(beyond), offset), scale.back(level, offset)
	return f, true
}

// sum is a cumulative sum that begins anew whenever it falls to 0.
type sum struct {
	total float64
	since int // the day from which it has been above 0
}

func (s *sum) add(step float64, day int) {
	if s.total == 0 {
		s.since = day
	}
	s.total = max(0, s.total+step-allowance)
}

// expectation is what the reference days lead one to expect.
type expectation struct {
	weekday    [week]float64 // by place modulo week
	slope      float64       // a day
	slopeError float64       // standard error of slope
	middle     float64       // the place at which the level is that of weekday
	deviation  float64       // standard deviation of what a day does not take over from the one before
	carry      float64       // share of a day's deviation that the next one takes over
}

func (e *expectation) at(i int) float64 { return e.weekday[i%week] + e.slope*(float64(i)-e.middle) }

// expect learns the levels and the growth of reference days; it is false when too few of them are known.
func expect(values []float64, growing bool) (expectation, bool) {
	known := 0
	for _, v := range values {
		known += one(!math.IsNaN(v))
	}
	if known < least {
		return expectation{}, false
	}
	e := expectation{middle: float64(len(values)-1) / 2}
	if growing {
		e.slope, e.slopeError = slope(values)
	}
	for d := range e.weekday {
		var room [Reference / week]float64
		of := room[:0]
		for i := d; i < len(values); i += week {
			if !math.IsNaN(values[i]) {
				of = append(of, values[i]-e.slope*(float64(i)-e.middle))
			}
		}
		if len(of) > 0 {
			e.weekday[d] = median(of)
		} else { // nothing is known of that day of the week
			e.weekday[d] = medianOf(values)
		}
	}
	return e, true
}

// slope returns the growth of values a day: the median of the slopes between the medians of every two weeks (Theil, 1950; Sen, Estimates of
// the regression coefficient based on Kendall's tau, JASA 63, 1968), and its standard error.
func slope(values []float64) (perDay, standardError float64) {
	const weeks = Reference / week
	var room [2][weeks]float64
	at, levels := room[0][:0], room[1][:0]
	for from := len(values) % week; from < len(values); from += week {
		if m := medianOf(values[from : from+week]); !math.IsNaN(m) {
			at, levels = append(at, float64(from)+float64(week-1)/2), append(levels, m)
		}
	}
	var pairs [weeks * (weeks - 1) / 2]float64
	slopes := pairs[:0]
	for i := range levels {
		for j := range i {
			slopes = append(slopes, (levels[i]-levels[j])/(at[i]-at[j]))
		}
	}
	if len(slopes) < 3 {
		return 0, 0
	}
	steepness := median(slopes)
	var middle, level, squares, spread float64
	for i := range at {
		middle += at[i] / float64(len(at))
		level += (levels[i] - steepness*at[i]) / float64(len(at))
	}
	for i := range at {
		squares += (levels[i] - level - steepness*at[i]) * (levels[i] - level - steepness*at[i])
		spread += (at[i] - middle) * (at[i] - middle)
	}
	return steepness, math.Sqrt(squares / float64(len(at)-2) / spread)
}

// uncertainty returns how much larger the standard error of a slope between weeks is when each day takes over the given share of the deviation of the day
// before. The means of neighbouring weeks of such days correlate by ρ, and the variance of a slope in noise that does is (1+ρ)/(1-ρ) times as large
// (Bartlett, Some aspects of the time-correlation problem, Journal of the Royal Statistical Society 98, 1935).
func uncertainty(carry float64) float64 {
	fades := 1 - math.Pow(carry, week)
	correlation := carry * fades * fades / (week*(1-carry*carry) - 2*carry*fades)
	return math.Sqrt((1 + correlation) / (1 - correlation))
}

// leastDeviation is the least standard deviation of a day, on the scales of logarithms: differences below 2 % are nothing.
const leastDeviation = 0.02

// spread learns from the deviations of reference days how much days deviate and how much of that they take over from the day before.
func (e *expectation) spread(deviations []float64) {
	var n, neighbours, pairs, squares float64
	before := math.NaN()
	for _, deviation := range deviations {
		if !math.IsNaN(deviation) {
			n++
			if !math.IsNaN(before) {
				neighbours++
				pairs += deviation * before
				squares += before * before
			}
		}
		before = deviation
	}
	if squares > 0 {
		// A correlation estimated from few days is too low by about (1+4φ)/n (Kendall, Note on bias in the estimation of
		// autocorrelation, Biometrika 41, 1954); seven level parameters take as much again.
		e.carry = max(0, min(mostCarry, pairs/squares+2*(1+4*pairs/squares)/n))
		if e.carry < 2/math.Sqrt(n) { // no different from none
			e.carry = 0
		}
	}
	var room [Reference]float64
	fresh := room[:0] // sizes of what was not taken over; all of it where no two days in a row are known
	squares, before = 0, math.NaN()
	for _, deviation := range deviations {
		d := deviation
		if neighbours > 0 {
			d -= e.carry * before
		}
		if !math.IsNaN(d) {
			fresh = append(fresh, math.Abs(d))
			squares += d * d
		}
		before = deviation
	}
	// The median gives the scale of days as they mostly are, and the mean square that of days of which some are far off.
	n = float64(len(fresh))
	lost := math.Sqrt(n / max(1, n-week-2)) // to what was fitted: a level for each weekday, a slope and a carry
	e.deviation = max(1.4826*median(fresh)*lost, 0.8*math.Sqrt(squares/n)*lost, leastDeviation)
}

// transform writes days to values on the scale, NaN where they are not known. It returns what it added to each so that a zero has a logarithm, which
// the first n days say.
func (s Scale) transform(values, days []float64, n int) (offset float64) {
	if s == Ratio {
		var room [Reference]float64
		positive := room[:0]
		for _, v := range days[:n] {
			if v > 0 && v <= huge {
				positive = append(positive, v)
			}
		}
		if len(positive) > 0 {
			offset = 0.01 * median(positive)
		}
	}
	for i, v := range days {
		switch {
		case !(v >= 0 && v <= huge), s == Ratio && v+offset == 0:
			values[i] = math.NaN()
			continue
		case s == Ratio:
			v += offset
		default:
			v = max(tiny, min(1-tiny, v))
			v /= 1 - v
		}
		values[i] = math.Log(v)
	}
	return offset
}

const (
	tiny = 1e-3 // keeps the odds of a share of 0 or 1 finite
	huge = 1e24 // beyond which a value is an artefact: no workload has as many tokens
)

func (s Scale) back(v, offset float64) float64 {
	if s == Share {
		return 1 / (1 + math.Exp(-v))
	}
	return min(math.MaxFloat64, max(0, math.Exp(v)-offset))
}

// medianOf returns the middle of what is known of values, NaN when nothing is.
func medianOf(values []float64) float64 {
	var room [Reference]float64
	known := room[:0]
	for _, v := range values {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return math.NaN()
	}
	return median(known)
}

// median reorders values, of which there is at least one, and returns their middle.
func median(values []float64) float64 {
	n := len(values)
	if n == len(nine{}) {
		return nine(values).median()
	}
	above := quickselect(values, n/2)
	if n%2 == 1 {
		return above
	}
	below := values[0]
	for _, v := range values[:n/2] {
		if v > below {
			below = v
		}
	}
	return (below + above) / 2
}

// nine values have a median of their own, since that is how many there are of each day of the week.
type nine [Reference / week]float64

// median returns the middle of v by nineteen exchanges without a branch (Paeth, Median finding on a 3×3 grid, Graphics Gems, 1990).
func (v nine) median() float64 {
	a, b, c, d, e, f, g, h, i := v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
	b, c, e, f, h, i = min(b, c), max(b, c), min(e, f), max(e, f), min(h, i), max(h, i)
	a, b, d, e, g, h = min(a, b), max(a, b), min(d, e), max(d, e), min(g, h), max(g, h)
	b, c, e, f, h, i = min(b, c), max(b, c), min(e, f), max(e, f), min(h, i), max(h, i)
	// a ≤ b ≤ c, d ≤ e ≤ f and g ≤ h ≤ i: the middle is that of the greatest first, the middle second and the least third.
	first, third := max(a, d, g), min(c, f, i)
	second := max(min(b, e), min(max(b, e), h))
	return max(min(first, second), min(max(first, second), third))
}

// quickselect reorders values so that none before place k is greater than the one there, and none after it less; it returns that one (Hoare,
// Algorithm 65: Find, Communications of the ACM 4, 1961). The partition is Lomuto's without a branch, since a processor guesses half of them wrong.
func quickselect(values []float64, k int) float64 {
	for {
		last := len(values) - 1
		pivot := values[k]
		values[k] = values[last]
		less := 0
		for i, v := range values[:last] {
			values[i], values[less] = values[less], v
			less += one(v < pivot)
		}
		values[last], values[less] = values[less], pivot
		switch {
		case k < less:
			values = values[:less]
			continue
		case k == less:
			return pivot
		}
		values, k = values[less+1:], k-less-1
		if less > 0 {
			continue
		}
		same := 0 // values that are alike would be taken out one by one otherwise
		for i, v := range values {
			values[i], values[same] = values[same], v
			same += one(v == pivot)
		}
		if k < same {
			return pivot
		}
		values, k = values[same:], k-same
	}
}
