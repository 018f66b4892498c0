package decide

import (
	"math/big"

	"tipline/model"
)

// Priced is one option as the recommendation procedure sees it.
type Priced struct {
	Name        string
	Hosting     model.Hosting
	Blocked     bool
	Cost        *big.Rat // USD per month at the projected volume; nil when the option cannot be costed or cannot serve
	Probability *big.Rat // of being cheaper than the current option; nil when unknown
	Migration   *big.Rat // USD to move there; nil means 0
	Waits       bool     // moving there now is worth less than waiting to know more (section 8)
}

// Choice is what the recommendation procedure answers.
type Choice struct {
	Recommended    string // empty when nothing is feasible
	Reason         string // one of the model.Reason constants
	Best           string // the cheapest allowed option; empty when nothing is feasible
	Saving         *big.Rat
	SavingFraction *big.Rat // of the current cost; nil when that is zero or unknown
}

// Recommend runs the procedure of the cost model, section 11, and last the rule on waiting of section 8. Its cost basis is what
// each Priced.Cost says: avoidable cost for the current option where that is committed. The reason is ReasonUnknown when the current option has no cost.
func Recommend(options []Priced, current string, p Policy) Choice {
	var now, best *Priced
	for i := range options {
		o := &options[i]
		if o.Name == current {
			now = o
		}
		if o.Blocked || o.Cost == nil {
			continue
		}
		if best == nil || better(o, best, current) {
			best = o
		}
	}
	if best == nil {
		return Choice{Reason: noBest(options)}
	}
	c := Choice{Recommended: current, Best: best.Name}
	if now != nil && now.Cost != nil {
		c.Saving = new(big.Rat).Sub(now.Cost, best.Cost)
		if now.Cost.Sign() > 0 {
			c.SavingFraction = new(big.Rat).Quo(c.Saving, now.Cost)
		}
	}
	switch {
	case now == nil || now.Blocked:
		c.Recommended, c.Reason = best.Name, model.ReasonCurrentInfeasible
	case now.Cost == nil:
		c.Recommended, c.Reason = "", model.ReasonUnknown
	case best == now || c.Saving.Sign() <= 0:
		c.Reason = model.ReasonAlreadyBest
	case c.SavingFraction == nil || c.SavingFraction.Cmp(orZero(p.Enter)) < 0 || c.Saving.Cmp(orZero(p.MinSavingUSD)) < 0:
		c.Reason = model.ReasonBelowMargin
	case best.Probability != nil && best.Probability.Cmp(orZero(p.MinProbability)) < 0:
		c.Reason = model.ReasonUncertain
	case p.MaxPaybackMonths != nil && orZero(best.Migration).Cmp(new(big.Rat).Mul(c.Saving, p.MaxPaybackMonths)) > 0:
		c.Reason = model.ReasonPaybackTooLong
	case best.Waits:
		c.Reason = model.ReasonWait
	default:
		c.Recommended, c.Reason = best.Name, model.ReasonSwitch
	}
	return c
}

// noBest says why there is no best option: every one is blocked, or one that is not has no cost.
func noBest(options []Priced) string {
	for _, o := range options {
		if !o.Blocked {
			return model.ReasonUnknown
		}
	}
	return model.ReasonNoFeasibleOption
}

// better reports whether a is to be preferred to b: cheaper, or on equal cost the current one, or simpler to operate.
func better(a, b *Priced, current string) bool {
	switch c := a.Cost.Cmp(b.Cost); {
	case c != 0:
		return c < 0
	case a.Name == current || b.Name == current:
		return a.Name == current
	}
	return a.Hosting.Preference() < b.Hosting.Preference()
}

func orZero(r *big.Rat) *big.Rat {
	if r == nil {
		return new(big.Rat)
	}
	return r
}
