package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the import table: cmd → {collector, alerting, config} → model → standard library. Every package stands here with
// what it may import of tipline; the three rooms in the middle never import each other.
var imports = map[string][]string{
	"model":           {},
	"model/capacity":  {"model", "model/cost"},
	"model/cost":      {"model"},
	"model/decide":    {"model", "model/cost"},
	"model/drift":     {"model"},
	"model/forecast":  {"model"},
	"model/metering":  {"model"},
	"model/modeltest": {},

	"collector":                {"model"},
	"collector/promtest":       {},
	"config":                   {"model", "model/cost", "model/decide"},
	"alerting":                 {"model"},
	"alerting/words":           {"alerting", "model"},
	"alerting/post":            {"alerting"},
	"alerting/chart":           {"alerting", "alerting/words", "model"},
	"alerting/sample":          {"alerting", "model"},
	"alerting/templates":       {"alerting", "alerting/sample", "alerting/words", "model"},
	"alerting/slack":           {"alerting", "alerting/chart", "alerting/post", "alerting/words", "model"},
	"alerting/alertmanager":    {"alerting", "alerting/post", "alerting/words", "model"},
	"alerting/webhook":         {"alerting", "alerting/post", "alerting/words", "model"},
	"alerting/slack/slacktest": {},

	"cmd/internal/store":           {},
	"cmd/internal/store/storetest": {"cmd/internal/store"},
	"cmd/internal/ledger":          {"model", "model/cost", "model/decide"},
	"cmd/internal/whatif":          {"model", "model/cost", "model/decide"},
	"cmd/internal/pricelist":       {"config"},
	"cmd/internal/draft":           {"collector", "config", "model"},
	"cmd/internal/gauges":          {"model"},
	"cmd/internal/web":             {"alerting/chart", "model"},
	"cmd/internal/daemon": {
		"cmd/internal/ledger", "cmd/internal/pricelist", "cmd/internal/whatif",
		"alerting", "alerting/alertmanager", "alerting/chart", "alerting/slack", "alerting/templates", "alerting/webhook",
		"collector", "config", "model", "model/capacity", "model/cost", "model/decide", "model/drift", "model/forecast", "model/metering",
	},
	"cmd/internal/backtest": {
		"cmd/internal/daemon", "cmd/internal/ledger", "alerting", "alerting/words", "collector", "config", "model", "model/cost", "model/decide",
	},
	"cmd/tipline": {
		"cmd/internal/backtest", "cmd/internal/daemon", "cmd/internal/draft", "cmd/internal/gauges", "cmd/internal/ledger", "cmd/internal/store", "cmd/internal/web",
		"cmd/internal/whatif", "alerting", "alerting/chart", "alerting/sample", "alerting/slack", "collector", "config", "model", "model/cost", "model/decide", "model/forecast",
	},

	"cmd/tipline-demo": {
		"cmd/internal/backtest", "cmd/internal/daemon", "cmd/internal/ledger", "cmd/internal/gauges", "cmd/internal/store", "cmd/internal/web",
		"cmd/tipline-demo/engine", "cmd/tipline-demo/traffic", "cmd/tipline-demo/world",
		"alerting", "alerting/slack", "collector", "config", "model",
	},
	"cmd/tipline-demo/engine":  {},
	"cmd/tipline-demo/packs":   {"cmd/tipline-demo/engine", "collector", "model"},
	"cmd/tipline-demo/servers": {"cmd/internal/daemon", "collector", "config", "model"},
	"cmd/tipline-demo/traffic": {},
	"cmd/tipline-demo/world":   {"cmd/tipline-demo/engine", "cmd/tipline-demo/traffic"},

	"deploy": {"collector", "config"},
}

// pure is what the model may import besides the numerics library: values, arithmetic and formatting. So it can neither log
// nor read a file, a socket or a lock.
var pure = []string{
	"cmp", "crypto/sha256", "encoding/hex", "encoding/json", "errors", "fmt", "iter", "maps", "math", "math/big", "math/bits", "slices",
	"sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// clocked are the packages that may read the wall clock or wait by it. All others are told the time.
var clocked = []string{"cmd/internal/daemon", "cmd/tipline", "cmd/tipline-demo"}

// clock is what reads the wall clock or waits by it.
var clock = map[string][]string{
	"time": {"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"},
}

// drawers are names that say nothing about what is inside.
var drawers = regexp.MustCompile(`^(utils?|helpers?|common|misc|shared|base|types|stuff)$`)

// A source is one Go file of the project.
type source struct {
	path string // from the root of the project, with slashes
	file *ast.File
	fset *token.FileSet
}

func (s source) pkg() string { return path.Dir(s.path) }
func (s source) test() bool  { return strings.HasSuffix(s.path, "_test.go") }

// fake tells whether s is of a package that only tests use, which is named for it.
func (s source) fake() bool { return strings.HasSuffix(s.pkg(), "test") }

// at formats what is wrong with the line of pos.
func (s source) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", s.path, s.fset.Position(pos).Line) + fmt.Sprintf(format, args...)
}

// sources parses every Go file of the project, those of the nested module too.
func sources(t *testing.T) []source {
	t.Helper()
	const root = "../.."
	var found []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		found = append(found, source{filepath.ToSlash(rel), file, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"model/", "collector/", "alerting/", "config/", "cmd/tipline/", "cmd/tipline-demo/"} {
		if !slices.ContainsFunc(found, func(s source) bool { return strings.HasPrefix(s.path, room) }) {
			t.Fatalf("found no Go file in %s", room)
		}
	}
	return found
}

// Imports point one way, and the model imports nothing that could do anything but compute.
func TestImports(t *testing.T) {
	t.Parallel()
	all := sources(t)
	for pkg := range imports {
		if !slices.ContainsFunc(all, func(s source) bool { return s.pkg() == pkg }) {
			t.Errorf("the import table names %s, where there is no Go file", pkg)
		}
	}
	for _, s := range all {
		allowed, listed := imports[s.pkg()]
		if !listed && !strings.HasPrefix(s.pkg(), "deploy/") {
			t.Errorf("%s: package %s is not in the import table", s.path, s.pkg())
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(s.at(spec.Pos(), "%v", err))
			}
			if own, ok := strings.CutPrefix(imported, "tipline/"); ok {
				if !slices.Contains(allowed, own) && own != s.pkg() && !(s.test() && forTests(s.pkg(), own)) {
					t.Error(s.at(spec.Pos(), "%s imports %s; the import table allows %q", s.pkg(), own, allowed))
				}
				continue
			}
			room, _, _ := strings.Cut(s.pkg(), "/")
			numerics := strings.HasPrefix(imported, "gonum.org/v1/gonum/")
			if room == "model" && !s.test() && !slices.Contains(pure, imported) && !numerics {
				t.Error(s.at(spec.Pos(), "the model imports %s, want nothing but %q and gonum", imported, pure))
			}
		}
	}
}

// forTests tells whether the tests of pkg may import own although the table does not say so: what is in their room, and what
// is made for tests.
func forTests(pkg, own string) bool {
	room, _, _ := strings.Cut(pkg, "/")
	return own == room || strings.HasPrefix(own, room+"/") || strings.HasSuffix(own, "test")
}

// The name model is always ours, so Prometheus's package of that name goes by another.
func TestImportNames(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, spec := range s.file.Imports {
			if spec.Path.Value == `"github.com/prometheus/common/model"` && (spec.Name == nil || spec.Name.Name != "prommodel") {
				t.Error(s.at(spec.Pos(), "github.com/prometheus/common/model is imported by another name than prommodel"))
			}
		}
	}
}

// Time is an argument and nothing is drawn by lot, so the same inputs give the same answer.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test() || s.fake() {
			continue
		}
		names := map[string]string{} // by which name an import goes here
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(s.at(spec.Pos(), "%v", err))
			}
			if imported == "math/rand" || imported == "math/rand/v2" {
				t.Error(s.at(spec.Pos(), "%s draws random numbers", s.pkg()))
			}
			names[path.Base(imported)] = imported
			if spec.Name != nil {
				names[spec.Name.Name] = imported
			}
		}
		if slices.Contains(clocked, s.pkg()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(clock[names[x.Name]], sel.Sel.Name) {
				t.Error(s.at(n.Pos(), "%s uses %s.%s, want the time as an argument", s.pkg(), x.Name, sel.Sel.Name))
			}
			return true
		})
	}
}

// A name says what is inside.
func TestFileNames(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for name := range strings.SplitSeq(strings.TrimSuffix(s.path, ".go"), "/") {
			for word := range strings.SplitSeq(strings.TrimSuffix(name, "_test"), "_") {
				if drawers.MatchString(word) {
					t.Errorf("%s: %q says nothing about what is inside", s.path, word)
				}
			}
		}
	}
}

// Every package says in one sentence what it does; reasons may follow in paragraphs of their own.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	comments, names := map[string][]string{}, map[string]string{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		names[s.pkg()] = s.file.Name.Name
		if s.file.Doc != nil {
			summary, _, _ := strings.Cut(s.file.Doc.Text(), "\n\n")
			comments[s.pkg()] = append(comments[s.pkg()], strings.Join(strings.Fields(summary), " "))
		}
	}
	sentence := regexp.MustCompile(`^[^.]*(\.[^ .][^.]*)*\.$`)
	for pkg, name := range names {
		begins := "Package " + name + " "
		if name == "main" {
			begins = "Command " + path.Base(pkg) + " "
		}
		switch said := comments[pkg]; {
		case len(said) != 1:
			t.Errorf("package %s has %d package comments %q, want one", pkg, len(said), said)
		case !strings.HasPrefix(said[0], begins) || !sentence.MatchString(said[0]):
			t.Errorf("package %s: got the comment %q, want one sentence that begins with %q", pkg, said[0], begins)
		}
	}
}

// Every exported name has a comment, which begins with it. A method Error needs none: error says what it does.
func TestDocComments(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && ast.IsExported(receiver(d)) && (d.Recv == nil || d.Name.Name != "Error") {
					s.documented(t, d.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					s.specDocumented(t, d, spec)
				}
			}
		}
	}
}

// receiver returns the type of the receiver of d, or the name of d when it has none.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return name
}

// documented wants a comment on name that begins with it.
func (s source) documented(t *testing.T, name *ast.Ident, doc *ast.CommentGroup) {
	t.Helper()
	said := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		said = strings.TrimPrefix(said, article)
	}
	if !regexp.MustCompile(`^` + regexp.QuoteMeta(name.Name) + `\b`).MatchString(said) {
		t.Error(s.at(name.Pos(), "the comment of %s begins with %q, want its name", name.Name, strings.TrimSpace(said[:min(len(said), 40)])))
	}
}

// specDocumented wants a comment on what spec declares: one of its own on a type, and on a constant or a variable one of its
// own, one behind it, or one over the group it stands in.
func (s source) specDocumented(t *testing.T, group *ast.GenDecl, spec ast.Spec) {
	t.Helper()
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		doc := spec.Doc
		if doc == nil && !group.Lparen.IsValid() {
			doc = group.Doc
		}
		if spec.Name.IsExported() {
			s.documented(t, spec.Name, doc)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			switch {
			case !name.IsExported():
			case !group.Lparen.IsValid() && len(spec.Names) == 1:
				s.documented(t, name, group.Doc)
			case spec.Doc == nil && spec.Comment == nil && group.Doc == nil:
				t.Error(s.at(name.Pos(), "%s has no comment", name.Name))
			}
		}
	}
}
