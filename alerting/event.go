package alerting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"tipline/model"
)

// eventVersion is the version of the Event form written today.
const eventVersion = 1

// Event is something worth saying. It carries everything a renderer needs, so that a message can be written when it is sent.
type Event struct {
	Version    int                 `json:"version"`
	ID         string              `json:"id"` // the same in every attempt and after every restart
	Reason     Reason              `json:"reason"`
	Time       time.Time           `json:"time"` // of the evaluation that confirmed it
	Workload   string              `json:"workload"`
	Severity   Severity            `json:"severity,omitempty"` // empty in what an older version queued
	Owner      string              `json:"owner,omitempty"`    // of the workload, as the configuration names it
	Previous   string              `json:"previous,omitempty"` // the option that was confirmed before
	Superseded []Superseded        `json:"superseded,omitempty"`
	Drifts     []model.Drift       `json:"drifts,omitempty"`    // what a message with the reason drifted is about
	Prices     *model.PriceEvent   `json:"prices,omitempty"`    // what a message with the reason prices_moved is about; it is about no single workload
	Digest     *model.Digest       `json:"digest,omitempty"`    // what a message with the reason digest is; it is about no single workload
	Budget     *model.BudgetReport `json:"budget,omitempty"`    // what a message with the reason over_budget is about; it is about no single workload
	Outcome    *Outcome            `json:"outcome,omitempty"`   // of the move that a message with the reason reopened is about
	Unsettled  *Unsettled          `json:"unsettled,omitempty"` // the changes of a verdict with the reason unstable, or that was
	Faults     []model.DataFault   `json:"faults,omitempty"`    // what a message with the reason data_fault is about; it is about no single workload
	Answer     *Answer             `json:"answer,omitempty"`    // what a message with the reason answered tells
	Storm      *Storm              `json:"storm,omitempty"`     // what a message with the reason summed_up stands for; it is about no single workload
	Route
	Report   model.WorkloadReport `json:"report"`
	Plain    bool                 `json:"plain,omitempty"` // the notifier refused the layout: send text alone
	Repeat   bool                 `json:"repeat,omitempty"`
	Case     string               `json:"case,omitempty"` // id of the first message about the decision that e is about, its own if it is that; empty: e stands alone
	Headline string               `json:"-"`              // in place of the built-in one, of an answer in that of the message that it is about; empty: that
	Body     []string             `json:"-"`              // the sentences below it, in place of the built-in ones; nil: those
	Root     *Posted              `json:"-"`              // where the notifier posted the message that the case began with; nil when that is not known
	Grounds  any                  `json:"-"`              // what its numbers were worked out from, for its receipt; nil when the report has it
	Blind    bool                 `json:"-"`              // of a Repeat: the notifier has looked for it in vain for long enough, and is to send it unless it sees it now
}

// Route is where a message is wanted.
type Route struct {
	Channel string   `json:"channel,omitempty"` // of Slack; empty: the notifier's own
	Except  []string `json:"except,omitempty"`  // names of notifiers that it does not go to; nil: it goes to all
	Nowhere bool     `json:"nowhere,omitempty"` // it goes to no notifier: the log, the ledger, reports and digests have it
}

// Reaches reports whether what goes by r goes to notifier.
func (r Route) Reaches(notifier string) bool {
	return !r.Nowhere && !slices.Contains(r.Except, notifier)
}

// Answer is what a person said to the decision of an Event, which is to move.
type Answer struct {
	Text   string    `json:"text"`             // what becomes of the move: that it is acknowledged, for example
	Reason string    `json:"reason,omitempty"` // why
	By     string    `json:"by,omitempty"`     // who said it, when that is known
	Time   time.Time `json:"time"`
	Final  bool      `json:"final"` // nothing more is to be answered
	About  Reason    `json:"about"` // of the message that told the decision
}

// Receipt returns the id by which the receipt of e is found: that of the evaluation that it tells, or of a message about no single workload its own.
func (e Event) Receipt() string {
	if e.Workload == "" {
		return e.ID
	}
	return e.Report.Decision.ID
}

// Told returns e, or of an answer the message that it is about.
func (e Event) Told() Event {
	if e.Answer != nil {
		e.Reason, e.Answer = e.Answer.About, nil
	}
	return e
}

// Superseded is an event that was overtaken before it could be delivered.
type Superseded struct {
	Reason Reason    `json:"reason"`
	Time   time.Time `json:"time"`
	Option string    `json:"option"`
}

// eventID names the message number sequence on a workload.
func eventID(workload string, sequence int64, decision string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", workload, sequence, decision))
	return hex.EncodeToString(sum[:8])
}

// NewTest returns an event that says no more than that it arrives; an empty channel is the notifier's own.
func NewTest(channel string, now time.Time) Event {
	return Event{Version: eventVersion, ID: eventID(channel, now.UnixNano(), string(Tested)), Reason: Tested, Time: now, Route: Route{Channel: channel}}
}

// Posted is where a message is, for a notifier that can find it again; empty for one that cannot.
type Posted struct {
	Case    string `json:"case"`    // that it begins
	Wanted  string `json:"wanted"`  // the channel as it was asked for
	Channel string `json:"channel"` // its id
	Time    string `json:"time"`    // by which the other side names it

	Decision string `json:"decision,omitempty"` // that it shows, and that can be answered there
}

// Notifier delivers events to one place.
type Notifier interface {
	// Name is unique among the notifiers and stays the same across restarts.
	Name() string
	// Send delivers e and says where it is. A *SendError says what to do about a failure; any other error is retried.
	Send(ctx context.Context, e Event) (Posted, error)
}

// Remedy is what helps against a failed delivery.
type Remedy string

// The remedies.
const (
	Retry       Remedy = "retry"        // it did not arrive; try again later
	Reconcile   Remedy = "reconcile"    // it may have arrived; try again later, marked as a possible repeat
	Unseen      Remedy = "unseen"       // what was sent before could not be looked at, and nothing was sent; look again later
	FixSettings Remedy = "fix_settings" // a person must change something: a token, a channel, a permission
	Simplify    Remedy = "simplify"     // the layout was refused; plain text may pass
)

// SendError is a failed delivery.
type SendError struct {
	Remedy Remedy
	After  time.Duration // how long the other side asks to wait; 0 when it does not say
	Err    error         // without secrets
}

func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }
