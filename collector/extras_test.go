package collector

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/collector/promtest"
	"tipline/model"
)

// engine answers for vLLM workloads of the given namespaces; special answers what no signal of the hours does.
func engine(namespaces []string, special func(q promtest.Query) []promtest.Series) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "time_to_first_token") || strings.Contains(q.Expr, "DCGM") {
			return promtest.Answer{Series: special(q)}
		}
		var all []promtest.Series
		for i, namespace := range namespaces {
			labels := map[string]string{"namespace": namespace, "model_name": string(rune('a' + i))}
			all = append(all, promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
				v, ok := typical[signal]
				return v, ok
			})...)
		}
		return promtest.Answer{Series: all}
	}
}

func TestGPUs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		count, busy float64
		utilization float64 // -1: not known
		gpus        float64 // 0: not known
		want        string  // codes of the warnings
		slices      float64 // of MIG
	}{
		{"two GPUs half busy", 2, 1, 0.5, 2, "", 0},
		{"two of 30 are slices", 30, 15, 0.5, 30, GPUUnsure, 2},
		{"one of 30 is a slice", 30, 15, 0.5, 30, "", 1},
		{"slices that make no sense", 2, 1, 0.5, 2, "", math.NaN()},
		{"slices alone, which do not count", 0, 0, 0, 0, GPUUnknown + " " + GPUUnsure, 7},
		{"rounding is not out of range", 3, 3.0000000001, 1, 3, "", 0},
		{"F43 busier than possible", 2, 2.5, -1, 2, GPUUtilizationRange, 0},
		{"F43 negative", 2, -1, -1, 2, GPUUtilizationRange, 0},
		{"F34 NaN", 2, math.NaN(), -1, 2, GPUUtilizationRange, 0},
		{"no GPUs", 0, 0, 0, 0, GPUUnknown, 0},
		{"F34 a count of NaN", math.NaN(), 1, 0, 0, GPUUnknown, 0},
		{"a negative count", -2, -1, 0, 0, GPUUnknown, 0},
	} {
		server := promtest.New(engine([]string{"chat", "chat", "other"}, func(q promtest.Query) []promtest.Series {
			return promtest.Each(q, map[string]string{"namespace": "chat"}, func(signal string, _ time.Time) (float64, bool) {
				return map[string]float64{"gpu_count": tc.count, "gpu_known": tc.count, "gpu_busy": tc.busy, "gpu_unsure_0": tc.slices}[signal], signal != "gpu_unsure_0" || tc.slices != 0
			})
		}))
		c := newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}, server, newMemory())
		r := collect(t, c, noon)
		u := r.Usage[0]
		got := strings.TrimSpace(strings.ReplaceAll(codes(u.Warnings), TTFTUnknown, ""))
		if got != tc.want || (u.GPU != nil) != (tc.gpus > 0) || !strings.Contains(codes(r.Usage[2].Warnings), GPUUnknown) {
			t.Errorf("%s: got %+v, warnings %q; want %v GPUs, warnings %q", tc.name, u.GPU, got, tc.gpus, tc.want)
			continue
		}
		if u.GPU == nil {
			continue
		}
		if unsure := u.GPU.Unsure; (len(unsure) == 1 && unsure[0] == "mig") != (tc.want == GPUUnsure) {
			t.Errorf("%s: got that their number is unsure because of %q", tc.name, unsure)
		}
		if u.GPU.Count != tc.gpus || u.GPUScope != "namespace chat" {
			t.Errorf("%s: got %+v, want %v GPUs of namespace chat", tc.name, *u.GPU, tc.gpus)
		}
		if known := u.GPU.Utilization != nil; known != (tc.utilization >= 0) || known && float64(*u.GPU.Utilization) != tc.utilization {
			t.Errorf("%s: got utilization %v, want %v", tc.name, u.GPU.Utilization, tc.utilization)
		}
	}
}

// TestGPUDevices holds that every GPU is known in the hours of the last day in which it was in a scope, and in no others.
func TestGPUDevices(t *testing.T) {
	t.Parallel()
	last := noon.Truncate(time.Hour)
	moved := last.Add(-6 * time.Hour)
	server := promtest.New(engine([]string{"chat", "other"}, func(q promtest.Query) []promtest.Series {
		if !strings.Contains(q.Expr, "label_join") {
			return nil
		}
		var all []promtest.Series
		for namespace, held := range map[string]func(time.Time) bool{"chat": moved.After, "other": func(at time.Time) bool { return !moved.After(at) }} {
			card := promtest.Series{Labels: map[string]string{"namespace": namespace, "tipline_signal": "GPU-1/"}}
			for _, at := range q.Times() {
				if held(at) {
					card.Points = append(card.Points, promtest.Point{At: at, Value: 1})
				}
			}
			all = append(all, card)
		}
		return all
	}))
	c := newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}, server, newMemory())
	want := map[string]model.Day{}
	for i := range 24 {
		at, namespace := last.Add(time.Duration(-i)*time.Hour), "other"
		if at.Before(moved) {
			namespace = "chat"
		}
		day := want[namespace]
		day[at.Hour()] = 1
		want[namespace] = day
	}
	for _, u := range collect(t, c, noon).Usage {
		namespace := u.Labels["namespace"]
		if diff := cmp.Diff(map[string]model.Day{"1": want[namespace]}, u.GPUDevices[u.GPUScope]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", namespace, diff)
		}
	}
}

// TestGPUCosts holds that what GPUs cost is known of all that run on them, and that a broken query leaves the rest.
func TestGPUCosts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		usd    float64
		status int
		shared bool
		want   float64 // 0: not known
		codes  string
	}{
		{"eight dollars an hour", 8, 0, false, 8, ""},
		{"the GPUs are not its own", 8, 0, true, 8, ""},
		{"no OpenCost", 0, 0, false, 0, ""},
		{"NaN", math.NaN(), 0, false, 0, ""},
		{"negative", -8, 0, false, 0, ""},
		{"the query fails", 8, 400, false, 0, CostFailed},
	} {
		namespaces := []string{"chat"}
		if tc.shared {
			namespaces = append(namespaces, "chat")
		}
		answer := engine(namespaces, func(q promtest.Query) []promtest.Series {
			return promtest.Each(q, map[string]string{"namespace": "chat"}, func(signal string, _ time.Time) (float64, bool) {
				return 2, signal == "gpu_count"
			})
		})
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			switch {
			case !strings.Contains(q.Expr, "node_gpu_hourly_cost"):
				return answer(q)
			case tc.status != 0:
				return promtest.Status(tc.status, "no")
			}
			return promtest.Answer{Series: promtest.Each(q, map[string]string{"namespace": "chat"}, func(string, time.Time) (float64, bool) { return tc.usd, tc.usd != 0 })}
		})
		c := newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}, server, newMemory())
		r := collect(t, c, noon)
		got := 0.0
		if gpu := r.Usage[0].GPU; gpu == nil {
			t.Fatalf("%s: got no GPUs", tc.name)
		} else if gpu.USDPerHour != nil {
			got = *gpu.USDPerHour
		}
		if got != tc.want || codes(r.Warnings) != tc.codes {
			t.Errorf("%s: got %v USD/h with warnings %q, want %v with %q", tc.name, got, codes(r.Warnings), tc.want, tc.codes)
		}
	}
}

func TestTTFT(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		seconds float64
		want    time.Duration // 0: not known
	}{
		{"three quarters of a second", 0.75, 750 * time.Millisecond},
		{"idle is NaN", math.NaN(), 0},
		{"above the last bucket", math.Inf(1), 0},
		{"negative", -1, 0},
	} {
		server := promtest.New(engine([]string{"chat"}, func(q promtest.Query) []promtest.Series {
			return []promtest.Series{{
				Labels: map[string]string{"namespace": "chat", "model_name": "a"}, Points: []promtest.Point{{At: q.End, Value: tc.seconds}},
			}}
		}))
		u := collect(t, newCollector(t, Settings{Pack: "vllm", Backfill: 24 * time.Hour}, server, newMemory()), noon).Usage[0]
		if known := u.TTFTP95 != nil; known != (tc.want > 0) || known && *u.TTFTP95 != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, u.TTFTP95, tc.want)
		}
		if got := codes(u.Warnings); (got == TTFTUnknown) != (tc.want == 0) {
			t.Errorf("%s: got warnings %q", tc.name, got)
		}
	}
}

// TestDaily holds that the numbers of requests that failed and that were sent again are what their counters say, and that no counter is no number. Where the pack says that
// it is none, the query does.
func TestDaily(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pack string
		failed     []float64 // of the day
		retried    []float64
		want       [2]float64 // -1: not known
	}{
		{"a few", "vllm", []float64{12.5}, nil, [2]float64{12.5, -1}},
		{"none", "vllm", []float64{0}, nil, [2]float64{0, -1}},
		{"no series of a counter of its own", "vllm", nil, nil, [2]float64{-1, -1}},
		{"no request has been sent again", "dynamo", []float64{12.5}, nil, [2]float64{12.5, -1}},
		{"no series although none means zero", "envoy-ai-gateway", nil, nil, [2]float64{-1, -1}},
		{"NaN", "vllm", []float64{math.NaN()}, nil, [2]float64{-1, -1}},
		{"infinite", "vllm", []float64{math.Inf(1)}, nil, [2]float64{-1, -1}},
		{"negative", "vllm", []float64{-1}, nil, [2]float64{-1, -1}},
		{"NaN where none means zero", "envoy-ai-gateway", []float64{math.NaN()}, nil, [2]float64{-1, -1}},
		{"both", "bifrost", []float64{12.5}, []float64{3}, [2]float64{12.5, 3}},
		{"no retry", "bifrost", []float64{12.5}, []float64{0}, [2]float64{12.5, 0}},
		{"retries alone", "dynamo", nil, []float64{3}, [2]float64{-1, 3}},
		{"a wrong number of retries", "bifrost", []float64{12.5}, []float64{math.NaN()}, [2]float64{12.5, -1}},
	} {
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			labels := map[string]string{"namespace": "chat", "model_name": "a"}
			switch {
			case strings.Contains(q.Expr, "time_to_first_token"):
				return promtest.Answer{}
			case strings.Contains(q.Expr, "[1d]"):
				var all []promtest.Series
				for signal, values := range map[string][]float64{"errors": tc.failed, "retries": tc.retried} {
					of := maps.Clone(labels)
					of["tipline_signal"] = signal
					for _, v := range values {
						all = append(all, promtest.Series{Labels: of, Points: []promtest.Point{{At: q.End, Value: v}}})
					}
				}
				return promtest.Answer{Series: all}
			}
			return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
				v, ok := typical[signal]
				return v, ok
			})}
		})
		s := Settings{Pack: tc.pack, GroupBy: []string{"namespace", "model_name"}, Backfill: 24 * time.Hour}
		u := collect(t, newCollector(t, s, server, newMemory()), noon).Usage[0]
		for i, got := range []*float64{u.Failed, u.Retried} {
			if known := got != nil; known != (tc.want[i] >= 0) || known && *got != tc.want[i] {
				t.Errorf("%s: got %v, want %v", tc.name, got, tc.want[i])
			}
		}
	}
	c := newCollector(t, Settings{Pack: "higress"}, promtest.New(engine([]string{"chat"}, nil)), newMemory())
	if got := c.queries.daily; got != "" {
		t.Errorf("a pack without errors and retries is asked %s", got)
	}
}

// TestUnattributed holds that the share of tokens that no workload has is known only when the server says it, and that nothing is dark
// where nothing is left out.
func TestUnattributed(t *testing.T) {
	t.Parallel()
	says := func(claimed, all float64) promtest.Answer {
		answer := promtest.Answer{}
		for name, v := range map[string]float64{"claimed_tokens": claimed, "all_tokens": all} {
			if v != 0 {
				answer.Series = append(answer.Series, promtest.Series{Labels: map[string]string{"tipline_signal": name}, Points: []promtest.Point{{At: noon, Value: v}}})
			}
		}
		return answer
	}
	for _, tc := range []struct {
		name   string
		chosen map[string]string
		answer promtest.Answer
		want   float64 // -1: not known
		codes  string
	}{
		{"a quarter is not selected", map[string]string{"team": "a"}, says(75, 100), 0.25, ""},
		{"everything is selected", map[string]string{"team": "a"}, says(100, 100), 0, ""},
		{"rounding is not below nothing", map[string]string{"team": "a"}, says(100.001, 100), 0, ""},
		{"nothing of it is selected", map[string]string{"team": "a"}, says(0, 100), 1, ""},
		{"nothing is counted", map[string]string{"team": "a"}, says(0, 0), -1, ""},
		{"NaN", map[string]string{"team": "a"}, says(1, math.NaN()), -1, ""},
		{"the query fails", map[string]string{"team": "a"}, promtest.Status(400, "no"), -1, DarkFailed},
		{"nothing is left out", nil, promtest.Status(400, "not asked"), 0, ""},
	} {
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if strings.Contains(q.Expr, "all_tokens") {
				return tc.answer
			}
			return engine([]string{"chat"}, func(promtest.Query) []promtest.Series { return nil })(q)
		})
		r := collect(t, newCollector(t, Settings{Pack: "vllm", Select: tc.chosen, Backfill: 24 * time.Hour}, server, newMemory()), noon)
		got := -1.0
		if r.Unattributed != nil {
			got = float64(*r.Unattributed)
		}
		if math.Abs(got-tc.want) > 1e-9 || codes(r.Warnings) != tc.codes {
			t.Errorf("%s: got %v with warnings %q, want %v with %q", tc.name, got, codes(r.Warnings), tc.want, tc.codes)
		}
	}
}

// TestUnattributedIsNotKnownWhenNothingIsMeasured holds that a source that leaves nothing out, and whose exporter is gone, does not say that
// no token is dark.
func TestUnattributedIsNotKnownWhenNothingIsMeasured(t *testing.T) {
	t.Parallel()
	gone := false
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if gone {
			return promtest.Answer{}
		}
		return engine([]string{"chat"}, func(promtest.Query) []promtest.Series { return nil })(q)
	})
	history := newMemory()
	s := Settings{Pack: "vllm", Backfill: 24 * time.Hour}
	if r := collect(t, newCollector(t, s, server, history), noon); r.Unattributed == nil {
		t.Fatal("nothing is left out: got that it is not known")
	}
	gone = true
	if r := collect(t, newCollector(t, s, server, history), noon.Add(48*time.Hour)); r.Unattributed != nil || len(r.Usage) != 1 {
		t.Errorf("nothing was measured for two days: got %v, want that it is not known", r.Unattributed)
	}
}

// TestPrompts reads the lengths of prompts of the last day, and knows none where the buckets cannot be right.
func TestPrompts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		buckets map[string]float64 // by le
		want    *model.Prompts
	}{
		{"cumulative buckets", map[string]float64{"100000": 60, "200000": 90, "+Inf": 100, "sum": 9e6}, &model.Prompts{Bounds: []float64{1e5, 2e5}, Requests: []float64{60, 30, 10}, Tokens: 9e6}},
		{"extrapolated apart", map[string]float64{"100000": 60.2, "200000": 60.1, "+Inf": 61, "sum": 9e6}, &model.Prompts{Bounds: []float64{1e5, 2e5}, Requests: []float64{60.2, 0, 0.8}, Tokens: 9e6}},
		{"no last bucket", map[string]float64{"100000": 60, "sum": 9e6}, nil},
		{"no sum", map[string]float64{"100000": 60, "+Inf": 100}, nil},
		{"nobody asked", map[string]float64{"100000": 0, "+Inf": 0, "sum": 0}, nil},
		{"not a number", map[string]float64{"100000": math.NaN(), "+Inf": 100, "sum": 9e6}, nil},
		{"endless", map[string]float64{"100000": 1, "+Inf": math.Inf(1), "sum": 9e6}, nil},
		{"not a bound", map[string]float64{"many": 1, "sum": 9e6}, nil},
	} {
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if !strings.Contains(q.Expr, "request_prompt_tokens_bucket") {
				return engine([]string{"chat"}, func(promtest.Query) []promtest.Series { return nil })(q)
			}
			answer := promtest.Answer{}
			for le, v := range tc.buckets {
				answer.Series = append(answer.Series, promtest.Series{
					Labels: map[string]string{"le": le, "namespace": "chat", "model_name": "a"}, Points: []promtest.Point{{At: noon, Value: v}},
				})
			}
			return answer
		})
		r := collect(t, newCollector(t, Settings{Pack: "vllm", Backfill: 24 * time.Hour}, server, newMemory()), noon)
		got := r.Usage[0].Prompts
		if tc.want != nil && got != nil {
			for i := range got.Requests {
				got.Requests[i] = math.Round(got.Requests[i]*1e6) / 1e6
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestF15_OneQueryFails holds that a broken GPU, error, engine or first-token query leaves the tokens alone.
func TestF15_OneQueryFails(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "DCGM") || strings.Contains(q.Expr, "time_to_first_token") || strings.Contains(q.Expr, "error|abort") ||
			strings.Contains(q.Expr, "request_prompt_tokens") {
			return promtest.Status(400, "no")
		}
		return engine([]string{"chat"}, nil)(q)
	})
	c := newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}, server, newMemory())
	r := collect(t, c, noon)
	if got := codes(r.Warnings); got != ErrorsFailed+" "+GPUFailed+" "+PromptsFailed+" "+ServingFailed+" "+TTFTFailed || !r.Usage[0].Hours[0].Measured() || r.Usage[0].GPU != nil {
		t.Errorf("got warnings %q and %+v, want the hours and a warning for each query", got, r.Usage[0])
	}
}
