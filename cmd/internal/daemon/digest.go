package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// sendDigest queues a digest of the last report.
func (d *Daemon) sendDigest(context.Context) {
	d.mu.Lock() // first, so that the report is of the evaluation that the rest is of
	defer d.mu.Unlock()
	report := d.Report()
	if report == nil {
		return
	}
	g := digest(d.placed(report), d.desk.Outcomes(report), d.month)
	grounds := &ledger.Grounds{Month: &d.month, Parts: d.parts}
	for _, w := range report.Workloads {
		if usd := w.Spend(); usd != nil {
			grounds.Costs = append(grounds.Costs, ledger.Cost{Workload: w.Workload, Receipt: w.Decision.ID, USD: *usd})
		}
	}
	if err := d.desk.Digest(g, grounds, d.fleetRoute(alerting.Digested, ""), d.options.Now().UTC()); err != nil {
		d.options.Log.Error("digest not queued", "error", err)
		return
	}
	signal(d.queued)
}

// pending are the kinds of a verdict that asks for a change, by how far it is.
var pending = map[model.Stage]string{
	model.StageConfirmed: model.DigestDecide, model.StageAnnounced: model.DigestDecide, model.StageAcknowledged: model.DigestSeen,
	model.StageSnoozed: model.DigestSnoozed, model.StageMigrating: model.DigestMigrating,
}

// digest sums report, which says where the cases stand, up: what is to be decided and what comes near, the soonest first, then what is not
// known and what drifted. Of the sum of many names nothing is to be decided. The moves that were made have outcomes, by workload, and month is that of all workloads.
func digest(report *model.Report, outcomes map[string]alerting.Outcome, month model.BudgetReport) model.Digest {
	g := model.Digest{AsOf: report.AsOf, Items: []model.DigestItem{}}
	if month.Projected != nil {
		g.Month = &model.DigestMonth{Month: month.Month, SpentUSD: *month.SpentUSD, Projected: *month.Projected, Workloads: len(month.Items)}
	}
	var errs []float64
	for _, w := range report.Workloads {
		item := model.DigestItem{Workload: w.Workload, Receipt: w.Decision.ID}
		if w.Case == nil { // the first evaluation of it could not be kept
			w.Case = new(model.Case)
		}
		switch kind, stands := pending[w.Case.Stage]; {
		case Secondary(w) || w.Names > 0: // the fault of its source says that there are so many names
			g.Quiet++
		case stands:
			item.Kind, item.Text = kind, stood(w)
		case w.Presence != nil && w.Presence.Kind == string(alerting.WorkloadGone):
			item.Kind, item.Text = model.DigestVanished, "not measured since "+model.FormatDate(w.Presence.Since)
		case w.Decision.Recommendation == model.Unknown:
			item.Kind, item.Text = model.DigestUnknown, w.Decision.Because
			if w.Case.Stage == model.StageFrozen && !w.Case.Since.IsZero() {
				item.Text = stood(w) + ", frozen: " + item.Text
			}
		case w.Case.Stage == model.StageUnstable:
			item.Kind, item.Text = model.DigestUnstable, strings.TrimPrefix(w.Case.Text(), "unstable: ") // which the kind says
			if apart := model.Apart(w.Options, w.Case.Other, w.Case.Option); apart != "" {
				item.Text += ", " + apart
			}
		case w.Case.Stage == model.StageApproaching:
			item.Kind, item.ActBy = model.DigestApproaching, w.Case.ActBy
			at, _ := time.Parse(time.DateOnly, w.Case.ActBy) // the desk has written it
			item.Text = w.Case.Option + " will be cheaper, act by " + model.FormatDate(at)
		default:
			g.Quiet++
		}
		if item.Kind != "" {
			g.Items = append(g.Items, item)
		}
		if o, made := outcomes[w.Workload]; made {
			g.Items = append(g.Items, model.DigestItem{
				Workload: w.Workload, Kind: model.DigestMoved, Receipt: w.Decision.ID,
				Text: fmt.Sprintf("moved from %s on %s, saves %s a month, %s was to be saved", o.From, model.FormatDate(o.Made), model.FormatUSDAbout(o.Saves), model.FormatUSDAbout(o.Promised)),
			})
		}
		if w.Presence != nil && w.Presence.Kind == string(alerting.WorkloadNew) {
			g.Items = append(g.Items, model.DigestItem{Workload: w.Workload, Kind: model.DigestNew, Text: "first measured on " + model.FormatDate(w.Presence.Since), Receipt: w.Decision.ID})
		}
		for _, drifted := range w.Drift {
			if drifted.Score >= 1 {
				g.Items = append(g.Items, model.DigestItem{Workload: w.Workload, Kind: model.DigestDrift, Text: drifted.Text, Receipt: w.Decision.ID})
			}
		}
		if usd := w.Spend(); usd != nil {
			g.Costed++
			g.USDPerMonth += *usd
		}
		if w.Forecast != nil && len(w.Forecast.Scores) > 0 && w.Forecast.Scores[0].Days == 7 {
			errs = append(errs, float64(w.Forecast.Scores[0].ErrorRatio))
		}
	}
	if slices.Sort(errs); len(errs) > 0 {
		g.Graded, g.ErrorRatio = len(errs), model.Fraction(errs[len(errs)/2])
	}
	for _, f := range report.DataFaults {
		if f.Workload == "" { // that of a workload is why it is not known
			g.Items = append(g.Items, model.DigestItem{Source: f.Source, Notifier: f.Notifier, Kind: model.DigestFault, Text: f.Text})
		}
	}
	for _, m := range report.JointMoves {
		g.Items = append(g.Items, model.DigestItem{Kind: model.DigestTogether, Text: m.Because, Receipt: m.ID})
	}
	order := []string{
		model.DigestDecide, model.DigestApproaching, model.DigestTogether, model.DigestUnstable, model.DigestSeen, model.DigestMigrating, model.DigestSnoozed, model.DigestNew, model.DigestVanished,
		model.DigestFault, model.DigestUnknown, model.DigestMoved, model.DigestDrift,
	}
	slices.SortStableFunc(g.Items, func(a, b model.DigestItem) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.ActBy, b.ActBy), cmp.Compare(a.Workload, b.Workload))
	})
	return g
}

// stood says what the confirmed verdict on w asks for.
func stood(w model.WorkloadReport) string {
	if w.Case.Option == "" {
		return "no option may serve it, since " + model.FormatDate(w.Case.Since)
	}
	text := "move to " + w.Case.Option
	if s := w.Decision.SavingUSDPerMonth; s != nil && w.Decision.Option == w.Case.Option {
		text += fmt.Sprintf(", saves %s a month", model.FormatUSDKnown(s.P50, *s))
	}
	return text + ", since " + model.FormatDate(w.Case.Since)
}
