package ledger

import "fmt"

// printed stands before the id of a decision that a command printed last; its receipt need not have changed anything.
const printed = "printed/"

// KeepPrinted keeps receipts, by the ids of their decisions, in place of those that were printed before.
func KeepPrinted(s Store, receipts map[string][]byte) error {
	rows := map[string][]byte{}
	err := s.Scan(Bucket, printed, func(key string, _ []byte) error {
		rows[key] = nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for id, receipt := range receipts {
		rows[printed+id] = receipt
	}
	if err := s.Apply(map[string]map[string][]byte{Bucket: rows}); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Find returns the receipt of the decision id, be it evidence or printed last; nil when s holds none.
func Find(s Store, id string) ([]byte, error) {
	receipt, err := s.Get(Bucket, id)
	if err != nil || receipt != nil {
		return receipt, err
	}
	return s.Get(Bucket, printed+id)
}
