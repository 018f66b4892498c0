package daemon

import (
	"slices"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// hosted is what the ledger keeps of the options that a workload was on in a calendar month in UTC.
type hosted struct {
	Month  string        `json:"month"`  // 2006-01
	Option string        `json:"option"` // the current one
	Stays  []decide.Stay `json:"stays,omitempty"`
}

// with returns h after w was evaluated at now. A move is found by the first evaluation after it: the tokens that were measured until then fall
// to the option before.
func (h hosted) with(w model.WorkloadReport, now time.Time) hosted {
	month := now.UTC().Format("2006-01")
	switch {
	case w.Current == "" || w.Usage.MonthToDateTokens == nil:
		return h
	case h.Month != month || h.Option == "":
		return hosted{Month: month, Option: w.Current}
	case h.Option == w.Current:
		return h
	}
	stay := decide.Stay{Option: h.Option, Until: now, Tokens: max(0, *w.Usage.MonthToDateTokens-h.before())}
	return hosted{Month: month, Option: w.Current, Stays: append(slices.Clip(h.Stays), stay)}
}

// options returns the options of the month, which need not be candidates.
func (h hosted) options() []string {
	names := []string{h.Option}
	for _, s := range h.Stays {
		names = append(names, s.Option)
	}
	return names
}

// before returns the tokens of the month that fall to the options before the current one.
func (h hosted) before() (tokens model.Tokens) {
	for _, s := range h.Stays {
		tokens += s.Tokens
	}
	return tokens
}
