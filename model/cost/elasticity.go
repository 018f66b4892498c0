package cost

import "math/big"

// Fragile is the break-even utilization above which a crossover moves by several percent for each percent by which an input
// is wrong (cost model, section 12).
var Fragile = big.NewRat(4, 5)

// Crossing is the smooth crossing of a fleet and an API: the volume at which they cost the same when capacity is bought by the
// token and not by the block, V* = F / (p − v − c·10^6/κ) (cost model, section 12). Within a tier of the API its bill is p·V and
// what the tiers below leave, by which F is then less.
type Crossing struct {
	Fixed         *big.Rat // F: USD a month
	Starting      *big.Rat // what cold starts and idle timeouts add to F at the price of a replica, USD a month; nil means 0
	APIFixed      *big.Rat // what the tiers below leave of the API's bill, USD a month; nil means 0
	APIPerMTok    *big.Rat // p: USD per million tokens
	Variable      *big.Rat // v: USD per million tokens; nil means 0
	CostPerHour   *big.Rat // c: USD of a replica and hour
	TokensPerHour *big.Rat // κ: tokens that a replica carries in an hour
}

// Elasticities says by how many percent the smooth crossing moves for each percent of an input.
type Elasticities struct {
	Volume                              *big.Rat // V*: tokens a month
	Breakeven                           *big.Rat // ρ: share of its capacity that a replica must carry to pay for itself
	Fixed, API, GPU, Throughput, Varied *big.Rat
	Starting                            *big.Rat // how often replicas start, or how long it takes
}

// Elasticities works c out; false when a fleet never pays, so that there is no crossing.
func (c Crossing) Elasticities() (Elasticities, bool) {
	variable := or(c.Variable, zero)
	perMTok := quo(mul(c.CostPerHour, million), c.TokensPerHour)
	net := sub(c.APIPerMTok, variable)
	margin := sub(net, perMTok)
	if margin.Sign() <= 0 {
		return Elasticities{}, false
	}
	left, starting := or(c.APIFixed, zero), or(c.Starting, zero)
	paid := sub(add(c.Fixed, starting), left)
	fixed, api, gpu, starts := one, new(big.Rat).Neg(quo(c.APIPerMTok, margin)), quo(perMTok, margin), zero
	switch {
	case paid.Sign() < 0:
		return Elasticities{}, false
	case (left.Sign() != 0 || starting.Sign() != 0) && paid.Sign() > 0: // they move with the price of the API and of the replicas
		fixed, api = quo(c.Fixed, paid), sub(api, quo(left, paid))
		starts = quo(starting, paid)
		gpu = add(gpu, starts)
	}
	return Elasticities{
		Volume:     quo(mul(paid, million), margin),
		Breakeven:  quo(perMTok, net),
		Fixed:      fixed,
		API:        api,
		GPU:        gpu,
		Throughput: new(big.Rat).Neg(quo(perMTok, margin)),
		Varied:     quo(variable, margin),
		Starting:   starts,
	}, true
}
