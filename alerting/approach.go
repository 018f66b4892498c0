package alerting

import (
	"slices"
	"time"

	"tipline/model"
)

// Approach is what a workload that stays where it is comes near to: a threshold that its projection crosses.
type Approach struct {
	Option  string    `json:"option,omitempty"` // that would be cheaper from there; empty when there is none ahead
	Count   int       `json:"count,omitempty"`  // evaluations in a row that found it
	Missed  int       `json:"missed,omitempty"` // evaluations in a row since that did not
	Counted time.Time `json:"counted,omitzero"` // the last evaluation that counted
	ActBy   string    `json:"act_by,omitempty"` // as it was last told, 2006-01-02; empty before that
}

// sooner is by how much the date to act by must have come nearer before it is told again.
const sooner = 30 * 24 * time.Hour

// next returns the approach after an evaluation of a workload whose verdict to stay is confirmed, and whether it is worth a message: the
// median projection crosses, the date to act by is at most a lead time away, and that was so in as many evaluations in a row as a verdict
// takes. It is told once, and again when the date comes nearer by sooner. As many evaluations without it end it.
func (a Approach) next(w model.WorkloadReport, now time.Time, p Policy) (Approach, bool) {
	option, actBy := ahead(w, now, p)
	switch {
	case option == "" && a.Option == "":
		return Approach{}, false
	case !p.counts(a.Counted, now):
		return a, false
	case option != a.Option && a.Option != "":
		a.Counted = now
		if a.Missed++; a.Missed < max(1, p.Confirmations) {
			return a, false
		}
		if a = (Approach{}); option == "" {
			return a, false
		}
	}
	a.Option, a.Missed, a.Counted = option, 0, now
	if a.Count < p.Confirmations {
		a.Count++
	}
	if a.Count < p.Confirmations {
		return a, false
	}
	if told, err := time.Parse(time.DateOnly, a.ActBy); err == nil && told.Sub(actBy) < sooner {
		return a, false
	}
	a.ActBy = actBy.Format(time.DateOnly)
	return a, true
}

// ahead returns the option that w comes to be cheaper on and until when to act, empty when that is more than a lead time away or is not
// expected.
func ahead(w model.WorkloadReport, now time.Time, p Policy) (option string, actBy time.Time) {
	x := w.Crossover
	if w.Decision.Recommendation != model.Stay || x == nil || x.CrossesOn == "" || x.Option == w.Current {
		return "", actBy
	}
	at, err := time.Parse(time.DateOnly, x.ActBy)
	if err != nil || at.After(now.Add(p.LeadTime)) {
		return "", actBy
	}
	for _, o := range w.Options { // what an announced price does is told for all workloads at once
		if (o.Option == x.Option || o.Option == x.Against) && slices.ContainsFunc(o.PriceChanges, func(c model.DatedCost) bool { return c.From == x.CrossesOn }) {
			return "", actBy
		}
	}
	allowed := slices.ContainsFunc(w.Options, func(o model.OptionCost) bool { return o.Option == x.Option && len(o.Blocked) == 0 })
	if !allowed {
		return "", actBy
	}
	return x.Option, at
}
