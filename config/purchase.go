package config

import (
	"math/big"
	"time"

	"tipline/model/cost"
	"tipline/model/decide"
)

// Defaults of hardware that is owned (cost model, section 18), and of a fleet that follows its load.
const (
	defaultLife        = 36     // months
	defaultRate        = "0.08" // cost of capital a year
	defaultSalvage     = "0.10" // share of the price
	defaultMaintenance = "0.10" // share of the price a year
	defaultPUE         = "1.4"
	defaultUSDPerKWh   = "0.12"
	defaultIdleTimeout = 15 * time.Minute // an assumption: the order of what autoscalers wait for
	mostLife           = 240              // months; an annuity over more is a slip of the pen
)

// autoscale reads how a fleet follows its load; nil when it does not.
func (r *reader) autoscale(raw rawOption) *decide.Autoscale {
	s := raw.Autoscale
	if s == nil {
		return nil
	}
	if !s.ColdStart.given() {
		r.missing(s.At, "cold_start", ", want how long a replica takes until it serves, such as 6m")
	}
	if !s.StartsPerDay.given() {
		r.missing(s.At, "starts_per_day", ", want how many cold starts all replicas together have in a day")
	}
	if raw.PeakFactor.given() {
		r.wrong(raw.PeakFactor.place, "has no effect with autoscale, which sizes the fleet for every hour")
	}
	return &decide.Autoscale{
		ColdStart:    r.duration(s.ColdStart, 0, false),
		IdleTimeout:  r.duration(s.IdleTimeout, defaultIdleTimeout, true),
		StartsPerDay: r.number(s.StartsPerDay, demand{"cold starts a day, 0 or more", notNegative}),
	}
}

// reserved reads the price of GPUs that are reserved. In a fleet that follows its load, the replicas that run long enough are.
func (r *reader) reserved(t *tariff, o *decide.Option, raw *rawGPU, gpus int64) {
	switch {
	case !raw.Reserved.given():
		return
	case o.Autoscale == nil:
		r.wrong(raw.Reserved.place, "has no effect without autoscale: a fleet that runs all month is reserved as a whole, give that price as usd_per_hour")
	case raw.Spot != nil:
		r.wrong(raw.Reserved.place, "spot is set too, want one of the two")
	}
	perHour := t.add("reserved", r.number(raw.Reserved, demand{"dollars per GPU-hour, more than 0", positive}), gpuHour)
	if perHour != nil && o.Autoscale != nil {
		o.Autoscale.ReservedPerHour = new(big.Rat).Mul(perHour, big.NewRat(gpus, 1))
	}
}

// owned works the hour of a block out of what it takes to own it (cost model, section 4.7). gpus are those of a block.
func (r *reader) owned(t *tariff, o *decide.Option, c *cost.Capacity, gpu *rawGPU, gpus int64) {
	raw := gpu.Owned
	if gpu.Spot != nil {
		r.wrong(gpu.Spot.At, "owned is set too, want one of the two")
	}
	if o.Autoscale != nil {
		r.wrong(raw.At, "has no effect with autoscale: hardware that is owned is paid for in every hour")
	}
	if !raw.CapexUSD.given() || !raw.LoadWatts.given() {
		r.wrong(raw.At, "want capex_usd, dollars of a block of GPUs with their host, and gpu_load_watts of one GPU")
		return
	}
	number := func(s scalar, want, fallback string) *big.Rat {
		return r.numberOr(s, demand{want + ", 0 or more", notNegative}, fallback)
	}
	upToOne := demand{"a share, 0 or more and at most 1, such as 0.1 for 10%", share}
	hardware := cost.Owned{
		Capex:              r.number(raw.CapexUSD, demand{"dollars of a block of GPUs with their host, more than 0", positive}),
		Months:             r.whole(raw.Months, "months of use", 1, defaultLife),
		AnnualRate:         r.numberOr(raw.AnnualRate, demand{"cost of capital a year, 0 or more and less than 1, such as 0.08 for 8%", belowOne}, defaultRate),
		GPUs:               gpus,
		IdleWatts:          number(raw.IdleWatts, "watts of an idle GPU", "0"),
		LoadWatts:          number(raw.LoadWatts, "watts of a busy GPU", "0"),
		HostWatts:          number(raw.HostWatts, "watts of everything around the GPUs", "0"),
		Utilization:        r.numberOr(raw.Busy, upToOne, "1"),
		PUE:                r.numberOr(raw.PUE, demand{"power of the room over that of the machines, 1 or more", atLeastOne}, defaultPUE),
		USDPerKWh:          number(raw.USDPerKWh, "dollars per kilowatt-hour", defaultUSDPerKWh),
		ColocationKW:       number(raw.ColocationKW, "kilowatts that are rented", "0"),
		ColocationPerKW:    number(raw.ColocationPerKW, "dollars a month and kilowatt", "0"),
		MaintenancePerYear: number(raw.Maintenance, "share of the price a year", defaultMaintenance),
	}
	salvage := r.numberOr(raw.Salvage, upToOne, defaultSalvage)
	switch {
	case hardware.Months > mostLife:
		r.wrong(raw.Months.place, "got %d, want at most %d months", hardware.Months, mostLife)
		return
	case hardware.Capex == nil:
		return
	}
	hardware.Salvage = new(big.Rat).Mul(hardware.Capex, or(salvage))
	monthly := hardware.Monthly()
	t.add("capex", hardware.Capex, "USD/block")
	for _, part := range []struct {
		name string
		usd  *big.Rat
	}{
		{"capital", monthly.Capital},
		{"power", monthly.Power},
		{"colocation", monthly.Colocation},
		{"maintenance", monthly.Maintenance},
	} {
		if part.usd.Sign() > 0 {
			t.add(part.name, rounded(part.usd, 2), "USD/month and block")
		}
	}
	// An annuity is a fraction of hundreds of digits, which a millionth of a dollar is exact enough for.
	c.BlockCostPerHour = rounded(new(big.Rat).Quo(monthly.Total(), cost.DefaultHours), 6)
	o.Owned = &decide.Owned{Capex: hardware.Capex, Capital: rounded(monthly.Capital, 2)}
	o.Committed = r.bought(raw, hardware.Months, rounded(monthly.Capital, 2))
}

// rounded returns value with that many decimals.
func rounded(value *big.Rat, decimals int) *big.Rat { return parseDecimal(value.FloatString(decimals)) }

// bought returns the capital of hardware that is there already: it stays due whether it is used or not, until it is written off.
func (r *reader) bought(raw *rawOwned, months int64, capital *big.Rat) *decide.Commitment {
	if !raw.Bought.given() {
		if raw.Blocks.given() {
			r.missing(raw.At, "bought", ", want the day on which the blocks were bought, such as 2026-01-15")
		}
		return nil
	}
	blocks := r.whole(raw.Blocks, "blocks that were bought", 1, 1)
	day, err := time.Parse(time.DateOnly, raw.Bought.text())
	if err != nil {
		r.wrong(raw.Bought.place, "got %s, want a date such as 2026-01-15", quote(raw.Bought.text()))
		return nil
	}
	return &decide.Commitment{Until: day.AddDate(0, int(months), 0), USDPerMonth: new(big.Rat).Mul(capital, big.NewRat(blocks, 1))}
}
