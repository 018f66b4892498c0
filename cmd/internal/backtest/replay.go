// Package backtest replays the schedule of the daemon over history and grades what it would have said by what came after.
package backtest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tipline/alerting"
	"tipline/alerting/words"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/ledger"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// ErrUnreachable says that a server did not answer, so that an evaluation could not be replayed.
var ErrUnreachable = errors.New("a server did not answer")

// Options is what a replay needs. Of Config neither the notifiers nor the data directory are touched: what a daemon keeps goes to Store, which is empty or
// has history, and to Folder.
type Options struct {
	Config *config.Config
	Store  daemon.Store
	Folder string
	Stored bool // no server is asked
	Log    *slog.Logger

	Since, Until time.Time     // the evaluations whose messages count
	End          time.Time     // of the history, by which they are graded; not before Until
	Every        time.Duration // between two evaluations; 0 means the schedule of Config

	Progress func(done, all int) // called after every evaluation; nil tells nobody
}

// start begins the life of a daemon that tells nobody but to.
func (o Options) start(now func() time.Time, to ...alerting.Notifier) (*daemon.Daemon, error) {
	load := func() (*config.Config, error) {
		cfg := knownAt(*o.Config, now())
		cfg.Notify = config.Notify{Routes: cfg.Notify.Routes}
		cfg.Store.Path = o.Folder // where answers of people are taken from
		return &cfg, nil
	}
	return daemon.New(daemon.Options{Load: load, Now: now, Log: o.Log, Store: o.Store, Notifiers: to, Stored: o.Stored})
}

// knownAt returns cfg without what it says of the time after t and was not known at t: changes of prices, and ends of models, that a price book looked up after t
// only, and events, of which nobody can tell whether they were written down before they began. What else the configuration announces is taken for known all the time.
func knownAt(cfg config.Config, t time.Time) config.Config {
	today := t.UTC().Format(time.DateOnly)
	cfg.Options = slices.Clone(cfg.Options)
	for i, o := range cfg.Options {
		later := func(change time.Time) bool { // than what was known
			first, last := change.Format(time.DateOnly), change.AddDate(0, 0, -1).Format(time.DateOnly)
			return change.After(t) && slices.ContainsFunc(o.Prices, func(p model.PriceSource) bool {
				about := p.ValidFrom == first || p.ValidTo == last || p.Field == "retires" && p.Value == last
				return about && p.Date > today
			})
		}
		cfg.Options[i].Announced = slices.DeleteFunc(slices.Clone(o.Announced), func(c decide.PriceChange) bool { return later(c.From) })
		if later(o.Retires) {
			cfg.Options[i].Retires = time.Time{}
		}
	}
	cfg.Workloads = append(slices.Clone(cfg.Workloads), cfg.Defaults)
	for i, w := range cfg.Workloads {
		cfg.Workloads[i].Known.Events = slices.DeleteFunc(slices.Clone(w.Known.Events), func(e model.Event) bool { return e.From.After(t) })
	}
	last := len(cfg.Workloads) - 1
	cfg.Workloads, cfg.Defaults = cfg.Workloads[:last], cfg.Workloads[last]
	return cfg
}

// facts counts the changes, ends and events that cfg knows of.
func facts(cfg config.Config) (n int) {
	for _, o := range cfg.Options {
		n += len(o.Announced)
		if !o.Retires.IsZero() {
			n++
		}
	}
	n += len(cfg.Defaults.Known.Events)
	for _, w := range cfg.Workloads {
		n += len(w.Known.Events)
	}
	return n
}

// Extent is what is known of the workloads of a configuration.
type Extent struct {
	First, Last time.Time     // start of the first measured hour and end of the last
	Longest     time.Duration // between them, of one workload
}

// span is how long a replay is when nothing is said, where the history reaches as far.
const span = 180 * day

// Survey fetches the hours up to now that history lacks, as far back as the first evaluation is to see, and returns what there is. The error wraps
// ErrUnreachable when a server did not answer.
func Survey(ctx context.Context, o Options, now time.Time) (Extent, error) {
	cfg := *o.Config
	cfg.Sources = slices.Clone(cfg.Sources)
	since := o.Since
	if since.IsZero() {
		since = now.Add(-span)
	}
	for i := range cfg.Sources {
		cfg.Sources[i].Backfill += now.Sub(since)
	}
	o.Config = &cfg
	d, err := o.start(func() time.Time { return now })
	if err != nil {
		return Extent{}, err
	}
	report, err := d.Evaluate(ctx)
	if err != nil {
		return Extent{}, broken(report, err)
	}
	var e Extent
	for _, w := range report.Workloads {
		first, last := w.Usage.FirstSample, w.Usage.LastSample
		if first == nil || last == nil {
			continue
		}
		if e.First.IsZero() || first.Before(e.First) {
			e.First = *first
		}
		if last.After(e.Last) {
			e.Last = *last
		}
		e.Longest = max(e.Longest, last.Sub(*first))
	}
	return e, nil
}

// broken returns err as an ErrUnreachable when it is because a source of report is down.
func broken(report *model.Report, err error) error {
	if report != nil && slices.ContainsFunc(report.Sources, func(s model.SourceReport) bool { return !s.Up }) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

// instants returns when the schedule of o evaluates in [o.Since, o.End].
func (o Options) instants() ([]time.Time, error) {
	if o.Every > 0 {
		var all []time.Time
		for at := o.Since; !at.After(o.End); at = at.Add(o.Every) {
			all = append(all, at.UTC())
		}
		return all, nil
	}
	return firings(o.Config.Schedule.Evaluate, o.Config.Schedule.Location, o.Since, o.End)
}

// firings returns when spec fires in [from, to]; never when it is empty.
func firings(spec string, location *time.Location, from, to time.Time) ([]time.Time, error) {
	if spec == "" {
		return nil, nil
	}
	schedule, err := daemon.ParseSchedule(spec, location)
	if err != nil { // config has parsed it before
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	var all []time.Time
	for at := schedule.Next(from.Add(-time.Second)); !at.IsZero() && !at.After(to); at = schedule.Next(at) {
		all = append(all, at.UTC())
	}
	return all, nil
}

// replay is a daemon that lives through the past, and what became known of it.
type replay struct {
	Options
	daemon    *daemon.Daemon
	now       time.Time
	facts     int              // that the options in force know of
	delivered []alerting.Event // of the evaluation under way
	messages  []Message
	sent      int // messages as they would have arrived
	hindsight map[string]*hindsight
	spent     map[[2]string]spent // by budget and month, what was known of it last
}

// spent is what was known at a time of what a month costs.
type spent struct {
	report model.BudgetReport
	at     time.Time
}

// Name returns "backtest".
func (r *replay) Name() string { return "backtest" }

// Send keeps e.
func (r *replay) Send(_ context.Context, e alerting.Event) (alerting.Posted, error) {
	r.delivered = append(r.delivered, e)
	return alerting.Posted{}, nil
}

// Run lives through the evaluations of o, each with no more than what was known then, and grades what was said up to o.Until by what is known at o.End. Its
// error wraps ErrUnreachable when a server did not answer.
func Run(ctx context.Context, o Options) (*Result, error) {
	instants, err := o.instants()
	if err != nil {
		return nil, err
	}
	if len(instants) == 0 {
		return nil, fmt.Errorf("nothing to replay: the schedule has no evaluation from %s to %s", o.Since.Format(time.RFC3339), o.End.Format(time.RFC3339))
	}
	r := &replay{Options: o, now: instants[0], facts: facts(knownAt(*o.Config, instants[0])), hindsight: map[string]*hindsight{}, spent: map[[2]string]spent{}}
	if r.daemon, err = o.start(func() time.Time { return r.now }, r); err != nil {
		return nil, err
	}
	result := &Result{ConfigHash: o.Config.Hash, Since: o.Since.UTC(), Until: o.Until.UTC(), GradedUntil: o.End.UTC()}
	silent := map[string]string{} // by workload, why there was no verdict; empty when there was one
	var last *model.Report
	for i, at := range instants {
		r.now = at
		if last, err = r.evaluate(ctx); err != nil {
			return nil, fmt.Errorf("evaluation of %s: %w", at.Format(time.RFC3339), err)
		}
		if !at.After(o.Until) {
			result.Evaluations++
			for _, w := range last.Workloads {
				if because, seen := silent[w.Workload]; seen && because == "" {
					continue
				}
				silent[w.Workload] = ""
				if d := w.Decision; d.Recommendation == model.Unknown && d.Reason != model.ReasonNoFeasibleOption {
					silent[w.Workload] = cmp.Or(d.Because, "nothing is known of it")
				}
			}
		}
		if o.Progress != nil {
			o.Progress(i+1, len(instants))
		}
	}
	digests, err := firings(o.Config.Schedule.Digest, o.Config.Schedule.Location, o.Since, o.Until)
	if err != nil {
		return nil, err
	}
	result.Workloads, result.Undecided = len(silent), []Silent{}
	for _, workload := range slices.Sorted(maps.Keys(silent)) {
		if because := silent[workload]; because != "" {
			result.Undecided = append(result.Undecided, Silent{workload, because})
		}
	}
	result.Messages = r.graded()
	result.Crossings = []Crossing{}
	hostings := map[string]model.Hosting{}
	for _, option := range o.Config.Options {
		hostings[option.Name] = option.Hosting
	}
	for _, c := range crossed(r.hindsight) {
		if !c.At.After(o.Until) {
			result.Crossings = append(result.Crossings, outcome(c, result.Messages, hostings, o.Until))
		}
	}
	result.Forecast = horizons(last.Workloads)
	result.Totals = result.total(r.sent, len(digests))
	result.Summary, result.Limits = result.summarize(), o.limits()
	return result, nil
}

// evaluate runs one cycle, takes what it has to say, and adds what it shows of the past.
func (r *replay) evaluate(ctx context.Context) (*model.Report, error) {
	at := r.now
	if n := facts(knownAt(*r.Config, at)); n != r.facts {
		if err := r.daemon.Reload(); err != nil {
			return nil, err
		}
		r.facts = n
	}
	report, err := r.daemon.Cycle(ctx)
	if err != nil {
		return nil, broken(report, err)
	}
	for next := at; !next.IsZero(); {
		r.now = next
		if next, err = r.daemon.Deliver(ctx); err != nil {
			return nil, err
		}
	}
	if !at.After(r.Until) {
		r.sent += len(r.delivered)
		for _, e := range r.delivered {
			if err := r.take(e); err != nil {
				return nil, err
			}
		}
	}
	r.delivered = nil
	for _, b := range report.Budgets {
		r.spent[[2]string{b.Budget, b.Month}] = spent{b, at}
	}
	return report, r.observe(report, at)
}

// observe adds what report shows of the 30 days before at, of all workloads at once.
func (r *replay) observe(report *model.Report, at time.Time) error {
	errs := make([]error, len(report.Workloads))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var tasks sync.WaitGroup
	for i, w := range report.Workloads {
		h := r.hindsight[w.Workload]
		if h == nil {
			h = &hindsight{}
			r.hindsight[w.Workload] = h
		}
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			in, known, err := r.input(w.Decision.ID)
			if known {
				h.observe(w, in, at)
			}
			errs[i] = err
		})
	}
	tasks.Wait()
	return errors.Join(errs...)
}

// input returns what the decision id of the last evaluation rested on, and false when nothing was computed.
func (r *replay) input(id string) (in decide.Input, known bool, err error) {
	row, err := r.daemon.Receipt(id)
	if row == nil || err != nil {
		return in, false, err
	}
	receipt, err := ledger.Open(row)
	if err != nil {
		return in, false, err
	}
	in, err = receipt.Input()
	if errors.Is(err, ledger.ErrNoInputs) {
		return in, false, nil
	}
	return in, err == nil, err
}

// take keeps e as a message, or, when it sums up many, as those.
func (r *replay) take(e alerting.Event) error {
	if e.Storm == nil {
		r.messages = append(r.messages, message(e))
		return nil
	}
	events := slices.Clone(e.Storm.Named)
	for _, id := range e.Storm.Rest {
		rest, err := r.announced(id)
		if err != nil {
			return err
		}
		events = append(events, rest)
	}
	slices.SortStableFunc(events, func(a, b alerting.Event) int { return strings.Compare(a.Workload, b.Workload) })
	for _, one := range events {
		m := message(one)
		m.SummedUp = true
		r.messages = append(r.messages, m)
	}
	return nil
}

// announced returns the message about the decision id, which the ledger keeps as if it had been sent.
func (r *replay) announced(id string) (alerting.Event, error) {
	row, err := r.Store.Get(ledger.Bucket, alerting.Announced+id)
	if err != nil {
		return alerting.Event{}, err
	}
	var a alerting.Announcement
	if err := json.Unmarshal(row, &a); err != nil {
		return alerting.Event{}, fmt.Errorf("announcement of %s: %w", id, err)
	}
	data, err := r.daemon.Receipt(id)
	if err != nil {
		return alerting.Event{}, err
	}
	receipt, err := ledger.Open(data)
	if err != nil {
		return alerting.Event{}, err
	}
	return daemon.Told(receipt, &a)
}

// message returns what is kept of e.
func message(e alerting.Event) Message {
	w, d := e.Report, e.Report.Decision
	m := Message{At: e.Time.UTC(), Workload: e.Workload, Kind: e.Reason, Previous: e.Previous, Text: words.Headline(e), budget: e.Budget}
	switch e.Reason {
	case alerting.FirstSeen, alerting.Switched, alerting.Blocked:
		m.From, m.To = w.Current, d.Option
		if s := d.SavingUSDPerMonth; s != nil {
			m.Saving = new(rounded(s.P50, 2))
		}
	case alerting.Returned:
		m.From, m.To = e.Previous, w.Current
	case alerting.NoOption:
		m.From = w.Current
	case alerting.Approaching:
		m.From, m.To, m.Crosses = w.Current, w.Crossover.Option, w.Crossover.CrossesOn
		if b := w.Crossover.NextBoundary; b != nil {
			m.boundary = *b
		}
	default:
		return m
	}
	if x := w.Crossover; x != nil {
		m.ActBy = x.ActBy
	}
	return m
}

// graded returns the messages, each with its grade.
func (r *replay) graded() []Message {
	messages := []Message{}
	for _, m := range r.messages {
		var days []observed
		if h := r.hindsight[m.Workload]; h != nil {
			days = h.days
		}
		m.Grade = grade(m, days, r.End)
		if b := m.budget; b != nil {
			last := r.spent[[2]string{b.Budget, b.Month}]
			m.Grade = gradeBudget(last.report, last.at, r.End)
		}
		messages = append(messages, m)
	}
	return messages
}

// limits says what a replay cannot know.
func (o Options) limits() []string {
	all := []string{
		"Prices of the past are those that the price books of today hold for each day; a change is known ahead only from the day on which its row was looked up, and what the configuration itself says of prices was known all the time.",
		"The current options, candidates and constraints of the configuration of today are taken for those of all the time, and nobody answers: a move that is advised is never made. An event is known from its beginning on.",
		"Capacity that is measured is that of the hours up to each evaluation; what the configuration says of it is taken for that of all the time.",
		"Hours that came late are taken for known when they were over, and a server that was away is not noticed.",
	}
	if o.Stored {
		return append(all, "No server was asked, so lengths of prompts, GPUs, failed requests and the time to first token of single days are not known.")
	}
	return append(all, "Lengths of prompts, GPUs, failed requests and the time to first token are what the servers still have of those days.")
}

// Fit sets what o does not say of its time: it ends with what is known, and begins half a year before that, or as soon as there is history enough for a verdict.
// The error says what is wanted when there is too little to replay.
func (o Options) Fit(known Extent) (Options, error) {
	if known.First.IsZero() && o.Stored {
		return o, errors.New("no history: the data directory has no hour of any workload in the last 90 days, and no server was asked")
	}
	if known.First.IsZero() {
		return o, errors.New("no history: neither the data directory nor a server has an hour of any workload; tipline check --live says what each server has")
	}
	policy := o.Config.Policy
	confirming := time.Duration(max(0, policy.Confirmations-1)) * policy.ConfirmEvery
	if least := policy.MinHistory + confirming; known.Longest < least {
		return o, fmt.Errorf("too short a history: %s are known, from %s on; a verdict needs %s (policy.min_history) and a message %s of confirmations more", days(known.Longest),
			known.First.Format(time.DateOnly), days(policy.MinHistory), days(confirming))
	}
	o.End = known.Last
	if o.Until.IsZero() || o.Until.After(o.End) {
		o.Until = o.End
	}
	if o.Since.IsZero() {
		o.Since = o.Until.Add(-span)
		if first := known.First.Add(policy.MinHistory); o.Since.Before(first) {
			o.Since = first
		}
	}
	if !o.Since.Before(o.Until) {
		return o, fmt.Errorf("nothing to replay: it would begin on %s, and the history is from %s to %s", o.Since.Format(time.DateOnly), known.First.Format(time.DateOnly), known.Last.Format(time.DateOnly))
	}
	return o, nil
}

// days writes d in days.
func days(d time.Duration) string { return fmt.Sprintf("%.1f days", d.Hours()/24) }
