package decide

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// alternative returns an API that is billed by itself.
func alternative(name string, price float64) Option {
	return Option{Name: name, Hosting: model.API, API: &cost.Prices{Input: exactly(price), Output: exactly(price)}}
}

// judged decides on inputs beside each other.
func judged(inputs []Input) (all []Judged) {
	var used []Used
	for _, in := range inputs {
		used = append(used, in.Used())
	}
	accounts := AccountsOf(used)
	for i, in := range inputs {
		in.Others = accounts.Beside(in)
		all = append(all, Judged{Verdict: Decide(in), Used: used[i], Receipt: "id of " + in.Workload})
	}
	return all
}

// TestJointMoveByHand has findings that can be worked out on paper, of three workloads.
func TestJointMoveByHand(t *testing.T) {
	t.Parallel()
	api := func(price, commit string, committed bool) Option {
		o := Option{Name: "api", Hosting: model.API, Account: "api", API: &cost.Prices{Input: rat(price), Output: rat(price), MinimumCommit: rat(commit)}}
		if committed {
			o.Committed = &Commitment{Until: day("2027-06-01")}
		}
		return o
	}
	bulk := api("2", "0", false)
	bulk.API.Tiers, bulk.API.AllUnits = []cost.Tier{{Above: rat("2e10"), Times: rat("0.3")}}, true
	for _, tc := range []struct {
		name    string
		api     Option
		other   float64 // USD/Mtok
		current string
		tokens  float64
		want    *model.JointMove
		because string
	}{
		{
			// 9,000 USD of 10,000 that are committed: each alone leaves the bill as it is, and all save it for 4,500.
			name: "leave a commitment", api: api("1", "10000", false), other: 0.5, current: "api", tokens: 3e9,
			want: &model.JointMove{
				Kind: model.JointLeave, Told: []string{}, Options: []string{"other"}, BillBeforeUSDPerMonth: 10_000, OtherUSDPerMonth: 4_500, SavingUSDPerMonth: 5_500,
			},
			because: "a, b and c would save $5,500 a month by leaving api for other together: its bill falls from $10,000 to $0 a month, and there they cost $4,500; none of them is told to alone",
		},
		{name: "leave a commitment that is due for another half year", api: api("1", "10000", true), other: 0.5, current: "api", tokens: 3e9},
		{
			// At 2 USD/Mtok each alone pays twice what it does now; the 24B of all cost 0.6.
			name: "reach a tier", api: bulk, other: 1, current: "other", tokens: 8e9,
			want: &model.JointMove{
				Kind: model.JointEnter, Told: []string{}, Options: []string{"api"}, BillAfterUSDPerMonth: 14_400, OtherUSDPerMonth: 24_000, SavingUSDPerMonth: 9_600,
			},
			because: "a, b and c would save $9,600 a month by moving to api (api) together: its bill rises from $0 to $14,400 a month, and they cost $24,000 now; none of them is told to alone",
		},
		{name: "a tier that stays out of reach", api: bulk, other: 1, current: "other", tokens: 6e9},
		{
			// Of 90,000 USD each brings 10,000 above what is committed, and costs 5,000 elsewhere; all three save those 10,000 for 15,000.
			name: "leave more than is above a commitment", api: api("3", "80000", true), other: 0.5, current: "api", tokens: 1e10,
			want: &model.JointMove{
				Kind: model.JointLeave, AtOdds: true, Told: []string{"a", "b", "c"}, Options: []string{"other"}, BillBeforeUSDPerMonth: 90_000, BillAfterUSDPerMonth: 80_000,
				OtherUSDPerMonth: 15_000, SavingUSDPerMonth: -5_000, AloneUSDPerMonth: 15_000,
			},
			because: "a, b and c are each told to move, and would lose $5,000 a month by leaving api",
		},
		{name: "prices of each token", api: api("1", "0", false), other: 0.5, current: "api", tokens: 3e9},
	} {
		var inputs []Input
		for _, name := range []string{"a", "b", "c"} {
			inputs = append(inputs, onAccount(name, tc.current, tc.tokens, []Option{tc.api, alternative("other", tc.other)}))
		}
		joints := Joints(judged(inputs))
		if len(joints) != 0 == (tc.want == nil) {
			t.Errorf("%s: got %+v, want %+v", tc.name, joints, tc.want)
		}
		if tc.want == nil || len(joints) != 1 {
			continue
		}
		got, want := joints[0].Move(), *tc.want
		want.Account, want.Workloads, want.Because = "api", []string{"a", "b", "c"}, got.Because
		if !strings.HasPrefix(got.Because, tc.because) {
			t.Errorf("%s: got %q, want %q", tc.name, got.Because, tc.because)
		}
		for _, usd := range []*model.USD{&got.BillBeforeUSDPerMonth, &got.BillAfterUSDPerMonth, &got.OtherUSDPerMonth, &got.SavingUSDPerMonth, &got.AloneUSDPerMonth} {
			*usd = model.USD(math.Round(float64(*usd)*100) / 100)
		}
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, a, b)
		}
		if id := joints[0].Members[0].Decision; id != "id of a" {
			t.Errorf("%s: got the decision %q", tc.name, id)
		}
	}
}

// TestJointsAgainstEverySet holds that of few workloads those are found who save most together, by a bill that is worked out by hand for every set of
// them; that of more no set is said to save more than the best; that the order of the workloads does not matter; and that what is kept is enough to
// compute the finding again.
func TestJointsAgainstEverySet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(53, 9))
	found, none, best, many := 0, 0, 0, 0
	for i := range modeltest.Draws / 20 {
		c := randomContract(r)
		enters := r.IntN(2) == 0
		n := 2 + r.IntN(4)
		if i%10 == 0 {
			n = mostExact + 2
		}
		var inputs []Input
		place, volume, other := make([]int, n), make([]float64, n), make([]float64, n)
		for w := range n {
			place[w], volume[w] = r.IntN(3), float64(1e8+r.Int64N(1e10))
			price := c.price[place[w]] * (0.3 + r.Float64())
			options := append(slices.Clone(c.options()[1+place[w]:2+place[w]]), alternative("other", price))
			name := "other"
			if !enters {
				name = contracted[place[w]]
			}
			in := onAccount(string(rune('a'+w)), name, volume[w], options)
			in.Policy.MinSavingUSD = rat("501.3")
			inputs, other[w] = append(inputs, in), float(whole(volume[w]))*float64(price)/1e6
		}
		workloads := judged(inputs)
		joints := Joints(workloads)
		// Every set.
		saving := func(set int) float64 {
			var before, after [3]float64
			elsewhere := 0.0
			for w := range n {
				tokens := float(whole(volume[w]))
				in := set&(1<<w) != 0
				if in {
					elsewhere += other[w]
				}
				if !enters {
					before[place[w]] += tokens
				}
				if in == enters {
					after[place[w]] += tokens
				}
			}
			if enters {
				return elsewhere - (c.bill(after) - c.bill(before))
			}
			return c.bill(before) - c.bill(after) - elsewhere
		}
		most, set := 0.0, 0
		for s := 1; s < 1<<n; s++ {
			members, told, alone, elsewhere := 0, 0, 0.0, 0.0
			for w := range n {
				if s&(1<<w) == 0 {
					continue
				}
				members++
				if workloads[w].Verdict.Decision.Recommendation == model.Move {
					told++
				}
				alone += max(0, saving(1<<w))
				elsewhere += other[w]
			}
			saved := saving(s)
			paid := elsewhere
			if !enters {
				paid += saved
			}
			if members > 1 && told < members && saved > 0 && saved >= 501.3 && saved >= 0.2*paid && saved-alone > 0 && saved-alone >= 501.3 && saved > most*(1+1e-12) {
				most, set = saved, s
			}
		}
		var got *model.JointMove
		if len(joints) == 1 && !joints[0].AtOdds {
			got = new(joints[0].Move())
		}
		switch {
		case n > mostExact:
			if got != nil && float64(got.SavingUSDPerMonth) > most+1e-6*(1+most) {
				t.Fatalf("%+v: %v saves %v, want no more than the best set, %v", c, got.Workloads, got.SavingUSDPerMonth, most)
			}
			if many++; (got == nil) == (set == 0) && (got == nil || math.Abs(float64(got.SavingUSDPerMonth)-most) < 1e-6*(1+most)) {
				best++
			}
		case set == 0:
			if none++; got != nil {
				t.Fatalf("%+v: got %+v, want none", c, got)
			}
		case got == nil || math.Abs(float64(got.SavingUSDPerMonth)-most) > 1e-6*(1+most):
			t.Fatalf("%+v, %d workloads, enters %t: got %+v, want set %b which saves %v", c, n, enters, got, set, most)
		default:
			found++
		}
		r.Shuffle(n, func(a, b int) { workloads[a], workloads[b] = workloads[b], workloads[a] })
		a, _ := json.Marshal(joints)
		b, _ := json.Marshal(Joints(workloads))
		if string(a) != string(b) {
			t.Fatalf("got %s in another order, want %s", b, a)
		}
		for _, j := range joints {
			var again Joint
			data, _ := json.Marshal(j)
			if err := json.Unmarshal(data, &again); err != nil {
				t.Fatal(err)
			}
			x, y := fmt.Sprintf("%+v", j.Move()), fmt.Sprintf("%+v", again.Move())
			if x != y {
				t.Fatalf("computed again: got %s, want %s", y, x)
			}
		}
	}
	t.Logf("%d found, %d without, %d of %d larger ones the best", found, none, best, many)
	if least := modeltest.Draws / 400; found < least || none < least || best*10 < many*7 {
		t.Errorf("got %d findings, %d without and the best of %d of %d larger ones, want more", found, none, best, many)
	}
}
