package decide

import (
	"fmt"
	"math/big"
	"slices"

	"tipline/model"
)

// codes are those of the hard constraints in the order of the cost model, section 9.
var codes = [...]string{
	DataRegulated, Residency, ResidencyUnknown, TTFTSLA, NoOpsCapacity, ModelUnavailable, FineTunedWeights, ClosedWeights, NoGPU, BatchOnly,
}

// cheapest returns the cheapest option that may be chosen when the given constraints do not count, the one chosen now among equals;
// nil when there is none.
func (e explanation) cheapest(without ...string) *costed {
	best := e.best
	for _, c := range e.all {
		stays := slices.ContainsFunc(c.blocked, func(code string) bool { return !slices.Contains(without, code) })
		if stays || c.due == nil {
			continue
		}
		if best == nil || c.due.Cmp(best.due) < 0 {
			best = c
		}
	}
	return best
}

// constraintPrices returns for every constraint that blocks an option what it costs: the best with it less the best without it.
func (e explanation) constraintPrices() []model.ConstraintPrice {
	prices := []model.ConstraintPrice{}
	for _, code := range codes {
		p := model.ConstraintPrice{Code: code}
		for _, c := range e.all {
			if slices.Contains(c.blocked, code) {
				p.Blocks = append(p.Blocks, c.option.Name)
			}
		}
		if len(p.Blocks) == 0 {
			continue
		}
		if best := e.cheapest(code); best != nil {
			p.BestWithout = best.option.Name
			p.USDPerMonth = e.dearerThan(best)
		}
		prices = append(prices, p)
	}
	return prices
}

// dearerThan returns what the best allowed option costs more than c; nil when nothing is allowed.
func (e explanation) dearerThan(c *costed) *model.USD {
	if e.best == nil {
		return nil
	}
	return new(usd(new(big.Rat).Sub(e.best.due, c.due)))
}

// exclusionPrice returns what it costs that c is blocked, by however many constraints: 0 when it is not cheaper than what is
// allowed, nil when it is not blocked, when its cost is not known or when nothing is allowed.
func (e explanation) exclusionPrice(c *costed) *model.USD {
	if len(c.blocked) == 0 || c.due == nil {
		return nil
	}
	price := e.dearerThan(c)
	if price != nil {
		*price = max(0, *price)
	}
	return price
}

// lifted says for every constraint that costs something what would be chosen without it.
func (e explanation) lifted(prices []model.ConstraintPrice) []string {
	var sentences []string
	for _, p := range prices {
		if p.USDPerMonth != nil && *p.USDPerMonth > 0 {
			sentences = append(sentences, fmt.Sprintf("without the constraint %s: %s, for %s a month less", p.Code, p.BestWithout, model.FormatUSDAbout(*p.USDPerMonth)))
		}
	}
	return sentences
}
