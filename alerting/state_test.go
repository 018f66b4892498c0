package alerting

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

var (
	morning = time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)
	policy  = Policy{Enter: 0.20, Leave: 0.10, Confirmations: 3, ConfirmEvery: 24 * time.Hour}
)

// evaluation returns a report of a workload that is on "now" and should be on option; costs are of now, X and Y.
func evaluation(option string, costs ...model.USD) model.WorkloadReport {
	w := model.WorkloadReport{Workload: "support", Current: "now"}
	for i, c := range costs {
		w.Options = append(w.Options, model.OptionCost{
			Option: []string{"now", "X", "Y"}[i], USDPerMonth: &model.Quantiles[model.USD]{P10: c, P50: c, P90: c},
		})
	}
	w.Decision = model.Decision{ID: "0123456789ab", Option: option, Recommendation: model.Move, Reason: model.ReasonSwitch}
	switch option {
	case "now":
		w.Decision.Recommendation, w.Decision.Reason = model.Stay, model.ReasonAlreadyBest
	case "":
		w.Decision.Recommendation, w.Decision.Reason = model.Unknown, model.ReasonUnknown
	case none:
		w.Decision.Option, w.Decision.Recommendation, w.Decision.Reason = "", model.Unknown, model.ReasonNoFeasibleOption
	}
	return w
}

// letters abbreviates reasons in timelines.
var letters = map[Reason]string{
	Unchanged: "-", Waiting: "w", NoData: "?", Settled: "b", Followed: "d", Restarted: "0", FirstSeen: "f", Switched: "s", Returned: "r", NoOption: "n",
	Blocked: "m", Allowed: "a", Unstable: "u", Swung: "~",
}

// answers maps a letter of a timeline to an evaluation: S stay, X and Y move there, x a move to X that has lost most of its
// saving, z one that has become a loss, ? unknown, 0 nothing feasible; B and C that X and
// Y must be moved to, since the current option is blocked.
func answers(c rune) model.WorkloadReport {
	switch c {
	case 'S':
		return evaluation("now", 1000, 1000, 1000)
	case 'X':
		return evaluation("X", 1000, 500, 900)
	case 'x':
		return evaluation("now", 1000, 950, 1000)
	case 'z':
		return evaluation("now", 1000, 1150, 1200)
	case 'y':
		return evaluation("Y", 1000, 500, 450)
	case 'Y':
		return evaluation("Y", 1000, 500, 300)
	case 'B', 'C':
		w := evaluation("X", 1000, 1100, 1200)
		if c == 'C' {
			w = evaluation("Y", 1000, 1200, 1100)
		}
		w.Decision.Reason = model.ReasonCurrentInfeasible
		return w
	case '0':
		return evaluation(none)
	}
	return evaluation("", 1000, 500, 900)
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, evaluations, want string }{
		{"a first verdict to stay is confirmed without a word", "SSSS", "wwb-"},
		{"a first verdict to move is announced once", "XXXXX", "wwf--"},
		{"a flap shorter than the hold is silent", "SSSXSSX", "wwbw--w"},
		{"alternating never announces", "SXSXSXSX", "wwwwwwww"},
		{"a lasting change announces once", "SSSXXXXX", "wwbwws--"},
		{"a gap in the data neither counts nor resets", "SSSX??XX", "wwbw??ws"},
		{"an announced move stands while its saving shrinks", "XXXxxxxx", "wwf-----"},
		{"an announced move is withdrawn when it has become a loss", "XXXzzzz", "wwfwwr-"},
		{"a slightly better alternative is not worth another message", "XXXyyyy", "wwf----"},
		{"a much better alternative is", "XXXYYYY", "wwfwws-"},
		{"a block is told with where to move", "BBBB", "wwm-"},
		{"and after a verdict to stay", "SSSBBBB", "wwbwwm-"},
		{"and although the same move stood before", "XXXBBBB", "wwfwwm-"},
		{"one that does not last is not told", "XXXBBXBB", "wwfww-ww"},
		{"an evaluation that does not know neither counts nor resets it", "XXXB??BB", "wwfw??wm"},
		{"it is told whichever other option is best meanwhile", "SSSBCB", "wwbwwm"},
		{"the move that stands is not told again when the block goes", "XXXBBBBXXXX", "wwfwwm-wwa-"},
		{"but the block is when it comes back", "XXXBBBXXXBBB", "wwfwwmwwawwm"},
		{"a move that no longer has to be made and saves nothing is withdrawn", "BBBSSS", "wwmwwr"},
		{"one that still saves stands", "BBBxxxx", "wwmwwa-"},
		{"until it has become a loss", "BBBxxxzzz", "wwmwwawwr"},
		{"a slightly better alternative while the block lasts is not worth another message", "BBBCCC", "wwm---"},
		{"another option may serve it after none: the block is known", "000BBB", "wwnwws"},
		{"none may serve it any more after a block", "BBB000", "wwmwwn"},
		{"no feasible option is announced", "SSS000", "wwbwwn"},
		{"no feasible option from the start is announced", "0000", "wwn-"},
	} {
		var s State
		var got strings.Builder
		for i, c := range tc.evaluations {
			var why Reason
			s, why = s.Next(answers(c), morning.AddDate(0, 0, i), policy)
			got.WriteString(letters[why])
		}
		if got.String() != tc.want {
			t.Errorf("%s: %s: got %s, want %s", tc.name, tc.evaluations, got.String(), tc.want)
		}
	}
}

func TestNextFollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	var s State
	for i := range 3 {
		s, _ = s.Next(answers('X'), morning.AddDate(0, 0, i), policy)
	}
	moved := answers('S')
	moved.Current = "X"
	if after, why := s.Next(moved, morning.AddDate(0, 0, 3), policy); why != Followed || after.Standing != "X" {
		t.Errorf("after the announced move: got %s standing on %q, want followed on X", why, after.Standing)
	}
	moved.Current = "other"
	if after, why := s.Next(moved, morning.AddDate(0, 0, 3), policy); why != Restarted || after.Standing != "" {
		t.Errorf("after another move: got %s standing on %q, want a restart", why, after.Standing)
	}
}

// TestNextDoesNotDependOnTheSchedule evaluates the same days every five minutes and once a day.
func TestNextDoesNotDependOnTheSchedule(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		var days []rune
		for range 40 {
			days = append(days, []rune("SSXXXYz?BC")[random.IntN(10)])
			if random.IntN(3) > 0 && len(days) > 1 {
				days[len(days)-1] = days[len(days)-2] // days resemble those before them
			}
		}
		announce := func(every time.Duration) []string {
			var s State
			var said []string
			for at := morning; at.Before(morning.AddDate(0, 0, len(days))); at = at.Add(every) {
				day := int(at.Sub(morning) / (24 * time.Hour))
				var why Reason
				s, why = s.Next(answers(days[day]), at, policy)
				if why.Notify() {
					said = append(said, s.Standing)
				}
			}
			return said
		}
		daily, often := announce(24*time.Hour), announce(5*time.Minute)
		if strings.Join(daily, ",") != strings.Join(often, ",") {
			t.Errorf("days %s: daily announces %v, every five minutes %v", string(days), daily, often)
		}
	}
}

// FuzzNext holds the law of the hold: no sequence of answers yields two messages closer than the confirmations take.
func FuzzNext(f *testing.F) {
	f.Add("SSSXXXzzz", uint16(1440))
	f.Add("X?X?XY0Y0Y0", uint16(5))
	f.Add("XXXBXBBCB0BBXXBSSzB", uint16(1440))
	f.Fuzz(func(t *testing.T, evaluations string, minutes uint16) {
		var s State
		var last time.Time
		at := morning
		for _, c := range evaluations {
			at = at.Add(time.Duration(minutes) * time.Minute)
			var why Reason
			s, why = s.Next(answers(c), at, policy)
			if !why.Notify() {
				continue
			}
			hold := time.Duration(policy.Confirmations-1) * (policy.ConfirmEvery - earliness)
			if !last.IsZero() && at.Sub(last) < hold {
				t.Fatalf("%q every %d minutes: messages at %s and %s, closer than %s", evaluations, minutes, last, at, hold)
			}
			last = at
		}
	})
}

// TestNextAfterAnAnswer holds what a person's answer does to the timelines: X is announced, then ruled out at the bar, so that
// evaluations say S until it is proposed again.
func TestNextAfterAnAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, evaluations, want string }{
		{"an announced move that is ruled out is withdrawn without a word", "XXX|SSSSS", "wwf-----"},
		{"and is announced again when it is proposed again and confirmed", "XXX|SSSSXXX", "wwf----wws"},
		{"another option may be announced meanwhile", "XXX|YYYY", "wwfwws-"},
		{"a move that waits begins anew", "SSSXX|SSXXX", "wwbww--wws"},
		{"an answer to what is no longer asked changes nothing", "SSSYY|Y", "wwbwws"},
	} {
		var s State
		var got strings.Builder
		day := 0
		for _, c := range tc.evaluations {
			if c == '|' {
				s = s.Declined("X")
				continue
			}
			var why Reason
			s, why = s.Next(answers(c), morning.AddDate(0, 0, day), policy)
			day++
			got.WriteString(letters[why])
		}
		if got.String() != tc.want {
			t.Errorf("%s: %s: got %s, want %s", tc.name, tc.evaluations, got.String(), tc.want)
		}
	}
}
