package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
)

// future adds up what load uses in the given days after monday.
func future(load func(at time.Time, back int) float64, days int) (sum float64) {
	for h := range 24 * days {
		sum += load(monday.Add(time.Duration(h)*time.Hour), -h)
	}
	return sum
}

// TestRobust holds the projection against what came of histories that are out of the ordinary; TestProject has gaps, outages, counter resets and level shifts, TestHolidays
// holidays.
func TestRobust(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	lastDay := func(at time.Time) bool { return at.AddDate(0, 0, 1).Day() == 1 }
	batch := func(on time.Time) func(time.Time, int) float64 {
		return func(at time.Time, back int) float64 {
			if at.Truncate(day).Equal(on) {
				return office(at, back) + 500_000
			}
			return office(at, back)
		}
	}
	day18 := time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)
	monthEnd := func(at time.Time, back int) float64 {
		if lastDay(at) {
			return office(at, back) + 300_000
		}
		return office(at, back)
	}
	lastTwo := func(at time.Time, back int) float64 {
		if lastDay(at) || lastDay(at.AddDate(0, 0, 1)) {
			return office(at, back) + 300_000
		}
		return office(at, back)
	}
	fifth := func(at time.Time, back int) float64 {
		if at.Day() == 5 {
			return office(at, back) + 500_000
		}
		return office(at, back)
	}
	ramp := func(at time.Time, back int) float64 {
		return office(at, back) * (1 - 0.95*math.Exp(-float64(60*24-back)/24/12))
	}
	rare := func(at time.Time, back int) float64 { // an hour in forty, whose size is the same
		if uint64(at.Unix()/3600)*0x9E3779B97F4A7C15>>32%40 == 0 {
			return 1e5
		}
		return 0
	}
	someDays := func(at time.Time, back int) float64 { // a day in five
		if uint64(at.Unix()/86400)*0x9E3779B97F4A7C15>>32%5 == 0 {
			return office(at, back)
		}
		return 0
	}
	summer := func(at time.Time, back int) float64 { return office(at.In(berlin), back) }
	tests := []struct {
		name        string
		hours       int
		load, later func(at time.Time, back int) float64 // the same when nil
		near        float64                              // share by which the median of 30 days may miss
		says        string                               // code and part of a warning; empty when there is to be none
	}{
		{"a batch that ran once is no level", 2880, batch(day18), office, 0.05, "BATCH_DAY 18 November 2026 had 13 times the usual use"},
		{"a batch of yesterday that is over is no level", 2880, batch(day18.AddDate(0, 0, 4)), office, 0.05, "BATCH_DAY 22 November 2026"},
		{"a batch at the end of every month goes on", 2880, monthEnd, nil, 0.05, "MONTHLY_BATCH every month has a batch on its last day, the newest on 31 October 2026"},
		{"a batch on a day of every month goes on", 2880, fifth, nil, 0.05, "MONTHLY_BATCH every month has a batch on day 5, the newest on 5 November 2026"},
		{"a batch of every weekend is the week", 2880, weekends, nil, 0.03, ""},
		{"a batch of the last two days of every month goes on", 2880, lastTwo, nil, 0.05, "MONTHLY_BATCH every month has a batch on its last 2 days, the newest on 30 October 2026"},
		{"a ramp that saturates does not go on", 1440, ramp, nil, 0.05, ""},
		{"a young ramp that saturates does not go on", 720, ramp, nil, 0.05, ""},
		{"an hour in forty", 2880, rare, nil, 0.6, ""},
		{"a day in five", 2880, someDays, nil, 0.7, ""},
		{"36 hours", 36, office, nil, 0.6, "YOUNG_WORKLOAD only 36 hours of history"},
		{"clocks that changed a month ago", 1440, summer, nil, 0.05, ""},
		{"1e15 tokens an hour", 1440, func(at time.Time, back int) float64 { return 1e15 * office(at, back) }, nil, 0.05, ""},
		{"ten years of hours", 87_600, office, nil, 0.05, ""},
		{"one hour of 1e15 tokens", 1440, func(at time.Time, back int) float64 {
			if back == 30 {
				return 1e15
			}
			return office(at, back)
		}, office, 0.05, "COUNTER_ARTEFACT 1 hour from 22 November 2026 03:00 UTC with values that a counter reset leaves"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			later := test.later
			if later == nil {
				later = test.load
			}
			f := project(t, history(test.hours, test.load))
			d, truth := f.Next[model.Next30d].Total, future(later, 30)
			if got := float64(d.At(0.5)) / truth; math.Abs(got-1) > test.near {
				t.Errorf("median of 30 days: got %.3f of what came, want it within %g", got, test.near)
			}
			if low, high := float64(d.At(0.025))/truth, float64(d.At(0.975))/truth; low > 1 || high < 1 {
				t.Errorf("95 %% range of 30 days: got %.3f to %.3f of what came", low, high)
			}
			said := make([]string, len(f.Warnings))
			for i, w := range f.Warnings {
				said[i] = w.Code + " " + w.Text
			}
			if test.says == "" && len(said) > 0 || test.says != "" && !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, test.says) }) {
				t.Errorf("warnings: got %q, want %q", said, test.says)
			}
		})
	}
}

// TestClocksChange projects on the days around a change of the clocks: the shape follows within the month, and no day is lost.
func TestClocksChange(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []time.Time{time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)} {
		for hours := -30; hours <= 30; hours += 5 {
			origin := change.Add(time.Duration(hours) * time.Hour)
			u := model.Usage{Start: origin.AddDate(0, 0, -60)}
			for at := u.Start; at.Before(origin); at = at.Add(time.Hour) {
				u.Hours = append(u.Hours, model.Hour{Coverage: 1, Tokens: model.Volume{model.Input: model.Tokens(office(at.In(berlin), 0))}})
			}
			truth := 0.0
			for h := range 168 {
				truth += office(origin.Add(time.Duration(h)*time.Hour).In(berlin), 0)
			}
			f, ok := Project(u, origin, model.Known{})
			if got := float64(f.Next[model.Next7d].Total.At(0.5)) / truth; !ok || math.Abs(got-1) > 0.03 || len(f.Warnings) > 0 {
				t.Errorf("%s: got %.3f of what came, warnings %v", origin, got, f.Warnings)
			}
		}
	}
}

// TestBatches holds where batches are taken from and given back: the load and the month so far have them, what is learnt of the week has not.
func TestBatches(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		on      []string
		monthly bool
		taken   int // days
	}{
		"once":                               {[]string{"11-04"}, false, 1},
		"now and then":                       {[]string{"09-09", "10-14", "11-04"}, false, 0},
		"monthly":                            {[]string{"09-04", "10-04", "11-04"}, true, 3},
		"two days before the end of a month": {[]string{"08-29", "09-28", "10-29"}, true, 3},
		"a month without it":                 {[]string{"08-04", "10-04", "11-04"}, false, 0},
		"every fortnight":                    {[]string{"09-27", "10-11", "10-25", "11-08"}, false, 0},
		"due yesterday":                      {[]string{"09-22", "10-22", "11-22"}, true, 3},
		"yesterday, and over":                {[]string{"11-22"}, false, 1},
		"since yesterday":                    {[]string{"11-22", "11-23"}, false, 0},
		"monthly until the summer":           {[]string{"08-04", "09-04", "10-04"}, false, 0},
	} {
		u := history(120*24, func(at time.Time, back int) float64 {
			if slices.Contains(tc.on, at.Format("01-02")) {
				return office(at, back) + 300_000
			}
			return office(at, back)
		})
		s, ok := newSeries(u, monday)
		if !ok || s.batches.monthly != tc.monthly || len(s.batches.first) != tc.taken || len(s.batches.hours) != 24*tc.taken {
			t.Errorf("%s: got %v monthly %v with %d hours, want %d days", name, s.batches.first, s.batches.monthly, len(s.batches.hours), tc.taken)
		}
		var whole float64
		for _, v := range s.withBatches() {
			whole += v
		}
		sum, _ := u.Between(u.Start, monday)
		if math.Abs(whole/float64(sum.Total())-1) > 1e-9 {
			t.Errorf("%s: the hours add up to %g, want all %g", name, whole, sum.Total())
		}
		measured, _ := u.Between(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), monday)
		f := project(t, u)
		if low := f.Months[0].Total[0]; low < measured.Total() {
			t.Errorf("%s: November has %g at the lowest, want at least the %g that were used", name, low, measured.Total())
		}
		if peak := f.Load[0].TokensPerHour; tc.monthly && peak < 300_000 {
			t.Errorf("%s: the highest load is %g, want that of the batch", name, peak)
		}
	}
}

// draw makes a history at random: a level with a week and a day, growth, a shift, noise, and whatever may be wrong with it.
func draw(r *rand.Rand) model.Usage {
	n := 1 + r.IntN(150*24)
	level, growth, noise := math.Exp(30*r.Float64()), 0.02*r.NormFloat64()/24, 0.5*r.Float64()
	idle, gap, shiftAt, times := 0.0, 0.0, r.IntN(2*n), math.Exp(2*r.NormFloat64())
	if r.IntN(3) == 0 {
		idle = r.Float64()
	}
	if r.IntN(3) == 0 {
		gap = 0.5 * r.Float64()
	}
	u := model.Usage{Start: monday.Add(-time.Duration(n) * time.Hour), Hours: make([]model.Hour, n)}
	var mix [model.NumClasses]float64
	for c := range mix {
		mix[c] = r.Float64()
	}
	for i := range u.Hours {
		if r.Float64() < gap && i > 0 {
			continue
		}
		v := level * math.Exp(growth*float64(i)+noise*r.NormFloat64()) * (1.1 + math.Sin(2*math.Pi*float64(i)/24)) * (1.2 + math.Sin(2*math.Pi*float64(i)/168))
		if i >= shiftAt {
			v *= times
		}
		if r.Float64() < idle {
			v = 0
		}
		switch r.IntN(3000) {
		case 0:
			v *= -500
		case 1:
			v *= 1e6
		case 2:
			v = math.NaN()
		case 3:
			v = math.Inf(1)
		}
		h := model.Hour{Coverage: 1, Requests: v / 1000}
		for c, share := range mix {
			h.Tokens[c] = model.Tokens(v * share)
		}
		u.Hours[i] = h
	}
	return u
}

// TestConsistent draws histories and holds every law of the quantile paths for each.
func TestConsistent(t *testing.T) {
	t.Parallel()
	draws := 3000
	if testing.Short() {
		draws = 300
	}
	r := rand.New(rand.NewPCG(20261127, 2))
	monthStart, monthEnd := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range draws {
		u := draw(r)
		what := func(text string) string { return fmt.Sprintf("draw %d, %d hours: %s", i, len(u.Hours), text) }
		f, ok := Project(u, monday, model.Known{})
		if !ok {
			if s, has := newSeries(u, monday); has {
				t.Fatalf("%s", what(fmt.Sprintf("no projection of %d days", len(s.days))))
			}
			continue
		}
		for _, p := range append(slices.Clone(f.Next), f.Months...) {
			checkDistribution(t, what(p.From.Format(time.DateOnly)), p.Total)
			var classes model.Distribution
			for _, c := range model.Classes {
				for q, v := range p.Class(c) {
					classes[q] += v
				}
			}
			for q, v := range p.Total {
				if math.Abs(float64(classes[q]-v)) > 1e-9*float64(v) && p.Mix != ([model.NumClasses]model.Fraction{}) {
					t.Fatalf("%s", what(fmt.Sprintf("classes add up to %g, want %g", classes[q], v)))
				}
			}
		}
		checkLonger(t, what("30 days"), f.Next[model.Next7d].Total, f.Next[model.Next30d].Total)
		checkLonger(t, what("90 days"), f.Next[model.Next30d].Total, f.Next[model.Next90d].Total)
		if i%10 != 0 {
			continue
		}
		// The medians of the months add up to that of the whole way to their end.
		o, _ := newOutlook(u, monday, 400, model.Known{})
		sum := float64(f.Months[0].Total.At(0.5) - o.sinceMonthBegan(u, monthStart))
		for m := 1; m < len(f.Months); m++ {
			sum += float64(f.Months[m].Total.At(0.5))
			whole, _ := Total(u, monday, monthEnd.AddDate(0, m, 0).Sub(monday), model.Known{})
			if want := float64(whole.At(0.5)); math.Abs(sum-want) > 1e-6*want {
				t.Fatalf("%s", what(fmt.Sprintf("%d months add up to %g, want %g", m, sum, want)))
			}
		}
		if again, _ := Project(u, monday, model.Known{}); !cmp.Equal(f, again) {
			t.Fatalf("%s", what("the same history gives another projection"))
		}
	}
}

// TestRebase measures after how many days a projection is back within a tenth of the new level, and that it still knows the week then. README.md has the figures.
func TestRebase(t *testing.T) {
	t.Parallel()
	const workloads, most, near = 40, 14, 0.1
	weekend := func(f model.Forecast) (share float64) {
		for _, s := range f.HourOfWeek[5*24:] {
			share += s
		}
		return share
	}
	var row []string
	for _, times := range []float64{0.3, 0.5, 1.6, 2, 3} {
		r := rand.New(rand.NewPCG(20261127, 3))
		var days []float64
		for range workloads {
			stray := make([]float64, 120)
			for i := range stray {
				stray[i] = math.Exp(0.05 * r.NormFloat64())
			}
			weekday := r.IntN(week)
			ago := func(back int) model.Usage {
				return history(60*24, func(at time.Time, b int) float64 {
					v := office(at.AddDate(0, 0, weekday), b) * stray[(b-back*24+20*24)/24] // the change comes on any day of the week
					if b <= 24*back {
						v *= times
					}
					return v
				})
			}
			after, before := most+1, weekend(project(t, ago(0)))
			for back := most; back >= 1; back-- {
				f := project(t, ago(back))
				if got := float64(f.Next[model.Next7d].Total.At(0.5)) / weekOf() / times; math.Abs(got-1) > near {
					break
				}
				after = back
				if share := weekend(f); share < before/1.5 || share > before*1.5 {
					t.Errorf("×%g, %d days later: the weekend has %.3f of the week, want about the %.3f of before", times, back, share, before)
				}
			}
			days = append(days, float64(after))
		}
		slices.Sort(days)
		if days[workloads*9/10] > most {
			t.Errorf("×%g: nine of ten workloads take more than %d days", times, most)
		}
		row = append(row, fmt.Sprintf("%.0f / %.0f", days[workloads/2], days[workloads*9/10]))
	}
	documented(t, "| days until within a tenth, median / 90 % of workloads | "+strings.Join(row, " | ")+" |")
}

// BenchmarkFleet projects workloads of 180 days; the goals are 1 s for 100 on one core and 2 minutes for 10,000 on two.
func BenchmarkFleet(b *testing.B) {
	r := rand.New(rand.NewPCG(20261127, 4))
	fleet := make([]model.Usage, 100) // as many as fit into memory on a small machine
	for i := range fleet {
		level := math.Exp(4 * r.NormFloat64())
		fleet[i] = history(180*24, func(at time.Time, back int) float64 { return level * office(at, back) * math.Exp(0.3*r.NormFloat64()) })
	}
	for _, size := range []struct{ workloads, cores int }{{100, 1}, {10_000, 2}} {
		b.Run(fmt.Sprintf("%d workloads on %d", size.workloads, size.cores), func(b *testing.B) {
			for b.Loop() {
				var tasks sync.WaitGroup
				for c := range size.cores {
					tasks.Go(func() {
						for i := c; i < size.workloads; i += size.cores {
							Project(fleet[i%len(fleet)], monday, model.Known{})
						}
					})
				}
				tasks.Wait()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
		})
	}
}
