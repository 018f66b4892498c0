// Package daemon runs the schedule: it collects usage, evaluates every workload, moves the alerts and delivers what they say.
package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"tipline/alerting"
	"tipline/alerting/alertmanager"
	"tipline/alerting/chart"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// Options is what a Daemon needs. Load, Now, Log and Store are required.
type Options struct {
	Load      func() (*config.Config, error) // reads the configuration, at start and at every reload
	Now       func() time.Time
	Log       *slog.Logger
	Store     Store
	Notifiers []alerting.Notifier   // beside those that the configuration names
	Registry  prometheus.Registerer // for the operational metrics; nil registers none
	Stored    bool                  // no server is asked: what the store holds of history is all there is
	Clock     func() time.Time      // that of the machine, with which those of servers are compared; nil compares none. Now may be of the past

	// Background leaves history that is older than two months to Serve, which reads it between the cycles; otherwise every cycle waits for all of it.
	Background bool

	Draw func(out io.Writer, c *chart.Chart) error // writes a chart as PNG, for a Slack that shows none; nil: there is no picture
}

// Store is the durable file, as the rooms that write to it see it.
type Store interface {
	Get(bucket, key string) ([]byte, error)
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error
	Apply(batch map[string]map[string][]byte) error
	Size() int64 // in bytes
}

// watched is a Store of which writes that fail are counted.
type watched struct {
	Store
	failures prometheus.Counter
}

// Apply writes batch, or counts that it could not.
func (w watched) Apply(batch map[string]map[string][]byte) error {
	err := w.Store.Apply(batch)
	if err != nil {
		w.failures.Inc()
	}
	return err
}

// A Daemon observes the workloads of one configuration. Its methods may be called at the same time.
type Daemon struct {
	options   Options
	metrics   *metrics
	desk      *alerting.Desk
	report    atomic.Pointer[model.Report]
	receipts  atomic.Pointer[map[string]*ledger.Receipt] // of the last evaluation, by the id of the decision; never changed once stored
	refused   atomic.Pointer[string]                     // why the last reload was refused; nil when it was not
	ready     atomic.Bool                                // a whole cycle has been published
	changed   chan struct{}                              // holds one value after a reload, for Serve to start the new schedule
	queued    chan struct{}                              // holds one value when there may be something to deliver
	evaluated chan struct{}                              // holds one value after an evaluation, for what stands to be shown
	answered  chan struct{}                              // holds one value when a person has left an answer
	reconnect chan struct{}                              // holds one value after a reload, for a connection with the new settings
	socket    atomic.Pointer[slack.Notifier]             // has buttons to listen to; nil when none has
	folder    string                                     // of the data

	mu        sync.Mutex // held during a cycle, a collection and a reload: one at a time
	history   sync.Mutex // held while hours are read for one of these, and while older ones are filled in: what is read twice is the same
	setup     *setup
	looked    clockLook       // at the beginning of the last cycle or collection
	answers   ledger.Answers  // what people said to decisions
	compacted time.Time       // when the ledger was last gone through
	stale     []model.Warning // which price lists could not be brought up to date, and why

	stanzas        map[string]config.Workload    // what the configuration said of the workloads of the last evaluation
	gaps           map[string]time.Duration      // the longest time that each of them was not measured and was again afterwards
	records        map[string][]byte             // rows of the ledger with the projections that the last evaluation added
	priced         []decide.Judged               // the decisions of the last evaluation
	readAt         map[string]time.Time          // by source, when it answered last in this life
	month          model.BudgetReport            // what the month costs on the options in use
	parts          []decide.MonthPart            // of the dearest workloads in it
	budgetParts    map[string][]decide.MonthPart // and in every budget, by its name
	said           sync.Map                      // of saidInput, by workload
	before, latest map[string]decide.Input       // what the last cycle and the last evaluation rested on, by workload
}

// New loads the configuration and opens what it names, without a connection to anything.
func New(o Options) (*Daemon, error) {
	cfg, err := o.Load()
	if err != nil {
		return nil, err
	}
	metrics := newMetrics(o.Registry, o.Store)
	o.Store = watched{o.Store, metrics.writeErrors}
	d := &Daemon{
		options:   o,
		metrics:   metrics,
		changed:   make(chan struct{}, 1),
		queued:    make(chan struct{}, 1),
		evaluated: make(chan struct{}, 1),
		answered:  make(chan struct{}, 1),
		reconnect: make(chan struct{}, 1),
		folder:    cfg.Store.Path,
		readAt:    map[string]time.Time{},
	}
	if d.setup, err = d.prepare(cfg); err != nil {
		return nil, err
	}
	d.socket.Store(d.setup.socket)
	d.desk, err = alerting.NewDesk(o.Store, d.setup.notifiers, o.Log, d.messageReceipt)
	if err != nil {
		return nil, fmt.Errorf("alert states: %w", err)
	}
	if d.answers, err = ledger.LoadAnswers(o.Store); err != nil {
		o.Log.Error("answers not read", "error", err)
	}
	return d, nil
}

// Report returns what the last cycle found, nil before the first.
func (d *Daemon) Report() *model.Report { return d.report.Load() }

// Ready reports whether a whole cycle has been published.
func (d *Daemon) Ready() bool { return d.ready.Load() }

// Reload reads the configuration again and puts it in force as a whole, or leaves everything as it was and says why.
func (d *Daemon) Reload() (err error) {
	if !d.guarded(inReload, func() { err = d.replace() }) {
		err = errPanicked
	}
	d.metrics.reloaded(err)
	var why *string
	if err != nil {
		why = new(err.Error())
	}
	d.refused.Store(why)
	return err
}

// Refused returns why the last reload was refused, empty when it was not.
func (d *Daemon) Refused() string {
	if why := d.refused.Load(); why != nil {
		return *why
	}
	return ""
}

// remind logs once more that a reload was refused.
func (d *Daemon) remind() {
	if why := d.refused.Load(); why != nil {
		d.options.Log.Error("the configuration that was refused is still not put right; the one before is in force", "error", *why)
	}
}

// replace puts the configuration of the file in force, or changes nothing.
func (d *Daemon) replace() error {
	cfg, err := d.options.Load()
	if err != nil {
		return err
	}
	next, err := d.prepare(cfg)
	if err != nil {
		return err
	}
	if err := unreadable(cfg); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if was, is := d.setup.cfg.Store.Path, cfg.Store.Path; was != is {
		return fmt.Errorf("store.path: got %q, but %q is open: restart tipline to move the store", is, was)
	}
	d.setup = next
	d.desk.Reconfigure(next.notifiers)
	d.socket.Store(next.socket)
	signal(d.reconnect)
	signal(d.changed)
	signal(d.queued)
	return nil
}

// Serve runs a cycle at once and then by the schedule, and delivers messages as they fall due, until ctx ends.
// It returns after the last of its goroutines has.
func (d *Daemon) Serve(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { d.deliver(ctx) })
	tasks.Go(func() { d.keepShowing(ctx) })
	tasks.Go(func() { d.keepTaking(ctx) })
	tasks.Go(func() { d.keepListening(ctx) })
	d.guarded(inCycle, func() { d.evaluateNow(ctx) })
	tasks.Go(func() { d.guarded(inPrices, func() { d.RefreshPrices(ctx) }) }) // what an earlier start fetched is used until then
	if d.options.Background {
		tasks.Go(func() { d.keepFilling(ctx) })
	}
	for ctx.Err() == nil {
		schedule := d.start(ctx)
		select {
		case <-ctx.Done():
		case <-d.changed:
			d.options.Log.Info("schedule replaced after a reload")
		}
		<-schedule.Stop().Done()
	}
}

// start begins the schedule of the configuration in force.
func (d *Daemon) start(ctx context.Context) *cron.Cron {
	d.mu.Lock()
	s := d.setup.cfg.Schedule
	d.mu.Unlock()
	log := cronLog{d.options.Log}
	schedule := cron.New(cron.WithLogger(log))
	for _, job := range []struct {
		name, spec, stage string
		run               func(context.Context)
	}{
		{"collect", s.Collect, inCycle, d.collectNow},
		{"evaluate", s.Evaluate, inCycle, d.evaluateNow},
		{"prices", s.Prices, inPrices, d.RefreshPrices},
		{"digest", s.Digest, inMessage, d.sendDigest},
	} {
		skipped := d.metrics.skipped.WithLabelValues(job.name) // there from the start, as nothing
		if job.spec == "" {
			continue
		}
		parsed, err := ParseSchedule(job.spec, s.Location)
		if err != nil { // config has parsed it before
			d.options.Log.Error("schedule refused", "spec", job.spec, "error", err)
			continue
		}
		schedule.Schedule(parsed, oneAtATime(skipped, log)(cron.FuncJob(func() {
			d.guarded(job.stage, func() { job.run(ctx) })
		})))
	}
	schedule.Start()
	return schedule
}

func (d *Daemon) evaluateNow(ctx context.Context) {
	if _, err := d.Cycle(ctx); err != nil && ctx.Err() == nil {
		d.options.Log.Error("cycle incomplete", "error", err)
	}
}

func (d *Daemon) collectNow(ctx context.Context) {
	if err := d.Collect(ctx); err != nil && ctx.Err() == nil {
		d.options.Log.Error("collection incomplete", "error", err)
	}
}

// Deliver sends every message that is due and returns when the next one will be; the zero time means none is waiting.
func (d *Daemon) Deliver(ctx context.Context) (time.Time, error) {
	defer func() { d.metrics.queued(d.desk.Pending()) }()
	return d.desk.Deliver(ctx, d.options.Now().UTC())
}

// Show tells the Alertmanager of the configuration, if there is one, which verdicts stand, until it is told again.
func (d *Daemon) Show(ctx context.Context) error {
	now := d.options.Now().UTC()
	return d.show(ctx, now, now.Add(alertmanager.Lasts))
}

// ShowOnce does what Show does for a process that ends: what stands is shown until the next evaluation of the schedule should have been.
func (d *Daemon) ShowOnce(ctx context.Context) error {
	now := d.options.Now().UTC()
	d.mu.Lock()
	s := d.setup.cfg.Schedule
	d.mu.Unlock()
	evaluations, err := ParseSchedule(s.Evaluate, s.Location)
	if err != nil { // config has parsed it before
		return fmt.Errorf("schedule.evaluate: %w", err)
	}
	return d.show(ctx, now, evaluations.Next(now).UTC().Add(alertmanager.Lasts))
}

func (d *Daemon) show(ctx context.Context, now, ends time.Time) error {
	d.mu.Lock()
	board := d.setup.board
	d.mu.Unlock()
	if board == nil {
		return nil
	}
	report := d.Report()
	err := board.Show(ctx, d.firing(report), report, now, ends)
	d.metrics.attempted(alertmanager.Name, err)
	return err
}

// keepShowing shows what stands after every evaluation and every alertmanager.Resend, for an Alertmanager forgets.
func (d *Daemon) keepShowing(ctx context.Context) {
	again := time.NewTicker(alertmanager.Resend)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.evaluated:
		case <-again.C:
		}
		d.guarded(inMessage, func() {
			if err := d.Show(ctx); err != nil && ctx.Err() == nil {
				d.options.Log.Error("alerts not shown", "error", err)
			}
		})
	}
}

// deliver sends what is due, then waits for the next message to fall due or to be queued.
func (d *Daemon) deliver(ctx context.Context) {
	for {
		var next time.Time
		d.guarded(inMessage, func() {
			var err error
			if next, err = d.Deliver(ctx); err != nil && ctx.Err() == nil {
				d.options.Log.Error("delivery failed", "error", err)
			}
		})
		if ctx.Err() != nil {
			return
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = max(next.Sub(d.options.Now()), time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-d.queued:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// signal makes c hold one value.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// cronLog hands the schedule's own log to slog.
type cronLog struct{ log *slog.Logger }

func (l cronLog) Info(msg string, keysAndValues ...any) {
	l.log.Debug("schedule", append([]any{"event", msg}, keysAndValues...)...)
}

func (l cronLog) Error(err error, msg string, keysAndValues ...any) {
	l.log.Error("schedule", append([]any{"event", msg, "error", err}, keysAndValues...)...)
}
