package model

import (
	"fmt"
	"strconv"
	"strings"
)

// MeasuredCapacity is what one replica of the engines of a workload was seen to serve inside the limit of the time to first token.
type MeasuredCapacity struct {
	TokensPerHour float64  `json:"tokens_per_hour_per_replica"` // input and output of requests such as below
	Low           float64  `json:"low_tokens_per_hour_per_replica"`
	High          *float64 `json:"high_tokens_per_hour_per_replica"` // null: the limit was hardly ever reached, so a replica can serve what was seen and maybe more
	LimitSeconds  float64  `json:"ttft_limit_seconds"`

	Hours   int `json:"hours"`         // that kept the limit and count
	Broke   int `json:"broke_hours"`   // that did not, and do not count
	Unknown int `json:"unknown_hours"` // of which the time to first token, the queue, the replicas or the requests are not known
	Other   int `json:"other_hours"`   // that kept it with requests of another shape than those below, or while replicas came or went

	InputPerRequest  float64        `json:"input_tokens_per_request"` // of the last week, cached ones included
	OutputPerRequest float64        `json:"output_tokens_per_request"`
	CachedRatio      Fraction       `json:"cached_ratio"` // of the input
	Fit              *ThroughputFit `json:"fit"`          // null: see NotFitted
	NotFitted        string         `json:"not_fitted,omitempty"`
}

// ThroughputFit is how long a request occupies a replica at its limit, fitted to the mix of the hours (cost model, section 4.2).
type ThroughputFit struct {
	X         float64  `json:"prefill_seconds_per_token"`
	Y0        float64  `json:"decode_seconds_per_token"`
	Y1        float64  `json:"context_seconds_per_token_squared"`
	Hours     int      `json:"hours"`      // near the limit, which it was fitted to
	MissRatio Fraction `json:"miss_ratio"` // mean relative error over them
}

// widest is how many times Low the High of a capacity may be that is gone by: about a tenth to both sides.
const widest = 1.2

// Known reports whether m says well enough what a replica can serve, and not only what it served, or so wide a range that nothing should rest on its middle.
func (m *MeasuredCapacity) Known() bool { return m != nil && m.High != nil && *m.High <= widest*m.Low }

// The labels of a CapacityNumber: on whose word it is taken.
const (
	Measured  = "measured"  // seen in the workload's own metrics
	Benchmark = "benchmark" // somebody's measurement, with its source
	Assumed   = "assumed"   // configured without a source, or a default of the model
)

// CapacityNumber is one number that says what a fleet can do.
type CapacityNumber struct {
	Option string `json:"option"`
	What   string `json:"what"`
	Value  string `json:"value"`
	Unit   string `json:"unit,omitempty"`
	Label  string `json:"label"` // Measured, Benchmark or Assumed
	From   string `json:"from"`  // where it is from, in words
}

// Text returns the value for people: as it was typed or published, and three digits of what was measured, which is not known any better.
func (n CapacityNumber) Text() string {
	v, err := strconv.ParseFloat(n.Value, 64)
	switch {
	case n.Label != Measured || err != nil:
		return n.Value
	case v < 1000:
		return significant(v, 3)
	}
	return FormatTokens(Tokens(v))
}

// CapacityText lists what the fleet of o is taken to do, and on whose word; empty where o is none. Of a benchmark's dozen mixes of prompt and answer it says the first
// and how many more there are.
func (o OptionCost) CapacityText() string {
	var numbers []string
	mixes := 0
	for i, n := range o.Capacity {
		if n.Value == "" { // its warning says how much that is
			if n.Label == Assumed {
				numbers = append(numbers, strings.TrimPrefix(n.What, "assumed ")+" (assumed)")
			}
			continue
		}
		mix := strings.HasPrefix(n.What, "throughput ")
		if mix && i > 0 && strings.HasPrefix(o.Capacity[i-1].What, "throughput ") && n.Label == o.Capacity[i-1].Label {
			mixes++
			continue
		}
		numbers = append(numbers, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s (%s)", n.What, n.Text(), n.Unit, n.Label)), " "))
	}
	switch {
	case mixes == 1:
		numbers = append(numbers, "1 more throughput at another mix of prompt and answer")
	case mixes > 1:
		numbers = append(numbers, fmt.Sprintf("%d more throughputs at other mixes of prompt and answer", mixes))
	}
	return strings.Join(numbers, ", ")
}

// AssumedCapacity says how much of a verdict rests on numbers that nobody measured.
type AssumedCapacity struct {
	USDPerMonth USD      `json:"usd_per_month"` // of the current and the best option: GPU hours of fleets that such a number sizes
	Ratio       Fraction `json:"ratio"`         // of the cost of the two
	Numbers     []string `json:"numbers"`       // which, with their option
}

// Text says in a sentence without its full stop how much that is.
func (a AssumedCapacity) Text() string {
	if len(a.Numbers) == 0 {
		return "nothing of the verdict rests on assumed capacity"
	}
	return fmt.Sprintf("%s of the cost that is compared, %s a month, rests on assumed capacity: %s", FormatPercent(a.Ratio), FormatUSDAbout(a.USDPerMonth), strings.Join(a.Numbers, ", "))
}
