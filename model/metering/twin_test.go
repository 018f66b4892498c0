package metering

import (
	"math"
	"math/rand/v2"
	"testing"

	"tipline/model"
)

// A demand is the requests of every hour of the window, as many as chance makes of n in a mean hour, and their tokens, whose lengths vary by a share.
type demand struct{ requests, tokens []float64 }

// dealt returns the n-th part of the requests of every hour, as many as chance or a round leaves of them.
func dealt(r *rand.Rand, hours []float64, perHour, vary float64, round bool) demand {
	d := demand{make([]float64, window), make([]float64, window)}
	for h, load := range hours {
		n := load / 1e6 * perHour
		if !round {
			n = max(1, n+math.Sqrt(n)*r.NormFloat64())
		}
		d.requests[h], d.tokens[h] = n, 500*n*max(0.01, 1+vary/math.Sqrt(n)*r.NormFloat64())
	}
	return d
}

// step is the time between two instants at which a program can be scraped here, in seconds.
const step = 15

// A program counts requests and tokens; both are what it has counted at every step.
type program struct{ requests, tokens []float64 }

// programs returns two halves of a demand of perHour requests that a balancer deals out at random, or by turns. The load changes by a third within minutes.
func programs(r *rand.Rand, hours []float64, perHour, vary float64, turns bool) (one, other program) {
	steps := len(hours) * 3600 / step
	one = program{make([]float64, steps+1), make([]float64, steps+1)}
	other = program{make([]float64, steps+1), make([]float64, steps+1)}
	count := func(p program, i int, n float64) {
		p.requests[i+1], p.tokens[i+1] = p.requests[i]+n, p.tokens[i]
		if n > 0 {
			p.tokens[i+1] += 500 * n * max(0.01, 1+vary/math.Sqrt(n)*r.NormFloat64())
		}
	}
	burst := 0.0
	for i := range steps {
		burst = 0.9*burst + 0.436*r.NormFloat64()
		mean := hours[i*step/3600] / 1e6 * perHour * step / 3600 * math.Exp(0.3*burst)
		n := poisson(r, mean)
		count(one, i, n)
		if !turns {
			n = poisson(r, mean)
		}
		count(other, i, n)
	}
	return one, other
}

// poisson returns how many events happen where mean are expected.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 30 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p, limit := 0.0, r.Float64(), math.Exp(-mean)
	for ; p > limit; n++ {
		p *= r.Float64()
	}
	return n
}

// scraped returns what increase() makes of the counters of p, scraped every minute from offset seconds of the hour on: the difference of the first and the last sample of an
// hour, extrapolated to the whole of it.
func (p program) scraped(offset int) demand {
	d := demand{make([]float64, window), make([]float64, window)}
	for h := range window {
		first := (h*3600 + offset) / step
		last := first + (3600-60)/step
		d.requests[h], d.tokens[h] = (p.requests[last]-p.requests[first])*60/59, (p.tokens[last]-p.tokens[first])*60/59
	}
	return d
}

func (d demand) usage(source string) model.Usage {
	u := usage(source, "chat", nil, d.tokens)
	u.Layer = "gateway"
	for i := range u.Hours {
		u.Hours[i].Requests = d.requests[i]
	}
	return u
}

// TestHalvesAreNoTwins holds that two clusters of one layer which a balancer gives half of one demand each are never taken for one that is read twice, by turns or at random,
// with many requests and few, of many lengths and of one.
func TestHalvesAreNoTwins(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 32))
	pairs := 0
	for _, perHour := range []float64{100, 1e3, 1e4, 1e6} {
		for _, vary := range []float64{0, 0.1, 0.2, 0.3, 1} {
			for _, round := range []bool{true, false} {
				for range 20 {
					load := traffic(r, 0.2)
					east, west := dealt(r, load, perHour, vary, round), dealt(r, load, perHour, vary, round)
					for h := range load { // what is left over of a round
						if one := 1 + 1/east.requests[h]; round && r.IntN(2) == 0 {
							east.requests[h] *= one
							east.tokens[h] *= one
						}
					}
					pairs++
					if found := Doubles(readers([]model.Usage{east.usage("east"), west.usage("west")}), now); len(found) > 0 {
						t.Errorf("%.0f requests an hour, lengths that vary by %.1f, by turns %v: got %+v", perHour, vary, round, found)
					}
				}
			}
		}
	}
	t.Logf("none of %d pairs", pairs)
}

// TestTwins holds that one meter which two sources read is found, as README.md states: by the same samples, and by replicas that scrape it at other instants while its load
// changes by a third from minute to minute. The halves of the demand, which are scraped at those instants too, are never taken for one.
func TestTwins(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(33, 34))
	halves := 0
	for _, vary := range []float64{0.4, 1, 1.5} {
		for _, perHour := range []float64{100, 1e3, 1e4, 1e6} {
			var missed [4]int // by how many steps the replicas are apart
			const streams = 2
			for stream := range streams {
				one, other := programs(r, traffic(r, 0.2), perHour, vary, stream%2 == 0)
				for apart := range missed {
					gateway, again := one.scraped(0).usage("replica-0"), one.scraped(apart*step).usage("replica-1")
					if len(Doubles(readers([]model.Usage{gateway, again}), now)) != 1 {
						missed[apart]++
					}
					if found := Doubles(readers([]model.Usage{gateway, other.scraped(apart * step).usage("west")}), now); len(found) > 0 {
						t.Errorf("%.0f requests an hour, lengths that vary by %.1f, %d s apart: halves taken for one, %+v", perHour, vary, apart*step, found)
					}
					halves++
				}
			}
			t.Logf("%.0f requests an hour, lengths that vary by %.1f: missed %v of %d, by steps of %d s", perHour, vary, missed, streams, step)
			if missed != [4]int{} {
				t.Errorf("%.0f requests an hour, lengths that vary by %.1f: missed %v of %d", perHour, vary, missed, streams)
			}
		}
	}
	t.Logf("none of %d pairs of halves taken for one", halves)
}

// TestTwinsOfOtherLabels holds that a gateway which two sources read by other labels, one by team and one by model, is found as a whole.
func TestTwinsOfOtherLabels(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(37, 38))
	var parts [2][2]demand // by team and model
	for team := range parts {
		for name := range parts[team] {
			one, _ := programs(r, traffic(r, 0.2), 1e3*float64(1+team+2*name), 1, false)
			parts[team][name] = one.scraped(30 * name)
		}
	}
	sum := func(a, b demand) demand { return demand{added(a.requests, b.requests), added(a.tokens, b.tokens)} }
	all := []model.Usage{
		sum(parts[0][0], parts[0][1]).usage("by-team"), sum(parts[1][0], parts[1][1]).usage("by-team"),
		sum(parts[0][0], parts[1][0]).usage("by-model"), sum(parts[0][1], parts[1][1]).usage("by-model"),
	}
	if found := Doubles(readers(all), now); len(found) != 1 || len(found[0].One) != 2 || len(found[0].Other) != 2 {
		t.Errorf("got %+v, want all of one source to be all of the other", found)
	}
}

// TestTwinsThatCannotBeTold holds what is not taken for one meter: a source that counts a stream in two workloads, a steady load, and other samples without requests or
// answers.
func TestTwinsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(35, 36))
	d, _ := programs(r, traffic(r, 0.2), 1e3, 1, false)
	steady := demand{make([]float64, window), make([]float64, window)}
	for h := range window {
		steady.requests[h], steady.tokens[h] = 1e3, 5e5
	}
	load := traffic(r, 0.2)
	east, west := dealt(r, load, 1e4, 0, false), dealt(r, load, 1e4, 0, false)
	for h := 0; h < window; h += 2 {
		east.requests[h], west.requests[h] = 0, 0
	}
	without := func(u model.Usage, requests, answers float64) model.Usage {
		for i := range u.Hours {
			u.Hours[i].Requests *= requests
			u.Hours[i].Tokens[model.Output] *= model.Tokens(answers)
		}
		return u
	}
	for name, test := range map[string]struct {
		one, other model.Usage
		want       int
	}{
		"one source":                        {d.scraped(0).usage("a"), d.scraped(0).usage("a"), 0},
		"a steady load":                     {steady.usage("a"), steady.usage("b"), 0},
		"the same samples without requests": {without(d.scraped(0).usage("a"), 0, 1), without(d.scraped(0).usage("b"), 0, 1), 1},
		"other samples without requests":    {without(d.scraped(0).usage("a"), 0, 1), without(d.scraped(15).usage("b"), 0, 1), 0},
		"the same samples without answers":  {without(d.scraped(0).usage("a"), 1, 0), without(d.scraped(0).usage("b"), 1, 0), 1},
		"other samples without answers":     {without(d.scraped(0).usage("a"), 1, 0), without(d.scraped(15).usage("b"), 1, 0), 0},
		"halves of one length whose requests are counted every other hour": {east.usage("a"), west.usage("b"), 0},
	} {
		if found := Doubles(readers([]model.Usage{test.one, test.other}), now); len(found) != test.want {
			t.Errorf("%s: got %+v, want %d", name, found, test.want)
		}
	}
}
