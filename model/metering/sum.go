package metering

import "slices"

// mostParts is of how many workloads a sum is looked for that no label says. With more, each is too small a part to be seen in it.
const mostParts = 16

// sums returns the workloads that count what several workloads of other places count together, although no label says which. Those of found are left out.
func (f finder) sums(meters []meter, found []Double) (sums []Double) {
	explained := map[int]bool{}
	for _, d := range found {
		for _, i := range slices.Concat(d.One, d.Other) {
			explained[i] = true
		}
	}
	var singles []meter
	for _, m := range meters {
		if len(m.members) == 1 && !explained[m.members[0]] {
			singles = append(singles, m)
		}
	}
	for i := range singles {
		whole := &singles[i]
		var parts []meter
		for k := range singles[:i] { // the smaller ones
			if p := &singles[k]; p.generates == whole.generates && p.apart(whole) && p.together(whole) {
				parts = append(parts, *p)
			}
		}
		if len(parts) > 1 {
			if d, ok := f.compose(whole, parts); ok {
				sums = append(sums, d)
			}
		}
	}
	return sums
}

// compose looks for those of parts, sorted by their means, that add up to whole: each time the one whose addition brings the chance of the sum nearest to that of the whole,
// until none does.
func (f finder) compose(whole *meter, parts []meter) (Double, bool) {
	parts = parts[max(0, len(parts)-mostParts):]
	counted := make([][]float64, len(parts))
	for i := range parts {
		counted[i] = f.countedBy(&parts[i])
	}
	var chosen []int // places in parts
	want, total, mean := chanceOf(f.countedBy(whole)), make([]float64, window), 0.0
	for reached := 0.0; ; {
		best, nearest := -1, reached+gain
		for i, p := range parts {
			if slices.Contains(chosen, i) || mean+p.mean > roughly*whole.mean {
				continue
			}
			if r, ok := correlation(chanceOf(added(total, counted[i])), want); ok && r > nearest {
				best, nearest = i, r
			}
		}
		if best < 0 {
			break
		}
		chosen, reached, total, mean = append(chosen, best), nearest, added(total, counted[best]), mean+parts[best].mean
	}
	if len(chosen) < 2 {
		return Double{}, false
	}
	s := sum(parts, chosen)
	if !near(s.mean, whole.mean, roughly) || !near(s.calls, whole.calls, nearCalls) {
		return Double{}, false
	}
	return f.compare(whole, &s)
}

// added returns the sum of a and b, hour by hour.
func added(a, b []float64) []float64 {
	total := make([]float64, len(a))
	for h := range a {
		total[h] = a[h] + b[h]
	}
	return total
}
