package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kingpin/v2"

	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// builtinBook names the built-in price book where a file is expected.
const builtinBook = "builtin"

// addPrices adds the prices commands to app and returns them by name.
func addPrices(app *kingpin.Application, p *program) map[string]func() int {
	prices := app.Command("prices", "Show, check, compare and import price books.")
	list := prices.Command("list", "List the prices in force, each with its source and date: the built-in book and the files of the configuration. The table says too what options have beside the book, such as discounts, commitments and tiers.")
	glob := list.Flag("item", "Only items that match, such as openai/* or */h100*, and in the table options of that name.").Default("*").String()
	format := list.Flag("output", "The form: table, csv or json.").Short('o').Default("table").Enum("table", "csv", "json")

	check := prices.Command("check", "Check a price book against the one that is built in, with the rates and the confirmed items of the configuration, and print what would not be believed.")
	checked := check.Arg("file", "A price book (CSV).").Required().String()

	diff := prices.Command("diff", "Print what differs between two price books; "+builtinBook+" stands for the one that is built in.")
	before := diff.Arg("before", "A price book (CSV).").Required().String()
	after := diff.Arg("after", "A price book (CSV).").Required().String()

	imports := prices.Command("import", "Turn a price list of others into a price book.")
	from := imports.Flag("from", "Whose list it is: litellm (model_prices_and_context_window.json), genai-prices (data.json) or skypilot (vms.csv of a catalogue).").
		Required().Enum(config.Lists...)
	provider := imports.Flag("provider", "With skypilot: whose machines they are, such as lambda.").PlaceHolder("NAME").String()
	date := imports.Flag("date", "The day that the list is of, such as 2026-08-01.").Required().String()
	source := imports.Arg("file", "The list.").Required().String()
	out := imports.Flag("out", "Write the price book to this file instead of standard output.").PlaceHolder("FILE").String()

	return map[string]func() int{
		"prices list":   func() int { return p.listPrices(*glob, *format) },
		"prices check":  func() int { return p.checkPrices(*checked) },
		"prices diff":   func() int { return p.diffPrices(*before, *after) },
		"prices import": func() int { return p.importPrices(*from, *provider, *source, *date, *out) },
	}
}

// listPrices prints the rows in force of the items that match.
func (p *program) listPrices(glob, format string) int {
	if _, err := path.Match(glob, ""); err != nil {
		return p.usage(fmt.Errorf("--item: got %q, want a pattern such as openai/*", glob))
	}
	book := config.Builtin()
	var options []decide.Option
	if cfg, err := p.load(); err == nil {
		book, options = cfg.Prices, cfg.Options
		p.printQuarantined(cfg.Quarantined)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return p.fail(err)
	}
	terms := termsOf(options, book, glob)
	book = book.Only(func(item string) bool { return matches(glob, item) })
	if len(book.Items())+len(terms) == 0 {
		fmt.Fprintf(p.stderr, "tipline: no item of the price book matches %q\n", glob)
		return exitNotRight
	}
	if err := printBook(p.stdout, book, format); err != nil {
		return p.fail(err)
	}
	if format != "table" || len(terms) == 0 {
		return exitDone
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nOPTION\tFIELD\tVALUE\tUNIT\tVALID\tCHECKED\tSOURCE")
	for _, row := range terms {
		fmt.Fprintln(table, strings.Join(plain([]string{row.Item, row.Field, row.Value, row.Unit, cmp.Or(validity(row), "always"), cmp.Or(row.Date, "-"), row.Source}), "\t"))
	}
	if err := table.Flush(); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// termsOf returns the rows of options that book does not have, with the name of the option as their item, of those whose name or item matches glob.
func termsOf(options []decide.Option, book config.Book, glob string) (terms []model.PriceSource) {
	listed := map[model.PriceSource]bool{}
	for _, row := range book.Rows() {
		listed[row.PriceSource] = true
	}
	for _, o := range options {
		for _, row := range o.Prices {
			if !listed[row] && (matches(glob, o.Name) || matches(glob, row.Item)) {
				row.Item = o.Name
				terms = append(terms, row)
			}
		}
	}
	return terms
}

// matches reports whether item matches glob, in which a * stands for slashes too.
func matches(glob, item string) bool {
	found, _ := path.Match(strings.ReplaceAll(glob, "/", "\x00"), strings.ReplaceAll(item, "/", "\x00"))
	return found
}

func printBook(w io.Writer, book config.Book, format string) error {
	switch format {
	case "csv":
		_, err := book.WriteTo(w)
		return err
	case "json":
		rows := []model.PriceSource{}
		for _, row := range book.Rows() {
			rows = append(rows, row.PriceSource)
		}
		return printJSON(w, rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ITEM\tFIELD\tVALUE\tUNIT\tVALID\tCHECKED\tSOURCE")
	for _, row := range book.Rows() {
		fmt.Fprintln(table, strings.Join(plain([]string{row.Item, row.Field, row.Value, row.Unit, cmp.Or(validity(row.PriceSource), "always"), row.Date, row.Source}), "\t"))
	}
	return table.Flush()
}

// readBook reads the price book in a file.
func readBook(file string) (config.Book, error) {
	if file == builtinBook {
		return config.Builtin(), nil
	}
	in, err := os.Open(file)
	if err != nil {
		return config.Book{}, fmt.Errorf("price book: %w", err)
	}
	defer in.Close()
	book, err := config.ReadBook(in)
	if err != nil {
		return book, fmt.Errorf("%s: %w", file, err)
	}
	return book, nil
}

// checkPrices prints the rows of a price book that would not be believed beside the built-in one, as the configuration would take it where
// there is one.
func (p *program) checkPrices(file string) int {
	book, err := readBook(file)
	if err != nil {
		return p.fail(err)
	}
	var rates map[string]config.Rate
	var confirmed []string
	if cfg, err := p.load(); err == nil {
		rates, confirmed = cfg.Rates, cfg.Confirmed
	} else if !errors.Is(err, fs.ErrNotExist) {
		return p.fail(err)
	}
	if book, err = book.InUSD(rates); err != nil {
		return p.fail(fmt.Errorf("%s: %w", file, err))
	}
	_, bad := config.Builtin().Update(book, confirmed)
	p.printQuarantined(bad)
	if len(bad) > 0 {
		return exitNotRight
	}
	fmt.Fprintf(p.stdout, "%s: good: %s\n", file, count(len(book.Items()), "item"))
	return exitDone
}

func (p *program) printQuarantined(rows []config.Quarantined) {
	for _, q := range rows {
		fmt.Fprintln(p.stderr, model.Printable(fmt.Sprintf("tipline: quarantined: %s %s %s: %s", q.Item, q.Field, q.Value, q.Reason)))
	}
}

// diffPrices prints a line for every row that differs.
func (p *program) diffPrices(before, after string) int {
	was, err := readBook(before)
	if err != nil {
		return p.fail(err)
	}
	is, err := readBook(after)
	if err != nil {
		return p.fail(err)
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ITEM\tFIELD\tFROM\tBEFORE\tAFTER\tCHANGE")
	for _, c := range was.Diff(is) {
		old, now, change := "-", "-", "new"
		if c.Before != nil {
			old, change = c.Before.Value, "gone"
		}
		if c.After != nil {
			now = c.After.Value
		}
		if f := c.Factor(); f != nil && f.IsInt() && f.Num().IsInt64() && f.Num().Int64() == 1 {
			change = "ends " + cmp.Or(c.After.ValidTo, "never")
		} else if f != nil {
			ratio, _ := f.Float64()
			change = model.FormatPercent(model.Fraction(ratio - 1))
			if ratio > 1 {
				change = "+" + change
			}
		}
		fmt.Fprintln(table, strings.Join(plain([]string{c.Item, c.Field, cmp.Or(c.From, "-"), old, now, change}), "\t"))
	}
	if err := table.Flush(); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// importPrices writes the price book that a list of others makes.
func (p *program) importPrices(kind, provider, source, date, out string) int {
	in, err := os.Open(source)
	if err != nil {
		return p.fail(fmt.Errorf("price list: %w", err))
	}
	defer in.Close()
	book, bad, err := config.Import(kind, in, provider, date)
	if err != nil {
		return p.fail(fmt.Errorf("%s: %w", source, err))
	}
	p.printQuarantined(bad)
	err = writeOut(out, p.stdout, func(w io.Writer) error {
		_, err := book.WriteTo(w)
		return err
	})
	if err != nil {
		return p.fail(err)
	}
	if out == "" {
		return exitDone
	}
	fmt.Fprintf(p.stdout, "%s: %s, %d rows quarantined\n", out, count(len(book.Items()), "item"), len(bad))
	return exitDone
}
