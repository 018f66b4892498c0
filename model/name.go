package model

import (
	"regexp"
	"strings"
)

// What the name of a model may carry in one place and not in another: where it is served, whose it is, and of when.
var (
	modelPrefix = regexp.MustCompile(`^([a-z]+\.)+`)
	modelSuffix = regexp.MustCompile(`([-@](\d{8}|\d{4}-\d{2}-\d{2}|latest|v\d+|\d{3}))?(:\d+)?$`)
)

// BareModel returns the name of a model without its provider and its date, in lower case and with hyphens for what stands for them elsewhere.
func BareModel(name string) string {
	bare := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	bare = modelPrefix.ReplaceAllString(bare, "")
	for before := ""; before != bare; {
		before, bare = bare, modelSuffix.ReplaceAllString(bare, "")
	}
	return strings.NewReplacer(".", "-", "_", "-", ":", "-", " ", "-").Replace(bare)
}
