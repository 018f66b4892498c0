package forecast

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"tipline/model"
)

const (
	// doubt is how uncertain an announced change is, as a share of its logarithm: one of +40 % is taken to be between +29 % and +52 % in
	// two of three cases. It is an assumption, which the record of past events may replace.
	doubt = 0.25
	// settles is how long after a lasting change the history before it is brought to the level that was announced. By then the days
	// after it say themselves what it was.
	settles = 14 * day
)

// calendar is a model.Known made ready for one origin.
type calendar struct {
	events   []model.Event
	holidays map[time.Time]bool // by midnight in UTC
}

func newCalendar(k model.Known) calendar {
	c := calendar{events: slices.Clone(k.Events), holidays: map[time.Time]bool{}}
	slices.SortStableFunc(c.events, func(a, b model.Event) int { return a.From.Compare(b.From) })
	for _, h := range k.Holidays {
		c.holidays[h.UTC().Truncate(day)] = true
	}
	return c
}

func (c calendar) nothing() bool { return len(c.events) == 0 && len(c.holidays) == 0 }

// lasting reports whether e is for good.
func lasting(e model.Event) bool { return e.Until.IsZero() }

// without returns u as it would have been without what is known: holidays and spans without any volume are left out, others are brought
// to the usual level, and what came before a lasting change that is still fresh at origin is brought to the level after it.
func (c calendar) without(u model.Usage, origin time.Time) model.Usage {
	if c.nothing() {
		return u
	}
	u.Hours = slices.Clone(u.Hours)
	for i := range u.Hours {
		h := &u.Hours[i]
		at := u.Start.Add(time.Duration(i) * time.Hour)
		if c.leavesOut(at) {
			h.Coverage = 0
			continue
		}
		for _, e := range c.events {
			times := 1.0
			switch {
			case lasting(e) && at.Before(e.From) && !e.From.After(origin) && origin.Sub(e.From) < settles:
				times = 1 + e.Change
			case !lasting(e) && !at.Before(e.From) && at.Before(e.Until):
				times = 1 / (1 + e.Change)
			}
			for class := range h.Tokens {
				h.Tokens[class] *= model.Tokens(times)
			}
			h.Requests *= times
		}
	}
	return u
}

// leavesOut reports whether the hour that begins at t says nothing of the usual use: on a holiday, or while there was to be none.
func (c calendar) leavesOut(t time.Time) bool {
	return c.holidays[t.UTC().Truncate(day)] || slices.ContainsFunc(c.events, func(e model.Event) bool {
		return !lasting(e) && e.Change <= -1 && !t.Before(e.From) && t.Before(e.Until)
	})
}

// factor returns by how much the events and holidays after the origin change an hour that begins at t, on the path that lies z standard
// deviations from the median; holiday is what a Sunday has over that day of the week.
func (c calendar) factor(t, origin time.Time, z, holiday float64) float64 {
	f := 1.0
	if c.holidays[t.Truncate(day)] {
		f = min(1, holiday)
	}
	for _, e := range c.events {
		if t.Before(e.From) || !lasting(e) && !t.Before(e.Until) || lasting(e) && !e.From.After(origin) {
			continue
		}
		if e.Change <= -1 {
			return 0
		}
		change := math.Log1p(e.Change)
		f *= math.Exp(change + z*doubt*math.Abs(change))
	}
	return f
}

// apply changes the totals of o by what is known. The paths of the volume and of the changes are taken to go the same way, which makes the
// range rather too wide than too narrow.
func (o *outlook) apply(c calendar) {
	if c.nothing() {
		return
	}
	before := slices.Clone(o.totals)
	var sum model.Distribution
	for d := 1; d < len(o.totals); d++ {
		from := o.origin.Add(time.Duration(d-1) * day)
		for i, level := range model.Levels {
			z := normalScore(level)
			f := 0.0
			for h, share := range o.usual {
				at := from.Add(time.Duration(h) * time.Hour)
				f += share * c.factor(at, o.origin, z, o.sunday(at))
			}
			sum[i] += (before[d][i] - before[d-1][i]) * model.Tokens(f)
		}
		o.totals[d] = sum
		for i := 1; i < len(sum); i++ {
			o.totals[d][i] = max(o.totals[d][i], o.totals[d][i-1])
		}
	}
}

// sunday returns the use of a Sunday over that of the day of the week of t; 1 when the week is not known.
func (o outlook) sunday(t time.Time) float64 {
	of := func(weekday time.Weekday) float64 {
		return o.levels.season[(int(weekday)-int(o.origin.Weekday())+week)%week]
	}
	if usual := of(t.Weekday()); usual > 0 {
		return of(time.Sunday) / usual
	}
	return 1
}

// say warns of every event and holiday that the projection takes into account.
func (c calendar) say(origin time.Time) []model.Warning {
	var said []model.Warning
	for _, e := range c.events {
		if !e.From.Before(origin.AddDate(0, monthsAhead+1, 0)) || lasting(e) && origin.Sub(e.From) >= settles || !lasting(e) && !origin.Before(e.Until) {
			continue
		}
		text := fmt.Sprintf("known change: %+.0f%% from %s", 100*e.Change, date(e.From))
		if e.Change <= -1 {
			text = "known change: no use any more from " + date(e.From)
		}
		if !lasting(e) {
			text += " until " + date(e.Until.Add(-time.Hour))
		}
		if e.Name != "" {
			text += " (" + e.Name + ")"
		}
		said = append(said, model.Warning{Code: "KNOWN_EVENT", Text: text})
	}
	for _, h := range slices.SortedFunc(maps.Keys(c.holidays), time.Time.Compare) {
		if ahead := h.Sub(origin.Truncate(day)); ahead >= 0 && ahead < 30*day {
			said = append(said, model.Warning{Code: "HOLIDAY", Text: date(h) + " is a holiday: it counts as a Sunday"})
		}
	}
	return said
}
