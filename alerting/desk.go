package alerting

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"tipline/model"
)

// The buckets that a Desk writes.
const (
	stateBucket  = "state"
	outboxBucket = "outbox"
	ledgerBucket = "ledger"
)

// corrupt is put before the key of a row that could not be read, which keeps it for a person to look at.
const corrupt = "corrupt/"

// What is put before the id of a decision in the ledger, for the rows beside its receipt that a Desk writes.
const (
	Announced = "announced/" // an Announcement: a message was about the decision
	Confirmed = "confirmed/" // an Announcement without a message: the decision was confirmed, and nobody had to be told
)

// Announcement is what the ledger keeps of a message beside the receipt of the decision that it was about.
type Announcement struct {
	Event  string    `json:"event"`
	Reason Reason    `json:"reason"`
	Time   time.Time `json:"time"`

	Previous string        `json:"previous,omitempty"` // the option that was confirmed before
	Drifts   []model.Drift `json:"drifts,omitempty"`   // that it was about
	Outcome  *Outcome      `json:"outcome,omitempty"`  // of the move that it was about

	Unsettled *Unsettled `json:"unsettled,omitempty"` // the changes of a verdict that it was about
}

// forgetAfter is how long the state of a workload that is no longer evaluated is kept.
const forgetAfter = 90 * 24 * time.Hour

// Store keeps rows on disk. cmd/internal/store satisfies it.
type Store interface {
	Get(bucket, key string) ([]byte, error)                                    // nil, nil when absent
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error // ascending key order
	Apply(batch map[string]map[string][]byte) error                            // all or nothing, synced; a nil value deletes
}

// batch is what one Apply writes: bucket → key → value.
type batch map[string]map[string][]byte

func (b batch) put(bucket, key string, value []byte) {
	if b[bucket] == nil {
		b[bucket] = map[string][]byte{}
	}
	b[bucket][key] = value
}

// receiptsAtOnce is how many receipts are held in memory to be written with the states that they are of. When more workloads change at once, as in a
// first evaluation, the others are written before: a receipt of a decision that nothing speaks of harms nobody.
const receiptsAtOnce = 256

// A Desk holds the state of every workload and the outbox. Its methods may be called at the same time.
//
// A state and the message that its change causes are written in one transaction, with the receipt or after it, so that neither a decision
// without its message nor a message without its decision survives a crash. Messages are delivered at least once: when the
// process dies, or the connection breaks, between the acceptance of a message and its record here, that one message may
// be delivered once more per notifier, under the same event id, unless the notifier can see that it has arrived.
type Desk struct {
	store   Store
	log     *slog.Logger
	receipt func(Event) map[string][]byte

	mu        sync.Mutex
	notifiers []Notifier
	states    map[string]*record
	outbox    outbox

	delivering sync.Mutex // one delivery at a time
}

// record is a state as it is kept.
type record struct {
	Version int       `json:"version"`
	State   State     `json:"state"`
	Seen    time.Time `json:"seen"` // the last evaluation that was written
	Told    []Told    `json:"told,omitempty"`
	Flip    *Flip     `json:"flip,omitempty"`

	Approach Approach `json:"approach,omitzero"`
	Ending   Ending   `json:"ending,omitzero"`
	Snooze   Snooze   `json:"snooze,omitzero"`
	Case     string   `json:"case,omitempty"` // id of the first message about what stands or comes near; empty when nothing does
	Promise  *Promise `json:"promise,omitempty"`
	Reason   Reason   `json:"reason,omitempty"`   // of the message about what stands
	Severity Severity `json:"severity,omitempty"` // of that message
	Except   []string `json:"except,omitempty"`   // notifiers that it does not go to as the last evaluation had it
	Owner    string   `json:"owner,omitempty"`    // of the workload
	Blocks   bool     `json:"blocks,omitempty"`   // State.Blocked is kept, which early versions did not
	Presence presence `json:"presence,omitzero"`
	Said     string   `json:"said,omitempty"` // id of the decision that a message was about last, or that was confirmed without one
}

// Flip is the answer of a workload that the message of a change of prices has told already.
type Flip struct {
	Option string    `json:"option"`
	Event  string    `json:"event"` // id of that message
	Time   time.Time `json:"time"`

	Route // of that message
}

// flipHolds is for how long a confirmed verdict is not told again when a change of prices told it: as long as confirming it takes at most.
const flipHolds = 30 * 24 * time.Hour

// same reports whether r and o differ in nothing but when they were seen.
func (r record) same(o record) bool {
	r.Seen = o.Seen
	return reflect.DeepEqual(r, o)
}

// open reports whether there is something to decide, or will be soon.
func (r record) open() bool {
	stands := r.State.Standing != "" && r.State.Standing != r.State.Current
	return stands || r.Approach.ActBy != "" || r.Ending.Told || r.State.swings()
}

// about reports whether the message of the case of r is about a move to option, or was until a person declined that: the one about another
// move, or about what comes near, stays as it is when an older decision is answered.
func (r record) about(option string) bool {
	return r.State.Standing == option || r.State.Standing == r.State.Current && r.Approach == Approach{} && !r.Ending.Told
}

// standing returns the notifiers that what stands in r is not for, so that a route that has changed since it was told counts for what shows it.
func (r record) standing(j Judged) []string {
	if s := r.State; s.Standing == "" || s.Standing == s.Current || r.Reason == "" { // confirmed by a version that did not keep the reason
		return nil
	}
	return j.route(r.Reason).Except
}

// toldMust reports whether the message about what stands in r, which an early version has sent, said that the current option may not stay.
func (r record) toldMust(j Judged) bool {
	s := r.State
	moves := s.Standing != "" && s.Standing != s.Current && (r.Reason == FirstSeen || r.Reason == Switched)
	return s.Standing == none || moves && r.Severity == Blocked.Of(j.Report, j.Critical)
}

const recordVersion = 1

// NewDesk reads the states and the outbox that s holds. A row that cannot be read is put aside and logged. Of every message the ledger is to hold what
// receipt returns, in one transaction with it; nil means nothing.
func NewDesk(s Store, notifiers []Notifier, log *slog.Logger, receipt func(Event) map[string][]byte) (*Desk, error) {
	d := &Desk{store: s, log: log, receipt: receipt, notifiers: notifiers, states: map[string]*record{}}
	aside := batch{}
	keep := func(bucket string, read func(key string, value []byte) error) error {
		return s.Scan(bucket, "", func(key string, value []byte) error {
			if strings.HasPrefix(key, corrupt) {
				return nil
			}
			if err := read(key, value); err != nil {
				log.Error("row put aside", "bucket", bucket, "key", key, "error", err)
				aside.put(bucket, corrupt+key, value)
				aside.put(bucket, key, nil)
			}
			return nil
		})
	}
	if err := keep(stateBucket, d.readState); err != nil {
		return nil, err
	}
	if err := keep(outboxBucket, d.outbox.read); err != nil {
		return nil, err
	}
	if len(aside) > 0 {
		return d, s.Apply(aside)
	}
	return d, nil
}

func (d *Desk) readState(key string, value []byte) error {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	if r.Version != recordVersion {
		return fmt.Errorf("version: got %d, want %d", r.Version, recordVersion)
	}
	d.states[key] = &r
	return nil
}

// Reconfigure puts other notifiers in force. What waits for a notifier that is gone waits for its return.
func (d *Desk) Reconfigure(notifiers []Notifier) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notifiers = notifiers
	d.outbox.unpark()
}

// Judged is a workload's evaluation as a Desk takes it.
type Judged struct {
	Report model.WorkloadReport
	Policy Policy
	Snooze *Snoozing // what a person said to its announced move; nil means nothing

	Sighting Sighting // of the workload

	Critical bool   // its messages are more severe by one step
	Owner    string // who is to know; empty when nobody is named

	Route   func(Reason, Severity) Route // of messages about the workload; nil means that of a zero Route for all of them
	Receipt func() []byte                // what the ledger is to hold under the id of the decision when the evaluation changed something; nil means nothing
}

func (j Judged) receipt() []byte {
	if j.Receipt == nil {
		return nil
	}
	return j.Receipt()
}

func (j Judged) route(r Reason) Route {
	if j.Route == nil {
		return Route{}
	}
	return j.Route(r, j.severity(r))
}

func (j Judged) severity(r Reason) Severity { return r.Of(j.Report, j.Critical) }

// Considered is what an evaluation did to the state of a workload.
type Considered struct {
	Workload string
	Reason   Reason
	Event    *Event // nil when nothing is worth saying
}

// Consider moves the state of every workload and queues what is worth saying, in one transaction. When that fails nothing
// has moved: the next evaluation starts where this one did.
func (d *Desk) Consider(judged []Judged, now time.Time) ([]Considered, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes, receipts := batch{}, map[string][]byte{}
	states := map[string]*record{}
	var events []Event
	considered := make([]Considered, 0, len(judged))
	evaluated := map[string]bool{} // although nothing may move
	for _, j := range judged {
		workload := j.Report.Workload
		evaluated[workload] = true
		before := record{Version: recordVersion}
		if r := d.states[workload]; r != nil {
			before = *r
		}
		after, c := before.next(j, now, changes, receipts)
		if len(receipts) == receiptsAtOnce {
			if err := d.store.Apply(batch{ledgerBucket: receipts}); err != nil {
				return nil, err
			}
			receipts = map[string][]byte{}
		}
		if c.Event != nil {
			events = append(events, *c.Event)
		}
		if !after.same(before) {
			changes.put(stateBucket, workload, encode(after))
			states[workload] = &after
		}
		considered = append(considered, c)
	}
	for id, receipt := range receipts {
		changes.put(ledgerBucket, id, receipt)
	}
	for workload, r := range d.states {
		if states[workload] == nil && !evaluated[workload] && now.Sub(r.Seen) > forgetAfter {
			changes.put(stateBucket, workload, nil)
			for _, n := range d.notifiers {
				changes.put(ledgerBucket, postedKey(n.Name(), workload), nil)
			}
			states[workload] = nil
		}
	}
	for _, e := range events { // also of those that are summed up: the ledger names them
		d.account(e, changes)
	}
	if err := d.commit(changes, calm(events, now)...); err != nil {
		return nil, err
	}
	for workload, r := range states {
		if r == nil {
			delete(d.states, workload)
			continue
		}
		d.states[workload] = r
	}
	return considered, nil
}

// commit writes changes and queues events for every notifier that they reach, with their receipts, in one transaction. When that fails nothing has moved. The
// caller holds d.mu.
func (d *Desk) commit(changes batch, events ...Event) error {
	queue := d.outbox
	if len(events) > 0 {
		queue = d.outbox.clone()
		waiting := queue.waiting()
		for _, e := range events {
			d.account(e, changes)
			e.Grounds = nil // its receipt has them; a message may wait for weeks
			for _, n := range d.notifiers {
				if !e.Reaches(n.Name()) {
					continue
				}
				queue.add(n.Name(), e, waiting[e.Workload], changes)
			}
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := d.store.Apply(changes); err != nil {
		return err
	}
	d.outbox = queue
	return nil
}

// account puts the receipt of e into changes.
func (d *Desk) account(e Event, changes batch) {
	if d.receipt == nil {
		return
	}
	for id, row := range d.receipt(e) {
		changes.put(ledgerBucket, id, row)
	}
}

// next returns the record after an evaluation, and what the evaluation did; what the ledger is to hold of it is put into changes, and its receipt
// into receipts. At most one message comes of it: that of the verdict, or else of what is most pressing beside it.
func (r record) next(j Judged, now time.Time, changes batch, receipts map[string][]byte) (record, Considered) {
	w := j.Report
	if !r.Blocks {
		r.State.Blocked = r.toldMust(j)
	}
	after := r
	after.Version, after.Seen, after.Owner, after.Blocks = recordVersion, now, j.Owner, true
	c := Considered{Workload: w.Workload}
	after.State, c.Reason = r.State.Next(w, now, j.Policy)
	verdict := w.Decision.Recommendation + " " + w.Decision.Option + " " + w.Decision.Reason
	if c.Reason != Unchanged && c.Reason != NoData && c.Reason != Waiting || verdict != r.State.Verdict {
		after.State.Verdict = verdict
		receipts[w.Decision.ID] = j.receipt()
	}
	var over bool
	after.Snooze, over = r.Snooze.next(j.Snooze, after.State.Standing, w, now, j.Policy)
	must := c.Reason == Blocked && after.State.Standing == r.State.Standing // which nobody knew who said to be quiet about the move
	if must && after.Snooze.Quiet() && !after.Snooze.Migrating {
		after.Snooze.Over, over = true, false
	}
	answered := after.Snooze.Quiet() && !must // before it was confirmed, or while it swung
	switch {
	case c.Reason.Notify():
		after.Reason, after.Severity = c.Reason, j.severity(c.Reason)
	case c.Reason == Allowed, c.Reason == Swung && !after.State.swings(): // what shows the move shows what it is by now
		after.Reason = Switched
		if after.State.Blocked {
			after.Reason = Blocked
		}
		after.Severity = j.severity(after.Reason)
	}
	after.Except = after.standing(j)
	swings := after.State.swings() || r.State.swings() // of which no message of a change of prices tells
	told := !swings && c.Reason != Blocked && r.Flip != nil && r.Flip.Option == after.State.Standing && now.Sub(r.Flip.Time) <= flipHolds && reflect.DeepEqual(r.Flip.Route, j.route(c.Reason))
	switch {
	case c.Reason.Notify() && told:
		changes.put(ledgerBucket, Announced+w.Decision.ID, encode(Announcement{Event: r.Flip.Event, Reason: PricesMoved, Time: now}))
		after.Flip = nil
	case c.Reason.Notify() && !answered:
		c.Event = &Event{
			Version: eventVersion, ID: eventID(w.Workload, after.State.Sequence, w.Decision.ID), Reason: c.Reason, Time: now,
			Workload: w.Workload, Severity: after.Severity, Owner: j.Owner, Previous: r.State.Standing, Route: j.route(c.Reason), Report: w,
			Unsettled: after.State.unsettled(r.State),
		}
	}
	var broken *Outcome
	if after.Promise, broken = r.Promise.next(w, c.Reason, after.State.Standing, now, j.Policy); broken != nil && c.Event == nil {
		c.Event = newEvent(Reopened, &after, j, now)
		c.Event.Outcome = broken
	}
	switch {
	case c.Reason == NoData: // what is not known moves nothing
	case after.State.Standing != w.Current || after.State.swings() || r.State.Current != w.Current: // what came near is past, or was of another option
		after.Approach, after.Ending = Approach{}, Ending{}
	default:
		var near bool
		if after.Approach, near = r.Approach.next(w, now, j.Policy); near && c.Event == nil {
			c.Event = newEvent(Approaching, &after, j, now)
		}
		var ending bool
		if after.Ending, ending = r.Ending.next(w, now, j.Policy); ending && c.Event == nil {
			c.Event, after.Ending.Told = newEvent(Ends, &after, j, now), true
		}
	}
	if over && c.Event == nil {
		c.Event = newEvent(Reminded, &after, j, now)
	}
	if c.Reason != NoData && after.State.Standing != "" && !after.Snooze.Quiet() {
		var news []model.Drift
		if news, after.Told = tell(r.Told, w, now); len(news) > 0 && c.Event == nil { // a verdict's message says them too
			c.Event = newEvent(Drifted, &after, j, now)
			c.Event.Drifts = news
		}
	}
	if sighted, news := r.Presence.next(j.Sighting, w); news == "" {
		after.Presence = sighted
	} else if c.Event == nil && w.Decision.ID != "" { // otherwise the next evaluation tells it
		c.Event, after.Presence = newEvent(news, &after, j, now), sighted
		after.Presence.News = &model.Presence{Event: c.Event.ID, Kind: string(news), Since: since(news, w), Found: now}
	}
	if c.Reason == Settled || c.Reason == Followed {
		after.Said = w.Decision.ID
		changes.put(ledgerBucket, Confirmed+w.Decision.ID, encode(Announcement{Reason: c.Reason, Time: now}))
	}
	if c.Event != nil {
		if !c.Event.Reason.standsAlone() {
			after.Said = w.Decision.ID
			if after.Case == "" && after.open() {
				after.Case = c.Event.ID
			}
			c.Event.Case = after.Case
		}
		if receipts[w.Decision.ID] == nil {
			receipts[w.Decision.ID] = j.receipt()
		}
		changes.put(ledgerBucket, Announced+w.Decision.ID, encode(Announcement{
			Event: c.Event.ID, Reason: c.Event.Reason, Time: now, Previous: c.Event.Previous, Drifts: c.Event.Drifts, Outcome: c.Event.Outcome, Unsettled: c.Event.Unsettled,
		}))
	}
	if !after.open() {
		after.Case = ""
	}
	return after, c
}

// newEvent returns a message about the workload of j that is no verdict, numbered after those before it.
func newEvent(reason Reason, after *record, j Judged, now time.Time) *Event {
	after.State.Sequence++
	return &Event{
		Version: eventVersion, ID: eventID(j.Report.Workload, after.State.Sequence, j.Report.Decision.ID), Reason: reason, Time: now,
		Workload: j.Report.Workload, Severity: j.severity(reason), Owner: j.Owner, Route: j.route(reason), Report: j.Report,
	}
}

// Said returns the id of the decision about workload that a message was about last, or that was confirmed without one; empty when there is
// none.
func (d *Desk) Said(workload string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.states[workload]; r != nil {
		return r.Said
	}
	return ""
}

// Firing is a confirmed verdict that asks for a change, as long as it stands.
type Firing struct {
	Workload  string
	Current   string
	Option    string    // empty when no option may serve the workload
	Must      bool      // Current may not serve it
	Since     time.Time // the evaluation that confirmed it
	Severity  Severity  // of the message about it
	Owner     string    // of the workload; empty when nobody is named
	Snoozed   bool      // a person said to be quiet about it for a while
	Migrating bool      // it is Snoozed because the move is being made
	Except    []string  // names of notifiers that are not to show it
	Decision  string    // id of the decision about the workload that was told last, whose receipt the ledger keeps; empty when an early version told it
}

// Firing returns the confirmed verdicts that ask for a change and do not swing, sorted by workload.
func (d *Desk) Firing() []Firing {
	d.mu.Lock()
	defer d.mu.Unlock()
	var firing []Firing
	for _, workload := range slices.Sorted(maps.Keys(d.states)) {
		r := d.states[workload]
		s := r.State
		if s.Standing == "" || s.Standing == s.Current || s.swings() {
			continue
		}
		f := Firing{Workload: workload, Current: s.Current, Option: s.Standing, Must: s.Blocked, Since: s.Confirmed, Severity: r.Severity, Owner: r.Owner, Snoozed: r.Snooze.Quiet(), Except: r.Except, Decision: r.Said}
		f.Migrating = f.Snoozed && r.Snooze.Migrating
		if f.Option == none {
			f.Option = ""
		}
		if f.Severity == "" { // confirmed by a version that did not keep it
			f.Severity = map[bool]Severity{false: Info, true: Warning}[f.Option == ""]
		}
		firing = append(firing, f)
	}
	return firing
}

// Spent reports whether the snooze or the migration that a person answered to decision, about workload and at given, is over.
func (d *Desk) Spent(workload, decision string, given time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.states[workload]
	return r != nil && r.Snooze.Over && r.Snooze.Decision == decision && r.Snooze.Given.Equal(given)
}

// Answer keeps what a person said to a decision about workload as rows of the ledger, in one transaction with what it does to
// the state of the workload: a move to declined is ruled out, see State.Declined. An empty declined changes no state. While a case is open
// and no other move stands, tell is sent to where it was told.
func (d *Desk) Answer(workload, declined string, rows map[string][]byte, tell Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := batch{ledgerBucket: rows}
	r := d.states[workload]
	if r == nil {
		return d.commit(changes)
	}
	after := *r
	if declined != "" {
		after.State = r.State.Declined(declined)
	}
	var events []Event
	if r.Case != "" && r.about(tell.Report.Decision.Option) {
		after.State.Sequence++
		tell.Version, tell.ID, tell.Case = eventVersion, eventID(workload, after.State.Sequence, tell.Report.Decision.ID), r.Case
		var except []string
		for _, notifier := range tell.Except { // one may show the message all the same: the route came later, or is that of another message of the case
			at, err := d.root(notifier, workload, r.Case)
			if err != nil {
				return err
			}
			if at == nil {
				except = append(except, notifier)
			}
		}
		tell.Except = except
		events = append(events, tell)
	}
	if after.State != r.State {
		changes.put(stateBucket, workload, encode(after))
	}
	if err := d.commit(changes, events...); err != nil {
		return err
	}
	d.states[workload] = &after
	return nil
}

// Posted returns where notifier posted the message about the move of workload to option, and false when it did not, or another one stands by
// now, of which the message is going to tell.
func (d *Desk) Posted(notifier, workload, option string) (Posted, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.states[workload]
	if r == nil || !r.about(option) {
		return Posted{}, false, nil
	}
	p, err := d.root(notifier, workload, r.Case)
	if p == nil || err != nil {
		return Posted{}, false, err
	}
	return *p, true, nil
}

// encode writes v, which holds nothing that JSON cannot.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("alerting: %v", err))
	}
	return data
}
