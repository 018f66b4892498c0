package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/collector/promtest"
	"tipline/model"
)

// fullDisk is a Store that takes nothing while full.
type fullDisk struct {
	Store
	full *bool
}

func (f fullDisk) Apply(batch map[string]map[string][]byte) error {
	if *f.full {
		return errors.New("no space left on device")
	}
	return f.Store.Apply(batch)
}

// exported returns the value of a metric that r exports.
func exported(t *testing.T, r *rig, name string) (value float64) {
	t.Helper()
	families, err := r.options.Registry.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
		}
	}
	t.Errorf("%s is not exported", name)
	return 0
}

// TestF62_WriteErrors fills the disk: cycles go on and say why nothing is known, nothing is told, every write that fails is counted, and all of it is made up for once
// there is room.
func TestF62_WriteErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), nothingMeasured))
	full := false
	load := r.options
	load.Store, load.Registry = fullDisk{r.store, &full}, prometheus.NewRegistry()
	var err error
	if r.Daemon, err = New(load); err != nil {
		t.Fatal(err)
	}
	r.days(t, 1)
	if n := exported(t, r, "tipline_state_write_errors_total"); n != 0 {
		t.Errorf("%v errors are counted on a disk with room", n)
	}
	full = true
	before := 0.0
	for range 4 { // the second of which would tell of a move
		if d := workload(t, r.days(t, 1), "support").Decision; d.Recommendation != model.Unknown || !strings.Contains(d.Because, "no space left on device") {
			t.Errorf("on a full disk: got %+v, want that it is not known since hours cannot be kept", d)
		}
		n := exported(t, r, "tipline_state_write_errors_total")
		if n <= before {
			t.Errorf("%v errors are counted after %v", n, before)
		}
		before = n
	}
	if n := len(r.box.events); n != 0 {
		t.Errorf("%d messages went out that could be repeated without a mark", n)
	}
	full = false
	r.days(t, 4)
	if n := len(r.box.events); n != 1 || exported(t, r, "tipline_state_write_errors_total") != before {
		t.Errorf("with room again: %d messages and %v errors, want one and %v", n, exported(t, r, "tipline_state_write_errors_total"), before)
	}
}

// TestF68_Size holds that the size of the data file is exported, and grows with what is kept.
func TestF68_Size(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	if testutil.ToFloat64(r.metrics.writeErrors) != 0 {
		t.Error("errors are counted at the start")
	}
	was := exported(t, r, "tipline_state_size_bytes")
	if err := r.options.Store.Apply(map[string]map[string][]byte{"history": {"x": make([]byte, 1<<20)}}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(filepath.Join(r.folder, "tipline.db"))
	if err != nil {
		t.Fatal(err)
	}
	if is := exported(t, r, "tipline_state_size_bytes"); is < was+1<<20 || is > float64(file.Size()) {
		t.Errorf("got %v after %v, want as much more as was kept, and no more than the %d bytes of the file", is, was, file.Size())
	}
}
