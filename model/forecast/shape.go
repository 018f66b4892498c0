package forecast

import (
	"math"
	"slices"
	"time"

	"tipline/model"
)

const hoursOfWeek = week * 24

// hourOfWeek returns the expected share of a week in each hour from Monday 00:00 UTC: 40 % the mean of that hour of the week
// over four weeks, 30 % that of that hour of the day over the working days or the weekend of the week, 30 % the median of
// that hour of the week over eight weeks. The blend is that of the forecast protocol, section 8. What a short history does
// not know is filled from hours of the day, and those from equal shares.
func (o outlook) hourOfWeek() (shape [hoursOfWeek]float64) {
	var month, both [hoursOfWeek][]float64
	for i := max(0, len(o.hours)-8*hoursOfWeek); i < len(o.hours); i++ {
		if v := o.hours[i]; !math.IsNaN(v) {
			h := hourFromMonday(o.at(i))
			both[h] = append(both[h], v)
			if i >= len(o.hours)-4*hoursOfWeek {
				month[h] = append(month[h], v)
			}
		}
	}
	ofDay := hoursOfDay(both)
	total := 0.0
	for h := range shape {
		means, medians := ofDay[h], ofDay[h]
		if len(month[h]) > 0 {
			means, _ = mean(month[h])
		}
		if len(both[h]) > 0 {
			medians = median(both[h])
		}
		shape[h] = 0.4*means + 0.3*ofDay[h] + 0.3*medians
		total += shape[h]
	}
	for h := range shape {
		if total > 0 {
			shape[h] /= total
		} else {
			shape[h] = 1.0 / hoursOfWeek
		}
	}
	return shape
}

// hoursOfDay returns for each hour of the week the mean of that hour of the day over working days or over the weekend, over
// all days while one of these has not been seen, and over all hours while the hour of the day has not.
func hoursOfDay(loads [hoursOfWeek][]float64) (shape [hoursOfWeek]float64) {
	over := func(hour, from, to int) (float64, bool) {
		var values []float64
		for d := from; d < to; d++ {
			values = append(values, loads[24*d+hour]...)
		}
		return mean(values)
	}
	all, _ := mean(slices.Concat(loads[:]...))
	for h := range shape {
		from, to := 0, 5
		if h >= 5*24 {
			from, to = 5, week
		}
		var ok bool
		if shape[h], ok = over(h%24, from, to); ok {
			continue
		}
		if shape[h], ok = over(h%24, 0, week); !ok {
			shape[h] = all
		}
	}
	return shape
}

// hourFromMonday returns the hour of the week in which t lies, 0 being that from Monday 00:00 UTC.
func hourFromMonday(t time.Time) int {
	t = t.UTC()
	return (int(t.Weekday())+6)%week*24 + t.Hour()
}

// The load curve keeps this many of the highest hours apart, as the peak decides on capacity, and merges the others, which are
// alike, into blocks of equal length so that costs are added up over few.
const (
	peakHours  = 12
	loadBlocks = 168
)

// loadCurve returns the measured loads of the last full weeks, at most four, or of all history when it is shorter than a
// week. Artefacts, outages and a batch that ran once are left out.
func (o outlook) loadCurve() model.LoadCurve {
	hours := o.hours
	if o.batches.monthly {
		hours = o.withBatches()
	}
	if weeks := min(4, o.age/hoursOfWeek); weeks > 0 {
		hours = hours[max(0, len(hours)-weeks*hoursOfWeek):]
	}
	loads := known(hours)
	slices.Sort(loads)
	slices.Reverse(loads)
	size := 1
	if rest := len(loads) - peakHours; rest > loadBlocks-peakHours {
		size = (rest + loadBlocks - peakHours - 1) / (loadBlocks - peakHours)
	}
	var curve model.LoadCurve
	for len(loads) > 0 {
		n := min(size, len(loads))
		if len(curve) < peakHours {
			n = 1
		}
		load, _ := mean(loads[:n])
		curve = append(curve, model.LoadBlock{Hours: float64(n), TokensPerHour: model.Tokens(load)})
		loads = loads[n:]
	}
	return curve
}
