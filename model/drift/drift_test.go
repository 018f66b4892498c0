package drift

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tipline/model"
)

var update = flag.Bool("update", false, "write the measured table to README.md")

// noise is a workload with a rhythm of the week whose days deviate by 10 %, each taking over phi of the deviation before it.
type noise struct {
	r       *rand.Rand
	phi     float64
	growing bool
}

const deviation = 0.1

// days returns n days; those from shiftAt on are higher by shift standard deviations.
func (s noise) days(n, shiftAt int, shift float64) []float64 {
	out := make([]float64, n)
	x := s.r.NormFloat64()
	for i := range out {
		x = s.phi*x + math.Sqrt(1-s.phi*s.phi)*s.r.NormFloat64()
		level := 20 + deviation*x + 0.3*math.Sin(float64(i%week))
		if s.growing {
			level += 0.003 * float64(i) // 9 % a month
		}
		if i >= shiftAt {
			level += deviation * shift
		}
		out[i] = math.Exp(level)
	}
	return out
}

// alarms counts the alarms of a year of evaluations after the first Window of days, one a day; those within a week of each other are one.
func alarms(days []float64, scale Scale, growing bool) int {
	alarms, quiet := 0, week
	for k := Window; k < len(days); k++ {
		f, _ := Find(days[:k+1], scale, growing)
		switch {
		case f.Score < 1:
			quiet++
		case quiet >= week:
			alarms++
			fallthrough
		default:
			quiet = 0
		}
	}
	return alarms
}

// found returns after how many days a shift at a place of days is found, false when it is not.
func found(days []float64, at int, scale Scale, growing bool) (int, bool) {
	for k := at; k < len(days); k++ {
		if f, _ := Find(days[:k+1], scale, growing); f.Score >= 1 {
			return k - at + 1, true
		}
	}
	return 0, false
}

const (
	year    = Window + 365 // days, with those that are there before it begins
	shiftAt = Window + 10  // the day on which a shift that is to be found begins
	within  = shiftAt + 40 // the day by which it is found, or not
	never   = math.MaxInt
)

// rates returns how many false alarms a year of days has, and how many of a number of shifts are found, after how many days on average.
func rates(t *testing.T, name string, years, shifts int, scale Scale, growing bool, sizes []float64, days func(n, shiftAt int, size float64) []float64) (rate float64, cells []string) {
	t.Helper()
	all := 0
	for range years {
		all += alarms(days(year, never, 0), scale, growing)
	}
	if rate = float64(all) / float64(years); rate > 1 {
		t.Errorf("%s: %.2f false alarms a year, want one at most", name, rate)
	}
	for _, size := range sizes {
		hits, sum := 0, 0
		for range shifts {
			if after, ok := found(days(within, shiftAt, size), shiftAt, scale, growing); ok {
				hits++
				sum += after
			}
		}
		if cells = append(cells, "none"); hits > 0 {
			cells[len(cells)-1] = fmt.Sprintf("%d %% in %.0f days", 100*hits/shifts, float64(sum)/float64(hits))
		}
	}
	return rate, cells
}

var readmeFile sync.Mutex

// says holds README.md to a table between two comments of the given name.
func says(t *testing.T, name, table string) {
	t.Helper()
	readmeFile.Lock()
	defer readmeFile.Unlock()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	head, rest, found := strings.Cut(string(readme), from)
	was, tail, closed := strings.Cut(rest, to)
	if !found || !closed {
		t.Fatalf("README.md has no table %s", name)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(head+from+table+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if was != table {
		t.Errorf("README.md says\n%s\nmeasured\n%s", was, table)
	}
}

// TestRates measures false alarms and delays of the detector itself and holds README.md to what it says of them.
func TestRates(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| input | days take over | false alarms a year | a shift of 1 σ | 2 σ | 4 σ |\n|---|---|---|---|---|---|\n")
	for _, growing := range []bool{false, true} {
		for _, phi := range []float64{0, 0.5, 0.9} {
			s := noise{rand.New(rand.NewPCG(20261127, 1)), phi, growing}
			name := map[bool]string{false: "level", true: "growing"}[growing]
			rate, cells := rates(t, fmt.Sprintf("%s, φ %.1f", name, phi), 120, 120, Ratio, growing, []float64{1, 2, 4}, s.days)
			fmt.Fprintf(&table, "| %s | %.1f | %.2f | %s |\n", name, phi, rate, strings.Join(cells, " | "))
		}
	}
	says(t, "measured", table.String())
}

// simulated is a kind of drift with the noise that its days have.
type simulated struct {
	kind    string
	of      string  // which of several rows of the kind it is
	usual   float64 // the level of its days
	scatter float64 // their standard deviation, of the logarithm or of that of the odds
	phi     float64 // share of a day's deviation that the next one takes over
	wild    float64 // share of days that are off three times as far, upwards
	unknown float64 // share of days of which nothing is known
	counted float64 // requests a day of which the share is counted; 0 when it is measured
	shifts  [3]float64
}

// TestRatesOfKinds measures the same of every kind that is told, with noise as such readings have: shares that are bounded or counted, days that take over
// from the day before, days that are off and days that are not known.
func TestRatesOfKinds(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| kind | usually | days deviate by | take over | unknown | false alarms a year | small shift | medium | large |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range []simulated{
		{kind: Volume, usual: 1e6, scatter: 0.1, phi: 0.5, wild: 0.02, unknown: 0.03, shifts: [3]float64{1.2e6, 1.5e6, 3e6}},
		{kind: Mix, usual: 0.25, scatter: 0.1, phi: 0.5, unknown: 0.03, shifts: [3]float64{0.27, 0.3, 0.4}},
		{kind: CacheShare, usual: 0.4, scatter: 0.2, phi: 0.5, unknown: 0.03, shifts: [3]float64{0.45, 0.55, 0.7}},
		{kind: Peak, usual: 2.2, scatter: 0.12, phi: 0.2, wild: 0.02, unknown: 0.03, shifts: [3]float64{2.5, 3, 5}},
		{kind: Throughput, usual: 4e6, scatter: 0.08, phi: 0.6, unknown: 0.1, shifts: [3]float64{3.6e6, 3.2e6, 2e6}},
		{kind: EconomicUtilization, usual: 0.35, scatter: 0.15, phi: 0.5, unknown: 0.1, shifts: [3]float64{0.39, 0.45, 0.6}},
		{kind: GPUUtilization, usual: 0.6, scatter: 0.25, phi: 0.5, unknown: 0.1, shifts: [3]float64{0.67, 0.75, 0.9}},
		{kind: TTFT, usual: 0.4, scatter: 0.2, phi: 0.4, wild: 0.03, unknown: 0.1, shifts: [3]float64{0.5, 0.7, 1.2}},
		{kind: ErrorShare, of: ", 200 requests a day", usual: 0.001, scatter: 0.2, counted: 200, shifts: [3]float64{0.0015, 0.002, 0.005}},
		{kind: ErrorShare, of: ", 200 requests a day", usual: 0.02, scatter: 0.2, counted: 200, shifts: [3]float64{0.03, 0.04, 0.1}},
		{kind: ErrorShare, of: ", 5,000 requests a day", usual: 0.005, scatter: 0.2, counted: 5000, shifts: [3]float64{0.0075, 0.01, 0.025}},
		{kind: ErrorShare, of: ", 5,000 requests a day", usual: 0.02, scatter: 0.2, phi: 0.5, unknown: 0.1, counted: 5000, shifts: [3]float64{0.03, 0.04, 0.1}},
		{kind: RetryShare, of: ", 5,000 requests a day, in bursts", usual: 0.02, scatter: 0.6, phi: 0.3, unknown: 0.1, counted: 5000, shifts: [3]float64{0.03, 0.04, 0.1}},
	} {
		r := rand.New(rand.NewPCG(20261127, 7))
		scale := scaleOf(s.kind)
		rate, cells := rates(t, s.kind+s.of, 60, 60, scale, s.kind == Volume, s.shifts[:], func(n, shiftAt int, size float64) []float64 { return s.days(r, n, shiftAt, size) })
		fmt.Fprintf(&table, "| %s%s | %s | %.0f %% | %.1f | %.0f %% | %.2f |", s.kind, s.of, s.says(s.usual), 100*s.scatter, s.phi, 100*s.unknown, rate)
		for i, cell := range cells {
			fmt.Fprintf(&table, " to %s: %s |", s.says(s.shifts[i]), cell)
		}
		table.WriteString("\n")
	}
	says(t, "kinds", table.String())
}

// says writes a level of the kind.
func (s simulated) says(level float64) string {
	switch s.kind {
	case Volume, Throughput:
		return model.FormatTokens(model.Tokens(level))
	case TTFT:
		return fmt.Sprintf("%.1f s", level)
	case Peak:
		return fmt.Sprintf("%.1f", level)
	}
	return strconv.FormatFloat(100*level, 'g', 3, 64) + " %"
}

// days returns n days, of which those from shiftAt on have another level.
func (s simulated) days(r *rand.Rand, n, shiftAt int, shifted float64) []float64 {
	out := make([]float64, n)
	x := r.NormFloat64()
	for i := range out {
		x = s.phi*x + math.Sqrt(1-s.phi*s.phi)*r.NormFloat64()
		off := s.scatter * (x + 0.5*math.Sin(float64(i%week)))
		if r.Float64() < s.wild {
			off += 3 * s.scatter
		}
		level := s.usual
		if i >= shiftAt {
			level = shifted
		}
		switch {
		case r.Float64() < s.unknown:
			out[i] = math.NaN()
		case s.counted > 0:
			n, mean := 0.0, s.counted*level*math.Exp(off)
			for t := r.ExpFloat64(); t < mean; t += r.ExpFloat64() { // Poisson, by the times between failures
				n++
			}
			out[i] = max(LeastErrors, min(1, n/s.counted))
		case s.kind == Peak:
			out[i] = 1 + (level-1)*math.Exp(off) // the busiest hour has as much as the mean one at least
		case s.kind == Volume:
			out[i] = level * math.Exp(off+0.003*float64(i)) // 9 % a month
		case scaleOf(s.kind) == Share:
			out[i] = Share.back(math.Log(level/(1-level))+off, 0)
		default:
			out[i] = level * math.Exp(off)
		}
	}
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	steady := func() []float64 { return noise{rand.New(rand.NewPCG(1, 1)), 0, false}.days(Window, math.MaxInt, 0) }
	shifted := func(from int, times float64) []float64 {
		d := steady()
		for i := from; i < len(d); i++ {
			d[i] *= times
		}
		return d
	}
	for _, tc := range []struct {
		name  string
		days  []float64
		drift bool
		since int     // days ago, within two
		times float64 // found over expected, within a fifth
	}{
		{"as ever", steady(), false, 0, 0},
		{"twice as much for ten days", shifted(Window-10, 2), true, 10, 2},
		{"half as much for a week", shifted(Window-7, 0.5), true, 7, 0.5},
		{"one day of ten times as much", func() []float64 { d := steady(); d[Window-4] *= 10; return d }(), false, 0, 0},
		{"yesterday alone", shifted(Window-1, 3), false, 0, 0},
		{"before the reference began", shifted(10, 2), false, 0, 0},
	} {
		f, known := Find(tc.days, Ratio, true)
		if !known || f.Score >= 1 != tc.drift {
			t.Errorf("%s: got %+v, %v, want drift: %v", tc.name, f, known, tc.drift)
		}
		if tc.drift && (math.Abs(float64(f.Days-tc.since)) > 2 || math.Abs(f.Found/f.Expected/tc.times-1) > 0.2) {
			t.Errorf("%s: got %+v, want %v times as much for %d days", tc.name, f, tc.times, tc.since)
		}
	}
	for name, days := range map[string][]float64{
		"no days": nil, "three weeks": steady()[:21], "nothing known": func() []float64 {
			d := make([]float64, Window)
			for i := range d {
				d[i] = math.NaN()
			}
			return d
		}(),
	} {
		if f, known := Find(days, Ratio, true); known {
			t.Errorf("%s: got %+v, want that nothing is expected", name, f)
		}
	}
}

// TestFindIsScaleFree holds that units do not matter, and that what is missing is no deviation.
func TestFindIsScaleFree(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		days := noise{r, r.Float64(), r.IntN(2) == 0}.days(Window, r.IntN(2*Window), r.Float64()*6-3)
		growing := r.IntN(2) == 0
		a, knownA := Find(days, Ratio, growing)
		scaled := make([]float64, len(days))
		for i, v := range days {
			scaled[i] = v * 1024
		}
		b, knownB := Find(scaled, Ratio, growing)
		if knownA != knownB || math.Abs(a.Score-b.Score) > 1e-6*(1+a.Score) || a.Days != b.Days {
			t.Fatalf("got %+v, and in another unit %+v", a, b)
		}
		for i := range days {
			if r.IntN(20) == 0 {
				days[i] = math.NaN()
			}
		}
		if c, known := Find(days, Ratio, growing); known && (math.IsNaN(c.Score) || c.Score < 0 || c.Days > Recent) {
			t.Fatalf("with gaps: got %+v", c)
		}
	}
}

func TestDaysOf(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 8, 1, 5, 0, 0, 0, time.UTC)
	u := model.Usage{Start: start, Hours: make([]model.Hour, 24*100)}
	for i := range u.Hours {
		u.Hours[i] = model.Hour{Tokens: model.Volume{model.Input: 60, model.CacheRead: 20, model.Output: 20}, Requests: 2, Coverage: 1}
	}
	now := start.Add(100 * 24 * time.Hour)
	for i := range 6 { // of yesterday: too few hours are left
		u.Hours[len(u.Hours)-10-i].Coverage = 0
	}
	d := DaysOf(u, now)
	if len(d.Volume) != Window || !math.IsNaN(d.Volume[Window-1]) {
		t.Fatalf("got %d days, the last %v, want %d and the last not known", len(d.Volume), d.Volume[len(d.Volume)-1], Window)
	}
	if d.Volume[0] != 2400 || d.OutputShare[0] != 0.2 || d.CacheShare[0] != 0.25 || d.Peak[0] != 1 || d.Requests[0] != 48 {
		t.Errorf("got %v tokens, %v output, %v from cache, peak %v, %v requests", d.Volume[0], d.OutputShare[0], d.CacheShare[0], d.Peak[0], d.Requests[0])
	}
	for i := range u.Hours {
		u.Hours[i].Tokens[model.CacheRead] = 0
	}
	if d := DaysOf(u, now); d.CacheShare != nil {
		t.Errorf("got cache shares %v of a workload without a cache", d.CacheShare)
	}
}

// FuzzFind looks at whatever days there are.
func FuzzFind(f *testing.F) {
	f.Add([]byte{1, 2, 3}, true, true)
	f.Fuzz(func(t *testing.T, data []byte, share, growing bool) {
		odd := []float64{0, 1, math.NaN(), math.Inf(1), -1, 1e-300, 1e300, math.MaxFloat64}
		days := make([]float64, len(data))
		for i, b := range data {
			if days[i] = float64(b); b < byte(len(odd)) {
				days[i] = odd[b]
			}
		}
		got, known := Find(days, map[bool]Scale{true: Share}[share], growing)
		for _, v := range []float64{got.Score, got.Expected, got.Found} {
			if known && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0) {
				t.Errorf("%v: got %+v", days, got)
			}
		}
	})
}

// BenchmarkDrift looks at all that workloads may have: the four inputs that hours tell, and the six that readings tell, of which the first cycle of a day
// finds out what became of them. Workloads take turns, so that no processor learns by heart which way a comparison goes. Together with their share of
// BenchmarkFaults 50 µs are aimed at.
func BenchmarkDrift(b *testing.B) {
	start := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	now := start.AddDate(0, 0, 100)
	r := rand.New(rand.NewPCG(1, 2))
	var usages [16]model.Usage
	var readings [len(usages)]Readings
	today := map[string]float64{}
	for w := range usages {
		u := model.Usage{Start: start, Hours: make([]model.Hour, 24*100)}
		for i := range u.Hours {
			u.Hours[i] = model.Hour{Tokens: model.Volume{model.Input: model.Tokens(50 + 20*r.Float64()), model.CacheRead: 20, model.Output: 20}, Requests: 2, Coverage: 1}
		}
		usages[w] = u
		for d := range Window {
			for _, kind := range ReadingKinds {
				today[kind] = 0.4 + 0.1*r.Float64()
			}
			readings[w] = readings[w].With(now.AddDate(0, 0, d-Window), today)
		}
	}
	for _, of := range []struct {
		name string
		read time.Time
	}{{"first cycle of a day", now}, {"later", now.AddDate(0, 0, -1)}} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for w := 0; b.Loop(); w = (w + 1) % len(usages) {
				d := DaysOf(usages[w], now)
				Find(d.Volume, Ratio, true)
				Find(d.OutputShare, Share, false)
				Find(d.CacheShare, Share, false)
				Find(d.Peak, Ratio, false)
				readings[w].With(of.read, today)
			}
		})
	}
}

// TestReadings keeps one reading a day through gaps and a restart, in a kilobyte a kind.
func TestReadings(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 8, 1, 6, 0, 0, 0, time.UTC)
	var r Readings
	for d := range 100 {
		if d%10 == 3 {
			continue // nobody evaluated
		}
		at := start.AddDate(0, 0, d)
		values := map[string]float64{TTFT: 0.4321 + float64(d)/1e4, GPUUtilization: 0.5}
		if d%10 == 7 {
			delete(values, GPUUtilization)
		}
		if d >= 90 {
			values[TTFT] *= 3
		}
		r = r.With(at, values)
		r = r.With(at.Add(6*time.Hour), map[string]float64{TTFT: 99}) // the same day
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 1024*len(r.Values) {
			t.Fatalf("%d bytes for %d kinds", len(data), len(r.Values))
		}
		r = Readings{}
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
	}
	days := r.Values[TTFT]
	if len(days) != Window || math.Abs(days[0]-(0.4321+16.0/1e4)) > 1e-4 || !math.IsNaN(days[Window-7]) || len(r.Values[Throughput]) != 0 {
		t.Errorf("got %d days, the first %v, that of a gap %v", len(days), days[0], days[Window-7])
	}
	if f, known := r.Found[TTFT]; !known || f.Score < 1 || math.Abs(f.Found/f.Expected-3) > 0.2 {
		t.Errorf("three times as long: got %+v, %v", f, known)
	}
	if f, known := r.Found[GPUUtilization]; !known || f.Score >= 1 {
		t.Errorf("as ever: got %+v, %v", f, known)
	}
	for kind, was := range r.Found {
		if f, _ := Find(r.Values[kind], scaleOf(kind), false); f != was {
			t.Errorf("%s: got %+v of the first cycle of a day, and then %+v", kind, was, f)
		}
	}
	before := r
	before.Found = nil // as a version kept it that did not know what became of readings
	if got := before.With(start.AddDate(0, 0, 99), nil); !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, want %+v", got, r)
	}
	for _, text := range []string{`{"values":{"ttft_p95":[1,"x"]}}`, `{"values":{"ttft_p95":{}}}`} {
		if err := json.Unmarshal([]byte(text), &before); err == nil {
			t.Errorf("%s: got no error", text)
		}
	}
}

// TestUncertainty compares the correlation of neighbouring weeks behind it with what the days of both add up to one by one.
func TestUncertainty(t *testing.T) {
	t.Parallel()
	for _, carry := range []float64{0, 0.3, 0.9, mostCarry} {
		var across, inside float64
		for i := range week {
			for j := range week {
				across += math.Pow(carry, float64(week+i-j))
				inside += math.Pow(carry, math.Abs(float64(i-j)))
			}
		}
		want := math.Sqrt((inside + across) / (inside - across))
		if got := uncertainty(carry); math.Abs(got-want) > 1e-9 {
			t.Errorf("carry %v: got %v, want %v", carry, got, want)
		}
	}
}

// TestWorkedExamples adds up the data of the CUSUM example of the NIST/SEMATECH e-Handbook of Statistical Methods, section 6.3.2.3, with a target of 325 and an allowance
// of 0.3175, and takes Sen's slope of the data of his article (JASA 63, 1968), which is 4 (tests/theilsen.R of R's package deming). The handbook prints two digits of its
// sums; those here are computed from the data with Python's decimal, and agree.
func TestWorkedExamples(t *testing.T) {
	t.Parallel()
	const target, k = 325, 0.3175
	values := []float64{
		324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600,
		324.625, 325.150, 328.325, 327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350,
	}
	want := []float64{0, 0, 0, 0, 0.0325, 0, 0, 0, 0, 0, 0, 0, 3.0075, 4.94, 7.4475, 10.63, 11.9875, 14.445, 16.0025, 19.035}
	var up sum
	for i, v := range values {
		up.add((v-target)*allowance/k, i)
		if got := up.total * k / allowance; math.Abs(got-want[i]) > 1e-9 {
			t.Errorf("value %d: got %v, want %v", i+1, got, want[i])
		}
	}
	if up.since != 12 {
		t.Errorf("got a shift from place %d on, want 12", up.since)
	}

	weeks := map[int]float64{1: 9, 2: 15, 3: 19, 4: 20, 10: 45, 12: 55, 18: 78}
	days := make([]float64, 18*week)
	for i := range days {
		if v, known := weeks[1+i/week]; known {
			days[i] = v
		} else {
			days[i] = math.NaN()
		}
	}
	if got, _ := slope(days); math.Abs(got*week-4) > 1e-12 {
		t.Errorf("Sen's slope: got %v a week, want 4", got*week)
	}
}
