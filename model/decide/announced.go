package decide

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// A PriceChange is a change of an option's prices that is known before it comes: a price has a day on which it begins (cost model,
// section 3). It holds until the next change and is counted from the prices of the option itself, not from those of the change before.
type PriceChange struct {
	From    time.Time
	Times   *big.Rat     // by which every price per token, request or hour is multiplied; nil means 1
	Listed  *big.Rat     // of a fleet: by which the listed price of its hour is multiplied, instead of Times; spot prices stay
	API     *cost.Prices // of an API: the prices from then on, instead of Times; nil means none of its own
	Unknown bool         // no price is known from then on

	DiscountOver bool // of an API: its discount is not given any more
}

// at returns o with the prices that are valid at t. Its announced changes stay as they are, counted from the prices of o.
func (o Option) at(t time.Time) Option {
	today := t.UTC().Format(time.DateOnly)
	if ended := func(p model.PriceSource) bool { return p.Ended(today) }; slices.ContainsFunc(o.Prices, ended) {
		o.Prices = slices.DeleteFunc(slices.Clone(o.Prices), ended)
	}
	valid := o.valid(t)
	if valid == nil {
		return o
	}
	if o.API != nil {
		o.API = valid.prices(o.API)
	}
	if o.Capacity != nil && o.Capacity.BlockCostPerHour != nil {
		c := *o.Capacity
		c.BlockCostPerHour = valid.block(o.Spot, c.BlockCostPerHour)
		o.Capacity = &c
	}
	if o.Spot != nil && o.Spot.OnDemand != nil && valid.Listed != nil {
		s := *o.Spot
		s.OnDemand = new(big.Rat).Mul(s.OnDemand, valid.Listed)
		o.Spot = &s
	}
	if o.Autoscale != nil && o.Autoscale.ReservedPerHour != nil {
		o.Autoscale = o.Autoscale.reservedAt(new(big.Rat).Mul(o.Autoscale.ReservedPerHour, orOne(valid.Times)))
	}
	return o
}

// valid returns the announced change that holds at t, nil when none does yet.
func (o Option) valid(t time.Time) *PriceChange {
	var valid *PriceChange
	for i, c := range o.Announced {
		if !c.From.After(t) && (valid == nil || !c.From.Before(valid.From)) {
			valid = &o.Announced[i]
		}
	}
	return valid
}

// Settled returns o as it is at t, its announced changes those that come later and counted from the prices that it then has: the same
// costs from t on. An option whose price is not known at t is returned as it is.
func (o Option) Settled(t time.Time) Option {
	valid := o.valid(t)
	if valid == nil || valid.Unknown {
		return o
	}
	ahead := slices.DeleteFunc(slices.Clone(o.Announced), func(c PriceChange) bool { return !c.From.After(t) })
	for i, c := range ahead {
		if o.API != nil {
			ahead[i] = PriceChange{From: c.From, API: c.prices(o.API), Unknown: c.Unknown, DiscountOver: c.DiscountOver}
			continue
		}
		ahead[i] = c.since(*valid)
	}
	o = o.at(t)
	o.Announced = ahead
	return o
}

// since returns c, a change of a fleet's prices, counted from the prices that before led to.
func (c PriceChange) since(before PriceChange) PriceChange {
	if c.Times != nil || before.Times != nil {
		c.Times = new(big.Rat).Quo(orOne(c.Times), orOne(before.Times))
	}
	if c.Listed != nil || before.Listed != nil {
		c.Listed = new(big.Rat).Quo(orOne(c.Listed), orOne(before.Listed))
	}
	return c
}

// block returns what an hour of a block of replicas costs, nil when that is not known.
func (c *PriceChange) block(spot *cost.Spot, usd *big.Rat) *big.Rat {
	switch {
	case c.Unknown:
		return nil
	case c.Listed == nil:
		return new(big.Rat).Mul(usd, orOne(c.Times))
	case spot == nil || spot.OnDemand == nil:
		return new(big.Rat).Mul(usd, c.Listed)
	}
	then := *spot
	then.OnDemand = new(big.Rat).Mul(spot.OnDemand, c.Listed)
	return new(big.Rat).Mul(usd, new(big.Rat).Quo(then.PerHour(), spot.PerHour()))
}

// prices returns what c makes of base. Uplift, discount, what a contract takes off, commitment and monthly fee are agreed upon and stay, and so do tiers where c lists
// prices that have none; times multiplies every price per token, those that a tier lists too.
func (c *PriceChange) prices(base *cost.Prices) *cost.Prices {
	p := *base
	if c.DiscountOver {
		p.Discount = nil
	}
	if c.API != nil || c.Unknown {
		listed := cost.Prices{}
		if c.API != nil {
			listed = *c.API
		}
		listed.Uplift, listed.Discount, listed.MinimumCommit, listed.FixedMonthly = p.Uplift, p.Discount, p.MinimumCommit, p.FixedMonthly
		listed.Scale = p.Scale
		if listed.Tiers == nil {
			listed.Tiers, listed.AllUnits = p.Tiers, p.AllUnits
		}
		return &listed
	}
	p = p.Scaled(orOne(c.Times))
	if p.RequestFee != nil {
		p.RequestFee = new(big.Rat).Mul(p.RequestFee, orOne(c.Times))
	}
	return &p
}

// later is a plan at the prices that are valid from a date on.
type later struct {
	from time.Time
	plan *plan
	fast fast
}

// ends warns when no price of c, or of its parts, is known from a day on that is looked at, and when none is known now.
func (c *costed) ends(options map[string]Option, t time.Time) {
	for _, part := range c.option.parts(options) {
		switch valid := part.valid(t); {
		case valid == nil || !valid.Unknown:
		case valid.From.IsZero():
			c.warn("PRICE_NOT_YET", "no price of %s holds yet", part.Name)
			continue
		default:
			c.warn("PRICE_ENDED", "no price of %s is known since %s", part.Name, valid.From.Format(time.DateOnly))
			continue
		}
		for _, change := range part.Announced {
			if change.Unknown && change.From.After(t) && change.From.Before(t.AddDate(0, monthsAhead+1, 0)) {
				c.warn("PRICE_ENDS", "no price of %s is known from %s on: until one is, that of the day before is taken", part.Name, change.From.Format(time.DateOnly))
			}
		}
	}
}

// announced returns the plans of the option called name after every change of its prices, of those of its base and its overflow, or of what others
// spend under its contract, that comes after the forecast begins and within the months that are looked at.
func announced(name string, in Input, d demand) []later {
	if !slices.ContainsFunc(in.Options, func(o Option) bool { return len(o.Announced) > 0 }) &&
		!slices.ContainsFunc(in.Others, func(o Others) bool { return len(o.Elsewhere) > 1 }) {
		return nil
	}
	options := make(map[string]Option, len(in.Options))
	for _, o := range in.Options {
		options[o.Name] = o
	}
	o, t := options[name], in.Forecast.Origin
	var dates []time.Time
	turns := func(from time.Time) {
		if from.After(t) && from.Before(t.AddDate(0, monthsAhead+1, 0)) {
			dates = append(dates, from)
		}
	}
	for _, part := range o.parts(options) {
		for _, c := range part.Announced {
			turns(c.From)
		}
		for _, s := range in.others(part.Account).Elsewhere {
			turns(s.From)
		}
	}
	slices.SortFunc(dates, time.Time.Compare)
	var plans []later
	for _, from := range slices.CompactFunc(dates, time.Time.Equal) {
		then := maps.Clone(options)
		for name, part := range then {
			then[name] = part.at(from)
		}
		d.others = besides(in.Others, from)
		p := newPlan(o.at(from), then, in.Constraints, d)
		if p.problem != "" {
			continue // what it costs now is the best that is known
		}
		plans = append(plans, later{from: from, plan: p, fast: newFast(p)})
	}
	return plans
}

// over returns what c costs in a month of volume tokens that reaches over [from, to), each part of it at the prices that are valid
// in it, less the share of what stays due in any case.
func (c *costed) over(from, to time.Time, volume, sunk float64) float64 {
	if len(c.later) == 0 {
		return c.fast.due(volume, sunk)
	}
	usd, done := 0.0, from
	valid := c.fast
	for _, l := range c.later {
		if until := minTime(l.from, to); until.After(done) {
			usd += valid.due(volume, sunk) * float64(until.Sub(done)) / float64(to.Sub(from))
			done = until
		}
		valid = l.fast
	}
	if to.After(done) {
		usd += valid.due(volume, sunk) * float64(to.Sub(done)) / float64(to.Sub(from))
	}
	return usd
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// crossesByPrice brings the dates of out forward to the day on which announced prices make c cheaper than api, where it is not yet and
// where the volume would not before: a price can cross a threshold without any change in volume.
func (c *costed) crossesByPrice(in Input, api *costed, out *model.Crossover) {
	if out.State == model.StateInside || out.State == model.StateAbove {
		return
	}
	changes := slices.Concat(c.later, api.later)
	slices.SortStableFunc(changes, func(a, b later) int { return a.from.Compare(b.from) })
	first := func(p float64) (time.Time, bool) {
		for _, l := range changes {
			for _, m := range in.Forecast.Months {
				if l.from.Before(m.From) || !l.from.Before(m.To) {
					continue
				}
				volume := float64(m.Total.At(p)) * float(cost.DefaultHours) / m.To.Sub(m.From).Hours()
				if next := l.from.AddDate(0, 0, 1); c.over(l.from, next, volume, 0) < api.over(l.from, next, volume, 0) {
					return l.from, true
				}
			}
		}
		return time.Time{}, false
	}
	sooner := func(known string, at time.Time) string {
		if date := at.Format(time.DateOnly); known == "" || date < known {
			return date
		}
		return known
	}
	if at, crosses := first(0.50); crosses {
		out.CrossesOn = sooner(out.CrossesOn, at)
	}
	if at, crosses := first(0.90); crosses {
		out.ActBy = sooner(out.ActBy, at.Add(-in.Policy.LeadTime))
	}
}

// priceChanges says what c costs at the median volume after each change of its prices.
func (c *costed) priceChanges(d demand) []model.DatedCost {
	var costs []model.DatedCost
	for _, l := range c.later {
		if bill := l.plan.at(d.median); bill.usd != nil {
			costs = append(costs, model.DatedCost{From: l.from.Format(time.DateOnly), USDPerMonth: usd(bill.usd)})
		}
	}
	return costs
}

// repriced says for every announced change of a price whether another option is then the cheapest.
func (e explanation) repriced() []string {
	if e.best == nil {
		return nil
	}
	byDate := map[time.Time][]string{}
	for _, c := range e.all {
		for _, l := range c.later {
			byDate[l.from] = append(byDate[l.from], c.option.Name)
		}
	}
	volume, before := float(e.demand.median), e.best
	var sentences []string
	for _, date := range slices.SortedFunc(maps.Keys(byDate), time.Time.Compare) {
		cheapest := before
		least := cheapest.over(date, date.AddDate(0, 0, 1), volume, e.sunk.share(date, date.AddDate(0, 0, 1)))
		for _, c := range e.all {
			usd := c.over(date, date.AddDate(0, 0, 1), volume, e.sunk.share(date, date.AddDate(0, 0, 1)))
			if len(c.blocked) == 0 && c.due != nil && usd < least*(1-snap) {
				cheapest, least = c, usd
			}
		}
		if cheapest != before {
			sentences = append(sentences, fmt.Sprintf("the prices of %s from %s on: at the volume of today %s is then the cheapest, at %s a month",
				listed(byDate[date]), date.Format(time.DateOnly), cheapest.option.Name, model.FormatUSDKnown(model.USD(least), e.known(cheapest))))
		}
		before = cheapest
	}
	return sentences
}
