package decide

import (
	"slices"
	"time"

	"tipline/model"
)

// The codes of hard constraints (cost model, section 9).
const (
	DataRegulated    = "DATA_REGULATED"
	Residency        = "RESIDENCY"
	ResidencyUnknown = "RESIDENCY_UNKNOWN"
	TTFTSLA          = "TTFT_SLA"
	NoOpsCapacity    = "NO_OPS_CAPACITY"
	ModelUnavailable = "MODEL_UNAVAILABLE"
	FineTunedWeights = "FINE_TUNED_WEIGHTS"
	ClosedWeights    = "CLOSED_WEIGHTS"
	NoGPU            = "NO_GPU"
	BatchOnly        = "BATCH_ONLY" // a queue in front of it, and work that cannot wait (section 5)
	Retired          = "RETIRED"    // its model is served no more, or not for as long as a move takes
)

// Blocked returns every reason why o may not serve a workload with the constraints c, in the order of section 9.
// It is never nil. A sensitivity or operations capacity that is not known counts as the strictest. ttft is the measured
// 95th percentile of the option; 0 takes what the option declares.
func Blocked(c Constraints, o Option, ttft time.Duration) []string {
	reasons := []string{}
	block := func(when bool, code string) {
		if when {
			reasons = append(reasons, code)
		}
	}
	throughAPI := o.Hosting == model.API || o.Hosting == model.Hybrid
	ownReplicas := o.Hosting == model.SelfHosted || o.Hosting == model.Hybrid
	careful := c.Sensitivity != Public && c.Sensitivity != Internal // what is not known to be free of rules is under them
	block(careful && throughAPI && !o.ApprovedForRegulated, DataRegulated)
	if len(c.Residency) > 0 {
		inside := slices.ContainsFunc(o.Regions, func(r string) bool { return slices.Contains(c.Residency, r) })
		block(len(o.Regions) > 0 && !inside, Residency)
		block(len(o.Regions) == 0, ResidencyUnknown)
	}
	if ttft == 0 {
		ttft = o.TTFTP95
	}
	block(c.TTFTLimit > 0 && ttft > c.TTFTLimit, TTFTSLA)
	staffed := c.OpsCapacity == OpsLimited || c.OpsCapacity == OpsDedicated
	block(!staffed && ownReplicas && !o.OpsIncluded, NoOpsCapacity)
	block(c.Model != "" && len(o.Models) > 0 && !slices.Contains(o.Models, c.Model), ModelUnavailable)
	block(c.FineTuned && o.Hosting == model.API && !o.CustomWeights, FineTunedWeights)
	block(o.ClosedWeights && o.Hosting != model.API, ClosedWeights)
	block(o.NoGPU && o.Hosting == model.CloudManaged, NoGPU)
	block(o.BatchOnly && o.Hosting == model.CloudManaged && !c.Batch, BatchOnly)
	return reasons
}
