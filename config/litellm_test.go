package config

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
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
  "not-a-model": 7
}`

func TestImportLiteLLM(t *testing.T) {
	t.Parallel()
	book, bad, err := ImportLiteLLM(strings.NewReader(liteLLMMap), "2026-08-01")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"azure_ai/Llama-3.3-70B-Instruct", "openai/gpt-5-mini"}, book.Items()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	if changes := Builtin().Only(func(item string) bool { return item == "openai/gpt-5-mini" }).Diff(book.Only(func(item string) bool { return item == "openai/gpt-5-mini" })); len(changes) > 0 {
		t.Errorf("the built-in prices of the same day differ: %+v", changes)
	}
	if row, known := book.Value("azure_ai/Llama-3.3-70B-Instruct", "retires"); !known || row.Value != "2027-05-01" || row.Unit != dayUnit {
		t.Errorf("got %+v, want the last day of the model", row)
	}
	said := map[string]string{}
	for _, q := range bad {
		said[q.Item] += q.Field + " " + q.Reason + "\n"
	}
	for item, want := range map[string]string{
		"nobody/free": "want a price above 0", "nobody/dear-cache": "costs more than input", "nobody/swapped": "more than 10 times output",
		"nobody/per-thousand": "taken for per million", "nobody/text": "want a number", "nobody/negative": "above 0", "nobody/endless": "want a number",
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
	if got := c.Options[0].API; got.Input.Cmp(rat("0.2")) != 0 || got.Output.Cmp(rat("2")) != 0 {
		t.Errorf("got %v and %v, want the input of the file and the output that was there: ten times is not believed", got.Input, got.Output)
	}
	if len(c.Quarantined) != 1 {
		t.Errorf("quarantine: got %+v, want the output", c.Quarantined)
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
