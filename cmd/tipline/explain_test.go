package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/store"
	"tipline/collector/promtest"
)

var receiptOf = regexp.MustCompile(`receipt ([0-9a-f]{12})`)

// evaluated runs one cycle in folder and returns the id of its decision.
func evaluated(t *testing.T, folder string) (id, printed string) {
	t.Helper()
	code, out, errs := tipline(t, folder, "run", "--once")
	found := receiptOf.FindStringSubmatch(out)
	if code != exitDone || found == nil {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	return found[1], out
}

// alone runs tipline as a fresh process in an empty folder, without an environment.
func alone(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.TempDir(), []string{childEnv + "=1"}, &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestExplainElsewhere takes the receipt of a cycle to a process without server, configuration and data file.
func TestExplainElsewhere(t *testing.T) {
	t.Parallel()
	folder, prom, _ := stageProgram(t)
	id, _ := evaluated(t, folder)
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "gone") })
	code, receipt, errs := tipline(t, folder, "explain", id, "-o", "json")
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "receipt.json")
	writeFile(t, file, receipt)
	code, out, errs := alone(t, "explain", "--receipt", file)
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		"Receipt " + id + " of sup|port", "VERDICT: move sup|port from api to fleet", "Because at 15.0B tokens a month fleet costs $26,863",
		"3 × 7.98 USD/h × 730 h", "= $17,476.20", "fleet: $26,863.20", "$44,884.96 − $26,863.20 = $18,021.76 a month, 40% of it",
		"sum by (team_alias) (increase(litellm_input_tokens_metric_total[1h])", "336 hours from ", "[SWITCH]", "all the same to the cent",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code, again, _ := alone(t, "explain", "--receipt", file, "-o", "json"); code != exitDone || again != receipt {
		t.Errorf("exit %d: the receipt as JSON is not the file that it was read from", code)
	}
	if code, _, errs := alone(t, "explain", "0123456789ab", "--receipt", file); code != exitNotRight || !strings.Contains(errs, id) {
		t.Errorf("another id than asked for: exit %d, %q", code, errs)
	}

	for name, change := range map[string]*strings.Replacer{
		"a price among the inputs":  strings.NewReplacer(`"Input": "3"`, `"Input": "2"`),
		"a cost among the results":  strings.NewReplacer(`"p50": 44884.95`, `"p50": 44784.95`),
		"a volume that nobody read": strings.NewReplacer(`"measured_hours": 336`, `"measured_hours": 335`),
	} {
		writeFile(t, file, change.Replace(receipt))
		code, out, errs := alone(t, "explain", "--receipt", file)
		if code != exitNotRight || !strings.Contains(out, "MISMATCH") || !strings.Contains(errs, "MISMATCH") {
			t.Errorf("%s is changed: exit %d, %q, want a mismatch\n%s", name, code, errs, out)
		}
	}
}

// TestExplainAsks reads the receipts of a running tipline, also those that its ledger does not hold, and says what to do
// while it holds the data file.
func TestExplainAsks(t *testing.T) {
	t.Parallel()
	folder, _, box := stageProgram(t)
	_, address, log := child(t, folder)
	await(t, log, "one message in Slack", func() bool { return len(box.Messages()) == 1 })
	id := regexp.MustCompile(`"id":"([0-9a-f]{12})"`).FindStringSubmatch(get(t, http.MethodGet, address+"/api/v1/report", http.StatusOK))[1]
	if code, out, errs := alone(t, "explain", id, "--server", address); code != exitDone || !strings.Contains(out, "all the same to the cent") {
		t.Errorf("--server: exit %d, %s\n%s", code, errs, out)
	}
	if code, _, errs := tipline(t, folder, "explain", id); code != exitNotRight || !strings.Contains(errs, "in use by another tipline") || !strings.Contains(errs, "--server") {
		t.Errorf("beside the daemon: exit %d, %q, want what to do", code, errs)
	}
	if code, _, errs := alone(t, "explain", "0123456789ab", "--server", address); code != exitNotRight || !strings.Contains(errs, "no decision") {
		t.Errorf("an unknown decision: exit %d, %q", code, errs)
	}
	if code, _, errs := alone(t, "explain", id, "--server", "http://user:secret@127.0.0.1:1"); code != exitUnreachable || strings.Contains(errs, "secret") {
		t.Errorf("nobody listens: exit %d, %q", code, errs)
	}
}

func TestExplainSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no id", []string{"explain"}, "12 hexadecimal digits"},
		{"before the first run", []string{"explain", "0123456789ab"}, "no tipline has run"},
		{"not a receipt", []string{"explain", "--receipt", filepath.Join(folder, "tipline.yml")}, "not one that tipline wrote"},
		{"no such file", []string{"explain", "--receipt", filepath.Join(folder, "x")}, "no such file"},
		{"two origins", []string{"explain", "--receipt=x", "--server=http://x"}, "one of the two"},
		{"not an address", []string{"explain", "0123456789ab", "--server=x"}, "http://127.0.0.1:9464"},
	} {
		if code, _, errs := tipline(t, folder, tc.args...); code != exitNotRight || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit %d, %q, want %q", tc.name, code, errs, tc.want)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("explain made a data folder")
	}
	evaluated(t, folder)
	if code, _, errs := tipline(t, folder, "explain", "0123456789ab"); code != exitNotRight || !strings.Contains(errs, "does not hold it") {
		t.Errorf("an unknown decision: exit %d, %q", code, errs)
	}
}

// TestExplainOldReceipts reads a receipt that an early tipline wrote: it is told, and what it lacks is said.
func TestExplainOldReceipts(t *testing.T) {
	t.Parallel()
	code, out, errs := alone(t, "explain", "--receipt", mustAbs(t, "testdata/receipt-v1.json"))
	if code != exitDone || errs != "" || !strings.Contains(out, "fleet: $26,863.20") || !strings.Contains(out, "No: it was written by an early tipline") {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
}

func mustAbs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDecide answers an announced move: the answer waits in the data folder, the next evaluation heeds it, and nobody is told.
func TestDecide(t *testing.T) {
	t.Parallel()
	folder, _, box := stageProgram(t)
	id, _ := evaluated(t, folder)
	until := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
	code, out, errs := tipline(t, folder, "decide", id, "--not-viable=no staff before spring", "--until="+until)
	if code != exitDone || !strings.Contains(out, "fleet is left out until") {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	second, printed := evaluated(t, folder)
	if !strings.Contains(printed, "stay (") || !strings.Contains(printed, "no staff before spring") || len(box.Messages()) != 1 {
		t.Errorf("after the answer: %d messages and\n%s", len(box.Messages()), printed)
	}
	if _, out, _ := tipline(t, folder, "explain", id); !strings.Contains(out, "Answered: fleet is left out until") || !strings.Contains(out, "Announced on ") {
		t.Errorf("the receipt does not mention the answer:\n%s", out)
	}
	if code, _, errs := tipline(t, folder, "decide", second, "--done"); code != exitNotRight || !strings.Contains(errs, "does not say to move") {
		t.Errorf("an answer to a decision to stay: exit %d, %q", code, errs)
	}
	if code, _, errs := tipline(t, folder, "decide", "0123456789ab", "--done"); code != exitNotRight || !strings.Contains(errs, "does not hold it") {
		t.Errorf("an answer to nothing: exit %d, %q", code, errs)
	}

	// The same decision turns out to be done after all.
	if code, _, errs := tipline(t, folder, "decide", id, "--done"); code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if _, printed = evaluated(t, folder); !strings.Contains(printed, "sup|port  fleet") || !strings.Contains(printed, "answered as done") || len(box.Messages()) != 1 {
		t.Errorf("after the move: %d messages and\n%s", len(box.Messages()), printed)
	}
}

// TestDecideBesideTheDaemon leaves an answer while a daemon holds the data file.
func TestDecideBesideTheDaemon(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	id, _ := evaluated(t, folder)
	file, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := tipline(t, folder, "decide", id, "--done")
	if code != exitDone || !strings.Contains(out, "looks the decision up") {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, printed := evaluated(t, folder); !strings.Contains(printed, "answered as done") {
		t.Errorf("the answer was not taken:\n%s", printed)
	}
}
