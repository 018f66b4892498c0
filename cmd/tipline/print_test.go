package main

import (
	"strings"
	"testing"
	"time"

	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// TestSharedFleetsArePrinted holds that every form of the report names them, and that a name cannot turn the text around it.
func TestSharedFleetsArePrinted(t *testing.T) {
	t.Parallel()
	report := &model.Report{SharedFleets: []model.SharedFleet{{Option: "fleet", Because: "chat|\x1b[31m and search may share fleet"}}}
	for format, want := range map[string]string{
		"table":    "shared fleet: chat|\uFFFD[31m and search may share fleet\n",
		"markdown": `- shared fleet: chat\|` + "\uFFFD" + `\[31m and search may share fleet` + "\n",
		"json":     `"because": "chat|\u001b[31m and search may share fleet"`,
	} {
		var out strings.Builder
		if err := printReport(&out, report, format); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %v and\n%s\nwant it to hold %q", format, err, out.String(), want)
		}
	}
}

// TestProjectionsArePrinted holds that a report says what is known of a projection and how those before it turned out.
func TestProjectionsArePrinted(t *testing.T) {
	t.Parallel()
	report := &model.Report{Workloads: []model.WorkloadReport{{Workload: "chat", Case: &model.Case{Stage: model.StageDeclined, Option: "own\x1b", Until: "2027-03-01"}, Forecast: &model.ForecastSummary{
		Warnings: []model.Warning{{Code: "KNOWN_EVENT", Text: "launch\x1b[31m from 1 April 2026, +40%"}},
		Scores: []model.ForecastScore{
			{Days: 7, Graded: 8, ErrorRatio: 0.06, NaiveErrorRatio: 0.11, Coverage80: 0.75, Coverage95: 1},
			{
				Days: 30, Graded: 1, ErrorRatio: 0.04, NaiveErrorRatio: 0.28, Coverage80: 1, Coverage95: 1,
				EventErrorRatio: new(model.Fraction(0.04)), WithoutEventErrorRatio: new(model.Fraction(0.31)),
			},
		},
	}}}}
	var out strings.Builder
	if err := printReport(&out, report, "table"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"  declined: own\uFFFD until 1 Mar 2027\n",
		"  launch\uFFFD[31m from 1 April 2026, +40%\n",
		"  8 earlier projections of 7 days missed by 6% (the last weeks once more: 11%), 75% inside of the 80% range\n",
		"  those of 30 days with a known event missed by 4% (without the event: 31%)\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant it to hold %q", out.String(), want)
		}
	}
	if n := strings.Count(out.String(), "known event"); n != 1 {
		t.Errorf("known events are graded %d times, want once, for the span that had one", n)
	}
}

// TestSecondaryMeterIsPrinted holds that a workload which is priced elsewhere is not shown as one of which nothing is known.
func TestSecondaryMeterIsPrinted(t *testing.T) {
	t.Parallel()
	workload := func(code string) model.WorkloadReport {
		return model.WorkloadReport{Workload: "engine", Decision: model.Decision{Recommendation: model.Unknown}, Warnings: []model.Warning{{Code: code}}}
	}
	for code, want := range map[string]string{"SECONDARY_METER": "priced at another meter", "DOUBLE_METERED": "unknown"} {
		if cells := row(workload(code), time.Time{}); cells[len(cells)-1] != want {
			t.Errorf("%s: got %q, want %q", code, cells[len(cells)-1], want)
		}
	}
}

// TestCapacityIsPrinted holds that the numbers of a fleet are said with their units, and the dozen mixes of a benchmark in a few words.
func TestCapacityIsPrinted(t *testing.T) {
	t.Parallel()
	number := func(what, value, unit, label string) model.CapacityNumber {
		return model.CapacityNumber{Option: "own", What: what, Value: value, Unit: unit, Label: label}
	}
	lines := capacityNotes(model.WorkloadReport{Workload: "chat", Current: "own", Options: []model.OptionCost{{Option: "own", Capacity: []model.CapacityNumber{
		number("throughput 128/128", "28312", "output tokens/s per replica", model.Benchmark), number("throughput 128/2048", "22714", "output tokens/s per replica", model.Benchmark),
		number("throughput 500/2000", "17660", "output tokens/s per replica", model.Benchmark), number("target utilization", "0.65", "share", model.Assumed), number("assumed utilization", "", "", model.Assumed), number("throughput fitted", "", "", model.Benchmark),
		number("peak factor", "5.1607", "peak hour over mean hour", model.Measured), number("throughput", "2382548", "tokens/h per replica", model.Measured),
	}}}})
	const want = "own is taken to do: throughput 128/128 28312 output tokens/s per replica (benchmark), target utilization 0.65 share (assumed), utilization (assumed), peak factor 5.16 peak hour over mean hour (measured), throughput 2.38M tokens/h per replica (measured), 2 more throughputs at other mixes of prompt and answer"
	if len(lines) != 1 || lines[0] != want {
		t.Errorf("got %q, want %q", lines, want)
	}
	for want, a := range map[string]model.AssumedCapacity{
		"16% of the cost that is compared, $5,900 a month, rests on assumed capacity: target utilization of own": {USDPerMonth: 5_872, Ratio: 0.16, Numbers: []string{"target utilization of own"}},
		"nothing of the verdict rests on assumed capacity":                                                       {},
	} {
		if lines := capacityNotes(model.WorkloadReport{Decision: model.Decision{AssumedCapacity: &a}}); len(lines) != 1 || lines[0] != want {
			t.Errorf("got %q, want %q", lines, want)
		}
	}
	for gap, want := range map[model.USD]string{
		1_300: "its GPUs cost $21,900 a month by the word of OpenCost; the model counts $23,200 of GPU hours for the projected volume, $1,300 more",
		-900:  "its GPUs cost $21,900 a month by the word of OpenCost; the model counts $21,000 of GPU hours for the projected volume, $900 less",
	} {
		usage := model.UsageSummary{GPUUSDPerMonth: new(model.USD(21_900)), GPUCostGapPerMonth: &gap}
		if lines := capacityNotes(model.WorkloadReport{Usage: usage}); len(lines) != 1 || lines[0] != want {
			t.Errorf("got %q, want %q", lines, want)
		}
		e := &explainer{r: ledger.Receipt{Capacity: []model.CapacityNumber{number("throughput", "2382548", "tokens/h per replica", model.Measured)}, Workload: model.WorkloadReport{Usage: usage}}}
		if e.capacity(); !strings.Contains(e.out.String(), "  "+want+".\n") {
			t.Errorf("got %q, want %q in it", e.out.String(), want)
		}
	}
}
