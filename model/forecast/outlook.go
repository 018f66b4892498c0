package forecast

import (
	"math"
	"time"

	"tipline/model"
)

// outlook is a forecast of one workload from which the total of any span is read.
type outlook struct {
	series
	levels levels
	pool   pool
	totals []model.Distribution // totals of the first d days after the origin
}

// newOutlook forecasts the given number of days. It is false when not one hour before origin was measured.
func newOutlook(u model.Usage, origin time.Time, days int) (outlook, bool) {
	s, ok := newSeries(u, origin)
	if !ok {
		return outlook{}, false
	}
	l := newLevels(s.days)
	o := outlook{series: s, levels: l, pool: newPool(l), totals: make([]model.Distribution, days+1)}
	e := newEvidence(s, l, o.pool)
	scale := usualDay(l.days)
	sum := 0.0
	for d := 1; d <= days; d++ {
		level, _ := o.pool.at(d)
		sum += math.Exp(level) * l.season[(d-1)%week]
		_, disagreement := o.pool.at((d + 1) / 2)
		o.totals[d] = quantiles(sum, scale*float64(d), e.spread(float64(d), disagreement))
		for i, before := range o.totals[d-1] {
			o.totals[d][i] = max(o.totals[d][i], before) // what has been used stays used
		}
	}
	return o, true
}

// usualDay returns the mean of the last four weeks, or of all days when those were idle.
func usualDay(days []float64) float64 {
	if m, _ := mean(days[max(0, len(days)-4*week):]); m > 0 {
		return m
	}
	m, _ := mean(days)
	return m
}

// quantiles returns the distribution of a total around center. Distances are taken on the logarithm of the total in units of
// what it usually is, usual, as the forecast protocol does, section 4.
func quantiles(center, usual, spread float64) (d model.Distribution) {
	if usual == 0 {
		return d // never used: there is no scale on which to be uncertain
	}
	g := math.Log(center/usual + offset)
	for i, deviation := range deviations {
		d[i] = model.Tokens(usual * max(0, math.Exp(g+spread*deviation)-offset))
	}
	return d
}

// total returns the total from the origin until t, parts of a day by the usual shape of the day.
func (o outlook) total(t time.Time) model.Distribution {
	hours := int(t.Sub(o.origin) / time.Hour)
	d := o.totals[hours/24]
	part := 0.0
	for _, share := range o.usual[:hours%24] {
		part += share
	}
	if part > 0 {
		for i, next := range o.totals[hours/24+1] {
			d[i] += (next - d[i]) * model.Tokens(part)
		}
	}
	return d
}

// between returns the total of a span that begins at or after the origin. Its median is what the totals until its ends leave
// between them, so medians of spans add up; it is as uncertain as the total until its end.
func (o outlook) between(from, to time.Time) model.Distribution {
	const half = len(model.Levels) / 2
	before, until := o.total(from), o.total(to)
	if from.Equal(o.origin) || until[half] == 0 {
		return until
	}
	share := max(0, 1-before[half]/until[half])
	for i := range until {
		until[i] *= share
	}
	return until
}
