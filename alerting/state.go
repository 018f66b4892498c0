// Package alerting decides when a verdict is worth a message, keeps what was announced, and delivers it at least once.
package alerting

import (
	"slices"
	"time"

	"tipline/model"
)

// Policy is when a change of verdict is believed (cost model, section 8).
type Policy struct {
	Enter         float64       // share by which another alternative must be cheaper than the announced one
	Leave         float64       // loss as a share of the current cost at which an announced move is withdrawn
	Confirmations int           // evaluations in a row that must agree; 1 or less believes the first
	ConfirmEvery  time.Duration // least time between two evaluations that count; 0 counts every one
	LeadTime      time.Duration // how long a migration takes
}

// counts reports whether an evaluation at now counts when the last one that did was at last.
func (p Policy) counts(last, now time.Time) bool {
	return last.IsZero() || now.Sub(last) >= p.ConfirmEvery-min(earliness, p.ConfirmEvery/10)
}

// streak counts the evaluations in a row that found something.
type streak struct {
	Count   int       `json:"count,omitempty"`
	Counted time.Time `json:"counted,omitzero"` // the last evaluation that counted, whatever it found
}

// next returns s after an evaluation at now that found it or did not. One too soon after the last that counted leaves s as it is, so that
// how often the schedule evaluates changes little.
func (s streak) next(found bool, now time.Time, p Policy) streak {
	switch {
	case !p.counts(s.Counted, now):
		return s
	case !found:
		return streak{Counted: now}
	}
	return streak{Count: s.Count + 1, Counted: now}
}

// holds reports whether as many evaluations in a row found it as a verdict takes.
func (s streak) holds(p Policy) bool { return s.Count >= max(1, p.Confirmations) }

// earliness is how much sooner than ConfirmEvery an evaluation may come and still count: a schedule's job starts within it.
const earliness = time.Minute

// Reason says what an evaluation did to a State.
type Reason string

// The reasons. Those that Notify are worth a message.
const (
	Unchanged    Reason = "unchanged"       // the verdict stands
	Waiting      Reason = "waiting"         // another verdict asks to be confirmed
	NoData       Reason = "no_data"         // the verdict is not known: nothing counts, nothing resets
	Settled      Reason = "settled"         // the first verdict is confirmed: to stay; nobody needs to be told
	Followed     Reason = "followed"        // the configuration says that the announced move was made
	Restarted    Reason = "restarted"       // the configuration names another current option: confirmation begins anew
	FirstSeen    Reason = "first_seen"      // the first verdict is confirmed: to move
	Switched     Reason = "switched"        // another verdict is confirmed
	Returned     Reason = "returned"        // an announced move is withdrawn: the current option is to be kept after all
	Blocked      Reason = "current_blocked" // the current option may not serve the workload any more, and another may
	Allowed      Reason = "current_allowed" // the current option may serve the workload again; what stands stays
	NoOption     Reason = "no_option"       // no option may serve the workload any more
	Unstable     Reason = "unstable"        // the confirmed verdict changes too often to tell every change
	Swung        Reason = "swung"           // a verdict has changed once more that changes too often to tell every change
	Approaching  Reason = "approaching"     // of a message alone: the projection crosses a threshold, and the date to act by is near
	Ends         Reason = "commitment_ends" // of a message alone: a commitment ends, another option is right from then on, and the date to act by is near
	Digested     Reason = "digest"          // of a message alone: a report summed up, by a schedule of its own
	PricesMoved  Reason = "prices_moved"    // of a message alone: prices have changed or will, for however many workloads
	OverBudget   Reason = "over_budget"     // of a message alone: the calendar month is projected to cost more than a budget
	Reminded     Reason = "reminded"        // of a message alone: an announced move was snoozed or being made, and the day of that has come
	Reopened     Reason = "reopened"        // of a message alone: a move that was made saves far less than was promised
	DataFaulty   Reason = "data_fault"      // of a message alone: what sources say is not what was used
	Summed       Reason = "summed_up"       // of a message alone: it stands for many of one evaluation
	Tested       Reason = "test"            // of a message alone: nothing has happened, somebody asks whether messages arrive
	Answered     Reason = "answered"        // of a message alone: a person said what becomes of an announced move
	WorkloadNew  Reason = "workload_new"    // of a message alone: a workload began
	WorkloadGone Reason = "workload_gone"   // of a message alone: a workload ended
	Drifted      Reason = "drifted"         // of a message alone: an input has moved, and with it the answer or the cost
)

// Kinds are the reasons that are worth a message.
var Kinds = []Reason{
	FirstSeen, Switched, Returned, Blocked, NoOption, Unstable, Approaching, Ends, Drifted, PricesMoved,
	OverBudget, Digested, Reminded, Reopened, Answered, DataFaulty, WorkloadNew, WorkloadGone,
	Summed, Tested,
}

// Notify reports whether r is worth a message.
func (r Reason) Notify() bool { return slices.Contains(Kinds, r) }

// standsAlone reports whether a message with the reason r belongs to no decision: whatever becomes of that, it is told by itself.
func (r Reason) standsAlone() bool { return r == WorkloadNew || r == WorkloadGone }

// none is the answer of a workload that no option may serve.
const none = "(no option)"

// State is what was confirmed for one workload and what has been waiting since when.
type State struct {
	Current   string    `json:"current"`             // the current option that the rest is about
	Standing  string    `json:"standing,omitempty"`  // the option confirmed to be on; empty before the first confirmation
	Blocked   bool      `json:"blocked,omitempty"`   // it is confirmed that Current may not serve the workload
	Turned    int       `json:"turned,omitempty"`    // evaluations in a row that found the opposite of Blocked
	Candidate string    `json:"candidate,omitempty"` // another option that asks to be confirmed
	Count     int       `json:"count,omitempty"`     // evaluations in a row that asked for Candidate
	Since     time.Time `json:"since,omitzero"`      // the first of them
	Counted   time.Time `json:"counted,omitzero"`    // the last evaluation that counted
	Confirmed time.Time `json:"confirmed,omitzero"`  // the evaluation that confirmed Standing
	Sequence  int64     `json:"sequence,omitempty"`  // messages so far
	Verdict   string    `json:"verdict,omitempty"`   // the last decision that the ledger holds, without its numbers

	Changed [mostChanges]time.Time `json:"changed,omitzero"` // the last times that Standing was told, or would have been if it did not swing; the newest last
	Swing   Swing                  `json:"swing,omitzero"`
}

// Next returns the state after an evaluation and what the evaluation did. It is pure.
//
// A verdict is the option to be on and whether the current one may serve the workload: when that is blocked it is confirmed and told although the same move stood
// before, and when it is blocked no more without a word, as long as the move stands.
//
// Evaluations closer together than p.ConfirmEvery do not count, so how often the schedule evaluates does not change
// when a verdict is confirmed. An unknown verdict neither counts nor resets, however long it lasts. What was told stands for a day at least.
func (s State) Next(w model.WorkloadReport, now time.Time, p Policy) (State, Reason) {
	if s.Current != w.Current {
		followed := s.Standing != "" && s.Standing == w.Current
		first := s.Current == ""
		s = State{Current: w.Current, Sequence: s.Sequence, Verdict: s.Verdict}
		if followed {
			s.Standing = w.Current
			return s, Followed
		}
		if !first {
			return s, Restarted
		}
	}
	asked, known := s.asks(w, p)
	if !known {
		return s, NoData
	}
	if !p.counts(s.Counted, now) {
		if s.Candidate != "" {
			return s, Waiting
		}
		return s, Unchanged
	}
	s.Counted = now
	blocked := mustLeave(w)
	if s.Turned++; blocked == s.Blocked {
		s.Turned = 0
	}
	switch {
	case asked == s.Standing:
		s.Candidate, s.Count, s.Since = "", 0, time.Time{}
	case asked != s.Candidate:
		s.Candidate, s.Count, s.Since = asked, 1, now
	default:
		s.Count++
	}
	enough := max(1, p.Confirmations)
	switch {
	case asked == s.Standing && s.Turned == 0:
		if own, _ := (State{}).asks(w, p); own != asked { // the margins alone keep what stands, and its message would say something else
			return s, Unchanged
		}
		after, reason := s.agreed(now)
		return after.numbered(reason), reason
	case !blocked && s.Turned >= enough && s.Count < enough && s.Standing != none:
		s.Blocked, s.Turned = false, 0
		return s, Allowed
	case s.Count < enough && (s.Turned < enough || !blocked), s.dwells(now): // a block counts whichever other option is best meanwhile
		return s, Waiting
	}
	before := s
	s.Standing, s.Blocked, s.Confirmed = asked, blocked, now
	s.Candidate, s.Count, s.Since, s.Turned = "", 0, time.Time{}, 0
	reason := s.confirmed(before)
	if reason.Notify() {
		s, reason = s.changed(before, reason, now)
	}
	return s.numbered(reason), reason
}

// numbered returns s with a message more if reason is worth one.
func (s State) numbered(reason Reason) State {
	if reason.Notify() {
		s.Sequence++
	}
	return s
}

// Declined returns s after a person has ruled out a move to option: the verdict to stay takes its place without a word, and
// whatever asked for it begins anew when it may be proposed again. That ends a swing too, unless something else stands that nobody was told of by itself.
func (s State) Declined(option string) State {
	swung := s.swings() && (s.Standing == option || s.Swing.Other == option)
	if s.Standing == option {
		s.Standing = s.Current
	}
	if swung && s.Standing == s.Current {
		s.Swing, s.Changed = Swing{}, [mostChanges]time.Time{}
	}
	if s.Candidate == option {
		s.Candidate, s.Count, s.Since = "", 0, time.Time{}
	}
	return s
}

// mustLeave reports whether what serves w may not serve it any more.
func mustLeave(w model.WorkloadReport) bool {
	why := w.Decision.Reason
	return why == model.ReasonCurrentInfeasible || why == model.ReasonNoFeasibleOption
}

// confirmed names what it means that the verdict of s took the place of that of before.
func (s State) confirmed(before State) Reason {
	switch {
	case s.Standing == none:
		return NoOption
	case s.Blocked && !before.Blocked:
		return Blocked
	case before.Standing == "" && s.Standing == s.Current:
		return Settled
	case before.Standing == "":
		return FirstSeen
	case s.Standing == s.Current:
		return Returned
	}
	return Switched
}

// asks returns the option that the evaluation asks to be on, and false when it does not know. Once a move to X is
// confirmed it stands until X loses p.Leave against the current option, or may not serve the workload, or another
// alternative is cheaper than X by p.Enter. One that had to be made, and need not be any more, stands only while X costs less.
func (s State) asks(w model.WorkloadReport, p Policy) (string, bool) {
	d := w.Decision
	if d.Recommendation == model.Unknown || d.Recommendation == "" {
		return none, d.Reason == model.ReasonNoFeasibleOption
	}
	if s.Standing == "" || s.Standing == none || s.Standing == w.Current || d.Option == s.Standing {
		return d.Option, true
	}
	standing, ok := median(w, s.Standing)
	if !ok {
		return d.Option, true
	}
	rival, ok := median(w, d.Option)
	if !ok {
		return s.Standing, true
	}
	if d.Option == w.Current {
		leave := p.Leave
		if s.Blocked {
			leave = 0
		}
		if float64(standing) >= float64(rival)*(1+leave) {
			return d.Option, true
		}
		return s.Standing, true
	}
	if float64(rival) <= float64(standing)*(1-p.Enter) {
		return d.Option, true
	}
	return s.Standing, true
}

// median returns what option would cost, and false when it has no cost or is blocked.
func median(w model.WorkloadReport, option string) (model.USD, bool) {
	for _, o := range w.Options {
		if o.Option == option {
			if o.USDPerMonth == nil || len(o.Blocked) > 0 && option != w.Current {
				return 0, false
			}
			return o.USDPerMonth.P50, true
		}
	}
	return 0, false
}
