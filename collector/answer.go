package collector

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

const (
	// maxTokensPerHour is more than all public model providers together serve; a larger number is a broken counter.
	maxTokensPerHour = 1e14

	// maxRequestsPerHour is the same for requests.
	maxRequestsPerHour = 1e12

	// maxResets is how often one series may fall within an hour before the hour is not believed. A restart is one; a
	// process that takes minutes to load a model cannot restart often. Several workers that take turns in answering
	// scrapes fall at every second one.
	maxResets = 3

	// cacheSlack is how far cache reads may exceed the input that contains them: the server extrapolates the two apart.
	cacheSlack = 0.01
)

// An answer is what the server says about the workloads in a run of hours.
type answer struct {
	span   span
	groups map[string]*group // by canonical labels
	notes  []model.Warning

	groupBy []string
	found   map[string]*group // by the values of groupBy one after the other
	scratch []byte
}

// A group is the answer about one workload.
type group struct {
	labels map[string]string
	cells  map[signal][]cell // one cell an hour
}

// A cell is one value, and how many were given for it.
type cell struct {
	value float64
	seen  int
}

// hour is one hour of one workload, with what is doubtful about it.
type hour struct {
	model.Hour
	notes note
}

func newAnswer(s span, groupBy []string) answer {
	return answer{span: s, groups: map[string]*group{}, groupBy: groupBy, found: map[string]*group{}}
}

// take sorts a series by workload, signal and hour. The point at t is about the hour that ends at t.
func (a *answer) take(labels []label, points []point) error {
	g := a.group(labels)
	name := value(labels, signalLabel)
	cells := g.cells[signal(name)]
	if cells == nil {
		cells = make([]cell, a.span.hours())
		g.cells[signal(name)] = cells
	}
	from := a.span.From.UnixMilli()
	for _, p := range points {
		since := p.at - from
		i := int(since/hourMillis) - 1
		if since%hourMillis != 0 || i < 0 || i >= len(cells) {
			return &Error{Reason: BadAnswer, Text: fmt.Sprintf("a sample at %s, want whole hours after %s up to %s",
				time.UnixMilli(p.at).UTC().Format(time.RFC3339), a.span.From.Format(time.RFC3339), a.span.To.Format(time.RFC3339))}
		}
		cells[i] = cell{p.value, cells[i].seen + 1}
	}
	return nil
}

const hourMillis = int64(time.Hour / time.Millisecond)

// group returns the group of a series, a new one when it is the first of its workload.
func (a *answer) group(labels []label) *group {
	a.scratch = a.scratch[:0]
	for _, name := range a.groupBy {
		v := value(labels, name)
		a.scratch = append(binary.AppendUvarint(a.scratch, uint64(len(v))), v...)
	}
	if g := a.found[string(a.scratch)]; g != nil {
		return g
	}
	g := &group{labels: make(map[string]string, len(a.groupBy)), cells: make(map[signal][]cell, len(hourly))}
	for _, name := range a.groupBy {
		g.labels[name] = string(value(labels, name))
	}
	a.found[string(a.scratch)] = g
	a.groups[canonical(g.labels)] = g
	return g
}

// value returns the value of a label, nil when it is missing.
func value(labels []label, name string) []byte {
	for _, l := range labels {
		if string(l.name) == name {
			return l.value
		}
	}
	return nil
}

// identify returns the labels that make a workload and one string for them. A label that is missing is empty.
func identify(metric prommodel.Metric, groupBy []string) (labels map[string]string, key string) {
	labels = make(map[string]string, len(groupBy))
	for _, name := range groupBy {
		labels[name] = string(metric[prommodel.LabelName(name)])
	}
	return labels, canonical(labels)
}

// canonical writes labels as one string, the same for the same labels and for no others.
func canonical(labels map[string]string) string {
	values := make(url.Values, len(labels))
	for name, value := range labels {
		values.Set(name, value)
	}
	return values.Encode()
}

// at returns the cell of a signal in the i-th hour.
func (g *group) at(s signal, i int) cell {
	if cells := g.cells[s]; cells != nil {
		return cells[i]
	}
	return cell{}
}

// counts reports whether an hour of g counts something of s.
func (g *group) counts(s signal) bool {
	return slices.ContainsFunc(g.cells[s], func(c cell) bool { return c.value > 0 })
}

// check returns the value of a cell, 0 if there is none, and what is wrong with it when it must lie in [0, most].
func (c cell) check(most float64) (float64, note) {
	switch {
	case c.seen > 1:
		return 0, noteDuplicate
	case math.IsNaN(c.value) || math.IsInf(c.value, 0):
		return 0, noteNotFinite
	case c.value < 0:
		return 0, noteNegative
	case c.value > most:
		return 0, noteOutOfRange
	}
	return c.value, 0
}

// rules is how the cells of one source become tokens per class.
type rules struct {
	includesCache    bool            // input counts cache reads and writes too
	zeroIfAbsent     map[signal]bool // counters that are written only when not zero
	countsRequests   bool            // the source has a query for requests
	countsCacheWrite bool            // the source has a query for cache writes
}

// hour judges the i-th hour of g, which belongs to a workload that generates or does not. What cannot be believed has coverage 0 and no tokens.
func (r rules) hour(g *group, i int, generates bool) hour {
	seen, notes := g.at(coverage, i).check(1 + 1e-9)
	if falls, n := g.at(resets, i).check(math.MaxFloat64); n != 0 || falls > maxResets {
		notes |= n
		if falls > maxResets {
			notes |= noteSawtooth
		}
	}
	in, n := g.at(input, i).check(maxTokensPerHour)
	notes |= n
	out, n := g.at(output, i).check(maxTokensPerHour)
	notes |= n
	if g.at(input, i).seen == 0 || g.at(output, i).seen == 0 && (generates || !r.zeroIfAbsent[output]) {
		if seen < float64(model.CoverageFloor) {
			return hour{notes: notes & noteRefused} // not enough samples for an increase
		}
		notes |= noteMissing
	}
	var h hour
	h.Tokens, n = r.split(g, i, in)
	notes |= n
	h.Tokens[model.Output] = model.Tokens(out)
	if r.countsRequests {
		c := g.at(requests, i)
		count, n := c.check(maxRequestsPerHour)
		if n != 0 || c.seen == 0 {
			notes |= noteRequests
		}
		h.Requests = count
	} else {
		notes |= noteRequests
	}
	if notes&noteRefused != 0 {
		return hour{notes: notes & noteRefused}
	}
	h.Coverage, h.notes = model.Fraction(min(1, seen)), notes
	return h
}

// split divides the input of the i-th hour into what was read from a cache, written to one, and the rest.
func (r rules) split(g *group, i int, in float64) (model.Volume, note) {
	read, notes := r.cached(g, i, cacheRead)
	if doubtful := g.at(cacheReadDoubtful, i); notes&noteCacheUnknown != 0 && doubtful.seen > 0 {
		read, notes = doubtful.check(maxTokensPerHour)
		notes |= noteCacheDoubtful
	}
	var written float64
	if r.countsCacheWrite {
		var n note
		written, n = r.cached(g, i, cacheWrite)
		notes |= n
	}
	v := model.Reported{
		Prompt: model.Tokens(in), CacheRead: model.Tokens(read), CacheWrite: model.Tokens(written), PromptIncludesCache: r.includesCache,
	}.Volume()
	switch fresh := float64(v[model.Input]); {
	case fresh < -cacheSlack*in-1: // more came out of the cache than went in: the counters do not belong together
		return model.Volume{model.Input: model.Tokens(in)}, notes&^noteCacheDoubtful | noteCacheUnknown
	case fresh < 0:
		v[model.Input] = 0
		v[model.CacheRead], v[model.CacheWrite] = model.Tokens(read*in/(read+written)), model.Tokens(written*in/(read+written))
	}
	return v, notes
}

// cached returns what a cache counter says in the i-th hour.
func (r rules) cached(g *group, i int, s signal) (float64, note) {
	c := g.at(s, i)
	if c.seen == 0 && !r.zeroIfAbsent[s] {
		return 0, noteCacheUnknown
	}
	return c.check(maxTokensPerHour)
}
