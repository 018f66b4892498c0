package metering

import (
	"math"
	"slices"
	"time"

	"tipline/model"
)

// How a meter that two sources of one layer read is told from the halves of one demand that a balancer deals out to two clusters, which are of one size and share its
// chance. Of n requests whose lengths vary by a share, the mean lengths of two halves differ by that times the root of 2/n, whether they are dealt out by turns or at random.
// What is read twice differs by the requests between the instants of two scrapes, some seconds of an hour, and its mean lengths by the root of that share of the hour times
// as much, however fast the load changes meanwhile.
const (
	samePlace   = 1e-6   // share by which every hour of the same samples may differ, read twice
	sameLengths = 0.2    // of the root of 2/n, which the mean lengths of the middle hour differ by at most: 0.13 times what lengths vary by where scrapes are a minute apart
	spread      = 0.3    // share by which the lengths of prompts or answers vary at least; where all are of one length, halves may be as alike as copies
	middle      = 0.6745 // of a standard deviation is what chance differs by in the middle
)

// beside reports whether a and b are of one layer and have no source in common.
func (f finder) beside(a, b *meter) bool {
	return a.place != several && a.place == b.place && f.watched[a.members[0]].usage.Layer != "" && !slices.ContainsFunc(a.members, func(i int) bool {
		return slices.ContainsFunc(b.members, func(k int) bool { return f.watched[i].usage.Source == f.watched[k].usage.Source })
	})
}

// twins reports whether a and b, which are beside each other, are one meter read twice, as by two replicas of a Prometheus.
func (f finder) twins(a, b *meter) bool {
	one, other := f.volumes(a), f.volumes(b)
	if one.same(other) {
		return true
	}
	n := min(a.calls, b.calls)
	if n == 0 || !a.generates {
		return false
	}
	varied := false
	for class := range one.tokens {
		varied = varied || min(one.varied(class), other.varied(class)) >= spread/math.Sqrt(n)
		if one.differs(other, class) > sameLengths {
			return false
		}
	}
	return varied
}

// volumes are the tokens of prompts and of answers, and the requests, of a meter in every hour of the window. Requests are NaN where it was not measured.
type volumes struct {
	tokens   [2][]float64
	requests []float64
}

// volumes returns those of m; an hour in which one of its members was not measured is not.
func (f finder) volumes(m *meter) volumes {
	v := volumes{[2][]float64{make([]float64, window), make([]float64, window)}, make([]float64, window)}
	for _, i := range m.members {
		u := f.all[i]()
		first := int(f.end.Sub(u.Start)/time.Hour) - window
		for h := range window {
			if k := first + h; k >= 0 && k < len(u.Hours) && u.Hours[k].Measured() {
				hour := u.Hours[k]
				answers := float64(hour.Tokens[model.Output])
				v.tokens[0][h], v.tokens[1][h] = v.tokens[0][h]+float64(hour.Tokens.Total())-answers, v.tokens[1][h]+answers
				v.requests[h] += hour.Requests
			} else {
				v.requests[h] = math.NaN()
			}
		}
	}
	return v
}

// same reports whether v and o are the same samples: every hour that both know has the same tokens.
func (v volumes) same(o volumes) bool {
	known := false
	for h := range v.requests {
		if math.IsNaN(v.requests[h] + o.requests[h]) {
			continue
		}
		n, m := v.tokens[0][h]+v.tokens[1][h], o.tokens[0][h]+o.tokens[1][h]
		if math.Abs(n-m) > samePlace*max(n, m) {
			return false
		}
		known = true
	}
	return known
}

// length returns the mean length of the prompts, or of the answers, of an hour; NaN when it is not known.
func (v volumes) length(class, h int) float64 { return v.tokens[class][h] / v.requests[h] }

// differs returns by which share the mean lengths of v and o differ in the middle hour, as a multiple of the root of 2/n of its n requests; infinity when that is not known.
func (v volumes) differs(o volumes, class int) float64 {
	var all []float64
	for h := range v.requests {
		if d := math.Abs(math.Log(v.length(class, h)/o.length(class, h))) * math.Sqrt((v.requests[h]+o.requests[h])/4); !math.IsNaN(d) && !math.IsInf(d, 0) {
			all = append(all, d)
		}
	}
	return deviation(all)
}

// varied returns by which share the mean length of the requests of an hour is another than in the hour before, as one standard deviation of one hour; 0 when that is not
// known, so that nothing is concluded from it.
func (v volumes) varied(class int) float64 {
	var all []float64
	for h := 1; h < window; h++ {
		if c := math.Abs(math.Log(v.length(class, h) / v.length(class, h-1))); !math.IsNaN(c) && !math.IsInf(c, 0) {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return 0
	}
	return deviation(all) / math.Sqrt2
}

// deviation returns the standard deviation of chance that differs by sizes, estimated from the middle one; infinity when there is none.
func deviation(sizes []float64) float64 {
	if len(sizes) == 0 {
		return math.Inf(1)
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2] / middle
}
