// Package forecast projects a workload's volume: a few simple forecasters on daily totals are combined, and the spread of
// their own past errors makes the intervals.
package forecast

import (
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	day  = 24 * time.Hour
	week = 7

	// artefact is how many times larger than every other hour of the two weeks around it an hour must be to be the mark of
	// a counter reset rather than use.
	artefact = 30
	// maxDays is how much history is looked at: half a year holds every pattern that is modelled.
	maxDays = 180
	// minHours is how many hours of a day must be measured for its total to count.
	minHours = 6
)

// series is a workload's history as days counted back from the origin: days[len-1] ends at it.
type series struct {
	origin time.Time
	hours  []float64 // tokens per hour, oldest first, whole days back from the origin; NaN where nobody measured
	days   []float64 // daily totals, scaled up where part of the day was measured; NaN where too little was
	began  int       // hours of life before the origin, at least 1 when something was measured
	gaps   int       // hours after the first measured one that were not measured
	marks  []time.Time
}

// read cuts u at origin and takes out what cannot be use: negative hours and the artefacts of counter resets.
func read(u model.Usage, origin time.Time) (series, bool) {
	u = u.Until(origin)
	s := series{origin: origin}
	first := slices.IndexFunc(u.Hours, func(h model.Hour) bool { return h.Measured() })
	if first < 0 {
		return s, false
	}
	s.began = int(origin.Sub(u.Start)/time.Hour) - first
	length := min(maxDays, (s.began+23)/24)
	s.hours = make([]float64, length*24)
	for i := range s.hours {
		s.hours[i] = math.NaN()
	}
	for i, h := range u.Hours {
		at := len(s.hours) - int(origin.Sub(u.Start)/time.Hour) + i
		if at < 0 || !h.Measured() {
			continue
		}
		if v := float64(h.Tokens.Total()); v >= 0 && !math.IsInf(v, 0) {
			s.hours[at] = v
		}
	}
	s.dropArtefacts()
	start := len(s.hours) - min(s.began, len(s.hours))
	for _, v := range s.hours[start:] {
		if math.IsNaN(v) {
			s.gaps++
		}
	}
	s.days = dailyTotals(s.hours)
	return s, true
}

// dropArtefacts takes out single hours that are larger than anything near them by a factor that use does not reach.
func (s *series) dropArtefacts() {
	const reach = 7 * 24
	for i, v := range s.hours {
		if math.IsNaN(v) || v == 0 {
			continue
		}
		largest, seen := 0.0, 0
		for j := max(0, i-reach); j < min(len(s.hours), i+reach+1); j++ {
			if j != i && !math.IsNaN(s.hours[j]) {
				largest, seen = max(largest, s.hours[j]), seen+1
			}
		}
		if seen >= 24 && largest > 0 && v > artefact*largest {
			s.hours[i] = math.NaN()
			s.marks = append(s.marks, s.origin.Add(-time.Duration(len(s.hours)-i)*time.Hour))
		}
	}
}

// dailyTotals adds up 24 hours at a time; a day of which a part was measured is scaled up to a whole one.
func dailyTotals(hours []float64) []float64 {
	days := make([]float64, len(hours)/24)
	for d := range days {
		sum, seen := 0.0, 0
		for _, v := range hours[24*d : 24*d+24] {
			if !math.IsNaN(v) {
				sum, seen = sum+v, seen+1
			}
		}
		switch {
		case seen >= minHours, seen > 0 && len(days) < 3:
			days[d] = sum * 24 / float64(seen)
		default:
			days[d] = math.NaN()
		}
	}
	return days
}

// mean returns the mean of the measured values of the last n days, and false when there are none.
func mean(days []float64, n int) (float64, bool) {
	sum, seen := 0.0, 0
	for _, v := range days[max(0, len(days)-n):] {
		if !math.IsNaN(v) {
			sum, seen = sum+v, seen+1
		}
	}
	if seen == 0 {
		return 0, false
	}
	return sum / float64(seen), true
}

// median returns the median of values, which it sorts; NaN when there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
