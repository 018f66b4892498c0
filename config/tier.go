package config

import (
	"math/big"

	"tipline/model/cost"
)

// The kinds of tiers (cost model, section 3).
const (
	marginalTiers = "marginal"
	allUnitsTiers = "all_units"
)

// tiers reads the prices that an API has above volumes of a month, and whether the tier reached prices all of it.
func (r *reader) tiers(t *tariff, raw *rawTiers) (tiers []cost.Tier, allUnits bool) {
	if raw == nil || raw.At.node == nil {
		return nil, false
	}
	allUnits = r.required(raw.Kind, raw.At, "kind", []string{marginalTiers, allUnitsTiers}) == allUnitsTiers
	if len(raw.Steps) == 0 {
		r.missing(raw.At, "steps", ", want a volume and the prices above it")
	}
	var bound *big.Rat
	for _, step := range raw.Steps {
		if step.At.node == nil {
			continue // not a mapping, which has been reported
		}
		if !step.Above.given() {
			r.missing(step.At, "above_tokens", ", want tokens a month")
			continue
		}
		tier := cost.Tier{Above: r.number(step.Above, demand{"tokens a month, more than 0", positive})}
		switch {
		case tier.Above == nil:
			continue
		case bound != nil && tier.Above.Cmp(bound) <= 0:
			r.wrong(step.Above.place, "got %s, want more than %s of the step before", quote(step.Above.text()), decimalText(bound))
		}
		bound = tier.Above
		prefix := "above " + decimalText(tier.Above) + "."
		switch {
		case step.Times.given() == (step.Prices != nil):
			r.wrong(step.At, "want exactly one of times and prices")
		case step.Prices != nil:
			own := r.tariff(t.item, step.Prices.Origin)
			tier.Prices = r.pricesAs(own, prefix, new(rawPrices(*step.Prices)))
			t.rows = append(t.rows, own.rows...)
		default:
			own := r.tariff(t.item, rawProvenance{})
			factor := demand{"by how much the prices below all steps are multiplied, such as 0.9 for a tenth less, more than 0", positive}
			tier.Times = own.add(prefix+"times", r.number(step.Times, factor), "times")
			t.rows = append(t.rows, own.rows...)
		}
		tiers = append(tiers, tier)
	}
	return tiers, allUnits
}
