package slack

import (
	"errors"
	"strings"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/post"
)

// drawn returns the chart of e as a block of Slack's own, nil when it has none.
func drawn(e alerting.Event) slackapi.Block {
	c := chart.Of(e)
	if c == nil {
		return nil
	}
	series := make([]slackapi.DataVisualizationDataSeries, len(c.Series))
	for i, s := range c.Series {
		points := make([]slackapi.DataVisualizationDataPoint, len(c.Labels))
		for j, label := range c.Labels {
			points[j] = slackapi.NewDataVisualizationDataPoint(label, s.Values[j])
		}
		series[i] = slackapi.NewDataVisualizationDataSeries(s.Name, points...)
	}
	axes := slackapi.NewDataVisualizationAxisConfig(c.Labels...).WithYLabel(c.Unit)
	block := slackapi.NewDataVisualizationBlock(c.Title, slackapi.NewDataVisualizationLineChart(axes, series...))
	if c.Bars {
		block.Chart = slackapi.NewDataVisualizationBarChart(axes, series...)
	}
	if block.Validate() != nil { // a limit that chart does not keep: the message is complete without
		return nil
	}
	return block
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
	if err == nil || !l.Charts || e.Plain || drawn(e) == nil || code != "invalid_blocks" && code != "invalid_blocks_format" {
		return err
	}
	l.Charts = false
	if err = send(l); err == nil {
		n.chartless.Store(true)
	}
	return err
}
