package forecast

import "math"

// pool is the members' forecasts of one workload, with the weight that each has earned.
type pool struct {
	lines   []line
	weights []float64 // sum to 1; 0 for a member that has no forecast
	own     float64   // mean absolute error of the weighted mean on the workload's own past, as a logarithm; NaN when untested
	tests   int       // how many pasts it was tested on
}

// How members are weighed, chosen on the development set of the forecast protocol, cross-validated by workload. The score is
// flat around all three.
const (
	testsBack   = 6 * week // days back from the origin on which a test may begin
	weightPower = 4        // a weight falls with this power of the member's mean error
	priorTests  = 6        // tests for which the mean error of all members counts
)

// newPool lets every member forecast, and weighs it by its errors on rolling origins of the same workload (Bates and Granger
// 1969), drawn towards equal weights while there are few of them.
func newPool(l levels) pool {
	errors := backtest(l)
	p := pool{lines: make([]line, len(members)), weights: make([]float64, len(members)), own: math.NaN()}
	usual := 0.01 // keeps perfect forecasts comparable
	if m, ok := meanError(errors...); ok {
		usual += m
	}
	total := 0.0
	for m, member := range members {
		var ok bool
		if p.lines[m], ok = member(l, len(l.days)); !ok {
			continue
		}
		n := float64(len(known(errors[m])))
		own, _ := meanError(errors[m])
		p.weights[m] = math.Pow((priorTests*usual+n*own)/(priorTests+n), -weightPower)
		total += p.weights[m]
	}
	for m := range p.weights {
		p.weights[m] /= total
	}
	p.test(errors)
	return p
}

// backtest returns the error of each member at each past origin, as a logarithm: that of the week that followed, or of a
// shorter time while the workload is young. NaN marks a member without a forecast.
func backtest(l levels) [][]float64 {
	n := len(l.days)
	ahead := max(1, min(week, n/3))
	errors := make([][]float64, len(members))
	for t := max(2, n-testsBack); t+ahead <= n; t++ {
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
		for m, member := range members {
			e := math.NaN()
			if f, ok := member(l, t); ok {
				forecast := 0.0
				for i := t; i < t+ahead; i++ {
					if !math.IsNaN(l.days[i]) {
						forecast += math.Exp(f.at(i-t+1)) * l.season[place(i, n)]
					}
				}
				e = math.Log(forecast/share/base+offset) - math.Log(actual/share/base+offset)
			}
			errors[m] = append(errors[m], e)
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
				sum, weight = sum+p.weights[m]*e, weight+p.weights[m]
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

// at returns the level h days after the origin, as a logarithm, and how far the members disagree: their standard deviation.
func (p pool) at(h int) (level, disagreement float64) {
	var squares float64
	for m, w := range p.weights {
		if w > 0 {
			y := p.lines[m].at(h)
			level += w * y
			squares += w * y * y
		}
	}
	return level, math.Sqrt(max(0, squares-level*level))
}
