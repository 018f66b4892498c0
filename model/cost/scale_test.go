package cost_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// scale returns a scale, and what it leaves of what a month charges, worked out without the package.
func (r random) scale() (s *cost.Scale, bill func(usd, tokens *big.Rat) *big.Rat) {
	s = &cost.Scale{ByTokens: r.IntN(2) == 0, AllUnits: r.IntN(2) == 0}
	most := int64(3000) // USD
	if s.ByTokens {
		most = 900_000_000
	}
	bound := zero
	for range 1 + r.IntN(3) {
		bound = add(bound, r.between(1, most))
		s.Steps = append(s.Steps, cost.ScaleStep{Above: bound, Discount: r.between(0, 1)})
	}
	return s, func(usd, tokens *big.Rat) *big.Rat {
		x := usd
		if s.ByTokens {
			x = tokens
		}
		if x.Sign() == 0 {
			return usd
		}
		taken := new(big.Rat) // off x
		for i, step := range s.Steps {
			if x.Cmp(step.Above) <= 0 {
				break
			}
			if s.AllUnits {
				taken = mul(x, step.Discount)
				continue
			}
			to := x
			if i+1 < len(s.Steps) && s.Steps[i+1].Above.Cmp(x) < 0 {
				to = s.Steps[i+1].Above
			}
			taken = add(taken, mul(sub(to, step.Above), step.Discount))
		}
		return mul(usd, quo(sub(x, taken), x))
	}
}

// TestScaleByHand holds what usage costs under a contract with tiers to the bill with it less the bill without, where the bill is worked out by
// hand; that the bill as a function of volume is the same at every volume; and that the shares of all are the bill.
func TestScaleByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(77)
	byTokens, repriced, committed := 0, 0, 0
	for range modeltest.Draws / 5 {
		p, _ := r.tiers()
		s, bill := r.scale()
		if s.ByTokens {
			p.Tiers, p.AllUnits = nil, false
		}
		p.Discount, p.RequestFee = oneOf(r, nil, r.between(0, 1)), oneOf(r, nil, big.NewRat(1, 1000))
		p.MinimumCommit, p.FixedMonthly = oneOf(r, nil, r.between(0, 9000)), oneOf(r, nil, r.between(0, 500))
		commit := or(p.MinimumCommit, zero)
		usage := r.usage()
		beside := cost.Beside{USD: oneOf(r, nil, r.between(0, 4000)), Tokens: oneOf(r, nil, r.between(0, 1_000_000_000))}
		if beside.USD == nil {
			beside.Tokens = nil
		}
		if r.IntN(2) == 0 {
			beside.Usage = r.usage()
		}
		if tokensOf(beside.Usage).Sign() == 0 { // requests have tokens
			beside.Usage = nil
		}
		own, theirs := tokensOf(usage), tokensOf(beside.Usage)
		if own.Sign() == 0 {
			continue
		}
		list := p // without the contract
		list.MinimumCommit, list.FixedMonthly = nil, nil
		scaled := p
		scaled.Scale = s
		others, err := list.Of(beside.Usage, beside.Usage)
		if err != nil {
			t.Fatal(err)
		}
		alone := monthlyBeside(t, list, cost.Beside{Usage: beside.Usage}, usage)
		usd, tokens := add(others, or(beside.USD, zero)), add(theirs, or(beside.Tokens, zero))
		without := bill(usd, tokens)
		with := bill(add(usd, alone), add(tokens, own))
		if s.ByTokens && !s.AllUnits { // its tokens come last
			byTokens++
			unit := func(n *big.Rat) *big.Rat { return bill(n, n) }
			with = add(without, mul(alone, quo(sub(unit(add(tokens, own)), unit(tokens)), own)))
		}
		want := sub(greater(commit, with), greater(commit, without))
		if beside.None() {
			want = greater(commit, with)
		}
		if theirs.Sign() == 0 {
			want = add(want, or(p.FixedMonthly, zero))
		}
		if with.Cmp(commit) > 0 && without.Cmp(commit) < 0 {
			committed++
		}
		if with.Cmp(add(usd, alone)) != 0 {
			repriced++
		}
		if got := monthlyBeside(t, scaled, beside, usage); got.Cmp(want) != 0 {
			t.Fatalf("%+v, %+v beside %+v: got %s, want %s", p, s, beside, got.FloatString(6), want.FloatString(6))
		}
		rate, err := scaled.RateBeside(beside, usage)
		if err != nil {
			t.Fatal(err)
		}
		ratio := r.between(1, 3)
		for _, got := range []*big.Rat{rate.At(own), rate.Per(ratio).At(quo(own, ratio))} {
			if got.Cmp(want) != 0 {
				t.Fatalf("%+v, %+v beside %+v: as a function of volume got %s, want %s", p, s, beside, got.FloatString(6), want.FloatString(6))
			}
		}
		mine, err := scaled.Share(beside, usage)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := scaled.Share(cost.Beside{Usage: usage, USD: beside.USD, Tokens: beside.Tokens}, beside.Usage)
		if err != nil {
			t.Fatal(err)
		}
		all := append(append([]cost.Usage{}, beside.Usage...), usage...)
		together, err := list.Of(all, all)
		if err != nil {
			t.Fatal(err)
		}
		total := add(together, or(beside.USD, zero))
		due := greater(commit, bill(total, add(tokens, own)))
		if beside.Usage != nil && total.Sign() > 0 {
			due = mul(due, quo(together, total))
			if got := add(mine, rest); got.Cmp(add(due, or(p.FixedMonthly, zero))) != 0 {
				t.Fatalf("%+v, %+v beside %+v: the shares are %s, want %s", p, s, beside, got.FloatString(6), due.FloatString(6))
			}
		}
	}
	if byTokens < modeltest.Draws/100 || repriced < modeltest.Draws/20 || committed < modeltest.Draws/250 {
		t.Errorf("got %d by tokens, %d with a discount, %d beyond a commitment, want more of each", byTokens, repriced, committed)
	}
}

// TestScaleCrossover holds where a fleet is cheaper than an API under a contract with tiers to a comparison of the two bills at volumes all over and
// at every boundary that is found, and the price from which on they cost the same to the bill at that price.
func TestScaleCrossover(t *testing.T) {
	t.Parallel()
	r := newRandom(78)
	windows, flips := 0, 0
	for range modeltest.Draws / 20 {
		p, _ := r.tiers()
		s, _ := r.scale()
		if s.ByTokens || r.IntN(2) == 0 {
			p.Tiers, p.AllUnits = nil, false
		}
		p.Scale, p.MinimumCommit = s, oneOf(r, nil, r.between(0, 2000))
		usage := r.usage()
		beside := cost.Beside{USD: oneOf(r, nil, r.between(0, 2000))}
		if r.IntN(2) == 0 {
			beside.Usage = r.usage()
		}
		rate, err := p.RateBeside(beside, usage)
		if err != nil || tokensOf(usage).Sign() == 0 {
			continue
		}
		c := cost.Capacity{TokensPerHour: r.between(10_000, 400_000), BlockCostPerHour: r.between(0, 3)}
		f, err := c.Fleet()
		if err != nil {
			t.Fatal(err)
		}
		x := cost.FindCrossover(rate, f)
		var volumes []*big.Rat
		for range 40 {
			volumes = append(volumes, r.between(1, 2_000_000_000))
		}
		for _, v := range slices.Clone(volumes[:10]) {
			for _, i := range x.Near(v) {
				volumes = append(volumes, i.From, add(i.From, one))
				if i.To != nil {
					volumes = append(volumes, i.To, add(i.To, one))
				}
			}
		}
		for _, v := range volumes {
			if v.Sign() <= 0 || x.Searched != nil && v.Cmp(x.Searched) > 0 {
				continue
			}
			point, ok := f.At(v)
			if !ok {
				continue
			}
			inside := false
			for _, i := range x.Near(v) {
				inside = inside || v.Cmp(i.From) > 0 && (i.To == nil || v.Cmp(i.To) <= 0)
			}
			if cheaper := point.Cost.Cmp(rate.At(v)) < 0; cheaper != inside {
				t.Fatalf("%+v, %+v beside %+v: at %s the fleet costs %s and the API %s, and it is said to be cheaper: %v",
					p, s, beside, v.FloatString(0), point.Cost.FloatString(4), rate.At(v).FloatString(4), inside)
			}
		}
		windows += len(x.Intervals())
		v, usd := r.between(1_000_000, 2_000_000_000), r.between(1, 4000)
		if paid := rate.UsageFor(usd, v); paid != nil && !s.AllUnits && !p.AllUnits {
			flips++
			low, high := 0.0, 1e6 // by how much the prices are multiplied, found without the package
			for range 80 {
				middle := (low + high) / 2
				if rate.Times(new(big.Rat).SetFloat64(middle)).Usage(v).Cmp(paid) < 0 {
					low = middle
				} else {
					high = middle
				}
			}
			if got, _ := rate.Times(new(big.Rat).SetFloat64(high)).At(v).Float64(); got < 0.999*cost.Float(usd) || got > 1.001*cost.Float(usd) {
				t.Fatalf("%+v, %+v beside %+v: at prices that make it %s the bill is %v, want %s", p, s, beside, paid.FloatString(4), got, usd.FloatString(4))
			}
		}
	}
	if windows < modeltest.Draws/80 || flips < modeltest.Draws/80 {
		t.Errorf("got %d windows and %d prices, want more", windows, flips)
	}
}

// TestScaleExample works an invoice out: 260,000 USD of usage where 5 % is taken off above 50,000 USD and 10 % above 200,000 USD.
func TestScaleExample(t *testing.T) {
	t.Parallel()
	usage := []cost.Usage{{Tokens: [model.NumClasses]*big.Rat{model.Input: whole(60_000_000_000)}}} // 60,000 USD at 1 USD/Mtok
	steps := []cost.ScaleStep{{Above: whole(50_000), Discount: big.NewRat(5, 100)}, {Above: whole(200_000), Discount: big.NewRat(10, 100)}}
	for _, tc := range []struct {
		name     string
		allUnits bool
		beside   int64
		want     string
	}{
		{"alone, what is above 50,000 USD", false, 0, "59500"},       // 50,000 + 10,000 · 0.95
		{"after 200,000 USD of others", false, 200_000, "54000"},     // 60,000 · 0.90
		{"across a bound", false, 180_000, "55000"},                  // 20,000 · 0.95 + 40,000 · 0.90
		{"alone, all of it", true, 0, "57000"},                       // 60,000 · 0.95
		{"that reaches the next tier", true, 180_000, "45000"},       // 240,000 · 0.90 − 180,000 · 0.95
		{"that stays within its tier", true, 100_000, "57000"},       // 160,000 · 0.95 − 100,000 · 0.95
		{"up to a bound, which is below it", true, 140_000, "57000"}, // 200,000 · 0.95 − 140,000 · 0.95
	} {
		p := cost.Prices{Input: one, Output: one, Scale: &cost.Scale{Steps: steps, AllUnits: tc.allUnits}}
		b, err := p.MonthlyBeside(cost.Beside{USD: whole(tc.beside)}, usage)
		if err != nil || cost.Decimal(b.Cost) != tc.want {
			t.Errorf("%s: got %v, %v, want %s USD", tc.name, b.Cost, err, tc.want)
		}
		sum := new(big.Rat)
		for _, part := range b.Parts {
			sum.Add(sum, part.USD)
		}
		if sum.Cmp(b.Cost) != 0 {
			t.Errorf("%s: the parts are %s together, want %s", tc.name, cost.Decimal(sum), cost.Decimal(b.Cost))
		}
	}
	bad := cost.Prices{Input: one, Output: one, Tiers: []cost.Tier{{Above: one}}, Scale: &cost.Scale{ByTokens: true, Steps: []cost.ScaleStep{{Above: one, Discount: whole(2)}, {Above: one, Discount: zero}}}}
	err := bad.Validate()
	for _, want := range []string{"contract tier 1: discount: got 2, want a share from 0 to 1", "contract tier 2: above: got 1, want more than 1", "want none beside the tiers of a contract that count tokens"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func tokensOf(usage []cost.Usage) *big.Rat {
	total := new(big.Rat)
	for _, u := range usage {
		for _, n := range u.Tokens {
			total.Add(total, or(n, zero))
		}
	}
	return total
}

func monthlyBeside(t *testing.T, p cost.Prices, beside cost.Beside, usage []cost.Usage) *big.Rat {
	t.Helper()
	b, err := p.MonthlyBeside(beside, usage)
	if err != nil {
		t.Fatal(err)
	}
	return b.Cost
}

func greater(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}
