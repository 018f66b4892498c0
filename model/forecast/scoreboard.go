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

// Past is a projection as it was told, with what its record called for, kept until the span that it was of has been measured.
type Past struct {
	Origin time.Time    `json:"origin"`
	Days   int          `json:"days"`
	Low95  model.Tokens `json:"low95"`
	Low80  model.Tokens `json:"low80"`
	Median model.Tokens `json:"median"`
	High80 model.Tokens `json:"high80"`
	High95 model.Tokens `json:"high95"`
	Naive  model.Tokens `json:"naive"`  // the seasonal naive one: the last full weeks, at most four, once more
	Steady model.Tokens `json:"steady"` // the last full weeks, at most four, also for a week

	// Own is the median before the projection yielded to Steady; absent when it did not. Widened is how many times as far from the median the ranges were made; 0 means 1.
	Own     *model.Tokens `json:"own,omitempty"`
	Widened float64       `json:"widened,omitempty"`

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
		kept = append(kept, remember(u, origin, k, judge(kept, u, origin))...)
	}
	if at := oldest.Add(-recordEvery); origin.Sub(at) <= replayFor && at.Sub(u.Start) >= 2*recordEvery {
		k.Events = slices.DeleteFunc(slices.Clone(k.Events), func(e model.Event) bool { return e.From.After(at) })
		kept = append(kept, remember(u, at, k, judge(kept, u, at))...)
	}
	slices.SortStableFunc(kept, func(a, b Past) int { return cmp.Or(a.Origin.Compare(b.Origin), cmp.Compare(a.Days, b.Days)) })
	return kept
}

// remember returns the projections of u from origin on as they are told, corrected by c, one for each of Horizons; nil without a measured week before it.
func remember(u model.Usage, origin time.Time, k model.Known, c correction) []Past {
	o, ok := newOutlook(u, origin, Horizons[len(Horizons)-1], k)
	if !ok {
		return nil
	}
	plain := o
	if len(k.Events) > 0 {
		plain, _ = newOutlook(u, origin, Horizons[len(Horizons)-1], k.WithoutEvents()) // events only take hours away
	}
	var made []Past
	for _, days := range Horizons {
		steady, ok := repeated(u, origin, 4, days)
		naive := steady
		if ok && days == week {
			naive, ok = repeated(u, origin, 1, days)
		}
		if !ok {
			return nil
		}
		to := origin.Add(time.Duration(days) * day)
		own, median := o.total(to), plain.total(to).At(0.50)
		times := c.factor(steady, median)
		d := c.apply(own, times)
		p := Past{
			Origin: origin, Days: days, Low95: d.At(0.025), Low80: d.At(0.10), Median: d.At(0.50), High80: d.At(0.90), High95: d.At(0.975), Naive: naive, Steady: steady, Widened: c.widened(),
		}
		if m := own.At(0.50); times != 1 {
			p.Own = &m
		}
		if without := median * model.Tokens(times); median != own.At(0.50) {
			p.WithoutEvents = &without
		}
		made = append(made, p)
	}
	return made
}

// repeated returns the projection of a number of days that repeats the last full weeks, at most so many; false when too little of them was measured.
func repeated(u model.Usage, origin time.Time, weeks, days int) (model.Tokens, bool) {
	if weeks = min(weeks, int(origin.Sub(u.Start)/recordEvery)); weeks < 1 {
		return 0, false
	}
	last, share := u.Between(origin.Add(-time.Duration(weeks)*recordEvery), origin)
	if share < leastShare {
		return 0, false
	}
	return last.Total() / model.Tokens(share) * model.Tokens(days) / model.Tokens(weeks*week), true
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

// The rules by which a forecast that does badly on a workload is corrected, over the last eight totals of a week. When three or more lay outside of its 95 % range, which
// happens to one that keeps its promise in 0.6 % of the cases, distances from the median are half as large again. When the mean of four weeks came nearer
// in six or more and missed by less than 70 % as much, the projection yields to it. README.md says what that is worth, and what yielding to the last week is not.
const (
	judgedOn   = 8
	widenAt    = 3
	widening   = 1.5
	yieldAt    = 6
	yieldRatio = 0.7
)

// correction is what the record of a workload calls for. It is judged by the projections as they were before any.
type correction struct {
	missed int // of the last judgedOn totals of a week, those outside of the 95 % range; 0 while there are fewer
	nearer int // those to which the mean of four weeks came nearer
	yields bool
}

// judge looks at the record of u by what had been measured at now.
func judge(past []Past, u model.Usage, now time.Time) (c correction) {
	graded := 0
	var own, steady float64 // sums of errors, as logarithms
	for _, p := range slices.Backward(past) {
		if p.Days != Horizons[0] || graded == judgedOn {
			continue
		}
		actual, ok := measured(p, u, now)
		if !ok {
			continue
		}
		graded++
		p = p.uncorrected()
		if actual < p.Low95 || actual > p.High95 {
			c.missed++
		}
		if actual > 0 && p.Median > 0 && p.Steady > 0 {
			a, b := math.Abs(math.Log(float64(p.Median/actual))), math.Abs(math.Log(float64(p.Steady/actual)))
			own, steady = own+a, steady+b
			if b < a {
				c.nearer++
			}
		}
	}
	if graded < judgedOn {
		return correction{}
	}
	c.yields = c.nearer >= yieldAt && steady < yieldRatio*own
	return c
}

// uncorrected returns p as it was before it was corrected.
func (p Past) uncorrected() Past {
	own := p.Median
	if p.Own != nil {
		own = *p.Own
	}
	narrow := func(q model.Tokens) model.Tokens {
		if p.Median <= 0 || q <= 0 {
			return q
		}
		distance := math.Log(float64(q / p.Median))
		if p.Widened > 0 {
			distance /= p.Widened
		}
		return own * model.Tokens(math.Exp(distance))
	}
	p.Low95, p.High95, p.Median = narrow(p.Low95), narrow(p.High95), own
	return p
}

// widened returns how many times as far from the median quantiles are to be; 0 when they are to stay.
func (c correction) widened() float64 {
	if c.missed >= widenAt {
		return widening
	}
	return 0
}

// factor returns by how much a projection of the given median is changed when steady is what four weeks repeated are in the same span.
func (c correction) factor(steady, median model.Tokens) float64 {
	if !c.yields || median <= 0 || steady <= 0 {
		return 1
	}
	return float64(steady / median)
}

func (c correction) apply(d model.Distribution, times float64) model.Distribution {
	if w := c.widened(); w > 0 {
		d = d.Stretch(w)
	}
	for i := range d {
		d[i] *= model.Tokens(times)
	}
	return d
}

// Correct returns f, the projection of u with what is known beside it, as its record calls for, with a word about it; f itself when the record is short or good.
func Correct(f model.Forecast, past []Past, u model.Usage, k model.Known) model.Forecast {
	c := judge(past, u, f.Origin)
	month, ok := repeated(u, f.Origin, 4, 4*week)
	if c.yields = c.yields && ok; !c.yields && c.widened() == 0 {
		return f
	}
	plain := f
	if c.yields && len(k.Events) > 0 {
		plain, _ = Project(u, f.Origin, k.WithoutEvents()) // events only take hours away
	}
	f.Next, f.Months = slices.Clone(f.Next), slices.Clone(f.Months)
	for i, p := range f.Next {
		f.Next[i].Total = c.apply(p.Total, c.factor(month*model.Tokens(p.To.Sub(p.From)/day)/(4*week), plain.Next[i].Total.At(0.50)))
	}
	used, _ := u.Between(f.Months[0].From, f.Origin)
	for i, p := range f.Months {
		var base model.Tokens
		if i == 0 {
			base = min(used.Total(), p.Total[0])
		}
		ahead := p.Total
		for q := range ahead {
			ahead[q] -= base
		}
		span := p.To.Sub(later(p.From, f.Origin)).Hours() / 24
		ahead = c.apply(ahead, c.factor(month*model.Tokens(span)/(4*week), plain.Months[i].Total.At(0.50)-base))
		for q := range ahead {
			f.Months[i].Total[q] = ahead[q] + base
		}
	}
	f.Warnings = slices.Clone(f.Warnings)
	if c.yields {
		f.Requests30d *= float64(f.Next[model.Next30d].Total.At(0.50) / max(1, plain.Next[model.Next30d].Total.At(0.50)))
		f.MonthlyGrowth = 0
		f.Warnings = append(f.Warnings, model.Warning{Code: "PROJECTION_YIELDED", Text: "the mean of four weeks came nearer to " + countText(c.nearer) +
			" of the last 8 totals of a week than the projection did, so it is projected instead, without growth"})
	}
	if c.widened() > 0 {
		f.Warnings = append(f.Warnings, model.Warning{Code: "PROJECTION_WIDENED", Text: "of the last 8 projections of a week " +
			countText(c.missed) + " missed their 95% range, so this one is made half as wide again"})
	}
	return f
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Gone reports whether nothing has been added to a record for so long that nothing of it is kept.
func Gone(past []Past, now time.Time) bool {
	return !slices.ContainsFunc(past, func(p Past) bool { return now.Sub(p.Origin) <= recordFor })
}

func countText(n int) string {
	return [...]string{"none", "one", "two", "three", "four", "five", "six", "seven", "all"}[n]
}
