package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/gauges"
	"tipline/cmd/internal/store"
	"tipline/cmd/internal/web"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// load reads and validates the configuration.
func (p *program) load() (*config.Config, error) {
	cfg, err := config.Load(p.configFile, collector.Packs()...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: name another with -c, or have discover --prometheus URL print a first one", err)
	}
	return cfg, err
}

// runDaemon runs until ctx ends, or with once for a single cycle.
func (p *program) runDaemon(ctx context.Context, listen *toolkit.FlagConfig, once bool) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	file, err := store.Open(cfg.Store.Path)
	if err != nil {
		return p.fail(err)
	}
	defer file.Close()
	if aside := file.Quarantined(); aside != "" {
		p.log.Error("the data file was damaged and has been put aside; history is read again and no message repeats what was announced", "moved_to", aside)
	}
	registry := prometheus.NewRegistry()
	d, err := daemon.New(daemon.Options{Load: p.load, Now: p.now, Clock: p.now, Log: p.log, Store: file, Registry: registry, Background: !once, Draw: drawChart})
	if err != nil {
		return p.fail(err)
	}
	if once {
		return p.runOnce(ctx, d)
	}
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), d.Guarded(gauges.New(d.Report)))
	return p.serve(ctx, d, registry, listen)
}

// runOnce brings the price lists up to date, evaluates one cycle, delivers what is due, shows what stands and prints the report.
func (p *program) runOnce(ctx context.Context, d *daemon.Daemon) int {
	d.RefreshPrices(ctx)
	report, err := d.Cycle(ctx)
	if report == nil {
		return p.fail(err)
	}
	err = errors.Join(err, d.KeepPrinted(report), p.deliver(ctx, d), d.ShowOnce(ctx))
	if printErr := printReport(p.stdout, report, "table"); printErr != nil {
		return p.fail(printErr)
	}
	return p.verdict(report, err)
}

// patience is how long a single run waits for the next message to be due: longer than the pace of messages, shorter than what a notifier
// that fails asks for, whose messages wait for the next run.
const patience = 2 * time.Second

// deliver sends message after message, at the pace that notifiers want, until none is due soon.
func (p *program) deliver(ctx context.Context, d *daemon.Daemon) error {
	for {
		next, err := d.Deliver(ctx)
		wait := next.Sub(p.now())
		if err != nil || next.IsZero() || wait > patience {
			return err
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// verdict prints err and returns the exit code of a cycle that found report.
func (p *program) verdict(report *model.Report, err error) int {
	if err == nil {
		return exitDone
	}
	p.fail(err)
	for _, s := range report.Sources {
		if !s.Up {
			return exitUnreachable
		}
	}
	return exitNotRight
}

// serve answers HTTP and runs the schedule until ctx ends; a SIGHUP reloads the configuration.
func (p *program) serve(ctx context.Context, d *daemon.Daemon, registry *prometheus.Registry, listen *toolkit.FlagConfig) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	defer tasks.Wait()

	handler := web.Handler(web.Options{
		Report: d.Report, Ready: d.Ready, Reload: d.Reload, Refused: d.Refused, Handle: d.Handle, Gatherer: registry, Log: p.log,
		Decision: func(id string) ([]byte, bool) {
			row, err := d.Receipt(id)
			return row, err == nil && row != nil
		},
	})
	server := web.Server(handler)
	failed := make(chan error, 1)
	tasks.Go(func() {
		if err := toolkit.ListenAndServe(server, listen, p.log); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed <- err
			cancel()
		}
	})
	tasks.Go(func() { p.reloadOnHangup(ctx, d) })
	p.log.Info("started", "config", p.configFile)
	d.Serve(ctx)

	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := server.Shutdown(closing); err != nil {
		p.log.Warn("open connections were cut", "error", err)
	}
	select {
	case err := <-failed:
		return p.fail(fmt.Errorf("web server: %w", err))
	default:
		p.log.Info("stopped")
		return exitDone
	}
}

// reloadOnHangup puts the configuration in force again at every SIGHUP.
func (p *program) reloadOnHangup(ctx context.Context, d *daemon.Daemon) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := d.Reload(); err != nil {
				p.log.Error("reload refused; the configuration in force stays", "error", err)
				continue
			}
			p.log.Info("configuration reloaded", "config", p.configFile)
		}
	}
}

// report evaluates every workload once, without alerts, and prints what it found.
func (p *program) report(ctx context.Context, format, at string) int {
	now := p.now
	if at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			fmt.Fprintf(p.stderr, "tipline: --at: got %q, want a time such as 2026-11-23T12:00:00Z\n", at)
			return exitUsage
		}
		now = func() time.Time { return t }
	}
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	file, beside, forget, err := p.openBeside(cfg.Store.Path)
	if err != nil {
		return p.fail(err)
	}
	defer forget()
	d, err := daemon.New(daemon.Options{Load: p.load, Now: now, Clock: p.now, Log: p.log, Store: file})
	if err != nil {
		return p.fail(err)
	}
	report, err := d.Evaluate(ctx)
	if report == nil {
		return p.fail(err)
	}
	err = errors.Join(err, d.KeepPrinted(report))
	if beside {
		withoutReceipts(report)
	}
	if printErr := printReport(p.stdout, report, format); printErr != nil {
		return p.fail(printErr)
	}
	return p.verdict(report, err)
}

// openBeside opens the data file in folder, or, while a running tipline holds it, an empty one beside it that forget removes.
func (p *program) openBeside(folder string) (file *store.Store, beside bool, forget func(), err error) {
	file, err = store.Open(folder)
	if err == nil {
		return file, false, func() { _ = file.Close() }, nil
	}
	if !errors.Is(err, store.ErrInUse) {
		return nil, false, nil, err
	}
	fmt.Fprintf(p.stderr, "tipline: %v: everything is read from the servers again, and what they have forgotten is missing\n", err)
	file, forget, err = openScratch()
	return file, true, forget, err
}

// withoutReceipts removes the names of receipts from report, whose ledger is about to be removed.
func withoutReceipts(report *model.Report) {
	for i := range report.Workloads {
		report.Workloads[i].Decision.ID = ""
	}
	for i := range report.SharedFleets {
		report.SharedFleets[i].ID = ""
	}
	for i := range report.JointMoves {
		report.JointMoves[i].ID = ""
	}
}

// openScratch opens an empty data file that forget removes.
func openScratch() (file *store.Store, forget func(), err error) {
	temporary, err := os.MkdirTemp("", "tipline-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(temporary) }
	if file, err = store.Open(temporary); err != nil {
		remove()
		return nil, nil, err
	}
	return file, func() { _ = file.Close(); remove() }, nil
}
