// Package words says an event in plain sentences, for every notifier to show in its own form.
//
// Names and texts from outside lose what could move a cursor or turn the direction of writing. Nothing is escaped: that is
// for whoever knows where the text goes.
package words

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"tipline/alerting"
	"tipline/model"
)

// The longest texts from outside, in characters; the cut is shown.
const (
	MaxName = 80  // of a name
	MaxLine = 400 // of a sentence
	maxID   = 16  // of the id of a decision or a message
)

// Headline returns the verdict of e in one plain sentence, that of a template if it has one. What was answered is said in the built-in words.
func Headline(e alerting.Event) string {
	if e.Headline != "" && e.Reason != alerting.Answered {
		return Clean(e.Headline, MaxLine)
	}
	workload, d := Clean(e.Workload, 60), e.Report.Decision
	switch e.Reason {
	case alerting.Drifted:
		return drifted(workload, e)
	case alerting.PricesMoved:
		return moved(*e.Prices)
	case alerting.Approaching:
		return approaching(workload, e)
	case alerting.Ends:
		return ending(workload, e)
	case alerting.Digested:
		return digested(*e.Digest)
	case alerting.OverBudget:
		return overBudget(*e.Budget)
	case alerting.DataFaulty:
		return faulty(e.Faults)
	case alerting.Summed:
		return summed(*e.Storm)
	case alerting.Answered:
		return fmt.Sprintf("%s: move to %s %s", workload, Clean(d.Option, 40), Answer(*e.Answer))
	case alerting.Unstable:
		return unstable(workload, e)
	case alerting.Reopened:
		return reopened(workload, *e.Outcome)
	case alerting.WorkloadNew:
		return fmt.Sprintf("%s is new, first measured on %s", workload, model.FormatDate(*e.Report.Usage.FirstSample))
	case alerting.WorkloadGone:
		return fmt.Sprintf("%s has not been measured since %s", workload, model.FormatDate(*e.Report.Usage.LastSample))
	case alerting.Tested:
		return "Test message of tipline: nothing has happened"
	default:
	}
	option := Clean(d.Option, 40)
	if e.Reason == alerting.NoOption {
		return fmt.Sprintf("%s: no option may serve it", workload)
	}
	if e.Reason == alerting.Returned {
		return fmt.Sprintf("%s: stay on %s after all", workload, option)
	}
	verb := "move to " + option
	if e.Reason == alerting.Reminded {
		verb = "reminder, " + verb
	}
	if d.Reason == model.ReasonCurrentInfeasible {
		verb = "must move to " + option
	}
	if e.Reason == alerting.Blocked {
		verb = Clean(e.Report.Current, 40) + " may not serve it, " + verb
	}
	if s := d.SavingUSDPerMonth; s != nil && s.P50 > 0 {
		return fmt.Sprintf("%s: %s, saves %s a month", workload, verb, model.FormatUSDKnown(s.P50, *s))
	}
	return fmt.Sprintf("%s: %s", workload, verb)
}

// Answer says what a person made of a move, and who and when.
func Answer(a alerting.Answer) string {
	text := Clean(a.Text, MaxLine)
	if a.By != "" {
		text += " by " + Clean(a.By, MaxName)
	}
	text += " on " + model.FormatDate(a.Time)
	if a.Reason != "" {
		text += ": " + Clean(a.Reason, MaxLine)
	}
	return text
}

// known writes a part of what the current option of w costs, which is known as well as the whole is.
func known(usd model.USD, w model.WorkloadReport) string {
	if q := model.CostOf(w.Options, w.Current); q != nil {
		return model.FormatUSDKnown(usd, *q)
	}
	return model.FormatUSDAbout(usd)
}

// kinds says the kinds of drift in words.
var kinds = map[string]string{
	"volume": "volume", "output_share": "share of generated tokens", "cache_share": "share of cached prompt tokens", "peak_factor": "peak factor",
	"ttft_p95": "time to first token", "throughput": "throughput of a busy GPU", "gpu_utilization": "GPU utilization", "economic_utilization": "economic utilization",
	"error_share": "share of failed requests", "retry_share": "share of requests sent again",
}

// drifted says in one sentence what has drifted and what that does.
func drifted(workload string, e alerting.Event) string {
	d := e.Drifts[0]
	text := workload + ": " + kinds[d.Kind] + " has drifted"
	too := ""
	if more := len(e.Drifts) - 1; more > 0 {
		too = "; " + count(more, "other input") + " too"
	}
	if usd := d.CostUSDPerMonth; usd != nil && *usd > 0 {
		text += fmt.Sprintf(", %s a month more", known(*usd, e.Report))
	} else if usd != nil && *usd < 0 {
		text += fmt.Sprintf(", %s a month less", known(-*usd, e.Report))
	}
	if d.OptionWithout != "" {
		return text + ", and it changes the answer" + too
	}
	return text + ", same answer" + too
}

// Drifts says every drift of e, and what the answer is.
func Drifts(e alerting.Event) []string {
	if e.Body != nil {
		return e.Body
	}
	var lines []string
	for _, d := range e.Drifts {
		lines = append(lines, Sentence(strings.TrimSuffix(d.Text, "; the answer is the same without it"))) // as the headline says
	}
	d := e.Report.Decision
	answer := "The answer now: stay on " + Clean(d.Option, MaxName) + "."
	if d.Recommendation == model.Move {
		answer = "The answer now: move to " + Clean(d.Option, MaxName) + "; that is told by itself once it is confirmed."
	}
	return append(lines, answer)
}

// approaching says in one sentence which threshold is near and until when to act.
func approaching(workload string, e alerting.Event) string {
	x := e.Report.Crossover
	text := fmt.Sprintf("%s: %s will be cheaper around %s", workload, Clean(x.Option, 40), day(x.CrossesOn))
	if x.Overdue(e.Time) {
		return text + ", sooner than a move takes"
	}
	return fmt.Sprintf("%s, act by %s", text, day(x.ActBy))
}

// ending says in one sentence which commitment ends, what is right from then on, and until when to act.
func ending(workload string, e alerting.Event) string {
	c := e.Report.Decision.Commitment
	text := fmt.Sprintf("%s: the commitment to %s ends on %s; move to %s then", workload, Clean(c.Option, 40), day(c.Until), Clean(c.OptionAfter, 40))
	if c.SavingAfterUSDPerMonth != nil {
		text += fmt.Sprintf(", saves %s a month", model.FormatUSDAbout(*c.SavingAfterUSDPerMonth))
	}
	if at, err := time.Parse(time.DateOnly, c.ActBy); err == nil && at.Before(e.Time) {
		return text + "; a move takes longer than that, act now"
	}
	return text + "; act by " + day(c.ActBy)
}

// digested says in one line how things stand; of a quiet g that is all there is to say.
func digested(g model.Digest) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Workloads: %d quiet", g.Quiet)
	for _, c := range []struct{ kind, what string }{
		{model.DigestApproaching, "approaching"},
		{model.DigestUnstable, "unstable"},
		{model.DigestDecide, "to decide"},
		{model.DigestSeen, "seen"},
		{model.DigestMigrating, "being moved"},
		{model.DigestSnoozed, "snoozed"},
		{model.DigestNew, "new"},
		{model.DigestVanished, "vanished"},
		{model.DigestUnknown, "not known"},
	} {
		if n := g.Count(c.kind); n > 0 {
			fmt.Fprintf(&text, ", %d %s", n, c.what)
		}
	}
	if len(g.Items) > 0 {
		return text.String()
	}
	if m := g.Month; m != nil {
		fmt.Fprintf(&text, "; %s: %s so far, %s projected", month(m.Month), model.FormatUSD(m.SpentUSD), model.FormatUSDKnown(m.Projected.P50, m.Projected))
	}
	if g.Graded > 0 {
		fmt.Fprintf(&text, "; projections of a week missed by %s", model.FormatPercent(g.ErrorRatio))
	}
	return text.String()
}

// Digest says what g holds, a sentence a line; of a quiet one the headline says it.
func Digest(g model.Digest) []string {
	if len(g.Items) == 0 {
		return nil
	}
	var lines []string
	if g.Costed > 0 {
		line := fmt.Sprintf("The options in use cost %s a month at the projected volumes, of %s", model.FormatUSDAbout(g.USDPerMonth), count(g.Costed, "workload"))
		if g.Graded > 0 {
			line += fmt.Sprintf("; projections of a week missed by %s, the median of %s", model.FormatPercent(g.ErrorRatio), count(g.Graded, "workload"))
		}
		lines = append(lines, line+".")
	}
	if m := g.Month; m != nil {
		lines = append(lines, fmt.Sprintf("%s: %s so far, %s projected (80%% range %s), of %s.", month(m.Month),
			model.FormatUSD(m.SpentUSD), model.FormatUSDKnown(m.Projected.P50, m.Projected), model.FormatUSDRange(m.Projected), count(m.Workloads, "workload")))
	}
	for n, i := range g.Items {
		if n == alerting.DigestItems {
			return append(lines, fmt.Sprintf("And %d more in the report.", len(g.Items)-n))
		}
		name := Clean(i.Workload, MaxName)
		if slices.Contains([]string{model.DigestDrift, model.DigestMigrating, model.DigestSnoozed, model.DigestSeen, model.DigestNew, model.DigestVanished, model.DigestUnstable}, i.Kind) {
			name += ", " + i.Kind
		}
		text := strings.TrimSuffix(Clean(i.Text, MaxLine), ".")
		if i.Notifier != "" {
			lines = append(lines, fmt.Sprintf("Messages to %s: %s.", Clean(i.Notifier, MaxName), text))
			continue
		}
		if i.Kind == model.DigestFault {
			lines = append(lines, fmt.Sprintf("Source %s: %s.", Clean(i.Source, MaxName), text))
			continue
		}
		if i.Kind == model.DigestTogether {
			name = "Together"
		}
		lines = append(lines, fmt.Sprintf("%s: %s (receipt %s).", name, text, i.Receipt))
	}
	return lines
}

// moved says in one sentence whose prices change and what that does.
func moved(p model.PriceEvent) string {
	var options []string
	for _, m := range p.Moves {
		if name := Clean(m.Option, 40); !slices.Contains(options, name) {
			options = append(options, name)
		}
	}
	who := strings.Join(options, ", ")
	if len(options) > 2 {
		who = fmt.Sprintf("%s and %s", options[0], count(len(options)-1, "other option"))
	}
	text := fmt.Sprintf("Prices of %s changed", who)
	if p.Ahead {
		text = fmt.Sprintf("Prices of %s change on %s", who, day(p.From))
	}
	switch usd := p.CostUSDPerMonth; {
	case usd >= 1:
		text += fmt.Sprintf(": %s a month more", model.FormatUSDAbout(usd))
	case usd <= -1:
		text += fmt.Sprintf(": %s a month less", model.FormatUSDAbout(-usd))
	}
	if n := len(p.Flips); n > 0 {
		text += fmt.Sprintf(", %s %s", count(n, "answer"), map[bool]string{true: "changes", false: "change"}[n == 1])
	}
	return text
}

// most is how many things of one kind a sentence lists; the rest is counted.
const most = 10

// Prices says a change of prices and what it does, a sentence a line.
func Prices(p model.PriceEvent) []string {
	var lines []string
	list := func(texts []string) {
		if more := len(texts) - most; more > 0 {
			texts = append(texts[:most:most], fmt.Sprintf("And %d more.", more))
		}
		lines = append(lines, texts...)
	}
	var moves, flips []string
	for _, m := range p.Moves {
		moves = append(moves, Sentence(Clean(m.Text(), MaxLine)))
	}
	list(moves)
	costs := "the options they are on now cost as much as before"
	if p.CostUSDPerMonth >= 1 || p.CostUSDPerMonth <= -1 { // the headline has the amount
		costs = "the amount is of the options that they are on now, at the projected volumes"
	}
	lines = append(lines, fmt.Sprintf("%s could be on these; %s.", count(p.Workloads, "workload"), costs))
	for _, f := range p.Flips {
		flips = append(flips, fmt.Sprintf("%s: “%s” becomes “%s” (receipt %s).", Clean(f.Workload, MaxName), Clean(f.Before, MaxName), Clean(f.After, MaxName), f.Receipt))
	}
	list(flips)
	if len(p.Flips) == 0 {
		lines = append(lines, "Every answer stays as it is.")
	}
	for _, group := range []struct {
		what  string
		names []string
	}{{"A move is closer for", p.Closer}, {"The cost is not known before or after for", p.Unknown}} {
		if len(group.names) == 0 {
			continue
		}
		var names []string
		for _, name := range group.names[:min(len(group.names), most)] {
			names = append(names, Clean(name, MaxName))
		}
		line := group.what + " " + strings.Join(names, ", ")
		if more := len(group.names) - most; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		lines = append(lines, line+".")
	}
	return lines
}

// Text returns e as plain text that is complete on its own, and without markup.
func Text(e alerting.Event) string {
	parts := []string{strings.TrimSuffix(Headline(e), ".") + "."}
	for _, line := range Below(e) {
		parts = append(parts, Clean(line, 2*MaxLine))
	}
	if e.Reason != alerting.Tested {
		parts = append(parts, "Receipt "+Clean(e.Receipt(), maxID)+".")
	}
	return strings.Join(parts, " ")
}

// Below returns what e says below its headline, a sentence a line, without the receipt.
func Below(e alerting.Event) []string {
	if e.Body != nil {
		return e.Body
	}
	if said, ok := AboutNone(e); ok {
		return said
	}
	if said, ok := News(e); ok {
		return said
	}
	var all []string
	for _, line := range []string{Because(e), Volume(e.Report), When(e), Rests(e.Report)} {
		if line != "" {
			all = append(all, line)
		}
	}
	return all
}

// News says what e says below its headline, a sentence a line, when it is about a workload and tells no verdict on it, and false when it tells one.
func News(e alerting.Event) ([]string, bool) {
	switch e.Reason {
	case alerting.Drifted:
		return Drifts(e), true
	case alerting.WorkloadNew, alerting.WorkloadGone:
		return Presence(e), true
	default:
		return nil, false
	}
}

// Presence says what is known of a workload that began or ended.
func Presence(e alerting.Event) []string {
	w := e.Report
	source := Clean(w.Source, MaxName)
	if e.Reason == alerting.WorkloadGone {
		return []string{
			fmt.Sprintf("Its source %s is read as before, and other workloads are measured there.", source),
			"If it was switched off, nothing is to be done. If it has other labels now, name it in was of the stanza of the one that took its place.",
		}
	}
	lines := []string{fmt.Sprintf("It is counted at the source %s, which was read before it began.", source)}
	if used := w.Usage.Last30dTokens; used != nil {
		lines = append(lines, fmt.Sprintf("It used %s tokens so far.", model.FormatTokens(*used)))
	}
	if w.Current == "" {
		return append(lines, "No stanza of workloads says what serves it, so it has no cost.")
	}
	if usd := model.CostOf(w.Options, w.Current); usd != nil {
		lines = append(lines, fmt.Sprintf("On %s it costs %s a month at the projected volume.", Clean(w.Current, MaxName), model.FormatUSDKnown(usd.P50, *usd)))
	}
	return lines
}

// Because says why the verdict of e is what it is, and of a move that was made what it was to save.
func Because(e alerting.Event) string {
	if e.Body != nil {
		return strings.Join(e.Body, " ")
	}
	because := Sentence(uncoded(e.Report.Decision.Because))
	switch u := e.Unsettled; {
	case e.Told().Reason == alerting.Unstable:
		because = swings(e)
	case e.Reason == alerting.NoOption:
		because = excluded(e.Report)
	case u != nil:
		because = fmt.Sprintf("It was unstable from %s on, and has stood for %d days now. %s", model.FormatDate(u.Since), alerting.CalmDays, because)
	}
	if line := saving(e.Report.Decision); line != "" {
		because += " " + line
	}
	if o := e.Outcome; o != nil {
		because = fmt.Sprintf("Moved from %s on %s. %s", Clean(o.From, MaxName), model.FormatDate(o.Made), because)
	}
	return because
}

// saving says how sure the saving is that a decision is about; empty when there is none.
func saving(d model.Decision) string {
	s := d.SavingUSDPerMonth
	if s == nil {
		return ""
	}
	line := fmt.Sprintf("The 80%% range of the saving is %s", model.FormatUSDRange(*s))
	if p := d.ProbabilityCheaper; p != nil {
		share := model.FormatPercent(*p) + " of futures"
		switch {
		case *p >= 0.995:
			share = "every future that was looked at"
		case *p < 0.005:
			share = "no future that was looked at"
		}
		line += "; over the next year moving costs less in " + share
	}
	if d.PaybackMonths != nil && d.Prospect == nil {
		line += fmt.Sprintf(", and pays back in %.1f months", *d.PaybackMonths)
	}
	return line + "."
}

// excluded says why none of the options of w may serve it, those with the same reason together.
func excluded(w model.WorkloadReport) string {
	var reasons []string
	names := map[string][]string{}
	for _, o := range w.Options {
		why := model.BlockedText(o.Blocked)
		if why == "" {
			why = cmp.Or(Clean(o.Infeasible, MaxLine), "its cost is not known")
		}
		if names[why] == nil {
			reasons = append(reasons, why)
		}
		names[why] = append(names[why], Clean(o.Option, 40))
	}
	if len(reasons) == 0 {
		return Sentence(uncoded(w.Decision.Because))
	}
	for i, why := range reasons {
		who := names[why]
		if more := len(who) - most; more > 0 {
			who = append(who[:most:most], fmt.Sprintf("%d more", more))
		}
		reasons[i] = strings.Join(who, ", ") + " (" + why + ")"
	}
	return Shorten("Excluded: "+strings.Join(reasons, "; "), 2*MaxLine) + "."
}

// reopened says in one sentence what a move that was made saves.
func reopened(workload string, o alerting.Outcome) string {
	saves := "saves " + model.FormatUSDAbout(o.Saves)
	if o.Saves < 0 {
		saves = "costs " + model.FormatUSDAbout(-o.Saves) + " more"
	}
	return fmt.Sprintf("%s: the move from %s %s a month, where %s was expected", workload, Clean(o.From, 40), saves, model.FormatUSDAbout(o.Promised))
}

// AboutNone says what e says below its headline, a sentence a line, when it is about no single workload, and false when it is about one.
func AboutNone(e alerting.Event) ([]string, bool) {
	said, ok := aboutNone(e)
	if ok && e.Body != nil {
		return e.Body, true
	}
	return said, ok
}

func aboutNone(e alerting.Event) ([]string, bool) {
	switch e.Reason {
	case alerting.PricesMoved:
		return Prices(*e.Prices), true
	case alerting.Digested:
		return Digest(*e.Digest), true
	case alerting.OverBudget:
		return Budget(*e.Budget), true
	case alerting.DataFaulty:
		return Faults(e.Faults), true
	case alerting.Summed:
		return Summed(*e.Storm), true
	case alerting.Tested:
		return []string{"What tipline has to say arrives here."}, true
	default:
		return nil, false
	}
}

// Volume says what was used lately and what is projected; empty when nothing is.
func Volume(w model.WorkloadReport) string {
	if w.Forecast == nil {
		return ""
	}
	next := w.Forecast.Next30dTokens
	line := fmt.Sprintf("next 30 days %s tokens (80%% range %s to %s)", model.FormatTokens(next.P50), model.FormatTokens(next.P10), model.FormatTokens(next.P90))
	if used := w.Usage.Last30dTokens; used != nil {
		line = fmt.Sprintf("%s %s tokens → ", lately(w.Usage), model.FormatTokens(*used)) + line
	}
	if g := w.Forecast.MonthlyGrowthRatio; g >= 0.005 || g <= -0.005 {
		line += fmt.Sprintf(", %s a month", signed(g))
	}
	return Sentence(line)
}

// lately names the span whose tokens are known: the last 30 days, or less when the workload is younger.
func lately(u model.UsageSummary) string {
	if u.FirstSample != nil && u.LastSample != nil {
		if days := int(u.LastSample.Sub(*u.FirstSample).Hours() / 24); days < 30 {
			return "last " + count(max(1, days), "day")
		}
	}
	return "last 30 days"
}

// When says when to act; empty when there is no date, or the headline says it.
func When(e alerting.Event) string {
	switch w, x := e.Report, e.Report.Crossover; {
	case (e.Reason == alerting.Approaching || e.Reason == alerting.Ends) && e.Headline == "", e.Told().Reason == alerting.Unstable:
		return ""
	case e.Reason == alerting.NoOption:
		return "Act now: what serves it is not allowed to."
	case w.Decision.Reason == model.ReasonCurrentInfeasible:
		return "Act now: " + notAllowed(w) + "."
	case w.Decision.Recommendation == model.Move:
		return "Act now: the projected volume is already there."
	case x == nil || x.CrossesOn == "" && x.ActBy == "":
		return ""
	case x.CrossesOn == "" && x.Overdue(e.Time):
		return "If the volume takes the upper path it crosses sooner than a move takes: act now."
	case x.Overdue(e.Time):
		return fmt.Sprintf("Crosses around %s, sooner than a move takes: act now.", day(x.CrossesOn))
	case x.CrossesOn == "":
		return fmt.Sprintf("Act by %s if the volume takes the upper path.", day(x.ActBy))
	default:
		return fmt.Sprintf("Crosses around %s; act by %s.", day(x.CrossesOn), day(x.ActBy))
	}
}

// notAllowed says until when the current option of w, which may not stay, still serves it, when its model is retired.
func notAllowed(w model.WorkloadReport) string {
	for _, o := range w.Options {
		for _, warning := range o.Warnings {
			if o.Option == w.Current && warning.Code == "RETIRES" {
				served, _, _ := strings.Cut(Clean(warning.Text, MaxLine), ";")
				return served
			}
		}
	}
	return "what serves it is not allowed to"
}

// day writes a date such as 2027-01-12 for a reader.
func day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "an unknown date"
	}
	return model.FormatDate(t)
}

// Reasons says what speaks for the verdict.
func Reasons(w model.WorkloadReport) []string {
	d := w.Decision
	var lines []string
	if x := w.Crossover; x != nil && x.FirstTokensPerMonth != nil {
		line := fmt.Sprintf("%s is cheaper than %s from %s tokens a month", Clean(x.Option, MaxName), Clean(x.Against, MaxName), model.FormatTokens(*x.FirstTokensPerMonth))
		if p := x.PermanentTokensPerMonth; p != nil && *p != *x.FirstTokensPerMonth {
			line += ", for good from " + model.FormatTokens(*p)
		}
		lines = append(lines, line+".")
	}
	for _, o := range w.Options {
		if o.Option == w.Current && o.EconomicUtilizationRatio != nil && o.IdleUSDPerMonth != nil {
			lines = append(lines, fmt.Sprintf("The fleet serves %s of the tokens that it could; %s a month pay for idle capacity.",
				model.FormatPercent(*o.EconomicUtilizationRatio), known(*o.IdleUSDPerMonth, w)))
		}
	}
	for _, o := range w.Options {
		if o.Account != nil && (o.Option == w.Current || o.Option == d.Option) {
			lines = append(lines, account(o, w))
		}
	}
	for _, moved := range w.Drift {
		if moved.Material {
			lines = append(lines, Sentence(moved.Text))
		}
	}
	if line := since(w); line != "" && d.Reason != model.ReasonNoFeasibleOption {
		lines = append(lines, line)
	}
	if d.DiffersBecause != "" {
		lines = append(lines, fmt.Sprintf("A rule of thumb would say %s; here %s.", d.RuleOfThumb, model.DiffersText(d.DiffersBecause)))
	}
	return lines
}

// account says that the cost of o counts what others use of its account, whose tokens those are, and what is its share.
func account(o model.OptionCost, w model.WorkloadReport) string {
	a := o.Account
	var uses, names []string
	if a.TokensPerMonth > 0 {
		for _, s := range a.Workloads[:min(len(a.Workloads), 3)] {
			names = append(names, Clean(s.Workload, MaxName)+" "+model.FormatTokens(s.TokensPerMonth))
		}
		if more := len(a.Workloads) + a.More - len(names); more > 0 && len(names) > 0 {
			names = append(names, count(more, "more workload"))
		}
		use := "use " + model.FormatTokens(a.TokensPerMonth) + " tokens a month"
		if len(names) > 0 {
			use += " (" + strings.Join(names, ", ") + ")"
		}
		uses = append(uses, use)
	}
	if a.Contract != "" {
		uses = append(uses, fmt.Sprintf("spend %s a month on other models of the contract %s", known(a.ElsewhereUSDPerMonth, w), Clean(a.Contract, MaxName)))
	}
	line := fmt.Sprintf("The cost of %s is what it adds to the bill of an account of which others %s", Clean(o.Option, MaxName), strings.Join(uses, " and "))
	if share := a.ShareUSDPerMonth; share != nil {
		line += fmt.Sprintf("; its share of that bill is %s", known(*share, w))
	}
	return line + "."
}

// WouldChange says what would change the answer of w, without what Reasons says already.
func WouldChange(w model.WorkloadReport) []string {
	said := "" // the threshold
	if x := w.Crossover; x != nil && x.FirstTokensPerMonth != nil {
		said = " than " + model.FormatTokens(*x.FirstTokensPerMonth) + " tokens a month"
	}
	var lines []string
	for _, text := range w.Decision.WouldChange {
		if said == "" || !strings.Contains(text, said) {
			lines = append(lines, Sentence(uncoded(text)))
		}
	}
	return lines
}

// Takes says what the move that e is about would take; nothing where there is none.
func Takes(e alerting.Event) []string {
	w, d := e.Report, e.Report.Decision
	option, prospect := d.Option, d.Prospect
	switch {
	case e.Told().Reason == alerting.Unstable:
		return nil
	case d.Recommendation == model.Move:
	case e.Told().Reason == alerting.Approaching && w.Crossover != nil:
		option, prospect = w.Crossover.Option, nil
	case e.Told().Reason == alerting.Ends && d.Commitment != nil:
		option, prospect = d.Commitment.OptionAfter, nil
	default:
		return nil
	}
	var lines []string
	for _, o := range w.Options {
		if o.Option != option {
			continue
		}
		if o.Replicas != nil && *o.Replicas > 0 {
			lines = append(lines, fmt.Sprintf("Run %s of %s.", count(int(*o.Replicas), "replica"), Clean(o.Option, MaxName)))
		}
		if prospect == nil {
			prospect = o.Prospect
		}
	}
	if option == "" {
		return nil
	}
	if p := prospect; p != nil {
		switch {
		case p.UpfrontUSD <= 0:
			lines = append(lines, "Nothing is to be paid up front.")
		case d.PaybackMonths != nil && d.Recommendation == model.Move:
			lines = append(lines, fmt.Sprintf("The migration costs %s once, paid back in %.1f months.", model.FormatUSD(p.UpfrontUSD), *d.PaybackMonths))
		default:
			lines = append(lines, fmt.Sprintf("The migration costs %s once.", model.FormatUSD(p.UpfrontUSD)))
		}
	}
	if c := d.Commitment; c != nil && e.Told().Reason != alerting.Ends { // which says it
		lines = append(lines, fmt.Sprintf("Of %s, %s a month stays due until %s.", Clean(c.Option, MaxName), model.FormatUSD(c.USDPerMonth), day(c.Until)))
	}
	return lines
}

// since says what moved the cost since the decision that was said last, the largest part first; empty when none was said or it did not move
// by a dollar.
func since(w model.WorkloadReport) string {
	m := w.Moved
	if m == nil || m.Said == "" || m.Cost.ChangeUSDPerMonth > -1 && m.Cost.ChangeUSDPerMonth < 1 {
		return ""
	}
	more := func(usd model.USD) string {
		if usd < 0 {
			return known(-usd, w) + " less"
		}
		return known(usd, w) + " more"
	}
	parts := slices.SortedStableFunc(slices.Values(m.Cost.Parts), func(a, b model.ChangePart) int {
		return cmp.Compare(math.Abs(float64(b.USDPerMonth)), math.Abs(float64(a.USDPerMonth)))
	})
	var by []string
	for _, p := range parts {
		if p.USDPerMonth >= 1 || p.USDPerMonth <= -1 {
			by = append(by, fmt.Sprintf("%s %s", p.Input, more(p.USDPerMonth)))
		}
	}
	return fmt.Sprintf("Since the answer of %s %s costs %s a month: %s.", model.FormatDate(m.Since), Clean(m.Option, MaxName), more(m.Cost.ChangeUSDPerMonth), strings.Join(by, ", "))
}

// Rests says how much of the verdict on w rests on capacity that nobody measured; empty when nothing does.
func Rests(w model.WorkloadReport) string {
	if a := w.Decision.AssumedCapacity; a != nil && len(a.Numbers) > 0 {
		return Sentence(Clean(a.Text(), MaxLine))
	}
	return ""
}

// Doubts lists what makes the numbers uncertain: how much rests on numbers that nobody measured first, the age of prices last.
func Doubts(w model.WorkloadReport) []string {
	var lines, ages []string
	if rests := Rests(w); rests != "" {
		lines = append(lines, rests)
	}
	seen := map[string]bool{}
	add := func(warnings []model.Warning) {
		for _, warning := range warnings {
			text := Sentence(warning.Text)
			switch {
			case seen[text]:
			case warning.Code == "PRICE_OLD":
				ages = append(ages, text)
			default:
				lines = append(lines, text)
			}
			seen[text] = true
		}
	}
	add(w.Warnings)
	if w.Forecast != nil {
		add(w.Forecast.Warnings)
	}
	for _, o := range w.Options {
		if o.Option == w.Decision.Option || o.Option == w.Current {
			add(o.Warnings)
		}
	}
	return append(lines, ages...)
}

var (
	constraint = regexp.MustCompile(`\bwithout the constraint ([A-Z_]+)\b`)
	coded      = regexp.MustCompile(`\([A-Z_]+(, [A-Z_]+)*\)`) // an option may be called like a code
)

// uncoded says the codes of constraints in text in words.
func uncoded(text string) string {
	text = constraint.ReplaceAllStringFunc(text, func(found string) string {
		return cmp.Or(model.WaivedText(strings.TrimPrefix(found, "without the constraint ")), found)
	})
	return coded.ReplaceAllStringFunc(text, func(codes string) string {
		return "(" + model.BlockedText(strings.Split(strings.Trim(codes, "()"), ", ")) + ")"
	})
}

// Sentence begins text with a capital letter and ends it with a full stop.
func Sentence(text string) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) == 0 {
		return ""
	}
	if !unicode.Is(unicode.Letter, runes[0]) || len(runes) > 1 && !unicode.IsLower(runes[1]) && runes[1] != ' ' {
		return strings.TrimSuffix(string(runes), ".") + "."
	}
	runes[0] = unicode.ToUpper(runes[0])
	return strings.TrimSuffix(string(runes), ".") + "."
}

// count puts n before thing, in the plural when it is not one.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func signed(g model.Fraction) string {
	if g > 0 {
		return "+" + model.FormatPercent(g)
	}
	return model.FormatPercent(g)
}

// Clean makes a text from outside harmless: what is not printable is a space, and spaces in a row are one; at most most characters, the cut
// being shown.
func Clean(text string, most int) string {
	text = strings.ReplaceAll(model.Printable(text), string(unicode.ReplacementChar), " ")
	return Shorten(strings.Join(strings.Fields(text), " "), most)
}

// Shorten cuts text to at most most runes and says so with an ellipsis.
func Shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}
