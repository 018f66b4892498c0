// Package chart describes the chart of an event once, for every form in which it is shown.
package chart

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/alerting/words"
	"tipline/model"
)

// The limits of a chart, of which Slack's are the narrowest; see docs.slack.dev, data visualization block.
const (
	maxMonths = 13 // shown, so that the same month of the next year is among them; Slack takes 20
	minMonths = 2
	maxGroups = 10 // of bars
	maxLabel  = 20 // characters of a label and of the name of a series
)

// monthHours is the length of the month in which costs and thresholds are measured.
const monthHours = 730

// A Chart shows numbers over labels: lines over months or days, or bars over names.
type Chart struct {
	Title  string
	Unit   string   // of the values, as it stands beside their axis
	Bars   bool     // a group of bars a label; otherwise lines
	Labels []string // from left to right, each once
	Series []Series // at most six, each with a name of its own
	Alt    string   // what it shows, in a sentence
	Said   bool     // the sentences of its message say as much
}

// Series is a line, or a bar of every group.
type Series struct {
	Name   string
	Values []float64 // one a label, of three digits: more are not known
	Role   Role
}

// Role says what a series is beside the others.
type Role int

// The roles.
const (
	Main  Role = iota
	Bound      // an end of the range of the series before it
	Level      // what the others are held against
)

// Of returns the chart of e, nil when it has none or it cannot be drawn.
func Of(e alerting.Event) *Chart {
	switch e.Reason {
	case alerting.FirstSeen, alerting.Switched, alerting.Returned, alerting.Blocked, alerting.Unstable, alerting.Approaching, alerting.Ends, alerting.Reminded, alerting.Answered:
		if c := Ahead(e.Report, rival(e)); c != nil {
			return c
		}
		return volume(e)
	case alerting.OverBudget:
		b := *e.Budget
		return month(e.Time, b.Month, b.SpentUSD, b.Projected, &b.USD)
	case alerting.Digested:
		if m := e.Digest.Month; m != nil && len(e.Digest.Items) > 0 { // a quiet one is a line
			return month(e.Time, m.Month, &m.SpentUSD, &m.Projected, nil)
		}
	case alerting.PricesMoved:
		return prices(e.Prices.Moves)
	default:
	}
	return nil
}

// rival returns the option that e holds against the current one.
func rival(e alerting.Event) string {
	switch d, x := e.Report.Decision, e.Report.Crossover; {
	case e.Told().Reason == alerting.Approaching && x != nil:
		return x.Option
	case e.Told().Reason == alerting.Ends && d.Commitment != nil:
		return d.Commitment.OptionAfter
	case d.Option != e.Report.Current && d.Option != "":
		return d.Option
	case e.Previous != "" && e.Previous != e.Report.Current:
		return e.Previous
	default:
		return d.Best
	}
}

// Ahead returns the projected cost of the months to come of the current option of w, and of the option called rival if that is known, with the
// range of the one that is the less certain; nil when it cannot be drawn.
func Ahead(w model.WorkloadReport, rival string) *Chart {
	var shown []model.CostAhead
	for _, name := range []string{w.Current, rival} {
		i := slices.IndexFunc(w.CostAhead, func(a model.CostAhead) bool { return a.Option == name })
		if i >= 0 && (len(shown) == 0 || shown[0].Option != name) {
			shown = append(shown, w.CostAhead[i])
		}
	}
	if len(shown) == 0 || shown[0].Option != w.Current {
		return nil
	}
	c := Chart{Title: "Cost in the months ahead"}
	n := min(len(shown[0].Months), maxMonths)
	widest, width := 0, 0.0
	for i, a := range shown {
		if n < minMonths || len(a.Months) < n {
			return nil
		}
		if last := a.Months[n-1]; float64(last.P90-last.P10) > width {
			widest, width = i, float64(last.P90-last.P10)
		}
	}
	known := shown[widest].Months[n-1].Quantiles
	var parts []string
	for i, a := range shown {
		of := [3][]float64{}
		for _, m := range a.Months[:n] {
			begin, err := time.Parse("2006-01", m.Month)
			if err != nil {
				return nil
			}
			if i == 0 {
				c.Labels = append(c.Labels, begin.Format("Jan 2006"))
			}
			for q, usd := range []model.USD{m.P50, m.P90, m.P10} {
				of[q] = append(of[q], float64(usd))
			}
		}
		name := words.Clean(a.Option, maxLabel)
		c.Series = append(c.Series, Series{Name: name, Values: of[0]})
		from, to := a.Months[0].Quantiles, a.Months[n-1].Quantiles
		// What is held against each other in one sentence is said in steps of what is known of all of it.
		option, is, becomes := words.Clean(a.Option, words.MaxName), model.FormatUSDKnown(from.P50, known), model.FormatUSDKnown(to.P50, known)
		part := fmt.Sprintf("from %s to %s on %s", is, becomes, option)
		if is == becomes {
			part = fmt.Sprintf("stays %s on %s", is, option)
		} else if i == 0 || strings.HasPrefix(parts[0], "stays") {
			part = "goes " + part
		}
		if i == widest && width > 0 {
			short := words.Clean(a.Option, maxLabel-len(", high"))
			c.Series = append(c.Series, Series{Name: short + ", high", Values: of[1], Role: Bound}, Series{Name: short + ", low", Values: of[2], Role: Bound})
			part += fmt.Sprintf(" (80%% range %s)", model.FormatUSDRange(to))
		}
		parts = append(parts, part)
	}
	c.Alt = fmt.Sprintf("Between %s and %s the cost of a month %s.", c.Labels[0], c.Labels[n-1], strings.Join(parts, ", and "))
	return c.finished("US dollars", " in a month of 730 hours")
}

// volume returns the projected volume of the months to come with its range, and the threshold of the option that e is about if that has one,
// all in a month of 730 hours.
func volume(e alerting.Event) *Chart {
	f := e.Report.Forecast
	if f == nil || len(f.CalendarMonths) < minMonths {
		return nil
	}
	c := Chart{Title: "Volume, projected", Alt: words.Volume(e.Report), Said: true}
	c.Series = []Series{{Name: "projected"}, {Name: "upper end of 80%", Role: Bound}, {Name: "lower end of 80%", Role: Bound}}
	most := 0.0
	for _, m := range f.CalendarMonths[:min(len(f.CalendarMonths), maxMonths)] {
		begin, err := time.Parse("2006-01", m.Month)
		if err != nil {
			return nil
		}
		c.Labels = append(c.Labels, begin.Format("Jan 2006"))
		factor := monthHours / begin.AddDate(0, 1, 0).Sub(begin).Hours()
		for s, t := range []model.Tokens{m.P50, m.P90, m.P10} {
			c.Series[s].Values = append(c.Series[s].Values, float64(t)*factor)
			most = max(most, float64(t)*factor)
		}
	}
	if x := e.Report.Crossover; x != nil && x.FirstTokensPerMonth != nil && (e.Told().Reason == alerting.Approaching || x.Option == e.Report.Decision.Option || x.Option == e.Previous) {
		if t := float64(*x.FirstTokensPerMonth); t > 0 && t <= 10*max(most, 1) { // one that is far away would flatten the rest
			c.Series = append(c.Series, Series{Name: "threshold", Values: slices.Repeat([]float64{t}, len(c.Labels)), Role: Level})
		}
	}
	return c.finished("tokens", " in a month of 730 hours")
}

// monthPoints is how many instants of a month are shown, its beginning and its end among them.
const monthPoints = 11

// month returns what is spent in a month called name, of the form 2006-01, up to now and what is projected of the rest, and a budget if there
// is one. Of the days only the sum is known, so that what is spent and what is to come are straight lines, as in the day on which a budget is
// passed.
func month(now time.Time, name string, spent *model.USD, projected *model.Quantiles[model.USD], budget *model.USD) *Chart {
	begin, err := time.Parse("2006-01", name)
	if err != nil || spent == nil || projected == nil {
		return nil
	}
	end := begin.AddDate(0, 1, 0)
	now = now.UTC()
	if now.Before(begin) || !now.Before(end) {
		return nil
	}
	c := Chart{Title: begin.Format("January 2006") + ", spent and projected", Said: true}
	lines := []Series{{Name: "median"}, {Name: "upper end of 80%", Role: Bound}, {Name: "lower end of 80%", Role: Bound}}
	for i := range monthPoints {
		at := begin.Add(end.Sub(begin) * time.Duration(i) / (monthPoints - 1))
		c.Labels = append(c.Labels, minTime(at, end.Add(-1)).Format("2 Jan"))
		for l, total := range []model.USD{projected.P50, projected.P90, projected.P10} {
			v := float64(*spent)
			if at.After(now) {
				v += max(0, float64(total-*spent)) * float64(at.Sub(now)) / float64(end.Sub(now))
			} else if at.Before(now) {
				v *= float64(at.Sub(begin)) / float64(now.Sub(begin))
			}
			lines[l].Values = append(lines[l].Values, v)
		}
	}
	c.Series = lines
	c.Alt = fmt.Sprintf("%s spent of %s by %s, %s projected at its end (80%% range %s)", model.FormatUSD(*spent), begin.Format("January 2006"), model.FormatDate(now),
		model.FormatUSDKnown(projected.P50, *projected), model.FormatUSDRange(*projected))
	if budget != nil {
		c.Series = append(c.Series, Series{Name: "budget", Values: slices.Repeat([]float64{float64(*budget)}, len(c.Labels)), Role: Level})
		c.Alt += fmt.Sprintf(", the budget is %s", model.FormatUSD(*budget))
	}
	c.Alt += "."
	return c.finished("US dollars", " since the month began")
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// prices returns what was and what will be charged, where that are several prices of one unit: a single one is a line.
func prices(moves []model.PriceMove) *Chart {
	c := Chart{Title: "Prices, before and after", Bars: true, Said: true}
	before, after := Series{Name: "before"}, Series{Name: "after"}
	if len(moves) < 2 || len(moves) > maxGroups {
		return nil
	}
	var texts []string
	for _, m := range moves {
		was, err := strconv.ParseFloat(m.Before, 64)
		is, failed := strconv.ParseFloat(m.After, 64)
		if err != nil || failed != nil || m.Unit != moves[0].Unit {
			return nil
		}
		field := words.Clean(m.Field, maxLabel/2)
		c.Labels = append(c.Labels, words.Clean(m.Option, maxLabel-1-len([]rune(field)))+" "+field)
		before.Values, after.Values = append(before.Values, was), append(after.Values, is)
		texts = append(texts, words.Clean(m.Text(), words.MaxLine))
	}
	c.Series = []Series{before, after}
	c.Alt = words.Shorten("Prices change: "+strings.Join(texts, "; "), 2*words.MaxLine) + "."
	return c.finished(words.Clean(moves[0].Unit, maxLabel), "")
}

// finished returns c with its values in a unit in which they are short, and nil when a value is no number, a label stands twice or there is
// nothing to see. Series that would be called the same are numbered.
func (c Chart) finished(unit, per string) *Chart {
	most := 0.0
	for _, s := range c.Series {
		for _, v := range s.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil
			}
			most = max(most, math.Abs(v))
		}
	}
	sorted := slices.Sorted(slices.Values(c.Labels))
	if len(slices.Compact(sorted)) != len(c.Labels) || slices.Contains(c.Labels, "") {
		return nil
	}
	c.Unit = unit + per
	size := 1.0
	for _, u := range []struct {
		name string
		size float64
	}{{"trillion ", 1e12}, {"billion ", 1e9}, {"million ", 1e6}, {"thousand ", 1e3}} {
		if most >= u.size && !c.Bars {
			c.Unit, size = u.name+unit+per, u.size
			break
		}
	}
	seen := map[string]bool{}
	for i := range c.Series {
		s := &c.Series[i]
		for name, n := s.Name, i+1; s.Name == "" || seen[s.Name]; n++ {
			s.Name = strings.TrimSpace(fmt.Sprintf("%s %d", words.Shorten(name, maxLabel-3), n))
		}
		seen[s.Name] = true
		s.Values = slices.Clone(s.Values)
		for j, v := range s.Values {
			s.Values[j] = rounded(v / size)
		}
	}
	return &c
}

// rounded returns v to three digits.
func rounded(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return out
}
