package cost_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

func (r random) rate() cost.Rate {
	return cost.Rate{
		PerMTok:       oneOf(r, r.between(0, 100_000), r.between(0, 500_000), zero),
		MinimumCommit: oneOf(r, nil, nil, r.between(0, 3000)), FixedMonthly: oneOf(r, nil, r.between(0, 800), r.between(0, 5000)),
	}
}

// tiered is a rate with some tiers, of either kind, whose prices go up and down.
func (r random) tiered() cost.Rate {
	api := r.rate()
	api.AllUnits = r.IntN(2) == 0
	bound := zero
	for range r.IntN(4) {
		bound = add(bound, r.between(1, 20_000))
		api.Steps = append(api.Steps, cost.Step{Above: bound, PerMTok: oneOf(r, r.between(0, 500_000), mul(api.PerMTok, r.between(0, 1)))})
	}
	return api
}

// bill is what api charges, worked out tier by tier without the package.
func bill(api cost.Rate, volume *big.Rat) *big.Rat {
	usd, from, price := new(big.Rat), zero, api.PerMTok
	for _, s := range append(slices.Clone(api.Steps), cost.Step{Above: volume}) {
		to := s.Above
		if to.Cmp(volume) > 0 {
			to = volume
		}
		switch {
		case api.AllUnits && volume.Cmp(from) > 0:
			usd = mul(quo(volume, million), price)
		case to.Cmp(from) > 0:
			usd.Add(usd, mul(quo(sub(to, from), million), price))
		}
		from, price = s.Above, s.PerMTok
	}
	if commit := or(api.MinimumCommit, zero); usd.Cmp(commit) < 0 {
		usd = commit
	}
	return add(usd, or(api.FixedMonthly, zero))
}

// times returns api with all money times usd, and its volumes times tokens.
func times(api cost.Rate, usd, tokens *big.Rat) cost.Rate {
	per := quo(usd, tokens)
	t := cost.Rate{
		PerMTok: mul(api.PerMTok, per), AllUnits: api.AllUnits,
		MinimumCommit: mul(or(api.MinimumCommit, zero), usd), FixedMonthly: mul(or(api.FixedMonthly, zero), usd),
	}
	for _, s := range api.Steps {
		t.Steps = append(t.Steps, cost.Step{Above: mul(s.Above, tokens), PerMTok: mul(s.PerMTok, per)})
	}
	return t
}

func within(set []cost.Interval, volume *big.Rat) bool {
	for _, i := range set {
		if volume.Cmp(i.From) > 0 && (i.To == nil || volume.Cmp(i.To) <= 0) {
			return true
		}
	}
	return false
}

// TestCrossoverByHand compares the favourable set with both costs worked out one volume at a time: on a grid, and around every
// step, every tier and every boundary (property 11).
func TestCrossoverByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(4)
	reasons := map[string]int{}
	for range modeltest.Draws {
		c, api := r.capacity(), r.tiered()
		f := fleet(t, c)
		if r.IntN(3) == 0 { // tiers that begin where a step ends
			for i := range api.Steps {
				api.Steps[i].Above = mul(f.PerReplica, whole(int64(i+1)*(1+r.Int64N(3))+int64(4*i)))
			}
		}
		x := cost.FindCrossover(api, f)
		reasons[x.Reason]++
		volumes := r.volumes(f)
		for _, s := range api.Steps {
			volumes = append(volumes, s.Above, add(s.Above, one), sub(s.Above, one), add(s.Above, big.NewRat(1, 7)))
		}
		for _, i := range exactly(x, 8) {
			for _, v := range []*big.Rat{i.From, i.To} {
				if v != nil && v.Cmp(mul(f.PerReplica, whole(60))) < 0 {
					volumes = append(volumes, v, add(v, one), sub(v, one), add(v, big.NewRat(1, 7)))
				}
			}
		}
		for _, v := range volumes {
			if v.Sign() <= 0 || x.Searched != nil && v.Cmp(x.Searched) > 0 {
				continue
			}
			_, _, own, ok := byHand(c, v)
			charged := bill(api, v)
			if ok && own.Cmp(charged) == 0 && closes(x, v) {
				continue // where the fleet's variable cost is the higher one, both cost the same at the right end
			}
			if got, want := within(x.Near(v), v), ok && own.Cmp(charged) < 0; got != want {
				t.Errorf("%s against %+v at %s: cheaper is %t, want %t (%v against %v)\nintervals %v",
					show(c), api, v.RatString(), got, want, own, charged, x.Near(v))
			}
		}
		listed := x.Intervals()
		for i := range listed[min(1, len(listed)):] {
			if listed[i+1].FromExclusive <= model.Tokens(listed[i].ToInclusive) {
				t.Errorf("%s against %+v: intervals %d and %d touch: %v", show(c), api, i, i+1, exactly(x, i+2)[i:])
			}
		}
		if x.Permanent != nil { // far out the smooth cost decides
			if far := mul(add(x.Permanent, f.PerBlock), whole(1000)); !within(x.Near(far), far) {
				t.Errorf("%s against %+v: permanent from %v, but not at %v", show(c), api, x.Permanent, far)
			}
		}
	}
	for _, reason := range []string{model.CrossoverFound, model.NeverUnitFloor, model.NeverCapacityLimit, model.NeverVariableAboveAPI} {
		if reasons[reason] < modeltest.Draws/200 {
			t.Errorf("only %d of the fleets tried are %s: %v", reasons[reason], reason, reasons)
		}
	}
}

// exactly returns the first intervals of x, at most so many.
func exactly(x cost.Crossover, most int) (set []cost.Interval) {
	listed := x.Intervals()
	for _, i := range listed[:min(most, len(listed))] {
		from := float64(i.FromExclusive)
		for _, interval := range x.Near(new(big.Rat).SetFloat64(from)) {
			if cost.Float(interval.From) == from {
				set = append(set, interval)
			}
		}
	}
	return set
}

// closes reports whether an interval of x ends at volume.
func closes(x cost.Crossover, volume *big.Rat) bool {
	for _, i := range x.Near(volume) {
		if i.To != nil && i.To.Cmp(volume) == 0 {
			return true
		}
	}
	return false
}

// TestCrossoverLaws holds properties 12 to 15 of the cost model, section 16.
func TestCrossoverLaws(t *testing.T) {
	t.Parallel()
	r := newRandom(5)
	for range modeltest.Draws {
		c, api := r.capacity(), r.tiered()
		c.MaxReplicas = nil
		f := fleet(t, c)
		x := cost.FindCrossover(api, f)
		straight := or(api.MinimumCommit, zero).Sign() == 0 && f.Fixed.Cmp(or(api.FixedMonthly, zero)) >= 0
		if straight && x.MarginPerBlock.Sign() <= 0 && len(x.Intervals()) > 0 {
			t.Errorf("%s against %+v: a full block saves nothing, but %v", show(c), api, exactly(x, 8))
		}
		if x.NoneAtOrBelow != nil && x.First != nil && x.First.Cmp(x.NoneAtOrBelow) < 0 {
			t.Errorf("%s against %+v: first %s, want at least %s", show(c), api, x.First.RatString(), x.NoneAtOrBelow.RatString())
		}
		if x.AlwaysAbove != nil && x.Searched == nil {
			least, _ := f.At(zero)
			past := mul(f.PerReplica, whole(least.Blocks*max(1, c.ReplicasPerBlock))) // every volume above needs more than the smallest fleet
			if x.AlwaysAbove.Cmp(past) > 0 {
				past = x.AlwaysAbove
			}
			if x.Permanent == nil || x.Permanent.Cmp(past) > 0 {
				t.Errorf("%s against %+v: permanent from %v, want at most %s", show(c), api, x.Permanent, past.RatString())
			}
		}

		dearer, cheaper := api, c
		dearer.PerMTok = add(api.PerMTok, r.between(0, 20_000))
		cheaper.BlockCostPerHour, cheaper.FixedMonthly = mul(c.BlockCostPerHour, big.NewRat(9, 10)), mul(or(c.FixedMonthly, zero), big.NewRat(4, 5))
		for _, larger := range []cost.Crossover{cost.FindCrossover(dearer, f), cost.FindCrossover(api, fleet(t, cheaper))} {
			if larger.Searched != nil || x.Searched != nil {
				continue
			}
			for _, i := range x.Intervals() {
				if !covers(larger.Intervals(), i) {
					t.Errorf("%s against %+v: %+v was lost although the API became dearer or the fleet cheaper", show(c), api, i)
				}
			}
		}

		factor := r.between(1, 9)
		rich, money := c, times(api, factor, one)
		rich.BlockCostPerHour, rich.FixedMonthly = mul(c.BlockCostPerHour, factor), mul(or(c.FixedMonthly, zero), factor)
		rich.VariablePerMTok = mul(or(c.VariablePerMTok, zero), factor)
		equal(t, "all money times "+factor.RatString(), cost.FindCrossover(money, fleet(t, rich)), x, one)

		fast, slow := c, times(api, one, factor)
		fast.TokensPerHour, fast.VariablePerMTok = mul(c.TokensPerHour, factor), quo(or(c.VariablePerMTok, zero), factor)
		equal(t, "throughput times "+factor.RatString(), cost.FindCrossover(slow, fleet(t, fast)), x, factor)
	}
}

// covers reports whether one interval of set holds all of part.
func covers(set []model.Interval, part model.Interval) bool {
	for _, i := range set {
		if i.FromExclusive <= part.FromExclusive && part.ToInclusive <= i.ToInclusive {
			return true
		}
	}
	return false
}

// equal holds that the favourable set of got is that of want with every boundary times factor: exactly where Near is asked for the first and the
// last, to the last digit of a float everywhere else.
func equal(t *testing.T, what string, got, want cost.Crossover, factor *big.Rat) {
	t.Helper()
	all, wanted := got.Intervals(), want.Intervals()
	if len(all) != len(wanted) {
		t.Errorf("%s: got %v, want %v times %s", what, exactly(got, 8), exactly(want, 8), factor.RatString())
		return
	}
	times := cost.Float(factor)
	same := func(got, want float64) bool {
		return math.Abs(got-times*want) <= 1e-15*got
	}
	for i, w := range wanted {
		g := all[i]
		if !same(float64(g.FromExclusive), float64(w.FromExclusive)) || g.ToInclusive.Unbounded() != w.ToInclusive.Unbounded() || !w.ToInclusive.Unbounded() && !same(float64(g.ToInclusive), float64(w.ToInclusive)) {
			t.Errorf("%s: interval %d: got %+v, want %+v times %s", what, i, g, w, factor.RatString())
		}
	}
	for _, pair := range [][2]*big.Rat{{got.First, want.First}, {got.Permanent, want.Permanent}, {got.Searched, want.Searched}} {
		if (pair[0] == nil) != (pair[1] == nil) || pair[1] != nil && pair[0].Cmp(mul(pair[1], factor)) != 0 {
			t.Errorf("%s: got %v, want %v times %s", what, pair[0], pair[1], factor.RatString())
		}
	}
}

// TestTinyMargin has millions of windows between the first and the permanent crossover.
func TestTinyMargin(t *testing.T) {
	t.Parallel()
	c := cost.Capacity{TokensPerHour: million, BlockCostPerHour: one, HoursPerMonth: one, FixedMonthly: one, SpareReplicas: 1}
	api := cost.Rate{PerMTok: rat("1.0000001")} // a full block carries 1M tokens, costs a dollar and saves a ten-millionth of one
	f := fleet(t, c)
	x := cost.FindCrossover(api, f)
	if x.Searched == nil || len(x.Intervals()) != cost.MaxIntervals+1 || x.Permanent == nil {
		t.Fatalf("got %d intervals, cut at %v, permanent %v; want %d, cut, and a permanent one", len(x.Intervals()), x.Searched, x.Permanent, cost.MaxIntervals+1)
	}
	if last := x.Intervals()[cost.MaxIntervals-1].ToInclusive; cost.Float(x.Searched) != float64(last) {
		t.Errorf("searched up to %v, want %v, where the last that is listed ends", x.Searched, last)
	}
	// F' + S·K·net = 2.0000001 dollars make n1 = 20,000,002 blocks; (k + S)·K·net more are needed for good.
	if first := rat("20000001000000"); x.First.Cmp(sub(first, million)) < 0 || x.First.Cmp(add(first, million)) > 0 {
		t.Errorf("first: got %s, want about %s", x.First.RatString(), first.RatString())
	}
	for _, tc := range []struct {
		volume *big.Rat
		want   bool
	}{
		{x.Permanent, false},
		{add(x.Permanent, one), true},
		{mul(floor(quo(x.Permanent, whole(2_000_000))), whole(1_000_000)), false}, // half way no step reaches its own
		{mul(floor(mul(quo(x.Permanent, million), rat("0.95"))), million), true},  // the end of a full step near the last
	} {
		own, _ := f.At(tc.volume)
		if cheaper := own.Cost.Cmp(bill(api, tc.volume)) < 0; cheaper != tc.want {
			t.Errorf("at %s: the fleet is cheaper %t, want %t: the test is wrong", tc.volume.RatString(), cheaper, tc.want)
		}
		if got := within(x.Near(tc.volume), tc.volume); got != tc.want {
			t.Errorf("at %s: got %t, want %t", tc.volume.RatString(), got, tc.want)
		}
	}
}

func floor(r *big.Rat) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Div(r.Num(), r.Denom()))
}

// TestPlatformFee has thousands of favourable steps in a row that are one window, closed by the unit-cost floor.
func TestPlatformFee(t *testing.T) {
	t.Parallel()
	c := cost.Capacity{TokensPerHour: million, BlockCostPerHour: rat("1.01"), HoursPerMonth: one}
	x := cost.FindCrossover(cost.Rate{PerMTok: one, FixedMonthly: whole(1000)}, fleet(t, c)) // a full block loses a cent on a dollar
	// Every step is full until the fee of 1,000 is used up: 1.01·n ≤ 1000 + (n − 1) at the start of step n, so n ≤ 99,900.
	if len(x.Intervals()) == 0 || x.First.Sign() != 0 || x.Intervals()[0].ToInclusive != 99.9e9 || x.Permanent != nil {
		t.Errorf("got %d intervals from %v, the first %v, want the first from 0 to 99.9B", len(x.Intervals()), x.First, exactly(x, 1))
	}
	free := cost.Capacity{TokensPerHour: million, BlockCostPerHour: zero, HoursPerMonth: one, VariablePerMTok: rat("1.5")}
	x = cost.FindCrossover(cost.Rate{PerMTok: one, FixedMonthly: whole(1000)}, fleet(t, free))
	if len(x.Intervals()) != 1 || x.Intervals()[0].ToInclusive != 2e9 || x.Searched != nil {
		t.Errorf("a free fleet with a dear token: got %v, want 0 to 2B", x.Intervals())
	}
}

func TestTieIsNever(t *testing.T) {
	t.Parallel()
	free := cost.Capacity{TokensPerHour: million, BlockCostPerHour: zero, HoursPerMonth: one, VariablePerMTok: one}
	if x := cost.FindCrossover(cost.Rate{PerMTok: one}, fleet(t, free)); x.Intervals() == nil || len(x.Intervals()) > 0 {
		t.Errorf("two options that always cost the same: got %#v, want an empty list, which JSON does not write as null", x.Intervals())
	}
	full := cost.Capacity{TokensPerHour: million, BlockCostPerHour: one, HoursPerMonth: one}
	if x := cost.FindCrossover(cost.Rate{PerMTok: one}, fleet(t, full)); len(x.Intervals()) > 0 || x.Reason != model.NeverUnitFloor {
		t.Errorf("a block that pays for itself exactly: got %s %v, want never", x.Reason, x.Intervals())
	}
}
