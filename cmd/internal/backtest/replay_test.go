package backtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/alerting"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// dawn is the first hour of every history: a Monday.
var dawn = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)

// settings is a workload a team on an API at 3 USD/Mtok. The fleet costs 9,387 of operations and two replicas at 7.98 USD an hour, 21,038 USD a month: as much as
// 7.01B tokens, and a fifth less than 8.77B tokens, which are 12.0M an hour.
const settings = `
sources:
  - {name: gateway, prometheus: {url: "%s"}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 60d}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}
  - {name: fleet, kind: self-hosted, gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99}, throughput: {tokens_per_hour: 60552000}}
defaults:
  current: api
  candidates: [api, fleet]
  constraints: {data_sensitivity: internal, ops_capacity: dedicated}
policy: {lead_time: 30d}
store: {path: nowhere}
`

// volume is what a team uses in an hour, in tokens, that many days after dawn.
type volume func(days float64) float64

// steady is the same volume every day, with the rhythm of a day and a week.
func steady(perHour float64) volume {
	return func(days float64) float64 {
		weekday := 1.1
		if int(days)%7 >= 5 {
			weekday = 0.75
		}
		return perHour * weekday * (1 + 0.4*math.Sin(2*math.Pi*(days-0.4)))
	}
}

// times is v with a factor that may change from day to day.
func (v volume) times(factor func(days float64) float64) volume {
	return func(days float64) float64 { return v(days) * factor(days) }
}

// past is a Prometheus with the volumes of teams for a number of days.
type past struct {
	length int
	teams  map[string]volume
}

func (p past) end() time.Time { return dawn.AddDate(0, 0, p.length) }

func (p past) answer(q promtest.Query) promtest.Answer {
	var all promtest.Answer
	for team, v := range p.teams {
		all.Series = append(all.Series, promtest.Each(q, map[string]string{"team_alias": team}, func(signal string, at time.Time) (float64, bool) {
			from := at.Add(-time.Hour)
			if from.Before(dawn) || at.After(p.end()) {
				return 0, false
			}
			tokens := v(from.Sub(dawn).Hours() / 24)
			value, known := map[string]float64{"input": 0.8 * tokens, "output": 0.2 * tokens, "requests": tokens / 1000, "coverage": 1, "resets": 0}[signal]
			return value, known && tokens > 0
		})...)
	}
	return all
}

// optionsFor returns what a replay of a configuration needs, with an empty store.
func optionsFor(t testing.TB, text string) Options {
	t.Helper()
	cfg, err := config.Parse("tipline.yml", []byte(text), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	return Options{Config: cfg, Store: openStore(t, folder), Folder: folder, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}
}

func openStore(t testing.TB, folder string) *store.Store {
	t.Helper()
	file, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// surveyed returns o with the history of p in its store, and its time set.
func surveyed(t testing.TB, o Options, p past) Options {
	t.Helper()
	known, err := Survey(t.Context(), o, p.end())
	if err != nil {
		t.Fatal(err)
	}
	if o, err = o.Fit(known); err != nil {
		t.Fatal(err)
	}
	return o
}

func run(t testing.TB, o Options) *Result {
	t.Helper()
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// outline returns what r says of workload, one word a message and a crossing.
func outline(r *Result, workload string) (said []string) {
	for _, m := range r.Messages {
		if m.Workload == workload {
			said = append(said, fmt.Sprintf("%s %s", m.Kind, m.Grade.Verdict))
		}
	}
	for _, c := range r.Crossings {
		if c.Workload == workload {
			said = append(said, fmt.Sprintf("crossing %s", c.Outcome))
		}
	}
	return said
}

// TestRun replays a workload that grows over its threshold, one that stays below it, and one with a burst of sixteen days that looks like growth while it lasts.
func TestRun(t *testing.T) {
	t.Parallel()
	p := past{150, map[string]volume{
		"flat":   steady(3e6),
		"rising": steady(5e6).times(func(days float64) float64 { return math.Exp(days / 100) }),
		"burst": steady(4e6).times(func(days float64) float64 {
			if days >= 70 && days < 86 {
				return 6
			}
			return 1
		}),
	}}
	server := promtest.Start(t, p.answer)
	o := surveyed(t, optionsFor(t, fmt.Sprintf(settings, server.URL)), p)
	o.Since, o.Every = o.Until.AddDate(0, 0, -90), 3*day
	r := run(t, o)
	// 12.0M tokens an hour are passed by the hour on day 88, and by the 30 days before on day 102.
	rising := slices.IndexFunc(r.Crossings, func(c Crossing) bool { return c.Workload == "rising" })
	if rising < 0 {
		t.Fatalf("got %+v, want that rising crossed", r.Crossings)
	}
	c := r.Crossings[rising]
	if at := c.At.Sub(dawn) / day; at < 101 || at > 105 || c.Outcome != Caught || c.LeadDays == nil || *c.LeadDays < 14 || c.AtStart {
		t.Errorf("got %+v, want that it was told two weeks before day 102", c)
	}
	for workload, want := range map[string][]string{
		"flat":   nil,
		"rising": {"switched right", "crossing caught"},
		"burst":  {"drifted not_graded", "switched wrong", "returned right"},
	} {
		if got := outline(r, workload); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", workload, got, want)
		}
	}
	if totals := r.Totals; totals.Right != 2 || totals.Wrong != 1 || totals.NotGraded != 1 || totals.ChangesOfMind != 1 || totals.Told != 2 || totals.Messages != 4 {
		t.Errorf("got %+v", totals)
	}
	if want := "In 90 days tipline would have sent 4 messages about 2 of 3 workloads: 2 right, 1 wrong, 1 not graded."; r.Summary[0] != want {
		t.Errorf("got %q, want %q", r.Summary[0], want)
	}
	if f := r.Forecast; len(f) != 3 || f[0].Days != 7 || f[0].Graded == 0 || f[0].NaiveError == 0 {
		t.Errorf("projections: got %+v, want three spans that were graded", f)
	}

	// The same evaluations in the schedule of the configuration end where they are told to, and what came after still grades.
	o.Store = emptied(t, o.Store)
	o.Every, o.Since, o.Until, o.End, o.Stored = 0, dawn.AddDate(0, 0, 70), dawn.AddDate(0, 0, 78), dawn.AddDate(0, 0, 110), true
	r = run(t, o)
	if got, want := outline(r, "burst"), []string{"drifted not_graded", "switched wrong"}; !slices.Equal(got, want) || r.Evaluations != 8 {
		t.Errorf("to day 78, in %d evaluations: got %q, want %q", r.Evaluations, got, want)
	}
}

// emptied returns a store with the history of from and nothing else.
func emptied(t testing.TB, from daemon.Store) daemon.Store {
	t.Helper()
	rows := map[string][]byte{}
	if err := from.Scan(store.History, "", func(key string, value []byte) error {
		rows[key] = value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	to := openStore(t, t.TempDir())
	if err := to.Apply(map[string]map[string][]byte{store.History: rows}); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestNoLookAhead holds that whatever comes after an instant changes nothing that is found up to it: no message, no receipt, no alert state, to the byte, although
// the store holds the hours to come. Nor does asking a server that has them.
func TestNoLookAhead(t *testing.T) {
	t.Parallel()
	const now = 40 // days after dawn
	truth := map[string]volume{
		"growing": steady(5e6).times(func(days float64) float64 { return math.Exp(days / 40) }),
		"ends":    steady(2e7),
		"begins":  steady(1e6).times(func(days float64) float64 { return max(0, math.Floor(days-now)) }),
	}
	changed := map[string]volume{}
	for team, v := range truth {
		changed[team] = v.times(func(days float64) float64 {
			switch {
			case days < now:
				return 1
			case team == "ends":
				return 0
			}
			return 40
		})
	}
	server := promtest.Start(t, past{now + 20, truth}.answer)
	found := func(p past, stored bool) string {
		server.Answer(p.answer)
		o := surveyed(t, optionsFor(t, fmt.Sprintf(settings, server.URL)), p)
		o.Since, o.Until, o.End, o.Stored = dawn.AddDate(0, 0, now-5), dawn.AddDate(0, 0, now), dawn.AddDate(0, 0, now), stored
		r := run(t, o)
		if len(r.Messages) == 0 {
			t.Fatal("nothing was said that the future could change")
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		text.WriteString(string(data))
		for _, bucket := range []string{store.Ledger, store.State} {
			if err := o.Store.Scan(bucket, "", func(key string, value []byte) error {
				text.WriteString(fmt.Sprintf("\n%s %s %s", bucket, key, value))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return text.String()
	}
	for _, stored := range []bool{true, false} {
		want := found(past{now, truth}, stored)
		if got := found(past{now + 20, truth}, stored); got != want {
			t.Errorf("stored %v: the days to come change what is found:\n%s", stored, cmp.Diff(want, got))
		}
		if got := found(past{now + 20, changed}, stored); got != want {
			t.Errorf("stored %v: other days to come change what is found:\n%s", stored, cmp.Diff(want, got))
		}
	}
}

// TestStorm holds that what would have been one message that sums up many is counted once, and graded workload by workload.
func TestStorm(t *testing.T) {
	t.Parallel()
	teams := map[string]volume{}
	for i := range 23 {
		teams[fmt.Sprintf("team-%02d", i)] = steady(2e7)
	}
	p := past{12, teams}
	server := promtest.Start(t, p.answer)
	o := surveyed(t, optionsFor(t, fmt.Sprintf(settings, server.URL)), p)
	o.Since = o.Until.AddDate(0, 0, -3)
	r := run(t, o)
	if len(r.Messages) != 23 || r.Totals.Messages != 1 || r.Totals.Told != 23 || r.Totals.TooEarly != 23 {
		t.Errorf("got %d messages and %+v, want one that stands for 23", len(r.Messages), r.Totals)
	}
	for i, m := range r.Messages {
		if m.Workload != fmt.Sprintf("team-%02d", i) || !m.SummedUp || m.Kind != alerting.FirstSeen || m.To != "fleet" || m.Saving == nil || m.Grade.Verdict != TooEarly {
			t.Errorf("got %+v, want that it is to move", m)
		}
	}
}

// TestUnreachable holds that a server that goes away is no reason to grade what was not evaluated.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	p := past{12, map[string]volume{"team": steady(2e7)}}
	server := promtest.Start(t, p.answer)
	o := surveyed(t, optionsFor(t, fmt.Sprintf(settings, server.URL)), p)
	server.Answer(func(promtest.Query) promtest.Answer { return promtest.HTML() }) // a login page is not asked twice
	if _, err := Survey(t.Context(), o, p.end().Add(3*time.Hour)); !errors.Is(err, ErrUnreachable) {
		t.Errorf("the survey: got %v", err)
	}
	o.End = p.end().Add(30 * time.Hour)
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrUnreachable) {
		t.Errorf("an evaluation: got %v", err)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	o := optionsFor(t, fmt.Sprintf(settings, "http://127.0.0.1:1"))
	for _, tc := range []struct {
		name         string
		days         int // of history
		since, until int // days after dawn; 0 is not said
		want         string
	}{
		{name: "nothing is known", want: "no history"},
		{name: "less than a verdict and its confirmation need", days: 8, want: "8.0 days are known, from 2026-05-04 on; a verdict needs 7.0 days (policy.min_history) and a message 2.0 days of confirmations more"},
		{name: "it begins after the end", days: 50, since: 60, want: "nothing to replay: it would begin on 2026-07-03, and the history is from 2026-05-04 to 2026-06-23"},
		{name: "it ends before it can begin", days: 50, until: 6, want: "nothing to replay"},
		{name: "all of it", days: 50, want: "2026-05-11 2026-06-23 2026-06-23"},
		{name: "half a year of it", days: 300, want: "2026-09-01 2027-02-28 2027-02-28"},
		{name: "as it is said", days: 300, since: 20, until: 30, want: "2026-05-24 2026-06-03 2027-02-28"},
		{name: "not beyond its end", days: 50, until: 100, want: "2026-05-11 2026-06-23 2026-06-23"},
	} {
		at := func(days int) time.Time {
			if days == 0 {
				return time.Time{}
			}
			return dawn.AddDate(0, 0, days)
		}
		o, known := o, Extent{}
		o.Since, o.Until = at(tc.since), at(tc.until)
		if tc.days > 0 {
			known = Extent{First: dawn, Last: at(tc.days), Longest: at(tc.days).Sub(dawn)}
		}
		o, err := o.Fit(known)
		got := fmt.Sprintf("%s %s %s", o.Since.Format(time.DateOnly), o.Until.Format(time.DateOnly), o.End.Format(time.DateOnly))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// BenchmarkRun replays half a year of 40 workloads with a daily evaluation. Fetching their history is not part of it.
func BenchmarkRun(b *testing.B) {
	teams := map[string]volume{}
	for i := range 40 {
		teams[fmt.Sprintf("team-%02d", i)] = steady(1e5 * math.Pow(1.16, float64(i))).times(func(d float64) float64 { return math.Exp(d * float64(i%5) / 400) })
	}
	for b.Loop() {
		b.StopTimer()
		p := past{187, teams}
		server := promtest.Start(b, p.answer)
		o := surveyed(b, optionsFor(b, fmt.Sprintf(settings, server.URL)), p)
		o.Stored = true
		b.StartTimer()
		r := run(b, o)
		b.Log(r.Evaluations, r.Summary)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapSys)/(1<<20), "MB-heap")
	}
}

// TestPricesAreNotKnownAhead holds that a price which fell is found on its day when the row that says so was written later, and ahead when it was written before.
func TestPricesAreNotKnownAhead(t *testing.T) {
	t.Parallel()
	p := past{50, map[string]volume{"team": steady(2e7)}}
	server := promtest.Start(t, p.answer)
	for checked, want := range map[string]string{"2026-12-01": "2026-06-13", "2026-06-05": "2026-06-11"} {
		book := filepath.Join(t.TempDir(), "prices.csv")
		var rows strings.Builder
		rows.WriteString("item,field,value,unit,valid_from,valid_to,source,checked_at,note\n")
		for _, field := range []string{"input", "output"} {
			rows.WriteString(fmt.Sprintf("example/dated,%s,3,USD/Mtok,,2026-06-12,list,2026-05-01,\n", field))
			rows.WriteString(fmt.Sprintf("example/dated,%s,1.6,USD/Mtok,2026-06-13,,list,%s,\n", field, checked))
		}
		if err := os.WriteFile(book, []byte(rows.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(settings, "model: example/model, prices: {input: 3, output: 3, cache_read: 3}", "model: example/dated", 1)
		o := optionsFor(t, fmt.Sprintf(text, server.URL)+fmt.Sprintf("prices: {files: [%q]}\n", book))
		o = surveyed(t, o, p)
		o.Since, o.Until, o.End, o.Stored = dawn.AddDate(0, 0, 38), dawn.AddDate(0, 0, 42), dawn.AddDate(0, 0, 42), true // from 11 June on
		r := run(t, o)
		moved := slices.IndexFunc(r.Messages, func(m Message) bool { return m.Kind == alerting.PricesMoved })
		if moved < 0 || r.Messages[moved].At.Format(time.DateOnly) != want {
			t.Errorf("looked up on %s: got %+v, want that prices move told on %s", checked, r.Messages, want)
		}
	}
}

func TestKnownAt(t *testing.T) {
	t.Parallel()
	on := func(days int) string { return dawn.AddDate(0, 0, days).Format(time.DateOnly) }
	cfg := config.Config{
		Workloads: []config.Workload{{Known: model.Known{Events: []model.Event{{From: dawn.AddDate(0, 0, 11)}, {From: dawn.AddDate(0, 0, 60)}}, Holidays: []time.Time{dawn}}}},
		Defaults:  config.Workload{Known: model.Known{Events: []model.Event{{From: dawn.AddDate(0, 0, 15)}}}},
	}
	cfg.Options = []decide.Option{{
		Announced: []decide.PriceChange{{}, {From: dawn.AddDate(0, 0, 10)}, {From: dawn.AddDate(0, 0, 20)}, {From: dawn.AddDate(0, 0, 30)}},
		Retires:   dawn.AddDate(0, 0, 41),
		Prices: []model.PriceSource{
			{Field: "input", ValidTo: on(9), Date: on(-100)},
			{Field: "input", ValidFrom: on(10), ValidTo: on(19), Date: on(12)}, // that it ends was known two days after it began
			{Field: "input", ValidFrom: on(20), Date: on(12)},
			{Field: "retires", Value: on(40), Date: on(15)},
		},
	}} // of the change on day 30 no row tells: the configuration does
	for _, tc := range []struct {
		day, changes int
		retires      bool
		events       int
	}{{5, 2, false, 0}, {10, 3, false, 0}, {11, 3, false, 1}, {12, 4, false, 1}, {15, 4, true, 2}, {50, 4, true, 2}} {
		got := knownAt(cfg, dawn.AddDate(0, 0, tc.day))
		events := len(got.Workloads[0].Known.Events) + len(got.Defaults.Known.Events)
		if o := got.Options[0]; len(o.Announced) != tc.changes || o.Retires.IsZero() == tc.retires || events != tc.events || len(got.Workloads) != 1 || len(got.Workloads[0].Known.Holidays) != 1 {
			t.Errorf("day %d: got %d changes, the end on %v and %d events, want %d, %v and %d", tc.day, len(o.Announced), o.Retires, events, tc.changes, tc.retires, tc.events)
		}
		ends := 0
		if tc.retires {
			ends = 1
		}
		if n := facts(got); n != tc.changes+tc.events+ends {
			t.Errorf("day %d: got %d facts", tc.day, n)
		}
	}
	if n := facts(cfg); n != 8 {
		t.Errorf("the configuration has been changed: got %d facts, want 8", n)
	}
}
