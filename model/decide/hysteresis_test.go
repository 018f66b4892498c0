package decide

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"tipline/model/modeltest"
)

// TestBandLaws holds property 33 of the cost model, section 16: no two changes are closer than the confirmations allow, and an
// input that stays the same makes at most one.
func TestBandLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(33, 1))
	for range modeltest.Draws {
		b := Band{Enter: big.NewRat(1, 5), Leave: big.NewRat(1, 10), In: 1 + r.IntN(4), Out: 1 + r.IntN(4)}
		var side, constant Side
		last, changes := -10, 0
		same := big.NewRat(r.Int64N(200)-100, 100)
		for i := range 60 {
			saving := big.NewRat(r.Int64N(200)-100, 100)
			if r.IntN(5) == 0 {
				saving = nil
			}
			before := side
			var changed bool
			if side, changed = b.Next(side, saving); changed {
				if i-last < min(b.In, b.Out) {
					t.Errorf("%+v: changed at %d and at %d", b, last, i)
				}
				last = i
			}
			if saving == nil && (side != before || changed) {
				t.Errorf("%+v: an evaluation without data moved %+v to %+v", b, before, side)
			}
			if constant, changed = b.Next(constant, same); changed {
				changes++
			}
		}
		if changes > 1 {
			t.Errorf("%+v: a saving of %s all along changed sides %d times", b, same.RatString(), changes)
		}
	}
}
