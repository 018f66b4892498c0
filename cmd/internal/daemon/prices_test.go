package daemon

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
	"tipline/model"
	"tipline/model/decide"
)

// daily runs the cycles of n days and delivers what they say.
func (r *rig) daily(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := r.Cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
		for next := r.now; !next.IsZero(); {
			var err error
			if next, err = r.desk.Deliver(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		r.mu.Lock()
		r.now = r.now.Add(24 * time.Hour)
		r.mu.Unlock()
	}
}

// reasons returns why each message was sent, and empties the box.
func (r *rig) reasons() []alerting.Reason {
	r.box.mu.Lock()
	defer r.box.mu.Unlock()
	var reasons []alerting.Reason
	for _, e := range r.box.events {
		reasons = append(reasons, e.Reason)
	}
	return reasons
}

// TestPriceChangeIsOneMessage changes the price of an API under two workloads: one message says what it does to both, at once, and the
// verdicts that are confirmed days later are not told again.
func TestPriceChangeIsOneMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e7), steady(map[string]string{"model_name": "batch"}, 1e7)))
	r.text = strings.Replace(r.text, "input: 3, output: 3, cache_read: 3", "input: 1, output: 1, cache_read: 1", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.daily(t, 4)
	if got := r.reasons(); len(got) > 0 {
		t.Fatalf("before the change: got %v", got)
	}
	r.text = strings.Replace(r.text, "input: 1, output: 1, cache_read: 1", "input: 9, output: 9, cache_read: 9", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.daily(t, 6)
	if got := r.reasons(); !slices.Equal(got, []alerting.Reason{alerting.PricesMoved}) {
		t.Fatalf("got %v, want one message that the prices moved", got)
	}
	e := r.box.events[0]
	text := slack.Text(e)
	for _, want := range []string{"Prices of api changed: $", " a month more, 2 answers change.", "Input of api: 1 → 9 USD/Mtok.", "“stay on api” becomes “move to fleet” (receipt "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	for _, f := range e.Prices.Flips {
		if data, err := r.store.Get(ledger.Bucket, f.Receipt); err != nil || ledger.Verify(data) != nil {
			t.Errorf("%s: the receipt %s is not in the ledger: %v", f.Workload, f.Receipt, err)
		}
	}
	for _, firing := range r.desk.Firing() {
		if firing.Option != "fleet" {
			t.Errorf("got %+v, want the verdict confirmed although it was not told again", firing)
		}
	}
	if n := len(r.desk.Firing()); n != 2 {
		t.Errorf("%d verdicts stand, want 2", n)
	}
}

// nothingMeasured answers every query with no series.
func nothingMeasured(promtest.Query) promtest.Answer { return promtest.Answer{} }

// TestAnnouncedPriceIsToldAhead tells a known change once when a move before it would have to begin, and once more on its day, since it
// changes the answer.
func TestAnnouncedPriceIsToldAhead(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e7), nothingMeasured))
	r.text = strings.Replace(r.text, "{name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}",
		"{name: api, kind: api, model: example/model, prices: {input: 1, output: 1, cache_read: 1}, announced_prices: [{from: 2026-11-20, times: 9}]}", 1)
	r.text += "policy: {lead_time: 10d}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.daily(t, 8) // from 2 November on
	if got := r.reasons(); len(got) > 0 {
		t.Fatalf("before a move would have to begin: got %v", got)
	}
	r.daily(t, 8)
	if got := r.reasons(); !slices.Equal(got, []alerting.Reason{alerting.PricesMoved}) {
		t.Fatalf("got %v, want one message ahead", got)
	}
	if e := r.box.events[0].Prices; !e.Ahead || e.From != "2026-11-20" || e.Workloads != 1 {
		t.Errorf("got %+v, want the change of 20 November", e)
	}
	if text := slack.Text(r.box.events[0]); !strings.Contains(text, "Prices of api change on 20 Nov 2026") {
		t.Errorf("got %s", text)
	}
	r.daily(t, 10)
	if got := r.reasons(); len(got) > 2 || len(got) == 2 && (got[1] != alerting.PricesMoved || r.box.events[1].Prices.Ahead) {
		t.Errorf("got %v, want at most one message more, on the day", got)
	}
}

// TestClockJumpsOverAnAnnouncedPrice has the clock jump over the day of a known change, back, and over it again, whether it was told ahead or not: it is
// told once, and every evaluation is charged by what holds at its time.
func TestClockJumpsOverAnAnnouncedPrice(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		from  int // day of November on which the jumps begin
		ahead bool
	}{"before it is told": {3, false}, "after it was told ahead": {12, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e6), nothingMeasured)) // so few tokens that it stays
			r.text = strings.Replace(r.text, "prices: {input: 3, output: 3, cache_read: 3}",
				"prices: {input: 1, output: 1, cache_read: 1}, announced_prices: [{from: 2026-11-20, times: 9}]", 1)
			r.text += "policy: {lead_time: 10d}\n"
			if err := r.Reload(); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				day   int
				price model.USDPerMTok
			}{{2, 1}, {tc.from, 1}, {25, 9}, {15, 1}, {tc.from, 1}, {22, 9}} {
				r.mu.Lock()
				r.now = time.Date(2026, 11, step.day, 6, 0, 0, 0, time.UTC)
				r.mu.Unlock()
				r.daily(t, 2)
				for _, o := range workload(t, r.Report(), "chat").Options {
					if o.Option == "api" && (o.USDPerMTok == nil || *o.USDPerMTok != step.price) {
						t.Errorf("on 2026-11-%02d: got %v USD/Mtok, want %v", step.day, o.USDPerMTok, step.price)
					}
				}
			}
			var told []alerting.Event
			for _, e := range r.box.events {
				if e.Reason == alerting.PricesMoved {
					told = append(told, e)
				}
			}
			if len(told) != 1 || told[0].Prices.Ahead != tc.ahead || told[0].Prices.Moves[0].Before != "1" || told[0].Prices.Moves[0].After != "9" {
				t.Errorf("got %v, want the change told once", r.reasons())
			}
		})
	}
}

// TestEndsAreToldAhead holds that the end of a discount and that of free credits, which change what is paid and no answer, are told once, before the day, with
// what they cost and a receipt of it; and that a commitment whose end changes nothing is not told.
func TestEndsAreToldAhead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ terms, says string }{
		"discount":   {"discount: 0.5, discount_until: 2026-11-19", "discount of api: none any more, it was 0.5 share"},
		"credits":    {"credits: {usd_per_month: 1000, until: 2026-11-19}", "free credits of api: none any more, it was 1000 USD/month"},
		"commitment": {"minimum_commit_usd_per_month: 1000, committed: {until: 2026-11-19}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e6), nothingMeasured))
			r.text = strings.Replace(r.text, "cache_read: 3}}", "cache_read: 3}, "+tc.terms+"}", 1)
			r.text += "policy: {lead_time: 10d}\n"
			if err := r.Reload(); err != nil {
				t.Fatal(err)
			}
			r.daily(t, 8)
			if got := r.reasons(); len(got) > 0 {
				t.Fatalf("before a move would have to begin: got %v", got)
			}
			r.daily(t, 14)
			if tc.says == "" {
				if got := r.reasons(); len(got) > 0 {
					t.Errorf("got %v, want nothing", got)
				}
				return
			}
			if got := r.reasons(); !slices.Equal(got, []alerting.Reason{alerting.PricesMoved}) {
				t.Fatalf("got %v, want one message", got)
			}
			e := r.box.events[0]
			if p := e.Prices; !p.Ahead || p.From != "2026-11-20" || p.CostUSDPerMonth < 900 || p.CostUSDPerMonth > 1200 || len(p.Flips) > 0 || p.Moves[0].Text() != tc.says {
				t.Errorf("got %+v, want the end, a day after the last, and what it costs", p)
			}
			r.accounted(t, e)
		})
	}
}

// TestEarlyTariffs holds that a data file of an early version, which kept the options alone, tells what has changed since, and nothing that it did not keep.
func TestEarlyTariffs(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e6), nothingMeasured))
	early := map[string]decide.Tariff{}
	for _, o := range r.setup.cfg.Options {
		tariff := o.TariffAt(opening)
		tariff.Credits = nil
		early[o.Name] = tariff
	}
	row, err := json.Marshal(early)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Apply(map[string]map[string][]byte{ledger.Bucket: {tariffsKey: row}}); err != nil {
		t.Fatal(err)
	}
	r.replaced(t, "cache_read: 3}}", "cache_read: 3}, credits: {usd_per_month: 1000, until: 2028-11-19}}")
	r.daily(t, 1)
	if got := r.reasons(); len(got) > 0 {
		t.Fatalf("got %v, want nothing", got)
	}
	if err := r.store.Apply(map[string]map[string][]byte{ledger.Bucket: {tariffsKey: row}}); err != nil {
		t.Fatal(err)
	}
	r.replaced(t, "input: 3, output: 3, cache_read: 3", "input: 5, output: 5, cache_read: 5")
	r.daily(t, 1)
	if len(r.box.events) != 1 || len(r.box.events[0].Prices.Moves) != 3 {
		t.Fatalf("got %v, want the three prices that changed", r.reasons())
	}
	r.accounted(t, r.box.events[0])
}

// TestPricesAreRefreshed starts without a price list, fetches it, decides by it from then on, and says so when it cannot be fetched.
func TestPricesAreRefreshed(t *testing.T) {
	t.Parallel()
	list := `{"m": {"litellm_provider": "a", "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06}}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) }))
	defer server.Close()
	r := newRig(t, route(steady(map[string]string{"team_alias": "chat"}, 1e7), nothingMeasured))
	r.text = strings.Replace(r.text, "model: example/model, prices: {input: 3, output: 3, cache_read: 3}", "model: a/m", 1)
	r.text += "prices: {lists: [{from: litellm, url: \"" + server.URL + "\"}]}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	price := func() string {
		t.Helper()
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range report.Workloads[0].Options {
			for _, p := range o.Prices {
				if p.Item == "a/m" && p.Field == "input" {
					return p.Value + " of " + p.Date
				}
			}
		}
		return "unknown"
	}
	if got := price(); got != "unknown" {
		t.Fatalf("before the first fetch: got %s", got)
	}
	r.RefreshPrices(t.Context())
	if got := price(); got != "2 of 2026-11-02" {
		t.Errorf("got %s, want the price of the list, looked at on the day", got)
	}
	server.Close()
	r.RefreshPrices(t.Context())
	report, err := r.Evaluate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Warnings, func(w model.Warning) bool { return w.Code == "PRICES_NOT_REFRESHED" })
	if i < 0 || !strings.Contains(report.Warnings[i].Text, "price list litellm: ") {
		t.Errorf("got %+v, want to be told that the list was not fetched", report.Warnings)
	}
	if got := price(); got != "2 of 2026-11-02" {
		t.Errorf("after a failure: got %s, want the last good price", got)
	}
}

// TestOpenCostIsALivePrice decides without the price of its GPUs until OpenCost is asked, then by what it says, and tells a change of the
// prices of two kinds of nodes in one message; a server that is down, and a price that cannot be right, leave the last good one.
func TestOpenCostIsALivePrice(t *testing.T) {
	t.Parallel()
	price, down := map[string]float64{"p5.48xlarge": 3.99, "g6e.xlarge": 3.99}, false
	usage := route(steady(map[string]string{"team_alias": "chat"}, 1e7), nothingMeasured)
	r := newRig(t, func(q promtest.Query) promtest.Answer {
		switch {
		case !strings.Contains(q.Expr, "node_total_hourly_cost"):
			return usage(q)
		case down:
			return promtest.Status(http.StatusBadGateway, "no upstream")
		}
		var series []promtest.Series
		for kind, usd := range price {
			series = append(series, promtest.Series{
				Labels: map[string]string{"instance_type": kind, "region": "us-east-1", "tipline_price": "node", "tipline_terms": "on-demand"},
				Points: []promtest.Point{{At: q.Start, Value: usd}},
			})
		}
		return promtest.Answer{Series: series}
	})
	const live = "price: opencost/p5.48xlarge/us-east-1/on-demand"
	r.text = strings.Replace(r.text, "usd_per_hour: 3.99", live, 1)
	r.text = strings.Replace(r.text, "defaults:", `  - name: other
    kind: self-hosted
    gpu: {per_replica: 2, price: opencost/g6e.xlarge/us-east-1/on-demand}
    throughput: {tokens_per_hour: 30276000}
defaults:`, 1)
	r.text = strings.Replace(r.text, "candidates: [api, fleet]", "candidates: [api, fleet, other]", 1)
	r.text += "prices: {lists: [{from: opencost, source: engines}]}\n"
	if err := r.Reload(); err != nil {
		t.Fatalf("without a price yet: %v", err)
	}
	fleet := func() (usd, source string, warnings []model.Warning) {
		t.Helper()
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range report.Workloads[0].Options {
			if o.Option != "fleet" {
				continue
			}
			for _, p := range o.Prices {
				if p.Field == "usd_per_hour" {
					return p.Value, p.Source + " " + p.Date, append(report.Warnings, o.Warnings...)
				}
			}
			return "", strings.Join(o.Blocked, " "), o.Warnings
		}
		t.Fatal("no option fleet")
		return "", "", nil
	}
	has := func(warnings []model.Warning, code, text string) bool {
		return slices.ContainsFunc(warnings, func(w model.Warning) bool { return w.Code == code && strings.Contains(w.Text, text) })
	}
	if usd, _, warnings := fleet(); usd != "" || !has(warnings, "UNPRICED_HOUR", "opencost/p5.48xlarge/us-east-1/on-demand") {
		t.Errorf("before OpenCost was asked: got a price of %q and %+v, want none and to be told", usd, warnings)
	}
	r.RefreshPrices(t.Context())
	if usd, source, _ := fleet(); usd != "3.99" || source != "OpenCost, source engines, 06:00 UTC 2026-11-02" {
		t.Errorf("got %s from %s, want what OpenCost says and when it was asked", usd, source)
	}

	r.daily(t, 4)
	if got := r.reasons(); len(got) > 0 {
		t.Fatalf("before the change: got %v", got)
	}
	price["p5.48xlarge"], price["g6e.xlarge"] = 2.1, 2.2
	r.RefreshPrices(t.Context())
	r.daily(t, 4)
	if got := r.reasons(); !slices.Equal(got, []alerting.Reason{alerting.PricesMoved}) || len(r.box.events[0].Prices.Moves) != 2 {
		t.Fatalf("got %v, want one message that two prices moved", got)
	}

	down = true
	r.RefreshPrices(t.Context())
	if usd, source, warnings := fleet(); usd != "2.1" || !strings.Contains(source, "2026-11-06") || !has(warnings, "PRICES_NOT_REFRESHED", "price list opencost: source engines: ") {
		t.Errorf("with the server down: got %s from %s and %+v, want the last good price", usd, source, warnings)
	}
	down, price["p5.48xlarge"] = false, 64
	r.RefreshPrices(t.Context())
	if usd, _, warnings := fleet(); usd != "2.1" || !has(warnings, "PRICE_QUARANTINED", "the price 64 of opencost/p5.48xlarge/us-east-1/on-demand") {
		t.Errorf("eight times as much: got %s and %+v, want the last good price and the reason", usd, warnings)
	}
	price["p5.48xlarge"] = 2.1
	r.daily(t, 1)
	r.RefreshPrices(t.Context())
	if _, source, _ := fleet(); !strings.Contains(source, "2026-11-11") {
		t.Errorf("the same price days later: got %s, want it looked at on the day", source)
	}
}

// TestEndOfACommitmentIsToldAhead holds that a commitment of which 3,800 USD a month can be saved until its end, and all of it from then on, is told with the day.
func TestEndOfACommitmentIsToldAhead(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.text = strings.Replace(r.text, "cache_read: 3}}", "cache_read: 3}, minimum_commit_usd_per_month: 40000, committed: {until: 2027-03-01}}", 1)
	r.start(t)
	report := r.days(t, 6)
	if len(r.box.events) != 1 || r.box.events[0].Reason != alerting.Ends {
		t.Fatalf("got %+v, want the end of the commitment alone; the decision is %+v", r.box.events, workload(t, report, "support").Decision)
	}
	text := slack.Text(r.box.events[0])
	for _, want := range []string{"support: the commitment to api ends on 1 Mar 2027; move to fleet then, saves $", "act by 2 Dec 2026"} {
		if !strings.Contains(text, want) {
			t.Errorf("got %q, want it to hold %q", text, want)
		}
	}
	if c := workload(t, report, "support").Case; c.Stage != model.StageApproaching || c.Option != "fleet" {
		t.Errorf("got the case %+v, want it to come near", c)
	}
}
