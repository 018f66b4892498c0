package alerting

import (
	"time"

	"tipline/model"
)

// DigestItems is how many items of a digest its message names.
const DigestItems = 20

// Digest queues g for every notifier that to reaches, with the receipts that it names, by their ids, for the ledger; one that waits there is replaced.
func (d *Desk) Digest(g model.Digest, to Route, receipts map[string][]byte, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	event := Event{Version: eventVersion, ID: eventID("", now.Unix(), "digest"), Reason: Digested, Severity: Digested.Of(model.WorkloadReport{}, false), Time: now, Route: to, Digest: &g}
	changes := batch{}
	for id, receipt := range receipts {
		changes.put(ledgerBucket, id, receipt)
	}
	return d.commit(changes, event)
}
