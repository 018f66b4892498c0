package capacity_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"tipline/model"
)

// A fleet is a simulated engine deployment with known coefficients: every replica has slots that a request holds for slots·s(a, b)
// seconds, s being the seconds of section 4.2 of the cost model, so that a replica serves at most 1/s requests a second.
type fleet struct {
	x, y0, y1 float64 // seconds; see cost.Coefficients
	slots     int
	prefill   float64 // latency of the prefill of an input token while nothing else runs, as a multiple of x
	crowding  float64 // how much longer the prefill takes when all slots are busy
	variation float64 // standard deviation of the logarithm of the tokens of a request
}

// shape is what the requests of an hour are like on average.
type shape struct{ input, output, cached float64 }

func (f fleet) seconds(a, b, cached float64) float64 {
	return f.x*(a-cached) + f.y0*b + f.y1*b*(a+b/2)
}

type times []float64

func (h times) Len() int           { return len(h) }
func (h times) Less(i, j int) bool { return h[i] < h[j] }
func (h times) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *times) Push(v any)        { *h = append(*h, v.(float64)) }
func (h *times) Pop() any          { v := (*h)[len(*h)-1]; *h = (*h)[:len(*h)-1]; return v }

// replica is one engine.
type replica struct{ free times }

func (f fleet) replica(now float64) *replica {
	r := &replica{make(times, f.slots)}
	for i := range r.free {
		r.free[i] = now
	}
	return r
}

// hourOf is what is counted in an hour.
type hourOf struct {
	input, output, cached, requests float64
	ttft                            []float64
	waited                          float64 // seconds that requests waited, whose share of the hour is the mean queue
}

// serve lets one request arrive at t. What is counted is counted when the request begins to be served.
func (f fleet) serve(r *replica, rng *rand.Rand, t float64, s shape, count func(at float64) *hourOf) {
	spread := func(mean float64) float64 {
		return mean * math.Exp(f.variation*rng.NormFloat64()-f.variation*f.variation/2)
	}
	a, b := max(1, math.Round(spread(s.input))), max(1, math.Round(spread(s.output)))
	cached := math.Round(a * s.cached)
	begin := max(t, r.free[0])
	busy := 0
	for _, until := range r.free {
		if until > begin {
			busy++
		}
	}
	hold := float64(f.slots) * f.seconds(a, b, cached)
	r.free[0] = begin + hold
	heap.Fix(&r.free, 0)
	first := f.x * (a - cached) * f.prefill * (1 + f.crowding*float64(busy)/float64(f.slots))
	h := count(begin)
	h.ttft = append(h.ttft, begin-t+first)
	h.input, h.output, h.cached, h.requests = h.input+a, h.output+b, h.cached+cached, h.requests+1
	for at := t; at < begin; { // the queue, hour by hour
		end := min(begin, (math.Floor(at/3600)+1)*3600)
		count(at).waited += end - at
		at = end
	}
}

// demandOf is what arrives in one hour.
type demandOf struct {
	requests float64 // of all replicas together
	shape    shape
	replicas int
}

// run lets the requests of every hour arrive evenly at random, over the replicas at random, and returns what is measured.
func (f fleet) run(rng *rand.Rand, hours []demandOf) []hourOf {
	counted := make([]hourOf, len(hours)+1)
	count := func(at float64) *hourOf { return &counted[min(len(hours), int(at/3600))] }
	var replicas []*replica
	for i, d := range hours {
		start := float64(i) * 3600
		for len(replicas) < d.replicas {
			replicas = append(replicas, f.replica(start))
		}
		replicas = replicas[:d.replicas]
		for t := start; ; {
			t += rng.ExpFloat64() * 3600 / d.requests
			if t >= start+3600 {
				break
			}
			f.serve(replicas[rng.IntN(len(replicas))], rng, t, d.shape, count)
		}
	}
	return counted[:len(hours)]
}

func p95(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[int(0.95*float64(len(values)))]
}

// capacity returns the tokens per hour that a replica serves of shape s while the 95th percentile of the time to first token is just
// inside the limit, by long runs at a constant load.
func (f fleet) capacity(s shape, limit time.Duration) float64 {
	low, high := 0.1, 1.0
	for range 11 {
		u := (low + high) / 2
		rate := u * 3600 / f.seconds(s.input, s.output, s.input*s.cached)
		hours := make([]demandOf, 60)
		for i := range hours {
			hours[i] = demandOf{rate, s, 1}
		}
		var all []float64
		served := f.run(rand.New(rand.NewPCG(7, 7)), hours)
		for _, h := range served[6:] {
			all = append(all, p95(h.ttft))
		}
		slices.Sort(all)
		if all[len(all)/2] <= limit.Seconds() {
			low = u
		} else {
			high = u
		}
	}
	rate := low * 3600 / f.seconds(s.input, s.output, s.input*s.cached)
	return rate * (s.input + s.output)
}

// usage returns what a collector keeps of a run.
func (f fleet) usage(rng *rand.Rand, hours []demandOf) model.Usage {
	return usageOf(f.run(rng, hours), func(i int) int { return hours[i].replicas })
}
