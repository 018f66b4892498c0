package daemon

import "testing"

// TestDroppedTrafficIsNoWorkload holds that what a stanza drops is neither evaluated nor priced, that it counts as claimed, and that the source says so.
func TestDroppedTrafficIsNoWorkload(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "load-test"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.text += "workloads:\n  - {match: {team_alias: load-test}, drop: true}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 1)
	if len(report.Workloads) != 1 || report.Workloads[0].Workload != "llama" {
		t.Errorf("got %+v, want llama alone", report.Workloads)
	}
	for _, s := range report.Sources {
		want := map[string]int{"gateway": 1}[s.Source]
		if s.Dropped != want || s.UnattributedTokensRatio == nil || *s.UnattributedTokensRatio != 0 {
			t.Errorf("source %s: got %d series dropped and a share of %v in no workload, want %d and 0", s.Source, s.Dropped, s.UnattributedTokensRatio, want)
		}
	}
	if err := r.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Report().Workloads; len(got) != 1 {
		t.Errorf("after a collection: got %+v, want llama alone", got)
	}
}
