package decide

import (
	"math"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// TestTariffByHand prices 10B tokens a month of which a tenth are of long prompts and a quarter of the rest can wait, at 2 USD/Mtok, 1 in
// batches and 4 for long prompts: 0.9·0.75·2 + 0.9·0.25·1 + 0.1·4 = 1.975 USD/Mtok, with an uplift of 10 % and a discount of 20 % 1.738.
func TestTariffByHand(t *testing.T) {
	t.Parallel()
	in := input(projection(1e10*720/730, 0, 0), four("2")[:1])
	api := in.Options[0].API
	api.BatchInput, api.BatchOutput, api.Uplift, api.Discount = rat("1"), rat("1"), rat("0.1"), rat("0.2")
	long := *api
	long.Input, long.Output = rat("4"), rat("4")
	api.Long = &long
	in.Constraints.BatchShare, in.Constraints.LongShare = rat("0.25"), rat("0.1")
	in.Options[0].Credits = &Credits{Until: in.Forecast.Origin.AddDate(0, 1, 0), USDPerMonth: rat("500")}
	priced := func() model.OptionCost { return Decide(in).Options[0] }
	codes := func(o model.OptionCost) (all []string) {
		for _, w := range o.Warnings {
			all = append(all, w.Code)
		}
		return all
	}
	o := priced()
	if math.Abs(float64(o.USDPerMonth.P50)-17_380) > 0.01 {
		t.Errorf("got %v USD, want 17,380", o.USDPerMonth.P50)
	}
	checkParts(t, o)
	names := map[string]bool{}
	for _, p := range o.Parts {
		if names[p.Name] {
			t.Errorf("two parts are called %s", p.Name)
		}
		names[p.Name] = true
	}
	if !names["input tokens"] || !names["input tokens (batch)"] || !names["output tokens (long prompts)"] {
		t.Errorf("got parts %v, want each price by itself", names)
	}
	if got := codes(o); len(got) != 2 || got[0] != "BATCH_PRICES" || got[1] != "FREE_CREDITS" {
		t.Errorf("got warnings %v, want what is deferrable and what is free", got)
	}
	if o.CreditsUSDPerMonth == nil || *o.CreditsUSDPerMonth != 500 {
		t.Errorf("got credits %v beside the cost, want 500", o.CreditsUSDPerMonth)
	}
	in.Options[0].Credits = &Credits{Until: in.Forecast.Origin.Add(time.Hour), USDPerMonth: rat("1000000")}
	if got := priced().CreditsUSDPerMonth; got == nil || math.Abs(float64(*got)-17_380) > 0.01 {
		t.Errorf("got credits %v, want no more than the bill", got)
	}
	in.Options[0].Credits.Until = in.Forecast.Origin
	if got := priced().CreditsUSDPerMonth; got != nil {
		t.Errorf("got credits of %v after their end", *got)
	}
	in.Constraints.LongShare = nil
	if got := codes(priced()); len(got) != 2 || got[1] != "LONG_CONTEXT_UNKNOWN" {
		t.Errorf("got warnings %v, want the share of long prompts to be unknown", got)
	}
	in.Constraints.Batch = true // 1 USD/Mtok
	if got := priced().USDPerMonth.P50; math.Abs(float64(got)-8_800) > 0.01 {
		t.Errorf("all of it deferrable: got %v USD, want 8,800", got)
	}
}

// TestProvisionedByHand has units of 2,500 input tokens a minute at 1 USD an hour. At half input, a quarter read from a cache and a
// quarter output, which counts fourfold, a unit serves 60 · 2,500 / (0.5 + 0.25·4) = 100,000 tokens an hour or 73M a month: 100 of
// them serve 7.3B. Tokens that are not read from the cache any more are input: then 60 · 2,500 / 1.75 are served, by 117 units.
func TestProvisionedByHand(t *testing.T) {
	t.Parallel()
	f := projection(7.3e9*720/730, 0, 0)
	mix := &f.Next[model.Next30d].Mix
	mix[model.Input], mix[model.CacheRead], mix[model.Output] = 0.5, 0.25, 0.25
	in := input(f, append(four("3"), Option{
		Name: "units", Hosting: model.CloudManaged, Provisioned: &Provisioned{InputPerMinute: rat("2500"), OutputWeight: rat("4")},
		Capacity: &cost.Capacity{BlockCostPerHour: rat("1"), PeakFactor: rat("1")},
	}))
	if o := Decide(in).Options[4]; o.Infeasible != "" || *o.Replicas != 100 || math.Abs(float64(o.USDPerMonth.P50)-73_000) > 0.01 || len(o.Warnings) != 0 {
		t.Errorf("got %+v, want 100 units for 73,000 USD", o)
	}
	mix[model.Input], mix[model.CacheRead] = 0.75, 0
	if o := Decide(in).Options[4]; *o.Replicas != 117 {
		t.Errorf("without a cache: got %d units, want 117", *o.Replicas)
	}
	mix[model.Input], mix[model.CacheRead], mix[model.Output] = 0, 1, 0
	if o := Decide(in).Options[4]; o.USDPerMonth != nil || o.Infeasible == "" {
		t.Errorf("everything from the cache: got %+v, want no cost rather than none to pay", o)
	}
	in.Options[2].Base = "units"
	mix[model.Input], mix[model.CacheRead], mix[model.Output] = 0.5, 0.25, 0.25
	if o := Decide(in).Options[2]; o.Infeasible != "" || *o.Replicas == 0 {
		t.Errorf("a base of units with the rest by the token: got %+v, want a cost", o)
	}
}

// TestSharesMove holds that a changed share of long or deferrable work is told as a change of price, and the parts sum to it.
func TestSharesMove(t *testing.T) {
	t.Parallel()
	before := input(projection(1e10, 0, 0), four("2")[:1])
	before.Options[0].API.BatchInput, before.Options[0].API.BatchOutput = rat("1"), rat("1")
	after := before
	after.Constraints.BatchShare = rat("0.5")
	m, err := Moved(before, after, "api")
	if err != nil || len(m.Cost.Parts) != 1 || m.Cost.Parts[0].Input != "price" || math.Abs(float64(m.Cost.Parts[0].USDPerMonth-m.Cost.ChangeUSDPerMonth)) > 1e-6 ||
		math.Abs(float64(m.Cost.ChangeUSDPerMonth)+5000*730.0/720) > 0.01 {
		t.Errorf("got %+v, %v, want half of the tokens at half the price", m, err)
	}
}
