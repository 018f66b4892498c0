package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/webhook"
	"tipline/model"
	"tipline/model/drift"
)

// TestSightings holds which workloads began or ended: not those of a source that is as young as they are, or is not read, nor those that were renamed, have faults, have
// been away for as long before, or were last measured when another may have begun to have a gap.
func TestSightings(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	w := func(name, source string, first, last time.Duration) model.WorkloadReport {
		from, to := opening.Add(-first), opening.Add(-last)
		return model.WorkloadReport{Workload: name, Source: source, Usage: model.UsageSummary{FirstSample: &from, LastSample: &to}}
	}
	workloads := []model.WorkloadReport{
		w("old", "a", 60*day, 0), w("new", "a", 3*day, 0), w("just seen", "a", 23*time.Hour, 0), w("a week old", "a", 8*day, 0),
		w("gone", "a", 60*day, 2*day), w("silent", "a", 60*day, 20*time.Hour), w("weekly", "a", 60*day, 3*day), w("weekly no more", "a", 60*day, 8*day),
		w("was", "a", 60*day, 2*day), w("is", "a", 2*day, 0), w("faulty", "a", 60*day, 2*day), w("other meter", "a", 3*day, 0),
		{Workload: "never", Source: "a"},
		w("first", "b", 3*day, 0), w("second", "b", 3*day, 0),
		w("down 1", "c", 60*day, 0), w("down 2", "c", 60*day, 2*day),
		w("all gone 1", "d", 60*day, 2*day), w("all gone 2", "d", 60*day, 2*day),
		w("gap 1", "e", 60*day, 0), w("gap 2", "e", 60*day, 30*time.Hour), w("gone before", "e", 60*day, 2*day),
	}
	workloads[slices.IndexFunc(workloads, func(w model.WorkloadReport) bool { return w.Workload == "other meter" })].Warnings = []model.Warning{{Code: secondaryMeter}}
	got := sightings(&model.Report{
		AsOf: opening, Workloads: workloads, Renames: []model.Rename{{Was: []string{"was"}, Is: []string{"is"}}},
		Sources:    []model.SourceReport{{Source: "a", Up: true}, {Source: "b", Up: true}, {Source: "c"}, {Source: "d", Up: true}, {Source: "e", Up: true}},
		DataFaults: []model.DataFault{{Source: "a", Workload: "faulty", Code: drift.CounterChanged}, {Source: "e", Workload: "gap 1", Code: drift.ScrapeGap}},
	}, map[string]time.Duration{"weekly": 6 * day, "weekly no more": 6 * day})
	want := map[alerting.Sighting][]string{
		alerting.There: {"old", "just seen", "a week old", "first", "second", "down 1"}, alerting.Began: {"new"}, alerting.Gone: {"gone", "weekly no more", "gone before"}, alerting.Renamed: {"was", "is"},
	}
	for _, w := range workloads {
		sighting := alerting.Uncertain
		for s, names := range want {
			if slices.Contains(names, w.Workload) {
				sighting = s
			}
		}
		if got[w.Workload] != sighting {
			t.Errorf("%s: got %d, want %d", w.Workload, got[w.Workload], sighting)
		}
	}
}

// TestNewAndVanishedWorkloads follows a workload that begins and one that ends from the counters of a source to the events about them: in the log, in the report, in the digest and, where a
// route asks for it, with a notifier, once each, after a day; and nothing of the kind is told while the source is away.
func TestNewAndVanishedWorkloads(t *testing.T) {
	t.Parallel()
	began, ended := opening.Add(30*time.Hour), opening.Add(54*time.Hour)
	team := func(name string) map[string]string { return map[string]string{"team_alias": name} }
	r := newRig(t, route(both(both(
		steady(team("support"), 2e7), within(steady(team("summaries"), 3e6), began.Before),
	),
		within(steady(team("search"), 5e6), func(end time.Time) bool { return !end.After(ended) })),
		steady(map[string]string{"model_name": "llama"}, 1e5)))
	var log bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	r.start(t)
	report := r.days(t, 3) // it is there for 18 hours
	if w := workload(t, report, "summaries"); w.Presence != nil {
		t.Errorf("got %+v on the first day, want nothing yet", w.Presence)
	}
	report = r.days(t, 1)
	p := workload(t, report, "summaries").Presence
	if p == nil || p.Kind != "workload_new" || !p.Since.Equal(began) || p.Event == "" {
		t.Fatalf("got %+v, want the news that it began on %s", p, began)
	}
	told := slices.ContainsFunc(r.box.events, func(e alerting.Event) bool { return e.Reason == alerting.WorkloadNew })
	if !strings.Contains(log.String(), "event="+p.Event+" kind=workload_new") || told {
		t.Errorf("want the event %s in the log and with no notifier, got %+v", p.Event, r.box.events)
	}
	var posted []webhook.Payload
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var p webhook.Payload
		if err := json.NewDecoder(req.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		posted = append(posted, p)
	}))
	t.Cleanup(receiver.Close)
	r.text += fmt.Sprintf("notify:\n  webhook: {url: %q}\n  routes: [{kinds: [workload_new, workload_gone], source: gateway, notifiers: [webhook]}]\n", receiver.URL)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report = r.days(t, 4)
	p = workload(t, report, "search").Presence
	if p == nil || p.Kind != "workload_gone" || !p.Since.Equal(ended) {
		t.Errorf("got %+v, want the news that it ended on %s", p, ended)
	}
	posted = slices.DeleteFunc(posted, func(p webhook.Payload) bool {
		return p.Reason != alerting.WorkloadGone && p.Reason != alerting.WorkloadNew
	})
	if len(posted) != 1 || posted[0].Workload != "search" || posted[0].ID != p.Event || posted[0].Headline != "search has not been measured since 4 Nov 2026" || posted[0].Severity != alerting.Info {
		t.Errorf("posted: got %+v, want the end of search, once and by the route that names it", posted)
	}
	var items []string
	for _, i := range digest(report, nil, model.BudgetReport{}).Items {
		if i.Kind == model.DigestNew || i.Kind == model.DigestVanished {
			items = append(items, i.Kind+" "+i.Workload+": "+i.Text)
		}
	}
	if want := []string{"new summaries: first measured on 3 Nov 2026", "vanished search: not measured since 4 Nov 2026"}; !slices.Equal(items, want) {
		t.Errorf("digest: got %q, want %q", items, want)
	}
}
