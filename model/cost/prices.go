// Package cost turns a monthly volume of tokens into dollars for every way of hosting it, in exact arithmetic,
// and finds the volumes at which the cheapest way changes (cost model, sections 3 to 7).
package cost

import "math/big"

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
