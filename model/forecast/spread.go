package forecast

import (
	"math"

	"tipline/model"
)

// The constants of the intervals. They minimize the headline score of the forecast protocol on its development set (149
// series, of which 90 are volumes of real LLM workloads) under the condition that 80 and 95 % intervals cover what they say
// (section 5); cross-validation by workload costs 2 % of the score. TestScore holds what they reach.
const (
	leastSpread   = 0.03 // even a steady workload has it
	ownSpread     = 0.86 // spread of a week's total per mean absolute error of the workload's own past
	dailySpread   = 0.50 // that error per mean distance of a day from its level, for which priorPasts pasts count
	priorPasts    = 1.0
	membersSpread = 0.88 // spread per standard deviation of the members
	youngSpread   = 0.70 // spread at one week of age, falling with the power youngPower of age
	youngPower    = 0.34
	shiftSpread   = 1.40 // spread one day after a shift of level, falling with the square root of its age
	horizonPower  = 0.25 // growth of the spread with the horizon, beside that of the members' disagreement
	unknownDaily  = 0.50 // distance of a day from its level while there are too few days to see it

	// skew is how far the median lies above the members' mean, in spreads: totals surprise upwards more often than not.
	skew = 0.136
)

// Where the ends of the 80 and 95 % intervals lie, in spreads from the median.
const (
	down80, up80 = 0.70, 0.90
	down95, up95 = 1.46, 1.95
)

// evidence is what a workload's history says of how far a forecast may miss.
type evidence struct {
	age    float64 // days of history
	shift  float64 // days since the last shift of level; 0 when there was none
	silent float64 // days since the last measured hour
	own    float64 // mean absolute error of a week's total on its own past, as a logarithm
	daily  float64 // mean distance of a day from the week before it, as a logarithm
}

func newEvidence(s series, l levels, p pool) evidence {
	e := evidence{age: float64(s.age) / 24, silent: float64(s.silent) / 24, daily: unknownDaily}
	if n := len(l.shifts); n > 0 {
		e.shift = float64(len(l.days) - l.shifts[n-1].day)
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

// spread returns the unit in which the quantiles of a total over days from the origin are measured, as a logarithm, given how
// far the members disagree. Time without a measurement counts as if it lay ahead.
func (e evidence) spread(days, disagreement float64) float64 {
	noise := math.Hypot(leastSpread, ownSpread*e.own) * math.Pow((days+e.silent)/week, horizonPower)
	young := youngSpread * math.Pow(week/e.age, youngPower) * (0.3 + e.daily)
	moved := 0.0
	if e.shift > 0 {
		moved = shiftSpread / math.Sqrt(e.shift)
	}
	return math.Hypot(math.Hypot(noise, membersSpread*disagreement), math.Hypot(young, moved))
}

// deviations holds, for each of model.Levels, how many spreads the quantile lies from the members' mean. Between the median
// and the ends of the intervals, and between those ends, it is a straight line over the normal score: the tails are as heavy
// as the development set shows them.
var deviations = func() (d [len(model.Levels)]float64) {
	z := func(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }
	z80, z95 := z(0.90), z(0.975)
	for i, p := range model.Levels {
		inner, outer, sign := up80, up95, 1.0
		if p < 0.5 {
			inner, outer, sign = down80, down95, -1
		}
		score := math.Abs(z(p))
		reach := inner * score / z80
		if score > z80 {
			reach = inner + (outer-inner)*(score-z80)/(z95-z80)
		}
		d[i] = skew + sign*reach
	}
	return d
}()
