package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/gauges"
	"tipline/cmd/internal/store"
	"tipline/cmd/internal/web"
	"tipline/cmd/tipline-demo/engine"
	"tipline/cmd/tipline-demo/world"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// begins is the simulated time at which the demo begins. It is fixed, so that every run tells the same story.
var begins = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// longest is how many simulated days the demo runs before time stands still: the engine keeps everything in memory.
const longest = 90

// show runs the demo until ctx ends, or with once until the first message.
func show(ctx context.Context, s settings, out io.Writer) error {
	prom, err := engine.Open(time.Now)
	if err != nil {
		return err
	}
	defer prom.Close()
	scene, err := s.scene()
	if err != nil {
		return err
	}
	fmt.Fprint(out, scene.opening)
	if err := scene.world.Advance(prom, scene.now); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	address, err := serve(ctx, &tasks, s.listenPrometheus, &http.Server{Handler: prom.Handler(), ReadHeaderTimeout: 5 * time.Second})
	if err != nil {
		return fmt.Errorf("Prometheus API: %w", err)
	}
	fmt.Fprintf(out, "A Prometheus engine holds it, at http://%s.\n", address)
	if s.dataOnly {
		fmt.Fprintln(out, "Point a configuration of your own there: new samples arrive every minute. Ctrl-C ends it.")
		return scene.follow(ctx, prom)
	}
	show, err := newShow(s, scene, "http://"+address, out)
	if err != nil {
		return err
	}
	defer show.close()
	if !s.once {
		at, err := serve(ctx, &tasks, s.listen, web.Server(show.handler()))
		if err != nil {
			return fmt.Errorf("page: %w", err)
		}
		fmt.Fprintf(out, "The page is at http://%s, the gauges at http://%s/metrics. Ctrl-C ends the demo.\n", at, at)
	}
	return show.run(ctx, prom)
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

// scene is what the demo plays: a world, the configuration that watches it, and the moment at which it begins.
type scene struct {
	world   *world.World
	config  []byte
	now     time.Time
	opening string
}

// scene returns made traffic, or real traces where a folder names them.
func (s settings) scene() (*scene, error) {
	if s.traces != "" {
		return replay(s.traces, s.scale)
	}
	sc := &scene{config: companyConfig, now: begins}
	if s.dataOnly {
		sc.now = time.Now().UTC().Truncate(time.Minute) // the only demo that runs in real time
	}
	start := sc.now.Truncate(time.Hour).AddDate(0, 0, -historyDays)
	sc.world = company(start, s.seed)
	sc.world.Start(start)
	sc.opening = fmt.Sprintf(`A small company runs five LLM workloads. Its gateway (LiteLLM), its engines (vLLM) and its GPUs (DCGM exporter) have been
scraped every minute for %d days, up to %s. Their traffic has the shape of public traces.
`, historyDays, sc.now.Format("2 January 2006"))
	return sc, nil
}

// follow keeps the world at the real time until ctx ends.
func (sc *scene) follow(ctx context.Context, prom *engine.Engine) error {
	tick := time.NewTicker(world.Scrape)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := sc.world.Advance(prom, time.Now().UTC().Truncate(time.Minute)); err != nil {
				return err
			}
		}
	}
}

// player runs the daemon over a scene.
type player struct {
	settings settings
	scene    *scene
	out      io.Writer
	daemon   *daemon.Daemon
	store    *store.Store
	folder   string
	registry *prometheus.Registry
	messages int

	mu  sync.Mutex
	now time.Time // simulated
}

func newShow(s settings, sc *scene, address string, out io.Writer) (*player, error) {
	folder, err := os.MkdirTemp("", "tipline-demo-data-")
	if err != nil {
		return nil, err
	}
	p := &player{settings: s, scene: sc, out: out, folder: folder, now: sc.now, registry: prometheus.NewRegistry()}
	if p.store, err = store.Open(folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	notifiers := []alerting.Notifier{console{p}}
	if s.tokenFile != "" || s.webhookFile != "" {
		n, err := slack.New(slack.Settings{TokenFile: s.tokenFile, WebhookURLFile: s.webhookFile, Channel: s.channel}, &http.Client{Timeout: 30 * time.Second})
		if err != nil {
			p.close()
			return nil, fmt.Errorf("slack: %w", err)
		}
		notifiers = append(notifiers, n)
	}
	text := bytes.ReplaceAll(sc.config, []byte("http://prometheus.demo"), []byte(address))
	p.daemon, err = daemon.New(daemon.Options{
		Load: func() (*config.Config, error) { return config.Parse("demo.yml", text, collector.Packs()...) },
		Now:  p.clock, Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError})),
		Store: p.store, Notifiers: notifiers, Registry: p.registry,
	})
	if err != nil {
		p.close()
		return nil, err
	}
	p.registry.MustRegister(gauges.New(p.daemon.Report))
	return p, nil
}

func (p *player) close() {
	_ = p.store.Close()
	_ = os.RemoveAll(p.folder)
}

func (p *player) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *player) handler() http.Handler {
	return web.Handler(web.Options{
		Report: p.daemon.Report, Ready: p.daemon.Ready, Reload: p.daemon.Reload, Gatherer: p.registry, Log: slog.New(slog.NewTextHandler(p.out, nil)),
		Decision: func(id string) ([]byte, bool) {
			row, err := p.store.Get("ledger", id)
			return row, err == nil && row != nil
		},
	})
}

// run lets simulated time pass, a cycle every day at 06:00 as the schedule says, until ctx ends or, with once, until the
// first message.
func (p *player) run(ctx context.Context, prom *engine.Engine) error {
	p.say("tipline evaluates every morning; a verdict must hold for three mornings before anyone is told.")
	if err := p.morning(ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.out)
	printTable(p.out, p.daemon.Report())
	fmt.Fprintln(p.out)
	for p.clock().Before(p.scene.now.AddDate(0, 0, longest)) {
		if err := p.pass(ctx, time.Hour); err != nil {
			return err
		}
		if err := p.scene.world.Advance(prom, p.clock()); err != nil {
			return err
		}
		if p.clock().Hour() != 6 {
			continue
		}
		if err := p.morning(ctx); err != nil {
			return err
		}
		if p.settings.once && p.messages > 0 {
			fmt.Fprintln(p.out)
			printTable(p.out, p.daemon.Report())
			return nil
		}
	}
	if p.settings.once {
		return fmt.Errorf("nothing was worth a message in %d days", longest)
	}
	p.say("Simulated time stands still here; the page and the gauges stay. Ctrl-C ends the demo.")
	<-ctx.Done()
	return nil
}

// pass lets simulated time pass.
func (p *player) pass(ctx context.Context, d time.Duration) error {
	if !p.settings.once {
		timer := time.NewTimer(time.Duration(float64(d) / p.settings.speed))
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	p.mu.Lock()
	p.now = p.now.Add(d)
	p.mu.Unlock()
	return ctx.Err()
}

// morning runs one cycle, delivers what it has to say and tells in a line what changed.
func (p *player) morning(ctx context.Context) error {
	before := p.daemon.Report()
	report, err := p.daemon.Cycle(ctx)
	if err != nil {
		return err
	}
	for _, w := range report.Workloads {
		if verdict(w) != previousVerdict(before, w.Workload) && before != nil {
			p.say(fmt.Sprintf("%s: %s. %s", clean(w.Workload), verdict(w), clean(w.Decision.Because)))
		}
	}
	for {
		next, err := p.daemon.Deliver(ctx)
		if err != nil {
			return err
		}
		if next.IsZero() {
			return nil
		}
		p.mu.Lock()
		p.now = next
		p.mu.Unlock()
	}
}

func (p *player) say(text string) {
	fmt.Fprintf(p.out, "%s  %s\n", p.clock().Format("Mon 02 Jan 15:04"), text)
}

func previousVerdict(report *model.Report, workload string) string {
	if report != nil {
		for _, w := range report.Workloads {
			if w.Workload == workload {
				return verdict(w)
			}
		}
	}
	return ""
}

func verdict(w model.WorkloadReport) string {
	switch w.Decision.Recommendation {
	case model.Move:
		return "moving to " + w.Decision.Option + " would pay"
	case model.Stay:
		return "stay on " + w.Decision.Option
	}
	return "unknown"
}

// clean makes a text from outside harmless for a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200e && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
}

// console shows messages in the terminal as Slack would.
type console struct{ player *player }

// Name returns "console".
func (c console) Name() string { return "console" }

// Send prints the preview of e.
func (c console) Send(_ context.Context, e alerting.Event) error {
	c.player.messages++
	c.player.say("This goes to Slack:")
	_, err := fmt.Fprint(c.player.out, slack.Preview(e, 110, false))
	return err
}
