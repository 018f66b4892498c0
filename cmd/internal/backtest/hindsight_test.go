package backtest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// TestUsed holds that 30 days are made of what was measured, of a young workload and of one that was not seen all the time.
func TestUsed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		age      int // days
		tokens   model.Tokens
		coverage model.Fraction
		want     model.Tokens
	}{
		{"all of it", 90, 720e6, 1, 720e6},
		{"half of it was seen", 90, 360e6, 0.5, 720e6},
		{"ten days old", 10, 240e6, 1, 720e6},
		{"ten days old, half of them seen", 10, 120e6, 0.5, 720e6},
		{"nothing", 90, 0, 1, 0},
		{"never seen", 90, 0, 0, 0},
	} {
		first := dawn.AddDate(0, 0, -tc.age)
		u := model.UsageSummary{
			Last30dTokens: &tc.tokens, CoverageRatio: tc.coverage, FirstSample: &first,
			Last30dClassTokens: map[string]model.Tokens{"input": tc.tokens * 3 / 4, "output": tc.tokens / 4},
		}
		got, mix, ok := used(u, dawn)
		if got != tc.want || ok != (tc.want > 0) || ok && (mix[model.Input] != 0.75 || mix[model.Output] != 0.25) {
			t.Errorf("%s: got %v, %v, %v, want %v", tc.name, got, mix, ok, tc.want)
		}
	}
}

// steadyForecast projects the same volume for all time, a tenth more or less.
func steadyForecast(perHour float64) model.Forecast {
	span := func(from time.Time, days int) model.Projection {
		p := model.Projection{From: from, To: from.AddDate(0, 0, days), Mix: [model.NumClasses]model.Fraction{model.Input: 0.8, model.Output: 0.2}}
		for i, level := range model.Levels {
			p.Total[i] = model.Tokens(perHour * 24 * float64(days) * (0.9 + 0.2*level))
		}
		return p
	}
	f := model.Forecast{Origin: dawn, Requests30d: 1e6, MonthlyGrowth: 0.1, Load: model.LoadCurve{{Hours: 336, TokensPerHour: model.Tokens(perHour)}}}
	for _, days := range []int{7, 30, 90} {
		f.Next = append(f.Next, span(dawn, days))
	}
	for month := range 13 {
		f.Months = append(f.Months, span(dawn.AddDate(0, 0, 30*month), 30))
	}
	return f
}

// TestObserve holds that what is known afterwards is costed as a projection would be, and that of an option to which one is bound only what would stop being paid counts.
func TestObserve(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{false, true} {
		text := settings
		if committed {
			text = strings.Replace(text, "{name: fleet,", `{name: fleet, committed: {until: "2027-12-31", usd_per_month: 20000},`, 1)
		}
		cfg := optionsFor(t, fmt.Sprintf(text, "http://127.0.0.1:1")).Config
		in := decide.Input{
			Workload: "w", Constraints: cfg.Defaults.Constraints, Current: "fleet", Options: cfg.Options, Candidates: cfg.Defaults.Candidates,
			Forecast: steadyForecast(5e7), Policy: cfg.Defaults.Policy,
		}
		tokens := model.Tokens(3600e6) // five million an hour, not the fifty that were projected
		first := dawn.AddDate(0, 0, -60)
		w := model.WorkloadReport{Workload: "w", Current: "fleet", Usage: model.UsageSummary{
			Last30dTokens: &tokens, CoverageRatio: 1, FirstSample: &first, Last30dClassTokens: map[string]model.Tokens{"input": 2880e6, "output": 720e6},
		}}
		var h hindsight
		for i := range cfg.Policy.Confirmations {
			h.observe(w, in, dawn.AddDate(0, 0, i))
		}
		d := h.days[0]
		// 3.65B tokens at 3 USD/Mtok, and 9,387 of operations with two replicas at 7.98 USD an hour, to which one may be bound.
		fleet := 9387 + 2*7.98*730
		if committed {
			fleet = 9387
		}
		if d.tokens != 3650e6 || d.costs["api"] != 10950 || math.Abs(float64(d.costs["fleet"])-fleet) > 0.005 {
			t.Errorf("committed %v: got %v tokens and %v, want 3.65B tokens, 10,950 USD and %.2f USD", committed, d.tokens, d.costs, fleet)
		}
		if moved := len(h.crossings) == 1; moved == committed { // against 9,387 USD the API does not pay
			t.Errorf("committed %v: got %+v", committed, h.crossings)
		}
	}
}
