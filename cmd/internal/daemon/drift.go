package daemon

import (
	"fmt"
	"slices"
	"time"

	"tipline/cmd/internal/whatif"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
	"tipline/model/drift"
)

// input is one input of a decision whose drift is looked for.
type input struct {
	kind    string
	days    []float64 // none where readings say what became of it
	scale   drift.Scale
	growing bool
	say     func(f drift.Finding) (found, expected string)
	restore func(in *decide.Input, f drift.Finding) []config.Setting // changes that bring in back to what was to be expected
}

// drifts says which inputs of the decision v on in have drifted, sorted by kind as listed here. Inputs of which too little is known are
// left out.
func drifts(u model.Usage, readings drift.Readings, in decide.Input, v decide.Verdict, now time.Time) []model.Drift {
	found := []model.Drift{}
	days := drift.DaysOf(u, now)
	tell := func(i input, f drift.Finding) {
		d := model.Drift{Kind: i.kind, Score: f.Score, Expected: f.Expected, Found: f.Found}
		if f.Score >= 1 {
			since := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -f.Days)
			d.Since = since.Format(time.DateOnly)
			is, was := i.say(f)
			d.Text = fmt.Sprintf("%s since %s, where %s was to be expected", is, model.FormatDate(since), was)
			if i.kind == drift.Volume {
				d.Text += meter(days)
			}
			if i.restore != nil {
				weigh(&d, in, v, i.restore(&in, f))
			}
		}
		found = append(found, d)
	}
	split := !slices.ContainsFunc(u.Warnings, func(w model.Warning) bool { return w.Code == collector.CacheSplitUnknown })
	for _, i := range inputs(days, split) {
		if f, known := drift.Find(i.days, i.scale, i.growing); known {
			tell(i, f)
		}
	}
	for _, i := range onceADay {
		if f, known := readings.Found[i.kind]; known {
			tell(i, f)
		}
	}
	return found
}

// shareOf says a share, followed by what it is of, and the one that was expected.
func shareOf(what string) func(drift.Finding) (found, expected string) {
	return func(f drift.Finding) (string, string) {
		return model.FormatPercent(model.Fraction(f.Found)) + what, model.FormatPercent(model.Fraction(f.Expected))
	}
}

// inputs lists what the days of a workload tell; split says whether the tokens read from a cache are known.
func inputs(days drift.Days, split bool) []input {
	all := []input{
		{
			kind: drift.Volume, days: days.Volume, scale: drift.Ratio, growing: true,
			say: func(f drift.Finding) (string, string) {
				return model.FormatTokens(model.Tokens(f.Found)) + " tokens a day", model.FormatTokens(model.Tokens(f.Expected))
			},
			restore: func(_ *decide.Input, f drift.Finding) []config.Setting {
				if f.Found <= 0 {
					return nil
				}
				return []config.Setting{{Path: "volume.tokens_per_month", Value: fmt.Sprintf("%+.6f%%", 100*(f.Expected/f.Found-1))}}
			},
		},
		{
			kind: drift.Mix, days: days.OutputShare, scale: drift.Share, say: shareOf(" of the tokens are generated"),
			restore: func(_ *decide.Input, f drift.Finding) []config.Setting {
				return []config.Setting{{Path: "volume.mix.output", Value: fmt.Sprintf("%.9f", f.Expected)}}
			},
		},
		{
			kind: drift.Peak, days: days.Peak, scale: drift.Ratio,
			say: func(f drift.Finding) (string, string) {
				return fmt.Sprintf("the busiest hour of a day has %.2f times the mean one", f.Found), fmt.Sprintf("%.2f times", f.Expected)
			},
			restore: func(in *decide.Input, f drift.Finding) []config.Setting {
				var changes []config.Setting
				peak := in.Forecast.Load.PeakFactor() * f.Expected / f.Found
				for _, o := range in.Options {
					if o.Capacity != nil && o.Capacity.PeakFactor == nil && o.Autoscale == nil && peak > 0 {
						changes = append(changes, config.Setting{Path: "options." + o.Name + ".peak_factor", Value: fmt.Sprintf("%.9f", max(1, peak))})
					}
				}
				return changes
			},
		},
	}
	if split {
		all = slices.Insert(all, 2, input{
			kind: drift.CacheShare, days: days.CacheShare, scale: drift.Share, say: shareOf(" of the prompt tokens come from a cache"),
			restore: func(in *decide.Input, f drift.Finding) []config.Setting {
				prompt := 1 - float64(in.Forecast.Next[model.Next30d].Mix[model.Output])
				return []config.Setting{{Path: "volume.mix.cache_read", Value: fmt.Sprintf("%.9f", f.Expected*prompt)}}
			},
		})
	}
	return all
}

// reading returns what is known today of the kinds of which the history holds no hours.
func reading(u model.Usage, w model.WorkloadReport, now time.Time) map[string]float64 {
	values := map[string]float64{}
	if u.TTFTP95 != nil {
		values[drift.TTFT] = u.TTFTP95.Seconds()
	}
	failed, retried := ofRequests(u, now)
	for kind, share := range map[string]*model.Fraction{drift.ErrorShare: failed, drift.RetryShare: retried} {
		if share != nil {
			values[kind] = max(drift.LeastErrors, float64(*share))
		}
	}
	if w.Usage.EconomicUtilization != nil {
		values[drift.EconomicUtilization] = float64(*w.Usage.EconomicUtilization)
	}
	if g := u.GPU; g != nil && g.Busy() != nil {
		values[drift.GPUUtilization] = float64(*g.Busy())
		used, share := u.Between(now.Add(-24*time.Hour).Truncate(time.Hour), now.Truncate(time.Hour))
		if busy := g.Count * float64(*g.Busy()) * 24; busy > 0 && share >= 0.9 {
			values[drift.Throughput] = float64(used.Total()) / float64(share) / busy
		}
	}
	return values
}

// ofRequests returns which share of the requests of the day before now failed, and how often one was sent again over their number, at most 1; nil when not known.
func ofRequests(u model.Usage, now time.Time) (failed, retried *model.Fraction) {
	requests := lastDay(u, now)
	share := func(n *float64) *model.Fraction {
		if n == nil || requests == 0 {
			return nil
		}
		return new(model.Fraction(min(1, *n/requests)))
	}
	return share(u.Failed), share(u.Retried)
}

// lastDay returns the requests of the day before now, scaled up where few of its hours were not measured, and 0 when they are not known.
func lastDay(u model.Usage, now time.Time) (requests float64) {
	const day, most = 24, 2 // hours
	end := int(now.Truncate(time.Hour).Sub(u.Start) / time.Hour)
	measured := 0
	for i := max(0, end-day); i < min(end, len(u.Hours)); i++ {
		if u.Hours[i].Measured() {
			requests, measured = requests+u.Hours[i].Requests, measured+1
		}
	}
	if measured < day-most {
		return 0
	}
	return requests * day / float64(measured)
}

// onceADay lists the inputs that readings tell. What they do to the cost is not known: a decision rests on the throughput and the utilization
// that are configured, and on the time to first token as a limit.
var onceADay = []input{
	{kind: drift.TTFT, say: func(f drift.Finding) (string, string) {
		return fmt.Sprintf("a time to first token of %.3g s in the 95th percentile", f.Found), fmt.Sprintf("%.3g s", f.Expected)
	}},
	{kind: drift.Throughput, say: func(f drift.Finding) (string, string) {
		return model.FormatTokens(model.Tokens(f.Found)) + " tokens an hour of a busy GPU", model.FormatTokens(model.Tokens(f.Expected))
	}},
	{kind: drift.GPUUtilization, say: shareOf(" of the time the GPUs are busy")},
	{kind: drift.EconomicUtilization, say: shareOf(" of the tokens are served that the fleet could serve")},
	{kind: drift.ErrorShare, say: shareOf(" of the requests fail")},
	{kind: drift.RetryShare, say: shareOf(" of the requests are sent again")},
}

// meter warns when tokens drifted and requests did not: what a counter counts may have changed, which nobody should take for growth.
func meter(days drift.Days) string {
	if !slices.ContainsFunc(days.Requests, func(n float64) bool { return n > 0 }) {
		return ""
	}
	if f, known := drift.Find(days.Requests, drift.Ratio, true); known && f.Score < 0.5 {
		return " while the requests are as many as expected: either their prompts or answers have another length, or the meter counts otherwise"
	}
	return ""
}

// weigh says what d does to the cost of the current option and to the answer, by deciding once more with the input as it was to be
// expected. Without changes the effect is not known.
func weigh(d *model.Drift, in decide.Input, v decide.Verdict, changes []config.Setting) {
	if len(changes) == 0 {
		return
	}
	expected, err := whatif.Clone(in)
	if err != nil {
		return
	}
	for _, c := range changes {
		if _, err := whatif.Apply(&expected, nil, c.Path, c.Value); err != nil {
			return // a share or a volume that no workload has
		}
	}
	without := decide.Decide(expected)
	is, was := model.CostOf(v.Options, in.Current), model.CostOf(without.Options, in.Current)
	if is == nil || was == nil {
		return
	}
	adds := is.P50 - was.P50
	d.CostUSDPerMonth = &adds
	if adds >= 0 {
		d.Text += fmt.Sprintf("; it adds %s a month to the cost of %s", model.FormatUSDKnown(adds, *is), in.Current)
	} else {
		d.Text += fmt.Sprintf("; it takes %s a month off the cost of %s", model.FormatUSDKnown(-adds, *is), in.Current)
	}
	switch a, b := v.Decision, without.Decision; {
	case a.Option != b.Option:
		d.OptionWithout, d.Material = b.Option, true
		d.Text += fmt.Sprintf("; without it the answer would be %s instead of %s", b.Option, a.Option)
	default:
		d.Text += "; the answer is the same without it"
	}
	d.Material = d.Material || in.Policy.Material(adds)
	if x, y := v.Crossover, without.Crossover; x != nil && y != nil && x.State != y.State {
		d.Material = true
	}
}
