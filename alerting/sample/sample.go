// Package sample has a message of every kind, for previews and tests, with made-up names and numbers that hang together.
package sample

import (
	"time"

	"tipline/alerting"
	"tipline/model"
)

// Of returns a message with the reason r, and false when no message has it.
func Of(r alerting.Reason) (alerting.Event, bool) {
	switch r {
	case alerting.FirstSeen:
		return first(), true
	case alerting.Switched:
		return switched(), true
	case alerting.Returned:
		return returned(), true
	case alerting.Blocked:
		return blocked(), true
	case alerting.NoOption:
		return homeless(), true
	case alerting.Unstable:
		return swinging(), true
	case alerting.Approaching:
		return nearing(), true
	case alerting.Ends:
		return ending(), true
	case alerting.Drifted:
		return drifted(), true
	case alerting.PricesMoved:
		return repriced(), true
	case alerting.Digested:
		return weekly(), true
	case alerting.OverBudget:
		return overspent(), true
	case alerting.Reminded:
		e := first()
		e.Reason = alerting.Reminded
		return e, true
	case alerting.Reopened:
		return disappointing(), true
	case alerting.Answered:
		return answered(), true
	case alerting.DataFaulty:
		return broken(), true
	case alerting.WorkloadNew, alerting.WorkloadGone:
		return sighted(r), true
	case alerting.Summed:
		return stormy(), true
	case alerting.Tested:
		return alerting.NewTest("", time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)), true
	case alerting.Unchanged, alerting.Waiting, alerting.NoData, alerting.Settled, alerting.Followed, alerting.Restarted, alerting.Swung, alerting.Allowed:
	}
	return alerting.Event{}, false
}

// sighted returns the message of a workload that began, or of one that ended.
func sighted(r alerting.Reason) alerting.Event {
	at := time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)
	usd := model.Quantiles[model.USD]{P10: 310, P50: 420, P90: 700}
	w := model.WorkloadReport{
		Workload: "summaries", Source: "gateway", Current: "haiku",
		Usage:    model.UsageSummary{FirstSample: new(at.AddDate(0, 0, -2)), LastSample: &at, Last30dTokens: new(model.Tokens(21.4e6))},
		Options:  []model.OptionCost{{Option: "haiku", Hosting: model.API, USDPerMonth: &usd}},
		Decision: model.Decision{ID: "0514a8524d8c", Recommendation: model.Stay, Option: "haiku", Reason: model.ReasonBelowMargin},
	}
	if r == alerting.WorkloadGone {
		w.Usage.FirstSample, w.Usage.LastSample = new(at.AddDate(0, 0, -90)), new(at.AddDate(0, 0, -2))
		w.Decision = model.Decision{ID: "0514a8524d8c", Recommendation: model.Unknown, Reason: model.ReasonUnknown, Because: "nothing was measured since 10 Nov 2026"}
	}
	return alerting.Event{Version: 1, ID: "c0ffee00c0ffee11", Reason: r, Severity: alerting.Info, Time: at, Workload: w.Workload, Report: w}
}

// switched returns the message of a workload that grew across its threshold.
func switched() alerting.Event {
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
			Forecast: &model.ForecastSummary{Next30dTokens: next, MonthlyGrowthRatio: 0.12, CalendarMonths: months(12.9e9, 1.12)}, CostAhead: costs(months(12.9e9, 1.12), haiku, hybrid),
			Options: []model.OptionCost{
				{
					Option: "haiku", Hosting: model.API, USDPerMonth: usd(17_866, 21_459, 25_737), USDPerMTok: new(model.USDPerMTok(1.58)),
					Prices: []model.PriceSource{{Source: "LiteLLM price map (MIT)", Date: "2026-08-01"}},
				},
				{Option: "llama-70b-2xh100", Hosting: model.SelfHosted, USDPerMonth: usd(21_038, 26_863, 26_863), USDPerMTok: new(model.USDPerMTok(1.98)), Replicas: new(int64(3)), Prospect: &model.Prospect{Months: 12, UpfrontUSD: 30_000, Advice: model.AdviceStay}},
				{
					Option: "base-plus-burst", Hosting: model.Hybrid, USDPerMonth: usd(15_212, 15_259, 15_814), USDPerMTok: new(model.USDPerMTok(1.13)),
					Replicas: new(int64(1)), OwnShareRatio: new(model.Fraction(0.997)),
					Warnings: []model.Warning{{Code: "ASSUMED_UTILIZATION", Text: "target utilization 0.60 is the table value, not measured"}},
				},
				{Option: "us-only", Hosting: model.API, Blocked: []string{"RESIDENCY"}, USDPerMonth: usd(9_000, 10_000, 11_000)},
			},
			Moved: &model.Moved{
				Since: time.Date(2026, 8, 3, 6, 0, 0, 0, time.UTC), Said: "aa14a8524d8c", Option: "haiku",
				Cost: model.CostChange{
					BeforeUSDPerMonth: 13_120, AfterUSDPerMonth: 21_459, ChangeUSDPerMonth: 8_339,
					Parts: []model.ChangePart{{Input: "volume", USDPerMonth: 7_905}, {Input: "mix", USDPerMonth: 1_214}, {Input: "cache", USDPerMonth: -780}},
				},
			},
			Crossover: &model.Crossover{
				Option: "llama-70b-2xh100", Against: "haiku", Reason: model.CrossoverFound,
				FirstTokensPerMonth: new(model.Tokens(17e9)), PermanentTokensPerMonth: new(model.Tokens(17e9)), State: model.StateBelow,
			},
			Decision: model.Decision{
				ID: "0514a8524d8c", Recommendation: model.Move, Option: "base-plus-burst", Hosting: model.Hybrid, Reason: model.ReasonSwitch,
				Because:           "at 13.5B tokens a month haiku costs $21,500 a month; base-plus-burst saves $6,200 of it (29%)",
				SavingUSDPerMonth: usd(2_653, 6_200, 9_923), ProbabilityCheaper: new(model.Fraction(0.95)), PaybackMonths: new(4.8),
				Prospect:        &model.Prospect{Months: 12, UpfrontUSD: 30_000, Advice: model.AdviceSwitchNow},
				AssumedCapacity: &model.AssumedCapacity{USDPerMonth: 5_872, Ratio: 0.16, Numbers: []string{"throughput of base-plus-burst"}},
				RuleOfThumb:     "self-hosted", DiffersBecause: "HYBRID_BEATS_PURE",
				WouldChange: []string{"less than 9.80B tokens a month: below that haiku alone is cheaper than base-plus-burst"},
			},
		},
	}
}

// months returns a projection of the twelve months from November 2026 on, that begins with first tokens in 730 hours and grows by the factor
// growth a month, ever slower and ever less sure.
func months(first model.Tokens, growth float64) []model.MonthProjection {
	var all []model.MonthProjection
	p50, spread := float64(first), 1.06
	for m := range 12 {
		begin := time.Date(2026, time.November+time.Month(m), 1, 0, 0, 0, 0, time.UTC)
		tokens := p50 * begin.AddDate(0, 1, 0).Sub(begin).Hours() / 730
		all = append(all, model.MonthProjection{
			Month:     begin.Format("2006-01"),
			Quantiles: model.Quantiles[model.Tokens]{P10: model.Tokens(tokens / spread), P50: model.Tokens(tokens), P90: model.Tokens(tokens * spread)},
		})
		p50 *= growth
		growth, spread = 1+(growth-1)*0.85, spread*1.04
	}
	return all
}

// costs returns what options cost in months, by what they cost at a volume of 730 hours.
func costs(months []model.MonthProjection, options ...priced) []model.CostAhead {
	var all []model.CostAhead
	for _, o := range options {
		a := model.CostAhead{Option: o.option}
		for _, m := range months {
			begin, err := time.Parse("2006-01", m.Month)
			if err != nil {
				panic(err)
			}
			at := func(t model.Tokens) model.USD {
				return o.at(t * model.Tokens(730/begin.AddDate(0, 1, 0).Sub(begin).Hours()))
			}
			a.Months = append(a.Months, model.MonthCost{Month: m.Month, Quantiles: model.Quantiles[model.USD]{P10: at(m.P10), P50: at(m.P50), P90: at(m.P90)}})
		}
		all = append(all, a)
	}
	return all
}

type priced struct {
	option string
	at     func(model.Tokens) model.USD
}

// What the options of the samples cost.
var (
	haiku  = priced{"haiku", func(t model.Tokens) model.USD { return model.USD(t) * 1.58e-6 }}
	hybrid = priced{"base-plus-burst", func(t model.Tokens) model.USD { return 15_212 + model.USD(max(0, t-13.27e9))*0.2e-6 }}
	llama  = priced{"llama-70b-2xh100", func(model.Tokens) model.USD { return 26_863 }}
)

// first returns the message of a workload whose first verdict is to move.
func first() alerting.Event {
	e := switched()
	e.Reason, e.Previous, e.Report.Moved = alerting.FirstSeen, "", nil
	return e
}

// returned returns the message that an announced move is withdrawn.
func returned() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.Returned, "base-plus-burst"
	e.Report.Decision = model.Decision{
		ID: "4514a8524d8c", Recommendation: model.Stay, Option: "haiku", Hosting: model.API, Reason: model.ReasonAlreadyBest,
		Because:     "at 8.40B tokens a month haiku costs $13,300 a month and no allowed option costs less; the next, base-plus-burst, costs $15,020 a month",
		WouldChange: []string{"more than 9.80B tokens a month: from there base-plus-burst is cheaper than haiku alone"},
	}
	e.Report.Crossover.Option = "base-plus-burst"
	e.Report.Crossover.FirstTokensPerMonth, e.Report.Crossover.PermanentTokensPerMonth = new(model.Tokens(9.8e9)), new(model.Tokens(9.8e9))
	used, next := model.Tokens(8.3e9), model.Quantiles[model.Tokens]{P10: 7.2e9, P50: 8.28e9, P90: 9.5e9}
	e.Report.Usage.Last30dTokens = &used
	e.Report.Moved = nil
	e.Report.Forecast = &model.ForecastSummary{Next30dTokens: next, MonthlyGrowthRatio: -0.04, CalendarMonths: months(8.3e9, 0.97)}
	e.Report.CostAhead = costs(months(8.3e9, 0.97), haiku, hybrid)
	e.Report.Options = []model.OptionCost{
		{Option: "haiku", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 11_534, P50: 13_272, P90: 15_220}, USDPerMTok: new(model.USDPerMTok(1.58))},
		{
			Option: "base-plus-burst", Hosting: model.Hybrid, USDPerMonth: &model.Quantiles[model.USD]{P10: 14_988, P50: 15_021, P90: 15_090},
			USDPerMTok: new(model.USDPerMTok(1.79)), Replicas: new(int64(1)), OwnShareRatio: new(model.Fraction(1)),
		},
	}
	return e
}

// swinging returns the message that the verdict on a workload changes too often, at a policy without margins.
func swinging() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.Unstable, "haiku"
	e.Unsettled = &alerting.Unsettled{Since: time.Date(2026, 11, 3, 6, 0, 0, 0, time.UTC), Changes: 4, Answers: []string{"haiku", "base-plus-burst"}}
	e.Report.Crossover, e.Report.Moved = nil, nil
	e.Report.Usage.Last30dTokens = new(model.Tokens(9.52e9))
	e.Report.Forecast = &model.ForecastSummary{
		Next30dTokens: model.Quantiles[model.Tokens]{P10: 8.5e9, P50: 9.65e9, P90: 11e9}, MonthlyGrowthRatio: 0.01, CalendarMonths: months(9.65e9, 1.01),
	}
	e.Report.CostAhead = costs(e.Report.Forecast.CalendarMonths, haiku, hybrid)
	e.Report.Options = []model.OptionCost{
		{Option: "haiku", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 13_617, P50: 15_459, P90: 17_622}, USDPerMTok: new(model.USDPerMTok(1.58))},
		{
			Option: "base-plus-burst", Hosting: model.Hybrid, USDPerMonth: &model.Quantiles[model.USD]{P10: 15_090, P50: 15_210, P90: 15_350},
			USDPerMTok: new(model.USDPerMTok(1.55)), Replicas: new(int64(1)), OwnShareRatio: new(model.Fraction(1)),
		},
	}
	e.Report.Decision = model.Decision{
		ID: "7514a8524d8c", Recommendation: model.Move, Option: "base-plus-burst", Hosting: model.Hybrid, Reason: model.ReasonSwitch,
		Because:           "at 9.78B tokens a month haiku costs $15,500 a month; base-plus-burst saves $200 of it (1.6%)",
		SavingUSDPerMonth: &model.Quantiles[model.USD]{P10: -1_595, P50: 247, P90: 2_382}, ProbabilityCheaper: new(model.Fraction(0.56)),
		WouldChange: []string{"less than 9.63B tokens a month: below that haiku alone is cheaper than base-plus-burst"},
	}
	return e
}

// blocked returns the message that the model of what serves a workload is retired sooner than a move takes; nothing else may be put off until then.
func blocked() alerting.Event {
	e := switched()
	e.Reason, e.Severity = alerting.Blocked, alerting.Warning
	e.Report.Crossover, e.Report.Moved = nil, nil
	e.Report.CostAhead = costs(e.Report.Forecast.CalendarMonths, haiku, llama)
	for i := range e.Report.Options {
		switch o := &e.Report.Options[i]; o.Option {
		case "haiku", "base-plus-burst":
			o.Blocked = []string{"RETIRED"}
			o.Warnings = []model.Warning{{Code: "RETIRES", Text: "the model of haiku is served until 2026-12-31; a move away would have to begin by 2026-11-02"}}
		case "llama-70b-2xh100":
			o.Prospect = nil
		}
	}
	e.Report.Decision = model.Decision{
		ID: "8514a8524d8c", Recommendation: model.Move, Option: "llama-70b-2xh100", Hosting: model.SelfHosted, Reason: model.ReasonCurrentInfeasible,
		Because:     "haiku may not serve this workload (RETIRED); llama-70b-2xh100 is the cheapest that may, at $26,900 a month",
		WouldChange: []string{},
	}
	return e
}

// homeless returns the message that no option may serve a workload.
func homeless() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.NoOption, ""
	for i := range e.Report.Options {
		e.Report.Options[i].Blocked = []string{"RESIDENCY"}
	}
	e.Report.Crossover = nil
	e.Report.Decision = model.Decision{
		ID: "5514a8524d8c", Recommendation: model.Move, Reason: model.ReasonNoFeasibleOption,
		Because: "no option may serve this workload: haiku (RESIDENCY); llama-70b-2xh100 (RESIDENCY); base-plus-burst (RESIDENCY); us-only (RESIDENCY)", WouldChange: []string{},
	}
	return e
}

// drifted returns the message that two inputs of a workload have drifted.
func drifted() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.Drifted, ""
	e.Report.Decision.Recommendation, e.Report.Decision.Option, e.Report.Decision.Reason = model.Stay, "haiku", model.ReasonAlreadyBest
	e.Drifts = []model.Drift{
		{
			Kind: "volume", Score: 1.4, Since: "2026-11-02", Material: true, CostUSDPerMonth: new(model.USD(7_310)),
			Text: "430M tokens a day since 2 Nov 2026, where 287M was to be expected; it adds $7,300 a month to the cost of haiku; the answer is the same without it",
		},
		{
			Kind: "cache_share", Score: 2.1, Since: "2026-11-05", Material: true, CostUSDPerMonth: new(model.USD(1_940)),
			Text: "11% of the prompt tokens come from a cache since 5 Nov 2026, where 34% was to be expected; it adds $1,900 a month to the cost of haiku; the answer is the same without it",
		},
	}
	return e
}

// nearing returns the message that a workload comes near its threshold.
func nearing() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.Approaching, ""
	e.Report.Crossover.CrossesOn, e.Report.Crossover.ActBy = "2027-04-12", "2026-12-20"
	e.Report.Options = e.Report.Options[:2]
	e.Report.Forecast.MonthlyGrowthRatio, e.Report.Forecast.CalendarMonths = 0.08, months(12.9e9, 1.08)
	e.Report.CostAhead = costs(months(12.9e9, 1.08), haiku, llama)
	e.Report.Decision = model.Decision{
		ID: "0514a8524d8c", Recommendation: model.Stay, Option: "haiku", Hosting: model.API, Reason: model.ReasonAlreadyBest,
		Because:     "at 13.5B tokens a month haiku costs $21,500 a month and no allowed option costs less; the next, llama-70b-2xh100, costs $26,900 a month",
		WouldChange: []string{"more than 17.0B tokens a month: from there llama-70b-2xh100 is cheaper"},
	}
	return e
}

// ending returns the message that the GPUs of a workload are reserved until a day from which on an API is right.
func ending() alerting.Event {
	e := returned()
	e.Reason, e.Previous = alerting.Ends, ""
	e.Report.Current, e.Report.Crossover = "llama-70b-2xh100", nil
	e.Report.Forecast.MonthlyGrowthRatio, e.Report.Forecast.CalendarMonths = 0, months(8.3e9, 1)
	e.Report.CostAhead = costs(months(8.3e9, 1), llama, haiku)
	e.Report.Options = []model.OptionCost{
		{
			Option: "llama-70b-2xh100", Hosting: model.SelfHosted, USDPerMonth: &model.Quantiles[model.USD]{P10: 26_863, P50: 26_863, P90: 26_863},
			USDPerMTok: new(model.USDPerMTok(3.2)), Replicas: new(int64(3)),
		},
		{
			Option: "haiku", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 11_534, P50: 13_272, P90: 15_220}, USDPerMTok: new(model.USDPerMTok(1.58)),
			Prospect: &model.Prospect{Months: 12, UpfrontUSD: 30_000, Advice: model.AdviceStay},
		},
	}
	e.Report.Decision = model.Decision{
		ID: "5514a8524d8c", Recommendation: model.Stay, Option: "llama-70b-2xh100", Hosting: model.SelfHosted, Reason: model.ReasonAlreadyBest,
		Because: "at 8.40B tokens a month llama-70b-2xh100 costs $26,900 a month, of which $25,400 stays due until 30 Apr 2027; no allowed option costs less than the $1,500 that leaving saves before then",
		Commitment: &model.Commitment{
			Option: "llama-70b-2xh100", Until: "2027-04-30", USDPerMonth: 25_400, AvoidableUSDPerMonth: 1_463, FullUSDPerMonth: 26_863,
			OptionAfter: "haiku", ReasonAfter: model.ReasonSwitch, SavingAfterUSDPerMonth: new(model.USD(13_591)), Flips: true, ActBy: "2027-01-31",
		},
		WouldChange: []string{"the end of the commitment to llama-70b-2xh100 on 2027-04-30: all of the $26,900 a month that llama-70b-2xh100 costs can be saved from then on, and a move to haiku saves $13,600 a month"},
	}
	return e
}

// weekly returns a digest.
func weekly() alerting.Event {
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee02", Reason: alerting.Digested, Time: time.Date(2026, 11, 16, 7, 0, 0, 0, time.UTC),
		Digest: &model.Digest{
			Quiet: 37, USDPerMonth: 182_400, Costed: 39, Graded: 38, ErrorRatio: 0.06,
			Month: &model.DigestMonth{Month: "2026-11", SpentUSD: 94_300, Projected: model.Quantiles[model.USD]{P10: 171_200, P50: 180_900, P90: 194_600}, Workloads: 39},
			Items: []model.DigestItem{
				{Workload: "support-chat", Kind: model.DigestDecide, Text: "move to base-plus-burst, saves $6,200 a month, since 12 Nov 2026", Receipt: "0514a8524d8c"},
				{Workload: "search", Kind: model.DigestApproaching, Text: "llama-70b-2xh100 will be cheaper, act by 20 Dec 2026", ActBy: "2026-12-20", Receipt: "1514a8524d8c"},
				{Source: "engines", Kind: model.DigestFault, Text: "nothing was read since 9 Nov 2026, 02:00 UTC: connection refused"},
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

// overspent returns the message that a month is going to cost more than a budget.
func overspent() alerting.Event {
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee03", Reason: alerting.OverBudget, Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC),
		Budget: &model.BudgetReport{
			Budget: "support", USD: 20_000, Month: "2026-11", PassesOn: "2026-11-26", SpentUSD: new(model.USD(9_120)),
			Projected: &model.Quantiles[model.USD]{P10: 21_340, P50: 23_430, P90: 26_280},
			Items: []model.BudgetItem{
				{Workload: "support-chat", USD: model.Quantiles[model.USD]{P10: 19_120, P50: 21_160, P90: 23_900}, SpentUSD: 8_240},
				{Workload: "summaries", USD: model.Quantiles[model.USD]{P10: 2_220, P50: 2_270, P90: 2_380}, SpentUSD: 880},
			},
			Unknown: []string{"pilot"},
		},
	}
}

// answered returns the message that somebody has taken note of a move.
func answered() alerting.Event {
	e := first()
	e.Reason = alerting.Answered
	e.Answer = &alerting.Answer{Text: "acknowledged", By: "maria (Slack user U0123ABCD)", Time: time.Date(2026, 11, 12, 9, 30, 0, 0, time.UTC), About: alerting.FirstSeen}
	return e
}

// disappointing returns the message that a move saves less than was promised.
func disappointing() alerting.Event {
	e := switched()
	e.Reason, e.Previous = alerting.Reopened, ""
	e.Outcome = &alerting.Outcome{From: "haiku", Made: time.Date(2026, 9, 28, 6, 0, 0, 0, time.UTC), Promised: 6_200, Saves: 1_480}
	e.Report.Current, e.Report.Crossover, e.Report.Moved = "base-plus-burst", nil, nil
	e.Report.Usage.Last30dTokens = new(model.Tokens(10.5e9))
	e.Report.Forecast = &model.ForecastSummary{Next30dTokens: model.Quantiles[model.Tokens]{P10: 9.2e9, P50: 10.4e9, P90: 11.8e9}, MonthlyGrowthRatio: -0.03}
	e.Report.Options = []model.OptionCost{
		{Option: "haiku", Hosting: model.API, USDPerMonth: &model.Quantiles[model.USD]{P10: 14_540, P50: 16_430, P90: 18_640}, USDPerMTok: new(model.USDPerMTok(1.58))},
		{
			Option: "base-plus-burst", Hosting: model.Hybrid, USDPerMonth: &model.Quantiles[model.USD]{P10: 14_910, P50: 14_950, P90: 15_080},
			USDPerMTok: new(model.USDPerMTok(1.44)), Replicas: new(int64(1)), OwnShareRatio: new(model.Fraction(1)),
		},
	}
	e.Report.Decision = model.Decision{
		ID: "6514a8524d8c", Recommendation: model.Stay, Option: "base-plus-burst", Hosting: model.Hybrid, Reason: model.ReasonAlreadyBest,
		Because:     "at 10.4B tokens a month base-plus-burst costs $14,950 a month and no allowed option costs less; the next, haiku, costs $16,400 a month",
		WouldChange: []string{"less than 9.46B tokens a month: below that haiku alone is cheaper than base-plus-burst"},
	}
	return e
}

// broken returns the message that a source is away and that another counts in another unit.
func broken() alerting.Event {
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee04", Reason: alerting.DataFaulty, Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC),
		Faults: []model.DataFault{
			{Source: "vllm-eu", Code: "SOURCE_DOWN", Text: "nothing was read since 12 Nov 2026, 01:00 UTC: connection refused"},
			{
				Source: "gateway", Workload: "support-chat", Code: "COUNTER_UNIT_CHANGED",
				Text: "the tokens of an hour are 1000 times what they were from 11 Nov 2026, 14:00 UTC on: another unit of the counter, not another use",
			},
		},
	}
}

// stormy returns the message that stands for many of one evaluation.
func stormy() alerting.Event {
	all := []alerting.Event{first(), switched(), returned(), nearing()}
	for i, name := range []string{"support-chat", "search", "summaries", "translation"} {
		all[i].Workload = name
	}
	return alerting.Event{
		Version: 1, ID: "c0ffee00c0ffee05", Reason: alerting.Summed, Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC),
		Storm: &alerting.Storm{
			Count: map[alerting.Reason]int{alerting.FirstSeen: 14, alerting.Switched: 2, alerting.Returned: 3, alerting.Approaching: 5},
			Named: all,
		},
	}
}
