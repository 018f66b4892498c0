package slack

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/words"
	"tipline/model"
)

// The answers that a button gives.
const (
	Acknowledge = "acknowledge" // somebody has taken note and is to decide
	Snooze      = "snooze"      // nothing is to be said until a day, or until the move saves more; asked for in a form
	Decline     = "decline"     // the move cannot be made before a day, for a reason; asked for in a form
	Done        = "done"        // the move has been made
)

// The limits of buttons and forms in characters; see docs.slack.dev, Block Kit reference.
const (
	maxValue    = 2000 // of what a button stands for
	maxMetadata = 3000 // of what a form carries
	maxConfirm  = 300  // of the text of a question
	maxReason   = 300  // of a reason to decline; Slack would take 3,000
)

// prefix is that of what tipline calls its buttons and forms.
const prefix = "tipline_"

// What the fields of a form are called, and a Refused that is about one.
const (
	UntilField  = "until"
	SavesField  = "saves"
	ReasonField = "reason"
)

// about is what a button or a form stands for, as Slack carries it there and back.
type about struct {
	Decision string `json:"decision"`
	Workload string `json:"workload"`
	Channel  string `json:"channel,omitempty"` // of a form: where the message is
	Message  string `json:"message,omitempty"`
}

// answerable reports whether e tells a decision that a person can answer: to move to another option.
func answerable(e alerting.Event) bool {
	d := e.Report.Decision
	switch e.Told().Reason {
	case alerting.FirstSeen, alerting.Switched, alerting.Blocked, alerting.Reminded:
		return d.ID != "" && d.Recommendation == model.Move && d.Option != "" && (e.Answer == nil || !e.Answer.Final)
	default:
		return false
	}
}

// answers returns what became of the decision of e, and how it can be answered: buttons, or the commands that do the same.
func answers(e alerting.Event, l Layout) []slackapi.Block {
	var blocks []slackapi.Block
	if a := e.Answer; a != nil {
		blocks = append(blocks, section("*Answer*\n"+inert(words.Sentence(words.Answer(*a)), 2*words.MaxLine)))
	}
	if !answerable(e) {
		return blocks
	}
	value, err := json.Marshal(about{Decision: e.Report.Decision.ID, Workload: e.Workload})
	if !l.Buttons || err != nil || utf8.RuneCount(value) > maxValue {
		return append(blocks, section("*Answer it*, where tipline runs\n"+commands(e)))
	}
	button := func(kind, text string) *slackapi.ButtonBlockElement {
		return slackapi.NewButtonBlockElement(prefix+kind, string(value), label(text))
	}
	done := button(Done, "Done")
	question := fmt.Sprintf("%s has moved from %s to %s, which counts as its current option from now on?", words.Clean(e.Workload, 60),
		words.Clean(e.Report.Current, 60), words.Clean(e.Report.Decision.Option, 60))
	done.Confirm = slackapi.NewConfirmationBlockObject(label("The move is made"), label(words.Shorten(question, maxConfirm)), label("It is made"), label("Not yet"))
	buttons := []slackapi.BlockElement{button(Snooze, "Snooze…"), button(Decline, "Decline…"), done}
	if e.Answer == nil {
		buttons = append([]slackapi.BlockElement{button(Acknowledge, "Acknowledge")}, buttons...)
	}
	return append(blocks, slackapi.NewActionBlock(prefix+"answers", buttons...))
}

// commands lists the command lines that answer the decision of e.
func commands(e alerting.Event) string {
	var lines []string
	for _, flags := range []string{"--acknowledge", "--snooze --until DATE", `--not-viable "WHY" --until DATE`, "--done"} {
		if e.Answer != nil && flags == "--acknowledge" {
			continue
		}
		lines = append(lines, name("tipline decide "+words.Clean(e.Report.Decision.ID, 12)+" "+flags))
	}
	return strings.Join(lines, "\n")
}

func label(text string) *slackapi.TextBlockObject {
	return slackapi.NewTextBlockObject(slackapi.PlainTextType, text, false, false)
}

// How far ahead the day of a form stands at first.
const (
	snoozeDays  = 30
	declineDays = 90
)

// form returns what asks for the rest of an answer of that kind, which is Snooze or Decline.
func form(kind string, of about, now time.Time) (slackapi.ModalViewRequest, error) {
	carried, err := json.Marshal(of)
	if err != nil || len(carried) > maxMetadata {
		return slackapi.ModalViewRequest{}, fmt.Errorf("the name of the workload is too long for a form: answer with tipline decide %s", of.Decision)
	}
	day := func(days int) *slackapi.DatePickerBlockElement {
		picker := slackapi.NewDatePickerBlockElement(UntilField)
		picker.InitialDate = now.UTC().AddDate(0, 0, days).Format(time.DateOnly)
		return picker
	}
	intro := section("Of " + name(of.Workload) + ", decision `" + inert(of.Decision, 12) + "`.")
	view := slackapi.ModalViewRequest{
		Type: slackapi.VTModal, CallbackID: prefix + kind, PrivateMetadata: string(carried), Close: label("Cancel"),
	}
	if kind == Snooze {
		saves := slackapi.NewPlainTextInputBlockElement(label("5000 or +15%"), SavesField)
		saves.MaxLength = 20
		until := slackapi.NewInputBlock(UntilField, label("Say nothing of it until"), nil, day(snoozeDays))
		orSaves := slackapi.NewInputBlock(SavesField, label("Or until it saves"), label("Dollars a month, or by how much more than now"), saves)
		until.Optional, orSaves.Optional = true, true
		view.Title, view.Submit = label("Snooze this move"), label("Snooze")
		view.Blocks.BlockSet = []slackapi.Block{intro, until, orSaves}
		return view, nil
	}
	why := slackapi.NewPlainTextInputBlockElement(label("What is in the way"), ReasonField)
	why.MaxLength = maxReason
	view.Title, view.Submit = label("Decline this move"), label("Decline")
	view.Blocks.BlockSet = []slackapi.Block{
		intro,
		slackapi.NewInputBlock(ReasonField, label("Why it cannot be made"), nil, why),
		slackapi.NewInputBlock(UntilField, label("Leave the option out until"), nil, day(declineDays)),
	}
	return view, nil
}
