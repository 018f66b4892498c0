package collector

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
)

// TestCuts holds that cuts put every value of a label, and its absence, into exactly one part, by the matchers as a server reads them; that the parts of values that begin and end alike are about
// equal; that there is no cut where none helps; and that cuts are given up one by one, before more hours are asked for at once.
func TestCuts(t *testing.T) {
	t.Parallel()
	hostile := []string{"", "a", "a\nb", `"} or vector(1) #`, `\x{61}`, ".*", "]", "^-]", "\u202e", "💥", "\ufeff", strings.Repeat("x", 300)}
	var all []weighed
	for i := range 500 {
		all = append(all, weighed{map[string]string{"team": fmt.Sprintf("team-%03d-prod", i), "model": "m"}, 1})
	}
	for _, value := range hostile {
		all = append(all, weighed{map[string]string{"team": value, "model": "m"}, 1})
	}
	var cuts []cut
	for range maxCuts {
		k, ok := bestCut(all, []string{"team", "model"}, cuts)
		if !ok {
			t.Fatalf("no cut after %d", len(cuts))
		}
		cuts = append(cuts, k)
	}
	parts := partsOf(cuts)
	sizes := make([]int, len(parts))
	for _, w := range all {
		in := 0
		for i, part := range parts {
			if leaves(t, part, w.labels["team"]) {
				in, sizes[i] = in+1, sizes[i]+1
			}
		}
		if in != 1 {
			t.Errorf("%q is in %d parts", w.labels["team"], in)
		}
	}
	for i, size := range sizes {
		if even := len(all) / len(parts); size > 2*even {
			t.Errorf("part %d has %d of %d workloads, want about %d", i, size, len(all), even)
		}
	}
	same := []weighed{{map[string]string{"team": "a"}, 5}}
	if k, ok := bestCut(same, []string{"team"}, nil); ok {
		t.Errorf("got %+v of a single workload, want none", k)
	}
	c := newCollector(t, Settings{Backfill: time.Hour}, promtest.New(steady(always, never)), newMemory())
	c.chunk = pace{hours: 1, cuts: cuts[:2]}
	for _, want := range []pace{{hours: 1, cuts: cuts[:1]}, {hours: 1}, {hours: 2}} {
		for range growAfter {
			c.grow()
		}
		if len(c.chunk.cuts) != len(want.cuts) || c.chunk.hours != want.hours {
			t.Errorf("got %d cuts and %d hours, want %d and %d", len(c.chunk.cuts), c.chunk.hours, len(want.cuts), want.hours)
		}
	}
}

// TestCutsOfCounters holds that every counter is cut by what it calls a label, and that the query of a part is not longer than servers take.
func TestCutsOfCounters(t *testing.T) {
	t.Parallel()
	c := newCollector(t, Settings{Pack: "apisix", GroupBy: []string{"route_id"}}, promtest.New(steady(always, never)), newMemory())
	part := c.among([]side{{cut{label: "route_id", chars: []rune("a")}, true}})
	for _, counter := range []string{"apisix_llm_prompt_tokens{route_id=~", "apisix_llm_completion_tokens{route_id=~", `apisix_http_status{route=~`} {
		if !strings.Contains(part, counter) {
			t.Errorf("%s is not in %s", counter, part)
		}
	}
	if strings.Contains(part, "apisix_http_status{route_id") {
		t.Errorf("requests are cut by a label that they do not have: %s", part)
	}
	long := make([]side, maxCuts)
	for i := range long {
		long[i] = side{cut{label: "model_name", place: -10, chars: []rune("abcdefghijklmnopqr")}, false}
	}
	c = newCollector(t, Settings{Pack: "vllm"}, promtest.New(steady(always, never)), newMemory())
	if n := len(c.among(long)); n > 16384 { // which VictoriaMetrics takes unless told otherwise, -search.maxQueryLen
		t.Errorf("a query of %d bytes", n)
	}
}

// leaves reports whether a part, whose cuts are all of the label team, has a value, with regular expressions anchored as Prometheus anchors them.
func leaves(t *testing.T, part []side, value string) bool {
	t.Helper()
	for _, k := range part {
		matcher := strings.TrimPrefix(k.matcher(), "team")
		operator := matcher[:2]
		pattern, _ := unquote(t, matcher[2:])
		if regexp.MustCompile("^(?:"+pattern+")$").MatchString(value) != (operator == "=~") {
			return false
		}
	}
	return true
}

// TestF33_CostsOfParts holds that the queries which ask for an hour in parts, and those that find out how to, are among the costs.
func TestF33_CostsOfParts(t *testing.T) {
	t.Parallel()
	const names = 8
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		var answer promtest.Answer
		for i := range names {
			labels := map[string]string{"team_alias": fmt.Sprintf("team-%d", i), "requested_model": "m"}
			if strings.HasPrefix(q.Expr, "count by (") {
				answer.Series = append(answer.Series, promtest.Series{Labels: labels, Points: []promtest.Point{{At: q.End, Value: 10}}})
				continue
			}
			answer.Series = append(answer.Series, promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
				v, ok := typical[signal]
				return v, ok
			})...)
		}
		first, _, _ := strings.Cut(q.Expr, "["+hourWindow+"]") // the selector of the first metric
		if slices.Contains(q.Signals(), string(coverage)) && strings.Count(first, "(?s)") < 2 {
			return promtest.Status(422, "query processing would load too many samples into memory")
		}
		return answer
	})
	ticks := time.Duration(0)
	c := newCollector(t, Settings{Backfill: 2 * time.Hour, Concurrency: 1, Costs: true, Clock: func() time.Time { ticks++; return noon.Add(ticks * time.Second) }}, server, newMemory())
	r := collect(t, c, noon)
	sent, parts, whole := 0, 0, 0
	for _, q := range server.Queries() {
		switch {
		case q.Expr == c.queries.hourly:
			whole++
		case slices.Contains(q.Signals(), string(coverage)):
			parts++
		}
	}
	by := map[string]Cost{}
	for _, cost := range c.Costs() {
		by[cost.Query] = cost
		sent += cost.Requests
	}
	if sent != r.Queries {
		t.Errorf("%d queries in the costs, %d were sent: %+v", sent, r.Queries, by)
	}
	if hours := by["hours"]; parts < 8 || whole == 0 || hours.Requests != parts+whole || hours.Parts != 4 || hours.Hours != 1 || hours.Series == 0 || hours.Bytes == 0 {
		t.Errorf("got %+v, want %d queries for 2 hours, which are asked for in 4 parts one by one", hours, parts+whole)
	}
	if sizes := by["sizes of workloads"]; sizes.Requests != 2 || sizes.Series != names {
		t.Errorf("got %+v, want one query for each cut, with %d workloads", sizes, names)
	}
}
