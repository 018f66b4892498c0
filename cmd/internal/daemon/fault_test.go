package daemon

import (
	"errors"
	"net/http"
	"slices"
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
		{Code: collector.StoredPerReplica, Text: "doubled"},
		{Code: collector.TooManyWorkloads, Text: "left out"},
		{Code: collector.TTFTFailed, Text: "timeout"},
		{Code: collector.NotACounter, Text: "gauges"},
		{Code: collector.ReplicasDiffer, Text: "pods"},
		{Code: collector.NeverMatched, Text: "misspelt"},
	}}}, nil)
	if len(faults) != 4 || faults[2].Code != collector.NotACounter || faults[0].Code != collector.StoredPerReplica || faults[1].Code != collector.TooManyWorkloads || faults[0].Source != "gateway" || faults[0].Workload != "" {
		t.Errorf("got %+v, want all but the timeout and the name, of the source as a whole", faults)
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

// TestNowMayBePast holds that an evaluation as of a past time, as a backtest makes them, takes no server for one whose clock is ahead.
func TestNowMayBePast(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(q promtest.Query) promtest.Answer {
		a := route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured)(q)
		a.Header = http.Header{"Date": {opening.AddDate(0, 3, 0).Format(http.TimeFormat)}}
		return a
	})
	for _, machine := range []func() time.Time{nil, func() time.Time { return opening.AddDate(0, 3, 0) }} {
		r.machine = machine
		r.start(t)
		report := r.days(t, 1)
		if d := workload(t, report, "support").Decision; d.Recommendation != model.Move || len(report.DataFaults) != 0 {
			t.Errorf("got %s (%s) and %+v, want a move and no fault", d.Recommendation, d.Because, report.DataFaults)
		}
	}
}

// TestF52_ClockOfTheServer holds that a clock that differs from the server's is told once, with by how much, so that its receipt can be computed again; and that the verdict
// stands still, and nothing ends, while the difference is so large that nobody knows how old the data is.
func TestF52_ClockOfTheServer(t *testing.T) {
	t.Parallel()
	var ahead, sample time.Duration // the clock of the server, and the newest sample
	good := route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured)
	var r *rig
	r = newRig(t, func(q promtest.Query) promtest.Answer {
		a := good(q)
		if strings.Contains(q.Expr, "litellm_") && slices.Contains(q.Signals(), "newest_sample") {
			at := float64(r.clock().Add(sample).Unix())
			a.Series = promtest.Each(q, nil, func(signal string, _ time.Time) (float64, bool) { return at, signal == "newest_sample" })
		}
		a.Header = http.Header{"Date": {r.clock().Add(ahead).Format(http.TimeFormat)}}
		return a
	})
	skewed := func(faults []model.DataFault) (found []model.DataFault) {
		for _, f := range faults {
			if f.Code == collector.ClockSkew && f.Source == "gateway" {
				found = append(found, f)
			}
		}
		return found
	}
	moved := func(report *model.Report, want string) {
		t.Helper()
		if got := workload(t, report, "support").Decision; got.Recommendation != want {
			t.Errorf("with %s: got %s (%s), want %s", ahead, got.Recommendation, got.Because, want)
		}
	}
	report := r.days(t, 3)
	moved(report, model.Move)
	if at := report.Sources[0].ClockAheadSeconds; at == nil || *at != 0 || len(report.DataFaults) != 0 {
		t.Errorf("got %v and %+v, want clocks that agree", at, report.DataFaults)
	}
	r.box.events = nil
	ahead = 2 * time.Minute
	report = r.days(t, 2)
	moved(report, model.Move)
	if f := skewed(report.DataFaults); len(f) != 1 || len(f[0].Readings) != 1 || f[0].Readings[0].Value != 120 || !f[0].Readings[0].Faulty() {
		t.Errorf("got %+v, want one of 120 seconds", f)
	}
	if len(r.box.events) != 1 || len(skewed(r.box.events[0].Faults)) != 1 {
		t.Fatalf("got %v, want one message about the clock", r.reasons())
	}
	r.accounted(t, r.box.events[0])
	ahead = -7 * time.Hour // and the second that the header leaves out; longer than data may be old
	report = r.days(t, 2)
	moved(report, model.Unknown)
	if w := workload(t, report, "support"); !strings.Contains(w.Decision.Because, "6h59m59s behind ours") {
		t.Errorf("got %q, want the clock named", w.Decision.Because)
	}
	ahead = 0
	report = r.days(t, 1)
	moved(report, model.Move)
	if len(skewed(report.DataFaults)) != 0 || len(r.box.events) != 1 {
		t.Errorf("got %+v and %v, want the one message alone", report.DataFaults, r.reasons())
	}
	sample = 330 * time.Second // what scrapes has another clock than what answers
	report = r.days(t, 2)
	moved(report, model.Unknown)
	if f := skewed(report.DataFaults); len(f) != 1 || f[0].Readings[0].Value != 330 || !strings.Contains(f[0].Text, "the newest sample is 5m30s ahead") {
		t.Errorf("got %+v, want one of 330 seconds", f)
	}
	sample = -15 * time.Second
	report = r.days(t, 1)
	moved(report, model.Move)
	if len(skewed(report.DataFaults)) != 0 {
		t.Errorf("got %+v, want clocks that agree", report.DataFaults)
	}
}

// TestF31_RevisedDay holds that a verdict stands still while a closed day of its workload is revised, until the next look a day later, and that this is told once, with both figures, and
// can be computed again; and that the workload of another source is not concerned.
func TestF31_RevisedDay(t *testing.T) {
	t.Parallel()
	more := 1.0
	closed := opening.Truncate(24 * time.Hour)
	r := newRig(t, route(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "support"}, func(signal string, at time.Time) (float64, bool) {
			v := map[string]float64{"input": 16e6, "output": 4e6, "requests": 2e4, "coverage": 1}[signal]
			if signal != "coverage" && at.After(closed) && !at.After(closed.Add(24*time.Hour)) {
				v *= more
			}
			return v, true
		})}
	}, steady(map[string]string{"model_name": "llama"}, 1e6)))
	r.days(t, 2)
	more = 1.25 // a store that was away has come back
	r.box.events = nil
	for day, want := range []bool{true, false, false, false, false, false, false} { // the last is the second look
		report := r.days(t, 1)
		support := workload(t, report, "support")
		if got := support.Decision.Recommendation == model.Unknown; got != want {
			t.Errorf("day %d: got %s (%s), want it unknown: %v", day, support.Decision.Recommendation, support.Decision.Because, want)
		}
		if want && (len(report.DataFaults) != 1 || report.DataFaults[0].Code != collector.Revised || report.DataFaults[0].Workload != "support" ||
			!strings.Contains(support.Decision.Because, "says 600M tokens now, where it said 480M before")) {
			t.Errorf("day %d: got %+v and %q, want the revision of one workload with both figures", day, report.DataFaults, support.Decision.Because)
		}
		if llama := workload(t, report, "llama"); llama.Decision.Recommendation == model.Unknown {
			t.Errorf("day %d: the workload of another source is unknown: %s", day, llama.Decision.Because)
		}
	}
	var told []alerting.Event
	for _, e := range r.box.events {
		if e.Reason == alerting.DataFaulty {
			told = append(told, e)
		}
	}
	if len(told) != 1 || len(told[0].Faults) != 1 || told[0].Faults[0].Code != collector.Revised {
		t.Fatalf("got %v, want one message about the revision", r.reasons())
	}
	r.accounted(t, told[0])
}

// TestF38_MissingIsReported holds that what nothing is found of is in the report of its source, with a warning where a verdict needs it.
func TestF38_MissingIsReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "\"wanted_") {
			return promtest.Answer{Series: promtest.Each(q, nil, func(signal string, _ time.Time) (float64, bool) { return 1, signal == "wanted_input" })}
		}
		return steady(map[string]string{"team_alias": "support"}, 1e6)(q)
	})
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := report.Sources[0]
	if len(s.Missing) == 0 || s.Missing[0].Signal != "output" || !s.Missing[0].Needed || slices.ContainsFunc(s.Missing[1:], func(m model.Missing) bool { return m.Needed }) {
		t.Errorf("got %+v missing, want the output first, which alone is needed", s.Missing)
	}
	if !slices.ContainsFunc(s.Warnings, func(w model.Warning) bool { return w.Code == collector.NeverMatched }) {
		t.Errorf("got the warnings %+v, want %s", s.Warnings, collector.NeverMatched)
	}
}
