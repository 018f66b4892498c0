package servers

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
)

// replica returns a Prometheus that scrapes everything so much later than the other, and was down from one hour to another.
func replica(t *testing.T, shift time.Duration, down, up int) http.Handler {
	t.Helper()
	e, err := engine.Open(func() time.Time { return end.Add(time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	batch := e.Begin()
	for _, p := range pods() {
		if strings.HasPrefix(p.team, "shortlived") {
			continue // what such pods count is not known to either
		}
		for _, name := range counters {
			series := &engine.Series{Labels: labels.FromStrings("__name__", name, "team_alias", p.team, "requested_model", "m", "pod", p.name)}
			err := p.samples(func(at time.Time, _ float64) error {
				at = at.Add(shift)
				if at.After(begin.Add(time.Duration(down)*time.Hour)) && at.Before(begin.Add(time.Duration(up)*time.Hour)) {
					return nil
				}
				shown, _ := p.steps(at)
				return batch.Add(series, at, shown*perStep[name])
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	return e.Handler()
}

// TestF37_BalancedReplicas asks two replicas of a Prometheus behind one address, of which every other query reaches the other, hour by hour: they scrape at other instants, so that
// a counter goes back from one answer to the next, and one of them was down for two hours. What is known is what happened, and the hours that only one saw are known in the end or
// not known, and never less than they were.
func TestF37_BalancedReplicas(t *testing.T) {
	t.Parallel()
	both := [...]http.Handler{replica(t, 0, 0, 0), replica(t, 30*time.Second, 12, 14)}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		both[asked.Add(1)%2].ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := newCollector(t, collector.Settings{URL: server.URL, Pack: "litellm", Backfill: end.Sub(begin), Concurrency: 1})
	var result collector.Result
	for hour := 1; hour <= hours; hour++ {
		var err error
		if result, err = c.Collect(t.Context(), begin.Add(time.Duration(hour)*time.Hour+5*time.Minute)); err != nil {
			t.Fatal(err)
		}
		for _, w := range result.Warnings {
			t.Errorf("hour %d: unexpected warning %v", hour, w)
		}
	}
	if len(result.Usage) != len(tolerances)-1 {
		t.Fatalf("got %d workloads, want %d", len(result.Usage), len(tolerances)-1)
	}
	for _, u := range result.Usage {
		u = c.Read(u, end.Add(5*time.Minute))
		team := u.Labels["team_alias"]
		for i, h := range u.Hours {
			one := u
			one.Start, one.Hours = u.Start.Add(time.Duration(i)*time.Hour), u.Hours[i:i+1]
			if !h.Measured() || h.Coverage < 1 {
				continue
			}
			// A restart loses up to a scrape interval of its hour, and a series that begins or ends in it as much.
			want, tolerance := happened(team, one.Start, one), 0.02
			if strings.HasPrefix(team, "restarts") || strings.HasPrefix(team, "replaced") {
				tolerance = 0.1
			}
			if off := float64(h.Tokens.Total())/want - 1; math.Abs(off) > tolerance {
				t.Errorf("%s at %s: got %.0f tokens, %+.1f %% off", team, one.Start.Format("15:04"), float64(h.Tokens.Total()), 100*off)
			}
		}
		share := float64(u.Measured()) / float64(end.Sub(begin))
		if least := 1 - 3.0/float64(hours); !strings.HasPrefix(team, "gap") && share < least {
			t.Errorf("%s: %.0f %% of the hours are known, want %.0f %% at least", team, 100*share, 100*least)
		}
	}
}
