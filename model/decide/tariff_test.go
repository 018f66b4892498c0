package decide

import (
	"math"
	"testing"
	"time"

	"tipline/model"
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
	cost := func() model.OptionCost { return Decide(in).Options[0] }
	codes := func(o model.OptionCost) (all []string) {
		for _, w := range o.Warnings {
			all = append(all, w.Code)
		}
		return all
	}
	o := cost()
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
	if got := cost().CreditsUSDPerMonth; got == nil || math.Abs(float64(*got)-17_380) > 0.01 {
		t.Errorf("got credits %v, want no more than the bill", got)
	}
	in.Options[0].Credits.Until = in.Forecast.Origin
	if got := cost().CreditsUSDPerMonth; got != nil {
		t.Errorf("got credits of %v after their end", *got)
	}
	in.Constraints.LongShare = nil
	if got := codes(cost()); len(got) != 2 || got[1] != "LONG_CONTEXT_UNKNOWN" {
		t.Errorf("got warnings %v, want the share of long prompts to be unknown", got)
	}
	in.Constraints.Batch = true // 1 USD/Mtok
	if got := cost().USDPerMonth.P50; math.Abs(float64(got)-8_800) > 0.01 {
		t.Errorf("all of it deferrable: got %v USD, want 8,800", got)
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
