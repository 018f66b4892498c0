package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"

	"tipline/cmd/internal/ledger"
	"tipline/model"
	"tipline/model/decide"
)

// addExplain adds the explain command to app and returns it as a function.
func addExplain(app *kingpin.Application, p *program) func(context.Context) int {
	command := app.Command("explain", "Print the receipt of a decision in words and compute it again, offline; exit code 1 when the numbers differ.")
	id := command.Arg("id", "The decision or the message, as messages and reports name it; not needed with --receipt.").String()
	format := command.Flag("output", "The form: text, or json for the receipt itself.").Short('o').Default("text").Enum("text", "json")
	from := addOrigin(command)
	return func(ctx context.Context) int {
		f, err := p.find(ctx, *from, *id)
		if errors.Is(err, errUnreachable) {
			p.fail(err)
			return exitUnreachable
		}
		if err != nil {
			return p.fail(err)
		}
		if err := p.explain(f, *format); err != nil {
			return p.fail(err)
		}
		return exitDone
	}
}

// errMismatch says that a receipt does not hold what its inputs give.
var errMismatch = errors.New("MISMATCH")

// explain prints the receipt and the result of computing it again. The error is errMismatch, wrapped, when the two differ or
// the receipt was changed.
func (p *program) explain(f found, format string) error {
	r := ledger.Receipt{}
	var checked checked
	if f.fleet() {
		checked = checkMessage(f)
	} else {
		var err error
		if r, err = ledger.Open(f.data); err != nil {
			return err
		}
		checked = check(r, f.data)
	}
	if format == "json" {
		var out bytes.Buffer
		if err := json.Indent(&out, bytes.TrimSpace(f.data), "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
		if _, err := out.WriteTo(p.stdout); err != nil {
			return err
		}
		return checked.err()
	}
	e := explainer{r: r, f: f, sound: checked.broken == nil && checked.lacks == ""}
	if in, err := r.Input(); err == nil {
		e.in = &in
	}
	sections := []func(){e.head, e.volume, e.options, e.moved, e.steps, e.change, e.prices, e.capacity, e.queries}
	if r.SharedFleet != nil {
		sections = []func(){e.sharedFleet, e.tenants}
	}
	if r.JointMove != nil {
		sections = []func(){e.jointMove, e.members}
	}
	if f.fleet() {
		sections = []func(){e.message, e.month, e.costs, e.repriced, e.readings, e.sources}
		for i, section := range sections {
			sections[i] = e.guarded(section)
		}
	}
	for _, section := range sections {
		section()
	}
	e.checks(checked)
	if _, err := e.out.WriteTo(p.stdout); err != nil {
		return err
	}
	return checked.err()
}

// checked is what became of checking a receipt.
type checked struct {
	lacks      string // why it cannot be computed again; empty when it was
	broken     error  // why it is not as it was written
	comparison ledger.Comparison
	engine     string // that computed it first
}

// check holds r against its id and against what its inputs give; data is what r was read from.
func check(r ledger.Receipt, data []byte) checked {
	c := checked{engine: r.Engine}
	switch {
	case r.Version == 1:
		c.lacks = "it was written by an early tipline, which kept the results and neither the inputs nor the samples"
		return c
	case !r.Compacted.IsZero():
		c.lacks = fmt.Sprintf("it was made a summary on %s, because it is old", model.FormatDate(r.Compacted))
		return c
	}
	c.broken = ledger.Verify(data)
	var err error
	if c.comparison, err = r.Recompute(); err != nil {
		c.lacks = err.Error()
		if errors.Is(err, ledger.ErrNoInputs) && len(r.LeftOut) == 0 {
			c.lacks = "nothing was computed: " + r.Workload.Decision.Because
		} else if !errors.Is(err, ledger.ErrNoInputs) {
			c.broken = errors.Join(c.broken, err)
		}
	}
	return c
}

// err returns nil when all that could be checked is right.
func (c checked) err() error {
	var errs []error
	if c.broken != nil {
		errs = append(errs, fmt.Errorf("%w: %w", errMismatch, c.broken))
	}
	if n := len(c.comparison.Differences); n > 0 {
		text := fmt.Sprintf("computed again, %s of the receipt differ", count(n, "number"))
		if n == 1 {
			text = "computed again, 1 number of the receipt differs"
		}
		if now := engine(); now != c.engine {
			text += fmt.Sprintf("; tipline %s wrote it and this is %s, so a changed formula may be why", c.engine, now)
		}
		errs = append(errs, fmt.Errorf("%w: %s", errMismatch, text))
	}
	return errors.Join(errs...)
}

// engine is the version of this tipline, as receipts name it.
func engine() string { return cmp.Or(version.Version, "development") }

// explainer writes one receipt for a reader who knows money better than tokens.
type explainer struct {
	r  ledger.Receipt
	f  found
	in *decide.Input // nil when the receipt does not hold it

	sound bool // the receipt is as it was written, and the decision could be computed again from it

	out bytes.Buffer
}

// line writes one line without what could turn or move it.
func (e *explainer) line(format string, args ...any) {
	fmt.Fprintln(&e.out, strings.TrimRight(model.Printable(fmt.Sprintf(format, args...)), " "))
}

func (e *explainer) title(text string) { e.line(""); e.line("%s", text) }

// table writes rows in columns, indented.
func (e *explainer) table(indent string, rows [][]string) {
	var out bytes.Buffer
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, indent+strings.Join(plain(row), "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	for l := range strings.Lines(out.String()) {
		e.line("%s", strings.TrimRight(l, "\n"))
	}
}

// of says what the receipt is of, and who computed it when.
func (e *explainer) of(what string) {
	e.line("Receipt %s of %s", e.r.ID, what)
	e.line("as of %s, by tipline %s, configuration %.12s", e.r.AsOf.UTC().Format("2 Jan 2006 15:04 UTC"), cmp.Or(e.r.Engine, "of an early version"), e.r.ConfigHash)
}

func (e *explainer) head() {
	w, d := e.r.Workload, e.r.Workload.Decision
	e.of(w.Workload)
	if m := e.f.message; m != nil {
		e.line("which message %s rests on (%s)", m.ID, strings.ReplaceAll(m.Kind, "_", " "))
	}
	e.title("VERDICT: " + headline(w))
	e.line("  Because %s.", sentence(d.Because))
	if e.r.Frozen != "" {
		e.line("  The costs below are known; the verdict waits, because the measurements are not to be relied on now (%s).", e.r.Frozen)
	}
	if a := e.f.announcement; a != nil {
		e.line("  Announced on %s (%s, message %s).", model.FormatDate(a.Time), strings.ReplaceAll(string(a.Reason), "_", " "), a.Event)
	}
	if a := e.f.answer; a != nil {
		e.line("  Answered: %s.", a.Text())
	}
	for _, warning := range w.Warnings {
		if warning.Text != d.Because {
			e.line("  Note: %s.", sentence(warning.Text))
		}
	}
}

// headline says the verdict on w in a few words.
func headline(w model.WorkloadReport) string {
	switch d := w.Decision; d.Recommendation {
	case model.Move:
		return fmt.Sprintf("move %s from %s to %s", w.Workload, w.Current, d.Option)
	case model.Stay:
		return fmt.Sprintf("%s stays on %s", w.Workload, w.Current)
	default:
		return "not known"
	}
}

// sentence returns text without its full stop.
func sentence(text string) string {
	return cmp.Or(strings.TrimSuffix(text, "."), "no reason was given")
}

// classNames are the token classes in the words of a bill.
var classNames = map[string]string{
	"input": "prompt", "cache_read": "prompt from cache", "cache_write": "written to cache", "cache_write_1h": "written to cache for an hour", "output": "generated",
}

func (e *explainer) volume() {
	w := e.r.Workload
	e.title("VOLUME")
	if t := w.Usage.Last30dTokens; t != nil {
		e.line("  Measured    %s tokens in the 30 days before, %s of the time seen: %s.", model.FormatTokens(*t), model.FormatPercent(w.Usage.CoverageRatio), classes(w.Usage.Last30dClassTokens))
	}
	if text := w.Usage.LoadText(); text != "" {
		e.line("  Load        %s.", text)
	}
	if f := w.Forecast; f != nil {
		q := f.Next30dTokens
		e.line("  Projected   %s tokens in the next 30 days; in 8 of 10 futures between %s and %s. Growth: %s a month.",
			model.FormatTokens(q.P50), model.FormatTokens(q.P10), model.FormatTokens(q.P90), model.FormatPercent(f.MonthlyGrowthRatio))
		e.line("  Priced      as a month of 730 hours, the month for which capacity is paid: %s tokens%s.", wholeTokens(q.P50*730/720), e.mix())
		for _, warning := range f.Warnings {
			e.line("              %s.", sentence(warning.Text))
		}
	}
	s := e.r.Samples
	if s == nil {
		return
	}
	e.line("  Read from   source %s: %d hours from %s to %s, %s of them measured: %s, %s requests.", s.Source, int(math.Round(s.To.Sub(s.From).Hours())),
		stamp(s.From), stamp(s.To), model.FormatPercent(s.CoverageRatio), classes(s.ClassTokens), model.FormatTokens(model.Tokens(s.Requests)))
	if len(w.Labels) > 0 {
		e.line("              series with %s", labels(w.Labels))
	}
}

// queries shows what the metrics server was asked; a reader may want to ask it again.
func (e *explainer) queries() {
	s := e.r.Samples
	if s == nil {
		return
	}
	e.title("WHAT THE METRICS SERVER WAS ASKED")
	for _, q := range []struct{ what, expression string }{
		{"Tokens, requests and coverage, at the end of every hour:", s.Expression},
		{"Time to first token, over the last day:", s.TTFTExpression},
		{"GPUs, over the last day:", s.GPUExpression},
	} {
		if q.expression == "" {
			continue
		}
		e.line("  %s", q.what)
		for l := range strings.Lines(q.expression) {
			e.line("    %s", strings.TrimRight(l, "\n"))
		}
	}
}

// mix says the classes that the priced tokens are of, in the shares that were used.
func (e *explainer) mix() string {
	if e.in == nil || len(e.in.Forecast.Next) <= model.Next30d {
		return ""
	}
	var parts []string
	for _, c := range model.Classes {
		if share := e.in.Forecast.Next[model.Next30d].Mix[c]; share > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", classNames[c.String()], model.FormatPercent(share)))
		}
	}
	return "; " + strings.Join(parts, ", ")
}

// wholeTokens writes every digit of a number of tokens.
func wholeTokens(t model.Tokens) string {
	whole, _, _ := strings.Cut(cents(model.USD(math.Round(float64(t)))), ".")
	return strings.TrimPrefix(whole, "$")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// classes lists tokens by class, in the order of a bill.
func classes(tokens map[string]model.Tokens) string {
	var parts []string
	for _, c := range model.Classes {
		if n, ok := tokens[c.String()]; ok && n != 0 {
			parts = append(parts, fmt.Sprintf("%s %s", classNames[c.String()], model.FormatTokens(n)))
		}
	}
	if parts == nil {
		return "no tokens"
	}
	return strings.Join(parts, ", ")
}

func labels(values map[string]string) string {
	var parts []string
	for name, value := range values {
		parts = append(parts, fmt.Sprintf("%s=%q", name, value))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func (e *explainer) options() {
	e.title("WHAT EACH OPTION COSTS A MONTH")
	if len(e.r.Workload.Options) == 0 {
		e.line("  Nothing was priced.")
		return
	}
	for _, o := range e.r.Workload.Options {
		e.option(o)
	}
	e.line("  Every amount is rounded to the cent on its own, so parts may miss their sum by a cent.")
}

// hostings are the kinds of hosting in words.
var hostings = map[model.Hosting]string{
	model.API: "API", model.SelfHosted: "own GPUs", model.CloudManaged: "managed by a cloud", model.Hybrid: "two options together",
}

func (e *explainer) option(o model.OptionCost) {
	notes := []string{cmp.Or(hostings[o.Hosting], string(o.Hosting))}
	if o.Option == e.r.Workload.Current {
		notes = append(notes, "in use now")
	}
	if len(o.Blocked) > 0 {
		notes = append(notes, "not allowed: "+model.BlockedText(o.Blocked))
	}
	cost := "no cost"
	if q := o.USDPerMonth; q != nil {
		cost = cents(q.P50)
		if low, high := model.FormatUSD(q.P10), model.FormatUSD(q.P90); low != high {
			notes = append(notes, fmt.Sprintf("%s to %s in 8 of 10 futures", low, high))
		}
	}
	e.line("  %s: %s  (%s)", o.Option, cost, strings.Join(notes, "; "))
	var rows [][]string
	for _, part := range o.Parts {
		rows = append(rows, []string{part.Name, part.Formula, "= " + cents(part.USDPerMonth)})
	}
	e.table("      ", rows)
	if o.Infeasible != "" {
		e.line("      Cannot serve this volume: %s.", sentence(o.Infeasible))
	}
	var facts []string
	if p := o.USDPerMTok; p != nil {
		facts = append(facts, model.FormatUSDPerMTok(*p)+" all in")
	}
	if n := o.Replicas; n != nil {
		facts = append(facts, count(int(*n), "replica"))
	}
	if u := o.EconomicUtilizationRatio; u != nil {
		facts = append(facts, model.FormatPercent(*u)+" of its capacity used")
	}
	if p := o.ProbabilityCheaper; p != nil {
		facts = append(facts, fmt.Sprintf("cheaper than now over the next year in %s of futures", model.FormatPercent(*p)))
	}
	if x := o.Crossover; x != nil {
		facts = append(facts, crossoverText(*x))
	}
	if len(facts) > 0 {
		e.line("      %s.", strings.Join(facts, "; "))
	}
	if o.Reservation != nil {
		e.line("      Reservation: %s.", o.Reservation.Text())
	}
	if o.Account != nil {
		e.line("      Account: %s.", o.Account.Text(o.Option))
	}
	for _, warning := range o.Warnings {
		e.line("      Note: %s.", sentence(warning.Text))
	}
}

// crossoverText says in a few words from which volume on an option is the cheaper one.
func crossoverText(x model.Crossover) string {
	switch {
	case x.FirstTokensPerMonth == nil && x.Reason == model.CrossoverFound:
		return fmt.Sprintf("cheaper than %s from a volume on that is not known, since it lies among too many steps%s", x.Against, searched(x))
	case x.FirstTokensPerMonth == nil:
		return fmt.Sprintf("never cheaper than %s at any volume: %s", x.Against, model.NeverText(x.Reason))
	case x.PermanentTokensPerMonth == nil:
		text := fmt.Sprintf("cheaper than %s from %s tokens a month on", x.Against, model.FormatTokens(*x.FirstTokensPerMonth))
		if x.SearchedTokensPerMonth == nil {
			return text + ", not for good"
		}
		return text + "; whether for good is not known" + searched(x)
	case *x.PermanentTokensPerMonth == *x.FirstTokensPerMonth:
		return fmt.Sprintf("cheaper than %s above %s tokens a month", x.Against, model.FormatTokens(*x.FirstTokensPerMonth))
	}
	return fmt.Sprintf("cheaper than %s from %s tokens a month on, for good above %s", x.Against,
		model.FormatTokens(*x.FirstTokensPerMonth), model.FormatTokens(*x.PermanentTokensPerMonth))
}

// searched says up to which volume an option was compared, where it was not further; empty otherwise.
func searched(x model.Crossover) string {
	if x.SearchedTokensPerMonth == nil {
		return ""
	}
	return fmt.Sprintf(": it was not searched beyond %s tokens a month", model.FormatTokens(*x.SearchedTokensPerMonth))
}

// moved says which inputs moved the cost of the current option since the decision that was said last, or the evaluation before.
func (e *explainer) moved() {
	m := e.r.Workload.Moved
	if m == nil || len(m.Cost.Parts) == 0 {
		return
	}
	e.title("WHY IT COSTS OTHERWISE THAN BEFORE")
	said := ""
	if m.Said != "" {
		said = fmt.Sprintf(", when decision %s was said or confirmed,", m.Said)
	}
	e.line("  %s cost %s on %s%s and costs %s now. Of the difference of %s comes from", m.Option, cents(m.Cost.BeforeUSDPerMonth),
		model.FormatDate(m.Since), said, cents(m.Cost.AfterUSDPerMonth), cents(m.Cost.ChangeUSDPerMonth))
	var rows [][]string
	for _, part := range m.Cost.Parts {
		rows = append(rows, []string{part.Input, cents(part.USDPerMonth)})
	}
	e.table("      ", rows)
}

// cents writes an amount to the cent.
func cents(v model.USD) string {
	if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
		return "unknown"
	}
	text := new(big.Rat).SetFloat64(float64(v)).FloatString(2)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "−", text[1:]
	}
	if text == "0.00" {
		sign = ""
	}
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + "$" + whole + "." + rest
}

func (e *explainer) change() {
	d := e.r.Workload.Decision
	if len(d.WouldChange) > 0 {
		e.title("WHAT WOULD CHANGE IT")
		for _, text := range d.WouldChange {
			e.line("  - %s", text)
		}
	}
	e.swings()
	evens := e.r.Workload.BreakEvens
	if evens == nil && e.in != nil && e.sound { // an early version kept none
		evens = decide.BreakEvens(*e.in)
	}
	if lines := evens.Sentences(); len(lines) > 0 {
		e.title("WHERE IT BREAKS EVEN")
		for _, text := range lines {
			e.line("  - %s.", text)
		}
	}
	if d.RuleOfThumb != "" {
		e.title("RULE OF THUMB")
		text := "the hosting guide alone would say " + d.RuleOfThumb
		if d.DiffersBecause != "" {
			text += "; the model says otherwise because " + model.DiffersText(d.DiffersBecause)
		}
		e.line("  %s.", text)
	}
}

// swings says what becomes of the comparison when one input is at either end of its range.
func (e *explainer) swings() {
	x := e.r.Workload.Crossover
	if x == nil || len(x.Tornado) == 0 {
		return
	}
	e.title("WHAT MOVES IT MOST")
	e.line("  What %s saves against %s, and from which volume on it is cheaper, with one input at either end of its range:", x.Option, x.Against)
	rows := [][]string{{"INPUT", "FROM", "TO", "SAVES A MONTH", "CHEAPER FROM"}}
	saves := func(usd *model.USD) string {
		if usd == nil {
			return "beyond the quota"
		}
		return signed(*usd)
	}
	first := func(tokens *model.Tokens) string {
		if tokens == nil {
			return "never"
		}
		return model.FormatTokens(*tokens)
	}
	for _, s := range x.Tornado {
		value := func(v float64) string {
			switch {
			case s.Input == "volume":
				return model.FormatTokens(model.Tokens(v)) + " tokens"
			case strings.HasPrefix(s.Unit, "tokens/"):
				return model.FormatTokens(model.Tokens(v)) + " " + s.Unit
			case strings.HasPrefix(s.Unit, "USD/"):
				return model.FormatUSD(model.USD(v)) + strings.TrimPrefix(s.Unit, "USD")
			}
			return fmt.Sprintf("%.3g %s", v, strings.TrimPrefix(s.Unit, "ratio"))
		}
		rows = append(rows, []string{
			strings.ReplaceAll(s.Input, "_", " "), strings.TrimSpace(value(s.Low)), strings.TrimSpace(value(s.High)),
			saves(s.SavingAtLow) + " to " + saves(s.SavingAtHigh), first(s.FirstAtLow) + " to " + first(s.FirstAtHigh),
		})
	}
	e.table("  ", rows)
}

func (e *explainer) prices() {
	rows := [][]string{}
	seen := map[model.PriceSource]bool{}
	for _, o := range e.r.Workload.Options {
		for _, p := range o.Prices {
			if !seen[p] {
				seen[p] = true
				rows = append(rows, []string{p.Item, p.Field, p.Value + " " + p.Unit, p.Source, cmp.Or(p.Date, "no date"), validity(p)})
			}
		}
	}
	if len(rows) > 0 {
		e.title("PRICES AND RATES, AND WHERE THEY ARE FROM")
		e.table("  ", rows)
	}
}

// validity says when p holds; empty when it always does.
func validity(p model.PriceSource) string {
	switch {
	case p.ValidFrom == "" && p.ValidTo == "":
		return ""
	case p.ValidTo == "":
		return "from " + p.ValidFrom
	case p.ValidFrom == "":
		return "until " + p.ValidTo
	}
	return p.ValidFrom + " to " + p.ValidTo
}

func (e *explainer) capacity() {
	if len(e.r.Capacity) == 0 {
		return
	}
	e.title("WHAT FLEETS ARE TAKEN TO DO, AND ON WHOSE WORD")
	var rows [][]string
	for _, c := range e.r.Capacity {
		rows = append(rows, []string{c.Option, c.What, strings.TrimSpace(c.Text() + " " + c.Unit), c.Label, c.From})
	}
	e.table("  ", rows)
	if a := e.r.Workload.Decision.AssumedCapacity; a != nil {
		e.line("  %s.", sentence(a.Text()))
	}
	if text := e.r.Workload.Usage.GPUCostText(); text != "" {
		e.line("  %s.", sentence(text))
	}
}

// checks says what came of computing the receipt again.
func (e *explainer) checks(c checked) {
	e.title("COMPUTED AGAIN")
	leftOut := e.r.LeftOut
	if e.f.fleet() {
		leftOut = e.f.message.LeftOut
	}
	for _, what := range leftOut {
		e.line("  Left out, to keep the receipt small: %s.", what)
	}
	switch {
	case c.lacks != "":
		e.line("  No: %s.", sentence(c.lacks))
	case len(c.comparison.Differences) == 0:
		e.line("  By tipline %s from the inputs in the receipt, without a server: %s and %d other numbers, all the same to the cent.",
			engine(), count(c.comparison.Amounts, "amount"), c.comparison.Numbers-c.comparison.Amounts)
	default:
		e.line("  MISMATCH: by tipline %s from the inputs in the receipt, without a server:", engine())
		for _, text := range c.comparison.Differences[:min(len(c.comparison.Differences), 20)] {
			e.line("  - %s", text)
		}
	}
	if c.broken != nil {
		e.line("  MISMATCH: %v.", c.broken)
	}
}
