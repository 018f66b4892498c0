package daemon

import (
	"bytes"
	"encoding/json"

	"tipline/cmd/internal/ledger"
)

// scored is put before the name of a workload in the ledger, for the row with its past projections.
const scored = "scores/"

// record gives m the past projections that the ledger holds, and returns their row.
func (d *Daemon) record(m *metered) []byte {
	row, err := d.options.Store.Get(ledger.Bucket, scored+m.usage.Workload)
	if err == nil && row != nil {
		err = json.Unmarshal(row, &m.past)
	}
	if err != nil { // it begins anew
		d.options.Log.Error("record of projections not read", "workload", m.usage.Workload, "error", err)
		m.past = nil
	}
	return row
}

// keep notes what e has projected, for the cycle to write; before is the row as it is.
func (d *Daemon) keep(e evaluation, before []byte) {
	if e.past == nil {
		return
	}
	row, err := json.Marshal(e.past)
	if err != nil {
		d.options.Log.Error("record of projections not kept", "workload", e.usage.Workload, "error", err)
		return
	}
	if !bytes.Equal(row, before) {
		d.records[scored+e.usage.Workload] = row
	}
}
