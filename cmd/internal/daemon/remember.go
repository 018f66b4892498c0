package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/drift"
	"tipline/model/forecast"
)

// What the ledger keeps of every workload beside receipts, before its name.
const (
	scored = "scores/"   // its past projections
	seen   = "readings/" // what was read of it once a day
	stayed = "hosted/"   // the options that it was on in the month
)

// remember gives m what the ledger keeps of its workload, and returns the rows. What cannot be read begins anew.
func (d *Daemon) remember(m *metered) map[string][]byte {
	rows := map[string][]byte{}
	for prefix, into := range map[string]any{scored: &m.past, seen: &m.readings, stayed: &m.hosted} {
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

// forget removes the rows of workloads that report does not have and whose newest entries are too old to be of use; those that cannot be read are of none.
func (d *Daemon) forget(report *model.Report, now time.Time) error {
	present := map[string]bool{}
	for _, w := range report.Workloads {
		present[w.Workload] = true
	}
	gone := map[string][]byte{}
	for prefix, old := range map[string]func(row []byte) bool{
		scored: func(row []byte) bool {
			var past []forecast.Past
			return json.Unmarshal(row, &past) != nil || forecast.Gone(past, now)
		},
		seen: func(row []byte) bool {
			var r drift.Readings
			return json.Unmarshal(row, &r) != nil || r.Gone(now)
		},
		stayed: func(row []byte) bool {
			var h hosted
			return json.Unmarshal(row, &h) != nil || h.Month != now.UTC().Format("2006-01")
		},
	} {
		err := d.options.Store.Scan(ledger.Bucket, prefix, func(key string, row []byte) error {
			if !present[strings.TrimPrefix(key, prefix)] && old(row) {
				gone[key] = nil
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: gone}); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	d.options.Log.Info("records of workloads forgotten", "rows", len(gone))
	return nil
}

// keep puts what, if it is known, in place of the row of key, as the ledger has it; of rows there remain those that the cycle is to write.
func (d *Daemon) keep(rows map[string][]byte, key string, what any, known bool) {
	before := rows[key]
	delete(rows, key)
	if !known { // nothing was evaluated
		return
	}
	row, err := json.Marshal(what)
	if err != nil {
		d.options.Log.Error("row of the ledger not kept", "key", key, "error", err)
		return
	}
	if !bytes.Equal(row, before) {
		rows[key] = row
	}
}
