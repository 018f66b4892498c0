package forecast

import (
	"math"
	"testing"
	"time"

	"tipline/model"
)

func TestStated(t *testing.T) {
	t.Parallel()
	s := Stated{
		Origin: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Tokens: 5e9, Low: 4e9, High: 7e9, MonthlyGrowth: 0.08, Requests: 1e6, PeakFactor: 2.5,
		Mix: [model.NumClasses]model.Fraction{model.Input: 0.7, model.Output: 0.3},
	}
	f := s.Forecast()
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	next := f.Next[model.Next30d].Total
	for p, want := range map[float64]float64{0.10: 4e9, 0.50: 5e9, 0.90: 7e9} {
		near("a month of 730 hours", float64(next.At(p))*730/720, want)
	}
	near("requests", f.Requests30d*730/720, 1e6)
	// From the middle of the 30 days from 23 November 2026 to that of November 2027, a month of 720 hours.
	ahead := time.Date(2027, 11, 16, 0, 0, 0, 0, time.UTC).Sub(time.Date(2026, 12, 8, 0, 0, 0, 0, time.UTC)).Hours() / 730
	near("the 12th month ahead", float64(f.Months[12].Total.At(0.5)), 5e9*720/730*math.Pow(1.08, ahead))
	near("the peak", f.Load.PeakFactor(), 2.5)
	var hours, tokens float64
	for i, b := range f.Load {
		hours, tokens = hours+b.Hours, tokens+b.Hours*float64(b.TokensPerHour)
		if i > 0 && b.TokensPerHour > f.Load[i-1].TokensPerHour {
			t.Errorf("the load curve rises at step %d", i)
		}
	}
	near("the mean load", tokens/hours, 5e9/730)

	s.PeakFactor, s.HoursOfDay = 0, []float64{0, 0, 0, 0, 0, 0, 1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 1, 1, 1, 0, 0}
	near("the peak of the day", s.Forecast().Load.PeakFactor(), 4*24/48.0)
	s.Low, s.High, s.HoursOfDay = 0, 0, nil
	f = s.Forecast()
	if d := f.Next[model.Next30d].Total; d.At(0.10) != d.At(0.90) || f.Load != nil {
		t.Errorf("a certain volume without a load: got %v and a curve of %d steps", d, len(f.Load))
	}
}
