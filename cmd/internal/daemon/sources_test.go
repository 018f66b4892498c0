package daemon

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestF13_RotatedToken holds that a credential is read again for every collection, so that a new one is used without a reload.
func TestF13_RotatedToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "first")
	server := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		token, err := os.ReadFile(file)
		if err != nil || q.Header.Get("Authorization") == "Bearer first" && string(token) != "first" {
			return promtest.Status(http.StatusUnauthorized, "the token has expired")
		}
		if q.Header.Get("Authorization") != "Bearer "+string(token) {
			return promtest.Status(http.StatusForbidden, "no such token")
		}
		return steady(map[string]string{"team_alias": "support"}, 1e6)(q)
	})
	cfg, err := config.Parse("tipline.yml", fmt.Appendf(nil, `
sources:
  - {name: gateway, prometheus: {url: %q, authorization: {credentials_file: %q}}, pack: litellm, group_by: [team_alias], hosting: api}
`, server.URL, file), collector.Packs()...)
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
	for i, token := range []string{"first", "second"} {
		write(t, file, token)
		if _, err := c.Collect(t.Context(), opening.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Errorf("with the %s token: %v", token, err)
		}
	}
}
