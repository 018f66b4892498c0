package model

import (
	"cmp"
	"fmt"
	"time"
)

// Stage is where what is to be decided about a workload stands; alerting/README.md has the picture.
type Stage string

// The stages of a Case.
const (
	StageWatching     Stage = "watching"     // nothing was ever to be decided
	StageApproaching  Stage = "approaching"  // it was told that a threshold is near
	StageConfirmed    Stage = "confirmed"    // a verdict asks for a change, and its message is on its way
	StageAnnounced    Stage = "announced"    // the message has arrived
	StageAcknowledged Stage = "acknowledged" // somebody has taken note and is to decide
	StageSnoozed      Stage = "snoozed"      // nothing is said of it for a while
	StageMigrating    Stage = "in_migration" // the move is being made
	StageVerifying    Stage = "verifying"    // the move is made, and held to what it was to save
	StageReopened     Stage = "reopened"     // it saves far less than that
	StageDeclined     Stage = "declined"     // an option was answered to be not viable until a day
	StageResolved     Stage = "resolved"     // something was to be decided, and nothing is any more
	StageUnstable     Stage = "unstable"     // the confirmed verdict changes too often to tell every change
	StageFrozen       Stage = "frozen"       // data or prices are not known, so the verdict that was confirmed neither counts nor resets
)

// Stages are all stages, in the order in which a move goes through them.
var Stages = []Stage{
	StageWatching, StageApproaching, StageConfirmed, StageAnnounced, StageAcknowledged, StageSnoozed, StageDeclined,
	StageMigrating, StageVerifying, StageReopened, StageUnstable, StageResolved, StageFrozen,
}

// Case is where what is to be decided about a workload stands.
type Case struct {
	Stage  Stage     `json:"stage"`
	Option string    `json:"option,omitempty"` // that the stage is about: to move to, that comes near, was left or is declined; absent when there is none
	Other  string    `json:"other,omitempty"`  // of unstable: what the verdict changes to and fro beside Option; absent when that is that no option may serve the workload
	Since  time.Time `json:"since,omitzero"`   // the evaluation that confirmed the verdict, found the move made, or found it unstable
	Until  string    `json:"until,omitempty"`  // of declined: 2006-01-02
	ActBy  string    `json:"act_by,omitempty"` // of approaching: as it was told, 2006-01-02
}

// Quiet reports whether there is nothing to decide, to wait for or to verify.
func (c Case) Quiet() bool { return c.Stage == StageWatching || c.Stage == StageResolved }

// Text says c in a few words, such as "snoozed: own-llama, confirmed 11 Nov 2026".
func (c Case) Text() string {
	text := string(c.Stage)
	if c.Stage == StageMigrating {
		text = "in migration"
	}
	date := func(day string) string {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return day
		}
		return FormatDate(at)
	}
	switch {
	case c.Stage == StageVerifying || c.Stage == StageReopened:
		text += ": left " + c.Option + " on " + FormatDate(c.Since)
	case c.Stage == StageUnstable:
		return fmt.Sprintf("%s: between %s and %s, since %s", text, cmp.Or(c.Other, "no option"), cmp.Or(c.Option, "no option"), FormatDate(c.Since))
	case c.Option != "":
		text += ": " + c.Option
	}
	switch {
	case c.ActBy != "":
		text += ", act by " + date(c.ActBy)
	case c.Until != "":
		text += " until " + date(c.Until)
	case !c.Since.IsZero() && c.Stage != StageVerifying && c.Stage != StageReopened:
		text += ", confirmed " + FormatDate(c.Since)
	}
	return text
}

// Apart says how far the medians of what two of options cost lie apart, as exactly as the less certain of the two is known; empty when one is not.
func Apart(options []OptionCost, one, other string) string {
	a, b := CostOf(options, one), CostOf(options, other)
	if a == nil || b == nil {
		return ""
	}
	known := *a
	if b.P90-b.P10 > a.P90-a.P10 {
		known = *b
	}
	return FormatUSDKnown(max(a.P50-b.P50, b.P50-a.P50), known) + " a month lie between them"
}
