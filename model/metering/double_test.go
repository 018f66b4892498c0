package metering

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// now is when every test looks back: a Monday.
var now = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// traffic returns output tokens by the hour for the four weeks before now, of the size and the daily and weekly rhythm that all streams of these tests share. own is the
// standard deviation of what chance does to an hour, as a share.
func traffic(r *rand.Rand, own float64) []float64 {
	hours := make([]float64, window)
	growth := 0.8*r.Float64() - 0.2 // a month
	for i := range hours {
		at := now.Add(time.Duration(i-window) * time.Hour)
		rhythm := 1 + 0.8*math.Sin(2*math.Pi*float64(at.Hour()-9)/24)
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			rhythm *= 0.5
		}
		hours[i] = 1e6 * rhythm * math.Exp(growth*float64(i-window/2)/720+own*r.NormFloat64())
	}
	return hours
}

// noisy returns hours as a meter shows them that errs by the given standard deviation, as a share.
func noisy(r *rand.Rand, hours []float64, by float64) []float64 {
	shown := slices.Clone(hours)
	for i := range shown {
		shown[i] *= math.Exp(by * r.NormFloat64())
	}
	return shown
}

// times returns hours multiplied by share.
func times(hours []float64, share float64) []float64 {
	scaled := slices.Clone(hours)
	for i := range scaled {
		scaled[i] *= share
	}
	return scaled
}

// usage returns a workload of source that generated hours, the last one before now.
func usage(source, name string, labels map[string]string, hours []float64) model.Usage {
	u := model.Usage{Workload: name, Source: source, Labels: labels, Start: now.Truncate(time.Hour).Add(-time.Duration(len(hours)) * time.Hour)}
	for _, n := range hours {
		u.Hours = append(u.Hours, model.Hour{
			Tokens: model.Volume{model.Input: model.Tokens(3 * n), model.Output: model.Tokens(n)}, Requests: n / 500, Coverage: 1,
		})
	}
	return u
}

// TestIndependentStreams holds how often streams of one rhythm and one size, whose good and bad days are the same ones, are taken for one: never, as README.md states.
func TestIndependentStreams(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, own := range []float64{0.01, 0.03, 0.1, 0.3, 1} {
		var days [window/24 + 1]float64
		for i := range days {
			days[i] = math.Exp(0.3 * r.NormFloat64())
		}
		var all []model.Usage
		const each = 60
		for i := range 2 * each {
			source := []string{"gateway", "engines"}[i%2]
			hours := traffic(r, own)
			sum := 0.0
			for h := range hours {
				hours[h] *= days[(h+now.Hour())/24]
			}
			for _, n := range hours[window/2:] {
				sum += n
			}
			all = append(all, usage(source, fmt.Sprint(i), map[string]string{"name": fmt.Sprint(i)}, times(hours, window/2*1e6/sum)))
		}
		found := Doubles(readers(all), now)
		t.Logf("chance of %.0f %% an hour: %d of %d pairs", 100*own, len(found), each*each)
		if len(found) > 0 {
			t.Errorf("chance of %.0f %% an hour: got %+v", 100*own, found)
		}
	}
}

// TestBalancedLoad holds that two clusters which a balancer gives half of one demand each are not taken for two meters of one stream, and that two meters of different layers are.
func TestBalancedLoad(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(21, 22))
	for _, own := range []float64{0.1, 0.2, 0.4} {
		for range 20 {
			demand := traffic(r, own)
			half := func() []float64 {
				hours := times(demand, 0.5)
				for h, n := range hours {
					hours[h] *= math.Exp(math.Sqrt(2/(n/500)) * r.NormFloat64()) // of n/500 requests, whose answers differ in length
				}
				return hours
			}
			east, west := usage("east", "chat", nil, half()), usage("west", "chat", nil, half())
			for layers, want := range map[[2]string]int{{"engine", "engine"}: 0, {"engine", "router"}: 1} {
				east.Layer, west.Layer = layers[0], layers[1]
				if found := Doubles(readers([]model.Usage{east, west}), now); len(found) != want {
					t.Errorf("chance of %.0f %% an hour at %v: got %+v, want %d", 100*own, layers, found, want)
				}
			}
		}
	}
}

// TestPartThatIsNearlyTheWhole holds that a gateway in front of a large and a small engine counts what both do, and that an engine of that size which has nothing to do with it
// is left alone.
func TestPartThatIsNearlyTheWhole(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(23, 24))
	for _, small := range []float64{0.03, 0.05, 0.07, 0.09} {
		for range 10 {
			one, two := times(traffic(r, 0.2), 1-small), times(traffic(r, 0.2), small)
			for _, behind := range []bool{true, false} {
				whole, want := slices.Clone(one), []int{1}
				if behind {
					want = []int{1, 2}
					for h, n := range two {
						whole[h] += n
					}
				} else {
					whole = noisy(r, whole, 0.02)
				}
				found := Doubles(readers([]model.Usage{usage("gateway", "chat", nil, whole), usage("engines", "one", nil, one), usage("engines", "two", nil, two)}), now)
				if len(found) != 1 || !slices.Equal(found[0].One, []int{0}) || !slices.Equal(found[0].Other, want) {
					t.Errorf("a small engine of %.0f %%, behind the gateway %v: got %+v, want %v", 100*small, behind, found, want)
				}
			}
		}
	}
}

// TestIndependentSums holds that many workloads of all sizes, among whose sums there is one for everything, are not taken for one another.
func TestIndependentSums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	for _, own := range []float64{0.03, 0.1, 0.3, 1} {
		var all []model.Usage
		for i := range 300 {
			labels := map[string]string{"team": fmt.Sprint(r.IntN(30)), "model": fmt.Sprint(r.IntN(8))}
			all = append(all, usage([]string{"gateway", "engines"}[i%2], fmt.Sprint(i), labels, times(traffic(r, own), math.Pow(10, -2*r.Float64()))))
		}
		if found := Doubles(readers(all), now); len(found) > 0 {
			t.Errorf("chance of %.0f %% an hour: got %+v", 100*own, found)
		}
	}
}

// TestNoiseOfSums holds how often a gateway in front of three engines of other names and sizes is missed when all meters err by 5 % an hour, as README.md states.
func TestNoiseOfSums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(13, 14))
	for _, c := range []struct{ own, most float64 }{{0.1, 1}, {0.2, 0.03}, {0.3, 0.03}, {1, 0.03}} {
		missed := 0
		const streams = 100
		for range streams {
			whole := make([]float64, window)
			var all []model.Usage
			for i, share := range []float64{1, 0.8, 0.6} {
				part := times(traffic(r, c.own), share)
				for h, n := range part {
					whole[h] += n
				}
				all = append(all, usage("engines", fmt.Sprint(i), nil, noisy(r, part, 0.05)))
			}
			all = append(all, usage("gateway", "chat", nil, noisy(r, whole, 0.05)))
			for range 20 { // that have nothing to do with it
				all = append(all, usage("engines", fmt.Sprint(len(all)), nil, times(traffic(r, c.own), 2*r.Float64())))
			}
			if d := Doubles(readers(all), now); len(d) != 1 || !slices.Equal(d[0].One, []int{3}) || !slices.Equal(d[0].Other, []int{0, 1, 2}) {
				missed++
			}
		}
		t.Logf("chance of %.0f %% an hour: %d of %d missed", 100*c.own, missed, streams)
		if float64(missed) > c.most*streams {
			t.Errorf("chance of %.0f %% an hour: %d of %d missed, want %.0f at most", 100*c.own, missed, streams, c.most*streams)
		}
	}
}

// TestNoise holds how often two meters of one stream that err by 5 % an hour each are missed, as README.md states.
func TestNoise(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ own, most float64 }{{0.05, 1}, {0.07, 0.25}, {0.1, 0}, {0.3, 0}, {1, 0}} {
		missed := 0
		const streams = 100
		for range streams {
			hours := traffic(r, c.own)
			if len(Doubles(readers([]model.Usage{
				usage("gateway", "a", nil, noisy(r, hours, 0.05)), usage("engines", "b", nil, noisy(r, hours, 0.05)),
			}), now)) == 0 {
				missed++
			}
		}
		t.Logf("chance of %.0f %% an hour: %d of %d missed", 100*c.own, missed, streams)
		if float64(missed) > c.most*streams {
			t.Errorf("chance of %.0f %% an hour: %d of %d missed, want %.0f at most", 100*c.own, missed, streams, c.most*streams)
		}
	}
}

// TestDoubles tells two meters of one stream from everything that looks like it.
func TestDoubles(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	one, two, three, four, five := traffic(r, 0.2), traffic(r, 0.2), traffic(r, 0.2), traffic(r, 0.2), traffic(r, 0.2)
	sum := func(all ...[]float64) []float64 {
		total := make([]float64, window)
		for _, hours := range all {
			for i, n := range hours {
				total[i] += n
			}
		}
		return total
	}
	labels := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		return m
	}
	gap := func(u model.Usage, from, to int) model.Usage {
		u.Hours = slices.Clone(u.Hours)
		for i := from; i < to; i++ {
			u.Hours[i] = model.Hour{}
		}
		return u
	}
	embedded := func(u model.Usage) model.Usage {
		u.Hours = slices.Clone(u.Hours)
		for i := range u.Hours {
			u.Hours[i].Tokens[model.Output] = 0
		}
		return u
	}
	called := func(u model.Usage, times float64) model.Usage {
		u.Hours = slices.Clone(u.Hours)
		for i := range u.Hours {
			u.Hours[i].Requests *= times
		}
		return u
	}
	constant := times(one, 0)
	for i := range constant {
		constant[i] = 1e6
	}
	seldom := func(seed uint64) []float64 {
		hours, r := make([]float64, window), rand.New(rand.NewPCG(seed, 0))
		for i := range hours {
			if r.IntN(10) == 0 {
				hours[i] = 1000 * (1 + r.Float64())
			}
		}
		return hours
	}
	rounded := noisy(r, constant, 1e-3)
	tests := []struct {
		name string
		all  []model.Usage
		want string // the places of the two sides
	}{
		{"one stream at two sources", []model.Usage{usage("gateway", "a", nil, one), usage("engines", "b", nil, one)}, "[0]=[1]"},
		{"two streams", []model.Usage{usage("gateway", "a", nil, one), usage("engines", "b", nil, two)}, ""},
		{"one source cannot count a stream in two workloads", []model.Usage{usage("gateway", "a", nil, one), usage("gateway", "b", nil, one)}, ""},
		{"8 % are lost at one meter", []model.Usage{usage("gateway", "a", nil, times(one, 0.92)), usage("engines", "b", nil, one)}, "[0]=[1]"},
		{"a fifth does not go through the gateway", []model.Usage{usage("gateway", "a", nil, times(one, 0.8)), usage("engines", "b", nil, one)}, ""},
		{"twice as many requests for the same tokens", []model.Usage{usage("gateway", "a", nil, one), called(usage("engines", "b", nil, one), 2)}, ""},
		{"requests that one meter does not count", []model.Usage{usage("gateway", "a", nil, one), called(usage("engines", "b", nil, one), 0)}, "[0]=[1]"},
		{"as many tokens in the same hours, in other proportions", []model.Usage{usage("gateway", "a", nil, one), usage("engines", "b", nil, noisy(r, one, 0.4))}, ""},
		{"tokens without chance say nothing", []model.Usage{usage("gateway", "a", nil, constant), usage("engines", "b", nil, constant)}, ""},
		{"tokens that rounding alone moves say nothing", []model.Usage{usage("gateway", "a", nil, rounded), usage("engines", "b", nil, rounded)}, ""},
		{"a part that comes from elsewhere, as large as one that goes elsewhere", []model.Usage{
			usage("gateway", "chat", labels("model", "chat"), sum(one, two, three, times(five, 0.5))),
			usage("engines", "a", labels("name", "a"), one), usage("engines", "b", labels("name", "b"), two),
			usage("engines", "c", labels("name", "c"), three), usage("engines", "d", labels("name", "d"), times(four, 0.5)),
		}, ""},
		{"a workload that is used in one hour of ten", []model.Usage{usage("gateway", "a", nil, seldom(1)), usage("engines", "b", nil, seldom(1)), usage("engines", "c", nil, seldom(2))}, "[0]=[1]"},
		{"prompts alone, where nothing is generated", []model.Usage{embedded(usage("gateway", "a", nil, one)), embedded(usage("engines", "b", nil, one))}, "[0]=[1]"},
		{"two weeks are enough", []model.Usage{usage("gateway", "a", nil, one), usage("engines", "b", nil, one[window/2:])}, "[0]=[1]"},
		{"twelve days are not", []model.Usage{usage("gateway", "a", nil, one), usage("engines", "b", nil, one[window-12*24:])}, ""},
		{"an hour that one meter did not see is left out", []model.Usage{gap(usage("gateway", "a", nil, one), window-60, window-20), usage("engines", "b", nil, one)}, "[0]=[1]"},
		{"a gateway, a router and an engine", []model.Usage{
			usage("gateway", "a", nil, one), usage("router", "b", nil, one), usage("engines", "c", nil, one),
		}, "[0]=[1] [0]=[2] [1]=[2]"},
		{"an engine that serves two tenants of one model", []model.Usage{
			usage("gateway", "a", labels("team", "a", "model", "llama"), one), usage("gateway", "b", labels("team", "b", "model", "llama"), two),
			usage("gateway", "c", labels("team", "b", "model", "other"), three), usage("engines", "llama", labels("name", "llama"), sum(one, two)),
		}, "[3]=[0 1]"},
		{"a gateway in front of two clusters", []model.Usage{
			usage("gateway", "llama", labels("model", "llama"), sum(one, two)), usage("gateway", "other", labels("model", "other"), three),
			usage("cluster-1", "llama", labels("name", "llama"), one), usage("cluster-2", "llama", labels("name", "llama"), two),
		}, "[0]=[2 3]"},
		{"everything that a gateway has, split otherwise", []model.Usage{
			usage("gateway", "a", labels("team", "a"), sum(times(one, 0.3), times(two, 0.6))), usage("gateway", "b", labels("team", "b"), sum(times(one, 0.7), times(two, 0.4))),
			usage("engines", "c", labels("name", "c"), one), usage("engines", "d", labels("name", "d"), two),
		}, "[0 1]=[2 3]"},
		{"a gateway that spreads an alias over models of other names", []model.Usage{
			usage("gateway", "chat", labels("model", "chat"), sum(one, times(two, 0.5), times(three, 0.5))),
			usage("engines", "a", labels("name", "a"), one), usage("engines", "b", labels("name", "b"), times(two, 0.5)),
			usage("engines", "c", labels("name", "c"), times(three, 0.5)), usage("engines", "d", labels("name", "d"), four),
		}, "[0]=[1 2 3]"},
		{"parts of which one is not there", []model.Usage{
			usage("gateway", "chat", labels("model", "chat"), sum(one, two, three)),
			usage("engines", "a", labels("name", "a"), one), usage("engines", "b", labels("name", "b"), two), usage("engines", "d", labels("name", "d"), four),
		}, ""},
		{"all that two sources have, of which one workload each is not at the other", []model.Usage{
			usage("gateway", "a", labels("team", "a"), sum(times(one, 0.5), times(two, 0.5))), usage("gateway", "b", labels("team", "b"), sum(times(one, 0.5), times(two, 0.5), three)),
			usage("engines", "c", labels("name", "c"), one), usage("engines", "d", labels("name", "d"), two), usage("engines", "e", labels("name", "e"), four),
		}, ""},
		{"single workloads before their sum", []model.Usage{
			usage("gateway", "a", labels("model", "a"), one), usage("gateway", "b", labels("model", "b"), two),
			usage("engines", "a", labels("name", "a"), one), usage("engines", "b", labels("name", "b"), two),
		}, "[0]=[2] [1]=[3]"},
		{"a part that began last week", []model.Usage{
			usage("gateway", "llama", labels("model", "llama"), sum(one, append(make([]float64, window-100), two[window-100:]...))),
			usage("engines", "a/llama", labels("name", "llama", "namespace", "a"), one),
			usage("engines", "b/llama", labels("name", "llama", "namespace", "b"), two[window-100:]),
		}, "[0]=[1 2]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			for i, d := range Doubles(readers(test.all), now) {
				if i > 0 {
					got.WriteString(" ")
				}
				got.WriteString(fmt.Sprint(d.One) + "=" + fmt.Sprint(d.Other))
				if d.Correlation < alike || d.Ratio < 1/nearOne || d.Ratio > nearOne || d.Weeks < leastWeeks {
					t.Errorf("got %+v", d)
				}
			}
			if got.String() != test.want {
				t.Errorf("got %q, want %q", got.String(), test.want)
			}
		})
	}
}

// TestDoublesOfFew holds that there is an answer for what has no history.
func TestDoublesOfFew(t *testing.T) {
	t.Parallel()
	for _, all := range [][]model.Usage{nil, {{}}, {{Source: "a"}, {Source: "b"}}, {usage("a", "a", nil, []float64{1}), usage("b", "b", nil, []float64{1})}} {
		if got := Doubles(readers(all), now); len(got) != 0 {
			t.Errorf("%d workloads: got %+v", len(all), got)
		}
	}
}

// BenchmarkDoubles compares 10,000 workloads, half of them at either of two sources of different layers or of one, whose sizes are spread over four powers of ten, and of one
// size, which is the worst.
func BenchmarkDoubles(b *testing.B) {
	for _, c := range []struct {
		layer  string
		spread float64
	}{{"", 4}, {"", 0}, {"gateway", 4}, {"gateway", 0}} {
		b.Run(fmt.Sprintf("layer=%s/powers=%.0f", c.layer, c.spread), func(b *testing.B) {
			r := rand.New(rand.NewPCG(7, 8))
			var all []model.Usage
			for i := range 10_000 {
				labels := map[string]string{"team": fmt.Sprint(i % 500), "model": fmt.Sprint(i % 40)}
				all = append(all, usage([]string{"gateway", "engines"}[i%2], fmt.Sprint(i), labels, times(traffic(r, 0.2), math.Pow(10, -c.spread*r.Float64()))))
				all[i].Layer = c.layer
			}
			b.ReportAllocs()
			for b.Loop() {
				Doubles(readers(all), now)
			}
		})
	}
}
