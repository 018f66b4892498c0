package alerting

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"tipline/model"
)

const (
	// stormSize is how many messages of one evaluation by one route are sent one by one; more are summed up.
	stormSize = 10
	// stormNamed is how many of them the message that sums them up names.
	stormNamed = 20
)

// Storm is what many messages of one evaluation were about.
type Storm struct {
	Count map[Reason]int `json:"count"`
	Named []Event        `json:"named"`          // the most urgent first, with no more than their headlines say
	Rest  []string       `json:"rest,omitempty"` // receipts of the others
}

// Size returns how many messages s stands for.
func (s Storm) Size() (n int) {
	for _, count := range s.Count {
		n += count
	}
	return n
}

// calm returns events with those of one route, where they are more than stormSize, summed up in one. What a workload is to be told by itself
// stays what the ledger keeps of it.
func calm(events []Event, now time.Time) []Event {
	byRoute := map[string][]Event{}
	for _, e := range events {
		by := fmt.Sprintf("%q %q %t", e.Channel, e.Except, e.Nowhere)
		byRoute[by] = append(byRoute[by], e)
	}
	var all []Event
	for _, by := range slices.Sorted(maps.Keys(byRoute)) {
		group := byRoute[by]
		if len(group) <= stormSize {
			all = append(all, group...)
			continue
		}
		all = append(all, storm(group, now))
	}
	return all
}

// storm sums events of one route up in one.
func storm(events []Event, now time.Time) Event {
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(b.urgency(), a.urgency()), strings.Compare(a.Workload, b.Workload))
	})
	s := Storm{Count: map[Reason]int{}}
	for i, e := range events {
		s.Count[e.Reason]++
		if i < stormNamed {
			s.Named = append(s.Named, e.brief())
		} else {
			s.Rest = append(s.Rest, e.Report.Decision.ID)
		}
	}
	to := events[0].Route
	return Event{
		Version: eventVersion, ID: eventID(fmt.Sprintf("storm %q", to.Channel), now.UnixNano(), events[0].ID), Reason: Summed, Time: now,
		Severity: worst(events), Route: to, Storm: &s,
	}
}

// urgency orders events: what cannot stay as it is before all others, then by the saving in dollars a month; none is less than any.
func (e Event) urgency() float64 {
	if e.Reason == NoOption || mustLeave(e.Report) {
		return math.Inf(1)
	}
	if s := e.Report.Decision.SavingUSDPerMonth; s != nil {
		return float64(s.P50)
	}
	return math.Inf(-1)
}

// brief returns e with what its headline says and no more.
func (e Event) brief() Event {
	w, d := e.Report, e.Report.Decision
	e.Report = model.WorkloadReport{
		Workload: w.Workload, Current: w.Current, Crossover: w.Crossover,
		Usage:    model.UsageSummary{FirstSample: w.Usage.FirstSample, LastSample: w.Usage.LastSample},
		Decision: model.Decision{ID: d.ID, Recommendation: d.Recommendation, Option: d.Option, Reason: d.Reason, SavingUSDPerMonth: d.SavingUSDPerMonth, Commitment: d.Commitment},
	}
	return e
}
