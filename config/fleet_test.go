package config

import (
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// fleetConfig is a fleet whose gpu and operations sections are given.
func fleetConfig(gpu, operations string) string {
	return `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options:
  - name: fleet
    kind: self-hosted
    gpu: ` + gpu + `
    throughput: {tokens_per_hour: 1000000}
    operations: ` + operations + `
    migration_usd: 1000
`
}

// TestFleetTerms holds that what a fleet costs can be given by what it is made of: the numbers are those of the cost model,
// sections 4.1, 4.7 and 4.8, and cases fit-01 and ops-01.
func TestFleetTerms(t *testing.T) {
	t.Parallel()
	const terms = `{terms: {engineer_month_usd: 20000, build_engineer_months: 1.5, build_amortized_over_months: 12, run_engineers: 0.25,
      driver_updates_per_year: 4, driver_update_days: 2, model_updates_per_year: 4, model_update_days: 3, tooling_usd_per_month: 300}}`
	c := parse(t, fleetConfig(`{usd_per_hour: 4, memory: {params_billion: 70.6, bytes_per_param: 1, kv_bytes_per_token: 327680, concurrent_tokens: 64000, gpu_gb: 80},
      spot: {usd_per_hour: 1, over_provisioned: 0.5, fallback: 0.25, redone: 0.1}}`, terms))
	o := option(t, c, "fleet")
	// (1 − 0.25)·1·1.5 + 0.25·4 = 2.125 USD a GPU-hour, for two GPUs.
	if got := o.Capacity.BlockCostPerHour; got.Cmp(rat("4.25")) != 0 {
		t.Errorf("an hour of a replica: got %s USD, want 4.25", got.FloatString(4))
	}
	if o.Spot == nil || o.Spot.Redone.Cmp(rat("0.1")) != 0 {
		t.Errorf("work done again: got %+v, want a tenth", o.Spot)
	}
	if got := o.Capacity.FixedMonthly; got.Cmp(rat("591400/63")) != 0 {
		t.Errorf("operations: got %s USD a month, want 591400/63", got.RatString())
	}
	if got := o.MigrationCost; got.Cmp(rat("1000")) != 0 {
		t.Errorf("building that is spread is not paid up front too: got %s USD, want 1000", got.RatString())
	}
	var fields []string
	for _, p := range o.Prices {
		fields = append(fields, p.Field)
	}
	for _, want := range []string{"GPUs of a replica", "spot", "done again", "operations: build", "operations: model updates"} {
		if !strings.Contains(strings.Join(fields, "\n"), want) {
			t.Errorf("no price row for %q among %q", want, fields)
		}
	}

	upfront := option(t, parse(t, fleetConfig("{usd_per_hour: 4}", strings.Replace(terms, "build_amortized_over_months: 12, ", "", 1))), "fleet")
	if got := upfront.MigrationCost; got.Cmp(rat("31000")) != 0 {
		t.Errorf("building up front: got %s USD to move, want 31000", got.RatString())
	}
	if got, want := upfront.Capacity.FixedMonthly, rat("591400/63"); got.Cmp(want.Sub(want, rat("2500"))) != 0 {
		t.Errorf("building up front: got %s USD a month, want 2500 less than spread", got.RatString())
	}
	if upfront.Hosting != model.SelfHosted || upfront.Spot != nil {
		t.Errorf("got %+v, want a fleet on demand", upfront)
	}
}

// TestCommitted holds that a commitment ends with its last day, and that a plan without an amount leaves that to the decision.
func TestCommitted(t *testing.T) {
	t.Parallel()
	text := fleetConfig("{usd_per_hour: 4}", "{included: true}")
	all := option(t, parse(t, text+"    committed: {until: 2027-06-30}\n"), "fleet").Committed
	if all == nil || !all.Until.Equal(time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)) || all.USDPerMonth != nil {
		t.Errorf("got %+v, want all of it until 1 July 2027", all)
	}
	part := option(t, parse(t, text+"    committed: {until: 2027-06-30, usd_per_month: 12000}\n"), "fleet").Committed
	if part == nil || part.USDPerMonth.Cmp(rat("12000")) != 0 {
		t.Errorf("got %+v, want 12000 USD a month", part)
	}
	if o := option(t, parse(t, text), "fleet"); o.Committed != nil {
		t.Errorf("got %+v, want no commitment", o.Committed)
	}
}

// TestTiers holds that tiers are read as multiples and as prices, with or without a price book, and shown among the prices.
func TestTiers(t *testing.T) {
	t.Parallel()
	c := parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")+`  - name: api
    kind: api
    prices: {input: 1, output: 2}
    tiers:
      kind: all_units
      steps:
        - {above_tokens: 5000000000, times: 0.9}
        - {above_tokens: 20000000000, prices: {input: 0.5, output: 1, origin: {source: annex 3}}}
  - {name: listed, kind: api, model: openai/gpt-5-mini, tiers: {kind: marginal, steps: [{above_tokens: 1e9, times: 0.8}]}}
`)
	api, listed := option(t, c, "api"), option(t, c, "listed").API
	if tiers := api.API.Tiers; !api.API.AllUnits || len(tiers) != 2 || tiers[0].Above.Cmp(rat("5e9")) != 0 || tiers[0].Times.Cmp(rat("0.9")) != 0 ||
		tiers[1].Times != nil || tiers[1].Prices.Output.Cmp(rat("1")) != 0 {
		t.Errorf("got %+v, want a tenth less above 5B and other prices above 20B", api.API)
	}
	// Whose tokens they count: of a provider's account, of the option, of nobody but each workload.
	for text, want := range map[string]string{
		"": "", ", tiers: {kind: marginal, steps: [{above_tokens: 1e9, times: 0.8}]}": "openai/gpt-5-mini",
		", minimum_commit_usd_per_month: 500": "openai/gpt-5-mini", ", minimum_commit_usd_per_month: 0": "",
		", prices: {input: 1, output: 2}, minimum_commit_usd_per_month: 500": "a", ", billed_for: workload, minimum_commit_usd_per_month: 500": "",
		", billed_for: account, minimum_commit_usd_per_month: 500": "openai/gpt-5-mini",
	} {
		if got := option(t, parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")+"  - {name: a, kind: api, model: openai/gpt-5-mini"+text+"}\n"), "a").Account; got != want {
			t.Errorf("a%s: got the account %q, want %q", text, got, want)
		}
	}
	if listed.AllUnits || len(listed.Tiers) != 1 || listed.Tiers[0].Above.Cmp(rat("1e9")) != 0 {
		t.Errorf("got %+v, want a marginal tier on the prices of the book", listed)
	}
	shown := map[string]string{}
	for _, p := range api.Prices {
		shown[p.Field] = p.Value + " " + p.Unit + ", " + p.Source
	}
	for field, want := range map[string]string{"above 5000000000.times": "0.9 times, configuration", "above 20000000000.input": "0.5 USD/Mtok, annex 3"} {
		if shown[field] != want {
			t.Errorf("%s: got %q, want %q", field, shown[field], want)
		}
	}
}

// TestBatchApart holds that a hybrid may be made of an option for what cannot wait and one for what can.
func TestBatchApart(t *testing.T) {
	t.Parallel()
	c := parse(t, fleetConfig("{usd_per_hour: 4}", "{included: true}")+`  - {name: api, kind: api, prices: {input: 1, output: 2}, regions: [eu], approved_for_regulated: true}
  - {name: spot, kind: hybrid, interactive: api, batch: fleet}
  - {name: valleys, kind: hybrid, interactive: fleet, batch: api, fill_valleys: true}
`)
	spot, valleys := option(t, c, "spot"), option(t, c, "valleys")
	if !spot.Apart || spot.FillValleys || spot.Base != "api" || spot.Overflow != "fleet" || len(spot.Prices) != len(option(t, c, "api").Prices)+len(option(t, c, "fleet").Prices) {
		t.Errorf("got %+v, want the fleet for what can wait", spot)
	}
	if !valleys.Apart || !valleys.FillValleys || valleys.Base != "fleet" || valleys.Overflow != "api" {
		t.Errorf("got %+v, want the fleet's valleys filled", valleys)
	}
}

// TestAnnouncedPrices holds that a change is read with its first day, as a multiple or as prices, and shown among the prices.
func TestAnnouncedPrices(t *testing.T) {
	t.Parallel()
	text := fleetConfig("{usd_per_hour: 4}", "{included: true}") + `    announced_prices: [{from: 2027-01-01, times: 1.25}]
  - name: api
    kind: api
    prices: {input: 1, output: 2}
    announced_prices: [{from: 2027-02-01, prices: {input: 3, output: 4}}]
`
	c := parse(t, text)
	fleet, api := option(t, c, "fleet").Announced, option(t, c, "api").Announced
	if len(fleet) != 1 || fleet[0].Times.Cmp(rat("1.25")) != 0 || !fleet[0].From.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v, want a quarter more from New Year on", fleet)
	}
	if len(api) != 1 || api[0].Times != nil || api[0].API == nil || api[0].API.Output.Cmp(rat("4")) != 0 {
		t.Errorf("got %+v, want other prices", api)
	}
	for _, name := range []string{"fleet", "api"} {
		found := false
		for _, p := range option(t, c, name).Prices {
			found = found || strings.HasPrefix(p.Item, name+" from 2027-")
		}
		if !found {
			t.Errorf("%s: the announced prices are not among %+v", name, option(t, c, name).Prices)
		}
	}
}
