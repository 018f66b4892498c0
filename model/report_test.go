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
