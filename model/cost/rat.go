package cost

import "math/big"

var (
	zero    = new(big.Rat)
	one     = big.NewRat(1, 1)
	million = big.NewRat(1_000_000, 1)
)

// DefaultHours is the number of hours in a month: 8760/12 (cost model, section 1).
var DefaultHours = big.NewRat(730, 1)

func or(r, fallback *big.Rat) *big.Rat {
	if r == nil {
		return fallback
	}
	return r
}

func add(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(a, b) }
func sub(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func mul(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func quo(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(a, b) }

// accumulate adds x to total. Whole numbers, of which a load has hundreds, take no memory for it.
func accumulate(total, x *big.Rat) {
	if total.IsInt() && x.IsInt() {
		total.Num().Add(total.Num(), x.Num())
		return
	}
	total.Add(total, x)
}

func integer(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func greater(a, b *big.Rat) *big.Rat {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// floor returns the greatest whole number at or below r.
func floor(r *big.Rat) *big.Int {
	// Div rounds towards minus infinity for the positive denominators that a Rat has.
	return new(big.Int).Div(r.Num(), r.Denom())
}

// ceil returns the least whole number at or above r.
func ceil(r *big.Rat) *big.Int {
	n := floor(r)
	if r.IsInt() {
		return n
	}
	return n.Add(n, big.NewInt(1))
}
