package alerting

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// said is what people answered, as a ledger would say it.
type said struct {
	seen     time.Time // when a move to X was acknowledged
	declined string
}

func (s said) Seen(_, _, option string, since time.Time) bool {
	return option == "X" && !s.seen.IsZero() && !s.seen.Before(since)
}

func (s said) Declined(_, _ string, _ time.Time) (string, time.Time) {
	return s.declined, morning.AddDate(0, 3, 0)
}

// life is a workload on its way through the stages, an evaluation a day.
type life struct {
	t       *testing.T
	desk    *Desk
	day     int
	last    rune // of the evaluations
	current string
	snooze  *Snoozing
	said    said
}

func newLife(t *testing.T) *life {
	t.Helper()
	return &life{t: t, desk: newDesk(t, &memory{}, &mailbox{name: "box"}), current: "now"}
}

func (l *life) now() time.Time { return morning.AddDate(0, 0, l.day) }

// report is what an evaluation of c says, see answers; N stays and comes near X, g is on X, saves as promised and stays, b hardly saves.
func (l *life) report(c rune) model.WorkloadReport {
	var w model.WorkloadReport
	switch c {
	case 'N':
		w = answers('S')
		day := l.now().AddDate(0, 0, 10).Format(time.DateOnly)
		w.Crossover = &model.Crossover{Option: "X", Against: "now", CrossesOn: day, ActBy: day}
	case 'g':
		w = evaluation("X", 1000, 500, 900)
	case 'b':
		w = evaluation("X", 1000, 990, 1100)
	default:
		w = answers(c)
	}
	w.Current = l.current
	switch w.Decision.Option {
	case "":
	case w.Current:
		w.Decision.Recommendation = model.Stay
	default:
		w.Decision.SavingUSDPerMonth = &model.Quantiles[model.USD]{P50: 500}
	}
	return w
}

// led is policy with a lead time.
var led = func() Policy { p := policy; p.LeadTime = 60 * 24 * time.Hour; return p }()

// live lets days pass, of which each evaluation says c.
func (l *life) live(days int, c rune) {
	l.t.Helper()
	for range days {
		l.day++
		l.last = c
		if _, err := l.desk.Consider([]Judged{{Report: l.report(c), Policy: led, Snooze: l.snooze, Receipt: receipt}}, l.now()); err != nil {
			l.t.Fatal(err)
		}
	}
}

func (l *life) deliver() { deliverAll(l.t, l.desk, l.now(), l.now().Add(time.Hour)) }

// answer lets a person say to the move that stands that nothing is to be said of it.
func (l *life) answer(migrating bool) {
	l.snooze = &Snoozing{Decision: "0123456789ab", Given: l.now(), Option: "X", Migrating: migrating}
	l.live(1, l.last)
}

func (l *life) stage() model.Case {
	return *l.desk.Cases(&model.Report{AsOf: l.now(), Workloads: []model.WorkloadReport{l.report(l.last)}}, l.said)[0]
}

// pending reports whether a move to X stands on which a person may say more.
func (l *life) pending() bool {
	return slices.Contains([]model.Stage{model.StageConfirmed, model.StageAnnounced, model.StageAcknowledged}, l.stage().Stage)
}

// TestStageIsNotKnown holds that nobody is told where a case stands of which no evaluation is known, or only later ones.
func TestStageIsNotKnown(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	asOf := func(at time.Time) *model.Case {
		return l.desk.Cases(&model.Report{AsOf: at, Workloads: []model.WorkloadReport{l.report('X')}}, l.said)[0]
	}
	if c := asOf(l.now()); c != nil {
		t.Errorf("before any evaluation: got %+v", c)
	}
	l.live(3, 'X')
	if c := asOf(l.now()); c == nil || c.Stage != model.StageConfirmed {
		t.Errorf("after the last: got %+v, want it confirmed", c)
	}
	if c := asOf(l.now().Add(-time.Hour)); c != nil {
		t.Errorf("as of a time before it: got %+v", c)
	}
}

// reach leads a life to each stage.
var reach = map[model.Stage]func(l *life){
	model.StageWatching:     func(l *life) { l.live(3, 'S') },
	model.StageApproaching:  func(l *life) { l.live(6, 'N'); l.deliver() },
	model.StageConfirmed:    func(l *life) { l.live(3, 'X') },
	model.StageAnnounced:    func(l *life) { l.live(3, 'X'); l.deliver() },
	model.StageAcknowledged: func(l *life) { l.live(3, 'X'); l.deliver(); l.said.seen = l.now() },
	model.StageSnoozed:      func(l *life) { l.live(3, 'X'); l.deliver(); l.answer(false) },
	model.StageMigrating:    func(l *life) { l.live(3, 'X'); l.deliver(); l.answer(true) },
	model.StageDeclined:     func(l *life) { l.live(3, 'X'); l.deliver(); decline(l) },
	model.StageVerifying:    func(l *life) { l.live(3, 'X'); l.deliver(); l.current = "X"; l.live(1, 'g') },
	model.StageReopened: func(l *life) {
		l.live(3, 'X')
		l.deliver()
		l.current = "X"
		l.live(1, 'g')
		l.live(17, 'b')
		l.deliver()
	},
	model.StageUnstable: func(l *life) { swing(l); l.deliver() },
	model.StageResolved: func(l *life) { l.live(3, 'X'); l.deliver(); l.live(3, 'z'); l.deliver() },
	model.StageFrozen:   func(l *life) { l.live(3, 'X'); l.deliver(); l.live(1, '?') },
}

// swing lets the verdict change four times.
func swing(l *life) {
	for range 2 {
		l.live(3, 'X')
		l.live(3, 'z')
	}
}

func decline(l *life) {
	l.said.declined = "X"
	if err := l.desk.Answer("support", "X", nil, Event{}); err != nil {
		l.t.Fatal(err)
	}
	l.live(1, 'S')
}

// happenings are what leads from one stage to another; do reports false where it cannot happen.
var happenings = []struct {
	name string
	do   func(l *life) bool
}{
	{"a threshold comes near", func(l *life) bool {
		known := l.last != '?'
		l.live(6, 'N')
		return known && l.current == "now" && l.said.declined == ""
	}},
	{"evaluations say move", func(l *life) bool { l.live(3, 'Y'); return true }},
	{"the verdict changes for the fourth time within 14 days", func(l *life) bool {
		possible := l.pending() || slices.Contains([]model.Stage{model.StageWatching, model.StageApproaching, model.StageResolved}, l.stage().Stage)
		swing(l)
		return possible
	}},
	{"evaluations agree with stay on seven days", func(l *life) bool {
		swings := l.stage().Stage == model.StageUnstable
		l.live(CalmDays, 'z')
		return swings
	}},
	{"evaluations agree with a move on seven days", func(l *life) bool {
		swings := l.stage().Stage == model.StageUnstable
		l.live(3+CalmDays, 'X')
		return swings
	}},
	{"the message arrives", func(l *life) bool { l.deliver(); return true }},
	{"somebody acknowledges", func(l *life) bool { l.said.seen = l.now(); return l.pending() }},
	{"somebody snoozes", func(l *life) bool { l.answer(false); return l.pending() || l.stage().Stage == model.StageSnoozed }},
	{"somebody makes the move", func(l *life) bool { l.answer(true); return l.pending() || l.stage().Stage == model.StageMigrating }},
	{"the day of the answer comes", func(l *life) bool {
		switch {
		case l.snooze != nil:
			l.snooze.Due = true
		case l.said.declined != "":
			l.said.declined = ""
		default:
			return false
		}
		l.live(1, l.last)
		l.deliver()
		return true
	}},
	{"somebody declines", func(l *life) bool {
		possible := l.pending() || l.stage().Stage == model.StageUnstable
		decline(l)
		return possible
	}},
	{"it is done", func(l *life) bool {
		s := l.stage()
		l.current, l.snooze = "X", nil
		l.live(1, 'g')
		return s.Option == "X" && s.Stage != model.StageDeclined && s.Stage != model.StageApproaching
	}},
	{"it saves less than half of what was promised", func(l *life) bool { l.live(17, 'b'); l.deliver(); return l.current == "X" }},
	{"a year passes", func(l *life) bool { l.live(367, l.last); return l.current == "X" }},
	{"evaluations take it back", func(l *life) bool { l.live(3, 'z'); l.deliver(); return l.current == "now" }},
	{"what serves it may not any more", func(l *life) bool { l.live(3, 'B'); return l.current == "now" }},
	{"no option may serve the workload", func(l *life) bool { l.live(3, '0'); return true }},
	{"data or prices are not known", func(l *life) bool { l.live(1, '?'); return true }},
	{"they are known again", func(l *life) bool { known := l.last != '?'; l.live(1, 'X'); return !known }},
}

// TestStages goes from every stage through everything that can happen, and holds the table and the picture of README.md to it.
func TestStages(t *testing.T) {
	t.Parallel()
	means := map[model.Stage]string{
		model.StageWatching:     "nothing was ever to be decided",
		model.StageApproaching:  "it was told until when to act",
		model.StageConfirmed:    "a verdict asks for a change, its message is on its way",
		model.StageAnnounced:    "the message has arrived",
		model.StageAcknowledged: "somebody has taken note and is to decide",
		model.StageSnoozed:      "nothing is said for a while",
		model.StageMigrating:    "the move is being made",
		model.StageVerifying:    "it is made, and held to what it was to save",
		model.StageReopened:     "it saves far less than that",
		model.StageDeclined:     "an option is left out until a day",
		model.StageUnstable:     "the verdict changes too often to tell every change",
		model.StageResolved:     "something was to be decided, and is not any more",
		model.StageFrozen:       "data or prices are not known; what stands neither counts nor resets",
	}
	var table strings.Builder
	edges := map[[2]string][]string{}
	reached := map[model.Stage]bool{}
	table.WriteString("| stage | means | what leads on |\n|---|---|---|\n")
	for _, from := range model.Stages {
		begin := func() *life {
			l := newLife(t)
			reach[from](l)
			if got := l.stage(); got.Stage != from {
				t.Fatalf("on the way to %s: got %+v", from, got)
			}
			return l
		}
		var next []string
		for _, h := range happenings {
			l := begin()
			if !h.do(l) {
				continue
			}
			to := l.stage().Stage
			if to == from {
				continue
			}
			reached[to] = true
			next = append(next, fmt.Sprintf("%s → %s", h.name, to))
			e := [2]string{string(from), string(to)}
			edges[e] = append(edges[e], h.name)
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", from, means[from], strings.Join(next, "; "))
	}
	for _, s := range model.Stages {
		if !reached[s] && s != model.StageWatching {
			t.Errorf("nothing leads to %s", s)
		}
	}
	holdREADME(t, "stages", table.String()+"\n"+picture(string(model.StageWatching), edges))
}
