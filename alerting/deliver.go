package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"tipline/model"
)

const (
	pace           = time.Second      // between two messages of one notifier
	sendTimeout    = 30 * time.Second // of one attempt
	firstBackoff   = time.Second      // doubled at every attempt
	longestBackoff = 5 * time.Minute
	longestAsked   = time.Hour // the longest wait that the other side may ask for
	recheck        = time.Hour // between two attempts of a message that waits for a person

	// oldest is the age of what a message is about above which it is not sent any more: a data file from a backup may hold such ones.
	oldest = 30 * 24 * time.Hour

	mostLooks = 12  // that may fail in a row before what may have arrived is sent again: some half an hour
	looksADay = 350 // that may fail in a row before it is sent once more
)

// Deliver sends the next message of every notifier that has one due, the notifiers at once, and returns when the next one
// will be due; the zero time means that nothing waits. Messages of one notifier to one channel keep their order; one that waits, for a person
// to put its channel right for example, does not hold back those to others. Every attempt is recorded
// before it begins. The error names what could not be sent or recorded; nothing is dropped but what is too old to be worth saying, see oldest.
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

// deliverTo sends the first letter of n that is due and returns when n is to be looked at again.
func (d *Desk) deliverTo(ctx context.Context, n Notifier, now time.Time) (time.Time, error) {
	l, next, err := d.begin(n, now)
	if err != nil {
		return next, fmt.Errorf("notifier %s: %w", n.Name(), err)
	}
	if l.Number == 0 {
		return next, nil
	}
	attempt, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	posted, failure := Send(attempt, n, l.Event)
	if failure == nil {
		if err := d.forget(l, posted); err != nil {
			return now.Add(backoff(l.Attempts)), fmt.Errorf("notifier %s: event %s was delivered and may be repeated: %w", n.Name(), l.Event.ID, err)
		}
		return d.next(n, now), nil
	}
	l = l.after(failure, now)
	if err := d.record(l); err != nil {
		failure = errors.Join(failure, err)
	}
	return d.next(n, now), fmt.Errorf("notifier %s: event %s: %w", n.Name(), l.Event.ID, failure)
}

// Send lets n deliver e. A panic is an error that holds a *model.Panic, and taken for a layout that cannot be shown, so that one message keeps
// neither the others nor the daemon from their work.
func Send(ctx context.Context, n Notifier, e Event) (at Posted, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &SendError{Remedy: Simplify, Err: model.Caught(p, debug.Stack())}
		}
	}()
	return n.Send(ctx, e)
}

// begin takes the first letter for n that is due, as an attempt of which the end is not known, and writes that down; an attempt that is not
// written down could be repeated without a mark, so it is not made. Without one it returns when there will be.
func (d *Desk) begin(n Notifier, now time.Time) (l letter, next time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.expire(n.Name(), now); err != nil {
		return l, now.Add(longestBackoff), err
	}
	for _, head := range d.outbox.heads(n.Name()) {
		if !head.Due.After(now) {
			l = *head
			break
		}
		if next.IsZero() || head.Due.Before(next) {
			next = head.Due
		}
	}
	if l.Number == 0 {
		return l, next, nil
	}
	var blind bool
	root, err := d.root(n.Name(), l.Event.Workload, l.Event.Case)
	if err == nil {
		l.Event.Repeat = l.Event.Repeat || l.Sending
		l.Sending, l.Attempts = true, l.Attempts+1
		if blind = l.Looks >= looksADay || l.Looks >= mostLooks && l.Blind == 0; blind {
			l.Blind++
		}
		err = d.store.Apply(batch{outboxBucket: {l.key(): encode(l)}})
	}
	if err != nil {
		return letter{}, now.Add(backoff(l.Attempts)), err
	}
	d.outbox.set(l)
	l.Event.Root, l.Event.Blind = root, blind
	return l, next, nil
}

// expire takes the letters for notifier that are about something too old off the outbox, and says so. The ledger keeps that they were not sent.
// The caller holds d.mu.
func (d *Desk) expire(notifier string, now time.Time) error {
	changes := batch{}
	var old []*letter
	for _, head := range d.outbox.heads(notifier) {
		for _, l := range d.outbox.queues[head.destination()] {
			if now.Sub(l.Event.Time) <= oldest {
				break // those behind it are newer
			}
			old = append(old, l)
			changes.put(outboxBucket, l.key(), nil)
			e := l.Event
			u := Unsent{Notifier: notifier, Event: e.ID, Reason: e.Reason, Workload: e.Workload, Time: e.Time, Waited: l.Parked, Dropped: now}
			changes.put(ledgerBucket, u.key(), encode(u))
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := d.store.Apply(changes); err != nil {
		return err
	}
	for _, l := range old {
		d.outbox.remove(*l)
		d.log.Error("message not sent: it is too old", "notifier", notifier, "event", l.Event.ID, "reason", string(l.Event.Reason), "workload", l.Event.Workload, "time", l.Event.Time)
	}
	return nil
}

// next returns when n is to be looked at after an attempt at now; the zero time when nothing waits.
func (d *Desk) next(n Notifier, now time.Time) (soonest time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, head := range d.outbox.heads(n.Name()) {
		due := head.Due
		if !due.After(now) {
			due = now.Add(pace)
		}
		if soonest.IsZero() || due.Before(soonest) {
			soonest = due
		}
	}
	return soonest
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

// root returns where notifier posted the message that a case of workload began with; nil when there is none.
func (d *Desk) root(notifier, workload, begun string) (*Posted, error) {
	if begun == "" {
		return nil, nil
	}
	row, err := d.store.Get(ledgerBucket, postedKey(notifier, workload))
	if row == nil || err != nil {
		return nil, err
	}
	var p Posted
	if err := json.Unmarshal(row, &p); err != nil {
		d.log.Error("row of a message cannot be read: the next one stands alone", "workload", workload, "error", err)
		return nil, nil
	}
	if p.Case != begun {
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
	// A message that a route sent elsewhere does not take the place of the one that the case began with.
	if elsewhere := l.Event.Root != nil && l.Event.Root.Wanted != at.Wanted; at != (Posted{}) && l.Event.Case != "" && !elsewhere {
		at.Case = l.Event.Case
		changes.put(ledgerBucket, postedKey(l.Notifier, l.Event.Workload), encode(at))
	}
	if err := d.store.Apply(changes); err != nil {
		return err
	}
	d.outbox.remove(l)
	return nil
}

// after returns l as it waits after a failed attempt.
func (l letter) after(failure error, now time.Time) letter {
	remedy, wait := Retry, l.spread(backoff(l.Attempts))
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

// backoff returns how long to wait after the given number of attempts, before it is spread.
func backoff(attempts int) time.Duration {
	const longest = longestBackoff * 2 / 3
	if attempts > 10 {
		return longest
	}
	return min(firstBackoff<<max(0, attempts-1), longest)
}

// Spread makes wait up to half as long again, by the share part of whole, so that many that lost the same other side do not come back to it at once.
func Spread(wait time.Duration, part, whole float64) time.Duration {
	return wait + time.Duration(float64(wait)/2*part/whole)
}

// spread makes wait longer by what l is about and how often it was tried.
func (l letter) spread(wait time.Duration) time.Duration {
	sum := fnv.New32a()
	fmt.Fprintf(sum, "%s %d", l.Event.ID, l.Attempts)
	return Spread(wait, float64(sum.Sum32()), math.MaxUint32).Truncate(time.Second) // the pace of messages
}
