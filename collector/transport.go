package collector

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A guard stands between client_golang and the network and lets through only whole JSON answers of bounded size, without the series that
// somebody else takes. Everything else becomes an *Error that says what it was.
type guard struct {
	next     http.RoundTripper
	maxBytes int64            // of one answer after decompression
	sent     atomic.Int64     // requests sent so far
	getOnly  atomic.Bool      // the server does not take POST
	clock    func() time.Time // nil measures nothing: neither skew nor whether an answer drips
	skew     skew             // of the server's clock
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
	// Said here and not left to the transport, which may have compression switched off.
	req.Header.Set("Accept-Encoding", encodings(req.URL.Hostname()))
	req.Header.Set("Accept", "application/json")
	g.sent.Add(1)
	cost, _ := req.Context().Value(costKey{}).(*Cost)
	if cost != nil {
		cost.Requests++
	}
	var sent time.Time
	if g.clock != nil {
		sent = g.clock()
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, transportError(req.Context(), err)
	}
	if g.clock != nil {
		g.skew.see(resp.Header.Get("Date"), sent, g.clock())
	}
	defer func() { _ = resp.Body.Close() }() // all of it has been read, or none of it matters
	body, err := g.unfold(resp)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode/100 == 3:
		to := "elsewhere"
		if u, err := resp.Location(); err == nil {
			to = oneLine(redact(u))
		}
		return nil, statusError(resp.StatusCode, "redirects to "+to+", which is not followed: configure the final address", 0)
	case resp.StatusCode/100 != 2:
		words, _ := io.ReadAll(body) // the status says enough
		if cost != nil {
			cost.Bytes = int64(len(words))
		}
		return nil, statusError(resp.StatusCode, complaint(words), retryAfter(resp))
	}
	envelope, err := open(req, resp, body)
	if cost != nil {
		cost.Bytes, cost.Peak = g.maxBytes-body.left, peakOf(envelope)
	}
	if err != nil {
		return nil, transportError(req.Context(), err)
	}
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = int64(len(envelope))
	resp.Body = io.NopCloser(bytes.NewReader(envelope))
	return resp, nil
}

// encodings returns in which form answers of host are wanted. Between processes of one machine there is no line to spare, and compressing and
// unfolding an answer takes both longer than all else that is done with it.
func encodings(host string) string {
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return "identity"
	}
	return "gzip"
}

// takerKey is where the context of a request holds the taker of the series of its answer.
type takerKey struct{}

// open reads the whole answer and returns it, without its series when the request has a taker for them. What is no JSON object is an error,
// and what says itself that it is partial (VictoriaMetrics).
func open(req *http.Request, resp *http.Response, body io.Reader) ([]byte, error) {
	begin := make([]byte, headBytes)
	n, err := io.ReadFull(body, begin)
	if err != nil && !errors.Is(err, io.EOF) && (n == 0 || !errors.Is(err, io.ErrUnexpectedEOF)) { // shorter than that is not yet wrong
		return nil, err
	}
	begin = begin[:n]
	kind := resp.Header.Get("Content-Type")
	if start := bytes.TrimLeft(begin, " \t\r\n"); len(start) == 0 || start[0] != '{' || strings.Contains(kind, "html") {
		return nil, &Error{
			Reason: NotPrometheus, Status: resp.StatusCode,
			Text: fmt.Sprintf("want JSON, got %s: %s", oneLine(kind), oneLine(string(begin))),
		}
	}
	body = io.MultiReader(bytes.NewReader(begin), body)
	var answer []byte
	if take, ok := req.Context().Value(takerKey{}).(taker); ok {
		answer, err = split(body, take)
	} else {
		answer, err = io.ReadAll(body)
	}
	// Inside a string the quotes would be escaped, so this can only be the field.
	if err == nil && bytes.Contains(answer, []byte(`"isPartial":true`)) {
		err = &Error{Reason: Partial, Status: resp.StatusCode, Text: "the server says isPartial"}
	}
	return answer, err
}

// unfold returns what the body of an answer unfolds to.
func (g *guard) unfold(resp *http.Response) (*bounded, error) {
	var packed io.Reader = resp.Body
	if g.clock != nil {
		packed = &drip{from: packed, clock: g.clock, status: resp.StatusCode}
	}
	r := &bounded{from: packed, left: g.maxBytes, err: &Error{Reason: TooLarge, Status: resp.StatusCode, Text: fmt.Sprintf("more than %d bytes", g.maxBytes)}}
	switch encoding := resp.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(packed)
		var e *Error
		if errors.As(err, &e) { // it drips
			return nil, e
		}
		if err != nil {
			return nil, &Error{Reason: BadAnswer, Status: resp.StatusCode, Text: "broken gzip", Err: err}
		}
		r.from = z
	default:
		return nil, &Error{Reason: BadAnswer, Status: resp.StatusCode, Text: "content encoding " + oneLine(encoding) + ", want gzip or none"}
	}
	return r, nil
}

// bounded is a reader that ends with err where there is more than left. The limit counts decompressed bytes, so a small bomb is found as soon as
// it unfolds.
type bounded struct {
	from io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.err
	}
	return n, err
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

// headBytes is the beginning of a body, more than is ever quoted.
const headBytes = 1024

func head(body []byte) string { return string(body[:min(len(body), headBytes)]) }

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
