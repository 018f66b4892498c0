package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"tipline/alerting/chart"
	"tipline/model"
)

// The box in which a chart is drawn, in units of its own that a browser scales, and what is left for labels.
const (
	boxWidth, boxHeight = 480.0, 190.0
	left, right         = 44.0, boxWidth - 28 // half a label is beyond
	top, bottom         = 8.0, boxHeight - 20
	rows                = 4 // at most, beside that of zero
	columns             = 6 // labels at most
)

// drawing is a chart of lines as the page shows it.
type drawing struct {
	chart.Chart
	Band    string // corners of the range; empty when there is none
	Ranged  string // the option that it is of
	Lines   []line
	Rows    []mark // at their heights
	Columns []mark // at their places from the left
}

type line struct {
	Name, Class string
	Points      string
}

type mark struct {
	At   string
	Text string
}

// ahead returns the drawing of what the current and the best option of w cost in the months to come; nil when that is not known.
func ahead(w model.WorkloadReport) *drawing {
	c := chart.Ahead(w, w.Decision.Best)
	if c == nil {
		return nil
	}
	d := drawing{Chart: *c}
	most := 0.0
	for _, s := range c.Series {
		most = max(most, slices.Max(s.Values))
	}
	step := stride(most)
	end := max(step, math.Ceil(most/step)*step)
	x := func(i int) float64 { return left + (right-left)*float64(i)/float64(len(c.Labels)-1) }
	y := func(v float64) float64 { return bottom - (bottom-top)*v/end }
	for i := 0; float64(i)*step <= end*(1+1e-9); i++ {
		v := float64(i) * step
		d.Rows = append(d.Rows, mark{place(y(v)), strconv.FormatFloat(v, 'g', 4, 64)})
	}
	for i := 0; i < len(c.Labels); i += 1 + len(c.Labels)/columns {
		d.Columns = append(d.Columns, mark{place(x(i)), c.Labels[i]})
	}
	points := func(values []float64) []string {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = place(x(i)) + "," + place(y(v))
		}
		return all
	}
	var band []string
	for _, s := range c.Series {
		switch corners := points(s.Values); {
		case s.Role != chart.Bound:
			d.Lines = append(d.Lines, line{s.Name, fmt.Sprintf("line%d", len(d.Lines)), strings.Join(corners, " ")})
		case band == nil:
			band, d.Ranged = corners, d.Lines[len(d.Lines)-1].Name
		default:
			slices.Reverse(corners)
			d.Band = strings.Join(append(band, corners...), " ")
		}
	}
	return &d
}

// stride returns the smallest of 1, 2 and 5 times a power of ten that divides up to most into at most rows.
func stride(most float64) float64 {
	if !(most > 0) {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/rows)))
	for _, times := range []float64{1, 2, 5} {
		if most/(times*step) <= rows {
			return times * step
		}
	}
	return 10 * step
}

// place writes a coordinate, to a tenth of a unit.
func place(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
