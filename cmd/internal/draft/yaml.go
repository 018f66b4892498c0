package draft

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// simple matches text that is the same in quotes and without; everything else stands in quotes, whatever it holds.
var simple = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// text returns a node of outside text.
func text(value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if !simple.MatchString(value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func number(v int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
}

// list returns a list of texts in one line.
func list(values []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		n.Content = append(n.Content, text(v))
	}
	return n
}

// mapping returns a mapping of keys and nodes by turns, in one line or one key a line.
func mapping(oneLine bool, pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if oneLine {
		n.Style = yaml.FlowStyle
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		add(n, pairs[i].(string), pairs[i+1].(*yaml.Node))
	}
	return n
}

// add adds a key to a mapping.
func add(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, text(key), value)
}

// remarked returns n with a comment behind it.
func remarked(n *yaml.Node, comment string) *yaml.Node {
	if comment != "" {
		n.LineComment = "# " + inert(comment)
	}
	return n
}

// headed returns n with comments above it, each a line.
func headed(n *yaml.Node, lines ...string) *yaml.Node {
	n.HeadComment = comments(lines)
	return n
}

// comments writes each line as a comment.
func comments(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintln(&b, strings.TrimRight("# "+inert(line), " "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// inert returns text in which nothing ends a comment.
func inert(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// dump writes a section of the file. What is not seen, or changes the direction of what is, stands there as its number: outside text that
// holds such characters is in double quotes.
func dump(n *yaml.Node) (string, error) {
	data, err := yaml.Dump(n, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08X`, r)
		default:
			fmt.Fprintf(&b, `\u%04X`, r)
		}
	}
	return b.String(), err
}

// off writes nodes of a list as comments, to be taken in by whoever removes the signs.
func off(nodes []*yaml.Node) (string, error) {
	if len(nodes) == 0 {
		return "", nil
	}
	data, err := dump(&yaml.Node{Kind: yaml.SequenceNode, Content: nodes})
	var b strings.Builder
	for line := range strings.Lines(data) {
		b.WriteString("  # " + line)
	}
	return b.String(), err
}

// shown returns outside text for a comment or a terminal: in one line of at most 80 characters, none of which does anything.
func shown(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most-1]) + "…"
	}
	quoted := strconv.QuoteToGraphic(s)
	if quoted == `"`+s+`"` && s != "" {
		return s
	}
	return quoted
}
