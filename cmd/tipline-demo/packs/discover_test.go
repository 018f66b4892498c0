package packs

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/draft"
	"tipline/collector"
)

// discover lets the world be searched: the pack of the case is found with all that it counted, or one that knows the same names, and a
// configuration is written that is good.
func (w *world) discover(t *testing.T) {
	t.Helper()
	now := start.Add(minutes * time.Minute)
	d, err := collector.Discover(t.Context(), collector.Settings{URL: "http://prometheus", Client: w.client}, now)
	if err != nil {
		t.Fatal(err)
	}
	if d.Queries > 6 {
		t.Errorf("%v: got %d queries, want few", w.Expositions, d.Queries)
	}
	if w.GPUs > 0 {
		var count float64
		for _, c := range d.Cards {
			if c.Pack == w.Pack {
				count += c.Count
			}
		}
		if math.Abs(count-w.GPUs) > 1e-9 {
			t.Errorf("%v: got %+v, want %v GPUs", w.Expositions, d.Cards, w.GPUs)
		}
		return
	}
	i := slices.IndexFunc(d.Metered, func(m collector.Metered) bool {
		return m.Pack == w.Pack || slices.Contains(m.Rivals, w.Pack)
	})
	if len(d.Metered) != 1 || i != 0 {
		t.Fatalf("%v: got %+v, want the pack %s alone", w.Expositions, d.Metered, w.Pack)
	}
	m := d.Metered[0]
	var want float64
	for _, workload := range w.Want {
		for what, each := range workload {
			if what != "requests" && what != "errors" {
				want += each * w.steps
			}
		}
	}
	if got := float64(m.Tokens() / m.Scale()); m.Pack == w.Pack && w.Set.Stamps == "" && math.Abs(got-want) > 0.005*want {
		t.Errorf("%v: got %v tokens in %v, want %v", w.Expositions, got, m.Streams, want)
	}
	written, err := draft.Write(d, nil, draft.Server{URL: "http://prometheus"}, now)
	if err != nil {
		t.Fatalf("%v: %v", w.Expositions, err)
	}
	if written.Sources != 1 || written.Workloads != len(w.Want) {
		t.Errorf("%v: want a source and %d workloads in\n%s", w.Expositions, len(w.Want), written.Config)
	}
	if strings.Contains(string(written.Config), "Not placed") {
		t.Errorf("%v: something is not placed:\n%s", w.Expositions, written.Config)
	}
}
