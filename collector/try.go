package collector

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"
)

// A Reading is what a server has for one signal of a pack.
type Reading struct {
	Signal    string
	Unit      string   // of Value
	Metrics   []string // names under which the series that are read were found, sorted
	Series    int      // that are read
	Workloads int      // that the series make
	Value     float64  // the sum over all workloads, the worst of them for the time to first token and the fill of the cache; NaN when there is none
	Labels    []string // of the series, sorted
	Zero      bool     // no series means 0, and not that it is not known
}

// trial is one signal to be tried.
type trial struct {
	name, unit string
	names      []string // of the metrics of found, best first
	found      []string // expressions of the series, best first
	plus       []string // of others that are added to them
	plusNames  []string
	value      string // expression of the value per workload
	worst      bool   // the largest value is shown instead of the sum
	zero       bool   // no series means 0
}

// Try asks the server of s what it has for each signal of its pack over the day before now, with three queries a signal. It
// returns how many queries were sent, and keeps nothing.
func Try(ctx context.Context, s Settings, now time.Time) (readings []Reading, sent int, err error) {
	p, err := s.Library.pack(s.Pack)
	if err != nil {
		return nil, 0, err
	}
	if p, err = s.adapted(p); err != nil {
		return nil, 0, err
	}
	if err := checkLabels(s.GroupBy, s.Select); err != nil {
		return nil, 0, err
	}
	c, err := newClient(s)
	if err != nil {
		return nil, 0, err
	}
	for _, t := range trials(p, s, seen) {
		r, err := t.read(ctx, c, now.Truncate(time.Second))
		if err != nil {
			return nil, int(c.guard.sent.Load()), fmt.Errorf("%s: %w", t.name, err)
		}
		readings = append(readings, r)
	}
	return readings, int(c.guard.sent.Load()), nil
}

// seen is the form of a series that is there or was in the hour before, as that of a cloud is.
const seen = "last_over_time(%s[1h])"

// trials returns every signal of p in the order in which they are shown, its series in the form seen.
func trials(p *pack, s Settings, seen string) []trial {
	if p.GPU != nil {
		return gpuTrials(p.GPU, s.GroupBy)
	}
	w := worded(p, []map[string]string{s.Select}, s.GroupBy, 24*time.Hour)
	if len(w.groupBy) == 0 {
		w.groupBy = p.GroupBy
	}
	return w.trials(seen)
}

// trials returns every signal of a pack that counts tokens, its series in the form seen.
func (w wording) trials(seen string) []trial {
	p := w.pack
	var all []trial
	for _, name := range []signal{input, output, cacheRead, cacheReadDoubtful, cacheWrite, requests, failures, retries} {
		c := p.counter(name)
		if c == nil {
			continue
		}
		unit := "tokens/day"
		if name == requests || name == failures || name == retries {
			unit = "requests/day"
		}
		all = append(all, trial{name: string(name), unit: unit, names: c.names(), found: w.each(c, seen), plusNames: c.Plus.names(), plus: w.each(c.Plus, seen), value: w.counted(name, c), zero: c.Absent == "zero"})
	}
	if p.TTFTSeconds != nil {
		var names, found []string
		for h := p.TTFTSeconds; h != nil; h = h.Else {
			names = append(names, slices.Concat(h.Histograms, h.Quantiles)...)
			for _, name := range h.Histograms {
				found = append(found, w.alternatives([]string{name + "_count"}, seen, h.Where)...)
			}
			found = append(found, w.alternatives(h.Quantiles, seen, h.Where)...)
		}
		all = append(all, trial{name: string(ttftP95), unit: "seconds", names: names, found: found, value: w.ttft(), worst: true})
	}
	if p.PromptLengths != nil {
		var names, found []string
		for h := p.PromptLengths; h != nil; h = h.Else {
			names = append(names, h.Histograms...)
			found = append(found, w.forms(h.series("_count"), seen, nil)...)
		}
		all = append(all, trial{name: "prompt_lengths", unit: "requests/day", names: names, found: found, value: w.lengths("_count", w.groupBy)})
	}
	for _, level := range []struct {
		name, unit, of string
		gauge          *gauge
	}{
		{"running", "requests now", "sum", p.Running},
		{string(waiting), "requests now", "sum", p.Waiting},
		{"cache_usage", "of 1 now", "max", p.CacheUsage},
	} {
		if level.gauge == nil {
			continue
		}
		var names, found []string
		for g := level.gauge; g != nil; g = g.Else {
			names = append(names, g.Metrics...)
			found = append(found, w.alternatives(g.Metrics, seen, g.Where)...)
		}
		all = append(all, trial{name: level.name, unit: level.unit, names: names, found: found, value: w.level(level.gauge, level.of), worst: level.of == "max"})
	}
	return all
}

func gpuTrials(g *gpuPack, join []string) []trial {
	var found []string
	for _, b := range g.Busy {
		found = append(found, g.attached(b.Metric, "", nil))
	}
	for _, metric := range g.Silent {
		found = append(found, g.attached(metric, "", nil))
	}
	busy, _, count := gpuParts(g, join)
	const unit = "GPUs, mean of the day"
	if g.Held != nil {
		return []trial{{name: string(gpuCount), unit: unit, found: []string{selector(g.Held.Metric, whereList(g.Held.Where))}, value: count}}
	}
	return []trial{{name: string(gpuCount), unit: unit, found: found, value: count}, {name: string(gpuBusy), unit: unit, found: found, value: busy}}
}

// read asks for the names, the labels and the value of t.
func (t trial) read(ctx context.Context, c *client, now time.Time) (Reading, error) {
	r := Reading{Signal: t.name, Unit: t.unit, Value: math.NaN(), Zero: t.zero}
	ask := func(expr string) (prommodel.Matrix, error) {
		m, _, err := c.ask(ctx, expr, v1.Range{Start: now, End: now, Step: time.Hour})
		return m, err
	}
	found := "(" + strings.Join(t.found, " or ") + ")"
	if len(t.plus) > 0 { // of series with the same labels, or takes the first
		found = fmt.Sprintf(`(%s or label_replace(%s, %q, "plus", "", ""))`, found, strings.Join(t.plus, " or "), partLabel)
	}
	names, err := ask("count by (__name__) " + found)
	if err != nil || len(names) == 0 {
		return r, err
	}
	for _, stream := range names {
		r.Metrics = append(r.Metrics, string(stream.Metric[prommodel.MetricNameLabel]))
		r.Series += int(stream.Values[0].Value)
	}
	slices.Sort(r.Metrics)
	examples, err := ask("topk by (__name__) (5, " + found + ")")
	if err != nil {
		return r, err
	}
	labels := map[string]bool{}
	for _, stream := range examples {
		for name := range stream.Metric {
			labels[string(name)] = name != prommodel.MetricNameLabel
		}
	}
	maps.DeleteFunc(labels, func(name string, shown bool) bool { return !shown || name == partLabel })
	r.Labels = slices.Sorted(maps.Keys(labels))
	values, err := ask(t.value)
	if err != nil {
		return r, err
	}
	for _, stream := range values {
		v := float64(stream.Values[0].Value)
		switch {
		case math.IsNaN(v): // of a workload that was idle
			continue
		case math.IsNaN(r.Value):
			r.Value = v
		case t.worst:
			r.Value = max(r.Value, v)
		default:
			r.Value += v
		}
		r.Workloads++
	}
	return r, nil
}
