package daemon

import (
	"bytes"
	"encoding/json"

	"tipline/cmd/internal/ledger"
)

// What the ledger keeps of every workload beside receipts, before its name.
const (
	scored = "scores/"   // its past projections
	seen   = "readings/" // what was read of it once a day
)

// remember gives m what the ledger keeps of its workload, and returns the rows. What cannot be read begins anew.
func (d *Daemon) remember(m *metered) map[string][]byte {
	rows := map[string][]byte{}
	for prefix, into := range map[string]any{scored: &m.past, seen: &m.readings} {
		key := prefix + m.usage.Workload
		row, err := d.options.Store.Get(ledger.Bucket, key)
		if err == nil && row != nil {
			err = json.Unmarshal(row, into)
		}
		if err != nil {
			d.options.Log.Error("row of the ledger not read", "key", key, "error", err)
		}
		rows[key] = row
	}
	return rows
}

// keep notes what e adds to rows, for the cycle to write.
func (d *Daemon) keep(e evaluation, rows map[string][]byte) {
	for prefix, what := range map[string]any{scored: e.past, seen: e.readings} {
		if prefix == scored && e.past == nil || prefix == seen && e.readings.Day == "" {
			continue // nothing was evaluated
		}
		key := prefix + e.usage.Workload
		row, err := json.Marshal(what)
		if err != nil {
			d.options.Log.Error("row of the ledger not kept", "key", key, "error", err)
			continue
		}
		if !bytes.Equal(row, rows[key]) {
			d.records[key] = row
		}
	}
}
