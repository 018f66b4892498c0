package alerting

import (
	"encoding/json"
	"fmt"
	"time"

	"tipline/model"
)

// faultsKey is the row of the ledger that holds which faults of the data were told, and when each was last found.
const faultsKey = "faults"

// faultOver is how long after it was last found a fault is over, and news when it is found again. It is as long as that of a drift, so that
// an exporter that comes and goes is told of once.
const faultOver = overAfter

// Faults queues one message for however many faults of the data nobody was told of; as long as one lasts nothing more is said of it.
// grounds are what its receipt is to say of where they were found.
func (d *Desk) Faults(found []model.DataFault, grounds any, to Route, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	row, err := d.store.Get(ledgerBucket, faultsKey)
	if err != nil {
		return fmt.Errorf("data faults: %w", err)
	}
	var last map[string]time.Time
	if row != nil && json.Unmarshal(row, &last) != nil {
		d.log.Error("row of data faults cannot be read and begins anew", "key", faultsKey)
	}
	kept := map[string]time.Time{}
	for key, at := range last {
		if now.Sub(at) <= faultOver {
			kept[key] = at
		}
	}
	var news []model.DataFault
	for _, f := range found {
		key := f.Key()
		if _, told := kept[key]; !told {
			news = append(news, f)
		}
		kept[key] = now
	}
	if len(kept) == 0 && len(last) == 0 {
		return nil
	}
	changes := batch{}
	changes.put(ledgerBucket, faultsKey, encode(kept))
	var events []Event
	if len(news) > 0 {
		events = append(events, Event{
			Version: eventVersion, ID: eventID(faultsKey, now.UnixNano(), news[0].Key()), Reason: DataFaulty, Severity: DataFaulty.Of(model.WorkloadReport{}, false), Time: now, Route: to, Faults: news, Grounds: grounds,
		})
	}
	if err := d.commit(changes, events...); err != nil {
		return fmt.Errorf("data faults: %w", err)
	}
	return nil
}
