// Package collector asks a Prometheus-compatible server what each workload used, hour by hour, and keeps the answers.
//
// The arithmetic is done by the server: one expression per source adds up increases per workload and hour, so that an
// answer is small however many pods there are. What was answered once is kept in a History and never asked again.
// A value that is missing or that cannot be true is never a zero: its hour has coverage 0 and a warning that says why.
package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"tipline/model"
)

// Settings describes one source: a server and what to count there.
type Settings struct {
	Name             string            // unique among the sources that share a History
	URL              string            // address of the server, with a path prefix if it has one
	Client           http.RoundTripper // authenticated transport; nil means client_golang's default
	Pack             string            // name of a metric pack in Library; exactly one of Pack and Queries is set
	Library          *Library          // where packs are looked up; nil means the built-in ones
	Queries          *Queries          // the user's own PromQL
	Select           map[string]string // only series with these label values count; needs a Pack
	GroupBy          []string          // labels that make a workload; empty means those of the pack
	Period           time.Duration     // of the gauges that show sums of a period; 0 means that of the pack
	Stamps           string            // the time of such a sample: scrape, or cloud for the beginning of its period; empty means that of the pack
	CacheApart       map[string]string // series with these label values leave the cache out of their input too, beside those that the pack says do; nil means no others
	ReplicaLabel     string            // the label that tells apart the copies of a series that replicas of a Prometheus have stored, of which one counts, see wording.once; empty means that there are none
	GPUs             *GPUs             // where the GPUs of the workloads are counted; nil means nowhere
	Backfill         time.Duration     // how far back a cold start asks; 0 means 60 days
	AtOnce           time.Duration     // how far back Collect asks of that, the rest being left to Fill; 0 means all of it
	Delay            time.Duration     // an hour is asked for this long after it ended; 0 means 2 minutes
	Timeout          time.Duration     // of one query, its whole answer included; 0 means 30 seconds
	MaxResponseBytes int64             // of one answer after decompression; 0 means 32 MiB
	Concurrency      int               // queries in flight at once; 0 means 4
	Server           *Server           // shared with the other sources at the same address; nil means one of its own

	Clock func() time.Time // that of the server is compared with it; nil compares nothing
	Costs bool             // what queries take is measured by Clock, which must not be nil; see Collector.Costs

	Siblings []map[string]string // the Select of other sources that read the same server with the same Pack
}

// Queries is the user's own PromQL, one expression a signal, whose result carries the GroupBy labels. $__window stands for
// the length of the window that ends at the evaluation:
//
//	sum by (team) (increase(my_tokens_total{kind="in"}[$__window]))
//
// It is 1h for what is counted, and 1d for TTFTP95. Input is also evaluated every five minutes over 10m to see in how
// much of an hour there was anything to count, so scrapes must be at most five minutes apart. Keep aggregation outside:
// increase(sum()) takes every pod that leaves for a reset. Resets of the counters cannot be seen from outside.
type Queries struct {
	Input              string // prompt tokens in the window; required
	Output             string // generated tokens in the window; required
	CacheRead          string // prompt tokens read from a cache in the window; empty means that the split is not known
	Requests           string // requests in the window; empty means not known
	TTFTP95            string // 95th percentile of the time to first token over the window, in seconds; empty means not known
	InputIncludesCache bool   // Input counts the tokens of CacheRead too
	Layer              string `json:",omitempty"` // one of Layers; empty means that it is not said
	Model              string `json:",omitempty"` // the label of GroupBy that says which model a workload uses; empty means none
}

// GPUs says where the GPUs that workloads run on are counted.
type GPUs struct {
	Pack string   // name of a GPU pack in Library
	Join []string // labels shared by a workload and its GPUs, each of them in GroupBy; empty means namespace
}

// History keeps what was answered. cmd/internal/store satisfies it. The values of a batch are overwritten after Apply.
type History interface {
	Get(bucket, key string) ([]byte, error)                                    // nil, nil when absent
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error // ascending key order
	Apply(batch map[string]map[string][]byte) error                            // bucket → key → value; a nil value deletes; one synced transaction
}

// Result is what one collection found.
type Result struct {
	Usage    []model.Usage   // of every workload known, sorted by name, without its hours: Read has them
	Queries  int             // queries sent, retries included
	Warnings []model.Warning // about the source as a whole

	// Filled is the share of the hours of Settings.Backfill, as far as the server is believed to reach, that need not be asked for again.
	Filled model.Fraction

	// Missing is what of the source was looked for by name and not found, by the last look that found anything.
	Missing []model.Missing

	// Ahead is by how much the clock of the server, or of what gives it samples, is ahead of Settings.Clock, less than 0 when it is behind; nil when that is
	// not known.
	Ahead *time.Duration

	// GPUsFree is the share of the GPUs that the exporter showed over the last day that no pod held; nil when that is not known.
	GPUsFree *model.Fraction

	// Unattributed is the share of the tokens of the last day that no workload has, because the source does not select them; nil when
	// that is not known.
	Unattributed *model.Fraction
}

// Defaults of Settings.
const (
	defaultBackfill         = 60 * 24 * time.Hour
	defaultDelay            = 2 * time.Minute
	defaultTimeout          = 30 * time.Second
	defaultMaxResponseBytes = 32 << 20
	defaultConcurrency      = 4
)

const (
	// chunkHours is how many hours are asked for at once: few enough for the limits that servers put on the length and
	// the points of a query, many enough for the newest ones to fit into one.
	chunkHours = 24

	// emptyHours is how many hours in a row may be empty before a search for older ones ends, however many are asked for at
	// once. It is more than a long weekend without scrapes.
	emptyHours = 7 * 24

	// growAfter is how many collections in a row without a refusal make the next query an hour longer: after a bad day it
	// is weeks until all is as before, and a server that cannot do it refuses one query in as many.
	growAfter = 24

	// batchesAtOnce is how many batches of queries are saved together, unless there are openDays in memory before. The days of a workload are beside
	// each other in the data file: the more of them are written together, the seldomer is the page between old ones and new ones written again. What
	// was not saved when the process ends is asked for again.
	batchesAtOnce = 2

	// openDays is how many days of workloads, of 1.8 KB each, may be in memory when more are asked for.
	openDays = 24_000

	// looks is about how often a search for what is before empty hours looks, at most.
	looks = 1000

	// lookAgain is how long a server is believed to have nothing older: long-term storage may be added or come back.
	lookAgain = 24 * time.Hour
)

// costPack is the pack that says what GPUs cost, whoever counts them.
const costPack = "opencost"

// A Collector asks one Prometheus server what each workload used. Its methods may be called from several goroutines.
type Collector struct {
	settings  Settings // with defaults filled in
	queries   queries
	among     func([]side) string // queries.hourly about the series on all of these sides; nil of queries of one's own
	cutting   sync.Mutex          // held while it is found out how to cut what a server refuses
	rules     rules
	unsure    []unsure // what makes it unsure how many GPUs there are
	gpusBy    string   // see model.Usage
	layer     Layer    // of the pack or the queries; empty when they do not say
	versioned *pack    // that says what versions change; nil of queries of one's own
	counter   string   // expression of what input is counted by, to see whether there is any
	client    *client
	log       *slog.Logger

	turn chan struct{} // holds a value while a collection is under way: one at a time

	mu      sync.Mutex
	archive *archive                        // guarded by mu
	chunk   pace                            // of the hourly queries; guarded by mu
	served  pace                            // of those about the engines; guarded by mu
	barren  time.Time                       // when a search through older hours last found nothing at all; guarded by mu
	devices map[string]map[string]model.Day // the GPUs of every scope by what tells them apart, as last answered; guarded by mu

	wanted []wanted // what is read; belongs to who has the turn

	counters []readAs          // what is read as counters; nil where the pack says that they are gauges
	typed    time.Time         // when the server was last asked of what type they are; belongs to who has the turn
	gauges   map[signal]string // those of counters that are gauges as it says, one of every signal; guarded by mu

	unstored time.Time // until when the server, of which none are known, is not asked for stores; belongs to who has the turn
	filling  bool      // Fill had more to ask for the last time; belongs to who has the turn

	hollow int // hours without data in a row that Fill has come across; belongs to who has the turn

	look struct { // what was found by the last look of lookDaily; belongs to who has the turn
		asked   time.Time
		ahead   bool // samples were ahead of our clock, so that every collection looks again
		barren  bool // there was no history, so that it looks again once there is one
		note    []model.Warning
		missing []model.Missing
	}
}

// New returns a Collector for s that keeps what it learns in h. It opens no connection and reads nothing yet.
func New(s Settings, h History, log *slog.Logger) (*Collector, error) {
	s.Backfill = cmp.Or(s.Backfill, defaultBackfill).Truncate(time.Hour)
	s.Delay = cmp.Or(s.Delay, defaultDelay)
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	s.MaxResponseBytes = cmp.Or(s.MaxResponseBytes, defaultMaxResponseBytes)
	s.Concurrency = cmp.Or(s.Concurrency, defaultConcurrency)
	if s.AtOnce > 0 { // Fill asks for no hour twice
		s.AtOnce = max(s.AtOnce.Truncate(time.Hour), settleAfter)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	c := &Collector{settings: s, log: log.With("source", s.Name), chunk: pace{hours: chunkHours}, served: pace{hours: chunkHours}, turn: make(chan struct{}, 1)}
	err := c.prepareQueries()
	if err != nil {
		return nil, err
	}
	s = c.settings
	if c.counter, err = s.counted(seen); err != nil {
		return nil, err
	}
	if s.Queries == nil {
		newest, err := s.counted("timestamp(%s)")
		if err != nil {
			return nil, err
		}
		stored := c.counter
		if s.ReplicaLabel != "" {
			stored = largestOf(stored, s.ReplicaLabel)
			c.queries.scrapes = marked(replicasAlike, alike(c.counter, s.ReplicaLabel)) + "\nor "
		}
		c.queries.scrapes += marked(storedPerReplica, perReplica(stored)) + "\nor " + marked(newestSample, "max "+newest)
		if c.versioned.PeriodSums == nil { // those have their own period
			c.queries.scrapes += "\nor " + marked(scrapeInterval, scraped(newest))
		}
	}
	c.queries.watched = lookedFor(c.wanted)
	if c.queries.scrapes != "" {
		c.queries.watched += "\nor " + c.queries.scrapes
	}
	if err := checkLabels(s.GroupBy, s.Select); err != nil {
		return nil, err
	}
	if c.client, err = newClient(s); err != nil {
		return nil, err
	}
	// What is counted. The first-token query may change without making the counted hours others.
	scope := []any{slices.Sorted(slices.Values(s.GroupBy)), s.Select, s.Pack, s.Queries.counted()}
	if text := s.Library.text(s.Pack); text != "" || s.Period != 0 || s.Stamps != "" || s.CacheApart != nil {
		scope = append(scope, text, s.Period, s.Stamps, s.CacheApart)
	}
	if s.ReplicaLabel != "" {
		scope = append(scope, "replica label", s.ReplicaLabel)
	}
	c.archive, err = newArchive(h, s.Name, scope, s.GroupBy)
	return c, err
}

// adapted returns p with what the source says about it.
func (s Settings) adapted(p *pack) (*pack, error) {
	changed := *p
	changed.ReplicaLabel = s.ReplicaLabel
	if s.CacheApart != nil {
		changed.CacheApart = append(slices.Clip(changed.CacheApart), s.CacheApart)
		if err := errors.Join(checkWhere(s.CacheApart), p.mayStandApart()); err != nil {
			return nil, fmt.Errorf("cache_apart: %w", err)
		}
	}
	if s.Period == 0 && s.Stamps == "" {
		return &changed, nil
	}
	if p.PeriodSums == nil {
		return nil, fmt.Errorf("period and stamps: have no effect on pack %q, whose metrics are counters", p.Name)
	}
	sums := *p.PeriodSums
	sums.Period, sums.Stamps = cmp.Or(s.Period, sums.Period), cmp.Or(s.Stamps, sums.Stamps)
	changed.PeriodSums = &sums
	return &changed, errors.Join(checkPeriod(sums.Period), checkStamps(sums.Stamps))
}

func (s Settings) check() error {
	var errs []error
	if s.Name == "" {
		errs = append(errs, errors.New("name: missing"))
	}
	if (s.Pack == "") == (s.Queries == nil) {
		errs = append(errs, errors.New("want either pack or queries"))
	}
	for name, d := range map[string]time.Duration{"backfill": s.Backfill, "at_once": s.AtOnce, "delay": s.Delay, "timeout": s.Timeout} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: got %s, want more than 0", name, d))
		}
	}
	if s.Backfill == 0 {
		errs = append(errs, errors.New("backfill: got less than an hour, want at least 1h"))
	}
	if s.MaxResponseBytes < 0 || s.Concurrency < 0 {
		errs = append(errs, errors.New("max_response_bytes and concurrency: want more than 0"))
	}
	if q := s.Queries; q != nil {
		if q.Input == "" || q.Output == "" {
			errs = append(errs, errors.New("queries: want input and output"))
		}
		if q.Layer != "" && !slices.Contains(Layers, Layer(q.Layer)) {
			errs = append(errs, fmt.Errorf("queries.layer: got %q, want one of %q", q.Layer, Layers))
		}
		if len(s.GroupBy) == 0 {
			errs = append(errs, errors.New("group_by: missing, and queries of your own have no default"))
		}
		if len(s.Select) > 0 {
			errs = append(errs, errors.New("select: has no effect on queries of your own, write the matchers there"))
		}
	}
	switch label := s.ReplicaLabel; {
	case label == "":
	case s.Queries != nil:
		errs = append(errs, errors.New("replica_label: has no effect on queries of your own, leave all but one replica out there"))
	case slices.Contains(s.GroupBy, label):
		errs = append(errs, fmt.Errorf("replica_label: %q is in group_by, which makes a workload of every replica", label))
	case checkLabels([]string{label}, nil) != nil:
		errs = append(errs, fmt.Errorf("replica_label: got %q, want the name of a label such as prometheus_replica", label))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// prepareQueries fills in what a pack knows and builds every expression once.
func (c *Collector) prepareQueries() error {
	s := &c.settings
	engines := false
	if s.Queries != nil {
		c.queries, c.layer, c.counters = ownQueries(s.Queries, s.GroupBy), Layer(s.Queries.Layer), s.Queries.readAs()
		c.rules = rules{includesCache: s.Queries.InputIncludesCache, countsRequests: s.Queries.Requests != ""}
	} else {
		p, err := s.Library.pack(s.Pack)
		if err != nil {
			return err
		}
		engines, c.layer = p.engine(), p.Layer
		if p.GPU != nil {
			return fmt.Errorf("pack %q: counts GPUs, want one that counts tokens", s.Pack)
		}
		if len(s.GroupBy) == 0 {
			s.GroupBy = p.GroupBy
		}
		if p, err = s.adapted(p); err != nil {
			return err
		}
		if p.PeriodSums != nil {
			s.Delay = max(s.Delay, p.PeriodSums.Delay)
		}
		c.queries = packQueries(p, s.Select, s.GroupBy)
		c.among = func(sides []side) string {
			w := worded(p, []map[string]string{s.Select}, s.GroupBy, time.Hour)
			w.among = sides
			return w.hourly()
		}
		if len(s.Siblings) > 0 {
			c.queries.dark = darkQuery(p, append([]map[string]string{s.Select}, s.Siblings...))
		}
		c.rules, c.queries.versions, c.versioned, c.counters = p.rules(), p.versionQuery(), p, p.readAs()
	}
	c.wanted = s.wants(c.versioned)
	if s.GPUs == nil {
		if !engines { // what a replica serves cannot be known
			c.queries.served = ""
		}
		return nil
	}
	p, err := s.Library.pack(s.GPUs.Pack)
	if err != nil {
		return fmt.Errorf("gpus: %w", err)
	}
	if p.GPU == nil {
		return fmt.Errorf("gpus: pack %q: counts tokens, want one that counts GPUs", s.GPUs.Pack)
	}
	gpus := *s.GPUs
	if len(gpus.Join) == 0 {
		gpus.Join = []string{"namespace"}
	}
	what := "cards"
	if p.GPU.Held != nil {
		what = "containers"
	}
	c.gpusBy = what + " by " + strings.Join(slices.Sorted(slices.Values(gpus.Join)), " and ")
	for _, name := range gpus.Join {
		if !slices.Contains(s.GroupBy, name) {
			return fmt.Errorf("gpus.join: label %q is not in group_by (%s)", name, strings.Join(s.GroupBy, ", "))
		}
	}
	s.GPUs = &gpus
	c.queries.gpu, c.queries.devices, c.unsure = gpuQuery(p.GPU, gpus.Join), gpuDevices(p.GPU, gpus.Join), p.GPU.Unsure
	costs := p
	if p.GPU.Cost == nil {
		if costs, err = s.Library.pack(costPack); err != nil {
			return err
		}
	}
	if costs.GPU != nil && costs.GPU.Cost != nil { // a pack of the user's may have its name
		c.queries.cost = gpuCosts(costs.GPU, gpus.Join)
	}
	c.wanted = append(c.wanted, s.wantsGPUs(p)...)
	if c.queries.served != "" {
		c.queries.served += "\nor " + gpusServing(p.GPU, gpus.Join)
	}
	return nil
}

// Collect fetches the hours that are missing, keeps them, and returns every workload known at now.
// Its error is about the newest hours, which were not read, or about the history, which was not written; the result
// then holds what was known before. Anything less is a warning.
func (c *Collector) Collect(ctx context.Context, now time.Time) (Result, error) {
	if err := c.takeTurn(ctx); err != nil {
		return Result{}, err
	}
	defer c.giveTurn()
	sent := c.client.guard.sent.Load()
	c.client.guard.skew.forget()
	defer c.client.server.Enter()()
	var result Result
	if err := c.load(now); err != nil {
		return result, err
	}
	result.Warnings = c.loadWarnings()
	c.noteAsked(now)
	notes, err := c.fetch(ctx, now)
	result.Warnings = append(result.Warnings, notes...)
	if err == nil {
		err = c.review(ctx, now)
	}
	result.Usage = c.usage(now)
	for _, b := range c.inTurn() {
		if err != nil {
			break
		}
		notes, err = b.ask(ctx, now, &result)
		result.Warnings = append(result.Warnings, notes...)
	}
	if err == nil {
		c.grow()
		err = c.save() // what was found beside the hours
	}
	result.Filled = c.filled(now)
	result.Usage = c.withOthers(result.Usage, now)
	result.Ahead, notes = c.client.guard.skew.judge()
	result.Warnings = append(result.Warnings, notes...)
	result.Queries = int(c.client.guard.sent.Load() - sent)
	slices.SortStableFunc(result.Warnings, func(a, b model.Warning) int {
		return cmp.Or(strings.Compare(a.Code, b.Code), strings.Compare(a.Text, b.Text))
	})
	result.Warnings = oneOfAKind(slices.Compact(result.Warnings))
	return result, err
}

// oneOfAKind returns the first of warnings of every code, sorted by it, with how many more there are: a remark about every hour of a year helps nobody.
func oneOfAKind(warnings []model.Warning) []model.Warning {
	var first []model.Warning
	for len(warnings) > 0 {
		w, n := warnings[0], 1
		for n < len(warnings) && warnings[n].Code == w.Code {
			n++
		}
		if n > 1 {
			w.Text += fmt.Sprintf("; and %d more of the kind", n-1)
		}
		first, warnings = append(first, w), warnings[n:]
	}
	return first
}

func (c *Collector) takeTurn(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Collector) giveTurn() { <-c.turn }

// Fill asks for some of the older hours that Collect leaves to it, as many as are asked for at once, one at first and after it had nothing more, and keeps the answers. It returns the share
// of the history that is filled, see Result, and whether there is more to ask for now. A Collect under way comes first, and one that comes
// meanwhile waits for no more than these few.
func (c *Collector) Fill(ctx context.Context, now time.Time) (filled model.Fraction, more bool, err error) {
	if err := c.takeTurn(ctx); err != nil {
		return 0, false, err
	}
	defer c.giveTurn()
	defer c.client.server.Enter()()
	if err := c.load(now); err != nil {
		return 0, false, err
	}
	hours, engines, size := c.plan(now, true), c.planServing(now, true), c.settings.Concurrency
	if !c.filling { // what has been refused is not sent several times at once
		size = 1
	}
	switch {
	case c.settings.AtOnce == 0 || c.barrenAt(now):
	case len(hours) > 0:
		if _, more, err = c.fetchBatch(ctx, now, hours[:min(size, len(hours))], &c.hollow); err == nil {
			err = c.save()
		}
	case len(engines) > 0:
		var failed []model.Warning
		failed, err = c.fetchServing(ctx, now, engines[:min(size, len(engines))])
		more = err == nil && !slices.ContainsFunc(failed, func(w model.Warning) bool { return w.Code == ServingFailed })
	}
	c.filling = more
	return c.filled(now), more, err
}

// filled returns the share of the history that is filled at now, see Result.
func (c *Collector) filled(now time.Time) model.Fraction {
	c.mu.Lock()
	defer c.mu.Unlock()
	window := c.windowLocked(now)
	all := window.hours()
	if all <= 0 {
		return 1
	}
	missing := 0
	for _, s := range c.archive.record.Settled.missing(window) {
		missing += s.hours()
	}
	return model.Fraction(all-missing) / model.Fraction(all)
}

// Stored returns the workloads that the history has at now, without asking the server, and without their hours, see Read: up to 400 days of every one that
// was measured within the 90 days before now. GPUs, the time to first token and the requests of the last day that failed or were sent again are not kept.
func (c *Collector) Stored(now time.Time) ([]model.Usage, error) {
	if err := c.load(now); err != nil {
		return nil, err
	}
	return c.withOthers(c.usage(now), now), nil
}

func (c *Collector) load(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.archive.load(now)
}

// loadWarnings reports, once, what could not be read from the history.
func (c *Collector) loadWarnings() []model.Warning {
	c.mu.Lock()
	defer c.mu.Unlock()
	var warnings []model.Warning
	for _, text := range c.archive.corrupt {
		c.log.Warn("history row is corrupt", "row", text)
		warnings = append(warnings, model.Warning{Code: HistoryCorrupt, Text: text})
	}
	c.archive.corrupt = nil
	return warnings
}

// complete returns the end of the newest hour that is old enough to be asked for at now.
func (c *Collector) complete(now time.Time) time.Time {
	return now.UTC().Add(-c.settings.Delay).Truncate(time.Hour)
}

// plan returns the spans to ask for at now, newest first: those that Collect waits for, or the older ones that it leaves to Fill.
func (c *Collector) plan(now time.Time, older bool) []span {
	barren := c.barrenAt(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	window := c.partLocked(now, older)
	if barren {
		window.From = later(window.From, window.To.Add(-chunkHours*time.Hour)) // not settled by it, so it is asked for again
	}
	return c.archive.record.Settled.missing(window).chunks(c.chunk.hours)
}

// windowLocked returns the hours that history has when it is filled. The caller holds mu.
func (c *Collector) windowLocked(now time.Time) span {
	end := c.complete(now)
	window := span{end.Add(-c.settings.Backfill), end}
	if r := c.archive.record; !r.Floor.IsZero() {
		floor := r.Floor
		if now.Sub(r.Looked) >= lookAgain {
			floor = floor.Add(-chunkHours * time.Hour)
		}
		window.From = later(window.From, floor)
	}
	return window
}

// partLocked returns the hours of the window that Collect waits for, or the older ones that it leaves to Fill. The caller holds mu.
func (c *Collector) partLocked(now time.Time, older bool) span {
	window := c.windowLocked(now)
	border := window.From
	if c.settings.AtOnce > 0 {
		border = later(border, window.To.Add(-c.settings.AtOnce))
	}
	if older {
		return span{window.From, border}
	}
	return span{border, window.To}
}

// barrenAt reports whether a search found nothing at all lately and nothing has come since.
func (c *Collector) barrenAt(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.archive.series) == 0 && now.Sub(c.barren) < lookAgain
}

// fetch asks for the hours that are missing at now and keeps the answers, newest first. The newest chunk goes alone:
// a server that does not answer it is not asked for the others.
func (c *Collector) fetch(ctx context.Context, now time.Time) ([]model.Warning, error) {
	var (
		warnings []model.Warning
		empty    int // hours without data in a row
	)
	barren := c.barrenAt(now)
	kept := 0 // batches since the last save
	for todo, size, more := c.plan(now, false), 1, true; more && len(todo) > 0; size = c.settings.Concurrency {
		todo = shorter(todo, c.most(&c.chunk, chunkHours)) // answers that are too large for one are too large for memory
		batch := untilMidnight(todo[:min(size, len(todo))])
		todo = todo[len(batch):]
		notes, goOn, err := c.fetchBatch(ctx, now, batch, &empty)
		warnings, more = append(warnings, notes...), goOn
		if err != nil {
			return warnings, err
		}
		if kept++; kept < batchesAtOnce && more && len(todo) > 0 && c.opened() < openDays {
			continue
		}
		if err := c.save(); err != nil {
			return warnings, err
		}
		kept = 0
	}
	if barren && !c.barrenAt(now) {
		more, err := c.fetch(ctx, now) // the older hours too
		return append(warnings, more...), err
	}
	return append(warnings, c.limits(now)...), nil
}

// fetchBatch asks for some spans at once, newest first, and takes over the answers, which the next save writes. It is false when older ones are not to be asked for: one
// could not be read, or so many were empty, which are counted in empty, that there will be nothing before them.
func (c *Collector) fetchBatch(ctx context.Context, now time.Time, batch []span, empty *int) (warnings []model.Warning, more bool, err error) {
	end := c.complete(now)
	begin := end.Add(-c.settings.Backfill)
	more = true
	answers, errs := c.askWhole(ctx, now, c.queries.hourly, &c.chunk, batch)
	for i, asked := range batch {
		if errs[i] != nil {
			if asked.To.Equal(end) {
				return warnings, false, fmt.Errorf("hours up to %s: %w", end.Format(time.RFC3339), errs[i])
			}
			c.log.WarnContext(ctx, "older hours not read", "from", asked.From, "to", asked.To, "error", errs[i])
			warnings = append(warnings, model.Warning{Code: BackfillIncomplete, Text: fmt.Sprintf(
				"hours from %s to %s: %v", asked.From.Format(time.RFC3339), asked.To.Format(time.RFC3339), errs[i],
			)})
			more = false
			break
		}
		found := false
		for _, a := range answers[i] {
			warnings = append(warnings, a.notes...)
			found = found || !a.empty()
		}
		if *empty += asked.hours(); found {
			*empty = 0
		}
		beyond := c.keep(asked, answers[i], now, found)
		answers[i] = nil // while the days that it becomes fill
		if *empty < emptyHours && (found || !beyond) {
			continue
		}
		*empty = 0
		older, err := c.reaches(ctx, span{begin, asked.From})
		if older {
			if beyond {
				c.setFloor(time.Time{}, now)
			}
			continue
		}
		if err == nil || beyond { // it is looked for again in a day
			c.setFloor(asked.From, now)
		}
		if err != nil { // without a floor the next collection goes on before what is settled
			c.log.WarnContext(ctx, "did not see whether there are hours before a gap", "gap_from", asked.From, "error", err)
			warnings = append(warnings, model.Warning{Code: BackfillIncomplete, Text: fmt.Sprintf("hours before %s: %v", asked.From.Format(time.RFC3339), err)})
		}
		more = false
		break
	}
	return warnings, more, nil
}

// reaches reports whether the server has anything in the hours of s, by a look at some of them: the hours that were empty after it are a gap then, and
// not the beginning of what there is. A server that finds that too much to look at has something; with an error it is not known.
func (c *Collector) reaches(ctx context.Context, s span) (bool, error) {
	if s.hours() <= 0 {
		return false, nil
	}
	step := time.Duration((s.hours()/looks)|1) * time.Hour // odd, so that it is another hour of every day
	m, _, err := c.client.ask(ctx, c.since(), v1.Range{Start: s.From.Add(time.Hour), End: s.To, Step: step})
	var e *Error
	if errors.As(err, &e) && !e.unsent && (e.Reason == LimitReached || e.Reason == TooLarge || e.Reason == TimedOut) {
		return true, nil
	}
	return len(m) > 0, err
}

// since returns the expression that tells whether there is anything of what input is counted by.
func (c *Collector) since() string { return "count(" + c.counter + ")" }

// keep takes over the answers about one chunk, and reports whether it is before the beginning of what the server was believed to have.
func (c *Collector) keep(asked span, answers []answer, now time.Time, found bool) (beyond bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range answers {
		c.archive.add(a, c.rules)
	}
	if len(c.archive.series) == 0 {
		return false // a wrong tenant or a wrong name looks like this: nothing is settled by it
	}
	past := now // by both clocks: what is still to come there is not settled by having nothing yet
	if ahead := c.client.guard.skew.ahead(); ahead != nil && *ahead < 0 {
		past = now.Add(*ahead)
	}
	c.archive.settle(asked, c.complete(past))
	floor := c.archive.record.Floor
	if beyond = !floor.IsZero() && asked.From.Before(floor); beyond && found {
		c.archive.setRecord(func(r *record) { r.Floor, r.Looked = time.Time{}, now.UTC() }) // there is more by now
	}
	return beyond
}

// setFloor remembers that the server has nothing before from, of which the zero time says that it is not known, or for a while that it has nothing at all.
func (c *Collector) setFloor(from, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.archive.series) == 0 {
		c.barren = now
		return
	}
	c.archive.setRecord(func(r *record) { r.Floor, r.Looked = from, now.UTC() })
}

// opened returns how many days of workloads are in memory.
func (c *Collector) opened() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.archive.series {
		n += len(s.days)
	}
	return n
}

func (c *Collector) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.archive.save()
}

// limits returns what is to be said about the source when its answers are in.
func (c *Collector) limits(now time.Time) []model.Warning {
	c.mu.Lock()
	defer c.mu.Unlock()
	var warnings []model.Warning
	if len(c.archive.series) == 0 {
		warnings = append(warnings, model.Warning{
			Code: NoData, Text: "the server answers, but has none of the counters: wrong address, tenant, pack or select?",
		})
	}
	return append(warnings, c.crowded(c.complete(now))...)
}

// askAll evaluates expr at the hours of the spans, at the same time; see askHours.
func (c *Collector) askAll(ctx context.Context, expr string, p *pace, batch []span) ([][]answer, []error) {
	answers, errs := make([][]answer, len(batch)), make([]error, len(batch))
	broken := make([]*model.Panic, len(batch))
	var wg sync.WaitGroup
	for i, s := range batch {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					broken[i] = model.Caught(p, debug.Stack())
				}
			}()
			answers[i], errs[i] = c.askHours(ctx, expr, p, s)
		})
	}
	wg.Wait()
	for _, p := range broken {
		if p != nil {
			panic(p) // where the caller of Collect can catch it
		}
	}
	return answers, errs
}

// askHours evaluates expr at the end of each hour of s, in halves where the server found as much too much before, or does so now, and remembers
// in p what was not; a single hour that is too much is asked for in parts, see cut. For what it had no time for it is asked in halves the next time only: it may be busy, and a cycle has no time either.
func (c *Collector) askHours(ctx context.Context, expr string, p *pace, s span) ([]answer, error) {
	if s.hours() <= c.most(p, chunkHours) {
		cuts := c.cutsOf(p)
		a, err := c.askParts(ctx, expr, cuts, s)
		var e *Error
		if !errors.As(err, &e) || e.unsent || e.Reason != LimitReached && e.Reason != TooLarge && e.Reason != TimedOut {
			return []answer{a}, err
		}
		if s.hours() == 1 {
			if e.Reason == LimitReached && p == &c.chunk && c.cutMore(ctx, p, len(cuts), s.To) {
				return c.askHours(ctx, expr, p, s)
			}
			return nil, err
		}
		c.most(p, s.hours()/2)
		if e.Reason == TimedOut {
			return nil, err
		}
	}
	middle := s.To.Add(-time.Duration(s.hours()/2) * time.Hour)
	newer, err := c.askHours(ctx, expr, p, span{middle, s.To})
	if err != nil {
		return nil, err
	}
	older, err := c.askHours(ctx, expr, p, span{s.From, middle})
	return append(newer, older...), err
}

// A pace is how many hours are asked for at once: no more than the server answered, and an hour more now and then, since what it refused may have been
// a bad day.
type pace struct {
	hours int
	cuts  []cut // of what is asked, where an hour of it was too much
	good  int   // collections in a row in which nothing was refused
}

// most makes p no larger than hours and returns how many it allows.
func (c *Collector) most(p *pace, hours int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if hours < p.hours {
		p.hours, p.good = hours, -1 // of this collection too
	}
	return p.hours
}

// grow counts a collection that has ended well.
func (c *Collector) grow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range []*pace{&c.chunk, &c.served} {
		if p.good++; p.good < growAfter {
			continue
		}
		if p.good = 0; len(p.cuts) > 0 {
			p.cuts = p.cuts[:len(p.cuts)-1]
		} else {
			p.hours = min(chunkHours, p.hours+1)
		}
	}
}

// askSpan evaluates expr at the end of each hour of s.
func (c *Collector) askSpan(ctx context.Context, expr string, s span) (a answer, err error) {
	notes, err := c.client.each(ctx, expr, v1.Range{Start: s.From.Add(time.Hour), End: s.To, Step: time.Hour}, func() taker {
		a = newAnswer(s, c.archive.roll)
		return a.take
	})
	a.notes = c.relevant(notes)
	return a, err
}

// idle are the beginnings of what servers remark about expressions of the built-in packs that are as they should be: they tell counters by their names alone, and the
// buckets of histograms that are scraped one after the other, or added up, differ by rounding.
var idle = []string{"PromQL info: metric might not be a counter", "PromQL info: input to histogram_quantile needed to be fixed for monotonicity"}

// relevant returns notes without what is idle. Of expressions and packs of the user's everything is worth a look.
func (c *Collector) relevant(notes []model.Warning) []model.Warning {
	if c.settings.Queries != nil || c.settings.Library.text(c.settings.Pack) != "" {
		return notes
	}
	return slices.DeleteFunc(notes, func(w model.Warning) bool {
		return slices.ContainsFunc(idle, func(remark string) bool { return strings.HasPrefix(w.Text, remark) })
	})
}

// usage returns the workloads that the archive has at now, without their hours, sorted by name, and without the sum of the names that are too many.
func (c *Collector) usage(now time.Time) []model.Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := c.complete(now)
	taken := map[string]bool{}
	var all []model.Usage
	for _, key := range slices.Sorted(maps.Keys(c.archive.series)) {
		s := c.archive.series[key]
		if key == othersKey || !c.archive.lately(s, end, goneAfter) {
			continue
		}
		u := model.Usage{
			Workload: unique(workloadName(s.labels, c.settings.GroupBy), key, taken), Source: c.settings.Name, Layer: string(c.layer), Labels: maps.Clone(s.labels),
		}
		if c.settings.GPUs != nil {
			_, words := c.gpuScope(s.labels)
			u.GPUScope, u.GPUDevices, u.GPUsBy = words, c.devices, c.gpusBy
		}
		all = append(all, u)
	}
	sortUsage(all)
	return all
}

func sortUsage(all []model.Usage) {
	slices.SortFunc(all, func(a, b model.Usage) int {
		return cmp.Or(strings.Compare(a.Workload, b.Workload), cmp.Compare(a.Names, b.Names))
	})
}

// Read returns u, which Collect or Stored returned for now, with its hours, and what is to be said about them before its warnings. Hours that cannot be read
// are not known; the next Collect says so and asks for them again.
func (c *Collector) Read(u model.Usage, now time.Time) model.Usage {
	u, notes := c.hours(u, now, time.Time{})
	end := c.complete(now)
	c.mu.Lock()
	warnings := noteWarnings(notes, end, c.gauges[input])
	c.mu.Unlock()
	seen := len(u.Hours) - 1
	for seen > 0 && !(hour{u.Hours[seen], notes[seen]}).seen() {
		seen--
	}
	if silent := u.Start.Add(time.Duration(seen+1) * time.Hour); end.Sub(silent) > vanishedAfter {
		warnings = append(warnings, model.Warning{
			Code: Vanished, Text: fmt.Sprintf("no samples since %s: not the same as no traffic", silent.Format("2006-01-02 15:04")),
		})
	}
	u.Warnings = append(warnings, u.Warnings...)
	return u
}

// ReadSince returns u, which Collect or Stored returned for now, with its hours from since on alone, and without what is to be said about them.
func (c *Collector) ReadSince(u model.Usage, now, since time.Time) model.Usage {
	u, _ = c.hours(u, now, since)
	return u
}

// hours returns u with its hours from since on, and their notes.
func (c *Collector) hours(u model.Usage, now, since time.Time) (model.Usage, []note) {
	end := c.complete(now)
	c.mu.Lock()
	key := canonical(u.Labels)
	if u.Names > 0 {
		key = othersKey
	}
	s := c.archive.series[key]
	c.mu.Unlock()
	if s == nil { // the history could not be read since
		s = new(series)
	}
	r := c.read(s, func() (from, to time.Time) {
		if s.first.IsZero() {
			return end, end
		}
		return earlier(end, later(s.first, since.UTC().Truncate(time.Hour))), end
	})
	u.Start, u.Hours, u.Serving = r.start, r.hours, r.serving
	return u, r.notes
}

// A reading is what the history has of a series, hour by hour.
type reading struct {
	start   time.Time
	hours   []model.Hour
	notes   []note
	serving []model.Serving // nil when nothing is known of any
	err     error           // why some could not be read
}

// read reads the hours of s that span returns, which is called while nothing changes.
func (c *Collector) read(s *series, span func() (from, to time.Time)) reading {
	c.mu.Lock()
	from, to := span()
	days, engines := copies(s.days), copies(s.engines)
	months := []string{""}
	if s.first.Before(from) {
		months = monthsOf(from, to)
	}
	c.mu.Unlock()
	r := reading{start: from, hours: make([]model.Hour, max(0, to.Sub(from)/time.Hour))}
	r.notes = make([]note, len(r.hours))
	bad, err := eachRow(c.archive.store, c.archive.prefix+dayRow+s.id+"/", months, days, decodeDay, func(d date, hours *day) {
		first := int(d.start().Sub(from) / time.Hour)
		for i := max(0, -first); i < len(hours) && first+i < len(r.hours); i++ {
			r.hours[first+i], r.notes[first+i] = hours[i].Hour, hours[i].notes
		}
	})
	unserved, failed := eachRow(c.archive.store, c.archive.prefix+servingRow+s.id+"/", months, engines, decodeServing, func(d date, hours *servingDay) {
		first := int(d.start().Sub(from) / time.Hour)
		for i := max(0, -first); i < len(hours) && first+i < len(r.hours); i++ {
			if hours[i] == (model.Serving{}) {
				continue
			}
			if r.serving == nil {
				r.serving = make([]model.Serving, len(r.hours))
			}
			r.serving[first+i] = hours[i]
		}
	})
	r.err = errors.Join(err, failed)
	if len(bad)+len(unserved) > 0 || r.err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.archive.blame(bad, err)
		c.archive.blame(unserved, failed)
	}
	return r
}

// unique returns name, with key where another workload has it, as "a/b" and "c" may that of "a" and "b/c", and marks it as taken.
func unique(name, key string, taken map[string]bool) string {
	if taken[name] {
		name += " (" + key + ")"
	}
	taken[name] = true
	return name
}

// workloadName joins the label values in the order of groupBy; a missing one is a dash.
func workloadName(labels map[string]string, groupBy []string) string {
	values := make([]string, len(groupBy))
	for i, name := range groupBy {
		values[i] = cmp.Or(labels[name], "-")
	}
	return strings.Join(values, "/")
}
