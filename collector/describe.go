package collector

import (
	"slices"
	"strings"
	"time"
)

// A Description is what a pack reads, for a reader.
type Description struct {
	Name, About string
	Switch      string   // what turns the metrics on; empty when they are on by themselves
	Layer       Layer    // where the tokens are counted; empty when that is not said
	Counts      []Count  // every signal
	GroupBy     []string // labels that make a workload unless the source says otherwise
	Model       []string // labels that say which model
	Provider    []string // labels that say whose it is
	Tenant      []string // labels that say for whom
	Input       string   // what the input counter holds
	Period      string   // of gauges that show the sum of a period; empty means counters
	Traps       []string // what makes the numbers wrong
	Queries     []string // PromQL that is sent for a source without further settings
}

// A Count is one signal of a pack with the expressions that it is looked for under, best first.
type Count struct {
	Signal  string
	Metrics []string
}

// Describe returns what the pack with the given name reads.
func (l *Library) Describe(name string) (Description, error) {
	p, err := l.pack(name)
	if err != nil {
		return Description{}, err
	}
	d := Description{
		Name: p.Name, About: p.About, Switch: p.Switch, Layer: p.Layer, GroupBy: p.GroupBy, Traps: p.Traps,
		Model: p.Labels.Model, Provider: p.Labels.Provider, Tenant: p.Labels.Tenant, Input: p.inputHolds(),
	}
	if sums := p.PeriodSums; sums != nil {
		d.Period = promDuration(sums.Period) + ", at the time of the " + sums.Stamps
	}
	if p.GPU != nil {
		d.Queries = []string{gpuQuery(p.GPU, []string{"namespace"})}
		if p.GPU.Cost != nil {
			d.Queries = append(d.Queries, gpuCosts(p.GPU, []string{"namespace"}))
		}
		for _, u := range p.GPU.Unsure {
			d.Traps = append(slices.Clip(d.Traps), "How many GPUs there are is unsure ("+u.Because+") where there are "+u.Says+".")
		}
		for _, t := range gpuTrials(p.GPU, nil) {
			d.Counts = append(d.Counts, Count{t.name, t.found})
		}
		return d, nil
	}
	w := worded(p, everything, p.GroupBy, time.Hour)
	for _, t := range w.trials("%s") {
		d.Counts = append(d.Counts, Count{t.name, slices.Concat(t.found, t.plus)})
	}
	q := packQueries(p, nil, p.GroupBy)
	d.Queries = []string{q.hourly}
	for _, extra := range []string{q.ttft, q.prompts, q.daily} {
		if extra != "" {
			d.Queries = append(d.Queries, extra)
		}
	}
	if p.engine() {
		d.Queries = append(d.Queries, q.served)
	}
	return d, nil
}

// inputHolds says in words what the input counter of p holds.
func (p *pack) inputHolds() string {
	switch {
	case p.GPU != nil:
		return ""
	case p.Tokens[cacheRead] == nil && p.Tokens[cacheWrite] == nil:
		return "whatever the program calls input; cached tokens are not counted"
	case !p.InputIncludesCache:
		return "no cached tokens, which are counted apart"
	case len(p.CacheApart) > 0:
		of := make([]string, len(p.CacheApart))
		for i, apart := range p.CacheApart {
			of[i] = whereList(apart)
		}
		return "cached tokens too, but not of " + strings.Join(of, ", nor of ")
	}
	var kinds []string
	if p.Tokens[cacheRead] != nil {
		kinds = append(kinds, "cache reads")
	}
	if p.Tokens[cacheWrite] != nil {
		kinds = append(kinds, "cache writes")
	}
	return strings.Join(kinds, " and ") + " too"
}
