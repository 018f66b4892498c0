package forecast

import (
	"math"
	"time"

	"tipline/model"
)

// How a trend of the mix is told from its noise.
const (
	mixWeeks   = 8     // in which it is looked for, each half by itself
	fewestMix  = 6     // weeks below which nothing is said of it
	mixNoise   = 3     // standard errors up to which a slope is none
	mixDamping = 0.985 // share of the growth left after each day, that of the trend of six weeks
	mixBehind  = 14    // days from the middle of the weeks that the shares are of to the origin
)

// mix is a forecast of the share of each token class: that of the last four weeks, tilted by what has been growing.
type mix struct {
	shares [model.NumClasses]float64 // sum to 1, or are all 0 when nothing was used
	growth [model.NumClasses]float64 // of the logarithm of a share, a day, before all are brought to a sum of 1
}

// newMix learns the mix of o from the hours of u, of which recent is what recent returns.
func (o outlook) newMix(u model.Usage, recent model.Volume) mix {
	m := mix{shares: sharesOf(recent)}
	for n := mixWeeks; n >= fewestMix; n -= 2 {
		if o.age < n*hoursOfWeek {
			continue
		}
		logs := make([][model.NumClasses]float64, n) // of the shares, the oldest week first
		for w := range logs {
			sum, _ := o.used(u, (n-w)*hoursOfWeek, (n-w-1)*hoursOfWeek)
			for c, share := range sharesOf(sum) {
				logs[w][c] = math.Log(share)
			}
		}
		for c := range m.growth {
			weekly := make([]float64, n)
			for w := range logs {
				weekly[w] = logs[w][c]
			}
			m.growth[c] = steady(weekly) / week
		}
		break
	}
	return m
}

// recent adds up what u used in the last four weeks, in all of history when those were idle.
func (o outlook) recent(u model.Usage) (sum model.Volume, requests float64) {
	for _, weeks := range [...]int{4, len(o.days)} {
		if sum, requests = o.used(u, weeks*hoursOfWeek, 0); sum.Total() > 0 {
			break
		}
	}
	return sum, requests
}

// used adds up what u used in the hours from the first number of hours before the origin to the second, artefacts left out.
func (o outlook) used(u model.Usage, from, to int) (sum model.Volume, requests float64) {
	first := int(o.origin.Sub(u.Start) / time.Hour) // hours from the start of u to the origin
	for before := min(from, first, len(o.hours)); before > to; before-- {
		at := len(o.hours) - before
		_, batch := o.batches.hours[at]
		if i := first - before; i < len(u.Hours) && (batch || !math.IsNaN(o.hours[at])) {
			sum = sum.Add(u.Hours[i].Tokens)
			requests += u.Hours[i].Requests
		}
	}
	return sum, requests
}

// sharesOf returns the shares of the classes of v, all 0 when there is nothing. A class below zero is none: such counts do not belong together.
func sharesOf(v model.Volume) (shares [model.NumClasses]float64) {
	total := 0.0
	for _, n := range v {
		total += max(0, float64(n))
	}
	for c, n := range v {
		if total > 0 {
			shares[c] = max(0, float64(n)) / total
		}
	}
	return shares
}

// steady returns the slope of values that both of their halves have, 0 unless it stands out from the noise: of the slopes of the halves the smaller one, 0 when they
// disagree (the minmod of van Leer 1979), so that a step, which one half alone has, is no trend; and of that as much as the slope of all is sure (James and Stein 1961).
func steady(values []float64) float64 {
	half := len(values) / 2
	early, _ := slopeOf(values[:half])
	late, _ := slopeOf(values[half:])
	all, standardError := slopeOf(values)
	if !(early*late > 0) { // an unknown one has none
		return 0
	}
	sure := 1 - mixNoise*mixNoise*standardError*standardError/(all*all)
	return math.Copysign(min(math.Abs(early), math.Abs(late)), early) * max(0, sure)
}

// slopeOf returns the least-squares slope of values and its standard error; values that are not finite give one that is not either.
func slopeOf(values []float64) (slope, standardError float64) {
	n := float64(len(values))
	middle, level := (n-1)/2, 0.0
	for _, v := range values {
		level += v / n
	}
	var xx, xy, rest float64
	for i, v := range values {
		x := float64(i) - middle
		xx, xy = xx+x*x, xy+x*(v-level)
	}
	slope = xy / xx
	for i, v := range values {
		r := v - level - slope*(float64(i)-middle)
		rest += r * r
	}
	return slope, math.Sqrt(rest / max(1, n-2) / xx)
}

// at returns the shares on the day that ends the given number of days after the origin.
func (m mix) at(days int) (shares [model.NumClasses]float64) {
	total := 0.0
	for c, share := range m.shares {
		if m.growth[c] != 0 { // a class that is not used has no logarithm
			share *= math.Exp(max(-furthest, min(furthest, m.growth[c]*(mixBehind+damped(days, mixDamping)))))
		}
		shares[c] = share
		total += share
	}
	for c := range shares {
		if total > 0 {
			shares[c] /= total
		}
	}
	return shares
}

// of returns the share of each class in the tokens v of a span, those of today when it has none.
func (m mix) of(v model.Volume) (shares [model.NumClasses]model.Fraction) {
	all := sharesOf(v)
	if v.Total() <= 0 {
		all = m.at(0)
	}
	for c, share := range all {
		shares[c] = model.Fraction(share)
	}
	return shares
}

// split returns the tokens of each class in the first d days after the origin, for every d: the medians of o split day by day, so that the classes of spans add up as
// their medians do.
func (o outlook) split(m mix) []model.Volume {
	const half = len(model.Levels) / 2
	sums := make([]model.Volume, len(o.totals))
	for d := 1; d < len(sums); d++ {
		sums[d] = sums[d-1].Add(parts(o.totals[d][half]-o.totals[d-1][half], m.at(d)))
	}
	return sums
}

// until returns the tokens of each class from the origin until t, at the median, of what split returns.
func (o outlook) until(t time.Time, split []model.Volume) model.Volume {
	days, part := o.part(t)
	sum := split[days]
	if part > 0 {
		for c, next := range split[days+1] {
			sum[c] += (next - sum[c]) * model.Tokens(part)
		}
	}
	return sum
}

// parts splits a total among the classes.
func parts(total model.Tokens, shares [model.NumClasses]float64) (v model.Volume) {
	for c, share := range shares {
		v[c] = total * model.Tokens(share)
	}
	return v
}
