package collector

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/collector/promtest"
	"tipline/model"
)

// TestArchiveIsWhatWasPut holds that what is read of an archive is what was put into it, whatever was saved, let go of and loaded again meanwhile.
func TestArchiveIsWhatWasPut(t *testing.T) {
	t.Parallel()
	const span = 3 * 24 // hours
	newest := noon.Truncate(time.Hour)
	start := newest.Add(-span * time.Hour)
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := newMemory()
		open := func() *Collector {
			c := newCollector(t, Settings{}, promtest.New(steady(always, never)), h)
			if err := c.load(noon); err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := open()
		labels := map[string]string{"team_alias": "support", "requested_model": "gpt-5-mini"}
		known := make([]hour, span)
		for range 400 {
			i := r.IntN(span)
			var said hour
			switch r.IntN(4) {
			case 0: // nothing
			case 1:
				said.notes = noteMissing
			default:
				said = hour{model.Hour{Tokens: model.Volume{model.Input: model.Tokens(r.IntN(1000))}, Coverage: model.Fraction(r.IntN(3)+1) / 3}, noteRequests}
			}
			s := c.archive.workload(canonical(labels), labels)
			d, of := dateOf(start.Add(time.Duration(i) * time.Hour))
			c.archive.put(s, c.archive.day(s, d), d, of, said)
			if old := known[i]; said.Coverage >= old.Coverage || said.notes&noteRefused != 0 {
				known[i] = said
			}
			switch r.IntN(20) {
			case 0:
				if err := c.save(); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := c.save(); err != nil {
					t.Fatal(err)
				}
				c = open()
			}
			end := start.Add(time.Duration(1+r.IntN(span)) * time.Hour)
			if r.IntN(3) == 0 {
				end = newest
			}
			now := end.Add(time.Minute * 5)
			until := int(end.Sub(start) / time.Hour)
			first, last := slices.IndexFunc(known, hour.seen), -1
			for k := range known[:until] {
				if known[k].seen() {
					last = k
				}
			}
			all, err := c.Stored(now)
			if err != nil || (len(all) == 1) != (last >= 0) {
				t.Fatalf("seed %d: got %d workloads at %s, error %v; hour %d was the last that was seen", seed, len(all), now, err, last)
			}
			if last < 0 {
				continue
			}
			if got, _ := c.archive.lastSeen(c.archive.series[canonical(labels)], end); !got.Equal(start.Add(time.Duration(last) * time.Hour)) {
				t.Fatalf("seed %d: got %s, want hour %d as the last that was seen before %s", seed, got, last, end)
			}
			u := c.Read(all[0], now)
			var want []model.Hour
			for _, h := range known[first:until] {
				want = append(want, h.Hour)
			}
			if !u.Start.Equal(start.Add(time.Duration(first)*time.Hour)) || !slices.Equal(u.Hours, want) {
				t.Fatalf("seed %d: got %d hours from %s, want those of hours %d to %d as they were put", seed, len(u.Hours), u.Start, first, until)
			}
			if silent := until - last - 1; strings.Contains(codes(u.Warnings), Vanished) != (silent > 3) {
				t.Fatalf("seed %d: got warnings %q after %d silent hours", seed, codes(u.Warnings), silent)
			}
		}
	}
}

// crowd answers the hourly queries for n workloads, each with numbers of its own.
func crowd(n int) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		var all []promtest.Series
		for i := range n {
			l := map[string]string{"team_alias": fmt.Sprintf("team-%04d", i), "requested_model": "m"}
			all = append(all, promtest.Each(q, l, func(signal string, at time.Time) (float64, bool) {
				v, ok := typical[signal]
				if signal == "input" {
					v += float64(i) + float64(at.Unix()/3600%97)
				}
				return v, ok
			})...)
		}
		return promtest.Answer{Series: all}
	}
}

// TestDaysAreLetGo holds that no day stays in memory after a collection, and that one that asks for a single hour reads no more than that needs.
func TestDaysAreLetGo(t *testing.T) {
	t.Parallel()
	h := newMemory()
	c := newCollector(t, Settings{Backfill: 9 * 24 * time.Hour}, promtest.New(crowd(20)), h)
	for i := range 3 {
		if _, err := c.Collect(t.Context(), noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		for s := range c.archive.open() {
			t.Errorf("collection %d: %d days of %v are in memory", i, len(s.days), s.labels)
		}
	}
}

// failing is a History whose n-th transaction from now fails, and all after it.
type failing struct {
	*memory
	n int
}

func (f *failing) Apply(batch map[string]map[string][]byte) error {
	if f.n--; f.n < 0 {
		return errors.New("no space left on device")
	}
	return f.memory.Apply(batch)
}

// TestInterruptedSave holds that a process that ends between any two of the transactions that keep a batch of answers leaves nothing behind that the next one does not repair: the
// rows are those of one that was not interrupted.
func TestInterruptedSave(t *testing.T) {
	t.Parallel()
	server, s := promtest.New(crowd(20)), Settings{Backfill: 5 * 24 * time.Hour}
	whole := &failing{newMemory(), 1 << 30}
	collectFrom := func(h History) error {
		c := newCollector(t, s, server, h)
		c.archive.atOnce = 16
		_, err := c.Collect(t.Context(), noon)
		return err
	}
	if err := collectFrom(whole); err != nil {
		t.Fatal(err)
	}
	transactions := 1<<30 - whole.n
	if transactions < 10 {
		t.Fatalf("got %d transactions, want several a save", transactions)
	}
	for n := range transactions {
		h := &failing{newMemory(), n}
		if err := collectFrom(h); err == nil {
			t.Fatalf("transaction %d failed: got no error", n)
		}
		h.n = 1 << 30
		if err := collectFrom(h); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(h.rows, whole.rows, slices.Equal[[]byte]) {
			t.Errorf("transaction %d failed: other rows than without", n)
		}
	}
}

// TestInterruptedRepair holds the same of a save that repairs days that could not be read: the saved record says that they need not be asked for again.
func TestInterruptedRepair(t *testing.T) {
	t.Parallel()
	server, s := promtest.New(crowd(20)), Settings{Backfill: 5 * 24 * time.Hour}
	whole := newMemory()
	collect(t, newCollector(t, s, server, whole), noon)
	for n := range 10 {
		h := &failing{newMemory(), n}
		maps.Copy(h.rows, whole.rows)
		for key, row := range h.rows {
			if strings.HasSuffix(key, "2026-11-17") || strings.HasSuffix(key, "2026-11-20") {
				h.rows[key] = row[:len(row)-1]
			}
		}
		for {
			c := newCollector(t, s, server, h)
			c.archive.atOnce = 16
			if _, err := c.Collect(t.Context(), noon); err == nil {
				break
			}
			h.n = 1 << 30
		}
		if !maps.EqualFunc(h.rows, whole.rows, slices.Equal[[]byte]) {
			t.Errorf("transaction %d failed: other rows than before the decay", n)
		}
	}
}

// TestKeptOfUnreadableHistory holds that what cannot be read of a history does not end as if there were no more.
func TestKeptOfUnreadableHistory(t *testing.T) {
	t.Parallel()
	h := &unreadable{memory: newMemory()}
	c := newCollector(t, Settings{Backfill: 24 * time.Hour}, promtest.New(crowd(3)), h)
	collect(t, c, noon)
	kept, err := c.Kept(noon)
	if err != nil {
		t.Fatal(err)
	}
	hours := 0
	for _, err = range kept {
		if hours++; hours == 30 {
			h.err = errors.New("input/output error")
		}
	}
	if err == nil || hours != 2*24+1 {
		t.Errorf("got %d hours and error %v, want those of two workloads and an error", hours, err)
	}
}

// TestReadBesideCollect holds that hours are read whole while collections add others to them.
func TestReadBesideCollect(t *testing.T) {
	t.Parallel()
	c := newCollector(t, Settings{Backfill: 5 * 24 * time.Hour}, promtest.New(crowd(5)), newMemory())
	all := collect(t, c, noon).Usage
	var readers sync.WaitGroup
	for _, u := range all {
		readers.Go(func() {
			for range 50 {
				if known := c.Read(model.Usage{Labels: u.Labels}, noon).Measured(); known != 5*24*time.Hour {
					t.Errorf("got %s, want five days", known)
				}
			}
		})
	}
	for i := range 30 {
		if _, err := c.Collect(t.Context(), noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Error(err)
		}
	}
	readers.Wait()
}

// unreadable is a History that cannot be read for a while.
type unreadable struct {
	*memory
	err error
}

func (u *unreadable) Get(bucket, key string) ([]byte, error) {
	if u.err != nil {
		return nil, u.err
	}
	return u.memory.Get(bucket, key)
}

func (u *unreadable) Scan(bucket, prefix string, fn func(string, []byte) error) error {
	if u.err != nil {
		return u.err
	}
	return u.memory.Scan(bucket, prefix, fn)
}

// TestUnreadableHistory holds that a collection that could not read what there was of a day does not write it with less, then or later.
func TestUnreadableHistory(t *testing.T) {
	t.Parallel()
	server, s := promtest.New(crowd(20)), Settings{Backfill: 5 * 24 * time.Hour}
	h, whole := &unreadable{memory: newMemory()}, newMemory()
	c, undisturbed := newCollector(t, s, server, h), newCollector(t, s, server, whole)
	collect(t, c, noon)
	h.err = errors.New("input/output error")
	for i := range 3 {
		if r, err := c.Collect(t.Context(), noon.Add(time.Duration(i)*time.Hour)); i > 0 && err == nil {
			t.Errorf("collection %d: got no error", i)
		} else if len(r.Usage) > 0 {
			c.Read(r.Usage[0], noon)
		}
	}
	h.err = nil
	at := noon.Add(3 * time.Hour)
	collect(t, undisturbed, noon)
	want, got := collect(t, undisturbed, at).Usage, collect(t, c, at).Usage
	if !maps.EqualFunc(h.rows, whole.rows, slices.Equal[[]byte]) || !slices.Equal(got[7].Hours, want[7].Hours) {
		t.Error("got other rows than without the fault")
	}
}

// TestUnreadableDuringCollect holds the same when the history is read anew, in vain or not, while the server is asked.
func TestUnreadableDuringCollect(t *testing.T) {
	t.Parallel()
	s := Settings{Backfill: 5 * 24 * time.Hour}
	for _, inVain := range []bool{true, false} {
		h, whole := &unreadable{memory: newMemory()}, newMemory()
		var during func()
		c := newCollector(t, s, promtest.New(func(q promtest.Query) promtest.Answer {
			if during != nil {
				during()
				during = nil
			}
			return crowd(20)(q)
		}), h)
		undisturbed := newCollector(t, s, promtest.New(crowd(20)), whole)
		first := collect(t, c, noon).Usage
		collect(t, undisturbed, noon)
		at := noon.Add(time.Hour)
		during = func() {
			h.err = errors.New("input/output error")
			c.Read(first[0], noon)
			if !inVain {
				h.err = nil
			}
			if _, err := c.Stored(at); (err != nil) != inVain {
				t.Errorf("in vain %v: got %v", inVain, err)
			}
			h.err = nil
		}
		if _, err := c.Collect(t.Context(), at); (err != nil) != inVain {
			t.Errorf("in vain %v: got %v of a collection", inVain, err)
		}
		collect(t, c, at)
		collect(t, undisturbed, at)
		if !maps.EqualFunc(h.rows, whole.rows, slices.Equal[[]byte]) {
			t.Errorf("in vain %v: got other rows than without the fault", inVain)
		}
	}
}

// TestDecayedRow holds that a day that can no longer be read while the program runs is not known, is said, and is fetched again.
func TestDecayedRow(t *testing.T) {
	t.Parallel()
	h := newMemory()
	c := newCollector(t, Settings{Backfill: 5 * 24 * time.Hour}, promtest.New(steady(always, never)), h)
	want := collect(t, c, noon).Usage[0].Hours
	for key, row := range h.rows {
		if strings.HasSuffix(key, "2026-11-17") {
			h.rows[key] = append(slices.Clone(row[:len(row)-1]), row[len(row)-1]+1)
		}
	}
	u := storedAll(t, c, noon)[0]
	if known := u.Measured(); known != 4*24*time.Hour {
		t.Errorf("got %s, want all but a day", known)
	}
	r := collect(t, c, noon.Add(time.Minute))
	if !slices.Equal(r.Usage[0].Hours, want) || strings.Count(codes(r.Warnings), HistoryCorrupt) != 1 {
		t.Errorf("the day was not fetched again, or got warnings %q, want %s once", codes(r.Warnings), HistoryCorrupt)
	}
	if r := collect(t, c, noon.Add(2*time.Minute)); len(r.Warnings) > 0 {
		t.Errorf("after the repair: got warnings %v", r.Warnings)
	}
}
