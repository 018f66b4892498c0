package model

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
)

func TestFormatTokens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   float64
		want string
	}{
		{0, "0"},
		{999, "999"},
		{math.Nextafter(999.5, 0), "999"},
		{999.5, "1.00k"},
		{1234, "1.23k"},
		{999_499, "999k"},
		{999_500, "1.00M"},
		{12_345_678, "12.3M"},
		{1_800_000_000, "1.80B"},
		{math.Nextafter(999.5e9, 0), "999B"},
		{999.5e9, "1.00T"},
		{4.97e15, "4,970T"},
		{-1234, "−1.23k"},
		{math.NaN(), "unknown"},
		{math.Inf(1), "unknown"},
	} {
		if got := FormatTokens(Tokens(tc.in)); got != tc.want {
			t.Errorf("FormatTokens(%v): got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestFormatUSD(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   float64
		want string
	}{
		{0, "$0"},
		{0.004, "$0.004"}, // what costs something is not $0
		{math.Nextafter(0.01, 0), "$0.01"},
		{0.00096, "$0.001"},
		{0.0074, "$0.007"},
		{0.00000096, "$0"}, // what sums leave
		{-1e-9, "$0"},
		{0.5, "$0.50"},
		{12, "$12"},
		{math.Nextafter(99.995, 0), "$99.99"},
		{99.995, "$100"},
		{999.5, "$1,000"},
		{14_200, "$14,200"},
		{1_234_567.4, "$1,234,567"},
		{-3900, "−$3,900"},
		{math.NaN(), "unknown"},
	} {
		if got := FormatUSD(USD(tc.in)); got != tc.want {
			t.Errorf("FormatUSD(%v): got %q, want %q", tc.in, got, tc.want)
		}
	}
}

// TestFormatUSDKnown holds that no digit is said that the range leaves open, on both sides of every seam.
func TestFormatUSDKnown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		d, p10, p90 float64
		want        string
	}{
		{22_527, 18_022, 27_032, "$22,500"}, // ±20 %
		{22_527, 22_527, 26_907, "$22,500"},
		{22_527, 22_527, 22_527, "$22,527"}, // exact
		{22_527, 17_000, math.Nextafter(27_000, 0), "$23,000"},
		{22_527, 17_000, 27_000, "$23,000"},
		{22_527, 17_001, 27_000, "$22,500"},
		{22_527, 22_522, 22_532, "$22,527"},
		{22_527, 22_523, 22_532, "$22,527"},
		{22_527, 0, 1e6, "$20,000"}, // one digit is always said
		{6_200, 2_653, 9_923, "$6,200"},
		{-6_240, -9_923, -2_653, "−$6,200"},
		{40, -3_000, 4_000, "$40"},
		{96, 0, 1_000, "$100"},
		{0, 0, 1_000, "$0"},
		{3.14159, 2, 4, "$3.10"},
		{3.14159, 3, 3.2, "$3.14"},
		{0.0004, 0, 0.001, "$0.0004"},
		{math.NaN(), 0, 1, "unknown"},
		{22_527, math.NaN(), 1, "$22,527"},
		{22_527, 0, math.Inf(1), "$22,527"},
	} {
		if got := FormatUSDKnown(USD(tc.d), Quantiles[USD]{P10: USD(tc.p10), P90: USD(tc.p90)}); got != tc.want {
			t.Errorf("%v in %v to %v: got %q, want %q", tc.d, tc.p10, tc.p90, got, tc.want)
		}
	}
	if got, want := FormatUSDAbout(182_432), "$182,000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFormatUSDRange holds that a range is written outward, in steps of what is known, never narrower than it is, and as one amount where it has no width.
func TestFormatUSDRange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		p10, p90 float64
		want     string
	}{
		{17_866, 25_737, "$17,800 to $25,800"},
		{17_900, 25_700, "$17,900 to $25,700"},
		{100.6, 101.4, "$100 to $102"},
		{99.6, 100.4, "$99.60 to $101"},
		{9.99999999, 990, "$10 to $990"},
		{0, 1234, "$0 to $1,300"},
		{0.004, 900, "$0.004 to $900"},
		{0.0074, 0.0123, "$0.007 to $0.02"},
		{0.00997, 0.02, "$0.009 to $0.02"},
		{-3_910, 1_010, "−$4,000 to $1,100"},
		{-3_910, -0.004, "−$4,000 to −$0.004"},
		{22_527, 22_527, "$22,527"},
		{math.NaN(), 1, "unknown to $1"},
	} {
		if got := FormatUSDRange(Quantiles[USD]{P10: USD(tc.p10), P90: USD(tc.p90)}); got != tc.want {
			t.Errorf("%v to %v: got %q, want %q", tc.p10, tc.p90, got, tc.want)
		}
	}
}

func TestFormatUSDPerMTok(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   float64
		want string
	}{{0, "$0/Mtok"}, {0.24, "$0.240/Mtok"}, {0.0245, "$0.0245/Mtok"}, {15, "$15.0/Mtok"}, {0.9996, "$1.00/Mtok"}, {math.Inf(1), "unknown"}} {
		if got := FormatUSDPerMTok(USDPerMTok(tc.in)); got != tc.want {
			t.Errorf("FormatUSDPerMTok(%v): got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestFormatPercent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   float64
		want string
	}{{0, "0%"}, {0.0004, "0%"}, {0.05, "5%"}, {0.051, "5.1%"}, {0.0995, "10%"}, {math.Nextafter(0.0995, 0), "9.9%"}, {0.834, "83%"}, {0.9949, "99%"}, {0.99744, "99.7%"}, {0.999999, "99.9%"}, {-0.9999, "−99.9%"}, {math.Nextafter(1, 0), "100%"}, {1, "100%"}, {1.5, "150%"}, {-0.13, "−13%"}, {math.NaN(), "unknown"}} {
		if got := FormatPercent(Fraction(tc.in)); got != tc.want {
			t.Errorf("FormatPercent(%v): got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"support-chat": "support-chat", "名前 🦙": "名前 🦙", "\U0001f468\u200d\U0001f4bb": "\U0001f468\u200d\U0001f4bb", "می\u200cخواهم": "می\u200cخواهم",
		"a\x1b[31mb": "a\uFFFD[31mb", "a\nb\r\tc": "a\uFFFDb\uFFFD\uFFFDc", "a\u202eb": "a\uFFFDb", "a\u2066b": "a\uFFFDb", "a\u200bb": "a\uFFFDb", "a\u2028b": "a\uFFFDb",
		"a\xffb": "a\uFFFDb", "a\u0085b": "a\uFFFDb", "\ufeffa": "\uFFFDa", "\U000e0041a": "\uFFFDa",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestEscapeJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":"b"}`: `{"a":"b"}`, "[\n\t\"名前 🦙\"\n]\n": "[\n\t\"名前 🦙\"\n]\n", "": "",
		"\"\u009b31m\"": `"\u009b31m"`, "\"a\u202eb\"": `"a\u202eb"`, "\"\x7f\"": `"\u007f"`, "\"\U000e0041\"": `"\udb40\udc41"`, "\"\xff\"": `"\ufffd"`, "\"\ufffd\"": "\"\ufffd\"",
		"\"\u202e\u202e\" and \"\u2066\"": `"\u202e\u202e" and "\u2066"`,
	} {
		if got := string(EscapeJSON([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// FuzzEscapeJSON holds that what is escaped means what it did, and does nothing to a terminal.
func FuzzEscapeJSON(f *testing.F) {
	f.Add("a\x1b[31m\u009b\u202e\U000e0041\xff\nb 名前")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := json.MarshalIndent(map[string]string{text: text}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		escaped := EscapeJSON(data)
		var was, is map[string]string
		if err := errors.Join(json.Unmarshal(data, &was), json.Unmarshal(escaped, &is)); err != nil || !maps.Equal(was, is) {
			t.Errorf("%q: got %q (%v), want %q", text, is, err, was)
		}
		for line := range strings.Lines(string(escaped)) {
			if line = strings.Trim(line, "\t\n"); Printable(line) != line {
				t.Errorf("%q: got the line %q, want nothing that is not printable", text, line)
			}
		}
	})
}
