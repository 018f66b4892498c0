package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	// batchTimes is how many times every other day of the fortnight around it each day of a batch must have used.
	batchTimes = 4
	// batchDays is how many days a batch takes at most.
	batchDays = 3
	// batchAfter is how many hours must have been seen after a batch, with what is usual in them: until then it may be the beginning of a new level.
	batchAfter = 6
	// batchMonths is how many months in a row a batch must have run in to be expected in the next.
	batchMonths = 2
)

// batches are days, in UTC, that stand out so far that they say nothing of the others (the additive outliers of Tsay 1988, of which some return every month).
type batches struct {
	hours   map[int]float64 // tokens of their hours by place in series.hours, which no longer has them
	first   []time.Time     // midnight of the first day of each
	times   float64         // the use of the newest over that of the busiest day near it
	monthly bool            // they run every month
	fromEnd bool            // counted from the end of the month, where monthly; from its beginning otherwise
	place   int             // days from there
	days    int             // that one takes
	excess  float64         // tokens that each of these days adds, the median of all
}

// batch is a run of calendar days that stands out.
type batch struct {
	at            time.Time // midnight of the first
	days          int
	excess, times float64 // of one of them
}

// takeBatches takes out of s the batch that happened once, and the days of one that runs every month, which is added where it will run
// again. Days that stand out now and then are a habit, and stay.
func (s *series) takeBatches() {
	days, first := s.calendarDays()
	found := standOut(days, first)
	b, ok := everyMonth(found, first.Add(time.Duration(len(days))*day))
	if ok = ok && !b.missed(found[len(found)-1], s.origin); !ok { // one that is due need not prove itself
		found = slices.DeleteFunc(found, func(d batch) bool { return !s.over(d.end()) })
		if len(found) != 1 {
			return
		}
		b = batches{}
	}
	b.hours = map[int]float64{}
	var excesses []float64
	for _, d := range found {
		b.first, b.times, excesses = append(b.first, d.at), d.times, append(excesses, d.excess)
		for i := max(0, s.placeOf(d.at)); i < min(len(s.hours), s.placeOf(d.end())); i++ {
			if v := s.hours[i]; !math.IsNaN(v) {
				b.hours[i], s.hours[i] = v, math.NaN()
			}
		}
	}
	b.excess = median(excesses)
	s.batches = b
}

// end returns the end of the last day of b.
func (b batch) end() time.Time { return b.at.Add(time.Duration(b.days) * day) }

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

// standOut returns the runs of days that each used batchTimes as much as every other day of the fortnight around the run, of which those before must be known and as many in use.
func standOut(days []float64, first time.Time) (found []batch) {
	for i := week; i < len(days); i++ {
		if days[i] < batchTimes*days[i-1] { // as nearly always
			continue
		}
		for n := 1; n <= min(batchDays, len(days)-i); n++ {
			around := append(slices.Clone(days[i-week:i]), days[i+n:min(len(days), i+n+week)]...)
			others := known(around)
			used := len(slices.DeleteFunc(slices.Clone(others), func(v float64) bool { return v == 0 }))
			least := slices.Min(days[i : i+n]) // NaN when one of them is
			if len(known(days[i-week:i])) < week || used < week || !(least >= batchTimes*slices.Max(others)) {
				continue
			}
			usual, sum := median(others), 0.0
			for _, v := range days[i : i+n] {
				sum += v / float64(n)
			}
			found = append(found, batch{at: first.Add(time.Duration(i) * day), days: n, excess: sum - usual, times: sum / usual})
		}
	}
	return found
}

// everyMonth returns the place in the month that all of found share, one in each of batchMonths months or more. The last of them may still be running.
func everyMonth(found []batch, end time.Time) (b batches, ok bool) {
	if len(found) < batchMonths {
		return b, false
	}
	for _, fromEnd := range [...]bool{true, false} {
		b = batches{monthly: true, fromEnd: fromEnd, place: placeInMonth(found[0].at, fromEnd), days: found[0].days}
		same := true
		for i, d := range found {
			running := i == len(found)-1 && d.days < b.days && !d.end().Before(end)
			same = same && placeInMonth(d.at, fromEnd) == b.place && (d.days == b.days || running) && (i == 0 || months(d.at)-months(found[i-1].at) == 1)
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
	for n := range b.days {
		if placeInMonth(t.UTC().AddDate(0, 0, -n), b.fromEnd) == b.place {
			return b.monthly
		}
	}
	return false
}

// missed reports whether a day has ended on which the batch was due and that was after last, the newest.
func (b batches) missed(last batch, origin time.Time) bool {
	for at := last.at.Add(time.Duration(b.days) * day); !at.Add(day).After(origin); at = at.Add(day) {
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
			z := normalScore(level)
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
			"%s had %.2g times the usual use, and no other time has: taken for a batch that ran once and left out", date(last), b.times,
		)}}
	}
	when := fmt.Sprintf("on day %d", b.place+1)
	switch {
	case b.fromEnd && b.place == 0:
		when = "on its last day"
	case b.fromEnd && b.place == b.days-1:
		when = fmt.Sprintf("on its last %d days", b.days)
	case b.fromEnd:
		when = fmt.Sprintf("%d days before its last", b.place)
	}
	if b.days > 1 && !(b.fromEnd && b.place == b.days-1) {
		when = fmt.Sprintf("of %d days that begins %s", b.days, when)
	}
	return []model.Warning{{Code: "MONTHLY_BATCH", Text: fmt.Sprintf(
		"every month has a batch %s, the newest on %s with %.2g times the usual use: it is projected to go on", when, date(last), b.times,
	)}}
}
