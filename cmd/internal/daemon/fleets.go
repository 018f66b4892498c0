package daemon

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/prometheus/common/version"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/decide"
)

// The rows of the ledger that say which shared fleets and which joint moves it holds the receipts of.
const (
	fleetsKey = "fleets"
	jointsKey = "joints"
)

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
	fleet.ID = d.seal(report, receipts, "a shared fleet on "+p.Option, func(r *ledger.Receipt) error { return r.SetPool(p) })
	return fleet
}

// joint does so for a joint move, of whose workloads the decisions are known.
func (d *Daemon) joint(j decide.Joint, report *model.Report, receipts map[string]*ledger.Receipt) model.JointMove {
	move := j.Move()
	move.ID = d.seal(report, receipts, "a joint move on "+j.Account, func(r *ledger.Receipt) error { return r.SetJoint(j) })
	return move
}

// seal adds the receipt that set fills to receipts and returns its id; empty when it cannot be written.
func (d *Daemon) seal(report *model.Report, receipts map[string]*ledger.Receipt, about string, set func(r *ledger.Receipt) error) string {
	r := &ledger.Receipt{AsOf: report.AsOf, Engine: cmp.Or(version.Version, "development"), ConfigHash: report.ConfigHash}
	err := set(r)
	if err == nil {
		_, err = r.Seal()
	}
	if err != nil {
		d.options.Log.Error("no receipt", "about", about, "error", err)
		return ""
	}
	receipts[r.ID] = r
	return r.ID
}

// keepFindings puts the receipts of the shared fleets and of the joint moves of report into the ledger when others may share or move, other replicas
// than when there were some last, or with another answer.
func (d *Daemon) keepFindings(report *model.Report) error {
	type fleet struct {
		Option    string   `json:"option"`
		Workloads []string `json:"workloads"`
		Replicas  int64    `json:"replicas"`
	}
	type move struct {
		Account   string   `json:"account"`
		Kind      string   `json:"kind"`
		AtOdds    bool     `json:"at_odds"`
		Workloads []string `json:"workloads"`
	}
	var fleets []fleet
	var moves []move
	var fleetIDs, moveIDs []string
	for _, f := range report.SharedFleets {
		fleets, fleetIDs = append(fleets, fleet{f.Option, f.Workloads, f.Replicas}), append(fleetIDs, f.ID)
	}
	for _, m := range report.JointMoves {
		moves, moveIDs = append(moves, move{m.Account, m.Kind, m.AtOdds, m.Workloads}), append(moveIDs, m.ID)
	}
	return errors.Join(d.keepChanged(fleetsKey, fleets, fleetIDs), d.keepChanged(jointsKey, moves, moveIDs))
}

// keepChanged puts the receipts called ids into the ledger, and found under key, when there are any and found is another than it has there.
func (d *Daemon) keepChanged(key string, found any, ids []string) error {
	data, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	before, err := d.options.Store.Get(ledger.Bucket, key)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if bytes.Equal(before, data) || len(ids) == 0 {
		return nil
	}
	rows := map[string][]byte{key: data}
	for _, id := range ids {
		if id != "" {
			rows[id] = d.written(id)
		}
	}
	if err := d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: rows}); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}
