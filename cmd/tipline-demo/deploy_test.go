package main

import (
	"log/slog"
	"testing"

	promconfig "github.com/prometheus/prometheus/config"
)

// Prometheus itself accepts the configurations for it, and scrapes tipline by them.
func TestPrometheusConfigurations(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"../../deploy/compose/prometheus.yml", "../../deploy/prometheus/scrape.yml"} {
		cfg, err := promconfig.LoadFile(path, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			continue
		}
		jobs, err := cfg.GetScrapeConfigs()
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		found := false
		for _, job := range jobs {
			found = found || job.JobName == "tipline"
		}
		if !found {
			t.Errorf("%s: no job tipline", path)
		}
	}
}
