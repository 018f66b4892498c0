package alerting

import (
	"testing"
	"time"

	"tipline/model"
)

// TestPromise holds that a move that was made as advised is held to what it was to save: told once when it saves less than half of that in as
// many evaluations in a row as a verdict takes, and not while both options are still paid for or nothing is known.
func TestPromise(t *testing.T) {
	t.Parallel()
	moving := answers('X')
	moving.Decision.SavingUSDPerMonth = &model.Quantiles[model.USD]{P50: 500}
	// moved is an evaluation of the workload on X, which costs that much less than what it was on; nil: what it was on has no cost any more.
	moved := func(saves *model.USD) model.WorkloadReport {
		w := evaluation("X", 1000, 1000, 2000)
		w.Current, w.Decision.Recommendation, w.Decision.Option = "X", model.Stay, "X"
		for i, o := range w.Options {
			switch {
			case o.Option == "now" && saves == nil:
				w.Options[i].USDPerMonth = nil
			case o.Option == "X" && saves != nil:
				w.Options[i].USDPerMonth = &model.Quantiles[model.USD]{P50: 1000 - *saves}
			}
		}
		return w
	}
	unknown := func() model.WorkloadReport { // the costs are those of history
		w := moved(new(model.USD(-900)))
		w.Decision = model.Decision{ID: "0123456789ab", Recommendation: model.Unknown, Reason: model.ReasonUnknown}
		return w
	}
	for _, tc := range []struct {
		name string
		days []*model.USD // what the move saves from two weeks after it on, a day each; nil: not known
		want []model.USD  // told
	}{
		{"it holds", []*model.USD{new(model.USD(480)), new(model.USD(260)), new(model.USD(600)), new(model.USD(300))}, nil},
		{"it saves little", []*model.USD{new(model.USD(480)), new(model.USD(200)), new(model.USD(200)), new(model.USD(190)), new(model.USD(100))}, []model.USD{190}},
		{"it costs more", []*model.USD{new(model.USD(-50)), new(model.USD(-50)), new(model.USD(-50))}, []model.USD{-50}},
		{"for two days in a row only", []*model.USD{new(model.USD(1)), new(model.USD(1)), new(model.USD(400)), new(model.USD(1))}, nil},
		{"with days between of which nothing is known", []*model.USD{new(model.USD(1)), nil, new(model.USD(1)), nil, new(model.USD(1))}, []model.USD{1}},
	} {
		store, box := &memory{}, &mailbox{name: "box"}
		day := 0
		live := func(w model.WorkloadReport) {
			d := newDesk(t, store, box)
			now := morning.AddDate(0, 0, day)
			if _, err := d.Consider([]Judged{{Report: w, Policy: policy, Receipt: receipt}}, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, d, now, now.Add(time.Hour))
			day++
		}
		for range 3 {
			live(moving)
		}
		for range 14 {
			live(moved(new(model.USD(-100))))
		}
		if len(box.accepted) != 1 || box.accepted[0].Reason != FirstSeen {
			t.Fatalf("%s: got %d messages before it counts, want the advice", tc.name, len(box.accepted))
		}
		for range 4 {
			live(unknown())
		}
		if o := newDesk(t, store).Outcomes(&model.Report{Workloads: []model.WorkloadReport{unknown()}}); len(o) != 0 {
			t.Errorf("%s: got %+v while nothing is known", tc.name, o)
		}
		for _, saves := range tc.days {
			live(moved(saves))
		}
		var got []model.USD
		for _, e := range box.accepted[1:] {
			if e.Reason != Reopened || e.Outcome.Promised != 500 || e.Outcome.From != "now" || !e.Outcome.Made.Equal(morning.AddDate(0, 0, 3)) {
				t.Errorf("%s: got %+v", tc.name, e)
				continue
			}
			got = append(got, e.Outcome.Saves)
		}
		if len(got) != len(tc.want) || len(got) > 0 && got[0] != tc.want[0] {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
		if o := newDesk(t, store).Outcomes(&model.Report{Workloads: []model.WorkloadReport{moved(new(model.USD(123)))}}); len(o) != 1 || o["support"].Saves != 123 {
			t.Errorf("%s: got the outcome %+v, want 123 a month", tc.name, o)
		}
	}
}
