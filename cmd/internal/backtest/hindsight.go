package backtest

import (
	"maps"
	"slices"
	"time"

	"tipline/alerting"
	"tipline/cmd/internal/daemon"
	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

const (
	day    = 24 * time.Hour
	period = 30 * day // over which a volume is added up: that of the forecast protocol's crossings
)

// observed is a workload at one evaluation, as it is known afterwards.
type observed struct {
	at       time.Time
	tokens   model.Tokens         // of the 30 days before at, or of its life if that is shorter, brought to a month of 730 hours
	covered  model.Fraction       // share of them that was measured
	blocked  bool                 // the option in use could not have served them
	unserved bool                 // no option could have served them
	costs    map[string]model.USD // a month, of the options that could have served them, at the prices of that day; of the current one what would stop being paid on leaving it
}

// hindsight is what is known afterwards of one workload.
type hindsight struct {
	days      []observed
	crossings []Crossing
	state     alerting.State
}

// observe adds what the evaluation at now says of the 30 days before it. w is its report and in what it rested on. The engine is that of the evaluation, alert
// state and all, and so are the prices, the policy and the shape of the load; the projection alone gives way to what was used.
func (h *hindsight) observe(w model.WorkloadReport, in decide.Input, now time.Time) {
	tokens, mix, ok := used(w.Usage, now)
	if !ok || now.Sub(*w.Usage.FirstSample) < in.Policy.MinHistory {
		return
	}
	in.Forecast = certain(in.Forecast, tokens, mix)
	v := decide.Decide(in)
	o := observed{at: now, tokens: tokens * model.Tokens(cost.Float(cost.DefaultHours)/period.Hours()), covered: w.Usage.CoverageRatio, costs: map[string]model.USD{}}
	for _, option := range v.Options {
		if option.USDPerMonth != nil && (len(option.Blocked) == 0 || option.Option == w.Current) {
			o.costs[option.Option] = option.USDPerMonth.P50
		}
	}
	if c := v.Decision.Commitment; c != nil { // what stays due is paid on either
		o.costs[w.Current] = c.AvoidableUSDPerMonth
	}
	o.unserved = v.Decision.Reason == model.ReasonNoFeasibleOption
	o.blocked = o.unserved || v.Decision.Reason == model.ReasonCurrentInfeasible
	h.days = append(h.days, o)

	policy := daemon.AlertPolicy(in.Policy)
	before := h.state
	var reason alerting.Reason
	h.state, reason = before.Next(model.WorkloadReport{Workload: w.Workload, Current: w.Current, Options: v.Options, Decision: v.Decision}, now, policy)
	began := now
	if before.Candidate == h.state.Standing {
		began = before.Since
	}
	if last := len(h.crossings) - 1; reason == alerting.Returned && last >= 0 {
		h.crossings[last].ended = began
	}
	moves := reason == alerting.FirstSeen || reason == alerting.Switched || reason == alerting.Blocked
	if first := before.Standing == ""; moves && (first || before.Standing == w.Current) {
		h.crossings = append(h.crossings, Crossing{
			At: began, Workload: w.Workload, From: w.Current, To: h.state.Standing, AtStart: first,
			patience: time.Duration(policy.Confirmations) * max(policy.ConfirmEvery, day),
		})
	}
}

// used returns what was used in the 30 days before now and its split over the classes, and false when that is not known. What was not measured counts as what
// was.
func used(u model.UsageSummary, now time.Time) (tokens model.Tokens, mix [model.NumClasses]model.Fraction, ok bool) {
	if u.Last30dTokens == nil || *u.Last30dTokens <= 0 || u.CoverageRatio <= 0 || u.FirstSample == nil {
		return 0, mix, false
	}
	for _, c := range model.Classes {
		mix[c] = model.Fraction(u.Last30dClassTokens[c.String()] / *u.Last30dTokens)
	}
	life := min(period, now.Sub(*u.FirstSample))
	return *u.Last30dTokens / model.Tokens(u.CoverageRatio) * model.Tokens(period/time.Hour) / model.Tokens(life.Hours()), mix, life > 0
}

// certain returns f as if it were known that every 30 days to come have the given tokens and mix.
func certain(f model.Forecast, tokens model.Tokens, mix [model.NumClasses]model.Fraction) model.Forecast {
	if before := f.Next[model.Next30d].Total.At(0.50); before > 0 {
		f.Requests30d *= float64(tokens / before)
	}
	constant := func(spans []model.Projection) []model.Projection {
		spans = slices.Clone(spans)
		for i, p := range spans {
			for q := range p.Total {
				spans[i].Total[q] = tokens * model.Tokens(p.To.Sub(p.From).Hours()/period.Hours())
			}
			spans[i].Mix = mix
		}
		return spans
	}
	f.Next, f.Months, f.MonthlyGrowth = constant(f.Next), constant(f.Months), 0
	return f
}

// crossed returns the crossings of all workloads, the earliest first. One that is taken back within two periods was none: so long a burst is seen in the volume of 30 days.
func crossed(all map[string]*hindsight) []Crossing {
	crossings := []Crossing{}
	for _, workload := range slices.Sorted(maps.Keys(all)) {
		for _, c := range all[workload].crossings {
			if c.ended.IsZero() || c.ended.Sub(c.At) > 2*period {
				crossings = append(crossings, c)
			}
		}
	}
	slices.SortStableFunc(crossings, func(a, b Crossing) int { return a.At.Compare(b.At) })
	return crossings
}
