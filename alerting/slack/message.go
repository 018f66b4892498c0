package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/model"
)

// The limits of Block Kit in characters; see docs.slack.dev, Block Kit reference.
const (
	maxHeader  = 150
	maxSection = 3000
	maxText    = 3900 // of the text beside the blocks; Slack cuts at 40,000 and advises 4,000
	maxOptions = 8    // options listed; more are counted
	maxLines   = 5    // sentences of one kind; more are counted
	maxName    = 80   // of a name from outside
	maxLine    = 400  // of a sentence from outside
)

// clean makes a text from outside harmless: no control characters, no change of writing direction, and at most most
// characters, the cut being shown.
func clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == unicode.ReplacementChar:
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), unicode.Is(unicode.Cf, r) && r != '\u200d':
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	return shorten(strings.Join(strings.Fields(text), " "), most)
}

// shorten cuts text to at most most runes and says so with an ellipsis.
func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// words writes a text from outside inside mrkdwn, where it can neither ping nor link nor format.
func words(text string, most int) string {
	// Slack has no escape for * _ ~ and `, so each is followed by a word joiner, which keeps it from opening a span.
	text = escaper.Replace(clean(text, most))
	for _, mark := range []string{"*", "_", "~", "`"} {
		text = strings.ReplaceAll(text, mark, mark+"\u2060")
	}
	return text
}

// name writes a name from outside as code inside mrkdwn.
func name(text string) string {
	return "`" + escaper.Replace(strings.ReplaceAll(clean(text, maxName), "`", "'")) + "`"
}

// Headline returns the verdict of e in one plain sentence.
func Headline(e alerting.Event) string {
	workload, d := clean(e.Workload, 60), e.Report.Decision
	option := clean(d.Option, 40)
	if e.Reason == alerting.NoOption {
		return fmt.Sprintf("%s: no option may serve it", workload)
	}
	if e.Reason == alerting.Returned {
		return fmt.Sprintf("%s: stay on %s after all", workload, option)
	}
	verb := "move to " + option
	if d.Reason == model.ReasonCurrentInfeasible {
		verb = "must move to " + option
	}
	if s := d.SavingUSDPerMonth; s != nil && s.P50 > 0 {
		return fmt.Sprintf("%s: %s, saves %s a month", workload, verb, model.FormatUSD(s.P50))
	}
	return fmt.Sprintf("%s: %s", workload, verb)
}

// Text returns e as plain text that is complete on its own, for notifications and for receivers without blocks.
func Text(e alerting.Event) string {
	parts := []string{Headline(e) + ".", clean(sentence(e.Report.Decision.Because), maxLine)}
	if line := volumeLine(e.Report); line != "" {
		parts = append(parts, line)
	}
	if line := whenLine(e); line != "" {
		parts = append(parts, line)
	}
	parts = append(parts, "Receipt "+e.Report.Decision.ID+".")
	return shorten(escaper.Replace(strings.Join(parts, " ")), maxText)
}

// Blocks returns e as Block Kit within every limit: verdict, volume, cost of every option, reason, what would change the
// answer, when to act, and where the numbers come from.
func Blocks(e alerting.Event) []slackapi.Block {
	w := e.Report
	blocks := []slackapi.Block{
		slackapi.NewHeaderBlock(slackapi.NewTextBlockObject(slackapi.PlainTextType, shorten(Headline(e), maxHeader), false, false)),
		section("*" + model.FormatDate(e.Time) + "* · now on " + name(w.Current) + previous(e) + "\n" + words(sentence(w.Decision.Because), 2*maxLine)),
	}
	if line := volumeLine(w); line != "" {
		blocks = append(blocks, section("*Volume*\n"+escaper.Replace(line)))
	}
	if len(w.Options) > 0 {
		blocks = append(blocks, section("*Cost at the projected volume*, for a month of 730 hours\n"+strings.Join(optionLines(w), "\n")))
	}
	if lines := reasons(w); len(lines) > 0 {
		blocks = append(blocks, section("*Why*\n"+bullets(lines)))
	}
	if len(w.Decision.WouldChange) > 0 {
		blocks = append(blocks, section("*What would change the answer*\n"+bullets(w.Decision.WouldChange)))
	}
	if line := whenLine(e); line != "" {
		blocks = append(blocks, section("*When*\n"+escaper.Replace(line)))
	}
	if lines := doubts(w); len(lines) > 0 {
		blocks = append(blocks, section("*Mind*\n"+bullets(lines)))
	}
	return append(blocks, slackapi.NewDividerBlock(), footer(e))
}

// section returns a section of mrkdwn; what is above the limit is cut, and the cut shown.
func section(text string) slackapi.Block {
	return slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, shorten(text, maxSection), false, false), nil, nil)
}

// bullets lists lines, each from outside; beyond maxLines they are counted.
func bullets(lines []string) string {
	var out []string
	for i, line := range lines {
		if i == maxLines {
			out = append(out, fmt.Sprintf("• +%d more in the report", len(lines)-i))
			break
		}
		out = append(out, "• "+words(line, maxLine))
	}
	return strings.Join(out, "\n")
}

// sentence begins text with a capital letter and ends it with a full stop.
func sentence(text string) string {
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

func previous(e alerting.Event) string {
	text := ""
	if e.Previous != "" && e.Previous != e.Report.Current {
		text = ", earlier advice " + name(e.Previous)
	}
	for _, s := range e.Superseded {
		text += fmt.Sprintf("; on %s it was %s, not sent before it changed", model.FormatDate(s.Time), name(s.Option))
	}
	if e.Repeat {
		text += " · may repeat an earlier message"
	}
	return text
}

func volumeLine(w model.WorkloadReport) string {
	if w.Forecast == nil {
		return ""
	}
	next := w.Forecast.Next30dTokens
	line := fmt.Sprintf("next 30 days %s tokens (80 %% range %s to %s)", model.FormatTokens(next.P50), model.FormatTokens(next.P10), model.FormatTokens(next.P90))
	if used := w.Usage.Last30dTokens; used != nil {
		line = fmt.Sprintf("%s %s tokens → ", lately(w.Usage), model.FormatTokens(*used)) + line
	}
	if g := w.Forecast.MonthlyGrowthRatio; g >= 0.005 || g <= -0.005 {
		line += fmt.Sprintf(", %s a month", signed(g))
	}
	return sentence(line)
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

// optionLines lists what every option would cost, the recommended and the current one first.
func optionLines(w model.WorkloadReport) []string {
	var first, rest []string
	for _, o := range w.Options {
		mark := "▫"
		switch o.Option {
		case w.Decision.Option:
			mark = "✓"
		case w.Current:
			mark = "▪"
		}
		line := mark + " " + name(o.Option) + " " + price(o)
		if o.Option == w.Current {
			line += " · now"
		}
		if len(o.Blocked) > 0 {
			line += " · not allowed: " + words(strings.Join(o.Blocked, ", "), 120)
		}
		if mark == "▫" {
			rest = append(rest, line)
			continue
		}
		first = append(first, line)
	}
	lines := slices.Concat(first, rest)
	if len(lines) > maxOptions {
		more := len(lines) - maxOptions
		lines = append(lines[:maxOptions], fmt.Sprintf("+%d more options in the report", more))
	}
	return lines
}

func price(o model.OptionCost) string {
	if o.USDPerMonth == nil {
		return words(o.Infeasible, 160)
	}
	q := *o.USDPerMonth
	text := "*" + model.FormatUSD(q.P50) + "* a month"
	if low, high := model.FormatUSD(q.P10), model.FormatUSD(q.P90); low != high {
		text += " (" + low + " to " + high + ")"
	}
	if o.USDPerMTok != nil {
		text += ", " + model.FormatUSDPerMTok(*o.USDPerMTok)
	}
	if o.Replicas != nil {
		text += fmt.Sprintf(", %d %s", *o.Replicas, plural("replica", *o.Replicas))
	}
	if o.OwnShareRatio != nil {
		text += ", " + model.FormatPercent(*o.OwnShareRatio) + " on own GPUs"
	}
	return text
}

func plural(thing string, n int64) string {
	if n == 1 {
		return thing
	}
	return thing + "s"
}

// reasons says what speaks for the verdict.
func reasons(w model.WorkloadReport) []string {
	d := w.Decision
	var lines []string
	if s := d.SavingUSDPerMonth; s != nil {
		line := fmt.Sprintf("saving %s a month (80 %% range %s to %s)", model.FormatUSD(s.P50), model.FormatUSD(s.P10), model.FormatUSD(s.P90))
		if d.ProbabilityCheaper != nil {
			line += fmt.Sprintf(", cheaper over the next year with probability %s", model.FormatPercent(*d.ProbabilityCheaper))
		}
		if d.PaybackMonths != nil {
			line += fmt.Sprintf(", pays back in %.1f months", *d.PaybackMonths)
		}
		lines = append(lines, sentence(line))
	}
	if x := w.Crossover; x != nil && x.FirstTokensPerMonth != nil {
		line := fmt.Sprintf("%s is cheaper than %s from %s tokens a month", clean(x.Option, maxName), clean(x.Against, maxName), model.FormatTokens(*x.FirstTokensPerMonth))
		if p := x.PermanentTokensPerMonth; p != nil && *p != *x.FirstTokensPerMonth {
			line += ", for good from " + model.FormatTokens(*p)
		}
		lines = append(lines, line+".")
	}
	for _, o := range w.Options {
		if o.Option == w.Current && o.EconomicUtilizationRatio != nil && o.IdleUSDPerMonth != nil {
			lines = append(lines, fmt.Sprintf("The fleet serves %s of the tokens that it could; %s a month pay for idle capacity.",
				model.FormatPercent(*o.EconomicUtilizationRatio), model.FormatUSD(*o.IdleUSDPerMonth)))
		}
	}
	if d.DiffersBecause != "" {
		lines = append(lines, fmt.Sprintf("The rule of thumb says %s; this differs because of %s.", d.RuleOfThumb, d.DiffersBecause))
	}
	return lines
}

// whenLine says when to act.
func whenLine(e alerting.Event) string {
	switch w, x := e.Report, e.Report.Crossover; {
	case w.Decision.Recommendation == model.Move:
		return "Now: the projected volume is already there."
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

// day writes a date such as 2027-01-12 for a reader.
func day(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "an unknown date"
	}
	return model.FormatDate(t)
}

// doubts lists what makes the numbers uncertain.
func doubts(w model.WorkloadReport) []string {
	var lines []string
	seen := map[string]bool{}
	add := func(warnings []model.Warning) {
		for _, warning := range warnings {
			if text := sentence(warning.Text); !seen[text] {
				seen[text] = true
				lines = append(lines, text)
			}
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
	return lines
}

// footer says where the numbers come from.
func footer(e alerting.Event) slackapi.Block {
	sources := map[string]bool{}
	var names []string
	for _, o := range e.Report.Options {
		if o.Option != e.Report.Decision.Option && o.Option != e.Report.Current {
			continue
		}
		for _, p := range o.Prices {
			source := p.Source
			if p.Date != "" {
				source += " (" + p.Date + ")"
			}
			if !sources[source] {
				sources[source] = true
				names = append(names, source)
			}
		}
	}
	elements := []slackapi.MixedElement{plain("Receipt " + e.Report.Decision.ID + " · " + e.Report.Decision.Reason)}
	if len(names) > 0 {
		elements = append(elements, plain("Prices: "+clean(strings.Join(names, "; "), maxLine)))
	}
	return slackapi.NewContextBlock("", elements...)
}

func plain(text string) slackapi.MixedElement {
	return slackapi.NewTextBlockObject(slackapi.PlainTextType, shorten(text, 2*maxLine), false, false)
}
