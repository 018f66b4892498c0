// Package packs holds every metric pack against an exposition of its program, scraped by a real Prometheus engine.
package packs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// A truth is what a pack must find in the world that a run makes of some expositions. Their values are what happens between
// two scrapes, in testdata/truth.json.
type truth struct {
	Pack        string
	Expositions []string                      // the i-th replica shows the i-th of them, the others the first
	Want        map[string]map[string]float64 // per scrape and replica, by workload and class or other signal that is counted; without one it is not known
	Others      map[string]float64            // as of Want, of what counts no tokens and is no workload
	Now         map[string]float64            // of one replica at any instant, by signal
	TTFTSeconds float64                       `json:"ttft_seconds"` // 0 means that it is not looked at
	Job         string                        // of the targets; empty means the name of the pack
	Replicas    int                           // 0 means 3
	Bare        bool                          // the scrape knows jobs and instances, and no pods
	Period      string                        // of gauges that show the sum of a period; empty means counters
	Stamps      string                        // the time of such a sample, scrape or cloud
	Rename      map[string]string             // what is written otherwise in the expositions
	Set         struct {
		Period, Stamps string
		GroupBy        []string // empty means those of the pack
		CacheApart     map[string]string
	}
	Card       string   // type of every GPU; empty means that it is not said
	GPUs, Busy float64  // Busy is that of the GPUs of which it is known; 0 means of none
	Free       *float64 // share of the GPUs that the exporter shows that no pod holds; nil where it does not know pods
	USD        float64  // that the GPUs cost an hour; 0 means that it is not known
	Unsure     []string // why and how many make their number unsure, in the order of the pack
}

// exposition returns what a file of c says.
func (c truth) exposition(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range slices.Sorted(maps.Keys(c.Rename)) {
		data = bytes.ReplaceAll(data, []byte(old), []byte(c.Rename[old]))
	}
	return data
}

// target returns the scrape job.
func (c truth) target() string { return cmp.Or(c.Job, c.Pack) }

func truths(t *testing.T) []truth {
	t.Helper()
	data, err := os.ReadFile("testdata/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []truth
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryPackHasAnExposition holds that no pack is shipped without a test, and that no exposition lies about unused.
func TestEveryPackHasAnExposition(t *testing.T) {
	t.Parallel()
	tested, used := map[string]bool{}, map[string]bool{}
	for _, c := range truths(t) {
		tested[c.Pack] = true
		for _, file := range c.Expositions {
			used[file] = true
		}
	}
	for _, name := range new(collector.Library).Names() {
		if !tested[name] {
			t.Errorf("pack %s: testdata/truth.json has nothing to test it with", name)
		}
	}
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d expositions: %v", len(files), err)
	}
	for _, file := range files {
		if !used[filepath.Base(file)] {
			t.Errorf("%s is not in testdata/truth.json", file)
		}
	}
}

// TestPacks holds that what a collector reads with a pack is what happened, through restarts, a gap, replicas that come late
// and go, and upgrades under way; and that each signal of the pack has a truth in one of its expositions.
func TestPacks(t *testing.T) {
	t.Parallel()
	cases := map[string][]truth{}
	for _, c := range truths(t) {
		cases[c.Pack] = append(cases[c.Pack], c)
	}
	for _, name := range new(collector.Library).Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := map[string]bool{} // against a truth, by signal
			for _, c := range cases[name] {
				w := build(t, c)
				if c.GPUs > 0 {
					w.checkGPUs(t)
				} else {
					w.checkTotals(t)
				}
				if w.Replicas > 1 && w.GPUs == 0 {
					w.checkUnattributed(t)
				}
				w.try(t, held)
				w.probe(t)
				w.discover(t)
			}
			for signal, ok := range held {
				if !ok {
					t.Errorf("%s: none of the expositions has it together with a truth", signal)
				}
			}
		})
	}
}

// The worlds last four hours, scraped every minute.
const (
	minutes  = 4 * 60
	restarts = 83  // the first replica begins again at zero after this minute, and after twice as many
	gapFrom  = 125 // the second one is not scraped from this minute
	gapTo    = 150
	born     = 90  // the third one begins at this minute
	replaced = 195 // and another takes its place at this one
)

var start = time.Date(2026, 9, 3, 0, 0, 0, 0, time.UTC)

// A world is an engine that has scraped the replicas of a case for four hours.
type world struct {
	truth
	client http.RoundTripper
	steps  float64 // increments of all replicas together, of each value of the expositions
}

func build(t *testing.T, c truth) *world {
	t.Helper()
	e, err := engine.Open(func() time.Time { return start.Add(minutes * time.Minute) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{truth: c, client: handler{e.Handler()}}
	period := time.Minute
	if c.Period != "" {
		if period, err = time.ParseDuration(c.Period); err != nil {
			t.Fatal(err)
		}
	}
	if w.Replicas == 0 {
		w.Replicas = 3
	}
	if w.GPUs > 0 {
		w.Replicas = 1
	}
	for replica := range w.Replicas {
		s := newScraper(t, e, c, replica)
		for minute := 0; minute <= minutes; minute++ {
			if c.Period != "" {
				w.steps += s.period(t, minute, int(period.Minutes()))
			} else {
				w.steps += s.count(t, minute)
			}
		}
	}
	return w
}

// A scraper brings what one replica shows into an engine.
type scraper struct {
	truth
	engine     *engine.Engine
	replica    int
	exposition []byte
	counters   map[string]bool // names of families that grow
	target     map[string]string
}

func newScraper(t *testing.T, e *engine.Engine, c truth, replica int) *scraper {
	t.Helper()
	file := c.Expositions[0]
	if replica < len(c.Expositions) {
		file = c.Expositions[replica]
	}
	data := c.exposition(t, file)
	s := &scraper{truth: c, engine: e, replica: replica, exposition: data, counters: map[string]bool{}}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		// A comment says of a gauge that it grows like a counter.
		if len(fields) == 4 && fields[1] == "TYPE" && (fields[3] == "counter" || fields[3] == "histogram") || len(fields) == 3 && fields[1] == "GROWS" {
			s.counters[strings.Trim(fields[2], `"`)] = true
		}
	}
	job := c.target()
	name := c.Pack + "-" + string(rune('0'+replica))
	s.target = map[string]string{"job": job, "instance": name + ":8000"}
	if !c.Bare {
		maps.Copy(s.target, map[string]string{"namespace": "ns", "service": c.Pack, "pod": name})
	}
	return s
}

// grows tells whether the values of a metric are counted.
func (s *scraper) grows(name string) bool {
	if s.counters[name] {
		return true
	}
	for _, suffix := range []string{"_total", "_sum", "_count", "_bucket"} {
		if family, ok := strings.CutSuffix(name, suffix); ok && s.counters[family] {
			return true
		}
	}
	return false
}

func (s *scraper) ingest(t *testing.T, at time.Time, change func(name string, value float64) float64) {
	t.Helper()
	target := s.target
	if s.GPUs > 0 { // the exporter knows its own namespace, and the scrape keeps it
		target = map[string]string{"job": s.target["job"], "instance": s.target["instance"]}
	}
	if err := s.engine.Ingest(s.exposition, at, target, change); err != nil {
		t.Fatal(err)
	}
}

// count scrapes counters at the minute and returns by how many increments they grew since the last one.
func (s *scraper) count(t *testing.T, minute int) float64 {
	t.Helper()
	shown, grown := minute, 1
	switch {
	case s.replica == 0:
		shown = minute % restarts
		if shown == 0 && minute > 0 {
			shown = restarts
		}
	case s.replica == 1 && minute > gapFrom && minute < gapTo:
		return 1
	case s.replica == 2 && minute < born:
		return 0
	case s.replica == 2 && minute <= replaced:
		shown = minute - born
	case s.replica == 2:
		shown = minute - replaced
	}
	if shown == 0 {
		grown = 0
	}
	s.scrape(t, minute, shown)
	if s.replica == 2 && minute == replaced {
		s.target["instance"] = "other:8000"
		if !s.Bare {
			s.target["pod"] = "other"
		}
		s.scrape(t, minute, 0)
	}
	return float64(grown)
}

func (s *scraper) scrape(t *testing.T, minute, shown int) {
	t.Helper()
	s.ingest(t, start.Add(time.Duration(minute)*time.Minute), func(name string, value float64) float64 {
		if s.grows(name) {
			return value * float64(shown)
		}
		return value
	})
}

// period scrapes gauges that show the sum of a period, every other one of which is idle. A cloud's own time is the beginning of
// the period, and it shows nothing when idle; at the time of a scrape the last complete period is shown, a zero when idle.
func (s *scraper) period(t *testing.T, minute, period int) float64 {
	t.Helper()
	if s.replica == 2 && minute <= born {
		return 0
	}
	at := start.Add(time.Duration(minute) * time.Minute)
	begins := minute%period == 0
	if s.Stamps == "cloud" {
		if !begins || minute/period%2 != 0 || minute == minutes {
			return 0
		}
		s.ingest(t, at, nil)
		return 1
	}
	busy := minute > 0 && (minute-1)/period%2 == 0
	s.ingest(t, at, func(_ string, value float64) float64 {
		if busy {
			return value
		}
		return 0
	})
	if busy && begins {
		return 1
	}
	return 0
}

func (w *world) settings() collector.Settings {
	s := collector.Settings{
		Name: w.Pack, URL: "http://prometheus", Client: w.client, Pack: w.Pack, Backfill: 4 * time.Hour,
		Stamps: w.Set.Stamps, GroupBy: w.Set.GroupBy, CacheApart: w.Set.CacheApart,
	}
	if w.Set.Period != "" {
		s.Period, _ = time.ParseDuration(w.Set.Period)
	}
	return s
}

// checkTotals lets a collector read the world and compares what it found with what happened.
func (w *world) checkTotals(t *testing.T) {
	t.Helper()
	result := collect(t, w.settings())
	for _, warning := range result.Warnings {
		t.Errorf("%v: unexpected warning %v", w.Expositions, warning)
	}
	names := []string{}
	for _, u := range result.Usage {
		names = append(names, u.Workload)
		want := w.Want[u.Workload]
		got := map[string]float64{}
		for i, h := range u.Hours {
			for class, tokens := range h.Tokens {
				got[model.Class(class).String()] += float64(tokens)
			}
			got["requests"] += h.Requests
			if h.Coverage < 0.9 {
				t.Errorf("%v: %s: hour %d has coverage %v", w.Expositions, u.Workload, i, h.Coverage)
			}
		}
		for what := range got {
			if truth := want[what] * w.steps; math.Abs(got[what]-truth) > 0.002*truth {
				t.Errorf("%v: %s: %s: got %v, want %v", w.Expositions, u.Workload, what, got[what], truth)
			}
		}
		for what, got := range map[string]*float64{"errors": u.Failed, "retries": u.Retried} {
			each, counts := want[what]
			if (got != nil) != counts || counts && math.Abs(*got-each*w.steps) > 0.005*each*w.steps {
				t.Errorf("%v: %s: %s: got %v, want %v, known %v", w.Expositions, u.Workload, what, got, each*w.steps, counts)
			}
		}
		if w.TTFTSeconds > 0 && (u.TTFTP95 == nil || math.Abs(u.TTFTP95.Seconds()-w.TTFTSeconds) > 0.001) {
			t.Errorf("%v: %s: time to first token: got %v, want %v s", w.Expositions, u.Workload, u.TTFTP95, w.TTFTSeconds)
		}
		w.checkPrompts(t, u)
		w.checkDoubts(t, u)
	}
	w.checkServing(t, result.Usage)
	if want := slices.Sorted(maps.Keys(w.Want)); !slices.Equal(names, want) {
		t.Errorf("%v: got workloads %q, want %q", w.Expositions, names, want)
	}
}

// checkPrompts compares how many prompts there were, and the tokens of all of them, with what happened.
func (w *world) checkPrompts(t *testing.T, u model.Usage) {
	t.Helper()
	want := w.Want[u.Workload]
	each, counted := want["prompt_lengths"]
	if !counted {
		return
	}
	if u.Prompts == nil {
		t.Errorf("%v: %s: got no lengths of prompts", w.Expositions, u.Workload)
		return
	}
	var requests float64
	for _, n := range u.Prompts.Requests {
		requests += n
	}
	tokens := (want["input"] + want["cache_read"] + want["cache_write"]) * w.steps
	if math.Abs(requests-each*w.steps) > 0.005*each*w.steps || math.Abs(u.Prompts.Tokens-tokens) > 0.005*tokens {
		t.Errorf("%v: %s: got %v prompts of %v tokens, want %v of %v", w.Expositions, u.Workload, requests, u.Prompts.Tokens, each*w.steps, tokens)
	}
}

// checkDoubts holds that what is not known, or not for certain, is said.
func (w *world) checkDoubts(t *testing.T, u model.Usage) {
	t.Helper()
	want := w.Want[u.Workload]
	said := func(code string) bool {
		return slices.ContainsFunc(u.Warnings, func(warning model.Warning) bool { return warning.Code == code })
	}
	_, split := want["cache_read"]
	_, doubtful := want["cache_read_doubtful"]
	_, requests := want["requests"]
	for code, want := range map[string]bool{
		collector.CacheSplitUnknown: !split, collector.CacheSplitDoubtful: doubtful, collector.RequestsUnknown: !requests,
	} {
		if said(code) != want {
			t.Errorf("%v: %s: got %v, want %s among them: %v", w.Expositions, u.Workload, u.Warnings, code, want)
		}
	}
}

// checkServing compares what is kept of the engines with what they showed: two replicas in the first hour; of hours in which one comes or
// another takes its place no number is known.
func (w *world) checkServing(t *testing.T, usage []model.Usage) {
	t.Helper()
	d, err := (*collector.Library)(nil).Describe(w.Pack)
	if err != nil {
		t.Fatal(err)
	}
	_, queue := w.Now["waiting"]
	for _, u := range usage {
		if d.Layer != collector.EngineLayer {
			if u.Serving != nil {
				t.Errorf("%v: %s: got %+v, want nothing of engines", w.Expositions, u.Workload, u.Serving)
			}
			continue
		}
		if len(u.Serving) != 4 || len(usage) > 1 {
			t.Fatalf("%v: %s: got %d hours of engines, want 4 of one workload", w.Expositions, u.Workload, len(u.Serving))
		}
		first := u.Serving[0]
		want := [4]float64{2, 0, 0, 0} // the gap of the second and the coming and going of the third
		if w.Replicas < 3 {
			want = [4]float64{float64(w.Replicas), float64(w.Replicas), 0, float64(w.Replicas)}
		}
		if w.Replicas == 1 {
			want[2] = 1
		}
		for i, h := range u.Serving {
			if h.Replicas != want[i] {
				t.Errorf("%v: hour %d: got %v replicas, want %v", w.Expositions, i, h.Replicas, want[i])
			}
		}
		if w.TTFTSeconds > 0 && math.Abs(first.TTFTP95.Seconds()-w.TTFTSeconds) > 0.001 {
			t.Errorf("%v: got a time to first token of %v, want %v s", w.Expositions, first.TTFTP95, w.TTFTSeconds)
		}
		if first.Queued != queue {
			t.Errorf("%v: the queue is known: got %v, want %v", w.Expositions, first.Queued, queue)
		}
		if want := w.Now["waiting"] * want[0]; math.Abs(first.Waiting-want) > 1e-9 {
			t.Errorf("%v: got %v waiting in the first hour, want %v", w.Expositions, first.Waiting, want)
		}
	}
}

func collect(t *testing.T, s collector.Settings) collector.Result {
	t.Helper()
	return collectAt(t, s, start.Add((minutes+25)*time.Minute))
}

func collectAt(t *testing.T, s collector.Settings, now time.Time) collector.Result {
	t.Helper()
	c, err := collector.New(s, storetest.Open(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Collect(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range result.Usage {
		result.Usage[i] = c.Read(u, now)
	}
	return result
}

// checkUnattributed lets a collector select one replica: the share of tokens that no workload has is that of the others.
func (w *world) checkUnattributed(t *testing.T) {
	t.Helper()
	tokens := func(r collector.Result) (sum float64) {
		for _, u := range r.Usage {
			for _, h := range u.Hours {
				for _, class := range h.Tokens {
					sum += float64(class)
				}
			}
		}
		return sum
	}
	dark := func(r collector.Result) float64 {
		if r.Unattributed == nil {
			return math.NaN()
		}
		return float64(*r.Unattributed)
	}
	one, other := w.Pack+"-1:8000", "other:8000"
	s := w.settings()
	whole := collect(t, s)
	s.Select = map[string]string{"instance": one}
	part := collect(t, s)
	if got := dark(whole); got != 0 {
		t.Errorf("%v: nothing selected: got %v, want 0", w.Expositions, got)
	}
	want := 1 - tokens(part)/tokens(whole)
	if got := dark(part); !(math.Abs(got-want) <= 0.01) || !(want > 0.2) {
		t.Errorf("%v: one replica of %d: got %v, want %v", w.Expositions, w.Replicas, got, want)
	}
	s.Siblings = []map[string]string{{"instance": one, "job": w.target()}, {"instance": one}}
	if got := dark(collect(t, s)); !(math.Abs(got-want) <= 0.01) {
		t.Errorf("%v: one replica of %d, selected three times: got %v, want %v", w.Expositions, w.Replicas, got, want)
	}
	s.Siblings = []map[string]string{{"instance": other}}
	for i := range w.Replicas {
		if name := w.Pack + "-" + strconv.Itoa(i) + ":8000"; name != one {
			s.Siblings = append(s.Siblings, map[string]string{"instance": name})
		}
	}
	if got := dark(collect(t, s)); !(math.Abs(got) <= 0.001) {
		t.Errorf("%v: one replica of %d, the others selected elsewhere: got %v, want 0", w.Expositions, w.Replicas, got)
	}
}

// hoursOfGPUs is at how many full hours of a world its GPUs are looked for one by one.
const hoursOfGPUs = 5

// checkGPUs lets a collector count the GPUs of the one workload that the scrape job is.
func (w *world) checkGPUs(t *testing.T) {
	t.Helper()
	s := w.settings()
	something := "count by (job) (last_over_time({job=\"" + w.Pack + "\"}[$__window]))"
	s.Pack, s.Queries = "", &collector.Queries{Input: something, Output: something}
	s.GroupBy, s.GPUs = []string{"job"}, &collector.GPUs{Pack: w.Pack, Join: []string{"job"}}
	result := collect(t, s)
	usage := result.Usage
	if len(usage) != 1 || usage[0].GPU == nil {
		t.Fatalf("%v: got %+v, want one workload with GPUs", w.Expositions, usage)
	}
	free := math.NaN()
	if result.GPUsFree != nil {
		free = float64(*result.GPUsFree)
	}
	if w.Free == nil && !math.IsNaN(free) || w.Free != nil && !(math.Abs(free-*w.Free) < 1e-9) {
		t.Errorf("%v: got %v as the share of GPUs that no pod holds", w.Expositions, free)
	}
	gpu, busy := usage[0].GPU, 0.0
	if gpu.Utilization != nil {
		busy = gpu.Count * float64(gpu.Coverage**gpu.Utilization)
	}
	if (gpu.USDPerHour != nil) != (w.USD > 0) || w.USD > 0 && math.Abs(*gpu.USDPerHour-w.USD) > 1e-9 {
		t.Errorf("%v: got a cost of %v USD/h, want %v", w.Expositions, gpu.USDPerHour, w.USD)
	}
	if gpu.Count != w.GPUs || math.Abs(busy-w.Busy) > 1e-9 || (gpu.Utilization == nil) != (w.Busy == 0) {
		t.Errorf("%v: got %+v, %v of them busy, want %v and %v", w.Expositions, gpu, busy, w.GPUs, w.Busy)
	}
	var devices float64
	for _, hours := range usage[0].GPUDevices[usage[0].GPUScope] {
		devices += hours.Mean() * 24 / hoursOfGPUs
	}
	if math.Abs(devices-w.GPUs) > 1e-9 {
		t.Errorf("%v: one by one got %v, which are %v GPUs, want %v", w.Expositions, usage[0].GPUDevices, devices, w.GPUs)
	}
	var unsure, because []string
	for _, warning := range usage[0].Warnings {
		if text, said := strings.CutPrefix(warning.Text, "how many GPUs there are in job "+w.Pack+" is unsure ("); said && warning.Code == collector.GPUUnsure {
			reason, text, _ := strings.Cut(text, "): ")
			many, _, _ := strings.Cut(text, " ")
			unsure, because = append(unsure, reason+" "+many), append(because, reason)
		}
	}
	slices.Sort(because)
	if !slices.Equal(unsure, w.Unsure) || !slices.Equal(gpu.Unsure, slices.Compact(because)) {
		t.Errorf("%v: got %q, and that their number is unsure because of %q, want %q", w.Expositions, unsure, gpu.Unsure, w.Unsure)
	}
}

// TestPodsOfAnExporter holds that the labels of pods that hold GPUs are those of a workload, by whatever name the exporter calls them.
func TestPodsOfAnExporter(t *testing.T) {
	t.Parallel()
	w := build(t, truth{Pack: "gaudi", Expositions: []string{"gaudi.prom"}})
	s := w.settings()
	team := "label_replace(count by (job) (last_over_time({job=\"gaudi\"}[$__window])), \"namespace\", \"team\", \"\", \"\")"
	s.Pack, s.Queries = "", &collector.Queries{Input: team, Output: team}
	s.GroupBy, s.GPUs = []string{"namespace"}, &collector.GPUs{Pack: w.Pack, Join: []string{"namespace"}}
	usage := collect(t, s).Usage
	if len(usage) != 1 || usage[0].GPU == nil || usage[0].GPU.Count != 2 || len(usage[0].GPUDevices[usage[0].GPUScope]) != 2 {
		t.Errorf("got %+v, want a workload with the two cards that pods of its namespace hold", usage)
	}
}

// try lets every signal of the pack be looked for, compares what is found with what happened, and notes of which signals that was known.
func (w *world) try(t *testing.T, held map[string]bool) {
	t.Helper()
	want := map[string]float64{}
	for _, workload := range w.Want {
		for what, each := range workload {
			want[what] += each * w.steps
		}
	}
	for what, each := range w.Others {
		want[what] += each * w.steps
	}
	if w.TTFTSeconds > 0 {
		want["ttft_p95"] = w.TTFTSeconds
	}
	for what, each := range w.Now {
		want[what] = each
		if what != "cache_usage" { // that of the fullest
			want[what] *= float64(w.Replicas)
		}
	}
	if w.GPUs > 0 {
		want["gpu_count"], want["gpu_busy"] = w.GPUs, w.Busy
	}
	readings, sent, err := collector.Try(t.Context(), w.settings(), start.Add(minutes*time.Minute))
	if err != nil {
		t.Fatalf("%v: %v", w.Expositions, err)
	}
	if sent > 3*len(readings) {
		t.Errorf("%v: got %d queries for %d signals, want at most three each", w.Expositions, sent, len(readings))
	}
	for _, r := range readings {
		if _, shown := w.Now[r.Signal]; shown && r.Series == 0 {
			t.Errorf("%v: %s: got no series", w.Expositions, r.Signal)
		}
		truth, known := want[r.Signal]
		held[r.Signal] = held[r.Signal] || r.Series > 0 && known
		if r.Series > 0 && (len(r.Metrics) == 0 || r.Workloads == 0 || math.IsNaN(r.Value)) {
			t.Errorf("%v: got %+v, want a metric, a workload and a value", w.Expositions, r)
		}
		if r.Series > 0 && len(r.Labels) == 0 {
			t.Errorf("%v: %s: got no labels", w.Expositions, r.Signal)
		}
		if r.Signal == "input" { // with or without the cache, as the program counts it; checkTotals knows
			continue
		}
		if r.Series > 0 && known && !(math.Abs(r.Value-truth) <= 0.005*truth) {
			t.Errorf("%v: %s: got %v, want %v", w.Expositions, r.Signal, r.Value, truth)
		}
	}
}

// probe asks how the source is: of the eight hours that are wanted its history has four.
func (w *world) probe(t *testing.T) {
	t.Helper()
	s := w.settings()
	s.Backfill = 8 * time.Hour
	h, err := collector.Probe(t.Context(), s, start.Add(minutes*time.Minute))
	if err != nil {
		t.Fatalf("%v: %v", w.Expositions, err)
	}
	if h.Reaches != 4*time.Hour || h.Ahead || h.Twice != 0 || len(h.Readings) == 0 || h.Sent > 3*len(h.Readings)+8 {
		t.Errorf("%v: got %+v, want a history of four hours, and nothing scraped twice", w.Expositions, h)
	}
}

// handler serves requests without a socket.
type handler struct{ http.Handler }

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// memory is a history that is forgotten.
// TestBeyondTheLastBucket holds that a time to first token above the highest bound of its histogram is not taken for that bound, under which
// a limit could be.
func TestBeyondTheLastBucket(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		inside float64 // of 100 requests, those within the highest bound of 5 s
		want   time.Duration
	}{{90, time.Hour}, {100, 4750 * time.Millisecond}} {
		e, err := engine.Open(func() time.Time { return start.Add(minutes * time.Minute) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		const exposition = `# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{model_name="m"} 1000
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{model_name="m"} 100
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{model_name="m",le="5"} 1
vllm:time_to_first_token_seconds_bucket{model_name="m",le="+Inf"} 100
vllm:time_to_first_token_seconds_count{model_name="m"} 100
vllm:time_to_first_token_seconds_sum{model_name="m"} 300
`
		for minute := 0; minute <= minutes; minute++ {
			target := map[string]string{"job": "vllm", "namespace": "ns", "instance": "a:8000"}
			err := e.Ingest([]byte(exposition), start.Add(time.Duration(minute)*time.Minute), target, func(_ string, value float64) float64 {
				if value == 1 {
					value = tc.inside
				}
				return value * float64(minute)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		w := &world{truth: truth{Pack: "vllm"}, client: handler{e.Handler()}}
		usage := collect(t, w.settings()).Usage
		if len(usage) != 1 || len(usage[0].Serving) != 4 {
			t.Fatalf("got %+v, want four hours of one workload", usage)
		}
		if got := usage[0].Serving[1]; got.TTFTP95 != tc.want || got.Replicas != 1 {
			t.Errorf("%v of 100 within the highest bound: got %+v, want %s", tc.inside, got, tc.want)
		}
	}
}
