package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const scenarioFile = "scenario.yaml"

func TestScenarioReference(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(scenarioFile)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScenario(scenarioFile, data)
	if err != nil {
		t.Fatal(err)
	}
	if s.Volume.TokensPerMonth != 6.4e9 || s.Volume.PeakFactor != 2.4 || s.Current != "gpt-5-mini" || len(s.Options) != 2 || len(s.Changes) != 3 {
		t.Errorf("got %+v, want what the file says", s)
	}
	text := alternative.ReplaceAllString(string(data), "$1$2")
	r := &reader{file: scenarioFile, misread: map[string]bool{}}
	top := r.document([]byte(text), "")
	r.decode(top, "", reflect.ValueOf(new(rawScenario)).Elem())
	if len(r.problems) > 0 {
		t.Fatalf("with every alternative:\n%v", r.sorted())
	}
	for _, path := range undocumented(reflect.TypeFor[rawScenario](), []*yaml.Node{top}, "") {
		if !strings.HasPrefix(path, "options") && !strings.HasPrefix(path, "contracts") && !strings.HasPrefix(path, "policy") { // which reference.yaml documents
			t.Errorf("%s does not document %s", scenarioFile, path)
		}
	}
}

func TestBadScenarios(t *testing.T) {
	t.Parallel()
	const good = `
volume: {tokens_per_month: 5e9, mix: {input: 0.8, output: 0.2}}
current: a
constraints: {data_sensitivity: internal, ops_capacity: limited}
options:
  - {name: a, kind: api, model: x/y, prices: {input: 1, output: 2}}
`
	if _, err := ParseScenario("s.yml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, from, to, want string }{
		{"no volume", "volume: {tokens_per_month: 5e9, mix: {input: 0.8, output: 0.2}}", "name: x", "s.yml:2:1: volume is missing"},
		{"a volume of nothing", "5e9", "0", `volume.tokens_per_month: got "0", want tokens`},
		{"a volume beyond the world's", "5e9", "1e19", `volume.tokens_per_month: got "1e19"`},
		{"a mix that is not all of it", "output: 0.2", "output: 0.1", "volume.mix: the shares sum to 0.9, want 1"},
		{"no mix", ", mix: {input: 0.8, output: 0.2}", "", "volume: mix is missing"},
		{"quantiles that cross", "5e9,", "5e9, p10: 6e9, p90: 4e9,", `volume.p10: got "6e9", want at most the 5e9`},
		{"growth in percent", "5e9,", "5e9, growth_per_month: 8,", `volume.growth_per_month: got "8", want growth a month as a share`},
		{"a day of 23 hours", "5e9,", "5e9, hours_of_day: [1, 2],", "volume.hours_of_day: got 2 numbers"},
		{"a day without a load", "5e9,", "5e9, hours_of_day: [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],", "all hours are 0"},
		{"two loads", "5e9,", "5e9, peak_factor: 2, hours_of_day: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],", "hours_of_day is set too"},
		{"a date that is none", "current: a", "current: a\nas_of: today", `as_of: got "today", want a date`},
		{"an option that is not there", "current: a", "current: b", `current: unknown option "b"`},
		{"no constraints", "constraints: {data_sensitivity: internal, ops_capacity: limited}", "", "data_sensitivity is missing"},
		{"a key that is not known", "current: a", "current: a\nsources: []", `sources: unknown key`},
		{"a price that is none", "input: 1,", "input: -1,", `options[0].prices.input: got "-1"`},
		{"a path without a value", "current: a", "current: a\nset: {policy.enter: }", "set.\"policy.enter\": has no value"},
		{"others on what is not there", "current: a", "current: a\nothers: [{option: b, tokens_per_month: 5}]", `others[0].option: got "b", want the name of an option of kind api`},
		{"others who do not count", "current: a", "current: a\nothers: [{option: a, tokens_per_month: 5}]", `others[0].option: the bill of "a" does not depend on others`},
		{"others without a volume", "current: a", "current: a\nothers: [{option: a}]", "others[0]: tokens_per_month is missing"},
		{"others of less than nothing", "current: a", "current: a\nothers: [{option: a, tokens_per_month: -5}]", `others[0].tokens_per_month: got "-5", want tokens in a month`},
		{"a contract over what is not there", "current: a", "current: a\ncontracts: [{name: c, options: [b], discount: 0.1}]", `contracts[0].options[0]: got "b", want the name of an option of kind api`},
		{"nothing", good, "", "the file is empty, want at least volume"},
		{"a list", good, "[]", "got a list, want a mapping"},
	} {
		_, err := ParseScenario("s.yml", []byte(strings.Replace(good, tc.from, tc.to, 1)))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// FuzzScenario reads scenarios from strangers: each is refused with a place, or whole.
func FuzzScenario(f *testing.F) {
	data, err := os.ReadFile(scenarioFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("volume: {tokens_per_month: 1e999}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScenario("s.yml", []byte(text))
		if err == nil && (s.Current == "" || !(s.Volume.TokensPerMonth >= 1)) {
			t.Errorf("got %+v without a current option or a volume", s)
		}
	})
}
