package daemon

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/collector/promtest"
	"tipline/model"
	"tipline/model/decide"
)

// TestTiersCountTheAccount has two workloads of 14.6B and 7.3B tokens a month at 3 USD/Mtok, half of it above 10B. Each adds what lies above the tokens
// of the other: 2.7B at 3 USD and 11.9B at 1.5, and all of 7.3B at 1.5. With billed_for: workload each is billed by itself.
func TestTiersCountTheAccount(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.server.Answer(route(func(q promtest.Query) promtest.Answer {
		large := steady(map[string]string{"team_alias": "support"}, 2e7)(q)
		small := steady(map[string]string{"team_alias": "chat"}, 1e7)(q)
		return promtest.Answer{Series: append(large.Series, small.Series...)}
	}, func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	plain := r.text
	tiered := strings.Replace(plain, "cache_read: 3}}", "cache_read: 3}, tiers: {kind: marginal, steps: [{above_tokens: 1e10, times: 0.5}]}}", 1)
	for _, tc := range []struct {
		name, text string
		want       map[string]float64 // USD a month
		others     map[string]model.Tokens
	}{
		{"of the account", tiered, map[string]float64{"support": 2.7e3*3 + 11.9e3*1.5, "chat": 7.3e3 * 1.5}, map[string]model.Tokens{"support": 7.3e9, "chat": 14.6e9}},
		{"of each workload", strings.Replace(tiered, "tiers:", "billed_for: workload, tiers:", 1), map[string]float64{"support": 10e3*3 + 4.6e3*1.5, "chat": 7.3e3 * 3}, nil},
		{"without tiers", plain, map[string]float64{"support": 14.6e3 * 3, "chat": 7.3e3 * 3}, nil},
	} {
		r.text = tc.text
		r.start(t)
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range tc.want {
			w := workload(t, report, name)
			o := w.Options[0]
			if got := float64(o.USDPerMonth.P50); math.Abs(got-want) > 1e-2*want { // the projection is within a percent
				t.Errorf("tiers %s, %s: got %v USD, want %v", tc.name, name, got, want)
			}
			others := tc.others[name]
			if (o.Account == nil) != (others == 0) {
				t.Fatalf("tiers %s, %s: got %+v beside it, want %v tokens", tc.name, name, o.Account, others)
			}
			if o.Account != nil && (len(o.Account.Workloads) != 1 || o.Account.Workloads[0].Workload == name || math.Abs(float64(o.Account.TokensPerMonth/others)-1) > 1e-2) {
				t.Errorf("tiers %s, %s: got %+v beside it, want the %v tokens of the other", tc.name, name, o.Account, others)
			}
			row, err := r.Receipt(w.Decision.ID)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := ledger.Open(row)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts == 0 {
				t.Errorf("tiers %s, %s, computed again: %d amounts, %v, %v", tc.name, name, c.Amounts, c.Differences, err)
			}
			if strings.Contains(string(receipt.Inputs), "Others") != (others > 0) {
				t.Errorf("tiers %s, %s: the receipt has %s", tc.name, name, receipt.Inputs)
			}
		}
	}
}

// TestContractCoversModels has a workload of 14.6B tokens a month at 3 USD/Mtok and another of 7.3B at 1 USD/Mtok on another model, which spend
// 51,100 USD under one contract. Of 60,000 USD that are committed neither brings anything to the bill; of 50,000 each brings what is above them.
// With half off what is above 30,000 USD the bill is 40,550 USD, of which the one brings 33,250 and the other 3,650. What they are said to spend in the calendar month is the bill, with what the commitment makes of it. The receipts compute the same.
func TestContractCoversModels(t *testing.T) {
	t.Parallel()
	for terms, want := range map[string]struct{ support, chat, bill float64 }{
		"minimum_commit_usd_per_month: 60000":                                 {0, 0, 60_000},
		"minimum_commit_usd_per_month: 50000":                                 {1_100, 1_100, 51_100},
		"tiers: {kind: marginal, steps: [{above_usd: 30000, discount: 0.5}]}": {33_250, 3_650, 40_550},
	} {
		r := supported(t)
		r.server.Answer(route(both(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"team_alias": "chat"}, 1e7)),
			func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
		r.text = strings.Replace(r.text, "options:\n", "options:\n  - {name: small, kind: api, prices: {input: 1, output: 1, cache_read: 1}}\n", 1) +
			"workloads:\n  - {match: {team_alias: chat}, current: small, candidates: [small, fleet]}\n" +
			"contracts:\n  - {name: provider, options: [api, small], " + terms + "}\n"
		r.start(t)
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		shares := 0.0
		for name, adds := range map[string]float64{"support": want.support, "chat": want.chat} {
			w := workload(t, report, name)
			o := w.Options[0]
			if got := float64(o.USDPerMonth.P50); math.Abs(got-adds) > 600 { // the projection is within a percent
				t.Errorf("%s, %s: got %v USD, want %v", terms, name, got, adds)
			}
			if a := o.Account; a == nil || a.Contract != "provider" || a.TokensPerMonth != 0 || a.Workloads == nil || a.ElsewhereUSDPerMonth < 7_000 {
				t.Fatalf("%s, %s: got %+v, want what the other spends under the contract", terms, name, o.Account)
			}
			shares += float64(*w.Spend())
			row, err := r.Receipt(w.Decision.ID)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := ledger.Open(row)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts == 0 {
				t.Errorf("%s, %s, computed again: %d amounts, %v, %v", terms, name, c.Amounts, c.Differences, err)
			}
		}
		if math.Abs(shares-want.bill) > 600 {
			t.Errorf("%s: the shares are %v USD, want the bill of %v", terms, shares, want.bill)
		}
		if m := r.month.Projected; m == nil || strings.Contains(terms, "60000") && math.Abs(float64(m.P50)-60_000) > 1e-6 {
			t.Errorf("%s: the month is %+v, want the bill", terms, m)
		}
	}
}

// TestJointMoveIsFound has two workloads of 14.6B and 7.3B tokens a month at 1 USD/Mtok, within 30,000 USD that are committed: neither saves anything by
// leaving alone, and both together save 30,000 USD for 10,950 at half the price. The report, the digest and the ledger have it, once while it stays
// the same.
func TestJointMoveIsFound(t *testing.T) {
	t.Parallel()
	r := supported(t)
	r.server.Answer(route(both(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"team_alias": "chat"}, 1e7)),
		func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	r.text = strings.Replace(r.text, "input: 3, output: 3, cache_read: 3}}", "input: 1, output: 1, cache_read: 1}, minimum_commit_usd_per_month: 30000}", 1)
	r.text = strings.Replace(r.text, "options:\n", "options:\n  - {name: half, kind: api, prices: {input: 0.5, output: 0.5, cache_read: 0.5}}\n", 1)
	r.text = strings.Replace(r.text, "candidates: [api, fleet]", "candidates: [api, half]", 1)
	r.start(t)
	report, err := r.Cycle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.JointMoves) != 1 {
		t.Fatalf("got %+v, want one", report.JointMoves)
	}
	m := report.JointMoves[0]
	if !slices.Equal(m.Workloads, []string{"chat", "support"}) || m.Kind != model.JointLeave || m.AtOdds || len(m.Told) != 0 || math.Abs(float64(m.SavingUSDPerMonth)-19_050) > 300 {
		t.Errorf("got %+v, want both to save 19,050 USD", m)
	}
	for _, w := range report.Workloads {
		if w.Decision.Recommendation != model.Stay {
			t.Errorf("%s: got %s, want to stay", w.Workload, w.Decision.Recommendation)
		}
	}
	g := digest(report, nil, model.BudgetReport{})
	if g.Count(model.DigestTogether) != 1 || g.Items[0].Text != m.Because || g.Items[0].Receipt != m.ID {
		t.Errorf("got the digest %+v, want what %s says", g.Items, m.ID)
	}
	row, err := r.store.Get(ledger.Bucket, m.ID)
	if err != nil || ledger.Verify(row) != nil {
		t.Fatalf("receipt %s: %v, %v", m.ID, err, ledger.Verify(row))
	}
	receipt, err := ledger.Open(row)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := receipt.Recompute(); err != nil || len(c.Differences) > 0 || c.Amounts == 0 {
		t.Errorf("computed again: %+v, %v", c, err)
	}
	joint, err := receipt.Joint()
	if err != nil || joint.Members[0].Decision != workload(t, report, "chat").Decision.ID {
		t.Errorf("got %+v, %v, want the decisions on each", joint.Members, err)
	}
	r.now = r.now.Add(24 * time.Hour)
	next, err := r.Cycle(t.Context())
	if err != nil || len(next.JointMoves) != 1 || next.JointMoves[0].ID == m.ID {
		t.Fatalf("a day later: got %+v, %v, want it with a receipt of that day", next.JointMoves, err)
	}
	id := next.JointMoves[0].ID
	if row, err := r.store.Get(ledger.Bucket, id); err != nil || row != nil {
		t.Errorf("a day later: got %d bytes, %v, want nothing new in the ledger", len(row), err)
	}
	r.sendDigest(t.Context()) // which names it
	if row, err := r.store.Get(ledger.Bucket, id); err != nil || ledger.Verify(row) != nil {
		t.Errorf("told by a digest: got %d bytes, %v, want its receipt", len(row), err)
	}
}

// TestAccountCountsTokensOnce holds that tokens are on an account once: not those of a name that a workload had before as well, whether or not the rename has settled, not those
// of a second meter, and not those of what ended. Of what is in use without a projection it is said that it is not counted.
func TestAccountCountsTokensOnce(t *testing.T) {
	t.Parallel()
	load := func(team string, from, to time.Duration) func(promtest.Query) promtest.Answer {
		return within(steady(map[string]string{"team_alias": team}, 2e7), func(end time.Time) bool {
			return end.After(opening.Add(-from)) && !end.After(opening.Add(-to))
		})
	}
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name    string
		load    func(promtest.Query) promtest.Answer
		stanzas string
		others  model.Tokens // beside chat
	}{
		{"renamed", both(load("helpdesk", 60*day, 30*time.Hour), load("support", 30*time.Hour, 0)), "", 14.6e9},
		{"ended", load("support", 60*day, 20*day), "", 0},
		{"silent for days", load("support", 60*day, 2*day), "", 14.6e9},
		{"metered twice", load("support", 60*day, 0), "workloads:\n  - {match: {team_alias: support}, meter: secondary}\n", 0},
		{"once", load("support", 60*day, 0), "", 14.6e9},
	} {
		r := newRig(t, route(both(steady(map[string]string{"team_alias": "chat"}, 1e7), tc.load), func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
		r.text = strings.Replace(r.text, "cache_read: 3}}", "cache_read: 3}, tiers: {kind: marginal, steps: [{above_tokens: 1e10, times: 0.5}]}}", 1)
		r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 60d") + tc.stanzas
		r.start(t)
		report, err := r.Evaluate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got model.Tokens
		o := workload(t, report, "chat").Options[0]
		if o.Account != nil {
			got = o.Account.TokensPerMonth
		}
		if math.Abs(float64(got-tc.others)) > 0.1*float64(tc.others) {
			t.Errorf("%s: got %+v beside chat, want about %v tokens", tc.name, o.Account, tc.others)
		}
		if slices.ContainsFunc(o.Warnings, func(w model.Warning) bool { return w.Code == "ACCOUNT_UNKNOWN" }) {
			t.Errorf("%s: got %+v, want nothing unknown", tc.name, o.Warnings)
		}
		if tc.name != "once" {
			continue
		}
		cfg := r.setup.cfg
		fresh := project(metered{stanza: cfg.For(map[string]string{"team_alias": "new"}, "gateway"), usage: model.Usage{Workload: "new"}}, model.Usage{Workload: "new"}, cfg, opening)
		in := r.latest["chat"]
		in.Others = decide.AccountsOf([]decide.Used{in.Used(), fresh.used}).Beside(in)
		o = decide.Decide(in).Options[0]
		if o.Account != nil || !slices.ContainsFunc(o.Warnings, func(w model.Warning) bool {
			return w.Code == "ACCOUNT_UNKNOWN" && strings.Contains(w.Text, "those of new ")
		}) {
			t.Errorf("not measured yet: got %+v and %+v, want that it is not counted", o.Account, o.Warnings)
		}
	}
}
