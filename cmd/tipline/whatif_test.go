package main

import (
	"encoding/json"
	"flag"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

var update = flag.Bool("update", false, "write the golden files")

// TestScenarios holds what every scenario of testdata prints, and so does the commented reference of their form.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/whatif/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("got %d scenarios, %v", len(files), err)
	}
	for _, file := range append(files, "../../config/scenario.yaml") {
		code, out, errs := tipline(t, t.TempDir(), "whatif", file)
		if code != exitDone || errs != "" {
			t.Errorf("%s: exit %d, %s", file, code, errs)
			continue
		}
		golden := filepath.Join("testdata/whatif", strings.TrimSuffix(filepath.Base(file), ".yaml")+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(readFile(t, golden), out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestWhatIfAsJSON(t *testing.T) {
	t.Parallel()
	code, out, errs := tipline(t, t.TempDir(), "whatif", "testdata/whatif/another-gpu.yaml", "-o", "json", "--set=constraints.residency=")
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	var a struct {
		Changes []struct{ Path, From, To string }
		Today   verdictOf
		WhatIf  verdictOf `json:"what_if"`
		Differs bool
		Evens   model.BreakEvens `json:"break_evens"`
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Changes) != 4 || a.Changes[3].Path != "constraints.residency" || a.Changes[3].From != "eu" {
		t.Errorf("changes: got %+v, want that of the file and that of the command line", a.Changes)
	}
	if n := len(a.Evens.Cheapest); n == 0 || a.Evens.Cheapest[n-1].To != a.Evens.SearchedTokens || len(a.Evens.PerRequest) == 0 {
		t.Errorf("break-evens: got %+v, want what is cheapest over all volumes that were looked at, and a replica by the request", a.Evens)
	}
	if a.Today.Decision.Option != "scaleway-llama" || a.WhatIf.Decision.Option != "groq-llama" || !a.Differs {
		t.Errorf("got %s today and %s then, want the API of the region and the cheaper one of elsewhere", a.Today.Decision.Option, a.WhatIf.Decision.Option)
	}
}

// TestWhatIfUnderAContract holds a scenario with a contract to its bill by hand: 70,000 USD with the workload, of which 20,000 are above the tier, less
// the 30,000 that others spend on another option.
func TestWhatIfUnderAContract(t *testing.T) {
	t.Parallel()
	for set, want := range map[string][2]float64{
		"options.large.contract_tiers.1.discount=80%":      {39_000, 24_000},
		"options.large.contract_tiers.1.above_usd=30000":   {39_000, 8_000}, // all of it, at 80% off by the file
		"options.large.other_usd_per_month=60000":          {39_000, 8_000},
		"options.large.prices=-50%":                        {39_000, 20_000},
		"options.small.prices=+100%":                       {39_000, 8_000}, // the others spend 60,000 USD then
		"options.large.contract_tiers.3.discount=0.9":      {},
		"options.large.contract_tiers.1.above_usd=600000":  {}, // above the second
		"options.large.contract_tiers.1.above_usd=-100%":   {},
		"options.own.gpu=h200":                             {},
		"options.large.contract_tiers.all_units=true":      {39_000, -16_000}, // 70,000 × 0.2 − 30,000: the others save more than it costs
		"options.large.minimum_commit_usd_per_month=60000": {39_000, 0},
	} {
		code, out, errs := tipline(t, t.TempDir(), "whatif", "testdata/whatif/contract.yaml", "-o", "json", "--set="+set)
		if want == [2]float64{} {
			if code != exitNotRight || out != "" || !strings.HasPrefix(errs, "tipline: "+strings.Join(strings.Split(set, ".")[:2], ".")) {
				t.Errorf("%s: exit %d, %s, %s, want to be told what is wrong with it", set, code, out, errs)
			}
			continue
		}
		var a struct {
			Today  verdictOf
			WhatIf verdictOf `json:"what_if"`
		}
		if err := json.Unmarshal([]byte(out), &a); code != exitDone || err != nil {
			t.Fatalf("%s: exit %d, %s", set, code, errs)
		}
		for i, v := range []verdictOf{a.Today, a.WhatIf} {
			if got := float64(v.Options[0].USDPerMonth.P50); math.Abs(got-want[i]) > 1e-6 {
				t.Errorf("%s: got %v USD, want %v", set, got, want[i])
			}
		}
		if account := a.Today.Options[0].Account; account == nil || account.Contract != "provider" || account.ElsewhereUSDPerMonth != 30_000 || !strings.Contains(account.Text("large"), "the what-if") {
			t.Errorf("%s: got %+v, want what others spend", set, account)
		}
	}
}

// TestWhatIfOfAWorkload changes what a configured workload rests on: by its configuration, by a running daemon, by a receipt.
func TestWhatIfOfAWorkload(t *testing.T) {
	t.Parallel()
	folder, _, box := stageProgram(t)
	_, before, _ := tipline(t, folder, "whatif", "--workload=sup|port", "--set=options.api.prices=-50%")
	for _, want := range []string{
		"options.api.prices  3 in, 3 out  → 1.5 in, 1.5 out", "DECISION: stay", "Without the changes: move to fleet, because at ",
	} {
		if !strings.Contains(before, want) {
			t.Errorf("no %q in\n%s", want, before)
		}
	}
	_, address, log := child(t, folder)
	await(t, log, "one message in Slack", func() bool { return len(box.Messages()) == 1 })
	code, asked, errs := alone(t, "whatif", "--server", address, "--workload=sup|port", "--set=options.api.prices=-50%")
	if code != exitDone || tail(asked) != tail(before) {
		t.Errorf("--server: exit %d, %s\n%s\nwant\n%s", code, errs, asked, before)
	}
	id := receiptID(t, get(t, http.MethodGet, address+"/api/v1/report", http.StatusOK))
	file := filepath.Join(t.TempDir(), "receipt.json")
	writeFile(t, file, get(t, http.MethodGet, address+"/api/v1/decisions/"+id, http.StatusOK))
	code, kept, errs := alone(t, "whatif", "--receipt", file, "--set=options.api.prices=-50%")
	if code != exitDone || tail(kept) != tail(before) {
		t.Errorf("--receipt: exit %d, %s\n%s\nwant\n%s", code, errs, kept, before)
	}
}

// TestWhatIfReadsThePriceBook takes an item from the books of the configuration and of the scenario, not from the built-in one alone.
func TestWhatIfReadsThePriceBook(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	book := filepath.Join(folder, "book.csv")
	writeFile(t, book, "item,field,value,unit,valid_from,valid_to,source,checked_at,note\nhouse/h100,usd_per_hour,1.25,USD/GPU-hour,,,framework agreement,2026-11-01,\n")
	file := filepath.Join(folder, "tipline.yml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(data)+"\nprices: {files: [book.csv]}\n")
	const change = "--set=options.fleet.usd_per_hour=house/h100"
	if code, out, errs := tipline(t, folder, "whatif", "--workload=sup|port", change); code != exitDone || !strings.Contains(out, "→ 1.25 USD/GPU-hour") {
		t.Errorf("configured: exit %d, %s\n%s", code, errs, out)
	}
	example, err := filepath.Abs("testdata/whatif/cheap-model.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(example); err != nil {
		t.Fatal(err)
	}
	scenario := filepath.Join(folder, "scenario.yaml")
	writeFile(t, scenario, string(data)+"\nprices: {files: [book.csv]}\n")
	s, err := config.LoadScenario(scenario)
	if err != nil {
		t.Fatal(err)
	}
	fleet := slices.IndexFunc(s.Options, func(o decide.Option) bool { return o.Hosting == model.SelfHosted })
	set := "--set=options." + s.Options[fleet].Name + ".usd_per_hour=house/h100"
	if code, out, errs := alone(t, "whatif", scenario, set); code != exitDone || !strings.Contains(out, "→ 1.25 USD/GPU-hour") {
		t.Errorf("scenario: exit %d, %s\n%s", code, errs, out)
	}
	if code, _, errs := alone(t, "whatif", example, set); code != exitNotRight || !strings.Contains(errs, "an item of the price book") {
		t.Errorf("an item that no book has: exit %d, %s", code, errs)
	}
}

// tail returns text without its first lines, which name the day.
func tail(text string) string {
	_, rest, _ := strings.Cut(text, "\nCHANGED")
	return rest
}

func receiptID(t *testing.T, report string) string {
	t.Helper()
	var r struct {
		Workloads []struct {
			Decision struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil || len(r.Workloads) != 1 {
		t.Fatalf("%v in %s", err, report)
	}
	return r.Workloads[0].Decision.ID
}

func TestWhatIfSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	folder, _, _ := stageProgram(t)
	const scenario = "testdata/whatif/cheap-model.yaml"
	for _, tc := range []struct {
		name string
		code int
		args []string
		want string
	}{
		{"no start", exitUsage, nil, "want one start"},
		{"two starts", exitUsage, []string{scenario, "--workload=a"}, "want one start"},
		{"nothing to change", exitUsage, []string{"--workload=a"}, "want --set"},
		{"a change without a value", exitUsage, []string{scenario, "--set=policy.enter"}, `got "policy.enter", want PATH=VALUE`},
		{"a server without a workload", exitUsage, []string{scenario, "--server=http://x"}, "want --workload"},
		{"no such file", exitNotRight, []string{"none.yaml"}, "no such file"},
		{"not a scenario", exitNotRight, []string{filepath.Join(folder, "tipline.yml")}, "tipline.yml:1:1: sources: unknown key"},
		{"a path that is not there", exitNotRight, []string{scenario, "--set=options.own-llama-70b.usd_per_hor=3"}, `did you mean "options.own-llama-70b.usd_per_hour"?`},
		{"a value that is none", exitNotRight, []string{scenario, "--set=policy.enter=lots"}, `policy.enter: got "lots", want a share`},
		{"a workload that is not there", exitNotRight, []string{"--workload=none", "--set=policy.enter=0"}, `"none": not found, want one of sup|port`},
	} {
		code, out, errs := tipline(t, folder, append([]string{"whatif"}, tc.args...)...)
		if code != tc.code || out != "" || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit %d, %q, want exit %d and %q", tc.name, code, errs, tc.code, tc.want)
		}
	}
}
