package cost

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"tipline/model/modeltest"
)

// TestRounding holds that parts of a whole are rounded as the fraction that they are, whatever the length of the two numbers.
func TestRounding(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(52, 1))
	number := func() *big.Int {
		n := new(big.Int).SetUint64(r.Uint64() >> r.IntN(64))
		for range r.IntN(4) {
			n.Add(n.Lsh(n, uint(r.IntN(64))), new(big.Int).SetUint64(r.Uint64()>>r.IntN(64)))
		}
		return n
	}
	var rounded rounding
	for range 10 * modeltest.Draws {
		n, unit := number(), number()
		unit.Add(unit, one.Num())
		if r.IntN(4) == 0 { // halfway between two floats, or next to that
			n.Add(n.Mul(unit, big.NewInt(1<<54+2*r.Int64N(1<<53)+1)), big.NewInt(r.Int64N(3)-1))
		}
		if got, want := rounded.float(n, unit), Float(new(big.Rat).SetFrac(n, unit)); got != want {
			t.Fatalf("%s of %s: got %v, want %v", n, unit, got, want)
		}
	}
}
