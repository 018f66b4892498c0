package decide

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"tipline/model"
	"tipline/model/cost"
)

// changed returns in with some of its inputs changed, and the names of the parts that may follow from them.
func changed(r *rand.Rand, in Input) (then Input, moved []string) {
	var names []string
	draw := func(name string) bool {
		if r.IntN(3) > 0 {
			return false
		}
		names = append(names, name)
		return true
	}
	f := in.Forecast
	next := slices.Clone(f.Next)
	if draw("volume") {
		next[1].Total = projection(float64(next[1].Total.At(0.5))*(0.5+r.Float64()), 0, 0.1).Next[1].Total
	}
	requests := f.Requests30d * float64(next[1].Total.At(0.5)) / float64(f.Next[1].Total.At(0.5)) // of the same size as before
	mix := &next[1].Mix
	if draw("mix") {
		output := model.Fraction(0.1 + 0.5*r.Float64())
		input := 1 - mix[model.Output]
		for c := range mix {
			mix[c] *= (1 - output) / input
		}
		mix[model.Output] = output
	}
	if draw("cache") {
		input := 1 - mix[model.Output]
		read := input * model.Fraction(r.Float64())
		mix[model.Input], mix[model.CacheRead] = input-read, read
	}
	f.Next, f.Requests30d = next, requests
	if draw("throughput") {
		f.Load = slices.Clone(f.Load)
		f.Load[0].TokensPerHour *= model.Tokens(1 + r.Float64())
	}
	in.Forecast = f
	in.Options = slices.Clone(in.Options)
	price, operations, step := draw("price"), draw("operations"), draw("capacity step")
	for i, o := range in.Options {
		if o.API != nil && price {
			p := *o.API
			p.Input, p.Output, p.CacheRead = big.NewRat(1+r.Int64N(50), 10), big.NewRat(1+r.Int64N(90), 10), rat("0.1")
			in.Options[i].API = &p
		}
		if o.Capacity == nil {
			continue
		}
		c := *o.Capacity
		if price {
			c.BlockCostPerHour = big.NewRat(100+r.Int64N(900), 100)
		}
		if operations {
			c.FixedMonthly = big.NewRat(1000+r.Int64N(20_000), 1)
		}
		if step {
			c.SpareReplicas = r.Int64N(4)
		}
		in.Options[i].Capacity = &c
	}
	if draw("others on the account") {
		in.Others = randomOthers(r)
	}
	return in, names
}

// TestMovedAgainstEveryOrder holds that the parts are those of walking from one evaluation to the other in every order, that they
// sum to the change, and that what did not change has none.
func TestMovedAgainstEveryOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(34, 2))
	seen := map[string]int{}
	for i := range 60 {
		before := input(projection(oneOf(r, 5e9, 2e10, 6e10), 0, 0.1), four("2"))
		before.Current = oneOf(r, "api", "self", "managed", "hybrid")
		before.Options[0].Account, before.Options[0].API.Tiers = "account", randomTiers(r)
		before.Others = oneOf(r, nil, randomOthers(r))
		after, names := changed(r, before)
		m, err := Moved(before, after, "self")
		if err != nil {
			t.Fatal(err)
		}
		check := func(c model.CostChange, allowed []string) {
			sum := 0.0
			for _, p := range c.Parts {
				sum += float64(p.USDPerMonth)
				seen[p.Input]++
				if !slices.Contains(allowed, p.Input) {
					t.Fatalf("%v changed, and %s has a part: %+v", names, p.Input, c)
				}
			}
			if math.Abs(sum-float64(c.ChangeUSDPerMonth)) > 1e-9*(1+math.Abs(float64(c.AfterUSDPerMonth))) {
				t.Fatalf("%+v: the parts sum to %v", c, sum)
			}
		}
		// Whatever moves the number of blocks off what the volume would fill is a capacity step, and rounding shares to millionths
		// moves how the input splits by as little.
		allowed := append(slices.Clone(names), "capacity step", "cache")
		check(m.Cost, allowed)
		costs := func(in Input, name string) float64 {
			for _, o := range Decide(in).Options {
				if o.Option == name {
					return float64(o.USDPerMonth.P50)
				}
			}
			t.Fatalf("no option %s", name)
			return 0
		}
		if !near(float64(m.Cost.BeforeUSDPerMonth), costs(before, before.Current)) || !near(float64(m.Cost.AfterUSDPerMonth), costs(after, before.Current)) {
			t.Fatalf("%+v: want what a decision says each costs", m.Cost)
		}
		if m.Margin != nil {
			check(*m.Margin, allowed)
			want := costs(after, before.Current) - costs(after, "self")
			if math.Abs(float64(m.Margin.AfterUSDPerMonth)-want) > 1e-6*(1+math.Abs(want)) {
				t.Fatalf("margin: got %+v, want %v after", m.Margin, want)
			}
		}
		if i%5 > 0 {
			continue // eight inputs have 40,320 orders
		}
		from, _ := evaluated(before, before.Current)
		to, _ := evaluated(after, before.Current)
		c, err := changeOf(before, after, before.Current)
		if err != nil {
			t.Fatal(err)
		}
		usd := map[uint]*big.Rat{}
		for i, want := range byEveryOrder(int(numFactors), func(set uint) *big.Rat {
			if known := usd[set]; known != nil {
				return known
			}
			e := *from
			for f := range numFactors {
				if set&(1<<f) != 0 {
					e.take(f, to)
				}
			}
			usd[set] = e.cost()
			return usd[set]
		}) {
			if got := float(c.parts[i]); math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
				t.Fatalf("%s after %v: got %v, every order gives %v", factor(i), names, got, want)
			}
		}
	}
	for f := range numFactors {
		if seen[f.String()] == 0 {
			t.Errorf("%s never has a part: %v", f, seen)
		}
	}
}

// TestMovedByHand works two changes out on paper. The API: from 20B tokens at 3 USD/Mtok to 22B at 2 USD/Mtok, in months of 730 hours.
// The volume alone adds 2B at the old or at the new price, so its part is their mean; the rest is the price's.
func TestMovedByHand(t *testing.T) {
	t.Parallel()
	const month = 730.0 / 720
	before, after := input(projection(2e10, 0, 0.1), four("3")), input(projection(2.2e10, 0, 0.1), four("2"))
	m, err := Moved(before, after, "api")
	if err != nil {
		t.Fatal(err)
	}
	want := []model.ChangePart{{Input: "volume", USDPerMonth: 2000 * month * 2.5}, {Input: "price", USDPerMonth: -21_000 * month}}
	if len(m.Cost.Parts) != 2 || m.Margin != nil || m.Option != "api" || !m.Since.Equal(before.Forecast.Origin) {
		t.Fatalf("got %+v, want volume and price", m)
	}
	for i, p := range m.Cost.Parts {
		if p.Input != want[i].Input || math.Abs(float64(p.USDPerMonth-want[i].USDPerMonth)) > 1e-3 {
			t.Errorf("got %+v, want %+v", p, want[i])
		}
	}
	// The fleet: a replica carries 8.288B tokens (see TestDecideByHand), so 20B need 3 of them and 25B need 4. What the volume would fill
	// of them is the volume's, what is bought beyond that is the step's.
	after = input(projection(2.5e10, 0, 0.1), four("3"))
	m, err = Moved(before, after, "self")
	if err != nil {
		t.Fatal(err)
	}
	block, filled := 7.98*730, 5e9*month/(30_276_000*0.6*730/1.6)
	c, err := changeOf(before, after, "self")
	if err != nil {
		t.Fatal(err)
	}
	if v, s := float(c.parts[volumeFactor]), float(c.parts[stepFactor]); math.Abs(v-filled*block) > 1 || math.Abs(v+s-block) > 1e-6 {
		t.Errorf("got %v for the volume and %v for the step, want %v and together a block of %v", v, s, filled*block, block)
	}
	if m.Margin == nil || m.Against != "self" || math.Abs(float64(m.Margin.ChangeUSDPerMonth)-(5000*month*3-block)) > 1e-3 {
		t.Errorf("margin: got %+v, want the API's part less a block", m.Margin)
	}
}

// TestMovedTellsOthersApart works out on paper what the tokens of others do: 4B tokens at 3 USD/Mtok cost half of it once others fill the tier to
// 10B. When the price falls to 2 USD as well, from 12,000 to 4,000 USD, each has the mean of what it does before and after the other.
func TestMovedTellsOthersApart(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[0].Account, options[0].API.Tiers = "api", []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	before, after := onAccount("a", "api", 4e9, options), onAccount("a", "api", 4e9, options)
	after.Others = AccountsOf([]Used{onAccount("b", "api", 12e9, options).Used()}).Beside(after)
	cheaper := after
	cheaper.Options = slices.Clone(options)
	prices := *options[0].API
	prices.Input, prices.Output = rat("2"), rat("2")
	cheaper.Options[0].API = &prices
	for _, tc := range []struct {
		after Input
		want  []model.ChangePart
	}{
		{after, []model.ChangePart{{Input: "others on the account", USDPerMonth: -6_000}}},
		{cheaper, []model.ChangePart{{Input: "price", USDPerMonth: -3_000}, {Input: "others on the account", USDPerMonth: -5_000}}},
	} {
		m, err := Moved(before, tc.after, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Cost.Parts) != len(tc.want) {
			t.Fatalf("got %+v, want %+v", m.Cost.Parts, tc.want)
		}
		for i, want := range tc.want {
			if got := m.Cost.Parts[i]; got.Input != want.Input || math.Abs(float64(got.USDPerMonth-want.USDPerMonth)) > 0.01 {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	}
}

// TestMovedNeedsBoth holds that a cost that is not known gives no parts, and that nothing is compared with an option made of others.
func TestMovedNeedsBoth(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.1), four("3"))
	same, err := Moved(in, in, "self")
	if err != nil || len(same.Cost.Parts) != 0 || same.Cost.ChangeUSDPerMonth != 0 {
		t.Errorf("the same twice: got %+v, %v, want no part", same, err)
	}
	for name, edit := range map[string]func(*Input){
		"no volume": func(in *Input) { in.Forecast = model.Forecast{} },
		"no price":  func(in *Input) { in.Options[0].API = &cost.Prices{} },
		"another way": func(in *Input) {
			in.Options[0].Hosting, in.Options[0].Capacity = model.SelfHosted, in.Options[3].Capacity
		},
		"no option": func(in *Input) { in.Options = in.Options[1:] },
	} {
		other := input(projection(2e10, 0, 0.1), four("3"))
		edit(&other)
		if m, err := Moved(in, other, "self"); err == nil {
			t.Errorf("%s: got %+v, want an error", name, m)
		}
		if m, err := Moved(other, in, "self"); err == nil {
			t.Errorf("%s before: got %+v, want an error", name, m)
		}
	}
}

func BenchmarkMoved(b *testing.B) {
	before := input(projection(2e10, 0, 0.1), four("3"))
	after := input(projection(2.1e10, 0, 0.1), before.Options)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Moved(before, after, "hybrid"); err != nil {
			b.Fatal(err)
		}
	}
}
