package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"tipline/model"
)

// liteLLMSource names the LiteLLM price map in the rows that are read from it.
const liteLLMSource = "LiteLLM price map (BerriAI/litellm, MIT)"

// maxImport is how many bytes of a price list are read: several times the largest there is.
const maxImport = 32 << 20

// liteLLMFields maps the fields of the LiteLLM price map, USD per token, to those of a Book, USD per million tokens.
var liteLLMFields = []struct{ theirs, ours string }{
	{"input_cost_per_token", "input"},
	{"output_cost_per_token", "output"},
	{"cache_read_input_token_cost", "cache_read"},
	{"cache_creation_input_token_cost", "cache_write"},
	{"cache_creation_input_token_cost_above_1hr", "cache_write_1h"},
	{"input_cost_per_token_batches", "batch_input"},
	{"output_cost_per_token_batches", "batch_output"},
	{"input_cost_per_token_priority", "priority_input"},
	{"output_cost_per_token_priority", "priority_output"},
	{"input_cost_per_token_above_128k_tokens", "input_over_128k"},
	{"output_cost_per_token_above_128k_tokens", "output_over_128k"},
	{"input_cost_per_token_above_200k_tokens", "input_over_200k"},
	{"output_cost_per_token_above_200k_tokens", "output_over_200k"},
	{"input_cost_per_token_above_272k_tokens", "input_over_272k"},
	{"output_cost_per_token_above_272k_tokens", "output_over_272k"},
}

// ImportLiteLLM reads the LiteLLM price map, model_prices_and_context_window.json, as it was on date. Models that are charged by
// something else than tokens are left out. A row that cannot be right is quarantined with the reason, and with it every other
// row of its model, since prices of one model are read together; those of the priority tier stand on their own. The error is about the list as a whole: too large, cut off or
// not JSON; then nothing is returned.
func ImportLiteLLM(r io.Reader, date string) (Book, []Quarantined, error) {
	data, err := readList(r, date)
	if err != nil {
		return Book{}, nil, err
	}
	var models map[string]json.RawMessage
	if err := json.Unmarshal(data, &models); errors.As(err, new(*json.UnmarshalTypeError)) {
		return Book{}, nil, fmt.Errorf("price map: got %s, want an object with a key for every model", quote(string(data)))
	} else if err != nil {
		return Book{}, nil, fmt.Errorf("price map: %w", err)
	}
	book := Book{rows: map[string][]Row{}}
	var quarantine []Quarantined
	for _, name := range slices.Sorted(maps.Keys(models)) {
		if name == "sample_spec" { // explains the fields
			continue
		}
		rows, bad := liteLLMModel(name, models[name], date)
		if len(rows) > 0 {
			bad = append(bad, implausible(rows)...)
		}
		quarantine = append(quarantine, bad...)
		rows = slices.DeleteFunc(rows, func(w Row) bool {
			return slices.ContainsFunc(bad, func(q Quarantined) bool { return isPriority(q.Field) && q.Field == w.Field })
		})
		switch {
		case slices.ContainsFunc(bad, func(q Quarantined) bool { return !isPriority(q.Field) }):
		case len(rows) > 0 && book.rows[rows[0].Item] == nil:
			book.rows[rows[0].Item] = rows
		}
	}
	if len(book.rows) == 0 {
		return Book{}, quarantine, errors.New("price map: no model with a price for tokens, want the map of LiteLLM")
	}
	return book, quarantine, nil
}

// liteLLMModel reads the prices of one model.
func liteLLMModel(name string, data json.RawMessage, date string) (rows []Row, bad []Quarantined) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // prices such as 2.5e-07 stay exact
	var fields map[string]any
	if decoder.Decode(&fields) != nil {
		return nil, nil // not a model
	}
	item := name
	if provider, _ := fields["litellm_provider"].(string); provider != "" && !strings.Contains(name, "/") {
		item = provider + "/" + name
	}
	for _, f := range liteLLMFields {
		value, given := fields[f.theirs]
		if !given || value == nil {
			continue
		}
		row := Row{PriceSource: model.PriceSource{Item: item, Field: f.ours, Unit: "USD/Mtok", Source: liteLLMSource, Date: date}}
		perToken, ok := exact(value)
		if !ok {
			row.Value = quote(fmt.Sprint(value))
			bad = append(bad, Quarantined{Row: row, Reason: "want a number of USD per token"})
			continue
		}
		row.Value = decimalText(perToken.Mul(perToken, big.NewRat(1_000_000, 1)))
		if perToken.Sign() <= 0 {
			bad = append(bad, Quarantined{Row: row, Reason: "want a price above 0: a list that says 0 mostly does not know"})
			continue
		}
		rows = append(rows, row)
	}
	if last, _ := fields["deprecation_date"].(string); !startOf(last).IsZero() {
		rows = append(rows, Row{PriceSource: model.PriceSource{Item: item, Field: "retires", Value: last, Unit: dayUnit, Source: liteLLMSource, Date: date}})
	}
	if len(rows)+len(bad) < 2 || fields["output_cost_per_token"] == nil || fields["input_cost_per_token"] == nil {
		return nil, nil // charged by the image, the second or the request, or an embedding
	}
	return rows, bad
}

// exact returns a JSON number as it is written. It is false for anything else, and for a number with an exponent beyond 20,
// whose digits would fill the memory.
func exact(value any) (*big.Rat, bool) {
	number, ok := value.(json.Number)
	if !ok || len(number) > 40 {
		return nil, false
	}
	if _, exponent, has := strings.Cut(strings.ToLower(string(number)), "e"); has {
		if n, err := strconv.Atoi(exponent); err != nil || n < -20 || n > 20 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(string(number))
}

// isPriority reports whether field is of the tier that is served first.
func isPriority(field string) bool { return strings.HasPrefix(field, "priority_") }

// What the prices of one model must keep to.
const (
	mostInput      = 10  // times the price of output that input may cost
	mostCacheWrite = 4   // times the price of input that writing to the cache may cost: for an hour it is twice
	mostPriority   = 50  // times the price without it that priority stays below: a known error of the LiteLLM map is exactly there
	mostMTok       = 1e3 // USD per million tokens: more than three times the dearest of the built-in book
)

// implausible returns the rows of one item that cannot be right, each with the reason.
func implausible(rows []Row) (bad []Quarantined) {
	price := map[string]*big.Rat{}
	for _, row := range rows {
		price[row.Field] = row.Rat()
	}
	for _, row := range rows {
		reason, against := "", ""
		switch {
		case row.Rat() == nil: // a day
		case row.Unit == gpuHour:
			reason = implausibleHour(row)
		case row.Unit == perMTok:
			reason, against = implausiblePrice(row, price)
		}
		if reason != "" {
			bad = append(bad, Quarantined{row, reason, against})
		}
	}
	return bad
}

// perMTok is the unit of the price of a model.
const perMTok = "USD/Mtok"

// lowest returns the price in USD per million tokens below which one of field is taken for one per token or per thousand tokens.
func lowest(field string) string {
	switch {
	case strings.HasPrefix(field, "batch_"):
		return "0.005"
	case strings.HasPrefix(field, "cache_"):
		return "0.001"
	}
	return "0.01"
}

// implausiblePrice says why row cannot be among the prices of its model, by field, and the field of the one that it was held against, if
// any; empty when it can.
func implausiblePrice(row Row, price map[string]*big.Rat) (reason, against string) {
	value := row.Rat()
	times := func(field string, most int64) (limit, of *big.Rat) {
		if of = price[field]; of == nil {
			return value, value // nothing to be held against
		}
		return new(big.Rat).Mul(of, big.NewRat(most, 1)), of
	}
	base := strings.TrimPrefix(row.Field, "priority_")
	switch {
	case value.Cmp(new(big.Rat).SetInt64(mostMTok)) > 0:
		return fmt.Sprintf("more than %d USD per million tokens: per thousand, or per token, taken for per million?", int64(mostMTok)), ""
	case value.Cmp(parseDecimal(lowest(base))) < 0:
		return fmt.Sprintf("less than %s USD per million tokens: a price per token, or per thousand?", lowest(base)), ""
	case row.Field == "cache_read":
		if limit, _ := times("input", 1); value.Cmp(limit) > 0 {
			return "reading from the cache costs more than input, " + decimalText(limit), "input"
		}
	case strings.HasPrefix(row.Field, "cache_write"):
		if limit, input := times("input", mostCacheWrite); value.Cmp(limit) > 0 {
			return fmt.Sprintf("writing to the cache costs more than %d times input, %s", mostCacheWrite, decimalText(input)), "input"
		}
	case strings.HasPrefix(row.Field, "batch_"):
		without := strings.TrimPrefix(row.Field, "batch_")
		if limit, _ := times(without, 1); value.Cmp(limit) > 0 {
			return fmt.Sprintf("a batch costs more than %s does without, %s", without, decimalText(limit)), without
		}
	case row.Field == "input":
		if limit, output := times("output", mostInput); value.Cmp(limit) > 0 {
			return fmt.Sprintf("input costs more than %d times output, %s", mostInput, decimalText(output)), "output"
		}
	case isPriority(row.Field) && price[base] != nil:
		if limit, of := times(base, mostPriority); value.Cmp(limit) >= 0 {
			return fmt.Sprintf("priority costs %d times what it does without, %s, or more", mostPriority, decimalText(of)), base
		}
	}
	return "", ""
}
