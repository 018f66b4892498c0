package model

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

func TestAccountUseText(t *testing.T) {
	t.Parallel()
	tokens := AccountUse{
		Account: "api", TokensPerMonth: 12e9, Workloads: []AccountShare{{"chat", 8e9}, {"search", 2e9}, {"mail", 1e9}, {"docs", 5e8}}, More: 1, From: "their projections",
	}
	contract := AccountUse{Account: "provider/api", Contract: "provider", ElsewhereUSDPerMonth: 7_300, From: "their projections"}
	both := tokens
	both.Contract, both.ElsewhereUSDPerMonth = "provider", 7_300
	const (
		of    = "use 12.0B tokens a month of the account of haiku (chat 8.00B, search 2.00B, mail 1.00B, 2 more)"
		spend = "spend $7,300 a month on other models under the contract provider"
	)
	for want, use := range map[string]AccountUse{
		"other workloads " + of + ": its cost is what this workload adds to that bill; their tokens are those of their projections":                                  tokens,
		"other workloads " + spend + ": its cost is what this workload adds to the bill of the contract; their tokens are those of their projections":                contract,
		"other workloads " + of + " and " + spend + ": its cost is what this workload adds to the bill of the contract; their tokens are those of their projections": both,
	} {
		if got := use.Text("haiku"); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// TestIntervalJSON holds that an interval without an end says null there, and that what is written is read again.
func TestIntervalJSON(t *testing.T) {
	t.Parallel()
	const want = `[{"from_exclusive":0,"to_inclusive":1.5e+21},{"from_exclusive":2e+21,"to_inclusive":null}]`
	intervals := []Interval{{0, 1.5e21}, {2e21, End(math.Inf(1))}}
	data, err := json.Marshal(intervals)
	if err != nil || string(data) != want {
		t.Fatalf("wrote %s, %v, want %s", data, err, want)
	}
	var got []Interval
	if err := json.Unmarshal(data, &got); err != nil || !slices.Equal(got, intervals) {
		t.Errorf("read %v, %v, want %v", got, err, intervals)
	}
	if err := json.Unmarshal([]byte(`[{"to_inclusive":"far"}]`), &got); err == nil {
		t.Errorf("a text as an end: got %v, want an error", got)
	}
}

// TestLoadText holds that what was measured of how a workload loads what serves it is said, and nothing of what was not.
func TestLoadText(t *testing.T) {
	t.Parallel()
	all := UsageSummary{
		PeakFactor: new(2.8432), CacheReadRatio: new(Fraction(0.123)), EconomicUtilization: new(Fraction(0.43)), GPUCount: new(1.75), GPUCountNobodys: new(0.25),
		GPUCountUnsure: []string{"mig", "shared"}, GPUUtilizationRatio: new(Fraction(0.97)), ErrorRatio: new(Fraction(0.004)), RetryRatio: new(Fraction(0.031)),
	}
	for want, u := range map[string]UsageSummary{
		"the busiest hour of the last full weeks has 2.84 times the tokens of the mean one; 12% of the tokens are read from a cache; its fleet serves 43% of what it could; " +
			"1.75 GPUs (unsure: mig, shared) and 0.25 of nobody's, busy 97% of the time; of the requests of the last day 0.4% failed and 3.1% were sent again": all,
		"1 GPU": {GPUCount: new(1.0)},
		"of the requests of the last day 0% were sent again": {RetryRatio: new(Fraction(0))},
		"": {},
	} {
		if got := u.LoadText(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
