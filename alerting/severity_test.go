package alerting

import (
	"testing"

	"tipline/model"
)

// TestSeverity holds that every kind of message has a severity, that what must not stay is worth more than what saves, and that a workload
// that is called critical makes more of both.
func TestSeverity(t *testing.T) {
	t.Parallel()
	must := model.WorkloadReport{Decision: model.Decision{Reason: model.ReasonCurrentInfeasible}}
	for _, tc := range []struct {
		reason   Reason
		w        model.WorkloadReport
		critical bool
		want     Severity
	}{
		{Switched, model.WorkloadReport{}, false, Info},
		{Switched, must, false, Warning},
		{Switched, must, true, Critical},
		{Drifted, must, false, Info},
		{NoOption, model.WorkloadReport{}, false, Warning},
		{NoOption, model.WorkloadReport{}, true, Critical},
		{Approaching, model.WorkloadReport{}, true, Warning},
		{DataFaulty, model.WorkloadReport{}, false, Warning},
		{OverBudget, model.WorkloadReport{}, false, Warning},
		{Digested, model.WorkloadReport{}, false, Info},
	} {
		if got := tc.reason.Of(tc.w, tc.critical); got != tc.want {
			t.Errorf("%s, critical %v: got %s, want %s", tc.reason, tc.critical, got, tc.want)
		}
	}
	if got := worst([]Event{{}, {Severity: Critical}, {Severity: Info}}); got != Critical {
		t.Errorf("the worst of three: got %s, want critical", got)
	}
}

// TestSeverityAndOwnerOfAMessage follows a move of a critical workload to its message, its route and the alert that stands, over a restart.
func TestSeverityAndOwnerOfAMessage(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	routed := func(r Reason, s Severity) string { return string(r) + " " + string(s) }
	for day := range 3 {
		d := newDesk(t, store, box)
		now := morning.AddDate(0, 0, day)
		j := Judged{Report: answers('X'), Policy: policy, Critical: true, Owner: "team-support", Channel: routed, Receipt: []byte("{}")}
		if _, err := d.Consider([]Judged{j}, now); err != nil {
			t.Fatal(err)
		}
		deliverAll(t, d, now, now)
	}
	if e := box.accepted[0]; e.Severity != Warning || e.Owner != "team-support" || e.Channel != "first_seen warning" {
		t.Errorf("got a message of severity %s about a workload of %q to %q", e.Severity, e.Owner, e.Channel)
	}
	if f := newDesk(t, store, box).Firing(); len(f) != 1 || f[0].Severity != Warning || f[0].Owner != "team-support" {
		t.Errorf("got %+v firing, want one warning of team-support", f)
	}
}
