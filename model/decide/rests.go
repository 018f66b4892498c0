package decide

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"tipline/model"
	"tipline/model/cost"
)

// unsourced is what config says of a number that the file gives without its origin.
const unsourced = "configuration"

// perReplica ends the unit of a throughput, which tells it from a price.
const perReplica = "per replica"

// capacityNumbers lists what the fleets that c pays for are taken to do, and which share of the prompts an API takes for long, and on whose
// word.
func (c *costed) capacityNumbers(in Input, options map[string]Option) []model.CapacityNumber {
	var list []model.CapacityNumber
	for _, o := range c.option.parts(options) {
		if o.Capacity != nil {
			list = append(list, o.capacityNumbers(in)...)
		}
	}
	fleet := list != nil
	for _, w := range c.warnings { // what was taken for granted on the way
		var label string
		switch {
		case w.Code == "LONG_CONTEXT_MEASURED":
			label = model.Measured
		case !fleet:
			continue
		case strings.HasPrefix(w.Code, "ASSUMED_"):
			label = model.Assumed
		case strings.HasPrefix(w.Code, "THROUGHPUT_"):
			label = model.Benchmark
		default:
			continue
		}
		what := strings.ToLower(strings.ReplaceAll(w.Code, "_", " "))
		list = append(list, model.CapacityNumber{Option: c.option.Name, What: what, Label: label, From: w.Text})
	}
	return list
}

// capacityNumbers lists what the fleet of o is taken to do.
func (o Option) capacityNumbers(in Input) []model.CapacityNumber {
	var list []model.CapacityNumber
	add := func(what, value, unit, label, from string) {
		list = append(list, model.CapacityNumber{Option: o.Name, What: what, Value: value, Unit: unit, Label: label, From: from})
	}
	for _, p := range o.Prices {
		if strings.HasSuffix(p.Unit, perReplica) {
			label, from := model.Benchmark, strings.TrimSpace(p.Source+" "+p.Date)
			switch {
			case o.Measured != nil:
				label = model.Measured
			case p.Source == unsourced:
				label = model.Assumed
			}
			add(strings.TrimSpace("throughput "+strings.TrimPrefix(p.Field, "throughput")), p.Value, p.Unit, label, from)
		}
	}
	switch u := o.Capacity.TargetUtilization; {
	case o.Measured != nil:
		add("target utilization", "1", "share", model.Measured, "the throughput was measured at the limit")
	case u != nil:
		add("target utilization", cost.Decimal(u), "share", model.Assumed, unsourced)
	}
	const peakUnit = "peak hour over mean hour"
	switch peak := in.Forecast.Load.PeakFactor(); {
	case o.Capacity.PeakFactor != nil:
		add("peak factor", cost.Decimal(o.Capacity.PeakFactor), peakUnit, model.Assumed, unsourced)
	case in.Constraints.Batch:
		add("peak factor", "1", peakUnit, model.Assumed, "deferrable work, whose peaks can wait")
	case peak > 0:
		add("peak factor", strconv.FormatFloat(peak, 'f', 4, 64), peakUnit, model.Measured, "hourly loads of the last full weeks")
	}
	return list
}

// assumedCapacity says how much of the cost of the current and the best option rests on assumed capacity; nil when neither is a fleet.
func (e explanation) assumedCapacity(options []model.OptionCost) *model.AssumedCapacity {
	a := &model.AssumedCapacity{Numbers: []string{}}
	fleets, all, assumed := false, new(big.Rat), new(big.Rat)
	for i, c := range e.all {
		if c != e.now && c != e.best || c.median.usd == nil {
			continue
		}
		all.Add(all, c.median.usd)
		rests := false
		for _, n := range options[i].Capacity {
			fleets = true
			if n.Label == model.Assumed {
				rests = true
				a.Numbers = append(a.Numbers, fmt.Sprintf("%s of %s", strings.TrimPrefix(n.What, "assumed "), n.Option))
			}
		}
		for _, part := range c.median.parts {
			if rests && strings.HasSuffix(part.Name, gpuHours) {
				assumed.Add(assumed, part.USD)
			}
		}
	}
	if !fleets || all.Sign() == 0 {
		return nil
	}
	a.USDPerMonth, a.Ratio = usd(assumed), fraction(new(big.Rat).Quo(assumed, all))
	return a
}

// GPUCostGap returns what GPUs at perHour US dollars cost a month, and how far the GPU hours of o are above that; nothing when o has none.
func GPUCostGap(o model.OptionCost, perHour float64) (paid, gap *model.USD) {
	month := model.USD(perHour * float(cost.DefaultHours))
	modelled, fleet := model.USD(0), false
	for _, part := range o.Parts {
		if strings.HasSuffix(part.Name, gpuHours) {
			modelled, fleet = modelled+part.USDPerMonth, true
		}
	}
	if !fleet {
		return nil, nil
	}
	return &month, new(modelled - month)
}

// WithMeasured returns o with what was measured of a replica: where nothing else says what it can do, or o prefers that. why says why
// nothing was measured when m is not known.
func (o Option) WithMeasured(m *model.MeasuredCapacity, why string) Option {
	typed := o.Capacity != nil && (o.Capacity.TokensPerHour != nil || len(o.Throughput) > 0 || o.Provisioned != nil)
	if o.Capacity == nil || typed && !o.PreferMeasured {
		return o
	}
	if !m.Known() {
		o.NotMeasured = why
		if typed {
			o.Warnings = append(o.Warnings[:len(o.Warnings):len(o.Warnings)], model.Warning{
				Code: "CAPACITY_NOT_MEASURED", Text: fmt.Sprintf("the throughput of %s is as configured, since it could not be measured: %s", o.Name, why),
			})
		}
		return o
	}
	c := *o.Capacity
	c.TokensPerHour, c.TargetUtilization = whole(m.TokensPerHour), one // measured at the limit
	o.Capacity, o.Throughput, o.Measured = &c, nil, m
	var rows []model.PriceSource
	for _, p := range o.Prices {
		if !strings.HasSuffix(p.Unit, perReplica) {
			rows = append(rows, p)
		}
	}
	rows = append(rows, model.PriceSource{
		Item: o.Name, Field: "throughput", Value: cost.Decimal(c.TokensPerHour), Unit: "tokens/h " + perReplica,
		Source: fmt.Sprintf("measured: the load kept up in %d hours inside %s s to the first token, range of 90 %% %s to %s", m.Hours,
			strconv.FormatFloat(m.LimitSeconds, 'g', -1, 64), model.FormatTokens(model.Tokens(m.Low)), model.FormatTokens(model.Tokens(*m.High))),
	})
	o.Prices = rows
	return o
}
