package capacity

import (
	"errors"
	"math"
	"slices"
)

const (
	// window is the part of the capacity from which hours say how the time to first token grows towards it.
	window = 0.6

	// leastNear is how many of them there must be, since the range of the load is that of many hours.
	leastNear = 24

	// mostWindows is how often they are chosen anew by the capacity that those before gave.
	mostWindows = 5

	// mostSteps is how often a line is made better. Three to six steps are the rule.
	mostSteps = 50

	// z is of the normal distribution, for a range that holds 90 %.
	z = 1.645

	// far is how many standard deviations below the limit a line of least squares is that needs no better one, and leastSpread the least one is.
	far         = 5
	leastSpread = 0.01

	// indifferent is how many hours' worth of belief there is that sizes make no difference, so that none is found where all are the same.
	indifferent = 0.01

	// leastWait is the part of the limit that a wait is taken to be at least.
	leastWait = 0.01

	// quiet is the part of the hours that are quieter than those of an idle replica are taken to be.
	quiet = 0.05
)

// idleParts are the parts of the time to first token of quiet hours that are tried for what does not grow with the load. The rest is the wait.
var idleParts = [...]float64{0, 0.3, 0.6, 0.8, 0.9, 0.95}

// A sample is an hour that kept the limit.
type sample struct {
	load float64 // tokens of the requests in question
	size float64 // logarithm of how many times their tokens to read a request had that no cache knew
	ttft float64 // as a part of the limit, above 0 and at most 1
}

// A crossing is the load at which the time to first token of every other hour comes to the limit, and the range that holds it at 90 %.
type crossing struct{ at, low, high float64 }

// cross returns where the samples come to the limit. From window of that load on the logarithm of the wait, which is the time to first token without what does
// not grow with the load, is taken to grow as a straight line about which hours are spread normally. Hours beyond the limit are not among samples, which
// would make the line too flat by least squares; so it is the line under which what was seen is most likely, given that it could only be seen below the limit
// (truncated regression, as of Hausman and Wise 1977, in the parameters of Olsen 1978). The range is Fieller's, of the ratio of two estimates.
//
// It is nil where the line says that hours at level hardly ever break the limit: then the time to first token rises more suddenly than a line, if at all, and
// level says how high the load can be. The error says why that is not known either.
func cross(samples []sample, level float64) (*crossing, error) {
	times := make([]float64, len(samples))
	for i, s := range samples {
		times[i] = s.ttft
	}
	slices.Sort(times)
	idle := times[int(quiet*float64(len(times)))]
	var c *crossing
	for from, n := level, 0; n < mostWindows; n++ {
		var near []sample // loads in parts of from
		for _, s := range samples {
			if s.load >= window*from {
				near = append(near, sample{s.load / from, s.size, s.ttft})
			}
		}
		if l, ok := leastSquares(waits(near, 0)); !ok || l.at(level/from) < -far {
			return nil, nil
		}
		l, ok := likeliest(near, idle)
		if ok && l.at(level/from) < -z {
			return nil, nil
		}
		low, high, bounded := l.around()
		if !ok || !bounded || low <= 0 || len(near) < leastNear {
			return nil, errors.New("the time to first token of the hours that kept the limit does not tell at which load it comes to it")
		}
		at := -l.height / l.slope
		c = &crossing{at * from, low * from, high * from}
		if at >= 1 {
			break
		}
		from *= at
	}
	return c, nil
}

// waits returns samples with the logarithm of the wait, as a part of that at the limit, in place of the time to first token, of which idle is no wait.
func waits(samples []sample, idle float64) []sample {
	all := make([]sample, len(samples))
	for i, s := range samples {
		all[i] = sample{s.load, s.size, math.Log(max(leastWait, s.ttft-idle) / (1 - idle))}
	}
	return all
}

// likeliest returns the line under which samples are most likely, whatever part of idle is no wait; false where there is none.
func likeliest(samples []sample, idle float64) (best line, ok bool) {
	most := math.Inf(-1)
	for _, part := range idleParts {
		all := waits(samples, part*idle)
		l, found := leastSquares(all)
		if found {
			l, found = l.fit(all)
		}
		if !found {
			continue
		}
		likely := l.likelihood(all)
		for _, s := range all { // of the time to first token, and not of the logarithm of its wait
			likely -= s.ttft + math.Log(1-part*idle)
		}
		if likely > most {
			best, most, ok = l, likely, true
		}
	}
	return best, ok
}

// A line is the logarithm of the wait by the load and the size of requests, in standard deviations of hours about it, and one over that.
type line struct {
	height, slope, size, scale float64 // height is that at no load, of requests such as those in question
	variance                   matrix  // of the four
}

// at returns how far l is above the limit at load, for the requests in question.
func (l line) at(load float64) float64 { return l.height + l.slope*load }

// around returns the range of where l comes to the limit, false where it has no end.
func (l line) around() (low, high float64, ok bool) {
	v := l.variance
	a := l.slope*l.slope - z*z*v[1][1]
	b := l.height*l.slope - z*z*v[0][1]
	c := l.height*l.height - z*z*v[0][0]
	if a <= 0 || l.slope <= 0 {
		return 0, 0, false
	}
	d := math.Sqrt(max(0, b*b-a*c))
	return (-b - d) / a, (-b + d) / a, true
}

// off returns where l is at s, how far s is above it, and the rate at which that would break the limit a little higher.
func (l line) off(s sample) (mean, off, hazard float64) {
	mean = l.at(s.load) + l.size*s.size
	return mean, l.scale*s.ttft - mean, math.Sqrt(2/math.Pi) * math.Exp(-mean*mean/2) / math.Erfc(mean/math.Sqrt2)
}

// likelihood returns the logarithm of how likely samples are under l, but for a constant.
func (l line) likelihood(samples []sample) float64 {
	if !(l.scale > 0) {
		return math.Inf(-1)
	}
	sum := -indifferent * l.size * l.size / 2
	for _, s := range samples {
		mean, off, _ := l.off(s)
		seen := math.Erfc(mean / math.Sqrt2)
		if seen == 0 { // or its logarithm would make a line that is never below the limit the likeliest of all
			return math.Inf(-1)
		}
		sum += math.Log(l.scale) - off*off/2 - math.Log(seen)
	}
	return sum
}

// fit returns the line that makes samples most likely, found by Newton's method from l; false where there is none.
func (l line) fit(samples []sample) (line, bool) {
	likely := l.likelihood(samples)
	for range mostSteps {
		gradient := vector{2: -indifferent * l.size}
		var curved, bound matrix // of the likelihood, turned about, and more than it
		for _, s := range samples {
			mean, off, hazard := l.off(s)
			by := vector{1, s.load, s.size, -s.ttft}
			seen := vector{off + hazard, off + hazard, off + hazard, off}
			for i := range by {
				gradient[i] += seen[i] * by[i]
				for j := range by {
					each := by[i] * by[j]
					bound[i][j] += each
					if i < 3 && j < 3 {
						each *= 1 - hazard*(hazard-mean)
					}
					curved[i][j] += each
				}
			}
		}
		gradient[3] += float64(len(samples)) / l.scale
		for _, m := range []*matrix{&curved, &bound} {
			m[2][2] += indifferent
			m[3][3] += float64(len(samples)) / (l.scale * l.scale)
		}
		inverse, ok := curved.inverse()
		if !ok { // far from the highest point; a step by the bound never overshoots
			if inverse, ok = bound.inverse(); !ok {
				return line{}, false
			}
		}
		l.variance = inverse
		step := inverse.times(gradient)
		next, gain := l, 0.0
		for part := 1.0; part > 1e-6; part /= 2 {
			next.height, next.slope, next.size, next.scale = l.height+part*step[0], l.slope+part*step[1], l.size+part*step[2], l.scale+part*step[3]
			if gain = next.likelihood(samples) - likely; gain > 0 {
				break
			}
		}
		if !(gain > 1e-9) {
			return l, true
		}
		l, likely = next, likely+gain
	}
	return line{}, false
}

// leastSquares returns the line of least squares, hours being spread about it by leastSpread at least; false where all loads are the same.
func leastSquares(samples []sample) (line, bool) {
	squares := matrix{2: {2: indifferent}, 3: {3: 1}}
	var sums vector
	for _, s := range samples {
		by := vector{1, s.load, s.size}
		for i := range by {
			sums[i] += by[i] * s.ttft
			for j := range by {
				squares[i][j] += by[i] * by[j]
			}
		}
	}
	inverse, ok := squares.inverse()
	if !ok {
		return line{}, false
	}
	v := inverse.times(sums)
	l := line{height: v[0], slope: v[1], size: v[2], scale: 1}
	var spread float64
	for _, s := range samples {
		_, off, _ := l.off(s)
		spread += off * off
	}
	l.scale = 1 / max(leastSpread, math.Sqrt(spread/float64(len(samples))))
	l.height, l.slope, l.size = l.height*l.scale, l.slope*l.scale, l.size*l.scale
	return l, true
}

type vector [4]float64

// A matrix is symmetric.
type matrix [4]vector

// inverse returns the inverse of m by elimination, false where m is not positive definite.
func (m matrix) inverse() (inverse matrix, ok bool) {
	for i := range m {
		inverse[i][i] = 1
	}
	for i := range m {
		pivot := m[i][i]
		if !(pivot > 1e-12) {
			return matrix{}, false
		}
		for k := range m {
			m[i][k], inverse[i][k] = m[i][k]/pivot, inverse[i][k]/pivot
		}
		for j := range m {
			if times := m[j][i]; j != i {
				for k := range m {
					m[j][k], inverse[j][k] = m[j][k]-times*m[i][k], inverse[j][k]-times*inverse[i][k]
				}
			}
		}
	}
	return inverse, true
}

// times returns m times v.
func (m matrix) times(v vector) (product vector) {
	for i := range m {
		for j := range v {
			product[i] += m[i][j] * v[j]
		}
	}
	return product
}
