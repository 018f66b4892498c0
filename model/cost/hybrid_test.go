package cost_test

import (
	"math/big"
	"slices"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

func (r random) load() []cost.LoadBlock {
	blocks := make([]cost.LoadBlock, 1+r.IntN(8))
	for i := range blocks {
		blocks[i] = cost.LoadBlock{Hours: whole(1 + r.Int64N(200)), TokensPerHour: oneOf(r, zero, r.between(0, 40), r.between(0, 40))}
	}
	if !cost.NewLoad(blocks).Known() {
		blocks[0].TokensPerHour = one
	}
	return blocks
}

func (r random) base(hours *big.Rat) cost.Base {
	return cost.Base{
		PerReplica: r.between(1, 12), ReplicaCost: mul(oneOf(r, r.between(0, 3), big.NewRat(1, 20)), hours),
		Fixed: oneOf(r, zero, r.between(0, 500)), Variable: oneOf(r, zero, r.between(0, 90_000)),
	}
}

// splitByHand costs n replicas block by block, without the package.
func splitByHand(load []cost.LoadBlock, n int64, b cost.Base, api cost.Rate) (usd, own *big.Rat) {
	own, rest := new(big.Rat), new(big.Rat)
	for _, block := range load {
		carried := mul(whole(n), b.PerReplica)
		if carried.Cmp(block.TokensPerHour) > 0 {
			carried = block.TokensPerHour
		}
		own.Add(own, mul(carried, block.Hours))
		rest.Add(rest, mul(sub(block.TokensPerHour, carried), block.Hours))
	}
	usd = add(mul(whole(n), b.ReplicaCost), add(mul(quo(own, million), b.Variable), bill(api, rest)))
	if n > 0 {
		usd.Add(usd, b.Fixed)
	}
	return usd, own
}

func hoursOf(load []cost.LoadBlock) *big.Rat {
	hours := new(big.Rat)
	for _, b := range load {
		hours.Add(hours, b.Hours)
	}
	return hours
}

// TestHybridByHand tries every number of replicas (property 18), with tiers, commitments, quotas and least fleets too.
func TestHybridByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(6)
	hostings := map[model.Hosting]int{}
	for range modeltest.Draws {
		load := r.load()
		b, api := r.base(hoursOf(load)), r.tiered()
		b.Min = oneOf(r, 0, 0, r.Int64N(4))
		if r.IntN(3) == 0 {
			most := r.Int64N(6)
			b.Max = &most
		}
		l := cost.NewLoad(load)
		got, ok := cost.FindHybrid(l, b, api)
		if want := b.Max == nil || *b.Max >= b.Min; ok != want {
			t.Fatalf("%+v: possible %t, want %t", b, ok, want)
		}
		if !ok {
			continue
		}
		hostings[got.Best]++
		apiOnly, _ := splitByHand(load, 0, b, api)
		most := max(got.Full, b.Min)
		if b.Max != nil {
			most = min(most, *b.Max)
		}
		var best *big.Rat
		for n := max(b.Min, 1); n <= max(most, 1); n++ {
			if usd, _ := splitByHand(load, n, b, api); (b.Max == nil || n <= *b.Max) && (best == nil || usd.Cmp(best) < 0) {
				best = usd
			}
		}
		if best == nil || b.Min == 0 && apiOnly.Cmp(best) < 0 {
			best = apiOnly
		}
		want := best
		if apiOnly.Cmp(best) < 0 {
			want = apiOnly
		}
		if got.Cost.Cmp(want) != 0 || got.APIOnly.Cmp(apiOnly) != 0 {
			t.Errorf("%v with %+v against %+v: got %+v, want a cost of %s against %s on the API",
				load, b, api, got, want.RatString(), apiOnly.RatString())
		}
		if usd, own := splitByHand(load, got.Replicas, b, api); usd.Cmp(got.CostAtN) != 0 || own.Cmp(got.Own) != 0 {
			t.Errorf("%v with %+v against %+v: got %+v, want %s for %s tokens", load, b, api, got, usd.RatString(), own.RatString())
		}
		if b.Min > 0 && got.CostAtN.Cmp(best) != 0 {
			t.Errorf("%v with %+v against %+v: with at least %d replicas got %s, want %s",
				load, b, api, b.Min, got.CostAtN.RatString(), best.RatString())
		}
	}
	for _, h := range []model.Hosting{model.API, model.Hybrid, model.SelfHosted} {
		if hostings[h] < modeltest.Draws/100 {
			t.Errorf("only %d of the loads tried are best on %s", hostings[h], h)
		}
	}
}

// TestHybridLaws holds properties 16 to 21 of the cost model, section 16.
func TestHybridLaws(t *testing.T) {
	t.Parallel()
	r := newRandom(7)
	for range modeltest.Draws {
		load := r.load()
		b := r.base(hoursOf(load))
		api := cost.Rate{PerMTok: r.between(0, 300_000)}
		l := cost.NewLoad(load)
		got, _ := cost.FindHybrid(l, b, api)

		free := b
		free.Fixed = zero
		if h, _ := cost.FindHybrid(l, free, api); h.Cost.Cmp(h.APIOnly) > 0 || h.Cost.Cmp(l.Split(h.Full, free, api)) > 0 {
			t.Errorf("%v with %+v: the hybrid costs %s, more than the API or a full fleet", load, free, h.Cost.RatString())
		}

		total, last := new(big.Rat), (*big.Rat)(nil)
		for k := int64(1); k <= got.Full; k++ {
			s := l.Marginal(k, b)
			if last != nil && s.Cmp(last) > 0 {
				t.Errorf("%v: replica %d carries %s, more than the one before it with %s", load, k, s.RatString(), last.RatString())
			}
			total, last = add(total, s), s
		}
		if total.Cmp(l.Volume()) != 0 {
			t.Errorf("%v with %+v: the replicas carry %s, want %s", load, b, total.RatString(), l.Volume().RatString())
		}
		for n := int64(2); n < got.Full; n++ {
			bend := add(sub(l.Split(n+1, b, api), mul(whole(2), l.Split(n, b, api))), l.Split(n-1, b, api))
			if bend.Sign() < 0 && api.PerMTok.Cmp(b.Variable) >= 0 { // below v it is concave, and no replica pays
				t.Errorf("%v with %+v: the cost is not convex at %d replicas", load, b, n)
			}
		}

		dearer := api
		dearer.PerMTok = add(api.PerMTok, r.between(0, 90_000))
		if h, _ := cost.FindHybrid(l, b, dearer); h.Replicas < got.Replicas {
			t.Errorf("%v with %+v: a dearer API makes %d replicas of %d", load, b, h.Replicas, got.Replicas)
		}
		costly := b
		costly.ReplicaCost = add(b.ReplicaCost, r.between(0, 900))
		if h, _ := cost.FindHybrid(l, costly, api); h.Replicas > got.Replicas {
			t.Errorf("%v with %+v: dearer replicas make %d of %d", load, b, h.Replicas, got.Replicas)
		}

		flat := []cost.LoadBlock{{Hours: whole(730), TokensPerHour: r.between(1, 60)}}
		h, _ := cost.FindHybrid(cost.NewLoad(flat), b, api)
		if n := whole(h.Replicas); n.Sign() != 0 && n.Cmp(floor(quo(flat[0].TokensPerHour, b.PerReplica))) != 0 && h.Replicas != h.Full {
			t.Errorf("a flat load of %s with %+v: got %d replicas, want 0, the load rounded down or %d",
				flat[0].TokensPerHour.RatString(), b, h.Replicas, h.Full)
		}

		half := cost.LoadBlock{Hours: quo(load[0].Hours, whole(2)), TokensPerHour: load[0].TokensPerHour}
		parts := append(slices.Clone(load[1:]), half, half)
		if h, _ := cost.FindHybrid(cost.NewLoad(parts), b, api); h.Cost.Cmp(got.Cost) != 0 || h.Replicas != got.Replicas {
			t.Errorf("%v with a block cut in two: got %+v, want %+v", load, h, got)
		}
	}
}

// TestReplicaThatJustPaysIsNotBought holds that a tie goes to the API.
func TestReplicaThatJustPaysIsNotBought(t *testing.T) {
	t.Parallel()
	flat := cost.NewLoad([]cost.LoadBlock{{Hours: whole(100), TokensPerHour: whole(30_000)}})
	b := cost.Base{PerReplica: whole(10_000), ReplicaCost: one, Fixed: zero, Variable: zero}
	for _, tc := range []struct {
		price string
		want  int64
	}{{"1", 0}, {"1.01", 3}} { // a full replica carries 1M tokens
		if got, _ := cost.FindHybrid(flat, b, cost.Rate{PerMTok: rat(tc.price)}); got.Replicas != tc.want {
			t.Errorf("at %s USD per million tokens: got %d replicas, want %d", tc.price, got.Replicas, tc.want)
		}
	}
}

// TestLoadTo holds that a curve brought to another volume and month carries that volume in that many hours at the same shape.
func TestLoadTo(t *testing.T) {
	t.Parallel()
	l := cost.LoadOf(model.LoadCurve{{Hours: 84, TokensPerHour: 100}, {Hours: 84, TokensPerHour: 300.4}})
	month := l.To(whole(73_000), whole(730))
	if month.Volume().Cmp(whole(73_000)) != 0 || month.Peak().Cmp(whole(150)) != 0 {
		t.Errorf("got %s tokens with a peak of %s, want 73000 and 150: the mean is 100 an hour and the peak 1.5 times it",
			month.Volume().RatString(), month.Peak().RatString())
	}
	if carried := month.Carried(whole(100)); carried.Cmp(whole(365*50+365*100)) != 0 {
		t.Errorf("100 tokens an hour carry %s of 73000, want 54750", carried.RatString())
	}
}
