package draft

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tipline/model"
)

// A stanza says something of one workload, or of several that are alike.
type stanza struct {
	source   *source
	labels   map[string][]string // that it matches
	tokens   model.Tokens        // of what it matches in 28 days
	workload *workload           // the largest of what it matches; nil of what is priced at another meter
	more     int                 // workloads that have no stanza of their own, of which it says what is known of the largest
	primary  *source             // that meter; nil otherwise
}

// priced returns the stanza of a workload that is priced where it is counted.
func priced(w *workload) stanza {
	return stanza{source: w.source, labels: exactly(w), tokens: w.tokens(), workload: w}
}

// exactly returns the labels of w.
func exactly(w *workload) map[string][]string {
	labels := map[string][]string{}
	for _, label := range w.source.metered.GroupBy {
		labels[label] = []string{w.labels[label]}
	}
	return labels
}

// elsewhere returns the stanzas of the workloads in second, which are priced at other meters: one for all models of a source that have no workload in
// priced, and one for every other workload. They name what is known now, so that what comes later is priced until it is known whether another counts it.
func elsewhere(sources []*source, priced, second []*workload) []stanza {
	var stanzas []stanza
	for _, s := range sources {
		label := s.grouped()
		own := map[string]bool{} // models of which s prices something
		for _, w := range priced {
			if w.source == s {
				own[w.labels[label]] = true
			}
		}
		together := map[*source]int{} // place of the stanza of several models, by their primary meter
		for _, w := range second {
			value := w.labels[label]
			switch i, begun := together[w.primary]; {
			case w.source != s:
			case label == "" || own[value]:
				stanzas = append(stanzas, stanza{source: s, labels: exactly(w), tokens: w.tokens(), primary: w.primary})
			case !begun:
				together[w.primary] = len(stanzas)
				stanzas = append(stanzas, stanza{source: s, labels: map[string][]string{label: {value}}, tokens: w.tokens(), primary: w.primary})
			default:
				stanzas[i].tokens += w.tokens()
				if values := stanzas[i].labels[label]; !slices.Contains(values, value) {
					stanzas[i].labels[label] = append(values, value)
				}
			}
		}
	}
	return stanzas
}

// together returns the stanzas of workloads that have none of their own, and those that are in none: one for all of a source that have one model, after the largest of them. Only
// then do these have options to be chosen from.
func together(rest []*workload) (stanzas []stanza, left []*workload) {
	type model struct {
		source *source
		name   string
	}
	places := map[model]int{}
	for _, w := range rest {
		label := w.source.grouped()
		of := model{w.source, w.labels[label]}
		i, begun := places[of]
		switch {
		case label == "" || of.name == "" || !begun && len(stanzas) == maxStanzas:
			left = append(left, w)
			continue
		case !begun:
			i = len(stanzas)
			places[of] = i
			stanzas = append(stanzas, stanza{source: w.source, labels: map[string][]string{label: {of.name}}, workload: w})
		}
		stanzas[i].tokens += w.tokens()
		stanzas[i].more++
	}
	return stanzas, left
}

// grouped returns the label by which s groups that names the model; empty when there is none.
func (s *source) grouped() string {
	for _, label := range s.pack.Model {
		if slices.Contains(s.metered.GroupBy, label) {
			return label
		}
	}
	return ""
}

// inPart says that only a part of w is counted by another source too, in which case what is added up is wrong whichever meter is priced; empty when
// nothing is, or nearly all.
func (w *workload) inPart() string {
	if w.primary == nil || alike(w.twice, w.tokens()) {
		return ""
	}
	priced := w.source
	if w.secondary() {
		priced = w.primary
	}
	return fmt.Sprintf("%s of the %s tokens of %s (%s) are counted by %s too, and all of them are priced at %s: group_by a label that tells them apart",
		model.FormatTokens(w.twice), model.FormatTokens(w.tokens()), w.title(), w.source.name, w.primary.name, priced.name)
}

// longest returns how many bytes the longest value has that s matches.
func (s stanza) longest() (n int) {
	for _, values := range s.labels {
		for _, value := range values {
			n = max(n, len(value))
		}
	}
	return n
}

// write writes s, which is the i-th.
func (s stanza) write(i int) *yaml.Node {
	match := mapping(true)
	for _, label := range s.source.metered.GroupBy {
		if values := s.labels[label]; len(values) == 1 {
			add(match, label, text(values[0]))
		} else if len(values) > 1 {
			add(match, label, list(slices.Sorted(slices.Values(values))))
		}
	}
	n := mapping(false, "match", match, "source", text(s.source.name))
	if s.primary != nil {
		add(n, "meter", text("secondary"))
		return headed(n, fmt.Sprintf("%s tokens in 28 days that %s counts too: they are priced there", model.FormatTokens(s.tokens), s.primary.name))
	}
	w := s.workload
	lines := []string{fmt.Sprintf("%d. %s tokens in 28 days, %s of them output, served by %s", i+1, model.FormatTokens(s.tokens), percent(w.output, s.tokens), w.served())}
	if s.more > 0 {
		lines = []string{fmt.Sprintf("all others of this model, %d with %s tokens in 28 days, as the largest of them, which is served by %s", s.more, model.FormatTokens(s.tokens), w.served())}
	}
	if w.current != "" {
		add(n, "current", text(w.current))
		add(n, "candidates", list(w.candidates))
	} else {
		lines = append(lines, "current: what serves it now has no price yet, so there is no verdict")
		if len(w.candidates) > 0 {
			lines = append(lines, "candidates: "+strings.Join(w.candidates, ", "))
		}
	}
	if w.taken != "" {
		lines = append(lines, "guessed: "+w.taken)
	}
	return headed(n, lines...)
}
