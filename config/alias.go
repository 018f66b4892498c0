package config

import (
	"maps"
	"slices"
	"strings"

	"tipline/model"
)

// readAliases takes over which names mean the same model.
func (r *reader) readAliases(raw map[string][]scalar) {
	r.names = map[string]string{}
	lines := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		for _, s := range raw[name] {
			alias := r.word(s)
			switch line, twice := lines[alias]; {
			case alias == "":
			case twice:
				r.wrong(s.place, "%s is an alias on line %d already, want one meaning of a name", quote(alias), line)
			case alias == name:
				r.wrong(s.place, "%s is an alias of itself", quote(alias))
			case raw[alias] != nil:
				r.wrong(s.place, "%s has aliases of its own, want them all below one name", quote(alias))
			default:
				lines[alias] = s.node.Line
				r.names[alias] = name
			}
		}
	}
}

// canonical returns the name that options and price books have for the model called name.
func (r *reader) canonical(name string) string {
	if known, ok := r.names[name]; ok {
		return known
	}
	return name
}

// model reads the name of a model.
func (r *reader) model(s scalar) string { return r.canonical(r.word(s)) }

// models reads a list of names of models.
func (r *reader) models(list []scalar) []string {
	names := r.words(list)
	for i, name := range names {
		names[i] = r.canonical(name)
	}
	return names
}

// match reads labels, each with the values of which a workload of source, or of any when it is not given, must have one.
func (r *reader) match(raw map[string]values, source scalar) map[string][]string {
	if len(raw) == 0 {
		return nil
	}
	match := make(map[string][]string, len(raw))
	for name, wanted := range raw {
		match[name] = r.meant(name, wanted, source)
	}
	return match
}

// meant returns the values that wanted matches at a label of source, sorted: where the label says which model is used, all the names of that model.
func (r *reader) meant(label string, wanted values, source scalar) []string {
	isModel := r.isModel(label, source)
	var all []string
	for _, s := range wanted {
		if !isModel {
			all = append(all, s.text())
			continue
		}
		name := r.canonical(s.text())
		all = append(all, s.text(), name)
		for alias, of := range r.names {
			if of == name {
				all = append(all, alias)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// isModel reports whether label says which model is used, by the pack or the queries of source, or of any source when it is not given.
func (r *reader) isModel(label string, source scalar) bool {
	return slices.ContainsFunc(r.sourced, func(s Source) bool {
		if source.given() && source.text() != s.Name {
			return false
		}
		if s.Queries != nil {
			return s.Queries.Model == label
		}
		return slices.ContainsFunc(r.packs, func(p model.Pack) bool { return p.Name == s.Pack && slices.Contains(p.Models, label) })
	})
}

// within reports whether all of some are among others.
func within(some, others []string) bool {
	return !slices.ContainsFunc(some, func(text string) bool { return !slices.Contains(others, text) })
}

// near returns the items of b that item may have been meant to be, those that are most alike, three at most: those that end in it, those that are the same
// model under the name of another place, and those that are few edits away. It is for a suggestion and never for a price.
func (b Book) near(item string) []string {
	const most, longest = 3, 200
	if item == "" || len(item) > longest {
		return nil
	}
	type candidate struct {
		item     string
		distance int
	}
	var found []candidate
	lower, bare := strings.ToLower(item), model.BareModel(item)
	for _, known := range b.Items() {
		c := candidate{known, edits(lower, strings.ToLower(known))}
		limit := max(1, max(len(item), len(known))/3)
		if strings.HasSuffix(known, "/"+item) {
			c.distance = 0
		}
		if _, priced := b.Value(known, "input"); priced {
			other := model.BareModel(known)
			if d := edits(bare, other); d < c.distance && d <= max(1, max(len(bare), len(other))/3) {
				c.distance = d
			}
		}
		if c.distance <= limit {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var names []string
	for _, c := range found[:min(most, len(found))] {
		if c.distance == found[0].distance {
			names = append(names, c.item)
		}
	}
	return names
}
