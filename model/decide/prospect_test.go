package decide

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*(1+math.Abs(want)) }

// TestWaitingIsWorthSomething is example F of the cost model: 45,000 for 9,000 or −1,500 a month, each as likely as the other.
func TestWaitingIsWorthSomething(t *testing.T) {
	t.Parallel()
	saved := make([][]float64, 12)
	for i := range saved {
		saved[i] = []float64{9000, -1500}
	}
	f := future{growth: 1, wait: 3}
	p := f.prospect(saved, 45_000)
	if p.NPVUSD != 0 || p.ValueOfWaitingUSD != 18_000 || p.Advice != model.AdviceWait || p.RegretSwitchUSD != 31_500 || p.RegretStayUSD != 31_500 {
		t.Errorf("got %+v, want a move worth nothing and a wait worth 18,000", p)
	}
	f.wait = 0
	if p := f.prospect(saved, 44_000); p.ValueOfWaitingUSD != 0 || p.NPVAfterWaitUSD != p.NPVUSD || p.Advice != model.AdviceSwitchNow {
		t.Errorf("no wait to weigh: got %+v, want a move now that is worth something", p)
	}
	saved[7][1] = math.NaN()
	if p := f.prospect(saved, 45_000); p != nil {
		t.Errorf("a month that cannot be served: got %+v, want nothing", p)
	}
}

// TestProspectOfASteadySaving compares with an annuity: what self saves every month of a volume that stands still.
func TestProspectOfASteadySaving(t *testing.T) {
	t.Parallel()
	options := four("3")
	options[3].MigrationCost = rat("100000")
	f := projection(2e10, 0, 0)
	for i := range f.Months { // each at the same rate, to the token
		hours := f.Months[i].To.Sub(f.Months[i].From).Hours()
		for j := range f.Months[i].Total {
			f.Months[i].Total[j] = model.Tokens(2e10 * hours / 720)
		}
	}
	in := input(f, options)
	in.Policy.DiscountRate, in.Policy.WaitMonths = rat("0.08"), 3
	p := Decide(in).Options[3].Prospect
	saving := 3*2e10*730/720/1e6 - (4*7.98*730 + 9387) // see TestDecideByHand
	r := math.Pow(1.08, 1.0/12) - 1
	annuity := func(months int) float64 { return saving * (1 - math.Pow(1+r, -float64(months))) / r }
	npv := annuity(12) - 100_000
	later := annuity(12) - annuity(3) - 100_000/math.Pow(1+r, 3)
	if !near(float64(p.NPVUSD), npv) || !near(float64(p.NPVAfterWaitUSD), later) || !near(float64(p.ValueOfWaitingUSD), later-npv) {
		t.Errorf("got %+v, want %v now and %v after the wait", p, npv, later)
	}
	if p.PaidBackAfter == nil || !near(*p.PaidBackAfter, 100_000/saving) || !near(float64(p.CumulativeUSD), 12*saving-100_000) {
		t.Errorf("got %+v, want it paid back after %v months", p, 100_000/saving)
	}
	if p.RegretSwitchUSD != 0 || !near(float64(p.RegretStayUSD), npv) || p.Advice != model.AdviceSwitchNow || p.Months != 12 || p.UpfrontUSD != 100_000 {
		t.Errorf("got %+v, want no regret of moving now", p)
	}
}

// TestDecideWaits holds that a move which pays in most courses of the volume waits where the others lose more than is forgone until
// it is known which of them comes, and is made where nothing is to be gained by waiting.
func TestDecideWaits(t *testing.T) {
	t.Parallel()
	options := slices.DeleteFunc(four("3"), func(o Option) bool { return o.Name != "api" && o.Name != "self" })
	options[1].MigrationCost = rat("90000")
	in := input(projection(1.15e10, 0, 0.7), options)
	in.Policy.MinProbability, in.Policy.WaitMonths = rat("0.3"), 3
	v := Decide(in)
	d, p := v.Decision, v.Options[1].Prospect
	if d.Recommendation != model.Stay || d.Reason != model.ReasonWait || d.Option != "api" || d.Best != "self" {
		t.Fatalf("got %+v with %+v, want to wait", d, p)
	}
	if p.ValueOfWaitingUSD <= 0 || p.Advice != model.AdviceWait || d.Prospect == nil || *d.Prospect != *p {
		t.Errorf("got %+v, want a wait that is worth something", p)
	}
	want := fmt.Sprintf("moving now is worth %s over the next 12 months, and deciding in 3 months, knowing more, %s",
		model.FormatUSDAbout(p.NPVUSD), model.FormatUSDAbout(p.NPVAfterWaitUSD))
	if !strings.Contains(d.Because, want) {
		t.Errorf("because: got %q, want it to say %q", d.Because, want)
	}
	in.Policy.WaitMonths = 0
	if d := Decide(in).Decision; d.Reason != model.ReasonSwitch {
		t.Errorf("no wait to weigh: got %+v, want a move", d)
	}
	in.Policy.WaitMonths, in.Forecast = 3, projection(1.2e10, 0, 0.01)
	if d := Decide(in).Decision; d.Reason != model.ReasonSwitch {
		t.Errorf("a volume that is certain: got %+v, want a move", d)
	}
}

// TestProbabilityKnowsWindows counts the paths on which a fleet costs less over the twelve months ahead by buying its replicas one at a time, month by
// month: a fleet with windows is dearer again on the paths that leave one, and a single threshold would say otherwise.
func TestProbabilityKnowsWindows(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(81, 1))
	reversed := 0
	for range modeltest.Draws / 20 {
		fleet := &cost.Capacity{
			TokensPerHour: big.NewRat(1_000_000*(20+r.Int64N(20)), 1), TargetUtilization: one, PeakFactor: one, BlockCostPerHour: big.NewRat(10+r.Int64N(5), 1),
			FixedMonthly: big.NewRat(r.Int64N(3000), 1),
		}
		price := big.NewRat(55+r.Int64N(30), 100) // near what a full replica costs for a million tokens
		options := []Option{
			{Name: "api", Hosting: model.API, API: &cost.Prices{Input: price, Output: price}},
			{Name: "self", Hosting: model.SelfHosted, Capacity: fleet, MigrationCost: big.NewRat(r.Int64N(8000), 1)},
		}
		f := projection(5e9+r.Float64()*4e10, 0.04*r.Float64(), 0.05+0.4*r.Float64())
		got := Decide(input(f, options)).Options[1].ProbabilityCheaper
		var saved [19]float64
		for _, m := range f.Months[1:] {
			for j, tokens := range m.Total.Paths() {
				volume := float64(tokens) * 730 / m.To.Sub(m.From).Hours()
				usd, _ := fleetByHand(fleet, volume, 1)
				saved[j] += volume/1e6*float(price) - usd
			}
		}
		cheaper, before := 0.0, false
		for _, usd := range saved {
			wins := usd > float(options[1].MigrationCost)
			if before && !wins {
				reversed++
			}
			if before = wins; wins {
				cheaper++
			}
		}
		if got == nil || !near(float64(*got), cheaper/19) {
			t.Fatalf("%+v at %s USD/Mtok: got %v, want %v of 19 paths", fleet, price.FloatString(2), got, cheaper)
		}
	}
	if reversed < modeltest.Draws/200 {
		t.Errorf("on %d paths more volume is dearer again: the draws test too little", reversed)
	}
}
