package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/store"
	"tipline/collector/promtest"
	"tipline/model"
)

// childEnv makes the test binary tipline itself, with the arguments that follow.
const childEnv = "TIPLINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// programConfig is a workload on an API at 3 USD/Mtok that a fleet would serve for less. Confirmation is immediate.
const programConfig = `sources:
  - {name: gateway, prometheus: {url: "%s"}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 14d}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}
  - {name: fleet, kind: self-hosted, gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99}, throughput: {tokens_per_hour: 30276000}}
defaults:
  current: api
  candidates: [api, fleet]
  constraints: {data_sensitivity: internal, ops_capacity: dedicated}
policy: {confirmations: 1}
notify:
  slack: {token_file: token, channel: "#llm-cost", api_url: "%s/api"}
`

// steadily answers for one workload that uses the same in every hour.
func steadily(q promtest.Query) promtest.Answer {
	return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "sup|port"}, func(signal string, _ time.Time) (float64, bool) {
		v, known := map[string]float64{"input": 1.6e7, "output": 4e6, "requests": 2e4, "coverage": 1, "resets": 0}[signal]
		return v, known
	})}
}

// stageProgram starts a Prometheus with a steady workload and a Slack, and writes a configuration of both into a folder.
func stageProgram(t *testing.T) (folder string, prom *promtest.Server, box *slacktest.Server) {
	t.Helper()
	prom = promtest.Start(t, steadily)
	box, folder = slacktest.New(t), t.TempDir()
	writeFile(t, filepath.Join(folder, "token"), slacktest.Token)
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(programConfig, prom.URL, box.URL))
	return folder, prom, box
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tipline runs the command line in a folder and returns what it printed.
func tipline(t *testing.T, folder string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	args = append(args, "--config="+filepath.Join(folder, "tipline.yml"), "--log.level=error")
	code = run(t.Context(), args, func(string) string { return "" }, &out, &errs)
	return code, out.String(), errs.String()
}

// forget removes the data file, so that every hour is asked for again.
func forget(t *testing.T, folder string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(folder, "data")); err != nil {
		t.Fatal(err)
	}
}

func TestHelpShowsTheWholeSurface(t *testing.T) {
	t.Parallel()
	code, out, _ := tipline(t, t.TempDir(), "--help")
	for _, command := range []string{"run", "check", "discover", "report", "backtest", "forecast", "history export", "history import", "explain", "decide", "whatif", "notify test", "preview", "version"} {
		if code != exitDone || !strings.Contains(out, "\n"+command) {
			t.Errorf("exit %d: no %q in\n%s", code, command, out)
		}
	}
	code, out, _ = tipline(t, t.TempDir(), "version")
	if code != exitDone || !strings.Contains(out, "tipline, version") || !strings.Contains(out, "go1.") {
		t.Errorf("version: exit %d, %q", code, out)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"evaluate"},
		{"report", "--output=xml"},
		{"report", "--at=yesterday"},
		{"forecast"},
		{"decide", "0123456789ab"},
		{"decide", "0123456789ab", "--not-viable=no staff"},
		{"decide", "0123456789ab", "--not-viable=no staff", "--until=soon"},
		{"decide", "0123456789ab", "--not-viable=no staff", "--until=2001-01-01"},
		{"decide", "0123456789ab", "--done", "--until=2030-01-01"},
		{"decide", "an-id", "--done"},
		{"forecast", "--history=x", "--horizons=0"},
		{"backtest", "--since=soon"},
		{"backtest", "--since=2026-05-01", "--until=2026-04-29"},
		{"backtest", "--since=2999-01-01"},
		{"backtest", "--every=1s"},
		{"forecast", "--history=x", "--origin=2026-11-23T12:30:00Z"},
	} {
		code, out, errs := tipline(t, t.TempDir(), args...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "tipline: ") {
			t.Errorf("%v: got exit %d, %q and %q, want exit %d and one line", args, code, out, errs, exitUsage)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	if code, out, errs := tipline(t, folder, "check"); code != exitDone || !strings.HasSuffix(out, "good: 1 source, 2 options, 0 workload stanzas\n") || errs != "" {
		t.Errorf("a good file: exit %d, %q, %q", code, out, errs)
	}
	file := filepath.Join(folder, "tipline.yml")
	writeFile(t, file, strings.NewReplacer("input: 3", "input: -3", "policy:", "polcy:").Replace(readFile(t, file)))
	code, out, errs := tipline(t, folder, "check")
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	place := regexp.MustCompile(`tipline\.yml:\d+:\d+: `)
	if code != exitNotRight || out != "" || len(lines) != 2 || !place.MatchString(lines[0]) || !place.MatchString(lines[1]) {
		t.Errorf("two problems: exit %d, %q, want a line for each with its place", code, errs)
	}
	if !strings.Contains(errs, `did you mean "policy"?`) || !strings.Contains(errs, "-3") {
		t.Errorf("got %q, want the value and the key that was meant", errs)
	}
	if code, _, errs = tipline(t, t.TempDir(), "check"); code != exitNotRight || !strings.Contains(errs, "no such file or directory: name another with -c") {
		t.Errorf("no file: exit %d, %q", code, errs)
	}
}

func TestReportForms(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	code, table, errs := tipline(t, folder, "report")
	if code != exitDone || errs != "" || !strings.HasPrefix(table, "WORKLOAD") || !strings.Contains(table, "move to fleet") {
		t.Errorf("table: exit %d, %q\n%s", code, errs, table)
	}
	_, markdown, _ := tipline(t, folder, "report", "-o", "markdown")
	if !strings.Contains(markdown, `| sup\|port | api |`) {
		t.Errorf("markdown: a name breaks the table:\n%s", markdown)
	}
	_, text, _ := tipline(t, folder, "report", "-o", "json")
	var report model.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Workloads) != 1 {
		t.Fatalf("json: %v in\n%s", err, text)
	}
	// Nothing later than --at is read, though history holds it by now.
	code, text, errs = tipline(t, folder, "report", "-o", "json", "--at", report.AsOf.Add(-48*time.Hour).Format(time.RFC3339))
	var earlier model.Report
	if err := json.Unmarshal([]byte(text), &earlier); err != nil || code != exitDone {
		t.Fatalf("--at: exit %d, %v, %s", code, err, errs)
	}
	if last := earlier.Workloads[0].Usage.LastSample; last == nil || last.After(earlier.AsOf) || earlier.AsOf.After(report.AsOf.Add(-47*time.Hour)) {
		t.Errorf("--at %v: the newest sample is of %v", earlier.AsOf, last)
	}
	if box.Requests() != 0 {
		t.Errorf("report asked Slack %d times, want never", box.Requests())
	}
	forget(t, folder)
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "starting") })
	code, table, errs = tipline(t, folder, "report")
	if code != exitUnreachable || !strings.Contains(errs, "source gateway") || !strings.Contains(table, "source gateway is down: hours up to ") {
		t.Errorf("a server that is down: exit %d, %q\n%s", code, errs, table)
	}
}

// TestPrintedReceipts holds that every receipt which a command prints can be explained until the next one prints others, whether or not it changed
// anything, and that no more of them are kept.
func TestPrintedReceipts(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	receipt := regexp.MustCompile(`\(receipt ([0-9a-f]{12})\)`)
	before := ""
	for _, command := range [][]string{{"report"}, {"run", "--once"}, {"run", "--once"}, {"report"}, {"report"}} {
		_, table, errs := tipline(t, folder, command...)
		found := receipt.FindStringSubmatch(table)
		if len(found) < 2 || found[1] == before {
			t.Fatalf("%q: got %q in\n%s%s\nwant a receipt of its own", command, found, table, errs)
		}
		if code, text, errs := tipline(t, folder, "explain", found[1]); code != exitDone || !strings.Contains(text, "all the same to the cent") {
			t.Errorf("%q, explain %s: exit %d, %s", command, found[1], code, errs)
		}
		before = found[1]
	}
	_, _, _ = tipline(t, folder, "report")
	if code, _, errs := tipline(t, folder, "explain", before); code != exitNotRight || !strings.Contains(errs, "those of the last report") {
		t.Errorf("a receipt of the report before: exit %d, %q", code, errs)
	}
}

// TestReportBesideTheDaemon holds that a report can be had while a running tipline holds the data file.
func TestReportBesideTheDaemon(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	file, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code, table, errs := tipline(t, folder, "report")
	if code != exitDone || !strings.Contains(table, "move to fleet") || !strings.Contains(errs, "in use by another tipline") {
		t.Errorf("exit %d, %q\n%s", code, errs, table)
	}
	if strings.Contains(table, "receipt") {
		t.Errorf("a receipt is named that nothing keeps:\n%s", table)
	}
	if code, _, errs = tipline(t, folder, "run", "--once"); code != exitNotRight || !strings.Contains(errs, filepath.Join(folder, "data")) {
		t.Errorf("a second daemon: exit %d, %q, want to be refused by the name of the file", code, errs)
	}
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	box.Answer(func(n int) *slacktest.Answer {
		if n == 1 {
			refused := slacktest.Error("channel_not_found")
			return &refused
		}
		return nil
	})
	shown := make(chan string, 1)
	manager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		shown <- string(body)
	}))
	defer manager.Close()
	path := filepath.Join(folder, "tipline.yml")
	settings, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings = bytes.Replace(settings, []byte("notify:\n"), []byte("notify:\n  alertmanager: {url: \""+manager.URL+"\"}\n"), 1)
	if err := os.WriteFile(path, settings, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := tipline(t, folder, "run", "--once")
	select {
	case body := <-shown:
		if !strings.Contains(body, `"recommended":"fleet"`) {
			t.Errorf("the Alertmanager got %q, want the move", body)
		}
	default:
		t.Error("the Alertmanager was told nothing")
	}
	if code != exitNotRight || !strings.Contains(out, "move to fleet") || !strings.Contains(errs, "channel_not_found") || len(box.Messages()) != 0 {
		t.Errorf("a channel that is not there: exit %d, %q, %d messages", code, errs, len(box.Messages()))
	}
	forget(t, folder)
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.HTML() })
	if code, _, errs = tipline(t, folder, "run", "--once"); code != exitUnreachable || strings.Count(strings.TrimSpace(errs), "\n") > 1 {
		t.Errorf("a login page instead of a server: exit %d, %q", code, errs)
	}
}

// child starts tipline as a process of its own, listening on a free port, and returns its address and the file of its log.
func child(t *testing.T, folder string) (cmd *exec.Cmd, address, log string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(folder, "log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, binary, "run", "--config="+filepath.Join(folder, "tipline.yml"), "--web.listen-address=127.0.0.1:0")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)
	await(t, log, "it listens", func() bool {
		found := listening.FindStringSubmatch(readFile(t, log))
		if found != nil {
			address = "http://" + found[1]
		}
		return found != nil
	})
	return cmd, address, log
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// await waits until something holds, and shows the log when that never happens.
func await(t *testing.T, log, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s\n%s", what, readFile(t, log))
		}
	}
}

// get asks until the answer has the status, which a process that starts does not give at once.
func get(t *testing.T, method, address string, status int) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.StatusCode == status {
				return string(body)
			}
			err = fmt.Errorf("status %d: %s", response.StatusCode, body)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s %s: %v, want status %d", method, address, err, status)
		}
	}
}

// TestRun lives through a daemon's life: it starts, evaluates at once, tells Slack, serves, reloads by signal and by request,
// refuses a broken file, and stops on SIGTERM.
func TestRun(t *testing.T) {
	t.Parallel()
	folder, _, box := stageProgram(t)
	cmd, address, log := child(t, folder)
	get(t, http.MethodGet, address+"/-/ready", http.StatusOK)
	get(t, http.MethodGet, address+"/-/healthy", http.StatusOK)
	if page := get(t, http.MethodGet, address+"/", http.StatusOK); !strings.Contains(page, "move to <bdi>fleet") {
		t.Errorf("the page does not show the verdict:\n%s", page)
	}
	var report model.Report
	if err := json.Unmarshal([]byte(get(t, http.MethodGet, address+"/api/v1/report", http.StatusOK)), &report); err != nil {
		t.Fatal(err)
	}
	receipt := get(t, http.MethodGet, address+"/api/v1/decisions/"+report.Workloads[0].Decision.ID, http.StatusOK)
	if !strings.Contains(receipt, "sup|port") {
		t.Errorf("the receipt is not that of the workload: %s", receipt)
	}
	metric := func(name string) string {
		for line := range strings.Lines(get(t, http.MethodGet, address+"/metrics", http.StatusOK)) {
			if value, found := strings.CutPrefix(line, name+" "); found {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	await(t, log, "one message in Slack", func() bool { return len(box.Messages()) == 1 })

	file := filepath.Join(folder, "tipline.yml")
	good := readFile(t, file)
	writeFile(t, file, strings.Replace(good, "kind: api", "kind: apy", 1))
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, log, "the broken file is refused", func() bool { return metric("tipline_config_last_reload_successful") == "0" })
	if text := get(t, http.MethodPost, address+"/-/reload", http.StatusInternalServerError); !strings.Contains(text, "apy") {
		t.Errorf("reload of a broken file: got %q, want the value that is wrong", text)
	}
	if page := get(t, http.MethodGet, address+"/", http.StatusOK); !strings.Contains(page, "configuration was refused") || !strings.Contains(page, "tipline.yml:4:") || !strings.Contains(page, "apy") {
		t.Errorf("the page does not say what is refused:\n%s", page)
	}
	writeFile(t, file, good)
	get(t, http.MethodPost, address+"/-/reload", http.StatusOK)
	if got := metric("tipline_config_last_reload_successful"); got != "1" {
		t.Errorf("after a good reload: got %s, want 1", got)
	}
	if page := get(t, http.MethodGet, address+"/", http.StatusOK); strings.Contains(page, "configuration was refused") {
		t.Error("the page shows what has been put right")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, readFile(t, log))
	}
	if len(box.Messages()) != 1 {
		t.Errorf("got %d messages, want one", len(box.Messages()))
	}
	if strings.Contains(readFile(t, log), slacktest.Token) {
		t.Error("the log holds the token")
	}
}

// TestF67_SecondProcess holds that a second daemon on one data file ends and says whose it is, and that the next starts once the first was killed.
func TestF67_SecondProcess(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	cmd, address, log := child(t, folder)
	get(t, http.MethodGet, address+"/-/ready", http.StatusOK)
	code, _, errs := tipline(t, folder, "run", "--once")
	if who := fmt.Sprintf("in use by another tipline (process %d on ", cmd.Process.Pid); code != exitNotRight || !strings.Contains(errs, who) || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d, %q, want it to say %q\n%s", code, errs, who, readFile(t, log))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if code, _, errs := tipline(t, folder, "run", "--once"); code != exitDone {
		t.Errorf("once the first was killed: exit %d, %s", code, errs)
	}
}

// TestF104_IdleClients opens 2,000 connections to the page of a daemon that evaluates every second: it goes on evaluating and answering.
func TestF104_IdleClients(t *testing.T) {
	t.Parallel()
	const many = 2000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < many+500 {
		t.Skipf("SKIPPED: %d files may be open here (%v), want %d connections", files.Cur, err, many)
	}
	folder, _, _ := stageProgram(t)
	file := filepath.Join(folder, "tipline.yml")
	writeFile(t, file, readFile(t, file)+"schedule: {evaluate: '@every 1s'}\n")
	_, address, log := child(t, folder)
	get(t, http.MethodGet, address+"/-/ready", http.StatusOK)
	for range many {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	evaluations := func() (n int) {
		_, after, _ := strings.Cut(get(t, http.MethodGet, address+"/metrics", http.StatusOK), "\ntipline_evaluations_total ")
		_, _ = fmt.Sscan(after, &n)
		return n
	}
	before := evaluations()
	await(t, log, "two evaluations more", func() bool { return evaluations() >= before+2 })
	if page := get(t, http.MethodGet, address+"/", http.StatusOK); !strings.Contains(page, "move to <bdi>fleet") {
		t.Errorf("the page does not show the verdict:\n%s", page)
	}
}

// TestOnceDeliversEveryMessage holds that a single run sends all that it has to say, at Slack's pace of one message a second.
func TestOnceDeliversEveryMessage(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	prom.Answer(func(q promtest.Query) promtest.Answer {
		var series []promtest.Series
		for _, team := range []string{"a", "b", "c"} {
			series = append(series, promtest.Each(q, map[string]string{"team_alias": team}, func(signal string, _ time.Time) (float64, bool) {
				v, known := map[string]float64{"input": 1.6e7, "output": 4e6, "requests": 2e4, "coverage": 1, "resets": 0}[signal]
				return v, known
			})...)
		}
		return promtest.Answer{Series: series}
	})
	if code, _, errs := tipline(t, folder, "run", "--once"); code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if n := len(box.Messages()); n != 3 {
		t.Errorf("got %d messages, want one of each workload", n)
	}
}
