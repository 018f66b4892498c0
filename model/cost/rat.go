package cost

import (
	"math"
	"math/big"
)

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

// perMillion returns what tokens cost at a price in USD per million of them.
func perMillion(tokens, price *big.Rat) *big.Rat {
	usd := mul(tokens, price)
	return usd.Quo(usd, million)
}

// Float returns the nearest float64. A fraction of two numbers that are floats themselves, as most are, takes no memory.
func Float(r *big.Rat) float64 {
	const exact = 1 << 53
	if n := r.Num(); n.IsInt64() && n.Int64() <= exact && n.Int64() >= -exact {
		if r.IsInt() {
			return float64(n.Int64())
		}
		if d := r.Denom(); d.IsInt64() && d.Int64() <= exact {
			return float64(n.Int64()) / float64(d.Int64())
		}
	}
	f, _ := r.Float64()
	return f
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

// rounding is the memory that float takes.
type rounding struct{ quotient, rest big.Int }

// float returns the float nearest to n parts, at least 0 of them, of which unit make a whole: Float of the fraction, which need not be made.
func (r *rounding) float(n, unit *big.Int) float64 {
	const exact = 53 // bits
	if n.BitLen() <= exact && unit.BitLen() <= exact {
		return float64(n.Int64()) / float64(unit.Int64())
	}
	// 63 or 64 bits of the quotient, the last of which says whether there is more, round as all of it does.
	shift := 63 + unit.BitLen() - n.BitLen()
	if shift >= 0 {
		r.quotient.Lsh(n, uint(shift))
	} else {
		r.quotient.Set(n)
		unit = new(big.Int).Lsh(unit, uint(-shift))
	}
	r.quotient.QuoRem(&r.quotient, unit, &r.rest)
	bits := r.quotient.Uint64()
	if r.rest.Sign() != 0 {
		bits |= 1
	}
	return math.Ldexp(float64(bits), -shift)
}
