package main

import (
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
)

// traceConfig is the configuration under which traces are replayed.
//
//go:embed traces.yml
var traceConfig []byte

// trace is the real hourly traffic of one workload.
type trace struct {
	workload string
	start    time.Time
	hours    []traffic.Hour
}

func (t trace) end() time.Time { return t.start.Add(time.Duration(len(t.hours)) * time.Hour) }

func (t trace) total() float64 {
	sum := 0.0
	for _, h := range t.hours {
		sum += h.Tokens()
	}
	return sum
}

// readTraces reads the LLM traces of a folder, sorted by workload, every volume multiplied by scale.
func readTraces(folder string, scale float64) ([]trace, error) {
	files, err := filepath.Glob(filepath.Join(folder, "llm-*.csv.gz"))
	if err != nil {
		return nil, fmt.Errorf("--traces: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("--traces: %q holds no llm-*.csv.gz, want hourly traces with the columns timestamp,workload,input_tokens,output_tokens,requests", folder)
	}
	all := map[string]*trace{}
	for _, file := range files {
		if err := readTrace(file, scale, all); err != nil {
			return nil, fmt.Errorf("--traces: %w", err)
		}
	}
	traces := make([]trace, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		traces = append(traces, *all[name])
	}
	return traces, nil
}

func readTrace(file string, scale float64, all map[string]*trace) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	rows := csv.NewReader(zip)
	rows.ReuseRecord, rows.FieldsPerRecord = true, 5
	if _, err := rows.Read(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		line, _ := rows.FieldPos(0)
		if err := addHour(row, scale, all); err != nil {
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
}

func addHour(row []string, scale float64, all map[string]*trace) error {
	at, err := time.Parse(time.RFC3339, row[0])
	if err != nil {
		return fmt.Errorf("timestamp: got %q, want the start of an hour", row[0])
	}
	var values [3]float64
	for i := range values {
		if values[i], err = strconv.ParseFloat(row[2+i], 64); err != nil || values[i] < 0 {
			return fmt.Errorf("column %d: got %q, want a number, 0 or more", 3+i, row[2+i])
		}
		values[i] *= scale
	}
	t := all[row[1]]
	if t == nil {
		t = &trace{workload: strings.Clone(row[1]), start: at}
		all[t.workload] = t
	}
	for t.end().Before(at) {
		t.hours = append(t.hours, traffic.Hour{})
	}
	t.hours = append(t.hours, traffic.Hour{Input: values[0], Output: values[1], Requests: values[2]})
	return nil
}

// replay returns a scene in which every trace is a team behind a gateway. Each is moved in time so that all end together.
func replay(folder string, scale float64) (*scene, error) {
	traces, err := readTraces(folder, scale)
	if err != nil {
		return nil, err
	}
	sc := &scene{world: &world.World{}, now: begins}
	start := begins
	total := 0.0
	for _, t := range traces {
		shift := begins.Sub(t.end())
		from := t.start.Add(shift)
		if from.Before(start) {
			start = from
		}
		total += t.total()
		sc.world.Tenants = append(sc.world.Tenants, world.Tenant{
			Workload: traffic.Workload{Name: t.workload, TokensPerDay: max(1, t.total()/float64(len(t.hours))*24), TTFT50: 0.45, TTFTP95: 1.4},
			Kind:     world.LiteLLM,
			Labels:   map[string]string{"team_alias": t.workload, "requested_model": "gpt-5-mini", "model": "gpt-5-mini", "api_provider": "openai"},
			Begin:    from,
			Hours: func(at time.Time) traffic.Hour {
				if i := int(at.Sub(from) / time.Hour); i >= 0 && i < len(t.hours) {
					return t.hours[i]
				}
				return traffic.Hour{}
			},
		})
	}
	sc.config = traceConfig
	sc.world.Start(start)
	sc.opening = fmt.Sprintf("%d real LLM traces are replayed as the counters of a LiteLLM gateway: %.4g tokens in all, after multiplying by %v.\n"+
		"Each is moved in time, its own length kept, so that all end on %s.\n", len(traces), total, scale, begins.Format("2 January 2006"))
	return sc, nil
}
