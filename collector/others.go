package collector

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// others are the names in an answer that the history does not keep: those that it may keep from now on, and the sum of those that are too many. However many
// there are in an answer, no more than twice most have a group, and which they are does not depend on the order in which they come.
type others struct {
	most      int               // of those that may be kept
	newcomers map[string]*group // by the values of their labels, see valuesOf
	bound     []byte            // values that are not before it are summed up; nil while all have room
	sum       *group            // of the names that are too many; nil when none are
	names     int               // how many have been summed up, each by its prompt tokens
}

// before reports whether the name with the values a is kept rather than that with b: what people name is short, and what programs make up, of which there may be any number, is long.
func before(a, b []byte) bool { return cmp.Or(cmp.Compare(len(a), len(b)), bytes.Compare(a, b)) < 0 }

// group returns the group of a name that is not on the roll, a new one where there is room; nil when it is summed up.
func (o *others) group(values []byte, create func() *group, s span) *group {
	if g := o.newcomers[string(values)]; g != nil {
		return g
	}
	if len(o.newcomers) == 2*o.most {
		for i, name := range o.inOrder() {
			if i < o.most {
				o.bound = []byte(name)
				continue
			}
			o.sumUp(o.newcomers[name], 1, s)
			delete(o.newcomers, name)
		}
	}
	if o.bound != nil && !before(values, o.bound) {
		return nil
	}
	g := create()
	o.newcomers[string(values)] = g
	return g
}

// inOrder returns the newcomers, those that are kept before others first.
func (o *others) inOrder() []string {
	return slices.SortedFunc(maps.Keys(o.newcomers), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

// add adds a series of one more name to the sum.
func (o *others) add(of signal, points []point, s span) error {
	if of == input {
		o.names++
	}
	cells := o.cells(of, s)
	return s.each(points, func(i int, v float64) { cells[i] = cells[i].with(of, cell{v, 1}) })
}

// sumUp adds g, which is of so many names that have prompt tokens as it has some, to the sum.
func (o *others) sumUp(g *group, names int, s span) {
	for _, c := range g.columns {
		if c.signal == input {
			o.names += names
		}
		cells := o.cells(c.signal, s)
		for i, v := range c.cells {
			if v.seen > 0 {
				cells[i] = cells[i].with(c.signal, v)
			}
		}
	}
}

// cells returns the cells of a signal of the sum.
func (o *others) cells(of signal, s span) []cell {
	if o.sum == nil {
		o.sum = newGroup(othersLabels)
	}
	if found := o.sum.column(of).cells; found != nil {
		return found
	}
	cells := make([]cell, s.hours())
	o.sum.columns = append(o.sum.columns, column{of, cells})
	return cells
}

// with returns what c and more, of another name, are together. What cannot be true of one name stays so in the sum.
func (c cell) with(of signal, more cell) cell {
	together := cell{c.value + more.value, max(c.seen, more.seen)}
	if of == coverage || of == resets {
		together.value = max(c.value, more.value)
	}
	if c.value < 0 || more.value < 0 {
		together.value = math.Inf(-1)
	}
	return together
}

// The names that are too many are a series of the history like any other, of a label without a name, which no server has.
var (
	othersLabels = map[string]string{"": othersName}
	othersKey    = canonical(othersLabels)
)

// othersName is the name of the usage that sums up the names that are too many.
const othersName = "other"

// sumOf returns the series of the names that are too many, a new one when there were never any.
func (a *archive) sumOf() *series {
	s := a.series[othersKey]
	if s == nil {
		s = a.newSeries(othersKey, othersLabels)
	}
	return s
}

// withOthers returns all, the usage of the workloads at now, with that of the names that are too many, which a workload may be called as, sorted by name.
func (c *Collector) withOthers(all []model.Usage, now time.Time) []model.Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.archive.series[othersKey]
	if s == nil || !c.archive.lately(s, c.complete(now), goneAfter) {
		return all
	}
	all = append(all, model.Usage{
		Workload: othersName, Source: c.settings.Name, Layer: string(c.layer), Labels: map[string]string{}, Names: max(1, c.archive.record.Others),
	})
	sortUsage(all)
	return all
}

// crowded says that there are, or were within the last day before end, more names than workloads are kept. The caller holds mu.
func (c *Collector) crowded(end time.Time) []model.Warning {
	s := c.archive.series[othersKey]
	if s == nil || !c.archive.lately(s, end, settleAfter) {
		return nil
	}
	return []model.Warning{{Code: TooManyWorkloads, Text: fmt.Sprintf(
		"names beyond the %d that are workloads: %d of them are counted together, as %s, and nothing is decided about them; group by fewer labels",
		c.archive.roll.most, max(1, c.archive.record.Others), othersName,
	)}}
}
