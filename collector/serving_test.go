package collector

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/collector/promtest"
	"tipline/model"
)

// fleet answers for n vLLM workloads, each alone in its namespace. Their engines do as values say.
func fleet(n int, values map[string]float64) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for i := range n {
			labels := map[string]string{"namespace": fmt.Sprint("n", i), "model_name": "m"}
			if strings.Contains(q.Expr, "[1d]") || strings.Contains(q.Expr, "DCGM") && !strings.Contains(q.Expr, `"replicas"`) {
				continue // what is asked once a cycle is not looked at here
			}
			all = append(all, promtest.Each(q, labels, func(signal string, _ time.Time) (float64, bool) {
				if v, ok := values[signal]; ok {
					return v, signal != "gpu_count"
				}
				v, ok := typical[signal]
				return v, ok
			})...)
			if v, ok := values["gpu_count"]; ok && strings.Contains(q.Expr, `"gpu_count"`) {
				s := promtest.Series{Labels: map[string]string{"namespace": fmt.Sprint("n", i), "tipline_signal": "gpu_count"}}
				for _, at := range q.Times() {
					s.Points = append(s.Points, promtest.Point{At: at, Value: v})
				}
				all = append(all, s)
			}
		}
		return promtest.Answer{Series: all}
	}
}

// serves is how many of the queries ask how the engines did.
func serves(queries []promtest.Query) (n int) {
	for _, q := range queries {
		if strings.Contains(q.Expr, `"replicas"`) {
			n++
		}
	}
	return n
}

// TestServing holds that how the engines did is asked hour by hour like the tokens, once, and kept.
func TestServing(t *testing.T) {
	t.Parallel()
	server := promtest.New(fleet(3, map[string]float64{"ttft_p95": 0.75, "waiting": 0, "replicas": 2.5, "gpu_count": 5}))
	h := newMemory()
	s := Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 10 * 24 * time.Hour}
	c := newCollector(t, s, server, h)
	want := model.Serving{TTFTP95: 750 * time.Millisecond, Replicas: 2.5, GPUs: 5, Queued: true}
	check := func(what string, usage []model.Usage, hours int) {
		t.Helper()
		if len(usage) != 3 {
			t.Fatalf("%s: got %d workloads, want 3", what, len(usage))
		}
		for _, u := range usage {
			if len(u.Serving) != hours || len(u.Hours) != hours {
				t.Fatalf("%s: got %d hours of engines and %d of tokens, want %d", what, len(u.Serving), len(u.Hours), hours)
			}
			for i, got := range u.Serving {
				if got != want {
					t.Fatalf("%s: hour %d: got %+v, want %+v", what, i, got, want)
				}
			}
		}
	}
	check("cold", collect(t, c, noon).Usage, 240)
	if got := serves(server.Queries()); got != 11 { // it is noon
		t.Errorf("cold: got %d queries for eleven dates, want 11", got)
	}
	check("warm", collect(t, c, noon.Add(time.Hour)).Usage, 241)
	if got := serves(server.Queries()); got != 1 {
		t.Errorf("warm: got %d queries, want 1", got)
	}
	check("stored", storedAll(t, newCollector(t, s, server, h), noon.Add(time.Hour)), 241)
	again := newCollector(t, s, server, h)
	collect(t, again, noon.Add(time.Hour))
	if got := serves(server.Queries()); got != 0 {
		t.Errorf("after a restart: got %d queries, want none", got)
	}
}

// TestServingCostsTheSame holds that the number of queries does not depend on the number of workloads.
func TestServingCostsTheSame(t *testing.T) {
	t.Parallel()
	var sent []int
	for _, n := range []int{1, 300} {
		server := promtest.New(fleet(n, map[string]float64{"ttft_p95": 0.75, "waiting": 0, "replicas": 2}))
		c := newCollector(t, Settings{Pack: "vllm", Backfill: 48 * time.Hour}, server, newMemory())
		if got := len(collect(t, c, noon).Usage); got != n {
			t.Fatalf("got %d workloads, want %d", got, n)
		}
		sent = append(sent, serves(server.Queries()))
	}
	if sent[0] != 2 || sent[1] != 2 {
		t.Errorf("got %d queries for one workload and %d for 300, want 2 for two days of either", sent[0], sent[1])
	}
}

// TestServingUnknown holds that what a server says of engines that cannot be is not known, and that nothing is said of engines where there
// is no way to know how many there are.
func TestServingUnknown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		values map[string]float64
		want   model.Serving
	}{
		{"an idle hour", map[string]float64{"ttft_p95": math.NaN(), "waiting": 0, "replicas": 2}, model.Serving{Replicas: 2, Queued: true}},
		{"above the last bucket", map[string]float64{"ttft_p95": math.Inf(1), "replicas": 2}, model.Serving{TTFTP95: time.Hour, Replicas: 2}},
		{"negative", map[string]float64{"ttft_p95": -1, "waiting": -1, "replicas": -1}, model.Serving{}},
		{"no replicas", map[string]float64{"ttft_p95": 1, "waiting": 3.5, "replicas": 0}, model.Serving{TTFTP95: time.Second, Waiting: 3.5, Queued: true}},
	} {
		c := newCollector(t, Settings{Pack: "vllm", Backfill: 24 * time.Hour}, promtest.New(fleet(1, tc.values)), newMemory())
		u := collect(t, c, noon).Usage[0]
		var got model.Serving
		if len(u.Serving) > 0 {
			got = u.Serving[0]
		}
		if got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
	server := promtest.New(steady(always, never))
	if u := collect(t, newCollector(t, Settings{}, server, newMemory()), noon).Usage[0]; u.Serving != nil {
		t.Errorf("a gateway without GPUs: got %+v, want nothing", u.Serving)
	}
}

// TestServingSharedGPUs holds that GPUs in whose scope two workloads were seen are not given to either.
func TestServingSharedGPUs(t *testing.T) {
	t.Parallel()
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		answer := fleet(1, map[string]float64{"replicas": 1, "gpu_count": 4})(q)
		other := map[string]string{"namespace": "n0", "model_name": "other"}
		answer.Series = append(answer.Series, promtest.Each(q, other, func(signal string, at time.Time) (float64, bool) {
			v, ok := typical[signal]
			return v, ok && at.After(noon.Add(-6*time.Hour)) // it comes at six
		})...)
		return answer
	})
	c := newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 24 * time.Hour}, server, newMemory())
	u := collect(t, c, noon).Usage[0]
	for i, h := range u.Serving {
		want := 4.0
		if alone := u.Start.Add(time.Duration(i+1) * time.Hour).Before(noon.Add(-6 * time.Hour)); !alone {
			want = 0
		}
		if h.GPUs != want {
			t.Errorf("hour %d: got %v GPUs, want %v", i, h.GPUs, want)
		}
	}
}

// TestServingIsMadeUpFor holds that hours whose engines were not read are asked for again: when the query failed, when a stored day is
// damaged, and when the history is older than the question.
func TestServingIsMadeUpFor(t *testing.T) {
	t.Parallel()
	broken := true
	good := fleet(1, map[string]float64{"ttft_p95": 0.5, "waiting": 0, "replicas": 1})
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if broken && strings.Contains(q.Expr, `"replicas"`) {
			return promtest.Status(400, "no")
		}
		return good(q)
	})
	h := newMemory()
	s := Settings{Pack: "vllm", Backfill: 72 * time.Hour}
	r := collect(t, newCollector(t, s, server, h), noon)
	if got := codes(r.Warnings); !strings.Contains(got, ServingFailed) || !r.Usage[0].Hours[0].Measured() || r.Usage[0].Serving != nil {
		t.Errorf("broken: got warnings %q and %+v, want the tokens and %s", got, r.Usage[0].Serving, ServingFailed)
	}
	broken = false
	whole := collect(t, newCollector(t, s, server, h), noon).Usage[0].Serving
	if len(whole) != 72 || whole[0].Replicas != 1 || whole[71].Replicas != 1 {
		t.Fatalf("mended: got %+v, want 72 hours", whole)
	}
	for key, value := range h.rows {
		if strings.Contains(key, "/e/") {
			value[3] ^= 1
		}
	}
	r = collect(t, newCollector(t, s, server, h), noon)
	if diff := cmp.Diff(whole, r.Usage[0].Serving); diff != "" || !strings.Contains(codes(r.Warnings), HistoryCorrupt) {
		t.Errorf("damaged: warnings %q (-want +got):\n%s", codes(r.Warnings), diff)
	}
}

// TestServingHasAChunkOfItsOwn holds that a server which refuses the question about engines is not asked for fewer hours of tokens.
func TestServingHasAChunkOfItsOwn(t *testing.T) {
	t.Parallel()
	good := fleet(1, map[string]float64{"ttft_p95": 0.5, "waiting": 0, "replicas": 1})
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, `"replicas"`) && len(q.Times()) > 6 {
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`)
		}
		return good(q)
	})
	c := newCollector(t, Settings{Pack: "vllm", Backfill: 10 * 24 * time.Hour}, server, newMemory())
	u := collect(t, c, noon).Usage[0]
	if len(u.Serving) != 240 || u.Serving[0].Replicas != 1 || u.Serving[239].Replicas != 1 {
		t.Errorf("got %d hours of engines, want 240", len(u.Serving))
	}
	if c.chunk.hours != chunkHours || c.served.hours != 6 {
		t.Errorf("got chunks of %d hours of tokens and %d of engines, want %d and 6", c.chunk.hours, c.served.hours, chunkHours)
	}
}

// TestServingKeepsWhatIsKnown holds that an answer which says less takes nothing away, and that everything is asked again once more is asked.
func TestServingKeepsWhatIsKnown(t *testing.T) {
	t.Parallel()
	values := map[string]float64{"ttft_p95": 0.5, "waiting": 0, "replicas": 2, "coverage": 0.9} // so that the hours of the day are asked again
	server := promtest.New(func(q promtest.Query) promtest.Answer { return fleet(1, values)(q) })
	h := newMemory()
	collect(t, newCollector(t, Settings{Pack: "vllm", Backfill: 48 * time.Hour}, server, h), noon)
	delete(values, "replicas")
	values["replicas"] = math.NaN()
	u := collect(t, newCollector(t, Settings{Pack: "vllm", Backfill: 48 * time.Hour}, server, h), noon).Usage[0]
	for i, got := range u.Serving {
		if got.Replicas != 2 {
			t.Errorf("hour %d: got %v replicas, want the 2 that were known", i, got.Replicas)
		}
	}
	values["gpu_count"] = 4
	u = collect(t, newCollector(t, Settings{Pack: "vllm", GPUs: &GPUs{Pack: "dcgm"}, Backfill: 48 * time.Hour}, server, h), noon).Usage[0]
	for i, got := range u.Serving {
		if got.GPUs != 4 || got.Replicas != 2 {
			t.Errorf("hour %d after GPUs are counted too: got %+v, want 4 of them", i, got)
		}
	}
}

func TestServingDayRoundTrip(t *testing.T) {
	t.Parallel()
	var d servingDay
	d[0] = model.Serving{TTFTP95: 123456789, Replicas: 2.25, GPUs: 4, Waiting: 1.5, Queued: true}
	d[1] = model.Serving{Queued: true}
	d[23] = model.Serving{TTFTP95: 59 * time.Minute, Replicas: 1e6}
	b := encodeServing(nil, &d)
	var got servingDay
	if err := decodeServing(b, &got); err != nil || got != d {
		t.Errorf("got %+v (error %v), want %+v", got, err, d)
	}
	for i := range b {
		for _, other := range []byte{b[i] ^ 1, b[i] ^ 0x80} {
			changed := append([]byte{}, b...)
			changed[i] = other
			if err := decodeServing(changed, &got); err == nil {
				t.Errorf("byte %d changed: got no error", i)
			}
		}
		if err := decodeServing(b[:i], &got); err == nil {
			t.Errorf("cut at %d: got no error", i)
		}
	}
}

// FuzzDecodeServing holds that whatever is read is written the same again.
func FuzzDecodeServing(f *testing.F) {
	f.Add(encodeServing(nil, &servingDay{0: {TTFTP95: time.Second, Queued: true}}))
	f.Add([]byte{servingVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d, again servingDay
		if decodeServing(sealed(append([]byte{}, b...), 0), &d) != nil {
			return
		}
		if err := decodeServing(encodeServing(nil, &d), &again); err != nil || again != d {
			t.Errorf("got %+v, want %+v (error %v)", again, d, err)
		}
	})
}
