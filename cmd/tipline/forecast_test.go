package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

const historyHeader = "timestamp,workload,input_tokens,output_tokens,requests\n"

var historyEnd = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// historyRows writes n hours of the given workloads before historyEnd, hour by hour.
func historyRows(n int, workloads ...string) string {
	var b strings.Builder
	b.WriteString(historyHeader)
	for back := n; back > 0; back-- {
		at := historyEnd.Add(-time.Duration(back) * time.Hour)
		for _, w := range workloads {
			fmt.Fprintf(&b, "%s,%s,%d,%d,%d\n", at.Format(time.RFC3339), csvField(w), 1000*(10+at.Hour()), 100*(10+at.Hour()), 10+at.Hour())
		}
	}
	return b.String()
}

func forecastCSV(t *testing.T, history string, o forecastOptions) [][]string {
	t.Helper()
	var out bytes.Buffer
	if err := runForecast(strings.NewReader(history), "history.csv", o, &out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatalf("the output is no CSV: %v", err)
	}
	return rows
}

// TestForecastEvents reads changes that are known from the command line.
func TestForecastEvents(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "history.csv")
	writeFile(t, file, historyRows(1000, "a"))
	month := func(args ...string) float64 {
		t.Helper()
		code, out, errs := alone(t, append([]string{"forecast", "--history", file, "--horizons=30"}, args...)...)
		if code != exitDone {
			t.Fatalf("exit %d, %s", code, errs)
		}
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%v in %s", err, out)
		}
		point, err := strconv.ParseFloat(rows[1][3], 64)
		if err != nil {
			t.Fatal(err)
		}
		return point
	}
	plain := month()
	for event, want := range map[string]float64{
		"2026-11-23=+50%": 1.5, "2026-11-23..2027-01-31=-50%": 0.5, "2027-03-01=+50%": 1, "2026-01-01=-100%": 1,
	} {
		if got := month("--event", event) / plain; got < want-0.07 || got > want+0.07 { // nine hours of the first day are measured already
			t.Errorf("%s: got %.3f times as much, want %v", event, got, want)
		}
	}
	for _, event := range []string{"tomorrow=+5%", "2026-11-23=5%", "2026-11-23=+5", "2026-11-23..2026-11-22=+5%", "2026-11-23", "2026-11-23=-101%", "2026-11-23=+NaN%"} {
		if code, _, errs := alone(t, "forecast", "--history", file, "--event", event); code != exitUsage || !strings.Contains(errs, "--event: got ") {
			t.Errorf("%s: exit %d, %q", event, code, errs)
		}
	}
}

func TestForecastCSV(t *testing.T) {
	t.Parallel()
	options := forecastOptions{origin: historyEnd, horizons: []int{7, 30}}
	rows := forecastCSV(t, historyRows(1000, "checkout-bot", `odd, "name"`, "a"), options)
	if got, want := strings.Join(rows[0], ","), "workload,origin,horizon_days,point,lo80,hi80,lo95,hi95"; got != want {
		t.Errorf("header: got %s, want %s", got, want)
	}
	var keys []string
	for _, row := range rows[1:] {
		keys = append(keys, row[0]+" "+row[2])
		if row[1] != "2026-11-23T09:00:00Z" {
			t.Errorf("origin: got %s, want 2026-11-23T09:00:00Z", row[1])
		}
		var q []float64
		for _, i := range []int{6, 4, 3, 5, 7} { // lo95 lo80 point hi80 hi95
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil || v < 0 || len(q) > 0 && v < q[len(q)-1] {
				t.Errorf("%v: want ordered non-negative quantiles", row)
			}
			q = append(q, v)
		}
	}
	want := []string{"a 7", "a 30", "checkout-bot 7", "checkout-bot 30", `odd, "name" 7`, `odd, "name" 30`}
	if strings.Join(keys, "|") != strings.Join(want, "|") {
		t.Errorf("rows: got %q, want %q", keys, want)
	}
}

func TestForecastIsDeterministic(t *testing.T) {
	t.Parallel()
	var outputs [3]bytes.Buffer
	for i := range outputs {
		o := forecastOptions{origin: historyEnd, horizons: []int{7, 30}, shape: i == 2}
		if err := runForecast(strings.NewReader(historyRows(500, "b", "a", "c")), "history.csv", o, &outputs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(outputs[0].Bytes(), outputs[1].Bytes()) {
		t.Errorf("the same history gives other bytes:\n%s\n%s", &outputs[0], &outputs[1])
	}
}

func TestForecastReadsNothingAfterTheOrigin(t *testing.T) {
	t.Parallel()
	o := forecastOptions{origin: historyEnd.Add(-100 * time.Hour), horizons: []int{7}}
	all := historyRows(600, "a")
	cut := strings.Join(strings.SplitAfter(all, "\n")[:501], "")
	if got, want := forecastCSV(t, all, o), forecastCSV(t, cut, o); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the future changes the forecast: got %v, want %v", got, want)
	}
}

func TestForecastShape(t *testing.T) {
	t.Parallel()
	rows := forecastCSV(t, historyRows(1000, "a"), forecastOptions{origin: historyEnd, shape: true})
	if got, want := strings.Join(rows[0], ","), "workload,origin,timestamp,point"; got != want {
		t.Errorf("header: got %s, want %s", got, want)
	}
	if len(rows) != 1+168 {
		t.Fatalf("got %d rows, want the 168 hours after the origin", len(rows)-1)
	}
	if first, last := rows[1][2], rows[168][2]; first != "2026-11-23T09:00:00Z" || last != "2026-11-30T08:00:00Z" {
		t.Errorf("got hours %s to %s, want 2026-11-23T09:00:00Z to 2026-11-30T08:00:00Z", first, last)
	}
}

func TestForecastOfYoungAndUnmeasuredWorkloads(t *testing.T) {
	t.Parallel()
	o := forecastOptions{origin: historyEnd, horizons: []int{7}}
	if rows := forecastCSV(t, historyRows(1, "a"), o); len(rows) != 2 {
		t.Errorf("one hour of history: got %v, want a forecast", rows)
	}
	o.origin = historyEnd.Add(-50 * time.Hour)
	if rows := forecastCSV(t, historyRows(50, "a"), o); len(rows) != 1 {
		t.Errorf("no hour before the origin: got %v, want the header alone", rows)
	}
}

func TestReadHistorySurvivesArtefacts(t *testing.T) {
	t.Parallel()
	text := historyRows(1000, "a")
	o := forecastOptions{origin: historyEnd, horizons: []int{7}}
	want := forecastCSV(t, text, o)
	lines := strings.SplitAfter(text, "\n")
	lines[900] = strings.Replace(lines[900], ",a,", ",a,-99999", 1)
	lines[990] = strings.Replace(lines[990], "000,", "000000,", 1)
	got := forecastCSV(t, strings.Join(lines, ""), o)
	a, _ := strconv.ParseFloat(got[1][3], 64)
	b, _ := strconv.ParseFloat(want[1][3], 64)
	if a < 0.9*b || a > 1.1*b {
		t.Errorf("point: got %g, want about %g", a, b)
	}
}

func TestReadHistoryErrors(t *testing.T) {
	t.Parallel()
	row := "2026-11-23T00:00:00Z,a,1,2,3\n"
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":              {"", "history.csv: empty, want the header timestamp,workload,input_tokens,output_tokens,requests"},
		"no rows":                    {historyHeader, "history.csv: no rows after the header"},
		"another header":             {"time,workload,input_tokens,output_tokens,requests\n", `history.csv:1: header: got "time,workload,input_tokens,output_tokens,requests"`},
		"a time that is no hour":     {historyHeader + "2026-11-23T00:30:00Z,a,1,2,3\n", `history.csv:2: timestamp: got "2026-11-23T00:30:00Z", want the start of an hour`},
		"a time that is no time":     {historyHeader + row + "yesterday,a,1,2,3\n", `history.csv:3: timestamp: got "yesterday"`},
		"no workload":                {historyHeader + "2026-11-23T00:00:00Z,,1,2,3\n", `history.csv:2: workload: got ""`},
		"a volume in words":          {historyHeader + "2026-11-23T00:00:00Z,a,1,many,3\n", `history.csv:2: output_tokens: got "many", want a number`},
		"a volume that is no size":   {historyHeader + "2026-11-23T00:00:00Z,a,NaN,2,3\n", `history.csv:2: input_tokens: got "NaN", want a number`},
		"a volume without end":       {historyHeader + row + "2026-11-23T01:00:00Z,a,1,+Inf,3\n", `history.csv:3: output_tokens: got "+Inf", want a number`},
		"requests without end":       {historyHeader + "2026-11-23T01:00:00Z,a,1,2,1e999\n", `history.csv:2: requests: got "1e999", want a number`},
		"an hour twice in two zones": {historyHeader + "2026-11-23T01:00:00Z,a,1,2,3\n2026-11-23T02:00:00+01:00,a,1,2,3\n", "history.csv:3: timestamp: got 2026-11-23T02:00:00+01:00 after 2026-11-23T01:00:00Z"},
		"half an hour in a zone":     {historyHeader + "2026-11-23T05:00:00+05:30,a,1,2,3\n", `history.csv:2: timestamp: got "2026-11-23T05:00:00+05:30", want the start of an hour`},
		"no zone":                    {historyHeader + "2026-11-23T05:00:00,a,1,2,3\n", `history.csv:2: timestamp: got "2026-11-23T05:00:00"`},
		"a row of the future":        {historyHeader + row + "2028-11-23T01:00:00Z,a,1,2,3\n", "history.csv:3: timestamp: got 2028-11-23T01:00:00Z, 17544h0m0s after the row before of workload \"a\", want at most 366 days"},
		"a huge name":                {historyHeader + "2026-11-23T01:00:00Z," + strings.Repeat("a", 1<<20) + ",1,2,3\n", "history.csv:2: workload: got a name of 1048576 bytes, want at most 1024"},
		"a quote that never ends":    {historyHeader + row + "2026-11-23T01:00:00Z,\"a,1,2,3\n", `history.csv:3: extraneous or missing " in quoted-field: want timestamp,workload,`},
		"an hour twice":              {historyHeader + row + row, "history.csv:3: timestamp: got 2026-11-23T00:00:00Z"},
		"rows out of order":          {historyHeader + "2026-11-23T01:00:00Z,a,1,2,3\n" + row, "want ascending hours"},
		"a column too few":           {historyHeader + "2026-11-23T00:00:00Z,a,1,2\n", "history.csv:2: wrong number of fields: want timestamp,workload,input_tokens,output_tokens,requests"},
		"a column too many":          {historyHeader + row + "2026-11-23T01:00:00Z,a,1,2,3,4\n", "history.csv:3: wrong number of fields"},
		"a huge number":              {historyHeader + "2026-11-23T01:00:00Z,a," + strings.Repeat("9", 1<<20) + ",2,3\n", `history.csv:2: input_tokens: got "999`},
		"a huge time":                {historyHeader + strings.Repeat("2026", 1<<18) + ",a,1,2,3\n", `history.csv:2: timestamp: got "2026`},
		"a huge header":              {strings.Repeat("timestamp,", 1<<17) + "\n", "history.csv:1: header: got "},
		"a wrong century":            {historyHeader + row + "2926-11-23T01:00:00Z,a,1,2,3\n", "history.csv:3: timestamp: got 2926-11-23T01:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readHistory(strings.NewReader(test.text), "history.csv")
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 400 {
				t.Errorf("%.200q: got %.500v, want %q in it and no more than a line", test.text, err, test.want)
			}
		})
	}
}

// TestReadHistoryAnswers holds that odd files that mean something are read for what they mean.
func TestReadHistoryAnswers(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, time.FixedZone("", 2*3600), time.FixedZone("", -5*3600), time.FixedZone("", 5*3600+1800)}
	var mixed strings.Builder
	for i, line := range strings.SplitAfter(historyRows(1000, "a"), "\n") {
		at, rest, _ := strings.Cut(line, ",")
		if hour, err := time.Parse(time.RFC3339, at); err == nil {
			line = hour.In(zones[i%len(zones)]).Format(time.RFC3339) + "," + rest
		}
		mixed.WriteString(line)
	}
	var decade strings.Builder
	decade.WriteString(historyHeader)
	for back := 10 * 365 * 24; back > 0; back-- {
		fmt.Fprintf(&decade, "%s,a,1000,100,10\n", historyEnd.Add(-time.Duration(back)*time.Hour).Format(time.RFC3339))
	}
	for name, tc := range map[string]struct {
		text        string
		least, most float64 // tokens of the next week
	}{
		"one row":               {historyHeader + "2026-11-23T08:00:00Z,a,1000,0,1\n", 10_000, 1_000_000},
		"one row of nothing":    {historyHeader + "2026-11-23T08:00:00Z,a,0,0,0\n", 0, 0},
		"one row below nothing": {historyHeader + "2026-11-23T07:00:00Z,a,1000,0,1\n2026-11-23T08:00:00Z,a,-1000,0,1\n", 10_000, 1_000_000},
		"mixed zones":           {mixed.String(), 3.8e6, 4.2e6},
		"ten years":             {decade.String(), 168 * 1080, 168 * 1120},
		"1e15 tokens":           {strings.ReplaceAll(historyRows(1000, "a"), "000,", "000000000000000,"), 3.4e18, 4.2e18},
	} {
		rows := forecastCSV(t, tc.text, forecastOptions{origin: historyEnd, horizons: []int{7}})
		if len(rows) != 2 {
			t.Errorf("%s: got %v, want one projection", name, rows)
			continue
		}
		if point, err := strconv.ParseFloat(rows[1][3], 64); err != nil || point < tc.least || point > tc.most {
			t.Errorf("%s: got %v, want %g to %g tokens", name, rows[1], tc.least, tc.most)
		}
	}
	only := historyHeader + "2026-11-23T08:00:00Z,a,-1000,0,1\n"
	if rows := forecastCSV(t, only, forecastOptions{origin: historyEnd, horizons: []int{7}}); len(rows) != 1 {
		t.Errorf("nothing that can be use: got %v, want the header alone", rows)
	}
}

// FuzzReadHistory checks that no file makes the reader panic or return hours that it did not read.
func FuzzReadHistory(f *testing.F) {
	f.Add(historyRows(3, "a", "b"))
	f.Add("")
	f.Add(historyHeader + "2026-11-23T00:00:00Z,a,-1,1e300,3\n2026-11-23T05:00:00+05:00,a,1,2,3\n")
	f.Add(strings.Join(exportColumns, ",") + "\n2026-11-23T00:00:00Z,a,1,2,,0,,0,0.5,REQUESTS_UNKNOWN CACHE_SPLIT_UNKNOWN,0.25,2,4,,engines,team=%2F&model=a\n")
	f.Add(historyHeader + "0001-01-01T00:00:00Z,a,1,2,3\n9999-01-01T00:00:00Z,a,1,2,3\n")
	f.Fuzz(func(t *testing.T, text string) {
		usage, err := readHistory(strings.NewReader(text), "history.csv")
		if err != nil {
			return
		}
		if len(usage) == 0 {
			t.Error("got neither a workload nor an error")
		}
		for _, u := range usage {
			if strings.Contains(text, exportColumns[len(historyColumns)]) {
				continue // a row may say that its hour was not measured
			}
			if len(u.Hours) == 0 || !u.Hours[0].Measured() || !u.Hours[len(u.Hours)-1].Measured() {
				t.Errorf("%q: got %d hours, want them to begin and end with a row", u.Workload, len(u.Hours))
			}
		}
	})
}

// TestForecastExplained holds that the words name the workload, every part, and the very totals of the CSV.
func TestForecastExplained(t *testing.T) {
	t.Parallel()
	history := historyRows(1000, "checkout-bot", "a\x1b[2J")
	var out bytes.Buffer
	o := forecastOptions{origin: historyEnd, horizons: []int{30}, explain: true}
	if err := runForecast(strings.NewReader(history), "history.csv", o, &out); err != nil {
		t.Fatal(err)
	}
	o.explain = false
	point, err := strconv.ParseFloat(forecastCSV(t, history, o)[2][3], 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\ncheckout-bot\n", "history      41 days until 23 November 2026 09:00 UTC", "usual day", "Mon 100%", "damped Holt", "own past", "7  days",
		"30 days      " + model.FormatTokens(model.Tokens(point)) + " tokens",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a name moves the cursor of the terminal")
	}
}
