package decide

import "math/big"

// Band is the dead band between leaving an option and going back to it (cost model, section 8).
type Band struct {
	Enter, Leave *big.Rat // saving and loss as shares of the current cost
	In, Out      int      // evaluations in a row that must agree to leave and to go back
}

// Side is where a Band stands: on the current option, or moved to the alternative.
type Side struct {
	Moved bool
	Count int // evaluations in a row that asked for the other side
}

// Next returns the side after an evaluation in which the alternative saves the share saving of the current cost, and whether
// it changed. A nil saving is an evaluation without data: it neither counts nor resets.
func (b Band) Next(s Side, saving *big.Rat) (Side, bool) {
	if saving == nil {
		return s, false
	}
	asks, need := saving.Cmp(b.Enter) >= 0, b.In
	if s.Moved {
		asks, need = saving.Cmp(new(big.Rat).Neg(b.Leave)) <= 0, b.Out
	}
	if !asks {
		return Side{Moved: s.Moved}, false
	}
	if s.Count++; s.Count < need {
		return s, false
	}
	return Side{Moved: !s.Moved}, true
}
