package daemon

import (
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// TestNothingLeaks holds that a daemon has no more goroutines, open files and bytes after many evaluations than after a tenth of them. TIPLINE_SOAK_RUNS says
// after how many. It is not parallel, so that other tests do not count.
func TestNothingLeaks(t *testing.T) {
	runs := 100
	if asked := os.Getenv("TIPLINE_SOAK_RUNS"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 10 {
			t.Fatalf("TIPLINE_SOAK_RUNS: got %q, want evaluations, at least 10", asked)
		}
		runs = n
	}
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.log = slog.New(slog.DiscardHandler) // whose lines nobody keeps
	r.start(t)
	type size struct{ goroutines, files, bytes int }
	measure := func() size {
		runtime.GC()
		runtime.GC() // what the first one has finalized
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skipf("open files cannot be counted here: %v", err)
		}
		return size{runtime.NumGoroutine(), len(files), int(m.HeapAlloc)}
	}
	var first size
	for i := 1; i <= runs; i++ {
		if _, err := r.Cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.server.Queries() // are kept until they are asked for
		r.mu.Lock()
		r.now = r.now.Add(10 * time.Second)
		r.mu.Unlock()
		if i == runs/10 {
			first = measure()
		}
	}
	last := measure()
	t.Logf("after %d evaluations %+v, after %d %+v", runs/10, first, runs, last)
	const few = 20 // connections come and go, each with three goroutines and two files
	if last.goroutines > first.goroutines+few || last.files > first.files+few || last.bytes > first.bytes*5/4 {
		t.Errorf("got %+v after %d evaluations, %+v after a tenth of them; want no more", last, runs, first)
	}
}
