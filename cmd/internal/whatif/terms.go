package whatif

import (
	"fmt"
	"math/big"
	"time"

	"tipline/model/cost"
	"tipline/model/decide"
)

// termKnobs adds those of the terms on which o is bought: until when something is due or given, and how its capacity comes and goes.
func termKnobs(o *decide.Option, prefix string, all map[string]knob) {
	if c := o.Committed; c != nil {
		all[prefix+"committed.until"] = lastDay(&c.Until)
		all[prefix+"committed.usd_per_month"] = number(&c.USDPerMonth, notNegative)
	}
	if c := o.Credits; c != nil {
		all[prefix+"credits.until"] = lastDay(&c.Until)
		all[prefix+"credits.usd_per_month"] = number(&c.USDPerMonth, notNegative)
	}
	if a := o.Autoscale; a != nil {
		all[prefix+"autoscale.cold_start"] = duration(&a.ColdStart)
		all[prefix+"autoscale.idle_timeout"] = duration(&a.IdleTimeout)
		all[prefix+"autoscale.starts_per_day"] = number(&a.StartsPerDay, notNegative)
		if a.ReservedPerHour != nil {
			all[prefix+"autoscale.reserved_usd_per_hour"] = number(&a.ReservedPerHour, positive)
		}
	}
	if l := o.Limits; l != nil {
		all[prefix+"limits.duration"] = duration(&l.Duration)
		all[prefix+"limits.payload_bytes"] = number(&l.PayloadBytes, positive)
	}
	if j := o.Jobs; j != nil {
		all[prefix+"jobs.per_day"] = number(&j.PerDay, positive)
		all[prefix+"jobs.deadline"] = duration(&j.Deadline)
		all[prefix+"jobs.cold_start"] = duration(&j.Start)
	}
	if p := o.Provisioned; p != nil {
		all[prefix+"provisioned.input_tokens_per_minute"] = sourced(o, "throughput", number(&p.InputPerMinute, positive))
		all[prefix+"provisioned.output_weight"] = sourced(o, "output weight", number(&p.OutputWeight, positive))
	}
	if s := o.Spot; s != nil && o.Capacity != nil {
		for _, l := range []struct {
			key, field string
			at         **big.Rat
			want       demand
		}{
			{"spot.usd_per_hour", "spot", &s.Spot, positive},
			{"spot.over_provisioned", "over-provisioned", &s.Over, notNegative},
			{"spot.fallback", "served on demand", &s.Fallback, belowOne},
			{"spot.redone", "done again", &s.Redone, belowOne},
		} {
			all[prefix+l.key] = sourced(o, l.field, interruptible(o, number(l.at, l.want)))
		}
	}
}

// interruptible makes a block cost what an hour of spot capacity comes to after the change of k.
func interruptible(o *decide.Option, k knob) knob {
	return knob{get: k.get, set: func(value string) error {
		before := o.Spot.PerHour()
		if err := k.set(value); err != nil {
			return err
		}
		scaleBlock(o.Capacity, o.Spot.PerHour(), before)
		return nil
	}}
}

// scaleBlock makes a block of c cost next where it cost before; both are dollars per GPU-hour.
func scaleBlock(c *cost.Capacity, next, before *big.Rat) {
	if c.BlockCostPerHour != nil && before.Sign() > 0 {
		c.BlockCostPerHour = new(big.Rat).Mul(c.BlockCostPerHour, new(big.Rat).Quo(next, before))
	}
}

// lastDay is a knob for the last day on which something holds; at is the first instant after it.
func lastDay(at *time.Time) knob {
	return knob{
		get: func() string { return at.AddDate(0, 0, -1).Format(time.DateOnly) },
		set: func(value string) error {
			day, err := time.Parse(time.DateOnly, value)
			if err != nil || day.Year() > 9998 { // the day after must have four digits too
				return fmt.Errorf("a day such as 2027-03-31, the last on which it holds")
			}
			*at = day.AddDate(0, 0, 1)
			return nil
		},
	}
}
