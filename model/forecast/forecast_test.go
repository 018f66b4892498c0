package forecast

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
)

// monday is the origin of most tests: a Monday, at an hour that is not midnight.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// history makes n hours of usage before monday; load gets the start of an hour and its place counted back from the origin,
// 1 being the last hour.
func history(n int, load func(at time.Time, back int) float64) model.Usage {
	u := model.Usage{Workload: "test", Start: monday.Add(-time.Duration(n) * time.Hour), Hours: make([]model.Hour, n)}
	for i := range u.Hours {
		v := load(u.Start.Add(time.Duration(i)*time.Hour), n-i)
		u.Hours[i] = model.Hour{Coverage: 1, Requests: v / 1000}
		u.Hours[i].Tokens[model.Input] = model.Tokens(0.75 * v)
		u.Hours[i].Tokens[model.Output] = model.Tokens(0.25 * v)
	}
	return u
}

// office is the load of a workload used in working hours: 1.2M tokens a day and less on weekends, with a stray of some
// percent that depends on the hour alone.
func office(at time.Time, _ int) float64 {
	v := 20_000 + 60_000*max(0, math.Sin(math.Pi*float64(at.Hour()-6)/14))
	if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		v *= 0.3
	}
	return v * (1 + 0.2*math.Sin(float64(at.Unix()/3600)*1.7))
}

// weekOf is the tokens of a week of office.
func weekOf() float64 {
	sum := 0.0
	for h := range 168 {
		sum += office(monday.Add(time.Duration(h)*time.Hour), 0)
	}
	return sum
}

func project(t *testing.T, u model.Usage) model.Forecast {
	t.Helper()
	f, ok := Project(u, monday, model.Known{})
	if !ok {
		t.Fatalf("%d hours of history: no forecast", len(u.Hours))
	}
	return f
}

func codes(f model.Forecast) (out []string) {
	for _, w := range f.Warnings {
		out = append(out, w.Code)
	}
	return out
}

// workloads are the histories that every law must hold for.
var workloads = map[string]model.Usage{
	"office, 60 days":  history(1440, office),
	"one hour":         history(1, office),
	"36 hours":         history(36, office),
	"eight days":       history(8*24, office),
	"a year":           history(365*24, office),
	"all zero":         history(1000, func(time.Time, int) float64 { return 0 }),
	"weekends only":    history(1440, weekends),
	"grows 20% a week": history(1440, func(at time.Time, back int) float64 { return office(at, back) * math.Pow(1.2, -float64(back)/168) }),
	"falls to nothing": history(1440, func(at time.Time, back int) float64 { return office(at, back) * math.Pow(0.3, 9-float64(back)/168) }),
	"launched":         history(240, func(at time.Time, back int) float64 { return office(at, back) * math.Pow(float64(241-back), 3) }),
	"one busy hour":    history(1000, func(_ time.Time, back int) float64 { return map[bool]float64{back == 300: 1e6}[true] }),
	"ended a month ago": history(1440, func(at time.Time, back int) float64 {
		if back < 720 {
			return 0
		}
		return office(at, back)
	}),
	"huge":     history(1440, func(at time.Time, back int) float64 { return 1e12 * office(at, back) }),
	"tiny":     history(1440, func(at time.Time, back int) float64 { return 1e-9 * office(at, back) }),
	"negative": negative(history(1440, office)),
	"sparse":   sparse(history(1440, office)),
	"silent":   silent(history(6000, office)),
}

func weekends(at time.Time, _ int) float64 {
	if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		return 50_000
	}
	return 0
}

func negative(u model.Usage) model.Usage {
	for i := 0; i < len(u.Hours); i += 50 {
		u.Hours[i].Tokens[model.Input] = -1e12
	}
	return u
}

// sparse leaves one measured hour a day.
func sparse(u model.Usage) model.Usage {
	for i := range u.Hours {
		if i%24 != 5 {
			u.Hours[i] = model.Hour{}
		}
	}
	return u
}

// silent leaves nothing measured of the last 200 days.
func silent(u model.Usage) model.Usage {
	for i := len(u.Hours) - 200*24; i < len(u.Hours); i++ {
		u.Hours[i] = model.Hour{}
	}
	return u
}

// checkDistribution checks the law of every distribution: finite, not negative, not falling.
func checkDistribution(t *testing.T, what string, d model.Distribution) {
	t.Helper()
	for i, v := range d {
		if !(v >= 0) || math.IsInf(float64(v), 0) || i > 0 && v < d[i-1] {
			t.Fatalf("%s: got %v, want finite, non-negative, ordered quantiles", what, d)
		}
	}
}

// checkLonger checks that more time never has less of a total.
func checkLonger(t *testing.T, what string, short, long model.Distribution) {
	t.Helper()
	for i := range short {
		if long[i] < short[i] {
			t.Errorf("%s: at level %g got %g, want at least the %g of the shorter span", what, model.Levels[i], long[i], short[i])
		}
	}
}

func TestLaws(t *testing.T) {
	t.Parallel()
	for name, u := range workloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := project(t, u)
			for i, p := range append(slices.Clone(f.Next), f.Months...) {
				checkDistribution(t, p.From.Format(time.DateOnly), p.Total)
				var classes model.Distribution
				for _, c := range model.Classes {
					for q, v := range p.Class(c) {
						classes[q] += v
					}
				}
				for q, v := range p.Total {
					if f.Next[0].Mix != ([model.NumClasses]model.Fraction{}) && math.Abs(float64(classes[q]-v)) > 1e-9*float64(v) {
						t.Errorf("projection %d: classes add up to %g, want %g", i, classes[q], v)
					}
				}
			}
			for i := 1; i < len(f.Next); i++ {
				checkLonger(t, f.Next[i].To.Format(time.DateOnly), f.Next[i-1].Total, f.Next[i].Total)
			}
			if got := len(f.Months); got != 13 {
				t.Errorf("got %d months, want the current one and 12 more", got)
			}
			shape := 0.0
			for _, share := range f.HourOfWeek {
				shape += share
			}
			if math.Abs(shape-1) > 1e-9 {
				t.Errorf("hour of week sums to %g, want 1", shape)
			}
			for i := 1; i < len(f.Load); i++ {
				if f.Load[i].TokensPerHour > f.Load[i-1].TokensPerHour {
					t.Errorf("load curve rises at block %d", i)
				}
			}
			if n := len(f.Load); n > loadBlocks {
				t.Errorf("load curve has %d blocks, want at most %d", n, loadBlocks)
			}
			if g := float64(f.MonthlyGrowth); math.IsNaN(g) || g <= -1 || math.IsNaN(f.Requests30d) || f.Requests30d < 0 {
				t.Errorf("growth %g, requests %g: want numbers", g, f.Requests30d)
			}
			if again := project(t, u); !cmp.Equal(f, again) {
				t.Errorf("the same history gives another forecast: %s", cmp.Diff(f, again))
			}
		})
	}
}

func TestSpansAndMonthsAgree(t *testing.T) {
	t.Parallel()
	u := workloads["grows 20% a week"]
	f := project(t, u)
	// The rest of November and December are 7 days 15 hours and 31 days of the same path.
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	whole, ok := Total(u, monday, end.Sub(monday), model.Known{})
	measured, _ := u.Between(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), monday)
	got := float64(f.Months[0].Total.At(0.5) - measured.Total() + f.Months[1].Total.At(0.5))
	if want := float64(whole.At(0.5)); !ok || math.Abs(got/want-1) > 1e-9 {
		t.Errorf("rest of November and December: got %g, want the median of both together, %g", got, want)
	}
	week, _ := Total(u, monday, 7*day, model.Known{})
	if diff := cmp.Diff(f.Next[model.Next7d].Total, week); diff != "" {
		t.Errorf("Project and Total differ: %s", diff)
	}
	if f.Months[0].Total[0] < measured.Total() {
		t.Errorf("November: got %g at the lowest, want at least the %g that were measured", f.Months[0].Total[0], measured.Total())
	}
	for i := 2; i < len(f.Months); i++ {
		near, far := relativeWidth(f.Months[i-1].Total), relativeWidth(f.Months[i].Total)
		if far < near {
			t.Errorf("month %d: relative width %g, want at least the %g of the month before", i, far, near)
		}
	}
}

func relativeWidth(d model.Distribution) float64 { return float64(d.At(0.9) / d.At(0.1)) }

func TestNothingAtOrAfterTheOriginIsRead(t *testing.T) {
	t.Parallel()
	u := history(1440, office)
	want := project(t, u)
	for range 500 {
		h := model.Hour{Coverage: 1, Requests: 1e9}
		h.Tokens[model.CacheRead] = 1e15
		u.Hours = append(u.Hours, h)
	}
	if diff := cmp.Diff(want, project(t, u)); diff != "" {
		t.Errorf("the future changes the forecast (-want +got):\n%s", diff)
	}
}

func TestScalingTheVolumeScalesTheForecast(t *testing.T) {
	t.Parallel()
	small, large := project(t, history(1440, office)), project(t, history(1440, func(at time.Time, back int) float64 { return 1024 * office(at, back) }))
	for i := range small.Next {
		for q, v := range small.Next[i].Total {
			if want, got := 1024*float64(v), float64(large.Next[i].Total[q]); math.Abs(got/want-1) > 1e-9 {
				t.Errorf("span %d at %g: got %g, want %g", i, model.Levels[q], got, want)
			}
		}
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	usual := weekOf()
	tests := []struct {
		name          string
		usage         model.Usage
		least, most   float64 // bounds on the median of the next week over a usual one
		wide          float64 // smallest 90 % over 10 % quantile
		narrow        float64 // largest
		warns, silent []string
	}{
		{
			name: "a steady workload is projected closely", usage: history(1440, office),
			least: 0.97, most: 1.04, wide: 1.02, narrow: 1.3, silent: []string{"YOUNG_WORKLOAD", "LEVEL_SHIFT", "GAP", "OUTAGE", "COUNTER_ARTEFACT"},
		},
		{
			name: "one hour is enough, and very wide", usage: history(1, office),
			least: 0.1, most: 5, wide: 20, narrow: math.Inf(1), warns: []string{"YOUNG_WORKLOAD"},
		},
		{
			name: "36 hours are wide", usage: history(36, office),
			least: 0.4, most: 2, wide: 2, narrow: 20, warns: []string{"YOUNG_WORKLOAD"},
		},
		{
			name: "a level shift three days ago is followed", usage: history(1440, func(at time.Time, back int) float64 {
				if back <= 72 {
					return 2.9 * office(at, back)
				}
				return office(at, back)
			}),
			least: 2.3, most: 3.5, wide: 1.2, narrow: 20, warns: []string{"LEVEL_SHIFT"},
		},
		{
			name: "a drop three days ago is followed", usage: history(1440, func(at time.Time, back int) float64 {
				if back <= 72 {
					return 0.3 * office(at, back)
				}
				return office(at, back)
			}),
			least: 0.22, most: 0.4, wide: 1.2, narrow: 20, warns: []string{"LEVEL_SHIFT"},
		},
		{
			name: "growth goes on", usage: history(1440, func(at time.Time, back int) float64 { return office(at, back) * math.Pow(1.2, -float64(back)/168) }),
			least: 1.02, most: 1.25, wide: 1.02, narrow: 1.5, silent: []string{"LEVEL_SHIFT"},
		},
		{
			name: "hours that nobody measured are not idle", usage: unmeasured(history(1440, office), 100, 6),
			least: 0.95, most: 1.05, wide: 1.02, narrow: 1.4, warns: []string{"GAP"},
		},
		{
			name: "hours that are still on their way are no gap", usage: unmeasured(history(1440, office), 2, 2),
			least: 0.95, most: 1.05, wide: 1.02, narrow: 1.4, silent: []string{"GAP"},
		},
		{
			name: "two unmeasured days are not idle", usage: unmeasured(history(1440, office), 72, 48),
			least: 0.93, most: 1.07, wide: 1.02, narrow: 1.4, warns: []string{"GAP"},
		},
		{
			name: "a workload nobody measured for three days goes on", usage: unmeasured(history(1440, office), 72, 72),
			least: 0.9, most: 1.1, wide: 1.02, narrow: 1.5, warns: []string{"GAP"},
		},
		{
			name: "zeros of an outage are not idle hours", usage: history(1440, func(at time.Time, back int) float64 {
				if back > 60 && back <= 90 {
					return 0
				}
				return office(at, back)
			}),
			least: 0.95, most: 1.05, wide: 1.02, narrow: 1.4, warns: []string{"OUTAGE"}, silent: []string{"LEVEL_SHIFT"},
		},
		{
			name: "what counter resets leave is survived", usage: resets(history(1440, office)),
			least: 0.95, most: 1.05, wide: 1.02, narrow: 1.4, warns: []string{"COUNTER_ARTEFACT"}, silent: []string{"LEVEL_SHIFT"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := project(t, test.usage)
			d := f.Next[model.Next7d].Total
			if got := float64(d.At(0.5)) / usual; got < test.least || got > test.most {
				t.Errorf("median of the next week: got %.3f of a usual week, want %g to %g", got, test.least, test.most)
			}
			if got := relativeWidth(d); got < test.wide || got > test.narrow {
				t.Errorf("90 %% over 10 %% quantile: got %.3f, want %g to %g", got, test.wide, test.narrow)
			}
			for _, code := range test.warns {
				if !slices.Contains(codes(f), code) {
					t.Errorf("warnings: got %v, want %s", f.Warnings, code)
				}
			}
			for _, code := range test.silent {
				if slices.Contains(codes(f), code) {
					t.Errorf("warnings: got %v, want no %s", f.Warnings, code)
				}
			}
		})
	}
}

// unmeasured takes away n hours, the first of them back hours before the origin.
func unmeasured(u model.Usage, back, n int) model.Usage {
	for i := len(u.Hours) - back; i < len(u.Hours)-back+n; i++ {
		u.Hours[i] = model.Hour{}
	}
	return u
}

// resets puts the marks of counter resets into u: negative hours and hours hundreds of times too large, two in one day.
func resets(u model.Usage) model.Usage {
	for back, factor := range map[int]model.Tokens{400: -900, 90: 800, 80: 500, 20: -300, 1: 700} {
		h := &u.Hours[len(u.Hours)-back]
		for c := range h.Tokens {
			h.Tokens[c] *= factor
		}
	}
	return u
}

func TestWeekendsOnly(t *testing.T) {
	t.Parallel()
	f := project(t, history(1440, weekends))
	const usual = 48 * 50_000
	if got := float64(f.Next[model.Next7d].Total.At(0.5)); math.Abs(got/usual-1) > 0.03 {
		t.Errorf("next week: got %g, want about %d", got, usual)
	}
	// From Monday 09:00 on, five idle days come first.
	d, _ := Total(history(1440, weekends), monday, 4*day, model.Known{})
	if got := float64(d.At(0.5)); got > 0.15*usual {
		t.Errorf("Monday to Friday: got %g, want next to nothing", got)
	}
	weekend := 0.0
	for _, share := range f.HourOfWeek[5*24:] {
		weekend += share
	}
	if weekend < 0.999 {
		t.Errorf("share of the weekend: got %g, want 1", weekend)
	}
}

func TestHourOfWeekStartsOnMonday(t *testing.T) {
	t.Parallel()
	f := project(t, history(1440, func(at time.Time, _ int) float64 {
		if at.Weekday() == time.Tuesday && at.Hour() == 3 {
			return 1e6
		}
		return 1
	}))
	if got := slices.Index(f.HourOfWeek[:], slices.Max(f.HourOfWeek[:])); got != 24+3 {
		t.Errorf("busiest hour: got %d, want 27, Tuesday 03:00", got)
	}
}

func TestLoadCurve(t *testing.T) {
	t.Parallel()
	f := project(t, history(1440, office))
	var hours, volume float64
	for _, b := range f.Load {
		hours, volume = hours+b.Hours, volume+b.Hours*float64(b.TokensPerHour)
	}
	if hours != 4*168 {
		t.Errorf("got %g hours, want four weeks", hours)
	}
	if got := volume / 4 / weekOf(); math.Abs(got-1) > 0.02 {
		t.Errorf("got %.3f of the measured volume, want all", got)
	}
	if got := project(t, history(36, office)).Load; len(got) != 36 {
		t.Errorf("36 hours: got %d blocks, want all hours", len(got))
	}
}

func TestMixAndRequests(t *testing.T) {
	t.Parallel()
	f := project(t, resets(history(1440, office)))
	want := [model.NumClasses]model.Fraction{model.Input: 0.75, model.Output: 0.25}
	if diff := cmp.Diff(want, f.Next[0].Mix, cmp.Comparer(func(a, b model.Fraction) bool { return math.Abs(float64(a-b)) < 1e-9 })); diff != "" {
		t.Errorf("mix (-want +got):\n%s", diff)
	}
	if got, want := f.Requests30d, float64(f.Next[model.Next30d].Total.At(0.5))/1000; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("requests: got %g, want %g", got, want)
	}
}

func TestMonthlyGrowth(t *testing.T) {
	t.Parallel()
	if got := project(t, history(1440, office)).MonthlyGrowth; math.Abs(float64(got)) > 0.05 {
		t.Errorf("a steady workload: got %g, want about 0", got)
	}
	if got := project(t, workloads["grows 20% a week"]).MonthlyGrowth; got < 0.4 || got > 1.3 {
		t.Errorf("20%% a week: got %g, want a large part of 1.18", got)
	}
}

func TestWarningsNameDates(t *testing.T) {
	t.Parallel()
	u := history(1440, func(at time.Time, back int) float64 {
		if !at.Before(time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC)) {
			return 2.9 * office(at, back)
		}
		return office(at, back)
	})
	u = unmeasured(u, 100, 6)
	var got strings.Builder
	for _, w := range project(t, u).Warnings {
		got.WriteString(w.Text + "\n")
	}
	for _, want := range []string{"level shift on 12 November 2026, ×2.9", "gap of 6 hours from 19 November 2026 05:00 UTC"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("got %q, want %q in it", got.String(), want)
		}
	}
}

func TestNoForecastWithoutAMeasuredHour(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]model.Usage{
		"no hours":           {Start: monday},
		"nothing measured":   {Start: monday.Add(-48 * time.Hour), Hours: make([]model.Hour, 48)},
		"starts later":       {Start: monday.Add(time.Hour), Hours: []model.Hour{{Coverage: 1}}},
		"starts at the time": {Start: monday, Hours: []model.Hour{{Coverage: 1}}},
	} {
		if f, ok := Project(u, monday, model.Known{}); ok {
			t.Errorf("%s: got %v, want no forecast", name, f.Next)
		}
		if d, ok := Total(u, monday, 7*day, model.Known{}); ok {
			t.Errorf("%s: got %v, want no total", name, d)
		}
	}
}

// FuzzProject feeds whatever bytes make of hours and checks the laws.
func FuzzProject(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{0, 255, 3, 4, 128, 128, 128, 7, 90, 0, 0, 0, 0, 0, 17})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			t.Skip("longer histories only take longer")
		}
		u := model.Usage{Start: monday.Add(-time.Duration(6*len(data)) * time.Hour)}
		for i := range 6 * len(data) {
			b := data[i/6]
			h := model.Hour{Coverage: model.Fraction(b%3) / 2}
			h.Tokens[model.Input] = model.Tokens(math.Exp2(float64(b)/4)-2) * model.Tokens(1+i%5)
			if b == 200 {
				h.Tokens[model.Input] = model.Tokens(math.Inf(1))
			}
			if b == 203 {
				h.Tokens[model.Output] = model.Tokens(math.NaN())
			}
			u.Hours = append(u.Hours, h)
		}
		p, ok := Project(u, monday, model.Known{})
		if !ok {
			return
		}
		for _, span := range append(p.Next, p.Months...) {
			checkDistribution(t, span.From.String(), span.Total)
		}
		checkLonger(t, "30 days", p.Next[model.Next7d].Total, p.Next[model.Next30d].Total)
		checkLonger(t, "90 days", p.Next[model.Next30d].Total, p.Next[model.Next90d].Total)
	})
}

func BenchmarkProject(b *testing.B) {
	for name, days := range map[string]int{"60 days": 60, "180 days": 180, "365 days": 365} {
		u := history(24*days, office)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Project(u, monday, model.Known{})
			}
		})
	}
}
