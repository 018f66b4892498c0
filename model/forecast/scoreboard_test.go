package forecast

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// TestRecord keeps a projection a week, fills in the weeks before the first evaluation, and forgets what is too old.
func TestRecord(t *testing.T) {
	t.Parallel()
	u := busy(usual)
	var past []Past
	first := u.End().AddDate(0, 0, -30)
	for d := range 31 {
		past = Record(past, u, first.AddDate(0, 0, d), model.Known{})
	}
	origins := map[time.Time]int{}
	for _, p := range past {
		origins[p.Origin]++
		if !(p.Low95 <= p.Low80 && p.Low80 <= p.Median && p.Median <= p.High80 && p.High80 <= p.High95) {
			t.Errorf("got %+v, want quantiles in order", p)
		}
	}
	if len(origins) != 5+8 { // two weeks of history are needed before the oldest
		t.Errorf("got projections of %d days, want those of five weeks and of those before: %v", len(origins), origins)
	}
	for at := range origins {
		if at.Sub(first)%recordEvery != 0 {
			t.Errorf("%v is no whole number of weeks from the first evaluation", at)
		}
	}
	for at, n := range origins {
		if n != len(Horizons) {
			t.Errorf("%v: got %d projections, want one a horizon", at, n)
		}
	}
	// What is replayed is what would have been said then: nothing after its origin is read.
	i := slices.IndexFunc(past, func(p Past) bool { return p.Days == 30 })
	d, _ := Total(u.Until(past[i].Origin), past[i].Origin, 30*day, model.Known{})
	if past[i].Median != d.At(0.5) || past[i].High95 != d.At(0.975) {
		t.Errorf("got %+v, want what was projected on that day: %v", past[i], d)
	}
	if again := Record(past, u, first.AddDate(0, 0, 30), model.Known{}); !slices.Equal(again, past) {
		t.Error("another evaluation on the same day changed the record")
	}
	late := Record(past, u, first.AddDate(0, 0, 400), model.Known{})
	for _, p := range late {
		if p.Origin.Before(first.AddDate(0, 0, 400).Add(-recordFor)) {
			t.Errorf("kept for ever: %+v", p)
		}
	}
	if young := Record(nil, u, u.Start.AddDate(0, 0, 3), model.Known{}); len(young) > 0 {
		t.Errorf("three days of history: got %+v, want nothing to hold anybody to", young)
	}
}

// TestGrade grades projections whose errors are known.
func TestGrade(t *testing.T) {
	t.Parallel()
	u := busy(func(time.Time, float64) float64 { return 1e6 })
	week := model.Tokens(7 * 24e6)
	at := func(weeks int) time.Time { return u.Start.AddDate(0, 0, 7*weeks) }
	past := []Past{
		{Origin: at(3), Days: 7, Low95: 0.5 * week, Low80: 0.8 * week, Median: week, High80: 1.1 * week, High95: 2 * week, Naive: 2 * week},
		{Origin: at(4), Days: 7, Low95: 0.5 * week, Low80: 1.1 * week, Median: 1.2 * week, High80: 1.3 * week, High95: 2 * week, Naive: 2 * week},
		{Origin: at(5), Days: 7, Low95: 1.1 * week, Low80: 1.2 * week, Median: 1.4 * week, High80: 1.5 * week, High95: 2 * week, Naive: 2 * week},
		{Origin: at(17), Days: 7, Median: 9 * week}, // not over yet
		{Origin: at(-2), Days: 7, Median: 9 * week}, // not measured
	}
	got := Grade(past, u, u.End())
	want := model.ForecastScore{Days: 7, Graded: 3, ErrorRatio: 0.2, NaiveErrorRatio: 1, BiasRatio: 0.2, Coverage80: 1.0 / 3, Coverage95: 2.0 / 3}
	if len(got) != 1 {
		t.Fatalf("got %+v, want one horizon", got)
	}
	for _, pair := range [][2]model.Fraction{
		{got[0].ErrorRatio, want.ErrorRatio},
		{got[0].NaiveErrorRatio, want.NaiveErrorRatio},
		{got[0].BiasRatio, want.BiasRatio},
		{got[0].Coverage80, want.Coverage80},
		{got[0].Coverage95, want.Coverage95},
	} {
		if math.Abs(float64(pair[0]-pair[1])) > 1e-9 || got[0].Graded != 3 {
			t.Errorf("got %+v, want %+v", got[0], want)
			break
		}
	}
	if none := Grade(past, model.Usage{Start: u.Start}, u.End()); len(none) != 0 {
		t.Errorf("nothing measured: got %+v", none)
	}
}

// TestEventsAreGraded holds what an event was worth against a volume that rises by 40 % on the day that was announced: it is counted where it was known
// ahead, and a replay of the weeks before it knows nothing of it.
func TestEventsAreGraded(t *testing.T) {
	t.Parallel()
	origin := time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)
	u := busy(func(at time.Time, tokens float64) float64 {
		if !at.Before(origin.AddDate(0, 0, 1)) {
			tokens *= 1.4
		}
		return tokens
	})
	k := model.Known{Events: []model.Event{{Name: "launch", From: origin.AddDate(0, 0, 1), Change: 0.4}}}
	past := Record(nil, u, origin, k)
	for _, p := range past {
		if known := p.WithoutEvents != nil; known != p.Origin.Equal(origin) {
			t.Errorf("%v, %d days: without events %v, want it only where the event was ahead and known", p.Origin, p.Days, p.WithoutEvents)
		}
	}
	if len(past) != 2*len(Horizons) {
		t.Errorf("got %d projections, want those of the day and of the week before", len(past))
	}
	for _, s := range Grade(past, u, u.End()) {
		if s.EventErrorRatio == nil || s.WithoutEventErrorRatio == nil {
			t.Fatalf("%d days: got %+v, want the event graded", s.Days, s)
		}
		if *s.EventErrorRatio > 0.06 || *s.WithoutEventErrorRatio < 0.2 {
			t.Errorf("%d days: missed by %v with the event and %v without, want it to have been worth knowing", s.Days, *s.EventErrorRatio, *s.WithoutEventErrorRatio)
		}
	}
	for _, s := range Grade(Record(nil, u, origin, model.Known{}), u, u.End()) {
		if s.EventErrorRatio != nil || s.WithoutEventErrorRatio != nil {
			t.Errorf("no event: got %+v", s)
		}
	}
}

// TestWiden holds the rule: three misses among eight, and no fewer.
func TestWiden(t *testing.T) {
	t.Parallel()
	u := busy(func(time.Time, float64) float64 { return 1e6 })
	week := model.Tokens(7 * 24e6)
	f, _ := Project(u, u.End(), model.Known{})
	for _, tc := range []struct {
		graded, missed int
		wide           bool
	}{{8, 2, false}, {8, 3, true}, {7, 7, false}, {12, 3, true}} {
		var past []Past
		for i := range tc.graded {
			p := Past{Origin: u.Start.AddDate(0, 0, 7*(2+i)), Days: 7, Low95: 0.9 * week, High95: 1.1 * week}
			if i >= tc.graded-tc.missed {
				p.Low95 = 1.05 * week
			}
			past = append(past, p)
		}
		got := Widen(f, past, u, u.End())
		before, after := f.Next[model.Next30d].Total, got.Next[model.Next30d].Total
		wider := float64(after.At(0.9)/after.At(0.5)) > 1.0001*float64(before.At(0.9)/before.At(0.5))
		said := slices.ContainsFunc(got.Warnings, func(w model.Warning) bool {
			return w.Code == "PROJECTION_WIDENED" && strings.Contains(w.Text, "95 % range")
		})
		if wider != tc.wide || said != tc.wide || after.At(0.5) != before.At(0.5) || !slices.IsSorted(after[:]) {
			t.Errorf("%d of %d missed: wider %v, said %v, want %v", tc.missed, tc.graded, wider, said, tc.wide)
		}
	}
}
