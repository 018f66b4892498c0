package daemon

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
)

// oneAtATime wraps a job so that it never runs twice at once: a time that comes while it runs is left out and counted.
func oneAtATime(skipped prometheus.Counter, log cron.Logger) cron.JobWrapper {
	return func(job cron.Job) cron.Job {
		var running sync.Mutex
		return cron.FuncJob(func() {
			if !running.TryLock() {
				skipped.Inc()
				log.Info("skip")
				return
			}
			defer running.Unlock()
			job.Run()
		})
	}
}

// ParseSchedule reads a cron spec of five fields, or one such as @daily, by the clocks of location. A time of day that the clocks skip there comes
// when they do, and one that comes twice is over after the first: so each day has each of its times once. What runs in every hour, or every so long,
// goes by the time that passes. That is the rule of Vixie cron for changes of up to three hours.
func ParseSchedule(spec string, location *time.Location) (cron.Schedule, error) {
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, err
	}
	const everyHour = 1 << 63 // cron's mark of a field that is a star
	fields, ok := parsed.(*cron.SpecSchedule)
	switch {
	case !ok:
		return parsed, nil
	case fields.Hour&everyHour != 0:
		fields.Location = location
		return fields, nil
	}
	fields.Location = time.UTC
	return wallClock{fields, location}, nil
}

// wallClock is a schedule of readings of the clocks of location, written as times in UTC.
type wallClock struct {
	readings cron.Schedule
	location *time.Location
}

// Next returns the first instant after t at which the clocks show a time of the schedule for the first time, or have skipped it; the zero time if there is none.
func (s wallClock) Next(t time.Time) time.Time {
	local := t.In(s.location)
	_, offset := local.Zone()
	for reading := local.Add(time.Duration(offset) * time.Second).UTC(); ; {
		if reading = s.readings.Next(reading); reading.IsZero() {
			return reading
		}
		if next := s.first(reading); next.After(t) {
			return next
		}
	}
}

// first returns the first instant at which the clocks show reading, or the one at which they skip it.
func (s wallClock) first(reading time.Time) time.Time {
	var last time.Time // by the offset after a change, when there is one near
	for _, day := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := reading.Add(day).In(s.location).Zone()
		last = reading.Add(-time.Duration(offset) * time.Second).In(s.location)
		if _, is := last.Zone(); is == offset {
			return last
		}
	}
	_, change := last.ZoneBounds() // before it the clocks show less than reading, and from it on more
	return change
}
