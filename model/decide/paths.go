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
	scaled *fastScaled // of a fleet that follows its load

	perToken, commit, fee float64 // of the API or the overflow

	perReplica, blockCost, fixed, variable, capacity float64
	perBlock, minReplicas, spares, maxVolume         float64
	minBlocks, maxBlocks                             int // of the base of a hybrid

	rates, hours, below []float64 // load curve, highest first: see cost.Load
	total, all, month   float64

	sunk     float64 // USD a month that stay due in any case and pay for what this plan uses; 0 means nothing
	sinksAPI bool    // they are the API's commitment; otherwise they are for replicas
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
	if p.scaled != nil {
		f.scaled, f.month = newFastScaled(p.scaled), float(p.scaled.hours)
		f.fixed, f.variable, f.capacity = float(p.scaled.FixedMonthly), float(p.scaled.variable)/1e6, float(p.scaled.PerReplica)
		f.curve(p.demand.load)
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
	f.rates, f.hours, f.below = make([]float64, 0, len(load)), make([]float64, 0, len(load)), make([]float64, 0, len(load))
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
		usd, _ := f.split(volume)
		return usd
	case f.scaled != nil:
		return f.fixed + f.following(volume) + f.variable*volume
	case volume > f.maxVolume*(1+snap):
		return math.NaN()
	}
	return f.fixed + f.blocks(volume)*f.blockCost + f.variable*volume
}

// blocks returns how many blocks a fleet needs for volume tokens.
func (f fast) blocks(volume float64) float64 {
	needed := math.Ceil(volume / f.perReplica * (1 - snap))
	return math.Ceil((max(f.minReplicas, needed) + f.spares) / f.perBlock * (1 - snap))
}

// due returns what at returns, less what stays due in any case over the given share of the month.
func (f fast) due(volume, share float64) float64 {
	usd := f.at(volume)
	if f.sunk == 0 || share == 0 {
		return usd
	}
	var used float64
	switch {
	case f.sinksAPI:
		used = f.commit
	case f.hybrid:
		_, n := f.split(volume)
		used = float64(n) * f.blockCost
	case f.scaled != nil:
		used = f.following(volume)
	default:
		used = f.blocks(volume) * f.blockCost
	}
	return usd - share*min(f.sunk, used)
}

// split returns the cost of the best number of replicas with the rest on the API, as cost.FindHybrid finds it, and that
// number; NaN when the quota does not allow any.
func (f fast) split(volume float64) (usd float64, replicas int) {
	if f.maxBlocks < f.minBlocks {
		return math.NaN(), 0
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
		return float64(f.minBlocks)*f.blockCost + f.fixed + f.commit + f.fee, f.minBlocks
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
	n = min(max(n, f.minBlocks), f.maxBlocks)
	return costs(n), n
}
