package collector

import (
	"slices"
	"time"
)

// A span is a run of whole hours from From up to, not including, To.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (s span) hours() int { return int(s.To.Sub(s.From) / time.Hour) }

// spans is a set of hours: sorted spans that neither overlap nor touch.
type spans []span

// with returns the set that also holds s.
func (set spans) with(s span) spans {
	if !s.From.Before(s.To) {
		return set
	}
	var before, after spans
	for _, other := range set {
		switch {
		case other.To.Before(s.From):
			before = append(before, other)
		case s.To.Before(other.From):
			after = append(after, other)
		default:
			s.From, s.To = earlier(s.From, other.From), later(s.To, other.To)
		}
	}
	return append(append(before, s), after...)
}

// without returns the set without the hours of s.
func (set spans) without(s span) spans {
	var rest spans
	for _, other := range set {
		if left := (span{other.From, earlier(other.To, s.From)}); left.From.Before(left.To) {
			rest = append(rest, left)
		}
		if right := (span{later(other.From, s.To), other.To}); right.From.Before(right.To) {
			rest = append(rest, right)
		}
	}
	return rest
}

// wholeHours returns the set as it should have been written.
func (set spans) wholeHours() spans {
	var whole spans
	for _, s := range set {
		whole = whole.with(span{s.From.Truncate(time.Hour), s.To.Truncate(time.Hour)})
	}
	return whole
}

// missing returns the hours of window that the set lacks.
func (set spans) missing(window span) spans {
	if !window.From.Before(window.To) {
		return nil
	}
	gaps := spans{window}
	for _, have := range set {
		gaps = gaps.without(have)
	}
	return gaps
}

// chunks covers the hours of the set by few spans of at most size hours, newest first. Those of a day begin at midnight after the first, which is as long
// as all: a day that two of them share is written twice.
func (set spans) chunks(size int) []span {
	var chunks []span
	rest := slices.Clone(set)
	for len(rest) > 0 {
		to := rest[len(rest)-1].To
		chunk := span{to.Add(-time.Duration(size) * time.Hour), to}
		if midnight := to.Add(-1).Truncate(24 * time.Hour); len(chunks) > 0 && size == 24 && rest[0].From.Before(chunk.From) {
			chunk.From = midnight
		}
		for _, s := range rest { // begin at the oldest hour within reach
			if s.To.After(chunk.From) {
				chunk.From = later(chunk.From, s.From)
				break
			}
		}
		chunks = append(chunks, chunk)
		rest = rest.without(chunk)
	}
	return chunks
}

// shorter divides those of chunks that are longer than size hours, newest first as they are.
func shorter(chunks []span, size int) []span {
	var short []span
	for _, s := range chunks {
		for s.hours() > size {
			from := s.To.Add(-time.Duration(size) * time.Hour)
			short = append(short, span{from, s.To})
			s.To = from
		}
		short = append(short, s)
	}
	return short
}

// untilMidnight returns as many of batch, newest first, as end with the beginning of a day, all of them when none does: of a day that is asked for in
// parts, a part that is kept before the others is written and read once more.
func untilMidnight(batch []span) []span {
	for n := len(batch); n > 0; n-- {
		if from := batch[n-1].From; from.Equal(from.Truncate(24 * time.Hour)) {
			return batch[:n]
		}
	}
	return batch
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
