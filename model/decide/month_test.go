package decide

import (
	"math"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// TestMonth holds that a month costs what its tokens cost on an API, whatever its length, and its hours on a fleet.
func TestMonth(t *testing.T) {
	t.Parallel()
	const days, tokens = 24 * time.Hour, 4e9
	month := func(current string, length time.Duration) model.Quantiles[model.USD] {
		in := input(projection(5e9, 0, 0.1), four("0.90"))
		in.Current = current
		first := &in.Forecast.Months[0]
		first.To = first.From.Add(length)
		for i, q := range first.Total {
			first.Total[i] = q * tokens / first.Total.At(0.50)
		}
		q, _, known := Decide(in).Month(nil, nil)
		if !known {
			t.Fatalf("%s: the month has no cost", current)
		}
		return q
	}
	for _, length := range []time.Duration{28 * days, 31 * days} {
		if q := month("api", length); math.Abs(float64(q.P50)-tokens*0.90/1e6) > 0.01 || !(q.P10 < q.P50 && q.P50 < q.P90) {
			t.Errorf("an API over %s: got %+v, want $%.2f in the middle", length, q, tokens*0.90/1e6)
		}
	}
	// The smallest fleet with its spare and its operations, which are due whatever is used.
	if q, want := month("self", 31*days), (2*7.98*730+9387)*31*24/730; math.Abs(float64(q.P50)-want) > 0.01 {
		t.Errorf("a fleet in a long month: got %+v, want $%.2f", q, want)
	}
	if short, long := month("hybrid", 28*days), month("hybrid", 31*days); !(short.P50 > 0 && long.P50 > 0) {
		t.Errorf("a hybrid: got %+v and %+v, want a cost", short, long)
	}
	if q, _, known := (Verdict{}).Month(nil, nil); known {
		t.Errorf("nothing is known: got %+v", q)
	}
	in := input(projection(5e9, 0, 0.1), four("0.90"))
	in.Forecast.Months = nil
	if q, _, known := Decide(in).Month(nil, nil); known {
		t.Errorf("a forecast without months: got %+v", q)
	}
}

// TestMonthOfAMove holds that a workload that moved during the month has two costs, neither of which is scaled to the whole month: of
// November's 4B tokens 1.5B were on an API at 3 USD/Mtok for ten days, 4,500 USD, and the rest is on a fleet whose smallest size costs
// (2 × 7.98 × 730 + 9,387) × 480/730 in the other twenty.
func TestMonthOfAMove(t *testing.T) {
	t.Parallel()
	in := input(projection(4e9, 0, 0), four("3"))
	in.Current = "self"
	first := in.Forecast.Months[0]
	moved := Stay{Option: "api", Until: first.From.AddDate(0, 0, 10), Tokens: 1.5e9}
	q, before, known := Decide(in).Month([]Stay{moved}, nil)
	rest := (2*7.98*730 + 9387) * 480 / 730
	if !known || math.Abs(float64(before)-4500) > 0.01 || math.Abs(float64(q.P50)-4500-rest) > 0.01 {
		t.Errorf("got %+v with %v before, want 4,500 and %.2f", q, before, rest)
	}
	// There and back: five days on the fleet are paid for by the hour, the API charges for what it served.
	back := Stay{Option: "self", Until: moved.Until.AddDate(0, 0, 5), Tokens: 0.5e9}
	in.Current = "api"
	q, before, known = Decide(in).Month([]Stay{moved, back}, nil)
	five := (2*7.98*730 + 9387) * 120 / 730
	if !known || math.Abs(float64(before)-4500-five) > 0.01 || math.Abs(float64(q.P50)-4500-five-2e9*3/1e6) > 0.01 {
		t.Errorf("got %+v with %v before, want 4,500, %.2f and 6,000", q, before, five)
	}
	// The API charges its fee and commits once, and the tier is reached by the tokens of both stays: 2B at 3 and 1.5B at 1.50 USD/Mtok.
	in.Options[0].API.FixedMonthly, in.Options[0].API.MinimumCommit = rat("1000"), rat("8000")
	in.Options[0].API.Tiers = []cost.Tier{{Above: rat("2000000000"), Times: rat("0.5")}}
	q, before, known = Decide(in).Month([]Stay{moved, back}, nil)
	if !known || math.Abs(float64(before)-9000-five) > 0.01 || math.Abs(float64(q.P50)-8250-1000-five) > 0.01 {
		t.Errorf("got %+v with %v before, want 8,250 and 1,000 beside %.2f, 8,000 and 1,000 of them before", q, before, five)
	}
	if _, _, known := Decide(in).Month([]Stay{{Option: "gone", Until: moved.Until, Tokens: 1}}, nil); known {
		t.Error("an option that is configured no more: got a cost, want none")
	}
}

// TestMonthOfAHybrid holds that the API beside a fleet charges its fee for a month whatever its length and however many options use it, and
// reaches its tiers by the tokens of the month.
func TestMonthOfAHybrid(t *testing.T) {
	t.Parallel()
	for _, days := range []int{28, 31} {
		for _, current := range []string{"hybrid", "apart"} {
			month := func(edit func(p *cost.Prices), stays ...Stay) float64 {
				in := input(projection(4e9, 0, 0), four("3"))
				in.Options = append(in.Options, Option{Name: "apart", Hosting: model.Hybrid, Base: "api", Overflow: "self", Apart: true})
				in.Constraints.BatchShare, in.Current = rat("0.4"), current
				first := &in.Forecast.Months[0]
				first.To = first.From.AddDate(0, 0, days)
				edit(in.Options[0].API)
				q, _, known := Decide(in).Month(stays, nil)
				if !known {
					t.Fatalf("%s in %d days: the month has no cost", current, days)
				}
				return float64(q.P50)
			}
			origin := projection(1, 0, 0).Origin
			onAPI := Stay{Option: "api", Until: origin.AddDate(0, 0, 10), Tokens: 1e9}
			plain := func(*cost.Prices) {}
			fee := func(p *cost.Prices) { p.FixedMonthly = rat("10000") }
			for _, stays := range [][]Stay{nil, {onAPI}} {
				if got := month(fee, stays...) - month(plain, stays...); math.Abs(got-10_000) > 0.01 {
					t.Errorf("%s in %d days after %v: got %v for the fee, want 10,000", current, days, stays, got)
				}
			}
			if current == "apart" { // 2.4B of the 4B cannot wait, of which 1B are above the tier
				halved := func(p *cost.Prices) { p.Tiers = []cost.Tier{{Above: rat("1400000000"), Times: rat("0.5")}} }
				if got := month(plain) - month(halved); math.Abs(got-1_500) > 0.01 {
					t.Errorf("a tier in %d days: got %v saved, want 1,500", days, got)
				}
			}
		}
	}
}

// TestAhead holds that the cost of every month is that of its volume over 730 hours, the same as the cost that is decided by where the volume
// is, at the prices that hold in it, and that what is not known in one month is not said of any.
func TestAhead(t *testing.T) {
	t.Parallel()
	in := input(projection(5e9, 0.1, 0.1), four("0.90"))
	v := Decide(in)
	ahead := v.Ahead("api", "self", "api", "nobody")
	if len(ahead) != 2 || ahead[0].Option != "api" || ahead[1].Option != "self" {
		t.Fatalf("got %+v, want what both cost", ahead)
	}
	for i, m := range in.Forecast.Months {
		got := ahead[0].Months[i]
		for name, pair := range map[string][2]float64{
			"median": {float64(got.P50), float64(m.Total.At(0.50))}, "low": {float64(got.P10), float64(m.Total.At(0.10))}, "high": {float64(got.P90), float64(m.Total.At(0.90))},
		} {
			if want := pair[1] * 730 / m.To.Sub(m.From).Hours() * 0.90 / 1e6; got.Month != m.From.Format("2006-01") || math.Abs(pair[0]-want) > 0.01 {
				t.Errorf("%s, %s: got %.2f, want %.2f", got.Month, name, pair[0], want)
			}
		}
	}
	few := int64(2)
	in.Options[3].Capacity.MaxReplicas = &few
	in.Forecast = projection(15e9, 0.5, 0.1) // grows beyond what two replicas carry
	if got := Decide(in).Ahead("api", "self"); len(got) != 1 || got[0].Option != "api" {
		t.Errorf("a fleet that is too small in the end: got %+v, want what the API costs alone", got)
	}
	if got := (Verdict{}).Ahead("api"); got != nil {
		t.Errorf("nothing is known: got %+v", got)
	}
}
