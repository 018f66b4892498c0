package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
)

// backfillEnv makes the test binary a tipline that fills its history from a server: its value is the folder with its data.
const backfillEnv = "TIPLINE_BACKFILL_TEST"

// soakFor is how long each part of TestSourceSoak lasts that has no end of its own.
func soakFor(t *testing.T) (d time.Duration, asked bool) {
	t.Helper()
	text := os.Getenv("TIPLINE_SOAK_SECONDS")
	if text == "" {
		return time.Second, false
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 {
		t.Fatalf("TIPLINE_SOAK_SECONDS: got %q, want seconds", text)
	}
	return time.Duration(seconds) * time.Second, true
}

// TestSourceSoak lets a source do its worst: its network is cut and slow at random, the process is killed while it fills the history, labels are
// hostile by the thousand, there are too many of them, and answers unfold to a gigabyte. What is known in the end is what is known without
// faults. TIPLINE_SOAK_SECONDS makes each part last so long, and memory is looked at.
func TestSourceSoak(t *testing.T) {
	t.Parallel()
	t.Run("network", networkSoak)
	t.Run("killed", killedBackfill)
	t.Run("labels", labelSoak)
	t.Run("bombs", bombSoak)
}

func openStore(t *testing.T, folder string) *store.Store {
	t.Helper()
	s, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// gatewayAt returns the settings of a LiteLLM source at address, two weeks of it.
func gatewayAt(address string, timeout time.Duration) collector.Settings {
	return collector.Settings{
		Name: "gateway", URL: address, Pack: "litellm", GroupBy: []string{"team_alias"}, Backfill: 14 * 24 * time.Hour,
		Timeout: timeout,
	}
}

// rhythm answers for n workloads whose tokens differ from hour to hour.
func rhythm(n int) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		var all promtest.Answer
		for i := range n {
			labels := map[string]string{"team_alias": fmt.Sprintf("team-%03d", i)}
			all.Series = append(all.Series, promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
				tokens := float64(1000*(1+i) + at.Hour() + 24*at.YearDay())
				v, ok := map[string]float64{"input": tokens, "output": tokens / 4, "requests": 7, "coverage": 1, "resets": 0}[signal]
				return v, ok
			})...)
		}
		return all
	}
}

// history returns the rows of a store that are about the usage of workloads since a day.
func history(t *testing.T, s *store.Store, since string) map[string]string {
	t.Helper()
	rows := map[string]string{}
	err := s.Scan(store.History, "", func(key string, value []byte) error {
		day := key[strings.LastIndex(key, "/")+1:]
		if day != "r" && day >= since { // which hours are settled, the row r, depends on when they were read
			rows[key] = string(value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A lossyWire passes connections on to a server, cutting some of them in the middle and slowing others down.
type lossyWire struct {
	to     string
	healed atomic.Bool
	cuts   atomic.Int64
	drips  atomic.Int64
}

// listen passes on until the test ends, and returns the address. Which connections suffer depends on seed.
func (w *lossyWire) listen(t *testing.T, seed uint64) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	random := rand.New(rand.NewPCG(seed, 1))
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go w.pass(from, random.IntN(4), random.Int64N(50_000))
		}
	}()
	return "http://" + listener.Addr().String()
}

// pass carries one connection up to a byte, or byte by byte.
func (w *lossyWire) pass(from net.Conn, fate int, limit int64) {
	defer func() { _ = from.Close() }()
	to, err := new(net.Dialer).Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() { _, _ = io.Copy(to, from) }() // ends with the connection
	switch {
	case w.healed.Load():
		_, _ = io.Copy(from, to)
	case fate > 0:
		w.cuts.Add(1)
		_, _ = io.CopyN(from, to, limit)
	default:
		w.drips.Add(1)
		for !w.healed.Load() {
			if _, err := io.CopyN(from, to, 1); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// networkSoak collects hour after hour over a bad network, and then once over a good one.
func networkSoak(t *testing.T) {
	t.Parallel()
	lasts, _ := soakFor(t)
	server := httptest.NewServer(promtest.New(rhythm(5)))
	t.Cleanup(server.Close)
	wire := &lossyWire{to: strings.TrimPrefix(server.URL, "http://")}
	bad := openStore(t, t.TempDir())
	c, err := collector.New(gatewayAt(wire.listen(t, 7), 200*time.Millisecond), bad, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now, failed, rounds := opening, 0, 0
	for end := time.Now().Add(lasts); time.Now().Before(end); now = now.Add(10 * time.Minute) {
		if _, err := c.Collect(t.Context(), now); err != nil {
			failed++
		}
		rounds++
	}
	wire.healed.Store(true)
	for tries := 0; ; tries++ {
		result, err := c.Collect(t.Context(), now) // connections that drip are given up first
		if err == nil && len(result.Warnings) == 0 {
			break
		}
		if tries > 50 {
			t.Fatalf("over a good network: %v, %v", err, result.Warnings)
		}
	}
	good := openStore(t, t.TempDir())
	calm, err := collector.New(gatewayAt(server.URL, time.Minute), good, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := calm.Collect(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	// How far back the history goes depends on when the oldest hours were first read.
	whole := now.AddDate(0, 0, -13).Format(time.DateOnly)
	if got, want := history(t, bad, whole), history(t, good, whole); !maps.Equal(got, want) {
		t.Errorf("the history differs from that of a good network: %d rows, want %d", len(got), len(want))
	}
	t.Logf("%d collections, %d in vain, %d connections cut, %d slow", rounds, failed, wire.cuts.Load(), wire.drips.Load())
}

// backfill is what the child process does: it fills the history of its folder from the server that the environment names.
func backfill() int {
	file, err := store.Open(filepath.Join(os.Getenv(backfillEnv), "data"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c, err := collector.New(gatewayAt(os.Getenv(backfillEnv+"_URL"), time.Minute), file, slog.New(slog.DiscardHandler))
	if err != nil {
		return 2
	}
	if _, err := c.Collect(context.Background(), opening); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if file.Quarantined() != "" {
		fmt.Fprintln(os.Stderr, "the data file was damaged")
		return 1
	}
	return 0
}

// killedBackfill kills a process again and again while it fills its history; the last one must find whole what it needs.
func killedBackfill(t *testing.T) {
	t.Parallel()
	lasts, _ := soakFor(t)
	answer := rhythm(50)
	server := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		time.Sleep(5 * time.Millisecond)
		return answer(q)
	})
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	life := func(folder string, within time.Duration) (killed bool) {
		var out bytes.Buffer
		c := exec.CommandContext(t.Context(), binary)
		c.Env = append(os.Environ(), backfillEnv+"="+folder, backfillEnv+"_URL="+server.URL)
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if within > 0 {
			timer := time.AfterFunc(within, func() { _ = c.Process.Kill() })
			defer timer.Stop()
		}
		err := c.Wait()
		status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
		if err != nil && (!ok || status.Signal() != syscall.SIGKILL) {
			t.Fatalf("the child ended with %v: %s", err, out.String())
		}
		return err != nil
	}
	calm := t.TempDir()
	life(calm, 0)
	read := func(folder string) map[string]string {
		s, err := store.OpenToRead(filepath.Join(folder, "data"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		return history(t, s, "")
	}
	want := read(calm)
	if len(want) < 50*14 {
		t.Fatalf("got %d rows of history, want a day and more of 50 workloads", len(want))
	}
	random, kills, rounds := rand.New(rand.NewPCG(1, 1)), 0, 0
	for end := time.Now().Add(lasts); time.Now().Before(end); rounds++ {
		folder := t.TempDir()
		for range 4 {
			if life(folder, time.Duration(20+random.IntN(300))*time.Millisecond) {
				kills++
			}
		}
		life(folder, 0)
		if got := read(folder); !maps.Equal(got, want) {
			t.Fatalf("round %d: the history has %d rows after kills, want the %d of a quiet life", rounds, len(got), len(want))
		}
	}
	t.Logf("%d lives ended by SIGKILL in %d rounds", kills, rounds)
}

// labelSoak gives label values that try to be something else, and more of them than are kept.
func labelSoak(t *testing.T) {
	t.Parallel()
	_, asked := soakFor(t)
	n := 300
	if asked {
		n = 5000
	}
	parts := []string{"<!channel>", "<script>", `"} or vector(1) #`, "\n", "\x00", "\u202e", "💥", "../", "=&", "%00", "`", "|", "\\", "é", strings.Repeat("x", 300)}
	random := rand.New(rand.NewPCG(2, 2))
	values := map[string]bool{}
	for len(values) < n {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		values[b.String()+strconv.Itoa(len(values))] = true
	}
	server := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		var all promtest.Answer
		for _, v := range slices.Sorted(maps.Keys(values)) {
			all.Series = append(all.Series, steady(map[string]string{"team_alias": v}, 1e6)(q).Series...)
		}
		return all
	})
	settings := gatewayAt(server.URL, time.Minute)
	settings.Backfill = 2 * time.Hour
	c, err := collector.New(settings, openStore(t, t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Collect(t.Context(), opening)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, u := range result.Usage {
		if !values[u.Labels["team_alias"]] || names[u.Workload] {
			t.Errorf("got the workload %q, want each once and with the label that it has", u.Workload)
		}
		names[u.Workload] = true
	}
	if len(names) != n && len(result.Warnings) == 0 {
		t.Errorf("got %d of %d workloads and no warning", len(names), n)
	}
	t.Logf("%d workloads of %d label values", len(names), n)
}

// bombSoak lets a server answer with what unfolds to a gigabyte, and with a hundred thousand workloads.
func bombSoak(t *testing.T) {
	lasts, asked := soakFor(t)
	size, series := int64(64<<20), 2_500
	if asked {
		size, series = 1<<30, 100_000
	}
	bomb := promtest.Bomb(size)
	labels := make([]map[string]string, series)
	for i := range labels {
		labels[i] = map[string]string{"team_alias": fmt.Sprintf("request-%d", i)}
	}
	explosion := func(q promtest.Query) promtest.Answer {
		var all promtest.Answer
		for _, l := range labels {
			all.Series = append(all.Series, steady(l, 1e6)(q).Series...)
		}
		return all
	}
	good := rhythm(5)
	var turn atomic.Int64
	server := httptest.NewServer(promtest.New(func(q promtest.Query) promtest.Answer {
		switch turn.Load() {
		case 1:
			return bomb
		case 2:
			return explosion(q)
		}
		return good(q)
	}))
	t.Cleanup(server.Close)
	settings := gatewayAt(server.URL, 10*time.Minute) // it is their size that ends answers, however busy the machine is
	settings.Backfill = 2 * time.Hour
	c, err := collector.New(settings, openStore(t, t.TempDir()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	collect := func(now time.Time) (workloads int, err error) {
		r, err := c.Collect(t.Context(), now)
		return len(r.Usage), err
	}
	if n, err := collect(opening); n != 5 || err != nil {
		t.Fatalf("got %d workloads, error %v", n, err)
	}
	bombs, now := 0, opening
	for end := time.Now().Add(lasts); time.Now().Before(end) || bombs == 0; bombs++ {
		turn.Store(1)
		now = now.Add(time.Hour)
		if n, err := collect(now); n != 5 || err == nil {
			t.Errorf("after a bomb: got %d workloads, error %v; want the 5 that are known and the error", n, err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	turn.Store(2)
	n, err := collect(now.Add(time.Hour))
	if n > 10_000 {
		t.Errorf("after an explosion: got %d workloads, error %v", n, err)
	}
	turn.Store(0)
	if n, err := collect(now.Add(2 * time.Hour)); n < 5 || err != nil {
		t.Errorf("after all that: got %d workloads, error %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if asked && after.Sys > 1<<30 {
		t.Errorf("%d MB of memory were taken, the fake server's included; want less than 1024", after.Sys>>20)
	}
	t.Logf("%d bombs of %d MB; %d workloads after %d label values; %d MB of memory with the fake server", bombs, size>>20, n, series, after.Sys>>20)
}
