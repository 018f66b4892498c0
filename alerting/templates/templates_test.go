package templates

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/alerting/words"
)

func event() alerting.Event {
	e, _ := sample.Of(alerting.Switched)
	return e
}

func templated(t *testing.T, headline, body string, kinds ...string) List {
	t.Helper()
	one, err := New(kinds, headline, body)
	if err != nil {
		t.Fatalf("%s%s: %v", headline, body, err)
	}
	return List{one}
}

// TestTemplate holds that a template says a message of its kinds in its words, that the receipt stays, and that the rest is as it was.
func TestTemplate(t *testing.T) {
	t.Parallel()
	all := templated(t, "{{.Workload}} → {{.Option}}{{if .Saving}} (−{{.Saving}}){{end}}", "{{range .Lines}}{{.}}\n{{end}}\nAsk {{or .Owner \"the platform team\"}}.", "switched", "first_seen")
	e := event()
	is, err := all.Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := words.Headline(is), "support-chat → base-plus-burst (−$6,200)"; got != want {
		t.Errorf("headline: got %q, want %q", got, want)
	}
	want := "support-chat → base-plus-burst (−$6,200). " + strings.Join(words.Below(e), " ") + " Ask the platform team. Receipt 0514a8524d8c."
	if got := words.Text(is); got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
	e.Reason = alerting.Returned
	if other, err := all.Apply(e); err != nil || !reflect.DeepEqual(other, e) {
		t.Errorf("another kind: got %+v, %v, want it as it was", other, err)
	}
	answer, _ := sample.Of(alerting.Answered) // which the message that it is about goes on in the same words with
	if is, err = all.Apply(answer); err != nil || is.Told().Headline != "support-chat → base-plus-burst (−$6,200)" || words.Headline(is) != words.Headline(answer) {
		t.Errorf("an answer: got %q and %q, %v, want the words of the template above those of the answer", is.Headline, words.Headline(is), err)
	}
	for _, r := range alerting.Kinds { // every kind without kinds, but the test
		e, _ := sample.Of(r)
		is, err := templated(t, "", "In short: {{.Headline}}").Apply(e)
		if got := words.Text(is); err != nil || strings.Contains(got, "In short: ") == (r == alerting.Tested) {
			t.Errorf("%s: got %q, %v", r, got, err)
		}
	}
}

// TestTemplateIsSandboxed holds that a template ends soon, whatever it says, and can neither call what it should not nor make a text of any length.
func TestTemplateIsSandboxed(t *testing.T) {
	t.Parallel()
	twice := strings.Repeat("{{$a = print $a $a}}", 60)
	for _, tc := range []struct{ name, text, wrong string }{
		{"not a template", "{{.Workload", "unclosed action"},
		{"longer than a template may be", strings.Repeat("x", maxTemplate+1), "has 8193 bytes, want at most 8192"},
		{"a field that no message has", "{{.Password}}", "can't evaluate field Password"},
		{"a method", "{{.Report.Decision}}", "can't evaluate field Report"},
		{"printf", `{{printf "%1000000d" 1}}`, "calls printf, want one of and, or"},
		{"a call", "{{call .Workload}}", "calls call"},
		{"in a pipe of an argument", `{{print (print (html "x"))}}`, "calls html"},
		{"in the pipe of a branch", `{{if .Owner}}{{else if urlquery "x"}}{{end}}`, "calls urlquery"},
		{"its own counter", "{{tipline_round}}", "calls tipline_round"},
		{"itself", `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, "want none, which could go on for ever"},
		{"a block", `{{block "x" .}}{{end}}`, "want none, which could go on for ever"},
		{"a range without an end", "{{range 1000000000000}}{{end}}", "go round more than 2000 times"},
		{"one in another", "{{range 1000}}{{range 1000}}{{range 1000}}{{continue}}{{end}}{{end}}{{end}}", "go round more than 2000 times"},
		{"in the other branch of a range", "{{range .Labels}}{{else}}{{range 1000000000000}}{{end}}{{end}}", "go round more than 2000 times"},
		{"a long range", "{{range 1000}}" + strings.Repeat("{{$.Owner}}", 300) + "{{end}}", "go through more than 131072 bytes"},
		{"short ranges around a long one", "{{range 40}}{{range 40}}" + strings.Repeat("{{if eq 1 2}}x{{end}}", 100) + "{{end}}{{end}}", "go through more than 131072 bytes"},
		{"a text that doubles", `{{$a := "0123456789"}}` + twice + "{{len $a}}", "makes more than 32768 bytes"},
		{"a long text", `{{range 1000}}0123456789012345678901234567890123456789{{end}}`, "makes more than 32768 bytes"},
		{"nothing", "{{if .Labels.tier}}x{{end}}", "says nothing"},
		{"an index beyond the end", `{{index .Lines 100}}`, "index out of range"},
	} {
		one, err := New(nil, tc.text, "")
		is := event()
		if err == nil {
			is, err = List{one}.Apply(event())
		}
		if err == nil || !strings.Contains(err.Error(), tc.wrong) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", tc.name, err, tc.wrong)
		}
		if !reflect.DeepEqual(is, event()) {
			t.Errorf("%s: got %+v, want the message in the built-in words", tc.name, is)
		}
	}
	// Nothing that a template is given has a method, so there is none that it could call.
	said := reflect.TypeFor[Said]()
	for field := range said.Fields() {
		for _, typ := range []reflect.Type{field.Type, reflect.PointerTo(field.Type)} {
			if plain := []reflect.Kind{reflect.String, reflect.Map, reflect.Slice, reflect.Pointer}; typ.NumMethod() > 0 || !slices.Contains(plain, typ.Kind()) {
				t.Errorf("Said.%s is a %s with %d methods, want plain text", field.Name, typ, typ.NumMethod())
			}
		}
	}
	if said.NumMethod() > 0 || reflect.PointerTo(said).NumMethod() > 0 {
		t.Error("Said has methods")
	}
}

// TestTemplateOfHostileValues holds that what comes from outside is data in a template, and harmless in what it says.
func TestTemplateOfHostileValues(t *testing.T) {
	t.Parallel()
	e := event()
	e.Workload = "{{.Password}}\x1b[31m\u202eevil\n<!channel>"
	e.Report.Labels = map[string]string{"team": strings.Repeat("long ", 1000) + "\x00"}
	is, err := templated(t, "{{.Workload}}", "{{.Labels.team}}\n\n{{.Labels.none}}").Apply(e)
	if err != nil {
		t.Fatal(err)
	}
	if want := "{{.Password}} [31m evil <!channel>"; is.Headline != want {
		t.Errorf("got %q, want %q", is.Headline, want)
	}
	if len(is.Body) != 1 || len([]rune(is.Body[0])) != words.MaxName {
		t.Errorf("got %q, want one line of %d characters", is.Body, words.MaxName)
	}
	long, err := templated(t, "", "{{range 100}}a line\n{{end}}").Apply(event())
	if err != nil || len(long.Body) != maxSaid+1 || long.Body[maxSaid] != "And 60 more." {
		t.Errorf("a hundred lines: got %d, %v, want %d and a count", len(long.Body), err, maxSaid)
	}
}

// BenchmarkLongest measures the longest that a template was found to take before it ends by a limit.
func BenchmarkLongest(b *testing.B) {
	for name, text := range map[string]string{
		"comparisons": "{{range 2000}}" + strings.Repeat(`{{if eq 1 2}}{{end}}`, 400) + "{{end}}",
		"fields":      "{{range 2000}}" + strings.Repeat(`{{with $.Owner}}{{end}}`, 340) + "{{end}}",
		"arguments":   "{{range 2000}}{{if or" + strings.Repeat(" 0", 3000) + "}}{{end}}{{end}}",
		"joins":       "{{range 2000}}{{len (join $.Lines `,`)}}{{end}}",
	} {
		one, err := New(nil, text, "")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = List{one}.Apply(event())
			}
		})
	}
}

// FuzzTemplate holds that no text makes a template hang, panic, or say what could move a cursor.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{{.Workload}}", "{{range .Lines}}{{.}}{{end}}", "{{range $i, $x := 10}}{{$i}}{{break}}{{else}}{{end}}", "{{$a := .}}{{with $a.Owner}}{{.}}{{end}}",
		"{{range $k, $v := .Labels}}{{$k}}={{$v}}{{end}}", "{{slice .Workload 0 3 | len | print}}", "{{index .Labels (index .Lines 0)}}", "{{join .Lines (print .Kind 1.5e9)}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, err := New(nil, text, text)
		if err != nil {
			return
		}
		for _, r := range alerting.Kinds {
			e, _ := sample.Of(r)
			is, err := List{one}.Apply(e)
			if err == nil && (strings.ContainsAny(is.Headline+fmt.Sprint(is.Body), "\n\x1b\u202e") || len(is.Body) > maxSaid+1) {
				t.Errorf("%s: got %q and %q", r, is.Headline, is.Body)
			}
		}
	})
}
