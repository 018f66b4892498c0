package slack

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack/slacktest"
)

// secretFile returns the path of a file that holds text.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// both returns a notifier with a bot token and one with a webhook, both of server.
func both(t *testing.T, server *slacktest.Server) map[string]*Notifier {
	t.Helper()
	client := &http.Client{Timeout: 2 * time.Second}
	bot, err := New(Settings{TokenFile: secretFile(t, slacktest.Token), Channel: "#llm-cost", APIURL: server.URL + "/api"}, client)
	if err != nil {
		t.Fatal(err)
	}
	hook, err := New(Settings{WebhookURLFile: secretFile(t, server.URL+slacktest.HookPath)}, client)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Notifier{"bot": bot, "webhook": hook}
}

func TestSend(t *testing.T) {
	t.Parallel()
	server := slacktest.New(t)
	for name, n := range both(t, server) {
		if _, err := n.Send(t.Context(), event()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	messages := server.Messages()
	if len(messages) != 2 {
		t.Fatalf("got %d messages, want 2", len(messages))
	}
	for _, m := range messages {
		if !strings.Contains(m.Text, "support-chat") || !strings.Contains(string(m.Blocks), `"header"`) {
			t.Errorf("got text %q with blocks %s, want a verdict in both", m.Text, m.Blocks)
		}
	}
	e := event()
	e.Channel = "#support-ml"
	if _, err := both(t, server)["bot"].Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := server.Messages()[2].Channel; got != "#support-ml" {
		t.Errorf("channel: got %q, want that of the workload", got)
	}
}

func TestSendErrors(t *testing.T) {
	t.Parallel()
	html := "<html><title>Sign in</title></html>"
	for _, tc := range []struct {
		name, only string
		answer     slacktest.Answer
		remedy     alerting.Remedy
		after      time.Duration
		says       string
	}{
		{name: "a limit is waited for", answer: slacktest.Answer{Status: 429, RetryAfter: "17"}, remedy: alerting.Retry, after: 17 * time.Second},
		{name: "a limit without a time waits 30 seconds", answer: slacktest.Answer{Status: 429}, remedy: alerting.Retry, after: 30 * time.Second},
		{name: "a limit with a date too", answer: slacktest.Answer{Status: 429, RetryAfter: "Wed, 21 Oct 2026 07:28:00 GMT"}, remedy: alerting.Retry, after: 30 * time.Second},
		{name: "an error of the server may have been too late", answer: slacktest.Answer{Status: 502, Body: "bad gateway"}, remedy: alerting.Reconcile, says: "bad gateway"},
		{name: "a cut connection too", answer: slacktest.Answer{Cut: true, Keep: true}, remedy: alerting.Reconcile},
		{name: "a lost answer too", answer: slacktest.Answer{Hang: 3 * time.Second, Keep: true}, remedy: alerting.Reconcile},
		{name: "a page instead of an answer is no success", answer: slacktest.Answer{Body: html}, remedy: alerting.Reconcile, says: "Sign in"},
		{name: "an empty answer is no success", answer: slacktest.Answer{Body: " "}, remedy: alerting.Reconcile},
		{name: "a wrong token is for a person", only: "bot", answer: slacktest.Error("invalid_auth"), remedy: alerting.FixSettings, says: "invalid_auth"},
		{name: "an unknown channel is for a person", only: "bot", answer: slacktest.Error("channel_not_found"), remedy: alerting.FixSettings, says: "channel_not_found"},
		{name: "a refused layout is simplified", only: "bot", answer: slacktest.Error("invalid_blocks"), remedy: alerting.Simplify},
		{name: "an unknown refusal is for a person", only: "bot", answer: slacktest.Error("something_new"), remedy: alerting.FixSettings, says: "something_new"},
		{name: "a Slack that fails may have kept it", only: "bot", answer: slacktest.Error("internal_error"), remedy: alerting.Reconcile, says: "internal_error"},
		{name: "a webhook that is gone is for a person", only: "webhook", answer: slacktest.Answer{Status: 404, Body: "no_service"}, remedy: alerting.FixSettings, says: "no_service"},
		{name: "an archived channel is for a person", only: "webhook", answer: slacktest.Answer{Status: 410, Body: "channel_is_archived"}, remedy: alerting.FixSettings},
		{name: "a refused payload is simplified", only: "webhook", answer: slacktest.Answer{Status: 400, Body: "invalid_blocks"}, remedy: alerting.Simplify},
		{name: "a redirect is not followed", answer: slacktest.Answer{Status: 302, Body: "elsewhere"}, remedy: alerting.FixSettings},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := slacktest.New(t)
			server.Answer(func(int) *slacktest.Answer { return &tc.answer })
			for name, n := range both(t, server) {
				if tc.only != "" && tc.only != name {
					continue
				}
				checkFailure(t, name, failed(n.Send(t.Context(), event())), tc.remedy, tc.after, tc.says)
			}
		})
	}
}

// checkFailure holds what an error asks for and that it shows no secret.
func checkFailure(t *testing.T, name string, err error, remedy alerting.Remedy, after time.Duration, says string) {
	t.Helper()
	var failed *alerting.SendError
	if !errors.As(err, &failed) {
		t.Errorf("%s: got %v, want a *SendError", name, err)
		return
	}
	if failed.Remedy != remedy || failed.After != after {
		t.Errorf("%s: got %s after %s (%v), want %s after %s", name, failed.Remedy, failed.After, err, remedy, after)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %q, want it to quote %q", name, err, says)
	}
	for _, secret := range []string{slacktest.Token, "canary"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	client := &http.Client{Timeout: time.Second}
	hook, err := New(Settings{WebhookURLFile: secretFile(t, "http://127.0.0.1:1/services/canary")}, client)
	if err != nil {
		t.Fatal(err)
	}
	checkFailure(t, "refused connection", failed(hook.Send(t.Context(), event())), alerting.Retry, 0, "refused")
	missing, err := New(Settings{TokenFile: filepath.Join(t.TempDir(), "none"), Channel: "#c"}, client)
	if err != nil {
		t.Fatal(err)
	}
	checkFailure(t, "missing token file", failed(missing.Send(t.Context(), event())), alerting.FixSettings, 0, "no such file")
	rotates, err := New(Settings{TokenFile: secretFile(t, "xoxe.xoxb-1-canary"), Channel: "#c"}, client)
	if err != nil {
		t.Fatal(err)
	}
	checkFailure(t, "a token that rotates", failed(rotates.Send(t.Context(), event())), alerting.FixSettings, 0, "want that of an app without token rotation")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := hook.Send(ctx, event()); err == nil {
		t.Error("a canceled send succeeded")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{{}, {TokenFile: "a", WebhookURLFile: "b", Channel: "#c"}, {TokenFile: "a"}} {
		if _, err := New(s, http.DefaultClient); err == nil {
			t.Errorf("%+v: accepted, want an error", s)
		}
	}
}

// failed returns the error of a Send.
func failed(_ alerting.Posted, err error) error { return err }
