package daemon

import (
	"math"
	"strings"
	"testing"

	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
	"tipline/model"
)

// TestTiersCountTheAccount has two workloads of 14.6B and 7.3B tokens a month at 3 USD/Mtok, half of it above 10B. Each adds what lies above the tokens
// of the other: 2.7B at 3 USD and 11.9B at 1.5, and all of 7.3B at 1.5. With billed_for: workload each is billed by itself.
func TestTiersCountTheAccount(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.server.Answer(route(func(q promtest.Query) promtest.Answer {
		large := steady(map[string]string{"team_alias": "support"}, 2e7)(q)
		small := steady(map[string]string{"team_alias": "chat"}, 1e7)(q)
		return promtest.Answer{Series: append(large.Series, small.Series...)}
	}, func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	plain := r.text
	tiered := strings.Replace(plain, "cache_read: 3}}", "cache_read: 3}, tiers: {kind: marginal, steps: [{above_tokens: 1e10, times: 0.5}]}}", 1)
	for _, tc := range []struct {
		name, text string
		want       map[string]float64 // USD a month
		others     map[string]model.Tokens
	}{
		{"of the account", tiered, map[string]float64{"support": 2.7e3*3 + 11.9e3*1.5, "chat": 7.3e3 * 1.5}, map[string]model.Tokens{"support": 7.3e9, "chat": 14.6e9}},
		{"of each workload", strings.Replace(tiered, "tiers:", "billed_for: workload, tiers:", 1), map[string]float64{"support": 10e3*3 + 4.6e3*1.5, "chat": 7.3e3 * 3}, nil},
		{"without tiers", plain, map[string]float64{"support": 14.6e3 * 3, "chat": 7.3e3 * 3}, nil},
	} {
		r.text = tc.text
		r.start(t)
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range tc.want {
			w := workload(t, report, name)
			o := w.Options[0]
			if got := float64(o.USDPerMonth.P50); math.Abs(got-want) > 1e-2*want { // the projection is within a percent
				t.Errorf("tiers %s, %s: got %v USD, want %v", tc.name, name, got, want)
			}
			others := tc.others[name]
			if (o.Account == nil) != (others == 0) {
				t.Fatalf("tiers %s, %s: got %+v beside it, want %v tokens", tc.name, name, o.Account, others)
			}
			if o.Account != nil && (len(o.Account.Workloads) != 1 || o.Account.Workloads[0].Workload == name || math.Abs(float64(o.Account.TokensPerMonth/others)-1) > 1e-2) {
				t.Errorf("tiers %s, %s: got %+v beside it, want the %v tokens of the other", tc.name, name, o.Account, others)
			}
			row, err := r.Receipt(w.Decision.ID)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := ledger.Open(row)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts == 0 {
				t.Errorf("tiers %s, %s, computed again: %d amounts, %v, %v", tc.name, name, c.Amounts, c.Differences, err)
			}
			if strings.Contains(string(receipt.Inputs), "Others") != (others > 0) {
				t.Errorf("tiers %s, %s: the receipt has %s", tc.name, name, receipt.Inputs)
			}
		}
	}
}
