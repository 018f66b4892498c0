package alerting

import (
	"time"

	"tipline/model"
)

// Digest queues g for every notifier that to reaches; one that waits there is replaced.
func (d *Desk) Digest(g model.Digest, to Route, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	event := Event{Version: eventVersion, ID: eventID("", now.Unix(), "digest"), Reason: Digested, Severity: Digested.Of(model.WorkloadReport{}, false), Time: now, Route: to, Digest: &g}
	return d.commit(batch{}, event)
}
