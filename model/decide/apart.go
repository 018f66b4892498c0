package decide

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"

	"tipline/model"
	"tipline/model/cost"
)

// apart is a hybrid whose work that can wait is served by an option of its own, at a peak factor of 1 and at batch prices (cost model,
// section 6). The work that can wait has the mix of the rest, and as many requests for its tokens.
type apart struct {
	urgent, waiting *plan
	share           *big.Rat // of the tokens, that can wait
	fills           bool     // the replicas of urgent take what can wait in the hours in which they have room
	oneBill         bool     // both are APIs that are paid on one invoice
}

// parts returns the plans of the parts of p, which is p alone where it has none.
func (p *plan) parts() []*plan {
	if p.apart == nil {
		return []*plan{p}
	}
	return []*plan{p.apart.urgent, p.apart.waiting}
}

// apartBill is what the two parts cost at one volume.
type apartBill struct {
	urgent, waiting bill
	filled          *big.Rat // tokens that the replicas of urgent take in the hours in which they have room
}

// urgent returns what c demands of an option for the part of the work that cannot wait.
func (c Constraints) urgent() Constraints {
	c.Batch, c.BatchShare = false, nil
	return c
}

// waiting returns what c demands of an option for the part of the work that can wait.
func (c Constraints) waiting() Constraints {
	c.Batch, c.BatchShare, c.TTFTLimit = true, nil, 0
	return c
}

// flat is the load of work that can wait: the same in every hour.
var flat = model.LoadCurve{{Hours: float(cost.DefaultHours), TokensPerHour: 1}}

func (p *plan) useApart(o, urgent, waiting Option, c Constraints) error {
	share := p.demand.batchShare
	if share.Sign() == 0 {
		return fmt.Errorf("no share of the tokens is known to be able to wait, and %s serves that share apart", o.Name)
	}
	if share.Cmp(one) == 0 {
		return fmt.Errorf("all of this work can wait, and %s is for work of which a part cannot", o.Name)
	}
	d := p.demand
	d.batchShare = new(big.Rat)
	now := p.part(urgent, c.urgent(), d)
	d.batchShare, d.load, d.shape, d.hourly = one, flat, cost.LoadOf(flat), nil
	p.apart = &apart{urgent: now, waiting: p.part(waiting, c.waiting(), d), share: share, fills: o.FillValleys}
	for _, part := range []*plan{p.apart.urgent, p.apart.waiting} {
		if part.problem != "" {
			return errors.New(part.problem)
		}
	}
	p.apart.oneBill = now.api.Account != "" && now.api.invoice() == p.apart.waiting.api.invoice()
	if !p.apart.fills {
		return nil
	}
	if now.fleet == nil || urgent.Jobs != nil {
		return fmt.Errorf("%s has no replicas that run all month, and %s fills the hours in which they have room", urgent.Name, o.Name)
	}
	if p.load = p.demand.shape; !p.load.Known() {
		return fmt.Errorf("the load of the hours is not known yet, and %s fills those in which there is room", o.Name)
	}
	p.warn("ASSUMED_BATCH_SHAPE", "what can wait is taken to come at the same hours as the rest: only the total of the two is measured")
	return nil
}

// part returns the plan of a part of p, the warnings of which p takes over: those of the option itself p has already.
func (p *plan) part(o Option, c Constraints, d demand) *plan {
	o.Warnings = nil
	part := newPlan(o, nil, c, d)
	p.warnings = append(p.warnings, part.warnings...)
	return part
}

func (p *plan) apartAt(volume *big.Rat) bill {
	a := p.apart
	waits := new(big.Rat).Mul(volume, a.share)
	now := new(big.Rat).Sub(volume, waits)
	b := apartBill{urgent: a.urgent.at(now), filled: new(big.Rat)}
	if b.urgent.usd == nil {
		return bill{infeasible: b.urgent.infeasible}
	}
	all := bill{parts: named("interactive: ", b.urgent.parts), apart: &b, fallbacks: b.urgent.fallbacks}
	if a.fills {
		if b.filled = lesser(waits, p.room(b.urgent.fleet, now)); b.filled.Sign() > 0 {
			variable := a.urgent.fleet.Variable
			all.parts = append(all.parts, cost.Part{
				Name: "batch in hours with room", USD: perMillion(b.filled, variable),
				Formula: fmt.Sprintf("%s × %s USD/Mtok", tokensText(b.filled), cost.Decimal(variable)),
			})
		}
	}
	if rest := new(big.Rat).Sub(waits, b.filled); rest.Sign() > 0 { // what is not needed at all costs nothing
		waiting := a.waiting
		if a.oneBill {
			waiting = a.waiting.after(a.urgent, now, rest)
		}
		if b.waiting = waiting.at(rest); b.waiting.usd == nil {
			return bill{infeasible: b.waiting.infeasible}
		}
		all.parts = append(all.parts, named("batch: ", b.waiting.parts)...)
		for _, text := range b.waiting.fallbacks {
			if !slices.Contains(all.fallbacks, text) {
				all.fallbacks = append(slices.Clip(all.fallbacks), text)
			}
		}
	}
	all.usd = sum(all.parts)
	return all
}

// after returns p, the API of which is to charge for tokens, as it charges for them where first, an API on the same invoice, has charged for those of its
// own.
func (p *plan) after(first *plan, theirs, tokens *big.Rat) *plan {
	t := newTally()
	t.charge(first, theirs)
	t.charge(p, tokens)
	beside, err := t.beside(p.api.Name, p.demand.others)
	if err != nil {
		return &plan{option: p.option, problem: err.Error()}
	}
	then := *p
	then.demand.others = map[string]cost.Beside{p.api.Account: beside}
	return &then
}

// named returns parts with a prefix before their names.
func named(prefix string, parts []cost.Part) []cost.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Name = prefix + parts[i].Name
	}
	return parts
}

// room returns the tokens a month that the replicas of fleet could take beside volume: Σ max(n·κ − λ, 0). κ stays what the latency need of
// the rest allows, and spares stay free.
func (p *plan) room(fleet *cost.Point, volume *big.Rat) *big.Rat {
	f := p.apart.urgent.fleet
	s := f.Shape()
	capacity := new(big.Rat).Mul(f.Usable, big.NewRat(max(0, fleet.Blocks*s.ReplicasPerBlock-s.SpareReplicas), 1))
	all := new(big.Rat).Mul(capacity, f.Hours)
	return all.Sub(all, p.load.To(volume, f.Hours).Carried(capacity))
}

// fastApart is apart in floating point.
type fastApart struct {
	urgent, waiting fast
	share           float64
	fills           bool
	oneBill         *plan // of which both parts are on one invoice, so that what the one costs depends on the other; nil otherwise
}

// parts returns the tokens of the two parts, and those that can wait and that the replicas of the first part take.
func (f fast) parts(volume float64) (urgent, waiting, filled float64) {
	a := f.apart
	waiting = volume * a.share
	urgent = volume - waiting
	if !a.fills {
		return urgent, waiting, 0
	}
	replicas := a.urgent.blocks(urgent)*a.urgent.perBlock - a.urgent.spares
	capacity := max(0, replicas) * a.urgent.capacity / a.urgent.perBlock
	filled = min(waiting, capacity*a.urgent.month-f.carried(urgent, capacity))
	return urgent, waiting - filled, filled
}

// apartDue returns what due does of the two parts.
func (f fast) apartDue(volume, share float64) float64 {
	if p := f.apart.oneBill; p != nil {
		b := p.at(whole(volume))
		if b.usd == nil {
			return math.NaN()
		}
		return float(b.usd) - share*min(f.sunk, max(0, f.apart.urgent.commit))
	}
	urgent, waiting, filled := f.parts(volume)
	usd := f.apart.urgent.due(urgent, share) + f.apart.urgent.variable*filled
	if waiting <= snap*volume {
		return usd
	}
	return usd + f.apart.waiting.due(waiting, share)
}

// describeApart fills in what only a hybrid has whose work that can wait is served apart.
func (c *costed) describeApart(o *model.OptionCost, d demand) {
	a, b := c.apart, c.median.apart
	waits := new(big.Rat).Mul(d.median, a.share)
	own, replicas := new(big.Rat), int64(0)
	for _, part := range []struct {
		plan   *plan
		bill   bill
		tokens *big.Rat
	}{
		{a.urgent, b.urgent, new(big.Rat).Add(new(big.Rat).Sub(d.median, waits), b.filled)},
		{a.waiting, b.waiting, new(big.Rat).Sub(waits, b.filled)},
	} {
		switch {
		case part.bill.fleet != nil:
			replicas += part.bill.fleet.Replicas
		case part.bill.scaled != nil:
			replicas += part.bill.scaled.Most * part.plan.scaled.perBlock
		default:
			continue
		}
		own.Add(own, part.tokens)
	}
	o.Replicas = &replicas
	if d.median.Sign() > 0 {
		o.OwnShareRatio = new(fraction(own.Quo(own, d.median)))
	}
}
