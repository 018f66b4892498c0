package collector

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Cost is what one of the queries of a source took, of several answers the most of each.
type Cost struct {
	Query    string        // what it asks for
	Signals  []string      // that it reads, in their order; empty where there is only what Query says
	Requests int           // times that it was sent
	Hours    int           // that it asks for at once by now; 0 of one about an instant or the last day
	Parts    int           // in which it asks for them by now, see cut; 0 of one that is never divided
	Series   int           // of an answer
	Samples  int           // of an answer
	Bytes    int64         // of an answer, after decompression
	Took     time.Duration // until an answer had been read, or was given up
	Peak     int           // samples that the server held at once for it; 0 where it does not say
}

// ChunkHours is how many hours the hourly queries ask for at once where the server agrees.
const ChunkHours = chunkHours

// Costs returns what the queries of c, which has Settings.Costs, took since it was made, in the order in which the first collection sends them; those that were not sent are left out.
func (c *Collector) Costs() []Cost {
	c.mu.Lock()
	hours, engines, cuts := c.chunk.hours, c.served.hours, slices.Clone(c.chunk.cuts)
	c.mu.Unlock()
	var costs []Cost
	add := func(name string, hours, parts int, exprs ...string) {
		all := Cost{Query: name, Signals: signalsOf(exprs[0]), Hours: hours, Parts: parts}
		for _, expr := range exprs {
			all = all.with(c.client.costs.of(expr))
		}
		if all.Requests > 0 {
			costs = append(costs, all)
		}
	}
	whole := []string{c.queries.hourly}
	for n := range cuts { // each has divided the parts before it, which were asked for until it came
		for _, sides := range partsOf(cuts[:n+1]) {
			whole = append(whole, c.among(sides))
		}
	}
	add("hours", hours, 1<<len(cuts), whole...)
	add("sizes of workloads", 0, 0, c.sizes())
	add("stores behind it", 0, 0, storesPath)
	add("beginning of the history", 0, 0, c.since())
	add("engines", engines, 0, c.queries.served)
	add("versions", 0, 0, c.queries.versions)
	add("GPU devices", 0, 0, c.queries.devices)
	add("time to first token", 0, 0, c.queries.ttft)
	add("GPUs", 0, 0, c.queries.gpu)
	add("prices of GPUs", 0, 0, c.queries.cost)
	add("lengths of prompts", 0, 0, c.queries.prompts)
	add("failures", 0, 0, c.queries.daily)
	add("names and replicas", 0, 0, c.queries.watched)
	add("replicas alone", 0, 0, c.queries.scrapes)
	add("types of metrics", 0, 0, metadataPath)
	add("tokens of no workload", 0, 0, c.queries.dark)
	return costs
}

// signalsOf returns the signals that expr marks series with, in their order and once each, without those that are only looked for.
func signalsOf(expr string) []string {
	var signals []string
	for i, part := range strings.Split(expr, `"`+signalLabel+`", "`) {
		if name, _, _ := strings.Cut(part, `"`); i > 0 && name != "/" && !strings.HasPrefix(name, wantedSignal) && !slices.Contains(signals, name) { // label_join names what it joins with
			signals = append(signals, name)
		}
	}
	return signals
}

// with returns c with what one answer, or several, took beside it.
func (c Cost) with(one Cost) Cost {
	c.Requests += one.Requests
	c.Series, c.Samples, c.Bytes = max(c.Series, one.Series), max(c.Samples, one.Samples), max(c.Bytes, one.Bytes)
	c.Took, c.Peak = max(c.Took, one.Took), max(c.Peak, one.Peak)
	return c
}

// costs are what the queries of a client took, by their expressions.
type costs struct {
	mu sync.Mutex
	by map[string]Cost // guarded by mu
}

// add takes over what one answer to expr took.
func (c *costs) add(expr string, one Cost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]Cost{}
	}
	c.by[expr] = c.by[expr].with(one)
}

// limited gives an answer to expr as long as a query may take, and where the client has a clock measures what it costs, until done is called; without one cost is nil.
func (c *client) limited(ctx context.Context, expr string) (limited context.Context, cost *Cost, done func()) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	if c.clock == nil {
		return ctx, nil, cancel
	}
	cost, begun := &Cost{}, c.clock()
	return context.WithValue(ctx, costKey{}, cost), cost, func() {
		cancel()
		cost.Took = c.clock().Sub(begun)
		c.costs.add(expr, *cost)
	}
}

// of returns what expr took, nothing when it was not asked.
func (c *costs) of(expr string) Cost {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[expr]
}

// costKey is where the context of a request holds the *Cost of its answer.
type costKey struct{}

// counting returns a taker that counts in c what it gives to next.
func (c *Cost) counting(next taker) taker {
	return func(labels []label, points []point) error {
		c.Series++
		c.Samples += len(points)
		return next(labels, points)
	}
}

// peakOf returns how many samples a server says that it held at once for an answer; 0 when it does not say.
func peakOf(answer []byte) int {
	var said struct {
		Data struct {
			Stats struct {
				Samples struct {
					Peak int `json:"peakSamples"`
				} `json:"samples"`
			} `json:"stats"`
		} `json:"data"`
	}
	if json.Unmarshal(answer, &said) != nil { // the client library judges the answer
		return 0
	}
	return said.Data.Stats.Samples.Peak
}
