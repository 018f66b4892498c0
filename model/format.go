package model

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Printable returns text with U+FFFD in the place of everything that could move a cursor, end a line, turn the direction of writing or be
// there unseen, and of what is not UTF-8. Two kinds of joiners, without which some scripts and emoji fall apart, stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
		switch {
		case ' ' <= r && r <= '~', r == zeroWidthNonJoiner, r == zeroWidthJoiner:
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return unicode.ReplacementChar
		}
		return r // which strings.Map makes the same of what is not UTF-8
	}, text)
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

// FormatUSD writes an amount of money: whole dollars with thousands separated from $100 on, cents below.
func FormatUSD(d USD) string {
	v := float64(d)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	if v < 99.995 {
		text := strconv.FormatFloat(v, 'f', 2, 64)
		if text == "0.00" {
			return "$0"
		}
		return sign + "$" + strings.TrimSuffix(text, ".00")
	}
	return sign + "$" + thousands(strconv.FormatFloat(math.Round(v), 'f', 0, 64))
}

// FormatUSDKnown writes an amount that is known as well as the 80 % range known says: in steps of the largest power of ten that goes ten times
// into it, so that no digit is said that the range leaves open, and with one digit at least. In a range without width the amount is exact.
// This is the one rule by which projected money is rounded wherever a person reads it; JSON and receipts keep every digit.
func FormatUSDKnown(d USD, known Quantiles[USD]) string {
	width, size := math.Abs(float64(known.P90-known.P10)), math.Abs(float64(d))
	if !(width > 0) || math.IsInf(width, 0) || !(size > 0) || math.IsInf(size, 0) {
		return FormatUSD(d)
	}
	// A millionth more keeps a width of 10,000 that comes out as 9,999.99… in its decade.
	exponent := math.Floor(math.Log10(min(width/10, size)) + 1e-6)
	if exponent < -2 {
		return FormatUSD(d)
	}
	step := math.Pow10(int(exponent))
	if exponent < 0 { // a tenth is no float64, ten is
		per := math.Pow10(-int(exponent))
		return FormatUSD(USD(math.Round(float64(d)*per) / per))
	}
	return FormatUSD(USD(math.Round(float64(d)/step) * step))
}

// FormatUSDRange writes the outer two of q, with "to" between them.
func FormatUSDRange(q Quantiles[USD]) string {
	return FormatUSDKnown(q.P10, q) + " to " + FormatUSDKnown(q.P90, q)
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

// FormatPercent writes a ratio as a percentage: whole from 10 % on, one digit below.
func FormatPercent(f Fraction) string {
	v := 100 * float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknownText
	}
	digits := 0
	if a := math.Abs(float64(f)); a < 0.0995 && a >= 0.0005 {
		digits = 1
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
