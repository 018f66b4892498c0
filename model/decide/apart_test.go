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

// fleetByHand buys replicas and blocks one at a time until they carry tokens, and returns what that costs and how many replicas beside the
// spares are paid for.
func fleetByHand(c *cost.Capacity, tokens, peak float64) (usd, replicas float64) {
	perReplica := float(c.TokensPerHour) * float(c.TargetUtilization) * 730 / peak
	needed := 1.0
	for needed*perReplica < tokens*(1-1e-9) {
		needed++
	}
	blocks, k := 0.0, float64(max(1, c.ReplicasPerBlock))
	for blocks*k < needed+float64(c.SpareReplicas) {
		blocks++
	}
	return blocks*float(c.BlockCostPerHour)*730 + float(orZero(c.FixedMonthly)) + tokens/1e6*float(orZero(c.VariablePerMTok)), blocks*k - float64(c.SpareReplicas)
}

// TestApartByHand serves both parts hour by hour: an API beside a fleet for what can wait, and a fleet whose valleys what can wait fills
// before the rest goes to an API at batch prices or to another fleet.
func TestApartByHand(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(43, 1))
	filledAll, filledSome := 0, 0
	for range modeltest.Draws / 5 {
		in := input(projection(2e10, 0, 0.1), nil)
		in.Forecast.Load = nil
		hours := 0.0
		for range 1 + r.IntN(6) {
			b := model.LoadBlock{Hours: float64(1 + r.IntN(40)), TokensPerHour: model.Tokens(r.IntN(1000))}
			in.Forecast.Load, hours = append(in.Forecast.Load, b), hours+b.Hours
		}
		in.Forecast.Load[0].TokensPerHour++
		fleet := func() *cost.Capacity {
			return &cost.Capacity{
				TokensPerHour: big.NewRat(1_000_000+r.Int64N(30_000_000), 1), TargetUtilization: oneOf(r, rat("0.6"), rat("0.9")), BlockCostPerHour: big.NewRat(1+r.Int64N(900), 97),
				SpareReplicas: r.Int64N(2), ReplicasPerBlock: oneOf[int64](r, 0, 3), FixedMonthly: oneOf(r, nil, rat("4000")), VariablePerMTok: oneOf(r, nil, rat("0.05")),
				PeakFactor: oneOf(r, rat("1"), rat("2"), rat("4")),
			}
		}
		now, later := fleet(), fleet()
		later.PeakFactor = nil // what can wait has none
		api := &cost.Prices{Input: big.NewRat(1+r.Int64N(900), 211), Output: big.NewRat(1+r.Int64N(900), 211), FixedMonthly: oneOf(r, nil, rat("300"))}
		api.BatchInput, api.BatchOutput = big.NewRat(1+r.Int64N(400), 211), big.NewRat(1+r.Int64N(400), 211)
		in.Options = []Option{
			{Name: "api", Hosting: model.API, API: api},
			{Name: "now", Hosting: model.SelfHosted, Capacity: now},
			{Name: "later", Hosting: model.SelfHosted, Capacity: later},
			{Name: "spot", Hosting: model.Hybrid, Base: "api", Overflow: "later", Apart: true},
			{Name: "valleys", Hosting: model.Hybrid, Base: "now", Overflow: "api", Apart: true, FillValleys: true},
			{Name: "fleets", Hosting: model.Hybrid, Base: "now", Overflow: "later", Apart: true, FillValleys: true},
		}
		in.Candidates = []string{"api", "spot", "valleys", "fleets"}
		share := big.NewRat(1+r.Int64N(98), 100)
		in.Constraints.BatchShare = share
		d, _ := newDemand(in.Forecast, in.Constraints)
		all, _ := candidates(in, d)
		onAPI := func(tokens float64, input, output *big.Rat) float64 {
			return tokens/1e6*(0.75*float(input)+0.25*float(output)) + float(orZero(api.FixedMonthly))
		}
		for _, volume := range []float64{1e9, 7e9, 4e10} {
			waits := volume * float(share)
			urgent := volume - waits
			base, replicas := fleetByHand(now, urgent, float(now.PeakFactor))
			capacity := replicas * float(now.TokensPerHour) * float(now.TargetUtilization)
			total, room := 0.0, 0.0
			for _, b := range in.Forecast.Load {
				total += b.Hours * float64(b.TokensPerHour)
			}
			for _, b := range in.Forecast.Load { // of the month, in which the pattern repeats
				rate := urgent * float64(b.TokensPerHour) / total * hours / 730
				room += b.Hours * 730 / hours * max(0, capacity-rate)
			}
			filled := min(waits, room)
			base += filled / 1e6 * float(orZero(now.VariablePerMTok))
			left := waits - filled
			onBatch, ownBatch := 0.0, 0.0
			if left > 1e-6*volume {
				filledSome++
				onBatch = onAPI(left, api.BatchInput, api.BatchOutput)
				ownBatch, _ = fleetByHand(later, left, 1)
			} else {
				filledAll++
			}
			apart, _ := fleetByHand(later, waits, 1)
			for name, want := range map[string]float64{
				"spot": onAPI(urgent, api.Input, api.Output) + apart, "valleys": base + onBatch, "fleets": base + ownBatch,
			} {
				c := find(all, name)
				exact := c.at(whole(volume))
				if exact.usd == nil {
					t.Fatalf("%s at %v tokens: %s", name, volume, exact.infeasible)
				}
				if got := float(exact.usd); math.Abs(got-want) > 1e-6*want {
					t.Fatalf("%s at %v tokens, %s of which can wait: got %v USD, want %v\n%v", name, volume, share.RatString(), got, want, exact.parts)
				}
				if got := c.fast.at(volume); math.Abs(got-want) > 1e-6*want {
					t.Fatalf("%s at %v tokens, %s of which can wait: in floating point got %v USD, want %v", name, volume, share.RatString(), got, want)
				}
			}
		}
	}
	if filledAll < modeltest.Draws/40 || filledSome < modeltest.Draws/40 {
		t.Errorf("%d months fit into the valleys and %d do not: the draws test too little", filledAll, filledSome)
	}
}

// withApart is a workload of which 40 % can wait, with an API, a fleet on spot capacity that has no fallback, and both together.
func withApart() Input {
	in := input(projection(2e10, 0, 0.1), four("3"))
	spot := Option{
		Name: "spot", Hosting: model.SelfHosted, Spot: &cost.Spot{Spot: rat("1.6"), Redone: rat("0.1")},
		Capacity: &cost.Capacity{TokensPerHour: rat("30276000"), BlockCostPerHour: rat("3.2"), FixedMonthly: rat("500")}, TTFTP95: time.Minute,
	}
	in.Options = append(in.Options, spot,
		Option{Name: "apart", Hosting: model.Hybrid, Base: "api", Overflow: "spot", Apart: true},
		Option{Name: "valleys", Hosting: model.Hybrid, Base: "self", Overflow: "spot", Apart: true, FillValleys: true},
	)
	in.Candidates = append(in.Candidates, "apart", "valleys")
	in.Constraints.BatchShare = rat("0.4")
	return in
}

func optionOf(t *testing.T, v Verdict, name string) model.OptionCost {
	t.Helper()
	for _, o := range v.Options {
		if o.Option == name {
			return o
		}
	}
	t.Fatalf("no option %q in %+v", name, v.Options)
	return model.OptionCost{}
}

// TestBatchOnSpotBesideAnAPI works both parts out on paper: 12.1667B of 20.2778B tokens at 3 USD/Mtok are 36,500 USD; 8.1111B fit into one
// replica that carries 30.276M × 0.9 × 0.9 × 730 = 17.9B, for 3.2 × 730 + 500 = 2,836 USD.
func TestBatchOnSpotBesideAnAPI(t *testing.T) {
	t.Parallel()
	in := withApart()
	v := Decide(in)
	o := optionOf(t, v, "apart")
	if o.USDPerMonth == nil || math.Abs(float64(o.USDPerMonth.P50)-39_336) > 0.01 {
		t.Fatalf("got %+v, want 36,500 on the API and 2,836 on spot capacity", o)
	}
	checkParts(t, o)
	if *o.Replicas != 1 || math.Abs(float64(*o.OwnShareRatio)-0.4) > 1e-6 {
		t.Errorf("got %d replicas with %v of the tokens, want one with 40 %%", *o.Replicas, *o.OwnShareRatio)
	}
	var names strings.Builder
	for _, p := range o.Parts {
		names.WriteString(p.Name + "; ")
	}
	if want := "interactive: input tokens; interactive: output tokens; batch: GPU hours; batch: operations; "; names.String() != want {
		t.Errorf("parts: got %q, want %q", names.String(), want)
	}
	// The fleet of its own for what cannot wait has room for all that can: nothing is left for spot capacity.
	valleys, self := optionOf(t, v, "valleys"), optionOf(t, v, "self")
	if valleys.USDPerMonth == nil || valleys.USDPerMonth.P50 >= self.USDPerMonth.P50 || *valleys.OwnShareRatio != 1 {
		t.Errorf("got %+v, want less than a fleet for the peak of all tokens, %v", valleys, self.USDPerMonth.P50)
	}
	checkParts(t, valleys)
	if v.Decision.Option != "valleys" && v.Decision.Option != "hybrid" {
		t.Errorf("got %s because %s", v.Decision.Option, v.Decision.Because)
	}
}

// TestApartQuantiles holds that the quantiles of a cost are in order where the volume that can wait reaches a tier that prices all of it.
func TestApartQuantiles(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.3), four("3"))
	in.Constraints.BatchShare = rat("0.5")
	in.Options = append(in.Options,
		Option{Name: "tiered", Hosting: model.API, API: &cost.Prices{
			Input: rat("2"), Output: rat("2"), Tiers: []cost.Tier{{Above: rat("9000000000"), Times: rat("0.1")}}, AllUnits: true,
		}},
		Option{Name: "apart", Hosting: model.Hybrid, Base: "self", Overflow: "tiered", Apart: true},
	)
	in.Candidates = append(in.Candidates, "apart")
	q := optionOf(t, Decide(in), "apart").USDPerMonth
	if q == nil || !(q.P10 <= q.P50 && q.P50 < q.P90) {
		t.Errorf("got %+v, want the months below the tier, which cost more, above the median", q)
	}
}

// TestApartConstraints holds that what can wait has no limit of latency, and that both parts must be allowed.
func TestApartConstraints(t *testing.T) {
	t.Parallel()
	blockedOf := func(edit func(in *Input)) []string {
		in := withApart()
		edit(&in)
		return optionOf(t, Decide(in), "apart").Blocked
	}
	for _, tc := range []struct {
		name string
		edit func(in *Input)
		want string
	}{
		{"a minute is no matter for what can wait", func(in *Input) { in.Constraints.TTFTLimit = time.Second }, ""},
		{"the API must be fast enough", func(in *Input) { in.Constraints.TTFTLimit, in.Options[0].TTFTP95 = time.Second, time.Minute }, TTFTSLA},
		{"regulated data needs an approved API", func(in *Input) { in.Constraints.Sensitivity = Regulated }, DataRegulated},
		{"an approved API is enough", func(in *Input) { in.Constraints.Sensitivity, in.Options[0].ApprovedForRegulated = Regulated, true }, ""},
		{"somebody must operate the fleet", func(in *Input) { in.Constraints.OpsCapacity = OpsNone }, NoOpsCapacity},
		{"a managed endpoint needs nobody, and may queue what can wait", func(in *Input) {
			in.Constraints.OpsCapacity = OpsNone
			in.Options[4].Hosting, in.Options[4].BatchOnly = model.CloudManaged, true
		}, ""},
	} {
		if got := strings.Join(blockedOf(tc.edit), " "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestApartNeedsAShare holds that no share is guessed, and that work which can all wait has no parts.
func TestApartNeedsAShare(t *testing.T) {
	t.Parallel()
	for want, edit := range map[string]func(c *Constraints){
		"no share of the tokens is known":  func(c *Constraints) { c.BatchShare = nil },
		"all of this work can wait":        func(c *Constraints) { c.Batch = true },
		"all of this work can wait, and a": func(c *Constraints) { c.BatchShare = rat("1") },
	} {
		in := withApart()
		edit(&in.Constraints)
		if o := optionOf(t, Decide(in), "apart"); o.USDPerMonth != nil || !strings.Contains(o.Infeasible, want) {
			t.Errorf("got %+v, want no cost because %s", o, want)
		}
	}
	in := withApart()
	in.Forecast.Load = nil
	if o := optionOf(t, Decide(in), "valleys"); o.USDPerMonth != nil || !strings.Contains(o.Infeasible, "the load of the hours is not known") {
		t.Errorf("got %+v, want no cost without the load of the hours", o)
	}
}

// TestApartCommitment holds that leaving saves only what is not committed of the part that is.
func TestApartCommitment(t *testing.T) {
	t.Parallel()
	in := withApart()
	in.Current = "apart"
	in.Options[4].Committed = &Commitment{Until: in.Forecast.Origin.AddDate(2, 0, 0)}
	v := Decide(in)
	if m := v.Decision.Commitment; m == nil || m.Option != "spot" || math.Abs(float64(m.USDPerMonth)-3.2*730) > 0.01 {
		t.Errorf("got %+v, want the GPU hours of the spot fleet to stay due", m)
	}
	in.Options[4].Committed = nil
	in.Options[0].API.MinimumCommit = rat("1000")
	in.Options[0].Committed = &Commitment{Until: in.Forecast.Origin.AddDate(2, 0, 0)}
	if m := Decide(in).Decision.Commitment; m == nil || m.Option != "api" || m.USDPerMonth != 1000 {
		t.Errorf("got %+v, want the commitment to the API to stay due", m)
	}
}

// TestApartMoves holds that the change of a cost is split over the inputs of both parts.
func TestApartMoves(t *testing.T) {
	t.Parallel()
	before, after := withApart(), withApart()
	after.Constraints.BatchShare = rat("0.2")
	after.Options[4].Capacity.BlockCostPerHour = rat("4")
	m, err := Moved(before, after, "apart")
	if err != nil || m.Margin == nil {
		t.Fatalf("got %+v, %v", m, err)
	}
	var parts model.USD
	for _, p := range m.Margin.Parts {
		if p.Input != "price" {
			t.Errorf("got a part of %s, want all of it to be of prices and the share at them", p.Input)
		}
		parts += p.USDPerMonth
	}
	if math.Abs(float64(parts-m.Margin.ChangeUSDPerMonth)) > 1e-6 || len(m.Margin.Parts) == 0 {
		t.Errorf("parts sum to %v, want %v", parts, m.Margin.ChangeUSDPerMonth)
	}
}
