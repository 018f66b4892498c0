package decide

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// TestReprice holds what a price list does to workloads against deciding on each of them with the new prices.
func TestReprice(t *testing.T) {
	t.Parallel()
	var judged []Judged
	volumes := []float64{1e9, 4e9, 8e9, 2e10, 6e10}
	for _, volume := range volumes {
		in := input(projection(volume, 0, 0.05), four("3"))
		in.Workload = tokensText(whole(volume))
		judged = append(judged, Judged{Verdict: Decide(in), Receipt: in.Workload})
	}
	judged = append(judged, Judged{}) // a workload whose verdict is not known
	api := judged[0].Verdict.in.Options[slices.IndexFunc(judged[0].Verdict.in.Options, func(o Option) bool { return o.Name == "api" })]
	cheap := map[string]Tariff{"api": {API: &cost.Prices{Input: rat("0.3"), Output: rat("0.3")}}}
	e := Change{cheap, judged[0].Verdict.in.Forecast.Origin, false}.Reprice(judged)
	back := Change{cheap, judged[0].Verdict.in.Forecast.Origin, true}.Reprice(judged)
	var want model.USD
	var flips []string
	for _, w := range judged[:len(volumes)] {
		in, _ := w.Verdict.Input()
		in.Options = slices.Clone(in.Options)
		for i, o := range in.Options {
			if o.Name == "api" {
				in.Options[i].API = cheap["api"].API
			}
		}
		then := Decide(in)
		want += model.CostOf(then.Options, in.Current).P50 - model.CostOf(w.Verdict.Options, in.Current).P50
		if then.Decision.Option != w.Verdict.Decision.Option {
			flips = append(flips, in.Workload)
		}
	}
	if !e.Material {
		t.Errorf("%v a month are not material", e.CostUSDPerMonth)
	}
	var got []string
	for _, f := range e.Flips {
		got = append(got, f.Workload)
	}
	if e.Workloads != len(volumes) || math.Abs(float64(e.CostUSDPerMonth-want)) > 0.01 || !slices.Equal(got, flips) || len(flips) == 0 || len(flips) == len(volumes) {
		t.Errorf("got %d workloads, %v and the flips %v, want %d, %v and %v", e.Workloads, e.CostUSDPerMonth, got, len(volumes), want, flips)
	}
	if back.CostUSDPerMonth != -e.CostUSDPerMonth || len(back.Flips) != len(e.Flips) || back.Flips[0].Before != e.Flips[0].After {
		t.Errorf("as it was before: got %+v, want the opposite of %+v", back, e)
	}
	if none := (Change{map[string]Tariff{"another": {}}, time.Time{}, false}.Reprice(judged)); none.Workloads != 0 || none.CostUSDPerMonth != 0 || len(none.Flips) > 0 {
		t.Errorf("an option that nobody has: got %+v", none)
	}
	strict := *judged[0].Verdict.in
	strict.Policy.DriftUSD = rat("1e12")
	if e := (Change{cheap, strict.Forecast.Origin, false}.Reprice([]Judged{{Verdict: Decide(strict)}})); e.Material {
		t.Error("a change is material that the workload's own policy takes for small")
	}
	// What is announced for later is no part of the change.
	in := *judged[2].Verdict.in
	in.Options = slices.Clone(in.Options)
	for i := range in.Options {
		if in.Options[i].Name == "api" {
			in.Options[i].Announced = []PriceChange{{From: in.Forecast.Origin.AddDate(0, 3, 0), Times: rat("9")}}
		}
	}
	same := map[string]Tariff{"api": in.Options[slices.IndexFunc(in.Options, func(o Option) bool { return o.Name == "api" })].TariffAt(in.Forecast.Origin)}
	if e := (Change{same, in.Forecast.Origin, true}.Reprice([]Judged{{Verdict: Decide(in)}})); e.CostUSDPerMonth != 0 || len(e.Flips) > 0 || len(e.Closer) > 0 {
		t.Errorf("charged as it is: got %+v, want that nothing changes", e)
	}
	moves := Moves("api", api.TariffAt(day("2026-11-01")), cheap["api"])
	if i := slices.IndexFunc(moves, func(m model.PriceMove) bool { return m.Field == "input" }); i < 0 || moves[i].Text() != "input of api: 3 → 0.3 USD/Mtok" {
		t.Errorf("got %+v", moves)
	}
}

// TestRepriceChangesTheBill has three workloads of 4B, 8B and 12B tokens a month at 3 USD/Mtok, half of it above 10B: 30,000 + 21,000 USD. At 2 USD the
// bill is 34,000, so that 17,000 less are paid, although each of them, for which the others fill the first tier, adds a million tokens at half the
// price: 12,000 less together. A fourth is on another model of the contract, a fifth has no verdict and is on the bill all the same.
func TestRepriceChangesTheBill(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[0].Account, options[0].API.Tiers = "api", []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	cheaper := *options[0].API
	cheaper.Input, cheaper.Output = rat("2"), rat("2")
	tariffs := map[string]Tariff{"api": {API: &cheaper}}
	origin := onAccount("", "api", 1, options).Forecast.Origin
	judge := func(inputs ...Input) (all []Judged) {
		var used []Used
		for _, in := range inputs {
			used = append(used, in.Used())
		}
		accounts := AccountsOf(used)
		for i, in := range inputs {
			in.Others = accounts.Beside(in)
			all = append(all, Judged{Verdict: Decide(in), Used: used[i]})
		}
		return all
	}
	check := func(what string, workloads []Judged, want float64) {
		t.Helper()
		e := Change{tariffs, origin, false}.Reprice(workloads)
		back := Change{tariffs, origin, true}.Reprice(workloads)
		if math.Abs(float64(e.CostUSDPerMonth)-want) > 1e-6 || back.CostUSDPerMonth != -e.CostUSDPerMonth || !e.Material && want != 0 {
			t.Errorf("%s: got %v USD and back %v, want %v", what, e.CostUSDPerMonth, back.CostUSDPerMonth, want)
		}
	}
	three := judge(onAccount("small", "api", 4e9, options), onAccount("middle", "api", 8e9, options), onAccount("large", "api", 12e9, options))
	check("three on tiers", three, -17_000)
	three[1].Verdict = Verdict{}
	check("one of them without a verdict", three, -17_000)
	elsewhere := onAccount("elsewhere", "self", 12e9, options)
	check("none on it", judge(elsewhere), 0)
	// Under a contract for 40,000 USD with another model that takes 4,000 of them the bill falls from 55,000 to the commitment.
	options = slices.Clone(options)
	dear := *options[0].API
	dear.MinimumCommit, cheaper.MinimumCommit = rat("40000"), rat("40000")
	options[0].API, options[0].Contract = &dear, "c"
	options = append(options, Option{Name: "other", Hosting: model.API, Account: "other", Contract: "c", API: &cost.Prices{Input: rat("1"), Output: rat("1"), MinimumCommit: rat("40000")}})
	other := onAccount("other", "other", 4e9, options[4:])
	both := judge(onAccount("small", "api", 4e9, options), onAccount("middle", "api", 8e9, options), onAccount("large", "api", 12e9, options), other)
	check("a contract", both, -15_000)
	e := Change{tariffs, origin, false}.Reprice(both)
	if e.Workloads != 3 || len(e.Unknown) != 0 {
		t.Errorf("got %+v, want three workloads that have the option", e)
	}
}

// TestRepriceAddsUp holds the amount of a price event to what is paid by hand before and after: tiers, commitment and hybrids, in any order.
func TestRepriceAddsUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(52, 8))
	for range modeltest.Draws / 100 {
		c := randomContract(r)
		options := c.options()
		var workloads []Judged
		var used []Used
		var inputs []Input
		tokens := [3]float64{}
		for _, name := range []string{"a", "b", "c", "d"} {
			i, n := r.IntN(3), float64(1e8+r.Int64N(2e10))
			in := onAccount(name, contracted[i], n, options)
			tokens[i] += float(whole(n))
			inputs, used = append(inputs, in), append(used, in.Used())
		}
		accounts := AccountsOf(used)
		for i, in := range inputs {
			in.Others = accounts.Beside(in)
			workloads = append(workloads, Judged{Verdict: Decide(in), Used: used[i]})
		}
		r.Shuffle(len(workloads), func(i, j int) { workloads[i], workloads[j] = workloads[j], workloads[i] })
		changed := c
		changed.price[1] *= float64(1+r.IntN(16)) / 8
		tariff := options[2].TariffAt(inputs[0].Forecast.Origin)
		tariff.API = changed.options()[2].API
		e := Change{map[string]Tariff{"small": tariff}, inputs[0].Forecast.Origin, false}.Reprice(workloads)
		if want := changed.bill(tokens) - c.bill(tokens); math.Abs(float64(e.CostUSDPerMonth)-want) > 1e-9*(1+c.bill(tokens)+changed.bill(tokens)) {
			t.Fatalf("%+v: got %v USD, want %v", c, e.CostUSDPerMonth, want)
		}
		foundAgain(t, Change{map[string]Tariff{"small": tariff}, inputs[0].Forecast.Origin, false}, e, workloads)
	}
}

// TestCreditsEnd holds that the end of free credits costs what they take off the bills of those who are on the option, seen ahead and looking back.
func TestCreditsEnd(t *testing.T) {
	t.Parallel()
	in := input(projection(1e9, 0, 0.05), four("3"))
	i := slices.IndexFunc(in.Options, func(o Option) bool { return o.Name == in.Current })
	end := in.Forecast.Origin.AddDate(0, 1, 0)
	in.Options[i].Credits = &Credits{Until: end, USDPerMonth: rat("500")}
	after := map[string]Tariff{in.Current: in.Options[i].TariffAt(end)}
	ahead := Change{after, end, false}.Reprice([]Judged{{Verdict: Decide(in)}})
	if ahead.CostUSDPerMonth != 500 || len(ahead.Flips) != 0 || ahead.Each[0].Counts != 500 {
		t.Errorf("ahead: got %+v, want 500 USD and the same answer", ahead)
	}
	before := map[string]Tariff{in.Current: in.Options[i].TariffAt(in.Forecast.Origin)}
	in.Options[i].Credits.Until = in.Forecast.Origin
	if past := (Change{before, in.Forecast.Origin, true}.Reprice([]Judged{{Verdict: Decide(in)}})); past.CostUSDPerMonth != 500 {
		t.Errorf("looking back: got %v, want 500 USD", past.CostUSDPerMonth)
	}
}

// foundAgain holds that what c does is found again from what a receipt keeps of it, and that the parts are the whole.
func foundAgain(t *testing.T, c Change, e Repricing, workloads []Judged) {
	t.Helper()
	kept := written(t, e)
	sum := model.USD(0)
	if kept.Bills != nil {
		sum = kept.Bills.Change(c.Past)
	}
	for _, one := range kept.Each {
		i := slices.IndexFunc(workloads, func(w Judged) bool { return w.Verdict.in.Workload == one.Workload })
		again := written(t, Repricing{Each: []Repriced{c.Again(written(t, *workloads[i].Verdict.in), one)}}).Each[0]
		if !reflect.DeepEqual(again, one) {
			t.Fatalf("got %+v again, want %+v", again, one)
		}
		sum += one.Counts
	}
	if sum != e.CostUSDPerMonth {
		t.Fatalf("the parts are %v USD, want %v", sum, e.CostUSDPerMonth)
	}
}

// written returns v as JSON keeps it.
func written[T any](t *testing.T, v T) (kept T) {
	t.Helper()
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// TestTurning holds that only the days on which a price really changes, within the time that is looked at, are found.
func TestTurning(t *testing.T) {
	t.Parallel()
	o := four("3")[0]
	o.Announced = []PriceChange{
		{From: day("2026-10-01"), Times: rat("2")},
		{From: day("2027-01-01"), Times: rat("2")}, // nothing changes
		{From: day("2027-02-01"), Times: rat("3")},
		{From: day("2028-01-01"), Times: rat("4")},
	}
	days := Turning([]Option{o}, day("2026-11-01"), day("2027-06-01"))
	if len(days) != 1 || days[day("2027-02-01")][o.Name].API.Input.Cmp(rat("9")) != 0 {
		t.Errorf("got %+v, want the third change alone, to three times 3", days)
	}
	o.Credits = &Credits{Until: day("2027-05-01"), USDPerMonth: rat("500")}
	days = Turning([]Option{o}, day("2026-11-01"), day("2027-06-01"))
	moves := Moves(o.Name, o.TariffAt(day("2027-04-30")), days[day("2027-05-01")][o.Name])
	if len(days) != 2 || len(moves) != 1 || moves[0].Text() != "free credits of api: none any more, it was 500 USD/month" {
		t.Errorf("got %+v and %+v, want the end of the credits too", days, moves)
	}
	early := o.TariffAt(day("2026-11-01"))
	early.Credits = nil
	if moves := Moves(o.Name, early, o.TariffAt(day("2026-11-01"))); len(moves) > 0 {
		t.Errorf("got %+v, want nothing of what an early version did not keep", moves)
	}
}
