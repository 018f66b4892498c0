package decide

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"

	"tipline/model"
	"tipline/model/cost"
)

// How far the inputs of a tornado may be off. The ranges that have no source in the cost model are a fifth to either side.
const (
	apiPriceSwing   = 0.20
	gpuPriceSwing   = 0.40 // prices of one GPU type rose by 38 to 40 % in six months (section 18)
	throughputSwing = 0.15 // the largest mean error at which a fit is accepted (section 4.2)
	peakSwing       = 0.20
	startsSwing     = 0.20

	leastUtilization, mostUtilization = 0.4, 0.9      // section 18
	leastPeak, mostPeak               = 1.5, 5.0      // section 18, where the peak is not known
	leastOperations, mostOperations   = 2_500, 50_000 // USD a month, section 18
)

// sensitivity fills in how far the crossover of c against api moves when an input is wrong (cost model, section 12).
func (c *costed) sensitivity(out *model.Crossover, api *costed) []model.Warning {
	smooth, crosses := c.smoothCrossing(api)
	if !crosses {
		return nil
	}
	out.SmoothTokensPerMonth = tokens(smooth.Volume)
	out.Elasticities = &model.Elasticities{
		Operations: float(smooth.Fixed), APIPrice: float(smooth.API), GPUPrice: float(smooth.GPU),
		Throughput: float(smooth.Throughput), VariableCost: float(smooth.Varied), ColdStarts: float(smooth.Starting),
	}
	if smooth.Starting.Sign() > 0 { // idle timeouts are the rest of it
		cold := new(big.Rat).Mul(c.scaled.ColdStarts, c.scaled.ColdStartHours)
		out.Elasticities.ColdStartTime = float(smooth.Starting) * float(cold.Quo(cold, c.scaled.Starting()))
	}
	if j := c.option.Jobs; j != nil { // a longer start leaves an instance less of the deadline, so that a job takes more of them
		out.Elasticities.ColdStartTime = out.Elasticities.GPUPrice * j.Start.Hours() / (j.Deadline - j.Start).Hours()
	}
	if out.Fragile = smooth.Breakeven.Cmp(cost.Fragile) > 0; !out.Fragile {
		return nil
	}
	return []model.Warning{{Code: "FRAGILE", Text: fmt.Sprintf(
		"a replica of %s must carry %s of what it can to pay for itself: an error of 1%% in its throughput moves the crossover by %.1f%%",
		c.option.Name, model.FormatPercent(fraction(smooth.Breakeven)), math.Abs(float(smooth.Throughput)),
	)}}
}

// smoothCrossing returns the smooth crossing of c and api in the first tier of the API that holds one, and false when none does.
func (c *costed) smoothCrossing(api *costed) (cost.Elasticities, bool) {
	operations, variable := c.operations()
	fixed := new(big.Rat).Sub(operations, api.rate.Fee())
	for _, s := range api.rate.Segments() {
		smooth, crosses := cost.Crossing{
			Fixed: fixed, Starting: c.starting(), APIFixed: s.Alpha, APIPerMTok: new(big.Rat).Mul(s.Beta, big.NewRat(1_000_000, 1)), Variable: variable,
			CostPerHour: new(big.Rat).Sub(c.crossover.UnitFloor, variable), TokensPerHour: big.NewRat(1_000_000, 1), // all that counts is their ratio
		}.Elasticities()
		if crosses && smooth.Volume.Cmp(s.From) >= 0 && (s.To == nil || smooth.Volume.Cmp(s.To) <= 0) {
			return smooth, true
		}
	}
	return cost.Elasticities{}, false
}

// tornado works the first crossover of c against api, and what c saves at the median volume, out anew with each input at the low and at
// the high end of its range and the others as they are; the input that moves the saving most comes first.
func (c *costed) tornado(api *costed, d demand, batch bool) []model.Swing {
	volume, price := float(d.median), float(api.rate.Effective(d.median))
	s := &scene{}
	swings := make([]model.Swing, 0, 9)
	swing := func(input, unit string, low, now, high float64, set func(value float64)) {
		at := func(value float64) (*model.Tokens, *model.USD) {
			*s = scene{api: api.fast, rate: api.rate, fleet: c.fast, volume: volume}
			set(value)
			return s.compare(c)
		}
		w := model.Swing{Input: input, Unit: unit, Low: min(low, now), Now: now, High: max(high, now)}
		w.FirstAtLow, w.SavingAtLow = at(w.Low)
		w.FirstAtHigh, w.SavingAtHigh = at(w.High)
		swings = append(swings, w)
	}
	around := func(input, unit string, now, share float64, set func(value float64)) {
		if now == 0 { // a share of nothing moves nothing
			return
		}
		swing(input, unit, now*(1-share), now, now*(1+share), set)
	}
	swing("volume", "tokens/month", float(d.low), volume, float(d.high), func(v float64) { s.volume = v })
	around("api_price", "USD/Mtok", price, apiPriceSwing, func(v float64) {
		s.rate = s.rate.Times(exactly(v / price))
		if s.rate.Others != nil || s.rate.Scale != nil { // others leave less or more of a commitment then, and a contract takes another share off
			s.api.use(s.rate)
			return
		}
		s.api.tiers = s.api.times(v / price)
	})
	perHour, rate, utilization := float(c.perHour()), float(c.throughputPerReplica()), float(c.targetUtilization())
	around("gpu_price", "USD/h per block", perHour, gpuPriceSwing, func(v float64) { s.pay(c, v/perHour) })
	around("throughput", "tokens/h per replica", rate, throughputSwing, func(v float64) { s.carry(c, v/rate) })
	swing("target_utilization", "ratio", leastUtilization, utilization, mostUtilization, func(v float64) { s.carry(c, v/utilization) })
	if c.scaled == nil && !batch { // the peaks of what can wait do not count, and a fleet that follows its load has one for every hour
		peak := float(c.fleet.Usable) * float(c.fleet.Hours) / float(c.fleet.PerReplica)
		low, high := max(1, peak*(1-peakSwing)), peak*(1+peakSwing)
		if d.load.PeakFactor() == 0 {
			low, high = leastPeak, mostPeak
		}
		swing("peak_factor", "ratio", low, peak, high, func(v float64) { s.carry(c, peak/v) })
	}
	if fixed, _ := c.operations(); fixed.Sign() > 0 {
		swing("operations", "USD/month", leastOperations, float(fixed), mostOperations, func(v float64) { s.operate(c, v) })
	}
	if c.starting().Sign() > 0 {
		starts, hours := float(c.scaled.ColdStarts), float(c.scaled.ColdStartHours)
		around("cold_starts", "starts/month", starts, startsSwing, func(v float64) {
			s.follow(c, func(a *cost.Autoscaled) { a.ColdStarts, a.IdleTimeouts = exactly(v), exactly(v) })
		})
		if hours > 0 {
			around("cold_start_time", "h", hours, startsSwing, func(v float64) { s.follow(c, func(a *cost.Autoscaled) { a.ColdStartHours = exactly(v) }) })
		}
	}
	if jobs := c.option.Jobs; jobs != nil && jobs.Start > 0 {
		start, deadline := jobs.Start.Hours(), jobs.Deadline.Hours()
		around("cold_start_time", "h", start, startsSwing, func(v float64) {
			left := max(0, (deadline-v)/(deadline-start)) // of the time that an instance has to work
			s.fleet.blockCost *= v / start
			s.fleet.perReplica *= left
			s.fleet.maxVolume *= left
			if left == 0 {
				s.fleet.maxVolume = 0
			}
		})
	}
	slices.SortStableFunc(swings, func(a, b model.Swing) int { return cmp.Compare(spread(b), spread(a)) })
	return swings
}

// A scene is a fleet and an API with one input changed.
type scene struct {
	api, fleet fast
	rate       cost.Rate // of the API, which a fleet that follows its load is compared with
	volume     float64
}

// compare returns the first crossover of s, and what its fleet saves; nil where there is none. The fleet is that of c.
func (s *scene) compare(c *costed) (first *model.Tokens, saving *model.USD) {
	var x float64
	if s.fleet.scaled != nil {
		x = s.fleet.scaled.First(s.rate, c.scaled.variable)
	} else {
		x = firstCrossover(s.api, s.fleet)
	}
	if !math.IsNaN(x) {
		first = new(model.Tokens(x))
	}
	if usd := s.api.at(s.volume) - s.fleet.at(s.volume); !math.IsNaN(usd) {
		saving = new(model.USD(usd))
	}
	return first, saving
}

// follow changes a fleet that follows its load.
func (s *scene) follow(c *costed, change func(a *cost.Autoscaled)) {
	a := c.scaled.Autoscaled
	change(&a)
	s.fleet.scaled, s.fleet.fixed = s.fleet.scaled.Instead(a), float(a.FixedMonthly)
}

// carry lets a replica carry as many times the tokens.
func (s *scene) carry(c *costed, times float64) {
	if c.scaled != nil {
		s.follow(c, func(a *cost.Autoscaled) { a.PerReplica = new(big.Rat).Mul(a.PerReplica, exactly(times)) })
		return
	}
	s.fleet.perReplica *= times
	s.fleet.maxVolume *= times
	s.work(1 / times)
}

// work lets the hours in which jobs work cost as many times as much.
func (s *scene) work(times float64) {
	s.fleet.variable += s.fleet.working * (times - 1)
	s.fleet.working *= times
}

// pay lets the hours of a replica cost as many times as much, those that are reserved too.
func (s *scene) pay(c *costed, times float64) {
	if c.scaled == nil {
		s.fleet.blockCost *= times
		s.work(times)
		return
	}
	s.follow(c, func(a *cost.Autoscaled) {
		a.ReplicaCost = new(big.Rat).Mul(a.ReplicaCost, exactly(times))
		if a.ReservedCost != nil {
			a.ReservedCost = new(big.Rat).Mul(a.ReservedCost, exactly(times))
		}
	})
}

// operate lets operations cost usd a month.
func (s *scene) operate(c *costed, usd float64) {
	if c.scaled != nil {
		s.follow(c, func(a *cost.Autoscaled) { a.FixedMonthly = exactly(usd) })
		return
	}
	s.fleet.fixed = usd
}

// exactly returns v as a fraction.
func exactly(v float64) *big.Rat { return new(big.Rat).SetFloat64(v) }

// spread returns how far apart the savings at both ends are; an end at which the fleet cannot serve is further than any other.
func spread(s model.Swing) float64 {
	if s.SavingAtLow == nil || s.SavingAtHigh == nil {
		return math.Inf(1)
	}
	return math.Abs(float64(*s.SavingAtHigh - *s.SavingAtLow))
}

// firstCrossover returns the volume above which the fleet first costs less than the API, as cost.FindCrossover finds it; NaN when
// it never does.
func firstCrossover(api, fleet fast) float64 {
	most := fleet.maxVolume
	smallest := math.Ceil((fleet.minReplicas + fleet.spares) / fleet.perBlock * (1 - snap))
	if (smallest*fleet.perBlock-fleet.spares)*fleet.perReplica <= 0 {
		smallest++
	}
	fixed := fleet.fixed - api.fee
	if !(most > 0) || most < fleet.minReplicas*fleet.perReplica*(1-snap) { // the quota does not allow the smallest fleet
		return math.NaN()
	}
	if fixed+smallest*fleet.blockCost < api.commit {
		return 0
	}
	first, after := math.NaN(), 0.0
	for _, t := range api.tiers {
		if first = t.firstCrossover(fleet, fixed, after); !math.IsNaN(first) {
			break
		}
		after = t.upTo
	}
	if first >= most {
		return math.NaN()
	}
	return first
}

// firstCrossover returns the volume within the tier, which begins after the given one, above which the fleet first costs less; NaN when it
// never does. fixed is what the fleet costs a month beyond what the API does, at no volume.
func (t fastTier) firstCrossover(fleet fast, fixed, after float64) float64 {
	end := func(n float64) float64 { return (n*fleet.perBlock - fleet.spares) * fleet.perReplica }
	smallest := fleet.blocks(0)
	if end(smallest) <= 0 {
		smallest++
	}
	net := t.beta - fleet.variable
	margin := fleet.perBlock*fleet.perReplica*net - fleet.blockCost
	fixed -= t.alpha
	n := smallest
	if margin > 0 {
		n = max(n, math.Floor((fixed+fleet.spares*fleet.perReplica*net)/margin)+1)
	}
	if step := fleet.blocks(after); after > 0 && step >= n { // the step of the volumes just above
		if n = step; end(n) <= after*(1+snap) {
			n++
		}
	}
	paid, from := fixed+n*fleet.blockCost, after
	if n > smallest {
		from = max(from, end(n-1))
	}
	switch {
	case net > 0:
		from = max(from, paid/net)
	case paid >= net*from:
		return math.NaN()
	}
	if from >= end(n) || from >= t.upTo {
		return math.NaN()
	}
	return from
}
