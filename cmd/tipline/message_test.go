package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/alerting/chart"
	"tipline/alerting/sample"
	"tipline/alerting/slack"
	"tipline/model"
)

// The cells of a picture whose darkness is compared, in pixels.
const cellWidth, cellHeight, every = 32, 16, 2 // every other pixel is looked at

// sketch returns the darkness of the cells of a picture, 0 to 9, a line for every row.
func sketch(picture image.Image) []string {
	size := picture.Bounds().Size()
	var rows []string
	for top := 0; top+cellHeight <= size.Y; top += cellHeight {
		var row strings.Builder
		for left := 0; left+cellWidth <= size.X; left += cellWidth {
			dark := 0
			for y := 0; y < cellHeight; y += every {
				for x := 0; x < cellWidth; x += every {
					r, g, b, _ := picture.At(left+x, top+y).RGBA()
					dark += 3*0xffff - int(r+g+b)
				}
			}
			row.WriteByte(byte('0' + min(9, 20*dark*every*every/(3*0xffff*cellWidth*cellHeight))))
		}
		rows = append(rows, row.String())
	}
	return rows
}

// TestPictures holds that the picture of every kind of message looks as it did: how dark each place of it is, since the last bit of a pixel
// may differ between processors.
func TestPictures(t *testing.T) {
	t.Parallel()
	const golden = "testdata/pictures.txt"
	var got strings.Builder
	for _, r := range alerting.Kinds {
		code, out, errs := tipline(t, t.TempDir(), "preview", string(r), "-o", "png")
		picture, err := png.Decode(strings.NewReader(out))
		if code != exitDone || err != nil {
			t.Fatalf("%s: exit %d, %s, %v", r, code, errs, err)
		}
		size := picture.Bounds().Size()
		fmt.Fprintf(&got, "%s %d %d\n%s\n", r, size.X, size.Y, strings.Join(sketch(picture), "\n"))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")
	if len(was) != len(is) {
		t.Fatalf("got %d lines, want %d: look at the pictures (tipline preview KIND -o png) and write them anew with -update", len(is), len(was))
	}
	for i := range is {
		same := len(is[i]) == len(was[i])
		for c := 0; same && c < len(is[i]); c++ {
			d := int(is[i][c]) - int(was[i][c])
			same = d == 0 || strings.Trim(is[i], "0123456789") == "" && d >= -1 && d <= 1
		}
		if !same {
			t.Fatalf("line %d: got %q, want %q: look at the pictures (tipline preview KIND -o png) and write them anew with -update", i+1, is[i], was[i])
		}
	}
}

// FuzzPictures holds that no name from outside breaks the picture, whatever its letters and length. It draws one an input: three take longer on a busy
// machine than the fuzzer waits.
func FuzzPictures(f *testing.F) {
	for i, text := range []string{"", "*", "`", "&lt;", "*bold* `code` _x_", "line\nbreak\x1b[31m", "right\u202eleft", strings.Repeat("名前", 500), strings.Repeat("W", 3000), "\xff"} {
		f.Add(text, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		e, _ := sample.Of([]alerting.Reason{alerting.Answered, alerting.Drifted, alerting.PricesMoved}[kind%3])
		if len(e.Report.CostAhead) > 0 {
			e.Report.CostAhead[0].Option, e.Report.CostAhead[1].Option = text, text+"2"
		}
		if e.Prices != nil {
			e.Prices.Moves[0].Option, e.Prices.Moves[1].Option, e.Prices.Moves[1].Field = text, text, text
		}
		e.Workload, e.Report.Current, e.Report.Decision.Option, e.Report.Decision.Because = text, text, text, text
		e.Report.Options = append(e.Report.Options, model.OptionCost{Option: text, Infeasible: text})
		if err := drawMessage(io.Discard, slack.Blocks(e, slack.Layout{Buttons: true, Charts: true}), chart.Of(e)); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// TestDrawChart holds that the picture that is uploaded where Slack shows no chart is one.
func TestDrawChart(t *testing.T) {
	t.Parallel()
	for _, r := range []alerting.Reason{alerting.Approaching, alerting.OverBudget, alerting.PricesMoved} {
		e, _ := sample.Of(r)
		var out bytes.Buffer
		if err := drawChart(&out, chart.Of(e)); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		picture, err := png.Decode(&out)
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		if size := picture.Bounds().Size(); size.X < 700 || size.Y < 300 || strings.Trim(strings.Join(sketch(picture), ""), "0") == "" {
			t.Errorf("%s: got %v, want a picture with something on it", r, size)
		}
	}
}

// TestLegible holds that a letter that the font of pictures lacks is written as its code point.
func TestLegible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"support-chat → ✓": "support-chat → √", "Кириллица ελληνικά é": "Кириллица ελληνικά é", "名前-chat": `\u{540D}\u{524D}-chat`, "🦙": `\u{1F999}`, "": "",
	} {
		for _, r := range []span{{}, {bold: true}, {code: true}} {
			if got := legible(r.face(textSize), text); got != want {
				t.Errorf("%q in %+v: got %q, want %q", text, r, got, want)
			}
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                                 "[]",
		"plain &amp; &lt;b&gt;":            "[{plain & <b> false false}]",
		"*bold* then `code *x*`":           "[{bold true false} { then  false false} {code *x* false true}]",
		"a *\u2060star and `\u2060 a tick": "[{a *star and ` a tick false false}]",
		"open *":                           "[{open  false false}]",
	} {
		if got := fmt.Sprint(spans(line)); got != want {
			t.Errorf("%q: got %s, want %s", line, got, want)
		}
	}
}
