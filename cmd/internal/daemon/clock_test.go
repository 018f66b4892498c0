package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestF51_ClockSteps holds that a clock that is set by more than a minute, forwards or back, is logged and counted once, however much time passes, and that one that is slewed is not.
func TestF51_ClockSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wrong time.Duration
		var log bytes.Buffer
		d := &Daemon{metrics: newMetrics(nil, nothing{}), options: Options{
			Clock: func() time.Time { return time.Now().Add(wrong).Round(0) }, // a wall clock alone
			Log:   slog.New(slog.NewTextHandler(&log, nil)),
		}}
		steps := 0
		for _, tc := range []struct {
			set  time.Duration
			said string
		}{
			{0, ""}, {0, ""}, {time.Minute, ""}, {61 * time.Second, "by=1m1s"}, {0, ""}, {-2 * time.Hour, "by=-2h0m0s"}, {-time.Minute, ""}, {30 * 24 * time.Hour, "by=720h0m0s"},
		} {
			wrong += tc.set
			log.Reset()
			d.watchClock()
			if tc.said != "" {
				steps++
			}
			if got := testutil.ToFloat64(d.metrics.clockSteps); int(got) != steps || strings.Contains(log.String(), "by=") != (tc.said != "") || !strings.Contains(log.String(), tc.said) {
				t.Errorf("set by %s: got %v steps and %q, want %d and %q", tc.set, got, log.String(), steps, tc.said)
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestF51_EveryCycleLooks holds that evaluations and collections look at the clock.
func TestF51_EveryCycleLooks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nothingMeasured)
	for i, look := range []func(){func() { _, _ = r.Cycle(t.Context()) }, func() { _ = r.Collect(t.Context()) }, func() { _, _ = r.Cycle(t.Context()) }} {
		look()
		if got := testutil.ToFloat64(r.metrics.clockSteps); int(got) != i {
			t.Errorf("look %d: got %v steps, want %d", i, got, i)
		}
		r.mu.Lock()
		r.now = r.now.Add(time.Hour)
		r.mu.Unlock()
	}
}
