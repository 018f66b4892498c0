package daemon

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"tipline/alerting/slack/slacktest"
)

// TestRouteChoosesNotifiers follows a move that a route of the configuration leaves to some of the notifiers, and the reload after which it is
// shown by another one.
func TestRouteChoosesNotifiers(t *testing.T) {
	t.Parallel()
	slack := slacktest.New(t)
	var mu sync.Mutex
	var told []string
	others := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		if path := strings.TrimPrefix(q.URL.Path, "/"); strings.Contains(string(body), "support") {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, path)
		}
	}))
	t.Cleanup(others.Close)
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured))
	write(t, filepath.Join(r.folder, "token"), slacktest.Token)
	r.text += `notify:
  slack: {token_file: ` + filepath.Join(r.folder, "token") + `, channel: "#llm-cost", api_url: "` + slack.URL + `/api"}
  webhook: {url: "` + others.URL + `/webhook"}
  alertmanager: {url: "` + others.URL + `"}
  routes: [{kinds: [first_seen], notifiers: [webhook]}]
`
	r.start(t)
	r.days(t, 4)
	if err := r.Show(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if n := len(slack.Messages()); n != 0 || !slices.Equal(told, []string{"webhook"}) {
		t.Errorf("got %d messages in Slack and %q, want the webhook alone to be told", n, told)
	}
	mu.Unlock()
	if len(r.box.events) != 1 || r.desk.Pending() != 0 {
		t.Errorf("got %+v, want what the configuration does not name to be told of all", r.box.events)
	}
	r.text = strings.Replace(r.text, "[webhook]", "[alertmanager]", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.days(t, 1)
	if err := r.Show(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(told, []string{"webhook", "api/v2/alerts"}) {
		t.Errorf("got %q, want the Alertmanager to show the move now", told)
	}
}
