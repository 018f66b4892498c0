package alerting

import (
	"time"

	"tipline/model"
)

// Snoozing is what a person said to an announced move of which nothing is to be said for a while.
type Snoozing struct {
	Decision  string    // that was answered
	Given     time.Time // when
	Option    string    // that it said to move to
	Migrating bool      // it is being made, and quiet for that
	Due       bool      // the day until which it is snoozed, or by which it was to be made, has come
	Waits     bool      // it ends when the move saves enough, or the workload uses enough
	Enough    bool      // and it does
}

// Snooze is a Snoozing as it is kept from one evaluation to the next.
type Snooze struct {
	Decision  string    `json:"decision,omitempty"`
	Given     time.Time `json:"given,omitzero"` // when the answer was
	Migrating bool      `json:"migrating,omitempty"`
	Stood     bool      `json:"stood,omitempty"` // the move has been confirmed; a person may answer one that is not yet
	Over      bool      `json:"over,omitempty"`  // for good: an answer snoozes once
	streak              // of evaluations that found enough
}

// Quiet reports whether nothing is to be said of the move, which is confirmed.
func (s Snooze) Quiet() bool { return s.Stood && !s.Over }

// next returns the snooze after an evaluation that left standing confirmed, and whether its end is to be told. It ends on its day, or when
// there was enough in as many evaluations in a row as a verdict takes, and not before an evaluation asks for the move; it is over
// without a word when the move stands no more, or another one was confirmed in its place. It is pure.
func (s Snooze) next(a *Snoozing, standing string, w model.WorkloadReport, now time.Time, p Policy) (Snooze, bool) {
	switch {
	case a == nil: // the workload is not where it was; what was said of leaving it is over should it come back
		s.Over = s.Decision != ""
		return s, false
	case s.Decision != a.Decision || !s.Given.Equal(a.Given): // another answer, maybe to the same decision
		s = Snooze{Decision: a.Decision, Given: a.Given, Migrating: a.Migrating}
	}
	d := w.Decision
	switch {
	case s.Over:
		return s, false
	case standing == a.Option:
		s.Stood = true
	case s.Stood || standing != "" && standing != w.Current: // also when no option may serve it any more
		s.Over = true
		return s, false
	}
	if d.Recommendation == model.Unknown {
		return s, false
	}
	if !s.Stood && a.Due {
		s.Over = true
		return s, false
	}
	asked := d.Recommendation == model.Move && d.Option == a.Option
	if a.Waits {
		s.streak = s.streak.next(asked && a.Enough, now, p)
	}
	s.Over = s.Stood && asked && (a.Due || s.holds(p))
	return s, s.Over
}
