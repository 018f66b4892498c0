package alerting

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
)

// TestBlocked lets random days pass, of which some block the current option, and holds that people know that it is blocked once that has lasted, that they are told
// no oftener than it began to be, and that a message of it is of an evaluation that found it.
func TestBlocked(t *testing.T) {
	t.Parallel()
	for _, p := range []Policy{policy, {Confirmations: 1}} {
		told := 0
		for seed := range uint64(500) {
			random := rand.New(rand.NewPCG(seed, 9))
			var s State
			var times []time.Time // at which it was told
			knows := false        // what was said last is that the current option may not stay
			now := morning
			live := func(c rune) {
				w := answers(c)
				before := s
				var why Reason
				s, why = s.Next(w, now, p)
				if why == Blocked {
					told++
					times = append(times, now)
					if n := len(times); before.Blocked || !mustLeave(w) || n > mostChanges && now.Sub(times[n-1-mostChanges]) <= changesWithin && !s.swings() {
						t.Fatalf("seed %d: told at %v, after %+v", seed, times, before)
					}
				}
				if why.Notify() {
					knows = mustLeave(w) || why == Unstable && s.Swing.NoneIs // that at times no option may serve it
				}
				now = now.Add(24 * time.Hour)
			}
			last := 'S'
			for range 60 {
				if random.IntN(3) == 0 {
					last = []rune("SXxzYBC0?")[random.IntN(9)]
				}
				live(last)
			}
			for range p.Confirmations {
				live([]rune("BC")[random.IntN(2)])
			}
			if !knows || !s.Blocked {
				t.Fatalf("seed %d: nobody knows that the current option is blocked: %+v", seed, s)
			}
		}
		if told < 500 {
			t.Errorf("got %d messages of a block, want some in every life", told)
		}
	}
}

// TestBlockedMessage follows a workload whose announced move has to be made all of a sudden: through its messages, its route, and what fires, and with what a person
// has said to the move.
func TestBlockedMessage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		days      string
		snooze    *Snoozing // from the fourth day on
		want      []Reason
		severity  Severity // of what fires at last
		snoozed   bool
		forgotten bool // the state is one that an early version has kept, from the fourth day on
	}{
		{"a move that pays", "XXXBBBB", nil, []Reason{FirstSeen, Blocked}, Warning, false, false},
		{"the block goes", "XXXBBBXXX", nil, []Reason{FirstSeen, Blocked}, Info, false, false},
		{"snoozed", "XXXBBBB", &Snoozing{Decision: "0123456789ab", Option: "X"}, []Reason{FirstSeen, Blocked}, Warning, false, false},
		{"being made", "XXXBBBB", &Snoozing{Decision: "0123456789ab", Option: "X", Migrating: true}, []Reason{FirstSeen, Blocked}, Warning, true, false},
		{"told by an early version", "BBBBBB", nil, []Reason{Blocked}, Warning, false, true},
		{"a move that an early version told, blocked since", "XXXBBB", nil, []Reason{FirstSeen, Blocked}, Warning, false, true},
		{"none, as an early version told", "000BBB", nil, []Reason{NoOption, Switched}, Warning, false, true},
	} {
		store, box := &memory{}, &mailbox{name: "box"}
		var d *Desk
		for day, c := range tc.days {
			d = newDesk(t, store, box)
			if r := d.states["support"]; day == 3 && tc.forgotten {
				r.State.Blocked, r.Blocks = false, false
				if r.Reason == Blocked {
					r.Reason = FirstSeen
				}
			}
			now := morning.AddDate(0, 0, day)
			j := Judged{Report: answers(c), Policy: policy, Receipt: receipt}
			if day >= 3 {
				j.Snooze = tc.snooze
			}
			if _, err := d.Consider([]Judged{j}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
		}
		var got []Reason
		for _, e := range box.accepted {
			got = append(got, e.Reason)
			if e.Case != box.accepted[0].ID {
				t.Errorf("%s: %s is of the case %s, want that of the first message", tc.name, e.Reason, e.Case)
			}
			if e.Reason == Blocked && (e.Severity != Warning || e.Report.Decision.Reason != model.ReasonCurrentInfeasible) {
				t.Errorf("%s: got a message of severity %s about %s", tc.name, e.Severity, e.Report.Decision.Reason)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
		f := d.Firing()
		if len(f) != 1 || f[0].Severity != tc.severity || f[0].Snoozed != tc.snoozed || f[0].Must != (tc.severity == Warning) {
			t.Errorf("%s: got %+v firing, want one of severity %s, snoozed %t", tc.name, f, tc.severity, tc.snoozed)
		}
	}
}
