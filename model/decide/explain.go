package decide

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"tipline/model"
)

// The codes that say why the answer differs from the rule of thumb (cost model, section 10).
const (
	BillTooSmall        = "BILL_TOO_SMALL"
	UnitFloor           = "UNIT_FLOOR"
	DearModel           = "DEAR_MODEL"
	HybridBeatsPure     = "HYBRID_BEATS_PURE"
	ApprovedAPI         = "APPROVED_API"
	ManagedSameBoundary = "MANAGED_SAME_BOUNDARY"
	Latency             = "LATENCY"
	ModelConstraint     = "MODEL"
	NotWorthMoving      = "NOT_WORTH_MOVING"
)

// explanation turns a choice into a decision with its reasons in words.
type explanation struct {
	in         *Input
	demand     demand
	configured map[string]Option // by name
	all        []*costed
	now        *costed
	api        *costed // nil without an API to compare with
	best       *costed // nil when nothing is feasible
	choice     Choice
	sunk       *sunkCost // what stays due of the current option in any case; nil when nothing does
	after      Choice    // the choice once it does no more

	options []model.OptionCost // of all, in their order
}

func (e explanation) decision() model.Decision {
	d := model.Decision{
		Option: e.choice.Recommended, Reason: e.choice.Reason, Best: e.choice.Best, Because: e.because(),
		WouldChange: slices.Insert(e.wouldChange(), 0, slices.Concat(e.afterCommitment(), e.repriced())...), Commitment: e.commitment(), Constraints: e.constraintPrices(),
	}
	d.WouldChange = append(d.WouldChange, e.lifted(d.Constraints)...)
	switch {
	case e.choice.Reason == model.ReasonUnknown, e.choice.Reason == model.ReasonNoFeasibleOption:
		d.Recommendation = model.Unknown
	case e.choice.Recommended == e.in.Current:
		d.Recommendation = model.Stay
	default:
		d.Recommendation = model.Move
	}
	d.AssumedCapacity = e.assumedCapacity(e.options)
	if chosen := find(e.all, e.choice.Recommended); chosen != nil {
		d.Hosting = chosen.option.Hosting
	}
	if e.best != nil && e.best != e.now {
		i := slices.Index(e.all, e.best)
		d.SavingUSDPerMonth, d.ProbabilityCheaper = e.options[i].SavingUSDPerMonth, e.options[i].ProbabilityCheaper
		d.Prospect = e.options[i].Prospect
		if m := orZero(e.best.option.MigrationCost); m.Sign() > 0 && e.choice.Saving != nil && e.choice.Saving.Sign() > 0 {
			months := float(new(big.Rat).Quo(m, e.choice.Saving))
			d.PaybackMonths = &months
		}
	}
	if f := e.choice.SavingFraction; f != nil {
		ratio := fraction(f)
		d.SavingRatio = &ratio
	}
	rule, err := RuleOfThumb(e.in.Constraints.Sensitivity, e.in.Constraints.OpsCapacity, e.demand.median)
	if err == nil {
		d.RuleOfThumb = ruleOfThumbText(rule)
		d.DiffersBecause = e.differsBecause(rule, d)
	}
	return d
}

// subject returns the option whose crossover the decision is about: the best one if it is a fleet, otherwise the fleet of
// the current hosting, otherwise the allowed fleet that comes nearest to the API's cost; one that its quota rules out comes last.
func (e explanation) subject() *costed {
	for _, c := range []*costed{e.best, e.now} {
		if c != nil && c.crossover != nil {
			return c
		}
	}
	var nearest *costed
	for _, c := range e.all {
		if c.crossover == nil || len(c.blocked) > 0 {
			continue
		}
		nearer := nearest == nil || c.median.usd != nil && (nearest.median.usd == nil || c.median.usd.Cmp(nearest.median.usd) < 0)
		if nearer {
			nearest = c
		}
	}
	return nearest
}

// because says in one sentence what decided.
func (e explanation) because() string {
	percent := func(r *big.Rat) string { return model.FormatPercent(fraction(r)) }
	volume := tokensText(e.demand.median) + " tokens a month"
	switch e.choice.Reason {
	case model.ReasonNoFeasibleOption:
		var reasons []string
		for _, c := range e.all {
			why := strings.Join(c.blocked, ", ")
			if why == "" {
				why = c.median.infeasible
			}
			reasons = append(reasons, fmt.Sprintf("%s (%s)", c.option.Name, why))
		}
		return "no option may serve this workload: " + strings.Join(reasons, "; ")
	case model.ReasonUnknown:
		for _, c := range e.all {
			if c.problem != "" && (c == e.now || e.best == nil) {
				return fmt.Sprintf("%s has no cost: %s", c.option.Name, c.problem)
			}
		}
		return "the cost of the current option is not known"
	case model.ReasonCurrentInfeasible:
		why := strings.Join(e.now.blocked, ", ")
		if why == "" {
			why = e.now.median.infeasible
		}
		return fmt.Sprintf("%s may not serve this workload (%s); %s is the cheapest that may, at %s%s",
			e.in.Current, why, e.best.option.Name, e.costOf(e.best), after(", by a model change: ", e.best.modelChange))
	case model.ReasonAlreadyBest:
		if runnerUp := e.runnerUp(); runnerUp != nil {
			return fmt.Sprintf("at %s %s costs %s and no allowed option costs less; the next, %s, costs %s",
				volume, e.in.Current, e.costOf(e.now), runnerUp.option.Name, e.costOf(runnerUp))
		}
		return fmt.Sprintf("at %s %s costs %s and no other option is allowed", volume, e.in.Current, e.costOf(e.now))
	}
	saving := fmt.Sprintf("at %s %s costs %s; %s saves %s of it (%s%s)", volume,
		e.in.Current, e.costOf(e.now), e.best.option.Name, e.saved(), percentOf(e.choice.SavingFraction), after(", by a model change: ", e.best.modelChange))
	switch e.choice.Reason {
	case model.ReasonBelowMargin:
		return fmt.Sprintf("%s, below the margin of %s and %s a month", saving,
			percent(orZero(e.in.Policy.Enter)), model.FormatUSD(usd(orZero(e.in.Policy.MinSavingUSD))))
	case model.ReasonUncertain:
		return fmt.Sprintf("%s, but it is cheaper over the next year with a probability of only %s, below %s", saving,
			model.FormatPercent(*e.best.probability), percent(orZero(e.in.Policy.MinProbability)))
	case model.ReasonPaybackTooLong:
		months := new(big.Rat).Quo(orZero(e.best.option.MigrationCost), e.choice.Saving)
		return fmt.Sprintf("%s, but moving costs %s, which takes %s months to come back, above %s", saving,
			model.FormatUSD(usd(orZero(e.best.option.MigrationCost))), months.FloatString(1), orZero(e.in.Policy.MaxPaybackMonths).FloatString(0))
	case model.ReasonWait:
		p := e.best.prospect
		return fmt.Sprintf("%s, but moving now is worth %s over the next %d months, and deciding in %d months, knowing more, %s", saving,
			model.FormatUSDAbout(p.NPVUSD), p.Months, p.WaitMonths, model.FormatUSDAbout(p.NPVAfterWaitUSD))
	}
	return saving
}

// saved says what the best option saves a month.
func (e explanation) saved() string {
	saving := usd(e.choice.Saving)
	if known := e.options[slices.Index(e.all, e.best)].SavingUSDPerMonth; known != nil {
		return model.FormatUSDKnown(saving, *known)
	}
	return model.FormatUSDAbout(saving)
}

// known returns the range of what c costs, which is one of all.
func (e explanation) known(c *costed) model.Quantiles[model.USD] {
	if q := e.options[slices.Index(e.all, c)].USDPerMonth; q != nil {
		return *q
	}
	return model.Quantiles[model.USD]{}
}

// aMonth says what c costs.
func (e explanation) aMonth(c *costed) string {
	return model.FormatUSDKnown(usd(c.median.usd), e.known(c)) + " a month"
}

// costOf says what c costs, and what of it is due in any case.
func (e explanation) costOf(c *costed) string {
	text := e.aMonth(c)
	if e.sunk == nil || c.due.Cmp(c.median.usd) == 0 {
		return text
	}
	return fmt.Sprintf("%s (%s without what is due until %s in any case)", text, model.FormatUSDKnown(usd(c.due), e.known(c)), e.sunk.lastDay())
}

func percentOf(r *big.Rat) string {
	if r == nil {
		return "unknown share"
	}
	return model.FormatPercent(fraction(r))
}

// runnerUp returns the cheapest allowed option besides the current one.
func (e explanation) runnerUp() *costed {
	var next *costed
	for _, c := range e.all {
		if c == e.now || len(c.blocked) > 0 || c.median.usd == nil {
			continue
		}
		if next == nil || c.due.Cmp(next.due) < 0 {
			next = c
		}
	}
	return next
}

// differsBecause returns the code for why the decision d is not the rule's, empty when they agree or the verdict is unknown.
func (e explanation) differsBecause(rule model.Hosting, d model.Decision) string {
	if d.Recommendation == model.Unknown || d.Hosting == rule {
		return ""
	}
	if d.Hosting == model.Hybrid {
		return HybridBeatsPure
	}
	if code := e.ruledOut(rule); code != "" {
		return code
	}
	regulated := e.in.Constraints.Sensitivity == Regulated
	switch {
	case regulated && d.Hosting == model.API:
		return ApprovedAPI
	case regulated && rule == model.SelfHosted && d.Hosting == model.CloudManaged:
		return ManagedSameBoundary
	case rule == model.API:
		return DearModel
	case d.Hosting == model.API:
		return e.whyNotFleet(rule)
	case e.now.option.Hosting == d.Hosting && d.Reason != model.ReasonAlreadyBest:
		return NotWorthMoving
	}
	return ""
}

// ruledOut returns the code for a constraint that blocks every option of the rule's hosting.
func (e explanation) ruledOut(rule model.Hosting) string {
	var code string
	for _, c := range e.all {
		if c.option.Hosting != rule {
			continue
		}
		switch {
		case slices.Contains(c.blocked, TTFTSLA):
			code = Latency
		case slices.Contains(c.blocked, FineTunedWeights), slices.Contains(c.blocked, ClosedWeights), slices.Contains(c.blocked, ModelUnavailable):
			code = ModelConstraint
		default:
			return ""
		}
	}
	return code
}

// whyNotFleet says why the API wins although the rule asks for a fleet.
func (e explanation) whyNotFleet(rule model.Hosting) string {
	for _, c := range e.all {
		if c.option.Hosting != rule || c.crossover == nil {
			continue
		}
		if rho := c.breakeven; rho == nil || rho.Cmp(big.NewRat(1, 1)) >= 0 {
			return UnitFloor
		}
		smallest := c.at(new(big.Rat)).usd
		if smallest != nil && e.api != nil && e.api.median.usd != nil && e.api.median.usd.Cmp(smallest) < 0 {
			return BillTooSmall
		}
	}
	return NotWorthMoving
}
