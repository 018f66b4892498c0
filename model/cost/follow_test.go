package cost_test

import (
	"math"
	"math/big"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

func (r random) following(load []cost.LoadBlock) cost.Autoscaled {
	a := cost.Autoscaled{
		PerReplica: r.between(1, 12), ReplicaCost: oneOf(r, r.between(0, 3), r.between(0, 1)), MinReplicas: r.Int64N(3), SpareReplicas: r.Int64N(3),
		ColdStarts: oneOf(r, nil, r.between(0, 60)), ColdStartHours: big.NewRat(1, 10), FixedMonthly: oneOf(r, nil, r.between(0, 500), r.between(0, 5000)),
	}
	if a.ScaleToZero = r.IntN(3) == 0; a.ScaleToZero {
		a.MinReplicas = 0
	}
	if r.IntN(2) == 0 {
		a.ReservedCost = mul(a.ReplicaCost, big.NewRat(1+r.Int64N(120), 100))
	}
	if r.IntN(3) == 0 {
		a.MaxReplicas = 1 + r.Int64N(40)
	}
	return a
}

// followByHand counts what volume tokens take hour by hour and tries every number of reserved replicas, without the package. It is false
// above the quota.
func followByHand(a cost.Autoscaled, load []cost.LoadBlock, volume, variable *big.Rat) (*big.Rat, bool) {
	total, hours := new(big.Rat), hoursOf(load)
	for _, b := range load {
		total.Add(total, mul(b.Hours, b.TokensPerHour))
	}
	running := make([]int64, len(load))
	most := int64(0)
	for i, b := range load {
		needed := quo(mul(b.TokensPerHour, quo(volume, total)), a.PerReplica)
		n := floor(needed)
		if n.Cmp(needed) < 0 {
			n = add(n, one)
		}
		running[i] = n.Num().Int64()
		if running[i] > 0 || !a.ScaleToZero {
			running[i] = max(running[i], a.MinReplicas) + a.SpareReplicas
		}
		most = max(most, running[i])
	}
	if a.MaxReplicas > 0 && most > a.MaxReplicas {
		return nil, false
	}
	var best *big.Rat
	for reserved := int64(0); reserved <= most && (reserved == 0 || a.ReservedCost != nil); reserved++ {
		usd := mul(mul(whole(reserved), or(a.ReservedCost, zero)), hours)
		for i, b := range load {
			usd.Add(usd, mul(mul(whole(max(0, running[i]-reserved)), b.Hours), a.ReplicaCost))
		}
		if best == nil || usd.Cmp(best) < 0 {
			best = usd
		}
	}
	best = add(best, mul(mul(or(a.ColdStarts, zero), or(a.ColdStartHours, zero)), a.ReplicaCost))
	best = add(best, add(or(a.FixedMonthly, zero), mul(quo(volume, million), variable)))
	return best, true
}

// TestFollowingByHand compares the favourable set of a fleet that follows its load, with cold starts, scaling to zero, reserved replicas and a
// quota, with both costs worked out one volume at a time: on a grid, and next to every boundary and every tier.
func TestFollowingByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(31)
	reasons, permanent, windows := map[string]int{}, 0, 0
	for range modeltest.Draws {
		load := r.load()
		a, api, variable := r.following(load), r.tiered(), oneOf(r, zero, r.between(0, 90_000))
		l := cost.NewLoad(load)
		x := a.Follow(l).Find(api, variable)
		reasons[x.Reason]++
		first := a.Follow(l).First(api, variable)
		if none := math.IsNaN(first); none != (x.First == nil) || !none && math.Abs(first-cost.Float(x.First)) > 1e-9*first {
			t.Fatalf("%+v over %v against %+v: the first alone is %v, want %v", a, load, api, first, x.First)
		}
		if len(x.Intervals()) > 1 {
			windows++
		}
		var volumes []*big.Rat
		for range 12 {
			volumes = append(volumes, mul(l.Volume(), big.NewRat(1+r.Int64N(4000), 1000)))
		}
		beside := func(v *big.Rat) {
			volumes = append(volumes, mul(v, big.NewRat(1_000_001, 1_000_000)), mul(v, big.NewRat(999_999, 1_000_000)))
		}
		for _, s := range api.Steps {
			beside(s.Above)
		}
		for _, i := range exactly(x, 8) {
			beside(i.From)
			if i.To != nil {
				beside(i.To)
			}
		}
		if x.Permanent != nil {
			permanent++
			volumes = append(volumes, mul(add(x.Permanent, one), big.NewRat(21, 20)), mul(add(x.Permanent, one), whole(3)))
		}
		for _, v := range volumes {
			if v.Sign() <= 0 {
				continue
			}
			own, ok := followByHand(a, load, v, variable)
			charged := bill(api, v)
			if ok && new(big.Rat).Abs(sub(own, charged)).Cmp(mul(charged, big.NewRat(1, 10_000_000))) <= 0 {
				continue // too near to tell in floating point
			}
			if got, want := within(x.Near(v), v), ok && own.Cmp(charged) < 0; got != want {
				t.Fatalf("%+v over %v against %+v at %s: cheaper is %t, want %t (%v against %v)\nintervals %v",
					a, load, api, v.FloatString(3), got, want, own, charged, x.Near(v))
			}
		}
	}
	t.Logf("%v, %d have a permanent crossover, %d several windows", reasons, permanent, windows)
	for _, reason := range []string{model.CrossoverFound, model.NeverUnitFloor, model.NeverCapacityLimit, model.NeverVariableAboveAPI} {
		if reasons[reason] < modeltest.Draws/200 {
			t.Errorf("only %d of the fleets tried are %s: %v", reasons[reason], reason, reasons)
		}
	}
	if permanent < modeltest.Draws/20 || windows < modeltest.Draws/20 {
		t.Errorf("%d have a permanent crossover and %d several windows: the draws test too little", permanent, windows)
	}
}

// TestFollowingUnitFloor holds that the cost of a token approaches the floor where the fleet is large, and never comes below it.
func TestFollowingUnitFloor(t *testing.T) {
	t.Parallel()
	r := newRandom(32)
	for range modeltest.Draws / 8 {
		load := r.load()
		a, variable := r.following(load), oneOf(r, zero, r.between(0, 90_000))
		a.MaxReplicas = 0
		l := cost.NewLoad(load)
		x := a.Follow(l).Find(cost.Rate{PerMTok: million}, variable)
		volume := mul(l.Volume(), whole(200))
		usd, _ := followByHand(a, load, volume, variable)
		perMTok := quo(mul(usd, million), volume)
		slack := quo(mul(million, add(add(or(a.FixedMonthly, zero), whole(60)), mul(whole(6), mul(hoursOf(load), whole(3))))), volume)
		if tiny := mul(x.UnitFloor, big.NewRat(1, 1_000_000_000)); perMTok.Cmp(sub(x.UnitFloor, tiny)) < 0 || sub(perMTok, slack).Cmp(add(x.UnitFloor, tiny)) > 0 {
			t.Errorf("%+v over %v: %s USD per million tokens, want a little more than %s", a, load, perMTok.FloatString(4), x.UnitFloor.FloatString(4))
		}
	}
}

// TestFollowingOfManySteps has more steps than are looked at, and stays right where they are.
func TestFollowingOfManySteps(t *testing.T) {
	t.Parallel()
	var load []cost.LoadBlock
	for i := range int64(700) {
		load = append(load, cost.LoadBlock{Hours: one, TokensPerHour: whole(1000 + i)})
	}
	a := cost.Autoscaled{PerReplica: whole(100), ReplicaCost: one, MinReplicas: 1, FixedMonthly: whole(1000)}
	l, hours := cost.NewLoad(load), hoursOf(load)
	price := add(a.Follow(l).Find(cost.Rate{PerMTok: million}, zero).UnitFloor, whole(1)) // a ten-thousandth above the floor
	x := a.Follow(l).Find(cost.Rate{PerMTok: price}, zero)
	if x.Searched == nil || x.Permanent == nil || len(x.Intervals()) > cost.MaxIntervals+1 {
		t.Fatalf("got %d intervals, cut at %v, permanent %v; want as many as are listed, cut, and a permanent one", len(x.Intervals()), x.Searched, x.Permanent)
	}
	for _, share := range []int64{10, 50, 65, 70, 90, 99, 101, 200} { // percent of the permanent crossover
		v := mul(x.Permanent, big.NewRat(share, 100))
		if next := cost.FindDistance(v, 0, x.Near(v)).Next; next != nil {
			holdBoundary(t, a, l, hours, price, next)
		}
		own, _ := followByHand(a, load, v, zero)
		charged := quo(mul(v, price), million)
		if new(big.Rat).Abs(sub(own, charged)).Cmp(mul(charged, big.NewRat(1, 10_000_000))) <= 0 {
			continue
		}
		if got, want := within(x.Near(v), v), own.Cmp(charged) < 0; got != want {
			t.Errorf("at %d %% of the permanent crossover: cheaper is %t, want %t", share, got, want)
		}
	}
	holdBoundary(t, a, l, hours, price, x.First)
	holdBoundary(t, a, l, hours, price, x.Permanent)
	tie := a
	tie.FixedMonthly = nil
	if x := tie.Follow(l).Find(cost.Rate{PerMTok: sub(price, one)}, zero); len(x.Intervals()) > 0 || x.Reason != model.NeverUnitFloor {
		t.Errorf("a fleet that costs what the API does where it is large: got %s %v, want never", x.Reason, x.Intervals())
	}
}

// holdBoundary holds that the fleet costs less than the API on one side of boundary and not on the other, exactly, in a month of hours hours.
func holdBoundary(t *testing.T, a cost.Autoscaled, l *cost.Load, hours, price, boundary *big.Rat) {
	t.Helper()
	cheaper := func(share *big.Rat) bool {
		volume := mul(boundary, share)
		s, err := a.At(l.To(volume, hours))
		if err != nil {
			t.Fatal(err)
		}
		return s.Cost.Cmp(quo(mul(volume, price), million)) < 0
	}
	below, above := cheaper(big.NewRat(99_999_999, 100_000_000)), cheaper(big.NewRat(100_000_001, 100_000_000))
	if below == above {
		t.Errorf("at %s USD/Mtok: got a boundary at %s tokens, where cheaper is %t on both sides", price.FloatString(3), boundary.FloatString(0), below)
	}
}

// TestFollowingOfASmallMargin holds that every boundary of a fleet that is barely cheaper is one: its windows lie far above the volume that
// the smooth fleet takes to pay for its operations, after tens of thousands of steps.
func TestFollowingOfASmallMargin(t *testing.T) {
	t.Parallel()
	r := newRandom(33)
	var load []cost.LoadBlock
	for range 672 {
		load = append(load, cost.LoadBlock{Hours: one, TokensPerHour: whole(500_000 + r.Int64N(1_500_000))})
	}
	hours := whole(730)
	l := cost.NewLoad(load).To(one, hours)
	a := cost.Autoscaled{PerReplica: million, ReplicaCost: big.NewRat(5, 2), MinReplicas: 1, SpareReplicas: 1, FixedMonthly: whole(9387)}
	for _, cents := range []int64{270, 260, 251} { // a replica must carry 92.6 %, 96.2 % and 99.6 % of its capacity
		price := big.NewRat(cents, 100)
		x := a.Follow(l).Find(cost.Rate{PerMTok: price}, zero)
		if x.Searched != nil || x.Permanent == nil || len(x.Intervals()) < 2 {
			t.Fatalf("at %d cents: got %d intervals, cut at %v, permanent %v; want all of them", cents, len(x.Intervals()), x.Searched, x.Permanent)
		}
		holdBoundary(t, a, l, hours, price, x.First)
		holdBoundary(t, a, l, hours, price, x.Permanent)
		for i := int64(1); i < 100; i += 2 { // nothing is left out below, in between and above
			v := mul(x.First, big.NewRat(1950+i, 2000))
			s, err := a.At(l.To(v, hours))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := within(x.Near(v), v), s.Cost.Cmp(quo(mul(v, price), million)) < 0; got != want {
				t.Errorf("at %d cents and %s tokens: cheaper is %t, want %t", cents, v.FloatString(0), got, want)
			}
		}
	}
}

// TestFollowingOfTooManySteps holds that what is beyond the steps that are looked at is not known, which is neither a boundary nor never.
func TestFollowingOfTooManySteps(t *testing.T) {
	t.Parallel()
	var load []cost.LoadBlock
	for i := range int64(700) {
		load = append(load, cost.LoadBlock{Hours: one, TokensPerHour: whole(1000 + i)})
	}
	a := cost.Autoscaled{PerReplica: whole(100), ReplicaCost: one, MinReplicas: 1, FixedMonthly: whole(1000)}
	hours := whole(730)
	l := cost.NewLoad(load).To(one, hours)
	floor := a.Follow(l).Find(cost.Rate{PerMTok: million}, zero).UnitFloor
	price := add(floor, big.NewRat(1, 20))
	x := a.Follow(l).Find(cost.Rate{PerMTok: price}, zero)
	if x.Searched == nil || x.Reason != model.CrossoverFound || x.Permanent != nil {
		t.Fatalf("got %s, cut at %v, first %v, permanent %v; want cut, without a permanent one", x.Reason, x.Searched, x.First, x.Permanent)
	}
	for _, i := range x.Intervals() {
		if float64(i.ToInclusive) > cost.Float(x.Searched) {
			t.Errorf("lists %+v, beyond what was searched, %v", i, x.Searched)
		}
	}
	for _, billions := range []int64{15, 27, 60} {
		v := mul(whole(billions), whole(1_000_000_000))
		if next := cost.FindDistance(v, 0, x.Near(v)).Next; next != nil {
			holdBoundary(t, a, l, hours, price, next)
		}
	}
}
