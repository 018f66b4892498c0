package words

import (
	"fmt"
	"time"

	"tipline/model"
)

// overBudget says in one sentence which budget is passed, and when.
func overBudget(b model.BudgetReport) string {
	when := "around " + day(b.PassesOn)
	if *b.SpentUSD >= b.USD {
		when = "already"
	}
	return fmt.Sprintf("Budget %s: %s is heading for %s of %s, passed %s", Clean(b.Budget, 60), month(b.Month), model.FormatUSDKnown(b.Projected.P50, *b.Projected), model.FormatUSD(b.USD), when)
}

// Budget says what is projected of b, and which workloads it is spent on, a sentence a line.
func Budget(b model.BudgetReport) []string {
	p := b.Projected
	lines := []string{fmt.Sprintf("The 80%% range is %s; %s is spent so far.",
		model.FormatUSDRange(*p), model.FormatUSD(*b.SpentUSD))}
	for i, item := range b.Items {
		if i == most {
			lines = append(lines, fmt.Sprintf("And %s.", count(len(b.Items)-most, "more workload")))
			break
		}
		lines = append(lines, fmt.Sprintf("%s: %s, of which %s is spent.", Clean(item.Workload, MaxName), model.FormatUSDKnown(item.USD.P50, item.USD), model.FormatUSD(item.SpentUSD)))
	}
	if n := len(b.Unknown); n > 0 {
		of := Clean(b.Unknown[0], MaxName)
		if n > 1 {
			of += " and " + count(n-1, "more workload")
		}
		lines = append(lines, fmt.Sprintf("What %s costs is not known, and comes on top.", of))
	}
	return lines
}

// month writes a month such as 2027-01 for a reader.
func month(text string) string {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return "an unknown month"
	}
	return t.Format("January 2006")
}
