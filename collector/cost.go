package collector

import (
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
	Series   int           // of an answer
	Samples  int           // of an answer
	Bytes    int64         // of an answer, after decompression
	Took     time.Duration // until an answer had been read, or was given up
	Peak     int           // samples that the server held at once for it; 0 where it does not say
}

// ChunkHours is how many hours the hourly queries ask for at once where the server agrees.
const ChunkHours = chunkHours

// Costs returns what the queries of c, which has Settings.Costs, took since it was made, in the order in which they are sent; those that were not sent are left out.
func (c *Collector) Costs() []Cost {
	c.mu.Lock()
	hours, engines := c.chunk.hours, c.served.hours
	c.mu.Unlock()
	all := []struct {
		name, expr string
		hours      int
	}{
		{"hours", c.queries.hourly, hours},
		{"stores behind it", storesPath, 0},
		{"beginning of the history", c.since(), 0},
		{"engines", c.queries.served, engines},
		{"GPU devices", c.queries.devices, 0},
		{"time to first token", c.queries.ttft, 0},
		{"GPUs", c.queries.gpu, 0},
		{"lengths of prompts", c.queries.prompts, 0},
		{"prices of GPUs", c.queries.cost, 0},
		{"failures", c.queries.daily, 0},
		{"names and replicas", c.queries.watched, 0},
		{"types of metrics", metadataPath, 0},
		{"versions", c.queries.versions, 0},
		{"tokens of no workload", c.queries.dark, 0},
	}
	var costs []Cost
	for _, q := range all {
		if cost, asked := c.client.costs.of(q.expr); asked {
			cost.Query, cost.Signals, cost.Hours = q.name, signalsOf(q.expr), q.hours
			costs = append(costs, cost)
		}
	}
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
	all := c.by[expr]
	c.by[expr] = Cost{
		Requests: all.Requests + one.Requests, Series: max(all.Series, one.Series), Samples: max(all.Samples, one.Samples), Bytes: max(all.Bytes, one.Bytes),
		Took: max(all.Took, one.Took), Peak: max(all.Peak, one.Peak),
	}
}

// measure begins to measure what an answer to expr costs, until measured is called. The client has a clock.
func (c *client) measure(expr string) (cost *Cost, measured func()) {
	cost, begun := &Cost{}, c.clock()
	return cost, func() {
		cost.Took = c.clock().Sub(begun)
		c.costs.add(expr, *cost)
	}
}

// of returns what expr took, and false when it was not asked.
func (c *costs) of(expr string) (Cost, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cost, asked := c.by[expr]
	return cost, asked
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
