package slack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/words"
	"tipline/model"
)

// The limits of Block Kit in characters; see docs.slack.dev, Block Kit reference.
const (
	maxHeader  = 150
	maxSection = 3000
	maxAll     = 8000 // of all sections: with header, buttons and footer they stay below 12,000
	maxText    = 3900 // of the text beside the blocks; Slack cuts at 40,000 and advises 4,000
	maxOptions = 8    // options listed; more are counted
	maxLines   = 5    // sentences of one kind; more are counted
)

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// inert writes a text from outside inside mrkdwn, where it can neither ping nor link nor format.
func inert(text string, most int) string {
	// Slack has no escape for * _ ~ and `, so each is followed by a word joiner, which keeps it from opening a span.
	text = escaper.Replace(words.Clean(text, most))
	for _, mark := range []string{"*", "_", "~", "`"} {
		text = strings.ReplaceAll(text, mark, mark+"\u2060")
	}
	return text
}

// name writes a name from outside as code inside mrkdwn.
func name(text string) string {
	return "`" + escaper.Replace(strings.ReplaceAll(words.Clean(text, words.MaxName), "`", "'")) + "`"
}

// Text returns e as plain text that is complete on its own, for notifications and for receivers without blocks.
func Text(e alerting.Event) string { return words.Shorten(escaper.Replace(words.Text(e)), maxText) }

// Layout says what messages show beside text.
type Layout struct {
	Buttons bool // to answer with; the commands that do the same without them
	Charts  bool // of the projected volume
}

// Blocks returns e as Block Kit within every limit: verdict and when to act, volume, cost of every option, reason, what it would take, what
// would change the answer, what is uncertain, how to answer, and where the numbers come from. What a person answered is shown with the message that it is about.
func Blocks(e alerting.Event, l Layout) []slackapi.Block {
	return fitting(blocks(e, l.Charts, answers(e, l)))
}

// below returns e as it is said in the thread of its case, where nothing is answered: that is for the message above.
func below(e alerting.Event) []slackapi.Block {
	if e.Answer != nil {
		return []slackapi.Block{section(inert(words.Sentence(words.Headline(e)), words.MaxLine))}
	}
	return fitting(blocks(e, false, nil))
}

func blocks(e alerting.Event, charts bool, answers []slackapi.Block) []slackapi.Block {
	w := e.Report
	header := slackapi.NewHeaderBlock(slackapi.NewTextBlockObject(slackapi.PlainTextType, words.Shorten(words.Headline(e.Told()), maxHeader), false, false))
	if said, ok := words.AboutNone(e); ok {
		var lines []string
		for _, line := range said {
			lines = append(lines, "• "+inert(line, words.MaxLine))
		}
		all := append([]slackapi.Block{header}, sections("*"+model.FormatDate(e.Time)+"*"+repeated(e), lines)...)
		if c := drawn(e); charts && c != nil {
			all = append(all, c)
		}
		if e.Reason != alerting.Tested {
			all = append(all, slackapi.NewDividerBlock(), footer(e))
		}
		return all
	}
	if said, ok := words.News(e); ok {
		return []slackapi.Block{
			header, section("*" + model.FormatDate(e.Time) + "* · now on " + name(cmp.Or(w.Current, "?")) + previous(e) + "\n" + bullets(said)),
			slackapi.NewDividerBlock(), footer(e),
		}
	}
	blocks := []slackapi.Block{
		header,
		section(strings.TrimSpace("*" + model.FormatDate(e.Time) + "* · now on " + name(w.Current) + previous(e) + "\n" + inert(words.Because(e), 2*words.MaxLine) + "\n" + inert(words.When(e), words.MaxLine))),
	}
	if c := drawn(e); c != nil && charts {
		blocks = append(blocks, c)
	} else if c := chart.Of(e); c != nil && !c.Said {
		blocks = append(blocks, section("*Ahead*\n"+inert(c.Alt, 2*words.MaxLine)))
	}
	if line := words.Volume(w); line != "" {
		blocks = append(blocks, section("*Volume*\n"+escaper.Replace(line)))
	}
	if len(w.Options) > 0 {
		blocks = append(blocks, section("*Cost a month at the projected volume*\n"+strings.Join(optionLines(w), "\n")))
	}
	if lines := words.Reasons(w); len(lines) > 0 {
		blocks = append(blocks, section("*Why*\n"+bullets(lines)))
	}
	if lines := words.Takes(e); len(lines) > 0 {
		blocks = append(blocks, section("*What it would take*\n"+bullets(lines)))
	}
	if lines := words.WouldChange(w); len(lines) > 0 {
		blocks = append(blocks, section("*What would change the answer*\n"+bullets(lines)))
	}
	if lines := words.Doubts(w); len(lines) > 0 {
		blocks = append(blocks, section("*What is uncertain*\n"+bullets(lines)))
	}
	blocks = append(blocks, answers...)
	return append(blocks, slackapi.NewDividerBlock(), footer(e))
}

// fitting cuts the longest sections of blocks, half of one at a time, until all of them together may be sent.
func fitting(blocks []slackapi.Block) []slackapi.Block {
	for {
		var longest *slackapi.TextBlockObject
		all, most := 0, 0
		for _, block := range blocks {
			if s, ok := block.(*slackapi.SectionBlock); ok {
				n := utf8.RuneCountInString(s.Text.Text)
				if all += n; n > most {
					longest, most = s.Text, n
				}
			}
		}
		if all <= maxAll {
			return blocks
		}
		longest.Text = words.Shorten(longest.Text, max(most/2, most-(all-maxAll)))
	}
}

// section returns a section of mrkdwn; what is above the limit is cut, and the cut shown.
func section(text string) slackapi.Block {
	return slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, words.Shorten(text, maxSection), false, false), nil, nil)
}

// sections returns lines below a first one as sections of mrkdwn, each of as many lines as it may hold.
func sections(first string, lines []string) []slackapi.Block {
	var all []slackapi.Block
	text := first
	for _, line := range lines {
		if utf8.RuneCountInString(text)+1+utf8.RuneCountInString(line) > maxSection {
			all = append(all, section(text))
			text = line
			continue
		}
		text += "\n" + line
	}
	return append(all, section(text))
}

// bullets lists lines, each from outside; beyond maxLines they are counted.
func bullets(lines []string) string {
	var out []string
	for i, line := range lines {
		if i == maxLines {
			out = append(out, fmt.Sprintf("• +%d more in the report", len(lines)-i))
			break
		}
		out = append(out, "• "+inert(line, words.MaxLine))
	}
	return strings.Join(out, "\n")
}

func previous(e alerting.Event) string {
	text := ""
	if e.Previous != "" && e.Previous != e.Report.Current && e.Unsettled == nil {
		text = ", earlier advice " + name(e.Previous)
	}
	for _, s := range e.Superseded {
		text += fmt.Sprintf("; on %s it was %s, not sent before it changed", model.FormatDate(s.Time), name(s.Option))
	}
	return text + repeated(e)
}

func repeated(e alerting.Event) string {
	if e.Repeat {
		return " · may repeat an earlier message"
	}
	return ""
}

// optionLines lists what every option would cost, the recommended and the current one first.
func optionLines(w model.WorkloadReport) []string {
	var first, rest []model.OptionCost
	for _, o := range w.Options {
		if o.Option == w.Decision.Option || o.Option == w.Current {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	options := slices.Concat(first, rest)
	lines := make([]string, 0, maxOptions+1)
	for _, o := range options[:min(len(options), maxOptions)] {
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
		if len(o.Blocked) > 0 && w.Decision.Reason != model.ReasonNoFeasibleOption { // of which the reason says why
			line += " · not allowed: " + inert(model.BlockedText(o.Blocked), 300)
		}
		lines = append(lines, line)
	}
	if more := len(options) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("+%d more options in the report", more))
	}
	return lines
}

func price(o model.OptionCost) string {
	if o.USDPerMonth == nil {
		return inert(o.Infeasible, 160)
	}
	q := *o.USDPerMonth
	text := "*" + model.FormatUSDKnown(q.P50, q) + "*"
	if low, high := model.FormatUSDBounds(q); low != high {
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
	elements := []slackapi.MixedElement{plain("Receipt: tipline explain " + words.Clean(e.Receipt(), 16))}
	if len(names) > 0 {
		elements = append(elements, plain("Prices: "+words.Clean(strings.Join(names, "; "), words.MaxLine)))
	}
	return slackapi.NewContextBlock("", elements...)
}

func plain(text string) slackapi.MixedElement {
	return slackapi.NewTextBlockObject(slackapi.PlainTextType, words.Shorten(text, 2*words.MaxLine), false, false)
}
