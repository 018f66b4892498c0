package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/engine"
	"tipline/model"
)

// stage returns a player over sc, whose engine has been filled up to the beginning.
func stage(t *testing.T, sc *scene, out io.Writer) (*player, *engine.Engine) {
	t.Helper()
	c := &clock{now: sc.begin}
	prom, err := engine.Open(c.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(prom.Handler())
	sc.world.Start(sc.start)
	if err := sc.world.Advance(prom, sc.begin); err != nil {
		t.Fatal(err)
	}
	p, err := newPlayer(settings{once: true}, sc, c, server.URL, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		if err := p.close(); err != nil {
			t.Error(err)
		}
		if err := prom.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, prom
}

// chosen is what differs between two runs: the port that the system chose, and the receipts of a configuration that names it.
var chosen = regexp.MustCompile(`127\.0\.0\.1:\d+|(Receipt|decide|explain) [0-9a-f]{12}`)

// once runs the demo and returns what it printed, without what is chosen.
func once(t *testing.T, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	if code := run(t.Context(), append([]string{"--once"}, args...), &out, &problems); code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, problems.String(), out.String())
	}
	return chosen.ReplaceAllString(out.String(), "…")
}

func TestOnce(t *testing.T) {
	t.Parallel()
	out := once(t)
	for _, want := range []string{
		"│ support-chat: move to own-llama-70b, saves $",
		"│ ▫ deepinfra-llama-70b $", "not allowed: does not declare",
		"support-chat: move to own-llama-70b.",
		"search-summaries  ", "claims-triage  ", "pilot  ", "never",
		"the engine of claims is restarted", "nobody scrapes the engines for five hours",
		`<!channel> "growth" & <b>labs</b> {team=~".*"}/gpt-5-nano`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "╭"); n != 1 {
		t.Errorf("got %d messages, want one", n)
	}
	// Once more, and this time with a Slack to post to.
	var mu sync.Mutex
	var posts []string
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		posts = append(posts, string(body))
		fmt.Fprint(w, "ok")
	}))
	defer hook.Close()
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte(hook.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := once(t, "--slack-webhook-file", file); again != out {
		t.Errorf("the same seed printed something else:\n%s\n%s", out, again)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(posts) != strings.Count(out, "╭") || !strings.Contains(posts[0], "support-chat: move to own-llama-70b") {
		t.Errorf("got %d posts %v, want those that the terminal shows", len(posts), posts)
	}
}

// byName returns the workloads of a report.
func byName(t *testing.T, report *model.Report) map[string]model.WorkloadReport {
	t.Helper()
	if report == nil {
		t.Fatal("no report")
	}
	workloads := map[string]model.WorkloadReport{}
	for _, w := range report.Workloads {
		workloads[w.Workload] = w
	}
	return workloads
}

// option returns what a report says of one option.
func option(t *testing.T, w model.WorkloadReport, name string) model.OptionCost {
	t.Helper()
	for _, o := range w.Options {
		if o.Option == name {
			return o
		}
	}
	t.Fatalf("%s: no option %s", w.Workload, name)
	return model.OptionCost{}
}

// monthly returns the projected median volume of a month of 730 hours.
func monthly(w model.WorkloadReport) float64 {
	return float64(w.Forecast.Next30dTokens.P50) * 730 / 720
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s: got %v, want %v within %v%%", what, got, want, 100*tolerance)
	}
}

// fleet is the cost of a self-hosted option, worked out as the comment of company does.
type fleet struct{ outputPerSecond, input, output, target, hourly float64 }

func (f fleet) cost(volume, peak float64) float64 {
	perReplica := f.outputPerSecond * (f.input + f.output) / f.output * 3600 * f.target * 730 / peak
	return 9387 + (max(1, math.Ceil(volume/perReplica))+1)*f.hourly*730
}

// shapes returns replicas that differ in their measured output tokens a second alone, which are in the order of NVIDIA's
// TensorRT-LLM performance overview, v1.0.
func shapes(target, hourly float64, rates ...float64) []fleet {
	var all []fleet
	for i, s := range [][2]float64{
		{128, 128}, {128, 2048}, {128, 4096}, {500, 2000}, {1000, 1000}, {1000, 2000}, {2048, 128}, {2048, 2048}, {5000, 500}, {20000, 2000},
	} {
		all = append(all, fleet{rates[i], s[0], s[1], target, hourly})
	}
	return all
}

// b200Shapes is Llama 3.3 70B in FP4 on one B200, as the demo buys it.
func b200Shapes() []fleet {
	return shapes(0.8, 6, 11147, 9922, 6831, 7762, 7007, 6271, 1339, 4783, 1459, 665)
}

// h100Shapes is Llama 3.1 8B in FP8 on one H100, as the demo buys it.
func h100Shapes() []fleet {
	return shapes(0.6, 2.69, 28312, 22714, 14325, 17660, 15220, 13899, 3450, 9305, 3459, 1351)
}

// TestStories holds that the four stories which the demo tells are true: what tipline says of each on the last morning is
// worked out again from the numbers in the comment of company.
func TestStories(t *testing.T) {
	t.Parallel()
	sc, err := settings{seed: 1, history: historyDays}.scene(begins)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	p, prom := stage(t, sc, &out)
	if err := p.play(t.Context(), prom); err != nil {
		t.Fatal(err)
	}
	at := p.clock.Now()
	if day := at.Sub(begins).Hours() / 24; day < 7 || day > 21 {
		t.Errorf("the crossing was announced on day %.1f, want about a fortnight after the beginning", day)
	}
	all := byName(t, p.daemon.Report())

	support := all["support-chat"]
	volume := monthly(support)
	api := volume * 0.71 / 1e6
	b200 := fitted(b200Shapes(), 2944, 283)
	near(t, "support on the API", float64(*cost(support, "azure-llama-70b")), api, 1e-3)
	near(t, "support on GPUs", float64(*cost(support, "own-llama-70b")), b200.cost(volume, 1.8), 1e-3)
	if saving := 1 - b200.cost(volume, 1.8)/api; saving < 0.2 || support.Decision.Reason != model.ReasonSwitch {
		t.Errorf("support: got %s with a saving of %v, want a move that saves a fifth", support.Decision.Reason, saving)
	}
	x := option(t, support, "own-llama-70b").Crossover
	near(t, "support: cheaper from, two replicas and a spare", float64(*x.FirstTokensPerMonth), (9387+3*4380)/0.71*1e6, 1e-3)
	near(t, "support: for good from there", float64(*x.PermanentTokensPerMonth), float64(*x.FirstTokensPerMonth), 1e-9)
	if blocked := option(t, support, "deepinfra-llama-70b").Blocked; len(blocked) != 1 || blocked[0] != "RESIDENCY_UNKNOWN" {
		t.Errorf("support: the cheap API is blocked by %v, want RESIDENCY_UNKNOWN", blocked)
	}

	search := all["search-summaries"]
	h100 := fitted(h100Shapes(), 307, 51)
	near(t, "search on the API", float64(*cost(search, "novita-llama-8b")), monthly(search)*(307*0.02+51*0.05)/358/1e6, 0.01)
	near(t, "search on GPUs", float64(*cost(search, "own-llama-8b")), h100.cost(monthly(search), *search.Usage.PeakFactor), 1e-3)
	if x = option(t, search, "own-llama-8b").Crossover; x.Reason != model.NeverUnitFloor || search.Decision.Reason != model.ReasonAlreadyBest {
		t.Errorf("search: got %s and %s, want it never to cross by the unit-cost floor", x.Reason, search.Decision.Reason)
	}

	claims := all["claims-triage"]
	near(t, "claims on its GPUs", float64(*cost(claims, "own-llama-8b")), 9387+2*2.69*730, 1e-3)
	blocked := option(t, claims, "novita-llama-8b").Blocked
	if !slices.Contains(blocked, "DATA_REGULATED") || claims.Decision.Recommendation != model.Stay {
		t.Errorf("claims: got %s, the API blocked by %v, want it to stay because of DATA_REGULATED", claims.Decision.Recommendation, blocked)
	}

	// The pilot is announced a few mornings later.
	p.messages = 0
	if err := p.play(t.Context(), prom); err != nil {
		t.Fatal(err)
	}
	pilot := byName(t, p.daemon.Report())["pilot"]
	used := *pilot.Usage.GPUUtilizationRatio
	if !strings.Contains(out.String(), "│ pilot: move to novita-llama-8b, saves $13,") || used > 0.2 || *pilot.Usage.GPUCount != 2 {
		t.Errorf("pilot: want a message about two GPUs that are hardly used (%v):\n%s", used, out.String())
	}
}

// TestFaultsDoNotShow holds that the restarts and the gaps leave no trace in what was measured.
func TestFaultsDoNotShow(t *testing.T) {
	t.Parallel()
	sc, err := settings{seed: 3, history: 31}.scene(begins)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := stage(t, sc, io.Discard)
	report, err := p.daemon.Cycle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	measured := byName(t, report)
	for i, name := range []string{
		"support-chat", "search-summaries", `<!channel> "growth" & <b>labs</b> {team=~".*"}/gpt-5-nano`, "claims-triage",
	} {
		want := 0.0
		for h := -30 * 24; h < -1; h++ { // the last hour is asked for two minutes after it ended
			at := begins.Add(time.Duration(h) * time.Hour)
			if gap := sc.world.Gaps[sc.world.Tenants[i].Kind][0]; at.Add(time.Hour).After(gap.From) && at.Before(gap.To) {
				continue // not measured, so not there to be counted
			}
			u, _ := sc.world.Tenants[i].Use.Hour(at)
			want += u.Tokens()
		}
		w, ok := measured[name]
		if !ok || w.Usage.Last30dTokens == nil {
			t.Fatalf("no usage of %s", name)
		}
		near(t, name+": tokens of 30 days", float64(*w.Usage.Last30dTokens), want, 0.001)
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--speed 0s", 2, `--speed: got 0s, want how much simulated time passes in a second`},
		{"--scale 0", 2, `--scale: got 0, want a factor above 0`},
		{"--once --data-only", 2, "--data-only: it lives in real time"},
		{"--slack-token-file x", 2, "--slack-token-file and --slack-channel go together"},
		{"--slack-token-file x --slack-channel y --slack-webhook-file z", 2, "want one of them"},
		{"--nonsense", 2, "unknown long flag"},
		{"--once --traces /nowhere", 1, `--traces: got the folder "/nowhere" without one *.csv.gz`},
		{"--once --listen-prometheus nowhere:x", 1, "--listen-prometheus: listen tcp"},
	} {
		var out, problems bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), &out, &problems)
		if code != c.code || !strings.Contains(problems.String(), c.want) {
			t.Errorf("%s: got %d %q, want %d %q", c.args, code, problems.String(), c.code, c.want)
		}
	}
}

// tap keeps what is written and tells when a text has come.
type tap struct {
	mu   sync.Mutex
	text strings.Builder
	want *regexp.Regexp
	seen chan string // the first match
}

func (w *tap) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(data)
	if match := w.want.FindString(w.text.String()); match != "" && w.seen != nil {
		w.seen <- match
		w.seen = nil
	}
	return len(data), nil
}

// start runs the demo until the test ends and returns the first output that matches want.
func start(t *testing.T, want string, s settings) string {
	t.Helper()
	seen := make(chan string, 1)
	out := &tap{want: regexp.MustCompile(want), seen: seen}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- show(ctx, s, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v:\n%s", err, out.text.String())
		}
	})
	select {
	case match := <-seen:
		return match
	case err := <-ended:
		ended <- err
		t.Fatalf("ended with %v:\n%s", err, out.text.String())
	case <-time.After(5 * time.Minute):
		t.Fatal("nothing came")
	}
	return ""
}

func body(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s", address, response.StatusCode, text)
	}
	return string(text)
}

// TestServes holds that the page, the gauges and the report are there after the first evaluation.
func TestServes(t *testing.T) {
	t.Parallel()
	line := start(t, `tipline's page is at http://[0-9.:]+(?s:.*)\n  support-chat: .*\n`, settings{
		history: 8, seed: 1, speed: 1000 * time.Hour, listen: "127.0.0.1:0", listenPrometheus: "127.0.0.1:0",
	})
	page := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if text := body(t, page+"/"); !strings.Contains(text, "support-chat") || strings.Contains(text, "<b>labs</b>") {
		t.Errorf("page: want the workloads and no label that became HTML:\n%s", text)
	}
	recommended := `tipline_workload_recommended{hosting="api",option="azure-llama-70b",workload="support-chat"} 1`
	if text := body(t, page+"/metrics"); !strings.Contains(text, recommended) {
		t.Errorf("gauges: want the recommendation:\n%s", text)
	}
	var report model.Report
	if err := json.Unmarshal([]byte(body(t, page+"/api/v1/report")), &report); err != nil || len(report.Workloads) < 4 {
		t.Errorf("report: got %d workloads (%v), want at least 4", len(report.Workloads), err)
	}
}

// TestDataOnly holds that the data ends now, so that a tipline that lives in real time finds it fresh.
func TestDataOnly(t *testing.T) {
	t.Parallel()
	line := start(t, `at http://[0-9.:]+\.\n`, settings{history: 5, seed: 1, dataOnly: true, listenPrometheus: "127.0.0.1:0"})
	address := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "at "), ".")
	for _, query := range []string{
		"count(litellm_input_tokens_metric_total)", "count(count_over_time(litellm_input_tokens_metric_total[1h]+offset+4d))",
	} {
		if text := body(t, address+"/api/v1/query?query="+query); !strings.Contains(text, `"3"]`) {
			t.Errorf("%s: got %s, want the three teams of the gateway", query, text)
		}
	}
}
