// Package promtest is a Prometheus server for tests: it answers range queries from a Go function and misbehaves on request.
package promtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Query is one range query as it arrived. An instant query has Start and End at its time and no Step.
type Query struct {
	Method     string
	Expr       string
	Start, End time.Time
	Step       time.Duration
	Form       url.Values  // every parameter
	Header     http.Header // of the request
}

// Times returns the instants that the query is evaluated at.
func (q Query) Times() []time.Time {
	times := []time.Time{q.Start}
	for at := q.Start.Add(q.Step); q.Step > 0 && !at.After(q.End); at = at.Add(q.Step) {
		times = append(times, at)
	}
	return times
}

// Signals returns the values of the label tipline_signal that the query produces, in order and once each.
func (q Query) Signals() []string {
	var signals []string
	for _, part := range strings.Split(q.Expr, `"tipline_signal", "`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if !slices.Contains(signals, name) {
			signals = append(signals, name)
		}
	}
	return signals
}

// A Point is a value at an instant.
type Point struct {
	At    time.Time
	Value float64
}

// A Series is one series of an answer.
type Series struct {
	Labels map[string]string
	Points []Point
}

// Each returns one series per signal of q with the given labels and what value says at each instant; an instant for
// which it says false has no point, and a series without points is left out.
func Each(q Query, labels map[string]string, value func(signal string, at time.Time) (float64, bool)) []Series {
	var all []Series
	for _, signal := range q.Signals() {
		s := Series{Labels: map[string]string{"tipline_signal": signal}}
		maps.Copy(s.Labels, labels)
		for _, at := range q.Times() {
			if v, ok := value(signal, at); ok {
				s.Points = append(s.Points, Point{at, v})
			}
		}
		if len(s.Points) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// An Answer is what a server sends back. The zero value is a success without series.
type Answer struct {
	Series   []Series
	Warnings []string
	Infos    []string

	Status int         // 0 means 200
	Body   []byte      // sent instead of Series when not nil
	Header http.Header // added to the answer; Content-Type is application/json unless it says otherwise, and there is no Date
	Gzip   bool        // compress what is sent
	CutAt  int         // above 0: close the connection after this many bytes although more were announced
	Drip   bool        // send byte after byte, a millisecond apart, until the client goes away
	Hang   bool        // send nothing until the client goes away
}

// Status returns an answer with a status and a body of plain text.
func Status(status int, body string) Answer {
	return Answer{Status: status, Body: []byte(body), Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

// JSON returns a canned answer.
func JSON(status int, body string) Answer { return Answer{Status: status, Body: []byte(body)} }

// HTML returns a login page with status 200.
func HTML() Answer {
	return Answer{
		Body:   []byte("<!doctype html><title>Sign in</title>"),
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
	}
}

// Bomb returns a small gzip answer that unfolds to size bytes.
func Bomb(size int64) Answer {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"status":"success","data":"`) // a buffer takes everything
	_, _ = io.CopyN(z, zeros{}, size)
	_ = z.Close()
	return Answer{Body: b.Bytes(), Header: http.Header{"Content-Encoding": {"gzip"}}}
}

// zeros is an endless stream of the digit 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// A Server is a Prometheus server for one test.
type Server struct {
	URL string // address; empty until Start

	mu      sync.Mutex
	answer  func(Query) Answer
	queries []Query
}

// New returns a server that answers with answer, which may be called from several goroutines. It listens on nothing
// yet: use Start, or Transport in a testing/synctest bubble, where a socket would stop the clock.
func New(answer func(Query) Answer) *Server { return &Server{answer: answer} }

// Start begins to listen on a free port of the loopback address, until the test ends.
func Start(t testing.TB, answer func(Query) Answer) *Server {
	t.Helper()
	s := New(answer)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	s.URL = h.URL
	return s
}

// Answer replaces the function that answers.
func (s *Server) Answer(answer func(Query) Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Queries returns the queries that have arrived since the last call, in order of arrival.
func (s *Server) Queries() []Query {
	s.mu.Lock()
	defer s.mu.Unlock()
	queries := s.queries
	s.queries = nil
	return queries
}

// Transport returns a transport that reaches the server in memory, whatever the address. A Hang or Drip ends with the
// request's context; CutAt ends the body early.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

// RoundTrip serves the request in memory.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if req.Body == nil {
		req.Body = http.NoBody
	}
	func() {
		defer func() {
			p := recover()
			if err, _ := p.(error); p != nil && !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}()
		t.s.ServeHTTP(rec, req)
	}()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = req
	if want, err := strconv.Atoi(resp.Header.Get("Content-Length")); err == nil && want > rec.Body.Len() {
		resp.Body = io.NopCloser(io.MultiReader(rec.Body, cutShort{}))
	}
	return resp, nil
}

// cutShort is where a connection was lost.
type cutShort struct{}

func (cutShort) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP answers /api/v1/query and /api/v1/query_range under any prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/api/v1/query_range") && !strings.HasSuffix(r.URL.Path, "/api/v1/query") {
		w.Header()["Date"] = nil // as of every answer, see send
		http.NotFound(w, r)
		return
	}
	q, err := parse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.queries = append(s.queries, q)
	answer := s.answer
	s.mu.Unlock()
	answer(q).send(w, r)
}

func parse(r *http.Request) (Query, error) {
	if err := r.ParseForm(); err != nil {
		return Query{}, err
	}
	q := Query{Method: r.Method, Expr: r.Form.Get("query"), Form: r.Form, Header: r.Header}
	if at := r.Form.Get("time"); at != "" {
		seconds, err := strconv.ParseFloat(at, 64)
		q.Start, q.End = instant(seconds), instant(seconds)
		return q, err
	}
	var numbers [3]float64
	for i, name := range []string{"start", "end", "step"} {
		v, err := strconv.ParseFloat(r.Form.Get(name), 64)
		if err != nil {
			return Query{}, fmt.Errorf("%s: %w", name, err)
		}
		numbers[i] = v
	}
	q.Start, q.End = instant(numbers[0]), instant(numbers[1])
	q.Step = time.Duration(numbers[2] * float64(time.Second))
	return q, nil
}

func instant(seconds float64) time.Time {
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
}

func (a Answer) send(w http.ResponseWriter, r *http.Request) {
	if a.Hang {
		<-r.Context().Done()
		return
	}
	body := a.Body
	if body == nil {
		body = a.encode()
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h["Date"] = nil // net/http would say what time it is here, and the test has a time of its own
	for name, values := range a.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if a.Gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body)
		_ = z.Close()
		body = b.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(max(a.Status, http.StatusOK))
	switch {
	case a.Drip:
		a.drip(w, r, body)
	case a.CutAt > 0 && a.CutAt < len(body):
		_, _ = w.Write(body[:a.CutAt])
		panic(http.ErrAbortHandler) // the one way to close the connection early
	default:
		_, _ = w.Write(body) // the client may have gone
	}
}

func (a Answer) drip(w http.ResponseWriter, r *http.Request, body []byte) {
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// encode writes the answer as Prometheus does.
func (a Answer) encode() []byte {
	type stream struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"`
	}
	result := make([]stream, 0, len(a.Series))
	for _, s := range a.Series {
		values := make([][2]any, len(s.Points))
		for i, p := range s.Points {
			values[i] = [2]any{float64(p.At.UnixMilli()) / 1000, number(p.Value)}
		}
		result = append(result, stream{s.Labels, values})
	}
	answer := map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}}
	if len(a.Warnings) > 0 {
		answer["warnings"] = a.Warnings
	}
	if len(a.Infos) > 0 {
		answer["infos"] = a.Infos
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic("promtest: " + err.Error())
	}
	return body
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
