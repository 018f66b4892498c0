package daemon

import (
	"cmp"
	"slices"
	"time"

	"tipline/alerting"
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

// budget returns what the workloads of b are projected to cost in the month of report; all, verdicts and months are those of its workloads, in their
// order.
func budget(b config.Budget, report *model.Report, all []metered, verdicts []decide.Verdict, months []month) model.BudgetReport {
	month := report.AsOf.UTC()
	r := model.BudgetReport{Budget: b.Name, USD: b.USDPerMonth, Month: month.Format("2006-01"), Items: []model.BudgetItem{}, Unknown: []string{}}
	var projected model.Quantiles[model.USD]
	var spent model.USD
	for i, w := range report.Workloads {
		if slices.ContainsFunc(all[i].series, func(labels map[string]string) bool { return !b.Covers(labels, w.Source) }) {
			continue
		}
		if secondary(w) {
			continue // it is in the cost of the primary meter
		}
		usd, before, known := verdicts[i].Month(months[i].Stays, months[i].others)
		if !known || w.Forecast == nil || w.Usage.MonthToDateTokens == nil {
			r.Unknown = append(r.Unknown, w.Workload)
			continue
		}
		item := model.BudgetItem{Workload: w.Workload, USD: usd, SpentUSD: before}
		elsewhere := months[i].before()
		if total := w.Forecast.CalendarMonthTokens.P50 - elsewhere; total > 0 {
			item.SpentUSD += (usd.P50 - before) * model.USD(max(0, min(1, (*w.Usage.MonthToDateTokens-elsewhere)/total)))
		}
		r.Items = append(r.Items, item)
		projected.P10, projected.P50, projected.P90 = projected.P10+usd.P10, projected.P50+usd.P50, projected.P90+usd.P90
		spent += item.SpentUSD
	}
	if len(r.Items) == 0 {
		return r
	}
	slices.SortStableFunc(r.Items, func(a, b model.BudgetItem) int { return cmp.Compare(b.USD.P50, a.USD.P50) })
	r.Projected, r.SpentUSD = &projected, &spent
	if r.Over() {
		end := time.Date(month.Year(), month.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		passes := month
		if left := b.USDPerMonth - spent; left > 0 { // over the rest of the month it is spent evenly
			passes = month.Add(time.Duration(float64(left/(projected.P50-spent)) * float64(end.Sub(month))))
		}
		r.PassesOn = passes.Format(time.DateOnly)
	}
	return r
}

// tellBudgets moves the states of the budgets of report and queues what is to be said of them.
func (d *Daemon) tellBudgets(report *model.Report, now time.Time) error {
	if len(report.Budgets) == 0 {
		return nil
	}
	var all []alerting.Budgeted
	for i, b := range d.setup.cfg.Budgets {
		all = append(all, alerting.Budgeted{Report: report.Budgets[i], Route: d.fleetRoute(alerting.OverBudget, b.SlackChannel)})
	}
	return d.desk.Budgets(all, AlertPolicy(d.setup.cfg.Policy), now)
}
