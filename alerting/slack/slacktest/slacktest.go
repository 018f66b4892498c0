// Package slacktest is a Slack for tests: an HTTP server that accepts messages as Slack does and misbehaves when told to.
package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token and HookPath are what the server accepts. They stand for secrets: nothing may ever show them.
const (
	Token    = "xoxb-canary-token"
	HookPath = "/services/T000/B000/canary-hook"
)

// Message is a message that the server accepted, or that it kept although it answered otherwise.
type Message struct {
	Channel string          // empty through a webhook
	Text    string          `json:"text"`
	Blocks  json.RawMessage `json:"blocks"`
}

// Answer is a misbehaviour: how the server answers instead of accepting.
type Answer struct {
	Status     int           // 0 means 200
	Body       string        // "{\"ok\":false,\"error\":\"…\"}" for the API, a word for a webhook
	RetryAfter string        // the header, when not empty
	Keep       bool          // the message is kept all the same: accepted, but the answer is lost
	Hang       time.Duration // before answering
	Cut        bool          // the connection is cut instead of answering
}

// Error is the answer of the API with an error code.
func Error(code string) Answer { return Answer{Body: fmt.Sprintf(`{"ok":false,"error":%q}`, code)} }

// A Server is a Slack. Its methods may be called at the same time.
type Server struct {
	URL string

	mu       sync.Mutex
	messages []Message
	requests int
	answer   func(request int) *Answer
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Answer makes the server ask answer how to answer request n, from 1; a nil answer accepts. A nil function accepts everything.
func (s *Server) Answer(answer func(n int) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// Messages returns what was kept, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message{}, s.messages...)
}

// Requests returns how many requests arrived.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP answers chat.postMessage and the webhook.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	hook := r.URL.Path == HookPath
	message, refusal := read(r, body, hook)
	answer := s.take(message, refusal)
	time.Sleep(answer.Hang)
	if answer.Cut {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	if answer.RetryAfter != "" {
		w.Header().Set("Retry-After", answer.RetryAfter)
	}
	if !hook {
		w.Header().Set("Content-Type", "application/json")
	}
	if answer.Status != 0 {
		w.WriteHeader(answer.Status)
	}
	fmt.Fprint(w, answer.Body)
}

// take counts the request, keeps the message where it is accepted, and returns the answer.
func (s *Server) take(m Message, refusal *Answer) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	answer := refusal
	if answer == nil && s.answer != nil {
		answer = s.answer(s.requests)
	}
	if answer != nil {
		if answer.Keep {
			s.messages = append(s.messages, m)
		}
		return *answer
	}
	s.messages = append(s.messages, m)
	if m.Channel == "" {
		return Answer{Body: "ok"}
	}
	return Answer{Body: fmt.Sprintf(`{"ok":true,"channel":%q,"ts":"1700000000.%06d","message":{}}`, m.Channel, len(s.messages))}
}

// read returns the message of a request, or how a real Slack refuses it.
func read(r *http.Request, body []byte, hook bool) (Message, *Answer) {
	var m Message
	if hook {
		if err := json.Unmarshal(body, &m); err != nil {
			return m, &Answer{Status: http.StatusBadRequest, Body: "invalid_payload"}
		}
		m.Channel = ""
		return m, nil
	}
	if !strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
		return m, &Answer{Status: http.StatusNotFound, Body: "no_service"}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		refused := Error("invalid_form_data")
		return m, &refused
	}
	m = Message{Channel: form.Get("channel"), Text: form.Get("text"), Blocks: json.RawMessage(form.Get("blocks"))}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if form.Get("token") != "" {
		token = form.Get("token")
	}
	if token != Token {
		refused := Error("invalid_auth")
		return m, &refused
	}
	return m, nil
}
