package collector

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestQueries shows every expression that is sent. The tests of the packs in cmd/tipline-demo send the same ones to a real engine.
func TestQueries(t *testing.T) {
	t.Parallel()
	hostile := map[string]string{"job": "a\"} or vector(1) #", "team": "x\ny\\z\u202e"}
	all := map[string]queries{
		"litellm-selected": packQueries(mustPack(t, "litellm"), hostile, []string{"gen_ai.model"}),
		"own": ownQueries(&Queries{
			Input:    `sum by (team) (increase(in_total[$__window])) # prompt`,
			Output:   `sum by (team) (increase(out_total[$__window]))`,
			Requests: `sum by (team) (increase(requests_total[$__window]))`,
			TTFTP95:  `histogram_quantile(0.95, sum by (le, team) (rate(ttft_bucket[$__window])))`,
		}, []string{"team"}),
	}
	for _, name := range builtin() {
		if p := mustPack(t, name); p.GPU != nil {
			q := queries{gpu: gpuQuery(p.GPU, []string{"namespace"})}
			if p.GPU.Cost != nil {
				q.cost = gpuCosts(p.GPU, []string{"namespace"})
			}
			all[name] = q
		} else {
			q := packQueries(p, nil, p.GroupBy)
			if !p.engine() {
				q.served = "" // not sent without GPUs
			}
			all[name] = q
		}
	}
	kept := map[string]bool{}
	for name, q := range all {
		for part, got := range map[string]string{"hourly": q.hourly, "ttft": q.ttft, "prompts": q.prompts, "gpu": q.gpu, "cost": q.cost, "served": q.served} {
			if got == "" {
				continue
			}
			file := filepath.Join("testdata", "queries", name+"-"+part+".promql")
			got += "\n"
			kept[file] = true
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s, run with -update to accept (-want +got):\n%s", file, diff)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "queries", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !kept[file] {
			t.Errorf("%s is of nothing that is asked", file)
		}
	}
}

// quoted is a text in an expression.
var quoted = regexp.MustCompile(`"[^"]*"`)

// TestF25_AggregateOutside holds that no aggregation is inside increase, rate or resets.
func TestF25_AggregateOutside(t *testing.T) {
	t.Parallel()
	for _, name := range builtin() {
		p := mustPack(t, name)
		if p.GPU != nil {
			continue
		}
		q := packQueries(p, nil, []string{"namespace"})
		for _, function := range []string{"increase(", "rate(", "resets("} {
			for _, inside := range strings.Split(quoted.ReplaceAllString(q.hourly+q.ttft+q.served, "text"), function)[1:] {
				if inside, _, _ := strings.Cut(inside, ")"); strings.ContainsAny(inside, "( ") {
					t.Errorf("pack %s: %s%s): got more than a selector inside", name, function, inside)
				}
			}
		}
	}
}

func mustPack(t *testing.T, name string) *pack {
	t.Helper()
	p, err := (*Library)(nil).pack(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// FuzzMatcher holds that a matcher gives its label and value back and ends where it should, whatever they are.
func FuzzMatcher(f *testing.F) {
	for _, seed := range [][2]string{
		{"team", "support"},
		{"team", `gpt"} or vector(1) #`},
		{"model", "a\nb\\tc"},
		{"model", "مرحبا\u202egpt 💥 \\"},
		{"gen_ai.model", "x"},
		{"a\"b", `\`},
		{"a", ""},
		{"a", "\x00\x7f`'{}"},
		{"a", "\ufeff\u2028"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if checkLabels(nil, map[string]string{name: value}) != nil {
			t.Skip("refused before a query is built")
		}
		expr := Matchers(map[string]string{name: value})
		gotName, rest := name, strings.TrimPrefix(expr, name)
		if strings.HasPrefix(expr, `"`) {
			gotName, rest = unquote(t, expr)
		} else {
			for _, r := range name {
				if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", r) {
					t.Errorf("label %q is not quoted in %s", name, expr)
				}
			}
		}
		gotValue, rest := unquote(t, strings.TrimPrefix(rest, "="))
		if gotName != name || gotValue != value || rest != "" {
			t.Errorf("%s: got %q=%q and %q behind, want %q=%q and nothing", expr, gotName, gotValue, rest, name, value)
		}
	})
}

// unquote reads a double-quoted string by the rules of PromQL's lexer and returns what follows it. It is written from
// the language's definition and shares no code with strconv, which did the quoting.
func unquote(t *testing.T, s string) (text, rest string) {
	t.Helper()
	if !strings.HasPrefix(s, `"`) {
		t.Fatalf("got %q, want a string in double quotes", s)
	}
	var b strings.Builder
	digits := func(s string, base, count int) rune {
		var r rune
		for _, d := range s[:count] {
			r = r*rune(base) + rune(strings.IndexRune("0123456789abcdef", d))
		}
		return r
	}
	for s = s[1:]; ; {
		switch {
		case s == "" || s[0] == '\n':
			t.Fatalf("string does not end in its line")
		case s[0] == '"':
			return b.String(), s[1:]
		case s[0] != '\\':
			b.WriteByte(s[0])
			s = s[1:]
		default:
			switch escape := s[1]; escape {
			case 'x':
				b.WriteByte(byte(digits(s[2:], 16, 2)))
				s = s[4:]
			case 'u':
				b.WriteRune(digits(s[2:], 16, 4))
				s = s[6:]
			case 'U':
				b.WriteRune(digits(s[2:], 16, 8))
				s = s[10:]
			default:
				i := strings.IndexByte("abfnrtv\\\"", escape)
				if i < 0 {
					t.Fatalf("unknown escape \\%c", escape)
				}
				b.WriteByte("\a\b\f\n\r\t\v\\\""[i])
				s = s[2:]
			}
		}
	}
}
