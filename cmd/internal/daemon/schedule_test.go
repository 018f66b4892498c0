package daemon

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/robfig/cron/v3"
)

// TestSchedule holds that a time of day comes once a day whatever the clocks do, and what runs more often goes by the time that passes.
func TestSchedule(t *testing.T) {
	t.Parallel()
	const form = "2006-01-02 15:04 -07"
	for _, tc := range []struct {
		name, spec, zone, from string
		want                   []string
	}{
		{"clocks go forward", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00 +01", []string{"2026-03-28 02:30 +01", "2026-03-29 03:00 +02", "2026-03-30 02:30 +02"}},
		{"two times are skipped", "0,30 2 * * *", "Europe/Berlin", "2026-03-29 00:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:00 +02"}},
		{"one time is skipped, and the next comes then", "0 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:00 +02"}},
		{"clocks go back", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00 +02", []string{"2026-10-25 02:30 +02", "2026-10-26 02:30 +01"}},
		{"between the two", "30 2 * * *", "Europe/Berlin", "2026-10-25 02:10 +01", []string{"2026-10-26 02:30 +01"}},
		{"midnight is skipped", "0 0 * * *", "America/Sao_Paulo", "2017-10-14 12:00 -03", []string{"2017-10-15 01:00 -02", "2017-10-16 00:00 -02"}},
		{"a weekly one is not lost", "15 2 * * SUN", "America/New_York", "2026-03-07 12:00 -05", []string{"2026-03-08 03:00 -04", "2026-03-15 02:15 -04"}},
		{"half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00 +10", []string{"2026-10-04 02:30 +11", "2026-10-05 02:15 +11"}},
		{"a whole day is skipped", "30 2 * * *", "Pacific/Apia", "2011-12-29 00:00 -10", []string{"2011-12-29 02:30 -10", "2011-12-31 00:00 +14", "2011-12-31 02:30 +14"}},
		{"every hour, forward", "7 * * * *", "Europe/Berlin", "2026-03-29 01:00 +01", []string{"2026-03-29 01:07 +01", "2026-03-29 03:07 +02"}},
		{"every hour, back", "7 * * * *", "Europe/Berlin", "2026-10-25 02:00 +02", []string{"2026-10-25 02:07 +02", "2026-10-25 02:07 +01", "2026-10-25 03:07 +01"}},
		{"every ten minutes, back", "@every 10m", "Europe/Berlin", "2026-10-25 02:55 +02", []string{"2026-10-25 02:05 +01", "2026-10-25 02:15 +01"}},
		{"every day", "@daily", "Europe/Berlin", "2026-03-28 12:00 +01", []string{"2026-03-29 00:00 +01", "2026-03-30 00:00 +02"}},
		{"the 31st", "0 6 31 * *", "UTC", "2027-01-31 07:00 +00", []string{"2027-03-31 06:00 +00", "2027-05-31 06:00 +00"}},
	} {
		zone, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := ParseSchedule(tc.spec, zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(form, tc.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tc.want {
			at = schedule.Next(at.UTC())
			if got := at.In(zone).Format(form); got != want {
				t.Errorf("%s: got %s, want %s", tc.name, got, want)
			}
		}
	}
}

// TestTimesAreLeftOut holds that a job which takes longer than its interval never runs twice at once, that the times which it is left out are counted, and
// that a panic does not leave it out for ever.
func TestTimesAreLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		skipped := newMetrics(nil, nothing{}).skipped.WithLabelValues("evaluate")
		log := cronLog{slog.New(slog.DiscardHandler)}
		runs, running := 0, 0
		job := cron.NewChain(oneAtATime(skipped, log), cron.Recover(log)).Then(cron.FuncJob(func() {
			if running++; running > 1 {
				t.Error("runs twice at once")
			}
			defer func() { running-- }()
			runs++
			time.Sleep(150 * time.Minute)
			if runs == 1 {
				panic("no matter what")
			}
		}))
		schedule := cron.New()
		schedule.Schedule(cron.Every(time.Hour), job)
		schedule.Start()
		time.Sleep(7*time.Hour + time.Minute) // at 1, left out at 2 and 3, at 4, left out at 5 and 6, at 7
		synctest.Wait()
		<-schedule.Stop().Done()
		if n := testutil.ToFloat64(skipped); runs != 3 || n != 4 {
			t.Errorf("got %d runs and %v times left out, want 3 and 4", runs, n)
		}
	})
}
