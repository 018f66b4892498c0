package decide

import (
	"math"
	"strings"
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

// TestLongPromptsAreMeasured takes the share of long prompts from their lengths: of 100 requests with 10M tokens 8 are above 200k tokens with
// 4M. At a bound all ends of the ranges but that of the tokens meet: 1.6M to 10M − 92·0 are long. Four fifths of 10B tokens are of prompts.
func TestLongPromptsAreMeasured(t *testing.T) {
	t.Parallel()
	in := input(projection(1e10*720/730, 0, 0), four("2")[:1])
	mix := &in.Forecast.Next[model.Next30d].Mix
	*mix = [model.NumClasses]model.Fraction{}
	mix[model.Input], mix[model.Output] = 0.8, 0.2
	api := *in.Options[0].API
	api.Long, api.LongAbove = &cost.Prices{Input: rat("4"), Output: rat("4")}, 200_000
	in.Options[0].API = &api
	// Of the tokens of prompts 6M to 6.4M are of the 8 that are longer: 0.62 in the middle. Of the generated ones 0.08.
	in.Prompts = &model.Prompts{Bounds: []float64{40e3, 50e3, 200e3, 750e3, 800e3}, Requests: []float64{0, 92, 0, 0, 8, 0}, Tokens: 10.6e6}
	requests, tokens, _ := in.Prompts.Above(200_000)
	if requests != (model.Range{Low: 0.08, High: 0.08}) || math.Abs(float64(tokens.Low)-6/10.6) > 1e-9 || math.Abs(float64(tokens.High)-6.4/10.6) > 1e-9 {
		t.Fatalf("got %v and %v, want 8 of 100 requests and 6M to 6.4M of 10.6M tokens", requests, tokens)
	}
	priced := func() (float64, string) {
		o := Decide(in).Options[0]
		var text strings.Builder
		for _, w := range o.Warnings {
			text.WriteString(w.Code + " " + w.Text)
		}
		return float64(o.USDPerMonth.P50), text.String()
	}
	usd, text := priced()
	share := math.Round(6.2/10.6*1e6) / 1e6
	if want := 8000*(2+2*share) + 2000*(2+2*0.08); math.Abs(usd-want) > 0.01 {
		t.Errorf("got %v USD, want %v", usd, want)
	}
	if want := "LONG_CONTEXT_MEASURED 8% of the requests and 57% to 60% (58% is used) of the prompt tokens of the last day are of prompts longer than the 200000 tokens above which api charges more"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	before := in
	before.Prompts = &model.Prompts{Bounds: in.Prompts.Bounds, Requests: []float64{0, 100, 0, 0, 0, 0}, Tokens: 4.6e6}
	if m, err := Moved(before, in, "api"); err != nil || len(m.Cost.Parts) != 1 || m.Cost.Parts[0].Input != "mix" || math.Abs(float64(m.Cost.Parts[0].USDPerMonth-m.Cost.ChangeUSDPerMonth)) > 1e-6 || m.Cost.ChangeUSDPerMonth <= 0 {
		t.Errorf("got %+v, %v, want longer prompts told as another mix", m, err)
	}
	in.Options[0].TokenRatioIn = rat("0.25") // 200k of its tokens are 800k of those that are measured
	if _, text := priced(); !strings.Contains(text, "0% of the requests and 0% of the prompt tokens") {
		t.Errorf("of a model that needs a quarter of the tokens: got %q, want none to be long", text)
	}
	in.Options[0].TokenRatioIn = nil
	in.Constraints.LongShare = rat("0.5")
	if usd, text := priced(); math.Abs(usd-30_000) > 0.01 || text != "" {
		t.Errorf("configured: got %v USD and %q, want half of it at the price of long prompts", usd, text)
	}
	in.Constraints.LongShare = nil
	for name, change := range map[string]func(){
		"coarse buckets":         func() { in.Prompts = &model.Prompts{Requests: []float64{100}, Tokens: 1e8} },
		"nothing measured":       func() { in.Prompts = nil },
		"a threshold nobody has": func() { in.Prompts, api.LongAbove = before.Prompts, 0 },
	} {
		change()
		if usd, text := priced(); math.Abs(usd-20_000) > 0.01 || !strings.HasPrefix(text, "LONG_CONTEXT_UNKNOWN") {
			t.Errorf("%s: got %v USD and %q, want none assumed, and to be told", name, usd, text)
		}
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
	if o := Decide(in).Options[4]; o.Infeasible != "" || *o.Replicas != 100 || math.Abs(float64(o.USDPerMonth.P50)-73_000) > 0.01 || len(o.Warnings) != 1 || o.Warnings[0].Code != "MODEL_CHANGE" {
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
