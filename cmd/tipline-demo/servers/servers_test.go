// Package servers holds what tipline reads from servers of several kinds and ages against what happened.
package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// What happened lasts a day from begin, or the days of TIPLINE_DAYS.
var (
	hours = 24 * days(os.Getenv("TIPLINE_DAYS"))
	begin = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	end   = begin.Add(time.Duration(hours) * time.Hour)
)

// days returns the number of days that text is; one where it is empty.
func days(text string) int {
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("TIPLINE_DAYS: got %q, want a number of days", text))
	}
	return n
}

// A pod is one process and the counters that it shows.
type pod struct {
	team  string
	name  string
	every time.Duration // between scrapes
	from  time.Time     // of the first scrape
	to    time.Time     // of the last scrape
	after time.Duration // that it lives on after that
	first float64       // what the counters show at first, in steps
	reset time.Duration // after which it starts again at zero; 0 means never
	gap   [2]time.Time  // between which it is not scraped, though it counts
}

// perStep is what a counter grows by in five minutes, by its name. It has the names of LiteLLM.
var perStep = map[string]float64{
	"litellm_input_tokens_metric_total":         12000,
	"litellm_output_tokens_metric_total":        3000,
	"litellm_input_cached_tokens_metric_total":  4000,
	"litellm_proxy_total_requests_metric_total": 20,
}

// counters are the names of perStep in the order in which they are written.
var counters = []string{
	"litellm_input_tokens_metric_total", "litellm_output_tokens_metric_total",
	"litellm_input_cached_tokens_metric_total", "litellm_proxy_total_requests_metric_total",
}

const step = 5 * time.Minute

// pods are everything that happened.
func pods() []pod {
	all := []pod{
		{team: "steady-1m", name: "a", every: time.Minute, from: begin, to: end},
		{team: "steady-1m", name: "b", every: time.Minute, from: begin, to: end},
		{team: "steady-5m", name: "a", every: step, from: begin, to: end},
		{team: "restarts-1m", name: "a", every: time.Minute, from: begin, to: end, reset: 7 * time.Hour},
		{team: "restarts-5m", name: "a", every: step, from: begin, to: end, reset: 7 * time.Hour},
		{team: "gap-1m", name: "a", every: time.Minute, from: begin, to: end, gap: [2]time.Time{begin.Add(10 * time.Hour), begin.Add(16 * time.Hour)}},
	}
	for i := range hours / 4 { // replaced every four hours
		from := begin.Add(time.Duration(4*i) * time.Hour)
		all = append(all, pod{team: "replaced-1m", name: fmt.Sprint("p", i), every: time.Minute, from: from, to: from.Add(4*time.Hour - time.Minute)})
	}
	for i := range hours / 8 { // three replicas, each replaced once a day, at some moment between two scrapes
		from := begin.Add(time.Duration(8*i)*time.Hour + time.Duration(11*i%30)*time.Second)
		all = append(all, pod{team: "deployed-30s", name: fmt.Sprint("p", i), every: 30 * time.Second, from: from, to: from.Add(min(24*time.Hour-time.Minute, end.Sub(from))), after: 19 * time.Second, first: float64(7*i%30) / 300})
	}
	for i := range hours * 12 { // three scrapes each, of which the first shows work already
		from := begin.Add(time.Duration(i)*step + time.Minute)
		all = append(all, pod{team: "shortlived-1m", name: fmt.Sprint("p", i), every: time.Minute, from: from, to: from.Add(2 * time.Minute), first: 0.2})
	}
	return all
}

// steps returns the steps that the counters of p show at t, and those that p has lived through.
func (p pod) steps(t time.Time) (shown, lived float64) {
	lived = p.first + float64(t.Sub(p.from))/float64(step)
	if p.reset == 0 {
		return lived, lived
	}
	return float64(t.Sub(p.from)%p.reset) / float64(step), lived
}

// samples calls yield for every scrape of p.
func (p pod) samples(yield func(at time.Time, steps float64) error) error {
	for at := p.from; !at.After(p.to); at = at.Add(p.every) {
		if at.After(p.gap[0]) && at.Before(p.gap[1]) {
			continue
		}
		shown, _ := p.steps(at)
		if err := yield(at, shown); err != nil {
			return err
		}
	}
	return nil
}

// writeOpenMetrics writes what happened as promtool and other tools import it.
func writeOpenMetrics(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, name := range counters {
		fmt.Fprintf(b, "# TYPE %s counter\n", strings.TrimSuffix(name, "_total"))
		for _, p := range pods() {
			err := p.samples(func(at time.Time, steps float64) error {
				_, err := fmt.Fprintf(b, "%s{team_alias=%q,requested_model=\"m\",pod=%q} %v %d\n", name, p.team, p.name, steps*perStep[name], at.Unix())
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	fmt.Fprintln(b, "# EOF")
	return b.Flush()
}

// embedded returns the address of the engine of the demo, which has seen what happened.
func embedded(t *testing.T) string {
	t.Helper()
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	batch := e.Begin()
	for _, p := range pods() {
		for _, name := range counters {
			series := &engine.Series{Labels: labels.FromStrings("__name__", name, "team_alias", p.team, "requested_model", "m", "pod", p.name)}
			err := p.samples(func(at time.Time, steps float64) error { return batch.Add(series, at, steps*perStep[name]) })
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// installed starts the Prometheus that is installed here, which Debian has in an old release.
func installed(t *testing.T, flags ...string) server {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus here: Debian has it in the package of that name")
	}
	s := runPrometheus(t, program, flags...)
	s.fill(t)
	return s
}

// given returns the server of TIPLINE_PROMETHEUS_URL, which is asked as the file TIPLINE_HTTP_CONFIG says, in the form of http_config of Prometheus: credentials, headers of tenants,
// proxies. It must hold what TIPLINE_OPENMETRICS writes, or take it by remote write at TIPLINE_REMOTE_WRITE_URL.
func given(t *testing.T) server {
	t.Helper()
	s := server{url: os.Getenv("TIPLINE_PROMETHEUS_URL")}
	if s.url == "" {
		t.Skip("TIPLINE_PROMETHEUS_URL names no server")
	}
	if path := os.Getenv("TIPLINE_HTTP_CONFIG"); path != "" {
		settings, _, err := promconfig.LoadHTTPConfigFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.client = *settings
	}
	if address := os.Getenv("TIPLINE_REMOTE_WRITE_URL"); address != "" {
		s.write, s.later = []string{address}, true
		s.fill(t)
	}
	return s
}

// TestServers holds that what a collector reads is what happened, on the engine of the demo, on the Prometheus that is installed, on the servers
// that make servers has built, and on the server of TIPLINE_PROMETHEUS_URL; and that each takes the expressions of every pack. TIPLINE_OPENMETRICS
// names a file to write what happened to, for such a server to import.
func TestServers(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("TIPLINE_OPENMETRICS"); path != "" {
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writeOpenMetrics(file), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]func(*testing.T) server{
		"embedded":  func(t *testing.T) server { t.Helper(); return server{url: embedded(t)} },
		"installed": func(t *testing.T) server { t.Helper(); return installed(t) },
		"given":     given,
	}
	for name, start := range built {
		kinds[name] = func(t *testing.T) server {
			t.Helper()
			s := start(t, program(t, name))
			s.fill(t)
			return s
		}
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			checkTotals(t, s)
			checkPacks(t, s)
			if name != "embedded" && name != "given" {
				checkCompressed(t, s)
			}
		})
	}
}

func newCollector(t *testing.T, s collector.Settings) *collector.Collector {
	t.Helper()
	s.Name = "server"
	c, err := collector.New(s, storetest.Open(t), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tolerances are how far the tokens of the day may be from what happened. A restart loses what was counted since the scrape before it: of seven
// hours one minute, or five. Servers extrapolate to the ends of a window, each in its way; and what a new series shows at first is not an
// increase: of pods that live for three scrapes that is a third, which extrapolation more than makes up for.
var tolerances = map[string]float64{
	"steady-1m": 0.001, "steady-5m": 0.001, "gap-1m": 0.001, "deployed-30s": 0.001, "restarts-1m": 0.003, "restarts-5m": 0.013, "replaced-1m": 0.005, "shortlived-1m": 0.2,
}

// checkTotals compares the tokens of every workload with what happened in the hours that were seen, and returns how many queries that took. Nothing is told but the codes of warnings told.
func checkTotals(t *testing.T, s server, told ...string) (queries int) {
	t.Helper()
	c := newCollector(t, s.settings(t))
	result, err := c.Collect(t.Context(), end.Add(5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, w := range result.Warnings {
		codes = append(codes, w.Code)
	}
	if !slices.Equal(codes, told) {
		t.Errorf("got the warnings %v, want %q", result.Warnings, told)
	}
	found := map[string]bool{}
	for _, u := range result.Usage {
		u = c.Read(u, end.Add(5*time.Minute))
		team := u.Labels["team_alias"]
		found[team] = true
		var got model.Volume
		seen := 0
		for i, h := range u.Hours {
			at := u.Start.Add(time.Duration(i) * time.Hour)
			if team == "gap-1m" && !at.Before(begin.Add(10*time.Hour)) && at.Before(begin.Add(16*time.Hour)) && h.Coverage > 0.2 {
				t.Errorf("%s: got coverage %v at %s, where nothing was scraped", team, h.Coverage, at.Format(time.RFC3339))
			}
			if h.Coverage >= 1 {
				got = got.Add(h.Tokens)
				seen++
			}
		}
		want := happened(team, u.Start, u)
		off := float64(got.Total())/want - 1
		t.Logf("%s: %d hours, %+.4f %% from what happened", team, seen, 100*off)
		if math.Abs(off) > tolerances[team] {
			t.Errorf("%s: got %v tokens, want %v within %v", team, got.Total(), want, tolerances[team])
		}
		if split := float64(got[model.CacheRead]) / float64(got.Total()); math.Abs(split-4000.0/15000) > 1e-3 {
			t.Errorf("%s: got %v of the tokens from the cache, want 4 of 15", team, split)
		}
	}
	for team := range tolerances {
		if !found[team] {
			t.Errorf("no workload of %s", team)
		}
	}
	return result.Queries
}

// happened returns the tokens of a team in the hours of u that were seen whole.
func happened(team string, start time.Time, u model.Usage) float64 {
	tokens := perStep["litellm_input_tokens_metric_total"] + perStep["litellm_output_tokens_metric_total"]
	mine := slices.DeleteFunc(pods(), func(p pod) bool { return p.team != team })
	var total float64
	for i, h := range u.Hours {
		if h.Coverage < 1 {
			continue
		}
		from := start.Add(time.Duration(i) * time.Hour)
		to := from.Add(time.Hour)
		for _, p := range mine {
			if p.to.Before(from) || p.from.After(to) {
				continue
			}
			var before float64
			if !p.from.After(from) {
				_, before = p.steps(from)
			}
			last := to
			if ends := p.to.Add(p.after); ends.Before(to) {
				last = ends
			}
			_, after := p.steps(last)
			total += (after - before) * tokens
		}
	}
	return total
}

// checkPacks holds that a server takes the expressions of every pack, but for names that only Prometheus 3 knows.
func checkPacks(t *testing.T, s server) {
	t.Helper()
	settings := s.settings(t)
	for _, pack := range collector.Packs() {
		name := pack.Name
		c, err := collector.New(collector.Settings{Name: name, URL: s.url, Client: settings.Client, Pack: name, Backfill: time.Hour}, storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil { // a pack of GPUs is asked beside one of tokens
			c = newCollector(t, collector.Settings{URL: s.url, Client: settings.Client, Pack: "vllm", GroupBy: []string{"namespace", "model_name"}, GPUs: &collector.GPUs{Pack: name}})
		}
		all := c.Expressions()
		for _, expr := range []string{all.Hourly, all.TTFT, all.GPUs, all.Served, all.Watched} {
			if expr == "" {
				continue
			}
			_, err := c.Ask(t.Context(), expr, end)
			var e *collector.Error
			if errors.As(err, &e) && e.Reason == collector.Refused && strings.Contains(expr, `{"`) {
				t.Logf("%s: the server does not know names in quotes: %v", name, err)
				continue
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, expr)
			}
		}
	}
}

// checkCompressed asks s by a name that is not of this machine, over s as a proxy: answers are compressed on the way, and the same.
func checkCompressed(t *testing.T, s server) {
	t.Helper()
	const expr = "last_over_time(litellm_input_tokens_metric_total[1d])"
	plain, err := newCollector(t, s.settings(t)).Ask(t.Context(), expr, end)
	if err != nil {
		t.Fatal(err)
	}
	far, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	s.client.ProxyURL = promconfig.URL{URL: &url.URL{Scheme: far.Scheme, Host: far.Host}}
	far.Host = "metrics.example"
	s.url = far.String()
	settings := s.settings(t)
	seen := &encoding{RoundTripper: settings.Client}
	settings.Client = seen
	unfolded, err := newCollector(t, settings).Ask(t.Context(), expr, end)
	if err != nil {
		t.Fatal(err)
	}
	if seen.name != "gzip" || len(plain) < len(tolerances) || !reflect.DeepEqual(unfolded, plain) {
		t.Errorf("got %d series in the encoding %q, want the %d that came without one, in gzip", len(unfolded), seen.name, len(plain))
	}
}

// An encoding is a transport that knows how the last answer was encoded.
type encoding struct {
	http.RoundTripper
	name string
}

func (e *encoding) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := e.RoundTripper.RoundTrip(r)
	if err == nil {
		e.name = response.Header.Get("Content-Encoding")
	}
	return response, err
}
