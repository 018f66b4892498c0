package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/model"
	"tipline/model/forecast"
)

// forecastOptions is what the forecast command is asked for.
type forecastOptions struct {
	origin   time.Time
	horizons []int // days
	shape    bool  // the load of the 168 hours after the origin instead of totals
	explain  bool  // what the totals are made of, in words, instead of them
	known    model.Known

	format     string // csv, svg or png
	workload   string // of the picture; may be empty when there is one
	thresholds []threshold
}

// addForecast adds the forecast command to app and returns it as a function.
func addForecast(app *kingpin.Application, p *program) func() int {
	command := app.Command("forecast", "Project volumes from a CSV of hourly history; no server is needed.")
	history := command.Flag("history", "The history: "+strings.Join(historyColumns, ",")+".").Required().PlaceHolder("FILE").String()
	origin := command.Flag("origin", "Project from this hour on (RFC 3339); nothing at or after it is read. Default: the end of the history.").PlaceHolder("TIME").String()
	horizons := command.Flag("horizons", "Days ahead, separated by commas.").Default("7,30").String()
	out := command.Flag("out", "Write the CSV to this file instead of standard output.").PlaceHolder("FILE").String()
	shape := command.Flag("shape", "Write the expected load of each of the 168 hours after the origin instead of totals.").Bool()
	events := command.Flag("event", "A change of the volume that is known, such as 2027-02-01=+40% or, for a while, 2027-02-01..2027-02-14=+40%; may be repeated.").PlaceHolder("DAY=CHANGE").Strings()
	format := command.Flag("output", "The form: csv, or a picture of one workload as svg or png.").Short('o').Default("csv").Enum("csv", "svg", "png")
	workload := command.Flag("workload", "With a picture: the workload, when the history has several.").PlaceHolder("NAME").String()
	thresholds := command.Flag("threshold", "With a picture: show this volume, such as own-gpus=31.7e9 tokens a month; may be repeated.").PlaceHolder("NAME=TOKENS").Strings()
	explain := command.Flag("explain", "Say in words what the totals are made of instead: level, week, members with their weights, spread.").Bool()
	return func() int {
		o := forecastOptions{shape: *shape, explain: *explain, format: *format, workload: *workload}
		if o.shape && o.explain {
			return p.usage(errors.New("--shape and --explain: want one of them"))
		}
		if picture := o.format != "csv"; picture && (o.shape || o.explain) || !picture && (o.workload != "" || len(*thresholds) > 0) {
			return p.usage(errors.New("--workload and --threshold are for -o svg and -o png, --shape and --explain are not"))
		}
		var err error
		if o.thresholds, err = parseThresholds(*thresholds); err != nil {
			return p.usage(err)
		}
		if o.horizons, err = parseHorizons(*horizons); err != nil {
			return p.usage(err)
		}
		if o.known.Events, err = parseEvents(*events); err != nil {
			return p.usage(err)
		}
		if *origin != "" {
			if o.origin, err = parseOrigin(*origin); err != nil {
				return p.usage(err)
			}
		}
		if err := forecastFile(*history, *out, o, p.stdout); err != nil {
			return p.fail(err)
		}
		return exitDone
	}
}

// usage prints what is wrong with the command line.
func (p *program) usage(err error) int {
	fmt.Fprintf(p.stderr, "tipline: %v\n", err)
	return exitUsage
}

func parseHorizons(list string) ([]int, error) {
	var days []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > 366 {
			return nil, fmt.Errorf("--horizons: got %q, want days from 1 to 366", text)
		}
		days = append(days, n)
	}
	return days, nil
}

func parseEvents(texts []string) ([]model.Event, error) {
	var events []model.Event
	for _, text := range texts {
		when, change, _ := strings.Cut(text, "=")
		first, last, temporary := strings.Cut(when, "..")
		from, err := time.Parse(time.DateOnly, first)
		e := model.Event{From: from}
		if temporary && err == nil {
			e.Until, err = time.Parse(time.DateOnly, last)
			e.Until = e.Until.AddDate(0, 0, 1)
		}
		if err != nil || temporary && !e.Until.After(from) {
			return nil, fmt.Errorf("--event: got %q, want a day and a change such as 2027-02-01=+40%%, or two days such as 2027-02-01..2027-02-14=+40%%", text)
		}
		if e.Change, err = model.ParseChange(change); err != nil {
			return nil, fmt.Errorf("--event: got %q, want %w", text, err)
		}
		events = append(events, e)
	}
	return events, nil
}

func parseOrigin(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !t.Equal(t.Truncate(time.Hour)) {
		return t, fmt.Errorf("--origin: got %q, want the start of an hour such as 2025-03-28T09:00:00Z", text)
	}
	return t.UTC(), nil
}

// forecastFile reads the history from one file and writes the forecast to another, or to stdout when out is empty.
func forecastFile(history, out string, o forecastOptions, stdout io.Writer) error {
	in, err := os.Open(history)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	defer in.Close()
	return writeOut(out, stdout, func(w io.Writer) error { return runForecast(in, history, o, w) })
}

// writeOut lets write fill a file, which is removed when that fails, or stdout when out is empty.
func writeOut(out string, stdout io.Writer, write func(io.Writer) error) error {
	if out == "" {
		return write(stdout)
	}
	file, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		_ = os.Remove(out) // half of it must not look like the whole
		return err
	}
	return nil
}

// runForecast reads a history CSV called name and writes a forecast CSV, workloads in the order of their names. A workload
// without one measured hour before the origin has no rows.
func runForecast(history io.Reader, name string, o forecastOptions, out io.Writer) error {
	usage, err := readHistory(history, name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	if o.format == "svg" || o.format == "png" {
		u, err := o.pictured(usage)
		if err != nil {
			return err
		}
		if err := draw(w, o.format, u, o.from(u), o.known, o.thresholds); err != nil {
			return err
		}
		return w.Flush()
	}
	switch {
	case o.explain:
	case o.shape:
		fmt.Fprintln(w, "workload,origin,timestamp,point")
	default:
		fmt.Fprintln(w, "workload,origin,horizon_days,point,lo80,hi80,lo95,hi95")
	}
	for _, u := range usage {
		origin := o.from(u)
		if o.shape {
			writeShape(w, u, origin, o.known)
			continue
		}
		if o.explain {
			lines, _ := forecast.Explain(u, origin, o.known)
			fmt.Fprintln(w, strings.Join(plain(append([]string{u.Workload}, lines...)), "\n  "))
			continue
		}
		for _, days := range o.horizons {
			if d, ok := forecast.Total(u, origin, time.Duration(days)*24*time.Hour, o.known); ok {
				fmt.Fprintf(w, "%s,%s,%d", csvField(u.Workload), origin.Format(time.RFC3339), days)
				for _, level := range []float64{0.50, 0.10, 0.90, 0.025, 0.975} {
					fmt.Fprintf(w, ",%.0f", float64(d.At(level)))
				}
				fmt.Fprintln(w)
			}
		}
	}
	return w.Flush()
}

// writeShape writes the expected load of every hour of the week after origin.
func writeShape(w io.Writer, u model.Usage, origin time.Time, k model.Known) {
	f, ok := forecast.Project(u, origin, k)
	if !ok {
		return
	}
	week := float64(f.Next[model.Next7d].Total.At(0.50))
	for h := range 168 {
		at := origin.Add(time.Duration(h) * time.Hour)
		monday := (int(at.Weekday()) + 6) % 7
		fmt.Fprintf(w, "%s,%s,%s,%.0f\n", csvField(u.Workload), origin.Format(time.RFC3339), at.Format(time.RFC3339), week*f.HourOfWeek[monday*24+at.Hour()])
	}
}

// csvField quotes a name that holds what CSV gives a meaning to.
func csvField(text string) string {
	if strings.ContainsAny(text, ",\"\n\r") {
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}

// from returns the origin of the projection of u: the end of its history when none is asked for.
func (o forecastOptions) from(u model.Usage) time.Time {
	if o.origin.IsZero() {
		return u.End()
	}
	return o.origin
}

// pictured returns the workload of which a picture is wanted.
func (o forecastOptions) pictured(usage []model.Usage) (model.Usage, error) {
	var names []string
	for _, u := range usage {
		if u.Workload == o.workload || o.workload == "" && len(usage) == 1 {
			return u, nil
		}
		names = append(names, u.Workload)
	}
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return model.Usage{}, fmt.Errorf("--workload: got %q, want one of %s", o.workload, strings.Join(plain(names), ", "))
}
