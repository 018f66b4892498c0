package daemon

import (
	"math"
	"testing"
	"time"

	"tipline/model"
)

// TestNamesAreUnique holds that workloads of one name in any number of sources have names of their own.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	var found []metered
	for _, source := range []string{"c", "a", "d", "b"} {
		found = append(found, metered{usage: model.Usage{Workload: "chat", Source: source}})
	}
	for i, m := range named(found) {
		if want := []string{"chat", "chat@b", "chat@c", "chat@d"}[i]; m.usage.Workload != want {
			t.Errorf("got %s of source %s, want %s", m.usage.Workload, m.usage.Source, want)
		}
	}
}

// TestRequestsThatFailed holds that a report says which share of the requests of the last day failed and was sent again, and nothing where either is not known.
func TestRequestsThatFailed(t *testing.T) {
	t.Parallel()
	u := model.Usage{Start: opening.Add(-48 * time.Hour)}
	for range 48 {
		u.Hours = append(u.Hours, model.Hour{Coverage: 1, Requests: 100, Tokens: model.Volume{model.Input: 1}})
	}
	for _, tc := range []struct {
		failed, retried, errors, retries *float64
	}{
		{nil, nil, nil, nil},
		{new(0.0), new(12.0), new(0.0), new(0.005)},
		{new(240.0), nil, new(0.1), nil},
		{nil, new(4800.0), nil, new(1.0)},
	} {
		u.Failed, u.Retried = tc.failed, tc.retried
		s := metered{}.summarize(u, opening)
		for what, pair := range map[string][2]*float64{"failed": {(*float64)(s.ErrorRatio), tc.errors}, "sent again": {(*float64)(s.RetryRatio), tc.retries}} {
			if got, want := pair[0], pair[1]; (got == nil) != (want == nil) || got != nil && math.Abs(*got-*want) > 1e-12 {
				t.Errorf("%+v: %s: got %v, want %v", tc, what, got, want)
			}
		}
	}
}

// TestF103_NothingLately holds that of a workload whose last measured hour is older than 30 days it is not known what it used in them, which is not 0.
func TestF103_NothingLately(t *testing.T) {
	t.Parallel()
	hours := make([]model.Hour, 50*24)
	hours[0] = model.Hour{Tokens: model.Volume{1e6}, Coverage: 1}
	m := metered{usage: model.Usage{Workload: "old", Source: "gateway"}}
	u := model.Usage{Workload: "old", Source: "gateway", Start: opening.AddDate(0, 0, -50), Hours: hours}
	for now, known := range map[time.Time]bool{u.Start.Add(time.Hour): true, opening: false} {
		s := m.summarize(u.Until(now), now)
		if s.LastSample == nil || (s.Last30dTokens != nil) != known || (len(s.Last30dClassTokens) > 0) != known || (s.CoverageRatio > 0) != known {
			t.Errorf("at %s: got %+v, want it known: %v", now, s, known)
		}
	}
}
