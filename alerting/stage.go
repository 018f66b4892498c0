package alerting

import (
	"time"

	"tipline/model"
)

// Answers says what people answered that a Desk does not keep. cmd/internal/ledger satisfies it.
type Answers interface {
	// Seen reports whether somebody has acknowledged since a time that workload should move from current to option.
	Seen(workload, current, option string, since time.Time) bool
	// Declined returns the newest answer in force at now that an option is not viable for workload, which is on current; empty without one.
	Declined(workload, current string, now time.Time) (option string, until time.Time)
}

// Cases returns where the case of each workload of report stands, in their order; nil where that is not known, since no evaluation of the workload moved a state
// that d has read, or a later one than report did. It changes nothing.
func (d *Desk) Cases(report *model.Report, answers Answers) []*model.Case {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := map[string]bool{} // workloads of whose verdict a message has not arrived yet
	for l := range d.outbox.all() {
		if r := l.Event.Reason; r == FirstSeen || r == Switched || r == Blocked || r == NoOption {
			waiting[l.Event.Workload] = true
		}
	}
	cases := make([]*model.Case, len(report.Workloads))
	for i, w := range report.Workloads {
		if r := d.states[w.Workload]; r != nil && !report.AsOf.Before(r.Seen) {
			cases[i] = new(r.stage(w, waiting[w.Workload], answers, report.AsOf))
		}
	}
	return cases
}

// stage returns where the case of r stands after an evaluation of w at now; waits when the message of its verdict has not arrived. It is pure.
func (r record) stage(w model.WorkloadReport, waits bool, answers Answers, now time.Time) model.Case {
	s := r.State
	if s.Current != w.Current || s.Standing == "" { // nothing is confirmed of where the workload is
		s = State{Current: w.Current, Standing: w.Current}
	}
	c := model.Case{Stage: model.StageWatching}
	if s.Standing != w.Current {
		c.Since = s.Confirmed
		if s.Standing != none {
			c.Option = s.Standing
		}
	}
	_, known := s.asks(w, Policy{})
	declined, until := answers.Declined(w.Workload, w.Current, now)
	made := r.Promise != nil && !r.Promise.Made.IsZero()
	switch {
	case !known && r.State.Standing != "":
		c.Stage = model.StageFrozen
	case s.Standing != w.Current && r.Snooze.Quiet() && r.Snooze.Migrating:
		c.Stage = model.StageMigrating
	case s.Standing != w.Current && r.Snooze.Quiet():
		c.Stage = model.StageSnoozed
	case s.swings():
		two := s.answers()
		c = model.Case{Stage: model.StageUnstable, Option: two[1], Other: two[0], Since: s.Swing.Since}
	case s.Standing != w.Current && answers.Seen(w.Workload, s.Current, s.Standing, s.Confirmed):
		c.Stage = model.StageAcknowledged
	case s.Standing != w.Current && waits:
		c.Stage = model.StageConfirmed
	case s.Standing != w.Current:
		c.Stage = model.StageAnnounced
	case r.Approach.ActBy != "":
		c.Stage, c.Option, c.ActBy = model.StageApproaching, r.Approach.Option, r.Approach.ActBy
	case r.Ending.Told && w.Decision.Commitment != nil && w.Decision.Commitment.Flips:
		c.Stage, c.Option, c.ActBy = model.StageApproaching, w.Decision.Commitment.OptionAfter, w.Decision.Commitment.ActBy
	case made && r.Promise.Told:
		c.Stage, c.Option, c.Since = model.StageReopened, r.Promise.From, r.Promise.Made
	case made:
		c.Stage, c.Option, c.Since = model.StageVerifying, r.Promise.From, r.Promise.Made
	case declined != "":
		c.Stage, c.Option, c.Until = model.StageDeclined, declined, until.Format(time.DateOnly)
	case r.Reason != "":
		c.Stage = model.StageResolved
	}
	return c
}
