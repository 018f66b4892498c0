package alerting

import (
	"fmt"
	"slices"
	"testing"
	"time"

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
		{Unstable, must, false, Warning},
		{Unstable, answers('0'), false, Warning},
		{Unstable, answers('X'), false, Info},
		{Blocked, must, false, Warning},
		{Blocked, must, true, Critical},
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
	routed := func(r Reason, s Severity) Route { return Route{Channel: string(r) + " " + string(s)} }
	for day := range 3 {
		d := newDesk(t, store, box)
		now := morning.AddDate(0, 0, day)
		j := Judged{Report: answers('X'), Policy: policy, Critical: true, Owner: "team-support", Route: routed, Receipt: receipt}
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

// TestRouteChoosesNotifiers holds that a message goes to the notifiers of its route alone, those of one evaluation by the same route are summed
// up together, and that what stands is shown by the notifiers that its route has by now.
func TestRouteChoosesNotifiers(t *testing.T) {
	t.Parallel()
	store, box, other := &memory{}, &mailbox{name: "box"}, &mailbox{name: "other"}
	quiet := map[Reason]Route{FirstSeen: {Except: []string{"other"}}, Returned: {Except: []string{"box"}}}
	day := 0
	live := func(timeline string, workloads int) (desk *Desk) {
		t.Helper()
		for _, c := range timeline {
			desk = newDesk(t, store, box, other)
			var judged []Judged
			for i := range workloads {
				w := answers(c)
				w.Workload = fmt.Sprintf("w%02d", i)
				judged = append(judged, Judged{Report: w, Policy: policy, Route: func(r Reason, _ Severity) Route { return quiet[r] }, Receipt: receipt})
			}
			now := morning.AddDate(0, 0, day)
			if _, err := desk.Consider(judged, now); err != nil {
				t.Fatal(err)
			}
			deliverAll(t, desk, now, now.Add(time.Hour))
			day++
		}
		return desk
	}
	reasons := func(m *mailbox) (all []Reason) {
		for _, e := range m.accepted {
			all = append(all, e.Reason)
		}
		return all
	}
	if f := live("XXX", 1).Firing(); len(f) != 1 || !slices.Equal(f[0].Except, []string{"other"}) {
		t.Errorf("got %+v firing, want one that is not for the other", f)
	}
	quiet[FirstSeen] = Route{Except: []string{"box"}}
	if f := live("X", 1).Firing(); len(f) != 1 || !slices.Equal(f[0].Except, []string{"box"}) {
		t.Errorf("got %+v firing, want the route that has come since to count", f)
	}
	live("zzz", 1)
	if got, want := reasons(box), []Reason{FirstSeen}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := reasons(other), []Reason{Returned}; !slices.Equal(got, want) {
		t.Errorf("the other: got %v, want %v", got, want)
	}
	live("XXX", 1+stormSize) // one of them was told before, and is switched to
	if got, want := reasons(box), []Reason{FirstSeen, Switched}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := reasons(other); len(got) != 2+stormSize || got[1] != FirstSeen && got[1] != Switched {
		t.Errorf("the other: got %v, want every message by itself, since %d by one route are no storm", got, stormSize)
	}
	if n := newDesk(t, store, box, other).Pending(); n != 0 {
		t.Errorf("%d messages wait for a notifier that they are not for", n)
	}
}
