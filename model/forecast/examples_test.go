package forecast

import (
	"math"
	"testing"
)

// TestWorkedExamples compares the steps that are textbook ones with numbers of R 4: lm(weight ~ height, women), whose slope is 3.45000 with a standard error of 0.09114
// and whose intercept is -87.51667; qnorm; and the damped sums of Gardner and McKenzie (1985) by hand.
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	women := []float64{115, 117, 120, 123, 126, 129, 132, 135, 139, 142, 146, 150, 154, 159, 164} // pounds, by height from 58 to 72 inches
	slope, standardError := slopeOf(women)
	fitted, last, ok := fit(women)
	if !ok {
		t.Fatal("fit: got no line, want one")
	}
	for _, tc := range []struct {
		name             string
		got, want, exact float64
	}{
		{"slope", slope, 3.45, 1e-9},
		{"its standard error", standardError, 0.09114, 5e-6},
		{"slope of the trend", fitted, 3.45, 1e-9},
		{"its value at the end", last, -87.51667 + 72*3.45, 5e-6},
		{"qnorm(0.9)", normalScore(0.9), 1.281552, 5e-7},
		{"qnorm(0.025)", normalScore(0.025), -1.959964, 5e-7},
		{"0.9 + 0.9² + 0.9³", damped(3, 0.9), 2.439, 1e-9},
		{"a trend that is not damped", damped(3, 1), 3, 0},
	} {
		if math.Abs(tc.got-tc.want) > tc.exact {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}
