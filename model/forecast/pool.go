package forecast

import "math"

// pool is the members' forecasts of one workload, with the weights that each has earned.
type pool struct {
	lines   []line    // of each member
	has     []bool    // whether the member has a forecast
	weekly  []float64 // weights by the errors of totals a week ahead, which sum to 1
	monthly []float64 // by those of totals four weeks ahead
	own     float64   // mean absolute error of the weighted mean on the workload's own past weeks, as a logarithm; NaN when untested
	tests   int       // how many past weeks it was tested on
}

// How members are weighed.
const (
	weekTests   = 6 * week  // days back from the origin on which a test of a week may begin
	monthTests  = 14 * week // and one of four weeks
	weightPower = 4         // a weight falls with this power of the member's mean error
	priorTests  = 2         // tests for which the mean error of all members counts
)

// newPool lets every member forecast, and weighs it by its errors on rolling origins of the same workload (Bates and Granger
// 1969), drawn towards equal weights while there are few of them.
func newPool(l levels) pool {
	p := pool{lines: make([]line, len(members)), has: make([]bool, len(members)), own: math.NaN()}
	for m, member := range members {
		p.lines[m], p.has[m] = member.forecast(l, len(l.days))
	}
	past := forecastPast(l)
	weeks := past.backtest(week, weekTests)
	p.weekly = p.weigh(weeks)
	p.monthly = p.weigh(past.backtest(4*week, monthTests))
	p.test(weeks)
	return p
}

// weigh returns the weights that errors earn, inverse powers of their means, which are drawn towards that of all members while there are few (Stock and Watson 2004); 0 for
// a member without a forecast.
func (p pool) weigh(errors [][]float64) []float64 {
	usual, _ := meanError(errors...)
	usual += 0.01 // keeps perfect forecasts comparable
	weights, total := make([]float64, len(members)), 0.0
	for m := range members {
		if !p.has[m] {
			continue
		}
		n := float64(len(known(errors[m])))
		own, _ := meanError(errors[m])
		shrunk := (priorTests*usual + n*own) / (priorTests + n)
		weights[m] = math.Pow(shrunk/usual, -weightPower)
		total += weights[m]
	}
	for m := range weights {
		weights[m] /= total
	}
	return weights
}

// past holds what each member would have forecast at each origin of the last monthTests days.
type past struct {
	levels
	lines [][]line // by member and day; one that is not finite is no forecast
}

// forecastPast lets every member forecast at each of these origins, from the days before it alone.
func forecastPast(l levels) past {
	p := past{levels: l, lines: make([][]line, len(members))}
	n := len(l.days)
	for m, member := range members {
		p.lines[m] = make([]line, n)
		for t := max(2, n-monthTests); t < n; t++ {
			f, ok := member.forecast(l, t)
			if !ok {
				f.level = math.NaN()
			}
			p.lines[m][t] = f
		}
	}
	return p
}

// backtest evaluates the members on rolling origins (Tashman 2000): it returns the error of each at each origin of the last back days, as a logarithm, that of the
// total of ahead days that followed, or of a shorter time while the workload is young. NaN marks a member without a forecast.
func (l past) backtest(ahead, back int) [][]float64 {
	n := len(l.days)
	ahead = max(1, min(ahead, n/3))
	errors := make([][]float64, len(members))
	fadings := make([]fading, len(members))
	for t := max(2, n-back); t+ahead <= n; t++ {
		var actual, share float64
		for i := t; i < t+ahead; i++ {
			if v := l.days[i]; !math.IsNaN(v) {
				actual, share = actual+v, share+l.season[place(i, n)]
			}
		}
		base, _ := mean(l.days[max(0, t-4*week):t])
		if share < 0.3*float64(ahead) || base == 0 {
			continue // too little to compare with
		}
		for m := range members {
			f, forecast := l.lines[m][t], 0.0
			volume := math.Exp(f.level)
			for i := t; i < t+ahead; i++ {
				if math.IsNaN(l.days[i]) {
					continue
				}
				if f.growth != 0 { // most members forecast a level alone
					volume = math.Exp(fadings[m].at(f, i-t+1))
				}
				forecast += volume * l.season[place(i, n)]
			}
			errors[m] = append(errors[m], math.Log(forecast/share/base+offset)-math.Log(actual/share/base+offset))
		}
	}
	return errors
}

// test sets the error of the weighted mean from those of the members.
func (p *pool) test(errors [][]float64) {
	var combined []float64
	for t := range errors[0] {
		var sum, weight float64
		for m := range errors {
			if e := errors[m][t]; !math.IsNaN(e) {
				sum, weight = sum+p.weekly[m]*e, weight+p.weekly[m]
			}
		}
		if weight > 0 {
			combined = append(combined, sum/weight)
		}
	}
	if m, ok := meanError(combined); ok {
		p.own, p.tests = m, len(combined)
	}
}

// meanError returns the mean of the absolute known errors of all series, and false when there are none.
func meanError(series ...[]float64) (float64, bool) {
	sum, n := 0.0, 0
	for _, errors := range series {
		for _, e := range errors {
			if !math.IsNaN(e) {
				sum, n = sum+math.Abs(e), n+1
			}
		}
	}
	return sum / float64(max(1, n)), n > 0
}

// weight returns the weight of member m for a total of which monthly says how far it is one of a month.
func (p pool) weight(m int, monthly float64) float64 {
	return (1-monthly)*p.weekly[m] + monthly*p.monthly[m]
}

// monthly returns how far a total of the given number of days is one of a month: 0 up to a week, 1 from four weeks on, and between them as far as the
// logarithm of the days is.
func monthly(days int) float64 {
	part := math.Log(float64(max(1, days))/week) / math.Log(4)
	return max(0, min(1, part))
}

// level returns the weighted mean level h days after the origin, as a logarithm.
func (p pool) level(h int) float64 {
	sum, part := 0.0, monthly(h)
	for m, f := range p.lines {
		if p.has[m] {
			sum += p.weight(m, part) * f.at(h)
		}
	}
	return sum
}
