package model_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// kinds maps a kind of case to the function that answers it.
var kinds = map[string]func(t *testing.T, given, expect json.RawMessage){
	"api_cost":       apiCost,
	"staircase_cost": staircaseCost,
	"crossover":      crossoverCase,
	"envelope":       envelopeCase,
	"hybrid":         hybridCase,
	"feasibility":    feasibilityCase,
	"rule_of_thumb":  ruleOfThumbCase,
	"recommendation": recommendationCase,
	"hysteresis":     hysteresisCase,
	"distance":       distanceCase,

	"usage_classes":  usageClassesCase,
	"throughput":     throughputCase,
	"gpu_fit":        gpuFitCase,
	"ops_cost":       opsCostCase,
	"owned_hardware": ownedHardwareCase,
	"autoscale":      autoscaleCase,
	"reserve_mix":    reserveMixCase,
	"payback":        paybackCase,
	"elasticity":     elasticityCase,
	"attribution":    attributionCase,

	"decision_under_uncertainty": uncertaintyCase,

	"capex_break_even": capexBreakEvenCase,
	"pan_table":        panTableCase,
	"per_request":      perRequestCase,
}

// TestCases runs the acceptance cases of testdata/cases and of every folder named in TIPLINE_CASES, separated by colons.
func TestCases(t *testing.T) {
	t.Parallel()
	folders := []string{"testdata/cases"}
	if more := os.Getenv("TIPLINE_CASES"); more != "" {
		folders = append(folders, strings.Split(more, ":")...)
	}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || len(files) == 0 {
			t.Errorf("no case files in %s (%v)", folder, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var cases []struct {
				ID, Kind, Title string
				Given, Expect   json.RawMessage
			}
			if err := json.Unmarshal(data, &cases); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, c := range cases {
				t.Run(filepath.Base(folder)+"/"+c.ID, func(t *testing.T) {
					t.Parallel()
					answer, known := kinds[c.Kind]
					if !known {
						t.Fatalf("%s: kind %q is not known", file, c.Kind)
					}
					answer(t, c.Given, c.Expect)
				})
			}
		}
	}
}

// num reads a JSON number, or a string that holds a decimal or a fraction, exactly. Set is false for null and absent.
type num struct{ *big.Rat }

func (n *num) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" {
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return fmt.Errorf("number: got %s", data)
	}
	n.Rat = r
	return nil
}

func decode[T any](t *testing.T, data json.RawMessage) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

// near compares with a relative tolerance of 1e-9; nil is near nil only.
func near(t *testing.T, what string, got *big.Rat, want num) {
	t.Helper()
	if got == nil || want.Rat == nil {
		if got != nil || want.Rat != nil {
			t.Errorf("%s: got %v, want %v", what, got, want.Rat)
		}
		return
	}
	diff := new(big.Rat).Sub(got, want.Rat)
	bound := new(big.Rat).Mul(want.Rat, big.NewRat(1, 1_000_000_000))
	if diff.Abs(diff).Cmp(bound.Abs(bound)) > 0 {
		t.Errorf("%s: got %s, want %s", what, got.RatString(), want.RatString())
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

type prices struct {
	Input        num     `json:"input"`
	Output       num     `json:"output"`
	CacheRead    num     `json:"cache_read"`
	CacheWrite   num     `json:"cache_write"`
	CacheWrite1h num     `json:"cache_write_1h"`
	BatchInput   num     `json:"batch_input"`
	BatchOutput  num     `json:"batch_output"`
	RequestFee   num     `json:"request_fee"`
	Discount     num     `json:"discount"`
	Commit       num     `json:"minimum_commit"`
	Fixed        num     `json:"fixed_monthly"`
	Long         *prices `json:"long"`
}

func (p *prices) prices() *cost.Prices {
	if p == nil {
		return nil
	}
	return &cost.Prices{
		Input: p.Input.Rat, Output: p.Output.Rat, CacheRead: p.CacheRead.Rat, CacheWrite: p.CacheWrite.Rat,
		CacheWrite1h: p.CacheWrite1h.Rat, BatchInput: p.BatchInput.Rat, BatchOutput: p.BatchOutput.Rat,
		RequestFee: p.RequestFee.Rat, Discount: p.Discount.Rat, MinimumCommit: p.Commit.Rat, FixedMonthly: p.Fixed.Rat,
		Long: p.Long.prices(),
	}
}

func apiCost(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Prices prices
		Usage  []struct {
			Tokens      map[string]num
			Requests    num
			Batch, Long bool
		}
	}](t, given)
	want := decode[struct {
		Cost, Tokens num
		Effective    num `json:"effective_per_mtok"`
	}](t, expect)
	var usage []cost.Usage
	for _, u := range g.Usage {
		block := cost.Usage{Requests: u.Requests.Rat, Batch: u.Batch, Long: u.Long}
		for _, class := range model.Classes {
			block.Tokens[class] = u.Tokens[class.String()].Rat
		}
		usage = append(usage, block)
	}
	bill, err := g.Prices.prices().Monthly(usage)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "cost", bill.Cost, want.Cost)
	near(t, "tokens", bill.Tokens, want.Tokens)
	near(t, "effective price", bill.PerMTok(), want.Effective)
	sum := new(big.Rat)
	for _, part := range bill.Parts {
		sum.Add(sum, part.USD)
	}
	near(t, "sum of parts", sum, want.Cost)
}

type option struct {
	Kind, Name string
	PerMTok    num `json:"per_mtok"`
	Tiers      *struct {
		Kind    string
		Bounds  []num
		PerMTok []num `json:"per_mtok"`
	}
	Commit num `json:"minimum_commit"`
	Fixed  num `json:"fixed_monthly"`

	Throughput num    `json:"tokens_per_hour_per_replica"`
	BlockCost  num    `json:"block_cost_per_hour"`
	Hours      num    `json:"hours_per_month"`
	Target     num    `json:"target_utilization"`
	Peak       num    `json:"peak_factor"`
	PerBlock   int64  `json:"replicas_per_block"`
	Overhead   num    `json:"managed_overhead"`
	Min        *int64 `json:"min_replicas"`
	Spare      int64  `json:"spare_replicas"`
	Max        *int64 `json:"max_replicas"`
	Variable   num    `json:"variable_per_mtok"`
}

func (o option) fleet(t *testing.T) *cost.Fleet {
	t.Helper()
	f, err := cost.Capacity{
		TokensPerHour: o.Throughput.Rat, BlockCostPerHour: o.BlockCost.Rat, HoursPerMonth: o.Hours.Rat, TargetUtilization: o.Target.Rat,
		PeakFactor: o.Peak.Rat, ReplicasPerBlock: o.PerBlock, ManagedOverhead: o.Overhead.Rat, MinReplicas: o.Min, SpareReplicas: o.Spare,
		MaxReplicas: o.Max, FixedMonthly: o.Fixed.Rat, VariablePerMTok: o.Variable.Rat,
	}.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (o option) curve(t *testing.T, limit *big.Rat) cost.Curve {
	t.Helper()
	switch {
	case o.Kind == "capacity":
		return o.fleet(t).Curve(limit)
	case o.Tiers == nil:
		return cost.Rate{PerMTok: o.PerMTok.Rat, MinimumCommit: o.Commit.Rat, FixedMonthly: o.Fixed.Rat}.Curve(limit)
	}
	api := cost.Rate{
		PerMTok: o.Tiers.PerMTok[0].Rat, AllUnits: o.Tiers.Kind == "all_units", MinimumCommit: o.Commit.Rat, FixedMonthly: o.Fixed.Rat,
	}
	for i, b := range o.Tiers.Bounds {
		api.Steps = append(api.Steps, cost.Step{Above: b.Rat, PerMTok: o.Tiers.PerMTok[i+1].Rat})
	}
	return api.Curve(limit)
}

func staircaseCost(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct{ Option option }](t, given)
	want := decode[struct {
		Points []struct {
			Volume           num
			Feasible         bool
			Replicas, Blocks int64
			CapacityCost     num `json:"capacity_cost"`
			Cost             num
			Utilization      num
		}
	}](t, expect)
	f := g.Option.fleet(t)
	for _, p := range want.Points {
		got, feasible := f.At(p.Volume.Rat)
		at := "at " + p.Volume.RatString()
		same(t, at+": feasible", feasible, p.Feasible)
		if !p.Feasible {
			continue
		}
		same(t, at+": replicas", got.Replicas, p.Replicas)
		same(t, at+": blocks", got.Blocks, p.Blocks)
		near(t, at+": capacity cost", got.CapacityCost, p.CapacityCost)
		near(t, at+": cost", got.Cost, p.Cost)
		near(t, at+": utilization", got.Utilization, p.Utilization)
	}
}

func crossoverCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct{ API, Option option }](t, given)
	want := decode[struct {
		Reason           string
		Intervals        [][2]num
		First, Permanent num
		Margin           num `json:"margin_per_block"`
		Breakeven        num `json:"breakeven_utilization"`
		Floor            num `json:"unit_cost_floor_per_mtok"`
		None             num `json:"no_crossover_at_or_below"`
		Always           num `json:"always_cheaper_above"`
	}](t, expect)
	api := cost.Rate{PerMTok: g.API.PerMTok.Rat, MinimumCommit: g.API.Commit.Rat, FixedMonthly: g.API.Fixed.Rat}
	got := cost.FindCrossover(api, g.Option.fleet(t))
	same(t, "reason", got.Reason, want.Reason)
	near(t, "first", got.First, want.First)
	near(t, "permanent", got.Permanent, want.Permanent)
	near(t, "margin per block", got.MarginPerBlock, want.Margin)
	near(t, "break-even utilization", got.Breakeven, want.Breakeven)
	near(t, "unit-cost floor", got.UnitFloor, want.Floor)
	near(t, "no crossover at or below", got.NoneAtOrBelow, want.None)
	near(t, "always cheaper above", got.AlwaysAbove, want.Always)
	listed := got.Intervals()
	if len(listed) != len(want.Intervals) {
		t.Fatalf("intervals: got %v, want %v", listed, want.Intervals)
	}
	for i, interval := range want.Intervals {
		from := new(big.Rat).SetFloat64(float64(listed[i].FromExclusive))
		exact := got.Near(from) // the interval, after the one before it
		if cost.Float(exact[0].From) != float64(listed[i].FromExclusive) {
			exact = exact[1:]
		}
		near(t, fmt.Sprintf("interval %d from", i), exact[0].From, interval[0])
		near(t, fmt.Sprintf("interval %d to", i), exact[0].To, interval[1])
	}
}

func envelopeCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Options []option
		Max     num `json:"max_volume"`
	}](t, given)
	want := decode[struct {
		Winners []struct {
			From   num `json:"from_exclusive"`
			To     num `json:"to_inclusive"`
			Winner string
		}
	}](t, expect)
	var curves []cost.Curve
	for _, o := range g.Options {
		curves = append(curves, o.curve(t, g.Max.Rat))
	}
	got := cost.Envelope(curves, g.Max.Rat)
	if len(got) != len(want.Winners) {
		t.Fatalf("winners: got %v, want %v", got, want.Winners)
	}
	for i, w := range want.Winners {
		near(t, fmt.Sprintf("winner %d from", i), got[i].From, w.From)
		near(t, fmt.Sprintf("winner %d to", i), got[i].To, w.To)
		same(t, fmt.Sprintf("winner %d", i), g.Options[got[i].Index].Name, w.Winner)
	}
}

func hybridCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		API    num `json:"api_per_mtok"`
		Option struct {
			Cost     num `json:"replica_cost_per_hour"`
			Rate     num `json:"tokens_per_hour_per_replica"`
			Fixed    num `json:"fixed_monthly"`
			Variable num `json:"variable_per_mtok"`
		}
		Load []struct {
			Hours num
			Rate  num `json:"tokens_per_hour"`
		}
	}](t, given)
	want := decode[struct {
		Volume, Hours num
		APIOnly       num   `json:"api_only"`
		Marginal      []num `json:"marginal_tokens"`
		N             int64 `json:"n_star"`
		CostAtN       num   `json:"cost_at_n_star"`
		Own           num   `json:"self_tokens"`
		Overflow      num   `json:"overflow_tokens"`
		Full          int64 `json:"n_full"`
		CostFull      num   `json:"cost_full"`
		Best          string
		BestCost      num `json:"best_cost"`
		Breakeven     num `json:"breakeven_utilization"`
		Curve         []num
	}](t, expect)
	var blocks []cost.LoadBlock
	hours := new(big.Rat)
	for _, b := range g.Load {
		blocks = append(blocks, cost.LoadBlock{Hours: b.Hours.Rat, TokensPerHour: b.Rate.Rat})
		hours.Add(hours, b.Hours.Rat)
	}
	or := func(n num) *big.Rat {
		if n.Rat == nil {
			return new(big.Rat)
		}
		return n.Rat
	}
	load := cost.NewLoad(blocks)
	base := cost.Base{
		PerReplica: g.Option.Rate.Rat, ReplicaCost: new(big.Rat).Mul(g.Option.Cost.Rat, hours),
		Fixed: or(g.Option.Fixed), Variable: or(g.Option.Variable),
	}
	api := cost.Rate{PerMTok: g.API.Rat}
	got, ok := cost.FindHybrid(load, base, api)
	same(t, "possible", ok, true)
	near(t, "volume", load.Volume(), want.Volume)
	near(t, "hours", hours, want.Hours)
	near(t, "API only", got.APIOnly, want.APIOnly)
	same(t, "n*", got.Replicas, want.N)
	near(t, "cost at n*", got.CostAtN, want.CostAtN)
	near(t, "own tokens", got.Own, want.Own)
	near(t, "overflow tokens", got.Overflow, want.Overflow)
	same(t, "full fleet", got.Full, want.Full)
	near(t, "cost of the full fleet", load.Split(got.Full, base, api), want.CostFull)
	same(t, "best", string(got.Best), strings.ReplaceAll(want.Best, "_", "-"))
	near(t, "best cost", got.Cost, want.BestCost)
	near(t, "break-even utilization", got.Breakeven, want.Breakeven)
	for i, s := range want.Marginal {
		near(t, fmt.Sprintf("marginal tokens of replica %d", i+1), load.Marginal(int64(i+1), base), s)
	}
	for n, c := range want.Curve {
		near(t, fmt.Sprintf("cost of %d replicas", n), load.Split(int64(n), base, api), c)
	}
}

type workload struct {
	Sensitivity string `json:"data_sensitivity"`
	Ops         string `json:"ops_capacity"`
	Residency   []string
	TTFT        float64 `json:"ttft_ms"`
	Model       string
	FineTuned   bool `json:"fine_tuned"`
	Tokens      num  `json:"monthly_tokens"`
}

func (w workload) constraints() decide.Constraints {
	return decide.Constraints{
		Sensitivity: decide.Sensitivity(w.Sensitivity), OpsCapacity: decide.OpsCapacity(w.Ops), Residency: w.Residency,
		TTFTLimit: milliseconds(w.TTFT), Model: w.Model, FineTuned: w.FineTuned,
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

type offer struct {
	Name, Kind    string
	Regions       []string
	TTFT          float64 `json:"ttft_p95_ms"`
	Models        []string
	Approved      bool  `json:"approved_for_regulated"`
	CustomWeights bool  `json:"custom_weights"`
	OpsIncluded   bool  `json:"ops_included"`
	ClosedWeights bool  `json:"closed_weights"`
	GPU           *bool `json:"gpu"`
	Cost          num   `json:"monthly_cost"`
	P             num   `json:"p_cheaper"`
	Migration     num   `json:"migration_cost"`
}

func (o offer) option() decide.Option {
	return decide.Option{
		Name: o.Name, Hosting: model.Hosting(strings.ReplaceAll(o.Kind, "_", "-")), Regions: o.Regions, TTFTP95: milliseconds(o.TTFT),
		Models: o.Models, ApprovedForRegulated: o.Approved, CustomWeights: o.CustomWeights, OpsIncluded: o.OpsIncluded,
		ClosedWeights: o.ClosedWeights, NoGPU: o.GPU != nil && !*o.GPU,
	}
}

func feasibilityCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Workload workload
		Options  []offer
	}](t, given)
	want := decode[struct{ Blocked map[string][]string }](t, expect)
	got := map[string][]string{}
	for _, o := range g.Options {
		got[o.Name] = decide.Blocked(g.Workload.constraints(), o.option(), 0)
	}
	same(t, "blocked", sorted(got), sorted(want.Blocked))
}

// sorted orders every list: all reasons count, their order does not.
func sorted(m map[string][]string) map[string][]string {
	for _, reasons := range m {
		sort.Strings(reasons)
	}
	return m
}

func ruleOfThumbCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct{ Rows [][3]any }](t, given)
	want := decode[struct {
		Rows []struct{ Recommendation string }
	}](t, expect)
	if len(want.Rows) == 0 || len(want.Rows) != len(g.Rows) {
		t.Fatalf("%d rows given, %d expected", len(g.Rows), len(want.Rows))
	}
	for i, row := range g.Rows {
		tokens := new(big.Rat).SetInt64(int64(row[2].(float64)))
		got, err := decide.RuleOfThumb(decide.Sensitivity(row[0].(string)), decide.OpsCapacity(row[1].(string)), tokens)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint(row), heuristic(got), want.Rows[i].Recommendation)
	}
}

// heuristic spells h as the rule of thumb does.
func heuristic(h model.Hosting) string {
	if h == model.API {
		return "api-inference"
	}
	return string(h)
}

func recommendationCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Policy struct {
			Fraction    num `json:"min_saving_fraction"`
			USD         num `json:"min_saving_usd"`
			Probability num `json:"min_probability"`
			Payback     num `json:"max_payback_months"`
		}
		Current  string
		Workload workload
		Options  []offer
	}](t, given)
	want := decode[struct {
		Heuristic   string
		Blocked     map[string][]string
		Recommended *string
		Reason      string
		USD         num  `json:"saving_usd"`
		Fraction    num  `json:"saving_fraction"`
		Agrees      bool `json:"heuristic_agrees"`
	}](t, expect)
	blocked := map[string][]string{}
	hosting := map[string]model.Hosting{}
	var options []decide.Priced
	for _, o := range g.Options {
		blocked[o.Name] = decide.Blocked(g.Workload.constraints(), o.option(), 0)
		hosting[o.Name] = o.option().Hosting
		options = append(options, decide.Priced{
			Name: o.Name, Hosting: o.option().Hosting, Blocked: len(blocked[o.Name]) > 0, Cost: o.Cost.Rat, Probability: o.P.Rat, Migration: o.Migration.Rat,
		})
	}
	got := decide.Recommend(options, g.Current, decide.Policy{
		Enter: g.Policy.Fraction.Rat, MinSavingUSD: g.Policy.USD.Rat, MinProbability: g.Policy.Probability.Rat, MaxPaybackMonths: g.Policy.Payback.Rat,
	})
	same(t, "blocked", sorted(blocked), sorted(want.Blocked))
	recommended := ""
	if want.Recommended != nil {
		recommended = *want.Recommended
	}
	same(t, "recommended", got.Recommended, recommended)
	same(t, "reason", got.Reason, want.Reason)
	near(t, "saving", got.Saving, want.USD)
	near(t, "saving fraction", got.SavingFraction, want.Fraction)
	rule, err := decide.RuleOfThumb(decide.Sensitivity(g.Workload.Sensitivity), decide.OpsCapacity(g.Workload.Ops), g.Workload.Tokens.Rat)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "heuristic", heuristic(rule), want.Heuristic)
	same(t, "heuristic agrees", rule == hosting[got.Recommended], want.Agrees)
}

func hysteresisCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Enter, Leave num
		In           int   `json:"n_in"`
		Out          int   `json:"n_out"`
		Saving       []num `json:"saving_fraction"`
	}](t, given)
	want := decode[struct {
		States []string
		Alerts []int
	}](t, expect)
	band := decide.Band{Enter: g.Enter.Rat, Leave: g.Leave.Rat, In: g.In, Out: g.Out}
	var side decide.Side
	var states []string
	var alerts []int
	for i, saving := range g.Saving {
		var changed bool
		if side, changed = band.Next(side, saving.Rat); changed {
			alerts = append(alerts, i)
		}
		states = append(states, map[bool]string{false: "api", true: "alt"}[side.Moved])
	}
	same(t, "states", states, want.States)
	same(t, "alerts", alerts, want.Alerts)
}

func distanceCase(t *testing.T, given, expect json.RawMessage) {
	g := decode[struct {
		Tokens    num     `json:"monthly_tokens"`
		Growth    float64 `json:"monthly_growth"`
		Intervals [][2]num
	}](t, given)
	want := decode[struct {
		State         string
		Next          num `json:"next_boundary"`
		Ratio, Months num
	}](t, expect)
	var intervals []cost.Interval
	for _, i := range g.Intervals {
		intervals = append(intervals, cost.Interval{From: i[0].Rat, To: i[1].Rat})
	}
	got := cost.FindDistance(g.Tokens.Rat, g.Growth, intervals)
	same(t, "state", got.State, want.State)
	near(t, "next boundary", got.Next, want.Next)
	near(t, "ratio", got.Ratio, want.Ratio)
	var months *big.Rat
	if got.Months != nil {
		months = new(big.Rat)
		months.SetFloat64(*got.Months)
	}
	near(t, "months", months, want.Months)
}
