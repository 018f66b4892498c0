package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"
	promconfig "github.com/prometheus/common/config"

	"tipline/collector"
	"tipline/model"
)

// packOptions is what the packs commands are asked for.
type packOptions struct {
	dir     string // folder with packs of the user's; empty means none
	name    string
	url     string
	client  string // HTTP client configuration file; empty means none
	groupBy string // labels with commas between them; empty means those of the pack
	selects map[string]string
}

// addPacks adds the packs commands to app and to commands.
func addPacks(app *kingpin.Application, p *program, commands map[string]func(context.Context) int) {
	o := packOptions{selects: map[string]string{}}
	packs := app.Command("packs", "List the metric packs, show what one reads, or try one on a server.")
	packs.Flag("packs-dir", "A folder with packs of your own, as packs_dir in the configuration.").PlaceHolder("DIR").StringVar(&o.dir)
	packs.Command("list", "List the metric packs.").Default()
	show := packs.Command("show", "Show what a pack reads, its traps and its queries.")
	show.Arg("pack", "The name of a pack.").Required().StringVar(&o.name)
	test := packs.Command("test", "Show what a server has for each signal of a pack over the last day.")
	test.Arg("pack", "The name of a pack.").Required().StringVar(&o.name)
	test.Flag("prometheus", "The address of the server.").Required().PlaceHolder("URL").StringVar(&o.url)
	test.Flag("http.config.file", "How to authenticate there and whom to trust, as a Prometheus HTTP client configuration.").PlaceHolder("FILE").StringVar(&o.client)
	test.Flag("group-by", "Labels that make a workload, separated by commas. Default: those of the pack.").PlaceHolder("LABELS").StringVar(&o.groupBy)
	test.Flag("select", "Count only series with this label value; may be repeated.").PlaceHolder("LABEL=VALUE").StringMapVar(&o.selects)
	for name, command := range map[string]func(context.Context, *collector.Library, packOptions) int{
		"packs list": p.listPacks, "packs show": p.showPack, "packs test": p.testPack,
	} {
		commands[name] = func(ctx context.Context) int {
			library, err := collector.OpenLibrary(o.dir)
			if err != nil {
				return p.fail(err)
			}
			return command(ctx, library, o)
		}
	}
}

// listPacks prints a line for every pack.
func (p *program) listPacks(_ context.Context, library *collector.Library, _ packOptions) int {
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PACK\tABOUT\tCOUNTS\tGROUP BY\tTURNED ON BY")
	for _, name := range library.Names() {
		d, err := library.Describe(name)
		if err != nil {
			return p.fail(err)
		}
		var counts []string
		for _, c := range d.Counts {
			counts = append(counts, c.Signal)
		}
		on := d.Switch
		if on == "" {
			on = "-"
		}
		fmt.Fprintln(table, strings.Join(plain([]string{d.Name, d.About, strings.Join(counts, " "), strings.Join(d.GroupBy, ", "), on}), "\t"))
	}
	return p.flush(table)
}

// flush ends a table.
func (p *program) flush(table *tabwriter.Writer) int {
	if err := table.Flush(); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// showPack prints everything that one pack says.
func (p *program) showPack(_ context.Context, library *collector.Library, o packOptions) int {
	d, err := library.Describe(o.name)
	if err != nil {
		return p.usage(err)
	}
	line := func(head, text string) {
		if text != "" {
			fmt.Fprintf(p.stdout, "%-14s%s\n", head, model.Printable(text))
		}
	}
	line("pack", d.Name)
	line("about", d.About)
	line("turned on by", d.Switch)
	line("layer", string(d.Layer))
	line("group by", strings.Join(d.GroupBy, ", "))
	line("model", strings.Join(d.Model, ", "))
	line("provider", strings.Join(d.Provider, ", "))
	line("tenant", strings.Join(d.Tenant, ", "))
	line("input holds", d.Input)
	line("sums of", d.Period)
	for _, c := range d.Counts {
		for i, metric := range c.Metrics {
			head := ""
			if i == 0 {
				head = c.Signal
			}
			fmt.Fprintf(p.stdout, "%-22s%s\n", head, model.Printable(metric))
		}
	}
	for _, trap := range d.Traps {
		line("mind", trap)
	}
	for _, query := range d.Queries {
		fmt.Fprintln(p.stdout)
		for expr := range strings.Lines(query) {
			fmt.Fprintln(p.stdout, model.Printable(strings.TrimSuffix(expr, "\n")))
		}
	}
	return exitDone
}

// testPack prints what a server has for one pack.
func (p *program) testPack(ctx context.Context, library *collector.Library, o packOptions) int {
	server, err := discoverOptions{url: o.url, client: o.client}.server()
	if err != nil {
		return p.usage(err)
	}
	transport, err := promconfig.NewRoundTripperFromConfig(server.HTTP, "packs")
	if err != nil {
		return p.usage(fmt.Errorf("--http.config.file: %w", err))
	}
	s := collector.Settings{Name: o.name, URL: server.URL, Client: transport, Pack: o.name, Library: library, Select: o.selects}
	if o.groupBy != "" {
		s.GroupBy = strings.Split(o.groupBy, ",")
	}
	readings, sent, err := collector.Try(ctx, s, p.now())
	var answered *collector.Error
	switch {
	case errors.As(err, &answered) && unreachable(answered.Reason):
		p.fail(err)
		return exitUnreachable
	case answered != nil:
		return p.fail(err)
	case err != nil:
		return p.usage(err)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SIGNAL\tREAD FROM\tSERIES\tWORKLOADS\tVALUE\tUNIT\tLABELS")
	found := 0
	for _, r := range readings {
		found += r.Series
		from := "nothing found"
		switch {
		case r.Series > 0:
			from = strings.Join(r.Metrics, ", ")
		case r.Zero:
			from = "nothing found, which means none"
		}
		fmt.Fprintln(table, strings.Join(plain([]string{
			r.Signal, from, fmt.Sprint(r.Series), fmt.Sprint(r.Workloads), readingValue(r), r.Unit, strings.Join(r.Labels, " "),
		}), "\t"))
	}
	if code := p.flush(table); code != exitDone {
		return code
	}
	fmt.Fprintf(p.stdout, "queries sent: %d\n", sent)
	d, err := library.Describe(o.name)
	if err != nil {
		return p.fail(err)
	}
	if found > 0 {
		groupBy := s.GroupBy
		if len(groupBy) == 0 {
			groupBy = d.GroupBy
		}
		if missing := missingLabels(readings[0], groupBy); missing != "" {
			fmt.Fprintf(p.stdout, "none of the series of %s that were looked at has %s, by which workloads are told apart: group by other labels (--group-by, in the configuration group_by)\n",
				readings[0].Signal, model.Printable(missing))
		}
		return exitDone
	}
	hint := ""
	if d.Switch != "" {
		hint = ", turned on by " + d.Switch
	}
	return p.fail(fmt.Errorf("pack %s: the server answers, but has none of the metrics of %s%s", d.Name, d.About, hint))
}

// unreachable tells whether a server gave no answer at all.
func unreachable(r collector.Reason) bool {
	return r == collector.Unreachable || r == collector.TimedOut || r == collector.Overloaded || r == collector.Untrusted
}

// missingLabels returns those of groupBy that no series of r has, with commas between them; none where there is no series.
func missingLabels(r collector.Reading, groupBy []string) string {
	if r.Series == 0 {
		return ""
	}
	missing := slices.DeleteFunc(slices.Clone(groupBy), func(label string) bool { return slices.Contains(r.Labels, label) })
	return strings.Join(missing, ", ")
}

// readingValue writes the value of r, a question mark when there is none.
func readingValue(r collector.Reading) string {
	switch {
	case math.IsNaN(r.Value):
		return "?"
	case math.Abs(r.Value) >= 1000:
		return model.FormatTokens(model.Tokens(r.Value))
	}
	return fmt.Sprintf("%.3g", r.Value)
}
