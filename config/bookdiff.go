package config

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
)

// mostChange is by how many times a price may rise or fall from one list to the next before it wants to be confirmed.
const mostChange = 2

// Quarantined is a row of a price list that is not believed, and why.
type Quarantined struct {
	Row
	Reason string
}

// ReadBook reads a price book in the form of WriteTo.
func ReadBook(r io.Reader) (Book, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	if err != nil {
		return Book{}, err
	}
	if len(data) > maxImport {
		return Book{}, fmt.Errorf("more than %d MiB, want a price book", maxImport>>20)
	}
	return parseBook(string(data))
}

// WriteTo writes b as CSV, with the columns item, field, value, unit, date, source and note, items sorted.
func (b Book) WriteTo(w io.Writer) (int64, error) {
	counted := &counting{to: w}
	out := csv.NewWriter(counted)
	_ = out.Write(bookColumns) // Flush and Error say what went wrong
	for _, row := range b.Rows() {
		_ = out.Write([]string{row.Item, row.Field, row.Value, row.Unit, row.Date, row.Source, row.Note})
	}
	out.Flush()
	return counted.n, out.Error()
}

// Rows returns every row of b, items sorted.
func (b Book) Rows() []Row {
	var rows []Row
	for _, item := range b.Items() {
		rows = append(rows, b.rows[item]...)
	}
	return rows
}

// counting counts what is written.
type counting struct {
	to io.Writer
	n  int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// Change is a row that differs between two books. A nil Before is new, a nil After is gone.
type Change struct {
	Item, Field   string
	Before, After *Row
}

// Factor returns by how much the value changed, After over Before; nil when one of them is missing.
func (c Change) Factor() *big.Rat {
	if c.Before == nil || c.After == nil {
		return nil
	}
	return new(big.Rat).Quo(c.After.Rat(), c.Before.Rat())
}

// Diff returns what differs between b and next, in the order of items and fields. Dates and sources alone are no difference.
func (b Book) Diff(next Book) []Change {
	items := map[string]bool{}
	for item := range b.rows {
		items[item] = true
	}
	for item := range next.rows {
		items[item] = true
	}
	var changes []Change
	for _, item := range slices.Sorted(maps.Keys(items)) {
		fields := map[string]bool{}
		for _, rows := range [][]Row{b.rows[item], next.rows[item]} {
			for _, row := range rows {
				fields[row.Field] = true
			}
		}
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			c := Change{Item: item, Field: field}
			if row, ok := b.Value(item, field); ok {
				c.Before = &row
			}
			if row, ok := next.Value(item, field); ok {
				c.After = &row
			}
			if f := c.Factor(); f == nil || f.Cmp(one) != 0 {
				changes = append(changes, c)
			}
		}
	}
	return changes
}

// Update returns b with the rows of next in the place of those with the same item and field. A row of next that is more than
// twice or less than half of what b has is quarantined, and b's stays, unless its item is confirmed.
func (b Book) Update(next Book, confirmed []string) (Book, []Quarantined) {
	merged := Book{rows: maps.Clone(b.rows)}
	if merged.rows == nil {
		merged.rows = map[string][]Row{}
	}
	var quarantine []Quarantined
	for _, item := range next.Items() {
		rows := slices.Clone(merged.rows[item])
		for _, row := range next.rows[item] {
			at := slices.IndexFunc(rows, func(r Row) bool { return r.Field == row.Field })
			if at < 0 {
				rows = append(rows, row)
				continue
			}
			factor := new(big.Rat).Quo(row.Rat(), rows[at].Rat())
			if jump := factor.Cmp(big.NewRat(mostChange, 1)) > 0 || factor.Cmp(big.NewRat(1, mostChange)) < 0; jump && !slices.Contains(confirmed, item) {
				quarantine = append(quarantine, Quarantined{row, fmt.Sprintf("was %s on %s: a change by more than %d times wants to be confirmed",
					rows[at].Value, rows[at].Date, mostChange)})
				continue
			}
			rows[at] = row
		}
		merged.rows[item] = rows
	}
	return merged, quarantine
}

// Only returns the items of b that keep says yes to.
func (b Book) Only(keep func(item string) bool) Book {
	only := Book{rows: map[string][]Row{}}
	for item, rows := range b.rows {
		if keep(item) {
			only.rows[item] = rows
		}
	}
	return only
}

// Implausible returns the rows of models that cannot be right, each with the reason, in the order of their items.
func (b Book) Implausible() []Quarantined {
	var bad []Quarantined
	for _, item := range b.Items() {
		if rows := b.rows[item]; rows[0].Unit == "USD/Mtok" {
			bad = append(bad, implausible(rows)...)
		}
	}
	return bad
}
