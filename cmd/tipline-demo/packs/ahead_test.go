package packs

import (
	"fmt"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
)

// TestF52_ScraperAhead holds that samples of a scraper whose clock is ahead of ours are found where they are, to the scrape: by up to a minute they are in time, and beyond five minutes
// it is not known how old the data is.
func TestF52_ScraperAhead(t *testing.T) {
	t.Parallel()
	end := start.Add(2 * time.Hour)
	for _, tc := range []struct {
		name                 string
		counter              string        // how the names of the counters end
		ahead, atLeast, most time.Duration // of the scraper, and of what is found
	}{
		{"in time", "_total", 0, 0, 0},
		{"a minute", "_total", time.Minute, 0, 0},
		{"three minutes", "_total", 3 * time.Minute, 3 * time.Minute, 3 * time.Minute},
		{"another name of the counter", "", 3 * time.Minute, 3 * time.Minute, 3 * time.Minute},
		{"an hour", "_total", time.Hour, collector.SkewTrusted + 1, time.Hour},
	} {
		e, err := engine.Open(func() time.Time { return end })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		for at := start; !at.After(end.Add(tc.ahead)); at = at.Add(time.Minute) {
			minute := at.Sub(start).Minutes()
			text := fmt.Sprintf("litellm_input_tokens_metric%[1]s{team=\"a\"} %[2]v\nlitellm_output_tokens_metric%[1]s{team=\"a\"} %[2]v\nup 1\n", tc.counter, 1000*minute)
			if err := e.Ingest([]byte(text), at, map[string]string{"job": "litellm", "instance": "10.0.0.1:4000"}, func(_ string, v float64) float64 { return v }); err != nil {
				t.Fatal(err)
			}
		}
		r := collectAt(t, collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "litellm", GroupBy: []string{"team"}, Backfill: time.Hour,
			Clock: func() time.Time { return end },
		}, end)
		if len(r.Usage) != 1 {
			t.Fatalf("%s: got %d workloads, want one", tc.name, len(r.Usage))
		}
		var got time.Duration
		if r.Ahead != nil {
			got = *r.Ahead
		}
		if got < tc.atLeast || got > tc.most {
			t.Errorf("%s: got %s ahead, want %s to %s", tc.name, got, tc.atLeast, tc.most)
		}
	}
}
