package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tipline/model"
)

// How long receipts are kept. One that a message was about, that a person answered, or that was confirmed without a message, so that later
// ones are held against it, is evidence and stays longer.
//
//	                               whole       then a summary   then
//	nobody was told                90 days     to 400 days      nothing
//	announced, confirmed, answered 400 days    for ever
//	of the last report      until the next one is printed, see KeepPrinted
//
// The receipt of a message is kept as one that was announced is, and so are the receipts that it names. Its summary has what it says, and not what that
// was worked out from.
//
// A summary has the id, the measured usage, what every option cost and the decision, but no inputs, samples and prices: it
// can be read and not computed again.
const (
	wholeFor          = 90 * 24 * time.Hour
	summaryFor        = 400 * 24 * time.Hour
	announcedWholeFor = 400 * 24 * time.Hour
)

// maxCompacted bounds the rows of one compaction, so that its transaction stays small; the next one goes on.
const maxCompacted = 500

// Compact applies the rule above to what s holds and returns how many receipts it made smaller or removed. A row that is not a
// receipt stays as it is. What is announced or confirmed has a row under its id after one of prefixes.
func Compact(s Store, now time.Time, prefixes ...string) (int, error) {
	evidence := map[string]bool{}
	for _, prefix := range append(prefixes, answered) {
		err := s.Scan(Bucket, prefix, func(key string, _ []byte) error {
			evidence[strings.TrimPrefix(key, prefix)] = true
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("ledger: %w", err)
		}
	}
	err := s.Scan(Bucket, "", func(key string, value []byte) error {
		if !ValidMessageID(key) {
			return nil
		}
		var m Message
		if json.Unmarshal(value, &m) == nil {
			for _, id := range m.names() {
				evidence[id] = true
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	rows := map[string][]byte{}
	err = s.Scan(Bucket, "", func(key string, value []byte) error {
		smaller, changed := value, false
		switch {
		case ValidID(key):
			smaller, changed = compacted(value, evidence[key], now)
		case ValidMessageID(key):
			smaller, changed = compactedMessage(value, now)
		}
		if changed {
			rows[key] = smaller
		}
		if len(rows) == maxCompacted {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	if err := s.Apply(map[string]map[string][]byte{Bucket: rows}); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	return len(rows), nil
}

var errEnough = errors.New("enough for now")

// compacted returns what is left at now of a receipt, nil for nothing, and whether that is another than before.
func compacted(value []byte, evidence bool, now time.Time) ([]byte, bool) {
	var head struct {
		AsOf      time.Time `json:"as_of"`
		Compacted time.Time `json:"compacted"`
	}
	if err := json.Unmarshal(value, &head); err != nil || head.AsOf.IsZero() {
		return nil, false
	}
	whole := wholeFor
	if evidence {
		whole = announcedWholeFor
	}
	switch age := now.Sub(head.AsOf); {
	case !evidence && age > summaryFor:
		return nil, true
	case age <= whole || !head.Compacted.IsZero():
		return nil, false
	}
	r, err := Open(value)
	if err != nil {
		return nil, false
	}
	data, err := json.Marshal(r.summary(now))
	return model.EscapeJSON(data), err == nil
}

// summary returns r without what is needed only to compute it again.
func (r Receipt) summary(now time.Time) Receipt {
	r.Compacted = now
	r.Samples, r.Capacity, r.Inputs, r.Pool, r.Workload.BreakEvens = nil, nil, nil, nil, nil
	r.Workload.Options = trimmed(r.Workload.Options)
	for i := range r.Workload.Options {
		o := &r.Workload.Options[i]
		o.Parts, o.Prices, o.Warnings, o.Crossover = nil, nil, nil, nil
	}
	return r
}

// compactedMessage returns what is left at now of the receipt of a message, and whether that is another than before.
func compactedMessage(value []byte, now time.Time) ([]byte, bool) {
	m, err := OpenMessage(value)
	if err != nil || m.Receipt != "" || now.Sub(m.AsOf) <= announcedWholeFor || !m.Compacted.IsZero() {
		return nil, false
	}
	m.Compacted, m.Grounds, m.Rest = now, Grounds{}, nil
	data, err := m.Seal()
	return data, err == nil
}
