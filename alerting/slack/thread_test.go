package slack

import (
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/alerting/slack/slacktest"
)

// TestOneMessageADecision holds that what happens after the first message of a case is said in its thread, that the first one shows how
// things stand now, and what a Slack that fails in between leads to.
func TestOneMessageADecision(t *testing.T) {
	t.Parallel()
	fails := func(n int, a slacktest.Answer) func(int) *slacktest.Answer {
		return func(request int) *slacktest.Answer {
			if request == n {
				return &a
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name    string
		reason  alerting.Reason
		answers func(int) *slacktest.Answer // requests are the first message, the update and the answer
		deleted bool                        // somebody took the first message away
		moved   bool                        // the configuration names another channel
		remedy  alerting.Remedy             // empty: delivered
		updates int                         // of the first message
		answer  bool                        // there is one in the thread
		shown   bool                        // in the channel as well
		alone   bool                        // there is a second message in the channel
	}{
		{name: "another answer", reason: alerting.Switched, updates: 1, answer: true, shown: true},
		{name: "a drift changes no answer", reason: alerting.Drifted, answer: true},
		{name: "the first message was deleted", reason: alerting.Returned, deleted: true, alone: true},
		{
			name: "its channel was archived", reason: alerting.Returned, answers: fails(2, slacktest.Error("is_archived")), alone: true,
		},
		{
			name: "the thread is locked", reason: alerting.Returned, answers: fails(3, slacktest.Error("restricted_action_thread_locked")),
			updates: 1, alone: true,
		},
		{name: "the channel is another one now", reason: alerting.Switched, moved: true, alone: true},
		{name: "a layout that is refused", reason: alerting.Switched, answers: fails(2, slacktest.Error("msg_blocks_too_long")), remedy: alerting.Simplify},
		{
			name: "it is too old to be changed", reason: alerting.Returned, answers: fails(2, slacktest.Error("edit_window_closed")),
			answer: true, shown: true,
		},
		{
			name: "a receiver that can only post", reason: alerting.Returned, answers: fails(2, slacktest.Answer{Status: 404, Body: "no"}),
			answer: true, shown: true,
		},
		{name: "a Slack that fails", reason: alerting.Switched, answers: fails(2, slacktest.Answer{Status: 503}), remedy: alerting.Unseen},
		{
			name: "a limit after the update", reason: alerting.Switched, answers: fails(3, slacktest.Error("ratelimited")), remedy: alerting.Retry,
			updates: 1,
		},
		{
			name: "the answer breaks", reason: alerting.Switched, answers: fails(3, slacktest.Answer{Cut: true, Keep: true}), remedy: alerting.Reconcile,
			updates: 1, answer: true, shown: true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := slacktest.New(t)
			server.Answer(tc.answers)
			n := both(t, server)["bot"]
			first := event()
			first.Case = first.ID
			root, err := n.Send(t.Context(), first)
			if err != nil || root.Channel != slacktest.ID("#llm-cost") || root.Time == "" {
				t.Fatalf("got %+v, %v, want where the message is", root, err)
			}
			if tc.deleted {
				server.Delete(root.Time)
			}
			second := sampled(tc.reason)
			second.ID, second.Case, second.Root = "second", first.ID, &root
			if tc.moved {
				n.settings.Channel = "#another"
			}
			at, err := n.Send(t.Context(), second)
			switch {
			case tc.remedy != "":
				checkFailure(t, "the second", err, tc.remedy, 0, "")
			case err != nil:
				t.Fatal(err)
			case (at.Time == root.Time) == tc.alone:
				t.Errorf("the case is at %+v, began at %+v", at, root)
			}
			checkThread(t, server, root, tc.updates, tc.answer, tc.shown, tc.alone)
			if tc.remedy == "" {
				return
			}
			// The next attempt ends as if nothing had been.
			server.Answer(nil)
			second.Repeat, second.Plain = tc.remedy == alerting.Reconcile, tc.remedy == alerting.Simplify
			if at, err = n.Send(t.Context(), second); err != nil || at.Time != root.Time || at.Channel != root.Channel {
				t.Fatalf("the next attempt: got %+v, %v", at, err)
			}
			checkThread(t, server, root, tc.updates+1, true, true, false)
		})
	}
}

func checkThread(t *testing.T, server *slacktest.Server, root alerting.Posted, updates int, answer, shown, alone bool) {
	t.Helper()
	got := map[string]int{}
	for _, m := range server.Messages() {
		switch {
		case m.Time == root.Time:
			if m.Updates != updates || strings.Contains(string(m.Blocks), "may repeat") {
				t.Errorf("the first message was changed %d times, want %d, and is %s", m.Updates, updates, m.Blocks)
			}
		case m.Thread == root.Time:
			got["answers"]++
			if m.Broadcast != shown {
				t.Errorf("the answer is shown in the channel: %v, want %v", m.Broadcast, shown)
			}
			if strings.Contains(string(m.Blocks), "may repeat") {
				t.Error("the answer is marked as a possible repeat")
			}
		default:
			got["alone"]++
		}
	}
	if got["answers"] != map[bool]int{true: 1}[answer] || got["alone"] != map[bool]int{true: 1}[alone] {
		t.Errorf("got %v, want an answer %v, a message alone %v", got, answer, alone)
	}
}
