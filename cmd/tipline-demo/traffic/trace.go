package traffic

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Trace is what one workload really used, hour by hour.
type Trace struct {
	Workload string
	Start    time.Time
	Hours    []Used // an hour that nobody measured has NaN tokens
}

// End returns the end of the last hour.
func (t Trace) End() time.Time { return t.Start.Add(time.Duration(len(t.Hours)) * time.Hour) }

// Hour returns the use of the hour that begins at at.
func (t Trace) Hour(at time.Time) (Used, bool) {
	if at.Before(t.Start) || !at.Before(t.End()) {
		return Used{}, false
	}
	u := t.Hours[at.Sub(t.Start)/time.Hour]
	return u, !math.IsNaN(u.Input)
}

// Total returns the tokens of all measured hours.
func (t Trace) Total() float64 {
	sum := 0.0
	for _, u := range t.Hours {
		if !math.IsNaN(u.Input) {
			sum += u.Tokens()
		}
	}
	return sum
}

// Scaled returns t with every number multiplied by factor.
func (t Trace) Scaled(factor float64) Trace {
	t.Hours = slices.Clone(t.Hours)
	for i, u := range t.Hours {
		t.Hours[i] = Used{Input: u.Input * factor, Output: u.Output * factor, Requests: u.Requests * factor}
	}
	return t
}

var unmeasured = Used{Input: math.NaN(), Output: math.NaN(), Requests: math.NaN()}

// columns are those of a trace file.
var columns = []string{"timestamp", "workload", "input_tokens", "output_tokens", "requests"}

// ReadTraces reads the trace files of a folder: those named llm-*.csv.gz when there are any, otherwise every *.csv.gz.
// Workloads come in the order of the files.
func ReadTraces(folder string) ([]Trace, error) {
	files, err := filepath.Glob(filepath.Join(folder, "llm-*.csv.gz"))
	if err == nil && len(files) == 0 {
		files, err = filepath.Glob(filepath.Join(folder, "*.csv.gz"))
	}
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("got the folder %q without one *.csv.gz, want files with the columns %s", folder, strings.Join(columns, ","))
	}
	var all []Trace
	for _, file := range files {
		traces, err := readFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, traces...)
	}
	return all, nil
}

func readFile(path string) ([]Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return ReadTrace(zip)
}

// ReadTrace reads one trace file after decompression. Rows of a workload come in the order of time; a row that is not there
// is an hour that nobody measured.
func ReadTrace(r io.Reader) ([]Trace, error) {
	rows := csv.NewReader(r)
	header, err := rows.Read()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(header, columns) {
		return nil, fmt.Errorf("columns: got %q, want %q", header, columns)
	}
	places := map[string]int{}
	var traces []Trace
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return traces, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		at, used, err := parseRow(row)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		place, known := places[row[1]]
		if !known {
			place = len(traces)
			places[row[1]] = place
			traces = append(traces, Trace{Workload: row[1], Start: at})
		}
		t := &traces[place]
		missing := int(at.Sub(t.End()) / time.Hour)
		if missing < 0 || missing > maxGap {
			return nil, fmt.Errorf("line %d: %s: got %s after %s, want the next hours", line, row[1], row[0], t.End().Format(time.RFC3339))
		}
		for range missing {
			t.Hours = append(t.Hours, unmeasured)
		}
		t.Hours = append(t.Hours, used)
	}
}

// maxGap is the longest hole in a trace that is believed, in hours.
const maxGap = 366 * 24

func parseRow(row []string) (at time.Time, u Used, err error) {
	at, err = time.Parse(time.RFC3339, row[0])
	if err != nil || at.Truncate(time.Hour) != at {
		return at, u, fmt.Errorf("timestamp: got %q, want the start of an hour such as 2024-01-01T00:00:00Z", row[0])
	}
	for i, to := range []*float64{&u.Input, &u.Output, &u.Requests} {
		text := row[2+i]
		if text == "" && to == &u.Requests {
			continue // not every trace counts requests
		}
		*to, err = strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(*to) || math.IsInf(*to, 0) || *to < 0 {
			return at, u, fmt.Errorf("%s: got %q, want a number, 0 or more", columns[2+i], text)
		}
	}
	return at.UTC(), u, nil
}
