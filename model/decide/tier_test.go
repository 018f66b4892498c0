package decide

import (
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

// randomTiers returns one to three tiers between a billion and a hundred billion tokens a month, whose prices go up and down.
func randomTiers(r *rand.Rand) (tiers []cost.Tier) {
	above := new(big.Rat)
	for range 1 + r.IntN(3) {
		above = new(big.Rat).Add(above, big.NewRat(1e9+r.Int64N(3e10), 1))
		t := cost.Tier{Above: above, Times: big.NewRat(1+r.Int64N(150), 100)}
		if r.IntN(3) == 0 {
			t = cost.Tier{Above: above, Prices: &cost.Prices{Input: big.NewRat(1+r.Int64N(900), 211), Output: big.NewRat(1+r.Int64N(3000), 307)}}
		}
		tiers = append(tiers, t)
	}
	return tiers
}

// TestFastAgreesInTiers holds the float form of an API with tiers, and of a hybrid whose rest it takes, to the exact one: at volumes
// of all sizes, at every bound and next to it.
func TestFastAgreesInTiers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(41, 1))
	for range modeltest.Draws / 10 {
		prices := &cost.Prices{
			Input: big.NewRat(1+r.Int64N(900), 211), Output: big.NewRat(1+r.Int64N(3000), 307), MinimumCommit: oneOf(r, nil, rat("20000")),
			Tiers: randomTiers(r), AllUnits: r.IntN(2) == 0,
		}
		options := four("1")
		options[0].API, options[0].TokenRatioOut = prices, oneOf(r, nil, rat("1.2"))
		in := input(projection(2e10, 0, 0.1), options)
		if options[0].Account = "account"; r.IntN(2) == 0 {
			in.Others = randomOthers(r)
		}
		d, _ := in.demand()
		all, _ := candidates(in, d)
		var volumes []float64
		for v := 1e8; v < 1e12; v *= 3.7 {
			volumes = append(volumes, v)
		}
		for _, s := range all[0].rate.Segments()[1:] {
			bound := math.Floor(float(s.From))
			volumes = append(volumes, bound, bound+1e6, bound-1e6)
		}
		for _, c := range []*costed{find(all, "api"), find(all, "hybrid")} {
			for _, v := range volumes {
				exact := c.at(whole(v))
				if got, want := c.fast.at(v), float(exact.usd); math.Abs(got-want) > 1e-7*math.Abs(want)+1e-5 {
					t.Fatalf("%s at %v tokens with %+v: got %v, want %v", c.option.Name, v, prices, got, want)
				}
				var parts model.USD
				for _, p := range exact.parts {
					parts += usd(p.USD)
				}
				if want := usd(exact.usd); math.Abs(float64(parts-want)) > 1e-6*math.Abs(float64(want))+1e-5 {
					t.Fatalf("%s at %v tokens with %+v: parts sum to %v, want %v", c.option.Name, v, prices, parts, want)
				}
			}
		}
	}
}

// TestTiersByHand prices 20B tokens of 30 days, 20.2778B in a month of 730 hours, at 3 USD/Mtok and half of it above 10B: 45,416.67 USD
// when tiers are marginal, 30,416.67 when all units are re-priced. A fleet costs 32,688.60 (see TestDecideByHand).
func TestTiersByHand(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.3), four("3"))
	api := in.Options[0].API
	api.Tiers = []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	v := Decide(in)
	o := v.Options[0]
	if math.Abs(float64(o.USDPerMonth.P50)-45_416.67) > 0.01 {
		t.Errorf("marginal: got %v USD, want 45,416.67", o.USDPerMonth.P50)
	}
	checkParts(t, o)
	var names strings.Builder
	for _, p := range o.Parts {
		names.WriteString(p.Name + "; ")
	}
	if want := "input tokens; output tokens; input tokens above 10.0B; output tokens above 10.0B; "; names.String() != want {
		t.Errorf("parts: got %q, want %q", names.String(), want)
	}
	if v.Decision.Recommendation != model.Move {
		t.Errorf("marginal: got %s because %s, want a move", v.Decision.Recommendation, v.Decision.Because)
	}
	// The average price is 45,416.67 over 20,277.78M tokens; 7.98 USD an hour buy 30.276M × 0.6 / φ tokens.
	if rho, want := v.Options[3].BreakevenUtilizationRatio, 7.98/(30.276*0.6/1.6*45_416.67/20_277.78); rho == nil || math.Abs(float64(*rho)-want) > 1e-4 {
		t.Errorf("break-even utilization: got %v, want %v", rho, want)
	}
	api.AllUnits = true
	v = Decide(in)
	o = v.Options[0]
	if math.Abs(float64(o.USDPerMonth.P50)-30_416.67) > 0.01 {
		t.Errorf("all units: got %v USD, want 30,416.67", o.USDPerMonth.P50)
	}
	if q := *o.USDPerMonth; !(q.P10 < q.P50 && q.P50 < q.P90) {
		t.Errorf("all units: got %+v, want quantiles of the cost in order although it falls at 10B", q)
	}
	// The fleet wins below the bound, loses just above it and wins again further on.
	ends := false
	for _, w := range v.Options[3].Crossover.Intervals {
		ends = ends || w.ToInclusive == 1e10
	}
	if x := v.Options[3].Crossover; !ends || x.PermanentTokensPerMonth == nil || *x.PermanentTokensPerMonth < 2e10 {
		t.Errorf("all units: got windows %+v, want one that ends at 10B and more above 20B", x.Intervals)
	}
}

// TestMonthInTiers holds that the bound of a tier is of the tokens of the calendar month, whatever its length.
func TestMonthInTiers(t *testing.T) {
	t.Parallel()
	for _, days := range []int{28, 31} {
		in := input(projection(2e10, 0, 0), four("3"))
		in.Options[0].API.Tiers = []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
		first := &in.Forecast.Months[0]
		first.To = first.From.AddDate(0, 0, days)
		for i := range first.Total {
			first.Total[i] = 1.2e10
		}
		if q, _, known := Decide(in).Month(nil, nil); !known || math.Abs(float64(q.P50)-33_000) > 0.01 {
			t.Errorf("%d days: got %+v, want 33,000 USD", days, q)
		}
	}
}

// TestTiersStay holds that announced prices change what tiers are of and not the tiers, and that every price of a tier is told when it moves.
func TestTiersStay(t *testing.T) {
	t.Parallel()
	o := four("3")[0]
	o.API.Tiers = []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}, {Above: rat("2e10"), Prices: &cost.Prices{Input: rat("1"), Output: rat("1")}}}
	soon := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	o.Announced = []PriceChange{{From: soon, API: &cost.Prices{Input: rat("6"), Output: rat("6")}}, {From: soon.AddDate(0, 1, 0), Times: rat("2")}}
	usage := []cost.Usage{{Tokens: [model.NumClasses]*big.Rat{model.Input: rat("3e10")}}}
	for _, tc := range []struct {
		at   time.Time
		want string
	}{{soon.Add(-time.Hour), "55000"}, {soon, "100000"}, {soon.AddDate(0, 1, 0), "110000"}} {
		bill, err := o.at(tc.at).API.Monthly(usage)
		if err != nil || bill.Cost.Cmp(rat(tc.want)) != 0 {
			t.Errorf("30B tokens at %s: got %v, %v, want %s USD", tc.at, bill.Cost, err, tc.want)
		}
	}
	var told []string
	for _, m := range Moves("api", o.TariffAt(soon), o.TariffAt(soon.AddDate(0, 1, 0))) {
		told = append(told, m.Text())
	}
	if got := strings.Join(told, "; "); !strings.Contains(got, "above 20000000000.input of api: 1 → 2 USD/Mtok") || strings.Contains(got, "times") {
		t.Errorf("got %q, want the price of the second tier and not what the first is times", got)
	}
	all := *o.API
	all.AllUnits = true
	moves := Moves("api", Tariff{API: o.API}, Tariff{API: &all})
	if len(moves) != 1 || moves[0].Text() != "tiers of api: marginal → all-units prices" {
		t.Errorf("got %+v, want the kind of the tiers", moves)
	}
}

// TestPricesThatOnlyATierHas prices 20.2778B tokens of a month at 3 USD/Mtok up to 10B and at 2 above, where half of the work goes through a
// batch tier at 1 USD/Mtok: 30,000 + 10.2778B × 1.5 = 45,416.67 USD. With all prompts long, at 4 above 10B, it is 30,000 + 41,111.11.
func TestPricesThatOnlyATierHas(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		above        cost.Prices
		batch, long  string
		usd          model.USD
		warned, text string
	}{
		{"batch", cost.Prices{BatchInput: rat("1"), BatchOutput: rat("1")}, "0.5", "", 45_416.67, "BATCH_PRICES", "50"},
		{"long", cost.Prices{Long: &cost.Prices{Input: rat("4"), Output: rat("4")}}, "0", "1", 71_111.11, "", ""},
		{"long, of unknown share", cost.Prices{Long: &cost.Prices{Input: rat("4"), Output: rat("4")}}, "0", "", 50_555.56, "LONG_CONTEXT_UNKNOWN", "none is assumed"},
	} {
		in := input(projection(2e10, 0, 0), four("3"))
		tc.above.Input, tc.above.Output = rat("2"), rat("2")
		in.Options[0].API.Tiers = []cost.Tier{{Above: rat("1e10"), Prices: &tc.above}}
		in.Constraints.BatchShare = rat(tc.batch)
		if tc.long != "" {
			in.Constraints.LongShare = rat(tc.long)
		}
		o := Decide(in).Options[0]
		warned := tc.warned == "" || slices.ContainsFunc(o.Warnings, func(w model.Warning) bool { return w.Code == tc.warned && strings.Contains(w.Text, tc.text) })
		if math.Abs(float64(o.USDPerMonth.P50-tc.usd)) > 0.01 || !warned {
			t.Errorf("%s: got %v USD, %+v, want %v and %s", tc.name, o.USDPerMonth.P50, o.Warnings, tc.usd, tc.warned)
		}
	}
}
