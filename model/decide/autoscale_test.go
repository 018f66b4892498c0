package decide

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// following returns a fleet of 1M tokens an hour and replica at 2 USD that follows its load.
func following() Option {
	return Option{
		Name: "follows", Hosting: model.SelfHosted,
		Capacity: &cost.Capacity{
			TokensPerHour: rat("1000000"), BlockCostPerHour: rat("2"), TargetUtilization: rat("1"), FixedMonthly: rat("100"), VariablePerMTok: rat("0.5"),
		},
		Autoscale: &Autoscale{ColdStart: 6 * time.Minute, IdleTimeout: 15 * time.Minute, StartsPerDay: rat("2")},
	}
}

// dayAndNight is a load of 3.5M tokens an hour in 250 hours of a month of 730, of 0.5M in 400 and of none in 80.
func dayAndNight(in *Input) {
	in.Forecast.Load = model.LoadCurve{{Hours: 250, TokensPerHour: 3_500_000}, {Hours: 400, TokensPerHour: 500_000}, {Hours: 80, TokensPerHour: 0}}
	for i := range in.Forecast.Next[model.Next30d].Total { // 1.075B tokens in 730 hours
		in.Forecast.Next[model.Next30d].Total[i] = 1.075e9 * 720 / 730
	}
}

// TestAutoscaleByHand works fleets out on paper. Four replicas in 250 hours and one in 480 are 1,480 replica-hours; two starts a day
// are 365/6 of 0.1 + 0.25 hours. Of 2 USD an hour that is 3,002.58 USD, with 100 USD of operations and 0.5 USD for each of 1,075
// million tokens 3,640.08.
func TestAutoscaleByHand(t *testing.T) {
	t.Parallel()
	starts := 2 * 730.0 / 24 * 0.35
	for _, tc := range []struct {
		name     string
		edit     func(o *Option)
		usd      float64
		replicas int64
	}{
		{"every hour has what it needs", func(*Option) {}, 2*(1480+starts) + 637.5, 4},
		{"no load, no replica", func(o *Option) { o.Capacity.MinReplicas = new(int64) }, 2*(1400+starts) + 637.5, 4},
		{"a spare in every hour", func(o *Option) { o.Capacity.SpareReplicas = 1 }, 2*(1480+730+starts) + 637.5, 5},
		{"blocks of two", func(o *Option) { o.Capacity.ReplicasPerBlock = 2 }, 2*(2*250+480+starts) + 637.5, 4},
		{ // the second to the fourth replica run in 250 hours, which at 2 USD are less than 730 at 0.75
			"what runs long enough is reserved", func(o *Option) { o.Autoscale.ReservedPerHour = rat("0.75") }, 0.75*730 + 2*(750+starts) + 637.5, 4,
		},
		{"all are reserved when that costs next to nothing", func(o *Option) { o.Autoscale.ReservedPerHour = rat("0.5") }, 0.5*4*730 + 2*starts + 637.5, 4},
	} {
		o := following()
		tc.edit(&o)
		in := input(projection(1e9, 0, 0), append(four("3"), o))
		dayAndNight(&in)
		v := Decide(in)
		got := v.Options[4]
		if got.USDPerMonth == nil || math.Abs(float64(got.USDPerMonth.P50)-tc.usd) > 0.01 || *got.Replicas != tc.replicas {
			t.Errorf("%s: got %+v USD and %v replicas, want %v and %d (%s)", tc.name, got.USDPerMonth, got.Replicas, tc.usd, tc.replicas, got.Infeasible)
			continue
		}
		checkParts(t, got)
		if *got.EconomicUtilizationRatio <= 0 || *got.EconomicUtilizationRatio > 1 {
			t.Errorf("%s: got a utilization of %v, want a share", tc.name, *got.EconomicUtilizationRatio)
		}
	}
}

// TestReservationIsShown holds that a reader learns which replicas to reserve: one of four, since the first runs in all 730 hours and the others in 250,
// and 0.75 USD in every hour are 273.75 hours at 2 USD.
func TestReservationIsShown(t *testing.T) {
	t.Parallel()
	o := following()
	o.Autoscale.ReservedPerHour = rat("0.75")
	in := input(projection(1e9, 0, 0), append(four("3"), o))
	dayAndNight(&in)
	want := model.Reservation{
		Reserved: 1, Replicas: 4, BreakevenHours: 273.75, LastReservedHours: 730, FirstOnDemandHours: 250,
		USDPerMonth: 0.75*730 + 2*750, AllOnDemandUSDPerMonth: 2 * 1480, AllReservedUSDPerMonth: 0.75 * 730 * 4,
	}
	got := Decide(in).Options[4].Reservation
	if got == nil || *got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if text, want := got.Text(), "reserve 1 of 4 replicas: one pays that runs more than 274 hours a month (the last of them runs 730, the next would run 250); "+
		"$2,048 a month, all on demand $2,960, all reserved $2,190"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
	o.Autoscale.ReservedPerHour = nil
	if got := Decide(in).Options[4].Reservation; got != nil {
		t.Errorf("got %+v, want none where nothing can be reserved", got)
	}
}

// TestAutoscaleCrossoverByHand works the crossover out on paper. At 3 USD/Mtok a token saves 2.5 USD/Mtok beside what varies; operations are
// 100 USD, and two starts a day 42.58. Up to 0.307B tokens a month every hour with load has one replica, 650 hours, and 80 have one for
// none: 1,460 USD, which takes 0.641B tokens to save. Where the busy hours take n replicas and the others one, the fleet costs
// 142.58 + 960 + 500·n USD, which are saved at 0.4410B + 0.2B·n; n replicas carry 0.3071B·n.
func TestAutoscaleCrossoverByHand(t *testing.T) {
	t.Parallel()
	in := input(projection(1e9, 0, 0), append(four("3"), following()))
	dayAndNight(&in)
	x := Decide(in).Options[4].Crossover
	perStep := 1_000_000 / 3.5 * 1075 // tokens a month that one replica carries in the busy hours
	var first float64
	for n := 1.0; ; n++ {
		if saved := (142.5833 + 960 + 500*n) / 2.5 * 1e6; saved < perStep*n {
			first = max(saved, perStep*(n-1))
			break
		}
	}
	if x == nil || x.Reason != model.CrossoverFound || x.FirstTokensPerMonth == nil || math.Abs(float64(*x.FirstTokensPerMonth)-first) > 1e3 || x.PermanentTokensPerMonth == nil {
		t.Fatalf("got %+v, want one at %v", x, first)
	}
	if x.State != model.StateBelow || x.Elasticities == nil {
		t.Errorf("got %+v, want 1.075B tokens below the crossover, and how sensitive that is", x)
	}
}

// TestAutoscalePricesFlipTheAnswer decides again on both sides of every price that is said to flip the answer of a fleet that follows its load.
func TestAutoscalePricesFlipTheAnswer(t *testing.T) {
	t.Parallel()
	for _, current := range []string{"api", "follows"} {
		at := func(api, gpu *big.Rat) (Input, model.Decision) {
			o := following()
			o.Autoscale.ReservedPerHour = rat("1.2")
			in := input(projection(1e9, 0, 0.001), []Option{{Name: "api", Hosting: model.API, API: &cost.Prices{Input: rat("5"), Output: rat("5")}}, o})
			dayAndNight(&in)
			for i := range in.Forecast.Next[model.Next30d].Total {
				in.Forecast.Next[model.Next30d].Total[i] *= 3
			}
			in.Current, in.Policy.MinProbability, in.Policy.MinSavingUSD = current, nil, rat("100")
			if api != nil {
				in.Options[0].API = &cost.Prices{Input: api, Output: api}
			}
			if gpu != nil {
				times := new(big.Rat).Quo(gpu, o.Capacity.BlockCostPerHour)
				in.Options[1].Capacity.BlockCostPerHour = gpu
				in.Options[1].Autoscale = o.Autoscale.reservedAt(times.Mul(times, o.Autoscale.ReservedPerHour))
			}
			return in, Decide(in).Decision
		}
		in, before := at(nil, nil)
		d, _ := newDemand(in.Forecast, in.Constraints)
		all, _ := candidates(in, d)
		fleet, other := find(all, "follows"), find(all, "api")
		from, to := other, fleet
		if current == "follows" {
			from, to = fleet, other
		}
		e := explanation{in: &in, demand: d, all: all, now: from, api: other}
		api, gpu := e.flips(fleet, from, to)
		if api == nil || gpu == nil {
			t.Fatalf("%s: got prices %v and %v, want both", current, api, gpu)
		}
		near := func(r *big.Rat, percent int64) *big.Rat { return new(big.Rat).Mul(r, big.NewRat(percent, 100)) }
		for what, move := range map[string]func(percent int64) model.Decision{
			"API": func(percent int64) model.Decision { _, d := at(near(api, percent), nil); return d },
			"GPU": func(percent int64) model.Decision { _, d := at(nil, near(gpu, percent)); return d },
		} {
			if low, high := move(99), move(101); low.Recommendation == high.Recommendation {
				t.Errorf("%s on %s: got %s on both sides of %s and %s", what, current, low.Recommendation, api.FloatString(4), gpu.FloatString(4))
			}
		}
		if said := strings.Join(before.WouldChange, "; "); !strings.Contains(said, priceText(api)) || !strings.Contains(said, model.FormatUSD(usd(gpu))) {
			t.Errorf("on %s: got %q, want it to say %s and %s", current, said, priceText(api), model.FormatUSD(usd(gpu)))
		}
	}
}

// TestAutoscaleFastAgreesWithExact compares the two forms over random fleets and loads, at volumes on and off the steps.
func TestAutoscaleFastAgreesWithExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(47, 1))
	for range modeltest.Draws {
		o := following()
		least, quota := r.Int64N(3), 1+r.Int64N(40)
		o.Capacity.MinReplicas, o.Capacity.SpareReplicas, o.Capacity.ReplicasPerBlock = &least, r.Int64N(3), 1+r.Int64N(3)
		if r.IntN(3) == 0 {
			o.Capacity.MaxReplicas = &quota
		}
		o.Autoscale.ReservedPerHour = oneOf(r, nil, rat("0.4"), rat("1.3"), rat("2"))
		in := input(projection(1e9, 0, 0.1), []Option{o})
		in.Current = o.Name
		in.Forecast.Load = nil
		for range 1 + r.IntN(30) {
			in.Forecast.Load = append(in.Forecast.Load, model.LoadBlock{Hours: float64(1 + r.IntN(5)), TokensPerHour: model.Tokens(r.IntN(4) * 1000)})
		}
		in.Forecast.Load = append(in.Forecast.Load, model.LoadBlock{Hours: 1, TokensPerHour: 4000})
		d, _ := newDemand(in.Forecast, in.Constraints)
		all, _ := candidates(in, d)
		c := all[0]
		if c.problem != "" {
			if !strings.Contains(c.problem, "bought together") {
				t.Fatal(c.problem)
			}
			continue
		}
		for v := 1e5; v < 1e12; v *= 2.3 {
			volume := whole(v)
			exact, got := c.at(volume), c.fast.at(float(volume))
			if exact.usd == nil {
				if !math.IsNaN(got) {
					t.Fatalf("%v tokens: got %v, want none: %s", v, got, exact.infeasible)
				}
				continue
			}
			if want := float(exact.usd); math.Abs(got-want) > 1e-9*want {
				t.Fatalf("%+v over %v: %v tokens cost %v, want %v", *o.Autoscale, in.Forecast.Load, v, got, want)
			}
		}
	}
}

// TestColdStartsFitTheLimit holds that no request waits longer for a replica than its limit allows.
func TestColdStartsFitTheLimit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		edit       func(in *Input, o *Option)
		infeasible string
		warning    string
	}{
		{"a fleet at zero makes a request wait", func(_ *Input, o *Option) { o.Capacity.MinReplicas = new(int64) }, "scales to zero", ""},
		{"so does one without a spare", func(_ *Input, o *Option) { o.Capacity.SpareReplicas = 0 }, "no spare replica", ""},
		{"a spare carries what comes meanwhile", func(*Input, *Option) {}, "", ""},
		{"a start within the limit breaks nothing", func(_ *Input, o *Option) {
			o.Capacity.MinReplicas, o.Autoscale.ColdStart = new(int64), 400*time.Millisecond
		}, "", ""},
		{"work that can wait waits", func(in *Input, o *Option) {
			o.Capacity.MinReplicas, in.Constraints = new(int64), Constraints{Sensitivity: Internal, OpsCapacity: OpsDedicated, Batch: true}
		}, "", ""},
		{"without a limit it is said", func(in *Input, o *Option) { o.Capacity.MinReplicas, in.Constraints.TTFTLimit = new(int64), 0 }, "", "COLD_START"},
		{"an unknown load cannot be followed", func(in *Input, _ *Option) { in.Forecast.Load = nil }, "not known yet", ""},
		{"less than a block is allowed", func(_ *Input, o *Option) {
			quota := int64(3)
			o.Capacity.MaxReplicas, o.Capacity.ReplicasPerBlock = &quota, 4
		}, "bought together", ""},
		{"the quota does not carry the peak", func(_ *Input, o *Option) {
			quota := int64(4)
			o.Capacity.MaxReplicas = &quota
		}, "the quota is 4", ""},
	} {
		o := following()
		o.Capacity.SpareReplicas = 1
		in := input(projection(1e9, 0, 0), append(four("3"), Option{}))
		dayAndNight(&in)
		in.Constraints.TTFTLimit = 500 * time.Millisecond
		tc.edit(&in, &o)
		in.Options[4], in.Candidates[4] = o, o.Name
		got := Decide(in).Options[4]
		if (got.Infeasible == "") != (tc.infeasible == "") || !strings.Contains(got.Infeasible, tc.infeasible) {
			t.Errorf("%s: got infeasible %q, want %q", tc.name, got.Infeasible, tc.infeasible)
		}
		warned := ""
		for _, w := range got.Warnings {
			if w.Code == "COLD_START" {
				warned = w.Code
			}
		}
		if warned != tc.warning {
			t.Errorf("%s: got warnings %+v, want %q", tc.name, got.Warnings, tc.warning)
		}
	}
}

// TestAutoscaleBesideTheRest holds that what else looks at fleets takes one that follows its load for what it is: it is left like any
// other, its change is split over its inputs, a commitment covers its GPU hours, and a hybrid does not stand on it.
func TestAutoscaleBesideTheRest(t *testing.T) {
	t.Parallel()
	in := input(projection(1e9, 0, 0.1), append(four("0.5"), following()))
	dayAndNight(&in)
	in.Current = "follows"
	if d := Decide(in).Decision; d.Recommendation != model.Move || d.Option != "api" {
		t.Errorf("got %+v, want a move to the cheaper API", d)
	}
	before := in
	before.Forecast.Next = append([]model.Projection{}, in.Forecast.Next...)
	for i := range before.Forecast.Next[model.Next30d].Total {
		before.Forecast.Next[model.Next30d].Total[i] /= 2
	}
	m, err := Moved(before, in, "api")
	if err != nil || len(m.Cost.Parts) == 0 {
		t.Fatalf("got %+v, %v, want what the volume changed", m, err)
	}
	own := in.Options[4]
	for name, edit := range map[string]func(o *Option){
		"price":      func(o *Option) { o.Autoscale = o.Autoscale.reservedAt(rat("0.5")) },
		"throughput": func(o *Option) { o.Autoscale = nil },
	} {
		changed := in
		changed.Options = append([]Option{}, in.Options...)
		edit(&changed.Options[4])
		for _, pair := range [][2]Input{{in, changed}, {changed, in}} {
			m, err := Moved(pair[0], pair[1], "api")
			if err != nil {
				t.Fatal(err)
			}
			total, named := model.USD(0), false
			for _, p := range m.Cost.Parts {
				total += p.USDPerMonth
				named = named || p.Input == name
			}
			if !named || math.Abs(float64(total-m.Cost.ChangeUSDPerMonth)) > 1e-6 || m.Cost.ChangeUSDPerMonth == 0 {
				t.Errorf("%s: got %+v, want parts that sum to the change", name, m.Cost)
			}
		}
	}
	if own.Autoscale.ReservedPerHour != nil {
		t.Error("splitting a change changed the option")
	}
	in.Options[4].Committed = &Commitment{Until: in.Forecast.Origin.AddDate(1, 0, 0)}
	if v := Decide(in); v.Decision.Commitment == nil || math.Abs(float64(v.Decision.Commitment.AvoidableUSDPerMonth)-637.5) > 0.01 {
		t.Errorf("got %+v, want all but the GPU hours to be avoidable", v.Decision.Commitment)
	}
	in.Options[2].Base = "follows"
	if got := Decide(in).Options[2].Infeasible; !strings.Contains(got, "runs all month") {
		t.Errorf("a hybrid on it: got %q, want to be told that it follows its load", got)
	}
	in.Current, in.Candidates = "api", []string{"api", "follows"}
	second := in
	second.Workload = "another"
	if got := Share([]Verdict{Decide(in), Decide(second)}); len(got) != 0 {
		t.Errorf("got %+v, want none to be shared: the API costs both less", got)
	}
}

// TestAutoscaleAmongOthers decides over random volumes and limits with a fleet that follows its load among the options, the current one
// included: parts sum to costs, a saving is the difference of two costs, and what has no cost is not moved to.
func TestAutoscaleAmongOthers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(48, 1))
	moves := 0
	for range modeltest.Draws {
		o := following()
		least, quota := r.Int64N(2), 1+r.Int64N(200)
		o.Capacity.MinReplicas, o.Capacity.SpareReplicas = &least, r.Int64N(2)
		o.Capacity.MaxReplicas = oneOf(r, nil, &quota)
		in := input(projection(oneOf(r, 1e7, 1e9, 1e11), 0.2*r.Float64()-0.1, r.Float64()), append(four(oneOf(r, "0.3", "3", "20")), o))
		in.Constraints.TTFTLimit, in.Constraints.Batch = oneOf(r, 0, 500*time.Millisecond), r.IntN(3) == 0
		in.Current = oneOf(r, "api", "self", "hybrid", "follows")
		v := Decide(in)
		costs := map[string]*model.Quantiles[model.USD]{}
		for _, o := range v.Options {
			checkParts(t, o)
			costs[o.Option] = o.USDPerMonth
		}
		for _, o := range v.Options {
			if s := o.SavingUSDPerMonth; s != nil && math.Abs(float64(s.P50-(costs[in.Current].P50-costs[o.Option].P50))) > 1e-6*float64(costs[in.Current].P50) {
				t.Fatalf("%s saves %v, costs are %v and %v", o.Option, s.P50, costs[in.Current].P50, costs[o.Option].P50)
			}
		}
		if d := v.Decision; d.Recommendation == model.Move && costs[d.Option] == nil {
			t.Fatalf("moves to %s, which has no cost", d.Option)
		} else if d.Option == "follows" && d.Recommendation == model.Move {
			moves++
		}
	}
	if moves == 0 {
		t.Error("no decision is to move to the fleet that follows its load")
	}
}

// BenchmarkDecideAutoscaled has a fleet that follows its load beside the four other kinds of option.
func BenchmarkDecideAutoscaled(b *testing.B) {
	o := following()
	o.Capacity.SpareReplicas = 1
	in := input(projection(2e10, 0.05, 0.3), append(four("3"), o))
	b.ReportAllocs()
	for b.Loop() {
		Decide(in)
	}
}

// TestAnnouncedAutoscale holds that an announced price is that of what is reserved too, and that what is agreed upon stays.
func TestAnnouncedAutoscale(t *testing.T) {
	t.Parallel()
	from := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	o := following()
	o.Autoscale.ReservedPerHour, o.Announced = rat("0.5"), []PriceChange{{From: from, Times: rat("3")}}
	if then := o.at(from); then.Autoscale.ReservedPerHour.Cmp(rat("1.5")) != 0 || then.Capacity.BlockCostPerHour.Cmp(rat("6")) != 0 {
		t.Errorf("got %+v and %+v, want three times the prices", then.Autoscale, then.Capacity)
	}
	if now := o.at(from.Add(-1)); now.Autoscale.ReservedPerHour.Cmp(rat("0.5")) != 0 || o.Autoscale.ReservedPerHour.Cmp(rat("0.5")) != 0 {
		t.Errorf("before that day: got %+v, want the price of today", now.Autoscale)
	}
	api := four("2")[0]
	api.API.Uplift, api.Announced = rat("0.1"), []PriceChange{{From: from, API: &cost.Prices{Input: rat("1"), Output: rat("1")}}}
	if got := api.at(from).API.Uplift; got == nil || got.Cmp(rat("0.1")) != 0 {
		t.Errorf("got an uplift of %v, want a tenth as today", got)
	}
}

// followingAgainst decides between an API and a fleet that follows its load, with the inputs that edit makes of theirs.
func followingAgainst(edit func(api *cost.Prices, o *Option, in *Input)) Verdict {
	options := []Option{four("3")[0], following()}
	prices, capacity, scale := *options[0].API, *options[1].Capacity, *options[1].Autoscale
	scale.ReservedPerHour = rat("1.1")
	options[0].API, options[1].Capacity, options[1].Autoscale = &prices, &capacity, &scale
	in := input(projection(1e9, 0, 0.2), options)
	in.Forecast.Load = model.LoadCurve{{Hours: 250, TokensPerHour: 3_500_000}, {Hours: 400, TokensPerHour: 500_000}, {Hours: 80, TokensPerHour: 0}}
	edit(&prices, &in.Options[1], &in)
	return Decide(in)
}

// TestAutoscaleTornado works every end of every range out anew by a whole decision with that input changed.
func TestAutoscaleTornado(t *testing.T) {
	t.Parallel()
	swings := followingAgainst(func(*cost.Prices, *Option, *Input) {}).Crossover.Tornado
	if len(swings) != 8 {
		t.Fatalf("got %d rows, want one for each of 8 inputs: %+v", len(swings), swings)
	}
	for i, s := range swings {
		if i > 0 && spread(s) > spread(swings[i-1]) {
			t.Errorf("%s swings wider than %s before it", s.Input, swings[i-1].Input)
		}
		for _, end := range []struct {
			value  float64
			first  *model.Tokens
			saving *model.USD
		}{{s.Low, s.FirstAtLow, s.SavingAtLow}, {s.High, s.FirstAtHigh, s.SavingAtHigh}} {
			v := followingAgainst(func(api *cost.Prices, o *Option, in *Input) {
				exact, times := exactly(end.value), exactly(end.value/s.Now)
				switch s.Input {
				case "volume":
					load := in.Forecast.Load
					in.Forecast = projection(end.value*720/730, 0, 0.2)
					in.Forecast.Load = load
				case "api_price":
					api.Input, api.Output = exact, exact
				case "gpu_price":
					o.Capacity.BlockCostPerHour = exact
					o.Autoscale.ReservedPerHour = new(big.Rat).Mul(o.Autoscale.ReservedPerHour, times)
				case "throughput":
					o.Capacity.TokensPerHour = exact
				case "target_utilization":
					o.Capacity.TargetUtilization = exact
				case "operations":
					o.Capacity.FixedMonthly = exact
				case "cold_starts":
					o.Autoscale.StartsPerDay = new(big.Rat).Mul(o.Autoscale.StartsPerDay, times)
				case "cold_start_time":
					o.Autoscale.ColdStart = time.Duration(end.value * float64(time.Hour))
				default:
					t.Fatalf("unknown input %q", s.Input)
				}
			})
			if first := v.Crossover.FirstTokensPerMonth; (first == nil) != (end.first == nil) || first != nil && math.Abs(float64(*first / *end.first)-1) > 1e-6 {
				t.Errorf("%s at %v: first crossover %v, want %v", s.Input, end.value, end.first, first)
			}
			if got, want := end.saving, v.Options[1].SavingUSDPerMonth; (got == nil) != (want == nil) || got != nil && math.Abs(float64(*got-want.P50)) > 1e-3 {
				t.Errorf("%s at %v: saves %v, want %v", s.Input, end.value, got, want)
			}
		}
	}
}

// TestAutoscaleElasticitiesPredict holds that a change of an input by a thousandth moves the smooth crossing by the elasticity times as much.
func TestAutoscaleElasticitiesPredict(t *testing.T) {
	t.Parallel()
	base := followingAgainst(func(*cost.Prices, *Option, *Input) {}).Crossover
	e, more := base.Elasticities, rat("1.001")
	times := func(r *big.Rat) *big.Rat { return new(big.Rat).Mul(r, more) }
	for input, tc := range map[string]struct {
		want float64
		edit func(api *cost.Prices, o *Option, in *Input)
	}{
		"operations": {e.Operations, func(_ *cost.Prices, o *Option, _ *Input) { o.Capacity.FixedMonthly = times(o.Capacity.FixedMonthly) }},
		"api": {e.APIPrice, func(api *cost.Prices, _ *Option, _ *Input) {
			api.Input, api.Output = times(api.Input), times(api.Output)
		}},
		"gpu": {e.GPUPrice, func(_ *cost.Prices, o *Option, _ *Input) {
			o.Capacity.BlockCostPerHour, o.Autoscale.ReservedPerHour = times(o.Capacity.BlockCostPerHour), times(o.Autoscale.ReservedPerHour)
		}},
		"throughput": {e.Throughput, func(_ *cost.Prices, o *Option, _ *Input) { o.Capacity.TokensPerHour = times(o.Capacity.TokensPerHour) }},
		"variable": {e.VariableCost, func(_ *cost.Prices, o *Option, _ *Input) {
			o.Capacity.VariablePerMTok = times(o.Capacity.VariablePerMTok)
		}},
		"cold starts":     {e.ColdStarts, func(_ *cost.Prices, o *Option, _ *Input) { o.Autoscale.StartsPerDay = times(o.Autoscale.StartsPerDay) }},
		"cold start time": {e.ColdStartTime, func(_ *cost.Prices, o *Option, _ *Input) { o.Autoscale.ColdStart += o.Autoscale.ColdStart / 1000 }},
	} {
		moved := followingAgainst(tc.edit).Crossover
		if got := (float64(*moved.SmoothTokensPerMonth / *base.SmoothTokensPerMonth) - 1) * 1000; tc.want == 0 || math.Abs(got-tc.want) > 0.002*(1+tc.want*tc.want) {
			t.Errorf("a thousandth more %s moves the crossing by %v thousandths, want %v", input, got, tc.want)
		}
	}
}
