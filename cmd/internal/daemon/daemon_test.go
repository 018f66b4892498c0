package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/alerting"
	"tipline/alerting/alertmanager"
	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
	"tipline/model"
)

// opening is the first morning of every test: a Monday.
var opening = time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)

// settings is a configuration with two sources on one server. At 3 USD/Mtok the API costs more than the fleet from about 9B
// tokens a month on: 9,387 of operations and two replicas at 7.98 USD an hour are 21,038 USD.
const settings = `
sources:
  - {name: gateway, prometheus: {url: "%s/gateway"}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 14d}
  - {name: engines, prometheus: {url: "%s/engines"}, pack: vllm, group_by: [model_name], hosting: self-hosted, backfill: 14d}
options:
  - {name: api, kind: api, model: example/model, prices: {input: 3, output: 3, cache_read: 3}}
  - name: fleet
    kind: self-hosted
    gpu: {type: h100, per_replica: 2, usd_per_hour: 3.99}
    throughput: {tokens_per_hour: 30276000}
defaults:
  current: api
  candidates: [api, fleet]
  constraints: {data_sensitivity: internal, ops_capacity: dedicated}
store: {path: %s}
`

// steady answers every query with a constant load: one workload of perHour tokens, fully covered.
func steady(labels map[string]string, perHour float64) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
			switch signal {
			case "input":
				return perHour * 0.8, true
			case "output":
				return perHour * 0.2, true
			case "requests":
				return perHour / 1000, true
			case "coverage":
				return 1, true
			case "resets":
				return 0, true
			}
			return 0, false
		})}
	}
}

// route answers the queries of the source gateway and of the source engines differently.
func route(gateway, engines func(promtest.Query) promtest.Answer) func(promtest.Query) promtest.Answer {
	return func(q promtest.Query) promtest.Answer {
		if strings.Contains(q.Expr, "litellm_") {
			return gateway(q)
		}
		return engines(q)
	}
}

// rig is a daemon on a fake server, with a clock and a mailbox.
type rig struct {
	*Daemon
	server *promtest.Server
	store  *store.Store
	folder string
	text   string
	box    *box

	machine    func() time.Time // the clock with which those of servers are compared; nil compares none
	background bool             // older history is read between cycles
	log        *slog.Logger     // nil: that of the test

	mu  sync.Mutex
	now time.Time
}

type box struct {
	mu       sync.Mutex
	events   []alerting.Event
	answered []alerting.Event // what tells an answer, apart
	fail     error            // of every attempt; nil takes them
}

func (b *box) Name() string { return "box" }

func (b *box) Send(_ context.Context, e alerting.Event) (alerting.Posted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return alerting.Posted{}, b.fail
	}
	if e.Reason == alerting.Answered {
		b.answered = append(b.answered, e)
		return alerting.Posted{}, nil
	}
	b.events = append(b.events, e)
	return alerting.Posted{}, nil
}

func newRig(t testing.TB, answer func(promtest.Query) promtest.Answer) *rig {
	t.Helper()
	r := &rig{server: promtest.Start(t, answer), folder: t.TempDir(), box: &box{}, now: opening}
	r.machine = r.clock
	r.text = fmt.Sprintf(settings, r.server.URL, r.server.URL, r.folder)
	var err error
	if r.store, err = store.Open(r.folder); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	r.start(t)
	return r
}

// start starts the daemon on what the store holds.
func (r *rig) start(t testing.TB) {
	t.Helper()
	var err error
	r.Daemon, err = New(Options{
		Load: func() (*config.Config, error) {
			return config.Parse("tipline.yml", []byte(r.text), collector.Packs()...)
		},
		Now:   r.clock,
		Log:   cmp.Or(r.log, slog.New(slog.NewTextHandler(t.Output(), nil))),
		Store: r.store, Notifiers: []alerting.Notifier{r.box}, Registry: prometheus.NewRegistry(),
		Background: r.background, Clock: r.machine,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// days runs one cycle a day and delivers what it has to say.
func (r *rig) days(t testing.TB, n int) *model.Report {
	t.Helper()
	var report *model.Report
	for range n {
		var err error
		if report, err = r.Cycle(t.Context()); err != nil {
			t.Log(err)
		}
		if _, err := r.Deliver(t.Context()); err != nil {
			t.Log(err)
		}
		r.mu.Lock()
		r.now = r.now.Add(24 * time.Hour)
		r.mu.Unlock()
	}
	return report
}

func workload(t testing.TB, report *model.Report, name string) model.WorkloadReport {
	t.Helper()
	for _, w := range report.Workloads {
		if w.Workload == name {
			return w
		}
	}
	t.Fatalf("no workload %q in %+v", name, report.Workloads)
	return model.WorkloadReport{}
}

func TestCycle(t *testing.T) {
	t.Parallel()
	big, small := map[string]string{"team_alias": "support"}, map[string]string{"model_name": "llama"}
	r := newRig(t, route(steady(big, 2e7), steady(small, 1e5)))
	report := r.days(t, 4)
	support := workload(t, report, "support")
	// Fourteen days of 20M tokens an hour, asked for on the first morning, and three days since.
	if got, want := float64(*support.Usage.Last30dTokens), 2e7*24*17.0; math.Abs(got-want) > 2e7*2 {
		t.Errorf("last 30 days: got %v tokens, want about %v", got, want)
	}
	if got := support.Decision; got.Recommendation != model.Move || got.Option != "fleet" {
		t.Errorf("support: got %s %q (%s), want a move to the fleet", got.Recommendation, got.Option, got.Because)
	}
	if got := workload(t, report, "llama").Decision; got.Recommendation != model.Stay {
		t.Errorf("llama: got %s (%s), want to stay", got.Recommendation, got.Because)
	}
	if len(r.box.events) != 1 || r.box.events[0].Workload != "support" {
		t.Fatalf("got %d messages, want one about support", len(r.box.events))
	}
	receipt, err := r.store.Get("ledger", r.box.events[0].Report.Decision.ID)
	if err != nil || receipt == nil {
		t.Fatalf("receipt %s: got %q, %v", r.box.events[0].Report.Decision.ID, receipt, err)
	}
	var kept ledger.Receipt
	if err := json.Unmarshal(receipt, &kept); err != nil || kept.Workload.Workload != "support" {
		t.Errorf("receipt: got %+v (%v), want that of support", kept.Workload, err)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Errorf("report as JSON: %v", err)
	}
}

// TestReportIsDeterministic evaluates the same history twice.
func TestReportIsDeterministic(t *testing.T) {
	t.Parallel()
	answer := route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5))
	var texts []string
	for range 2 {
		report := newRig(t, answer).days(t, 1)
		report.ConfigHash = "" // names the server's port
		for i := range report.Workloads {
			report.Workloads[i].Decision.ID = ""
		}
		for i := range report.SharedFleets {
			report.SharedFleets[i].ID = "" // of a receipt, which holds that hash
		}
		data, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	if texts[0] != texts[1] {
		t.Errorf("the same history gave two reports:\n%s\n%s", texts[0], texts[1])
	}
}

// TestFaults lets one source fail in every way while the other works: the verdict on its workload becomes unknown, nothing is
// announced, and the other's is as ever.
func TestFaults(t *testing.T) {
	t.Parallel()
	good := steady(map[string]string{"team_alias": "support"}, 2e7)
	always := func(a promtest.Answer) func(promtest.Query) promtest.Answer {
		return func(promtest.Query) promtest.Answer { return a }
	}
	cut := func(q promtest.Query) promtest.Answer {
		a := good(q)
		a.CutAt = 40
		return a
	}
	warned := func(q promtest.Query) promtest.Answer {
		a := good(q)
		a.Warnings = []string{"store 10.0.0.1 is unreachable"}
		return a
	}
	for name, fault := range map[string]func(promtest.Query) promtest.Answer{
		"unauthorized":      always(promtest.Status(401, "no tenant")),
		"limit":             always(promtest.JSON(422, `{"status":"error","errorType":"execution","error":"too many samples"}`)),
		"server error":      always(promtest.Status(503, "frontend stopped")),
		"login page":        always(promtest.HTML()),
		"cut body":          cut,
		"huge body":         always(promtest.Bomb(100 << 20)),
		"partial answer":    warned,
		"vanished":          always(promtest.Answer{}),
		"not json":          always(promtest.JSON(200, `{"status":"success","data":`)),
		"an unexpected way": always(promtest.JSON(200, `{"status":"success","data":{"resultType":"scalar","result":[0,"1"]}}`)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reason := map[string]collector.Reason{
				"unauthorized": collector.Unauthorized, "limit": collector.LimitReached, "server error": collector.Overloaded, "login page": collector.NotPrometheus,
				"cut body": collector.Unreachable, "huge body": collector.TooLarge, "partial answer": collector.Partial, "not json": collector.BadAnswer,
				"an unexpected way": collector.WrongType, // nothing is wrong with the source of what has vanished
			}[name]
			other := steady(map[string]string{"model_name": "llama"}, 1e5)
			r := newRig(t, route(good, other))
			r.days(t, 2)
			r.server.Answer(route(fault, other))
			report := r.days(t, 3)
			if got := workload(t, report, "support").Decision; got.Recommendation != model.Unknown {
				t.Errorf("support: got %s (%s), want unknown", got.Recommendation, got.Because)
			}
			if got := workload(t, report, "llama").Decision; got.Recommendation != model.Stay {
				t.Errorf("llama, whose source works: got %s (%s), want stay", got.Recommendation, got.Because)
			}
			if got := report.Sources[0].Reason; got != string(reason) || report.Sources[1].Reason != "" {
				t.Errorf("got the reasons %q and %q, want %q and none", got, report.Sources[1].Reason, reason)
			}
			faulty := 0
			for _, e := range r.box.events {
				if e.Reason != alerting.DataFaulty || e.Faults[0].Source != "gateway" {
					t.Errorf("got the message %s, %q while the source fails", e.Reason, e.Report.Decision.Because)
				}
				faulty++
			}
			want := !report.Sources[0].Up || name == "vanished"
			if want != (faulty == 1) || want != (len(report.DataFaults) == 1) {
				t.Errorf("got %d messages about data, and %+v in the report, want one of each: %v", faulty, report.DataFaults, want)
			}
			r.box.events = nil
			r.server.Answer(route(good, other))
			r.days(t, 2)
			if len(r.box.events) != 1 {
				t.Errorf("got %d messages after the source is back, want the one that was waiting", len(r.box.events))
			}
		})
	}
}

// TestThinHistory holds that nobody is told to move a workload of which less than a week is known.
func TestThinHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 2d")
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	for day := 2; day < 7; day++ {
		w := workload(t, r.days(t, 1), "support")
		if w.Decision.Recommendation != model.Unknown || !strings.Contains(w.Decision.Because, "min_history") {
			t.Errorf("%d days of history: got %s (%s), want unknown and why", day, w.Decision.Recommendation, w.Decision.Because)
		}
		if len(w.Options) != 2 || w.Options[0].USDPerMonth == nil {
			t.Errorf("%d days of history: got %+v, want costs without a verdict", day, w.Options)
		}
	}
	if got := workload(t, r.days(t, 4), "support").Decision; got.Recommendation != model.Move || len(r.box.events) != 1 {
		t.Errorf("after a week: got %s and %d messages, want a move that is announced", got.Recommendation, len(r.box.events))
	}
}

// TestStandingVerdictsAreShown holds that an Alertmanager is told what was confirmed, and nothing before.
func TestStandingVerdictsAreShown(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var posts []string
	manager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		posts = append(posts, string(body))
	}))
	t.Cleanup(manager.Close)
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.text += "notify: {alertmanager: {url: \"" + manager.URL + "\"}}\n"
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.days(t, 1)
		if err := r.Show(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ShowOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(posts) != 2 || !strings.Contains(posts[0], `"recommended":"fleet"`) || strings.Contains(posts[0], "llama") {
		t.Fatalf("got %q, want one post about support, after the third morning, and another", posts)
	}
	ends := func(at time.Time) string { return `"endsAt":"` + at.Format(time.RFC3339) }
	if now := r.clock(); !strings.Contains(posts[0], ends(now.Add(alertmanager.Lasts))) || !strings.Contains(posts[1], ends(now.AddDate(0, 0, 1).Add(alertmanager.Lasts))) {
		t.Errorf("at %s got %q, want the first to end soon and the other after the next morning's evaluation", now, posts)
	}
}

func TestServerDownAtStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(promtest.Query) promtest.Answer { return promtest.Status(503, "starting") })
	report, err := r.Cycle(t.Context())
	if report == nil || err == nil || len(report.Workloads) != 0 || report.Sources[0].Up {
		t.Fatalf("got %+v, %v, want a report of two sources down", report, err)
	}
	r.server.Answer(route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(nil, 0)))
	if got := workload(t, r.days(t, 1), "support").Decision; got.Recommendation != model.Move {
		t.Errorf("once it answers: got %s (%s), want a verdict", got.Recommendation, got.Because)
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.days(t, 1)
	good := r.text
	r.text = strings.Replace(good, "input: 3", "input: -3", 1)
	if err := r.Reload(); err == nil || !strings.Contains(err.Error(), "prices.input") {
		t.Errorf("a bad file: got %v, want the problem with its place", err)
	}
	if got := testutil.ToFloat64(r.metrics.reload); got != 0 {
		t.Errorf("config_last_reload_successful: got %v, want 0", got)
	}
	if got := workload(t, r.days(t, 1), "support").Options[0].USDPerMTok; got == nil || math.Abs(float64(*got)-3) > 1e-9 {
		t.Errorf("after the refused reload: got %v USD/Mtok, want 3 as before", got)
	}
	r.text = strings.Replace(good, "input: 3, output: 3, cache_read: 3", "input: 0.30, output: 0.30", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := workload(t, r.days(t, 1), "support").Decision; got.Recommendation != model.Stay {
		t.Errorf("at a tenth of the price: got %s (%s), want to stay", got.Recommendation, got.Because)
	}
	r.text = strings.Replace(good, r.folder, filepath.Join(r.folder, "elsewhere"), 1)
	if err := r.Reload(); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("another store: got %v, want to be told to restart", err)
	}
}

// TestServe runs the schedule in a bubble in which an hour passes at once.
func TestServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cycles []time.Time
		d := &Daemon{
			options: Options{Now: time.Now, Log: slog.New(slog.DiscardHandler), Store: nothing{}},
			metrics: newMetrics(nil, nothing{}), changed: make(chan struct{}, 1), queued: make(chan struct{}, 1), evaluated: make(chan struct{}, 1),
			setup: &setup{cfg: &config.Config{Schedule: config.Schedule{Collect: "7 * * * *", Evaluate: "0 6 * * *", Location: time.UTC}}},
		}
		var err error
		if d.desk, err = alerting.NewDesk(nothing{}, nil, d.options.Log, nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.Serve(ctx); close(done) }()
		for range 72 {
			time.Sleep(time.Hour)
			synctest.Wait()
			if at := d.Report().AsOf; len(cycles) == 0 || !cycles[len(cycles)-1].Equal(at) {
				cycles = append(cycles, at)
			}
		}
		cancel()
		<-done
		// A cycle at the start, at midnight of the bubble's clock, and one every morning at six.
		if len(cycles) != 4 || cycles[1].Hour() != 6 || cycles[3].Sub(cycles[2]) != 24*time.Hour {
			t.Errorf("got cycles at %v, want one at once and one every morning at six", cycles)
		}
	})
}

// nothing is a Store that holds nothing.
type nothing struct{}

func (nothing) Get(string, string) ([]byte, error)                    { return nil, nil }
func (nothing) Scan(string, string, func(string, []byte) error) error { return nil }
func (nothing) Apply(map[string]map[string][]byte) error              { return nil }
func (nothing) Size() int64                                           { return 0 }

// TestPanicInTheHistory holds that a workload whose hours cannot be put together spoils neither the process nor the others.
func TestPanicInTheHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, nothingMeasured)
	r.answers = nil
	hours := func(name string, read func(model.Usage) model.Usage) metered {
		return metered{usage: model.Usage{Workload: name, Source: "gateway"}, read: read, stanza: r.setup.cfg.For(nil, "gateway")}
	}
	broken := hours("broken", func(model.Usage) model.Usage { panic("no such day") })
	evaluations, _, _ := r.evaluateAll([]metered{broken, hours("whole", func(u model.Usage) model.Usage { return u })}, nil, r.now)
	for i, want := range []bool{true, false} {
		if got := warned(evaluations[i].report, model.EvaluationFailed); got != want {
			t.Errorf("%s: failed %v, want %v: %+v", evaluations[i].report.Workload, got, want, evaluations[i].report.Warnings)
		}
	}
	if d := evaluations[0].report.Decision; d.Recommendation != model.Unknown {
		t.Errorf("got %+v, want that it is not known", d)
	}
}

// many answers for 100 workloads with a daily rhythm.
func many(q promtest.Query) promtest.Answer {
	var series []promtest.Series
	for i := range 100 {
		labels := map[string]string{"team_alias": fmt.Sprintf("team-%02d", i)}
		series = append(series, steady(labels, 1e6*float64(1+i))(q).Series...)
	}
	return promtest.Answer{Series: series}
}

// BenchmarkCycle measures a cycle over 100 workloads with 60 days of hourly history: cold, with nothing on disk, and warm,
// with one hour to fetch. The fake server's own work is part of the time.
func BenchmarkCycle(b *testing.B) {
	fresh := func(b *testing.B) *rig {
		r := newRig(b, route(many, func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
		r.options.Log = slog.New(slog.DiscardHandler)
		r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 60d")
		if err := r.Reload(); err != nil {
			b.Fatal(err)
		}
		return r
	}
	cycle := func(b *testing.B, r *rig) {
		if report, err := r.Cycle(b.Context()); err != nil || len(report.Workloads) != 100 {
			b.Fatalf("%v", err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			r := fresh(b)
			b.StartTimer()
			cycle(b, r)
			b.ReportMetric(float64(len(r.server.Queries())), "queries")
		}
	})
	b.Run("warm", func(b *testing.B) {
		r := fresh(b)
		cycle(b, r)
		r.server.Queries()
		b.ReportAllocs()
		for b.Loop() {
			r.mu.Lock()
			r.now = r.now.Add(time.Hour)
			r.mu.Unlock()
			cycle(b, r)
			b.ReportMetric(float64(len(r.server.Queries())), "queries")
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MB-live")
	})
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	if os.Getenv(backfillEnv) != "" {
		os.Exit(backfill())
	}
	os.Exit(m.Run())
}

// TestHourlySummary holds that what the hours of the last month say of usage is what all hours say, of a workload that is in use and of one that ended
// before them.
func TestHourlySummary(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"model_name": "llama"}, func(signal string, at time.Time) (float64, bool) {
			v := map[string]float64{"input": 1e5, "output": 1e4, "requests": 10, "coverage": 1}[signal]
			return v, at.Before(opening) && (v > 0 || signal == "resets")
		})}
	}))
	r.text = strings.ReplaceAll(r.text, "backfill: 14d", "backfill: 60d")
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.days(t, 1)
	r.mu.Lock()
	r.now = opening.Add(40 * 24 * time.Hour)
	r.mu.Unlock()
	report, err := r.Cycle(t.Context())
	if err != nil || len(report.Workloads) != 2 {
		t.Fatalf("got %d workloads, error %v; want both", len(report.Workloads), err)
	}
	if err := r.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, w := range r.Report().Workloads {
		if was := report.Workloads[i].Usage; !reflect.DeepEqual(was, w.Usage) {
			t.Errorf("%s: got %+v every hour, want %+v as evaluated", w.Workload, w.Usage, was)
		}
		if w.Usage.FirstSample == nil || opening.Sub(*w.Usage.FirstSample) < 59*24*time.Hour {
			t.Errorf("%s: got the first sample %v, want one of two months before the first look", w.Workload, w.Usage.FirstSample)
		}
	}
}

// TestSilence holds that a source is told to be away when it could not be read for three hours, and not because one look failed, whether an
// evaluation finds it or the hourly look.
func TestSilence(t *testing.T) {
	t.Parallel()
	good := route(steady(map[string]string{"team_alias": "support"}, 1e5), nothingMeasured)
	r := newRig(t, good)
	r.days(t, 1)
	pass := func(hours int, collect bool) {
		r.mu.Lock()
		r.now = r.now.Add(time.Duration(hours) * time.Hour)
		r.mu.Unlock()
		if collect {
			_ = r.Collect(t.Context())
		} else {
			_, _ = r.Cycle(t.Context())
		}
		_, _ = r.Deliver(t.Context())
	}
	pass(0, true)
	r.server.Answer(func(promtest.Query) promtest.Answer { return promtest.Status(503, "down") })
	for _, step := range []struct {
		hours   int
		collect bool
		told    int
	}{{1, true, 0}, {1, false, 0}, {1, true, 1}, {1, true, 1}, {20, false, 1}} {
		pass(step.hours, step.collect)
		if len(r.box.events) != step.told {
			t.Fatalf("%+v: got %d messages", step, len(r.box.events))
		}
	}
	if e := r.box.events[0]; e.Reason != alerting.DataFaulty || len(e.Faults) != 2 || e.Faults[0].Code != "SOURCE_DOWN" {
		t.Errorf("got %+v, want that both sources are away", e)
	}
}

// TestLabelChoosesAmongChannels holds that messages go where a label asks for, if it may, and that the report says where it may not.
func TestLabelChoosesAmongChannels(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{"llm-search": "#llm-search", "general\n<!channel>": ""} {
		r, server := newRig(t, route(steady(map[string]string{"team_alias": asked}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5))), slacktest.New(t)
		if err := os.WriteFile(filepath.Join(r.folder, "token"), []byte(slacktest.Token), 0o600); err != nil {
			t.Fatal(err)
		}
		r.text = strings.Replace(r.text, "defaults:\n", "defaults:\n  labels: {slack_channel: {team_alias: \"#llm-*\"}}\n", 1) +
			fmt.Sprintf("notify: {slack: {token_file: %s/token, channel: \"#llm-cost\", api_url: \"%s/api\"}}\n", r.folder, server.URL)
		if err := r.Reload(); err != nil {
			t.Fatal(err)
		}
		report := r.days(t, 3)
		w := report.Workloads[slices.IndexFunc(report.Workloads, func(w model.WorkloadReport) bool { return w.Source == "gateway" })]
		if w.Channel != want {
			t.Errorf("%q: the report has the channel %q, want %q", asked, w.Channel, want)
		}
		refused := model.Warning{Code: channelRefused, Text: `its label team_alias asks for the Slack channel "general\n<!channel>", which defaults.labels.slack_channel does not allow`}
		if slices.Contains(w.Warnings, refused) != (want == "") {
			t.Errorf("%q: got %+v", asked, w.Warnings)
		}
		if all := server.Messages(); len(all) != 1 || all[0].Channel != cmp.Or(want, "#llm-cost") {
			t.Errorf("%q: got %+v, want one message in the channel", asked, all)
		}
	}
}

// TestLabelsSayWhoOwnsAWorkload holds that the report names the owner and the cost centre that a label gives, and none where there is no such label.
func TestLabelsSayWhoOwnsAWorkload(t *testing.T) {
	t.Parallel()
	r := newRig(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), steady(map[string]string{"model_name": "llama"}, 1e5)))
	r.text = strings.Replace(r.text, "defaults:\n", "defaults:\n  labels: {owner: team_alias, cost_centre: team_alias}\n", 1)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	report := r.days(t, 1)
	if len(report.Workloads) != 2 {
		t.Fatalf("got %+v, want two workloads", report.Workloads)
	}
	for _, w := range report.Workloads {
		if want := w.Labels["team_alias"]; w.Owner != want || w.CostCentre != want {
			t.Errorf("%s: got the owner %q and the cost centre %q, want %q", w.Workload, w.Owner, w.CostCentre, want)
		}
	}
}
