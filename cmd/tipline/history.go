package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// addHistory adds the history commands to app and returns them by name.
func addHistory(app *kingpin.Application, p *program) map[string]func() int {
	history := app.Command("history", "Take what was measured out of the data file of the configuration, or into it, as CSV. No tipline may be running.")
	exports := history.Command("export", "Write every hour that is kept of the sources of the configuration. forecast --history reads it too.")
	out := exports.Flag("out", "Write the CSV to this file instead of standard output.").PlaceHolder("FILE").String()
	imports := history.Command("import", "Take in hours that export wrote, all of them or none. Of an hour that is there already the one stays that saw more of it, and that of the data file when both saw as much. "+
		"Source and labels say what an hour is about; they must be a source of the configuration and its group_by. What the servers still have is asked for as before.")
	replace := imports.Flag("replace", "Of an hour that is there already take that of the CSV.").Bool()
	from := imports.Arg("file", "What export wrote; - is standard input.").Required().String()
	return map[string]func() int{
		"history export": func() int { return p.exportHistory(*out) },
		"history import": func() int { return p.importHistory(*from, *replace) },
	}
}

// keepers returns what keeps the history of every source of cfg in file.
func (p *program) keepers(cfg *config.Config, file collector.History) (map[string]*collector.Collector, error) {
	library, err := collector.OpenLibrary(cfg.PacksDir)
	if err != nil {
		return nil, err
	}
	keepers := map[string]*collector.Collector{}
	for _, s := range cfg.Sources {
		settings, err := daemon.CollectorSettings(s, library)
		if err == nil {
			keepers[s.Name], err = collector.New(settings, file, p.log)
		}
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
	}
	return keepers, nil
}

// A gathered is a data file whose changes wait for write, so that those of all sources are one transaction.
type gathered struct {
	*store.Store
	rows map[string]map[string][]byte
}

// Apply keeps batch for write.
func (g *gathered) Apply(batch map[string]map[string][]byte) error {
	if g.rows == nil {
		g.rows = map[string]map[string][]byte{}
	}
	for bucket, rows := range batch {
		if g.rows[bucket] == nil {
			g.rows[bucket] = map[string][]byte{}
		}
		maps.Copy(g.rows[bucket], rows)
	}
	return nil
}

func (g *gathered) write() error { return g.Store.Apply(g.rows) }

// stopFirst says what to do about a data file that cannot be had.
func stopFirst(err error) error {
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w: stop that one first, since only one may hold the file", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: no tipline has run with this configuration yet", err)
	}
	return err
}

// exportHistory writes the history of all sources to a file, or to standard output when out is empty.
func (p *program) exportHistory(out string) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	data, err := store.OpenToRead(cfg.Store.Path)
	if err != nil {
		return p.fail(stopFirst(err))
	}
	defer data.Close()
	keepers, err := p.keepers(cfg, data)
	if err != nil {
		return p.fail(err)
	}
	err = writeOut(out, p.stdout, func(w io.Writer) error { return writeHistory(w, cfg.Sources, keepers, p.now()) })
	if err != nil {
		return p.fail(err)
	}
	return exitDone
}

// writeHistory writes the history of all sources, source by source in their order.
func writeHistory(w io.Writer, sources []config.Source, keepers map[string]*collector.Collector, now time.Time) error {
	rows := csv.NewWriter(w)
	if err := rows.Write(exportColumns); err != nil {
		return err
	}
	taken := map[string]string{} // source by name of a workload
	for _, s := range sources {
		hours, err := keepers[s.Name].Kept(now)
		if err != nil {
			return err
		}
		for k, err := range hours {
			if err != nil {
				return fmt.Errorf("source %s: %w", s.Name, err)
			}
			name := k.Workload
			if taken[name] == "" {
				taken[name] = s.Name
			}
			if taken[name] != s.Name { // as in a report
				name += "@" + s.Name
			}
			if err := rows.Write(exportRow(k, name, s.Name)); err != nil {
				return err
			}
		}
	}
	rows.Flush()
	return rows.Error()
}

// exportRow returns the cells of k. What is not known is empty.
func exportRow(k collector.Kept, name, source string) []string {
	number := func(v float64, known bool) string {
		if !known {
			return ""
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	doubts := func(code string) bool { return slices.Contains(k.Doubts, code) }
	seen, t, s := k.Hour.Coverage > 0, k.Hour.Tokens, k.Serving
	cached := func(c model.Class) string {
		return number(float64(t[c]), seen && (t[c] > 0 || !doubts(collector.CacheSplitUnknown)))
	}
	labels := url.Values{}
	for name, value := range k.Labels {
		labels.Set(name, value)
	}
	return []string{
		k.Start.Format(time.RFC3339), name,
		number(float64(t[model.Input]), seen), number(float64(t[model.Output]), seen), number(k.Hour.Requests, seen && !doubts(collector.RequestsUnknown)),
		cached(model.CacheRead), cached(model.CacheWrite), cached(model.CacheWrite1h), number(float64(k.Hour.Coverage), true), strings.Join(k.Doubts, " "),
		number(s.TTFTP95.Seconds(), s.TTFTP95 > 0), number(s.Replicas, s.Replicas > 0), number(s.GPUs, s.GPUs > 0), number(s.Waiting, s.Queued),
		source, labels.Encode(),
	}
}

// importHistory takes the hours of a CSV into the data file. Nothing is written when a row is not right.
func (p *program) importHistory(path string, replace bool) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	in := p.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return p.fail(fmt.Errorf("import: %w", err))
		}
		defer file.Close()
		in = file
	}
	data, err := store.Open(cfg.Store.Path)
	if err != nil {
		return p.fail(stopFirst(err))
	}
	defer data.Close()
	if aside := data.Quarantined(); aside != "" {
		p.log.Error("the data file was damaged and has been put aside; an empty one takes in the hours", "moved_to", aside)
	}
	all := &gathered{Store: data}
	keepers, err := p.keepers(cfg, all)
	if err != nil {
		return p.fail(err)
	}
	var taken, left, old int
	now := p.now()
	err = eachRow(in, path, func(row historyRow) error {
		to := keepers[row.source]
		if to == nil {
			return fmt.Errorf("source: got %q, want one of the configuration", row.source)
		}
		if now.Sub(row.Start) > collector.KeepFor {
			old++
			return nil
		}
		took, err := to.Restore(row.Kept, now, replace)
		if took {
			taken++
		} else {
			left++
		}
		return err
	}, exportColumns)
	if err != nil {
		return p.fail(err)
	}
	for _, s := range cfg.Sources {
		if err := keepers[s.Name].Save(); err != nil {
			return p.fail(err)
		}
	}
	if err := all.write(); err != nil {
		return p.fail(err)
	}
	fmt.Fprintf(p.stdout, "%s taken in", count(taken, "hour"))
	if left > 0 {
		fmt.Fprintf(p.stdout, ", %s left as the data file has them", count(left, "hour"))
	}
	if old > 0 {
		fmt.Fprintf(p.stdout, ", %s older than %s left out", count(old, "hour"), days(collector.KeepFor))
	}
	fmt.Fprintln(p.stdout)
	return exitDone
}
