package decide

import (
	"fmt"
	"math/big"

	"tipline/model"
)

var (
	smallVolume = big.NewRat(500_000_000, 1)
	largeVolume = big.NewRat(5_000_000_000, 1)
)

// RuleOfThumb returns the hosting that the hosting guide recommends for a number of tokens a month (cost model, section 10).
// It knows no prices; an unknown sensitivity or operations capacity is an error, never "not regulated".
func RuleOfThumb(s Sensitivity, ops OpsCapacity, tokensPerMonth *big.Rat) (model.Hosting, error) {
	switch ops {
	case OpsNone, OpsLimited, OpsDedicated:
	default:
		return "", fmt.Errorf("ops_capacity: got %q, want none, limited or dedicated", ops)
	}
	switch s {
	case Regulated:
		if ops == OpsNone {
			return model.CloudManaged, nil
		}
		return model.SelfHosted, nil
	case Public, Internal:
	default:
		return "", fmt.Errorf("data_sensitivity: got %q, want public, internal or regulated", s)
	}
	switch {
	case tokensPerMonth.Cmp(smallVolume) < 0:
		return model.API, nil
	case ops == OpsDedicated:
		return model.SelfHosted, nil
	case tokensPerMonth.Cmp(largeVolume) > 0:
		return model.CloudManaged, nil
	}
	return model.API, nil
}

// ruleOfThumbText spells h as the rule of thumb does.
func ruleOfThumbText(h model.Hosting) string {
	if h == model.API {
		return "api-inference"
	}
	return string(h)
}
