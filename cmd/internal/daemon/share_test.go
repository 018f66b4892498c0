package daemon

import (
	"math"
	"net/http"
	"slices"
	"testing"

	"tipline/collector/promtest"
)

// TestSharedFleetIsFound holds that two workloads which cost 17,520 USD a month each on the API, and which one fleet of 21,038 USD
// serves together, are shown that; with one of them unknown there is nothing to share.
func TestSharedFleetIsFound(t *testing.T) {
	t.Parallel()
	gateway, engines := steady(map[string]string{"team_alias": "support"}, 8e6), steady(map[string]string{"model_name": "llama"}, 8e6)
	r := newRig(t, route(gateway, engines))
	report := r.days(t, 1)
	if len(report.SharedFleets) != 1 {
		t.Fatalf("got %+v, want one shared fleet", report.SharedFleets)
	}
	f := report.SharedFleets[0]
	if f.Option != "fleet" || !slices.Equal(f.Workloads, []string{"llama", "support"}) || f.Replicas != 2 || math.Abs(float64(f.USDPerMonth)-21_037.8) > 0.01 {
		t.Errorf("got %+v, want llama and support on two replicas", f)
	}
	if math.Abs(float64(f.AloneUSDPerMonth)-35_040) > 1_500 {
		t.Errorf("alone: got %v USD a month, want about 35,040", f.AloneUSDPerMonth)
	}
	down := func(promtest.Query) promtest.Answer { return promtest.Status(http.StatusServiceUnavailable, "stopped") }
	r.server.Answer(route(gateway, down))
	if report, err := r.Cycle(t.Context()); err == nil || report.SharedFleets == nil || len(report.SharedFleets) != 0 {
		t.Errorf("a source is down: got %+v, %v, want none to share with", report.SharedFleets, err)
	}
}
