package cost_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// tiers returns prices that change with the volume of a month, and the price of a kind of token in every tier worked out without
// the package: tier 0 is below all bounds.
func (r random) tiers() (p cost.Prices, price func(tier int, class model.Class, batch, long bool) *big.Rat) {
	list := func() *cost.Prices {
		return &cost.Prices{Input: r.between(0, 10), Output: r.between(0, 40), CacheRead: r.between(0, 2), BatchInput: r.between(0, 5), Long: &cost.Prices{Input: r.between(0, 20), Output: r.between(0, 80)}}
	}
	p = *list()
	p.CacheWrite, p.CacheWrite1h, p.BatchOutput = r.between(0, 12), r.between(0, 20), r.between(0, 20)
	p.Long.CacheRead, p.Long.CacheWrite, p.Long.CacheWrite1h = r.between(0, 4), r.between(0, 30), r.between(0, 40)
	p.AllUnits = r.IntN(2) == 0
	bound := zero
	for range 1 + r.IntN(3) {
		bound = add(bound, r.between(1, 900_000_000))
		t := cost.Tier{Above: bound}
		if r.IntN(3) > 0 {
			t.Times = r.between(0, 2)
		}
		if r.IntN(2) == 0 {
			t.Prices = list()
			t.Prices.Long.Input = nil
		}
		p.Tiers = append(p.Tiers, t)
	}
	of := func(p *cost.Prices, class model.Class, batch, long bool) *big.Rat {
		switch {
		case long:
			p = p.Long
		case batch && class == model.Input:
			return p.BatchInput
		case batch && class == model.Output:
			return p.BatchOutput
		}
		return map[model.Class]*big.Rat{
			model.Input: p.Input, model.Output: p.Output, model.CacheRead: p.CacheRead,
			model.CacheWrite: p.CacheWrite, model.CacheWrite1h: p.CacheWrite1h,
		}[class]
	}
	return p, func(tier int, class model.Class, batch, long bool) *big.Rat {
		below := of(&p, class, batch, long)
		if tier == 0 {
			return below
		}
		t := p.Tiers[tier-1]
		if t.Prices != nil {
			if listed := of(t.Prices, class, batch, long); listed != nil {
				return listed
			}
		}
		return mul(below, or(t.Times, one))
	}
}

// TestTiersByHand charges every class of every block in every tier for itself, and holds that the bill is a function of volume.
func TestTiersByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(21)
	reached := map[int]int{}
	for range modeltest.Draws {
		p, price := r.tiers()
		p.Discount, p.Uplift, p.RequestFee = oneOf(r, nil, r.between(0, 1)), oneOf(r, nil, r.between(0, 1)), oneOf(r, nil, big.NewRat(1, 1000))
		p.MinimumCommit, p.FixedMonthly = oneOf(r, nil, r.between(0, 9000)), oneOf(r, nil, r.between(0, 500))
		usage := r.usage()
		tokens, requests := new(big.Rat), new(big.Rat)
		for _, u := range usage {
			requests.Add(requests, or(u.Requests, zero))
			for _, n := range u.Tokens {
				tokens.Add(tokens, or(n, zero))
			}
		}
		if tokens.Sign() == 0 {
			continue
		}
		shares := []*big.Rat{} // of the tokens, in every tier
		for i := 0; i <= len(p.Tiers); i++ {
			from, to := zero, tokens
			if i > 0 {
				from = p.Tiers[i-1].Above
			}
			if i < len(p.Tiers) && p.Tiers[i].Above.Cmp(to) < 0 {
				to = p.Tiers[i].Above
			}
			if from.Cmp(tokens) >= 0 {
				break
			}
			shares = append(shares, quo(sub(to, from), tokens))
		}
		if p.AllUnits {
			for i := range shares {
				shares[i] = zero
			}
			shares[len(shares)-1] = one
		}
		reached[len(shares)-1]++
		usd := new(big.Rat)
		for tier, share := range shares {
			for _, u := range usage {
				for _, c := range model.Classes {
					part := mul(mul(or(u.Tokens[c], zero), share), price(tier, c, u.Batch, u.Long))
					usd.Add(usd, mul(quo(part, million), add(one, or(p.Uplift, zero))))
				}
			}
		}
		usd = mul(add(usd, mul(requests, or(p.RequestFee, zero))), sub(one, or(p.Discount, zero)))
		if commit := or(p.MinimumCommit, zero); usd.Cmp(commit) < 0 {
			usd = commit
		}
		usd = add(usd, or(p.FixedMonthly, zero))
		if got := monthly(t, p, usage); got.Cmp(usd) != 0 {
			t.Errorf("%+v for %+v: got %s, want %s", p, usage, got.FloatString(6), usd.FloatString(6))
		}
		rate, err := p.Rate(usage)
		if err != nil {
			t.Fatal(err)
		}
		if got := rate.At(tokens); got.Cmp(usd) != 0 {
			t.Errorf("%+v for %+v: as a function of volume got %s, want %s", p, usage, got.FloatString(6), usd.FloatString(6))
		}
		ratio := r.between(1, 3)
		if got := rate.Per(ratio).At(quo(tokens, ratio)); got.Cmp(usd) != 0 {
			t.Errorf("%+v in tokens of %s each: got %s, want %s", p, ratio, got.FloatString(6), usd.FloatString(6))
		}
	}
	for tier := range 3 {
		if reached[tier] < modeltest.Draws/50 {
			t.Errorf("only %d of the months reach tier %d", reached[tier], tier)
		}
	}
}

// TestVolumeTiers holds section 3 of the cost model: a tier covers (bound, next bound], a marginal one prices what is above it, one of
// all units re-prices the month, so that the bill falls when volume rises.
func TestVolumeTiers(t *testing.T) {
	t.Parallel()
	p := cost.Prices{Input: whole(2), Output: whole(2), Tiers: []cost.Tier{{Above: whole(1_000_000), Times: big.NewRat(1, 2)}, {Above: whole(3_000_000), Prices: &cost.Prices{Input: big.NewRat(1, 4)}}}}
	for _, tc := range []struct {
		tokens           int64
		marginal, unison string
	}{
		{1_000_000, "2", "2"},
		{1_000_001, "2.000001", "1.000001"},
		{3_000_000, "4", "3"},
		{4_000_000, "4.25", "1"},
	} {
		for _, all := range []bool{false, true} {
			p.AllUnits = all
			want := tc.marginal
			if all {
				want = tc.unison
			}
			var u cost.Usage
			u.Tokens[model.Input] = whole(tc.tokens)
			if got := monthly(t, p, []cost.Usage{u}); got.Cmp(rat(want)) != 0 {
				t.Errorf("%d tokens, all units %t: got %s USD, want %s", tc.tokens, all, got.FloatString(6), want)
			}
		}
	}
	var u cost.Usage
	u.Tokens[model.Input] = whole(4_000_000)
	p.AllUnits = false
	bill, err := p.Monthly([]cost.Usage{u})
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, part := range bill.Parts {
		parts = append(parts, fmt.Sprintf("%s: %s", part.Name, part.Formula))
	}
	want := "input tokens: 1.00M × 2 USD/Mtok\ninput tokens above 1.00M: 2.00M × 1 USD/Mtok\ninput tokens above 3.00M: 1.00M × 0.25 USD/Mtok"
	if got := strings.Join(parts, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTiersOutOfRange(t *testing.T) {
	t.Parallel()
	p := cost.Prices{Tiers: []cost.Tier{
		{Above: whole(5), Times: whole(-1)}, {Above: whole(5)}, {}, {Above: whole(9), Prices: &cost.Prices{Input: whole(-2)}},
	}}
	want := "tier 1: times: got -1, want 0 or more\ntier 2: above: got 5, want more tokens a month than 5\n" +
		"tier 3: above: got none, want more tokens a month than 5\ntier 4: input: got -2, want 0 or more"
	if err := p.Validate(); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestBesideOthers holds that what a workload adds to the bill of an account is the bill with it less the bill without: whatever the others use
// where all units are priced at one tier or nothing is tiered, and with the mix of the workload in marginal tiers. It is a function of volume that
// rates, curves and crossovers agree on.
func TestBesideOthers(t *testing.T) {
	t.Parallel()
	r := newRandom(22)
	below, repriced, committed := 0, 0, 0
	for range modeltest.Draws / 8 {
		p, _ := r.tiers()
		p.Discount, p.RequestFee = oneOf(r, nil, r.between(0, 1)), oneOf(r, nil, big.NewRat(1, 1000))
		p.MinimumCommit, p.FixedMonthly = oneOf(r, nil, r.between(0, 9000)), oneOf(r, nil, r.between(0, 500))
		if r.IntN(8) == 0 {
			p.Tiers = nil
		}
		own, others := r.usage(), r.usage()
		if total(own).Sign() == 0 || total(others).Sign() == 0 {
			continue
		}
		if !p.AllUnits && p.Tiers != nil {
			others = scaled(own, r.between(1, 40))
		}
		if p.Tiers != nil && r.IntN(4) == 0 { // exactly at a bound
			others, own = scaled(others, quo(p.Tiers[0].Above, total(others))), scaled(own, big.NewRat(1, 20))
		}
		elsewhere := oneOf(r, nil, nil, nil, r.between(0, 9000))
		if elsewhere != nil && r.IntN(3) == 0 {
			others = nil
		}
		theirs := cost.Beside{Usage: others, USD: elsewhere}
		beside, err := p.MonthlyBeside(theirs, own)
		if err != nil {
			t.Fatal(err)
		}
		settled := func(usage []cost.Usage) *big.Rat { // of all that counts for the commitment
			plain := p
			plain.MinimumCommit, plain.FixedMonthly = nil, nil
			bill, _ := plain.Monthly(usage)
			usd := add(bill.Cost, or(elsewhere, zero))
			if commit := or(p.MinimumCommit, zero); usd.Cmp(commit) < 0 {
				usd = commit
			}
			if len(usage) > 0 {
				usd = add(usd, or(p.FixedMonthly, zero))
			}
			return usd
		}
		with, without := settled(append(append([]cost.Usage{}, others...), own...)), settled(others)
		if others == nil && or(elsewhere, zero).Sign() == 0 { // nobody has the account
			without = zero
		}
		if want := sub(with, without); beside.Cost.Cmp(want) != 0 {
			t.Fatalf("%+v beside %s tokens and %v USD: got %s USD, want %s less %s", p, total(others), elsewhere, beside.Cost, with, without)
		}
		sum := new(big.Rat)
		for _, part := range beside.Parts {
			sum.Add(sum, part.USD)
			if part.Name == "other workloads at another price" {
				repriced++
			}
			if part.Name == "commitment of the account" {
				committed++
			}
		}
		if sum.Cmp(beside.Cost) != 0 {
			t.Fatalf("parts %+v sum to %s, want %s", beside.Parts, sum, beside.Cost)
		}
		if beside.Cost.Sign() < 0 {
			below++
		}
		if or(elsewhere, zero).Sign() == 0 {
			a, _ := p.Share(cost.Beside{Usage: others}, own)
			b, _ := p.Share(cost.Beside{Usage: own}, others)
			if add(a, b).Cmp(with) != 0 {
				t.Fatalf("the shares of two workloads are %s and %s, want %s together", a, b, with)
			}
		}
		rate, err := p.RateBeside(theirs, own)
		if err != nil {
			t.Fatal(err)
		}
		halved := rate.Per(big.NewRat(1, 2)).Times(big.NewRat(2, 1)) // the same in tokens of half the size: half the price, then twice that
		unit := total(own)
		limit := mul(unit, big.NewRat(60, 1))
		curve := rate.Curve(limit)
		for _, factor := range []*big.Rat{r.between(0, 1), one, r.between(1, 50)} {
			volume := mul(unit, factor)
			if volume.Sign() == 0 {
				continue
			}
			bill, _ := p.MonthlyBeside(theirs, scaled(own, factor))
			if got := rate.At(volume); got.Cmp(bill.Cost) != 0 {
				t.Fatalf("%+v at %s tokens: the rate says %s USD, the bill %s", p, volume, got, bill.Cost)
			}
			if p.MinimumCommit == nil && p.FixedMonthly == nil {
				if got := halved.At(mul(volume, big.NewRat(2, 1))); got.Cmp(mul(big.NewRat(2, 1), bill.Cost)) != 0 {
					t.Fatalf("twice the tokens at half the size and twice the price: got %s, want twice %s", got, bill.Cost)
				}
			}
			for _, s := range curve {
				if s.From.Cmp(volume) < 0 && volume.Cmp(s.To) <= 0 && add(s.Alpha, mul(s.Beta, volume)).Cmp(bill.Cost) != 0 {
					t.Fatalf("%+v at %s tokens: the curve is not the bill", p, volume)
				}
			}
		}
		f, err := r.capacity().Fleet()
		if err != nil {
			continue
		}
		x := cost.FindCrossover(rate, f)
		if x.Searched != nil {
			continue
		}
		for range 6 {
			volume := r.between(1, 2_000_000_000)
			point, ok := f.At(volume)
			cheaper := ok && point.Cost.Cmp(rate.At(volume)) < 0
			if got := within(x.Near(volume), volume); got != cheaper {
				t.Fatalf("%+v beside %+v at %s tokens: in a window is %v, cheaper is %v", rate, rate.Others, volume, got, cheaper)
			}
			if x.NoneAtOrBelow != nil && cheaper && volume.Cmp(x.NoneAtOrBelow) <= 0 {
				t.Fatalf("cheaper at %s, at or below the bound %s", volume, x.NoneAtOrBelow)
			}
		}
	}
	if below < modeltest.Draws/1000 || repriced < modeltest.Draws/200 || committed < modeltest.Draws/200 {
		t.Errorf("got %d bills that fall, %d of others priced anew and %d with a commitment, want more of each", below, repriced, committed)
	}
}

// TestUsageForABill holds that prices which are so many times as high make the usage that many times as much where the bill is what they make it, beside others whose
// part of a commitment moves with the prices, and beside none.
func TestUsageForABill(t *testing.T) {
	t.Parallel()
	r := newRandom(23)
	shared := 0 // bills in a commitment that the others leave a part of
	for range modeltest.Draws / 4 {
		p, _ := r.tiers()
		p.MinimumCommit, p.FixedMonthly = oneOf(r, nil, r.between(0, 9000)), oneOf(r, nil, r.between(0, 500))
		own, others := r.usage(), oneOf(r, nil, r.usage())
		if bill, err := p.Monthly(others); err == nil && r.IntN(2) == 0 {
			p.MinimumCommit = mul(bill.Cost, r.between(0, 4))
		}
		rate, err := p.RateBeside(cost.Beside{Usage: others, USD: oneOf(r, nil, r.between(0, 2000))}, own)
		if err != nil || total(own).Sign() == 0 || total(others).Sign() == 0 && others != nil {
			continue
		}
		volume, times := total(own), r.between(1, 4)
		dearer := rate.Times(times)
		bill := dearer.At(volume)
		usage := mul(rate.Usage(volume), times)
		if floor := dearer.Floor(); usage.Sign() <= 0 || floor != nil && usage.Cmp(floor) < 0 || bill.Sign() <= 0 {
			continue // the price makes no difference
		}
		if got := rate.UsageFor(bill, volume); got == nil || got.Cmp(usage) != 0 {
			t.Fatalf("%+v beside %+v at %s tokens for %s USD: got %v, want %s", rate, rate.Others, volume, bill, got, usage)
		}
		if rate.Others != nil && dearer.Fee().Sign() < 0 {
			shared++
		}
	}
	if shared < modeltest.Draws/200 {
		t.Errorf("got %d bills within a commitment that others use too, want more", shared)
	}
}

// TestOthersComeFirst has 8M tokens of others that cost 1 USD/Mtok, and a workload at 3 USD/Mtok of which 2M tokens fill the first tier of 10M and
// 3M lie in the second, at half the price: 6 + 4.5 USD. Of a commitment of 12 USD the others leave 4, which is due without the workload too.
func TestOthersComeFirst(t *testing.T) {
	t.Parallel()
	p := cost.Prices{Input: big.NewRat(1, 1), Output: big.NewRat(3, 1), Tiers: []cost.Tier{{Above: big.NewRat(10_000_000, 1), Times: big.NewRat(1, 2)}}}
	of := func(class model.Class, tokens int64) []cost.Usage {
		u := cost.Usage{}
		u.Tokens[class] = big.NewRat(tokens, 1)
		return []cost.Usage{u}
	}
	others, own := of(model.Input, 8_000_000), of(model.Output, 5_000_000)
	for _, tc := range []struct {
		name, want string
		change     func(p *cost.Prices)
	}{
		{"marginal", "10.5", func(*cost.Prices) {}},
		{"with a commitment", "6.5", func(p *cost.Prices) { p.MinimumCommit = big.NewRat(12, 1) }},
		{"within a commitment", "0", func(p *cost.Prices) { p.MinimumCommit = big.NewRat(100, 1) }},
		{"beyond a commitment, with a fee that is due anyway", "10.5", func(p *cost.Prices) { p.MinimumCommit, p.FixedMonthly = big.NewRat(7, 1), big.NewRat(50, 1) }},
		{"all units, the others at half their price too", "3.5", func(p *cost.Prices) { p.AllUnits = true }},
	} {
		p := p
		tc.change(&p)
		want, _ := new(big.Rat).SetString(tc.want)
		bill, err := p.MonthlyBeside(cost.Beside{Usage: others}, own)
		if err != nil || bill.Cost.Cmp(want) != 0 {
			t.Errorf("%s: got %v, %v, want %s USD", tc.name, bill.Cost, err, tc.want)
		}
	}
}

func total(usage []cost.Usage) *big.Rat {
	sum := new(big.Rat)
	for _, u := range usage {
		for _, n := range u.Tokens {
			sum.Add(sum, or(n, zero))
		}
	}
	return sum
}

func scaled(usage []cost.Usage, factor *big.Rat) []cost.Usage {
	var all []cost.Usage
	for _, u := range usage {
		for c, n := range u.Tokens {
			if n != nil {
				u.Tokens[c] = mul(n, factor)
			}
		}
		if u.Requests != nil {
			u.Requests = mul(u.Requests, factor)
		}
		all = append(all, u)
	}
	return all
}
