package cost_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

func (r random) prices() cost.Prices {
	p := cost.Prices{Input: r.between(0, 10), Output: r.between(0, 40)}
	p.CacheRead = oneOf(r, nil, mul(p.Input, big.NewRat(1, 10)))
	p.CacheWrite = oneOf(r, nil, mul(p.Input, big.NewRat(5, 4)))
	p.BatchInput, p.BatchOutput = oneOf(r, nil, mul(p.Input, big.NewRat(1, 2))), oneOf(r, nil, mul(p.Output, big.NewRat(1, 2)))
	p.RequestFee = oneOf(r, nil, big.NewRat(1, 1000))
	p.Discount = oneOf(r, nil, r.between(0, 1))
	if r.IntN(3) == 0 {
		p.Long = &cost.Prices{Input: mul(p.Input, whole(2)), Output: mul(p.Output, big.NewRat(3, 2))}
	}
	return p
}

func (r random) usage() []cost.Usage {
	blocks := make([]cost.Usage, 1+r.IntN(4))
	for i := range blocks {
		for _, c := range model.Classes {
			blocks[i].Tokens[c] = oneOf(r, nil, whole(r.Int64N(1_000_000_000)))
		}
		blocks[i].Requests = oneOf(r, nil, whole(r.Int64N(100_000)))
		blocks[i].Batch, blocks[i].Long = r.IntN(3) == 0, r.IntN(3) == 0
	}
	return blocks
}

func monthly(t *testing.T, p cost.Prices, usage []cost.Usage) *big.Rat {
	t.Helper()
	bill, err := p.Monthly(usage)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	sum := new(big.Rat)
	for _, part := range bill.Parts {
		sum.Add(sum, part.USD)
	}
	if sum.Cmp(bill.Cost) != 0 {
		t.Errorf("%+v: parts sum to %s, want %s", p, sum.RatString(), bill.Cost.RatString())
	}
	return bill.Cost
}

// TestBillLaws holds properties 1 to 5 of the cost model, section 16.
func TestBillLaws(t *testing.T) {
	t.Parallel()
	r := newRandom(1)
	for range modeltest.Draws {
		p, usage := r.prices(), r.usage()
		bill := monthly(t, p, usage)

		doubled := slices.Clone(usage)
		for i := range doubled {
			for c, tokens := range doubled[i].Tokens {
				doubled[i].Tokens[c] = mul(or(tokens, zero), whole(2))
			}
			doubled[i].Requests = mul(or(doubled[i].Requests, zero), whole(2))
		}
		if got, want := monthly(t, p, doubled), mul(bill, whole(2)); got.Cmp(want) != 0 {
			t.Errorf("twice the usage of %+v: got %s, want %s", p, got.RatString(), want.RatString())
		}

		more := slices.Clone(usage)
		class := oneOf(r, model.Classes[:]...)
		more[0].Tokens[class] = add(or(more[0].Tokens[class], zero), whole(1+r.Int64N(1_000_000)))
		if got := monthly(t, p, more); got.Cmp(bill) < 0 {
			t.Errorf("more %s tokens on %+v: got %s, want at least %s", class, p, got.RatString(), bill.RatString())
		}

		if cached := slices.Clone(usage); !cached[0].Batch { // a batch tier may undercut the cache
			moved := or(cached[0].Tokens[model.Input], zero)
			cached[0].Tokens[model.CacheRead] = add(or(cached[0].Tokens[model.CacheRead], zero), moved)
			cached[0].Tokens[model.Input] = zero
			if got := monthly(t, p, cached); got.Cmp(bill) > 0 {
				t.Errorf("input read from the cache on %+v: got %s, want at most %s", p, got.RatString(), bill.RatString())
			}
		}

		committed := p
		committed.MinimumCommit = r.between(0, 20_000)
		if got := monthly(t, committed, usage); got.Cmp(committed.MinimumCommit) < 0 || got.Cmp(bill) < 0 {
			t.Errorf("with a commitment of %s: got %s, want at least that and %s", committed.MinimumCommit.RatString(), got.RatString(), bill.RatString())
		}

		turned := slices.Clone(usage)
		slices.Reverse(turned)
		if got := monthly(t, p, turned); got.Cmp(bill) != 0 {
			t.Errorf("blocks in another order: got %s, want %s", got.RatString(), bill.RatString())
		}
	}
}

func TestMissingPrices(t *testing.T) {
	t.Parallel()
	tokens := func(c model.Class) [model.NumClasses]*big.Rat {
		var all [model.NumClasses]*big.Rat
		all[c] = million
		return all
	}
	dear := &cost.Prices{Input: whole(4)}
	for _, tc := range []struct {
		name     string
		prices   cost.Prices
		usage    cost.Usage
		want     string
		fallback string // "" means none
	}{
		{
			"a cached token without a price of its own costs an input token",
			cost.Prices{Input: whole(2)},
			cost.Usage{Tokens: tokens(model.CacheRead)},
			"2", "cache_read",
		},
		{"a free class is free, not missing", cost.Prices{Input: whole(2), CacheRead: zero}, cost.Usage{Tokens: tokens(model.CacheRead)}, "0", ""},
		{"no batch discount is assumed", cost.Prices{Output: whole(2)}, cost.Usage{Tokens: tokens(model.Output), Batch: true}, "2", "batch"},
		{
			"a cached token of a long prompt costs a long input token",
			cost.Prices{Input: whole(2), CacheRead: one, Long: dear},
			cost.Usage{Tokens: tokens(model.CacheRead), Long: true},
			"4", "long-context",
		},
		{
			"an output token without a long price costs the usual one",
			cost.Prices{Output: whole(3), Long: dear},
			cost.Usage{Tokens: tokens(model.Output), Long: true},
			"3", "long-context",
		},
		{"input without a price has no cost", cost.Prices{Output: whole(2)}, cost.Usage{Tokens: tokens(model.Input)}, "", ""},
		{"output without a price has no cost", cost.Prices{Input: whole(2)}, cost.Usage{Tokens: tokens(model.Output)}, "", ""},
	} {
		bill, err := tc.prices.Monthly([]cost.Usage{tc.usage, tc.usage})
		if tc.want == "" {
			if !errors.Is(err, cost.ErrNoPrice) {
				t.Errorf("%s: got %v (%v), want %v", tc.name, bill.Cost, err, cost.ErrNoPrice)
			}
			continue
		}
		if err != nil || bill.Cost.Cmp(mul(rat(tc.want), whole(2))) != 0 {
			t.Errorf("%s: got %v (%v), want twice %s", tc.name, bill.Cost, err, tc.want)
		}
		said := len(bill.Fallbacks) == 1 && strings.Contains(bill.Fallbacks[0], tc.fallback)
		if tc.fallback == "" && len(bill.Fallbacks) > 0 || tc.fallback != "" && !said {
			t.Errorf("%s: fallbacks: got %q, want one about %q", tc.name, bill.Fallbacks, tc.fallback)
		}
	}
}

func TestPricesOutOfRange(t *testing.T) {
	t.Parallel()
	p := cost.Prices{Input: rat("-1"), Output: one, Discount: rat("1.5"), Long: &cost.Prices{CacheRead: rat("-0.25")}}
	_, err := p.Monthly(nil)
	want := "input: got -1, want 0 or more\ndiscount: got 1.5, want 0 or more and at most 1\nlong: cache_read: got -0.25, want 0 or more"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}
