package whatif

import (
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// twoOptions is a workload with an API and a fleet of two GPUs a replica.
func twoOptions() decide.Input {
	origin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var total model.Distribution
	for i := range total {
		total[i] = 7.2e9
	}
	mix := [model.NumClasses]model.Fraction{model.Input: 0.8, model.Output: 0.2}
	return decide.Input{
		Workload: "support", Current: "gpt-5.5", Candidates: []string{"gpt-5.5", "own"},
		Constraints: decide.Constraints{Sensitivity: decide.Internal, OpsCapacity: decide.OpsDedicated},
		Options: []decide.Option{
			{
				Name: "gpt-5.5", Hosting: model.API, API: &cost.Prices{Input: big.NewRat(5, 4), Output: big.NewRat(10, 1)},
				Prices: []model.PriceSource{{Item: "openai/gpt-5.5", Field: "input", Value: "1.25", Unit: "USD/Mtok", Source: "list", Date: "2026-08-01"}},
			},
			{
				Name: "own", Hosting: model.SelfHosted, Capacity: &cost.Capacity{BlockCostPerHour: big.NewRat(798, 100), TokensPerHour: big.NewRat(30_000_000, 1)},
				Prices: []model.PriceSource{{Item: "h100", Field: "usd_per_hour", Value: "3.99", Unit: "USD/GPU-hour", Source: "list", Date: "2026-09-20"}},
			},
		},
		Forecast: model.Forecast{
			Origin: origin, Requests30d: 7.2e6,
			Next:   []model.Projection{{}, {From: origin, To: origin.AddDate(0, 0, 30), Total: total, Mix: mix}, {}},
			Months: []model.Projection{{}, {From: origin.AddDate(0, 6, 0), To: origin.AddDate(0, 7, 0), Total: total, Mix: mix}},
			Load:   model.LoadCurve{{Hours: 720, TokensPerHour: 1e7}},
		},
		Policy: decide.Policy{Enter: big.NewRat(1, 5), Leave: big.NewRat(1, 10), LeadTime: 90 * 24 * time.Hour},
	}
}

// onTerms is twoOptions with a fleet that is bought on every kind of terms at once.
func onTerms() decide.Input {
	in := twoOptions()
	own := &in.Options[1]
	own.Spot = &cost.Spot{Spot: big.NewRat(2, 1), OnDemand: big.NewRat(4, 1), Fallback: big.NewRat(1, 4), Redone: big.NewRat(1, 10)}
	own.Capacity.BlockCostPerHour = new(big.Rat).Mul(big.NewRat(2, 1), own.Spot.PerHour()) // two GPUs at 2.50
	own.Prices[0].Value = "4"
	own.Prices = append(own.Prices, model.PriceSource{Item: "h100", Field: "spot", Value: "2", Unit: "USD/GPU-hour", Source: "list"})
	own.Committed = &decide.Commitment{Until: time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)}
	own.AssumedSpares, own.Capacity.SpareReplicas = true, 1
	own.Limits = &decide.Limits{Duration: time.Hour, PayloadBytes: big.NewRat(6_000_000, 1)}
	own.Jobs = &decide.Jobs{PerDay: big.NewRat(1, 1), Deadline: 4 * time.Hour, Start: 6 * time.Minute}
	own.Autoscale = &decide.Autoscale{ColdStart: 5 * time.Minute, StartsPerDay: big.NewRat(4, 1)}
	own.Provisioned = &decide.Provisioned{InputPerMinute: big.NewRat(2500, 1), OutputWeight: big.NewRat(4, 1)}
	in.Options[0].API.Tiers = []cost.Tier{
		{Above: big.NewRat(5e9, 1), Times: big.NewRat(9, 10)}, {Above: big.NewRat(2e10, 1), Prices: &cost.Prices{Input: big.NewRat(1, 1), Output: big.NewRat(4, 1)}},
	}
	in.Options[0].Prices = append(in.Options[0].Prices, model.PriceSource{Item: "openai/gpt-5.5", Field: "above 5000000000.times", Value: "0.9", Unit: "times", Source: "list"})
	in.Options[0].Account, in.Options[0].Contract = "provider/openai/gpt-5.5", "provider"
	in.Options[0].Credits = &decide.Credits{Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), USDPerMonth: big.NewRat(1000, 1)}
	return in
}

func TestApplyToTerms(t *testing.T) {
	t.Parallel()
	rat := func(r *big.Rat) string { return r.RatString() }
	block := func(in decide.Input) string { return rat(in.Options[1].Capacity.BlockCostPerHour) }
	for _, tc := range []struct {
		path, value, from, to string
		got                   func(in decide.Input) string
		want                  string
	}{
		{"options.own.spot.usd_per_hour", "1", "2", "1", block, "7/2"},
		{"options.own.spot.usd_per_hour", "-50%", "2", "1", func(in decide.Input) string { return in.Options[1].Prices[1].Value + in.Options[1].Prices[1].Source }, "1what-if"},
		{"options.own.spot.fallback", "0", "0.25", "0", block, "4"},
		{"options.own.spot.over_provisioned", "20%", "not set", "0.2", block, "28/5"},
		{"options.own.spot.redone", "0.2", "0.1", "0.2", block, "5"},
		// A quarter of the hours is served at the listed price.
		{"options.own.usd_per_hour", "-50%", "4 USD/GPU-hour", "2 USD/GPU-hour", block, "4"},
		{"options.own.gpus_per_replica", "1", "2", "1", block, "5/2"},
		{"options.own.committed.until", "2027-06-30", "2027-03-31", "2027-06-30", func(in decide.Input) string { return in.Options[1].Committed.Until.Format(time.DateOnly) }, "2027-07-01"},
		{"options.own.committed.usd_per_month", "900", "not set", "900", nil, ""},
		{"options.gpt-5.5.credits.usd_per_month", "+10%", "1000", "1100", nil, ""},
		{"options.own.autoscale.cold_start", "90s", "5m", "1m30s", nil, ""},
		{"options.own.autoscale.starts_per_day", "8", "4", "8", nil, ""},
		{"options.own.spare_replicas", "2", "1", "2", func(in decide.Input) string { return strconv.FormatBool(in.Options[1].AssumedSpares) }, "false"},
		{"options.own.limits.duration", "60s", "1h", "1m", nil, ""},
		{"options.own.limits.payload_bytes", "4e6", "6000000", "4000000", nil, ""},
		{"options.own.jobs.per_day", "2", "1", "2", nil, ""},
		{"options.own.jobs.deadline", "8h", "4h", "8h", nil, ""},
		{"options.own.jobs.cold_start", "9m", "6m", "9m", nil, ""},
		{"options.own.provisioned.output_weight", "3", "4", "3", nil, ""},
		{"options.own.token_ratio.input", "1.2", "not set", "1.2", func(in decide.Input) string { return rat(in.Options[1].TokenRatioIn) }, "6/5"},
		{"options.gpt-5.5.tiers.1.above_tokens", "1e9", "5000000000", "1000000000", nil, ""},
		{"options.gpt-5.5.tiers.1.times", "0.8", "0.9", "0.8", func(in decide.Input) string { return in.Options[0].Prices[1].Value + in.Options[0].Prices[1].Source }, "0.8what-if"},
		{"options.gpt-5.5.tiers.2.output", "-50%", "4", "2", nil, ""},
		{"options.gpt-5.5.other_tokens_per_month", "2e9", "not set", "2.00B", func(in decide.Input) string { return rat(in.Others[0].Usage[0].Tokens[model.Input]) }, "1600000000"},
		{"options.gpt-5.5.other_usd_per_month", "5000", "not set", "$5,000", func(in decide.Input) string { return rat(in.Others[0].Elsewhere[0].USD) }, "5000"},
		{"options.gpt-5.5.minimum_commit_usd_per_month", "700", "not set", "700", nil, ""},
		{"options.gpt-5.5.tiers.all_units", "true", "false", "true", nil, ""},
		{"options.gpt-5.5.prices", "-50%", "1.25 in, 10 out", "0.625 in, 5 out", func(in decide.Input) string { return rat(in.Options[0].API.Tiers[1].Prices.Output) }, "2"},
		{"options.gpt-5.5.uplift", "10%", "not set", "0.1", nil, ""},
		{"constraints.batch_share", "40%", "not set", "0.4", nil, ""},
		{"constraints.long_prompt_share", "0.1", "not set", "0.1", nil, ""},
		{"policy.wait_months", "6", "0", "6", nil, ""},
	} {
		in := onTerms()
		c, err := Apply(&in, shelf, tc.path, tc.value)
		if err != nil || c != (Changed{tc.path, tc.from, tc.to}) {
			t.Errorf("%s=%s: got %+v, %v, want from %q to %q", tc.path, tc.value, c, err, tc.from, tc.to)
			continue
		}
		if tc.got != nil && tc.got(in) != tc.want {
			t.Errorf("%s=%s: got %q, want %q", tc.path, tc.value, tc.got(in), tc.want)
		}
	}
	for _, tc := range []struct{ path, value, want string }{
		{"options.own.committed.until", "soon", "a day such as"},
		{"options.own.spot.fallback", "1", "less than 1"},
		{"policy.wait_months", "13", "from 0 to 12"},
		{"options.own.credits.until", "2027-01-31", "unknown path"},
	} {
		in := onTerms()
		if _, err := Apply(&in, shelf, tc.path, tc.value); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s=%s: got %v, want %q", tc.path, tc.value, err, tc.want)
		}
	}
}

// TestApplyToAContract holds that what is agreed upon for several options is changed for all of them.
func TestApplyToAContract(t *testing.T) {
	t.Parallel()
	const prefix = "options.gpt-5.5."
	for _, tc := range []struct {
		path, value, from, to, other string
		byTokens                     bool
	}{
		{"contract_tiers.1.discount", "10%", "0.05", "0.1", "1/10", false},
		{"contract_tiers.1.above_usd", "+20%", "50000", "60000", "1/20", false},
		{"contract_tiers.1.above_tokens", "70000", "50000", "70000", "1/20", true},
		{"contract_tiers.all_units", "true", "false", "true", "1/20", true},
	} {
		in := onTerms()
		in.Options[0].API.Scale = &cost.Scale{ByTokens: tc.byTokens, Steps: []cost.ScaleStep{{Above: big.NewRat(50_000, 1), Discount: big.NewRat(1, 20)}}}
		in.Options = append(in.Options, in.Options[0])
		prices := *in.Options[0].API
		in.Options[2].Name, in.Options[2].Account, in.Options[2].API = "mini", "provider/mini", &prices
		c, err := Apply(&in, shelf, prefix+tc.path, tc.value)
		if err != nil || c != (Changed{prefix + tc.path, tc.from, tc.to}) {
			t.Errorf("%s=%s: got %+v, %v, want from %q to %q", tc.path, tc.value, c, err, tc.from, tc.to)
		}
		own, other := in.Options[0].API.Scale, in.Options[2].API.Scale
		if got := other.Steps[0].Discount.RatString(); got != tc.other || own.Steps[0].Above.Cmp(other.Steps[0].Above) != 0 || own.AllUnits != other.AllUnits {
			t.Errorf("%s=%s: got %+v for the other option, want the same as %+v", tc.path, tc.value, other, own)
		}
	}
	in := onTerms()
	in.Options[0].API.Scale = &cost.Scale{ByTokens: true, Steps: []cost.ScaleStep{{Above: big.NewRat(50_000, 1), Discount: big.NewRat(1, 20)}}}
	for _, set := range [][2]string{{"other_usd_per_month", "5000"}, {"other_contract_tokens_per_month", "2e9"}, {"other_usd_per_month", "+50%"}} {
		if _, err := Apply(&in, shelf, prefix+set[0], set[1]); err != nil {
			t.Error(err)
		}
	}
	if e := in.Others[0].Elsewhere[0]; e.USD.Cmp(big.NewRat(7500, 1)) != 0 || e.Tokens.Cmp(big.NewRat(3e9, 1)) != 0 {
		t.Errorf("got %+v, want 7,500 USD for 3B tokens", e)
	}
}

// TestApplyWithoutAPrice refuses to change a price that is not known yet.
func TestApplyWithoutAPrice(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"-30%", "2", "b200"} {
		in := twoOptions()
		in.Options[1].Capacity.BlockCostPerHour = nil
		in.Options[1].Prices = nil
		if _, err := Apply(&in, shelf, "options.own.usd_per_hour", value); err == nil || !strings.Contains(err.Error(), "what it costs now is not known") {
			t.Errorf("%s: got %v, want to be told that the price is not known", value, err)
		}
	}
}

// shelf is a price book of three items.
func shelf(item string) []model.PriceSource {
	rate := "output tokens/s per replica"
	return map[string][]model.PriceSource{
		"b200":     {{Item: "b200", Field: "usd_per_hour", Value: "5.985", Unit: "USD/GPU-hour", Source: "shelf", Date: "2026-11-01"}},
		"instance": {{Item: "instance", Field: "usd_per_hour", Value: "13", Unit: "USD/instance-hour", Source: "shelf", Date: "2026-11-01"}},
		"1xb200": {
			{Item: "1xb200", Field: "1000/1000", Value: "7007", Unit: rate, Source: "shelf", Date: "2026-11-01"},
			{Item: "1xb200", Field: "128/2048", Value: "9922", Unit: rate, Source: "shelf", Date: "2026-11-01"},
		},
	}[item]
}

func TestApply(t *testing.T) {
	t.Parallel()
	rat := func(r *big.Rat) string { return r.RatString() }
	for _, tc := range []struct {
		path, value, from, to string
		got                   func(in decide.Input) string
		want                  string
	}{
		{"options.gpt-5.5.prices", "-30%", "1.25 in, 10 out", "0.875 in, 7 out", func(in decide.Input) string { return rat(in.Options[0].API.Input) }, "7/8"},
		{"options.gpt-5.5.input", "2", "1.25", "2", func(in decide.Input) string { return in.Options[0].Prices[0].Value + in.Options[0].Prices[0].Source }, "2what-if"},
		{"options.gpt-5.5.output", "+10%", "10", "11", func(in decide.Input) string { return rat(in.Options[0].API.Output) }, "11"},
		{"options.gpt-5.5.discount", "15%", "not set", "0.15", func(in decide.Input) string { return rat(in.Options[0].API.Discount) }, "3/20"},
		{"options.own.usd_per_hour", "1.995", "3.99 USD/GPU-hour", "1.995 USD/GPU-hour", func(in decide.Input) string { return rat(in.Options[1].Capacity.BlockCostPerHour) }, "399/100"},
		{"options.own.usd_per_hour", "-50%", "3.99 USD/GPU-hour", "1.995 USD/GPU-hour", func(in decide.Input) string { return rat(in.Options[1].Capacity.BlockCostPerHour) }, "399/100"},
		{"options.own.usd_per_hour", "b200", "3.99 USD/GPU-hour", "5.985 USD/GPU-hour", func(in decide.Input) string {
			return rat(in.Options[1].Capacity.BlockCostPerHour) + " " + in.Options[1].Prices[0].Date
		}, "1197/100 2026-11-01"},
		{"options.own.gpus_per_replica", "1", "2", "1", func(in decide.Input) string { return rat(in.Options[1].Capacity.BlockCostPerHour) }, "399/100"},
		{"options.own.throughput", "1xb200", "30000000 tokens/h per replica", "2 shapes, the first 7007 output tokens/s", func(in decide.Input) string {
			return in.Options[1].Prices[2].Value + " " + in.Options[1].Prices[2].Source
		}, "9922 shelf"},
		{"options.own.throughput", "+20%", "30000000 tokens/h per replica", "36000000 tokens/h per replica", func(in decide.Input) string { return rat(in.Options[1].Capacity.TokensPerHour) }, "36000000"},
		{"options.own.min_replicas", "3", "not set", "3", func(in decide.Input) string { return big.NewInt(*in.Options[1].Capacity.MinReplicas).String() }, "3"},
		{"options.own.target_utilization", "80%", "not set", "0.8", func(in decide.Input) string { return rat(in.Options[1].Capacity.TargetUtilization) }, "4/5"},
		{"options.own.regions", "[eu, us]", "not set", "eu, us", func(in decide.Input) string { return in.Options[1].Regions[1] }, "us"},
		{"constraints.data_sensitivity", "regulated", "internal", "regulated", func(in decide.Input) string { return string(in.Constraints.Sensitivity) }, "regulated"},
		{"constraints.ttft_limit", "500ms", "0s", "500ms", func(in decide.Input) string { return in.Constraints.TTFTLimit.String() }, "500ms"},
		{"constraints.batch", "true", "false", "true", nil, ""},
		{"policy.enter", "0", "0.2", "0", func(in decide.Input) string { return rat(in.Policy.Enter) }, "0"},
		{"policy.lead_time", "30d", "90d", "30d", func(in decide.Input) string { return in.Policy.LeadTime.String() }, "720h0m0s"},
		{"current", "own", "gpt-5.5", "own", func(in decide.Input) string { return in.Current }, "own"},
		{"candidates", "own", "gpt-5.5, own", "own", func(in decide.Input) string { return strings.Join(in.Candidates, " ") }, "own"},
		{"volume.tokens_per_month", "+50%", "7.30B", "10.9B", func(in decide.Input) string { return model.FormatTokens(in.Forecast.Load[0].TokensPerHour) }, "15.0M"},
		{"volume.tokens_per_month", "3.65e9", "7.30B", "3.65B", func(in decide.Input) string { return model.FormatTokens(model.Tokens(in.Forecast.Requests30d)) }, "3.60M"},
		{"volume.requests_per_month", "1e6", "7.30M", "1.00M", nil, ""},
		{"volume.mix.output", "60%", "20%", "60%", func(in decide.Input) string { return model.FormatPercent(in.Forecast.Months[1].Mix[model.Input]) }, "40%"},
	} {
		in := twoOptions()
		c, err := Apply(&in, shelf, tc.path, tc.value)
		if err != nil || c != (Changed{tc.path, tc.from, tc.to}) {
			t.Errorf("%s=%s: got %+v, %v, want from %q to %q", tc.path, tc.value, c, err, tc.from, tc.to)
			continue
		}
		if tc.got != nil && tc.got(in) != tc.want {
			t.Errorf("%s=%s: got %q, want %q", tc.path, tc.value, tc.got(in), tc.want)
		}
	}
}

// TestGrowth holds that growth is compounded from the middle of the next 30 days on, whatever was expected of a month before, and leaves those alone.
func TestGrowth(t *testing.T) {
	t.Parallel()
	in := twoOptions()
	in.Forecast.MonthlyGrowth = 0.28 // levels off, since a month in half a year holds no more than the next 30 days
	in.Forecast.Months[1].Total[len(model.Distribution{})-1] *= 2
	if _, err := Apply(&in, shelf, "volume.growth_per_month", "8%"); err != nil {
		t.Fatal(err)
	}
	month := in.Forecast.Months[1]
	ahead := month.From.Sub(in.Forecast.Origin).Hours() + month.To.Sub(month.From).Hours()/2 - 15*24
	if got, want := float64(month.Total.At(0.5)), 1e7*month.To.Sub(month.From).Hours()*math.Pow(1.08, ahead/730); math.Abs(got-want) > 1 {
		t.Errorf("half a year ahead: got %v, want %v", got, want)
	}
	if got := month.Total[len(month.Total)-1] / month.Total.At(0.5); math.Abs(float64(got)-2) > 1e-9 {
		t.Errorf("half a year ahead: the widest quantile is %v medians, want 2 as before", got)
	}
	if got := float64(in.Forecast.Next[model.Next30d].Total.At(0.5)); got != 7.2e9 {
		t.Errorf("the next 30 days: got %v, want them as they were", got)
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ path, value, want string }{
		{"options.gpt-5.5.inptu", "1", `unknown path, did you mean "options.gpt-5.5.input"?`},
		{"options.none.prices", "1", "unknown path"},
		{"options.gpt-5.5.input", "-1", `got "-1", want a number, 0 or more`},
		{"options.gpt-5.5.input", "1e99", `got "1e99"`},
		{"options.gpt-5.5.input", "1e999999999", `got "1e999999999"`},
		{"options.gpt-5.5.cache_read", "-30%", "nothing to change relatively"},
		{"options.gpt-5.5.prices", "2", "a change such as -30%"},
		{"options.gpt-5.5.prices", "-130%", "not below -100%"},
		{"options.own.usd_per_hour", "0", "more than 0"},
		{"options.own.usd_per_hour", "instance", "sold like it"},
		{"options.own.usd_per_hour", "1xb200", "sold like it"},
		{"options.own.throughput", "b200", "an item of the price book"},
		{"options.own.gpus_per_replica", "0", "1 or more"},
		{"options.own.throughput", "-100%", "more than nothing"},
		{"options.own.min_replicas", "1.5", "a whole number"},
		{"options.own.target_utilization", "120%", "at most 1"},
		{"constraints.data_sensitivity", "secret", "one of [public internal regulated]"},
		{"constraints.batch", "yes", "true or false"},
		{"constraints.residency", "eu,,us", "separated by commas"},
		{"policy.lead_time", "soon", "a duration"},
		{"current", "none", "gpt-5.5, own"},
		{"candidates", "", "names of options"},
		{"volume.tokens_per_month", "-100%", "from 1 to 1e18"},
		{"volume.growth_per_month", "900%", "from -90% to 200%"},
		{"volume.mix.output", "2", "a share from 0 to 1"},
	} {
		in := twoOptions()
		c, err := Apply(&in, shelf, tc.path, tc.value)
		if err == nil || !strings.HasPrefix(err.Error(), tc.path+": ") || !strings.Contains(err.Error(), tc.want) && tc.value != "1e99" {
			t.Errorf("%s=%s: got %+v, %v, want %q", tc.path, tc.value, c, err, tc.want)
		}
		if !reflect.DeepEqual(in, twoOptions()) {
			t.Errorf("%s=%s: refused, and yet something is otherwise", tc.path, tc.value)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	in := twoOptions()
	out, err := Clone(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"options.gpt-5.5.prices", "-30%"}, {"options.own.usd_per_hour", "-30%"}, {"volume.tokens_per_month", "+50%"}, {"volume.mix.output", "0.5"}} {
		if _, err := Apply(&out, shelf, c[0], c[1]); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(in, twoOptions()) {
		t.Error("changing the copy changed the original")
	}
}

func TestAxis(t *testing.T) {
	t.Parallel()
	tokens := func(v float64) *model.Tokens { n := model.Tokens(v); return &n }
	unbounded := model.End(math.Inf(1))
	for _, tc := range []struct {
		name      string
		intervals []model.Interval
		want      [3]string
	}{
		{
			"never", nil,
			[3]string{strings.Repeat("─", 64), strings.Repeat(" ", 32) + "▲", "100M" + strings.Repeat(" ", 28) + "1B" + strings.Repeat(" ", 30) + "10B"},
		},
		{
			"from the volume on",
			[]model.Interval{{FromExclusive: 1e9, ToInclusive: unbounded}},
			[3]string{strings.Repeat("─", 32) + strings.Repeat("█", 32), strings.Repeat(" ", 32) + "▲", "100M" + strings.Repeat(" ", 28) + "1B" + strings.Repeat(" ", 30) + "10B"},
		},
		{
			"a narrow window",
			[]model.Interval{{FromExclusive: 1.01e9, ToInclusive: 1.02e9}},
			[3]string{strings.Repeat("─", 32) + "▒" + strings.Repeat("─", 31), strings.Repeat(" ", 32) + "▲", "100M" + strings.Repeat(" ", 28) + "1B" + strings.Repeat(" ", 30) + "10B"},
		},
	} {
		got := Axis(model.Crossover{Intervals: tc.intervals}, []Mark{{1e9, '▲'}})
		for i, want := range tc.want {
			if got[i] != want {
				t.Errorf("%s, line %d:\ngot  %q\nwant %q", tc.name, i, got[i], want)
			}
		}
	}
	cut := model.Crossover{Intervals: []model.Interval{{FromExclusive: 1e8, ToInclusive: 1e9}, {FromExclusive: 5e9, ToInclusive: unbounded}}, SearchedTokensPerMonth: tokens(1e9)}
	if got, want := Axis(cut, []Mark{{1e9, '▲'}, {1e10, '△'}})[0], strings.Repeat("█", 21)+strings.Repeat("·", 16)+strings.Repeat("█", 27); got != want {
		t.Errorf("not searched beyond a volume:\ngot  %q\nwant %q", got, want)
	}
	if got := Ranges(model.Crossover{Reason: model.CrossoverFound, SearchedTokensPerMonth: tokens(1e9)}); got != "at volumes that are not known" {
		t.Errorf("ranges that were not found: got %q", got)
	}
	if got := Ranges(model.Crossover{Intervals: []model.Interval{{ToInclusive: 1e9}, {FromExclusive: 2e9, ToInclusive: 3e9}, {FromExclusive: 4e9, ToInclusive: unbounded}}}); got != "up to 1.00B, 2.00B to 3.00B, above 4.00B" {
		t.Errorf("ranges: got %q", got)
	}
}

// FuzzApply changes whatever strangers write: each change is refused, or the inputs can still be decided on.
func FuzzApply(f *testing.F) {
	f.Add("options.own.usd_per_hour", "-30%")
	f.Add("volume.mix.cache_write_1h", "1")
	f.Add("volume.growth_per_month", "-0.9")
	f.Add("options.own.replicas_per_block", "0")
	f.Add("options.own.spot.fallback", "0.5")
	f.Add("options.own.committed.until", "9999-12-31")
	f.Fuzz(func(t *testing.T, path, value string) {
		in := onTerms()
		c, err := Apply(&in, shelf, path, value)
		if err != nil {
			return
		}
		if c.To == "" {
			t.Errorf("%s=%q: got %+v without what it is now", path, value, c)
		}
		if _, err := Clone(in); err != nil {
			t.Errorf("%s=%q: %v", path, value, err)
		}
		decide.Decide(in)
	})
}
