package model

import (
	"fmt"
	"strings"
)

// BreakEvens says which option is cheapest over which volumes, and from when on what is bought or rented by the hour pays, in full cost.
type BreakEvens struct {
	SearchedTokens Tokens             `json:"searched_tokens_per_month"` // up to which volume Cheapest goes
	Cheapest       []CheapestRange    `json:"cheapest"`                  // of the options that are allowed, ascending and without a gap
	LeftOut        []string           `json:"left_out"`                  // options that are allowed and not in Cheapest: they follow or share out the load of the hours
	Owned          []OwnedBreakEven   `json:"owned"`                     // of every option whose hardware is bought
	PerRequest     []RequestBreakEven `json:"per_request"`               // of every fleet that runs all month; empty when the requests are not known
}

// CheapestRange is a range of monthly volumes over which one option is cheapest.
type CheapestRange struct {
	From   Tokens `json:"from_exclusive"`
	To     Tokens `json:"to_inclusive"`
	Option string `json:"option"` // empty where none can serve
}

// OwnedBreakEven is how long hardware that is bought takes to pay for itself at the median volume: without interest and without a change of the volume, as
// published comparisons count.
type OwnedBreakEven struct {
	Option             string   `json:"option"`
	CapexUSD           USD      `json:"capex_usd"`
	RunningUSDPerMonth USD      `json:"running_usd_per_month"` // all that the option costs but the hardware
	CurrentUSDPerMonth USD      `json:"current_usd_per_month"` // of the current option
	Months             *float64 `json:"months"`                // null: never
	Reason             string   `json:"reason"`                // PAYS_BACK or NEVER_PAYS_BACK
}

// RequestBreakEven compares one replica with an API by the request.
type RequestBreakEven struct {
	Option             string  `json:"option"`
	Against            string  `json:"against"`                       // the API
	Requests           float64 `json:"requests_per_hour"`             // that the replica may serve
	Breakeven          float64 `json:"breakeven_requests_per_hour"`   // from which on it costs less than the API asks
	USDPerRequest      USD     `json:"usd_per_request"`               // when it serves all that it may; operations left out
	APIUSDPerRequest   USD     `json:"api_usd_per_request"`           // at the median volume
	SavingPerFullRatio float64 `json:"saving_ratio_at_full_capacity"` // below 0 when it costs more
}

// mostSaid is how many ranges of volume are written out.
const mostSaid = 8

// Sentences says b to a reader, without a full stop; none when there is nothing to say.
func (b *BreakEvens) Sentences() (lines []string) {
	if b == nil {
		return nil
	}
	var ranges []string
	for i, r := range b.Cheapest {
		option := r.Option
		if option == "" {
			option = "none of them can serve"
		}
		switch {
		case i == mostSaid && len(b.Cheapest) > mostSaid+1:
			ranges = append(ranges, fmt.Sprintf("%d more ranges", len(b.Cheapest)-mostSaid-1))
		case i > mostSaid && i < len(b.Cheapest)-1:
		case len(b.Cheapest) == 1:
			ranges = append(ranges, option)
		default:
			ranges = append(ranges, fmt.Sprintf("%s to %s %s", FormatTokens(r.From), FormatTokens(r.To), option))
		}
	}
	if len(ranges) > 0 {
		without := ""
		if len(b.LeftOut) > 0 {
			without = fmt.Sprintf(", %s left out, which the load of the hours decides on", strings.Join(b.LeftOut, ", "))
		}
		lines = append(lines, fmt.Sprintf("Cheapest of what is allowed, in full cost, up to %s tokens a month%s: %s", FormatTokens(b.SearchedTokens), without, strings.Join(ranges, "; ")))
	}
	for _, o := range b.Owned {
		pays := "never pay for themselves"
		if o.Months != nil {
			pays = fmt.Sprintf("have paid for themselves after %.1f months", *o.Months)
		}
		lines = append(lines, fmt.Sprintf("%s: machines for %s %s: the rest of it costs %s a month, where %s is paid now; without interest, at the volume of today",
			o.Option, FormatUSD(o.CapexUSD), pays, FormatUSD(o.RunningUSDPerMonth), FormatUSD(o.CurrentUSDPerMonth)))
	}
	for _, r := range b.PerRequest {
		breakeven, most := FormatTokens(Tokens(r.Breakeven)), FormatTokens(Tokens(r.Requests))
		pays := fmt.Sprintf("costs less than %s from %s requests an hour on, and may serve %s", r.Against, breakeven, most)
		if r.Breakeven >= r.Requests {
			pays = fmt.Sprintf("never costs less than %s: that takes %s requests an hour, and it may serve %s", r.Against, breakeven, most)
		}
		lines = append(lines, fmt.Sprintf("%s: a replica %s; full it takes %s of GPU hours for a thousand requests, where the API asks %s",
			r.Option, pays, perThousand(r.USDPerRequest), perThousand(r.APIUSDPerRequest)))
	}
	return lines
}

// perThousand writes what a thousand requests cost, of which one takes usd, most often a fraction of a cent.
func perThousand(usd USD) string { return fmt.Sprintf("$%.3g", 1000*float64(usd)) }
