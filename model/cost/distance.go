package cost

import (
	"math"
	"math/big"

	"tipline/model"
)

// Distance is where a volume stands against a favourable set (cost model, section 8).
type Distance struct {
	State  string   // BELOW the first interval, INSIDE one that ends, BETWEEN two or past the last, ABOVE in the one without end, or NEVER
	Next   *big.Rat // the next boundary above the volume; nil when there is none
	Ratio  *big.Rat // Next over the volume; nil without Next or at volume zero
	Months *float64 // until the boundary at the growth given; nil when the volume does not grow
}

// FindDistance places volume against the favourable intervals; growth is per month, 0.08 for 8 %.
func FindDistance(volume *big.Rat, growth float64, intervals []Interval) Distance {
	d := Distance{State: model.StateNever}
	for i, interval := range intervals {
		if volume.Cmp(interval.From) <= 0 {
			d.State = model.StateBetween
			if i == 0 {
				d.State = model.StateBelow
			}
			d.Next = interval.From
			break
		}
		if interval.To == nil {
			d.State = model.StateAbove
			break
		}
		if volume.Cmp(interval.To) <= 0 {
			d.State, d.Next = model.StateInside, interval.To
			break
		}
		d.State = model.StateBetween
	}
	if d.Next == nil || volume.Sign() <= 0 {
		return d
	}
	d.Ratio = quo(d.Next, volume)
	if growth > 0 {
		if months := math.Log(Float(d.Ratio)) / math.Log1p(growth); !math.IsInf(months, 0) && !math.IsNaN(months) {
			d.Months = &months
		}
	}
	return d
}
