package servers

import (
	"net/http"
	"slices"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"

	"tipline/collector"
	"tipline/model"
)

// TestF14_WrongTenant asks a Mimir as a tenant that has nothing, which it answers with success, and as none. Neither makes anything less of what is known.
func TestF14_WrongTenant(t *testing.T) {
	t.Parallel()
	s := runMimir(t, program(t, "mimir-3.0"))
	s.fill(t)
	for name, tc := range map[string]struct {
		client promconfig.HTTPClientConfig
		want   collector.Reason
	}{
		"wrong": {tenant("nobody"), ""},
		"none":  {promconfig.DefaultHTTPClientConfig, collector.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			other := s
			other.client = tc.client
			settings := s.settings(t)
			asked := &switched{settings.Client}
			settings.Client = asked
			c := newCollector(t, settings)
			if _, err := c.Collect(t.Context(), end.Add(-6*time.Hour+5*time.Minute)); err != nil {
				t.Fatal(err)
			}
			asked.RoundTripper = other.settings(t).Client
			result, err := c.Collect(t.Context(), end.Add(5*time.Minute))
			if reason := reasonOf(err); reason != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			checkKnown(t, c, result, 6)
			result, err = newCollector(t, other.settings(t)).Collect(t.Context(), end.Add(5*time.Minute))
			if reason := reasonOf(err); reason != tc.want || len(result.Usage) > 0 || err == nil && !slices.ContainsFunc(result.Warnings, func(w model.Warning) bool { return w.Code == collector.NoData }) {
				t.Errorf("at first: got %v, %d workloads and %v, want to be told that there is nothing", err, len(result.Usage), result.Warnings)
			}
		})
	}
}

// A switched is a transport that becomes another one.
type switched struct{ http.RoundTripper }

// reasonOf returns the reason of what went wrong; empty when nothing did.
func reasonOf(err error) collector.Reason {
	if err == nil {
		return ""
	}
	return collector.ReasonOf(err)
}

// checkKnown holds that the last hours of all that is known are not known, and that those before them are what happened.
func checkKnown(t *testing.T, c *collector.Collector, result collector.Result, last int) {
	t.Helper()
	for _, u := range result.Usage {
		u = c.Read(u, end.Add(5*time.Minute))
		team := u.Labels["team_alias"]
		cut := len(u.Hours) - last
		for i, h := range u.Hours[cut:] {
			if h.Measured() {
				t.Errorf("%s: hour %d is known, with %v", team, cut+i, h)
			}
		}
		u.Hours = u.Hours[:cut]
		var got model.Volume
		for _, h := range u.Hours {
			if h.Coverage >= 1 {
				got = got.Add(h.Tokens)
			}
		}
		if off := float64(got.Total())/happened(team, u.Start, u) - 1; !(max(off, -off) <= 2*tolerances[team]) { // of fewer hours than a day
			t.Errorf("%s: %+.2f %% from what happened", team, 100*off)
		}
	}
	if len(result.Usage) != len(tolerances) {
		t.Errorf("%d workloads are known, want %d", len(result.Usage), len(tolerances))
	}
}

// TestF19_StoreKilled kills one of two stores of a Thanos, which has been told to insist on them or not. What both have together is refused from the first moment on, and after the Thanos
// has noticed, by a collector that knew both stores as by one that never did.
func TestF19_StoreKilled(t *testing.T) {
	t.Parallel()
	path := program(t, "thanos-0.42")
	for _, flag := range []string{"endpoint", "endpoint-strict"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			s := runThanos(t, path, flag)
			s.fill(t)
			c := newCollector(t, s.settings(t))
			if _, err := c.Collect(t.Context(), end.Add(-6*time.Hour+5*time.Minute)); err != nil {
				t.Fatal(err)
			}
			s.stop[1]()
			now := end.Add(5 * time.Minute)
			for _, after := range []time.Duration{0, 15 * time.Second} {
				time.Sleep(after)
				result, err := c.Collect(t.Context(), now)
				t.Logf("%s after it was killed: %v", after, err)
				if reason := reasonOf(err); reason != collector.Partial {
					t.Errorf("%s after it was killed: got %v, want %s", after, err, collector.Partial)
				}
				checkKnown(t, c, result, 6)
			}
			result, err := newCollector(t, s.settings(t)).Collect(t.Context(), now)
			if reason := reasonOf(err); reason != collector.Partial || len(result.Usage) > 0 {
				t.Errorf("at first: got %v and %d workloads, want %s", err, len(result.Usage), collector.Partial)
			}
		})
	}
}

// TestF32_QueryLimits asks a Mimir as tenants of which each may ask for less at once than a day is: in time, series, chunks or memory. What is about a day and cannot be divided is told. One
// may not even read all series that a counter has in an hour, nor then how many they are, and knows nothing.
func TestF32_QueryLimits(t *testing.T) {
	t.Parallel()
	s := runMimir(t, program(t, "mimir-3.0"))
	for name, told := range map[string][]string{"short": {collector.ErrorsFailed, collector.TTFTFailed}, "few": nil, "chunks": nil, "forgetful": nil} {
		t.Run(name, func(t *testing.T) {
			s.client = tenant(name)
			s.fill(t)
			if queries := checkTotals(t, s, told...); queries < 8 {
				t.Errorf("%d queries were enough, want that one of a day is refused", queries)
			}
		})
	}
	t.Run("fewest", func(t *testing.T) {
		s.client = tenant("fewest")
		s.fill(t)
		result, err := newCollector(t, s.settings(t)).Collect(t.Context(), end.Add(5*time.Minute))
		if reason := reasonOf(err); reason != collector.LimitReached || len(result.Usage) > 0 {
			t.Errorf("got %v and %d workloads, want %s and none", err, len(result.Usage), collector.LimitReached)
		}
	})
}

// TestF33_SampleLimit asks a Prometheus that refuses to read as many samples at once as a day has.
func TestF33_SampleLimit(t *testing.T) {
	t.Parallel()
	if queries := checkTotals(t, installed(t, "--query.max-samples=3000")); queries < 8 {
		t.Errorf("%d queries were enough, want that one of a day is refused", queries)
	}
}
