package forecast

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
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

// record makes past projections of a constant volume of a week: graded of them, of which the newest missed lie below their range and the newest beaten have a median that is
// far above the mean of four weeks.
func record(u model.Usage, week model.Tokens, graded, missed, beaten int) (past []Past) {
	for i := range graded {
		p := Past{Origin: u.Start.AddDate(0, 0, 7*(2+i)), Days: 7, Low95: 0.9 * week, Low80: 0.95 * week, Median: week, High80: 1.05 * week, High95: 1.1 * week, Steady: 1.02 * week}
		if i >= graded-missed {
			p.Low95, p.Low80 = 1.05*week, 1.06*week
			p.Median, p.High80 = 1.07*week, 1.08*week
		}
		if i >= graded-beaten {
			p.Median, p.Steady = 1.08*week, 1.01*week
			p.High80 = 1.09 * week
		}
		past = append(past, p)
	}
	return past
}

// TestCorrect holds the rules: three misses among eight widen and no fewer, six of eight to which the mean of four weeks came much nearer yield and no fewer.
func TestCorrect(t *testing.T) {
	t.Parallel()
	u := busy(func(at time.Time, _ float64) float64 {
		return 1e6 * (1 + 0.001*at.Sub(time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC)).Hours()/24)
	})
	f, _ := Project(u, u.End(), model.Known{})
	week, _ := u.Between(u.End().Add(-7*day), u.End())
	month, _ := u.Between(u.End().Add(-28*day), u.End())
	for _, tc := range []struct {
		graded, missed, beaten int
		wide, yields           bool
	}{
		{8, 2, 0, false, false},
		{8, 3, 0, true, false},
		{7, 7, 7, false, false},
		{12, 3, 0, true, false},
		{8, 0, 5, false, false},
		{8, 0, 6, false, true},
		{8, 3, 8, true, true},
		{12, 0, 8, false, true},
	} {
		past := record(u, week.Total(), tc.graded, tc.missed, tc.beaten)
		got := Correct(f, past, u, model.Known{})
		name := fmt.Sprintf("%d of %d missed, %d beaten", tc.missed, tc.graded, tc.beaten)
		before, after := f.Next[model.Next30d].Total, got.Next[model.Next30d].Total
		if wider := relativeWidth(after) > 1.0001*relativeWidth(before); wider != tc.wide {
			t.Errorf("%s: wider %v, want %v", name, wider, tc.wide)
		}
		for code, want := range map[string]bool{"PROJECTION_WIDENED": tc.wide, "PROJECTION_YIELDED": tc.yields} {
			if said := slices.Contains(codes(got), code); said != want {
				t.Errorf("%s: said %s: %v, want %v", name, code, said, want)
			}
		}
		wantMonth, wantWeek := before.At(0.5), f.Next[model.Next7d].Total.At(0.5)
		if tc.yields {
			wantMonth, wantWeek = month.Total()*30/28, month.Total()/4
		}
		near(t, name+": 30 days", float64(after.At(0.5)), float64(wantMonth), 1e-9)
		near(t, name+": 7 days", float64(got.Next[model.Next7d].Total.At(0.5)), float64(wantWeek), 1e-9)
		for _, p := range append(slices.Clone(got.Next), got.Months...) {
			checkDistribution(t, name, p.Total)
		}
		if tc.yields {
			used, _ := u.Between(got.Months[0].From, u.End())
			rest := got.Months[0].To.Sub(u.End()).Hours() / 24
			near(t, name+": the month", float64(got.Months[0].Total.At(0.5)), float64(used.Total())+rest/28*float64(month.Total()), 1e-9)
			near(t, name+": the next", float64(got.Months[1].Total.At(0.5)), got.Months[1].To.Sub(got.Months[1].From).Hours()/24/28*float64(month.Total()), 1e-9)
			if got.MonthlyGrowth != 0 {
				t.Errorf("%s: growth %v of weeks that are repeated", name, got.MonthlyGrowth)
			}
		}
	}
}

// TestRecordIsOfWhatIsTold holds that ranges are recorded as they are told, and that a correction is judged by the projections without it, so that it does not undo itself.
func TestRecordIsOfWhatIsTold(t *testing.T) {
	t.Parallel()
	u := busy(usual)
	origin := u.Start.AddDate(0, 0, 7*11)
	week, _ := u.Between(u.Start.AddDate(0, 0, 70), origin)
	past := record(u, week.Total(), 8, 3, 8)
	next := Record(past, u, origin, model.Known{})
	f, _ := Project(u, origin, model.Known{})
	told := Correct(f, past, u, model.Known{})
	for _, p := range next {
		if !p.Origin.Equal(origin) {
			continue
		}
		i := slices.Index(Horizons[:], p.Days)
		d := told.Next[i].Total
		for _, pair := range [][2]model.Tokens{{p.Low95, d.At(0.025)}, {p.Low80, d.At(0.10)}, {p.Median, d.At(0.50)}, {p.High80, d.At(0.90)}, {p.High95, d.At(0.975)}, {p.Median, p.Steady}} {
			near(t, fmt.Sprintf("%d days", p.Days), float64(pair[0]), float64(pair[1]), 1e-9)
		}
		own, raw := f.Next[i].Total, p.uncorrected()
		near(t, "median before", float64(raw.Median), float64(own.At(0.50)), 1e-9)
		near(t, "low end before", float64(raw.Low95), float64(own.At(0.025)), 1e-9)
		near(t, "high end before", float64(raw.High95), float64(own.At(0.975)), 1e-9)
	}
	if before, after := judge(past, u, origin), judge(next, u, origin); before != after || !before.yields || before.widened() == 0 {
		t.Errorf("got %+v and then %+v, want the same", before, after)
	}
}

// TestYieldsAtAGain replays the record of the real series that are long enough week by week and holds that yielding pays where it happens.
func TestYieldsAtAGain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	files, err := filepath.Glob(filepath.Join(dataFolder(t), "traces", "traffic-*.csv.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no series: %v", err)
	}
	var own, told float64 // sums of errors where it yielded
	yielded, weeks := 0, 0
	for _, file := range files {
		series := load(t, file, 2, 3)
		for _, name := range slices.Sorted(maps.Keys(series)) {
			u := *series[name]
			var past []Past
			for at := u.Start.AddDate(0, 0, 21); at.AddDate(0, 0, 7).Before(u.End()); at = at.AddDate(0, 0, 7) {
				past = Record(past, u, at, model.Known{})
				for _, p := range past {
					actual, ok := measured(p, u, u.End())
					if !p.Origin.Equal(at) || p.Days != 7 || !ok || actual <= 0 {
						continue
					}
					weeks++
					if p.Own != nil {
						yielded++
						miss := func(v model.Tokens) float64 { return math.Abs(math.Log(float64(v / actual))) }
						own, told = own+miss(*p.Own), told+miss(p.Median)
					}
				}
			}
		}
	}
	t.Logf("yielded in %d of %d weeks; missed by %.4f instead of %.4f", yielded, weeks, told/float64(max(1, yielded)), own/float64(max(1, yielded)))
	if told > own || yielded == 0 || yielded > weeks/10 {
		t.Errorf("yielded in %d of %d weeks, missed by %.4f instead of %.4f in sum", yielded, weeks, told, own)
	}
}
