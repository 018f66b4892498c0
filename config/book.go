package config

import (
	"cmp"
	_ "embed"
	"encoding/csv"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"tipline/model"
)

// Book is a price book: dated numbers, each with its source. A number may have several rows, which hold one after the other. The
// zero Book is empty.
type Book struct {
	rows map[string][]Row // by item, in the order of the file
}

// Row is one number of a Book. Value is a decimal above 0, Date is never empty. Only a price may begin and end.
type Row struct {
	model.PriceSource
	Note string // what a reader should know; may be empty
}

// holds reports whether w is valid on day, which is of the form 2026-08-01; the empty day is before all others.
func (w Row) holds(day string) bool {
	return w.ValidFrom <= day && (w.ValidTo == "" || day <= w.ValidTo)
}

// Rat returns the value of w exactly, nil for a day.
func (w Row) Rat() *big.Rat { return parseDecimal(w.Value) }

// dayUnit is the unit of a row whose value is a day, such as the last one on which a model is served.
const dayUnit = "day"

// currency returns the currency that w is a price in, empty when it is not a price.
func (w Row) currency() string {
	code, _, found := strings.Cut(w.Unit, "/")
	if !found || len(code) != 3 || strings.ToUpper(code) != code {
		return ""
	}
	return code
}

//go:embed prices.csv
var builtinCSV string

var builtin = sync.OnceValue(func() Book {
	b, err := parseBook(builtinCSV)
	if err != nil {
		panic("config: prices.csv: " + err.Error()) // the file is part of the program
	}
	return b
})

// Builtin returns the price book that is part of the program: examples with their dates and sources, not a live list.
//
//   - provider/model: prices of an API in USD per million tokens, under the fields of prices in the configuration;
//     a field such as input_over_272k is the price of requests with a prompt longer than that
//     retires is the last day on which it is served, in the unit day
//   - provider/gpu/machine/terms: usd_per_hour of one GPU
//   - ml.machine: usd_per_hour of a SageMaker instance, raw_usd_per_hour of the EC2 instance underneath and
//     managed_overhead, the share by which the former is above the latter
//   - sagemaker/kind: request_duration in s and request_payload in bytes, what an endpoint of the kind takes as one request
//   - engine/model/gpus: measured output tokens per second of one replica, each field a shape such as 1000/1000
func Builtin() Book { return builtin() }

// bookColumns heads a price book.
var bookColumns = []string{"item", "field", "value", "unit", "valid_from", "valid_to", "source", "checked_at", "note"}

// parseBook reads the columns of a price book.
func parseBook(data string) (Book, error) {
	in := csv.NewReader(strings.NewReader(data))
	in.FieldsPerRecord = len(bookColumns)
	lines, err := in.ReadAll()
	if err != nil {
		return Book{}, err
	}
	if len(lines) > 0 && !slices.Equal(lines[0], bookColumns) {
		return Book{}, fmt.Errorf("header: got %s, want %s", quote(strings.Join(lines[0], ",")), strings.Join(bookColumns, ","))
	}
	b := Book{rows: map[string][]Row{}}
	for i, c := range lines[min(1, len(lines)):] {
		row := Row{Note: c[8], PriceSource: model.PriceSource{
			Item: c[0], Field: c[1], Value: c[2], Unit: c[3], ValidFrom: c[4], ValidTo: c[5], Source: c[6], Date: c[7],
		}}
		if err := row.check(); err != nil {
			return Book{}, fmt.Errorf("row %d: %w", i+1, err)
		}
		for _, other := range b.rows[row.Item] {
			if other.Field == row.Field && (row.holds(other.ValidFrom) || other.holds(row.ValidFrom)) {
				return Book{}, fmt.Errorf("row %d: %s %s is there twice for %s", i+1, row.Item, row.Field, cmp.Or(max(row.ValidFrom, other.ValidFrom), "the same time"))
			}
		}
		b.rows[row.Item] = append(b.rows[row.Item], row)
	}
	return b, nil
}

func (w Row) check() error {
	if w.Item == "" || w.Field == "" || w.Unit == "" || w.Source == "" {
		return fmt.Errorf("%s %s: want item, field, unit and source", w.Item, w.Field)
	}
	if w.Unit == dayUnit {
		if _, err := time.Parse(time.DateOnly, w.Value); err != nil {
			return fmt.Errorf("%s %s: got %q, want a day such as 2027-03-31", w.Item, w.Field, w.Value)
		}
	} else if value := w.Rat(); value == nil || value.Sign() <= 0 {
		return fmt.Errorf("%s %s: got %q, want a decimal above 0", w.Item, w.Field, w.Value)
	}
	for _, date := range []struct{ column, day string }{{"checked_at", w.Date}, {"valid_from", w.ValidFrom}, {"valid_to", w.ValidTo}} {
		if date.day == "" && date.column != "checked_at" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, date.day); err != nil {
			return fmt.Errorf("%s %s: got %s %q, want a day such as 2026-08-01", w.Item, w.Field, date.column, date.day)
		}
	}
	switch {
	case w.ValidTo != "" && w.ValidTo < w.ValidFrom:
		return fmt.Errorf("%s %s: got valid_to %s, want a day from %s on, on which it begins", w.Item, w.Field, w.ValidTo, w.ValidFrom)
	case (w.ValidFrom != "" || w.ValidTo != "") && w.currency() == "":
		return fmt.Errorf("%s %s: got a time for which it is valid, want none: only a price begins and ends", w.Item, w.Field)
	}
	return nil
}

// Items returns the items of b, sorted.
func (b Book) Items() []string { return slices.Sorted(maps.Keys(b.rows)) }

// Lookup returns the rows of item, or an error that names the nearest items there are.
func (b Book) Lookup(item string) ([]Row, error) {
	if rows := b.rows[item]; len(rows) > 0 {
		return slices.Clone(rows), nil
	}
	hint := ""
	if near := b.near(item); len(near) > 0 {
		for i, name := range near {
			near[i] = quote(name)
		}
		hint = ", did you mean " + oneOf(near) + "?"
	}
	return nil, fmt.Errorf("the price book has no %s%s", quote(item), hint)
}

// At returns the rows of b that are valid on day, which is of the form 2026-08-01: at most one of an item and a field.
func (b Book) At(day string) Book {
	at := Book{rows: map[string][]Row{}}
	for item, rows := range b.rows {
		if valid := slices.DeleteFunc(slices.Clone(rows), func(w Row) bool { return !w.holds(day) }); len(valid) > 0 {
			at.rows[item] = valid
		}
	}
	return at
}

// Rate is what a unit of a currency is worth in USD, and on whose word.
type Rate struct {
	USD          *big.Rat
	Source, Date string
}

// InUSD returns b with every price in USD; the source of one that was in another currency says at which rate. A currency without a rate
// is an error that names the row: what it is worth is not known.
func (b Book) InUSD(rates map[string]Rate) (Book, error) {
	in := Book{rows: map[string][]Row{}}
	for _, row := range b.Rows() {
		if code := row.currency(); code != "" && code != "USD" {
			rate, known := rates[code]
			if !known {
				return Book{}, fmt.Errorf("%s %s: got a price in %s, want USD, or the rate of %s in prices.rates", row.Item, row.Field, code, code)
			}
			row.Source = strings.TrimRight(fmt.Sprintf("%s: %s %s at %s USD, %s %s", row.Source, row.Value, code, decimalText(rate.USD), rate.Source, rate.Date), " ")
			row.Value = decimalText(new(big.Rat).Mul(row.Rat(), rate.USD))
			row.Unit = "USD" + strings.TrimPrefix(row.Unit, code)
		}
		in.rows[row.Item] = append(in.rows[row.Item], row)
	}
	return in, nil
}

// Has reports whether b has a row of item.
func (b Book) Has(item string) bool { return len(b.rows[item]) > 0 }

// Dated returns b with every source looked at on day.
func (b Book) Dated(day string) Book {
	dated := Book{rows: map[string][]Row{}}
	for item, rows := range b.rows {
		rows = slices.Clone(rows)
		for i := range rows {
			rows[i].Date = day
		}
		dated.rows[item] = rows
	}
	return dated
}

// Checked returns the newest day on which a source of b was looked at, empty when b is.
func (b Book) Checked() string {
	newest := ""
	for _, row := range b.Rows() {
		newest = max(newest, row.Date)
	}
	return newest
}

// Turns returns the days on which a row of item begins or is no longer valid, in order; empty when its rows hold always.
func (b Book) Turns(item string) []string {
	var days []string
	for _, w := range b.rows[item] {
		if w.ValidFrom != "" {
			days = append(days, w.ValidFrom)
		}
		if last, err := time.Parse(time.DateOnly, w.ValidTo); err == nil {
			days = append(days, last.AddDate(0, 0, 1).Format(time.DateOnly))
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

// Value returns one row, the first of those that hold one after the other, and false when b does not have it.
func (b Book) Value(item, field string) (first Row, known bool) {
	for _, row := range b.rows[item] {
		if row.Field == field && (!known || row.ValidFrom < first.ValidFrom) {
			first, known = row, true
		}
	}
	return first, known
}
