package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/sample"
	"tipline/alerting/slack"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/ledger"
)

// addPreview adds the preview command to app and returns it as a function.
func addPreview(app *kingpin.Application, p *program) func() int {
	command := app.Command("preview", "Show what a message looks like in Slack: of a kind, with made-up numbers, or of a decision or a message that the ledger holds.")
	event := command.Arg("event", "A kind of message, "+strings.Join(kinds(), ", ")+", or the id of a decision or of a message.").Required().String()
	format := command.Flag("output", "The form: text, json as it is posted, or png, a picture for a file, in which letters other than Latin, Greek and Cyrillic are written as their code points.").Short('o').Default("text").Enum("text", "json", "png")
	return func() int {
		e, ok := sample.Of(alerting.Reason(*event))
		layout := slack.Layout{Buttons: true, Charts: true}
		if !ok && !ledger.ValidID(*event) && !ledger.ValidMessageID(*event) {
			return p.usage(fmt.Errorf("preview: got %q, want one of %s, or the 12 hexadecimal digits of a decision or the 16 of a message", *event, strings.Join(kinds(), ", ")))
		}
		if !ok {
			var err error
			if e, layout, err = p.told(*event); err != nil {
				return p.fail(err)
			}
		}
		e, err := p.worded(e)
		if err != nil {
			return p.fail(err)
		}
		switch *format {
		case "json":
			fmt.Fprintf(p.stdout, "%s\n", slack.JSON(e, layout))
		case "png":
			if err := drawMessage(p.stdout, slack.Blocks(e, layout), chart.Of(e)); err != nil {
				return p.fail(err)
			}
		default:
			fmt.Fprint(p.stdout, slack.Preview(e, layout, previewWidth, false))
		}
		return exitDone
	}
}

// worded returns e in the words of the templates of the configuration, if there is one.
func (p *program) worded(e alerting.Event) (alerting.Event, error) {
	if _, err := os.Stat(p.configFile); errors.Is(err, fs.ErrNotExist) {
		return e, nil
	}
	cfg, err := p.load()
	if err != nil {
		return e, err
	}
	templates, err := daemon.Templates(cfg.Notify)
	if err != nil {
		return e, err
	}
	said, err := templates.Apply(e)
	if err != nil {
		fmt.Fprintf(p.stderr, "tipline: said in the built-in words: %v\n", err)
	}
	return said, nil
}

// previewWidth is how many columns a preview takes.
const previewWidth = 100

// kinds names the kinds of messages.
func kinds() []string {
	var names []string
	for _, r := range alerting.Kinds {
		names = append(names, string(r))
	}
	return names
}

// told returns the message id, or the one about the decision id, of the ledger, and how the configuration lays it out.
func (p *program) told(id string) (alerting.Event, slack.Layout, error) {
	cfg, err := p.load()
	if err != nil {
		return alerting.Event{}, slack.Layout{}, err
	}
	f, err := stored(cfg.Store.Path, id)
	if err != nil {
		return alerting.Event{}, slack.Layout{}, err
	}
	if f.fleet() {
		return f.said, slack.Layout{Charts: true}, nil
	}
	r, err := ledger.Open(f.data)
	if err != nil {
		return alerting.Event{}, slack.Layout{}, err
	}
	if about := r.About(); about != "" {
		return alerting.Event{}, slack.Layout{}, fmt.Errorf("decision %s is about %s, of which no message tells", id, about)
	}
	e, err := daemon.Told(r, f.announcement)
	stanza := cfg.For(r.Workload.Labels, r.Workload.Source)
	e.Severity, e.Owner = e.Reason.Of(r.Workload, stanza.Critical), stanza.Owner
	return e, slack.Layout{Buttons: cfg.Notify.Slack != nil && cfg.Notify.Slack.AppTokenFile != "", Charts: true}, err
}
