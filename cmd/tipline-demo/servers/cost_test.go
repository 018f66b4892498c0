package servers

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"tipline/cmd/internal/store/storetest"
	"tipline/collector"
)

// TestCosts holds that a collector with a clock says of every query that it sends what the answers were: how often it was asked, what is in the largest answer, and what the server
// held for it. The queries are as many for one day as for three.
func TestCosts(t *testing.T) {
	t.Parallel()
	url := embedded(t)
	var names []string
	for _, days := range []int{1, 3} {
		ticks := 0
		clock := func() time.Time { ticks++; return end.Add(time.Duration(ticks) * time.Second) }
		c, err := collector.New(collector.Settings{Name: "gateway", URL: url, Pack: "litellm", GroupBy: []string{"team_alias"}, Backfill: time.Duration(days) * 24 * time.Hour, Concurrency: 1, Clock: clock, Costs: true},
			storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		result, err := c.Collect(t.Context(), end)
		if err != nil {
			t.Fatal(err)
		}
		var now []string
		sent := 0
		for _, cost := range c.Costs() {
			now, sent = append(now, cost.Query), sent+cost.Requests
			if cost.Requests == 0 || cost.Bytes == 0 || cost.Took < time.Second || (cost.Series > 0) != (cost.Samples > 0) || cost.Series > 0 && cost.Peak < cost.Series {
				t.Errorf("%d days: %+v, want an answer that took ticks of the clock", days, cost)
			}
			if cost.Query == "hours" {
				teams := len(result.Usage)
				want := []string{"input", "output", "cache_read", "cache_write", "requests", "coverage", "resets"}
				if !slices.Equal(cost.Signals, want) || cost.Requests < days || cost.Hours != collector.ChunkHours || cost.Series < 4*teams || cost.Samples < 4*24*cost.Series/7 || cost.Peak < 1000 {
					t.Errorf("%d days: %+v, want the signals %q of %d teams", days, cost, want, teams)
				}
			}
		}
		if sent != result.Queries {
			t.Errorf("%d days: %d queries in costs, %d were sent", days, sent, result.Queries)
		}
		if names != nil && !slices.Equal(now, names) {
			t.Errorf("queries are %q for a day and %q for %d", names, now, days)
		}
		names = now
	}
	if !slices.Contains(names, "hours") || !slices.Contains(names, "failures") {
		t.Errorf("queries: %q", names)
	}
}
