package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/cmd/internal/backtest"
	"tipline/cmd/internal/store"
	"tipline/collector/promtest"
)

// TestBacktestForms replays two months in which one workload, whose name is hostile, grows over its threshold, and compares what is printed with golden files.
func TestBacktestForms(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	prom := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		var all promtest.Answer
		for team, growth := range map[string]float64{"support|<b>": 0.03, "search": 0, "ideas": -0.01} {
			all.Series = append(all.Series, promtest.Each(q, map[string]string{"team_alias": team}, func(signal string, at time.Time) (float64, bool) {
				days := at.Add(-time.Hour).Sub(end).Hours()/24 + 70
				if days < 0 || at.After(end) {
					return 0, false
				}
				tokens := 5e6 * math.Exp(growth*days) * (1 + 0.4*math.Sin(2*math.Pi*days))
				v, known := map[string]float64{"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": tokens / 1000, "coverage": 1, "resets": 0}[signal]
				return v, known
			})...)
		}
		return all
	})
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(programConfig, prom.URL, "http://127.0.0.1:1")+`schedule: {digest: "0 9 * * MON"}
workloads: [{match: {team_alias: ideas}, policy: {min_history: 100d}}]
`)
	p := &program{stdout: io.Discard, stderr: io.Discard, now: func() time.Time { return end.Add(5 * time.Minute) }, configFile: filepath.Join(folder, "tipline.yml")}
	cfg, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.replay(t.Context(), cfg, t.TempDir(), backtestOptions{since: end.AddDate(0, 0, -60), every: 4 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "json", "markdown"} {
		var got bytes.Buffer
		if err := printBacktest(&got, result, format); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(got.String(), cfg.Hash, "(hash)") // it depends on the port
		golden := filepath.Join("testdata", "backtest", format)
		if *update {
			writeFile(t, golden, text)
		}
		if diff := cmp.Diff(readFile(t, golden), text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// TestBacktest runs the whole program: nothing is sent, and the data directory stays as it is.
func TestBacktest(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	since := "--since=" + time.Now().Add(-9*24*time.Hour).UTC().Format(time.RFC3339)
	replay := func(args ...string) (int, backtest.Result, string) {
		t.Helper()
		code, out, errs := tipline(t, folder, append([]string{"backtest", "-o", "json", "--every=3d"}, args...)...)
		var r backtest.Result
		if err := json.Unmarshal([]byte(out), &r); err != nil && code == exitDone {
			t.Fatalf("%v in\n%s", err, out)
		}
		return code, r, errs
	}
	code, r, errs := replay(since)
	if code != exitDone || errs != "" || len(r.Messages) != 1 || r.Messages[0].To != "fleet" || r.Messages[0].Grade.Verdict != backtest.TooEarly || r.Evaluations < 3 {
		t.Errorf("exit %d, %q, %+v", code, errs, r)
	}
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("a data directory was made")
	}
	if code, _, errs = replay("--stored"); code != exitNotRight || !strings.Contains(errs, "no history") {
		t.Errorf("nothing is stored: exit %d, %q", code, errs)
	}

	away := func(promtest.Query) promtest.Answer { return promtest.HTML() }
	prom.Answer(away)
	if code, _, errs = replay(since); code != exitUnreachable || !strings.Contains(errs, "source gateway") || !strings.Contains(errs, "--stored") {
		t.Errorf("a server that is away: exit %d, %q", code, errs)
	}
	prom.Answer(steadily)
	if code, _, errs := tipline(t, folder, "report"); code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	answer := filepath.Join(folder, "data", "answers", "4d0b1beb9cdc.json")
	if err := os.MkdirAll(filepath.Dir(answer), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, answer, "not an answer")
	before := readFile(t, filepath.Join(folder, "data", "tipline.db"))
	prom.Answer(away)
	if code, r, errs = replay("--stored"); code != exitDone || errs != "" || len(r.Messages) != 1 || r.Messages[0].To != "fleet" {
		t.Errorf("what is stored: exit %d, %q, %+v", code, errs, r)
	}
	if readFile(t, answer) != "not an answer" || readFile(t, filepath.Join(folder, "data", "tipline.db")) != before {
		t.Error("the data directory was changed")
	}

	// A history that was taken to another machine says the same there.
	exported, elsewhere := filepath.Join(folder, "history.csv"), t.TempDir()
	writeFile(t, filepath.Join(elsewhere, "tipline.yml"), readFile(t, filepath.Join(folder, "tipline.yml")))
	code, _, errs = tipline(t, folder, "history", "export", "--out", exported)
	if imported, _, more := tipline(t, elsewhere, "history", "import", exported); code != exitDone || imported != exitDone {
		t.Fatalf("export: exit %d, %s; import: exit %d, %s", code, errs, imported, more)
	}
	_, want, _ := tipline(t, folder, "backtest", "--stored", "--every=3d")
	if code, got, errs := tipline(t, elsewhere, "backtest", "--stored", "--every=3d"); code != exitDone || !strings.Contains(got, "api → fleet") || got != want {
		t.Errorf("elsewhere: exit %d, %s, %s", code, errs, cmp.Diff(want, got))
	}
	if box.Requests() != 0 {
		t.Errorf("Slack was asked %d times, want never", box.Requests())
	}

	file, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if code, _, errs = replay("--stored"); code != exitNotRight || !strings.Contains(errs, "in use by another tipline (process ") || !strings.HasSuffix(errs, "): stop that one first, since only one may hold the file\n") {
		t.Errorf("beside a running tipline: exit %d, %q", code, errs)
	}
}
