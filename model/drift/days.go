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
	n := max(0, min(Window, int(end.Sub(u.Start.Truncate(24*time.Hour))/(24*time.Hour))))
	room := make([]float64, 5*n)
	d := Days{Volume: room[:n], OutputShare: room[n : 2*n], CacheShare: room[2*n : 3*n], Peak: room[3*n : 4*n], Requests: room[4*n:]}
	last := int(end.Sub(u.Start) / time.Hour) // place of the first hour after them
	cached := false
	for k := range n {
		from := last - 24*(n-k)
		day := u.Hours[min(max(0, from), len(u.Hours)):min(max(0, from+24), len(u.Hours))]
		var used, generated, read, requests, most float64
		hours := 0
		for i := range day {
			h := &day[i]
			if !h.Measured() {
				continue
			}
			hours++
			total := float64(h.Total())
			used += total
			generated += float64(h.Tokens[model.Output])
			read += float64(h.Tokens[model.CacheRead])
			requests += h.Requests
			if total > most {
				most = total
			}
		}
		volume, output, cache, peak, counted := math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
		if hours >= leastHours {
			volume, counted = used*24/float64(hours), requests*24/float64(hours)
			if used > 0 {
				peak = most * float64(hours) / used
				output = generated / used
			}
			if prompt := used - generated; prompt > 0 {
				cache = read / prompt
				cached = cached || cache > 0
			}
		}
		d.Volume[k], d.OutputShare[k], d.CacheShare[k], d.Peak[k], d.Requests[k] = volume, output, cache, peak, counted
	}
	if !cached {
		d.CacheShare = nil
	}
	return d
}
