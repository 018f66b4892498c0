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

// company returns the metrics of a company whose story begins at begin, and what a viewer should know of it.
//
// The shapes, the mixes and the growth are those of public traces (package traffic). Volumes are chosen so that the four
// stories are true under the cost model, with prices and throughputs of the built-in price book and a month of 730 hours:
//
// support buys Llama 3.3 70B from the one API that is declared to run in the EU, at 0.71 USD/Mtok for input and output.
// The same weights on one B200 at 6.00 USD an hour: the fit of the measured shapes to its 2944/283 tokens a request is 70.3M
// tokens an hour at full load; at 80 % of that (its limit of 2 s to the first token) and the peak factor of 1.8 that it is
// planned for, K = 70.3M·0.8·730/1.8 = 22.8B tokens a month for 4,380 USD. The fleet for n·K tokens costs 9,387 (operations)
// + (n+1)·4,380 (one spare), against the API:
//
//	n = 1, up to 22.8B:  18,147 USD, what the API asks for 25.6B: never inside this step
//	n = 2, up to 45.6B:  22,527 USD, what the API asks for 31.7B: cheaper from there on, and by 20 % from 39.7B on
//	n = 3, up to 68.4B:  26,907 USD, what the API asks for 37.9B: cheaper throughout, and by 20 % from 47.4B on
//
// It heads for about 35B a month when the demo begins and grows by a tenth a week, so it passes 39.7B some ten days later.
//
// search buys Llama 3.1 8B at 0.02 and 0.05 USD/Mtok, 0.024 at its mix of 307/51. One H100 at 2.69 USD an hour does
// 231.7M tokens an hour of that shape at full load, by the fit: 0.0116 USD/Mtok if it were always full, but at 60 % and a peak
// factor of about 2.6 it is 0.050. Dearer than the API at any volume: never, and a bill of some 650 USD
// could not pay for operations anyway.
//
// pilot, which goes live on the sixth day, runs that model on two such H100 (one of them spare) for the tokens of a few
// people: 9,387 + 2·1,964 = 13,314 USD a month for what the API sells for less than 100.
//
// claims costs the same and would be as cheap on the API, but its data is regulated and no API is approved for it.
//
// A team with a hostile name buys GPT-5 nano and is caught by the defaults.
func company(begin time.Time, seed uint64) (*world.World, []note) {
	stream := func(n uint64, shape traffic.Shape, mix traffic.Mix, tokensPerDay float64) traffic.Stream {
		return traffic.Stream{Shape: shape, Mix: mix, Tokens: tokensPerDay, Since: begin, Seed: seed*16 + n}
	}
	support := stream(1, traffic.Customers, traffic.Retrieval, 950e6)
	support.Growth = traffic.Growth
	search := stream(2, traffic.Platform, traffic.Short, 900e6)
	growth := stream(3, traffic.Office, traffic.Chat, 3e6)
	growth.CacheShare = 0.3 // the traces do not tell; so here and below
	claims := stream(4, traffic.Office, traffic.Retrieval, 60e6)
	claims.CacheShare = 0.1
	pilot := stream(5, traffic.Office, traffic.Chat, 40e6)
	pilot.Begin = begin.AddDate(0, 0, 5).Add(10 * time.Hour)

	gateway := func(name, team, model, provider, upstream string, use traffic.Stream) world.Tenant {
		return world.Tenant{
			Name: name, Kind: world.LiteLLM, Use: use, Cached: use.CacheShare > 0,
			TTFT: 450 * time.Millisecond, TTFTP95: 1400 * time.Millisecond,
			Labels: map[string]string{
				"team": name, "team_alias": team, "requested_model": model, "model": upstream, "api_provider": provider,
				"api_key_alias": name + "-prod",
			},
		}
	}
	engine := func(namespace string, use traffic.Stream) world.Tenant {
		return world.Tenant{
			Name: namespace, Kind: world.VLLM, Use: use, TTFT: 120 * time.Millisecond, TTFTP95: 410 * time.Millisecond,
			GPUs: 2, GPUName: "NVIDIA H100 80GB HBM3", TokensMax: 2 * 200e6, // two cards of the rate above
			Labels: map[string]string{"namespace": namespace, "model_name": "meta-llama/Llama-3.1-8B-Instruct"},
		}
	}
	at := func(day, hour, minute int) time.Time {
		return begin.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	w := &world.World{
		Tenants: []world.Tenant{
			gateway("support", "support", "llama-3.3-70b", "azure_ai", "Llama-3.3-70B-Instruct", support),
			gateway("search", "search", "llama-3.1-8b", "novita", "meta-llama/llama-3.1-8b-instruct", search),
			gateway("growth", `<!channel> "growth" & <b>labs</b> {team=~".*"}`, "gpt-5-nano", "openai", "gpt-5-nano", growth),
			engine("claims", claims),
			engine("pilot", pilot),
		},
		Restarts: map[world.Kind][]time.Time{
			world.LiteLLM: {at(-41, 10, 17), at(-9, 14, 0)},
			world.VLLM:    {at(-23, 3, 42), at(3, 14, 25)},
		},
		Gaps: map[world.Kind][]world.Span{
			world.LiteLLM: {{From: at(-30, 1, 0), To: at(-30, 4, 30)}},
			world.VLLM:    {{From: at(-20, 9, 0), To: at(-20, 14, 0)}, {From: at(6, 9, 0), To: at(6, 14, 0)}},
		},
	}
	return w, []note{
		{at(3, 14, 25), "the engine of claims is restarted: its counters begin at zero, under another pod name"},
		{at(5, 10, 0), "a team starts a pilot on two H100 of its own"},
		{at(6, 9, 0), "nobody scrapes the engines for five hours"},
	}
}
