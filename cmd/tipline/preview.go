package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// addPreview adds the preview command to app and returns it as a function.
func addPreview(app *kingpin.Application, p *program) func() int {
	command := app.Command("preview", "Show what a message looks like in Slack: of a kind, with made-up numbers, or of a decision that the ledger holds.")
	event := command.Arg("event", "A kind of message, "+strings.Join(kinds(), ", ")+", or the id of a decision.").Required().String()
	format := command.Flag("output", "The form: text, or json as it is posted.").Short('o').Default("text").Enum("text", "json")
	return func() int {
		e, ok := sample.Of(alerting.Reason(*event))
		if !ok && !ledger.ValidID(*event) {
			return p.usage(fmt.Errorf("preview: got %q, want one of %s, or the 12 hexadecimal digits of a decision", *event, strings.Join(kinds(), ", ")))
		}
		if !ok {
			var err error
			if e, err = p.told(*event); err != nil {
				return p.fail(err)
			}
		}
		if *format == "json" {
			fmt.Fprintf(p.stdout, "%s\n", slack.JSON(e))
			return exitDone
		}
		fmt.Fprint(p.stdout, slack.Preview(e, previewWidth, false))
		return exitDone
	}
}

// previewWidth is how many columns a preview takes.
const previewWidth = 100

// kinds names the kinds of messages.
func kinds() []string {
	var names []string
	for _, r := range sample.Reasons {
		names = append(names, string(r))
	}
	return names
}

// told returns the message about the decision id of the ledger.
func (p *program) told(id string) (alerting.Event, error) {
	cfg, err := p.load()
	if err != nil {
		return alerting.Event{}, err
	}
	f, err := stored(cfg.Store.Path, id)
	if err != nil {
		return alerting.Event{}, err
	}
	r, err := ledger.Open(f.data)
	if err != nil {
		return alerting.Event{}, err
	}
	if r.SharedFleet != nil {
		return alerting.Event{}, fmt.Errorf("decision %s is about a shared fleet, of which no message tells", id)
	}
	return messageAbout(r, f.announcement)
}

// messageAbout returns the message that told the decision of r, or that would have.
func messageAbout(r ledger.Receipt, told *alerting.Announcement) (alerting.Event, error) {
	w := r.Workload
	e := alerting.Event{Reason: alerting.FirstSeen, Time: r.AsOf, Workload: w.Workload, Report: w}
	if told != nil {
		e.ID, e.Reason, e.Time, e.Previous, e.Drifts, e.Outcome = told.Event, told.Reason, told.Time, told.Previous, told.Drifts, told.Outcome
	}
	switch {
	case e.Reason == alerting.PricesMoved:
		return e, fmt.Errorf("decision %s was told in a message about prices, of which the ledger keeps no more than that it was sent on %s", r.ID, e.Time.Format(time.DateOnly))
	case e.Reason == alerting.Drifted && len(e.Drifts) == 0, e.Reason == alerting.Approaching && w.Crossover == nil:
		return e, fmt.Errorf("the ledger does not hold any more what the message about decision %s was about", r.ID)
	case told == nil && w.Decision.Recommendation != model.Move:
		return e, fmt.Errorf("nobody was told of decision %s, which does not say to move", r.ID)
	}
	return e, nil
}
