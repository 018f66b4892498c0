package daemon

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/version"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
	"tipline/model/drift"
	"tipline/model/forecast"
)

// evaluation is what one cycle made of one workload.
type evaluation struct {
	metered
	report   model.WorkloadReport
	input    *decide.Input   // nil when nothing can be computed
	used     decide.Used     // what it uses of the accounts of APIs in a month of 730 hours
	inMonth  decide.Used     // what it uses of them in the calendar month
	verdict  decide.Verdict  // empty when it is not known
	samples  *ledger.Samples // what was measured of it
	gap      time.Duration   // the longest time that it was not measured and was again afterwards
	past     []forecast.Past // m.past with what has been projected since
	readings drift.Readings  // m.readings with those of today
	frozen   string          // code of the warning that made the verdict unknown although the costs are known
}

// receipt gives e its receipt and the decision its id. A receipt that cannot be written is nil, and the decision then has no id.
func (e *evaluation) receipt(report *model.Report) (*ledger.Receipt, error) {
	r := &ledger.Receipt{
		AsOf: report.AsOf, Engine: cmp.Or(version.Version, "development"), ConfigHash: report.ConfigHash,
		Samples: e.samples, Frozen: e.frozen, Workload: e.report,
	}
	r.Samples.Expression = e.expressions.Hourly
	if e.usage.TTFTP95 != nil {
		r.Samples.TTFTExpression = e.expressions.TTFT
	}
	if e.usage.GPU != nil {
		r.Samples.GPUExpression = e.expressions.GPUs
	}
	if e.report.Usage.Capacity != nil {
		r.Samples.ServedExpression = e.expressions.Served
	}
	if e.input != nil {
		r.SetInputs(e.input)
	}
	if _, err := r.Seal(); err != nil {
		return nil, err
	}
	e.report.Decision.ID = r.ID
	return r, nil
}

// messageReceipt returns what the ledger is to hold of the message e: its receipt, and those of evaluations of the last cycle that it names. What cannot be
// written is logged, and keeps no message from being sent.
func (d *Daemon) messageReceipt(e alerting.Event) map[string][]byte {
	var m ledger.Message
	err := errPanicked
	d.guarded(inMessage, func() { m, err = messageOf(e) }, "event", e.ID)
	m.Engine, m.ConfigHash = cmp.Or(version.Version, "development"), d.setup.cfg.Hash
	var row []byte
	if err == nil {
		row, err = m.Seal()
	}
	if err != nil {
		d.options.Log.Error("no receipt", "message", e.ID, "error", err)
		return nil
	}
	rows := map[string][]byte{e.ID: row}
	for _, id := range m.Receipts {
		if receipt := d.written(id); receipt != nil {
			rows[id] = receipt
		}
	}
	return rows
}

// mostStorm is how many receipts a message lists beside those that it names, when it stands for so many.
const mostStorm = 5000

// messageOf returns the receipt of e, not sealed yet.
func messageOf(e alerting.Event) (m ledger.Message, err error) {
	m = ledger.Message{ID: e.ID, Kind: string(e.Reason), AsOf: e.Time, Workload: e.Workload, Budget: e.Budget, Prices: e.Prices, Digest: e.Digest, Faults: e.Faults}
	if grounds, ok := e.Grounds.(*ledger.Grounds); ok { // none of a message about one workload, or one that stands for such
		m.Grounds = *grounds
	}
	if e.Workload != "" {
		m.Receipt = e.Report.Decision.ID
		return m, nil
	}
	var named []string
	if g := e.Digest; g != nil {
		m.AsOf = g.AsOf
		for _, i := range g.Items[:min(len(g.Items), alerting.DigestItems)] {
			named = append(named, i.Receipt)
		}
	}
	if s := e.Storm; s != nil {
		for _, one := range s.Named {
			named = append(named, one.Report.Decision.ID)
		}
		short := *s
		short.Rest = s.Rest[:min(len(s.Rest), mostStorm)]
		m.Storm, err = json.Marshal(short)
	}
	m.RestOn(named...)
	return m, err
}

// judged returns the evaluations of report as the alert desk takes them, each with its receipt.
func (d *Daemon) judged(report *model.Report) []alerting.Judged {
	judged, seen := make([]alerting.Judged, len(report.Workloads)), sightings(report, d.gaps)
	for i, w := range report.Workloads {
		stanza := d.stanzas[w.Workload] // the labels that all of its series share may match another one
		if since := stanza.CountsSince(report.AsOf); seen[w.Workload] == alerting.Began && !since.IsZero() && w.Usage.FirstSample.Sub(since) < sureAfter {
			seen[w.Workload] = alerting.There // it is its counter that is new
		}
		judged[i] = alerting.Judged{
			Report: w, Policy: AlertPolicy(stanza.Policy), Snooze: d.snoozing(w, report.AsOf), Receipt: func() []byte { return d.written(w.Decision.ID) },
			Sighting: seen[w.Workload], Critical: stanza.Critical, Owner: stanza.Owner,
			Route: d.routeOf(w, stanza),
		}
	}
	return judged
}

// routeOf returns where messages about w are wanted, of which stanza speaks.
func (d *Daemon) routeOf(w model.WorkloadReport, stanza config.Workload) func(alerting.Reason, alerting.Severity) alerting.Route {
	cfg := d.setup.cfg
	return func(r alerting.Reason, s alerting.Severity) alerting.Route {
		return alerting.Route(cfg.Route(config.Message{
			Kind: string(r), Severity: string(s), Owner: stanza.Owner, Labels: w.Labels, Source: w.Source, Own: stanza.SlackChannel,
		}))
	}
}

// snoozing returns what a person is not to be told for a while about the workload of w; nil when nobody did.
func (d *Daemon) snoozing(w model.WorkloadReport, now time.Time) *alerting.Snoozing {
	a, ok := d.answers.Quiet(w.Workload, w.Current)
	if !ok {
		return nil
	}
	return &alerting.Snoozing{
		Decision: a.ID, Given: a.Given, Option: a.Option, Migrating: a.Kind == ledger.Migrating,
		Due:   !a.Until.IsZero() && !now.Before(a.Until),
		Waits: a.Conditional(), Enough: a.Reached(w),
	}
}

// Receipt returns the receipt of a decision of the last cycle, of one that the ledger holds or of one that was printed last, or of a message with the receipts
// that it names; nil when there is none.
func (d *Daemon) Receipt(id string) ([]byte, error) {
	if ledger.ValidMessageID(id) {
		return ledger.Bundled(id, func(id string) ([]byte, error) { return ledger.Find(d.options.Store, id) })
	}
	if !ledger.ValidID(id) {
		return nil, nil
	}
	if receipt := d.written(id); receipt != nil {
		return receipt, nil
	}
	return ledger.Find(d.options.Store, id)
}

// mostPrinted is how many receipts are kept of a report that was printed, most often of 20 KB each.
const mostPrinted = 1000

// KeepPrinted keeps the receipts of report, which is of the last evaluation, so that whoever saw it printed can have its numbers explained. They stay
// until the next one is printed.
func (d *Daemon) KeepPrinted(report *model.Report) error {
	var ids []string
	for _, f := range report.SharedFleets {
		ids = append(ids, f.ID)
	}
	for _, m := range report.JointMoves {
		ids = append(ids, m.ID)
	}
	for _, w := range report.Workloads {
		ids = append(ids, w.Decision.ID)
	}
	receipts := map[string][]byte{}
	for _, id := range ids[:min(len(ids), mostPrinted)] {
		if receipt := d.written(id); receipt != nil {
			receipts[id] = receipt
		}
	}
	return ledger.KeepPrinted(d.options.Store, receipts)
}

// written returns the receipt of a decision of the last cycle; nil when it is of none. It is written when somebody asks, since written the receipts of
// all workloads take four times the memory of what they are made of.
func (d *Daemon) written(id string) []byte {
	last := d.receipts.Load()
	if last == nil || (*last)[id] == nil {
		return nil
	}
	data, err := (*last)[id].Written()
	if err != nil { // it could be when it was sealed
		d.options.Log.Error("no receipt", "decision", id, "error", err)
	}
	return data
}

// takeAnswers puts the answers that were left in the data folder into the ledger, each with what it does to the alert state in
// one transaction. One that cannot be taken is put aside, logged, and spoils nothing.
func (d *Daemon) takeAnswers() error {
	left, err := ledger.Left(d.setup.cfg.Store.Path)
	if err != nil {
		return err
	}
	for _, w := range left {
		receipt, err := d.Receipt(w.Answer.ID)
		if err != nil {
			return fmt.Errorf("answers: %w", err)
		}
		a, err := d.about(w, receipt)
		if err != nil {
			d.options.Log.Error("answer put aside", "decision", w.Answer.ID, "error", err)
			if err := w.Refuse(); err != nil {
				return fmt.Errorf("answers: %w", err)
			}
			continue
		}
		if err := d.takeAnswer(a, receipt); err != nil {
			return fmt.Errorf("answers: %w", err) // stays where it is, for the next cycle
		}
		if err := w.Taken(); err != nil { // it is found again, and is in the ledger
			return fmt.Errorf("answers: %w", err)
		}
	}
	return nil
}

// takeAnswer puts a, which is about the decision of receipt, into the ledger with what it does to the alert state. One that is there, and whose
// file the end of the process or the disk left behind, does nothing twice.
func (d *Daemon) takeAnswer(a ledger.Answer, receipt []byte) error {
	key, value := a.Row()
	kept, err := d.options.Store.Get(ledger.Bucket, key)
	if err != nil || bytes.Equal(kept, value) {
		return err
	}
	declined := ""
	if a.Kind == ledger.NotViable {
		declined = a.Option
	}
	tell, err := d.tellOf(a, receipt)
	if err != nil {
		return err
	}
	if err := d.desk.Answer(a.Workload, declined, map[string][]byte{key: value, a.ID: receipt}, tell); err != nil {
		return err
	}
	d.answers = d.answers.With(a)
	d.options.Log.Info("answer taken", "decision", a.ID, "workload", a.Workload, "kind", a.Kind, "option", a.Option, "by", a.By)
	return nil
}

// tellOf returns the message that a was given to the decision of receipt, for where that was told.
func (d *Daemon) tellOf(a ledger.Answer, receipt []byte) (alerting.Event, error) {
	r, err := ledger.Open(receipt)
	if err != nil {
		return alerting.Event{}, err
	}
	about := alerting.FirstSeen
	row, err := d.options.Store.Get(ledger.Bucket, alerting.Announced+a.ID)
	if err != nil {
		return alerting.Event{}, err
	}
	var told alerting.Announcement
	if json.Unmarshal(row, &told) == nil && slices.Contains([]alerting.Reason{alerting.Switched, alerting.Blocked, alerting.Reminded, alerting.Unstable}, told.Reason) {
		about = told.Reason
	}
	w := r.Workload
	stanza, evaluated := d.stanzas[w.Workload]
	if !evaluated {
		stanza = d.setup.cfg.For(w.Labels, w.Source)
	}
	severity := about.Of(w, stanza.Critical)
	return alerting.Event{
		Reason: alerting.Answered, Time: a.Given, Workload: w.Workload, Previous: told.Previous, Unsettled: told.Unsettled, Report: w,
		Severity: severity, Owner: stanza.Owner, Route: d.routeOf(w, stanza)(about, severity),
		Answer: &alerting.Answer{Text: a.Outcome(), Reason: a.Reason, By: a.By, Time: a.Given, Final: a.Final(), About: about},
	}, nil
}

// Told returns the message that told the decision of r, or that would have.
func Told(r ledger.Receipt, told *alerting.Announcement) (alerting.Event, error) {
	w := r.Workload
	e := alerting.Event{Reason: alerting.FirstSeen, Time: r.AsOf, Workload: w.Workload, Report: w}
	if told != nil {
		e.ID, e.Reason, e.Time, e.Previous = told.Event, told.Reason, told.Time, told.Previous
		e.Drifts, e.Outcome, e.Unsettled = told.Drifts, told.Outcome, told.Unsettled
	}
	switch {
	case e.Reason == alerting.PricesMoved:
		return e, fmt.Errorf("decision %s was told by message %s about prices, of %s: name that one", r.ID, e.ID, e.Time.Format(time.DateOnly))
	case e.Reason == alerting.Drifted && len(e.Drifts) == 0, e.Reason == alerting.Approaching && w.Crossover == nil,
		e.Reason == alerting.Ends && w.Decision.Commitment == nil:
		return e, fmt.Errorf("the ledger does not hold any more what the message about decision %s was about", r.ID)
	case told == nil && w.Decision.Recommendation != model.Move:
		return e, fmt.Errorf("nobody was told of decision %s, which does not say to move", r.ID)
	}
	return e, nil
}

// about returns the answer of w with what its decision was about, which receipt says; nil when there is no such decision. A move that is
// being made without a day by which it is to be done is to be done in the time that one takes.
func (d *Daemon) about(w ledger.Waiting, receipt []byte) (ledger.Answer, error) {
	if w.Err != nil {
		return w.Answer, w.Err
	}
	if receipt == nil {
		return w.Answer, fmt.Errorf("decision %s: neither the ledger nor the last evaluation has it", w.Answer.ID)
	}
	r, err := ledger.Open(receipt)
	if err != nil {
		return w.Answer, err
	}
	a := w.Answer
	if a.Kind == ledger.Migrating && a.Until.IsZero() {
		lead := d.setup.cfg.For(r.Workload.Labels, r.Workload.Source).Policy.LeadTime
		a.Until = a.Given.Add(max(lead, 24*time.Hour))
	}
	return a.About(r)
}

// endAnswers keeps which moves that were answered as done the configuration has caught up with.
func (d *Daemon) endAnswers(now time.Time) error {
	rows := map[string][]byte{}
	answers := d.answers
	for workload, stanza := range d.stanzas {
		for _, a := range d.answers.Caught(workload, stanza.Current, now) {
			key, value := a.Row()
			rows[key], answers = value, answers.With(a)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: rows}); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	d.answers = answers
	return nil
}

// compactEvery is how often the ledger is gone through for receipts that are old.
const compactEvery = 24 * time.Hour

// compact makes old receipts smaller and removes what is kept of workloads that report does not have and that are gone for long, at most once a day.
func (d *Daemon) compact(report *model.Report, now time.Time) error {
	if now.Sub(d.compacted) < compactEvery {
		return nil
	}
	n, err := ledger.Compact(d.options.Store, now, alerting.Announced, alerting.Confirmed)
	if err != nil {
		return err
	}
	if err := errors.Join(d.forget(report, now), d.desk.ForgetUnsent(now)); err != nil {
		return err
	}
	d.compacted = now
	if n > 0 {
		d.options.Log.Info("ledger compacted", "receipts", n)
	}
	return nil
}
