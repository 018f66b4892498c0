package model

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Levels are the probabilities at which a Distribution states its quantiles: the outer two make the 95 % interval,
// the nineteen from 5 % to 95 % stand for equally likely futures.
var Levels = [...]float64{
	0.025, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50,
	0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.975,
}

// Distribution is a number of tokens that is not known exactly: its quantiles at Levels, never negative and never falling.
type Distribution [len(Levels)]Tokens

// At returns the quantile at level p, which must be one of Levels.
func (d Distribution) At(p float64) Tokens {
	for i, level := range Levels {
		if level == p {
			return d[i]
		}
	}
	panic("model: no such quantile level")
}

// Paths returns the nineteen quantiles from 5 % to 95 %: equally likely futures (cost model, section 8).
func (d Distribution) Paths() []Tokens { return d[1 : len(d)-1] }

// Stretch returns d with every quantile times as far from the median, on the logarithmic scale; a quantile of 0 stays.
func (d Distribution) Stretch(times float64) Distribution {
	median := d.At(0.50)
	for i, q := range d {
		if q > 0 && median > 0 {
			d[i] = median * Tokens(math.Pow(float64(q/median), times))
		}
	}
	return d
}

// Quantiles returns the three quantiles that are shown.
func (d Distribution) Quantiles() Quantiles[Tokens] {
	return Quantiles[Tokens]{P10: d.At(0.10), P50: d.At(0.50), P90: d.At(0.90)}
}

// Quantiles are the values that a number stays below with probability 10, 50 and 90 %.
type Quantiles[T ~float64] struct {
	P10 T `json:"p10"`
	P50 T `json:"p50"`
	P90 T `json:"p90"`
}

// Projection is the total of a span of time in the future, or of one that has begun.
type Projection struct {
	From, To time.Time
	Total    Distribution
	Mix      [NumClasses]Fraction // share of each class in the total; sums to 1, or all 0 when nothing is known
}

// Class returns the distribution of one token class: its share of the total at every level, so classes add up to the total.
func (p Projection) Class(c Class) Distribution {
	var d Distribution
	for i, total := range p.Total {
		d[i] = total * Tokens(p.Mix[c])
	}
	return d
}

// At returns the tokens of each class when the total is total.
func (p Projection) At(total Tokens) Volume {
	var v Volume
	for c, share := range p.Mix {
		v[c] = total * Tokens(share)
	}
	return v
}

// Forecast is where a workload's volume goes from Origin on.
type Forecast struct {
	Origin        time.Time
	Next          []Projection // totals of [Origin, Origin+7d), 30d and 90d, in this order; see the Next constants
	Months        []Projection // calendar months in UTC, the current one first; its total includes what is already measured
	MonthlyGrowth Fraction     // median growth per 30 days at Origin; 0.05 means 5 % a month
	Requests30d   float64      // expected requests of the next 30 days
	HourOfWeek    [168]float64 // expected share of a week in each hour from Monday 00:00 UTC; sums to 1
	Load          LoadCurve    // observed hourly loads of the last full weeks
	Warnings      []Warning
}

// Places of the spans in Forecast.Next.
const (
	Next7d = iota
	Next30d
	Next90d
)

// LoadBlock is a number of hours in which a workload's load was about the same.
type LoadBlock struct {
	Hours         float64
	TokensPerHour Tokens
}

// LoadCurve is a load-duration curve: the hours of a period sorted by load, highest first (cost model, section 2.2).
type LoadCurve []LoadBlock

// Sorted returns c with the highest load first: c itself when it is so, as a curve should be, else a copy.
func (c LoadCurve) Sorted() LoadCurve {
	highest := func(a, b LoadBlock) int { return cmp.Compare(b.TokensPerHour, a.TokensPerHour) }
	if slices.IsSortedFunc(c, highest) {
		return c
	}
	sorted := slices.Clone(c)
	slices.SortStableFunc(sorted, highest)
	return sorted
}

// PeakFactor returns the load of the peak hour over the mean load, at least 1, where the peak is the 99.5th percentile
// hour so that a single burst may queue. It returns 0 when the curve is empty or carries nothing: the peak is unknown.
func (c LoadCurve) PeakFactor() float64 {
	var hours, volume float64
	for _, b := range c {
		hours += b.Hours
		volume += b.Hours * float64(b.TokensPerHour)
	}
	if !(volume > 0) {
		return 0
	}
	var above float64
	for _, b := range c {
		if above += b.Hours; above > 0.005*hours {
			return max(1, float64(b.TokensPerHour)*hours/volume)
		}
	}
	return 1
}
