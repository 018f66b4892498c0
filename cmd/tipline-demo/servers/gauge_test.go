package servers

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestGaugeIsNoCounter feeds a gauge in the place of a counter of tokens: every fall of it would be taken for a restart and count all that it shows once more. Its hours are not used,
// the workload says why and has no verdict, and one that is counted beside it has. Where the server knows the type of the metric, that is a fault of the data, and the workload says that it is
// no doubt a gauge.
func TestGaugeIsNoCounter(t *testing.T) {
	t.Parallel()
	for metadata, why := range map[string]string{
		"": "or a gauge",
		"# TYPE agentgateway_gen_ai_client_token_usage_sum gauge\n": "agentgateway_gen_ai_client_token_usage_sum fell more than 3 times an hour: it is a gauge, as the server says",
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			gaugeIsNoCounter(t, metadata, why)
		})
	}
}

func gaugeIsNoCounter(t *testing.T, metadata, why string) {
	t.Helper()
	e := opened(t)
	if err := e.Ingest([]byte(metadata), end, nil, nil); err != nil {
		t.Fatal(err)
	}
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
			said = said || warning.Code == string(collector.Sawtooth) && strings.Contains(warning.Text, why)
		}
		if !said {
			t.Errorf("got the warnings %+v, want %q among them", w.Warnings, why)
		}
	}
	if len(report.Workloads) != 2 || !known["counted"] || known["shown"] {
		t.Errorf("verdicts are known of %v, want that of counted alone", known)
	}
	told := slices.ContainsFunc(report.DataFaults, func(f model.DataFault) bool {
		return f.Code == collector.NotACounter && f.Source == "gateway" && strings.Contains(f.Text, "agentgateway_gen_ai_client_token_usage_sum (input)")
	})
	if told != (metadata != "") {
		t.Errorf("got the faults %+v, want %s among them: %v", report.DataFaults, collector.NotACounter, metadata != "")
	}
}
