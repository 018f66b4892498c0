package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"tipline/model"
)

// say prints a line under the simulated time.
func (p *player) say(text string) {
	fmt.Fprintf(p.out, "%s  %s\n", p.clock.Now().Format("Mon _2 Jan 15:04"), text)
}

// tell says which verdicts changed and, where none did, how near the nearest boundary is: daily until the first message, and
// then on Mondays.
func (p *player) tell(report *model.Report, first bool) {
	quiet := p.messages == 0 || report.AsOf.Weekday() == time.Monday
	for _, w := range report.Workloads {
		now := verdict(w)
		if before, known := p.told[w.Workload]; !first && (!known || before != now) {
			quiet = false
			p.say(fmt.Sprintf("%s: %s. %s", model.Printable(w.Workload), now, sentence(w.Decision.Because)))
		}
		p.told[w.Workload] = now
	}
	if w, rival := nearest(report); quiet && !first && rival != nil {
		p.say(fmt.Sprintf("%s heads for %s tokens in 30 days: %s costs %s a month, %s %s", model.Printable(w.Workload),
			model.FormatTokens(w.Forecast.Next30dTokens.P50), w.Current, costs(*w, w.Current), rival.Option, costs(*w, rival.Option)))
	}
}

// nearest returns the workload with an allowed alternative whose cost comes nearest to that of its current option.
func nearest(report *model.Report) (*model.WorkloadReport, *model.OptionCost) {
	var workload *model.WorkloadReport
	var rival *model.OptionCost
	least := math.Inf(1)
	for i, w := range report.Workloads {
		now := cost(w, w.Current)
		for j, o := range w.Options {
			other := cost(w, o.Option)
			if o.Option == w.Current || len(o.Blocked) > 0 || now == nil || other == nil || w.Forecast == nil {
				continue
			}
			if distance := math.Abs(math.Log(float64(*other / *now))); distance < least {
				least, workload, rival = distance, &report.Workloads[i], &report.Workloads[i].Options[j]
			}
		}
	}
	return workload, rival
}

// cost returns the median cost of an option, nil when it is not known.
func cost(w model.WorkloadReport, option string) *model.USD {
	if c := model.CostOf(w.Options, option); c != nil {
		return &c.P50
	}
	return nil
}

func costs(w model.WorkloadReport, option string) string {
	if c := model.CostOf(w.Options, option); c != nil {
		return model.FormatUSDKnown(c.P50, *c)
	}
	return "an unknown sum"
}

// crossover says from how many tokens a month a fleet that carries everything is cheaper than the API.
func crossover(w model.WorkloadReport) string {
	switch {
	case w.Crossover == nil:
		return "-"
	case w.Crossover.FirstTokensPerMonth == nil:
		return "never"
	}
	return "above " + model.FormatTokens(*w.Crossover.FirstTokensPerMonth)
}

// verdict says in a few words what the workload should do.
func verdict(w model.WorkloadReport) string {
	switch w.Decision.Recommendation {
	case model.Move:
		return "move to " + w.Decision.Option
	case model.Stay:
		return "stay on " + w.Decision.Option
	}
	return "unknown"
}

// printTable prints how the workloads of report stand.
func printTable(out io.Writer, report *model.Report) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKLOAD\tNOW ON\tNEXT 30 DAYS (80% RANGE)\tCOST A MONTH\tOWN GPUS ALONE PAY\tVERDICT")
	for _, w := range report.Workloads {
		next := "unknown"
		if w.Forecast != nil {
			q := w.Forecast.Next30dTokens
			next = fmt.Sprintf("%s (%s to %s)", model.FormatTokens(q.P50), model.FormatTokens(q.P10), model.FormatTokens(q.P90))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", model.Printable(w.Workload), w.Current, next, costs(w, w.Current), crossover(w), verdict(w))
	}
	_ = table.Flush() // the terminal is gone when this fails
	for _, w := range report.Workloads {
		if w.Decision.Because != "" && len(report.Workloads) < 10 {
			fmt.Fprintf(out, "  %s: %s\n", model.Printable(w.Workload), sentence(w.Decision.Because))
		}
	}
}

// sentence begins text with a capital letter and ends it with a full stop.
func sentence(text string) string {
	text = model.Printable(text)
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
