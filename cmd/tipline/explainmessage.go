package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// fleet reports whether f is the receipt of a message about no single workload.
func (f found) fleet() bool { return f.message != nil && f.message.Receipt == "" }

// event returns the message of which m, about no single workload, is the receipt.
func event(m ledger.Message) (alerting.Event, error) {
	e := alerting.Event{ID: m.ID, Reason: alerting.Reason(m.Kind), Time: m.AsOf, Budget: m.Budget, Prices: m.Prices, Digest: m.Digest, Faults: m.Faults}
	if m.Storm != nil {
		if err := json.Unmarshal(m.Storm, &e.Storm); err != nil {
			return e, fmt.Errorf("message %s: %w", m.ID, err)
		}
	}
	said := map[alerting.Reason]bool{
		alerting.OverBudget: m.Budget != nil && m.Budget.Projected != nil && m.Budget.SpentUSD != nil, alerting.PricesMoved: m.Prices != nil,
		alerting.Digested: m.Digest != nil, alerting.DataFaulty: m.Faults != nil, alerting.Summed: e.Storm != nil,
	}
	if !said[e.Reason] { // the file may be a stranger's
		return e, fmt.Errorf("message %s: it does not hold what a message of the kind %q says", m.ID, m.Kind)
	}
	return e, nil
}

// checkMessage holds the message of f against its hash and against what its grounds and the receipts beside it give.
func checkMessage(f found) checked {
	m := *f.message
	c := checked{engine: m.Engine}
	if !m.Compacted.IsZero() {
		c.lacks = fmt.Sprintf("it was made a summary on %s, because it is old", model.FormatDate(m.Compacted))
		return c
	}
	c.broken = ledger.VerifyMessage(f.bundle.Message)
	var err error
	switch c.comparison, err = f.bundle.Recompute(m); {
	case errors.Is(err, ledger.ErrNoInputs):
		c.lacks = "it does not hold what its numbers were worked out from"
	case err != nil:
		c.lacks, c.broken = err.Error(), errors.Join(c.broken, err)
	}
	return c
}

// guarded returns section, which a file that no tipline wrote may break.
func (e *explainer) guarded(section func()) func() {
	return func() {
		defer func() {
			if p := recover(); p != nil {
				e.line("  The rest cannot be shown: it is not as tipline writes it.")
			}
		}()
		section()
	}
}

// message says what the message says.
func (e *explainer) message() {
	m := *e.f.message
	e.line("Receipt %s of a message: %s", m.ID, strings.ReplaceAll(m.Kind, "_", " "))
	e.line("as of %s, by tipline %s, configuration %.12s", m.AsOf.UTC().Format("2 Jan 2006 15:04 UTC"), m.Engine, m.ConfigHash)
	e.title("IT SAYS")
	for l := range strings.Lines(slack.Preview(e.f.said, slack.Layout{}, previewWidth, false)) {
		e.line("  %s", strings.TrimRight(l, "\n"))
	}
	if len(m.Receipts) > 0 {
		e.line("  It rests on the %s %s, which the ledger keeps with it.", map[bool]string{true: "receipt", false: "receipts"}[len(m.Receipts) == 1], strings.Join(m.Receipts, ", "))
	}
}

// month says how the cost of a calendar month was worked out.
func (e *explainer) month() {
	m := e.f.message
	b := cmp.Or(m.Budget, m.Month)
	if b == nil || b.Projected == nil || b.SpentUSD == nil {
		return
	}
	e.title("WHAT " + strings.ToUpper(b.Month) + " COSTS")
	rows := [][]string{{"WORKLOAD", "RECEIPT", "TOKENS SO FAR", "OF THE MONTH", "SPENT", "PROJECTED", "8 OF 10 FUTURES"}}
	amounts := func(spent model.USD, q model.Quantiles[model.USD]) []string {
		return []string{cents(spent), cents(q.P50), cents(q.P10) + " to " + cents(q.P90)}
	}
	for _, i := range b.Items {
		row := []string{i.Workload, "", "", ""}
		for _, p := range m.Parts {
			if p.Workload == i.Workload {
				row = []string{i.Workload, p.Receipt, wholeTokens(p.ToDate), wholeTokens(p.Median)}
			}
		}
		rows = append(rows, append(row, amounts(i.SpentUSD, i.USD)...))
	}
	if m.Rest != nil && m.Rest.Workloads > 0 {
		rows = append(rows, append([]string{count(m.Rest.Workloads, "other workload"), "", "", ""}, amounts(m.Rest.SpentUSD, m.Rest.Projected)...))
	}
	rows = append(rows, append([]string{"together", "", "", ""}, amounts(*b.SpentUSD, *b.Projected)...))
	if m.Budget != nil {
		rows = append(rows, []string{"budget", "", "", "", "", cents(b.USD)})
	}
	e.table("  ", rows)
	for _, p := range m.Parts {
		for _, s := range p.Stays {
			e.line("  %s was on %s until %s, for %s tokens of the month.", p.Workload, s.Option, stamp(s.Until), wholeTokens(s.Tokens))
		}
	}
	e.line("  Projected is what the tokens of the month cost on the options that serve it, capacity by its hours; spent is the share of that which falls to the tokens so far.")
	if m.Budget != nil && b.PassesOn != "" {
		e.line("  Passed on %s: what is left of the budget, spent evenly over the rest of the month.", b.PassesOn)
	}
}

// costs says what the options in use cost, of a digest.
func (e *explainer) costs() {
	m := e.f.message
	if len(m.Costs) == 0 || m.Digest == nil {
		return
	}
	e.title("WHAT THE OPTIONS IN USE COST A MONTH")
	var rows [][]string
	for _, c := range m.Costs {
		rows = append(rows, []string{c.Workload, c.Receipt, cents(c.USD)})
	}
	if m.Rest != nil {
		rows = append(rows, []string{"the others", "", cents(m.Rest.USD)})
	}
	e.table("  ", append(rows, []string{"together", "", cents(m.Digest.USDPerMonth)}))
}

// repriced says what a change of prices does to every workload, and where the prices are from.
func (e *explainer) repriced() {
	m := e.f.message
	if m.Change == nil || m.Prices == nil {
		return
	}
	e.title("WHAT EACH WORKLOAD COSTS A MONTH ON THE OPTION IN USE")
	amount := func(usd *model.USD) string {
		if usd == nil {
			return "unknown"
		}
		return cents(*usd)
	}
	rows := [][]string{{"WORKLOAD", "RECEIPT", "BEFORE", "AFTER", "COUNTS", "ANSWER"}}
	for _, r := range m.Each {
		answer := r.Is
		if r.Was != r.Is {
			answer = r.Was + " → " + r.Is
		}
		rows = append(rows, []string{r.Workload, r.Receipt, amount(r.Before), amount(r.After), signed(r.Counts), answer})
	}
	if m.Rest != nil && m.Rest.Workloads > 0 {
		rows = append(rows, []string{count(m.Rest.Workloads, "other workload"), "", "", "", signed(m.Rest.USD)})
	}
	if m.Bills != nil {
		rows = append(rows, []string{"the bills of accounts", "", "", "", signed(m.Bills.Change(m.Change.Past))})
	}
	e.table("  ", append(rows, []string{"together", "", "", "", signed(m.Prices.CostUSDPerMonth)}))
	if m.Bills != nil {
		e.line("  Workloads on one account count together, by its bill; what each adds to it is beside what the others use.")
	}
	e.title("PRICES AND RATES BEFORE AND AFTER, AND WHERE THEY ARE FROM")
	rows = nil
	for _, r := range m.Rows {
		rows = append(rows, []string{r.Option, map[bool]string{true: "before", false: "after"}[r.Before], r.Item, r.Field, r.Value + " " + r.Unit, r.Source, cmp.Or(r.Date, "no date"), validity(r.PriceSource)})
	}
	e.table("  ", rows)
}

// readings says by which numbers faults were found.
func (e *explainer) readings() {
	m := e.f.message
	if len(m.Faults) == 0 {
		return
	}
	e.title("BY WHICH READINGS")
	for _, f := range m.Faults {
		e.line("  %s %s:", strings.TrimSpace(f.Source+f.Notifier+" "+f.Workload), f.Code)
		if len(f.Readings) == 0 {
			e.line("      found without a number: %s.", sentence(f.Text))
		}
		for _, r := range f.Readings {
			e.line("      %s: %.6g, a fault %s.", r.What, r.Value, bounds(r))
		}
	}
}

// bounds says between which bounds r is a fault.
func bounds(r model.Reading) string {
	switch {
	case r.AtLeast != nil && r.AtMost != nil:
		return fmt.Sprintf("from %.6g to %.6g", *r.AtLeast, *r.AtMost)
	case r.AtLeast != nil:
		return fmt.Sprintf("from %.6g on", *r.AtLeast)
	case r.AtMost != nil:
		return fmt.Sprintf("up to %.6g", *r.AtMost)
	}
	return "at any value"
}

// sources says what the metrics server was asked, for the receipts too, and which prices those rest on.
func (e *explainer) sources() {
	asked := e.f.message.Asked
	var rows [][]string
	for _, id := range slices.Sorted(maps.Keys(e.f.bundle.Receipts)) {
		r, err := ledger.Open(e.f.bundle.Receipts[id])
		if err != nil {
			continue // what is said below the numbers
		}
		if s := r.Samples; s != nil {
			asked = append(asked, ledger.Asked{Source: s.Source, Expression: s.Expression, From: s.From, To: s.To})
		}
		for _, o := range r.Workload.Options {
			for _, p := range o.Prices {
				row := []string{p.Item, p.Field, p.Value + " " + p.Unit, p.Source, cmp.Or(p.Date, "no date"), validity(p)}
				if o.Option == r.Workload.Current && !slices.ContainsFunc(rows, func(other []string) bool { return slices.Equal(other, row) }) {
					rows = append(rows, row)
				}
			}
		}
	}
	if len(rows) > 0 && e.f.message.Change == nil {
		e.title("PRICES AND RATES OF THE OPTIONS IN USE, AND WHERE THEY ARE FROM")
		e.table("  ", rows)
	}
	if len(asked) == 0 {
		return
	}
	e.title("WHAT THE METRICS SERVERS WERE ASKED, AT THE END OF EVERY HOUR")
	slices.SortStableFunc(asked, func(a, b ledger.Asked) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), a.From.Compare(b.From))
	})
	for _, a := range slices.CompactFunc(asked, func(a, b ledger.Asked) bool { return a.Source == b.Source && a.Expression == b.Expression }) {
		e.line("  Source %s, %s to %s:", a.Source, stamp(a.From), stamp(a.To))
		for l := range strings.Lines(a.Expression) {
			e.line("    %s", strings.TrimRight(l, "\n"))
		}
	}
}
