package main

import (
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/decide"
)

// TestExplainSharedFleet computes the receipt of a shared fleet again in a process without server, configuration and data file: two replicas
// and a spare at 5,825.40 USD a month each and 9,387 USD of operations are 26,863.20 USD, against 35,000 USD alone.
func TestExplainSharedFleet(t *testing.T) {
	t.Parallel()
	pool := decide.Pool{
		Option: "fleet", Hosting: model.SelfHosted, ReplicasPerBlock: 1, MinReplicas: 1, SpareReplicas: 1, BlockCost: big.NewRat(58254, 10), Fixed: big.NewRat(9387, 1),
		Tenants: []decide.Tenant{
			{Workload: "chat\x1b[31m", Decision: "0514a8524d8c", Peak: 0.9, Alone: 17_500, Now: new(17_500.0)},
			{Workload: "search", Decision: "1514a8524d8c", Peak: 0.8, Alone: 17_500},
		},
	}
	for h := range pool.Load {
		pool.Load[h] = 1.2
	}
	pool.Load[30] = 1.7
	r := ledger.Receipt{AsOf: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC), Engine: "development"}
	if err := r.SetPool(pool); err != nil {
		t.Fatal(err)
	}
	file, data, out := explained(t, &r, []string{
		"Receipt ID of a fleet that 2 workloads may share", "VERDICT: share fleet", "$17,476.20", "3 of them, spares included, for the 1.70 that the highest hour takes, Tuesday 06:00 UTC",
		"$9,387.00", "$26,863.20", "$35,000.00", "$8,136.80", "0514a8524d8c", "  0.80  ", "unknown", "all the same to the cent",
	})
	if strings.Contains(out, "what serves them now") {
		t.Errorf("what search costs now is not known, and yet\n%s", out)
	}
	mismatch(t, file, data, map[string]*strings.Replacer{
		"what a workload costs alone": strings.NewReplacer(`"Alone":17500,"Now":17500`, `"Alone":17499,"Now":17500`),
		"the saving":                  strings.NewReplacer(`"saving_usd_per_month":8136.8`, `"saving_usd_per_month":9136.8`),
		"an hour":                     strings.NewReplacer("1.7,", "2.7,"),
	})
	writeFile(t, file, strings.Replace(data, `"ReplicasPerBlock":1`, `"ReplicasPerBlock":0`, 1))
	if code, _, errs := alone(t, "explain", "--receipt", file); code != exitNotRight || !strings.Contains(errs, "how many replicas it has") {
		t.Errorf("a block of nothing: exit %d, %q", code, errs)
	}
}

// explained seals r and explains it in a process without server, configuration and data file; what that says has to hold wants, with
// the id of r in place of ID.
func explained(t *testing.T, r *ledger.Receipt, wants []string) (file, data, out string) {
	t.Helper()
	sealed, err := r.Seal()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "receipt.json")
	writeFile(t, file, string(sealed))
	code, out, errs := alone(t, "explain", r.ID, "--receipt", file)
	if code != exitDone || errs != "" || strings.Contains(out, "\x1b") {
		t.Fatalf("exit %d, %q\n%s", code, errs, out)
	}
	for _, want := range wants {
		if want = strings.ReplaceAll(want, "ID", r.ID); !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	return file, string(sealed), out
}

// mismatch makes each of changes to the receipt data, which has to be found out.
func mismatch(t *testing.T, file, data string, changes map[string]*strings.Replacer) {
	t.Helper()
	for name, change := range changes {
		changed := change.Replace(data)
		if changed == data {
			t.Fatalf("%s is not in the receipt", name)
		}
		writeFile(t, file, changed)
		if code, out, errs := alone(t, "explain", "--receipt", file); code != exitNotRight || !strings.Contains(out, "MISMATCH") || !strings.Contains(errs, "computed again") {
			t.Errorf("%s is changed: exit %d, %q, want a mismatch\n%s", name, code, errs, out)
		}
	}
}
