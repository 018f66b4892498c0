package alerting

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
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

// outbox holds the letters that are not acknowledged, by key.
type outbox struct {
	letters map[string]letter
	last    uint64 // the highest number given
}

func (o *outbox) clone() outbox { return outbox{letters: maps.Clone(o.letters), last: o.last} }

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

func (o *outbox) set(l letter) {
	if o.letters == nil {
		o.letters = map[string]letter{}
	}
	o.letters[l.key()] = l
}

// replaces reports whether e takes the place of old, which was not sent yet: both are verdicts on one workload, or near ones, or both drifts
// of it, or both digests. Every change of prices, every budget, every fault of the data, every storm and every answer is told by itself.
func (e Event) replaces(old Event) bool {
	if old.Workload != e.Workload {
		return false
	}
	switch alone := []Reason{PricesMoved, OverBudget, DataFaulty, Summed, Answered}; {
	case slices.Contains(alone, e.Reason) || slices.Contains(alone, old.Reason):
		return false
	case e.Reason == Drifted || e.Reason == Digested || old.Reason == Drifted || old.Reason == Digested:
		return old.Reason == e.Reason
	}
	return true
}

// add queues e for notifier. What still waits there, was never tried and is replaced by it is merged into it.
func (o *outbox) add(notifier string, e Event, changes batch) {
	for _, old := range o.to(notifier) {
		if !e.replaces(old.Event) || old.Sending || old.Attempts > 0 && old.Event.Repeat {
			continue
		}
		delete(o.letters, old.key())
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

// to returns the letters for notifier in the order in which they are sent.
func (o *outbox) to(notifier string) []letter {
	var letters []letter
	for _, key := range slices.Sorted(maps.Keys(o.letters)) {
		if l := o.letters[key]; l.Notifier == notifier {
			letters = append(letters, l)
		}
	}
	return letters
}

// heads returns the first letter for notifier of every channel, in the order in which they are sent.
func (o *outbox) heads(notifier string) []letter {
	first := map[string]letter{}
	for _, l := range o.letters {
		if head, found := first[l.Event.Channel]; l.Notifier == notifier && (!found || l.Number < head.Number) {
			first[l.Event.Channel] = l
		}
	}
	return slices.SortedFunc(maps.Values(first), func(a, b letter) int { return cmp.Compare(a.Number, b.Number) })
}

// unpark makes every parked letter due: what a person had to change may have been changed.
func (o *outbox) unpark() {
	for key, l := range o.letters {
		if l.Parked != "" {
			l.Due = time.Time{}
			o.letters[key] = l
		}
	}
}

// Pending returns how many messages are not acknowledged.
func (d *Desk) Pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.outbox.letters)
}

// Parked returns, by notifier, why its messages wait for a person; a notifier that works is not in it.
func (d *Desk) Parked() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	reasons := map[string]string{}
	for _, l := range d.outbox.letters {
		if l.Parked != "" {
			reasons[l.Notifier] = strings.TrimSpace(l.Parked)
		}
	}
	return reasons
}
