package drift

import (
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// TestChanged holds that what is known to be counted otherwise is a fault where it jumps at that moment while nothing else does, and nowhere else.
func TestChanged(t *testing.T) {
	t.Parallel()
	const back = 30 // hours before the end from which on the new version counts
	at := faultEnd.Add(-(back - 1) * time.Hour)
	for _, tc := range []struct {
		name, signal string
		change       func(h *model.Hour) // hours since then
		want         string
	}{
		{"input", "input", func(h *model.Hour) { h.Tokens[model.CacheRead] += 0.6 * h.Tokens[model.Input] }, "the prompt tokens changed by the factor 1.6 around 22 November 2026 01:00 UTC, when v1 became v2; the counter counts otherwise"},
		{"output", "output", func(h *model.Hour) { h.Tokens[model.Output] *= 0.5 }, "the generated tokens changed by the factor 0.49"},
		{"requests", "requests", func(h *model.Hour) { h.Requests *= 3 }, "the requests changed by the factor 3"},
		{"another signal", "output", func(h *model.Hour) { h.Tokens[model.Input] *= 2 }, ""},
		{"more traffic", "input", func(h *model.Hour) { scale(h, 2); h.Requests *= 2 }, ""},
		{"requests of more traffic", "requests", func(h *model.Hour) { scale(h, 2); h.Requests *= 2 }, ""},
		{"nothing", "input", func(*model.Hour) {}, ""},
	} {
		all := fleet(2, func(i, ago int, h *model.Hour) {
			if i == 1 && ago <= back {
				tc.change(h)
			}
		})
		var read []func() model.Usage
		for _, u := range all {
			read = append(read, func() model.Usage { return u })
		}
		got := Changed(read, []Change{{At: at, Signal: tc.signal, Text: "v1 became v2"}}, faultEnd)
		if got[0] != nil {
			t.Errorf("%s: got %+v of a workload as ever", tc.name, got[0])
		}
		if (got[1] != nil) != (tc.want != "") || got[1] != nil && (got[1].Code != MeaningChanged || !strings.Contains(got[1].Text, tc.want)) {
			t.Errorf("%s: got %+v, want %q", tc.name, got[1], tc.want)
		}
		if got[1] != nil && (len(got[1].Readings) != 1 || !got[1].Readings[0].Faulty()) {
			t.Errorf("%s: got the readings %+v, want one that is a fault", tc.name, got[1].Readings)
		}
		// Two days before, and with nothing known, the jump is no fault of this kind.
		for _, changes := range [][]Change{nil, {{At: at.AddDate(0, 0, -2), Signal: tc.signal}}} {
			if got := Changed(read, changes, faultEnd); got[1] != nil {
				t.Errorf("%s: got %+v, with changes %+v", tc.name, got[1], changes)
			}
		}
	}
}
