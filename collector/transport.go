package collector

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A guard stands between client_golang and the network and lets through only whole JSON answers of bounded size.
// Everything else becomes an *Error that says what it was.
type guard struct {
	next     http.RoundTripper
	maxBytes int64        // of one answer after decompression
	sent     atomic.Int64 // requests sent so far
	getOnly  atomic.Bool  // the server does not take POST
}

// RoundTrip sends the request, reads the whole answer and judges it. A server that refuses POST is asked by GET, and
// by GET alone from then on.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost {
		return g.send(req)
	}
	if g.getOnly.Load() {
		get, err := asGet(req)
		if err != nil {
			return nil, err
		}
		return g.send(get)
	}
	get, err := asGet(req) // reads a copy of the body, so before it is sent
	if err != nil {
		return nil, err
	}
	resp, err := g.send(req)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusForbidden && e.Status != http.StatusMethodNotAllowed && e.Status != http.StatusNotImplemented {
		return resp, err
	}
	resp, getErr := g.send(get)
	if getErr != nil {
		return nil, err // the first refusal says more
	}
	g.getOnly.Store(true)
	return resp, nil
}

// asGet turns a form that is posted into the same form in the address.
func asGet(post *http.Request) (*http.Request, error) {
	body, err := post.GetBody()
	if err != nil {
		return nil, err
	}
	form, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	get := post.Clone(post.Context())
	get.Method, get.Body, get.GetBody, get.ContentLength = http.MethodGet, nil, nil, 0
	get.Header.Del("Content-Type")
	get.URL.RawQuery = string(form)
	return get, nil
}

func (g *guard) send(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	// Asked for here and not left to the transport, which may have compression switched off.
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Accept", "application/json")
	g.sent.Add(1)
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, transportError(req.Context(), err)
	}
	defer func() { _ = resp.Body.Close() }() // all of it has been read, or none of it matters
	body, err := g.read(resp)
	switch {
	case err != nil && resp.StatusCode/100 == 2:
		return nil, transportError(req.Context(), err)
	case resp.StatusCode/100 == 3:
		to := "elsewhere"
		if u, err := resp.Location(); err == nil {
			to = oneLine(redact(u))
		}
		return nil, statusError(resp.StatusCode, "redirects to "+to+", which is not followed: configure the final address", 0)
	case resp.StatusCode/100 != 2:
		return nil, statusError(resp.StatusCode, complaint(body), retryAfter(resp))
	}
	if err := checkJSON(resp, body); err != nil {
		return nil, err
	}
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// read returns the whole answer. The limit counts decompressed bytes, so a small bomb is found as soon as it unfolds.
func (g *guard) read(resp *http.Response) ([]byte, error) {
	var r io.Reader = resp.Body
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, &Error{Reason: BadAnswer, Status: resp.StatusCode, Text: "broken gzip", Err: err}
		}
		r = z
	default:
		return nil, &Error{Reason: BadAnswer, Status: resp.StatusCode, Text: "content encoding " + oneLine(encoding) + ", want gzip or none"}
	}
	body, err := io.ReadAll(io.LimitReader(r, g.maxBytes+1))
	if err != nil {
		return body, err
	}
	if int64(len(body)) > g.maxBytes {
		return nil, &Error{Reason: TooLarge, Status: resp.StatusCode, Text: fmt.Sprintf("more than %d bytes", g.maxBytes)}
	}
	return body, nil
}

// checkJSON reports an answer that is no JSON object, or one that says itself that it is partial (VictoriaMetrics).
func checkJSON(resp *http.Response, body []byte) error {
	kind := resp.Header.Get("Content-Type")
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) == 0 || start[0] != '{' || strings.Contains(kind, "html") {
		return &Error{
			Reason: NotPrometheus, Status: resp.StatusCode,
			Text: fmt.Sprintf("want JSON, got %s: %s", oneLine(kind), oneLine(head(body))),
		}
	}
	// Inside a string the quotes would be escaped, so this can only be the field.
	if bytes.Contains(body, []byte(`"isPartial":true`)) {
		return &Error{Reason: Partial, Status: resp.StatusCode, Text: "the server says isPartial"}
	}
	return nil
}

// complaint returns what an error answer says: its error field, or its beginning.
func complaint(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		return oneLine(answer.Error)
	}
	return oneLine(head(body))
}

// head returns the beginning of a body, more than is ever quoted.
func head(body []byte) string { return string(body[:min(len(body), 1024)]) }

// retryAfter reads the header of that name, in seconds or as a date. The date is measured against the server's own
// clock, the Date header.
func retryAfter(resp *http.Response) time.Duration {
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(sent))
}
