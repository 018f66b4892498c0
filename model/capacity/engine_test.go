package capacity_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"tipline/model"
)

// A batcher is a simulated engine that serves requests in iterations, as those with continuous batching and chunked prefill do: an iteration
// takes the next tokens of every request that is being answered and, up to chunk, those of prompts that are not read yet, in the order of their
// arrival. Nothing of what it does is a formula of the cost model: what a replica of it can do is only found by trying.
type batcher struct {
	step      float64 // seconds of an iteration
	prefill   float64 // and of it for a token of a prompt
	attention float64 // times its place in the prompt
	decode    float64 // for a request that is being answered
	context   float64 // for a token of those requests
	chunk     float64 // tokens of prompts in an iteration
	slots     int     // requests at once
	cache     float64 // tokens of them
}

// A class is a kind of requests whose sizes are spread about the mean ones by variation, the standard deviation of their logarithm.
type class struct {
	share, input, output, cached, variation float64
}

// A request is one of them.
type request struct {
	arrival, input, cached, output float64
	left, last                     float64 // tokens of the prompt to read, and the iteration at which it ends
}

type running []*request

func (h running) Len() int           { return len(h) }
func (h running) Less(i, j int) bool { return h[i].last < h[j].last }
func (h running) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *running) Push(v any)        { *h = append(*h, v.(*request)) }
func (h *running) Pop() any          { v := (*h)[len(*h)-1]; *h = (*h)[:len(*h)-1]; return v }

// answer serves requests, which are in the order of their arrival, until there is nothing left or the time is end, and counts what happens.
func (e batcher) answer(requests []*request, end float64, count func(at float64) *hourOf) {
	var queue, reading []*request
	var answering running
	var now, steps, context, held float64
	arrive := func() {
		for len(requests) > 0 && requests[0].arrival <= now {
			queue, requests = append(queue, requests[0]), requests[1:]
		}
	}
	for now < end {
		arrive()
		for len(queue) > 0 && len(reading)+len(answering) < e.slots && (held == 0 || held+queue[0].input+queue[0].output <= e.cache) {
			r := queue[0]
			r.left = r.input - r.cached
			held += r.input + r.output
			reading, queue = append(reading, r), queue[1:]
		}
		n := float64(len(answering))
		var took, done float64 // seconds and iterations
		var read []*request
		switch {
		case len(reading) > 0:
			done, took = 1, e.step+e.decode*n+e.context*context
			for room := e.chunk; room > 0 && len(reading) > 0; {
				r := reading[0]
				part := min(room, r.left)
				took += part * (e.prefill + e.attention*(r.input-r.left+part/2))
				r.left -= part
				if room -= part; r.left == 0 {
					read, reading = append(read, r), reading[1:]
				}
			}
		case n > 0:
			each := e.step + e.decode*n + e.context*context // and context grows by n with each
			done = answering[0].last - steps
			if len(requests) > 0 {
				slope := e.context * n / 2
				until := requests[0].arrival - now
				k := until / each
				if slope > 0 {
					b := each - slope
					k = (-b + math.Sqrt(b*b+4*slope*until)) / (2 * slope)
				}
				done = min(done, max(1, math.Ceil(k)))
			}
			took = done*each + e.context*n*done*(done-1)/2
		case len(requests) > 0:
			now = requests[0].arrival
			continue
		default:
			return
		}
		for from, to := now, now+took; from < to; {
			until := min(to, (math.Floor(from/3600)+1)*3600)
			h := count(from)
			h.output += n * done * (until - from) / took
			h.waited += float64(len(queue)) * (until - from)
			from = until
		}
		now, steps, context = now+took, steps+done, context+n*done
		for len(answering) > 0 && answering[0].last <= steps {
			r := heap.Pop(&answering).(*request)
			context -= r.input + r.output
			held -= r.input + r.output
			count(now).requests++
		}
		for _, r := range read {
			h := count(now)
			h.ttft = append(h.ttft, now-r.arrival)
			h.input, h.cached, h.output = h.input+r.input, h.cached+r.cached, h.output+1
			r.last = steps + r.output - 1
			if r.output == 1 {
				held -= r.input + r.output
				h.requests++
				continue
			}
			context += r.input + 1
			heap.Push(&answering, r)
		}
	}
}

// A loadOf is what arrives in one hour.
type loadOf struct {
	requests float64 // of all replicas together
	mix      []class
	replicas int
}

// draw returns a request of mix at t.
func draw(rng *rand.Rand, mix []class, t float64) *request {
	var c class
	for p, i := rng.Float64(), 0; p >= 0 && i < len(mix); i++ {
		c = mix[i]
		p -= c.share
	}
	spread := func(mean float64) float64 {
		return max(1, math.Round(mean*math.Exp(c.variation*rng.NormFloat64()-c.variation*c.variation/2)))
	}
	r := &request{arrival: t, input: spread(c.input), output: spread(c.output)}
	r.cached = min(r.input-1, math.Round(r.input*c.cached))
	return r
}

// run serves what arrives in the hours, each request by a replica at random, and returns what is counted.
func (e batcher) run(rng *rand.Rand, hours []loadOf) []hourOf {
	counted := make([]hourOf, len(hours)+1)
	count := func(at float64) *hourOf { return &counted[min(len(hours), int(at/3600))] }
	var at [][]*request // by replica
	for i, d := range hours {
		start := float64(i) * 3600
		for t := start; ; {
			t += rng.ExpFloat64() * 3600 / d.requests
			if t >= start+3600 {
				break
			}
			for len(at) < d.replicas {
				at = append(at, nil)
			}
			k := rng.IntN(d.replicas)
			at[k] = append(at[k], draw(rng, d.mix, t))
		}
	}
	for _, requests := range at {
		e.answer(requests, float64(len(hours))*3600, count)
	}
	return counted[:len(hours)]
}

// mean returns the mean tokens of a request of mix.
func mean(mix []class) (input, output float64) {
	for _, c := range mix {
		input, output = input+c.share*c.input, output+c.share*c.output
	}
	return input, output
}

// capacity returns the tokens per hour that each of n replicas serves of mix while the 95th percentile of the time to first token of every
// other hour is inside the limit, by long runs at a constant load; 0 where it is not however low the load is.
func (e batcher) capacity(mix []class, n int, limit time.Duration) float64 {
	keeps := func(rate float64) bool {
		hours := slices.Repeat([]loadOf{{rate * float64(n), mix, n}}, 2+max(30, min(200, int(40000/rate))))
		var all []float64
		for _, h := range e.run(rand.New(rand.NewPCG(7, 7)), hours)[2:] {
			all = append(all, p95(h.ttft))
		}
		slices.Sort(all)
		return all[len(all)/2] <= limit.Seconds()
	}
	low, high := 2.0, 4.0
	if !keeps(low) {
		return 0
	}
	for keeps(high) {
		low, high = high, 2*high
	}
	for high/low > 1.01 {
		if mid := math.Sqrt(low * high); keeps(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	input, output := mean(mix)
	return low * (input + output)
}

// usageOf returns what a collector keeps of hours in which so many replicas ran.
func usageOf(counted []hourOf, replicas func(hour int) int) model.Usage {
	u := model.Usage{Workload: "chat", Source: "engines", Start: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)}
	for i, h := range counted {
		u.Hours = append(u.Hours, model.Hour{
			Tokens:   model.Volume{model.Input: model.Tokens(h.input - h.cached), model.CacheRead: model.Tokens(h.cached), model.Output: model.Tokens(h.output)},
			Requests: h.requests, Coverage: 1,
		})
		u.Serving = append(u.Serving, model.Serving{
			TTFTP95: time.Duration(p95(h.ttft) * float64(time.Second)), Replicas: float64(replicas(i)), Waiting: h.waited / 3600, Queued: true,
		})
	}
	return u
}
