package decide

import (
	"math/big"

	"tipline/model"
	"tipline/model/cost"
)

// Month returns what the current option costs in the calendar month that the forecast begins in, for the projected total of that month, and
// false when that is not known. Capacity is paid by the hour, so a month costs its hours over cost.DefaultHours of what the cost model
// says of a month (section 1); an API charges for the tokens of the month, its tiers, commitment and fees too.
func (v Verdict) Month() (q model.Quantiles[model.USD], known bool) {
	if v.in == nil || len(v.in.Forecast.Months) == 0 {
		return q, false
	}
	d, ok := newDemand(v.in.Forecast, v.in.Constraints)
	if !ok {
		return q, false
	}
	in := *v.in
	in.Candidates = nil // all but the current one
	d.prefixHit = enginePrefixHit(in, d)
	current := candidates(in, d)
	if len(current) == 0 {
		return q, false
	}
	month := v.in.Forecast.Months[0]
	share := new(big.Rat).Quo(new(big.Rat).SetInt64(int64(month.To.Sub(month.From).Hours())), cost.DefaultHours)
	if current[0].option.Hosting == model.API { // it charges by the month, whatever its length
		share = orOne(nil)
	}
	at := func(total model.Tokens) model.USD {
		b := current[0].at(new(big.Rat).Quo(whole(float64(total)), share))
		if b.usd == nil {
			known = false
			return 0
		}
		return usd(b.usd.Mul(b.usd, share))
	}
	known = true
	total := month.Total.Quantiles()
	low, middle, high := at(total.P10), at(total.P50), at(total.P90)
	q = model.Quantiles[model.USD]{P10: min(low, middle, high), P50: middle, P90: max(low, middle, high)} // more tokens may reach a lower tier
	return q, known
}
