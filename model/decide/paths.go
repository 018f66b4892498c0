package decide

import (
	"math"
	"sort"

	"tipline/model"
)

// snap keeps a rounding error of a float from buying a replica: it is taken off before a ceiling (cost model, section 1).
const snap = 1e-9

// fast is a plan in floating point, for the hundreds of volumes of the quantile paths. Everything that is shown, and every
// step of the recommendation, is worked out exactly by plan.at.
type fast struct {
	api    bool
	hybrid bool

	perToken, commit, fee float64 // of the API or the overflow

	perReplica, blockCost, fixed, variable, capacity float64
	perBlock, minReplicas, spares, maxVolume         float64
	minBlocks, maxBlocks                             int // of the base of a hybrid

	rates, hours, below []float64 // load curve, highest first: see cost.Load
	total, all, month   float64
}

func newFast(p *plan) fast {
	f := fast{api: p.option.Hosting == model.API, hybrid: p.option.Hosting == model.Hybrid, maxVolume: math.Inf(1)}
	if p.prices != nil {
		f.perToken = float(p.linear.PerMTok) / 1e6
		f.commit, f.fee = float(orZero(p.linear.MinimumCommit)), float(orZero(p.linear.FixedMonthly))
	}
	if p.fleet != nil {
		s := p.fleet.Shape()
		f.perReplica, f.blockCost = float(p.fleet.PerReplica), float(p.fleet.BlockCost)
		f.fixed, f.variable = float(p.fleet.Fixed), float(p.fleet.Variable)/1e6
		f.perBlock, f.minReplicas, f.spares = float64(s.ReplicasPerBlock), float64(s.MinReplicas), float64(s.SpareReplicas)
		f.capacity, f.month = float(p.fleet.Usable)*f.perBlock, float(p.fleet.Hours)
		if s.MaxVolume != nil {
			f.maxVolume = float(s.MaxVolume)
		}
	}
	if f.hybrid {
		base := p.fleet.Base()
		f.minBlocks, f.maxBlocks = int(base.Min), math.MaxInt
		if base.Max != nil {
			f.maxBlocks = int(*base.Max)
		}
		f.curve(p.demand.load)
	}
	return f
}

// curve keeps the load-duration curve with its running sums.
func (f *fast) curve(load model.LoadCurve) {
	sorted := make(model.LoadCurve, len(load))
	for i, b := range load { // to whole tokens, as cost.LoadOf does
		sorted[i] = model.LoadBlock{Hours: b.Hours, TokensPerHour: model.Tokens(math.Floor(float64(b.TokensPerHour) + 0.5))}
	}
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].TokensPerHour > sorted[j].TokensPerHour })
	for _, b := range sorted {
		f.all += b.Hours
		f.total += b.Hours * float64(b.TokensPerHour)
		f.rates, f.hours = append(f.rates, float64(b.TokensPerHour)), append(f.hours, f.all)
		f.below = append(f.below, f.total)
	}
	for i := range f.below {
		f.below[i] = f.total - f.below[i]
	}
}

// at returns the cost in USD per month of volume tokens, NaN when the option cannot serve them.
func (f fast) at(volume float64) float64 {
	switch {
	case f.api:
		return max(f.commit, volume*f.perToken) + f.fee
	case f.hybrid:
		return f.split(volume)
	case volume > f.maxVolume*(1+snap):
		return math.NaN()
	}
	needed := math.Ceil(volume / f.perReplica * (1 - snap))
	blocks := math.Ceil((max(f.minReplicas, needed) + f.spares) / f.perBlock * (1 - snap))
	return f.fixed + blocks*f.blockCost + f.variable*volume
}

// split returns the cost of the best number of replicas with the rest on the API, as cost.FindHybrid finds it; NaN when the
// quota does not allow any.
func (f fast) split(volume float64) float64 {
	if f.maxBlocks < f.minBlocks {
		return math.NaN()
	}
	month := f.month / f.all
	scale := volume / (f.total * month)
	carried := func(n int) float64 {
		x := float64(n) * f.capacity / scale
		i := sort.Search(len(f.rates), func(i int) bool { return f.rates[i] <= x })
		if i == 0 {
			return volume
		}
		return (x*f.hours[i-1] + f.below[i-1]) * scale * month
	}
	costs := func(n int) float64 {
		own := carried(n)
		usd := float64(n)*f.blockCost + f.variable*own + max(f.commit, f.perToken*(volume-own)) + f.fee
		if n > 0 {
			usd += f.fixed
		}
		return usd
	}
	if volume <= 0 {
		return float64(f.minBlocks)*f.blockCost + f.fixed + f.commit + f.fee
	}
	net := f.perToken - f.variable
	full := int(min(math.Ceil(f.rates[0]*scale/f.capacity*(1-snap)), 1<<53))
	n := sort.Search(full, func(k int) bool { return (carried(k+1)-carried(k))*net <= f.blockCost })
	if f.commit > 0 {
		committed := sort.Search(full, func(k int) bool { return f.perToken*(volume-carried(k)) <= f.commit })
		if n >= committed {
			n = committed
			if n > 0 && costs(n-1) <= costs(n) {
				n--
			}
		}
	}
	return costs(min(max(n, f.minBlocks), f.maxBlocks))
}

// probability returns the share of the quantile paths on which alt costs less than now over the months, migration included
// (cost model, section 8). Months that either cannot serve make a path one on which alt is not cheaper.
func probability(now, alt fast, months [][]float64, migration float64) model.Fraction {
	cheaper := 0
	for j := range months[0] {
		saved := -migration
		for _, month := range months {
			saved += now.at(month[j]) - alt.at(month[j])
		}
		if saved > 0 { // false for NaN
			cheaper++
		}
	}
	return model.Fraction(float64(cheaper) / float64(len(months[0])))
}
