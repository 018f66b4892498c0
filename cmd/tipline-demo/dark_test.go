package main

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
	"tipline/model"
)

// TestDarkTokens has a gateway count the traffic of two teams, of which one goes to an engine that another namespace uses as well, and holds that what no workload has is one
// number, in which what both count is counted once, whoever is read.
func TestDarkTokens(t *testing.T) {
	t.Parallel()
	stream := func(tokens float64, seed uint64) traffic.Stream {
		return traffic.Stream{Shape: traffic.Office, Mix: traffic.Chat, Tokens: tokens, Since: begins, Seed: seed}
	}
	gateway := func(team string, use traffic.Stream) world.Tenant {
		return world.Tenant{Name: team, Kind: world.LiteLLM, Use: use, Labels: map[string]string{"team_alias": team, "requested_model": "m"}}
	}
	engine := func(namespace string, use traffic.Stream) world.Tenant {
		return world.Tenant{Name: namespace, Kind: world.VLLM, Use: use, Labels: map[string]string{"namespace": namespace, "model_name": "m"}}
	}
	const gatewayLine, enginesLine = "  - {name: gateway", "  - {name: engines"
	const own = `
  - name: own
    prometheus: {url: "http://prometheus.demo"}
    queries:
      input: sum by (team_alias) (increase(litellm_input_tokens_metric_total{team_alias="chat"}[$__window]))
      output: sum by (team_alias) (increase(litellm_output_tokens_metric_total{team_alias="chat"}[$__window]))
    group_by: [team_alias]
    hosting: api
    backfill: 2d`
	const two = `
  - name: two
    prometheus: {url: "http://prometheus.demo"}
    queries:
      input: |
        label_replace(sum(increase(litellm_input_tokens_metric_total{team_alias="chat"}[$__window])), "app", "chat", "", "")
        or label_replace(sum(increase(vllm:prompt_tokens_total{namespace="small"}[$__window])), "app", "small", "", "")
      output: |
        label_replace(sum(increase(litellm_output_tokens_metric_total{team_alias="chat"}[$__window])), "app", "chat", "", "")
        or label_replace(sum(increase(vllm:generation_tokens_total{namespace="small"}[$__window])), "app", "small", "", "")
    group_by: [app]
    hosting: api
    backfill: 2d`
	chat, other, small := stream(40e6, 1), stream(20e6, 2), stream(5e6, 3)
	all := map[string]model.Tokens{"chat": dayBefore(chat), "gateway": dayBefore(chat, other), "engines": dayBefore(chat, small)}
	for _, c := range []struct {
		name    string
		drop    string            // the line of a source that is left out
		selects string            // added to the other
		before  string            // a source before all
		want    func() [2]float64 // tokens that no workload has, of how many
		at      string            // packs that have some, the most first, with ! where a source reads it
	}{
		{"all is read", "", "", "", func() [2]float64 { return [2]float64{0, float64(all["gateway"])} }, ""},
		{"the engines are not read", enginesLine, "", "", func() [2]float64 { return [2]float64{0, float64(all["gateway"])} }, "vllm"},
		{"the gateway is not read", gatewayLine, "", "", func() [2]float64 {
			return [2]float64{float64(all["gateway"] - all["engines"]), float64(all["gateway"])}
		}, "litellm"},
		{"one team is left out", enginesLine, ", select: {team_alias: other}", "", func() [2]float64 { return [2]float64{float64(all["chat"]), float64(all["gateway"])} }, "vllm litellm!"},
		{"it is read by queries of one's own", enginesLine, ", select: {team_alias: other}", own, func() [2]float64 { return [2]float64{0, float64(all["gateway"])} }, "vllm litellm!"}, // a per cent: its hours end before now
		{"queries read a part of two packs", enginesLine, ", select: {team_alias: other}", two, func() [2]float64 { return [2]float64{0, float64(all["gateway"])} }, "vllm!"},
	} {
		lines := strings.Split(behindGateway, "\n")
		for i, line := range lines {
			if c.drop != "" && strings.HasPrefix(line, c.drop) {
				lines[i] = ""
			}
			if line == "sources:" {
				lines[i] += c.before
			}
			lines[i] = strings.Replace(lines[i], "hosting: api}", "hosting: api, backfill: 2d"+c.selects+"}", 1)
		}
		sc := &scene{config: []byte(strings.Join(lines, "\n")), start: begins.AddDate(0, 0, -3), begin: begins, end: begins, world: &world.World{
			Tenants: []world.Tenant{gateway("chat", chat), gateway("other", other), engine("chat-engine", chat), engine("small", small)},
		}}
		p, _ := stage(t, sc, io.Discard)
		p.clock.set(sc.end.Add(5 * time.Minute))
		report, err := p.daemon.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u, want := report.Unattributed, c.want()
		if u == nil {
			t.Fatalf("%s: got nothing, want %v; warnings %+v", c.name, want, report.Warnings)
		}
		var at []string
		for _, d := range u.At {
			name := d.Pack
			if d.Read {
				name += "!"
			}
			at = append(at, name)
		}
		off := func(got model.Tokens, want float64) bool {
			return math.Abs(float64(got)-want) > 0.02*float64(all["gateway"])
		}
		if off(u.Tokens, want[0]) || off(u.OfTokens, want[1]) || math.Abs(float64(u.Ratio)-want[0]/want[1]) > 0.02 || strings.Join(at, " ") != c.at {
			t.Errorf("%s: got %+v, want %v tokens at %q", c.name, u, want, c.at)
		}
		if c.before == two && (len(u.At) != 1 || off(u.At[0].Tokens, float64(all["chat"]))) {
			t.Errorf("%s: got %+v, want the %v tokens of the engine that is not read", c.name, u.At, all["chat"])
		}
	}
}

// dayBefore returns the tokens of streams in the day before the replay ends.
func dayBefore(streams ...traffic.Stream) (sum model.Tokens) {
	for _, s := range streams {
		for h := range 24 {
			used, _ := s.Hour(begins.Add(time.Duration(h-24) * time.Hour))
			sum += model.Tokens(used.Tokens())
		}
	}
	return sum
}
