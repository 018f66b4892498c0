package collector

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"
)

// versionMetric is a gauge that has the version of a program in a label.
type versionMetric struct {
	Metric string `yaml:"metric"`
	Label  string `yaml:"label"`
}

// change is what a counter means otherwise in later versions of a program.
type change struct {
	After  string `yaml:"after"`  // the last version that counts as before, such as 1.4.1
	Signal signal `yaml:"signal"` // input, output or requests
	What   string `yaml:"what"`   // what is counted otherwise, and what to do, for a reader
}

// versions checks what a pack says of versions.
func (c *packCheck) versions(p *pack) {
	if v := p.Version; v != nil {
		c.metrics("version.metric", []string{v.Metric})
		if v.Label == "" {
			c.wrong("version.label", "missing, want the label that has the version")
		}
	}
	if len(p.Changes) > 0 && p.Version == nil {
		c.wrong("changes", "want version beside it: nobody knows otherwise when a version changes")
	}
	for _, change := range p.Changes {
		if _, ok := versionOf(change.After); !ok {
			c.wrong("changes", "after: got %q, want a version such as 1.4.1", change.After)
		}
		if !slices.Contains([]signal{input, output, requests}, change.Signal) {
			c.wrong("changes", "signal: got %q, want input, output or requests", change.Signal)
		}
		if change.What == "" {
			c.wrong("changes", "what: missing")
		}
	}
}

// versionQuery returns the expression for how many processes of every version there are; empty when no change of meaning is known.
func (p *pack) versionQuery() string {
	if p.Version == nil || len(p.Changes) == 0 {
		return ""
	}
	return "count by (" + labelName(p.Version.Label) + ") (" + selector(p.Version.Metric, "") + ")"
}

// A Change is a moment at which processes of another version began to count, of which the meaning of a counter is known to differ.
type Change struct {
	At     time.Time `json:"at"`     // the first full hour at which they were there; the hour before they were not
	Signal string    `json:"signal"` // input, output or requests
	From   string    `json:"from"`   // the version of most of those that left, as the program writes it
	To     string    `json:"to"`     // the version of most of those that came
	What   string    `json:"what"`   // what later versions count otherwise, as the pack has it
}

// changesFor is how far back versions are looked at: as far as a change of what is counted is looked for in the hours.
const changesFor = 21 * 24 * time.Hour

// Changes returns the moments of the last three weeks, as far as they are known, at which the meaning of a counter may have changed, in the order of time.
func (c *Collector) Changes() []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.archive.record.Changes)
}

// askVersions learns once a day which versions of the program there were hour by hour. What was known before stays when there is no answer.
func (c *Collector) askVersions(ctx context.Context, now time.Time) {
	c.mu.Lock()
	asked := c.archive.record.Versions
	c.mu.Unlock()
	if c.queries.versions == "" || now.Sub(asked) < lookAgain {
		return
	}
	end := c.complete(now)
	m, _, err := c.client.ask(ctx, c.queries.versions, v1.Range{Start: end.Add(-changesFor), End: end, Step: time.Hour})
	if err != nil {
		c.log.WarnContext(ctx, "versions not read", "error", err)
		return
	}
	changes := changesIn(m, c.versioned)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.archive.setRecord(func(r *record) { r.Versions, r.Changes = now.UTC(), changes })
}

// changesIn returns when processes in m, of which every series is a version, went from one side of a change of p to the other: the first came to a side, the last left it, or one side
// lost some while the other won. Where both sides run for long and only one of them is scaled, or both the same way, nothing went.
func changesIn(m prommodel.Matrix, p *pack) []Change {
	var all []Change
	for _, change := range p.Changes {
		bound, _ := versionOf(change.After) // which the check has read
		type census struct{ older, later map[string]float64 }
		hours := map[int64]census{}
		for _, stream := range m {
			text := string(stream.Metric[prommodel.LabelName(p.Version.Label)])
			version, ok := versionOf(text)
			if !ok { // a commit or "latest" says nothing
				continue
			}
			for _, pair := range stream.Values {
				at := pair.Timestamp.Unix()
				if hours[at].older == nil {
					hours[at] = census{map[string]float64{}, map[string]float64{}}
				}
				side := hours[at].older
				if slices.Compare(version, bound) > 0 {
					side = hours[at].later
				}
				side[text] += float64(pair.Value)
			}
		}
		var before census
		for i, at := range slices.Sorted(maps.Keys(hours)) {
			now := hours[at]
			older, later := total(now.older), total(now.later)
			olderBefore, laterBefore := total(before.older), total(before.later)
			went := (older > 0) != (olderBefore > 0) || (later > 0) != (laterBefore > 0) || (older-olderBefore)*(later-laterBefore) < 0
			if i > 0 && went {
				from, to := before.older, now.later
				if later*olderBefore < laterBefore*older { // it was taken back
					from, to = before.later, now.older
				}
				all = append(all, Change{At: time.Unix(at, 0).UTC(), Signal: string(change.Signal), From: most(from), To: most(to), What: change.What})
			}
			before = now
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return a.At.Compare(b.At) })
	return all
}

// total returns how many processes there are.
func total(by map[string]float64) (n float64) {
	for _, count := range by {
		n += count
	}
	return n
}

// most returns the version that most processes have, the first of several; empty when there are none.
func most(by map[string]float64) (version string) {
	for _, text := range slices.Sorted(maps.Keys(by)) {
		if version == "" || by[text] > by[version] {
			version = text
		}
	}
	return oneLine(version)
}

// versionOf reads the numbers that a version such as v1.5.0-rc.1 begins with, those of zero at its end left out; false when it begins with none or has no point.
func versionOf(text string) (numbers []int, ok bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "v"), ".") {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil {
			break
		}
		if numbers = append(numbers, n); len(digits) < len(part) { // -rc, +build
			break
		}
	}
	ok = len(numbers) > 1
	for len(numbers) > 0 && numbers[len(numbers)-1] == 0 {
		numbers = numbers[:len(numbers)-1]
	}
	return numbers, ok
}

// Text says what happened, and what is counted otherwise.
func (c Change) Text() string {
	return fmt.Sprintf("the program that counts went from %s to %s: %s", c.From, c.To, c.What)
}
