package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"tipline/cmd/internal/daemon"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// The exit codes of tipline.
const (
	exitDone        = 0
	exitNotRight    = 1 // the thing checked is not right
	exitUsage       = 2 // the command line is not right
	exitUnreachable = 3 // a backend could not be reached
)

// program is one invocation: where it reads and writes, and what its command line says.
type program struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger
	now            func() time.Time

	configFile string
}

// run is tipline as a function: it runs the command that args name and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	p := &program{getenv: getenv, stdin: os.Stdin, stdout: stdout, stderr: stderr, now: time.Now}
	app := kingpin.New("tipline", "Observes what LLM workloads use, projects their volume and says when another way of hosting pays.")
	app.UsageWriter(stdout).ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	code, ended := exitDone, false
	app.Terminate(func(c int) { code, ended = c, true })
	logging := logTo(stderr)
	app.Flag("config", "The configuration file.").Short('c').Default("tipline.yml").StringVar(&p.configFile)
	app.Flag("log.level", "The least severe log line to write: debug, info, warn or error.").Default("info").SetValue(logging.Level)
	app.Flag("log.format", "The form of a log line: logfmt or json.").Default("logfmt").SetValue(logging.Format)

	commands := map[string]func(context.Context) int{}
	command := func(name, help string) *kingpin.CmdClause { return app.Command(name, help) }

	daemon := command("run", "Run the daemon: collect, evaluate and alert by the schedule of the configuration.")
	once := daemon.Flag("once", "Evaluate one cycle, deliver what is due, print the report and exit.").Bool()
	listen := kingpinflag.AddFlags(daemon, "127.0.0.1:9464")
	commands["run"] = func(ctx context.Context) int { return p.runDaemon(ctx, listen, *once) }

	check := command("check", "Read the configuration and print everything that is wrong with it.")
	live := check.Flag("live", "Also ask every server: whether it answers, what it has for each signal, how far back, whether the clocks agree, how much was measured in the last four weeks, what is counted twice, and what each query took; and Slack whether it takes the token.").Bool()
	form := check.Flag("output", "The form of what --live finds: text or json.").Short('o').Default("text").Enum("text", "json")
	commands["check"] = func(ctx context.Context) int { return p.check(ctx, *live, *form == "json") }

	report := command("report", "Evaluate every workload once, without alerts, and print the report.")
	format := report.Flag("output", "The form: table, json or markdown.").Short('o').Default("table").Enum("table", "json", "markdown")
	at := report.Flag("at", "Evaluate as of this time (RFC 3339); nothing later is read.").PlaceHolder("TIME").String()
	commands["report"] = func(ctx context.Context) int { return p.report(ctx, *format, *at) }

	commands["backtest"] = addBacktest(app, p)
	for name, run := range addPrices(app, p) {
		commands[name] = func(context.Context) int { return run() }
	}

	for name, run := range addHistory(app, p) {
		commands[name] = func(context.Context) int { return run() }
	}
	forecast := addForecast(app, p)
	commands["forecast"] = func(context.Context) int { return forecast() }

	commands["discover"] = addDiscover(app, p)
	addPacks(app, p, commands)
	addNotify(app, p, commands)
	preview := addPreview(app, p)
	commands["preview"] = func(context.Context) int { return preview() }
	commands["explain"] = addExplain(app, p)
	commands["whatif"] = addWhatIf(app, p)
	decide := addDecide(app, p)
	commands["decide"] = func(context.Context) int { return decide() }

	command("version", "Print the version, the commit and the Go version.")
	commands["version"] = func(context.Context) int {
		fmt.Fprintln(stdout, version.Print("tipline"))
		return exitDone
	}

	name, err := app.Parse(args)
	if ended {
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "tipline: %v, try --help\n", err)
		return exitUsage
	}
	p.log = slog.New(newSparing(promslog.New(logging).Handler()))
	return commands[name](ctx)
}

// logTo returns how to log to w, a line for every record.
func logTo(w io.Writer) *promslog.Config {
	return &promslog.Config{Writer: inert{w}, Style: promslog.SlogStyle, Level: promslog.NewLevel(), Format: promslog.NewFormat()}
}

// inert writes the lines of a log without what could do something to a terminal.
type inert struct{ w io.Writer }

// Write implements io.Writer for a whole line. In logfmt a text with such characters is quoted, and the quotes hold the escapes of JSON too.
func (i inert) Write(line []byte) (int, error) {
	if _, err := i.w.Write(model.EscapeJSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// fail prints err, a line for every problem, and returns the exit code that fits it.
func (p *program) fail(err error) int {
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, problem := range problems {
			fmt.Fprintln(p.stderr, model.Printable(problem.Error()))
		}
		return exitNotRight
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(p.stderr, "tipline: "+model.Printable(line))
	}
	return exitNotRight
}

// check prints every problem of the configuration.
func (p *program) check(ctx context.Context, live, asJSON bool) int {
	if asJSON && !live {
		return p.usage(errors.New("-o json is the form of what --live finds: give --live too"))
	}
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	library, err := collector.OpenLibrary(cfg.PacksDir)
	if err != nil {
		return p.fail(err)
	}
	if _, err := daemon.Templates(cfg.Notify); err != nil {
		return p.fail(err)
	}
	if !asJSON {
		fmt.Fprintf(p.stdout, "%s: good: %s, %s, %s\n", p.configFile,
			count(len(cfg.Sources), "source"), count(len(cfg.Options), "option"), count(len(cfg.Workloads), "workload stanza"))
	}
	p.printQuarantined(cfg.Quarantined)
	if live {
		return p.checkLive(ctx, cfg, library, asJSON)
	}
	return exitDone
}

// count puts n before thing, in the plural when it is not one.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
