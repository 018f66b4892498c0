package decide

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// monthsAhead is how many calendar months the probability of being cheaper looks at (cost model, section 8).
const monthsAhead = 12

// costed is a plan with its bill at the median volume.
type costed struct {
	*plan
	fast        fast
	later       []later // the same at prices that are announced
	blocked     []string
	median      bill
	due         *big.Rat // USD a month that the decision compares: of the median cost what does not stay due in any case
	crossover   *cost.Crossover
	against     string   // the API that crossover compares with
	breakeven   *big.Rat // ρ at what that API charges on average; nil when that is not above the variable cost
	probability *model.Fraction
	prospect    *model.Prospect
	alike       bool   // it is known to serve the models of the current option
	modelChange string // from which models to which others a move there is; empty when to none, or not known
}

// Decide costs every candidate at the projected volume and runs the recommendation procedure (cost model, sections 8 to 11).
//
// The projected 30 days are brought to a month of 730 hours, the month for which capacity is paid. The cost of the current
// option is what would stop being paid on leaving it: for a rented fleet that is all of it, GPU hours and operations; of one that
// is committed it is what goes beyond the commitment, until that ends (section 4.10).
// A decision that lacks an input is Unknown and says which.
func Decide(in Input) Verdict {
	e, why := compare(in)
	if why != "" {
		return undecided(why)
	}
	return e.verdict()
}

// WithBreakEvens is Decide and BreakEvens of the same candidates.
func WithBreakEvens(in Input) (Verdict, *model.BreakEvens) {
	e, why := compare(in)
	if why != "" {
		return undecided(why), nil
	}
	return e.verdict(), e.breakEvens()
}

// compare prices the candidates of in. Why says why nothing can be compared; it is empty otherwise.
func compare(in Input) (e explanation, why string) {
	d, ok := in.demand()
	if !ok {
		return e, "no volume is projected, so there is nothing to compare"
	}
	e = explanation{in: &in, demand: d}
	e.all, e.configured = candidates(in, d)
	if e.now = find(e.all, in.Current); e.now == nil {
		return e, fmt.Sprintf("the current option %q is not configured", in.Current)
	}
	e.api = e.comparator()
	return e, ""
}

// verdict decides among what e compares.
func (e explanation) verdict() Verdict {
	in, d, all, now, api := *e.in, e.demand, e.all, e.now, e.api
	for _, c := range all {
		if api == nil || c.fleet == nil && c.scaled == nil || c.option.Hosting == model.Hybrid {
			continue
		}
		var x cost.Crossover
		if c.scaled != nil {
			x = c.fast.scaled.Find(api.rate, c.scaled.variable)
		} else {
			x = cost.FindCrossover(api.rate, c.fleet)
		}
		c.crossover, c.against, c.breakeven = &x, api.option.Name, x.BreakevenAt(api.rate.Effective(d.median))
	}
	if e.sunk = sink(now, in.Options, in.Forecast.Origin); e.sunk != nil {
		e.after = e.choose(nil)
	}
	e.choice = e.choose(e.sunk)
	e.best = find(all, e.choice.Best)
	v := Verdict{in: e.in, tenants: e.tenants(), Options: make([]model.OptionCost, 0, len(all))}
	for _, c := range all {
		o := c.summary(in, e.configured, d, now)
		o.Capacity = c.capacityNumbers(in, e.configured)
		if c.crossover != nil {
			c.crossesByPrice(in, api, o.Crossover)
			o.Warnings = append(o.Warnings, c.sensitivity(o.Crossover, api)...)
		}
		o.ExclusionUSDPerMonth = e.exclusionPrice(c)
		v.Options = append(v.Options, o)
	}
	e.options = v.Options
	v.Decision = e.decision()
	v.joiners = e.joiners(v.Decision)
	if subject := e.subject(); subject != nil {
		i := slices.Index(all, subject)
		v.Crossover = v.Options[i].Crossover
		v.Crossover.Tornado = subject.tornado(api, d, in.Constraints.Batch)
	}
	return v
}

// choose runs the recommendation procedure when what s says stays due of the current option in any case, and keeps with every
// candidate what its cost was taken to be, how probable it is to be cheaper and what a move there is worth.
func (e explanation) choose(s *sunkCost) Choice {
	for _, c := range e.all {
		c.bear(s)
	}
	ahead := newFuture(*e.in, e.now, s)
	priced := make([]Priced, len(e.all))
	for i, c := range e.all {
		migration := orZero(c.option.MigrationCost)
		priced[i] = Priced{
			Name: c.option.Name, Hosting: c.option.Hosting, Cost: c.due, Migration: migration,
			Blocked: len(c.blocked) > 0 || c.problem == "" && c.due == nil,
		}
		if c == e.now || c.due == nil || e.now.due == nil {
			continue
		}
		saved := ahead.saved(c)
		c.probability = new(probability(saved, float(migration)))
		c.prospect = ahead.prospect(saved, float(migration))
		priced[i].Probability = new(big.Rat).SetFrac64(int64(float64(*c.probability)*19+0.5), 19)
		priced[i].Waits = c.prospect != nil && c.prospect.Advice != model.AdviceSwitchNow
	}
	return Recommend(priced, e.in.Current, e.in.Policy)
}

// enginePrefixHit returns the share of the input that was found in a prefix cache, where the workload runs on engines now. The
// cache of an API says nothing about what the engines of a fleet would find in theirs, so nil is returned for it.
func enginePrefixHit(in Input, d demand) *big.Rat {
	runsOnEngines := slices.ContainsFunc(in.Options, func(o Option) bool {
		return o.Name == in.Current && (o.Hosting == model.SelfHosted || o.Hosting == model.CloudManaged)
	})
	read := d.mix[model.CacheRead]
	input := new(big.Rat).Sub(big.NewRat(1, 1), d.mix[model.Output])
	if !runsOnEngines || read.Sign() == 0 || input.Sign() == 0 {
		return nil
	}
	return new(big.Rat).Quo(read, input)
}

func undecided(why string) Verdict {
	return Verdict{Options: []model.OptionCost{}, Decision: model.Decision{
		Recommendation: model.Unknown, Reason: model.ReasonUnknown, Because: why, WouldChange: []string{},
	}}
}

// candidates prices every candidate, the current option among them, each name once, and returns with them all options by name; both as they
// are when the forecast begins.
func candidates(in Input, d demand) (all []*costed, options map[string]Option) {
	options = make(map[string]Option, len(in.Options))
	for _, o := range in.Options {
		options[o.Name] = o.at(in.Forecast.Origin)
	}
	d.fits = map[string]fit{}
	seen := map[string]bool{}
	for _, name := range append(slices.Clone(in.Candidates), in.Current) {
		o, known := options[name]
		if !known || seen[name] {
			continue
		}
		seen[name] = true
		if o.followsLoad() && d.shape == nil {
			d.shape, d.hourly = cost.LoadOf(d.load), newCurve(d.load)
		}
		c := &costed{plan: newPlan(o, options, in.Constraints, d)}
		if c.problem == "" {
			c.fast = newFast(c.plan)
			c.later = announced(name, in, d)
		}
		c.ends(options, in.Forecast.Origin)
		c.retires(options, in)
		c.aged(in)
		c.blocked = blocked(in, o, options)
		c.warnUnknownLatency(in, options)
		c.warnModelChange(in, options)
		c.median = c.at(d.median)
		all = append(all, c)
	}
	return all, options
}

// warnUnknownLatency warns when there is a limit of the time to first token and nobody knows whether c keeps it.
func (c *costed) warnUnknownLatency(in Input, options map[string]Option) {
	if in.Constraints.TTFTLimit == 0 || c.option.Name == in.Current && in.TTFTP95 != nil {
		return
	}
	parts := []Option{c.option}
	switch o := c.option; {
	case o.Hosting != model.Hybrid || o.TTFTP95 != 0:
	case o.Apart:
		parts = []Option{options[o.Base]}
	default:
		parts = []Option{options[o.Base], options[o.Overflow]}
	}
	for _, part := range parts {
		if part.TTFTP95 == 0 {
			c.warn("TTFT_UNKNOWN", "the time to first token of %s is not known, so the limit of %s is not checked", part.Name, in.Constraints.TTFTLimit)
		}
	}
}

// blocked returns the reasons against o. A hybrid is blocked by whatever blocks its base or its overflow.
func blocked(in Input, o Option, options map[string]Option) []string {
	var ttft time.Duration
	if o.Name == in.Current && in.TTFTP95 != nil {
		ttft = *in.TTFTP95
	}
	reasons := allBlocked(in.Constraints, o, options, ttft)
	for _, part := range o.parts(options) {
		if part.retired(in.Forecast.Origin, in.Policy.LeadTime) {
			return append(reasons, Retired)
		}
	}
	return reasons
}

// allBlocked returns what Blocked has against o and, when it is a hybrid, against its base and its overflow.
func allBlocked(c Constraints, o Option, options map[string]Option, ttft time.Duration) []string {
	if o.Hosting != model.Hybrid {
		return Blocked(c, o, ttft)
	}
	base, overflow := options[o.Base], options[o.Overflow]
	demands := [2]Constraints{c, c} // of the two
	if o.Apart {
		demands = [2]Constraints{c.urgent(), c.waiting()}
	}
	approved := func(part Option) bool { return part.Hosting != model.API || part.ApprovedForRegulated }
	staffed := func(part Option) bool {
		return part.Hosting == model.API || part.OpsIncluded || o.Apart && part.Hosting == model.CloudManaged
	}
	o.ApprovedForRegulated = approved(base) && approved(overflow)
	o.OpsIncluded = staffed(base) && staffed(overflow)
	if len(o.Regions) == 0 {
		o.Regions = overflow.Regions
	}
	reasons := Blocked(demands[0], o, ttft)
	for i, part := range []Option{base, overflow} {
		for _, reason := range Blocked(demands[i], part, 0) {
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons
}

// comparator returns the API that fleets are compared with: the current option when it is one, otherwise the cheapest that is allowed of those that
// serve the same weights as the current option, or of all when none is said to (cost model, section 2.3); nil when there is none.
func (e explanation) comparator() *costed {
	if e.now.option.Hosting == model.API && e.now.problem == "" {
		return e.now
	}
	var cheapest *costed
	for _, c := range e.all {
		if c.option.Hosting != model.API || len(c.blocked) > 0 || c.median.usd == nil {
			continue
		}
		if cheapest == nil || c.alike && !cheapest.alike || c.alike == cheapest.alike && c.median.usd.Cmp(cheapest.median.usd) < 0 {
			cheapest = c
		}
	}
	return cheapest
}

// summary returns what a report says of c.
func (c *costed) summary(in Input, options map[string]Option, d demand, now *costed) model.OptionCost {
	o := model.OptionCost{
		Option: c.option.Name, Hosting: c.option.Hosting, Blocked: c.blocked, Infeasible: c.median.infeasible,
		ProbabilityCheaper: c.probability, Prospect: c.prospect, Parts: []model.CostPart{}, Prices: slices.Clone(c.option.Prices), Warnings: slices.Clone(c.warnings),
	}
	if o.Prices == nil {
		o.Prices = []model.PriceSource{}
	}
	if o.Warnings == nil {
		o.Warnings = []model.Warning{}
	}
	for _, part := range c.parts() {
		if o.Account == nil {
			o.Account = in.account(part.api)
		}
		for _, w := range in.uncounted(part.api) {
			if !slices.Contains(o.Warnings, w) {
				o.Warnings = append(o.Warnings, w)
			}
		}
	}
	if o.Account != nil && c.median.usd != nil {
		o.Account.ShareUSDPerMonth = c.share(in, options, d)
	}
	for _, text := range c.median.fallbacks {
		o.Warnings = append(o.Warnings, model.Warning{Code: "PRICE_FALLBACK", Text: text})
	}
	for _, part := range c.median.parts {
		o.Parts = append(o.Parts, model.CostPart{Name: part.Name, Formula: part.Formula, USDPerMonth: usd(part.USD)})
	}
	if c.median.usd != nil {
		o.USDPerMonth = c.quantiles(d)
		if d.median.Sign() > 0 {
			perMTok := model.USDPerMTok(float(c.median.usd) / float(d.median) * 1e6)
			o.USDPerMTok = &perMTok
		}
		if math.IsNaN(c.fast.at(float(d.high))) {
			o.Warnings = append(o.Warnings, model.Warning{
				Code: "INFEASIBLE_AT_P90", Text: "at the upper end of the projection: " + c.at(d.high).infeasible,
			})
		}
	}
	if c != now && c.due != nil && now.due != nil {
		o.SavingUSDPerMonth = savings(d, now, c)
	}
	c.describeFleet(&o, d)
	o.PriceChanges = c.priceChanges(d)
	c.describeCredits(&o, in)
	if c.crossover != nil {
		o.Crossover = c.describeCrossover(in, d)
		if searched := c.crossover.Searched; searched != nil {
			o.Warnings = append(o.Warnings, model.Warning{Code: "CROSSOVER_CUT", Text: fmt.Sprintf(
				"it is cheaper in many ranges of volume, of which at most the first %d are listed, those up to %s tokens a month", cost.MaxIntervals, tokensText(searched),
			)})
		}
	}
	return o
}

// describeFleet fills in what only an option with replicas of its own has.
func (c *costed) describeFleet(o *model.OptionCost, d demand) {
	switch {
	case c.median.fleet != nil:
		point := c.median.fleet
		utilization, idle := fraction(point.Utilization), usd(point.CapacityCost)
		idle -= model.USD(float64(idle) * float64(utilization))
		o.Replicas, o.EconomicUtilizationRatio, o.IdleUSDPerMonth = &point.Replicas, &utilization, &idle
	case c.median.scaled != nil:
		c.describeScaled(o)
	case c.median.apart != nil:
		c.describeApart(o, d)
	case c.median.hybrid != nil:
		h := c.median.hybrid
		replicas := h.Replicas * c.fleet.Shape().ReplicasPerBlock
		o.Replicas, o.Sizes = &replicas, c.sizes(d)
		if d.median.Sign() > 0 {
			own := fraction(new(big.Rat).Quo(h.Own, d.median))
			o.OwnShareRatio = &own
		}
		if h.Breakeven != nil {
			rho := fraction(h.Breakeven)
			o.BreakevenUtilizationRatio = &rho
		}
	}
	if x := c.crossover; x != nil {
		floor := model.USDPerMTok(float(x.UnitFloor))
		o.UnitCostFloorUSDPerMTok = &floor
		if c.breakeven != nil {
			rho := fraction(c.breakeven)
			o.BreakevenUtilizationRatio = &rho
		}
	}
}

// sizes returns what the hybrid c costs with the number of blocks that is best and with the numbers beside it, as far as the quota
// allows them. No blocks at all means everything on the API.
func (c *costed) sizes(d demand) []model.FleetSize {
	base, load := c.fleet.Base(), c.load.To(d.median, c.fleet.Hours)
	best := c.median.hybrid.Replicas
	var sizes []model.FleetSize
	for n := max(0, best-1); n <= best+1; n++ {
		if base.Max != nil && n > *base.Max {
			break
		}
		total := c.median.usd
		if n != best {
			total = load.Split(n, base, c.rate)
		}
		sizes = append(sizes, model.FleetSize{Replicas: n * c.fleet.Shape().ReplicasPerBlock, USDPerMonth: usd(total)})
	}
	return sizes
}

// share returns what c costs with its share of the bills of accounts that others use too; nil when that is not known.
func (c *costed) share(in Input, options map[string]Option, d demand) *model.USD {
	others, p := d.others, c.plan
	if c.option.Hosting == model.Hybrid { // see Used
		d.others, d.shape = nil, p.demand.shape
		p = newPlan(c.option, options, in.Constraints, d)
	}
	t := newTally()
	if !t.serve(p, d.median, one) {
		return nil
	}
	if share, known := t.usd(others); known {
		return &share
	}
	return nil
}

// describeCredits says which free credits the cost of c does not count.
func (c *costed) describeCredits(o *model.OptionCost, in Input) {
	credits := c.option.Credits
	if credits == nil || c.median.usd == nil || !in.Forecast.Origin.Before(credits.Until) {
		return
	}
	given, paid, whose := credits.USDPerMonth, c.median.usd, "free credits take"
	if beside := c.beside(); c.option.Contract != "" && !beside.None() { // they are for all that the contract covers
		part, err := c.option.API.Part(beside, blocksOf(c.usage(c.demand.median)).usage())
		if err != nil || o.Account == nil || o.Account.ShareUSDPerMonth == nil {
			return
		}
		given, paid = new(big.Rat).Mul(given, part), exactly(float64(*o.Account.ShareUSDPerMonth))
		whose = "its part of the free credits of the contract takes"
	}
	o.CreditsUSDPerMonth = new(usd(greater(new(big.Rat), lesser(given, paid))))
	o.Warnings = append(o.Warnings, model.Warning{Code: "FREE_CREDITS", Text: fmt.Sprintf(
		whose+" %s a month off the bill of %s until %s; they end, so they are not counted",
		model.FormatUSD(*o.CreditsUSDPerMonth), o.Option, credits.Until.AddDate(0, 0, -1).Format(time.DateOnly),
	)})
}

// savings returns what alt saves against now: the median exactly, the outer quantiles from the equally likely paths.
func savings(d demand, now, alt *costed) *model.Quantiles[model.USD] {
	saved := make([]float64, 0, len(d.paths))
	for _, volume := range d.paths {
		if s := now.fast.due(volume, 1) - alt.fast.due(volume, 1); s == s { // not NaN
			saved = append(saved, s)
		}
	}
	return around(usd(new(big.Rat).Sub(now.due, alt.due)), saved)
}

// around returns median with the outer quantiles of what equally likely paths come to.
func around(median model.USD, paths []float64) *model.Quantiles[model.USD] {
	q := &model.Quantiles[model.USD]{P10: median, P50: median, P90: median}
	if len(paths) > 0 {
		sort.Float64s(paths)
		last := len(paths) - 1
		q.P10 = min(median, model.USD(paths[last*1/18]))
		q.P90 = max(median, model.USD(paths[last*17/18]))
	}
	return q
}

// quantiles returns what c costs: where more volume never costs less, at the quantiles of the volume, otherwise on its paths. More volume may
// cost less where a tier prices all units, and where a fleet that grows has more room for what can wait.
func (c *costed) quantiles(d demand) *model.Quantiles[model.USD] {
	if !c.rate.AllUnits && c.apart == nil {
		return &model.Quantiles[model.USD]{P10: c.usdAt(d.low), P50: usd(c.median.usd), P90: c.usdAt(d.high)}
	}
	var costs []float64
	for _, volume := range d.paths {
		if at := c.fast.at(volume); at == at { // not NaN
			costs = append(costs, at)
		}
	}
	return around(usd(c.median.usd), costs)
}

// describeCrossover says where the projected volume stands against the favourable set of c.
func (c *costed) describeCrossover(in Input, d demand) *model.Crossover {
	x := c.crossover
	out := &model.Crossover{
		Option: c.option.Name, Against: c.against, Reason: x.Reason, Intervals: x.Intervals(),
		FirstTokensPerMonth: tokens(x.First), PermanentTokensPerMonth: tokens(x.Permanent), SearchedTokensPerMonth: tokens(x.Searched),
	}
	where := cost.FindDistance(d.median, float64(in.Forecast.MonthlyGrowth), x.Near(d.median))
	out.State, out.NextBoundary, out.MonthsToBoundary = where.State, tokens(where.Next), where.Months
	if where.Ratio != nil {
		ratio := float(where.Ratio)
		out.RatioToBoundary = &ratio
	}
	if where.State == model.StateBelow || where.State == model.StateBetween {
		boundary := where.Next
		if boundary == nil {
			return out
		}
		if at, ok := reaches(in.Forecast, 0.50, float(boundary)); ok {
			out.CrossesOn = at.Format(time.DateOnly)
		}
		if at, ok := reaches(in.Forecast, 0.90, float(boundary)); ok {
			out.ActBy = at.Add(-in.Policy.LeadTime).Format(time.DateOnly)
		}
	}
	return out
}

// reaches returns when the monthly volume on the path at level p passes boundary: the point between the middles of two
// spans at which the line through their volumes does. It is false when that does not happen within the forecast.
func reaches(f model.Forecast, p, boundary float64) (time.Time, bool) {
	ahead := f.Months[min(2, len(f.Months)):]
	var before time.Time
	var had float64
	for i := range 1 + len(ahead) {
		span := &f.Next[model.Next30d]
		if i > 0 {
			span = &ahead[i-1]
		}
		middle := span.From.Add(span.To.Sub(span.From) / 2)
		has := float64(span.Total.At(p)) * float(cost.DefaultHours) / max(1, span.To.Sub(span.From).Hours())
		if has > boundary {
			if i == 0 || has <= had {
				return f.Origin, true
			}
			share := (boundary - had) / (has - had)
			return before.Add(time.Duration(share * float64(middle.Sub(before)))), true
		}
		before, had = middle, has
	}
	return time.Time{}, false
}

func find(all []*costed, name string) *costed {
	for _, c := range all {
		if c.option.Name == name {
			return c
		}
	}
	return nil
}

func usd(r *big.Rat) model.USD { return model.USD(float(r)) }

// usdAt returns what c costs at an outer quantile of the volume, what the median costs when c cannot serve it.
func (c *costed) usdAt(volume *big.Rat) model.USD {
	median := float(c.median.usd)
	at := c.fast.at(float(volume))
	if math.IsNaN(at) || math.Abs(at-median) <= snap*math.Abs(median) { // the same step
		at = median
	}
	return model.USD(at)
}

func fraction(r *big.Rat) model.Fraction { return model.Fraction(float(r)) }

func tokens(r *big.Rat) *model.Tokens {
	if r == nil {
		return nil
	}
	t := model.Tokens(float(r))
	return &t
}
