package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/capacity"
	"tipline/model/decide"
	"tipline/model/drift"
	"tipline/model/forecast"
)

// staleAfter is the age of the newest measured hour from which a workload counts as no longer measured.
const staleAfter = 6 * time.Hour

// When a series of a workload that goes on in others counts as ended rather than as not measured.
const (
	endedAfter = 24 * time.Hour      // that it is missing
	aWeek      = 7 * 24 * time.Hour  // whose hours are compared with those of the week before
	takenOver  = 0.9                 // least share of the tokens of all before its end that the others have had since
	givenUp    = 14 * 24 * time.Hour // that it is missing without that, as long as a workload is frozen that may be another one's new name (model/drift)
)

// seriesEnded is the code of the warning that a workload goes on without one of the series that it was made of.
const seriesEnded = "SERIES_ENDED"

// stale is the code of the warning that a workload is no longer measured.
const stale = "STALE"

// manyNames is the code of the warning that a workload is the sum of names that are too many to be workloads.
const manyNames = "MANY_NAMES"

// countedSince is the code of the warning that hours are left out since the counter counted otherwise.
const countedSince = "COUNTED_SINCE"

// channelRefused is the code of the warning that a label asks for a channel that it may not choose.
const channelRefused = "CHANNEL_REFUSED"

// metered is what one source says of one workload in this cycle.
type metered struct {
	usage  model.Usage                   // without its hours, see whole
	read   func(model.Usage) model.Usage // gives usage its hours
	since  readSince                     // gives usage those from then on, without warnings about them; nil where only all of them say what they are
	former bool                          // it is what a workload was before
	stanza config.Workload               // what the configuration says of it, and the answers to earlier decisions
	series []map[string]string           // labels of what it is made of, without what it was before
	server string                        // where the source is read: the name of the first source that reads the same server
	outage string                        // why the source could not be read; empty when it answered
	skew   string                        // why it is not known how old the data is; empty when it is

	answered    []model.Warning       // what a person has answered that counts in it
	faults      []drift.Fault         // why what the source says is not what was used
	unpriced    *model.Warning        // says that another meter counts its traffic too; nil means that it is priced
	revisions   []collector.Revision  // closed days of which the source says something else than before
	changes     []drift.Change        // moments at which what its source counts may have become something else
	expressions collector.Expressions // what the source is asked
	past        []forecast.Past       // earlier projections of the workload
	readings    drift.Readings        // what was read of it once a day
	hosted      hosted                // the options that it was on in the month
}

type readSince func(u model.Usage, since time.Time) model.Usage

// whole returns the usage of m with its hours. They are read anew each time: those of all workloads together are more than memory should hold.
func (m metered) whole() model.Usage { return m.read(m.usage) }

// recent returns the usage of m with the hours that summarize looks at, as far as there are some among them; otherwise all.
func (m metered) recent(now time.Time) model.Usage {
	if m.since != nil {
		if u := m.since(m.usage, now.Add(-31*24*time.Hour-time.Hour)); !u.Last().IsZero() {
			return u
		}
	}
	return m.whole()
}

// then makes change a part of reading m.
func (m *metered) then(change func(model.Usage) model.Usage) {
	m.since = nil
	read := m.read
	m.read = func(u model.Usage) model.Usage { return change(read(u)) }
}

// many reports whether m is the sum of names that are too many to be workloads.
func (m metered) many() bool { return m.usage.Names > 0 }

// key tells m from what other sources call by the same name, and from the sum of many names.
func (m metered) key() string {
	return fmt.Sprintf("%s\x00%s\x00%t", m.usage.Source, m.usage.Workload, m.many())
}

// stanzaFor returns what cfg says of u. The sum of many names has no labels, and is what no stanza has a name for.
func stanzaFor(cfg *config.Config, u model.Usage) config.Workload {
	stanza := cfg.For(u.Labels, u.Source)
	if u.Names > 0 {
		stanza.Name = ""
	}
	return stanza
}

// named gives every usage the name its stanza asks for and adds up those that share one; what a workload was before goes on in what it is.
// The result is sorted by name, so that a report reads the same whatever the sources answered first, with the sums of many names last.
func named(found []metered) []metered {
	series := map[string][]int{} // places by name
	for i := range found {
		m := &found[i]
		m.usage.Workload = cmp.Or(m.stanza.Name, m.usage.Workload)
		series[m.key()] = append(series[m.key()], i)
	}
	missing := make([]absence, len(found))
	for _, places := range series {
		if len(places) > 1 {
			findMissing(missing, found, places)
		}
	}
	byName := map[string][]metered{} // what a workload was before comes last
	var former []metered
	for i, m := range found {
		m.series = []map[string]string{m.usage.Labels}
		if m.former = m.stanza.Former(m.usage.Labels, m.usage.Source); m.former {
			m.then(func(u model.Usage) model.Usage { // that it ended is what the stanza says
				u.Warnings = slices.DeleteFunc(u.Warnings, func(w model.Warning) bool { return w.Code == collector.Vanished })
				return u
			})
			former = append(former, m)
			continue
		}
		switch gone := missing[i]; {
		case gone.taken:
			m.then(model.Usage.Ended)
		case gone.since > givenUp:
			m.then(model.Usage.Ended)
			m.usage.Warnings = append(slices.Clip(m.usage.Warnings), model.Warning{Code: seriesEnded, Text: fmt.Sprintf(
				"%s, one of the %d series of this workload, has had no samples since %s and the others have not taken its tokens over: from 14 days on it counts as ended and the workload goes on with what remains",
				flow(m.usage.Labels), len(series[m.key()]), gone.last.Format("2006-01-02 15:04"),
			)})
		}
		byName[m.key()] = append(byName[m.key()], m)
	}
	for _, m := range former {
		byName[m.key()] = append(byName[m.key()], m)
	}
	merged := make([]metered, 0, len(byName))
	var sums []metered // of many names, which have a name that no workload has
	for _, parts := range byName {
		if m := together(parts); m.many() {
			sums = append(sums, m)
		} else {
			merged = append(merged, m)
		}
	}
	slices.SortFunc(sums, func(a, b metered) int { return strings.Compare(a.usage.Source, b.usage.Source) })
	sort.Slice(merged, func(i, j int) bool {
		a, b := merged[i].usage, merged[j].usage
		if a.Workload != b.Workload {
			return a.Workload < b.Workload
		}
		return a.Source < b.Source
	})
	// Two sources may count workloads of one name. The name must be unique, so the later ones carry their source.
	for i := len(merged) - 1; i > 0; i-- {
		if merged[i].usage.Workload == merged[i-1].usage.Workload {
			merged[i].usage.Workload += "@" + merged[i].usage.Source
		}
	}
	taken := map[string]bool{}
	for _, m := range merged {
		taken[m.usage.Workload] = true
	}
	for _, m := range sums {
		for taken[m.usage.Workload] {
			m.usage.Workload += "@" + m.usage.Source
		}
		taken[m.usage.Workload] = true
		merged = append(merged, m)
	}
	return merged
}

// together returns the workload that parts are the series of, those that it was before last.
func together(parts []metered) metered {
	m := parts[0]
	if len(parts) == 1 {
		return m
	}
	for _, p := range parts[1:] {
		if !p.former {
			m.series, m.outage = append(m.series, p.series...), cmp.Or(m.outage, p.outage)
			m.skew = cmp.Or(m.skew, p.skew)
			m.revisions = append(slices.Clip(m.revisions), p.revisions...)
			m.server, m.expressions = p.server, p.expressions
		}
	}
	whole := func() model.Usage {
		u := parts[0].whole()
		for _, p := range parts[1:] {
			if p.former {
				u = u.Follow(p.whole())
			} else {
				u = u.Merge(p.whole())
			}
		}
		return u
	}
	m.since = nil
	m.usage = whole()
	m.usage.Start, m.usage.Hours, m.usage.Serving = time.Time{}, nil, nil
	m.read = func(u model.Usage) model.Usage {
		all := whole()
		u.Start, u.Hours, u.Serving = all.Start, all.Hours, all.Serving
		return u
	}
	return m
}

// An absence says for how long a series of a workload has been missing while others were measured.
type absence struct {
	last  time.Time     // end of its last measured hour
	since time.Duration // 0 when it is not missing for more than a day
	taken bool          // the others have had since what all of them had before: it is over then
}

// findMissing sets the absences of the series at places, which are of one workload. One that is missing without that the others have taken its tokens over may be in use and not
// scraped. One whose hours were refused is in use and not missing.
func findMissing(absences []absence, found []metered, places []int) {
	var newest time.Time
	gone := map[int]bool{}
	for _, i := range places {
		u := found[i].whole()
		absences[i].last = u.Last()
		newest = latest(newest, absences[i].last)
		gone[i] = slices.ContainsFunc(u.Warnings, func(w model.Warning) bool { return w.Code == collector.Vanished })
	}
	type change struct {
		stop, to      time.Time
		known         model.Fraction
		before, since model.Tokens
	}
	changes := map[int]*change{} // by place
	for _, i := range places {
		a := &absences[i]
		if missing := newest.Sub(a.last); gone[i] && missing > endedAfter {
			a.since = missing
			changes[i] = &change{stop: a.last, to: a.last.Add(min(aWeek, missing))}
		}
	}
	if len(changes) == 0 {
		return
	}
	for _, i := range places {
		u := found[i].whole()
		for k, c := range changes {
			was, known := u.Between(c.stop.Add(-aWeek), c.to.Add(-aWeek))
			is, _ := u.Between(c.stop, c.to)
			c.before, c.since = c.before+was.Total(), c.since+is.Total()
			if k == i {
				c.known = known
			}
		}
	}
	for i, c := range changes {
		absences[i].taken = c.known > 0.5 && c.since >= takenOver*c.before
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// findFaults gives every workload of a source that answered the faults of its data, and returns the renames among them.
func findFaults(all []metered, now time.Time) []model.Rename {
	bySource := map[string][]int{}
	for i, m := range all {
		if m.outage == "" && !m.many() { // which change with what is in it
			bySource[m.usage.Source] = append(bySource[m.usage.Source], i)
		}
	}
	renames := []model.Rename{}
	for _, source := range slices.Sorted(maps.Keys(bySource)) {
		places := bySource[source]
		usage := make([]func() model.Usage, len(places))
		for k, i := range places {
			usage[k] = all[i].whole
		}
		faults, found := drift.Faults(usage, now)
		for k, f := range faults {
			m := &all[places[k]]
			m.faults = f
			for _, r := range m.revisions {
				m.faults = append(m.faults, drift.Fault{Code: collector.Revised, Text: r.Text(), Readings: r.Readings()})
			}
		}
		for k, w := range drift.Changed(usage, all[places[0]].changes, now) {
			if m := &all[places[k]]; w != nil { // which says more than that it changed
				m.faults = append(slices.DeleteFunc(m.faults, func(f drift.Fault) bool { return f.Code == drift.CounterChanged }), *w)
			}
		}
		for _, i := range places {
			m := &all[i]
			m.faults = slices.DeleteFunc(m.faults, func(f drift.Fault) bool { return m.stanza.JumpedByUse(f.Jumped) })
			for k, f := range m.faults {
				if !f.Jumped.IsZero() {
					m.faults[k].Text += fmt.Sprintf("; under jumps, a stanza of workloads that matches it says what it was: {at: %s, is: counter}, or is: use if it is what was used", f.Jumped.Format(time.RFC3339))
				}
			}
		}
		for _, r := range found {
			renames = append(renames, rename(func(k int) model.Usage { return all[places[k]].usage }, r))
		}
	}
	return renames
}

// rename says which workloads r is about, and what to write into the configuration.
func rename(at func(place int) model.Usage, r drift.Rename) model.Rename {
	names := func(places []int) []string {
		var names []string
		for _, i := range places {
			names = append(names, at(i).Workload)
		}
		return names
	}
	report := model.Rename{Source: at(r.Was[0]).Source, Was: names(r.Was), Is: names(r.Is), At: r.At, Settles: r.Settles.Format(time.DateOnly)}
	what := "was: with the labels that it had"
	if len(r.Was) == 1 && len(r.Is) == 1 {
		what = "was: " + flow(at(r.Was[0]).Labels)
	}
	report.Proposal = fmt.Sprintf("%s ended at %s, when %s began with the same volume: if it is the same, say %s in a stanza of workloads that matches %s and has a name; without it both have no verdict until %s, from which on what began stands for itself",
		list(report.Was), r.At.Format("2 January 2006 15:04 UTC"), list(report.Is), what, list(report.Is), model.FormatDate(r.Settles))
	return report
}

// flow returns all labels as YAML writes them on one line: with fewer, another workload could match.
func flow(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, name+": "+strconv.Quote(labels[name]))
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// project projects one workload, of which u is the usage up to now, and which a decision on it begins with. It never fails: what is missing is said
// in the report, and the verdict is then empty.
func project(m metered, u model.Usage, cfg *config.Config, now time.Time) evaluation {
	current, candidates := m.stanza.Current, m.stanza.Candidates
	e := evaluation{metered: m}
	w := model.WorkloadReport{
		Workload: u.Workload,
		Source:   u.Source,
		Labels:   u.Labels,
		Names:    u.Names,
		Owner:    m.stanza.Owner, CostCentre: m.stanza.CostCentre, Channel: m.stanza.SlackChannel,
		Current:  current,
		Usage:    m.summarize(u, now),
		Options:  []model.OptionCost{},
		Drift:    []model.Drift{},
		Warnings: append(append([]model.Warning{}, u.Warnings...), m.answered...),
	}
	if m.partOfMonth(now) {
		w.Warnings = append(w.Warnings, model.Warning{Code: countedSince, Text: fmt.Sprintf(
			"what it used of this month is not known: what was counted before %s is left out, since the configuration says that its counter counted otherwise; the projection of the month is of what is used from then on", m.stanza.CountsSince(now).Format("2 January 2006 15:04 UTC"),
		)})
	}
	unknown := func(code, text string) evaluation {
		e.report = w
		e.unknown(code, text)
		return e
	}
	e.used = m.unknownUse(cfg)
	e.inMonth = e.used
	projected, ok := forecast.Project(u, now.Truncate(time.Hour), m.stanza.Known)
	if !ok {
		return unknown("NO_USAGE", "no complete hour of usage has been measured yet")
	}
	e.past = forecast.Record(m.past, u, now.Truncate(time.Hour), m.stanza.Known)
	projected = forecast.Correct(projected, e.past, u, m.stanza.Known)
	w.Forecast = outline(projected)
	w.Forecast.Scores = forecast.Grade(e.past, u, now)
	if peak := projected.Load.PeakFactor(); peak > 0 {
		w.Usage.PeakFactor = &peak
	}
	if m.unpriced != nil {
		if m.unpriced.Code == secondaryMeter { // its tokens are those of the primary one
			e.used, e.inMonth = decide.Used{}, decide.Used{}
		}
		return unknown(m.unpriced.Code, m.unpriced.Text)
	}
	if current == "" && !m.many() {
		return unknown("NO_OPTIONS", "the configuration names no current option for this workload: add it to workloads or to defaults")
	}
	options := involved(cfg.Options, slices.Concat([]string{current}, candidates, m.hosted.options()))
	w.Usage.Capacity = measure(options, current, u, m.stanza.Constraints.TTFTLimit)
	e.input = &decide.Input{
		Workload:    w.Workload,
		Constraints: m.stanza.Constraints,
		Current:     current,
		Options:     options,
		Candidates:  candidates,
		Forecast:    projected,
		TTFTP95:     u.TTFTP95,
		Prompts:     u.Prompts,
		Policy:      m.stanza.Policy,
	}
	e.used, e.inMonth = decide.Used{}, decide.Used{}
	if ended := m.outage == "" && now.Sub(u.Last()) > givenUp; !ended {
		e.used, e.inMonth = e.input.Used(), e.input.UsedInMonth(m.hosted.with(w, now).Stays)
	}
	if m.many() {
		e.input = nil
		return unknown(manyNames, fmt.Sprintf(
			"it sums up the names beyond those that can be workloads of their own, %d of them, and nothing is decided about all of them as if they were one: group the source by fewer labels", u.Names,
		))
	}
	e.report = w
	return e
}

// unknownUse returns what m uses of the accounts of APIs while nobody knows how much that is.
func (m metered) unknownUse(cfg *config.Config) decide.Used {
	current := m.stanza.Current
	return decide.Input{Workload: m.usage.Workload, Current: current, Options: involved(cfg.Options, []string{current})}.Used()
}

// withoutFormer leaves out of used, which is that of all in their order, what goes on under another name: until a rename settles it would count twice.
func withoutFormer(used []decide.Used, all []metered, renames []model.Rename) {
	places := make(map[string]int, len(all))
	for i, m := range all {
		places[m.usage.Workload] = i
	}
	for _, r := range renames {
		if !slices.ContainsFunc(r.Is, func(name string) bool { return used[places[name]].Any() }) {
			continue
		}
		for _, name := range r.Was {
			used[places[name]] = decide.Used{}
		}
	}
}

// unknown makes the verdict of e unknown.
func (e *evaluation) unknown(code, text string) {
	e.report.Decision = model.Decision{Recommendation: model.Unknown, Reason: model.ReasonUnknown, Because: text, WouldChange: []string{}}
	e.report.Warnings = append(e.report.Warnings, model.Warning{Code: code, Text: text})
	if e.input != nil {
		e.frozen = code
	}
}

// decide costs the options of e, of which u is the usage up to now, and decides. The accounts are those of all workloads, e among them.
func (e *evaluation) decide(u model.Usage, accounts *decide.Accounts, now time.Time) {
	e.input.Others = accounts.Beside(*e.input)
	w, m := &e.report, e.metered
	v, evens := decide.WithBreakEvens(*e.input)
	w.Options, w.Crossover, w.Decision, w.BreakEvens = v.Options, v.Crossover, v.Decision, evens
	charted := []string{w.Current, v.Decision.Best}
	if x := v.Crossover; x != nil {
		charted = append(charted, x.Option)
	}
	w.CostAhead = v.Ahead(charted...)
	economics(w, u.GPU)

	if m.outage != "" {
		e.unknown("SOURCE_DOWN", fmt.Sprintf("source %s could not be read: %s", u.Source, m.outage))
		return
	}
	if m.skew != "" {
		e.unknown(collector.ClockSkew, m.skew)
		return
	}
	if len(m.faults) > 0 {
		for _, f := range m.faults[1:] {
			w.Warnings = append(w.Warnings, model.Warning{Code: f.Code, Text: f.Text})
		}
		e.unknown(m.faults[0].Code, m.faults[0].Text)
		return
	}
	if last := w.Usage.LastSample; last != nil && now.Sub(*last) > staleAfter {
		e.unknown(stale, fmt.Sprintf("nothing has been measured since %s", last.Format(time.RFC3339)))
		return
	}
	if hours, least := u.Measured(), m.stanza.Policy.MinHistory; hours < least {
		e.unknown("THIN_HISTORY", fmt.Sprintf("%.0f hours have been measured, want %.0f before anything is decided (policy.min_history)",
			hours.Hours(), least.Hours()))
		return
	}
	e.readings = m.readings.With(now, reading(u, *w, now))
	w.Drift = drifts(u, e.readings, *e.input, v, now)
	e.verdict = v
}

// measure gives the current one of options what was measured of its engines, and returns that; nil when it is no fleet or nothing was.
func measure(options []decide.Option, current string, u model.Usage, limit time.Duration) *model.MeasuredCapacity {
	i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == current })
	if i < 0 || options[i].Capacity == nil {
		return nil
	}
	m, err := capacity.Measure(u, limit, options[i].GPUsPerReplica)
	why := ""
	switch {
	case err != nil:
		why = err.Error()
	case m.High == nil:
		why = fmt.Sprintf("its replicas were hardly ever near the limit, at which they serve no less than the %s tokens an hour that were seen", model.FormatTokens(model.Tokens(m.TokensPerHour)))
	case !m.Known():
		why = fmt.Sprintf("a replica serves between %s and %s tokens an hour at the limit, as far as its hours tell, which is too wide a range to go by",
			model.FormatTokens(model.Tokens(m.Low)), model.FormatTokens(model.Tokens(*m.High)))
	}
	options[i] = options[i].WithMeasured(m, why)
	return m
}

// involved returns the options with the given names and those that their hybrids are made of, in the order of all.
func involved(all []decide.Option, names []string) []decide.Option {
	for _, o := range all {
		if o.Hosting == model.Hybrid && slices.Contains(names, o.Name) {
			names = append(names, o.Base, o.Overflow)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(o decide.Option) bool { return !slices.Contains(names, o.Name) })
}

// partOfMonth reports whether the counter of m began to count as it does in the calendar month of now: what it used of that is not known then.
func (m metered) partOfMonth(now time.Time) bool {
	return m.stanza.CountsSince(now).After(monthBegan(now))
}

// monthBegan returns the beginning of the calendar month of now, in UTC.
func monthBegan(now time.Time) time.Time {
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// summarize says what was measured of m, of which u is the usage, up to now.
func (m metered) summarize(u model.Usage, now time.Time) model.UsageSummary {
	s := model.UsageSummary{}
	last := u.Last()
	if last.IsZero() {
		return s
	}
	s.LastSample = &last
	first := u.Start.Add(time.Duration(slices.IndexFunc(u.Hours, func(h model.Hour) bool { return h.Measured() })) * time.Hour)
	s.FirstSample = &first
	from := now.Add(-30 * 24 * time.Hour)
	if from.Before(u.Start) {
		from = u.Start
	}
	volume, coverage := u.Between(from, now.Truncate(time.Hour))
	total := volume.Total()
	if s.CoverageRatio = min(1, coverage); coverage > 0 { // otherwise all that was measured is older, and this is not known
		s.Last30dTokens, s.Last30dClassTokens = &total, map[string]model.Tokens{}
		for _, c := range model.Classes {
			s.Last30dClassTokens[c.String()] = volume[c]
		}
	}
	if !m.partOfMonth(now) {
		month, _ := u.Between(monthBegan(now), now)
		s.MonthToDateTokens = new(month.Total())
	}
	if output, ok := volume.Share(model.Output); ok {
		read, _ := volume.Share(model.CacheRead)
		input := 1 - output - read
		s.InputRatio, s.OutputRatio, s.CacheReadRatio = &input, &output, &read
	}
	if u.GPU != nil {
		s.GPUCount, s.GPUCountUnsure = &u.GPU.Count, u.GPU.Unsure
		s.GPUUtilizationRatio, s.GPUUtilizationCoverage = u.GPU.Busy(), &u.GPU.Coverage
		if u.GPU.Nobodys > 0 {
			s.GPUCountNobodys = &u.GPU.Nobodys
		}
	}
	s.ErrorRatio, s.RetryRatio = ofRequests(u, now)
	if u.TTFTP95 != nil {
		seconds := u.TTFTP95.Seconds()
		s.TTFTP95Seconds = &seconds
	}
	return s
}

// outline returns the part of f that is shown.
func outline(f model.Forecast) *model.ForecastSummary {
	next := f.Next[model.Next30d]
	s := &model.ForecastSummary{
		Next30dTokens:      next.Total.Quantiles(),
		Next30dClassTokens: map[string]model.Quantiles[model.Tokens]{},
		MonthlyGrowthRatio: f.MonthlyGrowth,
		CalendarMonths:     []model.MonthProjection{},
		Warnings:           append([]model.Warning{}, f.Warnings...),
	}
	for _, c := range model.Classes {
		s.Next30dClassTokens[c.String()] = next.Class(c).Quantiles()
	}
	for _, month := range f.Months {
		q := month.Total.Quantiles()
		s.CalendarMonths = append(s.CalendarMonths, model.MonthProjection{Month: month.From.Format("2006-01"), Quantiles: q})
	}
	if len(s.CalendarMonths) > 0 {
		s.CalendarMonthTokens = s.CalendarMonths[0].Quantiles
	}
	return s
}

// economics puts the economic utilization and the idle cost of the current option, when it is a fleet, into the usage, and how far what it
// is said to cost is from what is paid.
func economics(w *model.WorkloadReport, gpu *model.GPU) {
	i := slices.IndexFunc(w.Options, func(o model.OptionCost) bool { return o.Option == w.Current })
	if i < 0 {
		return
	}
	if gpu != nil && gpu.USDPerHour != nil {
		w.Usage.GPUUSDPerMonth, w.Usage.GPUCostGapPerMonth = decide.GPUCostGap(w.Options[i], *gpu.USDPerHour)
	}
	w.Usage.EconomicUtilization = w.Options[i].EconomicUtilizationRatio
	w.Usage.IdleUSDPerMonth = w.Options[i].IdleUSDPerMonth
}
