package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack/slacktest"
)

// clerk is an Answers that notes what it is asked and answers as it is told.
type clerk struct {
	mu      sync.Mutex
	checked []Press
	taken   []Press
	says    error
}

func (c *clerk) Check(p Press) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = append(c.checked, p)
	return c.says
}

func (c *clerk) Answer(p Press) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.says == nil {
		c.taken = append(c.taken, p)
	}
	return c.says
}

func (c *clerk) say(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says = err
}

func (c *clerk) answers() []Press {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.taken)
}

// withButtons returns a notifier of server that has an app-level token.
func withButtons(t *testing.T, server *slacktest.Server) *Notifier {
	t.Helper()
	n, err := New(Settings{
		TokenFile: secretFile(t, slacktest.Token), AppTokenFile: secretFile(t, slacktest.AppToken), Channel: "#llm-cost", APIURL: server.URL + "/api",
	}, &http.Client{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// listening serves one connection of n until the test ends, and returns it with what it ended with.
func listening(t *testing.T, server *slacktest.Server, n *Notifier, take Answers) (socket *slacktest.Socket, ended chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	var tasks sync.WaitGroup
	tasks.Go(func() { ended <- n.Listen(ctx, time.Now, take) })
	t.Cleanup(func() { cancel(); tasks.Wait() })
	return server.Socket(t), ended
}

// shown waits until the server was asked to show as many things to a person alone.
func shown(t *testing.T, server *slacktest.Server, n int) []slacktest.Said {
	t.Helper()
	for range 500 {
		if all := server.Said(); len(all) >= n {
			return all
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got %+v, want %d things said to a person", server.Said(), n)
	return nil
}

// buttonsOf returns the value of every button of m by what it is called.
func buttonsOf(t *testing.T, m slacktest.Message) map[string]string {
	t.Helper()
	var blocks []struct {
		Elements []struct {
			ID    string `json:"action_id"`
			Value string `json:"value"`
		} `json:"elements"`
	}
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.ID != "" {
				found[e.ID] = e.Value
			}
		}
	}
	return found
}

func TestButtons(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	n := withButtons(t, server)
	at, err := n.Send(t.Context(), event())
	if err != nil || at.Decision != "0514a8524d8c" {
		t.Fatalf("got %+v, %v, want where the decision can be answered", at, err)
	}
	m := server.Messages()[0]
	buttons := buttonsOf(t, m)
	if len(buttons) != 4 || strings.Contains(string(m.Blocks), "tipline decide") {
		t.Fatalf("got the buttons %v in %s, want four and no command", buttons, m.Blocks)
	}
	take := &clerk{}
	socket, _ := listening(t, server, n, take)
	press := func(kind string) string {
		return socket.Interact(t, m.Press("U0123ABCD", prefix+kind, buttons[prefix+kind]))
	}
	want := Press{
		Decision: "0514a8524d8c", Workload: "support-chat", Channel: slacktest.ID("#llm-cost"), Message: m.Time, By: "maria (Slack user U0123ABCD)",
	}

	press(Acknowledge)
	press(Done)
	first, second := want, want
	first.Kind, second.Kind = Acknowledge, Done
	if got := take.answers(); !slices.Equal(got, []Press{first, second}) {
		t.Fatalf("got %+v, want %+v and %+v", got, first, second)
	}

	// A form is asked for what a button cannot say, and what is wrong with it is said there.
	press(Decline)
	form := shown(t, server, 1)[0]
	if form.Method != "views.open" || form.Trigger != "trigger-"+prefix+Decline || !strings.Contains(string(form.View), "Why it cannot be made") {
		t.Fatalf("got %+v, want a form that asks for a reason", form)
	}
	filled := slacktest.Submit("U0123ABCD", form.View, map[string]string{ReasonField: "no staff", UntilField: "2027-03-01"})
	take.say(&Refused{Field: UntilField, Text: "want a later day"})
	if got := socket.Interact(t, filled); !strings.Contains(got, `"errors":{"until":"want a later day"}`) {
		t.Errorf("a wrong form: got %s, want it said at the field", got)
	}
	take.say(nil)
	if got := socket.Interact(t, filled); got != "" {
		t.Errorf("a form that is taken: got %s, want it closed", got)
	}
	last := want
	last.Kind, last.Reason, last.Until = Decline, "no staff", "2027-03-01"
	if got := take.answers(); got[len(got)-1] != last {
		t.Errorf("got %+v, want %+v", got[len(got)-1], last)
	}
	press(Snooze)
	form = shown(t, server, 2)[1]
	socket.Interact(t, slacktest.Submit("U0123ABCD", form.View, map[string]string{SavesField: "+15%"}))
	last = want
	last.Kind, last.Saves = Snooze, "+15%"
	if got := take.answers(); got[len(got)-1] != last {
		t.Errorf("got %+v, want %+v", got[len(got)-1], last)
	}
	if got := server.Said(); len(got) != 2 {
		t.Errorf("got %+v, want no word to a person whose answer was taken", got)
	}
}

// TestWhereButtonsAre holds that only the message that a case began with can be answered, and what cannot be changed says nothing of answers.
func TestWhereButtonsAre(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	n := withButtons(t, server)
	first := event()
	first.Case = first.ID
	root, err := n.Send(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	send := func(id, channel, decision string) alerting.Posted {
		t.Helper()
		e := event()
		e.ID, e.Case, e.Root, e.Channel, e.Report.Decision.ID = id, first.ID, &root, channel, decision
		at, err := n.Send(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := send("second", "", "111111111111"); at.Decision != "111111111111" || at.Time != root.Time {
		t.Errorf("got %+v, want the first message to show the second decision", at)
	}
	send("third", "#routed", "222222222222")
	server.Answer(func(request int) *slacktest.Answer {
		if request == 5 {
			closed := slacktest.Error("edit_window_closed")
			return &closed
		}
		return nil
	})
	if at := send("fourth", "", "333333333333"); at.Decision != root.Decision {
		t.Errorf("got %+v, want the decision that the message still shows", at)
	}
	var with []int
	for i, m := range server.Messages() {
		if len(buttonsOf(t, m)) > 0 {
			with = append(with, i)
		}
	}
	if !slices.Equal(with, []int{0}) || !strings.Contains(string(server.Messages()[2].Blocks), "tipline decide 222222222222") {
		t.Errorf("got buttons in the messages %v, want them in the first alone, and commands in the third", with)
	}

	hook := slacktest.New(t)
	if _, err := both(t, hook)["webhook"].Send(t.Context(), sampled(alerting.Answered)); err != nil || len(hook.Messages()) != 0 {
		t.Errorf("got %+v, %v, want a webhook to say nothing of an answer", hook.Messages(), err)
	}
}

// TestHostilePresses holds that what Slack would never send, or somebody made up, reaches nobody and is answered where there is whom to answer.
func TestHostilePresses(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	take := &clerk{}
	socket, _ := listening(t, server, withButtons(t, server), take)
	m := slacktest.Message{Channel: "#llm-cost", Time: "1700000000.000001"}
	good := `{"decision":"0514a8524d8c","workload":"support-chat"}`
	answered := 0
	for _, payload := range []string{
		m.Press("U0123ABCD", "tipline_erase", good),
		m.Press("U0123ABCD", "erase", good),
		m.Press("U0123ABCD", "tipline_done", "0514a8524d8c"),
		m.Press("U0123ABCD", "tipline_done", ""),
		strings.Replace(m.Press("U0123ABCD", "tipline_done", good), `"actions":[`, `"actions":[{},`, 1),
	} {
		socket.Interact(t, payload)
		answered++
		if got := shown(t, server, answered)[answered-1]; got.Method != "chat.postEphemeral" || got.User != "U0123ABCD" || !strings.Contains(got.Text, "Nothing has changed") {
			t.Errorf("%s: got %+v, want a word to who pressed", payload, got)
		}
	}
	for _, payload := range []string{
		`{}`, `[]`, `null`, `"text"`, `{"type":"block_actions"}`, `{"type":"block_actions","actions":{"a":1}}`, `{"type":"shortcut","trigger_id":"1"}`,
		`{"type":"view_submission","view":{"callback_id":"tipline_done","private_metadata":"{}"}}`,
		`{"type":"view_submission","view":{"callback_id":"tipline_snooze","private_metadata":"<!channel>"}}`,
		m.Press("<!channel>", "tipline_erase", good),
		strings.ReplaceAll(m.Press("U0123ABCD", "tipline_erase", good), slacktest.ID("#llm-cost"), "../../x"),
	} {
		if got := socket.Interact(t, payload); got != "" {
			t.Errorf("%s: got %s, want it acknowledged and no more", payload, got)
		}
	}
	for _, frame := range []string{`{`, ``, `[1]`, `{"type":"hello"}`, `{"type":"interactive","payload":{"type":"block_actions"}}`, `{"type":"new","reason":"disconnect"}`} {
		if err := socket.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := socket.Ping(); err != nil {
		t.Fatal(err)
	}
	// What is in the queue is said in order, so nothing but these comes before the last.
	take.say(&Refused{Text: "<!channel> is *not* live"})
	socket.Interact(t, m.Press("U0123ABCD", "tipline_done", good))
	all := shown(t, server, answered+1)
	if got := all[answered].Text; len(all) != answered+1 || !strings.HasPrefix(got, "&lt;!channel&gt; is *\u2060not") {
		t.Errorf("got %q after %d others, want the refusal, inert", got, len(all)-1)
	}
	take.say(errors.New("disk full in /var/lib/secret"))
	socket.Interact(t, m.Press("U0123ABCD", "tipline_done", good))
	if got := shown(t, server, answered+2)[answered+1].Text; !strings.Contains(got, "could not keep") || strings.Contains(got, "secret") {
		t.Errorf("got %q, want no detail of what went wrong here", got)
	}
	if len(take.taken) != 0 {
		t.Errorf("got %+v, want no answer taken", take.taken)
	}
}

// TestAcknowledgedWhileSlackHangs holds that a Slack that is slow to show something does not keep the next press waiting.
func TestAcknowledgedWhileSlackHangs(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	release := make(chan struct{})
	server.Asides(func(n int) *slacktest.Answer {
		if n == 1 {
			<-release
			return &slacktest.Answer{Body: `{"ok":false,"error":"expired_trigger_id"}`}
		}
		return nil
	})
	take := &clerk{}
	socket, _ := listening(t, server, withButtons(t, server), take)
	m := slacktest.Message{Channel: "#llm-cost", Time: "1700000000.000001"}
	good := `{"decision":"0514a8524d8c","workload":"support-chat"}`
	socket.Interact(t, m.Press("U0123ABCD", "tipline_snooze", good))
	socket.Interact(t, m.Press("U0123ABCD", "tipline_acknowledge", good))
	close(release)
	if got := shown(t, server, 1)[0].Text; !strings.Contains(got, "tipline decide 0514a8524d8c") || len(take.answers()) != 1 {
		t.Errorf("got %q and %+v, want the command in place of the form, and the press taken", got, take.answers())
	}
}

// TestFormOfAPressThatCameTwice holds that nothing is said of a form that is open already.
func TestFormOfAPressThatCameTwice(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	server.Asides(func(n int) *slacktest.Answer {
		if n == 1 {
			return &slacktest.Answer{Body: `{"ok":false,"error":"exchanged_trigger_id"}`}
		}
		return nil
	})
	take := &clerk{}
	socket, _ := listening(t, server, withButtons(t, server), take)
	m := slacktest.Message{Channel: "#llm-cost", Time: "1700000000.000001"}
	good := `{"decision":"0514a8524d8c","workload":"support-chat"}`
	socket.Interact(t, m.Press("U0123ABCD", "tipline_snooze", good))
	take.say(&Refused{Text: "later"})
	socket.Interact(t, m.Press("U0123ABCD", "tipline_done", good))
	if got := shown(t, server, 1); got[0].Text != "later" {
		t.Errorf("got %+v, want no word before the next one", got)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	offers := func(a slacktest.Answer) func(*slacktest.Server) {
		return func(s *slacktest.Server) { s.Offer(func(int) *slacktest.Answer { return &a }) }
	}
	address := func(text string) func(*slacktest.Server) {
		return offers(slacktest.Answer{Body: `{"ok":true,"url":"` + text + `"}`})
	}
	for _, tc := range []struct {
		name   string
		opens  func(*slacktest.Server)
		ends   func(*slacktest.Socket) error // of a connection that was made
		remedy alerting.Remedy               // empty: none is needed
		after  time.Duration
		says   string
	}{
		{name: "a wrong token is for a person", opens: offers(slacktest.Error("invalid_auth")), remedy: alerting.FixSettings, says: "invalid_auth"},
		{name: "a bot token too", opens: offers(slacktest.Error("not_allowed_token_type")), remedy: alerting.FixSettings, says: "not_allowed_token_type"},
		{name: "a missing scope too", opens: offers(slacktest.Error("missing_scope")), remedy: alerting.FixSettings, says: "missing_scope"},
		{name: "a limit is waited for", opens: offers(slacktest.Answer{Status: 429, RetryAfter: "17"}), remedy: alerting.Retry, after: 17 * time.Second},
		{name: "a failing Slack is asked again", opens: offers(slacktest.Answer{Status: 503}), remedy: alerting.Retry},
		{name: "a lost answer doubles nothing", opens: offers(slacktest.Answer{Cut: true}), remedy: alerting.Retry},
		{name: "an internal error too", opens: offers(slacktest.Error("internal_error")), remedy: alerting.Retry},
		{name: "another host is refused", opens: address("wss://evil.example/link/?ticket=canary"), remedy: alerting.FixSettings, says: "evil.example"},
		{name: "a user in the address too", opens: address("ws://canary@127.0.0.1/link/"), remedy: alerting.FixSettings, says: "another host"},
		{name: "no address", opens: offers(slacktest.Answer{Body: `{"ok":true}`}), remedy: alerting.FixSettings, says: "another host"},
		{name: "what is no address", opens: address(":canary"), remedy: alerting.FixSettings, says: "another host"},
		{
			name: "a handshake that is refused",
			opens: func(s *slacktest.Server) {
				address(strings.Replace(s.URL, "http", "ws", 1) + "/link/?ticket=stale-canary")(s)
			}, remedy: alerting.Retry, says: "403",
		},
		{name: "the end of its time", ends: func(c *slacktest.Socket) error { return c.Disconnect("refresh_requested") }},
		{name: "a warning of it", ends: func(c *slacktest.Socket) error { return c.Disconnect("warning") }},
		{name: "Socket Mode switched off", ends: func(c *slacktest.Socket) error { return c.Disconnect("link_disabled") }, remedy: alerting.FixSettings, says: "link_disabled"},
		{name: "too many connections", ends: func(c *slacktest.Socket) error { return c.Disconnect("too_many_websockets") }, remedy: alerting.Retry, says: "too_many_websockets"},
		{name: "a broken connection", ends: func(c *slacktest.Socket) error { c.Cut(); return nil }, remedy: alerting.Retry},
		{
			name: "a frame without end",
			ends: func(c *slacktest.Socket) error {
				_ = c.Send(strings.Repeat(" ", frameBytes+1)) // may fail when the reader has had enough before its last byte
				return nil
			}, remedy: alerting.Retry,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := slacktest.New(t)
			n := withButtons(t, server)
			var err error
			if tc.opens != nil {
				tc.opens(server)
				err = n.Listen(t.Context(), time.Now, &clerk{})
			} else {
				socket, ended := listening(t, server, n, &clerk{})
				if err = tc.ends(socket); err == nil {
					err = <-ended
				}
			}
			if tc.remedy != "" {
				checkFailure(t, tc.name, err, tc.remedy, tc.after, tc.says)
			} else if err != nil {
				t.Errorf("got %v, want to be asked to connect again", err)
			}
		})
	}
}

func TestConnectionEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	n := withButtons(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Listen(ctx, time.Now, &clerk{}) }()
	server.Socket(t)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
	gone := withButtons(t, server)
	gone.settings.APIURL = "http://127.0.0.1:1/api"
	checkFailure(t, "refused connection", gone.Listen(t.Context(), time.Now, &clerk{}), alerting.Retry, 0, "refused")
}

// TestWhereConnectionsGo holds that a connection goes to Slack, encrypted, or to the API that the settings name.
func TestWhereConnectionsGo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		api, address string
		want         bool
	}{
		{"", "wss://wss-primary.slack.com/link/?ticket=1", true},
		{"", "wss://slack.com/link", true},
		{"", "ws://wss-primary.slack.com/link", false},
		{"", "wss://slack.com.evil.example/link", false},
		{"", "wss://evilslack.com/link", false},
		{"", "wss://slack-gov.com/link", false},
		{"", "https://wss-primary.slack.com/link", false},
		{"https://slack-gov.com/api", "wss://wss-primary.slack-gov.com/link", true},
		{"https://slack-gov.com/api", "wss://wss-primary.slack.com/link", false},
		{"https://chat.example.com/api", "wss://chat.example.com/link", true},
		{"https://chat.example.com/api", "wss://wss-primary.slack.com/link", false},
		{"http://127.0.0.1:8065/api", "ws://127.0.0.1:8065/link", true},
		{"http://127.0.0.1:8065/api", "ws://127.0.0.1:9090/link", false},
	} {
		at, err := url.Parse(tc.address)
		if err != nil {
			t.Fatal(err)
		}
		n := &Notifier{settings: Settings{APIURL: tc.api}}
		if got := n.mayConnect(at); got != tc.want {
			t.Errorf("%s of the API %q: got %v, want %v", tc.address, tc.api, got, tc.want)
		}
	}
}
