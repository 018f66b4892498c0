package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// addDecide adds the decide command to app and returns it as a function.
func addDecide(app *kingpin.Application, p *program) func() int {
	command := app.Command("decide", "Answer a decision to move: it is done, it is being made, it is not viable until a date, it is snoozed, or somebody has seen it. The daemon takes the answer at its next evaluation.")
	id := command.Arg("id", "The decision, as messages and reports name it.").Required().String()
	var o answerOptions
	command.Flag("not-viable", "Why the move cannot be made; the option is left out until the date.").PlaceHolder("REASON").StringVar(&o.reason)
	command.Flag("until", "With --not-viable or --snooze: the day from which the move may be proposed again; with --migrating: the day by which it is to be done.").PlaceHolder("DATE").StringVar(&o.until)
	command.Flag("done", "The move has been made; the new option counts as the current one.").BoolVar(&o.done)
	command.Flag("migrating", "The move is being made; nothing is said of it until it is done, or until the day of --until, or else as long as a migration takes (policy.lead_time), when one message reminds of it.").BoolVar(&o.migrating)
	command.Flag("acknowledge", "Somebody has taken note of it and is to decide; the digest says so.").BoolVar(&o.seen)
	command.Flag("since", "With --migrating: the day on which the move began; today unless given.").PlaceHolder("DATE").StringVar(&o.since)
	command.Flag("snooze", "Say nothing of the move until the day of --until, until it saves what --saves says, or until the volume grows as --grows says; one message reminds of it then.").BoolVar(&o.snooze)
	command.Flag("saves", "With --snooze: dollars a month, such as 5000, or by how much more it saves than now, such as +15%.").PlaceHolder("SAVING").StringVar(&o.saves)
	command.Flag("grows", "With --snooze: by how much more is projected for 30 days than now, such as +15%.").PlaceHolder("GROWTH").StringVar(&o.grows)
	return func() int {
		answer, err := o.answer(*id, p.now())
		if err != nil {
			return p.usage(err)
		}
		return p.decide(answer)
	}
}

// answerOptions is what the command line of decide says.
type answerOptions struct {
	reason, until, since    string
	saves, grows            string
	done, migrating, snooze bool
	seen                    bool
}

// answer returns the answer to the decision id that o gives at now.
func (o answerOptions) answer(id string, now time.Time) (a ledger.Answer, err error) {
	switch {
	case o.done && o != answerOptions{done: true}:
		return a, errors.New("--done: want it alone")
	case o.seen && o != answerOptions{seen: true}:
		return a, errors.New("--acknowledge: want it alone")
	case o.migrating && o != answerOptions{migrating: true, since: o.since, until: o.until}:
		return a, errors.New("--migrating: want it alone, or with --since and --until")
	case o.since != "" && !o.migrating:
		return a, errors.New("--since: want it with --migrating")
	case o.snooze && o.reason != "":
		return a, errors.New("--snooze: want it without --not-viable, which leaves the option out")
	case o.saves != "" && !o.snooze:
		return a, errors.New("--saves: want it with --snooze")
	case o.grows != "" && !o.snooze:
		return a, errors.New("--grows: want it with --snooze")
	case o.snooze && o.until == "" && o.saves == "" && o.grows == "":
		return a, errors.New("--snooze: want --until with a date, --saves with a saving, --grows with a growth of the volume, or several")
	case !o.done && !o.migrating && !o.snooze && !o.seen && (o.reason == "" || o.until == ""):
		return a, errors.New("decide: want --done, --acknowledge, --migrating, --snooze with --until, --saves or --grows, or --not-viable with the reason and --until with a date")
	}
	kind := ledger.NotViable
	switch {
	case o.done:
		kind = ledger.Done
	case o.migrating:
		kind = ledger.Migrating
	case o.snooze:
		kind = ledger.Snoozed
	case o.seen:
		kind = ledger.Seen
	}
	day, err := parseDay("--until", o.until)
	if err != nil {
		return a, err
	}
	a = ledger.NewAnswer(id, kind, o.reason, day, now.UTC().Truncate(time.Second))
	if o.migrating {
		a.Since = a.Given.Truncate(24 * time.Hour)
	}
	if o.since != "" {
		if a.Since, err = parseDay("--since", o.since); err != nil {
			return a, err
		}
	}
	if o.saves != "" {
		if a.Saving, a.Growth, err = ledger.ParseSaving(o.saves); err != nil {
			return a, fmt.Errorf("--saves: %w", err)
		}
	}
	if o.grows != "" {
		if a.Volume, err = ledger.ParseGrowth(o.grows); err != nil {
			return a, fmt.Errorf("--grows: %w", err)
		}
	}
	return a, a.Check()
}

// parseDay reads the date that a flag was given; none is the zero time.
func parseDay(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: got %q, want a date such as 2027-03-01", flag, text)
	}
	return day, nil
}

// decide leaves the answer in the data folder. Where no daemon holds the data file, the decision is looked up first.
func (p *program) decide(a ledger.Answer) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	about := "the daemon, which is running, looks the decision up when it takes the answer, and its log says if there is none"
	f, err := stored(cfg.Store.Path, a.ID)
	switch {
	case err == nil:
		r, err := ledger.Open(f.data)
		if err != nil {
			return p.fail(err)
		}
		known, err := a.About(r)
		if err != nil {
			return p.fail(err)
		}
		about = known.Text()
	case !isInUse(err):
		return p.fail(err)
	}
	if err := ledger.Leave(cfg.Store.Path, a); err != nil {
		return p.fail(err)
	}
	fmt.Fprintf(p.stdout, "Answer to decision %s left in %s for the next evaluation: %s.\n", a.ID, cfg.Store.Path, model.Printable(about))
	return exitDone
}
