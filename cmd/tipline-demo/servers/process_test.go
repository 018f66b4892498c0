package servers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"tipline/collector"
)

// A server is where a collector asks.
type server struct {
	url    string
	client promconfig.HTTPClientConfig // how it is asked, and written to
	write  []string                    // addresses of remote write, each of which gets a share of the pods
	flush  string                      // address that makes what was written readable; empty where it is without
	later  bool                        // what was written is readable some seconds later
	stop   []func()                    // ends the process behind each of write, where they are several
}

// settings returns those of a collector of what happened.
func (s server) settings(t *testing.T) collector.Settings {
	t.Helper()
	client, err := promconfig.NewRoundTripperFromConfig(s.client, "server")
	if err != nil {
		t.Fatal(err)
	}
	return collector.Settings{URL: s.url, Client: client, Pack: "litellm", Backfill: end.Sub(begin)}
}

// built are the servers that make servers builds, by the name of their program.
var built = map[string]func(t *testing.T, program string) server{
	"prometheus-3.5": unlimited, "prometheus-3.16": unlimited, "thanos-0.42": runStrictThanos, "mimir-3.0": runMimir, "victoriametrics-1.151": runVictoriaMetrics,
}

// program returns the path of a program in the folder TIPLINE_SERVERS.
func program(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("TIPLINE_SERVERS")
	if folder == "" {
		t.Skip("TIPLINE_SERVERS names no folder with servers: make servers builds them")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	return path
}

func unlimited(t *testing.T, program string) server {
	t.Helper()
	return runPrometheus(t, program)
}

func runPrometheus(t *testing.T, program string, flags ...string) server {
	t.Helper()
	folder := t.TempDir()
	at := startPrometheus(t, program, folder, filepath.Join(folder, "data"), append(flags, "--web.enable-remote-write-receiver")...)
	return server{url: at, write: []string{at + "/api/v1/write"}}
}

// startPrometheus starts a Prometheus on data, which scrapes nothing, and waits until it is ready.
func startPrometheus(t testing.TB, program, folder, data string, more ...string) string {
	t.Helper()
	settings := filepath.Join(folder, "prometheus.yml")
	if err := os.WriteFile(settings, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := address(t)
	run(t, "http://"+at+"/-/ready", program, append([]string{
		"--config.file=" + settings, "--storage.tsdb.path=" + data, "--web.listen-address=" + at,
		"--storage.tsdb.retention.time=100y", "--log.level=error",
	}, more...)...)
	return "http://" + at
}

func runStrictThanos(t *testing.T, program string) server {
	t.Helper()
	return runThanos(t, program, "endpoint-strict")
}

// runThanos starts a querier before two receivers, each of which has half of the pods, and names them by a flag.
func runThanos(t *testing.T, program, flag string) server {
	t.Helper()
	s := server{later: true} // a querier looks every few seconds what times its stores have
	querier := []string{"query", "--log.level=error", "--grpc-address=" + address(t)}
	for _, name := range []string{"a", "b"} {
		store, web, remote := address(t), address(t), address(t)
		s.stop = append(s.stop, run(t, "http://"+web+"/-/ready", program, "receive", "--log.level=error", "--tsdb.path="+t.TempDir(), "--tsdb.retention=100y",
			"--label=receiver=\""+name+"\"", "--grpc-address="+store, "--http-address="+web, "--remote-write.address="+remote, "--receive.capnproto-address="+address(t)))
		s.write = append(s.write, "http://"+remote+"/api/v1/receive")
		querier = append(querier, "--"+flag+"="+store)
	}
	web := address(t)
	run(t, "http://"+web+"/-/ready", program, append(querier, "--http-address="+web)...)
	s.url = "http://" + web
	return s
}

// mimirLimits are the limits of tenants, none of which may ask for a day at once, and one not for all of an hour either.
const mimirLimits = `
overrides:
  short: {max_total_query_length: 10h}
  few: {max_fetched_series_per_query: 200}
  fewest: {max_fetched_series_per_query: 10}
  chunks: {max_fetched_chunks_per_query: 250}
  forgetful: {max_estimated_memory_consumption_per_query: 40000}
`

// runMimir starts all of Mimir in one process, with a tenant of its own and limits for some others. What it is given is read from where it is taken in.
func runMimir(t *testing.T, program string) server {
	t.Helper()
	folder := t.TempDir()
	limits := filepath.Join(folder, "limits.yml")
	if err := os.WriteFile(limits, []byte(mimirLimits), 0o600); err != nil {
		t.Fatal(err)
	}
	web, grpc := address(t), address(t)
	_, port, _ := strings.Cut(web, ":")
	_, grpcPort, _ := strings.Cut(grpc, ":")
	args := []string{
		"-target=all", "-log.level=error", "-usage-stats.enabled=false", "-activity-tracker.filepath=" + filepath.Join(folder, "activity"), "-runtime-config.file=" + limits,
		"-server.http-listen-address=127.0.0.1", "-server.grpc-listen-address=127.0.0.1", "-server.http-listen-port=" + port, "-server.grpc-listen-port=" + grpcPort,
		"-common.storage.backend=filesystem", "-common.storage.filesystem.dir=" + filepath.Join(folder, "common"), "-blocks-storage.storage-prefix=blocks", "-ruler-storage.storage-prefix=ruler",
		"-blocks-storage.tsdb.dir=" + filepath.Join(folder, "tsdb"), "-blocks-storage.bucket-store.sync-dir=" + filepath.Join(folder, "sync"),
		"-compactor.data-dir=" + filepath.Join(folder, "compactor"), "-ruler.rule-path=" + filepath.Join(folder, "rules"),
		"-ingester.ring.replication-factor=1", "-ingester.ring.min-ready-duration=0s", "-distributor.ingestion-rate-limit=1e9", "-distributor.ingestion-burst-size=1000000000",
		"-ingester.max-global-series-per-user=0", "-blocks-storage.tsdb.retention-period=87600h", "-querier.query-ingesters-within=0", "-querier.query-store-after=876000h",
		"-query-frontend.instance-addr=127.0.0.1", "-memberlist.bind-addr=127.0.0.1", "-memberlist.bind-port=0",
	}
	for _, ring := range []string{"ingester.ring", "distributor.ring", "compactor.ring", "store-gateway.sharding-ring", "ruler.ring", "query-scheduler.ring", "querier.ring"} {
		args = append(args, "-"+ring+".store=inmemory", "-"+ring+".instance-addr=127.0.0.1")
	}
	run(t, "http://"+web+"/ready", program, args...)
	return server{url: "http://" + web + "/prometheus", write: []string{"http://" + web + "/api/v1/push"}, client: tenant("llm")}
}

// tenant returns how a Mimir is asked as a tenant.
func tenant(name string) promconfig.HTTPClientConfig {
	c := promconfig.DefaultHTTPClientConfig
	c.HTTPHeaders = &promconfig.Headers{Headers: map[string]promconfig.Header{"X-Scope-OrgID": {Values: []string{name}}}}
	return c
}

func runVictoriaMetrics(t *testing.T, program string) server {
	t.Helper()
	at := address(t)
	run(t, "http://"+at+"/-/ready", program, "-storageDataPath="+t.TempDir(), "-httpListenAddr="+at, "-retentionPeriod=100y", "-loggerLevel=ERROR")
	return server{url: "http://" + at, write: []string{"http://" + at + "/api/v1/write"}, flush: "http://" + at + "/internal/force_flush"}
}

// address returns one of this machine that nothing listens at.
func address(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // nobody was let in
	return listener.Addr().String()
}

// run starts a program, waits until it says at an address that it is ready, and returns what ends it before the test does.
func run(t testing.TB, ready, program string, args ...string) (stop func()) {
	t.Helper()
	server := exec.Command(program, args...)
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		status, err := get(t.Context(), ready)
		if err == nil && status == http.StatusOK {
			return stop
		}
		if time.Now().After(deadline) {
			stop()
			t.Fatalf("%s is not ready after two minutes: %v: %s", filepath.Base(program), err, said.String())
		}
	}
}

func get(ctx context.Context, address string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// fill writes what happened to s, half an hour at a time, since servers take no samples that are much older than others.
func (s server) fill(t *testing.T) {
	t.Helper()
	const slice = 30 * time.Minute
	requests := make([]map[time.Time]*prompb.WriteRequest, len(s.write))
	for i := range requests {
		requests[i] = map[time.Time]*prompb.WriteRequest{}
	}
	for i, p := range pods() {
		to := requests[i%len(requests)]
		for _, name := range counters {
			identity := prompb.FromLabels(labels.FromStrings("__name__", name, "team_alias", p.team, "requested_model", "m", "pod", p.name), nil)
			var now time.Time
			err := p.samples(func(at time.Time, steps float64) error {
				if of := at.Truncate(slice); of != now {
					now = of
					if to[now] == nil {
						to[now] = &prompb.WriteRequest{}
					}
					to[now].Timeseries = append(to[now].Timeseries, prompb.TimeSeries{Labels: identity})
				}
				series := &to[now].Timeseries[len(to[now].Timeseries)-1]
				series.Samples = append(series.Samples, prompb.Sample{Value: steps * perStep[name], Timestamp: at.UnixMilli()})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	client, err := promconfig.NewClientFromConfig(s.client, "server") // one for all, since a Prometheus lets in 512 connections at once
	if err != nil {
		t.Fatal(err)
	}
	for at := begin; !at.After(end); at = at.Add(slice) {
		for i, address := range s.write {
			if request := requests[i][at]; request != nil {
				send(t, client, address, request)
			}
		}
	}
	if s.flush != "" {
		if status, err := get(t.Context(), s.flush); err != nil || status != http.StatusOK {
			t.Fatalf("%s: HTTP %d, %v", s.flush, status, err)
		}
	}
	if s.later {
		s.await(t)
	}
}

// await waits until all pods can be read.
func (s server) await(t *testing.T) {
	t.Helper()
	settings := s.settings(t)
	settings.GroupBy = []string{"team_alias"}
	c := newCollector(t, settings)
	expr, want := fmt.Sprintf("count(last_over_time(litellm_input_tokens_metric_total[%dh]))", hours+1), len(pods())
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		got, err := c.Ask(t.Context(), expr, end)
		if err == nil && len(got) == 1 && int(got[0].Value) == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after two minutes: got %v, %v, want %d series", got, err, want)
		}
	}
}

// send writes to a server by remote write, in its first version.
func send(t *testing.T, client *http.Client, address string, write *prompb.WriteRequest) {
	t.Helper()
	body, err := write.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Content-Encoding", "snappy")
	request.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // all of it has been read
	var said bytes.Buffer
	if _, err := said.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode/100 != 2 {
		t.Fatalf("%s: HTTP %d: %s", address, response.StatusCode, said.String())
	}
}
