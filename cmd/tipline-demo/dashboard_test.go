package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/gauges"
	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// shownAt is when the dashboard of the tests is looked at.
var shownAt = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// grafana is the part of a dashboard that asks for data.
type grafana struct {
	Templating struct {
		List []struct {
			Name       string
			Definition string
		}
	}
	Panels []struct {
		Title   string
		Targets []struct {
			RefID   string `json:"refId"`
			Expr    string
			Instant bool
		}
	}
}

// awkward is a workload whose name must be escaped in a query.
const awkward = `support "chat" \ one`

// everything returns a report in which every value that is exported is known.
func everything() *model.Report {
	last := shownAt.Add(-90 * time.Minute)
	tokens := func(f float64) *model.Tokens { return new(model.Tokens(f)) }
	money := func(f float64) *model.Quantiles[model.USD] {
		return &model.Quantiles[model.USD]{P10: model.USD(f * 0.8), P50: model.USD(f), P90: model.USD(f * 1.3)}
	}
	w := model.WorkloadReport{
		Workload: awkward, Source: "gateway", Current: "api",
		Usage: model.UsageSummary{
			Last30dClassTokens: map[string]model.Tokens{"input": 3e9, "output": 1e9},
			CoverageRatio:      0.97, LastSample: &last,
			GPUUtilizationRatio: new(model.Fraction(0.7)), EconomicUtilization: new(model.Fraction(0.4)), IdleUSDPerMonth: new(model.USD(1200)),
		},
		Forecast: &model.ForecastSummary{
			Next30dTokens:       model.Quantiles[model.Tokens]{P10: 4e9, P50: 5e9, P90: 7e9},
			CalendarMonthTokens: model.Quantiles[model.Tokens]{P10: 4e9, P50: 5e9, P90: 7e9},
			Scores:              []model.ForecastScore{{Days: 7, Graded: 8, ErrorRatio: 0.06, Coverage80: 0.75, Coverage95: 1}},
		},
		Options: []model.OptionCost{
			{
				Option: "api", Hosting: "api", USDPerMonth: money(9000),
				Prices: []model.PriceSource{{Unit: "USD/Mtok", Date: "2026-10-20"}, {Unit: "USD/Mtok", Date: "2026-10-13"}},
			},
			{
				Option: "own", Hosting: "self-hosted", USDPerMonth: money(4800), SavingUSDPerMonth: money(4200),
				BreakevenUtilizationRatio: new(model.Fraction(0.3)), ProbabilityCheaper: new(model.Fraction(0.9)),
				Crossover: &model.Crossover{
					FirstTokensPerMonth: tokens(7.3e9), PermanentTokensPerMonth: tokens(8e9), MonthsToBoundary: new(2.0),
				},
			},
		},
		Decision: model.Decision{Recommendation: model.Move, Option: "own", Hosting: "self-hosted"},
		Drift:    []model.Drift{{Kind: "volume", Score: 1.5}},
		Warnings: []model.Warning{{Code: "SAWTOOTH"}},
	}
	other := w
	other.Workload = "other"
	other.Usage.CoverageRatio = 0.5
	return &model.Report{
		PriceBooks: []model.PriceBook{{Book: "built-in", Checked: "2026-10-20"}},
		AsOf:       shownAt, Sources: []model.SourceReport{{Source: "gateway", Up: true, FilledRatio: new(model.Fraction(0.8)), UnattributedTokensRatio: new(model.Fraction(0.04))}},
		Unattributed: &model.Unattributed{Tokens: 1, OfTokens: 10, Ratio: 0.1},
		Budgets:      []model.BudgetReport{{Budget: "support", USD: 20_000, Projected: money(12_000), SpentUSD: new(model.USD(3000))}},
		DataFaults:   []model.DataFault{{Source: "gateway", Workload: "a", Code: "COUNTER_CHANGED"}, {Source: "gateway", Workload: "b", Code: "COUNTER_CHANGED"}},
		Workloads:    []model.WorkloadReport{w, other},
	}
}

// existing returns the collector that registry has in place of one that is like c.
func existing[C prometheus.Collector](t *testing.T, registry *prometheus.Registry, c C) C {
	t.Helper()
	var known prometheus.AlreadyRegisteredError
	if err := registry.Register(c); !errors.As(err, &known) {
		t.Fatalf("the daemon exports nothing like %v (registering it: %v)", c, err)
	}
	return known.ExistingCollector.(C)
}

// ofDaemon returns what a daemon exports before its first cycle.
func ofDaemon(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	if _, err := daemon.New(daemon.Options{
		Load: func() (*config.Config, error) {
			return config.Load("../../deploy/compose/tipline.yml", collector.Packs()...)
		},
		Now: func() time.Time { return shownAt }, Log: slog.New(slog.DiscardHandler), Store: storetest.Open(t), Registry: registry,
	}); err != nil {
		t.Fatal(err)
	}
	return registry
}

// exportedBy returns a server with ten minutes of what a daemon exports of a report, scraped every 30 seconds.
func exportedBy(t *testing.T, report func() *model.Report) *httptest.Server {
	t.Helper()
	registry := ofDaemon(t)
	registry.MustRegister(gauges.New(report))
	// What the daemon would do between two scrapes.
	evaluations := existing(t, registry, prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tipline_evaluations_total", Help: "Cycles that were evaluated, complete or not.",
	}))
	duration := existing(t, registry, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tipline_evaluation_duration_seconds", Help: "Time that a cycle took, in seconds.",
	}))
	notifications := existing(t, registry, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tipline_notifications_total", Help: "Attempts to deliver a message.",
	}, []string{"notifier", "outcome"}))

	e, err := engine.Open(func() time.Time { return shownAt })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	for at := shownAt.Add(-10 * time.Minute); !at.After(shownAt); at = at.Add(30 * time.Second) {
		evaluations.Inc()
		duration.Observe(2)
		notifications.WithLabelValues("slack", "delivered").Inc()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		encoder := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
		for _, family := range families {
			if err := encoder.Encode(family); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Ingest(text.Bytes(), at, map[string]string{"job": "tipline", "instance": "a"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// ask returns the last value of every series that a query finds, by its labels.
func ask(t *testing.T, address string, values url.Values) map[string]float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status, Error string
		Warnings      []string
		Data          struct {
			Result []struct {
				Metric prommodel.Metric
				Value  prommodel.SamplePair
				Values []prommodel.SamplePair
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if answer.Status != "success" || len(answer.Warnings) > 0 {
		t.Errorf("%s: %s %v", values.Get("query"), answer.Error, answer.Warnings)
	}
	found := map[string]float64{}
	for _, r := range answer.Data.Result {
		if len(r.Values) > 0 {
			r.Value = r.Values[len(r.Values)-1]
		}
		found[r.Metric.String()] = float64(r.Value.Value)
	}
	return found
}

// ofWorkloads finds what selects series of workloads, and whether it selects those of one.
var ofWorkloads = regexp.MustCompile(`\btipline_(?:workload|forecast)_\w+(\{workload="\$workload")?`)

// Every expression of the dashboard, and every query of a variable, finds something in what a daemon exports.
func TestDashboard(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard grafana
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	server := exportedBy(t, everything)
	quoted := strconv.Quote(awkward)
	variables := strings.NewReplacer(
		"$workload", quoted[1:len(quoted)-1], "${workload}", quoted[1:len(quoted)-1], "$datasource", "prometheus", "${datasource}", "prometheus",
		"$__range", "10m", "${__range}", "10m", "$__rate_interval", "5m", "${__rate_interval}", "5m", "$__interval", "1m", "${__interval}", "1m",
	)
	moment := strconv.FormatInt(shownAt.Unix(), 10)
	got := map[string]map[string]float64{} // by panel and target
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			name, expr := panel.Title+" "+target.RefID, variables.Replace(target.Expr)
			for _, selector := range ofWorkloads.FindAllStringSubmatch(target.Expr, -1) {
				if selector[1] == "" && !strings.Contains(target.Expr, "by (workload") {
					t.Errorf("%s: the workloads are added up in %s", name, target.Expr)
				}
			}
			if strings.Contains(expr, "$") {
				t.Errorf("%s: a variable without a value in %s", name, expr)
			}
			values, path := url.Values{"query": {expr}, "time": {moment}}, "/api/v1/query"
			if !target.Instant {
				path = "/api/v1/query_range"
				values = url.Values{"query": {expr}, "start": {strconv.FormatInt(shownAt.Unix()-300, 10)}, "end": {moment}, "step": {"60"}}
			}
			got[name] = ask(t, server.URL+path, values)
			if len(got[name]) == 0 {
				t.Errorf("%s: nothing found by %s", name, expr)
			}
			for series, value := range got[name] {
				if math.IsNaN(value) || math.IsInf(value, 0) {
					t.Errorf("%s: %s is %v by %s", name, series, value, expr)
				}
			}
		}
	}
	if len(got) < 30 {
		t.Errorf("%d expressions, want those of a whole dashboard", len(got))
	}
	for name, want := range map[string]map[string]float64{
		"Saving A":                      {`{}`: 4200},
		"Recommendation A":              {`{hosting="self-hosted", option="own"}`: 1},
		"Measured A":                    {`{}`: 0.97},
		"Time to crossover A":           {`{option="own"}`: 2 * 730 * 3600},
		"Age of the newest hour A":      {`{}`: 5400},
		"Volume and projection A":       {`{}`: 4e9},
		"Volume and projection C":       {`{}`: 5e9},
		"Volume and projection E":       {`{option="own"}`: 7.2e9},
		"Cost per option A":             {`{hosting="api", option="api"}`: 9000, `{hosting="self-hosted", option="own"}`: 4800},
		"Cost per option, now E":        {`{option="own"}`: 0.9},
		"Last 30 days by token class A": {`{class="input"}`: 3e9, `{class="output"}`: 1e9},
		"Workloads D":                   {`{workload=` + quoted + `}`: 4200, `{workload="other"}`: 4200},
		"Duration of a cycle A":         {`{}`: 2},
		"Budgets A":                     {`{budget="support"}`: 3000},
		"Budgets B":                     {`{budget="support"}`: 12_000},
		"Budgets C":                     {`{budget="support"}`: 15_600},
		"Budgets D":                     {`{budget="support"}`: 20_000},
		"Tokens of no workload A":       {`{source="gateway"}`: 0.04},
		"Tokens of no workload B":       {`{}`: 0.1},
		"History read A":                {`{source="gateway"}`: 0.8},
		"Data faults A":                 {`{code="COUNTER_CHANGED", source="gateway"}`: 2},
		"Data faults B":                 {`{reason="sawtooth", source="gateway"}`: 2},
		"Age of the oldest price A":     {`{option="api"}`: 20.5 * 86400},

		"Error of past projections A":              {`{horizon="7d"}`: 0.06},
		"Past projections inside of their range A": {`{horizon="7d", level="0.8"}`: 0.75, `{horizon="7d", level="0.95"}`: 1},
	} {
		if len(got[name]) != len(want) {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
		for series, value := range want {
			if v, ok := got[name][series]; !ok || math.Abs(v-value) > 1e-9*math.Abs(value) {
				t.Errorf("%s: got %v, want %s to be %v", name, got[name], series, value)
			}
		}
	}

	labelValues := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for _, variable := range dashboard.Templating.List {
		if variable.Definition == "" {
			continue
		}
		parts := labelValues.FindStringSubmatch(variable.Definition)
		if parts == nil {
			t.Errorf("variable %s: got %s, want label_values(metric, label)", variable.Name, variable.Definition)
			continue
		}
		if found := ask(t, server.URL+"/api/v1/query", url.Values{
			"query": {"count by (" + parts[2] + ") (" + parts[1] + ")"}, "time": {moment},
		}); len(found) != 2 {
			t.Errorf("variable %s: got %v, want both workloads", variable.Name, found)
		}
	}
}

// companion is why what says whether another metric is known is in no panel.
const companion = "a panel of the metric without _known is empty where this is 0; for rules of one's own"

// elsewhere are the metrics that neither the dashboard nor the rules show, and why.
var elsewhere = map[string]string{
	"tipline_clock_steps_total":                 "what depends on a clock is told by itself (CLOCK_SKEW); for a look at a machine",
	"tipline_workload_case_stage":               "what is to be decided is on the page and in messages, which say who acts; for tables of one's own",
	"tipline_schedule_skipped_total":            "a cycle that takes that long shows in tipline_evaluation_duration_seconds",
	"tipline_budget_projected_usd_known":        companion,
	"tipline_workload_cost_usd_per_month_known": companion,
	"tipline_workload_projected_tokens_known":   companion,
	"tipline_workload_tokens_last_30d_known":    companion,
	"tipline_state_size_bytes":                  "what is kept is bounded, and a disk that is full shows in tipline_state_write_errors_total; for a look at a machine",
	"tipline_template_failures_total":           "a broken template is a warning of every report and in the log",
}

// TestEveryMetricIsShown holds that whatever a daemon exports is on the dashboard, in a rule, or left out for a reason.
func TestEveryMetricIsShown(t *testing.T) {
	t.Parallel()
	var shown []byte
	for _, path := range []string{"../../deploy/grafana/dashboard.json", "../../deploy/prometheus/rules.yml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, data...)
	}
	registry := ofDaemon(t)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
	}
	described := make(chan *prometheus.Desc, 100)
	gauges.New(everything).Describe(described)
	close(described)
	name := regexp.MustCompile(`fqName: "(\w+)"`)
	for d := range described {
		names = append(names, name.FindStringSubmatch(d.String())[1])
	}
	for _, name := range names {
		named := regexp.MustCompile(`\b` + name + `(_sum|_count|_bucket)?\b`).Match(shown)
		if why, left := elsewhere[name]; named == left || left && why == "" {
			t.Errorf("%s: on the dashboard or in a rule %v, left out for a reason %v", name, named, left)
		}
	}
	if len(names) < 35 {
		t.Errorf("got %d metrics, want all", len(names))
	}
}
