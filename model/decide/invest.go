package decide

import (
	"math"

	"tipline/model"
)

// Stakes is what a move may bring in over the months ahead (cost model, section 8).
type Stakes struct {
	Saved     [][]float64 // USD that each month saves, at its end, in every scenario, of which there is one at least; negative where it costs more
	Likely    []float64   // probability of each scenario; nil means that all are equally likely
	Migration float64     // USD, once: building, evaluation and double running
	Wait      int         // months for which the current hosting is kept before it is known which scenario holds
	Growth    float64     // by which a month discounts: one and the monthly rate
}

// Weigh weighs moving now, waiting to know more, and staying. The payback is that of the scenario in the middle. It is nil when a month of a
// scenario has no saving, NaN: what is not known is not nothing.
func (s Stakes) Weigh() *model.Prospect {
	p := &model.Prospect{Months: len(s.Saved), UpfrontUSD: model.USD(s.Migration), WaitMonths: s.Wait}
	scenarios := len(s.Saved[0])
	pays, all := 0.0, float64(scenarios)
	if s.Likely != nil {
		all = 1
	}
	for j := range scenarios {
		now, later, factor := -s.Migration, 0.0, 1.0
		if s.Wait == 0 {
			later = now
		}
		for t := range s.Saved {
			factor *= s.Growth
			present := s.Saved[t][j] / factor
			now += present
			if t+1 > s.Wait {
				later += present
			}
			if t+1 == s.Wait {
				later -= s.Migration / factor
			}
		}
		if now != now { // NaN
			return nil
		}
		weight := 1.0
		if s.Likely != nil {
			weight = s.Likely[j]
		}
		weighted := func(usd float64) model.USD { return model.USD(usd * weight / all) }
		p.NPVUSD += weighted(now)
		p.RegretStayUSD += weighted(max(0, now))
		p.RegretSwitchUSD += weighted(max(0, -now))
		p.NPVAfterWaitUSD += weighted(max(0, later))
		if now > 0 {
			pays += weight
		}
	}
	p.PaysProbability = new(model.Fraction(pays / all))
	p.ValueOfWaitingUSD = p.NPVAfterWaitUSD - max(0, p.NPVUSD)
	if math.Abs(float64(p.ValueOfWaitingUSD)) <= snap*float64(p.NPVAfterWaitUSD) { // what rounding left is no reason to wait
		p.ValueOfWaitingUSD = 0
	}
	p.Advice = advice(p.NPVUSD > 0, p.ValueOfWaitingUSD > 0)
	p.CumulativeUSD, p.PaidBackAfter = s.paidBack(scenarios / 2)
	return p
}

// paidBack returns what scenario j has saved at the end, migration paid, and the months after which it first has saved that: by linear
// interpolation within the month, nil when it never has.
func (s Stakes) paidBack(j int) (cumulative model.USD, after *float64) {
	sum := -s.Migration
	for t := range s.Saved {
		before := sum
		sum += s.Saved[t][j]
		if after == nil && sum >= 0 {
			months := float64(t)
			if s.Saved[t][j] > 0 {
				months -= before / s.Saved[t][j]
			}
			after = &months
		}
	}
	return model.USD(sum), after
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
