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
