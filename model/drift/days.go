package drift

import (
	"math"
	"time"

	"tipline/model"
)

// The kinds of drift that the measured hours of a workload tell.
const (
	Volume     = "volume"       // tokens a day
	Mix        = "output_share" // share of the generated tokens
	CacheShare = "cache_share"  // share of the prompt tokens that were read from a cache
	Peak       = "peak_factor"  // the busiest hour over the mean hour of its day
)

// leastHours are the measured hours from which a day counts as known.
const leastHours = 20

// Days is what a workload used on each of the last Window whole days, oldest first. What is not known is NaN: a day of which few hours
// were measured, and the shares of one without tokens.
type Days struct {
	Volume, OutputShare, CacheShare, Peak, Requests []float64
}

// DaysOf adds up the days of u that end by now, in UTC. A workload that never read from a cache has no cache share to drift.
func DaysOf(u model.Usage, now time.Time) Days {
	end := now.UTC().Truncate(24 * time.Hour)
	n := min(Window, int(end.Sub(u.Start.Truncate(24*time.Hour))/(24*time.Hour)))
	room := func() []float64 { return make([]float64, 0, max(0, n)) }
	d := Days{Volume: room(), OutputShare: room(), CacheShare: room(), Peak: room(), Requests: room()}
	last := int(end.Sub(u.Start) / time.Hour) // place of the first hour after them
	cached := false
	for back := n; back >= 1; back-- {
		from := last - 24*back
		var sum model.Volume
		var requests, most float64
		hours := 0
		for i := max(0, from); i < min(from+24, len(u.Hours)); i++ {
			h := &u.Hours[i]
			if !h.Measured() {
				continue
			}
			hours++
			total := model.Tokens(0)
			for c, tokens := range &h.Tokens {
				sum[c] += tokens
				total += tokens
			}
			requests += h.Requests
			most = max(most, float64(total))
		}
		volume, output, cache, peak := math.NaN(), math.NaN(), math.NaN(), math.NaN()
		counted := math.NaN()
		if total := float64(sum.Total()); hours >= leastHours {
			volume, counted = total*24/float64(hours), requests*24/float64(hours)
			if total > 0 {
				peak = most * float64(hours) / total
				output = float64(sum[model.Output]) / total
			}
			if prompt := total - float64(sum[model.Output]); prompt > 0 {
				cache = float64(sum[model.CacheRead]) / prompt
				cached = cached || cache > 0
			}
		}
		d.Volume, d.OutputShare, d.CacheShare = append(d.Volume, volume), append(d.OutputShare, output), append(d.CacheShare, cache)
		d.Peak, d.Requests = append(d.Peak, peak), append(d.Requests, counted)
	}
	if !cached {
		d.CacheShare = nil
	}
	return d
}
