package packs

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/draft"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
)

// discover lets the world be searched: the pack of the case is found with all that it counted, or one that knows the same names, and a
// configuration is written that is good.
func (w *world) discover(t *testing.T) {
	t.Helper()
	now := start.Add(minutes * time.Minute)
	d, err := collector.Discover(t.Context(), collector.Settings{URL: "http://prometheus", Client: w.client}, now)
	if err != nil {
		t.Fatal(err)
	}
	if d.Queries > 6 {
		t.Errorf("%v: got %d queries, want few", w.Expositions, d.Queries)
	}
	if w.GPUs > 0 {
		var count float64
		for _, c := range d.Cards {
			if c.Pack == w.Pack {
				count += c.Count
				if c.Type != w.Card {
					t.Errorf("%v: got %q GPUs, want %q", w.Expositions, c.Type, w.Card)
				}
			}
		}
		if math.Abs(count-w.GPUs) > 1e-9 {
			t.Errorf("%v: got %+v, want %v GPUs", w.Expositions, d.Cards, w.GPUs)
		}
		return
	}
	i := slices.IndexFunc(d.Metered, func(m collector.Metered) bool {
		return m.Pack == w.Pack || slices.Contains(m.Rivals, w.Pack)
	})
	if len(d.Metered) != 1 || i != 0 {
		t.Fatalf("%v: got %+v, want the pack %s alone", w.Expositions, d.Metered, w.Pack)
	}
	m := d.Metered[0]
	var want float64
	for _, workload := range w.Want {
		for _, class := range []string{"input", "cache_read", "cache_write", "output"} {
			want += workload[class] * w.steps
		}
	}
	if got := float64(m.Tokens() / m.Scale()); m.Pack == w.Pack && w.Set.Stamps == "" && w.Set.CacheApart == nil && math.Abs(got-want) > 0.005*want {
		t.Errorf("%v: got %v tokens in %v, want %v", w.Expositions, got, m.Streams, want)
	}
	written, err := draft.Write(d, nil, draft.Server{URL: "http://prometheus"}, now)
	if err != nil {
		t.Fatalf("%v: %v", w.Expositions, err)
	}
	if written.Sources != 1 || len(w.Set.GroupBy) == 0 && written.Workloads != len(w.Want) {
		t.Errorf("%v: want a source and %d workloads in\n%s", w.Expositions, len(w.Want), written.Config)
	}
	if strings.Contains(string(written.Config), "Not placed") {
		t.Errorf("%v: something is not placed:\n%s", w.Expositions, written.Config)
	}
}

// TestDiscoverAll lets one server scrape every program: each pack is found, by the job that shows it where another knows the same names.
func TestDiscoverAll(t *testing.T) {
	t.Parallel()
	e, err := engine.Open(func() time.Time { return start.Add(minutes * time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	want, rivals := map[string]bool{}, map[string]string{"agentgateway-1.4": "agentgateway"} // which cannot be told from its successor
	for _, c := range truths(t) {
		if c.GPUs > 0 || want[c.Pack] || c.Set.Stamps != "" {
			continue
		}
		want[c.Pack] = true
		s := newScraper(t, e, c, 0)
		for minute := 0; minute <= minutes; minute += 5 {
			if c.Period != "" {
				s.ingest(t, start.Add(time.Duration(minute)*time.Minute), nil)
			} else {
				s.scrape(t, minute, minute)
			}
		}
	}
	d, err := collector.Discover(t.Context(), collector.Settings{URL: "http://prometheus", Client: handler{e.Handler()}}, start.Add(minutes*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	jobs := map[string][]string{}
	for _, m := range d.Metered {
		for _, s := range m.Streams {
			if !slices.Contains(jobs[m.Pack], s.Labels["job"]) {
				jobs[m.Pack] = append(jobs[m.Pack], s.Labels["job"])
			}
		}
	}
	for pack := range want {
		job := pack
		if pack == "nim" {
			job = "llama-nim"
		}
		if reader := cmp.Or(rivals[pack], pack); !slices.Contains(jobs[reader], job) {
			t.Errorf("the job %s is read by none of %v, want %s", job, jobs, reader)
		}
	}
	for pack, read := range jobs {
		for _, job := range read {
			if job != pack && rivals[job] != pack && job != "llama-nim" {
				t.Errorf("the pack %s reads the job %s", pack, job)
			}
		}
	}
	for _, u := range d.Unplaced {
		t.Errorf("not placed: %+v", u)
	}
	if most := len(want) + 3; d.Queries > most {
		t.Errorf("got %d queries, want at most %d", d.Queries, most)
	}
	if _, err := draft.Write(d, nil, draft.Server{URL: "http://prometheus"}, start.Add(minutes*time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestDiscoverOtherLabels holds that workloads are told apart by what an exporter calls the labels of a pack instead.
func TestDiscoverOtherLabels(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"azure-openai.prom":   {"resourceID", "dimension"},
		"azure-openai.2.prom": {"resourceID", "dimensionModelDeploymentName"},
	} {
		w := build(t, truth{Pack: "azure-openai", Expositions: []string{file}, Period: "1m", Stamps: "scrape", Replicas: 1})
		d, err := collector.Discover(t.Context(), collector.Settings{URL: "http://prometheus", Client: w.client}, start.Add(minutes*time.Minute))
		if err != nil || len(d.Metered) != 1 || !slices.Equal(d.Metered[0].GroupBy, want) {
			t.Errorf("%s: got %+v, %v, want one pack grouped by %q", file, d.Metered, err, want)
		}
	}
}
