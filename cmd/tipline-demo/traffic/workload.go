package traffic

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// Workload describes the traffic of one user of a model.
type Workload struct {
	Name            string
	Shape           Shape
	TokensPerDay    float64   // of a mean day at Start
	Start           time.Time // of the growth
	MonthlyGrowth   float64   // 0.10 for 10 % in 30 days
	Calm            float64   // share of Shape.DaySpread that is left: a sum of many users is steadier than the trace
	Steps           []Step
	InputShare      float64 // of all tokens, cached ones included
	CacheShare      float64 // of the input tokens
	TokensPerReq    float64
	TTFTP95, TTFT50 float64 // seconds
}

// Step is a lasting change of level.
type Step struct {
	At     time.Time
	Factor float64
}

// Hour is the traffic of one hour.
type Hour struct{ Input, CacheRead, Output, Requests float64 }

// Tokens returns input and output together; CacheRead is part of Input.
func (h Hour) Tokens() float64 { return h.Input + h.Output }

// At returns the traffic of the hour that begins at t. The same seed, workload and hour give the same traffic.
func (w Workload) At(t time.Time, seed uint64) Hour {
	days := t.Sub(w.Start).Hours() / 24
	level := w.TokensPerDay / 24 * math.Pow(1+w.MonthlyGrowth, days/30)
	for _, s := range w.Steps {
		if !t.Before(s.At) {
			level *= s.Factor
		}
	}
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		level *= w.Shape.Weekend
	}
	date := t.Unix() / (24 * 3600)
	level *= math.Exp(w.Calm * w.Shape.DaySpread * w.normal(seed, date))
	level *= w.Shape.HourOfDay[t.UTC().Hour()] * math.Exp(0.05*w.normal(seed, 1_000_000+t.Unix()/3600))
	input := math.Round(level * w.InputShare)
	return Hour{
		Input: input, CacheRead: math.Round(input * w.CacheShare), Output: math.Round(level * (1 - w.InputShare)),
		Requests: math.Round(level / w.TokensPerReq),
	}
}

// normal returns the standard normal variable that belongs to the workload and the key.
func (w Workload) normal(seed uint64, key int64) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.Name)) // never fails
	return rand.New(rand.NewPCG(seed^h.Sum64(), uint64(key))).NormFloat64()
}
