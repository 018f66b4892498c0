package decide

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// TestBreakEvensByHand has machines of 200,000 USD a block, of which the hour counts 5,000 USD a month. At 20.2778B tokens a month four blocks of 7.98
// USD an hour run, 23,301.60 USD, with 9,387 of operations 32,688.60, of which 12,688.60 are not the machines: 800,000 USD are paid back by the 60,833.33
// of an API at 3 USD/Mtok in 16.62 months. A request is 2,000 tokens, 0.006 USD: 1,330 an hour pay a replica, which serves 9,082.8 of them.
func TestBreakEvensByHand(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[3].Owned = &Owned{Capex: rat("200000"), Capital: rat("5000")}
	in := input(projection(2e10, 0, 0), options)
	b := BreakEvens(in)
	if len(b.Owned) != 2 { // the hybrid has the same machines
		t.Fatalf("got %+v, want the fleet and the hybrid on it", b.Owned)
	}
	for _, o := range b.Owned {
		if o.Option != "self" {
			continue
		}
		if want := 800_000 / (60_833.3333 - 12_688.60); o.Reason != cost.PaysBack || o.CapexUSD != 800_000 || math.Abs(float64(o.RunningUSDPerMonth)-12_688.60) > 0.01 || math.Abs(*o.Months-want) > 1e-3 {
			t.Errorf("got %+v, want 800,000 USD paid back in %v months", o, want)
		}
	}
	found := false
	for _, r := range b.PerRequest {
		if r.Option != "self" {
			continue
		}
		found = true
		if math.Abs(r.Breakeven-1_330) > 1e-3 || math.Abs(r.Requests-30_276_000*0.6/2_000) > 1e-3 || math.Abs(float64(r.USDPerRequest)-7.98/9_082.8) > 1e-9 || r.Against != "api" {
			t.Errorf("got %+v, want 1,330 of 9,082.8 requests an hour", r)
		}
	}
	if !found {
		t.Errorf("got %+v, want the fleet among them", b.PerRequest)
	}
	if len(b.LeftOut) != 1 || b.LeftOut[0] != "hybrid" {
		t.Errorf("got %v left out, want the hybrid", b.LeftOut)
	}
	in.Current = "self" // which is bought already
	for _, o := range BreakEvens(in).Owned {
		if o.Option == "self" {
			t.Errorf("got %+v for the machines that are in use", o)
		}
	}
}

// TestCheapestIsTheArgmin holds property 22 of what is shown: at any volume the option that is said to be cheapest is the one that costs least of those
// that are compared, and the ranges have no gap.
func TestCheapestIsTheArgmin(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(22, 1))
	winners := map[string]int{}
	for range modeltest.Draws / 20 {
		options := four("1")
		options[0].API = &cost.Prices{Input: big.NewRat(1+r.Int64N(400), 211), Output: big.NewRat(1+r.Int64N(900), 307), Tiers: randomTiers(r), AllUnits: r.IntN(2) == 0}
		in := input(projection(1e8+r.Float64()*4e10, 0, 0.2), options)
		if options[0].Account = "account"; r.IntN(2) == 0 {
			in.Others = randomOthers(r)
		}
		b := BreakEvens(in)
		d, _ := in.demand()
		all, _ := candidates(in, d)
		before := model.Tokens(0)
		for _, w := range b.Cheapest {
			if w.From != before || w.To <= w.From {
				t.Fatalf("a range %+v after %v", w, before)
			}
			before = w.To
			volume := whole(float64(w.From) + r.Float64()*float64(w.To-w.From))
			if v := model.Tokens(float(volume)); v <= w.From || v > w.To {
				continue
			}
			winners[w.Option]++
			said := find(all, w.Option).at(volume)
			for _, c := range all {
				if c.option.Hosting == model.Hybrid {
					continue
				}
				if other := c.at(volume); other.usd != nil && float(other.usd) < float(said.usd)-1e-6*math.Abs(float(said.usd)) {
					t.Fatalf("at %s tokens %s costs %v, %s is said to be cheapest at %v", volume, c.option.Name, float(other.usd), w.Option, float(said.usd))
				}
			}
		}
		if before != b.SearchedTokens {
			t.Fatalf("the ranges end at %v, want %v", before, b.SearchedTokens)
		}
	}
	if len(winners) < 3 {
		t.Errorf("got the winners %v, want every option among them", winners)
	}
}
