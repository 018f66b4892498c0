package forecast

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// dataFolder returns the folder of the development set, which is read in place: TIPLINE_DATA, or the one beside the repository.
func dataFolder(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("TIPLINE_DATA")
	if folder == "" {
		folder = "../../../shared/data"
	}
	if _, err := os.Stat(filepath.Join(folder, "tasks.csv")); err != nil {
		t.Skipf("skipped: the development set is not here (%v); set TIPLINE_DATA to its folder", err)
	}
	return folder
}

// readCSV calls fn with every row after the header; a name ending in .gz is decompressed.
func readCSV(t testing.TB, path string, fn func(row []string)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var r io.Reader = file
	if filepath.Ext(path) == ".gz" {
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil {
		t.Fatal(err)
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		fn(row)
	}
}

func number(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// load reads the series of one file; volumes are columns to add up.
func load(t testing.TB, path string, columns ...int) map[string]*model.Usage {
	t.Helper()
	all := map[string]*model.Usage{}
	readCSV(t, path, func(row []string) {
		at := instant(t, row[0])
		u := all[row[1]]
		if u == nil {
			u = &model.Usage{Workload: row[1], Start: at}
			all[row[1]] = u
		}
		for u.End().Before(at) {
			u.Hours = append(u.Hours, model.Hour{})
		}
		h := model.Hour{Coverage: 1}
		for _, c := range columns {
			h.Tokens[model.Input] += model.Tokens(number(t, row[c]))
		}
		u.Hours = append(u.Hours, h)
	})
	return all
}

// clean returns "nothing changes" for a task: the mean hourly volume of the last 28 days, times the hours ahead.
func clean(u model.Usage, origin time.Time, days float64) float64 {
	from := origin.Add(-28 * day)
	if from.Before(u.Start) {
		from = u.Start
	}
	sum, hours := 0.0, 0.0
	for i, h := range u.Hours {
		at := u.Start.Add(time.Duration(i) * time.Hour)
		if !at.Before(from) && at.Before(origin) && h.Coverage > 0 {
			sum, hours = sum+float64(h.Tokens.Total()), hours+1
		}
	}
	return sum / max(1, hours) * 24 * days
}

// cellOf returns the cell of a task (forecast protocol, section 3).
func cellOf(group, days string) string {
	switch {
	case group == "synthetic":
		return "synthetic-" + days + "d"
	case days == "30":
		return "real-30d"
	case group == "llm-7d":
		return "llm-7d"
	}
	return "traffic-7d"
}

// A task is a total to forecast, and what was forecast.
type task struct {
	cell, workload     string
	kind               string  // of the series, the file that has it
	age, days          float64 // of history at the origin, and ahead
	actual, still      float64 // tokens; still is what they would be if nothing changed, S in the protocol
	point, lo80, hi80  float64
	lo95, hi95         float64
	threshold, crossIn float64 // of an episode: volume, and days until it is crossed
	episode            string
	crosses            bool
}

// readTasks forecasts every task of a file of the development set.
func readTasks(t *testing.T, folder, file string) []task {
	t.Helper()
	series := map[string]map[string]*model.Usage{}
	of := func(set, name string) map[string]*model.Usage {
		if series[name] == nil {
			under := map[string]string{"real": "traces", "synthetic": "synthetic"}[set]
			if under == "" { // the episodes name the file alone
				under = "traces"
				if name == "synthetic.csv.gz" {
					under = "synthetic"
				}
			}
			series[name] = load(t, filepath.Join(folder, under, name), 2, 3)
		}
		return series[name]
	}
	truth := load(t, filepath.Join(folder, "synthetic", "truth.csv.gz"), 2)
	var tasks []task
	readCSV(t, filepath.Join(folder, file), func(row []string) {
		u := of(row[0], row[2])[row[3]]
		origin, days := instant(t, row[4]), number(t, row[5])
		d, ok := Total(*u, origin, time.Duration(days)*day, model.Known{})
		if !ok {
			t.Errorf("%s at %s: no forecast", row[3], row[4])
			return
		}
		reference := u
		if row[2] == "synthetic.csv.gz" {
			reference = truth[row[3]]
		}
		k := task{
			cell: cellOf(row[1], row[5]), workload: row[3], kind: row[2], age: origin.Sub(u.Start).Hours() / 24, days: days, actual: number(t, row[6]), still: clean(*reference, origin, days),
			point: float64(d.At(0.5)), lo80: float64(d.At(0.1)), hi80: float64(d.At(0.9)), lo95: float64(d.At(0.025)), hi95: float64(d.At(0.975)),
		}
		if len(row) > 7 {
			k.threshold, k.episode, k.crossIn, k.crosses = number(t, row[7]), row[8], number(t, row[9]), row[10] == "1"
		}
		tasks = append(tasks, k)
	})
	return tasks
}

// intervalScore is that of an interval of coverage 1 − alpha (forecast protocol, section 4).
func intervalScore(low, high, actual, alpha float64) float64 {
	return high - low + 2/alpha*max(0, low-actual) + 2/alpha*max(0, actual-high)
}

// wis is the weighted interval score of k on the scale of g.
func (k task) wis(g func(tokens float64) float64) float64 {
	a := g(k.actual)
	return (0.5*math.Abs(g(k.point)-a) + 0.1*intervalScore(g(k.lo80), g(k.hi80), a, 0.2) + 0.025*intervalScore(g(k.lo95), g(k.hi95), a, 0.05)) / 2.5
}

// log is the scale that leads: totals against what they would be if nothing changed.
func (k task) log(tokens float64) float64 { return math.Log(tokens/k.still + 0.05) }

// reaches returns the probability that the total reaches volume (forecast protocol, section 6).
func (k task) reaches(volume float64) float64 {
	ends := []float64{k.lo95, k.lo80, k.point, k.hi80, k.hi95}
	scores := []float64{-1.959964, -1.281552, 0, 1.281552, 1.959964}
	x := math.Log(max(volume, 1e-9))
	i := 1
	for i < len(ends)-1 && x > math.Log(max(ends[i], 1e-9)) {
		i++
	}
	low, high := math.Log(max(ends[i-1], 1e-9)), math.Log(max(ends[i], 1e-9))
	z := scores[i]
	switch {
	case high > low:
		z = scores[i-1] + (scores[i]-scores[i-1])*(x-low)/(high-low)
	case x < low:
		z = math.Inf(-1)
	case x > high:
		z = math.Inf(1)
	}
	return 0.5 * math.Erfc(z/math.Sqrt2)
}

// seriesMean averages value over the tasks of a series, then over the series (forecast protocol, section 5).
func seriesMean(tasks []task, value func(k task) float64) float64 {
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, k := range tasks {
		sums[k.workload] += value(k)
		counts[k.workload]++
	}
	mean := 0.0
	for _, w := range slices.Sorted(maps.Keys(sums)) {
		mean += sums[w] / counts[w] / float64(len(sums))
	}
	return mean
}

func within(actual, low, high float64) float64 {
	if low <= actual && actual <= high {
		return 1
	}
	return 0
}

// scores are the columns of the table of section 8, of one cell or averaged over the cells.
type scores struct{ lwis, lae, swis, cov80, cov95, medAPE, wape, bias, f1, brier float64 }

func scoreCell(tasks []task) scores {
	s := scores{
		lwis:  seriesMean(tasks, func(k task) float64 { return k.wis(k.log) }),
		lae:   seriesMean(tasks, func(k task) float64 { return math.Abs(k.log(k.point) - k.log(k.actual)) }),
		swis:  seriesMean(tasks, func(k task) float64 { return min(10, k.wis(func(v float64) float64 { return v / k.still })) }),
		cov80: seriesMean(tasks, func(k task) float64 { return within(k.actual, k.lo80, k.hi80) }),
		cov95: seriesMean(tasks, func(k task) float64 { return within(k.actual, k.lo95, k.hi95) }),
	}
	var apes, biases []float64
	var missed, used, hits, alerts, events, brier, n float64
	for _, k := range tasks {
		missed, used = missed+math.Abs(k.point-k.actual)/k.still, used+k.actual/k.still
		if k.actual > 0 {
			apes = append(apes, math.Abs(k.point-k.actual)/k.actual)
		}
		biases = append(biases, math.Log((k.point+0.01*k.still)/(k.actual+0.01*k.still)))
		for _, m := range []float64{1.1, 1.25, 1.5, 2, 3} {
			p, event := k.reaches(m*k.still), 0.0
			if k.actual >= m*k.still {
				event = 1
			}
			brier, n = brier+(p-event)*(p-event), n+1
			events += event
			if p >= 0.5 {
				alerts++
				hits += event
			}
		}
	}
	s.medAPE, s.wape, s.bias, s.brier = median(apes), missed/used, math.Expm1(median(biases)), brier/n
	if alerts+events > 0 {
		s.f1 = 2 * hits / (alerts + events)
	}
	return s
}

// TestScore scores the forecaster on the development set as sections 4 to 6 of the forecast protocol say, and holds that
// README.md says so. The bound is the goal, 0.125: a regression shows here first. The ends of the intervals were fitted on this very set, so that the headline is given
// cross-validated too.
func TestScore(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	tasks := readTasks(t, dataFolder(t), "tasks.csv")
	cells := map[string][]task{}
	for _, k := range tasks {
		cells[k.cell] = append(cells[k.cell], k)
	}
	var mean scores
	var row strings.Builder
	row.WriteString("| tipline |")
	for _, cell := range []string{"llm-7d", "traffic-7d", "real-30d", "synthetic-7d", "synthetic-30d"} {
		s := scoreCell(cells[cell])
		row.WriteString(fmt.Sprintf(" %.3f |", s.lwis))
		for to, from := range map[*float64]float64{
			&mean.lwis: s.lwis, &mean.lae: s.lae, &mean.swis: s.swis, &mean.cov80: s.cov80, &mean.cov95: s.cov95,
			&mean.medAPE: s.medAPE, &mean.wape: s.wape, &mean.bias: s.bias, &mean.f1: s.f1, &mean.brier: s.brier,
		} {
			*to += from / float64(len(cells))
		}
		t.Logf("%-14s lWIS %.4f cov80 %.2f cov95 %.2f (%d tasks)", cell, s.lwis, s.cov80, s.cov95, len(cells[cell]))
		if s.cov95 < 0.88 {
			t.Errorf("%s: cov95 %.3f, want 0.88 or more", cell, s.cov95)
		}
		// The best reference of each cell in section 8; no cell may be more than 5 % worse.
		best := map[string]float64{"llm-7d": 0.349, "traffic-7d": 0.050, "real-30d": 0.055, "synthetic-7d": 0.119, "synthetic-30d": 0.133}[cell]
		if s.lwis > 1.05*best {
			t.Errorf("%s: lWIS %.4f, want at most 5 %% above the best reference, %.3f", cell, s.lwis, best)
		}
	}
	row.WriteString(fmt.Sprintf(" **%.4f** | %.3f | %.3f | %.2f | %.2f | %.3f | %.3f | %+.3f | %.2f | %.3f |",
		mean.lwis, mean.lae, mean.swis, mean.cov80, mean.cov95, mean.medAPE, mean.wape, mean.bias, mean.f1, mean.brier))
	documented(t, row.String())
	documented(t, crossValidated(tasks))
	if mean.lwis > 0.125 {
		t.Errorf("headline lWIS %.4f, want 0.125 or less", mean.lwis)
	}
	if mean.cov80 < 0.75 || mean.cov80 > 0.85 || mean.cov95 < 0.93 || mean.cov95 > 0.97 {
		t.Errorf("cov80 %.3f, cov95 %.3f, want 0.75 to 0.85 and 0.93 to 0.97", mean.cov80, mean.cov95)
	}
}

// crossValidated returns the row of README.md for the ends of the intervals fitted anew on four fifths of the workloads and scored on the rest, in five ways to take them
// apart. Both series of a synthetic kind are in the same fifth.
func crossValidated(tasks []task) string {
	const folds = 5
	group := func(k task) string {
		if i := strings.LastIndex(k.workload, "-s"); k.kind == "synthetic.csv.gz" && i > 0 {
			return k.workload[:i]
		}
		return k.kind + k.workload
	}
	var names []string
	for _, k := range tasks {
		names = append(names, group(k))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var lwis, cov80, cov95 float64
	for way := range folds {
		cells := map[string][]task{}
		for fold := range folds {
			held := func(k task) bool {
				i, _ := slices.BinarySearch(names, group(k))
				return (i+way*(i/folds))%folds == fold
			}
			times := fitEnds(slices.DeleteFunc(slices.Clone(tasks), held))
			for _, k := range tasks {
				if held(k) {
					cells[k.cell] = append(cells[k.cell], k.stretched(times))
				}
			}
		}
		for _, of := range cells {
			s := scoreCell(of)
			const n = folds * 5 // ways and cells
			lwis, cov80, cov95 = lwis+s.lwis/n, cov80+s.cov80/n, cov95+s.cov95/n
		}
	}
	return fmt.Sprintf("| cross-validated | %.4f | %.2f | %.2f |", lwis, cov80, cov95)
}

// stretched returns k with the ends of its intervals that many times as far from the point, on the scale of the score.
func (k task) stretched(times [4]float64) task {
	center := k.log(k.point)
	for i, q := range []*float64{&k.lo95, &k.lo80, &k.hi80, &k.hi95} {
		*q = k.still * max(0, math.Exp(center+times[i]*(k.log(*q)-center))-0.05)
	}
	return k
}

// fitEnds returns how far the ends of the intervals would have to be stretched to score best.
func fitEnds(tasks []task) [4]float64 {
	best := [4]float64{1, 1, 1, 1}
	perCell := map[string]map[string]float64{}
	for _, k := range tasks {
		if perCell[k.cell] == nil {
			perCell[k.cell] = map[string]float64{}
		}
		perCell[k.cell][k.workload]++
	}
	score := func(times [4]float64) (sum float64) {
		for _, k := range tasks {
			of := perCell[k.cell]
			sum += k.stretched(times).wis(k.log) / of[k.workload] / float64(len(of))
		}
		return sum
	}
	for i := range best { // the score is a sum over the ends, so that each is fitted by itself
		least := math.Inf(1)
		for times := 0.6; times <= 1.5; times += 0.05 {
			next := best
			next[i] = times
			if s := score(next); s < least {
				least, best = s, next
			}
		}
	}
	return best
}

// documented holds that README.md has the line.
func documented(t *testing.T, line string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), line+"\n") {
		t.Errorf("README.md is out of date, want the line\n%s", line)
	}
}

// episodes are the scores of section 6 over the episodes in which a volume may be crossed.
type episodes struct{ caught, lead, falseAlerts, precision, recall, brier float64 }

func scoreEpisodes(tasks []task, probability func(k task) float64) episodes {
	byEpisode := map[string][]task{}
	var e episodes
	var alerts, hits, crossing, quiet, falsely float64
	for _, k := range tasks {
		byEpisode[k.episode] = append(byEpisode[k.episode], k)
		p, event := probability(k), 0.0
		if k.crosses {
			event = 1
		}
		e.brier += (p - event) * (p - event) / float64(len(tasks))
		crossing, quiet = crossing+event, quiet+1-event
		if p >= 0.5 {
			alerts, hits, falsely = alerts+1, hits+event, falsely+1-event
		}
	}
	e.falseAlerts, e.precision, e.recall = falsely/max(1, quiet), hits/max(1, alerts), hits/max(1, crossing)
	crossed := 0.0
	for _, origins := range byEpisode {
		slices.SortFunc(origins, func(a, b task) int { return cmp.Compare(b.crossIn, a.crossIn) }) // the farthest from the crossing first
		before := slices.DeleteFunc(slices.Clone(origins), func(k task) bool { return k.crossIn <= 0 })
		if len(before) == 0 {
			continue // never crossed
		}
		crossed++
		lead := 0.0
		for _, k := range before {
			switch {
			case probability(k) < 0.5:
				lead = 0
			case lead == 0:
				lead = min(30, k.crossIn)
			}
		}
		if lead > 0 {
			e.caught++
			e.lead += lead
		}
	}
	e.caught, e.lead = e.caught/crossed, e.lead/crossed
	return e
}

// TestEpisodes scores the warnings before a threshold is crossed (forecast protocol, section 6) beside two references.
func TestEpisodes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	folder := dataFolder(t)
	tasks := readTasks(t, folder, "tasks_lead.csv")
	row := func(name string, e episodes) {
		documented(t, fmt.Sprintf("| %s | %.2f | %.1f | %.3f | %.2f | %.2f | %.3f |", name, e.caught, e.lead, e.falseAlerts, e.precision, e.recall, e.brier))
	}
	own := scoreEpisodes(tasks, func(k task) float64 { return k.reaches(k.threshold) })
	row("tipline", own)
	still := scoreEpisodes(tasks, func(k task) float64 { // the last 28 days go on
		if k.still >= k.threshold {
			return 1
		}
		return 0
	})
	row("mean of 28 days", still)
	if own.caught <= still.caught || own.lead <= still.lead || own.brier >= still.brier {
		t.Errorf("got %+v, want to be ahead of %+v", own, still)
	}
}

// TestShape scores the load of the hours of the week after each origin (forecast protocol, section 7): the total variation
// distance to what came, which must not be larger than that of the mean hour-of-week profile of the last four weeks.
func TestShape(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	folder := dataFolder(t)
	truth := load(t, filepath.Join(folder, "synthetic", "truth.csv.gz"), 2)
	series := map[string]map[string]*model.Usage{}
	own, reference := map[string][]task{}, map[string][]task{}
	readCSV(t, filepath.Join(folder, "tasks.csv"), func(row []string) {
		if row[5] != "7" {
			return
		}
		under := map[string]string{"real": "traces", "synthetic": "synthetic"}[row[0]]
		if series[row[2]] == nil {
			series[row[2]] = load(t, filepath.Join(folder, under, row[2]), 2, 3)
		}
		u, origin := series[row[2]][row[3]], instant(t, row[4])
		if origin.Sub(u.Start) < 14*day {
			return
		}
		after := u
		if row[0] == "synthetic" {
			after = truth[row[3]]
		}
		f, ok := Project(*u, origin, model.Known{})
		if !ok {
			return
		}
		var actual, forecast, profile, sums, seen [168]float64
		at := func(v model.Usage, when time.Time) (float64, bool) {
			i := int(when.Sub(v.Start) / time.Hour)
			if i < 0 || i >= len(v.Hours) || !v.Hours[i].Measured() {
				return 0, false
			}
			return max(0, float64(v.Hours[i].Tokens.Total())), true
		}
		for h := range 28 * 24 {
			when := origin.Add(-time.Duration(h+1) * time.Hour)
			if v, ok := at(*u, when); ok {
				sums[hourFromMonday(when)] += v
				seen[hourFromMonday(when)]++
			}
		}
		for h := range 168 {
			when := origin.Add(time.Duration(h) * time.Hour)
			v, ok := at(*after, when)
			if !ok {
				continue
			}
			place := hourFromMonday(when)
			actual[h], forecast[h], profile[h] = v, f.HourOfWeek[place], sums[place]/max(1, seen[place])
		}
		cell := cellOf(row[1], row[5])
		distance := func(a, b [168]float64) float64 {
			var sa, sb, d float64
			for h := range a {
				sa, sb = sa+a[h], sb+b[h]
			}
			if sa == 0 || sb == 0 {
				return math.NaN()
			}
			for h := range a {
				d += math.Abs(a[h]/sa-b[h]/sb) / 2
			}
			return d
		}
		if d := distance(forecast, actual); !math.IsNaN(d) {
			own[cell] = append(own[cell], task{workload: row[3], actual: d})
			reference[cell] = append(reference[cell], task{workload: row[3], actual: distance(profile, actual)})
		}
	})
	for _, cell := range []string{"llm-7d", "traffic-7d", "synthetic-7d"} {
		value := func(k task) float64 { return k.actual }
		got, want := seriesMean(own[cell], value), seriesMean(reference[cell], value)
		documented(t, fmt.Sprintf("| %s | %.3f | %.3f |", cell, got, want))
		if !(got <= want) {
			t.Errorf("%s: total variation distance %.3f, want at most the %.3f of the mean profile", cell, got, want)
		}
	}
}
