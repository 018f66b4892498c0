package slacktest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// AppToken is the app-level token that the server accepts. It stands for a secret, as does the ticket in the address of a connection.
const (
	AppToken = "xapp-canary-token"
	ticket   = "canary-ticket"
)

// socketPath is where a connection is made.
const socketPath = "/link/"

// A Socket is a connection by which the server tells what people press. Its methods are for one goroutine.
type Socket struct {
	conn      *websocket.Conn
	envelopes int
	acks      chan map[string]json.RawMessage // closed when the connection is
}

// Said is what the server was asked to show to a person alone.
type Said struct {
	Method  string // chat.postEphemeral or views.open
	Channel string
	User    string
	Text    string
	Trigger string
	View    json.RawMessage
}

// Offer makes the server ask answer how to answer request n, from 1, for the address of a connection; nil as in Answer.
func (s *Server) Offer(answer func(n int) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offer = answer
}

// Asides makes the server ask answer how to answer the request number n, from 1, to show something to a person alone; nil as in Answer.
func (s *Server) Asides(answer func(n int) *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside = answer
}

// Offered returns how many addresses of connections were asked for.
func (s *Server) Offered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offered
}

// Said returns what was shown to a person alone, in order.
func (s *Server) Said() []Said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Said{}, s.said...)
}

// Socket waits for a connection, the oldest that was not returned before.
func (s *Server) Socket(t testing.TB) *Socket {
	t.Helper()
	select {
	case socket := <-s.sockets:
		return socket
	case <-time.After(10 * time.Second):
		t.Fatal("slacktest: nobody connected within ten seconds")
		return nil
	}
}

// connect answers apps.connections.open with an address on the server itself.
func (s *Server) connect(r *http.Request, form url.Values) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered++
	if form.Get("token") != "" || r.Header.Get("Authorization") != "Bearer "+AppToken { // Slack takes it from the header alone
		return Error("invalid_auth")
	}
	if s.offer != nil {
		if answer := s.offer(s.offered); answer != nil {
			return *answer
		}
	}
	return Answer{Body: encode(map[string]any{"ok": true, "url": strings.Replace(s.URL, "http", "ws", 1) + socketPath + "?ticket=" + ticket})}
}

// upgrade makes a connection and greets, as Slack does.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("ticket") != ticket {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	socket := &Socket{conn: conn, acks: make(chan map[string]json.RawMessage, 64)}
	if socket.Send(`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A000"}}`) != nil {
		return
	}
	s.sockets <- socket
	defer close(socket.acks)
	for {
		var ack map[string]json.RawMessage
		if conn.ReadJSON(&ack) != nil {
			return
		}
		socket.acks <- ack
	}
}

// Send sends a frame as it is.
func (c *Socket) Send(frame string) error {
	return c.conn.WriteMessage(websocket.TextMessage, []byte(frame))
}

// Ping sends a ping.
func (c *Socket) Ping() error {
	return c.conn.WriteControl(websocket.PingMessage, []byte("1"), time.Now().Add(time.Second))
}

// Cut breaks the connection.
func (c *Socket) Cut() { _ = c.conn.Close() }

// Disconnect tells why the connection ends, as Slack does before it ends one.
func (c *Socket) Disconnect(reason string) error {
	return c.Send(encode(map[string]any{"type": "disconnect", "reason": reason, "debug_info": map[string]any{"host": "applink-1"}}))
}

// Interact sends what a person did and returns the payload of its acknowledgment, for which a person waits three seconds.
func (c *Socket) Interact(t testing.TB, payload string) string {
	t.Helper()
	c.envelopes++
	id := "envelope-" + strconv.Itoa(c.envelopes)
	if err := c.Send(encode(map[string]any{
		"type": "interactive", "envelope_id": id, "accepts_response_payload": true, "payload": json.RawMessage(payload),
	})); err != nil {
		t.Fatalf("slacktest: %v", err)
	}
	select {
	case ack, open := <-c.acks:
		if got := string(ack["envelope_id"]); !open || got != strconv.Quote(id) {
			t.Fatalf("slacktest: got an acknowledgment of %s, want one of %s", got, id)
		}
		return string(ack["payload"])
	case <-time.After(3 * time.Second):
		t.Fatal("slacktest: not acknowledged within three seconds")
		return ""
	}
}

// Press is the payload of a button that user pressed below the message m of the server.
func (m Message) Press(user, action, value string) string {
	return encode(map[string]any{
		"type": "block_actions", "trigger_id": "trigger-" + action, "api_app_id": "A000", "token": "legacy",
		"user":      map[string]any{"id": user, "username": "maria", "name": "maria", "team_id": "T000"},
		"container": map[string]any{"type": "message", "message_ts": m.Time, "channel_id": ID(m.Channel), "is_ephemeral": false},
		"channel":   map[string]any{"id": ID(m.Channel), "name": "llm-cost"},
		"message":   map[string]any{"ts": m.Time, "text": m.Text, "blocks": m.Blocks},
		"actions":   []any{map[string]any{"type": "button", "action_id": action, "block_id": "b", "value": value, "action_ts": "1"}},
	})
}

// Submit is the payload of a form that user filled in: view as the server was asked to show it, and the value of every field.
func Submit(user string, view json.RawMessage, values map[string]string) string {
	var shown struct {
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		Blocks          []struct {
			Type    string `json:"type"`
			BlockID string `json:"block_id"`
			Element struct {
				Type     string `json:"type"`
				ActionID string `json:"action_id"`
			} `json:"element"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal(view, &shown); err != nil {
		panic("slacktest: " + err.Error())
	}
	state := map[string]any{}
	for _, b := range shown.Blocks {
		if b.Type != "input" {
			continue
		}
		field := map[string]any{"type": b.Element.Type, "value": nil, "selected_date": nil}
		if value := values[b.BlockID]; value != "" {
			field[map[bool]string{true: "selected_date", false: "value"}[b.Element.Type == "datepicker"]] = value
		}
		state[b.BlockID] = map[string]any{b.Element.ActionID: field}
	}
	return encode(map[string]any{
		"type": "view_submission", "user": map[string]any{"id": user, "username": "maria", "name": "maria"},
		"view": map[string]any{
			"type": "modal", "callback_id": shown.CallbackID, "private_metadata": shown.PrivateMetadata, "state": map[string]any{"values": state},
		},
	})
}

// show keeps what is for a person alone.
func (s *Server) show(method string, r *http.Request, body []byte) Answer {
	s.mu.Lock()
	answer := s.aside
	s.asides++
	n := s.asides
	s.mu.Unlock()
	if answer != nil {
		if a := answer(n); a != nil {
			return *a
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	said := Said{Method: method}
	form, err := url.ParseQuery(string(body))
	if method == "views.open" {
		var asked struct {
			Trigger string          `json:"trigger_id"`
			View    json.RawMessage `json:"view"`
		}
		if err := json.Unmarshal(body, &asked); err != nil {
			return Error("invalid_json")
		}
		form, said.Trigger, said.View = url.Values{}, asked.Trigger, asked.View
	}
	if err != nil && method != "views.open" || bearer(r, form) != Token {
		return Error("invalid_auth")
	}
	said.Channel, said.User, said.Text = form.Get("channel"), form.Get("user"), form.Get("text")
	s.said = append(s.said, said)
	if method == "views.open" {
		return Answer{Body: `{"ok":true,"view":{"id":"V000"}}`}
	}
	return Answer{Body: `{"ok":true,"message_ts":"1700000000.999999"}`}
}
