package forecast

import (
	"math"
	"slices"
)

// offset is added to a volume, in units of its level, before the logarithm is taken, so that an idle day stays finite. It
// is that of the forecast protocol, section 4.
const offset = 0.05

// levels is what is left of a workload's days when the weekday is taken out: their level, as a logarithm.
type levels struct {
	days   []float64     // daily totals, oldest first; NaN where unknown
	season [week]float64 // use of each place in the week over the mean day; place 0 is the day that begins at the origin
	logs   []float64     // logarithm of the level of each day, without the weekday; NaN where unknown
	shifts []shift       // lasting changes of level; days and logs before them are brought to the level after them
}

// place returns the place in the week of day i of n, and of the day i-n after the origin when i is n or more.
func place(i, n int) int { return ((i-n)%week + week) % week }

// newLevels takes the weekday out of days: the classical multiplicative decomposition, with medians.
func newLevels(days []float64) levels {
	l := levels{days: days, logs: make([]float64, len(days))}
	local := localMeans(days)
	ratios := make([]float64, len(days)) // log of each day over the mean of the week around it
	for i, v := range days {
		ratios[i] = math.Log((v/local[i] + offset) / (1 + offset))
	}
	factors := weekdays(ratios)
	sum := 0.0
	for p, f := range factors {
		l.season[p] = max(0, (1+offset)*math.Exp(f)-offset)
		sum += l.season[p]
	}
	for p := range l.season {
		l.season[p] *= week / sum
	}
	for i := range days {
		l.logs[i] = math.Log(local[i]) + ratios[i] - factors[place(i, len(days))]
	}
	l.bridgeShifts()
	l.meanOfLogs()
	return l
}

// bridgeShifts finds the lasting changes of level and brings what came before them to the level after them, so that the
// members see neither a jump nor a trend in them.
func (l *levels) bridgeShifts() {
	l.days, l.shifts = slices.Clone(l.days), findShifts(l.logs)
	for _, s := range l.shifts {
		for i := range s.day {
			l.logs[i] += s.change
			l.days[i] *= math.Exp(s.change)
		}
	}
}

// meanOfLogs raises logs so that their level is that of the mean day and not of the typical one: idle and busy days add up
// in a total (the bias adjustment of a forecast on logarithms, by the smearing estimate of Duan 1983 over the last eight weeks).
func (l *levels) meanOfLogs() {
	var actual, fitted float64
	n := len(l.days)
	for i := max(0, n-8*week); i < n; i++ {
		near, ok := mean(around(l.logs, i))
		if ok && !math.IsNaN(l.days[i]) {
			fitted += l.season[place(i, n)]
			actual += l.days[i] / math.Exp(near)
		}
	}
	if actual == 0 || fitted == 0 {
		return
	}
	smear := max(-0.5, min(0.7, math.Log(actual/fitted))) // more than that is one wild day, not a habit
	for i := range l.logs {
		l.logs[i] += smear
	}
}

// localMeans returns the mean of the seven days around each day, at least a hundredth of the mean of all.
func localMeans(days []float64) []float64 {
	all, _ := mean(days)
	local := make([]float64, len(days))
	for i := range days {
		m, ok := mean(around(days, i))
		if !ok {
			m = all
		}
		local[i] = max(m, all/100)
		if local[i] == 0 {
			local[i] = 1 // nothing was ever used: any level does
		}
	}
	return local
}

// around returns the week around day i, moved inwards at the ends so that no weekday counts twice.
func around(days []float64, i int) []float64 {
	from := max(0, min(i-week/2, len(days)-week))
	return days[from:min(len(days), from+week)]
}

// weekdays returns the seasonal index of each place in the week, as a logarithm: medians over the last eight weeks, drawn towards zero
// as far as their spread within a place explains their spread between places (James and Stein 1961).
func weekdays(ratios []float64) (factors [week]float64) {
	var at [week][]float64
	for i := max(0, len(ratios)-8*week); i < len(ratios); i++ {
		if p := place(i, len(ratios)); !math.IsNaN(ratios[i]) {
			at[p] = append(at[p], ratios[i])
		}
	}
	var between, within, n float64
	for p, values := range at {
		if len(values) == 0 {
			return [week]float64{} // younger than a week: no weekday is known from another
		}
		factors[p] = median(values)
		between += factors[p] * factors[p] / week
		for _, v := range values {
			within += (v - factors[p]) * (v - factors[p])
			n++
		}
	}
	if n < 2*week {
		for p := range factors {
			factors[p] *= 0.3 // one week does not tell a weekday from chance
		}
		return factors
	}
	within /= n - week + 1
	for p := range factors {
		noise := within / float64(len(at[p]))
		signal := max(0, between-noise)
		factors[p] *= signal / (signal + noise + 1e-12)
	}
	return factors
}

// mean returns the mean of the known values, and false when there are none.
func mean(values []float64) (float64, bool) {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(max(1, n)), n > 0
}

// median returns the median of values, all known and at least one.
func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
