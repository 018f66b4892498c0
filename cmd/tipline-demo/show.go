package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"tipline/cmd/internal/web"
	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/world"
)

// begins is the simulated time at which the demo begins. It is fixed, so that every run tells the same story.
var begins = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// longest is how many simulated days a made story lasts before time stands still: the engine keeps everything in memory.
const longest = 45

// A scene is what the demo plays: a world, the configuration that watches it, and from when to when.
type scene struct {
	world   *world.World
	config  []byte
	start   time.Time // of the history
	begin   time.Time // of the watching
	end     time.Time // after which time stands still
	opening string
	notes   []note
}

// A note is what a viewer is told when its time comes.
type note struct {
	at   time.Time
	text string
}

// scene returns made traffic, or real traces where a folder names them.
func (s settings) scene(now time.Time) (*scene, error) {
	if s.traces != "" {
		return replay(s.traces, s.scale)
	}
	sc := &scene{config: companyConfig, begin: begins, end: begins.AddDate(0, 0, longest)}
	if s.dataOnly {
		sc.begin = now.UTC().Truncate(time.Minute) // who brings a tipline of their own lives in real time
	}
	sc.start = sc.begin.Truncate(time.Hour).AddDate(0, 0, -s.history)
	sc.world, sc.notes = company(sc.begin.Truncate(time.Hour), s.seed)
	sc.opening = fmt.Sprintf(`A made-up company and its LLM workloads, %s. Their traffic has the shape of public traces.

  support   answers customers with Llama 3.3 70B, which it buys by the token, and grows by a tenth a week
  search    summarizes with Llama 3.1 8B, bought by the token, a lot of it and cheaply
  claims    runs Llama 3.1 8B on two H100 of its own, since its data is regulated
  growth    a team whose name is an attack on whatever shows it

Its gateway (LiteLLM), its engines (vLLM) and its GPUs (DCGM exporter) have been scraped every minute for %d days,
with restarts and hours that nobody scraped.
`, date(sc.begin), s.history)
	return sc, nil
}

// show runs the demo until ctx ends, or with once until the first message.
func show(ctx context.Context, s settings, out io.Writer) error {
	sc, err := s.scene(time.Now())
	if err != nil {
		return err
	}
	clock := &clock{now: sc.begin}
	read := clock.Now
	if s.dataOnly {
		read = time.Now
	}
	prom, err := engine.Open(read)
	if err != nil {
		return err
	}
	defer func() { _ = prom.Close() }() // its folder is temporary
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	address, err := serve(ctx, &tasks, s.listenPrometheus, &http.Server{Handler: prom.Handler(), ReadHeaderTimeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("--listen-prometheus: %w", err)
	}
	fmt.Fprintln(out, sc.opening)
	sc.world.Start(sc.start)
	if err := sc.world.Advance(prom, sc.begin); err != nil {
		return err
	}
	fmt.Fprintf(out, "A real Prometheus engine holds it, at http://%s.\n", address)
	if s.dataOnly {
		fmt.Fprintln(out, "Point a configuration of your own there: new samples arrive every minute. Ctrl-C ends it.")
		return sc.follow(ctx, prom)
	}
	p, err := newPlayer(s, sc, clock, "http://"+address, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if !s.once {
		at, err := serve(ctx, &tasks, s.listen, web.Server(p.handler()))
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		fmt.Fprintf(out, "tipline's page is at http://%s, its gauges at http://%s/metrics, its report at http://%s/api/v1/report.\n", at, at, at)
	}
	return p.play(ctx, prom)
}

// serve answers HTTP at address until ctx ends and returns where.
func serve(ctx context.Context, tasks *sync.WaitGroup, address string, server *http.Server) (string, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	tasks.Go(func() {
		<-ctx.Done()
		_ = server.Close()
	})
	tasks.Go(func() { _ = server.Serve(listener) }) // ends with Close
	return listener.Addr().String(), nil
}

// follow keeps the world at the real time until ctx ends.
func (sc *scene) follow(ctx context.Context, prom *engine.Engine) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := sc.world.Advance(prom, now.UTC().Truncate(time.Minute)); err != nil {
				return err
			}
		}
	}
}

// A clock tells simulated time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the simulated time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
