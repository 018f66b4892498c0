package main

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// TestExplainJointMove computes the receipt of a joint move again in a process without server, configuration and data file: two workloads spend 6,000
// of 10,000 USD that are committed, and cost 3,000 USD elsewhere.
func TestExplainJointMove(t *testing.T) {
	t.Parallel()
	usage := cost.Usage{}
	usage.Tokens[model.Input] = big.NewRat(3e9, 1)
	joint := decide.Joint{
		Account: "provider", Kind: model.JointLeave,
		APIs: []decide.JointAPI{{Option: "api", Account: "provider/api", Prices: &cost.Prices{Input: big.NewRat(1, 1), Output: big.NewRat(1, 1), MinimumCommit: big.NewRat(10_000, 1)}}},
		Members: []decide.Member{
			{Workload: "chat\x1b[31m", Decision: "0514a8524d8c", API: "api", Usage: []cost.Usage{usage}, Option: "own", USD: 1_500, Migration: 750},
			{Workload: "search", Decision: "1514a8524d8c", API: "api", Usage: []cost.Usage{usage}, Option: "own", USD: 1_500.25},
		},
	}
	r := ledger.Receipt{AsOf: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), Engine: "development"}
	if err := r.SetJoint(joint); err != nil {
		t.Fatal(err)
	}
	file, data, _ := explained(t, &r, []string{
		"of what 2 workloads do together with the account provider", "VERDICT: leave it together", "$10,000.00", "$3,000.25", "$6,999.75", "$750.00", "0514a8524d8c", "3.00B", "all the same to the cent",
	})
	mismatch(t, file, data, map[string]*strings.Replacer{
		"what a workload costs elsewhere": strings.NewReplacer(`"USD":1500,`, `"USD":1499,`),
		"what is committed":               strings.NewReplacer(`"MinimumCommit":"10000"`, `"MinimumCommit":"10001"`),
		"the saving":                      strings.NewReplacer(`"saving_usd_per_month":6999.75`, `"saving_usd_per_month":7999.75`),
	})
	for name, tc := range map[string][2]string{
		"another kind":      {`"Kind":"leave"`, `"Kind":"burn"`},
		"an API of nobody":  {`"API":"api"`, `"API":"none"`},
		"a price below 0":   {`"Input":"1"`, `"Input":"-1"`},
		"prices of nothing": {`"Prices":{`, `"Prices":null,"Rest_":{`},
	} {
		writeFile(t, file, strings.Replace(data, tc[0], tc[1], 1))
		if code, _, errs := alone(t, "explain", "--receipt", file); code != exitNotRight || errs == "" || strings.Contains(errs, "panic") {
			t.Errorf("%s: exit %d, %q", name, code, errs)
		}
	}
}
