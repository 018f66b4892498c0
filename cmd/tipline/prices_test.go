package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// priceMap is in the form of the LiteLLM price map; the first model and its prices are those of 1 August 2026 but for the
// output, which fell by half, the second is made up to be wrong.
const priceMap = `{
  "gpt-5-mini": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-07, "output_cost_per_token": 1e-06},
  "wrong": {"litellm_provider": "nobody\u001b[2J", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 1e-06}
}`

// TestPrices goes from a list of others to the prices in force: import, check, compare, list.
func TestPrices(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	list, book := filepath.Join(folder, "list.json"), filepath.Join(folder, "book.csv")
	writeFile(t, list, priceMap)
	code, out, errs := tipline(t, folder, "prices", "import", "--from=litellm", "--date=2026-09-01", "--out="+book, list)
	if code != exitDone || !strings.Contains(out, "1 item, 1 rows quarantined") || !strings.Contains(errs, "want a price above 0") || strings.Contains(errs, "\x1b") {
		t.Errorf("import: exit %d, %q, %q", code, out, errs)
	}
	if code, out, errs = tipline(t, folder, "prices", "check", book); code != exitDone || !strings.Contains(out, "good: 1 item") {
		t.Errorf("check: exit %d, %q, %q", code, out, errs)
	}
	code, out, _ = tipline(t, folder, "prices", "diff", builtinBook, book)
	var line string
	for l := range strings.Lines(out) {
		if strings.HasPrefix(l, "openai/gpt-5-mini  ") && strings.Contains(l, " output ") {
			line = strings.Join(strings.Fields(l), " ")
		}
	}
	if code != exitDone || line != "openai/gpt-5-mini output - 2 1 −50%" {
		t.Errorf("diff: exit %d, got %q", code, line)
	}
	file := filepath.Join(folder, "tipline.yml")
	writeFile(t, file, readFile(t, file)+"prices: {files: [book.csv]}\n")
	code, out, errs = tipline(t, folder, "prices", "list", "--item=openai/gpt-5-mini", "--output=csv")
	if code != exitDone || !strings.Contains(out, "openai/gpt-5-mini,output,1,USD/Mtok,,,") || !strings.Contains(out, ",2026-09-01,") ||
		!strings.Contains(out, "cache_read,0.025,USD/Mtok,,,") || !strings.Contains(out, ",2026-08-01,") {
		t.Errorf("list: exit %d, %q, %q", code, out, errs)
	}
	writeFile(t, file, readFile(t, file)+"contracts: [{name: provider, options: [api], tiers: {kind: marginal, steps: [{above_usd: 50000, discount: 0.05}]}}]\n")
	code, out, errs = tipline(t, folder, "prices", "list", "--item=api")
	if code != exitDone || !strings.Contains(out, "api     contract above 50000 USD.discount  0.05   share     always  -        configuration") || strings.Contains(out, "0.025") {
		t.Errorf("list of an option: exit %d, %q, %q, want what is agreed upon and no row of the book", code, out, errs)
	}
	for _, args := range [][]string{
		{"prices", "list", "--item=no/such"},
		{"prices", "check", list},
		{"prices", "diff", builtinBook, filepath.Join(folder, "missing")},
		{"prices", "import", "--from=litellm", "--date=2026-09-01", book},
	} {
		if code, out, errs = tipline(t, folder, args...); code != exitNotRight || out != "" || errs == "" {
			t.Errorf("%v: exit %d, %q, %q, want to be told what is wrong", args, code, out, errs)
		}
	}
	jumped := filepath.Join(folder, "jumped.csv")
	writeFile(t, jumped, strings.ReplaceAll(readFile(t, book), "openai/gpt-5-mini,output,1,", "openai/gpt-5-mini,output,9,"))
	if code, out, errs = tipline(t, folder, "prices", "check", jumped); code != exitNotRight || !strings.Contains(errs, "wants to be confirmed") {
		t.Errorf("check of a price that jumped: exit %d, %q, %q", code, out, errs)
	}
	writeFile(t, file, strings.ReplaceAll(readFile(t, file), "files: [book.csv]", "files: [book.csv], confirmed: [openai/gpt-5-mini]"))
	if code, out, errs = tipline(t, folder, "prices", "check", jumped); code != exitDone {
		t.Errorf("check of one that is confirmed: exit %d, %q, %q", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("prices made a data folder")
	}
}
