package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tipline/cmd/internal/daemon"
	"tipline/model"
)

// printReport writes report in the given form: table, json or markdown.
func printReport(w io.Writer, report *model.Report, format string) error {
	switch format {
	case "json":
		return printJSON(w, report)
	case "markdown":
		return printMarkdown(w, report)
	default:
		return printTable(w, report)
	}
}

// printJSON writes v as JSON, with a value a line.
func printJSON(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = w.Write(append(model.EscapeJSON(data), '\n'))
	}
	return err
}

// columns heads the table of workloads; row fills it.
var columns = []string{"WORKLOAD", "NOW ON", "LAST 30 DAYS", "NEXT 30 DAYS (80% RANGE)", "COST A MONTH", "SAVING", "CHEAPER IN", "ACT BY", "VERDICT"}

func row(w model.WorkloadReport, now time.Time) []string {
	const unknown = "?"
	used, next, pays, saves, sure, actBy := unknown, unknown, unknown, "", "", ""
	if t := w.Usage.Last30dTokens; t != nil {
		used = model.FormatTokens(*t)
	}
	if w.Forecast != nil {
		q := w.Forecast.Next30dTokens
		next = fmt.Sprintf("%s (%s to %s)", model.FormatTokens(q.P50), model.FormatTokens(q.P10), model.FormatTokens(q.P90))
	}
	if usd := model.CostOf(w.Options, w.Current); usd != nil {
		pays = model.FormatUSDKnown(usd.P50, *usd)
	}
	if w.Decision.Recommendation == model.Move {
		if s := w.Decision.SavingUSDPerMonth; s != nil {
			saves = model.FormatUSDKnown(s.P50, *s)
		}
		if p := w.Decision.ProbabilityCheaper; p != nil {
			sure = model.FormatPercent(*p)
		}
	}
	if w.Crossover != nil {
		actBy = w.Crossover.ActBy
		if w.Crossover.Overdue(now) {
			actBy = "now"
		}
	}
	current := w.Current
	if current == "" {
		current = unknown
	}
	says := verdict(w.Decision)
	if daemon.Secondary(w) {
		says = "priced at another meter"
	}
	return []string{w.Workload, current, used, next, pays, saves, sure, actBy, says}
}

// verdict says in a few words what d recommends.
func verdict(d model.Decision) string {
	switch d.Recommendation {
	case model.Move:
		return "move to " + d.Option
	case model.Stay:
		return "stay (" + strings.ToLower(strings.ReplaceAll(d.Reason, "_", " ")) + ")"
	default:
		if d.Reason == model.ReasonNoFeasibleOption {
			return "no feasible option"
		}
		return "unknown"
	}
}

func printTable(w io.Writer, report *model.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, workload := range report.Workloads {
		fmt.Fprintln(table, strings.Join(plain(row(workload, report.AsOf)), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, line := range notes(report) {
		fmt.Fprintln(w, model.Printable(line))
	}
	for _, workload := range report.Workloads {
		lines := workloadNotes(workload)
		if len(lines) > 0 {
			fmt.Fprintf(w, "\n%s\n", model.Printable(workload.Workload))
		}
		for _, line := range lines {
			fmt.Fprintf(w, "  %s\n", model.Printable(line))
		}
	}
	return nil
}

func printMarkdown(w io.Writer, report *model.Report) error {
	fmt.Fprintf(w, "# Inference cost report, %s\n\n", report.AsOf.Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, workload := range report.Workloads {
		cells := plain(row(workload, report.AsOf))
		for i := range cells {
			cells[i] = markdownEscape.Replace(cells[i])
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	item := func(indent, line string) {
		fmt.Fprintf(w, "%s- %s\n", indent, markdownEscape.Replace(model.Printable(strings.TrimSpace(line))))
	}
	fmt.Fprintln(w)
	for _, line := range notes(report) {
		item("", line)
	}
	for _, workload := range report.Workloads {
		lines := workloadNotes(workload)
		if len(lines) > 0 {
			item("", workload.Workload)
		}
		for _, line := range lines {
			item("  ", line)
		}
	}
	return nil
}

// notes returns a line for everything beyond a single workload that a reader of the table must know beside it.
func notes(report *model.Report) []string {
	var lines []string
	for _, s := range report.Sources {
		if !s.Up {
			lines = append(lines, fmt.Sprintf("source %s is down: %s", s.Source, s.Error))
		}
		for _, warning := range s.Warnings {
			lines = append(lines, fmt.Sprintf("source %s: %s", s.Source, warning.Text))
		}
		if missing := s.NotNeeded(); len(missing) > 0 {
			lines = append(lines, fmt.Sprintf("source %s: nothing is found of %s, which no verdict needs", s.Source, strings.Join(missing, ", of ")))
		}
		if s.Dropped > 0 {
			lines = append(lines, fmt.Sprintf("source %s: %d of its series are no workload, because a stanza drops them", s.Source, s.Dropped))
		}
		if share := s.UnattributedTokensRatio; share != nil && *share > 0 {
			lines = append(lines, fmt.Sprintf("source %s: %s of its tokens of the last day are in no workload, because select leaves them out", s.Source, model.FormatPercent(*share)))
		}
		if share := s.GPUsFreeRatio; share != nil && *share > 0 {
			lines = append(lines, fmt.Sprintf("source %s: %s of the GPUs that its exporter showed over the last day were held by no pod", s.Source, model.FormatPercent(*share)))
		}
	}
	if u := report.Unattributed; u != nil && u.Tokens > 0 {
		var at []string
		for _, d := range u.At {
			how := "which no source reads"
			if d.Read {
				how = "which source " + d.Source + " leaves out"
			}
			at = append(at, fmt.Sprintf("%s of the pack %s, %s", model.FormatTokens(d.Tokens), d.Pack, how))
		}
		lines = append(lines, fmt.Sprintf("all sources: %s of the %s tokens that their servers counted in the last day are in no workload: %s", model.FormatPercent(u.Ratio), model.FormatTokens(u.OfTokens), strings.Join(at, "; ")))
	}
	for _, b := range report.Budgets {
		if p := b.Projected; p != nil {
			lines = append(lines, fmt.Sprintf("budget %s: %s projected for %s (80%% range %s) of %s", b.Budget,
				model.FormatUSDKnown(p.P50, *p), b.Month, model.FormatUSDRange(*p), model.FormatUSD(b.USD)))
		}
		if len(b.Unknown) > 0 {
			lines = append(lines, fmt.Sprintf("budget %s: without %s, whose cost is not known", b.Budget, strings.Join(b.Unknown, ", ")))
		}
	}
	for _, r := range report.Renames {
		lines = append(lines, "renamed: "+r.Proposal)
	}
	for _, double := range report.DoubleMeters {
		lines = append(lines, "metered twice: "+double.Because)
	}
	for _, f := range report.SharedFleets {
		line := "shared fleet: " + f.Because
		if f.ID != "" {
			line += " (receipt " + f.ID + ")"
		}
		lines = append(lines, line)
	}
	for _, m := range report.JointMoves {
		line := "together: " + m.Because
		if m.ID != "" {
			line += " (receipt " + m.ID + ")"
		}
		lines = append(lines, line)
	}
	for _, warning := range report.Warnings {
		lines = append(lines, warning.Text)
	}
	return lines
}

// workloadNotes returns a line for everything that a reader of the row of w must know beside it.
func workloadNotes(w model.WorkloadReport) []string {
	var lines []string
	if d := w.Decision; d.Because != "" {
		line := d.Because
		if d.ID != "" {
			line += " (receipt " + d.ID + ")"
		}
		lines = append(lines, line)
	}
	if w.Case != nil && !w.Case.Quiet() {
		lines = append(lines, w.Case.Text())
	}
	lines = append(lines, capacityNotes(w)...)
	for _, warning := range w.Warnings {
		if warning.Text != w.Decision.Because {
			lines = append(lines, warning.Text)
		}
	}
	if w.Forecast != nil {
		for _, warning := range w.Forecast.Warnings {
			lines = append(lines, warning.Text)
		}
		for _, s := range w.Forecast.Scores {
			lines = append(lines, fmt.Sprintf("%s of %d days missed by %s (the last weeks once more: %s), %s inside of the 80%% range",
				count(s.Graded, "earlier projection"), s.Days, model.FormatPercent(s.ErrorRatio), model.FormatPercent(s.NaiveErrorRatio), model.FormatPercent(s.Coverage80)))
			if s.EventErrorRatio != nil {
				lines = append(lines, fmt.Sprintf("those of %d days with a known event missed by %s (without the event: %s)",
					s.Days, model.FormatPercent(*s.EventErrorRatio), model.FormatPercent(*s.WithoutEventErrorRatio)))
			}
		}
	}
	for _, d := range w.Drift {
		if d.Score >= 1 {
			lines = append(lines, "drift: "+d.Text)
		}
	}
	return lines
}

// capacityNotes says what the fleets that w compares are taken to do, on whose word, and how much rests on numbers that are assumed.
func capacityNotes(w model.WorkloadReport) []string {
	var lines []string
	for _, o := range w.Options {
		if text := o.CapacityText(); text != "" && (o.Option == w.Current || o.Option == w.Decision.Best) {
			lines = append(lines, fmt.Sprintf("%s is taken to do: %s", o.Option, text))
		}
	}
	if a := w.Decision.AssumedCapacity; a != nil {
		lines = append(lines, a.Text())
	}
	if text := w.Usage.GPUCostText(); text != "" {
		lines = append(lines, text)
	}
	return lines
}

var markdownEscape = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "!", `\!`,
)

// plain makes each of cells printable.
func plain(cells []string) []string {
	out := make([]string, len(cells))
	for i, cell := range cells {
		out[i] = model.Printable(cell)
	}
	return out
}
