package collector

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// fetchServing asks how the engines did in the hours of todo, and keeps the answers, newest first. A query that fails is a warning, and its
// hours are asked for again; the error is about the history, which was not written.
func (c *Collector) fetchServing(ctx context.Context, now time.Time, todo []span) ([]model.Warning, error) {
	var warnings []model.Warning
	for len(todo) > 0 {
		batch := todo[:min(c.settings.Concurrency, len(todo))]
		todo = todo[len(batch):]
		answers, errs := c.askWhole(ctx, now, c.queries.served, &c.served, batch)
		for i, asked := range batch {
			if errs[i] != nil {
				c.log.WarnContext(ctx, "engines not read", "from", asked.From, "to", asked.To, "error", errs[i])
				warnings = append(warnings, model.Warning{Code: ServingFailed, Text: errs[i].Error()})
				return warnings, c.save()
			}
			for _, a := range answers[i] {
				warnings = append(warnings, a.notes...)
			}
			c.keepServing(asked, answers[i])
		}
		if err := c.save(); err != nil {
			return warnings, err
		}
	}
	return warnings, nil
}

// planServing returns the spans to ask for how the engines did at now, newest first: those of the tokens that the history holds, in the part
// that plan is about.
func (c *Collector) planServing(now time.Time, older bool) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queries.served == "" || len(c.archive.series) == 0 {
		return nil
	}
	if asks := shortHash(c.queries.served); asks != c.archive.record.Asks { // it says something else now
		c.archive.setRecord(func(r *record) { r.Served, r.Asks = nil, asks })
	}
	window := c.partLocked(now, older)
	begins := window.To
	for _, s := range c.archive.series {
		if !s.first.IsZero() {
			begins = earlier(begins, s.first.Truncate(24*time.Hour))
		}
	}
	window.From = later(window.From, begins)
	return c.archive.record.Served.missing(window).chunks(c.served.hours)
}

// keepServing takes over the answers about one chunk. An hour whose tokens are asked for again is asked for again here too.
func (c *Collector) keepServing(asked span, answers []answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range answers {
		c.addServing(a)
	}
	settled := spans{asked}
	for _, gap := range c.archive.record.Settled.missing(asked) {
		settled = settled.without(gap)
	}
	served := c.archive.record.Served
	for _, s := range settled {
		served = served.with(s)
	}
	if !slices.Equal(served, c.archive.record.Served) {
		c.archive.setRecord(func(r *record) { r.Served = served })
	}
}

// addServing takes over what an answer says of the engines of the workloads that are known. GPUs are given to a workload in the hours in
// which no other was seen in their scope.
func (c *Collector) addServing(a answer) {
	gpus, users := c.attachedGPUs(a)
	for key, s := range c.archive.series {
		if key == othersKey {
			continue
		}
		g := a.groups[key]
		if g == nil {
			g = &group{}
		}
		var attached []cell
		var sharing []int
		if c.settings.GPUs != nil {
			scope, _ := c.gpuScope(s.labels)
			attached, sharing = gpus[scope], users[scope]
		}
		for i := range a.span.hours() {
			h := g.serving(i)
			if attached != nil && sharing[i] == 1 {
				h.GPUs, _ = attached[i].check(1e6)
			}
			c.archive.putServing(s, a.span.From.Add(time.Duration(i)*time.Hour), h)
		}
	}
}

// attachedGPUs returns the GPUs of every scope, and how many workloads were seen in it, hour by hour.
func (c *Collector) attachedGPUs(a answer) (gpus map[string][]cell, users map[string][]int) {
	if c.settings.GPUs == nil {
		return nil, nil
	}
	gpus, users = map[string][]cell{}, map[string][]int{}
	for g := range a.all() {
		if cells := g.column(gpuCount).cells; cells != nil {
			scope, _ := c.gpuScope(g.labels)
			gpus[scope], users[scope] = cells, make([]int, len(cells))
		}
	}
	for key, s := range c.archive.series {
		if key == othersKey {
			continue
		}
		scope, _ := c.gpuScope(s.labels)
		for i := range users[scope] {
			if hour := c.archive.at(s, a.span.From.Add(time.Duration(i)*time.Hour)); hour.Measured() {
				users[scope][i]++
			}
		}
	}
	return gpus, users
}

// serving returns what g says of the engines in the i-th hour. What cannot be believed is not known.
func (g *group) serving(i int) model.Serving {
	var h model.Serving
	first := g.at(ttftP95, i)
	if first.seen == 1 && math.IsInf(first.value, 1) { // above the last bucket
		first.value = time.Hour.Seconds()
	}
	seconds, _ := first.check(time.Hour.Seconds()) // NaN when idle
	h.TTFTP95 = time.Duration(math.Round(seconds * float64(time.Second)))
	h.Replicas, _ = g.at(replicas, i).check(1e6)
	queue := g.at(waiting, i)
	n, wrong := queue.check(maxRequestsPerHour)
	if queue.seen == 1 && wrong == 0 {
		h.Waiting, h.Queued = n, true
	}
	return h
}

// putServing takes over what a new answer says of the engines of s in the hour that begins at t; what it does not say stays as it was.
func (a *archive) putServing(s *series, t time.Time, h model.Serving) {
	if h == (model.Serving{}) {
		return
	}
	d, i := dateOf(t)
	o := a.serving(s, d)
	at := &o.hours[i]
	h.TTFTP95 = cmp.Or(h.TTFTP95, at.TTFTP95)
	h.Replicas, h.GPUs = cmp.Or(h.Replicas, at.Replicas), cmp.Or(h.GPUs, at.GPUs)
	if !h.Queued {
		h.Waiting, h.Queued = at.Waiting, at.Queued
	}
	if h != *at {
		*at, o.changed = h, true
	}
}

// servingVersion is the first byte of a stored servingDay.
const servingVersion = 1

// A servingDay is 24 hours from midnight UTC of the engines of one workload. It is stored as
//
//	version     1 byte
//	24 hours    each: 1 byte with a bit per value that is known (time to first token in seconds, replicas, GPUs, waiting
//	            requests, from the lowest bit), then those values as float64, little endian
//	checksum    as that of a day
type servingDay [24]model.Serving

// servingValues returns the numbers of h and which of them are known.
func servingValues(h model.Serving) (values [4]float64, known [4]bool) {
	values = [4]float64{h.TTFTP95.Seconds(), h.Replicas, h.GPUs, h.Waiting}
	return values, [4]bool{h.TTFTP95 > 0, h.Replicas > 0, h.GPUs > 0, h.Queued}
}

// encodeServing appends the stored form of d to b.
func encodeServing(b []byte, d *servingDay) []byte {
	begin := len(b)
	b = append(b, servingVersion)
	for _, h := range d {
		values, known := servingValues(h)
		at := len(b)
		b = append(b, 0)
		for bit, v := range values {
			if known[bit] {
				b[at] |= 1 << bit
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
	}
	return sealed(b, begin)
}

// decodeServing reads the stored form of a servingDay into d. What encodeServing would not have written is an error.
func decodeServing(b []byte, d *servingDay) error {
	b, err := unsealed(b, servingVersion)
	if err != nil {
		return err
	}
	*d = servingDay{}
	for i := range d {
		if len(b) < 1 {
			return fmt.Errorf("%w: ends in hour %d", errDay, i)
		}
		mask := b[0]
		b = b[1:]
		var values [4]float64
		for bit := range values {
			if mask&(1<<bit) == 0 {
				continue
			}
			if len(b) < 8 {
				return fmt.Errorf("%w: ends in hour %d", errDay, i)
			}
			values[bit] = math.Float64frombits(binary.LittleEndian.Uint64(b))
			b = b[8:]
		}
		d[i] = model.Serving{
			TTFTP95:  time.Duration(math.Round(values[0] * float64(time.Second))),
			Replicas: values[1], GPUs: values[2], Waiting: values[3], Queued: mask&8 != 0,
		}
		again, known := servingValues(d[i])
		for bit, v := range values {
			if again[bit] != v || known[bit] != (mask&(1<<bit) != 0) || math.IsInf(v, 0) || v < 0 {
				return fmt.Errorf("%w: hour %d has %v", errDay, i, values)
			}
		}
		if mask>>len(values) != 0 {
			return fmt.Errorf("%w: hour %d has values that are not known", errDay, i)
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errDay, len(b))
	}
	return nil
}
