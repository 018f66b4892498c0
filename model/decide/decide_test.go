package decide

import (
	"cmp"
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

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

// projection returns a forecast of median tokens in the next 30 days, growing by growth a month, spread by sigma on the log
// scale, three quarters of it input.
func projection(median, growth, sigma float64) model.Forecast {
	origin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	span := func(from, to time.Time, median float64) model.Projection {
		p := model.Projection{From: from, To: to}
		p.Mix[model.Input], p.Mix[model.Output] = 0.75, 0.25
		for i, level := range model.Levels {
			p.Total[i] = model.Tokens(median * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*level-1)))
		}
		return p
	}
	f := model.Forecast{Origin: origin, MonthlyGrowth: model.Fraction(growth), Requests30d: median / 2000}
	for _, days := range []int{7, 30, 90} {
		f.Next = append(f.Next, span(origin, origin.AddDate(0, 0, days), median*float64(days)/30))
	}
	for m := range 13 {
		from := time.Date(2026, time.Month(11+m), 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, 1, 0)
		f.Months = append(f.Months, span(from, to, median*math.Pow(1+growth, float64(m))*to.Sub(from).Hours()/720))
	}
	for h := range 168 {
		day := 1 + 0.6*math.Sin(2*math.Pi*float64(h%24)/24)
		f.Load = append(f.Load, model.LoadBlock{Hours: 1, TokensPerHour: model.Tokens(median / 720 * day)})
		f.HourOfWeek[h] = 1.0 / 168
	}
	slices.SortFunc(f.Load, func(a, b model.LoadBlock) int { return cmp.Compare(b.TokensPerHour, a.TokensPerHour) })
	return f
}

// four returns an API at apiPrice, a rented fleet, a managed fleet and their hybrid.
func four(apiPrice string) []Option {
	fleet := &cost.Capacity{
		TokensPerHour: rat("30276000"), BlockCostPerHour: rat("7.98"), TargetUtilization: rat("0.6"), SpareReplicas: 1, FixedMonthly: rat("9387"),
	}
	managed := *fleet
	managed.ManagedOverhead, managed.FixedMonthly = rat("0.15"), rat("4086")
	return []Option{
		{Name: "api", Hosting: model.API, API: &cost.Prices{Input: rat(apiPrice), Output: rat(apiPrice)}},
		{Name: "managed", Hosting: model.CloudManaged, Capacity: &managed},
		{Name: "hybrid", Hosting: model.Hybrid, Base: "self", Overflow: "api"},
		{Name: "self", Hosting: model.SelfHosted, Capacity: fleet},
	}
}

func input(f model.Forecast, options []Option) Input {
	in := Input{
		Workload: "support", Current: "api", Options: options, Forecast: f,
		Constraints: Constraints{Sensitivity: Internal, OpsCapacity: OpsDedicated},
		Policy: Policy{
			Enter: rat("0.2"), Leave: rat("0.1"), Confirmations: 3, ConfirmEvery: 24 * time.Hour, MinSavingUSD: rat("1000"),
			MinProbability: rat("0.8"), MaxPaybackMonths: rat("12"), LeadTime: 90 * 24 * time.Hour,
		},
	}
	for _, o := range options {
		in.Candidates = append(in.Candidates, o.Name)
	}
	return in
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		edit      func(*Input)
		tokens    float64
		price     string
		recommend string
		option    string
		reason    string
		differs   string
		because   string
	}{
		{
			name: "a small bill is never worth a fleet", tokens: 5e9, price: "0.90", recommend: model.Stay, option: "api",
			reason: model.ReasonAlreadyBest, differs: BillTooSmall, because: "no allowed option costs less",
		},
		{
			name: "a full fleet that costs more than the API never pays", tokens: 5e11, price: "0.30", recommend: model.Stay, option: "api",
			reason: model.ReasonAlreadyBest, differs: UnitFloor, because: "no allowed option costs less",
		},
		{
			name: "a dear API is left for the cheapest fleet", tokens: 2e10, price: "3", recommend: model.Move, option: "hybrid",
			reason: model.ReasonSwitch, differs: HybridBeatsPure, because: "saves",
		},
		{
			name: "regulated data may not use an API that is not approved", tokens: 1e9, price: "0.30", recommend: model.Move, option: "managed",
			edit: func(in *Input) { in.Constraints.Sensitivity = Regulated }, reason: model.ReasonCurrentInfeasible, differs: ManagedSameBoundary,
			because: "api may not serve this workload (DATA_REGULATED)",
		},
		{
			name: "an option without a price is not free", tokens: 2e10, price: "3", recommend: model.Unknown,
			edit: func(in *Input) { in.Options[0].API = &cost.Prices{Output: rat("3")} }, reason: model.ReasonUnknown, because: "no price",
		},
		{
			name: "a current option that nobody configured is unknown", tokens: 2e10, price: "3", recommend: model.Unknown,
			edit: func(in *Input) { in.Current = "other" }, reason: model.ReasonUnknown, because: `"other" is not configured`,
		},
		{name: "no volume is no verdict", tokens: 0, price: "3", recommend: model.Unknown, reason: model.ReasonUnknown, because: "no volume"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := input(projection(tc.tokens, 0.05, 0.1), four(tc.price))
			if tc.edit != nil {
				tc.edit(&in)
			}
			v := Decide(in)
			got := v.Decision
			if got.Recommendation != tc.recommend || got.Option != tc.option || got.Reason != tc.reason || got.DiffersBecause != tc.differs {
				t.Errorf("got %s %q because %s, differs %q (%s)\nwant %s %q because %s, differs %q", got.Recommendation, got.Option, got.Reason,
					got.DiffersBecause, got.Because, tc.recommend, tc.option, tc.reason, tc.differs)
			}
			if !strings.Contains(got.Because, tc.because) {
				t.Errorf("because: got %q, want it to say %q", got.Because, tc.because)
			}
			for _, o := range v.Options {
				checkParts(t, o)
			}
			again, err := json.Marshal(Decide(in))
			if first, err2 := json.Marshal(v); err != nil || err2 != nil || string(first) != string(again) {
				t.Errorf("the same input gave another answer (%v, %v)", err, err2)
			}
		})
	}
}

// checkParts holds that the parts of a cost sum to it.
func checkParts(t *testing.T, o model.OptionCost) {
	t.Helper()
	if o.USDPerMonth == nil {
		return
	}
	var total model.USD
	for _, p := range o.Parts {
		total += p.USDPerMonth
	}
	if math.Abs(float64(total-o.USDPerMonth.P50)) > 1e-6*math.Abs(float64(total)) {
		t.Errorf("%s: parts sum to %v, want %v", o.Option, total, o.USDPerMonth.P50)
	}
	if q := *o.USDPerMonth; q.P10 > q.P50 || q.P50 > q.P90 {
		t.Errorf("%s: quantiles %v fall", o.Option, q)
	}
}

// TestDecideByHand compares with costs worked out on paper: 20B tokens in 30 days are 20.2778B in a month of 730 hours;
// at 3 USD/Mtok that is 60,833.33 USD. One replica carries 30.276M × 0.6 × 730 / φ tokens, φ being the peak factor 1.6 of
// a load that swings by 60 %; 20.2778B need ceil(20.2778e9 / 8.288e9) = 3 replicas and one spare: 4 × 7.98 × 730 + 9,387 = 32,688.60 USD.
func TestDecideByHand(t *testing.T) {
	t.Parallel()
	v := Decide(input(projection(2e10, 0, 0.1), four("3")))
	want := map[string]model.USD{"api": 60_833.333334, "self": 32_688.6, "managed": 4*7.98*1.15*730 + 4086}
	for _, o := range v.Options {
		if w, listed := want[o.Option]; listed && math.Abs(float64(o.USDPerMonth.P50-w)) > 0.01 {
			t.Errorf("%s: got %v USD a month, want %v (%v)", o.Option, o.USDPerMonth.P50, w, o.Parts)
		}
	}
}

// TestFastAgreesWithExact holds the float form to the exact one wherever no step is within its rounding.
func TestFastAgreesWithExact(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0.05, 0.4), four("3"))
	d, _ := newDemand(in.Forecast, in.Constraints)
	all, _ := candidates(in, d)
	for _, c := range all {
		for v := 1e6; v < 1e13; v *= 1.37 {
			volume := whole(v)
			exact := c.at(volume)
			if exact.usd == nil {
				continue
			}
			got, want := c.fast.at(float(volume)), float(exact.usd)
			if math.Abs(got-want) > 1e-9*want {
				t.Errorf("%s at %s tokens: got %v, want %v", c.option.Name, volume.RatString(), got, want)
			}
		}
	}
}

func TestCrossoverDates(t *testing.T) {
	t.Parallel()
	// 9.4k of operations and two replicas against 3 USD/Mtok: the boundary is above 5B, which growth of 20 % a month reaches.
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	v := Decide(input(projection(3e9, 0.2, 0.2), options))
	x := v.Crossover
	if x == nil || x.State != model.StateBelow || x.CrossesOn == "" || x.ActBy == "" || x.MonthsToBoundary == nil {
		t.Fatalf("got %+v, want a crossing ahead with its dates", x)
	}
	if x.ActBy >= x.CrossesOn {
		t.Errorf("act by %s, want it before the crossing on %s", x.ActBy, x.CrossesOn)
	}
	still := Decide(input(projection(3e9, 0, 0.01), options)).Crossover
	if still.CrossesOn != "" {
		t.Errorf("a workload that stands still crosses on %s, want never", still.CrossesOn)
	}
}

// BenchmarkDecide has five options and everything that a report says of them.
func BenchmarkDecide(b *testing.B) {
	options := four("3")
	second := options[1]
	second.Name = "managed-2"
	in := input(projection(2e10, 0.05, 0.3), append(options, second))
	b.ReportAllocs()
	for b.Loop() {
		Decide(in)
	}
}

// BenchmarkDecideTinyMargin has as many favourable intervals as are listed.
func BenchmarkDecideTinyMargin(b *testing.B) {
	in := input(projection(2e10, 0.05, 0.3), four("3"))
	in.Options[3].Capacity = &cost.Capacity{
		TokensPerHour: rat("3000"), BlockCostPerHour: rat("0.008999999"), PeakFactor: rat("1"), TargetUtilization: rat("1"),
	}
	b.ReportAllocs()
	for b.Loop() {
		Decide(in)
	}
}

// TestFastAgreesUnderEveryTerm does the same with a commitment, a fee, a quota, blocks of replicas and another tokenizer.
func TestFastAgreesUnderEveryTerm(t *testing.T) {
	t.Parallel()
	quota, least := int64(40), int64(3)
	fleet := &cost.Capacity{
		TokensPerHour: rat("3027600"), BlockCostPerHour: rat("9.5"), TargetUtilization: rat("0.6"), SpareReplicas: 1, FixedMonthly: rat("400"),
		ReplicasPerBlock: 4, MinReplicas: &least, MaxReplicas: &quota, VariablePerMTok: rat("0.02"),
	}
	prices := &cost.Prices{
		Input: rat("2"), Output: rat("7"), RequestFee: rat("0.0001"), Discount: rat("0.1"), MinimumCommit: rat("9000"), FixedMonthly: rat("250"),
	}
	in := input(projection(2e10, 0.05, 0.4), []Option{
		{Name: "api", Hosting: model.API, API: prices, TokenRatioIn: rat("1.2"), TokenRatioOut: rat("0.9")},
		{Name: "hybrid", Hosting: model.Hybrid, Base: "self", Overflow: "api"},
		{Name: "self", Hosting: model.SelfHosted, Capacity: fleet, TokenRatioIn: rat("1.1")},
	})
	d, _ := newDemand(in.Forecast, in.Constraints)
	all, _ := candidates(in, d)
	for _, c := range all {
		if c.problem != "" {
			t.Fatalf("%s: %s", c.option.Name, c.problem)
		}
		for v := 1e6; v < 1e13; v *= 1.17 {
			exact, got := c.at(whole(v)), c.fast.at(float(whole(v)))
			if exact.usd == nil {
				if !math.IsNaN(got) {
					t.Errorf("%s at %g tokens: got %v, want no cost: %s", c.option.Name, v, got, exact.infeasible)
				}
				continue
			}
			// The requests of the exact form are those of a whole number of tokens.
			if want := float(exact.usd); math.Abs(got-want) > 1e-6*want {
				t.Errorf("%s at %g tokens: got %v, want %v", c.option.Name, v, got, want)
			}
			if total := sum(exact.parts); total.Cmp(exact.usd) != 0 {
				t.Errorf("%s at %g tokens: the parts sum to %s, want %s", c.option.Name, v, total.RatString(), exact.usd.RatString())
			}
		}
	}
}

// TestDecideNeverChoosesWhatIsBlocked decides over random options: whatever is blocked or has no cost is not recommended, parts
// sum to costs, and nothing panics.
func TestDecideNeverChoosesWhatIsBlocked(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(36, 1))
	seen := map[string]int{}
	for range modeltest.Draws {
		options := four(oneOf(r, "0.3", "1", "3", "20"))
		for i, o := range options {
			if r.IntN(2) == 0 {
				options[i] = randomOption(r, o)
			}
			options[i].MigrationCost = oneOf(r, nil, rat("20000"), rat("200000"))
			if o.API != nil && r.IntN(10) == 0 {
				options[i].API = &cost.Prices{}
			}
		}
		in := input(projection(oneOf(r, 1e8, 1e10, 1e12), 0.1*r.Float64()-0.05, r.Float64()), options)
		in.Constraints, in.Current = oneOf(r, in.Constraints, randomConstraints(r)), oneOf(r, "api", "managed", "hybrid", "self")
		in.Policy.MaxPaybackMonths, in.Policy.WaitMonths = oneOf(r, rat("12"), rat("2")), oneOf(r, 0, 1, 3, 6)
		v := Decide(in)
		d := v.Decision
		seen[d.Reason]++
		if d.Because == "" || d.Reason == "" || d.WouldChange == nil {
			t.Errorf("%+v says nothing", d)
		}
		for _, o := range v.Options {
			checkParts(t, o)
			if o.Option == d.Option && d.Recommendation == model.Move && (len(o.Blocked) > 0 || o.USDPerMonth == nil) {
				t.Errorf("moves to %+v", o)
			}
		}
		if d.Recommendation == model.Stay && d.Option != in.Current || d.Recommendation == model.Unknown && d.Option != "" {
			t.Errorf("got %+v with %s as the current option", d, in.Current)
		}
	}
	for _, reason := range []string{
		model.ReasonNoFeasibleOption, model.ReasonCurrentInfeasible, model.ReasonAlreadyBest, model.ReasonUncertain, model.ReasonPaybackTooLong,
		model.ReasonSwitch, model.ReasonUnknown,
	} {
		if seen[reason] == 0 {
			t.Errorf("none of the decisions is %s: %v", reason, seen)
		}
	}
}

// TestUnknownIsNeverZero holds that a missing input gives no number, and a reason.
func TestUnknownIsNeverZero(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		edit  func(*Input)
		says  string // in the sentence of the decision, or in what makes an option infeasible
		known bool   // whether there is a verdict all the same
	}{
		{name: "no projection", edit: func(in *Input) { in.Forecast = model.Forecast{} }, says: "no volume"},
		{name: "a projection without end", says: "no volume", edit: func(in *Input) {
			in.Forecast.Next[model.Next30d].Total[20] = model.Tokens(math.Inf(1))
		}},
		{name: "a projection that is no number", says: "no volume", edit: func(in *Input) {
			in.Forecast.Next[model.Next30d].Total[3] = model.Tokens(math.NaN())
		}},
		{name: "no split over the classes", says: "no volume", edit: func(in *Input) {
			in.Forecast.Next[model.Next30d].Mix = [model.NumClasses]model.Fraction{}
		}},
		{
			name: "a fee for requests that nobody counts", says: "the requests are not known",
			edit: func(in *Input) { in.Forecast.Requests30d, in.Options[0].API.RequestFee = 0, rat("0.01") },
		},
		{name: "a fleet of unknown throughput", known: true, says: "the throughput of self is not known", edit: func(in *Input) {
			in.Options[3].Capacity.TokensPerHour = nil
		}},
		{name: "a hybrid without a load curve", known: true, says: "the load of the hours is not known", edit: func(in *Input) {
			in.Forecast.Load = nil
		}},
		{name: "a hybrid of options that nobody configured", known: true, says: "want two configured options", edit: func(in *Input) {
			in.Options[2].Base = "x"
		}},
		{name: "a token ratio of zero", known: true, says: "token ratio of self: got 0", edit: func(in *Input) {
			in.Options[3].TokenRatioIn = rat("0")
		}},
		{name: "a shape without output", known: true, says: "the throughput of self is not known", edit: func(in *Input) {
			in.Options[3].Capacity.TokensPerHour, in.Options[3].Throughput = nil, []Throughput{{Input: 5, OutputTokensPerSecond: rat("1")}}
		}},
	} {
		in := input(projection(2e10, 0.05, 0.1), four("3"))
		tc.edit(&in)
		v := Decide(in)
		if known := v.Decision.Recommendation != model.Unknown; known != tc.known {
			t.Errorf("%s: got %+v", tc.name, v.Decision)
		}
		var said strings.Builder
		said.WriteString(v.Decision.Because)
		for _, o := range v.Options {
			said.WriteString("; " + o.Infeasible)
			if o.Infeasible != "" && o.USDPerMonth != nil {
				t.Errorf("%s: %s has a cost of %v although %s", tc.name, o.Option, *o.USDPerMonth, o.Infeasible)
			}
		}
		if !strings.Contains(said.String(), tc.says) {
			t.Errorf("%s: got %q, want it to say %q", tc.name, said.String(), tc.says)
		}
	}
}

// TestWarnings holds that every assumption is said beside the number that rests on it.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code string
		edit func(*Input)
	}{
		{"ASSUMED_PEAK", func(in *Input) { in.Forecast.Load = nil }},
		{"ASSUMED_UTILIZATION", func(in *Input) { in.Options[3].Capacity.TargetUtilization = nil }},
		{"THROUGHPUT_FROM_SHAPE", func(in *Input) {
			in.Options[3].Throughput = []Throughput{{Input: 1500, Output: 500, OutputTokensPerSecond: rat("900")}}
		}},
		{"TTFT_UNKNOWN", func(in *Input) { in.Constraints.TTFTLimit = time.Second }},
		{"PRICE_FALLBACK", func(in *Input) { in.Forecast.Next[model.Next30d].Mix[model.CacheRead] = 0.1 }},
		{"LONG_CONTEXT_UNKNOWN", func(in *Input) { in.Options[0].API.Long = &cost.Prices{Input: rat("9")} }},
		{"BATCH_PRICES", func(in *Input) { in.Constraints.Batch, in.Options[0].API.BatchInput = true, rat("1.5") }},
		{"INFEASIBLE_AT_P90", func(in *Input) { four := int64(4); in.Options[3].Capacity.MaxReplicas = &four }},
		{"CROSSOVER_CUT", func(in *Input) {
			in.Options[3].Capacity = &cost.Capacity{
				TokensPerHour: rat("3000"), BlockCostPerHour: rat("0.008999999"), PeakFactor: rat("1"), TargetUtilization: rat("1"),
			}
		}},
	} {
		in := input(projection(2e10, 0.05, 0.3), four("3"))
		tc.edit(&in)
		var codes []string
		for _, o := range Decide(in).Options {
			for _, w := range o.Warnings {
				codes = append(codes, w.Code)
			}
		}
		if !slices.Contains(codes, tc.code) {
			t.Errorf("got %v, want %s", codes, tc.code)
		}
	}
}

// TestNearestShape holds that the shape nearest to the workload's requests gives tokens of both kinds: requests of 1,500 input
// and 500 output tokens at 900 output tokens a second are 3,600 tokens a second, 12.96M an hour.
func TestNearestShape(t *testing.T) {
	t.Parallel()
	shapes := []Throughput{
		{Input: 100, Output: 2000, OutputTokensPerSecond: rat("5000")},
		{Input: 1500, Output: 500, OutputTokensPerSecond: rat("900")},
		{Input: 15000, Output: 5000, OutputTokensPerSecond: rat("300")},
	}
	f := projection(2e10, 0, 0.1) // requests of 2,000 tokens, a quarter of them output
	for _, tc := range []struct {
		name     string
		requests float64
		want     string
	}{
		{"the shape of the same size", f.Requests30d, "12960000"},
		{"a larger shape for larger requests", f.Requests30d / 10, "4320000"},
		{"the ratio alone when requests are not counted", 0, "12960000"},
	} {
		f := f
		f.Requests30d = tc.requests
		d, _ := newDemand(f, Constraints{})
		p := &plan{demand: d}
		if got := p.nearestShape(Option{Throughput: shapes}).tokensPerHour(); got.Cmp(rat(tc.want)) != 0 {
			t.Errorf("%s: got %s tokens an hour, want %s", tc.name, got.RatString(), tc.want)
		}
	}
}

// TestHybridIsCostedEvenWhereNoReplicaPays holds that a hybrid in use keeps its cost when the API alone would be cheaper.
func TestHybridIsCostedEvenWhereNoReplicaPays(t *testing.T) {
	t.Parallel()
	in := input(projection(1e9, 0, 0.05), four("3"))
	in.Current = "hybrid"
	v := Decide(in)
	if d := v.Decision; d.Recommendation != model.Move || d.Option != "api" || d.Reason != model.ReasonSwitch {
		t.Errorf("got %+v, want a move to the API that saves the replica", d)
	}
	// One replica and its operations: 7.98 × 730 + 9,387 = 15,212.40 USD; its 13.26B tokens of capacity carry all of the 1.01B.
	if o := v.Options[2]; o.USDPerMonth == nil || math.Abs(float64(o.USDPerMonth.P50)-15_212.4) > 0.01 || *o.Replicas != 1 {
		t.Errorf("got %+v, want one replica for 15,212.40 USD", o)
	}
	// Beside it: none, with 1B · 730/720 tokens at 3 USD/Mtok on the API, and a second that has nothing to do.
	want := []model.FleetSize{{Replicas: 0, USDPerMonth: 3_041.67}, {Replicas: 1, USDPerMonth: 15_212.4}, {Replicas: 2, USDPerMonth: 21_037.8}}
	sizes := v.Options[2].Sizes
	if len(sizes) != len(want) {
		t.Fatalf("got %+v, want %+v", sizes, want)
	}
	for i, size := range sizes {
		if size.Replicas != want[i].Replicas || math.Abs(float64(size.USDPerMonth-want[i].USDPerMonth)) > 0.01 {
			t.Errorf("got %+v, want %+v", size, want[i])
		}
	}
}

// TestHybridSizes holds that, where a hybrid pays, one block less and one more cost no less, and that the quota bounds what is shown.
func TestHybridSizes(t *testing.T) {
	t.Parallel()
	for _, volume := range []float64{3e10, 1e11, 1e12} {
		in := input(projection(volume, 0, 0.05), four("3"))
		o := Decide(in).Options[2]
		if len(o.Sizes) != 3 || o.Sizes[1].Replicas != *o.Replicas || math.Abs(float64(o.Sizes[1].USDPerMonth-o.USDPerMonth.P50)) > 1e-6 {
			t.Fatalf("%v tokens: got %+v of %d replicas for %v, want its neighbors", volume, o.Sizes, *o.Replicas, o.USDPerMonth.P50)
		}
		for _, i := range []int{0, 2} {
			if o.Sizes[i].USDPerMonth < o.Sizes[1].USDPerMonth {
				t.Errorf("%v tokens: %+v is cheaper than %+v", volume, o.Sizes[i], o.Sizes[1])
			}
		}
		quota := o.Sizes[0].Replicas
		in.Options[3].Capacity.MaxReplicas = &quota
		if o = Decide(in).Options[2]; len(o.Sizes) != 2 || *o.Replicas != quota {
			t.Errorf("%v tokens: got %+v within a quota of %d, want none above it", volume, o.Sizes, quota)
		}
	}
}

// TestTokenRatio holds that an option whose model needs twice the tokens costs what it would at twice the volume.
func TestTokenRatio(t *testing.T) {
	t.Parallel()
	costs := func(tokens float64, ratio string) map[string]model.USD {
		options := four("3")
		for i := range options {
			options[i].TokenRatioIn, options[i].TokenRatioOut = rat(ratio), rat(ratio)
		}
		all := map[string]model.USD{}
		for _, o := range Decide(input(projection(tokens, 0, 0.1), options)).Options {
			all[o.Option] = o.USDPerMonth.P50
		}
		return all
	}
	plain, wordy := costs(4e10, "1"), costs(2e10, "2")
	for name, want := range plain {
		if got := wordy[name]; math.Abs(float64(got-want)) > 0.01 {
			t.Errorf("%s: got %v USD a month, want %v", name, got, want)
		}
	}
}

// TestSavingQuantiles compares two APIs whose costs are straight lines: what is saved at a quantile of the volume is that
// quantile of the saving.
func TestSavingQuantiles(t *testing.T) {
	t.Parallel()
	f := projection(2e10, 0, 0.5)
	v := Decide(input(f, []Option{
		{Name: "api", Hosting: model.API, API: &cost.Prices{Input: rat("3"), Output: rat("3")}},
		{Name: "other", Hosting: model.API, API: &cost.Prices{Input: rat("1"), Output: rat("1")}},
	}))
	got := *v.Decision.SavingUSDPerMonth
	volume := f.Next[model.Next30d].Total.Quantiles()
	saved := func(tokens model.Tokens) float64 { return 2 * float64(tokens) * 730 / 720 / 1e6 }
	want := model.Quantiles[model.USD]{P10: model.USD(saved(volume.P10)), P50: model.USD(saved(volume.P50)), P90: model.USD(saved(volume.P90))}
	if math.Abs(float64(got.P10-want.P10)) > 0.01 || math.Abs(float64(got.P50-want.P50)) > 0.01 || math.Abs(float64(got.P90-want.P90)) > 0.01 {
		t.Errorf("got savings of %v, want %v", got, want)
	}
}

// TestActBy holds that one must act a lead time before the fast side of the projection crosses.
func TestActBy(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	date := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	certain := Decide(input(projection(3e9, 0.2, 0), options)).Crossover
	if lead := date(certain.CrossesOn).Sub(date(certain.ActBy)); lead != 90*24*time.Hour {
		t.Errorf("without any doubt: act by %s, crosses on %s, want 90 days between", certain.ActBy, certain.CrossesOn)
	}
	doubtful := Decide(input(projection(3e9, 0.2, 0.3), options)).Crossover
	if doubtful.CrossesOn != certain.CrossesOn || doubtful.ActBy >= certain.ActBy {
		t.Errorf("with doubt: crosses on %s, act by %s, want %s and an earlier day than %s", doubtful.CrossesOn, doubtful.ActBy, certain.CrossesOn, certain.ActBy)
	}
	// 3B tokens are in the middle of November, 20 % more are in each month after it: the boundary falls between two of them.
	months := math.Log(float64(*certain.FirstTokensPerMonth)/(3e9*730/720)) / math.Log(1.2)
	want := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC).Add(time.Duration(months * 730 * float64(time.Hour)))
	if off := date(certain.CrossesOn).Sub(want).Abs(); off > 4*24*time.Hour {
		t.Errorf("crosses on %s, want about %s: %.2f months of growth", certain.CrossesOn, want.Format(time.DateOnly), months)
	}
	// With doubt the 90 % path is exp(1.2816 · 0.3) times as high, which is so many months of growth earlier.
	want = want.Add(-time.Duration(1.2816*0.3/math.Log(1.2)*730*float64(time.Hour))).AddDate(0, 0, -90)
	if off := date(doubtful.ActBy).Sub(want).Abs(); off > 4*24*time.Hour {
		t.Errorf("act by %s, want about %s: when the 90 %% path crosses, less the lead time", doubtful.ActBy, want.Format(time.DateOnly))
	}
}

// TestShortForecast holds that what a move is worth looks at the months there are.
func TestShortForecast(t *testing.T) {
	t.Parallel()
	f := projection(2e10, 0, 0.1)
	for _, tc := range []struct{ given, want int }{{0, 12}, {1, 12}, {2, 1}, {6, 5}, {13, 12}} {
		short := f
		short.Months = f.Months[:tc.given]
		if got := Decide(input(short, four("3"))).Options[1].Prospect.Months; got != tc.want {
			t.Errorf("%d months given: the prospect looks at %d, want %d", tc.given, got, tc.want)
		}
	}
}

// TestSlowGrowthStaysJSON holds that a growth too small to reach a boundary gives no infinite number of months.
func TestSlowGrowthStaysJSON(t *testing.T) {
	t.Parallel()
	f := projection(3e9, 0, 0.1)
	f.MonthlyGrowth = 1e-320
	if _, err := json.Marshal(Decide(input(f, four("3")))); err != nil {
		t.Error(err)
	}
}

// TestHybridSaysWhatItsOverflowIsChargedFor holds that the tokens, what is left of a commitment and the fee of the overflow are a line each,
// that every line follows from what it says, and that all of them add up to the bill.
func TestHybridSaysWhatItsOverflowIsChargedFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, commit, fee string
		want              string // the lines of the overflow
	}{
		{"tokens alone", "0", "0", "overflow tokens"},
		{"a commitment that is used up", "100", "0", "overflow tokens"},
		{"a commitment that is not", "40000", "0", "overflow tokens, overflow unused commitment"},
		{"a fee too", "40000", "250", "overflow tokens, overflow unused commitment, overflow fixed fee"},
	} {
		options := four("3")
		options[0].API.MinimumCommit, options[0].API.FixedMonthly = rat(tc.commit), rat(tc.fee)
		in := input(projection(2e10, 0, 0.1), options)
		d, _ := newDemand(in.Forecast, in.Constraints)
		all, _ := candidates(in, d)
		c := find(all, "hybrid")
		var lines []string
		for _, part := range c.median.parts {
			if strings.HasPrefix(part.Name, "overflow") {
				lines = append(lines, part.Name)
			}
			want := part.USD
			switch part.Name {
			case "overflow tokens":
				want = c.rate.Usage(c.median.hybrid.Overflow)
			case "overflow unused commitment":
				want = new(big.Rat).Sub(rat(tc.commit), c.rate.Usage(c.median.hybrid.Overflow))
			case "overflow fixed fee":
				want = rat(tc.fee)
			}
			if part.USD.Cmp(want) != 0 || part.USD.Sign() < 0 {
				t.Errorf("%s: %s is %s, want %s", tc.name, part.Name, part.USD.FloatString(2), want.FloatString(2))
			}
		}
		if got := strings.Join(lines, ", "); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
		if got := sum(c.median.parts); got.Cmp(c.median.usd) != 0 {
			t.Errorf("%s: the lines add up to %s, want %s", tc.name, got.FloatString(6), c.median.usd.FloatString(6))
		}
	}
}

// TestSparesThatAreAssumed holds that work that can wait pays for no spare replica, unless the option says that it has one (cost model, section 18).
func TestSparesThatAreAssumed(t *testing.T) {
	t.Parallel()
	replicas := func(assumed, batch bool) int64 {
		options := four("3")
		options[3].AssumedSpares = assumed
		in := input(projection(2e10, 0, 0), options)
		in.Constraints.Batch = batch
		return *Decide(in).Options[3].Replicas
	}
	if interactive, said, waits := replicas(true, false), replicas(false, true), replicas(true, true); interactive < 3 || waits != said-1 {
		t.Errorf("got %d replicas for work that cannot wait, %d for what can with a spare that was asked for and %d with one that was not", interactive, said, waits)
	}
}
