package servers

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestGaugeIsNoCounter feeds a gauge in the place of a counter of tokens: every fall of it would be taken for a restart and count all that it shows once more. Its hours are not used,
// the workload says why and has no verdict, and one that is counted beside it has.
func TestGaugeIsNoCounter(t *testing.T) {
	t.Parallel()
	e := opened(t)
	batch := e.Begin()
	for _, c := range []struct {
		name, system, kind string
		perStep            float64
		gauge              bool
	}{
		{"agentgateway_gen_ai_client_token_usage_sum", "counted", "input", 8e4, false},
		{"agentgateway_gen_ai_client_token_usage_sum", "counted", "output", 2e4, false},
		{"agentgateway_gen_ai_server_request_duration_count", "counted", "", 20, false},
		{"agentgateway_gen_ai_client_token_usage_sum", "shown", "input", 8e4, true},
		{"agentgateway_gen_ai_client_token_usage_sum", "shown", "output", 2e4, false},
		{"agentgateway_gen_ai_server_request_duration_count", "shown", "", 20, false},
	} {
		series := &engine.Series{Labels: labels.FromStrings("__name__", c.name, "job", "agentgateway", "gen_ai_system", c.system, "gen_ai_token_type", c.kind)}
		total := 0.0
		for when := end.AddDate(0, 0, -14); !when.After(end); when = when.Add(step) {
			load := c.perStep * (1 + 0.5*math.Sin(float64(when.Unix())))
			total += load
			value := total
			if c.gauge {
				value = load
			}
			if err := batch.Add(series, when, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
	report := reportOn(t, e, 14)
	known := map[string]bool{}
	for _, w := range report.Workloads {
		known[w.Workload] = w.Decision.Recommendation != model.Unknown
		if w.Workload != "shown" {
			continue
		}
		said := false
		for _, warning := range w.Warnings {
			said = said || warning.Code == string(collector.Sawtooth) && strings.Contains(warning.Text, "or a gauge")
		}
		if !said {
			t.Errorf("got the warnings %+v, want one that it may be a gauge", w.Warnings)
		}
	}
	if len(report.Workloads) != 2 || !known["counted"] || known["shown"] {
		t.Errorf("verdicts are known of %v, want that of counted alone", known)
	}
}
