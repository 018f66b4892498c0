package slack

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack/slacktest"
)

// TestRepeatIsLookedForFirst holds that a bot does not send again what is in the channel, says so when it cannot know, and sends nothing
// while Slack does not answer, until it has looked for long enough. The history has more messages than a page.
func TestRepeatIsLookedForFirst(t *testing.T) {
	t.Parallel()
	always := func(a slacktest.Answer) func(int) *slacktest.Answer { return func(int) *slacktest.Answer { return &a } }
	for _, tc := range []struct {
		name    string
		channel string // empty: that of the notifier
		kept    bool   // the first attempt arrived
		lookups func(int) *slacktest.Answer
		scopes  []string        // of the token; nil: all
		blind   bool            // it has looked for long enough
		remedy  alerting.Remedy // empty: sent, or found
		copies  int             // of the message at the end
		marked  bool            // the last of them as a possible repeat
	}{
		{name: "it arrived", kept: true, copies: 1},
		{name: "it arrived in a channel named by its id", channel: slacktest.ID("#other"), kept: true, copies: 1},
		{name: "it did not arrive", copies: 1},
		{name: "a token without the scope", kept: true, lookups: always(slacktest.Error("missing_scope")), copies: 2, marked: true},
		{name: "a receiver that only speaks like Slack", kept: true, lookups: always(slacktest.Answer{Status: 404, Body: "not found"}), copies: 2, marked: true},
		{name: "a receiver that has no such thing", kept: true, lookups: always(slacktest.Answer{Status: 501, Body: "-"}), copies: 2, marked: true},
		{name: "a page in the place of Slack", kept: true, lookups: always(slacktest.Answer{Body: "<html>sign in</html>"}), copies: 2, marked: true},
		{name: "a public channel by name, without the scopes of private ones", kept: true, scopes: []string{"channels:read", "channels:history"}, copies: 1},
		{name: "a private channel by name, without its scopes", channel: "#private", kept: true, scopes: []string{"channels:read", "channels:history"}, copies: 2, marked: true},
		{name: "a private channel by name", channel: "#private", kept: true, copies: 1},
		{name: "a channel by its id, without the list", channel: slacktest.ID("#other"), kept: true, scopes: []string{"channels:history"}, copies: 1},
		{name: "a limit", kept: true, lookups: always(slacktest.Answer{Status: 429, RetryAfter: "9"}), remedy: alerting.Unseen, copies: 1},
		{name: "a server that fails", kept: true, lookups: always(slacktest.Answer{Status: 503, Body: "-"}), remedy: alerting.Unseen, copies: 1},
		{name: "a Slack that fails", kept: true, lookups: always(slacktest.Error("internal_error")), remedy: alerting.Unseen, copies: 1},
		{name: "an answer that breaks off", kept: true, lookups: always(slacktest.Answer{Body: `{"ok":true,"mess`}), remedy: alerting.Unseen, copies: 1},
		{name: "a server that has failed for long", kept: true, blind: true, lookups: always(slacktest.Answer{Status: 503, Body: "-"}), copies: 2, marked: true},
		{name: "one that answers again after it has failed for long", kept: true, blind: true, copies: 1},
		{name: "a connection that breaks", lookups: always(slacktest.Answer{Cut: true}), remedy: alerting.Unseen},
		{name: "the history fails after the list", kept: true, remedy: alerting.Unseen, copies: 1, lookups: func(n int) *slacktest.Answer {
			if n == 2 {
				return &slacktest.Answer{Body: `{"ok":false,"error":"ratelimited"}`}
			}
			return nil
		}},
		{name: "a history without an end", kept: true, copies: 2, marked: true, lookups: func(n int) *slacktest.Answer {
			if n == 1 {
				return nil
			}
			return &slacktest.Answer{Body: `{"ok":true,"messages":[],"response_metadata":{"next_cursor":"` + strconv.Itoa(n) + `"}}`}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := slacktest.New(t)
			n := both(t, server)["bot"]
			e := event()
			e.Channel = tc.channel
			server.Answer(func(request int) *slacktest.Answer {
				if request == 1 {
					return &slacktest.Answer{Cut: true, Keep: tc.kept}
				}
				return nil
			})
			checkFailure(t, "first attempt", failed(n.Send(t.Context(), e)), alerting.Reconcile, 0, "")
			for i := range 3 {
				other := event()
				other.ID, other.Channel = "other-"+strconv.Itoa(i), tc.channel
				if _, err := n.Send(t.Context(), other); err != nil {
					t.Fatal(err)
				}
			}
			server.Lookups(tc.lookups)
			if tc.scopes != nil {
				server.Grant(tc.scopes...)
			}
			e.Repeat, e.Blind = true, tc.blind
			_, err := n.Send(t.Context(), e)
			if tc.remedy != "" {
				checkFailure(t, "second attempt", err, tc.remedy, map[bool]time.Duration{true: 9 * time.Second}[tc.name == "a limit"], "")
			} else if err != nil {
				t.Fatal(err)
			}
			messages := server.Messages()
			if got := len(messages) - 3; got != tc.copies {
				t.Fatalf("got %d copies of the message, want %d", got, tc.copies)
			}
			if got := strings.Contains(string(messages[len(messages)-1].Blocks), "may repeat"); got != tc.marked {
				t.Errorf("marked as a possible repeat: got %v, want %v", got, tc.marked)
			}
		})
	}
}

// TestHistoryIsNotQuoted holds that what others wrote in the channel stays there, whatever breaks after it was read: no error has it.
func TestHistoryIsNotQuoted(t *testing.T) {
	t.Parallel()
	const theirs = "words-of-other-people"
	history := slacktest.Answer{Body: `{"ok":true,"messages":[{"text":"` + theirs + `"}],"response_metadata":{"next_cursor":""}}`}
	for _, tc := range []struct {
		name   string
		lookup slacktest.Answer
		post   slacktest.Answer
		remedy alerting.Remedy
	}{
		{"a lookup that fails", slacktest.Answer{Status: 502, Body: theirs}, slacktest.Answer{}, alerting.Unseen},
		{"a lookup that breaks off", slacktest.Answer{Body: history.Body[:60]}, slacktest.Answer{}, alerting.Unseen},
		{"a post that breaks", history, slacktest.Answer{Cut: true}, alerting.Reconcile},
		{"a post that is refused", history, slacktest.Error("not_in_channel"), alerting.FixSettings},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := slacktest.New(t)
			n := both(t, server)["bot"]
			server.Lookups(func(int) *slacktest.Answer { return &tc.lookup })
			server.Answer(func(int) *slacktest.Answer { return &tc.post })
			e := event()
			e.Channel, e.Repeat = slacktest.ID("#other"), true
			_, err := n.Send(t.Context(), e)
			checkFailure(t, "the repeat", err, tc.remedy, 0, "")
			if strings.Contains(err.Error(), theirs[:10]) {
				t.Errorf("%v quotes the history", err)
			}
		})
	}
}
