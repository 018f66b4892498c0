package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	buildinfo "github.com/prometheus/client_golang/prometheus/collectors/version"

	"tipline/alerting"
)

// metrics are what the daemon says of its own work. What it says of workloads is in package gauges.
type metrics struct {
	evaluations   prometheus.Counter
	failures      prometheus.Counter
	duration      prometheus.Histogram
	last          prometheus.Gauge
	reload        prometheus.Gauge
	notifications *prometheus.CounterVec
	pending       prometheus.Gauge
	skipped       *prometheus.CounterVec
	panics        *prometheus.CounterVec

	templateFailures prometheus.Counter
	clockSteps       prometheus.Counter
	writeErrors      prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, state Store) *metrics {
	m := &metrics{
		evaluations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tipline_evaluations_total", Help: "Cycles that were evaluated, complete or not.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tipline_evaluation_failures_total", Help: "Cycles in which a source, a workload or the data file failed.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tipline_evaluation_duration_seconds", Help: "Time that a cycle took, in seconds.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300},
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tipline_last_evaluation_timestamp_seconds", Help: "When the last cycle was evaluated, in seconds since the epoch.",
		}),
		reload: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tipline_config_last_reload_successful", Help: "1 when the configuration in force is the file's, 0 when the last reload was refused.",
		}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tipline_notifications_total", Help: "Attempts to deliver a message.",
		}, []string{"notifier", "outcome"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tipline_outbox_pending", Help: "Messages that are not acknowledged.",
		}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tipline_schedule_skipped_total", Help: "Times of the schedule that were left out, since the run before was not over.",
		}, []string{"job"}),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tipline_panics_total", Help: "Panics that were caught, by what spoiled nothing but itself.",
		}, []string{"stage"}),
		templateFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tipline_template_failures_total", Help: "Attempts to deliver a message whose template could not say it, made in the built-in words.",
		}),
		clockSteps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tipline_clock_steps_total", Help: "Times that the clock of the machine was found to have been set by more than a minute, or the machine to have slept.",
		}),
	}
	m.writeErrors = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tipline_state_write_errors_total", Help: "Times that the data file could not be written; what was to be kept is kept in memory, or asked for again, until it can be.",
	})
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tipline_state_size_bytes", Help: "Size of the data file, in bytes, without what is reserved at its end.",
	}, func() float64 { return float64(state.Size()) })
	for _, stage := range stages { // there from the start, as nothing
		m.panics.WithLabelValues(stage)
	}
	m.reload.Set(1)
	if registry != nil {
		registry.MustRegister(m.evaluations, m.failures, m.duration, m.last, m.reload, m.notifications, m.pending, m.skipped, m.panics, m.templateFailures, m.clockSteps, m.writeErrors, size,
			buildinfo.NewCollector("tipline"))
	}
	return m
}

// evaluated records a cycle as of now that took elapsed.
func (m *metrics) evaluated(now time.Time, elapsed time.Duration, pending int, err error) {
	m.evaluations.Inc()
	if err != nil {
		m.failures.Inc()
	}
	m.duration.Observe(elapsed.Seconds())
	m.last.Set(float64(now.Unix()))
	m.queued(pending)
}

// queued records how many messages wait.
func (m *metrics) queued(pending int) { m.pending.Set(float64(pending)) }

// reloaded records whether the configuration could be put in force.
func (m *metrics) reloaded(err error) {
	m.reload.Set(1)
	if err != nil {
		m.reload.Set(0)
	}
}

// counted is a Notifier of which every attempt is counted by its outcome, and what panics in it.
type counted struct {
	alerting.Notifier
	daemon *Daemon
}

// Send delivers e and counts how that went: delivered, or the remedy of the error.
func (c counted) Send(ctx context.Context, e alerting.Event) (alerting.Posted, error) {
	posted, err := alerting.Send(ctx, c.Notifier, e)
	c.daemon.panicked(inMessage, err, "notifier", c.Name(), "event", e.ID)
	c.daemon.metrics.attempted(c.Name(), err)
	return posted, err
}

// attempted counts an attempt to tell notifier something by how it went.
func (m *metrics) attempted(notifier string, err error) {
	m.notifications.WithLabelValues(notifier, outcome(err)).Inc()
}

// outcome names how an attempt went: delivered, or the remedy of the error.
func outcome(err error) string {
	var failed *alerting.SendError
	switch {
	case errors.As(err, &failed):
		return string(failed.Remedy)
	case err != nil:
		return string(alerting.Retry)
	}
	return "delivered"
}
