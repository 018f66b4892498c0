package forecast

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tipline/model"
)

// Explain says in lines of text what a projection of u from origin on is made of: what was left out of history, the level and
// its shifts, the week, the classes where their shares move, the members with their weights, and what the spread rests on. It is false when not one hour before
// origin was measured.
func Explain(u model.Usage, origin time.Time, k model.Known) ([]string, bool) {
	o, ok := newOutlook(u.Until(origin), origin, scored, k)
	if !ok {
		return nil, false
	}
	lines := []string{
		fmt.Sprintf("history      %s until %s", age(o.age), moment(origin)),
		fmt.Sprintf("usual day    %s tokens, the mean of the last four weeks", model.FormatTokens(model.Tokens(usualDay(o.levels.days)))),
		"week         " + o.weekText(),
	}
	sum, _ := o.recent(u)
	if m := o.newMix(u, sum); m.moves(scored) {
		lines = append(lines, "classes      "+m.text(scored))
	}
	for _, s := range o.levels.shifts {
		on := date(o.origin.Add(-time.Duration(len(o.levels.days)-s.day) * day))
		lines = append(lines, fmt.Sprintf("level shift  on %s, ×%.2g: what came before is brought to the level after it", on, math.Exp(s.change)))
	}
	lines = append(lines, "members      weight for a week ahead, for four weeks ahead, and the total of 30 days that each alone would forecast")
	for _, m := range o.heaviest() {
		total := 0.0
		for d := 1; d <= scored; d++ {
			total += math.Exp(o.pool.lines[m].at(d)) * o.levels.season[(d-1)%week]
		}
		lines = append(lines, fmt.Sprintf("  %-28s %4.0f%%  %4.0f%%  %s", members[m].name, 100*o.pool.weekly[m], 100*o.pool.monthly[m], model.FormatTokens(model.Tokens(total))))
	}
	lines = append(lines, fmt.Sprintf("own past     a week's total was missed by %.0f%% on average, in %d tests", 100*math.Expm1(o.evidence.own), o.pool.tests))
	lines = append(lines, fmt.Sprintf("days         lie %.0f%% from the level of the week before on average", 100*math.Expm1(o.evidence.daily)))
	if c := o.evidence.chance(week); c > 0 {
		lines = append(lines, fmt.Sprintf("chance       days that scatter by %.0f%% make a week's total stray by %.0f%%, however well the level is known", 100*o.evidence.scatter, 100*math.Expm1(c)))
	}
	for _, days := range []int{7, scored} {
		d := o.totals[days]
		lines = append(lines, fmt.Sprintf("%-2d days      %s tokens; 80%% range %s to %s, 95%% range %s to %s", days, model.FormatTokens(d.At(0.5)),
			model.FormatTokens(d.At(0.1)), model.FormatTokens(d.At(0.9)), model.FormatTokens(d.At(0.025)), model.FormatTokens(d.At(0.975))))
	}
	for _, w := range o.warnings() {
		lines = append(lines, "mind         "+w.Text)
	}
	return lines, true
}

// weekText writes the use of each day of the week over the mean day, the day that begins at the origin's hour first.
func (o outlook) weekText() string {
	days := make([]string, week)
	for i, factor := range o.levels.season {
		days[i] = fmt.Sprintf("%s %.0f%%", o.origin.AddDate(0, 0, i).Weekday().String()[:3], 100*factor)
	}
	return strings.Join(days, ", ")
}

// moves reports whether the share of a class is another by half a percent of all tokens or more the given number of days later.
func (m mix) moves(days int) bool {
	today, then := m.at(0), m.at(days)
	for c := range today {
		if math.Abs(then[c]-today[c]) >= 0.005 {
			return true
		}
	}
	return false
}

// text writes the share of each class today and the given number of days later.
func (m mix) text(days int) string {
	var shares []string
	today, then := m.at(0), m.at(days)
	for _, c := range model.Classes {
		if today[c] > 0 {
			shares = append(shares, fmt.Sprintf("%s %.0f%%, %.0f%%", c, 100*today[c], 100*then[c]))
		}
	}
	return fmt.Sprintf("shares today and in %d days: %s", days, strings.Join(shares, "; "))
}

// heaviest returns the places of the members that have a forecast, those with the largest weights first.
func (o outlook) heaviest() []int {
	var places []int
	for m, has := range o.pool.has {
		if has {
			places = append(places, m)
		}
	}
	weight := func(m int) float64 { return o.pool.weekly[m] + o.pool.monthly[m] }
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(weight(b), weight(a)) })
	return places
}
