package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/alerting/slack"
	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// withSlack returns a rig whose messages go to a Slack with buttons as well.
func withSlack(t *testing.T) (*rig, *slacktest.Server) {
	t.Helper()
	r, server := supported(t), slacktest.New(t)
	for name, secret := range map[string]string{"token": slacktest.Token, "app-token": slacktest.AppToken} {
		if err := os.WriteFile(filepath.Join(r.folder, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.text += fmt.Sprintf("notify: {slack: {token_file: %s/token, app_token_file: %s/app-token, channel: \"#llm-cost\", api_url: \"%s/api\"}}\n", r.folder, r.folder, server.URL)
	r.start(t)
	return r, server
}

// TestF93_TwoDaemons holds that two daemons with a data file each tell everything once each, that neither takes the message of the other for its own, and that nothing is told
// again afterwards.
func TestF93_TwoDaemons(t *testing.T) {
	t.Parallel()
	one, server := withSlack(t)
	other := supported(t)
	_, notify, _ := strings.Cut(one.text, "notify:")
	other.text += "notify:" + notify
	other.start(t)
	for range 5 {
		one.days(t, 1)
		other.days(t, 1)
	}
	all := server.Messages()
	if len(all) != 2 || all[0].Updates+all[1].Updates != 0 || all[0].Thread+all[1].Thread != "" {
		t.Fatalf("got %+v, want one message of each", all)
	}
	said := func(m slacktest.Message) string { text, _, _ := strings.Cut(m.Text, " Receipt "); return text }
	if said(all[0]) != said(all[1]) || all[0].Text == all[1].Text {
		t.Errorf("got %q and %q, want the same said twice, of a receipt of each", all[0].Text, all[1].Text)
	}
}

// pressed returns a rig on the third morning, when the move has been told, with the message in Slack and a connection by which buttons are
// told.
func pressed(t *testing.T) (*rig, *slacktest.Server, *slacktest.Socket) {
	t.Helper()
	r, server := withSlack(t)
	r.days(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { r.keepListening(ctx) })
	tasks.Go(func() { r.keepTaking(ctx) })
	t.Cleanup(func() { cancel(); tasks.Wait() })
	socket := server.Socket(t)
	return r, server, socket
}

// taken waits until the ledger holds an answer of that kind to the decision id.
func (r *rig) taken(t *testing.T, id, kind string) ledger.Answer {
	t.Helper()
	for range 500 {
		if _, err := os.Stat(filepath.Join(r.folder, "answers", id+".json")); err != nil {
			if a, found, err := ledger.Given(r.store, r.folder, id); err == nil && found && a.Kind == kind {
				return a
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the ledger holds no answer %s to %s", kind, id)
	return ledger.Answer{}
}

// reaches waits until the report that is shown has the case of support in stage, without another evaluation.
func (r *rig) reaches(t *testing.T, stage model.Stage) {
	t.Helper()
	var w model.WorkloadReport
	for range 500 {
		if w = workload(t, r.Report(), "support"); w.Case.Stage == stage {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got the case %+v, want %s", w.Case, stage)
}

// aside waits for the word number n that was said to a person alone.
func aside(t *testing.T, server *slacktest.Server, n int) slacktest.Said {
	t.Helper()
	for range 500 {
		if all := server.Said(); len(all) >= n {
			return all[n-1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("got %+v, want %d words to a person", server.Said(), n)
	return slacktest.Said{}
}

func value(id, workload string) string {
	data, _ := json.Marshal(map[string]string{"decision": id, "workload": workload}) // texts can always be written
	return string(data)
}

// TestButtons lives through a move that is acknowledged in Slack and declined there: each answer is in the ledger with who gave it, the
// message shows it, and what was answered is answered once.
func TestButtons(t *testing.T) {
	t.Parallel()
	r, server, socket := pressed(t)
	id := r.box.events[0].Report.Decision.ID
	first := server.Messages()[0]
	button := value(id, "support")
	socket.Interact(t, first.Press("U0123ABCD", "tipline_acknowledge", button))
	if a := r.taken(t, id, ledger.Seen); a.By != "maria (Slack user U0123ABCD)" || a.Option != "fleet" || a.Workload != "support" {
		t.Errorf("got %+v, want who acknowledged the move to the fleet", a)
	}
	r.reaches(t, model.StageAcknowledged)
	if _, err := r.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := server.Messages()
	shown := string(all[0].Blocks)
	if len(all) != 2 || all[0].Updates != 1 || !strings.Contains(shown, "Acknowledged by maria (Slack user U0123ABCD)") ||
		strings.Contains(shown, "tipline_acknowledge") || !strings.Contains(shown, "tipline_decline") {
		t.Errorf("got %d messages, the first changed %d times: %s; want it to show the answer and the buttons that are left", len(all), all[0].Updates, shown)
	}
	if note := all[1]; note.Thread != first.Time || note.Broadcast || !strings.Contains(string(note.Blocks), "acknowledged by maria") || strings.Contains(string(note.Blocks), "button") {
		t.Errorf("got %+v, want a note in the thread alone", note)
	}

	socket.Interact(t, first.Press("U0123ABCD", "tipline_acknowledge", button)) // once more, since Slack heard too late that it had arrived
	socket.Interact(t, first.Press("U0456EFGH", "tipline_acknowledge", button))
	if got := aside(t, server, 1); got.User != "U0456EFGH" || !strings.Contains(got.Text, "answered already: acknowledged by maria") {
		t.Errorf("a second press: got %+v, want who was first", got)
	}

	socket.Interact(t, first.Press("U0456EFGH", "tipline_decline", button))
	form := aside(t, server, 2)
	for _, tc := range []struct{ reason, until, field string }{
		{"", "2027-03-01", "reason"}, {"no staff", "2026-01-01", "until"}, {"no staff", "", "until"}, {"no\u202estaff", "2027-03-01", "reason"},
	} {
		got := socket.Interact(t, slacktest.Submit("U0456EFGH", form.View, map[string]string{"reason": tc.reason, "until": tc.until}))
		if !strings.Contains(got, `"errors":{"`+tc.field+`":`) {
			t.Errorf("%+v: got %s, want an error at %s", tc, got, tc.field)
		}
	}
	filled := slacktest.Submit("U0456EFGH", form.View, map[string]string{"reason": "no <!channel> staff", "until": "2027-03-01"})
	if got := socket.Interact(t, filled); got != "" {
		t.Fatalf("got %s, want the form taken", got)
	}
	if a := r.taken(t, id, ledger.NotViable); a.Reason != "no <!channel> staff" || !a.Until.Equal(time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v, want the reason and the day", a)
	}
	r.mu.Lock()
	r.now = r.now.Add(time.Minute) // the next message to the channel is due
	r.mu.Unlock()
	if _, err := r.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	shown = string(server.Messages()[0].Blocks)
	if !strings.Contains(shown, "Declined until 1 Mar 2027 by maria (Slack user U0456EFGH)") || strings.Contains(shown, "button") || strings.Contains(shown, "<!channel>") {
		t.Errorf("got %s, want the answer, inert, and no buttons", shown)
	}
	if got := socket.Interact(t, filled); got != "" {
		t.Errorf("a form that came twice: got %s, want it taken as before", got)
	}
	for _, another := range []string{
		slacktest.Submit("U0123ABCD", form.View, map[string]string{"reason": "no <!channel> staff", "until": "2027-03-01"}),
		slacktest.Submit("U0456EFGH", form.View, map[string]string{"reason": "no <!channel> staff", "until": "2027-04-01"}),
		slacktest.Submit("U0456EFGH", form.View, map[string]string{"reason": "another", "until": "2027-03-01"}),
	} {
		if got := socket.Interact(t, another); !strings.Contains(got, "answered already") {
			t.Errorf("%s: got %s, want it refused", another, got)
		}
	}
	// An answer whose file was left behind when the process ended is told once.
	kept, _, err := ledger.Given(r.store, r.folder, id)
	if err = errors.Join(err, ledger.Leave(r.folder, kept)); err != nil {
		t.Fatal(err)
	}
	signal(r.answered)
	r.taken(t, id, ledger.NotViable)
	if got := r.desk.Pending(); got != 0 {
		t.Errorf("got %d messages about an answer that was taken twice, want none", got)
	}
	if w := workload(t, r.days(t, 1), "support"); w.Decision.Recommendation != model.Stay || len(w.Options) != 1 {
		t.Errorf("got %s with %d options, want to stay without the fleet", w.Decision.Recommendation, len(w.Options))
	}
}

// TestPressesAreChecked holds that nothing is answered but the decision that the message shows now.
func TestPressesAreChecked(t *testing.T) {
	t.Parallel()
	r, server, socket := pressed(t)
	id := r.box.events[0].Report.Decision.ID
	good := server.Messages()[0]
	elsewhere, other := good, good
	elsewhere.Channel, other.Time = "#another", "1700000000.777777"
	n := 0
	for _, tc := range []struct {
		name, value, says string
		from              slacktest.Message
	}{
		{"no decision", value("", "support"), "does not know", good},
		{"one that nobody made", value("ffffffffffff", "support"), "does not know", good},
		{"a key of the ledger", value("announced/"+id, "support"), "does not know", good},
		{"another workload", value(id, "llama"), "another workload", good},
		{"no workload", value(id, ""), "another workload", good},
		{"another channel", value(id, "support"), "not the one about support", elsewhere},
		{"another message", value(id, "support"), "not the one about support", other},
		{"a decision that the message does not show", value(workload(t, r.days(t, 1), "support").Decision.ID, "support"), "newer decision", good},
	} {
		for _, action := range []string{"tipline_done", "tipline_snooze"} {
			socket.Interact(t, tc.from.Press("U0123ABCD", action, tc.value))
			n++
			if got := aside(t, server, n); got.Method != "chat.postEphemeral" || !strings.Contains(got.Text, tc.says) || !strings.Contains(got.Text, "Nothing has changed") {
				t.Errorf("%s, %s: got %+v, want it to say %q", tc.name, action, got, tc.says)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(r.folder, "answers", "*"))
	answers, loadErr := ledger.LoadAnswers(r.store)
	if err != nil || loadErr != nil || len(left)+len(answers) != 0 {
		t.Errorf("got %v and %v (%v, %v), want no answer", left, answers, err, loadErr)
	}
}

// TestPressesAreLogged holds that the log says why a press was not answered, be it one that a form was to follow, as the person is told.
func TestPressesAreLogged(t *testing.T) {
	t.Parallel()
	r := supported(t)
	var log bytes.Buffer
	r.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := r.store.Apply(map[string]map[string][]byte{ledger.Bucket: {"ffffffffffff": []byte("{")}}); err != nil {
		t.Fatal(err)
	}
	p := slack.Press{Kind: slack.Snooze, Decision: "ffffffffffff", Workload: "support"}
	var refused *slack.Refused
	for _, asked := range []func(slack.Press) error{buttons{r.Daemon}.Check, buttons{r.Daemon}.Answer} {
		log.Reset()
		if err := asked(p); err == nil || errors.As(err, &refused) || !strings.Contains(log.String(), "decision=ffffffffffff workload=support error=") {
			t.Errorf("got %v and the log %q, want the log to say what is wrong with the receipt", err, log.String())
		}
	}
}

// TestConnectionsAreHeld holds that a connection that Slack ends is made again at once, one that a reload asks for too, and that one that
// is refused waits for a person.
func TestConnectionsAreHeld(t *testing.T) {
	t.Parallel()
	r, server, socket := pressed(t)
	if err := socket.Disconnect("refresh_requested"); err != nil {
		t.Fatal(err)
	}
	server.Socket(t)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	last := server.Socket(t)
	server.Offer(func(int) *slacktest.Answer { refused := slacktest.Error("invalid_auth"); return &refused })
	if err := last.Disconnect("link_disabled"); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); err != nil { // which asks again before the hour is over
		t.Fatal(err)
	}
	for range 500 {
		if server.Offered() == 4 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("asked for %d connections, want 4", server.Offered())
}

func TestWaitAfter(t *testing.T) {
	t.Parallel()
	r := supported(t)
	at := time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)
	if got := spread(time.Minute, at); got != time.Minute {
		t.Errorf("got %s, want no more at a whole second", got)
	}
	if got := spread(time.Minute, at.Add(500*time.Millisecond)); got != 75*time.Second {
		t.Errorf("got %s, want a quarter more at half a second", got)
	}
	for _, tc := range []struct {
		err      error
		short    int
		low, top time.Duration
	}{
		{nil, 0, 0, 0},
		{nil, 3, 16 * time.Second, 24 * time.Second},
		{fmt.Errorf("broke"), 0, 2 * time.Second, 3 * time.Second},
		{fmt.Errorf("broke"), 50, 5 * time.Minute, 450 * time.Second},
	} {
		if got := r.waitAfter(tc.err, tc.short); got < tc.low || got > tc.top {
			t.Errorf("%v after %d: got %s, want %s to %s", tc.err, tc.short, got, tc.low, tc.top)
		}
	}
}
