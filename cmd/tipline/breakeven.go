package main

import (
	"fmt"
	"strings"

	"tipline/model"
)

// mostRanges is how many ranges of volume are written out.
const mostRanges = 8

// breakEvens writes b for a reader, a sentence a line; none when there is nothing to say.
func breakEvens(b *model.BreakEvens) (lines []string) {
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
		case i == mostRanges && len(b.Cheapest) > mostRanges+1:
			ranges = append(ranges, fmt.Sprintf("%d more ranges", len(b.Cheapest)-mostRanges-1))
		case i > mostRanges && i < len(b.Cheapest)-1:
		case len(b.Cheapest) == 1:
			ranges = append(ranges, option)
		default:
			ranges = append(ranges, fmt.Sprintf("%s to %s %s", model.FormatTokens(r.From), model.FormatTokens(r.To), option))
		}
	}
	if len(ranges) > 0 {
		without := ""
		if len(b.LeftOut) > 0 {
			without = fmt.Sprintf(", %s left out, which the load of the hours decides on", strings.Join(b.LeftOut, ", "))
		}
		lines = append(lines, fmt.Sprintf("Cheapest of what is allowed, in full cost, up to %s tokens a month%s: %s", model.FormatTokens(b.SearchedTokens), without, strings.Join(ranges, "; ")))
	}
	for _, o := range b.Owned {
		pays := "never pay for themselves"
		if o.Months != nil {
			pays = fmt.Sprintf("have paid for themselves after %.1f months", *o.Months)
		}
		lines = append(lines, fmt.Sprintf("%s: machines for %s %s: the rest of it costs %s a month, where %s is paid now; without interest, at the volume of today",
			o.Option, model.FormatUSD(o.CapexUSD), pays, model.FormatUSD(o.RunningUSDPerMonth), model.FormatUSD(o.CurrentUSDPerMonth)))
	}
	for _, r := range b.PerRequest {
		breakeven, most := model.FormatTokens(model.Tokens(r.Breakeven)), model.FormatTokens(model.Tokens(r.Requests))
		pays := fmt.Sprintf("costs less than %s from %s requests an hour on, and may serve %s", r.Against, breakeven, most)
		if r.Breakeven >= r.Requests {
			pays = fmt.Sprintf("never costs less than %s: that takes %s requests an hour, and it may serve %s", r.Against, breakeven, most)
		}
		lines = append(lines, fmt.Sprintf("%s: a replica %s; full it takes %s of GPU hours a request, where the API asks %s",
			r.Option, pays, request(r.USDPerRequest), request(r.APIUSDPerRequest)))
	}
	return lines
}

// request writes what a request costs, most often a fraction of a cent.
func request(usd model.USD) string { return fmt.Sprintf("$%.3g", float64(usd)) }
