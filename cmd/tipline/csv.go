package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/collector"
	"tipline/model"
)

// historyColumns heads a history CSV.
var historyColumns = []string{"timestamp", "workload", "input_tokens", "output_tokens", "requests"}

// exportColumns heads a history CSV that tipline wrote, which has more to say of every hour. There input_tokens are those that no cache was
// involved in, an empty cell is not known, and source and labels say what a row is about.
var exportColumns = append(slices.Clip(historyColumns), "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "coverage", "doubts",
	"ttft_p95_seconds", "replicas", "gpus", "waiting_requests", "source", "labels")

// maxSpan is the longest history that a CSV may hold of one workload: a wrong year in one row must not ask for all memory.
const maxSpan = 20 * 366 * 24 * time.Hour

// maxGap is the longest time without a row within a history: what comes after more has a wrong year, which would move the origin there.
const maxGap = 366 * 24 * time.Hour

// maxName is the longest name of a workload, in bytes.
const maxName = 1024

// readHistory reads the hourly history of one or more workloads, sorted by name, with historyColumns or exportColumns. The rows of a workload
// ascend in time; an hour without a row was not measured. Negative and absurdly large volumes are kept: they are for the forecaster to survive.
// Errors name the file, the line, the value and what was wanted.
func readHistory(r io.Reader, file string) ([]model.Usage, error) {
	workloads := map[string]*model.Usage{}
	err := eachRow(r, file, func(row historyRow) error { return addRow(workloads, row) }, historyColumns, exportColumns)
	if err != nil {
		return nil, err
	}
	if len(workloads) == 0 {
		return nil, fmt.Errorf("%s: no rows after the header", file)
	}
	usage := make([]model.Usage, 0, len(workloads))
	for _, name := range slices.Sorted(maps.Keys(workloads)) {
		usage = append(usage, *workloads[name])
	}
	return usage, nil
}

// A historyRow is a row of a history CSV.
type historyRow struct {
	collector.Kept
	source string  // empty with historyColumns
	stamp  string  // the time as it stands there
	ttft   float64 // seconds
}

// number returns where the number of a column belongs; nil when it has none.
func (r *historyRow) number(column string) *float64 {
	switch column {
	case "input_tokens":
		return (*float64)(&r.Hour.Tokens[model.Input])
	case "output_tokens":
		return (*float64)(&r.Hour.Tokens[model.Output])
	case "cache_read_tokens":
		return (*float64)(&r.Hour.Tokens[model.CacheRead])
	case "cache_write_tokens":
		return (*float64)(&r.Hour.Tokens[model.CacheWrite])
	case "cache_write_1h_tokens":
		return (*float64)(&r.Hour.Tokens[model.CacheWrite1h])
	case "requests":
		return &r.Hour.Requests
	case "coverage":
		return (*float64)(&r.Hour.Coverage)
	case "ttft_p95_seconds":
		return &r.ttft
	case "replicas":
		return &r.Serving.Replicas
	case "gpus":
		return &r.Serving.GPUs
	case "waiting_requests":
		return &r.Serving.Waiting
	}
	return nil
}

// eachRow calls do with every row of a CSV that is headed by one of headers.
func eachRow(r io.Reader, file string, do func(historyRow) error, headers ...[]string) error {
	want := strings.Join(headers[0], ",")
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: empty, want the header %s", file, want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if !slices.ContainsFunc(headers, func(h []string) bool { return slices.Equal(h, header) }) {
		return fmt.Errorf("%s:1: header: got %q, want %s", file, clip(strings.Join(header, ",")), want)
	}
	columns := slices.Clone(header)
	for {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			return fmt.Errorf("%s:%d: %w: want %s", file, bad.Line, bad.Err, strings.Join(columns, ","))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		line, _ := rows.FieldPos(0)
		row, err := parseRow(columns, record)
		if err == nil {
			err = do(row)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
}

// clip returns the beginning of text when it is too long to be shown.
func clip(text string) string {
	const most = 100 // bytes
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// parseRow reads the cells of a row, which belong to columns.
func parseRow(columns, record []string) (row historyRow, err error) {
	exported := len(columns) > len(historyColumns)
	row.stamp = record[0]
	row.Start, err = time.Parse(time.RFC3339, record[0])
	if row.Start = row.Start.UTC(); err != nil || !row.Start.Equal(row.Start.Truncate(time.Hour)) {
		return row, fmt.Errorf("timestamp: got %q, want the start of an hour such as 2025-03-01T00:00:00Z", clip(record[0]))
	}
	if row.Workload = strings.Clone(record[1]); row.Workload == "" {
		return row, fmt.Errorf("workload: got %q, want a name", record[1])
	}
	if n := len(record[1]); n > maxName && !exported {
		return row, fmt.Errorf("workload: got a name of %d bytes, want at most %d", n, maxName)
	}
	row.Hour.Coverage = 1
	for i, column := range columns[2:] {
		text := record[2+i]
		to := row.number(column)
		if to == nil || exported && text == "" && column != "coverage" {
			continue // see checkEmpty
		}
		if *to, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(*to) || math.IsInf(*to, 0) {
			return row, fmt.Errorf("%s: got %q, want a number", column, clip(text))
		}
	}
	if !exported {
		return row, nil
	}
	cell := func(column string) string { return record[slices.Index(columns, column)] }
	row.Serving.TTFTP95 = time.Duration(math.Round(row.ttft * float64(time.Second)))
	row.Serving.Queued = cell("waiting_requests") != ""
	row.Doubts = strings.Fields(strings.Clone(cell("doubts")))
	row.source = strings.Clone(cell("source"))
	if row.Labels, err = parseLabels(cell("labels")); err != nil {
		return row, err
	}
	err = row.checkEmpty(cell)
	return row, err
}

// checkEmpty reports a cell that is empty although nothing says that its number is not known: it would be taken for a zero.
func (r *historyRow) checkEmpty(cell func(string) string) error {
	if r.Hour.Coverage == 0 {
		return nil
	}
	for _, column := range [...]string{"input_tokens", "output_tokens"} {
		if cell(column) == "" {
			return fmt.Errorf("%s: got \"\", want a number", column)
		}
	}
	for _, unknown := range [...]struct{ column, doubt string }{
		{"requests", collector.RequestsUnknown},
		{"cache_read_tokens", collector.CacheSplitUnknown},
		{"cache_write_tokens", collector.CacheSplitUnknown},
		{"cache_write_1h_tokens", collector.CacheSplitUnknown},
	} {
		if cell(unknown.column) == "" && !slices.Contains(r.Doubts, unknown.doubt) {
			return fmt.Errorf("%s: got \"\", want a number, or %s among the doubts", unknown.column, unknown.doubt)
		}
	}
	return nil
}

// parseLabels reads labels as an export writes them: name=value, joined by & and escaped as in the query of a URL.
func parseLabels(text string) (map[string]string, error) {
	values, err := url.ParseQuery(text)
	labels := map[string]string{}
	for name, all := range values {
		if labels[name] = all[0]; len(all) > 1 {
			err = fmt.Errorf("%s twice", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("labels: got %q, want such as model=llama&team=a%%2Fb: %w", clip(text), err)
	}
	return labels, nil
}

// addRow adds an hour to its workload.
func addRow(workloads map[string]*model.Usage, row historyRow) error {
	u := workloads[row.Workload]
	if u == nil {
		u = &model.Usage{Workload: row.Workload, Start: row.Start}
		workloads[u.Workload] = u
	}
	switch place := row.Start.Sub(u.Start); {
	case place < time.Duration(len(u.Hours))*time.Hour:
		return fmt.Errorf("timestamp: got %s after %s of workload %q, want ascending hours, each once", row.stamp, u.End().Add(-time.Hour).Format(time.RFC3339), u.Workload)
	case place > maxSpan:
		return fmt.Errorf("timestamp: got %s, %s after the first of workload %q, want at most 20 years of history", row.stamp, place, u.Workload)
	case len(u.Hours) > 0 && row.Start.Sub(u.End()) > maxGap:
		return fmt.Errorf("timestamp: got %s, %s after the row before of workload %q, want at most 366 days without a row", row.stamp, row.Start.Sub(u.End()), u.Workload)
	default:
		for range int(place/time.Hour) - len(u.Hours) {
			u.Hours = append(u.Hours, model.Hour{})
		}
	}
	u.Hours = append(u.Hours, row.Hour)
	return nil
}
