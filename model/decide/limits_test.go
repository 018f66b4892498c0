package decide

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// endpoint is a managed fleet of 1M tokens an hour and replica for requests of 2,000 tokens, a quarter of which are the answer: one takes a
// replica of 7.2 seconds at least, and its prompt is 6,000 bytes.
func endpoint(l Limits) Input {
	l.BytesPerToken, l.Source = rat("4"), "documentation"
	return input(projection(1e9, 0, 0.2), []Option{
		{Name: "api", Hosting: model.API, API: &cost.Prices{Input: rat("5"), Output: rat("5")}},
		{Name: "endpoint", Hosting: model.CloudManaged, Capacity: &cost.Capacity{TokensPerHour: rat("1000000"), BlockCostPerHour: rat("4")}, Limits: &l},
	})
}

// TestLimits holds what is said of an endpoint's limits: that requests are above them where that is certain, and otherwise what is not.
func TestLimits(t *testing.T) {
	t.Parallel()
	untold := func(in Input) string {
		for _, w := range Decide(in).Options[1].Warnings {
			if w.Code == "ENDPOINT_LIMITS" {
				return w.Text
			}
		}
		return ""
	}
	for _, tc := range []struct {
		name             string
		limits           Limits
		edit             func(in *Input)
		infeasible, says []string
	}{
		{name: "no limits"},
		{name: "a request that takes longer", limits: Limits{Duration: 7 * time.Second}, infeasible: []string{"a mean request", "7.2s at least", "documentation"}},
		{name: "one that may not", limits: Limits{Duration: 8 * time.Second}, says: []string{"7.2s of a replica", "answered in 8s"}},
		{name: "a prompt that is larger", limits: Limits{PayloadBytes: rat("5999")}, infeasible: []string{"a mean prompt of 1.50k tokens", "5999 bytes"}},
		{name: "one that may not be", limits: Limits{PayloadBytes: rat("6001")}, says: []string{"6001 bytes", "how long the longest is, is not known"}},
		{
			name: "requests of which nothing is known", limits: Limits{Duration: time.Second, PayloadBytes: rat("1")},
			edit: func(in *Input) { in.Forecast.Requests30d = 0 }, says: []string{"answered in 1s", "nor whether prompts fit 1 bytes", "not known"},
		},
		{
			name: "the longest prompts are known to fit", limits: Limits{PayloadBytes: rat("8000")},
			edit: func(in *Input) {
				in.Prompts = &model.Prompts{Bounds: []float64{1000, 2000}, Requests: []float64{5, 5, 0}, Tokens: 12_000}
			},
		},
		{
			name: "some of the prompts of the last day do not", limits: Limits{PayloadBytes: rat("8000")},
			edit: func(in *Input) {
				in.Prompts = &model.Prompts{Bounds: []float64{1000, 2000}, Requests: []float64{5, 4, 1}, Tokens: 12_000}
			},
			infeasible: []string{"10% of the prompts of the last day", "documentation"},
		},
	} {
		in := endpoint(tc.limits)
		if tc.edit != nil {
			tc.edit(&in)
		}
		got, text := Decide(in).Options[1], untold(in)
		if (got.Infeasible != "") != (tc.infeasible != nil) || (text != "") != (tc.says != nil) {
			t.Errorf("%s: got %q and %q", tc.name, got.Infeasible, text)
		}
		for _, want := range tc.infeasible {
			if !strings.Contains(got.Infeasible, want) {
				t.Errorf("%s: got %q, want %q in it", tc.name, got.Infeasible, want)
			}
		}
		for _, want := range tc.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: got %q, want %q in it", tc.name, text, want)
			}
		}
	}
}

// TestLimitsHoldTheTruth sends prompts of random lengths one at a time: an endpoint that is said not to take some of them does not, and one of
// which nothing is said takes them all.
func TestLimitsHoldTheTruth(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(71, 20261129))
	seen := [3]int{}
	for range modeltest.Draws {
		prompts := model.Prompts{Bounds: []float64{500, 1000, 4000}, Requests: make([]float64, 4)}
		most, limit := 0.0, float64(1+r.IntN(6000))
		for range 1 + r.IntN(20) {
			length := float64(1 + r.IntN(1+r.IntN(6000)))
			bucket := 0
			for bucket < len(prompts.Bounds) && length > prompts.Bounds[bucket] {
				bucket++
			}
			prompts.Requests[bucket]++
			prompts.Tokens += length
			most = max(most, length)
		}
		p := &plan{demand: demand{prompts: &prompts}}
		err := p.within(Option{Name: "endpoint", Limits: &Limits{PayloadBytes: new(big.Rat).SetFloat64(4 * limit), BytesPerToken: rat("4")}}, nil)
		switch {
		case err != nil && most <= limit:
			t.Fatalf("the longest of %+v is %v of %v tokens, and %v", prompts, most, limit, err)
		case err == nil && len(p.warnings) == 0 && most > limit:
			t.Fatalf("the longest of %+v is %v of %v tokens, and nothing is said", prompts, most, limit)
		case err != nil:
			seen[0]++
		default:
			seen[1+len(p.warnings)]++
		}
	}
	for i, what := range []string{"do not fit", "fit", "may not fit"} {
		if seen[i] < modeltest.Draws/50 {
			t.Errorf("only %d of the prompts tried %s", seen[i], what)
		}
	}
}
