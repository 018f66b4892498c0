package words

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/model"
)

// event returns a move of a workload whose crossover lies ahead.
func event() alerting.Event {
	return alerting.Event{
		Time: time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC), Workload: "support-chat", Reason: alerting.Switched,
		Report: model.WorkloadReport{
			Workload: "support-chat", Current: "haiku",
			Usage:     model.UsageSummary{Last30dTokens: new(model.Tokens(12.6e9))},
			Forecast:  &model.ForecastSummary{Next30dTokens: model.Quantiles[model.Tokens]{P10: 11.3e9, P50: 13.5e9, P90: 16.2e9}},
			Crossover: &model.Crossover{Option: "llama", Against: "haiku"},
			Decision:  model.Decision{ID: "0514a8524d8c", Recommendation: model.Move, Option: "llama", Because: "it costs less"},
		},
	}
}

// TestVolumeOfAYoungWorkload holds that a volume is never said to be that of 30 days when fewer were measured.
func TestVolumeOfAYoungWorkload(t *testing.T) {
	t.Parallel()
	last := event().Time
	for days, want := range map[int]string{1: "Last 1 day 12.6B", 9: "Last 9 days 12.6B", 29: "Last 29 days 12.6B", 30: "Last 30 days 12.6B", 300: "Last 30 days 12.6B"} {
		e := event()
		e.Report.Usage.FirstSample, e.Report.Usage.LastSample = new(last.AddDate(0, 0, -days)), &last
		if got := Volume(e.Report); !strings.HasPrefix(got, want) {
			t.Errorf("%d days measured: got %q, want %q", days, got, want)
		}
	}
}

// TestRests holds that a message in plain words says how much rests on capacity that nobody measured, in the words of the report, and nothing where all was measured.
func TestRests(t *testing.T) {
	t.Parallel()
	e := event()
	a := &model.AssumedCapacity{USDPerMonth: 5_872, Ratio: 0.16, Numbers: []string{"throughput of\x1b[2J llama"}}
	e.Report.Decision.AssumedCapacity = a
	const want = "16% of the cost that is compared, $5,900 a month, rests on assumed capacity: throughput of [2J llama."
	if text, doubts := Text(e), Doubts(e.Report); !strings.Contains(text, " "+want) || len(doubts) != 1 || doubts[0] != want {
		t.Errorf("got %q and %q, want both to say %q", text, doubts, want)
	}
	for _, known := range []*model.AssumedCapacity{{}, nil} {
		e.Report.Decision.AssumedCapacity = known
		if text, doubts := Text(e), Doubts(e.Report); strings.Contains(text, "assumed") || len(doubts) > 0 {
			t.Errorf("%+v: got %q and %q, want nothing about it", known, text, doubts)
		}
	}
}

// TestWhen holds that nobody is told to act by a day that has passed.
func TestWhen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ crosses, actBy, want string }{
		{"", "", ""},
		{"2027-05-01", "2027-01-31", "Crosses around 1 May 2027; act by 31 Jan 2027."},
		{"2026-12-05", "2026-09-06", "Crosses around 5 Dec 2026, sooner than a move takes: act now."},
		{"", "2027-01-31", "Act by 31 Jan 2027 if the volume takes the upper path."},
		{"", "2026-11-11", "If the volume takes the upper path it crosses sooner than a move takes: act now."},
		{"", "2026-11-12", "Act by 12 Nov 2026 if the volume takes the upper path."},
	} {
		e := event()
		e.Report.Decision.Recommendation = model.Stay
		e.Report.Crossover.CrossesOn, e.Report.Crossover.ActBy = tc.crosses, tc.actBy
		if got := When(e); got != tc.want {
			t.Errorf("crosses %q, act by %q, on 12 November 2026: got %q, want %q", tc.crosses, tc.actBy, got, tc.want)
		}
	}
}

// TestSince holds that a message says what moved since the answer that was said last, the largest part first, and nothing when none was said.
func TestSince(t *testing.T) {
	t.Parallel()
	moved := func(said string, change model.USD, parts ...model.ChangePart) *model.Moved {
		return &model.Moved{Since: time.Date(2026, 8, 3, 6, 0, 0, 0, time.UTC), Said: said, Option: "haiku", Cost: model.CostChange{ChangeUSDPerMonth: change, Parts: parts}}
	}
	for name, tc := range map[string]struct {
		moved *model.Moved
		want  string
	}{
		"nothing":              {nil, ""},
		"since the last cycle": {moved("", 500, model.ChangePart{Input: "volume", USDPerMonth: 500}), ""},
		"by cents":             {moved("aa14a8524d8c", 0.4, model.ChangePart{Input: "volume", USDPerMonth: 0.4}), ""},
		"more": {
			moved("aa14a8524d8c", 400, model.ChangePart{Input: "volume", USDPerMonth: -300}, model.ChangePart{Input: "mix", USDPerMonth: 0.2}, model.ChangePart{Input: "price", USDPerMonth: 699.8}),
			"Since the answer of 3 Aug 2026 haiku costs $400 more a month: price $700 more, volume $300 less.",
		},
		"by others": {
			moved("aa14a8524d8c", -6000, model.ChangePart{Input: "volume", USDPerMonth: 1000}, model.ChangePart{Input: "others on the account", USDPerMonth: -7000}),
			"Since the answer of 3 Aug 2026 haiku costs $6,000 less a month: others on the account $7,000 less, volume $1,000 more.",
		},
		"less": {moved("aa14a8524d8c", -2000, model.ChangePart{Input: "volume", USDPerMonth: -2000}), "Since the answer of 3 Aug 2026 haiku costs $2,000 less a month: volume $2,000 less."},
	} {
		e := event()
		e.Report.Moved = tc.moved
		got := strings.Join(Reasons(e.Report), " ")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// TestCodesAreSaidInWords holds that a reader meets words in place of every code that has them.
func TestCodesAreSaidInWords(t *testing.T) {
	t.Parallel()
	e := event()
	e.Report.Decision.RuleOfThumb, e.Report.Decision.DiffersBecause = "self-hosted", "UNIT_FLOOR"
	want := "A rule of thumb would say self-hosted; here a full GPU costs more per token than the API."
	if got := Reasons(e.Report); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Report.Decision.Because = "haiku may not serve this workload (RESIDENCY, NEW_CODE); RETIRED is the cheapest that may, at $20,000 a month"
	want = "Haiku may not serve this workload (runs in no region that the data may be in; NEW_CODE); RETIRED is the cheapest that may, at $20,000 a month."
	if got := Because(e); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Report.Decision.WouldChange = []string{"without the constraint RESIDENCY_UNKNOWN: llama, for $15,900 a month less", "without the constraint NEW_CODE: llama, for $1 a month less"}
	if got := WouldChange(e.Report); len(got) != 2 || got[0] != "If it need not be known where it runs: llama, for $15,900 a month less." || !strings.Contains(got[1], "NEW_CODE") {
		t.Errorf("got %q", got)
	}
}

// TestNothingTwice holds that the threshold that is a reason is not said to change the answer as well, that those excluded for the same reason
// are named together, and that what is near says what it takes and its date in the headline alone.
func TestNothingTwice(t *testing.T) {
	t.Parallel()
	e := event()
	e.Report.Crossover.FirstTokensPerMonth = new(model.Tokens(17e9))
	e.Report.Decision.WouldChange = []string{"less than 17.0B tokens a month: below that haiku is cheaper than llama", "an API price below $0.648/Mtok"}
	if got := WouldChange(e.Report); len(got) != 1 || got[0] != "An API price below $0.648/Mtok." {
		t.Errorf("got %q, want the price alone", got)
	}
	e.Reason, e.Report.Decision.Because = alerting.NoOption, "no option may serve this workload: a (RESIDENCY); b (RESIDENCY); c (the quota is too small)"
	e.Report.Options = []model.OptionCost{
		{Option: "a", Blocked: []string{"RESIDENCY"}}, {Option: "b", Blocked: []string{"RESIDENCY"}}, {Option: "c", Infeasible: "the quota is too small"}, {Option: "d"},
	}
	if got, want := Because(e), "Excluded: a, b (runs in no region that the data may be in); c (the quota is too small); d (its cost is not known)."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e = event()
	e.Reason, e.Report.Decision.Recommendation = alerting.Approaching, model.Stay
	e.Report.Crossover.CrossesOn, e.Report.Crossover.ActBy = "2027-05-01", "2027-01-31"
	e.Report.Options = []model.OptionCost{{Option: "llama", Replicas: new(int64(3)), Prospect: &model.Prospect{UpfrontUSD: 30_000}}}
	if got := Text(e); strings.Count(got, "31 Jan 2027") != 1 {
		t.Errorf("got %q, want the date once", got)
	}
	if got := strings.Join(Takes(e), " "); got != "Run 3 replicas of llama. The migration costs $30,000 once." {
		t.Errorf("got %q", got)
	}
	e.Headline = "of a template"
	if got := Text(e); strings.Count(got, "31 Jan 2027") != 1 {
		t.Errorf("with a headline of a template: got %q, want the date once", got)
	}
}

// TestSaving holds that how sure a saving is is said once and in words.
func TestSaving(t *testing.T) {
	t.Parallel()
	d := model.Decision{SavingUSDPerMonth: &model.Quantiles[model.USD]{P10: 2_653, P50: 6_200, P90: 9_923}}
	for p, want := range map[model.Fraction]string{1: "every future that was looked at", 0.95: "95% of futures", 0: "no future that was looked at"} {
		d.ProbabilityCheaper = &p
		if got := saving(d); got != "The 80% range of the saving is $2,600 to $10,000; over the next year moving costs less in "+want+"." {
			t.Errorf("%v: got %q", p, got)
		}
	}
	if got := saving(model.Decision{}); got != "" {
		t.Errorf("no saving: got %q", got)
	}
}

// FuzzText holds that no name from outside brings a control character, a line or a change of writing direction along.
func FuzzText(f *testing.F) {
	f.Add("a\nb", "\x1b[2J\u202e")
	f.Add("<!channel>", "\xff\x00")
	f.Fuzz(func(t *testing.T, workload, option string) {
		e := event()
		e.Workload, e.Report.Workload, e.Report.Decision.Option, e.Report.Decision.Because = workload, workload, option, option
		if got := Text(e); strings.ContainsAny(got, "\n\r\x1b\x00\u202e\u2066\u200f") || len([]rune(got)) > 2000 {
			t.Errorf("%q and %q: got %q", workload, option, got)
		}
	})
}

// TestSummedAddsUp holds that what a message that stands for many counts is as many as it stands for, whatever they are.
func TestSummedAddsUp(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`\d+`)
	for _, r := range []alerting.Reason{
		alerting.FirstSeen, alerting.Switched, alerting.Returned, alerting.Blocked, alerting.NoOption, alerting.Unstable, alerting.Approaching, alerting.Drifted, alerting.Reminded, alerting.Reopened,
	} {
		s := alerting.Storm{Count: map[alerting.Reason]int{alerting.FirstSeen: 11, r: 30}}
		total, sum := s.Size(), 0
		for _, text := range number.FindAllString(summed(s), -1)[1:] {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		if sum != total {
			t.Errorf("%s: %q adds up to %d, want %d", r, summed(s), sum, total)
		}
	}
}

// TestUnstableSaysWhetherToStay holds that nobody is told to stay where a workload must not.
func TestUnstableSaysWhetherToStay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answers          []string
		why              string
		headline, within string
	}{
		{[]string{"api", "fleet"}, model.ReasonSwitch, "chat: unstable between api and fleet, staying is fine", "Staying on api is fine. "},
		{[]string{"api", "fleet"}, model.ReasonCurrentInfeasible, "chat: unstable between api and fleet, staying is not allowed now", "Staying on api is not allowed now. "},
		{[]string{"cloud", "fleet"}, model.ReasonSwitch, "chat: unstable between cloud and fleet, either will do", "Either will do. "},
		{[]string{"", "fleet"}, model.ReasonCurrentInfeasible, "chat: unstable, at times no option may serve it", "between no option and fleet. The next message"},
	} {
		e := alerting.Event{
			Reason: alerting.Unstable, Workload: "chat", Unsettled: &alerting.Unsettled{Changes: 4, Answers: tc.answers},
			Report: model.WorkloadReport{Workload: "chat", Current: "api", Decision: model.Decision{Option: "fleet", Recommendation: model.Move, Reason: tc.why}},
		}
		if got := Headline(e); got != tc.headline {
			t.Errorf("got %q, want %q", got, tc.headline)
		}
		if got := Because(e); !strings.Contains(got, tc.within) {
			t.Errorf("got %q, want %q in it", got, tc.within)
		}
	}
}

// TestUndelivered holds that messages that do not arrive are not taken for a source that is not read.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	faults := []model.DataFault{{Notifier: "slack", Code: "NOT_DELIVERED", Text: "wait until somebody acts: channel_not_found"}}
	e := alerting.Event{Reason: alerting.DataFaulty, Faults: faults}
	if got := Headline(e); got != "Notifier slack has messages that do not arrive" {
		t.Errorf("got %q", got)
	}
	if got := Faults(faults); len(got) != 1 || got[0] != "Messages to slack: wait until somebody acts: channel_not_found (NOT_DELIVERED)." {
		t.Errorf("got %q", got)
	}
	if got := Digest(model.Digest{Items: []model.DigestItem{{Notifier: "slack", Kind: model.DigestFault, Text: "a"}}}); len(got) != 1 || got[0] != "Messages to slack: a." {
		t.Errorf("got %q", got)
	}
}

// TestReasonsNameTheAccount holds that a message says whose tokens a cost counts, in names that are cut and cleaned, and what its share of the bill is; and
// nothing of options that it does not tell of.
func TestReasonsNameTheAccount(t *testing.T) {
	t.Parallel()
	use := model.AccountUse{
		TokensPerMonth: 12e9, More: 2, ShareUSDPerMonth: new(model.USD(4_200)),
		Workloads: []model.AccountShare{{Workload: "chat\x1b", TokensPerMonth: 8e9}, {Workload: "search", TokensPerMonth: 2e9}, {Workload: "mail", TokensPerMonth: 1e9}, {Workload: "docs", TokensPerMonth: 9e8}},
	}
	contract := model.AccountUse{Contract: "provider", ElsewhereUSDPerMonth: 5_000, Workloads: []model.AccountShare{}}
	both := use
	both.Contract, both.ElsewhereUSDPerMonth, both.ShareUSDPerMonth = "provider", 5_000, nil
	for want, a := range map[string]model.AccountUse{
		"The cost of haiku is what it adds to the bill of an account of which others use 12.0B tokens a month (chat 8.00B, search 2.00B, mail 1.00B, 3 more workloads); its share of that bill is $4,200.":                                 use,
		"The cost of haiku is what it adds to the bill of an account of which others spend $5,000 a month on other models of the contract provider.":                                                                                       contract,
		"The cost of haiku is what it adds to the bill of an account of which others use 12.0B tokens a month (chat 8.00B, search 2.00B, mail 1.00B, 3 more workloads) and spend $5,000 a month on other models of the contract provider.": both,
	} {
		w := model.WorkloadReport{Current: "haiku", Options: []model.OptionCost{{Option: "haiku", Account: &a}, {Option: "another", Account: &a}}}
		if got := Reasons(w); len(got) != 1 || got[0] != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// TestDigestOfSeveral holds that what is about several workloads together has no name before it.
func TestDigestOfSeveral(t *testing.T) {
	t.Parallel()
	got := Digest(model.Digest{Items: []model.DigestItem{{Kind: model.DigestTogether, Text: "a and b would save $5,500 a month", Receipt: "1514a8524d8c"}}})
	if want := "Together: a and b would save $5,500 a month (receipt 1514a8524d8c)."; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestQuietDigest holds that a digest of nothing to say is one line, which has what the month costs and how the projections did.
func TestQuietDigest(t *testing.T) {
	t.Parallel()
	g := model.Digest{
		Quiet: 40, Costed: 39, USDPerMonth: 180_000, Graded: 30, ErrorRatio: 0.06,
		Month: &model.DigestMonth{Month: "2026-11", SpentUSD: 94_300, Projected: model.Quantiles[model.USD]{P10: 171_200, P50: 180_900, P90: 194_600}, Workloads: 39},
	}
	e := alerting.Event{Reason: alerting.Digested, Digest: &g}
	want := "Workloads: 40 quiet; November 2026: $94,300 so far, $181,000 projected; projections of a week missed by 6%"
	if got := Headline(e); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if lines, _ := AboutNone(e); len(lines) != 0 {
		t.Errorf("got %q below it, want nothing", lines)
	}
	g.Items = []model.DigestItem{{Workload: "pilot", Kind: model.DigestUnknown, Text: "62 hours have been measured", Receipt: "2514a8524d8c"}}
	if got := Headline(e); got != "Workloads: 40 quiet, 1 not known" {
		t.Errorf("got %q", got)
	}
	if lines, _ := AboutNone(e); len(lines) != 3 {
		t.Errorf("got %q below it, want what it costs and what is not known", lines)
	}
}

// TestNoAdviceWithoutANumber holds that what says to move, to stay or to act says by how much or until when, in every kind of message.
func TestNoAdviceWithoutANumber(t *testing.T) {
	t.Parallel()
	advice := regexp.MustCompile(`(?i)\b(move|stay|staying|act|run|pays?|saves?)\b`)
	advised := 0
	for _, r := range alerting.Kinds {
		e, _ := sample.Of(r)
		hasNumber := func(text string) bool {
			for _, o := range e.Report.Options { // there are digits in names
				text = strings.ReplaceAll(text, o.Option, "")
			}
			return strings.ContainsAny(text, "0123456789")
		}
		verdict := Headline(e) + " " + Because(e) + " " + When(e)
		if advice.MatchString(verdict) && r != alerting.NoOption { // of which the advice is to look at constraints, and no number is known
			advised++
			if !hasNumber(verdict) {
				t.Errorf("%s: %q has no number", r, verdict)
			}
		}
		for _, line := range append(WouldChange(e.Report), Takes(e)...) {
			if advice.MatchString(line) && !hasNumber(line) {
				t.Errorf("%s: %q has no number", r, line)
			}
		}
	}
	if advised < 10 {
		t.Errorf("%d kinds of messages advise, want most of them", advised)
	}
}
