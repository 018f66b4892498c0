package model

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAbove works shares out by hand: of 100 requests 60 have up to 100k tokens, 30 up to 200k, 8 up to 500k and 2 more, 11.8M in all.
func TestAbove(t *testing.T) {
	t.Parallel()
	prompts := Prompts{Bounds: []float64{100e3, 200e3, 500e3}, Requests: []float64{60, 30, 8, 2}, Tokens: 11.8e6}
	for _, tc := range []struct {
		name             string
		prompts          Prompts
		threshold        float64
		requests, tokens Range
		known            bool
	}{
		// 8·200k + 2·500k = 2.6M at least; the 30 have 3M at least and the 60 nothing, which leaves 8.8M.
		{"at a bound", prompts, 200e3, Range{0.10, 0.10}, Range{2.6 / 11.8, 8.8 / 11.8}, true},
		// The 8 may all be below 272k and all above: 2 to 10 requests. 1M at least; all but what the 30 have at least at most.
		{"inside a bucket", prompts, 272e3, Range{0.02, 0.10}, Range{1 / 11.8, 8.8 / 11.8}, true},
		// The 2 above 500k may be. The 30 and the 8 have 4.6M at least.
		{"above every bound", prompts, 1e6, Range{0, 0.02}, Range{0, 7.2 / 11.8}, true},
		{"none is long", Prompts{Bounds: []float64{100e3, 500e3}, Requests: []float64{100, 0, 0}, Tokens: 1e6}, 200e3, Range{}, Range{}, true},
		{"all are long", Prompts{Bounds: []float64{100e3, 200e3}, Requests: []float64{0, 0, 5}, Tokens: 2e6}, 200e3, Range{1, 1}, Range{1, 1}, true},
		{"no bounds, and too few tokens", Prompts{Requests: []float64{100}, Tokens: 1e6}, 200e3, Range{0, 0.05}, Range{0, 1}, true},
		{"no request", Prompts{Bounds: []float64{1}, Requests: []float64{0, 0}, Tokens: 1}, 1, Range{}, Range{}, false},
		{"no tokens", Prompts{Bounds: []float64{1}, Requests: []float64{1, 0}}, 1, Range{}, Range{}, false},
		{"not a number", Prompts{Bounds: []float64{1}, Requests: []float64{math.NaN(), 1}, Tokens: 1}, 1, Range{}, Range{}, false},
		{"bounds that fall", Prompts{Bounds: []float64{2, 1}, Requests: []float64{1, 1, 1}, Tokens: 3}, 1, Range{}, Range{}, false},
		{"a bucket too few", Prompts{Bounds: []float64{1, 2}, Requests: []float64{1, 1}, Tokens: 3}, 1, Range{}, Range{}, false},
	} {
		requests, tokens, known := tc.prompts.Above(tc.threshold)
		if known != tc.known || !nearRange(requests, tc.requests) || !nearRange(tokens, tc.tokens) {
			t.Errorf("%s: got %v, %v, %v, want %v, %v, %v", tc.name, requests, tokens, known, tc.requests, tc.tokens, tc.known)
		}
	}
}

func nearRange(a, b Range) bool {
	return math.Abs(float64(a.Low-b.Low)) < 1e-9 && math.Abs(float64(a.High-b.High)) < 1e-9
}

// TestAboveHoldsTheTruth draws prompts, counts them into buckets and holds that the true shares lie in the ranges.
func TestAboveHoldsTheTruth(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for draw := range 2000 {
		p := Prompts{}
		for bound := 1000 * (1 + 9*r.Float64()); len(p.Bounds) < 1+r.IntN(8); bound *= 1.5 + 3*r.Float64() {
			p.Bounds = append(p.Bounds, bound)
		}
		p.Requests = make([]float64, len(p.Bounds)+1)
		threshold := 1000 * math.Exp(6*r.Float64())
		var n, long, longTokens float64
		for range 1 + r.IntN(50) {
			length := math.Ceil(100 * math.Exp(9*r.Float64()))
			at := 0
			for at < len(p.Bounds) && length > p.Bounds[at] {
				at++
			}
			p.Requests[at]++
			p.Tokens += length
			n++
			if length > threshold {
				long++
				longTokens += length
			}
		}
		requests, tokens, known := p.Above(threshold)
		const rounding = 1e-9
		within := func(share float64, in Range) bool {
			return share >= float64(in.Low)-rounding && share <= float64(in.High)+rounding && in.Low >= 0 && in.High <= 1
		}
		if !known || !within(long/n, requests) || !within(longTokens/p.Tokens, tokens) {
			t.Fatalf("draw %d: %+v above %v: got %v and %v, the truth is %v and %v", draw, p, threshold, requests, tokens, long/n, longTokens/p.Tokens)
		}
	}
}

// TestMergePrompts adds up workloads that are counted as one, and knows nothing where the buckets differ.
func TestMergePrompts(t *testing.T) {
	t.Parallel()
	a, b := &Prompts{Bounds: []float64{10}, Requests: []float64{3, 1}, Tokens: 50}, &Prompts{Bounds: []float64{10}, Requests: []float64{1, 1}, Tokens: 30}
	sum := Usage{Prompts: a}.Merge(Usage{Prompts: b}).Prompts
	if sum == nil || sum.Requests[0] != 4 || sum.Requests[1] != 2 || sum.Tokens != 80 || a.Requests[0] != 3 {
		t.Errorf("got %+v, want both together, and %+v as it was", sum, a)
	}
	for name, other := range map[string]*Prompts{
		"not known": nil, "other bounds": {Bounds: []float64{20}, Requests: []float64{1, 1}}, "more buckets": {Bounds: []float64{10, 20}, Requests: []float64{1, 1, 1}},
	} {
		if got := (Usage{Prompts: a}).Merge(Usage{Prompts: other}).Prompts; got != nil {
			t.Errorf("%s: got %+v, want nothing known", name, got)
		}
	}
}
