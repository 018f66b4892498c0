package collector

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// retriesAtMost is how many queries of a collection are sent a second time, whatever they ask for: enough for a batch of hours and for what is asked
	// after it, and nothing beside the load of a server that has trouble.
	retriesAtMost = 8

	// sickAfter is how many different queries in a row must have failed, retries included, for a collection to ask no more. That the same query about other
	// hours fails too says nothing of the others.
	sickAfter = 3
)

// A circuit keeps what a collection asks away from a server that does not answer.
type circuit struct {
	mu      sync.Mutex
	retries int             // guarded by mu
	failed  map[string]bool // expressions that failed since one was answered; guarded by mu
	last    *Error          // guarded by mu
}

// close begins anew, as every collection does.
func (c *circuit) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries, c.failed, c.last = 0, map[string]bool{}, nil
}

// open returns why nothing is asked, nil when it may be.
func (c *circuit) open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) < sickAfter {
		return nil
	}
	return &Error{Reason: c.last.Reason, Text: fmt.Sprintf("not asked, since %d queries in a row have failed, the last with %v", len(c.failed), c.last)}
}

// again reports whether a query may be sent a second time, and counts it.
func (c *circuit) again() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retries++
	return c.retries <= retriesAtMost
}

// ended takes over how a query ended. A refusal is no sign of trouble, nor is it an answer.
func (c *circuit) ended(expr string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e *Error
	switch {
	case err == nil:
		clear(c.failed)
	case errors.As(err, &e) && e.Retryable():
		c.failed[expr], c.last = true, e
	}
}
