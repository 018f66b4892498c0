package main

import (
	"fmt"

	"tipline/model"
)

// jointMove says what workloads had better do together with the account of an API, and what that costs.
func (e *explainer) jointMove() {
	m := e.r.JointMove
	e.of(fmt.Sprintf("what %s do together with the account %s", count(len(m.Workloads), "workload"), m.Account))
	verdict, others := "leave it together", "what they cost elsewhere"
	switch {
	case m.AtOdds:
		verdict = "do not all " + m.Kind + " it"
	case m.Kind == model.JointEnter:
		verdict, others = "move to it together", "what they cost now"
	}
	e.title("VERDICT: " + verdict)
	e.line("  Because %s.", sentence(m.Because))
	e.title("COST A MONTH, AT THE MEDIAN VOLUMES")
	rows := [][]string{
		{"the bill of the account", cents(m.BillBeforeUSDPerMonth), "as it is"},
		{"", cents(m.BillAfterUSDPerMonth), "after the move"},
		{others, cents(m.OtherUSDPerMonth), ""},
		{"saving", cents(m.SavingUSDPerMonth), ""},
		{"saved by each alone", cents(m.AloneUSDPerMonth), "of those who save anything"},
	}
	if m.MigrationUSD > 0 {
		rows = append(rows, []string{"to move", cents(m.MigrationUSD), "once"})
	}
	e.table("  ", rows)
}

// members says what every workload of a joint move uses and what serves it otherwise.
func (e *explainer) members() {
	j, err := e.r.Joint()
	if err != nil {
		return // what is said below the numbers
	}
	e.title("WHAT EACH USES")
	rows := [][]string{{"workload", "receipt", "of", "tokens a month", "otherwise on", "costs", "told alone"}}
	for _, m := range j.Members {
		told := "no"
		if m.Told {
			told = "yes"
		}
		rows = append(rows, []string{m.Workload, m.Decision, m.API, model.FormatTokens(m.Tokens()), m.Option, cents(model.USD(m.USD)), told})
	}
	e.table("  ", rows)
}
