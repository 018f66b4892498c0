package model

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func hours(n int, tokens Tokens, coverage Fraction) []Hour {
	out := make([]Hour, n)
	for i := range out {
		out[i] = Hour{Tokens: Volume{Output: tokens}, Requests: 1, Coverage: coverage}
	}
	return out
}

// TestMergeFailed holds that requests of two series that failed or were sent again are known only where both are.
func TestMergeFailed(t *testing.T) {
	t.Parallel()
	two, three := 2.0, 3.0
	for _, got := range []*float64{(Usage{Failed: &two}).Merge(Usage{Failed: &three}).Failed, (Usage{Retried: &two}).Merge(Usage{Retried: &three}).Retried} {
		if got == nil || *got != 5 || two != 2 {
			t.Errorf("got %v, want 5 and nothing changed", got)
		}
	}
	for _, u := range []Usage{{Failed: &two, Retried: &two}, {}} {
		for _, got := range []Usage{u.Merge(Usage{}), (Usage{}).Merge(u)} {
			if got.Failed != nil || got.Retried != nil {
				t.Errorf("got %v and %v, want not known", got.Failed, got.Retried)
			}
		}
	}
}

// TestMergeGPUs holds that the GPUs of two series are added up whichever began first and whichever is the new name of the other, and that they are not known when those of one are
// not that was used in the last day.
func TestMergeGPUs(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	busy, idle, usd := Fraction(1), Fraction(0.5), 6.0
	u := Usage{Start: start, Hours: hours(48, 10, 1), GPU: &GPU{Count: 3, Utilization: &busy, Coverage: 1, USDPerHour: &usd, Unsure: []string{"mig"}}}
	v := Usage{Start: start.Add(time.Hour), Hours: hours(47, 10, 1), GPU: &GPU{Count: 1, Utilization: &idle, Coverage: 1, USDPerHour: &usd, Unsure: []string{"dra", "mig"}}}
	unknown, over := v, Usage{Start: start, Hours: append(hours(12, 10, 1), hours(36, 0, 0)...)}
	unknown.GPU = nil
	for name, two := range map[string][2]Usage{"known": {u, v}, "one is not known": {u, unknown}, "one is over": {u, over}} {
		for _, got := range []*GPU{two[0].Merge(two[1]).GPU, two[1].Merge(two[0]).GPU, two[0].Follow(two[1]).GPU, two[1].Follow(two[0]).GPU} {
			switch {
			case name == "one is not known":
				if got != nil {
					t.Errorf("%s: got %+v, want not known", name, got)
				}
			case got == nil:
				t.Errorf("%s: got none", name)
			case name == "one is over":
				if !reflect.DeepEqual(got, u.GPU) {
					t.Errorf("%s: got %+v, want %+v", name, got, u.GPU)
				}
			case got.Count != 4 || *got.Utilization != 3.5/4 || *got.USDPerHour != 12:
				t.Errorf("%s: got %+v, want 4 GPUs of 12 USD that are busy 87.5 %% of the time", name, got)
			case !slices.Equal(got.Unsure, []string{"dra", "mig"}):
				t.Errorf("%s: got that their number is unsure because of %q, want what either says", name, got.Unsure)
			}
		}
	}
	if u.GPU.Count != 3 || v.GPU.Count != 1 {
		t.Error("Merge changed what it was given")
	}
}

// TestF42_BusyFloor holds that how busy GPUs are is said of those of which it is known, and not at all when it is known of less than half.
func TestF42_BusyFloor(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	silent, half := &GPU{Count: 1}, &GPU{Count: 1, Utilization: new(Fraction(0.5)), Coverage: 1}
	for _, tc := range []struct {
		gpus           []*GPU
		busy, coverage Fraction // busy -1: not known
	}{
		{[]*GPU{silent}, -1, 0},
		{[]*GPU{silent, silent}, -1, 0},
		{[]*GPU{half, silent}, 0.5, 0.5},
		{[]*GPU{half, silent, silent}, -1, 1. / 3},
		{[]*GPU{silent, silent, half, half}, 0.5, 0.5},
		{[]*GPU{{Count: 3, Utilization: new(Fraction(1)), Coverage: 0.5}, half}, 0.8, 0.625},
	} {
		all := Usage{Start: start, Hours: hours(24, 10, 1), GPU: tc.gpus[0]}
		for _, g := range tc.gpus[1:] {
			all = all.Merge(Usage{Start: start, Hours: hours(24, 10, 1), GPU: g})
		}
		got := Fraction(-1)
		if b := all.GPU.Busy(); b != nil {
			got = *b
		}
		if math.Abs(float64(got-tc.busy)) > 1e-9 || math.Abs(float64(all.GPU.Coverage-tc.coverage)) > 1e-9 {
			t.Errorf("%d: got busy %v, known of %v; want %v, %v", len(tc.gpus), got, all.GPU.Coverage, tc.busy, tc.coverage)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	u := Usage{Start: start, Hours: hours(4, 10, 1), Labels: map[string]string{"team": "a", "model": "x"}}
	v := Usage{Start: start.Add(2 * time.Hour), Hours: hours(2, 5, 0.75), Labels: map[string]string{"team": "a", "model": "y"}}
	want := Usage{Start: start, Hours: hours(4, 10, 1), Labels: map[string]string{"team": "a"}, Warnings: []Warning{}}
	for i := 2; i < 4; i++ {
		want.Hours[i] = Hour{Tokens: Volume{Output: 15}, Requests: 2, Coverage: 0.75}
	}
	for name, got := range map[string]Usage{"earlier first": u.Merge(v), "later first": v.Merge(u)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if got := u.Hours[2].Tokens.Total(); got != 10 {
		t.Errorf("Merge changed its receiver: hour 2 is now %v tokens", got)
	}
	t.Run("an hour that one of them missed is not measured", func(t *testing.T) {
		t.Parallel()
		short := Usage{Start: start, Hours: hours(3, 1, 1)}
		if got := u.Merge(short).Hours[3]; got.Measured() {
			t.Errorf("hour 3: got %+v, want it unmeasured", got)
		}
	})
}

// TestFollow holds that the history of a workload goes on under its new labels: the hours of both are added up, and neither is missing where only the other was.
func TestFollow(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	failed := 3.0
	before := Usage{Start: start, Hours: append(hours(3, 10, 1), Hour{}, Hour{}), Labels: map[string]string{"team": "a"}, Warnings: []Warning{{Code: "OLD"}}}
	after := Usage{Workload: "b", Start: start.Add(2 * time.Hour), Hours: hours(4, 5, 0.75), Labels: map[string]string{"team": "b"}, Failed: &failed}
	got := after.Follow(before)
	want := Usage{
		Workload: "b", Start: start, Hours: append(append(hours(2, 10, 1), Hour{Tokens: Volume{Output: 15}, Requests: 2, Coverage: 1}), hours(3, 5, 0.75)...),
		Labels: map[string]string{"team": "b"}, Failed: &failed, Warnings: []Warning{{Code: "OLD"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(want.Hours, before.Follow(after).Hours); diff != "" {
		t.Errorf("the other way round: -want +got\n%s", diff)
	}
	if before.Hours[2].Tokens.Total() != 10 || after.Hours[0].Tokens.Total() != 5 {
		t.Error("Follow changed what it was given")
	}
}

// TestLongestGap counts hours that were not measured between two that were.
func TestLongestGap(t *testing.T) {
	t.Parallel()
	for hours, want := range map[string]int{"": 0, "...": 0, "..x..": 0, "x..x.x...": 2, "xx": 0, ".x.x..x....x": 4} {
		var u Usage
		for _, c := range hours {
			u.Hours = append(u.Hours, Hour{Coverage: map[rune]Fraction{'x': 1}[c]})
		}
		if got := u.LongestGap(); got != time.Duration(want)*time.Hour {
			t.Errorf("%q: got %s, want %d hours", hours, got, want)
		}
	}
}

// TestEnded holds that a series which is over used nothing since, and that a gap before its end stays one.
func TestEnded(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	u := Usage{Start: start, Hours: slices.Concat(hours(1, 10, 1), hours(1, 0, 0), hours(1, 10, 1), hours(2, 3, 0.2))}
	got := u.Ended()
	want := slices.Concat(u.Hours[:3], []Hour{{Coverage: 1}, {Coverage: 1}})
	if diff := cmp.Diff(want, got.Hours); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if u.Hours[4].Coverage != 0.2 {
		t.Error("Ended changed its receiver")
	}
	if last := u.Last(); !last.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("last: got %s, want the end of the third hour", last)
	}
	if last := (Usage{Start: start, Hours: hours(2, 1, 0)}).Last(); !last.IsZero() {
		t.Errorf("last of nothing: got %s", last)
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	u := Usage{Start: start, Hours: append(hours(2, 10, 1), hours(2, 99, 0.2)...)}
	for _, tc := range []struct {
		name     string
		from, to time.Time
		total    Tokens
		coverage Fraction
	}{
		{"unmeasured hours add nothing and lower the coverage", start, start.Add(4 * time.Hour), 20, 0.5},
		{"the end is exclusive", start, start.Add(time.Hour), 10, 1},
		{"an empty span was not measured", start, start, 0, 0},
	} {
		v, coverage := u.Between(tc.from, tc.to)
		if v.Total() != tc.total || coverage != tc.coverage {
			t.Errorf("%s: got %v tokens, coverage %v, want %v, %v", tc.name, v.Total(), coverage, tc.total, tc.coverage)
		}
	}
	if got := len(u.Until(start.Add(90 * time.Minute)).Hours); got != 1 {
		t.Errorf("Until 90 minutes after the start: got %d hours, want only the complete one", got)
	}
}

func TestPeakFactor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		curve LoadCurve
		want  float64
	}{
		{"flat load has no peak", LoadCurve{{730, 100}}, 1},
		{"a peak of a tenth of the hours counts", LoadCurve{{100, 300}, {900, 100}}, 2.5},
		{"one hour in a thousand may queue", LoadCurve{{1, 1e6}, {999, 100}}, 1},
		{"an idle workload has an unknown peak", LoadCurve{{730, 0}}, 0},
		{"no curve has an unknown peak", nil, 0},
	} {
		if got := tc.curve.PeakFactor(); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestDistribution(t *testing.T) {
	t.Parallel()
	var p Projection
	for i := range p.Total {
		p.Total[i] = Tokens(i * 10)
	}
	p.Mix[Input], p.Mix[Output] = 0.75, 0.25
	for i, total := range p.Total {
		if got := p.Class(Input)[i] + p.Class(Output)[i]; got != total {
			t.Errorf("level %v: classes add up to %v, want %v", Levels[i], got, total)
		}
	}
	if got := len(p.Total.Paths()); got != 19 {
		t.Errorf("got %d paths, want 19 from 5 %% to 95 %%", got)
	}
}

// TestFollowServing holds that how the engines did stays with its hours when a history goes on under new labels.
func TestFollowServing(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	history := func(first, hours int, replicas float64) Usage {
		u := Usage{Start: start.Add(time.Duration(first) * time.Hour)}
		for range hours {
			u.Hours, u.Serving = append(u.Hours, Hour{Coverage: 1}), append(u.Serving, Serving{Replicas: replicas})
		}
		return u
	}
	got := history(4, 3, 5).Follow(history(0, 5, 2))
	want := []float64{2, 2, 2, 2, 0, 5, 5} // both were seen in the fifth
	for i, s := range got.Serving {
		if s.Replicas != want[i] {
			t.Errorf("hour %d: got %v replicas, want %v", i, s.Replicas, want[i])
		}
	}
	if len(got.Serving) != len(want) || len(got.Hours) != len(want) {
		t.Errorf("got %d hours of engines and %d of tokens, want %d", len(got.Serving), len(got.Hours), len(want))
	}
}

// TestSortedCurve holds that a curve in disorder is put in order in a copy, and that one in order is not copied.
func TestSortedCurve(t *testing.T) {
	t.Parallel()
	mixed := LoadCurve{{1, 100}, {2, 300}, {3, 100}, {4, 200}}
	kept := slices.Clone(mixed)
	want := LoadCurve{{2, 300}, {4, 200}, {1, 100}, {3, 100}}
	sorted := mixed.Sorted()
	if !slices.Equal(sorted, want) || !slices.Equal(mixed, kept) {
		t.Errorf("got %v of %v, want %v", sorted, mixed, want)
	}
	if again := sorted.Sorted(); &again[0] != &sorted[0] {
		t.Error("a curve in order was copied")
	}
}
