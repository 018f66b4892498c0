package decide

import (
	"math/big"

	"tipline/model"
)

// Outlay is money spent once for a saving that comes month by month (cost model, section 8).
type Outlay struct {
	Upfront  *big.Rat   // M0: USD, migration with building, evaluation and double running
	Savings  []*big.Rat // USD of each month, at its end; negative where it costs more
	Discount *big.Rat   // monthly rate; nil means 0
}

// Payback is when an outlay is paid back, and what is left of it at the horizon.
type Payback struct {
	Month      int      // the first month at whose end the savings reach the outlay; 0 when they never do
	Fractional *big.Rat // the same, by linear interpolation within that month; nil when they never do
	Cumulative *big.Rat // USD at the horizon: a saving can turn negative again
	NPV        *big.Rat // USD: −M0 + Σ saving_t / (1+r)^t
}

// Payback works o out.
func (o Outlay) Payback() Payback {
	p := Payback{Cumulative: new(big.Rat).Neg(orZero(o.Upfront)), NPV: new(big.Rat).Neg(orZero(o.Upfront))}
	growth := new(big.Rat).Add(big.NewRat(1, 1), orZero(o.Discount))
	factor := big.NewRat(1, 1)
	for i, saving := range o.Savings {
		missing := new(big.Rat).Neg(p.Cumulative)
		p.Cumulative.Add(p.Cumulative, saving)
		if p.Month == 0 && p.Cumulative.Sign() >= 0 {
			p.Month, p.Fractional = i+1, big.NewRat(int64(i), 1)
			if saving.Sign() > 0 {
				p.Fractional.Add(p.Fractional, missing.Quo(missing, saving))
			}
		}
		factor.Mul(factor, growth)
		p.NPV.Add(p.NPV, new(big.Rat).Quo(saving, factor))
	}
	return p
}

// Scenario is one course that the savings of a move may take.
type Scenario struct {
	Probability *big.Rat
	Savings     []*big.Rat // USD of each month
}

// Prospect weighs moving now, waiting to know more, and staying (cost model, section 8).
type Prospect struct {
	NPVNow       *big.Rat // USD, expected value of moving now
	NPVWait      *big.Rat // USD, of moving after the wait where it then pays
	WaitingWorth *big.Rat // USD: NPVWait less what is to be had without waiting
	Probability  *big.Rat // that moving now pays
	RegretNow    *big.Rat // USD, expected loss of moving where it does not pay
	RegretStay   *big.Rat // USD, expected loss of staying where moving would have paid
	Advice       string   // one of the model.Advice constants
}

// Weigh works the scenarios out: a move costs migration once, and waiting keeps the current hosting for that many months
// before knowing which scenario holds. Discount is the monthly rate; nil means 0.
func Weigh(scenarios []Scenario, migration *big.Rat, wait int, discount *big.Rat) Prospect {
	p := Prospect{
		NPVNow: new(big.Rat), NPVWait: new(big.Rat), Probability: new(big.Rat), RegretNow: new(big.Rat), RegretStay: new(big.Rat),
	}
	growth := new(big.Rat).Add(big.NewRat(1, 1), orZero(discount))
	for _, s := range scenarios {
		now := new(big.Rat).Neg(orZero(migration))
		later := new(big.Rat)
		if wait == 0 {
			later.Set(now)
		}
		factor := big.NewRat(1, 1)
		for i, saving := range s.Savings {
			factor.Mul(factor, growth)
			present := new(big.Rat).Quo(saving, factor)
			now.Add(now, present)
			if i+1 > wait {
				later.Add(later, present)
			}
			if i+1 == wait {
				later.Sub(later, new(big.Rat).Quo(orZero(migration), factor))
			}
		}
		weighted := func(r *big.Rat) *big.Rat { return new(big.Rat).Mul(s.Probability, r) }
		p.NPVNow.Add(p.NPVNow, weighted(now))
		switch now.Sign() {
		case 1:
			p.Probability.Add(p.Probability, s.Probability)
			p.RegretStay.Add(p.RegretStay, weighted(now))
		case -1:
			p.RegretNow.Sub(p.RegretNow, weighted(now))
		}
		if later.Sign() > 0 {
			p.NPVWait.Add(p.NPVWait, weighted(later))
		}
	}
	without := new(big.Rat)
	if p.NPVNow.Sign() > 0 {
		without.Set(p.NPVNow)
	}
	p.WaitingWorth = new(big.Rat).Sub(p.NPVWait, without)
	p.Advice = advice(p.NPVNow.Sign() > 0, p.WaitingWorth.Sign() > 0)
	return p
}

// advice returns what to do by whether moving now and waiting are worth anything.
func advice(now, waiting bool) string {
	switch {
	case waiting:
		return model.AdviceWait
	case now:
		return model.AdviceSwitchNow
	}
	return model.AdviceStay
}
