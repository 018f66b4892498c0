// Package world is a small company's metrics: gateways, engines and GPUs that count under the names of the real exporters
// and are scraped into an engine.
package world

import (
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/traffic"
)

// Scrape is the time between two scrapes.
const Scrape = time.Minute

// Kind is the program that counts a workload's tokens.
type Kind int

// The kinds.
const (
	LiteLLM Kind = iota // a gateway in front of paid APIs
	VLLM                // an engine on the company's own GPUs
)

// Tenant is one workload and how it shows up in the metrics.
type Tenant struct {
	traffic.Workload
	Kind    Kind
	Labels  map[string]string // identity: team_alias and requested_model, or namespace and model_name
	GPUs    int               // cards that a vLLM workload holds
	GPUName string
	Busy    float64                        // share of time in which its GPUs run a kernel
	Hours   func(t time.Time) traffic.Hour // real traffic; nil makes it
	Begin   time.Time                      // nothing is exported before; the zero time means from the start
}

// World counts and is scraped. It is not safe for use by several goroutines.
type World struct {
	Seed     uint64
	Tenants  []Tenant
	Restarts map[Kind][]time.Time // when the pods of a kind are replaced: counters begin at zero under new names
	Gaps     map[Kind][]Gap       // when nobody scrapes them
	now      time.Time
	exports  []*export
}

// Gap is a time without scrapes.
type Gap struct{ From, To time.Time }

func (g Gap) holds(t time.Time) bool { return !t.Before(g.From) && t.Before(g.To) }

// export is the series of one tenant.
type export struct {
	tenant   *Tenant
	counters []*counter
	gauges   []*gauge
	pod      int // how many pods have served it
}

// counter grows by what a tenant used.
type counter struct {
	name   string
	labels map[string]string
	share  func(traffic.Hour) float64
	series engine.Series
	value  float64
}

type gauge struct {
	name   string
	labels map[string]string
	value  func(load float64) float64 // of the load over the tenant's mean load
	series engine.Series
}

// Start places the world at t: what is scraped from there on is counted from zero.
func (w *World) Start(t time.Time) {
	w.now = t
	for i := range w.Tenants {
		e := &export{tenant: &w.Tenants[i]}
		if e.tenant.Kind == LiteLLM {
			e.liteLLM()
		} else {
			e.vllm()
		}
		e.replacePods()
		w.exports = append(w.exports, e)
	}
}

// Now returns the time up to which the world has been scraped.
func (w *World) Now() time.Time { return w.now }

// Advance lets time run until to, scraping every minute. It commits hour by hour, so that a reader sees whole hours.
func (w *World) Advance(e *engine.Engine, to time.Time) error {
	for w.now.Before(to) {
		end := w.now.Truncate(time.Hour).Add(time.Hour)
		if end.After(to) {
			end = to
		}
		batch := e.Begin()
		for _, x := range w.exports {
			if err := w.count(batch, x, w.now, end); err != nil {
				return err
			}
		}
		if err := batch.Commit(); err != nil {
			return err
		}
		w.now = end
	}
	return nil
}

// count lets the counters of x run from one instant to another inside an hour, and scrapes them.
func (w *World) count(batch *engine.Samples, x *export, from, to time.Time) error {
	if from.Before(x.tenant.Begin) {
		return nil
	}
	hour := w.hour(x.tenant, from.Truncate(time.Hour))
	load := hour.Tokens() * 24 / x.tenant.TokensPerDay
	for t := from.Add(Scrape); !t.After(to); t = t.Add(Scrape) {
		for _, at := range w.Restarts[x.tenant.Kind] {
			if at.Equal(t) {
				x.replacePods()
			}
		}
		scraped := true
		for _, gap := range w.Gaps[x.tenant.Kind] {
			scraped = scraped && !gap.holds(t)
		}
		for _, c := range x.counters {
			c.value += c.share(hour) * float64(Scrape) / float64(time.Hour)
			if !scraped {
				continue
			}
			if err := batch.Add(&c.series, t, math.Round(c.value)); err != nil {
				return err
			}
		}
		if !scraped || t.Minute()%5 != 0 {
			continue
		}
		for _, g := range x.gauges {
			if err := batch.Add(&g.series, t, g.value(load)); err != nil {
				return err
			}
		}
	}
	return nil
}

// hour returns the traffic of a tenant in the hour that begins at t.
func (w *World) hour(tenant *Tenant, t time.Time) traffic.Hour {
	if tenant.Hours != nil {
		return tenant.Hours(t)
	}
	return tenant.At(t, w.Seed)
}

// Truth returns the tokens that a tenant really used in [from, to), whole hours.
func (w *World) Truth(tenant int, from, to time.Time) float64 {
	sum := 0.0
	for t := from; t.Before(to); t = t.Add(time.Hour) {
		sum += w.hour(&w.Tenants[tenant], t).Tokens()
	}
	return sum
}

// replacePods begins every series anew under the name of another pod.
func (x *export) replacePods() {
	x.pod++
	for _, c := range x.counters {
		c.value, c.series = 0, engine.Series{Labels: x.identity(c.name, c.labels)}
	}
	for _, g := range x.gauges {
		g.series = engine.Series{Labels: x.identity(g.name, g.labels)}
	}
}

func (x *export) counter(name string, own map[string]string, share func(traffic.Hour) float64) {
	x.counters = append(x.counters, &counter{name: name, labels: own, share: share})
}

func (x *export) gauge(name string, own map[string]string, value func(load float64) float64) {
	x.gauges = append(x.gauges, &gauge{name: name, labels: own, value: value})
}

// identity returns the labels of a series: its own, those of the tenant and those that the scrape adds.
func (x *export) identity(name string, own map[string]string) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(labels.MetricName, name)
	for k, v := range x.tenant.Labels {
		b.Set(k, v)
	}
	for k, v := range x.scraped() {
		b.Set(k, v)
	}
	for k, v := range own {
		b.Set(k, v)
	}
	return b.Labels()
}
