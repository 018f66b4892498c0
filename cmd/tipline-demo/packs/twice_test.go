package packs

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/draft"
	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestScrapedTwice holds that a probe finds the engine that two jobs scrape, at other instants, beside two replicas that serve as much each and are two.
func TestScrapedTwice(t *testing.T) {
	t.Parallel()
	end := start.Add(30 * time.Hour)
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	scrape := func(job, instance string, offset time.Duration) {
		for minute := 0; minute <= 30*60; minute += 5 {
			at := start.Add(time.Duration(minute)*time.Minute + offset)
			count := float64(minute)*1000 + offset.Seconds()*1000/60
			text := fmt.Sprintf("vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} %v\nvllm:generation_tokens_total{engine=\"0\",model_name=\"m\"} %v\nup 1\n", count, count/5)
			if err := e.Ingest([]byte(text), at, map[string]string{"job": job, "namespace": "ns", "instance": instance}, func(_ string, v float64) float64 { return v }); err != nil {
				t.Fatal(err)
			}
		}
	}
	probe := func() collector.Health {
		h, err := collector.Probe(t.Context(), collector.Settings{Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "vllm", Backfill: 24 * time.Hour}, end)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	scrape("vllm", "10.0.0.1:8000", 0)
	scrape("vllm", "10.0.0.2:8000", 0)
	if h := probe(); h.Twice != 0 {
		t.Errorf("two replicas: got %d scraped twice", h.Twice)
	}
	scrape("pods", "10.0.0.2:8000", 20*time.Second)
	if h := probe(); h.Twice != 1 {
		t.Errorf("two replicas and two jobs of one: got %d scraped twice, want 1", h.Twice)
	}
}

// TestStoredByReplicas holds that a probe finds the counters that two replicas of a Prometheus scrape and store together, and not those of two programs that are called replicas.
func TestStoredByReplicas(t *testing.T) {
	t.Parallel()
	end := start.Add(2 * time.Hour)
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	scrape := func(labels map[string]string, offset time.Duration) {
		for minute := 0; minute <= 2*60; minute++ {
			text := fmt.Sprintf("litellm_input_tokens_metric_total{team=\"a\"} %v\nlitellm_output_tokens_metric_total{team=\"a\"} %v\nup 1\n", 1000*minute, 100*minute)
			if err := e.Ingest([]byte(text), start.Add(time.Duration(minute)*time.Minute+offset), labels, func(_ string, v float64) float64 { return v }); err != nil {
				t.Fatal(err)
			}
		}
	}
	settings := collector.Settings{Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "litellm", GroupBy: []string{"team"}, Backfill: time.Hour}
	probe := func() int {
		h, err := collector.Probe(t.Context(), settings, end)
		if err != nil {
			t.Fatal(err)
		}
		return h.Replicas
	}
	c, err := collector.New(settings, storetest.Open(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	collected := func(at time.Time) bool {
		r, err := c.Collect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(r.Warnings, func(w model.Warning) bool { return w.Code == collector.StoredPerReplica })
	}
	scrape(map[string]string{"job": "litellm", "instance": "10.0.0.1:4000", "replica": "0"}, 0)
	scrape(map[string]string{"job": "litellm", "instance": "10.0.0.2:4000", "replica": "1"}, 0)
	if n := probe(); n != 0 {
		t.Errorf("two programs: got %d counters stored by replicas", n)
	}
	if collected(end) {
		t.Error("two programs: a collection says that counters are stored by replicas")
	}
	for i, replica := range []string{"prometheus-0", "prometheus-1"} {
		scrape(map[string]string{"job": "litellm", "instance": "10.0.0.3:4000", "prometheus_replica": replica}, time.Duration(i)*20*time.Second)
	}
	if n := probe(); n != 1 {
		t.Errorf("one program that two replicas scrape: got %d counters, want 1", n)
	}
	if collected(end.Add(time.Minute)) {
		t.Error("a collection looked twice within a day")
	}
	again, err := collector.New(settings, storetest.Open(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if c = again; !collected(end) {
		t.Error("one program that two replicas scrape: a collection says nothing")
	}
	d, err := collector.Discover(t.Context(), settings, end)
	if err != nil {
		t.Fatal(err)
	}
	written, err := draft.Write(d, nil, draft.Server{URL: "http://prometheus"}, end)
	if want := "# Stored twice:\n#   - the tokens below are too many: counters are stored once for every replica"; err != nil || !strings.Contains(string(written.Config), want) {
		t.Errorf("got %v and\n%s\nwant %q", err, written.Config, want)
	}
}
