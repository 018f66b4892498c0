package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"tipline/model"
)

// A place says what a value of an answer about the last day is of: the labels of a workload, or of the GPUs that it runs on, as one string, and the signal, or the bound of
// a bucket.
type place struct{ labels, of string }

// lastDay evaluates expr, which is about the last day, at the end of the newest complete hour, and returns its values by the labels of by and what is to be said about the
// source. A query that fails is a warning of the code failed, and then, or without expr, ok is false.
func (c *Collector) lastDay(ctx context.Context, now time.Time, expr string, by []string, failed string) (found map[place]cell, notes []model.Warning, ok bool) {
	if expr == "" {
		return nil, nil, false
	}
	at := c.complete(now)
	m, notes, err := c.client.ask(ctx, expr, v1.Range{Start: at, End: at, Step: time.Hour})
	found = map[place]cell{}
	for _, stream := range m {
		if len(stream.Values) != 1 {
			err = &Error{Reason: BadAnswer, Text: fmt.Sprintf("%d samples in a series, want 1", len(stream.Values))}
			break
		}
		_, key := identify(stream.Metric, by)
		p := place{key, string(cmp.Or(stream.Metric[signalLabel], stream.Metric["le"]))}
		found[p] = cell{float64(stream.Values[0].Value), found[p].seen + 1}
	}
	if err != nil {
		c.log.WarnContext(ctx, "the last day was not read", "code", failed, "error", err)
		return nil, []model.Warning{{Code: failed, Text: err.Error()}}, false
	}
	return found, c.relevant(notes), true
}

// addTTFT fills in the 95th percentile of the time to first token and returns what is to be said about the source.
func (c *Collector) addTTFT(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	found, notes, ok := c.lastDay(ctx, now, c.queries.ttft, c.settings.GroupBy, TTFTFailed)
	if !ok {
		return notes
	}
	for i := range all {
		first := found[place{canonical(all[i].Labels), ""}]
		v, wrong := first.check(time.Hour.Seconds()) // NaN when idle, infinite above the last bucket
		if first.seen == 0 || wrong != 0 {
			all[i].Warnings = append(all[i].Warnings, model.Warning{
				Code: TTFTUnknown, Text: "no time to first token was recorded over the last day",
			})
			continue
		}
		p95 := time.Duration(v * float64(time.Second))
		all[i].TTFTP95 = &p95
	}
	return notes
}

// addPrompts fills in how long the prompts were and returns what is to be said about the source. A workload without requests, or with
// buckets that cannot be right, has none.
func (c *Collector) addPrompts(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	found, notes, ok := c.lastDay(ctx, now, c.queries.prompts, c.settings.GroupBy, PromptsFailed)
	if !ok {
		return notes
	}
	upTo := map[string]map[float64]float64{} // requests by the bound of the bucket
	for p, counted := range found {
		if bound, err := strconv.ParseFloat(p.of, 64); err == nil {
			if upTo[p.labels] == nil {
				upTo[p.labels] = map[float64]float64{}
			}
			upTo[p.labels][bound] += counted.value
		}
	}
	for i := range all {
		key := canonical(all[i].Labels)
		all[i].Prompts = promptsOf(upTo[key], found[place{key, sumBound}].value)
	}
	return notes
}

// promptsOf returns the histogram of the buckets that count the requests of up to so many tokens; nil when they are none. The buckets of
// programs that came and went are extrapolated apart, so that one may seem to hold a little less than the one below it.
func promptsOf(upTo map[float64]float64, tokens float64) *model.Prompts {
	p := model.Prompts{Tokens: tokens}
	below := 0.0
	for _, bound := range slices.Sorted(maps.Keys(upTo)) {
		count := upTo[bound]
		if math.IsNaN(count) || math.IsInf(count, 0) || math.IsNaN(bound) {
			return nil
		}
		p.Requests = append(p.Requests, max(0, count-below))
		if !math.IsInf(bound, 1) {
			p.Bounds = append(p.Bounds, bound)
		}
		below = max(below, count)
	}
	if _, _, known := p.Above(1); !known || math.IsInf(tokens, 0) {
		return nil
	}
	return &p
}

// addDaily fills in the requests that failed or were sent again and returns what is to be said about the source. A workload without the
// counter has no number.
func (c *Collector) addDaily(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	counted, notes, ok := c.lastDay(ctx, now, c.queries.daily, c.settings.GroupBy, ErrorsFailed)
	if !ok {
		return notes
	}
	for i := range all {
		for s, into := range map[signal]**float64{failures: &all[i].Failed, retries: &all[i].Retried} {
			found, known := counted[place{canonical(all[i].Labels), string(s)}]
			n, wrong := found.check(24 * maxRequestsPerHour)
			if known && wrong == 0 {
				*into = &n
			}
		}
	}
	return notes
}

// unattributed returns the share of the tokens of the last day that no workload has, and what is to be said about the source. Where nothing
// is selected every series is in some workload, or in the sum of those that are too many; where nothing was measured it is not known.
// The user's own queries say nothing of what they leave out.
func (c *Collector) unattributed(ctx context.Context, now time.Time, all []model.Usage) (*model.Fraction, []model.Warning) {
	switch {
	case c.settings.Queries != nil:
		return nil, nil
	case c.queries.dark == "":
		since := c.complete(now).Add(-24 * time.Hour)
		measured := slices.ContainsFunc(all, func(u model.Usage) bool {
			u = c.ReadSince(u, now, since)
			_, hours := u.Between(since, u.End())
			return hours > 0
		})
		if !measured {
			return nil, nil
		}
		return new(model.Fraction), nil
	}
	counted, notes, ok := c.lastDay(ctx, now, c.queries.dark, nil, DarkFailed)
	if !ok {
		return nil, notes
	}
	total, wrong := counted[place{"", string(allTokens)}].check(24 * maxTokensPerHour)
	claimed, alsoWrong := counted[place{"", string(claimedTokens)}].check(24 * maxTokensPerHour)
	if wrong != 0 || alsoWrong != 0 || !(total > 0) {
		return nil, notes
	}
	return new(model.Fraction(min(1, max(0, 1-claimed/total)))), notes
}

// addGPUs fills in the GPUs that each workload runs on, whoever does beside it, and returns which share of those that the exporter shows no pod holds, and what is to be said about
// the source.
func (c *Collector) addGPUs(ctx context.Context, now time.Time, all []model.Usage) (*model.Fraction, []model.Warning) {
	if c.settings.GPUs == nil {
		return nil, nil
	}
	found, notes, ok := c.lastDay(ctx, now, c.queries.gpu, c.settings.GPUs.Join, GPUFailed)
	if !ok {
		return nil, notes
	}
	for i := range all {
		key, scope := c.gpuScope(all[i].Labels)
		gpu, warnings := judgeGPUs(found[place{key, string(gpuCount)}], found[place{key, string(gpuBusy)}], found[place{key, string(gpuKnown)}], scope)
		doubts, because := c.unsureGPUs(found, key, scope, gpu)
		all[i].Warnings = append(append(all[i].Warnings, warnings...), doubts...)
		if all[i].GPU = gpu; gpu != nil {
			gpu.Unsure = because
		}
	}
	_, nobody := identify(nil, c.settings.GPUs.Join)
	shown, wrong := found[place{nobody, string(gpuShown)}].check(1e6)
	held, alsoWrong := found[place{nobody, string(gpuHeld)}].check(1e6)
	if wrong != 0 || alsoWrong != 0 || !(shown > 0) {
		return nil, notes
	}
	free := model.Fraction(max(0, 1-held/shown))
	if held == 0 {
		var switches []string
		for _, w := range c.wanted {
			if w.signal == GPUsMissing && w.shown != "" {
				switches = append(switches, w.shown)
			}
		}
		notes = append(notes, model.Warning{Code: GPUsUnheld, Text: fmt.Sprintf(
			"no pod held any of the %.4g GPUs that the exporter showed over the last day: does it know pods (pack %s)?%s", shown, c.settings.GPUs.Pack, turnedOn(switches),
		)})
	}
	return &free, notes
}

// addDevices fills in which GPUs there were in every scope at the end of every hour of the last day, so that those of one scope that were in another too are known, and returns
// what is to be said about the source. What was known before stays when there is no answer.
func (c *Collector) addDevices(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.settings.GPUs == nil {
		return nil
	}
	at := c.complete(now)
	m, notes, err := c.client.ask(ctx, c.queries.devices, v1.Range{Start: at.Add(-23 * time.Hour), End: at, Step: time.Hour})
	if err != nil {
		c.log.WarnContext(ctx, "the last day was not read", "code", GPUFailed, "error", err)
		return []model.Warning{{Code: GPUFailed, Text: err.Error()}}
	}
	devices := map[string]map[string]model.Day{}
	for _, stream := range m {
		labels, _ := identify(stream.Metric, c.settings.GPUs.Join)
		_, scope := c.gpuScope(labels)
		// Exporters agree on the UUID of a card, and not on whether GPU- stands before it.
		device := strings.TrimPrefix(strings.TrimRight(string(stream.Metric[signalLabel]), "/"), "GPU-")
		for _, look := range stream.Values {
			if n, wrong := (cell{float64(look.Value), 1}).check(1e6); wrong == 0 && n > 0 {
				if devices[scope] == nil {
					devices[scope] = map[string]model.Day{}
				}
				day := devices[scope][device]
				day[look.Timestamp.Time().UTC().Hour()] = n
				devices[scope][device] = day
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.devices = devices
	for i := range all {
		all[i].GPUDevices = devices
	}
	return c.relevant(notes)
}

// seldom is the longest time between two scrapes of which an hour holds four, as the windows in which counters are read should.
const seldom = time.Hour / 4

// lookDaily looks once a day whether counters are stored once for every replica of a Prometheus, how often they are scraped, and whether there are samples that are still to come by
// our clock, as those of a scraper have whose clock is ahead: then at every collection. It returns what is to be said of names, of replicas and of scrapes, and what is missing.
func (c *Collector) lookDaily(ctx context.Context, now time.Time) ([]model.Warning, []model.Missing) {
	c.mu.Lock()
	barren := len(c.archive.series) == 0
	c.mu.Unlock()
	if !c.look.ahead && c.look.barren == barren && now.Sub(c.look.asked).Abs() < lookAgain {
		return c.look.note, c.look.missing
	}
	at, clock := c.complete(now), time.Time{}
	if c.settings.Clock != nil && c.settings.Queries == nil { // an instant sees the five minutes before it: none of those here is over
		clock = c.settings.Clock()
		at = clock.Add(SkewTold + SkewTrusted).Truncate(time.Second)
	}
	m, _, err := c.client.ask(ctx, c.queries.watched, v1.Range{Start: at, End: at, Step: time.Hour})
	names := err == nil
	if e := (*Error)(nil); c.queries.scrapes != "" && errors.As(err, &e) && !e.unsent && (e.Reason == LimitReached || e.Reason == TimedOut) { // names are of more series than the input
		c.log.WarnContext(ctx, "names not looked for", "error", err)
		m, _, err = c.client.ask(ctx, c.queries.scrapes, v1.Range{Start: at, End: at, Step: time.Hour})
	}
	if err != nil {
		c.log.WarnContext(ctx, "names and replicas not looked for", "error", err)
		if e := (*Error)(nil); errors.As(err, &e) && !e.Retryable() { // nor will it be given an hour later
			c.look.asked, c.look.barren = now, barren
		}
		return c.look.note, c.look.missing
	}
	c.look.asked, c.look.ahead, c.look.barren, c.look.note = now, false, barren, nil
	found := map[signal]float64{}
	for _, stream := range m {
		for _, pair := range stream.Values {
			found[signal(stream.Metric[signalLabel])] = float64(pair.Value)
		}
	}
	if names {
		before := c.look.missing
		c.look.missing = c.missing(found, now)
		for _, m := range c.look.missing {
			if m.Needed && !slices.ContainsFunc(before, func(b model.Missing) bool { return b.Signal == m.Signal && slices.Equal(b.Metrics, m.Metrics) }) {
				c.log.WarnContext(ctx, "nothing is found", "signal", m.Signal, "metrics", m.Metrics, "last", m.Last, "turned_on_by", m.Switch)
			}
		}
	}
	c.look.note = missingWarnings(c.look.missing)
	if counters := found[storedPerReplica]; counters > 0 {
		c.look.note = append(c.look.note, model.Warning{Code: StoredPerReplica, Text: PerReplica(int(counters))})
	}
	if share, several := found[replicasAlike]; several && share < leastAlike {
		c.look.note = append(c.look.note, model.Warning{Code: ReplicasDiffer, Text: fmt.Sprintf(
			"series that differ in replica_label (%s) alone do not count the same: the least of the median counter is %s of the largest, of which alone something is made. Want the label that tells replicas of a Prometheus apart",
			c.settings.ReplicaLabel, model.FormatPercent(model.Fraction(share)),
		)})
	}
	// Scrapes are a little late and early, and the mean of a few is too.
	if interval := time.Duration(found[scrapeInterval] * float64(time.Second)); interval > seldom+seldom/20 {
		c.look.note = append(c.look.note, model.Warning{Code: ScrapedSeldom, Text: fmt.Sprintf(
			"counters are scraped every %.3g minutes (median of the series of the last 6 hours), want at most every %.0f, so that an hour holds four samples, and every %.0f for it to count as seen all the time",
			interval.Minutes(), seldom.Minutes(), probeStep.Minutes(),
		)})
	}
	var ahead time.Duration
	if newest := time.UnixMilli(int64(1000 * found[newestSample])); !clock.IsZero() && newest.Sub(clock) > SkewTold {
		ahead = newest.Sub(clock)
		c.look.ahead = true
	}
	c.client.guard.skew.sampled(ahead)
	return c.look.note, c.look.missing
}

// unsureGPUs says what makes it unsure how many GPUs the scope has, gpu being those that were counted, if any, and the reasons, sorted. What is less than a twentieth of them
// makes no difference.
func (c *Collector) unsureGPUs(found map[place]cell, key, scope string, gpu *model.GPU) (doubts []model.Warning, because []string) {
	const little = 0.05
	for i, u := range c.unsure {
		n, wrong := found[place{key, string(unsureSignal(i))}].check(1e6)
		if wrong != 0 || !(n > 0) || gpu != nil && n < little*gpu.Count {
			continue
		}
		doubts = append(doubts, model.Warning{Code: GPUUnsure, Text: fmt.Sprintf("how many GPUs there are in %s is unsure (%s): %.4g %s", scope, u.Because, n, u.Says)})
		because = append(because, u.Because)
	}
	slices.Sort(because)
	return doubts, slices.Compact(because)
}

// addCosts fills in what the GPUs that each workload runs on cost, where OpenCost is there, and returns what is to be said about the source.
func (c *Collector) addCosts(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if !slices.ContainsFunc(all, func(u model.Usage) bool { return u.GPU != nil }) {
		return nil
	}
	costs, notes, ok := c.lastDay(ctx, now, c.queries.cost, c.settings.GPUs.Join, CostFailed)
	if !ok {
		return notes
	}
	for i := range all {
		key, _ := c.gpuScope(all[i].Labels)
		usd, wrong := costs[place{key, string(gpuUSD)}].check(1e9)
		if gpu := all[i].GPU; gpu != nil && wrong == 0 && usd > 0 {
			gpu.USDPerHour = &usd
		}
	}
	return notes
}

// gpuScope returns the join labels of a workload as one string and in words.
func (c *Collector) gpuScope(labels map[string]string) (key, words string) {
	joined := make(map[string]string, len(c.settings.GPUs.Join))
	parts := make([]string, 0, len(c.settings.GPUs.Join))
	for _, name := range c.settings.GPUs.Join {
		joined[name] = labels[name]
		parts = append(parts, name+" "+labels[name])
	}
	return canonical(joined), strings.Join(parts, ", ")
}

// judgeGPUs turns the GPU signals of a scope into a model.GPU, nil when they say nothing.
func judgeGPUs(held, busy, known cell, scope string) (*model.GPU, []model.Warning) {
	count, wrong := held.check(1e6)
	if wrong != 0 || !(count > 0) {
		return nil, []model.Warning{{Code: GPUUnknown, Text: "no GPU was seen in " + scope + " over the last day"}}
	}
	gpu := &model.GPU{Count: count}
	of := count
	if known.seen > 0 {
		of = known.value
	}
	if busy.seen == 0 || of == 0 {
		return gpu, []model.Warning{{Code: GPUUtilizationUnknown, Text: "GPUs in " + scope + " are counted, but not how busy they are"}}
	}
	share := model.Fraction(busy.value / of)
	const rounding = 1e-6
	if busy.seen != 1 || known.seen > 1 || !(of > 0 && of <= count*(1+rounding)) || math.IsNaN(float64(share)) || share < 0 || share > 1+rounding {
		return gpu, []model.Warning{{Code: GPUUtilizationRange, Text: fmt.Sprintf(
			"GPUs in %s are busy %v of the time, want 0 to 1: not known", scope, float64(share),
		)}}
	}
	share = min(1, share)
	gpu.Utilization, gpu.Coverage = &share, model.Fraction(min(1, of/count))
	if gpu.Busy() == nil {
		return gpu, []model.Warning{{Code: GPUUtilizationUnknown, Text: fmt.Sprintf(
			"how busy the GPUs in %s are is known of %s of their hours of the last day, want at least %s: not known", scope, model.FormatPercent(gpu.Coverage), model.FormatPercent(model.CoverageFloor),
		)}}
	}
	return gpu, nil
}
