package forecast

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// families are kinds of workloads on which nothing was fitted: what a day has over the usual one. All have noise of their own that lasts from day to day.
var families = []struct {
	name string
	load func(r *rand.Rand, f family, weekend bool, day int) float64 // of a day from the origin
}{
	{"working days", func(_ *rand.Rand, _ family, weekend bool, _ int) float64 {
		return map[bool]float64{false: 1, true: 0.01}[weekend]
	}},
	{"weekends", func(_ *rand.Rand, _ family, weekend bool, _ int) float64 {
		return map[bool]float64{false: 0, true: 1}[weekend]
	}},
	{"quiet weekends", func(_ *rand.Rand, _ family, weekend bool, _ int) float64 {
		return map[bool]float64{false: 1, true: 0.4}[weekend]
	}},
	{"growth", func(_ *rand.Rand, f family, _ bool, day int) float64 { return math.Exp(f.growth * float64(day)) }},
	{"a change of level", func(_ *rand.Rand, f family, _ bool, day int) float64 {
		return math.Pow(f.step, float64(min(1, max(0, day-f.stepAt))))
	}},
	{"flat", func(*rand.Rand, family, bool, int) float64 { return 1 }},
	{"batches now and then", func(r *rand.Rand, _ family, _ bool, _ int) float64 {
		return 1 + float64(r.IntN(10)/9)*(4+5*r.Float64())
	}},
	{"idle days", func(r *rand.Rand, f family, _ bool, _ int) float64 {
		return max(0, math.Copysign(1, r.Float64()-f.idle))
	}},
}

// family is what the workloads of one differ in.
type family struct {
	growth, step, idle float64
	stepAt             int // days from the origin
}

// TestCalibratedElsewhere holds that the intervals mean what they say on workloads of three weeks to four months on which nothing was fitted, and that README.md says how often.
func TestCalibratedElsewhere(t *testing.T) {
	t.Parallel()
	const each = 60
	var table strings.Builder
	var in80, in95 float64
	for i, of := range families {
		fmt.Fprintf(&table, "| %s |", of.name)
		for _, days := range [...]int{7, 30} {
			var inside80, inside95, own, naive float64
			for seed := range uint64(each) {
				r := rand.New(rand.NewPCG(seed, uint64(100*i+days)))
				age := 20 + r.IntN(100)
				f := family{growth: 0.015 * r.NormFloat64(), step: math.Exp(r.NormFloat64()), idle: 0.2 + 0.5*r.Float64(), stepAt: -r.IntN(age)}
				u := model.Usage{Start: monday.AddDate(0, 0, -age)}
				spread, stray, actual, week := 0.05+0.25*r.Float64(), 0.0, 0.0, 0.0
				for d := -age; d < days; d++ {
					stray = 0.6*stray + spread*r.NormFloat64()
					weekday := monday.AddDate(0, 0, d).Weekday()
					load := 1e6 * math.Exp(stray) * of.load(r, f, weekday == time.Saturday || weekday == time.Sunday, d)
					if d >= 0 {
						actual += load
						continue
					}
					for range 24 {
						u.Hours = append(u.Hours, model.Hour{Coverage: 1, Tokens: model.Volume{model.Input: model.Tokens(load / 24)}})
					}
					if d >= -7 {
						week += load
					}
				}
				total, _ := Total(u, monday, time.Duration(days)*day, model.Known{})
				inside80 += within(actual, float64(total.At(0.1)), float64(total.At(0.9))) / each
				inside95 += within(actual, float64(total.At(0.025)), float64(total.At(0.975))) / each
				miss := func(tokens float64) float64 {
					return math.Abs(math.Log(tokens/actual+offset)-math.Log(1+offset)) / each
				}
				own, naive = own+miss(float64(total.At(0.5))), naive+miss(week/7*float64(days))
			}
			fmt.Fprintf(&table, " %.2f | %.2f | %.3f | %.3f |", inside80, inside95, own, naive)
			in80, in95 = in80+inside80/float64(2*len(families)), in95+inside95/float64(2*len(families))
		}
		table.WriteString("\n")
	}
	t.Logf("cov80 %.3f cov95 %.3f\n%s", in80, in95, table.String())
	if in80 < 0.75 || in80 > 0.85 || in95 < 0.93 || in95 > 0.97 {
		t.Errorf("cov80 %.3f, cov95 %.3f, want 0.75 to 0.85 and 0.93 to 0.97", in80, in95)
	}
	documented(t, fmt.Sprintf("of the totals %.0f %% lie inside the 80 %% intervals and %.0f %% inside those of 95 %%.", 100*in80, 100*in95))
	for line := range strings.Lines(table.String()) {
		documented(t, strings.TrimSuffix(line, "\n"))
	}
}

// TestScatter holds that days that come by chance scatter as far as their standard deviation says, whatever the unit, and that a rhythm of the week is no chance.
func TestScatter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		day    func(r *rand.Rand, i int) float64
		chance float64 // share of the standard deviation that is
	}{
		{"every day alike", func(*rand.Rand, int) float64 { return 5 }, 0},
		{"a rhythm of the week", func(_ *rand.Rand, i int) float64 { return []float64{1, 1, 1, 1, 1, 0.1, 0.1}[i%week] }, 0},
		{"never used", func(*rand.Rand, int) float64 { return 0 }, 0},
		{"a tenth more or less", func(r *rand.Rand, _ int) float64 { return 1 + 0.1*r.NormFloat64() }, 1},
		{"idle every other day, by chance", func(r *rand.Rand, _ int) float64 { return float64(r.IntN(2)) }, 1},
		{"huge", func(r *rand.Rand, _ int) float64 { return math.MaxFloat64 / 1e3 * r.Float64() }, 1},
	} {
		r := rand.New(rand.NewPCG(20261129, 1))
		days := make([]float64, 8*week)
		for i := range days {
			days[i] = tc.day(r, i)
		}
		usual, _ := mean(days)
		squares := 0.0
		for _, v := range days {
			if usual > 0 {
				squares += (v/usual - 1) * (v/usual - 1)
			}
		}
		want := tc.chance * math.Sqrt(squares/float64(len(days)))
		if got := newLevels(days).scatter(); !(math.Abs(got-want) <= 0.15*want+1e-6) {
			t.Errorf("%s: got %v, want %v within 15 %%", tc.name, got, want)
		}
		if got := newLevels(days[:10]).scatter(); got != 0 {
			t.Errorf("%s: got %v for ten days, want 0", tc.name, got)
		}
	}
}
