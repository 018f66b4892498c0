package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/templates"
	"tipline/config"
	"tipline/model"
)

// canary is in every panic of a test, as a secret may be.
const canary = "xoxb-canary"

// breaking is a Store that panics when a key is read or scanned for that holds broken; an empty one breaks nothing.
type breaking struct {
	Store
	broken *string
}

func (b breaking) look(key string) {
	if *b.broken != "" && strings.Contains(key, *b.broken) {
		panic("token " + canary)
	}
}

func (b breaking) Get(bucket, key string) ([]byte, error) {
	b.look(key)
	return b.Store.Get(bucket, key)
}

func (b breaking) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	b.look(prefix)
	return b.Store.Scan(bucket, prefix, fn)
}

// TestF90_EveryStage injects a panic, whose text is a secret, into parts of the daemon's work: it is caught and counted, the log says where
// and not what the text was, and what has nothing to do with it goes on.
func TestF90_EveryStage(t *testing.T) {
	t.Parallel()
	other := steady(map[string]string{"team_alias": "chat"}, 1e7)
	for stage, inject := range map[string]func(t *testing.T, r *rig, broken *string){
		inSource: func(t *testing.T, r *rig, broken *string) {
			*broken = "engines"
			report := r.days(t, 1)
			if s := report.Sources; !s[0].Up || s[1].Up || s[1].Error != errPanicked.Error() || workload(t, report, "support").Decision.Recommendation != model.Move {
				t.Errorf("got %+v, want one source down and what the other has evaluated", s)
			}
		},
		inWorkload: func(t *testing.T, r *rig, broken *string) {
			*broken = scored + "chat"
			report := r.days(t, 1)
			if w := workload(t, report, "chat"); w.Decision.Recommendation != model.Unknown || !warned(w, model.EvaluationFailed) {
				t.Errorf("got %+v, want that it is not known", w.Decision)
			}
			if w := workload(t, report, "support"); w.Decision.Recommendation != model.Move {
				t.Errorf("the other workload: got %+v, want its verdict", w.Decision)
			}
		},
		inTemplate: func(t *testing.T, r *rig, _ *string) {
			own, err := templates.New(nil, "{{.Workload}}", "")
			if err != nil {
				t.Fatal(err)
			}
			said := false
			n := worded{r.box, templates.List{own}, func(e alerting.Event, err error) {
				said = true
				r.panicked(inTemplate, err, "event", e.ID)
			}}
			if _, err := n.Send(t.Context(), alerting.Event{ID: "e-1", Reason: alerting.Digested}); err != nil || !said || len(r.box.events) != 1 {
				t.Errorf("got %v and %d messages, want it said in the built-in words", err, len(r.box.events))
			}
		},
		inMessage: func(t *testing.T, r *rig, _ *string) {
			bad := counted{panicking{}, r.Daemon}
			r.desk.Reconfigure([]alerting.Notifier{bad, counted{r.box, r.Daemon}})
			r.days(t, 3)
			if len(r.box.events) == 0 {
				t.Error("the other notifier got nothing")
			}
			if text := r.desk.Parked()["panicking"]; strings.Contains(text, canary) {
				t.Errorf("got %q, which holds the text of the panic", text)
			}
		},
		inReload: func(t *testing.T, r *rig, _ *string) {
			load := r.options.Load
			r.options.Load = func() (*config.Config, error) { panic(errors.New(canary)) }
			if err := r.Reload(); !errors.Is(err, errPanicked) || testutil.ToFloat64(r.metrics.reload) != 0 {
				t.Errorf("got %v, want the reload refused", err)
			}
			r.options.Load = load
			if err := r.Reload(); err != nil || testutil.ToFloat64(r.metrics.reload) != 1 {
				t.Errorf("got %v once it can be read", err)
			}
		},
		inHandler: func(t *testing.T, r *rig, _ *string) {
			registry := prometheus.NewRegistry()
			registry.MustRegister(r.Guarded(spoiled{}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "whole"}))
			if families, err := registry.Gather(); err != nil || len(families) != 1 || families[0].GetName() != "whole" {
				t.Errorf("got %v, %v, want what does not panic", families, err)
			}
		},
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, route(both(steady(map[string]string{"team_alias": "support"}, 2e7), other), nothingMeasured))
			var log bytes.Buffer
			r.options.Log = slog.New(slog.NewTextHandler(&log, nil))
			broken := new(string)
			r.options.Store = breaking{r.store, broken}
			if err := r.Reload(); err != nil {
				t.Fatal(err)
			}
			inject(t, r, broken)
			if n := testutil.ToFloat64(r.metrics.panics.WithLabelValues(stage)); n == 0 {
				t.Error("nothing is counted")
			}
			if text := log.String(); !strings.Contains(text, "msg=panicked stage="+stage) || !strings.Contains(text, "panic_test.go") || strings.Contains(text, canary) {
				t.Errorf("got the log %s, want where it was and no text of it", text)
			}
		})
	}
}

// TestF90_Evaluation panics at each time at which the evaluation of a workload reads its hours, before its projection and before its decision: it is not
// known then, and the other is.
func TestF90_Evaluation(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(both(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"team_alias": "chat"}, 1e7)), nothingMeasured))
	found, _, err := r.read(t.Context(), r.now)
	if err != nil {
		t.Fatal(err)
	}
	for at := 1; ; at++ {
		workloads := named(found)
		reads := 0
		for i, m := range workloads {
			if m.usage.Workload == "chat" {
				workloads[i].read = func(u model.Usage) model.Usage {
					if reads++; reads == at {
						panic(canary)
					}
					return m.read(u)
				}
			}
		}
		evaluations, _, _ := r.evaluateAll(workloads, nil, r.now)
		if reads < at {
			if at < 3 {
				t.Errorf("got %d reads, want one before each half of an evaluation", reads)
			}
			return
		}
		for _, e := range evaluations {
			known := e.report.Decision.Recommendation != model.Unknown
			if fails := e.report.Workload == "chat"; known == fails || warned(e.report, model.EvaluationFailed) != fails {
				t.Errorf("at read %d: %s: got %+v", at, e.report.Workload, e.report.Decision)
			}
		}
		if n := testutil.ToFloat64(r.metrics.panics.WithLabelValues(inWorkload)); n != float64(at) {
			t.Errorf("after %d panics %v are counted", at, n)
		}
	}
}

// panicking is a Notifier that panics.
type panicking struct{}

func (panicking) Name() string { return "panicking" }

func (panicking) Send(context.Context, alerting.Event) (alerting.Posted, error) {
	panic(&http.Request{Header: http.Header{"Authorization": {canary}}})
}

// spoiled is a Collector that panics.
type spoiled struct{}

func (spoiled) Describe(ch chan<- *prometheus.Desc) {
	ch <- prometheus.NewDesc("spoiled", "", nil, nil)
}
func (spoiled) Collect(chan<- prometheus.Metric) { panic(canary) }

// heard is a log whose readers are told of every line.
type heard struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan struct{}
}

func (h *heard) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	signal(h.lines)
	return h.text.Write(line)
}

// await returns when the log holds all of texts.
func (h *heard) await(t *testing.T, texts ...string) {
	t.Helper()
	for range h.lines {
		h.mu.Lock()
		log := h.text.String()
		h.mu.Unlock()
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(log, text) }) {
			return
		}
	}
}

// TestF90_Serve holds that a daemon of which everything panics goes on, and does its work once it can.
func TestF90_Serve(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured))
	r.days(t, 1)
	log := &heard{lines: make(chan struct{}, 1)}
	r.options.Log = slog.New(slog.NewTextHandler(log, nil))
	desk := r.desk
	r.desk = nil
	r.setup.cfg.Lists = []config.PriceSource{{Name: "nodes", From: config.OpenCost, Source: "nobody"}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Serve(ctx); close(ended) }()
	signal(r.answered)
	log.await(t, "stage="+inCycle, "stage="+inMessage, "stage="+inAnswer, "stage="+inPrices)
	stop()
	<-ended
	for _, stage := range []string{inCycle, inMessage, inAnswer, inPrices} {
		if testutil.ToFloat64(r.metrics.panics.WithLabelValues(stage)) == 0 {
			t.Errorf("%s: nothing is counted", stage)
		}
	}
	r.desk, r.setup.cfg.Lists = desk, nil
	if got := workload(t, r.days(t, 1), "support").Decision; got.Recommendation != model.Move {
		t.Errorf("afterwards: got %+v, want a verdict", got)
	}
}

// TestF90_Picture holds that a chart that cannot be drawn costs a picture, and is counted.
func TestF90_Picture(t *testing.T) {
	t.Parallel()
	r := newRig(t, nothingMeasured)
	if r.draws() != nil {
		t.Error("there is a picture where nothing draws one")
	}
	r.options.Draw = func(io.Writer, *chart.Chart) error { panic(canary) }
	if err := r.draws()(io.Discard, &chart.Chart{}); !errors.Is(err, errPanicked) || testutil.ToFloat64(r.metrics.panics.WithLabelValues(inMessage)) != 1 {
		t.Errorf("got %v, want an error", err)
	}
}
