package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	prommodel "github.com/prometheus/common/model"
)

// storesPath is what a Thanos says its stores at, and what that costs is counted by.
const storesPath = "/api/v1/stores"

// storesMost is how many stores are remembered.
const storesMost = 1000

// unsaidAgain is how long a server of which no stores are known is not asked again after it had trouble with that: a collection.
const unsaidAgain = time.Hour / 2

// A behind is a store that a Thanos reads from, as it says.
type behind struct {
	Name      string               `json:"name"`
	LastError *string              `json:"lastError"` // nil when it was reached last time
	LabelSets []prommodel.LabelSet `json:"labelSets"` // each of what it adds to the series of one Prometheus or tenant
}

// storeKey returns what stays the same of a store when it moves, for one of its label sets. Replicas of each other are one store.
func storeKey(kind string, labels prommodel.LabelSet) string {
	labels = labels.Clone()
	for _, name := range replicaLabels {
		delete(labels, prommodel.LabelName(name))
	}
	return kind + " " + labels.String()
}

// askWhole does what askAll does, and makes an error of all answers that a Thanos may have given without one of its stores: see whole.
func (c *Collector) askWhole(ctx context.Context, now time.Time, expr string, p *pace, batch []span) ([][]answer, []error) {
	var before error
	if len(c.knownStores()) > 0 { // no server is asked for stores before it has answered a query
		before = c.whole(ctx, now)
	}
	if before == nil {
		answers, errs := c.askAll(ctx, expr, p, batch)
		if errs[0] != nil {
			return answers, errs
		}
		if before = c.whole(ctx, now); before == nil {
			return answers, errs
		}
	}
	errs := make([]error, len(batch))
	for i := range errs {
		errs[i] = before
	}
	return make([][]answer, len(batch)), errs
}

// whole returns an error when the server is a Thanos that does not reach one of its stores, or no longer has one that it had within a day: unless told to insist on a store it leaves out
// those of which it knows that they are down, and answers with what the others have, without a word. Servers of other kinds are asked once a day whether they have stores, and those that have
// trouble with that once in a collection. A Thanos that for a day forbids to ask tells us nothing any more.
func (c *Collector) whole(ctx context.Context, now time.Time) error {
	known := c.knownStores()
	if len(known) == 0 && now.Before(c.unstored) {
		return nil
	}
	has, err := c.client.stores(ctx)
	lately := func(seen time.Time) bool { return now.Sub(seen) < lookAgain }
	var e *Error
	switch {
	case errors.As(err, &e) && (e.Reason == Refused || e.Reason == NotPrometheus || e.Reason == WrongType || e.Reason == Unauthorized && !slices.ContainsFunc(slices.Collect(maps.Values(known)), lately)):
		known = nil // no Thanos, or none any longer, or one that tells us nothing
	case err != nil && len(known) == 0:
		c.log.DebugContext(ctx, "the server does not say whether it has stores", "error", err)
		c.unstored = now.Add(unsaidAgain)
		return nil
	case err != nil:
		return fmt.Errorf("asked for its stores (%s): %w", storesPath, err)
	}
	var down []string
	there := map[string]time.Time{}
	for _, kind := range slices.Sorted(maps.Keys(has)) {
		for _, s := range has[kind] {
			if s.LastError != nil {
				down = append(down, fmt.Sprintf("%s %s: %s", kind, s.Name, *s.LastError))
			}
			for _, labels := range s.LabelSets {
				key := storeKey(kind, labels)
				if s.LastError == nil {
					there[key] = now.UTC()
				} else if there[key].IsZero() && !known[key].IsZero() {
					there[key] = known[key]
				}
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if seen := known[key]; there[key].IsZero() && lately(seen) {
			there[key] = seen
			down = append(down, fmt.Sprintf("%s, last seen at %s, is gone, and believed to be for good after a day", key, seen.Format("2006-01-02 15:04")))
		}
	}
	c.remember(there)
	if len(down) == 0 {
		if len(there) == 0 {
			c.unstored = now.Add(lookAgain)
		}
		return nil
	}
	text := "it does without a store: " + down[0]
	if len(down) > 1 {
		text += fmt.Sprintf("; and %d more", len(down)-1)
	}
	return &Error{Reason: Partial, Text: oneLine(text)}
}

// knownStores returns when each of the stores was last there that the server had within about a day, by what storeKey makes of it. Those of another server are none of its own.
func (c *Collector) knownStores() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.archive.record.StoresOf != c.client.address {
		return nil
	}
	return c.archive.record.Stores
}

// remember keeps when the stores of the server were last there.
func (c *Collector) remember(stores map[string]time.Time) {
	for _, key := range slices.Sorted(maps.Keys(stores))[min(len(stores), storesMost):] {
		delete(stores, key)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(stores)+len(c.archive.record.Stores) > 0 {
		c.archive.setRecord(func(r *record) { r.Stores, r.StoresOf = stores, c.client.address })
	}
}

// stores returns the stores that the server reads from, by what kind of program they are.
func (c *client) stores(ctx context.Context) (stores map[string][]behind, err error) {
	err = c.patiently(ctx, storesPath, time.Time{}, func() error {
		ctx, _, done := c.limited(ctx, storesPath)
		defer done()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.raw.URL(storesPath, nil).String(), http.NoBody)
		if err != nil {
			return err
		}
		response, body, err := c.raw.Do(ctx, request)
		if err != nil {
			return queryError(ctx, err)
		}
		_ = response.Body.Close() // it has been read
		var said struct {
			Data map[string][]behind `json:"data"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return &Error{Reason: WrongType, Text: oneLine("got no list of stores: " + err.Error())}
		}
		stores = said.Data
		return nil
	})
	return stores, err
}
