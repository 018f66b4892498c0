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

// TestF37_ReplicaLabel holds that of what two replicas of a Prometheus have scraped and stored together one is counted in every hour where the source says which label tells them apart, through outages of either, and
// that the half of an hour that only one saw and the half that only the other saw are not taken for all of it. Without that all is doubled and said to be, and a label that tells
// engines apart is found out.
func TestF37_ReplicaLabel(t *testing.T) {
	t.Parallel()
	const hours = 12
	end := start.Add(hours * time.Hour)
	// counted is what an engine of one program has counted since it began anew, six hours and a half in: bursts that the ends of hours meet anywhere.
	counted := func(engine int, at time.Time) float64 {
		since := at.Sub(start)
		if anew := 6*time.Hour + 30*time.Minute + 30*time.Second; since > anew {
			since -= anew
		}
		return float64(1000*(3*engine+1)) * (since.Seconds() + 250*math.Sin(since.Seconds()*2*math.Pi/1700))
	}
	down := map[string][][2]time.Duration{ // of a replica
		"a": {{2 * time.Hour, 4 * time.Hour}, {9 * time.Hour, 9*time.Hour + 30*time.Minute}},
		"b": {{5*time.Hour + 10*time.Minute, 5*time.Hour + 40*time.Minute}, {9*time.Hour + 30*time.Minute, 10 * time.Hour}},
	}
	e, err := engine.Open(func() time.Time { return end })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for rank := range 2 {
		for i, replica := range []string{"a", "b"} {
			for at := start.Add(time.Duration(20*i) * time.Second); !at.After(end); at = at.Add(30 * time.Second) {
				since := at.Sub(start)
				if slices.ContainsFunc(down[replica], func(d [2]time.Duration) bool { return since >= d[0] && since < d[1] }) {
					continue
				}
				n := counted(rank, at)
				text := fmt.Sprintf("up 1\nvllm:prompt_tokens_total{model_name=\"m\"} %v\nvllm:generation_tokens_total{model_name=\"m\"} %v\nvllm:num_requests_waiting{model_name=\"m\"} 3\n", n, n/10)
				labels := map[string]string{"job": "vllm", "namespace": "ns", "instance": "10.0.0.1:8000", "engine": fmt.Sprint(rank), "prometheus_replica": replica}
				if err := e.Ingest([]byte(text), at, labels, func(_ string, v float64) float64 { return v }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	happened := func(hour int) (n float64) {
		from, to := start.Add(time.Duration(hour)*time.Hour), start.Add(time.Duration(hour+1)*time.Hour)
		for rank := range 2 {
			if n += counted(rank, to) - counted(rank, from); hour == 6 {
				n += counted(rank, start.Add(6*time.Hour+30*time.Minute+30*time.Second))
			}
		}
		return n
	}
	for _, tc := range []struct {
		label string
		times float64 // of what happened
		says  string  // code of what is to be said
	}{
		{"", 2, collector.StoredPerReplica},
		{"prometheus_replica", 1, ""},
		{"engine", 8.0 / 5, collector.ReplicasDiffer}, // the larger of the two, at both replicas
	} {
		c, err := collector.New(collector.Settings{
			Name: "s", URL: "http://prometheus.test", Client: handler{e.Handler()}, Pack: "vllm", Backfill: hours * time.Hour, ReplicaLabel: tc.label, Clock: func() time.Time { return end },
		}, storetest.Open(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Collect(t.Context(), end.Add(3*time.Minute))
		if err != nil || len(r.Usage) != 1 {
			t.Fatalf("%q: got %+v, error %v", tc.label, r.Usage, err)
		}
		var said []string
		for _, w := range r.Warnings {
			if w.Code == collector.StoredPerReplica || w.Code == collector.ReplicasDiffer {
				said = append(said, w.Code)
			}
		}
		if tc.says == collector.ReplicasDiffer {
			said = slices.DeleteFunc(said, func(code string) bool { return code == collector.StoredPerReplica }) // which is still so
		}
		if got := strings.Join(said, " "); got != tc.says {
			t.Errorf("%q: got %q said, want %q", tc.label, got, tc.says)
		}
		u := c.Read(r.Usage[0], end.Add(3*time.Minute))
		var got, want float64
		for i, h := range u.Hours {
			hour := int(u.Start.Sub(start).Hours()) + i
			if hour == 9 && tc.label == "prometheus_replica" && (h.Coverage > 0.7 || h.Coverage < 0.5) {
				t.Errorf("hour 9, of which each replica saw a half: got coverage %v", h.Coverage)
			}
			if hour == 0 || hour == 9 { // all began in the first
				continue
			}
			got, want = got+float64(h.Tokens[model.Input]), want+happened(hour)
			if off := float64(h.Tokens[model.Input])/happened(hour) - 1; tc.label == "prometheus_replica" && math.Abs(off) > 0.01 {
				t.Errorf("hour %d: %+.2f %% off", hour, 100*off)
			}
			if tc.label == "prometheus_replica" && (h.Coverage != 1 || u.Serving[i].Waiting != 6 || u.Serving[i].Replicas != 1) {
				t.Errorf("hour %d: got coverage %v and %+v, want 1, a queue of 6 and a replica", hour, h.Coverage, u.Serving[i])
			}
		}
		tolerance := 0.003
		if tc.label != "prometheus_replica" {
			tolerance = 0.2 // outages are outages there
		}
		if off := got/want/tc.times - 1; math.Abs(off) > tolerance {
			t.Errorf("%q: got %v times what happened, want %v", tc.label, got/want, tc.times)
		}
	}
}
