package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tipline/model"
)

//go:fix inline
func ptr[T any](v T) *T { return new(v) }

const hostile = `<script>alert("x")</script>/../a b'?#%2f&{{.}}` + "\u202e"

// sample returns a report of every kind of row.
func sample() *model.Report {
	asOf := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	saving := &model.Quantiles[model.USD]{P10: 3100, P50: 5240, P90: 7300}
	forecast := &model.ForecastSummary{
		Next30dTokens: model.Quantiles[model.Tokens]{P10: 9.1e9, P50: 11.4e9, P90: 14.9e9},
		Warnings:      []model.Warning{{Code: "KNOWN_EVENT", Text: "launch <b>: +40% from 1 April 2026"}},
		Scores: []model.ForecastScore{{
			Days: 7, Graded: 8, ErrorRatio: 0.06, NaiveErrorRatio: 0.11, Coverage80: 0.75, Coverage95: 1,
			EventErrorRatio: ptr(model.Fraction(0.04)), WithoutEventErrorRatio: ptr(model.Fraction(0.31)),
		}},
	}
	options := []model.OptionCost{
		{
			Option: "gpt-5-mini", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 8900, P50: 11_200, P90: 14_600},
			Blocked: []string{},
			Parts: []model.CostPart{
				{Name: "input tokens", Formula: "8.20 Gtok × 0.25 USD/Mtok", USDPerMonth: 2050}, {Name: "output tokens", Formula: "4.57 Gtok × 2.00 USD/Mtok", USDPerMonth: 9150},
			},
		},
		{
			Option: "qwen3-32b on 2 × H100", Hosting: model.SelfHosted, USDPerMonth: &model.Quantiles[model.USD]{P10: 5800, P50: 5960, P90: 7300},
			Blocked: []string{},
			Parts:   []model.CostPart{{Name: "GPU hours", Formula: "1 × 2 GPU × 3.99 USD/h × 730 h", USDPerMonth: 5825.4}, {Name: "operations", Formula: "1.35 h × 100 USD/h", USDPerMonth: 135}},
		},
		{Option: "bedrock llama", Hosting: model.CloudManaged, Blocked: []string{"RESIDENCY", "NO_GPU"}, Infeasible: "no throughput is known for this model"},
	}
	return &model.Report{
		AsOf: asOf, ConfigHash: "c0ffee",
		Budgets:  []model.BudgetReport{{Budget: "<b>team", USD: 20_000, Month: "2026-11", Projected: &model.Quantiles[model.USD]{P50: 23_000}, PassesOn: "2026-11-25", Unknown: []string{"a<", "b"}}},
		Sources:  []model.SourceReport{{Source: "gateway", Up: true, Queries: 12, Warnings: []model.Warning{{Code: "TOO_MANY_WORKLOADS", Text: "label values <i>beyond</i> the limit"}}, FilledRatio: new(model.Fraction(0.42)), UnattributedTokensRatio: new(model.Fraction(0.12))}, {Source: "vllm-eu", Error: "dial tcp 10.0.0.7:9090: connection refused"}},
		Warnings: []model.Warning{{Code: "STALE_PRICES", Text: "The price catalogue is 41 days old."}},
		Workloads: []model.WorkloadReport{
			{
				Workload: "support/chat", Source: "gateway", Current: "gpt-5-mini", Forecast: forecast, Options: options,
				Usage: model.UsageSummary{Last30dTokens: ptr(model.Tokens(9.87e9)), CoverageRatio: 0.993},
				Decision: model.Decision{
					ID: "d-1", Recommendation: model.Move, Option: "qwen3-32b on 2 × H100", Hosting: model.SelfHosted, Reason: model.ReasonSwitch,
					Because:           "At 11.4B tokens a month, qwen3-32b on 2 × H100 costs $5,960 instead of $11,200; it pays back in 1.9 months.",
					SavingUSDPerMonth: saving, ProbabilityCheaper: ptr(model.Fraction(0.97)),
				},
				Crossover: &model.Crossover{ActBy: "2026-03-29", CrossesOn: "2026-05-02"},
				Case:      &model.Case{Stage: model.StageSnoozed, Option: "qwen3-32b on 2 × H100", Since: asOf},
				Warnings:  []model.Warning{{Code: "YOUNG_WORKLOAD", Text: "Only 34 days of support/chat are known."}},
			},
			{
				Workload: "search", Source: "gateway", Current: "gpt-5-mini", Forecast: forecast, Options: options,
				Usage: model.UsageSummary{Last30dTokens: ptr(model.Tokens(4.2e8)), CoverageRatio: 1},
				Decision: model.Decision{
					ID: "d-2", Recommendation: model.Stay, Option: "gpt-5-mini", Hosting: model.API, Reason: model.ReasonAlreadyBest,
					Because: "gpt-5-mini is the cheapest allowed option at 431M tokens a month.", SavingUSDPerMonth: &model.Quantiles[model.USD]{},
				},
			},
			{
				Workload: "a-workload-with-a-name-that-is-much-longer-than-anyone-would-like-it-to-be-in-a-table", Source: "vllm-eu",
				Decision: model.Decision{ID: "d-3", Recommendation: model.Unknown, Reason: model.ReasonUnknown, Because: "The source vllm-eu did not answer for 3 hours."},
			},
			{
				Workload: hostile, Source: hostile, Current: hostile, Options: []model.OptionCost{{
					Option: hostile, Hosting: hostile, Blocked: []string{hostile}, Infeasible: hostile, Parts: []model.CostPart{{Name: hostile, Formula: hostile}},
				}},
				Decision: model.Decision{ID: "d-4", Recommendation: `unknown" onclick="x`, Option: hostile, Because: hostile},
				Warnings: []model.Warning{{Text: hostile}}, Crossover: &model.Crossover{ActBy: hostile},
				Case: &model.Case{Stage: hostile, Option: hostile, ActBy: hostile},
			},
		},
	}
}

// options shows report, nil for none.
func options(report *model.Report) Options {
	registry := prometheus.NewRegistry()
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tipline_up", Help: "One."})
	registry.MustRegister(up)
	return Options{
		Report: func() *model.Report { return report }, Ready: func() bool { return report != nil }, Reload: func() error { return nil }, Refused: func() string { return "" },
		Decision: func(id string) ([]byte, bool) { return []byte(`{"id":"d-1","n":1.10}`), id == "d-1" || id == "a/b" },
		Gatherer: registry, Log: slog.New(slog.DiscardHandler), Handle: func(_ string, do func()) bool { do(); return true },
	}
}

// ask answers one request; header is "Name: value" or empty.
func ask(t *testing.T, o Options, method, target, header string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	if name, value, found := strings.Cut(header, ": "); found {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, r)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s %s: %s is %q", method, target, name, got)
		}
	}
	return w
}

func TestRoutes(t *testing.T) {
	const text, page, css, data = "text/plain; charset=utf-8", "text/html; charset=utf-8", "text/css; charset=utf-8", "application/json"
	report := sample()
	for _, c := range []struct {
		method, target string
		early          bool // before the first report
		status         int
		kind, contains string
	}{
		{"GET", "/", false, 200, page, "support/chat"},
		{"HEAD", "/", false, 200, page, ""},
		{"GET", "/", true, 200, page, "first cycle is not complete"},
		{"GET", "/style.css", false, 200, css, "body"},
		{"GET", "/page.html", false, 404, text, ""},
		{"GET", "/style.css/../page.html", false, 307, page, ""},
		{"GET", "/nowhere", false, 404, text, ""},
		{"POST", "/", false, 405, text, ""},
		{"GET", "/api/v1/report", false, 200, data, `"config_hash":"c0ffee"`},
		{"GET", "/api/v1/report", true, 503, data, "first cycle is not complete"},
		{"DELETE", "/api/v1/report", false, 405, text, ""},
		{"GET", "/api/v1/report/", false, 404, text, ""},
		{"GET", "/api/v1/workloads/search", false, 200, data, `"workload":"search"`},
		{"GET", "/api/v1/workloads/search", true, 503, data, "first cycle is not complete"},
		{"GET", "/api/v1/workloads/support%2Fchat", false, 200, data, `"workload":"support/chat"`},
		{"GET", "/api/v1/workloads/support/chat", false, 200, data, `"workload":"support/chat"`},
		{"GET", "/api/v1/workloads/" + url.PathEscape(hostile), false, 200, data, `\u003cscript\u003e`},
		{"GET", "/api/v1/workloads/nobody", false, 404, data, `no workload \"nobody\"`},
		{"GET", "/api/v1/workloads/%3Cscript%3E%22", false, 404, data, `\u003cscript\u003e`},
		{"GET", "/api/v1/workloads/", false, 404, data, "no workload"},
		{"PUT", "/api/v1/workloads/search", false, 405, text, ""},
		{"GET", "/api/v1/decisions/d-1", false, 200, data, `{"id":"d-1","n":1.10}`},
		{"GET", "/api/v1/decisions/d-1", true, 200, data, `{"id":"d-1","n":1.10}`},
		{"GET", "/api/v1/decisions/a%2Fb", false, 200, data, "d-1"},
		{"GET", "/api/v1/decisions/d-9", false, 404, data, `no decision \"d-9\"`},
		{"GET", "/api/v1/decisions/", false, 404, text, ""},
		{"POST", "/api/v1/decisions/d-1", false, 405, text, ""},
		{"GET", "/metrics", false, 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "tipline_up 0"},
		{"POST", "/metrics", false, 405, text, ""},
		{"GET", "/-/healthy", true, 200, text, "healthy"},
		{"GET", "/-/ready", false, 200, text, "ready"},
		{"GET", "/-/ready", true, 503, text, "first cycle is not complete"},
		{"GET", "/-/reload", false, 405, text, ""},
		{"POST", "/-/reload", false, 200, text, "reloaded"},
		{"GET", "/debug/pprof/", false, 404, text, ""},
	} {
		o := options(report)
		if c.early {
			o = options(nil)
		}
		w := ask(t, o, c.method, c.target, "")
		if w.Code != c.status || w.Header().Get("Content-Type") != c.kind || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("%s %s: %d %s, want %d %s with %q:\n%.300s", c.method, c.target, w.Code, w.Header().Get("Content-Type"), c.status, c.kind, c.contains, w.Body)
		}
		if c.kind == data && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: not JSON: %s", c.method, c.target, w.Body)
		}
	}
}

func TestJSONIsTheReport(t *testing.T) {
	report := sample()
	want, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, options(report), "GET", "/api/v1/report", "").Body.Bytes(); !bytes.Equal(got, append(model.EscapeJSON(want), '\n')) {
		t.Errorf("got %s\nwant %s", got, want)
	}
	for _, workload := range report.Workloads {
		want, err := json.Marshal(workload)
		if err != nil {
			t.Fatal(err)
		}
		target := "/api/v1/workloads/" + url.PathEscape(workload.Workload)
		if got := ask(t, options(report), "GET", target, "").Body.Bytes(); !bytes.Equal(got, append(model.EscapeJSON(want), '\n')) {
			t.Errorf("%s: got %s", target, got)
		}
	}
}

func TestLinksOfWorkloads(t *testing.T) {
	report := sample()
	for _, name := range []string{"a/../b", "a//b", "/", "%2F", "a b", "ü"} {
		report.Workloads[0].Workload = name
		body := ask(t, options(report), "GET", "/", "").Body.String()
		_, link, _ := strings.Cut(body, `<th scope="row"><a href="`)
		link, _, _ = strings.Cut(link, `"`)
		base := &url.URL{Scheme: "http", Host: "tipline", Path: "/"}
		target, err := base.Parse(strings.ReplaceAll(link, "&#43;", "+"))
		if err != nil {
			t.Fatal(err)
		}
		w := ask(t, options(report), "GET", target.String(), "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"workload":`+string(must(json.Marshal(name)))) {
			t.Errorf("the link %s of workload %q: %d %.100s", link, name, w.Code, w.Body)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestReload(t *testing.T) {
	for header, want := range map[string]int{
		"": 200, "Sec-Fetch-Site: same-origin": 200, "Sec-Fetch-Site: none": 200, "Sec-Fetch-Site: cross-site": 403, "Sec-Fetch-Site: same-site": 403,
		"Origin: https://evil.example": 403, "Origin: http://example.com": 200,
	} {
		calls := 0
		o := options(sample())
		o.Reload = func() error { calls++; return nil }
		if w := ask(t, o, "POST", "http://example.com/-/reload", header); w.Code != want || calls != map[int]int{200: 1, 403: 0}[want] {
			t.Errorf("%q: %d with %d calls, want %d", header, w.Code, calls, want)
		}
	}
	o := options(sample())
	o.Reload = func() error { return errors.New("tipline.yaml: line 7: <unknown> key") }
	w := ask(t, o, "POST", "/-/reload", "")
	if w.Code != 500 || w.Body.String() != "reload refused, the configuration in force stays:\ntipline.yaml: line 7: <unknown> key\n" ||
		w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPageEscapesNames(t *testing.T) {
	body := ask(t, options(sample()), "GET", "/", "").Body.String()
	for _, bad := range []string{"<script", `onclick="`, "{{.}}{{", "javascript:", "style=", "<nil>", "ZgotmplZ"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page contains %s", bad)
		}
	}
	if n := strings.Count(body, "&lt;script&gt;"); n < 8 {
		t.Errorf("the hostile name is shown %d times, in words", n)
	}
	for _, want := range []string{"move to <bdi>qwen3-32b on 2 × H100</bdi>", "$5,200", "9.87B", "2026-03-29", "14 Mar 2026 09:00 UTC", "The price catalogue is 41 days old.", "label values &lt;i&gt;beyond&lt;/i&gt; the limit", "connection refused", "runs in no region that the data may be in; has no GPUs", `<a href="api/v1/decisions/d-1">d-1</a>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if empty := ask(t, options(&model.Report{}), "GET", "/", "").Body.String(); !strings.Contains(empty, "No workload has been seen yet.") {
		t.Error("a report without workloads says nothing")
	}
}

// TestF87_PageShowsWhatIsRefused holds that the page says why the configuration is not in force, before the first cycle too, in words that do nothing.
func TestF87_PageShowsWhatIsRefused(t *testing.T) {
	t.Parallel()
	const title = "The configuration was refused; the one before stays in force"
	for _, report := range []*model.Report{nil, sample()} {
		o := options(report)
		if strings.Contains(ask(t, o, "GET", "/", "").Body.String(), title) {
			t.Error("a configuration that is in force is refused")
		}
		o.Refused = func() string {
			return "tipline.yml:3:1: got \"" + hostile + "\"\n" + strings.Repeat("tipline.yml:4:1: \x1b[31m unknown key\n", 40) + "the last"
		}
		page := ask(t, o, "GET", "/", "").Body.String()
		for _, want := range []string{title, "<li><bdi>tipline.yml:3:1: got &#34;&lt;script&gt;", "unknown key", "<li><bdi>and 22 more, which tipline check names</bdi></li>"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
		_, said, _ := strings.Cut(page, `role="alert"`)
		said, _, _ = strings.Cut(said, "</div>")
		if strings.Contains(page, "<script") || strings.ContainsAny(said, "\x1b\u202e") || strings.Contains(said, "the last") {
			t.Error("the words of the configuration are not made harmless, or there is no end of them")
		}
		if report != nil && !strings.Contains(page, "move to <bdi>qwen3-32b") {
			t.Error("the report is not shown any more")
		}
	}
}

// TestPageDrawsCostsAhead holds that the chart of a workload is on the page, inside its box, with its words for who cannot see it and no style that
// the browser would refuse, whatever its options are called and cost.
func TestPageDrawsCostsAhead(t *testing.T) {
	t.Parallel()
	months := func(costs ...model.USD) []model.MonthCost {
		var all []model.MonthCost
		for i, usd := range costs {
			all = append(all, model.MonthCost{Month: fmt.Sprintf("2026-%02d", i+1), Quantiles: model.Quantiles[model.USD]{P10: usd * 0.8, P50: usd, P90: usd * 1.3}})
		}
		return all
	}
	coordinate := regexp.MustCompile(`(-?[0-9]+\.[0-9]),(-?[0-9]+\.[0-9])`)
	for name, costs := range map[string][]model.USD{"growing": {20_000, 25_000, 31_000}, "nothing": {0, 0, 0}, "huge": {1e15, 2e15, 3e18}, "tiny": {1e-12, 2e-12, 3e-12}} {
		report := sample()
		w := &report.Workloads[0]
		w.Current, w.Decision.Best = hostile, "fleet"
		w.CostAhead = []model.CostAhead{{Option: hostile, Months: months(costs...)}, {Option: "fleet", Months: months(costs[2], costs[1], costs[0])}}
		page := ask(t, options(report), "GET", "/", "").Body.String()
		from, to := strings.Index(page, "<svg"), strings.Index(page, "</svg>")
		if from < 0 || to < from || strings.Contains(page, "style=") || strings.Contains(page, "<script") || !strings.Contains(page[from:to], `aria-label="Between Jan 2026 and Mar 2026 the cost of a month`) {
			t.Fatalf("%s: got no chart, or not a harmless one, in %s", name, page)
		}
		if ranged := strings.Contains(page, "80% range of <bdi>&lt;script&gt;"); ranged != (costs[2] > costs[0]) {
			t.Errorf("%s: the page says that the range is that of the option with it: %v", name, ranged)
		}
		places := coordinate.FindAllStringSubmatch(page[from:to], -1)
		if len(places) < 6 {
			t.Errorf("%s: got %d places, want two lines", name, len(places))
		}
		for _, at := range places {
			x, errX := strconv.ParseFloat(at[1], 64)
			y, errY := strconv.ParseFloat(at[2], 64)
			if errX != nil || errY != nil || x < left || x > right || y < top || y > bottom {
				t.Errorf("%s: got %s, want it in the box", name, at[0])
			}
		}
		if n := strings.Count(page[from:to], `class="row"`); n < 2 || n > rows+2 {
			t.Errorf("%s: got %d rows, want 2 to %d", name, n, rows+2)
		}
	}
	if page := ask(t, options(sample()), "GET", "/", "").Body.String(); strings.Contains(page, "<svg") {
		t.Error("costs that are not known are drawn")
	}
}

// TestF90_Handler holds that a request whose answer panics gets an error, and that others are answered.
func TestF90_Handler(t *testing.T) {
	t.Parallel()
	o := options(sample())
	o.Report = func() *model.Report { panic("no such report") }
	var caught []string
	o.Handle = func(path string, do func()) (ended bool) {
		defer func() {
			if recover() != nil {
				caught = append(caught, path)
			}
		}()
		do()
		return true
	}
	for target, want := range map[string]int{"/": 500, "/api/v1/report": 500, "/api/v1/workloads/search": 500, "/-/healthy": 200, "/metrics": 200, "/api/v1/decisions/d-1": 200} {
		if w := ask(t, o, "GET", target, ""); w.Code != want || strings.Contains(w.Body.String(), "no such report") {
			t.Errorf("%s: got %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
	if len(caught) != 3 {
		t.Errorf("caught those of %q, want of three", caught)
	}
}

// TestSlowClientIsDropped opens a connection that never finishes its request.
func TestSlowClientIsDropped(t *testing.T) {
	server := Server(Handler(options(nil)))
	if server.ReadHeaderTimeout <= 0 || server.ReadTimeout <= 0 || server.WriteTimeout <= 0 || server.IdleTimeout <= 0 || server.MaxHeaderBytes <= 0 {
		t.Errorf("a limit is missing: %+v", server)
	}
	server.ReadHeaderTimeout = 100 * time.Millisecond
	client := dial(t, serve(t, server))
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost:"); err != nil {
		t.Fatal(err)
	}
	if err := client.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(client); err != nil {
		t.Errorf("still connected: %v", err)
	}
}

// TestPageShowsFindings holds that what workloads may share, what is counted twice and what was renamed is on the page, and that their names cannot turn it around.
func TestPageShowsFindings(t *testing.T) {
	t.Parallel()
	report := sample()
	report.SharedFleets = []model.SharedFleet{{ID: "f-1", Because: "support and " + hostile + " may share a fleet"}}
	report.JointMoves = []model.JointMove{{ID: "j-1", Because: "support and " + hostile + " would save $9 a month"}}
	report.Renames = []model.Rename{{Proposal: "support and " + hostile + " may be the same"}}
	report.DoubleMeters = []model.DoubleMeter{{Because: "support and " + hostile + " count the same traffic"}}
	page := ask(t, options(report), "GET", "/", "").Body.String()
	for _, want := range []string{"shared fleet: <bdi>support and &lt;script&gt;", "together: <bdi>support and &lt;script&gt;", "metered twice: <bdi>support and &lt;script&gt;", "renamed: <bdi>support and &lt;script&gt;"} {
		if !strings.Contains(page, want) || strings.Contains(page, "<script") {
			t.Errorf("%q is not on the page, or not escaped", want)
		}
	}
	if !strings.Contains(page, `(receipt <a href="api/v1/decisions/f-1">f-1</a>)`) {
		t.Error("the page does not lead to its receipt")
	}
}

// TestF38_PageShowsMissing holds that the page says of what of a source nothing is found but what a warning says already, and which share of its exporter's GPUs no pod holds.
func TestF38_PageShowsMissing(t *testing.T) {
	t.Parallel()
	report := sample()
	last := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	report.Sources[0].GPUsFreeRatio = new(model.Fraction(0.25))
	report.Sources[0].Missing = []model.Missing{
		{Signal: "output", Metrics: []string{"needed_total"}, Needed: true}, {Signal: "requests", Metrics: []string{"a", hostile}, Last: &last}, {Signal: "waiting", Metrics: []string{"1", "2", "3", "4", "5"}},
	}
	page := ask(t, options(report), "GET", "/", "").Body.String()
	for _, want := range []string{"nothing is found of requests (a, &lt;script&gt;", ") since 20 Nov 2026, of waiting (1, 2, 3 and 2 others), which no verdict needs", "25% of the GPUs that its exporter shows held by no pod"} {
		if !strings.Contains(page, want) || strings.Contains(page, "<script") || strings.Contains(page, "needed_total") {
			t.Errorf("%q is not on the page, or not escaped, or what a warning says is there twice", want)
		}
	}
}

// TestPageShowsBreakEvens holds that a reader of the page learns where what he pays for breaks even, and that a cost without width is one amount.
func TestPageShowsBreakEvens(t *testing.T) {
	t.Parallel()
	report := sample()
	w := &report.Workloads[0]
	if page := ask(t, options(report), "GET", "/", "").Body.String(); strings.Contains(page, "breaks even") {
		t.Error("break-evens that are not known have a title")
	}
	w.Options = []model.OptionCost{{Option: "fleet", Hosting: model.SelfHosted, USDPerMonth: &model.Quantiles[model.USD]{P10: 13_314, P50: 13_314, P90: 13_314}}}
	w.BreakEvens = &model.BreakEvens{
		SearchedTokens: 8e9, Cheapest: []model.CheapestRange{{To: 5e9, Option: hostile}, {From: 5e9, To: 8e9, Option: "fleet"}},
		Owned: []model.OwnedBreakEven{{Option: "fleet", CapexUSD: 800_000, RunningUSDPerMonth: 12_689, CurrentUSDPerMonth: 60_833, Months: new(16.62)}},
	}
	page := ask(t, options(report), "GET", "/", "").Body.String()
	for _, want := range []string{
		"<h2>Where it breaks even</h2>", "up to 8.00B tokens a month: 0 to 5.00B &lt;script&gt;", "5.00B to 8.00B fleet</bdi>.</li>",
		"<li><bdi>fleet: machines for $800,000 have paid for themselves after 16.6 months", `<td class="number" data-label="80% range">$13,314</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("a name is not escaped")
	}
}

// TestPageShowsTheAccount holds that the page says whose tokens a cost counts and what its share of the bill is, and that their names cannot turn it
// around.
func TestPageShowsTheAccount(t *testing.T) {
	t.Parallel()
	report := sample()
	report.Workloads[0].Options[0].Account = &model.AccountUse{
		Account: "api", TokensPerMonth: 12e9, Workloads: []model.AccountShare{{Workload: hostile, TokensPerMonth: 12e9}}, From: "their projections", ShareUSDPerMonth: new(model.USD(4200)),
	}
	page := ask(t, options(report), "GET", "/", "").Body.String()
	for _, want := range []string{"account: <bdi>other workloads use 12.0B tokens a month", "(&lt;script&gt;", "with its share of the bill it costs $4,200"} {
		if !strings.Contains(page, want) || strings.Contains(page, "<script") {
			t.Errorf("%q is not on the page, or not escaped", want)
		}
	}
}

// TestPageShowsOnWhoseWord holds that the page says what was measured, on whose word every number of a fleet is taken, and how much of the verdict rests on what nobody measured.
func TestPageShowsOnWhoseWord(t *testing.T) {
	t.Parallel()
	report := sample()
	w := &report.Workloads[0]
	w.Options[1].Capacity = []model.CapacityNumber{
		{Option: "fleet", What: "throughput", Value: "2382548", Unit: "tokens/h per replica", Label: model.Measured},
		{Option: "fleet", What: "target utilization", Value: "0.6", Unit: "share", Label: model.Assumed},
		{Option: "fleet", What: hostile, Value: "1", Label: model.Benchmark},
	}
	w.Usage.PeakFactor, w.Usage.RetryRatio = ptr(2.84), ptr(model.Fraction(0.031))
	w.Decision.AssumedCapacity = &model.AssumedCapacity{USDPerMonth: 5825, Ratio: 0.34, Numbers: []string{"target utilization of " + hostile}}
	page := ask(t, options(report), "GET", "/", "").Body.String()
	for _, want := range []string{
		"<small>taken to do: <bdi>throughput 2.38M tokens/h per replica (measured), target utilization 0.6 share (assumed), &lt;script&gt;", "1 (benchmark)</bdi></small>",
		`<p class="note">Measured: <bdi>the busiest hour of the last full weeks has 2.84 times the tokens of the mean one; of the requests of the last day 3.1% were sent again</bdi>.</p>`,
		`<p class="note"><bdi>34% of the cost that is compared, $5,800 a month, rests on assumed capacity: target utilization of &lt;script&gt;`,
	} {
		if !strings.Contains(page, want) || strings.Contains(page, "<script") {
			t.Errorf("%q is not on the page, or not escaped", want)
		}
	}
	w.Decision.AssumedCapacity = &model.AssumedCapacity{}
	if page := ask(t, options(report), "GET", "/", "").Body.String(); !strings.Contains(page, `<p class="note"><bdi>nothing of the verdict rests on assumed capacity</bdi>.</p>`) {
		t.Error("the page does not say that nothing is assumed")
	}
	w.Usage.GPUUSDPerMonth, w.Usage.GPUCostGapPerMonth = new(model.USD(21_900)), new(model.USD(-3_100))
	const want = `<p class="note">its GPUs cost $21,900 a month by the word of OpenCost; the model counts $18,800 of GPU hours for the projected volume, $3,100 less.</p>`
	if page := ask(t, options(report), "GET", "/", "").Body.String(); !strings.Contains(page, want) {
		t.Errorf("%q is not on the page", want)
	}
}

func TestPageShowsHowProjectionsTurnedOut(t *testing.T) {
	t.Parallel()
	body := ask(t, options(sample()), http.MethodGet, "/", "").Body.String()
	for _, want := range []string{
		"launch &lt;b&gt;: &#43;40% from 1 April 2026", "Earlier projections of 7 days, 8 graded: missed by 6% (the last weeks once more: 11%)",
		"Those with a known event: by 4% (without the event: 31%).",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}
