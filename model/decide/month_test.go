package decide

import (
	"math"
	"testing"
	"time"

	"tipline/model"
)

// TestMonth holds that a month costs what its tokens cost on an API, whatever its length, and its hours on a fleet.
func TestMonth(t *testing.T) {
	t.Parallel()
	const days, tokens = 24 * time.Hour, 4e9
	month := func(current string, length time.Duration) model.Quantiles[model.USD] {
		in := input(projection(5e9, 0, 0.1), four("0.90"))
		in.Current = current
		first := &in.Forecast.Months[0]
		first.To = first.From.Add(length)
		for i, q := range first.Total {
			first.Total[i] = q * tokens / first.Total.At(0.50)
		}
		q, known := Decide(in).Month()
		if !known {
			t.Fatalf("%s: the month has no cost", current)
		}
		return q
	}
	for _, length := range []time.Duration{28 * days, 31 * days} {
		if q := month("api", length); math.Abs(float64(q.P50)-tokens*0.90/1e6) > 0.01 || !(q.P10 < q.P50 && q.P50 < q.P90) {
			t.Errorf("an API over %s: got %+v, want $%.2f in the middle", length, q, tokens*0.90/1e6)
		}
	}
	// The smallest fleet with its spare and its operations, which are due whatever is used.
	if q, want := month("self", 31*days), (2*7.98*730+9387)*31*24/730; math.Abs(float64(q.P50)-want) > 0.01 {
		t.Errorf("a fleet in a long month: got %+v, want $%.2f", q, want)
	}
	if short, long := month("hybrid", 28*days), month("hybrid", 31*days); !(short.P50 > 0 && long.P50 > 0) {
		t.Errorf("a hybrid: got %+v and %+v, want a cost", short, long)
	}
	if q, known := (Verdict{}).Month(); known {
		t.Errorf("nothing is known: got %+v", q)
	}
	in := input(projection(5e9, 0, 0.1), four("0.90"))
	in.Forecast.Months = nil
	if q, known := Decide(in).Month(); known {
		t.Errorf("a forecast without months: got %+v", q)
	}
}
