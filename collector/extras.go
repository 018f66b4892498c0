package collector

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

// askNow evaluates expr once, at the end of the newest complete hour. Each series of the result has one point.
func (c *Collector) askNow(ctx context.Context, now time.Time, expr string) (prommodel.Matrix, []model.Warning, error) {
	at := c.complete(now)
	m, notes, err := c.client.ask(ctx, expr, v1.Range{Start: at, End: at, Step: time.Hour})
	if err != nil {
		return nil, nil, err
	}
	for _, stream := range m {
		if len(stream.Values) != 1 {
			return nil, nil, &Error{Reason: BadAnswer, Text: fmt.Sprintf("%d samples in a series, want 1", len(stream.Values))}
		}
	}
	return m, notes, nil
}

// addTTFT fills in the 95th percentile of the time to first token and returns what is to be said about the source.
func (c *Collector) addTTFT(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.queries.ttft == "" || len(all) == 0 {
		return nil
	}
	m, notes, err := c.askNow(ctx, now, c.queries.ttft)
	if err != nil {
		c.log.WarnContext(ctx, "time to first token not read", "error", err)
		return []model.Warning{{Code: TTFTFailed, Text: err.Error()}}
	}
	seconds := map[string]float64{}
	for _, stream := range m {
		_, key := identify(stream.Metric, c.settings.GroupBy)
		seconds[key] = float64(stream.Values[0].Value)
	}
	for i := range all {
		v, ok := seconds[canonical(all[i].Labels)]
		if !ok || !(v >= 0 && v < time.Hour.Seconds()) { // NaN when idle, infinite above the last bucket
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

// cells returns the values of an answer of askNow, each under what key says of its series.
func cells[K comparable](m prommodel.Matrix, key func(prommodel.Metric) K) map[K]cell {
	found := map[K]cell{}
	for _, stream := range m {
		k := key(stream.Metric)
		found[k] = cell{float64(stream.Values[0].Value), found[k].seen + 1}
	}
	return found
}

// addPrompts fills in how long the prompts were and returns what is to be said about the source. A workload without requests, or with
// buckets that cannot be right, has none.
func (c *Collector) addPrompts(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.queries.prompts == "" || len(all) == 0 {
		return nil
	}
	m, notes, err := c.askNow(ctx, now, c.queries.prompts)
	if err != nil {
		c.log.WarnContext(ctx, "lengths of prompts not read", "error", err)
		return []model.Warning{{Code: PromptsFailed, Text: err.Error()}}
	}
	upTo := map[string]map[float64]float64{} // requests by the bound of the bucket
	tokens := map[string]float64{}
	for _, stream := range m {
		_, key := identify(stream.Metric, c.settings.GroupBy)
		value := float64(stream.Values[0].Value)
		if stream.Metric["le"] == sumBound {
			tokens[key] = value
			continue
		}
		if bound, err := strconv.ParseFloat(string(stream.Metric["le"]), 64); err == nil {
			if upTo[key] == nil {
				upTo[key] = map[float64]float64{}
			}
			upTo[key][bound] += value
		}
	}
	for i := range all {
		key := canonical(all[i].Labels)
		all[i].Prompts = promptsOf(upTo[key], tokens[key])
	}
	return c.relevant(notes)
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

// addDaily fills in the requests that failed or were sent again and returns what is to be said about the source, but no remarks of the
// server, since some exporters give such counters names of gauges. A workload without the counter has no number, unless the pack says that
// no series means none.
func (c *Collector) addDaily(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.queries.daily == "" || len(all) == 0 {
		return nil
	}
	m, _, err := c.askNow(ctx, now, c.queries.daily)
	if err != nil {
		c.log.WarnContext(ctx, "failed and repeated requests not read", "error", err)
		return []model.Warning{{Code: ErrorsFailed, Text: err.Error()}}
	}
	type place struct {
		workload string
		signal   signal
	}
	counted := cells(m, func(metric prommodel.Metric) place {
		_, key := identify(metric, c.settings.GroupBy)
		return place{key, signal(metric[signalLabel])}
	})
	for i := range all {
		for s, into := range map[signal]**float64{failures: &all[i].Failed, retries: &all[i].Retried} {
			found, known := counted[place{canonical(all[i].Labels), s}]
			n, wrong := found.check(24 * maxRequestsPerHour)
			if wrong == 0 && (known || c.rules.zeroIfAbsent[s]) {
				*into = &n
			}
		}
	}
	return nil
}

// unattributed returns the share of the tokens of the last day that no workload has, and what is to be said about the source. Where nothing
// is selected every series is in some workload, unless there are more of them than can be kept; where nothing was measured it is not known.
// The user's own queries say nothing of what they leave out.
func (c *Collector) unattributed(ctx context.Context, now time.Time, all []model.Usage) (*model.Fraction, []model.Warning) {
	switch {
	case c.settings.Queries != nil:
		return nil, nil
	case c.queries.dark == "":
		since := c.complete(now).Add(-24 * time.Hour)
		measured := slices.ContainsFunc(all, func(u model.Usage) bool {
			_, hours := u.Between(since, u.End())
			return hours > 0
		})
		c.mu.Lock()
		defer c.mu.Unlock()
		if !measured || len(c.archive.series) >= maxWorkloads {
			return nil, nil
		}
		return new(model.Fraction), nil
	}
	m, notes, err := c.askNow(ctx, now, c.queries.dark)
	if err != nil {
		c.log.WarnContext(ctx, "tokens of no workload not read", "error", err)
		return nil, []model.Warning{{Code: DarkFailed, Text: err.Error()}}
	}
	counted := cells(m, func(metric prommodel.Metric) string { return string(metric[signalLabel]) })
	total, wrong := counted[string(allTokens)].check(24 * maxTokensPerHour)
	claimed, alsoWrong := counted[string(claimedTokens)].check(24 * maxTokensPerHour)
	if wrong != 0 || alsoWrong != 0 || !(total > 0) {
		return nil, c.relevant(notes)
	}
	return new(model.Fraction(min(1, max(0, 1-claimed/total)))), c.relevant(notes)
}

// addGPUs fills in the GPUs that each workload runs on, whoever does beside it, and returns what is to be said about the source.
func (c *Collector) addGPUs(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.queries.gpu == "" || len(all) == 0 {
		return nil
	}
	m, notes, err := c.askNow(ctx, now, c.queries.gpu)
	if err != nil {
		c.log.WarnContext(ctx, "gpus not read", "error", err)
		return []model.Warning{{Code: GPUFailed, Text: err.Error()}}
	}
	found := map[string]map[signal]cell{}
	for _, stream := range m {
		_, key := identify(stream.Metric, c.settings.GPUs.Join)
		if found[key] == nil {
			found[key] = map[signal]cell{}
		}
		name := signal(stream.Metric[signalLabel])
		found[key][name] = cell{float64(stream.Values[0].Value), found[key][name].seen + 1}
	}
	for i := range all {
		key, scope := c.gpuScope(all[i].Labels)
		gpu, warnings := judgeGPUs(found[key], scope)
		all[i].Warnings = append(all[i].Warnings, warnings...)
		all[i].GPU = gpu
	}
	return notes
}

// addCosts fills in what the GPUs that each workload runs on cost, where OpenCost is there, and returns what is to be said about the source.
func (c *Collector) addCosts(ctx context.Context, now time.Time, all []model.Usage) []model.Warning {
	if c.queries.cost == "" || !slices.ContainsFunc(all, func(u model.Usage) bool { return u.GPU != nil }) {
		return nil
	}
	m, _, err := c.askNow(ctx, now, c.queries.cost)
	if err != nil {
		c.log.WarnContext(ctx, "cost of gpus not read", "error", err)
		return []model.Warning{{Code: CostFailed, Text: err.Error()}}
	}
	costs := cells(m, func(metric prommodel.Metric) string {
		_, key := identify(metric, c.settings.GPUs.Join)
		return key
	})
	for i := range all {
		key, _ := c.gpuScope(all[i].Labels)
		usd, wrong := costs[key].check(1e9)
		if gpu := all[i].GPU; gpu != nil && wrong == 0 && usd > 0 {
			gpu.USDPerHour = &usd
		}
	}
	return nil
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
func judgeGPUs(cells map[signal]cell, scope string) (*model.GPU, []model.Warning) {
	count, wrong := cells[gpuCount].check(1e6)
	if wrong != 0 || !(count > 0) {
		return nil, []model.Warning{{Code: GPUUnknown, Text: "no GPU was seen in " + scope + " over the last day"}}
	}
	gpu := &model.GPU{Count: count, Scope: scope}
	busy := cells[gpuBusy]
	if busy.seen == 0 {
		return gpu, []model.Warning{{Code: GPUUtilizationUnknown, Text: "GPUs in " + scope + " are counted, but not how busy they are"}}
	}
	share := model.Fraction(busy.value / count)
	const rounding = 1e-6
	if busy.seen != 1 || math.IsNaN(float64(share)) || share < 0 || share > 1+rounding {
		return gpu, []model.Warning{{Code: GPUUtilizationRange, Text: fmt.Sprintf(
			"GPUs in %s are busy %v of the time, want 0 to 1: not known", scope, float64(share),
		)}}
	}
	share = min(1, share)
	gpu.Utilization = &share
	return gpu, nil
}
