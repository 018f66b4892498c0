package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/gauges"
	"tipline/cmd/internal/store"
	"tipline/cmd/internal/web"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// A player runs the daemon over a scene, in simulated time and by the schedule of the configuration.
type player struct {
	settings settings
	scene    *scene
	clock    *clock
	out      io.Writer
	daemon   *daemon.Daemon
	store    *store.Store
	folder   string
	registry *prometheus.Registry
	evaluate cron.Schedule
	collect  cron.Schedule
	messages int
	told     map[string]string // verdicts by workload, as they were last told
}

func newPlayer(s settings, sc *scene, c *clock, prometheusURL string, out io.Writer) (_ *player, err error) {
	text := bytes.ReplaceAll(sc.config, []byte("http://prometheus.demo"), []byte(prometheusURL))
	load := func() (*config.Config, error) { return config.Parse("demo.yml", text, collector.Packs()...) }
	cfg, err := load()
	if err != nil {
		return nil, err
	}
	p := &player{settings: s, scene: sc, clock: c, out: out, registry: prometheus.NewRegistry(), told: map[string]string{}}
	if p.evaluate, err = cron.ParseStandard(cfg.Schedule.Evaluate); err != nil {
		return nil, err
	}
	if p.collect, err = cron.ParseStandard(cfg.Schedule.Collect); err != nil {
		return nil, err
	}
	notifiers := []alerting.Notifier{console{p}}
	if s.tokenFile != "" || s.webhookFile != "" {
		n, err := slack.New(
			slack.Settings{TokenFile: s.tokenFile, WebhookURLFile: s.webhookFile, Channel: s.channel}, &http.Client{Timeout: 30 * time.Second},
		)
		if err != nil {
			return nil, fmt.Errorf("slack: %w", err)
		}
		notifiers = append(notifiers, n)
	}
	if p.folder, err = os.MkdirTemp("", "tipline-demo-data-"); err != nil {
		return nil, err
	}
	if p.store, err = store.Open(p.folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.folder))
	}
	p.daemon, err = daemon.New(daemon.Options{
		Load: load, Now: c.Now, Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelError})),
		Store: p.store, Notifiers: notifiers, Registry: p.registry,
	})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.registry.MustRegister(p.daemon.Guarded(gauges.New(p.daemon.Report)))
	return p, nil
}

func (p *player) close() error { return errors.Join(p.store.Close(), os.RemoveAll(p.folder)) }

func (p *player) handler() http.Handler {
	return web.Handler(web.Options{
		Report: p.daemon.Report, Ready: p.daemon.Ready, Reload: p.daemon.Reload, Refused: p.daemon.Refused, Handle: p.daemon.Handle, Gatherer: p.registry,
		Log: slog.New(slog.NewTextHandler(p.out, &slog.HandlerOptions{Level: slog.LevelError})),
		Decision: func(id string) ([]byte, bool) {
			row, err := p.daemon.Receipt(id)
			return row, err == nil && row != nil
		},
	})
}

// play lets simulated time pass until ctx ends, or with once until the first message.
func (p *player) play(ctx context.Context, prom *engine.Engine) error {
	fmt.Fprint(p.out, "tipline reads it over HTTP and evaluates every morning. ",
		"A verdict must hold for three mornings before anyone is told.\n\n")
	for first := true; p.clock.Now().Before(p.scene.end); first = false {
		evaluates, err := p.next(ctx, prom)
		if err != nil {
			return err
		}
		if !evaluates {
			if err := p.daemon.Collect(ctx); err != nil {
				return err
			}
			continue
		}
		if _, err := p.daemon.Cycle(ctx); err != nil {
			return err
		}
		report := p.daemon.Report()
		if first {
			p.say("the first evaluation:\n")
			printTable(p.out, report)
			fmt.Fprintln(p.out)
		}
		p.tell(report, first)
		p.deliver(ctx)
		if p.settings.once && p.messages > 0 {
			break
		}
	}
	fmt.Fprintln(p.out)
	p.say("how things stand:\n")
	printTable(p.out, p.daemon.Report())
	if p.settings.once {
		if p.messages == 0 {
			fmt.Fprintln(p.out, "\nNothing was worth a message.")
		}
		return nil
	}
	fmt.Fprintln(p.out, "\nThe story ends here and simulated time stands still. The page and the gauges stay until Ctrl-C.")
	<-ctx.Done()
	return nil
}

// next lets time pass until the schedule has something to do, and reports whether that is an evaluation. Without a viewer to
// wait for there is nobody to collect for either: an evaluation collects what it needs.
func (p *player) next(ctx context.Context, prom *engine.Engine) (evaluates bool, err error) {
	now := p.clock.Now()
	at := p.evaluate.Next(now)
	evaluates = true
	if soon := p.collect.Next(now); !p.settings.once && p.daemon.Report() != nil && soon.Before(at) {
		at, evaluates = soon, false
	}
	if !p.settings.once {
		timer := time.NewTimer(time.Duration(float64(at.Sub(now)) * float64(time.Second) / float64(p.settings.speed)))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-timer.C:
		}
	}
	for len(p.scene.notes) > 0 && !p.scene.notes[0].at.After(at) {
		p.clock.set(p.scene.notes[0].at)
		p.say(p.scene.notes[0].text)
		p.scene.notes = p.scene.notes[1:]
	}
	p.clock.set(at)
	return evaluates, p.scene.world.Advance(prom, at)
}

// deliver sends what is due. What cannot be sent is tried again the next morning.
func (p *player) deliver(ctx context.Context) {
	for {
		now := p.clock.Now()
		next, err := p.daemon.Deliver(ctx)
		if err != nil {
			p.say("a message could not be delivered and waits: " + model.Printable(err.Error()))
			return
		}
		if next.IsZero() || next.Sub(now) > time.Minute {
			return
		}
		p.clock.set(next)
	}
}

// console is a notifier that shows messages in the terminal as Slack would.
type console struct{ player *player }

// Name returns "console".
func (c console) Name() string { return "console" }

// Send prints the preview of e.
func (c console) Send(_ context.Context, e alerting.Event) (alerting.Posted, error) {
	c.player.messages++
	c.player.say("tipline has something to say. In Slack it looks like this:")
	_, err := fmt.Fprint(c.player.out, slack.Preview(e, slack.Layout{}, 100, false))
	return alerting.Posted{}, err
}
