package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// aliased is the small configuration with names for its model.
func aliased(t *testing.T, names string) string {
	t.Helper()
	return "aliases:\n" + names + small
}

// TestAliases holds that an option, a demand and a workload may call a model by any of its names, and that the price is that of the one.
func TestAliases(t *testing.T) {
	t.Parallel()
	const names = "  openai/gpt-5-mini: [gpt-5-mini, chat-default]\n"
	text := strings.Replace(aliased(t, names), "model: openai/gpt-5-mini", "model: chat-default", 1)
	c := parse(t, text)
	o := option(t, c, "mini")
	if o.API == nil || !slices.Equal(o.Models, []string{"openai/gpt-5-mini"}) {
		t.Errorf("got models %q, prices %v and %v, want those of openai/gpt-5-mini", o.Models, o.API, o.Warnings)
	}
	if plain := option(t, parse(t, small), "mini"); o.API.Input.Cmp(plain.API.Input) != 0 {
		t.Errorf("input: got %v, want %v", o.API.Input, plain.API.Input)
	}
	text = aliased(t, names) + "budgets:\n  - {name: b, usd_per_month: 1, match: {model: [gpt-5-mini, other]}}\n"
	b := parse(t, text).Budgets[0]
	for value, want := range map[string]bool{
		"gpt-5-mini": true, "chat-default": true, "openai/gpt-5-mini": true, "other": true, "gpt-5-min": false, "": false,
	} {
		if got := b.Covers(map[string]string{"model": value}, "gateway"); got != want {
			t.Errorf("model %q: got %v, want %v", value, got, want)
		}
	}
	// Only a label that says the model has other names for its values.
	text = aliased(t, names) + "budgets:\n  - {name: b, usd_per_month: 1, match: {team: chat-default}}\n"
	if b := parse(t, text).Budgets[0]; b.Covers(map[string]string{"team": "gpt-5-mini"}, "gateway") || !b.Covers(map[string]string{"team": "chat-default"}, "gateway") {
		t.Error("a team of the name of a model is also called what else the model is called")
	}
	c = parse(t, strings.Replace(aliased(t, names), "defaults:\n", "defaults:\n  # demanded\n", 1))
	if c.Hash != parse(t, small).Hash {
		t.Error("names that nothing uses changed what the configuration means")
	}
}

// TestAliasesOfQueries holds that the labels of queries of one's own have other names where they say that they are models, and in that source alone.
func TestAliasesOfQueries(t *testing.T) {
	t.Parallel()
	source := func(name, model string) string {
		return "  - {name: " + name + ", prometheus: {url: \"http://p:9090\"}, queries: {input: i, output: o, layer: client" + model + "}, group_by: [llm, app], hosting: api}\n"
	}
	text := strings.Replace(aliased(t, "  a: [x]\n"), "options:\n", source("own", ", model: llm")+source("other", "")+"options:\n", 1) +
		"budgets:\n  - {name: own, usd_per_month: 1, source: own, match: {llm: x}}\n  - {name: other, usd_per_month: 1, source: other, match: {llm: x}}\n" +
		"  - {name: app, usd_per_month: 1, source: own, match: {app: x}}\n  - {name: any, usd_per_month: 1, match: {llm: x}}\n"
	c := parse(t, text)
	if q := c.Sources[1].Queries; q.Layer != "client" || q.Model != "llm" {
		t.Errorf("got %+v", q)
	}
	for i, want := range []bool{true, false, false, true} {
		b := c.Budgets[i]
		labels := map[string]string{"llm": "a", "app": "a"}
		if got := b.Covers(labels, map[bool]string{true: "other", false: "own"}[b.Name == "other"]); got != want {
			t.Errorf("budget %s: got %v, want %v", b.Name, got, want)
		}
	}
	for wrong, want := range map[string]string{
		"model: lm":     `queries.model: "lm" is not in group_by, did you mean "llm"?`,
		"layer: gatway": `queries.layer: got "gatway", want gateway, client, engine, router or cloud`,
	} {
		broken := strings.Replace(text, "layer: client, model: llm", wrong, 1)
		if _, err := Parse("f", []byte(broken), packs...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", wrong, err, want)
		}
	}
}

// TestAliasesThatContradict reports a name with two meanings.
func TestAliasesThatContradict(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ names, want string }{
		{"  a: [x]\n  b: [x]\n", `f:3:7: aliases.b[0]: "x" is an alias on line 2 already, want one meaning of a name`},
		{"  a: [x, x]\n", `f:2:10: aliases.a[1]: "x" is an alias on line 2 already, want one meaning of a name`},
		{"  a: [a]\n", `f:2:7: aliases.a[0]: "a" is an alias of itself`},
		{"  a: [b]\n  b: [c]\n", `f:2:7: aliases.a[0]: "b" has aliases of its own, want them all below one name`},
		{"  a: x\n", `f:2:6: aliases.a: got "x", want a list`},
		{"  a: ['']\n", `f:2:7: aliases.a[0]: got "", want text`},
	} {
		_, err := Parse("f", []byte(aliased(t, tc.names)), packs...)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want %s", tc.names, err, tc.want)
		}
	}
}

// TestMatchOfAList holds that a stanza may name several values of a label, that one which can never match is reported, and that a value must be there.
func TestMatchOfAList(t *testing.T) {
	t.Parallel()
	const names = "  a: [x, y]\n"
	text := strings.Replace(aliased(t, names), "workloads:\n", "workloads:\n  - {match: {team: [red, blue], model: a}, name: paint}\n", 1)
	c := parse(t, text)
	for _, team := range []string{"red", "blue"} {
		for _, model := range []string{"a", "x", "y"} {
			if got := c.For(map[string]string{"team": team, "model": model}, "gateway").Name; got != "paint" {
				t.Errorf("team %s, model %s: got %q, want paint", team, model, got)
			}
		}
	}
	if got := c.For(map[string]string{"team": "green", "model": "a"}, "gateway").Name; got == "paint" {
		t.Error("team green is paint")
	}
	for stanza, want := range map[string]string{
		"{match: {team: blue, model: [y, x]}, name: second}": "is never used: the stanza on line",
		"{match: {team: []}, name: second}":                  "workloads[1].match.team: got an empty list, want one value or more",
	} {
		_, err := Parse("f", []byte(strings.Replace(text, "name: paint}\n", "name: paint}\n  - "+stanza+"\n", 1)), packs...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", stanza, err, want)
		}
	}
}

// TestUnpricedNamesTheNearest holds which items of the price book are suggested for a name that it does not have.
func TestUnpricedNamesTheNearest(t *testing.T) {
	t.Parallel()
	row := "%s,input,1,USD/Mtok,,,s,2026-11-01,\n"
	var csv strings.Builder
	csv.WriteString(strings.Join(bookColumns, ",") + "\n")
	for _, item := range []string{
		"openai/gpt-5-mini", "openai/gpt-5", "azure_ai/gpt-5-mini", "anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-1", "bedrock/claude-sonnet-4-5", "azure_ai/Llama-3.3-70B-Instruct",
	} {
		csv.WriteString(strings.Replace(row, "%s", item, 1))
	}
	csv.WriteString("lambda/h100-80gb/8x/on-demand,usd_per_hour,2,USD/GPU-hour,,,s,2026-11-01,\nlambda/a100-80gb/8x/on-demand,usd_per_hour,2,USD/GPU-hour,,,s,2026-11-01,\n")
	b, err := parseBook(csv.String())
	if err != nil {
		t.Fatal(err)
	}
	for item, want := range map[string][]string{
		"gpt-5-mini":            {"azure_ai/gpt-5-mini", "openai/gpt-5-mini"},
		"gpt-5-mini-2025-08-07": {"azure_ai/gpt-5-mini", "openai/gpt-5-mini"},
		"openai/gpt-5-mimi":     {"openai/gpt-5-mini", "azure_ai/gpt-5-mini"},
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0": {"anthropic/claude-sonnet-4-5", "bedrock/claude-sonnet-4-5"},
		"meta-llama/llama-3-3-70b-instruct":            {"azure_ai/Llama-3.3-70B-Instruct"},
		"lambda/h10-80gb/8x/on-demand":                 {"lambda/h100-80gb/8x/on-demand"},
		"mistral-large":                                nil,
		"":                                             nil,
	} {
		got := b.near(item)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", item, got, want)
		}
		if _, err := b.Lookup(item); err == nil {
			t.Errorf("%q has a price: a name that is near is never one", item)
		}
	}
}

// TestDrop holds that a stanza which drops traffic says nothing else of it.
func TestDrop(t *testing.T) {
	t.Parallel()
	with := func(stanza string) string {
		return strings.Replace(small, "workloads:\n", "workloads:\n  - "+stanza+"\n", 1)
	}
	c := parse(t, with("{match: {team: test}, drop: true}"))
	if !c.For(map[string]string{"team": "test"}, "gateway").Drop || c.For(map[string]string{"team": "support"}, "gateway").Drop {
		t.Error("want what matches to be dropped, and nothing else")
	}
	_, err := Parse("f", []byte(with("{match: {team: test}, drop: true, name: test, current: mini}")), packs...)
	for _, key := range []string{"name", "current"} {
		if want := "." + key + ": has no effect on traffic that is dropped"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestWas holds that a stanza takes what its workload was before, and that both need a name in common.
func TestWas(t *testing.T) {
	t.Parallel()
	with := func(stanza string) string {
		return strings.Replace(small, "workloads:\n", "workloads:\n  - "+stanza+"\n", 1)
	}
	c := parse(t, with("{match: {team: blue}, was: {team: [red, green]}, name: paint}"))
	for team, former := range map[string]bool{"blue": false, "red": true, "green": true} {
		labels := map[string]string{"team": team}
		if w := c.For(labels, "gateway"); w.Name != "paint" || w.Former(labels, "gateway") != former {
			t.Errorf("team %s: got %q, former %v, want paint, %v", team, w.Name, w.Former(labels, "gateway"), former)
		}
	}
	if w := c.For(map[string]string{"team": "other"}, "gateway"); w.Name == "paint" {
		t.Error("team other is paint")
	}
	for stanza, want := range map[string]string{
		"{match: {team: blue}, was: {team: red}}":                                                            "name is missing, which what it was and what it is have in common",
		"{source: gateway, was: {team: red}, name: paint}":                                                   "match is missing, want the labels that it has now",
		"{match: {team: blue}, was: {taem: red}, name: paint}":                                               `was.taem: no source has "taem" in its group_by, did you mean "team"?`,
		"{match: {team: blue}, was: {team: red}, drop: true}":                                                ".was: has no effect on traffic that is dropped",
		"{match: {team: [red, green]}, name: old}\n  - {match: {team: blue}, was: {team: red}, name: paint}": ".was: has no effect: the stanza on line",
		"{match: {team: blue}, was: {team: [red, green]}, name: paint}\n  - {match: {team: red}, name: old}": "is never used: the stanza on line",
	} {
		_, err := Parse("f", []byte(with(stanza)), packs...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", stanza, err, want)
		}
	}
}

// TestJumps holds what a stanza says of jumps of a counter, or defaults where it says nothing.
func TestJumps(t *testing.T) {
	t.Parallel()
	with := func(stanza string) string {
		return strings.Replace(small, "workloads:\n", "workloads:\n  - "+stanza+"\n", 1)
	}
	at := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	c := parse(t, with("{match: {team: blue}, jumps: [{at: 2026-11-20T14:00:00Z, is: use}, {at: 2026-11-18T09:00:00+02:00, is: counter}, {at: 2026-11-10T00:00:00Z, is: counter}]}"))
	w := c.For(map[string]string{"team": "blue"}, "gateway")
	last := time.Date(2026, 11, 18, 7, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]time.Time{at: last, last: last, last.Add(-time.Second): time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC), at.AddDate(0, 0, -11): {}} {
		if got := w.CountsSince(now); !got.Equal(want) {
			t.Errorf("at %s: got %s, want %s: the last one of the counter until then", now, got, want)
		}
	}
	for found, want := range map[time.Time]bool{at: true, at.Add(-3 * time.Hour): true, at.Add(4 * time.Hour): false, last: false, {}: false} {
		if w.JumpedByUse(found) != want {
			t.Errorf("a jump at %s is one of use: got %v, want %v", found, !want, want)
		}
	}
	if w := c.For(map[string]string{"team": "red"}, "gateway"); !w.CountsSince(at).IsZero() || w.JumpedByUse(at) {
		t.Errorf("got %+v, want nothing of another workload", w.Jumps)
	}
	for stanza, want := range map[string]string{
		"{match: {team: blue}, jumps: [{is: use}]}":                                  "workloads[0].jumps[0]: at is missing, want the hour that the fault names",
		"{match: {team: blue}, jumps: [{at: 2026-11-20T14:00:00Z}]}":                 "workloads[0].jumps[0]: is is missing, want counter or use",
		"{match: {team: blue}, jumps: [{at: 2026-11-20, is: use}]}":                  `got "2026-11-20", want an hour such as 2027-02-01T14:00:00Z`,
		"{match: {team: blue}, jumps: [{at: 2026-11-20T14:00:00Z, is: growth}]}":     `got "growth", want counter or use`,
		"{match: {team: blue}, jumps: [{from: 2026-11-20T14:00:00Z, is: use}]}":      "from",
		"{match: {team: blue}, drop: true, jumps: [{at: 2026-11-20T14:00Z, is: x}]}": "jumps: has no effect on traffic that is dropped",
	} {
		_, err := Parse("f", []byte(with(stanza)), packs...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", stanza, err, want)
		}
	}
}
