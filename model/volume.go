package model

// Class is a kind of token that has a price of its own. Classes are disjoint: they add up to what is billed.
type Class int

// The token classes.
const (
	Input        Class = iota // prompt tokens that were not read from a cache
	CacheRead                 // prompt tokens read from a prompt or prefix cache
	CacheWrite                // prompt tokens written to a cache that lives five minutes
	CacheWrite1h              // prompt tokens written to a cache that lives an hour
	Output                    // generated tokens, thinking included
	NumClasses
)

// Classes lists every Class in the order in which they are shown.
var Classes = [NumClasses]Class{Input, CacheRead, CacheWrite, CacheWrite1h, Output}

// String returns the name of c as configuration, JSON and metrics spell it.
func (c Class) String() string {
	return [NumClasses]string{"input", "cache_read", "cache_write", "cache_write_1h", "output"}[c]
}

// Volume is a number of tokens of each class.
type Volume [NumClasses]Tokens

// Total returns the tokens of all classes together, cached ones included.
func (v Volume) Total() Tokens {
	var sum Tokens
	for _, n := range v {
		sum += n
	}
	return sum
}

// Add returns the sum of v and w, class by class.
func (v Volume) Add(w Volume) Volume {
	for c := range v {
		v[c] += w[c]
	}
	return v
}

// Share returns the part of the total that class c makes, and false when the total is not above zero.
func (v Volume) Share(c Class) (Fraction, bool) {
	total := v.Total()
	if !(total > 0) {
		return 0, false
	}
	return Fraction(v[c] / total), true
}
