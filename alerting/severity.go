package alerting

import (
	"slices"

	"tipline/model"
)

// Severity says how soon a message is to be read. It chooses where a message goes and nothing else.
type Severity string

// The severities, from the least.
const (
	Info     Severity = "info"     // when there is time: to save, or to know
	Warning  Severity = "warning"  // soon: what is in use must not stay, or costs more than was wanted, or is not measured any more
	Critical Severity = "critical" // what is a warning, of a workload that is called critical
)

// Severities are all of them, from the least.
var Severities = []Severity{Info, Warning, Critical}

// Of returns the severity of a message with the reason r about w. One about a workload that is called critical is more severe by one step.
func (r Reason) Of(w model.WorkloadReport, critical bool) Severity {
	s := 0
	switch r {
	case Blocked, NoOption, OverBudget, DataFaulty, Reopened:
		s = 1
	case FirstSeen, Switched, Reminded, Unstable:
		if mustLeave(w) {
			s = 1
		}
	default:
	}
	if critical {
		s++
	}
	return Severities[s]
}

// worst returns the highest severity of events; what was queued without one is not severe.
func worst(events []Event) Severity {
	s := 0
	for _, e := range events {
		s = max(s, slices.Index(Severities, e.Severity))
	}
	return Severities[s]
}
