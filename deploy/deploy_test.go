package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tipline/collector"
	"tipline/config"
)

// inline is a tipline.yml inside of a manifest: a block scalar under that key, indented by four spaces.
var inline = regexp.MustCompile(`(?m)^  tipline\.yml: \|\n((?:    .*\n|\n)+)`)

// configurations returns every configuration of tipline below this folder by where it stands.
func configurations(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || (filepath.Ext(path) != ".yml" && filepath.Ext(path) != ".yaml") {
			return err
		}
		if strings.Contains(filepath.ToSlash(path), "grafana/provisioning/") {
			return nil // Grafana's, of the same name
		}
		data, err := os.ReadFile(path)
		if filepath.Base(path) == "tipline.yml" {
			found[path] = data
		}
		for _, block := range inline.FindAllSubmatch(data, -1) {
			found[path+": tipline.yml"] = regexp.MustCompile(`(?m)^    `).ReplaceAll(block[1], nil)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every configuration that is shipped is one that tipline accepts, and keeps its data where the volume is.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	found := configurations(t)
	for _, want := range []string{"compose/tipline.yml", "kubernetes/tipline.yaml: tipline.yml"} {
		if found[filepath.FromSlash(want)] == nil {
			t.Errorf("no configuration at %s", want)
		}
	}
	for where, data := range found {
		for _, c := range []struct{ name, text string }{
			{where, string(data)},
			{where + " with Slack", strings.NewReplacer("\n#notify:", "\nnotify:", "\n#  slack:", "\n  slack:").Replace(string(data))},
		} {
			cfg, err := config.Parse(c.name, []byte(c.text), collector.Packs()...)
			if err != nil {
				t.Errorf("%s:\n%v", c.name, err)
				continue
			}
			if cfg.Store.Path != "/var/lib/tipline" {
				t.Errorf("%s: data in %s, want /var/lib/tipline", c.name, cfg.Store.Path)
			}
			if len(cfg.Options) < 2 {
				t.Errorf("%s: %d options, want some to choose between", c.name, len(cfg.Options))
			}
		}
	}
}
