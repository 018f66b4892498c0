package forecast

import "math"

// line is a forecast of the logarithm of the level: a start and a daily growth that fades.
type line struct {
	level   float64
	growth  float64 // per day, at the origin
	damping float64 // share of the growth left after each day, φ of Gardner and McKenzie (1985)
}

// furthest is the largest change of level, as a logarithm, that any line forecasts: a launch does not grow for ever.
const furthest = 3

// at returns the level h days after the origin, 1 being the first day.
func (l line) at(h int) float64 { return l.after(damped(h, l.damping)) }

// after returns the level after so many days' worth of growth.
func (l line) after(days float64) float64 {
	return l.level + max(-furthest, min(furthest, l.growth*days))
}

// A fading remembers the powers that damped takes, for lines that are damped alike.
type fading struct {
	damping float64
	days    []float64 // damped of 1 day, of 2 and so on
}

// at returns what l.at returns.
func (f *fading) at(l line, h int) float64 {
	if f.damping != l.damping {
		f.damping, f.days = l.damping, nil
	}
	for len(f.days) < h {
		f.days = append(f.days, damped(len(f.days)+1, l.damping))
	}
	return l.after(f.days[h-1])
}

// damped returns how many days' worth of growth are left of h days when the given share of it is left after each.
func damped(h int, damping float64) float64 {
	if damping >= 1 {
		return float64(h)
	}
	return damping * (1 - math.Pow(damping, float64(h))) / (1 - damping)
}

// member is a simple forecaster: it reads the first end days.
type member func(l levels, end int) (line, bool)

// members are the forecasters that are combined, each trusted as much as any other until it was tested on the workload itself. None is good everywhere, and their
// errors differ. Windows, weights and dampings are round numbers.
var members = []struct {
	name     string
	forecast member
}{
	{"mean of 1 day", averageOf(1)},
	{"mean of 3 days", averageOf(3)},
	{"mean of 1 week", averageOf(week)},
	{"mean of 2 weeks", averageOf(2 * week)},
	{"mean of 4 weeks", averageOf(4 * week)},
	{"mean of 8 weeks", averageOf(8 * week)},
	{"exponential smoothing, slow", smoothing(0.15)},
	{"exponential smoothing, fast", smoothing(0.4)},
	{"damped Holt", holt(0.4, 0.1, 0.95)},
	{"damped Holt, slow", holt(0.3, 0.1, 0.9)},
	{"theta", theta},
	{"trend of 6 weeks", regression(6*week, 0.985)},
	{"trend of 3 weeks", regression(3*week, 0.95)},
	{"median of 5 days", medianOf(5)},
	{"median of 2 weeks", medianOf(2 * week)},
}

// averageOf forecasts the moving average of the last n days, weekdays weighed by their usual use.
func averageOf(n int) member {
	return func(l levels, end int) (line, bool) {
		var sum, share float64
		for i := max(0, end-n); i < end; i++ {
			if v := l.days[i]; !math.IsNaN(v) {
				sum, share = sum+v, share+l.season[place(i, len(l.days))]
			}
		}
		if share <= 0.2 {
			return line{}, false // nothing but days that are idle in every week
		}
		return line{level: math.Log(max(sum/share, least(l, end))), damping: 1}, true
	}
}

// medianOf forecasts the median level of the last n days, which one wild day does not move.
func medianOf(n int) member {
	return func(l levels, end int) (line, bool) {
		logs := known(l.logs[max(0, end-n):end])
		if len(logs) == 0 {
			return line{}, false
		}
		return line{level: median(logs), damping: 1}, true
	}
}

// least is the smallest level that is told from nothing: a hundredth of the mean of four weeks.
func least(l levels, end int) float64 {
	m, _ := mean(l.days[max(0, end-4*week):end])
	return max(m/100, 1e-3)
}

// smoothing is simple exponential smoothing with weight alpha on the newest day (Brown 1956).
func smoothing(alpha float64) member { return holt(alpha, 0, 1) }

// holt is exponential smoothing of level and damped growth (Holt 1957; Gardner and McKenzie 1985). A surprise counts as
// far as three times the usual one, so that one odd day does not turn the trend (Gelper, Fried and Croux 2010).
func holt(alpha, beta, damping float64) member {
	return func(l levels, end int) (line, bool) {
		f := line{damping: damping}
		seen, usual := 0, 0.3
		for _, y := range l.logs[:end] {
			f.level += damping * f.growth
			f.growth *= damping
			if math.IsNaN(y) {
				continue
			}
			seen++
			if seen == 1 {
				f.level = y
				continue
			}
			surprise := y - f.level
			clipped := math.Copysign(min(math.Abs(surprise), 3*usual), surprise)
			usual += 0.1 * (min(math.Abs(surprise), 5*usual) - usual)
			usual = max(usual, 0.02)
			gain := max(alpha, 1/float64(seen))
			f.level += gain * clipped
			f.growth += beta * clipped
		}
		return f, seen > 0
	}
}

// regression continues the least-squares line through the last n days from its end, damped.
func regression(n int, damping float64) member {
	return func(l levels, end int) (line, bool) {
		slope, level, ok := fit(l.logs[max(0, end-n):end])
		return line{level: level, growth: slope, damping: damping}, ok
	}
}

// theta is simple exponential smoothing with half of the slope of all days (Assimakopoulos and Nikolopoulos 2000, in the
// form of Hyndman and Billah 2003).
func theta(l levels, end int) (line, bool) {
	f, ok := smoothing(0.3)(l, end)
	slope, _, fitted := fit(l.logs[max(0, end-8*week):end])
	if !ok || !fitted {
		return f, ok
	}
	return line{level: f.level, growth: slope / 2, damping: 0.99}, true
}

// fit returns the slope of the least-squares line through logs and its value at the end. It is false below ten days.
func fit(logs []float64) (slope, last float64, ok bool) {
	var n, sx, sy, sxx, sxy float64
	for i, y := range logs {
		if math.IsNaN(y) {
			continue
		}
		x := float64(i - len(logs) + 1)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := n*sxx - sx*sx
	if n < 10 || d <= 0 {
		return 0, 0, false
	}
	slope = (n*sxy - sx*sy) / d
	return slope, (sy - slope*sx) / n, true
}
