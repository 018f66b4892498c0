package alerting

import "time"

// A verdict that sits on the line could change at every evaluation. Whatever the policy, what is confirmed is told at most once in dwell; and once it
// has changed more than mostChanges times in changesWithin it is told to be unstable, and nothing of it after that, until it has stood on CalmDays days.
const (
	dwell         = 24 * time.Hour
	mostChanges   = 3
	changesWithin = 14 * 24 * time.Hour
	CalmDays      = 7 // exported for the words of a message
)

// Swing is a verdict that changes too often to tell every change.
type Swing struct {
	Since  time.Time `json:"since,omitzero"`   // when that was told; zero: the verdict does not swing
	Other  string    `json:"other,omitempty"`  // the answer before the last change
	NoneIs bool      `json:"none_is,omitzero"` // it was told that no option may serve the workload
	MustIs bool      `json:"must_is,omitzero"` // it was told that the current option may not, and nothing else since; kept of a verdict that does not swing too
	Calm   streak    `json:"calm,omitzero"`    // days on which evaluations said what stands
}

// Unsettled tells of a verdict that swings, or did.
type Unsettled struct {
	Since   time.Time `json:"since"`             // the first of the changes; of a verdict that swings no more, when it was told to be unstable
	Changes int       `json:"changes,omitempty"` // since then; 0 of a verdict that swings no more
	Answers []string  `json:"answers,omitempty"` // between which it changed last, the newest last; empty is that no option may serve the workload
}

// swings reports whether s changes too often to tell every change.
func (s State) swings() bool { return !s.Swing.Since.IsZero() }

// dwells reports whether the last change is too recent for another.
func (s State) dwells(now time.Time) bool {
	last := s.Changed[mostChanges-1]
	return !last.IsZero() && now.Sub(last) < dwell-earliness
}

// changed returns s after a change at now, from the verdict of before and worth a message by itself, and what is to be told of it. When it is
// only that the current option is blocked once more, the answer does not swing, and is not told again when that was said last.
func (s State) changed(before State, reason Reason, now time.Time) (State, Reason) {
	often := !s.Changed[0].IsZero() && now.Sub(s.Changed[0]) <= changesWithin
	copy(s.Changed[:], s.Changed[1:])
	s.Changed[mostChanges-1] = now
	switch {
	case !s.swings() && before.Standing == s.Standing && often && s.Swing.MustIs:
		return s, Swung
	case !s.swings() && (!often || before.Standing == s.Standing):
		s.Swing.MustIs = s.Blocked
		return s, reason
	case !s.swings():
		s.Swing, reason = Swing{Since: now, NoneIs: before.Standing == none}, Unstable
	case (reason != NoOption || s.Swing.NoneIs) && (reason != Blocked || s.Swing.MustIs):
		reason = Swung
	}
	if s.Swing.Calm = (streak{}); before.Standing != s.Standing {
		s.Swing.Other = before.Standing
	}
	s.Swing.NoneIs = s.Swing.NoneIs || s.Standing == none
	s.Swing.MustIs = s.Swing.MustIs || s.Blocked && reason != Swung
	return s, reason
}

// agreed returns s after an evaluation at now that said by itself what stands, and what is to be told: of a verdict that has swung what it has become, once it
// has stood for long enough.
func (s State) agreed(now time.Time) (State, Reason) {
	daily := Policy{Confirmations: CalmDays, ConfirmEvery: 24 * time.Hour}
	if !s.swings() {
		return s, Unchanged
	}
	if s.Swing.Calm = s.Swing.Calm.next(true, now, daily); !s.Swing.Calm.holds(daily) {
		return s, Unchanged
	}
	s.Swing, s.Changed = Swing{MustIs: s.Blocked}, [mostChanges]time.Time{mostChanges - 1: now}
	return s, s.confirmed(s)
}

// unsettled returns what the message of a verdict that was before and is s by now is to tell of its changes; nil when it neither swings nor did.
func (s State) unsettled(before State) *Unsettled {
	switch {
	case s.Current != before.Current || s.swings() == before.swings():
		return nil
	case s.swings():
		return &Unsettled{Since: before.Changed[0], Changes: mostChanges + 1, Answers: s.answers()}
	}
	return &Unsettled{Since: before.Swing.Since}
}

// answers returns the two answers between which s changed last.
func (s State) answers() []string {
	two := []string{s.Swing.Other, s.Standing}
	for i := range two {
		if two[i] == none {
			two[i] = ""
		}
	}
	return two
}
