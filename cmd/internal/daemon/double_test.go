package daemon

import (
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
	"tipline/model"
)

// lively answers every query with a load that chance moves from hour to hour, the same for every meter of a stream.
func lively(labels map[string]string, stream string, perHour float64) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
			h := fnv.New32a()
			_, _ = h.Write([]byte(stream + at.Format(time.RFC3339)))
			tokens := perHour * (0.5 + float64(h.Sum32()%1000)/1000)
			v, ok := map[string]float64{"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": tokens / 1000, "coverage": 1, "resets": 0}[signal]
			return v, ok
		})}
	}
}

// TestDoubleMeter holds that traffic which the gateway and the engine both count is priced at neither until the configuration says where, that both are named, and that
// it is then priced once.
func TestDoubleMeter(t *testing.T) {
	t.Parallel()
	support, llama := map[string]string{"team_alias": "support"}, map[string]string{"model_name": "llama"}
	r := newRig(t, route(lively(support, "one", 2e7), lively(llama, "one", 1.9e7)))
	base := r.text + "budgets:\n  - {name: all, usd_per_month: 1000}\n"
	const (
		gateway = "  - {match: {team_alias: support}, meter: %s}\n"
		engine  = "  - {match: {model_name: llama}, meter: %s}\n"
	)
	stanzas := func(gatewayMeter, engineMeter string) string {
		text := ""
		if gatewayMeter != "" {
			text += strings.Replace(gateway, "%s", gatewayMeter, 1)
		}
		if engineMeter != "" {
			text += strings.Replace(engine, "%s", engineMeter, 1)
		}
		if text == "" {
			return ""
		}
		return "workloads:\n" + text
	}
	for _, c := range []struct {
		gateway, engine string   // what the configuration calls the meters
		codes           []string // why support and llama are not priced; empty when they are
		found, primary  int
		unknown         int // workloads of the budget whose cost is not known
	}{
		{"", "", []string{doubleMetered, doubleMetered}, 1, 0, 2},
		{"primary", "", []string{"", secondaryMeter}, 1, 1, 0},
		{"", "secondary", []string{"", secondaryMeter}, 1, 1, 0},
		{"", "primary", []string{secondaryMeter, ""}, 1, 1, 0},
		{"primary", "primary", []string{doubleMetered, doubleMetered}, 1, 0, 2},
		{"secondary", "secondary", []string{secondaryMeter, secondaryMeter}, 0, 0, 0},
		{"separate", "", []string{"", ""}, 0, 0, 0},
	} {
		r.text = base + stanzas(c.gateway, c.engine)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(report.DoubleMeters) != c.found || c.found == 1 && len(report.DoubleMeters[0].Primary) != c.primary {
			t.Errorf("%+v: got %+v", c, report.DoubleMeters)
		}
		if got := report.Budgets[0]; len(got.Unknown) != c.unknown {
			t.Errorf("%+v: budget without %v, want %d unknown", c, got.Unknown, c.unknown)
		}
		for i, name := range []string{"support", "llama"} {
			w := workload(t, report, name)
			unpriced := slices.ContainsFunc(w.Warnings, func(warning model.Warning) bool { return warning.Code == c.codes[i] })
			switch {
			case c.codes[i] == "" && (len(w.Options) == 0 || w.Decision.Recommendation == model.Unknown):
				t.Errorf("%+v: %s: got %q, want a verdict", c, name, w.Decision.Because)
			case c.codes[i] != "" && (!unpriced || len(w.Options) != 0 || w.Decision.Recommendation != model.Unknown):
				t.Errorf("%+v: %s: got %s, %+v and %d costs, want %s and none", c, name, w.Decision.Recommendation, w.Warnings, len(w.Options), c.codes[i])
			case c.codes[i] == doubleMetered && (!strings.Contains(w.Decision.Because, "support") || !strings.Contains(w.Decision.Because, "llama")):
				t.Errorf("%+v: %s: got %q, want both named", c, name, w.Decision.Because)
			}
		}
	}
}

// TestReplicasAreOneMeter holds that a gateway which two replicas of a server have scraped is priced at neither until the configuration says at which, and then once.
func TestReplicasAreOneMeter(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(lively(map[string]string{"team_alias": "support"}, "one", 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	base := strings.Replace(r.text, "options:", "  - {name: replica, prometheus: {url: \""+r.server.URL+"/replica\"}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 14d}\noptions:", 1)
	for stanza, want := range map[string]map[string]string{
		"": {"gateway": doubleMetered, "replica": doubleMetered},
		"workloads:\n  - {source: replica, meter: secondary}\n": {"gateway": "", "replica": secondaryMeter},
	} {
		r.text = base + stanza
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range report.Workloads {
			code, checked := want[w.Source]
			if priced := len(w.Options) > 0; checked && (priced != (code == "") || code != "" && !warned(w, code)) {
				t.Errorf("%q: %s of %s: got %d costs and %q, want %q", stanza, w.Workload, w.Source, len(w.Options), w.Decision.Because, code)
			}
		}
	}
}

// TestDoubleMeterBehindARouter holds that what three meters count is priced at the primary one alone, whatever the two others are to each other.
func TestDoubleMeterBehindARouter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		router, engine float64 // tokens of an hour at them, of 20 million at the gateway
		found          int     // pairs, but for those of meters that are both secondary
	}{
		{2e7, 2e7, 2},
		{2.18e7, 2.36e7, 2}, // the engine is too far from the gateway to be told for the same, and near enough to the router
	} {
		labels := map[string]string{"team_alias": "support", "model_name": "llama"}
		engines := route(lively(labels, "one", 2e7), lively(labels, "one", c.engine))
		router := lively(labels, "one", c.router)
		r := newRig(t, func(q promtest.Query) promtest.Answer {
			if strings.Contains(q.Expr, "llm_d_epp") {
				return router(q)
			}
			return engines(q)
		})
		r.text = strings.Replace(r.text, "options:", "  - {name: router, prometheus: {url: \""+r.server.URL+"/router\"}, pack: llm-d-epp, group_by: [model_name], hosting: self-hosted, backfill: 14d}\noptions:", 1) +
			"workloads:\n  - {source: gateway, meter: primary}\n"
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(report.DoubleMeters) != c.found || len(report.Workloads) != 3 {
			t.Errorf("%+v: got %+v of %d workloads, want all that are left out, and beside what", c, report.DoubleMeters, len(report.Workloads))
		}
		for _, d := range report.DoubleMeters {
			if len(d.Primary) != 1 || d.Primary[0] != "support" {
				t.Errorf("%+v: %v beside %v is priced at %v, want support", c, d.Workloads, d.AlsoAt, d.Primary)
			}
		}
		for _, w := range report.Workloads {
			if priced := len(w.Options) > 0; priced != (w.Source == "gateway") {
				t.Errorf("%+v: %s of %s: got %d costs (%s), want those of the gateway alone", c, w.Workload, w.Source, len(w.Options), w.Decision.Because)
			}
		}
	}
}

// TestDigestLeavesTheSecondaryMeterOut holds that nobody is told every week that a workload is priced elsewhere.
func TestDigestLeavesTheSecondaryMeterOut(t *testing.T) {
	t.Parallel()
	elsewhere := model.WorkloadReport{
		Workload: "llama", Warnings: []model.Warning{{Code: secondaryMeter}}, Decision: model.Decision{Recommendation: model.Unknown, Because: "priced elsewhere"},
		Case: &model.Case{Stage: model.StageFrozen, Option: "own"},
	}
	if got := digest(&model.Report{Workloads: []model.WorkloadReport{elsewhere}}, nil, model.BudgetReport{}); len(got.Items) != 0 || got.Quiet != 1 {
		t.Errorf("got %+v, want a quiet workload", got)
	}
}

// TestNothingStandsThatIsPricedElsewhere holds that a move which was told is no longer asked for once its workload is priced at another meter, or is no workload any more.
func TestNothingStandsThatIsPricedElsewhere(t *testing.T) {
	t.Parallel()
	for _, stanza := range []string{"{match: {team_alias: support}, meter: secondary}", "{match: {team_alias: support}, drop: true}"} {
		r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
		if firing := r.firing(nil); len(firing) != 0 {
			t.Fatalf("before anything: got %+v", firing)
		}
		if firing := r.firing(r.days(t, 4)); len(firing) != 1 || firing[0].Workload != "support" {
			t.Fatalf("got %+v, want the move of support", firing)
		}
		if firing := r.firing(&model.Report{Workloads: []model.WorkloadReport{{Workload: "support", Names: 3}}}); len(firing) != 0 {
			t.Errorf("got %+v, want nothing to stand of a sum of names that is called as it was", firing)
		}
		r.text += "workloads:\n  - " + stanza + "\n"
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report := r.days(t, 1)
		if firing := r.firing(report); len(firing) != 0 {
			t.Errorf("%s: got %+v, want nothing to stand", stanza, firing)
		}
		if firing := r.firing(nil); len(firing) != 1 {
			t.Errorf("%s: before the first report of a restart: got %+v, want what was told", stanza, firing)
		}
	}
}
