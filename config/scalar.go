package config

import (
	"fmt"
	"math/big"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"
)

// decimal matches the numbers that a file may hold: bounded, so that no exponent makes a fraction of a million digits.
var decimal = regexp.MustCompile(`^[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?$`)

// parseDecimal reads text exactly; it returns nil when text is not a decimal number.
func parseDecimal(text string) *big.Rat {
	if !decimal.MatchString(text) {
		return nil
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return value
}

// A demand is what a number must satisfy, with the words for a reader.
type demand struct {
	want string
	met  func(*big.Rat) bool
}

var (
	one = big.NewRat(1, 1)

	positive    = func(v *big.Rat) bool { return v.Sign() > 0 }
	notNegative = func(v *big.Rat) bool { return v.Sign() >= 0 }
	atLeastOne  = func(v *big.Rat) bool { return v.Cmp(one) >= 0 }
	share       = func(v *big.Rat) bool { return v.Sign() >= 0 && v.Cmp(one) <= 0 }
	belowOne    = func(v *big.Rat) bool { return v.Sign() >= 0 && v.Cmp(one) < 0 }
	aboveZero   = func(v *big.Rat) bool { return v.Sign() > 0 && v.Cmp(one) <= 0 }
)

// number reads s exactly. It returns nil when the key is absent or wrong.
func (r *reader) number(s scalar, d demand) *big.Rat {
	if !s.given() {
		return nil
	}
	value := parseDecimal(s.text())
	if value == nil || !d.met(value) {
		r.wrong(s.place, "got %s, want %s", quote(s.text()), d.want)
		return nil
	}
	return value
}

// numberOr reads s, or fallback when the key is absent.
func (r *reader) numberOr(s scalar, d demand, fallback string) *big.Rat {
	if !s.given() {
		return parseDecimal(fallback)
	}
	return r.number(s, d)
}

// whole reads a whole number between least and a billion, or fallback when the key is absent.
func (r *reader) whole(s scalar, what string, least, fallback int64) int64 {
	if !s.given() {
		return fallback
	}
	value := parseDecimal(s.text())
	if value == nil || !value.IsInt() || value.Cmp(big.NewRat(least, 1)) < 0 || value.Cmp(big.NewRat(1_000_000_000, 1)) > 0 {
		r.wrong(s.place, "got %s, want %s, a whole number, %d or more", quote(s.text()), what, least)
		return fallback
	}
	return value.Num().Int64()
}

// duration reads a duration as Prometheus writes them, or fallback when the key is absent. With zero it may be 0.
func (r *reader) duration(s scalar, fallback time.Duration, zero bool) time.Duration {
	if !s.given() {
		return fallback
	}
	parsed, err := prommodel.ParseDuration(s.text())
	if err != nil || (parsed == 0 && !zero) {
		r.wrong(s.place, "got %s, want a duration such as 500ms, 2m or 90d", quote(s.text()))
		return fallback
	}
	return time.Duration(parsed)
}

// boolean reads true or false; an absent key is false.
func (r *reader) boolean(s scalar) bool {
	if s.given() && s.text() != "true" && s.text() != "false" {
		r.wrong(s.place, "got %s, want true or false", quote(s.text()))
	}
	return s.text() == "true"
}

// choice reads one of names; "" is an absent or a wrong key.
func (r *reader) choice(s scalar, names ...string) string {
	if !s.given() {
		return ""
	}
	if !slices.Contains(names, s.text()) {
		hint := ""
		if best, near := nearest(s.text(), names); near {
			hint = ", did you mean " + quote(best) + "?"
		}
		r.wrong(s.place, "got %s, want %s%s", quote(s.text()), oneOf(names), hint)
		return ""
	}
	return s.text()
}

// word reads a name or another short text. It may not be empty when the key is there.
func (r *reader) word(s scalar) string {
	if !s.given() {
		return ""
	}
	switch text := s.text(); {
	case s.node.Tag == "!!bool":
		r.wrong(s.place, "got %s, want text; put it in quotes if that is what you mean", quote(text))
	case strings.TrimSpace(text) == "":
		r.wrong(s.place, "got %s, want text", quote(text))
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) && len(text) < 200:
		r.wrong(s.place, "got %s, want one line without control characters", quote(text))
	default:
		return text
	}
	return ""
}

// expression reads PromQL, which may have several lines.
func (r *reader) expression(s scalar) string {
	if s.given() && strings.TrimSpace(s.text()) == "" {
		r.wrong(s.place, "got %s, want a PromQL expression", quote(s.text()))
	}
	return s.text()
}

// words reads a list of texts, none of them twice.
func (r *reader) words(list []scalar) []string {
	var texts []string
	for _, s := range list {
		text := r.word(s)
		if text == "" {
			continue
		}
		if slices.Contains(texts, text) {
			r.wrong(s.place, "%s is in the list twice", quote(text))
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// textMap reads a mapping of labels to the values they must have.
func (r *reader) textMap(raw map[string]scalar) map[string]string {
	if len(raw) == 0 {
		return nil
	}
	texts := make(map[string]string, len(raw))
	for name, s := range raw {
		texts[name] = s.text()
	}
	return texts
}

// address reads an absolute http or https URL without a password in it.
func (r *reader) address(s scalar) string {
	if !s.given() || holdsSecret(s.text()) {
		return ""
	}
	parsed, err := url.Parse(s.text())
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || parsed.User != nil {
		hint := ""
		if !strings.Contains(s.text(), "://") && !strings.ContainsAny(s.text(), " \t\n") && s.text() != "" {
			hint = ", did you mean " + quote("http://"+s.text()) + "?"
		}
		r.wrong(s.place, "got %s, want a URL that begins with http:// or https://%s", quote(s.text()), hint)
		return ""
	}
	return strings.TrimRight(s.text(), "/")
}

// path reads the path of a file or a folder.
func (r *reader) path(s scalar) string {
	if !s.given() || holdsSecret(s.text()) {
		return ""
	}
	text := r.word(s)
	if strings.Contains(text, "://") {
		r.wrong(s.place, "got %s, want the path of a file", quote(text))
		return ""
	}
	return text
}

var environment = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// secret reads a reference to an environment variable. What is written otherwise is a secret and is not shown.
func (r *reader) secret(s scalar) string {
	if !s.given() {
		return ""
	}
	name := environment.FindStringSubmatch(s.text())
	if name == nil {
		r.wrong(s.place, "a secret does not belong here: name a file in %s_file, or an environment variable as ${NAME}",
			lastKey(s.place.path))
		return ""
	}
	value, set := os.LookupEnv(name[1])
	if !set || value == "" {
		r.wrong(s.place, "environment variable %s is not set", name[1])
	}
	return value
}

// inlineSecrets names what gives a secret away wherever it is written, and what to write instead.
var inlineSecrets = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{
		regexp.MustCompile(`(?i)hooks\.slack(-gov)?\.com/`),
		"a webhook URL is a secret and does not belong here: write it to a file and name that in notify.slack.webhook_url_file",
	},
	{
		regexp.MustCompile(`(?i)\b(xox[a-z]+-|xapp-)[a-z0-9]`),
		"a Slack token does not belong here: write it to a file and name that in notify.slack.token_file",
	},
	{
		regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]*://[^/\s@]*@`),
		"a URL with a user or a password in it does not belong here: use basic_auth with password_file",
	},
	{
		regexp.MustCompile(`-----BEGIN|^sk-[A-Za-z0-9_-]{16}|^(?i)bearer +\S{8}`),
		"this looks like a secret, which does not belong here: write it to a file and name that",
	},
}

// holdsSecret reports whether text holds a secret. Such values have been reported by refuseSecrets.
func holdsSecret(text string) bool {
	for _, s := range inlineSecrets {
		if s.pattern.MatchString(text) {
			return true
		}
	}
	return false
}

// refuseSecrets reports every value below n that holds a secret, without showing it.
func (r *reader) refuseSecrets(n *yaml.Node, path string) {
	switch {
	case n.Kind == yaml.ScalarNode:
		for _, s := range inlineSecrets {
			if s.pattern.MatchString(n.Value) {
				r.wrong(place{n, path}, "%s", s.text)
				return
			}
		}
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			r.refuseSecrets(item, fmt.Sprintf("%s[%d]", path, i))
		}
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			r.refuseSecrets(n.Content[i+1], join(path, n.Content[i].Value))
		}
	}
}

// lastKey returns the last key of path.
func lastKey(path string) string { return path[strings.LastIndex(path, ".")+1:] }
