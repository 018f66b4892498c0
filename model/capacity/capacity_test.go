package capacity_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/model"
	"tipline/model/capacity"
)

// engine is a fleet whose time to first token grows as it fills.
var engine = fleet{x: 0.001, y0: 0.0012, y1: 1.5e-6, slots: 32, prefill: 0.5, crowding: 4, variation: 0.5}

// usual is the shape of its requests.
var usual = shape{1000, 300, 0}

// days returns what arrives in four weeks: day and night, quiet weekends, replicas that come and go, requests whose shape changes every
// five hours, and at the highest peak times what a fleet can do.
func days(f fleet, rng *rand.Rand, peak float64, shapes ...shape) []demandOf {
	var hours []demandOf
	for i := range 28 * 24 {
		day, s := i/24, shapes[i/5%len(shapes)]
		n := 2 + min(1, day%7/3) + day/20
		level := peak * (0.55 + 0.45*math.Sin(float64(i%24-8)/24*2*math.Pi)) * (1 + 0.1*rng.NormFloat64())
		if day%7 >= 5 {
			level *= 0.6
		}
		rate := max(0.02, level) * float64(n) * 3600 / f.seconds(s.input, s.output, s.input*s.cached)
		hours = append(hours, demandOf{rate, s, n})
	}
	return hours
}

// TestMeasure holds that the capacity of fleets whose capacity is known is measured within 5 %, whatever the limit, however sharp the
// rise of the time to first token, and while replicas and requests change.
func TestMeasure(t *testing.T) {
	t.Parallel()
	decoding := fleet{x: 0.0002, y0: 0.003, y1: 1e-6, slots: 128, prefill: 1, crowding: 4, variation: 0.5}
	sudden := fleet{x: 0.001, y0: 0.0012, y1: 1.5e-6, slots: 32, prefill: 3, variation: 0.5}
	mixed := []shape{{1000, 300, 0}, {2000, 150, 0.3}, {500, 600, 0}, {3000, 300, 0.5}, {300, 200, 0}}
	for _, tc := range []struct {
		name   string
		fleet  fleet
		limit  time.Duration
		shapes []shape
		fitted bool
	}{
		{"a strict limit", engine, 3 * time.Second, []shape{usual}, false},
		{"a generous limit", engine, 8 * time.Second, []shape{usual}, false},
		{"a limit near what an idle replica needs", sudden, 9 * time.Second, []shape{usual}, false},
		{"many small requests", decoding, 3 * time.Second, []shape{usual}, false},
		{"requests that change", engine, 8 * time.Second, mixed, true},
		{"requests that change, mostly decoding", decoding, 4 * time.Second, mixed, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			u := tc.fleet.usage(rng, days(tc.fleet, rng, 1.1, tc.shapes...))
			m, err := capacity.Measure(u, tc.limit, 0)
			if err != nil {
				t.Fatal(err)
			}
			s := shape{m.InputPerRequest, m.OutputPerRequest, float64(m.CachedRatio)}
			want := tc.fleet.capacity(s, tc.limit)
			if off := m.TokensPerHour/want - 1; math.Abs(off) > 0.05 {
				t.Errorf("got %.0f tokens an hour, %+.1f %% off the %.0f that a replica serves at the limit", m.TokensPerHour, 100*off, want)
			}
			if !m.Known() || !(m.Low <= m.TokensPerHour) || !(m.TokensPerHour <= *m.High) || m.Low < 0.8*want || *m.High > 1.2*want {
				t.Errorf("got a range of %v to %v, want one around %.0f", m.Low, m.High, want)
			}
			if tc.fitted != (m.Fit != nil && m.NotFitted == "") {
				t.Fatalf("got the fit %+v and the reason %q", m.Fit, m.NotFitted)
			}
			if f := m.Fit; f != nil {
				a, b := s.input, s.output
				each := f.X*a*(1-s.cached) + f.Y0*b + f.Y1*b*(a+b/2)
				if got := 3600 / each * (a + b); math.Abs(got/m.TokensPerHour-1) > 1e-9 {
					t.Errorf("the fit gives %.0f tokens an hour at the mix, want the %.0f that were measured", got, m.TokensPerHour)
				}
			}
		})
	}
}

// measured returns four weeks of the usual fleet, and what is measured of it.
func measured(t *testing.T, peak float64, limit time.Duration) (model.Usage, *model.MeasuredCapacity) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	u := engine.usage(rng, days(engine, rng, peak, usual))
	m, err := capacity.Measure(u, limit, 0)
	if err != nil {
		t.Fatal(err)
	}
	return u, m
}

const limit = 5 * time.Second

// changed returns u with every hour as change leaves it.
func changed(u model.Usage, change func(h *model.Hour, s *model.Serving)) model.Usage {
	u.Hours, u.Serving = append([]model.Hour{}, u.Hours...), append([]model.Serving{}, u.Serving...)
	for i := range u.Hours {
		change(&u.Hours[i], &u.Serving[i])
	}
	return u
}

// TestNoHourThatBrokeTheLimitContributes holds that what was served while the limit was broken does not move the capacity.
func TestNoHourThatBrokeTheLimitContributes(t *testing.T) {
	t.Parallel()
	u, want := measured(t, 1.1, limit)
	if want.Broke < 50 {
		t.Fatalf("%d hours broke the limit, want many to try it with", want.Broke)
	}
	busier := func(h *model.Hour, times model.Tokens) {
		h.Requests *= float64(times)
		for c := range h.Tokens {
			h.Tokens[c] *= times
		}
	}
	for _, times := range []model.Tokens{0.1, 1.02, 10} {
		got, err := capacity.Measure(changed(u, func(h *model.Hour, s *model.Serving) {
			if s.TTFTP95 > limit {
				busier(h, times)
			}
		}), limit, 0)
		if err != nil || got.TokensPerHour != want.TokensPerHour || got.Low != want.Low || got.Hours != want.Hours || got.Broke != want.Broke {
			t.Errorf("tokens times %v: got %+v (error %v), want %+v", times, got, err, want)
		}
	}
	quiet := changed(u, func(h *model.Hour, s *model.Serving) {
		if s.TTFTP95 > limit { // the few that were answered were answered soon, the others waited
			busier(h, 10)
			s.TTFTP95, s.Waiting = time.Second, 1.1*limit.Seconds()*h.Requests/3600
		}
	})
	if got, err := capacity.Measure(quiet, limit, 0); err != nil || got.Broke < want.Broke || got.TokensPerHour > want.TokensPerHour {
		t.Errorf("a queue longer than the limit: got %+v (error %v), want no more than %+v", got, err, want)
	}
}

// TestHoursThatBrokeOnlyTellWhetherItWasReached holds that whatever was served while the limit was broken, what is measured is the same, coefficients and all, but for
// whether it was the capacity or no more than was served.
func TestHoursThatBrokeOnlyTellWhetherItWasReached(t *testing.T) {
	t.Parallel()
	const limit = 8 * time.Second
	rng := rand.New(rand.NewPCG(5, 6))
	u := engine.usage(rng, days(engine, rng, 1.1, usual, shape{2000, 150, 0.3}, shape{500, 600, 0}, shape{3000, 300, 0.5}, shape{300, 200, 0}))
	var seen []*model.MeasuredCapacity // known, and not
	for range 12 {
		times := math.Exp(3 * rng.NormFloat64())
		got, err := capacity.Measure(changed(u, func(h *model.Hour, s *model.Serving) {
			if s.TTFTP95 <= limit {
				return
			}
			s.TTFTP95 += time.Duration(rng.Int64N(int64(time.Hour)))
			s.Waiting *= rng.Float64()
			h.Requests *= times * math.Exp(rng.NormFloat64())
			for c := range h.Tokens {
				h.Tokens[c] = model.Tokens(float64(h.Tokens[c]) * times * math.Exp(rng.NormFloat64()))
			}
		}), limit, 0)
		if err != nil || got.Broke < 30 || got.Fit == nil {
			t.Fatalf("got %+v, error %v, want a fit and many hours that broke the limit", got, err)
		}
		i := slices.IndexFunc(seen, func(m *model.MeasuredCapacity) bool { return (m.High == nil) == (got.High == nil) })
		if i < 0 {
			seen = append(seen, got)
		} else if diff := cmp.Diff(seen[i], got); diff != "" {
			t.Fatalf("what the hours that broke the limit served moved it: %s", diff)
		}
	}
}

// TestUnknownDoesNotContribute holds that hours of which something is not known are left out, and are not taken for idle or free of a queue.
func TestUnknownDoesNotContribute(t *testing.T) {
	t.Parallel()
	u, want := measured(t, 1.1, limit)
	for name, forget := range map[string]func(h *model.Hour, s *model.Serving){
		"time to first token": func(_ *model.Hour, s *model.Serving) { s.TTFTP95 = 0 },
		"replicas":            func(_ *model.Hour, s *model.Serving) { s.Replicas = 0 },
		"queue":               func(_ *model.Hour, s *model.Serving) { s.Waiting, s.Queued = 0, false },
		"requests":            func(h *model.Hour, _ *model.Serving) { h.Requests = 0 },
	} {
		i := 0
		half := changed(u, func(h *model.Hour, s *model.Serving) {
			if i++; i%2 == 0 {
				forget(h, s)
				for c := range h.Tokens {
					h.Tokens[c] *= 100 // so that it would be seen
				}
			}
		})
		got, err := capacity.Measure(half, limit, 0)
		if err != nil || got.Unknown != len(u.Hours)/2 || math.Abs(got.TokensPerHour/want.TokensPerHour-1) > 0.05 {
			t.Errorf("%s not known of every other hour: got %+v (error %v), want about %.0f tokens an hour", name, got, err, want.TokensPerHour)
		}
	}
	none := changed(u, func(_ *model.Hour, s *model.Serving) { s.Waiting, s.Queued = 0, false })
	if got, err := capacity.Measure(none, limit, 0); err != nil || got.Unknown != 0 || got.TokensPerHour != want.TokensPerHour {
		t.Errorf("a source without a queue: got %+v (error %v), want %.0f tokens an hour", got, err, want.TokensPerHour)
	}
	moving := changed(u, func(h *model.Hour, s *model.Serving) {
		if s.Replicas > 2 { // seen half of the hour
			s.Replicas--
			s.Replicas += 0.5
		}
	})
	if got, err := capacity.Measure(moving, limit, 0); err != nil || got.Other == 0 || got.TokensPerHour > 1.02*want.TokensPerHour {
		t.Errorf("replicas that come and go: got %+v (error %v), want no more than %.0f tokens an hour", got, err, want.TokensPerHour)
	}
	gpus := changed(u, func(_ *model.Hour, s *model.Serving) { s.GPUs, s.Replicas = 4*s.Replicas, 0 })
	if got, err := capacity.Measure(gpus, limit, 4); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("GPUs instead of replicas: got %+v (error %v), want %+v", got, err, want)
	}
	unsure := gpus
	unsure.GPU = &model.GPU{Count: 4, Unsure: []string{"mig"}}
	if _, err := capacity.Measure(unsure, limit, 4); err == nil || !strings.Contains(err.Error(), "replicas") {
		t.Errorf("GPUs of which it is unsure how many they are: got error %v", err)
	}
	few := changed(u, func(_ *model.Hour, s *model.Serving) { s.GPUs, s.Replicas = 0.1, 0 })
	if m, err := capacity.Measure(few, limit, 4); err == nil {
		t.Errorf("a fortieth of a replica: got %+v, want nothing", m)
	}
	larger := changed(u, func(_ *model.Hour, s *model.Serving) { s.GPUs = 8 * s.Replicas })
	if _, err := capacity.Measure(larger, limit, 4); err == nil || !strings.Contains(err.Error(), "of that size") {
		t.Errorf("replicas of twice the GPUs: got error %v", err)
	}
	if _, err := capacity.Measure(gpus, limit, 0); err == nil || !strings.Contains(err.Error(), "replicas") {
		t.Errorf("neither replicas nor the GPUs of one: got error %v", err)
	}
}

// TestLimitNotReached holds that a fleet that was never near its limit has no capacity, only what it served at least.
func TestLimitNotReached(t *testing.T) {
	t.Parallel()
	_, m := measured(t, 0.4, limit)
	if m.Known() || !(m.TokensPerHour > 0) || m.TokensPerHour > 0.75*engine.capacity(usual, limit) {
		t.Errorf("got %+v, want what was served and no more", m)
	}
}

func TestNothingToMeasure(t *testing.T) {
	t.Parallel()
	u, _ := measured(t, 1.1, limit)
	short := u.Until(u.Start.Add(14 * time.Hour))
	for _, tc := range []struct {
		want  string
		usage model.Usage
		limit time.Duration
	}{
		{"no limit", u, 0},
		{"of no hour", model.Usage{Hours: u.Hours}, limit},
		{"no hour kept the limit of 1ms", u, time.Millisecond},
		{"want at least 8", short, limit},
	} {
		if m, err := capacity.Measure(tc.usage, tc.limit, 0); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("got %+v and error %v, want %q", m, err, tc.want)
		}
	}
}
