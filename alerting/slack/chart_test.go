package slack

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/slack/slacktest"
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
		n.settings.Draw = func(out io.Writer, c *chart.Chart) error {
			if tc.panics {
				panic("no paper")
			}
			fmt.Fprintf(out, "%s of %s", c.Title, c.Series[0].Name)
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
			if u.Thread != messages[i].Time || u.Channel != slacktest.ID("#llm-cost") || string(u.Data) != "Cost in the months ahead of haiku" || u.Name != "chart.png" {
				t.Errorf("%s: got %+v, want the picture below message %d", tc.name, u, i)
			}
		}
	}
}
