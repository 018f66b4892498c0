package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Printable returns text with U+FFFD in the place of everything that could move a cursor, end a line, turn the direction of writing or be
// there unseen, and of what is not UTF-8. Two kinds of joiners, without which some scripts and emoji fall apart, stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unseen(r) {
			return unicode.ReplacementChar
		}
		return r // which strings.Map makes the same of what is not UTF-8
	}, text)
}

// unseen reports whether Printable takes r out of a text.
func unseen(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	switch {
	case ' ' <= r && r <= '~', r == zeroWidthNonJoiner, r == zeroWidthJoiner:
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// EscapeJSON returns data, which is JSON, with what Printable takes out of a text written as an escape, so that it means the same and does nothing to a
// terminal that shows it. The lines and tabs between its values stay.
func EscapeJSON(data []byte) []byte {
	var out []byte // nil as long as everything stays
	kept := 0      // how much of data is in out
	for i := 0; i < len(data); {
		if c := data[i]; c < utf8.RuneSelf && c != '\x7f' { // seen, or between values
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r >= ' ' && (unseen(r) || r == utf8.RuneError && n == 1) {
			out = append(out, data[kept:i]...)
			if r > 0xffff { // JSON writes it as two halves of UTF-16
				out = fmt.Appendf(out, `\u%04x`, 0xd800+(r-0x10000)>>10)
				r = 0xdc00 + r&0x3ff
			}
			out = fmt.Appendf(out, `\u%04x`, r)
			kept = i + n
		}
		i += n
	}
	if out == nil {
		return data
	}
	return append(out, data[kept:]...)
}

// unknownText stands where a number is not known or not finite.
const unknownText = "unknown"

// FormatTokens writes t with three significant digits and a magnitude, for example "1.23B"; below a thousand it is whole.
func FormatTokens(t Tokens) string {
	v := float64(t)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		// 999,500 already rounds to 1.00M with three digits.
		if math.Abs(v) >= 0.9995*unit.size {
			return significant(v/unit.size, 3) + unit.name
		}
	}
	return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
}

// leastUSD is the smallest amount that is written as one: less is what is left of sums of floating-point numbers.
const leastUSD = 1e-6

// FormatUSD writes an amount of money: whole dollars with thousands separated from $100 on, cents below, and one digit of less than a cent, so
// that what costs something is never written as $0.
func FormatUSD(d USD) string {
	v := float64(d)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	switch exponent := finestUSD(v); {
	case v < leastUSD:
		return "$0"
	case exponent < -2:
		return sign + "$" + strings.TrimRight(strconv.FormatFloat(v, 'f', -exponent, 64), "0")
	case exponent < 0:
		return sign + "$" + strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), ".00")
	}
	return sign + "$" + thousands(strconv.FormatFloat(math.Round(v), 'f', 0, 64))
}

// finestUSD returns the power of ten in steps of which FormatUSD writes v.
func finestUSD(v float64) int {
	switch {
	case v >= 99.995:
		return 0
	case v >= 0.01:
		return -2
	}
	return decade(v)
}

// decade returns the largest power of ten that goes into v. A millionth more keeps what comes out as 9,999.99… in the decade of 10,000.
func decade(v float64) int { return int(math.Floor(math.Log10(v) + 1e-6)) }

// FormatUSDKnown writes an amount that is known as well as the 80 % range known says: in steps of the largest power of ten that goes ten times
// into it, so that no digit is said that the range leaves open, and with one digit at least. In a range without width the amount is exact.
// This is the one rule by which projected money is rounded wherever a person reads it; JSON and receipts keep every digit.
func FormatUSDKnown(d USD, known Quantiles[USD]) string {
	return FormatUSD(d.toKnown(known, math.Round))
}

// FormatUSDRange writes the outer two of q, with "to" between them, or one amount where both are the same; see FormatUSDBounds.
func FormatUSDRange(q Quantiles[USD]) string {
	low, high := FormatUSDBounds(q)
	if low == high {
		return low
	}
	return low + " to " + high
}

// FormatUSDBounds writes the outer two of q in the steps of FormatUSDKnown, and rounds them outward: a range never looks narrower than it is.
func FormatUSDBounds(q Quantiles[USD]) (low, high string) {
	const noise = 1e-5 // of a step
	down := func(steps float64) float64 { return math.Floor(steps + noise) }
	up := func(steps float64) float64 { return math.Ceil(steps - noise) }
	return FormatUSD(q.P10.toKnown(q, down)), FormatUSD(q.P90.toKnown(q, up))
}

// toKnown returns d rounded to the steps of FormatUSDKnown, no finer than FormatUSD writes them, of which round makes a whole number.
func (d USD) toKnown(known Quantiles[USD], round func(float64) float64) USD {
	width, size := math.Abs(float64(known.P90-known.P10)), math.Abs(float64(d))
	if !(width > 0) || math.IsInf(width, 0) || !(size >= leastUSD) || math.IsInf(size, 0) {
		return d
	}
	exponent := max(decade(min(width/10, size)), finestUSD(size))
	if exponent < 0 { // a tenth is no float64, ten is
		per := math.Pow10(-exponent)
		return USD(round(float64(d)*per) / per)
	}
	step := math.Pow10(exponent)
	return USD(round(float64(d)/step) * step)
}

// FormatUSDAbout writes a projected amount whose own range is not known, as if it were known to ±20 %, what a projection of a volume a month
// ahead is mostly known to.
func FormatUSDAbout(d USD) string {
	return FormatUSDKnown(d, Quantiles[USD]{P10: 0.8 * d, P50: d, P90: 1.2 * d})
}

// FormatUSDPerMTok writes a price per million tokens with three significant digits, for example "$0.24/Mtok".
func FormatUSDPerMTok(p USDPerMTok) string {
	v := float64(p)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	if v == 0 {
		return "$0/Mtok"
	}
	return "$" + significant(v, 3) + "/Mtok"
}

// FormatPercent writes a ratio as a percentage: whole from 10 % on, one digit below, and one where it is nearly all, since 100 % are all.
func FormatPercent(f Fraction) string {
	v := 100 * float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	digits := 0
	switch a := math.Abs(float64(f)); {
	case a < 0.0995 && a >= 0.0005:
		digits = 1
	case a >= 0.995 && a < 1-1e-9: // what is nearer is all but for rounding
		v, digits = math.Copysign(min(100*a, 99.9), v), 1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(v, 'f', digits, 64), ".0")
	if text == "-0" {
		text = "0"
	}
	return strings.Replace(text, "-", "−", 1) + "%"
}

// FormatDate writes the day of t in UTC, for example "12 Jan 2027".
func FormatDate(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// significant writes v with n significant digits and no exponent.
func significant(v float64, n int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', n, 64), 64)
	if err != nil { // FormatFloat never writes what ParseFloat refuses
		return unknownText
	}
	digits := n - 1
	if rounded != 0 {
		digits = max(0, n-1-int(math.Floor(math.Log10(math.Abs(rounded)))))
	}
	return thousands(strconv.FormatFloat(rounded, 'f', digits, 64))
}

// thousands puts a comma between groups of three digits before the point.
func thousands(digits string) string {
	whole, rest, _ := strings.Cut(digits, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "−", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return sign + whole
}
