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

// Total returns the tokens of all classes together, cached ones included. Written out, it takes a sixth of the time of a loop, and every hour is added up.
func (v Volume) Total() Tokens {
	return v[Input] + v[CacheRead] + v[CacheWrite] + v[CacheWrite1h] + v[Output]
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

// Reported is a usage as a provider or an engine counts it, whose counts may lie inside one another (cost model, section 2.1).
type Reported struct {
	Prompt              Tokens
	CacheRead           Tokens // prompt tokens read from a cache
	CacheWrite          Tokens // prompt tokens written to a cache for five minutes
	CacheWrite1h        Tokens // prompt tokens written to a cache for an hour
	Completion          Tokens
	Thinking            Tokens // of reasoning, where they are not inside Completion
	PromptIncludesCache bool   // Prompt counts what was read from and written to a cache too
}

// Volume returns the disjoint classes of r, which add up to what is billed. Input is negative when more is said to have come
// out of the cache than went in: such counts do not belong together.
func (r Reported) Volume() Volume {
	v := Volume{
		Input: r.Prompt, CacheRead: r.CacheRead, CacheWrite: r.CacheWrite, CacheWrite1h: r.CacheWrite1h, Output: r.Completion + r.Thinking,
	}
	if r.PromptIncludesCache {
		v[Input] -= r.CacheRead + r.CacheWrite + r.CacheWrite1h
	}
	return v
}
