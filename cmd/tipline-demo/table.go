package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"tipline/model"
)

// printTable prints the verdicts of report.
func printTable(out io.Writer, report *model.Report) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKLOAD\tNOW ON\tLAST 30 DAYS\tNEXT 30 DAYS (80 % RANGE)\tCOST NOW\tVERDICT")
	for _, w := range report.Workloads {
		used, next, pays := "?", "?", "?"
		if t := w.Usage.Last30dTokens; t != nil {
			used = model.FormatTokens(*t)
		}
		if w.Forecast != nil {
			q := w.Forecast.Next30dTokens
			next = fmt.Sprintf("%s (%s to %s)", model.FormatTokens(q.P50), model.FormatTokens(q.P10), model.FormatTokens(q.P90))
		}
		for _, o := range w.Options {
			if o.Option == w.Current && o.USDPerMonth != nil {
				pays = model.FormatUSD(o.USDPerMonth.P50) + " a month"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", clean(w.Workload), w.Current, used, next, pays, verdict(w))
	}
	_ = table.Flush() // the terminal is gone when this fails
}
