package model

import "math"

// Prompts says how long the prompts of a workload were: a histogram of their tokens.
type Prompts struct {
	Bounds   []float64 // tokens up to which a bucket counts, ascending and above 0; the last bucket has no bound
	Requests []float64 // of every bucket, one more than Bounds
	Tokens   float64   // of all prompts together
}

// Range is a share that is known to lie between two others.
type Range struct{ Low, High Fraction }

// Middle returns the share halfway between the ends of r.
func (r Range) Middle() Fraction { return (r.Low + r.High) / 2 }

// Above returns which share of the requests, and which of the tokens of prompts, are of prompts longer than threshold tokens. A bucket that
// the threshold lies in may be all above it or all below, so that coarse buckets give wide ranges. It is false when there was no request, or
// the buckets cannot be right.
func (p Prompts) Above(threshold float64) (requests, tokens Range, known bool) {
	var all, surely, perhaps float64           // requests: all, those certainly above, those that may be
	var least, most, otherLeast, other float64 // tokens of those certainly above at least, of those that may be at most; the same of the rest
	low := 0.0
	for i, n := range p.Requests {
		high := math.Inf(1)
		if i < len(p.Bounds) {
			high = p.Bounds[i]
		}
		if !(n >= 0) || !(high > low) {
			return Range{}, Range{}, false
		}
		all += n
		switch {
		case n == 0:
		case low >= threshold:
			surely, perhaps = surely+n, perhaps+n
			least, most = least+n*low, most+n*high
		case high > threshold:
			perhaps += n
			most += n * high
			other += n * threshold
		default:
			otherLeast, other = otherLeast+n*low, other+n*high
		}
		low = high
	}
	if !(all > 0) || !(p.Tokens > 0) || len(p.Requests) != len(p.Bounds)+1 {
		return Range{}, Range{}, false
	}
	perhaps = max(surely, min(perhaps, p.Tokens/threshold)) // so many prompts of the threshold's length have all the tokens
	requests = Range{Fraction(surely / all), Fraction(perhaps / all)}
	// What the others may have at most is not above the threshold, and what they have at least is not either.
	lowest := max(least, p.Tokens-other) / p.Tokens
	highest := min(most, p.Tokens-otherLeast) / p.Tokens
	tokens = Range{Fraction(min(1, max(0, lowest))), Fraction(min(1, max(0, highest)))}
	if perhaps == 0 {
		tokens = Range{}
	}
	if tokens.Low > tokens.High { // the sum and the buckets were not read at the same instant
		tokens = Range{tokens.High, tokens.Low}
	}
	return requests, tokens, true
}

// merge returns the prompts of p and q together; nil when the buckets are others, or one of them is not known.
func (p *Prompts) merge(q *Prompts) *Prompts {
	if p == nil || q == nil || len(p.Bounds) != len(q.Bounds) || len(p.Requests) != len(q.Requests) {
		return nil
	}
	sum := Prompts{Bounds: p.Bounds, Tokens: p.Tokens + q.Tokens}
	for i, bound := range p.Bounds {
		if bound != q.Bounds[i] {
			return nil
		}
	}
	for i := range p.Requests {
		sum.Requests = append(sum.Requests, p.Requests[i]+q.Requests[i])
	}
	return &sum
}
