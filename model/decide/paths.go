package decide

import (
	"math"
	"slices"
	"sort"

	"tipline/model"
	"tipline/model/cost"
)

// snap keeps a rounding error of a float from buying a replica: it is taken off before a ceiling (cost model, section 1).
const snap = 1e-9

// fast is a plan in floating point, for the hundreds of volumes of the quantile paths. Everything that is shown, and every
// step of the recommendation, is worked out exactly by plan.at.
type fast struct {
	api    bool
	hybrid bool
	scaled *cost.Follower // of a fleet that follows its load
	apart  *fastApart     // of a hybrid whose work that can wait is served apart

	tiers       []fastTier // of the API or the overflow, ascending
	commit, fee float64    // what its usage counts as at least, -Inf when that is nothing, and what is due beside it

	perReplica, blockCost, fixed, variable, capacity float64
	working                                          float64 // of variable: the hours in which jobs work
	perBlock, minReplicas, spares, maxVolume         float64
	minBlocks, maxBlocks                             int // of the base of a hybrid

	*curve         // of a plan that follows the load
	month  float64 // hours

	sunk     float64 // USD a month that stay due in any case and pay for what this plan uses; 0 means nothing
	sinksAPI bool    // they are the API's commitment; otherwise they are for replicas
}

// curve is a load-duration curve with its running sums, as cost.Load has it.
type curve struct {
	rates, hours, below []float64 // tokens per hour, highest first; hours with as many or more; tokens in the hours with fewer
	total, all          float64   // tokens and hours
}

// fastTier is a straight piece of an API's bill: alpha + beta·V dollars for V up to upTo.
type fastTier struct{ upTo, alpha, beta float64 }

func (t fastTier) at(volume float64) float64 { return t.alpha + t.beta*volume }

// times returns the tiers of f with their prices multiplied by factor.
func (f fast) times(factor float64) []fastTier {
	tiers := slices.Clone(f.tiers)
	for i := range tiers {
		tiers[i].alpha, tiers[i].beta = tiers[i].alpha*factor, tiers[i].beta*factor
	}
	return tiers
}

// charge returns what the API charges for volume tokens, as cost.Rate finds it.
func (f fast) charge(volume float64) float64 {
	i := 0
	for volume > f.tiers[i].upTo*(1+snap) {
		i++
	}
	return max(f.commit, f.tiers[i].at(volume)) + f.fee
}

func newFast(p *plan) fast {
	f := fast{api: p.option.Hosting == model.API, hybrid: p.option.Hosting == model.Hybrid, maxVolume: math.Inf(1)}
	if a := p.apart; a != nil {
		f.apart = &fastApart{urgent: newFast(a.urgent), waiting: newFast(a.waiting), share: float(a.share), fills: a.fills}
		if a.oneBill {
			f.apart.oneBill = p
		}
		if a.fills {
			f.month = f.apart.urgent.month
			f.curve = p.demand.curve()
		}
		return f
	}
	if p.api.API != nil {
		f.use(p.rate)
	}
	if p.fleet != nil {
		s := p.fleet.Shape()
		f.perReplica, f.blockCost = float(p.fleet.PerReplica), float(p.fleet.BlockCost)
		f.fixed, f.variable, f.working = float(p.fleet.Fixed), float(p.fleet.Variable)/1e6, float(orZero(p.fleet.Working))/1e6
		f.perBlock, f.minReplicas, f.spares = float64(s.ReplicasPerBlock), float64(s.MinReplicas), float64(s.SpareReplicas)
		f.capacity, f.month = float(p.fleet.Usable)*f.perBlock, float(p.fleet.Hours)
		if s.MaxVolume != nil {
			f.maxVolume = float(s.MaxVolume)
		}
	}
	if p.scaled != nil {
		f.scaled, f.month = p.scaled.Follow(p.load.To(one, p.scaled.hours)), float(p.scaled.hours)
		f.fixed, f.variable, f.capacity = float(p.scaled.FixedMonthly), float(p.scaled.variable)/1e6, float(p.scaled.PerReplica)
		f.curve = p.demand.curve()
	}
	if f.hybrid {
		base := p.fleet.Base()
		f.minBlocks, f.maxBlocks = int(base.Min), math.MaxInt
		if base.Max != nil {
			f.maxBlocks = int(*base.Max)
		}
		f.curve = p.demand.curve()
	}
	return f
}

// use takes r as the bill of the API.
func (f *fast) use(r cost.Rate) {
	f.tiers = make([]fastTier, 0, 1+len(r.Steps))
	for _, s := range r.Segments() {
		t := fastTier{upTo: math.Inf(1), alpha: float(s.Alpha), beta: float(s.Beta)}
		if s.To != nil {
			t.upTo = float(s.To)
		}
		f.tiers = append(f.tiers, t)
	}
	f.commit, f.fee = math.Inf(-1), float(r.Fee())
	if floor := r.Floor(); floor != nil {
		f.commit = float(floor)
	}
}

// curve returns the load of d in floating point.
func (d *demand) curve() *curve {
	if d.hourly == nil {
		d.hourly = newCurve(d.load)
	}
	return d.hourly
}

func newCurve(load model.LoadCurve) *curve {
	n := len(load)
	room := make([]float64, 3*n)
	c := &curve{rates: room[:n], hours: room[n : 2*n], below: room[2*n:]}
	for i, b := range load.Sorted() {
		rate := math.Floor(float64(b.TokensPerHour) + 0.5) // to whole tokens, as cost.LoadOf does
		c.all += b.Hours
		c.total += b.Hours * rate
		c.rates[i], c.hours[i], c.below[i] = rate, c.all, c.total
	}
	for i := range c.below {
		c.below[i] = c.total - c.below[i]
	}
	return c
}

// at returns the cost in USD per month of volume tokens, NaN when the option cannot serve them.
func (f fast) at(volume float64) float64 {
	switch {
	case f.api:
		return f.charge(volume)
	case f.apart != nil:
		return f.apartDue(volume, 0)
	case f.hybrid:
		usd, _ := f.split(volume)
		return usd
	case f.scaled != nil:
		return f.fixed + f.scaled.Capacity(volume) + f.variable*volume
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
	if f.apart != nil {
		return f.apartDue(volume, share)
	}
	usd := f.at(volume)
	if f.sunk == 0 || share == 0 {
		return usd
	}
	var used float64
	switch {
	case f.sinksAPI:
		used = max(0, f.commit)
	case f.hybrid:
		_, n := f.split(volume)
		used = float64(n) * f.blockCost
	case f.scaled != nil:
		used = f.scaled.Capacity(volume)
	default:
		used = f.blocks(volume)*f.blockCost + f.working*volume
	}
	return usd - share*min(f.sunk, used)
}

// carried returns what a capacity in tokens per hour carries of volume tokens, as cost.Load finds it.
func (f fast) carried(volume, capacity float64) float64 {
	if volume <= 0 {
		return 0
	}
	month := f.month / f.all
	scale := volume / (f.total * month)
	x := capacity / scale
	i := sort.Search(len(f.rates), func(i int) bool { return f.rates[i] <= x })
	if i == 0 {
		return volume
	}
	return (x*f.hours[i-1] + f.below[i-1]) * scale * month
}

// split returns the cost of the best number of replicas with the rest on the API, as cost.FindHybrid finds it, and that
// number; NaN when the quota does not allow any.
func (f fast) split(volume float64) (usd float64, replicas int) {
	if f.maxBlocks < f.minBlocks {
		return math.NaN(), 0
	}
	scale := volume / (f.total * f.month / f.all)
	carried := func(n int) float64 { return f.carried(volume, float64(n)*f.capacity) }
	rest := func(n int) float64 { return max(0, volume-carried(n)) }
	unfixed := func(n int) float64 {
		return float64(n)*f.blockCost + f.variable*carried(n) + f.charge(rest(n))
	}
	if volume <= 0 {
		return float64(f.minBlocks)*f.blockCost + f.fixed + max(0, f.commit) + f.fee, f.minBlocks
	}
	full := int(min(math.Ceil(f.rates[0]*scale/f.capacity*(1-snap)), 1<<53))
	most, usd := min(max(full, f.minBlocks), f.maxBlocks), math.Inf(1)
	consider := func(n, least, most int) {
		n = min(max(n, least), most)
		if u := unfixed(n); u < usd || u == usd && n < replicas {
			usd, replicas = u, n
		}
	}
	above := 0.0
	for _, t := range f.tiers {
		least, end := f.minBlocks, most // of the replicas with which the rest lies in the tier
		if !math.IsInf(t.upTo, 1) {
			least = max(least, sort.Search(full, func(n int) bool { return rest(n) <= t.upTo*(1+snap) }))
		}
		if above > 0 {
			end = min(end, sort.Search(full, func(n int) bool { return rest(n) <= above*(1+snap) })-1)
		}
		if above = t.upTo; least > end {
			continue
		}
		n := sort.Search(full, func(k int) bool { return (carried(k+1)-carried(k))*(t.beta-f.variable) <= f.blockCost })
		if !math.IsInf(f.commit, -1) {
			if committed := sort.Search(full, func(n int) bool { return t.at(rest(n)) <= f.commit }); committed <= n {
				consider(committed, least, end)
				n = committed - 1
			}
		}
		consider(n, least, end)
	}
	if replicas > 0 {
		usd += f.fixed
	}
	return usd, replicas
}
