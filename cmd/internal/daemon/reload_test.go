package daemon

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/model"
)

// TestF87_BadReload puts something wrong of every kind into the configuration: it is refused with its place or its file, nothing of it is in force, and the gauge,
// the page and the log of every cycle say so until it is put right.
func TestF87_BadReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured))
	var log bytes.Buffer
	r.options.Log = slog.New(slog.NewTextHandler(&log, nil))
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, missing := r.text, filepath.Join(folder, "none")
	gateway := func(settings string) string {
		return strings.Replace(good, `/gateway"}`, `/gateway", `+settings+"}", 1)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"configuration":       {strings.Replace(good, "input: 3", "input: -3", 1), "tipline.yml:6:"},
		"not YAML":            {good + "{", "tipline.yml:"},
		"template":            {good + "notify:\n  templates: [{kinds: [first_seen], headline: '{{.Nope}}'}]\n", "notify.templates[0].headline"},
		"no price file":       {good + "prices: {files: [" + missing + "]}\n", missing},
		"price file":          {good + "prices: {files: [" + file("bad.csv", "nonsense,1\n") + "]}\n", "bad.csv"},
		"no password":         {gateway("basic_auth: {username: a, password_file: " + missing + "}"), "source gateway: want a file with credentials: open " + missing},
		"no bearer":           {gateway("authorization: {credentials_file: " + missing + "}"), missing},
		"empty bearer":        {gateway("authorization: {credentials_file: " + file("empty", " \n") + "}"), "empty"},
		"no header":           {gateway("http_headers: {X-Key: {files: [" + missing + "]}}"), missing},
		"no client's secret":  {gateway("oauth2: {client_id: a, client_secret_file: " + missing + ", token_url: http://example.com}"), missing},
		"no authority":        {gateway("tls_config: {ca_file: " + missing + "}"), missing},
		"certificate":         {gateway("tls_config: {ca_file: " + file("bad.pem", "nonsense") + "}"), "source gateway"},
		"no token of Slack":   {good + "notify: {slack: {token_file: " + missing + ", channel: '#a'}}\n", "notify.slack: want a file with credentials: open " + missing},
		"no webhook of Slack": {good + "notify: {slack: {webhook_url_file: " + missing + "}}\n", missing},
		"no webhook":          {good + "notify: {webhook: {url_file: " + missing + "}}\n", missing},
		"no key":              {good + "notify: {webhook: {url: http://example.com, secret_file: " + missing + "}}\n", missing},
	} {
		r.text = tc.text
		if err := r.Reload(); err == nil || !strings.Contains(err.Error(), tc.want) || r.Refused() != err.Error() || testutil.ToFloat64(r.metrics.reload) != 0 {
			t.Errorf("%s: got %v and the gauge %v, want it refused for %q", name, err, testutil.ToFloat64(r.metrics.reload), tc.want)
		}
	}
	for range 2 {
		log.Reset()
		w := workload(t, r.days(t, 1), "support")
		if got := w.Options[0].USDPerMTok; got == nil || math.Abs(float64(*got)-3) > 1e-9 || w.Decision.Recommendation != model.Move {
			t.Errorf("got %+v, want the configuration before", w.Decision)
		}
		if n := strings.Count(log.String(), "the configuration that was refused is still not put right"); n != 1 {
			t.Errorf("a cycle says it %d times, want once:\n%s", n, log.String())
		}
	}
	r.text = good
	if err := r.Reload(); err != nil || r.Refused() != "" || testutil.ToFloat64(r.metrics.reload) != 1 {
		t.Errorf("put right: got %v, %q", err, r.Refused())
	}
	log.Reset()
	if r.days(t, 1); strings.Contains(log.String(), "refused") {
		t.Errorf("put right, it is still said:\n%s", log.String())
	}
}
