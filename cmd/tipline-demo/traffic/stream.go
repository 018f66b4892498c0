// Package traffic says how many tokens a workload uses in each hour: a seeded generator shaped like public traces, and the
// traces themselves.
package traffic

import (
	"math"
	"time"
)

// Used is what one workload used in one hour.
type Used struct {
	Input, Output float64 // tokens
	CacheRead     float64 // tokens, part of Input
	Requests      float64
}

// Tokens returns input and output together.
func (u Used) Tokens() float64 { return u.Input + u.Output }

// A Source is the use of one workload. It is false for an hour that was not measured.
type Source interface {
	Hour(t time.Time) (Used, bool)
}

// A Stream is generated use: a shape around a mean that grows. The same stream gives the same hours in any order.
type Stream struct {
	Shape      Shape
	Mix        Mix
	CacheShare float64   // share of the input tokens that are read from a cache
	Seed       uint64    // streams with the same seed have their busy and their quiet days together
	Tokens     float64   // mean of a day at Since
	Since      time.Time // what Tokens and Growth are about
	Growth     float64   // of the mean per week: 0.05 is 5 %
	Begin      time.Time // nothing is used before; the zero time means always
}

// burstEvery is how many hours there are for each burst, as in the definition of Shape.Burst.
const burstEvery = 200

// Hour returns the use of the hour that begins at t.
func (s Stream) Hour(t time.Time) (Used, bool) {
	if t.Before(s.Begin) {
		return Used{}, false
	}
	t = t.UTC()
	requests := s.Tokens / (s.Mix.Input + s.Mix.Output) / 24
	requests *= math.Pow(1+s.Growth, t.Sub(s.Since).Hours()/(7*24))
	requests *= s.Shape.Day[t.Hour()] * s.Shape.Week[weekday(t)]
	hour := uint64(t.Unix() / 3600)
	requests *= lognormal(s.Shape.DaySpread, s.uniform(days, hour/24))
	if s.uniform(bursts, hour) < 1.0/burstEvery {
		requests *= s.Shape.Burst
	} else {
		requests *= lognormal(s.Shape.HourSpread, s.uniform(hours, hour))
	}
	requests = math.Round(requests)
	input := math.Round(requests * s.Mix.Input)
	return Used{
		Input: input, CacheRead: math.Round(input * s.CacheShare), Output: math.Round(requests * s.Mix.Output), Requests: requests,
	}, true
}

// lognormal returns what a share u of all values stays below whose mean is 1 and whose logarithm has the given spread.
func lognormal(spread, u float64) float64 {
	return math.Exp(spread*math.Sqrt2*math.Erfinv(2*u-1) - spread*spread/2)
}

// What the numbers that look drawn at random are for.
const (
	days = iota + 1
	hours
	bursts
)

// uniform returns a number above 0 and below 1 that depends on nothing but the seed and its arguments, spread as if drawn at
// random (the mixing function of splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func (s Stream) uniform(purpose, at uint64) float64 {
	x := s.Seed
	for _, part := range [...]uint64{purpose, at} {
		x += 0x9e3779b97f4a7c15 * (part + 1)
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return (float64(x>>11) + 0.5) / (1 << 53)
}
