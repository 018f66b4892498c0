package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/post"
	"tipline/alerting/words"
	"tipline/model"
)

// A Press is what a person asked for with a button of a message, or with the form that it opened. All of it comes from outside.
type Press struct {
	Kind     string // Acknowledge, Snooze, Decline or Done
	Decision string
	Workload string
	Channel  string // id of that which holds the message
	Message  string // by which Slack names it
	By       string // who it was

	Until, Saves, Reason string // of a form, as they were filled in
}

// Refused says why a Press changes nothing.
type Refused struct {
	Field string // of a form that has it; empty: the answer as a whole
	Text  string // for the person who pressed
}

func (r *Refused) Error() string { return r.Text }

// Answers takes what people answer. An error that is no *Refused is not theirs; they are told that the answer could not be kept.
type Answers interface {
	Check(p Press) error  // whether p could be answered now, before a form asks for the rest
	Answer(p Press) error // keeps p; both return within a second
}

// The bounds of a connection.
const (
	handshakeTimeout = 15 * time.Second
	silence          = 90 * time.Second // after which a connection that says nothing is taken for dead; Slack pings more often
	writeTimeout     = 5 * time.Second
	formTimeout      = 3 * time.Second // for which Slack lets a form be opened after a press
	frameBytes       = 1 << 20
	waitingReplies   = 64
)

// Listen opens a connection by which Slack tells what people press, and serves it until it ends: Slack ends every connection after some
// hours. A nil error asks to connect again at once, a *alerting.SendError when Slack could not be reached, or a person must change something
// first; none of them holds a secret. At the end of ctx it returns ctx.Err().
//
// Every envelope is acknowledged within the three seconds that Slack waits: a press at once, a form as soon as its answer is kept. What else
// is to be said, in another form or in a message that only the person sees, comes after that.
func (n *Notifier) Listen(ctx context.Context, now func() time.Time, take Answers) error {
	conn, err := n.connect(ctx)
	if err != nil {
		return err
	}
	l := &listener{Notifier: n, conn: conn, now: now, take: take, replies: make(chan reply, waitingReplies)}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	var broken *model.Panic // what ended the replies
	defer func() {
		cancel()
		if tasks.Wait(); broken != nil {
			panic(broken)
		}
	}()
	tasks.Go(func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				broken = model.Caught(p, debug.Stack())
			}
		}()
		l.reply(ctx)
	})
	tasks.Go(func() {
		<-ctx.Done()
		_ = conn.Close() // which ends the reading
	})
	return l.read(ctx)
}

// Listens reports whether people can answer with buttons.
func (n *Notifier) Listens() bool { return n.settings.AppTokenFile != "" }

// offered returns the address at which Slack waits for one connection. It is a secret.
func (n *Notifier) offered(ctx context.Context) (*url.URL, error) {
	token, err := post.Secret(n.settings.AppTokenFile)
	if err != nil {
		return nil, err
	}
	api, trip := n.api("", slackapi.OptionAppLevelToken(token))
	_, address, err := api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, asked(err, trip)
	}
	at, err := url.Parse(address)
	if err != nil || !n.mayConnect(at) {
		host := ""
		if err == nil {
			host = " " + words.Clean(at.Scheme+"://"+at.Host, words.MaxName)
		}
		return nil, &alerting.SendError{Remedy: alerting.FixSettings, Err: fmt.Errorf("slack: apps.connections.open names another host%s than the API's: no connection is made there", host)}
	}
	return at, nil
}

// mayConnect reports whether at is where a connection may go: to Slack, encrypted, or to the host of the API that the settings name.
func (n *Notifier) mayConnect(at *url.URL) bool {
	api, err := url.Parse(cmp.Or(n.settings.APIURL, slackapi.APIURL))
	if err != nil || at.User != nil {
		return false
	}
	scheme := map[string]string{"http": "ws", "https": "wss"}[api.Scheme]
	if at.Scheme != scheme {
		return false
	}
	for _, domain := range []string{"slack.com", "slack-gov.com"} {
		within := func(host string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }
		if within(api.Hostname()) {
			return within(at.Hostname())
		}
	}
	return at.Host == api.Host
}

// connect opens a connection.
func (n *Notifier) connect(ctx context.Context) (*websocket.Conn, error) {
	at, err := n.offered(ctx)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshakeTimeout}
	conn, response, err := dialer.DialContext(ctx, at.String(), nil)
	if response != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		trip := &post.Trip{}
		if response != nil {
			trip.Status = response.StatusCode
		}
		return nil, &alerting.SendError{Remedy: alerting.Retry, Err: fmt.Errorf("slack: socket: %s", trip.Text(err))}
	}
	conn.SetReadLimit(frameBytes)
	return conn, nil
}

// A listener is one connection.
type listener struct {
	*Notifier
	conn    *websocket.Conn
	now     func() time.Time
	take    Answers
	replies chan reply
}

// envelope is what Slack sends: a greeting, what a person did, or that the connection ends.
type envelope struct {
	Type    string          `json:"type"`
	ID      string          `json:"envelope_id"`
	Reason  string          `json:"reason"`
	Payload json.RawMessage `json:"payload"`
}

// interaction is what a person did.
type interaction struct {
	Type      string `json:"type"`
	TriggerID string `json:"trigger_id"`
	User      struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Username string `json:"username"`
	} `json:"user"`
	Container struct {
		Channel string `json:"channel_id"`
		Message string `json:"message_ts"`
	} `json:"container"`
	Actions []struct {
		ID    string `json:"action_id"`
		Value string `json:"value"`
	} `json:"actions"`
	View struct {
		CallbackID      string `json:"callback_id"`
		PrivateMetadata string `json:"private_metadata"`
		State           struct {
			Values map[string]map[string]struct {
				Value        string `json:"value"`
				SelectedDate string `json:"selected_date"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// read serves the connection until it ends.
func (l *listener) read(ctx context.Context) error {
	alive := func() error { return l.conn.SetReadDeadline(l.now().Add(silence)) }
	l.conn.SetPingHandler(func(said string) error {
		return errors.Join(alive(), l.conn.WriteControl(websocket.PongMessage, []byte(said), l.now().Add(writeTimeout)))
	})
	for {
		if err := alive(); err != nil {
			return l.ended(ctx, err)
		}
		kind, frame, err := l.conn.ReadMessage()
		if err != nil {
			return l.ended(ctx, err)
		}
		var e envelope
		if kind != websocket.TextMessage || json.Unmarshal(frame, &e) != nil {
			continue // not one of Slack's
		}
		switch {
		case e.Type == "disconnect" && e.Reason == "link_disabled":
			return &alerting.SendError{Remedy: alerting.FixSettings, Err: errors.New("slack: link_disabled: Socket Mode is switched off in the settings of the app")}
		case e.Type == "disconnect" && e.Reason == "too_many_websockets":
			return &alerting.SendError{Remedy: alerting.Retry, Err: errors.New("slack: too_many_websockets: the app has as many connections as it may")}
		case e.Type == "disconnect": // a warning, or the end of its time
			return nil
		case e.ID == "":
			continue
		}
		payload, after := l.answer(e)
		if err := l.acknowledge(e.ID, payload); err != nil {
			return l.ended(ctx, err)
		}
		if after != nil {
			select {
			case l.replies <- *after:
			default: // more than a person presses; what was answered is kept all the same
			}
		}
	}
}

// ended says that the connection broke, for err, unless ctx ended.
func (l *listener) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &alerting.SendError{Remedy: alerting.Retry, Err: fmt.Errorf("slack: the connection for buttons broke: %s", (&post.Trip{}).Text(err))}
}

// acknowledge tells Slack that the envelope has arrived, with what is to be shown in a form; nil shows nothing.
func (l *listener) acknowledge(id string, payload any) error {
	if err := l.conn.SetWriteDeadline(l.now().Add(writeTimeout)); err != nil {
		return err
	}
	return l.conn.WriteJSON(struct {
		ID      string `json:"envelope_id"`
		Payload any    `json:"payload,omitempty"`
	}{id, payload})
}

// answer does what e asks for, and returns what the acknowledgment carries and what is to be said after it; nil is nothing.
func (l *listener) answer(e envelope) (payload any, after *reply) {
	var did interaction
	if e.Type != "interactive" || json.Unmarshal(e.Payload, &did) != nil {
		return nil, nil
	}
	switch did.Type {
	case "block_actions":
		return nil, l.pressed(did)
	case "view_submission":
		return l.filledIn(did), nil
	}
	return nil, nil
}

// pressed does what a button asks for.
func (l *listener) pressed(did interaction) *reply {
	p := Press{Channel: did.Container.Channel, Message: did.Container.Message, By: did.by()}
	to := &reply{channel: p.Channel, user: did.User.ID, trigger: did.TriggerID}
	none := &Refused{Text: "tipline has no such button. Nothing has changed."}
	if len(did.Actions) != 1 {
		return to.saying(none)
	}
	kind, known := strings.CutPrefix(did.Actions[0].ID, prefix)
	var of about
	if err := json.Unmarshal([]byte(did.Actions[0].Value), &of); err != nil || !known || !slices.Contains(answerKinds, kind) {
		return to.saying(none)
	}
	p.Kind, p.Decision, p.Workload = kind, of.Decision, of.Workload
	if kind != Snooze && kind != Decline {
		return to.saying(l.take.Answer(p))
	}
	to.decision = of.Decision
	if err := l.take.Check(p); err != nil {
		return to.saying(err)
	}
	asks, err := form(kind, about{of.Decision, of.Workload, p.Channel, p.Message}, l.now())
	if err != nil {
		return to.saying(&Refused{Text: err.Error()})
	}
	to.form = &asks
	return to
}

var answerKinds = []string{Acknowledge, Snooze, Decline, Done}

// filledIn takes a form and returns what is wrong with it, as Slack shows it there; nil closes the form.
func (l *listener) filledIn(did interaction) any {
	var of about
	kind, known := strings.CutPrefix(did.View.CallbackID, prefix)
	err := json.Unmarshal([]byte(did.View.PrivateMetadata), &of)
	field := map[string]string{Snooze: UntilField, Decline: ReasonField}[kind]
	if !known || field == "" || err != nil {
		return nil
	}
	values := did.View.State.Values
	err = l.take.Answer(Press{
		Kind: kind, Decision: of.Decision, Workload: of.Workload, Channel: of.Channel, Message: of.Message, By: did.by(),
		Until: values[UntilField][UntilField].SelectedDate, Saves: values[SavesField][SavesField].Value, Reason: values[ReasonField][ReasonField].Value,
	})
	if err == nil {
		return nil
	}
	var refused *Refused
	if errors.As(err, &refused) && values[refused.Field] != nil {
		field = refused.Field
	}
	return map[string]any{"response_action": "errors", "errors": map[string]string{field: said(err)}}
}

// by names the person who did it, by what nobody else can be called as well.
func (did interaction) by() string {
	id := words.Clean(did.User.ID, 24)
	if called := words.Clean(cmp.Or(did.User.Username, did.User.Name), 60); called != "" {
		return fmt.Sprintf("%s (Slack user %s)", called, id)
	}
	return "Slack user " + id
}

// said says to a person why an answer changes nothing. What went wrong on this side is not for them.
func said(err error) string {
	var refused *Refused
	if !errors.As(err, &refused) {
		return "tipline could not keep the answer; its log says why. Nothing has changed."
	}
	return words.Clean(refused.Text, words.MaxLine)
}

// A reply is what is said to a person after an envelope is acknowledged: a form, or a text that nobody else sees.
type reply struct {
	channel, user, trigger string
	decision               string
	form                   *slackapi.ModalViewRequest
	text                   string
}

// saying returns r with why an answer changes nothing; nil when it was taken, which the message itself is going to say.
func (r *reply) saying(err error) *reply {
	if err == nil {
		return nil
	}
	r.text = said(err)
	return r
}

// userID matches the id of a user of Slack.
var userID = regexp.MustCompile(`^[UW][A-Z0-9]{2,30}$`)

// reply says what waits to be said, until ctx ends. What Slack does not take is lost: the person presses again.
func (l *listener) reply(ctx context.Context) {
	for {
		var r reply
		select {
		case <-ctx.Done():
			return
		case r = <-l.replies:
		}
		token, err := post.Secret(l.settings.TokenFile)
		if err != nil || !userID.MatchString(r.user) {
			continue
		}
		api, _ := l.api(token)
		if r.form != nil {
			open, cancel := context.WithTimeout(ctx, formTimeout)
			_, err := api.OpenViewContext(open, r.trigger, *r.form)
			cancel()
			var refused slackapi.SlackErrorResponse
			if err == nil || errors.As(err, &refused) && refused.Err == "exchanged_trigger_id" { // the press came twice, and the form is open
				continue
			}
			r.text = "Slack did not open the form. Press again, or answer where tipline runs with: tipline decide " + words.Clean(r.decision, 12)
		}
		if channelID.MatchString(r.channel) {
			_, _ = api.PostEphemeralContext(ctx, r.channel, r.user, slackapi.MsgOptionText(inert(r.text, words.MaxLine), false), slackapi.MsgOptionParse(false))
		}
	}
}
