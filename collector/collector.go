// Package collector asks a Prometheus-compatible server what each workload used, hour by hour, and keeps the answers.
//
// The arithmetic is done by the server: one expression per source adds up increases per workload and hour, so that an
// answer is small however many pods there are. What was answered once is kept in a History and never asked again.
// A value that is missing or that cannot be true is never a zero: its hour has coverage 0 and a warning that says why.
package collector

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"tipline/model"
)

// Settings describes one source: a server and what to count there.
type Settings struct {
	Name             string            // unique among the sources that share a History
	URL              string            // address of the server, with a path prefix if it has one
	Client           http.RoundTripper // authenticated transport; nil means client_golang's default
	Pack             string            // name of a metric pack, see Packs; exactly one of Pack and Queries is set
	Queries          *Queries          // the user's own PromQL
	Select           map[string]string // only series with these label values count; needs a Pack
	GroupBy          []string          // labels that make a workload; empty means those of the pack
	GPUs             *GPUs             // where the GPUs of the workloads are counted; nil means nowhere
	Backfill         time.Duration     // how far back a cold start asks; 0 means 60 days
	Delay            time.Duration     // an hour is asked for this long after it ended; 0 means 2 minutes
	Timeout          time.Duration     // of one query, its whole answer included; 0 means 30 seconds
	MaxResponseBytes int64             // of one answer after decompression; 0 means 32 MiB
	Concurrency      int               // queries in flight at once; 0 means 4
}

// Queries is the user's own PromQL, one expression a signal. $__window stands for the length of the window, for example
// sum by (team) (increase(my_tokens_total{kind="in"}[$__window])); the result carries the GroupBy labels.
type Queries struct {
	Input              string // prompt tokens in the window; required
	Output             string // generated tokens in the window; required
	CacheRead          string // prompt tokens read from a cache in the window; empty means that the split is not known
	Requests           string // requests in the window; empty means not known
	TTFTP95            string // 95th percentile of the time to first token over the window, in seconds; empty means not known
	InputIncludesCache bool   // Input counts the tokens of CacheRead too
}

// GPUs says where the GPUs that workloads run on are counted.
type GPUs struct {
	Pack string   // name of a GPU pack, see Packs
	Join []string // labels shared by a workload and its GPUs, each of them in GroupBy; empty means namespace
}

// History keeps what was answered. cmd/internal/store satisfies it.
type History interface {
	Get(bucket, key string) ([]byte, error)                                    // nil, nil when absent
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error // ascending key order
	Apply(batch map[string]map[string][]byte) error                            // bucket → key → value; a nil value deletes; one synced transaction
}

// Result is what one collection found.
type Result struct {
	Usage    []model.Usage   // of every workload known, sorted by name
	Queries  int             // queries sent, retries included
	Warnings []model.Warning // about the source as a whole
}

// A Collector asks one Prometheus server what each workload used. Its methods may be called from several goroutines.
type Collector struct{}

// New returns a Collector for s that keeps what it learns in h. It opens no connection and reads nothing yet.
func New(s Settings, h History, log *slog.Logger) (*Collector, error) { return &Collector{}, nil }

// Collect fetches the hours that are missing, keeps them, and returns the usage of every workload known at now.
func (c *Collector) Collect(ctx context.Context, now time.Time) (Result, error) {
	return Result{}, nil
}

// Stored returns the usage that the history has at now, without asking the server.
func (c *Collector) Stored(now time.Time) ([]model.Usage, error) { return nil, nil }

// Packs returns the names of the metric packs, sorted.
func Packs() []string { return []string{"dcgm", "litellm", "vllm"} }
