package decide

import (
	"math"
	"slices"
	"strings"
	"testing"

	"tipline/model"
)

// onFleet returns the inputs of a workload that runs on the fleet of four, and its place among the options.
func onFleet(change func(*Option)) (in Input, place int) {
	in = input(projection(1e10, 0, 0.1), four("3"))
	in.Current = "self"
	i := slices.IndexFunc(in.Options, func(o Option) bool { return o.Name == "self" })
	in.Options[i].Prices = []model.PriceSource{
		{Item: "h100", Field: "usd_per_hour", Value: "3.99", Unit: "USD/GPU-hour", Source: "list price"},
		{Item: "self", Field: "throughput", Value: "30276000", Unit: "tokens/h per replica", Source: "own load test", Date: "2026-10-02"},
	}
	if change != nil {
		change(&in.Options[i])
	}
	return in, i
}

// seen is what was measured of its replicas.
func seen(tokens float64) *model.MeasuredCapacity {
	return &model.MeasuredCapacity{TokensPerHour: tokens, Low: 0.95 * tokens, High: new(1.05 * tokens), LimitSeconds: 0.5, Hours: 400}
}

// TestWithMeasured holds which throughput counts: the configured one unless there is none or the measured one is preferred.
func TestWithMeasured(t *testing.T) {
	t.Parallel()
	untyped := func(o *Option) {
		c := *o.Capacity
		c.TokensPerHour, c.TargetUtilization = nil, nil
		o.Capacity, o.Prices = &c, o.Prices[:1]
	}
	prefer := func(o *Option) { o.PreferMeasured = true }
	floor := &model.MeasuredCapacity{TokensPerHour: 1e6, Low: 1e6}
	for _, tc := range []struct {
		name   string
		change func(*Option)
		m      *model.MeasuredCapacity
		want   string // tokens an hour; empty: not known
		label  string // of the throughput
	}{
		{"what is configured goes first", nil, seen(12e6), "30276000", model.Benchmark},
		{"unless it is said otherwise", prefer, seen(12e6), "12000000", model.Measured},
		{"or there is nothing", untyped, seen(12e6), "12000000", model.Measured},
		{"nothing measured and nothing configured is not known", untyped, nil, "", ""},
		{"what was served at least is no capacity", untyped, floor, "", ""},
		{"what is configured stands in", prefer, nil, "30276000", model.Benchmark},
		{"and for what was served at least", prefer, floor, "30276000", model.Benchmark},
	} {
		in, i := onFleet(tc.change)
		before := in.Options[i]
		in.Options[i] = before.WithMeasured(tc.m, "a reason of its own")
		v := Decide(in)
		o := v.Options[slices.IndexFunc(v.Options, func(o model.OptionCost) bool { return o.Option == "self" })]
		if tc.want == "" {
			if o.USDPerMonth != nil || v.Decision.Recommendation != model.Unknown || !strings.Contains(v.Decision.Because, "a reason of its own") {
				t.Errorf("%s: got %+v with %q, want no cost and why", tc.name, o.USDPerMonth, v.Decision.Because)
			}
			continue
		}
		n := slices.IndexFunc(o.Capacity, func(n model.CapacityNumber) bool { return n.What == "throughput" })
		if n < 0 || o.Capacity[n].Value != tc.want || o.Capacity[n].Label != tc.label || o.Capacity[n].From == "" {
			t.Errorf("%s: got %+v, want a throughput of %s, %s", tc.name, o.Capacity, tc.want, tc.label)
		}
		if measured := tc.label == model.Measured; measured != (o.EconomicUtilizationRatio != nil && in.Options[i].Capacity.TargetUtilization.Cmp(rat("1")) == 0) {
			t.Errorf("%s: got a target utilization of %v", tc.name, in.Options[i].Capacity.TargetUtilization)
		}
		if warned := slices.ContainsFunc(o.Warnings, func(w model.Warning) bool { return w.Code == "CAPACITY_NOT_MEASURED" }); warned != (before.PreferMeasured && !tc.m.Known()) {
			t.Errorf("%s: got the warnings %+v", tc.name, o.Warnings)
		}
		if before.Capacity.TokensPerHour != nil && before.Capacity.TokensPerHour.Cmp(rat("30276000")) != 0 {
			t.Errorf("%s: the option that was given has changed", tc.name)
		}
	}
}

// TestAssumedCapacity holds that a verdict says how much of it rests on assumed capacity: the GPU hours of the fleets that it sizes.
func TestAssumedCapacity(t *testing.T) {
	t.Parallel()
	in, i := onFleet(func(o *Option) { o.PreferMeasured = true })
	in.Candidates = []string{"self", "api"}
	a := Decide(in).Decision.AssumedCapacity
	o := Decide(in).Options[0]
	if a == nil || len(a.Numbers) != 1 || a.Numbers[0] != "target utilization of self" {
		t.Fatalf("configured: got %+v, want the target utilization of the fleet", a)
	}
	if gpus := o.Parts[0].USDPerMonth; o.Parts[0].Name != "GPU hours" || a.USDPerMonth != gpus || math.Abs(float64(a.Ratio)-float64(gpus/o.USDPerMonth.P50)) > 1e-9 {
		t.Errorf("configured: got %+v, want the %v of GPU hours in %v", a, gpus, o.USDPerMonth.P50)
	}
	in.Options[i] = in.Options[i].WithMeasured(seen(12e6), "")
	if a := Decide(in).Decision.AssumedCapacity; a == nil || len(a.Numbers) != 0 || a.USDPerMonth != 0 || a.Ratio != 0 {
		t.Errorf("measured: got %+v, want nothing that is assumed", a)
	}
	in = input(projection(1e10, 0, 0.1), four("3")[:1])
	if a := Decide(in).Decision.AssumedCapacity; a != nil {
		t.Errorf("without a fleet: got %+v, want nothing", a)
	}
}

// TestGPUCostGap holds that what is paid for GPUs is compared with the GPU hours of the model alone.
func TestGPUCostGap(t *testing.T) {
	t.Parallel()
	in, _ := onFleet(nil)
	o := Decide(in).Options[slices.IndexFunc(Decide(in).Options, func(o model.OptionCost) bool { return o.Option == "self" })]
	perHour := 10.0
	paid, gap := GPUCostGap(o, perHour)
	if paid == nil || *paid != 7300 || math.Abs(float64(*gap-(o.Parts[0].USDPerMonth-7300))) > 1e-6 {
		t.Errorf("got %v and %v, want 7300 and the difference to %+v", paid, gap, o.Parts[0])
	}
	if paid, gap := GPUCostGap(Decide(in).Options[0], perHour); paid != nil || gap != nil {
		t.Errorf("of an API: got %v and %v, want nothing", paid, gap)
	}
}
