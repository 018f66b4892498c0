package config

import (
	"bytes"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
)

// liteLLMMap is in the form of the LiteLLM price map. The first two models and their prices are those of the map of 1 August
// 2026, as the built-in book has them; the others are made up to be wrong.
const liteLLMMap = `{
  "sample_spec": {"litellm_provider": "one of ...", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
  "gpt-5-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06, "cache_read_input_token_cost": 2.5e-08},
  "azure_ai/Llama-3.3-70B-Instruct": {"litellm_provider": "azure_ai", "mode": "chat", "input_cost_per_token": 7.1e-07, "output_cost_per_token": 7.1e-07, "deprecation_date": "2027-05-01"},
  "1024-x-1024/dall-e-2": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_pixel": 1.9e-08, "output_cost_per_pixel": 0.0},
  "an-embedding": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08},
  "free": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
  "dear-cache": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "cache_read_input_token_cost": 1.5e-06},
  "swapped": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 3e-05, "output_cost_per_token": 1e-06},
  "per-thousand": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 0.5, "output_cost_per_token": 1.5},
  "text": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": "1e-06", "output_cost_per_token": 1e-06},
  "negative": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": -1e-06, "output_cost_per_token": 1e-06},
  "endless": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 1e-400000, "output_cost_per_token": 1e-06},
  "first-served": {"litellm_provider": "nobody", "mode": "chat", "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "input_cost_per_token_priority": 2.5e-06, "output_cost_per_token_priority": 8e-07},
  "not-a-model": 7
}`

func TestImportLiteLLM(t *testing.T) {
	t.Parallel()
	book, bad, err := ImportLiteLLM(strings.NewReader(liteLLMMap), "2026-08-01")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"azure_ai/Llama-3.3-70B-Instruct", "nobody/first-served", "openai/gpt-5-mini"}, book.Items()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if changes := Builtin().Only(func(item string) bool { return item == "openai/gpt-5-mini" }).Diff(book.Only(func(item string) bool { return item == "openai/gpt-5-mini" })); len(changes) > 0 {
		t.Errorf("the built-in prices of the same day differ: %+v", changes)
	}
	if row, known := book.Value("azure_ai/Llama-3.3-70B-Instruct", "retires"); !known || row.Value != "2027-05-01" || row.Unit != dayUnit {
		t.Errorf("got %+v, want the last day of the model", row)
	}
	first := map[string]string{}
	for _, row := range book.rows["nobody/first-served"] {
		first[row.Field] = row.Value
	}
	if diff := cmp.Diff(map[string]string{"input": "0.05", "output": "0.4", "priority_output": "0.8"}, first); diff != "" {
		t.Errorf("a wrong price of the priority tier (-want +got):\n%s", diff)
	}
	said := map[string]string{}
	for _, q := range bad {
		said[q.Item] += q.Field + " " + q.Reason + "\n"
	}
	for item, want := range map[string]string{
		"nobody/free": "want a price above 0", "nobody/dear-cache": "costs more than input", "nobody/swapped": "more than 10 times output",
		"nobody/per-thousand": "taken for per million", "nobody/text": "want a number", "nobody/negative": "above 0", "nobody/endless": "want a number",
		"nobody/first-served": "priority costs 50 times what it does without, 0.05, or more",
	} {
		if !strings.Contains(said[item], want) {
			t.Errorf("%s: got %q, want %q", item, said[item], want)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, date, want string }{
		"cut off":      {liteLLMMap[:len(liteLLMMap)/2], "2026-08-01", "price map"},
		"a list":       {"[1, 2]", "2026-08-01", "price map"},
		"empty":        {"", "2026-08-01", "price map"},
		"no prices":    {`{"a": {}}`, "2026-08-01", "no model"},
		"no date":      {liteLLMMap, "yesterday", "date: got"},
		"a login page": {"<html>", "2026-08-01", "price map"},
		"50 MB":        {`{"a": "` + strings.Repeat("x", 50<<20) + `"}`, "2026-08-01", "more than 32 MiB"},
	} {
		if book, _, err := ImportLiteLLM(strings.NewReader(tc.text), tc.date); err == nil || !strings.Contains(err.Error(), tc.want) || len(book.Items()) > 0 {
			t.Errorf("%s: got %v, want %q and no book", name, err, tc.want)
		}
	}
}

// TestUpdateKeepsTheLastGoodRow holds that a list whose values moved tenfold changes nothing until somebody confirms it.
func TestUpdateKeepsTheLastGoodRow(t *testing.T) {
	t.Parallel()
	next, _, err := ImportLiteLLM(strings.NewReader(strings.ReplaceAll(liteLLMMap, "2.5e-07", "2.5e-06")), "2026-09-01")
	if err != nil {
		t.Fatal(err)
	}
	book, bad := Builtin().Update(next, nil)
	if row, _ := book.Value("openai/gpt-5-mini", "input"); row.Value != "0.25" || row.Date != "2026-08-01" {
		t.Errorf("got %+v, want the last good row", row)
	}
	if len(bad) != 1 || !strings.Contains(bad[0].Reason, "was 0.25 on 2026-08-01") {
		t.Errorf("quarantine: got %+v, want the row and what it was", bad)
	}
	if row, _ := book.Value("azure_ai/Llama-3.3-70B-Instruct", "input"); row.Date != "2026-09-01" {
		t.Errorf("a row beside it: got %+v, want the new one", row)
	}
	book, bad = Builtin().Update(next, []string{"openai/gpt-5-mini"})
	if row, _ := book.Value("openai/gpt-5-mini", "input"); row.Value != "2.5" || len(bad) > 0 {
		t.Errorf("confirmed: got %+v and %+v, want the new price", row, bad)
	}
	if f := (Change{Before: &Row{}, After: nil}).Factor(); f != nil {
		t.Errorf("a row that is gone changed by %v", f)
	}
}

// TestUpdateRefusesWhatCannotBeRight holds every rule that prices keep to, just within and just beyond it, against the prices of before and of
// the same list, whoever confirms them.
func TestUpdateRefusesWhatCannotBeRight(t *testing.T) {
	t.Parallel()
	book := func(unit string, values map[string]string) Book {
		b := Book{rows: map[string][]Row{}}
		for _, field := range slices.Sorted(maps.Keys(values)) {
			b.rows["a/m"] = append(b.rows["a/m"], Row{PriceSource: model.PriceSource{Item: "a/m", Field: field, Value: values[field], Unit: unit, Source: "s", Date: "2026-11-01"}})
		}
		return b
	}
	type prices = map[string]string
	for _, tc := range []struct {
		name         string
		before, next prices
		want         prices // of what came: a price that is believed
		reason       string // empty when all is
	}{
		{"cache as input", nil, prices{"input": "1", "output": "4", "cache_read": "1"}, prices{"cache_read": "1"}, ""},
		{"cache above input", nil, prices{"input": "1", "output": "4", "cache_read": "1.01"}, prices{"cache_read": "", "input": "1"}, "reading from the cache costs more than input, 1"},
		{"cache above the input of before", prices{"input": "1", "output": "4", "cache_read": "0.9"}, prices{"cache_read": "1.01"}, prices{"cache_read": "0.9"}, "reading from the cache costs more than input, 1"},
		{"input below the cache of before", prices{"input": "1", "output": "4", "cache_read": "0.9"}, prices{"input": "0.8", "output": "5"}, prices{"input": "1", "output": "5"}, "cache_read is 0.9, and then reading"},
		{"input ten times output", nil, prices{"input": "10", "output": "1"}, prices{"input": "10"}, ""},
		{"input above ten times output", nil, prices{"input": "10.01", "output": "1"}, prices{"input": "", "output": "1"}, "input costs more than 10 times output, 1"},
		{"output below a tenth of the input of before", prices{"input": "10", "output": "1"}, prices{"output": "0.9"}, prices{"output": "1"}, "input is 10, and then input costs more"},
		{"priority below 50 times", nil, prices{"input": "0.05", "output": "0.4", "priority_input": "2.49"}, prices{"priority_input": "2.49"}, ""},
		{"priority 50 times input", nil, prices{"input": "0.05", "output": "0.4", "priority_input": "2.5"}, prices{"priority_input": "", "input": "0.05"}, "priority costs 50 times"},
		{"priority 50 times output", nil, prices{"input": "0.05", "output": "0.4", "priority_output": "20"}, prices{"priority_output": "", "output": "0.4"}, "priority costs 50 times"},
		{"priority of nothing", nil, prices{"priority_input": "2.5"}, prices{"priority_input": "2.5"}, ""},
		{"as dear as no model", nil, prices{"input": "900", "output": "1000.01"}, prices{"output": "", "input": "900"}, "more than 1000 USD per million tokens"},
		{"as cheap as there is", nil, prices{"input": "0.01", "output": "0.01", "cache_read": "0.001", "batch_output": "0.005"}, prices{"input": "0.01", "cache_read": "0.001", "batch_output": "0.005"}, ""},
		{"input per thousand", nil, prices{"input": "0.0099", "output": "1"}, prices{"input": "", "output": "1"}, "less than 0.01 USD per million tokens"},
		{"output per token", nil, prices{"output": "0.000015"}, prices{"output": ""}, "less than 0.01 USD per million tokens"},
		{"a long prompt per token", nil, prices{"input": "3", "input_over_200k": "0.000006"}, prices{"input": "3", "input_over_200k": ""}, "less than 0.01 USD per million tokens"},
		{"priority per token", nil, prices{"input": "3", "priority_input": "0.000006"}, prices{"input": "3", "priority_input": ""}, "less than 0.01 USD per million tokens"},
		{"a batch per thousand", nil, prices{"output": "1", "batch_output": "0.0049"}, prices{"output": "1", "batch_output": ""}, "less than 0.005 USD per million tokens"},
		{"cache per thousand", nil, prices{"input": "1", "cache_read": "0.00099"}, prices{"input": "1", "cache_read": ""}, "less than 0.001 USD per million tokens"},
		{"a batch as without", nil, prices{"input": "1", "batch_input": "1"}, prices{"batch_input": "1"}, ""},
		{"a batch above it", nil, prices{"output": "4", "batch_output": "4.01"}, prices{"output": "4", "batch_output": ""}, "a batch costs more than output does without, 4"},
		{"input below the batch of before", prices{"input": "3", "output": "15", "batch_input": "1.7"}, prices{"input": "1.6"}, prices{"input": "3", "batch_input": "1.7"}, "batch_input is 1.7, and then a batch"},
		{"writing four times input", nil, prices{"input": "1", "cache_write": "4", "cache_write_1h": "4"}, prices{"cache_write": "4", "cache_write_1h": "4"}, ""},
		{"writing above it", nil, prices{"input": "1", "cache_write": "4.01"}, prices{"input": "1", "cache_write": ""}, "writing to the cache costs more than 4 times input, 1"},
		{"twice as much", prices{"input": "1", "output": "4"}, prices{"input": "2"}, prices{"input": "2"}, ""},
		{"half as much", prices{"input": "1", "output": "4"}, prices{"output": "2"}, prices{"output": "2"}, ""},
	} {
		got, bad := book(perMTok, tc.before).Update(book(perMTok, tc.next), []string{"a/m"})
		for field, want := range tc.want {
			if row, _ := got.Value("a/m", field); row.Value != want {
				t.Errorf("%s: %s: got %q, want %q", tc.name, field, row.Value, want)
			}
		}
		if tc.reason == "" && len(bad) > 0 || tc.reason != "" && (len(bad) != 1 || !strings.Contains(bad[0].Reason, tc.reason)) {
			t.Errorf("%s: quarantined %+v, want %q", tc.name, bad, tc.reason)
		}
		if left := got.Implausible(); len(left) > 0 {
			t.Errorf("%s: %+v is in force", tc.name, left)
		}
	}
	for value, reason := range map[string]string{"200": "", "200.01": "more than 200 USD", "0.01": "", "0.0099": "less than 0.01 USD"} {
		got, bad := Book{}.Update(book(gpuHour, prices{"usd_per_hour": value}), nil)
		if _, known := got.Value("a/m", "usd_per_hour"); known != (reason == "") || reason != "" && (len(bad) != 1 || !strings.Contains(bad[0].Reason, reason)) {
			t.Errorf("%s USD an hour of a GPU: known %v, quarantined %+v, want %q", value, known, bad, reason)
		}
	}
	for value, kept := range map[string]string{"2": "2", "2.01": "1", "0.5": "0.5", "0.49": "1"} {
		got, bad := book(perMTok, prices{"input": "1", "output": "4"}).Update(book(perMTok, prices{"input": value}), nil)
		if row, _ := got.Value("a/m", "input"); row.Value != kept || (len(bad) > 0) != (kept == "1") {
			t.Errorf("from 1 to %s without a word: got %s, quarantined %+v, want %s", value, row.Value, bad, kept)
		}
	}
}

// TestBookRoundTrip holds that a book is read as it was written.
func TestBookRoundTrip(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if n, err := Builtin().WriteTo(&text); err != nil || n != int64(text.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, text.Len(), err)
	}
	book, err := ReadBook(&text)
	if err != nil {
		t.Fatal(err)
	}
	if changes := Builtin().Diff(book); len(changes) > 0 {
		t.Errorf("got %+v, want no difference", changes)
	}
	if bad := Builtin().Implausible(); len(bad) > 0 {
		t.Errorf("the built-in book: %+v", bad)
	}
}

// TestPriceFiles holds that the book of a configuration is the built-in one with the rows of its files.
func TestPriceFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "item,field,value,unit,valid_from,valid_to,source,checked_at,note\n"
	write("own.csv", head+"openai/gpt-5-mini,input,0.2,USD/Mtok,,,contract,2026-10-01,\nopenai/gpt-5-mini,output,20,USD/Mtok,,,contract,2026-10-01,\n")
	const text = `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options: [{name: mini, kind: api, model: openai/gpt-5-mini}]
prices: {files: [own.csv]}
`
	c, err := Parse(filepath.Join(folder, "tipline.yml"), []byte(text), packs...)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Options[0].API; got.Input.Cmp(rat("0.25")) != 0 || got.Output.Cmp(rat("2")) != 0 {
		t.Errorf("got %v and %v, want both as they were: ten times is not believed, nor half of a repricing", got.Input, got.Output)
	}
	if len(c.Quarantined) != 2 {
		t.Errorf("quarantine: got %+v, want the output and the input", c.Quarantined)
	}
	write("own.csv", head+"openai/gpt-5-mini,input,0.2,USD/Mtok,,,contract,2026-10-01,\nopenai/gpt-5-mini,output,2,USD/Mtok,,,contract,2026-10-01,\n")
	if c, err = Parse(filepath.Join(folder, "tipline.yml"), []byte(text), packs...); err != nil || len(c.Quarantined) > 0 {
		t.Fatalf("got %v, %+v", err, c.Quarantined)
	}
	beside := func(p model.PriceSource) bool {
		return p.Value == "0.2" && strings.Contains(p.Source, "contract; 0.25 by LiteLLM")
	}
	if !slices.ContainsFunc(c.Options[0].Prices, beside) {
		t.Errorf("got %+v, want the price of the file beside the built-in one", c.Options[0].Prices)
	}
	write("own.csv", "item\n")
	for _, broken := range []string{text, strings.Replace(text, "own.csv", "missing.csv", 1)} {
		if _, err := Parse(filepath.Join(folder, "tipline.yml"), []byte(broken), packs...); err == nil || !strings.Contains(err.Error(), "prices.files[0]") {
			t.Errorf("got %v, want the place of the file that cannot be read", err)
		}
	}
}

// FuzzImportLiteLLM holds that no list brings a price in that is not above 0 or breaks its own rules.
func FuzzImportLiteLLM(f *testing.F) {
	f.Add([]byte(liteLLMMap))
	f.Add([]byte(`{"a": {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e999999}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		book, _, err := ImportLiteLLM(bytes.NewReader(data), "2026-08-01")
		if err != nil {
			return
		}
		if bad := book.Implausible(); len(bad) > 0 {
			t.Errorf("got %+v in the book", bad)
		}
		for _, item := range book.Items() {
			for _, row := range book.rows[item] {
				if row.Unit == dayUnit {
					continue
				}
				if value := row.Rat(); value == nil || value.Sign() <= 0 || value.Cmp(big.NewRat(mostMTok, 1)) > 0 {
					t.Errorf("got %+v in the book", row)
				}
			}
		}
	})
}

func BenchmarkImportRefused(b *testing.B) {
	huge := []byte(`{"a": "` + strings.Repeat("x", 50<<20) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ImportLiteLLM(bytes.NewReader(huge), "2026-08-01"); err == nil {
			b.Fatal("a list of 50 MB was read")
		}
	}
}

// TestRepricedAsAWhole holds that no half of a repricing is in force, and that what goes on as it was, or was before, is.
func TestRepricedAsAWhole(t *testing.T) {
	t.Parallel()
	book := func(lines ...string) Book {
		b := Book{rows: map[string][]Row{}}
		for _, line := range lines {
			f := append(strings.Fields(line), "", "")
			b.rows["a/m"] = append(b.rows["a/m"], Row{PriceSource: model.PriceSource{Item: "a/m", Field: f[0], Value: f[1], ValidFrom: f[2], ValidTo: f[3], Unit: perMTok, Source: "s", Date: "2026-11-01"}})
		}
		return b
	}
	before := book("input 3", "output 15", "cache_read 0.3", "priority_input 6")
	for _, tc := range []struct {
		name string
		next Book
		want string // field and value of the rows in force
		bad  int
	}{
		{"half of it jumps", book("input 1", "output 8"), "cache_read 0.3, input 3, output 15, priority_input 6", 2},
		{"the other half, listed first", book("input 2", "output 5", "cache_read 0.30"), "cache_read 0.30, input 3, output 15, priority_input 6", 2},
		{"a number that is new", book("input 1", "batch_input 0.5"), "cache_read 0.3, input 3, output 15, priority_input 6", 2},
		{"priority is on its own", book("output 14", "priority_input 60"), "cache_read 0.3, input 3, output 14, priority_input 6", 1},
		{"and goes on alone", book("output 1", "priority_input 5"), "cache_read 0.3, input 3, output 15, priority_input 5", 1},
		{"only later", book("input 2.9 2026-01-01 2026-12-31", "input 1 2027-01-01", "output 14 2026-01-01 2026-12-31", "output 8 2027-01-01"), "cache_read 0.3, input 2.9, output 14, priority_input 6", 2},
	} {
		after, bad := before.Update(tc.next, nil)
		var in []string
		for _, row := range after.Rows() {
			in = append(in, row.Field+" "+row.Value)
		}
		slices.Sort(in)
		if got := strings.Join(in, ", "); got != tc.want || len(bad) != tc.bad {
			t.Errorf("%s: got %s, quarantined %+v, want %s and %d quarantined", tc.name, got, bad, tc.want, tc.bad)
		}
		if again, bad := before.Update(tc.next, []string{"a/m"}); len(bad) > 1 || len(bad) == 1 && !isPriority(bad[0].Field) {
			t.Errorf("%s, confirmed: got %+v, quarantined %+v", tc.name, again, bad)
		}
	}
}

// TestUpdateInTime holds an announced price against the one that it follows, and keeps the good one before a wrong one.
func TestUpdateInTime(t *testing.T) {
	t.Parallel()
	row := func(value, from, to string) Row {
		return Row{PriceSource: model.PriceSource{Item: "a/m", Field: "input", Value: value, Unit: "USD/Mtok", Source: "list", Date: "2026-11-01", ValidFrom: from, ValidTo: to}}
	}
	book := Book{rows: map[string][]Row{"a/m": {row("1", "", "")}}}
	next := Book{rows: map[string][]Row{"a/m": {row("20", "2027-06-01", ""), row("1.5", "2027-01-01", "2027-05-31"), row("1.1", "", "2026-12-31")}}}
	merged, bad := book.Update(next, nil)
	if rows := merged.rows["a/m"]; len(rows) != 2 || rows[0].Value != "1.1" || rows[1].Value != "1.5" {
		t.Errorf("got %+v, want the two rows that are believed", rows)
	}
	if len(bad) != 1 || bad[0].Value != "20" || !strings.Contains(bad[0].Reason, "was 1.5") {
		t.Errorf("quarantine: got %+v, want the row that follows 1.5 with 20", bad)
	}
	merged, bad = book.Update(Book{rows: map[string][]Row{"a/m": {row("10", "2027-01-01", "")}}}, nil)
	if rows := merged.rows["a/m"]; len(rows) != 1 || rows[0].Value != "1" || len(bad) != 1 {
		t.Errorf("got %+v and %+v, want what was there", rows, bad)
	}
	if changes := book.Diff(next); len(changes) != 3 || changes[0].From != "" || changes[2].From != "2027-06-01" || changes[2].Before != nil {
		t.Errorf("diff: got %+v, want the change of today's price and two new ones", changes)
	}
}
