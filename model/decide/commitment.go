package decide

import (
	"fmt"
	"math/big"
	"time"

	"tipline/model"
)

// Commitment is what stays due of an option until a date, whether it is used or not: a reservation, or the capital of hardware
// that is owned (cost model, section 4.10).
type Commitment struct {
	Until       time.Time // the first instant at which nothing is due any more
	USDPerMonth *big.Rat  // nil means all of its GPU hours at the projected volume, or the minimum commitment of an API
}

// sunkCost is the part of the current option's cost that a decision to leave it cannot save.
type sunkCost struct {
	option string    // that the commitment is for: the current one, or a part of a current hybrid
	under  string    // the contract of that option; empty when it has none
	api    bool      // that option is an API
	until  time.Time // the first instant after it
	usd    *big.Rat  // a month
}

// sink returns what stays due of now after at, nil when that is nothing.
func sink(now *costed, options []Option, at time.Time) *sunkCost {
	for _, o := range options {
		c := o.Committed
		uses := o.Name == now.option.Name || o.Name == now.option.Base || now.option.Apart && o.Name == now.option.Overflow
		if c == nil || !at.Before(c.Until) || !uses {
			continue
		}
		s := &sunkCost{option: o.Name, under: o.Contract, api: o.Hosting == model.API, until: c.Until, usd: c.USDPerMonth}
		if s.usd == nil {
			s.usd = now.committable(o.Name, s.api)
		}
		if s.usd != nil && s.usd.Sign() > 0 {
			return s
		}
	}
	return nil
}

// committable returns what of the median cost of c a commitment to the option called name can be for: the minimum commitment of an API,
// or GPU hours; nil when c has neither.
func (c *costed) committable(name string, api bool) *big.Rat {
	if c.median.apart == nil {
		return c.plan.committable(c.median, api)
	}
	if name == c.option.Base {
		return c.apart.urgent.committable(c.median.apart.urgent, api)
	}
	return c.apart.waiting.committable(c.median.apart.waiting, api)
}

// committable does so for the bill b of p, which is no hybrid whose work that can wait is served apart.
func (p *plan) committable(b bill, api bool) *big.Rat {
	switch {
	case b.usd == nil:
	case api && p.rate.Others != nil: // its cost has nothing of what is due without it
	case api && p.api.API != nil:
		return orZero(p.rate.MinimumCommit)
	case b.fleet != nil:
		return b.fleet.CapacityCost
	case b.scaled != nil:
		return b.scaled.CapacityCost
	case b.hybrid != nil:
		return new(big.Rat).Mul(big.NewRat(b.hybrid.Replicas, 1), p.fleet.BlockCost)
	}
	return nil
}

// bear takes s into account in what c compares with: an option that uses what is committed pays only what goes beyond it. A nil
// s leaves c at its full cost.
func (c *costed) bear(s *sunkCost) {
	c.due = c.median.usd
	name := c.uses(s)
	bears := func(usd float64, api bool) {
		c.fast.bear(c.option, name, usd, api)
		for i := range c.later {
			c.later[i].fast.bear(c.option, name, usd, api)
		}
	}
	bears(0, false)
	if name == "" || c.median.usd == nil {
		return
	}
	if part := c.committable(name, s.api); part != nil {
		c.due = new(big.Rat).Sub(c.median.usd, lesser(part, s.usd))
		bears(float(s.usd), s.api)
	}
}

// uses names the option that c is, or is made of, for which s pays; empty when s pays for nothing of it.
func (c *costed) uses(s *sunkCost) string {
	if s == nil {
		return ""
	}
	if o := c.option; s.option == o.Name || s.option == o.Base || s.option == o.Overflow {
		return s.option
	}
	for _, part := range c.parts() {
		if s.under != "" && part.api.Contract == s.under { // what is committed pays for it too
			return part.api.Name
		}
	}
	return ""
}

// bear keeps what stays due in the part of f that the commitment is for, the option called name: usd a month for the API or for replicas.
func (f *fast) bear(o Option, name string, usd float64, api bool) {
	if f.apart == nil || f.apart.oneBill != nil {
		f.sunk, f.sinksAPI = usd, api
		return
	}
	f.apart.urgent.sunk, f.apart.waiting.sunk = 0, 0
	switch name {
	case "":
	case o.Base:
		f.apart.urgent.sunk, f.apart.urgent.sinksAPI = usd, api
	case o.Overflow:
		f.apart.waiting.sunk, f.apart.waiting.sinksAPI = usd, api
	}
}

// share returns which part of [from, to) lies before the end of s: 0 for a nil s.
func (s *sunkCost) share(from, to time.Time) float64 {
	switch {
	case s == nil || !from.Before(s.until):
		return 0
	case !to.After(s.until):
		return 1
	}
	return float64(s.until.Sub(from)) / float64(to.Sub(from))
}

// lastDay returns the last day on which s is due.
func (s *sunkCost) lastDay() string { return s.until.AddDate(0, 0, -1).Format(time.DateOnly) }

// commitment says what stays due, and what is to be done once it does no more.
func (e explanation) commitment() *model.Commitment {
	if e.sunk == nil || e.now.due == nil {
		return nil
	}
	m := &model.Commitment{
		Option: e.sunk.option, Until: e.sunk.lastDay(), AvoidableUSDPerMonth: usd(e.now.due), FullUSDPerMonth: usd(e.now.median.usd),
		OptionAfter: e.after.Recommended, ReasonAfter: e.after.Reason,
	}
	m.USDPerMonth = usd(new(big.Rat).Sub(e.now.median.usd, e.now.due))
	if e.after.Saving != nil {
		m.SavingAfterUSDPerMonth = new(usd(e.after.Saving))
	}
	if m.Flips = e.after.Recommended != e.choice.Recommended; m.Flips {
		m.ActBy = e.sunk.until.Add(-e.in.Policy.LeadTime).Format(time.DateOnly)
	}
	return m
}

// afterCommitment says what the end of the commitment changes; nothing when it changes no answer.
func (e explanation) afterCommitment() []string {
	if e.sunk == nil || e.after.Recommended == e.choice.Recommended || e.after.Recommended == "" {
		return nil
	}
	then := fmt.Sprintf("staying on %s is then right", e.in.Current)
	if e.after.Recommended != e.in.Current {
		then = fmt.Sprintf("all of the %s that %s costs can be saved from then on, and a move to %s saves %s",
			e.aMonth(e.now), e.in.Current, e.after.Recommended, model.FormatUSDAbout(usd(orZero(e.after.Saving)))+" a month")
	}
	return []string{fmt.Sprintf("the end of the commitment to %s on %s: %s", e.sunk.option, e.sunk.lastDay(), then)}
}
