package alerting

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// letter is one event on its way to one notifier.
type letter struct {
	Version  int       `json:"version"`
	Notifier string    `json:"notifier"`
	Number   uint64    `json:"number"` // letters of a notifier are sent in this order
	Event    Event     `json:"event"`
	Attempts int       `json:"attempts,omitempty"`
	Sending  bool      `json:"sending,omitempty"` // an attempt began whose end is not recorded
	Looks    int       `json:"looks,omitempty"`   // in a row that could not see whether an earlier attempt arrived
	Blind    int       `json:"blind,omitempty"`   // attempts all the same after such looks
	Due      time.Time `json:"due,omitzero"`      // not before
	Parked   string    `json:"parked,omitempty"`  // why a person must act before it can be sent; empty when nobody must
}

const letterVersion = 1

func (l letter) key() string { return fmt.Sprintf("%020d/%s", l.Number, l.Notifier) }

// destination is where a letter goes: letters to one keep their order.
type destination struct{ notifier, channel string }

func (l letter) destination() destination { return destination{l.Notifier, l.Event.Channel} }

// outbox holds the letters that are not acknowledged. A letter in it is never changed, but replaced.
type outbox struct {
	queues map[destination][]*letter // by their numbers; none is empty
	last   uint64                    // the highest number given
}

// clone returns a copy that can be changed without o.
func (o *outbox) clone() outbox {
	queues := make(map[destination][]*letter, len(o.queues))
	for at, queue := range o.queues {
		queues[at] = slices.Clone(queue)
	}
	return outbox{queues: queues, last: o.last}
}

func (o *outbox) read(key string, value []byte) error {
	var l letter
	if err := json.Unmarshal(value, &l); err != nil {
		return err
	}
	if l.Version != letterVersion || l.Event.Version != eventVersion || l.key() != key {
		return fmt.Errorf("outbox row %q: got version %d with an event of version %d, want %d and %d", key, l.Version, l.Event.Version, letterVersion, eventVersion)
	}
	o.set(l)
	o.last = max(o.last, l.Number)
	return nil
}

// find returns where in the queue of its destination l is, or would be.
func (o *outbox) find(l letter) (queue []*letter, i int, there bool) {
	queue = o.queues[l.destination()]
	i, there = slices.BinarySearchFunc(queue, l.Number, func(l *letter, n uint64) int { return cmp.Compare(l.Number, n) })
	return queue, i, there
}

// set puts l into the queue of its destination, or in the place of what it was.
func (o *outbox) set(l letter) {
	queue, i, there := o.find(l)
	if there {
		queue[i] = &l
		return
	}
	if o.queues == nil {
		o.queues = map[destination][]*letter{}
	}
	o.queues[l.destination()] = slices.Insert(queue, i, &l)
}

// remove takes l out of the queue of its destination.
func (o *outbox) remove(l letter) {
	queue, i, there := o.find(l)
	switch {
	case !there:
	case len(queue) == 1:
		delete(o.queues, l.destination())
	default:
		o.queues[l.destination()] = slices.Delete(queue, i, i+1)
	}
}

// all returns every letter, in no order.
func (o *outbox) all() iter.Seq[*letter] {
	return func(yield func(*letter) bool) {
		for _, queue := range o.queues {
			for _, l := range queue {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// replaces reports whether e takes the place of old, which is about the same workload and was not sent yet: both are verdicts on one workload, or near ones, or both drifts
// of it, or both digests. Every change of prices, every budget, every fault of the data, every beginning and end of a workload, every storm and every answer is told by itself.
func (e Event) replaces(old Event) bool {
	switch alone := []Reason{PricesMoved, OverBudget, DataFaulty, Summed, Answered}; {
	case slices.Contains(alone, e.Reason) || slices.Contains(alone, old.Reason) || e.Reason.standsAlone() || old.Reason.standsAlone():
		return false
	case e.Reason == Drifted || e.Reason == Digested || old.Reason == Drifted || old.Reason == Digested:
		return old.Reason == e.Reason
	}
	return true
}

// add queues e for notifier. What of waiting, which is about the same workload, is for it too, cannot have arrived and is replaced by e is merged into it.
func (o *outbox) add(notifier string, e Event, waiting []*letter, changes batch) {
	for _, old := range waiting {
		if old.Notifier != notifier || !e.replaces(old.Event) || old.Sending || old.Attempts > 0 && old.Event.Repeat {
			continue
		}
		o.remove(*old)
		changes.put(outboxBucket, old.key(), nil)
		switch e.Reason {
		case Drifted:
			e.Drifts = append(slices.Clone(old.Event.Drifts), e.Drifts...)
			continue
		case Digested:
			continue
		default:
		}
		e.Superseded = append(slices.Clone(old.Event.Superseded), Superseded{
			Reason: old.Event.Reason, Time: old.Event.Time, Option: old.Event.Report.Decision.Option,
		})
		e.Previous = old.Event.Previous
	}
	o.last++
	l := letter{Version: letterVersion, Notifier: notifier, Number: o.last, Event: e}
	o.set(l)
	changes.put(outboxBucket, l.key(), encode(l))
}

// Unsent is a message that was not delivered, since what it was about had become too old.
type Unsent struct {
	Notifier string    `json:"notifier"`
	Event    string    `json:"event"` // its id
	Reason   Reason    `json:"reason"`
	Workload string    `json:"workload,omitempty"`
	Time     time.Time `json:"time"`             // of the evaluation that it was about
	Waited   string    `json:"waited,omitempty"` // why it waited for a person; empty when it did not
	Dropped  time.Time `json:"dropped"`
}

// unsentPrefix is put before the notifier and the event of an Unsent in the ledger.
const unsentPrefix = "unsent/"

func (u Unsent) key() string { return unsentPrefix + u.Notifier + "/" + u.Event }

// waiting returns the letters by the workload that they are about, in the order in which they are sent.
func (o *outbox) waiting() map[string][]*letter {
	about := map[string][]*letter{}
	for l := range o.all() {
		about[l.Event.Workload] = append(about[l.Event.Workload], l)
	}
	for _, letters := range about {
		slices.SortFunc(letters, func(a, b *letter) int { return cmp.Compare(a.Number, b.Number) })
	}
	return about
}

// heads returns the first letter for notifier of every channel, in the order in which they are sent.
func (o *outbox) heads(notifier string) (first []*letter) {
	for at, queue := range o.queues {
		if at.notifier == notifier {
			first = append(first, queue[0])
		}
	}
	slices.SortFunc(first, func(a, b *letter) int { return cmp.Compare(a.Number, b.Number) })
	return first
}

// unpark makes every parked letter due: what a person had to change may have been changed.
func (o *outbox) unpark() {
	for l := range o.all() {
		if l.Parked != "" {
			due := *l
			due.Due = time.Time{}
			o.set(due)
		}
	}
}

// Pending returns how many messages are not acknowledged.
func (d *Desk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for range d.outbox.all() {
		n++
	}
	return n
}

// Unsent returns what the ledger holds of messages that were too old to be sent when their turn came since a time, the oldest first.
func (d *Desk) Unsent(since time.Time) (all []Unsent, err error) {
	err = d.store.Scan(ledgerBucket, unsentPrefix, func(key string, value []byte) error {
		var u Unsent
		if json.Unmarshal(value, &u) != nil {
			d.log.Error("row of a message that was not sent cannot be read", "key", key)
		} else if !u.Dropped.Before(since) {
			all = append(all, u)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b Unsent) int { return a.Time.Compare(b.Time) })
	return all, err
}

// keptUnsent is how long the ledger keeps that a message was not sent: as long as a receipt that nobody was told of.
const keptUnsent = 400 * 24 * time.Hour

// ForgetUnsent removes what the ledger holds of messages that were too old to be sent, when that was keptUnsent ago.
func (d *Desk) ForgetUnsent(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := batch{}
	err := d.store.Scan(ledgerBucket, unsentPrefix, func(key string, value []byte) error {
		var u Unsent
		if json.Unmarshal(value, &u) == nil && now.Sub(u.Dropped) > keptUnsent {
			changes.put(ledgerBucket, key, nil)
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return err
	}
	return d.store.Apply(changes)
}

// Parked returns, by notifier, why its messages wait for a person; a notifier that works is not in it.
func (d *Desk) Parked() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	reasons := map[string]string{}
	for l := range d.outbox.all() {
		if l.Parked != "" {
			reasons[l.Notifier] = strings.TrimSpace(l.Parked)
		}
	}
	return reasons
}
