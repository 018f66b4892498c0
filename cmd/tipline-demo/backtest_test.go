package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/alerting"
	"tipline/cmd/internal/backtest"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/config"
)

// TestBacktestSaysWhatTheDaemonSaid lives through the demo up to its first message, then replays the same days over what the engine holds in the end: with restarts and
// hours that nobody scraped, the same must be announced, down to the receipt of the decision.
func TestBacktestSaysWhatTheDaemonSaid(t *testing.T) {
	t.Parallel()
	sc, err := settings{seed: 1, history: 35}.scene(begins)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: sc.begin}
	prom, err := engine.Open(c.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer prom.Close()
	server := httptest.NewServer(prom.Handler())
	defer server.Close()
	sc.world.Start(sc.start)
	if err := sc.world.Advance(prom, sc.begin); err != nil {
		t.Fatal(err)
	}
	p, err := newPlayer(settings{once: true}, sc, c, server.URL, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := p.play(t.Context(), prom); err != nil {
		t.Fatal(err)
	}
	until := c.Now()
	if err := sc.world.Advance(prom, until.AddDate(0, 0, 4)); err != nil { // what nobody knew
		t.Fatal(err)
	}
	c.set(until.AddDate(0, 0, 4))

	folder := t.TempDir()
	scratch, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	cfg, err := config.Parse("demo.yml", bytes.ReplaceAll(sc.config, []byte("http://prometheus.demo"), []byte(server.URL)), collector.Packs()...)
	if err != nil {
		t.Fatal(err)
	}
	o := backtest.Options{
		Config: cfg, Store: scratch, Folder: folder, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Since: sc.begin.Add(time.Second), Until: until,
	}
	known, err := backtest.Survey(t.Context(), o, c.Now())
	if err != nil {
		t.Fatal(err)
	}
	if o, err = o.Fit(known); err != nil {
		t.Fatal(err)
	}
	o.End = until
	r, err := backtest.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Messages; len(m) != 1 || m[0].Workload != "support-chat" || m[0].To != "own-llama-70b" || m[0].Kind != alerting.Switched || until.Sub(m[0].At) > time.Minute {
		t.Errorf("got %+v, want the message of the demo", m)
	}
	if diff := cmp.Diff(announced(t, p.store), announced(t, scratch)); diff != "" {
		t.Errorf("the daemon announced (-), the replay (+):\n%s", diff)
	}
}

// announced returns what the ledger of s holds of messages, each with the receipt of its decision.
func announced(t *testing.T, s *store.Store) string {
	t.Helper()
	var text strings.Builder
	var ids []string
	if err := s.Scan(ledger.Bucket, alerting.Announced, func(key string, value []byte) error {
		ids = append(ids, strings.TrimPrefix(key, alerting.Announced))
		fmt.Fprintf(&text, "%s %s\n", key, value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		receipt, err := s.Get(ledger.Bucket, id)
		if err != nil || receipt == nil {
			t.Fatalf("%s: %v", id, err)
		}
		fmt.Fprintf(&text, "%s\n", receipt)
	}
	return text.String()
}
