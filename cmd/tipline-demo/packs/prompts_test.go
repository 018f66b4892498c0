package packs

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
)

// TestPromptLengths holds that every pack that knows the lengths of prompts reads them with one query: a day of two replicas that answer a
// prompt of 1,000 tokens, one of 150,000 and one of 300,000 every five minutes.
func TestPromptLengths(t *testing.T) {
	t.Parallel()
	for pack, names := range map[string]struct{ metric, labels, input, output string }{
		"vllm": {"vllm:request_prompt_tokens", `model_name="m"`, `vllm:prompt_tokens_total{model_name="m"}`, `vllm:generation_tokens_total{model_name="m"}`},
		"envoy-ai-gateway": {
			"gen_ai_client_token_usage", `gen_ai_token_type="input",gen_ai_original_model="m"`, "",
			`gen_ai_client_token_usage_sum{gen_ai_token_type="output",gen_ai_original_model="m"}`,
		},
		"otel-genai-dots": {
			"gen_ai.client.token.usage", `"gen_ai.token.type"="input","gen_ai.request.model"="m"`, "",
			`{"gen_ai.client.token.usage_sum","gen_ai.token.type"="output","gen_ai.request.model"="m"}`,
		},
	} {
		t.Run(pack, func(t *testing.T) {
			t.Parallel()
			end := start.Add(30 * time.Hour)
			e, err := engine.Open(func() time.Time { return end })
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = e.Close() })
			series := func(suffix, more string) string {
				labels := names.labels + more
				if strings.Contains(names.metric, ".") {
					return fmt.Sprintf("{%q,%s}", names.metric+suffix, labels)
				}
				return names.metric + suffix + "{" + labels + "}"
			}
			var text strings.Builder
			for _, bucket := range []struct {
				le    string
				count int
			}{{"1000", 1}, {"100000", 1}, {"200000", 2}, {"+Inf", 3}} {
				fmt.Fprintf(&text, "%s %d\n", series("_bucket", `,le="`+bucket.le+`"`), bucket.count)
			}
			fmt.Fprintf(&text, "%s 451000\n%s 3\n%s 30\n", series("_sum", ""), series("_count", ""), names.output)
			if names.input != "" {
				fmt.Fprintf(&text, "%s 451000\n", names.input)
			}
			for step := 0; step <= 30*12; step++ {
				for _, pod := range []string{"a", "b"} {
					at := start.Add(time.Duration(step) * 5 * time.Minute)
					target := map[string]string{"job": pack, "namespace": "ns", "instance": pod}
					if err := e.Ingest([]byte(text.String()), at, target, func(_ string, v float64) float64 { return v * float64(step) }); err != nil {
						t.Fatal(err)
					}
				}
			}
			c, err := collector.New(collector.Settings{Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: pack, Backfill: 30 * time.Hour}, storetest.Open(t), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			found, err := c.Collect(t.Context(), end.Add(5*time.Minute))
			if err != nil || len(found.Usage) != 1 {
				t.Fatalf("got %+v, %v, want one workload", found.Usage, err)
			}
			p := found.Usage[0].Prompts
			if p == nil {
				t.Fatalf("got no lengths of prompts: %+v", found.Warnings)
			}
			requests, tokens, known := p.Above(200_000)
			// A third of the requests. Of 451k tokens each round 200k at least, and all but the 100k that the second has at least.
			if !known || math.Abs(float64(requests.Low)-1.0/3) > 1e-6 || requests.Low != requests.High ||
				math.Abs(float64(tokens.Low)-(451.0-201)/451) > 1e-6 || math.Abs(float64(tokens.High)-351.0/451) > 1e-6 {
				t.Errorf("got %v and %v of %+v", requests, tokens, p)
			}
		})
	}
}
