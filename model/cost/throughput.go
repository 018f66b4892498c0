package cost

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// Coefficients is the throughput of one replica as a function of the shape of its requests (cost model, section 4.2). A
// request of a input and b output tokens occupies a replica at maximum load for
//
//	s(a, b) = x·a·(1 − h) + y0·b + y1·b·(a + b/2)   seconds.
type Coefficients struct {
	X         *big.Rat // seconds of prefill per input token
	Y0        *big.Rat // seconds of decode per output token
	Y1        *big.Rat // seconds per output token and token of its context
	PrefixHit *big.Rat // h: share of input tokens found in the prefix cache, 0 to 1; nil means 0
}

// Rates is what one replica does at maximum load with requests of one shape.
type Rates struct {
	SecondsPerRequest   *big.Rat
	RequestsPerHour     *big.Rat
	OutputTokensPerHour *big.Rat
	TotalTokensPerHour  *big.Rat // input and output together, the unit of Capacity.TokensPerHour
}

// At returns the rates for requests of input and output tokens. It is an error when they take no time.
func (c Coefficients) At(input, output *big.Rat) (Rates, error) {
	seconds, err := c.Seconds(input, output)
	if err != nil {
		return Rates{}, err
	}
	perHour := quo(integer(3600), seconds)
	return Rates{
		SecondsPerRequest: seconds, RequestsPerHour: perHour,
		OutputTokensPerHour: mul(perHour, output), TotalTokensPerHour: mul(perHour, add(input, output)),
	}, nil
}

// Seconds returns how long a request of input and output tokens occupies a replica at maximum load. It is an error when it takes no time.
func (c Coefficients) Seconds(input, output *big.Rat) (*big.Rat, error) {
	fresh := input
	if c.PrefixHit != nil {
		fresh = mul(input, sub(one, c.PrefixHit))
	}
	context := add(input, quo(output, integer(2)))
	seconds := add(mul(c.X, fresh), mul(output, add(c.Y0, mul(c.Y1, context))))
	if seconds.Sign() <= 0 {
		return nil, fmt.Errorf("throughput: a request of %s input and %s output tokens takes %s seconds, want more than 0",
			Decimal(input), Decimal(output), Decimal(seconds))
	}
	return seconds, nil
}

// MeasuredShape is a measured throughput: what one replica generated at maximum load with requests of one shape.
type MeasuredShape struct {
	Input, Output         int64   // tokens per request
	Cached                int64   // of Input: found in the prefix cache
	OutputTokensPerSecond float64 // of the whole replica
}

// What a fit must keep to (cost model, section 4.2).
const (
	minShapes   = 4
	maxMeanMiss = 0.15
)

// FitThroughput returns the coefficients that miss the measured seconds per request by the least sum of squared relative
// errors, and the mean relative error. It is an error, which says why, when there are fewer than four shapes, when they do
// not tell the coefficients apart, when a coefficient is negative, or when the mean error is above 15 %; for the latter two the
// coefficients that were rejected are returned beside it.
func FitThroughput(shapes []MeasuredShape) (Coefficients, float64, error) {
	if len(shapes) < minShapes {
		return Coefficients{}, 0, fmt.Errorf("%d measured shapes, want at least %d", len(shapes), minShapes)
	}
	// Every row is one shape: the three terms of s(a, b), each divided by the measured seconds, should add up to 1.
	rows := make([][3]float64, len(shapes))
	for i, s := range shapes {
		a, b := float64(s.Input), float64(s.Output)
		measured := b / s.OutputTokensPerSecond
		if !(measured > 0) || math.IsInf(measured, 0) || a < 0 || s.Cached < 0 || s.Cached > s.Input {
			return Coefficients{}, 0, fmt.Errorf("shape %d/%d at %v output tokens a second: want tokens and a rate above 0", s.Input, s.Output, s.OutputTokensPerSecond)
		}
		rows[i] = [3]float64{(a - float64(s.Cached)) / measured, b / measured, b * (a + b/2) / measured}
	}
	fitted, ok := leastSquares(rows)
	if !ok {
		return Coefficients{}, 0, errors.New("the measured shapes are too alike to tell prefill from decode")
	}
	miss := 0.0
	for _, row := range rows {
		miss += math.Abs(row[0]*fitted[0]+row[1]*fitted[1]+row[2]*fitted[2]-1) / float64(len(rows))
	}
	c := Coefficients{X: digits(fitted[0]), Y0: digits(fitted[1]), Y1: digits(fitted[2])}
	for i, name := range [...]string{"prefill (x)", "decode (y0)", "context (y1)"} {
		if fitted[i] < 0 {
			return c, miss, fmt.Errorf("the fit makes the time of %s negative", name)
		}
	}
	if miss > maxMeanMiss {
		return c, miss, fmt.Errorf("the fit misses the measured shapes by %.0f%% on average, want at most %.0f%%", 100*miss, 100*maxMeanMiss)
	}
	return c, miss, nil
}

// digits returns v to seven significant digits: far more than measurements have, and few enough for the last bit of a float not to show.
func digits(v float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(v, 'e', 6, 64))
	return r
}

// leastSquares returns the three weights under which the columns of rows add up to 1 as nearly as possible, by Gram-Schmidt
// on scaled columns. It is false when the columns depend on each other.
func leastSquares(rows [][3]float64) (weights [3]float64, ok bool) {
	const dependent = 1e-8
	dot := func(u, v []float64) (sum float64) {
		for i := range u {
			sum += u[i] * v[i]
		}
		return sum
	}
	var q [3][]float64
	var r [3][3]float64
	var target [3]float64
	ones := make([]float64, len(rows))
	for i := range ones {
		ones[i] = 1
	}
	for j := range q {
		column := make([]float64, len(rows))
		for i, row := range rows {
			column[i] = row[j]
		}
		length := math.Sqrt(dot(column, column))
		for range 2 { // the second pass removes what rounding left
			for k := range j {
				along := dot(q[k], column)
				r[k][j] += along
				for i := range column {
					column[i] -= along * q[k][i]
				}
			}
		}
		r[j][j] = math.Sqrt(dot(column, column))
		if !(r[j][j] > dependent*length) {
			return weights, false
		}
		for i := range column {
			column[i] /= r[j][j]
		}
		q[j], target[j] = column, dot(column, ones)
	}
	for j := 2; j >= 0; j-- {
		weights[j] = target[j]
		for k := j + 1; k < 3; k++ {
			weights[j] -= r[j][k] * weights[k]
		}
		weights[j] /= r[j][j]
	}
	return weights, true
}
