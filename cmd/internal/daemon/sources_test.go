package daemon

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
	"tipline/model"
)

// tenants answers for one workload in each tenant, which the header names, and refuses a request of none.
func tenants(q promtest.Query) promtest.Answer {
	tenant := q.Header.Get("X-Scope-OrgID")
	if tenant == "" {
		return promtest.Status(http.StatusUnauthorized, "no org id\n")
	}
	answer := steady(map[string]string{"team_alias": tenant + "-chat"}, 1e6)(q)
	answer.Gzip = true
	return answer
}

// TestF14_Tenants holds that tenants of one server, and a server behind a proxy, are sources of their own, and that one that is down affects
// only its own workloads.
func TestF14_Tenants(t *testing.T) {
	t.Parallel()
	r := newRig(t, tenants)
	apart := promtest.Start(t, tenants)
	source := func(name, rest string) string {
		return fmt.Sprintf("\n  - {name: %s, prometheus: {%s}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 14d}", name, rest)
	}
	header := func(tenant string) string { return "http_headers: {X-Scope-OrgID: {values: [" + tenant + "]}}" }
	_, rest, _ := strings.Cut(r.text, "\noptions:")
	r.text = "sources:" +
		source("eu", fmt.Sprintf("url: %q, %s", r.server.URL, header("eu"))) +
		source("us", fmt.Sprintf("url: %q, %s", r.server.URL, header("us"))) +
		source("apart", fmt.Sprintf("url: %q, proxy_url: %q, %s", "http://prometheus.example:9090", apart.URL, header("apart"))) +
		"\noptions:" + rest
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 3)
	for _, name := range []string{"apart-chat", "eu-chat", "us-chat"} {
		if w := workload(t, report, name); w.Source+"-chat" != name || w.Decision.Recommendation == model.Unknown {
			t.Errorf("%s: got source %s and %s (%s), want its own and a verdict", name, w.Source, w.Decision.Recommendation, w.Decision.Because)
		}
	}
	apart.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(http.StatusUnauthorized, "who are you") })
	report = r.days(t, 1)
	if u := report.Unattributed; u != nil || !slices.ContainsFunc(report.Warnings, func(w model.Warning) bool {
		return w.Code == unattributedUnknown && strings.HasSuffix(w.Text, "source apart: it was not read")
	}) {
		t.Errorf("while apart is down: got %+v tokens without a workload, warnings %+v; want that it is not known, and why", u, report.Warnings)
	}
	for _, name := range []string{"apart-chat", "eu-chat", "us-chat"} {
		if got, want := workload(t, report, name).Decision.Recommendation == model.Unknown, name == "apart-chat"; got != want {
			t.Errorf("%s, while apart is down: unknown %v, want %v", name, got, want)
		}
	}
	for _, s := range report.Sources {
		if s.Up != (s.Source != "apart") {
			t.Errorf("source %s: up %v: %s", s.Source, s.Up, s.Error)
		}
	}
}

// credentials are the ways in which a file can say who asks, in the configuration and in a request.
var credentials = map[string]struct{ yaml, header, prefix string }{
	"authorization":          {"authorization: {credentials_file: %q}", "Authorization", "Bearer "},
	"basic_auth, a password": {"basic_auth: {username: tipline, password_file: %q}", "Authorization", "Basic "},
	"basic_auth, a user":     {"basic_auth: {username_file: %q}", "Authorization", "Basic "},
	"http_headers":           {"http_headers: {X-Api-Key: {files: [%q]}}", "X-Api-Key", ""},
}

// credentialOf returns what q says who asks.
func credentialOf(q promtest.Query, prefix, header string) string {
	given := strings.TrimPrefix(q.Header.Get(header), prefix)
	if prefix == "Basic " {
		user, password, _ := (&http.Request{Header: q.Header}).BasicAuth()
		return cmp.Or(password, user) // where the file has the user there is none
	}
	return given
}

// credentialCollector returns a collector for a source at address that is configured with how, a part of its prometheus section.
func credentialCollector(t *testing.T, address, how string) *collector.Collector {
	t.Helper()
	cfg, err := config.Parse("tipline.yml", fmt.Appendf(nil, `
sources:
  - {name: gateway, prometheus: {url: %q, %s}, pack: litellm, group_by: [team_alias], hosting: api}
`, address, how), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := CollectorSettings(cfg.Sources[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	settings.Backfill = 24 * time.Hour
	c, err := collector.New(settings, openStore(t, t.TempDir()), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestF13_RotatedToken holds that a credential is read again for every collection, so that a new one is used without a reload.
func TestF13_RotatedToken(t *testing.T) {
	t.Parallel()
	for name, how := range credentials {
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, "first")
		server := promtest.Start(t, func(q promtest.Query) promtest.Answer {
			token, err := os.ReadFile(file)
			if given := credentialOf(q, how.prefix, how.header); err != nil || given != string(token) {
				return promtest.Status(http.StatusUnauthorized, "the token has expired")
			}
			return steady(map[string]string{"team_alias": "support"}, 1e6)(q)
		})
		c := credentialCollector(t, server.URL, fmt.Sprintf(how.yaml, file))
		for i, token := range []string{"first", "second"} {
			write(t, file, token)
			if _, err := c.Collect(t.Context(), opening.Add(time.Duration(i)*time.Hour)); err != nil {
				t.Errorf("%s: with the %s token: %v", name, token, err)
			}
		}
	}
}

// TestF13_RotatedWithinACollection holds that what is refused with a credential whose file has changed meanwhile is asked for once more with the new one, in the same collection,
// and that nothing else is: not without a change, and not a second time.
func TestF13_RotatedWithinACollection(t *testing.T) {
	t.Parallel()
	for name, how := range credentials {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			file := filepath.Join(t.TempDir(), "token")
			for _, tc := range []struct {
				what, next string // the credential that takes the place of the first while that is being refused
				asked      string // credentials of requests up to the first answer
				up         bool
			}{
				{"a change", "second", "first second", true},
				{"no change", "first", "first", false},
				{"a change for the worse", "third", "first third", false},
			} {
				write(t, file, "first")
				server := promtest.Start(t, func(q promtest.Query) promtest.Answer {
					if credentialOf(q, how.prefix, how.header) == "second" {
						return steady(map[string]string{"team_alias": "support"}, 1e6)(q)
					}
					write(t, file, tc.next)
					return promtest.Status(status, "no such token")
				})
				c := credentialCollector(t, server.URL, fmt.Sprintf(how.yaml, file))
				_, err := c.Collect(t.Context(), opening)
				var asked []string
				for _, q := range server.Queries() {
					if q.Method == http.MethodPost { // a 403 is tried by GET as well, see TestF16_PostRefused
						asked = append(asked, credentialOf(q, how.prefix, how.header))
					}
				}
				got := strings.Join(asked[:min(len(asked), 2)], " ")
				if (err == nil) != tc.up || got != tc.asked || tc.up != (len(asked) > 2) {
					t.Errorf("%s, %d, %s: asked as %q, error %v; want %q", name, status, tc.what, asked, err, tc.asked)
				}
				if err != nil && !strings.Contains(err.Error(), string(collector.Unauthorized)) {
					t.Errorf("%s, %d, %s: got %v, want %s", name, status, tc.what, err, collector.Unauthorized)
				}
			}
		}
	}
}

// TestF17_SourcesOfOneServer holds that sources at one host and port have one limit of queries in flight, the least of theirs, and one budget of retries in a cycle, and that others have their own.
func TestF17_SourcesOfOneServer(t *testing.T) {
	t.Parallel()
	var now, peak, asked atomic.Int64
	r := newRig(t, func(promtest.Query) promtest.Answer {
		asked.Add(1)
		inFlight := now.Add(1)
		defer now.Add(-1)
		for before := peak.Load(); inFlight > before && !peak.CompareAndSwap(before, inFlight); before = peak.Load() {
		}
		time.Sleep(20 * time.Millisecond) // for others to come meanwhile, if they may
		return promtest.Answer{Status: http.StatusInternalServerError, Body: []byte("oops"), Header: http.Header{"Retry-After": {"86400"}}}
	})
	const sources = 20
	var more strings.Builder
	for i := range sources - 2 {
		more.WriteString(fmt.Sprintf("  - {name: own-%d, prometheus: {url: %q}, queries: {input: up, output: up}, group_by: [team], hosting: api}\n", i, r.server.URL))
	}
	r.text = strings.Replace(r.text, "/gateway\"", "/gateway\", concurrency: 2", 1)
	r.text = strings.Replace(r.text, "options:\n", more.String()+"options:\n", 1)
	r.start(t)
	for cycle := range 2 {
		asked.Store(0)
		if _, err := r.Cycle(t.Context()); err == nil {
			t.Fatal("got no error, want that the sources were not read")
		}
		if got := asked.Load(); got != sources || peak.Load() > 2 {
			t.Errorf("cycle %d: %d queries, %d of them in flight, want one of each of the %d sources, 2 at once", cycle, got, peak.Load(), sources)
		}
	}
	cfg := func(url string) config.Source { return config.Source{Prometheus: config.Prometheus{URL: url}} }
	for _, tc := range []struct {
		one, other string
		shared     bool
	}{
		{"http://prometheus:9090", "http://prometheus:9090/select/0/prometheus", true},
		{"http://prometheus", "http://Prometheus:80", true},
		{"https://mimir.example.com/prometheus", "https://mimir.example.com:443", true},
		{"http://[::1]:9090", "http://[::1]:9090/b", true},
		{"http://prometheus:9090", "http://prometheus:9091", false},
		{"http://prometheus", "https://prometheus", false},
		{"http://a:9090", "http://b:9090", false},
	} {
		if got := origin(cfg(tc.one)) == origin(cfg(tc.other)); got != tc.shared {
			t.Errorf("%s and %s: one server %v, want %v", tc.one, tc.other, got, tc.shared)
		}
	}
}
