package words

import (
	"cmp"
	"fmt"
	"math"
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
	return fmt.Sprintf("%s: unstable between %s, %s", workload, Between(e.Unsettled.Answers), suffices(e, "staying is fine", "either will do"))
}

// suffices returns stay if the current option is one of the answers of e, and either if it is not.
func suffices(e alerting.Event, stay, either string) string {
	if slices.Contains(e.Unsettled.Answers, e.Report.Current) {
		return stay
	}
	return either
}

// Between names two answers.
func Between(answers []string) string {
	var named []string
	for _, a := range answers {
		named = append(named, cmp.Or(Clean(a, 40), "no option"))
	}
	return strings.Join(named, " and ")
}

// Apart says how far the costs of two answers lie apart in w; empty when that is not known.
func Apart(w model.WorkloadReport, answers []string) string {
	if len(answers) != 2 {
		return ""
	}
	a, b := model.CostOf(w.Options, answers[0]), model.CostOf(w.Options, answers[1])
	if a == nil || b == nil {
		return ""
	}
	if b.P90-b.P10 > a.P90-a.P10 {
		a, b = b, a
	}
	return model.FormatUSDKnown(model.USD(math.Abs(float64(a.P50-b.P50))), *a) + " a month lie between them" // known as well as the less certain of the two
}

// swings says how often the verdict of e has changed, how little that is about, and what is to be done.
func swings(e alerting.Event) string {
	u := e.Unsettled
	text := fmt.Sprintf("The answer has changed %d times since %s, last between %s", u.Changes, model.FormatDate(u.Since), Between(u.Answers))
	if apart := Apart(e.Report, u.Answers); apart != "" {
		text += ": " + apart
	}
	text += ". "
	if !slices.Contains(u.Answers, "") {
		text += suffices(e, "Staying on "+Clean(e.Report.Current, MaxName)+" is fine. ", "Either will do. ")
	}
	return text + fmt.Sprintf("The next message comes when one answer has stood for %d days; the digest lists it until then.", alerting.CalmDays)
}
