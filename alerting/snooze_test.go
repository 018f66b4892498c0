package alerting

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
)

// TestSnooze holds that an announced move that is snoozed stays quiet, is told of once when that is over, and never again.
func TestSnooze(t *testing.T) {
	t.Parallel()
	asleep := &Snoozing{Decision: "0123456789ab", Option: "X"}
	due := &Snoozing{Decision: "0123456789ab", Option: "X", Due: true}
	lacking := &Snoozing{Decision: "ba9876543210", Option: "X", Waits: true}
	enough := &Snoozing{Decision: "ba9876543210", Option: "X", Waits: true, Enough: true}
	store, box := &memory{}, &mailbox{name: "box"}
	day := 0
	var d *Desk
	// evaluate lets days pass with a verdict, and returns how many messages there were before and which they were.
	evaluate := func(days int, w model.WorkloadReport, s *Snoozing) (reasons []Reason) {
		t.Helper()
		before := len(box.accepted)
		for range days {
			d = newDesk(t, store, box) // a restart before every evaluation
			now := morning.AddDate(0, 0, day)
			if _, err := d.Consider([]Judged{{Report: w, Policy: policy, Snooze: s, Receipt: receipt}}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
			day++
		}
		for _, e := range box.accepted[before:] {
			reasons = append(reasons, e.Reason)
		}
		return reasons
	}
	expect := func(what string, got []Reason, want ...Reason) {
		t.Helper()
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
	firing := func(what string, snoozed bool) {
		t.Helper()
		if f := d.Firing(); len(f) != 1 || f[0].Snoozed != snoozed {
			t.Fatalf("%s: got %+v firing, want one, snoozed %v", what, f, snoozed)
		}
	}
	drifting := answers('X')
	drifting.Drift = []model.Drift{{Kind: "volume", Score: 2, Material: true}}
	unknown := answers('?')

	expect("announced", evaluate(3, answers('X'), nil), FirstSeen)
	expect("snoozed", evaluate(5, answers('X'), asleep))
	firing("snoozed", true)
	expect("a drift while it is snoozed", evaluate(3, drifting, asleep))
	expect("the day has come, but nothing is known", evaluate(2, unknown, due))
	expect("the day has come", evaluate(1, answers('X'), due), Reminded)
	firing("reminded", false)
	expect("and is over", evaluate(5, answers('X'), due))

	expect("a second answer", evaluate(2, answers('X'), lacking))
	expect("it saves enough for two days", evaluate(2, answers('X'), enough))
	expect("and less again", evaluate(1, answers('X'), lacking))
	expect("and enough for three", evaluate(3, answers('X'), enough), Reminded)
	expect("and is over for good", evaluate(3, answers('X'), lacking))

	again := &Snoozing{Decision: "ba9876543210", Given: morning.AddDate(0, 0, day), Option: "X"}
	expect("a later answer to the same decision", evaluate(3, drifting, again))
	firing("a later answer to the same decision", true)
	again.Due = true
	expect("and its day has come", evaluate(3, answers('X'), again), Reminded)

	making := &Snoozing{Decision: "ba9876543210", Given: morning.AddDate(0, 0, day), Option: "X", Migrating: true}
	late := &Snoozing{Decision: "ba9876543210", Given: making.Given, Option: "X", Migrating: true, Due: true}
	expect("another answer to the same decision: the move is being made", evaluate(4, drifting, making))
	if f := d.Firing(); len(f) != 1 || !f[0].Snoozed || !f[0].Migrating {
		t.Fatalf("being made: got %+v firing, want one that is quiet and being made", f)
	}
	expect("it was to be done by today", evaluate(3, answers('X'), late), Reminded)
	if f := d.Firing(); len(f) != 1 || f[0].Snoozed || f[0].Migrating {
		t.Fatalf("not done in time: got %+v firing, want one to decide", f)
	}

	asleep.Decision, due.Decision = "aaaaaaaaaaaa", "aaaaaaaaaaaa"
	expect("a third answer", evaluate(2, answers('X'), asleep))
	expect("another move is news all the same", evaluate(6, answers('Y'), asleep), Switched)
	firing("another move", false)
	expect("and the first one too when it comes back", evaluate(6, answers('X'), asleep), Switched)
	expect("what was said about it before is over", evaluate(4, answers('X'), due))

	last := &Snoozing{Decision: "bbbbbbbbbbbb", Option: "X"}
	expect("a last answer", evaluate(2, answers('X'), last))
	firing("a last answer", true)
	expect("no option may serve it any more", evaluate(4, answers('0'), last), NoOption)
	firing("no option may serve it any more", false)
}

// TestSnoozeBeforeItIsConfirmed holds that a move that a person has answered before it was announced is confirmed without a word, and told
// of when the snooze is over; and that the answer is forgotten when another move is confirmed.
func TestSnoozeBeforeItIsConfirmed(t *testing.T) {
	t.Parallel()
	asleep := &Snoozing{Decision: "0123456789ab", Option: "X"}
	due := &Snoozing{Decision: "0123456789ab", Option: "X", Due: true}
	for _, tc := range []struct {
		name     string
		timeline string // a day each: what the evaluation says
		due      int    // the day of the snooze
		want     []Reason
	}{
		{"confirmed while it is snoozed", "XXXXXXX", 6, []Reason{Reminded}},
		{"the day comes before it is confirmed", "XXXXX", 1, []Reason{FirstSeen}},
		{"it was never confirmed", "XSSSSSS", 4, nil},
		{"another move is confirmed first", "XYYYYXXXXX", 9, []Reason{FirstSeen, Switched}},
		{"it was confirmed, withdrawn and confirmed again", "XXXXzzzXXXX", 11, []Reason{Returned, Switched}},
	} {
		store, box := &memory{}, &mailbox{name: "box"}
		for day, c := range tc.timeline {
			d := newDesk(t, store, box)
			now, snooze := morning.AddDate(0, 0, day), asleep
			if day >= tc.due {
				snooze = due
			}
			if _, err := d.Consider([]Judged{{Report: answers(c), Policy: policy, Snooze: snooze, Receipt: receipt}}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
		}
		var got []Reason
		for _, e := range box.accepted {
			got = append(got, e.Reason)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %s: got %v, want %v", tc.name, tc.timeline, got, tc.want)
		}
	}
}

// TestStreakIgnoresTheSchedule holds that evaluations between those that count change nothing, whatever they find.
func TestStreakIgnoresTheSchedule(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var daily, often streak
		for day := range 10 {
			at := morning.AddDate(0, 0, day)
			found := random.IntN(4) > 0
			daily, often = daily.next(found, at, policy), often.next(found, at, policy)
			for hour := 1; hour < 24; hour++ {
				often = often.next(random.IntN(2) > 0, at.Add(time.Duration(hour)*time.Hour), policy)
			}
			if daily != often {
				t.Fatalf("day %d: got %+v daily and %+v hourly, want the same", day, daily, often)
			}
		}
	}
}

// TestSnoozeIsOverWithTheMove holds that what was said of leaving an option is over when the workload has left it, should it ever come back.
func TestSnoozeIsOverWithTheMove(t *testing.T) {
	t.Parallel()
	moving := &Snoozing{Decision: "0123456789ab", Option: "X", Migrating: true}
	made := evaluation("X", 1000, 500)
	made.Current, made.Decision.Recommendation = "X", model.Stay
	store, box := &memory{}, &mailbox{name: "box"}
	day := 0
	live := func(n int, w model.WorkloadReport, s *Snoozing) {
		for range n {
			d := newDesk(t, store, box)
			now := morning.AddDate(0, 0, day)
			if _, err := d.Consider([]Judged{{Report: w, Policy: policy, Snooze: s, Receipt: receipt}}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
			day++
		}
	}
	live(4, answers('X'), moving)
	live(4, made, nil)
	live(4, answers('X'), moving)
	if n := len(box.accepted); n != 1 || newDesk(t, store).Firing()[0].Snoozed {
		t.Errorf("back where it was: got %d messages, want that the move is told again", n)
	}
}
