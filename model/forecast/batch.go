package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	// batchTimes is how many times every other day of the fortnight around it a day must have used to be a batch rather than a busy day.
	batchTimes = 4
	// batchAfter is how many hours must have been seen after a batch, with what is usual in them: until then it may be the beginning of a new level.
	batchAfter = 6
	// batchMonths is how many months in a row a batch must have run in to be expected in the next.
	batchMonths = 2
)

// batches are days, in UTC, that stand out so far that they say nothing of the others.
type batches struct {
	hours   map[int]float64 // tokens of their hours by place in series.hours, which no longer has them
	first   []time.Time     // midnight of the first day of each
	times   float64         // the use of the newest over that of the busiest day near it
	monthly bool            // they run every month
	fromEnd bool            // counted from the end of the month, where monthly; from its beginning otherwise
	place   int             // days from there
	excess  float64         // tokens that one adds, the median of all
}

// batchDay is a calendar day that stands out.
type batchDay struct {
	at            time.Time
	excess, times float64
}

// takeBatches takes out of s the day that was a batch and happened once, and the days of one that runs every month, which is added where it will run
// again. Days that stand out now and then are a habit, and stay.
func (s *series) takeBatches() {
	days, first := s.calendarDays()
	found := standOut(days, first)
	b, ok := everyMonth(found)
	if ok = ok && !b.missed(found[len(found)-1].at, s.origin); !ok { // one that is due need not prove itself
		found = slices.DeleteFunc(found, func(d batchDay) bool { return !s.over(d.at.Add(day)) })
		if len(found) != 1 {
			return
		}
		b = batches{}
	}
	b.hours = map[int]float64{}
	var excesses []float64
	for _, d := range found {
		b.first, b.times, excesses = append(b.first, d.at), d.times, append(excesses, d.excess)
		for i := max(0, s.placeOf(d.at)); i < min(len(s.hours), s.placeOf(d.at.Add(day))); i++ {
			if v := s.hours[i]; !math.IsNaN(v) {
				b.hours[i], s.hours[i] = v, math.NaN()
			}
		}
	}
	b.excess = median(excesses)
	s.batches = b
}

// placeOf returns the place in s.hours of the hour that begins at t.
func (s series) placeOf(t time.Time) int { return len(s.hours) - int(s.origin.Sub(t)/time.Hour) }

// calendarDays returns the tokens of each day in UTC, scaled up where up to half of it was not measured and NaN where more was, and the midnight at which the first begins.
func (s series) calendarDays() (days []float64, first time.Time) {
	first = s.at(0).UTC().Truncate(day)
	for at := first; at.Before(s.origin); at = at.Add(day) {
		from := s.placeOf(at)
		hours := known(s.hours[max(0, from):min(len(s.hours), from+24)])
		usual, _ := mean(hours)
		if len(hours) < 12 {
			usual = math.NaN()
		}
		days = append(days, 24*usual)
	}
	return days, first
}

// over reports whether what followed t was as usual: batchAfter hours or more, with less than half of batchTimes of what the same hours had a week earlier.
func (s series) over(t time.Time) bool {
	var seen, before float64
	n := 0
	for i := max(week*24, s.placeOf(t)); i < len(s.hours); i++ {
		if v, w := s.hours[i], s.hours[i-week*24]; !math.IsNaN(v + w) {
			seen, before, n = seen+v, before+w, n+1
		}
	}
	return n >= batchAfter && before > 0 && seen < batchTimes/2*before
}

// standOut returns the days that used batchTimes as much as every other day of the fortnight around them, of which those before must be known and as many in use.
func standOut(days []float64, first time.Time) (found []batchDay) {
	for i, v := range days {
		before, used := 0, 0
		most := 0.0
		for j := max(0, i-week); j < min(len(days), i+week+1); j++ {
			switch {
			case j == i || math.IsNaN(days[j]):
				continue
			case j < i:
				before++
			}
			if days[j] > 0 {
				used++
			}
			most = max(most, days[j])
		}
		if before == week && used >= before && v >= batchTimes*most {
			usual := median(known(append(slices.Clone(days[i-week:i]), days[i+1:min(len(days), i+week+1)]...)))
			found = append(found, batchDay{at: first.Add(time.Duration(i) * day), excess: v - usual, times: v / usual})
		}
	}
	return found
}

// everyMonth returns the place in the month that all of days share, one in each of batchMonths months or more.
func everyMonth(days []batchDay) (b batches, ok bool) {
	if len(days) < batchMonths {
		return b, false
	}
	for _, fromEnd := range [...]bool{true, false} {
		b = batches{monthly: true, fromEnd: fromEnd, place: placeInMonth(days[0].at, fromEnd)}
		same := true
		for i, d := range days {
			same = same && b.due(d.at) && (i == 0 || months(d.at)-months(days[i-1].at) == 1)
		}
		if same {
			return b, true
		}
	}
	return batches{}, false
}

func months(t time.Time) int { return 12*t.Year() + int(t.Month()) }

// placeInMonth returns how many days t is from the first of its month, or from the last.
func placeInMonth(t time.Time, fromEnd bool) int {
	if fromEnd {
		return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() - t.Day()
	}
	return t.Day() - 1
}

// due reports whether a monthly batch runs on the day of t.
func (b batches) due(t time.Time) bool {
	return b.monthly && placeInMonth(t.UTC(), b.fromEnd) == b.place
}

// missed reports whether a day has ended on which the batch was due and that was after last, its newest.
func (b batches) missed(last, origin time.Time) bool {
	for at := last.Add(day); !at.Add(day).After(origin); at = at.Add(day) {
		if b.due(at) {
			return true
		}
	}
	return false
}

// addBatches adds to the totals of o what a monthly batch will use, in equal parts over the hours of its day, as uncertain as a change that is announced.
func (o *outlook) addBatches() {
	if !o.batches.monthly {
		return
	}
	var sum model.Distribution
	for d := 1; d < len(o.totals); d++ {
		hours := 0.0
		for h := range 24 {
			if o.batches.due(o.origin.Add(time.Duration(24*(d-1)+h) * time.Hour)) {
				hours++
			}
		}
		for i, level := range model.Levels {
			z := math.Sqrt2 * math.Erfinv(2*level-1)
			sum[i] += model.Tokens(o.batches.excess * hours / 24 * math.Exp(z*doubt))
			o.totals[d][i] += sum[i]
		}
	}
}

// withBatches returns the hours of s and those of its batches.
func (s series) withBatches() []float64 {
	if len(s.batches.hours) == 0 {
		return s.hours
	}
	hours := slices.Clone(s.hours)
	for i, v := range s.batches.hours {
		hours[i] = v
	}
	return hours
}

// say warns of what was taken for a batch.
func (b batches) say(origin time.Time) []model.Warning {
	if len(b.first) == 0 {
		return nil
	}
	last := b.first[len(b.first)-1]
	if !b.monthly {
		if origin.Sub(last) > recentDays*day {
			return nil
		}
		return []model.Warning{{Code: "BATCH_DAY", Text: fmt.Sprintf(
			"%s had %.2g times the usual use, and no other day has: taken for a batch that ran once and left out", date(last), b.times,
		)}}
	}
	when := fmt.Sprintf("on day %d", b.place+1)
	switch {
	case b.fromEnd && b.place == 0:
		when = "on its last day"
	case b.fromEnd:
		when = fmt.Sprintf("%d days before its last", b.place)
	}
	return []model.Warning{{Code: "MONTHLY_BATCH", Text: fmt.Sprintf(
		"every month has a batch %s, the newest on %s with %.2g times the usual use: it is projected to go on", when, date(last), b.times,
	)}}
}
