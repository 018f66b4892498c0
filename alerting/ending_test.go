package alerting

import (
	"slices"
	"testing"
	"time"

	"tipline/model"
)

// TestEnding holds that the end of a commitment which changes the answer is told when the date to act by is at most a lead time away, once for
// each end, and beside nothing else; and that its stage lasts as long as it changes the answer.
func TestEnding(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	day := 0
	var d *Desk
	stays := func(until string, actBy int) model.WorkloadReport {
		w := answers('S')
		w.Decision.Commitment = &model.Commitment{Option: "now", Until: until, OptionAfter: "X", Flips: true, ActBy: morning.AddDate(0, 0, actBy).Format(time.DateOnly)}
		return w
	}
	// told lets days pass, of which each evaluation says w, and returns what was told.
	told := func(days int, w model.WorkloadReport) (reasons []Reason) {
		t.Helper()
		before := len(box.accepted)
		for range days {
			d = newDesk(t, store, box) // a restart before every evaluation
			now := morning.AddDate(0, 0, day)
			if _, err := d.Consider([]Judged{{Report: w, Policy: led, Receipt: receipt}}, now); err != nil {
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
	stage := func(w model.WorkloadReport) model.Case {
		return *d.Cases(&model.Report{AsOf: morning.AddDate(0, 0, day), Workloads: []model.WorkloadReport{w}}, said{})[0]
	}
	same, back, barred := stays("2027-04-30", 70), stays("2027-04-30", 70), stays("2027-04-30", 70)
	same.Decision.Commitment.Flips = false
	back.Decision.Commitment.OptionAfter = "now"
	barred.Decision = answers('?').Decision
	barred.Decision.Commitment = same.Decision.Commitment
	near := stays("2027-04-30", 70)
	for _, step := range []struct {
		what string
		days int
		says model.WorkloadReport
		want []Reason
	}{
		{"far away", 6, stays("2027-04-30", 400), nil},
		{"near, and the answer is the same after it", 4, same, nil},
		{"near, and it is the current option after it", 4, back, nil},
		{"near for two days", 2, near, nil},
		{"nothing is known", 2, barred, nil},
		{"and for a third", 1, near, []Reason{Ends}},
		{"as long as it is near", 9, near, nil},
		{"it was prolonged, far away", 4, stays("2028-04-30", 500), nil},
		{"and that comes near too", 4, stays("2028-04-30", 80), []Reason{Ends}},
		{"it ends, and the answer changes", 3, answers('X'), []Reason{Switched}},
	} {
		if got := told(step.days, step.says); !slices.Equal(got, step.want) {
			t.Fatalf("%s: got %v, want %v", step.what, got, step.want)
		}
		if c := stage(step.says); slices.Equal(step.want, []Reason{Ends}) && (c.Stage != model.StageApproaching || c.Option != "X" || c.ActBy != step.says.Decision.Commitment.ActBy) {
			t.Errorf("%s: got the case %+v, want that it comes near", step.what, c)
		}
	}
	if first, last := box.accepted[1], box.accepted[2]; last.Case != first.Case || last.Case == "" {
		t.Errorf("got the cases %q and %q, want the verdict in the thread of the end", first.Case, last.Case)
	}
}
