package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"
)

// Sample is one series of an answer at one instant. The value may be any float64.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Ask evaluates expr, PromQL that gives an instant vector, at one instant on the server of c, and returns its samples in the order of
// their labels. It counts nothing and keeps nothing; the limits on answers and time are those of the source. The error is an *Error,
// wrapped, when the server gave nothing that can be used.
func (c *Collector) Ask(ctx context.Context, expr string, at time.Time) ([]Sample, error) {
	defer c.client.server.Enter()()
	at = at.Truncate(time.Second)
	matrix, _, err := c.client.ask(ctx, expr, v1.Range{Start: at, End: at, Step: time.Hour})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.settings.Name, err)
	}
	slices.SortFunc(matrix, func(a, b *prommodel.SampleStream) int {
		return strings.Compare(a.Metric.String(), b.Metric.String())
	})
	var samples []Sample
	for _, stream := range matrix {
		s := Sample{Labels: map[string]string{}}
		for name, value := range stream.Metric {
			s.Labels[string(name)] = string(value)
		}
		for _, pair := range stream.Values {
			s.Value = float64(pair.Value)
		}
		if len(stream.Values) > 0 {
			samples = append(samples, s)
		}
	}
	return samples, nil
}
