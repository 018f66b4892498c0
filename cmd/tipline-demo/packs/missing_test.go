package packs

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// scraped returns a server that has scraped what shown returns every five minutes from start until end.
func scraped(t *testing.T, end time.Time, shown func(after time.Duration) string) handler {
	t.Helper()
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for at := start; !at.After(end); at = at.Add(5 * time.Minute) {
		grown := func(_ string, v float64) float64 { return v * at.Sub(start).Minutes() }
		if err := e.Ingest([]byte(shown(at.Sub(start))), at, map[string]string{"job": "j", "namespace": "ns", "instance": "a:8000"}, grown); err != nil {
			t.Fatal(err)
		}
	}
	return handler{e.Handler()}
}

// TestF38_NamesThatMatchNothing holds what is said at the first look of names under which nothing was ever there: those that a verdict needs, or that the user has written, in a warning and once in
// the log, with what turns them on; of others of which one is enough nothing; the rest without a warning.
func TestF38_NamesThatMatchNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const pack = `name: own
about: a program of one's own
tokens:
  input: {metrics: [in_tokens_total, in_tokens]}
  output: {metrics: [out_tokens]}
  cache_read: {metrics: [cahced_tokens], absent: zero}
input_includes_cache: true
group_by: [namespace]
requests: {metrics: [reqeusts_total]}
`
	if err := os.WriteFile(filepath.Join(folder, "own.yaml"), []byte(pack), 0o600); err != nil {
		t.Fatal(err)
	}
	library, err := collector.OpenLibrary(folder)
	if err != nil {
		t.Fatal(err)
	}
	end := start.Add(3 * time.Hour)
	own := func(q collector.Queries) collector.Settings {
		q.Input, q.Output = "sum by (namespace) (increase(in_tokens[$__window]))", "sum by (namespace) (increase(out_tokens[$__window]))"
		return collector.Settings{Queries: &q, GroupBy: []string{"namespace"}}
	}
	const inAndOut = "in_tokens 10\nout_tokens 2\n"
	for _, tc := range []struct {
		name, shown string
		settings    collector.Settings
		warned      string // signals with their names, as the warning has them; empty without one
		quiet       string // signals that are missing without a warning
		says        string // the warning too
	}{
		{
			name: "all there, under names of which others are better", shown: "litellm_input_tokens_metric 10\nlitellm_output_tokens_metric 2\n", settings: collector.Settings{Pack: "litellm"},
			quiet: "requests retries retries ttft_p95",
		},
		{
			name: "an output that is called otherwise", shown: "vllm:prompt_tokens_total 10\nvllm:tokens_generated_total 2\n", settings: collector.Settings{Pack: "vllm"},
			warned: "output (vllm:generation_tokens_total, vllm_generation_tokens_total, ray_vllm_generation_tokens_total, ray_vllm:generation_tokens_total)",
			quiet:  "cache_read requests ttft_p95 prompt_lengths running waiting cache_usage",
		},
		{
			name: "nothing at all, and a switch", settings: collector.Settings{Pack: "sglang"}, says: "Turned on by --enable-metrics",
			warned: "input (sglang:prompt_tokens_total, sglang_prompt_tokens_total), of output (sglang:generation_tokens_total, sglang_generation_tokens_total)",
			quiet:  "cache_read requests ttft_p95 prompt_lengths running waiting cache_usage",
		},
		{
			name: "no GPUs", shown: "tgi_request_input_length_sum 10\ntgi_request_generated_tokens_sum 2\n", settings: collector.Settings{Pack: "tgi", GPUs: &collector.GPUs{Pack: "amd"}, GroupBy: []string{"namespace"}},
			warned: "gpus (gpu_gfx_activity, amd_gpu_gfx_activity, gpu_used_vram, amd_gpu_used_vram)", quiet: "requests prompt_lengths running waiting",
		},
		{name: "a pack of one's own", shown: inAndOut, settings: collector.Settings{Pack: "own", Library: library}, warned: "requests (reqeusts_total)"},
		{
			name: "a query of one's own", shown: inAndOut, settings: own(collector.Queries{CacheRead: "sum by (namespace) (increase(in_tokens[$__window]) - increase(cahced[$__window]))"}),
			warned: "cache_read (cahced)",
		},
		{
			name: "a query of one's own that returns nothing of what is there", shown: inAndOut, settings: own(collector.Queries{Requests: `sum by (namespace) (increase(in_tokens{namespace="other"}[$__window]))`}),
			warned: "requests (in_tokens)",
		},
		{
			name: "others in a query of one's own", shown: inAndOut, settings: own(collector.Queries{CacheRead: "sum by (namespace) (increase(in_tokens[$__window]) or increase(in_tokens_total[$__window]))"}),
			quiet: "cache_read",
		},
	} {
		var log bytes.Buffer
		tc.settings.Name, tc.settings.URL, tc.settings.Client, tc.settings.Backfill = "s", "http://prometheus.test", scraped(t, end, func(time.Duration) string { return tc.shown }), 2*time.Hour
		c, err := collector.New(tc.settings, storetest.Open(t), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var r collector.Result
		for _, at := range []time.Duration{0, time.Hour, 25 * time.Hour} {
			found, err := c.Collect(t.Context(), end.Add(at))
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			if at == 0 {
				r = found
			}
		}
		warned, quiet, needed := "", []string{}, 0
		for _, w := range r.Warnings {
			if w.Code == collector.NeverMatched {
				warned = w.Text
			}
		}
		for _, m := range r.Missing {
			if needed++; !m.Needed {
				needed--
				quiet = append(quiet, m.Signal)
			}
		}
		if want := "nothing was ever found of " + tc.warned + ":"; (tc.warned == "") != (warned == "") || tc.warned != "" && !strings.HasPrefix(warned, want) || !strings.Contains(warned, tc.says) {
			t.Errorf("%s: got the warning %q, want %q", tc.name, warned, want)
		}
		if got := strings.Join(quiet, " "); got != tc.quiet {
			t.Errorf("%s: got %q missing without a warning, want %q", tc.name, got, tc.quiet)
		}
		if got := strings.Count(log.String(), "nothing is found"); got != needed {
			t.Errorf("%s: told %d times in the log, want %d", tc.name, got, needed)
		}
	}
}

// TestF38_NamesThatWereThere holds that a name that was there and is no more is said at the second look without it, whatever was restarted in between, and that a source that is idle
// or down says nothing, though its GPUs are there.
func TestF38_NamesThatWereThere(t *testing.T) {
	t.Parallel()
	const renamed, down = 50 * time.Hour, 150 * time.Hour
	const gpu = `DCGM_FI_DEV_GPU_UTIL{UUID="GPU-1",modelName="NVIDIA L4"} 0` + "\n"
	end := start.Add(200 * time.Hour)
	server := scraped(t, end, func(after time.Duration) string {
		switch {
		case after > down:
			return "up 1\n" + gpu
		case after > renamed:
			return "litellm_input_tokens_metric_total 10\nlitellm_output_tokens_metric_total 2\nlitellm_input_cached_tokens_total 1\n" + gpu
		}
		return "litellm_input_tokens_metric_total 10\nlitellm_output_tokens_metric_total 2\nlitellm_input_cached_tokens_metric_total 1\n" + gpu
	})
	open := func(file collector.History) *collector.Collector {
		c, err := collector.New(collector.Settings{Name: "s", URL: "http://prometheus.test", Client: server, Pack: "litellm", GroupBy: []string{"namespace"}, GPUs: &collector.GPUs{Pack: "dcgm", Join: []string{"namespace"}}, Backfill: 2 * time.Hour}, file, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	daemon, once := storetest.Open(t), storetest.Open(t)
	c := open(daemon)
	for _, tc := range []struct {
		at      time.Duration
		restart bool
		want    bool
	}{
		{at: 24 * time.Hour},
		{at: 48 * time.Hour},
		{at: 49 * time.Hour},
		{at: 72 * time.Hour}, // looked once
		{at: 96 * time.Hour, want: true},
		{at: 97 * time.Hour, restart: true, want: true},
		{at: 120 * time.Hour, want: true},
		{at: 175 * time.Hour, restart: true},
	} {
		if tc.restart {
			c = open(daemon)
		}
		for name, c := range map[string]*collector.Collector{"a daemon": c, "a process for every collection": open(once)} {
			r, err := c.Collect(t.Context(), start.Add(tc.at))
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for _, w := range r.Warnings {
				if w.Code == collector.NoLongerMatched || w.Code == collector.NeverMatched {
					said.WriteString(w.Text)
				}
			}
			want := "nothing is found any more of cache_read (litellm_input_cached_tokens_metric_total, litellm_input_cached_tokens_metric) since " + model.FormatDate(start.Add(48*time.Hour)) + ":"
			if (said.String() != "") != tc.want || tc.want && !strings.HasPrefix(said.String(), want) {
				t.Errorf("%s, after %s: got %q, want it %t: %q", name, tc.at, said.String(), tc.want, want)
			}
		}
	}
}

// TestF38_OneQuery holds that names are looked at with as many queries whatever the number of workloads.
func TestF38_OneQuery(t *testing.T) {
	t.Parallel()
	queries := func(workloads int) int {
		end := start.Add(3 * time.Hour)
		server := scraped(t, end, func(time.Duration) string {
			var text strings.Builder
			for i := range workloads {
				fmt.Fprintf(&text, "litellm_input_tokens_metric_total{team_alias=\"%d\"} 10\nlitellm_output_tokens_metric_total{team_alias=\"%[1]d\"} 2\n", i)
			}
			return text.String()
		})
		c, err := collector.New(collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: server, Pack: "litellm", Backfill: 2 * time.Hour, Costs: true, Clock: func() time.Time { return end },
		}, storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{0, time.Minute} {
			if r, err := c.Collect(t.Context(), end.Add(at)); err != nil || len(r.Usage) != workloads {
				t.Fatalf("got %d workloads, error %v, want %d", len(r.Usage), err, workloads)
			}
		}
		costs := c.Costs()
		return costs[slices.IndexFunc(costs, func(c collector.Cost) bool { return strings.HasPrefix(c.Query, "names") })].Requests
	}
	if one, many := queries(1), queries(200); one != 1 || many != 1 {
		t.Errorf("got %d and %d queries of one workload and of 200, want one each", one, many)
	}
}

// TestF38_NamesInQueries holds that the names of the metrics in a query of one's own are those that a server reads there, by every query that a pack sends.
func TestF38_NamesInQueries(t *testing.T) {
	t.Parallel()
	server := scraped(t, start, func(time.Duration) string { return "up 1\n" })
	queries := []string{
		`sum by (a) (rate(b:c[$__window] offset 5m)) + on (d) group_left (e) avg(f{g="h # {i}"} @ end()) # j`,
		"histogram_quantile(0.95, sum without (a) (rate({\"b.c\", d='e'}[5m:1m])))\n# f\n- -1.5e3 * Inf unless ignoring (g) h",
		`{__name__="a", b="c"} or bool_total > bool 0x1F or last_over_time({d="__name__=", "e\"f"}[1h]) and topk(2, g)`,
		`count_values("version", build_info) or ( label_replace(up, "a", "$1", "b", "(.*)") unless absent(x))`,
	}
	for _, pack := range new(collector.Library).Names() {
		d, err := new(collector.Library).Describe(pack)
		if err != nil {
			t.Fatal(err)
		}
		queries = append(queries, d.Queries[0])
	}
	reader := parser.NewParser(parser.Options{})
	file := storetest.Open(t)
	for i, query := range queries {
		expr, err := reader.ParseExpr(strings.ReplaceAll(query, "$__window", "1h"))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		want := map[string]bool{}
		for _, selectors := range parser.ExtractSelectors(expr) {
			for _, m := range selectors {
				if m.Name == "__name__" {
					want[m.Value] = true
				}
			}
		}
		c, err := collector.New(collector.Settings{
			Name: strconv.Itoa(i), URL: "http://prometheus.test", Client: server, GroupBy: []string{"namespace"}, Backfill: time.Hour, Queries: &collector.Queries{Input: "(" + query + "\n) < -Inf", Output: "nothing"},
		}, file, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Collect(t.Context(), start)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, m := range r.Missing {
			for _, name := range m.Metrics {
				got[name] = m.Signal == "input" || got[name]
			}
		}
		delete(got, "nothing")
		delete(got, "up") // which is there
		delete(want, "up")
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}
