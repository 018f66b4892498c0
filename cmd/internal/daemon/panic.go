package daemon

import (
	"errors"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"

	"tipline/model"
)

// The parts of the daemon's work in which a panic is counted.
const (
	inCycle    = "cycle"    // what a cycle or a collection does for all workloads together
	inSource   = "source"   // reading a source
	inWorkload = "workload" // evaluating a workload
	inTemplate = "template"
	inMessage  = "message" // delivering it, or showing what stands
	inAnswer   = "answer"  // taking what people answered
	inPrices   = "prices"  // fetching price lists
	inReload   = "reload"
	inHandler  = "handler" // answering an HTTP request
)

// stages are all of them.
var stages = []string{inCycle, inSource, inWorkload, inTemplate, inMessage, inAnswer, inPrices, inReload, inHandler}

// errPanicked is what a person is told of a panic.
var errPanicked = errors.New("it panicked, which is a defect of tipline; the log says where")

// guarded does do, a part of stage, and reports whether it came to its end. A panic is counted, and logged with what about names.
func (d *Daemon) guarded(stage string, do func(), about ...any) (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			d.panicked(stage, model.Caught(p, debug.Stack()), about...)
		}
	}()
	do()
	return true
}

// panicked counts the panic that err holds, if it holds one, and logs where it was, with what about names.
func (d *Daemon) panicked(stage string, err error, about ...any) {
	var p *model.Panic
	if !errors.As(err, &p) {
		return
	}
	d.metrics.panics.WithLabelValues(stage).Inc()
	d.options.Log.Error("panicked", append([]any{"stage", stage, "panic", p.What, "stack", p.Stack}, about...)...)
}

// Handle answers a request by do and reports whether it came to its end.
func (d *Daemon) Handle(path string, do func()) (ended bool) {
	return d.guarded(inHandler, do, "path", path)
}

// Guarded returns c, whose series are missing where it panics.
func (d *Daemon) Guarded(c prometheus.Collector) prometheus.Collector { return guardedSeries{c, d} }

type guardedSeries struct {
	prometheus.Collector
	daemon *Daemon
}

// Collect does what that of the collector does. A registry calls it in a goroutine of its own.
func (g guardedSeries) Collect(ch chan<- prometheus.Metric) {
	g.daemon.guarded(inHandler, func() { g.Collector.Collect(ch) }, "path", "/metrics")
}
