package alerting

import (
	"time"

	"tipline/model"
)

// Ending is the end of a commitment that changes the answer of a workload which stays where it is until then.
type Ending struct {
	Until string `json:"until,omitempty"` // the last day of the commitment, 2006-01-02; empty when none is near
	Told  bool   `json:"told,omitempty"`
	streak
}

// next returns the ending after an evaluation of a workload whose verdict to stay is confirmed, and whether it is to be told: a commitment
// ends, another option is right from then on, the date to act by is at most a lead time away, and that was so in as many evaluations in a row
// as a verdict takes. One that was told is not told again.
func (e Ending) next(w model.WorkloadReport, now time.Time, p Policy) (Ending, bool) {
	c := w.Decision.Commitment
	switch {
	case c == nil && e.Told && now.Before(e.settled()): // the verdict to move is being confirmed, and belongs to the same case
		return e, false
	case c == nil:
		return Ending{}, false
	case e.Until != c.Until:
		e = Ending{Until: c.Until}
	}
	if e.Told {
		return e, false
	}
	e.streak = e.streak.next(ends(w, now, p), now, p)
	return e, e.holds(p)
}

// settled returns the day from which on the end of e is nothing that a case could be about.
func (e Ending) settled() time.Time {
	end, _ := time.Parse(time.DateOnly, e.Until) // which the model has written
	return end.Add(settling)
}

// ends reports whether the commitment of w ends soon, and the answer is to move from then on.
func ends(w model.WorkloadReport, now time.Time, p Policy) bool {
	c := w.Decision.Commitment
	if w.Decision.Recommendation != model.Stay || !c.Flips || c.OptionAfter == w.Current {
		return false
	}
	at, err := time.Parse(time.DateOnly, c.ActBy)
	return err == nil && !at.After(now.Add(p.LeadTime))
}
