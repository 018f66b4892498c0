package cost_test

import (
	"math/big"
	"testing"

	"tipline/model/cost"
	"tipline/model/modeltest"
)

// way is one option of an envelope: its curve, and its cost at a volume worked out without the package.
type way struct {
	curve cost.Curve
	at    func(volume *big.Rat) (*big.Rat, bool)
}

func (r random) way(t *testing.T, limit *big.Rat) way {
	t.Helper()
	if r.IntN(2) == 0 {
		c := r.capacity()
		return way{fleet(t, c).Curve(limit), func(v *big.Rat) (*big.Rat, bool) {
			_, _, usd, ok := byHand(c, v)
			return usd, ok
		}}
	}
	api := r.tiered()
	return way{api.Curve(limit), func(v *big.Rat) (*big.Rat, bool) { return bill(api, v), true }}
}

// TestEnvelopeByHand holds properties 22 and 23 of the cost model, section 16: the winner is the cheapest at any volume tried,
// the pieces tile the range, and an option that is always dearer changes nothing.
func TestEnvelopeByHand(t *testing.T) {
	t.Parallel()
	r := newRandom(8)
	limit := whole(60_000)
	for range modeltest.Draws {
		ways := make([]way, 1+r.IntN(4))
		curves := make([]cost.Curve, len(ways))
		for i := range ways {
			ways[i] = r.way(t, limit)
			curves[i] = ways[i].curve
		}
		winners := cost.Envelope(curves, limit)
		from := zero
		for i, w := range winners {
			if w.From.Cmp(from) != 0 || w.To.Cmp(w.From) <= 0 || i > 0 && w.Index == winners[i-1].Index {
				t.Fatalf("piece %d of %v does not continue the one before it", i, winners)
			}
			from = w.To
			for _, share := range []*big.Rat{big.NewRat(1, 1000), big.NewRat(1, 2), r.between(0, 1), big.NewRat(999, 1000), one} {
				v := add(w.From, mul(share, sub(w.To, w.From)))
				if v.Cmp(w.From) == 0 {
					continue
				}
				least, index := (*big.Rat)(nil), -1
				for j, way := range ways {
					if usd, ok := way.at(v); ok && (least == nil || usd.Cmp(least) < 0) {
						least, index = usd, j
					}
				}
				if index == w.Index {
					continue
				}
				if index < 0 || w.Index < 0 {
					t.Errorf("at %s: got %d, want %d", v.RatString(), w.Index, index)
				} else if usd, ok := ways[w.Index].at(v); !ok || usd.Cmp(least) != 0 || share.Cmp(one) != 0 { // a tie where two curves cross
					t.Errorf("at %s: got %d for %v, want %d for %s", v.RatString(), w.Index, usd, index, least.RatString())
				}
			}
		}
		if from.Cmp(limit) != 0 {
			t.Errorf("the pieces end at %s, want %s", from.RatString(), limit.RatString())
		}

		var dear cost.Curve
		for _, s := range curves[0] {
			dear = append(dear, cost.Segment{From: s.From, To: s.To, Alpha: add(s.Alpha, one), Beta: s.Beta})
		}
		again := cost.Envelope(append(append([]cost.Curve{}, curves...), dear), limit)
		if len(again) != len(winners) {
			t.Fatalf("with a dominated option: got %v, want %v", again, winners)
		}
		for i := range again {
			if again[i].Index != winners[i].Index || again[i].To.Cmp(winners[i].To) != 0 {
				t.Errorf("with a dominated option: piece %d: got %v, want %v", i, again[i], winners[i])
			}
		}
	}
}

// BenchmarkEnvelope has ten options, eight of them fleets whose steps make 100,000 breakpoints.
func BenchmarkEnvelope(b *testing.B) {
	const limit = 1_000_000_000_000
	r := newRandom(9)
	curves := []cost.Curve{
		cost.Rate{PerMTok: big.NewRat(3, 5), MinimumCommit: whole(5000)}.Curve(whole(limit)),
		cost.Rate{PerMTok: big.NewRat(4, 5), AllUnits: true, Steps: []cost.Step{{Above: whole(limit / 2), PerMTok: big.NewRat(1, 2)}}}.Curve(whole(limit)),
	}
	breakpoints := 0
	for i := range int64(8) {
		f, err := cost.Capacity{
			TokensPerHour: whole(104_000 + 1013*i), BlockCostPerHour: quo(r.between(500, 700), whole(10_000)), TargetUtilization: big.NewRat(1, 1),
			HoursPerMonth: whole(730), FixedMonthly: whole(1000 * i),
		}.Fleet()
		if err != nil {
			b.Fatal(err)
		}
		curve := f.Curve(whole(limit))
		curves, breakpoints = append(curves, curve), breakpoints+len(curve)
	}
	b.ReportAllocs()
	for b.Loop() {
		cost.Envelope(curves, whole(limit))
	}
	b.ReportMetric(float64(breakpoints), "breakpoints") // after the loop, which forgets what was reported before
}

// TestEnvelopeOrder holds property 24: the order of the options decides ties and nothing else.
func TestEnvelopeOrder(t *testing.T) {
	t.Parallel()
	limit := whole(1000)
	flat := func(usd int64) cost.Curve { return cost.Curve{{From: zero, To: limit, Alpha: whole(usd), Beta: zero}} }
	for _, tc := range []struct {
		name   string
		curves []cost.Curve
		want   int
	}{
		{"the first of two that cost the same wins", []cost.Curve{flat(2), flat(1), flat(1)}, 1},
		{"the cheaper one wins wherever it stands", []cost.Curve{flat(1), flat(3)}, 0},
		{"the cheaper one wins wherever it stands, again", []cost.Curve{flat(3), flat(1)}, 1},
		{"nobody can serve", []cost.Curve{nil}, -1},
	} {
		if got := cost.Envelope(tc.curves, limit); len(got) != 1 || got[0].Index != tc.want {
			t.Errorf("%s: got %v, want %d", tc.name, got, tc.want)
		}
	}
}
