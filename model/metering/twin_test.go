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

// late returns what a server reads of d that looks so many seconds later: the end of an hour is the beginning of its next one.
func (d demand) late(r *rand.Rand, seconds, vary float64) demand {
	shown := demand{make([]float64, window), make([]float64, window)}
	var calls, tokens float64 // of the end of the hour before
	for h := range d.requests {
		n := d.requests[h] * seconds / 3600
		n = max(0, n+math.Sqrt(n)*r.NormFloat64())
		t := 0.0
		if n > 0 {
			t = d.tokens[h] / d.requests[h] * n * max(0, 1+vary/math.Sqrt(n)*r.NormFloat64())
		}
		if h == 0 {
			calls, tokens = n, t
		}
		shown.requests[h], shown.tokens[h] = d.requests[h]-n+calls, d.tokens[h]-t+tokens
		calls, tokens = n, t
	}
	return shown
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

// TestTwins holds that one meter which two sources read is found, as README.md states: by the same samples always, by replicas that scrape at other instants unless so many
// requests come that what is between the instants is more than the differences of halves.
func TestTwins(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(33, 34))
	for _, c := range []struct {
		perHour, seconds float64
		most             int // missed, of 50
	}{
		{100, 0, 0},
		{1e6, 0, 0},
		{100, 15, 0},
		{1e3, 15, 0},
		{1e4, 15, 0},
		{1e3, 30, 0},
		{1e4, 30, 50},
		{1e3, 60, 50},
		{1e6, 15, 50},
	} {
		missed := 0
		const streams = 50
		for range streams {
			d := dealt(r, traffic(r, 0.2), c.perHour, 1, false)
			again := d
			if c.seconds > 0 {
				again = d.late(r, c.seconds, 1)
			}
			if len(Doubles(readers([]model.Usage{d.usage("replica-0"), again.usage("replica-1")}), now)) != 1 {
				missed++
			}
		}
		t.Logf("%.0f requests an hour, read %.0f seconds apart: %d of %d missed", c.perHour, c.seconds, missed, streams)
		if missed > c.most {
			t.Errorf("%.0f requests an hour, read %.0f seconds apart: %d of %d missed, want %d at most", c.perHour, c.seconds, missed, streams, c.most)
		}
	}
}

// TestTwinsThatCannotBeTold holds what is not taken for one meter: a source that counts a stream in two workloads, a steady load and other samples without requests.
func TestTwinsThatCannotBeTold(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(35, 36))
	d := dealt(r, traffic(r, 0.2), 1e3, 1, false)
	steady := demand{make([]float64, window), make([]float64, window)}
	for h := range window {
		steady.requests[h], steady.tokens[h] = 1e3, 5e5
	}
	without := func(u model.Usage) model.Usage {
		for i := range u.Hours {
			u.Hours[i].Requests = 0
		}
		return u
	}
	for name, test := range map[string]struct {
		one, other model.Usage
		want       int
	}{
		"one source":                        {d.usage("a"), d.usage("a"), 0},
		"a steady load":                     {steady.usage("a"), steady.usage("b"), 0},
		"the same samples without requests": {without(d.usage("a")), without(d.usage("b")), 1},
		"other samples without requests":    {without(d.usage("a")), without(d.late(r, 15, 1).usage("b")), 0},
	} {
		if found := Doubles(readers([]model.Usage{test.one, test.other}), now); len(found) != test.want {
			t.Errorf("%s: got %+v, want %d", name, found, test.want)
		}
	}
}
