package slack

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/words"
	"tipline/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// event returns the message of a workload that grew across its threshold.
func event() alerting.Event {
	usd := func(p10, p50, p90 model.USD) *model.Quantiles[model.USD] {
		return &model.Quantiles[model.USD]{P10: p10, P50: p50, P90: p90}
	}
	next := model.Quantiles[model.Tokens]{P10: 11.1e9, P50: 13.4e9, P90: 16e9}
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee00", Reason: alerting.Switched, Workload: "support-chat", Previous: "haiku",
		Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC),
		Report: model.WorkloadReport{
			Workload: "support-chat", Source: "gateway", Current: "haiku",
			Usage:    model.UsageSummary{Last30dTokens: new(model.Tokens(12.6e9)), CoverageRatio: 1},
			Forecast: &model.ForecastSummary{Next30dTokens: next, MonthlyGrowthRatio: 0.12},
			Options: []model.OptionCost{
				{
					Option: "haiku", Hosting: model.API, USDPerMonth: usd(17_866, 21_459, 25_737), USDPerMTok: new(model.USDPerMTok(1.58)),
					Prices: []model.PriceSource{{Source: "LiteLLM price map (MIT)", Date: "2026-08-01"}},
				},
				{Option: "llama-70b-2xh100", Hosting: model.SelfHosted, USDPerMonth: usd(21_038, 26_863, 26_863), USDPerMTok: new(model.USDPerMTok(1.98)), Replicas: new(int64(3))},
				{
					Option: "base-plus-burst", Hosting: model.Hybrid, USDPerMonth: usd(15_212, 15_259, 15_814), USDPerMTok: new(model.USDPerMTok(1.13)),
					Replicas: new(int64(1)), OwnShareRatio: new(model.Fraction(0.997)),
					Warnings: []model.Warning{{Code: "ASSUMED_UTILIZATION", Text: "target utilization 0.60 is the table value, not measured"}},
				},
				{Option: "us-only", Hosting: model.API, Blocked: []string{"RESIDENCY"}, USDPerMonth: usd(9_000, 10_000, 11_000)},
			},
			Crossover: &model.Crossover{
				Option: "llama-70b-2xh100", Against: "haiku", Reason: model.CrossoverFound,
				FirstTokensPerMonth: new(model.Tokens(17e9)), PermanentTokensPerMonth: new(model.Tokens(17e9)), State: model.StateBelow,
			},
			Decision: model.Decision{
				ID: "0514a8524d8c", Recommendation: model.Move, Option: "base-plus-burst", Hosting: model.Hybrid, Reason: model.ReasonSwitch,
				Because:           "at 13.5B tokens a month base-plus-burst costs $15,259 a month and haiku costs $21,459 a month: a saving of $6,200 a month (29%)",
				SavingUSDPerMonth: usd(2_653, 6_200, 9_923), ProbabilityCheaper: new(model.Fraction(0.95)), PaybackMonths: new(4.8),
				RuleOfThumb: "self-hosted", DiffersBecause: "HYBRID_BEATS_PURE",
				WouldChange: []string{"less than 9.80B tokens a month: below that haiku alone is cheaper than base-plus-burst"},
			},
		},
	}
}

// drifted returns the message that two inputs of a workload have drifted.
func drifted() alerting.Event {
	e := event()
	e.Reason, e.Previous = alerting.Drifted, ""
	e.Report.Decision.Recommendation, e.Report.Decision.Option = model.Stay, "haiku"
	e.Drifts = []model.Drift{
		{
			Kind: "volume", Score: 1.4, Since: "2026-11-02", Material: true, CostUSDPerMonth: new(model.USD(7_310)),
			Text: "430M tokens a day since 2 Nov 2026, where 287M was to be expected; it adds $7,310 a month to the cost of haiku; the answer is the same without it",
		},
		{
			Kind: "cache_share", Score: 2.1, Since: "2026-11-05", Material: true, CostUSDPerMonth: new(model.USD(1_940)),
			Text: "11% of the prompt tokens come from a cache since 5 Nov 2026, where 34% was to be expected; it adds $1,940 a month to the cost of haiku; the answer is the same without it",
		},
	}
	return e
}

// nearing returns the message that a workload comes near its threshold.
func nearing() alerting.Event {
	e := event()
	e.Reason, e.Previous = alerting.Approaching, ""
	e.Report.Crossover.CrossesOn, e.Report.Crossover.ActBy = "2027-04-12", "2026-12-20"
	e.Report.Options = e.Report.Options[:2]
	e.Report.Decision = model.Decision{
		ID: "0514a8524d8c", Recommendation: model.Stay, Option: "haiku", Hosting: model.API, Reason: model.ReasonAlreadyBest,
		Because:     "at 13.5B tokens a month haiku costs $21,459 and no allowed option costs less; the next, llama-70b-2xh100, costs $26,863",
		WouldChange: []string{"more than 17.0B tokens a month: from there llama-70b-2xh100 is cheaper"},
	}
	return e
}

// weekly returns a digest.
func weekly() alerting.Event {
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee02", Reason: alerting.Digested, Time: time.Date(2026, 11, 16, 7, 0, 0, 0, time.UTC),
		Digest: &model.Digest{
			Quiet: 37, USDPerMonth: 182_400, Costed: 39, Graded: 38, ErrorRatio: 0.06,
			Items: []model.DigestItem{
				{Workload: "support-chat", Kind: model.DigestDecide, Text: "move to base-plus-burst, saves $6,200 a month, since 12 Nov 2026", Receipt: "0514a8524d8c"},
				{Workload: "search", Kind: model.DigestApproaching, Text: "llama-70b-2xh100 will be cheaper, act by 20 Dec 2026", ActBy: "2026-12-20", Receipt: "1514a8524d8c"},
				{Workload: "pilot", Kind: model.DigestUnknown, Text: "62 hours have been measured, want 168 before anything is decided (policy.min_history)", Receipt: "2514a8524d8c"},
				{Workload: "summaries", Kind: model.DigestDrift, Text: "14% of the tokens are generated since 5 Nov 2026, where 9% was to be expected; it adds $140 a month to the cost of haiku", Receipt: "3514a8524d8c"},
			},
		},
	}
}

// repriced returns the message that the prices of an option change ahead.
func repriced() alerting.Event {
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee01", Reason: alerting.PricesMoved, Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC),
		Prices: &model.PriceEvent{
			From: "2027-01-01", Ahead: true, Workloads: 14, CostUSDPerMonth: 8_240,
			Moves: []model.PriceMove{
				{Option: "haiku", Field: "input", Unit: "USD/Mtok", Before: "0.8", After: "1"},
				{Option: "haiku", Field: "output", Unit: "USD/Mtok", Before: "4", After: "5"},
			},
			Flips:  []model.PriceFlip{{Workload: "support-chat", Before: "stay on haiku", After: "move to base-plus-burst", Option: "base-plus-burst", Receipt: "0514a8524d8c"}},
			Closer: []string{"search", "summaries"},
		},
	}
}

// TestGolden shows a message as JSON and as preview.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, got := range map[string]string{
		"switched.json": string(JSON(event())) + "\n", "switched.txt": Preview(event(), 100, false),
		"approaching.json": string(JSON(nearing())) + "\n", "approaching.txt": Preview(nearing(), 100, false),
		"digest.json": string(JSON(weekly())) + "\n", "digest.txt": Preview(weekly(), 100, false),
		"prices.json": string(JSON(repriced())) + "\n", "prices.txt": Preview(repriced(), 100, false),
		"drifted.json": string(JSON(drifted())) + "\n", "drifted.txt": Preview(drifted(), 100, false),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// checkLimits holds Block Kit's limits and that nothing in the message pings or links.
func checkLimits(t *testing.T, e alerting.Event) {
	t.Helper()
	blocks := Blocks(e)
	if len(blocks) > 50 {
		t.Errorf("got %d blocks, want at most 50", len(blocks))
	}
	total := 0
	check := func(what, text string, most int, markdown bool) {
		n := utf8.RuneCountInString(text)
		total += n
		if n > most {
			t.Errorf("%s: got %d characters, want at most %d", what, n, most)
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: %q is not UTF-8", what, text)
		}
		if markdown && strings.ContainsAny(text, "<>") {
			t.Errorf("%s: %q has an angle bracket, which could ping or link", what, text)
		}
		if strings.ContainsRune(text, '\u202e') || strings.ContainsRune(text, 0) {
			t.Errorf("%s: %q turns the direction or has a control character", what, text)
		}
	}
	for _, block := range blocks {
		switch b := block.(type) {
		case *slackapi.HeaderBlock:
			check("header", b.Text.Text, 150, false)
		case *slackapi.SectionBlock:
			check("section", b.Text.Text, 3000, true)
		case *slackapi.ContextBlock:
			if n := len(b.ContextElements.Elements); n > 10 {
				t.Errorf("context: got %d elements, want at most 10", n)
			}
			for _, element := range b.ContextElements.Elements {
				check("context", element.(*slackapi.TextBlockObject).Text, 2000, false)
			}
		}
	}
	if total > 12_000 {
		t.Errorf("got %d characters in all, want at most 12,000", total)
	}
	check("text", Text(e), 4000, true)
	if err := json.Unmarshal(JSON(e), new(any)); err != nil {
		t.Errorf("payload: %v", err)
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"<!channel>", "<@U123>", "<https://evil.example|click>", "*bold* `code` ~gone~", "line\nbreak\r\x1b[31mred", "right\u202eleft",
		strings.Repeat("名前", 3000), strings.Repeat("🦙", 2000), "&lt;!here&gt;", "\xff\xfe",
	} {
		e := event()
		e.Workload, e.Report.Current, e.Report.Decision.Option, e.Report.Decision.Because = text, text, text, text
		e.Report.Decision.WouldChange = []string{text, text, text, text, text, text, text}
		e.Report.Options[0].Option = text
		moved := drifted()
		moved.Workload, moved.Report.Current, moved.Report.Decision.Option, moved.Drifts[0].Text = text, text, text, text
		checkLimits(t, moved)
		digest := weekly()
		digest.Digest.Items = slices.Repeat(digest.Digest.Items, 20)
		for i := range digest.Digest.Items {
			digest.Digest.Items[i].Workload, digest.Digest.Items[i].Text = text, text
		}
		checkLimits(t, digest)
		prices := repriced()
		prices.Prices.Moves[0].Option, prices.Prices.Flips[0].Workload, prices.Prices.Closer = text, text, slices.Repeat([]string{text}, 30)
		prices.Prices.Moves = slices.Repeat(prices.Prices.Moves, 20)
		checkLimits(t, prices)
		for range 30 {
			e.Report.Options = append(e.Report.Options, model.OptionCost{Option: text, Infeasible: text, Warnings: []model.Warning{{Text: text}}})
		}
		e.Report.Warnings = []model.Warning{{Text: text}}
		checkLimits(t, e)
		if preview := Preview(e, 80, false); strings.ContainsAny(preview, "\x1b\r") {
			t.Errorf("%q: the preview has control characters", text)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("<!channel>", "at 5B tokens <b>api</b> costs less", 3)
	f.Add("a\u202eb", strings.Repeat("*_`~", 900), 60)
	f.Fuzz(func(t *testing.T, name, sentence string, n int) {
		e := event()
		e.Workload, e.Previous, e.Report.Decision.Option, e.Report.Decision.Because = name, name, name, sentence
		for range min(max(0, n), 100) {
			e.Report.Decision.WouldChange = append(e.Report.Decision.WouldChange, sentence)
			e.Report.Options = append(e.Report.Options, model.OptionCost{Option: name, Infeasible: sentence, Blocked: []string{name}})
			e.Superseded = append(e.Superseded, alerting.Superseded{Option: name})
		}
		checkLimits(t, e)
		Preview(e, n, true)
	})
}

func TestCutsAreShown(t *testing.T) {
	t.Parallel()
	e := event()
	for range 10 {
		e.Report.Options = append(e.Report.Options, model.OptionCost{Option: "more"})
	}
	text := string(JSON(e))
	if !strings.Contains(text, "+6 more options") {
		t.Errorf("got %s, want the options left out to be counted", text)
	}
}

func TestReturned(t *testing.T) {
	t.Parallel()
	e := event()
	e.Reason, e.Report.Decision.Recommendation, e.Report.Decision.Option = alerting.Returned, model.Stay, "haiku"
	if got, want := words.Headline(e), "support-chat: stay on haiku after all"; got != want {
		t.Errorf("headline: got %q, want %q", got, want)
	}
}
