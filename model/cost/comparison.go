package cost

import "math/big"

// Reasons of a CapexBreakEven.
const (
	PaysBack      = "PAYS_BACK"
	NeverPaysBack = "NEVER_PAYS_BACK"
)

// CapexBreakEven returns after how many periods an outlay is paid back by what each period saves, the cost of now less that
// of running what was bought, all in USD; nil with NeverPaysBack when a period saves nothing. It is how published comparisons
// count: without interest, labour or a change of volume.
func CapexBreakEven(capex, currentPerPeriod, runningPerPeriod *big.Rat) (periods *big.Rat, reason string) {
	saved := sub(currentPerPeriod, runningPerPeriod)
	if saved.Sign() <= 0 {
		return nil, NeverPaysBack
	}
	return quo(capex, saved), PaysBack
}

// PerRequest compares a GPU paid by the hour with an API paid by the request, of which a share of requests still goes to.
type PerRequest struct {
	GPUPerHour      *big.Rat // USD
	APIPerRequest   *big.Rat // USD
	RequestsPerHour *big.Rat // that the GPU serves
	Escalated       *big.Rat // share of the requests that are sent to the API as well, 0 to 1
}

// PerRequestCost is what PerRequest comes to.
type PerRequestCost struct {
	BreakevenRequestsPerHour *big.Rat // at which the GPU costs what the API asks for the same requests, escalation left out
	BreakevenWithEscalation  *big.Rat // the same with the escalated requests paid twice; nil when all are escalated
	CostPerRequest           *big.Rat // USD, escalation included
	Saving                   *big.Rat // share of the API's price
}

// Compare works p out.
func (p PerRequest) Compare() PerRequestCost {
	escalated := or(p.Escalated, zero)
	c := PerRequestCost{
		BreakevenRequestsPerHour: quo(p.GPUPerHour, p.APIPerRequest),
		CostPerRequest:           add(quo(p.GPUPerHour, p.RequestsPerHour), mul(escalated, p.APIPerRequest)),
	}
	c.Saving = sub(one, quo(c.CostPerRequest, p.APIPerRequest))
	if kept := sub(one, escalated); kept.Sign() > 0 {
		c.BreakevenWithEscalation = quo(c.BreakevenRequestsPerHour, kept)
	}
	return c
}
