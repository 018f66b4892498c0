package forecast

import (
	"fmt"
	"math"
	"time"

	"tipline/model"
)

const (
	youngDays  = 14 // days of history below which a weekly pattern cannot be told from chance
	recentDays = 28 // days back from the origin within which events are worth a warning
	delayHours = 3  // hours before the origin that may still be on their way from the source
)

// warnings says what is doubtful about the history and what was made of it, with dates.
func (o outlook) warnings() []model.Warning {
	var found []model.Warning
	add := func(code, format string, args ...any) {
		found = append(found, model.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if o.age < youngDays*24 {
		add("YOUNG_WORKLOAD", "only %s of history, want %d days: the range is wide", age(o.age), youngDays)
	}
	if usualDay(o.days) == 0 {
		since := o.at(len(o.hours) - min(o.age, len(o.hours)))
		add("NEVER_USED", "nothing but zeros has been measured since %s: the projection is zero", date(since))
	}
	for _, s := range o.levels.shifts {
		if back := len(o.levels.days) - s.day; back <= recentDays {
			on := date(o.origin.Add(-time.Duration(back) * day))
			add("LEVEL_SHIFT", "level shift on %s, ×%.2g: the projection follows the new level", on, math.Exp(s.change))
		}
	}
	found = append(found, o.batches.say(o.origin)...)
	found = append(found, o.calendar.say(o.origin)...)
	o.warnOf(add, "GAP", o.gaps(), "gap of %s: not measured is not idle, the projection leaves it out")
	o.warnOf(add, "OUTAGE", o.outages, "%s of zeros amid hours that are otherwise busy: taken for an outage and left out")
	o.warnOf(add, "COUNTER_ARTEFACT", o.artefacts,
		"%s with values that a counter reset leaves (negative, or far above every hour near it): left out")
	return found
}

// gaps returns the places of the hours within history that were not measured. The last hours before the origin are no gap
// unless delayHours are missing.
func (o outlook) gaps() (places []int) {
	out := map[int]bool{}
	for _, i := range o.outages {
		out[i] = true
	}
	for _, i := range o.artefacts {
		out[i] = true
	}
	for i := range o.batches.hours {
		out[i] = true
	}
	end := len(o.hours)
	if o.silent < delayHours {
		end -= o.silent
	}
	for i := len(o.hours) - min(o.age, len(o.hours)); i < end; i++ {
		if math.IsNaN(o.hours[i]) && !out[i] && !o.calendar.leavesOut(o.at(i)) {
			places = append(places, i)
		}
	}
	return places
}

// warnOf adds one warning for the recent hours among places; format takes how many hours it was and when.
func (o outlook) warnOf(add func(code, format string, args ...any), code string, places []int, format string) {
	for len(places) > 0 && places[0] < len(o.hours)-recentDays*24 {
		places = places[1:]
	}
	if len(places) == 0 {
		return
	}
	first, last := places[0], places[len(places)-1]
	when := "from " + moment(o.at(first))
	if last-first >= len(places) {
		when = fmt.Sprintf("in several pieces between %s and %s", moment(o.at(first)), moment(o.at(last+1)))
	}
	add(code, format, hours(len(places))+" "+when)
}

func date(t time.Time) string   { return t.UTC().Format("2 January 2006") }
func moment(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// age writes a number of hours of history, in days from three days on.
func age(n int) string {
	if n >= 72 {
		return fmt.Sprintf("%d days", n/24)
	}
	return hours(n)
}

func hours(n int) string {
	if n == 1 {
		return "1 hour"
	}
	return fmt.Sprintf("%d hours", n)
}
