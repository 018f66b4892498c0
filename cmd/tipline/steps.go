package main

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// steps retells the recommendation procedure (cost model, section 11), up to the step that decided.
func (e *explainer) steps() {
	w, d := e.r.Workload, e.r.Workload.Decision
	if len(w.Options) == 0 {
		return
	}
	e.title("HOW THE DECISION WAS MADE")
	n := 0
	step := func(format string, args ...any) { n++; e.line("  %d. %s", n, fmt.Sprintf(format, args...)) }
	if e.in != nil {
		step("What the workload demands: %s.", demands(e.in.Constraints))
	}
	step("%s", blockedText(w.Options))
	best, now := optionOf(w.Options, d.Best), optionOf(w.Options, w.Current)
	switch {
	case d.Reason == model.ReasonNoFeasibleOption:
		step("Nothing is left: %s.", d.Because)
		return
	case d.Reason == model.ReasonUnknown || best == nil || now == nil || best.USDPerMonth == nil:
		step("No verdict: %s.", sentence(d.Because))
		return
	}
	step("The cheapest that is allowed, at the projected volume: %s, %s a month.", best.Option, cents(best.USDPerMonth.P50))
	if len(now.Blocked) > 0 {
		step("%s, in use now, may not serve it any more, so the cheapest is to be taken whatever it costs. [%s]", now.Option, d.Reason)
		return
	}
	if d.Reason == model.ReasonAlreadyBest || now.USDPerMonth == nil {
		step("That is what is in use now, or nothing is saved by leaving it: stay. [%s]", d.Reason)
		return
	}
	saving := now.USDPerMonth.P50 - best.USDPerMonth.P50
	step("Against %s, in use now at %s, that saves %s − %s = %s a month, %s.", now.Option, cents(now.USDPerMonth.P50),
		cents(now.USDPerMonth.P50), cents(best.USDPerMonth.P50), cents(saving), ratio(d.SavingRatio))
	if e.in == nil {
		step("The outcome: %s.", d.Reason)
		return
	}
	e.bars(step, *best, saving)
}

// bars retells the steps that a saving must pass.
func (e *explainer) bars(step func(string, ...any), best model.OptionCost, saving model.USD) {
	d, policy := e.r.Workload.Decision, e.in.Policy
	verdict := func(failed string) string {
		if d.Reason == failed {
			return "not enough: stay. [" + failed + "]"
		}
		return "passed."
	}
	step("It must be %s of the current cost and %s a month at least: %s", percent(policy.Enter), dollars(policy.MinSavingUSD), verdict(model.ReasonBelowMargin))
	if d.Reason == model.ReasonBelowMargin {
		return
	}
	if p := best.ProbabilityCheaper; p != nil {
		step("It must hold over the next 12 months in %s of the futures at least, and does in %s: %s", percent(policy.MinProbability), model.FormatPercent(*p), verdict(model.ReasonUncertain))
	}
	if d.Reason == model.ReasonUncertain {
		return
	}
	if m := d.PaybackMonths; m != nil && policy.MaxPaybackMonths != nil {
		step("Moving costs %s once, which %s a month pay back in %.1f months; at most %s are allowed: %s", cents(model.USD(*m)*saving), cents(saving), *m,
			cost.Decimal(policy.MaxPaybackMonths), verdict(model.ReasonPaybackTooLong))
	} else {
		step("Moving costs nothing that the configuration names.")
	}
	if d.Reason == model.ReasonPaybackTooLong {
		return
	}
	if v := best.Prospect; v != nil {
		pays := ""
		if v.PaysProbability != nil {
			pays = fmt.Sprintf(", something in %s of futures,", model.FormatPercent(*v.PaysProbability))
		}
		step("Over %d months moving now is worth %s%s and deciding in %s, knowing more, %s. Waiting must not be worth more than moving now or never, and is worth %s more: %s",
			v.Months, model.FormatUSD(v.NPVUSD), pays, count(v.WaitMonths, "month"), model.FormatUSD(v.NPVAfterWaitUSD), model.FormatUSD(v.ValueOfWaitingUSD), verdict(model.ReasonWait))
	}
	if d.Reason == model.ReasonSwitch {
		confirmed := "which one evaluation confirms"
		if policy.Confirmations > 1 {
			confirmed = fmt.Sprintf("once %d evaluations in a row, %s apart, say so", policy.Confirmations, days(policy.ConfirmEvery))
		}
		step("So: move to %s, %s. [%s]", best.Option, confirmed, d.Reason)
	}
}

func optionOf(options []model.OptionCost, name string) *model.OptionCost {
	i := slices.IndexFunc(options, func(o model.OptionCost) bool { return o.Option == name })
	if i < 0 {
		return nil
	}
	return &options[i]
}

// demands says c in words.
func demands(c decide.Constraints) string {
	parts := []string{fmt.Sprintf("data %s", c.Sensitivity), fmt.Sprintf("operations %s", c.OpsCapacity)}
	if len(c.Residency) > 0 {
		parts = append(parts, "in "+strings.Join(c.Residency, " or "))
	}
	if c.TTFTLimit > 0 {
		parts = append(parts, fmt.Sprintf("first token within %s for 95%% of requests", c.TTFTLimit))
	}
	if c.Model != "" {
		parts = append(parts, "model "+c.Model)
	}
	if c.FineTuned {
		parts = append(parts, "weights of its own")
	}
	if c.Batch {
		parts = append(parts, "may wait (batch)")
	}
	return strings.Join(parts, ", ")
}

// blockedText says which options are blocked and why.
func blockedText(options []model.OptionCost) string {
	var parts []string
	for _, o := range options {
		if len(o.Blocked) > 0 {
			parts = append(parts, fmt.Sprintf("%s (%s)", o.Option, model.BlockedText(o.Blocked)))
		}
	}
	if parts == nil {
		return "Blocked by that: none of the options."
	}
	return "Blocked by that: " + strings.Join(parts, ", ") + "."
}

func ratio(f *model.Fraction) string {
	if f == nil {
		return "a share that is not known"
	}
	return model.FormatPercent(*f) + " of it"
}

func percent(r *big.Rat) string {
	if r == nil {
		return "0%"
	}
	f, _ := r.Float64()
	return model.FormatPercent(model.Fraction(f))
}

func dollars(r *big.Rat) string {
	if r == nil {
		return "$0"
	}
	f, _ := r.Float64()
	return model.FormatUSD(model.USD(f))
}

// days writes a duration in days where it is whole days.
func days(d time.Duration) string {
	if d > 0 && d%(24*time.Hour) == 0 {
		return count(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}
