// Package gauges shows the last report as Prometheus metrics; it computes nothing.
package gauges

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"tipline/model"
)

// maxWorkloads is how many workloads are exported. With three options each has some 50 series: those of 2,000 are 102,000 and 9.9 MB a scrape, near what a
// scrape may take and more than a target should cost the server. They are the first by name, so that the choice does not change between scrapes; tipline_workloads_not_exported counts the others, which the report has, and
// their tokens are those of the workload otherName.
const maxWorkloads = 2000

const otherName = "other"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tipline_"+name, help, labels, nil)
}

// known describes the companion of what is absent where it is not known: a query tells that from a workload, an option or a budget that is gone. Who has no
// GPUs, or no crossover, lacks nothing, so those have none.
func known(name, what string, labels ...string) *prometheus.Desc {
	return desc(name+"_known", "1 when "+what+" known, 0 when there is no series of it since it is not.", labels...)
}

var (
	tokensLast30dKnown = known("workload_tokens_last_30d", "the tokens used in the last 30 days are", "workload")
	projectedKnown     = known("workload_projected_tokens", "a projection of a workload is", "workload")
	costKnown          = known("workload_cost_usd_per_month", "the cost of an option is", "workload", "option", "hosting")
	recommendedKnown   = known("workload_recommended", "the verdict on a workload is", "workload")
	budgetKnown        = known("budget_projected_usd", "what the workloads of a budget are projected to cost is", "budget")
)

var (
	tokensLast30d = desc("workload_tokens_last_30d", "Tokens used in the last 30 days, by token class.", "workload", "class")
	projected     = desc("workload_projected_tokens", "Projected tokens of the next 30 days or of the current calendar month.",
		"workload", "horizon", "quantile")
	costUSD = desc("workload_cost_usd_per_month", "Cost of an option at the projected volume, in US dollars per month.",
		"workload", "option", "hosting", "quantile")
	crossover = desc("workload_crossover_tokens_per_month", "Monthly tokens from which an option is cheaper than the API; absent when never.",
		"workload", "option", "bound")
	breakeven = desc("workload_breakeven_utilization_ratio", "Share of its capacity that a replica must carry to pay for itself.",
		"workload", "option")
	recommended = desc("workload_recommended", "1 for the option to be on, 0 for the others.", "workload", "option", "hosting")
	probability = desc("workload_probability_cheaper_ratio", "Probability that an option is cheaper than the current one over the next year.",
		"workload", "option")
	saving = desc("workload_saving_usd_per_month", "Median saving of an option against the current one, in US dollars per month.",
		"workload", "option")
	secondsToCrossover = desc("workload_seconds_to_crossover", "Time until the projected volume reaches the next boundary, in seconds.",
		"workload", "option")
	gpuUtilization      = desc("workload_gpu_utilization_ratio", "Share of time in which the workload's GPUs were busy.", "workload")
	economicUtilization = desc("workload_economic_utilization_ratio", "Tokens served over tokens that the current fleet could serve.", "workload")
	idleUSD             = desc("workload_idle_usd_per_month", "Part of the fleet's cost that serves nothing, in US dollars per month.", "workload")
	coverage            = desc("workload_coverage_ratio", "Share of the last 30 days that was measured.", "workload")
	lastSample          = desc("workload_last_sample_timestamp_seconds", "End of the newest measured hour, in seconds since the epoch.", "workload")
	forecastError       = desc("forecast_error_ratio", "Median error of past projections of that many days, over what was used.", "workload", "horizon")
	forecastNaiveError  = desc("forecast_naive_error_ratio", "Median error of the seasonal naive projection of that many days, the last full weeks once more, over what was used.", "workload", "horizon")
	forecastBias        = desc("forecast_bias_ratio", "Mean of what past projections of that many days were above what was used, over that; negative when they were below.", "workload", "horizon")
	forecastCoverage    = desc("forecast_coverage_ratio", "Share of past projections of that many days in whose range, of that level, what was used lay.", "workload", "horizon", "level")
	driftScore          = desc("workload_drift_score", "Evidence that an input is not what its past led one to expect, over what an alarm takes: 1 and more is drift.", "workload", "kind")
	priceAge            = desc("price_age_seconds", "Time since the newest of a price book's sources was looked at, in seconds; its other prices may be older.", "book")
	oldestPrice         = desc("workload_price_age_seconds", "Time since the oldest of the prices that an option is charged by was looked at, in seconds.", "workload", "option")
	caseStage           = desc("workload_case_stage", "1 for the stage in which what is to be decided about a workload is.", "workload", "stage")
	dataFaults          = desc("data_faults", "Why what a source says is not what was used, for how many workloads, or for the source itself; a notifier that messages do not reach is in place of a source.", "source", "code")
	sourceUp            = desc("source_up", "1 when the source answered in the last cycle, 0 otherwise.", "source")
	readingsRefused     = desc("readings_refused", "Why what a source answered was not used: 1 with the reason why it was not read in the last cycle, and how many of its workloads have hours that were refused, or none any more.", "source", "reason")
	historyFilled       = desc("source_history_filled_ratio", "Share of the history asked of a source that has been read.", "source")
	budgetUSD           = desc("budget_usd", "What the workloads of a budget may cost in a calendar month, in US dollars.", "budget")
	budgetProjected     = desc("budget_projected_usd", "What the workloads of a budget are projected to cost in the current calendar month, in US dollars.", "budget", "quantile")
	budgetSpent         = desc("budget_spent_usd", "Part of the median projection that falls to the tokens measured so far, in US dollars.", "budget")
	unattributed        = desc("unattributed_tokens_ratio", "Share of the tokens of the last day that a source counts, whatever it selects, and no workload has; what other programs count on its server is not among them.", "source")
	dark                = desc("dark_tokens_ratio", "Share of the tokens of the last day that all servers count, at whatever program, and no workload has; of what is counted at several layers the largest counts.")
	notExported         = desc("workloads_not_exported", "Workloads beyond the first 2,000 by name, which have no series of their own; their tokens are those of the workload other.")
)

var all = []*prometheus.Desc{
	tokensLast30dKnown, projectedKnown, costKnown, recommendedKnown, budgetKnown,
	tokensLast30d, projected, costUSD, crossover, breakeven, recommended, probability, saving, secondsToCrossover, gpuUtilization,
	economicUtilization, idleUSD, coverage, lastSample, forecastError, forecastNaiveError, forecastBias, forecastCoverage, driftScore, caseStage, priceAge, oldestPrice, dataFaults, sourceUp, readingsRefused, historyFilled, budgetUSD, budgetProjected, budgetSpent, unattributed, dark, notExported,
}

// month is the length of the months in which a crossover is counted.
const month = 730 * time.Hour

// exporter builds every series from the report at each scrape, so that a workload that is gone stops being exported.
type exporter struct{ report func() *model.Report }

// New returns a collector of the report that report returns, which may be nil. An unknown value has no series.
func New(report func() *model.Report) prometheus.Collector { return exporter{report} }

// Describe sends the description of every series.
func (c exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Collect sends a series for every known value of the report.
func (c exporter) Collect(ch chan<- prometheus.Metric) {
	report := c.report()
	if report == nil {
		return
	}
	send := sender(ch)
	for _, s := range report.Sources {
		send(sourceUp, oneIf(s.Up), s.Source)
		if share := s.FilledRatio; share != nil {
			send(historyFilled, float64(*share), s.Source)
		}
		if share := s.UnattributedTokensRatio; share != nil {
			send(unattributed, float64(*share), s.Source)
		}
	}
	if u := report.Unattributed; u != nil {
		send(dark, float64(u.Ratio))
	}
	for _, b := range report.Budgets {
		send(budgetUSD, float64(b.USD), b.Budget)
		known := b.Projected != nil && b.SpentUSD != nil
		send(budgetKnown, oneIf(known), b.Budget)
		if known {
			quantiles(send, budgetProjected, *b.Projected, b.Budget)
			send(budgetSpent, float64(*b.SpentUSD), b.Budget)
		}
	}
	for _, b := range report.PriceBooks {
		if checked, err := time.Parse(time.DateOnly, b.Checked); err == nil {
			send(priceAge, report.AsOf.Sub(checked).Seconds(), b.Book)
		}
	}
	refused, faults := tally{}, tally{}
	for _, s := range report.Sources {
		if s.Reason != "" {
			refused.add(s.Source, s.Reason, "")
		}
	}
	for _, w := range report.Workloads {
		for _, warning := range w.Warnings {
			if slices.Contains(model.Refusals, warning.Code) {
				refused.add(w.Source, strings.ToLower(warning.Code), w.Workload)
			}
		}
	}
	for _, f := range report.DataFaults {
		faults.add(cmp.Or(f.Source, f.Notifier), f.Code, f.Workload)
	}
	refused.send(send, readingsRefused)
	faults.send(send, dataFaults)
	var workloads []model.WorkloadReport
	other := map[string]model.Tokens{} // by class, of those that have no series of their own
	beyond, name := 0, otherName
	for _, w := range report.Workloads {
		if w.Names == 0 && len(workloads) < maxWorkloads {
			workloads = append(workloads, w)
			if w.Workload == name {
				name += " (not exported)"
			}
			continue
		}
		if w.Names == 0 {
			beyond++
		}
		for class, tokens := range w.Usage.Last30dClassTokens {
			other[class] += tokens
		}
	}
	send(notExported, float64(beyond))
	for class, tokens := range other {
		send(tokensLast30d, float64(tokens), name, class)
	}
	for _, w := range workloads {
		send.usage(w)
		send.forecast(w)
		send(recommendedKnown, oneIf(w.Decision.Recommendation != model.Unknown), w.Workload)
		for _, o := range w.Options {
			send.option(w, o)
			if looked, err := time.Parse(time.DateOnly, o.OldestPrice()); err == nil {
				send(oldestPrice, report.AsOf.Sub(looked).Seconds(), w.Workload, o.Option)
			}
		}
		if w.Case != nil {
			send(caseStage, 1, w.Workload, string(w.Case.Stage))
		}
		for _, d := range w.Drift {
			send(driftScore, d.Score, w.Workload, d.Kind)
		}
	}
}

// tally has the workloads of which something is said, by its source and why, each once however often it is said; one without a name is the source itself.
type tally map[[2]string]map[string]bool

func (t tally) add(source, why, workload string) {
	of := [2]string{source, why}
	if t[of] == nil {
		t[of] = map[string]bool{}
	}
	t[of][workload] = true
}

func (t tally) send(send send, d *prometheus.Desc) {
	for of, workloads := range t {
		send(d, float64(len(workloads)), of[0], of[1])
	}
}

// send emits one gauge.
type send func(d *prometheus.Desc, value float64, labels ...string)

// sender returns a send that no name can make fail a scrape: text that is not UTF-8 is quoted, which keeps different names
// different, and of two series with the same labels the first is emitted.
func sender(ch chan<- prometheus.Metric) send {
	sent := map[string]bool{}
	return func(d *prometheus.Desc, value float64, labels ...string) {
		for i, text := range labels {
			if !utf8.ValidString(text) {
				labels[i] = strconv.Quote(text)
			}
		}
		series := fmt.Sprintf("%p%q", d, labels)
		if sent[series] {
			return
		}
		sent[series] = true
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
}

func (send send) usage(w model.WorkloadReport) {
	u := w.Usage
	for class, tokens := range u.Last30dClassTokens {
		send(tokensLast30d, float64(tokens), w.Workload, class)
	}
	send(tokensLast30dKnown, oneIf(len(u.Last30dClassTokens) > 0), w.Workload)
	if !slices.ContainsFunc(w.Warnings, func(w model.Warning) bool { return w.Code == model.EvaluationFailed }) {
		send(coverage, float64(u.CoverageRatio), w.Workload)
	}
	if u.LastSample != nil {
		send(lastSample, float64(u.LastSample.Unix()), w.Workload)
	}
	optional(send, gpuUtilization, u.GPUUtilizationRatio, w.Workload)
	optional(send, economicUtilization, u.EconomicUtilization, w.Workload)
	optional(send, idleUSD, u.IdleUSDPerMonth, w.Workload)
}

func (send send) forecast(w model.WorkloadReport) {
	send(projectedKnown, oneIf(w.Forecast != nil), w.Workload)
	if w.Forecast == nil {
		return
	}
	quantiles(send, projected, w.Forecast.Next30dTokens, w.Workload, "30d")
	quantiles(send, projected, w.Forecast.CalendarMonthTokens, w.Workload, "calendar_month")
	for _, s := range w.Forecast.Scores {
		horizon := fmt.Sprintf("%dd", s.Days)
		send(forecastError, float64(s.ErrorRatio), w.Workload, horizon)
		send(forecastNaiveError, float64(s.NaiveErrorRatio), w.Workload, horizon)
		send(forecastBias, float64(s.BiasRatio), w.Workload, horizon)
		send(forecastCoverage, float64(s.Coverage80), w.Workload, horizon, "0.8")
		send(forecastCoverage, float64(s.Coverage95), w.Workload, horizon, "0.95")
	}
}

func (send send) option(w model.WorkloadReport, o model.OptionCost) {
	send(costKnown, oneIf(o.USDPerMonth != nil), w.Workload, o.Option, string(o.Hosting))
	if o.USDPerMonth != nil {
		quantiles(send, costUSD, *o.USDPerMonth, w.Workload, o.Option, string(o.Hosting))
	}
	if w.Decision.Recommendation != model.Unknown {
		send(recommended, oneIf(o.Option == w.Decision.Option), w.Workload, o.Option, string(o.Hosting))
	}
	optional(send, breakeven, o.BreakevenUtilizationRatio, w.Workload, o.Option)
	optional(send, probability, o.ProbabilityCheaper, w.Workload, o.Option)
	if o.SavingUSDPerMonth != nil {
		send(saving, float64(o.SavingUSDPerMonth.P50), w.Workload, o.Option)
	}
	if x := o.Crossover; x != nil {
		optional(send, crossover, x.FirstTokensPerMonth, w.Workload, o.Option, "first")
		optional(send, crossover, x.PermanentTokensPerMonth, w.Workload, o.Option, "permanent")
		if x.MonthsToBoundary != nil {
			send(secondsToCrossover, *x.MonthsToBoundary*month.Seconds(), w.Workload, o.Option)
		}
	}
}

// optional emits *value unless it is unknown.
func optional[T ~float64](send send, d *prometheus.Desc, value *T, labels ...string) {
	if value != nil {
		send(d, float64(*value), labels...)
	}
}

// quantiles emits the three quantiles of q, each with its label last.
func quantiles[T ~float64](send send, d *prometheus.Desc, q model.Quantiles[T], labels ...string) {
	for _, at := range []struct {
		name  string
		value T
	}{{"0.1", q.P10}, {"0.5", q.P50}, {"0.9", q.P90}} {
		send(d, float64(at.value), append(append([]string{}, labels...), at.name)...)
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
