// Package world is a company's metrics: gateways, engines and GPUs that count under the names of the real exporters and are
// scraped into an engine.
package world

import (
	"errors"
	"math"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/traffic"
)

const (
	scrape    = time.Minute     // between two scrapes of counters
	gaugeStep = 5 * time.Minute // between two scrapes of gauges; the engine looks back as far
)

// Kind is the program that counts a workload's tokens.
type Kind int

// The kinds.
const (
	LiteLLM Kind = iota // a gateway in front of paid APIs
	VLLM                // engines on the company's own GPUs
)

// A Tenant is one workload and how it shows up in the metrics.
type Tenant struct {
	Name      string
	Kind      Kind
	Labels    map[string]string // of its series: team_alias and requested_model, or namespace and model_name
	Use       traffic.Source
	Cached    bool          // a gateway counts cached tokens from the first of them on, so not without any
	TTFT      time.Duration // median time to first token; 0 exports none
	TTFTP95   time.Duration
	GPUs      int // cards that an engine holds
	GPUName   string
	TokensMax float64 // tokens an hour at which the cards are busy all the time
}

// A Span is a stretch of time.
type Span struct{ From, To time.Time }

func (s Span) holds(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// A World counts and is scraped. It is not safe for use by several goroutines.
//
// Use is spread evenly over its hour, so that what a counter gains in an hour is what was used in it, whatever is done to
// estimate the ends of a window.
type World struct {
	Tenants  []Tenant
	Restarts map[Kind][]time.Time // when the pods of a kind are replaced: counters begin at zero under new names
	Gaps     map[Kind][]Span      // when nobody scrapes them; they count on
	now      time.Time
	exports  []*export
}

// An export is the series of one tenant.
type export struct {
	tenant   *Tenant
	counters []*counter
	gauges   []*gauge
	pod      int  // how many pods have served it
	scraped  bool // its series were scraped last time, so that they must be marked stale when they are not any more
}

// A counter grows by what a tenant used.
type counter struct {
	name   string
	labels map[string]string
	share  func(traffic.Used) float64
	series engine.Series
	value  float64
}

type gauge struct {
	name   string
	labels map[string]string
	value  func(traffic.Used) float64
	series engine.Series
}

// Start places the world at t: what is scraped from there on is counted from zero.
func (w *World) Start(t time.Time) {
	w.now, w.exports = t, nil
	for i := range w.Tenants {
		x := &export{tenant: &w.Tenants[i]}
		if x.tenant.Kind == LiteLLM {
			x.liteLLM()
		} else {
			x.vllm()
		}
		x.replacePod()
		w.exports = append(w.exports, x)
	}
}

// Advance lets time run until to, scraping every minute. It commits hour by hour, so that a reader sees whole hours.
func (w *World) Advance(e *engine.Engine, to time.Time) error {
	for w.now.Before(to) {
		end := w.now.Truncate(time.Hour).Add(time.Hour)
		if end.After(to) {
			end = to
		}
		batch := e.Begin()
		for _, x := range w.exports {
			if err := w.run(batch, x, w.now, end); err != nil {
				return errors.Join(err, batch.Rollback())
			}
		}
		if err := batch.Commit(); err != nil {
			return err
		}
		w.now = end
	}
	return nil
}

// run lets x count from one instant to another inside an hour, and scrapes it.
func (w *World) run(batch *engine.Samples, x *export, from, to time.Time) error {
	used, serving := x.tenant.Use.Hour(from.Truncate(time.Hour))
	if serving && !x.scraped { // the first scrape of a new pod finds nothing counted
		if err := w.sample(batch, x, from, used, true); err != nil {
			return err
		}
	}
	for t := from.Add(scrape); !t.After(to); t = t.Add(scrape) {
		for _, at := range w.Restarts[x.tenant.Kind] {
			if at.Equal(t) {
				if err := x.stale(batch, t); err != nil {
					return err
				}
				x.replacePod()
			}
		}
		for _, c := range x.counters {
			c.value += c.share(used) * float64(scrape) / float64(time.Hour)
		}
		if err := w.sample(batch, x, t, used, serving); err != nil {
			return err
		}
	}
	return nil
}

// sample scrapes x at t, unless it does not serve or falls into a gap.
func (w *World) sample(batch *engine.Samples, x *export, t time.Time, used traffic.Used, serving bool) error {
	for _, gap := range w.Gaps[x.tenant.Kind] {
		serving = serving && !gap.holds(t)
	}
	if !serving {
		return x.stale(batch, t)
	}
	first := !x.scraped
	x.scraped = true
	for _, c := range x.counters {
		if err := batch.Add(&c.series, t, math.Round(c.value)); err != nil {
			return err
		}
	}
	if !first && t.Truncate(gaugeStep) != t {
		return nil
	}
	for _, g := range x.gauges {
		if err := batch.Add(&g.series, t, g.value(used)); err != nil {
			return err
		}
	}
	return nil
}

// stale marks the series of x as ended, as Prometheus does when a target or a series is not there any more.
func (x *export) stale(batch *engine.Samples, t time.Time) error {
	if !x.scraped {
		return nil
	}
	x.scraped = false
	ended := math.Float64frombits(value.StaleNaN)
	for _, c := range x.counters {
		if err := batch.Add(&c.series, t, ended); err != nil {
			return err
		}
	}
	for _, g := range x.gauges {
		if err := batch.Add(&g.series, t, ended); err != nil {
			return err
		}
	}
	return nil
}

// replacePod begins every series anew, those of a pod under the name of the next one.
func (x *export) replacePod() {
	x.pod++
	for _, c := range x.counters {
		c.value, c.series = 0, engine.Series{Labels: x.identity(c.name, c.labels)}
	}
	for _, g := range x.gauges {
		g.series = engine.Series{Labels: x.identity(g.name, g.labels)}
	}
}

func (x *export) counter(name string, own map[string]string, share func(traffic.Used) float64) {
	x.counters = append(x.counters, &counter{name: name, labels: own, share: share})
}

func (x *export) gauge(name string, own map[string]string, value func(traffic.Used) float64) {
	x.gauges = append(x.gauges, &gauge{name: name, labels: own, value: value})
}

// identity returns the labels of a series: those of the tenant, those that the scrape adds, and its own, which win. An own
// label that is empty takes one away.
func (x *export) identity(name string, own map[string]string) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	b.Set(prommodel.MetricNameLabel, name)
	for _, set := range []map[string]string{x.tenant.Labels, x.target(), own} {
		for k, v := range set {
			b.Set(k, v)
		}
	}
	return b.Labels()
}
