package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/collector/promtest"
	"tipline/model"
)

// memory is a History that can be told to fail.
type memory struct {
	mu     sync.Mutex
	rows   map[string][]byte
	keys   []string // sorted; nil after a change
	writes int
	fail   error
}

func newMemory() *memory { return &memory{rows: map[string][]byte{}} }

func (m *memory) Get(_, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[key], nil
}

func (m *memory) Scan(_, prefix string, fn func(string, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = slices.Sorted(maps.Keys(m.rows))
	}
	first, _ := slices.BinarySearch(m.keys, prefix)
	for _, key := range m.keys[first:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if err := fn(key, m.rows[key]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Apply(batch map[string]map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.keys = nil
	for key, value := range batch[bucket] {
		m.writes++
		if value == nil {
			delete(m.rows, key)
			continue
		}
		m.rows[key] = bytes.Clone(value)
	}
	return nil
}

// noon is an instant at which every hour up to 12:00 is complete.
var noon = time.Date(2026, 11, 20, 12, 5, 0, 0, time.UTC)

// steady answers for one LiteLLM workload that uses the same every hour, and was there from since until until.
func steady(since, until time.Time) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, support, func(signal string, at time.Time) (float64, bool) {
			v, ok := typical[signal]
			return v, ok && at.After(since) && !at.After(until)
		})}
	}
}

var (
	support = map[string]string{"team_alias": "support", "requested_model": "gpt-5-mini"}
	typical = map[string]float64{"input": 1000, "output": 200, "cache_read": 300, "requests": 10, "coverage": 1, "resets": 0}
	always  = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	never   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

	// typicalHour is what an hour of typical is worth: input contains the cache reads.
	typicalHour = model.Hour{Tokens: model.Volume{model.Input: 700, model.CacheRead: 300, model.Output: 200}, Requests: 10, Coverage: 1}
)

func newCollector(t testing.TB, s Settings, server *promtest.Server, h History) *Collector {
	t.Helper()
	s.Name, s.URL, s.Client = "gateway", "http://prometheus:9090", server.Transport()
	if s.Pack == "" && s.Queries == nil {
		s.Pack = "litellm"
	}
	c, err := New(s, h, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func collect(t *testing.T, c *Collector, now time.Time) Result {
	t.Helper()
	r, err := c.Collect(t.Context(), now)
	if err != nil {
		t.Fatalf("collect at %s: %v", now, err)
	}
	readAll(c, r.Usage, now)
	return r
}

// readAll gives all their hours.
func readAll(c *Collector, all []model.Usage, now time.Time) {
	for i, u := range all {
		all[i] = c.Read(u, now)
	}
}

// storedAll returns what c has at now, with the hours.
func storedAll(t *testing.T, c *Collector, now time.Time) []model.Usage {
	t.Helper()
	all, err := c.Stored(now)
	if err != nil {
		t.Fatal(err)
	}
	readAll(c, all, now)
	return all
}

func codes(warnings []model.Warning) string {
	var all []string
	for _, w := range warnings {
		all = append(all, w.Code)
	}
	return strings.Join(all, " ")
}

func TestColdStartThenWarm(t *testing.T) {
	t.Parallel()
	retention := noon.Add(-15 * 24 * time.Hour)
	server := promtest.New(steady(retention, never))
	h := newMemory()
	c := newCollector(t, Settings{}, server, h)

	r := collect(t, c, noon)
	if len(r.Usage) != 1 || r.Usage[0].Workload != "support/gpt-5-mini" || r.Usage[0].Source != "gateway" {
		t.Fatalf("got %+v, want one workload support/gpt-5-mini of gateway", r.Usage)
	}
	u := r.Usage[0]
	if want := noon.Truncate(time.Hour); !u.End().Equal(want) || len(u.Hours) != 15*24 {
		t.Errorf("got %d hours up to %s, want 360 up to %s", len(u.Hours), u.End(), want)
	}
	for i, hour := range u.Hours {
		if hour != typicalHour {
			t.Fatalf("hour %d: got %+v, want %+v", i, hour, typicalHour)
		}
	}
	if diff := cmp.Diff(support, u.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	// 15 days, seven empty ones, and up to three that were under way with the seventh; then the time to first token, what replicas store twice, of what type metrics are, and what stores there are.
	if r.Queries > 15+1+emptyHours/chunkHours+defaultConcurrency+4 {
		t.Errorf("cold: got %d queries for 15 days of data", r.Queries)
	}
	server.Queries()

	r = collect(t, c, noon.Add(time.Hour))
	if q := server.Queries()[0]; len(q.Times()) != 1 || !q.Start.Equal(noon.Add(time.Hour).Truncate(time.Hour)) {
		t.Errorf("warm: asked for %s to %s, want the one new hour", q.Start, q.End)
	}
	if r.Queries > 5 || len(r.Usage[0].Hours) != 15*24+1 {
		t.Errorf("warm: got %d queries and %d hours, want at most 5 and 361", r.Queries, len(r.Usage[0].Hours))
	}

	again := newCollector(t, Settings{}, server, h)
	stored := storedAll(t, again, noon.Add(time.Hour))
	if len(stored) != 1 || !slices.Equal(stored[0].Hours, r.Usage[0].Hours) {
		t.Errorf("after a restart the history has other hours than before")
	}
	server.Queries()
	if r = collect(t, again, noon.Add(2*time.Hour)); r.Queries > 6 {
		t.Errorf("after a restart: got %d queries, want at most 6", r.Queries)
	}
}

func TestQueriesAreWhatServersExpect(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 48 * time.Hour}, server, newMemory())
	collect(t, c, noon)
	queries := server.Queries()
	for _, q := range queries {
		if got := q.Form.Get("partial_response") + q.Form.Get("deny_partial_response"); got != "false1" || q.Method != http.MethodPost {
			t.Errorf("%s with %v, want a POST that refuses partial answers", q.Method, q.Form)
		}
		if q.Header.Get("Accept-Encoding") != "gzip" || q.Form.Get("timeout") == "" {
			t.Errorf("got headers %v, form %v; want gzip and a timeout", q.Header, q.Form)
		}
		if n := len(q.Times()); n > 24 || q.Start.Minute() != 0 || q.Start.Second() != 0 {
			t.Errorf("from %s: %d points, want whole hours and at most 24", q.Start, n)
		}
	}
	if len(queries) != 5 {
		t.Errorf("got %d queries for two days, want 2, the time to first token, failed requests and what replicas store twice", len(queries))
	}
}

func TestAnHourIsAskedAgainUntilItIsComplete(t *testing.T) {
	t.Parallel()
	late := noon.Truncate(time.Hour).Add(-time.Hour) // one of two workloads reaches the server late
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 48 * time.Hour}, server, newMemory())
	collect(t, c, noon.Add(-2*time.Hour))

	server.Answer(steady(always, late))
	r := collect(t, c, noon)
	u := r.Usage[0]
	if last := u.Hours[len(u.Hours)-1]; last.Measured() || len(u.Hours) != 48+2 {
		t.Errorf("got %d hours, the last %+v; want 50, the last not measured", len(u.Hours), last)
	}
	server.Answer(steady(always, never))
	server.Queries()
	r = collect(t, c, noon.Add(time.Minute))
	u = r.Usage[0]
	if last := u.Hours[len(u.Hours)-1]; last != typicalHour {
		t.Errorf("got %+v, want the hour that came late", last)
	}
	if q := server.Queries()[0]; len(q.Times()) != 1 {
		t.Errorf("asked for %d hours again, want 1", len(q.Times()))
	}
}

// TestF20_Vanished holds that a workload without data is unknown and never zero, and that nothing known is lost by an
// answer that is suddenly empty.
func TestF20_Vanished(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 48 * time.Hour}, server, newMemory())
	collect(t, c, noon)
	server.Answer(func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	for i := range 30 {
		collect(t, c, noon.Add(time.Duration(i)*time.Hour))
	}
	r := collect(t, c, noon.Add(30*time.Hour))
	u := r.Usage[0]
	if !strings.Contains(codes(u.Warnings), Vanished) {
		t.Errorf("got warnings %v, want %s", u.Warnings, Vanished)
	}
	for i, hour := range u.Hours {
		if want := i < 48; hour.Measured() != want {
			t.Errorf("hour %d: measured %v, want %v", i, hour.Measured(), want)
		}
	}
	if r.Queries > 5 {
		t.Errorf("got %d queries, want at most 5", r.Queries)
	}
	server.Answer(steady(always, never))
	u = collect(t, c, noon.Add(31*time.Hour)).Usage[0]
	if unknown := len(u.Hours) - 48 - 24; unknown != 7 || !u.Hours[48+7].Measured() {
		t.Errorf("got %d hours that stay unknown, want the 7 that are older than a day", unknown)
	}
	usage, err := c.Stored(noon.Add(200 * 24 * time.Hour))
	if err != nil || len(usage) != 0 {
		t.Errorf("half a year later: got %d workloads, want none (error %v)", len(usage), err)
	}
}

func TestOlderHoursAreLookedForAgainADayLater(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(noon.Add(-10*24*time.Hour), never))
	c := newCollector(t, Settings{}, server, newMemory())
	collect(t, c, noon)
	if r := collect(t, c, noon.Add(25*time.Hour)); r.Queries > 11 {
		t.Errorf("nothing older: got %d queries, want at most 11", r.Queries)
	}
	server.Answer(steady(always, never)) // long-term storage was attached
	collect(t, c, noon.Add(50*time.Hour))
	if got := len(collect(t, c, noon.Add(51*time.Hour)).Usage[0].Hours); got < 58*24 {
		t.Errorf("got %d hours, want those of 60 days", got)
	}
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	h := newMemory()
	c := newCollector(t, Settings{Backfill: 48 * time.Hour}, server, h)
	before := collect(t, c, noon)
	server.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(401, "no org id\n") })
	server.Queries()
	r, err := c.Collect(t.Context(), noon.Add(time.Hour))
	var e *Error
	if !errors.As(err, &e) || e.Reason != Unauthorized || !strings.Contains(err.Error(), "no org id") {
		t.Errorf("got error %v, want unauthorized with the source and the words of the server", err)
	}
	if n := len(server.Queries()); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	readAll(c, r.Usage, noon.Add(time.Hour))
	if len(r.Usage) != 1 || !slices.Equal(r.Usage[0].Hours[:48], before.Usage[0].Hours) || r.Usage[0].Hours[48].Measured() {
		t.Error("the hours known before must stay, and the new one must not be measured")
	}
}

// TestF17_SickServer holds that a server that fails is asked the newest hours twice and nothing else.
func TestF17_SickServer(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(promtest.Query) promtest.Answer {
		return promtest.Answer{Status: 503, Body: []byte("frontend stopped"), Header: map[string][]string{"Retry-After": {"86400"}}}
	})
	c := newCollector(t, Settings{}, server, newMemory())
	if _, err := c.Collect(t.Context(), noon); err == nil || len(server.Queries()) != 1 {
		t.Errorf("got error %v, want one that comes at once: there is no time for a retry", err)
	}
	// One that does not say when to come back is asked once more for the newest hours, and not at all for the sixty days before them.
	synctest.Test(t, func(t *testing.T) {
		server := promtest.New(func(promtest.Query) promtest.Answer { return promtest.Status(500, "oops") })
		c := newCollector(t, Settings{}, server, newMemory())
		for cycle := 1; cycle <= 3; cycle++ {
			_, err := c.Collect(t.Context(), noon)
			if sent := len(server.Queries()); err == nil || sent != 2 {
				t.Errorf("cycle %d: got error %v and %d queries, want 2", cycle, err, sent)
			}
		}
	})
}

// TestF17_SickBesideTheHours holds that a server that answers for the hours and fails otherwise is asked three things more and not the others, each twice, in every collection; and that one query
// that fails, or several of which one between is answered, keep none from being asked. What failed is asked last by the next, where it may be too much.
func TestF17_SickBesideTheHours(t *testing.T) {
	t.Parallel()
	settings := Settings{Pack: "vllm", GroupBy: []string{"namespace", "model_name"}, GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}
	labels := map[string]string{"namespace": "ns", "model_name": "m"}
	var fails func(i int) bool // whether the i-th expression beside the hours does
	others := map[string]int{}
	var mu sync.Mutex // hours of engines are asked for at the same time
	answer := func(q promtest.Query) promtest.Answer {
		if slices.Contains(q.Signals(), "coverage") {
			return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
				v, ok := typical[signal]
				return v, ok
			})}
		}
		mu.Lock()
		defer mu.Unlock()
		if _, known := others[q.Expr]; !known {
			others[q.Expr] = len(others)
		}
		if fails(others[q.Expr]) {
			return promtest.Status(503, "shutting down")
		}
		return promtest.Answer{}
	}
	for name, tc := range map[string]struct {
		fails    func(i int) bool
		all      [2]bool // what there is to ask is asked, by the collection
		failures int     // queries that fail, retries included
	}{
		"everything":         {func(int) bool { return true }, [2]bool{false, false}, 2 * sickAfter},
		"all but a few":      {func(i int) bool { return i >= 2 }, [2]bool{false, false}, 2 * sickAfter},
		"one":                {func(i int) bool { return i == 1 }, [2]bool{true, true}, 2},
		"two of every three": {func(i int) bool { return i%3 != 2 }, [2]bool{true, false}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			fails, others = func(int) bool { return false }, map[string]int{}
			server := promtest.New(answer)
			collect(t, newCollector(t, settings, server, newMemory()), noon)
			if len(others) < 7 {
				t.Fatalf("only %d queries beside the hours", len(others))
			}
			server.Queries()
			fails = tc.fails
			c := newCollector(t, settings, server, newMemory())
			for cycle := range 2 {
				r := collect(t, c, noon.Add(time.Duration(cycle)*24*time.Hour))
				asked, failures := map[string]bool{}, 0
				for _, q := range server.Queries() {
					if i, other := others[q.Expr]; other {
						asked[q.Expr] = true
						if fails(i) {
							failures++
						}
					}
				}
				if got := len(asked) == len(others); got != tc.all[cycle] || tc.failures > 0 && failures != tc.failures || failures > sickAfter+retriesAtMost+2 {
					t.Errorf("%s, cycle %d: asked %d of %d, of which %d in vain, want %d and all of them: %v", name, cycle, len(asked), len(others), failures, tc.failures, tc.all[cycle])
				}
				said := slices.ContainsFunc(r.Warnings, func(w model.Warning) bool {
					return strings.HasPrefix(w.Text, "overloaded: not asked, since 3 queries in a row have failed, the last with overloaded (HTTP 503): shutting down")
				})
				if said == tc.all[cycle] {
					t.Errorf("%s, cycle %d: got the warnings %v", name, cycle, r.Warnings)
				}
			}
		})
	}
}

// TestF17_HeavyQueries holds that queries for which a server never has time keep the others from being asked in few collections and not for ever, and are all asked now and then themselves.
func TestF17_HeavyQueries(t *testing.T) {
	t.Parallel()
	const cycles = 12
	settings := Settings{Pack: "vllm", GroupBy: []string{"namespace", "model_name"}, GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}
	labels := map[string]string{"namespace": "ns", "model_name": "m"}
	// Those that are asked in every collection.
	every := func(q queries) []string { return []string{q.served, q.devices, q.ttft, q.gpu, q.prompts} }
	for heavy := sickAfter; heavy < 5; heavy++ {
		for first := range 5 {
			synctest.Test(t, func(t *testing.T) {
				tooMuch := map[string]bool{}
				server := promtest.New(func(q promtest.Query) promtest.Answer {
					if tooMuch[q.Expr] {
						return promtest.Status(503, "query timed out in expression evaluation")
					}
					return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
						v, ok := typical[signal]
						return v, ok
					})}
				})
				c := newCollector(t, settings, server, newMemory())
				all := every(c.queries)
				for i := range heavy {
					tooMuch[all[(first+i)%len(all)]] = true
				}
				asked := map[string][]int{} // the cycles
				for cycle := range cycles {
					collect(t, c, noon.Add(time.Duration(cycle)*time.Hour))
					for _, q := range server.Queries() {
						if n := len(asked[q.Expr]); n == 0 || asked[q.Expr][n-1] != cycle {
							asked[q.Expr] = append(asked[q.Expr], cycle)
						}
					}
				}
				for i, expr := range all {
					missed := cycles - len(asked[expr])
					if !tooMuch[expr] && missed > 1 || tooMuch[expr] && len(asked[expr]) < cycles/2 {
						t.Errorf("%d too heavy from query %d on: query %d, too heavy: %v, was asked in the collections %v", heavy, first, i, tooMuch[expr], asked[expr])
					}
				}
			})
		}
	}
}

// TestF17_OneServer holds what sources at one server share, of which every query takes a moment: no more are in flight than it allows, and while it fails it is sent no more than a query of every source, which
// may be another tenant's, and the retries of one run. A source that is answered is read whole beside those that are not.
func TestF17_OneServer(t *testing.T) {
	t.Parallel()
	const sources, allowed = 12, 3
	for name, tc := range map[string]struct {
		answer func(promtest.Query) promtest.Answer
		up     int // sources that are read
		least  int // queries
		most   int
	}{
		"it answers": {steady(always, never), sources, sources * 30, sources * 70},
		"it fails":   {func(promtest.Query) promtest.Answer { return promtest.Status(500, "oops") }, 0, sources, sources + retriesAtMost},
		"it fails for all tenants but one": {func(q promtest.Query) promtest.Answer {
			if q.Header.Get("X-Scope-OrgID") != "7" {
				return promtest.Status(500, "oops")
			}
			return steady(always, never)(q)
		}, 1, 30, 70 + sources - 1 + retriesAtMost},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			now, peak := 0, 0
			count := func(by int) {
				mu.Lock()
				defer mu.Unlock()
				now += by
				peak = max(peak, now)
			}
			server := promtest.New(func(q promtest.Query) promtest.Answer {
				count(1)
				defer count(-1)
				time.Sleep(100 * time.Millisecond)
				return tc.answer(q)
			})
			shared := NewServer(allowed)
			var all []*Collector
			for i := range sources {
				c, err := New(Settings{
					Name: fmt.Sprint("source-", i), URL: "http://prometheus:9090", Pack: "litellm", Server: shared,
					Client: tenant{server.Transport(), strconv.Itoa(i)},
				}, newMemory(), slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			for run := range 2 {
				leave := shared.Enter()
				var up atomic.Int64
				var tasks sync.WaitGroup
				for _, c := range all {
					tasks.Go(func() {
						if _, err := c.Collect(t.Context(), noon); err == nil {
							up.Add(1)
						}
					})
				}
				tasks.Wait()
				leave()
				if sent := len(server.Queries()); (run == 0 || tc.up == 0) && sent < tc.least || sent > tc.most || peak != allowed || int(up.Load()) != tc.up {
					t.Errorf("%s, run %d: %d queries, %d of them in flight, %d sources read; want %d to %d, %d and %d", name, run, sent, peak, up.Load(), tc.least, tc.most, allowed, tc.up)
				}
			}
		})
	}
}

// tenant is a transport that says which source sends.
type tenant struct {
	http.RoundTripper

	id string
}

func (t tenant) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Scope-OrgID", t.id)
	return t.RoundTripper.RoundTrip(req)
}

// TestF17_OneBudget holds that a collection has so many retries and no more, however many of its queries fail: the hours that it could not read are read by the next ones.
func TestF17_OneBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tried, failures := map[time.Time]int{}, 0
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			mu.Lock()
			defer mu.Unlock()
			if tried[q.End]++; tried[q.End] == 1 && q.Step > 0 && q.End.Before(noon) {
				failures++
				return promtest.Status(503, "once")
			}
			return steady(always, never)(q)
		})
		c := newCollector(t, Settings{}, server, newMemory())
		for cycle := 1; ; cycle++ {
			failures = 0
			r := collect(t, c, noon)
			if failures > retriesAtMost+defaultConcurrency {
				t.Errorf("cycle %d: %d queries failed, want at most %d and those under way", cycle, failures, retriesAtMost)
			}
			if cycle > 1 && len(r.Usage[0].Hours) == 60*24 {
				break
			}
			if cycle > 10 {
				t.Fatalf("got %d hours after %d cycles, want 60 days", len(r.Usage[0].Hours), cycle)
			}
		}
	})
}

func TestOlderHoursFail(t *testing.T) {
	t.Parallel()
	border := noon.Add(-5 * 24 * time.Hour)
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if q.Start.Before(border) && q.Step > 0 {
			return promtest.Status(400, "querying store failed")
		}
		return steady(always, never)(q)
	})
	c := newCollector(t, Settings{}, server, newMemory())
	r := collect(t, c, noon)
	if len(r.Usage) != 1 || !strings.Contains(codes(r.Warnings), BackfillIncomplete) {
		t.Errorf("got %d workloads, warnings %v; want the newest hours and %s", len(r.Usage), r.Warnings, BackfillIncomplete)
	}
	server.Answer(steady(always, never))
	if got := len(collect(t, c, noon).Usage[0].Hours); got != 60*24 {
		t.Errorf("next cycle: got %d hours, want 1440", got)
	}
}

// TestFill holds that what is older than a collection waits for is read between collections, without more queries for those, in order, and on
// from where it was after a failure and after a restart.
func TestFill(t *testing.T) {
	t.Parallel()
	const year = 365
	server := promtest.New(steady(always, never))
	h := newMemory()
	s := Settings{Backfill: year * 24 * time.Hour, AtOnce: 10 * 24 * time.Hour}
	c := newCollector(t, s, server, h)
	r := collect(t, c, noon)
	if len(r.Usage[0].Hours) != 240 || math.Abs(float64(r.Filled)-10./year) > 1e-9 {
		t.Fatalf("got %d hours, %v filled; want 240 of a year", len(r.Usage[0].Hours), r.Filled)
	}
	calls, last := 0, r.Filled
	for now, more := noon, true; more; calls++ {
		if calls == 20 { // a restart
			c = newCollector(t, s, server, h)
		}
		if calls == 40 {
			server.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(400, "querying store failed") })
			if filled, more, err := c.Fill(t.Context(), now); more || err != nil || filled != last {
				t.Errorf("got %v filled, more %v, error %v from a server that fails; want %v and no more for now", filled, more, err, last)
			}
			server.Answer(steady(always, never))
		}
		if calls%30 == 7 {
			now = now.Add(time.Hour)
			server.Queries()
			if r := collect(t, c, now); r.Queries > 5 || len(r.Usage[0].Hours) < 240+4*24*calls/2 {
				t.Errorf("a collection meanwhile: got %d queries and %d hours", r.Queries, len(r.Usage[0].Hours))
			}
		}
		server.Queries()
		var err error
		if last, more, err = c.Fill(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if n := len(server.Queries()); n > defaultConcurrency {
			t.Errorf("got %d queries at once, want at most %d", n, defaultConcurrency)
		}
	}
	if last != 1 || calls < year/2/defaultConcurrency {
		t.Errorf("after %d calls %v are filled, want all", calls, last)
	}
	if u := collect(t, c, noon.Add(4*time.Hour)).Usage[0]; u.Measured() < year*24*time.Hour {
		t.Errorf("got %s, want a year", u.Measured())
	}
	if filled, more, err := newCollector(t, Settings{}, server, newMemory()).Fill(t.Context(), noon); more || err != nil {
		t.Errorf("without AtOnce: got %v, more %v, error %v; want nothing to do", filled, more, err)
	}
}

// TestReadSince holds that the hours from an hour on are the last of all hours, whatever month they begin in.
func TestReadSince(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 100 * 24 * time.Hour}, server, newMemory())
	u := collect(t, c, noon).Usage[0]
	all := c.Read(u, noon)
	for _, hours := range []int{0, 1, 13, 31 * 24, 45*24 + 5, 100 * 24, 200 * 24} {
		since := all.End().Add(-time.Duration(hours) * time.Hour)
		got, want := c.ReadSince(u, noon, since), all.Hours[max(0, len(all.Hours)-hours):]
		if !slices.Equal(got.Hours, want) || !got.End().Equal(all.End()) {
			t.Errorf("since %s: got %d hours up to %s, want %d up to %s", since, len(got.Hours), got.End(), len(want), all.End())
		}
	}
}

// TestFillEnds holds that hours of the last day that were not seen completely, which every collection asks for again, are not asked for between
// collections too: Fill would never end, and would keep the server busy for a day.
func TestFillEnds(t *testing.T) {
	t.Parallel()
	day := noon.Add(-10 * time.Hour)
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, support, func(signal string, at time.Time) (float64, bool) {
			v, ok := typical[signal]
			if signal == "coverage" && at.After(day) { // a pod began
				v = 0.75
			}
			return v, ok
		})}
	})
	c := newCollector(t, Settings{Backfill: 20 * 24 * time.Hour, AtOnce: 10 * 24 * time.Hour, Concurrency: 1}, server, newMemory())
	collect(t, c, noon)
	filled, calls := model.Fraction(0), 0
	for more := true; more && calls < 50; calls++ {
		var err error
		if filled, more, err = c.Fill(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if want := model.Fraction(20*24-10) / (20 * 24); calls != 11 || filled != want {
		t.Errorf("got %v filled after %d calls, want all but the 10 hours of today, %v, and that the call after the tenth has nothing to do", filled, calls, want)
	}
	if r := collect(t, c, noon); len(r.Usage[0].Hours) != 20*24 {
		t.Errorf("got %d hours, want 20 days", len(r.Usage[0].Hours))
	}
}

// TestShortQueriesBridgeGaps holds that a night without samples is not taken for the beginning of history where the server gives an hour at a
// time only.
func TestShortQueriesBridgeGaps(t *testing.T) {
	t.Parallel()
	from, to := noon.Add(-40*time.Hour), noon.Add(-30*time.Hour)
	before, after := steady(always, from), steady(to, never)
	young := true // older hours cannot be read yet
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		switch {
		case len(q.Times()) > 1:
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of samples (limit: 1000)"}`)
		case young && q.Start.Before(noon.Add(-24*time.Hour)):
			return promtest.Status(400, "querying store failed")
		}
		return promtest.Answer{Series: append(before(q).Series, after(q).Series...)}
	})
	c := newCollector(t, Settings{Backfill: 5 * 24 * time.Hour, Concurrency: 1}, server, newMemory())
	collect(t, c, noon) // learns what the server gives
	young = false
	u := collect(t, c, noon.Add(time.Minute)).Usage[0]
	if got, want := u.Measured(), (5*24-10)*time.Hour; got != want {
		t.Errorf("got %v of hours, want the %v on both sides of the night", got, want)
	}
}

// gapped answers hourly queries and looks at whether there is anything, for a server that has two spans of hours.
func gapped(until, from, since time.Time) func(promtest.Query) promtest.Answer {
	older, newer := steady(since, until), steady(from, never)
	return func(q promtest.Query) promtest.Answer {
		if !strings.HasPrefix(q.Expr, "count(") {
			return promtest.Answer{Series: append(older(q).Series, newer(q).Series...)}
		}
		look := promtest.Series{Labels: map[string]string{}}
		for _, at := range q.Times() {
			if at.After(from) || at.After(since) && !at.After(until) {
				look.Points = append(look.Points, promtest.Point{At: at, Value: 1})
			}
		}
		if look.Points == nil {
			return promtest.Answer{}
		}
		return promtest.Answer{Series: []promtest.Series{look}}
	}
}

// TestWeeksWithoutSamples holds that a gap of weeks is not taken for the beginning of history, and that a beginning is found by a look.
func TestWeeksWithoutSamples(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	server := promtest.New(gapped(noon.Add(-30*day), noon.Add(-3*day), noon.Add(-40*day)))
	want := 13 * day
	c := newCollector(t, Settings{}, server, newMemory())
	r := collect(t, c, noon)
	if got := r.Usage[0].Measured(); got != want {
		t.Errorf("got %v, want the %v on both sides of the gap", got, want)
	}
	if most := 40 + 7 + 4 + 5 + 4; r.Queries > most { // days, those after them, what was asked beside, once a day, looks
		t.Errorf("got %d queries, want %d at most", r.Queries, most)
	}
	c = newCollector(t, Settings{AtOnce: day, Concurrency: 1}, server, newMemory())
	collect(t, c, noon)
	for more, calls := true, 0; more && calls < 100; calls++ {
		var err error
		if _, more, err = c.Fill(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if got := collect(t, c, noon).Usage[0].Measured(); got != want {
		t.Errorf("in the background: got %v, want %v", got, want)
	}

	// An earlier tipline took the gap for the beginning.
	c = newCollector(t, Settings{Backfill: 5 * day}, server, newMemory())
	collect(t, c, noon)
	c.settings.Backfill = 60 * day
	c.setFloor(noon.Add(-10*day).Truncate(time.Hour), noon)
	collect(t, c, noon.Add(time.Hour))
	collect(t, c, noon.Add(25*time.Hour))
	if got := collect(t, c, noon.Add(26*time.Hour)).Usage[0].Measured(); got != want+26*time.Hour {
		t.Errorf("a day later: got %v, want %v", got, want+26*time.Hour)
	}
}

// TestLookBeforeGapFails holds that a server that cannot say whether there is something before a gap is not taken for one that has nothing there.
func TestLookBeforeGapFails(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	answers := gapped(noon.Add(-30*day), noon.Add(-3*day), noon.Add(-40*day))
	var away atomic.Bool
	away.Store(true)
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if away.Load() && strings.HasPrefix(q.Expr, "count(") {
			return promtest.Status(503, "querying store failed")
		}
		return answers(q)
	})
	c := newCollector(t, Settings{}, server, newMemory())
	r := collect(t, c, noon)
	if !strings.Contains(codes(r.Warnings), BackfillIncomplete) || r.Filled == 1 {
		t.Errorf("got %v filled, warnings %v, want %s", r.Filled, r.Warnings, BackfillIncomplete)
	}
	away.Store(false)
	if got, want := collect(t, c, noon.Add(time.Minute)).Usage[0].Measured(), 13*day; got != want {
		t.Errorf("got %v, want the %v on both sides of the gap", got, want)
	}
}

// TestPace holds that queries become an hour longer for every day of collections without a refusal, up to a day.
func TestPace(t *testing.T) {
	t.Parallel()
	var limit atomic.Int64
	limit.Store(6)
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if len(q.Times()) > int(limit.Load()) {
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of samples (limit: 1000)"}`)
		}
		return steady(always, never)(q)
	})
	c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, newMemory())
	now := noon
	after := func(collections int) int {
		for range collections {
			now = now.Add(time.Hour)
			collect(t, c, now)
		}
		return c.chunk.hours
	}
	collect(t, c, now)
	if got := after(growAfter - 1); got != 6 {
		t.Errorf("a collection short of a day: got %d hours, want the 6 that the server gave", got)
	}
	if got := after(1); got != 7 {
		t.Errorf("after a day: got %d hours, want 7", got)
	}
	now = now.Add(9 * time.Hour) // more is missing than the server gives
	if got := after(1); got != 3 {
		t.Errorf("after another refusal: got %d hours, want half of 7", got)
	}
	limit.Store(1000)
	if got := after(22 * growAfter); got != 24 {
		t.Errorf("three weeks later: got %d hours, want 24", got)
	}
}

// TestF32_QueryLimit holds that a query that is too large is halved until it is not, once.
func TestF32_QueryLimit(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if len(q.Times()) > 10 {
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of samples (limit: 1000)"}`)
		}
		return steady(always, never)(q)
	})
	c := newCollector(t, Settings{Backfill: 10 * 24 * time.Hour}, server, newMemory())
	r := collect(t, c, noon)
	if got := len(r.Usage[0].Hours); got != 240 {
		t.Errorf("got %d hours, want 240", got)
	}
	refused := 0
	for _, q := range server.Queries() {
		if len(q.Times()) > 10 {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d queries were too large, want 2, of a day and of half a day", refused)
	}
	collect(t, c, noon.Add(15*time.Hour))
	for _, q := range server.Queries() {
		if len(q.Times()) > 10 {
			t.Errorf("asked for %d hours again, the limit is known", len(q.Times()))
		}
	}
}

// TestSlowServer holds that a server which has no time for a day at once is asked for less from one collection to the next, until it answers, and
// that it is not asked more often than others while it does not.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if len(q.Times()) > 6 {
				return promtest.JSON(503, `{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}`)
			}
			return steady(always, never)(q)
		})
		c := newCollector(t, Settings{Backfill: 3 * 24 * time.Hour}, server, newMemory())
		for range 2 {
			_, err := c.Collect(t.Context(), noon)
			var e *Error
			if !errors.As(err, &e) || e.Reason != TimedOut || len(server.Queries()) != 2 {
				t.Fatalf("got error %v, want one query that times out twice", err)
			}
		}
		if got := collect(t, c, noon).Usage[0].Measured(); got != 3*24*time.Hour {
			t.Errorf("got %v, want three days", got)
		}
	})
}

func TestF63_CorruptHistory(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	h := newMemory()
	want := collect(t, newCollector(t, Settings{Backfill: 5 * 24 * time.Hour}, server, h), noon).Usage[0].Hours
	for _, key := range slices.Sorted(maps.Keys(h.rows)) {
		for name, broken := range map[string][]byte{"empty": {}, "cut": h.rows[key][:len(h.rows[key])/2], "foreign": []byte("{}")} {
			damaged := newMemory()
			damaged.rows = maps.Clone(h.rows)
			damaged.rows[key] = broken
			c := newCollector(t, Settings{Backfill: 5 * 24 * time.Hour}, server, damaged)
			r := collect(t, c, noon)
			if !strings.Contains(codes(r.Warnings), HistoryCorrupt) {
				t.Errorf("%s %s: got warnings %v, want %s", key, name, r.Warnings, HistoryCorrupt)
			}
			if len(r.Usage) != 1 || !slices.Equal(r.Usage[0].Hours, want) {
				t.Errorf("%s %s: the hours were not fetched again", key, name)
			}
			if r := collect(t, newCollector(t, Settings{Backfill: 5 * 24 * time.Hour}, server, damaged), noon); len(r.Warnings) != 0 {
				t.Errorf("%s %s: still broken after the repair: %v", key, name, r.Warnings)
			}
		}
	}
}

func TestF62_HistoryCannotBeWritten(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	h := newMemory()
	h.fail = errors.New("no space left on device")
	c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, h)
	r, err := c.Collect(t.Context(), noon)
	if !errors.Is(err, h.fail) || ReasonOf(err) != NotKept || len(r.Usage) != 1 {
		t.Fatalf("got %d workloads, error %v; want the workload from memory and the error", len(r.Usage), err)
	}
	if u := c.Read(r.Usage[0], noon); u.Measured() != 24*time.Hour {
		t.Errorf("got %s from memory, want a day", u.Measured())
	}
	h.fail = nil
	collect(t, c, noon.Add(time.Hour))
	stored := storedAll(t, newCollector(t, Settings{Backfill: 24 * time.Hour}, server, h), noon.Add(time.Hour))
	if len(stored) != 1 || stored[0].Measured() != 25*time.Hour {
		t.Errorf("the hours that could not be written are not there after the next cycle: %v", stored)
	}
}

func TestWritesOnlyDaysThatChanged(t *testing.T) {
	t.Parallel()
	h := newMemory()
	c := newCollector(t, Settings{Backfill: 20 * 24 * time.Hour}, promtest.New(steady(always, never)), h)
	collect(t, c, noon)
	h.writes = 0
	collect(t, c, noon.Add(time.Hour))
	if h.writes != 2 {
		t.Errorf("got %d rows written, want the day and the record", h.writes)
	}
	h.writes = 0
	collect(t, c, noon.Add(time.Hour))
	if h.writes != 0 {
		t.Errorf("got %d rows written, want none", h.writes)
	}
}

func TestOtherGroupingIsAnotherHistory(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	h := newMemory()
	collect(t, newCollector(t, Settings{Backfill: 24 * time.Hour}, server, h), noon)
	c := newCollector(t, Settings{Backfill: 24 * time.Hour, GroupBy: []string{"team_alias"}}, server, h)
	if stored, err := c.Stored(noon); err != nil || len(stored) != 0 {
		t.Errorf("got %d workloads of another grouping, error %v", len(stored), err)
	}
	c = newCollector(t, Settings{Backfill: 24 * time.Hour, GroupBy: []string{"requested_model", "team_alias"}}, server, h)
	if stored, err := c.Stored(noon); err != nil || len(stored) != 1 || stored[0].Workload != "gpt-5-mini/support" {
		t.Errorf("the order of group_by makes a name and no other history: got %v, error %v", stored, err)
	}
}

func TestWorkloadNamesAreUnique(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for _, l := range []map[string]string{
			{"team_alias": "a/b", "requested_model": "c"}, {"team_alias": "a", "requested_model": "b/c"}, {"requested_model": "c"},
		} {
			all = append(all, promtest.Each(q, l, func(signal string, _ time.Time) (float64, bool) {
				v, ok := typical[signal]
				return v, ok
			})...)
		}
		return promtest.Answer{Series: all}
	})
	var names []string
	for _, u := range collect(t, newCollector(t, Settings{Backfill: time.Hour}, server, newMemory()), noon).Usage {
		names = append(names, u.Workload)
	}
	want := []string{"-/c", "a/b/c", "a/b/c (requested_model=c&team_alias=a%2Fb)"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestHostileLabels holds that label values come back as they were, through the history too.
func TestHostileLabels(t *testing.T) {
	t.Parallel()
	values := []string{
		"<!channel> *bold* `x` &amp; <http://evil|click>", "<script>alert(1)</script>", `gpt"} or vector(1) #`, "a\nb\\tc",
		"مرحبا\u202egpt", "emoji💥 \\", "../../etc/passwd", "a=b&c=d", "%00/", strings.Repeat("x", 100_000),
	}
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for _, v := range values {
			all = append(all, promtest.Each(q, map[string]string{"team_alias": v, "requested_model": "m"}, func(signal string, _ time.Time) (float64, bool) {
				n, ok := typical[signal]
				return n, ok
			})...)
		}
		return promtest.Answer{Series: all}
	})
	h := newMemory()
	collect(t, newCollector(t, Settings{Backfill: 2 * time.Hour}, server, h), noon)
	stored, err := newCollector(t, Settings{Backfill: 2 * time.Hour}, server, h).Stored(noon)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range stored {
		got = append(got, u.Labels["team_alias"])
	}
	slices.Sort(got)
	slices.Sort(values)
	if diff := cmp.Diff(values, got); diff != "" {
		t.Errorf("label values (-want +got):\n%s", diff)
	}
	for key := range h.rows {
		if len(key) > 128 {
			t.Errorf("key %.60q…: %d bytes, want a short one", key, len(key))
		}
	}
}

// TestF23_Sawtooth holds that a counter that several processes take turns to answer for is refused, and why.
func TestF23_Sawtooth(t *testing.T) {
	t.Parallel()
	from := noon.Add(-3 * time.Hour)
	h := newMemory()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, support, func(signal string, at time.Time) (float64, bool) {
			v, ok := typical[signal]
			if at.After(from) {
				v = map[string]float64{"resets": 23, "input": 339e3, "output": 68e3, "coverage": 1}[signal]
			}
			return v, ok
		})}
	})
	collect(t, newCollector(t, Settings{Backfill: 24 * time.Hour}, server, h), noon)
	u := storedAll(t, newCollector(t, Settings{Backfill: 24 * time.Hour}, server, h), noon)[0] // the reason is kept with the hour
	for i, hour := range u.Hours {
		if want := i < 21; hour.Measured() != want {
			t.Errorf("hour %d: got %+v, want measured %v", i, hour, want)
		}
	}
	want := []model.Warning{{Code: Sawtooth, Text: "the counter fell more than 3 times an hour: probably several workers behind one /metrics, or a gauge; " +
		"3 hours of the last 30 days are not measured, the latest from 2026-11-20 11:00"}}
	if diff := cmp.Diff(want, u.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestOwnQueries(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team": "a"}, func(signal string, _ time.Time) (float64, bool) {
			v, ok := typical[signal]
			return v, ok
		})}
	})
	c := newCollector(t, Settings{
		Queries: &Queries{
			Input: `increase(in[$__window])`, Output: `increase(out[$__window])`, CacheRead: `increase(cached[$__window])`, InputIncludesCache: true,
		},
		GroupBy: []string{"team"}, Backfill: 24 * time.Hour,
	}, server, newMemory())
	u := collect(t, c, noon).Usage[0]
	want := typicalHour
	want.Requests = 0
	if u.Workload != "a" || u.Hours[0] != want || codes(u.Warnings) != RequestsUnknown {
		t.Errorf("got %s, %+v, warnings %v; want a, %+v and %s", u.Workload, u.Hours[0], u.Warnings, want, RequestsUnknown)
	}
	for _, q := range server.Queries() {
		if strings.Contains(q.Expr, "$__window") {
			t.Errorf("got %s, want no placeholder", q.Expr)
		}
	}
}

// TestF38_NamesThatAreTooMuch holds that a server that refuses to look for names is asked for replicas all the same, and for neither again within a day, whether it has anything or not.
func TestF38_NamesThatAreTooMuch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scrapes promtest.Answer
		has     bool
		want    string // codes
	}{
		"names":         {promtest.Answer{}, true, ""},
		"all":           {promtest.Status(400, "no"), true, ""},
		"all, no data":  {promtest.Status(400, "no"), false, NoData},
		"replicas told": {promtest.Answer{Series: []promtest.Series{{Labels: map[string]string{"tipline_signal": "stored_per_replica"}, Points: []promtest.Point{{At: noon, Value: 3}}}}}, true, StoredPerReplica},
	} {
		asked := 0
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if watched := slices.Contains(q.Signals(), string(storedPerReplica)); watched {
				asked++
				if strings.Contains(q.Expr, wantedSignal) {
					return promtest.Status(422, "query would load too many samples into memory")
				}
				return tc.scrapes
			}
			if !tc.has {
				return promtest.Answer{}
			}
			return steady(always, never)(q)
		})
		c := newCollector(t, Settings{Backfill: time.Hour}, server, newMemory())
		for _, at := range []time.Time{noon, noon.Add(time.Hour)} {
			r := collect(t, c, at)
			got := codes(slices.DeleteFunc(r.Warnings, func(w model.Warning) bool { return w.Code == TTFTFailed }))
			if got != tc.want || len(r.Missing) > 0 {
				t.Errorf("%s: got %q and %v, want %q", name, got, r.Missing, tc.want)
			}
		}
		if asked != 2 { // with names, and without
			t.Errorf("%s: asked %d times, want 2", name, asked)
		}
	}
}

func TestNoDataAtAll(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	c := newCollector(t, Settings{}, server, newMemory())
	if r := collect(t, c, noon); codes(r.Warnings) != NeverMatched+" "+NoData || len(r.Usage) != 0 {
		t.Errorf("got %d workloads, warnings %v; want %s and %s", len(r.Usage), r.Warnings, NeverMatched, NoData)
	}
	server.Queries()
	collect(t, c, noon.Add(time.Hour))
	if got := len(server.Queries()); got != 1 {
		t.Errorf("an hour after a search that found nothing: got %d queries, want one for the newest hours", got)
	}
	server.Answer(steady(always, never)) // the tenant was wrong
	if got := len(collect(t, c, noon).Usage[0].Hours); got != 60*24 {
		t.Errorf("got %d hours, want 1440: empty answers must settle nothing", got)
	}
}

func TestCollectEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := promtest.New(func(promtest.Query) promtest.Answer {
		cancel()
		return promtest.Answer{Hang: true}
	})
	_, err := newCollector(t, Settings{}, server, newMemory()).Collect(ctx, noon)
	var e *Error
	if !errors.As(err, &e) || e.Reason != Canceled || len(server.Queries()) != 1 {
		t.Errorf("got %v, want one canceled query", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for name, tc := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"no name":              {func(s *Settings) { s.Name = "" }, "name: missing"},
		"a period of counters": {func(s *Settings) { s.Period = time.Minute }, `have no effect on pack "litellm"`},
		"a cache that is not":  {func(s *Settings) { s.Pack, s.CacheApart = "kong", map[string]string{"ai_provider": "x"} }, `has no effect on pack "kong"`},
		"a cache always apart": {func(s *Settings) { s.Pack, s.CacheApart = "bedrock-yace", map[string]string{"region": "x"} }, `whose input never holds cached tokens`},
		"a replica label of own queries": {func(s *Settings) {
			s.Pack, s.Queries, s.GroupBy, s.ReplicaLabel = "", &Queries{Input: "a", Output: "b"}, []string{"c"}, "replica"
		}, "replica_label: has no effect on queries of your own"},
		"a replica label in group_by": {func(s *Settings) { s.GroupBy, s.ReplicaLabel = []string{"replica"}, "replica" }, `replica_label: "replica" is in group_by`},
		"a replica label of buckets":  {func(s *Settings) { s.ReplicaLabel = "le" }, `replica_label: got "le", want the name of a label`},
		"a bad cache_apart":           {func(s *Settings) { s.CacheApart = map[string]string{"a": "~("} }, "cache_apart: a: error parsing regexp"},
		"unknown pack":                {func(s *Settings) { s.Pack = "vlm" }, `pack "vlm": unknown, want one of agentgateway, agentgateway-1.4, amd, `},
		"GPU pack":                    {func(s *Settings) { s.Pack = "dcgm" }, "counts GPUs"},
		"both forms":                  {func(s *Settings) { s.Queries = &Queries{} }, "want either pack or queries"},
		"neither form":                {func(s *Settings) { s.Pack = "" }, "want either pack or queries"},
		"own queries, no output":      {func(s *Settings) { s.Pack, s.Queries = "", &Queries{Input: "x"} }, "want input and output"},
		"no scheme":                   {func(s *Settings) { s.URL = "prometheus:9090/" + secret }, "url: want the address"},
		"broken address":              {func(s *Settings) { s.URL = "http://u:" + secret + "@[::1" }, "url: want the address"},
		"label twice":                 {func(s *Settings) { s.GroupBy = []string{"a", "a"} }, "listed twice"},
		"reserved label":              {func(s *Settings) { s.GroupBy = []string{"le"} }, "does not name a workload"},
		"not UTF-8":                   {func(s *Settings) { s.Select = map[string]string{"a": "\xff"} }, "UTF-8"},
		"join outside group_by":       {func(s *Settings) { s.GPUs = &GPUs{Pack: "dcgm"} }, `label "namespace" is not in group_by`},
		"GPUs from a token pack":      {func(s *Settings) { s.GPUs = &GPUs{Pack: "vllm"} }, "want one that counts GPUs"},
		"tiny backfill":               {func(s *Settings) { s.Backfill = time.Minute }, "want at least 1h"},
		"negative delay":              {func(s *Settings) { s.Delay = -1 }, "delay: got -1ns"},
	} {
		s := Settings{Name: "gateway", URL: "http://prometheus:9090", Pack: "litellm"}
		tc.change(&s)
		_, err := New(s, newMemory(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// BenchmarkCollect is one collection over 100 workloads with 60 days of history, the fake server's work included.
func BenchmarkCollect(b *testing.B) {
	labels := make([]map[string]string, 100)
	for i := range labels {
		labels[i] = map[string]string{"team_alias": fmt.Sprintf("team-%02d", i), "requested_model": "gpt-5-mini"}
	}
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for _, l := range labels {
			all = append(all, promtest.Each(q, l, func(signal string, at time.Time) (float64, bool) {
				v, ok := typical[signal]
				if v > 1 {
					v += float64(at.Hour()) * 1.25
				}
				return v, ok
			})...)
		}
		return promtest.Answer{Series: all, Gzip: true}
	})
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := newCollector(b, Settings{}, server, newMemory())
			r, err := c.Collect(b.Context(), noon)
			if err != nil || len(r.Usage) != 100 || len(c.Read(r.Usage[0], noon).Hours) != 1440 {
				b.Fatalf("got %d workloads, error %v", len(r.Usage), err)
			}
			b.ReportMetric(float64(r.Queries), "queries")
		}
	})
	h := newMemory()
	c := newCollector(b, Settings{}, server, h)
	if _, err := c.Collect(b.Context(), noon); err != nil {
		b.Fatal(err)
	}
	b.Run("warm", func(b *testing.B) {
		b.ReportAllocs()
		now := noon
		for b.Loop() {
			now = now.Add(time.Hour)
			r, err := c.Collect(b.Context(), now)
			if err != nil || r.Queries > 5 {
				b.Fatalf("got %d queries, want at most 5; error %v", r.Queries, err)
			}
			b.ReportMetric(float64(r.Queries), "queries")
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			stored, err := newCollector(b, Settings{}, server, h).Stored(noon)
			if err != nil || len(stored) != 100 {
				b.Fatalf("got %d workloads, error %v", len(stored), err)
			}
		}
	})
}

// TestRemarksOfAServer holds that remarks of a server about every answer are one warning, and that those which are made of every good expression are none.
func TestRemarksOfAServer(t *testing.T) {
	t.Parallel()
	asked := 0
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		answer := steady(always, never)(q)
		asked++
		answer.Infos = []string{
			fmt.Sprintf("remark %d", asked),
			fmt.Sprintf("PromQL info: input to histogram_quantile needed to be fixed for monotonicity (%d)", asked), `PromQL info: metric might not be a counter: "x"`,
		}
		return answer
	})
	r := collect(t, newCollector(t, Settings{Backfill: 48 * time.Hour, Concurrency: 1}, server, newMemory()), noon)
	if len(r.Warnings) != 1 || r.Warnings[0].Code != ServerNote || !strings.Contains(r.Warnings[0].Text, "remark 1; and ") || !strings.HasSuffix(r.Warnings[0].Text, " more of the kind") {
		t.Errorf("got %+v, want one warning with the first remark and how many more there are", r.Warnings)
	}
}
