package model

import "strings"

// BareModel returns the name of a model without its provider and its date, in lower case and with hyphens for what stands for them elsewhere.
func BareModel(name string) string {
	bare := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for i := strings.IndexByte(bare, '.'); i > 0 && shaped(bare[:i], "a", true); i = strings.IndexByte(bare, '.') {
		bare = bare[i+1:]
	}
	for before := ""; before != bare; {
		before = bare
		if i := strings.LastIndexByte(bare, ':'); i >= 0 && shaped(bare[i+1:], "0", true) {
			bare = bare[:i]
		}
		bare = undated(bare)
	}
	return strings.NewReplacer(".", "-", "_", "-", ":", "-", " ", "-").Replace(bare)
}

// undated returns name without a date or a version behind a hyphen or an at sign.
func undated(name string) string {
	for _, shape := range []string{"0000-00-00", "00000000", "000", "latest"} {
		if i := len(name) - len(shape) - 1; i >= 0 && (name[i] == '-' || name[i] == '@') && (name[i+1:] == shape || shape != "latest" && shaped(name[i+1:], shape, false)) {
			return name[:i]
		}
	}
	if i := strings.LastIndexAny(name, "-@"); i >= 0 && strings.HasPrefix(name[i+1:], "v") && shaped(name[i+2:], "0", true) {
		return name[:i]
	}
	return name
}

// shaped reports whether text has a digit for every 0 of shape, a letter for every a and otherwise the same bytes; any number of the one of shape where it repeats.
func shaped(text, shape string, repeats bool) bool {
	if text == "" || !repeats && len(text) != len(shape) {
		return false
	}
	for i := range len(text) {
		want := shape[min(i, len(shape)-1)]
		switch c := text[i]; {
		case want == '0' && c >= '0' && c <= '9', want == 'a' && c >= 'a' && c <= 'z', want != '0' && want != 'a' && c == want:
		default:
			return false
		}
	}
	return true
}
