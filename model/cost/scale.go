package cost

import (
	"errors"
	"fmt"
	"math/big"
)

// A Scale is what a contract over several APIs takes off what they are charged for together in a month, by volume (cost model, section 3: the tiers
// of one API, for the bill of all). A nil Scale takes nothing off.
type Scale struct {
	Steps    []ScaleStep // ascending
	ByTokens bool        // the steps count the tokens of all of them; otherwise what they charge in USD before the scale
	AllUnits bool        // the step that a month reaches is for all of it; otherwise for what is above it
}

// ScaleStep is what is taken off above a volume.
type ScaleStep struct {
	Above    *big.Rat // tokens or USD a month
	Discount *big.Rat // share, 0 to 1
}

// Used is what is used under a contract in a month.
type Used struct {
	USD    *big.Rat // charged before the Scale
	Tokens *big.Rat
}

// plus returns u and what comes after it.
func (u Used) plus(other Used) Used { return Used{add(u.USD, other.USD), add(u.Tokens, other.Tokens)} }

// Validate returns an error that names every step that is out of range.
func (s *Scale) Validate() error {
	if s == nil {
		return nil
	}
	var errs []error
	bound := zero
	for i, step := range s.Steps {
		if step.Above == nil || step.Above.Cmp(bound) <= 0 {
			errs = append(errs, fmt.Errorf("contract tier %d: above: got %s, want more than %s", i+1, text(step.Above), Decimal(bound)))
		}
		if step.Discount == nil || step.Discount.Sign() < 0 || step.Discount.Cmp(one) > 0 {
			errs = append(errs, fmt.Errorf("contract tier %d: discount: got %s, want a share from 0 to 1", i+1, text(step.Discount)))
		}
		bound = or(step.Above, bound)
	}
	return errors.Join(errs...)
}

// pieces returns what is paid of a volume as straight pieces of it, in what it is counted in. The To of the last is nil.
func (s *Scale) pieces() []Segment {
	last := Segment{From: zero, Alpha: zero, Beta: one}
	pieces := make([]Segment, 0, 1+len(s.Steps))
	for _, step := range s.Steps {
		last.To = step.Above
		pieces = append(pieces, last)
		next := Segment{From: step.Above, Alpha: zero, Beta: sub(one, step.Discount)}
		if !s.AllUnits { // the two meet at the bound
			next.Alpha = add(last.Alpha, mul(step.Above, sub(last.Beta, next.Beta)))
		}
		last = next
	}
	return append(pieces, last)
}

// paid returns what is paid of a volume, in what it is counted in.
func (s *Scale) paid(volume *big.Rat) *big.Rat {
	for _, piece := range s.pieces() {
		if piece.To == nil || volume.Cmp(piece.To) <= 0 {
			return add(piece.Alpha, mul(piece.Beta, volume))
		}
	}
	panic("cost: the last piece of a scale has no end")
}

// ratio returns which part of the price is paid of the tokens that come after those that were used before, of which there may be none.
func (s *Scale) ratio(before, tokens *big.Rat) *big.Rat {
	if tokens.Sign() == 0 || s.AllUnits {
		for _, piece := range s.pieces() {
			if all := add(before, tokens); piece.To == nil || all.Cmp(piece.To) <= 0 {
				return piece.Beta
			}
		}
	}
	return quo(sub(s.paid(add(before, tokens)), s.paid(before)), tokens)
}

// Due returns what is charged for u, in USD, without the commitment. Where the steps count tokens, what they price has the mix of all.
func (s *Scale) Due(u Used) *big.Rat {
	switch {
	case s == nil:
		return u.USD
	case s.ByTokens:
		return mul(u.USD, s.ratio(zero, u.Tokens))
	}
	return s.paid(u.USD)
}

// adds returns what u is charged for after what was used before, in USD: the bill with it less the bill without. Where the steps price the tokens
// above them, those of u are the last, as in the tiers of an API.
func (s *Scale) adds(before, u Used) *big.Rat {
	if s != nil && s.ByTokens && !s.AllUnits {
		return mul(u.USD, s.ratio(before.Tokens, u.Tokens))
	}
	return sub(s.Due(before.plus(u)), s.Due(before))
}

// formula says how adds comes to what it is.
func (s *Scale) formula(before, u Used) string {
	all := before.plus(u)
	if !s.ByTokens {
		return fmt.Sprintf("%s to %s USD of the contract in a month, of which %s to %s are charged",
			Decimal(before.USD), Decimal(all.USD), Decimal(s.Due(before)), Decimal(s.Due(all)))
	}
	return fmt.Sprintf("%s USD after its discount, as %s to %s tokens of the contract in a month are charged",
		Decimal(s.adds(before, u)), Decimal(before.Tokens), Decimal(all.Tokens))
}

// over returns what s makes of pieces of a bill, which come after what was used before.
func (s *Scale) over(bill []Segment, before Used) (all []Segment) {
	theirs := s.Due(before)
	for _, b := range bill {
		for _, piece := range s.pieces() {
			// The volumes of b at which the contract is in the piece: what b charges never falls within it.
			from, to := s.reach(b, piece.From, before), s.reach(b, piece.To, before)
			if from == nil || to != nil && to.Cmp(b.From) <= 0 || b.To != nil && from.Cmp(b.To) >= 0 {
				continue
			}
			next := Segment{From: greater(from, b.From), To: to, Beta: mul(piece.Beta, b.Beta)}
			if b.To != nil && (to == nil || b.To.Cmp(to) < 0) {
				next.To = b.To
			}
			switch {
			case !s.ByTokens:
				next.Alpha = sub(add(piece.Alpha, mul(piece.Beta, add(before.USD, b.Alpha))), theirs)
			case s.AllUnits:
				next.Alpha = sub(mul(piece.Beta, add(before.USD, b.Alpha)), theirs)
			default:
				paid := sub(add(piece.Alpha, mul(piece.Beta, before.Tokens)), s.paid(before.Tokens))
				next.Alpha = add(mul(piece.Beta, b.Alpha), mul(b.Beta, paid))
			}
			all = append(all, next)
		}
	}
	return all
}

// reach returns the volume of a piece of a bill, extended at both ends, above which the contract is above bound; nil for none.
func (s *Scale) reach(b Segment, bound *big.Rat, before Used) *big.Rat {
	switch {
	case bound == nil:
		return nil
	case bound.Sign() == 0:
		return zero
	case s.ByTokens:
		return greater(sub(bound, before.Tokens), zero)
	}
	left := sub(bound, add(before.USD, b.Alpha))
	switch {
	case left.Sign() < 0:
		return zero
	case b.Beta.Sign() == 0:
		return nil
	}
	return quo(left, b.Beta)
}

// per returns s for tokens of which each is ratio of those that s counts.
func (s *Scale) per(ratio *big.Rat) *Scale {
	if s == nil || !s.ByTokens {
		return s
	}
	other := &Scale{ByTokens: true, AllUnits: s.AllUnits}
	for _, step := range s.Steps {
		other.Steps = append(other.Steps, ScaleStep{quo(step.Above, ratio), step.Discount})
	}
	return other
}

// ratios returns which parts of a price may be paid of what comes after what was used before.
func (s *Scale) ratios(before Used) (all []*big.Rat) {
	if s == nil {
		return []*big.Rat{one}
	}
	volume := before.USD
	if s.ByTokens {
		volume = before.Tokens
	}
	for _, piece := range s.pieces() {
		if piece.To == nil || piece.To.Cmp(volume) > 0 {
			all = append(all, piece.Beta)
		}
	}
	return all
}
