package decide

import (
	"math"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// future is the months ahead on every quantile path, and what the current option costs in them (cost model, section 8).
type future struct {
	spans   [][2]time.Time // from and to of each month
	months  [][]float64    // tokens a month of each path
	sunk    []float64      // share of each month in which what is committed stays due
	now     [][]float64    // USD of the current option; NaN where it cannot serve
	growth  float64        // by which a month discounts: 1 + r
	wait    int            // months
	scratch [][]float64    // see saved
}

// newFuture returns the next twelve calendar months, or as many as the forecast has, each brought to cost.DefaultHours. A forecast
// without any stands still at the next 30 days.
func newFuture(in Input, now *costed, s *sunkCost) *future {
	f := &future{
		wait: in.Policy.WaitMonths, growth: math.Pow(1+float(orZero(in.Policy.DiscountRate)), 1.0/monthsAYear),
		spans: make([][2]time.Time, 0, monthsAhead), months: make([][]float64, 0, monthsAhead), sunk: make([]float64, 0, monthsAhead),
	}
	add := func(p model.Projection, from, to time.Time) {
		f.spans = append(f.spans, [2]time.Time{from, to})
		f.months = append(f.months, perMonth(p))
		f.sunk = append(f.sunk, s.share(from, to))
	}
	ahead := in.Forecast.Months
	for _, m := range ahead[min(1, len(ahead)):] {
		if len(f.months) < monthsAhead {
			add(m, m.From, m.To)
		}
	}
	for len(ahead) <= 1 && len(f.months) < monthsAhead {
		from := in.Forecast.Origin.AddDate(0, len(f.months), 0)
		add(in.Forecast.Next[model.Next30d], from, from.AddDate(0, 1, 0))
	}
	f.now, f.scratch = f.table(), f.table()
	f.costs(f.now, now)
	return f
}

const monthsAYear = 12

// perMonth returns the paths of p at the length of cost.DefaultHours; a span without an end is 30 days.
func perMonth(p model.Projection) []float64 {
	length := p.To.Sub(p.From).Hours()
	if length <= 0 {
		length = hours30d
	}
	month := float(cost.DefaultHours)
	paths := make([]float64, 0, len(p.Total))
	for _, tokens := range p.Total.Paths() {
		paths = append(paths, float64(tokens)*month/length)
	}
	return paths
}

// costs writes what c costs in every month on every path, at the prices that are valid in it and without what stays due in any case.
func (f *future) costs(all [][]float64, c *costed) {
	for t, month := range f.months {
		for j, volume := range month {
			all[t][j] = c.over(f.spans[t][0], f.spans[t][1], volume, f.sunk[t])
		}
	}
}

// table returns room for a number for every month and path.
func (f *future) table() [][]float64 {
	all := make([][]float64, len(f.months))
	cells := make([]float64, len(f.months)*len(f.months[0]))
	for t, month := range f.months {
		all[t], cells = cells[:len(month):len(month)], cells[len(month):]
	}
	return all
}

// saved returns what alt saves in every month on every path. The table is valid until the next call.
func (f *future) saved(alt *costed) [][]float64 {
	f.costs(f.scratch, alt)
	for t, month := range f.scratch {
		for j := range month {
			month[j] = f.now[t][j] - month[j]
		}
	}
	return f.scratch
}

// probability returns the share of the paths on which more is saved over the months than a move costs. Months that either cannot
// serve make a path one on which alt is not cheaper.
func probability(saved [][]float64, migration float64) model.Fraction {
	cheaper := 0
	for j := range saved[0] {
		sum := -migration
		for _, month := range saved {
			sum += month[j]
		}
		if sum > 0 { // false for NaN
			cheaper++
		}
	}
	return model.Fraction(float64(cheaper) / float64(len(saved[0])))
}

// prospect weighs a move that saves so much on the paths, each of which is equally likely. A wait of no months is not weighed.
func (f *future) prospect(saved [][]float64, migration float64) *model.Prospect {
	p := Stakes{Saved: saved, Migration: migration, Wait: f.wait, Growth: f.growth}.Weigh()
	if p != nil && f.wait == 0 {
		p.NPVAfterWaitUSD, p.ValueOfWaitingUSD = max(0, p.NPVUSD), 0
		p.Advice = advice(p.NPVUSD > 0, false)
	}
	return p
}
