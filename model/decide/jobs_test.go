package decide

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// transform returns instances of two replicas of 1M tokens an hour at 4 USD, a tenth of which the service adds, which run for a job a day that
// must be done in 2 hours, of which they take half an hour to start.
func transform() Option {
	return Option{
		Name: "transform", Hosting: model.CloudManaged, BatchOnly: true,
		Capacity: &cost.Capacity{
			TokensPerHour: rat("1000000"), BlockCostPerHour: rat("4"), ManagedOverhead: rat("0.1"), TargetUtilization: rat("1"), ReplicasPerBlock: 2,
			FixedMonthly: rat("100"), VariablePerMTok: rat("0.5"),
		},
		Jobs: &Jobs{PerDay: rat("1"), Deadline: 2 * time.Hour, Start: 30 * time.Minute},
	}
}

// waiting is work of tokens in a month of 730 hours, in 365/12 jobs, that can wait, on an API at 5 USD.
func waiting(tokens float64, edit func(api *cost.Prices, o *Option, in *Input)) Input {
	api, o := &cost.Prices{Input: rat("5"), Output: rat("5")}, transform()
	in := input(projection(tokens*720/730, 0, 0.2), []Option{{Name: "api", Hosting: model.API, API: api}, o})
	in.Constraints.Batch = true
	edit(api, &in.Options[1], &in)
	return in
}

// TestBatchTransformByHand works a day's job out on paper: of 9.9M tokens, an instance does 2M an hour, 3M in the hour and a half that it has
// to work: four instances. They work 4.95 hours and start for 2, which at 4.40 USD are 30.58 a job and 930.14 in the 365/12 jobs of a month, with
// 100 of operations and 0.5 USD for each of 301.125 million tokens.
func TestBatchTransformByHand(t *testing.T) {
	t.Parallel()
	const tokens = 365.0 / 12 * 9.9e6
	for _, tc := range []struct {
		name      string
		edit      func(o *Option)
		perJob    float64 // instance-hours
		instances int64   // at once
	}{
		{"as they are", func(*Option) {}, 4.95 + 2, 4},
		{"fewer of them for longer where there is time", func(o *Option) { o.Jobs.Deadline = 6 * time.Hour }, 4.95 + 0.5, 1},
		{"more of them where there is not", func(o *Option) { o.Jobs.Deadline = time.Hour }, 4.95 + 5, 10},
		{"smaller jobs, each of which starts", func(o *Option) { o.Jobs.PerDay = rat("4") }, 4.95 + 4*0.5, 1},
		{"nothing to start", func(o *Option) { o.Jobs.Start = 0 }, 4.95, 3},
		{"no peak, no spare, no smallest number", func(o *Option) { o.Capacity.SpareReplicas, o.Capacity.PeakFactor = 3, rat("4") }, 4.95 + 2, 4},
		{"nine tenths of the throughput", func(o *Option) { o.Capacity.TargetUtilization = nil }, 4.95/0.9 + 2, 4},
	} {
		in := waiting(tokens, func(_ *cost.Prices, o *Option, _ *Input) { tc.edit(o) })
		got := Decide(in).Options[1]
		usd := 4.4*tc.perJob*365/12 + 100 + tokens/2e6
		if got.USDPerMonth == nil || math.Abs(float64(got.USDPerMonth.P50)-usd) > 0.01 || (*got.Replicas+1)/2 != tc.instances {
			t.Errorf("%s: got %+v and %v replicas, want %.2f USD and %d instances of two (%s)", tc.name, got.USDPerMonth, got.Replicas, usd, tc.instances, got.Infeasible)
			continue
		}
		checkParts(t, got)
		if idle := 4.4 * 365 / 12 * (tc.perJob - 4.95); math.Abs(float64(*got.IdleUSDPerMonth)-idle) > 0.01 {
			t.Errorf("%s: got %v USD of idle hours, want %.2f", tc.name, *got.IdleUSDPerMonth, idle)
		}
		if len(got.Blocked) > 0 {
			t.Errorf("%s: blocked by %v, which work that can wait is not", tc.name, got.Blocked)
		}
		e := explanation{in: &in}
		e.demand, _ = in.demand()
		all, _ := candidates(in, e.demand)
		for _, volume := range e.demand.paths {
			exact, fast := float(all[1].at(whole(volume)).usd), all[1].fast.at(math.Round(volume))
			if math.Abs(exact/fast-1) > 1e-9 {
				t.Errorf("%s at %v tokens: in floating point %v, exactly %v", tc.name, volume, fast, exact)
			}
		}
	}
}

// TestBatchTransformThatCannotBe holds what says why jobs have no cost, or are not for the work.
func TestBatchTransformThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, edit := range map[string]func(api *cost.Prices, o *Option, in *Input){
		"the jobs of transform: deadline: got 0.5, want more than the 0.5": func(_ *cost.Prices, o *Option, _ *Input) { o.Jobs.Deadline = o.Jobs.Start },
		"the quota of replicas does not carry":                             func(_ *cost.Prices, o *Option, _ *Input) { o.Capacity.MaxReplicas = new(int64(2)) },
	} {
		if got := Decide(waiting(1e9, edit)).Options[1]; got.USDPerMonth != nil || !strings.Contains(got.Infeasible, want) {
			t.Errorf("got %+v and %q, want no cost because %s", got.USDPerMonth, got.Infeasible, want)
		}
	}
	in := waiting(1e9, func(_ *cost.Prices, _ *Option, in *Input) { in.Constraints.Batch = false })
	if got := Decide(in).Options[1].Blocked; len(got) != 1 || got[0] != BatchOnly {
		t.Errorf("work that cannot wait: blocked by %v, want %s", got, BatchOnly)
	}
	in.Constraints.BatchShare = rat("0.5")
	in.Options = append(in.Options,
		Option{Name: "base", Hosting: model.Hybrid, Base: "transform", Overflow: "api"},
		Option{Name: "apart", Hosting: model.Hybrid, Base: "api", Overflow: "transform", Apart: true})
	in.Candidates = []string{"api", "base", "apart"}
	v := Decide(in)
	if base := v.Options[1]; !strings.Contains(base.Infeasible, "runs only for its jobs") {
		t.Errorf("as the base of a hybrid: got %q, want that it runs only for its jobs", base.Infeasible)
	}
	half := Decide(waiting(0.5e9, func(*cost.Prices, *Option, *Input) {})).Options[1].USDPerMonth.P50
	if apart := v.Options[2]; len(apart.Blocked) > 0 || apart.USDPerMonth == nil || math.Abs(float64(apart.USDPerMonth.P50-half)-2500) > 1 {
		t.Errorf("half of the work apart: got %+v (%v, %s), want 2,500 on the API and %v", apart.USDPerMonth, apart.Blocked, apart.Infeasible, half)
	}
}

// TestBatchTransformTornado works every end of every range out anew by a whole decision with that input changed.
func TestBatchTransformTornado(t *testing.T) {
	t.Parallel()
	unchanged := func(*cost.Prices, *Option, *Input) {}
	swings := Decide(waiting(1e9, unchanged)).Crossover.Tornado
	if len(swings) != 7 {
		t.Fatalf("got %d rows, want one for each of 7 inputs: %+v", len(swings), swings)
	}
	for _, s := range swings {
		for _, end := range []struct {
			value  float64
			first  *model.Tokens
			saving *model.USD
		}{{s.Low, s.FirstAtLow, s.SavingAtLow}, {s.High, s.FirstAtHigh, s.SavingAtHigh}} {
			v := Decide(waiting(1e9, func(api *cost.Prices, o *Option, in *Input) {
				exact := exactly(end.value)
				switch s.Input {
				case "volume":
					in.Forecast = projection(end.value*720/730, 0, 0.2)
				case "api_price":
					api.Input, api.Output = exact, exact
				case "gpu_price":
					o.Capacity.BlockCostPerHour, o.Capacity.ManagedOverhead = exact, nil
				case "throughput":
					o.Capacity.TokensPerHour = exact
				case "target_utilization":
					o.Capacity.TargetUtilization = exact
				case "operations":
					o.Capacity.FixedMonthly = exact
				case "cold_start_time":
					o.Jobs.Start = time.Duration(end.value * float64(time.Hour))
				default:
					t.Fatalf("unknown input %q", s.Input)
				}
			}))
			if first := v.Crossover.FirstTokensPerMonth; (first == nil) != (end.first == nil) || first != nil && math.Abs(float64(*first / *end.first)-1) > 1e-6 {
				t.Errorf("%s at %v: first crossover %v, want %v", s.Input, end.value, end.first, first)
			}
			if got, want := end.saving, v.Options[1].SavingUSDPerMonth; (got == nil) != (want == nil) || got != nil && math.Abs(float64(*got-want.P50)) > 1e-3 {
				t.Errorf("%s at %v: saves %v, want %v", s.Input, end.value, got, want)
			}
		}
	}
}

// TestBatchTransformElasticitiesPredict holds that a change of an input by a thousandth moves the smooth crossing by the elasticity times as much.
func TestBatchTransformElasticitiesPredict(t *testing.T) {
	t.Parallel()
	base := Decide(waiting(1e9, func(*cost.Prices, *Option, *Input) {})).Crossover
	e, more := base.Elasticities, rat("1.001")
	times := func(r *big.Rat) *big.Rat { return new(big.Rat).Mul(r, more) }
	for input, tc := range map[string]struct {
		want float64
		edit func(api *cost.Prices, o *Option, in *Input)
	}{
		"api": {e.APIPrice, func(api *cost.Prices, _ *Option, _ *Input) {
			api.Input, api.Output = times(api.Input), times(api.Output)
		}},
		"gpu": {e.GPUPrice, func(_ *cost.Prices, o *Option, _ *Input) {
			o.Capacity.BlockCostPerHour = times(o.Capacity.BlockCostPerHour)
		}},
		"throughput": {e.Throughput, func(_ *cost.Prices, o *Option, _ *Input) { o.Capacity.TokensPerHour = times(o.Capacity.TokensPerHour) }},
		"variable": {e.VariableCost, func(_ *cost.Prices, o *Option, _ *Input) {
			o.Capacity.VariablePerMTok = times(o.Capacity.VariablePerMTok)
		}},
		"start": {e.ColdStartTime, func(_ *cost.Prices, o *Option, _ *Input) { o.Jobs.Start += o.Jobs.Start / 1000 }},
	} {
		moved := Decide(waiting(1e9, tc.edit)).Crossover
		if got := (float64(*moved.SmoothTokensPerMonth / *base.SmoothTokensPerMonth) - 1) * 1000; tc.want == 0 || math.Abs(got-tc.want) > 0.002*(1+tc.want*tc.want) {
			t.Errorf("a thousandth more %s moves the crossing by %v thousandths, want %v", input, got, tc.want)
		}
	}
}

// TestBatchTransformMoved holds that a change of its cost is told by what changed, and that the parts are all of it.
func TestBatchTransformMoved(t *testing.T) {
	t.Parallel()
	before := waiting(1e9, func(*cost.Prices, *Option, *Input) {})
	for _, tc := range []struct {
		inputs []factor
		edit   func(api *cost.Prices, o *Option, in *Input)
	}{
		{[]factor{priceFactor}, func(_ *cost.Prices, o *Option, _ *Input) { o.Capacity.BlockCostPerHour = rat("5") }},
		{[]factor{throughputFactor}, func(_ *cost.Prices, o *Option, _ *Input) { o.Jobs.PerDay = rat("3") }},
		{[]factor{throughputFactor, operationsFactor}, func(_ *cost.Prices, o *Option, _ *Input) {
			o.Jobs.Start, o.Capacity.FixedMonthly = 0, rat("200")
		}},
		{[]factor{volumeFactor, priceFactor}, func(_ *cost.Prices, o *Option, in *Input) {
			in.Forecast, o.Capacity.VariablePerMTok = projection(2e9, 0, 0.2), rat("1")
		}},
	} {
		c, err := changeOf(before, waiting(1e9, tc.edit), "transform")
		if err != nil {
			t.Fatal(err)
		}
		left := new(big.Rat).Sub(c.after, c.before)
		for f, part := range c.parts {
			left.Sub(left, orZero(part))
			if moved := orZero(part).Sign() != 0; moved && !slices.Contains(tc.inputs, factor(f)) && factor(f) != stepFactor {
				t.Errorf("%v changed: %v is said to cost %v", tc.inputs, factor(f), part)
			}
		}
		for _, f := range tc.inputs {
			if orZero(c.parts[f]).Sign() == 0 {
				t.Errorf("%v changed, and has no part in %v", f, c.parts)
			}
		}
		if left.Sign() != 0 {
			t.Errorf("%v changed: the parts miss %v of the change", tc.inputs, left)
		}
	}
}
