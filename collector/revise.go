package collector

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tipline/model"
)

const (
	// revisedBy is by which share the tokens of a closed day may differ from those read before without being a revision. The same server says the same
	// of the same hour, to the last digit; two replicas that take turns in answering differ by what was used between their scrapes at either end of the day.
	revisedBy = 0.02

	// revisedLeast is by how many tokens a day must differ at least: a request more or less of a workload that hardly has any changes no verdict.
	revisedLeast model.Tokens = 10_000
)

// revisedAfter are how many days after it began a closed day is asked for again: once what was late for a day or two has come, and once more after a week. The older day is the first.
var revisedAfter = [...]date{8, 2}

// A Revision is a closed day of which the server says something else than before.
type Revision struct {
	Day time.Time    `json:"day"` // its midnight, in UTC
	Was model.Tokens `json:"was"` // as read before
	Is  model.Tokens `json:"is"`  // as said now; when it is more it is what is kept
}

// Text says both figures, and which of them counts.
func (r Revision) Text() string {
	kept := "what it says now is kept, hour by hour"
	if r.Is < r.Was {
		kept = "what was read before is kept"
	}
	return fmt.Sprintf("of %s the server says %s tokens now, where it said %s before: %s", model.FormatDate(r.Day), model.FormatTokens(r.Is), model.FormatTokens(r.Was), kept)
}

// Readings are the numbers by which r was found.
func (r Revision) Readings() []model.Reading {
	ratio := model.Reading{What: "tokens of the day as they are said now, over those said before", Value: float64(r.Is / r.Was), AtLeast: new(1 + revisedBy)}
	if r.Is < r.Was {
		ratio.AtLeast, ratio.AtMost = nil, new(1-revisedBy)
	}
	return []model.Reading{ratio}
}

// Revisions returns what the last look at closed days found of u, which Collect or Stored returned for now, in the order of the days. At a now before that look, as in a
// replay, nobody knew of it.
func (c *Collector) Revisions(u model.Usage, now time.Time) []Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.archive.record.Reviewed.After(now) {
		return nil
	}
	return slices.Clone(c.archive.record.Revised[shortHash(canonical(u.Labels))])
}

// noteAsked remembers from which day on all hours were asked for as they are now: what another version of the program asked for may have counted something else, which the server did not revise.
func (c *Collector) noteAsked(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asks := shortHash(c.queries.hourly)
	if asks == c.archive.record.Hourly {
		return
	}
	today, _ := dateOf(c.complete(now))
	c.archive.setRecord(func(r *record) {
		if r.Hourly = asks; len(r.Settled) > 0 {
			r.Since = (today + 1).start()
		}
	})
}

// review asks for the days of revisedAfter again at the first collection of a day at which they are closed, once each, and holds what the server says against the history. A look that
// fails is not made up for: the later one is. The error is about the history, which was not written.
func (c *Collector) review(ctx context.Context, now time.Time) error {
	today, _ := dateOf(c.complete(now))
	c.mu.Lock()
	last, settled, since := c.archive.record.Reviewed, c.archive.record.Settled, c.archive.record.Since
	c.mu.Unlock()
	if today.start().Equal(last) { // a later one is of a clock that was ahead
		return nil
	}
	found := map[string][]Revision{}
	for _, age := range revisedAfter {
		d := today - age
		asked := span{d.start(), (d + 1).start()}
		if last.IsZero() || len(settled.missing(asked)) > 0 || asked.From.Before(since) { // all that there is has just been read, or the day will be, or it was asked for otherwise
			continue
		}
		answers, errs := c.askWhole(ctx, now, c.queries.hourly, &c.chunk, []span{asked})
		if errs[0] != nil {
			c.log.WarnContext(ctx, "closed day not looked at again", "day", d.String(), "error", errs[0])
			continue
		}
		for id, r := range c.revised(d, answers[0]) {
			found[id] = append(found[id], r)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		for _, r := range found[id] {
			c.log.WarnContext(ctx, "closed day revised", "workload", id, "what", r.Text())
		}
	}
	c.mu.Lock()
	c.archive.setRecord(func(r *record) { r.Reviewed, r.Revised = today.start(), found })
	c.mu.Unlock()
	return c.save()
}

// revised is that of the archive, which nobody else reads meanwhile.
func (c *Collector) revised(d date, answers []answer) map[string]Revision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.archive.review(d, answers, c.rules)
}

// review takes over what answers say of d, which is closed, where it is more than was known, and returns what they revise, by the id of the series.
func (a *archive) review(d date, answers []answer, r rules) map[string]Revision {
	fresh := map[*series]*day{}
	for _, ans := range answers {
		_, first := dateOf(ans.span.From)
		a.each(ans, func(s *series, g *group) {
			if fresh[s] == nil {
				fresh[s] = new(day)
			}
			generates, cells := s.generates || g.counts(output), r.cells(g)
			for i := range ans.span.hours() {
				fresh[s][first+i] = r.hour(cells, i, generates)
			}
		})
	}
	found := map[string]Revision{}
	for s, said := range fresh {
		o := a.day(s, d)
		next, was, is := revise(&o.hours, said)
		for i, h := range next {
			if h != o.hours[i] {
				a.set(s, o, d, i, h)
			}
		}
		if revised(was, is) {
			found[s.id] = Revision{Day: d.start(), Was: was, Is: is}
		}
	}
	return found
}

// revised reports whether a day that had was tokens and has is was revised.
func revised(was, is model.Tokens) bool {
	by := max(was-is, is-was)
	return by > revisedBy*was && by >= revisedLeast
}

// revise returns what is to be kept of a closed day, of which was was read before and said is what the server says now, and the tokens of both in the hours that both know. Of hours of
// which it sees less than before it says nothing new: a replica that was down and a retention that ended look so. What it says less of is kept as it was. What it says more of is
// taken when it sees more of the hour, as always, or when the day was revised.
func revise(was, said *day) (next day, before, now model.Tokens) {
	for i := range was {
		old, h := &was[i], &said[i]
		if !old.Measured() {
			continue
		}
		before += old.Total()
		if h.Coverage < old.Coverage || old.notes&noteRevised != 0 && h.Total() < old.Total() { // which was told
			now += old.Total()
		} else {
			now += h.Total()
		}
	}
	next = *was
	grown, shrunk := revised(before, now) && now > before, revised(before, now) && now < before
	for i := range was {
		old, h := &was[i], said[i]
		if h.Coverage < old.Coverage {
			continue
		}
		switch more := h.Total() > old.Total(); {
		case more && grown && old.Measured():
			h.notes |= noteRevised
			next[i] = h
		case h.Coverage > old.Coverage && h.Total() >= old.Total():
			next[i] = h
		case shrunk && h.Total() < old.Total():
			next[i].notes |= noteRevised
		}
	}
	return next, before, now
}
