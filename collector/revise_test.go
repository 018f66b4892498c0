package collector

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
	"tipline/model"
)

// TestF31_Revised holds that a closed day is asked for twice more, and no day more often; that what the server says more of it is taken and what it says less is not; that either is told
// once, with both figures, across restarts; and that nothing is said of what is no revision.
func TestF31_Revised(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	closed := noon.Truncate(day).Add(-day) // first looked at on the day after noon, as it is two days old
	during := func(at time.Time) bool { return at.After(closed) && !at.After(closed.Add(day)) }
	morning := func(at time.Time) bool { return during(at) && !at.After(closed.Add(6*time.Hour)) }
	for _, tc := range []struct {
		name   string
		before float64 // coverage of the morning as it is first read
		later  func(signal string, at time.Time, v float64) (float64, bool)
		is     model.Tokens // that the revision says, of the 288M tokens of the day; 0 means that there is none
		hour   float64      // tokens of the first hour in the end, as a share of before
	}{
		{"the same", 1, func(_ string, _ time.Time, v float64) (float64, bool) { return v, true }, 0, 1},
		{"more", 1, func(s string, at time.Time, v float64) (float64, bool) {
			if at.Equal(closed.Add(11*time.Hour)) && s != "resets" { // of which it sees less than before
				return v * pick(counts(s), 1.1, 0.7), true
			}
			return v * pick(counts(s) && morning(at), 1.4, 1), true
		}, 316.8e6, 1.4},
		{"less", 1, func(s string, at time.Time, v float64) (float64, bool) {
			return v * pick(counts(s) && morning(at), 0.6, 1), true
		}, 259.2e6, 1},
		{"a little more", 1, func(s string, at time.Time, v float64) (float64, bool) { return v * pick(counts(s), 1.015, 1), true }, 0, 1},
		{"a little less", 1, func(s string, at time.Time, v float64) (float64, bool) { return v * pick(counts(s), 0.985, 1), true }, 0, 1},
		{"hours that are moved", 1, func(s string, at time.Time, v float64) (float64, bool) {
			return v * pick(counts(s), pick(at.Hour()%2 == 0, 1.2, 0.8), 1), true
		}, 0, 1},
		{"forgotten", 1, func(_ string, at time.Time, v float64) (float64, bool) { return v, !morning(at) }, 0, 1},
		{"seen less of", 1, func(s string, at time.Time, v float64) (float64, bool) {
			return v * pick(s != "resets" && morning(at), 0.6, 1), true
		}, 0, 1},
		{"not to be believed", 1, func(s string, at time.Time, v float64) (float64, bool) {
			return pick(s == "resets" && morning(at), 50, v), true
		}, 0, 1},
		{"hours that were not known", 0, func(_ string, _ time.Time, v float64) (float64, bool) { return v, true }, 0, 1},
	} {
		changed, read, looks := false, 0, 0
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if n := len(q.Times()); len(q.Signals()) > 2 && !q.Start.After(closed.Add(11*time.Hour)) && !q.End.Before(closed.Add(11*time.Hour)) {
				read++
				if changed && n == 24 && q.Start.Equal(closed.Add(time.Hour)) {
					looks++
				}
			}
			var series []promtest.Series
			for _, team := range []string{"support", "other"} {
				labels := map[string]string{"team_alias": team, "requested_model": "gpt-5-mini"}
				series = append(series, promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
					v, ok := typical[signal]
					if counts(signal) {
						v *= 10_000
					}
					if team == "support" && during(at) && changed {
						later, there := tc.later(signal, at, v)
						return later, ok && there
					}
					if team == "support" && morning(at) && signal != "resets" {
						return v, ok && tc.before > 0
					}
					return v, ok
				})...)
			}
			return promtest.Answer{Series: series}
		})
		h := newMemory()
		settings := Settings{Backfill: 9 * day}
		c := newCollector(t, settings, server, h)
		var told []string
		for age := range 9 { // the last look is at the age of 7
			now := noon.Add(time.Duration(age) * day)
			r := collect(t, c, now)
			if age == 0 && r.Queries != 15 { // of ten days, three of the last day, one of types and one of stores: nothing is asked for twice
				t.Errorf("%s: a cold start takes %d queries, want 15", tc.name, r.Queries)
			}
			if again := collect(t, c, now.Add(time.Hour)); again.Queries > 6 { // once a day
				t.Errorf("%s: %d queries an hour later", tc.name, again.Queries)
			}
			c = newCollector(t, settings, server, h) // a restart
			stored, err := c.Stored(now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			for i, u := range stored {
				if early := c.Revisions(u, now.Truncate(day).Add(-time.Second)); len(early) > 0 {
					t.Errorf("%s: %v was known before it was looked for", tc.name, early)
				}
				for _, revision := range c.Revisions(u, now) {
					told = append(told, fmt.Sprintf("%s %d: %s", u.Workload, age, revision.Text()))
					if got := fmt.Sprint(revision.Was, revision.Is); got != fmt.Sprint(model.Tokens(288e6), tc.is) || !revision.Day.Equal(closed) || !revision.Readings()[0].Faulty() {
						t.Errorf("%s: got %s of %s, want 288M and %v of %s, beyond the bound", tc.name, got, revision.Day, tc.is, closed)
					}
				}
				if i == 0 && len(r.Usage) != 2 {
					t.Fatalf("%s: got %d workloads, want 2", tc.name, len(r.Usage))
				}
			}
			changed = true
		}
		want := ""
		if tc.is > 0 {
			want = fmt.Sprintf("[support/gpt-5-mini 1: of %s the server says %s tokens now, where it said 288M before: what ", model.FormatDate(closed), model.FormatTokens(tc.is))
		}
		if got := fmt.Sprint(told); want == "" && len(told) > 0 || len(told) > 1 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %q once", tc.name, got, want)
		}
		if read != 3 || looks != 2 {
			t.Errorf("%s: read the day %d times, %d of them as a look, want once and 2 looks", tc.name, read, looks)
		}
		for _, u := range storedAll(t, c, noon.Add(9*day)) {
			first := u.Hours[closed.Sub(u.Start)/time.Hour]
			if h := u.Hours[closed.Add(10*time.Hour).Sub(u.Start)/time.Hour]; h.Total() != 12e6 || h.Coverage != 1 {
				t.Errorf("%s: the eleventh hour of %s is %+v, want it as it was", tc.name, u.Workload, h)
			}
			hour, doubted := 1.0, false
			if u.Labels["team_alias"] == "support" {
				hour, doubted = tc.hour, tc.is > 0
			}
			if got, want := first.Total(), model.Tokens(12e6*hour); !first.Measured() || got < want-1 || got > want+1 {
				t.Errorf("%s: the first hour of %s is %+v, want %v tokens", tc.name, u.Workload, first, want)
			}
			if strings.Contains(codes(u.Warnings), Revised) != doubted {
				t.Errorf("%s: %s has the warnings %q, %s among them is %v", tc.name, u.Workload, codes(u.Warnings), Revised, !doubted)
			}
		}
	}
}

// counts reports whether a signal counts tokens or requests.
func counts(signal string) bool { return signal != "coverage" && signal != "resets" }

func pick(yes bool, this, that float64) float64 {
	if yes {
		return this
	}
	return that
}

// TestReviewAfterClockAhead holds that a look at a day that is still to come, by a clock that was ahead, does not put off those of the days before it.
func TestReviewAfterClockAhead(t *testing.T) {
	t.Parallel()
	c := newCollector(t, Settings{Backfill: 48 * time.Hour}, promtest.New(steady(always, never)), newMemory())
	collect(t, c, noon)
	c.archive.setRecord(func(r *record) {
		r.Reviewed, r.Revised = noon.AddDate(1, 0, 0), map[string][]Revision{"a": {{Day: noon, Was: 1, Is: 2}}}
	})
	collect(t, c, noon.Add(time.Hour))
	if r := c.archive.record; !r.Reviewed.Equal(noon.Truncate(24*time.Hour)) || len(r.Revised) > 0 {
		t.Errorf("looked last at %s and found %v, want today and nothing", r.Reviewed, r.Revised)
	}
}

// multiplied returns a server that says factor times what is typical of a workload.
func multiplied(factor *float64) *promtest.Server {
	return promtest.New(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, support, func(signal string, _ time.Time) (float64, bool) {
			v, ok := typical[signal]
			return v * pick(counts(signal), *factor, 1), ok
		})}
	})
}

// TestReviewAfterUpgrade holds that what another query had counted, as that of an earlier version of the program, is not held against what the server says now, and later days are.
func TestReviewAfterUpgrade(t *testing.T) {
	t.Parallel()
	factor := 10_000.0
	server := multiplied(&factor)
	h := newMemory()
	const day = 24 * time.Hour
	c := newCollector(t, Settings{Backfill: 9 * day}, server, h)
	collect(t, c, noon)
	collect(t, c, noon.Add(day))
	c.archive.setRecord(func(r *record) { r.Hourly = "" })
	factor = 20_000
	var told []int
	for age := 2; age < 14; age++ {
		now := noon.Add(time.Duration(age) * day)
		if u := collect(t, c, now).Usage[0]; len(c.Revisions(u, now)) > 0 {
			told = append(told, age)
		}
		if age == 10 {
			factor = 30_000
		}
	}
	if got := fmt.Sprint(told); got != "[11 12 13]" {
		t.Errorf("revisions were told on the days %s, want those after the server itself said something else", got)
	}
}

// TestF19_ReviewWithoutStore holds that a Thanos that has lost a store since it gave the newest hours revises nothing by saying less of a closed day.
func TestF19_ReviewWithoutStore(t *testing.T) {
	t.Parallel()
	factor := 10_000.0
	server := multiplied(&factor)
	a, b := storeOf("a", "null", `{"cluster":"a"}`), storeOf("b", "null", `{"cluster":"b"}`)
	thanos := &storing{RoundTripper: server.Transport(), stores: stores("sidecar", a, b)}
	c := newCollector(t, Settings{Backfill: 9 * 24 * time.Hour}, server, newMemory())
	c.client.guard.next = thanos
	collect(t, c, noon)
	thanos.asked = 0
	thanos.then = func() {
		if thanos.asked == 2 { // before and after the newest hours
			thanos.stores, factor = stores("sidecar", a), 5_000
		}
	}
	now := noon.Add(24 * time.Hour)
	u := collect(t, c, now).Usage[0]
	if thanos.asked < 3 || len(c.Revisions(u, now)) > 0 || strings.Contains(codes(u.Warnings), Revised) {
		t.Errorf("asked %d times for stores, got the revisions %v and the warnings %v, want more than 2 and none", thanos.asked, c.Revisions(u, now), u.Warnings)
	}
}
