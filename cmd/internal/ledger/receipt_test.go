package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

var asOf = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// fiveOptions is a workload of 6B tokens a month on an API, with two APIs, two fleets and a hybrid to choose from.
func fiveOptions() decide.Input {
	shapes := []decide.Throughput{
		{Input: 1000, Output: 1000, OutputTokensPerSecond: big.NewRat(4205, 1)},
		{Input: 500, Output: 2000, OutputTokensPerSecond: big.NewRat(5104, 1)},
		{Input: 2000, Output: 200, OutputTokensPerSecond: big.NewRat(1230, 1)},
		{Input: 128, Output: 2048, OutputTokensPerSecond: big.NewRat(5810, 1)},
	}
	rows := func(item string) []model.PriceSource {
		return []model.PriceSource{
			{Item: item, Field: "input", Value: "1.25", Unit: "USD/Mtok", Source: "list price", Date: "2026-08-01"},
			{Item: item, Field: "throughput", Value: "4205", Unit: "output tokens/s per replica", Source: "benchmark report", Date: "2026-03-01"},
		}
	}
	fleet := func(name string, hosting model.Hosting, perHour int64) decide.Option {
		least := int64(1)
		return decide.Option{
			Name: name, Hosting: hosting, Throughput: shapes, Prices: rows(name),
			Capacity: &cost.Capacity{BlockCostPerHour: big.NewRat(perHour, 100), FixedMonthly: big.NewRat(4086, 1), SpareReplicas: 1, MinReplicas: &least},
		}
	}
	api := func(name string, in, out int64) decide.Option {
		return decide.Option{
			Name: name, Hosting: model.API, Prices: rows(name),
			API: &cost.Prices{Input: big.NewRat(in, 100), Output: big.NewRat(out, 100), CacheRead: big.NewRat(in, 1000)},
		}
	}
	f := model.Forecast{Origin: asOf, MonthlyGrowth: 0.08, Requests30d: 3_456_789}
	distribution := func(total float64) (d model.Distribution) {
		for i, p := range model.Levels {
			d[i] = model.Tokens(total * (0.8 + 0.4*p))
		}
		return d
	}
	mix := [model.NumClasses]model.Fraction{model.Input: 0.55, model.CacheRead: 0.2, model.Output: 0.25}
	for _, days := range []int{7, 30, 90} {
		f.Next = append(f.Next, model.Projection{From: asOf, To: asOf.AddDate(0, 0, days), Total: distribution(2e8 * float64(days)), Mix: mix})
	}
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for m := range 14 {
		total := 6e9 * (1 + 0.08*float64(m))
		f.Months = append(f.Months, model.Projection{From: first.AddDate(0, m, 0), To: first.AddDate(0, m+1, 0), Total: distribution(total), Mix: mix})
	}
	for i := range f.HourOfWeek {
		f.HourOfWeek[i] = 1.0 / 168
	}
	for i := range 120 {
		f.Load = append(f.Load, model.LoadBlock{Hours: 6, TokensPerHour: model.Tokens(1.7e7 - 1.3e5*float64(i))})
	}
	ttft := 430 * time.Millisecond
	return decide.Input{
		Workload: "support-chat", Current: "api-a", Candidates: []string{"api-a", "api-b", "own", "managed", "both"}, TTFTP95: &ttft,
		Constraints: decide.Constraints{Sensitivity: decide.Internal, OpsCapacity: decide.OpsLimited, TTFTLimit: time.Second},
		Options: []decide.Option{
			api("api-a", 125, 1000), api("api-b", 110, 900), fleet("own", model.SelfHosted, 798), fleet("managed", model.CloudManaged, 1312),
			{Name: "both", Hosting: model.Hybrid, Base: "own", Overflow: "api-a", MigrationCost: big.NewRat(20000, 1)},
		},
		Forecast: f,
		Policy: decide.Policy{
			Enter: big.NewRat(1, 5), Leave: big.NewRat(1, 10), Confirmations: 3, ConfirmEvery: 24 * time.Hour, MinSavingUSD: big.NewRat(1000, 1),
			MinProbability: big.NewRat(4, 5), MaxPaybackMonths: big.NewRat(12, 1), LeadTime: 90 * 24 * time.Hour,
		},
	}
}

// receiptOf decides in and returns what was found with its receipt, not sealed yet.
func receiptOf(in decide.Input) *Receipt {
	v, evens := decide.WithBreakEvens(in)
	u := model.Usage{Workload: in.Workload, Source: "gateway", Start: asOf.AddDate(0, 0, -30), Hours: make([]model.Hour, 720)}
	for i := range u.Hours {
		u.Hours[i] = model.Hour{Tokens: model.Volume{model.Input: 5e6, model.Output: 2e6}, Requests: 4800, Coverage: 1}
	}
	r := &Receipt{
		AsOf: asOf, Engine: "1.0.0", ConfigHash: strings.Repeat("ab", 32), Samples: SamplesOf(u),
		Workload: model.WorkloadReport{
			Workload: in.Workload, Current: in.Current, Options: v.Options, Crossover: v.Crossover, Decision: v.Decision, BreakEvens: evens,
		},
	}
	r.Samples.Expression = "sum by (team_alias) (increase(litellm_input_tokens_metric_total[1h]))"
	r.SetInputs(&in)
	return r
}

func seal(t testing.TB, r *Receipt) []byte {
	t.Helper()
	data, err := r.Seal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Written(); err != nil || !bytes.Equal(again, data) {
		t.Fatalf("written again: %v, got\n%.2000s\nwant\n%.2000s", err, again, data)
	}
	return data
}

func TestReceiptIsComputedAgainToTheCent(t *testing.T) {
	t.Parallel()
	data := seal(t, receiptOf(fiveOptions()))
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string][]byte{"as kept": data, "as printed": spaced.Bytes()} {
		if err := Verify(form); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r, err := Open(form)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Recompute()
		if err != nil || len(c.Differences) > 0 {
			t.Errorf("%s: got %v, %v, want the same numbers", name, c.Differences, err)
		}
		if c.Amounts < 40 {
			t.Errorf("%s: compared %d amounts of five options, want at least 40", name, c.Amounts)
		}
	}
	if again := seal(t, receiptOf(fiveOptions())); !bytes.Equal(data, again) {
		t.Error("the same inputs and results give two receipts")
	}
}

// TestEarlierReceiptIsComputedAgain holds that a receipt which was written before APIs had accounts, with tiers of all units and a commitment, still says what
// is computed from it: what a report has since then is no difference.
func TestEarlierReceiptIsComputedAgain(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/earlier.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(data); err != nil {
		t.Error(err)
	}
	c, err := r.Recompute()
	if err != nil || len(c.Differences) > 0 || c.Amounts < 100 {
		t.Errorf("compared %d amounts: got %v, %v, want the same numbers", c.Amounts, c.Differences, err)
	}
}

// TestInputsSurviveTheReceipt fills every field that an Input has, those of tomorrow too, and reads them back.
func TestInputsSurviveTheReceipt(t *testing.T) {
	t.Parallel()
	var in decide.Input
	n := 0
	fill(t, reflect.ValueOf(&in).Elem(), "Input", &n)
	r := Receipt{}
	r.SetInputs(&in)
	kept, err := Open(seal(t, &r))
	if err != nil {
		t.Fatal(err)
	}
	got, err := kept.Input()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, in) {
		t.Errorf("got %+v\nwant %+v", got, in)
	}
}

// fill sets everything below v to values that are unlike any other and not zero.
func fill(t *testing.T, v reflect.Value, path string, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[*big.Rat]():
		v.Set(reflect.ValueOf(big.NewRat(int64(*n), 7)))
		return
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(asOf.Add(time.Duration(*n) * time.Hour)))
		return
	case strings.Count(path, ".Long")+strings.Count(path, ".Tiers") > 1: // prices hold prices
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), path, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), path, n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, path, n)
		fill(t, value, path, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				t.Errorf("%s.%s is not exported: a receipt cannot keep it", path, field.Name)
				continue
			}
			fill(t, v.Field(i), path+"."+field.Name, n)
		}
	default:
		t.Errorf("%s is a %s: a receipt cannot keep it", path, v.Type())
	}
}

func TestChangedReceiptIsCaught(t *testing.T) {
	t.Parallel()
	data := seal(t, receiptOf(fiveOptions()))
	for _, tc := range []struct{ name, from, to, differs string }{
		{"a price among the inputs", `"Input":"5/4"`, `"Input":"6/5"`, "options[api-a].usd_per_month"},
		{"the policy", `"Enter":"1/5"`, `"Enter":"99/100"`, "decision.recommendation"},
		{"a break-even", `"breakeven_requests_per_hour":`, `"breakeven_requests_per_hour":1`, "break_evens.per_request[own].breakeven_requests_per_hour"},
		{"a constraint", `"Sensitivity":"internal"`, `"Sensitivity":"regulated"`, "options[api-a].blocked"},
		{"the verdict", `"recommendation":"move"`, `"recommendation":"stay"`, "decision.recommendation"},
		{"the measured volume", `"measured_hours":720`, `"measured_hours":700`, ""},
		{"a sentence", `"because":"at `, `"because":"At `, ""},
	} {
		changed := bytes.Replace(data, []byte(tc.from), []byte(tc.to), 1)
		if bytes.Equal(changed, data) {
			t.Errorf("%s: the receipt does not hold %s", tc.name, tc.from)
			continue
		}
		if err := Verify(changed); !errors.Is(err, errChanged) {
			t.Errorf("%s: got %v, want that the id does not fit", tc.name, err)
		}
		r, err := Open(changed)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Recompute()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.Differences, "\n"); tc.differs != "" && !strings.Contains(got, tc.differs) || tc.differs == "" && got != "" {
			t.Errorf("%s: got the differences %q, want %q among them", tc.name, got, tc.differs)
		}
	}
}

func TestEveryAmountIsCompared(t *testing.T) {
	t.Parallel()
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, seal(t, receiptOf(fiveOptions())), "", " "); err != nil {
		t.Fatal(err)
	}
	text := spaced.String()
	results := strings.Index(text, `"workload": {`)
	tried := 0
	for at := strings.Index(text[results:], `"usd_per_month": {`); at >= 0; {
		from := results + at + strings.Index(text[results+at:], `"p50": `) + len(`"p50": `)
		changed := text[:from] + "1" + text[from:]
		r, err := Open([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := r.Recompute(); err != nil || len(c.Differences) != 1 {
			t.Errorf("p50 at byte %d with another digit: got %v, %v, want one difference", from, c.Differences, err)
		}
		tried++
		next := strings.Index(text[from:], `"usd_per_month": {`)
		if next < 0 {
			break
		}
		at = from + next - results
	}
	if tried != 5 {
		t.Errorf("tried %d amounts, want one of each option", tried)
	}
}

func TestReceiptIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("€", 100_000)
	for _, tc := range []struct {
		name  string
		grow  func(r *Receipt, in *decide.Input)
		whole bool // it can still be computed again
	}{
		{"five options", func(*Receipt, *decide.Input) {}, true},
		{"a crossover of a thousand windows", func(r *Receipt, _ *decide.Input) {
			r.Workload.Options[2].Crossover.Intervals = make([]model.Interval, 1001)
		}, false},
		{"endless PromQL and labels", func(r *Receipt, _ *decide.Input) {
			r.Samples.Expression, r.Workload.Labels = long, map[string]string{"team": long}
		}, true},
		{"endless names among the inputs", func(_ *Receipt, in *decide.Input) { in.Options[2].Regions = []string{long} }, false},
		{"thousands of options", func(r *Receipt, in *decide.Input) {
			for i := range 1000 {
				o := r.Workload.Options[i%5]
				o.Option = fmt.Sprintf("%s-%d", o.Option, i)
				o.Warnings = []model.Warning{{Code: "X", Text: long[:300]}}
				r.Workload.Options = append(r.Workload.Options, o)
				in.Options = append(in.Options, in.Options[i%5])
			}
		}, false},
		{"endless everything", func(r *Receipt, in *decide.Input) {
			long := long[:9000]
			r.Workload.Workload, r.Workload.Source, r.ConfigHash = long, long, long
			for i := range r.Workload.Options {
				o := &r.Workload.Options[i]
				for range 50 {
					o.Warnings = append(o.Warnings, model.Warning{Code: long, Text: long})
					o.Prices = append(o.Prices, model.PriceSource{Item: long, Field: long, Value: long, Unit: long, Source: long})
					o.Parts = append(o.Parts, model.CostPart{Name: long, Formula: long})
				}
			}
		}, false},
	} {
		in := fiveOptions()
		r := receiptOf(in)
		tc.grow(r, &in)
		r.SetInputs(&in)
		data := seal(t, r)
		if len(data) > MaxBytes {
			t.Errorf("%s: got %d bytes, want at most %d", tc.name, len(data), MaxBytes)
		}
		if err := Verify(data); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		kept, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		c, err := kept.Recompute()
		if whole := err == nil && len(c.Differences) == 0; whole != tc.whole {
			t.Errorf("%s: got %v, %v after leaving out %q, want it to be computable: %v", tc.name, c.Differences, err, kept.LeftOut, tc.whole)
		}
		if i := strings.Index(kept.Workload.Decision.Because, "saves"); i < 0 {
			t.Errorf("%s: the receipt lost its verdict: %+v", tc.name, kept.Workload.Decision)
		}
	}
}

// TestSealLeavesTheReportAlone holds that a published report is never changed by what its receipt leaves out.
func TestSealLeavesTheReportAlone(t *testing.T) {
	t.Parallel()
	r := receiptOf(fiveOptions())
	long := strings.Repeat("x", MaxBytes)
	r.Workload.Warnings = []model.Warning{{Code: "X", Text: long}}
	r.Workload.Options[2].Crossover.Intervals = make([]model.Interval, 500)
	shared := r.Workload
	seal(t, r)
	if shared.Warnings[0].Text != long || len(shared.Options[2].Crossover.Intervals) != 500 {
		t.Error("sealing changed what the receipt shares with the report")
	}
}

func TestVersionOneStaysReadable(t *testing.T) {
	t.Parallel()
	w := receiptOf(fiveOptions()).Workload
	w.Decision.ID = "0123456789ab"
	data, err := json.Marshal(map[string]any{"version": 1, "as_of": asOf, "config_hash": "ab", "workload": w})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(data)
	if err != nil || r.ID != "0123456789ab" || r.Workload.Decision.Because == "" {
		t.Fatalf("got %+v, %v, want the decision of a receipt of version 1", r, err)
	}
	if _, err := r.Recompute(); !errors.Is(err, ErrNoInputs) {
		t.Errorf("got %v, want that the inputs are missing", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "a list": "[]", "no version": "{}", "a newer version": `{"version":3}`, "half a receipt": `{"version":2,"id":"0`,
		"a page of a proxy": "<html>", "megabytes": strings.Repeat(" ", 5*MaxBytes),
	} {
		if r, err := Open([]byte(text)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, r)
		}
	}
	for _, inputs := range []string{`{"NoSuchField":1}`, `{"Policy":{"Enter":"1e999999999"}}`, `{"Policy":{"Enter":"x"}}`, `[]`} {
		if in, err := (Receipt{Inputs: json.RawMessage(inputs)}).Input(); err == nil {
			t.Errorf("inputs %s: got %+v, want an error", inputs, in)
		}
	}
}

// FuzzReceipt reads receipts from strangers: each is refused or computed, and nothing panics.
func FuzzReceipt(f *testing.F) {
	f.Add(seal(f, receiptOf(fiveOptions())))
	f.Add([]byte(`{"version":1,"workload":{"decision":{"id":"0123456789ab"}}}`))
	f.Add([]byte(`{"version":2,"inputs":{"Current":"a","Options":[{"Name":"a","Hosting":"hybrid","Base":"a","Overflow":"a"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = Verify(data)
		r, err := Open(data)
		if err != nil {
			return
		}
		if c, err := r.Recompute(); err == nil && c.Numbers < c.Amounts {
			t.Errorf("compared %d amounts among %d numbers", c.Amounts, c.Numbers)
		}
	})
}

// BenchmarkDecision measures a decision among five options, and the same with its receipt: at most 2 ms and 200 KB together. One of the five
// follows its load, or has a margin so small that as many windows as are listed lie before it is cheaper for good.
func BenchmarkDecision(b *testing.B) {
	plain, scaled, tiny := fiveOptions(), fiveOptions(), fiveOptions()
	scaled.Options[3].Autoscale = &decide.Autoscale{
		ColdStart: 6 * time.Minute, IdleTimeout: 15 * time.Minute, StartsPerDay: big.NewRat(2, 1), ReservedPerHour: big.NewRat(902, 100),
	}
	small := int64(1)
	tiny.Options[3].Throughput, tiny.Options[3].Capacity = nil, &cost.Capacity{
		TokensPerHour: big.NewRat(3000, 1), BlockCostPerHour: big.NewRat(9_637_499, 1_000_000_000), TargetUtilization: big.NewRat(1, 1),
		PeakFactor: big.NewRat(1, 1), MinReplicas: &small,
	}
	for _, kind := range []struct {
		name string
		in   decide.Input
	}{{"all-month", plain}, {"autoscaled", scaled}, {"tiny-margin", tiny}} {
		in, found := kind.in, receiptOf(kind.in)
		receipt := func(v decide.Verdict) []byte {
			r := Receipt{AsOf: asOf, Engine: "1.0.0", ConfigHash: found.ConfigHash, Samples: found.Samples, Workload: model.WorkloadReport{
				Workload: in.Workload, Current: in.Current, Options: v.Options, Crossover: v.Crossover, Decision: v.Decision,
			}}
			r.SetInputs(&in)
			data, err := r.Seal()
			if err != nil {
				b.Fatal(err)
			}
			return data
		}
		v := decide.Decide(in)
		b.Run(kind.name+"/decide", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				decide.Decide(in)
			}
		})
		b.Run(kind.name+"/receipt", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				receipt(v)
			}
			b.ReportMetric(float64(len(receipt(v))), "bytes/receipt")
		})
		b.Run(kind.name+"/decide-and-receipt", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				receipt(decide.Decide(in))
			}
		})
	}
}

// TestSharedFleetReceiptIsBounded holds that the receipt of a fleet of thousands stays within MaxBytes, says what it leaves out and verifies;
// that its summary is readable; and that nobody answers it.
func TestSharedFleetReceiptIsBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 20_000} {
		pool := decide.Pool{Option: "fleet", ReplicasPerBlock: 1, BlockCost: big.NewRat(5825, 1), Fixed: big.NewRat(9387, 1)}
		for i := range n {
			pool.Tenants = append(pool.Tenants, decide.Tenant{Workload: fmt.Sprintf("workload %d", i), Peak: 1, Alone: 10_000})
		}
		r := Receipt{AsOf: asOf}
		if err := r.SetPool(pool); err != nil {
			t.Fatal(err)
		}
		data := seal(t, &r)
		if len(data) > MaxBytes || Verify(data) != nil {
			t.Fatalf("%d workloads: %d bytes, %v", n, len(data), Verify(data))
		}
		if small := n == 2; small != (len(r.LeftOut) == 0) || small != (r.Pool != nil) {
			t.Errorf("%d workloads: left out %v", n, r.LeftOut)
		}
		summary, changed := compacted(data, false, asOf.Add(91*24*time.Hour))
		kept, err := Open(summary)
		if !changed || err != nil || kept.Pool != nil || kept.SharedFleet.ID != r.ID || kept.SharedFleet.SavingUSDPerMonth != r.SharedFleet.SavingUSDPerMonth {
			t.Errorf("%d workloads: the summary is %+v, %v", n, kept.SharedFleet, err)
		}
		if _, err := (Answer{ID: r.ID}).About(r); err == nil || !strings.Contains(err.Error(), "about a shared fleet") {
			t.Errorf("answered: got %v, want to be sent to the decisions of the workloads", err)
		}
	}
}

// TestJointMoveReceipt holds that the receipt of a joint move computes the same and tells a change, stays within MaxBytes whoever is in it, and that
// nobody answers it.
func TestJointMoveReceipt(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 5_000} {
		joint := decide.Joint{
			Account: "provider", Kind: model.JointLeave,
			APIs: []decide.JointAPI{{Option: "api", Account: "provider/api", Prices: &cost.Prices{Input: big.NewRat(1, 1), Output: big.NewRat(1, 1), MinimumCommit: big.NewRat(10_000, 1)}}},
		}
		for i := range n {
			u := cost.Usage{}
			u.Tokens[model.Input] = big.NewRat(3_000_000_000, 1)
			joint.Members = append(joint.Members, decide.Member{Workload: fmt.Sprintf("workload %d", i), API: "api", Usage: []cost.Usage{u}, Option: "own", USD: 1_500})
		}
		r := Receipt{AsOf: asOf}
		if err := r.SetJoint(joint); err != nil {
			t.Fatal(err)
		}
		data, err := r.Seal()
		if err != nil || len(data) > MaxBytes || Verify(data) != nil || r.JointMove.ID != r.ID {
			t.Fatalf("%d workloads: %d bytes, %v, %v", n, len(data), err, Verify(data))
		}
		small := n == 2
		if small != (len(r.LeftOut) == 0) || small && float64(r.JointMove.SavingUSDPerMonth) != 7_000 {
			t.Errorf("%d workloads: got %+v, left out %v", n, r.JointMove, r.LeftOut)
		}
		if c, err := r.Recompute(); small && (err != nil || len(c.Differences) > 0 || c.Amounts < 5) {
			t.Errorf("computed again: %+v, %v", c, err)
		}
		if _, err := (Answer{ID: r.ID}).About(r); err == nil || !strings.Contains(err.Error(), "about a joint move") {
			t.Errorf("answered: got %v, want to be sent to the decisions of the workloads", err)
		}
	}
}

// TestLongPromptsAreLabelled holds that the receipt says that the share of long prompts is measured, computes it again from their lengths, and
// says nothing when none is known.
func TestLongPromptsAreLabelled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		prompts     *model.Prompts
		what, label string
	}{
		{&model.Prompts{Bounds: []float64{200e3, 250e3}, Requests: []float64{90, 10, 0}, Tokens: 5e6}, "long context measured", model.Measured},
		{nil, "long context measured", ""},
	} {
		in := fiveOptions()
		in.Prompts = tc.prompts
		api := *in.Options[0].API
		api.Long, api.LongAbove = &cost.Prices{Input: big.NewRat(2, 1), Output: big.NewRat(20, 1)}, 200_000
		in.Options[0].API = &api
		v := decide.Decide(in)
		r := Receipt{AsOf: asOf, Workload: model.WorkloadReport{Options: v.Options, Crossover: v.Crossover, Decision: v.Decision}}
		r.SetInputs(&in)
		found := ""
		for _, c := range r.Capacity {
			if c.Option == in.Options[0].Name && c.What == tc.what {
				found = c.Label
			}
		}
		if found != tc.label {
			t.Errorf("%s: got %q among %+v, want %s", tc.what, found, r.Capacity, tc.label)
		}
		kept, err := Open(seal(t, &r))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := kept.Recompute(); err != nil || len(c.Differences) > 0 {
			t.Errorf("%s: computed again: %+v, %v", tc.what, c, err)
		}
	}
}
