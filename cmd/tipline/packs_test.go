package main

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/daemon"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
)

// acme is a pack of the user's in ten lines.
const acme = `name: acme
about: a gateway of our own
switch: --with-metrics
group_by: [app]
tokens:
  input:      {metrics: [acme_tokens_total], where: {kind: prompt}}
  output:     {metrics: [acme_tokens_total], where: {kind: answer}}
  cache_read: {metrics: [acme_cached_tokens_total], absent: zero}
input_includes_cache: true
requests: {metrics: [acme_requests_total]}
`

func TestPacksAreListed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "acme.yaml"), acme)
	code, stdout, stderr := tipline(t, folder, "packs", "--packs-dir", folder)
	if code != exitDone || stderr != "" {
		t.Fatalf("got %d, %s", code, stderr)
	}
	for _, name := range append(new(collector.Library).Names(), "acme") {
		if !strings.Contains("\n"+stdout, "\n"+name+" ") {
			t.Errorf("pack %s is not listed", name)
		}
	}
	if want := "acme  "; !strings.Contains(stdout, want) || !strings.Contains(stdout, "--with-metrics") {
		t.Errorf("got %s, want what turns acme on", stdout)
	}
}

func TestPackIsShown(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := tipline(t, t.TempDir(), "packs", "show", "agentgateway-1.4")
	for _, want := range []string{
		"about         agentgateway up to 1.4.1\n", `cached tokens too, but not of gen_ai_system=~".*(anthropic|bedrock).*"`,
		`input                 agentgateway_gen_ai_client_token_usage_sum{gen_ai_token_type="input"}`,
		"mind          Later releases", `"tipline_signal", "cache_write", "", "")`,
	} {
		if code != exitDone || !strings.Contains(stdout, want) {
			t.Errorf("got %d, %s%s\nwant %q", code, stderr, stdout, want)
		}
	}
	if code, _, stderr := tipline(t, t.TempDir(), "packs", "show", "vlm"); code != exitUsage || !strings.Contains(stderr, `pack "vlm": unknown`) {
		t.Errorf("unknown pack: got %d, %s", code, stderr)
	}
}

// TestPackIsTried holds that a server is asked for each signal, and that the exit code tells a server that is away from one that
// has nothing.
func TestPackIsTried(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "acme.yaml"), acme)
	prom := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "cached") {
			return promtest.Answer{}
		}
		point := []promtest.Point{{At: q.End, Value: 2.5e6}}
		series := func(labels map[string]string) promtest.Answer {
			return promtest.Answer{Series: []promtest.Series{{Labels: labels, Points: point}}}
		}
		switch name := "acme_tokens_total"; {
		case strings.HasPrefix(q.Expr, "count by (__name__)"):
			point[0].Value = 3
			return series(map[string]string{"__name__": name})
		case strings.HasPrefix(q.Expr, "topk"):
			return series(map[string]string{"__name__": name, "app": "a", "kind": "prompt", "bad\u202ename": ""})
		}
		return series(map[string]string{"app": "a"})
	})
	try := func(args ...string) (int, string, string) {
		t.Helper()
		return tipline(t, folder, append([]string{"packs", "test", "acme", "--packs-dir", folder}, args...)...)
	}
	code, stdout, stderr := try("--prometheus", prom.URL)
	lines := strings.Split(stdout, "\n")
	if code != exitDone || len(lines) != 7 {
		t.Fatalf("got %d, %s%s", code, stderr, stdout)
	}
	for i, want := range []string{"SIGNAL READ FROM", "input acme_tokens_total 3 1 2.50M tokens/day app bad\uFFFDname kind", "output acme_tokens_total 3 1", "cache_read nothing found, which means none 0 0 ?"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if want := "queries sent: 10"; lines[5] != want {
		t.Errorf("got %q, want %q", lines[5], want)
	}
	if code, stdout, _ := try("--prometheus", prom.URL, "--group-by", "team,app"); code != exitDone || !strings.Contains(stdout, "none of the series of input that were looked at has team, by which") {
		t.Errorf("a label that is not there: got %d, %s", code, stdout)
	}
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	if code, _, stderr := try("--prometheus", prom.URL); code != exitNotRight || !strings.Contains(stderr, "none of the metrics of a gateway of our own, turned on by --with-metrics") {
		t.Errorf("nothing there: got %d, %s", code, stderr)
	}
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "starting") })
	if code, _, stderr := try("--prometheus", prom.URL); code != exitUnreachable || !strings.Contains(stderr, "input: overloaded") {
		t.Errorf("server away: got %d, %s", code, stderr)
	}
	prom.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(401, "who are you") })
	if code, _, stderr := try("--prometheus", prom.URL); code != exitNotRight || !strings.Contains(stderr, "unauthorized") {
		t.Errorf("not let in: got %d, %s", code, stderr)
	}
	client := filepath.Join(folder, "client.yml")
	writeFile(t, client, "basic_auth: {username: tipline, password: hunter2}\n")
	prom.Answer(func(q promtest.Query) promtest.Answer {
		if _, password, _ := (&http.Request{Header: q.Header}).BasicAuth(); password != "hunter2" {
			return promtest.Status(401, "who are you")
		}
		return promtest.Answer{}
	})
	if code, _, stderr := try("--prometheus", prom.URL, "--http.config.file", client); code != exitNotRight || !strings.Contains(stderr, "the server answers, but has none") {
		t.Errorf("let in by a file: got %d, %s", code, stderr)
	}
	if code, _, stderr := try("--prometheus", "nowhere"); code != exitUsage || !strings.Contains(stderr, "address of a server") {
		t.Errorf("not an address: got %d, %s", code, stderr)
	}
	if code, _, stderr := try("--prometheus", prom.URL, "--group-by", "app,le"); code != exitUsage || !strings.Contains(stderr, `"le" does not name a workload`) {
		t.Errorf("not a label of workloads: got %d, %s", code, stderr)
	}
}

// TestLayersOfQueries holds that queries may be of every layer that a pack may be of, and of no other.
func TestLayersOfQueries(t *testing.T) {
	t.Parallel()
	library := new(collector.Library)
	for _, layer := range append(slices.Clone(collector.Layers), "desk") {
		text := "sources:\n  - {name: a, prometheus: {url: \"http://p\"}, queries: {input: i, output: o, layer: " + string(layer) + "}, group_by: [x], hosting: api}\n"
		cfg, err := config.Parse("f", []byte(text))
		if layer == "desk" {
			if err == nil {
				t.Error("the configuration takes a layer that is none")
			}
			_, err = collector.New(collector.Settings{
				Name: "a", URL: "http://p", GroupBy: []string{"x"}, Queries: &collector.Queries{Input: "i", Output: "o", Layer: "desk"},
			}, nil, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), `queries.layer: got "desk"`) {
				t.Errorf("the collector: got %v", err)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if settings, err := daemon.CollectorSettings(cfg.Sources[0], library); err != nil || settings.Queries.Layer != string(layer) {
			t.Errorf("got %v, %v, want layer %s", settings.Queries, err, layer)
		}
	}
}

// TestOwnPackInConfiguration holds that a source can name a pack of the user's, and that check says what is wrong with one.
func TestOwnPackInConfiguration(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	prom := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"app": "a"}, func(signal string, _ time.Time) (float64, bool) {
			v, known := map[string]float64{"input": 10, "output": 4, "coverage": 1}[signal]
			return v, known
		})}
	})
	if err := os.Mkdir(filepath.Join(folder, "packs"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "packs", "acme.yaml"), acme)
	writeFile(t, filepath.Join(folder, "tipline.yml"), `packs_dir: packs
sources: [{name: own, prometheus: {url: "`+prom.URL+`"}, pack: acme, hosting: api, backfill: 1d}]
`)
	if code, stdout, stderr := tipline(t, folder, "check"); code != exitDone {
		t.Errorf("check: got %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := tipline(t, folder, "report"); code != exitDone {
		t.Errorf("report: got %d, %s%s", code, stdout, stderr)
	}
	asked := prom.Queries()
	if len(asked) == 0 || !strings.Contains(asked[0].Expr, `increase(acme_tokens_total{kind="prompt"}[1h])`) {
		t.Errorf("got %v, want the increase of the pack's counter", asked)
	}
	writeFile(t, filepath.Join(folder, "packs", "acme.yaml"), strings.Replace(acme, "metrics: [acme_cached_tokens_total]", "metric: x", 1))
	for _, command := range []string{"check", "report"} {
		if code, _, stderr := tipline(t, folder, command); code != exitNotRight || !strings.Contains(stderr, "acme.yaml") || !strings.Contains(stderr, "line 8") {
			t.Errorf("%s: got %d, %s, want the file and the line", command, code, stderr)
		}
	}
}
