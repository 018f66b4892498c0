package packs

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestDisaggregated holds that the pack of the README counts once what a prefill worker hands to a decode worker, which the built-in one counts twice.
func TestDisaggregated(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../collector/packs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	const name = "vllm-disaggregated"
	_, own, found := strings.Cut(string(readme), "```yaml\nname: "+name+"\n")
	own, _, ended := strings.Cut(own, "```")
	if !found || !ended {
		t.Fatalf("the README has no pack %s", name)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name+".yaml"), []byte("name: "+name+"\n"+own), 0o600); err != nil {
		t.Fatal(err)
	}
	library, err := collector.OpenLibrary(folder)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(func() time.Time { return start.Add(minutes * time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for pod, exposition := range map[string]string{
		"prefill": `vllm:prompt_tokens_by_source_total{model_name="m",source="local_compute"} 700
vllm:prompt_tokens_by_source_total{model_name="m",source="local_cache_hit"} 300
vllm:prompt_tokens_by_source_total{model_name="m",source="external_kv_transfer"} 0
vllm:prompt_tokens_total{model_name="m"} 1000
vllm:prompt_tokens_cached_total{model_name="m"} 300
vllm:generation_tokens_total{model_name="m"} 4
`,
		"decode": `vllm:prompt_tokens_by_source_total{model_name="m",source="local_compute"} 0
vllm:prompt_tokens_by_source_total{model_name="m",source="local_cache_hit"} 0
vllm:prompt_tokens_by_source_total{model_name="m",source="external_kv_transfer"} 1000
vllm:prompt_tokens_total{model_name="m"} 1000
vllm:prompt_tokens_cached_total{model_name="m"} 1000
vllm:generation_tokens_total{model_name="m"} 196
`,
	} {
		for minute := 0; minute <= minutes; minute++ {
			target := map[string]string{"job": "vllm", "namespace": "ns", "instance": pod + ":8000"}
			grown := func(_ string, value float64) float64 { return value * float64(minute) }
			if err := e.Ingest([]byte(exposition), start.Add(time.Duration(minute)*time.Minute), target, grown); err != nil {
				t.Fatal(err)
			}
		}
	}
	for pack, want := range map[string][model.NumClasses]float64{
		name:   {model.Input: 700, model.CacheRead: 300, model.Output: 200},
		"vllm": {model.Input: 700, model.CacheRead: 1300, model.Output: 200},
	} {
		w := &world{truth: truth{Pack: pack}, client: handler{e.Handler()}}
		s := w.settings()
		s.Library = library
		usage := collect(t, s).Usage
		if len(usage) != 1 {
			t.Fatalf("%s: got %d workloads, want 1", pack, len(usage))
		}
		var got [model.NumClasses]float64
		for _, h := range usage[0].Hours {
			for class, tokens := range h.Tokens {
				got[class] += float64(tokens) / minutes
			}
		}
		for class := range got {
			if math.Abs(got[class]-want[class]) > 0.002*want[class] {
				t.Errorf("%s: %s: got %v a minute, want %v", pack, model.Class(class), got[class], want[class])
			}
		}
	}
}
