package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tipline/model"
)

// maxBytes bounds a configuration file. The longest one that a person or a template writes is far below.
const maxBytes = 1 << 20

// place is one node of the file and the path that leads to it.
type place struct {
	node *yaml.Node
	path string
}

// scalar is a place that holds one value. The zero scalar is a key that is absent.
type scalar struct{ place }

func (s scalar) given() bool { return s.node != nil }

// text returns what is written, or "" when the key is absent.
func (s scalar) text() string {
	if s.node == nil {
		return ""
	}
	return s.node.Value
}

// values is one value, or a list of which any will do.
type values []scalar

// reader turns a file into raw structs and then into a Config, and gathers everything that is wrong on the way.
type reader struct {
	file     string
	packs    []model.Pack  // the metric packs that exist; empty means that they are not known here
	awaited  []PriceSource // price lists, which may have been fetched or not
	problems Problems
	sourced  []Source          // once they are resolved
	names    map[string]string // canonical names of models, by their aliases
	misread  map[string]bool   // paths that are there but have been reported as malformed
}

// wrong adds a problem at at. No secret may be among args: what the file says goes through quote.
func (r *reader) wrong(at place, format string, args ...any) {
	p := Problem{File: r.file, Path: at.path, Text: fmt.Sprintf(format, args...)}
	if at.node != nil {
		p.Line, p.Col = max(1, at.node.Line), max(1, at.node.Column)
	}
	r.problems = append(r.problems, p)
}

// malformed adds a problem at at, a key that is then not reported as missing too.
func (r *reader) malformed(at place, format string, args ...any) {
	r.misread[at.path] = true
	r.wrong(at, format, args...)
}

// missing adds a problem at at, a mapping that wants key, unless that is there in another form.
func (r *reader) missing(at place, key, want string) {
	if r.misread[join(at.path, key)] {
		return
	}
	r.wrong(at, "%s is missing%s", key, want)
}

// sorted returns the problems in the order of their lines.
func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), strings.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text))
	})
	return slices.Compact(r.problems)
}

// document returns the top node of the only document of data, or nil when there is no such thing; want says what one has at least.
func (r *reader) document(data []byte, want string) *yaml.Node {
	if len(data) > maxBytes {
		r.wrong(place{}, "got %d bytes, want at most %d", len(data), maxBytes)
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		r.wrong(place{}, "the file is empty, want at least %s", want)
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		at := &second
		if len(second.Content) > 0 {
			at = second.Content[0]
		}
		r.wrong(place{node: at}, "a second YAML document begins here, want one document in a file")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		r.wrong(place{}, "the file is empty, want at least %s", want)
		return nil
	}
	return doc.Content[0]
}

func (r *reader) syntax(err error) {
	p := Problem{File: r.file, Text: "not YAML: " + redact(err.Error())}
	var broken *yaml.LoadError
	if errors.As(err, &broken) {
		p.Line, p.Col = max(1, broken.Mark.Line), max(1, broken.Mark.Column)
		p.Text = "not YAML: " + redact(broken.Message)
		if strings.HasPrefix(broken.Message, "unknown anchor") {
			p.Text = aliasText
		}
	}
	r.problems = append(r.problems, p)
}

const aliasText = "anchors and aliases are not supported, write the value out"

var (
	scalarType = reflect.TypeFor[scalar]()
	valuesType = reflect.TypeFor[values]()
	placeType  = reflect.TypeFor[place]()
)

// decode fills dst, a raw struct or a part of one, from n. A key that no field is named after is a problem, and so are a
// key that is there twice and a value of the wrong form. Fields of type place receive the place of their struct.
func (r *reader) decode(n *yaml.Node, path string, dst reflect.Value) {
	at := place{n, path}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.malformed(at, aliasText)
	case dst.Kind() == reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		r.decode(n, path, dst.Elem())
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		r.malformed(at, "has no value, want %s or no such key%s", form(dst.Type()), commentHint(n))
	case dst.Type() == scalarType:
		if n.Kind != yaml.ScalarNode {
			r.malformed(at, "got %s, want %s", kind(n), form(dst.Type()))
			return
		}
		dst.Set(reflect.ValueOf(scalar{at}))
	case dst.Type() == valuesType && n.Kind == yaml.ScalarNode:
		dst.Set(reflect.ValueOf(values{{at}}))
	case dst.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.malformed(at, "got %s, want %s", kind(n), form(dst.Type()))
			return
		}
		if dst.Type() == valuesType && len(n.Content) == 0 {
			r.malformed(at, "got an empty list, want one value or more")
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			r.decode(item, fmt.Sprintf("%s[%d]", path, i), dst.Index(i))
		}
	case n.Kind != yaml.MappingNode:
		r.malformed(at, "got %s, want %s", kind(n), form(dst.Type()))
	case dst.Kind() == reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
		r.eachKey(at, func(key string, _, value *yaml.Node) {
			v := reflect.New(dst.Type().Elem()).Elem()
			r.decode(value, join(path, key), v)
			dst.SetMapIndex(reflect.ValueOf(key), v)
		})
	default:
		r.decodeStruct(at, dst)
	}
}

func (r *reader) decodeStruct(at place, dst reflect.Value) {
	fields := map[string]int{}
	for i := range dst.NumField() {
		field := dst.Type().Field(i)
		if field.Type == placeType {
			dst.Field(i).Set(reflect.ValueOf(at))
			continue
		}
		fields[field.Tag.Get("yaml")] = i
	}
	r.eachKey(at, func(key string, keyNode, value *yaml.Node) {
		i, known := fields[key]
		if !known {
			r.wrong(place{keyNode, join(at.path, key)}, "unknown key%s", didYouMean(key, slices.Sorted(maps.Keys(fields))))
			return
		}
		if why := dst.Type().Field(i).Tag.Get("refuse"); why != "" {
			r.wrong(place{keyNode, join(at.path, key)}, "%s", why)
			return
		}
		r.decode(value, join(at.path, key), dst.Field(i))
	})
}

// eachKey calls f for every key of a mapping that is well formed and not there for the second time.
func (r *reader) eachKey(at place, f func(key string, keyNode, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(at.node.Content); i += 2 {
		key, value := at.node.Content[i], at.node.Content[i+1]
		here := place{key, join(at.path, key.Value)}
		switch line, twice := seen[key.Value]; {
		case key.Kind == yaml.AliasNode || key.Anchor != "" || key.Tag == "!!merge":
			r.wrong(place{key, at.path}, aliasText)
		case key.Kind != yaml.ScalarNode:
			r.wrong(place{key, at.path}, "got %s as a key, want text", kind(key))
		case twice:
			r.wrong(here, "is already set on line %d", line)
		default:
			seen[key.Value] = key.Line
			if value.LineComment == "" {
				value.LineComment = key.LineComment // where the parser puts what follows a key without a value
			}
			f(key.Value, key, value)
		}
	}
}

// join appends key to path.
func join(path, key string) string {
	if !plainKey.MatchString(key) || secretLooking.MatchString(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// commentHint explains why a value such as #channel is not there.
func commentHint(n *yaml.Node) string {
	if len(n.LineComment) > 1 && n.LineComment[0] == '#' && n.LineComment[1] != ' ' {
		return "; what begins with # is a comment unless it is in quotes"
	}
	return ""
}

// kind says in words what n is.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	}
	return quote(n.Value)
}

// form says in words what a value of type t looks like.
func form(t reflect.Type) string {
	switch {
	case t == scalarType:
		return "one value"
	case t == valuesType:
		return "one value or a list"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Pointer:
		return form(t.Elem())
	}
	return "a mapping"
}
