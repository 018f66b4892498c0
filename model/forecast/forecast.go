package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	monthsAhead = 12 // calendar months after the current one
	shapeDays   = 28 // days of which the load curve is made
)

// projection is what a workload's history says of its future.
type projection struct {
	series
	scale scale
	path  []float64 // expected daily totals from the origin on
	age   float64   // days
}

// project looks at the history before origin; it is false when not one hour before it was measured.
func project(u model.Usage, origin time.Time, horizon int) (projection, bool) {
	s, ok := read(u, origin)
	if !ok {
		return projection{}, false
	}
	p := projection{series: s, age: float64(s.began) / 24}
	level, _ := mean(s.days, 4*week)
	if level <= 0 {
		level = 1 // measured and never used: the scale does not matter
	}
	p.scale = scale{level}
	p.path = combine(s.days, p.scale, horizon)
	return p, true
}

// over returns the total of the days [from, to) after the origin, in days and parts of days, with its spread on the log scale.
func (p projection) over(from, to float64) model.Distribution {
	center := 0.0
	for h := int(from); h < len(p.path) && float64(h) < to; h++ {
		center += p.path[h] * (min(to, float64(h+1)) - max(from, float64(h)))
	}
	length := to - from
	var d model.Distribution
	if length <= 0 {
		return d
	}
	sigma := spread(p.days, p.scale, p.age, int(math.Ceil(to)))
	sc := scale{p.scale.level * length}
	for i, m := range multiples {
		d[i] = model.Tokens(sc.exp(sc.log(center) + sigma*m))
	}
	return d
}

// Total projects the total of the horizon after origin, a whole number of hours; it is false when not one hour before origin was
// measured. Nothing at or after origin is read.
func Total(u model.Usage, origin time.Time, horizon time.Duration) (model.Distribution, bool) {
	days := horizon.Hours() / 24
	p, ok := project(u, origin, int(math.Ceil(days)))
	if !ok {
		return model.Distribution{}, false
	}
	return p.over(0, days), true
}

// Project projects u from origin on; it is false when not one hour before origin was measured. Nothing at or after origin is
// read, and a young workload gets very wide intervals rather than an error.
func Project(u model.Usage, origin time.Time) (model.Forecast, bool) {
	months := calendar(origin)
	last := months[len(months)-1].To
	p, ok := project(u, origin, int(math.Ceil(last.Sub(origin).Hours()/24)))
	if !ok {
		return model.Forecast{}, false
	}
	f := model.Forecast{Origin: origin, Load: p.loadCurve(), HourOfWeek: p.hourOfWeek()}
	mix, perToken := recentMix(u, origin)
	for _, days := range []int{7, 30, 90} {
		f.Next = append(f.Next, model.Projection{
			From: origin, To: origin.Add(time.Duration(days) * day), Total: p.over(0, float64(days)), Mix: mix,
		})
	}
	f.Requests30d = perToken * float64(f.Next[model.Next30d].Total.At(0.5))
	for i, month := range months {
		month.Total = p.over(max(0, month.From.Sub(origin).Hours()/24), month.To.Sub(origin).Hours()/24)
		month.Mix = mix
		if i == 0 {
			used, _ := u.Until(origin).Between(month.From, origin)
			for q := range month.Total {
				month.Total[q] += used.Total()
			}
		}
		f.Months = append(f.Months, month)
	}
	f.MonthlyGrowth = p.growth()
	f.Warnings = p.warnings()
	return f, true
}

// calendar returns the calendar month of origin and the twelve after it, in UTC.
func calendar(origin time.Time) []model.Projection {
	var months []model.Projection
	for m := range 1 + monthsAhead {
		from := time.Date(origin.Year(), origin.Month()+time.Month(m), 1, 0, 0, 0, 0, time.UTC)
		months = append(months, model.Projection{From: from, To: from.AddDate(0, 1, 0)})
	}
	return months
}

// growth returns by how much the volume of the second 30 days is expected to exceed that of the first.
func (p projection) growth() model.Fraction {
	if len(p.path) < 60 {
		return 0
	}
	first, second := total(p.path[:28]), total(p.path[28:56]) // whole weeks, so that weekends do not count as growth
	if first <= 0 {
		return 0
	}
	return model.Fraction(math.Pow(second/first, 30.0/28) - 1)
}

// recentMix returns the share of each class and the requests per token of the last four weeks, or of all history if shorter.
func recentMix(u model.Usage, origin time.Time) (mix [model.NumClasses]model.Fraction, requestsPerToken float64) {
	u = u.Until(origin)
	var sum model.Volume
	requests := 0.0
	for _, h := range u.Hours[max(0, len(u.Hours)-shapeDays*24):] {
		if h.Measured() && h.Tokens.Total() >= 0 {
			sum = sum.Add(h.Tokens)
			requests += h.Requests
		}
	}
	total := sum.Total()
	if !(total > 0) {
		return mix, 0
	}
	for c, n := range sum {
		mix[c] = model.Fraction(n / total)
	}
	return mix, requests / float64(total)
}

// recent returns the hours of the last full weeks, at most four, or all hours of a life shorter than a week.
func (p projection) recent() []float64 {
	weeks := min(shapeDays/week, len(p.hours)/(week*24))
	if weeks == 0 {
		return p.hours[len(p.hours)-min(p.began, len(p.hours)):]
	}
	return p.hours[len(p.hours)-weeks*week*24:]
}

// loadCurve returns the measured hours of the last full weeks, highest first. Where there are many they are averaged into 168
// blocks of equal length, the peak hours staying apart.
func (p projection) loadCurve() model.LoadCurve {
	hours := measured(p.recent())
	slices.Sort(hours)
	slices.Reverse(hours)
	const blocks = 168
	size := max(1, (len(hours)+blocks-1)/blocks)
	var curve model.LoadCurve
	for len(hours) > 0 {
		n := min(size, len(hours))
		if len(curve) < size { // the first hours decide the peak factor
			n = 1
		}
		curve = append(curve, model.LoadBlock{Hours: float64(n), TokensPerHour: model.Tokens(total(hours[:n]) / float64(n))})
		hours = hours[n:]
	}
	return curve
}

// hourOfWeek returns the expected share of a week in each hour from Monday on: the mean of that hour over the last weeks,
// mixed with the mean of that hour of the day, which needs fewer weeks.
func (p projection) hourOfWeek() [168]float64 {
	var week, day [168]float64
	var inWeek, inDay [168]int
	hours := p.recent()
	start := p.origin.Add(-time.Duration(len(hours)) * time.Hour)
	for i, v := range hours {
		if math.IsNaN(v) {
			continue
		}
		t := start.Add(time.Duration(i) * time.Hour)
		at := (int(t.Weekday()+6)%7)*24 + t.Hour()
		week[at] += v
		inWeek[at]++
		for d := range 7 {
			day[d*24+t.Hour()] += v
			inDay[d*24+t.Hour()]++
		}
	}
	var shape [168]float64
	sum := 0.0
	for i := range shape {
		switch {
		case inWeek[i] > 0:
			n := float64(inWeek[i])
			shape[i] = (week[i]/n*n + day[i]/float64(inDay[i])) / (n + 1)
		case inDay[i] > 0:
			shape[i] = day[i] / float64(inDay[i])
		}
		sum += shape[i]
	}
	for i := range shape {
		if sum > 0 {
			shape[i] /= sum
		} else {
			shape[i] = 1.0 / 168
		}
	}
	return shape
}

// warnings says what was found in the history, with dates.
func (p projection) warnings() []model.Warning {
	var out []model.Warning
	warn := func(code, format string, args ...any) {
		out = append(out, model.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if p.age < 14 {
		warn("YOUNG_WORKLOAD", "only %.1f days of history: the range is wide", p.age)
	}
	if at, factor, ok := levelShift(p.days, p.scale); ok {
		on := p.origin.Add(-time.Duration(len(p.days)-at) * day)
		warn("LEVEL_SHIFT", "level shift on %s, ×%.1f: the projection rests on what came after", model.FormatDate(on), factor)
	}
	if p.gaps > 0 {
		warn("GAPS", "%d hours were not measured and are left out", p.gaps)
	}
	for _, t := range p.marks {
		warn("ARTEFACT", "the hour of %s is more than %d times any hour near it, the mark of a counter reset, and is left out", t.UTC().Format("2 Jan 2006 15:04"), artefact)
	}
	return out
}
