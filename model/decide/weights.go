package decide

import (
	"slices"
	"strings"

	"tipline/model"
)

// served returns the models that o serves, of a hybrid those of its base and its overflow: the first that each names, since the others are
// accepted in its place; and the one of them that names none, if there is one.
func (o Option) served(options map[string]Option) (models []string, unnamed string) {
	parts := []Option{o}
	if o.Hosting == model.Hybrid {
		parts = []Option{options[o.Base], options[o.Overflow]}
	}
	for _, part := range parts {
		if len(part.Models) == 0 {
			return nil, part.Name
		}
		if !slices.ContainsFunc(models, func(name string) bool { return sameModel(name, part.Models[0]) }) {
			models = append(models, part.Models[0])
		}
	}
	return models, ""
}

// sameModel reports whether two names are of the same weights, whoever serves them. A name without a version may be of any.
func sameModel(a, b string) bool {
	bare := model.BareModel(a)
	if bare != model.BareModel(b) {
		return false
	}
	x, y := version(a, bare), version(b, bare)
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}

// version returns the date and the version that name has behind what is bare of it, without what stands between them; empty for none and for the latest.
func version(name, bare string) string {
	dense := strings.NewReplacer(".", "", "_", "", "-", "", ":", "", "@", "", " ", "", "latest", "")
	text := dense.Replace(strings.ToLower(name))
	bare = dense.Replace(bare)
	return text[strings.LastIndex(text, bare)+len(bare):]
}

// changesModel says from which models to which others a move from now to o is (cost model, section 2.3); empty when it is none. It is not known
// when an option does not name what it serves, which is returned then.
func changesModel(now, o Option, options map[string]Option) (change, unnamed string) {
	from, unnamed := now.served(options)
	if unnamed != "" {
		return "", unnamed
	}
	to, unnamed := o.served(options)
	if unnamed != "" {
		return "", unnamed
	}
	among := func(some, others []string) bool {
		return !slices.ContainsFunc(some, func(name string) bool {
			return !slices.ContainsFunc(others, func(other string) bool { return sameModel(name, other) })
		})
	}
	if among(from, to) && among(to, from) {
		return "", ""
	}
	return strings.Join(from, " and ") + " to " + strings.Join(to, " and "), ""
}

// warnModelChange warns when a move from the current option to c is to other weights, which the comparison takes for as good, and when that is not known.
func (c *costed) warnModelChange(in Input, options map[string]Option) {
	if c.option.Name == in.Current {
		return
	}
	change, unnamed := changesModel(options[in.Current], c.option, options)
	switch c.modelChange, c.alike = change, unnamed == "" && change == ""; {
	case change != "":
		c.warn("MODEL_CHANGE", "a move from %s to %s is a model change, %s: the costs compare only if its quality is accepted as equal for this workload",
			in.Current, c.option.Name, change)
	case unnamed != "":
		c.warn("MODEL_CHANGE", "%s does not say which models it serves, so whether a move from or to it is a model change is not known", unnamed)
	}
}
