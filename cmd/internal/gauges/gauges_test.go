package gauges

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/model"
)

//go:fix inline
func ptr[T any](v T) *T { return new(v) }

// full returns a report in which every gauge has a value.
func full() *model.Report {
	return &model.Report{
		AsOf:         time.Date(2026, 8, 11, 12, 0, 0, 0, time.UTC),
		Budgets:      []model.BudgetReport{{Budget: "support", USD: 20_000, Projected: &model.Quantiles[model.USD]{P10: 1, P50: 2, P90: 3}, SpentUSD: new(model.USD(1.5))}, {Budget: "unknown", USD: 5}},
		Sources:      []model.SourceReport{{Source: "gateway", Up: true, FilledRatio: new(model.Fraction(0.42)), UnattributedTokensRatio: new(model.Fraction(0.12))}, {Source: "vllm", Error: "refused", Reason: "unreachable"}},
		Unattributed: &model.Unattributed{Tokens: 25, OfTokens: 100, Ratio: 0.25},
		PriceBooks:   []model.PriceBook{{Book: "built-in", Checked: "2026-08-01"}, {Book: "own.csv"}},
		DataFaults:   []model.DataFault{{Source: "vllm", Code: "SOURCE_DOWN"}, {Source: "gateway", Workload: "a", Code: "COUNTER_CHANGED"}, {Source: "gateway", Workload: "b", Code: "COUNTER_CHANGED"}, {Source: "gateway", Workload: "b", Code: "COUNTER_CHANGED", Text: "of another of its series"}},
		Workloads: []model.WorkloadReport{
			{
				Workload: "chat", Source: "gateway", Current: "mini",
				Usage: model.UsageSummary{
					Last30dClassTokens:  map[string]model.Tokens{"input": 1.5e9, "output": 3e8},
					CoverageRatio:       0.975,
					LastSample:          new(time.Unix(1_760_000_400, 0)),
					GPUUtilizationRatio: ptr(model.Fraction(0.4)), EconomicUtilization: ptr(model.Fraction(0.1)),
					IdleUSDPerMonth: ptr(model.USD(1234.5)),
				},
				Forecast: &model.ForecastSummary{
					Scores:              []model.ForecastScore{{Days: 7, Graded: 8, ErrorRatio: 0.06, NaiveErrorRatio: 0.09, BiasRatio: -0.02, Coverage80: 0.875, Coverage95: 1}},
					Next30dTokens:       model.Quantiles[model.Tokens]{P10: 1e9, P50: 2e9, P90: 3e9},
					CalendarMonthTokens: model.Quantiles[model.Tokens]{P10: 1.1e9, P50: 2.1e9, P90: 3.1e9},
				},
				Options: []model.OptionCost{
					{
						Option: "mini", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 900, P50: 1000, P90: 1100},
						Prices: []model.PriceSource{
							{Field: "input", Unit: "USD/Mtok", Date: "2026-08-10"},
							{Field: "output", Unit: "USD/Mtok", Date: "2026-07-12"},
							{Field: "cache_read", Unit: "USD/Mtok"},
							{Field: "tokens", Unit: "tok/s per replica", Date: "2025-01-01"},
						},
					},
					{
						Option: "own", Hosting: model.SelfHosted, USDPerMonth: &model.Quantiles[model.USD]{P10: 500, P50: 600, P90: 700},
						BreakevenUtilizationRatio: ptr(model.Fraction(0.31)), ProbabilityCheaper: ptr(model.Fraction(0.93)),
						SavingUSDPerMonth: &model.Quantiles[model.USD]{P10: 200, P50: 400, P90: 600},
						Crossover: &model.Crossover{
							FirstTokensPerMonth: ptr(model.Tokens(1.2e9)), PermanentTokensPerMonth: ptr(model.Tokens(1.8e9)), MonthsToBoundary: new(2.0),
						},
					},
				},
				Decision: model.Decision{Recommendation: model.Move, Option: "own"},
				Drift:    []model.Drift{{Kind: "volume", Score: 1.25}},
				Warnings: []model.Warning{{Code: "SAWTOOTH"}, {Code: "SAWTOOTH", Text: "of another of its series"}, {Code: "VANISHED"}, {Code: "REQUESTS_UNKNOWN"}}, // nothing is refused by the last
				Case:     &model.Case{Stage: model.StageAnnounced, Option: "own"},
			},
			// Nothing is known of this one: no cost, no forecast, no verdict.
			{
				Workload: "new", Decision: model.Decision{Recommendation: model.Unknown},
				Options: []model.OptionCost{{Option: "own", Hosting: model.SelfHosted, Crossover: &model.Crossover{}}},
			},
		},
	}
}

func of(report *model.Report) prometheus.Collector {
	return New(func() *model.Report { return report })
}

func TestExposition(t *testing.T) {
	golden, err := os.Open("testdata/report.prom")
	if err != nil {
		t.Fatal(err)
	}
	defer golden.Close()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(of(full()))
	if err := testutil.GatherAndCompare(registry, golden); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.Contains(p.Text, `should not have "quantile" label`) {
			continue // a range that was computed elsewhere has the label of one
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestUnknownHasNoSeries(t *testing.T) {
	if n := testutil.CollectAndCount(of(nil)); n != 0 {
		t.Errorf("%d series before the first report", n)
	}
	report := full()
	report.Workloads, report.Sources[0].FilledRatio, report.Sources[0].UnattributedTokensRatio, report.Sources[1].Reason = report.Workloads[1:], nil, nil, ""
	report.Budgets[0].Projected, report.DataFaults, report.Unattributed = nil, nil, nil
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(of(report))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		got = append(got, f.GetName())
	}
	if want := "tipline_budget_projected_usd_known tipline_budget_usd tipline_price_age_seconds tipline_source_up tipline_workload_cost_usd_per_month_known tipline_workload_coverage_ratio " +
		"tipline_workload_projected_tokens_known tipline_workload_recommended_known tipline_workload_tokens_last_30d_known tipline_workloads_not_exported"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

// TestF103_Companions holds that whatever may be unknown of a workload, an option or a budget either has its series, and 1 beside it, or none, and 0: never both and never neither. Of what nobody
// knows anything, no series is 0 but those.
func TestF103_Companions(t *testing.T) {
	report := full()
	failed := model.WorkloadReport{Workload: "failed", Decision: model.Decision{Recommendation: model.Unknown}, Warnings: []model.Warning{{Code: model.EvaluationFailed}}}
	report.Workloads = append(report.Workloads, failed)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(of(report))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]map[string]float64{} // of a family, by labels without those that one thing has several series of
	for _, f := range families {
		values[f.GetName()] = map[string]float64{}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				if !slices.Contains([]string{"quantile", "class", "horizon"}, l.GetName()) && (l.GetName() == "workload" || f.GetName() != "tipline_workload_recommended") {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
			}
			values[f.GetName()][strings.Join(labels, " ")] += m.GetGauge().GetValue()
		}
	}
	companions, unknown := 0, 0
	for name, known := range values {
		of, companion := strings.CutSuffix(name, "_known")
		if !companion {
			continue
		}
		companions++
		for labels, is := range known {
			if _, there := values[of][labels]; there != (is == 1) || is != 0 && is != 1 {
				t.Errorf("%s{%s}: got %v, and a series %v", name, labels, is, there)
			}
			if is == 0 {
				unknown++
			}
			delete(values[of], labels)
		}
		for labels := range values[of] {
			t.Errorf("%s{%s} has no companion", of, labels)
		}
	}
	if companions != 5 || unknown != 8 {
		t.Errorf("got %d companions and %d that are not known, want 5 and 8", companions, unknown)
	}
	if _, there := values["tipline_workload_coverage_ratio"]["workload=failed"]; there {
		t.Error("how much was measured of a workload whose evaluation failed is not known, and exported")
	}
}

func TestWorkloadThatIsGoneIsNotExported(t *testing.T) {
	report := full()
	collector := New(func() *model.Report { return report })
	const coverageName = "tipline_workload_coverage_ratio"
	if n := testutil.CollectAndCount(collector, coverageName); n != 2 {
		t.Fatalf("%d workloads, want 2", n)
	}
	next := *report
	next.Workloads = report.Workloads[1:]
	report = &next
	if n := testutil.CollectAndCount(collector, coverageName); n != 1 {
		t.Errorf("%d workloads, want 1", n)
	}
	if n := testutil.CollectAndCount(collector, "tipline_workload_drift_score"); n != 0 {
		t.Error("a series of the workload that is gone remains")
	}
}

func TestCap(t *testing.T) {
	for _, n := range []int{0, 1, 2000, 2001, 50_000} {
		report := &model.Report{}
		for i := range n {
			report.Workloads = append(report.Workloads, model.WorkloadReport{Workload: fmt.Sprintf("w%05d", i)})
		}
		if got := testutil.CollectAndCount(of(report), "tipline_workload_coverage_ratio"); got != min(n, 2000) {
			t.Errorf("%d workloads: %d exported", n, got)
		}
		want := fmt.Sprintf("# HELP tipline_workloads_not_exported Workloads beyond the first 2,000 by name, which have no series of their own; their tokens are those of the workload other.\n"+
			"# TYPE tipline_workloads_not_exported gauge\ntipline_workloads_not_exported %d\n", max(0, n-2000))
		if err := testutil.CollectAndCompare(of(report), strings.NewReader(want), "tipline_workloads_not_exported"); err != nil {
			t.Error(err)
		}
	}
}

// TestF102_Other holds that what has no series of its own is in the tokens of one workload more, however many there are, and whatever others are called.
func TestF102_Other(t *testing.T) {
	tokens := func(name string, names int) model.WorkloadReport {
		return model.WorkloadReport{Workload: name, Names: names, Usage: model.UsageSummary{Last30dClassTokens: map[string]model.Tokens{"input": 2, "output": 1}}}
	}
	for _, tc := range []struct {
		first, want string
		n           int
	}{{"w", "other", 50_000}, {"other", "other (not exported)", 2100}} {
		report := &model.Report{Workloads: []model.WorkloadReport{tokens(tc.first, 0)}}
		for i := range tc.n - 1 {
			report.Workloads = append(report.Workloads, tokens(fmt.Sprintf("w%05d", i), 0))
		}
		report.Workloads = append(report.Workloads, tokens("other@gateway", 7), model.WorkloadReport{Workload: "unknown"})
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(of(report))
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		series, sum, other := 0, 0.0, 0.0
		for _, f := range families {
			for _, m := range f.Metric {
				series++
				if f.GetName() == "tipline_workload_tokens_last_30d" {
					sum += m.GetGauge().GetValue()
					for _, l := range m.Label {
						if l.GetValue() == tc.want {
							other += m.GetGauge().GetValue()
						}
					}
				}
			}
		}
		if n := float64(tc.n); sum != 3*(n+1) || other != 3*(n-1999) || series != 2000*6+2+1 {
			t.Errorf("%d workloads: got %v tokens, %v of them %s, in %d series, want all, those beyond 2000 and 12003", tc.n, sum, other, tc.want, series)
		}
	}
}

// TestHostileNames gives names that are not UTF-8, or that become the same when they are made so: the scrape survives.
func TestHostileNames(t *testing.T) {
	report := &model.Report{}
	for _, name := range []string{"a\xff", "a\xfe", "a\uFFFD", "quote\" back\\slash\nline", "{x=\"y\"} 1", "", "<script>", strings.Repeat("long", 1000), "\x00"} {
		w := full().Workloads[0]
		w.Workload = name
		w.Options = append(w.Options, model.OptionCost{Option: name, Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{}})
		w.Usage.Last30dClassTokens = map[string]model.Tokens{"c\xff": 1, "c\xfe": 2}
		w.Drift = append(w.Drift, model.Drift{Kind: "volume"})
		report.Workloads = append(report.Workloads, w)
	}
	report.Sources = []model.SourceReport{{Source: "s\xff", FilledRatio: new(model.Fraction), UnattributedTokensRatio: new(model.Fraction)}, {Source: "s\xfe"}}
	report.Unattributed = &model.Unattributed{OfTokens: 1, At: []model.DarkTokens{{Source: "s\xff"}}}
	report.Budgets = []model.BudgetReport{{Budget: "b\xff", Projected: &model.Quantiles[model.USD]{}, SpentUSD: new(model.USD)}, {Budget: "b\xfe"}}
	report.PriceBooks = []model.PriceBook{{Book: "b\xff", Checked: "2026-08-01"}}
	report.DataFaults = []model.DataFault{{Source: "s\xff", Code: "c\xff"}, {Source: "s\xfe", Code: "c\xff"}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(of(report))
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("the scrape fails: %v", err)
	}
	for _, f := range families {
		if f.GetName() == "tipline_workload_coverage_ratio" && len(f.Metric) != len(report.Workloads) {
			t.Errorf("%d workloads, want %d: different names became one", len(f.Metric), len(report.Workloads))
		}
	}
	if len(families) != len(all) {
		t.Errorf("%d families, want %d", len(families), len(all))
	}
}
