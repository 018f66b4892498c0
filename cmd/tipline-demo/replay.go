package main

import (
	_ "embed"
	"fmt"
	"time"

	"tipline/cmd/tipline-demo/traffic"
	"tipline/cmd/tipline-demo/world"
	"tipline/model"
)

// traceConfig is the configuration under which traces are replayed.
//
//go:embed traces.yml
var traceConfig []byte

// rehearsal is how many days of the longest trace are left for the demo to live through; what is older is history.
const rehearsal = 14

// replay returns a scene in which every trace of a folder is a team behind a gateway.
func replay(folder string, scale float64) (*scene, error) {
	traces, err := traffic.ReadTraces(folder)
	if err != nil {
		return nil, fmt.Errorf("--traces: %w", err)
	}
	end := begins.AddDate(0, 0, rehearsal)
	sc := &scene{world: &world.World{}, config: traceConfig, start: begins.AddDate(0, 0, -1), begin: begins, end: end}
	total, moved := 0.0, 0
	for _, t := range traces {
		t = t.Scaled(scale)
		total += t.Total()
		if shift := end.Sub(t.End()); shift != 0 {
			t.Start = t.Start.Add(shift)
			moved++
		}
		if t.Start.Before(sc.start) {
			sc.start = t.Start
		}
		sc.world.Tenants = append(sc.world.Tenants, world.Tenant{
			Name: t.Workload, Kind: world.LiteLLM, Use: t,
			Labels: map[string]string{
				"team_alias": t.Workload, "requested_model": "gpt-5-mini", "model": "gpt-5-mini", "api_provider": "openai",
				"api_key_alias": t.Workload,
			},
		})
	}
	sc.opening = fmt.Sprintf(`%d real LLM traces of %s are replayed as the counters of a LiteLLM gateway: %s tokens in all.
`, len(traces), model.Printable(folder), model.FormatTokens(model.Tokens(total)))
	if scale != 1 {
		sc.opening += fmt.Sprintf("Every volume is the real one multiplied by %v.\n", scale)
	}
	if moved > 0 {
		sc.opening += fmt.Sprintf("The traces are from different years: %d of them were moved in time, lengths kept, so that all end on %s.\n", moved, date(end))
	}
	sc.opening += "Each is taken for a workload on GPT-5 mini; whether another model would do is assumed, not known.\n"
	return sc, nil
}

// date writes a day as people do.
func date(t time.Time) string { return t.Format("2 January 2006") }
