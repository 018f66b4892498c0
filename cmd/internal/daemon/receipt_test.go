package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
	"tipline/model"
)

func supported(t testing.TB) *rig {
	t.Helper()
	return newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
}

// TestReceiptOfACycle holds that what a message was about can be computed again from the ledger, to the cent.
func TestReceiptOfACycle(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	if len(r.box.events) != 1 {
		t.Fatalf("got %d messages, want one", len(r.box.events))
	}
	event := r.box.events[0]
	id := event.Report.Decision.ID
	row, err := r.store.Get(ledger.Bucket, id)
	if err != nil || ledger.Verify(row) != nil {
		t.Fatalf("receipt %s: %v, %v", id, err, ledger.Verify(row))
	}
	receipt, err := ledger.Open(row)
	if err != nil {
		t.Fatal(err)
	}
	c, err := receipt.Recompute()
	if err != nil || len(c.Differences) > 0 || c.Amounts < 10 {
		t.Errorf("computed again: %d amounts, %v, %v", c.Amounts, c.Differences, err)
	}
	if got := *receipt.Workload.Options[1].USDPerMonth; got != *event.Report.Options[1].USDPerMonth {
		t.Errorf("the receipt says %+v, the message %+v", got, *event.Report.Options[1].USDPerMonth)
	}
	s := receipt.Samples
	if s.Source != "gateway" || !strings.Contains(s.Expression, "increase(litellm_input_tokens_metric_total[1h])") {
		t.Errorf("samples: got %q of %s, want the expression that was asked", s.Expression, s.Source)
	}
	if hours := s.To.Sub(s.From).Hours(); int(hours) != s.MeasuredHours || hours < 14*24 || s.ClassTokens["input"] != model.Tokens(hours*1.6e7) {
		t.Errorf("samples: got %+v, want the sums of every hour", s)
	}
	in, err := receipt.Input()
	if err != nil || receipt.ConfigHash == "" || receipt.ConfigHash != r.Report().ConfigHash || receipt.Engine == "" || in.Policy.Enter == nil || in.Policy.Confirmations != 3 {
		t.Errorf("got the configuration %q, the version %q and the policy %+v, %v, want those in force", receipt.ConfigHash, receipt.Engine, in.Policy, err)
	}
	for _, o := range receipt.Workload.Options {
		if len(o.Prices) == 0 || slices.ContainsFunc(o.Prices, func(p model.PriceSource) bool { return p.Source == "" || p.Value == "" }) {
			t.Errorf("%s: got the prices %+v, want each with its source", o.Option, o.Prices)
		}
	}
	if len(receipt.Capacity) == 0 || slices.ContainsFunc(receipt.Capacity, func(n model.CapacityNumber) bool { return n.Label == "" }) {
		t.Errorf("got the capacity %+v, want every number with its label", receipt.Capacity)
	}
	row, err = r.store.Get(ledger.Bucket, alerting.Announced+id)
	var said alerting.Announcement
	if err != nil || json.Unmarshal(row, &said) != nil || said.Event != event.ID || said.Reason != alerting.FirstSeen {
		t.Errorf("announcement: got %s, %v, want that of message %s", row, err, event.ID)
	}

	// A decision that changed nothing is not in the ledger, and its receipt can be had until the next cycle.
	id = r.days(t, 1).Workloads[0].Decision.ID
	if row, err := r.store.Get(ledger.Bucket, id); err != nil || row != nil {
		t.Errorf("got %d bytes, %v, want nothing in the ledger", len(row), err)
	}
	if last, err := r.Receipt(id); err != nil || ledger.Verify(last) != nil {
		t.Errorf("receipt of the last cycle: %v, %v", err, ledger.Verify(last))
	}
	if other, err := r.Receipt("announced/" + id); err != nil || other != nil {
		t.Errorf("got %s, %v, want receipts and nothing else", other, err)
	}
}

// TestAnswerToUnstable holds that what was told to be unstable still says so when a person has answered it from the command line, and whenever it is shown again.
func TestAnswerToUnstable(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	id := r.box.events[0].Report.Decision.ID
	told := alerting.Announcement{
		Event: r.box.events[0].ID, Reason: alerting.Unstable, Time: r.clock(), Previous: "api",
		Unsettled: &alerting.Unsettled{Since: r.clock().AddDate(0, 0, -9), Changes: 4, Answers: []string{"api", "fleet"}},
	}
	row, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Apply(map[string]map[string][]byte{ledger.Bucket: {alerting.Announced + id: row}}); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Seen, "", time.Time{}, r.clock())); err != nil {
		t.Fatal(err)
	}
	r.days(t, 1)
	if len(r.box.answered) != 1 {
		t.Fatalf("got %d messages of answers, want one", len(r.box.answered))
	}
	kept, err := r.store.Get(ledger.Bucket, id)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := ledger.Open(kept)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Told(receipt, &told)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []alerting.Event{r.box.answered[0], again} {
		got := slack.Preview(e, slack.Layout{}, 1000, false)
		for text, want := range map[string]bool{
			"support: unstable between api and fleet, staying is fine": true, "The answer has changed 4 times since ": true, "Act now": false, "What it would take": false,
		} {
			if strings.Contains(got, text) != want {
				t.Errorf("%s: %q in the message: want %v, got\n%s", e.Reason, text, want, got)
			}
		}
	}
}

// TestFrozenReceipt holds that a verdict which the measurements overruled can still be computed again.
func TestFrozenReceipt(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 1)
	r.server.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "down") })
	id := r.days(t, 1).Workloads[0].Decision.ID
	row, err := r.Receipt(id)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := ledger.Open(row)
	if err != nil || receipt.Frozen != "SOURCE_DOWN" {
		t.Fatalf("got %q, %v, want the code of what overruled it", receipt.Frozen, err)
	}
	if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts == 0 {
		t.Errorf("computed again: %d amounts, %v, %v", c.Amounts, c.Differences, err)
	}
}

// TestSnooze lives through a move that is announced and snoozed until a day: nothing more is said, the digest tells it apart, and on the day
// one message reminds of it.
func TestSnooze(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	id := r.box.events[0].Report.Decision.ID
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Snoozed, "", r.clock().AddDate(0, 0, 10), r.clock())); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 9)
	w := workload(t, report, "support")
	if last := w.Warnings[len(w.Warnings)-1]; w.Decision.Recommendation != model.Move || last.Code != "ANSWERED_SNOOZED" || !strings.Contains(last.Text, id) {
		t.Errorf("got %s with %+v, want the move and a word about the answer", w.Decision.Recommendation, last)
	}
	if g := digest(report, nil, model.BudgetReport{}); g.Count(model.DigestSnoozed) != 1 || g.Count(model.DigestDecide) != 0 {
		t.Errorf("digest: got %+v, want the move as snoozed", g.Items)
	}
	if w.Case.Stage != model.StageSnoozed || w.Case.Option != w.Decision.Option {
		t.Errorf("got the case %+v, want it snoozed", w.Case)
	}
	if len(r.box.events) != 1 {
		t.Fatalf("got %d messages while it is snoozed, want none beside the first", len(r.box.events))
	}
	r.days(t, 5)
	if len(r.box.events) != 2 || r.box.events[1].Reason != alerting.Reminded || r.box.events[1].Report.Decision.Option != w.Decision.Option {
		t.Fatalf("after the day: got %d messages, want one that reminds of the move", len(r.box.events))
	}
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Snoozed, "", r.clock().AddDate(0, 0, 5), r.clock())); err != nil {
		t.Fatal(err)
	}
	if r.days(t, 4); len(r.desk.Firing()) != 1 || !r.desk.Firing()[0].Snoozed {
		t.Errorf("snoozed again: got %+v firing, want one that is snoozed", r.desk.Firing())
	}
	if r.days(t, 3); len(r.box.events) != 3 || r.box.events[2].Reason != alerting.Reminded {
		t.Errorf("after the second day: got %d messages, want another one that reminds of the move", len(r.box.events))
	}
}

// TestMigrating lives through a move that is announced, begun and made: nothing more is said, and the digest tells it apart.
func TestMigrating(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	id := r.box.events[0].Report.Decision.ID
	given := r.clock()
	begun := ledger.NewAnswer(id, ledger.Migrating, "", time.Time{}, r.clock())
	begun.Since = r.clock().AddDate(0, 0, -1)
	if err := ledger.Leave(r.folder, begun); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 20)
	w := workload(t, report, "support")
	if last := w.Warnings[len(w.Warnings)-1]; w.Decision.Recommendation != model.Move || last.Code != "ANSWERED_MIGRATING" || !strings.Contains(last.Text, id) {
		t.Errorf("got %s with %+v, want the move and a word about the answer", w.Decision.Recommendation, last)
	}
	if by := model.FormatDate(given.AddDate(0, 0, 90)); !strings.Contains(w.Warnings[len(w.Warnings)-1].Text, "to be done by "+by) {
		t.Errorf("got %q, want it to be done by %s, the lead time after the answer", w.Warnings[len(w.Warnings)-1].Text, by)
	}
	if g := digest(report, nil, model.BudgetReport{}); g.Count(model.DigestMigrating) != 1 || g.Count(model.DigestDecide)+g.Count(model.DigestSnoozed) != 0 {
		t.Errorf("digest: got %+v, want the move as being made", g.Items)
	}
	if w.Case.Stage != model.StageMigrating {
		t.Errorf("got the case %+v, want it in migration", w.Case)
	}
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Done, "", time.Time{}, r.clock())); err != nil {
		t.Fatal(err)
	}
	report = r.days(t, 5)
	if now := workload(t, report, "support"); now.Case.Stage != model.StageVerifying || now.Case.Option != w.Current {
		t.Errorf("after it is done: got the case %+v, want it verified against %s", now.Case, w.Current)
	}
	if now := workload(t, report, "support"); now.Current != w.Decision.Option || len(r.desk.Firing()) != 0 {
		t.Errorf("after it is done: got it on %s with %+v firing, want it on %s and nothing", now.Current, r.desk.Firing(), w.Decision.Option)
	}
	if len(r.box.events) != 1 {
		t.Errorf("got %d messages, want none beside the first", len(r.box.events))
	}
}

// TestAnswers lives through a move that is announced, ruled out until a date, and proposed again from then on.
func TestAnswers(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	id := r.box.events[0].Report.Decision.ID
	until := r.clock().AddDate(0, 0, 10)
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.NotViable, "no staff", until, r.clock())); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ffffffffffff", "eeeeeeeeeeee"} {
		if err := os.WriteFile(filepath.Join(r.folder, "answers", name+".json"), []byte(`{"version":1,"id":"ffffffffffff","kind":"done"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		w := workload(t, r.days(t, 1), "support")
		if w.Decision.Recommendation != model.Stay || len(w.Options) != 1 {
			t.Fatalf("on %s: got %s with %d options, want to stay without the fleet", r.clock(), w.Decision.Recommendation, len(w.Options))
		}
		if text := w.Warnings[len(w.Warnings)-1].Text; !strings.Contains(text, "no staff") || !strings.Contains(text, id) {
			t.Errorf("the report does not mention the answer: %q", text)
		}
	}
	if len(r.box.events) != 1 {
		t.Fatalf("got %d messages while the move is ruled out, want none beside the first", len(r.box.events))
	}
	if told := r.box.answered; len(told) != 1 || told[0].Case != r.box.events[0].ID || told[0].Answer.Reason != "no staff" || !told[0].Answer.Final {
		t.Errorf("got %+v, want the answer told where the move was", told)
	}
	left, err := filepath.Glob(filepath.Join(r.folder, "answers", "*"))
	if err != nil || len(left) != 2 || !strings.HasSuffix(left[0], "eeeeeeeeeeee.json.refused") || !strings.HasSuffix(left[1], "ffffffffffff.json.refused") {
		t.Errorf("left in the folder: %v, %v, want the two that answer nothing, put aside", left, err)
	}
	r.days(t, 3)
	if len(r.box.events) != 2 || r.box.events[1].Reason != alerting.Switched {
		t.Fatalf("after the date: got %d messages, want the move announced again", len(r.box.events))
	}

	// The answer outlives a restart.
	options := r.options
	options.Registry = nil
	again, err := New(options)
	if err != nil || len(again.answers) != 1 {
		t.Errorf("after a restart: got %+v, %v, want the answer", again.answers, err)
	}

	id = r.box.events[1].Report.Decision.ID
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Done, "", time.Time{}, r.clock())); err != nil {
		t.Fatal(err)
	}
	w := workload(t, r.days(t, 4), "support")
	if w.Current != "fleet" || w.Decision.Recommendation != model.Stay || len(r.box.events) != 2 {
		t.Errorf("after the move: got %s on %s and %d messages, want to stay on the fleet in silence", w.Decision.Recommendation, w.Current, len(r.box.events))
	}
	r.text = strings.Replace(r.text, "current: api", "current: fleet", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if w := workload(t, r.days(t, 1), "support"); w.Current != "fleet" || bytes.Contains(fmtWarnings(w), []byte("ANSWERED")) {
		t.Errorf("the configuration has caught up: got %s and %s", w.Current, fmtWarnings(w))
	}
	r.text = strings.Replace(r.text, "current: fleet", "current: api", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*Daemon{r.Daemon, nil} {
		if d == nil { // after a restart
			if d, err = New(options); err != nil {
				t.Fatal(err)
			}
		}
		report, err := d.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w := workload(t, report, "support"); w.Current != "api" || bytes.Contains(fmtWarnings(w), []byte("ANSWERED_DONE")) {
			t.Errorf("the configuration says that it has gone back: got %s and %s", w.Current, fmtWarnings(w))
		}
	}
}

// TestSnoozeOfAVolume lives through a move that is snoozed until the projected volume has grown by a share, and then reminded of.
func TestSnoozeOfAVolume(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	e := r.box.events[0]
	a := ledger.NewAnswer(e.Report.Decision.ID, ledger.Snoozed, "", time.Time{}, r.clock())
	a.Volume = 0.15
	if err := ledger.Leave(r.folder, a); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 5)
	want := fmt.Sprintf("until %s tokens are projected for 30 days", model.FormatTokens(e.Report.Forecast.Next30dTokens.P50*1.15))
	if w := workload(t, report, "support"); len(r.box.events) != 1 || !bytes.Contains(fmtWarnings(w), []byte(want)) {
		t.Fatalf("as much as before: got %d messages and %s, want one message and %q", len(r.box.events), fmtWarnings(w), want)
	}
	grown := r.clock()
	before, after := steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"team_alias": "support"}, 3e7)
	r.server.Answer(route(func(q promtest.Query) promtest.Answer {
		answer, more := before(q), after(q)
		for i := range answer.Series {
			for k, p := range answer.Series[i].Points {
				if p.At.After(grown) {
					answer.Series[i].Points[k] = more.Series[i].Points[k]
				}
			}
		}
		return answer
	}, func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	r.days(t, 20)
	var reminded []alerting.Event
	for _, e := range r.box.events[1:] {
		if e.Reason == alerting.Reminded {
			reminded = append(reminded, e)
		}
	}
	if len(reminded) != 1 || reminded[0].Report.Forecast.Next30dTokens.P50 < e.Report.Forecast.Next30dTokens.P50*1.15 {
		t.Errorf("half as much again: got %d messages that remind of the move, want one at a volume that has grown", len(reminded))
	}
}

func fmtWarnings(w model.WorkloadReport) []byte {
	data, _ := json.Marshal(w.Warnings) // texts can always be written
	return data
}

// TestAnswerToTheLastEvaluation answers the decision that the page shows today, which changed nothing and is not in the ledger.
func TestAnswerToTheLastEvaluation(t *testing.T) {
	t.Parallel()
	r := supported(t)
	id := workload(t, r.days(t, 5), "support").Decision.ID
	if row, err := r.store.Get(ledger.Bucket, id); err != nil || row != nil {
		t.Fatalf("got %d bytes, %v, want nothing in the ledger", len(row), err)
	}
	if err := ledger.Leave(r.folder, ledger.NewAnswer(id, ledger.Done, "", time.Time{}, r.clock())); err != nil {
		t.Fatal(err)
	}
	if w := workload(t, r.days(t, 1), "support"); w.Current != "fleet" {
		t.Errorf("got %s as the current option, want the fleet", w.Current)
	}
	if row, err := r.store.Get(ledger.Bucket, id); err != nil || ledger.Verify(row) != nil {
		t.Errorf("the receipt of what was answered: %v, %v, want it in the ledger", err, ledger.Verify(row))
	}
}

// TestLedgerIsCompacted lets a year and a half pass after a few decisions.
func TestLedgerIsCompacted(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.days(t, 3)
	count := func() (whole, all int) {
		_ = r.store.Scan(ledger.Bucket, "", func(key string, value []byte) error {
			if ledger.ValidID(key) {
				all++
				if ledger.Verify(value) == nil {
					whole++
				}
			}
			return nil
		})
		return whole, all
	}
	first, _ := count()
	r.mu.Lock()
	r.now = r.now.AddDate(0, 0, 450)
	r.mu.Unlock()
	r.server.Answer(func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	r.days(t, 1)
	// What was announced is a summary; the decisions before it are gone.
	if whole, all := count(); first < 2 || whole > 1 || all > 2 {
		t.Errorf("of %d receipts %d are whole and %d there at all, want a summary of the announced one", first, whole, all)
	}
	if row, err := r.store.Get(ledger.Bucket, r.box.events[0].Report.Decision.ID); err != nil || row == nil {
		t.Errorf("the receipt of the message is gone: %v", err)
	}
}

// TestMeasuredCapacity lives with a workload on a fleet of which nobody says what it can do: it is measured, labelled, and computed
// again from the receipt to the cent. While the limit was never near, or there is none, it is not known.
func TestMeasuredCapacity(t *testing.T) {
	t.Parallel()
	const full = 2e7 // tokens an hour that a replica serves with a first token after a second
	load := 1.15     // of it, in the highest hour of the day
	engines := func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"model_name": "llama"}, func(signal string, at time.Time) (float64, bool) {
			share := load * (0.4 + 0.6*float64(at.Add(-time.Hour).Hour())/23)
			tokens := 2 * full * share
			v, ok := map[string]float64{
				"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": tokens / 1000, "coverage": 1, "resets": 0,
				"replicas": 2, "waiting": 0, "ttft_p95": share * share * share,
				"gpu_count": 4, "gpu_usd": 30,
			}[signal]
			return v, ok
		})}
	}
	for _, tc := range []struct {
		name, limit string
		load        float64
		because     string // empty: it is measured
	}{
		{"it comes up to its limit every day", "ttft_limit: 1s, ", 1.15, ""},
		{"it is never near it", "ttft_limit: 1s, ", 0.5, "hardly ever near the limit"},
		{"there is no limit", "", 1.15, "there is no limit"},
	} {
		load = tc.load
		r := newRig(t, route(func(promtest.Query) promtest.Answer { return promtest.Answer{} }, engines))
		r.text = strings.NewReplacer(
			"    throughput: {tokens_per_hour: 30276000}\n", "", "current: api", "current: fleet", "constraints: {", "constraints: {"+tc.limit,
			"group_by: [model_name]", "group_by: [model_name], gpus: {pack: opencost, join: [model_name]}",
		).Replace(r.text)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		w := workload(t, r.days(t, 1), "llama")
		row, err := r.Receipt(w.Decision.ID)
		if err != nil || ledger.Verify(row) != nil {
			t.Fatalf("%s: receipt: %v, %v", tc.name, err, ledger.Verify(row))
		}
		receipt, err := ledger.Open(row)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 {
			t.Errorf("%s: computed again: %v, %v", tc.name, c.Differences, err)
		}
		if tc.because != "" {
			if w.Decision.Recommendation != model.Unknown || !strings.Contains(w.Decision.Because, tc.because) {
				t.Errorf("%s: got %s because %s, want it to be unknown because %s", tc.name, w.Decision.Recommendation, w.Decision.Because, tc.because)
			}
			continue
		}
		m := w.Usage.Capacity
		if !m.Known() || m.TokensPerHour > full || m.TokensPerHour < 0.95*full || m.Broke == 0 {
			t.Fatalf("%s: got %+v, want nearly %v tokens an hour", tc.name, m, full)
		}
		if w.Decision.Recommendation == model.Unknown || w.Decision.AssumedCapacity == nil || len(w.Decision.AssumedCapacity.Numbers) != 0 {
			t.Errorf("%s: got %+v, want a verdict that rests on nothing assumed", tc.name, w.Decision)
		}
		if paid, gap := w.Usage.GPUUSDPerMonth, w.Usage.GPUCostGapPerMonth; paid == nil || gap == nil || *paid != 30*730 || *paid+*gap != w.Options[1].Parts[0].USDPerMonth {
			t.Errorf("%s: got %v paid a month and a gap of %v to %+v", tc.name, paid, gap, w.Options[1].Parts[0])
		}
		for _, n := range receipt.Capacity {
			if n.Label != model.Measured {
				t.Errorf("%s: got %+v, want it measured", tc.name, n)
			}
		}
		if len(receipt.Capacity) < 3 || !strings.Contains(receipt.Samples.ServedExpression, "num_requests_waiting") {
			t.Errorf("%s: got %+v from %q", tc.name, receipt.Capacity, receipt.Samples.ServedExpression)
		}
	}
}
