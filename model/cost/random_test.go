package cost_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"tipline/model/cost"
	"tipline/model/modeltest"
)

// random draws the inputs of the properties, always the same ones.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 20261124))} }

// between returns a number from low to high with up to two decimals.
func (r random) between(low, high int64) *big.Rat {
	return big.NewRat(100*low+r.Int64N(100*(high-low)+1), 100)
}

// oneOf returns one of values.
func oneOf[T any](r random, values ...T) T { return values[r.IntN(len(values))] }

// capacity returns a fleet whose replica carries some thousands of tokens a month, with every field in use now and then.
func (r random) capacity() cost.Capacity {
	c := cost.Capacity{
		TokensPerHour: r.between(1, 40), BlockCostPerHour: oneOf(r, r.between(0, 3), r.between(0, 1), new(big.Rat)),
		HoursPerMonth: oneOf(r, nil, big.NewRat(720, 1)), TargetUtilization: oneOf(r, nil, big.NewRat(3, 5), big.NewRat(1, 3)),
		PeakFactor: oneOf(r, nil, r.between(1, 4)), ReplicasPerBlock: r.Int64N(4), ManagedOverhead: oneOf(r, nil, r.between(0, 1)),
		SpareReplicas: r.Int64N(4), FixedMonthly: oneOf(r, nil, r.between(0, 900), r.between(0, 9000)),
		VariablePerMTok: oneOf(r, nil, r.between(0, 90_000)),
	}
	if r.IntN(2) == 0 {
		n := r.Int64N(5)
		c.MinReplicas = &n
	}
	if r.IntN(3) == 0 {
		n := oneOf(r, r.Int64N(4), r.Int64N(30))
		c.MaxReplicas = &n
	}
	return c
}

func rat(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

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
func whole(n int64) *big.Rat     { return new(big.Rat).SetInt64(n) }

var (
	zero    = new(big.Rat)
	one     = big.NewRat(1, 1)
	million = big.NewRat(1_000_000, 1)
)

// show writes a capacity for a failure.
func show(c cost.Capacity) string {
	n := func(n *int64) string {
		if n == nil {
			return "none"
		}
		return fmt.Sprint(*n)
	}
	return fmt.Sprintf("κ=%v c=%v H=%v u=%v φ=%v k=%d m=%v min=%s spare=%d max=%s F=%v v=%v", c.TokensPerHour, c.BlockCostPerHour, c.HoursPerMonth,
		c.TargetUtilization, c.PeakFactor, c.ReplicasPerBlock, c.ManagedOverhead, n(c.MinReplicas), c.SpareReplicas, n(c.MaxReplicas), c.FixedMonthly,
		c.VariablePerMTok)
}

func fleet(t *testing.T, c cost.Capacity) *cost.Fleet {
	t.Helper()
	f, err := c.Fleet()
	if err != nil {
		t.Fatalf("%s: %v", show(c), err)
	}
	return f
}

// byHand buys replicas one at a time until they carry volume, and blocks one at a time until they hold the replicas. It shares
// no code with the package. It is false above the quota.
func byHand(c cost.Capacity, volume *big.Rat) (replicas, blocks int64, usd *big.Rat, ok bool) {
	hours := or(c.HoursPerMonth, whole(730))
	carries := quo(mul(mul(c.TokensPerHour, or(c.TargetUtilization, one)), hours), or(c.PeakFactor, one))
	if replicas = 1; c.MinReplicas != nil {
		replicas = *c.MinReplicas
	}
	for mul(whole(replicas), carries).Cmp(volume) < 0 {
		replicas++
	}
	replicas += c.SpareReplicas
	if c.MaxReplicas != nil && replicas > *c.MaxReplicas {
		return 0, 0, nil, false
	}
	for blocks*max(1, c.ReplicasPerBlock) < replicas {
		blocks++
	}
	perBlock := mul(mul(c.BlockCostPerHour, add(one, or(c.ManagedOverhead, zero))), hours)
	usd = add(or(c.FixedMonthly, zero), mul(whole(blocks), perBlock))
	return replicas, blocks, usd.Add(usd, mul(quo(volume, million), or(c.VariablePerMTok, zero))), true
}

// TestFloat holds that a fraction is rounded to the nearest float, whatever its numbers are.
func TestFloat(t *testing.T) {
	t.Parallel()
	r := newRandom(51)
	for range 50 * modeltest.Draws {
		n, d := r.Int64N(1<<r.Int64N(63)), 1+r.Int64N(1<<r.Int64N(63))
		if r.IntN(2) == 0 {
			n = -n
		}
		v := big.NewRat(n, d)
		if want, _ := v.Float64(); cost.Float(v) != want {
			t.Fatalf("%d/%d: got %v, want %v", n, d, cost.Float(v), want)
		}
	}
}
