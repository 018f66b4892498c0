package cost_test

import (
	"math/big"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// jobs returns jobs that leave an instance time to work, one after another.
func (r random) jobs(c cost.Capacity) cost.Jobs {
	j := cost.Jobs{PerMonth: r.between(1, 90)}
	between := quo(or(c.HoursPerMonth, whole(730)), j.PerMonth)
	j.Deadline = mul(between, quo(r.between(1, 10), whole(10)))
	j.Start = mul(j.Deadline, quo(r.between(0, 9), whole(10)))
	return j
}

// jobsByHand runs the jobs of a month on one instance, then on two, and so on, up to ten more than are done in time, and takes the cheapest number with which they are.
// It shares no code with the package. It is false above the quota.
func jobsByHand(c cost.Capacity, j cost.Jobs, volume *big.Rat) (blocks int64, hours, usd *big.Rat, ok bool) {
	usd = add(or(c.FixedMonthly, zero), quo(mul(or(c.VariablePerMTok, zero), volume), million))
	if volume.Sign() == 0 {
		return 0, zero, usd, true // there is nothing to start for
	}
	perReplica := mul(c.TokensPerHour, or(c.TargetUtilization, one))
	perJob := quo(volume, j.PerMonth)
	var cheapest *big.Rat
	for n, enough := int64(1), 0; n <= 400 && enough <= 10; n++ {
		working := quo(perJob, mul(perReplica, whole(n*max(1, c.ReplicasPerBlock))))
		lasts := add(j.Start, working)
		if lasts.Cmp(j.Deadline) > 0 {
			continue
		}
		enough++
		if paid := mul(mul(whole(n), lasts), j.PerMonth); cheapest == nil || paid.Cmp(cheapest) < 0 {
			cheapest, blocks = paid, n
		}
	}
	if most := c.MaxReplicas; cheapest == nil || most != nil && quo(perJob, mul(perReplica, sub(j.Deadline, j.Start))).Cmp(whole(*most)) > 0 {
		return 0, nil, nil, false
	}
	perHour := mul(c.BlockCostPerHour, add(one, or(c.ManagedOverhead, zero)))
	return blocks, cheapest, add(usd, mul(cheapest, perHour)), true
}

// TestJobsByHand compares what the jobs of a month take with every number of instances tried, and what they cost with an API's bill at every
// boundary and around it.
func TestJobsByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(61)
	reasons := map[string]int{}
	const draws = modeltest.Draws / 2
	for range draws {
		c, api := r.capacity(), r.tiered()
		j := r.jobs(c)
		f, err := j.Fleet(c)
		if err != nil {
			t.Fatalf("%s, %+v: %v", show(c), j, err)
		}
		x := cost.FindCrossover(api, f)
		reasons[x.Reason]++
		volumes := r.volumes(f)
		for _, i := range exactly(x, 8) {
			for _, v := range []*big.Rat{i.From, i.To} {
				if v != nil && v.Cmp(mul(f.PerReplica, whole(60))) < 0 {
					volumes = append(volumes, v, add(v, one), sub(v, one), add(v, big.NewRat(1, 7)))
				}
			}
		}
		for _, v := range volumes {
			if v.Sign() < 0 {
				continue
			}
			got, ok := f.At(v)
			blocks, hours, usd, want := jobsByHand(c, j, v)
			switch {
			case ok != want:
				t.Fatalf("%s, %+v at %s: served is %t, want %t", show(c), j, v.RatString(), ok, want)
			case !ok:
			case got.Cost.Cmp(usd) != 0 || got.Hours.Cmp(hours) != 0 || j.Start.Sign() > 0 && got.Blocks != blocks:
				t.Fatalf("%s, %+v at %s: got %+v, want %d instances, %v hours and %v USD", show(c), j, v.RatString(), got, blocks, hours, usd)
			case hours.Sign() > 0 && got.Utilization.Cmp(quo(v, mul(hours, mul(c.TokensPerHour, whole(max(1, c.ReplicasPerBlock)))))) != 0:
				t.Fatalf("%s, %+v at %s: got a utilization of %v", show(c), j, v.RatString(), got.Utilization)
			}
			if v.Sign() == 0 || x.Searched != nil && v.Cmp(x.Searched) > 0 {
				continue
			}
			charged := bill(api, v)
			if ok && usd.Cmp(charged) == 0 && closes(x, v) {
				continue
			}
			if inside, want := within(x.Near(v), v), ok && usd.Cmp(charged) < 0; inside != want {
				t.Fatalf("%s, %+v against %+v at %s: cheaper is %t, want %t", show(c), j, api, v.RatString(), inside, want)
			}
		}
	}
	for _, reason := range []string{model.CrossoverFound, model.NeverUnitFloor, model.NeverCapacityLimit, model.NeverVariableAboveAPI} {
		if reasons[reason] < draws/200 {
			t.Errorf("only %d of the jobs tried are %s: %v", reasons[reason], reason, reasons)
		}
	}
}

// TestJobsThatCannotBe holds that jobs for which no instance has the time are an error that says so.
func TestJobsThatCannotBe(t *testing.T) {
	t.Parallel()
	c := cost.Capacity{TokensPerHour: whole(10), BlockCostPerHour: one}
	for want, j := range map[string]cost.Jobs{
		"jobs: got 0, want more than 0 a month":                                       {PerMonth: zero, Deadline: one, Start: zero},
		"start: got -1, want 0 hours or more":                                         {PerMonth: one, Deadline: one, Start: whole(-1)},
		"deadline: got 1, want more than the 1 hours that an instance takes to start": {PerMonth: one, Deadline: one, Start: one},
		"deadline: got 25, want at most the hours until the next job":                 {PerMonth: whole(30), Deadline: whole(25), Start: zero},
		"tokens_per_hour: got 0, want more than 0":                                    {PerMonth: one, Deadline: one, Start: zero},
	} {
		tried := c
		if want[0] == 't' {
			tried.TokensPerHour = zero
		}
		if _, err := j.Fleet(tried); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
