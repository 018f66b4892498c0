package servers

import "testing"

// TestF33_SampleLimit asks a Prometheus that refuses to read as many samples at once as a day has.
func TestF33_SampleLimit(t *testing.T) {
	t.Parallel()
	if queries := checkTotals(t, installed(t, "--query.max-samples=3000")); queries < 8 {
		t.Errorf("%d queries were enough, want that one of a day is refused", queries)
	}
}
