package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"tipline/model"
)

// priced is put before the id of the message of a change of prices in the ledger.
const priced = "prices/"

// toldFor is for how long the same change of the same prices is not told again.
const toldFor = 180 * 24 * time.Hour

// pricesKey names the message that prices move as moves says, or will, whenever and however often that is found.
func pricesKey(moves []model.PriceMove, ahead bool) string {
	sum := sha256.New()
	fmt.Fprintln(sum, ahead)
	for _, m := range moves {
		fmt.Fprintf(sum, "%q %q %q %q\n", m.Option, m.Field, m.Before, m.After)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// PricesTold reports whether a message said lately that these prices have moved, or with ahead that they will, also if it said that they had by a clock that
// has gone back since.
func (d *Desk) PricesTold(moves []model.PriceMove, ahead bool, now time.Time) (bool, error) {
	told, err := d.pricesTold(pricesKey(moves, ahead))
	if err != nil || !told.IsZero() && now.Sub(told) < toldFor {
		return err == nil, err
	}
	told, err = d.pricesTold(pricesKey(moves, false))
	return told.After(now), err
}

// pricesTold returns when the message named key was queued, the zero time when it was not.
func (d *Desk) pricesTold(key string) (time.Time, error) {
	row, err := d.store.Get(ledgerBucket, priced+key)
	if err != nil || row == nil {
		return time.Time{}, err
	}
	var last Announcement
	if json.Unmarshal(row, &last) != nil {
		return time.Time{}, nil
	}
	return last.Time, nil
}

// namedFlips is how many verdicts that a change of prices turns over its message names.
const namedFlips = 10

// Prices queues the message of a change of prices, one for however many workloads, with other rows of the ledger in one transaction. The
// verdicts that it names are not told once more to the same places when they are confirmed, unless the change is still to come. Its numbers were worked out
// from grounds.
func (d *Desk) Prices(e model.PriceEvent, grounds any, to Route, rows map[string][]byte, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes := batch{}
	for key, value := range rows {
		changes.put(ledgerBucket, key, value)
	}
	key := pricesKey(e.Moves, e.Ahead)
	event := Event{Version: eventVersion, ID: eventID(key, now.Unix(), ""), Reason: PricesMoved, Severity: PricesMoved.Of(model.WorkloadReport{}, false), Time: now, Route: to, Prices: &e, Grounds: grounds}
	told := encode(Announcement{Event: event.ID, Reason: PricesMoved, Time: now})
	changes.put(ledgerBucket, priced+key, told)
	flips := map[string]*record{}
	for _, f := range e.Flips[:min(len(e.Flips), namedFlips)] {
		changes.put(ledgerBucket, Announced+f.Receipt, told)
		r := d.states[f.Workload]
		if r == nil || e.Ahead { // what is to come is confirmed, and told, when it has
			continue
		}
		after := *r
		after.Flip, after.Said = &Flip{Option: f.Option, Event: event.ID, Time: now, Route: to}, f.Receipt
		flips[f.Workload] = &after
		changes.put(stateBucket, f.Workload, encode(after))
	}
	if err := d.commit(changes, event); err != nil {
		return err
	}
	maps.Copy(d.states, flips)
	return nil
}
