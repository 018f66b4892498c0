package servers

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestF33_AnHourInParts holds that a server whose limit of samples is below what a single hour takes is asked for it in parts of which it can give each, a bounded number, which is remembered;
// that every series is in one of them, whatever its labels are or lack; and that queries of one's own, which nobody can take apart, are refused as they were.
func TestF33_AnHourInParts(t *testing.T) {
	t.Parallel()
	e := opened(t)
	teams := []string{
		"", "a", "ab", "abc", `a"} or vector(1) #`, `\x{61}`, "a\nb", "a|b", ".*", "(?s)", "مرحبا\u202e", "💥", "\ufeff", "]", "^-]", strings.Repeat("x", 300),
	}
	for i := range 120 { // all begin and end alike
		teams = append(teams, fmt.Sprintf("team-%03d-prod", i))
	}
	batch := e.Begin()
	for i, team := range teams {
		for pod := range 1 + i%3 {
			for _, name := range counters {
				of := labels.FromStrings("__name__", name, "requested_model", "m", "pod", fmt.Sprint(pod))
				if team != "" { // without the label otherwise
					of = labels.NewBuilder(of).Set("team_alias", team).Labels()
				}
				series := &engine.Series{Labels: of}
				for at := end.Add(-8 * time.Hour); !at.After(end); at = at.Add(step) {
					if err := batch.Add(series, at, float64(1+i)*perStep[name]*float64(at.Sub(begin))/float64(step)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	refused, sent := 0, 0
	handler := e.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent++
		handler.ServeHTTP(statusWriter{w, func(status int) {
			if status == http.StatusUnprocessableEntity {
				refused++
			}
		}}, r)
	}))
	t.Cleanup(server.Close)
	open := func(s collector.Settings) *collector.Collector {
		t.Helper()
		s.Name, s.URL, s.Backfill, s.Concurrency = "server", server.URL, 6*time.Hour, 1
		c, err := collector.New(s, storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	read := func(c *collector.Collector, at time.Time) map[string][]model.Hour {
		t.Helper()
		result, err := c.Collect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string][]model.Hour{}
		for _, u := range result.Usage {
			all[u.Labels["team_alias"]] = c.Read(u, at).Hours
		}
		return all
	}
	pack := collector.Settings{Pack: "litellm"}
	now := end.Add(5 * time.Minute)
	want := read(open(pack), now)
	if len(want) != len(teams) || refused > 0 {
		t.Fatalf("without a limit: %d workloads and %d refusals, want %d and none", len(want), refused, len(teams))
	}
	for i, team := range teams {
		h := want[team][len(want[team])-1]
		truth := 12 * float64((1+i)*(1+i%3)) * (perStep["litellm_input_tokens_metric_total"] + perStep["litellm_output_tokens_metric_total"])
		if math.Abs(float64(h.Total())/truth-1) > 1e-3 {
			t.Errorf("%q: got %v tokens an hour, want %v", team, float64(h.Total()), truth)
		}
	}
	e.LimitSamples(1000)
	c := open(pack)
	for _, hour := range []struct {
		at            time.Time
		sent, refused int // at most
	}{
		{now.Add(-time.Hour), 5*32 + 1 + 2 + 4 + 8 + 16 + 5 + 5, 10}, // five hours, what was learnt of the first, and queries about the last day
		{now, 32 + 2, 0},
	} {
		sent, refused = 0, 0
		got := read(c, hour.at)
		t.Logf("%d queries, %d refused", sent, refused)
		if len(got) != len(want) || sent > hour.sent || refused > hour.refused {
			t.Errorf("%d workloads, %d queries and %d of them refused, want %d, %d and %d at most", len(got), sent, refused, len(want), hour.sent, hour.refused)
		}
		for team, hours := range got {
			if all := want[team]; len(hours) < 5 || !slices.Equal(hours[len(hours)-5:], all[len(all)-5-int(now.Sub(hour.at)/time.Hour):][:5]) {
				t.Errorf("%q: got %+v, want %+v", team, hours, all)
			}
		}
	}
	e.LimitSamples(100) // less than to learn takes
	sent = 0
	_, err := open(pack).Collect(t.Context(), now)
	var limit *collector.Error
	if !errors.As(err, &limit) || limit.Reason != collector.LimitReached || sent > 4 {
		t.Errorf("a limit that nothing helps against: got %v after %d queries, want %s after 6, 3 and 1 hours and one to learn", err, sent, collector.LimitReached)
	}
	own := collector.Settings{GroupBy: []string{"team_alias"}, Queries: &collector.Queries{
		Input: `sum by (team_alias) (increase(litellm_input_tokens_metric_total[$__window]))`, Output: `sum by (team_alias) (increase(litellm_output_tokens_metric_total[$__window]))`,
	}}
	e.LimitSamples(300)
	_, err = open(own).Collect(t.Context(), now)
	if !errors.As(err, &limit) || limit.Reason != collector.LimitReached {
		t.Errorf("queries of one's own: got %v, want %s", err, collector.LimitReached)
	}
}

// statusWriter tells the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	tell func(status int)
}

func (w statusWriter) WriteHeader(status int) {
	w.tell(status)
	w.ResponseWriter.WriteHeader(status)
}
