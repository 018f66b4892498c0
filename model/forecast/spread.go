package forecast

import (
	"math"

	"tipline/model"
)

// evidence is what a workload's history says of how far a forecast of a total may miss.
type evidence struct {
	age     float64 // days of history
	own     float64 // mean absolute error of a week's total on its own past, as a logarithm
	daily   float64 // mean distance of a day from the week before it, as a logarithm
	scatter float64 // standard deviation of a day from the week around it, over the mean day; 0 while there are few
	shift   float64 // days since the last shift of level
	change  float64 // of the level at that shift, as a logarithm; 0 when there was none
}

// How the error on the workload's own past is completed while there are few tests of it.
const (
	unknownDaily = 0.50 // distance of a day from its level while there are too few days to see it
	dailySpread  = 0.50 // error of a week's total per distance of a day, for which priorPasts tests count
	priorPasts   = 1.0
)

func newEvidence(s series, l levels, p pool) evidence {
	e := evidence{age: float64(s.age) / 24, daily: unknownDaily, scatter: l.scatter()}
	if n := len(l.shifts); n > 0 {
		e.shift, e.change = float64(len(l.days)-l.shifts[n-1].day), l.shifts[n-1].change
	}
	var strays []float64
	for i := max(1, len(l.logs)-4*week); i < len(l.logs); i++ {
		if near, ok := mean(l.logs[max(0, i-week):i]); ok {
			strays = append(strays, l.logs[i]-near)
		}
	}
	if len(known(strays)) >= 2 {
		e.daily, _ = meanError(strays)
	}
	e.own = dailySpread*e.daily + 0.02
	if n := float64(p.tests); n > 0 {
		e.own = (n*p.own + priorPasts*e.own) / (n + priorPasts)
	}
	return e
}

// scatter returns the standard deviation of a day of the last eight weeks from the week around it, or from what its weekday has of that week where this is less, over the mean
// day; 0 below a fortnight.
func (l levels) scatter() float64 {
	n := len(l.days)
	from := max(0, n-8*week)
	usual, _ := mean(l.days[from:])
	var ofWeek, ofWeekday, days float64 // sums of squares, and their number
	for i := from; i < n; i++ {
		if near, ok := mean(around(l.days, i)); ok && !math.IsNaN(l.days[i]) {
			a, b := (l.days[i]-near)/usual, (l.days[i]-near*l.season[place(i, n)])/usual
			ofWeek, ofWeekday, days = ofWeek+a*a, ofWeekday+b*b, days+1
		}
	}
	if days < 2*week || usual == 0 {
		return 0
	}
	return math.Sqrt(min(ofWeek, ofWeekday) / days * week / (week - 1)) // a seventh of the day is in the week around it
}

// Where the ends of the 80 and 95 % intervals lie, in spreads from the members' mean. These four are fitted: they minimize the headline score of the forecast
// protocol on its development set, those of 95 % widened by 4 %. README.md says what they reach there, and cross-validated by workload. The powers of spread
// and what follows are round numbers near the best ones.
const (
	down80, up80 = 0.93, 1.40
	down95, up95 = 1.80, 2.55
)

const (
	skew = 0.2 // spreads of the median above the members' mean: totals surprise upwards more often than not

	// A level that has shifted may come back, as after a holiday: the intervals reach towards the old one by these shares of the change, less with every
	// day of the new one.
	back80, back95 = 0.75, 1.25
	backDays       = 14 // after which it is less by e
)

// spread returns the unit in which the quantiles of a total over a number of days are measured, as a logarithm: the square root of the error on the workload's own
// past, times the fourth root of how far the members disagree, which grows with the days ahead, the third root of how far the workload is from four weeks old, and
// the tenth root of the weeks ahead, over which days even out.
func (e evidence) spread(days, disagreement float64) float64 {
	young := max(1, 4*week/e.age) * max(1, 1/e.age) // within a day not even a night was seen
	s := math.Sqrt(e.own+0.01) * math.Pow(disagreement+0.01, 0.25) * math.Cbrt(young) * math.Pow(days/week, -0.1)
	return min(7, s)
}

// chance returns by how much the total of a number of days strays when they scatter independently of each other, so that its variance is the sum of theirs: the standard
// deviation of its logarithm, taken as normal (Fenton 1960).
func (e evidence) chance(days float64) float64 {
	return math.Sqrt(math.Log1p(e.scatter * e.scatter / days))
}

// quantiles returns the distribution of a total of a number of days around the members' mean. Distances are taken on the logarithm of the total in units of what it usually is,
// usual, as the forecast protocol does, section 4. None is less than chance alone makes it: batches and idle days that come now and then cannot be known ahead, however well the
// level is.
func (e evidence) quantiles(center, usual, spread, days float64) (d model.Distribution) {
	if usual == 0 {
		return d // never used: there is no scale on which to be uncertain
	}
	chance := e.chance(days)
	back := e.change * math.Exp(-e.shift/backDays)
	for i, level := range model.Levels {
		distance := skew*spread + math.Copysign(max(math.Abs(deviations[i]*spread), math.Abs(normal[i]*chance)), deviations[i])
		if (level < 0.5) == (back > 0) { // on the side of the old level
			distance -= back * returns[i]
		}
		d[i] = model.Tokens(usual * max(0, math.Exp(center+distance)-offset))
	}
	return d
}

// normal holds the normal score of each of model.Levels, deviations how many spreads the quantile lies from the median, and returns which share of a change of level
// it reaches back.
var normal, deviations, returns = func() (normal, deviations, returns [len(model.Levels)]float64) {
	for i, level := range model.Levels {
		normal[i] = normalScore(level)
		deviations[i], returns[i] = reach(level, up80, up95), reach(level, back80, back95)
		if level < 0.5 {
			deviations[i] = -reach(level, down80, down95)
		}
	}
	return normal, deviations, returns
}()

// reach returns how far from the median a level lies when the ends of the 80 and 95 % intervals lie inner and outer from it: a straight line over the normal
// score between the median and these ends, so that the tails are as heavy as the development set shows them. With another reach on either side it makes a two-piece
// distribution (Wallis 2014).
func reach(level, inner, outer float64) float64 {
	score, z80, z95 := math.Abs(normalScore(level)), normalScore(0.90), normalScore(0.975)
	if score <= z80 {
		return inner * score / z80
	}
	return inner + (outer-inner)*(score-z80)/(z95-z80)
}

// normalScore returns the quantile p of the standard normal distribution.
func normalScore(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
