package collector

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
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
	groups map[string]*group // of the workloads on the roll, by canonical labels
	others others
	notes  []model.Warning

	roll    *roll
	last    *group // of the series before, since servers sort the series by their labels
	values  []byte // of the labels that make its workload, see valuesOf
	scratch []byte
	signals []signal // that there are
	free    []cell   // that no series has yet
}

// A roll is the workloads that the history keeps, so that their labels are not put together anew for each answer.
type roll struct {
	groupBy []string
	most    int // how many there may be
	mu      sync.RWMutex
	members map[string]member // by the values of groupBy, see valuesOf; guarded by mu
}

// A member of a roll is the labels of a workload and one string for them.
type member struct {
	key    string
	labels map[string]string
}

func newRoll(groupBy []string) *roll {
	return &roll{groupBy: groupBy, most: maxWorkloads, members: map[string]member{}}
}

// call returns the workload with these values, and false when it is not on the roll.
func (r *roll) call(values []byte) (member, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m, known := r.members[string(values)]
	return m, known
}

// enter puts the workload with these labels on the roll, unless there are as many as there may be.
func (r *roll) enter(m member) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.members) >= r.most {
		return false
	}
	r.members[string(valuesOf(nil, r.groupBy, func(name string) string { return m.labels[name] }))] = m
	return true
}

// forget takes all off the roll.
func (r *roll) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.members)
}

// valuesOf appends to b the values that of has for the labels groupBy, each after its length.
func valuesOf[T string | []byte](b []byte, groupBy []string, of func(name string) T) []byte {
	for _, name := range groupBy {
		v := of(name)
		b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
	}
	return b
}

// A group is the answer about one workload.
type group struct {
	labels  map[string]string
	columns []column
}

// A column is the cells of a signal, one an hour; none when the answer has nothing of it.
type column struct {
	signal signal
	cells  []cell
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

func newAnswer(s span, r *roll) answer {
	return answer{span: s, groups: map[string]*group{}, others: others{most: r.most, newcomers: map[string]*group{}}, roll: r}
}

// take sorts a series by workload, signal and hour.
func (a *answer) take(labels []label, points []point) error {
	g := a.group(labels)
	name := a.signal(value(labels, signalLabel))
	if g == nil {
		return a.others.add(name, points, a.span)
	}
	i := slices.IndexFunc(g.columns, func(c column) bool { return c.signal == name })
	if i < 0 {
		n := a.span.hours()
		if len(a.free) < n {
			a.free = make([]cell, seriesAtOnce*n)
		}
		i, g.columns = len(g.columns), append(g.columns, column{name, a.free[:n:n]})
		a.free = a.free[n:]
	}
	cells := g.columns[i].cells
	return a.span.each(points, func(i int, v float64) { cells[i] = cell{v, cells[i].seen + 1} })
}

// each calls do with the place in s and the value of every point. The point at t is about the hour that ends at t.
func (s span) each(points []point, do func(i int, v float64)) error {
	from, hours := s.From.UnixMilli(), s.hours()
	for _, p := range points {
		since := p.at - from
		i := int(since/hourMillis) - 1
		if since%hourMillis != 0 || i < 0 || i >= hours {
			return &Error{Reason: BadAnswer, Text: fmt.Sprintf("a sample at %s, want whole hours after %s up to %s",
				time.UnixMilli(p.at).UTC().Format(time.RFC3339), s.From.Format(time.RFC3339), s.To.Format(time.RFC3339))}
		}
		do(i, p.value)
	}
	return nil
}

const (
	hourMillis = int64(time.Hour / time.Millisecond)

	// seriesAtOnce is for how many series cells are made at once: a large answer has tens of thousands.
	seriesAtOnce = 64
)

// signal returns the signal of that name.
func (a *answer) signal(name []byte) signal {
	i := slices.IndexFunc(a.signals, func(s signal) bool { return string(s) == string(name) })
	if i < 0 {
		i, a.signals = len(a.signals), append(a.signals, signal(name))
	}
	return a.signals[i]
}

// group returns the group of a series, a new one when it is the first of its workload; nil when it is one of those that are summed up.
func (a *answer) group(labels []label) *group {
	a.scratch = valuesOf(a.scratch[:0], a.roll.groupBy, func(name string) []byte { return value(labels, name) })
	if a.last != nil && bytes.Equal(a.scratch, a.values) {
		return a.last
	}
	a.values = append(a.values[:0], a.scratch...)
	m, known := a.roll.call(a.values)
	if !known {
		a.last = a.others.group(a.values, func() *group {
			m := make(map[string]string, len(a.roll.groupBy))
			for _, name := range a.roll.groupBy {
				m[name] = string(value(labels, name))
			}
			return newGroup(m)
		}, a.span)
		return a.last
	}
	if a.last = a.groups[m.key]; a.last == nil {
		a.last = newGroup(m.labels)
		a.groups[m.key] = a.last
	}
	return a.last
}

// join takes over b, which is about the same hours of other workloads. Which of the new ones may be kept is then a matter of both.
func (a *answer) join(b answer) {
	a.notes = append(a.notes, b.notes...)
	maps.Copy(a.groups, b.groups)
	for _, name := range b.others.inOrder() {
		g := b.others.newcomers[name]
		if a.others.group([]byte(name), func() *group { return g }, a.span) == nil {
			a.others.sumUp(g, 1, a.span)
		}
	}
	if b.others.sum != nil {
		a.others.sumUp(b.others.sum, b.others.names, a.span)
	}
}

func newGroup(labels map[string]string) *group {
	return &group{labels: labels, columns: make([]column, 0, len(hourly))}
}

// all returns the groups of a, without what is summed up.
func (a *answer) all() iter.Seq[*group] {
	return func(yield func(*group) bool) {
		for _, groups := range []map[string]*group{a.groups, a.others.newcomers} {
			for _, g := range groups {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// empty reports whether a is about no workload.
func (a *answer) empty() bool {
	return len(a.groups) == 0 && len(a.others.newcomers) == 0 && a.others.sum == nil
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

// canonical writes labels as one string, the same for the same labels and for no others: as the query of a URL, sorted.
func canonical(labels map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if text.Len() > 0 {
			text.WriteByte('&')
		}
		text.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(labels[name]))
	}
	return text.String()
}

// at returns the cell of a signal in the i-th hour.
func (g *group) at(s signal, i int) cell { return g.column(s).at(i) }

// column returns the cells of a signal.
func (g *group) column(s signal) column {
	for _, c := range g.columns {
		if c.signal == s {
			return c
		}
	}
	return column{}
}

// at returns the cell of the i-th hour.
func (c column) at(i int) cell {
	if c.cells == nil {
		return cell{}
	}
	return c.cells[i]
}

// hourCells are the signals that an hour is made of, and which of them are zero when they are absent.
type hourCells struct {
	input, output, cacheRead, cacheReadDoubtful, cacheWrite, requests, coverage, resets column

	noOutput, noCacheRead, noCacheWrite bool
}

// counts reports whether an hour of g counts something of s.
func (g *group) counts(s signal) bool {
	return slices.ContainsFunc(g.column(s).cells, func(c cell) bool { return c.value > 0 })
}

// check returns the value of a cell, 0 if there is none, and what is wrong with it when it must lie in [0, most].
func (c cell) check(most float64) (float64, note) {
	switch {
	case c.seen > 1:
		return 0, noteDuplicate
	case c.value < 0:
		return 0, noteNegative
	case math.IsNaN(c.value) || math.IsInf(c.value, 0):
		return 0, noteNotFinite
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

// cells returns what the hours of g are made of.
func (r rules) cells(g *group) *hourCells {
	return &hourCells{
		input: g.column(input), output: g.column(output),
		cacheRead: g.column(cacheRead), cacheReadDoubtful: g.column(cacheReadDoubtful), cacheWrite: g.column(cacheWrite),
		requests: g.column(requests), coverage: g.column(coverage), resets: g.column(resets),
		noOutput: r.zeroIfAbsent[output], noCacheRead: r.zeroIfAbsent[cacheRead], noCacheWrite: r.zeroIfAbsent[cacheWrite],
	}
}

// hour judges the i-th hour of c, which belongs to a workload that generates or does not. What cannot be believed has coverage 0 and no tokens.
func (r *rules) hour(c *hourCells, i int, generates bool) hour {
	seen, notes := c.coverage.at(i).check(1 + 1e-9)
	if falls, n := c.resets.at(i).check(math.MaxFloat64); n != 0 || falls > maxResets {
		notes |= n
		if falls > maxResets {
			notes |= noteSawtooth
		}
	}
	in, n := c.input.at(i).check(maxTokensPerHour)
	notes |= n
	out, n := c.output.at(i).check(maxTokensPerHour)
	notes |= n
	if c.input.at(i).seen == 0 || c.output.at(i).seen == 0 && (generates || !c.noOutput) {
		if seen < float64(model.CoverageFloor) {
			return hour{notes: notes & noteRefused} // not enough samples for an increase
		}
		notes |= noteMissing
	}
	var h hour
	h.Tokens, n = r.split(c, i, in)
	notes |= n
	h.Tokens[model.Output] = model.Tokens(out)
	if r.countsRequests {
		sent := c.requests.at(i)
		count, n := sent.check(maxRequestsPerHour)
		if n != 0 || sent.seen == 0 {
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
func (r *rules) split(c *hourCells, i int, in float64) (model.Volume, note) {
	read, notes := c.cacheRead.at(i).cached(c.noCacheRead)
	if doubtful := c.cacheReadDoubtful.at(i); notes&noteCacheUnknown != 0 && doubtful.seen > 0 {
		read, notes = doubtful.check(maxTokensPerHour)
		notes |= noteCacheDoubtful
	}
	var written float64
	if r.countsCacheWrite {
		var n note
		written, n = c.cacheWrite.at(i).cached(c.noCacheWrite)
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

// cached returns what c, a cell of a cache counter, says; none is zero or not known.
func (c cell) cached(zero bool) (float64, note) {
	if c.seen == 0 && !zero {
		return 0, noteCacheUnknown
	}
	return c.check(maxTokensPerHour)
}
