package forecast

import (
	"math"
	"slices"
	"testing"
)

// women are the weights in pounds of R's data set of that name, by height from 58 to 72 inches. What R says of them is printed in many places, for
// example summary(lm(weight ~ height, women)) in R in Action, section 8.2.
var women = []float64{115, 117, 120, 123, 126, 129, 132, 135, 139, 142, 146, 150, 154, 159, 164}

// unscaled returns levels whose logarithms are values, of which each day of the week has as much.
func unscaled(values []float64) levels {
	l := levels{days: values, logs: values}
	for p := range l.season {
		l.season[p] = 1
	}
	return l
}

// TestWorkedExamples compares the steps that are textbook ones, and a forecaster of each kind, with numbers of other implementations.
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	slope, standardError := slopeOf(women)
	fitted, last, ok := fit(women)
	hundreds := slices.Clone(women) // a member grows by three at most
	for i := range hundreds {
		hundreds[i] /= 100
	}
	trend, okTrend := regression(len(women), 1)(unscaled(hundreds), len(women))
	average, okAverage := averageOf(len(women))(unscaled(women), len(women))
	middle, okMiddle := medianOf(len(women))(unscaled(women), len(women))
	if !ok || !okTrend || !okAverage || !okMiddle {
		t.Fatal("got no forecast, want one of every member")
	}
	for _, tc := range []struct {
		name             string
		got, want, exact float64
	}{
		// summary(lm(weight ~ height, women)): 3.45000, 0.09114 and -87.51667. Computed with Python's fractions they are 3.45, 0.0911364955 and -87.51666667.
		{"slope", slope, 3.45, 1e-9},
		{"its standard error", standardError, 0.0911364954662, 1e-12},
		{"slope of the trend", fitted, 3.45, 1e-9},
		{"its value at the end", last, -87.51666666666667 + 72*3.45, 1e-9},
		{"predict(…, data.frame(height = 74))", 100 * trend.at(2), -87.51666666666667 + 74*3.45, 1e-9},
		// summary(women): mean 136.7, median 135.
		{"mean", math.Exp(average.at(1)), 2051.0 / 15, 1e-9},
		{"median", middle.at(1), 135, 0},
		// statistics.NormalDist().inv_cdf of Python, which is algorithm AS 241 as R's qnorm is.
		{"qnorm(0.9)", normalScore(0.9), 1.2815515655446004, 1e-12},
		{"qnorm(0.025)", normalScore(0.025), -1.9599639845400538, 1e-12},
		// Gardner and McKenzie (1985), by hand.
		{"0.9 + 0.9² + 0.9³", damped(3, 0.9), 2.439, 1e-9},
		{"a trend that is not damped", damped(3, 1), 3, 0},
	} {
		if math.Abs(tc.got-tc.want) > tc.exact {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

// TestSmoothedExamples holds exponential smoothing, with and without growth, and theta to what R's forecast package makes of series that are in the tests of others.
func TestSmoothedExamples(t *testing.T) {
	t.Parallel()
	// Saudi oil (fpp2) from 1996, statsmodels/tsa/tests/test_holtwinters.py, test_ses: 501.837461 with alpha 0.6 from the first value on.
	oil := []float64{
		446.6565229, 454.4733065, 455.662974, 423.6322388, 456.2713279, 440.5880501, 425.3325201, 485.1494479, 506.0481621, 526.7919833, 514.268889, 494.2110193,
	}
	// Passengers of Australian airlines (fpp), the same file, test_holt: 43.76, 45.59, 47.43, 49.27 and 51.10 with alpha 0.8 and beta 0.2 of alpha.
	air := []float64{
		17.5534, 21.8601, 23.8866, 26.9293, 26.8885, 28.8314, 30.0751, 30.9535, 30.1857, 31.5797, 32.577569, 33.477398, 39.021581, 41.386432, 41.596552,
	}
	// All of the oil, statsmodels/tsa/tests/results/fit_ets_results_nonseasonal.json by fit_ets.R beside it: ets(oil, "AAN", damped = TRUE). The values are fitted and
	// residuals added up.
	allOil := []float64{
		111.00913462, 130.82843407, 141.28708791, 154.22777475, 162.74086539, 192.16648352, 240.79972528, 304.21739014, 384.00456731, 429.66215659, 359.31692994, 437.2518544,
		468.40078984, 424.43533654, 487.97942994, 509.82844778, 506.34725266, 340.18423742, 240.25892104, 219.03278757, 172.07466333, 252.59009217, 221.07107741, 276.51877339,
		271.14795174, 342.61860045, 428.35583570, 442.39455325, 432.78514822, 437.24971862, 437.20915993, 445.36409806, 453.19501043, 454.40964101, 422.37890576, 456.03712172,
		440.38660468, 425.19437252, 486.20517351, 500.42908607, 521.27590917, 508.94761704, 488.88885772, 509.87057499, 456.72291235, 473.81660292, 525.95087058, 549.83380760,
		542.34046983,
	}
	// morie's test of its esttsl.theta_method, by R's ses(y, alpha = 0.3, initial = "simple") and thetaf(y).
	small := []float64{112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170}

	// No surprise here is large, so that none is clipped, when the values are logarithms and as small as these.
	const unit = 1e-4
	scaled := func(values ...float64) []float64 {
		values = slices.Clone(values)
		for i := range values {
			values[i] *= unit
		}
		return values
	}
	// Two days before the first bring a member to the level and the growth that the other one begins with.
	begun := func(alpha, beta, level, growth float64, values []float64) levels {
		surprise := growth / beta
		return unscaled(scaled(append([]float64{level - alpha*surprise, level + (1-alpha)*surprise}, values...)...))
	}
	same := unscaled(scaled(append([]float64{112, 112, 112}, small...)...)) // by the fourth day the newest no longer counts for more than alpha
	for _, tc := range []struct {
		name   string
		member member
		on     levels
		want   []float64
		exact  float64
	}{
		{"ses, 0.6", smoothing(0.6), unscaled(scaled(oil...)), []float64{501.837461, 501.837461}, 5e-7},
		{"ses, 0.3", smoothing(0.3), same, []float64{152.600028370006}, 1e-9},
		{"holt", holt(0.8, 0.8*0.2, 1), begun(0.8, 0.8*0.2, air[0], air[1]-air[0], air), []float64{43.76, 45.59, 47.43, 49.27, 51.10}, 5e-3},
		{
			"damped holt", holt(0.99989969, 0.11886985, 0.80000197), begun(0.99989969, 0.11886985, 36.46466837, 34.72584983, allOil),
			[]float64{545.35213563, 547.76044926, 549.68710489, 551.22843318},
			2e-5,
		},
	} {
		line, ok := tc.member(tc.on, len(tc.on.logs))
		for i, want := range tc.want {
			if got := line.at(i+1) / unit; !ok || math.Abs(got-want) > tc.exact {
				t.Errorf("%s, %d ahead: got %v, %v, want %v", tc.name, i+1, got, ok, want)
			}
		}
	}

	// thetaf grows by 171.51060165527 - 170.755338497375 a step, half of the least-squares slope; how fast that fades is ours.
	l := unscaled(scaled(small...))
	line, ok := theta(l, len(small))
	smoothed, _ := smoothing(0.3)(l, len(small))
	if got := line.growth / unit; !ok || math.Abs(got-(171.51060165527-170.755338497375)) > 1e-9 || line.level != smoothed.level {
		t.Errorf("theta: got a growth of %v from %v on, %v", got, line.level, ok)
	}
}
