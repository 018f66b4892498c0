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
	return fmt.Sprintf("%s: unstable between %s, %s", workload, between(e.Unsettled.Answers), suffices(e, "staying is fine", "either will do"))
}

// suffices returns stay if the current option is one of the answers of e, and either if it is not.
func suffices(e alerting.Event, stay, either string) string {
	if slices.Contains(e.Unsettled.Answers, e.Report.Current) {
		return stay
	}
	return either
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
		text += suffices(e, "Staying on "+Clean(e.Report.Current, MaxName)+" is fine. ", "Either will do. ")
	}
	return text + fmt.Sprintf("The next message comes when one answer has stood for %d days; the digest lists it until then.", alerting.CalmDays)
}
