package decide

import (
	"math"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
)

// llama8b is Llama 3.1 8B in FP8 on one H100: output tokens a second by shape, from NVIDIA's TensorRT-LLM performance overview,
// v1.0. The cost model, section 4.2 and case thr-01, fits it with x = 1.4263e-5, y0 = 1.4706e-5, y1 = 2.55e-8.
func llama8b() []Throughput {
	var shapes []Throughput
	for _, s := range []struct {
		input, output int64
		rate          string
	}{
		{128, 128, "28312"},
		{128, 2048, "22714"},
		{128, 4096, "14325"},
		{500, 2000, "17660"},
		{1000, 1000, "15220"},
		{1000, 2000, "13899"},
		{2048, 128, "3450"},
		{2048, 2048, "9305"},
		{5000, 500, "3459"},
		{20000, 2000, "1351"},
	} {
		shapes = append(shapes, Throughput{Input: s.input, Output: s.output, OutputTokensPerSecond: rat(s.rate)})
	}
	return shapes
}

// TestFittedThroughput holds that capacity moves with the shape of the requests and with the hits of the engines' own cache,
// and that what cannot be fitted says why.
func TestFittedThroughput(t *testing.T) {
	t.Parallel()
	f := projection(2e10, 0, 0.1) // requests of 2,000 tokens, a quarter of them output
	perHour := func(scale float64, shapes []Throughput, change func(p *plan)) (float64, string) {
		f := f
		f.Requests30d *= scale
		d, _ := newDemand(f, Constraints{})
		p := &plan{demand: d}
		change(p)
		rate := p.throughput(Option{Name: "own", Throughput: shapes})
		var said []string
		for _, w := range p.warnings {
			said = append(said, w.Code+" "+w.Text)
		}
		if rate == nil {
			return 0, strings.Join(said, "\n")
		}
		return float(rate), strings.Join(said, "\n")
	}
	as := func(*plan) {}
	got, said := perHour(1, llama8b(), as)
	seconds := 1.4263e-5*1500 + 1.4706e-5*500 + 2.55e-8*500*(1500+250)
	if want := 3600 * 2000 / seconds; math.Abs(got/want-1) > 1e-3 || !strings.HasPrefix(said, "THROUGHPUT_FITTED") {
		t.Errorf("1500/500: got %v tokens an hour (%s), want %v by the published coefficients", got, said, want)
	}
	if larger, _ := perHour(0.1, llama8b(), as); larger >= got {
		t.Errorf("requests ten times as large: got %v tokens an hour, want fewer than %v: their context is longer", larger, got)
	}
	warm, said := perHour(1, llama8b(), func(p *plan) { p.demand.prefixHit = rat("1/2") })
	if want := 3600 * 2000 / (seconds - 1.4263e-5*750); math.Abs(warm/want-1) > 1e-3 || !strings.Contains(said, "50% of the input") {
		t.Errorf("half of the prefill found in the cache: got %v tokens an hour (%s), want %v", warm, said, want)
	}
	if _, said = perHour(0.001, llama8b(), as); !strings.Contains(said, "a guess beyond them") {
		t.Errorf("requests of two million tokens: got %q, want to be told that nobody measured that", said)
	}
	if few, said := perHour(1, llama8b()[:3], as); few == 0 || !strings.Contains(said, "3 measured shapes, want at least 4") {
		t.Errorf("three shapes: got %v, %q, want the nearest and why", few, said)
	}
	if uncounted, said := perHour(0, llama8b(), as); uncounted == 0 || !strings.Contains(said, "size of this workload's requests is not known") {
		t.Errorf("requests that are not counted: got %v, %q, want the nearest and why", uncounted, said)
	}
}

// TestPrefixHitsAreThoseOfEngines holds that what an API found in its cache is not promised to a fleet.
func TestPrefixHitsAreThoseOfEngines(t *testing.T) {
	t.Parallel()
	f := projection(2e10, 0, 0.1)
	next := &f.Next[model.Next30d]
	next.Mix[model.CacheRead], next.Mix[model.Input] = 0.25, next.Mix[model.Input]-0.25
	d, _ := newDemand(f, Constraints{})
	in := input(f, four("3"))
	if got := enginePrefixHit(in, d); got != nil {
		t.Errorf("on an API: got %v, want nothing", got)
	}
	in.Current = "self"
	if got := enginePrefixHit(in, d); got == nil || math.Abs(float(got)-1.0/3) > 1e-6 {
		t.Errorf("on engines: got %v, want a third of the input", got)
	}
}

// TestSpotCapacity holds that work done again costs capacity, and that capacity without a fallback is only for work that waits.
func TestSpotCapacity(t *testing.T) {
	t.Parallel()
	f := projection(2e10, 0, 0.1)
	options := four("3")
	replicas := func(spot *cost.Spot, batch bool) (*int64, string) {
		options[3].Spot = spot
		in := input(f, options)
		in.Constraints.Batch = batch
		v := Decide(in)
		return v.Options[3].Replicas, v.Options[3].Infeasible
	}
	steady, _ := replicas(nil, false)
	redone, _ := replicas(&cost.Spot{Spot: rat("1"), OnDemand: rat("2"), Fallback: rat("0.1"), Redone: rat("0.5")}, false)
	if steady == nil || redone == nil || *redone <= *steady {
		t.Errorf("half of the work done again: got %v replicas, want more than %v", redone, steady)
	}
	bare := &cost.Spot{Spot: rat("1"), OnDemand: rat("2")}
	if n, why := replicas(bare, false); n != nil || !strings.Contains(why, "cannot wait") {
		t.Errorf("no fallback for interactive work: got %v replicas, %q", n, why)
	}
	if n, why := replicas(bare, true); n == nil {
		t.Errorf("no fallback for work that waits: got %q, want replicas", why)
	}
}
