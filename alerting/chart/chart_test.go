package chart_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/sample"
	"tipline/model"
)

func sampled(r alerting.Reason) alerting.Event {
	e, _ := sample.Of(r)
	return e
}

// TestWhichHaveAChart holds which kinds of messages have a chart.
func TestWhichHaveAChart(t *testing.T) {
	t.Parallel()
	var with []alerting.Reason
	for _, r := range alerting.Kinds {
		if chart.Of(sampled(r)) != nil {
			with = append(with, r)
		}
	}
	want := []alerting.Reason{
		alerting.FirstSeen, alerting.Switched, alerting.Returned, alerting.Blocked, alerting.Unstable, alerting.Approaching, alerting.Ends, alerting.PricesMoved, alerting.OverBudget, alerting.Digested, alerting.Reminded, alerting.Answered,
	}
	if !slices.Equal(with, want) {
		t.Errorf("got %v, want %v", with, want)
	}
}

// TestCost holds that a verdict shows what both options cost, with the range of the one that is less certain, and that they cross when the
// message says.
func TestCost(t *testing.T) {
	t.Parallel()
	e := sampled(alerting.Approaching)
	c := chart.Of(e)
	if c == nil || len(c.Series) != 4 || c.Series[0].Name != "haiku" || c.Series[1].Role != chart.Bound || c.Series[3].Name != "llama-70b-2xh100" || c.Unit != "thousand US dollars in a month of 730 hours" {
		t.Fatalf("got %+v, want two costs and a range", c)
	}
	april := slices.Index(c.Labels, "Apr 2027")
	if now, other := c.Series[0].Values, c.Series[3].Values; now[april-1] >= other[april-1] || now[april] <= other[april] {
		t.Errorf("got %v and %v, want them to cross between March and April 2027", now, other)
	}
	if want := "Between Nov 2026 and Oct 2027 the cost of a month goes from $20,000 to $31,000 on haiku (80% range $19,000 to $52,000), and stays $27,000 on llama-70b-2xh100."; c.Alt != want {
		t.Errorf("got %q, want %q", c.Alt, want)
	}
	for name, change := range map[string]func(*model.WorkloadReport){
		"a month without a name":   func(w *model.WorkloadReport) { w.CostAhead[0].Months[2].Month = "soon" },
		"a month twice":            func(w *model.WorkloadReport) { w.CostAhead[0].Months[2].Month = "2026-11" },
		"a number that is not one": func(w *model.WorkloadReport) { w.CostAhead[1].Months[2].P50 = model.USD(math.Inf(1)) },
		"months that are missing":  func(w *model.WorkloadReport) { w.CostAhead[1].Months = w.CostAhead[1].Months[:3] },
		"a single month": func(w *model.WorkloadReport) {
			w.CostAhead[0].Months, w.CostAhead[1].Months = w.CostAhead[0].Months[:1], w.CostAhead[1].Months[:1]
		},
		"another current option": func(w *model.WorkloadReport) { w.Current = "nobody" },
	} {
		e := sampled(alerting.Approaching)
		change(&e.Report)
		if got := chart.Ahead(e.Report, "llama-70b-2xh100"); got != nil {
			t.Errorf("%s: got %+v, want no chart", name, got)
		}
	}
	e.Report.Current, e.Report.CostAhead[0].Option = strings.Repeat("long name ", 4)+"1", strings.Repeat("long name ", 4)+"1"
	e.Report.Crossover.Option, e.Report.CostAhead[1].Option = strings.Repeat("long name ", 4)+"2", strings.Repeat("long name ", 4)+"2"
	if c = chart.Of(e); c == nil || c.Series[0].Name == c.Series[3].Name || len([]rune(c.Series[3].Name)) > 20 {
		t.Errorf("two long names that begin alike: got %+v, want both told apart", c)
	}
}

// TestVolume holds that a verdict whose costs ahead are not known shows the volume, with its threshold where that is near.
func TestVolume(t *testing.T) {
	t.Parallel()
	near := func() alerting.Event {
		e := sampled(alerting.Approaching)
		e.Report.CostAhead = nil
		return e
	}
	// The months of the sample are 12.9B tokens in 730 hours and what comes after.
	c := chart.Of(near())
	if c == nil || c.Series[0].Values[0] != 12.9 || c.Unit != "billion tokens in a month of 730 hours" {
		t.Fatalf("got %+v, want 12.9 billion tokens in November", c)
	}
	if got := c.Series[3]; got.Name != "threshold" || got.Role != chart.Level || got.Values[11] != 17 {
		t.Errorf("got %+v, want the threshold of 17 billion", got)
	}
	for name, change := range map[string]func(*model.WorkloadReport){
		"no projection":            func(w *model.WorkloadReport) { w.Forecast = nil },
		"a single month":           func(w *model.WorkloadReport) { w.Forecast.CalendarMonths = w.Forecast.CalendarMonths[:1] },
		"a month without a name":   func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].Month = "soon" },
		"a month twice":            func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].Month = "2026-11" },
		"a number that is not one": func(w *model.WorkloadReport) { w.Forecast.CalendarMonths[2].P90 = model.Tokens(math.Inf(1)) },
	} {
		e := near()
		change(&e.Report)
		if got := chart.Of(e); got != nil {
			t.Errorf("%s: got %+v, want no chart", name, got)
		}
	}
	for name, threshold := range map[string]model.Tokens{"far away": 1e15, "none": 0} {
		e := near()
		e.Report.Crossover.FirstTokensPerMonth = &threshold
		if got := chart.Of(e).Series; len(got) != 3 {
			t.Errorf("a threshold that is %s: got %d lines, want 3", name, len(got))
		}
	}
	e := sampled(alerting.Switched)
	e.Report.CostAhead = nil
	if got := chart.Of(e).Series; len(got) != 3 {
		t.Errorf("the threshold of an option that the message is not about: got %d lines, want 3", len(got))
	}
}

// TestMonth holds that the line of a month is at what is spent today, and passes the budget on the day that the message names.
func TestMonth(t *testing.T) {
	t.Parallel()
	e := sampled(alerting.OverBudget)
	c := chart.Of(e)
	if c == nil || len(c.Series) != 4 || c.Labels[0] != "1 Nov" || c.Labels[10] != "30 Nov" || c.Series[3].Values[0] != 20 || c.Series[0].Values[0] != 0 || c.Series[0].Values[10] != 23.4 {
		t.Fatalf("got %+v, want November from nothing to 23.4 thousand", c)
	}
	passes := slices.IndexFunc(c.Series[0].Values, func(v float64) bool { return v > 20 })
	on, err := time.Parse(time.DateOnly, e.Budget.PassesOn)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := c.Labels[passes-1], c.Labels[passes]; before != "25 Nov" || after != "28 Nov" || on.Day() < 25 || on.Day() > 28 {
		t.Errorf("got the budget passed from %s to %s, want around %s", before, after, e.Budget.PassesOn)
	}
	for name, change := range map[string]func(*alerting.Event){
		"another month": func(e *alerting.Event) { e.Budget.Month = "2026-10" },
		"no month":      func(e *alerting.Event) { e.Budget.Month = "soon" },
		"no cost":       func(e *alerting.Event) { e.Budget.Projected = nil },
		"no number":     func(e *alerting.Event) { e.Budget.Projected.P50 = model.USD(math.NaN()) },
	} {
		e := sampled(alerting.OverBudget)
		change(&e)
		if got := chart.Of(e); got != nil {
			t.Errorf("%s: got %+v, want no chart", name, got)
		}
	}
	e = sampled(alerting.OverBudget)
	e.Time = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // the first instant: nothing divides by nothing
	if got := chart.Of(e); got == nil || got.Series[0].Values[10] != 23.4 {
		t.Errorf("at the beginning of the month: got %+v", got)
	}
	quiet := sampled(alerting.Digested)
	quiet.Digest.Items = nil
	if got := chart.Of(quiet); got != nil {
		t.Errorf("a quiet week: got %+v, want no chart", got)
	}
}

// TestPrices holds that several prices of one unit are shown as bars, and others in words alone.
func TestPrices(t *testing.T) {
	t.Parallel()
	c := chart.Of(sampled(alerting.PricesMoved))
	if c == nil || !c.Bars || !slices.Equal(c.Labels, []string{"haiku input", "haiku output"}) || !slices.Equal(c.Series[1].Values, []float64{1, 5}) || c.Unit != "USD/Mtok" {
		t.Fatalf("got %+v, want the prices before and after", c)
	}
	for name, change := range map[string]func(*model.PriceEvent){
		"a single price": func(p *model.PriceEvent) { p.Moves = p.Moves[:1] },
		"another unit":   func(p *model.PriceEvent) { p.Moves[1].Unit = "USD/h" },
		"a new price":    func(p *model.PriceEvent) { p.Moves[1].Before = "" },
		"one that ended": func(p *model.PriceEvent) { p.Moves[1].After = "" },
		"the same twice": func(p *model.PriceEvent) { p.Moves[1] = p.Moves[0] },
		"very many":      func(p *model.PriceEvent) { p.Moves = slices.Repeat(p.Moves, 6) },
	} {
		e := sampled(alerting.PricesMoved)
		change(e.Prices)
		if got := chart.Of(e); got != nil {
			t.Errorf("%s: got %+v, want no chart", name, got)
		}
	}
}

// FuzzOf holds that whatever a chart is made of, it is one that every form can show: as many finite values as labels, and every label and name
// once, of at most 20 printable characters.
func FuzzOf(f *testing.F) {
	f.Add("a\u202eb", "a\x1b[2Jb", 1e300, 4.0)
	f.Add("", "", -1.0, math.NaN())
	f.Add(strings.Repeat("名", 30), "*_`<!here>", 0.0, 1e-300)
	f.Fuzz(func(t *testing.T, name, other string, x, y float64) {
		for _, r := range alerting.Kinds {
			e := sampled(r)
			e.Report.Current, e.Report.Decision.Option, e.Previous = name, other, other
			if len(e.Report.CostAhead) > 1 {
				e.Report.CostAhead[0].Option, e.Report.CostAhead[1].Option = name, other
				e.Report.CostAhead[0].Months[1].P50, e.Report.CostAhead[1].Months[1].P90 = model.USD(x), model.USD(y)
			}
			if e.Budget != nil {
				e.Budget.USD, e.Budget.Projected.P50 = model.USD(x), model.USD(y)
			}
			if e.Prices != nil {
				e.Prices.Moves[0].Option, e.Prices.Moves[1].Option, e.Prices.Moves[0].Field = name, other, other
			}
			c := chart.Of(e)
			if c == nil {
				continue
			}
			seen := map[string]bool{}
			for _, text := range append(slices.Clone(c.Labels), "") {
				if text != "" && (seen[text] || len([]rune(text)) > 20 || strings.ContainsAny(text, "\x1b\n\u202e")) {
					t.Errorf("%s: label %q", r, text)
				}
				seen[text] = true
			}
			clear(seen)
			for _, s := range c.Series {
				if s.Name == "" || seen[s.Name] || len([]rune(s.Name)) > 20 || strings.ContainsAny(s.Name, "\x1b\n\u202e") || len(s.Values) != len(c.Labels) {
					t.Errorf("%s: series %q with %d values over %d labels", r, s.Name, len(s.Values), len(c.Labels))
				}
				seen[s.Name] = true
				for _, v := range s.Values {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("%s: series %q has %v", r, s.Name, v)
					}
				}
			}
			if len(c.Series) > 6 || len(c.Labels) > 20 || len([]rune(c.Title)) > 50 || len([]rune(c.Unit)) > 50 || len([]rune(c.Alt)) > 1000 || strings.ContainsAny(c.Alt, "\x1b\n\u202e") {
				t.Errorf("%s: got %+v", r, c)
			}
		}
	})
}
