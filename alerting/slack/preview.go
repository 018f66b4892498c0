package slack

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/model"
)

// JSON returns the payload of e as it is posted, indented.
func JSON(e alerting.Event, l Layout) []byte {
	data, err := json.MarshalIndent(struct {
		Text   string           `json:"text"`
		Blocks []slackapi.Block `json:"blocks"`
	}{Text(e), Blocks(e, l)}, "", "  ")
	if err != nil { // blocks hold only text
		panic("slack: " + err.Error())
	}
	return model.EscapeJSON(data)
}

var unescaper = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "\u2060", "", "`", "")

// Preview draws the message of e for a terminal of width columns, with bold text where color allows it.
func Preview(e alerting.Event, l Layout, width int, color bool) string {
	bold := func(text string) string {
		if !color {
			return text
		}
		return "\x1b[1m" + text + "\x1b[0m"
	}
	width = max(40, width)
	var b strings.Builder
	rule := strings.Repeat("─", width-2)
	b.WriteString("╭" + rule + "╮\n")
	line := func(text string, strong bool) {
		for _, part := range wrap(text, width-4) {
			padded := part + strings.Repeat(" ", max(0, width-4-utf8.RuneCountInString(part)))
			if strong {
				padded = bold(padded)
			}
			b.WriteString("│ " + padded + " │\n")
		}
	}
	for _, block := range Blocks(e, l) {
		switch block := block.(type) {
		case *slackapi.HeaderBlock:
			line(block.Text.Text, true)
			line("", false)
		case *slackapi.SectionBlock:
			for i, text := range strings.Split(block.Text.Text, "\n") {
				strong := i == 0 && strings.HasPrefix(text, "*") && strings.HasSuffix(text, "*")
				line(unescaper.Replace(strings.ReplaceAll(text, "*", "")), strong)
			}
			line("", false)
		case *slackapi.DataVisualizationBlock:
			if c := chart.Of(e); c != nil && !c.Said {
				line(c.Title, true)
				line(c.Alt, false)
				line("", false)
			}
		case *slackapi.ActionBlock:
			var buttons []string
			for _, element := range block.Elements.ElementSet {
				if button, ok := element.(*slackapi.ButtonBlockElement); ok {
					buttons = append(buttons, "[ "+button.Text.Text+" ]")
				}
			}
			line(strings.Join(buttons, "  "), true)
			line("", false)
		case *slackapi.DividerBlock:
			b.WriteString("├" + rule + "┤\n")
		case *slackapi.ContextBlock:
			for _, element := range block.ContextElements.Elements {
				if text, ok := element.(*slackapi.TextBlockObject); ok {
					line(text.Text, false)
				}
			}
		}
	}
	b.WriteString("╰" + rule + "╯\n")
	return b.String()
}

// wrap breaks text between words into lines of at most width columns; a continued bullet is indented.
func wrap(text string, width int) []string {
	indent := ""
	if strings.HasPrefix(text, "• ") {
		indent = "  "
	}
	var lines []string
	current := ""
	for word := range strings.FieldsSeq(text) {
		for utf8.RuneCountInString(word) > width-utf8.RuneCountInString(indent) {
			runes := []rune(word)
			cut := width - utf8.RuneCountInString(indent) - 1
			if current != "" {
				lines, current = append(lines, current), indent
			}
			lines, word = append(lines, indent+string(runes[:cut])), string(runes[cut:])
		}
		switch {
		case current == "" || current == indent:
			current += word
		case utf8.RuneCountInString(current)+1+utf8.RuneCountInString(word) > width:
			lines, current = append(lines, current), indent+word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}
