// Package cost turns a monthly volume of tokens into dollars for every way of hosting it, in exact arithmetic,
// and finds the volumes at which the cheapest way changes (cost model, sections 3 to 7).
package cost

import (
	"math/big"
	"slices"
)

// Prices is what an API charges. A nil price falls back as the cost model says in section 1, and the fallback is
// reported; a nil Input or Output price means that the API has no cost, never that it is free.
type Prices struct {
	Input, Output            *big.Rat // USD per million tokens
	CacheRead                *big.Rat // USD per million tokens; nil falls back to Input
	CacheWrite, CacheWrite1h *big.Rat // USD per million tokens; nil falls back to Input
	BatchInput, BatchOutput  *big.Rat // USD per million tokens; nil falls back to Input and Output
	RequestFee               *big.Rat // USD per request; nil means none
	Uplift                   *big.Rat // share on top of the prices of tokens, for a region or a service tier; nil means none
	Discount                 *big.Rat // share taken off usage, 0 to 1; nil means none
	MinimumCommit            *big.Rat // USD per month due whether used or not; nil means none
	FixedMonthly             *big.Rat // USD per month on top; nil means none
	Long                     *Prices  // prices of requests above the long-context threshold; nil means the same
	LongAbove                int64    // tokens of the prompt above which Long holds; 0 means that it is not known
	Tiers                    []Tier   // prices of tokens above a volume, ascending; none when empty
	AllUnits                 bool     // the tier that a month reaches prices all its tokens; otherwise a tier prices those above it
	Scale                    *Scale   `json:",omitempty"` // what is taken off by what a contract charges for all of its APIs; nil means nothing
}

// A Tier is what tokens cost above a volume of a month (cost model, section 3).
type Tier struct {
	Above  *big.Rat // tokens of all classes in the month
	Times  *big.Rat // by which the prices of tokens below all tiers are multiplied; nil means 1
	Prices *Prices  // of tokens, instead of those; nil, or one that is not listed, leaves what Times makes of them
}

// PerToken returns where p keeps its prices per million tokens, those of long prompts not included.
func (p *Prices) PerToken() [7]**big.Rat {
	return [...]**big.Rat{&p.Input, &p.Output, &p.CacheRead, &p.CacheWrite, &p.CacheWrite1h, &p.BatchInput, &p.BatchOutput}
}

// Scaled returns p with its prices per token multiplied by times, those of long prompts and of tiers too.
func (p Prices) Scaled(times *big.Rat) Prices {
	for _, price := range p.PerToken() {
		if *price != nil {
			*price = mul(*price, times)
		}
	}
	if p.Long != nil {
		p.Long = new(p.Long.Scaled(times))
	}
	p.Tiers = slices.Clone(p.Tiers)
	for i, t := range p.Tiers {
		if t.Prices != nil {
			p.Tiers[i].Prices = new(t.Prices.Scaled(times))
		}
	}
	return p
}

// Any reports whether has is true of p or of the prices of one of its tiers.
func (p *Prices) Any(has func(*Prices) bool) bool {
	return has(p) || slices.ContainsFunc(p.Tiers, func(t Tier) bool { return t.Prices != nil && has(t.Prices) })
}

// in returns p, which is what tokens cost below all tiers, with the prices of t.
func (t Tier) in(p Prices) Prices {
	p.Tiers = nil
	p = p.Scaled(or(t.Times, one))
	if t.Prices == nil {
		return p
	}
	p.list(t.Prices)
	if t.Prices.Long != nil {
		long := new(Prices)
		if p.Long != nil {
			*long = *p.Long
		}
		long.list(t.Prices.Long)
		p.Long = long
	}
	return p
}

// list takes over the prices per token that other lists.
func (p *Prices) list(other *Prices) {
	listed := other.PerToken()
	for i, price := range p.PerToken() {
		if *listed[i] != nil {
			*price = *listed[i]
		}
	}
}

// Capacity is a fleet paid by the hour: self-hosted replicas, a cloud-managed endpoint or provisioned throughput units
// (cost model, sections 4 and 5). Nil fields have the defaults in brackets.
type Capacity struct {
	TokensPerHour     *big.Rat // κ_max: input and output tokens per hour and replica at maximum load
	BlockCostPerHour  *big.Rat // c: USD per hour of one purchasable block, managed overhead not included
	HoursPerMonth     *big.Rat // H [730]
	TargetUtilization *big.Rat // u in (0, 1] [1]
	PeakFactor        *big.Rat // φ ≥ 1 [1]
	ReplicasPerBlock  int64    // k [1 when 0]
	ManagedOverhead   *big.Rat // m: share added to the block cost by a managed service [0]
	MinReplicas       *int64   // N_min [1]
	SpareReplicas     int64    // N_spare
	MaxReplicas       *int64   // N_max, the quota [none]
	FixedMonthly      *big.Rat // F: operations and other fixed costs, USD per month [0]
	VariablePerMTok   *big.Rat // v: USD per million tokens that really varies with volume [0]
}
