package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"tipline/model"
)

// genAISource names the prices of genai-prices in the rows that are read from it.
const genAISource = "genai-prices (pydantic/genai-prices, MIT)"

// genAIFields maps the fields of genai-prices, USD per million tokens, to those of a Book.
var genAIFields = []struct{ theirs, ours string }{
	{"input_mtok", "input"},
	{"output_mtok", "output"},
	{"cache_read_mtok", "cache_read"},
	{"cache_write_mtok", "cache_write"},
	{"cache_write_1h_mtok", "cache_write_1h"},
}

// genAIProvider is a provider of genai-prices, data.json or data_slim.json.
type genAIProvider struct {
	ID     string `json:"id"`
	Models []struct {
		ID     string          `json:"id"`
		Prices json.RawMessage `json:"prices"`
	} `json:"models"`
}

// genAIPeriod is a set of prices with when it holds.
type genAIPeriod struct {
	Constraint *struct {
		StartDate string `json:"start_date"`
	} `json:"constraint"`
	Prices map[string]any `json:"prices"`
}

// ImportGenAI reads genai-prices, data.json or data_slim.json, as it was on date. A price with a first day holds from then on, and the one
// before it until the day before; the first price above a prompt length is that of long prompts. Prices of some hours of the day, and those
// of anything but text, are left out. What cannot be right is quarantined as ImportLiteLLM does.
func ImportGenAI(r io.Reader, date string) (Book, []Quarantined, error) {
	data, err := readList(r, date)
	if err != nil {
		return Book{}, nil, err
	}
	var providers []genAIProvider
	if err := json.Unmarshal(data, &providers); err != nil {
		return Book{}, nil, fmt.Errorf("price list: %w", err)
	}
	book := Book{rows: map[string][]Row{}}
	var quarantine []Quarantined
	for _, p := range providers {
		for _, m := range p.Models {
			item := p.ID + "/" + m.ID
			rows, bad := genAIModel(item, m.Prices, date)
			if len(rows) == 0 && len(bad) == 0 || book.rows[item] != nil {
				continue
			}
			if len(bad) == 0 {
				bad = Book{rows: map[string][]Row{item: rows}}.Implausible()
			}
			if quarantine = append(quarantine, bad...); len(bad) == 0 {
				book.rows[item] = rows
			}
		}
	}
	if len(book.rows) == 0 {
		return Book{}, quarantine, errors.New("price list: no model with a price for tokens, want data.json of genai-prices")
	}
	return book, quarantine, nil
}

// genAIModel reads the prices of one model, which are one set or a list of sets with when they hold.
func genAIModel(item string, raw json.RawMessage, date string) (rows []Row, bad []Quarantined) {
	var periods []genAIPeriod
	if decodeExact(raw, &periods) != nil {
		var always map[string]any
		if decodeExact(raw, &always) != nil {
			return nil, nil
		}
		periods = []genAIPeriod{{Prices: always}}
	}
	periods = slices.DeleteFunc(periods, func(p genAIPeriod) bool {
		return p.Prices == nil || p.Constraint != nil && startOf(p.Constraint.StartDate).IsZero()
	})
	start := func(p genAIPeriod) string {
		if p.Constraint == nil {
			return ""
		}
		return p.Constraint.StartDate
	}
	slices.SortStableFunc(periods, func(a, b genAIPeriod) int { return cmp.Compare(start(a), start(b)) })
	both := false
	for i, p := range periods {
		end := ""
		if i+1 < len(periods) {
			if start(periods[i+1]) == start(p) {
				continue // another list of the same day stands
			}
			end = startOf(start(periods[i+1])).AddDate(0, 0, -1).Format(time.DateOnly)
		}
		add := func(field string, value any) {
			row := Row{PriceSource: model.PriceSource{
				Item: item, Field: field, Unit: "USD/Mtok", Source: genAISource, Date: date, ValidFrom: start(p), ValidTo: end,
			}}
			price, ok := exact(value)
			switch {
			case !ok:
				row.Value = quote(fmt.Sprint(value))
				bad = append(bad, Quarantined{Row: row, Reason: "want a number of USD per million tokens"})
			case price.Sign() <= 0:
				row.Value = decimalText(price)
				bad = append(bad, Quarantined{Row: row, Reason: "want a price above 0: a list that says 0 mostly does not know"})
			default:
				row.Value = decimalText(price)
				rows = append(rows, row)
			}
		}
		for _, f := range genAIFields {
			switch value := p.Prices[f.theirs].(type) {
			case nil:
			case map[string]any:
				add(f.ours, value["base"])
				if long, ok := firstTier(value["tiers"]); ok {
					add(fmt.Sprintf("%s_over_%sk", f.ours, decimalText(new(big.Rat).Quo(long.start, big.NewRat(1000, 1)))), long.price)
				}
			default:
				add(f.ours, value)
			}
		}
		both = both || p.Prices["input_mtok"] != nil && p.Prices["output_mtok"] != nil
	}
	if !both {
		return nil, nil // charged by something else, or an embedding
	}
	return rows, bad
}

// tier is a price of requests with prompts above a length.
type tier struct {
	start *big.Rat
	price any
}

// firstTier returns the first of the tiers of a price.
func firstTier(value any) (tier, bool) {
	list, _ := value.([]any)
	if len(list) == 0 {
		return tier{}, false
	}
	first, _ := list[0].(map[string]any)
	start, ok := exact(first["start"])
	return tier{start, first["price"]}, ok && start.Sign() > 0
}

// decodeExact decodes data with its numbers as they are written.
func decodeExact(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}

// readList reads a price list of others, at most maxImport bytes of it, and checks the day that it is of.
func readList(r io.Reader, date string) ([]byte, error) {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return nil, fmt.Errorf("date: got %s, want one such as 2026-08-01", quote(date))
	}
	data, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxImport {
		return nil, fmt.Errorf("price list: more than %d MiB, want one that is smaller", maxImport>>20)
	}
	return data, nil
}
