package decide

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// steadily returns an input whose volume is 20B tokens in 30 days now and in every month ahead, with an API and a fleet.
func steadily(apiPrice string) Input {
	f := projection(2e10, 0, 0)
	for i := range f.Months {
		hours := f.Months[i].To.Sub(f.Months[i].From).Hours()
		for j := range f.Months[i].Total {
			f.Months[i].Total[j] = model.Tokens(2e10 * hours / 720)
		}
	}
	return input(f, slices.DeleteFunc(four(apiPrice), func(o Option) bool { return o.Name != "api" && o.Name != "self" }))
}

// TestMonthsUseThePricesValidInThem works the savings of the months out on paper: 20.2778B tokens at the price of the API less the
// fleet's 32,688.60 USD (see TestDecideByHand). The months ahead are December to November.
func TestMonthsUseThePricesValidInThem(t *testing.T) {
	t.Parallel()
	const fleet, tokens = 32_688.6, 2e10 * 730 / 720 / 1e6
	for _, tc := range []struct {
		name      string
		announced []PriceChange
		want      float64 // saved in the twelve months
	}{
		{"none", nil, 12 * (3*tokens - fleet)},
		{"twice as much from February on", []PriceChange{{From: day("2027-02-01"), Times: rat("2")}}, 2*(3*tokens-fleet) + 10*(6*tokens-fleet)},
		{
			"half of December",
			[]PriceChange{{From: day("2026-12-16").Add(12 * time.Hour), Times: rat("2")}},
			0.5*(3*tokens-fleet) + 11.5*(6*tokens-fleet),
		},
		{
			"each counted from today's",
			[]PriceChange{{From: day("2027-03-01"), Times: rat("3")}, {From: day("2027-01-01"), Times: rat("2")}},
			(3*tokens - fleet) + 2*(6*tokens-fleet) + 9*(9*tokens-fleet),
		},
		{
			"other prices",
			[]PriceChange{{From: day("2027-01-01"), API: &cost.Prices{Input: rat("1"), Output: rat("5")}}},
			(3*tokens - fleet) + 11*(2*tokens-fleet),
		},
		{"in the past", []PriceChange{{From: day("2026-10-01"), Times: rat("2")}}, 12 * (6*tokens - fleet)},
		{"after the horizon", []PriceChange{{From: day("2028-06-01"), Times: rat("2")}}, 12 * (3*tokens - fleet)},
	} {
		in := steadily("3")
		in.Options[0].Announced = tc.announced
		p := Decide(in).Options[1].Prospect
		if math.Abs(float64(p.CumulativeUSD)-tc.want) > 1e-4 || math.Abs(float64(p.NPVUSD)-tc.want) > 1e-4 {
			t.Errorf("%s: got %+v, want %v saved", tc.name, p, tc.want)
		}
	}
}

// TestAnnouncedPriceChangesTheAnswer holds that a cut which is known ahead keeps a workload where it is, and that a rise which makes
// another option the cheapest is said with its date.
func TestAnnouncedPriceChangesTheAnswer(t *testing.T) {
	t.Parallel()
	in := steadily("3")
	in.Options[0].Announced = []PriceChange{{From: day("2027-01-01"), Times: rat("0.1")}}
	v := Decide(in)
	if d := v.Decision; d.Recommendation != model.Stay || d.Reason != model.ReasonUncertain || *d.ProbabilityCheaper != 0 {
		t.Errorf("a cut: got %+v, want to stay because moving does not pay over the year", d)
	}
	if changes := v.Options[0].PriceChanges; len(changes) != 1 || changes[0].From != "2027-01-01" || math.Abs(float64(changes[0].USDPerMonth)-6083.3333) > 0.01 {
		t.Errorf("got %+v, want 6,083 USD a month from New Year on", changes)
	}
	in = steadily("0.9")
	in.Options[0].Announced = []PriceChange{{From: day("2027-03-01"), Times: rat("2")}}
	const want = "the prices of api from 2027-03-01 on: at the volume of today self is then the cheapest, at $32,689 a month"
	if d := Decide(in).Decision; d.Recommendation != model.Stay || !slices.Contains(d.WouldChange, want) {
		t.Errorf("a rise: got %+v, want it to say %q", d, want)
	}
	in.Options[0].Announced[0].Times = rat("1.1")
	if d := Decide(in).Decision; slices.ContainsFunc(d.WouldChange, func(s string) bool { return strings.HasPrefix(s, "the prices of") }) {
		t.Errorf("a rise that changes nothing: got %q", d.WouldChange)
	}
}

// TestAnnouncedPriceCrosses holds that the day on which a price makes a fleet cheaper is the day of the crossover, and that the date to
// act by is a migration's length before it, unless growth crosses sooner.
func TestAnnouncedPriceCrosses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name             string
		announced        []PriceChange
		fleet            []PriceChange
		growth           float64
		crosses, actedBy string
	}{
		{"the API becomes dearer", []PriceChange{{From: day("2027-03-01"), Times: rat("2")}}, nil, 0, "2027-03-01", "2026-12-01"},
		{"GPUs become cheaper", nil, []PriceChange{{From: day("2027-04-10"), Times: rat("0.2")}}, 0, "2027-04-10", "2027-01-10"},
		{"the second change does it", []PriceChange{{From: day("2027-02-01"), Times: rat("1.1")}, {From: day("2027-06-01"), Times: rat("2")}}, nil, 0, "2027-06-01", "2027-03-03"},
		{"not enough", []PriceChange{{From: day("2027-03-01"), Times: rat("1.1")}}, nil, 0, "", ""},
		{"nothing is announced", nil, nil, 0, "", ""},
		{"growth is sooner", []PriceChange{{From: day("2027-09-01"), Times: rat("2")}}, nil, 0.6, "2027-02-", "2026-11-"},
	} {
		in := steadily("0.9")
		if tc.growth > 0 {
			in.Forecast = projection(2e10, tc.growth, 0)
		}
		in.Options[0].Announced, in.Options[1].Announced = tc.announced, tc.fleet
		x := Decide(in).Crossover
		if !strings.HasPrefix(x.CrossesOn, tc.crosses) || !strings.HasPrefix(x.ActBy, tc.actedBy) || (x.CrossesOn == "") != (tc.crosses == "") {
			t.Errorf("%s: crosses on %q, act by %q, want %q and %q", tc.name, x.CrossesOn, x.ActBy, tc.crosses, tc.actedBy)
		}
	}
	in := steadily("3")
	in.Options[0].Announced = []PriceChange{{From: day("2027-03-01"), Times: rat("2")}}
	if x := Decide(in).Crossover; x.CrossesOn != "" || x.ActBy != "" {
		t.Errorf("a fleet that is cheaper already crosses on %q, act by %q", x.CrossesOn, x.ActBy)
	}
}

// TestAnnouncedLaws holds, for options of every kind, that a change which has come is the same as prices that always were so, that one
// beyond the horizon changes nothing, and that one by nothing changes no answer.
func TestAnnouncedLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(37, 1))
	for range modeltest.Draws {
		volume, growth, current := oneOf(r, 2e9, 2e10, 1e11), 0.1*r.Float64()-0.05, oneOf(r, "api", "self", "hybrid", "managed")
		times := big.NewRat(1+r.Int64N(40), 10)
		build := func(edit func(*Option)) string {
			options := four("2")
			options[0].API.CacheRead, options[0].API.Long, options[0].API.MinimumCommit = rat("0.2"), &cost.Prices{Input: rat("4"), Output: rat("6")}, rat("1500")
			for i := range options {
				edit(&options[i])
			}
			in := input(projection(volume, growth, 0.2), options)
			in.Current = current
			v := Decide(in)
			for i := range v.Options {
				v.Options[i].PriceChanges = nil
			}
			text, err := json.Marshal([]any{v.Options, v.Decision})
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		scale := func(x *big.Rat) *big.Rat { return new(big.Rat).Mul(x, times) }
		always := build(func(o *Option) {
			if o.API != nil {
				o.API.Input, o.API.Output, o.API.CacheRead = scale(o.API.Input), scale(o.API.Output), scale(o.API.CacheRead)
				o.API.Long = &cost.Prices{Input: scale(o.API.Long.Input), Output: scale(o.API.Long.Output)}
			}
			if o.Capacity != nil {
				c := *o.Capacity
				c.BlockCostPerHour = scale(c.BlockCostPerHour)
				o.Capacity = &c
			}
		})
		since := func(from time.Time, times *big.Rat) string {
			return build(func(o *Option) { o.Announced = []PriceChange{{From: from, Times: times}} })
		}
		if got := since(day("2026-11-01"), times); got != always {
			t.Fatalf("a change of %v that has come: got\n%s\nwant\n%s", times, got, always)
		}
		never := build(func(*Option) {})
		if got := since(day("2028-02-01"), times); got != never {
			t.Fatalf("a change beyond the horizon: got\n%s\nwant\n%s", got, never)
		}
		unchanged := since(day("2027-03-10"), rat("1"))
		parse := func(text string) (parsed any) {
			if err := json.Unmarshal([]byte(text), &parsed); err != nil {
				t.Fatal(err)
			}
			return parsed
		}
		if !almost(parse(unchanged), parse(never)) {
			t.Fatalf("a change by nothing: got\n%s\nwant\n%s", unchanged, never)
		}
	}
}

// almost reports whether a and b, as JSON, differ in nothing but how numbers are rounded.
func almost(a, b any) bool {
	switch x := a.(type) {
	case float64:
		y, ok := b.(float64)
		return ok && math.Abs(x-y) <= 1e-6*(1+math.Abs(x))
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, almost)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key := range x {
			if !almost(x[key], y[key]) {
				return false
			}
		}
		return true
	}
	return a == b
}

// TestSettled holds that an option settled at a day costs the same from then on, whatever was announced before.
func TestSettled(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	start := day("2026-11-01")
	for range modeltest.Draws {
		agreed := []cost.Tier{{Above: rat("1e9"), Prices: &cost.Prices{Input: rat("2"), Output: rat("4")}}}
		api := Option{API: &cost.Prices{Input: rat("3"), Output: rat("5"), Tiers: agreed}}
		own := Option{Capacity: &cost.Capacity{BlockCostPerHour: rat("8")}, Spot: &cost.Spot{Spot: rat("1"), OnDemand: rat("4"), Fallback: rat("0.25")}}
		listed := r.IntN(2) == 0 // a fleet is priced by the book or by the configuration
		for range r.IntN(5) {
			from, times := start.AddDate(0, 0, r.IntN(60)), big.NewRat(1+r.Int64N(9), 1+r.Int64N(9))
			own.Announced = append(own.Announced, PriceChange{From: from, Times: times})
			if listed {
				own.Announced[len(own.Announced)-1] = PriceChange{From: from, Listed: times}
			}
			api.Announced = append(api.Announced, PriceChange{From: from, Times: times})
			if r.IntN(2) == 0 {
				api.Announced[len(api.Announced)-1] = PriceChange{From: from, API: &cost.Prices{Input: big.NewRat(1+r.Int64N(9), 1), Output: rat("1")}}
			}
		}
		t1, t2 := start.AddDate(0, 0, r.IntN(60)), start.AddDate(0, 0, r.IntN(60))
		if t2.Before(t1) {
			t1, t2 = t2, t1
		}
		if got, want := api.Settled(t1).at(t2).API.Input, api.at(t2).API.Input; got.Cmp(want) != 0 {
			t.Fatalf("%+v settled on %s: on %s got %v, want %v", api.Announced, t1.Format(time.DateOnly), t2.Format(time.DateOnly), got, want)
		}
		if got, want := api.Settled(t1).at(t2).API.Tiers[0].Prices.Input, api.at(t2).API.Tiers[0].Prices.Input; got.Cmp(want) != 0 {
			t.Fatalf("%+v settled on %s: on %s got %v in the tier, want %v", api.Announced, t1.Format(time.DateOnly), t2.Format(time.DateOnly), got, want)
		}
		got, want := own.Settled(t1).at(t2).Capacity.BlockCostPerHour, own.at(t2).Capacity.BlockCostPerHour
		if got.Cmp(want) != 0 {
			t.Fatalf("%+v settled on %s: on %s got %v, want %v", own.Announced, t1.Format(time.DateOnly), t2.Format(time.DateOnly), got, want)
		}
	}
}

// TestPastChangeDoesNotMultiply holds that what was announced for the past and for the future is counted from the same prices.
func TestPastChangeDoesNotMultiply(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.1), four("3"))
	in.Options[0].Announced = []PriceChange{{From: day("2026-10-01"), Times: rat("2")}, {From: day("2027-02-01"), Times: rat("3")}}
	o := Decide(in).Options[0]
	if len(o.PriceChanges) != 1 || math.Abs(float64(o.PriceChanges[0].USDPerMonth/o.USDPerMonth.P50)-1.5) > 1e-9 {
		t.Errorf("got %+v after %v, want half as much again", o.PriceChanges, o.USDPerMonth.P50)
	}
}
