package main

import (
	_ "embed"
	"time"

	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
)

// companyConfig is the configuration that the demo runs with, as a user would write it.
//
//go:embed demo.yml
var companyConfig []byte

// historyDays is how much history the demo begins with.
const historyDays = 60

// company returns the metrics of a company whose history begins at start. The arithmetic of its four stories, at a month of
// 730 hours, is this; prices and throughputs are rows of the built-in price book:
//
//   - support pays Claude Haiku 4.5 by the token: 80 % input, 30 % of it cached, makes 0.56·1 + 0.24·0.1 + 0.2·5 = 1.58 USD/Mtok.
//     A Llama 3.3 70B on two H100 at 3.99 USD an hour carries 762 output tokens a second at 2048/128 in the TensorRT-LLM
//     overview, 46.6M tokens an hour in all; at 60 % of that and a peak factor of about 1.6 some 12.7B a month for 5,825 USD, 0.46 USD/Mtok.
//     Operations are 9,387 USD and a spare replica 5,825, so the fleet is a fifth cheaper from about 20B tokens a month. The
//     workload grows by 15 % a month and gets there a few days after the demo begins.
//   - search pays GPT-5 nano by the token: 0.05 and 0.40 USD/Mtok make about 0.12. A full replica costs 0.46: never, at any volume.
//   - docs runs Llama 3.3 70B on eight H200 of its own and loses six sevenths of its traffic; the same weights are sold at
//     0.88 USD/Mtok, and what is left costs a third of the smallest fleet with its operations.
//   - claims is regulated: an API would be cheaper, but none of those configured may see its data.
//
// A team with a hostile name pays GPT-5 nano too, and is caught by the defaults.
func company(start time.Time, seed uint64) *world.World {
	end := start.AddDate(0, 0, historyDays)
	gateway := func(name, team, model, provider string) world.Tenant {
		return world.Tenant{
			Workload: traffic.Workload{Name: name, Start: start, TokensPerReq: 816, TTFT50: 0.45, TTFTP95: 1.4, Calm: 0.25},
			Kind:     world.LiteLLM,
			Labels: map[string]string{
				"team_alias": team, "requested_model": model, "model": model, "api_provider": provider, "api_key_alias": name + "-prod",
			},
		}
	}
	engine := func(name, namespace, model, card string, gpus int) world.Tenant {
		return world.Tenant{
			Workload: traffic.Workload{Name: name, Start: start, TokensPerReq: 1071, TTFT50: 0.12, TTFTP95: 0.41, Calm: 0.25},
			Kind:     world.VLLM, GPUs: gpus, GPUName: card, Busy: 0.7,
			Labels: map[string]string{"namespace": namespace, "model_name": model},
		}
	}
	// Mixes and tokens per request lie inside what ServeGen's clients show (Apache-2.0): input 70 to 98 % of tokens, 151 to 2,515
	// tokens a request between the 10 % and the 90 % client.
	support := gateway("support", "support", "claude-haiku-4-5", "anthropic")
	support.Shape, support.TokensPerDay, support.MonthlyGrowth = traffic.Customers, 385e6, 0.15
	support.InputShare, support.CacheShare = 0.80, 0.30

	search := gateway("search", "search", "gpt-5-nano", "openai")
	search.Shape, search.TokensPerDay, search.MonthlyGrowth = traffic.Platform, 900e6, 0.02
	search.InputShare = 0.80

	hostile := gateway("growth", `<!channel> "growth" & <b>labs</b> {team=~".*"}`, "gpt-5-nano", "openai")
	hostile.Shape, hostile.TokensPerDay = traffic.Office, 3e6
	hostile.InputShare = 0.75

	docs := engine("docs", "docs", "meta-llama/Llama-3.3-70B-Instruct", "NVIDIA H200", 8)
	docs.Shape, docs.TokensPerDay = traffic.Customers, 2.6e9
	docs.InputShare, docs.CacheShare = 0.85, 0.20
	docs.Steps = []traffic.Step{{At: end.AddDate(0, 0, 8), Factor: 1.0 / 7}}

	claims := engine("claims", "claims", "meta-llama/Llama-3.1-8B-Instruct", "NVIDIA H100 80GB HBM3", 2)
	claims.Shape, claims.TokensPerDay, claims.MonthlyGrowth = traffic.Office, 60e6, 0.03
	claims.InputShare, claims.CacheShare = 0.90, 0.10

	return &world.World{
		Seed:    seed,
		Tenants: []world.Tenant{support, search, hostile, docs, claims},
		Restarts: map[world.Kind][]time.Time{
			world.LiteLLM: {end.AddDate(0, 0, -41).Add(10*time.Hour + 17*time.Minute), end.AddDate(0, 0, -9).Add(14 * time.Hour)},
			world.VLLM:    {end.AddDate(0, 0, -23).Add(3*time.Hour + 42*time.Minute)},
		},
		Gaps: map[world.Kind][]world.Gap{
			world.VLLM: {{From: end.AddDate(0, 0, -20).Add(9 * time.Hour), To: end.AddDate(0, 0, -20).Add(14 * time.Hour)}},
		},
	}
}
