package decide

import (
	"math/big"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// A Stay is an option that served a workload in the current calendar month and does no more.
type Stay struct {
	Option string       `json:"option"`
	Until  time.Time    `json:"until"`  // the first instant at which another served it
	Tokens model.Tokens `json:"tokens"` // that were measured while it did
}

// Month returns what the calendar month that the forecast begins in costs, for the projected total of that month, and false when that is not
// known. Capacity is paid by the hour, so a month costs its hours over cost.DefaultHours of what the cost model says of a month (section
// 1); an API charges for the tokens of the month, its tiers, commitment and fees too.
//
// A workload that moved has been on stays before, the first of them from the beginning of the month: each has a cost of its own, the sum of
// which is before, and the current option that of the rest (section 15).
func (v Verdict) Month(stays []Stay) (q model.Quantiles[model.USD], before model.USD, known bool) {
	if v.in == nil || len(v.in.Forecast.Months) == 0 {
		return q, 0, false
	}
	d, ok := newDemand(v.in.Forecast, v.in.Constraints)
	if !ok {
		return q, 0, false
	}
	in := *v.in
	in.Candidates = nil // all but the current one and those of the stays
	for _, s := range stays {
		in.Candidates = append(in.Candidates, s.Option)
	}
	d.prefixHit, d.prompts = enginePrefixHit(in, d), in.Prompts
	all := candidates(in, d)
	month := v.in.Forecast.Months[0]
	known = true
	at := func(name string, total model.Tokens, from, to time.Time) model.USD {
		c := find(all, name)
		if c == nil {
			known = false
			return 0
		}
		usd, ok := c.during(total, to.Sub(from))
		known = known && ok
		return usd
	}
	from, stayed := month.From, model.Tokens(0)
	for _, s := range stays {
		before += at(s.Option, s.Tokens, from, s.Until)
		from, stayed = s.Until, stayed+s.Tokens
	}
	rest := func(total model.Tokens) model.USD {
		return before + at(in.Current, max(0, total-stayed), from, month.To)
	}
	total := month.Total.Quantiles()
	low, middle, high := rest(total.P10), rest(total.P50), rest(total.P90)
	q = model.Quantiles[model.USD]{P10: min(low, middle, high), P50: middle, P90: max(low, middle, high)} // more tokens may reach a lower tier
	return q, before, known
}

// during returns what c costs for total tokens within a part of a month that is so long, and false when it cannot serve them.
func (c *costed) during(total model.Tokens, length time.Duration) (model.USD, bool) {
	share := new(big.Rat).Quo(big.NewRat(int64(length), int64(time.Hour)), cost.DefaultHours)
	if c.option.Hosting == model.API { // it charges by the month, whatever its length
		share = orOne(nil)
	}
	if share.Sign() <= 0 {
		return 0, total == 0
	}
	b := c.at(new(big.Rat).Quo(whole(float64(total)), share))
	if b.usd == nil {
		return 0, false
	}
	return usd(b.usd.Mul(b.usd, share)), true
}
