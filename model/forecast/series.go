package forecast

import (
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	// maxDays is how much history is looked at: half a year holds every pattern that is modelled.
	maxDays = 180
	// minShare is how much of a day's expected use must have been measured for its total to count.
	minShare = 0.25
	// artefact is how many times the third largest hour of the fortnight around it an hour must be to be the mark of a
	// counter reset rather than use. Such marks are hundreds of times too large (forecast protocol, section 2); the largest
	// genuine hour of the development traces is 41 times the third largest of the others (servegen-m-large-c55).
	artefact = 50
)

// series is a workload's history before an origin, cleaned, in hours and in days counted back from the origin.
type series struct {
	origin    time.Time
	age       int         // hours from the first measured one to the origin, at least 1
	silent    int         // hours from the last measured one to the origin
	hours     []float64   // tokens of each hour, whole days back from the origin; NaN where nobody measured
	days      []float64   // tokens of each 24 hours, scaled up where part of them was measured; NaN where too little was
	usual     [24]float64 // share of a day's use in each hour, counted from the origin's hour; sums to 1
	artefacts []int       // places in hours of what a counter reset left
	outages   []int       // places in hours of zeros that were no quiet hours
	batches   batches     // days taken out that stand out
}

// newSeries cuts u at origin and takes out what cannot be use. It is false when not one hour before origin was
// measured, or none that can be use.
func newSeries(u model.Usage, origin time.Time) (series, bool) {
	u = u.Until(origin)
	first := slices.IndexFunc(u.Hours, func(h model.Hour) bool { return h.Measured() })
	if first < 0 {
		return series{}, false
	}
	start := int(origin.Sub(u.Start) / time.Hour) // hours from u.Start to the origin
	s := series{origin: origin, age: start - first}
	for i, h := range u.Hours {
		if h.Measured() {
			s.silent = start - i - 1
		}
	}
	s.hours = make([]float64, 24*min(maxDays+s.silent/24, (s.age+23)/24))
	for i := range s.hours {
		s.hours[i] = math.NaN()
	}
	for i, h := range u.Hours {
		at := len(s.hours) - start + i
		if at < 0 || !h.Measured() {
			continue
		}
		if v := float64(h.Tokens.Total()); v >= 0 && !math.IsInf(v, 0) {
			s.hours[at] = v
		} else {
			s.artefacts = append(s.artefacts, at)
		}
	}
	s.dropSpikes()
	s.dropOutages()
	s.takeBatches()
	s.addDays()
	return s, len(known(s.days)) > 0
}

// at returns when the hour at place i of s.hours began.
func (s series) at(i int) time.Time {
	return s.origin.Add(time.Duration(i-len(s.hours)) * time.Hour)
}

// dropSpikes takes out hours that are larger than what is near them by a factor that use does not reach.
func (s *series) dropSpikes() {
	const reach = 7 * 24
	var spikes []int
	for i, v := range s.hours {
		if math.IsNaN(v) || v == 0 {
			continue
		}
		// It is one when fewer than three hours of those around it come anywhere near.
		seen, used, near := 0, 0, 0
		for j := max(0, i-reach); j < min(len(s.hours), i+reach+1) && near < 3; j++ {
			w := s.hours[j]
			if j == i || math.IsNaN(w) {
				continue
			}
			seen++
			if w > 0 {
				used++
			}
			if w*artefact >= v {
				near++
			}
		}
		if near < 3 && seen >= 24 && used >= 3 && !s.weekly(i) {
			spikes = append(spikes, i)
		}
	}
	for _, i := range spikes {
		s.hours[i] = math.NaN()
	}
	s.artefacts = append(s.artefacts, spikes...)
	slices.Sort(s.artefacts)
}

// weekly reports whether the hour at place i is about as large a week earlier or later: a job, not an accident.
func (s *series) weekly(i int) bool {
	for _, j := range [...]int{i - 7*24, i + 7*24} {
		if j >= 0 && j < len(s.hours) && s.hours[j] > s.hours[i]/artefact {
			return true
		}
	}
	return false
}

// dropOutages takes out runs of zeros in hours that are busy in the weeks around them: the workload or its metrics were
// down, and an outage says nothing about use. A run that has reached the origin and lasts a day or more may be the end of
// the workload and stays.
func (s *series) dropOutages() {
	const shortest = 3
	for from := 0; from < len(s.hours); from++ {
		to := from
		for to < len(s.hours) && s.hours[to] == 0 {
			to++
		}
		if to-from < shortest || to == len(s.hours) && to-from >= 24 {
			from = max(from, to-1)
			continue
		}
		if s.busy(from, to) {
			for i := from; i < to; i++ {
				s.hours[i] = math.NaN()
				s.outages = append(s.outages, i)
			}
		}
		from = to - 1
	}
}

// busy reports whether the hours [from, to) are used in nearly all of the two weeks before and after.
func (s *series) busy(from, to int) bool {
	used, idle := 0, 0
	for i := from; i < to; i++ {
		for _, shift := range [...]int{-336, -168, 168, 336} {
			j := i + shift
			if j < 0 || j >= len(s.hours) || j >= from && j < to || math.IsNaN(s.hours[j]) {
				continue
			}
			if s.hours[j] > 0 {
				used++
			} else {
				idle++
			}
		}
	}
	return used+idle >= 2*(to-from) && float64(used) >= 0.9*float64(used+idle)
}

// addDays adds up 24 hours at a time. A day of which a part was measured is scaled up by the share of a usual day's use
// that falls into that part.
func (s *series) addDays() {
	s.usual = s.hourOfDay()
	if s.days = s.dailyTotals(minShare); len(known(s.days)) < 3 {
		s.days = s.dailyTotals(0) // better a doubtful day than none
	}
}

// dailyTotals returns the total of each day of whose usual use at least the share least was measured.
func (s *series) dailyTotals(least float64) []float64 {
	days := make([]float64, len(s.hours)/24)
	for d := range days {
		var sum, share float64
		for i, v := range s.hours[24*d : 24*d+24] {
			if !math.IsNaN(v) {
				sum, share = sum+v, share+s.usual[i]
			}
		}
		days[d] = math.NaN()
		if share > 0 && share >= least {
			days[d] = sum / min(1, share)
		}
	}
	return days
}

// hourOfDay returns the share of a day's use in each hour counted from the origin's hour: the mean of the last four weeks,
// drawn towards equal shares by a day's worth of use, so that few days do not make a shape.
func (s *series) hourOfDay() (shares [24]float64) {
	var sums, seen [24]float64
	for i := max(0, len(s.hours)-28*24); i < len(s.hours); i++ {
		if v := s.hours[i]; !math.IsNaN(v) {
			sums[i%24] += v
			seen[i%24]++
		}
	}
	total, n := 0.0, 0.0
	for h := range sums {
		total, n = total+sums[h], n+seen[h]
	}
	if total == 0 {
		for h := range shares {
			shares[h] = 1.0 / 24
		}
		return shares
	}
	all := 0.0
	for h := range shares {
		shares[h] = (sums[h] + total/n) / (seen[h] + 1)
		all += shares[h]
	}
	for h := range shares {
		shares[h] /= all
	}
	return shares
}
