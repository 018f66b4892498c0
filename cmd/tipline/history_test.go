package main

import (
	"encoding/csv"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/store"
	"tipline/cmd/internal/store/storetest"
	"tipline/collector/promtest"
	"tipline/model"
)

// hostileNames are label values that a CSV, a terminal, a URL or a spreadsheet gives a meaning to.
var hostileNames = []string{"sup|port", "a,\"b\"", "one\r\ntwo\rthree", "=1+1", "\x1b[2J", "a&b=c%2Fd e", "ünïcode ☃", " ", "doubts"}

// stageHistory writes a configuration of a gateway and of engines and lets a report fill its data file with ten days of workloads with
// hostileNames: gaps, partial hours, hours that were refused, cache reads, requests that are not known and engines.
func stageHistory(t *testing.T) (folder string, prom *promtest.Server) {
	t.Helper()
	prom = promtest.Start(t, func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for i, name := range hostileNames {
			labels := map[string]string{"team_alias": name, "model_name": fmt.Sprint("model ", i)}
			all = append(all, promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
				hour := int(at.Unix()/3600) + i
				v, known := map[string]float64{
					"input": 1e6 / float64(1+hour%7), "output": 1e5 / 3, "cache_read": 1e4 / 7, "coverage": 1, "resets": 0,
					"ttft_p95": 0.1 + 1/float64(1+hour%11), "replicas": 2, "waiting": 0.25,
				}[signal]
				switch {
				case hour%97 == 0:
					return 0, false
				case hour%89 == 0 && signal == "input":
					v = math.NaN()
				case hour%83 == 0 && signal == "coverage":
					v = 1.0 / 3
				}
				return v, known
			})...)
		}
		return promtest.Answer{Series: all}
	})
	folder = t.TempDir()
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(`sources:
  - {name: gateway, prometheus: {url: "%[1]s"}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 10d}
  - {name: engines, prometheus: {url: "%[1]s"}, pack: vllm, group_by: [model_name, team_alias], hosting: self-hosted, backfill: 10d}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}
defaults: {current: api, candidates: [api], constraints: {data_sensitivity: internal, ops_capacity: limited}}
`, prom.URL))
	if code, _, errs := tipline(t, folder, "report"); code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	return folder, prom
}

// elsewhere returns a folder with the configuration of another one and no data file.
func elsewhere(t *testing.T, prom *promtest.Server, folder string) string {
	t.Helper()
	other := t.TempDir()
	writeFile(t, filepath.Join(other, "tipline.yml"), strings.Replace(read(t, filepath.Join(folder, "tipline.yml")), prom.URL, "http://127.0.0.1:1", 2))
	return other
}

// hoursOf returns the rows of the history of a data file that say what was measured.
func hoursOf(t *testing.T, folder string) map[string]string {
	t.Helper()
	file, err := store.OpenToRead(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows := map[string]string{}
	err = file.Scan(store.History, "", func(key string, value []byte) error {
		if !strings.HasSuffix(key, "/r") { // which hours need not be asked for is for the server that has them
			rows[key] = string(value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestHistoryGoesRound takes a history out of one data file and into an empty one, byte for byte, names that mean something to others included.
func TestHistoryGoesRound(t *testing.T) {
	t.Parallel()
	folder, prom := stageHistory(t)
	other := elsewhere(t, prom, folder)
	out := filepath.Join(t.TempDir(), "history.csv")
	if code, text, errs := tipline(t, folder, "history", "export", "--out="+out); code != exitDone || text != "" || errs != "" {
		t.Fatalf("exit %d, %q, %q", code, text, errs)
	}
	exported := read(t, out)
	rows, err := csv.NewReader(strings.NewReader(exported)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d hours taken in\n", len(rows)-1)
	if code, text, errs := tipline(t, other, "history", "import", out); code != exitDone || text != want || errs != "" {
		t.Fatalf("exit %d, %q, %q, want %q", code, text, errs, want)
	}
	if _, again, errs := tipline(t, other, "history", "export"); again != exported {
		t.Errorf("got %d bytes, want the %d of the first export; %s", len(again), len(exported), errs)
	}
	if got, want := hoursOf(t, other), hoursOf(t, folder); !maps.Equal(got, want) {
		t.Errorf("got %d rows in the data file, want the same %d", len(got), len(want))
	}
	want = fmt.Sprintf("0 hours taken in, %d hours left as the data file has them\n", len(rows)-1)
	if code, text, errs := tipline(t, other, "history", "import", out); code != exitDone || text != want {
		t.Errorf("a second time: exit %d, %q, %q, want %q", code, text, errs, want)
	}
	kinds := map[string]bool{}
	for _, row := range rows[1:] {
		for i, column := range rows[0] {
			kinds[column+" "+map[bool]string{true: "known", false: "empty"}[row[i] != ""]] = true
		}
		kinds[row[9]] = true
	}
	for _, kind := range []string{"input_tokens empty", "requests empty", "cache_read_tokens known", "cache_write_tokens empty", "ttft_p95_seconds known", "ttft_p95_seconds empty", "NOT_FINITE"} {
		if !kinds[kind] {
			t.Errorf("the history has no %s, so this test holds less than it says", kind)
		}
	}
}

// TestExportIsProjected holds that forecast reads an export and projects every workload of it, with all of its tokens.
func TestExportIsProjected(t *testing.T) {
	t.Parallel()
	folder, _ := stageHistory(t)
	_, exported, _ := tipline(t, folder, "history", "export")
	rows := forecastCSV(t, exported, forecastOptions{horizons: []int{7}})
	if len(rows) != 1+2*len(hostileNames) {
		t.Errorf("got %d projections, want one of each of the %d workloads", len(rows)-1, 2*len(hostileNames))
	}
	usage, err := readHistory(strings.NewReader(exported), "history.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range usage {
		if !slices.ContainsFunc(u.Hours, func(h model.Hour) bool { return h.Tokens[model.CacheRead] > 0 && h.Coverage == 1 }) {
			t.Errorf("%q: no hour with tokens read from a cache", u.Workload)
		}
	}
}

// TestImportIntoAHistory holds which hour stays when both have it: the one that saw more, that of the data file when both saw as much, and with --replace that of the CSV.
func TestImportIntoAHistory(t *testing.T) {
	t.Parallel()
	folder, _ := stageHistory(t)
	_, exported, _ := tipline(t, folder, "history", "export")
	lines := strings.SplitAfter(exported, "\n")
	pick := func(cells string) string { // a line with these cells from coverage on
		i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, cells) && !strings.Contains(l, `"`) })
		if i < 0 {
			t.Fatalf("no hour with %s", cells)
		}
		return lines[i]
	}
	whole, partial, refused := pick(",1,REQUESTS_UNKNOWN"), pick(",0.3333333333333333,REQUESTS_UNKNOWN"), pick(",0,NOT_FINITE")
	change := func(line, input, coverage string) string { // the same hour, otherwise
		cells := strings.Split(line, ",")
		cells[2], cells[3], cells[8], cells[9] = input, "1", coverage, "REQUESTS_UNKNOWN"
		cells[5], cells[6], cells[7] = "0", "0", "0"
		return strings.Join(cells, ",")
	}
	for name, tc := range map[string]struct {
		line  string
		flags []string
		want  bool // that it is taken
	}{
		"as much":                       {change(whole, "77", "1"), nil, false},
		"less":                          {change(whole, "77", "0.5"), nil, false},
		"as much, to be replaced":       {change(whole, "77", "1"), []string{"--replace"}, true},
		"less, to be replaced":          {change(whole, "77", "0.5"), []string{"--replace"}, true},
		"more of a partial hour":        {change(partial, "77", "0.5"), nil, true},
		"less of a partial hour":        {change(partial, "77", "0.25"), nil, false},
		"an hour that nothing is known": {change(refused, "77", "0.25"), nil, true},
	} {
		file := filepath.Join(t.TempDir(), "history.csv")
		writeFile(t, file, lines[0]+tc.line)
		code, text, errs := tipline(t, folder, append([]string{"history", "import", file}, tc.flags...)...)
		if code != exitDone || strings.HasPrefix(text, "1 hour taken in") != tc.want {
			t.Errorf("%s: exit %d, %q, %q, want taken: %v", name, code, text, errs, tc.want)
		}
		if _, after, _ := tipline(t, folder, "history", "export"); strings.Contains(after, tc.line) != tc.want {
			t.Errorf("%s: the hour is in the data file: %v, want %v", name, !tc.want, tc.want)
		}
		writeFile(t, file, exported)
		if code, _, errs := tipline(t, folder, "history", "import", "--replace", file); code != exitDone {
			t.Fatalf("%s: %s", name, errs)
		}
	}
}

// TestImportErrors names the line, the cell and what was wanted, and writes nothing.
func TestImportErrors(t *testing.T) {
	t.Parallel()
	folder, _ := stageHistory(t)
	header := strings.Join(exportColumns, ",") + "\n"
	at := time.Now().UTC().Truncate(time.Hour).Add(-30 * 24 * time.Hour)
	row := func(hours int, rest string) string {
		return at.Add(time.Duration(hours)*time.Hour).Format(time.RFC3339) + "," + rest + "\n"
	}
	good := row(0, "a,1,2,3,0,0,0,1,,,,,,gateway,team_alias=new")
	before := hoursOf(t, folder)
	for name, tc := range map[string]struct{ text, want string }{
		"what only forecast reads":    {historyHeader + "2026-11-23T00:00:00Z,a,1,2,3\n", "history.csv:1: header: got \"timestamp,workload,input_tokens,output_tokens,requests\", want timestamp,workload,input_tokens,output_tokens,requests,cache_read_tokens"},
		"a source that is none":       {header + good + row(1, "a,1,2,3,0,0,0,1,,,,,,elsewhere,team_alias=new"), `history.csv:3: source: got "elsewhere", want one of the configuration`},
		"labels of another grouping":  {header + good + row(1, "a,1,2,3,0,0,0,1,,,,,,gateway,team=new"), `history.csv:3: labels: got ["team"], want ["team_alias"], the group_by of source gateway`},
		"labels that are none":        {header + row(1, "a,1,2,3,0,0,0,1,,,,,,gateway,team_alias=%zz"), `history.csv:2: labels: got "team_alias=%zz", want such as`},
		"a label twice":               {header + row(1, "a,1,2,3,0,0,0,1,,,,,,gateway,team_alias=a&team_alias=b"), "history.csv:2: labels: got"},
		"an hour that is not over":    {header + row(40*24, "a,1,2,3,0,0,0,1,,,,,,gateway,team_alias=new"), "history.csv:2: timestamp: got"},
		"tokens below none":           {header + good + good + row(1, "a,-1,2,3,0,0,0,1,,,,,,gateway,team_alias=new"), "history.csv:4: input: got -1 tokens, want 0 to 1e+14"},
		"tokens that nobody can use":  {header + row(1, "a,1,1e15,3,0,0,0,1,,,,,,gateway,team_alias=new"), "history.csv:2: output: got 1e+15 tokens"},
		"tokens that nobody saw":      {header + row(1, "a,1,2,,0,0,0,0,,,,,,gateway,team_alias=new"), "history.csv:2: coverage: got 0 with tokens"},
		"more than all of an hour":    {header + row(1, "a,1,2,3,0,0,0,1.5,,,,,,gateway,team_alias=new"), "history.csv:2: coverage: got 1.5, want 0 to 1"},
		"requests that are not zero":  {header + row(1, "a,1,2,,0,0,0,1,,,,,,gateway,team_alias=new"), `history.csv:2: requests: got "", want a number, or REQUESTS_UNKNOWN among the doubts`},
		"output that is not zero":     {header + row(1, "a,1,,3,0,0,0,1,,,,,,gateway,team_alias=new"), `history.csv:2: output_tokens: got "", want a number`},
		"no coverage":                 {header + row(1, "a,1,2,3,0,0,0,,,,,,,gateway,team_alias=new"), `history.csv:2: coverage: got "", want a number`},
		"a doubt that nobody has":     {header + row(1, "a,1,2,3,0,0,0,1,MAYBE,,,,,gateway,team_alias=new"), `history.csv:2: doubts: got "MAYBE", want one of SAWTOOTH, `},
		"refused and used":            {header + row(1, "a,1,2,,0,0,0,1,SAWTOOTH REQUESTS_UNKNOWN,,,,,gateway,team_alias=new"), "history.csv:2: doubts: got SAWTOOTH with coverage 1"},
		"requests known and not":      {header + row(1, "a,1,2,3,0,0,0,1,REQUESTS_UNKNOWN,,,,,gateway,team_alias=new"), "history.csv:2: doubts: got REQUESTS_UNKNOWN with 3 requests"},
		"a wait of two hours":         {header + row(1, "a,1,2,3,0,0,0,1,,7200,,,,gateway,team_alias=new"), "history.csv:2: ttft_p95: got 7200, want 0 to 3600"},
		"a cell too few":              {header + row(1, "a,1,2,3,0,0,0,1,,,,,gateway,team_alias=new"), "history.csv:2: wrong number of fields"},
		"an empty file":               {"", "history.csv: empty, want the header timestamp"},
		"a quotation without its end": {header + good + `"2026`, "history.csv:3: extraneous or missing"},
	} {
		file := filepath.Join(t.TempDir(), "history.csv")
		writeFile(t, file, tc.text)
		code, out, errs := tipline(t, folder, "history", "import", file)
		if code != exitNotRight || out != "" || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %q, %q, want %q", name, code, out, errs, tc.want)
		}
	}
	if after := hoursOf(t, folder); !maps.Equal(before, after) {
		t.Errorf("got %d rows in the data file, want the %d from before", len(after), len(before))
	}
	file := filepath.Join(t.TempDir(), "history.csv")
	writeFile(t, file, header+good+strings.Replace(row(1, "a,1,2,3,0,0,0,1,,,,,,gateway,team_alias=new"), at.Format("2006"), "2020", 1))
	if code, out, errs := tipline(t, folder, "history", "import", file); code != exitDone || out != "1 hour taken in, 1 hour older than 400 days left out\n" {
		t.Errorf("an old hour: exit %d, %q, %q", code, out, errs)
	}
}

// TestHistoryOfARunningTipline says what to do when the data file is held, or is not there.
// TestGathered holds that what the sources change of a data file is there all at once: not before it is written, and none of it when one row cannot be.
func TestGathered(t *testing.T) {
	t.Parallel()
	file := storetest.Open(t)
	there := func(key string) bool {
		value, err := file.Get(store.History, key)
		return err == nil && value != nil
	}
	for _, last := range []string{"", "b"} { // bbolt takes no empty key
		all := &gathered{Store: file}
		for _, key := range []string{"a", last} {
			if err := all.Apply(map[string]map[string][]byte{store.History: {key: []byte("1")}}); err != nil {
				t.Fatal(err)
			}
		}
		if there("a") {
			t.Error("got a row before it was written")
		}
		if err := all.write(); (err == nil) != (last == "b") || there("a") != (last == "b") || there("b") != (last == "b") {
			t.Errorf("with the key %q: got error %v, a %v, b %v; want all or none", last, err, there("a"), there("b"))
		}
	}
}

func TestHistoryOfARunningTipline(t *testing.T) {
	t.Parallel()
	folder, prom := stageHistory(t)
	file := filepath.Join(t.TempDir(), "history.csv")
	writeFile(t, file, strings.Join(exportColumns, ",")+"\n")
	held, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for _, args := range [][]string{{"export"}, {"import", file}} {
		code, out, errs := tipline(t, folder, append([]string{"history"}, args...)...)
		if code != exitNotRight || out != "" || !strings.Contains(errs, "tipline.db: in use by another tipline (process") || !strings.Contains(errs, "): stop that one first") {
			t.Errorf("%s: exit %d, %q, %q", args[0], code, out, errs)
		}
	}
	code, out, errs := tipline(t, elsewhere(t, prom, folder), "history", "export")
	if code != exitNotRight || out != "" || !strings.Contains(errs, "no tipline has run with this configuration yet") {
		t.Errorf("without a data file: exit %d, %q, %q", code, out, errs)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
