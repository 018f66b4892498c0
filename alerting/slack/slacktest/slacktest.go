// Package slacktest is a Slack for tests: an HTTP server that accepts messages as Slack does and misbehaves when told to.
package slacktest

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strconv"
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

	Time      string // by which Slack names it
	Thread    string // Time of the message that it answers; empty for none
	Broadcast bool   // an answer that the channel is shown as well
	Updates   int    // how often it was changed

	Metadata json.RawMessage // that a bot sent along, and no person sees; empty for none
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
	posted   int
	answer   func(request int) *Answer
	lookups  int
	told     func(lookup int) *Answer
	scopes   []string

	offer   func(request int) *Answer
	offered int
	sockets chan *Socket
	aside   func(request int) *Answer
	asides  int
	said    []Said

	uploads []Upload
	asked   int
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{scopes: []string{"channels:read", "channels:history", "groups:read", "groups:history"}, sockets: make(chan *Socket, 64)}
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

// Lookups makes the server ask answer how to answer the question number n, from 1, about its channels and their histories, which are not
// among the requests of Answer; nil as there.
func (s *Server) Lookups(answer func(n int) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = answer
}

// Grant gives the token these scopes in place of all, beside that of posting. A channel whose name begins with #private is private.
func (s *Server) Grant(scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = scopes
}

// private reports whether a channel of that name or id is private.
func (s *Server) private(channel string) bool {
	return slices.ContainsFunc(s.messages, func(m Message) bool {
		return strings.HasPrefix(m.Channel, "#private") && (m.Channel == channel || ID(m.Channel) == channel)
	})
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

// Delete takes the message of that time away, as a person may.
func (s *Server) Delete(time string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m Message) bool { return m.Time == time })
}

// ServeHTTP answers auth.test, chat.postMessage, chat.update, chat.postEphemeral, views.open, apps.connections.open with the connections that it offers,
// conversations.list, conversations.replies, conversations.history, files.getUploadURLExternal, files.completeUploadExternal and the webhook.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	if r.URL.Path == socketPath {
		s.upgrade(w, r)
		return
	}
	hook := r.URL.Path == HookPath
	var answer Answer
	switch method := path.Base(r.URL.Path); {
	case strings.HasPrefix(method, "conversations."), method == "auth.test":
		answer = s.tell(method, r, body)
	case method == "apps.connections.open":
		form, _ := url.ParseQuery(string(body)) // what cannot be read is no token either
		answer = s.connect(r, form)
	case strings.HasPrefix(method, "files."), strings.HasPrefix(r.URL.Path, uploadPath):
		answer = s.upload(method, r, body)
	case method == "views.open", method == "chat.postEphemeral":
		answer = s.show(method, r, body)
	default:
		message, refusal := read(r, body, hook)
		answer = s.take(message, refusal)
	}
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
			s.keep(m)
		}
		return *answer
	}
	m, there := s.keep(m)
	if !there {
		return Error("message_not_found")
	}
	if m.Channel == "" {
		return Answer{Body: "ok"}
	}
	return Answer{Body: fmt.Sprintf(`{"ok":true,"channel":%q,"ts":%q,"message":{}}`, ID(m.Channel), m.Time)}
}

// keep adds m to the messages, or puts it in the place of the one whose time it has; false when there is none.
func (s *Server) keep(m Message) (Message, bool) {
	if m.Time == "" {
		s.posted++
		m.Time = fmt.Sprintf("1700000000.%06d", s.posted)
		s.messages = append(s.messages, m)
		return m, true
	}
	for i, old := range s.messages {
		if old.Time == m.Time {
			old.Text, old.Updates = m.Text, old.Updates+1
			if len(m.Blocks) > 0 { // otherwise Slack keeps those that are there
				old.Blocks = m.Blocks
			}
			s.messages[i] = old
			return old, true
		}
	}
	return m, false
}

// pageLength is how many messages a page of a history has, whatever was asked for: Slack too may give fewer than the limit.
const pageLength = 2

// tell answers a question about the token, the channels or the history of one. A channel has the id of its name.
func (s *Server) tell(method string, r *http.Request, body []byte) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookups++
	if s.told != nil {
		if answer := s.told(s.lookups); answer != nil {
			return *answer
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || bearer(r, form) != Token {
		return Error("invalid_auth")
	}
	type row map[string]any
	rows := []row{}
	next := ""
	switch method {
	case "auth.test":
		return Answer{Body: `{"ok":true,"team":"Example","user":"tipline"}`}
	case "conversations.list":
		types := strings.Split(form.Get("types"), ",")
		for kind, scope := range map[string]string{"public_channel": "channels:read", "private_channel": "groups:read"} {
			if slices.Contains(types, kind) && !slices.Contains(s.scopes, scope) {
				return Error("missing_scope")
			}
		}
		for _, m := range s.messages {
			if !slices.Contains(types, map[bool]string{false: "public_channel", true: "private_channel"}[s.private(m.Channel)]) {
				continue
			}
			rows = append(rows, row{"id": ID(m.Channel), "name": strings.TrimPrefix(m.Channel, "#")})
		}
		return Answer{Body: encode(row{"ok": true, "channels": rows, "response_metadata": row{"next_cursor": ""}})}
	case "conversations.history", "conversations.replies":
		if scope := map[bool]string{false: "channels:history", true: "groups:history"}[s.private(form.Get("channel"))]; !slices.Contains(s.scopes, scope) {
			return Error("missing_scope")
		}
		from, _ := strconv.Atoi(form.Get("cursor")) // none is the first
		for _, m := range slices.Backward(s.messages) {
			inChannel := m.Thread == "" || m.Broadcast
			if method == "conversations.replies" {
				inChannel = m.Time == form.Get("ts") || m.Thread == form.Get("ts")
			}
			if id := form.Get("channel"); inChannel && (id == m.Channel || id == ID(m.Channel)) {
				one := row{"type": "message", "text": m.Text, "ts": m.Time}
				if len(m.Metadata) > 0 && form.Get("include_all_metadata") == "1" {
					one["metadata"] = m.Metadata
				}
				rows = append(rows, one)
			}
		}
		rows = rows[min(from, len(rows)):]
		if len(rows) > pageLength {
			rows, next = rows[:pageLength], strconv.Itoa(from+pageLength)
		}
		return Answer{Body: encode(row{"ok": true, "messages": rows, "has_more": next != "", "response_metadata": row{"next_cursor": next}})}
	}
	return Error("unknown_method")
}

// ID returns the id of the channel of that name; one that does not begin with # is an id.
func ID(channel string) string {
	if !strings.HasPrefix(channel, "#") {
		return channel
	}
	return "C" + strings.ToUpper(fmt.Sprintf("%010x", crc32.ChecksumIEEE([]byte(channel))))
}

func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("slacktest: " + err.Error()) // every value can be written
	}
	return string(data)
}

// bearer returns the token of a request.
func bearer(r *http.Request, form url.Values) string {
	if token := form.Get("token"); token != "" {
		return token
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
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
	update := strings.HasSuffix(r.URL.Path, "/chat.update")
	if !update && !strings.HasSuffix(r.URL.Path, "/chat.postMessage") {
		return m, &Answer{Status: http.StatusNotFound, Body: "no_service"}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		refused := Error("invalid_form_data")
		return m, &refused
	}
	m = Message{Channel: form.Get("channel"), Text: form.Get("text"), Blocks: json.RawMessage(form.Get("blocks")), Metadata: json.RawMessage(form.Get("metadata"))}
	m.Thread, m.Broadcast = form.Get("thread_ts"), form.Get("reply_broadcast") == "true"
	if update {
		m.Time = form.Get("ts")
	}
	if bearer(r, form) != Token {
		refused := Error("invalid_auth")
		return m, &refused
	}
	return m, nil
}
