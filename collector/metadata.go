package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"tipline/model"
)

// readAs are the names of metrics that a signal is read from as a counter, best first.
type readAs struct {
	of    signal
	names []string
}

// readAs returns what p reads as counters by the hour; nothing where it says that they are gauges.
func (p *pack) readAs() (all []readAs) {
	if p.PeriodSums != nil {
		return nil
	}
	for _, s := range hourly {
		for plus := p.counter(s); plus != nil; plus = plus.Plus {
			for c := plus; c != nil; c = c.Else {
				all = append(all, readAs{s, c.Metrics})
			}
		}
	}
	return all
}

// counting matches a metric in PromQL that is taken for a counter, by its name before braces or brackets.
var counting = regexp.MustCompile(`\b(?:increase|rate|irate)\s*\(\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*[{\[]`)

// readAs returns what q reads as counters by the hour.
func (q *Queries) readAs() (all []readAs) {
	for _, s := range hourly {
		for _, found := range counting.FindAllStringSubmatch(q.expr(s), -1) {
			all = append(all, readAs{s, found[1:]})
		}
	}
	return all
}

// gaugesAmong returns the metric of every signal that is read as a counter and is a gauge by what all programs that have it say. Of several names the best that anybody
// has counts: the others are seldom read.
func gaugesAmong(counters []readAs, said map[string][]v1.Metadata) map[signal]string {
	gauges := map[signal]string{}
	for _, counter := range counters {
		i := slices.IndexFunc(counter.names, func(name string) bool { return len(said[name]) > 0 })
		if i < 0 || gauges[counter.of] != "" {
			continue
		}
		if name := counter.names[i]; !slices.ContainsFunc(said[name], func(m v1.Metadata) bool { return m.Type != v1.MetricTypeGauge }) {
			gauges[counter.of] = name
		}
	}
	return gauges
}

// askTypes asks the server once a day of what type the metrics are that are read as counters, and returns what is to be said. Nothing is said of a server that does not know, as those
// do that get samples by remote write, and of one without an answer what it said the day before.
func (c *Collector) askTypes(ctx context.Context, now time.Time) []model.Warning {
	if len(c.counters) > 0 && now.Sub(c.typed) >= lookAgain {
		said, err := c.client.types(ctx)
		if e, failed := errors.AsType[*Error](err); !failed || !e.unsent {
			c.typed = now
		}
		if err != nil {
			c.log.DebugContext(ctx, "the server does not say of what type metrics are", "error", err)
		} else {
			c.mu.Lock()
			c.gauges = gaugesAmong(c.counters, said)
			c.mu.Unlock()
		}
	}
	if len(c.gauges) == 0 { // only who has the turn writes
		return nil
	}
	var named []string
	for _, s := range slices.Sorted(maps.Keys(c.gauges)) {
		named = append(named, fmt.Sprintf("%s (%s)", c.gauges[s], s))
	}
	return []model.Warning{{Code: NotACounter, Text: "gauges, as the server says, where counters are wanted: " + strings.Join(named, ", ") +
		". What falls is taken for a restart, and all that it shows then is counted once more: name the counters, or, where these show the sum of a period, say period_sums in a pack of your own"}}
}

// metadataPath is what a server is asked for types at, and what that costs is counted by.
const metadataPath = "/api/v1/metadata"

// types returns what the programs that the server scrapes say of their metrics, by name.
func (c *client) types(ctx context.Context) (said map[string][]v1.Metadata, err error) {
	err = c.server.ask(ctx, query{source: c.source, expr: metadataPath}, func() error {
		said, err = c.typesOnce(ctx)
		return err
	})
	return said, err
}

func (c *client) typesOnce(ctx context.Context) (map[string][]v1.Metadata, error) {
	ctx, _, done := c.limited(ctx, metadataPath)
	defer done()
	said, err := c.api.Metadata(ctx, "", "")
	if err != nil {
		return nil, queryError(ctx, err)
	}
	return said, nil
}
