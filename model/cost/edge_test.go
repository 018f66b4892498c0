package cost_test

import (
	"math/big"
	"testing"

	"tipline/model"
	"tipline/model/cost"
)

// TestNoVolume holds the first row of section 15: without tokens an API costs its fixed part and a fleet its smallest size, and there is no
// price of a token.
func TestNoVolume(t *testing.T) {
	t.Parallel()
	p := cost.Prices{Input: one, Output: one, MinimumCommit: whole(300), FixedMonthly: whole(20)}
	bill, err := p.Monthly(nil)
	if err != nil || bill.Cost.Cmp(whole(320)) != 0 || bill.PerMTok() != nil {
		t.Errorf("an API: got %v, %v and %v a token, want its commitment and its fee, and none", bill.Cost, err, bill.PerMTok())
	}
	p.MinimumCommit, p.FixedMonthly = nil, nil
	if bill, err := p.Monthly(nil); err != nil || bill.Cost.Sign() != 0 || bill.PerMTok() != nil {
		t.Errorf("an API without either: got %v, %v", bill, err)
	}
	least := int64(2)
	f := fleet(t, cost.Capacity{TokensPerHour: whole(1000), BlockCostPerHour: whole(2), HoursPerMonth: whole(730), MinReplicas: &least, SpareReplicas: 1, FixedMonthly: whole(100)})
	if at, ok := f.At(zero); !ok || at.Replicas != 3 || at.Cost.Cmp(whole(3*2*730+100)) != 0 || at.Utilization.Sign() != 0 {
		t.Errorf("a fleet: got %+v, want two replicas and a spare", at)
	}
	idle := cost.NewLoad([]cost.LoadBlock{{Hours: whole(730), TokensPerHour: one}}).To(zero, whole(730))
	if h, ok := cost.FindHybrid(idle, f.Base(), cost.Rate{PerMTok: one, MinimumCommit: whole(300)}); !ok || h.APIOnly.Cmp(whole(300)) != 0 || h.Replicas != 2 || h.Overflow.Sign() != 0 {
		t.Errorf("a hybrid: got %+v, want its smallest base and the commitment", h)
	}
	if s, err := (cost.Autoscaled{PerReplica: one, ReplicaCost: whole(2), ScaleToZero: true}).At(idle); err != nil || s.Cost.Sign() != 0 {
		t.Errorf("a fleet that scales to zero: got %+v, %v, want nothing", s, err)
	}
}

// TestEndOfAStep holds that a volume exactly at the end of a step uses it and that one token more buys the next block, where floating point
// would not tell: a replica carries a third of 10^15 tokens.
func TestEndOfAStep(t *testing.T) {
	t.Parallel()
	f := fleet(t, cost.Capacity{TokensPerHour: big.NewRat(1e15, 3), BlockCostPerHour: one, HoursPerMonth: one})
	for _, tc := range []struct {
		volume *big.Rat
		want   int64
	}{{whole(1e15), 3}, {add(whole(1e15), one), 4}, {sub(whole(1e15), one), 3}} {
		if at, _ := f.At(tc.volume); at.Blocks != tc.want {
			t.Errorf("%s tokens: got %d blocks, want %d", tc.volume.RatString(), at.Blocks, tc.want)
		}
	}
}

// TestProductsBeyondFloats holds that prices times tokens are exact above 9·10^15, where a float64 leaves out every other number.
func TestProductsBeyondFloats(t *testing.T) {
	t.Parallel()
	const tokens = 1<<53 + 1
	var u cost.Usage
	u.Tokens[model.Input] = whole(tokens)
	bill, err := cost.Prices{Input: million, Output: million}.Monthly([]cost.Usage{u})
	if err != nil || bill.Cost.Cmp(whole(tokens)) != 0 || int64(float64(tokens)) == tokens {
		t.Errorf("got %v, %v, want %d USD", bill.Cost, err, int64(tokens))
	}
}

// TestNegativeTokens holds that a negative volume is an error and not a refund.
func TestNegativeTokens(t *testing.T) {
	t.Parallel()
	var u cost.Usage
	u.Tokens[model.Output] = whole(-5)
	if bill, err := (cost.Prices{Input: one, Output: one}).Monthly([]cost.Usage{u}); err == nil || err.Error() != "output tokens: got -5, want 0 or more" {
		t.Errorf("got %v, %v, want an error", bill.Cost, err)
	}
}
