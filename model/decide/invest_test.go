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
// are positive, and both agree with sums in exact arithmetic.
func TestPaybackLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(29, 1))
	for range modeltest.Draws / 2 {
		n := 1 + r.IntN(36)
		s := Stakes{Migration: float64(1 + r.IntN(50_000)), Saved: make([][]float64, n), Growth: 1 + float64(r.IntN(16))/1024}
		for i := range s.Saved {
			s.Saved[i] = []float64{-float64(r.IntN(5_000))}
		}
		if p := s.Weigh(); p.PaidBackAfter != nil {
			t.Fatalf("savings of %v pay back after %v months", s.Saved, *p.PaidBackAfter)
		}
		for i := range s.Saved {
			s.Saved[i][0] = float64(1 + r.IntN(10_000))
		}
		p, want := s.Weigh(), s.exactly()
		dearer := s
		dearer.Growth += 0.001
		if got := dearer.Weigh(); got.NPVUSD >= p.NPVUSD {
			t.Fatalf("a higher rate: NPV %v after %v", got.NPVUSD, p.NPVUSD)
		}
		if (p.PaidBackAfter == nil) != (want.after == nil) || p.PaidBackAfter != nil && math.Abs(*p.PaidBackAfter-float(want.after)) > 1e-9 ||
			math.Abs(float64(p.CumulativeUSD)-float(want.cumulative)) > 1e-6 || math.Abs(float64(p.NPVUSD)-float(want.now)) > 1e-6 {
			t.Fatalf("%v for %v: got %+v, want %+v", s.Saved, s.Migration, p, want)
		}
	}
	if p := (Stakes{Saved: [][]float64{{1}}, Growth: 1}).Weigh(); p.PaidBackAfter == nil || *p.PaidBackAfter != 0 {
		t.Errorf("a move that costs nothing: got %v, want the beginning of the first month", p.PaidBackAfter)
	}
}

// TestWeighLaws holds properties 31 and 32, and the whole of a prospect to exact arithmetic: waiting no time is worth nothing with one scenario that
// pays, regrets are not negative, and their difference is the value of moving now.
func TestWeighLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(31, 1))
	near := func(got model.USD, want *big.Rat) bool { return math.Abs(float64(got)-float(want)) <= 1e-6 }
	for range modeltest.Draws / 4 {
		months, scenarios := 1+r.IntN(12), oneOf(r, 1, 3, 5, 19)
		s := Stakes{Saved: make([][]float64, months), Migration: float64(r.IntN(50_000)), Wait: r.IntN(15), Growth: 1 + float64(r.IntN(16))/1024}
		for i := range s.Saved {
			for range scenarios {
				s.Saved[i] = append(s.Saved[i], float64(r.IntN(12_000)-3_000))
			}
		}
		if r.IntN(2) == 0 {
			sum := 0.0
			for range scenarios {
				s.Likely = append(s.Likely, float64(1+r.IntN(9)))
				sum += s.Likely[len(s.Likely)-1]
			}
			for j := range s.Likely {
				s.Likely[j] /= sum
			}
		}
		p, want := s.Weigh(), s.exactly()
		if p.RegretSwitchUSD < 0 || p.RegretStayUSD < 0 || math.Abs(float64(p.RegretStayUSD-p.RegretSwitchUSD-p.NPVUSD)) > 1e-6 {
			t.Fatalf("regrets: got %v and %v, want them apart by %v", p.RegretSwitchUSD, p.RegretStayUSD, p.NPVUSD)
		}
		if !near(p.NPVUSD, want.now) || !near(p.NPVAfterWaitUSD, want.wait) || !near(p.RegretSwitchUSD, want.regretNow) || !near(p.RegretStayUSD, want.regretStay) ||
			math.Abs(float64(*p.PaysProbability)-float(want.pays)) > 1e-9 && math.Abs(float(want.closest)) > 1e-6 {
			t.Fatalf("%+v: got %+v, want %+v", s, p, want)
		}
		worth := new(big.Rat).Sub(want.wait, greater(new(big.Rat), want.now))
		if !near(p.ValueOfWaitingUSD, worth) {
			t.Fatalf("%+v: waiting is worth %v, want %v", s, p.ValueOfWaitingUSD, float(worth))
		}
		if math.Abs(float(worth)) > 1e-4 && math.Abs(float(want.now)) > 1e-4 && p.Advice != advice(want.now.Sign() > 0, worth.Sign() > 0) {
			t.Fatalf("%+v: the advice is %s for %+v", s, p.Advice, want)
		}
		one := s
		one.Likely, one.Wait, one.Saved = nil, 0, nil
		for _, month := range s.Saved {
			one.Saved = append(one.Saved, month[:1])
		}
		if p := one.Weigh(); p.NPVUSD >= 0 && p.ValueOfWaitingUSD != 0 {
			t.Fatalf("waiting no time with one scenario is worth %v", p.ValueOfWaitingUSD)
		}
	}
}

// stakes is what s comes to in exact arithmetic.
type stakes struct {
	now, wait, pays, regretNow, regretStay *big.Rat
	closest                                *big.Rat // value of moving now in the scenario in which it is nearest to 0
	after, cumulative                      *big.Rat // of the scenario in the middle
}

// exactly weighs s by the formulas of section 8, a scenario after the other, and each from the present values of its months.
func (s Stakes) exactly() stakes {
	w := stakes{now: new(big.Rat), wait: new(big.Rat), pays: new(big.Rat), regretNow: new(big.Rat), regretStay: new(big.Rat)}
	migration, growth := exactly(s.Migration), exactly(s.Growth)
	factors := []*big.Rat{one} // of what comes after so many months
	for range max(len(s.Saved), s.Wait) {
		factors = append(factors, new(big.Rat).Quo(factors[len(factors)-1], growth))
	}
	present := func(usd *big.Rat, month int) *big.Rat { return new(big.Rat).Mul(usd, factors[month]) }
	for j := range s.Saved[0] {
		p := big.NewRat(1, int64(len(s.Saved[0])))
		if s.Likely != nil {
			p = exactly(s.Likely[j])
		}
		now, later, sum := new(big.Rat).Neg(migration), new(big.Rat), new(big.Rat).Neg(migration)
		if s.Wait <= len(s.Saved) {
			later.Sub(later, present(migration, s.Wait))
		}
		for t := range s.Saved {
			usd := exactly(s.Saved[t][j])
			now.Add(now, present(usd, t+1))
			if t >= s.Wait {
				later.Add(later, present(usd, t+1))
			}
			missing := new(big.Rat).Neg(sum)
			if sum.Add(sum, usd); j == len(s.Saved[0])/2 && w.after == nil && sum.Sign() >= 0 {
				w.after = big.NewRat(int64(t), 1)
				if usd.Sign() > 0 {
					w.after.Add(w.after, missing.Quo(missing, usd))
				}
			}
		}
		if j == len(s.Saved[0])/2 {
			w.cumulative = sum
		}
		if w.closest == nil || new(big.Rat).Abs(now).Cmp(new(big.Rat).Abs(w.closest)) < 0 {
			w.closest = now
		}
		add := func(to, usd *big.Rat) { to.Add(to, new(big.Rat).Mul(p, usd)) }
		add(w.now, now)
		add(w.wait, greater(new(big.Rat), later))
		if now.Sign() > 0 {
			add(w.pays, one)
			add(w.regretStay, now)
		} else {
			add(w.regretNow, new(big.Rat).Neg(now))
		}
	}
	return w
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
