package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const referenceFile = "reference.yaml"

func readReference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReferenceIsValid(t *testing.T) {
	t.Parallel()
	if _, err := Parse(referenceFile, []byte(readReference(t)), packs...); err != nil {
		t.Fatal(err)
	}
}

// The keys that cannot stand beside others are commented out with a # and no space.
var alternative = regexp.MustCompile(`(?m)^( *)#([a-z_0-9]+:)`)

func TestReferenceDocumentsEveryKey(t *testing.T) {
	t.Parallel()
	text := alternative.ReplaceAllString(readReference(t), "$1$2")
	r := &reader{file: referenceFile, misread: map[string]bool{}}
	top := r.document([]byte(text), "")
	r.decode(top, "", reflect.ValueOf(new(rawConfig)).Elem())
	if len(r.problems) > 0 {
		t.Fatalf("with every alternative:\n%v", r.sorted())
	}
	for _, path := range undocumented(reflect.TypeFor[rawConfig](), []*yaml.Node{top}, "") {
		t.Errorf("%s does not document %s", referenceFile, path)
	}
}

// undocumented returns the paths of the keys of the raw type typ that none of nodes has.
func undocumented(typ reflect.Type, nodes []*yaml.Node, path string) []string {
	if len(nodes) == 0 {
		return []string{path}
	}
	var below []*yaml.Node
	switch {
	case typ == scalarType || typ == valuesType:
		return nil
	case typ.Kind() == reflect.Pointer:
		return undocumented(typ.Elem(), nodes, path)
	case typ.Kind() == reflect.Slice:
		for _, n := range nodes {
			below = append(below, n.Content...)
		}
		return undocumented(typ.Elem(), below, path+"[]")
	case typ.Kind() == reflect.Map:
		for _, n := range nodes {
			for i := 1; i < len(n.Content); i += 2 {
				below = append(below, n.Content[i])
			}
		}
		return undocumented(typ.Elem(), below, path+".*")
	}
	var missing []string
	for field := range typ.Fields() {
		if field.Type == placeType || field.Tag.Get("refuse") != "" {
			continue
		}
		below = nil
		for _, n := range nodes {
			for k := 0; k+1 < len(n.Content); k += 2 {
				if n.Content[k].Value == field.Tag.Get("yaml") {
					below = append(below, n.Content[k+1])
				}
			}
		}
		missing = append(missing, undocumented(field.Type, below, strings.TrimPrefix(path+"."+field.Tag.Get("yaml"), "."))...)
	}
	return missing
}

var keyWithValue = regexp.MustCompile(`^( *(?:- )?)[A-Za-z_0-9-]+: *[^ #]`)

func TestReferenceTellsDefaults(t *testing.T) {
	t.Parallel()
	text := readReference(t)
	want := meaning(t, text)
	defaults := 0
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !keyWithValue.MatchString(line) {
			continue
		}
		where := fmt.Sprintf("%s:%d: %s", referenceFile, i+1, strings.TrimSpace(line))
		_, comment, _ := strings.Cut(line, " # ")
		without := remove(lines, i)
		switch {
		case strings.HasPrefix(comment, "(default)"):
			defaults++
			if got := meaning(t, without); got != want {
				t.Errorf("%s\nis not the default: without the line the configuration means something else", where)
			}
		case strings.HasPrefix(comment, "(required)"):
			if _, err := Parse(referenceFile, []byte(without), packs...); err == nil {
				t.Errorf("%s\nis not required: the file is valid without the line", where)
			}
		case strings.HasPrefix(comment, "(example)"):
		default:
			t.Errorf("%s\nis neither marked (required) nor (default) nor (example)", where)
		}
	}
	if defaults < 20 {
		t.Errorf("%s: got %d defaults, want at least 20: has the marker changed?", referenceFile, defaults)
	}
}

// meaning returns the hash of what text means, the origin of prices left out: a default and the same number in the file
// differ only in that.
func meaning(t *testing.T, text string) string {
	t.Helper()
	c, err := Parse(referenceFile, []byte(text), packs...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for i := range c.Options {
		c.Options[i].Prices = nil
	}
	return c.hash()
}

// remove returns lines without line i, and without the keys above it that held nothing else. The first key of a list
// item leaves its dash to the next one.
func remove(lines []string, i int) string {
	kept := slices.Clone(lines)
	indent := func(line string) int { return len(line) - len(strings.TrimLeft(line, " -")) }
	if strings.HasPrefix(strings.TrimLeft(kept[i], " "), "- ") {
		next := i + 1
		for indent(kept[next]) != indent(kept[i]) {
			next++
		}
		kept[next] = kept[i][:indent(kept[i])] + strings.TrimLeft(kept[next], " ")
	}
	at := indent(lines[i])
	kept = slices.Delete(kept, i, i+1)
	for i--; i > 0 && indent(kept[i]) < at && !keyWithValue.MatchString(kept[i]) && !isContent(kept, i+1, indent(kept[i])); i-- {
		at = indent(kept[i])
		kept = slices.Delete(kept, i, i+1)
	}
	return strings.Join(kept, "\n")
}

// isContent reports whether the first line from i on that is not a comment is deeper than indent.
func isContent(lines []string, i, indent int) bool {
	for _, line := range lines[i:] {
		trimmed := strings.TrimLeft(line, " ")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		return len(line)-len(strings.TrimLeft(line, " -")) > indent
	}
	return false
}
