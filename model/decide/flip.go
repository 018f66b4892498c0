package decide

import (
	"fmt"
	"math/big"

	"tipline/model"
)

// wouldChange says which input at which value flips the answer.
func (e explanation) wouldChange() []string {
	sentences := []string{}
	subject := e.subject()
	for _, c := range []*costed{e.best, e.now} {
		if c != nil && c.option.Hosting == model.Hybrid && c.median.usd != nil && e.api != nil {
			return append(sentences, e.hybridBoundary(c)...)
		}
	}
	if subject == nil || e.api == nil {
		return sentences
	}
	switch x := subject.crossover; x.Reason {
	case model.NeverUnitFloor, model.NeverVariableAboveAPI:
		sentences = append(sentences, e.unitFloor(subject)...)
		if subject == e.now {
			sentences = append(sentences, e.prices(subject)...)
		}
		return sentences
	case model.NeverCapacityLimit:
		return append(sentences, fmt.Sprintf("a quota that carries more than %s tokens a month: from there %s is cheaper than %s",
			tokensText(x.Unlimited), subject.option.Name, e.api.option.Name))
	}
	return append(append(sentences, e.boundaries(subject)...), e.prices(subject)...)
}

// boundaries says at which volumes c and the API change places.
func (e explanation) boundaries(c *costed) []string {
	cheaper := func(a, b *costed) string { return fmt.Sprintf("%s is cheaper than %s", a.option.Name, b.option.Name) }
	for _, i := range c.crossover.Near(e.demand.median) {
		if e.demand.median.Cmp(i.From) <= 0 {
			return []string{fmt.Sprintf("more than %s tokens a month: from there %s", tokensText(i.From), cheaper(c, e.api))}
		}
		if i.To != nil && e.demand.median.Cmp(i.To) > 0 {
			continue
		}
		var sentences []string
		if i.From.Sign() > 0 {
			sentences = append(sentences, fmt.Sprintf("less than %s tokens a month: below that %s", tokensText(i.From), cheaper(e.api, c)))
		}
		if i.To != nil {
			sentences = append(sentences, fmt.Sprintf("more than %s tokens a month: just above that %s", tokensText(i.To), cheaper(e.api, c)))
		}
		return sentences
	}
	if quota := c.crossover.Most(); quota != nil && e.demand.median.Cmp(quota) > 0 {
		return []string{fmt.Sprintf("a larger quota: the replicas of %s that it allows carry %s tokens a month", c.option.Name, tokensText(quota))}
	}
	return nil
}

// hybridBoundary says at which volume the hybrid c and the API change places, found by halving.
func (e explanation) hybridBoundary(c *costed) []string {
	wins := func(volume float64) bool { return c.fast.at(volume) < e.api.fast.at(volume) }
	low, high := 0.0, float(e.demand.median)
	cheaper := wins(high)
	for !wins(high) {
		if low, high = high, 2*high; !(high < mostTokens) {
			return nil
		}
	}
	for range 60 {
		if middle := (low + high) / 2; wins(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	volume := model.FormatTokens(model.Tokens(high))
	if cheaper {
		return []string{fmt.Sprintf("less than %s tokens a month: below that %s alone is cheaper than %s", volume, e.api.option.Name, c.option.Name)}
	}
	return []string{fmt.Sprintf("more than %s tokens a month: from there %s is cheaper than %s alone", volume, c.option.Name, e.api.option.Name)}
}

// unitFloor returns the values at which a full block of c would cost what the API charges: ρ = 1 (cost model, section 7.3). Where a dearer tier
// charges more than that, it ends before the fleet pays, and what the last tier charges is what would have to change.
func (e explanation) unitFloor(c *costed) []string {
	price, times, where := e.api.rate.Dearest(), c.crossover.Breakeven, ""
	if times != nil && times.Cmp(one) < 0 {
		segments := e.api.rate.Segments()
		last := segments[len(segments)-1]
		price = new(big.Rat).Mul(last.Beta, big.NewRat(1_000_000, 1))
		times, where = c.crossover.BreakevenAt(price), fmt.Sprintf(" beyond %s tokens a month", tokensText(last.From))
	}
	sentences := []string{fmt.Sprintf("an API price above %s%s (now %s): below it no volume helps, because a full %s replica costs that much",
		priceText(c.crossover.UnitFloor), where, priceText(price), c.option.Name)}
	if times == nil || times.Sign() == 0 { // of GPUs that cost nothing no price and no throughput helps
		return sentences
	}
	throughput := fmt.Sprintf("%s times the throughput of a replica", times.FloatString(2))
	if u := new(big.Rat).Mul(times, c.targetUtilization()); u.Cmp(one) < 0 {
		throughput += fmt.Sprintf(", or a target utilization of %s", model.FormatPercent(fraction(u)))
	}
	return append(sentences, blockText(c, "below", new(big.Rat).Quo(c.perHour(), times)), throughput)
}

// prices says at which price of the API and of the GPUs the saving passes the margin, all else equal.
func (e explanation) prices(fleet *costed) []string {
	from, to := e.now, fleet
	if fleet == e.now {
		to = e.api
	}
	costly := e.choice.Reason == model.ReasonSwitch || e.choice.Reason == model.ReasonBelowMargin || e.choice.Reason == model.ReasonAlreadyBest
	if e.sunk != nil { // what is paid then hardly depends on a price: its end is what changes the answer
		return nil
	}
	if !costly || from == to || from != fleet && from != e.api || e.best != from && e.best != to || len(to.blocked) > 0 || to.median.usd == nil {
		return nil
	}
	up, down, then := "above", "below", fmt.Sprintf("a move to %s is then worth it", to.option.Name)
	if e.choice.Reason == model.ReasonSwitch {
		up, down, then = down, up, fmt.Sprintf("a move to %s is then not worth it", to.option.Name)
	}
	if to == e.api {
		up, down = down, up
	}
	var sentences []string
	api, gpu := e.flips(fleet, from, to)
	if api != nil {
		sentences = append(sentences, fmt.Sprintf("an API price %s %s (now %s): %s", up, priceText(api), priceText(e.api.rate.Effective(e.demand.median)), then))
	}
	if gpu != nil {
		sentences = append(sentences, fmt.Sprintf("%s: %s", blockText(fleet, down, gpu), then))
	}
	return sentences
}

// flips returns the average price of the API in USD per million tokens and the price of a block in USD per hour at which moving from
// one to the other saves just enough at the median volume; nil where no price does.
func (e explanation) flips(fleet, from, to *costed) (api, gpu *big.Rat) {
	margin, keep := orZero(e.in.Policy.MinSavingUSD), new(big.Rat).Sub(one, orZero(e.in.Policy.Enter))
	if keep.Sign() <= 0 {
		return nil, nil
	}
	// Moving is worth it up to this cost of the option to move to, and from this cost of the option to leave.
	most := lesser(new(big.Rat).Sub(from.median.usd, margin), new(big.Rat).Mul(from.median.usd, keep))
	least := greater(new(big.Rat).Add(to.median.usd, margin), new(big.Rat).Quo(to.median.usd, keep))
	apiCost, fleetCost := least, most
	if to == e.api {
		apiCost, fleetCost = most, least
	}
	if usage := e.api.rate.UsageFor(apiCost, e.demand.median); usage != nil && e.demand.median.Sign() > 0 {
		api = new(big.Rat).Quo(new(big.Rat).Mul(usage, big.NewRat(1_000_000, 1)), e.demand.median)
	}
	operations, variable := fleet.operations()
	capacity := new(big.Rat).Sub(fleetCost, new(big.Rat).Add(operations, perMillion(e.demand.median, variable)))
	if now := fleet.capacityCost(); capacity.Sign() > 0 && now.Sign() > 0 { // what is reserved moves with it
		gpu = capacity.Mul(fleet.perHour(), capacity.Quo(capacity, now))
	}
	return api, gpu
}

// operations returns what the fleet of c costs in USD a month beside its GPU hours, and in USD per million tokens.
func (c *costed) operations() (fixed, variable *big.Rat) {
	if c.scaled != nil {
		return c.scaled.FixedMonthly, c.scaled.variable
	}
	return c.fleet.Fixed, new(big.Rat).Sub(c.fleet.Variable, orZero(c.fleet.Working))
}

// starting returns what cold starts and idle timeouts of c cost in USD a month.
func (c *costed) starting() *big.Rat {
	if c.scaled == nil {
		return new(big.Rat)
	}
	return new(big.Rat).Mul(c.scaled.Starting(), c.scaled.ReplicaCost)
}

// capacityCost returns what the GPU hours of c cost at the median volume.
func (c *costed) capacityCost() *big.Rat {
	if c.scaled != nil {
		return c.median.scaled.CapacityCost
	}
	return c.median.fleet.CapacityCost
}

// perHour returns what can be bought of c for, in USD an hour.
func (c *costed) perHour() *big.Rat {
	if c.scaled != nil {
		return c.scaled.ReplicaCost
	}
	return c.fleet.PerHour
}

// replicasPerBlock returns how many replicas can only be bought together.
func (c *costed) replicasPerBlock() int64 {
	if c.scaled != nil {
		return c.scaled.perBlock
	}
	return c.fleet.Shape().ReplicasPerBlock
}

// throughputPerReplica returns κ_max, in tokens an hour.
func (c *costed) throughputPerReplica() *big.Rat {
	if c.scaled != nil {
		return new(big.Rat).Quo(c.scaled.throughput, big.NewRat(c.scaled.perBlock, 1))
	}
	return c.fleet.Throughput
}

// targetUtilization returns u, the highest usable share of the throughput of c.
func (c *costed) targetUtilization() *big.Rat {
	if c.scaled != nil {
		return new(big.Rat).Quo(c.scaled.PerReplica, c.scaled.throughput)
	}
	return new(big.Rat).Quo(c.fleet.Usable, c.fleet.Throughput)
}

// perMillion returns what tokens cost at a price in USD per million.
func perMillion(tokens, price *big.Rat) *big.Rat {
	usd := new(big.Rat).Mul(tokens, price)
	return usd.Quo(usd, big.NewRat(1_000_000, 1))
}

func lesser(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

func greater(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

func priceText(perMTok *big.Rat) string {
	return model.FormatUSDPerMTok(model.USDPerMTok(float(perMTok)))
}

// blockText names an hourly price of what can be bought of c beside the one in force.
func blockText(c *costed, side string, perHour *big.Rat) string {
	bought := "a replica"
	if k := c.replicasPerBlock(); k > 1 {
		bought = fmt.Sprintf("a block of %d replicas", k)
	}
	return fmt.Sprintf("GPUs for %s of %s %s %s an hour (now %s)", bought, c.option.Name, side, model.FormatUSD(usd(perHour)), model.FormatUSD(usd(c.perHour())))
}
