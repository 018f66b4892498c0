package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/collector"
	"tipline/collector/promtest"
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
	if faults := g.Items[g.Count(model.DigestDecide):]; len(faults) != 2 || faults[0].Notifier != "box" || faults[1].Notifier != "box" {
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

// TestFaultsOfSources holds that what is wrong with all that a source counts is a fault of the data, and that what was not asked in time is a warning in the report alone.
func TestFaultsOfSources(t *testing.T) {
	t.Parallel()
	faults := dataFaults([]model.SourceReport{{Source: "gateway", Warnings: []model.Warning{
		{Code: collector.StoredPerReplica, Text: "doubled"}, {Code: collector.TooManyWorkloads, Text: "left out"}, {Code: collector.TTFTFailed, Text: "timeout"},
	}}}, nil)
	if len(faults) != 2 || faults[0].Code != collector.StoredPerReplica || faults[1].Code != collector.TooManyWorkloads || faults[0].Source != "gateway" || faults[0].Workload != "" {
		t.Errorf("got %+v, want the first two of the source as a whole", faults)
	}
	r := newRig(t, func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "histogram_quantile") {
			return promtest.Answer{Status: 503}
		}
		return steady(map[string]string{"team_alias": "support"}, 1e6)(q)
	})
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w := report.Sources[0].Warnings; len(w) != 1 || w[0].Code != collector.TTFTFailed {
		t.Errorf("got %+v, want that the time to first token was not read", w)
	}
}
