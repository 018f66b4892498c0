package decide

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/modeltest"
)

// TestPriceOfAConstraint works one out on paper: at 3 USD/Mtok 20B tokens in 30 days cost 60,833.33 USD a month on the API and 32,688.60
// on the fleet (see TestDecideByHand), which nobody is there to operate; the managed one costs
// 4·7.98·1.15·730 + 20,000.
func TestPriceOfAConstraint(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name == "hybrid" })
	options[1].Capacity.FixedMonthly = rat("20000")
	in := input(projection(2e10, 0, 0.01), options)
	in.Constraints.OpsCapacity = OpsNone
	v := Decide(in)
	managed := 4*7.98*1.15*730 + 20_000
	got := v.Decision.Constraints
	if len(got) != 1 || got[0].Code != NoOpsCapacity || !slices.Equal(got[0].Blocks, []string{"self"}) || got[0].BestWithout != "self" {
		t.Fatalf("got %+v, want that nobody can operate self", got)
	}
	if p := got[0].USDPerMonth; p == nil || !near(float64(*p), managed-32_688.6) {
		t.Errorf("price: got %v, want %v", got[0].USDPerMonth, managed-32_688.6)
	}
	if p := v.Options[2].ExclusionUSDPerMonth; p == nil || !near(float64(*p), managed-32_688.6) {
		t.Errorf("price of self being blocked: got %v", p)
	}
	if v.Options[0].ExclusionUSDPerMonth != nil {
		t.Error("an option that is allowed has a price of being blocked")
	}
	want := "without the constraint NO_OPS_CAPACITY: self"
	if !slices.ContainsFunc(v.Decision.WouldChange, func(s string) bool { return strings.HasPrefix(s, want) }) {
		t.Errorf("would change: got %q, want %q", v.Decision.WouldChange, want)
	}
}

// TestConstraintPricesAgainstTheReport works every price out anew from the costs and the codes that the report shows.
func TestConstraintPricesAgainstTheReport(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(35, 2))
	priced := 0
	for range modeltest.Draws {
		options := four(oneOf(r, "0.3", "1", "3"))
		for i := range options {
			if r.IntN(2) == 0 {
				options[i] = randomOption(r, options[i])
			}
		}
		in := input(projection(oneOf(r, 1e9, 1e10, 1e11), 0, 0.1), options)
		in.Constraints, in.Current = randomConstraints(r), oneOf(r, "api", "managed", "self")
		v := Decide(in)
		least := func(lifted func(code string) bool) float64 {
			least := math.Inf(1)
			for _, o := range v.Options {
				allowed := o.USDPerMonth != nil
				for _, code := range o.Blocked {
					allowed = allowed && lifted(code)
				}
				if allowed {
					least = min(least, float64(o.USDPerMonth.P50))
				}
			}
			return least
		}
		with := least(func(string) bool { return false })
		listed := map[string]bool{}
		for _, p := range v.Decision.Constraints {
			listed[p.Code] = true
			without := least(func(code string) bool { return code == p.Code })
			switch {
			case math.IsInf(with, 1) != (p.USDPerMonth == nil), math.IsInf(without, 1) != (p.BestWithout == ""):
				t.Fatalf("%+v: best with it %v, without %v", p, with, without)
			case p.USDPerMonth == nil:
			case math.Abs(float64(*p.USDPerMonth)-(with-without)) > 1e-6 || *p.USDPerMonth < 0:
				t.Fatalf("%s: got %v, want %v less %v", p.Code, *p.USDPerMonth, with, without)
			case *p.USDPerMonth > 0:
				priced++
			}
		}
		for _, o := range v.Options {
			for _, code := range o.Blocked {
				if !listed[code] {
					t.Fatalf("%s blocks %s and has no price: %+v", code, o.Option, v.Decision.Constraints)
				}
			}
			want := "none"
			if len(o.Blocked) > 0 && o.USDPerMonth != nil && !math.IsInf(with, 1) {
				want = fmt.Sprintf("%.6f", max(0, with-float64(o.USDPerMonth.P50)))
			}
			got := "none"
			if o.ExclusionUSDPerMonth != nil {
				got = fmt.Sprintf("%.6f", float64(*o.ExclusionUSDPerMonth))
			}
			if got != want {
				t.Fatalf("%s blocked by %v: got %s, want %s", o.Option, o.Blocked, got, want)
			}
		}
	}
	if priced < modeltest.Draws/40 {
		t.Errorf("only %d constraints cost something: the draws test nothing", priced)
	}
}

// TestEveryCodeHasAPlace holds that no code that blocks is left without a price.
func TestEveryCodeHasAPlace(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 1))
	for range modeltest.Draws {
		for _, code := range Blocked(randomConstraints(r), randomOption(r, Option{Hosting: oneOf(r, model.API, model.SelfHosted, model.CloudManaged, model.Hybrid)}), 0) {
			if !slices.Contains(codes[:], code) {
				t.Fatalf("%s is not among the codes", code)
			}
		}
	}
}
