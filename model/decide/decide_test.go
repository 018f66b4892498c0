package decide

import (
	"cmp"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
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
			reason: model.ReasonSwitch, differs: HybridBeatsPure, because: "a saving of",
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
	all := candidates(in, d)
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

func BenchmarkDecide(b *testing.B) {
	in := input(projection(2e10, 0.05, 0.3), four("3"))
	b.ReportAllocs()
	for b.Loop() {
		Decide(in)
	}
}
