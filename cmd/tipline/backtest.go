package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
	prommodel "github.com/prometheus/common/model"

	"tipline/cmd/internal/backtest"
	"tipline/cmd/internal/store"
	"tipline/config"
	"tipline/model"
)

// backtestOptions is what the backtest command is asked for. Times that are not given are zero.
type backtestOptions struct {
	since, until time.Time
	every        time.Duration
	stored       bool
	format       string
}

// addBacktest adds the backtest command to app and returns it as a function.
func addBacktest(app *kingpin.Application, p *program) func(context.Context) int {
	command := app.Command("backtest", "Replay the schedule over history, each evaluation with only what was known then, and print the messages it would have sent, graded by what came after. Nothing is sent.")
	since := command.Flag("since", "The first day (2026-05-01) or instant (RFC 3339). Default: 180 days before the end, or the beginning of the history.").PlaceHolder("DATE").String()
	until := command.Flag("until", "The last day or instant whose messages count; what came after it still grades them. Default: the end of the history.").PlaceHolder("DATE").String()
	every := command.Flag("every", "Evaluate this often, such as 1d. Default: by schedule.evaluate.").PlaceHolder("DURATION").String()
	stored := command.Flag("stored", "Ask no server: the history in the data directory is all there is.").Bool()
	format := command.Flag("output", "The form: table, json or markdown.").Short('o').Default("table").Enum("table", "json", "markdown")
	return func(ctx context.Context) int {
		o := backtestOptions{stored: *stored, format: *format}
		var err error
		if o.since, err = parseInstant("--since", *since, 0); err != nil {
			return p.usage(err)
		}
		if o.until, err = parseInstant("--until", *until, 1); err != nil {
			return p.usage(err)
		}
		if now := p.now(); o.since.After(now) {
			return p.usage(fmt.Errorf("--since: got %q, which is still to come", *since))
		}
		if !o.since.IsZero() && !o.until.IsZero() && !o.since.Before(o.until) {
			return p.usage(fmt.Errorf("--since and --until: got %s and %s, want the first before the second", *since, *until))
		}
		if *every != "" {
			d, err := prommodel.ParseDuration(*every)
			if o.every = time.Duration(d); err != nil || o.every < time.Minute {
				return p.usage(fmt.Errorf("--every: got %q, want a duration of a minute at least, such as 1d", *every))
			}
		}
		return p.backtest(ctx, o)
	}
}

// parseInstant reads a day, which stands for its beginning in UTC and so many days more, or an instant. An empty text is the zero time.
func parseInstant(flag, text string, later int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.AddDate(0, 0, later), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s: got %q, want a day such as 2026-05-01 or an instant such as 2026-05-01T06:00:00Z", flag, text)
	}
	return t.UTC(), nil
}

// backtest replays the schedule and prints what it found.
func (p *program) backtest(ctx context.Context, o backtestOptions) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	folder, err := os.MkdirTemp("", "tipline-backtest-")
	if err != nil {
		return p.fail(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	result, err := p.replay(ctx, cfg, folder, o)
	switch {
	case errors.Is(err, backtest.ErrUnreachable):
		p.fail(fmt.Errorf("%w; --stored replays what the data directory holds without asking", err))
		return exitUnreachable
	case err != nil:
		return p.fail(err)
	}
	if err := printBacktest(p.stdout, result, o.format); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// replay works in folder: the data file is only read.
func (p *program) replay(ctx context.Context, cfg *config.Config, folder string, o backtestOptions) (*backtest.Result, error) {
	scratch, err := store.Open(folder)
	if err != nil {
		return nil, err
	}
	defer scratch.Close()
	switch err := copyHistory(cfg.Store.Path, scratch); {
	case errors.Is(err, store.ErrInUse) && !o.stored:
		fmt.Fprintf(p.stderr, "tipline: %v: everything is read from the servers again, and what they have forgotten is missing\n", err)
	case err != nil:
		return nil, stopFirst(err)
	}
	of := backtest.Options{
		Since: o.since, Until: o.until, Config: cfg, Store: scratch, Folder: folder, Stored: o.stored, Every: o.every, Progress: p.progress(),
		Log: p.logged(slog.LevelWarn),
	}
	if of.Progress != nil {
		fmt.Fprintln(p.stderr, "tipline: fetching the hours that the data directory lacks")
	}
	known, err := backtest.Survey(ctx, of, p.now().UTC())
	if err != nil {
		return nil, err
	}
	if of, err = of.Fit(known); err != nil {
		return nil, err
	}
	of.Log = p.logged(slog.LevelError) // nobody wants to read hundreds of times what fails in every evaluation
	return backtest.Run(ctx, of)
}

// logged returns what writes log lines of a level, or a more severe one, to standard error.
func (p *program) logged(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
}

// copyHistory copies the history of the data file in a directory, if there is one. The error wraps store.ErrInUse while a running tipline holds it.
func copyHistory(from string, to *store.Store) error {
	file, err := store.OpenToRead(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	defer file.Close()
	const most = 1000 // rows of one transaction
	rows := map[string][]byte{}
	flush := func() error {
		defer clear(rows)
		return to.Apply(map[string]map[string][]byte{store.History: rows})
	}
	err = file.Scan(store.History, "", func(key string, value []byte) error {
		if rows[key] = value; len(rows) < most {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

// progress returns what shows on a terminal how far a replay is; nil where nobody looks.
func (p *program) progress() func(done, all int) {
	file, ok := p.stderr.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(done, all int) {
		end := ""
		if done == all {
			end = "\r\x1b[K"
		}
		fmt.Fprintf(file, "\rtipline: %d of %d evaluations%s", done, all, end)
	}
}

// printBacktest writes r in the given form: table, json or markdown.
func printBacktest(w io.Writer, r *backtest.Result, format string) error {
	if format == "json" {
		return printJSON(w, r)
	}
	out := page{w: w, markdown: format == "markdown"}
	out.title("Backtest")
	for _, sentence := range r.Summary {
		out.line(sentence)
	}
	const minute = "2006-01-02 15:04 UTC"
	out.line(fmt.Sprintf("%s from %s to %s, graded by what came until %s.", count(r.Evaluations, "evaluation"), r.Since.Format(minute), r.Until.Format(minute), r.GradedUntil.Format(minute)))
	out.table("Messages", []string{"SENT", "WORKLOAD", "KIND", "FROM → TO", "SAVES", "ACT BY", "GRADE", "BECAUSE"}, messageRows(r.Messages))
	out.table("Moves that came to pay", []string{"DAY", "WORKLOAD", "FROM → TO", "TOLD", "LEAD"}, crossingRows(r.Crossings))
	out.table("Projections", []string{"HORIZON", "GRADED", "ERROR", "SEASONAL NAIVE", "IN 80%", "IN 95%"}, horizonRows(r.Forecast))
	out.table("Without a verdict", []string{"WORKLOAD", "BECAUSE"}, silentRows(r.Undecided))
	out.list("What a replay cannot know", r.Limits)
	return out.err
}

func messageRows(messages []backtest.Message) [][]string {
	var rows [][]string
	for _, m := range messages {
		saves := ""
		if m.Saving != nil {
			saves = model.FormatUSDAbout(*m.Saving) + "/mo"
		}
		what := m.Text
		if m.From != "" {
			what = arrow(m.From, m.To)
		}
		rows = append(rows, []string{m.At.Format(time.DateOnly), m.Workload, string(m.Kind), what, saves, m.ActBy, said(string(m.Grade.Verdict)), m.Grade.Because})
	}
	return rows
}

func crossingRows(crossings []backtest.Crossing) [][]string {
	var rows [][]string
	for _, c := range crossings {
		lead := ""
		switch {
		case c.AtStart:
			lead = "past it from the start"
		case c.LeadDays != nil:
			lead = fmt.Sprintf("%d days", *c.LeadDays)
		}
		rows = append(rows, []string{c.At.Format(time.DateOnly), c.Workload, arrow(c.From, c.To), said(string(c.Outcome)), lead})
	}
	return rows
}

func silentRows(workloads []backtest.Silent) [][]string {
	var rows [][]string
	for _, w := range workloads {
		rows = append(rows, []string{w.Workload, w.Because})
	}
	return rows
}

func horizonRows(horizons []backtest.Horizon) [][]string {
	var rows [][]string
	for _, h := range horizons {
		rows = append(rows, []string{
			fmt.Sprintf("%d days", h.Days), fmt.Sprint(h.Graded), model.FormatPercent(h.Error), model.FormatPercent(h.NaiveError),
			model.FormatPercent(h.Coverage80), model.FormatPercent(h.Coverage95),
		})
	}
	return rows
}

// arrow writes a move; one to nowhere is that nothing may serve the workload.
func arrow(from, to string) string {
	if to == "" {
		return from + " → none"
	}
	return from + " → " + to
}

// said writes a code in words.
func said(code string) string { return strings.ReplaceAll(code, "_", " ") }

// A page is text for people: plain, or Markdown. The first error stays.
type page struct {
	w        io.Writer
	markdown bool
	err      error
}

func (p *page) print(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// text returns s as it can be shown.
func (p *page) text(s string) string {
	s = model.Printable(s)
	if p.markdown {
		s = markdownEscape.Replace(s)
	}
	return s
}

func (p *page) title(text string) {
	if p.markdown {
		p.print("# %s\n\n", text)
	}
}

func (p *page) line(sentence string) { p.print("%s\n", p.text(sentence)) }

// heading begins a part.
func (p *page) heading(title string) {
	if p.markdown {
		p.print("\n## %s\n\n", title)
		return
	}
	p.print("\n%s\n", strings.ToUpper(title))
}

// table writes rows under their heads, and nothing when there are none.
func (p *page) table(title string, heads []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	p.heading(title)
	if p.markdown {
		p.print("| %s |\n|%s\n", strings.Join(heads, " | "), strings.Repeat(" --- |", len(heads)))
		for _, row := range rows {
			for i := range row {
				row[i] = p.text(row[i])
			}
			p.print("| %s |\n", strings.Join(row, " | "))
		}
		return
	}
	var aligned strings.Builder
	table := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heads}, rows...) {
		fmt.Fprintln(table, strings.Join(plain(row), "\t"))
	}
	_ = table.Flush() // a builder takes everything
	p.print("%s", aligned.String())
}

func (p *page) list(title string, lines []string) {
	p.heading(title)
	for _, line := range lines {
		p.print("- %s\n", p.text(line))
	}
}
