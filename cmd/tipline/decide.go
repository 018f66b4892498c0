package main

import (
	"fmt"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"tipline/cmd/internal/ledger"
)

// addDecide adds the decide command to app and returns it as a function.
func addDecide(app *kingpin.Application, p *program) func() int {
	command := app.Command("decide", "Answer a decision to move: it is done, or it is not viable until a date. The daemon takes the answer at its next evaluation.")
	id := command.Arg("id", "The decision, as messages and reports name it.").Required().String()
	reason := command.Flag("not-viable", "Why the move cannot be made; the option is left out until the date.").PlaceHolder("REASON").String()
	until := command.Flag("until", "With --not-viable: the day from which the move may be proposed again.").PlaceHolder("DATE").String()
	done := command.Flag("done", "The move has been made; the new option counts as the current one.").Bool()
	return func() int {
		answer, err := p.answer(*id, *reason, *until, *done)
		if err != nil {
			return p.usage(err)
		}
		return p.decide(answer)
	}
}

// answer reads the command line of decide.
func (p *program) answer(id, reason, until string, done bool) (ledger.Answer, error) {
	now := p.now().UTC().Truncate(time.Second)
	var a ledger.Answer
	switch {
	case done && (reason != "" || until != ""):
		return a, fmt.Errorf("--done: want it alone, without --not-viable and --until")
	case done:
		a = ledger.NewAnswer(id, ledger.Done, "", time.Time{}, now)
	case reason == "" || until == "":
		return a, fmt.Errorf("decide: want --done, or --not-viable with the reason and --until with a date")
	default:
		day, err := time.Parse(time.DateOnly, until)
		if err != nil {
			return a, fmt.Errorf("--until: got %q, want a date such as 2027-03-01", until)
		}
		a = ledger.NewAnswer(id, ledger.NotViable, reason, day, now)
	}
	return a, a.Check()
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
	fmt.Fprintf(p.stdout, "Answer to decision %s left in %s for the next evaluation: %s.\n", a.ID, cfg.Store.Path, plain([]string{about})[0])
	return exitDone
}
