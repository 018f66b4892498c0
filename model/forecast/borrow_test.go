package forecast

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// ages are the ends of the bands of history, in days, within which young workloads are compared; from the last one on a workload is on its own.
var ages = []float64{2, 4, 7, 10, 14}

// paying is by how much borrowing must lower the headline to be worth what it would take.
const paying = 0.0005

// band returns the place in ages of the band that k belongs to; len(ages) for a workload that is not young.
func (k task) band() int {
	i, found := slices.BinarySearch(ages, k.age)
	if found {
		i++
	}
	return i
}

// borrowed returns k with what others of its age learnt from their errors, drawn towards nothing by ten workloads' worth: its growth moved by the median of their mean errors,
// its spread stretched until four fifths of their totals would have been inside. Distances are on the scale of the score. Workloads count once however many tasks they have.
func (k task) borrowed(others []task, growth, spread bool) task {
	errors, reached := map[string][]float64{}, []float64{}
	for _, o := range others {
		if o.workload == k.workload || o.band() != k.band() || o.days != k.days {
			continue
		}
		e := o.log(o.actual) - o.log(o.point)
		errors[o.workload] = append(errors[o.workload], e)
		reached = append(reached, math.Abs(e)/max(1e-3, (o.log(o.hi80)-o.log(o.lo80))/2))
	}
	if len(errors) == 0 {
		return k
	}
	var means []float64
	for _, of := range errors {
		m, _ := mean(of)
		means = append(means, m)
	}
	n := float64(len(means))
	trust, by, times := n/(n+10), 0.0, 1.0
	if growth {
		by = trust * median(means)
	}
	if spread {
		slices.Sort(reached)
		times = math.Pow(max(0.3, min(3, reached[len(reached)*4/5])), trust)
	}
	center := k.log(k.point)
	for _, q := range []*float64{&k.lo80, &k.hi80, &k.lo95, &k.hi95} {
		*q = k.still * max(0, math.Exp(center+by+times*(k.log(*q)-center))-0.05)
	}
	k.point = k.still * max(0, math.Exp(center+by)-0.05)
	return k
}

// TestBorrowing measures, workload by workload without its own, whether young ones would be projected better with the growth and the spread that others of their age had, and holds
// that README.md says so. The others include what came later, which flatters borrowing. Should it ever pay, this is where it shows.
func TestBorrowing(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	all := readTasks(t, dataFolder(t), "tasks.csv")
	headline := func(change func(k task) task) (sum float64) {
		cells := map[string][]task{}
		for _, k := range all {
			cells[k.cell] = append(cells[k.cell], change(k))
		}
		for _, cell := range []string{"llm-7d", "traffic-7d", "real-30d", "synthetic-7d", "synthetic-30d"} {
			sum += scoreCell(cells[cell]).lwis / float64(len(cells))
		}
		return sum
	}
	alone := headline(func(k task) task { return k })
	young := 0
	for _, from := range []string{"all workloads", "workloads of the kind"} {
		var row strings.Builder
		row.WriteString("| " + from + " |")
		for _, what := range [][2]bool{{true, false}, {false, true}, {true, true}} {
			young = 0
			score := headline(func(k task) task {
				if k.band() == len(ages) {
					return k
				}
				young++
				others := all
				if from == "workloads of the kind" {
					others = slices.DeleteFunc(slices.Clone(all), func(o task) bool { return o.kind != k.kind })
				}
				return k.borrowed(others, what[0], what[1])
			})
			row.WriteString(fmt.Sprintf(" %.4f |", score))
			if score < alone-paying {
				t.Errorf("from %s, growth and spread %v: the headline is %.4f instead of %.4f, so borrowing pays", from, what, score, alone)
			}
		}
		documented(t, row.String())
	}
	if young < 250 {
		t.Errorf("%d tasks of young workloads, want more to judge by", young)
	}
}
