package whatif

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// apiKnobs adds those of an API.
func apiKnobs(o *decide.Option, prefix string, all map[string]knob) {
	p := o.API
	all[prefix+"approved_for_regulated"] = boolean(&o.ApprovedForRegulated)
	all[prefix+"custom_weights"] = boolean(&o.CustomWeights)
	listed := []struct {
		key  string
		at   **big.Rat
		want demand
	}{
		{"input", &p.Input, notNegative},
		{"output", &p.Output, notNegative},
		{"cache_read", &p.CacheRead, notNegative},
		{"cache_write", &p.CacheWrite, notNegative},
		{"cache_write_1h", &p.CacheWrite1h, notNegative},
		{"batch_input", &p.BatchInput, notNegative},
		{"batch_output", &p.BatchOutput, notNegative},
		{"request_fee", &p.RequestFee, notNegative},
		{"uplift", &p.Uplift, notNegative},
		{"discount", &p.Discount, belowOne},
		{"minimum_commit_usd_per_month", &p.MinimumCommit, notNegative},
		{"fixed_usd_per_month", &p.FixedMonthly, notNegative},
	}
	for _, l := range listed {
		all[prefix+l.key] = sourced(o, strings.TrimSuffix(l.key, "_usd_per_month"), number(l.at, l.want))
	}
	tierKnobs(o, prefix, all)
	all[prefix+"prices"] = knob{
		get: func() string { return fmt.Sprintf("%s in, %s out", decimal(p.Input), decimal(p.Output)) },
		set: func(value string) error {
			factor, err := relative(value)
			if err != nil {
				return err
			}
			*p = p.Scaled(factor)
			for _, c := range o.Announced {
				if c.API != nil {
					*c.API = c.API.Scaled(factor)
				}
			}
			for i := range o.Prices {
				if row := &o.Prices[i]; row.Unit == "USD/Mtok" {
					rescale(row, factor)
				}
			}
			return nil
		},
	}
}

// tierKnobs adds those of the tiers of an API, the first of which is tiers.1.
func tierKnobs(o *decide.Option, prefix string, all map[string]knob) {
	p := o.API
	if len(p.Tiers) == 0 {
		return
	}
	all[prefix+"tiers.all_units"] = boolean(&p.AllUnits)
	for i := range p.Tiers {
		t := &p.Tiers[i]
		key, row := fmt.Sprintf("%stiers.%d.", prefix, i+1), "above "+cost.Decimal(t.Above)+"."
		all[key+"above_tokens"] = number(&t.Above, positive)
		if t.Prices == nil {
			all[key+"times"] = sourced(o, row+"times", number(&t.Times, positive))
			continue
		}
		all[key+"input"] = sourced(o, row+"input", number(&t.Prices.Input, notNegative))
		all[key+"output"] = sourced(o, row+"output", number(&t.Prices.Output, notNegative))
	}
}

// spares is the knob of the spare replicas of o, which are not assumed any more once they are set.
func spares(o *decide.Option) knob {
	k := whole(&o.Capacity.SpareReplicas)
	return knob{get: k.get, set: func(value string) error {
		if err := k.set(value); err != nil {
			return err
		}
		o.AssumedSpares = false
		return nil
	}}
}

// fleetKnobs adds those of a fleet.
func fleetKnobs(o *decide.Option, book Book, prefix string, all map[string]knob) {
	c := o.Capacity
	all[prefix+"usd_per_hour"] = hourly(o, book)
	all[prefix+"throughput"] = throughput(o, book)
	if row := hourlyRow(o); row >= 0 && o.Hosting == model.SelfHosted {
		all[prefix+"gpus_per_replica"] = gpus(o, row)
	}
	all[prefix+"managed_overhead"] = sourced(o, "managed_overhead", number(&c.ManagedOverhead, notNegative))
	all[prefix+"target_utilization"] = number(&c.TargetUtilization, aboveZero)
	all[prefix+"peak_factor"] = number(&c.PeakFactor, atLeastOne)
	all[prefix+"min_replicas"] = pointed(&c.MinReplicas)
	all[prefix+"max_replicas"] = pointed(&c.MaxReplicas)
	all[prefix+"spare_replicas"] = spares(o)
	all[prefix+"replicas_per_block"] = whole(&c.ReplicasPerBlock)
	all[prefix+"operations_usd_per_month"] = sourced(o, "operations", number(&c.FixedMonthly, notNegative))
	all[prefix+"variable_usd_per_mtok"] = sourced(o, "variable", number(&c.VariablePerMTok, notNegative))
}

// hourlyRow returns the place of the row that says what an hour of a GPU or an instance costs, -1 when there is none.
func hourlyRow(o *decide.Option) int {
	return slices.IndexFunc(o.Prices, func(p model.PriceSource) bool { return strings.HasSuffix(p.Field, "usd_per_hour") })
}

// hourly is the price of an hour: of a GPU or an instance where the option says what that is, otherwise of a block of replicas.
func hourly(o *decide.Option, book Book) knob {
	c, row := o.Capacity, hourlyRow(o)
	get := func() string { return decimal(c.BlockCostPerHour) + " USD/h of a block of replicas" }
	if row >= 0 {
		get = func() string { return o.Prices[row].Value + " " + o.Prices[row].Unit }
	}
	reprice := func(factor *big.Rat) {
		if s := o.Spot; s != nil && s.OnDemand != nil { // the listed price is that of the hours served on demand
			before := s.PerHour()
			s.OnDemand = new(big.Rat).Mul(s.OnDemand, factor)
			scaleBlock(c, s.PerHour(), before)
			return
		}
		c.BlockCostPerHour = new(big.Rat).Mul(c.BlockCostPerHour, factor)
	}
	return knob{get: get, set: func(value string) error {
		if c.BlockCostPerHour == nil {
			return fmt.Errorf("nothing, since what it costs now is not known")
		}
		if factor, err := relative(value); err == nil {
			reprice(factor)
			if row >= 0 {
				rescale(&o.Prices[row], factor)
			}
			return nil
		}
		next := model.PriceSource{Value: value, Source: assumedSource}
		now := c.BlockCostPerHour
		if row >= 0 {
			now = parse(o.Prices[row].Value)
			next.Item, next.Field, next.Unit = o.Prices[row].Item, o.Prices[row].Field, o.Prices[row].Unit
			for _, listed := range book(value) {
				if listed.Field == "usd_per_hour" && listed.Unit == next.Unit {
					next = listed
				}
			}
		}
		price := parse(next.Value)
		switch {
		case price == nil || price.Sign() <= 0:
			return fmt.Errorf("dollars per hour, more than 0, an item of the price book that is sold like it, or a change such as -30%%")
		case now == nil || now.Sign() == 0:
			return fmt.Errorf("a change such as -30%%, since what it costs now is not known")
		}
		reprice(new(big.Rat).Quo(price, now))
		if row >= 0 {
			o.Prices[row] = next
		}
		return nil
	}}
}

// gpus is how many GPUs a replica has, by what a block costs and what a GPU does.
func gpus(o *decide.Option, row int) knob {
	c := o.Capacity
	perBlock := func() *big.Rat { // USD an hour of a block whose replicas have one GPU
		price := parse(o.Prices[row].Value)
		if o.Spot != nil {
			price = o.Spot.PerHour()
		}
		if price == nil {
			return new(big.Rat)
		}
		return price.Mul(price, big.NewRat(max(1, c.ReplicasPerBlock), 1))
	}
	return knob{
		get: func() string {
			if one := perBlock(); one.Sign() > 0 {
				return decimal(new(big.Rat).Quo(c.BlockCostPerHour, one))
			}
			return notSet
		},
		set: func(value string) error {
			n := new(int64)
			if err := whole(n).set(value); err != nil || *n == 0 {
				return fmt.Errorf("a whole number of GPUs, 1 or more")
			}
			c.BlockCostPerHour = new(big.Rat).Mul(perBlock(), big.NewRat(*n, 1))
			return nil
		},
	}
}

// throughput is what a replica can do at maximum load; with measured shapes it is changed relatively, or to those of a book.
func throughput(o *decide.Option, book Book) knob {
	c := o.Capacity
	return knob{
		get: func() string {
			if len(o.Throughput) > 0 {
				return fmt.Sprintf("%d shapes, the first %s output tokens/s", len(o.Throughput), decimal(o.Throughput[0].OutputTokensPerSecond))
			}
			return decimal(c.TokensPerHour) + " tokens/h per replica"
		},
		set: func(value string) error {
			if shapes, rows := measured(book(value)); len(shapes) > 0 {
				o.Throughput, c.TokensPerHour, o.Measured = shapes, nil, nil
				o.Prices = append(slices.DeleteFunc(o.Prices, isRate), rows...)
				return nil
			}
			factor, err := relative(value)
			switch rate := parse(value); {
			case err == nil:
			case len(o.Throughput) > 0:
				return fmt.Errorf("a change such as +20%%, or an item of the price book, since it was measured for several shapes of requests")
			case rate == nil || rate.Sign() <= 0 || c.TokensPerHour == nil:
				return fmt.Errorf("tokens per hour of a replica, more than 0, an item of the price book, or a change such as +20%%")
			default:
				factor = new(big.Rat).Quo(rate, c.TokensPerHour)
			}
			if factor.Sign() <= 0 {
				return fmt.Errorf("more than nothing")
			}
			o.Measured = nil
			if c.TokensPerHour != nil {
				c.TokensPerHour = new(big.Rat).Mul(c.TokensPerHour, factor)
			}
			for i := range o.Throughput {
				s := &o.Throughput[i]
				s.OutputTokensPerSecond = new(big.Rat).Mul(s.OutputTokensPerSecond, factor)
			}
			for i := range o.Prices {
				if isRate(o.Prices[i]) {
					rescale(&o.Prices[i], factor)
				}
			}
			return nil
		},
	}
}

// isRate reports whether p is a throughput and not a price.
func isRate(p model.PriceSource) bool { return strings.HasSuffix(p.Unit, "per replica") }

// measured returns the shapes among rows, whose fields are the tokens of a request such as 1000/1000, and their rows.
func measured(rows []model.PriceSource) (shapes []decide.Throughput, kept []model.PriceSource) {
	for _, p := range rows {
		in, out, _ := strings.Cut(p.Field, "/")
		input, inErr := strconv.ParseInt(in, 10, 64)
		output, outErr := strconv.ParseInt(out, 10, 64)
		if rate := parse(p.Value); rate != nil && isRate(p) && inErr == nil && outErr == nil {
			shapes = append(shapes, decide.Throughput{Input: input, Output: output, OutputTokensPerSecond: rate})
			kept = append(kept, p)
		}
	}
	return shapes, kept
}

// assumedSource is the source of a number that a what-if changed.
const assumedSource = "what-if"

// rescale multiplies the value of a row, whose source is then the what-if.
func rescale(row *model.PriceSource, factor *big.Rat) {
	if value := parse(row.Value); value != nil {
		row.Value = decimal(value.Mul(value, factor))
	}
	row.Source, row.Date = assumedSource, ""
}

// sourced makes the row of a price say what a change of k made of it.
func sourced(o *decide.Option, field string, k knob) knob {
	return knob{get: k.get, set: func(value string) error {
		if err := k.set(value); err != nil {
			return err
		}
		for i := range o.Prices {
			if row := &o.Prices[i]; row.Field == field {
				row.Value, row.Source, row.Date = k.get(), assumedSource, ""
			}
		}
		return nil
	}}
}
