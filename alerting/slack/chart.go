package slack

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/post"
	"tipline/model"
)

// The limits of a chart; see docs.slack.dev, data visualization block.
const (
	maxPoints = 13 // months shown, so that the same month of the next year is among them; Slack takes 20
	minPoints = 2
)

// monthHours is the length of the month in which a threshold is measured.
const monthHours = 730

// charted reports whether the projection of e is worth a chart: it is about a workload whose answer depends on the volume.
func charted(e alerting.Event) bool {
	switch e.Reason {
	case alerting.FirstSeen, alerting.Switched, alerting.Returned, alerting.Approaching, alerting.Reminded, alerting.Answered:
		f := e.Report.Forecast
		return f != nil && len(f.CalendarMonths) >= minPoints
	default:
		return false
	}
}

// chart returns the projected volume of the months to come with its range, and the threshold of the option that e is about if that has one,
// all in a month of 730 hours; nil when it cannot be drawn.
func chart(e alerting.Event) slackapi.Block {
	if !charted(e) {
		return nil
	}
	months := e.Report.Forecast.CalendarMonths
	months = months[:min(len(months), maxPoints)]
	labels := make([]string, len(months))
	lines := []struct {
		name string
		of   func(model.MonthProjection) model.Tokens
	}{
		{"upper end of 80%", func(m model.MonthProjection) model.Tokens { return m.P90 }},
		{"projected", func(m model.MonthProjection) model.Tokens { return m.P50 }},
		{"lower end of 80%", func(m model.MonthProjection) model.Tokens { return m.P10 }},
	}
	tokens := make([][]float64, len(lines))
	most := 0.0
	for i, m := range months {
		begin, err := time.Parse("2006-01", m.Month)
		if err != nil {
			return nil
		}
		labels[i] = begin.Format("Jan 06")
		hours := begin.AddDate(0, 1, 0).Sub(begin).Hours()
		for l, line := range lines {
			v := float64(line.of(m)) * monthHours / hours
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil
			}
			tokens[l], most = append(tokens[l], v), max(most, v)
		}
	}
	if x := e.Report.Crossover; x != nil && x.FirstTokensPerMonth != nil && (e.Told().Reason == alerting.Approaching || x.Option == e.Report.Decision.Option || x.Option == e.Previous) {
		if t := float64(*x.FirstTokensPerMonth); t > 0 && t <= 10*max(most, 1) { // one that is far away would flatten the rest
			lines = append(lines, struct {
				name string
				of   func(model.MonthProjection) model.Tokens
			}{name: "threshold"})
			level := make([]float64, len(months))
			for i := range level {
				level[i] = t
			}
			tokens, most = append(tokens, level), max(most, t)
		}
	}
	unit, size := "tokens", 1.0
	for _, u := range []struct {
		name string
		size float64
	}{{"trillion tokens", 1e12}, {"billion tokens", 1e9}, {"million tokens", 1e6}, {"thousand tokens", 1e3}} {
		if most >= u.size {
			unit, size = u.name, u.size
			break
		}
	}
	series := make([]slackapi.DataVisualizationDataSeries, len(lines))
	for l, line := range lines {
		points := make([]slackapi.DataVisualizationDataPoint, len(labels))
		for i, label := range labels {
			points[i] = slackapi.NewDataVisualizationDataPoint(label, rounded(tokens[l][i]/size))
		}
		series[l] = slackapi.NewDataVisualizationDataSeries(line.name, points...)
	}
	axes := slackapi.NewDataVisualizationAxisConfig(labels...).WithYLabel(unit + " in a month of 730 hours")
	block := slackapi.NewDataVisualizationBlock("Volume, projected", slackapi.NewDataVisualizationLineChart(axes, series...))
	if block.Validate() != nil { // a month twice, or none
		return nil
	}
	return block
}

// rounded returns v to three digits: more are not known.
func rounded(v float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return out
}

// layingOut sends e through send, and once more without a chart when Slack, which shows charts since June 2026, does not take the blocks:
// nothing was posted then. That the workspace takes none is kept until the settings change, so that it is found out once.
func (n *Notifier) layingOut(e alerting.Event, trip *post.Trip, send func(Layout) error) error {
	l := n.Layout()
	err := send(l)
	code := strings.TrimSpace(trip.Body)
	var refused slackapi.SlackErrorResponse
	if errors.As(err, &refused) {
		code = refused.Err
	}
	if err == nil || !l.Charts || e.Plain || chart(e) == nil || code != "invalid_blocks" && code != "invalid_blocks_format" {
		return err
	}
	l.Charts = false
	if err = send(l); err == nil {
		n.chartless.Store(true)
	}
	return err
}
