package forecast

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// Horizons are the spans whose projections are kept and graded, in days.
var Horizons = [...]int{7, 30, 90}

// Past is a projection as it was made, kept until the span that it was of has been measured.
type Past struct {
	Origin time.Time    `json:"origin"`
	Days   int          `json:"days"`
	Low95  model.Tokens `json:"low95"`
	Low80  model.Tokens `json:"low80"`
	Median model.Tokens `json:"median"`
	High80 model.Tokens `json:"high80"`
	High95 model.Tokens `json:"high95"`
	Naive  model.Tokens `json:"naive"` // the seasonal naive one: the last full weeks, at most four, once more

	// WithoutEvents is the median had the events not been known; absent when they changed nothing.
	WithoutEvents *model.Tokens `json:"without_events,omitempty"`
}

// The record of a workload: a projection a week, for as long as the farthest takes to be graded and some more.
const (
	recordEvery = 7 * day
	recordFor   = 26 * 7 * day
	replayFor   = 10 * 7 * day // as far back as that
)

// Record returns past with the projections of u from origin on, if a week has passed since the last ones, and without those that are too old
// to matter. While the record is short it also replays, a week a call, what would have been projected before the first evaluation: a projection reads
// nothing after its origin, and an event is taken for known from its beginning on, so that is what it would have said.
func Record(past []Past, u model.Usage, origin time.Time, k model.Known) []Past {
	kept := slices.DeleteFunc(slices.Clone(past), func(p Past) bool { return origin.Sub(p.Origin) > recordFor || p.Origin.After(origin) })
	oldest, newest := origin, time.Time{}
	for _, p := range kept {
		if p.Origin.Before(oldest) {
			oldest = p.Origin
		}
		if p.Origin.After(newest) {
			newest = p.Origin
		}
	}
	if origin.Sub(newest) >= recordEvery {
		kept = append(kept, remember(u, origin, k)...)
	}
	if at := oldest.Add(-recordEvery); origin.Sub(at) <= replayFor && at.Sub(u.Start) >= 2*recordEvery {
		k.Events = slices.DeleteFunc(slices.Clone(k.Events), func(e model.Event) bool { return e.From.After(at) })
		kept = append(kept, remember(u, at, k)...)
	}
	slices.SortStableFunc(kept, func(a, b Past) int { return cmp.Or(a.Origin.Compare(b.Origin), cmp.Compare(a.Days, b.Days)) })
	return kept
}

// remember returns the projections of u from origin on, one for each of Horizons; nil without a measured week before it.
func remember(u model.Usage, origin time.Time, k model.Known) []Past {
	weeks := min(4, int(origin.Sub(u.Start)/recordEvery))
	if weeks < 1 {
		return nil
	}
	last, share := u.Between(origin.Add(-time.Duration(weeks)*recordEvery), origin)
	o, ok := newOutlook(u, origin, Horizons[len(Horizons)-1], k)
	if !ok || share < leastShare {
		return nil
	}
	plain := o
	if len(k.Events) > 0 {
		plain, _ = newOutlook(u, origin, Horizons[len(Horizons)-1], model.Known{Holidays: k.Holidays}) // events only take hours away
	}
	var made []Past
	for _, days := range Horizons {
		d := o.total(origin.Add(time.Duration(days) * day))
		naive := last.Total() / model.Tokens(share) * model.Tokens(days) / model.Tokens(weeks*week)
		if days == week {
			lastWeek, seen := u.Between(origin.Add(-recordEvery), origin)
			if seen < leastShare {
				return nil
			}
			naive = lastWeek.Total() / model.Tokens(seen)
		}
		p := Past{
			Origin: origin, Days: days, Low95: d.At(0.025), Low80: d.At(0.10), Median: d.At(0.50), High80: d.At(0.90), High95: d.At(0.975), Naive: naive,
		}
		if median := plain.total(origin.Add(time.Duration(days) * day)).At(0.50); median != p.Median {
			p.WithoutEvents = &median
		}
		made = append(made, p)
	}
	return made
}

// leastShare is the share of a span that must have been measured for its total to count.
const leastShare = 0.9

// Grade holds past against what u was in the meantime, for each of Horizons of which at least one span has been measured.
func Grade(past []Past, u model.Usage, now time.Time) []model.ForecastScore {
	scores := []model.ForecastScore{}
	for _, days := range Horizons {
		var errs, naive, event, without []float64
		var bias, in80, in95 float64
		for _, p := range past {
			if p.Days != days {
				continue
			}
			actual, ok := measured(p, u, now)
			if !ok || actual <= 0 {
				continue
			}
			missed := func(projected model.Tokens) float64 { return math.Abs(float64(projected/actual) - 1) }
			errs, naive = append(errs, missed(p.Median)), append(naive, missed(p.Naive))
			if p.WithoutEvents != nil {
				event, without = append(event, missed(p.Median)), append(without, missed(*p.WithoutEvents))
			}
			bias += float64(p.Median/actual) - 1
			if p.Low80 <= actual && actual <= p.High80 {
				in80++
			}
			if p.Low95 <= actual && actual <= p.High95 {
				in95++
			}
		}
		if n := float64(len(errs)); n > 0 {
			score := model.ForecastScore{
				Days: days, Graded: len(errs), ErrorRatio: model.Fraction(median(errs)), NaiveErrorRatio: model.Fraction(median(naive)),
				BiasRatio: model.Fraction(bias / n), Coverage80: model.Fraction(in80 / n), Coverage95: model.Fraction(in95 / n),
			}
			if len(event) > 0 {
				score.EventErrorRatio, score.WithoutEventErrorRatio = new(model.Fraction(median(event))), new(model.Fraction(median(without)))
			}
			scores = append(scores, score)
		}
	}
	return scores
}

// measured returns what u was in the span of p, and false while that is not known.
func measured(p Past, u model.Usage, now time.Time) (model.Tokens, bool) {
	to := p.Origin.Add(time.Duration(p.Days) * day)
	if to.After(now) || p.Origin.Before(u.Start) {
		return 0, false
	}
	sum, share := u.Between(p.Origin, to)
	if share < leastShare {
		return 0, false
	}
	return sum.Total() / model.Tokens(share), true
}

// The rule by which a forecast that does badly on a workload is widened: when three or more of the last eight totals of a week lay outside
// of their 95 % range, which happens to one that keeps its promise in 0.6 % of the cases, distances from the median are half as large again.
const (
	widenAfter = 8
	widenAt    = 3
	widening   = 1.5
)

// Widen returns f as wide as the record of its workload calls for, with a word about it; f itself when the record is short or good.
func Widen(f model.Forecast, past []Past, u model.Usage, now time.Time) model.Forecast {
	graded, missed := 0, 0
	for _, p := range slices.Backward(past) {
		if p.Days != Horizons[0] || graded == widenAfter {
			continue
		}
		if actual, ok := measured(p, u, now); ok {
			graded++
			if actual < p.Low95 || actual > p.High95 {
				missed++
			}
		}
	}
	if graded < widenAfter || missed < widenAt {
		return f
	}
	wide := func(all []model.Projection) []model.Projection {
		all = slices.Clone(all)
		for i := range all {
			all[i].Total = all[i].Total.Stretch(widening)
		}
		return all
	}
	f.Next, f.Months = wide(f.Next), wide(f.Months)
	f.Warnings = append(slices.Clone(f.Warnings), model.Warning{Code: "PROJECTION_WIDENED", Text: "of the last 8 projections of a week " +
		countText(missed) + " missed their 95 % range, so this one is made half as wide again"})
	return f
}

func countText(n int) string {
	return [...]string{"none", "one", "two", "three", "four", "five", "six", "seven", "all"}[n]
}
