package decide

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/modeltest"
)

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

// TestLeavingACommittedFleet works one decision out on paper: 20B tokens in 30 days at 0.9 USD/Mtok are 18,250 USD a month on the
// API; the fleet costs 4 × 7.98 × 730 = 23,301.60 of GPU hours and 9,387 of operations (see TestDecideByHand). While the GPUs
// are committed only the operations can be saved, which is less than the API costs.
func TestLeavingACommittedFleet(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("0.9"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[1].Committed = &Commitment{Until: day("2027-05-01")}
	in := input(projection(2e10, 0, 0.01), options)
	in.Current = "self"
	d := Decide(in).Decision
	c := d.Commitment
	if d.Recommendation != model.Stay || d.Reason != model.ReasonAlreadyBest || c == nil || !c.Flips {
		t.Fatalf("got %+v with %+v, want to stay until the commitment ends", d, c)
	}
	if !near(float64(c.AvoidableUSDPerMonth), 9387) || !near(float64(c.FullUSDPerMonth), 32_688.6) || !near(float64(c.USDPerMonth), 23_301.6) {
		t.Errorf("got %+v, want 9,387 to be avoidable of 32,688.60", c)
	}
	if c.Option != "self" || c.Until != "2027-04-30" || c.ActBy != "2027-01-31" || c.OptionAfter != "api" || c.ReasonAfter != model.ReasonSwitch {
		t.Errorf("got %+v, want a move to the API after 30 April, to be begun 90 days before", c)
	}
	if s := c.SavingAfterUSDPerMonth; s == nil || !near(float64(*s), 32_688.6-18_250.0000002) {
		t.Errorf("saving after it: got %v, want 14,438.60", s)
	}
	if !strings.Contains(d.WouldChange[0], "the end of the commitment to self on 2027-04-30") || !strings.Contains(d.WouldChange[0], "$14,400 a month") {
		t.Errorf("would change: got %q, want the end of the commitment first", d.WouldChange)
	}
	if !strings.Contains(d.Because, "$32,689 a month ($9,387 without what is due until 2027-04-30 in any case)") {
		t.Errorf("because: got %q", d.Because)
	}
	in.Options[1].Committed = nil
	if d := Decide(in).Decision; d.Option != "api" || d.Reason != model.ReasonSwitch || d.Commitment != nil {
		t.Errorf("without a commitment: got %+v, want a move to the API", d)
	}
	in.Options[1].Committed = &Commitment{Until: in.Forecast.Origin}
	if d := Decide(in).Decision; d.Option != "api" || d.Commitment != nil {
		t.Errorf("a commitment that has ended: got %+v, want a move to the API", d)
	}
}

// TestCommitmentFollowsItsFleet holds that an option that goes on using what is committed pays for it no more than staying does,
// and one that is entered is compared at its full cost.
func TestCommitmentFollowsItsFleet(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[3].Committed = &Commitment{Until: day("2027-05-01"), USDPerMonth: rat("5000")}
	in := input(projection(2e10, 0, 0.01), options)
	in.Current = "self"
	v, without := Decide(in), in
	without.Options = four("3")
	plain := Decide(without)
	saving := func(v Verdict, i int) float64 { return float64(v.Options[i].SavingUSDPerMonth.P50) }
	if got, want := saving(v, 2), saving(plain, 2); !near(got, want) {
		t.Errorf("the hybrid on the committed fleet saves %v, want %v as without a commitment", got, want)
	}
	if got, want := saving(v, 0), saving(plain, 0)-5000; !near(got, want) {
		t.Errorf("the API saves %v, want %v: 5,000 stay due", got, want)
	}
	in.Current = "api"
	if d := Decide(in).Decision; d.Commitment != nil || d.Option != plain.Decision.Option && d.Option != "hybrid" {
		t.Errorf("entering: got %+v, want full costs", d)
	}
	api := four("3")
	api[0].API.MinimumCommit, api[0].Committed = rat("40000"), &Commitment{Until: day("2027-05-01")}
	in = input(projection(2e10, 0, 0.01), api)
	v = Decide(in)
	if c := v.Decision.Commitment; c == nil || !near(float64(c.AvoidableUSDPerMonth), 60_833.333334-40_000) {
		t.Errorf("an API with a commitment: got %+v, want what goes beyond it to be avoidable", c)
	}
}

// TestCommitmentLaws holds that what is compared lies between nothing and the full cost, that a commitment never makes leaving
// more attractive, that its end restores the answer without one, and that the months after it count in full.
func TestCommitmentLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(410, 1))
	for range modeltest.Draws {
		options := four(oneOf(r, "0.3", "0.9", "1.5", "3"))
		in := input(projection(oneOf(r, 1e9, 1e10, 3e10), 0.1*r.Float64()-0.05, 0.3*r.Float64()), options)
		in.Current = oneOf(r, "self", "managed", "hybrid")
		in.Policy.WaitMonths = r.IntN(4)
		free := Decide(in)
		holder := map[string]int{"self": 3, "managed": 1, "hybrid": 3}[in.Current]
		options[holder].Committed = &Commitment{Until: in.Forecast.Origin.AddDate(0, 0, 1+r.IntN(500)), USDPerMonth: oneOf(r, nil, rat("5000"), rat("1000000"))}
		bound := Decide(in)
		c := bound.Decision.Commitment
		if c == nil {
			t.Fatalf("%s: no commitment", in.Current)
		}
		if c.AvoidableUSDPerMonth < 0 || c.AvoidableUSDPerMonth > c.FullUSDPerMonth || !near(float64(c.USDPerMonth+c.AvoidableUSDPerMonth), float64(c.FullUSDPerMonth)) {
			t.Fatalf("%+v: want 0 ≤ avoidable ≤ full", c)
		}
		if c.OptionAfter != free.Decision.Option || c.ReasonAfter != free.Decision.Reason {
			t.Fatalf("after it: got %s because %s, want %s because %s", c.OptionAfter, c.ReasonAfter, free.Decision.Option, free.Decision.Reason)
		}
		for i, o := range bound.Options {
			if o.SavingUSDPerMonth == nil || holder == 3 && (o.Option == "self" || o.Option == "hybrid") {
				continue // the latter may use what is committed, and so gain by it
			}
			if f := free.Options[i]; o.SavingUSDPerMonth.P50 > f.SavingUSDPerMonth.P50+1e-6 || o.Prospect.NPVUSD > f.Prospect.NPVUSD+1e-6 {
				t.Fatalf("%s saves %v and is worth %v with a commitment, %v and %v without", o.Option, o.SavingUSDPerMonth.P50, o.Prospect.NPVUSD, f.SavingUSDPerMonth.P50, f.Prospect.NPVUSD)
			}
		}
	}
}

func TestSunkShareOfAMonth(t *testing.T) {
	t.Parallel()
	s := &sunkCost{until: day("2027-02-15"), usd: new(big.Rat)}
	for _, tc := range []struct {
		s        *sunkCost
		from, to string
		want     float64
	}{
		{s, "2027-01-01", "2027-02-01", 1},
		{s, "2027-02-01", "2027-03-01", 0.5},
		{s, "2027-03-01", "2027-04-01", 0},
		{s, "2027-01-15", "2027-02-15", 1},
		{s, "2027-02-15", "2027-03-15", 0},
		{nil, "2027-01-01", "2027-02-01", 0},
	} {
		if got := tc.s.share(day(tc.from), day(tc.to)); got != tc.want {
			t.Errorf("%s to %s: got %v, want %v", tc.from, tc.to, got, tc.want)
		}
	}
}
