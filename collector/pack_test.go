package collector

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestPacks(t *testing.T) {
	t.Parallel()
	if want := []string{"dcgm", "litellm", "vllm"}; !slices.Equal(Packs(), want) {
		t.Errorf("got %v, want %v", Packs(), want)
	}
	for _, name := range Packs() {
		if p := mustPack(t, name); p.About == "" || len(p.Traps) == 0 {
			t.Errorf("pack %s: want a word about the program and its traps", name)
		}
	}
}

func TestPackIsReadStrictly(t *testing.T) {
	t.Parallel()
	const good = `{name: x, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`
	if _, err := parsePack("x", []byte(good)); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":        {`{name: x, token: {}}`, "token"},
		"another name":       {`{name: y, tokens: {input: {metrics: [a]}, output: {metrics: [b]}}}`, `got "y"`},
		"no output":          {`{name: x, tokens: {input: {metrics: [a]}}}`, "tokens.output: missing"},
		"no names":           {`{name: x, tokens: {input: {}, output: {metrics: [b]}}}`, "input: want metrics"},
		"no signals":         {`{name: x}`, "want either tokens or gpu"},
		"unknown absence":    {`{name: x, tokens: {input: {metrics: [a], absent: nil}, output: {metrics: [b]}}}`, `got "nil"`},
		"a GPU that is void": {`{name: x, gpu: {busy: [{metric: a}], device: [b], attached: c}}`, "want above 0"},
		"two documents":      {good + "\n---\n" + good, "document"},
		"nothing":            {"", "document"},
	} {
		if _, err := parsePack("x", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
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
