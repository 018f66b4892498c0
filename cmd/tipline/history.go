package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/model"
)

// historyColumns heads a history CSV.
var historyColumns = []string{"timestamp", "workload", "input_tokens", "output_tokens", "requests"}

// maxSpan is the longest history that a CSV may hold of one workload: a wrong year in one row must not ask for all memory.
const maxSpan = 20 * 366 * 24 * time.Hour

// maxGap is the longest time without a row within a history: what comes after more has a wrong year, which would move the origin there.
const maxGap = 366 * 24 * time.Hour

// maxName is the longest name of a workload, in bytes.
const maxName = 1024

// readHistory reads the hourly history of one or more workloads, sorted by name. The rows of a workload ascend in time; an
// hour without a row was not measured. Negative and absurdly large volumes are kept: they are for the forecaster to survive.
// Errors name the file, the line, the value and what was wanted.
func readHistory(r io.Reader, file string) ([]model.Usage, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	rows.FieldsPerRecord = len(historyColumns)
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: empty, want the header %s", file, strings.Join(historyColumns, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if !slices.Equal(header, historyColumns) {
		return nil, fmt.Errorf("%s:1: header: got %q, want %s", file, strings.Join(header, ","), strings.Join(historyColumns, ","))
	}
	workloads := map[string]*model.Usage{}
	for {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		line, _ := rows.FieldPos(0)
		if err := addRow(workloads, record); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
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

func addRow(workloads map[string]*model.Usage, record []string) error {
	at, err := time.Parse(time.RFC3339, record[0])
	if err != nil || !at.Equal(at.Truncate(time.Hour)) {
		return fmt.Errorf("timestamp: got %q, want the start of an hour such as 2025-03-01T00:00:00Z", record[0])
	}
	if record[1] == "" {
		return fmt.Errorf("workload: got %q, want a name", record[1])
	}
	if n := len(record[1]); n > maxName {
		return fmt.Errorf("workload: got a name of %d bytes, want at most %d", n, maxName)
	}
	hour := model.Hour{Coverage: 1}
	for i, to := range []*float64{(*float64)(&hour.Tokens[model.Input]), (*float64)(&hour.Tokens[model.Output]), &hour.Requests} {
		text := record[2+i]
		if *to, err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(*to) || math.IsInf(*to, 0) {
			return fmt.Errorf("%s: got %q, want a number", historyColumns[2+i], text)
		}
	}
	u := workloads[record[1]]
	if u == nil {
		u = &model.Usage{Workload: strings.Clone(record[1]), Start: at.UTC()}
		workloads[u.Workload] = u
	}
	switch place := at.Sub(u.Start); {
	case place < time.Duration(len(u.Hours))*time.Hour:
		return fmt.Errorf("timestamp: got %s after %s of workload %q, want ascending hours, each once", record[0], u.End().Add(-time.Hour).Format(time.RFC3339), record[1])
	case place > maxSpan:
		return fmt.Errorf("timestamp: got %s, %s after the first of workload %q, want at most 20 years of history", record[0], place, record[1])
	case len(u.Hours) > 0 && at.Sub(u.End()) > maxGap:
		return fmt.Errorf("timestamp: got %s, %s after the row before of workload %q, want at most 366 days without a row", record[0], at.Sub(u.End()), record[1])
	default:
		for range int(place/time.Hour) - len(u.Hours) {
			u.Hours = append(u.Hours, model.Hour{})
		}
	}
	u.Hours = append(u.Hours, hour)
	return nil
}
