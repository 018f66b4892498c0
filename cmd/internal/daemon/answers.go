package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// keepTaking takes answers as they are left, between two cycles; those that come while none is taken wait for the next cycle.
func (d *Daemon) keepTaking(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.answered:
		}
		d.guarded(inAnswer, func() {
			if err := d.placeAnswers(); err != nil {
				d.options.Log.Error("answers not taken", "error", err)
			}
		})
		signal(d.queued)
		signal(d.evaluated)
	}
}

// placeAnswers takes what people have answered and shows where it leaves the cases of the last report.
func (d *Daemon) placeAnswers() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.takeAnswers()
	if last := d.report.Load(); last != nil {
		d.report.Store(d.placed(last))
	}
	return err
}

// buttons takes what people answer with the buttons of Slack as if they had used tipline decide.
type buttons struct{ *Daemon }

// Check says why p cannot be answered: the decision is not the one that the message shows now, or is answered.
func (b buttons) Check(p slack.Press) error {
	_, err := b.check(p)
	b.note(p, err)
	return err
}

// Answer leaves the answer where tipline decide leaves one, and has it taken. A press that Slack tells once more, since it did not hear in time that
// it had arrived, has been answered and changes nothing.
func (b buttons) Answer(p slack.Press) error {
	r, err := b.check(p)
	if errors.Is(err, errAgain) {
		return nil
	}
	if err == nil {
		err = b.leave(p, r)
	}
	b.note(p, err)
	if err == nil {
		signal(b.answered)
	}
	return err
}

// errAgain is of a press that was answered before.
var errAgain = errors.New("the same press")

// note logs why p was not answered; the person who pressed is told no more than whose fault it is.
func (b buttons) note(p slack.Press, err error) {
	var refused *slack.Refused
	switch {
	case errors.As(err, &refused):
		b.options.Log.Info("button refused", "decision", p.Decision, "workload", p.Workload, "kind", p.Kind, "by", p.By, "reason", refused.Text)
	case err != nil:
		b.options.Log.Error("button not answered", "decision", p.Decision, "workload", p.Workload, "error", err)
	}
}

// check returns the receipt of the decision that p answers, of which everything is doubted: it must be held, be about the workload that p
// names, be what the message shows that p came from and what stands still, and have no answer after which none is to come.
func (b buttons) check(p slack.Press) (ledger.Receipt, error) {
	refuse := func(format string, args ...any) (ledger.Receipt, error) {
		return ledger.Receipt{}, &slack.Refused{Text: fmt.Sprintf(format, args...) + " Nothing has changed."}
	}
	data, err := b.Receipt(p.Decision)
	if err != nil {
		return ledger.Receipt{}, err
	}
	if data == nil {
		return refuse("tipline does not know this decision.")
	}
	r, err := ledger.Open(data)
	if err != nil {
		return ledger.Receipt{}, err
	}
	if r.About() != "" || r.Workload.Workload != p.Workload {
		return refuse("This decision is about another workload.")
	}
	given, found, err := ledger.Given(b.options.Store, b.folder, p.Decision)
	if err != nil {
		return ledger.Receipt{}, err
	}
	if found && leftBy(p, given) {
		return r, errAgain
	}
	at, posted, err := b.desk.Posted(slack.NotifierName, p.Workload, r.Workload.Decision.Option)
	if err != nil {
		return ledger.Receipt{}, err
	}
	if !posted || at.Channel != p.Channel || at.Time != p.Message {
		return refuse("This message is not the one about %s any more, or is too new: a later message has what counts, or press again in a minute.", p.Workload)
	}
	if at.Decision != p.Decision {
		return refuse("The message about %s shows a newer decision now: answer that one.", p.Workload)
	}
	if found && (given.Final() || p.Kind == slack.Acknowledge) {
		by := ""
		if given.By != "" {
			by = " by " + given.By
		}
		return refuse("This is answered already: %s%s on %s.", given.Outcome(), by, model.FormatDate(given.Given))
	}
	return r, nil
}

// kindOf is the kind of the answer that a button gives.
var kindOf = map[string]string{slack.Acknowledge: ledger.Seen, slack.Snooze: ledger.Snoozed, slack.Decline: ledger.NotViable, slack.Done: ledger.Done}

// leftBy reports whether p, which is no press that opens a form, left a: the same person says the same.
func leftBy(p slack.Press, a ledger.Answer) bool {
	var until time.Time
	if p.Until != "" {
		until, _ = time.Parse(time.DateOnly, p.Until) // what is no day has left nothing
	}
	var saving, growth float64
	if p.Saves != "" {
		saving, growth, _ = ledger.ParseSaving(p.Saves)
	}
	same := a.By == p.By && a.Kind == kindOf[p.Kind] && a.Reason == p.Reason && a.Until.Equal(until) && a.Growth == growth
	return same && (growth > 0 || a.Saving == saving) // of a growth the ledger keeps the saving as well
}

// leave puts the answer p to the decision of r into the data folder.
func (b buttons) leave(p slack.Press, r ledger.Receipt) error {
	wrong := func(field string, err error) error { return &slack.Refused{Field: field, Text: err.Error()} }
	var until time.Time
	if p.Until != "" {
		var err error
		if until, err = time.Parse(time.DateOnly, p.Until); err != nil {
			return wrong(slack.UntilField, fmt.Errorf("got %q, want a day such as 2027-03-01", p.Until))
		}
	}
	a := ledger.NewAnswer(p.Decision, kindOf[p.Kind], p.Reason, until, b.options.Now().UTC().Truncate(time.Second))
	a.By = p.By
	if p.Saves != "" {
		var err error
		if a.Saving, a.Growth, err = ledger.ParseSaving(p.Saves); err != nil {
			return wrong(slack.SavesField, err)
		}
	}
	if (p.Until != "" || p.Kind == slack.Decline) && !until.After(a.Given) {
		return wrong(slack.UntilField, errors.New("want a day to come"))
	}
	if err := a.Check(); err != nil {
		return wrong("", errors.New(strings.TrimPrefix(err.Error(), "answer: ")))
	}
	if _, err := a.About(r); err != nil {
		return wrong("", err)
	}
	return ledger.Leave(b.folder, a)
}

// The waits between two connections to Slack that end sooner than lasting; the longest is that after which a person may have put right what
// is wrong.
const (
	firstWait   = 2 * time.Second
	longestWait = 5 * time.Minute
	refusedWait = time.Hour
	lasting     = time.Minute
)

// keepListening holds a connection by which Slack tells what people press, as long as the configuration wants one.
func (d *Daemon) keepListening(ctx context.Context) {
	short := 0 // connections in a row that did not last
	for ctx.Err() == nil {
		began := time.Now()
		reloaded, err := d.listen(ctx)
		if reloaded || time.Since(began) >= lasting {
			short = 0
		}
		if reloaded || ctx.Err() != nil {
			continue
		}
		timer := time.NewTimer(d.waitAfter(err, short))
		short++
		select {
		case <-ctx.Done():
		case <-d.reconnect:
			short = 0
		case <-timer.C:
		}
		timer.Stop()
	}
}

// listen serves one connection until it ends, or until a reload asks for another.
func (d *Daemon) listen(ctx context.Context) (reloaded bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var task sync.WaitGroup
	defer task.Wait()
	defer cancel()
	ended := make(chan error, 1)
	if n := d.socket.Load(); n != nil {
		task.Go(func() {
			err := errPanicked
			d.guarded(inAnswer, func() { err = n.Listen(ctx, time.Now, buttons{d}) })
			ended <- err
		})
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-d.reconnect:
		return true, nil
	case err := <-ended:
		return false, err
	}
}

// waitAfter says why a connection ended, the number short in a row that did not last, and returns how long to wait before the next.
func (d *Daemon) waitAfter(err error, short int) time.Duration {
	wait := min(firstWait<<min(short, 10), longestWait)
	var failed *alerting.SendError
	switch {
	case err == nil && short == 0:
		wait = 0
	case errors.As(err, &failed) && failed.Remedy == alerting.FixSettings:
		wait = refusedWait
	case errors.As(err, &failed) && failed.After > 0:
		wait = min(failed.After, refusedWait)
	}
	if err != nil {
		d.metrics.attempted(slack.NotifierName+"_buttons", err)
		d.options.Log.Error("buttons of Slack do not work", "error", err, "again_in", wait)
	}
	return spread(wait, time.Now())
}

// spread makes wait longer by the fraction of a second of now.
func spread(wait time.Duration, now time.Time) time.Duration {
	return alerting.Spread(wait, float64(now.Nanosecond()), float64(time.Second))
}
