package traffic

import (
	"math"
	"slices"
	"time"
)

// Measure returns the shape of hourly loads that begin at start and cover whole days. A day of the week that they do not
// hold is taken to be like the day after it. Days and hours without load are left out of the spreads.
func Measure(start time.Time, hours []float64) Shape {
	var s Shape
	days := make([]float64, len(hours)/24)
	total := 0.0
	for i, load := range hours[:len(days)*24] {
		days[i/24] += load
		s.Day[(start.Hour()+i)%24] += load
		total += load
	}
	for h := range s.Day {
		s.Day[h] *= 24 / total
	}
	weekday := func(day int) int { return weekday(start.AddDate(0, 0, day)) }
	var seen [7]float64
	for d, load := range days {
		s.Week[weekday(d)] += load
		seen[weekday(d)]++
	}
	for d := 6; d >= 0; d-- {
		if seen[d] == 0 {
			s.Week[d], seen[d] = s.Week[(d+1)%7], seen[(d+1)%7]
		}
	}
	for d := range s.Week {
		s.Week[d] /= seen[d]
	}
	var spreads, residuals []float64
	for d, load := range days {
		if load == 0 {
			continue
		}
		spreads = append(spreads, math.Log(load/s.Week[weekday(d)]))
		for h := range 24 {
			expected := load / 24 * s.Day[(start.Hour()+h)%24]
			if got := hours[d*24+h]; got > 0 && expected > 0 {
				residuals = append(residuals, math.Log(got/expected))
			}
		}
	}
	mean := 0.0
	for _, load := range s.Week {
		mean += load / 7
	}
	for d := range s.Week {
		s.Week[d] /= mean
	}
	slices.Sort(residuals)
	quantile := func(q float64) float64 { return residuals[int(q*float64(len(residuals)-1))] }
	s.DaySpread = deviation(spreads)
	s.HourSpread = (quantile(0.75) - quantile(0.25)) / 1.349 // what the quartiles of a normal distribution are apart: bursts do not count
	s.Burst = math.Exp(quantile(1 - 1.0/burstEvery))
	return s
}

// weekday returns 0 for Monday to 6 for Sunday.
func weekday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

func deviation(values []float64) float64 {
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)))
}
