package drift

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

var faultEnd = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// fleet makes n workloads of forty days of one source whose hours stray; change changes the hour that ends back hours before faultEnd of workload i.
func fleet(n int, change func(i, back int, h *model.Hour)) []model.Usage {
	r := rand.New(rand.NewPCG(8, 9))
	all := make([]model.Usage, n)
	for i := range all {
		u := model.Usage{Workload: string(rune('a' + i)), Start: faultEnd.AddDate(0, 0, -40)}
		for k := range 40 * 24 {
			v := 1e6 * float64(i+1) * (1.2 + math.Sin(float64(k%24)/24*2*math.Pi)) * math.Exp(0.1*r.NormFloat64())
			h := model.Hour{Coverage: 1, Requests: v / 1000, Tokens: model.Volume{model.Input: model.Tokens(0.8 * v), model.Output: model.Tokens(0.2 * v)}}
			change(i, 40*24-k, &h)
			u.Hours = append(u.Hours, h)
		}
		all[i] = u
	}
	return all
}

func scale(h *model.Hour, times model.Tokens) {
	for c := range h.Tokens {
		h.Tokens[c] *= times
	}
}

// faultsOf returns the faults of all at the end.
func faultsOf(all []model.Usage) [][]Fault {
	faults, _ := Faults(readers(all), faultEnd)
	return faults
}

// TestFaults tells what is wrong with the data from a change of use.
func TestFaults(t *testing.T) {
	t.Parallel()
	gone := func(h *model.Hour) { *h = model.Hour{} }
	for _, tc := range []struct {
		name   string
		n      int
		change func(i, back int, h *model.Hour)
		codes  []string // of each workload, empty for none
		says   string
	}{
		{"as ever", 4, func(int, int, *model.Hour) {}, []string{"", "", "", ""}, ""},
		{"a unit of a thousand", 2, func(i, back int, h *model.Hour) {
			if i == 1 && back <= 30 {
				scale(h, 1000)
			}
		}, []string{"", CounterUnit}, "1000 times what they were from 22 November 2026 00:00 UTC on while requests are as many as before"},
		{"thousands instead of ones, ten days ago", 1, func(_, back int, h *model.Hour) {
			if back <= 240 {
				scale(h, 0.001)
				h.Requests = 0 // not counted
			}
		}, []string{CounterUnit}, "1/1000 times what they were from 13 November 2026 06:00 UTC on"},
		{"a workload a thousand times as popular", 1, func(_, back int, h *model.Hour) {
			if back <= 30 {
				scale(h, 1000)
				h.Requests *= 1000
			}
		}, []string{""}, ""},
		{"a counter with another meaning", 4, func(_, back int, h *model.Hour) {
			if back <= 50 {
				scale(h, 1.4)
			}
		}, []string{CounterChanged, CounterChanged, CounterChanged, CounterChanged}, "4 of 4 workloads of the source changed by the same factor, ×1.4"},
		{"a counter with another meaning a fortnight ago", 3, func(_, back int, h *model.Hour) {
			if back <= 340 {
				scale(h, 2)
			}
		}, []string{CounterChanged, CounterChanged, CounterChanged}, "in the hour from 9 November 2026 02:00 UTC"},
		{"one workload that doubles", 4, func(i, back int, h *model.Hour) {
			if i == 2 && back <= 50 {
				scale(h, 2)
				h.Requests *= 2
			}
		}, []string{"", "", "", ""}, ""},
		{"all workloads double, and their requests", 4, func(_, back int, h *model.Hour) {
			if back <= 50 {
				scale(h, 2)
				h.Requests *= 2
			}
		}, []string{"", "", "", ""}, ""},
		{"all workloads change, each by another factor", 4, func(i, back int, h *model.Hour) {
			if back <= 50 {
				scale(h, model.Tokens(1.3+float64(i)/2))
			}
		}, []string{"", "", "", ""}, ""},
		{"all workloads grow over days", 4, func(_, back int, h *model.Hour) {
			if back <= 96 {
				scale(h, model.Tokens(1+float64(96-back)/96))
			}
		}, []string{"", "", "", ""}, ""},
		{"a label with another value", 3, func(i, back int, h *model.Hour) {
			if i == 1 && back <= 12 || i == 2 && back > 12 {
				gone(h)
			} else if i == 2 {
				scale(h, 2.0/3) // as large as the workload that ended
			}
		}, []string{"", LabelChanged, LabelChanged}, "b ended at 22 November 2026 18:00 UTC, when c began with the same volume"},
		{"two labels that change an hour apart", 4, func(i, back int, h *model.Hour) {
			switch {
			case i == 0 && back <= 12, i == 1 && back <= 11, i == 2 && back > 12, i == 3 && back > 11:
				gone(h)
			case i == 2:
				scale(h, 1.0/3) // as large as a
			case i == 3:
				scale(h, 2.0/4) // as large as b
			}
		}, []string{LabelChanged, LabelChanged, LabelChanged, LabelChanged}, "b ended at 22 November 2026 19:00 UTC, when d began"},
		{"one workload ends and another, much larger, begins", 3, func(i, back int, h *model.Hour) {
			if i == 1 && back <= 12 || i == 2 && back > 12 {
				gone(h)
			} else if i == 2 {
				scale(h, 20)
			}
		}, []string{"", "", ""}, ""},
		{"a label that is empty from now on", 3, func(i, back int, h *model.Hour) {
			if i < 2 && back <= 12 || i == 2 && back > 12 {
				gone(h)
			} // c is as large as a and b together
		}, []string{LabelChanged, LabelChanged, LabelChanged}, "a, b ended at 22 November 2026 18:00 UTC, when c began"},
		{"a metric with another name", 2, func(_, back int, h *model.Hour) {
			if back <= 8 {
				gone(h)
			}
		}, []string{MetricGone, MetricGone}, "no workload of the source has been measured since 22 November 2026 22:00 UTC"},
		{"one workload that is shut down", 2, func(i, back int, h *model.Hour) {
			if i == 0 && back <= 8 {
				gone(h)
			}
		}, []string{"", ""}, ""},
		{"hours that are still on their way", 2, func(_, back int, h *model.Hour) {
			if back <= 2 {
				gone(h)
			}
		}, []string{"", ""}, ""},
		{"a gap", 2, func(i, back int, h *model.Hour) {
			if i == 0 && back > 4 && back <= 11 {
				gone(h)
			}
		}, []string{ScrapeGap, ""}, "7 of the last 24 hours were not measured"},
		{"a gap before the end of a workload", 2, func(i, back int, h *model.Hour) {
			if i == 0 && (back <= 7 || back > 11 && back <= 18) {
				gone(h)
			}
		}, []string{"", ""}, ""},
		{"a workload that is seldom measured", 1, func(_, back int, h *model.Hour) {
			if back%3 == 0 {
				gone(h)
			}
		}, []string{""}, ""},
	} {
		all := fleet(tc.n, tc.change)
		if a, b := faultsOf(all), faultsOf(all); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %v and then %v", tc.name, a, b)
		}
		var got []string
		var text strings.Builder
		for _, faults := range faultsOf(all) {
			var code strings.Builder
			for _, f := range faults {
				code.WriteString(f.Code)
				text.WriteString(f.Text + "\n")
				if len(f.Readings) == 0 || slices.ContainsFunc(f.Readings, func(r model.Reading) bool { return !r.Faulty() }) {
					t.Errorf("%s: %s has the readings %+v, want those that make it a fault", tc.name, f.Code, f.Readings)
				}
			}
			got = append(got, code.String())
		}
		if !slices.Equal(got, tc.codes) || !strings.Contains(text.String(), tc.says) {
			t.Errorf("%s: got %q, want %q and %q in\n%s", tc.name, got, tc.codes, tc.says, text.String())
		}
	}
}

// TestRolloutIsNoRename holds that pods which others replace are nothing that anybody could say once and for all.
func TestRolloutIsNoRename(t *testing.T) {
	t.Parallel()
	for label, renames := range map[string]int{"pod": 0, "instance": 0, "model_name": 1} {
		all := fleet(3, func(i, back int, h *model.Hour) {
			switch {
			case i == 0 && back <= 12, i == 2 && back > 12:
				*h = model.Hour{}
			case i == 2:
				scale(h, 1.0/3) // as large as the one that ended
			}
		})
		for i := range all {
			all[i].Labels = map[string]string{"namespace": "chat", label: all[i].Workload}
		}
		if _, got := Faults(readers(all), faultEnd); len(got) != renames {
			t.Errorf("%s: got %+v, want %d", label, got, renames)
		}
		for i, faults := range faultsOf(all) {
			if (len(faults) > 0) != (renames > 0 && i != 1) {
				t.Errorf("%s: workload %s: got %v", label, all[i].Workload, faults)
			}
		}
	}
}

// TestFaultsAreSeldom looks every day at workloads that have no fault, calm and wild.
func TestFaultsAreSeldom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(10, 11))
	found, looked := 0, 0
	for range 40 {
		spread, idle := 0.1+r.Float64(), 0.5*r.Float64()
		all := make([]model.Usage, 1+r.IntN(6))
		for i := range all {
			u := model.Usage{Workload: string(rune('a' + i)), Start: faultEnd.AddDate(0, 0, -100)}
			for k := range 100 * 24 {
				v := 1e6 * (1.1 + math.Sin(float64(k%24)/24*2*math.Pi)) * math.Exp(spread*r.NormFloat64())
				if r.Float64() < idle {
					v = 0
				}
				u.Hours = append(u.Hours, model.Hour{Coverage: 1, Requests: v / 1000, Tokens: model.Volume{model.Input: model.Tokens(v)}})
			}
			all[i] = u
		}
		for d := range 70 {
			looked += len(all)
			said, _ := Faults(readers(cut(all, 31+d)), faultEnd.AddDate(0, 0, -100+31+d))
			for _, faults := range said {
				found += len(faults)
			}
		}
	}
	if found > 0 || looked < 7800 {
		t.Errorf("got %d faults in %d days of workloads without any", found, looked)
	}
}

// cut returns all without what is after their first days.
func cut(all []model.Usage, days int) []model.Usage {
	until := make([]model.Usage, len(all))
	for i, u := range all {
		until[i] = u.Until(u.Start.AddDate(0, 0, days))
	}
	return until
}

// FuzzFaults looks at whatever hours there are, of workloads that begin and end at any time.
func FuzzFaults(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(3), uint16(0))
	f.Add([]byte{0, 9, 200, 255, 7}, uint16(900), uint16(400))
	f.Fuzz(func(t *testing.T, data []byte, hours, later uint16) {
		if len(data) == 0 {
			return
		}
		odd := []float64{0, -1, math.NaN(), math.Inf(1), 1e-300, math.MaxFloat64}
		all := make([]model.Usage, 3)
		for w := range all {
			all[w] = model.Usage{Start: faultEnd.Add(time.Duration(w*int(later%2000)-int(hours%2000)) * time.Hour)}
			for i := range int(hours % 2000) {
				b := data[(i/(w+1))%len(data)]
				v := float64(b)
				if int(b) < len(odd) {
					v = odd[b]
				}
				all[w].Hours = append(all[w].Hours, model.Hour{Coverage: model.Fraction(b%3) / 2, Requests: v, Tokens: model.Volume{model.Input: model.Tokens(v)}})
			}
		}
		faults := faultsOf(all)
		if len(faults) != len(all) {
			t.Fatalf("got faults of %d workloads, want %d", len(faults), len(all))
		}
		for _, of := range faults {
			for _, w := range of {
				if w.Code == "" || strings.Contains(w.Text, "NaN") || strings.Contains(w.Text, "Inf") {
					t.Errorf("got %+v", w)
				}
			}
		}
	})
}

// BenchmarkFaults looks at a hundred workloads of a source.
func BenchmarkFaults(b *testing.B) {
	all := fleet(25, func(int, int, *model.Hour) {})
	all = slices.Concat(all, all, all, all)
	b.ReportAllocs()
	for b.Loop() {
		Faults(readers(all), faultEnd)
	}
}
