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
// volume of 30 days has passed the threshold by 30 days after the day that it named, and wrong when that day is over and it has not.
func grade(m Message, days []observed, end time.Time) Grade {
	switch m.Kind {
	case alerting.FirstSeen, alerting.Switched, alerting.Returned:
		return gradeMove(m, days, end)
	case alerting.Approaching:
		return gradeApproach(m, days, end)
	default:
		return Grade{Verdict: Informs, Because: "it advises no move"}
	}
}

func gradeMove(m Message, days []observed, end time.Time) Grade {
	var saved, months float64
	graded, unserved := 0, 0 // periods
	from, passed := m.At, 0
	for _, d := range days {
		if d.at.Sub(from) < period-slack {
			continue
		}
		length := d.at.Sub(from)
		from = d.at
		passed++
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
			month := length.Hours() / cost.Float(cost.DefaultHours)
			saved, months = saved+float64(paid-instead)*month, months+month
		}
	}
	switch {
	case passed == 0:
		return Grade{Verdict: TooEarly, Because: fmt.Sprintf("the history ends %s after it, and 30 days are compared at least", count(int(end.Sub(m.At)/day), "day"))}
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
	for _, d := range days {
		if d.at.Before(m.At) || d.covered < leastCovered || d.tokens <= m.boundary {
			continue
		}
		if d.at.After(latest) {
			return Grade{Verdict: Wrong, Because: fmt.Sprintf("the volume passed %s tokens a month on %s only", model.FormatTokens(m.boundary), model.FormatDate(d.at))}
		}
		return Grade{Verdict: Right, Because: fmt.Sprintf("the volume of 30 days passed %s tokens a month on %s", model.FormatTokens(m.boundary), model.FormatDate(d.at))}
	}
	if !end.After(latest) {
		return Grade{Verdict: TooEarly, Because: "what it says may happen until " + model.FormatDate(latest)}
	}
	return Grade{Verdict: Wrong, Because: fmt.Sprintf("the volume did not pass %s tokens a month by %s", model.FormatTokens(m.boundary), model.FormatDate(latest))}
}

// expires returns until when what m says of a threshold that comes near may happen.
func (m Message) expires() time.Time {
	crosses, err := time.Parse(time.DateOnly, m.Crosses)
	if err != nil {
		return m.At
	}
	return crosses.Add(period)
}

// An alert stood from a message that a workload is to move, or soon will be, until it was taken back.
type alert struct{ from, to time.Time }

// alerts returns the alerts about workload, the earliest first. One that stands has no end; one that only said that a threshold comes near ends when that is
// overdue.
func alerts(messages []Message, workload string) []alert {
	var all []alert
	for _, m := range messages {
		if m.Workload != workload {
			continue
		}
		last := len(all) - 1
		stands := last >= 0 && (all[last].to.IsZero() || m.At.Before(all[last].to))
		switch m.Kind {
		case alerting.FirstSeen, alerting.Switched, alerting.NoOption:
			if !stands {
				all, last = append(all, alert{from: m.At}), last+1
			}
			all[last].to = time.Time{}
		case alerting.Approaching:
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
func outcome(c Crossing, messages []Message, end time.Time) Crossing {
	for _, r := range alerts(messages, c.Workload) {
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
