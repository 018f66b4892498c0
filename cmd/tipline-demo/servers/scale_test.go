package servers

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// scaleEnv makes the test binary one part of TestScale: its value is an assignment in JSON.
const scaleEnv = "TIPLINE_SCALE_PART"

// profileEnv names the folder for profiles, see profile.
const profileEnv = "TIPLINE_SCALE_PROFILE"

func TestMain(m *testing.M) {
	if text := os.Getenv(scaleEnv); text != "" {
		if err := part(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// An assignment is what a process of TestScale is to do.
type assignment struct {
	Do      string // cold, warm, evaluate, plain, serve or keep
	URL     string // of the server
	Folder  string // with the data file, or of answers that are kept
	Queries string // file of the queries, which cold and warm write and plain reads
	Days    int
	Now     time.Time

	Workloads int    // that serve makes up
	Cycles    int    // hourly ones, of which the figures are the mean
	Encoding  string // that plain asks for
	Limit     int64  // bytes of memory of a control group of its own; 0 means none
}

// cycles is how many warm cycles are measured.
const cycles = 10

// figures are what a process of TestScale has found out about itself.
type figures struct {
	Wall, CPU time.Duration
	User      time.Duration // of the CPU, what was not the system's
	RSS, Anon int64         // peak, in bytes: all of it, which the pages of the data file are part of, and without them
	Charged   int64         // peak of the control group, in bytes, with the pages of files that were written; 0 without one
	Queries   int64
	Bytes     int64 // of the answers as they were sent
	Workloads int
	Hours     int // of the first workload
}

func (f figures) String() string {
	charged := ""
	if f.Charged > 0 {
		charged = fmt.Sprintf(", %d MB of the limit", f.Charged>>20)
	}
	return fmt.Sprintf("%.2f s wall, %.2f s CPU, %.2f s of it user's, %d MB peak (%d MB without the data file)%s, %d queries, %.1f MB; %d workloads, %d hours",
		f.Wall.Seconds(), f.CPU.Seconds(), f.User.Seconds(), f.RSS>>20, f.Anon>>20, charged, f.Queries, float64(f.Bytes)/1e6, f.Workloads, f.Hours)
}

// used returns the time that this process has computed, and how much of it was not the system's.
func used() (cpu, user time.Duration) {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // cannot fail for ourselves
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), time.Duration(used.Utime.Nano())
}

// A stopwatch measures n times the same.
type stopwatch struct {
	began     time.Time
	cpu, user time.Duration
}

func start() stopwatch {
	cpu, user := used()
	return stopwatch{time.Now(), cpu, user}
}

// stop sets the times of f, each the mean of n.
func (s stopwatch) stop(f *figures, n int) {
	cpu, user := used()
	f.Wall, f.CPU, f.User = time.Since(s.began)/time.Duration(n), (cpu-s.cpu)/time.Duration(n), (user-s.user)/time.Duration(n)
}

// groupOf returns the control group of a process.
func groupOf(pid int) string { return fmt.Sprintf("/sys/fs/cgroup/memory/tipline-scale-%d", pid) }

// confine puts this process into a control group of its own that has so many bytes of memory, and returns the folder of the group. What is charged to
// it are its own pages and those of files that it read or wrote, which the system takes back when there is no room.
func confine(limit int64) (group string, err error) {
	group = groupOf(os.Getpid())
	if err := os.Mkdir(group, 0o755); err != nil {
		return "", fmt.Errorf("want a memory controller of the first version: %w", err)
	}
	for _, set := range []struct{ file, value string }{{"memory.limit_in_bytes", strconv.FormatInt(limit, 10)}, {"cgroup.procs", strconv.Itoa(os.Getpid())}} {
		if err := os.WriteFile(filepath.Join(group, set.file), []byte(set.value), 0o600); err != nil {
			return "", err
		}
	}
	return group, nil
}

// status returns a number of /proc/self/status, in bytes.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			kb, _ := strconv.ParseInt(fields[1], 10, 64) // zero when it is none
			return kb << 10
		}
	}
	return 0
}

// A recorder counts the bytes of answers and writes down the queries.
type recorder struct {
	queries, bytes atomic.Int64
	mu             sync.Mutex
	asked          bytes.Buffer
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil { // of what is asked by GET there is none, such as types of metrics
		form, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(form))
		r.mu.Lock()
		fmt.Fprintf(&r.asked, "%s\n", form)
		r.mu.Unlock()
	}
	r.queries.Add(1)
	response, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		response.Body = counted{response.Body, &r.bytes}
	}
	return response, err
}

type counted struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// part does what a process of TestScale is to do, and prints its figures.
func part(text string) error {
	var a assignment
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	if os.Getenv(profileEnv) != "" && a.Do == "evaluate" { // of the CPU of the others it would be a tenth
		runtime.MemProfileRate = 16 << 10
	}
	var f figures
	go func() {
		for ; ; time.Sleep(10 * time.Millisecond) {
			atomic.StoreInt64(&f.Anon, max(atomic.LoadInt64(&f.Anon), status("RssAnon")))
		}
	}()
	var group string
	if a.Limit > 0 {
		var err error
		if group, err = confine(a.Limit); err != nil {
			return err
		}
	}
	do := map[string]func(context.Context, assignment, *figures) error{"cold": collect, "warm": collect, "evaluate": evaluate, "plain": plain, "serve": serve, "keep": keep}[a.Do]
	if err := do(context.Background(), a, &f); err != nil {
		return err
	}
	f.RSS = status("VmHWM")
	if group != "" {
		text, err := os.ReadFile(filepath.Join(group, "memory.max_usage_in_bytes"))
		if err != nil {
			return err
		}
		f.Charged, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // zero when it is none
	}
	return json.NewEncoder(os.Stdout).Encode(&f)
}

// collect fills a history, or brings one up to date hour by hour and reads the last month of every workload each time, as the daemon does: then the
// figures but the memory are of the cycles after the one that reads the data file.
func collect(ctx context.Context, a assignment, f *figures) error {
	r := &recorder{}
	file, err := store.Open(a.Folder)
	if err != nil {
		return err
	}
	defer file.Close()
	c, err := collector.New(collector.Settings{
		Name: "scale", URL: a.URL, Client: r, Pack: "litellm", GroupBy: []string{"team_alias"}, Backfill: time.Duration(a.Days) * 24 * time.Hour, Timeout: 10 * time.Minute,
	}, file, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	if a.Do == "warm" {
		if _, err := c.Collect(ctx, a.Now.Add(-time.Duration(a.Cycles)*time.Hour)); err != nil {
			return err
		}
		r.asked.Reset()
		r.queries.Store(0)
		r.bytes.Store(0)
	}
	stop, err := profile(a.Do)
	if err != nil {
		return err
	}
	defer stop()
	watch := start()
	var result collector.Result
	for i := range a.Cycles {
		now := a.Now.Add(-time.Duration(a.Cycles-1-i) * time.Hour)
		if result, err = c.Collect(ctx, now); err != nil {
			return err
		}
		if len(result.Warnings) > 0 {
			fmt.Fprintln(os.Stderr, result.Warnings)
		}
		for _, u := range result.Usage {
			if a.Do == "warm" && c.ReadSince(u, now, now.Add(-31*24*time.Hour)).Last().IsZero() {
				return fmt.Errorf("%s: no hour was read", u.Workload)
			}
		}
	}
	watch.stop(f, a.Cycles)
	f.Queries, f.Bytes = r.queries.Load()/int64(a.Cycles), r.bytes.Load()/int64(a.Cycles)
	f.Workloads, f.Hours = len(result.Usage), len(c.Read(result.Usage[0], a.Now).Hours)
	return os.WriteFile(a.Queries, r.asked.Bytes(), 0o600)
}

// evaluated is the configuration under which evaluate decides on every workload: an API, a fleet of its own and an endpoint of a cloud.
const evaluated = `
sources: [{name: scale, prometheus: {url: %q}, pack: litellm, group_by: [team_alias], hosting: api, backfill: %dh}]
options:
  - {name: gpt-5-mini, kind: api, model: openai/gpt-5-mini}
  - {name: haiku, kind: api, model: anthropic/claude-haiku-4.5}
  - name: llama-70b
    kind: self-hosted
    gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99}
    throughput: {tokens_per_hour: 30276000}
    operations: {usd_per_month: 1000}
defaults: {current: gpt-5-mini, candidates: [haiku, llama-70b], constraints: {data_sensitivity: internal, ops_capacity: limited}}
store: {path: %q}
`

// evaluate runs one cycle of the daemon over the history that is there: every workload is projected and decided on, and its receipt written.
func evaluate(ctx context.Context, a assignment, f *figures) error {
	file, err := store.Open(a.Folder)
	if err != nil {
		return err
	}
	defer file.Close()
	d, err := daemon.New(daemon.Options{
		Load: func() (*config.Config, error) {
			return config.Parse("scale.yml", fmt.Appendf(nil, evaluated, a.URL, 24*a.Days, a.Folder), collector.Packs()...)
		},
		Now: func() time.Time { return a.Now }, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Store: file, Stored: true,
	})
	if err != nil {
		return err
	}
	stop, err := profile(a.Do)
	if err != nil {
		return err
	}
	defer func() { stop(); runtime.KeepAlive(d) }()
	watch := start()
	for range a.Cycles {
		report, err := d.Cycle(ctx)
		if err != nil {
			return err
		}
		f.Workloads = 0
		for _, w := range report.Workloads {
			if w.Decision.ID != "" && w.Decision.Recommendation != model.Unknown {
				f.Workloads++
			}
		}
	}
	watch.stop(f, a.Cycles)
	return nil
}

// profile writes where the time goes, and in the end the memory, into files of the folder that profileEnv names, until stop is called; without it it does nothing.
func profile(name string) (stop func(), err error) {
	folder := os.Getenv(profileEnv)
	if folder == "" {
		return func() {}, nil
	}
	file, err := os.Create(filepath.Join(folder, name+".pprof"))
	if err != nil {
		return nil, err
	}
	stop = func() {
		pprof.StopCPUProfile()
		if heap, err := os.Create(filepath.Join(folder, name+".heap")); err == nil { // it is a look, and no test
			runtime.GC()
			_ = errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
		}
	}
	return stop, pprof.StartCPUProfile(file)
}

// plain asks the same queries and throws the answers away.
func plain(ctx context.Context, a assignment, f *figures) error {
	asked, err := os.ReadFile(a.Queries)
	if err != nil {
		return err
	}
	watch := start()
	forms := make(chan string)
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 4 {
		all.Go(func() {
			for form := range forms {
				if err := discard(ctx, a.URL+"/api/v1/query_range", form, a.Encoding); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	for form := range strings.Lines(string(asked)) {
		forms <- strings.TrimSpace(form)
		f.Queries++
	}
	close(forms)
	all.Wait()
	watch.stop(f, a.Cycles)
	f.Queries /= int64(a.Cycles)
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// discard posts a form and throws the answer away. Without an encoding it is compressed on the way and unfolded, as net/http does by itself.
func discard(ctx context.Context, address, form, encoding string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if encoding != "" {
		request.Header.Set("Accept-Encoding", encoding)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// TestScale measures a cold start and the mean of ten cycles after it against the Prometheus that is installed, and a plain client that asks the same and
// throws the answers away. TIPLINE_SCALE is the number of workloads and of days, after which "made" takes a process that makes up answers of that
// size for the server; TIPLINE_SCALE_DATA is a folder for the blocks, which are written when it is not there. A Prometheus computes each answer once: the
// plain client is given the same bytes from a folder, which is TIPLINE_SCALE_ANSWERS where a later run is to have them too. TIPLINE_SCALE_MEMORY, as
// "512 256", gives the cold start and the cycles after it so many MB, each in a control group of its own. It holds what was read, and no time.
func TestScale(t *testing.T) {
	var workloads, days int
	var made string
	if n, _ := fmt.Sscan(os.Getenv("TIPLINE_SCALE"), &workloads, &days, &made); n < 2 {
		t.Skip("TIPLINE_SCALE says no number of workloads and days")
	}
	folder := t.TempDir()
	address, newest := "", end
	if made == "made" {
		address = startPart(t, assignment{Do: "serve", Workloads: workloads})
	} else {
		data := os.Getenv("TIPLINE_SCALE_DATA")
		if data == "" {
			data = filepath.Join(folder, "blocks")
		}
		if _, err := os.Stat(data); err != nil {
			if err := writeBlocks(t.Context(), data, workloads, days); err != nil {
				t.Fatal(err)
			}
		}
		newest = newestIn(t, data)
		answers := os.Getenv("TIPLINE_SCALE_ANSWERS")
		if answers == "" {
			answers = filepath.Join(folder, "answers")
		}
		address = startPart(t, assignment{Do: "keep", URL: startPrometheus(t, "prometheus", folder, data, "--query.max-samples=200000000", "--query.timeout=10m"), Folder: answers})
	}
	run := func(a assignment) figures {
		a.URL, a.Days = address, days
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		c := exec.CommandContext(t.Context(), binary)
		c.Env, c.Stdout, c.Stderr = append(os.Environ(), scaleEnv+"="+string(text)), &out, os.Stderr
		err = c.Run()
		if a.Limit > 0 && c.Process != nil {
			_ = os.Remove(groupOf(c.Process.Pid)) // one that was not made
		}
		if err != nil {
			t.Fatalf("%s: %v", a.Do, err)
		}
		var f figures
		if err := json.Unmarshal(out.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v", a.Do, f)
		return f
	}
	var limits [2]int64
	if text := os.Getenv("TIPLINE_SCALE_MEMORY"); text != "" {
		if _, err := fmt.Sscan(text, &limits[0], &limits[1]); err != nil {
			t.Fatalf("TIPLINE_SCALE_MEMORY: got %q, want MB of a cold start and of a warm cycle", text)
		}
	}
	for i, a := range []assignment{{Do: "cold", Now: newest.Add(-(cycles + 1) * time.Hour), Cycles: 1}, {Do: "warm", Now: newest, Cycles: cycles}} {
		a.Folder, a.Queries, a.Limit = filepath.Join(folder, "data"), filepath.Join(folder, a.Do), limits[i]<<20
		ours := run(a)
		if ours.Workloads != workloads || ours.Hours < (days-1)*24 {
			t.Errorf("%s: got %d workloads and %d hours of the first, want %d and %d days", a.Do, ours.Workloads, ours.Hours, workloads, days)
		}
		folded := run(assignment{Do: "plain", Queries: a.Queries, Cycles: a.Cycles})
		asIs := run(assignment{Do: "plain", Queries: a.Queries, Cycles: a.Cycles, Encoding: "identity"})
		t.Logf("%s: %.2f × the user's CPU of a plain client, %.2f × when it asks for no compression", a.Do,
			float64(ours.User)/float64(folded.User), float64(ours.User)/float64(asIs.User))
	}
	evaluated := run(assignment{Do: "evaluate", Now: newest, Folder: filepath.Join(folder, "data"), Cycles: 2})
	if evaluated.Workloads != workloads {
		t.Errorf("got decisions on %d workloads, want %d", evaluated.Workloads, workloads)
	}
}

// newestIn returns the end of the newest block in a folder.
func newestIn(t *testing.T, folder string) time.Time {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*", "meta.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: got %d blocks, error %v", folder, len(files), err)
	}
	var newest int64
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var meta struct{ MaxTime int64 }
		if err := json.Unmarshal(text, &meta); err != nil {
			t.Fatal(err)
		}
		newest = max(newest, meta.MaxTime)
	}
	return time.UnixMilli(newest).UTC().Truncate(time.Hour)
}

// startPart starts a process that answers as a server until the test ends, and returns its address.
func startPart(t *testing.T, a assignment) string {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary)
	c.Env, c.Stderr = append(os.Environ(), scaleEnv+"="+string(text)), os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	})
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		t.Fatal(err)
	}
	return address
}

// serve answers the hourly queries of a LiteLLM source with as many workloads and digits as a Prometheus would, and the others with nothing.
func serve(ctx context.Context, a assignment, _ *figures) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, to := r.FormValue("start"), r.FormValue("end")
		first, err := strconv.ParseFloat(from, 64)
		last, wrong := strconv.ParseFloat(to, 64)
		if errors.Join(err, wrong) != nil {
			http.Error(w, "start or end", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		z := io.Writer(w)
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			folded, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // a level that exists
			defer folded.Close()
			z = folded
		}
		b := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
		hourly := strings.Contains(r.FormValue("query"), `"coverage"`)
		for i := range a.Workloads {
			for _, signal := range []string{"input", "output", "cache_read", "requests", "coverage", "resets"} {
				if !hourly {
					continue
				}
				if i > 0 || signal != "input" {
					b = append(b, ',')
				}
				b = fmt.Appendf(b, `{"metric":{"team_alias":"team-%05d","tipline_signal":%q},"values":[`, i, signal)
				for at := int64(first); at <= int64(last); at += 3600 {
					b = strconv.AppendInt(append(b, '['), at, 10)
					v := float64((at/3600*int64(1+i)*int64(len(signal)*7919))%1000003) * 12.0 / 11
					switch signal {
					case "output", "cache_read":
						v /= 4
					case "coverage":
						v = 1
					case "resets":
						v = 0
					}
					b = append(strconv.AppendFloat(append(b, `,"`...), v, 'f', -1, 64), `"],`...)
				}
				b = append(b[:len(b)-1], `]}`...)
			}
			if len(b) > 1<<16 {
				_, _ = z.Write(b) // the client may have gone
				b = b[:0]
			}
		}
		_, _ = z.Write(append(b, `]}}`...))
	})
	server := http.Server{Handler: answer, ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}

// writeBlocks writes blocks of a Prometheus into folder: a LiteLLM with so many workloads, scraped every five minutes for some days before end.
func writeBlocks(ctx context.Context, folder string, workloads, days int) error {
	const perBlock = 2 // days
	type counter struct {
		labels labels.Labels
		ref    storage.SeriesRef
		value  float64
		mean   float64 // growth between two scrapes
	}
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]counter, 0, workloads*len(counters))
	for i := range workloads {
		size := random.ExpFloat64()
		for _, name := range counters {
			all = append(all, counter{
				labels: labels.FromStrings("__name__", name, "team_alias", fmt.Sprintf("team-%05d", i), "requested_model", "gpt-5-mini", "pod", "litellm-0"),
				mean:   size * perStep[name],
			})
		}
	}
	for from := end.AddDate(0, 0, -days); from.Before(end); from = from.AddDate(0, 0, perBlock) {
		to := from.AddDate(0, 0, perBlock)
		block, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), folder, to.Sub(from).Milliseconds())
		if err != nil {
			return err
		}
		for at := from; at.Before(to); at = at.Add(step) {
			batch := block.Appender(ctx)
			for i := range all {
				c := &all[i]
				if at.Equal(from) {
					c.ref = 0
				}
				if c.ref, err = batch.Append(c.ref, c.labels, at.UnixMilli(), c.value); err != nil {
					return err
				}
				c.value += float64(int(c.mean * random.Float64() * 2))
			}
			if err := batch.Commit(); err != nil {
				return err
			}
		}
		if _, err := block.Flush(ctx); err != nil {
			return err
		}
		if err := block.Close(); err != nil {
			return err
		}
	}
	return nil
}
