package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/cmd/internal/whatif"
	"tipline/collector/promtest"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
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
	r, err := ledger.Open([]byte(receipt))
	if err != nil {
		t.Fatal(err)
	}
	api, fleet := r.Workload.Options[0].USDPerMonth.P50, r.Workload.Options[1].USDPerMonth.P50
	for _, want := range []string{
		"Receipt " + id + " of sup|port", "VERDICT: move sup|port from api to fleet", " a month; fleet saves $",
		fmt.Sprintf("%d × 7.98 USD/h × 730 h", *r.Workload.Options[1].Replicas), "operations  9387 USD a month", "= $9,387.00",
		"api: " + cents(api), "fleet: " + cents(fleet), fmt.Sprintf("%s − %s = %s a month", cents(api), cents(fleet), cents(api-fleet)),
		"sum by (team_alias) (increase(litellm_input_tokens_metric_total[1h])", "336 hours from ", "  Load        the busiest hour of the last full weeks has ", "[SWITCH]", "WHERE IT BREAKS EVEN\n  - Cheapest of what is allowed, in full cost, up to ", "a replica costs less than api from ", "all the same to the cent",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if fine := regexp.MustCompile(`[0-9]\.[0-9]{2,}%`).FindString(out); fine != "" || !regexp.MustCompile(`tokens; prompt [0-9.]+%, generated [0-9.]+%\.`).MatchString(out) {
		t.Errorf("got %q, want the mix in percent, to one digit at most\n%s", fine, out)
	}
	if code, again, _ := alone(t, "explain", "--receipt", file, "-o", "json"); code != exitDone || again != receipt {
		t.Errorf("exit %d: the receipt as JSON is not the file that it was read from", code)
	}
	if code, _, errs := alone(t, "explain", "0123456789ab", "--receipt", file); code != exitNotRight || !strings.Contains(errs, id) {
		t.Errorf("another id than asked for: exit %d, %q", code, errs)
	}

	for name, change := range map[string]*strings.Replacer{
		"a price among the inputs":  strings.NewReplacer(`"Input": "3"`, `"Input": "2"`),
		"a cost among the results":  strings.NewReplacer(fmt.Sprintf(`"p50": %v`, float64(api)), fmt.Sprintf(`"p50": %v`, float64(api)+0.01)),
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
	id := receiptID(t, get(t, http.MethodGet, address+"/api/v1/report", http.StatusOK))
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

// TestExplainAuthenticates asks a tipline behind a password, and sends the password to no other server.
func TestExplainAuthenticates(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	id, _ := evaluated(t, folder)
	_, receipt, _ := tipline(t, folder, "explain", id, "-o", "json")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name, password, _ := r.BasicAuth(); {
		case name != "reader" || password != "a-planted-secret":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/"+id):
			_, _ = io.WriteString(w, receipt)
		default:
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}
	}))
	defer server.Close()
	file := filepath.Join(folder, "client.yml")
	writeFile(t, file, "basic_auth: {username: reader, password_file: password}\n")
	writeFile(t, filepath.Join(folder, "password"), "a-planted-secret")
	if code, out, errs := alone(t, "explain", id, "--server", server.URL, "--http.config.file", file); code != exitDone || !strings.Contains(out, "all the same to the cent") {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"without the password": {[]string{id, "--server", server.URL}, "401 Unauthorized"},
		"a redirect":           {[]string{"0123456789ab", "--server", server.URL, "--http.config.file", file}, "302 Found"},
		"no such file":         {[]string{id, "--server", server.URL, "--http.config.file", "nowhere.yml"}, "no such file"},
		"no server":            {[]string{id, "--http.config.file", file}, "want --server"},
	} {
		code, _, errs := alone(t, append([]string{"explain"}, tc.args...)...)
		if code != exitNotRight || !strings.Contains(errs, tc.want) || strings.Contains(errs, "planted") {
			t.Errorf("%s: exit %d, %q, want %q", name, code, errs, tc.want)
		}
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

// TestDecide answers an announced move: the answer waits in the data folder, the next evaluation heeds it, and
// the message that told the move shows it.
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
	if !strings.Contains(printed, "stay (") || !strings.Contains(printed, "no staff before spring") {
		t.Errorf("after the answer:\n%s", printed)
	}
	if all := box.Messages(); len(all) != 2 || all[1].Thread != all[0].Time || all[1].Broadcast || !strings.Contains(string(all[0].Blocks), "no staff before spring") {
		t.Errorf("after the answer: got %+v, want the first message brought up to date and a note in its thread", all)
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

	// It is taken back for a snooze, until it saves half as much again.
	if code, out, errs := tipline(t, folder, "decide", id, "--snooze", "--saves=+50%"); code != exitDone || !strings.Contains(out, "snoozed until it saves $") {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	if _, printed = evaluated(t, folder); !strings.Contains(printed, "is snoozed until it saves $") {
		t.Errorf("after the snooze:\n%s", printed)
	}
	if code, out, errs := tipline(t, folder, "decide", id, "--snooze", "--grows=+15%"); code != exitDone || !strings.Contains(out, "tokens are projected for 30 days") {
		t.Errorf("a snooze on a volume: exit %d, %s%s", code, out, errs)
	}
	for _, wrong := range [][]string{{"--snooze"}, {"--grows=+15%"}, {"--snooze", "--grows=15%"}, {"--snooze", "--grows=5000"}, {"--snooze", "--saves=+5000"}, {"--saves=5000"}, {"--snooze", "--saves=15%"}, {"--snooze", "--saves=-1"}, {"--done", "--snooze"}, {"--acknowledge", "--done"}, {"--snooze", "--until=soon"}, {"--migrating", "--snooze", "--saves=1"}, {"--migrating", "--since=soon"}, {"--done", "--since=2026-01-05"}, {"--since=2026-01-05"}} {
		if code, _, errs := tipline(t, folder, append([]string{"decide", id}, wrong...)...); code != exitUsage || !strings.Contains(errs, "want") {
			t.Errorf("%v: exit %d, %q", wrong, code, errs)
		}
	}

	// Somebody takes note of it.
	if code, out, errs := tipline(t, folder, "decide", id, "--acknowledge"); code != exitDone || !strings.Contains(out, "was acknowledged on ") {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}

	// The move is begun, and counts as begun until it is done.
	if code, out, errs := tipline(t, folder, "decide", id, "--migrating", "--since=2026-01-05", "--until="+until); code != exitDone || !strings.Contains(out, "is being made since 5 Jan 2026, to be done by ") {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	if _, printed = evaluated(t, folder); !strings.Contains(printed, "is being made since 5 Jan 2026") {
		t.Errorf("after the move began:\n%s", printed)
	}

	// The same decision turns out to be done after all.
	if code, _, errs := tipline(t, folder, "decide", id, "--done"); code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	if _, printed = evaluated(t, folder); !strings.Contains(printed, "sup|port  fleet") || !strings.Contains(printed, "answered as done") || len(box.Messages()) != 2 {
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

func TestCents(t *testing.T) {
	t.Parallel()
	for v, want := range map[model.USD]string{
		0: "$0.00", 0.004: "$0.00", -0.004: "$0.00", 0.006: "$0.01", -12.5: "−$12.50", 999.994: "$999.99", 999.996: "$1,000.00",
		1234567.891: "$1,234,567.89", -1000: "−$1,000.00", model.USD(math.NaN()): "unknown", model.USD(math.Inf(1)): "unknown",
	} {
		if got := cents(v); got != want {
			t.Errorf("%v: got %s, want %s", float64(v), got, want)
		}
	}
}

// TestExplainEveryReason tells every way in which a decision can end, each of them computed again.
func TestExplainEveryReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason  string
		changes []config.Setting
		want    string
	}{
		{model.ReasonBelowMargin, nil, "It must be 20% of the current cost and $1,000 a month at least: not enough: stay."},
		{model.ReasonSwitch, []config.Setting{{Path: "volume.tokens_per_month", Value: "+300%"}}, "once 3 evaluations in a row, 1 day apart, say so."},
		{
			model.ReasonUncertain,
			[]config.Setting{{Path: "volume.tokens_per_month", Value: "+300%"}, {Path: "volume.growth_per_month", Value: "-0.6"}},
			"It must hold over the next 12 months in 80% of the futures at least",
		},
		{
			model.ReasonPaybackTooLong,
			[]config.Setting{
				{Path: "volume.tokens_per_month", Value: "+300%"},
				{Path: "options.own-llama-70b.migration_usd", Value: "600000"},
				{Path: "candidates", Value: "sonnet, own-llama-70b"},
				{Path: "policy.min_probability", Value: "0"},
			},
			"Moving costs $600,000.00 once",
		},
		{
			model.ReasonWait,
			[]config.Setting{
				{Path: "volume.tokens_per_month", Value: "+130%"},
				{Path: "options.own-llama-70b.migration_usd", Value: "500000"},
				{Path: "volume.growth_per_month", Value: "15%"},
				{Path: "candidates", Value: "sonnet, own-llama-70b"},
				{Path: "policy.max_payback_months", Value: "100"},
				{Path: "policy.min_probability", Value: "0"},
				{Path: "policy.discount_rate", Value: "99%"},
			},
			"Waiting must not be worth more than moving now or never",
		},
		{model.ReasonCurrentInfeasible, []config.Setting{{Path: "constraints.data_sensitivity", Value: "regulated"}}, "may not serve it any more"},
		{
			model.ReasonNoFeasibleOption,
			[]config.Setting{{Path: "constraints.data_sensitivity", Value: "regulated"}, {Path: "candidates", Value: "sonnet"}},
			"Nothing is left: no option may serve this workload",
		},
		{model.ReasonAlreadyBest, []config.Setting{{Path: "options.sonnet.prices", Value: "-90%"}}, "That is what is in use now"},
	} {
		s, err := config.LoadScenario("testdata/whatif/growing-assistant.yaml")
		if err != nil {
			t.Fatal(err)
		}
		in := stated(s, s.AsOf)
		for _, c := range tc.changes {
			if _, err := whatif.Apply(&in, start{book: s.Prices}.rows, c.Path, c.Value); err != nil {
				t.Fatal(err)
			}
		}
		v := decide.Decide(in)
		r := ledger.Receipt{AsOf: s.AsOf, Engine: engine(), Workload: model.WorkloadReport{
			Workload: in.Workload, Current: in.Current, Options: v.Options, Crossover: v.Crossover, Decision: v.Decision,
		}}
		r.SetInputs(&in)
		data, err := r.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if v.Decision.Reason != tc.reason {
			t.Errorf("%v: got %s (%s), want %s", tc.changes, v.Decision.Reason, v.Decision.Because, tc.reason)
			continue
		}
		var out, errs strings.Builder
		p := &program{stdout: &out, stderr: &errs}
		if err := p.explain(found{data: data}, "text"); err != nil || !strings.Contains(out.String(), tc.want) || !strings.Contains(out.String(), "all the same to the cent") {
			t.Errorf("%s: got %v, want %q in\n%s", tc.reason, err, tc.want, out.String())
		}
	}
}

// TestExplainWhatMoved tells which inputs moved the cost since the evaluation before.
func TestExplainWhatMoved(t *testing.T) {
	t.Parallel()
	r := ledger.Receipt{Engine: engine(), Workload: model.WorkloadReport{Workload: "support", Moved: &model.Moved{
		Since: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC), Option: "sonnet", Cost: model.CostChange{
			BeforeUSDPerMonth: 1000, AfterUSDPerMonth: 900.5, ChangeUSDPerMonth: -99.5,
			Parts: []model.ChangePart{{Input: "volume", USDPerMonth: 50.5}, {Input: "price", USDPerMonth: -150}},
		},
	}}}
	data, err := r.Seal()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	p := &program{stdout: &out, stderr: &errs}
	if err := p.explain(found{data: data}, "text"); err != nil {
		t.Error(err)
	}
	const want = "sonnet cost $1,000.00 on 22 Nov 2026 and costs $900.50 now. Of the difference of −$99.50 comes from\n      volume  $50.50\n      price   −$150.00\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}

// TestExplainSaysUpToWhereItWasSearched holds that what was not looked at is not said to be "not for good".
func TestExplainSaysUpToWhereItWasSearched(t *testing.T) {
	t.Parallel()
	first, permanent, far := model.Tokens(2e9), model.Tokens(9e9), model.Tokens(4e12)
	for _, tc := range []struct {
		x    model.Crossover
		want string
	}{
		{model.Crossover{Reason: model.NeverUnitFloor}, "never cheaper than api at any volume: even a full replica costs more for a token"},
		{model.Crossover{FirstTokensPerMonth: &first}, "cheaper than api from 2.00B tokens a month on, not for good"},
		{
			model.Crossover{FirstTokensPerMonth: &first, SearchedTokensPerMonth: &far},
			"cheaper than api from 2.00B tokens a month on; whether for good is not known: it was not searched beyond 4.00T tokens a month",
		},
		{
			model.Crossover{FirstTokensPerMonth: &first, PermanentTokensPerMonth: &permanent, SearchedTokensPerMonth: &far},
			"cheaper than api from 2.00B tokens a month on, for good above 9.00B",
		},
		{
			model.Crossover{Reason: model.CrossoverFound, SearchedTokensPerMonth: &far},
			"cheaper than api from a volume on that is not known, since it lies among too many steps: it was not searched beyond 4.00T tokens a month",
		},
	} {
		tc.x.Against = "api"
		if got := crossoverText(tc.x); got != tc.want {
			t.Errorf("got %q\nwant %q", got, tc.want)
		}
	}
}

// TestExplainShowsWhatMovesIt holds that every input of the tornado is a row, with both ends of its range and what becomes of the comparison there.
func TestExplainShowsWhatMovesIt(t *testing.T) {
	t.Parallel()
	e := &explainer{r: ledger.Receipt{Workload: model.WorkloadReport{Crossover: &model.Crossover{Option: "own", Against: "api", Tornado: []model.Swing{
		{
			Input: "volume", Unit: "tokens/month", Low: 2e9, Now: 3e9, High: 4e9, FirstAtLow: new(model.Tokens(5e9)), FirstAtHigh: new(model.Tokens(5e9)),
			SavingAtLow: new(model.USD(-1200)), SavingAtHigh: new(model.USD(3000)),
		},
		{Input: "target_utilization", Unit: "ratio", Low: 0.4, Now: 0.6, High: 0.9, FirstAtHigh: new(model.Tokens(4e9)), SavingAtHigh: new(model.USD(10))},
	}}}}}
	e.swings()
	got := strings.Join(strings.Fields(e.out.String()), " ")
	for _, want := range []string{
		"What own saves against api",
		"volume 2.00B tokens 4.00B tokens " + signed(-1200) + " to " + signed(3000) + " 5.00B to 5.00B",
		"target utilization 0.4 0.9 beyond the quota to " + signed(10) + " never to 4.00B",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q in it", got, want)
		}
	}
}
