package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "tipline/cmd/internal/draft"
	"tipline/cmd/tipline-demo/engine"
	"tipline/model"
)

// program builds tipline and returns a function that runs it in a folder. Go's cache of test results knows nothing of the main package that
// is built, only of what is imported here.
func program(t *testing.T) func(args ...string) (code int, stdout, stderr string) {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "tipline")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/tipline")
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return func(args ...string) (int, string, string) {
		var out, problems bytes.Buffer
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &out, &problems
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if args[0] == "discover" {
			if err := os.WriteFile(filepath.Join(folder, "tipline.yml"), out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cmd.ProcessState.ExitCode(), out.String(), problems.String()
	}
}

// hostileTeams are names that attack whatever shows or quotes them.
var hostileTeams = []string{
	"a\n  - name: evil # ", "\"} or vector(1) #", "{{ .Secret }} ${HOME}", "- x: &a *a !!binary", "\u2028sources:\u0085x:", "\u202etxt",
	"true", "2026-01-01", " ", "'", "<!channel> & <b>",
}

// plant exposes what a company's exporters would, each counter growing by what it shows every five minutes for two days, and returns the
// tokens that were used.
func plant(t *testing.T, prom *engine.Engine, now time.Time) (tokens float64) {
	t.Helper()
	var exposition strings.Builder
	counters := map[string]bool{}
	count := func(name, labels string, each float64) {
		fmt.Fprintf(&exposition, "%s{%s} %v\n", name, labels, each)
		counters[name] = true
	}
	gateway := func(team, requested, model, provider string, input, output float64) {
		quoted := strings.NewReplacer("\\", "\\\\", "\"", "\\\"", "\n", "\\n").Replace(team)
		labels := `team_alias="` + quoted + `",` + fmt.Sprintf(`requested_model=%q,model=%q,api_provider=%q,job="litellm"`, requested, model, provider)
		count("litellm_input_tokens_metric_total", labels, input)
		count("litellm_output_tokens_metric_total", labels, output)
		tokens += input + output
	}
	gateway("support", "llama", "meta-llama/Llama-3.3-70B-Instruct", "hosted_vllm", 90_000, 10_000)
	gateway("growth", "llama", "meta-llama/Llama-3.3-70B-Instruct", "hosted_vllm", 9000, 1000)
	gateway("support", "gpt-5-mini", "gpt-5-mini-2025-08-07", "openai", 40_000, 5000)
	gateway("support", "acme-9", "acme-9", "acme", 30_000, 3000)
	gateway("sk-0123456789abcdef01234567", "gpt-5-mini", "gpt-5-mini", "openai", 20_000, 2000)
	gateway(strings.Repeat("long", 5000), "gpt-5-mini", "gpt-5-mini", "openai", 19_000, 2000)
	for i, team := range hostileTeams {
		gateway(team, "gpt-5-mini", "gpt-5-mini", "openai", float64(1000+i), 100)
	}
	engines := func(model string, input, output float64) {
		labels := fmt.Sprintf(`namespace="llm",pod="vllm-0",job="vllm",model_name=%q`, model)
		count("vllm:prompt_tokens_total", labels, input)
		count("vllm:generation_tokens_total", labels, output)
	}
	engines("meta-llama/Llama-3.3-70B-Instruct", 99_500, 10_900) // what the gateway passes on
	engines("org/reranker-v2", 7000, 700)
	tokens += 7700
	count("acme_prompt_tokens_total", `job="acme"`, 5)
	for i := range 4 {
		fmt.Fprintf(&exposition, "DCGM_FI_DEV_GPU_UTIL{job=\"dcgm\",UUID=\"%d\",modelName=\"NVIDIA H100 80GB HBM3\",namespace=\"llm\",pod=\"vllm-0\"} 80\n", i)
	}
	exposition.WriteString("up{job=\"vllm\"} 1\n")
	const every, days = 5 * time.Minute, 2
	scrapes := 0.0
	for at := now.AddDate(0, 0, -days); !at.After(now); at = at.Add(every) {
		if err := prom.Ingest([]byte(exposition.String()), at, nil, func(name string, value float64) float64 {
			if counters[name] {
				return value * scrapes
			}
			return value
		}); err != nil {
			t.Fatal(err)
		}
		scrapes++
	}
	return tokens * (scrapes - 1)
}

// TestDiscover points tipline at a server as a newcomer does: what it prints is a good configuration of which every source answers, in
// which every token is counted once, whatever the labels hold; and it says what it could not settle.
func TestDiscover(t *testing.T) {
	t.Parallel()
	tipline := program(t)
	prom, err := engine.Open(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prom.Close() })
	server := httptest.NewServer(prom.Handler())
	t.Cleanup(server.Close)
	used := plant(t, prom, time.Now().UTC()) // last, since what was scraped is old after five minutes

	code, printed, said := tipline("discover", "--prometheus", server.URL)
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, said, printed)
	}
	for _, want := range []string{
		"queries sent to " + server.URL,
		"metered twice: meta-llama/Llama-3.3-70B-Instruct (litellm ", "priced at litellm, and not at vllm, which says meter: secondary",
		"without a price: acme/acme-9 (support/acme-9, ", "without a price: engines of your own with org/reranker-v2 on NVIDIA H100",
		"not placed: acme_prompt_tokens_total of acme: no pack reads it",
		"labels that are refused: a workload of litellm with ", "this looks like a secret", "one has 20000 bytes",
		"2 sources and 18 workloads with ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("standard error has no %q in\n%s", want, said)
		}
	}
	if strings.Contains(printed+said, "sk-0123456789") {
		t.Error("a key in a label is shown")
	}
	for _, want := range []string{
		"  - name: litellm\n", "  - name: vllm\n", "match: {model_name: meta-llama/Llama-3.3-70B-Instruct}\n    source: vllm\n    meter: secondary\n", "gpus: {pack: dcgm} # 4 NVIDIA H100 80GB HBM3",
		"model: openai/gpt-5-mini #", "throughput: {book: tensorrt-llm/llama-3.3-70b-fp8/2xh100}", "# - name: acme-acme-9",
		"1. ", "current: own-llama-3.3-70b-fp8-2xh100",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %q in\n%s", want, printed)
		}
	}
	if code, out, problems := tipline("check", "--live"); code != 0 || problems != "" || strings.Contains(out, "FIX") {
		t.Errorf("check --live: exit code %d\n%s%s", code, problems, out)
	}

	code, out, problems := tipline("report", "-o", "json", "--log.level=error")
	var report model.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("report: exit code %d, %v, %s", code, err, problems)
	}
	var counted float64
	current := map[string]string{}
	for _, w := range report.Workloads {
		secondary := slices.ContainsFunc(w.Warnings, func(w model.Warning) bool { return w.Code == "SECONDARY_METER" })
		if w.Usage.Last30dTokens != nil && !secondary {
			counted += float64(*w.Usage.Last30dTokens)
		}
		current[w.Labels["team_alias"]] = w.Current
	}
	near(t, "tokens of all workloads that are priced", counted, used, 0.03) // the hour that is not over is left out
	if u := report.Unattributed; u == nil || u.Ratio > 0.001 || len(u.At) > 0 {
		t.Errorf("got %+v, want no tokens without a workload", u)
	}
	for _, team := range hostileTeams {
		if current[team] != "openai-gpt-5-mini" {
			t.Errorf("team %q: got %q, want the option of its stanza", team, current[team])
		}
	}
}
