package decide

import (
	"maps"
	"math"
	"math/big"
	"slices"
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
// 1); an API charges for the tokens of the month, its tiers, commitment and fees too. Of the bill of an account that others use in the month it is
// the workload's share: those of all at their medians are what is paid, see UsedInMonth.
//
// A workload that moved has been on stays before, the first of them from the beginning of the month: what they cost by themselves is before, and
// the current option serves the rest (section 15). An API that served more than once in the month, or beside a fleet, charges for all of it
// together.
func (v Verdict) Month(stays []Stay, others []Others) (q model.Quantiles[model.USD], before model.USD, known bool) {
	if v.in == nil || len(v.in.Forecast.Months) == 0 {
		return q, 0, false
	}
	in := *v.in
	in.Others = nil // see Used
	d, ok := in.demand()
	if !ok {
		return q, 0, false
	}
	in.Candidates = nil // all but the current one and those of the stays
	for _, s := range stays {
		in.Candidates = append(in.Candidates, s.Option)
	}
	all, _ := candidates(in, d)
	month := in.Forecast.Months[0]
	beside := besides(others, in.Forecast.Origin)
	spent, ok := newTally().stays(all, stays, month.From)
	before, known = spent.usd(beside)
	known = known && ok
	rest := func(total model.Tokens) model.USD {
		t := spent
		t.tally = tally{fleets: new(big.Rat).Set(spent.fleets), apis: maps.Clone(spent.apis)}
		ok := t.rest(all, in, total)
		usd, priced := t.usd(beside)
		known = known && ok && priced
		return usd
	}
	total := month.Total.Quantiles()
	low, middle, high := rest(total.P10), rest(total.P50), rest(total.P90)
	q = model.Quantiles[model.USD]{P10: min(low, middle, high), P50: middle, P90: max(low, middle, high)} // more tokens may reach a lower tier
	return q, before, known
}

// A MonthPart is what one workload's part of a calendar month is worked out from, beside the inputs of its decision.
type MonthPart struct {
	Workload string       `json:"workload"`
	Receipt  string       `json:"receipt"`         // that holds the inputs
	ToDate   model.Tokens `json:"to_date_tokens"`  // measured in the month so far
	Median   model.Tokens `json:"median_tokens"`   // of the whole month
	Stays    []Stay       `json:"stays,omitempty"` // on other options before the current one
	Others   []Others     `json:"others,omitempty"`
}

// Item returns what the workload of v is projected to cost in the calendar month by p, and what of it falls to the tokens so far: the stays, and of
// the rest as large a share as of the tokens. It is false when that is not known.
func (v Verdict) Item(p MonthPart) (item model.BudgetItem, known bool) {
	usd, before, known := v.Month(p.Stays, p.Others)
	item = model.BudgetItem{Workload: p.Workload, USD: usd, SpentUSD: before}
	elsewhere := model.Tokens(0)
	for _, s := range p.Stays {
		elsewhere += s.Tokens
	}
	if total := p.Median - elsewhere; total > 0 {
		item.SpentUSD += (usd.P50 - before) * model.USD(max(0, min(1, (p.ToDate-elsewhere)/total)))
	}
	return item, known
}

// Ahead returns what the options called names cost in every calendar month of the forecast, each brought to a month of cost.DefaultHours, at the
// volume that is projected for it and at the prices that hold in it. An option whose cost is not known in one of them is left out.
func (v Verdict) Ahead(names ...string) []model.CostAhead {
	if v.in == nil {
		return nil
	}
	d, ok := v.in.demand()
	if !ok {
		return nil
	}
	in := *v.in
	in.Candidates = names
	all, _ := candidates(in, d)
	var ahead []model.CostAhead
	for _, c := range all {
		if c.problem != "" || !slices.Contains(names, c.option.Name) {
			continue
		}
		a := model.CostAhead{Option: c.option.Name, Months: make([]model.MonthCost, 0, len(in.Forecast.Months))}
		known := true
		for _, m := range in.Forecast.Months {
			at := func(t model.Tokens) model.USD {
				usd := c.over(m.From, m.To, float64(t)*float(cost.DefaultHours)/m.To.Sub(m.From).Hours(), 0)
				known = known && !math.IsNaN(usd) && !math.IsInf(usd, 0)
				return model.USD(usd)
			}
			t := m.Total.Quantiles()
			low, middle, high := at(t.P10), at(t.P50), at(t.P90)
			a.Months = append(a.Months, model.MonthCost{Month: m.From.Format("2006-01"), Quantiles: model.Quantiles[model.USD]{
				P10: min(low, middle, high), P50: middle, P90: max(low, middle, high), // more tokens may reach a lower tier
			}})
		}
		if known && len(a.Months) > 0 {
			ahead = append(ahead, a)
		}
	}
	return ahead
}

func newTally() tally { return tally{fleets: new(big.Rat), apis: map[string]charged{}} }

// tally is what options that served one after another in a month used: capacity by the hour, and APIs, each of which charges once for all of it.
type tally struct {
	fleets *big.Rat // USD
	apis   map[string]charged
}

// charged is an API with what it is to charge for.
type charged struct {
	api   Option
	usage []cost.Usage
}

// stayed is what the stays of a month used.
type stayed struct {
	tally
	until  time.Time
	tokens model.Tokens
}

// stays adds what stays used, the first of them from a time on. It is false when one of all cannot have served them.
func (t tally) stays(all []*costed, stays []Stay, from time.Time) (stayed, bool) {
	s, ok := stayed{tally: t, until: from}, true
	for _, stay := range stays {
		ok = ok && t.stay(find(all, stay.Option), stay.Tokens, stay.Until.Sub(s.until))
		s.until, s.tokens = stay.Until, s.tokens+stay.Tokens
	}
	return s, ok
}

// rest adds what the current option of in uses of the total of the month after s. It is false when it cannot serve that.
func (s stayed) rest(all []*costed, in Input, total model.Tokens) bool {
	return s.stay(find(all, in.Current), max(0, total-s.tokens), in.Forecast.Months[0].To.Sub(s.until))
}

// stay adds what c takes to serve total tokens within a part of the month that is so long. It is false when it cannot serve them.
func (t tally) stay(c *costed, total model.Tokens, length time.Duration) bool {
	share := new(big.Rat).Quo(big.NewRat(int64(length), int64(time.Hour)), cost.DefaultHours)
	return c != nil && t.serve(c.plan, whole(float64(total)), share)
}

// serve adds what p takes to serve tokens within share of a month.
func (t tally) serve(p *plan, tokens, share *big.Rat) bool {
	switch {
	case p.problem != "":
		return false
	case p.option.Hosting == model.API:
		t.charge(p, tokens)
		return true
	case share.Sign() <= 0:
		return tokens.Sign() == 0
	}
	part := func(of *big.Rat) *big.Rat { return new(big.Rat).Mul(of, share) } // of what a month has
	b := p.at(new(big.Rat).Quo(tokens, share))
	switch {
	case b.usd == nil:
		return false
	case b.hybrid != nil:
		t.fleets.Add(t.fleets, part(new(big.Rat).Sub(b.usd, p.rate.At(b.hybrid.Overflow))))
		t.charge(p, part(b.hybrid.Overflow))
	case b.apart != nil:
		waits := new(big.Rat).Mul(tokens, p.apart.share)
		now := new(big.Rat).Sub(tokens, waits)
		if filled := part(b.apart.filled); filled.Sign() > 0 {
			t.fleets.Add(t.fleets, perMillion(filled, p.apart.urgent.fleet.Variable))
			waits.Sub(waits, filled)
		}
		return t.serve(p.apart.urgent, now, share) && (waits.Sign() == 0 || t.serve(p.apart.waiting, waits, share))
	default:
		t.fleets.Add(t.fleets, part(b.usd))
	}
	return true
}

// charge adds tokens to what the API of p charges for.
func (t tally) charge(p *plan, tokens *big.Rat) {
	usage := t.apis[p.api.Name].usage
	t.apis[p.api.Name] = charged{p.api, append(slices.Clip(usage), p.usage(tokens)...)}
}

// usd returns what all of it costs beside what others use, and false when that is not known. Of the bill of an account that others use too it is the
// workload's share: what all of them cost is then what is paid.
func (t tally) usd(others map[string]cost.Beside) (model.USD, bool) {
	all := new(big.Rat).Set(t.fleets)
	for name, c := range t.apis {
		beside, err := t.beside(name, others)
		if err != nil {
			return 0, false
		}
		if !beside.None() {
			c.usage = blocksOf(c.usage).usage() // in whole tokens, as the others count them
		}
		share, err := c.api.API.Share(beside, c.usage)
		if err != nil {
			return 0, false
		}
		all.Add(all, share)
	}
	return usd(all), true
}

// beside returns what the API called name charges for beside t: what others use, and what t spends on the other accounts of its contract.
func (t tally) beside(name string, others map[string]cost.Beside) (cost.Beside, error) {
	api := t.apis[name].api
	if api.Account == "" {
		return cost.Beside{}, nil
	}
	beside := others[api.Account]
	for other, c := range t.apis {
		switch {
		case other == name:
		case c.api.Account == api.Account:
			beside.Usage = append(slices.Clip(beside.Usage), blocksOf(c.usage).usage()...)
		case api.Contract != "" && c.api.Contract == api.Contract:
			theirs := others[c.api.Account].Usage
			all := append(slices.Clip(theirs), blocksOf(c.usage).usage()...)
			with, err := c.api.API.Of(all, all)
			if err != nil {
				return beside, err
			}
			without, err := c.api.API.Of(theirs, theirs)
			if err != nil {
				return beside, err
			}
			beside.USD = new(big.Rat).Add(orZero(beside.USD), with.Sub(with, without))
			beside.Tokens = new(big.Rat).Add(orZero(beside.Tokens), blocksOf(c.usage).tokens())
		}
	}
	return beside, nil
}
