package main

import (
	"os"
	"strings"
	"testing"

	"tipline/collector"
	"tipline/config"
)

// TestReadme holds that the configuration which the README shows is one that tipline accepts.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	block, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the README shows no configuration")
	}
	cfg, err := config.Parse("README.md", []byte(block), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Sources) == 0 || len(cfg.Options) < 2 || cfg.Notify.Slack == nil {
		t.Errorf("got %+v, want a source, options to choose between and Slack", cfg)
	}
}
