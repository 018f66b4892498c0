package capacity

import (
	"math"
	"testing"
)

// TestLikelihood holds that a line is not likely that leaves nothing to be seen below the limit, however little numbers can say of it.
func TestLikelihood(t *testing.T) {
	t.Parallel()
	samples := []sample{{0.8, 0, -1}, {0.9, 0, -0.5}}
	before := line{height: -1, scale: 1}.likelihood(samples)
	for _, height := range []float64{10, 30, 38, 39, 100} {
		likely := line{height: height, scale: 1}.likelihood(samples)
		if math.IsNaN(likely) || likely > before {
			t.Errorf("at %v the likelihood is %v, and %v before", height, likely, before)
		}
		before = likely
	}
}
