package main

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// queryCost is what one query of a source took in a live check, of several answers the most of each.
type queryCost struct {
	Query    string   `json:"query"`
	Pack     string   `json:"pack,omitempty"` // empty of queries of one's own
	Signals  []string `json:"signals"`
	Requests int      `json:"requests"`
	Hours    int      `json:"hours,omitempty"` // that are asked for at once
	Series   int      `json:"series"`
	Samples  int      `json:"samples"`
	Bytes    int64    `json:"bytes"`
	Seconds  float64  `json:"seconds"`
	Peak     *int     `json:"peak_samples"` // that the server held at once; null where it does not say
	Near     []string `json:"near"`         // limits that it is near, with what to do
}

// mostSamples is how many samples Prometheus holds at once for a query at most, unless it is told otherwise (--query.max-samples).
const mostSamples = 50_000_000

// queryCosts returns what the queries of s took.
func queryCosts(s config.Source, costs []collector.Cost) []queryCost {
	all := make([]queryCost, len(costs))
	for i, c := range costs {
		all[i] = queryCost{
			Query: c.Query, Pack: s.Pack, Signals: append([]string{}, c.Signals...), Requests: c.Requests, Hours: c.Hours, Series: c.Series, Samples: c.Samples,
			Bytes: c.Bytes, Seconds: c.Took.Seconds(), Near: nearLimits(c, s.Prometheus),
		}
		if c.Peak > 0 {
			all[i].Peak = &c.Peak
		}
	}
	return all
}

// nearLimits says of which limits a query took half or more, and what to do before it takes all. Nothing of it keeps a verdict from being right today.
func nearLimits(c collector.Cost, p config.Prometheus) []string {
	said := []string{}
	near := func(format string, args ...any) { said = append(said, c.Query+": "+fmt.Sprintf(format, args...)) }
	if 2*c.Took >= p.Timeout {
		near("took %s, and prometheus.timeout is %s: raise it, select fewer series, or record what is summed up on the server", c.Took.Round(10*time.Millisecond), p.Timeout)
	}
	if 2*c.Bytes >= p.MaxResponseBytes {
		near("an answer has %s, and prometheus.max_response_bytes is %s: raise it, group by fewer labels, or select fewer series", byteSize(c.Bytes), byteSize(p.MaxResponseBytes))
	}
	if 2*c.Peak >= mostSamples {
		near("the server held %s samples at once, and Prometheus refuses more than %s unless told otherwise (--query.max-samples): raise that, or select fewer series",
			model.FormatTokens(model.Tokens(c.Peak)), model.FormatTokens(mostSamples))
	}
	if c.Hours > 0 && c.Hours < collector.ChunkHours {
		near("asks for %s at once, since the server refused, or had no time for, %d: nothing is lost, and a cold start takes longer", count(c.Hours, "hour"), collector.ChunkHours)
	}
	if c.Parts > 1 {
		near("asks for an hour in %d parts, since the server refused it whole: nothing is lost, and it takes that many queries", c.Parts)
	}
	return said
}

// byteSize writes so many bytes in three digits.
func byteSize(n int64) string { return model.FormatTokens(model.Tokens(n)) + "B" }

// queryTable returns the lines of a table of costs, and names the query that took longest.
func queryTable(costs []queryCost, timeout time.Duration) []string {
	if len(costs) == 0 {
		return nil
	}
	slowest := costs[0]
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "QUERY\tASKED\tSERIES\tSAMPLES\tSIZE\tTIME\tHELD\tSIGNALS")
	for _, c := range costs {
		if c.Seconds > slowest.Seconds {
			slowest = c
		}
		held := "?"
		if c.Peak != nil {
			held = model.FormatTokens(model.Tokens(*c.Peak))
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%.3fs\t%s\t%s\n", c.Query, c.Requests, model.FormatTokens(model.Tokens(c.Series)), model.FormatTokens(model.Tokens(c.Samples)), byteSize(c.Bytes),
			c.Seconds, held, strings.Join(c.Signals, " "))
	}
	_ = table.Flush() // into memory
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return append([]string{fmt.Sprintf("what a cycle asks, of several answers the most of each (HELD: samples at once in the server); the slowest is %s, %.3fs of %s", slowest.Query, slowest.Seconds, timeout)}, lines...)
}
