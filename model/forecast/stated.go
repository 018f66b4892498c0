package forecast

import (
	"math"
	"slices"
	"time"

	"tipline/model"
)

// statedMonth is the month that a Stated volume is of: 8760/12 hours (cost model, section 1).
const statedMonth = 730

// Stated is a volume that somebody states instead of measuring it. Volumes are of a month of 730 hours.
type Stated struct {
	Origin        time.Time
	Tokens        model.Tokens // of the month to come, at the median
	Low, High     model.Tokens // its 10 % and 90 % quantiles; 0 means that it is certain to that side
	MonthlyGrowth model.Fraction
	Mix           [model.NumClasses]model.Fraction // shares of the classes; sum to 1
	Requests      float64                          // 0 means not known
	HoursOfDay    []float64                        // relative loads of the 24 hours of a day in UTC; empty takes PeakFactor
	PeakFactor    float64                          // load of the peak hour over the mean one; 0 means not known
}

// Forecast returns the projection that s amounts to: the month to come, then growth compounded from its middle on. The spread
// stays the same share of the volume however far ahead it is.
func (s Stated) Forecast() model.Forecast {
	f := model.Forecast{Origin: s.Origin, MonthlyGrowth: s.MonthlyGrowth, Requests30d: s.Requests * 720 / statedMonth}
	for _, days := range [...]int{model.Next7d: 7, model.Next30d: 30, model.Next90d: 90} {
		to := s.Origin.AddDate(0, 0, days)
		f.Next = append(f.Next, model.Projection{From: s.Origin, To: to, Total: s.spread(float64(days) * 24 / statedMonth), Mix: s.Mix})
	}
	first := time.Date(s.Origin.Year(), s.Origin.Month(), 1, 0, 0, 0, 0, time.UTC)
	for m := range 1 + monthsAhead {
		month := model.Projection{From: first.AddDate(0, m, 0), To: first.AddDate(0, m+1, 0), Mix: s.Mix}
		hours := month.To.Sub(month.From).Hours()
		ahead := max(0, month.From.Sub(s.Origin).Hours()+hours/2-720.0/2) / statedMonth
		month.Total = s.spread(hours / statedMonth * math.Pow(1+float64(s.MonthlyGrowth), ahead))
		f.Months = append(f.Months, month)
	}
	f.Load = s.load()
	for h := range f.HourOfWeek {
		f.HourOfWeek[h] = 1.0 / hoursOfWeek
		if len(s.HoursOfDay) == 24 {
			f.HourOfWeek[h] = s.HoursOfDay[h%24] / total(s.HoursOfDay) / 7
		}
	}
	return f
}

// spread returns the distribution of times months: lognormal to either side of the median, through Low and High.
func (s Stated) spread(times float64) (d model.Distribution) {
	for i, p := range model.Levels {
		wide := s.High
		if p < 0.5 {
			wide = s.Low
		}
		d[i] = s.Tokens * model.Tokens(times)
		if wide > 0 && s.Tokens > 0 {
			d[i] *= model.Tokens(math.Exp(math.Abs(math.Log(float64(wide/s.Tokens))) * normalScore(p) / normalScore(0.90)))
		}
	}
	return d
}

// loadSteps is the number of steps of a load curve that is drawn from its peak alone: the highest is above the half percent of
// the hours that model.LoadCurve.PeakFactor leaves out.
const loadSteps = 168

// load returns the load-duration curve: that of the hours of the day, or one that falls from the peak to nothing as the power of
// the hour's rank that has the mean it must have; empty when neither is known.
func (s Stated) load() model.LoadCurve {
	mean := float64(s.Tokens) / statedMonth
	var rates []float64 // over the mean
	switch {
	case len(s.HoursOfDay) > 0:
		for _, h := range s.HoursOfDay {
			rates = append(rates, h*float64(len(s.HoursOfDay))/total(s.HoursOfDay))
		}
		slices.Sort(rates)
		slices.Reverse(rates)
	case s.PeakFactor >= 1:
		var rest float64
		for i := range loadSteps {
			rates = append(rates, s.PeakFactor*math.Pow(1-float64(i)/loadSteps, s.PeakFactor-1))
			if i > 0 {
				rest += rates[i]
			}
		}
		for i := 1; i < loadSteps; i++ {
			rates[i] *= (loadSteps - s.PeakFactor) / rest
		}
	}
	var curve model.LoadCurve
	for _, r := range rates {
		curve = append(curve, model.LoadBlock{Hours: 4, TokensPerHour: model.Tokens(math.Round(r * mean))})
	}
	return curve
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}
