package decide

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// unknownPeak is the peak factor assumed when the load curve is not known (cost model, section 18).
var unknownPeak = big.NewRat(5, 2)

// hours30d is the length of the 30-day span that is projected. Every projected volume is brought to a month of
// cost.DefaultHours, the month for which capacity is paid, before it is priced (cost model, section 1).
const hours30d = 720

// mostTokens bounds a month's volume: far above the tokens of the world, far below where a float64 or an int64 gives out.
const mostTokens = 1e18

// demand is what a workload is projected to use in a month of cost.DefaultHours.
type demand struct {
	paths      []float64 // tokens on the nineteen quantile paths
	low        *big.Rat  // tokens at the 10 % quantile
	median     *big.Rat
	high       *big.Rat
	mix        [model.NumClasses]*big.Rat // share of each class, sums to 1
	perRequest *big.Rat                   // tokens of one request; nil when unknown
	prefixHit  *big.Rat                   // share of the input that the engines found in their prefix cache; nil when no engine was measured
	load       model.LoadCurve
	shape      *cost.Load // load made exact; nil until an option that follows it needs it
	hourly     *curve     // the same in floating point, see curve; nil until then too
	batchShare *big.Rat   // of the tokens, that may go through a batch tier
	longShare  *big.Rat   // of the tokens, that are of requests with a long prompt; nil means unknown
	longOutput *big.Rat   // the same of the generated tokens alone; nil means longShare
	prompts    *model.Prompts
	others     map[string]cost.Beside // what other workloads use in a month, by the account of an API
	fits       map[string]fit         // of options by name, each of which several plans may have; nil while inputs are exchanged, see evaluation
}

// demand returns what in is projected to use, and false when the forecast does not say that.
func (in Input) demand() (demand, bool) {
	d, ok := newDemand(in.Forecast, in.Constraints)
	if !ok {
		return d, false
	}
	d.prefixHit, d.prompts = enginePrefixHit(in, d), in.Prompts
	d.others = besides(in.Others, in.Forecast.Origin)
	return d, true
}

// besides returns what others is at a time, by account; nil for none.
func besides(others []Others, t time.Time) map[string]cost.Beside {
	if len(others) == 0 {
		return nil
	}
	all := make(map[string]cost.Beside, len(others))
	for _, o := range others {
		all[o.Account] = o.beside(t)
	}
	return all
}

// newDemand returns the demand of f, and false when f does not say how many tokens of which class are to come.
func newDemand(f model.Forecast, c Constraints) (demand, bool) {
	if len(f.Next) <= model.Next30d || !known(f.Next[model.Next30d]) {
		return demand{}, false
	}
	next := f.Next[model.Next30d]
	month := float(cost.DefaultHours) / hours30d
	d := demand{load: f.Load, batchShare: orZero(c.BatchShare), longShare: c.LongShare}
	if c.Batch {
		d.batchShare = one
	}
	for _, tokens := range next.Total.Paths() {
		d.paths = append(d.paths, float64(tokens)*month)
	}
	monthly := func(p float64) *big.Rat { return whole(float64(next.Total.At(p)) * month) }
	d.low, d.median, d.high = monthly(0.10), monthly(0.50), monthly(0.90)
	d.mix = exactMix(next.Mix)
	if requests := whole(f.Requests30d * month); requests.Sign() > 0 && d.median.Sign() > 0 {
		d.perRequest = new(big.Rat).Quo(d.median, requests)
	}
	return d, true
}

// known reports whether p holds a volume above zero, finite at every level, and its split over the classes.
func known(p model.Projection) bool {
	var shares float64
	for _, share := range p.Mix {
		if !(share >= 0 && share <= 1) {
			return false
		}
		shares += float64(share)
	}
	for _, tokens := range p.Total {
		if !(tokens >= 0 && tokens <= mostTokens) {
			return false
		}
	}
	return shares > 0 && p.Total.At(0.90) >= 1
}

// whole returns v rounded to a whole number.
func whole(v float64) *big.Rat {
	r := new(big.Rat)
	r.SetFloat64(math.Round(v))
	return r
}

// exactMix returns the shares in millionths, the largest of them adjusted so that they sum to 1 exactly.
func exactMix(mix [model.NumClasses]model.Fraction) (exact [model.NumClasses]*big.Rat) {
	const unit = 1_000_000
	var parts [model.NumClasses]int64
	largest, sum := 0, int64(0)
	var whole model.Fraction
	for _, share := range mix {
		whole += share
	}
	for c, share := range mix {
		parts[c] = int64(math.Round(float64(share/whole) * unit))
		sum += parts[c]
		if parts[c] > parts[largest] {
			largest = c
		}
	}
	parts[largest] += unit - sum
	for c, part := range parts {
		exact[c] = big.NewRat(part, unit)
	}
	return exact
}

// usage returns volume tokens at the mix of d, with the requests they come in, as prices charges them.
func (d demand) usage(volume, ratioIn, ratioOut *big.Rat, prices *cost.Prices) []cost.Usage {
	batch, long := new(big.Rat), new(big.Rat)
	if prices.Any(func(p *cost.Prices) bool { return p.BatchInput != nil || p.BatchOutput != nil }) {
		batch = d.batchShare
	}
	if prices.Any(hasLong) {
		long = orZero(d.longShare)
	}
	longOutput := long
	if d.longOutput != nil && prices.Long != nil {
		longOutput = d.longOutput
	}
	rest := func(share *big.Rat) *big.Rat {
		if share.Sign() == 0 {
			return one
		}
		return new(big.Rat).Sub(one, share)
	}
	of := func(long *big.Rat) [3]*big.Rat {
		return [3]*big.Rat{product(rest(batch), rest(long)), product(batch, rest(long)), long}
	}
	shares, outputs := of(long), of(longOutput)
	var blocks []cost.Usage
	for i, block := range []struct{ batch, long bool }{
		{false, false},
		{true, false},
		{false, true}, // a long prompt has one price, sent through a batch tier or not
	} {
		if shares[i].Sign() == 0 && outputs[i].Sign() == 0 {
			continue
		}
		u := cost.Usage{Batch: block.batch, Long: block.long}
		read, generated := product(volume, ratioIn, shares[i]), product(volume, ratioOut, outputs[i])
		for c, share := range d.mix {
			switch {
			case share.Sign() == 0:
			case model.Class(c) == model.Output:
				u.Tokens[c] = product(generated, share)
			default:
				u.Tokens[c] = product(read, share)
			}
		}
		blocks = append(blocks, u)
	}
	if d.perRequest != nil {
		blocks[0].Requests = new(big.Rat).Quo(volume, d.perRequest) // what a request costs does not depend on its block
	}
	return blocks
}

// hasLong reports whether p lists prices of long prompts.
func hasLong(p *cost.Prices) bool { return p.Long != nil }

// plan is one option made ready to be priced at any volume of one workload. An API has prices, a fleet that runs all month has
// fleet, one that follows its load has scaled, a hybrid has prices and fleet, unless problem says why the option has no cost.
type plan struct {
	option   Option
	problem  string
	warnings []model.Warning
	demand   demand

	api    Option       // an API, or the overflow of a hybrid
	rate   cost.Rate    // of api, at the mix
	fleet  *cost.Fleet  // of a fleet that runs all month, and of the base of a hybrid
	scaled *scaledFleet // of a fleet that follows its load
	load   *cost.Load   // of a hybrid and of a fleet that follows its load
	apart  *apart       // of a hybrid whose work that can wait is served apart, which has nothing else
}

// bill is what a plan costs at one volume.
type bill struct {
	usd        *big.Rat
	parts      []cost.Part
	fleet      *cost.Point  // of a fleet that runs all month
	scaled     *scaledPoint // of a fleet that follows its load
	hybrid     *cost.Hybrid // of a hybrid
	apart      *apartBill   // of a hybrid whose work that can wait is served apart
	fallbacks  []string
	infeasible string // why the option cannot serve the volume; the rest is then empty
}

func newPlan(o Option, options map[string]Option, c Constraints, d demand) *plan {
	p := &plan{option: o, demand: d, warnings: slices.Clone(o.Warnings)}
	if err := p.prepare(o, options, c); err != nil {
		p.problem = err.Error()
	}
	return p
}

// prepare fills in what p needs to price o. The error says what is missing.
func (p *plan) prepare(o Option, options map[string]Option, c Constraints) error {
	switch o.Hosting {
	case model.API:
		return p.useAPI(o)
	case model.SelfHosted, model.CloudManaged:
		if o.Autoscale != nil {
			return p.useAutoscale(o, c)
		}
		return p.useFleet(o, c)
	case model.Hybrid:
		base, overflow := options[o.Base], options[o.Overflow]
		if base.Name == "" || overflow.Name == "" {
			return fmt.Errorf("base %q and overflow %q of %s: want two configured options", o.Base, o.Overflow, o.Name)
		}
		if o.Apart {
			return p.useApart(o, base, overflow, c)
		}
		if p.load = p.demand.shape; !p.load.Known() {
			return fmt.Errorf("the load of the hours is not known yet, and %s is shared out by it", o.Name)
		}
		if base.Autoscale != nil {
			return fmt.Errorf("base %q of %s follows its load: want a fleet that runs all month", o.Base, o.Name)
		}
		if base.Jobs != nil {
			return fmt.Errorf("base %q of %s runs only for its jobs: want a fleet that runs all month", o.Base, o.Name)
		}
		if err := p.useAPI(overflow); err != nil {
			return err
		}
		return p.useFleet(base, c)
	}
	return fmt.Errorf("hosting: got %q, want api, cloud-managed, hybrid or self-hosted", o.Hosting)
}

func (p *plan) useAPI(o Option) (err error) {
	if o.API == nil {
		return fmt.Errorf("%w for %s", cost.ErrNoPrice, o.Name)
	}
	p.api = o
	factor, err := p.tokenFactor(o)
	if err != nil {
		return err
	}
	if fee := o.API.RequestFee; fee != nil && fee.Sign() > 0 && p.demand.perRequest == nil {
		return fmt.Errorf("the requests are not known, and %s charges for each", o.Name)
	}
	if o.API.Any(hasLong) && p.demand.longShare == nil {
		p.measureLong(o)
	}
	usage := p.usage(big.NewRat(1_000_000, 1))
	if slices.ContainsFunc(usage, func(u cost.Usage) bool { return u.Batch }) {
		p.warn("BATCH_PRICES", "the batch prices of %s are used for the %s of the tokens that are deferrable",
			o.Name, model.FormatPercent(fraction(p.demand.batchShare)))
	}
	if o.API.Any(hasLong) && p.demand.longShare == nil {
		p.warn("LONG_CONTEXT_UNKNOWN", "%s charges more for long prompts, and how many of them are long is not known: none is assumed", o.Name)
	}
	rate, err := o.API.RateBeside(p.beside(), usage)
	// The price is per token of the option's own model; the crossover is in tokens as they are measured.
	if err == nil {
		p.rate = rate.Per(factor)
	}
	return err
}

// widestLong is the width of a range of the share of long prompts from which on it is taken as not known.
const widestLong model.Fraction = 0.5

// measureLong takes the share of long prompts from their lengths, halfway between the least and the most that it may be. The answers to long
// prompts are taken to be as long as the others.
func (p *plan) measureLong(o Option) {
	if p.demand.prompts == nil || o.API.LongAbove <= 0 {
		return
	}
	requests, tokens, known := p.demand.prompts.Above(float64(o.API.LongAbove) / float(orOne(o.TokenRatioIn)))
	if !known || max(tokens.High-tokens.Low, requests.High-requests.Low) > widestLong {
		return
	}
	p.demand.longShare, p.demand.longOutput = millionths(tokens.Middle()), millionths(requests.Middle())
	p.warn("LONG_CONTEXT_MEASURED", "%s of the requests and %s of the prompt tokens of the last day are of prompts longer than the %d tokens above which %s charges more",
		between(requests), between(tokens), o.API.LongAbove, o.Name)
}

// millionths returns share in whole millionths.
func millionths(share model.Fraction) *big.Rat {
	const unit = 1_000_000
	return big.NewRat(int64(math.Round(float64(share)*unit)), unit)
}

// between says r in words.
func between(r model.Range) string {
	low, high := model.FormatPercent(r.Low), model.FormatPercent(r.High)
	if low == high {
		return low
	}
	return fmt.Sprintf("%s to %s (%s is used)", low, high, model.FormatPercent(r.Middle()))
}

// beside returns what other workloads use of the account of the API of p; nothing when its bill counts those of the workload alone.
func (p *plan) beside() cost.Beside {
	if p.api.Account == "" {
		return cost.Beside{}
	}
	return p.demand.others[p.api.Account]
}

// usage returns volume tokens as they are measured, as the API of p charges them.
func (p *plan) usage(volume *big.Rat) []cost.Usage {
	return p.demand.usage(volume, orOne(p.api.TokenRatioIn), orOne(p.api.TokenRatioOut), p.api.API)
}

func (p *plan) useFleet(o Option, constraints Constraints) (err error) {
	c, err := p.capacity(o, constraints)
	if err != nil {
		return err
	}
	if o.Jobs != nil {
		if p.fleet, err = o.Jobs.fleet(c); err != nil {
			return fmt.Errorf("the jobs of %s: %w", o.Name, err)
		}
		return nil
	}
	if c.PeakFactor == nil {
		c.PeakFactor = p.peakFactor(constraints)
	}
	p.fleet, err = c.Fleet()
	return err
}

// capacity returns the fleet of o in tokens as they are measured, at the load that the latency need allows. Its peak factor is as
// configured.
func (p *plan) capacity(o Option, constraints Constraints) (c cost.Capacity, err error) {
	if o.Capacity == nil {
		return c, fmt.Errorf("%w for %s", cost.ErrNoPrice, o.Name)
	}
	c = *o.Capacity
	if c.BlockCostPerHour == nil {
		return c, fmt.Errorf("%w for an hour of %s", cost.ErrNoPrice, o.Name)
	}
	if o.AssumedSpares && constraints.Batch { // cost model, section 18
		c.SpareReplicas = 0
	}
	if len(o.Throughput) > 0 {
		c.TokensPerHour = p.throughput(o)
	}
	if o.Provisioned != nil {
		c.TokensPerHour = o.Provisioned.tokensPerHour(p.demand.mix)
		if c.TargetUtilization == nil { // what is rated is promised within the latency of the service
			c.TargetUtilization = one
		}
	}
	if c.TokensPerHour == nil {
		return c, fmt.Errorf("the throughput of %s is not known%s", o.Name, after(": ", o.NotMeasured))
	}
	if o.Spot != nil {
		if !constraints.Batch && orZero(o.Spot.Fallback).Sign() == 0 {
			return c, fmt.Errorf("the spot capacity of %s has no fallback, and this work cannot wait", o.Name)
		}
		c.TokensPerHour = o.Spot.Effective(c.TokensPerHour)
	}
	factor, err := p.tokenFactor(o)
	if err != nil {
		return c, err
	}
	if factor != one {
		c.TokensPerHour = new(big.Rat).Quo(c.TokensPerHour, factor)
		if c.VariablePerMTok != nil {
			c.VariablePerMTok = new(big.Rat).Mul(c.VariablePerMTok, factor)
		}
	}
	if err := p.within(o, c.TokensPerHour); err != nil {
		return c, err
	}
	if c.TargetUtilization == nil {
		c.TargetUtilization = targetUtilization(constraints)
		p.warn("ASSUMED_UTILIZATION", "target utilization %s is the table value for this latency need, not measured",
			c.TargetUtilization.FloatString(2))
	}
	return c, nil
}

// after returns text with what stands before it; nothing when there is no text.
func after(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func (p *plan) warn(code, format string, args ...any) {
	p.warnings = append(p.warnings, model.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
}

// one is the factor that changes nothing. It is never written to.
var one = big.NewRat(1, 1)

func orOne(r *big.Rat) *big.Rat {
	if r == nil {
		return one
	}
	return r
}

// product multiplies first by the other factors. Most of a workload's factors are one, and those cost nothing.
func product(first *big.Rat, others ...*big.Rat) *big.Rat {
	for _, r := range others {
		switch {
		case r == one:
		case first == one:
			first = r
		default:
			first = new(big.Rat).Mul(first, r)
		}
	}
	return first
}

// tokenFactor returns how many tokens of the option's own model one measured token is, at the mix (cost model, section 2.3).
func (p *plan) tokenFactor(o Option) (*big.Rat, error) {
	for _, ratio := range []*big.Rat{o.TokenRatioIn, o.TokenRatioOut} {
		if ratio != nil && ratio.Sign() <= 0 {
			return nil, fmt.Errorf("token ratio of %s: got %s, want more than 0", o.Name, cost.Decimal(ratio))
		}
	}
	output := p.demand.mix[model.Output]
	if o.TokenRatioIn == nil && o.TokenRatioOut == nil {
		return one, nil
	}
	input := product(new(big.Rat).Sub(one, output), orOne(o.TokenRatioIn))
	return new(big.Rat).Add(input, product(output, orOne(o.TokenRatioOut))), nil
}

// peakFactor returns the peak factor of the workload: 1 for deferrable work, whose peaks can wait.
func (p *plan) peakFactor(c Constraints) *big.Rat {
	if c.Batch {
		return big.NewRat(1, 1)
	}
	peak := p.demand.load.PeakFactor()
	if peak == 0 {
		p.warn("ASSUMED_PEAK", "the peak factor is not known; %s is assumed", unknownPeak.FloatString(1))
		return unknownPeak
	}
	return big.NewRat(int64(math.Round(peak*10_000)), 10_000)
}

// targetUtilization returns the highest load at which published measurements met the latency need (cost model, section 4.3).
func targetUtilization(c Constraints) *big.Rat {
	switch limit := c.TTFTLimit; {
	case c.Batch:
		return big.NewRat(9, 10)
	case limit == 0:
		return big.NewRat(6, 10)
	case limit <= 300*time.Millisecond:
		return big.NewRat(4, 10)
	case limit <= 500*time.Millisecond:
		return big.NewRat(6, 10)
	}
	return big.NewRat(8, 10)
}

// at prices the plan at volume tokens a month.
func (p *plan) at(volume *big.Rat) bill {
	if p.problem != "" {
		return bill{infeasible: p.problem}
	}
	switch p.option.Hosting {
	case model.SelfHosted, model.CloudManaged:
		if p.scaled != nil {
			return p.scaledAt(volume)
		}
		return p.fleetAt(volume)
	case model.Hybrid:
		if p.apart != nil {
			return p.apartAt(volume)
		}
		return p.hybridAt(volume)
	case model.API:
	}
	b, err := p.api.API.MonthlyBeside(p.beside(), p.usage(volume))
	if err != nil {
		return bill{infeasible: err.Error()}
	}
	return bill{usd: b.Cost, parts: b.Parts, fallbacks: b.Fallbacks}
}

func (p *plan) fleetAt(volume *big.Rat) bill {
	point, ok := p.fleet.At(volume)
	if !ok {
		return bill{infeasible: fmt.Sprintf("the quota of replicas does not carry %s tokens a month", tokensText(volume))}
	}
	if p.option.Jobs != nil {
		return bill{usd: point.Cost, parts: p.jobParts(&point, volume), fleet: &point}
	}
	return bill{usd: point.Cost, parts: p.fleetParts(point.Blocks, point.CapacityCost, volume), fleet: &point}
}

func (p *plan) hybridAt(volume *big.Rat) bill {
	base := p.fleet.Base()
	load := p.load.To(volume, p.fleet.Hours)
	h, ok := cost.FindHybrid(load, base, p.rate)
	if !ok {
		return bill{infeasible: fmt.Sprintf("the quota of replicas of %s allows no base load", p.option.Base)}
	}
	capacity := new(big.Rat).Mul(big.NewRat(h.Replicas, 1), base.ReplicaCost)
	parts := append(p.fleetParts(h.Replicas, capacity, h.Own), p.overflowParts(h.Overflow)...)
	return bill{usd: h.CostAtN, parts: parts, hybrid: &h}
}

// overflowParts splits what the API of a hybrid charges for volume tokens as its own bill would be.
func (p *plan) overflowParts(volume *big.Rat) []cost.Part {
	usage := p.rate.Usage(volume)
	parts := []cost.Part{{
		Name: "overflow tokens", USD: usage, Formula: fmt.Sprintf("%s × %s", tokensText(volume), priceText(p.rate.Effective(volume))),
	}}
	if p.rate.Others != nil {
		if by := new(big.Rat).Sub(p.rate.At(volume), usage); by.Sign() != 0 {
			parts = append(parts, cost.Part{
				Name: "overflow commitment of the account", USD: by, Formula: cost.Decimal(orZero(p.rate.MinimumCommit)) + " USD committed a month, which other workloads use too",
			})
		}
		return parts
	}
	if commit := orZero(p.rate.MinimumCommit); usage.Cmp(commit) < 0 {
		parts = append(parts, cost.Part{
			Name: "overflow unused commitment", USD: new(big.Rat).Sub(commit, usage), Formula: cost.Decimal(commit) + " USD committed a month",
		})
	}
	if fixed := orZero(p.rate.FixedMonthly); fixed.Sign() > 0 {
		parts = append(parts, cost.Part{Name: "overflow fixed fee", USD: fixed, Formula: cost.Decimal(fixed) + " USD a month"})
	}
	return parts
}

// gpuHours ends the name of the parts of a cost that capacity is.
const gpuHours = "GPU hours"

// fleetParts splits the cost of blocks blocks that serve volume tokens.
func (p *plan) fleetParts(blocks int64, capacity, volume *big.Rat) []cost.Part {
	parts := []cost.Part{{
		Name: gpuHours, USD: capacity,
		Formula: fmt.Sprintf("%d × %s USD/h × %s h", blocks, cost.Decimal(p.fleet.PerHour), cost.Decimal(p.fleet.Hours)),
	}}
	return append(parts, otherParts(p.fleet.Fixed, p.fleet.Variable, volume)...)
}

// otherParts returns what a fleet costs beside its GPU hours: fixed USD a month, and variable USD per million of volume tokens.
func otherParts(fixed, variable, volume *big.Rat) (parts []cost.Part) {
	if fixed.Sign() > 0 {
		parts = append(parts, cost.Part{Name: "operations", USD: fixed, Formula: cost.Decimal(fixed) + " USD a month"})
	}
	if variable.Sign() > 0 {
		formula := fmt.Sprintf("%s × %s USD/Mtok", tokensText(volume), cost.Decimal(variable))
		parts = append(parts, cost.Part{Name: "variable cost", USD: perMillion(volume, variable), Formula: formula})
	}
	return parts
}

func sum(parts []cost.Part) *big.Rat {
	total := new(big.Rat)
	for _, part := range parts {
		total.Add(total, part.USD)
	}
	return total
}

func tokensText(r *big.Rat) string { return model.FormatTokens(model.Tokens(float(r))) }

func float(r *big.Rat) float64 { return cost.Float(r) }
