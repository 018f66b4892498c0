package daemon

import (
	"encoding/json"
	"testing"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/drift"
	"tipline/model/forecast"
)

// TestProjectionsAreGraded runs the daemon for two weeks: what it projected is kept in the ledger and graded as it is measured.
func TestProjectionsAreGraded(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e7), nothingMeasured))
	r.daily(t, 1)
	if s := r.Report().Workloads[0].Forecast.Scores; s == nil || len(s) > 0 {
		t.Errorf("on the first day: got %+v, want an empty record", s)
	}
	r.daily(t, 14)
	scores := r.Report().Workloads[0].Forecast.Scores
	if len(scores) != 1 || scores[0].Days != 7 || scores[0].Graded < 1 || scores[0].ErrorRatio > 0.05 || scores[0].Coverage95 != 1 {
		t.Errorf("got %+v, want projections of a week that a steady load bears out", scores)
	}
	if row, err := r.store.Get(ledger.Bucket, scored+r.Report().Workloads[0].Workload); err != nil || len(row) == 0 || len(row) > 16<<10 {
		t.Errorf("the record takes %d bytes, %v", len(row), err)
	}
}

// TestForget holds that what is kept of workloads goes when they have been gone for long, whatever else the ledger holds.
func TestForget(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e7), nothingMeasured))
	now := opening.AddDate(1, 0, 0)
	at := func(days int) (past, readings []byte) {
		origin := now.AddDate(0, 0, -days)
		past, _ = json.Marshal([]forecast.Past{{Origin: origin.AddDate(0, 0, -30), Days: 7}, {Origin: origin, Days: 7}})
		readings, _ = json.Marshal(drift.Readings{}.With(origin, map[string]float64{drift.TTFT: 1}))
		return past, readings
	}
	rows := map[string][]byte{}
	for name, days := range map[string]int{"gone": 200, "away": 100, "here": 200, "new": 1} {
		rows[scored+name], rows[seen+name] = at(days)
	}
	rows[scored+"broken"], rows["other/gone"] = []byte("{"), []byte("x")
	if err := r.store.Apply(map[string]map[string][]byte{ledger.Bucket: rows}); err != nil {
		t.Fatal(err)
	}
	report := &model.Report{Workloads: []model.WorkloadReport{{Workload: "here"}}}
	for range 2 {
		if err := r.forget(report, now); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{
		scored + "gone": false, seen + "gone": false, scored + "away": true, seen + "away": false, scored + "here": true, seen + "here": true,
		scored + "new": true, seen + "new": true, scored + "broken": false, "other/gone": true,
	} {
		if row, err := r.store.Get(ledger.Bucket, key); err != nil || (row != nil) != want {
			t.Errorf("%s: kept %v, %v, want %v", key, row != nil, err, want)
		}
	}
}
