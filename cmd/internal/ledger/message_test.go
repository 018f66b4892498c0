package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// priced returns the message that an API will cost half as much again, of a fleet of n workloads beside one whose receipt is in the rows.
func priced(t *testing.T, n int) (Message, rows) {
	t.Helper()
	in := fiveOptions()
	data := seal(t, receiptOf(in))
	r, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	before := in.Options[0].TariffAt(asOf)
	dearer := *before.API
	dearer.Input, dearer.Output = new(big.Rat).Mul(dearer.Input, big.NewRat(3, 2)), new(big.Rat).Mul(dearer.Output, big.NewRat(3, 2))
	after := before
	after.API = &dearer
	c := decide.Change{Tariffs: map[string]decide.Tariff{"api-a": after}, At: asOf.AddDate(0, 1, 0)}
	does := c.Reprice([]decide.Judged{{Verdict: decide.Decide(in), Receipt: r.ID}})
	does.From, does.Ahead, does.Moves = "2026-12-23", true, decide.Moves("api-a", before, after)
	if does.CostUSDPerMonth < 1 || len(does.Moves) != 2 {
		t.Fatalf("got %+v, want a change that costs", does.PriceEvent)
	}
	for i := range n {
		one := does.Each[0]
		one.Workload, one.Receipt, one.Counts = fmt.Sprintf("workload-%05d %s", i, strings.Repeat("x", 60)), fmt.Sprintf("%012x", i+1), one.Counts/model.USD(i+2)
		does.Each = append(does.Each, one)
		does.CostUSDPerMonth += one.Counts
		does.Closer = append(does.Closer, one.Workload)
	}
	does.Flips = []model.PriceFlip{{Workload: in.Workload, Before: does.Each[0].Was, After: does.Each[0].Is, Receipt: r.ID}}
	return Message{
		ID: "c0ffee00c0ffee01", Kind: "prices_moved", AsOf: asOf, Engine: "1.0.0", ConfigHash: "ab", Prices: &does.PriceEvent,
		Grounds: Grounds{Change: &c, Standing: map[string]decide.Tariff{"api-a": before}, Each: does.Each, Bills: does.Bills},
	}, rows{r.ID: data}
}

// TestMessageReceiptIsBounded holds that the receipt of a change of prices under 10,000 workloads takes no more than MaxBytes, adds up all the same, and is
// computed again from itself and the receipts that it names; that the message stays as it is; and that a changed number is found.
func TestMessageReceiptIsBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 10_000} {
		said, kept := priced(t, n)
		m := said
		m.RestOn()
		m.Receipts = m.Receipts[:1] // of the others there are none in this test
		data, err := m.Seal()
		if err != nil || len(data) > MaxBytes || VerifyMessage(data) != nil {
			t.Fatalf("%d workloads: got %d bytes, %v, %v", n, len(data), err, VerifyMessage(data))
		}
		if len(said.Prices.Closer) != n || len(said.Each) != n+1 || (m.Rest != nil) != (n > 0) || n > 0 && m.Rest.Workloads+len(m.Each) != n+1 {
			t.Errorf("%d workloads: kept %d and the sum %+v", n, len(m.Each), m.Rest)
		}
		again := said
		again.RestOn()
		again.Receipts = again.Receipts[:1]
		if second, err := again.Seal(); err != nil || !bytes.Equal(second, data) {
			t.Errorf("%d workloads: sealed again it is another: %v", n, err)
		}
		kept[m.ID] = data
		bundled, err := Bundled(m.ID, func(id string) ([]byte, error) { return kept.Get(Bucket, id) })
		if err != nil {
			t.Fatal(err)
		}
		var printed bytes.Buffer
		if err := json.Indent(&printed, bundled, "", "  "); err != nil {
			t.Fatal(err)
		}
		check := func(data []byte) (Comparison, error) {
			b, ok := OpenBundle(data)
			read, err := OpenMessage(b.Message)
			if !ok || err != nil {
				t.Fatalf("%d workloads: %v", n, err)
			}
			if VerifyMessage(b.Message) != nil {
				return Comparison{}, errChanged
			}
			return b.Recompute(read)
		}
		c, err := check(printed.Bytes())
		if err != nil || len(c.Differences) > 0 || c.Amounts < 20 {
			t.Errorf("%d workloads: computed again: %d amounts, %q, %v", n, c.Amounts, c.Differences, err)
		}
		if n > 0 {
			continue
		}
		for what, change := range map[string]func(m *Message){
			"the sum":         func(m *Message) { m.Prices.CostUSDPerMonth += 0.01 },
			"a workload":      func(m *Message) { *m.Each[0].After += 0.01 },
			"a price":         func(m *Message) { m.Prices.Moves[0].After = "2" },
			"an answer":       func(m *Message) { m.Prices.Flips[0].After = "move to nothing" },
			"a receipt, gone": func(m *Message) { m.Receipts = []string{"0123456789ab"} },
		} {
			b, _ := OpenBundle(bundled)
			wrong, err := OpenMessage(b.Message)
			if err != nil {
				t.Fatal(err)
			}
			change(&wrong)
			if c, err := b.Recompute(wrong); err == nil && len(c.Differences) == 0 {
				t.Errorf("%s is changed: nothing was found", what)
			}
		}
		if _, err := check(bytes.Replace(bundled, []byte(`"engine":"1.0.0"`), []byte(`"engine":"1.0.1"`), 1)); err == nil {
			t.Error("a word is changed: nothing was found")
		}
	}
}

// TestFaultReceipt holds that a fault that its readings do not bear out is found, and that one without a reading has nothing to compute.
func TestFaultReceipt(t *testing.T) {
	t.Parallel()
	for value, faulty := range map[float64]bool{5: false, 6: true, 24: true, 25: false} {
		m := Message{Faults: []model.DataFault{
			{Source: "gateway", Code: "SCRAPE_GAP", Readings: []model.Reading{{What: "hours", Value: value, AtLeast: new(6.0), AtMost: new(24.0)}}},
			{Source: "other", Code: "TOO_MANY_WORKLOADS"},
		}}
		if c, err := (Bundle{}).Recompute(m); err != nil || c.Numbers != 1 || (len(c.Differences) == 0) != faulty {
			t.Errorf("%v hours: got %+v, %v", value, c, err)
		}
	}
}

// TestMessagesAreCompacted holds the rule of what is kept of a message: whole for 400 days, as the receipts that it names, then what it says; one about a workload
// says no more than where that is, for ever.
func TestMessagesAreCompacted(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, age := range []time.Duration{day, 399 * day, 401 * day, 3650 * day} {
		m, kept := priced(t, 3)
		m.RestOn()
		data, err := m.Seal()
		if err != nil {
			t.Fatal(err)
		}
		one := Message{ID: "c0ffee00c0ffee02", Kind: "first_seen", AsOf: asOf, Workload: "w", Receipt: m.Receipts[0]}
		pointer, err := one.Seal()
		if err != nil {
			t.Fatal(err)
		}
		kept[m.ID], kept[one.ID], kept["corrupt-16-digit"] = data, pointer, []byte("?")
		for range 2 {
			if _, err := Compact(kept, asOf.Add(age)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Open(kept[m.Receipts[0]])
		if err != nil || (r.Inputs != nil) != (age < 400*day) {
			t.Errorf("%v: the receipt that the message names has inputs: %v, %v", age, r.Inputs != nil, err)
		}
		left, err := OpenMessage(kept[m.ID])
		if err != nil || VerifyMessage(kept[m.ID]) != nil || (left.Change != nil) != (age < 400*day) || left.Prices.CostUSDPerMonth != m.Prices.CostUSDPerMonth {
			t.Errorf("%v: got %+v, %v", age, left, err)
		}
		if !bytes.Equal(kept[one.ID], pointer) {
			t.Errorf("%v: the message about a workload is not as it was", age)
		}
	}
}

// TestIDsAreNoNumbers holds that an id or a name of digits and an e is not taken for a number of thousands of digits, and that such a number is.
func TestIDsAreNoNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"id":"8e1234567890"}`: false, `{"Decision": "81234567e890"}`: false, `{"hash":"1234567890e12345"}`: false, `{"receipts": ["8e1234567890", "9e1234567890"]}`: false,
		`{"workload":"1e23456","case":"1234567890e12345","source":"e2024","Name":"7e12345"}`: false, `{"tariffs":{"p4000":{}}}`: false,
		`{"Input":"8e1234567890"}`: true, `{"Input":"._1_e99999"}`: true, `{"id":"8e1234567890","Input":"1e99999"}`: true, `{"receipts":[],"Hour":"8e12345"}`: true,
	} {
		if huge([]byte(text)) != want {
			t.Errorf("%s: got %v", text, !want)
		}
	}
}
