package collector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Reason says why a query gave nothing that can be used.
type Reason string

// Every Reason there is.
const (
	Unreachable   Reason = "unreachable"    // refused, no such host, connection lost, answer cut short
	TimedOut      Reason = "timeout"        // no complete answer in time
	Overloaded    Reason = "overloaded"     // 429 or 5xx
	Canceled      Reason = "canceled"       // the cycle was ended
	Unauthorized  Reason = "unauthorized"   // 401 or 403
	NoCredentials Reason = "no_credentials" // the file that holds them cannot be read, so that nothing was sent
	Untrusted     Reason = "untrusted"      // TLS: expired, wrong name, unknown authority, client certificate wanted
	Refused       Reason = "refused"        // 4xx: the server does not like the query
	LimitReached  Reason = "limit_reached"  // the server says that the query is too large; smaller ones may do
	TooLarge      Reason = "too_large"      // the answer is longer than Settings.MaxResponseBytes; smaller ones may do
	NotPrometheus Reason = "not_prometheus" // a redirect, or an answer that is not JSON: a login page, a wrong address
	BadAnswer     Reason = "bad_answer"     // JSON, but not what a query is answered with
	WrongType     Reason = "wrong_type"     // a scalar, a string, a native histogram
	Partial       Reason = "partial"        // part of the data could not be read
	NotKept       Reason = "not_kept"       // of no query: the history could not be read, or not be written
)

// ReasonOf returns why a collection failed with err.
func ReasonOf(err error) Reason {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Reason
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	}
	return NotKept
}

// Error is a query that gave nothing that can be used. Its text holds no credentials and quotes at most 512 bytes of
// what the server said, in one line.
type Error struct {
	Reason     Reason
	Status     int           // of the HTTP answer; 0 when there was none
	Text       string        // what happened
	RetryAfter time.Duration // what the server asks for; 0 when it asks for nothing
	Err        error         // cause; nil when Text is all there is

	unsent bool // nothing was sent, because of what became of queries before
}

// Error returns the reason, the status and what happened.
func (e *Error) Error() string {
	text := string(e.Reason)
	if e.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same query may do better a moment later.
func (e *Error) Retryable() bool {
	switch e.Reason {
	case Unreachable, TimedOut, Overloaded, BadAnswer:
		return true
	case Canceled, Unauthorized, NoCredentials, Untrusted, Refused, LimitReached, TooLarge, NotPrometheus, WrongType, Partial, NotKept:
		return false
	}
	return false
}

// final reports whether the same query will be refused again until somebody changes something, here or at the server.
func (e *Error) final() bool {
	switch e.Reason {
	case Unauthorized, NoCredentials, Untrusted, Refused, NotPrometheus, WrongType:
		return true
	case Unreachable, TimedOut, Overloaded, BadAnswer, Canceled, LimitReached, TooLarge, Partial, NotKept:
		return false
	}
	return false
}

// transportError makes an Error of what went wrong on the wire. The *url.Error around it is taken off: its text holds
// the address, which may hold a password or a key.
func transportError(ctx context.Context, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var ue *url.Error
	for errors.As(err, &ue) {
		err = ue.Err
	}
	e := &Error{Reason: Unreachable, Text: oneLine(err.Error()), Err: err}
	var (
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		op       *net.OpError
		file     *fs.PathError
		timeout  interface{ Timeout() bool }
	)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled):
		e.Reason = Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Reason, e.Text = TimedOut, "no complete answer in time"
	case errors.As(err, &file):
		e.Reason = NoCredentials
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &hostname), errors.As(err, &verify),
		errors.As(err, &record), errors.As(err, &op) && op.Op == "remote error":
		e.Reason = Untrusted
	}
	return e
}

// statusError makes an Error of an answer that is not 2xx.
func statusError(status int, text string, retryAfter time.Duration) *Error {
	e := &Error{Status: status, Text: text, RetryAfter: retryAfter}
	switch {
	case status == 401 || status == 403:
		e.Reason = Unauthorized
	case strings.Contains(text, "query timed out") || strings.Contains(text, "deadline exceeded"): // Prometheus answers 503, Thanos 422
		e.Reason = TimedOut
	case status == 408 || status == 429 || status >= 500:
		e.Reason = Overloaded
	case status == 413 || (status == 400 || status == 422) && speaksOfLimit(text):
		e.Reason = LimitReached
	case status == 422 && (strings.Contains(text, "Unavailable") || strings.Contains(text, "No StoreAPIs")):
		e.Reason = Partial // Thanos when a store is down and partial answers are refused
	case status/100 == 3:
		e.Reason = NotPrometheus
	default:
		e.Reason = Refused
	}
	return e
}

// speaksOfLimit reports whether a server's words complain about the size of a query. Each server has its own, for
// example "exceeded maximum resolution", "query time range exceeds the limit", "too many samples".
func speaksOfLimit(text string) bool {
	text = strings.ToLower(text)
	for _, word := range []string{"limit", "exceed", "too many", "too large", "too long", "maximum"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// oneLine returns a stranger's text in one line of at most 512 bytes, control and direction characters escaped.
func oneLine(text string) string {
	const most = 512
	text = strings.TrimSpace(text)
	text = strconv.Quote(text[:min(len(text), most+utf8.UTFMax)])
	text = strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
	if len(text) <= most {
		return text
	}
	n := most
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// redact returns an address without user, password and parameters.
func redact(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}
