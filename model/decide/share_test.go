package decide

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/modeltest"
)

// weekly returns f with a profile of the week that is high in the given hours of each day and low in the others.
func weekly(f model.Forecast, high func(hour int) bool) model.Forecast {
	var sum float64
	for h := range f.HourOfWeek {
		f.HourOfWeek[h] = 1
		if high(h % 24) {
			f.HourOfWeek[h] = 3
		}
		sum += f.HourOfWeek[h]
	}
	for h := range f.HourOfWeek {
		f.HourOfWeek[h] /= sum
	}
	return f
}

func day12(hour int) bool   { return hour < 12 }
func night12(hour int) bool { return hour >= 12 }

// together decides on workloads w0, w1, … of the given inputs.
func together(inputs ...Input) []Verdict {
	verdicts := make([]Verdict, len(inputs))
	for i, in := range inputs {
		in.Workload = fmt.Sprintf("w%d", i)
		verdicts[i] = Decide(in)
	}
	return verdicts
}

// TestNineShareWhatNonePaysForAlone works one fleet out on paper. 3B tokens in 30 days are 3.0417B in a month of 730 hours, 9,125 USD
// at 3 USD/Mtok; the smallest fleet costs 2 × 7.98 × 730 + 9,387 = 21,037.80, so none pays for one. A replica carries
// 30.276M × 0.6 × 730 / 1.6 = 8.288B of a load with a peak factor of 1.6: nine times 3.0417B take 3.303 replicas if all peak in
// the same hours, which are 4 and a spare: 5 × 7.98 × 730 + 9,387 = 38,514 USD against 82,125.
func TestNineShareWhatNonePaysForAlone(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	var inputs []Input
	for range 9 {
		inputs = append(inputs, input(weekly(projection(3e9, 0, 0.01), day12), options))
	}
	fleets := Share(together(inputs...))
	if len(fleets) != 1 {
		t.Fatalf("got %+v, want one shared fleet", fleets)
	}
	f := fleets[0]
	if len(f.Workloads) != 9 || f.Option != "self" || f.Replicas != 5 || math.Abs(f.PeakReplicas-3.303) > 0.001 || !near(f.PeakReplicas, f.SumOfPeaksReplicas) {
		t.Errorf("got %+v, want nine workloads on five replicas", f)
	}
	if math.Abs(float64(f.USDPerMonth-38_514)) > 0.01 || math.Abs(float64(f.AloneUSDPerMonth-82_125)) > 0.01 || f.PeakHour != "Monday 00:00 UTC" {
		t.Errorf("got %+v, want 38,514 instead of 82,125 USD a month", f)
	}
	if f.CurrentUSDPerMonth == nil || !near(float64(*f.CurrentUSDPerMonth), float64(f.AloneUSDPerMonth)) {
		t.Errorf("current: got %v, want that of the API", f.CurrentUSDPerMonth)
	}
	for _, want := range []string{"w0, w1, w2 and 6 more may share self", "none of them is served best by a fleet alone", "together on 5 replicas", "$39,000", "$82,000", "$44,000"} {
		if !strings.Contains(f.Because, want) {
			t.Errorf("because: got %q, want it to say %q", f.Because, want)
		}
	}
	if len(f.AlreadyThere) != 0 || strings.Contains(f.Because, "run on it now") {
		t.Errorf("got %+v, want none of them there", f)
	}
	inputs[3].Current, inputs[5].Current = "self", "self"
	f = Share(together(inputs...))[0]
	if !slices.Equal(f.AlreadyThere, []string{"w3", "w5"}) || !strings.HasSuffix(f.Because, "; 2 of them run on it now, and the verdict on each counts a fleet of its own") {
		t.Errorf("got %+v, want w3 and w5 there", f)
	}
	if math.Abs(float64(f.AloneUSDPerMonth-82_125)) > 0.01 || math.Abs(float64(*f.CurrentUSDPerMonth)-(7*9125+2*21_037.8)) > 0.01 {
		t.Errorf("got %v alone and %v now, want the API alone and two fleets now", f.AloneUSDPerMonth, *f.CurrentUSDPerMonth)
	}
	// Five by day and four by night: the days peak highest, with a third of the nights' peak below them.
	for i := range 4 {
		inputs[i].Forecast = weekly(inputs[i].Forecast, night12)
	}
	f = Share(together(inputs...))[0]
	alone := f.SumOfPeaksReplicas / 9
	if want := 5*alone + 4*alone/3; !near(f.PeakReplicas, want) || f.Replicas != 4 {
		t.Errorf("peaks that do not coincide: got %+v, want %v at the peak on three replicas and a spare", f, want)
	}
}

// TestWhoMayShare holds that workloads with other weights, in other regions or of another class of latency do not share.
func TestWhoMayShare(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[1].Models, options[1].Regions = []string{"llama", "qwen"}, []string{"eu", "us"}
	options[0].Models, options[0].Regions, options[0].CustomWeights = options[1].Models, options[1].Regions, true
	for _, tc := range []struct {
		name   string
		edit   func(c *Constraints)
		shares bool
	}{
		{"the same constraints", func(*Constraints) {}, true},
		{"the model that the fleet serves anyway", func(c *Constraints) { c.Model = "llama" }, true},
		{"another model", func(c *Constraints) { c.Model = "qwen" }, false},
		{"weights of its own", func(c *Constraints) { c.FineTuned = true }, false},
		{"another region", func(c *Constraints) { c.Residency = []string{"eu"} }, false},
		{"a limit of the same class", func(c *Constraints) { c.TTFTLimit = 500e6 }, true},
		{"a tighter limit", func(c *Constraints) { c.TTFTLimit = 300e6 }, false},
		{"work that can wait", func(c *Constraints) { c.Batch = true }, false},
	} {
		one := input(projection(6e9, 0, 0.01), options)
		other := one
		tc.edit(&other.Constraints)
		if got := len(Share(together(one, other))) == 1; got != tc.shares {
			t.Errorf("%s: shares %v, want %v", tc.name, got, tc.shares)
		}
	}
	blocked := input(projection(6e9, 0, 0.01), options)
	blocked.Constraints.OpsCapacity = OpsNone
	if got := Share(together(blocked, blocked)); len(got) != 0 {
		t.Errorf("a fleet that may not serve them: got %+v", got)
	}
	if got := Share([]Verdict{{}, undecided("no reason"), Decide(input(projection(6e9, 0, 0.01), options))}); len(got) != 0 || got == nil {
		t.Errorf("one workload: got %+v, want none to share with, and not null", got)
	}
}

// randomTenants returns workloads that differ in volume, rhythm, constraints, current option and prices.
func randomTenants(r *rand.Rand, n int) []Input {
	price, quota := oneOf(r, "0.9", "2", "3", "8"), int64(3+r.IntN(6))
	inputs := make([]Input, n)
	for i := range inputs {
		options := four(price)
		options[3].Capacity.MaxReplicas = oneOf(r, nil, &quota)
		options[3].Capacity.VariablePerMTok = rat("0.05")
		options[3].MigrationCost = rat("1000")
		volume := math.Exp(math.Log(1e8) + r.Float64()*math.Log(100))
		from := r.IntN(24)
		f := weekly(projection(volume, 0, 0.1), func(hour int) bool { return (hour+from)%24 < 6 })
		inputs[i] = input(f, options)
		inputs[i].Constraints.Batch, inputs[i].Current = r.IntN(6) == 0, oneOf(r, "api", "api", "self", "managed")
	}
	return inputs
}

// TestShareAgainstBruteForce sizes and prices every shared fleet anew from the forecasts, hour by hour, and compares what it saves with
// every other choice of its workloads.
func TestShareAgainstBruteForce(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(411, 1))
	found, best := 0, 0
	for range modeltest.Draws {
		inputs := randomTenants(r, 2+r.IntN(6))
		verdicts := together(inputs...)
		fleets := Share(verdicts)
		seen := map[string]bool{}
		for _, f := range fleets {
			found++
			var members []int
			for _, name := range f.Workloads {
				if seen[name] {
					t.Fatalf("%s is in two fleets", name)
				}
				seen[name] = true
				members = append(members, int(name[1]-'0'))
			}
			usd, replicas, ok := byHand(inputs, f.Option, members)
			var alone float64
			for _, i := range members {
				alone += cheapestAlone(verdicts[i])
			}
			if !ok || replicas != f.Replicas || math.Abs(usd-float64(f.USDPerMonth)) > 1e-6*usd || math.Abs(alone-usd-float64(f.SavingUSDPerMonth)) > 1e-6*alone {
				t.Fatalf("%+v: by hand %v USD on %d replicas, %v alone", f, usd, replicas, alone)
			}
			if f.PeakReplicas > f.SumOfPeaksReplicas*(1+1e-9) || f.SavingUSDPerMonth <= 0 || len(members) < 2 {
				t.Fatalf("%+v: want a saving of two or more and a peak of at most the sum of peaks", f)
			}
			if parts := f.CapacityUSDPerMonth + f.OperationsUSDPerMonth + f.VariableUSDPerMonth; !near(float64(parts), float64(f.USDPerMonth)) {
				t.Fatalf("%+v: the parts are %v", f, parts)
			}
			if f.Workloads[0] == fleets[0].Workloads[0] {
				optimum := bestSubset(inputs, verdicts, f.Option, inputs[members[0]].Constraints.Batch)
				if float64(f.SavingUSDPerMonth) > optimum*(1+1e-9) {
					t.Fatalf("%+v saves more than the best choice of workloads, %v", f, optimum)
				}
				if float64(f.SavingUSDPerMonth) > optimum*(1-1e-9) {
					best++
				}
			}
		}
		shuffled := slices.Clone(verdicts)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		want, _ := json.Marshal(fleets)
		if got, _ := json.Marshal(Share(shuffled)); string(got) != string(want) {
			t.Fatalf("in another order: got %s, want %s", got, want)
		}
	}
	t.Logf("%d fleets, of the largest of each draw %d save as much as any choice of workloads", found, best)
	if found < modeltest.Draws/40 || best < found*3/4 {
		t.Errorf("%d fleets are shared, and %d of them are the best there are: want 50 or more, and most of them best", found, best)
	}
}

// TestShareFollowing prices every shared fleet that follows its load anew, hour by hour of the week: with spares, blocks, reserved replicas,
// cold starts once and a quota.
func TestShareFollowing(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(412, 1))
	found := 0
	for range modeltest.Draws / 5 {
		o := following()
		least, quota := r.Int64N(3), 2+r.Int64N(8)
		o.Capacity.MinReplicas, o.Capacity.SpareReplicas, o.Capacity.ReplicasPerBlock = &least, r.Int64N(2), 1+r.Int64N(2)
		o.Capacity.MaxReplicas = oneOf(r, nil, nil, &quota)
		o.Autoscale.ReservedPerHour = oneOf(r, nil, rat("0.6"), rat("1.4"))
		o.Capacity.FixedMonthly = big.NewRat(r.Int64N(3000), 1)
		inputs := make([]Input, 2+r.IntN(5))
		price := oneOf(r, "2", "4", "9")
		for i := range inputs {
			from := r.IntN(24)
			f := weekly(projection(math.Exp(math.Log(1e7)+r.Float64()*math.Log(100)), 0, 0.1), func(hour int) bool { return (hour+from)%24 < 6 })
			inputs[i] = input(f, append(four(price)[:1], o))
			inputs[i].Constraints.Batch = r.IntN(6) == 0
		}
		verdicts := together(inputs...)
		for _, f := range Share(verdicts) {
			found++
			var load [168]float64
			usd, alone := float(o.Capacity.FixedMonthly)+2*730.0/24*0.35*2, 0.0 // operations, and two starts a day
			for _, name := range f.Workloads {
				i := int(name[1] - '0')
				in := inputs[i]
				alone += cheapestAlone(verdicts[i])
				tokens := math.Round(float64(in.Forecast.Next[1].Total.At(0.5)) * 730 / 720)
				usd += tokens * 0.5 / 1e6
				rates, hours, total := slices.Clone(in.Forecast.Load), make([]int, 168), 0.0
				slices.SortFunc(rates, func(a, b model.LoadBlock) int { return cmp.Compare(b.TokensPerHour, a.TokensPerHour) })
				for h := range hours {
					hours[h] = h
					total += math.Round(float64(rates[h].TokensPerHour))
				}
				slices.SortStableFunc(hours, func(a, b int) int { return cmp.Compare(in.Forecast.HourOfWeek[b], in.Forecast.HourOfWeek[a]) })
				for k, h := range hours {
					rate := math.Round(float64(rates[k].TokensPerHour)) / total * 168
					if in.Constraints.Batch {
						rate = 1
					}
					load[h] += tokens / 730 * rate / 1_000_000
				}
			}
			k := float64(o.Capacity.ReplicasPerBlock)
			var running []float64
			most := 0.0
			for _, replicas := range load {
				n := math.Ceil(replicas/k - 1e-9)
				if n > 0 || least > 0 {
					n = max(n, math.Ceil(float64(least)/k)) + math.Ceil(float64(o.Capacity.SpareReplicas)/k)
				}
				running, most = append(running, n), max(most, n)
			}
			capacity := math.Inf(1)
			for reserved := 0.0; reserved <= most && (reserved == 0 || o.Autoscale.ReservedPerHour != nil); reserved++ {
				c := reserved * 730 * float(orZero(o.Autoscale.ReservedPerHour))
				for _, n := range running {
					c += max(0, n-reserved) * 730 / 168 * 2
				}
				capacity = min(capacity, c)
			}
			if usd += capacity; math.Abs(usd-float64(f.USDPerMonth)) > 1e-6*usd || math.Abs(alone-usd-float64(f.SavingUSDPerMonth)) > 1e-6*alone || f.Replicas != int64(most*k) {
				t.Fatalf("%+v: by hand %v USD on %v replicas, %v alone", f, usd, most*k, alone)
			}
			if o.Capacity.MaxReplicas != nil && f.Replicas > quota {
				t.Fatalf("%+v: more than the quota of %d", f, quota)
			}
			if !strings.Contains(f.Because, "at most") || len(f.Workloads) < 2 {
				t.Errorf("%+v: want two or more on a fleet whose replicas come and go", f)
			}
		}
	}
	if found < modeltest.Draws/40 {
		t.Errorf("only %d fleets are shared", found)
	}
}

// cheapestAlone returns the cost of the cheapest allowed option as the report shows it.
func cheapestAlone(v Verdict) float64 {
	least := math.Inf(1)
	for _, o := range v.Options {
		if len(o.Blocked) == 0 && o.USDPerMonth != nil {
			least = min(least, float64(o.USDPerMonth.P50))
		}
	}
	return least
}

// byHand prices a fleet that the members share, from their forecasts and the numbers of the options alone.
func byHand(inputs []Input, option string, members []int) (usd float64, replicas int64, ok bool) {
	highest, overhead := 0.0, 1.0
	capacity := inputs[members[0]].Options[3].Capacity
	if option == "managed" {
		capacity, overhead = inputs[members[0]].Options[1].Capacity, 1.15
	}
	var replicasOf [168]float64
	for _, i := range members {
		in := inputs[i]
		tokens := math.Round(float64(in.Forecast.Next[1].Total.At(0.5)) * 730 / 720)
		peak, top := math.Round(in.Forecast.Load.PeakFactor()*1e4)/1e4, slices.Max(in.Forecast.HourOfWeek[:])
		for h, share := range in.Forecast.HourOfWeek {
			ratio := share / top
			if in.Constraints.Batch {
				peak, ratio = 1, 1
			}
			replicasOf[h] += tokens / 730 * peak * ratio / (30_276_000 * 0.6)
			highest = max(highest, replicasOf[h])
		}
	}
	replicas = int64(math.Ceil(highest-1e-9)) + 1
	usd = float64(replicas)*7.98*730*overhead + float(capacity.FixedMonthly)
	for _, i := range members {
		usd += math.Round(float64(inputs[i].Forecast.Next[1].Total.At(0.5))*730/720) * float(orZero(capacity.VariablePerMTok)) / 1e6
	}
	return usd, replicas, capacity.MaxReplicas == nil || replicas <= *capacity.MaxReplicas
}

// bestSubset returns the most that any choice of two or more workloads saves on the option.
func bestSubset(inputs []Input, verdicts []Verdict, option string, batch bool) float64 {
	most := 0.0
	for set := range 1 << len(inputs) {
		var members []int
		alone := 0.0
		for i := range inputs {
			if set&(1<<i) != 0 && inputs[i].Constraints.Batch == batch {
				members = append(members, i)
				alone += cheapestAlone(verdicts[i])
			}
		}
		if len(members) < 2 {
			continue
		}
		if usd, _, ok := byHand(inputs, option, members); ok {
			most = max(most, alone-usd)
		}
	}
	return most
}

// BenchmarkShare decides on 200 workloads and looks for fleets that they would share.
func BenchmarkShare(b *testing.B) {
	r := rand.New(rand.NewPCG(200, 1))
	inputs := randomTenants(r, 200)
	for i := range inputs {
		inputs[i].Workload = fmt.Sprintf("workload-%03d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		verdicts := make([]Verdict, len(inputs))
		for i, in := range inputs {
			verdicts[i] = Decide(in)
		}
		Share(verdicts)
	}
}

// TestPoolsAreComputedAgain holds that a pool which was written and read again is the same shared fleet, whether it runs all month or follows
// its load.
func TestPoolsAreComputedAgain(t *testing.T) {
	t.Parallel()
	own := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	scaled := following()
	for name, options := range map[string][]Option{"all month": own, "by its load": {own[0], scaled}} {
		var inputs []Input
		for range 5 {
			inputs = append(inputs, input(weekly(projection(5e9, 0, 0.01), day12), options))
		}
		pools := Pools(together(inputs...))
		if len(pools) != 1 || (pools[0].Scaled != nil) != (name == "by its load") {
			t.Fatalf("%s: got %+v, want one pool", name, pools)
		}
		data, err := json.Marshal(pools[0])
		if err != nil {
			t.Fatal(err)
		}
		var again Pool
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		got, gotErr := json.Marshal(again.SharedFleet())
		want, wantErr := json.Marshal(pools[0].SharedFleet())
		if gotErr != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("%s: got %s, %v, want %s, %v", name, got, gotErr, want, wantErr)
		}
	}
}
