package alerting

import (
	"time"

	"tipline/model"
)

// DigestItems is how many items of a digest its message names.
const DigestItems = 20

// Digest queues g for every notifier that to reaches; one that waits there is replaced. Its numbers were worked out from grounds.
func (d *Desk) Digest(g model.Digest, grounds any, to Route, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	event := Event{Version: eventVersion, ID: eventID("", now.Unix(), "digest"), Reason: Digested, Severity: Digested.Of(model.WorkloadReport{}, false), Time: now, Route: to, Digest: &g, Grounds: grounds}
	return d.commit(batch{}, event)
}
