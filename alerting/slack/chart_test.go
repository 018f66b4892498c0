package slack

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/slack/slacktest"
	"tipline/model"
)

// TestWorkspacesWithoutCharts holds that a message arrives without its chart where Slack takes none, at once and without another try the next
// time, and that other refusals are not blamed on the chart.
func TestWorkspacesWithoutCharts(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]slacktest.Answer{"bot": slacktest.Error("invalid_blocks"), "webhook": {Status: 400, Body: "invalid_blocks"}} {
		server := slacktest.New(t)
		n := both(t, server)[name]
		hasChart := func(m slacktest.Message) bool { return strings.Contains(string(m.Blocks), `"data_visualization"`) }
		send := func(id string) {
			t.Helper()
			e := event()
			e.ID = id
			if _, err := n.Send(t.Context(), e); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		send("first")
		server.Answer(func(request int) *slacktest.Answer {
			if request == 2 {
				return &refusal
			}
			return nil
		})
		send("second")
		send("third")
		all := server.Messages()
		if len(all) != 3 || server.Requests() != 4 || !hasChart(all[0]) || hasChart(all[1]) || hasChart(all[2]) {
			t.Errorf("%s: got %d messages by %d requests, want a chart in the first of 3, by 4 requests", name, len(all), server.Requests())
		}

		other := both(t, server)[name]
		server.Answer(func(int) *slacktest.Answer { return &refusal })
		checkFailure(t, name, failed(other.Send(t.Context(), event())), alerting.Simplify, 0, "invalid_blocks")
		if !other.Layout().Charts {
			t.Errorf("%s: the chart is blamed for blocks that are refused without it too", name)
		}
	}
}

func TestChart(t *testing.T) {
	t.Parallel()
	near := func() alerting.Event { return sampled(alerting.Approaching) }
	block, drawn := chart(near()).(*slackapi.DataVisualizationBlock)
	if !drawn {
		t.Fatal("got no chart")
	}
	lines := block.Chart.(*slackapi.DataVisualizationLineChart)
	// The 12.9B tokens of November are 720 hours, the threshold a month of 730.
	if got := lines.Series[1].Data[0]; got.Label != "Nov 26" || got.Value != 13.1 {
		t.Errorf("got %+v, want 13.1 billion tokens in November", got)
	}
	if got := lines.Series[3]; got.Name != "threshold" || got.Data[11].Value != 17 || lines.AxisConfig.YLabel != "billion tokens in a month of 730 hours" {
		t.Errorf("got %+v on the axis %q, want the threshold of 17 billion", got, lines.AxisConfig.YLabel)
	}
	for name, change := range map[string]func(*model.WorkloadReport){
		"no projection":            func(w *model.WorkloadReport) { w.Forecast = nil },
		"a single month":           func(w *model.WorkloadReport) { w.Forecast.CalendarMonths = w.Forecast.CalendarMonths[:1] },
		"a month without a name":   func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].Month = "soon" },
		"a month twice":            func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].Month = "2026-11" },
		"a number that is not one": func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].P90 = model.Tokens(math.Inf(1)) },
	} {
		e := event()
		change(&e.Report)
		if got := chart(e); got != nil {
			t.Errorf("%s: got %+v, want no chart", name, got)
		}
	}
	for name, threshold := range map[string]model.Tokens{"far away": 1e15, "none": 0} {
		e := near()
		e.Report.Crossover.FirstTokensPerMonth = &threshold
		if got := chart(e).(*slackapi.DataVisualizationBlock).Chart.(*slackapi.DataVisualizationLineChart).Series; len(got) != 3 {
			t.Errorf("a threshold that is %s: got %d lines, want 3", name, len(got))
		}
	}
	if got := chart(event()).(*slackapi.DataVisualizationBlock).Chart.(*slackapi.DataVisualizationLineChart).Series; len(got) != 3 {
		t.Errorf("the threshold of an option that the message is not about: got %d lines, want 3", len(got))
	}
}

// TestPictures holds that a picture of the chart is put below a message whose workspace takes no charts, that a token that may not upload is
// found out once, and that the message arrives whatever becomes of the picture.
func TestPictures(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		scopes []string
		draws  error
		panics bool
		shared int
		asked  int // requests to upload, of two messages
	}{
		{name: "a token that may upload", scopes: []string{"files:write"}, shared: 2, asked: 4},
		{name: "one that may not", asked: 1},
		{name: "no picture", scopes: []string{"files:write"}, draws: errors.New("no ink")},
		{name: "a picture that panics", scopes: []string{"files:write"}, panics: true},
	} {
		server := slacktest.New(t)
		server.Grant(tc.scopes...)
		server.Answer(func(request int) *slacktest.Answer {
			if request == 1 {
				refused := slacktest.Error("invalid_blocks")
				return &refused
			}
			return nil
		})
		n := both(t, server)["bot"]
		n.settings.Draw = func(out io.Writer, c *Chart) error {
			if tc.panics {
				panic("no paper")
			}
			fmt.Fprintf(out, "%s of %s", c.Title, c.Chart.(*slackapi.DataVisualizationLineChart).Series[1].Name)
			return tc.draws
		}
		for _, id := range []string{"first", "second"} {
			e := event()
			e.ID = id
			if _, err := n.Send(t.Context(), e); err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
		}
		uploads, messages := server.Uploads(), server.Messages()
		if len(messages) != 2 || len(uploads) != tc.shared || server.Asked() != tc.asked {
			t.Errorf("%s: got %d messages, %d pictures by %d requests, want 2, %d by %d", tc.name, len(messages), len(uploads), server.Asked(), tc.shared, tc.asked)
		}
		for i, u := range uploads {
			if u.Thread != messages[i].Time || u.Channel != slacktest.ID("#llm-cost") || string(u.Data) != "Volume, projected of projected" || u.Name != "volume.png" {
				t.Errorf("%s: got %+v, want the picture below message %d", tc.name, u, i)
			}
		}
	}
}
