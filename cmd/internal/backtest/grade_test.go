package backtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/model"
)

// at returns the morning so many days after dawn.
func at(days int) time.Time { return dawn.AddDate(0, 0, days).Add(6 * time.Hour) }

// daily returns a workload that is observed every morning from day from on to day to.
func daily(from, to int, observe func(day int) observed) []observed {
	var all []observed
	for d := from; d <= to; d++ {
		o := observe(d)
		o.at = at(d)
		all = append(all, o)
	}
	return all
}

// paying observes what the current option and the fleet cost, fully measured; an option that costs less than nothing could not have served.
func paying(api, fleet model.USD) func(int) observed {
	return func(int) observed {
		o := observed{covered: 1, costs: map[string]model.USD{}}
		for option, usd := range map[string]model.USD{"api": api, "fleet": fleet} {
			if usd >= 0 {
				o.costs[option] = usd
			}
		}
		return o
	}
}

func TestGradeMove(t *testing.T) {
	t.Parallel()
	until := func(first func(int) observed, day int, then func(int) observed) func(int) observed {
		return func(d int) observed {
			if d <= day {
				return first(d)
			}
			return then(d)
		}
	}
	for _, tc := range []struct {
		name string
		days []observed
		end  int
		want Verdict
		over int // graded days
		says string
	}{
		{"cheaper in every period", daily(0, 95, paying(30e3, 21e3)), 95, Right, 90, "fleet would have cost $9,000 a month less than api over the 90 days after it"},
		{"dearer in every period", daily(0, 95, paying(10e3, 21e3)), 95, Wrong, 90, "fleet would have cost $11,000 a month more than api over the 90 days after it"},
		{"as dear is no saving", daily(0, 35, paying(21e3, 21e3)), 35, Wrong, 30, "$0 a month more"},
		{"cheaper for a period, then dearer by more", daily(0, 65, until(paying(24e3, 21e3), 35, paying(15e3, 21e3))), 65, Wrong, 60, "$1,500 a month more"},
		{"cheaper for a period, then dearer by less", daily(0, 65, until(paying(30e3, 21e3), 35, paying(15e3, 21e3))), 65, Right, 60, "$1,500 a month less"},
		{"29 days are too few", daily(0, 34, paying(30e3, 21e3)), 34, TooEarly, 0, "the history ends 29 days after it"},
		{"nothing comes", nil, 5, TooEarly, 0, "the history ends no days after it"},
		{"the fleet could not have served it", daily(0, 65, until(paying(30e3, 21e3), 35, paying(90e3, -1))), 65, Wrong, 60, "fleet could not have served what came in 1 of 2 periods of 30 days"},
		{"what was in use could not have", daily(0, 35, paying(-1, 21e3)), 35, Right, 30, "api could not have served"},
		{"nobody measured", daily(0, 35, func(int) observed { return observed{covered: 0.3, costs: map[string]model.USD{"api": 1, "fleet": 2}} }), 35, Unknown, 0, "was not measured"},
	} {
		m := Message{At: at(5), Kind: alerting.FirstSeen, From: "api", To: "fleet"}
		got := grade(m, tc.days, at(tc.end))
		if got.Verdict != tc.want || got.GradedDays != tc.over || !strings.Contains(got.Because, tc.says) {
			t.Errorf("%s: got %+v, want %s over %d days because %q", tc.name, got, tc.want, tc.over, tc.says)
		}
		if compared := got.SavedUSDPerMonth != nil; compared && (*got.SavedUSDPerMonth > 0) != (tc.want == Right) {
			t.Errorf("%s: saved %v, and is %s", tc.name, *got.SavedUSDPerMonth, got.Verdict)
		}
		// What comes before the message is nothing to it.
		m.At = at(-1)
		if early := grade(m, daily(-60, -2, paying(1, 2)), at(0)); early.Verdict != TooEarly {
			t.Errorf("%s: got %+v by what was before it", tc.name, early)
		}
	}
	if got := grade(Message{Kind: alerting.Drifted}, nil, at(90)); got.Verdict != Informs {
		t.Errorf("got %+v of a message that advises nothing", got)
	}
}

func TestGradeApproach(t *testing.T) {
	t.Parallel()
	passing := func(day int) []observed { // 7B tokens a month
		return daily(0, 200, func(d int) observed {
			o := observed{covered: 1, tokens: 6e9}
			if d >= day {
				o.tokens = 8e9
			}
			return o
		})
	}
	for _, tc := range []struct {
		name string
		days []observed
		end  int
		want Verdict
	}{
		{"passed before the day", passing(30), 200, Right},
		{"passed the day after it was said", passing(6), 200, Right},
		{"passed when it was said", passing(5), 200, TooLate},
		{"passed long before", passing(0), 6, TooLate},
		{"passed 30 days after it", passing(69), 200, Right},
		{"passed later", passing(90), 200, Wrong},
		{"never passed", passing(1000), 200, Wrong},
		{"may still be passed", passing(1000)[:60], 59, TooEarly},
	} {
		m := Message{At: at(5), Kind: alerting.Approaching, Crosses: at(40).Format(time.DateOnly), boundary: 7e9}
		if got := grade(m, tc.days, at(tc.end)); got.Verdict != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
}

// TestGradeNoOption holds that what is said to be served by nothing is held against what could have served what came.
func TestGradeNoOption(t *testing.T) {
	t.Parallel()
	unserved := func(from int) func(int) observed {
		return func(d int) observed { return observed{covered: 1, unserved: d >= from} }
	}
	for _, tc := range []struct {
		name string
		days []observed
		want Verdict
	}{
		{"from then on", daily(0, 70, unserved(5)), Right},
		{"in the second period", daily(0, 70, unserved(50)), Right},
		{"never", daily(0, 70, unserved(100)), Wrong},
		{"nobody measured", daily(0, 70, func(int) observed { return observed{covered: 0.3} }), Unknown},
		{"29 days are too few", daily(0, 34, unserved(5)), TooEarly},
	} {
		if got := grade(Message{At: at(5), Kind: alerting.NoOption, From: "api"}, tc.days, at(70)); got.Verdict != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
}

// TestGradeBlocked holds that what is said not to be served by the option in use is held against whether that could have served what came.
func TestGradeBlocked(t *testing.T) {
	t.Parallel()
	blocked := func(from int) func(int) observed {
		return func(d int) observed { return observed{covered: 1, blocked: d >= from} }
	}
	for _, tc := range []struct {
		name string
		days []observed
		want Verdict
	}{
		{"from then on", daily(0, 70, blocked(5)), Right},
		{"never", daily(0, 70, blocked(100)), Wrong},
		{"too early", daily(0, 34, blocked(5)), TooEarly},
	} {
		if got := grade(Message{At: at(5), Kind: alerting.Blocked, From: "api", To: "fleet"}, tc.days, at(70)); got.Verdict != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
}

// TestGradeBudget holds that a month is held against its budget when it is over, or is spent.
func TestGradeBudget(t *testing.T) {
	t.Parallel()
	known := func(spent, projected model.USD, unknown ...string) model.BudgetReport {
		return model.BudgetReport{Budget: "b", USD: 1000, Month: "2026-11", SpentUSD: &spent, Projected: &model.Quantiles[model.USD]{P50: projected}, Unknown: unknown}
	}
	november := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	later := november(30, 0).AddDate(0, 1, 0)
	for _, tc := range []struct {
		name    string
		last    model.BudgetReport
		as, end time.Time
		want    Verdict
	}{
		{"spent in the middle of the month", known(1100, 2000), november(15, 6), november(15, 6), Right},
		{"over at its end", known(990, 1010), november(30, 6), later, Right},
		{"not over at its end", known(900, 950), november(30, 6), later, Wrong},
		{"not over of what is known", known(900, 950, "w"), november(30, 6), later, Unknown},
		{"in the middle of the month", known(500, 1100), november(15, 6), november(15, 6), TooEarly},
		{"nothing was known from the middle on", known(500, 1100), november(15, 6), later, Unknown},
		{"nothing was ever known", model.BudgetReport{}, time.Time{}, later, Unknown},
	} {
		if got := gradeBudget(tc.last, tc.as, tc.end); got.Verdict != tc.want {
			t.Errorf("%s: got %+v, want %s", tc.name, got, tc.want)
		}
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	type said = []Message
	hostings := map[string]model.Hosting{"fleet": model.SelfHosted, "another fleet": model.SelfHosted, "cheap": model.API}
	to := func(option string, kind alerting.Reason, day int) Message {
		return Message{Workload: "w", Kind: kind, At: at(day), To: option}
	}
	m := func(kind alerting.Reason, day int) Message { return to("fleet", kind, day) }
	near := m(alerting.Approaching, 10)
	near.Crosses = at(40).Format(time.DateOnly)
	lead := func(days int) *int { return &days }
	for _, tc := range []struct {
		name     string
		messages []Message
		want     Outcome
		lead     *int
	}{
		{"told before", said{m(alerting.Switched, 40)}, Caught, lead(10)},
		{"told on the day", said{m(alerting.Switched, 50)}, Caught, lead(0)},
		{"an approach, then the move", said{near, m(alerting.Switched, 45)}, Caught, lead(40)},
		{"an approach that was overdue, then the move", said{near, m(alerting.Switched, 90)}, Caught, lead(40)},
		{"told before, another option since", said{m(alerting.FirstSeen, 20), m(alerting.Switched, 30)}, Caught, lead(30)},
		{"taken back in time to be wrong", said{m(alerting.Switched, 20), m(alerting.Returned, 40)}, Missed, nil},
		{"taken back, and told again", said{m(alerting.Switched, 20), m(alerting.Returned, 30), m(alerting.Switched, 44)}, Caught, lead(6)},
		{"told after", said{m(alerting.Switched, 53)}, Late, lead(-3)},
		{"told when it was over", said{m(alerting.Switched, 150)}, Missed, nil},
		{"of another workload", said{{Workload: "v", Kind: alerting.Switched, At: at(20)}}, Missed, nil},
		{"told of another fleet", said{to("another fleet", alerting.Switched, 40)}, Caught, lead(10)},
		{"told of another API", said{to("cheap", alerting.Switched, 40)}, Missed, nil},
		{"told of another API, then of the fleet", said{to("cheap", alerting.Switched, 20), m(alerting.Switched, 55)}, Late, lead(-5)},
		{"told of the fleet, then of another API", said{m(alerting.Switched, 20), to("cheap", alerting.Switched, 40)}, Missed, nil},
		{"told that none may serve it", said{to("", alerting.NoOption, 45)}, Caught, lead(5)},
		{"no alert", said{m(alerting.Drifted, 20)}, Missed, nil},
	} {
		c := outcome(Crossing{Workload: "w", At: at(50), To: "fleet", ended: at(140)}, tc.messages, hostings, at(200))
		if c.Outcome != tc.want || fmt.Sprint(deref(c.LeadDays)) != fmt.Sprint(deref(tc.lead)) {
			t.Errorf("%s: got %s, %v, want %s, %v", tc.name, c.Outcome, deref(c.LeadDays), tc.want, deref(tc.lead))
		}
	}
	if c := outcome(Crossing{Workload: "w", At: at(50)}, nil, nil, at(100)); c.Outcome != Open {
		t.Errorf("fifty days before the end: got %s, want that it is too early to tell", c.Outcome)
	}
	first := Crossing{Workload: "w", At: at(50), AtStart: true, patience: 3 * day}
	if c := outcome(first, said{m(alerting.FirstSeen, 52)}, nil, at(200)); c.Outcome != Caught || c.LeadDays != nil {
		t.Errorf("past it from the start, told at once: got %+v", c)
	}
	if c := outcome(first, said{m(alerting.FirstSeen, 60)}, nil, at(200)); c.Outcome != Late || *c.LeadDays != -10 {
		t.Errorf("past it from the start, told ten days later: got %+v", c)
	}
}

func deref(n *int) any {
	if n == nil {
		return "none"
	}
	return *n
}

// TestBurst holds that a burst that the volume of 30 days shows is no crossing, and that growth is one.
func TestBurst(t *testing.T) {
	t.Parallel()
	crossing := func(workload string, began, ended int) *hindsight {
		c := Crossing{Workload: workload, At: at(began)}
		if ended > 0 {
			c.ended = at(ended)
		}
		return &hindsight{crossings: []Crossing{c}}
	}
	got := crossed(map[string]*hindsight{"burst": crossing("burst", 10, 55), "growth": crossing("growth", 30, 0), "year": crossing("year", 20, 90)})
	if len(got) != 2 || got[0].Workload != "year" || got[1].Workload != "growth" {
		t.Errorf("got %+v", got)
	}
}

func TestHorizons(t *testing.T) {
	t.Parallel()
	workload := func(scores ...model.ForecastScore) model.WorkloadReport {
		return model.WorkloadReport{Forecast: &model.ForecastSummary{Scores: scores}}
	}
	got := horizons([]model.WorkloadReport{
		workload(model.ForecastScore{Days: 30, Graded: 1, ErrorRatio: 0.5, Coverage80: 1, Coverage95: 1}),
		{},
		workload(
			model.ForecastScore{Days: 7, Graded: 2, ErrorRatio: 0.25, NaiveErrorRatio: 0.5, Coverage80: 0.5, Coverage95: 1},
			model.ForecastScore{Days: 30, Graded: 3, ErrorRatio: 0.1, NaiveErrorRatio: 0.2, Coverage80: 0, Coverage95: 1},
		),
	})
	if len(got) != 2 || got[0] != (Horizon{7, 2, 0.25, 0.5, 0.5, 1}) || got[1].Graded != 4 || fmt.Sprintf("%.3f %.3f %.3f", got[1].Error, got[1].NaiveError, got[1].Coverage80) != "0.200 0.150 0.250" {
		t.Errorf("got %+v", got)
	}
}

// TestSummary holds that nothing which is not known yet counts as right, and that what nothing is to be said of is left out.
func TestSummary(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		totals    Totals
		undecided int
		want      string
	}{
		{Totals{}, 0, "In 180 days tipline would have sent no messages about any of 12 workloads. In hindsight no moves came to pay. " +
			"That is 0.0 messages a month, of which 0 took back or replaced what was said before, and no digests beside them."},
		{
			Totals{Messages: 3, Told: 2, Right: 2, TooEarly: 1, Caught: 2, Missed: 1, LeadDays: new(31), MessagesPerMonth: 0.5, ChangesOfMind: 1, Digests: 1},
			1,
			"In 180 days tipline would have sent 3 messages about 2 of 12 workloads: 2 right, 1 too early to tell. 1 workload never had a verdict. " +
				"In hindsight 3 moves came to pay: 2 told in time (31 days ahead in the median), 1 never told. " +
				"That is 0.5 messages a month, of which 1 took back or replaced what was said before, and 1 digest beside them.",
		},
		{
			Totals{Messages: 1, Told: 1, Wrong: 1, Unknown: 1, NotGraded: 1, Late: 1, Open: 1},
			0,
			"In 180 days tipline would have sent 1 message about 1 of 12 workloads: 1 wrong, 1 not known, for want of measurements, 1 not graded. " +
				"In hindsight 2 moves came to pay: 1 told late, 1 too early to tell. " +
				"That is 0.0 messages a month, of which 0 took back or replaced what was said before, and no digests beside them.",
		},
	} {
		r := Result{Since: dawn, Until: dawn.AddDate(0, 0, 180), Workloads: 12, Totals: tc.totals, Undecided: make([]Silent, tc.undecided)}
		if got := strings.Join(r.summarize(), " "); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
