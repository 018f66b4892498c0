package packs

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/store/storetest"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/model"
)

// TestF42_GPUsOfNoPod holds that it is said which share of an exporter's cards no pod holds, over the looks of the day, whoever holds the others and in whatever slices, and that an exporter that
// knows no pods is told from GPUs that are free.
func TestF42_GPUsOfNoPod(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pack string
		shown      func(after time.Duration) string
		free       float64
		warned     string // the beginning of the warning; empty without one
	}{
		{name: "all are held", pack: "dcgm", shown: func(time.Duration) string {
			return "DCGM_FI_DEV_GPU_UTIL{UUID=\"a\",namespace=\"ns\",pod=\"x\"} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"b\",namespace=\"web\",pod=\"y\"} 1\n"
		}},
		{name: "one of four", pack: "dcgm", free: 0.25, shown: func(time.Duration) string {
			return "DCGM_FI_DEV_GPU_UTIL{UUID=\"a\",namespace=\"ns\",pod=\"x\"} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"b\"} 1\n" +
				"DCGM_FI_DEV_FB_USED{UUID=\"c\",GPU_I_ID=\"1\",namespace=\"ns\",pod=\"y\"} 1\nDCGM_FI_DEV_FB_USED{UUID=\"c\",GPU_I_ID=\"2\"} 1\nDCGM_FI_DEV_FB_USED{UUID=\"c\"} 1\n" +
				"DCGM_FI_DEV_GPU_UTIL{UUID=\"d\",exported_namespace=\"web\",exported_pod=\"z\",pod=\"exporter\"} 1\n"
		}},
		{name: "both, for a quarter of the day", pack: "dcgm", free: 0.25, shown: func(after time.Duration) string {
			pod := ""
			if after > 6*time.Hour {
				pod = "x"
			}
			return fmt.Sprintf("DCGM_FI_DEV_GPU_UTIL{UUID=\"a\",pod=%[1]q} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"b\",pod=%[1]q} 1\n", pod)
		}},
		{name: "two of three, and the scrape gives them the exporter's pod", pack: "dcgm", free: 2.0 / 3, shown: func(time.Duration) string {
			return "up{pod=\"exporter\"} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"a\",exported_pod=\"x\",pod=\"exporter\"} 1\n" +
				"DCGM_FI_DEV_GPU_UTIL{UUID=\"b\",pod=\"exporter\"} 1\nDCGM_FI_DEV_FB_USED{UUID=\"c\",pod=\"exporter\"} 1\n"
		}},
		{name: "one of two, and the scrape leaves labels as they are", pack: "dcgm", free: 0.5, shown: func(time.Duration) string {
			return "up{pod=\"exporter\"} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"a\",pod=\"x\"} 1\nDCGM_FI_DEV_GPU_UTIL{UUID=\"b\"} 1\n"
		}},
		{name: "labels of pods are off", pack: "dcgm", free: 1, warned: "no pod held any of the 1 GPUs that the exporter showed over the last day: does it know pods (pack dcgm)? Turned on by DCGM_EXPORTER_KUBERNETES=true for the labels of pods", shown: func(time.Duration) string {
			return "DCGM_FI_DEV_GPU_UTIL{UUID=\"a\"} 1\n"
		}},
		{name: "an exporter of hosts", pack: "nvidia-smi", free: math.NaN(), shown: func(time.Duration) string { return "nvidia_smi_utilization_gpu_ratio{uuid=\"a\"} 1\n" }},
	} {
		end := start.Add(24 * time.Hour)
		server := scraped(t, end, func(after time.Duration) string {
			return "vllm:prompt_tokens_total{model_name=\"m\"} 100\nvllm:generation_tokens_total{model_name=\"m\"} 10\n" + tc.shown(after)
		})
		r := collectAt(t, collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: server, Pack: "vllm", GroupBy: []string{"namespace"}, GPUs: &collector.GPUs{Pack: tc.pack}, Backfill: 2 * time.Hour,
		}, end.Add(3*time.Minute))
		free := math.NaN()
		if r.GPUsFree != nil {
			free = float64(*r.GPUsFree)
		}
		if math.IsNaN(free) != math.IsNaN(tc.free) || math.Abs(free-tc.free) > 1e-9 {
			t.Errorf("%s: got a share of %v, want %v", tc.name, free, tc.free)
		}
		warned := ""
		for _, w := range r.Warnings {
			if w.Code == collector.GPUsUnheld {
				warned = w.Text
			}
		}
		if warned != tc.warned {
			t.Errorf("%s: got the warning %q, want %q", tc.name, warned, tc.warned)
		}
	}
}

// TestF42_GPUsOfWhichLittleIsKnown holds that it is said of how much of its GPUs' hours a workload knows how busy they are, and that it is not known, and not 0, below half: by every mix of cards
// that say so under the pod's label, under none, not at all, as MIG slices do, or only since the pod is settled.
func TestF42_GPUsOfWhichLittleIsKnown(t *testing.T) {
	t.Parallel()
	end := start.Add(26 * time.Hour)
	since := end.Add(-24 * time.Hour)
	// A kind of card is for what share of the day its busy gauge has the label of its pod.
	kinds := []struct {
		known float64
		text  func(card int, at time.Time) string
	}{
		{1, func(card int, _ time.Time) string {
			return fmt.Sprintf("DCGM_FI_DEV_GPU_UTIL{UUID=\"%d\",namespace=\"team\",pod=\"p%[1]d\"} 40\n", card)
		}},
		{0, func(card int, _ time.Time) string {
			return fmt.Sprintf("DCGM_FI_DEV_GPU_UTIL{UUID=\"%d\",namespace=\"team\",pod=\"\"} 90\n", card)
		}},
		{0, func(int, time.Time) string { return "" }},
		{0.25, func(card int, at time.Time) string {
			if !at.After(end.Add(-6 * time.Hour)) {
				return ""
			}
			return fmt.Sprintf("DCGM_FI_PROF_GR_ENGINE_ACTIVE{UUID=\"%d\",namespace=\"team\",pod=\"p%[1]d\"} 0.4\n", card)
		}},
	}
	for mix := 1; mix < 1<<len(kinds); mix++ {
		var cards []int // by their kind
		for kind := range kinds {
			if mix&(1<<kind) != 0 {
				cards = append(cards, kind)
			}
		}
		e, err := engine.Open(func() time.Time { return end })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		for at := since; !at.After(end); at = at.Add(5 * time.Minute) {
			minute := at.Sub(start).Minutes()
			var text strings.Builder
			fmt.Fprintf(&text, "vllm:prompt_tokens_total{model_name=\"m\"} %[1]v\nvllm:generation_tokens_total{model_name=\"m\"} %[1]v\n", 1000*minute)
			for card, kind := range cards {
				fmt.Fprintf(&text, "DCGM_FI_DEV_FB_USED{UUID=\"%d\",namespace=\"team\",pod=\"p%[1]d\"} 70000\n", card)
				text.WriteString(kinds[kind].text(card, at))
			}
			if err := e.Ingest([]byte(text.String()), at, map[string]string{"job": "all", "namespace": "team", "instance": "10.0.0.1:8000"}, func(_ string, v float64) float64 { return v }); err != nil {
				t.Fatal(err)
			}
		}
		c, err := collector.New(collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "vllm", GroupBy: []string{"namespace"}, GPUs: &collector.GPUs{Pack: "dcgm"}, Backfill: 2 * time.Hour,
		}, storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Collect(t.Context(), end.Add(3*time.Minute))
		if err != nil || len(r.Usage) != 1 || r.Usage[0].GPU == nil {
			t.Fatalf("%v: got %+v, error %v", cards, r.Usage, err)
		}
		var known float64
		for _, kind := range cards {
			known += kinds[kind].known / float64(len(cards))
		}
		gpu := r.Usage[0].GPU
		said := slices.ContainsFunc(r.Usage[0].Warnings, func(w model.Warning) bool { return w.Code == collector.GPUUtilizationUnknown })
		busy := gpu.Busy()
		if gpu.Count != float64(len(cards)) || math.Abs(float64(gpu.Coverage)-known) > 0.01 || (busy != nil) == said {
			t.Errorf("%v: got %v GPUs, known of %v, busy %v, told that it is not known %t; want known of %v", cards, gpu.Count, gpu.Coverage, busy, said, known)
		}
		if math.Abs(known-0.5) > 0.01 && (busy != nil) != (known > 0.5) || busy != nil && math.Abs(float64(*busy)-0.4) > 1e-6 {
			t.Errorf("%v: got busy %v, known of %v; want 0.4 where it is known of half and nothing elsewhere", cards, busy, known)
		}
	}
}

// TestF42_ContainersOfTwoPacks holds that containers that hold GPUs are told apart alike by every pack that knows them, so that two sources that count the same do not count them twice.
func TestF42_ContainersOfTwoPacks(t *testing.T) {
	t.Parallel()
	server := scraped(t, start.Add(3*time.Hour), func(after time.Duration) string {
		const holds = `pod="p",container="c",node="n",app="a"} %v
`
		gpus := 2 / max(after.Minutes(), 1) // the values grow by the minute
		return "vllm:prompt_tokens_total{model_name=\"m\"} 100\nvllm:generation_tokens_total{model_name=\"m\"} 10\n" +
			fmt.Sprintf("kube_pod_container_resource_requests{resource=\"nvidia_com_gpu\","+holds+"container_gpu_allocation{"+holds, gpus, gpus) +
			fmt.Sprintf("kube_pod_status_phase{phase=\"Running\",pod=\"p\"} %v\n", gpus/2)
	})
	var devices []map[string]map[string]model.Day
	for _, pack := range []string{"kube-state-metrics", "opencost"} {
		r := collectAt(t, collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: server, Pack: "vllm", GroupBy: []string{"namespace"}, GPUs: &collector.GPUs{Pack: pack}, Backfill: 2 * time.Hour,
		}, start.Add(3*time.Hour+3*time.Minute))
		devices = append(devices, r.Usage[0].GPUDevices)
	}
	want := model.Day{}
	want[1], want[2], want[3] = 2, 2, 2
	for _, got := range devices {
		if all := got["namespace ns"]; len(all) != 1 || all["ns/p/c"] != want {
			t.Errorf("got %v and %v, want ns/p/c with 2 GPUs in three hours of both", devices[0], devices[1])
		}
	}
}
