package collector

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"tipline/model"
)

const (
	// SkewTold is by how much the clock of a server may differ from ours without anybody being told.
	SkewTold = time.Minute

	// SkewTrusted is by how much it may differ for what is made of the age of its data to be right.
	SkewTrusted = 5 * time.Minute
)

// A skew is by how much the clock of a server is ahead of ours, as far as its answers tell.
type skew struct {
	mu     sync.Mutex
	least  *time.Duration // the nearest to zero of those seen; nil when no answer had a date; guarded by mu
	sample time.Duration  // by which the newest sample was ahead when it was last looked, where that is more than SkewTold; guarded by mu
}

// see takes over what the Date header of an answer says, of which the request was sent and whose head arrived at these times by our clock. The server
// wrote it in between, without the fraction of the second.
func (s *skew) see(date string, sent, arrived time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := max(0, at.Sub(arrived)) + min(0, at.Add(time.Second).Sub(sent))
	s.mu.Lock()
	defer s.mu.Unlock()
	// An answer that a cache in between had kept has an old date: one that agrees says more than many that do not.
	if s.least == nil || ahead.Abs() < s.least.Abs() {
		s.least = &ahead
	}
}

// ahead returns by how much the clock of the server is ahead of ours, less than 0 when it is behind; nil when that is not known.
func (s *skew) ahead() *time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.least
}

// sampled takes over by how much the newest sample is ahead of our clock.
func (s *skew) sampled(ahead time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sample = ahead
}

// forget begins anew with the answers: clocks are set. What the newest sample says stays until it is looked at again.
func (s *skew) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.least = nil
}

// judge returns what ahead does, or by how much the newest sample is ahead where the clock of the server does not explain that, and says so where it is more than it may be.
func (s *skew) judge() (ahead *time.Duration, note []model.Warning) {
	ahead = s.ahead()
	s.mu.Lock()
	sample := s.sample
	s.mu.Unlock()
	explained, text := SkewTold, "the clock of the server is %s %s ours: set the one that is wrong"
	if ahead != nil {
		explained += ahead.Abs()
	}
	if sample > explained {
		ahead, text = &sample, "the newest sample is %s %s our clock: set ours, or that of what scrapes or sends it"
	}
	if ahead == nil || ahead.Abs() <= SkewTold {
		return ahead, nil
	}
	text = fmt.Sprintf(text, ahead.Abs().Round(time.Second), Beside(*ahead))
	if ahead.Abs() > SkewTrusted {
		text += "; until then the age of its data is not known"
	}
	return ahead, []model.Warning{{Code: ClockSkew, Text: text}}
}

// Beside says whether a clock that is ahead by that much is ahead of another or behind it.
func Beside(ahead time.Duration) string {
	if ahead < 0 {
		return "behind"
	}
	return "ahead of"
}
