package capacity

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCross holds that where hours come to the limit is told without a bias although those beyond it are not seen and quiet ones are spread further: by one over the
// square root of the load, as a percentile of their requests is. Where a usual hour is as far off as a quarter of the load makes it, nothing is told.
func TestCross(t *testing.T) {
	t.Parallel()
	const runs = 40
	for _, tc := range []struct {
		name   string
		ttft   func(load float64) float64 // as a part of the limit, which it comes to at a load of 1
		spread float64                    // of its logarithm at that load
		known  bool
	}{
		{"a queue", func(load float64) float64 { return 0.7 / (1 - 0.3*load) }, 0.03, true},
		{"less than a queue", func(load float64) float64 { return math.Exp(0.35 * (load - 1)) }, 0.03, true},
		{"a queue of few requests", func(load float64) float64 { return 0.7 / (1 - 0.3*load) }, 0.12, false},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		told, sum := 0, 0.0
		for range runs {
			var kept []sample
			for range 600 {
				load := 0.1 + 1.1*rng.Float64()
				if ttft := tc.ttft(load) * math.Exp(tc.spread/math.Sqrt(load)*rng.NormFloat64()); ttft <= 1 {
					kept = append(kept, sample{load, 0, ttft})
				}
			}
			c, err := cross(kept, 1.1)
			if err != nil || c == nil {
				continue
			}
			told++
			sum += c.at
			if math.Abs(c.at-1) > 0.07 {
				t.Errorf("%s: comes to the limit at a load of %.3f, want 1", tc.name, c.at)
			}
		}
		if tc.known && (told < runs || math.Abs(sum/float64(told)-1) > 0.015) || !tc.known && told > 0 {
			t.Errorf("%s: told in %d of %d runs, at %.3f on average", tc.name, told, runs, sum/float64(told))
		}
	}
}

// TestLikelihood holds that a line is not likely that leaves nothing to be seen below the limit, however little numbers can say of it.
func TestLikelihood(t *testing.T) {
	t.Parallel()
	points := []vector{{1, 0.8, 0, 1}, {1, 0.9, 0, 0.5}}
	before := line{height: -1, scale: 1}.likelihood(points)
	for _, height := range []float64{10, 30, 38, 39, 100} {
		likely := line{height: height, scale: 1}.likelihood(points)
		if math.IsNaN(likely) || likely > before {
			t.Errorf("at %v the likelihood is %v, and %v before", height, likely, before)
		}
		before = likely
	}
}
