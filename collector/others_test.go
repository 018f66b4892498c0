package collector

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
	"tipline/model"
)

// TestF46_Cardinality holds that an answer of 200,000 series takes no more memory than 20,000 names do, that which of them are kept does not depend on the order in which they
// come, and that what the others used is in their sum.
func TestF46_Cardinality(t *testing.T) {
	t.Parallel()
	const names = 50_000 // of four series each
	s := span{noon.Truncate(time.Hour).Add(-time.Hour), noon.Truncate(time.Hour)}
	points := func(v float64) []point { return []point{{s.To.UnixMilli(), v}} }
	var kept [2][]string
	for round := range kept {
		a, c := newAnswer(s, newRoll([]string{"user"})), &archive{store: newMemory(), atOnce: rowsAtOnce, series: map[string]*series{}, unsaved: map[string][]byte{}}
		c.roll = a.roll
		for _, i := range rand.New(rand.NewPCG(46, uint64(round))).Perm(4 * names) {
			of := []signal{input, output, coverage, resets}[i/names]
			v := map[signal]float64{input: float64(i % names), output: 1, coverage: 1, resets: 0}[of]
			labels := []label{{[]byte("user"), fmt.Appendf(nil, "u-%d", i%names)}, {[]byte(signalLabel), []byte(of)}}
			if err := a.take(labels, points(v)); err != nil {
				t.Fatal(err)
			}
			if len(a.groups) > 0 || len(a.others.newcomers) > 2*maxWorkloads {
				t.Fatalf("%d names have a group, want %d at most", len(a.groups)+len(a.others.newcomers), 2*maxWorkloads)
			}
		}
		c.add(a, rules{})
		sum := model.Tokens(0)
		for key, series := range c.series {
			h := c.at(series, s.From)
			if !h.Measured() {
				t.Fatalf("%s: got %+v, want a measured hour", key, h)
			}
			sum += h.Tokens.Total()
			kept[round] = append(kept[round], key)
		}
		if want := model.Tokens(names*(names-1)/2 + names); sum != want || len(c.series) != maxWorkloads+1 || c.record.Others != names-maxWorkloads {
			t.Errorf("got %v tokens of %d series and %d others, want %v, %d and %d", sum, len(c.series), c.record.Others, want, maxWorkloads+1, names-maxWorkloads)
		}
		slices.Sort(kept[round])
	}
	if !slices.Equal(kept[0], kept[1]) {
		t.Error("which names are kept depends on the order in which they come")
	}
	if !slices.Contains(kept[0], "user=u-9999") || slices.Contains(kept[0], "user=u-10000") {
		t.Error("want the shorter names kept")
	}
}

// TestF46_Others holds that the names that a history has stay workloads whatever comes beside them, also after a restart, that the sum of the others is one usage of its own
// name, is exported and taken in, and that it is said as long as there are any.
func TestF46_Others(t *testing.T) {
	t.Parallel()
	names := []string{"zebra-crossing", "other"}
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for _, name := range names {
			all = append(all, promtest.Each(q, map[string]string{"team_alias": name}, func(signal string, _ time.Time) (float64, bool) {
				n, ok := typical[signal]
				return n, ok
			})...)
		}
		return promtest.Answer{Series: all}
	})
	h := newMemory()
	settings := Settings{Backfill: 6 * time.Hour, GroupBy: []string{"team_alias"}}
	start := func() *Collector {
		c := newCollector(t, settings, server, h)
		c.archive.roll.most = 4
		return c
	}
	c := start()
	workloads := func(r Result) string {
		var all []string
		for _, u := range r.Usage {
			all = append(all, fmt.Sprintf("%s:%d", u.Workload, u.Names))
		}
		return strings.Join(all, " ")
	}
	check := func(r Result, want string, warned bool) {
		t.Helper()
		if got := workloads(r); got != want || strings.Contains(codes(r.Warnings), TooManyWorkloads) != warned {
			t.Errorf("got %s with %v, want %s, and that there are too many: %v", got, r.Warnings, want, warned)
		}
	}
	check(collect(t, c, noon), "other:0 zebra-crossing:0", false)
	names = append(names, "a-long-one", "bb", "cc", "a")
	r := collect(t, c, noon.Add(2*time.Hour))
	check(r, "a:0 bb:0 other:0 other:2 zebra-crossing:0", true)
	if r.Unattributed == nil || *r.Unattributed != 0 {
		t.Errorf("got %v of the tokens nobody's, want none: the sum of the others has them", r.Unattributed)
	}
	others := r.Usage[slices.IndexFunc(r.Usage, func(u model.Usage) bool { return u.Names > 0 })]
	want := typicalHour
	for c := range want.Tokens {
		want.Tokens[c] *= 2
	}
	want.Requests *= 2
	if last := others.Hours[len(others.Hours)-1]; last != want || len(others.Labels) > 0 || others.GPUScope != "" {
		t.Errorf("got %+v with labels %v, want %+v: twice one of them, and no labels", last, others.Labels, want)
	}
	names = append(slices.Clone(names), "0", "1") // which would come first among new ones
	slices.Reverse(names)
	check(collect(t, c, noon.Add(3*time.Hour)), "a:0 bb:0 other:0 other:4 zebra-crossing:0", true)
	c = start()
	check(Result{Usage: storedAll(t, c, noon.Add(3*time.Hour)), Warnings: []model.Warning{{Code: TooManyWorkloads}}}, "a:0 bb:0 other:0 other:4 zebra-crossing:0", true)
	check(collect(t, c, noon.Add(4*time.Hour)), "a:0 bb:0 other:0 other:4 zebra-crossing:0", true)

	kept, err := c.Kept(noon.Add(4 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	into := newCollector(t, settings, server, newMemory())
	into.archive.roll.most = 4
	hours := map[string]int{}
	for k, err := range kept {
		if err != nil {
			t.Fatal(err)
		}
		hours[k.Workload]++
		if _, err := into.Restore(k, noon.Add(4*time.Hour), false); err != nil {
			t.Fatalf("%+v: %v", k, err)
		}
	}
	if hours["other (=other)"] == 0 || hours["other"] == 0 || len(hours) != 5 {
		t.Errorf("got %v hours exported, want those of the others too", hours)
	}
	if err := into.Save(); err != nil {
		t.Fatal(err)
	}
	back, again := storedAll(t, into, noon.Add(4*time.Hour)), storedAll(t, c, noon.Add(4*time.Hour))
	for i := range again {
		if !slices.Equal(back[i].Hours, again[i].Hours) || back[i].Workload != again[i].Workload {
			t.Errorf("%s: after an export and an import there are other hours", again[i].Workload)
		}
	}

	names = []string{"zebra-crossing", "other"}
	check(collect(t, c, noon.Add(10*time.Hour)), "a:0 bb:0 other:0 other:4 zebra-crossing:0", true)
	check(collect(t, c, noon.Add(40*time.Hour)), "a:0 bb:0 other:0 other:4 zebra-crossing:0", false)
}

// TestOthersInParts holds that names which come in the parts of an hour are kept, and summed up, as those that come at once.
func TestOthersInParts(t *testing.T) {
	t.Parallel()
	s := span{noon.Truncate(time.Hour).Add(-time.Hour), noon.Truncate(time.Hour)}
	const names = 40
	for _, most := range []int{3, 6, 12, 25, names} {
		read := func(parts int) string {
			r := newRoll([]string{"user"})
			r.most = most
			c := &archive{store: newMemory(), atOnce: rowsAtOnce, series: map[string]*series{}, unsaved: map[string][]byte{}, roll: r}
			known := map[string]string{"user": "a-known-one"}
			c.workload(canonical(known), known)
			whole := newAnswer(s, r)
			for part := range parts {
				a := newAnswer(s, r)
				for i := range names {
					if (i*7)%parts != part {
						continue
					}
					name := fmt.Sprintf("u-%d", i*i)
					if i == 5 {
						name = "a-known-one"
					}
					for of, v := range map[signal]float64{input: float64(i), output: 1, coverage: 1, resets: 0} {
						if err := a.take([]label{{[]byte("user"), []byte(name)}, {[]byte(signalLabel), []byte(of)}}, []point{{s.To.UnixMilli(), v}}); err != nil {
							t.Fatal(err)
						}
					}
				}
				whole.join(a)
			}
			c.add(whole, rules{})
			var all []string
			for _, key := range slices.Sorted(maps.Keys(c.series)) {
				all = append(all, fmt.Sprintf("%s %v", key, c.at(c.series[key], s.From)))
			}
			return fmt.Sprint(all, c.record.Others)
		}
		want := read(1)
		if !strings.HasSuffix(want, fmt.Sprintf("] %d", names-most)) {
			t.Errorf("%d may be kept: got %s, want %d others", most, want, names-most)
		}
		for _, parts := range []int{2, 8, 32} {
			if got := read(parts); got != want {
				t.Errorf("%d may be kept, in %d parts: got %s, want %s", most, parts, got, want)
			}
		}
	}
}

// TestSumOfOthers holds that what cannot be true of one name is not hidden by the sum of many.
func TestSumOfOthers(t *testing.T) {
	t.Parallel()
	s := span{noon.Truncate(time.Hour).Add(-time.Hour), noon.Truncate(time.Hour)}
	for _, tc := range []struct {
		name   string
		change map[signal]float64 // of one of three names
		want   note
	}{
		{"plausible", nil, 0},
		{"NaN", map[signal]float64{input: math.NaN()}, noteNotFinite},
		{"infinity", map[signal]float64{output: math.Inf(1)}, noteNotFinite},
		{"below zero", map[signal]float64{input: -5}, noteNegative},
		{"too much", map[signal]float64{input: 2 * maxTokensPerHour}, noteOutOfRange},
		{"sawtooth", map[signal]float64{resets: 20}, noteSawtooth},
		{"coverage of NaN", map[signal]float64{coverage: math.NaN()}, noteNotFinite},
	} {
		for place := range 3 {
			a := newAnswer(s, newRoll([]string{"a"}))
			a.others.bound = []byte{} // there is no room
			for name := range 3 {
				values := map[signal]float64{input: 10, output: 5, coverage: 1, resets: 0}
				if name == place {
					maps.Copy(values, tc.change)
				}
				for of, v := range values {
					labels := []label{{[]byte("a"), fmt.Append(nil, name)}, {[]byte(signalLabel), []byte(of)}}
					if err := a.take(labels, []point{{s.To.UnixMilli(), v}}); err != nil {
						t.Fatal(err)
					}
				}
			}
			h := judge(rules{}, a.others.sum, 0)
			if h.notes&noteRefused != tc.want || tc.want == 0 && h.Tokens.Total() != 45 {
				t.Errorf("%s: got %+v, want the notes %b", tc.name, h, tc.want)
			}
		}
	}
}
