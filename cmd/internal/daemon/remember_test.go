package daemon

import (
	"testing"

	"tipline/cmd/internal/ledger"
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
