package daemon

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
	"tipline/model/drift"
)

// driftedHours are a hundred days until opening of a workload whose tokens deviate by 5 %, changed by change from days ago on.
func driftedHours(ago int, change func(h *model.Hour)) model.Usage {
	r := rand.New(rand.NewPCG(5, 6))
	u := model.Usage{Workload: "support", Source: "gateway", Start: opening.AddDate(0, 0, -100).Truncate(24 * time.Hour)}
	n := int(opening.Sub(u.Start) / time.Hour)
	for i := range n {
		day := 1 + 0.05*math.Sin(float64(i/24*37))
		load := 3e7 * day * (1 + 0.5*math.Sin(float64(i%24)/24*2*math.Pi)) * (0.97 + 0.06*r.Float64())
		h := model.Hour{
			Tokens:   model.Volume{model.Input: model.Tokens(0.6 * load), model.CacheRead: model.Tokens(0.2 * load), model.Output: model.Tokens(0.2 * load)},
			Requests: load / 2000, Coverage: 1,
		}
		if i >= n-24*ago {
			change(&h)
		}
		u.Hours = append(u.Hours, h)
	}
	return u
}

// TestDrifts holds that the input that moved is named, with its days, what it costs and what it does to the answer, and no other.
func TestDrifts(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("%s/gateway", "http://p:9090", "%s/engines", "http://p:9090", "%s", t.TempDir()).Replace(settings)
	cfg, err := config.Parse("tipline.yml", []byte(text), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	times := func(factor model.Tokens, classes ...model.Class) func(h *model.Hour) {
		return func(h *model.Hour) {
			for _, c := range classes {
				h.Tokens[c] *= factor
			}
		}
	}
	all := model.Classes[:]
	for _, tc := range []struct {
		name     string
		ago      int
		change   func(h *model.Hour)
		kind     string // of the drift that is material; empty for none
		says     string
		others   []string // that drift along
		cheaper  bool
		warnings []model.Warning
	}{
		{"as ever", 10, func(*model.Hour) {}, "", "", nil, false, nil},
		{"twice the volume", 10, func(h *model.Hour) { times(2, all...)(h); h.Requests *= 2 }, drift.Volume, "tokens a day since 23 Oct 2026, where ", nil, false, nil},
		{"half the volume", 10, func(h *model.Hour) { times(0.5, all...)(h); h.Requests *= 0.5 }, drift.Volume, "a month off the cost of api", nil, true, nil},
		{"longer prompts", 10, times(2, model.Input, model.CacheRead), drift.Volume, "the requests are as many as expected", []string{drift.Mix}, false, nil},
		{"a cache that misses", 10, func(h *model.Hour) {
			h.Tokens[model.Input] += h.Tokens[model.CacheRead]
			h.Tokens[model.CacheRead] = 0
		}, "", "", []string{drift.CacheShare}, false, nil}, // the API charges the same for both
		{"a cache whose hits are not known", 10, func(h *model.Hour) {
			h.Tokens[model.Input] += h.Tokens[model.CacheRead]
			h.Tokens[model.CacheRead] = 0
		}, "", "", nil, false, []model.Warning{{Code: collector.CacheSplitUnknown}}},
	} {
		u := driftedHours(tc.ago, tc.change)
		u.Warnings = tc.warnings
		e := project(metered{usage: u, stanza: cfg.For(u.Labels, "gateway")}, u, cfg, opening)
		e.decide(u, decide.AccountsOf(nil), opening)
		if e.report.Decision.Reason == model.ReasonUnknown {
			t.Fatalf("%s: %s", tc.name, e.report.Decision.Because)
		}
		var drifted []string
		material := ""
		for _, d := range e.report.Drift {
			if d.Score < 1 {
				continue
			}
			drifted = append(drifted, d.Kind)
			if d.Kind == tc.kind {
				if !d.Material || !strings.Contains(d.Text, tc.says) || d.CostUSDPerMonth == nil || *d.CostUSDPerMonth < 0 != tc.cheaper {
					t.Errorf("%s: got %+v, want %q", tc.name, d, tc.says)
				}
			}
			if d.Material {
				material = d.Kind
			}
		}
		want := slices.Clone(tc.others)
		if tc.kind != "" {
			want = append([]string{tc.kind}, want...)
		}
		if !slices.Equal(drifted, want) || (material == "") != (tc.kind == "") {
			t.Errorf("%s: %v drifted, %q matters, want %v and %q", tc.name, drifted, material, want, tc.kind)
		}
	}
}

// TestDriftPastACrossover holds that a drift which changes neither the answer nor enough of the cost matters when the volume crossed a threshold by it, and only then.
func TestDriftPastACrossover(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("%s/gateway", "http://p:9090", "%s/engines", "http://p:9090", "%s", t.TempDir()).Replace(settings)
	cfg, err := config.Parse("tipline.yml", []byte(text), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		usual  model.Tokens // of driftedHours
		passes bool
	}{{0.28, true}, {0.14, false}} {
		n := 0
		u := driftedHours(100, func(h *model.Hour) {
			times := tc.usual
			if n++; n > 24*90 {
				times *= 1.5
			}
			for c := range h.Tokens {
				h.Tokens[c] *= times
			}
		})
		e := project(metered{usage: u, stanza: cfg.For(u.Labels, "gateway")}, u, cfg, opening)
		e.decide(u, decide.AccountsOf(nil), opening)
		e.input.Policy.DriftUSD = big.NewRat(1_000_000, 1)
		all := drifts(u, drift.Readings{}, *e.input, e.verdict, opening)
		i := slices.IndexFunc(all, func(d model.Drift) bool { return d.Kind == drift.Volume })
		if d := all[i]; d.Score < 1 || d.Material != tc.passes || d.OptionWithout != "" || !strings.Contains(d.Text, "the answer is the same without it") {
			t.Errorf("usually %v: got %+v, %s of the crossover, want it to matter: %v", tc.usual, d, e.verdict.Crossover.State, tc.passes)
		}
	}
}

// TestFaultsFreeze holds that a counter that changed its unit is told as a fault of the data: the verdict is frozen, and nothing drifts.
func TestFaultsFreeze(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("%s/gateway", "http://p:9090", "%s/engines", "http://p:9090", "%s", t.TempDir()).Replace(settings)
	cfg, err := config.Parse("tipline.yml", []byte(text), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, outage := range []string{"", "connection refused"} {
		u := driftedHours(5, func(h *model.Hour) {
			for c := range h.Tokens {
				h.Tokens[c] *= 1000
			}
		})
		all := []metered{held(metered{usage: u, stanza: cfg.For(u.Labels, "gateway"), outage: outage})}
		findFaults(all, opening)
		e := project(all[0], u, cfg, opening)
		e.decide(u, decide.AccountsOf(nil), opening)
		want := drift.CounterUnit
		if outage != "" {
			want = "SOURCE_DOWN" // what is read from history alone says nothing of what is scraped now
		}
		if got := e.report; got.Decision.Reason != model.ReasonUnknown || len(got.Drift) > 0 || e.frozen != want ||
			!slices.ContainsFunc(got.Warnings, func(w model.Warning) bool { return w.Code == want }) {
			t.Errorf("got %+v, drift %v, frozen by %q, want %s", got.Decision, got.Drift, e.frozen, want)
		}
	}
}

// TestReadingsDrift holds that what is read once a day is told from what it was, and is never material: nothing is decided by it.
func TestReadingsDrift(t *testing.T) {
	t.Parallel()
	u := driftedHours(10, func(*model.Hour) {})
	ttft, busy := 400*time.Millisecond, model.Fraction(0.5)
	u.TTFTP95, u.GPU = &ttft, &model.GPU{Count: 4, Utilization: &busy, Coverage: 1}
	values := reading(u, model.WorkloadReport{}, opening)
	used, _ := u.Between(opening.Add(-24*time.Hour), opening)
	if got, want := values[drift.Throughput], float64(used.Total())/48; values[drift.TTFT] != 0.4 || values[drift.GPUUtilization] != 0.5 || math.Abs(got/want-1) > 1e-9 {
		t.Errorf("got %v, want 0.4 s, half busy and %v tokens an hour", values, want)
	}
	for _, kind := range []string{drift.ErrorShare, drift.RetryShare} {
		if _, known := values[kind]; known {
			t.Errorf("got %v, want no %s that nobody counts", values, kind)
		}
	}
	day := used.Total() / 2000 // requests
	for failed, want := range map[float64]float64{0: drift.LeastErrors, 0.001: drift.LeastErrors, 0.05: 0.05, 2: 1} {
		n := failed * float64(day)
		u.Failed, u.Retried = &n, &n
		for _, kind := range []string{drift.ErrorShare, drift.RetryShare} {
			if got := reading(u, model.WorkloadReport{}, opening)[kind]; math.Abs(got-want) > 0.02*want {
				t.Errorf("%s: %v of the requests: got %v, want %v", kind, failed, got, want)
			}
		}
	}
	idle := u
	idle.Hours = slices.Clone(u.Hours)
	for i := range idle.Hours {
		idle.Hours[i].Requests = 0 // not counted
	}
	if got, known := reading(idle, model.WorkloadReport{}, opening)[drift.ErrorShare]; known {
		t.Errorf("without requests: got %v, want not known", got)
	}
	if _, known := values[drift.EconomicUtilization]; known {
		t.Errorf("got %v, want no economic utilization of a workload without a fleet", values)
	}
	var r drift.Readings
	for d := range 90 {
		seconds, share := 0.4, 0.02
		if d >= 80 {
			seconds, share = 1.2, 0.1
		}
		r = r.With(opening.AddDate(0, 0, d-89), map[string]float64{drift.TTFT: seconds, drift.ErrorShare: share, drift.RetryShare: share})
	}
	drifted := 0
	for _, d := range drifts(u, r, decide.Input{}, decide.Verdict{}, opening) {
		if d.Score >= 1 {
			drifted++
			says := map[string]string{drift.ErrorShare: "10% of the requests fail since ", drift.RetryShare: "10% of the requests are sent again since "}[d.Kind]
			if says != "" && strings.Contains(d.Text, says) && strings.Contains(d.Text, "where 2% was") && !d.Material {
				continue
			}
			if d.Kind != drift.TTFT || d.Material || d.CostUSDPerMonth != nil || !strings.Contains(d.Text, "1.2 s in the 95th percentile since ") || !strings.Contains(d.Text, "where 0.4 s was to be expected") {
				t.Errorf("got %+v", d)
			}
		}
	}
	if drifted != 3 {
		t.Errorf("%d inputs drifted, want three", drifted)
	}
}
