package whatif

import (
	"fmt"
	"math"
	"strings"

	"tipline/model"
)

// width is how many columns an axis has.
const width = 64

// Mark is a volume to show under an axis.
type Mark struct {
	Tokens float64
	Sign   rune
}

// Axis draws the volumes at which an option is cheaper than another: one column for a step of volume, on a logarithmic scale of
// whole powers of ten that holds every boundary and every mark. A column is full where the option is cheaper all along it, half
// where it is somewhere, a line where it is nowhere, and a dot where that was not searched. Under it stand the marks, then the powers of ten.
func Axis(x model.Crossover, marks []Mark) []string {
	low, high := bounds(x, marks)
	at := func(column int) float64 { return math.Pow(10, low+(high-low)*float64(column)/width) }
	column := func(tokens float64) int {
		return min(width-1, max(0, int((math.Log10(max(tokens, 1))-low)/(high-low)*width)))
	}
	var bar, under, scale strings.Builder
	for c := range width {
		sign := shade(x.Intervals, at(c), at(c+1))
		if end := x.SearchedTokensPerMonth; end != nil && at(c+1) > float64(*end) && sign != '█' {
			sign = '·'
		}
		bar.WriteRune(sign)
	}
	signs := []rune(strings.Repeat(" ", width))
	for _, m := range marks {
		if m.Tokens > 0 {
			signs[column(m.Tokens)] = m.Sign
		}
	}
	under.WriteString(string(signs))
	for power := int(low); power <= int(high); power++ {
		place := int(math.Round((float64(power) - low) / (high - low) * width))
		if gap := place - scale.Len(); gap > 0 || power == int(low) {
			scale.WriteString(strings.Repeat(" ", max(0, gap)) + plainTokens(power))
		}
	}
	return []string{bar.String(), strings.TrimRight(under.String(), " "), scale.String()}
}

// plainTokens writes a power of ten, without digits after the point.
func plainTokens(power int) string {
	text := model.FormatTokens(model.Tokens(math.Pow(10, float64(power))))
	whole, rest, _ := strings.Cut(text, ".")
	return whole + strings.TrimLeft(rest, "0")
}

// bounds returns the powers of ten between which everything worth showing lies, at least two apart.
func bounds(x model.Crossover, marks []Mark) (low, high float64) {
	least, most := math.Inf(1), 0.0
	see := func(tokens float64) {
		if tokens >= 1 && tokens <= 1e18 {
			least, most = min(least, tokens), max(most, tokens)
		}
	}
	for _, m := range marks {
		see(m.Tokens)
	}
	for _, i := range x.Intervals {
		see(float64(i.FromExclusive))
		see(float64(i.ToInclusive))
	}
	if most == 0 {
		return 6, 12
	}
	low, high = math.Floor(math.Log10(least)), math.Ceil(math.Log10(most*1.0001))
	if high-low < 2 {
		low = max(0, low-1)
	}
	return low, max(high, low+2)
}

// shade returns the sign of the volumes in (from, to].
func shade(intervals []model.Interval, from, to float64) rune {
	covered := 0.0
	for _, i := range intervals {
		covered += max(0, min(to, float64(i.ToInclusive))-max(from, float64(i.FromExclusive)))
	}
	switch part := covered / (to - from); {
	case part <= 0:
		return '─'
	case part < 1-1e-9:
		return '▒'
	}
	return '█'
}

// Ranges says the favourable volumes of x in words, the first few of them.
func Ranges(x model.Crossover) string {
	const most = 4
	var parts []string
	for n, i := range x.Intervals {
		if n == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(x.Intervals)-most))
			break
		}
		from := model.FormatTokens(i.FromExclusive)
		switch {
		case i.ToInclusive.Unbounded():
			parts = append(parts, "above "+from)
		case i.FromExclusive == 0:
			parts = append(parts, "up to "+model.FormatTokens(model.Tokens(i.ToInclusive)))
		default:
			parts = append(parts, from+" to "+model.FormatTokens(model.Tokens(i.ToInclusive)))
		}
	}
	switch {
	case parts == nil && x.SearchedTokensPerMonth != nil:
		return "at volumes that are not known"
	case parts == nil:
		return "at no volume"
	}
	return strings.Join(parts, ", ")
}
