package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/whatif"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
	"tipline/model/forecast"
)

// whatIf is what the whatif command is asked for.
type whatIf struct {
	file     string   // a scenario
	workload string   // a configured one
	set      []string // path=value
	from     *origin
	format   string
}

// addWhatIf adds the whatif command to app and returns it as a function.
func addWhatIf(app *kingpin.Application, p *program) func(context.Context) int {
	command := app.Command("whatif", "Decide on other assumptions: a scenario file with a volume of its own, or a configured workload with --set.")
	w := &whatIf{}
	command.Arg("scenario", "A scenario file, which needs neither server nor configuration.").StringVar(&w.file)
	command.Flag("workload", "Start from what this workload is now, by the configuration or by --server.").PlaceHolder("NAME").StringVar(&w.workload)
	command.Flag("set", "Change one input, such as options.NAME.prices=-30% or volume.growth_per_month=8%; may be repeated.").PlaceHolder("PATH=VALUE").StringsVar(&w.set)
	command.Flag("output", "The form: table or json.").Short('o').Default("table").EnumVar(&w.format, "table", "json")
	w.from = addOrigin(command)
	return func(ctx context.Context) int { return p.whatIf(ctx, *w) }
}

func (p *program) whatIf(ctx context.Context, w whatIf) int {
	changes, err := w.changes()
	if err != nil {
		return p.usage(err)
	}
	start, err := p.base(ctx, w)
	switch {
	case errors.Is(err, errUnreachable):
		p.fail(err)
		return exitUnreachable
	case err != nil:
		return p.fail(err)
	}
	a, err := start.answer(append(start.changes, changes...))
	if err != nil {
		return p.fail(err)
	}
	if w.format == "json" {
		if err := printJSON(p.stdout, a); err != nil {
			return p.fail(err)
		}
		return exitDone
	}
	if _, err := a.table().WriteTo(p.stdout); err != nil {
		return p.fail(err)
	}
	return exitDone
}

// changes reads --set and holds the flags against each other.
func (w whatIf) changes() ([]config.Setting, error) {
	starts := 0
	for _, given := range []bool{w.file != "", w.workload != "", w.from.file != ""} {
		if given {
			starts++
		}
	}
	switch {
	case starts != 1:
		return nil, errors.New("whatif: want one start: a scenario file, --workload with a name, or --receipt with a file")
	case w.from.server != "" && w.workload == "":
		return nil, errors.New("--server: want --workload beside it")
	case w.from.client != "" && w.from.server == "":
		return nil, errors.New("--http.config.file: want --server beside it")
	case w.file == "" && len(w.set) == 0:
		return nil, errors.New("whatif: want --set with what is to be otherwise")
	}
	var changes []config.Setting
	for _, text := range w.set {
		path, value, found := strings.Cut(text, "=")
		if !found || path == "" {
			return nil, fmt.Errorf("--set: got %q, want PATH=VALUE", text)
		}
		changes = append(changes, config.Setting{Path: path, Value: value})
	}
	return changes, nil
}

// start is what a what-if sets out from.
type start struct {
	in      decide.Input
	book    config.Book      // where the items of changes are looked up
	changes []config.Setting // that a scenario asks for
}

func (p *program) base(ctx context.Context, w whatIf) (start, error) {
	if w.file != "" {
		s, err := config.LoadScenario(w.file)
		if err != nil {
			return start{}, err
		}
		p.printQuarantined(s.Quarantined)
		return start{stated(s, p.now().UTC()), s.Prices, s.Changes}, nil
	}
	data, book, err := p.receiptOf(ctx, w)
	if err != nil {
		return start{}, err
	}
	r, err := ledger.Open(data)
	if err != nil {
		return start{}, err
	}
	in, err := r.Input()
	if errors.Is(err, ledger.ErrNoInputs) {
		err = fmt.Errorf("%s: there is nothing to start from: %w", r.Workload.Workload, cmp.Or(because(r.Workload.Decision), err))
	}
	return start{in: in, book: book}, err
}

// because returns why a decision is unknown, nil when it does not say.
func because(d model.Decision) error {
	if d.Recommendation != model.Unknown || d.Because == "" {
		return nil
	}
	return errors.New(d.Because)
}

// receiptOf returns a receipt of the workload as it is now, or the one of --receipt, and the price book to look items up in: that of
// the configuration where there is one.
func (p *program) receiptOf(ctx context.Context, w whatIf) ([]byte, config.Book, error) {
	if w.from.file != "" {
		f, err := p.find(ctx, *w.from, "")
		return f.data, config.Builtin(), err
	}
	if w.from.server == "" {
		cfg, err := p.load()
		if err != nil {
			return nil, config.Book{}, err
		}
		data, err := p.evaluateOne(ctx, cfg, w.workload)
		return data, cfg.Prices, err
	}
	data, err := w.from.ask(ctx, "/api/v1/workloads/"+url.PathEscape(w.workload))
	if err != nil {
		return nil, config.Book{}, err
	}
	var now model.WorkloadReport
	if err := json.Unmarshal(data, &now); err != nil || !ledger.ValidID(now.Decision.ID) {
		return nil, config.Book{}, fmt.Errorf("--server: the answer about %q is not one of tipline", w.workload)
	}
	data, err = w.from.ask(ctx, "/api/v1/decisions/"+now.Decision.ID)
	return data, config.Builtin(), err
}

// evaluateOne evaluates every workload of cfg and returns the receipt of the one called name.
func (p *program) evaluateOne(ctx context.Context, cfg *config.Config, name string) ([]byte, error) {
	file, _, forget, err := p.openBeside(cfg.Store.Path)
	if err != nil {
		return nil, err
	}
	defer forget()
	d, err := daemon.New(daemon.Options{Load: p.load, Now: p.now, Clock: p.now, Log: p.log, Store: file})
	if err != nil {
		return nil, err
	}
	report, err := d.Evaluate(ctx)
	if report == nil {
		return nil, err
	}
	var names []string
	for _, w := range report.Workloads {
		if w.Workload == name {
			return d.Receipt(w.Decision.ID)
		}
		names = append(names, w.Workload)
	}
	if err != nil {
		return nil, fmt.Errorf("workload %q: %w: %w", name, errUnreachable, err)
	}
	return nil, fmt.Errorf("workload %q: not found, want one of %s", name, strings.Join(names, ", "))
}

// rows returns the rows that the price book has of item.
func (s start) rows(item string) []model.PriceSource {
	listed, err := s.book.Lookup(item)
	if err != nil {
		return nil // what is wrong with the value is said where it is used
	}
	rows := make([]model.PriceSource, len(listed))
	for i, row := range listed {
		rows[i] = row.PriceSource
	}
	return rows
}

// stated returns the inputs that s amounts to at now.
func stated(s *config.Scenario, now time.Time) decide.Input {
	origin := s.AsOf
	if origin.IsZero() {
		origin = now.Truncate(24 * time.Hour)
	}
	v := s.Volume
	f := forecast.Stated{
		Origin: origin, Tokens: model.Tokens(v.TokensPerMonth), Low: model.Tokens(v.Low), High: model.Tokens(v.High),
		MonthlyGrowth: model.Fraction(v.MonthlyGrowth), Requests: v.Requests, PeakFactor: v.PeakFactor, HoursOfDay: v.HoursOfDay,
	}
	for c, share := range v.Mix {
		f.Mix[c] = model.Fraction(share)
	}
	in := decide.Input{
		Workload: s.Name, Constraints: s.Constraints, Current: s.Current, Options: s.Options, Candidates: s.Candidates,
		Forecast: f.Forecast(), Policy: s.Policy,
	}
	var others []decide.Used
	for _, o := range s.Others {
		other := in
		other.Workload, other.Current = "others on "+o.Option, o.Option
		f.Tokens, f.Low, f.High = model.Tokens(o.TokensPerMonth), 0, 0
		f.Requests = v.Requests * o.TokensPerMonth / v.TokensPerMonth
		other.Forecast = f.Forecast()
		others = append(others, other.Used())
	}
	in.Others = decide.AccountsOf(others).Beside(in)
	for i := range in.Others {
		in.Others[i].Stated = true
	}
	return in
}

// verdictOf is what the engine said.
type verdictOf struct {
	Options   []model.OptionCost `json:"options"`
	Crossover *model.Crossover   `json:"crossover"`
	Decision  model.Decision     `json:"decision"`
}

// whatIfAnswer is the answer to a what-if, also in its JSON form.
type whatIfAnswer struct {
	Workload string            `json:"workload"`
	AsOf     time.Time         `json:"as_of"`
	Volume   model.Tokens      `json:"tokens_per_month"` // after the changes
	InAYear  model.Tokens      `json:"tokens_per_month_in_a_year"`
	Changes  []whatif.Changed  `json:"changes"`
	Today    *verdictOf        `json:"today"` // without the changes; null when there are none
	WhatIf   verdictOf         `json:"what_if"`
	Evens    *model.BreakEvens `json:"break_evens"` // after the changes
	Differs  bool              `json:"differs"`     // the changes lead to another option or another reason

	was, is decide.Input
}

// answer decides on what s starts from, as it is and as the changes make it.
func (s start) answer(changes []config.Setting) (whatIfAnswer, error) {
	in := s.in
	a := whatIfAnswer{Workload: in.Workload, AsOf: in.Forecast.Origin, Changes: []whatif.Changed{}, was: in}
	changed, err := whatif.Clone(in)
	if err != nil {
		return a, err
	}
	for i, o := range changed.Options { // what is changed is what holds now
		changed.Options[i] = o.Settled(in.Forecast.Origin)
	}
	for _, c := range changes {
		did, err := whatif.Apply(&changed, s.rows, c.Path, c.Value)
		if err != nil {
			return a, err
		}
		a.Changes = append(a.Changes, did)
	}
	if len(changes) > 0 { // one by one they may pass through what is out of order
		for _, o := range changed.Options {
			if o.API == nil {
				continue
			}
			if err := o.API.Validate(); err != nil {
				return a, fmt.Errorf("options.%s: with all changes: %w", o.Name, err)
			}
		}
	}
	changed.SpendAnew(in)
	a.is = changed
	a.Volume = model.Tokens(whatif.MonthlyTokens(changed.Forecast))
	if months := changed.Forecast.Months; len(months) > 0 {
		last := months[len(months)-1]
		a.InAYear = last.Total.At(0.50) * model.Tokens(730/last.To.Sub(last.From).Hours())
	}
	v, evens := decide.WithBreakEvens(changed)
	a.WhatIf, a.Evens = verdictOf{v.Options, v.Crossover, v.Decision}, evens
	if len(changes) > 0 {
		before := decide.Decide(in)
		a.Today = &verdictOf{before.Options, before.Crossover, before.Decision}
		a.Differs = before.Decision.Option != v.Decision.Option || before.Decision.Reason != v.Decision.Reason
	}
	return a, nil
}

// table writes a for a reader.
func (a whatIfAnswer) table() *bytes.Buffer {
	out := new(bytes.Buffer)
	line := func(format string, args ...any) {
		fmt.Fprintln(out, strings.TrimRight(model.Printable(fmt.Sprintf(format, args...)), " "))
	}
	if a.Workload != "" {
		line("%s", a.Workload)
	}
	growth := "no growth"
	if g := a.is.Forecast.MonthlyGrowth; g != 0 {
		growth = fmt.Sprintf("%s growth a month, %s in a year", model.FormatPercent(g), model.FormatTokens(a.InAYear))
	}
	line("As of %s, %s tokens a month, %s; on %s now.", model.FormatDate(a.AsOf), model.FormatTokens(a.Volume), growth, a.is.Current)
	if len(a.Changes) > 0 {
		line("")
		line("CHANGED")
		aligned(out, changeRows(a.Changes))
	}
	line("")
	aligned(out, a.rows())
	for _, x := range a.crossovers() {
		line("")
		line("%s is cheaper than %s %s%s%s%s", x.Option, x.Against, whatif.Ranges(x), perMonth(x), a.crossing(x), searched(x))
		marks := []whatif.Mark{{Tokens: float64(a.InAYear), Sign: '△'}, {Tokens: float64(a.Volume), Sign: '▲'}}
		for _, drawn := range whatif.Axis(x, marks) {
			line("  %s", drawn)
		}
	}
	if len(a.crossovers()) > 0 {
		unknown := ""
		if slices.ContainsFunc(a.crossovers(), func(x model.Crossover) bool { return x.SearchedTokensPerMonth != nil }) {
			unknown = "   · not searched"
		}
		line("  █ cheaper   ▒ partly   ─ dearer%s   ▲ the volume, at %s%s", unknown, model.FormatTokens(a.Volume), a.yearLegend())
	}
	if lines := a.Evens.Sentences(); len(lines) > 0 {
		line("")
		for _, text := range lines {
			line("%s.", text)
		}
	}
	line("")
	a.decision(line)
	return out
}

func perMonth(x model.Crossover) string {
	if len(x.Intervals) == 0 {
		return ": " + model.NeverText(x.Reason)
	}
	return " tokens a month"
}

// crossing says when the volume gets there.
func (a whatIfAnswer) crossing(x model.Crossover) string {
	var text string
	if x.CrossesOn != "" {
		text += ", reached on " + x.CrossesOn
	}
	switch {
	case x.Overdue(a.AsOf):
		text += fmt.Sprintf("; a move that takes %s would have to begin now", days(a.is.Policy.LeadTime))
	case x.ActBy != "":
		text += "; act by " + x.ActBy
	}
	return text
}

func (a whatIfAnswer) yearLegend() string {
	if a.is.Forecast.MonthlyGrowth == 0 {
		return ""
	}
	return fmt.Sprintf("   △ in a year, at %s", model.FormatTokens(a.InAYear))
}

func changeRows(changes []whatif.Changed) [][]string {
	var rows [][]string
	for _, c := range changes {
		rows = append(rows, []string{"  " + c.Path, c.From, "→ " + c.To})
	}
	return rows
}

// aligned writes rows under each other.
func aligned(out *bytes.Buffer, rows [][]string) {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(plain(row), "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	for l := range strings.Lines(text.String()) {
		fmt.Fprintln(out, strings.TrimRight(l, " \n"))
	}
}

// rows are the table of options.
func (a whatIfAnswer) rows() [][]string {
	head := []string{"OPTION", "KIND"}
	if a.Today != nil {
		head = append(head, "TODAY")
	}
	rows := [][]string{append(head, "COST A MONTH (80% RANGE)", "AGAINST NOW", "PER MTOK", "REPLICAS", "CHEAPER IN", "")}
	now := optionOf(a.WhatIf.Options, a.is.Current)
	for _, o := range a.WhatIf.Options {
		row := []string{o.Option, string(o.Hosting)}
		if a.Today != nil {
			row = append(row, costOf(optionOf(a.Today.Options, o.Option)))
		}
		cost, against, perMTok, replicas, sure := costOf(&o), "", "", "", ""
		if q := o.USDPerMonth; q != nil {
			if low, high := model.FormatUSDBounds(*q); low != high {
				cost += fmt.Sprintf(" (%s to %s)", low, high)
			}
			if now != nil && now.USDPerMonth != nil && o.Option != now.Option {
				difference := q.P50 - now.USDPerMonth.P50
				against = model.FormatUSD(difference)
				if saving := o.SavingUSDPerMonth; saving != nil {
					against = model.FormatUSDKnown(difference, *saving)
				}
				if difference > 0 {
					against = "+" + against
				}
			}
		}
		if p := o.USDPerMTok; p != nil {
			perMTok = strings.TrimSuffix(model.FormatUSDPerMTok(*p), "/Mtok")
		}
		if n := o.Replicas; n != nil {
			replicas = fmt.Sprint(*n)
		}
		if p := o.ProbabilityCheaper; p != nil {
			sure = model.FormatPercent(*p)
		}
		rows = append(rows, append(row, cost, against, perMTok, replicas, sure, a.remark(o)))
	}
	return rows
}

// costOf writes the median cost of o.
func costOf(o *model.OptionCost) string {
	if o == nil || o.USDPerMonth == nil {
		return "?"
	}
	return model.FormatUSDKnown(o.USDPerMonth.P50, *o.USDPerMonth)
}

func signed(v model.USD) string {
	if v > 0 {
		return "+" + model.FormatUSD(v)
	}
	return model.FormatUSD(v)
}

// remark says what a reader must know of o beside its numbers.
func (a whatIfAnswer) remark(o model.OptionCost) string {
	var parts []string
	if o.Option == a.is.Current {
		parts = append(parts, "now")
	}
	if d := a.WhatIf.Decision; d.Recommendation == model.Move && d.Option == o.Option {
		parts = append(parts, "recommended")
	}
	if len(o.Blocked) > 0 {
		parts = append(parts, "not allowed: "+model.BlockedText(o.Blocked))
	}
	if o.Infeasible != "" {
		parts = append(parts, o.Infeasible)
	}
	return strings.Join(parts, "; ")
}

// crossovers are those of every option that is allowed.
func (a whatIfAnswer) crossovers() []model.Crossover {
	var all []model.Crossover
	for _, o := range a.WhatIf.Options {
		if o.Crossover != nil && len(o.Blocked) == 0 {
			all = append(all, *o.Crossover)
		}
	}
	return all
}

// decision writes what is decided and how that differs from today.
func (a whatIfAnswer) decision(line func(string, ...any)) {
	d := a.WhatIf.Decision
	line("DECISION: %s", verdict(d))
	line("  Because %s.", sentence(d.Because))
	if a.Today != nil {
		was := a.Today.Decision
		switch {
		case !a.Differs:
			line("  That is what is decided without the changes too: %s.", sentence(was.Because))
		default:
			line("  Without the changes: %s, because %s.", verdict(was), sentence(was.Because))
		}
	}
	for _, text := range d.WouldChange {
		line("  Would change it: %s.", sentence(text))
	}
	var notes []string
	for _, o := range a.WhatIf.Options {
		if o.Reservation != nil {
			line("  Reservation for %s: %s.", o.Option, o.Reservation.Text())
		}
		if o.Account != nil {
			line("  Account: %s.", o.Account.Text(o.Option))
		}
		for _, w := range o.Warnings {
			if text := sentence(w.Text); !slices.Contains(notes, text) {
				notes = append(notes, text)
				ofAnother := func(other model.OptionCost) bool { return strings.HasPrefix(text, other.Option+" ") }
				if !strings.Contains(text, o.Option) && !slices.ContainsFunc(a.WhatIf.Options, ofAnother) {
					text = o.Option + ": " + text
				}
				line("  Note: %s.", text)
			}
		}
	}
}
