package daemon

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/prometheus/common/version"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/decide"
)

// fleetsKey is the row of the ledger that says which shared fleets it holds the receipts of.
const fleetsKey = "fleets"

// share returns the shared fleet of p with the id of its receipt, which it adds to receipts. A receipt that cannot be written leaves the
// fleet without an id.
func (d *Daemon) share(p decide.Pool, report *model.Report, receipts map[string]*ledger.Receipt) model.SharedFleet {
	decisions := map[string]string{}
	for _, w := range report.Workloads {
		decisions[w.Workload] = w.Decision.ID
	}
	for i, t := range p.Tenants {
		p.Tenants[i].Decision = decisions[t.Workload]
	}
	fleet := p.SharedFleet()
	r := &ledger.Receipt{AsOf: report.AsOf, Engine: cmp.Or(version.Version, "development"), ConfigHash: report.ConfigHash}
	err := r.SetPool(p)
	if err == nil {
		_, err = r.Seal()
	}
	if err != nil {
		d.options.Log.Error("no receipt", "shared_fleet", p.Option, "error", err)
		return fleet
	}
	receipts[r.ID], fleet.ID = r, r.ID
	return fleet
}

// keepFleets puts the receipts of the shared fleets of report into the ledger when others may share, or other replicas, than when there were
// some last.
func (d *Daemon) keepFleets(report *model.Report) error {
	type found struct {
		Option    string   `json:"option"`
		Workloads []string `json:"workloads"`
		Replicas  int64    `json:"replicas"`
	}
	var now []found
	for _, f := range report.SharedFleets {
		now = append(now, found{f.Option, f.Workloads, f.Replicas})
	}
	data, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("shared fleets: %w", err)
	}
	before, err := d.options.Store.Get(ledger.Bucket, fleetsKey)
	if err != nil {
		return fmt.Errorf("shared fleets: %w", err)
	}
	if bytes.Equal(before, data) || len(now) == 0 {
		return nil
	}
	rows := map[string][]byte{fleetsKey: data}
	for _, f := range report.SharedFleets {
		if f.ID != "" {
			rows[f.ID] = d.written(f.ID)
		}
	}
	if err := d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: rows}); err != nil {
		return fmt.Errorf("shared fleets: %w", err)
	}
	return nil
}
