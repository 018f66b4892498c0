package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConnections is how many connections are open at once. A page, a few scrapers and a proxy need a dozen; as many as this take a few MB.
const maxConnections = 512

// connections are those of a server. One too many takes the place of the one that has waited longest for a request, so that clients that ask
// for nothing keep nobody out; while all have asked for something, it is the one that is closed.
type connections struct {
	mu      sync.Mutex
	open    int
	waiting []net.Conn // for a request, the longest first
}

// changed is told of every connection of a server what becomes of it.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if excess := c.note(conn, state); excess != nil {
		_ = excess.Close() // that of a TLS connection would first say good-bye
	}
}

// note keeps count and returns the connection that is to be closed, if one is.
func (c *connections) note(conn net.Conn, state http.ConnState) (excess net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(one net.Conn) bool { return one == conn })
	switch state {
	case http.StateActive:
	case http.StateNew, http.StateIdle:
		c.waiting = append(c.waiting, conn)
	case http.StateClosed, http.StateHijacked:
		c.open--
	}
	if state == http.StateNew {
		if c.open++; c.open > maxConnections {
			excess, c.waiting = c.waiting[0], c.waiting[1:]
		}
	}
	return excess
}
