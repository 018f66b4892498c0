package daemon

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/model"
)

// TestSharedGPUs holds that the GPUs of a namespace are shared out among the workloads that run there, of two sources, by their tokens: what is said to be each one's adds up to
// what there is, in cards and in dollars, and a namespace with one workload is its own.
func TestSharedGPUs(t *testing.T) {
	t.Parallel()
	const gpus = 8.0
	engines := func(tokens map[[2]string]float64) func(promtest.Query) promtest.Answer { // by namespace and model
		return func(q promtest.Query) promtest.Answer {
			var all []promtest.Series
			if strings.Contains(q.Expr, "DCGM") || strings.Contains(q.Expr, "node_gpu_hourly_cost") {
				for _, namespace := range []string{"chat", "claims"} {
					all = append(all, promtest.Each(q, map[string]string{"namespace": namespace}, func(signal string, _ time.Time) (float64, bool) {
						v, ok := map[string]float64{"gpu_count": gpus, "gpu_busy": gpus / 2, "gpu_usd": 24}[signal]
						return v, ok
					})...)
				}
			}
			for names, n := range tokens {
				all = append(all, steady(map[string]string{"namespace": names[0], "model_name": names[1]}, n)(q).Series...)
			}
			return promtest.Answer{Series: all}
		}
	}
	vllm := engines(map[[2]string]float64{{"chat", "a"}: 6e6, {"chat", "b"}: 2e6, {"claims", "a"}: 1e6})
	sglang := engines(map[[2]string]float64{{"chat", "c"}: 8e6})
	r := newRig(t, func(q promtest.Query) promtest.Answer {
		switch {
		case strings.Contains(q.Expr, "sglang"):
			return sglang(q)
		case strings.Contains(q.Expr, "vllm"), strings.Contains(q.Expr, "DCGM"), strings.Contains(q.Expr, "node_gpu_hourly_cost"):
			return vllm(q)
		}
		return promtest.Answer{}
	})
	_, options, _ := strings.Cut(r.text, "options:")
	r.text = fmt.Sprintf(`sources:
  - {name: one, prometheus: {url: "%[1]s"}, pack: vllm, group_by: [namespace, model_name], hosting: self-hosted, gpus: {pack: dcgm}, backfill: 14d}
  - {name: other, prometheus: {url: "%[1]s"}, pack: sglang, group_by: [namespace, model_name], hosting: self-hosted, gpus: {pack: dcgm}, backfill: 14d}
options:%[2]s`, r.server.URL, options)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for name, want := range map[string]float64{"chat/a": 3, "chat/b": 1, "chat/c": 4, "claims/a": 8} {
		w := workload(t, report, name)
		if w.Usage.GPUCount == nil || math.Abs(*w.Usage.GPUCount-want) > 1e-9 {
			t.Errorf("%s: got %v GPUs, want %v", name, w.Usage.GPUCount, want)
			continue
		}
		if shared := strings.HasPrefix(name, "chat/"); shared != warned(w, gpuShared) {
			t.Errorf("%s: got %+v, want it to be said that the GPUs are shared: %v", name, w.Warnings, shared)
		} else if shared {
			sum += *w.Usage.GPUCount
		}
	}
	if math.Abs(sum-gpus) > 1e-9 {
		t.Errorf("got %v GPUs in all, want the %v of the namespace", sum, gpus)
	}
}

// held returns m with the hours of its usage as whole reads them.
func held(m metered) metered {
	start, hours, serving := m.usage.Start, m.usage.Hours, m.usage.Serving
	m.usage.Hours, m.usage.Serving = nil, nil
	m.read = func(u model.Usage) model.Usage {
		u.Start, u.Hours, u.Serving = start, hours, serving
		return u
	}
	return m
}

// acquainted lets all of a source know the GPUs of every scope that one of them knows.
func acquainted(all []metered) {
	scopes := map[string]map[string]map[string]model.Day{} // by source
	for i := range all {
		u := &all[i].usage
		if scopes[u.Source] == nil {
			scopes[u.Source] = map[string]map[string]model.Day{}
		}
		maps.Copy(scopes[u.Source], u.GPUDevices)
		u.GPUDevices = scopes[u.Source]
	}
}

// TestSharesOfGPUs holds what is shared out where nobody had tokens, where a workload is no longer measured, on two servers, while a source is away and where a workload is made
// of several series, and that hours in which another source had a workload there say nothing of the GPUs of one alone, however long ago they are.
func TestSharesOfGPUs(t *testing.T) {
	t.Parallel()
	usd := 10.0
	run := func(source, server string, tokens float64, hours int) metered {
		u := model.Usage{Source: source, Workload: source, Start: opening.Add(-48 * time.Hour).Truncate(time.Hour), GPUScope: "namespace chat", GPU: &model.GPU{Count: 4, USDPerHour: &usd}}
		for h := range 48 {
			hour := model.Hour{}
			if h >= 48-hours {
				hour = model.Hour{Coverage: 1, Tokens: model.Volume{model.Input: model.Tokens(tokens), model.CacheRead: 1e9}}
			}
			u.Hours = append(u.Hours, hour)
			u.Serving = append(u.Serving, model.Serving{GPUs: 4})
		}
		return held(metered{usage: u, server: server})
	}
	all := []metered{run("a", "s", 0, 48), run("b", "s", 0, 12), run("c", "other", 5, 48), run("d", "s", 5, 0)}
	shareGPUs(all, opening)
	for i, want := range []float64{2, 2, 4} {
		if g := all[i].usage.GPU; g == nil || g.Count != want || *g.USDPerHour != usd*want/4 {
			t.Errorf("%s: got %+v, want %v GPUs", all[i].usage.Workload, g, want)
		}
	}
	if all[3].usage.GPU != nil {
		t.Errorf("got %+v of what is not measured any more", all[3].usage.GPU)
	}
	if s := all[0].whole().Serving; s[0].GPUs != 4 || s[47].GPUs != 0 || all[2].whole().Serving[47].GPUs != 4 {
		t.Errorf("got %v and %v GPUs of a alone before and while b ran, want 4 and 0", s[0].GPUs, s[47].GPUs)
	}
	away := []metered{run("a", "s", 30, 48), run("b", "s", 10, 48)}
	for i, gpus := range []float64{3, 1} { // the other one's source cannot be read since six hours
		found := slices.Clone(away)
		other := &found[1-i]
		other.outage, other.usage.GPU = "gone", nil
		other.then(func(u model.Usage) model.Usage {
			u.Hours = slices.Concat(u.Hours[:42], make([]model.Hour, 6))
			return u
		})
		shareGPUs(found, opening)
		if g := found[i].usage.GPU; g == nil || math.Abs(g.Count-gpus) > 1e-9 || found[i].whole().Serving[30].GPUs != 0 || other.usage.GPU != nil {
			t.Errorf("%s while the other is away: got %+v, want %v GPUs, and none that were its alone", found[i].usage.Workload, g, gpus)
		}
	}
	parts := []metered{run("a", "s", 30, 48), run("a", "s", 10, 48), run("b", "s", 40, 48)}
	parts[0].stanza.Name, parts[1].stanza.Name, parts[1].usage.Labels = "one", "one", map[string]string{"model": "x"}
	shareGPUs(parts, opening)
	for _, m := range named(parts) {
		if g := m.usage.GPU; g == nil || math.Abs(g.Count-2) > 1e-9 || len(m.usage.Warnings) != 1 || !strings.Contains(m.usage.Warnings[0].Text, "2 workloads run on the 4 GPUs in namespace chat: 50%") {
			t.Errorf("%s: got %+v, warnings %v; want half of the GPUs, said once", m.usage.Workload, g, m.usage.Warnings)
		}
	}
	past := []metered{run("a", "s", 5, 48), run("b", "s", 5, 48)}
	past[1].then(func(u model.Usage) model.Usage {
		u.Hours = slices.Concat(u.Hours[:12], make([]model.Hour, 36))
		return u
	})
	shareGPUs(past, opening)
	if s := past[0].whole().Serving; s[11].GPUs != 0 || s[12].GPUs != 4 {
		t.Errorf("got %v and %v GPUs of a alone while b ran and after it ended, want 0 and 4", s[11].GPUs, s[12].GPUs)
	}
	if usd != 10 {
		t.Error("what the collector found was changed")
	}
}

// TestOverlappingGPUs holds that GPUs which two sources join by other labels, or which are in two namespaces, are counted once: what the workloads have adds up to the cards
// that there are, in proportion to the tokens of each one's cards, and dollars with them.
func TestOverlappingGPUs(t *testing.T) {
	t.Parallel()
	usd := 2.0
	run := func(source, scope string, tokens float64, devices map[string]model.Day) metered {
		count := 0.0
		for _, seen := range devices {
			count += seen.Mean()
		}
		cost := usd * count
		u := model.Usage{Source: source, Workload: source + scope, Start: opening.Add(-24 * time.Hour).Truncate(time.Hour), GPUScope: scope, GPUDevices: map[string]map[string]model.Day{scope: devices}, GPU: &model.GPU{Count: count, USDPerHour: &cost}}
		for range 24 {
			u.Hours = append(u.Hours, model.Hour{Coverage: 1, Tokens: model.Volume{model.Output: model.Tokens(tokens)}})
			u.Serving = append(u.Serving, model.Serving{GPUs: count})
		}
		return held(metered{usage: u, server: "s"})
	}
	during := func(from, to int, ids ...string) map[string]model.Day { // hours of the day
		seen := map[string]model.Day{}
		for _, id := range ids {
			var day model.Day
			for hour := from; hour < to; hour++ {
				day[hour] = 1
			}
			seen[id] = day
		}
		return seen
	}
	cards := func(ids ...string) map[string]model.Day { return during(0, 24, ids...) }
	for _, test := range []struct {
		name string
		all  []metered
		want []float64
	}{
		{"one has some of the other's", []metered{run("a", "namespace chat", 8, cards("1", "2", "3", "4")), run("b", "app bot", 4, cards("3", "4"))}, []float64{3, 1}},
		{"three at one card", []metered{run("a", "x", 1, cards("1")), run("b", "y", 1, cards("1")), run("c", "z", 2, cards("1"))}, []float64{0.25, 0.25, 0.5}},
		{"two namespaces of one source", []metered{run("a", "x", 6, cards("1")), run("a", "y", 2, cards("1"))}, []float64{0.75, 0.25}},
		{"two workloads of one scope", []metered{run("a", "x", 1, cards("1", "2")), run("a", "x", 3, cards("1", "2")), run("b", "y", 4, cards("1", "2"))}, []float64{0.25, 0.75, 1}},
		{"no tokens at all", []metered{run("a", "x", 0, cards("1")), run("b", "y", 0, cards("1"))}, []float64{0.5, 0.5}},
		{"one that came in the afternoon", []metered{run("a", "x", 2, cards("1")), run("b", "y", 1, during(12, 24, "1"))}, []float64{0.75, 0.25}},
		{"a card that moved", []metered{run("a", "x", 9, during(0, 6, "1")), run("b", "y", 1, during(6, 24, "1"))}, []float64{0.25, 0.75}},
		{"a card that moved, with an hour of both", []metered{run("a", "x", 7, during(0, 7, "1")), run("b", "y", 18, during(6, 24, "1"))}, []float64{6.5 / 24, 17.5 / 24}},
		{"nothing in common", []metered{run("a", "x", 1, cards("1")), run("b", "y", 1, cards("2"))}, []float64{1, 1}},
		{"not known one by one", []metered{run("a", "x", 1, cards("1")), run("b", "y", 1, nil)}, []float64{1, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			acquainted(test.all)
			shareGPUs(test.all, opening)
			for i, want := range test.want {
				u := test.all[i].usage
				if math.Abs(u.GPU.Count-want) > 1e-9 || math.Abs(*u.GPU.USDPerHour-usd*want) > 1e-9 {
					t.Errorf("%s: got %v GPUs for %v dollars, want %v", u.Workload, u.GPU.Count, *u.GPU.USDPerHour, want)
				}
			}
		})
	}
	left := run("a", "x", 6, cards("1", "2"))
	left.usage.GPUDevices["batch"], left.usage.GPUDevices["web"] = during(0, 12, "1"), during(0, 6, "1")
	other := run("a", "y", 2, cards("1"))
	all := []metered{left, other}
	acquainted(all)
	shareGPUs(all, opening)
	const nobodys = 0.25*2/4 + 0.25/3 // beside x and y two others in six hours, and one in six
	for i, want := range []float64{1 + 0.6*(1-nobodys), 0.4 * (1 - nobodys)} {
		u, of := all[i].usage, []float64{2, 1}[i]
		said := fmt.Sprintf("some of the %v GPUs in %s are those in batch and web too, without a workload that was measured: %.4g of them are nobody's, an equal part of every hour",
			of, u.GPUScope, []float64{0.6, 0.4}[i]*nobodys)
		if math.Abs(u.GPU.Count-want) > 1e-9 || len(u.Warnings) != 1 || !strings.HasSuffix(u.Warnings[0].Text, said) {
			t.Errorf("%s beside pods of no workload: got %v GPUs and %v, want %v and %q", u.GPUScope, u.GPU.Count, u.Warnings, want, said)
		}
		if s := all[i].summarize(all[i].whole(), opening); s.GPUCountNobodys == nil || *s.GPUCountNobodys != u.GPU.Nobodys {
			t.Errorf("%s: a report says %v of nobody's, want %v", u.GPUScope, s.GPUCountNobodys, u.GPU.Nobodys)
		}
	}
	sum, rest := 0.0, 0.0
	for _, m := range all {
		sum, rest = sum+m.usage.GPU.Count+m.usage.GPU.Nobodys, rest+m.usage.GPU.Nobodys
	}
	if math.Abs(rest-nobodys) > 1e-9 || math.Abs(sum-2) > 1e-9 {
		t.Errorf("got %v GPUs of nobody and %v with them, want %v and both", rest, sum, nobodys)
	}
	byApp := run("b", "app bot", 4, cards("1"))
	byApp.usage.GPUsBy = "cards by app"
	unlike := []metered{run("a", "x", 4, cards("1")), byApp}
	unlike[0].usage.GPUDevices["batch"] = cards("1") // the namespace of app bot, for all that is known
	shareGPUs(unlike, opening)
	if a, b := unlike[0].usage.GPU.Count, unlike[1].usage.GPU.Count; math.Abs(a-0.5) > 1e-9 || math.Abs(b-0.5) > 1e-9 {
		t.Errorf("got %v and %v GPUs where another source may have what no workload has, want a half for each", a, b)
	}
	all = []metered{run("a", "namespace chat", 8, cards("1", "2", "3", "4")), run("b", "app bot", 4, cards("3", "4"))}
	shareGPUs(all, opening)
	const want = "some of the 4 GPUs in namespace chat are those in app bot too: 3 of them are counted here, by the tokens of the last day"
	if w := all[0].usage.Warnings; len(w) != 1 || w[0].Code != gpuShared || w[0].Text != want {
		t.Errorf("got %+v, want %q", w, want)
	}
	if s := all[0].whole().Serving; s[3].GPUs != 0 {
		t.Errorf("got %v GPUs of one alone, of which some are another source's", s[3].GPUs)
	}
}

// TestGPUsOfOtherKinds holds that the number of GPUs is said to be unsure where one source counts cards and another containers that hold some, on the same server and by
// other labels, and nowhere else.
func TestGPUsOfOtherKinds(t *testing.T) {
	t.Parallel()
	run := func(source, server, scope, by string) metered {
		u := model.Usage{Source: source, Workload: source, Start: opening.Add(-24 * time.Hour).Truncate(time.Hour), GPUScope: scope, GPUsBy: by, GPU: &model.GPU{Count: 4}}
		for range 24 {
			u.Hours = append(u.Hours, model.Hour{Coverage: 1, Tokens: model.Volume{model.Output: 1}})
			u.Serving = append(u.Serving, model.Serving{GPUs: 4})
		}
		return held(metered{usage: u, server: server})
	}
	for _, test := range []struct {
		other  metered
		unsure bool
	}{
		{run("b", "s", "app bot", "containers by app"), true},
		{run("b", "other", "app bot", "containers by app"), false},
		{run("b", "s", "app bot", "cards by app"), false},
		{run("b", "s", "namespace bot", "containers by namespace"), false},
	} {
		all := []metered{run("a", "s", "namespace chat", "cards by namespace"), test.other}
		shareGPUs(all, opening)
		for _, m := range all {
			said := len(m.usage.Warnings) == 1 && m.usage.Warnings[0].Code == collector.GPUUnsure
			if said != test.unsure || (len(m.usage.GPU.Unsure) == 1) != test.unsure || m.usage.GPU.Count != 4 {
				t.Errorf("%s beside %s on %s: got %+v and %v, want it unsure: %v", all[0].usage.GPUsBy, test.other.usage.GPUsBy, test.other.server, m.usage.GPU, m.usage.Warnings, test.unsure)
			}
		}
	}
}

// TestUtilizationIsNotLoad holds that how busy GPUs are changes nothing but the ratio that is shown: no verdict, cost, capacity or load rests on it, be it of the current fleet or of one in question.
func TestUtilizationIsNotLoad(t *testing.T) {
	t.Parallel()
	evaluated := func(current string, busy float64) model.WorkloadReport {
		engines := steady(map[string]string{"namespace": "chat", "model_name": "a"}, 6e6)
		r := newRig(t, func(q promtest.Query) promtest.Answer {
			if !strings.Contains(q.Expr, "DCGM") {
				return engines(q)
			}
			return promtest.Answer{Series: promtest.Each(q, map[string]string{"namespace": "chat"}, func(signal string, _ time.Time) (float64, bool) {
				v, ok := map[string]float64{"gpu_count": 8, "gpu_busy": 8 * busy}[signal]
				return v, ok
			})}
		})
		_, options, _ := strings.Cut(r.text, "options:")
		r.text = fmt.Sprintf(`sources:
  - {name: one, prometheus: {url: "%s"}, pack: vllm, group_by: [namespace, model_name], hosting: self-hosted, gpus: {pack: dcgm}, backfill: 28d}
options:%s`, r.server.URL, options)
		r.replaced(t, "current: api", "current: "+current)
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return workload(t, report, "chat/a")
	}
	for _, current := range []string{"api", "fleet"} {
		idle, full := evaluated(current, 0), evaluated(current, 1)
		if i, f := idle.Usage.GPUUtilizationRatio, full.Usage.GPUUtilizationRatio; i == nil || f == nil || *i != 0 || *f != 1 {
			t.Fatalf("got %v and %v of the time busy, want 0 and 1", i, f)
		}
		if served := idle.Usage.EconomicUtilization; (served != nil) != (current == "fleet") {
			t.Errorf("on %s: got an economic utilization of %v, want one of a fleet alone", current, served)
		}
		idle.Usage.GPUUtilizationRatio, full.Usage.GPUUtilizationRatio = nil, nil
		idle.Decision.ID, full.Decision.ID = "", "" // of a receipt with all that is shown
		if diff := cmp.Diff(idle, full); diff != "" || len(idle.Options) == 0 {
			t.Errorf("on %s, %d options; GPUs that are busy changed (-idle +busy):\n%s", current, len(idle.Options), diff)
		}
	}
}
