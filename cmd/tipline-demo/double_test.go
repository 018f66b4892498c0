package main

import (
	"io"
	"slices"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
)

// behindGateway is a configuration for a gateway and the engines behind it, of which nobody says which is priced.
const behindGateway = `
sources:
  - {name: gateway, prometheus: {url: "http://prometheus.demo"}, pack: litellm, group_by: [team_alias], hosting: api}
  - {name: engines, prometheus: {url: "http://prometheus.demo"}, pack: vllm, group_by: [namespace], hosting: self-hosted}
options:
  - {name: gpt-5-mini, kind: api, model: openai/gpt-5-mini}
defaults:
  current: gpt-5-mini
  constraints: {data_sensitivity: internal, ops_capacity: dedicated}
`

// TestDoubleMeter has a gateway and an engine count the same traffic through restarts at other times and a gap at one of them, beside traffic of the same shape and size
// that is at one of them only, and reads all of it through PromQL: the one stream is found, and priced once when the configuration says where.
func TestDoubleMeter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stanzas  string
		unpriced []string
	}{
		{"", []string{"chat", "chat-engine"}},
		{"workloads:\n  - {source: gateway, meter: primary}\n", []string{"chat-engine"}},
	} {
		stream := func(seed uint64) traffic.Stream {
			return traffic.Stream{Shape: traffic.Office, Mix: traffic.Chat, Tokens: 40e6, Since: begins, Growth: 0.05, Seed: seed}
		}
		gateway := func(team string, use traffic.Stream) world.Tenant {
			return world.Tenant{Name: team, Kind: world.LiteLLM, Use: use, Labels: map[string]string{"team_alias": team, "requested_model": "m"}}
		}
		engine := func(namespace string, use traffic.Stream) world.Tenant {
			return world.Tenant{Name: namespace, Kind: world.VLLM, Use: use, Labels: map[string]string{"namespace": namespace, "model_name": "m"}}
		}
		at := func(day, hour int) time.Time {
			return begins.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + 17*time.Minute)
		}
		sc := &scene{config: []byte(behindGateway + c.stanzas), start: begins.AddDate(0, 0, -29), begin: begins, end: begins, world: &world.World{
			Tenants: []world.Tenant{gateway("chat", stream(1)), gateway("other", stream(2)), engine("chat-engine", stream(1)), engine("other-engine", stream(3))},
			Restarts: map[world.Kind][]time.Time{
				world.LiteLLM: {at(-20, 10), at(-3, 14)},
				world.VLLM:    {at(-22, 3), at(-9, 9), at(-2, 15)},
			},
			Gaps: map[world.Kind][]world.Span{world.VLLM: {{From: at(-12, 9), To: at(-12, 15)}}},
		}}
		p, _ := stage(t, sc, io.Discard)
		p.clock.set(sc.end.Add(5 * time.Minute))
		report, err := p.daemon.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(report.DoubleMeters) != 1 || !slices.Equal(report.DoubleMeters[0].Workloads, []string{"chat"}) || !slices.Equal(report.DoubleMeters[0].AlsoAt, []string{"chat-engine"}) {
			t.Errorf("%q: got %+v, want chat at both", c.stanzas, report.DoubleMeters)
		}
		var unpriced []string
		for _, w := range report.Workloads {
			if len(w.Options) == 0 {
				unpriced = append(unpriced, w.Workload)
			}
		}
		if len(report.Workloads) != 4 || !slices.Equal(unpriced, c.unpriced) {
			t.Errorf("%q: got %v of %d workloads without a price, want %v of 4", c.stanzas, unpriced, len(report.Workloads), c.unpriced)
		}
	}
}
