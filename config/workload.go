package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// workloads resolves the stanzas and the defaults into c, whose sources and options are resolved already.
func (r *reader) workloads(raw *rawConfig, c *Config) {
	d := raw.Defaults
	shared := rawWorkload{At: d.At, Current: d.Current, Candidates: d.Candidates, Constraints: d.Constraints, Events: d.Events, Holidays: d.Holidays, Jumps: d.Jumps, Notify: d.Notify}
	c.Defaults = r.workload(shared, rawWorkload{}, c)
	c.Labels = r.attributes(raw, c)
	lines := map[string]int{}
	for i, w := range raw.Workloads {
		if w.At.node == nil {
			continue // not a mapping, which has been reported
		}
		stanza := r.workload(w, shared, c)
		stanza.Match = r.match(w.Match, w.Source)
		if stanza.Drop = r.boolean(w.Drop); stanza.Drop {
			r.dropped(w)
		}
		if w.Name.given() {
			stanza.Name = r.name(w.Name, w.At, lines)
		}
		r.was(raw.Sources, raw.Workloads[:i], w, &stanza)
		r.reachable(raw.Workloads[:i], w)
		r.matchable(raw.Sources, w)
		c.Workloads = append(c.Workloads, stanza)
	}
}

// attributes reads which labels of workloads say what their stanzas do not, each of which a source must have.
func (r *reader) attributes(raw *rawConfig, c *Config) Labels {
	l := raw.Defaults.Labels
	for _, label := range []scalar{l.Owner, l.CostCentre} {
		if label.given() {
			r.matchable(raw.Sources, rawWorkload{Match: map[string]values{label.text(): {label}}})
		}
	}
	r.matchable(raw.Sources, rawWorkload{Match: l.Critical})
	r.matchable(raw.Sources, rawWorkload{Match: l.SlackChannel})
	said := Labels{Owner: r.word(l.Owner), CostCentre: r.word(l.CostCentre), Critical: r.match(l.Critical, scalar{})}
	said.SlackChannel, said.Channels = r.channelLabel(raw, c)
	return said
}

// was reads what the workload of w was before it was relabelled.
func (r *reader) was(sources []rawSource, earlier []rawWorkload, w rawWorkload, stanza *Workload) {
	if len(w.Was) == 0 {
		return
	}
	stanza.Was = r.match(w.Was, w.Source)
	r.matchable(sources, rawWorkload{At: w.At, Match: w.Was, Source: w.Source})
	switch {
	case !w.Name.given():
		r.missing(w.At, "name", ", which what it was and what it is have in common")
	case len(w.Match) == 0:
		r.missing(w.At, "match", ", want the labels that it has now")
	}
	if line, taken := r.taken(earlier, w.Was, w.Source); taken {
		r.wrong(place{w.At.node, join(w.At.path, "was")}, "has no effect: the stanza on line %d takes everything that it matches, want that one removed or below", line)
	}
}

// dropped reports keys of a stanza of traffic that is no workload, which say something of a workload.
func (r *reader) dropped(w rawWorkload) {
	for i := 0; i+1 < len(w.At.node.Content); i += 2 {
		key := w.At.node.Content[i]
		if !slices.Contains([]string{"match", "source", "drop"}, key.Value) {
			r.wrong(place{key, join(w.At.path, key.Value)}, "has no effect on traffic that is dropped, which is no workload")
		}
	}
}

// workload resolves w with what shared has for the keys that w leaves out.
func (r *reader) workload(w, shared rawWorkload, c *Config) Workload {
	inherited := func(own, other scalar) scalar {
		if own.given() {
			return own
		}
		return other
	}
	resolved := Workload{
		Source: r.word(w.Source), SlackChannel: r.channel(w.Notify.SlackChannel),
		Meter: r.choice(w.Meter, Primary, Secondary, Separate),
		Owner: r.word(w.Owner), CostCentre: r.word(w.CostCentre), Critical: r.boolean(w.Critical),
	}
	r.sourceAndChannel(w, c)
	current, candidates := inherited(w.Current, shared.Current), w.Candidates
	if candidates == nil {
		candidates = shared.Candidates
	}
	resolved.Current = r.option(current, c.Options)
	for _, s := range candidates {
		if name := r.option(s, c.Options); name != "" {
			if slices.Contains(resolved.Candidates, name) {
				r.wrong(s.place, "%s is in the list twice", quote(name))
				continue
			}
			resolved.Candidates = append(resolved.Candidates, name)
		}
	}
	switch {
	case !current.given() && len(w.Candidates) > 0:
		r.wrong(w.Candidates[0].place, "candidates without a current option: say in current what serves the workload now")
	case resolved.Current != "" && !slices.Contains(resolved.Candidates, resolved.Current):
		resolved.Candidates = slices.Insert(resolved.Candidates, 0, resolved.Current)
	}
	resolved.Known = r.known(w, shared)
	resolved.Jumps = r.jumps(w, shared)
	resolved.Constraints = r.constraints(w, shared.Constraints, current.given())
	resolved.Policy = r.policy(w.Policy, c.Policy)
	return resolved
}

// sourceAndChannel reports a source that does not exist, and a channel that cannot be chosen.
func (r *reader) sourceAndChannel(w rawWorkload, c *Config) {
	if s := w.Source; s.given() {
		names := sourceNames(c.Sources)
		if !slices.Contains(names, s.text()) {
			r.wrong(s.place, "unknown source %s%s", quote(s.text()), didYouMean(s.text(), names))
		}
	}
	if s := w.Notify.SlackChannel; s.given() {
		switch slack := c.Notify.Slack; {
		case slack == nil:
			r.wrong(s.place, "has no effect without notify.slack")
		case slack.WebhookURLFile != "":
			r.wrong(s.place, "a webhook posts to the channel it was made for, want notify.slack.token_file to choose channels")
		}
	}
}

// known reads what is known of a workload beside its history: those of shared where w has none of its own.
func (r *reader) known(w, shared rawWorkload) (k model.Known) {
	events, holidays := w.Events, w.Holidays
	if events == nil {
		events = shared.Events
	}
	if holidays == nil {
		holidays = shared.Holidays
	}
	for _, raw := range events {
		if raw.At.node == nil {
			continue // not a mapping, which has been reported
		}
		if e, ok := r.event(raw); ok {
			k.Events = append(k.Events, e)
		}
	}
	for _, s := range holidays {
		if day, ok := r.day(s); ok {
			k.Holidays = append(k.Holidays, day)
		}
	}
	return k
}

// jumps reads what jumps of a counter were: those of shared where w has none of its own.
func (r *reader) jumps(w, shared rawWorkload) (jumps []Jump) {
	all := w.Jumps
	if all == nil {
		all = shared.Jumps
	}
	for _, raw := range all {
		if raw.At.node == nil {
			continue // not a mapping, which has been reported
		}
		if !raw.Hour.given() {
			r.missing(raw.At, "at", ", want the hour that the fault names, such as 2027-02-01T14:00:00Z")
			continue
		}
		if !raw.Is.given() {
			r.missing(raw.At, "is", ", want "+oneOf([]string{JumpOfCounter, JumpOfUse}))
			continue
		}
		at, err := time.Parse(time.RFC3339, raw.Hour.text())
		if err != nil {
			r.wrong(raw.Hour.place, "got %s, want an hour such as 2027-02-01T14:00:00Z", quote(raw.Hour.text()))
			continue
		}
		jumps = append(jumps, Jump{At: at.UTC(), Use: r.choice(raw.Is, JumpOfCounter, JumpOfUse) == JumpOfUse})
	}
	return jumps
}

// event reads a change of the volume that is known.
func (r *reader) event(raw rawEvent) (e model.Event, ok bool) {
	switch {
	case !raw.From.given():
		r.missing(raw.At, "from", ", want the first day on which it holds, such as 2027-02-01")
		return e, false
	case !raw.Change.given():
		r.missing(raw.At, "change", ", want a change of the volume such as +40% or -100%")
		return e, false
	}
	e.Name = r.word(raw.Name)
	from, fromOK := r.day(raw.From)
	until, untilOK := r.lastDayOf(raw.Until)
	change, err := model.ParseChange(raw.Change.text())
	if err != nil {
		r.wrong(raw.Change.place, "got %s, want %s", quote(raw.Change.text()), err)
	}
	if fromOK && untilOK && !until.After(from) {
		r.wrong(raw.Until.place, "got %s, want a day from %s on, on which it begins", quote(raw.Until.text()), raw.From.text())
		return e, false
	}
	e.From, e.Until, e.Change = from, until, change
	return e, fromOK && err == nil && (untilOK || !raw.Until.given())
}

// day reads a day, which begins at midnight in UTC.
func (r *reader) day(s scalar) (time.Time, bool) {
	day, err := time.Parse(time.DateOnly, s.text())
	if err != nil {
		r.wrong(s.place, "got %s, want a date such as 2027-02-01", quote(s.text()))
	}
	return day, err == nil
}

// option reads the name of an option.
func (r *reader) option(s scalar, options []decide.Option) string {
	name := r.word(s)
	if name == "" {
		return ""
	}
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.Name
	}
	if !slices.Contains(names, name) {
		r.wrong(s.place, "unknown option %s%s", quote(name), didYouMean(name, slices.DeleteFunc(names, func(n string) bool { return n == "" })))
		return ""
	}
	return name
}

func sourceNames(sources []Source) []string {
	var names []string
	for _, s := range sources {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// constraints resolves the constraints of w. A decision needs to know how careful to be, so with one in view the two keys
// that say so must be there: an unknown sensitivity is never "not regulated".
func (r *reader) constraints(w rawWorkload, shared rawConstraints, decided bool) decide.Constraints {
	own := w.Constraints
	for _, pair := range []struct{ own, other *scalar }{
		{&own.DataSensitivity, &shared.DataSensitivity},
		{&own.OpsCapacity, &shared.OpsCapacity},
		{&own.TTFTLimit, &shared.TTFTLimit},
		{&own.Model, &shared.Model},
		{&own.FineTuned, &shared.FineTuned},
		{&own.Batch, &shared.Batch},
		{&own.BatchShare, &shared.BatchShare},
		{&own.LongShare, &shared.LongShare},
	} {
		if !pair.own.given() {
			*pair.own = *pair.other
		}
	}
	if own.Residency == nil {
		own.Residency = shared.Residency
	}
	sensitivities := []string{string(decide.Public), string(decide.Internal), string(decide.Regulated)}
	capacities := []string{string(decide.OpsNone), string(decide.OpsLimited), string(decide.OpsDedicated)}
	at := place{w.At.node, join(w.At.path, "constraints")}
	if decided && !own.DataSensitivity.given() {
		r.missing(at, "data_sensitivity", " here and under defaults, want "+oneOf(sensitivities))
	}
	if decided && !own.OpsCapacity.given() {
		r.missing(at, "ops_capacity", " here and under defaults, want "+oneOf(capacities))
	}
	c := decide.Constraints{
		Sensitivity: decide.Sensitivity(r.choice(own.DataSensitivity, sensitivities...)),
		OpsCapacity: decide.OpsCapacity(r.choice(own.OpsCapacity, capacities...)),
		Residency:   r.words(own.Residency),
		TTFTLimit:   r.duration(own.TTFTLimit, 0, false),
		Model:       r.model(own.Model),
		FineTuned:   r.boolean(own.FineTuned),
		Batch:       r.boolean(own.Batch),
		BatchShare:  r.number(own.BatchShare, demand{"the share of the tokens that can wait, 0 to 1", share}),
		LongShare:   r.number(own.LongShare, demand{"the share of the tokens in requests above the long-context threshold, 0 to 1", share}),
	}
	if c.Batch && w.Constraints.BatchShare.given() {
		r.wrong(w.Constraints.BatchShare.place, "all of batch work can wait, want one of batch and batch_share")
	}
	if c.Batch && w.Constraints.TTFTLimit.given() {
		r.wrong(w.Constraints.TTFTLimit.place, "batch work has no latency limit, want one of batch and ttft_limit")
	}
	if c.Batch {
		c.TTFTLimit = 0 // of the defaults
	}
	return c
}

// reachable reports w when an earlier stanza takes everything that w would match, and when w would match everything.
func (r *reader) reachable(earlier []rawWorkload, w rawWorkload) {
	if len(w.Match) == 0 && !w.Source.given() {
		r.wrong(w.At, "want match with labels, a source, or both; what holds for every workload goes under defaults")
		return
	}
	if line, taken := r.taken(earlier, w.Match, w.Source); taken {
		r.wrong(w.At, "is never used: the stanza on line %d matches everything that this one matches", line)
	}
}

// taken returns the line of the first stanza of earlier that takes everything of source with the labels of match, by what it matches or by what its workload was.
func (r *reader) taken(earlier []rawWorkload, match map[string]values, source scalar) (line int, ok bool) {
	covers := func(by map[string]values, of scalar) bool {
		for name, value := range by {
			own, ok := match[name]
			if !ok || !within(r.meant(name, own, source), r.meant(name, value, of)) {
				return false
			}
		}
		return true
	}
	for _, e := range earlier {
		if e.At.node == nil || e.Source.given() && e.Source.text() != source.text() {
			continue
		}
		if (len(e.Match) > 0 || e.Source.given()) && covers(e.Match, e.Source) || len(e.Was) > 0 && covers(e.Was, e.Source) {
			return e.At.node.Line, true
		}
	}
	return 0, false
}

// matchable reports labels that no source gives its workloads. A source without group_by takes the labels of its pack,
// which are not known here.
func (r *reader) matchable(sources []rawSource, w rawWorkload) {
	known := map[string]bool{}
	for _, s := range sources {
		if w.Source.given() && s.Name.text() != w.Source.text() {
			continue
		}
		if len(s.GroupBy) == 0 {
			return
		}
		for _, label := range s.GroupBy {
			known[label.text()] = true
		}
	}
	if len(known) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.Match)) {
		if !known[name] && len(w.Match[name]) > 0 {
			labels := slices.Sorted(maps.Keys(known))
			hint := didYouMean(name, labels)
			if hint == "" {
				hint = fmt.Sprintf(", want one of %d labels", len(labels))
			}
			r.wrong(w.Match[name][0].place, "no source has %s in its group_by%s", quote(name), hint)
		}
	}
}
