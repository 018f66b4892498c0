package traffic_test

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/cmd/tipline-demo/traffic"
)

// traces returns the public traces, by workload. They stand in a folder beside the project, or where TIPLINE_TRACES says.
func traces(t *testing.T) map[string]traffic.Trace {
	t.Helper()
	folder := os.Getenv("TIPLINE_TRACES")
	if folder == "" {
		folder = "../../../../shared/data/traces"
	}
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("SKIPPED: the public traces are not here: %v", err)
	}
	all, err := traffic.ReadTraces(folder)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]traffic.Trace{}
	for _, trace := range all {
		byName[trace.Workload] = trace
	}
	return byName
}

func tokens(trace traffic.Trace) []float64 {
	var loads []float64
	for _, u := range trace.Hours {
		loads = append(loads, u.Tokens())
	}
	return loads
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tolerance)
	}
}

// TestFigures measures the figures of the generator again.
func TestFigures(t *testing.T) {
	t.Parallel()
	all := traces(t)
	office := traffic.Measure(all["burstgpt-conversation"].Start, tokens(all["burstgpt-conversation"]))
	for _, c := range []struct {
		name, workload string
		shape          traffic.Shape
		daySpread      float64
	}{
		{"Customers", "azure2024-conv", traffic.Customers, 0},
		{"Office", "burstgpt-conversation", traffic.Office, traffic.Office.DaySpread},
		{"Platform", "servegen-m-mid-total", traffic.Platform, traffic.Platform.DaySpread},
	} {
		trace, ok := all[c.workload]
		if !ok {
			t.Fatalf("no trace %s", c.workload)
		}
		got := traffic.Measure(trace.Start, tokens(trace))
		for h := range got.Day {
			near(t, c.name+": hour of the day", c.shape.Day[h], got.Day[h], 0.0006)
		}
		for d := range got.Week {
			near(t, c.name+": day of the week", c.shape.Week[d], got.Week[d], 0.0006)
		}
		near(t, c.name+": spread of days", c.daySpread, got.DaySpread, 0.0006)
		near(t, c.name+": spread of hours", c.shape.HourSpread, got.HourSpread, 0.0006)
		near(t, c.name+": burst", c.shape.Burst, got.Burst, 0.0006)
	}
	near(t, "Customers: spread of days", traffic.Customers.DaySpread, office.DaySpread, 0.0006)
	for _, c := range []struct {
		name, workload string
		mix            traffic.Mix
	}{
		{"Retrieval", "ragpulse", traffic.Retrieval},
		{"Short", "servegen-m-mid-total", traffic.Short},
		{"Chat", "servegen-m-mid-c5", traffic.Chat},
	} {
		var sum traffic.Used
		for _, u := range all[c.workload].Hours {
			sum.Input, sum.Output, sum.Requests = sum.Input+u.Input, sum.Output+u.Output, sum.Requests+u.Requests
		}
		near(t, c.name+": input", c.mix.Input, sum.Input/sum.Requests, 0.5)
		near(t, c.name+": output", c.mix.Output, sum.Output/sum.Requests, 0.5)
	}
	var ratios []float64
	for name, trace := range all {
		if !strings.HasPrefix(name, "servegen-") || strings.HasSuffix(name, "-total") {
			continue
		}
		first, second := 0.0, 0.0
		for i, load := range tokens(trace) {
			if i < 7*24 {
				first += load
			} else {
				second += load
			}
		}
		if first > 0 {
			ratios = append(ratios, second/first)
		}
	}
	slices.Sort(ratios)
	near(t, "Growth", traffic.Growth, ratios[len(ratios)/2]-1, 0.0006)
}

var monday = time.Date(2026, 8, 31, 0, 0, 0, 0, time.UTC)

// TestStreamHasItsShape measures what a stream generates and wants the figures that it was given.
func TestStreamHasItsShape(t *testing.T) {
	t.Parallel()
	const weeks = 200
	for name, shape := range map[string]traffic.Shape{"Customers": traffic.Customers, "Office": traffic.Office, "Platform": traffic.Platform} {
		s := traffic.Stream{Shape: shape, Mix: traffic.Short, Seed: 7, Tokens: 24e9, Since: monday}
		var loads []float64
		total := 0.0
		for h := range weeks * 7 * 24 {
			u, ok := s.Hour(monday.Add(time.Duration(h) * time.Hour))
			if !ok {
				t.Fatal("an hour without use")
			}
			loads = append(loads, u.Tokens())
			total += u.Tokens()
		}
		got := traffic.Measure(monday, loads)
		for h := range got.Day {
			near(t, name+": hour of the day", got.Day[h], shape.Day[h], 0.15*shape.Day[h])
		}
		for d := range got.Week {
			near(t, name+": day of the week", got.Week[d], shape.Week[d], 0.1)
		}
		// A day's total also moves with the hours and the bursts in it.
		if got.DaySpread < shape.DaySpread*0.9 || got.DaySpread > shape.DaySpread+0.15 {
			t.Errorf("%s: spread of days: got %v, want about %v", name, got.DaySpread, shape.DaySpread)
		}
		near(t, name+": spread of hours", got.HourSpread, shape.HourSpread, 0.1*shape.HourSpread)
		near(t, name+": mean day", total/weeks/7, 24e9, 0.05*24e9)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := traffic.Stream{
		Shape: traffic.Office, Mix: traffic.Chat, CacheShare: 0.25, Seed: 1, Tokens: 1e9, Since: monday, Growth: 0.1, Begin: monday.AddDate(0, 0, 1),
	}
	if _, ok := s.Hour(monday); ok {
		t.Error("something was used before the beginning")
	}
	at := monday.AddDate(0, 0, 7).Add(10 * time.Hour)
	first, ok := s.Hour(at)
	again, _ := s.Hour(at.In(time.FixedZone("", 3600)))
	if !ok || first != again {
		t.Errorf("the same hour twice: got %v and %v", first, again)
	}
	if first.CacheRead != math.Round(first.Input/4) || first.Requests != math.Round(first.Requests) || first.Requests <= 0 {
		t.Errorf("got %+v, want whole requests and a quarter of the input from a cache", first)
	}
	s.Seed = 2
	if other, _ := s.Hour(at); other == first {
		t.Error("another seed gave the same hour")
	}
	s.Seed, s.Growth = 1, 0
	flat, _ := s.Hour(at)
	near(t, "growth over a week", first.Requests/flat.Requests, math.Pow(1.1, 1+10.0/168), 1e-4)
}

func TestReadTrace(t *testing.T) {
	t.Parallel()
	const header = "timestamp,workload,input_tokens,output_tokens,requests\n"
	got, err := traffic.ReadTrace(strings.NewReader(header +
		"2024-01-01T00:00:00Z,a,10,2,1\n2024-01-01T00:00:00Z,b,5,0,\n2024-01-01T02:00:00Z,a,0,0,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	nobody := traffic.Used{Input: math.NaN(), Output: math.NaN(), Requests: math.NaN()}
	want := []traffic.Trace{
		{Workload: "a", Start: start, Hours: []traffic.Used{{Input: 10, Output: 2, Requests: 1}, nobody, {}}},
		{Workload: "b", Start: start, Hours: []traffic.Used{{Input: 5}}},
	}
	equal := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got[0].Total() != 12 || got[0].Scaled(3).Total() != 36 || got[0].Total() != 12 {
		t.Errorf("totals: got %v and three times %v, want 12 and 36", got[0].Total(), got[0].Scaled(3).Total())
	}
	for hour, measured := range map[int]bool{-1: false, 0: true, 1: false, 2: true, 3: false} {
		if _, ok := got[0].Hour(start.Add(time.Duration(hour) * time.Hour)); ok != measured {
			t.Errorf("hour %d measured: got %v, want %v", hour, ok, measured)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"other columns", "time,tokens\n", `columns: got ["time" "tokens"], want ["timestamp"`},
		{"half an hour", header + "2024-01-01T00:30:00Z,a,1,1,1\n", `line 2: timestamp: got "2024-01-01T00:30:00Z", want the start of an hour`},
		{"negative", header + "2024-01-01T00:00:00Z,a,1,-1,1\n", `line 2: output_tokens: got "-1", want a number, 0 or more`},
		{"not a number", header + "2024-01-01T00:00:00Z,a,NaN,1,1\n", `line 2: input_tokens: got "NaN"`},
		{"backwards", header + "2024-01-01T01:00:00Z,a,1,1,1\n2024-01-01T00:00:00Z,a,1,1,1\n", "line 3: a: got 2024-01-01T00:00:00Z after"},
		{"a gap of years", header + "2024-01-01T01:00:00Z,a,1,1,1\n2034-01-01T00:00:00Z,a,1,1,1\n", "line 3: a: got 2034"},
		{"nothing", "", "EOF"},
		{"a short row", header + "2024-01-01T01:00:00Z,a,1\n", "wrong number of fields"},
	} {
		if _, err := traffic.ReadTrace(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := traffic.ReadTraces(t.TempDir()); err == nil || !strings.Contains(err.Error(), "*.csv.gz") {
		t.Errorf("an empty folder: got %v", err)
	}
}
