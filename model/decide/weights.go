package decide

import (
	"slices"
	"strings"

	"tipline/model"
)

// served returns the models that o serves, of a hybrid those of its base and its overflow: the first that each names, since the others are
// accepted in its place. It is false when one of them names none.
func (o Option) served(options map[string]Option) (models []string, known bool) {
	parts := []Option{o}
	if o.Hosting == model.Hybrid {
		parts = []Option{options[o.Base], options[o.Overflow]}
	}
	for _, part := range parts {
		if len(part.Models) == 0 {
			return nil, false
		}
		if !slices.ContainsFunc(models, func(name string) bool { return sameModel(name, part.Models[0]) }) {
			models = append(models, part.Models[0])
		}
	}
	return models, true
}

// sameModel reports whether two names are of the same weights, whoever serves them.
func sameModel(a, b string) bool { return a == b || model.BareModel(a) == model.BareModel(b) }

// changesModel says from which models to which others a move from now to o is (cost model, section 2.3); empty when it is none. It is not known
// when one of the two does not name what it serves.
func changesModel(now, o Option, options map[string]Option) (change string, known bool) {
	from, fromKnown := now.served(options)
	to, toKnown := o.served(options)
	if !fromKnown || !toKnown {
		return "", false
	}
	among := func(some, others []string) bool {
		return !slices.ContainsFunc(some, func(name string) bool {
			return !slices.ContainsFunc(others, func(other string) bool { return sameModel(name, other) })
		})
	}
	if among(from, to) && among(to, from) {
		return "", true
	}
	return strings.Join(from, " and ") + " to " + strings.Join(to, " and "), true
}

// warnModelChange warns when a move from the current option to c is to other weights, which the comparison takes for as good, and when that is not known.
func (c *costed) warnModelChange(in Input, options map[string]Option) {
	if c.option.Name == in.Current {
		return
	}
	change, known := changesModel(options[in.Current], c.option, options)
	switch c.modelChange, c.alike = change, known && change == ""; {
	case change != "":
		c.warn("MODEL_CHANGE", "a move from %s to %s is a model change, %s: the costs compare only if its quality is accepted as equal for this workload",
			in.Current, c.option.Name, change)
	case !known:
		c.warn("MODEL_CHANGE", "whether a move from %s to %s is a model change is not known, since one of them does not say which model it serves",
			in.Current, c.option.Name)
	}
}
