package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestPacksDir holds that the packs of a folder beside the file are known, and that no other is.
func TestPacksDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "own"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "own", "acme.yaml"), []byte("labels: {model: [engine]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func(pack, more string) (*Config, error) {
		text := "packs_dir: own\nsources: [{name: a, prometheus: {url: \"http://p:9090\"}, " + pack + ", hosting: api" + more + "}]\n"
		return Parse(filepath.Join(dir, "tipline.yml"), []byte(text), packs...)
	}
	c, err := parse("pack: acme", `, period: 1m, stamps: cloud, cache_apart: {provider: ~a|b}, replica_label: prometheus_replica, group_by: [gen_ai.request.model]`)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sources[0]
	if c.PacksDir != filepath.Join(dir, "own") || s.Pack != "acme" || s.Period != time.Minute || s.Stamps != "cloud" || s.CacheApart["provider"] != "~a|b" || s.ReplicaLabel != "prometheus_replica" {
		t.Errorf("got folder %s and source %+v", c.PacksDir, s)
	}
	c, err = Parse(filepath.Join(dir, "tipline.yml"), []byte("packs_dir: own\naliases: {a: [b]}\nsources: [{name: a, prometheus: {url: \"http://p:9090\"}, pack: acme, hosting: api}]\n"+
		"budgets: [{name: a, usd_per_month: 1, match: {engine: b, team: b}}]\n"), packs...)
	if err != nil || !reflect.DeepEqual(c.Budgets[0].Match, map[string][]string{"engine": {"a", "b"}, "team": {"b"}}) {
		t.Errorf("got %v, %v, want other names for the engine, which the pack calls a model, alone", c, err)
	}
	const own = `queries: {input: a, output: b}, group_by: [x]`
	for name, tc := range map[string]struct{ pack, more, want string }{
		"a pack that is nowhere":       {"pack: acne", "", `unknown pack "acne", did you mean "acme"?`},
		"a period of seven minutes":    {"pack: acme", ", period: 7m", `sources[0].period: got "7m", want a period that divides an hour`},
		"other stamps":                 {"pack: acme", ", stamps: clod", `sources[0].stamps: got "clod"`},
		"period of own queries":        {own, ", period: 1m", "sources[0].period: has no effect on queries of your own"},
		"replica label of own queries": {own, ", replica_label: r", "sources[0].replica_label: has no effect on queries of your own"},
		"replica label in group_by":    {"pack: acme", ", replica_label: r, group_by: [a, r]", `sources[0].replica_label: "r" is in group_by`},
		"replica label in select":      {"pack: acme", ", replica_label: r, select: {r: a}", `sources[0].replica_label: "r" is in select`},
		"replica label of programs":    {"pack: acme", ", replica_label: instance", `sources[0].replica_label: "instance" tells programs apart`},
		"an odd replica label":         {"pack: acme", ", replica_label: a b", `sources[0].replica_label: got "a b", want the name of a label`},
		"cache apart of own queries":   {own, ", cache_apart: {a: b}", "cache_apart has no effect on queries of your own"},
		"cache apart of an odd label":  {"pack: acme", `, cache_apart: {"a b": c}`, "want the name of a label"},
	} {
		if _, err := parse(tc.pack, tc.more); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}
