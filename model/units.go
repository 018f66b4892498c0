// Package model holds the nouns of tipline, each with its unit, as plain values without I/O, logs or a clock.
package model

// Tokens is a number of tokens. It is a float because a metrics server extrapolates increases.
type Tokens float64

// USD is an amount of US dollars. It is rounded only when printed.
type USD float64

// USDPerMTok is a price in dollars per million tokens.
type USDPerMTok float64

// Fraction is a ratio; 1 means the whole.
type Fraction float64

// Hosting is a way to serve a workload.
type Hosting string

// The four ways to serve a workload, simplest to operate first.
const (
	API          Hosting = "api"           // pay a provider per token
	CloudManaged Hosting = "cloud-managed" // a provider runs the model on instances paid per hour
	Hybrid       Hosting = "hybrid"        // two options share the work: the base load and the rest, or what can wait and what cannot
	SelfHosted   Hosting = "self-hosted"   // run the model on GPUs of one's own
)

// Hostings lists every Hosting, simplest to operate first: on equal cost the earlier one is preferred.
var Hostings = [...]Hosting{API, CloudManaged, Hybrid, SelfHosted}

// Preference returns the place of h in Hostings, 0 for the simplest; an unknown hosting comes last.
func (h Hosting) Preference() int {
	for i, known := range Hostings {
		if h == known {
			return i
		}
	}
	return len(Hostings)
}
