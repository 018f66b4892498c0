package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"slices"
	"sort"
	"strings"

	slackapi "github.com/slack-go/slack"
	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"tipline/alerting/chart"
)

// The picture of a message, in the proportions of Slack's own.
const (
	sheetWidth  = vg.Length(520)
	sheetMargin = vg.Length(20)
	sheetDPI    = 110
	textSize    = vg.Length(11)
	headSize    = vg.Length(14)
	smallSize   = vg.Length(9)
	leading     = 1.38 // height of a line in sizes of its text
	gap         = vg.Length(8)
	chartHeight = vg.Length(190)
)

var (
	faint    = color.NRGBA{0x69, 0x72, 0x7d, 0xff}
	hairline = color.NRGBA{0xdd, 0xdf, 0xe3, 0xff}
	codeInk  = color.NRGBA{0xb0, 0x1e, 0x4c, 0xff}
	white    = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// A span is a piece of text in one style.
type span struct {
	text       string
	bold, code bool
}

// A sheet is a picture in the making: what is drawn on it, and how far down it goes. Every y is from its top.
type sheet struct {
	y     vg.Length
	marks []func(c *vgimg.Canvas, height vg.Length)
}

// drawMessage writes a picture of blocks, with the chart c where they have one, as the receiver of a message sees them, as PNG. Letters that the font
// does not have are written as their code points.
func drawMessage(out io.Writer, blocks []slackapi.Block, c *chart.Chart) error {
	s := &sheet{y: sheetMargin}
	s.text([]span{{text: "tipline", bold: true}}, textSize, ink, 0)
	s.y += gap / 2
	for _, block := range blocks {
		switch b := block.(type) {
		case *slackapi.HeaderBlock:
			s.text([]span{{text: b.Text.Text, bold: true}}, headSize, ink, 0)
		case *slackapi.SectionBlock:
			for line := range strings.SplitSeq(b.Text.Text, "\n") {
				indent := vg.Length(0)
				if strings.HasPrefix(line, "• ") {
					indent = 9
				}
				s.text(spans(line), textSize, ink, indent)
			}
		case *slackapi.DataVisualizationBlock:
			if c == nil {
				continue
			}
			if err := s.chart(*c); err != nil {
				return err
			}
		case *slackapi.ActionBlock:
			s.buttons(b)
		case *slackapi.DividerBlock:
			s.rule()
		case *slackapi.ContextBlock:
			for _, element := range b.ContextElements.Elements {
				if said, ok := element.(*slackapi.TextBlockObject); ok {
					s.text([]span{{text: said.Text}}, smallSize, faint, 0)
				}
			}
		}
		s.y += gap
	}
	s.y -= gap
	return s.draw(out)
}

// drawChart writes a picture of a chart as PNG.
func drawChart(out io.Writer, c *chart.Chart) error {
	s := &sheet{y: sheetMargin}
	if err := s.chart(*c); err != nil {
		return err
	}
	return s.draw(out)
}

// draw writes s as PNG.
func (s *sheet) draw(out io.Writer) error {
	height := s.y + sheetMargin
	c := vgimg.NewWith(vgimg.UseWH(sheetWidth, height), vgimg.UseDPI(sheetDPI), vgimg.UseBackgroundColor(white))
	for _, mark := range s.marks {
		mark(c, height)
	}
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(out)
	return err
}

// spans splits a line of Slack's markup into pieces. A mark that a word joiner follows is a letter, see alerting/slack.
func spans(line string) []span {
	var all []span
	var current span
	letters := []rune(line)
	end := func() {
		if current.text != "" {
			all = append(all, current)
		}
		current.text = ""
	}
	for i, r := range letters {
		marks := i+1 == len(letters) || letters[i+1] != '\u2060'
		switch {
		case r == '\u2060':
		case r == '`' && marks:
			end()
			current.code = !current.code
		case r == '*' && marks && !current.code:
			end()
			current.bold = !current.bold
		default:
			current.text += string(r)
		}
	}
	end()
	for i := range all {
		all[i].text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(all[i].text)
	}
	return all
}

// face returns the font of r. What it has no letter for and stands in messages is replaced by the nearest that it has.
func (r span) face(size vg.Length) font.Face {
	f := font.Font{Typeface: "Liberation", Variant: "Sans"}
	if r.code {
		f.Variant = "Mono"
		size *= 0.92
	}
	if r.bold {
		f.Weight = xfont.WeightBold
	}
	return font.DefaultCache.Lookup(f, size)
}

var nearest = strings.NewReplacer("✓", "√")

// legible returns text with what face has no letter for as its code point, such as \u{540D}.
func legible(face font.Face, text string) string {
	var out strings.Builder
	for _, r := range nearest.Replace(text) {
		if glyph, err := face.Face.GlyphIndex(nil, r); err != nil || glyph == 0 {
			fmt.Fprintf(&out, `\u{%04X}`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// text sets a paragraph; lines after the first are indented.
func (s *sheet) text(all []span, size vg.Length, ink color.Color, indent vg.Length) {
	left, right := sheetMargin, sheetWidth-sheetMargin
	x := left
	s.y += size * leading
	for _, r := range all {
		of := ink
		if r.code {
			of = codeInk
		}
		s.words(r, r.face(size), of, &x, left+indent, right, size)
	}
}

// words sets the words of r one after another from *x on, on a new line where one would go beyond right.
func (s *sheet) words(r span, face font.Face, ink color.Color, x *vg.Length, left, right, size vg.Length) {
	var set string // on the line and not drawn yet
	from := *x
	draw := func() {
		if strings.TrimSpace(set) != "" {
			piece, at := set, vg.Point{X: from, Y: s.y}
			s.marks = append(s.marks, func(c *vgimg.Canvas, height vg.Length) {
				c.SetColor(ink)
				c.FillString(face, vg.Point{X: at.X, Y: height - at.Y}, piece)
			})
		}
		set, from = "", *x
	}
	for word := range strings.SplitAfterSeq(legible(face, r.text), " ") {
		for word != "" {
			part := word
			if face.Width(strings.TrimSuffix(part, " ")) > right-*x && *x > left {
				draw()
				*x, from = left, left
				s.y += size * leading
			}
			if letters := []rune(part); face.Width(part) > right-left {
				fits := sort.Search(len(letters), func(n int) bool { return face.Width(string(letters[:n+1])) > right-left })
				part = string(letters[:max(1, fits)])
			}
			set, word = set+part, word[len(part):]
			*x += face.Width(part)
		}
	}
	draw()
}

// rule draws a line across.
func (s *sheet) rule() {
	s.y += gap / 2
	y := s.y
	s.marks = append(s.marks, func(c *vgimg.Canvas, height vg.Length) {
		var p vg.Path
		p.Move(vg.Point{X: sheetMargin, Y: height - y})
		p.Line(vg.Point{X: sheetWidth - sheetMargin, Y: height - y})
		c.SetColor(hairline)
		c.SetLineWidth(1)
		c.Stroke(p)
	})
}

// buttons draws the buttons of b in a row.
func (s *sheet) buttons(b *slackapi.ActionBlock) {
	x := sheetMargin
	const high, inside = vg.Length(22), vg.Length(9)
	s.y += gap / 2
	y := s.y
	for _, element := range b.Elements.ElementSet {
		button, ok := element.(*slackapi.ButtonBlockElement)
		if !ok {
			continue
		}
		r := span{text: button.Text.Text, bold: true}
		face := r.face(smallSize)
		r.text = legible(face, r.text)
		wide := face.Width(r.text) + 2*inside
		left := x
		s.marks = append(s.marks, func(c *vgimg.Canvas, height vg.Length) {
			c.SetColor(faint)
			c.SetLineWidth(0.8)
			c.Stroke(vg.Rectangle{Min: vg.Point{X: left, Y: height - y - high}, Max: vg.Point{X: left + wide, Y: height - y}}.Path())
			c.SetColor(ink)
			c.FillString(face, vg.Point{X: left + inside, Y: height - y - high/2 - smallSize*0.36}, r.text)
		})
		x += wide + gap
	}
	s.y += high
}

// The colors of the main series of a chart, in their order: told apart by brightness too.
var mainColors = []color.Color{blue, orange, ink}

// chart draws c: bounds faint in the color of the series before them, levels dashed.
func (s *sheet) chart(c chart.Chart) error {
	p := plot.New()
	says := func(text string) string { return legible(span{}.face(smallSize), text) }
	p.Title.Text, p.Title.Padding = says(c.Title+", "+c.Unit), vg.Points(6)
	p.Y.Min = 0
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.Legend.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: smallSize}
		style.Color = ink
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(2), vg.Points(5), -vg.Points(4)
	p.Add(plotter.NewGrid())
	every := 1 + len(c.Labels)/8 // labels, so that they stand apart
	var ticks plot.ConstantTicks
	for i, label := range c.Labels {
		if i%every != 0 {
			label = ""
		}
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: says(label)})
	}
	p.X.Tick.Marker = ticks
	most, entries := 0.0, 0
	mains := slices.Clone(mainColors)
	for i, series := range c.Series {
		series.Name = says(series.Name)
		most = max(most, slices.Max(series.Values))
		var err error
		switch {
		case series.Role == chart.Bound: // drawn behind the series before them
			continue
		case series.Role == chart.Level:
			err = addLine(p, points(series), red, []vg.Length{vg.Points(5), vg.Points(3)}, series.Name)
		case c.Bars:
			err = addBars(p, c, i, series.Name, mains[0])
		default:
			if i+2 < len(c.Series) && c.Series[i+2].Role == chart.Bound {
				err = addBand(p, points(c.Series[i+1]), points(c.Series[i+2]), lighter(mains[0]), "80% range")
				entries++
			}
			err = errors.Join(err, addLine(p, points(series), mains[0], nil, series.Name))
		}
		if series.Role == chart.Main {
			mains = append(mains[1:], mains[0])
		}
		entries++
		if err != nil {
			return err
		}
	}
	p.Y.Max = (1.05 + 0.11*float64(entries)) * most // the legend is above the lines
	if c.Bars {
		p.X.Min, p.X.Max = -0.5, float64(len(c.Labels))-0.5
	}
	s.y += gap
	top := s.y
	s.marks = append(s.marks, func(canvas *vgimg.Canvas, height vg.Length) {
		p.Draw(vgdraw.Canvas{Canvas: canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: sheetMargin, Y: height - top - chartHeight}, Max: vg.Point{X: sheetWidth - sheetMargin, Y: height - top},
		}})
	})
	s.y += chartHeight
	return nil
}

// points places the values of s over the labels of its chart.
func points(s chart.Series) (all plotter.XYs) {
	for x, v := range s.Values {
		all = append(all, plotter.XY{X: float64(x), Y: v})
	}
	return all
}

// addBand fills what is between two lines.
func addBand(p *plot.Plot, high, low plotter.XYs, fill color.Color, name string) error {
	slices.Reverse(low)
	band, err := plotter.NewPolygon(append(high, low...))
	if err != nil {
		return err
	}
	band.Color, band.LineStyle.Width = fill, 0
	p.Add(band)
	p.Legend.Add(name, band)
	return nil
}

// addBars adds the bars of series i of c, which is called name in the legend.
func addBars(p *plot.Plot, c chart.Chart, i int, name string, of color.Color) error {
	wide := min(0.7*(sheetWidth-2*sheetMargin)/vg.Length(len(c.Labels)*len(c.Series)), 40)
	bars, err := plotter.NewBarChart(plotter.Values(c.Series[i].Values), wide)
	if err != nil {
		return err
	}
	bars.Color, bars.LineStyle.Width = of, 0
	bars.Offset = wide * (vg.Length(i) - vg.Length(len(c.Series)-1)/2)
	p.Add(bars)
	p.Legend.Add(name, bars)
	return nil
}

// lighter returns c with a good half of its ink left out.
func lighter(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	return color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0x66}
}
