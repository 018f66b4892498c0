package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
)

// messages returns the ids of the messages that the ledger in folder holds, by their kinds.
func messages(t *testing.T, folder string) map[alerting.Reason]string {
	t.Helper()
	file, err := store.OpenToRead(filepath.Join(folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ids := map[alerting.Reason]string{}
	err = file.Scan(ledger.Bucket, "", func(key string, value []byte) error {
		if !ledger.ValidMessageID(key) {
			return nil
		}
		m, err := ledger.OpenMessage(value)
		ids[alerting.Reason(m.Kind)] = m.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestExplainStrangeMessages holds that a file which no tipline wrote is refused, or what can be said of it, with an error.
func TestExplainStrangeMessages(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"nothing":             `{}`,
		"no budget":           `{"version": 1, "kind": "over_budget"}`,
		"an unknown kind":     `{"version": 1, "kind": "rumour", "budget": {}}`,
		"a newer one":         `{"version": 99, "kind": "digest", "digest": {}}`,
		"a digest of nothing": `{"version": 1, "kind": "digest", "digest": {"month": {}}, "month": {"items": [{}]}, "parts": [{}]}`,
		"prices of nothing":   `{"version": 1, "kind": "prices_moved", "prices": {}, "change": {}, "bills": {"is": [{"option": {"Account": "a"}, "usage": [{}]}]}, "each": [{}]}`,
		"a dear digit":        `{"version": 1, "kind": "prices_moved", "prices": {}, "change": {"tariffs": {"a": {"Hour": "1e999999999"}}}}`,
		"a storm of words":    `{"version": 1, "kind": "summed_up", "storm": {"named": [{"reason": "drifted"}]}}`,
		"another's receipt":   `{"version": 1, "kind": "digest", "digest": {}, "receipts": ["0123456789ab"]}`,
	} {
		file := filepath.Join(t.TempDir(), "receipt.json")
		writeFile(t, file, `{"message": `+message+`, "receipts": {"0123456789ab": {"version": 2}}}`)
		code, out, errs := alone(t, "explain", "--receipt", file)
		if code != exitNotRight || errs == "" || strings.Contains(errs, "panic") {
			t.Errorf("%s: exit %d, %q, want an error\n%s", name, code, errs, out)
		}
	}
}

// TestExplainMessages explains a message about a budget, one about prices and one about a workload by their ids, here and in a process without server,
// configuration and data file, and finds what was changed on the way.
func TestExplainMessages(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	configured := func(old, with string) {
		file := filepath.Join(folder, "tipline.yml")
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("no %q in the configuration: %v", old, err)
		}
		writeFile(t, file, strings.Replace(string(text), old, with, 1))
	}
	configured("policy:", "budgets: [{name: all, usd_per_month: 1}]\npolicy:")
	evaluated(t, folder)
	configured("input: 3, output: 3", "input: 5, output: 5")
	evaluated(t, folder)
	ids := messages(t, folder)
	for kind, wants := range map[alerting.Reason][]string{
		alerting.OverBudget:  {"│ Budget all: ", "TOKENS SO FAR", "sup|port", "together", "PRICES AND RATES OF THE OPTIONS IN USE", "example/model", "sum by (team_alias) (increase(litellm_input_tokens_metric_total[1h]"},
		alerting.PricesMoved: {"│ Prices of api changed: $", "BEFORE", "sup|port", "together", "AND WHERE THEY ARE FROM", "before", "after", "3 USD/Mtok", "5 USD/Mtok", "Source gateway, "},
		alerting.FirstSeen:   {"Receipt ", " of sup|port", "which message " + ids[alerting.FirstSeen] + " rests on (first seen)"},
	} {
		id := ids[kind]
		code, said, errs := tipline(t, folder, "explain", id)
		for _, want := range append(wants, "all the same to the cent") {
			if code != exitDone || !strings.Contains(said, want) {
				t.Errorf("%s: exit %d, %s, no %q in\n%s", kind, code, errs, want, said)
			}
		}
		_, receipt, _ := tipline(t, folder, "explain", id, "-o", "json")
		file := filepath.Join(t.TempDir(), "receipt.json")
		writeFile(t, file, receipt)
		code, elsewhere, errs := alone(t, "explain", "--receipt", file)
		if code != exitDone || kind != alerting.FirstSeen && elsewhere != said {
			t.Errorf("%s elsewhere: exit %d, %s\n%s", kind, code, errs, elsewhere)
		}
		if code, shown, errs := tipline(t, folder, "preview", id); code != exitDone || !strings.Contains(shown, "tipline explain ") {
			t.Errorf("%s: preview: exit %d, %s\n%s", kind, code, errs, shown)
		}
		if kind == alerting.FirstSeen {
			continue
		}
		for _, change := range []string{`"p50": `, `"Input": "`, `"value": "`} { // in the message or in a receipt beside it
			writeFile(t, file, strings.Replace(receipt, change, change+"1", 1))
			if code, out, _ := alone(t, "explain", "--receipt", file); strings.Contains(receipt, change) && (code != exitNotRight || !strings.Contains(out, "MISMATCH")) {
				t.Errorf("%s: %s is changed: exit %d, want a mismatch\n%s", kind, change, code, out)
			}
		}
		if code, _, errs := alone(t, "explain", "0123456789abcdef", "--receipt", file); code != exitNotRight || !strings.Contains(errs, id) {
			t.Errorf("%s: another id than asked for: exit %d, %q", kind, code, errs)
		}
	}
	if code, _, errs := tipline(t, folder, "explain", "0123456789abcdef"); code != exitNotRight || !strings.Contains(errs, "message 0123456789abcdef: the ledger in ") {
		t.Errorf("an unknown message: exit %d, %q", code, errs)
	}
}
