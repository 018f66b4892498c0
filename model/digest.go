package model

import "time"

// Digest is a report summed up for who looks at it once a week.
type Digest struct {
	AsOf        time.Time    `json:"as_of"`
	Quiet       int          `json:"quiet"` // workloads of which there is nothing to say
	Items       []DigestItem `json:"items"` // the most urgent first
	USDPerMonth USD          `json:"usd_per_month"`
	Month       *DigestMonth `json:"month,omitempty"` // absent when no cost is known
	Costed      int          `json:"costed"`          // workloads whose cost USDPerMonth is the sum of, at the projected volumes
	Graded      int          `json:"graded"`          // workloads with projections of a week that have been graded
	ErrorRatio  Fraction     `json:"error_ratio"`     // the median of their errors
}

// DigestMonth is what a calendar month costs on the options in use.
type DigestMonth struct {
	Month     string         `json:"month"`     // 2006-01
	SpentUSD  USD            `json:"spent_usd"` // what falls to the tokens so far
	Projected Quantiles[USD] `json:"projected"`
	Workloads int            `json:"workloads"` // whose cost is known
}

// DigestItem is one thing that a digest says.
type DigestItem struct {
	Workload string `json:"workload"` // empty when it is about a source or about several workloads together
	Source   string `json:"source,omitempty"`
	Notifier string `json:"notifier,omitempty"` // that messages do not reach
	Kind     string `json:"kind"`
	Text     string `json:"text"`
	ActBy    string `json:"act_by,omitempty"` // 2006-01-02
	Receipt  string `json:"receipt"`          // empty when it is about a source
}

// The kinds of a DigestItem.
const (
	DigestDecide      = "decide"      // a confirmed verdict that asks for a change
	DigestApproaching = "approaching" // a threshold that was told to be near
	DigestUnstable    = "unstable"    // a verdict that changes too often to tell every change
	DigestTogether    = "together"    // what workloads had better do together, or had better not
	DigestMigrating   = "migrating"   // a confirmed verdict that somebody is carrying out
	DigestSeen        = "seen"        // a confirmed verdict that somebody has acknowledged
	DigestMoved       = "moved"       // a move that was made as advised, and what it saves
	DigestSnoozed     = "snoozed"     // a confirmed verdict that somebody wants to hear of later
	DigestNew         = "new"         // a workload that began in the last week
	DigestVanished    = "vanished"    // a workload that ended in the last week
	DigestUnknown     = "unknown"     // no verdict, and why
	DigestFault       = "fault"       // a source that is not read, and why
	DigestDrift       = "drift"       // an input that moved, material or not
)

// Count returns how many items are of a kind.
func (g Digest) Count(kind string) (n int) {
	for _, i := range g.Items {
		if i.Kind == kind {
			n++
		}
	}
	return n
}
