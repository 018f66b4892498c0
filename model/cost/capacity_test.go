package cost

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"tipline/model/modeltest"
)

// between returns a random decimal in [lo, hi] with four digits.
func between(r *rand.Rand, lo, hi float64) *big.Rat {
	return big.NewRat(int64((lo+(hi-lo)*r.Float64())*10_000), 10_000)
}

func number(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}

// TestReserveLaws holds property 25: the rule agrees with trying every number of reservations, and none is reserved when
// that is no cheaper by the hour.
func TestReserveLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(25, 1))
	for range modeltest.Draws {
		var load []UnitHours
		var hours []float64
		left := 730.0
		for range 1 + r.IntN(6) {
			h := math.Floor(r.Float64() * left)
			left -= h
			load = append(load, UnitHours{Hours: big.NewRat(int64(h), 1), Units: r.Int64N(6)})
			hours = append(hours, h)
		}
		onDemand, reserved := between(r, 0.5, 5), between(r, 0, 6)
		got, err := Reserve(load, onDemand, reserved, big.NewRat(730, 1))
		if err != nil {
			t.Fatal(err)
		}
		least := math.Inf(1)
		for n := range int64(7) { // n reserved units carry what they can, the rest is on demand
			usd := float64(n) * number(reserved) * 730
			for i, l := range load {
				usd += hours[i] * float64(max(0, l.Units-n)) * number(onDemand)
			}
			least = min(least, usd)
		}
		if math.Abs(number(got.Cost)-least) > 1e-6*(1+least) {
			t.Fatalf("%v at %v on demand and %v reserved: got %v, trying every number gives %v", load, onDemand, reserved, number(got.Cost), least)
		}
		if reserved.Cmp(onDemand) >= 0 && got.Reserved != 0 {
			t.Fatalf("reserved at %v against %v on demand: got %d reservations, want none", reserved, onDemand, got.Reserved)
		}
	}
	if _, err := Reserve(nil, zero, one, one); err == nil || !strings.Contains(err.Error(), "on demand") {
		t.Errorf("a price of 0: got %v, want an error that names it", err)
	}
}

// TestOwnedLaws holds properties 26 and 27: at a vanishing rate the annuity is the straight line, a dearer credit costs more,
// and power grows with utilization.
func TestOwnedLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(26, 1))
	for range modeltest.Draws {
		o := Owned{
			Capex: between(r, 1000, 1e6), Months: 1 + r.Int64N(60), GPUs: r.Int64N(16), IdleWatts: between(r, 0, 200),
			LoadWatts: between(r, 200, 1000), PUE: between(r, 1, 2), USDPerKWh: between(r, 0.01, 0.5), Utilization: between(r, 0, 0.9),
		}
		o.Salvage = mul(o.Capex, between(r, 0, 1))
		straight := o.Monthly().Capital
		o.AnnualRate = big.NewRat(1, 1_000_000_000)
		if vanishing := o.Monthly().Capital; math.Abs(number(vanishing)-number(straight)) > 1e-4*(1+number(straight)) {
			t.Fatalf("%+v: annuity at a vanishing rate %v, straight line %v", o, number(vanishing), number(straight))
		}
		o.AnnualRate = between(r, 0.01, 0.3)
		// By hand: what is paid back each month, in floating point.
		i := number(o.AnnualRate) / 12
		q := math.Pow(1+i, float64(o.Months))
		want := (number(o.Capex) - number(o.Salvage)/q) * i * q / (q - 1)
		if got := number(o.Monthly().Capital); math.Abs(got-want) > 1e-6*(1+want) || got < number(straight)*(1-1e-9) {
			t.Fatalf("%+v: annuity %v, want %v, above the straight line %v", o, got, want, number(straight))
		}
		idle := o.Monthly().Power
		o.Utilization = add(o.Utilization, big.NewRat(1, 20))
		if busy := o.Monthly().Power; busy.Cmp(idle) < 0 {
			t.Fatalf("%+v: power falls from %v to %v with more load", o, idle, busy)
		}
	}
}

// TestThroughputLaws holds property 28: total over output is (a+b)/b, prefix hits never cost throughput, and longer outputs at
// the same total never raise it where decoding is no faster than prefill.
func TestThroughputLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(28, 1))
	for range modeltest.Draws {
		x := between(r, 0.001, 1)
		c := Coefficients{X: x, Y0: mul(x, between(r, 1, 10)), Y1: mul(x, between(r, 0, 0.01)), PrefixHit: between(r, 0, 0.9)}
		a, b := integer(1+r.Int64N(5000)), integer(1+r.Int64N(5000))
		got, err := c.At(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if quo(got.TotalTokensPerHour, got.OutputTokensPerHour).Cmp(quo(add(a, b), b)) != 0 {
			t.Fatalf("%v/%v: total over output is %v", a, b, quo(got.TotalTokensPerHour, got.OutputTokensPerHour))
		}
		more := c
		more.PrefixHit = add(c.PrefixHit, big.NewRat(1, 10))
		if warm, err := more.At(a, b); err != nil || warm.TotalTokensPerHour.Cmp(got.TotalTokensPerHour) < 0 {
			t.Fatalf("more prefix hits: %v after %v, %v", warm, got, err)
		}
		if a.Cmp(one) > 0 {
			longer, err := c.At(sub(a, one), add(b, one))
			if err != nil || longer.TotalTokensPerHour.Cmp(got.TotalTokensPerHour) > 0 {
				t.Fatalf("%v/%v: a longer output raises the throughput: %v after %v, %v", a, b, longer, got, err)
			}
		}
	}
}

// TestFitThroughput recovers coefficients from the rates that they make, with and without noise, and refuses what it cannot fit.
func TestFitThroughput(t *testing.T) {
	t.Parallel()
	grid := [][2]int64{{128, 128}, {128, 2048}, {2048, 128}, {1000, 1000}, {5000, 500}, {20000, 2000}}
	measure := func(c Coefficients, noise func() float64) []MeasuredShape {
		var shapes []MeasuredShape
		for _, g := range grid {
			rates, err := c.At(integer(g[0]), integer(g[1]))
			if err != nil {
				t.Fatal(err)
			}
			shapes = append(shapes, MeasuredShape{Input: g[0], Output: g[1], OutputTokensPerSecond: number(rates.OutputTokensPerHour) / 3600 * noise()})
		}
		return shapes
	}
	r := rand.New(rand.NewPCG(42, 1))
	for range modeltest.Draws {
		x := between(r, 0.01, 1)
		x = quo(x, integer(10_000))
		c := Coefficients{X: x, Y0: mul(x, between(r, 0.5, 20)), Y1: mul(x, between(r, 0.0001, 0.01))}
		got, miss, err := FitThroughput(measure(c, func() float64 { return 1 }))
		if err != nil || miss > 1e-9 {
			t.Fatalf("%v: %v, miss %v", c, err, miss)
		}
		for i, pair := range [][2]*big.Rat{{got.X, c.X}, {got.Y0, c.Y0}, {got.Y1, c.Y1}} {
			if math.Abs(number(pair[0])/number(pair[1])-1) > 1e-6 {
				t.Fatalf("coefficient %d: got %v, want %v", i, number(pair[0]), number(pair[1]))
			}
		}
		if _, miss, err := FitThroughput(measure(c, func() float64 { return 1 + 0.04*(r.Float64()-0.5) })); err != nil && miss > 0.05 {
			t.Fatalf("noise of 2 %%: %v, miss %v", err, miss)
		}
	}
	good := measure(Coefficients{X: big.NewRat(1, 100_000), Y0: big.NewRat(2, 100_000), Y1: big.NewRat(1, 10_000_000)}, func() float64 { return 1 })
	wild := append([]MeasuredShape{}, good...)
	for i := range wild {
		wild[i].OutputTokensPerSecond *= math.Pow(4, float64(i%3))
	}
	alike := []MeasuredShape{good[0], good[0], good[0], good[0]}
	for name, shapes := range map[string][]MeasuredShape{
		"3 measured": good[:3], "too alike": alike, "want tokens and a rate": append([]MeasuredShape{{Input: 100, Output: 100}}, good...),
	} {
		if _, _, err := FitThroughput(shapes); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, miss, err := FitThroughput(wild); err == nil {
		t.Errorf("rates that no coefficients make: accepted with a miss of %v", miss)
	}
}

// TestOperationsAreCountedOnce holds that building is either spread or paid up front.
func TestOperationsAreCountedOnce(t *testing.T) {
	t.Parallel()
	o := Operations{EngineerMonth: integer(20_000), BuildMonths: big.NewRat(3, 2), FTE: big.NewRat(1, 4)}
	if _, total := o.Monthly(); total.Cmp(integer(5_000)) != 0 || o.Upfront().Cmp(integer(30_000)) != 0 {
		t.Errorf("up front: got %v a month and %v once, want 5000 and 30000", total, o.Upfront())
	}
	o.AmortizeMonths = integer(12)
	if _, total := o.Monthly(); total.Cmp(integer(7_500)) != 0 {
		t.Errorf("spread: got %v a month, want 7500", total)
	}
}

func TestFootprintThatDoesNotFit(t *testing.T) {
	t.Parallel()
	f := Footprint{ParamsBillion: integer(671), BytesPerParam: integer(2), KVBytesPerToken: integer(70_000), ConcurrentTokens: integer(64_000)}
	if _, err := f.Fit(integer(80), nil); err == nil || !strings.Contains(err.Error(), "8 GPUs of 80 GB") {
		t.Errorf("got %v, want to be told that eight GPUs are too few", err)
	}
}

// TestElasticitiesAreDerivatives moves each input of the smooth crossing by a thousandth of a percent.
func TestElasticitiesAreDerivatives(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(12, 1))
	for range modeltest.Draws {
		c := Crossing{
			Fixed: between(r, 100, 20_000), APIPerMTok: between(r, 0.5, 10), Variable: between(r, 0, 0.2),
			CostPerHour: between(r, 0.5, 10), TokensPerHour: integer(1_000_000 * (1 + r.Int64N(100))),
		}
		if r.IntN(2) == 0 { // what a tier below leaves of the API's bill
			c.APIFixed = between(r, -20_000, 90)
		}
		if r.IntN(2) == 0 {
			c.Starting = between(r, 0, 5_000)
		}
		e, ok := c.Elasticities()
		if !ok || e.Breakeven.Cmp(big.NewRat(99, 100)) > 0 {
			continue
		}
		step := big.NewRat(100_001, 100_000)
		for i, try := range []func(c *Crossing) *big.Rat{
			func(c *Crossing) *big.Rat { c.Fixed = mul(c.Fixed, step); return e.Fixed },
			func(c *Crossing) *big.Rat {
				c.APIPerMTok, c.APIFixed = mul(c.APIPerMTok, step), mul(or(c.APIFixed, zero), step)
				return e.API
			},
			func(c *Crossing) *big.Rat {
				c.CostPerHour, c.Starting = mul(c.CostPerHour, step), mul(or(c.Starting, zero), step)
				return e.GPU
			},
			func(c *Crossing) *big.Rat { c.Starting = mul(or(c.Starting, zero), step); return e.Starting },
			func(c *Crossing) *big.Rat { c.TokensPerHour = mul(c.TokensPerHour, step); return e.Throughput },
			func(c *Crossing) *big.Rat { c.Variable = mul(c.Variable, step); return e.Varied },
		} {
			moved := c
			want := number(try(&moved))
			after, _ := moved.Elasticities()
			got := (number(after.Volume)/number(e.Volume) - 1) / 1e-5
			if math.Abs(got-want) > 0.01*(1+math.Abs(want))*math.Max(1, math.Abs(want)) {
				t.Fatalf("%+v: input %d: moved by %v, want %v", c, i, got, want)
			}
		}
	}
}
