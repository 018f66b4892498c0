package servers

import (
	"log/slog"
	"math"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestF30_ImportSeenHalf reads a day while the samples of one of three pods are being imported, after they ended in the middle of an hour: all hours are seen whole, by the other
// two, so that nobody asks for them again before the day is looked at. Then the history is what it would be had the import come first, and says what was revised.
func TestF30_ImportSeenHalf(t *testing.T) {
	t.Parallel()
	e := opened(t)
	add := func(pod string, from, to time.Time) {
		t.Helper()
		batch := e.Begin()
		for _, name := range counters {
			series := &engine.Series{Labels: labels.FromStrings("__name__", name, "team_alias", "support", "requested_model", "m", "pod", pod)}
			for at := from; at.Before(to); at = at.Add(time.Minute) {
				if err := batch.Add(series, at, perStep[name]*float64(at.Sub(begin))/float64(step)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := batch.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	middle, now := begin.Add(6*time.Hour+30*time.Minute), end.Add(12*time.Hour)
	for _, pod := range []string{"a", "b"} {
		add(pod, begin, end.AddDate(0, 0, 2))
	}
	add("late", begin, middle)
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)
	settings := collector.Settings{Name: "server", URL: server.URL, Pack: "litellm", Backfill: now.Sub(begin)}
	read := func(c *collector.Collector, at time.Time) (model.Usage, []model.Hour) {
		t.Helper()
		result, err := c.Collect(t.Context(), at)
		if err != nil || len(result.Usage) != 1 {
			t.Fatalf("got %d workloads, error %v", len(result.Usage), err)
		}
		u := c.Read(result.Usage[0], at)
		first := int(begin.Sub(u.Start) / time.Hour)
		return u, slices.Clone(u.Hours[first : first+hours])
	}
	c, err := collector.New(settings, storetest.Open(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, half := read(c, now)
	add("late", middle, end)
	if _, same := read(c, now.Add(time.Hour)); !slices.Equal(half, same) {
		t.Error("hours that were seen whole changed an hour later")
	}
	u, whole := read(c, now.AddDate(0, 0, 1))
	settings.Backfill += 24 * time.Hour
	fresh, err := collector.New(settings, storetest.Open(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, want := read(fresh, now.AddDate(0, 0, 1)); !slices.Equal(whole, want) {
		t.Errorf("after the import: got %+v, want %+v", whole, want)
	}
	sum := func(all []model.Hour) (total float64) {
		for _, h := range all {
			total += float64(h.Total())
		}
		return total
	}
	revisions := c.Revisions(u, now.AddDate(0, 0, 1))
	if len(revisions) != 1 || !revisions[0].Day.Equal(begin) || math.Abs(float64(revisions[0].Was)/sum(half)-1) > 1e-9 || math.Abs(float64(revisions[0].Is)/sum(whole)-1) > 1e-9 {
		t.Errorf("got the revisions %+v, want that of the first day from %v to %v tokens", revisions, sum(half), sum(whole))
	}
	if grown := sum(whole) / sum(half); grown < 1.3 {
		t.Errorf("the import made the day only %v times as much, so that this shows nothing", grown)
	}
}
