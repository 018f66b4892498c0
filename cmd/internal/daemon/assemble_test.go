package daemon

import (
	"testing"

	"tipline/model"
)

// TestNamesAreUnique holds that workloads of one name in any number of sources have names of their own.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	var found []metered
	for _, source := range []string{"c", "a", "d", "b"} {
		found = append(found, metered{usage: model.Usage{Workload: "chat", Source: source}})
	}
	for i, m := range named(found) {
		if want := []string{"chat", "chat@b", "chat@c", "chat@d"}[i]; m.usage.Workload != want {
			t.Errorf("got %s of source %s, want %s", m.usage.Workload, m.usage.Source, want)
		}
	}
}
