// Command tipline-demo shows tipline at work: a real Prometheus engine filled with LLM traffic, the real daemon reading it
// over HTTP, and simulated time that runs fast until something crosses.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings is what the command line says.
type settings struct {
	history          int // days of it before the story begins
	once             bool
	speed            time.Duration // simulated time a second
	listen           string
	dataOnly         bool
	listenPrometheus string
	traces           string
	scale            float64
	seed             uint64
	tokenFile        string
	webhookFile      string
	channel          string
}

// run is the demo as a function; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s := settings{history: historyDays}
	app := kingpin.New("tipline-demo", "Shows tipline at work on a real Prometheus engine, with nothing to set up.")
	app.UsageWriter(stdout).ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	code, ended := 0, false
	app.Terminate(func(c int) { code, ended = c, true })
	app.Flag("once", "End after the first message, without waiting.").BoolVar(&s.once)
	app.Flag("speed", "How much simulated time passes in a second.").Default("6h").DurationVar(&s.speed)
	app.Flag("listen", "Where the page, the report and the metrics are served.").Default("127.0.0.1:9464").StringVar(&s.listen)
	app.Flag("data-only", "Serve only the Prometheus API, with data up to now, for trying a configuration of your own.").BoolVar(&s.dataOnly)
	app.Flag("listen-prometheus", "Where the Prometheus API is served.").Default("127.0.0.1:0").StringVar(&s.listenPrometheus)
	app.Flag("traces", "Replay the LLM traces of this folder (llm-*.csv.gz, or any *.csv.gz) instead of made traffic.").
		PlaceHolder("DIR").StringVar(&s.traces)
	app.Flag("scale", "Multiply the volume of the traces to that of a company.").Default("1").Float64Var(&s.scale)
	app.Flag("seed", "Another seed gives other made traffic.").Default("1").Uint64Var(&s.seed)
	app.Flag("slack-token-file", "Post to Slack with the bot token in this file, beside the preview.").
		PlaceHolder("FILE").StringVar(&s.tokenFile)
	app.Flag("slack-webhook-file", "Post to the incoming webhook whose URL is in this file.").PlaceHolder("FILE").StringVar(&s.webhookFile)
	app.Flag("slack-channel", "Where the bot posts.").PlaceHolder("CHANNEL").StringVar(&s.channel)
	_, err := app.Parse(args)
	if ended {
		return code
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "tipline-demo: %v, try --help\n", err)
		return 2
	}
	if err := show(ctx, s, stdout); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "tipline-demo: %v\n", err)
		return 1
	}
	return 0
}

func (s settings) check() error {
	switch {
	case s.speed <= 0:
		return fmt.Errorf("--speed: got %v, want how much simulated time passes in a second, for example 6h", s.speed)
	case !(s.scale > 0) || s.scale > 1e12:
		return fmt.Errorf("--scale: got %v, want a factor above 0", s.scale)
	case s.dataOnly && (s.once || s.traces != ""):
		return errors.New("--data-only: it lives in real time and goes with neither --once nor --traces")
	case s.tokenFile != "" && s.webhookFile != "":
		return errors.New("--slack-token-file and --slack-webhook-file: want one of them")
	case (s.tokenFile != "") != (s.channel != ""):
		return errors.New("--slack-token-file and --slack-channel go together")
	}
	return nil
}
