package decide

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// TestFirstCrossoverAgreesWithExact holds the float form of the tornado to the exact one, with commitments, fees, quotas, spares,
// blocks and variable cost.
func TestFirstCrossoverAgreesWithExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(12, 1))
	crossed, never, tiered := 0, 0, 0
	for range modeltest.Draws {
		capacity := cost.Capacity{
			TokensPerHour: big.NewRat(1+r.Int64N(40_000_000), 1), BlockCostPerHour: big.NewRat(1+r.Int64N(3000), 97), TargetUtilization: oneOf(r, rat("0.6"), rat("1")),
			SpareReplicas: r.Int64N(3), MinReplicas: oneOf(r, nil, new(int64(0)), new(int64(4))), ReplicasPerBlock: oneOf[int64](r, 0, 1, 4),
			MaxReplicas: oneOf(r, nil, nil, new(int64(3)), new(int64(40))), FixedMonthly: oneOf(r, nil, rat("9387"), big.NewRat(r.Int64N(50_000), 1)),
			VariablePerMTok: oneOf(r, nil, rat("0.01"), rat("1")),
		}
		prices := &cost.Prices{
			Input: big.NewRat(1+r.Int64N(900), 211), Output: big.NewRat(1+r.Int64N(3000), 307), MinimumCommit: oneOf(r, nil, nil, rat("2000"), rat("50000")),
			FixedMonthly: oneOf(r, nil, nil, rat("5000")), AllUnits: r.IntN(2) == 0,
		}
		if r.IntN(2) == 0 {
			prices.Tiers = randomTiers(r)
		}
		options := []Option{{Name: "api", Hosting: model.API, API: prices}, {Name: "self", Hosting: model.SelfHosted, Capacity: &capacity}}
		in := input(projection(1e10, 0, 0.1), options)
		d, _ := newDemand(in.Forecast, in.Constraints)
		all, _ := candidates(in, d)
		if len(prices.Tiers) > 0 && r.IntN(3) == 0 { // a tier that begins where a step ends
			prices.Tiers = prices.Tiers[:1]
			prices.Tiers[0].Above = new(big.Rat).Mul(all[1].fleet.PerReplica, big.NewRat(1+r.Int64N(20), 1))
			all, _ = candidates(in, d)
		}
		want := cost.FindCrossover(all[0].rate, all[1].fleet)
		got := firstCrossover(all[0].fast, all[1].fast)
		switch {
		case want.First == nil:
			never++
			if !math.IsNaN(got) {
				t.Fatalf("%+v against %+v: got %v, want never", capacity, prices, got)
			}
		case math.Abs(got-float(want.First)) > 1e-6*float(want.First):
			t.Fatalf("%+v against %+v: got %v, want %v", capacity, prices, got, float(want.First))
		case want.First != nil && math.IsNaN(got):
			t.Fatalf("%+v against %+v: got never, want %v", capacity, prices, float(want.First))
		default:
			crossed++
			if len(prices.Tiers) > 0 {
				tiered++
			}
		}
	}
	if crossed < modeltest.Draws/10 || never < modeltest.Draws/10 || tiered < modeltest.Draws/20 {
		t.Errorf("%d cross, %d of them with tiers, and %d never do: the draws test too little", crossed, tiered, never)
	}
}

// TestFreeInputsSwingNothing holds that an API or GPUs that cost nothing, as the configuration may say, are compared and have no swing.
func TestFreeInputsSwingNothing(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(options []Option){
		"api_price": func(options []Option) { options[0].API = &cost.Prices{Input: new(big.Rat), Output: new(big.Rat)} },
		"gpu_price": func(options []Option) { options[1].Capacity.BlockCostPerHour = new(big.Rat) },
	} {
		for _, scaled := range []*Autoscale{nil, {ColdStart: time.Minute, StartsPerDay: rat("3")}} {
			options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
			options[1].Autoscale = scaled
			edit(options)
			x := Decide(input(projection(1e10, 0, 0.1), options)).Crossover
			if x == nil || len(x.Tornado) == 0 {
				t.Fatalf("%s of nothing, autoscaled %t: got no comparison", name, scaled != nil)
			}
			if slices.ContainsFunc(x.Tornado, func(s model.Swing) bool { return s.Input == name }) {
				t.Errorf("%s of nothing, autoscaled %t: got a swing of it", name, scaled != nil)
			}
		}
	}
}

// TestFreeGPUsMayNeverPay holds that GPUs that cost nothing are explained where what varies with volume alone is above the prices of an API but for one dear tier.
func TestFreeGPUsMayNeverPay(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("0.1"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[0].API.Tiers = []cost.Tier{{Above: rat("1000000000"), Times: rat("30")}, {Above: rat("1100000000"), Times: rat("1")}}
	options[1].Capacity.BlockCostPerHour, options[1].Capacity.VariablePerMTok = new(big.Rat), rat("1")
	v := Decide(input(projection(1e9, 0, 0.1), options))
	if x := v.Crossover; x == nil || x.Reason != model.NeverUnitFloor || len(v.Decision.WouldChange) == 0 {
		t.Errorf("got %+v and %q, want a fleet that never pays and what would change that", x, v.Decision.WouldChange)
	}
}

// TestElasticitiesPredict holds that a change of an input by a thousandth moves the smooth crossing by the elasticity times as much,
// within what the curvature explains, and that fragile means a break-even utilization above 0.8.
func TestElasticitiesPredict(t *testing.T) {
	t.Parallel()
	fragile := 0
	for _, price := range []string{"0.56", "0.6", "0.65", "0.7", "0.9", "3"} {
		options := slices.DeleteFunc(four(price), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
		options[1].Capacity.VariablePerMTok, options[1].Capacity.PeakFactor = rat("0.02"), rat("1")
		cross := func(edit func(api *cost.Prices, c *cost.Capacity)) *model.Crossover {
			prices, capacity := *options[0].API, *options[1].Capacity
			edit(&prices, &capacity)
			changed := []Option{options[0], options[1]}
			changed[0].API, changed[1].Capacity = &prices, &capacity
			return Decide(input(projection(2e10, 0, 0.01), changed)).Crossover
		}
		base := cross(func(*cost.Prices, *cost.Capacity) {})
		times := func(x *big.Rat) *big.Rat { return new(big.Rat).Mul(x, rat("1.001")) }
		moved := map[string]*model.Crossover{
			"operations": cross(func(_ *cost.Prices, c *cost.Capacity) { c.FixedMonthly = times(c.FixedMonthly) }),
			"api":        cross(func(p *cost.Prices, _ *cost.Capacity) { p.Input, p.Output = times(p.Input), times(p.Output) }),
			"gpu":        cross(func(_ *cost.Prices, c *cost.Capacity) { c.BlockCostPerHour = times(c.BlockCostPerHour) }),
			"throughput": cross(func(_ *cost.Prices, c *cost.Capacity) { c.TokensPerHour = times(c.TokensPerHour) }),
			"variable":   cross(func(_ *cost.Prices, c *cost.Capacity) { c.VariablePerMTok = times(c.VariablePerMTok) }),
		}
		want := map[string]float64{
			"operations": base.Elasticities.Operations, "api": base.Elasticities.APIPrice, "gpu": base.Elasticities.GPUPrice,
			"throughput": base.Elasticities.Throughput, "variable": base.Elasticities.VariableCost,
		}
		for input, x := range moved {
			got := (float64(*x.SmoothTokensPerMonth)/float64(*base.SmoothTokensPerMonth) - 1) * 1000
			if e := want[input]; math.Abs(got-e) > 0.002*(1+e*e) {
				t.Errorf("at %s USD/Mtok a thousandth more %s moves the crossing by %v thousandths, want %v", price, input, got, e)
			}
		}
		rho := 7.98 / (30.276 * 0.6 * (float(rat(price)) - 0.02))
		if base.Fragile != (rho > 0.8) {
			t.Errorf("at %s USD/Mtok and ρ = %v: fragile %v", price, rho, base.Fragile)
		}
		if base.Fragile {
			fragile++
		}
	}
	if fragile == 0 || fragile == 6 {
		t.Errorf("%d of 6 are fragile, want some", fragile)
	}
	v := Decide(input(projection(2e10, 0, 0.01), four("1")))
	self := v.Options[3]
	if warned := slices.ContainsFunc(self.Warnings, func(w model.Warning) bool { return w.Code == "FRAGILE" }); warned != self.Crossover.Fragile {
		t.Errorf("fragile %v, warned %v", self.Crossover.Fragile, warned)
	}
	if x := Decide(input(projection(2e10, 0, 0.01), four("0.3"))).Options[3].Crossover; x.Elasticities != nil || x.SmoothTokensPerMonth != nil || x.Fragile {
		t.Errorf("a fleet that never pays: got %+v, want no crossing to be sensitive", x)
	}
}

// TestTornado works every end of every range out anew by a whole decision with that input changed.
func TestTornado(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[1].Capacity.MaxReplicas = new(int64(9))
	f := projection(2e10, 0, 0.2)
	in := input(f, options)
	x := Decide(in).Crossover
	if len(x.Tornado) != 7 {
		t.Fatalf("got %d rows, want one for each of 7 inputs: %+v", len(x.Tornado), x.Tornado)
	}
	for i, s := range x.Tornado {
		if i > 0 && spread(s) > spread(x.Tornado[i-1]) {
			t.Errorf("%s swings wider than %s before it", s.Input, x.Tornado[i-1].Input)
		}
		if !(s.Low < s.Now && s.Now < s.High) {
			t.Errorf("%s: got %v to %v around %v", s.Input, s.Low, s.High, s.Now)
		}
		for _, end := range []struct {
			value  float64
			first  *model.Tokens
			saving *model.USD
		}{{s.Low, s.FirstAtLow, s.SavingAtLow}, {s.High, s.FirstAtHigh, s.SavingAtHigh}} {
			prices, capacity, forecast := *options[0].API, *options[1].Capacity, f
			exact := new(big.Rat)
			exact.SetFloat64(end.value)
			switch s.Input {
			case "volume":
				forecast = projection(end.value*720/730, 0, 0.2)
				forecast.Load = f.Load
			case "api_price":
				prices.Input, prices.Output = exact, exact
			case "gpu_price":
				capacity.BlockCostPerHour = exact
			case "throughput":
				capacity.TokensPerHour = exact
			case "target_utilization":
				capacity.TargetUtilization = exact
			case "peak_factor":
				capacity.PeakFactor = exact
			case "operations":
				capacity.FixedMonthly = exact
			default:
				t.Fatalf("unknown input %q", s.Input)
			}
			changed := []Option{options[0], options[1]}
			changed[0].API, changed[1].Capacity = &prices, &capacity
			v := Decide(input(forecast, changed))
			if first := v.Crossover.FirstTokensPerMonth; (first == nil) != (end.first == nil) || first != nil && math.Abs(float64(*first / *end.first)-1) > 1e-6 {
				t.Errorf("%s at %v: first crossover %v, want %v", s.Input, end.value, end.first, first)
			}
			if got, want := end.saving, v.Options[1].SavingUSDPerMonth; (got == nil) != (want == nil) || got != nil && math.Abs(float64(*got-want.P50)) > 1e-3 {
				t.Errorf("%s at %v: saves %v, want %v", s.Input, end.value, got, want)
			}
		}
	}
	in.Constraints.Batch = true
	if x := Decide(in).Crossover; slices.ContainsFunc(x.Tornado, func(s model.Swing) bool { return s.Input == "peak_factor" }) {
		t.Error("work that can wait has a row for its peaks")
	}
}
