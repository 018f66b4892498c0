package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/model"
)

// TestUndelivered holds that messages that wait for a person, and those that waited for too long, are in the report, in a message to whom it
// may reach, and in the digest.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.box.fail = &alerting.SendError{Remedy: alerting.FixSettings, Err: errors.New("channel_not_found")}
	r.days(t, 4) // the move is confirmed on the third
	notifier := func(report *model.Report) (codes []string) {
		for _, f := range report.DataFaults {
			if f.Notifier == "box" {
				codes = append(codes, f.Code+" "+f.Text)
			}
		}
		return codes
	}
	if got := notifier(r.Report()); len(got) != 1 || got[0] != "NOT_DELIVERED wait until somebody acts: channel_not_found" {
		t.Errorf("got %q, want why messages wait", got)
	}
	r.mu.Lock()
	r.now = r.now.AddDate(0, 0, 31)
	r.mu.Unlock()
	r.days(t, 1)
	r.box.fail = nil
	r.days(t, 1)
	if got := notifier(r.Report()); len(got) != 2 || !strings.HasPrefix(got[1], "MESSAGES_DROPPED ") || !strings.Contains(got[1], "30 days without delivery: 2, the last of 5 Nov 2026") {
		t.Errorf("got %q, want that messages were dropped", got)
	}
	g := digest(r.Report(), nil, model.BudgetReport{})
	if len(g.Items) != 2 || g.Items[0].Notifier != "box" || g.Items[1].Notifier != "box" {
		t.Errorf("got %+v, want the digest to say so", g.Items)
	}
	r.mu.Lock()
	r.now = r.now.Add(8 * 24 * time.Hour)
	r.mu.Unlock()
	r.days(t, 2)
	if got := notifier(r.Report()); len(got) != 0 {
		t.Errorf("got %q a week after the messages arrive again, want nothing", got)
	}
}
