// Package capacity measures what one replica can serve from how its engines did hour by hour (cost model, section 4.3).
package capacity

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

const (
	// past is how far back hours count: engines are upgraded, and what they could do before says little.
	past = 60 * 24 // hours

	// recent is how many of the newest hours that kept the limit say which requests the capacity is for.
	recent = 7 * 24

	// steady is how far the number of replicas of an hour, by its GPUs, may be from a whole number above 0.
	steady = 0.04

	// alike is how far, by its logarithm, a size of a request may be from that of the requests in question where no fit tells what
	// the difference costs.
	alike = 0.2

	// edge is the part of the highest load from which an hour says something about how high it can be.
	edge = 0.8

	// leastHours is how many hours at the edge there must be, and as many beyond what is taken for the capacity, and leastRank the rank from the top that the capacity has at least: what
	// one or two hours reached by luck is not sustained. Beyond, it is the load that one in rank of them exceeds.
	leastHours = 8
	leastRank  = 3
	rank       = 20

	// leastFit is how many hours a fit takes, with a load of at least fitEdge of the capacity, and mostRounds how often they are chosen anew
	// by the fit of those before.
	leastFit   = 16
	fitEdge    = 0.85
	mostRounds = 20

	// reachedTTFT is the part of the limit that must have been seen in leastRank of the hours whose load was within reachedLoad of the
	// capacity.
	reachedTTFT = 0.9
	reachedLoad = 0.1

	// misfit is how much further the range reaches to both sides than chance says: neither are waits quite a straight line nor hours quite alike.
	misfit = 0.04
)

// guesses are proportions of x, y0 and y1 from which a fit begins: those of the published tables of section 4.2 of the cost model, y0/x being
// 0.9 to 1.8 and y1/x 0.0008 to 0.0018 there, and those of an engine that spends most of its time on decoding.
var guesses = [...]model.ThroughputFit{{X: 1, Y0: 1, Y1: 0.001}, {X: 1, Y0: 10, Y1: 0.003}}

// A reading is one hour in which what a replica did is known.
type reading struct {
	requests, input, output, cached float64 // per replica
	ttft                            float64 // as a part of the limit
	broke                           bool    // the limit
}

// tokens returns what one replica served.
func (r reading) tokens() float64 { return r.input + r.output }

// fresh returns the logarithm of the tokens to read of the mean request of r that no cache knew.
func (r reading) fresh() float64 { return math.Log(max(1, (r.input-r.cached)/r.requests)) }

// shape returns the mean request of r.
func (r reading) shape() cost.MeasuredShape {
	whole := func(tokens float64) int64 { return int64(math.Round(tokens / r.requests)) }
	return cost.MeasuredShape{
		Input: whole(r.input), Cached: whole(r.cached), Output: whole(r.output), OutputTokensPerSecond: r.output / time.Hour.Seconds(),
	}
}

// Measure returns the tokens that a replica of the engines of u can serve in an hour, with requests such as those of the last week, while the
// 95th percentile of the time to first token and the queue are inside the limit. Where waits grow slowly towards the limit that is the load at which every
// other hour comes to it (see cross); where they rise suddenly it is the load that was kept up in the hours with the highest one, three of them at least.
// A range that has no upper end says that it was not told: as much was served, and maybe more can be.
// Only hours that kept the limit count, and of them only those of which the time to first token, the
// requests and a steady number of replicas are known; where a queue is ever known it must be, and the wait in it (Little's law: requests
// waiting over requests a second) be inside the limit too. Replicas that are not known are GPUs over gpusPerReplica, 0 when that is not
// known either; where both are known and do not fit, the replicas are not those in question. GPUs whose number is unsure are not gone by.
//
// The range holds the capacity at 90 %, in about nine of ten simulated fleets. Hours that broke the limit are counted and only tell whether it was reached.
// The error says why nothing can be measured.
func Measure(u model.Usage, limit time.Duration, gpusPerReplica int64) (*model.MeasuredCapacity, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("there is no limit of the time to first token to measure it by")
	}
	if u.GPU != nil && len(u.GPU.Unsure) > 0 {
		gpusPerReplica = 0
	}
	m := &model.MeasuredCapacity{LimitSeconds: limit.Seconds()}
	hours, shape := read(u, limit, gpusPerReplica, m)
	switch {
	case len(hours) == 0:
		return nil, fmt.Errorf("of no hour are the time to first token, the requests and a steady number of replicas of that size all known")
	case shape.requests == 0:
		return nil, fmt.Errorf("no hour kept the limit of %s, %d broke it", limit, m.Broke)
	}
	m.InputPerRequest, m.OutputPerRequest = shape.input/shape.requests, shape.output/shape.requests
	m.CachedRatio = model.Fraction(shape.cached / max(1, shape.input))
	worth := exchange(hours, shape, m)
	var kept []sample
	var broke []float64 // loads
	for _, h := range hours {
		load, ok := worth(h)
		switch {
		case !ok && !h.broke:
			m.Other++
		case !ok:
		case h.broke:
			broke = append(broke, load)
		default:
			kept = append(kept, sample{load, h.fresh() - shape.fresh(), h.ttft})
		}
	}
	m.Hours = len(kept)
	if err := estimate(kept, broke, m); err != nil {
		return nil, err
	}
	if f := m.Fit; f != nil { // what it was fitted to came near the capacity
		scale := shape.tokens() / m.TokensPerHour * time.Hour.Seconds() / shape.seconds(f)
		f.X, f.Y0, f.Y1 = f.X*scale, f.Y0*scale, f.Y1*scale
	}
	return m, nil
}

// read returns the hours of which enough is known, and the requests of the newest that kept the limit, added up. The others are counted in m.
func read(u model.Usage, limit time.Duration, gpusPerReplica int64, m *model.MeasuredCapacity) (hours []reading, shape reading) {
	queues := slices.ContainsFunc(u.Serving, func(s model.Serving) bool { return s.Queued })
	for i := max(0, len(u.Hours)-past); i < min(len(u.Hours), len(u.Serving)); i++ {
		h, s := u.Hours[i], u.Serving[i]
		if !h.Measured() || h.Tokens.Total() == 0 {
			continue // nothing was served
		}
		n := s.Replicas
		if n == 0 && gpusPerReplica > 0 {
			n = s.GPUs / float64(gpusPerReplica)
		}
		unlike := gpusPerReplica > 0 && s.GPUs > 0 && math.Abs(s.GPUs/float64(gpusPerReplica)-n) > steady*n // replicas of another size
		if s.TTFTP95 == 0 || n == 0 || unlike || h.Requests == 0 || queues && !s.Queued {
			m.Unknown++
			continue
		}
		output := float64(h.Tokens[model.Output])
		r := reading{
			requests: h.Requests / n, input: (float64(h.Tokens.Total()) - output) / n, output: output / n,
			cached: float64(h.Tokens[model.CacheRead]) / n, ttft: float64(s.TTFTP95) / float64(limit),
		}
		wait := s.Waiting / (h.Requests / time.Hour.Seconds())
		r.broke = r.ttft > 1 || wait > limit.Seconds()
		switch {
		case r.broke:
			m.Broke++
		case n < 1-steady || math.Abs(n-math.Round(n)) > steady:
			m.Other++
			continue
		}
		hours = append(hours, r)
	}
	for i, n := len(hours)-1, 0; i >= 0 && n < recent; i-- {
		r := hours[i]
		if r.broke {
			continue
		}
		n++
		shape = reading{
			requests: shape.requests + r.requests, input: shape.input + r.input, output: shape.output + r.output, cached: shape.cached + r.cached,
		}
	}
	return hours, shape
}

// exchange returns what the load of an hour is in tokens of requests of shape, and false where that cannot be told: by what each request
// occupies where a fit says it, and otherwise only for hours whose requests are much the same.
func exchange(hours []reading, shape reading, m *model.MeasuredCapacity) func(reading) (float64, bool) {
	f, err := fit(hours)
	if err != nil {
		m.NotFitted = err.Error()
		return func(r reading) (float64, bool) { return r.tokens(), r.like(shape) }
	}
	m.Fit = f
	perSecond := shape.tokens() / shape.seconds(f)
	return func(r reading) (float64, bool) { return r.seconds(f) * perSecond, true }
}

// like reports whether the requests of r are of the sizes of those of s.
func (r reading) like(s reading) bool {
	same := func(a, b float64) bool {
		return a == b || math.Abs(math.Log(a/r.requests)-math.Log(b/s.requests)) <= alike
	}
	return same(r.output, s.output) && same(r.input-r.cached, s.input-s.cached)
}

// seconds returns for how long the requests of r occupy a replica at the load that f is for.
func (r reading) seconds(f *model.ThroughputFit) float64 {
	return f.X*(r.input-r.cached) + f.Y0*r.output + f.Y1*r.output*(r.input+r.output/2)/r.requests
}

// fit returns the coefficients that fit the hours at capacity best. Which those are depends on what a request of each shape costs, so a
// fit begins with a guess, takes the hours whose load is then near the highest, fits them, and goes on until they stay the same. Of
// several ends the one with the most hours counts. The error says why there is none.
func fit(hours []reading) (best *model.ThroughputFit, err error) {
	for _, guess := range guesses {
		f, wrong := refine(hours, &guess)
		if wrong == nil && (best == nil || f.Hours > best.Hours) {
			best = f
		}
		if err == nil {
			err = wrong
		}
	}
	if best != nil {
		return best, nil
	}
	return nil, err
}

// refine returns the fit that f leads to.
func refine(hours []reading, f *model.ThroughputFit) (*model.ThroughputFit, error) {
	var last error
	for range mostRounds {
		var loads []float64
		for _, r := range hours {
			if !r.broke {
				loads = append(loads, r.seconds(f))
			}
		}
		level, n := sustained(loads)
		if n == 0 {
			return nil, fmt.Errorf("%d hours kept the limit, want at least %d", len(loads), leastFit)
		}
		var shapes []cost.MeasuredShape
		for _, r := range hours {
			if !r.broke && r.seconds(f) >= fitEdge*level {
				shapes = append(shapes, r.shape())
			}
		}
		if len(shapes) < leastFit {
			return nil, fmt.Errorf("%d hours had a load near the highest, want at least %d", len(shapes), leastFit)
		}
		c, miss, err := cost.FitThroughput(shapes)
		if c.X == nil {
			return nil, err
		}
		value := func(r *big.Rat) float64 { // on the way a coefficient may be rejected that is not in the end
			v, _ := r.Float64()
			return max(0, v)
		}
		next := &model.ThroughputFit{X: value(c.X), Y0: value(c.Y0), Y1: value(c.Y1), Hours: len(shapes), MissRatio: model.Fraction(miss)}
		if last = err; *next == *f {
			break
		}
		f = next
	}
	if last != nil {
		return nil, last
	}
	return f, nil
}

// sustained returns the load that was kept up, and how many of the loads are near enough to the highest to tell; loads is sorted by it,
// the highest first. Both are 0 where there are too few.
func sustained(loads []float64) (level float64, near int) {
	slices.SortFunc(loads, func(a, b float64) int { return cmp.Compare(b, a) })
	for len(loads) >= leastHours && near < len(loads) && loads[near] >= edge*loads[leastRank-1] {
		near++
	}
	if near < leastHours {
		return 0, 0
	}
	return loads[rankOf(near)-1], near
}

// rankOf returns which of n loads near the highest one is sustained, from the top.
func rankOf(n int) int { return max(leastRank, int(math.Round(float64(n)/rank))) }

// estimate fills in the capacity that the hours which kept the limit show; broke are the loads of those that did not, which only tell whether it was reached.
func estimate(kept []sample, broke []float64, m *model.MeasuredCapacity) error {
	loads := make([]float64, len(kept))
	for i, s := range kept {
		loads[i] = s.load
	}
	level, n := sustained(loads)
	if n == 0 {
		return fmt.Errorf("of %d hours that kept the limit with requests such as now too few had a load near the highest, want at least %d; %d with others do not count, since %s",
			len(kept), leastHours, m.Other, cmp.Or(m.NotFitted, "replicas came or went in them"))
	}
	k := rankOf(n)
	spread := int(math.Ceil(z * math.Sqrt(float64(n)*(1.0/rank)*(1-1.0/rank))))
	low, high := loads[min(n, k+spread)-1], loads[max(1, k-spread)-1]
	c, err := cross(kept, level)
	if err != nil {
		return err
	}
	served := level
	if c != nil { // and by luck some hours beyond kept the limit
		level, low, high = c.at, c.low, c.high
	}
	if tried(kept, broke, level) {
		m.High = new((1 + misfit) * max(high, level))
	} else { // what a line says beyond what was served was not tried
		level = min(level, served)
	}
	m.TokensPerHour, m.Low = level, (1-misfit)*min(low, level)
	return nil
}

// tried reports whether there were hours enough with a load of level or more to tell that it is the capacity, at which by its definition every other hour breaks the limit,
// and some near it that came to the limit. Where a line comes to it beyond what was tried is no more than a guess, which was up to a fifth too low in simulated fleets.
func tried(kept []sample, broke []float64, level float64) bool {
	near, beyond, broken := 0, 0, 0
	at := func(load float64, reached, broke bool) {
		if reached && math.Abs(load/level-1) <= reachedLoad {
			near++
		}
		if load >= level {
			beyond++
			if broke {
				broken++
			}
		}
	}
	for _, s := range kept {
		at(s.load, s.ttft >= reachedTTFT, false)
	}
	for _, load := range broke {
		at(load, true, true)
	}
	return near >= leastRank && beyond >= leastHours && 2*broken >= beyond
}
