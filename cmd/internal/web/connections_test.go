package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
)

// TestF104_OneTooMany holds which connection is closed when one comes too many: the one that waits longest, whether it was used or not, and never one
// with a request under way but the new one.
func TestF104_OneTooMany(t *testing.T) {
	t.Parallel()
	var c connections
	all := make([]net.Conn, maxConnections)
	for i := range all {
		all[i], _ = net.Pipe()
		if excess := c.note(all[i], http.StateNew); excess != nil {
			t.Fatalf("the connection %d of %d is too many", i+1, maxConnections)
		}
	}
	for i, state := range map[int]http.ConnState{0: http.StateActive, 1: http.StateActive, 3: http.StateActive} {
		c.note(all[i], state)
	}
	c.note(all[1], http.StateIdle) // has waited less than all others
	next := func() (fresh, excess net.Conn) {
		fresh, _ = net.Pipe()
		excess = c.note(fresh, http.StateNew)
		if excess != nil {
			c.note(excess, http.StateClosed)
		}
		return fresh, excess
	}
	if _, excess := next(); excess != all[2] {
		t.Error("got another than the one that waits longest")
	}
	if _, excess := next(); excess != all[4] {
		t.Error("got another than the one that waits longest after that with a request")
	}
	c.note(all[5], http.StateClosed)
	if _, excess := next(); excess != nil {
		t.Error("one is closed although another went")
	}
	for _, one := range slices.Clone(c.waiting) {
		c.note(one, http.StateActive)
	}
	if fresh, excess := next(); excess != fresh {
		t.Error("while all have a request, got another than the new one")
	}
	secured := tls.Server(all[0], &tls.Config{MinVersion: tls.VersionTLS13})
	c.note(secured, http.StateIdle)
	if _, excess := next(); excess != all[0] {
		t.Error("got something else than what is below a TLS connection")
	}
	if c.open != maxConnections {
		t.Errorf("got %d that are open, want %d", c.open, maxConnections)
	}
}

// TestF104_IdleClients opens 2,000 connections that ask for nothing and are never too late: a request is answered, and the first are closed.
func TestF104_IdleClients(t *testing.T) {
	t.Parallel()
	const many = 2000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 2*many+500 {
		t.Skipf("SKIPPED: %d files may be open here (%v), want both ends of %d connections", files.Cur, err, many)
	}
	server := Server(Handler(options(sample())))
	server.ReadHeaderTimeout, server.ReadTimeout = 0, 0
	address := serve(t, server)
	idle := make([]net.Conn, many)
	for i := range idle {
		idle[i] = dial(t, address)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("got %s, want the page", answer.Status)
	}
	for i, one := range idle[:many-maxConnections] {
		if n, err := one.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d got %d bytes, want it closed", i, n)
		}
	}
}

// TestF104_EndlessBody sends a body that does not end: the request is answered and the connection closed.
func TestF104_EndlessBody(t *testing.T) {
	t.Parallel()
	address := serve(t, Server(Handler(options(sample()))))
	client := dial(t, address)
	if _, err := io.WriteString(client, "POST /-/reload HTTP/1.1\r\nHost: tipline\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	chunk := append([]byte("10000\r\n"), make([]byte, 0x10000+2)...)
	copy(chunk[len(chunk)-2:], "\r\n")
	for { // ends when the server does not read any more, and hangs if it always does
		if _, err := client.Write(chunk); err != nil {
			return
		}
	}
}

// serve starts server on a free port and returns its address.
func serve(t *testing.T, server *http.Server) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-done); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
