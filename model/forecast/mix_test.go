package forecast

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// mixed returns the hours of n days before monday of a workload whose cached share has the log odds that odds gives for each day from monday, with noise that lasts
// from day to day, and whose volume has the rhythm of an office; and the mean shares of the days after it.
func mixed(r *rand.Rand, n, after int, noise float64, odds func(day int) float64) (u model.Usage, shares [model.NumClasses]float64) {
	u = model.Usage{Workload: "mixed", Start: monday.AddDate(0, 0, -n)}
	lasting, total := 0.0, 0.0
	for d := -n; d < after; d++ {
		lasting = 0.7*lasting + noise*r.NormFloat64()
		cached := 0.8 / (1 + math.Exp(-odds(d)-lasting))
		day := model.Volume{model.Input: model.Tokens(0.8 - cached), model.CacheRead: model.Tokens(cached), model.Output: 0.2}
		for h := range 24 {
			hour := model.Hour{Coverage: 1, Requests: 10}
			load := office(monday.Add(time.Duration(24*d+h)*time.Hour), 0)
			for c := range day {
				hour.Tokens[c] = day[c] * model.Tokens(load)
			}
			if d < 0 {
				u.Hours = append(u.Hours, hour)
				continue
			}
			for c, v := range hour.Tokens {
				shares[c] += float64(v)
			}
			total += float64(hour.Tokens.Total())
		}
	}
	for c := range shares {
		shares[c] /= total
	}
	return u, shares
}

// TestMixMoves holds that a share that moves is projected to move on, which is better than the mix of the last four weeks, and that one that does not, or moved once, is
// projected as well as with it. The error is the distance of the shares of the 90 days ahead.
func TestMixMoves(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		odds func(day int) float64
		most float64 // error over that of the mix of four weeks
	}{
		{"still", func(int) float64 { return 0 }, 1.02},
		{"a tenth of the odds a week", func(d int) float64 { return 0.1 * float64(d) / 7 }, 0.6},
		{"as much downwards", func(d int) float64 { return -0.1 * float64(d) / 7 }, 0.6},
		{"a twentieth a week", func(d int) float64 { return 0.05 * float64(d) / 7 }, 0.85},
		{"one step five weeks ago", func(d int) float64 { return float64(2 * min(1, max(0, d+36))) }, 2}, // of less than half a point
		{"one step two weeks ago", func(d int) float64 { return float64(2 * min(1, max(0, d+15))) }, 1.02},
	} {
		const days, draws = 90, 30
		r := rand.New(rand.NewPCG(20261129, 1))
		var own, still float64
		for range draws {
			u, actual := mixed(r, 120, days, 0.05, tc.odds)
			o, _ := newOutlook(u, monday, days, model.Known{})
			sum, _ := o.recent(u)
			m := o.newMix(u, sum)
			projected := m.of(o.until(monday.AddDate(0, 0, days), o.split(m)))
			for c, share := range sharesOf(sum) {
				own += math.Abs(float64(projected[c])-actual[c]) / draws
				still += math.Abs(share-actual[c]) / draws
			}
		}
		t.Logf("%s: error %.4f, of the mix of four weeks %.4f", tc.name, own, still)
		if own > tc.most*still {
			t.Errorf("%s: got an error of %.4f, want at most %.2f of the %.4f of the mix of four weeks", tc.name, own, tc.most, still)
		}
	}
}

// TestClassesAddUp holds, for mixes that move any way, that the shares of every span sum to one and that the classes of the months add up to those of the way to their end.
func TestClassesAddUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(20261129, 2))
	moved := 0
	for i := range 40 {
		slope := 0.3 * r.NormFloat64()
		u, _ := mixed(r, 10+r.IntN(110), 0, 0.1*r.Float64(), func(d int) float64 { return slope * float64(d) / 7 })
		f := project(t, u)
		for _, p := range append(f.Next, f.Months...) {
			sum := 0.0
			for _, share := range p.Mix {
				if !(share >= 0) {
					t.Fatalf("draw %d: got a share of %v", i, share)
				}
				sum += float64(share)
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Fatalf("draw %d: shares sum to %v, want 1", i, sum)
			}
		}
		o, _ := newOutlook(u, monday, 400, model.Known{})
		sum, _ := o.recent(u)
		split := o.split(o.newMix(u, sum))
		end := f.Months[len(f.Months)-1].To
		want := o.until(end, split)
		var got model.Volume
		for _, month := range f.Months[1:] {
			got = got.Add(month.At(month.Total.At(0.5)))
		}
		got = got.Add(o.until(f.Months[0].To, split))
		for c := range want {
			if math.Abs(float64(got[c]-want[c])) > 1e-6*float64(want.Total()) {
				t.Errorf("draw %d: %v: months add up to %v, want %v", i, model.Class(c), got[c], want[c])
			}
		}
		if f.Next[model.Next90d].Mix != f.Next[model.Next7d].Mix {
			moved++
		}
	}
	if moved < 20 {
		t.Errorf("the mix of %d workloads moves, want more to judge by", moved)
	}
}

// TestMixIsExplained holds that an explanation names the shares that move, and none where they stand still.
func TestMixIsExplained(t *testing.T) {
	t.Parallel()
	for slope, want := range map[float64]bool{0: false, 0.1: true} {
		u, _ := mixed(rand.New(rand.NewPCG(20261129, 3)), 120, 0, 0, func(d int) float64 { return slope * float64(d) / 7 })
		lines, _ := Explain(u, monday, model.Known{})
		text := strings.Join(lines, "\n")
		if got := strings.Contains(text, "classes      shares today and in 30 days: input 41%, 35%; cache_read 39%, 46%; "); got != want {
			t.Errorf("%g a week: got\n%s", slope, text)
		}
	}
}

// TestMixDoesNotGrowForEver holds that a class of which little was used, however fast it has been growing, is not projected to be all there is.
func TestMixDoesNotGrowForEver(t *testing.T) {
	t.Parallel()
	u, _ := mixed(rand.New(rand.NewPCG(20261129, 4)), 56, 0, 0, func(d int) float64 { return float64(d)/7 - 4 })
	o, _ := newOutlook(u, monday, 400, model.Known{})
	sum, _ := o.recent(u)
	m := o.newMix(u, sum)
	odds := func(s [model.NumClasses]float64) float64 { return s[model.CacheRead] / s[model.Input] }
	if times := odds(m.at(400)) / odds(m.shares); times < 2 || times > math.Exp(furthest)*1.1 {
		t.Errorf("the odds grow %.3g times, want more than twice and at most %.3g", times, math.Exp(furthest))
	}
}
