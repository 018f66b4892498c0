package packs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
)

// TestF28_ScrapedSeldom holds that a source is told to be scraped too seldom for windows of an hour, by how often the median series of its counters has a sample, and that neither an
// outage, nor programs that live for minutes, nor the period of what a cloud exports are taken for that.
func TestF28_ScrapedSeldom(t *testing.T) {
	t.Parallel()
	seldom := func(r collector.Result) string {
		for _, w := range r.Warnings {
			if w.Code == collector.ScrapedSeldom {
				return w.Text
			}
		}
		return ""
	}
	end := start.Add(9 * time.Hour)
	for _, tc := range []struct {
		name  string
		pods  []time.Duration // how often each is scraped
		alive func(pod int, after time.Duration) bool
		want  string // what the warning says
	}{
		{name: "every half minute", pods: []time.Duration{30 * time.Second}},
		{name: "every five minutes", pods: []time.Duration{5 * time.Minute}},
		{name: "every fifteen minutes", pods: []time.Duration{15 * time.Minute}},
		{name: "every twenty minutes", pods: []time.Duration{20 * time.Minute}, want: "every 20 minutes"},
		{name: "every half hour", pods: []time.Duration{30 * time.Minute}, want: "every 30 minutes"},
		{name: "one pod of three seldom", pods: []time.Duration{time.Minute, time.Minute, 30 * time.Minute}},
		{name: "two pods of three seldom", pods: []time.Duration{time.Minute, 20 * time.Minute, 20 * time.Minute}, want: "every 20 minutes"},
		{name: "nothing scraped for three hours", pods: []time.Duration{time.Minute}, alive: func(_ int, after time.Duration) bool {
			return after < 5*time.Hour || after > 8*time.Hour
		}},
		{name: "pods that live for ten minutes", pods: make([]time.Duration, 54), alive: func(pod int, after time.Duration) bool {
			return int(after/(10*time.Minute)) == pod
		}},
	} {
		e, err := engine.Open(func() time.Time { return end })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		for pod, every := range tc.pods {
			if every == 0 {
				every = time.Minute
			}
			for after := 7*time.Second + time.Duration(pod)*time.Second; start.Add(after).Before(end); after += every {
				if tc.alive != nil && !tc.alive(pod, after) {
					continue
				}
				text := fmt.Sprintf("litellm_input_tokens_metric_total{team=\"a\"} %[1]v\nlitellm_output_tokens_metric_total{team=\"a\"} %[1]v\n", 10*after.Seconds())
				target := map[string]string{"job": "litellm", "instance": fmt.Sprintf("10.0.0.%d:4000", pod)}
				if err := e.Ingest([]byte(text), start.Add(after), target, func(_ string, v float64) float64 { return v }); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := collectAt(t, collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "litellm", GroupBy: []string{"team"}, Backfill: 8 * time.Hour,
			Clock: func() time.Time { return end },
		}, end)
		if len(r.Usage) != 1 {
			t.Fatalf("%s: got %d workloads, want one", tc.name, len(r.Usage))
		}
		if said := seldom(r); (said != "") != (tc.want != "") || !strings.Contains(said, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, said, tc.want)
		}
	}
	cloud := truth{Pack: "bedrock-mantle-yace", Expositions: []string{"bedrock-mantle-yace.prom"}, Period: "30m", Stamps: "cloud"}
	cloud.Set.Period, cloud.Set.Stamps = cloud.Period, cloud.Stamps
	if r := collect(t, build(t, cloud).settings()); len(r.Usage) != 1 || seldom(r) != "" {
		t.Errorf("what a cloud exports: got %d workloads and %q", len(r.Usage), seldom(r))
	}
}
