package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
	"tipline/model/drift"
)

// Cycle fetches the hours that history lacks, evaluates every workload, moves the alert states and publishes the report.
// A source or a workload that fails spoils only itself: it is named in the report and in the error, the rest is whole.
func (d *Daemon) Cycle(ctx context.Context) (*model.Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchClock()
	d.remind()
	now := d.options.Now().UTC()
	began := time.Now()
	answersErr := d.takeAnswers()
	report, err := d.evaluate(ctx, now)
	if report == nil {
		return nil, err
	}
	// Prices first, so that a verdict that they change is not told twice.
	err = errors.Join(err, answersErr, d.endAnswers(now), d.tellPrices(now), d.keepFindings(report))
	if len(d.records) > 0 {
		if keepErr := d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: d.records}); keepErr != nil {
			err = errors.Join(err, fmt.Errorf("record of projections: %w", keepErr))
		}
	}
	considered, alertErr := d.desk.Consider(d.judged(report), now)
	if alertErr != nil {
		err = errors.Join(err, fmt.Errorf("alert states: %w", alertErr))
	}
	err = errors.Join(err, d.tellFaults(report.DataFaults, now), d.tellBudgets(report, now), d.compact(report, now))
	for _, double := range report.DoubleMeters {
		if len(double.Primary) == 0 {
			d.options.Log.Warn("metered twice", "workloads", double.Workloads, "also_at", double.AlsoAt)
		}
	}
	for _, c := range considered {
		said := []any{"workload", c.Workload, "reason", string(c.Reason)}
		if c.Event != nil {
			said = append(said, "event", c.Event.ID, "kind", string(c.Event.Reason))
		}
		d.options.Log.Info("considered", said...)
	}
	d.before = d.latest
	d.said.Range(func(workload, _ any) bool {
		if _, evaluated := d.latest[workload.(string)]; !evaluated {
			d.said.Delete(workload)
		}
		return true
	})
	report = d.placed(report)
	d.report.Store(report)
	d.ready.Store(true)
	d.metrics.evaluated(now, time.Since(began), d.desk.Pending(), err)
	signal(d.queued)
	signal(d.evaluated)
	return report, err
}

// Evaluate does what Cycle does and leaves alerts, the ledger and the published report alone.
func (d *Daemon) Evaluate(ctx context.Context) (*model.Report, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	report, err := d.evaluate(ctx, d.options.Now().UTC())
	if report == nil {
		return nil, err
	}
	return d.placed(report), err
}

// placed returns report with where the case of every workload stands now, as far as that is known.
func (d *Daemon) placed(report *model.Report) *model.Report {
	next := *report
	next.Workloads = slices.Clone(report.Workloads)
	for i, c := range d.desk.Cases(report, d.answers) {
		next.Workloads[i].Case = c
	}
	for i, p := range d.desk.Presences(report) {
		next.Workloads[i].Presence = p
	}
	return &next
}

// evaluate reads every source and evaluates every workload. The report is nil only when ctx ended.
func (d *Daemon) evaluate(ctx context.Context, now time.Time) (*model.Report, error) {
	d.history.Lock()
	defer d.history.Unlock()
	found, sources, err := d.read(ctx, now)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	report := d.assemble(found, sources, now)
	if !d.options.Stored {
		var unknown *model.Warning
		if report.Unattributed, unknown = d.unattributed(ctx, sources, now); unknown != nil {
			report.Warnings = append(report.Warnings, *unknown)
		}
	}
	return report, err
}

// Collect fetches the hours that history lacks and refreshes what the published report says of usage; no verdict moves.
func (d *Daemon) Collect(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.history.Lock()
	defer d.history.Unlock()
	d.watchClock()
	d.remind()
	now := d.options.Now().UTC()
	found, sources, err := d.read(ctx, now)
	last := d.report.Load()
	if ctx.Err() != nil || last == nil {
		return errors.Join(err, ctx.Err())
	}
	shareGPUs(found, now)
	workloads := named(found)
	summaries := make([]model.UsageSummary, len(workloads))
	read := make([]bool, len(workloads)) // what could not be stays as it was
	d.each(workloads, func(i int, m metered) {
		summaries[i] = m.summarize(m.recent(now), now)
		read[i] = true
	}, func(int, metered) {})
	usage := map[string]model.UsageSummary{}
	for i, m := range workloads {
		if read[i] {
			usage[m.usage.Workload] = summaries[i]
		}
	}
	err = errors.Join(err, d.tellFaults(append(d.silence(sources, last.Workloads, now), d.undelivered(now)...), now))
	signal(d.queued)
	next := *last
	next.Sources = sources
	next.Workloads = make([]model.WorkloadReport, len(last.Workloads))
	for i, w := range last.Workloads {
		if fresh, ok := usage[w.Workload]; ok {
			// What the evaluation derived stays until the next one, and the first hour, which need not be among the recent ones.
			fresh.FirstSample = cmp.Or(w.Usage.FirstSample, fresh.FirstSample)
			fresh.PeakFactor, fresh.EconomicUtilization, fresh.IdleUSDPerMonth = w.Usage.PeakFactor, w.Usage.EconomicUtilization, w.Usage.IdleUSDPerMonth
			fresh.Capacity, fresh.GPUUSDPerMonth, fresh.GPUCostGapPerMonth = w.Usage.Capacity, w.Usage.GPUUSDPerMonth, w.Usage.GPUCostGapPerMonth
			w.Usage = fresh
		}
		next.Workloads[i] = w
	}
	d.report.Store(d.placed(&next))
	return err
}

// read asks every source at once for what its workloads used. A source that fails is read from history and named in the error.
func (d *Daemon) read(ctx context.Context, now time.Time) ([]metered, []model.SourceReport, error) {
	sources := d.setup.sources
	results := make([]collector.Result, len(sources))
	reports := make([]model.SourceReport, len(sources))
	errs := make([]error, len(sources))
	var leave []func()
	for _, s := range sources { // one run at every server, however soon a source has failed
		leave = append(leave, s.settings.Server.Enter())
	}
	var tasks sync.WaitGroup
	for i, s := range sources {
		tasks.Go(func() {
			if !d.guarded(inSource, func() { results[i], errs[i] = d.collect(ctx, s, now) }, "source", s.cfg.Name) {
				results[i], errs[i] = collector.Result{}, errPanicked
			}
			reports[i] = model.SourceReport{Source: s.cfg.Name, Up: errs[i] == nil, Queries: results[i].Queries, Warnings: results[i].Warnings, Missing: results[i].Missing, UnattributedTokensRatio: results[i].Unattributed, GPUsFreeRatio: results[i].GPUsFree}
			if ahead := results[i].Ahead; ahead != nil {
				reports[i].ClockAheadSeconds = new(ahead.Seconds())
			}
			if errs[i] == nil {
				reports[i].FilledRatio = &results[i].Filled
			} else {
				reports[i].Error, reports[i].Reason = errs[i].Error(), string(collector.ReasonOf(errs[i]))
				d.guarded(inSource, func() { results[i].Usage, _ = s.collector.Stored(now) }, "source", s.cfg.Name)
				errs[i] = fmt.Errorf("source %s: %w", s.cfg.Name, errs[i])
			}
		})
	}
	tasks.Wait()
	for _, left := range leave {
		left()
	}
	for i, s := range sources {
		if errs[i] == nil {
			d.readAt[s.cfg.Name] = now
		}
	}
	var found []metered
	for i, s := range sources {
		var changes []drift.Change
		for _, c := range s.collector.Changes() {
			changes = append(changes, drift.Change{At: c.At, Signal: c.Signal, Text: c.Text()})
		}
		skew := ""
		if ahead := results[i].Ahead; ahead != nil && ahead.Abs() > collector.SkewTrusted {
			skew = fmt.Sprintf("the clock of source %s is %s %s ours, so the age of its data is not known", s.cfg.Name, ahead.Abs().Round(time.Second), collector.Beside(*ahead))
		}
		for _, u := range results[i].Usage {
			stanza := stanzaFor(d.setup.cfg, u)
			if stanza.Drop {
				reports[i].Dropped++
				continue
			}
			if asked := stanza.Refused; asked != "" {
				u.Warnings = append(slices.Clip(u.Warnings), model.Warning{Code: channelRefused, Text: fmt.Sprintf(
					"its label %s asks for the Slack channel %.80q, which defaults.labels.slack_channel does not allow", d.setup.cfg.Labels.SlackChannel, asked,
				)})
			}
			from := stanza.CountsSince(now)
			read := func(u model.Usage) model.Usage { return s.collector.Read(u, now).Since(from) }
			since := func(u model.Usage, since time.Time) model.Usage {
				return s.collector.ReadSince(u, now, latest(since, from))
			}
			found = append(found, metered{usage: u, read: read, since: since, stanza: stanza, server: d.setup.cfg.Server(s.cfg), outage: reports[i].Error, skew: skew, revisions: s.collector.Revisions(u, now), changes: changes, expressions: s.collector.Expressions()})
		}
	}
	return found, reports, errors.Join(errs...)
}

// collect asks s for what its workloads used, or the history alone where no server is asked.
func (d *Daemon) collect(ctx context.Context, s source, now time.Time) (r collector.Result, err error) {
	if d.options.Stored {
		r.Usage, err = s.collector.Stored(now)
		return r, err
	}
	return s.collector.Collect(ctx, now)
}

// assemble evaluates every workload of the cycle.
func (d *Daemon) assemble(found []metered, sources []model.SourceReport, now time.Time) *model.Report {
	report := &model.Report{
		AsOf:       now,
		ConfigHash: d.setup.cfg.Hash,
		Sources:    sources,
		PriceBooks: d.setup.cfg.Books,
		Workloads:  []model.WorkloadReport{},
		Warnings:   []model.Warning{},
	}
	var verdicts []decide.Verdict
	var months []month
	d.latest, d.priced = map[string]decide.Input{}, nil
	for _, q := range d.setup.cfg.Quarantined {
		report.Warnings = append(report.Warnings, quarantined(q))
	}
	report.Warnings = append(report.Warnings, d.stale...)
	if broken := d.setup.broken.Load(); broken != nil {
		report.Warnings = append(report.Warnings, *broken)
	}
	receipts := map[string]*ledger.Receipt{}
	d.records = map[string][]byte{}
	shareGPUs(found, now)
	workloads := named(found)
	report.Renames = findFaults(workloads, now)
	report.DoubleMeters = findDoubles(workloads, now)
	d.stanzas, d.gaps = map[string]config.Workload{}, map[string]time.Duration{}
	evaluations, rows, accounts := d.evaluateAll(workloads, report.Renames, now)
	for i, e := range evaluations {
		d.stanzas[e.usage.Workload], d.gaps[e.usage.Workload] = workloads[i].stanza, e.gap
		maps.Copy(d.records, rows[i])
		verdicts, months = append(verdicts, e.verdict), append(months, monthOf(e, accounts))
		if in, known := e.verdict.Input(); known {
			d.latest[e.report.Workload] = in
		} else if before, had := d.before[e.report.Workload]; had {
			d.latest[e.report.Workload] = before
		}
		var receipt *ledger.Receipt
		err := errPanicked
		d.guarded(inWorkload, func() { receipt, err = e.receipt(report) }, "workload", e.report.Workload)
		if err != nil {
			d.options.Log.Error("no receipt", "workload", e.report.Workload, "error", err)
		}
		receipts[e.report.Decision.ID] = receipt
		d.priced = append(d.priced, decide.Judged{Verdict: e.verdict, Receipt: e.report.Decision.ID, Used: e.used})
		report.Workloads = append(report.Workloads, e.report)
	}
	report.DataFaults = slices.Concat(d.silence(sources, report.Workloads, now), dataFaults(sources, workloads), d.undelivered(now))
	report.JointMoves = []model.JointMove{}
	for _, j := range decide.Joints(d.priced) {
		report.JointMoves = append(report.JointMoves, d.joint(j, report, receipts))
	}
	report.SharedFleets = []model.SharedFleet{}
	for _, p := range decide.Pools(verdicts) {
		report.SharedFleets = append(report.SharedFleets, d.share(p, report, receipts))
	}
	report.Budgets, d.budgetParts = []model.BudgetReport{}, map[string][]decide.MonthPart{}
	for _, b := range d.setup.cfg.Budgets {
		r, parts := budget(b, report, workloads, verdicts, months)
		report.Budgets, d.budgetParts[b.Name] = append(report.Budgets, r), parts
	}
	d.month, d.parts = budget(config.Budget{USDPerMonth: math.MaxFloat64}, report, workloads, verdicts, months)
	d.receipts.Store(&receipts)
	return report
}

// evaluateAll evaluates all of workloads, as many at once as there are processors, and returns with each the rows that the ledger is to keep of it, and
// what all use of accounts in the calendar month. All of them are projected before the first is decided on: the tiers of an API may count the tokens
// of all.
func (d *Daemon) evaluateAll(workloads []metered, renames []model.Rename, now time.Time) (evaluations []evaluation, rows []map[string][]byte, month *decide.Accounts) {
	evaluations, rows = make([]evaluation, len(workloads)), make([]map[string][]byte, len(workloads))
	used, inMonth := make([]decide.Used, len(workloads)), make([]decide.Used, len(workloads))
	d.each(workloads, func(i int, m metered) {
		rows[i] = d.remember(&m)
		m.stanza.Current, m.stanza.Candidates, m.answered = d.answers.Heed(m.usage.Workload, m.stanza.Current, m.stanza.Candidates, now,
			func(a ledger.Answer) bool { return d.desk.Spent(a.Workload, a.ID, a.Given) })
		var gap time.Duration
		samples := noSamples(m) // where the hours cannot be put together
		evaluations[i] = d.safely(m, func() evaluation {
			u := m.whole().Until(now)
			samples, gap = ledger.SamplesOf(u), u.LongestGap()
			return project(m, u, d.setup.cfg, now)
		})
		e := &evaluations[i]
		e.samples, e.gap, used[i], inMonth[i] = samples, gap, e.used, e.inMonth
		d.keep(rows[i], scored+m.usage.Workload, e.past, e.past != nil)
		e.past, e.metered.past = nil, nil // half a year of them, which nobody needs any more
	}, func(i int, m metered) {
		evaluations[i], rows[i] = d.failed(m), map[string][]byte{}
		used[i], inMonth[i] = evaluations[i].used, evaluations[i].inMonth
	})
	withoutFormer(used, workloads, renames)
	withoutFormer(inMonth, workloads, renames)
	accounts := decide.AccountsOf(used)
	d.each(workloads, func(i int, _ metered) {
		e := evaluations[i]
		if e.input != nil {
			evaluations[i] = d.safely(e.metered, func() evaluation {
				u := e.whole().Until(now) // once more: the hours of all would be too much to keep
				e.decide(u, accounts, now)
				e.report.Moved = d.moved(e.report, e.verdict)
				return e
			})
			evaluations[i].samples, evaluations[i].gap = e.samples, e.gap
		}
		done := &evaluations[i]
		done.hosted = e.hosted.with(done.report, now)
		done.used = used[i]
		d.keep(rows[i], seen+e.usage.Workload, done.readings, done.readings.Day != "")
		d.keep(rows[i], stayed+e.usage.Workload, done.hosted, done.hosted.Month != "")
		done.readings, done.metered.readings = drift.Readings{}, drift.Readings{}
	}, func(i int, _ metered) {
		evaluations[i], rows[i] = d.failed(evaluations[i].metered), map[string][]byte{}
	})
	return evaluations, rows, decide.AccountsOf(inMonth)
}

// each calls do with each of all, as many at once as there are processors, and failed where that panics.
func (d *Daemon) each(all []metered, do, failed func(i int, m metered)) {
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var tasks sync.WaitGroup
	for i, m := range all {
		free <- struct{}{}
		tasks.Go(func() {
			defer func() { <-free }()
			if !d.guarded(inWorkload, func() { do(i, m) }, "workload", m.usage.Workload) {
				failed(i, m)
			}
		})
	}
	tasks.Wait()
}

// safely returns what evaluate makes of m; a panic spoils that workload only.
func (d *Daemon) safely(m metered, evaluate func() evaluation) (e evaluation) {
	if d.guarded(inWorkload, func() { e = evaluate() }, "workload", m.usage.Workload) {
		return e
	}
	return d.failed(m)
}

// noSamples are those of m where nothing is known to have been measured.
func noSamples(m metered) *ledger.Samples {
	return &ledger.Samples{Source: m.usage.Source, ClassTokens: map[string]model.Tokens{}}
}

// failed returns the evaluation of m where that panicked: nothing is known.
func (d *Daemon) failed(m metered) evaluation {
	text := "the evaluation of this workload failed; the log says where"
	e := evaluation{metered: m, used: m.unknownUse(d.setup.cfg), inMonth: m.unknownUse(d.setup.cfg), samples: noSamples(m)}
	e.report = model.WorkloadReport{
		Workload: m.usage.Workload, Source: m.usage.Source, Labels: m.usage.Labels,
		Owner: m.stanza.Owner, CostCentre: m.stanza.CostCentre, Channel: m.stanza.SlackChannel, Current: m.stanza.Current,
		Options: []model.OptionCost{}, Drift: []model.Drift{},
		Warnings: []model.Warning{{Code: model.EvaluationFailed, Text: text}},
		Decision: model.Decision{Recommendation: model.Unknown, Reason: model.ReasonUnknown, Because: text, WouldChange: []string{}},
	}
	return e
}

// moved says why the cost of w is another than when a decision was said last, so that slow changes are not lost between evaluations; than
// in the cycle before while none was, or its receipt has become a summary. It is nil when that cannot be told.
func (d *Daemon) moved(w model.WorkloadReport, v decide.Verdict) *model.Moved {
	in, known := v.Input()
	if !known {
		return nil
	}
	if said := d.desk.Said(w.Workload); said != "" {
		before, err := d.inputSaid(w.Workload, said)
		if err == nil {
			var moved *model.Moved
			if moved, err = decide.Moved(before, in, w.Decision.Best); err == nil {
				moved.Said = said
				return moved
			}
		}
		d.options.Log.Info("change since what was said is not attributed", "workload", w.Workload, "decision", said, "error", err)
	}
	before, had := d.before[w.Workload]
	if !had {
		return nil
	}
	moved, err := decide.Moved(before, in, w.Decision.Best)
	if err != nil {
		d.options.Log.Info("change not attributed", "workload", w.Workload, "error", err)
		return nil
	}
	return moved
}

// saidInput is what the decision that was said last of a workload rested on.
type saidInput struct {
	id string
	in decide.Input
}

// inputSaid returns what the decision id rested on, which was said last of workload; it is read once, and not in every cycle.
func (d *Daemon) inputSaid(workload, id string) (decide.Input, error) {
	if kept, ok := d.said.Load(workload); ok && kept.(saidInput).id == id {
		return kept.(saidInput).in, nil
	}
	in, err := d.inputOf(id)
	if err == nil {
		d.said.Store(workload, saidInput{id, in})
	}
	return in, err
}

// inputOf returns what the decision id rested on, which the ledger holds.
func (d *Daemon) inputOf(id string) (decide.Input, error) {
	data, err := d.options.Store.Get(ledger.Bucket, id)
	if err != nil {
		return decide.Input{}, err
	}
	receipt, err := ledger.Open(data)
	if err != nil {
		return decide.Input{}, err
	}
	return receipt.Input()
}
