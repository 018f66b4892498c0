package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// TestRetirement holds that an option counts as gone from the day on which a move away has to begin, and says so before.
func TestRetirement(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.1), four("3"))
	in.Policy.LeadTime = 90 * 24 * time.Hour
	origin := in.Forecast.Origin
	for _, tc := range []struct {
		name    string
		retires time.Time
		gone    bool
		warns   bool
	}{
		{"no date", time.Time{}, false, false},
		{"in two years", origin.AddDate(2, 0, 0), false, false},
		{"in half a year", origin.AddDate(0, 6, 0), false, true},
		{"a move takes as long", origin.Add(in.Policy.LeadTime), true, true},
		{"a moment after a move would be made", origin.Add(in.Policy.LeadTime + time.Second), false, true},
		{"a month ago", origin.AddDate(0, -1, 0), true, true},
	} {
		for i := range in.Options {
			in.Options[i].Retires = time.Time{}
			if in.Options[i].Name == in.Current {
				in.Options[i].Retires = tc.retires
			}
		}
		v := Decide(in)
		for _, o := range v.Options {
			touched := o.Option == in.Current || o.Hosting == model.Hybrid // the overflow of which is the current option
			if gone := slices.Contains(o.Blocked, Retired); gone != (touched && tc.gone) {
				t.Errorf("%s: %s: got %v, want gone: %v", tc.name, o.Option, o.Blocked, tc.gone)
			}
			if warned := slices.ContainsFunc(o.Warnings, func(w model.Warning) bool { return w.Code == "RETIRES" }); warned != (touched && tc.warns) {
				t.Errorf("%s: %s: got %+v, want a warning: %v", tc.name, o.Option, o.Warnings, tc.warns)
			}
		}
		if must := v.Decision.Reason == model.ReasonCurrentInfeasible; must != tc.gone {
			t.Errorf("%s: got %s, want a move that must be made: %v", tc.name, v.Decision.Reason, tc.gone)
		}
	}
}

// TestOldPrices holds that the oldest price is named once it is older than the policy wants, and a throughput after half a year.
func TestOldPrices(t *testing.T) {
	t.Parallel()
	in := input(projection(2e10, 0, 0.1), four("3"))
	at := func(days int) string { return in.Forecast.Origin.AddDate(0, 0, -days).Format(time.DateOnly) }
	in.Options[0].Prices = []model.PriceSource{
		{Item: "a/m", Field: "input", Unit: "USD/Mtok", Date: at(20)},
		{Item: "a/m", Field: "output", Unit: "USD/Mtok", Date: at(40)},
		{Item: "own", Field: "discount", Unit: "share"},
		{Item: "engine", Field: "1/1", Unit: "output tokens/s per replica", Date: at(200)},
	}
	for _, tc := range []struct {
		most  time.Duration
		price bool
	}{{0, false}, {30 * 24 * time.Hour, true}, {60 * 24 * time.Hour, false}} {
		in.Policy.MaxPriceAge = tc.most
		var texts []string
		for _, w := range Decide(in).Options[0].Warnings {
			if w.Code == "PRICE_OLD" {
				texts = append(texts, w.Text)
			}
		}
		all := strings.Join(texts, "; ")
		if strings.Contains(all, "40 days ago, want 30 days at most") != tc.price || strings.Contains(all, "200 days ago, want 180 days at most") != (tc.most > 0) {
			t.Errorf("%s: got %q", tc.most, all)
		}
	}
}
