package decide

import (
	"fmt"
	"math/big"
)

// maxFactors is how many inputs a change is split over at most: the split looks at every subset of them. The cost model names
// seven in section 12; what others use of an account is the eighth.
const maxFactors = int(numFactors)

// Attribute splits the change of a cost between two evaluations over n inputs by Shapley value: the average, over all orders
// in which the inputs may have changed, of what each change added (cost model, section 12). The parts sum to the change, do
// not depend on an order, and an input that did not change has none. At returns the cost with the inputs whose bit is set
// as they are now and the others as they were.
func Attribute(n int, at func(changed uint) *big.Rat) (delta *big.Rat, parts []*big.Rat, err error) {
	if n < 1 || n > maxFactors {
		return nil, nil, fmt.Errorf("attribution: got %d inputs, want 1 to %d", n, maxFactors)
	}
	costs := make([]*big.Rat, 1<<n)
	for set := range costs {
		if costs[set] = at(uint(set)); costs[set] == nil {
			return nil, nil, fmt.Errorf("attribution: there is no cost for the set %b of changes", set)
		}
	}
	parts = make([]*big.Rat, n)
	for i := range parts {
		parts[i] = new(big.Rat)
		for set := range costs {
			if set&(1<<i) != 0 {
				continue
			}
			added := new(big.Rat).Sub(costs[set|1<<i], costs[set])
			parts[i].Add(parts[i], added.Mul(added, weight(n, set)))
		}
	}
	return new(big.Rat).Sub(costs[len(costs)-1], costs[0]), parts, nil
}

// weight returns in which share of the orders of n inputs just those in set come before a given other one.
func weight(n, set int) *big.Rat {
	before := 0
	for ; set != 0; set &= set - 1 {
		before++
	}
	return new(big.Rat).SetFrac(new(big.Int).Mul(factorial(before), factorial(n-1-before)), factorial(n))
}

func factorial(n int) *big.Int { return new(big.Int).MulRange(1, int64(n)) }
