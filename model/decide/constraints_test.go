package decide

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/modeltest"
)

// oneOf returns one of values.
func oneOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func randomConstraints(r *rand.Rand) Constraints {
	return Constraints{
		Sensitivity: oneOf(r, Public, Internal, Regulated), OpsCapacity: oneOf(r, OpsNone, OpsLimited, OpsDedicated),
		Residency: oneOf(r, nil, []string{"eu"}, []string{"us", "eu"}), TTFTLimit: oneOf(r, 0, 300*time.Millisecond, time.Second),
		Model: oneOf(r, "", "llama"), FineTuned: r.IntN(3) == 0, Batch: r.IntN(3) == 0,
	}
}

func randomOption(r *rand.Rand, o Option) Option {
	o.Regions, o.Models = oneOf(r, nil, []string{"eu"}, []string{"us"}), oneOf(r, nil, []string{"llama"}, []string{"gpt"})
	o.TTFTP95 = oneOf(r, 0, 200*time.Millisecond, 2*time.Second)
	o.ApprovedForRegulated, o.CustomWeights, o.OpsIncluded = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
	kind := r.IntN(4)
	o.NoGPU, o.BatchOnly, o.ClosedWeights = kind == 0, kind == 1, r.IntN(4) == 0
	return o
}

// TestFewerConstraintsBlockLess holds property 35 of the cost model, section 16.
func TestFewerConstraintsBlockLess(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(35, 1))
	for range modeltest.Draws {
		c, o := randomConstraints(r), randomOption(r, Option{Hosting: oneOf(r, model.Hostings[:]...)})
		before := Blocked(c, o, 0)
		for name, relax := range map[string]func(*Constraints){
			"sensitivity": func(c *Constraints) { c.Sensitivity = Public }, "ops capacity": func(c *Constraints) { c.OpsCapacity = OpsDedicated },
			"residency": func(c *Constraints) { c.Residency = nil }, "ttft limit": func(c *Constraints) { c.TTFTLimit = 0 },
			"model": func(c *Constraints) { c.Model = "" }, "fine-tuning": func(c *Constraints) { c.FineTuned = false },
			"latency": func(c *Constraints) { c.Batch = true },
		} {
			relaxed := c
			relax(&relaxed)
			for _, reason := range Blocked(relaxed, o, 0) {
				if !slices.Contains(before, reason) {
					t.Errorf("without %s %+v is blocked by %s for %+v, with it by %v", name, o, reason, c, before)
				}
			}
		}
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	options := map[string]Option{
		"api":      {Name: "api", Hosting: model.API, Regions: []string{"eu"}, ApprovedForRegulated: true, TTFTP95: 900 * time.Millisecond},
		"self":     {Name: "self", Hosting: model.SelfHosted, Regions: []string{"eu"}},
		"included": {Name: "included", Hosting: model.SelfHosted, Regions: []string{"eu"}, OpsIncluded: true},
		"closed":   {Name: "closed", Hosting: model.SelfHosted, Regions: []string{"eu"}, ClosedWeights: true},
		"abroad":   {Name: "abroad", Hosting: model.API, Regions: []string{"us"}},
		"queue":    {Name: "queue", Hosting: model.CloudManaged, Regions: []string{"eu"}, BatchOnly: true},
		"nowhere":  {Name: "nowhere", Hosting: model.SelfHosted},
	}
	hybrid := func(base, overflow string) Option {
		return Option{Name: "mix", Hosting: model.Hybrid, Base: base, Overflow: overflow}
	}
	measured := 800 * time.Millisecond
	unstaffed := Constraints{Sensitivity: Internal, OpsCapacity: OpsNone}
	staffed := Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited}
	for _, tc := range []struct {
		name   string
		c      Constraints
		o      Option
		ttft   *time.Duration
		reason []string
	}{
		{"an unknown sensitivity counts as regulated", Constraints{OpsCapacity: OpsLimited}, options["abroad"], nil, []string{DataRegulated}},
		{"an unknown operations capacity counts as none", Constraints{Sensitivity: Public}, options["self"], nil, []string{NoOpsCapacity}},
		{"a hybrid is approved where its overflow is", Constraints{Sensitivity: Regulated, OpsCapacity: OpsLimited}, hybrid("self", "api"), nil, nil},
		{
			"a hybrid is not approved where its overflow is not",
			Constraints{Sensitivity: Regulated, OpsCapacity: OpsLimited},
			hybrid("self", "abroad"), nil,
			[]string{DataRegulated},
		},
		{"a hybrid is operated like its base", unstaffed, hybrid("self", "api"), nil, []string{NoOpsCapacity}},
		{"a hybrid whose base is operated for us needs nobody", unstaffed, hybrid("included", "api"), nil, nil},
		{
			"a hybrid is where both its parts are",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, Residency: []string{"eu"}},
			hybrid("self", "abroad"),
			nil,
			[]string{Residency},
		},
		{
			"a part that declares no region fails closed",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, Residency: []string{"eu"}},
			hybrid("nowhere", "api"), nil,
			[]string{ResidencyUnknown},
		},
		{"a queue is not for work that cannot wait", staffed, options["queue"], nil, []string{BatchOnly}},
		{"nor as a base", staffed, hybrid("queue", "api"), nil, []string{BatchOnly}},
		{"a queue is for work that can wait", Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, Batch: true}, options["queue"], nil, nil},
		{"closed weights cannot be the base", staffed, hybrid("closed", "api"), nil, []string{ClosedWeights}},
		{
			"a slow overflow is a slow hybrid",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, TTFTLimit: 500 * time.Millisecond},
			hybrid("self", "api"), nil,
			[]string{TTFTSLA},
		},
		{
			"own weights need an overflow that hosts them",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, FineTuned: true},
			hybrid("self", "api"), nil,
			[]string{FineTunedWeights},
		},
		{
			"what was measured of the current option counts",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, TTFTLimit: 500 * time.Millisecond},
			options["self"], &measured,
			[]string{TTFTSLA},
		},
		{
			"a limit that is met exactly is met",
			Constraints{Sensitivity: Internal, OpsCapacity: OpsLimited, TTFTLimit: measured},
			options["self"], &measured, nil,
		},
	} {
		got := blocked(Input{Constraints: tc.c, Current: tc.o.Name, TTFTP95: tc.ttft}, tc.o, options)
		if !slices.Equal(got, tc.reason) {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.reason)
		}
	}
}
