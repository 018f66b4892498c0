package forecast

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
)

// busy is a workload of 120 days with working days, quieter weekends and days that deviate by 3 %; change changes an hour.
func busy(change func(at time.Time, tokens float64) float64) model.Usage {
	r := rand.New(rand.NewPCG(11, 12))
	u := model.Usage{Start: time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC)} // a Monday
	for d := range 120 {
		level := 1e6 * (1 + 0.03*r.NormFloat64())
		if d%7 >= 5 {
			level *= 0.3
		}
		for h := range 24 {
			at := u.Start.AddDate(0, 0, d).Add(time.Duration(h) * time.Hour)
			u.Hours = append(u.Hours, model.Hour{Tokens: model.Volume{model.Input: model.Tokens(change(at, level))}, Requests: 100, Coverage: 1})
		}
	}
	return u
}

func usual(_ time.Time, tokens float64) float64 { return tokens }

func median30(t *testing.T, u model.Usage, origin time.Time, k model.Known) float64 {
	t.Helper()
	d, ok := Total(u, origin, 30*day, k)
	if !ok {
		t.Fatal("nothing was projected")
	}
	return float64(d.At(0.5))
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*math.Abs(want) {
		t.Errorf("%s: got %.4g, want %.4g", what, got, want)
	}
}

// TestKnownEvents holds what a known change does to a projection: the part of a span after it is changed, and no other.
func TestKnownEvents(t *testing.T) {
	t.Parallel()
	u := busy(usual)
	origin := u.End()
	plain := func(days int) float64 {
		d, _ := Total(u, origin, time.Duration(days)*day, model.Known{})
		return float64(d.At(0.5))
	}
	in := func(days int) time.Time { return origin.AddDate(0, 0, days) }
	event := func(change float64, from, until time.Time) model.Known {
		return model.Known{Events: []model.Event{{Name: "launch", From: from, Until: until, Change: change}}}
	}
	for _, tc := range []struct {
		name  string
		known model.Known
		want  float64
	}{
		{"two fifths more from day 10 on", event(0.4, in(10), time.Time{}), plain(10) + 1.4*(plain(30)-plain(10))},
		{"moves away on day 10", event(-1, in(10), time.Time{}), plain(10)},
		{"twice as much for a week", event(1, in(7), in(14)), plain(30) + plain(14) - plain(7)},
		{"after the horizon", event(1, in(40), time.Time{}), plain(30)},
		{"now", event(0.4, origin, time.Time{}), 1.4 * plain(30)},
		{"long ago", event(0.4, in(-60), time.Time{}), plain(30)},
	} {
		near(t, tc.name, median30(t, u, origin, tc.known), tc.want, 1e-6)
	}
	d, _ := Total(u, origin, 30*day, event(0.4, in(1), time.Time{}))
	e, _ := Total(u, origin, 30*day, model.Known{})
	if got, was := float64(d.At(0.9)/d.At(0.5)), float64(e.At(0.9)/e.At(0.5)); got < was*1.05 {
		t.Errorf("the upper end is ×%.3f of the median, and ×%.3f without the event: an announced change is not certain", got, was)
	}
	f, _ := Project(u, origin, event(0.4, in(40), time.Time{}))
	if !slices.ContainsFunc(f.Warnings, func(w model.Warning) bool {
		return w.Code == "KNOWN_EVENT" && w.Text == "known change: +40% from "+date(in(40))+" (launch)"
	}) {
		t.Errorf("got %+v, want the event", f.Warnings)
	}
	for i := 1; i < len(f.Months); i++ {
		if !slices.IsSorted(f.Months[i].Total[:]) {
			t.Errorf("month %d: quantiles fall: %v", i, f.Months[i].Total)
		}
	}
}

// TestKnownChangeThatHasCome holds that the projection is at the new level from the first hour on, and is right again soon when the change
// that was announced did not come.
func TestKnownChangeThatHasCome(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	moved := busy(func(t time.Time, v float64) float64 {
		if t.Before(at) {
			return v
		}
		return 1.8 * v
	})
	stayed := busy(usual)
	k := model.Known{Events: []model.Event{{From: at, Change: 0.8}}}
	month := 0.0
	for _, h := range stayed.Hours[len(stayed.Hours)-28*24:] {
		month += float64(h.Tokens.Total()) / 28 * 30
	}
	for _, days := range []int{0, 1, 3, 7} {
		origin := at.AddDate(0, 0, days)
		near(t, "came, days after: "+origin.Format(time.DateOnly), median30(t, moved, origin, k), 1.8*month, 0.1)
	}
	near(t, "never came, a week after", median30(t, stayed, at.AddDate(0, 0, 7), k), month, 0.25)
}

// TestPastCampaign holds that what is known to have been out of the ordinary is not learnt.
func TestPastCampaign(t *testing.T) {
	t.Parallel()
	from, until := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	u := busy(func(t time.Time, v float64) float64 {
		if t.Before(from) || !t.Before(until) {
			return v
		}
		return 3 * v
	})
	k := model.Known{Events: []model.Event{{From: from, Until: until, Change: 2}}}
	near(t, "after a campaign", median30(t, u, u.End(), k), median30(t, busy(usual), u.End(), model.Known{}), 0.02)
	closed := busy(func(t time.Time, v float64) float64 {
		if t.Before(from) || !t.Before(until) {
			return v
		}
		return 0
	})
	k.Events[0].Change = -1
	near(t, "after a known closure", median30(t, closed, u.End(), k), median30(t, busy(usual), u.End(), model.Known{}), 0.05)
}

// TestHolidays holds that a holiday is not learnt as a working day, and that one ahead counts as a Sunday.
func TestHolidays(t *testing.T) {
	t.Parallel()
	past := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC) // a Wednesday
	u := busy(func(t time.Time, v float64) float64 {
		if t.Truncate(day).Equal(past) {
			return 0.05 * v
		}
		return v
	})
	near(t, "after a holiday", median30(t, u, u.End(), model.Known{Holidays: []time.Time{past}}), median30(t, busy(usual), u.End(), model.Known{}), 0.03)
	plain := busy(usual)
	origin := plain.End() // a Tuesday
	next := origin.AddDate(0, 0, 2)
	f, _ := Project(plain, origin, model.Known{Holidays: []time.Time{next}})
	without, _ := Project(plain, origin, model.Known{})
	got, was := f.Next[model.Next7d].Total.At(0.5), without.Next[model.Next7d].Total.At(0.5)
	near(t, "a week with a holiday", float64(got/was), (4+0.3*3)/(5+0.3*2), 0.02)
	if !slices.ContainsFunc(f.Warnings, func(w model.Warning) bool { return w.Code == "HOLIDAY" }) {
		t.Errorf("got %+v, want the holiday", f.Warnings)
	}
	if slices.ContainsFunc(f.Warnings, func(w model.Warning) bool { return w.Code == "GAP" }) {
		t.Errorf("got %+v, want no gap", f.Warnings)
	}
}
