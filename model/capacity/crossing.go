package capacity

import (
	"errors"
	"math"
)

const (
	// window is the part of the capacity from which hours say how the time to first token grows towards it.
	window = 0.5

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

	// leastTTFT is the part of the limit that a time to first token is taken to be at least.
	leastTTFT = 0.01

	// steep is how many standard deviations of hours the line rises at least from no load to the capacity. Where it rises less, one of them is worth as much load as
	// the range of a known capacity may be wide, and the line says more about how hours are spread than about load.
	steep = 5
)

// powers are those of the time to first token that are tried for what grows as a straight line. One over the mean time in a queue does, which is the time of
// service over the part of the time that is idle (Kleinrock 1975, volume 1, section 3.2); the logarithm, which is the power of 0, does where less than that waits.
var powers = [...]float64{0, -1}

// A sample is an hour that kept the limit.
type sample struct {
	load float64 // tokens of the requests in question
	size float64 // logarithm of how many times their tokens to read a request had that no cache knew
	ttft float64 // as a part of the limit, above 0 and at most 1
}

// A crossing is the load at which the time to first token of every other hour comes to the limit, and the range that holds it at 90 %.
type crossing struct{ at, low, high float64 }

// cross returns where the samples come to the limit. From window of that load on a power of the time to first token is taken to grow as a straight line. Hours are
// taken to be spread about it normally by one over the square root of the load, as a percentile of so many requests is (Cramér 1946, section 28.5). Hours beyond
// the limit are not among samples, which would make the line too flat by least squares; so it is the line under which what was seen is most likely, given that it
// could only be seen below the limit (truncated regression, as of Hausman and Wise 1977, in the parameters of Olsen 1978). The range is Fieller's, of the ratio of
// two estimates.
//
// It is nil where the line says that hours at level hardly ever break the limit: then the time to first token rises more suddenly than a line, if at all, and
// level says how high the load can be. The error says why that is not known either.
func cross(samples []sample, level float64) (*crossing, error) {
	var c *crossing
	for from, n := level, 0; n < mostWindows; n++ {
		var near []sample // loads in parts of from
		for _, s := range samples {
			if s.load >= window*from {
				near = append(near, sample{s.load / from, s.size, max(leastTTFT, s.ttft)})
			}
		}
		if l, ok := leastSquares(points(near, 0)); !ok || l.at(level/from) < -far {
			return nil, nil
		}
		l, ok := likeliest(near)
		if ok && l.at(level/from) < -z {
			return nil, nil
		}
		low, high, bounded := l.around()
		if !ok || !bounded || low <= 0 || -l.height < steep || len(near) < leastNear {
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

// likeliest returns the line under which samples are most likely, whatever power of the time to first token it is of; false where there is none.
func likeliest(samples []sample) (best line, ok bool) {
	most := math.Inf(-1)
	for _, power := range powers {
		all := points(samples, power)
		l, found := leastSquares(all)
		if found {
			l, found = l.fit(all)
		}
		if !found {
			continue
		}
		likely := l.likelihood(all)
		for _, s := range samples { // of the time to first token, and not of its power
			likely += (power - 1) * math.Log(s.ttft)
		}
		if likely > most {
			best, most, ok = l, likely, true
		}
	}
	return best, ok
}

// points returns samples as what a line is multiplied by: 1, the load, the size and how far the power of the time to first token is below that of the limit, each
// over the spread of hours at such a load.
func points(samples []sample, power float64) []vector {
	all := make([]vector, len(samples))
	for i, s := range samples {
		below := -math.Log(s.ttft)
		if power != 0 {
			below = (1 - math.Pow(s.ttft, power)) / power
		}
		weight := math.Sqrt(s.load)
		all[i] = vector{weight, weight * s.load, weight * s.size, weight * below}
	}
	return all
}

// A line is how far above the limit hours are by the load and the size of requests, in standard deviations of hours at a load of 1 about it, and one over that.
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

// off returns where l is at p, how far p is above it, and the rate at which that would break the limit a little higher.
func (l line) off(p vector) (mean, off, hazard float64) {
	mean = l.height*p[0] + l.slope*p[1] + l.size*p[2]
	return mean, -l.scale*p[3] - mean, math.Sqrt(2/math.Pi) * math.Exp(-mean*mean/2) / math.Erfc(mean/math.Sqrt2)
}

// likelihood returns the logarithm of how likely points are under l, but for a constant.
func (l line) likelihood(points []vector) float64 {
	if !(l.scale > 0) {
		return math.Inf(-1)
	}
	sum := -indifferent * l.size * l.size / 2
	for _, p := range points {
		mean, off, _ := l.off(p)
		seen := math.Erfc(mean / math.Sqrt2)
		if seen == 0 { // or its logarithm would make a line that is never below the limit the likeliest of all
			return math.Inf(-1)
		}
		sum += math.Log(l.scale) - off*off/2 - math.Log(seen)
	}
	return sum
}

// fit returns the line that makes points most likely, found by Newton's method from l; false where there is none.
func (l line) fit(points []vector) (line, bool) {
	likely := l.likelihood(points)
	for range mostSteps {
		gradient := vector{2: -indifferent * l.size}
		var curved, bound matrix // of the likelihood, turned about, and more than it
		for _, by := range points {
			mean, off, hazard := l.off(by)
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
		gradient[3] += float64(len(points)) / l.scale
		for _, m := range []*matrix{&curved, &bound} {
			m[2][2] += indifferent
			m[3][3] += float64(len(points)) / (l.scale * l.scale)
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
			if gain = next.likelihood(points) - likely; gain > 0 {
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
func leastSquares(points []vector) (line, bool) {
	squares := matrix{2: {2: indifferent}, 3: {3: 1}}
	var sums vector
	for _, p := range points {
		by := vector{p[0], p[1], p[2]}
		for i := range by {
			sums[i] -= by[i] * p[3]
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
	for _, p := range points {
		_, off, _ := l.off(p)
		spread += off * off
	}
	l.scale = 1 / max(leastSpread, math.Sqrt(spread/float64(len(points))))
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
