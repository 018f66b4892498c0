package packs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"tipline/collector"
)

// TestEveryName holds that every name under which a pack looks for a signal is that of a metric in one of its expositions.
func TestEveryName(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{} // pack and metric
	metric := regexp.MustCompile(`^(?:\{"([^"]+)"|([a-zA-Z_:][a-zA-Z0-9_:]*))`)
	for _, c := range truths(t) {
		for _, file := range c.Expositions {
			for line := range strings.Lines(string(c.exposition(t, file))) {
				if name := metric.FindStringSubmatch(line); name != nil {
					shown[c.Pack+" "+name[1]+name[2]] = true
				}
			}
		}
	}
	reader := parser.NewParser(parser.Options{})
	for _, pack := range new(collector.Library).Names() {
		d, err := new(collector.Library).Describe(pack)
		if err != nil {
			t.Fatal(err)
		}
		for _, count := range d.Counts {
			for _, text := range count.Metrics {
				expr, err := reader.ParseExpr(text)
				if err != nil {
					t.Fatal(err)
				}
				for _, selectors := range parser.ExtractSelectors(expr) {
					for _, m := range selectors {
						if m.Name == "__name__" && !shown[pack+" "+m.Value] {
							t.Errorf("pack %s: %s: no exposition has %s", pack, count.Signal, m.Value)
						}
					}
				}
			}
		}
	}
}
