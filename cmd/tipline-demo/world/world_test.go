package world_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
)

var start = time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC)

const days = 10

// hostile is a team name that attacks whatever shows it.
const hostile = `<!channel> "a" & <b>b</b> {team=~".*"}` + "\n\u202e"

// at returns an instant of the given day.
func at(day, hour, minute int) time.Time {
	return start.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

// town is a world with restarts, a gap, a newcomer and a hostile name.
func town() *world.World {
	stream := func(seed uint64, shape traffic.Shape, tokens float64) traffic.Stream {
		return traffic.Stream{Shape: shape, Mix: traffic.Chat, CacheShare: 0.3, Seed: seed, Tokens: tokens, Since: start}
	}
	late := stream(3, traffic.Office, 5e7)
	late.Begin = at(4, 10, 0)
	return &world.World{
		Tenants: []world.Tenant{
			{
				Name: "a", Kind: world.LiteLLM, Use: stream(1, traffic.Customers, 1e9), Cached: true, TTFT: 400 * time.Millisecond, TTFTP95: time.Second,
				Labels: map[string]string{"team": "a", "team_alias": hostile, "requested_model": "m", "model": "up", "api_provider": "p", "api_key_alias": "a-prod"},
			},
			{
				Name: "b", Kind: world.VLLM, Use: stream(2, traffic.Platform, 3e8), TTFT: 100 * time.Millisecond, TTFTP95: 300 * time.Millisecond,
				GPUs: 2, GPUName: "NVIDIA H100 80GB HBM3", TokensMax: 4e8, Labels: map[string]string{"namespace": "b", "model_name": "org/m"},
			},
			{
				Name: "c", Kind: world.VLLM, Use: late, GPUs: 1, GPUName: "NVIDIA L4", TokensMax: 1e8,
				Labels: map[string]string{"namespace": "c", "model_name": "org/m"},
			},
		},
		Restarts: map[world.Kind][]time.Time{world.LiteLLM: {at(2, 10, 17), at(7, 0, 0)}, world.VLLM: {at(3, 3, 42)}},
		Gaps:     map[world.Kind][]world.Span{world.VLLM: {{From: at(5, 9, 20), To: at(5, 14, 0)}}},
	}
}

// ask returns a function that evaluates a query at an instant: metric and value of every series.
func ask(t *testing.T, e *engine.Engine) func(query string, when time.Time) []sample {
	t.Helper()
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)
	return func(query string, when time.Time) []sample {
		t.Helper()
		form := url.Values{"query": {query}, "time": {strconv.FormatInt(when.Unix(), 10)}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/query?"+form.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body struct {
			Error string
			Data  struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		if body.Error != "" {
			t.Fatalf("%s: %s", query, body.Error)
		}
		var samples []sample
		for _, r := range body.Data.Result {
			value, err := strconv.ParseFloat(r.Value[1].(string), 64)
			if err != nil {
				t.Fatal(err)
			}
			samples = append(samples, sample{r.Metric, value})
		}
		return samples
	}
}

type sample struct {
	Metric map[string]string
	Value  float64
}

// build returns what an engine answers that holds w up to until.
func build(t *testing.T, w *world.World, until time.Time) func(query string, when time.Time) []sample {
	t.Helper()
	e, err := engine.Open(func() time.Time { return until })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Start(start)
	if err := w.Advance(e, until); err != nil {
		t.Fatal(err)
	}
	return ask(t, e)
}

// truth returns what a tenant used in [from, to).
func truth(tenant world.Tenant, from, to time.Time) (sum traffic.Used) {
	for t := from; t.Before(to); t = t.Add(time.Hour) {
		u, _ := tenant.Use.Hour(t)
		sum.Input, sum.Output = sum.Input+u.Input, sum.Output+u.Output
		sum.CacheRead, sum.Requests = sum.CacheRead+u.CacheRead, sum.Requests+u.Requests
	}
	return sum
}

func near(t *testing.T, what string, got []sample, want, tolerance float64) {
	t.Helper()
	if len(got) != 1 || !(math.Abs(got[0].Value-want) <= tolerance*want) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

func TestTown(t *testing.T) {
	t.Parallel()
	w := town()
	query := build(t, w, start.AddDate(0, 0, days))
	t.Run("totals", func(t *testing.T) { testTotals(t, w, query) })
	t.Run("restarts and gaps", func(t *testing.T) { testRestartsAndGaps(t, query) })
	t.Run("names", func(t *testing.T) { testNames(t, query) })
}

// asker evaluates a query at an instant.
type asker func(query string, when time.Time) []sample

// testTotals holds what PromQL makes of the counters against what was used, through restarts, renamed pods and a gap.
func testTotals(t *testing.T, w *world.World, query asker) {
	t.Helper()
	end := start.AddDate(0, 0, days)
	for i, names := range [][4]string{
		{
			"litellm_input_tokens_metric_total", "litellm_output_tokens_metric_total", "litellm_input_cached_tokens_metric_total",
			"litellm_proxy_total_requests_metric_total",
		},
		{"vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:prompt_tokens_cached_total", "vllm:request_success_total"},
		{"vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:prompt_tokens_cached_total", "vllm:request_success_total"},
	} {
		tenant := w.Tenants[i]
		of := ""
		if tenant.Kind == world.VLLM {
			of = fmt.Sprintf("{namespace=%q}", tenant.Name)
		}
		used := truth(tenant, start, end)
		hour := at(8, 13, 0)
		inHour := truth(tenant, hour, hour.Add(time.Hour))
		for j, want := range []float64{used.Input, used.Output, used.CacheRead, used.Requests} {
			near(t, tenant.Name+" "+names[j], query(fmt.Sprintf("sum(increase(%s%s[%dd]))", names[j], of, days), end), want, 0.001)
		}
		for j, want := range []float64{inHour.Input, inHour.Output, inHour.CacheRead, inHour.Requests} {
			near(t, tenant.Name+" hour of "+names[j], query(fmt.Sprintf("sum(increase(%s%s[1h]))", names[j], of), hour.Add(time.Hour)), want, 0.001)
		}
	}
	// An hour in which a pod is replaced loses what was counted between its last scrape and the first of the next pod.
	restarted := truth(w.Tenants[0], at(2, 10, 0), at(2, 11, 0))
	near(t, "hour of a restart", query("sum(increase(litellm_input_tokens_metric_total[1h]))", at(2, 11, 0)), restarted.Input, 0.03)
}

func testRestartsAndGaps(t *testing.T, query asker) {
	t.Helper()
	pods := func(name string, when time.Time) map[string]float64 {
		got := map[string]float64{}
		for _, s := range query(name, when) {
			got[s.Metric["pod"]] = s.Value
		}
		return got
	}
	for _, c := range []struct {
		name, metric string
		when         time.Time
	}{
		{"a gateway", "litellm_output_tokens_metric_total", at(2, 10, 17)},
		{"an engine", `vllm:generation_tokens_total{namespace="b"}`, at(3, 3, 42)},
	} {
		before, after := pods(c.metric, c.when.Add(-time.Minute)), pods(c.metric, c.when)
		if len(before) != 1 || len(after) != 1 {
			t.Fatalf("%s: got pods %v and then %v, want one each, the old one marked stale at once", c.name, before, after)
		}
		for pod, value := range after {
			for old, counted := range before {
				if old == pod || value*1000 > counted {
					t.Errorf("%s: got %v and then %v, want another pod that begins at zero", c.name, before, after)
				}
			}
		}
	}
	if got := query("count(vllm:prompt_tokens_total)", at(5, 9, 20)); got != nil {
		t.Errorf("in the gap: got %v, want nothing", got)
	}
	near(t, "after the gap", query("count(vllm:prompt_tokens_total)", at(5, 14, 0)), 2, 0)
	near(t, "samples of the hour in which the gap begins", query(`count_over_time(vllm:prompt_tokens_total{namespace="b"}[1h])`, at(5, 10, 0)), 19, 0)
	near(t, "the gateway does not know of the gap", query("count_over_time(litellm_input_tokens_metric_total[1h])", at(5, 12, 0)), 60, 0)
	if got := query(`{namespace="c"}`, at(4, 9, 59)); got != nil {
		t.Errorf("before it began: got %v, want nothing", got)
	}
	near(t, "a new engine begins at zero", query(`vllm:prompt_tokens_total{namespace="c"}`, at(4, 10, 0)), 0, 0)
}

// testNames holds the series of each exporter against the labels that the real ones have.
func testNames(t *testing.T, query asker) {
	t.Helper()
	end := start.AddDate(0, 0, days)
	pod := query("litellm_input_tokens_metric_total", end)[0].Metric["pod"]
	instance := query("litellm_input_tokens_metric_total", end)[0].Metric["instance"]
	enginePod := query(`vllm:prompt_tokens_total{namespace="b"}`, end)[0].Metric["pod"]
	for _, c := range []struct {
		query string
		want  map[string]string
	}{
		{"litellm_input_tokens_metric_total", map[string]string{
			"__name__": "litellm_input_tokens_metric_total", "team": "a", "team_alias": hostile, "requested_model": "m", "model": "up", "api_provider": "p",
			"api_key_alias": "a-prod", "job": "litellm", "namespace": "gateway", "pod": pod, "instance": instance,
		}},
		{"litellm_proxy_total_requests_metric_total", map[string]string{
			"__name__": "litellm_proxy_total_requests_metric_total", "team": "a", "team_alias": hostile, "requested_model": "m", "api_key_alias": "a-prod",
			"status_code": "200", "route": "/v1/chat/completions", "job": "litellm", "namespace": "gateway", "pod": pod, "instance": instance,
		}},
	} {
		got := query(c.query, end)
		if len(got) != 1 {
			t.Fatalf("%s: got %v, want one series", c.query, got)
		}
		if diff := cmp.Diff(c.want, got[0].Metric); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.query, diff)
		}
	}
	near(t, "the hostile team is found by its name", query("count(litellm_input_tokens_metric_total{team_alias="+strconv.Quote(hostile)+"})", end), 1, 0)
	near(t, "reasons", query(`count(vllm:request_success_total{namespace="b",engine="0",model_name="org/m",finished_reason=~"stop|length|abort"})`, end), 3, 0)
	cards := fmt.Sprintf(`{namespace="b",pod=%q,container="vllm",modelName="NVIDIA H100 80GB HBM3",Hostname=~".+",UUID=~"GPU-.+",model_name=""}`, enginePod)
	for _, name := range []string{"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_FB_USED"} {
		near(t, name, query("count(count by (UUID) ("+name+cards+"))", end), 2, 0)
	}
	for _, ttft := range []struct {
		metric string
		want   float64
	}{{"litellm_llm_api_time_to_first_token_metric", 1}, {"vllm:time_to_first_token_seconds", 0.3}} {
		// The quantile is interpolated inside a bucket.
		near(t, ttft.metric, query("histogram_quantile(0.95, sum by (le) (rate("+ttft.metric+"_bucket[1d])))", end), ttft.want, 0.25)
	}
	if got := query(`max by (pod) (DCGM_FI_PROF_GR_ENGINE_ACTIVE) > 1 or min by (pod) (DCGM_FI_PROF_GR_ENGINE_ACTIVE) < 0`, end); got != nil {
		t.Errorf("busy share: got %v, want 0 to 1", got)
	}
}

func TestSameSeedSameSamples(t *testing.T) {
	t.Parallel()
	dump := func() []sample {
		query := build(t, town(), at(3, 0, 0))
		var all []sample
		for _, when := range []time.Time{at(0, 1, 0), at(2, 10, 18), at(3, 0, 0)} {
			all = append(all, query(`{__name__=~".+"}`, when)...)
		}
		slices.SortStableFunc(all, func(a, b sample) int { return strings.Compare(fmt.Sprint(a.Metric), fmt.Sprint(b.Metric)) })
		return all
	}
	first, again := dump(), dump()
	if len(first) < 100 {
		t.Fatalf("got %d samples, want some hundred", len(first))
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("-first +second\n%s", diff)
	}
}

// TestAdvanceInAnyStep holds that it does not matter how often a world is let run.
func TestAdvanceInAnyStep(t *testing.T) {
	t.Parallel()
	w := town()
	whole := build(t, town(), at(1, 0, 0))
	e, err := engine.Open(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	w.Start(start)
	for now := start; now.Before(at(1, 0, 0)); {
		now = now.Add(7 * time.Minute)
		if err := w.Advance(e, now); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"litellm_input_tokens_metric_total", "vllm:generation_tokens_total"} {
		near(t, name, ask(t, e)(name, at(0, 23, 0)), whole(name, at(0, 23, 0))[0].Value, 0)
	}
}
