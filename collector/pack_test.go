package collector

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPacks holds that each pack says what it reads and what to mind, and that the table of systems names it.
func TestPacks(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("packs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range builtin() {
		p := mustPack(t, name)
		if p.About == "" || len(p.Traps) == 0 || p.GPU == nil && (len(p.GroupBy) == 0 || p.Layer == "") {
			t.Errorf("pack %s: want a word about the program, its layer, its traps and the labels to group by", name)
		}
		if !strings.Contains(string(table), "`"+name+"`") {
			t.Errorf("packs/README.md does not name the pack %s", name)
		}
	}
}

func TestPackIsReadStrictly(t *testing.T) {
	t.Parallel()
	const good = `{name: x, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`
	if _, err := parsePack("x.yaml", []byte(good)); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":        {`{name: x, token: {}}`, "token"},
		"another name":       {`{name: y, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, `got "y"`},
		"no output":          {`{name: x, tokens: {input: {metrics: [a]}}}`, "tokens.output: missing"},
		"no names":           {`{name: x, tokens: {input: {}, output: {metrics: [b]}}}`, "tokens.input.metrics: want the name of a metric"},
		"an engine of sums":  {`{name: x, layer: engine, period_sums: {period: 5m, stamps: scrape}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, `layer: got "engine"`},
		"an odd layer":       {`{name: x, layer: proxy, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, `layer: got "proxy"`},
		"no signals":         {`{name: x}`, "want either tokens or gpu"},
		"an odd signal":      {`{name: x, tokens: {inpt: {metrics: [c]}, input: {metrics: [a]}, output: {metrics: [b]}}}`, `got "inpt"`},
		"a line":             {"name: x\ntokens:\n  input:\n    metrics: []\n  output: {metrics: [b]}", "x.yaml:4: tokens.input.metrics"},
		"else without names": {`{name: x, tokens: {input: {metrics: [a], else: {}}, output: {metrics: [b]}}}`, "tokens.input.else.metrics: want"},
		"a bad regexp":       {`{name: x, where: {a: "~("}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, "where: a: error parsing regexp"},
		"a period of 7m":     {`{name: x, period_sums: {period: 7m, stamps: scrape}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, "divides an hour"},
		"unknown stamps":     {`{name: x, period_sums: {period: 5m, stamps: now}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, `got stamps "now"`},
		"an empty signal":    {`{name: x, tokens: {input: {metrics: [a]}, output: {metrics: [b]}, cache_read: }}`, "tokens.cache_read: got nothing"},
		"a negative scale":   {`{name: x, tokens: {input: {metrics: [a], scale: -1}, output: {metrics: [b]}}}`, "tokens.input.scale: got -1"},
		"two kinds of TTFT":  {`{name: x, ttft_seconds: {histograms: [h], quantiles: [q]}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, "want either histograms or quantiles"},
		"a gauge of nothing": {`{name: x, waiting: {}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, "waiting.metrics: want"},
		"unknown absence":    {`{name: x, tokens: {input: {metrics: [a], absent: nil}, output: {metrics: [b]}}}`, `got "nil"`},
		"a GPU that is void": {`{name: x, gpu: {busy: [{metric: a}], device: [b], attached: c}}`, "want above 0"},
		"busy and held":      {`{name: x, gpu: {busy: [{metric: a, full: 1}], held: {metric: b}, device: [c]}}`, "either busy or held"},
		"named by nothing":   {`{name: x, gpu: {busy: [{metric: a, full: 1}], device: [b], type: [c], named: {metric: d}}}`, "gpu.named: want on"},
		"held while nothing": {`{name: x, gpu: {held: {metric: b, while: {metric: c}}, device: [c]}}`, "gpu.held.while.on: want labels"},
		"nothing apart":      {`{name: x, input_includes_cache: true, cache_apart: [{}], tokens: {input: {metrics: [a]}, output: {metrics: [b]}, cache_read: {metrics: [c]}}}`, "cache_apart: want labels"},
		"always apart":       {`{name: x, cache_apart: [{a: b}], tokens: {input: {metrics: [a]}, output: {metrics: [b]}, cache_read: {metrics: [c]}}}`, "cache_apart: has no effect"},
		"a bad label":        {`{name: x, tokens: {input: {metrics: [a], called: {"": b}}, output: {metrics: [b]}}}`, "tokens.input.called: select: got"},
		"a gauge or nothing": {`{name: x, waiting: {metrics: [a], else: {}}, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, "waiting.else.metrics: want"},
		"two documents":      {good + "\n---\n" + good, "document"},
		"nothing":            {"", "document"},
	} {
		if _, err := parsePack("x.yaml", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// TestPackNamesExist holds that a program that speaks vLLM's names exposes those of the pack.
func TestPackNamesExist(t *testing.T) {
	t.Parallel()
	exposition, err := os.ReadFile("testdata/vllm-llm-d-inference-sim.prom")
	if err != nil {
		t.Fatal(err)
	}
	p := mustPack(t, "vllm")
	for _, name := range []string{
		p.Tokens[input].Metrics[0], p.Tokens[output].Metrics[0], p.Requests.Metrics[0], p.TTFTSeconds.Histograms[0] + "_bucket",
	} {
		if !strings.Contains("\n"+string(exposition), "\n"+name+"{") {
			t.Errorf("%s is not in the exposition", name)
		}
	}
}

// TestLibrary holds that a pack of ten lines in a folder is one like those that are built in.
func TestLibrary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("acme.yaml", `name: acme
about: a gateway of our own
group_by: [app]
tokens:
  input:      {metrics: [acme_tokens_total], where: {kind: prompt}}
  output:     {metrics: [acme_tokens_total], where: {kind: answer}}
  cache_read: {metrics: [acme_kilotokens_cached_total], scale: 1000, absent: zero}
input_includes_cache: true
requests: {metrics: [acme_requests_total]}
`)
	l, err := OpenLibrary(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]string{"acme"}, builtin()...); !slices.Equal(l.Names(), slices.Sorted(slices.Values(want))) {
		t.Errorf("got %v, want %v", l.Names(), want)
	}
	p, err := l.pack("acme")
	if err != nil {
		t.Fatal(err)
	}
	got := packQueries(p, nil, p.GroupBy).hourly
	for _, want := range []string{
		`sum by (app) (increase(acme_tokens_total{kind="prompt"}[1h]))`, `sum by (app) (increase(acme_kilotokens_cached_total[1h])) * 1000`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s in it", got, want)
		}
	}
	write("vllm.yaml", "name: vllm")
	write("broken.yaml", "name: broken\ntokens:\n  inpt: {}\n")
	_, err = OpenLibrary(dir)
	for _, want := range []string{
		filepath.Join(dir, "broken.yaml") + `:3: tokens.inpt: got "inpt"`,
		filepath.Join(dir, "vllm.yaml") + `: pack "vllm" is built in`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := OpenLibrary(filepath.Join(dir, "none")); err == nil {
		t.Error("got no error for a folder that is not there")
	}
}

// FuzzPack holds that no file makes the reader of packs fail otherwise than by an error, and that what it accepts can be asked.
func FuzzPack(f *testing.F) {
	for _, name := range builtin() {
		data, err := packFiles.ReadFile("packs/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, data)
	}
	f.Add("x", []byte("{name: x, tokens: {input: , output: {absent: zero}}, gpu: {}}"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		p, err := parsePack(name+".yaml", data)
		switch {
		case err != nil:
			return
		case p.GPU != nil:
			if gpuQuery(p.GPU, []string{"namespace"}) == "" {
				t.Error("no query")
			}
		case packQueries(p, nil, p.GroupBy).hourly == "":
			t.Error("no query")
		}
	})
}
