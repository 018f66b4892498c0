// Package post sends messages over HTTP and says, when that fails, what helps: whether the message may have arrived decides
// whether sending it again can repeat it.
package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tipline/alerting"
)

const (
	// UnaskedWait is how long a rate limit without a usable Retry-After is respected.
	UnaskedWait = 30 * time.Second

	keptBytes = 512     // of an answer, enough for an error code
	readBytes = 1 << 20 // of an answer, at most
	longest   = 24 * time.Hour
)

// A Trip is the transport of one request after another. It keeps of the last what the fate of a message depends on and client libraries drop.
type Trip struct {
	Next   http.RoundTripper // nil means http.DefaultTransport
	Status int               // 0 without an answer
	Body   string            // the first bytes of the answer

	retryAfter, date string       // headers of the answer
	sent             *atomic.Bool // the whole request was written; by the transport, maybe after it gave up
}

// RoundTrip sends r and keeps the beginning of the answer.
func (t *Trip) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.Next
	if next == nil {
		next = http.DefaultTransport
	}
	sent := new(atomic.Bool)
	*t = Trip{Next: t.Next, sent: sent}
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = &noted{ReadCloser: r.Body, done: func() { sent.Store(true) }}
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	t.Status, t.retryAfter, t.date = resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("Date")
	begin, err := io.ReadAll(io.LimitReader(resp.Body, keptBytes))
	t.Body = string(begin)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(t.Body), io.LimitReader(resp.Body, readBytes)), resp.Body}
	return resp, nil
}

// Said quotes the answer on one line.
func (t *Trip) Said() string { return strconv.Quote(t.Body) }

// NeverArrived reports whether err came before the request was written: refused, not resolved, no TLS, cut off early.
func (t *Trip) NeverArrived(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return t.Status == 0 &&
		(t.sent == nil || !t.sent.Load() || errors.As(err, &dns) || errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op) && op.Op == "dial")
}

// Text writes err without the URL, which may be the secret itself.
func (t *Trip) Text(err error) string {
	var at *url.Error
	for errors.As(err, &at) {
		err = at.Err
	}
	text := err.Error()
	if t.Status != 0 {
		text = fmt.Sprintf("status %d: %s", t.Status, text)
		if t.Body != "" {
			text += ": " + t.Said()
		}
	}
	return text
}

// RetryAfter returns how long the other side asks to wait, in its form of seconds or of a date, which is read by the clock
// of the other side; fallback when it does not say, or nothing that can be used.
func (t *Trip) RetryAfter(fallback time.Duration) time.Duration {
	header := strings.TrimSpace(t.retryAfter)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int64(longest/time.Second))) * time.Second
	}
	until, err := http.ParseTime(header)
	if err != nil {
		return fallback
	}
	now, err := http.ParseTime(t.date)
	if err != nil || !until.After(now) {
		return fallback
	}
	return min(until.Sub(now), longest)
}

// noted calls done when its reader reached the end.
type noted struct {
	io.ReadCloser
	done func()
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		n.done()
	}
	return k, err
}

// Client returns client without the following of redirects: a message goes where the configuration says and nowhere else.
func Client(client *http.Client) *http.Client {
	guarded := *client
	guarded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &guarded
}

// Secret reads the only line of a file. It is read anew for every message, so that a rotated secret needs no restart.
func Secret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("secret file: %w", err)}
	}
	text := strings.TrimSpace(string(data))
	if text == "" || strings.ContainsAny(text, " \n\r\t") {
		return "", &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("secret file %s: want one line with the secret and nothing else", path)}
	}
	return text, nil
}

// JSON posts body to address. Status 2xx is acceptance; the error is a *alerting.SendError without the address.
func JSON(ctx context.Context, client *http.Client, address string, header http.Header, body []byte) error {
	trip := &Trip{Next: client.Transport}
	through := *client
	through.Transport = trip
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &alerting.SendError{Remedy: alerting.FixSettings, Err: errors.New("the address is not a URL")}
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", "application/json")
	response, err := through.Do(request)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	if err == nil && response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil
	}
	if err == nil {
		err = errors.New("not accepted")
	}
	return trip.failure(err)
}

// failure says what helps against err by the status of the answer.
func (t *Trip) failure(err error) error {
	out := &alerting.SendError{Remedy: alerting.Reconcile, Err: errors.New(t.Text(err))}
	switch {
	case t.Status == http.StatusTooManyRequests, t.Status == http.StatusServiceUnavailable:
		out.Remedy, out.After = alerting.Retry, t.RetryAfter(UnaskedWait)
	case t.Status == http.StatusRequestTimeout, t.Status == http.StatusTooEarly, t.NeverArrived(err):
		out.Remedy = alerting.Retry
	case t.Status >= 500:
		out.After = t.RetryAfter(0)
	case t.Status >= 300:
		out.Remedy = alerting.FixSettings
	}
	return out
}
