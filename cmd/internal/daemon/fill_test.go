package daemon

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tipline/collector/promtest"
)

// TestHistoryIsReadBetweenCycles holds that the first cycle does not wait for a year of history, that the year is read all the same, that the
// report and the log say how far it is, and that a source that fails does not hold up the other, nor is asked again as often as the other gives something.
func TestHistoryIsReadBetweenCycles(t *testing.T) {
	t.Parallel()
	var early atomic.Bool // older hours were asked for before there was a report
	var d atomic.Pointer[Daemon]
	old := func(q promtest.Query) bool { return q.Step > 0 && q.Start.Before(opening.Add(-atOnce-24*time.Hour)) }
	answer := func(labels map[string]string) func(promtest.Query) promtest.Answer {
		return func(q promtest.Query) promtest.Answer {
			if running := d.Load(); old(q) && running.Report() == nil {
				early.Store(true)
			}
			return steady(labels, 1e6)(q)
		}
	}
	good := answer(map[string]string{"team_alias": "support"})
	var refused atomic.Int64 // queries for older hours
	r := newRig(t, route(good, func(q promtest.Query) promtest.Answer {
		if old(q) {
			refused.Add(1)
			return promtest.Status(400, "querying store failed")
		}
		return answer(map[string]string{"model_name": "llama"})(q)
	}))
	r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 365d")
	r.background = true
	var said strings.Builder
	r.log = slog.New(slog.NewTextHandler(&said, nil))
	r.start(t)
	d.Store(r.Daemon)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Serve(ctx); close(done) }()
	var seen []float64
	for deadline := time.Now().Add(time.Minute); !slices.Contains(seen, 1) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if report := r.Report(); report != nil && report.Sources[0].FilledRatio != nil {
			seen = append(seen, float64(*report.Sources[0].FilledRatio))
		}
	}
	cancel()
	<-done
	if early.Load() {
		t.Error("the first cycle asked for hours that it does not wait for")
	}
	if n := refused.Load(); n == 0 || n > 4 {
		t.Errorf("the source that refuses older hours was asked for them %d times, want no more than are in flight at once, until ten minutes later", n)
	}
	if !slices.IsSorted(seen) || !slices.Contains(seen, 1) {
		t.Fatalf("the report showed %v of the history, want more and more and then all", seen)
	}
	if got := *r.Report().Sources[1].FilledRatio; got > 0.2 || !r.Report().Sources[1].Up {
		t.Errorf("of the source that has no more, %v are read, want the first two months, and that it is up", got)
	}
	if n := strings.Count(said.String(), `msg="reading the history" source=gateway filled_ratio=`); n < 5 || n > 11 {
		t.Errorf("the log said %d times how far the history is, want every tenth of it", n)
	}
	c := r.setup.sources[0].collector
	stored, err := c.Stored(opening)
	if err != nil || len(stored) != 1 || c.Read(stored[0], opening).Measured() < 365*24*time.Hour {
		t.Errorf("got %d workloads, error %v, want one with a year of history", len(stored), err)
	}
}
