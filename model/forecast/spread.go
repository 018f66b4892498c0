package forecast

import (
	"math"
	"slices"

	"tipline/model"
)

// The constants of the intervals. They were chosen on the development set of the forecast protocol (149 series, of which 93
// are volumes of real LLM workloads) so that 80 and 95 % intervals cover what they say; see TestScore.
const (
	backtests    = 28   // origins of the workload's own backtest, a day apart
	priorBase    = 0.05 // spread of a week's total that even a steady workload has
	priorDaily   = 0.60 // part of the day-to-day spread that a week's total keeps
	priorYoung   = 0.90 // added at one week of age, falling with age
	priorWeight  = 2.0  // weeks of own errors that the prior counts for
	horizonPower = 0.45 // how the spread grows with the horizon in weeks
	multiple80   = 1.15 // half width of the 80 % interval in spreads
	multiple95   = 2.55 // half width of the 95 % interval in spreads
)

// spread returns the expected error of the logarithm of a total over horizon days.
func spread(days []float64, sc scale, age float64, horizon int) float64 {
	prior := priorBase + priorDaily*dailySpread(days, sc) + priorYoung*math.Pow(week/max(2, age), 1.3)
	errors := backtest(days, sc)
	own, weeks := prior, 0.0
	if len(errors) > 0 {
		for i, e := range errors {
			errors[i] = math.Abs(e)
		}
		slices.Sort(errors)
		own = errors[int(0.8*float64(len(errors)-1))] / 1.2816
		weeks = 1 + float64(len(errors))/week
	}
	variance := (weeks*own*own + priorWeight*prior*prior) / (weeks + priorWeight)
	return math.Sqrt(variance) * math.Pow(float64(max(1, horizon))/week, horizonPower)
}

// dailySpread returns how far daily totals stray from the mean of the week around them, on the log scale: 1.2533 times the
// mean absolute deviation, which is the standard deviation of a normal variable.
func dailySpread(days []float64, sc scale) float64 {
	recent := days[max(0, len(days)-4*week):]
	factors := weekdayFactors(days, sc)
	sum, n := 0.0, 0
	for i, v := range recent {
		level, ok := mean(recent[max(0, i-3):min(len(recent), i+4)], week)
		if math.IsNaN(v) || !ok {
			continue
		}
		sum += math.Abs(sc.log(v) - factors[place(i, len(recent))] - sc.log(level))
		n++
	}
	if n < 2 {
		return 1
	}
	return 1.2533 * sum / float64(n)
}

// backtest returns the errors, on the log scale, of the workload's own forecasts of a week made on each of the last days.
func backtest(days []float64, sc scale) []float64 {
	var errors []float64
	for end := len(days) - week; end >= week && end > len(days)-week-backtests; end-- {
		actual, ok := mean(days[end:end+week], week)
		if !ok {
			continue
		}
		errors = append(errors, sc.log(actual)-sc.log(total(combine(days[:end], sc, week))/week))
	}
	return errors
}

// combine returns the median of the members for each of the next horizon days.
func combine(days []float64, sc scale, horizon int) []float64 {
	days = sinceShift(days, sc)
	paths := make([][]float64, len(members))
	for i, m := range members {
		paths[i] = m(days, sc, horizon)
	}
	out := make([]float64, horizon)
	at := make([]float64, len(members))
	for h := range out {
		for i := range paths {
			at[i] = paths[i][h]
		}
		out[h] = median(at)
	}
	return out
}

func total(days []float64) float64 {
	sum := 0.0
	for _, v := range days {
		sum += v
	}
	return sum
}

// sinceShift returns the part of days since the last lasting change of level.
func sinceShift(days []float64, sc scale) []float64 {
	if at, _, ok := levelShift(days, sc); ok {
		return days[at:]
	}
	return days
}

// levelShift finds a day in the last four weeks since which every measured day lies beyond everything of the two weeks
// before it, and the medians differ by more than half as much again. It returns the day and the factor.
func levelShift(days []float64, sc scale) (at int, factor float64, found bool) {
	for at := len(days) - 4; at >= max(week, len(days)-4*week); at-- {
		before, after := measured(days[max(0, at-2*week):at]), measured(days[at:])
		if len(before) < week || len(after) < 4 {
			continue
		}
		up := slices.Min(after) > slices.Max(before)
		down := slices.Max(after) < slices.Min(before)
		change := sc.log(median(after)) - sc.log(median(before))
		if (up || down) && math.Abs(change) > math.Log(1.5) {
			return at, median(after) / max(median(before), sc.level*offset), true
		}
	}
	return 0, 0, false
}

func measured(days []float64) []float64 {
	var out []float64
	for _, v := range days {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}

// multiples holds, for each of model.Levels, how many spreads the quantile lies above the median: a cubic in the normal
// score, which has heavier tails than the normal and passes through both intervals.
var multiples = func() [len(model.Levels)]float64 {
	const z80, z95 = 1.2815515655446004, 1.959963984540054
	// a·z + c·z³ at both points.
	c := (multiple95/z95 - multiple80/z80) / (z95*z95 - z80*z80)
	a := multiple80/z80 - c*z80*z80
	var m [len(model.Levels)]float64
	for i, level := range model.Levels {
		z := math.Sqrt2 * math.Erfinv(2*level-1)
		m[i] = a*z + c*z*z*z
	}
	return m
}()
