package main

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"tipline/model"
	"tipline/model/forecast"
)

// threshold is a volume to show in a picture.
type threshold struct {
	name   string
	tokens float64 // a month of 730 hours
}

// parseThresholds reads NAME=TOKENS.
func parseThresholds(texts []string) ([]threshold, error) {
	var all []threshold
	for _, text := range texts {
		name, volume, _ := strings.Cut(text, "=")
		tokens, err := strconv.ParseFloat(volume, 64)
		if err != nil || !(tokens > 0 && tokens <= 1e18) {
			return nil, fmt.Errorf("--threshold: got %q, want a name and tokens in a month of 730 hours, such as own-gpus=31.7e9", text)
		}
		all = append(all, threshold{name, tokens})
	}
	return all, nil
}

// The picture.
const (
	pictureWidth, pictureHeight = 24 * vg.Centimeter, 13 * vg.Centimeter
	pictureDays                 = 180 // of history
	monthHours                  = 730.0
)

var (
	ink    = color.NRGBA{0x1f, 0x2d, 0x3d, 0xff}
	blue   = color.NRGBA{0x1c, 0x6f, 0xb8, 0xff}
	band80 = color.NRGBA{0x1c, 0x6f, 0xb8, 0x66}
	band95 = color.NRGBA{0x1c, 0x6f, 0xb8, 0x2e}
	orange = color.NRGBA{0xa8, 0x4c, 0x00, 0xff}
	red    = color.NRGBA{0xb8, 0x3a, 0x2b, 0xff}
)

// draw writes a picture of u and its projection from origin on, in the format svg or png: what was used in the 30 days before each day, the
// calendar months ahead with their 80 and 95 % ranges, and thresholds, all in tokens of a month of 730 hours.
func draw(out io.Writer, format string, u model.Usage, origin time.Time, k model.Known, thresholds []threshold) error {
	f, ok := forecast.Project(u, origin, k)
	if !ok {
		return fmt.Errorf("%s: not one hour before %s was measured, so there is nothing to draw", u.Workload, origin.Format(time.RFC3339))
	}
	p := plot.New()
	says := func(text string) string { return legible(span{}.face(headSize), model.Printable(text)) }
	p.Title.Text, p.Title.Padding = says(u.Workload), vg.Points(8)
	p.Y.Label.Text = "tokens in a month of 730 hours"
	p.X.Tick.Marker, p.Y.Tick.Marker = monthTicks{}, tokenTicks{}
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(3), vg.Points(6), -vg.Points(6)
	p.Add(plotter.NewGrid())

	past := trailing(u, origin)
	now := plotter.XY{X: seconds(origin), Y: float64(f.Next[model.Next30d].Total.At(0.5)) * monthHours / 720}
	if len(past) > 0 {
		now.Y = past[len(past)-1].Y
	}
	for _, b := range []struct {
		low, high float64
		fill      color.Color
		name      string
	}{{0.025, 0.975, band95, "95% range"}, {0.10, 0.90, band80, "80% range"}} {
		if err := addBand(p, append(plotter.XYs{now}, ahead(f, b.high)...), ahead(f, b.low), b.fill, b.name); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		points plotter.XYs
		color  color.Color
		dashes []vg.Length
		name   string
	}{{past, ink, nil, "used in the 30 days before"}, {append(plotter.XYs{now}, ahead(f, 0.5)...), blue, nil, "projected, median"}} {
		if err := addLine(p, l.points, l.color, l.dashes, l.name); err != nil {
			return err
		}
	}
	first, last := now.X, now.X
	if len(past) > 0 {
		first = past[0].X
	}
	if months := ahead(f, 0.5); len(months) > 0 {
		last = months[len(months)-1].X
	}
	for _, t := range thresholds {
		points := plotter.XYs{{X: first, Y: t.tokens}, {X: last, Y: t.tokens}}
		name := says(t.name) + ", " + model.FormatTokens(model.Tokens(t.tokens))
		if err := addLine(p, points, red, []vg.Length{vg.Points(5), vg.Points(3)}, name); err != nil {
			return err
		}
	}
	const inks = 4                                        // ranges and lines beside the thresholds
	p.Y.Max *= 1.05 + 0.065*float64(inks+len(thresholds)) // the legend is above the lines
	picture, err := p.WriterTo(pictureWidth, pictureHeight, format)
	if err != nil {
		return err
	}
	_, err = picture.WriteTo(out)
	return err
}

func addLine(p *plot.Plot, points plotter.XYs, ink color.Color, dashes []vg.Length, name string) error {
	if len(points) < 2 {
		return nil
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = ink, vg.Points(1.6), dashes
	p.Add(line)
	p.Legend.Add(name, line)
	return nil
}

func seconds(t time.Time) float64 { return float64(t.Unix()) }

// trailing returns what was used in the 30 days before the end of each of the last pictureDays days, at a month of 730 hours; days before
// which less than half of that was measured are left out.
func trailing(u model.Usage, origin time.Time) (points plotter.XYs) {
	const window = 30 * 24 * time.Hour
	for back := pictureDays; back >= 0; back-- {
		at := origin.AddDate(0, 0, -back)
		sum, share := u.Between(at.Add(-window), at)
		if share >= 0.5 {
			points = append(points, plotter.XY{X: seconds(at), Y: float64(sum.Total()) / float64(share) * monthHours / window.Hours()})
		}
	}
	return points
}

// ahead returns the quantile at level p of the months of f that begin after its origin, each at its middle.
func ahead(f model.Forecast, p float64) (points plotter.XYs) {
	for _, m := range f.Months {
		if m.From.Before(f.Origin) {
			continue
		}
		length := m.To.Sub(m.From)
		points = append(points, plotter.XY{X: seconds(m.From.Add(length / 2)), Y: float64(m.Total.At(p)) * monthHours / length.Hours()})
	}
	return points
}

// monthTicks labels an axis of seconds at the beginnings of months, about a dozen of them.
type monthTicks struct{}

// Ticks implements plot.Ticker.
func (monthTicks) Ticks(low, high float64) []plot.Tick {
	from, to := time.Unix(int64(low), 0).UTC(), time.Unix(int64(high), 0).UTC()
	every := max(1, int(to.Sub(from)/(30*24*time.Hour))/12)
	var ticks []plot.Tick
	for at := time.Date(from.Year(), from.Month()+1, 1, 0, 0, 0, 0, time.UTC); at.Before(to); at = at.AddDate(0, every, 0) {
		ticks = append(ticks, plot.Tick{Value: seconds(at), Label: at.Format("Jan\n2006")})
	}
	return ticks
}

// tokenTicks labels an axis as tipline writes tokens.
type tokenTicks struct{}

// Ticks implements plot.Ticker.
func (tokenTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = model.FormatTokens(model.Tokens(math.Max(0, t.Value)))
		}
	}
	return ticks
}
