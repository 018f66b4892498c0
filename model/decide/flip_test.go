package decide

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
)

// TestUnitFloorOfOddTiers has an API at 5 USD/Mtok up to 1B tokens, where a fleet does not pay yet, and at 0.1 above, where it never does: a full replica
// costs 7.98 USD an hour for 30.276M × 0.6 / 1.6 tokens, 0.703 USD/Mtok. What would change that is the price above 1B, seven times of it.
func TestUnitFloorOfOddTiers(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("5"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[0].API.Tiers = []cost.Tier{{Above: rat("1e9"), Times: rat("0.02")}}
	v := Decide(input(projection(2e10, 0, 0), options))
	if v.Crossover == nil || v.Crossover.Reason != model.NeverUnitFloor {
		t.Fatalf("got %+v, want never", v.Crossover)
	}
	text := strings.Join(v.Decision.WouldChange, "; ")
	for _, want := range []string{"an API price above $0.703/Mtok beyond 1.00B tokens a month (now $0.100/Mtok)", "7.03 times the throughput of a replica", "below $1.14 an hour"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

// TestPricesFlipTheAnswer decides again on both sides of every price that is said to flip the answer.
func TestPricesFlipTheAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		current string
		tokens  float64
		price   string
		above   string // the tokens of a month above which half of it is charged; none when empty
	}{
		{name: "an API too cheap to leave", current: "api", tokens: 2e10, price: "1.8"},
		{name: "an API that is left", current: "api", tokens: 2e10, price: "3"},
		{name: "a saving below the margin", current: "api", tokens: 2e10, price: "1.9"},
		{name: "a fleet that is kept", current: "self", tokens: 2e10, price: "3"},
		{name: "a fleet that is left", current: "self", tokens: 2e10, price: "0.5"},
		{name: "an API that its tiers make too cheap to leave", current: "api", tokens: 2e10, price: "3", above: "6e9"},
		{name: "an API that is left in spite of its tiers", current: "api", tokens: 2e10, price: "5", above: "6e9"},
		{name: "a fleet that tiers do not beat", current: "self", tokens: 2e10, price: "4", above: "6e9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := projection(tc.tokens, 0, 0.001)
			at := func(api, gpu *big.Rat) (Input, model.Decision) {
				options := slices.DeleteFunc(four(tc.price), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
				for i := range options {
					if options[i].API == nil {
						continue
					}
					if tc.above != "" {
						options[i].API.Tiers = []cost.Tier{{Above: rat(tc.above), Times: rat("0.5")}}
					}
					if api != nil { // on average, all tiers alike
						now := newPlan(options[i], nil, Constraints{}, median(f)).rate.Effective(median(f).median)
						options[i].API = new(options[i].API.Scaled(new(big.Rat).Quo(api, now)))
					}
				}
				for i := range options {
					if options[i].Capacity != nil && gpu != nil {
						options[i].Capacity.BlockCostPerHour = gpu
					}
				}
				in := input(f, options)
				in.Current = tc.current
				return in, Decide(in).Decision
			}
			in, before := at(nil, nil)
			d, _ := newDemand(in.Forecast, in.Constraints)
			all, _ := candidates(in, d)
			from, to := find(all, tc.current), find(all, "self")
			if from == to {
				to = find(all, "api")
			}
			e := explanation{in: &in, demand: d, all: all, now: from, api: find(all, "api")}
			api, gpu := e.flips(find(all, "self"), from, to)
			if api == nil || gpu == nil {
				t.Fatalf("got prices %v and %v, want both", api, gpu)
			}
			near := func(r *big.Rat, percent int64) *big.Rat { return new(big.Rat).Mul(r, big.NewRat(percent, 100)) }
			_, cheapAPI := at(near(api, 99), nil)
			_, dearAPI := at(near(api, 101), nil)
			_, cheapGPU := at(nil, near(gpu, 99))
			_, dearGPU := at(nil, near(gpu, 101))
			for what, pair := range map[string][2]model.Decision{"API": {cheapAPI, dearAPI}, "GPU": {cheapGPU, dearGPU}} {
				if pair[0].Recommendation == pair[1].Recommendation {
					t.Errorf("%s price: got %s on both sides of %s and %s", what, pair[0].Recommendation, api.FloatString(4), gpu.FloatString(4))
				}
			}
			said := strings.Join(before.WouldChange, "\n")
			for _, want := range []string{priceText(api), model.FormatUSD(usd(gpu))} {
				if !strings.Contains(said, want) {
					t.Errorf("would change: got %q, want it to say %s", said, want)
				}
			}
		})
	}
}

// median returns what f projects.
func median(f model.Forecast) demand {
	d, _ := newDemand(f, Constraints{})
	return d
}

// TestUnitFloorFlips works out by hand when a full replica costs what the API charges: 7.98 USD an hour over 30.276M × 0.6
// tokens an hour at a peak factor of 1.6 is 0.7029 USD per million tokens, 2.34 times an API at 0.30.
func TestUnitFloorFlips(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("0.30"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	said := strings.Join(Decide(input(projection(5e11, 0, 0.1), options)).Decision.WouldChange, "\n")
	for _, want := range []string{"an API price above $0.703/Mtok (now $0.300/Mtok)", "GPUs for a replica of self below $3.41 an hour (now $7.98)", "2.34 times the throughput"} {
		if !strings.Contains(said, want) {
			t.Errorf("got %q\nwant it to say %q", said, want)
		}
	}
	for i := range options {
		if options[i].Capacity != nil {
			options[i].Capacity.TargetUtilization = rat("0.2")
		}
	}
	options[0].API = &cost.Prices{Input: rat("1"), Output: rat("1")}
	said = strings.Join(Decide(input(projection(5e11, 0, 0.1), options)).Decision.WouldChange, "\n")
	if want := "or a target utilization of 42%"; !strings.Contains(said, want) { // 0.7029 × 3 / 1.00 times 20 %
		t.Errorf("got %q\nwant it to say %q", said, want)
	}
}

func TestQuotaWouldChange(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	quota := int64(2)
	options[1].Capacity.MaxReplicas = &quota
	v := Decide(input(projection(2e10, 0, 0.1), options))
	if said := v.Decision.WouldChange; len(said) != 1 || !strings.Contains(said[0], "a larger quota") {
		t.Errorf("past what the quota carries: got %q, want the quota", said)
	}
	quota = 1 // one replica, and a spare that is not allowed
	v = Decide(input(projection(2e10, 0, 0.1), options))
	if v.Crossover == nil || v.Crossover.Reason != model.NeverCapacityLimit {
		t.Fatalf("got %+v, want a quota below the crossover", v.Crossover)
	}
	if said := v.Decision.WouldChange; len(said) != 1 || !strings.Contains(said[0], "a quota that carries more than") {
		t.Errorf("got %q, want the volume that a larger quota must carry", said)
	}
	if o := v.Options[1]; o.Infeasible == "" || o.USDPerMonth != nil {
		t.Errorf("got %+v, want an option that is infeasible and has no cost", o)
	}
}
