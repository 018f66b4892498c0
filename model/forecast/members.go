package forecast

import "math"

// scale turns a volume into the logarithm that is averaged and compared. The offset keeps zeros finite: a twentieth of
// the level, as the forecast protocol scores it.
type scale struct{ level float64 }

const offset = 0.05

func (s scale) log(v float64) float64 { return math.Log(v/s.level + offset) }
func (s scale) exp(g float64) float64 { return max(0, (math.Exp(g)-offset)*s.level) }

// member forecasts the total of the days h = 1 … horizon after the last of days, as daily values.
type member func(days []float64, sc scale, horizon int) []float64

// members are the forecasters that are combined. None of them is good everywhere; their median is hard to beat.
var members = []member{lastWeek, lastMonth, seasonalNaive, smoothed, holt, theta}

// lastWeek repeats the mean of the last seven days.
func lastWeek(days []float64, _ scale, horizon int) []float64 { return flat(days, week, horizon) }

// lastMonth repeats the mean of the last 28 days.
func lastMonth(days []float64, _ scale, horizon int) []float64 { return flat(days, 4*week, horizon) }

func flat(days []float64, n, horizon int) []float64 {
	level, ok := mean(days, n)
	if !ok {
		level, _ = mean(days, len(days))
	}
	return repeat(level, horizon)
}

func repeat(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// seasonalNaive repeats the last week day by day; a day that nobody measured takes that of the week before, or the mean.
func seasonalNaive(days []float64, _ scale, horizon int) []float64 {
	level, _ := mean(days, 2*week)
	out := make([]float64, horizon)
	for h := range out {
		out[h] = level
		for back := week - h%week; back <= 3*week; back += week {
			if i := len(days) - back; i >= 0 && !math.IsNaN(days[i]) {
				out[h] = days[i]
				break
			}
		}
	}
	return out
}

// smoothed is simple exponential smoothing of the logarithm without the weekday, with a weight of 0.3 on the newest day
// (Brown 1956; the weight is the middle of the range that automatic fits choose on the development set).
func smoothed(days []float64, sc scale, horizon int) []float64 {
	factors, logs := deseasonalize(days, sc)
	level, begun := 0.0, false
	for _, g := range logs {
		switch {
		case math.IsNaN(g):
		case !begun:
			level, begun = g, true
		default:
			level += 0.3 * (g - level)
		}
	}
	return reseason(factors, sc, horizon, func(int) float64 { return level })
}

// damping is how much of a trend is left after each day (Gardner and McKenzie 1985): half of it after three weeks.
const damping = 0.967

// holt is damped exponential smoothing of level and trend of the logarithm (Holt 1957).
func holt(days []float64, sc scale, horizon int) []float64 {
	const alpha, beta = 0.3, 0.05
	factors, logs := deseasonalize(days, sc)
	level, trend, begun := 0.0, 0.0, false
	for _, g := range logs {
		if !begun {
			if !math.IsNaN(g) {
				level, begun = g, true
			}
			continue
		}
		expected := level + damping*trend
		trend *= damping
		level = expected
		if !math.IsNaN(g) {
			surprise := max(-1.5, min(1.5, g-expected)) // one odd day may not turn the trend
			level += alpha * surprise
			trend += beta * surprise
		}
	}
	ahead, sum := 0.0, 0.0
	grown := make([]float64, horizon)
	for h := range grown {
		ahead = damping * (ahead + boolTo(h == 0)*1)
		if h > 0 {
			ahead = math.Pow(damping, float64(h+1))
		}
		sum += ahead
		grown[h] = level + sum*trend
	}
	return reseason(factors, sc, horizon, func(h int) float64 { return grown[h] })
}

func boolTo(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// theta is the mean of exponential smoothing and of half the slope of a straight line through the logarithm
// (Assimakopoulos and Nikolopoulos 2000; Hyndman and Billah 2003), the slope being damped.
func theta(days []float64, sc scale, horizon int) []float64 {
	factors, logs := deseasonalize(days, sc)
	var n, sx, sy, sxx, sxy float64
	for i, g := range logs {
		if math.IsNaN(g) {
			continue
		}
		x := float64(i)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+g, sxx+x*x, sxy+x*g
	}
	slope := 0.0
	if d := n*sxx - sx*sx; n >= 2*week && d > 0 {
		slope = (n*sxy - sx*sy) / d
	}
	level, begun := 0.0, false
	for _, g := range logs {
		switch {
		case math.IsNaN(g):
		case !begun:
			level, begun = g, true
		default:
			level += 0.3 * (g - level)
		}
	}
	return reseason(factors, sc, horizon, func(h int) float64 {
		return level + slope/2*(1-math.Pow(damping, float64(h+1)))/(1-damping)*damping
	})
}

// weekdayFactors returns by how much the logarithm of each place in the week, counted back from the origin, differs from the
// mean of its week: medians over the last eight weeks, shrunk towards nothing while there are few weeks.
func weekdayFactors(days []float64, sc scale) [week]float64 {
	var at [week][]float64
	for end := len(days); end >= week && end > len(days)-8*week; end -= week {
		level, ok := mean(days[end-week:end], week)
		if !ok || level <= 0 {
			continue
		}
		for i, v := range days[end-week : end] {
			if !math.IsNaN(v) {
				at[i] = append(at[i], sc.log(v)-sc.log(level))
			}
		}
	}
	var factors [week]float64
	for i, values := range at {
		n := float64(len(values))
		if n > 0 {
			factors[i] = median(values) * n / (n + 1.5)
		}
	}
	return factors
}

// deseasonalize returns the weekday factors and the logarithm of days without them. Factor i belongs to the days whose
// distance from the end leaves the remainder i when counted forward from a whole week before it.
func deseasonalize(days []float64, sc scale) ([week]float64, []float64) {
	factors := weekdayFactors(days, sc)
	logs := make([]float64, len(days))
	for i, v := range days {
		logs[i] = sc.log(v) - factors[place(i, len(days))]
	}
	return factors, logs
}

// place returns the place in the week of day i of n.
func place(i, n int) int { return ((i-n)%week + week) % week }

// reseason turns logarithms without weekdays into daily values.
func reseason(factors [week]float64, sc scale, horizon int, log func(h int) float64) []float64 {
	out := make([]float64, horizon)
	for h := range out {
		out[h] = sc.exp(log(h) + factors[h%week])
	}
	return out
}
