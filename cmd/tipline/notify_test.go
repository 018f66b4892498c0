package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tipline/alerting/slack/slacktest"
)

// TestNotify holds that a test message reaches every place and every channel, says what it is, and that each failure is told by itself.
func TestNotify(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		places  string // slack, webhook and alertmanager
		refused string // a channel that Slack refuses
		down    bool   // of the webhook
		app     string // the app-level token; none without it
		code    int
		says    []string
	}{
		{
			name: "all arrive", places: "slack webhook alertmanager", code: exitDone,
			says: []string{"slack #llm-cost: delivered", "slack #labelled: delivered", "slack #support: delivered", "slack #finance: delivered", "slack #platform: delivered", "webhook: delivered", "alertmanager: delivered"},
		},
		{
			name: "a channel that the bot is not in", places: "slack webhook", refused: "#labelled", code: exitNotRight,
			says: []string{"slack #llm-cost: delivered", "slack #labelled: FAILED: slack: status 200: not_in_channel", "webhook: delivered"},
		},
		{name: "buttons that work", places: "slack", app: slacktest.AppToken, code: exitDone, says: []string{"slack #platform: delivered", "slack buttons: delivered"}},
		{
			name: "a bot token in place of the app's", places: "slack", app: slacktest.Token, code: exitNotRight,
			says: []string{"slack #platform: delivered", "slack buttons: FAILED: slack: status 200: invalid_auth"},
		},
		{name: "a webhook that is down", places: "slack webhook", down: true, code: exitUnreachable, says: []string{"slack #support: delivered", "webhook: FAILED"}},
		{name: "nothing to send to", code: exitNotRight, says: []string{"notify is empty"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			box := slacktest.New(t)
			if tc.refused != "" {
				box.Answer(func(n int) *slacktest.Answer {
					if n == 2 { // the channels are tried in the order of the file
						refused := slacktest.Error("not_in_channel")
						return &refused
					}
					return nil
				})
			}
			var mu sync.Mutex
			posted := map[string]string{}
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				var body bytes.Buffer
				_, _ = body.ReadFrom(r.Body)
				mu.Lock()
				defer mu.Unlock()
				posted[r.URL.Path] = body.String()
			}))
			defer server.Close()
			hook := server.URL + "/hook"
			if tc.down {
				hook = "http://127.0.0.1:1/hook"
			}
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "token"), []byte(slacktest.Token), 0o600); err != nil {
				t.Fatal(err)
			}
			app := ""
			if tc.app != "" {
				app = ", app_token_file: app-token"
				if err := os.WriteFile(filepath.Join(folder, "app-token"), []byte(tc.app), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var config strings.Builder
			config.WriteString(`
sources: [{name: gateway, prometheus: {url: "http://127.0.0.1:1"}, pack: litellm, group_by: [team], hosting: api}]
options: [{name: mini, kind: api, model: openai/gpt-5-mini}]
defaults:
  current: mini
  constraints: {data_sensitivity: internal, ops_capacity: limited}
`)
			routes := ""
			if strings.Contains(tc.places, "slack") {
				config.WriteString("  labels: {slack_channel: {team: [\"#labelled\", \"#llm-*\"]}}\n")
				config.WriteString("workloads: [{match: {team: support}, notify: {slack_channel: \"#support\"}}]\n" +
					"budgets: [{name: all, usd_per_month: 1000, notify: {slack_channel: \"#finance\"}}]\n")
				routes = "  routes: [{kinds: [data_fault], slack_channel: \"#platform\"}]\n"
			}
			if tc.places != "" {
				config.WriteString("notify:\n" + routes)
			}
			for place, text := range map[string]string{
				"slack":        fmt.Sprintf("  slack: {token_file: token, channel: \"#llm-cost\", api_url: %s/api%s}\n", box.URL, app),
				"webhook":      fmt.Sprintf("  webhook: {url: %q}\n", hook),
				"alertmanager": fmt.Sprintf("  alertmanager: {url: %q}\n", server.URL),
			} {
				if strings.Contains(tc.places, place) {
					config.WriteString(text)
				}
			}
			path := filepath.Join(folder, "tipline.yml")
			if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			code := run(t.Context(), []string{"notify", "test", "-c", path}, func(string) string { return "" }, &out, &errs)
			said := out.String() + errs.String()
			if code != tc.code {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, said)
			}
			for _, want := range tc.says {
				if !strings.Contains(said, want) {
					t.Errorf("got\n%s\nwant %q in it", said, want)
				}
			}
			if strings.Contains(said, "canary") {
				t.Errorf("the output shows the token:\n%s", said)
			}
			for _, m := range box.Messages() {
				if !strings.HasPrefix(m.Text, "Test message of tipline: nothing has happened.") {
					t.Errorf("slack got %q, want a message that says it is a test", m.Text)
				}
			}
			for place, want := range map[string]string{"webhook": `"reason":"test"`, "alertmanager": `"alertname":"TiplineTest"`} {
				at := map[string]string{"webhook": "/hook", "alertmanager": "/api/v2/alerts"}[place]
				if strings.Contains(tc.places, place) && !tc.down && !strings.Contains(posted[at], want) {
					t.Errorf("%s got %q, want %s in it", place, posted[at], want)
				}
			}
		})
	}
}
