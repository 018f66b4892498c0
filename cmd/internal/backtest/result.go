package backtest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/model"
)

// Verdict is what became of a message in hindsight.
type Verdict string

// The verdicts.
const (
	Right    Verdict = "right"      // what came bore it out
	Wrong    Verdict = "wrong"      // what came did not: a false alert
	TooEarly Verdict = "too_early"  // too little came after it, so it counts neither way
	Unknown  Verdict = "unknown"    // what came was not measured, or has no cost
	TooLate  Verdict = "too_late"   // it had come before it was said to come near
	Informs  Verdict = "not_graded" // it advises nothing that could be right or wrong
)

// Grade is a message held against what the volume did from it on, up to the end of the history.
type Grade struct {
	Verdict Verdict `json:"verdict"`
	Because string  `json:"because"`

	// GradedDays is over how much of what came the cost of the two options was compared, in whole periods of 30 days, and SavedUSDPerMonth what being on the
	// option that was advised would have cost less in them; absent when no cost was compared. What a move itself costs is not in it.
	GradedDays       int        `json:"graded_days,omitempty"`
	SavedUSDPerMonth *model.USD `json:"saved_usd_per_month,omitempty"`
}

// Message is one that tipline would have sent.
type Message struct {
	At       time.Time       `json:"at"`
	Workload string          `json:"workload,omitempty"` // absent when it is about no single one
	Kind     alerting.Reason `json:"kind"`
	SummedUp bool            `json:"summed_up,omitempty"` // it would have been a line of a message that sums up many
	From     string          `json:"from,omitempty"`      // the option that it advises to leave
	To       string          `json:"to,omitempty"`        // the option that it advises to be on
	Previous string          `json:"previous,omitempty"`  // the option that was advised before
	Saving   *model.USD      `json:"saving_usd_per_month,omitempty"`
	Crosses  string          `json:"crosses_on,omitempty"` // 2006-01-02, of one that says that a threshold comes near
	ActBy    string          `json:"act_by,omitempty"`     // 2006-01-02
	Text     string          `json:"text"`                 // its first line
	Grade    Grade           `json:"grade"`

	boundary model.Tokens        // a month, of one that says that a threshold comes near
	budget   *model.BudgetReport // that one says is going to be passed
}

// Outcome says whether a crossing was told.
type Outcome string

// The outcomes.
const (
	Caught Outcome = "caught"    // an alert that asks for the same kind of hosting, or for any other, stood when it happened
	Late   Outcome = "late"      // it was told afterwards
	Missed Outcome = "missed"    // it was never told
	Open   Outcome = "too_early" // it was not told, and happened less than 60 days before the end, so that it may have been a burst
)

// Crossing is a change of what a workload should run on that really happened: the policy of the configuration, margins and confirmations and all, asks for
// the move when it is given the volume of the 30 days before in place of a projection, and does not take that back within 60 days.
type Crossing struct {
	At       time.Time `json:"at"` // the first of the evaluations that confirm it
	Workload string    `json:"workload"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	AtStart  bool      `json:"at_start"` // it was past it when its volume was first known: nobody could have told it before
	Outcome  Outcome   `json:"outcome"`
	LeadDays *int      `json:"lead_days"` // from the first alert of the run that stood to the crossing, below 0 when late; null when there was none, or at the start

	ended    time.Time     // when the policy asks to go back; the zero time while it does not
	patience time.Duration // how long confirming it takes
}

// Horizon says how the projections of one span did, over all workloads.
type Horizon struct {
	Days       int            `json:"days"`
	Graded     int            `json:"graded"`
	Error      model.Fraction `json:"error_ratio"`       // mean over the workloads of their median error, each counted by its projections
	NaiveError model.Fraction `json:"naive_error_ratio"` // the same of the last full weeks once more
	Coverage80 model.Fraction `json:"coverage_80_ratio"`
	Coverage95 model.Fraction `json:"coverage_95_ratio"`
}

// Totals counts a Result.
type Totals struct {
	Messages      int `json:"messages"`       // as they would have arrived: one that sums up many is one; without digests
	Told          int `json:"workloads_told"` // workloads that they were about
	Right         int `json:"right"`
	Wrong         int `json:"wrong"`
	TooEarly      int `json:"too_early"`
	TooLate       int `json:"too_late"` // said that what had come was coming
	Unknown       int `json:"unknown"`
	NotGraded     int `json:"not_graded"`
	ChangesOfMind int `json:"changes_of_mind"` // messages that take back, or replace, what was told before
	Digests       int `json:"digests"`

	Caught   int  `json:"crossings_caught"`
	Late     int  `json:"crossings_late"`
	Missed   int  `json:"crossings_missed"`
	Open     int  `json:"crossings_too_early"`
	LeadDays *int `json:"median_lead_days"` // of the crossings that were caught; null when none was, but for those at the start

	MessagesPerMonth float64 `json:"messages_per_month"` // of 30 days
}

// Silent is a workload about which nothing could be said.
type Silent struct {
	Workload string `json:"workload"`
	Because  string `json:"because"` // in its last evaluation
}

// Result is what a replay found.
type Result struct {
	Summary     []string   `json:"summary"` // sentences
	ConfigHash  string     `json:"config_hash"`
	Since       time.Time  `json:"since"`
	Until       time.Time  `json:"until"`        // no message of a later evaluation is counted
	GradedUntil time.Time  `json:"graded_until"` // end of the history, by which messages are graded
	Evaluations int        `json:"evaluations"`  // in [since, until]
	Workloads   int        `json:"workloads"`    // that were seen
	Undecided   []Silent   `json:"undecided"`    // those of them that had no verdict in any evaluation, by name
	Messages    []Message  `json:"messages"`     // by time
	Crossings   []Crossing `json:"crossings"`    // by time
	Totals      Totals     `json:"totals"`
	Forecast    []Horizon  `json:"forecast"`
	Limits      []string   `json:"limits"` // what a replay cannot know
}

// count puts n before thing, in the plural when it is not one, and "no" when there is none.
func count(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing + "s"
	case 1:
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// summarize says r in sentences.
func (r *Result) summarize() []string {
	t := r.Totals
	days := count(int(r.Until.Sub(r.Since)/day), "day")
	about := fmt.Sprintf("%d of %s", t.Told, count(r.Workloads, "workload"))
	if t.Messages == 0 {
		about = "any of " + count(r.Workloads, "workload")
	}
	all := []string{fmt.Sprintf("In %s tipline would have sent %s about %s", days, count(t.Messages, "message"), about) + parts([]part{
		{t.Right, "right"}, {t.Wrong, "wrong"}, {t.TooEarly, "too early to tell"}, {t.TooLate, "too late"}, {t.Unknown, "not known, for want of measurements"}, {t.NotGraded, "not graded"},
	})}
	if n := len(r.Undecided); n > 0 {
		all = append(all, count(n, "workload")+" never had a verdict.")
	}
	moves := t.Caught + t.Late + t.Missed + t.Open
	inTime := "told in time"
	if t.LeadDays != nil {
		inTime = fmt.Sprintf("told in time (%s ahead in the median)", count(*t.LeadDays, "day"))
	}
	all = append(all, fmt.Sprintf("In hindsight %s came to pay", count(moves, "move"))+parts([]part{
		{t.Caught, inTime}, {t.Late, "told late"}, {t.Missed, "never told"}, {t.Open, "too early to tell"},
	}))
	return append(all, fmt.Sprintf("That is %.1f messages a month, of which %d took back or replaced what was said before, and %s beside them.", t.MessagesPerMonth, t.ChangesOfMind, count(t.Digests, "digest")))
}

// part is a number of things of a kind.
type part struct {
	n    int
	kind string
}

// parts ends a sentence with the kinds of which there are any.
func parts(all []part) string {
	var texts []string
	for _, p := range all {
		if p.n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", p.n, p.kind))
		}
	}
	if len(texts) == 0 {
		return "."
	}
	return ": " + strings.Join(texts, ", ") + "."
}

// rounded returns v with so many digits after the point, so that every processor prints the same.
func rounded[T ~float64](v T, digits int) T {
	unit := math.Pow(10, float64(digits))
	return T(math.Round(float64(v)*unit) / unit)
}
