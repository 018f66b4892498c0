package decide

import (
	"math/big"
	"slices"

	"tipline/model"
	"tipline/model/cost"
)

// mostSteps bounds the steps of a fleet over which the cheapest option is looked for, and mostRanges the ranges that are listed: a tiny margin
// makes two of every step.
const (
	mostSteps  = 2000
	mostRanges = 64
)

// BreakEvens says which of the options of in is cheapest over which volumes (cost model, section 7.4), and from when on hardware that is bought and
// replicas that are paid by the hour pay. It is nil when nothing can be compared.
func BreakEvens(in Input) *model.BreakEvens {
	e, why := compare(in)
	if why != "" {
		return nil
	}
	return e.breakEvens()
}

func (e explanation) breakEvens() *model.BreakEvens {
	b := &model.BreakEvens{Cheapest: []model.CheapestRange{}, LeftOut: []string{}, Owned: []model.OwnedBreakEven{}, PerRequest: []model.RequestBreakEven{}}
	for _, c := range e.all {
		if c.problem != "" || c.median.usd == nil {
			continue
		}
		if o := c.ownedBreakEven(e.now, e.configured); o != nil {
			b.Owned = append(b.Owned, *o)
		}
		if r := c.requestBreakEven(e.api, e.demand); r != nil {
			b.PerRequest = append(b.PerRequest, *r)
		}
	}
	e.cheapestRanges(b)
	return b
}

// cheapestRanges fills in which option is cheapest up to twice the highest volume that is projected, in at most mostRanges ranges.
func (e explanation) cheapestRanges(b *model.BreakEvens) {
	highest := 0.0
	for _, p := range append(slices.Clone(e.in.Forecast.Months), e.in.Forecast.Next[model.Next30d]) {
		highest = max(highest, perMonth(p)[len(perMonth(p))-1])
	}
	limit := whole(2 * highest)
	var compared []*costed
	for _, c := range e.all {
		switch {
		case c.problem != "" || len(c.blocked) > 0:
		case c.option.Hosting == model.Hybrid || c.scaled != nil:
			b.LeftOut = append(b.LeftOut, c.option.Name)
		default:
			if c.fleet != nil {
				limit = lesser(limit, new(big.Rat).Mul(c.fleet.PerBlock, big.NewRat(mostSteps, 1)))
			}
			compared = append(compared, c)
		}
	}
	slices.SortStableFunc(compared, func(x, y *costed) int { return x.option.Hosting.Preference() - y.option.Hosting.Preference() })
	curves := make([]cost.Curve, len(compared))
	for i, c := range compared {
		if c.fleet != nil {
			curves[i] = c.fleet.Curve(limit)
		} else {
			curves[i] = c.rate.Curve(limit)
		}
	}
	if b.SearchedTokens = *tokens(limit); limit.Sign() == 0 || len(curves) == 0 {
		return
	}
	for _, w := range cost.Envelope(curves, limit) {
		r := model.CheapestRange{From: *tokens(w.From), To: *tokens(w.To)}
		if w.Index >= 0 {
			r.Option = compared[w.Index].option.Name
		}
		if len(b.Cheapest) == mostRanges {
			b.SearchedTokens = b.Cheapest[mostRanges-1].To
			break
		}
		b.Cheapest = append(b.Cheapest, r)
	}
}

// ownedBreakEven returns when the hardware of c has paid for itself in place of now; nil when none is bought for it.
func (c *costed) ownedBreakEven(now *costed, options map[string]Option) *model.OwnedBreakEven {
	owned, blocks := c.option.Owned, int64(0)
	switch {
	case c == now || now.median.usd == nil:
		return nil
	case c.median.fleet != nil:
		blocks = c.median.fleet.Blocks
	case c.median.hybrid != nil:
		owned, blocks = options[c.option.Base].Owned, c.median.hybrid.Replicas
	}
	if owned == nil || blocks == 0 {
		return nil
	}
	n := big.NewRat(blocks, 1)
	capex := new(big.Rat).Mul(n, owned.Capex)
	running := new(big.Rat).Sub(c.median.usd, new(big.Rat).Mul(n, owned.Capital))
	periods, reason := cost.CapexBreakEven(capex, now.median.usd, running)
	b := &model.OwnedBreakEven{
		Option: c.option.Name, CapexUSD: usd(capex), RunningUSDPerMonth: usd(running), CurrentUSDPerMonth: usd(now.median.usd), Reason: reason,
	}
	if periods != nil {
		b.Months = new(float(periods))
	}
	return b
}

// requestBreakEven compares a replica of c with api by the request; nil when c has none that run all month, or the requests are not known.
func (c *costed) requestBreakEven(api *costed, d demand) *model.RequestBreakEven {
	if api == nil || c.fleet == nil || c.option.Jobs != nil || c.option.Hosting == model.Hybrid || d.perRequest == nil || d.median.Sign() == 0 || api.median.usd.Sign() <= 0 {
		return nil
	}
	perHour := new(big.Rat).Quo(c.perHour(), big.NewRat(c.replicasPerBlock(), 1))
	asked := new(big.Rat).Mul(api.median.usd, d.perRequest)
	requests := new(big.Rat).Quo(c.fleet.Usable, d.perRequest)
	p := cost.PerRequest{GPUPerHour: perHour, APIPerRequest: asked.Quo(asked, d.median), RequestsPerHour: requests}
	found := p.Compare()
	return &model.RequestBreakEven{
		Option: c.option.Name, Against: api.option.Name, Requests: float(requests), Breakeven: float(found.BreakevenRequestsPerHour),
		USDPerRequest: usd(found.CostPerRequest), APIUSDPerRequest: usd(p.APIPerRequest), SavingPerFullRatio: float(found.Saving),
	}
}
