package daemon

import (
	"slices"
	"time"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// month is what a workload was on in the calendar month, and what others use in it of the accounts of APIs.
type month struct {
	hosted
	others []decide.Others
}

// monthOf returns that of e, where accounts is what all use.
func monthOf(e evaluation, accounts *decide.Accounts) month {
	m := month{hosted: e.hosted}
	if in, known := e.verdict.Input(); known {
		m.others = accounts.Beside(in)
	}
	return m
}

// accounted is of how many workloads of a month it is kept how their parts were worked out: as many as a message about a budget names.
const accounted = 10

// budget returns what the workloads of b are projected to cost in the month of report, and what each part was worked out from, the dearest first; all,
// verdicts and months are those of its workloads, in their order.
func budget(b config.Budget, report *model.Report, all []metered, verdicts []decide.Verdict, months []month) (model.BudgetReport, []decide.MonthPart) {
	r := model.BudgetReport{Budget: b.Name, USD: b.USDPerMonth, Month: report.AsOf.UTC().Format("2006-01"), Items: []model.BudgetItem{}, Unknown: []string{}}
	parts := map[string]decide.MonthPart{}
	for i, w := range report.Workloads {
		if slices.ContainsFunc(all[i].series, func(labels map[string]string) bool { return !b.Covers(labels, w.Source) }) {
			continue
		}
		if Secondary(w) {
			continue // it is in the cost of the primary meter
		}
		p := decide.MonthPart{Workload: w.Workload, Receipt: w.Decision.ID, Stays: months[i].Stays, Others: months[i].others}
		measured := w.Forecast != nil && w.Usage.MonthToDateTokens != nil
		if measured {
			p.ToDate, p.Median = *w.Usage.MonthToDateTokens, w.Forecast.CalendarMonthTokens.P50
		}
		item, known := verdicts[i].Item(p)
		if !known || !measured {
			r.Unknown = append(r.Unknown, w.Workload)
			continue
		}
		parts[w.Workload] = p
		r.Items = append(r.Items, item)
	}
	r.Sum(report.AsOf)
	var dearest []decide.MonthPart
	for _, item := range r.Items[:min(len(r.Items), accounted)] {
		dearest = append(dearest, parts[item.Workload])
	}
	return r, dearest
}

// tellBudgets moves the states of the budgets of report and queues what is to be said of them.
func (d *Daemon) tellBudgets(report *model.Report, now time.Time) error {
	if len(report.Budgets) == 0 {
		return nil
	}
	var all []alerting.Budgeted
	for i, b := range d.setup.cfg.Budgets {
		all = append(all, alerting.Budgeted{Report: report.Budgets[i], Grounds: &ledger.Grounds{Parts: d.budgetParts[b.Name]}, Route: d.fleetRoute(alerting.OverBudget, b.SlackChannel)})
	}
	return d.desk.Budgets(all, AlertPolicy(d.setup.cfg.Policy), now)
}
