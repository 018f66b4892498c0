package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// retriesAtMost is how many queries of a run are sent to a server a second time, whatever they ask for and whoever asks: enough for a batch of hours and for what is asked
	// after it, and nothing beside the load of a server that has trouble.
	retriesAtMost = 8

	// sickAfter is how many different queries of a source in a row must have failed, retries included, for a run to ask no more for it. That the same query about other hours fails too
	// says nothing of the others.
	sickAfter = 3
)

// A Server is what the sources share that read one address: how many queries are in flight there, and how many are sent a second time. Whether it answers every source finds out by itself, since
// it may be for another tenant that it does. Its methods may be called from several goroutines.
type Server struct {
	slots chan struct{} // holds a value for every query in flight

	mu      sync.Mutex
	under   int                // how many have entered the run; guarded by mu
	retries int                // in the run; guarded by mu
	sources map[string]*course // in the run, by name; guarded by mu
}

// A course is what became of the queries of one source in a run.
type course struct {
	failed  map[string]bool // expressions that failed since one was answered
	last    *Error          // of those
	refused map[string]refusal
}

// A refusal is an answer that will be the same for the same expression, about times up to until.
type refusal struct {
	until time.Time
	err   *Error
}

// A query is an expression about times up to until, and the source that asks for it.
type query struct {
	source, expr string
	until        time.Time
}

// NewServer returns a server at which so many queries may be in flight at once.
func NewServer(concurrency int) *Server {
	return &Server{slots: make(chan struct{}, concurrency)}
}

// Enter begins a run, or joins the one that is under way, until leave is called. Every collection does; to make those of several sources one run, enter before the first begins.
func (s *Server) Enter() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under++; s.under == 1 {
		s.retries, s.sources = 0, nil
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under--
	}
}

// ask does once, which sends q, as soon as fewer queries are in flight than may be; and not at all when the server has been found sick by then, or has refused the query.
func (s *Server) ask(ctx context.Context, q query, once func() error) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return transportError(ctx, ctx.Err())
	}
	defer func() { <-s.slots }()
	if err := s.why(q); err != nil {
		return err
	}
	return once()
}

// why returns why q is not sent, nil when it may be.
func (s *Server) why(q query) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.course(q.source)
	if r, refused := c.refused[q.expr]; refused && !q.until.After(r.until) {
		return &Error{Reason: r.err.Reason, Status: r.err.Status, Text: "not asked again: " + r.err.Text, unsent: true}
	}
	if len(c.failed) >= sickAfter {
		return &Error{Reason: c.last.Reason, Text: fmt.Sprintf("not asked, since %d queries in a row have failed, the last with %v", len(c.failed), c.last), unsent: true}
	}
	return nil
}

// again returns the how-manieth query it is, from 1 on, that the run sends a second time, and whether it may.
func (s *Server) again() (nth int, may bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retries++
	return s.retries, s.retries <= retriesAtMost
}

// ended takes over how q ended. A refusal is no sign of trouble, nor is it an answer.
func (s *Server) ended(q query, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.course(q.source)
	var e *Error
	switch {
	case err == nil:
		clear(c.failed)
	case !errors.As(err, &e): // the caller's
	case e.Retryable():
		c.failed[q.expr], c.last = true, e
	case e.final():
		c.refused[q.expr] = refusal{later(q.until, c.refused[q.expr].until), e}
	}
}

// course returns that of a source. The caller holds mu.
func (s *Server) course(source string) *course {
	if s.sources == nil {
		s.sources = map[string]*course{}
	}
	if s.sources[source] == nil {
		s.sources[source] = &course{failed: map[string]bool{}, refused: map[string]refusal{}}
	}
	return s.sources[source]
}
