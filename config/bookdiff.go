package config

import (
	"cmp"
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
	Reason  string
	against string // field of the price of the same item that it does not go with; empty when it is wrong by itself
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

// WriteTo writes b as CSV, with the columns item, field, value, unit, valid_from, valid_to, source, checked_at and note, items sorted.
func (b Book) WriteTo(w io.Writer) (int64, error) {
	counted := &counting{to: w}
	out := csv.NewWriter(counted)
	_ = out.Write(bookColumns) // Flush and Error say what went wrong
	for _, row := range b.Rows() {
		_ = out.Write([]string{row.Item, row.Field, row.Value, row.Unit, row.ValidFrom, row.ValidTo, row.Source, row.Date, row.Note})
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
	From          string // the first day on which the rows hold; empty when they always did
	Before, After *Row
}

// Factor returns by how much the value changed, After over Before; nil when one of them is missing or is a day.
func (c Change) Factor() *big.Rat {
	if c.Before == nil || c.After == nil || c.Before.Rat() == nil || c.After.Rat() == nil {
		return nil
	}
	return new(big.Rat).Quo(c.After.Rat(), c.Before.Rat())
}

// Diff returns what differs between b and next, in the order of items, fields and the days from which rows hold. Sources and the days
// on which they were looked at are no difference.
func (b Book) Diff(next Book) []Change {
	type key struct{ item, field, from string }
	changes := map[key]*Change{}
	for i, book := range []Book{b, next} {
		for _, row := range book.Rows() {
			k := key{row.Item, row.Field, row.ValidFrom}
			if changes[k] == nil {
				changes[k] = &Change{Item: row.Item, Field: row.Field, From: row.ValidFrom}
			}
			if i == 0 {
				changes[k].Before = &row
			} else {
				changes[k].After = &row
			}
		}
	}
	var differ []Change
	for _, c := range changes {
		if c.Before == nil || c.After == nil || c.Before.Unit != c.After.Unit || c.Before.ValidTo != c.After.ValidTo || !c.Before.equals(*c.After) {
			differ = append(differ, *c)
		}
	}
	slices.SortFunc(differ, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.Item, y.Item), cmp.Compare(x.Field, y.Field), cmp.Compare(x.From, y.From))
	})
	return differ
}

// Update returns b with the rows of next in the place of those with the same item and field. A row of next that is more than twice or
// less than half of the one before it, in next or in b, is quarantined unless its item is confirmed, and with it what else changes of the
// prices per token that hold from that day on: an item is repriced as a whole or not at all. So is one that cannot be right beside the
// others of its item, whoever confirms it. A number of which no row is believed stays as b has it.
func (b Book) Update(next Book, confirmed []string) (Book, []Quarantined) {
	merged := Book{rows: maps.Clone(b.rows)}
	if merged.rows == nil {
		merged.rows = map[string][]Row{}
	}
	var quarantine []Quarantined
	for _, item := range next.Items() {
		good := inTime(next.rows[item])
		if !slices.Contains(confirmed, item) {
			var bad []Quarantined
			good, bad = steady(b.rows[item], good)
			quarantine = append(quarantine, bad...)
		}
		for {
			merged.rows[item] = withRows(b.rows[item], good)
			bad := merged.implausibleOf(item, good)
			if len(bad) == 0 {
				break
			}
			quarantine = append(quarantine, bad...)
			good = slices.DeleteFunc(good, func(w Row) bool { return slices.ContainsFunc(bad, func(q Quarantined) bool { return q.Row == w }) })
		}
	}
	return merged, quarantine
}

// Held returns next without the rows that Update of b would quarantine, and those: b holds what prices were when somebody last stood for
// them, so that one that creeps is found as one that jumps is.
func (b Book) Held(next Book, confirmed []string) (Book, []Quarantined) {
	_, bad := b.Update(next, confirmed)
	held := Book{rows: maps.Clone(next.rows)}
	for _, q := range bad {
		held.rows[q.Item] = slices.DeleteFunc(slices.Clone(held.rows[q.Item]), func(w Row) bool { return w == q.Row })
		if len(held.rows[q.Item]) == 0 {
			delete(held.rows, q.Item)
		}
	}
	return held, bad
}

// Anchored returns what the prices of after, which came after those of b, are to be held against from now on: those of b, and of after those
// that b does not have and those of items that are confirmed.
func (b Book) Anchored(after Book, confirmed []string) Book {
	anchors := Book{rows: map[string][]Row{}}
	maps.Copy(anchors.rows, b.rows)
	for item, rows := range after.rows {
		if !slices.Contains(confirmed, item) {
			rows = withRows(rows, b.rows[item])
		}
		anchors.rows[item] = rows
	}
	return anchors
}

// steady splits next, the rows of an item in time, into those that go on from rows and those that want to be confirmed, each with the reason.
func steady(rows, next []Row) (good []Row, bad []Quarantined) {
	var first *Row // that jumps, of those that are read together
	for _, row := range next {
		before, known := preceding(good, row)
		if !known {
			before, known = preceding(rows, row)
		}
		if !known || !jumps(before, row) {
			good = append(good, row)
			continue
		}
		if first == nil && together(row) {
			first = &row
		}
		reason := fmt.Sprintf("was %s on %s: a change by more than %d times wants to be confirmed", before.Value, before.Date, mostChange)
		bad = append(bad, Quarantined{Row: row, Reason: reason})
	}
	if first == nil {
		return good, bad
	}
	return slices.DeleteFunc(good, func(row Row) bool {
		before, known := preceding(rows, row)
		if !together(row) || row.ValidFrom < first.ValidFrom || known && before.equals(row) {
			return false
		}
		reason := fmt.Sprintf("comes with %s %s, a change by more than %d times that wants to be confirmed", first.Field, first.Value, mostChange)
		bad = append(bad, Quarantined{Row: row, Reason: reason})
		return true
	}), bad
}

// together reports whether row is a price that is read together with the others of its item: one per token, those of the priority tier
// stand on their own.
func together(row Row) bool { return row.Unit == perMTok && !isPriority(row.Field) }

// beside returns b, the source of each row of which says the last notably different price that another source has in before, books that
// rows of b took the place of.
func (b Book) beside(before []Book) Book {
	shown := Book{rows: map[string][]Row{}}
	for item, rows := range b.rows {
		shown.rows[item] = slices.Clone(rows)
		for i, row := range rows {
			for _, book := range slices.Backward(before) {
				if other, there := preceding(book.rows[item], row); there && shown.rows[item][i] == row {
					shown.rows[item][i] = row.beside(other)
				}
			}
		}
	}
	return shown
}

// notable is the share of a price by which that of another source may be off before both are shown (cost model, section 15).
var notable = big.NewRat(1, 20)

// beside returns w, the source of which says the price that other, which another source has, puts on the same thing at the same time, where
// the two differ by more than is notable.
func (w Row) beside(other Row) Row {
	if w.currency() == "" || w.Unit != other.Unit || w.Source == other.Source || !w.holds(other.ValidFrom) && !other.holds(w.ValidFrom) {
		return w
	}
	off := new(big.Rat).Sub(other.Rat(), w.Rat())
	if off.Abs(off).Cmp(new(big.Rat).Mul(notable, w.Rat())) > 0 {
		w.Source = fmt.Sprintf("%s; %s by %s, %s", w.Source, other.Value, other.Source, other.Date)
	}
	return w
}

// withRows returns rows with those of good in the place of those of the same field.
func withRows(rows, good []Row) []Row {
	kept := slices.DeleteFunc(slices.Clone(rows), func(was Row) bool {
		return slices.ContainsFunc(good, func(is Row) bool { return is.Field == was.Field })
	})
	return append(kept, good...)
}

// implausibleOf returns those of rows, which b has of item, for which its prices cannot be right: a price that was there before is not
// blamed for one that came.
func (b Book) implausibleOf(item string, rows []Row) (bad []Quarantined) {
	for _, q := range (Book{rows: map[string][]Row{item: b.rows[item]}}).Implausible() {
		if slices.Contains(rows, q.Row) {
			bad = append(bad, q)
			continue
		}
		for _, came := range rows {
			if came.Field == q.against {
				bad = append(bad, Quarantined{Row: came, Reason: fmt.Sprintf("%s is %s, and then %s", q.Field, q.Value, q.Reason)})
			}
		}
	}
	return bad
}

// inTime returns rows with those of one field in the order in which they hold.
func inTime(rows []Row) []Row {
	return slices.SortedStableFunc(slices.Values(rows), func(x, y Row) int { return cmp.Compare(x.ValidFrom, y.ValidFrom) })
}

// preceding returns the last of rows that is of the same number as row and does not begin after it; the first one when all do.
func preceding(rows []Row, row Row) (before Row, known bool) {
	for _, r := range inTime(rows) {
		if r.Field == row.Field && (!known || r.ValidFrom <= row.ValidFrom) {
			before, known = r, true
		}
	}
	return before, known
}

// equals reports whether w and o have the same value.
func (w Row) equals(o Row) bool {
	a, b := w.Rat(), o.Rat()
	if a == nil || b == nil {
		return w.Value == o.Value
	}
	return a.Cmp(b) == 0
}

// jumps reports whether the value of b is more than mostChange times that of a, or the other way round.
func jumps(a, b Row) bool {
	factor := Change{Before: &a, After: &b}.Factor()
	return factor != nil && (factor.Cmp(big.NewRat(mostChange, 1)) > 0 || factor.Cmp(big.NewRat(1, mostChange)) < 0)
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

// Implausible returns the rows of models and of GPUs that cannot be right, each with the reason, in the order of their items.
func (b Book) Implausible() []Quarantined {
	var bad []Quarantined
	for _, item := range b.Items() {
		seen := map[Row]bool{}
		for _, day := range append([]string{""}, b.Turns(item)...) {
			for _, q := range implausible(b.At(day).rows[item]) {
				if !seen[q.Row] {
					seen[q.Row], bad = true, append(bad, q)
				}
			}
		}
	}
	return bad
}
