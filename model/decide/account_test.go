package decide

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// randomOthers returns what other workloads use of "account": up to a hundred billion tokens, in one block or two.
func randomOthers(r *rand.Rand) []Others {
	usage := make([]cost.Usage, 1+r.IntN(2))
	for i := range usage {
		usage[i].Batch = i == 1
		usage[i].Tokens[model.Input], usage[i].Tokens[model.Output] = big.NewRat(1+r.Int64N(1e11), 1), big.NewRat(r.Int64N(1e10), 1)
	}
	return []Others{{Account: "account", Usage: usage, From: []model.AccountShare{{Workload: "other", TokensPerMonth: 1}}}}
}

// onAccount returns the input of a workload of so many tokens a month of 730 hours on an option of four.
func onAccount(name, current string, tokens float64, options []Option) Input {
	in := input(projection(tokens*720/730, 0, 0), options)
	in.Workload, in.Current = name, current
	return in
}

// TestAccountByHand has three workloads of 4B, 8B and 12B tokens a month on an API at 3 USD/Mtok, half of it above 10B tokens. The others fill the
// first tier beside each of them, so that each adds 1.5 USD for every million of its own, marginal or not: both with and without it the month is
// above the bound. Alone the smallest would cost 12,000 USD and not 6,000.
func TestAccountByHand(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[0].Account, options[0].API.Tiers = "api", []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	inputs := []Input{onAccount("small", "api", 4e9, options), onAccount("middle", "api", 8e9, options), onAccount("large", "api", 12e9, options), onAccount("elsewhere", "self", 50e9, options)}
	want := map[bool]map[string]model.USD{
		false: {"small": 6_000, "middle": 12_000, "large": 18_000, "elsewhere": 75_000},
		true:  {"small": 6_000, "middle": 12_000, "large": 18_000, "elsewhere": 75_000},
	}
	for _, allUnits := range []bool{false, true} {
		options[0].API.AllUnits = allUnits
		for range 3 {
			inputs = append(inputs[1:], inputs[0]) // whatever the order
			var used []Used
			for _, in := range inputs {
				used = append(used, in.Used())
			}
			accounts := AccountsOf(used)
			for _, in := range inputs {
				in.Others = accounts.Beside(in)
				o := Decide(in).Options[0]
				if math.Abs(float64(o.USDPerMonth.P50-want[allUnits][in.Workload])) > 0.01 {
					t.Errorf("%s, all units %t: got %v USD, want %v", in.Workload, allUnits, o.USDPerMonth.P50, want[allUnits][in.Workload])
				}
				checkParts(t, o)
				if o.Account == nil || slices.ContainsFunc(o.Account.Workloads, func(s model.AccountShare) bool { return s.Workload == in.Workload || s.Workload == "elsewhere" }) {
					t.Errorf("%s: got %+v, want the others that the API serves", in.Workload, o.Account)
				}
			}
		}
	}
	// Alone with 8B of others, 4B fill the tier to 10B with 2B at 3 USD and have 2B at 1.5; all units re-price the 8B of the others too.
	for allUnits, want := range map[bool]model.USD{false: 9_000, true: 6_000 - 12_000} {
		options[0].API.AllUnits = allUnits
		in := onAccount("small", "api", 4e9, options)
		in.Others = AccountsOf([]Used{in.Used(), onAccount("middle", "api", 8e9, options).Used()}).Beside(in)
		v := Decide(in)
		if got := v.Options[0].USDPerMonth.P50; math.Abs(float64(got-want)) > 0.01 {
			t.Errorf("all units %t: got %v USD, want %v", allUnits, got, want)
		}
		if allUnits && v.Decision.Recommendation != model.Stay {
			t.Errorf("got %+v, want to stay where a move would cost the others their price", v.Decision)
		}
	}
}

// TestAccountsAddUp holds that what a workload is told to cost is the bill of all workloads less the bill of the others, whatever they run on,
// that the shares of their calendar months are that bill, and that neither depends on the order of the workloads.
func TestAccountsAddUp(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(42, 1))
	hybrids := 0
	for range modeltest.Draws / 20 {
		prices := &cost.Prices{
			Input: big.NewRat(1+r.Int64N(900), 211), Output: big.NewRat(1+r.Int64N(3000), 307), MinimumCommit: oneOf(r, nil, rat("20000")),
			Tiers: randomTiers(r), AllUnits: true, // where the bill does not depend on whose tokens come first
		}
		options := four("1")
		options[0].API, options[0].Account, options[0].TokenRatioOut = prices, "account", oneOf(r, nil, rat("1.2"))
		var inputs []Input
		for _, name := range []string{"a", "b", "c", "d"} {
			inputs = append(inputs, onAccount(name, oneOf(r, "api", "api", "hybrid", "self"), 1e8+r.Float64()*2e10, options))
		}
		all := func(inputs []Input) *Accounts {
			var used []Used
			for _, in := range inputs {
				used = append(used, in.Used())
			}
			return AccountsOf(used)
		}
		accounts := all(inputs)
		r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		shuffled := all(inputs)
		for _, in := range inputs {
			a, _ := json.Marshal(accounts.Beside(in))
			b, _ := json.Marshal(shuffled.Beside(in))
			if string(a) != string(b) {
				t.Fatalf("%s: got %s in another order, want %s", in.Workload, b, a)
			}
			if in.Current != "api" {
				if in.Current == "hybrid" && in.Used().charges != nil {
					hybrids++
				}
				continue
			}
			in.Others = accounts.Beside(in)
			d, _ := in.demand()
			all, _ := candidates(in, d)
			var theirs []cost.Usage
			if len(in.Others) > 0 {
				theirs = in.Others[0].Usage
			}
			with, _ := prices.Monthly(append(slices.Clone(theirs), all[0].usage(d.median)...))
			without := new(big.Rat)
			if theirs != nil {
				bill, _ := prices.Monthly(theirs)
				without = bill.Cost
			}
			want := new(big.Rat).Sub(with.Cost, without)
			v := Decide(in)
			if got := v.Options[0].USDPerMonth.P50; got != usd(want) {
				t.Fatalf("%s beside %+v: got %v USD, want %s less %s", in.Workload, theirs, got, with.Cost, without)
			}
			data, _ := json.Marshal(in)
			var again Input
			if err := json.Unmarshal(data, &again); err != nil {
				t.Fatal(err)
			}
			found, _ := json.Marshal(v.Options)
			replayed, _ := json.Marshal(Decide(again).Options)
			if string(found) != string(replayed) {
				t.Fatalf("%s: the replay differs", in.Workload)
			}
		}
	}
	if hybrids == 0 {
		t.Error("no hybrid used the account")
	}
}

// TestMonthSharesTheAccount has two workloads of 6B and 18B tokens in a calendar month at 3 USD/Mtok, half of it above 10B: 30,000 + 21,000 USD, of
// which a quarter and three quarters are theirs, although each of them alone adds less than that to the bill.
func TestMonthSharesTheAccount(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[0].Account, options[0].API.Tiers = "api", []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	small, large := onAccount("small", "api", 6e9, options), onAccount("large", "api", 18e9, options)
	accounts := AccountsOf([]Used{small.Used(), large.Used()})
	for _, tc := range []struct {
		in   Input
		want float64
	}{{small, 12_750}, {large, 38_250}} {
		tc.in.Others = accounts.Beside(tc.in)
		first := &tc.in.Forecast.Months[0]
		first.To = first.From.Add(730 * time.Hour)
		for i := range first.Total {
			first.Total[i] = model.Tokens(float(tc.in.Used().charges[0].blocks.tokens()))
		}
		if share := Decide(tc.in).Options[0].Account.ShareUSDPerMonth; share == nil || math.Abs(float64(*share)-tc.want) > 0.01 {
			t.Errorf("%s: got a share of %v, want %v USD", tc.in.Workload, share, tc.want)
		}
		if q, _, known := Decide(tc.in).Month(nil, tc.in.Others); !known || math.Abs(float64(q.P50)-tc.want) > 0.01 {
			t.Errorf("%s: got %+v, want %v USD", tc.in.Workload, q, tc.want)
		}
	}
}

// TestMovedOntoAnAccount holds that the causes add up to the change when the tokens of others count that did not before.
func TestMovedOntoAnAccount(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[0].API.Tiers = []cost.Tier{{Above: rat("1e10"), Times: rat("0.5")}}
	before := onAccount("a", "api", 4e9, options)
	options = slices.Clone(options)
	options[0].Account = "api"
	after := onAccount("a", "api", 4e9, options)
	after.Others = AccountsOf([]Used{onAccount("b", "api", 12e9, options).Used()}).Beside(after)
	moved, err := Moved(before, after, "")
	if err != nil {
		t.Fatal(err)
	}
	sum := model.USD(0)
	for _, part := range moved.Cost.Parts {
		sum += part.USDPerMonth
	}
	if math.Abs(float64(sum+6_000)) > 0.01 || math.Abs(float64(moved.Cost.AfterUSDPerMonth-moved.Cost.BeforeUSDPerMonth-sum)) > 0.01 {
		t.Errorf("got %+v, want causes of -6,000 USD", moved.Cost)
	}
}

// TestPlainPricesCountNobodyElse holds that an option without an account is decided on to the byte as if there were no others.
func TestPlainPricesCountNobodyElse(t *testing.T) {
	t.Parallel()
	in := onAccount("a", "api", 2e10, four("3"))
	before, _ := json.Marshal(Decide(in).Options)
	if in.Others = AccountsOf([]Used{in.Used(), onAccount("b", "api", 8e9, four("3")).Used()}).Beside(in); in.Others != nil {
		t.Errorf("got %+v, want none", in.Others)
	}
	in.Others = randomOthers(rand.New(rand.NewPCG(1, 1)))
	if after, _ := json.Marshal(Decide(in).Options); string(after) != string(before) {
		t.Errorf("got %s\nwant %s", after, before)
	}
}
