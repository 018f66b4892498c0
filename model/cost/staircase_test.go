package cost_test

import (
	"math/big"
	"strings"
	"testing"

	"tipline/model/cost"
	"tipline/model/modeltest"
)

// volumes returns volumes to try a fleet at: on, just above and just below the first three steps and six of the 21 after them, and anywhere.
func (r random) volumes(f *cost.Fleet) []*big.Rat {
	all := []*big.Rat{zero}
	const first, after = 3, 21
	for i := range first + 6 {
		n := int64(i)
		if i >= first {
			n = first + r.Int64N(after)
		}
		end := mul(whole(n), f.PerReplica)
		all = append(all, end, add(end, one), add(end, big.NewRat(1, 3)), mul(f.PerReplica, r.between(0, 24)))
		if end.Cmp(one) > 0 {
			all = append(all, sub(end, one))
		}
	}
	return all
}

// TestStaircaseByHand compares every step with replicas bought one at a time.
func TestStaircaseByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(2)
	for range modeltest.Draws {
		c := r.capacity()
		f := fleet(t, c)
		for _, v := range r.volumes(f) {
			got, ok := f.At(v)
			replicas, blocks, usd, want := byHand(c, v)
			if ok != want || ok && (got.Replicas != replicas || got.Blocks != blocks || got.Cost.Cmp(usd) != 0) {
				t.Errorf("%s at %s: got %+v (%t), want %d replicas, %d blocks, %v (%t)", show(c), v.RatString(), got, ok, replicas, blocks, usd, want)
			}
		}
	}
}

// TestStaircaseLaws holds properties 6 to 10 of the cost model, section 16.
func TestStaircaseLaws(t *testing.T) {
	t.Parallel()
	r := newRandom(3)
	for range modeltest.Draws {
		c := r.capacity()
		c.MaxReplicas = nil
		f := fleet(t, c)
		k := max(1, c.ReplicasPerBlock)
		least, _ := f.At(zero)
		better := c
		better.TokensPerHour, better.TargetUtilization, better.PeakFactor = mul(c.TokensPerHour, r.between(1, 2)), one, one
		faster := fleet(t, better)
		spare := c
		spare.SpareReplicas, spare.ReplicasPerBlock = c.SpareReplicas+1, 1
		single := c
		single.ReplicasPerBlock = 1
		withSpare, without := fleet(t, spare), fleet(t, single)
		for _, v := range r.volumes(f) {
			at, _ := f.At(v)
			above, _ := f.At(add(v, r.between(0, 30_000)))
			if above.Blocks < at.Blocks || above.Cost.Cmp(at.Cost) < 0 {
				t.Errorf("%s: more than %s tokens cost less: %+v, then %+v", show(c), v.RatString(), at, above)
			}
			smooth := add(f.Fixed, add(quo(mul(v, f.Variable), million), quo(mul(f.BlockCost, v), f.PerBlock)))
			if at.Cost.Cmp(smooth) < 0 {
				t.Errorf("%s at %s: got %s, want at least %s", show(c), v.RatString(), at.Cost.RatString(), smooth.RatString())
			}
			upper := add(smooth, mul(f.BlockCost, add(one, big.NewRat(c.SpareReplicas, k))))
			if at.Blocks > least.Blocks && f.BlockCost.Sign() > 0 && at.Cost.Cmp(upper) >= 0 {
				t.Errorf("%s at %s: got %s, want less than %s", show(c), v.RatString(), at.Cost.RatString(), upper.RatString())
			}
			if cheaper, _ := faster.At(v); cheaper.Cost.Cmp(at.Cost) > 0 {
				t.Errorf("%s at %s: a faster fleet costs %s, want at most %s", show(c), v.RatString(), cheaper.Cost.RatString(), at.Cost.RatString())
			}
			more, _ := withSpare.At(v)
			fewer, _ := without.At(v)
			if more.Replicas != fewer.Replicas+1 {
				t.Errorf("%s at %s: a spare makes %d of %d replicas, want one more", show(c), v.RatString(), more.Replicas, fewer.Replicas)
			}
		}
	}
}

func TestCapacityOutOfRange(t *testing.T) {
	t.Parallel()
	none := int64(-1)
	_, err := cost.Capacity{
		TokensPerHour: zero, BlockCostPerHour: rat("-1"), HoursPerMonth: zero, TargetUtilization: rat("1.01"), PeakFactor: rat("0.99"),
		ReplicasPerBlock: -2, ManagedOverhead: rat("-0.1"), MinReplicas: &none, SpareReplicas: -1, MaxReplicas: &none,
		FixedMonthly: rat("-1"), VariablePerMTok: rat("-1"),
	}.Fleet()
	for _, want := range []string{
		"tokens_per_hour: got 0, want more than 0", "block_cost_per_hour: got -1", "hours_per_month: got 0", "target_utilization: got 1.01",
		"peak_factor: got 0.99, want 1 or more", "replicas_per_block: got -2", "managed_overhead: got -0.1", "min_replicas: got -1",
		"spare_replicas: got -1", "max_replicas: got -1", "fixed_monthly: got -1", "variable_per_mtok: got -1",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant it to say %q", err, want)
		}
	}
	if _, err := (cost.Capacity{}).Fleet(); err == nil {
		t.Error("a fleet without throughput and price was accepted")
	}
}

// FuzzFleet feeds a fleet what a stranger may write: it is refused, or works at every volume without a panic.
func FuzzFleet(f *testing.F) {
	f.Add("30276000", "7.98", "730", "0.6", "2.5", "0.15", int64(4), int64(1), int64(1), int64(9), "9387", "0.01", "3", "1000", "20e9")
	f.Add("1", "0", "1/3", "1", "1", "0", int64(1), int64(0), int64(1), int64(0), "0", "0", "0", "0", "0")
	f.Add("1e-9", "1e-9", "744", "1e-9", "1e9", "0", int64(1_000_000), int64(1_000_000), int64(1_000_000), int64(1<<62),
		"1e12", "1e12", "1e12", "1e12", "1e30")
	f.Fuzz(func(
		t *testing.T, rate, price, hours, target, peak, overhead string, k, least, spare, most int64, fixed, variable, api, commit, volume string,
	) {
		var numbers [11]*big.Rat
		for i, text := range []string{rate, price, hours, target, peak, overhead, fixed, variable, api, commit, volume} {
			if len(text) > 12 || strings.ContainsAny(text, "eEpP") && len(text) > 5 { // digits are for the configuration to bound
				t.Skip()
			}
			r, ok := new(big.Rat).SetString(text)
			if !ok {
				t.Skip()
			}
			numbers[i] = r
		}
		fleet, err := cost.Capacity{
			TokensPerHour: numbers[0], BlockCostPerHour: numbers[1], HoursPerMonth: numbers[2], TargetUtilization: numbers[3], PeakFactor: numbers[4],
			ManagedOverhead: numbers[5], ReplicasPerBlock: k, MinReplicas: &least, SpareReplicas: spare, MaxReplicas: &most,
			FixedMonthly: numbers[6], VariablePerMTok: numbers[7],
		}.Fleet()
		if err != nil || numbers[8].Sign() < 0 || numbers[9].Sign() < 0 || numbers[10].Sign() < 0 {
			return
		}
		at, ok := fleet.At(numbers[10])
		if ok && (at.Replicas > most || at.Cost.Sign() < 0 || at.Utilization.Cmp(one) > 0) {
			t.Errorf("got %+v, want at most %d replicas, a cost of 0 or more and no more tokens than can be served", at, most)
		}
		x := cost.FindCrossover(cost.Rate{PerMTok: numbers[8], MinimumCommit: numbers[9]}, fleet)
		if len(x.Intervals()) > 2*cost.MaxIntervals+1 {
			t.Errorf("got %d intervals", len(x.Intervals()))
		}
		for i, interval := range x.Near(numbers[10]) {
			if interval.To != nil && interval.From.Cmp(interval.To) >= 0 {
				t.Errorf("interval %d: got (%s, %s]", i, interval.From.RatString(), interval.To.RatString())
			}
		}
	})
}
