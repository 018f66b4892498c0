package forecast

import (
	"math"
	"time"

	"tipline/model"
)

// outlook is a forecast of one workload from which the total of any span is read.
type outlook struct {
	series
	levels   levels
	pool     pool
	evidence evidence             // what the spread rests on
	totals   []model.Distribution // totals of the first d days after the origin
	calendar calendar
}

// newOutlook forecasts the given number of days of u, with what is known beside it. It is false when not one hour before origin was
// measured, holidays and the like left out.
func newOutlook(u model.Usage, origin time.Time, days int, k model.Known) (outlook, bool) {
	c := newCalendar(k)
	s, ok := newSeries(c.without(u, origin), origin)
	if !ok {
		return outlook{}, false
	}
	l := newLevels(s.days)
	p := newPool(l)
	e := newEvidence(s, l, p)
	o := outlook{series: s, levels: l, pool: p, evidence: e, totals: make([]model.Distribution, days+1), calendar: c}
	scale := usualDay(l.days)
	sums := make([]float64, len(members)) // each member's total until the day
	volumes := make([]float64, len(members))
	var spread float64
	for d := 1; d <= days; d++ {
		for m, f := range p.lines {
			if d == 1 || f.growth != 0 { // most members forecast a level alone
				volumes[m] = math.Exp(f.at(d))
			}
			sums[m] += volumes[m] * l.season[(d-1)%week]
		}
		usual := scale * float64(d)
		center, disagreement := p.combine(sums, d, usual)
		farther := 1.0
		if d <= scored {
			spread = e.spread(float64(d), disagreement)
		} else { // nobody has scored what lies farther: it is taken to widen as the fourth root of time
			farther = math.Pow(float64(d)/scored, 0.25)
		}
		o.totals[d] = e.quantiles(center, usual, spread*farther, float64(d))
		for i, before := range o.totals[d-1] {
			o.totals[d][i] = max(o.totals[d][i], before) // what has been used stays used
		}
	}
	o.addBatches()
	o.apply(c)
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

// scored is the farthest horizon of the forecast protocol, in days.
const scored = 30

// combine returns the weighted mean of the members' totals over a number of days, as a logarithm in units of what is usual (Bates and Granger 1969), and their standard
// deviation around it.
func (p pool) combine(totals []float64, days int, usual float64) (center, disagreement float64) {
	var squares float64
	part := monthly(days)
	for m, total := range totals {
		if p.has[m] {
			w, log := p.weight(m, part), math.Log(total/usual+offset)
			center += w * log
			squares += w * log * log
		}
	}
	return center, math.Sqrt(max(0, squares-center*center))
}

// total returns the total from the origin until t, parts of a day by the usual shape of the day.
func (o outlook) total(t time.Time) model.Distribution {
	days, part := o.part(t)
	d := o.totals[days]
	if part > 0 {
		for i, next := range o.totals[days+1] {
			d[i] += (next - d[i]) * model.Tokens(part)
		}
	}
	return d
}

// part returns the full days from the origin until t, and the share that is used until then of the day that follows.
func (o outlook) part(t time.Time) (days int, part float64) {
	hours := int(t.Sub(o.origin) / time.Hour)
	for _, share := range o.usual[:hours%24] {
		part += share
	}
	return hours / 24, part
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
