package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestPicture draws a history, its projection and a threshold with a hostile name.
func TestPicture(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "history.csv")
	const hostile = `<script>alert(1)</script>` + "\x1b[2J"
	writeFile(t, file, historyRows(2000, hostile, "another"))
	draw := func(args ...string) (int, string, string) {
		t.Helper()
		return alone(t, append([]string{"forecast", "--history", file}, args...)...)
	}
	args := []string{"--workload", hostile, "--threshold", `"&'=3e7`, "-o"}
	code, svg, errs := draw(append(args, "svg")...)
	if code != exitDone || errs != "" {
		t.Fatalf("exit %d, %s", code, errs)
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
			t.Error("a name became a script")
		}
	}
	for _, want := range []string{"&lt;script&gt;", "80% range", "95% range", "projected, median", "used in the 30 days before", "30.0M", ">Dec<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the picture", want)
		}
	}
	if strings.Contains(svg, "\x1b") {
		t.Error("a control character in the picture")
	}
	if _, again, _ := draw(append(args, "svg")...); again != svg {
		t.Error("another picture of the same")
	}
	code, image, errs := draw(append(args, "png")...)
	if p, err := png.Decode(bytes.NewReader([]byte(image))); code != exitDone || err != nil || p.Bounds().Dx() < 800 {
		t.Errorf("exit %d, %s, %v", code, errs, err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"which of them":      {[]string{"-o", "svg"}, exitNotRight, `--workload: got "", want one of `},
		"no such workload":   {[]string{"-o", "svg", "--workload=x"}, exitNotRight, `got "x"`},
		"before it began":    {[]string{"-o", "svg", "--workload=another", "--origin=2020-01-01T00:00:00Z"}, exitNotRight, "nothing to draw"},
		"a bad threshold":    {[]string{"-o", "svg", "--threshold=own=-1"}, exitUsage, "--threshold: got"},
		"a threshold in CSV": {[]string{"--threshold=own=1e9"}, exitUsage, "are for -o svg"},
		"another form":       {[]string{"-o", "svg", "--explain"}, exitUsage, "are not"},
	} {
		if code, _, errs := draw(tc.args...); code != tc.code || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit %d, %q, want %d and %q", name, code, errs, tc.code, tc.want)
		}
	}
}
