package ledger

import (
	"slices"
	"strconv"
	"strings"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// The labels of a Capacity: on whose word it is taken.
const (
	Measured  = "measured"  // seen in the workload's own metrics
	Benchmark = "benchmark" // somebody's measurement, with its source
	Assumed   = "assumed"   // configured without a source, or a default of the model
)

// Capacity is one number that says what a fleet can do.
type Capacity struct {
	Option string `json:"option"`
	What   string `json:"what"`
	Value  string `json:"value"`
	Unit   string `json:"unit,omitempty"`
	Label  string `json:"label"` // Measured, Benchmark or Assumed
	From   string `json:"from"`  // where it is from, in words
}

// unsourced is what config says of a number that the file gives without its origin.
const unsourced = "configuration"

// capacityOf lists what the fleets among the options of in are taken to do; found are the costs they led to.
func capacityOf(in decide.Input, found []model.OptionCost) []Capacity {
	list := []Capacity{}
	for _, o := range in.Options {
		if o.Capacity == nil {
			continue
		}
		add := func(what, value, unit, label, from string) {
			list = append(list, Capacity{Option: o.Name, What: what, Value: value, Unit: unit, Label: label, From: from})
		}
		for _, p := range o.Prices {
			if strings.HasSuffix(p.Unit, "per replica") {
				label, from := Benchmark, strings.TrimSpace(p.Source+" "+p.Date)
				if p.Source == unsourced {
					label = Assumed
				}
				add("throughput "+strings.TrimPrefix(p.Field, "throughput"), p.Value, p.Unit, label, from)
			}
		}
		if u := o.Capacity.TargetUtilization; u != nil {
			add("target utilization", cost.Decimal(u), "share", Assumed, unsourced)
		}
		switch peak := in.Forecast.Load.PeakFactor(); {
		case o.Capacity.PeakFactor != nil:
			add("peak factor", cost.Decimal(o.Capacity.PeakFactor), "peak hour over mean hour", Assumed, unsourced)
		case in.Constraints.Batch:
			add("peak factor", "1", "peak hour over mean hour", Assumed, "deferrable work, whose peaks can wait")
		case peak > 0:
			add("peak factor", strconv.FormatFloat(peak, 'f', 4, 64), "peak hour over mean hour", Measured, "hourly loads of the last full weeks")
		}
		list = append(list, assumptions(o.Name, found)...)
	}
	if in.TTFTP95 != nil {
		list = append(list, Capacity{
			Option: in.Current, What: "time to first token, 95th percentile", Value: in.TTFTP95.String(), Label: Measured, From: "the last day",
		})
	}
	return list
}

// assumptions returns what the engine says it took for granted about the capacity of an option.
func assumptions(option string, found []model.OptionCost) []Capacity {
	i := slices.IndexFunc(found, func(o model.OptionCost) bool { return o.Option == option })
	if i < 0 {
		return nil
	}
	var list []Capacity
	for _, w := range found[i].Warnings {
		if strings.HasPrefix(w.Code, "ASSUMED_") || strings.HasPrefix(w.Code, "THROUGHPUT_") {
			label := Assumed
			if strings.HasPrefix(w.Code, "THROUGHPUT_") {
				label = Benchmark
			}
			what := strings.ToLower(strings.ReplaceAll(w.Code, "_", " "))
			list = append(list, Capacity{Option: option, What: what, Label: label, From: w.Text})
		}
	}
	return list
}
