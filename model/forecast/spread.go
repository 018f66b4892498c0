package forecast

import (
	"math"

	"tipline/model"
)

// evidence is what a workload's history says of where a total will lie and how far a forecast of it may miss.
type evidence struct {
	age    float64 // days of history
	shift  float64 // days since the last shift of level; 0 when there was none
	silent float64 // days since the last measured hour
	own    float64 // mean absolute error of a week's total on its own past, as a logarithm
	daily  float64 // mean distance of a day from the week before it, as a logarithm
	idle   float64 // share of the days of the last four weeks that had less than a tenth of the mean
}

// How the error on the workload's own past is completed while there are few tests of it.
const (
	unknownDaily = 0.50 // distance of a day from its level while there are too few days to see it
	dailySpread  = 0.50 // error of a week's total per distance of a day, for which priorPasts tests count
	priorPasts   = 1.0
)

func newEvidence(s series, l levels, p pool) evidence {
	e := evidence{age: float64(s.age) / 24, silent: float64(s.silent) / 24, daily: unknownDaily, idle: idleShare(s.days)}
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

// idleShare returns the share of the known days of the last four weeks that had less than a tenth of their mean.
func idleShare(days []float64) float64 {
	recent := known(days[max(0, len(days)-4*week):])
	usual, ok := mean(recent)
	if !ok {
		return 0
	}
	idle := 0.0
	for _, v := range recent {
		if v < usual/10 {
			idle++
		}
	}
	return idle / float64(len(recent))
}

// The constants of the distribution. They minimize the headline score of the forecast protocol on its development set (149
// series, of which 90 are volumes of real LLM workloads), section 5, with the trust in the members; model/forecast/README.md
// has what they reach there and cross-validated by workload. A spread is a logarithm: one of 0.1 means ten percent.
const (
	spreadAtOnes = 0.411 // logarithm of the spread when everything below is 1 or, where it is added, 0

	// Powers with which the spread grows.
	ownPower      = 0.358  // of the error on the workload's own past
	dailyPower    = -0.048 // of the distance of a day from its level
	youngPower    = 0.332  // of four weeks over the age of a younger workload
	horizonPower  = -0.092 // of the weeks ahead, beside the disagreement, which grows with them
	disagreePower = 0.459  // of the disagreement of the members
	silentPower   = -0.239 // of a day and the days since the last measured hour

	// What is added to its logarithm.
	shiftSpread    = 2.233 // over the square root of the days since a shift of level
	ownSpread      = 0.329 // for each unit of the error on its own past
	dailySpreadAdd = 0.331
	disagreeSpread = -1.361

	// Where the median lies beside the members' mean.
	skew      = 0.163  // spreads above it: totals surprise upwards more often than not
	stretch   = 0.053  // of the way from what is usual
	reversion = -0.117 // of the way from the last four weeks to the last three days: bursts pass
	dormant   = -0.186 // when every day was idle
	momentum  = 0.165  // of the way from the last week to the last day, where days are alike
)

// Where the ends of the 80 and 95 % intervals lie, in spreads from the median.
const (
	down80, up80 = 0.69, 1.09
	down95, up95 = 1.26, 1.95
)

// spread returns the unit in which the quantiles of a total over days from the origin are measured, as a logarithm, given how
// far the members disagree.
func (e evidence) spread(days, disagreement float64) float64 {
	log := spreadAtOnes +
		ownPower*math.Log(e.own+0.01) + ownSpread*e.own +
		dailyPower*math.Log(e.daily+0.02) + dailySpreadAdd*e.daily +
		disagreePower*math.Log(disagreement+0.01) + disagreeSpread*disagreement +
		youngPower*(max(0, math.Log(4*week/e.age))+max(0, math.Log(1/e.age))) + // within a day not even a night was seen
		horizonPower*math.Log(days/week) +
		silentPower*math.Log(1+e.silent)
	if e.shift > 0 {
		log += shiftSpread / math.Sqrt(e.shift)
	}
	return math.Exp(max(-5, min(2, log)))
}

// deviations holds, for each of model.Levels, how many spreads the quantile lies from the median. Between the median and the
// ends of the intervals, and between those ends, it is a straight line over the normal score: the tails are as heavy as the
// development set shows them.
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
		d[i] = sign * reach
	}
	return d
}()
