package alerting

import (
	"encoding/json"
	"strings"
	"testing"

	"tipline/model"
)

// TestPresence holds that the beginning and the end of a workload are told once each, and again only after it has been measured in between; that neither is told of what was
// renamed, or of what had ended before anybody looked; and that a verdict goes first.
func TestPresence(t *testing.T) {
	t.Parallel()
	// Sightings of one day after another: b began, . there, g gone, ? uncertain, r renamed; B is b, and S uncertain, on a day on which evaluations say move.
	sightings := map[rune]Sighting{'b': Began, 'B': Began, '.': There, 'g': Gone, '?': Uncertain, 'r': Renamed}
	for _, tc := range []struct{ name, timeline, want string }{
		{"a new one", "bbb...", "n-----"},
		{"an old one", "......", "------"},
		{"one that ends", "..?ggg?gg", "---v-----"},
		{"one that ends, comes back and ends again", ".gg..?gg", "-v----v-"},
		{"new, and gone", "b.?g", "n--v"},
		{"one that had ended before the first look", "gggg", "----"},
		{"and came back, and ended again", "gg.gg", "---v-"},
		{"one that had ended before it was looked at by this version", "?ggg", "----"},
		{"renamed", ".rrr?ggg", "--------"},
		{"the name that it has now", "rrr...bb", "--------"},
		{"a verdict first", "BBBb..", "n-f---"},
		{"a verdict on the day that it is known", "SSBb.", "--fn-"},
	} {
		store, box := &memory{}, &mailbox{name: "box"}
		d := newDesk(t, store, box)
		var told strings.Builder
		for day, c := range tc.timeline {
			now := morning.AddDate(0, 0, day)
			w := answers('S')
			if c == 'B' || c == 'S' { // a move
				w = answers('X')
			}
			w.Usage = model.UsageSummary{FirstSample: new(now.AddDate(0, 0, -2)), LastSample: new(now.AddDate(0, 0, -1))}
			w.Decision.ID = "0123456789" + string(rune('a'+day)) + "0"
			considered, err := d.Consider([]Judged{{Report: w, Policy: policy, Sighting: sightings[c], Receipt: receipt}}, now)
			if err != nil {
				t.Fatal(err)
			}
			letter := "-"
			if e := considered[0].Event; e != nil {
				letter = map[Reason]string{WorkloadNew: "n", WorkloadGone: "v", FirstSeen: "f"}[e.Reason]
				if e.Reason.standsAlone() && (e.Case != "" || e.ID == "" || store.rows[ledgerBucket][Announced+w.Decision.ID] == nil || store.rows[ledgerBucket][w.Decision.ID] == nil) {
					t.Errorf("%s: got %+v, want an event of its own with an id, in the ledger beside a receipt", tc.name, e)
				}
			}
			told.WriteString(letter)
			d = newDesk(t, store, box) // as after a restart
		}
		if told.String() != tc.want {
			t.Errorf("%s: %s: got %s, want %s", tc.name, tc.timeline, told.String(), tc.want)
		}
	}
}

// TestPresenceGoesNowhere holds that what is routed nowhere is an event all the same, with its id in the ledger and in reports for a week, and that no notifier has it.
func TestPresenceGoesNowhere(t *testing.T) {
	t.Parallel()
	store, box := &memory{}, &mailbox{name: "box"}
	d := newDesk(t, store, box)
	w := answers('S')
	w.Usage.FirstSample, w.Usage.LastSample = new(morning.AddDate(0, 0, -2)), &morning
	judged := Judged{Report: w, Policy: policy, Sighting: Began, Receipt: receipt, Route: func(r Reason, _ Severity) Route { return Route{Nowhere: r == WorkloadNew} }}
	considered, err := d.Consider([]Judged{judged}, morning)
	if err != nil || considered[0].Event == nil || d.Pending() != 0 {
		t.Fatalf("got %+v, %v and %d messages that wait, want an event that goes nowhere", considered, err, d.Pending())
	}
	var row Announcement
	if err := json.Unmarshal(store.rows[ledgerBucket][Announced+w.Decision.ID], &row); err != nil || row.Event != considered[0].Event.ID || row.Reason != WorkloadNew {
		t.Errorf("ledger: got %+v, %v", row, err)
	}
	for days, shown := range map[int]bool{-1: false, 0: true, 7: true, 8: false} {
		p := d.Presences(&model.Report{AsOf: morning.AddDate(0, 0, days), Workloads: []model.WorkloadReport{{Workload: "other"}, w}})
		if len(p) != 2 || p[0] != nil || (p[1] != nil) != shown || shown && (p[1].Event != row.Event || p[1].Kind != "workload_new" || !p[1].Since.Equal(morning.AddDate(0, 0, -2))) {
			t.Errorf("%d days later: got %+v, want %v", days, p[1], shown)
		}
	}
	// A move that waits to be sent is not overtaken by it, nor it by a move.
	a, b := Event{Reason: WorkloadNew, Workload: "w"}, Event{Reason: FirstSeen, Workload: "w"}
	if a.replaces(b) || b.replaces(a) || a.replaces(a) {
		t.Error("a beginning takes the place of another message")
	}
}

// TestSummedUpKeepsWhatHeadlinesSay holds that a message that sums up beginnings and ends of workloads keeps their times, and one of ends of commitments keeps those.
func TestSummedUpKeepsWhatHeadlinesSay(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{WorkloadNew, WorkloadGone, Ends} {
		var events []Event
		for range stormSize + 1 {
			events = append(events, Event{Reason: reason, Report: model.WorkloadReport{
				Usage: model.UsageSummary{FirstSample: &morning, LastSample: &morning}, Decision: model.Decision{Commitment: &model.Commitment{}},
			}})
		}
		for _, e := range calm(events, morning)[0].Storm.Named {
			if r := e.Report; r.Usage.FirstSample == nil || r.Usage.LastSample == nil || r.Decision.Commitment == nil {
				t.Errorf("%s: got %+v, want when it began and ended, and the commitment", reason, r)
			}
		}
	}
}
