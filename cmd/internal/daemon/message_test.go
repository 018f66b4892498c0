package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
)

// growing answers as steady does, with a load that is perHour at opening and grows by the factor growth a day until a time, from which on it is times as much.
func growing(perHour, growth float64, until time.Time, times float64) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "support"}, func(signal string, at time.Time) (float64, bool) {
			load := perHour
			for range int(at.Sub(opening.AddDate(0, 0, -60)) / (24 * time.Hour)) {
				load *= growth
			}
			for range 60 {
				load /= growth
			}
			if at.After(until) {
				load *= times
			}
			return map[string]float64{"input": load * 0.8, "output": load * 0.2, "requests": load / 1000, "coverage": 1}[signal], true
		})}
	}
}

// replaced puts a configuration with other words in force.
func (r *rig) replaced(t *testing.T, old, with string) {
	t.Helper()
	if !strings.Contains(r.text, old) {
		t.Fatalf("no %q in the configuration", old)
	}
	r.text = strings.Replace(r.text, old, with, 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
}

// besideSupport lets another workload be measured at some times, and tells a webhook when it begins or ends.
func (r *rig) besideSupport(t *testing.T, in func(end time.Time) bool) {
	t.Helper()
	team := func(name string) map[string]string { return map[string]string{"team_alias": name} }
	r.server.Answer(route(both(steady(team("support"), 2e7), within(steady(team("search"), 5e6), in)), nothingMeasured))
	told := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(told.Close)
	r.replaced(t, "store:", fmt.Sprintf("notify:\n  webhook: {url: %q}\n  routes: [{kinds: [workload_new, workload_gone], notifiers: [webhook]}]\nstore:", told.URL))
}

const (
	believed   = "policy: {confirmations: 1, confirm_every: 1h, lead_time: 30d}\n" // an evaluation is believed
	operations = "throughput: {tokens_per_hour: 30276000}"
	dear       = operations + "\n    operations: {usd_per_month: 900000}"
)

// lives has every kind of message that can be queued happen to a daemon whose workload should move from the start.
var lives = map[alerting.Reason]func(t *testing.T, r *rig){
	alerting.FirstSeen: func(t *testing.T, r *rig) { r.days(t, 1) },
	alerting.Switched: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.replaced(t, "defaults:", "  - {name: cheap, kind: api, model: example/other, prices: {input: 0.1, output: 0.1, cache_read: 0.1}}\ndefaults:")
		r.replaced(t, "candidates: [api, fleet]", "candidates: [api, fleet, cheap]")
		r.days(t, 2)
	},
	alerting.Returned: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.replaced(t, operations, dear)
		r.days(t, 2)
	},
	alerting.Blocked: func(t *testing.T, r *rig) { // the move that is told first stays the same
		r.days(t, 1)
		r.replaced(t, "data_sensitivity: internal", "data_sensitivity: regulated")
		r.days(t, 1)
		if last := r.box.events[len(r.box.events)-1]; last.Reason != alerting.Blocked || last.Severity != alerting.Warning || last.Case != r.box.events[0].Case {
			t.Errorf("got %s of severity %s, want a warning of the same case", last.Reason, last.Severity)
		}
	},
	alerting.NoOption: func(t *testing.T, r *rig) {
		r.replaced(t, "data_sensitivity: internal", "data_sensitivity: internal, residency: [eu]")
		r.days(t, 1)
	},
	alerting.Unstable: func(t *testing.T, r *rig) {
		for range 3 {
			r.days(t, 1)
			r.replaced(t, operations, dear)
			r.days(t, 1)
			r.replaced(t, dear, operations)
		}
		r.days(t, 1)
	},
	alerting.Approaching: func(t *testing.T, r *rig) {
		r.server.Answer(route(growing(8.2e6, 1.004, time.Time{}, 1), nothingMeasured))
		r.replaced(t, "backfill: 14d", "backfill: 60d")
		r.days(t, 3)
	},
	alerting.Ends: func(t *testing.T, r *rig) {
		r.replaced(t, "cache_read: 3}}", "cache_read: 3}, minimum_commit_usd_per_month: 40000, committed: {until: 2026-12-01}}")
		r.days(t, 2)
	},
	alerting.Drifted: func(t *testing.T, r *rig) {
		r.server.Answer(route(growing(2e7, 1, opening.AddDate(0, 0, -5), 1.7), nothingMeasured))
		r.replaced(t, "backfill: 14d", "backfill: 60d")
		r.replaced(t, operations, dear)
		r.days(t, 3)
	},
	alerting.PricesMoved: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.replaced(t, "input: 3, output: 3, cache_read: 3", "input: 9, output: 9, cache_read: 9")
		r.days(t, 1)
	},
	alerting.OverBudget: func(t *testing.T, r *rig) {
		r.replaced(t, "store:", "budgets:\n  - {name: support, usd_per_month: 1000, match: {team_alias: support}}\nstore:")
		r.days(t, 2) // the move is told first
	},
	alerting.Digested: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.sendDigest(t.Context())
		r.days(t, 1)
	},
	alerting.Reminded: func(t *testing.T, r *rig) {
		r.days(t, 1)
		id := r.box.events[0].Report.Decision.ID
		if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Snoozed, "", r.clock().AddDate(0, 0, 2), r.clock())); err != nil {
			t.Fatal(err)
		}
		r.days(t, 4)
	},
	alerting.Reopened: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.replaced(t, "current: api", "current: fleet")
		r.days(t, 16)
		r.replaced(t, operations, operations+"\n    operations: {usd_per_month: 22000}")
		r.days(t, 2)
	},
	alerting.Answered: func(t *testing.T, r *rig) {
		r.days(t, 1)
		if err := ledger.Leave(r.folder, ledger.NewAnswer(r.box.events[0].Report.Decision.ID, ledger.Seen, "", time.Time{}, r.clock())); err != nil {
			t.Fatal(err)
		}
		r.days(t, 1)
	},
	alerting.DataFaulty: func(t *testing.T, r *rig) {
		r.days(t, 1)
		r.server.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "down") })
		r.days(t, 1)
	},
	alerting.WorkloadNew: func(t *testing.T, r *rig) {
		r.besideSupport(t, opening.Add(-60*time.Hour).Before)
		r.days(t, 2)
	},
	alerting.WorkloadGone: func(t *testing.T, r *rig) {
		r.besideSupport(t, opening.Add(6*time.Hour).After)
		r.days(t, 4)
	},
	alerting.Summed: func(t *testing.T, r *rig) {
		r.server.Answer(route(func(q promtest.Query) promtest.Answer {
			var series []promtest.Series
			for i := range 12 {
				series = append(series, steady(map[string]string{"team_alias": "team-" + string(rune('a'+i))}, 2e7)(q).Series...)
			}
			return promtest.Answer{Series: series}
		}, nothingMeasured))
		r.days(t, 1)
	},
}

// explained matches the id that the footer of a message names.
var explained = regexp.MustCompile(`tipline explain ([0-9a-f]+)`)

// TestEveryMessageHasAReceipt holds, of every kind of message but the test, which nothing is said by, that the id in its footer leads to a receipt in
// the ledger from which it can be computed again, and that its own id leads there too.
func TestEveryMessageHasAReceipt(t *testing.T) {
	t.Parallel()
	for _, kind := range alerting.Kinds {
		if kind == alerting.Tested { // sent past the outbox, by notify test
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			live, known := lives[kind]
			if !known {
				t.Fatal("no life in which such a message is sent")
			}
			r := supported(t)
			r.text += believed
			if err := r.Reload(); err != nil {
				t.Fatal(err)
			}
			live(t, r)
			told := 0
			for _, e := range slices.Concat(r.box.events, r.box.answered) {
				r.accounted(t, e)
				if e.Reason == kind {
					told++
				}
			}
			if told == 0 {
				t.Errorf("got %v, want such a message", r.reasons())
			}
		})
	}
}

// accounted holds that both ids of e lead to its receipt.
func (r *rig) accounted(t *testing.T, e alerting.Event) {
	t.Helper()
	footer := explained.FindStringSubmatch(slack.Preview(e, slack.Layout{}, 1000, false))
	if e.Reason == alerting.Answered { // it is a line below the message that it is about
		footer = []string{"", e.Report.Decision.ID}
	}
	if len(footer) < 2 || footer[1] != e.Receipt() || !strings.Contains(slack.Text(e), footer[1]) {
		t.Fatalf("%s: the footer names %v, want %s", e.Reason, footer, e.Receipt())
	}
	row, err := r.Receipt(footer[1])
	if err != nil || row == nil {
		t.Fatalf("%s: receipt %s: got %d bytes, %v", e.Reason, footer[1], len(row), err)
	}
	data, err := r.Receipt(e.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, ok := ledger.OpenBundle(data)
	m, err := ledger.OpenMessage(b.Message)
	if !ok || err != nil || ledger.VerifyMessage(b.Message) != nil {
		t.Fatalf("%s: message %s: %v, %v", e.Reason, e.ID, err, ledger.VerifyMessage(b.Message))
	}
	if m.ID != e.ID || m.Kind != string(e.Reason) || m.ConfigHash == "" || m.Engine == "" || !m.AsOf.Equal(e.Time) && e.Digest == nil {
		t.Errorf("%s: got %+v", e.Reason, m)
	}
	if e.Workload != "" && string(b.Receipts[footer[1]]) != string(row) {
		t.Errorf("%s: the message leads to another receipt than its footer", e.Reason)
	}
	c, err := b.Recompute(m)
	if err != nil || len(c.Differences) > 0 || c.Numbers == 0 {
		t.Errorf("%s: computed again: %d numbers, %q, %v", e.Reason, c.Numbers, c.Differences, err)
	}
	if len(b.Message) > ledger.MaxBytes {
		t.Errorf("%s: got %d bytes", e.Reason, len(b.Message))
	}
}
