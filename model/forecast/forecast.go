// Package forecast projects a workload's volume: simple forecasters of the daily level are weighed by their past errors, and
// what those errors were makes the intervals, in the steps that README.md names in their order.
package forecast

import (
	"math"
	"time"

	"tipline/model"
)

const (
	day  = 24 * time.Hour
	week = 7 // days
)

// monthsAhead is how many calendar months after the current one are projected.
const monthsAhead = 12

// Total returns the tokens that u uses in the horizon from origin on, an hour boundary, given what is known of it beside its history;
// horizon counts in whole hours.
// It is false when not one hour before origin was measured. Nothing at or after origin is read.
func Total(u model.Usage, origin time.Time, horizon time.Duration, k model.Known) (model.Distribution, bool) {
	o, ok := newOutlook(u, origin, int((horizon+day-1)/day), k)
	if !ok {
		return model.Distribution{}, false
	}
	return o.total(origin.Add(horizon)), true
}

// Project returns where the volume of u goes from origin on, an hour boundary, given what is known of it beside its history. It is false when not one hour before origin
// was measured. Nothing at or after origin is read, and a young workload gets a very wide range rather than an error.
func Project(u model.Usage, origin time.Time, k model.Known) (model.Forecast, bool) {
	origin = origin.UTC()
	u = u.Until(origin)
	first := time.Date(origin.Year(), origin.Month(), 1, 0, 0, 0, 0, time.UTC)
	end := first.AddDate(0, 1+monthsAhead, 0)
	o, ok := newOutlook(u, origin, int((end.Sub(origin)+day-1)/day), k)
	if !ok {
		return model.Forecast{}, false
	}
	sum, requests := o.recent(u)
	mix := o.newMix(u, sum)
	split := o.split(mix)
	f := model.Forecast{
		Origin: origin, MonthlyGrowth: o.growth(), HourOfWeek: o.hourOfWeek(), Load: o.loadCurve(), Warnings: o.warnings(),
	}
	for _, days := range [...]int{model.Next7d: 7, model.Next30d: 30, model.Next90d: 90} {
		to := origin.AddDate(0, 0, days)
		f.Next = append(f.Next, model.Projection{From: origin, To: to, Total: o.total(to), Mix: mix.of(o.until(to, split))})
	}
	if total := sum.Total(); total > 0 {
		f.Requests30d = max(0, requests) / float64(total) * float64(f.Next[model.Next30d].Total.At(0.50))
	}
	for m := range 1 + monthsAhead {
		month := model.Projection{From: first.AddDate(0, m, 0), To: first.AddDate(0, m+1, 0)}
		volume := o.until(month.To, split)
		if m > 0 {
			month.Total = o.between(month.From, month.To)
			for c, before := range o.until(month.From, split) {
				volume[c] -= before
			}
		} else {
			used := o.sinceMonthBegan(u, first)
			month.Total = o.total(month.To)
			for i := range month.Total {
				month.Total[i] += used
			}
			measured, _ := o.used(u, int(origin.Sub(first)/time.Hour), 0)
			volume = volume.Add(parts(used, sharesOf(measured)))
		}
		month.Mix = mix.of(volume)
		f.Months = append(f.Months, month)
	}
	return f, true
}

// sinceMonthBegan returns what was measured of u from the given start of the month until the origin, without artefacts. What is known of
// a holiday or a change does not touch what was used.
func (o outlook) sinceMonthBegan(u model.Usage, start time.Time) model.Tokens {
	hours := o.withBatches()
	if !o.calendar.nothing() {
		if s, ok := newSeries(u, o.origin); ok {
			hours = s.withBatches()
		}
	}
	sum := 0.0
	for i := max(0, len(hours)-int(o.origin.Sub(start)/time.Hour)); i < len(hours); i++ {
		if v := hours[i]; !math.IsNaN(v) {
			sum += v
		}
	}
	return model.Tokens(sum)
}

// growth returns the growth of the level over the 30 days after the origin.
func (o outlook) growth() model.Fraction {
	return model.Fraction(math.Expm1(o.pool.level(30) - o.pool.level(0)))
}
