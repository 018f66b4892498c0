package model_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// The cases of what capacity costs, how it is bought, and what a move is worth (cost model, sections 2, 4, 8 and 12).

func usageClassesCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct{ Usages []map[string]any }](t, given)
	want := decode[struct{ Classes []map[string]float64 }](t, expect)
	for i, u := range g.Usages {
		count := func(name string) model.Tokens {
			n, _ := u[name].(float64)
			return model.Tokens(n)
		}
		var r model.Reported
		switch u["format"] {
		case "openai":
			r = model.Reported{
				Prompt: count("prompt_tokens"), CacheRead: count("cached_tokens"), CacheWrite: count("cache_write_tokens"),
				Completion: count("completion_tokens"), PromptIncludesCache: true,
			}
		case "anthropic":
			hour := count("cache_creation_1h")
			r = model.Reported{
				Prompt: count("input_tokens"), CacheRead: count("cache_read_input_tokens"), Completion: count("output_tokens"),
				CacheWrite: count("cache_creation_input_tokens") - hour, CacheWrite1h: hour,
			}
		case "gemini":
			r = model.Reported{
				Prompt: count("promptTokenCount"), CacheRead: count("cachedContentTokenCount"), PromptIncludesCache: true,
				Completion: count("candidatesTokenCount"), Thinking: count("thoughtsTokenCount"),
			}
		case "vllm":
			r = model.Reported{
				Prompt: count("prompt_tokens"), CacheRead: count("prefix_cache_hit_tokens"), PromptIncludesCache: true,
				Completion: count("generation_tokens"),
			}
		default:
			t.Fatalf("format %q is not known", u["format"])
		}
		got := map[string]float64{"total": float64(r.Volume().Total())}
		for _, class := range model.Classes {
			got[class.String()] = float64(r.Volume()[class])
		}
		same(t, u["format"].(string), got, want.Classes[i])
	}
}

func throughputCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Model struct {
			X, Y0, Y1 num
			Hit       num `json:"prefix_hit"`
		}
		Shapes [][2]num
	}](t, given)
	want := decode[struct {
		Points []struct {
			Seconds  num `json:"seconds_per_request"`
			Requests num `json:"requests_per_hour"`
			Output   num `json:"output_tokens_per_hour"`
			Total    num `json:"total_tokens_per_hour"`
		}
	}](t, expect)
	c := cost.Coefficients{X: g.Model.X.Rat, Y0: g.Model.Y0.Rat, Y1: g.Model.Y1.Rat, PrefixHit: g.Model.Hit.Rat}
	for i, shape := range g.Shapes {
		got, err := c.At(shape[0].Rat, shape[1].Rat)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "seconds a request", got.SecondsPerRequest, want.Points[i].Seconds)
		near(t, "requests an hour", got.RequestsPerHour, want.Points[i].Requests)
		near(t, "output tokens an hour", got.OutputTokensPerHour, want.Points[i].Output)
		near(t, "tokens an hour", got.TotalTokensPerHour, want.Points[i].Total)
	}
}

func gpuFitCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Params     num `json:"params_billion"`
		Bytes      num `json:"bytes_per_param"`
		KV         num `json:"kv_bytes_per_token"`
		Concurrent num `json:"concurrent_tokens"`
		GPU        num `json:"gpu_gb"`
		Usable     num
	}](t, given)
	want := decode[struct {
		GPUs    *int64
		Weights num `json:"weights_gb"`
		KV      num `json:"kv_gb"`
	}](t, expect)
	got, err := cost.Footprint{
		ParamsBillion: g.Params.Rat, BytesPerParam: g.Bytes.Rat, KVBytesPerToken: g.KV.Rat, ConcurrentTokens: g.Concurrent.Rat,
	}.Fit(g.GPU.Rat, g.Usable.Rat)
	if (err == nil) != (want.GPUs != nil) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if want.GPUs != nil {
		same(t, "GPUs", got.GPUs, *want.GPUs)
	}
	near(t, "weights", got.WeightsGB, want.Weights)
	near(t, "cache", got.KVGB, want.KV)
}

func opsCostCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Engineer num `json:"engineer_month"`
		Build    num `json:"build_engineer_months"`
		Amortize num `json:"amortize_months"`
		FTE      num `json:"run_fte"`
		OnCall   num `json:"oncall_usd_per_week"`
		Drivers  num `json:"driver_updates_per_year"`
		DriverD  num `json:"driver_engineer_days"`
		Models   num `json:"model_updates_per_year"`
		ModelD   num `json:"model_engineer_days"`
		Tooling  num `json:"tooling_monthly"`
	}](t, given)
	want := decode[struct{ Build, Run, Oncall, Driver, Model, Tooling, Total num }](t, expect)
	parts, total := cost.Operations{
		EngineerMonth: g.Engineer.Rat, BuildMonths: g.Build.Rat, AmortizeMonths: g.Amortize.Rat, FTE: g.FTE.Rat, OnCallPerWeek: g.OnCall.Rat,
		DriverUpdates: g.Drivers.Rat, DriverDays: g.DriverD.Rat, ModelUpdates: g.Models.Rat, ModelDays: g.ModelD.Rat, ToolingPerMonth: g.Tooling.Rat,
	}.Monthly()
	for i, w := range []num{want.Build, want.Run, want.Oncall, want.Driver, want.Model, want.Tooling} {
		near(t, parts[i].Name, parts[i].USD, w)
	}
	near(t, "total", total, want.Total)
}

func ownedHardwareCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Capex, Salvage, Utilization, PUE num
		Months, GPUs                     int64
		Rate                             num `json:"annual_rate"`
		Idle                             num `json:"idle_watts"`
		Load                             num `json:"load_watts"`
		Host                             num `json:"host_watts"`
		KWh                              num `json:"usd_per_kwh"`
		ColoPrice                        num `json:"colo_usd_per_kw_month"`
		Colo                             num `json:"colo_kw"`
		Maintenance                      num `json:"maintenance_per_year"`
		Hours                            num `json:"hours_per_month"`
	}](t, given)
	want := decode[struct{ Capital, Power, Colo, Maintenance, Total, Avoidable num }](t, expect)
	got := cost.Owned{
		Capex: g.Capex.Rat, Months: g.Months, AnnualRate: g.Rate.Rat, Salvage: g.Salvage.Rat, GPUs: g.GPUs, IdleWatts: g.Idle.Rat,
		LoadWatts: g.Load.Rat, HostWatts: g.Host.Rat, Utilization: g.Utilization.Rat, PUE: g.PUE.Rat, USDPerKWh: g.KWh.Rat,
		ColocationKW: g.Colo.Rat, ColocationPerKW: g.ColoPrice.Rat, MaintenancePerYear: g.Maintenance.Rat, HoursPerMonth: g.Hours.Rat,
	}.Monthly()
	near(t, "capital", got.Capital, want.Capital)
	near(t, "power", got.Power, want.Power)
	near(t, "colocation", got.Colocation, want.Colo)
	near(t, "maintenance", got.Maintenance, want.Maintenance)
	near(t, "total", got.Total(), want.Total)
	near(t, "avoidable", got.Avoidable(), want.Avoidable)
}

func autoscaleCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Rate        num   `json:"tokens_per_hour_per_replica"`
		Cost        num   `json:"replica_cost_per_hour"`
		ToZero      bool  `json:"scale_to_zero"`
		Min         int64 `json:"min_replicas"`
		ColdStarts  num   `json:"cold_starts"`
		ColdMinutes num   `json:"cold_start_minutes"`
		Timeouts    num   `json:"idle_timeouts"`
		IdleMinutes num   `json:"idle_timeout_minutes"`
		Fixed       num   `json:"fixed_monthly"`
		Blocks      []struct {
			Hours num
			Rate  num `json:"tokens_per_hour"`
		}
	}](t, given)
	want := decode[struct {
		Hours num `json:"replica_hours"`
		Cost  num
	}](t, expect)
	minutes := func(n num) *big.Rat {
		if n.Rat == nil {
			return nil
		}
		return new(big.Rat).Quo(n.Rat, big.NewRat(60, 1))
	}
	var load []cost.LoadBlock
	for _, b := range g.Blocks {
		load = append(load, cost.LoadBlock{Hours: b.Hours.Rat, TokensPerHour: b.Rate.Rat})
	}
	got, err := cost.Autoscaled{
		PerReplica: g.Rate.Rat, ReplicaCost: g.Cost.Rat, MinReplicas: g.Min, ScaleToZero: g.ToZero, ColdStarts: g.ColdStarts.Rat,
		ColdStartHours: minutes(g.ColdMinutes), IdleTimeouts: g.Timeouts.Rat, IdleTimeoutHours: minutes(g.IdleMinutes), FixedMonthly: g.Fixed.Rat,
	}.At(cost.NewLoad(load))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "replica-hours", got.ReplicaHours, want.Hours)
	near(t, "cost", got.Cost, want.Cost)
}

func reserveMixCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Load []struct {
			Hours num
			Units int64
		}
		OnDemand num `json:"on_demand_per_hour"`
		Reserved num `json:"reserved_per_hour"`
		Hours    num `json:"hours_per_month"`
	}](t, given)
	want := decode[struct {
		Used        []num `json:"used_hours"`
		Reserved    int64
		Cost        num
		AllOnDemand num `json:"all_on_demand"`
		AllReserved num `json:"all_reserved"`
		Breakeven   num `json:"breakeven_hours"`
	}](t, expect)
	var load []cost.UnitHours
	for _, l := range g.Load {
		load = append(load, cost.UnitHours{Hours: l.Hours.Rat, Units: l.Units})
	}
	got, err := cost.Reserve(load, g.OnDemand.Rat, g.Reserved.Rat, g.Hours.Rat)
	if err != nil {
		t.Fatal(err)
	}
	units := 0
	if len(got.Used) > 0 {
		units = int(got.Used[0].Units)
	}
	same(t, "units", units, len(want.Used))
	for i, used := range want.Used {
		last := 0 // entry with the unit or more
		for last+1 < len(got.Used) && got.Used[last+1].Units > int64(i) {
			last++
		}
		near(t, "used hours", got.Used[last].Hours, used)
	}
	same(t, "reserved", got.Reserved, want.Reserved)
	near(t, "cost", got.Cost, want.Cost)
	near(t, "all on demand", got.AllOnDemand, want.AllOnDemand)
	near(t, "all reserved", got.AllReserved, want.AllReserved)
	near(t, "break-even hours", got.BreakevenHours, want.Breakeven)
}

// float returns n, 0 when it is not given.
func float(n num) float64 {
	if n.Rat == nil {
		return 0
	}
	return cost.Float(n.Rat)
}

func dollars(usd model.USD) *big.Rat { return new(big.Rat).SetFloat64(float64(usd)) }

func paybackCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Upfront  num
		Saving   []num `json:"monthly_saving"`
		Discount num   `json:"monthly_discount"`
	}](t, given)
	want := decode[struct {
		Month      int `json:"payback_month"`
		Fractional num `json:"payback_fractional"`
		Cumulative num
		NPV        num
	}](t, expect)
	stakes := decide.Stakes{Migration: cost.Float(g.Upfront.Rat), Growth: 1 + float(g.Discount)}
	for _, saving := range g.Saving {
		stakes.Saved = append(stakes.Saved, []float64{cost.Float(saving.Rat)})
	}
	got := stakes.Weigh()
	month, fractional := 0, (*big.Rat)(nil)
	if after := got.PaidBackAfter; after != nil {
		month, fractional = max(1, int(math.Ceil(*after))), new(big.Rat).SetFloat64(*after)
	}
	same(t, "payback month", month, want.Month)
	near(t, "payback, fractional", fractional, want.Fractional)
	near(t, "cumulative", dollars(got.CumulativeUSD), want.Cumulative)
	near(t, "NPV", dollars(got.NPVUSD), want.NPV)
}

func uncertaintyCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Migration num `json:"migration_cost"`
		Wait      int `json:"wait_months"`
		Discount  num `json:"monthly_discount"`
		Scenarios []struct {
			P      num
			Saving []num
		}
	}](t, given)
	want := decode[struct {
		Now      num `json:"npv_switch_now"`
		Wait     num `json:"npv_wait"`
		Waiting  num `json:"value_of_waiting"`
		P        num `json:"p_switch_pays"`
		RegretN  num `json:"expected_regret_switch_now"`
		RegretS  num `json:"expected_regret_stay"`
		Decision string
	}](t, expect)
	stakes := decide.Stakes{Migration: cost.Float(g.Migration.Rat), Wait: g.Wait, Growth: 1 + float(g.Discount)}
	for j, s := range g.Scenarios {
		stakes.Likely = append(stakes.Likely, cost.Float(s.P.Rat))
		for i, saving := range s.Saving {
			if j == 0 {
				stakes.Saved = append(stakes.Saved, make([]float64, len(g.Scenarios)))
			}
			stakes.Saved[i][j] = cost.Float(saving.Rat)
		}
	}
	got := stakes.Weigh()
	near(t, "NPV of moving now", dollars(got.NPVUSD), want.Now)
	near(t, "NPV of waiting", dollars(got.NPVAfterWaitUSD), want.Wait)
	near(t, "value of waiting", dollars(got.ValueOfWaitingUSD), want.Waiting)
	near(t, "probability", new(big.Rat).SetFloat64(float64(*got.PaysProbability)), want.P)
	near(t, "regret of moving now", dollars(got.RegretSwitchUSD), want.RegretN)
	near(t, "regret of staying", dollars(got.RegretStayUSD), want.RegretS)
	same(t, "decision", got.Advice, want.Decision)
}

func elasticityCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Fixed    num `json:"fixed_monthly"`
		API      num `json:"api_per_mtok"`
		Variable num `json:"variable_per_mtok"`
		Cost     num `json:"replica_cost_per_hour"`
		Rate     num `json:"tokens_per_hour"`
	}](t, given)
	want := decode[struct {
		Volume     num `json:"v_star"`
		Rho        num
		Fixed      num `json:"e_fixed"`
		API        num `json:"e_api_price"`
		GPU        num `json:"e_gpu_price"`
		Throughput num `json:"e_throughput"`
		Variable   num `json:"e_variable"`
	}](t, expect)
	got, ok := cost.Crossing{
		Fixed: g.Fixed.Rat, APIPerMTok: g.API.Rat, Variable: g.Variable.Rat, CostPerHour: g.Cost.Rat, TokensPerHour: g.Rate.Rat,
	}.Elasticities()
	same(t, "crosses", ok, want.Volume.Rat != nil)
	near(t, "V*", got.Volume, want.Volume)
	near(t, "break-even utilization", got.Breakeven, want.Rho)
	near(t, "fixed", got.Fixed, want.Fixed)
	near(t, "API price", got.API, want.API)
	near(t, "GPU price", got.GPU, want.GPU)
	near(t, "throughput", got.Throughput, want.Throughput)
	near(t, "variable", got.Varied, want.Variable)
}

// attributed are the cost formulas that the cases split, each with its inputs in order.
var attributed = map[string]struct {
	inputs []string
	usd    func(in map[string]*big.Rat) *big.Rat
}{
	"api_two_price": {[]string{"volume", "input_share", "input", "output"}, func(in map[string]*big.Rat) *big.Rat {
		outputShare := new(big.Rat).Sub(big.NewRat(1, 1), in["input_share"])
		price := new(big.Rat).Add(new(big.Rat).Mul(in["input_share"], in["input"]), outputShare.Mul(outputShare, in["output"]))
		return price.Mul(price, in["volume"]).Quo(price, big.NewRat(1_000_000, 1))
	}},
	"capacity": {[]string{"volume", "tokens_per_hour", "hours", "cost_per_hour"}, func(in map[string]*big.Rat) *big.Rat {
		f, err := cost.Capacity{TokensPerHour: in["tokens_per_hour"], BlockCostPerHour: in["cost_per_hour"], HoursPerMonth: in["hours"]}.Fleet()
		if err != nil {
			return nil
		}
		point, _ := f.At(in["volume"])
		return point.Cost
	}},
}

func attributionCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Cost     string
		From, To map[string]num
	}](t, given)
	want := decode[struct {
		Delta num
		Parts map[string]num
	}](t, expect)
	formula, known := attributed[g.Cost]
	if !known {
		t.Fatalf("cost formula %q is not known", g.Cost)
	}
	delta, parts, err := decide.Attribute(len(formula.inputs), func(changed uint) *big.Rat {
		in := map[string]*big.Rat{}
		for i, name := range formula.inputs {
			in[name] = g.From[name].Rat
			if changed&(1<<i) != 0 {
				in[name] = g.To[name].Rat
			}
		}
		return formula.usd(in)
	})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "change", delta, want.Delta)
	for i, name := range formula.inputs {
		part, named := want.Parts[name]
		if !named {
			part = num{new(big.Rat)} // an input that did not change
		}
		near(t, name, parts[i], part)
	}
}

func capexBreakEvenCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Capex   num
		Current num `json:"current_per_period"`
		Running num `json:"running_per_period"`
	}](t, given)
	want := decode[struct {
		Periods num
		Reason  string
	}](t, expect)
	periods, reason := cost.CapexBreakEven(g.Capex.Rat, g.Current.Rat, g.Running.Rat)
	near(t, "periods", periods, want.Periods)
	same(t, "reason", reason, want.Reason)
}

func panTableCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Models map[string]struct {
			Hardware    num
			Electricity num `json:"electricity_month"`
			Rate        num `json:"tokens_per_second"`
		}
		Hours num `json:"busy_hours_per_month"`
		Share num `json:"input_share"`
		APIs  map[string][2]num
	}](t, given)
	want := decode[struct {
		Models map[string]struct {
			Tokens num `json:"tokens_per_month"`
			Months map[string]num
		}
	}](t, expect)
	for name, m := range g.Models {
		perHour := new(big.Rat).Mul(m.Rate.Rat, big.NewRat(3600, 1))
		tokens := perHour.Mul(perHour, g.Hours.Rat)
		near(t, name+": tokens", tokens, want.Models[name].Tokens)
		for api, price := range g.APIs {
			bill := attributed["api_two_price"].usd(map[string]*big.Rat{
				"volume": tokens, "input_share": g.Share.Rat, "input": price[0].Rat, "output": price[1].Rat,
			})
			months, _ := cost.CapexBreakEven(m.Hardware.Rat, bill, m.Electricity.Rat)
			near(t, name+" against "+api, months, want.Models[name].Months[api])
		}
	}
}

func perRequestCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		GPU        num `json:"gpu_per_hour"`
		API        num `json:"api_per_request"`
		Requests   num `json:"requests_per_hour"`
		Escalation num
	}](t, given)
	want := decode[struct {
		Breakeven  num `json:"breakeven_requests_per_hour"`
		Escalation num `json:"breakeven_with_escalation"`
		Cost       num `json:"cost_per_request"`
		Saving     num
	}](t, expect)
	got := cost.PerRequest{GPUPerHour: g.GPU.Rat, APIPerRequest: g.API.Rat, RequestsPerHour: g.Requests.Rat, Escalated: g.Escalation.Rat}.Compare()
	near(t, "break-even", got.BreakevenRequestsPerHour, want.Breakeven)
	near(t, "break-even with escalation", got.BreakevenWithEscalation, want.Escalation)
	near(t, "cost a request", got.CostPerRequest, want.Cost)
	near(t, "saving", got.Saving, want.Saving)
}
