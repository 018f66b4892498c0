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

// demand is what a workload is projected to use in a month of cost.DefaultHours.
type demand struct {
	paths      []float64 // tokens on the nineteen quantile paths
	low        *big.Rat  // tokens at the 10 % quantile
	median     *big.Rat
	high       *big.Rat
	mix        [model.NumClasses]*big.Rat // share of each class, sums to 1
	perRequest *big.Rat                   // tokens of one request; nil when unknown
	load       model.LoadCurve
}

func newDemand(f model.Forecast) demand {
	next := f.Next[model.Next30d]
	month := float(cost.DefaultHours) / hours30d
	d := demand{load: f.Load}
	for _, tokens := range next.Total.Paths() {
		d.paths = append(d.paths, float64(tokens)*month)
	}
	monthly := func(p float64) *big.Rat { return whole(float64(next.Total.At(p)) * month) }
	d.low, d.median, d.high = monthly(0.10), monthly(0.50), monthly(0.90)
	d.mix = exactMix(next.Mix)
	if requests := whole(f.Requests30d * month); requests.Sign() > 0 && d.median.Sign() > 0 {
		d.perRequest = new(big.Rat).Quo(d.median, requests)
	}
	return d
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
	for c, share := range mix {
		parts[c] = int64(math.Round(float64(share) * unit))
		sum += parts[c]
		if parts[c] > parts[largest] {
			largest = c
		}
	}
	if sum > 0 {
		parts[largest] += unit - sum
	}
	for c, part := range parts {
		exact[c] = big.NewRat(part, unit)
	}
	return exact
}

// usage returns volume tokens at the mix of d, with the requests they come in.
func (d demand) usage(volume, ratioIn, ratioOut *big.Rat) []cost.Usage {
	u := cost.Usage{}
	for _, c := range model.Classes {
		ratio := ratioIn
		if c == model.Output {
			ratio = ratioOut
		}
		u.Tokens[c] = new(big.Rat).Mul(new(big.Rat).Mul(volume, d.mix[c]), ratio)
	}
	if d.perRequest != nil {
		u.Requests = new(big.Rat).Quo(volume, d.perRequest)
	}
	return []cost.Usage{u}
}

// plan is one option made ready to be priced at any volume of one workload. Exactly one of api, fleet and both is set,
// unless problem says why the option has no cost.
type plan struct {
	option   Option
	problem  string
	warnings []model.Warning
	demand   demand

	prices *cost.Prices // of an API
	linear cost.Linear  // of an API, and of the overflow of a hybrid, at the mix
	fleet  *cost.Fleet  // of a fleet, and of the base of a hybrid
	load   *cost.Load   // of a hybrid
}

// bill is what a plan costs at one volume.
type bill struct {
	usd        *big.Rat
	parts      []cost.Part
	fleet      *cost.Point  // of a fleet
	hybrid     *cost.Hybrid // of a hybrid
	fallbacks  []string
	infeasible string // why the option cannot serve the volume; the rest is then empty
}

func newPlan(o Option, options map[string]Option, c Constraints, d demand) *plan {
	p := &plan{option: o, demand: d, warnings: slices.Clone(o.Warnings)}
	var err error
	switch o.Hosting {
	case model.API:
		err = p.useAPI(o)
	case model.SelfHosted, model.CloudManaged:
		err = p.useFleet(o, c)
	case model.Hybrid:
		if err = p.useAPI(options[o.Overflow]); err == nil {
			err = p.useFleet(options[o.Base], c)
		}
		p.load = cost.LoadOf(d.load)
		if err == nil && !p.load.Known() {
			err = fmt.Errorf("the load curve is not known yet")
		}
	default:
		err = fmt.Errorf("hosting: got %q, want api, cloud-managed, hybrid or self-hosted", o.Hosting)
	}
	if err != nil {
		p.problem = err.Error()
	}
	return p
}

func (p *plan) useAPI(o Option) (err error) {
	if o.API == nil {
		return fmt.Errorf("%w for %s", cost.ErrNoPrice, o.Name)
	}
	p.prices = o.API
	in, out := p.ratios(o)
	p.linear, err = o.API.Linear(p.demand.usage(big.NewRat(1_000_000, 1), in, out))
	if err == nil {
		// The price is per token of the option's own model; the crossover is in tokens as they are measured.
		p.linear.PerMTok = new(big.Rat).Mul(p.linear.PerMTok, p.tokenFactor(o))
	}
	return err
}

func (p *plan) useFleet(o Option, constraints Constraints) (err error) {
	if o.Capacity == nil {
		return fmt.Errorf("%w for %s", cost.ErrNoPrice, o.Name)
	}
	c := *o.Capacity
	if len(o.Throughput) > 0 {
		c.TokensPerHour = p.throughput(o)
	}
	if c.TokensPerHour == nil {
		return fmt.Errorf("the throughput of %s is not known", o.Name)
	}
	factor := p.tokenFactor(o)
	c.TokensPerHour = new(big.Rat).Quo(c.TokensPerHour, factor)
	if c.VariablePerMTok != nil {
		c.VariablePerMTok = new(big.Rat).Mul(c.VariablePerMTok, factor)
	}
	if c.TargetUtilization == nil {
		c.TargetUtilization = targetUtilization(constraints)
		p.warn("ASSUMED_UTILIZATION", "target utilization %s is the table value for this latency need, not measured", c.TargetUtilization.FloatString(2))
	}
	if c.PeakFactor == nil {
		c.PeakFactor = p.peakFactor(constraints)
	}
	p.fleet, err = c.Fleet()
	return err
}

func (p *plan) warn(code, format string, args ...any) {
	p.warnings = append(p.warnings, model.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (p *plan) ratios(o Option) (in, out *big.Rat) {
	in, out = o.TokenRatioIn, o.TokenRatioOut
	if in == nil {
		in = big.NewRat(1, 1)
	}
	if out == nil {
		out = big.NewRat(1, 1)
	}
	return in, out
}

// tokenFactor returns how many tokens of the option's own model one measured token is, at the mix (cost model, section 2.3).
func (p *plan) tokenFactor(o Option) *big.Rat {
	in, out := p.ratios(o)
	output := p.demand.mix[model.Output]
	input := new(big.Rat).Sub(big.NewRat(1, 1), output)
	return new(big.Rat).Add(input.Mul(input, in), new(big.Rat).Mul(output, out))
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

// throughput returns the tokens per hour, input and output together, of the measured shape nearest to the workload's
// requests. Fitting the three coefficients of section 4.2 needs more shapes than many users have.
func (p *plan) throughput(o Option) *big.Rat {
	output := float(p.demand.mix[model.Output])
	distance := func(t Throughput) float64 {
		if p.demand.perRequest == nil || output == 0 || output == 1 {
			return math.Abs(math.Log(float64(t.Output)/float64(t.Input+t.Output)) - math.Log(max(output, 1e-6)))
		}
		tokens := float(p.demand.perRequest)
		return math.Abs(math.Log(float64(t.Input)/(tokens*(1-output)))) + math.Abs(math.Log(float64(t.Output)/(tokens*output)))
	}
	nearest := slices.MinFunc(o.Throughput, func(a, b Throughput) int {
		switch x, y := distance(a), distance(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	p.warn("THROUGHPUT_FROM_SHAPE", "throughput is that of requests with %d input and %d output tokens, the measured shape nearest to this workload's",
		nearest.Input, nearest.Output)
	perSecond := new(big.Rat).Mul(nearest.OutputTokensPerSecond, big.NewRat(nearest.Input+nearest.Output, nearest.Output))
	return perSecond.Mul(perSecond, big.NewRat(3600, 1))
}

// at prices the plan at volume tokens a month.
func (p *plan) at(volume *big.Rat) bill {
	if p.problem != "" {
		return bill{infeasible: p.problem}
	}
	switch p.option.Hosting {
	case model.API:
		in, out := p.ratios(p.option)
		b, err := p.prices.Monthly(p.demand.usage(volume, in, out))
		if err != nil {
			return bill{infeasible: err.Error()}
		}
		return bill{usd: b.Cost, parts: b.Parts, fallbacks: b.Fallbacks}
	case model.Hybrid:
		return p.hybridAt(volume)
	}
	point, ok := p.fleet.At(volume)
	if !ok {
		return bill{infeasible: fmt.Sprintf("the quota of replicas does not carry %s tokens a month", model.FormatTokens(model.Tokens(float(volume))))}
	}
	return bill{usd: point.Cost, parts: p.fleetParts(point.Blocks, point.CapacityCost, volume), fleet: &point}
}

func (p *plan) hybridAt(volume *big.Rat) bill {
	if volume.Sign() == 0 {
		return bill{usd: new(big.Rat)}
	}
	base := p.fleet.Base()
	h := cost.FindHybrid(p.load.To(volume, p.fleet.Hours), base, p.linear.PerMTok)
	if h.Best == model.API {
		return bill{infeasible: "no replica would pay for itself, so there is nothing to combine"}
	}
	capacity := new(big.Rat).Mul(big.NewRat(h.Replicas, 1), base.ReplicaCost)
	parts := p.fleetParts(h.Replicas, capacity, h.Own)
	overflow := new(big.Rat).Sub(h.CostAtN, sum(parts))
	parts = append(parts, cost.Part{
		Name: "overflow tokens", USD: overflow,
		Formula: fmt.Sprintf("%s × %s", tokensText(h.Overflow), model.FormatUSDPerMTok(model.USDPerMTok(float(p.linear.PerMTok)))),
	})
	return bill{usd: h.CostAtN, parts: parts, hybrid: &h}
}

// fleetParts splits the cost of blocks blocks that serve volume tokens.
func (p *plan) fleetParts(blocks int64, capacity, volume *big.Rat) []cost.Part {
	perHour := new(big.Rat).Quo(p.fleet.BlockCost, p.fleet.Hours)
	parts := []cost.Part{{
		Name: "GPU hours", USD: capacity,
		Formula: fmt.Sprintf("%d × %s USD/h × %s h", blocks, perHour.FloatString(2), p.fleet.Hours.FloatString(0)),
	}}
	if p.fleet.Fixed.Sign() > 0 {
		parts = append(parts, cost.Part{Name: "operations", USD: p.fleet.Fixed, Formula: p.fleet.Fixed.FloatString(0) + " USD a month"})
	}
	if p.fleet.Variable.Sign() > 0 {
		usd := new(big.Rat).Quo(new(big.Rat).Mul(volume, p.fleet.Variable), big.NewRat(1_000_000, 1))
		formula := fmt.Sprintf("%s × %s USD/Mtok", tokensText(volume), p.fleet.Variable.FloatString(4))
		parts = append(parts, cost.Part{Name: "variable cost", USD: usd, Formula: formula})
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

func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}
