package alerting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// far is a Notifier with a clock, that is away until a time and keeps what it accepts.
type far struct {
	now      time.Time
	back     time.Time
	attempts []time.Time
	accepted []Event
	at       []time.Time
}

func (*far) Name() string { return "far" }

func (f *far) Send(_ context.Context, e Event) (Posted, error) {
	f.attempts = append(f.attempts, f.now)
	if f.now.Before(f.back) {
		return Posted{}, &SendError{Remedy: Retry, Err: errors.New("refused")}
	}
	f.accepted, f.at = append(f.accepted, e), append(f.at, f.now)
	return Posted{}, nil
}

// The messages of an outage: in each of its evaluations as many workloads of every channel confirm a move as are told one by one.
const (
	outageChannels    = 100
	outageEvaluations = 10
)

// outage queues ten thousand messages, each about a workload of its own.
func outage(tb testing.TB, d *Desk, verdict rune, now time.Time) {
	tb.Helper()
	n := 0
	for evaluation := range outageEvaluations {
		var judged []Judged
		for range outageChannels * stormSize {
			w := answers(verdict)
			w.Workload, w.Decision.ID = fmt.Sprintf("w%05d", n), fmt.Sprintf("%012x", n)
			channel := fmt.Sprintf("#c%02d", n%outageChannels)
			judged = append(judged, Judged{Report: w, Policy: Policy{Confirmations: 1}, Route: func(Reason, Severity) Route { return Route{Channel: channel} }, Receipt: receipt})
			n++
		}
		if _, err := d.Consider(judged, now.Add(time.Duration(evaluation)*time.Minute)); err != nil {
			tb.Fatal(err)
		}
	}
	if d.Pending() != n {
		tb.Fatalf("%d messages wait, want %d", d.Pending(), n)
	}
}

// drain delivers until nothing waits, as the daemon does, and stops at the time until.
func (f *far) drain(tb testing.TB, d *Desk, until time.Time) {
	tb.Helper()
	for f.now.Before(until) {
		next, err := d.Deliver(context.Background(), f.now)
		if err == nil && next.IsZero() {
			return
		}
		f.now = next
	}
}

// TestOutboxAfterAnOutage holds that ten thousand messages that wait when the other side comes back after two hours arrive all and each once, in
// their order in every channel, one a second; that what was overtaken meanwhile is merged and not replayed; and that the other side is asked no
// more than once a second while it is away. Half-way the process starts again.
func TestOutboxAfterAnOutage(t *testing.T) {
	t.Parallel()
	const total = outageChannels * stormSize * outageEvaluations
	store, f := &memory{}, &far{now: morning, back: morning.Add(2 * time.Hour)}
	d := newDesk(t, store, f)
	outage(t, d, 'X', morning.AddDate(0, 0, -1)) // what was told stands for a day
	f.drain(t, d, morning.Add(time.Hour))
	outage(t, d, 'Y', f.now) // every one of them is overtaken
	f.drain(t, d, f.back.Add(total/2*time.Second))
	d = newDesk(t, store, f)
	f.drain(t, d, f.back.Add(24*time.Hour))
	if len(f.accepted) != total || d.Pending() != 0 {
		t.Fatalf("%d messages arrived and %d wait, want all %d", len(f.accepted), d.Pending(), total)
	}
	seen, last := map[string]bool{}, map[string]string{}
	for i, e := range f.accepted {
		switch {
		case seen[e.Workload]:
			t.Fatalf("%s was told twice", e.Workload)
		case e.Report.Decision.Option != "Y" || len(e.Superseded) != 1 || e.Superseded[0].Option != "X":
			t.Fatalf("%s: got %s instead of %+v, want Y and that it was X", e.Workload, e.Report.Decision.Option, e.Superseded)
		case e.Workload <= last[e.Channel]:
			t.Fatalf("%s came after %s in %s", e.Workload, last[e.Channel], e.Channel)
		case i > 0 && f.at[i].Sub(f.at[i-1]) < pace:
			t.Fatalf("message %d came %s after the one before it, want a second", i, f.at[i].Sub(f.at[i-1]))
		}
		seen[e.Workload], last[e.Channel] = true, e.Workload
	}
	for i := range f.attempts[1:] {
		if f.attempts[i+1].Sub(f.attempts[i]) < pace {
			t.Fatalf("attempts at %s and %s, want a second between two", f.attempts[i], f.attempts[i+1])
		}
	}
	if took := f.at[len(f.at)-1].Sub(f.back); took > total*pace+longestBackoff {
		t.Errorf("took %s, want a second a message and no more than %s to notice that the other side is back", took, longestBackoff)
	}
}

// TestOldMessagesAreNotSent holds that what a data file from a backup still has to say is not said after a month, that the log says so, and that
// the rest arrives.
func TestOldMessagesAreNotSent(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	store, box := &memory{}, &mailbox{name: "box"}
	d, err := NewDesk(store, []Notifier{box}, slog.New(slog.NewTextHandler(&log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	consider(t, d, 0, "XXX") // the message is of the third morning
	second := answers('X')
	second.Workload = "search"
	for day := range 3 {
		if _, err := d.Consider([]Judged{{Report: second, Policy: policy, Receipt: receipt}}, morning.AddDate(0, 0, 10+day)); err != nil {
			t.Fatal(err)
		}
	}
	deliverAll(t, d, morning.AddDate(0, 0, 2+30).Add(time.Second), morning.AddDate(0, 0, 33))
	if len(box.accepted) != 1 || box.accepted[0].Workload != "search" || d.Pending() != 0 || len(store.rows[outboxBucket]) != 0 {
		t.Errorf("got %d messages, %d wait, want the newer one alone", len(box.accepted), d.Pending())
	}
	if !strings.Contains(log.String(), "it is too old") || !strings.Contains(log.String(), "reason=first_seen") {
		t.Errorf("the log does not say what was not sent: %s", log.String())
	}
	again := newDesk(t, store, box)
	unsent, err := again.Unsent(morning.AddDate(0, 0, 32))
	if err != nil || len(unsent) != 1 || unsent[0].Notifier != "box" || unsent[0].Reason != FirstSeen || !unsent[0].Time.Equal(morning.AddDate(0, 0, 2)) {
		t.Errorf("got %+v (%v), want the ledger to hold what was not sent", unsent, err)
	}
	if later, err := again.Unsent(morning.AddDate(0, 0, 34)); err != nil || len(later) != 0 {
		t.Errorf("got %+v (%v) that were dropped later, want none", later, err)
	}
	dropped := unsent[0].Dropped
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{keptUnsent, 1}, {keptUnsent + time.Second, 0}, {keptUnsent + time.Second, 0}} {
		err := again.ForgetUnsent(dropped.Add(tc.after))
		kept, scanned := again.Unsent(time.Time{})
		if err != nil || scanned != nil || len(kept) != tc.want {
			t.Errorf("after %s: got %d rows (%v, %v), want %d", tc.after, len(kept), err, scanned, tc.want)
		}
	}
}

// TestPanicOfANotifier holds that a message that makes its notifier panic neither ends the process nor is lost.
func TestPanicOfANotifier(t *testing.T) {
	t.Parallel()
	box := &mailbox{name: "box"}
	bad := true
	box.fail = func(int) error {
		if bad {
			panic("no such block")
		}
		return nil
	}
	d := newDesk(t, &memory{}, box)
	consider(t, d, 0, "XXX")
	deliverAll(t, d, morning.AddDate(0, 0, 2), morning.AddDate(0, 0, 2).Add(10*time.Minute))
	if parked := d.Parked()["box"]; !strings.Contains(parked, "panicked: a string") || box.attempts != 2 {
		t.Errorf("after %d attempts: got %q, want it to wait after one in plain text", box.attempts, parked)
	}
	bad = false
	deliverAll(t, d, morning.AddDate(0, 0, 3), morning.AddDate(0, 0, 4))
	if len(box.accepted) != 1 || !box.accepted[0].Plain {
		t.Errorf("got %d messages, want it in plain text once it can be sent", len(box.accepted))
	}
}

// BenchmarkDrain delivers ten thousand messages that wait; an operation is all of them.
func BenchmarkDrain(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		f := &far{now: morning}
		d, err := NewDesk(&memory{}, []Notifier{f}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			b.Fatal(err)
		}
		outage(b, d, 'X', morning)
		b.StartTimer()
		f.drain(b, d, morning.AddDate(1, 0, 0))
		if d.Pending() != 0 {
			b.Fatalf("%d messages wait", d.Pending())
		}
	}
}

// TestAttemptsAreSpread holds that what waits for the other side comes back at different times, after twice as long each time and no longer than is promised.
func TestAttemptsAreSpread(t *testing.T) {
	t.Parallel()
	for attempts := 1; attempts < 100; attempts++ {
		waits := map[time.Duration]int{}
		for n := range 300 {
			l := letter{Event: Event{ID: fmt.Sprintf("%016x", n)}, Attempts: attempts}
			wait := l.after(errors.New("refused"), morning).Due.Sub(morning)
			waits[wait]++
			if least := backoff(attempts); wait < least || wait > least*3/2 || wait > longestBackoff {
				t.Fatalf("attempt %d: got %s, want %s to half as long again, and at most %s", attempts, wait, least, longestBackoff)
			}
		}
		if attempts > 8 && len(waits) < 50 {
			t.Errorf("attempt %d: got %d different waits, want them spread", attempts, len(waits))
		}
	}
	asked := letter{Attempts: 20}.after(&SendError{Remedy: Retry, After: 7 * time.Second}, morning)
	if got := asked.Due.Sub(morning); got != 7*time.Second {
		t.Errorf("got %s, want as long as the other side asks", got)
	}
}
