package model

import (
	"testing"
	"time"
)

func TestCaseText(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 11, 6, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		c    Case
		want string
	}{
		{Case{Stage: StageWatching}, "watching"},
		{Case{Stage: StageApproaching, Option: "own", ActBy: "2026-12-20"}, "approaching: own, act by 20 Dec 2026"},
		{Case{Stage: StageAnnounced, Option: "own", Since: day}, "announced: own, confirmed 11 Nov 2026"},
		{Case{Stage: StageAnnounced, Since: day}, "announced, confirmed 11 Nov 2026"},
		{Case{Stage: StageMigrating, Option: "own", Since: day}, "in migration: own, confirmed 11 Nov 2026"},
		{Case{Stage: StageVerifying, Option: "api", Since: day}, "verifying: left api on 11 Nov 2026"},
		{Case{Stage: StageUnstable, Option: "own", Other: "api", Since: day}, "unstable: between api and own, since 11 Nov 2026"},
		{Case{Stage: StageUnstable, Option: "own", Since: day}, "unstable: between no option and own, since 11 Nov 2026"},
		{Case{Stage: StageDeclined, Option: "own", Until: "2027-03-01"}, "declined: own until 1 Mar 2027"},
	} {
		if got := tc.c.Text(); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.c, got, tc.want)
		}
	}
}

func TestApart(t *testing.T) {
	t.Parallel()
	options := []OptionCost{
		{Option: "api", USDPerMonth: &Quantiles[USD]{P10: 13_617, P50: 15_459, P90: 17_622}}, {Option: "own", USDPerMonth: &Quantiles[USD]{P10: 15_090, P50: 15_210, P90: 15_350}}, {Option: "dear"},
	}
	for other, want := range map[string]string{"own": "$200 a month lie between them", "dear": "", "": ""} {
		if got, back := Apart(options, "api", other), Apart(options, other, "api"); got != want || back != want {
			t.Errorf("api and %q: got %q, and the other way round %q, want %q", other, got, back, want)
		}
	}
}
