package servers

import (
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// upgraded returns a Prometheus engine that has scraped an agentgateway for four weeks up to end, which went from one version to another forty hours before. What it counts
// as the input of Bedrock is before and since then so many times the tokens that were not read from a cache.
func upgraded(t *testing.T, from, to string, before, since float64) *engine.Engine {
	t.Helper()
	e := opened(t)
	begin, at := end.AddDate(0, 0, -28), end.Add(-40*time.Hour)
	batch := e.Begin()
	add := func(series *engine.Series, when time.Time, v float64) {
		if err := batch.Add(series, when, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, system, kind string
		perStep            float64
	}{
		{"agentgateway_gen_ai_client_token_usage_sum", "aws.bedrock", "input", 4e4},
		{"agentgateway_gen_ai_client_token_usage_sum", "aws.bedrock", "input_cache_read", 6e4},
		{"agentgateway_gen_ai_client_token_usage_sum", "aws.bedrock", "output", 2e4},
		{"agentgateway_gen_ai_server_request_duration_count", "aws.bedrock", "", 20},
		{"agentgateway_gen_ai_client_token_usage_sum", "openai", "input", 8e4},
		{"agentgateway_gen_ai_client_token_usage_sum", "openai", "output", 2e4},
		{"agentgateway_gen_ai_server_request_duration_count", "openai", "", 20},
	} {
		series := &engine.Series{Labels: labels.FromStrings("__name__", c.name, "job", "agentgateway", "gen_ai_system", c.system, "gen_ai_token_type", c.kind)}
		shown := 0.0
		for when := begin; !when.After(end); when = when.Add(step) {
			hour := float64(when.Unix() / 3600)
			load := 1 + 0.5*math.Sin(hour*math.Pi/12) + 0.1*math.Sin(hour*hour) // of a day, and noise of an hour
			if c.kind == "input" && c.system == "aws.bedrock" {
				times := before
				if when.After(at) {
					times = since
				}
				load *= times
			}
			shown += load * c.perStep
			add(series, when, shown)
		}
	}
	for _, version := range []string{from, to} {
		series := &engine.Series{Labels: labels.FromStrings("__name__", "agentgateway_build_info", "job", "agentgateway", "tag", version)}
		for when := begin; !when.After(end); when = when.Add(step) {
			if when.After(at) == (version == to) {
				add(series, when, 1)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	return e
}

// opened returns an engine at end.
func opened(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// reportOn returns what tipline makes of the last days of an agentgateway in e.
func reportOn(t *testing.T, e *engine.Engine, days int) *model.Report {
	t.Helper()
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)
	text := fmt.Sprintf(`sources:
  - {name: gateway, prometheus: {url: %q}, pack: agentgateway-1.4, group_by: [gen_ai_system], hosting: api, backfill: %dd}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 1, cache_read: 0.1, output: 5}}
defaults: {current: api, candidates: [api], constraints: {data_sensitivity: internal, ops_capacity: limited}}
`, server.URL, days)
	d, err := daemon.New(daemon.Options{
		Load: func() (*config.Config, error) { return config.Parse("tipline.yml", []byte(text), collector.Packs()...) },
		Now:  func() time.Time { return end }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Store: storetest.Open(t), Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestUpgradeChangesAMeaning holds that a jump at the moment of an upgrade after which a counter is known to mean something else is a fault of the data that names both, and leaves the
// workload without a verdict; and that neither an upgrade without such a change, nor one after which nothing jumped, freezes anything.
func TestUpgradeChangesAMeaning(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, from, to string
		before, since  float64
		fault          bool
	}{
		{"the meaning changed", "v1.4.1", "v1.5.0", 1, 2.5, true},
		{"and was taken back", "v1.5.0", "v1.4.1", 2.5, 1, true},
		{"a version of the same meaning, and more traffic", "v1.3.0", "v1.4.1", 1, 2.5, false},
		{"versions after the change", "v1.5.0", "v1.6.0-rc.1", 1, 2.5, false},
		{"the old meaning kept by a switch", "v1.4.1", "v1.5.0", 1, 1, false},
		{"builds without a version", "main-3f2a", "main-77cc", 1, 2.5, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			report := reportOn(t, upgraded(t, tc.from, tc.to, tc.before, tc.since), 28)
			known := map[string]bool{}
			for _, w := range report.Workloads {
				known[w.Workload] = w.Decision.Recommendation != model.Unknown
			}
			if !known["openai"] || known["aws.bedrock"] == tc.fault || len(report.Workloads) != 2 {
				t.Errorf("verdicts are known of %v, want that of openai, and that of aws.bedrock unless its counter changed", known)
			}
			if !tc.fault {
				if len(report.DataFaults) > 0 {
					t.Errorf("got %+v, want no fault", report.DataFaults)
				}
				return
			}
			if len(report.DataFaults) != 1 {
				t.Fatalf("got %+v, want one fault", report.DataFaults)
			}
			f := report.DataFaults[0]
			if f.Code != "COUNTER_MEANING_CHANGED" || f.Workload != "aws.bedrock" || !strings.Contains(f.Text, "the prompt tokens changed by the factor") ||
				!strings.Contains(f.Text, "from "+tc.from+" to "+tc.to) || !strings.Contains(f.Text, "includes what is read from and written to a cache after 1.4.1") {
				t.Errorf("got %+v, want what changed and with which versions", f)
			}
		})
	}
}
