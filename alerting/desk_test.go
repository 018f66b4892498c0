package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/model"
)

// memory is a Store in memory whose Apply can be told to fail: before it persists, or after.
type memory struct {
	mu         sync.Mutex
	rows       map[string]map[string][]byte
	applied    int
	failBefore func(n int) bool
	failAfter  func(n int) bool
}

func (m *memory) Get(bucket, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[bucket][key], nil
}

func (m *memory) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	m.mu.Lock()
	rows := maps.Clone(m.rows[bucket])
	m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if strings.HasPrefix(key, prefix) {
			if err := fn(key, rows[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

var errDisk = errors.New("no space left on device")

func (m *memory) Apply(batch map[string]map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied++
	if m.failBefore != nil && m.failBefore(m.applied) {
		return errDisk
	}
	if m.rows == nil {
		m.rows = map[string]map[string][]byte{}
	}
	for bucket, rows := range batch {
		if m.rows[bucket] == nil {
			m.rows[bucket] = map[string][]byte{}
		}
		for key, value := range rows {
			if value == nil {
				delete(m.rows[bucket], key)
				continue
			}
			m.rows[bucket][key] = value
		}
	}
	if m.failAfter != nil && m.failAfter(m.applied) {
		return errDisk
	}
	return nil
}

// mailbox is a Notifier that keeps what it accepted and fails as told.
type mailbox struct {
	name     string
	accepted []Event
	fail     func(attempt int) error
	attempts int
}

func (m *mailbox) Name() string { return m.name }

func (m *mailbox) Send(_ context.Context, e Event) (Posted, error) {
	m.attempts++
	if m.fail != nil {
		if err := m.fail(m.attempts); err != nil {
			return Posted{}, err
		}
	}
	m.accepted = append(m.accepted, e)
	wanted := "#llm-cost"
	if e.Channel != "" {
		wanted = e.Channel
	}
	if e.Root != nil && e.Root.Wanted == wanted {
		return *e.Root, nil
	}
	return Posted{Wanted: wanted, Channel: "C1", Time: "at " + e.ID}, nil
}

// TestMessageAndReceiptAreOneTransaction holds that what the ledger is to hold of a message is written with it and not without it, also of those that are summed up.
func TestMessageAndReceiptAreOneTransaction(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, stormSize + 1} {
		s, box := &memory{}, &mailbox{name: "box"}
		var told []string
		d, err := NewDesk(s, []Notifier{box}, slog.New(slog.DiscardHandler), func(e Event) map[string][]byte {
			told = append(told, e.ID)
			return map[string][]byte{e.ID: []byte(e.Reason)}
		})
		if err != nil {
			t.Fatal(err)
		}
		var judged []Judged
		for i := range n {
			w := evaluation("X", 1000, 500)
			w.Workload = fmt.Sprintf("w%d", i)
			judged = append(judged, Judged{Report: w, Policy: Policy{Confirmations: 1}})
		}
		s.failBefore = func(int) bool { return true }
		if _, err := d.Consider(judged, morning); err == nil || d.Pending() != 0 {
			t.Fatalf("%d messages: got %v with %d queued, want nothing while the disk is full", n, err, d.Pending())
		}
		s.failBefore, told = nil, nil
		if _, err := d.Consider(judged, morning); err != nil || d.Pending() != 1 {
			t.Fatalf("%d messages: got %v with %d queued, want one", n, err, d.Pending())
		}
		slices.Sort(told)
		for _, id := range slices.Compact(told) {
			if row, err := s.Get(ledgerBucket, id); err != nil || row == nil {
				t.Errorf("%d messages: no receipt of %s, %v", n, id, err)
			}
		}
		for l := range d.outbox.all() {
			if !slices.Contains(told, l.Event.ID) {
				t.Errorf("%d messages: %s is queued without a receipt", n, l.Event.ID)
			}
		}
	}
}

// TestGroundsAreInTheReceipt holds that what the numbers of a message were worked out from is known when its receipt is written, and not kept while it waits.
func TestGroundsAreInTheReceipt(t *testing.T) {
	t.Parallel()
	var accounted any
	d, err := NewDesk(&memory{}, []Notifier{&mailbox{name: "box"}}, slog.New(slog.DiscardHandler), func(e Event) map[string][]byte {
		accounted = e.Grounds
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Digest(model.Digest{}, "costs", Route{}, morning); err != nil || accounted != "costs" || d.Pending() != 1 {
		t.Fatalf("got %v, grounds %v and %d messages that wait, want those of the digest", err, accounted, d.Pending())
	}
	for l := range d.outbox.all() {
		if l.Event.Grounds != nil {
			t.Errorf("got %v in the outbox, want nothing", l.Event.Grounds)
		}
	}
}

func newDesk(t *testing.T, s Store, to ...Notifier) *Desk {
	t.Helper()
	d, err := NewDesk(s, to, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// consider evaluates one day after another, given by a timeline.
func consider(t *testing.T, d *Desk, from int, timeline string) []Reason {
	t.Helper()
	var reasons []Reason
	for i, c := range timeline {
		considered, err := d.Consider([]Judged{{Report: answers(c), Policy: policy, Receipt: receipt}}, morning.AddDate(0, 0, from+i))
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, considered[0].Reason)
	}
	return reasons
}

// receipt is of any decision.
func receipt() []byte { return []byte("{}") }

// deliverAll delivers until nothing is due before the given time.
func deliverAll(t *testing.T, d *Desk, from, until time.Time) {
	t.Helper()
	for at := from; !at.After(until); {
		next, err := d.Deliver(t.Context(), at)
		if err != nil {
			t.Log(err)
		}
		if next.IsZero() {
			return
		}
		if !next.After(at) {
			next = at.Add(time.Second)
		}
		at = next
	}
}

func TestAnnouncedOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	for i, c := range "SSSXXXXXXX" {
		d := newDesk(t, store, box) // a restart before every evaluation
		consider(t, d, i, string(c))
		deliverAll(t, d, morning.AddDate(0, 0, i), morning.AddDate(0, 0, i).Add(time.Hour))
	}
	if len(box.accepted) != 1 || box.accepted[0].Reason != Switched || box.accepted[0].Repeat {
		t.Fatalf("got %d messages (%+v), want one that the verdict switched", len(box.accepted), box.accepted)
	}
	if len(store.rows["ledger"]) == 0 || store.rows["ledger"]["0123456789ab"] == nil {
		t.Errorf("the ledger holds %d receipts, want that of the decision", len(store.rows["ledger"]))
	}
	if len(store.rows["outbox"]) != 0 {
		t.Errorf("the outbox still holds %d letters", len(store.rows["outbox"]))
	}
}

// TestFailedWrites fails every write in turn, once before it persists and once after, and restarts.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	for _, persisted := range []bool{false, true} {
		for n := 1; n <= 12; n++ {
			t.Run(fmt.Sprintf("write %d, persisted %v", n, persisted), func(t *testing.T) {
				t.Parallel()
				store, box := &memory{}, &mailbox{name: "box"}
				fail := func(k int) bool { return k == n }
				if persisted {
					store.failAfter = fail
				} else {
					store.failBefore = fail
				}
				d := newDesk(t, store, box)
				for i := range 12 {
					at := morning.AddDate(0, 0, i)
					if _, err := d.Consider([]Judged{{Report: answers('X'), Policy: policy, Receipt: receipt}}, at); err != nil {
						d = newDesk(t, store, box) // as after a crash
					}
					deliverAll(t, d, at, at.Add(time.Hour))
				}
				if len(box.accepted) < 1 || len(box.accepted) > 2 {
					t.Fatalf("got %d messages, want one, or two where a write failed around the delivery", len(box.accepted))
				}
				if len(box.accepted) == 2 && (box.accepted[0].ID != box.accepted[1].ID || !box.accepted[1].Repeat) {
					t.Errorf("the second message %+v is not marked as a repeat of the first", box.accepted[1])
				}
			})
		}
	}
}

func TestNothingMovesWithoutTheDisk(t *testing.T) {
	t.Parallel()
	store, box := &memory{failBefore: func(int) bool { return true }}, &mailbox{name: "box"}
	d := newDesk(t, store, box)
	for i := range 5 {
		if _, err := d.Consider([]Judged{{Report: answers('X'), Policy: policy}}, morning.AddDate(0, 0, i)); !errors.Is(err, errDisk) {
			t.Fatalf("got %v, want the disk's error", err)
		}
	}
	store.failBefore = nil
	if got := consider(t, d, 5, "XXX"); got[0] != Waiting || got[1] != Waiting || got[2] != FirstSeen {
		t.Errorf("once the disk is back: got %v, want the confirmation from its beginning", got)
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	refused := func(remedy Remedy, after time.Duration, n int) func(int) error {
		return func(attempt int) error {
			if attempt > n {
				return nil
			}
			return &SendError{Remedy: remedy, After: after, Err: errors.New("refused")}
		}
	}
	for _, tc := range []struct {
		name     string
		fail     func(int) error
		during   time.Duration
		attempts int
		accepted int
		repeat   bool
		plain    bool
		parked   bool
	}{
		{name: "what is accepted is sent once", during: time.Hour, attempts: 1, accepted: 1},
		{name: "an outage is waited for, at most five minutes at a time", fail: refused(Retry, 0, 20), during: 2 * time.Hour, attempts: 21, accepted: 1},
		{name: "a limit is respected as long as it asks", fail: refused(Retry, 40*time.Minute, 1), during: 39 * time.Minute, attempts: 1},
		{name: "and then kept", fail: refused(Retry, 40*time.Minute, 1), during: 41 * time.Minute, attempts: 2, accepted: 1},
		{name: "an absurd limit is cut to an hour", fail: refused(Retry, 999*time.Hour, 1), during: 61 * time.Minute, attempts: 2, accepted: 1},
		{name: "what may have arrived is marked when it is sent again", fail: refused(Reconcile, 0, 1), during: time.Hour, attempts: 2, accepted: 1, repeat: true},
		{name: "a refused layout is sent as text", fail: refused(Simplify, 0, 1), during: time.Minute, attempts: 2, accepted: 1, plain: true},
		{name: "refused text waits for a person", fail: refused(Simplify, 0, 99), during: 30 * time.Minute, attempts: 2, parked: true},
		{name: "a wrong token waits for a person and is tried every hour", fail: refused(FixSettings, 0, 2), during: 150 * time.Minute, attempts: 3, accepted: 1},
		{name: "and is never dropped", fail: refused(FixSettings, 0, 999), during: 48 * time.Hour, attempts: 49, parked: true},
		{name: "an unknown failure is retried", fail: func(n int) error {
			if n == 1 {
				return errors.New("strange")
			}
			return nil
		}, during: time.Minute, attempts: 2, accepted: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			box := &mailbox{name: "box", fail: tc.fail}
			d := newDesk(t, &memory{}, box)
			consider(t, d, 0, "XXX")
			at := morning.AddDate(0, 0, 2)
			deliverAll(t, d, at, at.Add(tc.during))
			if box.attempts != tc.attempts || len(box.accepted) != tc.accepted {
				t.Errorf("got %d attempts and %d messages, want %d and %d", box.attempts, len(box.accepted), tc.attempts, tc.accepted)
			}
			if got := len(d.Parked()) > 0; got != tc.parked {
				t.Errorf("waiting for a person: got %v, want %v", d.Parked(), tc.parked)
			}
			if d.Pending() != 1-tc.accepted {
				t.Errorf("got %d pending messages, want %d", d.Pending(), 1-tc.accepted)
			}
			if tc.accepted > 0 && (box.accepted[0].Repeat != tc.repeat || box.accepted[0].Plain != tc.plain) {
				t.Errorf("got repeat %v and plain %v, want %v and %v", box.accepted[0].Repeat, box.accepted[0].Plain, tc.repeat, tc.plain)
			}
		})
	}
}

func TestSupersededIsMerged(t *testing.T) {
	t.Parallel()
	down := true
	box := &mailbox{name: "box", fail: func(int) error {
		if down {
			return &SendError{Remedy: Retry, Err: errors.New("refused")}
		}
		return nil
	}}
	healthy := &mailbox{name: "healthy"}
	d := newDesk(t, &memory{}, box, healthy)
	for i, c := range "XXXzzzYYY" {
		consider(t, d, i, string(c))
		at := morning.AddDate(0, 0, i)
		deliverAll(t, d, at, at.Add(time.Hour))
	}
	down = false
	deliverAll(t, d, morning.AddDate(0, 0, 9), morning.AddDate(0, 0, 10))
	if len(healthy.accepted) != 3 {
		t.Errorf("the notifier that works got %d messages, want 3", len(healthy.accepted))
	}
	if len(box.accepted) != 1 || len(box.accepted[0].Superseded) != 2 || box.accepted[0].Report.Decision.Option != "Y" {
		t.Errorf("after the outage: got %+v, want only the latest, naming the two before", box.accepted)
	}
}

func TestCorruptRowsArePutAside(t *testing.T) {
	t.Parallel()
	store := &memory{rows: map[string]map[string][]byte{
		"state":  {"support": []byte("{not json"), "future": []byte(`{"version": 99}`)},
		"outbox": {"00000000000000000001/box": []byte{0xff}},
	}}
	d := newDesk(t, store, &mailbox{name: "box"})
	if d.Pending() != 0 {
		t.Errorf("got %d pending messages, want none", d.Pending())
	}
	for bucket, key := range map[string]string{"state": "corrupt/support", "outbox": "corrupt/00000000000000000001/box"} {
		if store.rows[bucket][key] == nil {
			t.Errorf("%s: %q is not kept", bucket, key)
		}
	}
	if got := consider(t, newDesk(t, store), 0, "SSS"); got[2] != Settled {
		t.Errorf("after the damage: got %v, want a fresh start", got)
	}
}

func FuzzLoad(f *testing.F) {
	good, err := json.Marshal(letter{Version: 1, Notifier: "box", Number: 1, Event: Event{Version: 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"version":1,"state":{"current":"now"}}`), good)
	f.Fuzz(func(t *testing.T, state, row []byte) {
		store := &memory{rows: map[string]map[string][]byte{"state": {"support": state}, "outbox": {"00000000000000000001/box": row}}}
		d := newDesk(t, store, &mailbox{name: "box"})
		if _, err := d.Consider([]Judged{{Report: answers('S'), Policy: policy}}, morning); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Deliver(t.Context(), morning); err != nil {
			t.Fatal(err)
		}
	})
}

func TestForgottenWorkloads(t *testing.T) {
	t.Parallel()
	store := &memory{}
	d := newDesk(t, store)
	consider(t, d, 0, "SSS")
	if _, err := d.Consider(nil, morning.AddDate(0, 0, 89)); err != nil || store.rows["state"]["support"] == nil {
		t.Errorf("after 87 days (%v) the state is gone, want it kept", err)
	}
	if _, err := d.Consider([]Judged{}, morning.AddDate(0, 0, 93)); err != nil || store.rows["state"]["support"] != nil {
		t.Errorf("after 91 days (%v) the state is kept, want it gone", err)
	}
}

// TestAnswerIsOneTransaction holds that an answer, what it does to the state and the message that tells it are written together, or none.
func TestAnswerIsOneTransaction(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{true, false} {
		store, box := &memory{}, &mailbox{name: "box"}
		d := newDesk(t, store, box)
		consider(t, d, 0, "XXX")
		store.failBefore = func(int) bool { return fails }
		err := d.Answer("support", "X", map[string][]byte{"answer/0123456789ab": []byte("{}")},
			Event{Reason: Answered, Time: morning, Workload: "support", Report: answers('X'), Answer: &Answer{Text: "declined", Final: true, About: FirstSeen}})
		if (err != nil) != fails {
			t.Fatalf("the disk fails: %v; got %v", fails, err)
		}
		if kept := store.rows["ledger"]["answer/0123456789ab"] != nil; kept == fails {
			t.Errorf("the disk fails: %v; the answer is in the ledger: %v", fails, kept)
		}
		want := map[bool]string{true: "X", false: "now"}[fails]
		if got := d.states["support"].State.Standing; got != want {
			t.Errorf("the disk fails: %v; got %q standing, want %q", fails, got, want)
		}
		store.failBefore = nil
		deliverAll(t, d, morning.AddDate(0, 0, 3), morning.AddDate(0, 0, 4))
		if told := len(box.accepted) == 2; told == fails || told && (box.accepted[1].Case != box.accepted[0].ID || box.accepted[1].ID == box.accepted[0].ID) {
			t.Errorf("the disk fails: %v; got the messages %+v", fails, box.accepted)
		}
	}
}

// TestAnswerToAnotherMove holds that a move is answered and its answer told where it was told, also one that follows another, and that one to an
// older decision does not take the place of what stands or comes near now.
func TestAnswerToAnotherMove(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, timeline string
		near           bool
		told           int // of an answer that declines X, and of one that says that it is done
	}{
		{name: "the move stands", timeline: "XXX", told: 2},
		{name: "another one stands", timeline: "XXXYYYY"},
		{name: "none may serve it", timeline: "XXX0000"},
		{name: "it was withdrawn", timeline: "XXXzzzz"},
		{name: "a threshold comes near", near: true},
	} {
		store, box := &memory{}, &mailbox{name: "box"}
		d := newDesk(t, store, box)
		for day, c := range tc.timeline {
			consider(t, d, day, string(c))
			if day == 2 { // the message is there, and those after it wait
				deliverAll(t, d, morning.AddDate(0, 0, day), morning.AddDate(0, 0, day+1))
			}
		}
		if tc.near {
			d.states["support"] = &record{State: State{Current: "now", Standing: "now"}, Approach: Approach{ActBy: "2027-01-12"}, Case: "c0ffee"}
		}
		if at, posted, err := d.Posted("box", "support", "X"); err != nil || posted != (tc.told > 0) {
			t.Errorf("%s: the message to answer is at %+v (%v, %v), want one: %v", tc.name, at, posted, err, tc.told > 0)
		}
		before := len(d.outbox.waiting()["support"])
		for _, declined := range []string{"X", ""} {
			err := d.Answer("support", declined, map[string][]byte{"answer/0123456789ab": []byte("{}")},
				Event{Reason: Answered, Time: morning, Workload: "support", Report: answers('X'), Answer: &Answer{Text: "declined", Final: true, About: FirstSeen}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := len(d.outbox.waiting()["support"]) - before; got != tc.told {
			t.Errorf("%s: got %d messages, want %d", tc.name, got, tc.told)
		}
	}
}

// TestAnswerGoesWhereTheMessageIs holds that an answer reaches the notifier that shows the message which it is about, also when its route has
// left that one out since, and none other that is left out.
func TestAnswerGoesWhereTheMessageIs(t *testing.T) {
	t.Parallel()
	store, box, other := &memory{}, &mailbox{name: "box"}, &mailbox{name: "other"}
	d := newDesk(t, store, box, other)
	judged := Judged{Report: answers('X'), Policy: policy, Receipt: receipt, Route: func(Reason, Severity) Route { return Route{Except: []string{"other"}} }}
	for day := range 3 {
		if _, err := d.Consider([]Judged{judged}, morning.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	deliverAll(t, d, morning.AddDate(0, 0, 2), morning.AddDate(0, 0, 3))
	tell := Event{Reason: Answered, Time: morning, Workload: "support", Report: answers('X'), Route: Route{Except: []string{"box", "other"}}, Answer: &Answer{Text: "declined", Final: true, About: FirstSeen}}
	if err := d.Answer("support", "X", map[string][]byte{}, tell); err != nil {
		t.Fatal(err)
	}
	deliverAll(t, d, morning.AddDate(0, 0, 3), morning.AddDate(0, 0, 4))
	if len(box.accepted) != 2 || box.accepted[1].Reason != Answered || box.accepted[1].Root == nil || len(other.accepted) != 0 {
		t.Errorf("got %+v, and %+v at the other, want the message and its answer at the first alone", box.accepted, other.accepted)
	}
}

// TestStoredByTheVersionBefore holds that what was stored when a route was a channel alone is read as that, and nothing of it is told again.
func TestStoredByTheVersionBefore(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	channel := func(Reason, Severity) Route { return Route{Channel: "#llm"} }
	d := newDesk(t, store, box)
	live := func(day int, c rune) {
		t.Helper()
		if _, err := d.Consider([]Judged{{Report: answers(c), Policy: policy, Receipt: receipt, Route: channel}}, morning.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	live(0, 'X')
	moved := model.PriceEvent{Moves: []model.PriceMove{{Option: "X", Field: "input"}}, Flips: []model.PriceFlip{{Workload: "support", Option: "X"}}}
	if err := d.Prices(moved, nil, Route{Channel: "#llm"}, nil, morning); err != nil {
		t.Fatal(err)
	}
	id := ""
	for key, row := range store.rows[outboxBucket] {
		if !strings.Contains(string(row), `"channel":"#llm"`) || strings.Contains(string(row), "except") {
			t.Fatalf("%s: got %s, want the channel in the place where it was", key, row)
		}
		var l letter
		if err := json.Unmarshal(row, &l); err != nil {
			t.Fatal(err)
		}
		id = l.Event.ID
	}
	old := `{"version":1,"state":` + string(encode(d.states["support"].State)) + `,"seen":"2026-03-02T06:00:00Z","flip":{"option":"X","event":"` + id + `","time":"` + morning.Format(time.RFC3339) + `","channel":"#llm"}}`
	store.rows[stateBucket]["support"] = []byte(old)
	d = newDesk(t, store, box)
	if f := d.states["support"].Flip; f == nil || f.Channel != "#llm" {
		t.Fatalf("got %+v, want the flip in its channel", f)
	}
	live(1, 'X')
	live(2, 'X')
	deliverAll(t, d, morning.AddDate(0, 0, 2), morning.AddDate(0, 0, 3))
	if len(box.accepted) != 1 || box.accepted[0].Reason != PricesMoved || box.accepted[0].ID != id || box.accepted[0].Channel != "#llm" {
		t.Errorf("got %+v, want the message about the prices once, and no other", box.accepted)
	}
	if s := d.states["support"].State.Standing; s != "X" {
		t.Errorf("got %q standing, want X to be confirmed", s)
	}
}

// TestDriftIsToldOnce holds that a material drift of a workload whose verdict is settled is told once as long as it lasts, and again
// when it comes back after a fortnight.
func TestDriftIsToldOnce(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	day := 0
	drift := func(c rune, drifts ...model.Drift) {
		t.Helper()
		d := newDesk(t, store, box) // a restart before every evaluation
		w := answers(c)
		w.Drift = drifts
		now := morning.AddDate(0, 0, day)
		if _, err := d.Consider([]Judged{{Report: w, Policy: policy, Receipt: receipt}}, now); err != nil {
			t.Fatal(err)
		}
		deliverAll(t, d, now, now.Add(time.Hour))
		day++
	}
	volume := model.Drift{Kind: "volume", Score: 1.2, Material: true, Text: "twice as much"}
	mix := model.Drift{Kind: "output_share", Score: 3, Material: true, Text: "longer answers"}
	told := func(want int, after string) {
		t.Helper()
		if len(box.accepted) != want {
			t.Fatalf("%s: got %d messages, want %d", after, len(box.accepted), want)
		}
	}
	drift('S', volume)
	drift('S', volume)
	told(0, "before a verdict is confirmed")
	drift('S')
	drift('?', volume)
	told(0, "while the verdict is not known")
	drift('S', model.Drift{Kind: "volume", Score: 1.2}, model.Drift{Kind: "peak_factor", Score: 0.9, Material: true})
	told(0, "a drift that does not matter, and none yet")
	drift('S', volume)
	told(1, "a material drift")
	if e := box.accepted[0]; e.Reason != Drifted || len(e.Drifts) != 1 || e.Drifts[0].Kind != "volume" {
		t.Errorf("got %+v, want the drift of the volume", e)
	}
	if store.rows["ledger"]["0123456789ab"] == nil || store.rows["ledger"][Announced+"0123456789ab"] == nil {
		t.Error("the ledger does not hold the receipt that the message names")
	}
	for range 20 {
		drift('S', volume)
	}
	told(1, "as long as it lasts")
	drift('S', volume, mix)
	told(2, "another input")
	day += 15
	drift('S', volume)
	told(3, "after a fortnight without")
	if a, b := box.accepted[1].ID, box.accepted[2].ID; a == b {
		t.Errorf("two messages under one id %s", a)
	}
}

// TestDriftWaitsForNoVerdict holds that what waits in the outbox is merged with its like alone, and that the message of a verdict says
// the drifts too.
func TestDriftWaitsForNoVerdict(t *testing.T) {
	t.Parallel()
	store := &memory{}
	box := &mailbox{name: "box", fail: func(int) error { return &SendError{Remedy: FixSettings, Err: errors.New("away")} }}
	d := newDesk(t, store, box)
	consider(t, d, 0, "SSS")
	step := func(day int, c rune, kinds ...string) {
		t.Helper()
		w := answers(c)
		for _, kind := range kinds {
			w.Drift = append(w.Drift, model.Drift{Kind: kind, Score: 2, Material: true})
		}
		if _, err := d.Consider([]Judged{{Report: w, Policy: policy, Receipt: receipt}}, morning.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	step(3, 'S', "volume")
	step(4, 'S', "volume", "output_share")
	step(5, 'X', "volume")
	step(6, 'X', "volume")
	step(7, 'X', "volume", "peak_factor") // the verdict is confirmed, and the new drift with it
	letters := slices.Collect(d.outbox.all())
	if len(letters) != 2 || len(letters[0].Event.Drifts) != 2 || letters[1].Event.Reason != Switched || len(letters[1].Event.Superseded) > 0 {
		t.Errorf("got %+v, want the two drifts in one message and the verdict in another", letters)
	}
}

// TestEachWorkloadHasItsPolicy holds that one evaluation judges each workload by the policy that comes with it.
func TestEachWorkloadHasItsPolicy(t *testing.T) {
	t.Parallel()
	hasty, calm := answers('X'), answers('X')
	hasty.Workload, calm.Workload = "hasty", "calm"
	once := policy
	once.Confirmations = 1
	d := newDesk(t, &memory{}, &mailbox{name: "box"})
	considered, err := d.Consider([]Judged{{Report: hasty, Policy: once}, {Report: calm, Policy: policy}}, morning)
	if err != nil {
		t.Fatal(err)
	}
	if considered[0].Event == nil || considered[1].Event != nil {
		t.Errorf("got %+v, want a message about the workload whose first evaluation is believed and none about the other", considered)
	}
}

// nearing is a verdict to stay of a workload that crosses around a day and has to act by another.
func nearing(option, crosses, actBy string) model.WorkloadReport {
	w := answers('S')
	w.Crossover = &model.Crossover{Option: option, Against: "now", CrossesOn: crosses, ActBy: actBy}
	return w
}

// TestApproaching holds when a threshold ahead is told: the date to act by is near, in as many evaluations as a verdict takes, once.
func TestApproaching(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	far := policy
	far.LeadTime = 90 * 24 * time.Hour
	n := 0
	run := func(days int, w model.WorkloadReport) {
		t.Helper()
		for range days {
			d := newDesk(t, store, box) // a restart before every evaluation
			now := morning.AddDate(0, 0, n)
			if _, err := d.Consider([]Judged{{Report: w, Policy: far, Receipt: receipt}}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
			n++
		}
	}
	told := func(want int, what string) {
		t.Helper()
		if len(box.accepted) != want {
			t.Fatalf("%s: got %d messages, want %d", what, len(box.accepted), want)
		}
	}
	date := func(days int) string { return morning.AddDate(0, 0, days).Format(time.DateOnly) }
	run(3, answers('S'))
	run(5, nearing("X", date(400), date(310)))
	told(0, "the date to act by is far away")
	run(5, nearing("X", "", date(20)))
	told(0, "only the upper path crosses")
	blocked := nearing("X", date(120), date(30))
	blocked.Options[1].Blocked = []string{"RESIDENCY"}
	run(5, blocked)
	told(0, "the option is not allowed")
	priced := nearing("X", date(120), date(30))
	priced.Options[1].PriceChanges = []model.DatedCost{{From: date(120)}}
	run(5, priced)
	told(0, "an announced price makes it cheaper")
	run(2, nearing("X", date(150), date(60)))
	run(1, answers('S'))
	run(2, nearing("X", date(150), date(60)))
	told(1, "near in three evaluations, one of them missing between")
	if e := box.accepted[0]; e.Reason != Approaching || e.Report.Crossover.ActBy != date(60) {
		t.Errorf("got %+v, want the approach", e)
	}
	run(30, nearing("X", date(151), date(61)))
	told(1, "as long as it is near")
	run(5, nearing("X", date(110), date(20)))
	told(2, "forty days sooner than was told")
	run(6, answers('S'))
	run(5, nearing("X", date(220), date(130)))
	told(3, "after it had gone away")
	run(5, answers('X'))
	told(4, "it has crossed")
	if last := box.accepted[3]; last.Reason != Switched {
		t.Errorf("got %s, want the verdict", last.Reason)
	}
}

// TestUnknownForLongIsNotForgotten holds that a workload that is still evaluated keeps what was announced of it, however long nothing is
// known of it.
func TestUnknownForLongIsNotForgotten(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	d := newDesk(t, store, box)
	consider(t, d, 0, "XXX")
	consider(t, d, 3, strings.Repeat("?", 120))
	consider(t, d, 123, "XXXX")
	deliverAll(t, d, morning, morning.AddDate(1, 0, 0))
	if len(box.accepted) != 1 {
		t.Errorf("got %d messages, want the move once", len(box.accepted))
	}
}

// TestDeliverLooksForAWhile holds that a message whose first attempt may have arrived, and of which nobody can see whether it did, is held
// back for a while and then sent again, marked; what waits behind it follows.
func TestDeliverLooksForAWhile(t *testing.T) {
	t.Parallel()
	box := &looker{}
	store := &memory{}
	d := newDesk(t, store, box)
	consider(t, d, 0, "XXX")
	began := morning.AddDate(0, 0, 3)
	next, _ := d.Deliver(t.Context(), began) // breaks
	consider(t, d, 3, "zzzz")
	for ; len(box.accepted) < 2 && next.Sub(began) < time.Hour && !next.IsZero(); next, _ = d.Deliver(t.Context(), next) {
		d = newDesk(t, store, box) // a restart before every attempt
	}
	if len(box.accepted) != 2 {
		t.Fatalf("within an hour %d messages arrived, want both", len(box.accepted))
	}
	if box.looks != mostLooks {
		t.Errorf("looked %d times, want %d", box.looks, mostLooks)
	}
	if first := box.accepted[0]; !first.Repeat || first.Reason != FirstSeen || box.accepted[1].Repeat {
		t.Errorf("got %+v, want the first marked as a possible repeat and the second not", box.accepted)
	}
}

// TestBlindAttemptsAreBounded holds that while nobody can see whether a message arrived, and every attempt may have, it is sent once more
// after half an hour and then once a day.
func TestBlindAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	box := &looker{breaks: math.MaxInt}
	d := newDesk(t, &memory{}, box)
	consider(t, d, 0, "XXX")
	began := morning.AddDate(0, 0, 3)
	sent := map[string]int{}
	for next := began; next.Sub(began) < 50*time.Hour; {
		before := box.attempts - box.looks
		at := next
		next, _ = d.Deliver(t.Context(), at)
		switch after := at.Sub(began); {
		case box.attempts-box.looks == before:
		case after > time.Hour && after < 24*time.Hour:
			t.Errorf("sent again after %s", after)
		default:
			sent[map[bool]string{true: "within the hour", false: "later"}[after <= time.Hour]]++
		}
	}
	if sent["within the hour"] != 2 || sent["later"] != 2 {
		t.Errorf("sent %v, want twice within the hour and twice in the two days after it", sent)
	}
	if d.Pending() != 1 {
		t.Errorf("%d messages wait, want the one", d.Pending())
	}
}

// looker is a Notifier whose first attempt breaks, and as many others as it says, and that never sees whether one arrived.
type looker struct {
	mailbox

	looks  int
	breaks int
}

func (*looker) Name() string { return "looker" }

func (l *looker) Send(_ context.Context, e Event) (Posted, error) {
	switch l.attempts++; {
	case e.Repeat && !e.Blind:
		l.looks++
		return Posted{}, &SendError{Remedy: Unseen, Err: errors.New("no answer")}
	case l.attempts-l.looks <= max(1, l.breaks):
		return Posted{}, &SendError{Remedy: Reconcile, Err: errors.New("cut")}
	}
	l.accepted = append(l.accepted, e)
	return Posted{}, nil
}

// TestAnnouncementKeepsWhatThePreviewNeeds holds that the ledger keeps of a message what its receipt does not say.
func TestAnnouncementKeepsWhatThePreviewNeeds(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	d := newDesk(t, store, box)
	consider(t, d, 0, "XXXYYYY")
	var kept []Announcement
	for key, value := range store.rows[ledgerBucket] {
		if strings.HasPrefix(key, Announced) {
			var a Announcement
			if err := json.Unmarshal(value, &a); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, a)
		}
	}
	if len(kept) != 1 || kept[0].Reason != Switched || kept[0].Previous != "X" { // both messages have the id of the same decision
		t.Errorf("got %+v, want the second message with what it took the place of", kept)
	}
}

// TestStorm holds that many messages of one evaluation to one channel are one, that says what each would, and that a few stay by themselves.
func TestStorm(t *testing.T) {
	t.Parallel()
	for _, n := range []int{stormSize, stormSize + 1, 1000} {
		store, box := &memory{}, &mailbox{name: "box"}
		d := newDesk(t, store, box)
		for day := range 3 {
			var judged []Judged
			for i := range n {
				w := answers('X')
				w.Workload, w.Decision.ID = fmt.Sprintf("w%04d", i), fmt.Sprintf("%012d", i)
				w.Decision.SavingUSDPerMonth = &model.Quantiles[model.USD]{P50: model.USD(i)}
				route := func(Reason, Severity) Route { return map[bool]Route{true: {Channel: "#other"}}[w.Workload == "w0003"] }
				judged = append(judged, Judged{Report: w, Policy: policy, Route: route, Receipt: receipt})
			}
			if _, err := d.Consider(judged, morning.AddDate(0, 0, day)); err != nil {
				t.Fatal(err)
			}
		}
		now := morning.AddDate(0, 0, 3)
		deliverAll(t, d, now, now.Add(time.Hour))
		if n-1 <= stormSize {
			if len(box.accepted) != n || box.accepted[0].Storm != nil {
				t.Errorf("%d workloads: got %d messages, want one each", n, len(box.accepted))
			}
			continue
		}
		if len(box.accepted) != 2 || box.accepted[0].Reason != Summed || box.accepted[1].Workload != "w0003" {
			t.Fatalf("%d workloads: got %d messages, want one for all of the channel and one for the other", n, len(box.accepted))
		}
		s := box.accepted[0].Storm
		if s.Size() != n-1 || s.Count[FirstSeen] != n-1 || len(s.Named) != min(n-1, stormNamed) || s.Named[0].Workload != fmt.Sprintf("w%04d", n-1) {
			t.Errorf("%d workloads: got %d, and %s first", n, s.Size(), s.Named[0].Workload)
		}
		var a Announcement
		if err := json.Unmarshal(store.rows[ledgerBucket][Announced+"000000000007"], &a); err != nil || a.Reason != FirstSeen {
			t.Errorf("%d workloads: the ledger keeps %+v of one of them (%v)", n, a, err)
		}
		if f := d.Firing(); len(f) != n {
			t.Errorf("%d workloads: %d fire", n, len(f))
		}
	}
}

// TestFaults holds that a fault of the data is told once as long as it lasts, with others that are new, and again when it has been over.
func TestFaults(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	down := model.DataFault{Source: "gateway", Code: "SOURCE_DOWN", Text: "refused"}
	unit := model.DataFault{Source: "vllm", Workload: "chat", Code: "COUNTER_UNIT_CHANGED", Text: "a thousand times"}
	later := down
	later.Text = "refused for longer"
	for day, step := range []struct {
		found []model.DataFault
		want  []model.DataFault
	}{
		{},
		{found: []model.DataFault{down, unit}, want: []model.DataFault{down, unit}},
		{found: []model.DataFault{later}},
		{},
		{found: []model.DataFault{unit, later}},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{},
		{found: []model.DataFault{down}, want: []model.DataFault{down}},
	} {
		d := newDesk(t, store, box)
		now := morning.AddDate(0, 0, day)
		box.accepted = nil
		if err := d.Faults(step.found, nil, Route{Channel: "#platform"}, now); err != nil {
			t.Fatal(err)
		}
		deliverAll(t, d, now, now.Add(time.Hour))
		var got []model.DataFault
		for _, e := range box.accepted {
			got = append(got, e.Faults...)
			if e.Channel != "#platform" || e.Reason != DataFaulty {
				t.Errorf("day %d: got %+v", day, e)
			}
		}
		if !reflect.DeepEqual(got, step.want) {
			t.Errorf("day %d: got %+v, want %+v", day, got, step.want)
		}
	}
}

// TestCase holds which messages belong to one decision, and that a notifier learns where the first of them is, whatever restarts.
func TestCase(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	drifting := answers('X')
	drifting.Drift = []model.Drift{{Kind: "volume", Score: 2, Material: true}}
	channel := ""
	day := 0
	live := func(timeline string) []Event {
		t.Helper()
		before := len(box.accepted)
		for _, c := range timeline {
			w := answers(c)
			if c == 'd' {
				w = drifting
			}
			d := newDesk(t, store, box)
			now := morning.AddDate(0, 0, day)
			judged := Judged{Report: w, Policy: policy, Route: func(Reason, Severity) Route { return Route{Channel: channel} }, Receipt: receipt}
			if _, err := d.Consider([]Judged{judged}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, newDesk(t, store, box), now, now.Add(time.Hour))
			day++
		}
		day += 5 // what changes too often is unstable
		return box.accepted[before:]
	}
	first := live("XXX")
	if len(first) != 1 || first[0].Case != first[0].ID || first[0].Root != nil {
		t.Fatalf("got %+v, want a message that begins a case", first)
	}
	for _, timeline := range []string{"d", "YYYY", "XXXX", "zzzz"} {
		got := live(timeline)
		want := &Posted{Case: first[0].ID, Wanted: "#llm-cost", Channel: "C1", Time: "at " + first[0].ID}
		if len(got) != 1 || got[0].Case != first[0].ID || got[0].Root == nil || *got[0].Root != *want {
			t.Fatalf("%s: got %+v, want one message of the case, which is at %+v", timeline, got, want)
		}
	}
	second := live("XXXX")
	if len(second) != 1 || second[0].Case != second[0].ID || second[0].Root != nil {
		t.Errorf("after it was withdrawn: got %+v, want a case of its own", second)
	}
	channel = "#other"
	if got := live("YYYY"); len(got) != 1 || got[0].Case != second[0].ID {
		t.Errorf("wanted in another channel: got %+v, want one of the case", got)
	}
	channel = ""
	if got := live("XXXX"); len(got) != 1 || got[0].Root == nil || got[0].Root.Time != "at "+second[0].ID {
		t.Errorf("wanted in the first channel again: got %+v, want it to know the message there", got)
	}
}

// TestChannelsDoNotWaitForEachOther holds that a message whose channel a person must put right holds back those to that channel alone.
func TestChannelsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &picky{}
	d := newDesk(t, store, box)
	for day, channel := range []string{"#typo", "#good", "#typo", "#good"} {
		if err := d.Faults([]model.DataFault{{Source: fmt.Sprintf("source %d", day), Code: "SOURCE_DOWN"}}, nil, Route{Channel: channel}, morning.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
	}
	now := morning.AddDate(0, 0, 4)
	for end := now.Add(30 * time.Minute); now.Before(end); {
		now, _ = d.Deliver(t.Context(), now)
	}
	if len(box.accepted) != 2 || box.accepted[0].Faults[0].Source != "source 1" || box.accepted[1].Faults[0].Source != "source 3" || d.Pending() != 2 {
		t.Fatalf("got %+v, and %d wait, want both of the good channel in their order", box.accepted, d.Pending())
	}
	if box.attempts != 1 {
		t.Errorf("the wrong channel was tried %d times in half an hour, want once", box.attempts)
	}
}

// picky is a Notifier that knows no channel #typo.
type picky struct{ mailbox }

func (*picky) Name() string { return "picky" }

func (p *picky) Send(ctx context.Context, e Event) (Posted, error) {
	if e.Channel == "#typo" {
		p.attempts++
		return Posted{}, &SendError{Remedy: FixSettings, Err: errors.New("channel_not_found")}
	}
	p.accepted = append(p.accepted, e)
	return Posted{}, nil
}

// TestSame holds that a record is written whenever anything of it has changed but when it was seen, whatever fields it has.
func TestSame(t *testing.T) {
	t.Parallel()
	full := record{
		Version: recordVersion, State: State{Current: "api"}, Seen: morning, Told: []Told{{Kind: "volume"}}, Flip: &Flip{Option: "own"},
		Blocks: true, Approach: Approach{Option: "own"}, Ending: Ending{Until: "2027-04-30"}, Snooze: Snooze{Decision: "0123456789ab"}, Case: "c0ffee00c0ffee00", Promise: &Promise{To: "own"}, Reason: FirstSeen, Severity: Info, Except: []string{"webhook"}, Owner: "team", Presence: presence{Began: true}, Said: "0123456789ab",
	}
	fields := reflect.TypeFor[record]()
	for i := range fields.NumField() {
		less, name := full, fields.Field(i).Name
		if reflect.ValueOf(less).Field(i).IsZero() {
			t.Fatalf("%s: the record of this test lacks it", name)
		}
		reflect.ValueOf(&less).Elem().Field(i).SetZero()
		if got, want := full.same(less), name == "Seen"; got != want {
			t.Errorf("without %s: same is %v, want %v", name, got, want)
		}
	}
}

// TestUnstableIsTold follows a verdict that swings through a desk and restarts of it: three changes and then that it is unstable are told, as one case; while
// it swings nothing fires and the digest has it; and what it has become is told when it has stood for a week. A state of the version before is read.
func TestUnstableIsTold(t *testing.T) {
	t.Parallel()
	flighty := Policy{Confirmations: 1, LeadTime: 90 * 24 * time.Hour}
	store, box := &memory{}, &mailbox{name: "box"}
	before := `{"version":1,"state":{"current":"now","standing":"now","confirmed":"2026-10-20T06:00:00Z","sequence":7},"seen":"2026-11-01T06:00:00Z"}`
	if err := store.Apply(batch{stateBucket: {"support": []byte(before)}}); err != nil {
		t.Fatal(err)
	}
	day := 0
	evaluate := func(days string) *Desk {
		t.Helper()
		d, err := NewDesk(store, []Notifier{box}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range days {
			at := morning.AddDate(0, 0, day)
			if _, err := d.Consider([]Judged{{Report: answers(c), Policy: flighty, Receipt: receipt}}, at); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Deliver(t.Context(), at.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			day++
		}
		return d
	}
	place := func(d *Desk, c rune) model.Case {
		w := answers(c)
		return *d.Cases(&model.Report{AsOf: morning.AddDate(0, 0, day), Workloads: []model.WorkloadReport{w}}, said{})[0]
	}
	told := func() (all []string) {
		for _, e := range box.accepted {
			all = append(all, string(e.Reason))
		}
		return all
	}
	for _, days := range []string{"X", "z", "X", "z"} {
		evaluate(days)
	}
	if got := strings.Join(told(), " "); got != "switched returned switched unstable" {
		t.Fatalf("got %s", got)
	}
	last := box.accepted[3]
	if u := last.Unsettled; u == nil || u.Changes != 4 || !u.Since.Equal(morning) || strings.Join(u.Answers, " ") != "X now" || last.Severity != Info || last.Case != box.accepted[2].Case || last.ID == box.accepted[2].ID {
		t.Errorf("got %+v of the case %s, want the four changes in the case %s", last.Unsettled, last.Case, box.accepted[2].Case)
	}
	d := evaluate("XzX?X")
	want := model.Case{Stage: model.StageUnstable, Option: "X", Other: "now", Since: morning.AddDate(0, 0, 3)}
	if got := place(d, 'X'); len(d.Firing()) != 0 || got != want {
		t.Errorf("got %+v, and %v firing, want it to swing between now and X, and nothing to fire", got, d.Firing())
	}
	evaluate("0Xz0")
	if got := told()[4:]; strings.Join(got, " ") != "no_option" {
		t.Errorf("while it swings: got %v, want once that no option may serve it", got)
	}
	if evaluate("XXXXXX"); len(told()) != 5 {
		t.Errorf("got %v before it has stood for a week", told()[5:])
	}
	d = evaluate("XX")
	if got := told()[5:]; strings.Join(got, " ") != "switched" || place(d, 'X').Stage != model.StageAnnounced || len(d.Firing()) != 1 {
		t.Errorf("got %v, %v firing and %+v, want the move told and firing", got, d.Firing(), place(d, 'X'))
	}
	if e := box.accepted[5]; e.Unsettled == nil || !e.Unsettled.Since.Equal(morning.AddDate(0, 0, 3)) || e.Unsettled.Changes != 0 || e.Case != last.Case {
		t.Errorf("got %+v, want since when it was unstable", e)
	}
	// A person who rules out one of the two answers ends it.
	d = evaluate("zXz")
	if place(d, 'z').Stage != model.StageUnstable {
		t.Fatal("want it to swing again")
	}
	if err := d.Answer("support", "X", nil, Event{Reason: Answered, Report: answers('X'), Answer: &Answer{Text: "declined"}}); err != nil {
		t.Fatal(err)
	}
	if place(d, 'S').Stage == model.StageUnstable {
		t.Error("swings although one of its answers was ruled out")
	}
}

// TestSwingEnds lets a verdict swing until it stands, and holds that what it has become is told once, that the message says what the evaluation itself does, and
// that nothing of it is lost to what happened meanwhile.
func TestSwingEnds(t *testing.T) {
	t.Parallel()
	flighty := Policy{Enter: 0.2, Leave: 0.1, Confirmations: 1}
	for _, tc := range []struct {
		name, swings, stands, want string
		between                    func(t *testing.T, d *Desk, now time.Time) // the two
		snooze                     *Snoozing
	}{
		{"to stay", "XzXz", "zzzzzzzz", "returned", nil, nil},
		{"to move", "XzXzX", "XXXXXXXX", "switched", nil, nil},
		{"a move that only its margin keeps is not told", "XzXzX", "xxxxxxxxxxxx", "", nil, nil},
		{"days on which only its margin kept it do not count", "XzXzX", "xxxxxxXXXXXX", "", nil, nil},
		{"nor do they begin anew", "XzXzX", "XXXxxxxxxXXXX", "switched", nil, nil},
		{"prices told that it would", "XzXz", "zzzzzzzz", "returned", func(t *testing.T, d *Desk, now time.Time) {
			t.Helper()
			back := model.PriceEvent{Moves: []model.PriceMove{{Option: "X", Field: "input"}}, Flips: []model.PriceFlip{{Workload: "support", Option: "now"}}}
			if err := d.Prices(back, nil, Route{}, nil, now); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"one of two moves is ruled out", "XYXY", "YYYYYYYY", "switched", func(t *testing.T, d *Desk, _ time.Time) {
			t.Helper()
			if err := d.Answer("support", "X", nil, Event{Reason: Answered, Report: answers('X'), Answer: &Answer{Text: "declined"}}); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"the move is snoozed", "XzXzX", "XXXXXXXXXX", "", nil, &Snoozing{Decision: "0123456789ab", Option: "X"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			box := &mailbox{name: "box"}
			d := newDesk(t, &memory{}, box)
			now := morning
			live := func(days string, s *Snoozing) {
				for _, c := range days {
					if _, err := d.Consider([]Judged{{Report: answers(c), Policy: flighty, Snooze: s, Receipt: receipt}}, now); err != nil {
						t.Fatal(err)
					}
					deliverAll(t, d, now, now.Add(time.Hour))
					now = now.AddDate(0, 0, 1)
				}
			}
			live("S"+tc.swings, nil)
			if !d.states["support"].State.swings() {
				t.Fatal("does not swing")
			}
			if tc.between != nil {
				tc.between(t, d, now)
				deliverAll(t, d, now, now.Add(time.Hour))
			}
			before := len(box.accepted)
			live(tc.stands, tc.snooze)
			var told []string
			for _, e := range box.accepted[before:] {
				told = append(told, string(e.Reason))
				if got, want := e.Report.Decision.Option, d.states["support"].State.Standing; got != want || e.Unsettled == nil {
					t.Errorf("got a message of %s and %+v, want one of %s, which was unstable", got, e.Unsettled, want)
				}
			}
			if got := strings.Join(told, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
