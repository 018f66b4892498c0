package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestContracts holds that what is agreed upon for several options is in each of them, with its source and its end, and that each keeps what is its own.
func TestContracts(t *testing.T) {
	t.Parallel()
	c := parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")+`  - {name: large, kind: api, model: openai/gpt-5, tiers: {kind: marginal, steps: [{above_tokens: 1e9, times: 0.8}]}}
  - {name: own, kind: api, prices: {input: 1, output: 2}, discount: 0.3}
  - {name: small, kind: api, model: openai/gpt-5-mini}
contracts:
  - {name: provider, options: [large, own], minimum_commit_usd_per_month: 20000, until: 2027-06-30, credits: {usd_per_month: 500, until: 2027-03-31}}
  - {name: cheaper, options: [small], discount: 0.1, discount_until: 2027-12-31}
`)
	for name, account := range map[string]string{"large": "provider/openai/gpt-5", "own": "provider/own"} {
		o := option(t, c, name)
		if o.Contract != "provider" || o.Account != account || o.API.MinimumCommit.Cmp(rat("20000")) != 0 || o.Credits.USDPerMonth.Cmp(rat("500")) != 0 ||
			!o.Committed.Until.Equal(time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: got %+v, want the commitment of 20,000 USD until 30 June 2027 and the credits", name, o)
		}
		if last := o.Prices[len(o.Prices)-1]; last.Field != "minimum_commit" || last.Value != "20000" || last.Source != here {
			t.Errorf("%s: got %+v, want where the commitment is from", name, last)
		}
	}
	if own := option(t, c, "own").API; own.Discount.Cmp(rat("0.3")) != 0 {
		t.Errorf("got %+v, want its own discount", own)
	}
	// A discount is no reason to count what others use.
	small := option(t, c, "small")
	if small.Contract != "" || small.Account != "" || small.API.Discount.Cmp(rat("0.1")) != 0 || small.Committed != nil {
		t.Errorf("got %+v, want a discount of a tenth alone", small)
	}
	if then := small.TariffAt(time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)); then.API.Discount != nil {
		t.Errorf("got %+v, want no discount after 2027", then.API)
	}
	if moves := small.TariffAt(time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)); moves.API.Discount == nil {
		t.Error("got no discount on its last day")
	}
}

// TestContractTiers holds that the tiers of a contract are those of each of its options, with a row for every step of its.
func TestContractTiers(t *testing.T) {
	t.Parallel()
	c := parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")+`  - {name: large, kind: api, model: openai/gpt-5, tiers: {kind: marginal, steps: [{above_tokens: 1e9, times: 0.8}]}}
  - {name: own, kind: api, prices: {input: 1, output: 2}, discount: 0.3}
  - {name: small, kind: api, model: openai/gpt-5-mini}
contracts:
  - {name: provider, options: [large, own], tiers: {kind: marginal, steps: [{above_usd: 50000, discount: 0.05}, {above_usd: 200000, discount: 0.1}]}}
  - {name: counted, options: [small], tiers: {kind: all_units, steps: [{above_tokens: 1e12, discount: 0.2}]}}
`)
	for name, want := range map[string]struct {
		account, scale string
		rows           []string
	}{
		"large": {"provider/openai/gpt-5", "[{50000/1 1/20} {200000/1 1/10}] false false", []string{"contract above 50000 USD.discount 0.05 share", "contract above 200000 USD.discount 0.1 share"}},
		"own":   {"provider/own", "[{50000/1 1/20} {200000/1 1/10}] false false", []string{"contract above 50000 USD.discount 0.05 share", "contract above 200000 USD.discount 0.1 share"}},
		"small": {"counted/openai/gpt-5-mini", "[{1000000000000/1 1/5}] true true", []string{"contract above 1000000000000 tokens.discount 0.2 share"}},
	} {
		o := option(t, c, name)
		if s := o.API.Scale; o.Account != want.account || s == nil || fmt.Sprint(s.Steps, s.ByTokens, s.AllUnits) != want.scale {
			t.Errorf("%s: got %s and %+v, want %s and %s", name, o.Account, s, want.account, want.scale)
		}
		var rows []string
		for _, p := range o.Prices {
			if strings.HasPrefix(p.Field, "contract") && p.Source == here {
				rows = append(rows, p.Field+" "+p.Value+" "+p.Unit)
			}
		}
		if !slices.Equal(rows, want.rows) {
			t.Errorf("%s: got the rows %q, want %q", name, rows, want.rows)
		}
	}
}

// TestContractsHaveAccountsOfTheirOwn holds that the name of a contract does not put what it does not cover on its bill.
func TestContractsHaveAccountsOfTheirOwn(t *testing.T) {
	t.Parallel()
	const tiers = "tiers: {kind: marginal, steps: [{above_tokens: 1e9, times: 0.8}]}"
	for name, tc := range map[string]struct{ contract, covered, other string }{
		"that of a listed price": {"openai", "{name: gpt-5, kind: api, prices: {input: 1, output: 2}}", "{name: listed, kind: api, model: openai/gpt-5, " + tiers + "}"},
		"that of another option": {"azure", "{name: gpt-5, kind: api, prices: {input: 1, output: 2}}", "{name: azure, kind: api, prices: {input: 1, output: 2}, " + tiers + "}"},
	} {
		text := fleetConfig("{usd_per_hour: 4}", "{included: true}") + "  - " + tc.covered + "\n  - " + tc.other + `
contracts:
  - {name: ` + tc.contract + `, options: [gpt-5], minimum_commit_usd_per_month: 20000}
`
		_, err := Parse("tipline.yml", []byte(text), packs...)
		if err == nil || !strings.Contains(err.Error(), "contracts[0].name: \""+tc.contract+"\" names the account of ") {
			t.Errorf("%s: got %v, want that the contract needs another name", name, err)
		}
	}
}
