package metering

import (
	"math"
	"slices"

	"tipline/model"
)

// How a workload that two sources of one layer read is told from the halves of one demand that a balancer deals out to two clusters, which are of one size and share its
// chance. The halves differ by what is in them: n requests whose lengths vary by a share of spread differ by spread times the root of 2/n, and a copy by less.
const (
	samePlace = 1e-6 // share by which every hour of the same samples may differ, read twice
	copied    = 0.1  // of the root of 2/n, which the middle one of the busy hours of a copy differs by at most
	spread    = 0.3  // share by which the lengths of requests vary at least; where all are of one length, halves may be as alike as copies
)

// twins reports whether a and b, single workloads at two sources of one layer, are one read twice, as by two replicas of a Prometheus.
func (f finder) twins(a, b *meter) bool {
	if len(a.members)+len(b.members) > 2 {
		return false
	}
	i, k := a.members[0], b.members[0]
	if u, v := f.watched[i].usage, f.watched[k].usage; u.Layer == "" || u.Layer != v.Layer || u.Source == v.Source {
		return false
	}
	one, other := f.volumes(f.all[i]()), f.volumes(f.all[k]())
	same, apart, known := true, []float64{}, 0.0
	var tokens float64
	for h, n := range one.tokens {
		if !math.IsNaN(n + other.tokens[h]) {
			known, tokens = known+1, tokens+n
		}
	}
	for h, n := range one.tokens {
		m := other.tokens[h]
		if math.IsNaN(n + m) {
			continue
		}
		same = same && math.Abs(n-m) <= samePlace*max(n, m)
		if n+m >= 2*tokens/known {
			apart = append(apart, 2*math.Abs(n-m)/(n+m))
		}
	}
	if same {
		return known > 0
	}
	n := min(a.calls, b.calls)
	if n == 0 || len(apart) == 0 || one.varied() < spread/math.Sqrt(n) || other.varied() < spread/math.Sqrt(n) {
		return false
	}
	slices.Sort(apart)
	return apart[len(apart)/2] <= copied*math.Sqrt(2/n)
}

// volumes are the tokens of every class and the requests of a workload in every hour of the window, NaN where it was not measured.
type volumes struct{ tokens, requests []float64 }

func (f finder) volumes(u model.Usage) volumes {
	v := volumes{make([]float64, window), make([]float64, window)}
	first := int(f.end.Sub(u.Start).Hours()) - window
	for h := range window {
		v.tokens[h], v.requests[h] = math.NaN(), math.NaN()
		if k := first + h; k >= 0 && k < len(u.Hours) && u.Hours[k].Measured() {
			v.tokens[h], v.requests[h] = float64(u.Hours[k].Tokens.Total()), u.Hours[k].Requests
		}
	}
	return v
}

// varied returns by which share the mean length of the requests of an hour is another than in the hour before, on the middle one of them, as one standard deviation of one hour.
func (v volumes) varied() float64 {
	var changes []float64
	for h := 1; h < window; h++ {
		if c := math.Abs(math.Log(v.tokens[h] / v.requests[h] * v.requests[h-1] / v.tokens[h-1])); !math.IsNaN(c) && !math.IsInf(c, 0) {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return 0
	}
	slices.Sort(changes)
	return 1.4826 * changes[len(changes)/2] / math.Sqrt2
}
