package cost

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"tipline/model/modeltest"
)

// TestAutoscaledQuota holds that a load above the quota is refused and not served by fewer, and that spares count.
func TestAutoscaledQuota(t *testing.T) {
	t.Parallel()
	a := Autoscaled{PerReplica: integer(10), ReplicaCost: one, MaxReplicas: 2}
	if _, err := a.At(NewLoad([]LoadBlock{{Hours: one, TokensPerHour: integer(21)}})); err == nil || !strings.Contains(err.Error(), "quota is 2") {
		t.Errorf("got %v, want the quota", err)
	}
	load := NewLoad([]LoadBlock{{Hours: integer(3), TokensPerHour: integer(20)}, {Hours: integer(4), TokensPerHour: zero}})
	got, err := a.At(load)
	if err != nil || got.ReplicaHours.Cmp(integer(6)) != 0 || got.Most != 2 {
		t.Errorf("got %+v, %v, want 6 replica-hours: 2 in 3 hours, none in 4", got, err)
	}
	a.SpareReplicas = 1
	if _, err := a.At(load); err == nil || !strings.Contains(err.Error(), "need 3 replicas, the quota is 2") {
		t.Errorf("with a spare: got %v, want the quota", err)
	}
	a.PerReplica = big.NewRat(1, 1<<60)
	if _, err := a.At(load); err == nil || !strings.Contains(err.Error(), "more than there are") {
		t.Errorf("a replica that carries next to nothing: got %v, want an error", err)
	}
}

// TestAutoscaledLaws walks every hour of random loads and tries every number of reservations. A fleet that follows its load never
// runs more replica-hours than one for the peak, starts aside.
func TestAutoscaledLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(46, 1))
	for range modeltest.Draws {
		a := Autoscaled{
			PerReplica: integer(1 + r.Int64N(50)), ReplicaCost: between(r, 0.5, 5), MinReplicas: r.Int64N(3), SpareReplicas: r.Int64N(3),
			ScaleToZero: r.IntN(2) == 0, ColdStarts: integer(r.Int64N(100)), ColdStartHours: between(r, 0, 0.3), FixedMonthly: between(r, 0, 100),
		}
		if r.IntN(3) > 0 {
			a.ReservedCost = between(r, 0, 6)
		}
		var blocks []LoadBlock
		var running []float64 // replicas in each hour
		var peak float64
		for range 1 + r.IntN(40) {
			rate := max(0, r.Int64N(260)-60)
			blocks = append(blocks, LoadBlock{Hours: one, TokensPerHour: integer(rate)})
			n := math.Ceil(float64(rate) / number(a.PerReplica))
			if n > 0 || !a.ScaleToZero {
				n = max(n, float64(a.MinReplicas)) + float64(a.SpareReplicas)
			}
			running = append(running, n)
			peak = max(peak, n)
		}
		got, err := a.At(NewLoad(blocks))
		if err != nil {
			t.Fatal(err)
		}
		starts := number(a.ColdStarts) * number(a.ColdStartHours)
		hours, least := starts, math.Inf(1)
		for _, n := range running {
			hours += n
		}
		for reserved := 0.0; reserved <= peak; reserved++ {
			usd := starts * number(a.ReplicaCost)
			if reserved > 0 {
				if a.ReservedCost == nil {
					break
				}
				usd += reserved * float64(len(running)) * number(a.ReservedCost)
			}
			for _, n := range running {
				usd += max(0, n-reserved) * number(a.ReplicaCost)
			}
			least = min(least, usd)
		}
		if math.Abs(number(got.ReplicaHours)-hours) > 1e-9*(1+hours) || float64(got.Most) != peak {
			t.Fatalf("%+v over %v: got %v replica-hours and %d at most, want %v and %v", a, running, number(got.ReplicaHours), got.Most, hours, peak)
		}
		if math.Abs(number(got.CapacityCost)-least) > 1e-9*(1+least) {
			t.Fatalf("%+v over %v: got %v USD with %d reserved, want %v", a, running, number(got.CapacityCost), got.Reserved, least)
		}
		if got.Cost.Cmp(add(got.CapacityCost, a.FixedMonthly)) != 0 || got.PaidHours.Cmp(got.ReplicaHours) < 0 {
			t.Fatalf("%+v over %v: got %+v, want the fixed cost once, and every hour that runs paid for", a, running, got)
		}
		if static := peak * float64(len(running)); number(got.ReplicaHours) > static+starts+1e-9 {
			t.Fatalf("%+v over %v: got %v replica-hours, a fleet for the peak has %v", a, running, number(got.ReplicaHours), static)
		}
	}
}
