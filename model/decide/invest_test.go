package decide

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"tipline/model"
	"tipline/model/modeltest"
)

func dollars(r *rand.Rand, lo, hi int64) *big.Rat { return big.NewRat(lo+r.Int64N(hi-lo+1), 1) }

func months(r *rand.Rand, n int, lo, hi int64) []*big.Rat {
	out := make([]*big.Rat, n)
	for i := range out {
		out[i] = dollars(r, lo, hi)
	}
	return out
}

// TestPaybackLaws holds properties 29 and 30: savings that are none never pay back, NPV falls with the rate when all savings
// are positive, and both agree with a sum in floating point.
func TestPaybackLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(29, 1))
	for range modeltest.Draws {
		n := 1 + r.IntN(36)
		o := Outlay{Upfront: dollars(r, 1, 50_000), Savings: months(r, n, -5_000, 0)}
		if p := o.Payback(); p.Month != 0 || p.Fractional != nil {
			t.Fatalf("savings of %v pay back in month %d", o.Savings, p.Month)
		}
		o.Savings = months(r, n, 1, 10_000)
		o.Discount = big.NewRat(r.Int64N(100), 10_000)
		p := o.Payback()
		o.Discount = new(big.Rat).Add(o.Discount, big.NewRat(1, 1000))
		if dearer := o.Payback(); dearer.NPV.Cmp(p.NPV) >= 0 {
			t.Fatalf("a higher rate: NPV %v after %v", dearer.NPV, p.NPV)
		}
		sum, at := -float(o.Upfront), 0
		for i, s := range o.Savings {
			before := sum
			if sum += float(s); before < 0 && sum >= 0 && at == 0 {
				at = i + 1
				if want := float64(i) - before/float(s); math.Abs(float(p.Fractional)-want) > 1e-9 {
					t.Fatalf("%v for %v: paid back after %v months, want %v", o.Savings, o.Upfront, float(p.Fractional), want)
				}
			}
		}
		if p.Month != at || math.Abs(float(p.Cumulative)-sum) > 1e-6 {
			t.Fatalf("%v for %v: month %d and %v, want %d and %v", o.Savings, o.Upfront, p.Month, p.Cumulative, at, sum)
		}
	}
	if p := (Outlay{Savings: months(r, 3, 1, 2)}).Payback(); p.Month != 1 || p.Fractional.Sign() != 0 {
		t.Errorf("a move that costs nothing: got month %d, %v, want the beginning of the first", p.Month, p.Fractional)
	}
}

// TestWeighLaws holds properties 31 and 32: waiting no time is worth nothing with one scenario that pays, regrets are not
// negative, and their difference is the value of moving now.
func TestWeighLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 1))
	for range modeltest.Draws {
		n := 1 + r.IntN(5)
		var scenarios []Scenario
		for range n {
			scenarios = append(scenarios, Scenario{Probability: big.NewRat(1, int64(n)), Savings: months(r, 12, -3_000, 9_000)})
		}
		migration, discount := dollars(r, 0, 50_000), big.NewRat(r.Int64N(100), 10_000)
		p := Weigh(scenarios, migration, r.IntN(15), discount)
		if p.RegretNow.Sign() < 0 || p.RegretStay.Sign() < 0 {
			t.Fatalf("regrets: got %v and %v", p.RegretNow, p.RegretStay)
		}
		if diff := new(big.Rat).Sub(p.RegretStay, p.RegretNow); diff.Cmp(p.NPVNow) != 0 {
			t.Fatalf("regret of staying less that of moving: got %v, want %v", diff, p.NPVNow)
		}
		scenarios[0].Probability = big.NewRat(1, 1)
		one := Weigh(scenarios[:1], migration, 0, discount)
		if one.NPVNow.Sign() >= 0 && one.WaitingWorth.Sign() != 0 {
			t.Fatalf("waiting no time with one scenario is worth %v", one.WaitingWorth)
		}
		switch {
		case p.Advice == model.AdviceSwitchNow && (p.NPVNow.Sign() <= 0 || p.WaitingWorth.Sign() > 0),
			p.Advice == model.AdviceStay && p.WaitingWorth.Sign() > 0, p.Advice == model.AdviceWait && p.WaitingWorth.Sign() <= 0:
			t.Fatalf("%+v: the advice does not follow", p)
		}
	}
}

// TestAttributeLaws holds property 34: parts sum to the change exactly, an input that did not change has none, and the parts do
// not depend on the order in which inputs are listed. The reference walks through every order.
func TestAttributeLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(34, 1))
	for range modeltest.Draws {
		n := 1 + r.IntN(5)
		from, to := months(r, n, 1, 20), months(r, n, 1, 20)
		to[0] = from[0]                       // did not change
		usd := func(in []*big.Rat) *big.Rat { // neither a sum nor a product
			product, sum := big.NewRat(1, 1), new(big.Rat)
			for i, v := range in {
				product.Mul(product, v)
				sum.Add(sum, new(big.Rat).Mul(v, big.NewRat(int64(i), 3)))
			}
			return product.Add(product, sum)
		}
		at := func(changed uint) *big.Rat {
			in := make([]*big.Rat, n)
			for i := range in {
				if in[i] = from[i]; changed&(1<<i) != 0 {
					in[i] = to[i]
				}
			}
			return usd(in)
		}
		delta, parts, err := Attribute(n, at)
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Rat)
		for _, p := range parts {
			sum.Add(sum, p)
		}
		if sum.Cmp(delta) != 0 || delta.Cmp(new(big.Rat).Sub(usd(to), usd(from))) != 0 || parts[0].Sign() != 0 {
			t.Fatalf("%v to %v: parts %v sum to %v, want %v, the first none", from, to, parts, sum, delta)
		}
		for i, want := range byEveryOrder(n, at) {
			if math.Abs(float(parts[i])-want) > 1e-9*(1+math.Abs(want)) {
				t.Fatalf("%v to %v: part %d is %v, every order gives %v", from, to, i, float(parts[i]), want)
			}
		}
	}
	for _, n := range []int{0, maxFactors + 1} {
		if _, _, err := Attribute(n, func(uint) *big.Rat { return new(big.Rat) }); err == nil {
			t.Errorf("%d inputs: want an error", n)
		}
	}
	if _, _, err := Attribute(1, func(uint) *big.Rat { return nil }); err == nil {
		t.Error("a cost that is not known: want an error, not a part of zero")
	}
}

// byEveryOrder changes the inputs one after another in every order and averages what each change added.
func byEveryOrder(n int, at func(changed uint) *big.Rat) []float64 {
	parts, orders := make([]float64, n), 0.0
	var walk func(changed uint, added []float64)
	walk = func(changed uint, added []float64) {
		if changed == 1<<n-1 {
			orders++
			for i, a := range added {
				parts[i] += a
			}
			return
		}
		for i := range n {
			if changed&(1<<i) != 0 {
				continue
			}
			next := append([]float64{}, added...)
			next[i] = float(at(changed|1<<i)) - float(at(changed))
			walk(changed|1<<i, next)
		}
	}
	walk(0, make([]float64, n))
	for i := range parts {
		parts[i] /= orders
	}
	return parts
}
