package backtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tipline/alerting"
	"tipline/model"
	"tipline/model/cost"
)

// slack is by how much sooner than 30 days after another an evaluation may come and still end a period: clocks of a schedule's time zone change.
const slack = 2 * time.Hour

// leastCovered is the share of a period that must have been measured for what it cost to count.
const leastCovered = 0.5

// grade holds m against what became known of its workload, up to end.
//
// A message that advises to leave an option is right when, over the whole periods of 30 days from it on that the history has, the option to be on would have
// cost less than the one to leave, at the volume that was used in each; otherwise it is wrong. One that says that a threshold comes near is right when the
// volume of 30 days has passed the threshold by 30 days after the day that it named, wrong when that day is over and it has not, and too late when it had
// before. One that the option in use, or none, may serve the workload is right when it could not have served what came in one of those periods.
func grade(m Message, days []observed, end time.Time) Grade {
	switch m.Kind {
	case alerting.FirstSeen, alerting.Switched, alerting.Returned:
		return gradeMove(m, days, end)
	case alerting.Approaching:
		return gradeApproach(m, days, end)
	case alerting.Blocked:
		return gradeUnserved(m, days, end, func(d observed) bool { return d.blocked }, "the option in use could", "the option in use could not")
	case alerting.NoOption:
		return gradeUnserved(m, days, end, func(d observed) bool { return d.unserved }, "an option could", "no option could")
	default:
		return Grade{Verdict: Informs, Because: "it advises no move now"}
	}
}

// after returns what was observed at the ends of the whole periods from at on, each with the length of its period.
func after(at time.Time, days []observed) (ends []observed, lengths []time.Duration) {
	for _, d := range days {
		if length := d.at.Sub(at); length >= period-slack {
			ends, lengths, at = append(ends, d), append(lengths, length), d.at
		}
	}
	return ends, lengths
}

// tooEarly is the grade of m when no whole period came after it.
func tooEarly(m Message, end time.Time) Grade {
	return Grade{Verdict: TooEarly, Because: fmt.Sprintf("the history ends %s after it, and 30 days are compared at least", count(int(end.Sub(m.At)/day), "day"))}
}

// gradeUnserved holds a message that a workload may not be served any more, by the option in use or by any, against what by says of what came; could and couldNot begin
// the sentence that says so.
func gradeUnserved(m Message, days []observed, end time.Time, by func(observed) bool, could, couldNot string) Grade {
	ends, _ := after(m.At, days)
	if len(ends) == 0 {
		return tooEarly(m, end)
	}
	graded, unserved := 0, 0
	for _, d := range ends {
		if d.covered < leastCovered {
			continue
		}
		graded++
		if by(d) {
			unserved++
		}
	}
	switch {
	case graded == 0:
		return Grade{Verdict: Unknown, Because: "what came after it was not measured"}
	case unserved == 0:
		return Grade{Verdict: Wrong, GradedDays: 30 * graded, Because: fmt.Sprintf("%s have served what came in each of %s of 30 days", could, count(graded, "period"))}
	}
	return Grade{Verdict: Right, GradedDays: 30 * graded, Because: fmt.Sprintf("%s have served what came in %d of %s of 30 days", couldNot, unserved, count(graded, "period"))}
}

// gradeBudget holds a message that a month is going to cost more than a budget against the last that was known of that month, which was at as; the hours
// that came after that are projected.
func gradeBudget(last model.BudgetReport, as, end time.Time) Grade {
	month, err := time.Parse("2006-01", last.Month)
	known := err == nil && last.SpentUSD != nil && last.Projected != nil
	of := fmt.Sprintf("of a budget of %s", model.FormatUSD(last.USD))
	switch {
	case known && *last.SpentUSD > last.USD:
		return Grade{Verdict: Right, Because: fmt.Sprintf("%s were spent by %s, %s", model.FormatUSD(*last.SpentUSD), model.FormatDate(as), of)}
	case known && month.AddDate(0, 1, 0).Sub(end) > monthsEnd:
		return Grade{Verdict: TooEarly, Because: "the history ends before the month does"}
	case !known || month.AddDate(0, 1, 0).Sub(as) > monthsEnd:
		return Grade{Verdict: Unknown, Because: "what the month cost is not known"}
	case last.Over():
		return Grade{Verdict: Right, Because: fmt.Sprintf("the month cost %s, %s", model.FormatUSD(last.Projected.P50), of)}
	case len(last.Unknown) > 0:
		return Grade{Verdict: Unknown, Because: fmt.Sprintf("what %s of the budget cost is not known", count(len(last.Unknown), "workload"))}
	}
	return Grade{Verdict: Wrong, Because: fmt.Sprintf("the month cost %s, %s", model.FormatUSD(last.Projected.P50), of)}
}

// monthsEnd is by how much before the end of a month what it costs is taken for known.
const monthsEnd = 2 * day

func gradeMove(m Message, days []observed, end time.Time) Grade {
	var saved, months float64
	graded, unserved := 0, 0 // periods
	ends, lengths := after(m.At, days)
	for i, d := range ends {
		paid, known := d.costs[m.From]
		instead, served := d.costs[m.To]
		if d.covered < leastCovered || !known && !served {
			continue
		}
		graded++
		switch {
		case !served:
			unserved++
		case known:
			month := lengths[i].Hours() / cost.Float(cost.DefaultHours)
			saved, months = saved+float64(paid-instead)*month, months+month
		}
	}
	switch {
	case len(ends) == 0:
		return tooEarly(m, end)
	case graded == 0:
		return Grade{Verdict: Unknown, Because: "what came after it was not measured, or neither option has a cost for it"}
	case unserved > 0:
		return Grade{Verdict: Wrong, GradedDays: 30 * graded, Because: fmt.Sprintf("%s could not have served what came in %d of %s of 30 days", m.To, unserved, count(graded, "period"))}
	case months == 0:
		return Grade{Verdict: Right, GradedDays: 30 * graded, Because: m.From + " could not have served what came"}
	}
	g := Grade{Verdict: Wrong, GradedDays: 30 * graded, SavedUSDPerMonth: new(rounded(model.USD(saved/months), 2))}
	if saved > 0 {
		g.Verdict = Right
		g.Because = fmt.Sprintf("%s would have cost %s a month less than %s over the %d days after it", m.To, model.FormatUSD(*g.SavedUSDPerMonth), m.From, g.GradedDays)
		return g
	}
	g.Because = fmt.Sprintf("%s would have cost %s a month more than %s over the %d days after it", m.To, model.FormatUSD(0-*g.SavedUSDPerMonth), m.From, g.GradedDays)
	return g
}

func gradeApproach(m Message, days []observed, end time.Time) Grade {
	latest := m.expires()
	var before *observed // that of the last evaluation up to m which measured enough
	for _, d := range days {
		switch {
		case d.covered < leastCovered:
			continue
		case !d.at.After(m.At):
			before = &d
			continue
		case before != nil && before.tokens > m.boundary:
			return tooLate(m)
		case d.tokens <= m.boundary:
			continue
		}
		if d.at.After(latest) {
			return Grade{Verdict: Wrong, Because: fmt.Sprintf("the volume passed %s tokens a month on %s only", model.FormatTokens(m.boundary), model.FormatDate(d.at))}
		}
		return Grade{Verdict: Right, Because: fmt.Sprintf("the volume of 30 days passed %s tokens a month on %s", model.FormatTokens(m.boundary), model.FormatDate(d.at))}
	}
	if before != nil && before.tokens > m.boundary {
		return tooLate(m)
	}
	if !end.After(latest) {
		return Grade{Verdict: TooEarly, Because: "what it says may happen until " + model.FormatDate(latest)}
	}
	return Grade{Verdict: Wrong, Because: fmt.Sprintf("the volume did not pass %s tokens a month by %s", model.FormatTokens(m.boundary), model.FormatDate(latest))}
}

// tooLate is the grade of m when what it says comes near had come.
func tooLate(m Message) Grade {
	return Grade{Verdict: TooLate, Because: fmt.Sprintf("the volume of 30 days was above %s tokens a month when it was said", model.FormatTokens(m.boundary))}
}

// expires returns until when what m says of a threshold that comes near may happen.
func (m Message) expires() time.Time {
	crosses, err := time.Parse(time.DateOnly, m.Crosses)
	if err != nil {
		return m.At
	}
	return crosses.Add(period)
}

// An alert stood from a message that a workload is to move, or soon will be, until it was taken back or another kind of hosting took its place.
type alert struct{ from, to time.Time }

// alerts returns the alerts about workload that ask for the same kind of hosting as to, or for any other than what is in use, the earliest first. One that stands has no end; one that only said that a threshold comes near ends when that is
// overdue.
func alerts(messages []Message, workload, to string, hostings map[string]model.Hosting) []alert {
	var all []alert
	for _, m := range messages {
		if m.Workload != workload {
			continue
		}
		last := len(all) - 1
		stands := last >= 0 && (all[last].to.IsZero() || m.At.Before(all[last].to))
		switch another := m.Kind != alerting.NoOption && hostings[m.To] != hostings[to]; m.Kind {
		case alerting.FirstSeen, alerting.Switched, alerting.Blocked, alerting.NoOption:
			if another {
				if stands {
					all[last].to = m.At
				}
				continue
			}
			if !stands {
				all, last = append(all, alert{from: m.At}), last+1
			}
			all[last].to = time.Time{}
		case alerting.Approaching:
			if another {
				continue
			}
			if !stands {
				all, last = append(all, alert{from: m.At, to: m.expires()}), last+1
			}
			if !all[last].to.IsZero() && m.expires().After(all[last].to) {
				all[last].to = m.expires()
			}
		case alerting.Returned:
			if stands {
				all[last].to = m.At
			}
		default:
		}
	}
	return all
}

// outcome returns c with whether, and how long before, one of messages told it. What is past at the start is caught when it is told as soon as that can be
// confirmed.
func outcome(c Crossing, messages []Message, hostings map[string]model.Hosting, end time.Time) Crossing {
	for _, r := range alerts(messages, c.Workload, c.To, hostings) {
		if !r.to.IsZero() && !r.to.After(c.At) {
			continue
		}
		late := r.from.Sub(c.At)
		if !c.ended.IsZero() && r.from.After(c.ended) {
			break
		}
		switch {
		case c.AtStart && late <= c.patience:
			c.Outcome = Caught
			return c
		case late <= 0:
			c.Outcome = Caught
		default:
			c.Outcome = Late
		}
		c.LeadDays = new(int(-late / day))
		return c
	}
	c.Outcome = Missed
	if end.Sub(c.At) < 2*period {
		c.Outcome = Open
	}
	return c
}

// total counts r, whose messages and crossings are graded; delivered is how many messages they would have been sent as.
func (r *Result) total(delivered, digests int) Totals {
	t := Totals{Messages: delivered, Digests: digests}
	told := map[string]bool{}
	for _, m := range r.Messages {
		if m.Workload != "" {
			told[m.Workload] = true
		}
		switch m.Grade.Verdict {
		case Right:
			t.Right++
		case Wrong:
			t.Wrong++
		case TooEarly:
			t.TooEarly++
		case TooLate:
			t.TooLate++
		case Unknown:
			t.Unknown++
		case Informs:
			t.NotGraded++
		}
		if m.Kind == alerting.Returned || m.Kind == alerting.Switched && m.Previous != m.From {
			t.ChangesOfMind++
		}
	}
	t.Told = len(told)
	var leads []int
	for _, c := range r.Crossings {
		switch c.Outcome {
		case Caught:
			t.Caught++
			if c.LeadDays != nil {
				leads = append(leads, *c.LeadDays)
			}
		case Late:
			t.Late++
		case Missed:
			t.Missed++
		case Open:
			t.Open++
		}
	}
	if slices.Sort(leads); len(leads) > 0 {
		t.LeadDays = new(leads[(len(leads)-1)/2])
	}
	if span := r.Until.Sub(r.Since); span > 0 {
		t.MessagesPerMonth = rounded(float64(delivered)*float64(period)/float64(span), 2)
	}
	return t
}

// horizons adds up the scores of the projections of all workloads.
func horizons(workloads []model.WorkloadReport) []Horizon {
	byDays := map[int]Horizon{}
	for _, w := range workloads {
		if w.Forecast == nil {
			continue
		}
		for _, s := range w.Forecast.Scores {
			h := byDays[s.Days]
			n := model.Fraction(s.Graded)
			byDays[s.Days] = Horizon{
				Days: s.Days, Graded: h.Graded + s.Graded, Error: h.Error + n*s.ErrorRatio, NaiveError: h.NaiveError + n*s.NaiveErrorRatio,
				Coverage80: h.Coverage80 + n*s.Coverage80, Coverage95: h.Coverage95 + n*s.Coverage95,
			}
		}
	}
	all := []Horizon{}
	for _, h := range byDays {
		n := model.Fraction(h.Graded)
		h.Error, h.NaiveError, h.Coverage80, h.Coverage95 = rounded(h.Error/n, 4), rounded(h.NaiveError/n, 4), rounded(h.Coverage80/n, 4), rounded(h.Coverage95/n, 4)
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Horizon) int { return cmp.Compare(a.Days, b.Days) })
	return all
}
