package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	pace           = time.Second      // between two messages of one notifier
	sendTimeout    = 30 * time.Second // of one attempt
	firstBackoff   = time.Second      // doubled at every attempt
	longestBackoff = 5 * time.Minute
	longestAsked   = time.Hour // the longest wait that the other side may ask for
	recheck        = time.Hour // between two attempts of a message that waits for a person
	mostLooks      = 12        // that may fail in a row before what may have arrived is sent again: some half an hour
)

// Deliver sends the next message of every notifier that has one due, the notifiers at once, and returns when the next one
// will be due; the zero time means that nothing waits. Messages of one notifier keep their order. Every attempt is recorded
// before it begins. The error names what could not be sent or recorded; nothing is dropped.
func (d *Desk) Deliver(ctx context.Context, now time.Time) (time.Time, error) {
	d.delivering.Lock()
	defer d.delivering.Unlock()
	d.mu.Lock()
	notifiers := d.notifiers
	d.mu.Unlock()
	errs := make([]error, len(notifiers))
	next := make([]time.Time, len(notifiers))
	var tasks sync.WaitGroup
	for i, n := range notifiers {
		tasks.Go(func() { next[i], errs[i] = d.deliverTo(ctx, n, now) })
	}
	tasks.Wait()
	var soonest time.Time
	for _, t := range next {
		if !t.IsZero() && (soonest.IsZero() || t.Before(soonest)) {
			soonest = t
		}
	}
	return soonest, errors.Join(errs...)
}

// deliverTo sends the first letter of n if it is due and returns when n is to be looked at again.
func (d *Desk) deliverTo(ctx context.Context, n Notifier, now time.Time) (time.Time, error) {
	l, due := d.first(n.Name(), now)
	if !due {
		return l.Due, nil // zero when nothing waits
	}
	l.Event.Repeat = l.Event.Repeat || l.Sending
	l.Sending, l.Attempts = true, l.Attempts+1
	err := d.record(l)
	if err != nil {
		// An attempt that is not recorded could be repeated without a mark, so it is not made.
		return now.Add(backoff(l.Attempts)), fmt.Errorf("notifier %s: %w", n.Name(), err)
	}
	attempt, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	event := l.Event
	event.Blind = l.Looks >= mostLooks
	if event.Root, err = d.root(n, event); err != nil {
		return now.Add(backoff(l.Attempts)), fmt.Errorf("notifier %s: %w", n.Name(), err)
	}
	posted, failure := n.Send(attempt, event)
	if failure == nil {
		if err := d.forget(l, posted); err != nil {
			return now.Add(backoff(l.Attempts)), fmt.Errorf("notifier %s: event %s was delivered and may be repeated: %w", n.Name(), l.Event.ID, err)
		}
		if _, more := d.first(n.Name(), now); more {
			return now.Add(pace), nil
		}
		return time.Time{}, nil
	}
	l = l.after(failure, now)
	if err := d.record(l); err != nil {
		failure = errors.Join(failure, err)
	}
	return l.Due, fmt.Errorf("notifier %s: event %s: %w", n.Name(), l.Event.ID, failure)
}

// first returns the first letter for notifier and whether it is due; the zero letter when there is none.
func (d *Desk) first(notifier string, now time.Time) (letter, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var next letter
	for _, l := range d.outbox.letters {
		if l.Notifier == notifier && (next.Number == 0 || l.Number < next.Number) {
			next = l
		}
	}
	return next, next.Number != 0 && !next.Due.After(now)
}

// record writes l to disk, then to memory.
func (d *Desk) record(l letter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.store.Apply(batch{outboxBucket: {l.key(): encode(l)}}); err != nil {
		return err
	}
	d.outbox.set(l)
	return nil
}

// postedKey names the row of the ledger that says where notifier posted the message that the case of workload began with.
func postedKey(notifier, workload string) string { return "posted/" + notifier + "/" + workload }

// root returns where n posted the message that the case of e began with, in the channel where e is wanted; nil when there is none.
func (d *Desk) root(n Notifier, e Event) (*Posted, error) {
	if e.Case == "" {
		return nil, nil
	}
	row, err := d.store.Get(ledgerBucket, postedKey(n.Name(), e.Workload))
	if row == nil || err != nil {
		return nil, err
	}
	var p Posted
	if err := json.Unmarshal(row, &p); err != nil {
		d.log.Error("row of a message cannot be read: the next one stands alone", "workload", e.Workload, "error", err)
		return nil, nil
	}
	if p.Case != e.Case || p.Wanted != e.Channel {
		return nil, nil
	}
	return &p, nil
}

// forget takes a delivered letter off the disk and keeps where it was posted, if its case begins with it. When that fails the letter stays,
// and may be delivered once more.
func (d *Desk) forget(l letter, at Posted) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := batch{}
	changes.put(outboxBucket, l.key(), nil)
	if at != (Posted{}) && l.Event.Case != "" {
		at.Case, at.Wanted = l.Event.Case, l.Event.Channel
		changes.put(ledgerBucket, postedKey(l.Notifier, l.Event.Workload), encode(at))
	}
	if err := d.store.Apply(changes); err != nil {
		return err
	}
	delete(d.outbox.letters, l.key())
	return nil
}

// after returns l as it waits after a failed attempt.
func (l letter) after(failure error, now time.Time) letter {
	remedy, wait := Retry, backoff(l.Attempts)
	var refused *SendError
	if errors.As(failure, &refused) {
		remedy = refused.Remedy
		if refused.After > 0 {
			wait = min(refused.After, longestAsked)
		}
	}
	l.Sending = remedy == Reconcile // what may have arrived is marked as a repeat when it is sent again
	l.Parked = ""
	if remedy == Unseen {
		l.Looks++
	} else {
		l.Looks = 0
	}
	switch {
	case remedy == FixSettings, remedy == Simplify && l.Event.Plain:
		l.Parked, wait = failure.Error(), recheck
	case remedy == Simplify:
		l.Event.Plain, wait = true, 0
	}
	l.Due = now.Add(wait)
	return l
}

// backoff returns how long to wait after the given number of attempts.
func backoff(attempts int) time.Duration {
	if attempts > 10 {
		return longestBackoff
	}
	return min(firstBackoff<<max(0, attempts-1), longestBackoff)
}
