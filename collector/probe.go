package collector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	Replicas int           // counters that are there once for every replica of a Prometheus that scrapes them
	Twice    int           // engines of which one counter is there several times, as when two jobs scrape them
	Sent     int           // queries
}

// Probe asks the server of s, with a bounded number of queries, what it has for every signal, how far back, and whether its clock agrees
// with now. It keeps nothing. The error is that of the first query that was not answered.
func Probe(ctx context.Context, s Settings, now time.Time) (h Health, err error) {
	now = now.Truncate(time.Second)
	c, err := newClient(s)
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
		var (
			sent   int
			stored string // counter, once where the source says what tells replicas apart
		)
		if h.Readings, sent, err = Try(ctx, s, now); err != nil {
			return h, err
		}
		h.Sent += sent
		if counter, err = s.counted(seen); err != nil {
			return h, err
		}
		if h.Twice, err = s.probeTwice(ctx, c, now); err != nil {
			return h, err
		}
		if s.ReplicaLabel != "" {
			stored = largestOf(counter, s.ReplicaLabel)
		}
		if h.Replicas, err = probeReplicas(ctx, c, cmp.Or(stored, counter), now); err != nil {
			return h, err
		}
	}
	h.Reaches, err = reaches(s.Backfill, func(back time.Duration) (bool, error) { return there(counter, now.Add(-back)) })
	return h, err
}

// reaches returns how far back there is something, in whole days and at most backfill, or in hours of one that is shorter than two days. It looks at the far end,
// and halves what is left until it is known to the day.
func reaches(backfill time.Duration, there func(back time.Duration) (bool, error)) (time.Duration, error) {
	switch whole, err := there(backfill); {
	case err != nil:
		return 0, err
	case whole:
		return backfill, nil
	}
	unit := 24 * time.Hour
	if backfill < 2*unit {
		unit = time.Hour
	}
	var near time.Duration // there is something
	for far := (backfill + unit - 1).Truncate(unit); near+unit < far; {
		middle := near + (far-near)/2/unit*unit
		found, err := there(middle)
		switch {
		case err != nil:
			return 0, err
		case found:
			near = middle
		default:
			far = middle
		}
	}
	return near, nil
}

// counted returns an expression of the series that s counts input by, in that form; queries of one's own have theirs.
func (s Settings) counted(form string) (string, error) {
	if s.Queries != nil {
		return "(" + strings.ReplaceAll(s.Queries.Input, "$__window", hourWindow) + "\n)", nil
	}
	p, err := s.Library.pack(s.Pack)
	if err != nil {
		return "", err
	}
	if p, err = s.adapted(p); err != nil {
		return "", err
	}
	for _, t := range trials(p, s, form) {
		if len(t.found) > 0 {
			return "(" + strings.Join(t.found, " or ") + ")", nil
		}
	}
	return "", fmt.Errorf("pack %s: counts nothing", s.Pack)
}

// replicaLabels tell the replicas of a Prometheus apart where what they scrape is stored together, as Thanos, Mimir and the operators of Prometheus call them.
var replicaLabels = []string{"__replica__", "prometheus_replica", "receive_replica", "replica", "rule_replica"}

// perReplica returns an expression of how many series of counter are scraped by several replicas and stored once for each.
func perReplica(counter string) string {
	return fmt.Sprintf("count(count without (%s) (%s) > 1 and on (instance) %s)", labelList(replicaLabels), counter, fmt.Sprintf(seen, "up"))
}

// alike returns an expression of how alike the series of counter are that differ in label alone: the least over the largest of the median. Those of one counter that several replicas of
// a Prometheus have stored are, but for what was counted between two scrapes.
func alike(counter, label string) string {
	without := " without (" + labelName(label) + ") (" + counter + ")"
	return "quantile(0.5, (min" + without + " / max" + without + ") and count" + without + " > 1)"
}

// leastAlike is how alike series are that count the same: one may have been scraped before a burst and the other after it.
const leastAlike = 0.5

// probeReplicas returns how many of the series of counter that are scraped differ from another in nothing but which replica scraped them: every sum over them is too large.
func probeReplicas(ctx context.Context, c *client, counter string, now time.Time) (int, error) {
	m, _, err := c.ask(ctx, perReplica(counter), v1.Range{Start: now, End: now, Step: time.Hour})
	if err != nil || len(m) != 1 || len(m[0].Values) != 1 {
		return 0, err
	}
	return int(m[0].Values[0].Value), nil
}

// PerReplica says that so many counters are stored once for every replica of a Prometheus, and what to do about it.
func PerReplica(counters int) string {
	return fmt.Sprintf("counters are stored once for every replica of a Prometheus (%d of those that are summed up), so that everything they count is doubled: ask the querier that leaves "+
		"replicas out (Thanos: --query.replica-label), say replica_label, such as prometheus_replica, or select one of them", counters)
}

// sameDay is the share by which a counter differs over a day from itself, scraped at other instants.
const sameDay = 1e-3

// probeTwice returns how many engines, which are told by the address where they are scraped and by what they count, have an input counter several times that counts the
// same: every sum over them is too large.
func (s Settings) probeTwice(ctx context.Context, c *client, now time.Time) (int, error) {
	p, err := s.Library.pack(s.Pack)
	if err == nil {
		p, err = s.adapted(p)
	}
	if err != nil || !p.engine() { // elsewhere a program has many series of a counter, some of which may be equal
		return 0, err
	}
	w := worded(p, []map[string]string{s.Select}, s.GroupBy, 24*time.Hour)
	if len(w.groupBy) == 0 {
		w.groupBy = p.GroupBy
	}
	by := append([]string{"instance", "engine"}, w.groupBy...)
	slices.Sort(by)
	of := " by (" + labelList(slices.Compact(by)) + ") (" + strings.Join(w.each(p.Tokens[input], w.once("increase(%s["+dayWindow+"])")), " or ") + ")"
	m, _, err := c.ask(ctx, fmt.Sprintf("count((stddev%[1]s <= %[2]v * avg%[1]s and avg%[1]s > 0 and count%[1]s > 1) and on (instance) up)", of, sameDay),
		v1.Range{Start: now, End: now, Step: time.Hour})
	if err != nil || len(m) != 1 || len(m[0].Values) != 1 {
		return 0, err
	}
	return int(m[0].Values[0].Value), nil
}

// namedQuery is one of Queries and its key in the configuration.
type namedQuery struct{ name, expr string }

// named returns the expressions of q.
func (q *Queries) named() []namedQuery {
	return slices.DeleteFunc([]namedQuery{
		{"input", q.Input}, {"output", q.Output}, {"cache_read", q.CacheRead}, {"requests", q.Requests}, {"ttft_p95", q.TTFTP95},
	}, func(n namedQuery) bool { return n.expr == "" })
}

// probeQueries asks for each of q, and returns the first as the counter.
func probeQueries(ctx context.Context, c *client, q Queries, now time.Time) (readings []Reading, counter string, err error) {
	for _, query := range q.named() {
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
