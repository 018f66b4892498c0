package collector

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// Health is what a probe of a source found.
type Health struct {
	Readings []Reading     // of every signal; those of queries of one's own have no metrics
	Reaches  time.Duration // how far back the token counters go, as far as was asked: at most Settings.Backfill
	Scraped  bool          // something was scraped in the five minutes before now
	Ahead    bool          // something was scraped later than now, so that the clocks differ
	Sent     int           // queries
}

// Probe asks the server of s, with a bounded number of queries, what it has for every signal, how far back, and whether its clock agrees
// with now. It keeps nothing. The error is that of the first query that was not answered.
func Probe(ctx context.Context, s Settings, now time.Time) (h Health, err error) {
	now = now.Truncate(time.Second)
	c, err := newClient(s.URL, s.Client, cmp.Or(s.Timeout, defaultTimeout), cmp.Or(s.MaxResponseBytes, defaultMaxResponseBytes))
	if err != nil {
		return h, err
	}
	defer func() { h.Sent += int(c.guard.sent.Load()) }()
	there := func(expr string, at time.Time) (bool, error) {
		m, _, err := c.ask(ctx, "count("+expr+")", v1.Range{Start: at, End: at, Step: time.Hour})
		return len(m) > 0, err
	}
	if h.Scraped, err = there("up", now); err != nil {
		return h, err
	}
	if h.Ahead, err = there("up", now.Add(15*time.Minute)); err != nil {
		return h, err
	}
	var counter string
	if s.Queries != nil {
		if h.Readings, counter, err = probeQueries(ctx, c, *s.Queries, now); err != nil {
			return h, err
		}
	} else {
		var sent int
		if h.Readings, sent, err = Try(ctx, s, now); err != nil {
			return h, err
		}
		h.Sent += sent
		if counter, err = s.counted(); err != nil {
			return h, err
		}
	}
	for _, back := range []time.Duration{s.Backfill, s.Backfill / 2, s.Backfill / 4, 7 * 24 * time.Hour, 24 * time.Hour} {
		reaches, err := there(counter, now.Add(-back))
		if err != nil {
			return h, err
		}
		if reaches {
			h.Reaches = back
			break
		}
	}
	return h, nil
}

// counted returns an expression of the series that the pack of s counts input by.
func (s Settings) counted() (string, error) {
	p, err := s.Library.pack(s.Pack)
	if err != nil {
		return "", err
	}
	if p, err = s.adapted(p); err != nil {
		return "", err
	}
	for _, t := range trials(p, s) {
		if len(t.found) > 0 {
			return "(" + strings.Join(t.found, " or ") + ")", nil
		}
	}
	return "", fmt.Errorf("pack %s: counts nothing", s.Pack)
}

// probeQueries asks for each of q, and returns the first as the counter.
func probeQueries(ctx context.Context, c *client, q Queries, now time.Time) (readings []Reading, counter string, err error) {
	for _, query := range []struct{ name, expr string }{
		{"input", q.Input}, {"output", q.Output}, {"cache_read", q.CacheRead}, {"requests", q.Requests}, {"ttft_p95", q.TTFTP95},
	} {
		if query.expr == "" {
			continue
		}
		expr := strings.ReplaceAll(query.expr, "$__window", hourWindow)
		counter = cmp.Or(counter, "("+expr+"\n)")
		m, _, err := c.ask(ctx, expr, v1.Range{Start: now, End: now, Step: time.Hour})
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", query.name, err)
		}
		readings = append(readings, Reading{Signal: query.name, Series: len(m), Workloads: len(m)})
	}
	return readings, counter, nil
}
