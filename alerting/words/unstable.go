package words

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tipline/alerting"
	"tipline/model"
)

// unstable says in one sentence between what the verdict changes.
func unstable(workload string, e alerting.Event) string {
	if slices.Contains(e.Unsettled.Answers, "") {
		return workload + ": unstable, at times no option may serve it"
	}
	return fmt.Sprintf("%s: unstable between %s, %s", workload, between(e.Unsettled.Answers), suffices(e, "staying"))
}

// suffices says whether staying is an answer of e, or either of the two.
func suffices(e alerting.Event, staying string) string {
	switch {
	case e.Report.Decision.Reason == model.ReasonCurrentInfeasible:
		return staying + " is not allowed now"
	case slices.Contains(e.Unsettled.Answers, e.Report.Current):
		return staying + " is fine"
	}
	return "either will do"
}

// between names two answers.
func between(answers []string) string {
	var named []string
	for _, a := range answers {
		named = append(named, cmp.Or(Clean(a, 40), "no option"))
	}
	return strings.Join(named, " and ")
}

// swings says how often the verdict of e has changed, how little that is about, and what is to be done.
func swings(e alerting.Event) string {
	u := e.Unsettled
	text := fmt.Sprintf("The answer has changed %d times since %s, last between %s", u.Changes, model.FormatDate(u.Since), between(u.Answers))
	if len(u.Answers) == 2 {
		if apart := model.Apart(e.Report.Options, u.Answers[0], u.Answers[1]); apart != "" {
			text += ": " + apart
		}
	}
	text += ". "
	if !slices.Contains(u.Answers, "") {
		text += Sentence(suffices(e, "staying on "+Clean(e.Report.Current, MaxName))) + " "
	}
	return text + fmt.Sprintf("The next message comes when one answer has stood for %d days; the digest lists it until then.", alerting.CalmDays)
}
