package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
)

// TestSoak lives through weeks in which the source, Slack, the disk, the clock and the process fail at random, while people answer what they are told,
// and holds that what is told and answered in the end is what it is when nothing fails, each once but where Slack could not be asked for half an hour. TIPLINE_SOAK_DAYS makes it longer, and evaluates every hour.
func TestSoak(t *testing.T) {
	t.Parallel()
	days, every, seeds := 14, 6*time.Hour, uint64(2)
	if asked := os.Getenv("TIPLINE_SOAK_DAYS"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 14 {
			t.Fatalf("TIPLINE_SOAK_DAYS: got %q, want days, at least 14", asked)
		}
		days, every, seeds = n, time.Hour, 4
	}
	for seed := range seeds {
		calm := newSoak(t, days, seed, nil)
		calm.live(every)
		want := calm.told()
		if len(want) < 5 {
			t.Fatalf("seed %d: without faults %q was told, want a move, another, one that is withdrawn, and two answers", seed, want)
		}
		s := newSoak(t, days, seed, rand.New(rand.NewPCG(seed, 7)))
		s.live(every)
		if got := s.told(); !slices.Equal(got, want) {
			t.Errorf("seed %d: with %v told %q, without faults %q", seed, s.faults, got, want)
		}
		t.Logf("seed %d, %d days: %d evaluations, faults %v, told %q", seed, days, s.evaluations, s.faults, want)
	}
}

// soak is a daemon in a world in which things fail.
type soak struct {
	t      *testing.T
	days   int
	random *rand.Rand // nil: nothing fails
	begin  time.Time
	true   atomic.Int64 // seconds since the epoch by a clock that is right
	wrong  time.Duration
	text   string

	down, full  atomic.Bool // the source, the disk
	slackDown   atomic.Bool
	until       map[string]time.Time // by fault, when it ends
	faults      map[string]int
	evaluations int
	box         *slacktest.Server
	delivered   map[string]string   // by id of the event, what it was
	attempts    map[string][]string // by id of the event, what became of each
	blind       map[string]int      // by id of the event, attempts after looking in vain for half an hour, each of which may be another copy
	moves       []move              // that people have been told of, in order
	kind        map[string]string   // by workload, how its first move is answered, whatever fails
	hands       *rand.Rand          // says when people answer, and by which way
	folder      string
	store       *store.Store
	daemon      *Daemon
}

// move is one that somebody is told of, and is going to answer.
type move struct {
	slack.Press
	button   bool      // or as tipline decide does
	when     time.Time // not before
	answered bool
}

// newSoak returns one whose people answer as seed says; random makes things fail.
func newSoak(t *testing.T, days int, seed uint64, random *rand.Rand) *soak {
	t.Helper()
	s := &soak{
		t: t, days: days, random: random, begin: opening, until: map[string]time.Time{}, faults: map[string]int{},
		box: slacktest.New(t), delivered: map[string]string{}, attempts: map[string][]string{}, blind: map[string]int{}, folder: t.TempDir(),
		kind: map[string]string{}, hands: rand.New(rand.NewPCG(seed, 6)),
	}
	kinds := []string{slack.Snooze, slack.Decline, slack.Acknowledge, slack.Done}
	s.kind["past"], s.kind["rising"] = kinds[seed%4], kinds[(seed+2)%4]
	s.true.Store(s.begin.Unix())
	server := promtest.Start(t, route(s.gateway, func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	s.text = strings.ReplaceAll(fmt.Sprintf(settings, server.URL, server.URL, filepath.Join(s.folder, "data")), "backfill: 14d", "backfill: 28d")
	write(t, filepath.Join(s.folder, "token"), slacktest.Token)
	moods := rand.New(rand.NewPCG(uint64(days), 8)) // its own, since how many requests there are is not the same every time
	s.box.Answer(func(int) *slacktest.Answer {
		switch {
		case !s.slackDown.Load():
			return nil
		case moods.IntN(3) == 0:
			return &slacktest.Answer{Cut: true, Keep: moods.IntN(2) == 0}
		}
		return &slacktest.Answer{Status: http.StatusServiceUnavailable}
	})
	s.box.Lookups(func(int) *slacktest.Answer {
		if s.slackDown.Load() {
			return &slacktest.Answer{Status: http.StatusServiceUnavailable}
		}
		return nil
	})
	t.Cleanup(func() { _ = s.store.Close() })
	s.start()
	return s
}

// gateway answers for one workload that is past its threshold, one that comes to it after a third of the time, one that leaves it then, and
// one that is far from it. Nobody knows the future.
func (s *soak) gateway(q promtest.Query) promtest.Answer {
	if s.down.Load() {
		return promtest.Status(http.StatusServiceUnavailable, "down")
	}
	shift := s.begin.AddDate(0, 0, s.days/3)
	var all promtest.Answer
	for team, perHour := range map[string][2]float64{"past": {2e7, 2e7}, "rising": {2e6, 3e7}, "falling": {2e7, 1e6}, "far": {1e5, 1e5}} {
		for i, part := range perHour {
			answer := steady(map[string]string{"team_alias": team}, part)(q)
			for _, series := range answer.Series {
				series.Points = slices.DeleteFunc(series.Points, func(p promtest.Point) bool {
					return p.At.After(time.Unix(s.true.Load(), 0)) || p.At.After(shift) != (i == 1)
				})
				all.Series = append(all.Series, series)
			}
		}
	}
	return all
}

// disk is a Store that may be full.
type disk struct {
	*store.Store
	full *atomic.Bool
}

func (d disk) Apply(batch map[string]map[string][]byte) error {
	if d.full.Load() {
		return syscall.ENOSPC
	}
	return d.Store.Apply(batch)
}

// witness is a Notifier that keeps what was delivered.
type witness struct {
	alerting.Notifier
	s *soak
}

func (w witness) Send(ctx context.Context, e alerting.Event) (alerting.Posted, error) {
	if e.Blind {
		w.s.blind[e.ID]++
	}
	at, err := w.Notifier.Send(ctx, e)
	w.s.attempts[e.ID] = append(w.s.attempts[e.ID], fmt.Sprintf("%s repeat=%v blind=%v: %v",
		time.Unix(w.s.true.Load(), 0).UTC().Format(time.DateTime), e.Repeat, e.Blind, err))
	if err == nil {
		what := fmt.Sprintf("%s %s %s", e.Workload, e.Reason, e.Report.Decision.Option)
		if a := e.Answer; a != nil {
			what += fmt.Sprintf(", %s by %s", a.Text, a.By)
		}
		w.s.delivered[e.ID] = what
		w.s.hear(e, at)
	}
	return at, err
}

// hear has people think about the move that e, which is at at, tells; one that is going to be withdrawn nobody answers. The first move of a workload is answered
// in any way, a later one acknowledged. What is put off is so until the last days, in which all is well.
func (s *soak) hear(e alerting.Event, at alerting.Posted) {
	if e.Reason != alerting.FirstSeen && e.Reason != alerting.Switched || e.Workload == "falling" {
		return
	}
	m := move{
		Press:  slack.Press{Kind: slack.Acknowledge, Decision: e.Report.Decision.ID, Workload: e.Workload, Channel: at.Channel, Message: at.Time, By: "maria (Slack user U0123ABCD)"},
		button: s.hands.IntN(2) == 0, when: time.Unix(s.true.Load(), 0).Add(time.Duration(s.hands.IntN(6)) * time.Hour),
	}
	again := slices.ContainsFunc(s.moves, func(o move) bool { return o.Workload == e.Workload })
	if !again {
		m.Kind = s.kind[e.Workload]
	}
	day := s.begin.AddDate(0, 0, s.days-map[string]int{"past": 5, "rising": 1}[e.Workload]).Format(time.DateOnly)
	switch m.Kind {
	case slack.Snooze:
		m.Until = day
	case slack.Decline:
		m.Until, m.Reason = day, "no staff"
	}
	s.moves = append(s.moves, m)
}

// answer has people answer what they have thought about; who is refused tries again later.
func (s *soak) answer() {
	for i, m := range s.moves {
		if m.answered || time.Unix(s.true.Load(), 0).Before(m.when) {
			continue
		}
		var refused *slack.Refused
		err := s.leave(m)
		switch {
		case errors.As(err, &refused):
			continue
		case err != nil:
			s.t.Fatal(err)
		}
		s.moves[i].answered = true
		if err := s.leave(m); m.button && err != nil { // Slack tells it twice
			s.t.Errorf("%+v once more: got %v, want nothing", m, err)
		}
	}
}

// leave leaves the answer of m.
func (s *soak) leave(m move) error {
	if m.button {
		return buttons{s.daemon}.Answer(m.Press)
	}
	until, err := time.Parse(time.DateOnly, cmp.Or(m.Until, "0001-01-01"))
	if err != nil {
		return err
	}
	a := ledger.NewAnswer(m.Decision, kindOf[m.Kind], m.Reason, until, m.when.UTC())
	a.By = m.By
	return ledger.Leave(s.daemon.folder, a)
}

// start begins a life of the daemon on the data that there are.
func (s *soak) start() {
	s.t.Helper()
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	var err error
	if s.store, err = store.Open(filepath.Join(s.folder, "data")); err != nil {
		s.t.Fatal(err)
	}
	to, err := slack.New(slack.Settings{TokenFile: filepath.Join(s.folder, "token"), AppTokenFile: filepath.Join(s.folder, "token"), Channel: "#llm-cost", APIURL: s.box.URL + "/api"}, &http.Client{Timeout: time.Minute})
	if err != nil {
		s.t.Fatal(err)
	}
	s.daemon, err = New(Options{
		Load: func() (*config.Config, error) {
			return config.Parse("tipline.yml", []byte(s.text), collector.Packs()...)
		},
		Now:   func() time.Time { return time.Unix(s.true.Load(), 0).UTC().Add(s.wrong) },
		Log:   slog.New(slog.DiscardHandler),
		Store: disk{s.store, &s.full}, Notifiers: []alerting.Notifier{witness{to, s}}, Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// happen begins the fault, for some hours, one time in odds.
func (s *soak) happen(fault string, odds int) bool {
	now := time.Unix(s.true.Load(), 0)
	if s.random == nil || s.true.Load() > s.begin.AddDate(0, 0, s.days-6).Unix() { // in the end all is well
		return false
	}
	if now.Before(s.until[fault]) {
		return true
	}
	if s.random.IntN(odds) > 0 {
		return false
	}
	s.faults[fault]++
	s.until[fault] = now.Add(time.Duration(1+s.random.IntN(8)) * time.Hour)
	return true
}

// live evaluates and delivers again and again until the days are over.
func (s *soak) live(every time.Duration) {
	s.t.Helper()
	end := s.begin.AddDate(0, 0, s.days)
	for at := s.begin; at.Before(end); at = at.Add(every) {
		s.true.Store(at.Unix())
		s.down.Store(s.happen("source down", 20))
		s.slackDown.Store(s.happen("slack down", 10))
		s.full.Store(s.happen("disk full", 25))
		s.wrong = 0
		if s.happen("clock wrong", 25) {
			s.wrong = time.Duration(s.random.IntN(40)-10) * time.Hour
		}
		if !s.full.Load() && s.happen("restart", 15) {
			s.start()
		}
		if s.happen("reload", 15) {
			s.text += "# a comment\n"
			if err := s.daemon.Reload(); err != nil {
				s.t.Fatal(err)
			}
		}
		_, _ = s.daemon.Cycle(s.t.Context()) // what fails is what is made to fail
		s.evaluations++
		for range 40 {
			if next, err := s.daemon.Deliver(s.t.Context()); err == nil && next.IsZero() {
				break
			}
			s.true.Add(int64(every.Seconds() / 40))
		}
		s.answer()
	}
}

// told returns what was said of verdicts, sorted. Every message is in Slack once, but for those sent again blindly.
func (s *soak) told() []string {
	s.t.Helper()
	var all []string
	for _, what := range s.delivered {
		if !strings.Contains(what, string(alerting.DataFaulty)) && !strings.Contains(what, string(alerting.Drifted)) {
			all = append(all, what)
		}
	}
	copies := map[string]int{}
	for _, m := range s.box.Messages() {
		var label struct {
			Payload struct{ ID string } `json:"event_payload"`
		}
		if err := json.Unmarshal(m.Metadata, &label); err != nil {
			s.t.Fatal(err)
		}
		copies[label.Payload.ID]++
	}
	for id, what := range s.delivered {
		if got := copies[id]; got < 1 || got > 1+s.blind[id] {
			s.t.Errorf("%s is in Slack %d times after\n%s", what, got, strings.Join(s.attempts[id], "\n"))
		} else if got > 1 {
			s.t.Logf("%s is in Slack %d times after\n%s", what, got, strings.Join(s.attempts[id], "\n"))
		}
	}
	answers, err := ledger.LoadAnswers(s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range answers {
		all = append(all, fmt.Sprintf("%s answered to be %s", a.Workload, a.Outcome()))
	}
	if left, err := ledger.Left(s.daemon.folder); err != nil || len(left) > 0 {
		s.t.Errorf("got %+v (%v) left, want every answer taken", left, err)
	}
	slices.Sort(all)
	return all
}
