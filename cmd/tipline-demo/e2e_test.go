package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
	"tipline/model"
)

// realInput returns a folder of real input: it stands beside the project, or where the environment says.
func realInput(t *testing.T, variable, beside string) string {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		folder = filepath.Join("../../../shared", beside)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("SKIPPED: the real input is not here (set %s): %v", variable, err)
	}
	return folder
}

// llamaShapes is the replica of traces.yml: Llama 3.3 70B in FP8 on two H100.
func llamaShapes() []fleet {
	return shapes(0.6, 2*3.99, 6378, 6651, 4199, 5222, 4205, 4146, 762, 3082, 898, 437)
}

// fitted is the replica of the shapes for requests of other numbers of tokens: the seconds that a request takes are
// x·input + y·output + z·output·(input + output/2), by Cramer's rule on the normal equations of the relative errors.
func fitted(shapes []fleet, input, output float64) fleet {
	row := func(input, output float64) [3]float64 {
		return [3]float64{input / 1e3, output / 1e3, output * (input + output/2) / 1e6}
	}
	var m [3][3]float64
	var right [3]float64
	for _, f := range shapes {
		seconds := f.output / f.outputPerSecond
		r := row(f.input, f.output)
		for i := range r {
			right[i] += r[i] / seconds
			for j := range r {
				m[i][j] += r[i] * r[j] / seconds / seconds
			}
		}
	}
	determinant := func(m [3][3]float64) float64 {
		return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) - m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) + m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
	}
	seconds := 0.0
	for i, term := range row(input, output) {
		column := m
		for j := range column {
			column[j][i] = right[j]
		}
		seconds += term * determinant(column) / determinant(m)
	}
	f := shapes[0]
	f.input, f.output, f.outputPerSecond = input, output, output/seconds
	return f
}

// hybridCost is the best mix of n replicas and the API at price USD/Mtok for the hourly loads, brought to volume in 730 hours.
func (f fleet) hybridCost(loads []float64, volume, price float64) float64 {
	capacity := f.outputPerSecond * (f.input + f.output) / f.output * 3600 * f.target
	sum := 0.0
	for _, load := range loads {
		sum += load
	}
	hours := 730 / float64(len(loads)) // each load stands for so many
	scale := volume / (sum * hours)
	least := math.Inf(1)
	for n := 1.0; n <= 1+math.Ceil(slices.Max(loads)*scale/capacity); n++ {
		over := 0.0
		for _, load := range loads {
			over += max(0, load*scale-n*capacity) * hours
		}
		least = min(least, 9387+n*f.hourly*730+over*price/1e6)
	}
	return least
}

// TestRealTraces runs the whole main job over real traces: through counters, PromQL, history, projection and decision. What
// was used must be what the files say, and what tipline decides must be what a calculation made here decides, from the
// volume that tipline projects.
func TestRealTraces(t *testing.T) {
	t.Parallel()
	folder := realInput(t, "TIPLINE_TRACES", "data/traces")
	for _, scale := range []float64{1, 12} {
		sc, err := replay(folder, scale)
		if err != nil {
			t.Fatal(err)
		}
		traces := sc.world.Tenants
		sc.begin = sc.end // all of it is history
		p, _ := stage(t, sc, io.Discard)
		p.clock.set(sc.end.Add(5 * time.Minute))
		report, err := p.daemon.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		measured := byName(t, report)
		if len(measured) != len(traces) || len(traces) < 50 {
			t.Fatalf("got %d workloads for %d traces", len(measured), len(traces))
		}
		verdicts, decided := map[string]int{}, 0
		for _, tenant := range traces {
			w := measured[tenant.Name]
			trace, ok := tenant.Use.(traffic.Trace)
			if !ok {
				t.Fatalf("%s: %T", tenant.Name, tenant.Use)
			}
			if checkTrace(t, w, trace) {
				decided++
			}
			verdicts[w.Decision.Recommendation]++
		}
		t.Logf("scale %v: %v, %d of them decided again", scale, verdicts, decided)
		if decided < 20 || verdicts[model.Stay] == 0 || scale > 1 && verdicts[model.Move] == 0 {
			t.Errorf("scale %v: got %v, want verdicts of more than one kind", scale, verdicts)
		}
	}
}

// checkTrace holds what a report says of a trace against the trace. It is false when the decision could not be made again.
func checkTrace(t *testing.T, w model.WorkloadReport, trace traffic.Trace) bool {
	t.Helper()
	var used traffic.Used
	var loads []float64
	for i, u := range trace.Hours {
		if i >= len(trace.Hours)-30*24 {
			used.Input, used.Output, used.Requests = used.Input+u.Input, used.Output+u.Output, used.Requests+u.Requests
		}
	}
	if w.Usage.Last30dTokens == nil || w.Forecast == nil {
		t.Errorf("%s: nothing was measured", trace.Workload)
		return false
	}
	// Counters hold whole tokens.
	if got := float64(*w.Usage.Last30dTokens); math.Abs(got-used.Tokens()) > 0.001*used.Tokens()+float64(len(trace.Hours))/24 {
		t.Errorf("%s: tokens of 30 days: got %v, the trace has %v", trace.Workload, got, used.Tokens())
	}
	if used.Tokens() < 1e6 || w.Forecast.Next30dTokens.P50 < 1e6 || w.Usage.PeakFactor == nil {
		return false // nothing to decide about
	}
	volume := monthly(w)
	output := float64(w.Forecast.Next30dClassTokens["output"].P50 / w.Forecast.Next30dTokens.P50)
	recent := trace.Hours[max(0, len(trace.Hours)-28*24):]
	recent = recent[len(recent)%(7*24):]
	var mix traffic.Used
	for _, u := range recent {
		mix.Input, mix.Output, mix.Requests = mix.Input+u.Input, mix.Output+u.Output, mix.Requests+u.Requests
		loads = append(loads, u.Tokens())
	}
	if mix.Tokens() > 0 {
		near(t, trace.Workload+": output share", output, mix.Output/mix.Tokens(), 0.02)
	}
	price := (1-output)*0.25 + output*2
	near(t, trace.Workload+": API", float64(*cost(w, "gpt-5-mini")), volume*price/1e6, 1e-3)
	if output == 0 || mix.Output == 0 {
		return false // requests counted as if they were input tokens: no shape is near
	}
	replica := fitted(llamaShapes(), mix.Input/mix.Requests, mix.Output/mix.Requests)
	peak := math.Round(*w.Usage.PeakFactor*1e4) / 1e4
	own := replica.cost(volume, peak)
	near(t, trace.Workload+": own GPUs", float64(*cost(w, "llama-70b-2xh100")), own, 1e-3)
	api, best := volume*price/1e6, "gpt-5-mini"
	least := api
	if own < least {
		least, best = own, "llama-70b-2xh100"
	}
	both := replica.hybridCost(loads, volume, price)
	if got := cost(w, "base-plus-burst"); got != nil {
		// tipline merges hours of about the same load.
		near(t, trace.Workload+": own GPUs and the API", float64(*got), both, 0.02)
		if both < least {
			least, best = both, "base-plus-burst"
		}
	} else if both < 0.98*least {
		t.Errorf("%s: got no cost of own GPUs and the API, want %v", trace.Workload, both)
	}
	saving := (api - least) / api
	if math.Abs(saving-0.2) < 0.02 || math.Abs(api-least-1000) < 50 {
		return false // too near to the margin for the differences allowed above
	}
	want := "gpt-5-mini"
	if saving > 0.2 && api-least > 1000 && *w.Decision.ProbabilityCheaper >= 0.8 {
		want = best
	}
	if w.Decision.Option != want {
		t.Errorf("%s: got %s (%s), want %s: API %v, own %v, both %v", trace.Workload, w.Decision.Option, w.Decision.Because, want, api, own, both)
	}
	return true
}

// TestRealExpositions lets tipline read what real programs expose: each exposition is scraped for two days, every counter
// growing by what it shows at each scrape, so that what was used is known.
func TestRealExpositions(t *testing.T) {
	t.Parallel()
	folder := realInput(t, "TIPLINE_METRICS", "fixtures/metrics")
	const every, days = 5 * time.Minute, 2
	for _, c := range []struct {
		file, config string
		want         map[string]float64 // tokens of a scrape by workload
	}{
		{
			"vllm-llm-d-inference-sim.prom", "{pack: vllm, group_by: [namespace, model_name]",
			map[string]float64{"sim/llama-31-8b": 0},
		},
		{
			"hostile-labels.prom",
			`{queries: {input: "sum by (workload, model) (increase(tokens_total[$__window]))",
      output: "0 * sum by (workload, model) (increase(tokens_total[$__window]))"}, group_by: [workload, model]`,
			map[string]float64{
				"<!channel> *bold* `x` &amp; <http://evil|click>/<script>alert(1)</script>": 5,
				"a\nb\\tc/gpt\"} or vector(1) #":                                            7,
				"emoji💥 \\/مرحبا\u202egpt":                                                  9,
			},
		},
	} {
		exposition, err := os.ReadFile(filepath.Join(folder, c.file))
		if err != nil {
			t.Fatal(err)
		}
		c.want = scraped(t, exposition, c.want)
		sc := &scene{world: &world.World{}, start: begins, begin: begins, end: begins, config: []byte(`
sources:
  - ` + strings.TrimSuffix(c.config, "]") + `], name: real, prometheus: {url: "http://prometheus.demo"}, hosting: api}
options: [{name: gpt-5-mini, kind: api, model: openai/gpt-5-mini}]
defaults: {current: gpt-5-mini, constraints: {data_sensitivity: internal, ops_capacity: none}}
`)}
		p, prom := stage(t, sc, io.Discard)
		ingest(t, prom, exposition, every, days)
		p.clock.set(begins.Add(5 * time.Minute))
		report, err := p.daemon.Cycle(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		got := byName(t, report)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %d workloads, want %d", c.file, len(got), len(c.want))
		}
		for name, perScrape := range c.want {
			w, ok := got[name]
			if !ok || w.Usage.Last30dTokens == nil {
				t.Errorf("%s: no workload %q among %v", c.file, name, report.Workloads)
				continue
			}
			near(t, c.file+": "+name, float64(*w.Usage.Last30dTokens), perScrape*float64(days*24*time.Hour/every), 0.001)
		}
	}
}

// scraped fills in the tokens that an exposition of vLLM shows.
func scraped(t *testing.T, exposition []byte, want map[string]float64) map[string]float64 {
	t.Helper()
	for name, tokens := range want {
		if tokens == 0 {
			want[name] = value(t, exposition, "vllm:prompt_tokens_total{") + value(t, exposition, "vllm:generation_tokens_total{")
		}
	}
	return want
}

// ingest scrapes the exposition for days up to begins, each counter growing by what it shows.
func ingest(t *testing.T, prom *engine.Engine, exposition []byte, every time.Duration, days int) {
	t.Helper()
	scrapes := 0.0
	for at := begins.AddDate(0, 0, -days); !at.After(begins); at = at.Add(every) {
		target := map[string]string{"job": "real", "namespace": "sim", "pod": "sim-0"}
		err := prom.Ingest(exposition, at, target, func(name string, value float64) float64 {
			for _, counts := range []string{"_total", "_bucket", "_count", "_sum"} {
				if strings.HasSuffix(name, counts) {
					return value * scrapes
				}
			}
			return value
		})
		if err != nil {
			t.Fatal(err)
		}
		scrapes++
	}
}

// value returns the value of the only line of an exposition that begins with prefix.
func value(t *testing.T, exposition []byte, prefix string) float64 {
	t.Helper()
	for line := range strings.Lines(string(exposition)) {
		if strings.HasPrefix(line, prefix) {
			fields := strings.Fields(line)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no line begins with %q", prefix)
	return 0
}
