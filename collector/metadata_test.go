package collector

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tipline/collector/promtest"
)

// knowing is a server that knows of what type metrics are.
type knowing struct {
	http.RoundTripper

	status int    // 0 means 200
	types  string // JSON of what is said of them, by metric
	asked  int
}

// RoundTrip answers for the metadata, and leaves everything else to the server behind.
func (k *knowing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, "/api/v1/metadata") {
		return k.RoundTripper.RoundTrip(req)
	}
	k.asked++
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	if k.status != 0 {
		rec.WriteHeader(k.status)
	}
	_, _ = rec.WriteString(`{"status":"success","data":` + k.types + `}`) // a buffer takes everything
	return rec.Result(), nil
}

// TestF39_NotACounter holds what is said of a metric that is read as a counter and is a gauge as the server says: its name, once a source, in words that are about nothing else; and that
// nothing is said otherwise.
func TestF39_NotACounter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := "name: mine\ntokens: {input: {metrics: [mine_in, mine_old], plus: {metrics: [mine_more]}}, output: {metrics: [mine_out]}}\nerrors: {metrics: [mine_failed]}\ngroup_by: [team_alias]\n"
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	library, err := OpenLibrary(dir)
	if err != nil {
		t.Fatal(err)
	}
	own := func(input string) Settings {
		return Settings{Queries: &Queries{Input: input, Output: "sum by (team_alias) (rate (my_out{a=\"b\"}[$__window])) * 3600"}, GroupBy: []string{"team_alias"}}
	}
	for name, tc := range map[string]struct {
		settings Settings
		types    string // of metrics, as name=type
		want     string // named in what is said; empty means that nothing is
	}{
		"a counter":                             {Settings{}, "litellm_input_tokens_metric_total=counter", ""},
		"a gauge":                               {Settings{}, "litellm_input_tokens_metric_total=gauge", "litellm_input_tokens_metric_total (input)."},
		"two":                                   {Settings{}, "litellm_proxy_total_requests_metric=gauge litellm_output_tokens_metric_total=gauge", "litellm_output_tokens_metric_total (output), litellm_proxy_total_requests_metric (requests)."},
		"a gauge here and a counter there":      {Settings{}, "litellm_input_tokens_metric_total=gauge litellm_input_tokens_metric_total=counter", ""},
		"not known":                             {Settings{}, "litellm_input_tokens_metric_total=unknown litellm_output_tokens_metric_total=", ""},
		"a name that is second":                 {Settings{}, "litellm_input_tokens_metric_total=counter litellm_input_tokens_metric=gauge", ""},
		"a gauge that nobody reads":             {Settings{}, "something=gauge litellm_in_flight_requests=gauge", ""},
		"failures that grow in a gauge":         {Settings{Pack: "lmdeploy"}, "lmdeploy:num_requests_failed=gauge lmdeploy:prompt_tokens_total=counter", ""},
		"sums of a period":                      {Settings{Pack: "bedrock-yace"}, "aws_bedrock_input_token_count_sum=gauge", ""},
		"what is added, in a pack of one's own": {Settings{Pack: "mine", Library: library}, "mine_in=counter mine_more=gauge mine_failed=gauge", "mine_more (input)."},
		"an own query":                          {own("sum by (team_alias) (increase(my_in[$__window]))"), "my_in=gauge my_out=gauge", "my_in (input), my_out (output)."},
		"an own query of a gauge as such":       {own("sum by (team_alias) (sum_over_time(my_in[$__window]))"), "my_in=gauge my_out=counter", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := map[string][]string{}
			for metric := range strings.FieldsSeq(tc.types) {
				metric, of, _ := strings.Cut(metric, "=")
				said[metric] = append(said[metric], `{"type":"`+of+`","help":"","unit":""}`)
			}
			var all []string
			for metric, entries := range said {
				all = append(all, `"`+metric+`":[`+strings.Join(entries, ",")+`]`)
			}
			server := promtest.New(steady(always, never))
			tc.settings.Backfill = 24 * time.Hour
			c := newCollector(t, tc.settings, server, newMemory())
			c.client.guard.next = &knowing{RoundTripper: server.Transport(), types: "{" + strings.Join(all, ",") + "}"}
			r := collect(t, c, noon)
			if tc.want == "" {
				if len(r.Warnings) > 0 {
					t.Errorf("got %v, want nothing", r.Warnings)
				}
				return
			}
			if want := "gauges, as the server says, where counters are wanted: " + tc.want; codes(r.Warnings) != NotACounter || !strings.HasPrefix(r.Warnings[0].Text, want) {
				t.Errorf("got %v, want %s: %s", r.Warnings, NotACounter, want)
			}
		})
	}
}

// TestTypesAreAskedDaily holds that a server is asked of what type its metrics are by one query a day, whether it answers or not, and that what it said stands until it says otherwise.
func TestTypesAreAskedDaily(t *testing.T) {
	t.Parallel()
	const gauge, counter = `{"litellm_input_tokens_metric_total":[{"type":"gauge","help":"","unit":""}]}`, `{"litellm_input_tokens_metric_total":[{"type":"counter","help":"","unit":""}]}`
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, newMemory())
	k := &knowing{RoundTripper: server.Transport()}
	c.client.guard.next = k
	for i, day := range []struct {
		status int
		types  string
		want   string
	}{
		{404, "", ""}, {503, "", ""}, {0, "[]", ""}, {0, gauge, NotACounter}, {404, "", NotACounter}, {0, counter, ""},
	} {
		k.status, k.types, k.asked = day.status, day.types, 0
		for hour := range 24 {
			if r := collect(t, c, noon.Add(time.Duration(24*i+hour)*time.Hour)); codes(r.Warnings) != day.want {
				t.Errorf("day %d, hour %d: got %v, want %q", i, hour, r.Warnings, day.want)
			}
		}
		if k.asked != 1 {
			t.Errorf("day %d: asked %d times, want once", i, k.asked)
		}
	}
}

// TestTypesWait holds that a server that is not asked of what type its metrics are, since it fails otherwise, is asked by the next collection.
func TestTypesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sick := true
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if sick && !slices.Contains(q.Signals(), "coverage") {
				return promtest.Status(503, "busy")
			}
			return steady(always, never)(q)
		})
		c := newCollector(t, Settings{Pack: "vllm", Backfill: 24 * time.Hour}, server, newMemory())
		k := &knowing{RoundTripper: server.Transport(), types: "{}"}
		c.client.guard.next = k
		for hour, want := range []int{0, 1, 1} {
			sick = hour == 0
			collect(t, c, noon.Add(time.Duration(hour)*time.Hour))
			if k.asked != want {
				t.Errorf("hour %d: asked %d times by now, want %d", hour, k.asked, want)
			}
		}
	})
}
