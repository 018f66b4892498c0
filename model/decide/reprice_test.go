package decide

import (
	"math"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
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
	e, material := Reprice(judged, cheap, judged[0].Verdict.in.Forecast.Origin, false)
	back, _ := Reprice(judged, cheap, judged[0].Verdict.in.Forecast.Origin, true)
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
	if !material {
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
	if none, _ := Reprice(judged, map[string]Tariff{"another": {}}, time.Time{}, false); none.Workloads != 0 || none.CostUSDPerMonth != 0 || len(none.Flips) > 0 {
		t.Errorf("an option that nobody has: got %+v", none)
	}
	strict := *judged[0].Verdict.in
	strict.Policy.DriftUSD = rat("1e12")
	if _, material := Reprice([]Judged{{Verdict: Decide(strict)}}, cheap, strict.Forecast.Origin, false); material {
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
	if e, _ := Reprice([]Judged{{Verdict: Decide(in)}}, same, in.Forecast.Origin, true); e.CostUSDPerMonth != 0 || len(e.Flips) > 0 || len(e.Closer) > 0 {
		t.Errorf("charged as it is: got %+v, want that nothing changes", e)
	}
	moves := Moves("api", api.TariffAt(day("2026-11-01")), cheap["api"])
	if i := slices.IndexFunc(moves, func(m model.PriceMove) bool { return m.Field == "input" }); i < 0 || moves[i].Text() != "input of api: 3 → 0.3 USD/Mtok" {
		t.Errorf("got %+v", moves)
	}
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
}
