package collector

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// A cut divides series in two, those that have one of some characters at a place of a label's value and all others, those without the label among them: every series is in one of both,
// whatever its labels are. A source of which a server refuses a single hour is asked in parts that such cuts make; they are few and short however many workloads there are, and a
// workload is in one part.
type cut struct {
	label string
	place int    // of the character from the beginning, which is 0, or from the end, which is -1
	chars []rune // sorted
}

const (
	// maxCuts bounds the parts that an hour is asked in, 32.
	maxCuts = 5

	// cutPlaces is at how many places from either end of a label's value a cut may be, and cutChars is how many characters it may name.
	cutPlaces, cutChars = 16, 128
)

// holds reports whether a value of the label of k is on its first side.
func (k cut) holds(value string) bool {
	char, ok := charAt([]rune(value), k.place)
	return ok && slices.Contains(k.chars, char)
}

// charAt returns the character at a place of text, false when it is too short.
func charAt(text []rune, place int) (char rune, ok bool) {
	if place < 0 {
		place += len(text)
	}
	if place < 0 || place >= len(text) {
		return 0, false
	}
	return text[place], true
}

// A side of a cut is the series that a part is made of.
type side struct {
	cut

	first bool
}

// matcher returns the matcher for k. Characters are written by number, so that none of them means anything, but for those that never do, since servers limit how long a query is.
func (k side) matcher() string {
	var class strings.Builder
	for _, char := range k.chars {
		if char >= '0' && char <= '9' || char >= 'A' && char <= 'Z' || char >= 'a' && char <= 'z' {
			class.WriteRune(char)
		} else {
			fmt.Fprintf(&class, `\x{%x}`, char)
		}
	}
	pattern := fmt.Sprintf("(?s).{%d}[%s].*", k.place, class.String())
	if k.place < 0 {
		pattern = fmt.Sprintf("(?s).*[%s].{%d}", class.String(), -k.place-1)
	}
	operator := "!~"
	if k.first {
		operator = "=~"
	}
	return labelName(k.label) + operator + strconv.Quote(pattern)
}

// partsOf returns every part that cuts make.
func partsOf(cuts []cut) [][]side {
	parts := [][]side{nil}
	for _, k := range cuts {
		var halves [][]side
		for _, part := range parts {
			part = slices.Clip(part)
			halves = append(halves, append(part, side{k, true}), append(part, side{k, false}))
		}
		parts = halves
	}
	return parts
}

// askParts evaluates expr, or the parts of it that cuts make, at the end of each hour of s. The parts are one answer, since the names that are too many are in all of them.
func (c *Collector) askParts(ctx context.Context, expr string, cuts []cut, s span) (answer, error) {
	if len(cuts) == 0 {
		return c.askSpan(ctx, expr, s)
	}
	whole := newAnswer(s, c.archive.roll)
	for _, sides := range partsOf(cuts) {
		part, err := c.askSpan(ctx, c.among(sides), s)
		if err != nil {
			return answer{}, err
		}
		whole.join(part)
	}
	return whole, nil
}

func (c *Collector) cutsOf(p *pace) []cut {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(p.cuts)
}

// cutMore adds a cut to those of p, of which a server refused had parts of the hour before at, unless another hour has led to one meanwhile. It asks how many series every workload has at an
// instant, one sample each, which is a small part of what an hour takes. It is false when there is none that would help.
func (c *Collector) cutMore(ctx context.Context, p *pace, had int, at time.Time) bool {
	c.cutting.Lock()
	defer c.cutting.Unlock()
	cuts := c.cutsOf(p)
	if len(cuts) > had {
		return true
	}
	if c.among == nil || had >= maxCuts {
		return false
	}
	m, _, err := c.client.ask(ctx, c.sizes(), v1.Range{Start: at, End: at, Step: time.Hour})
	if err != nil {
		c.log.WarnContext(ctx, "did not learn how to ask in parts", "error", err)
		return false
	}
	var all []weighed
	for _, stream := range m {
		if len(stream.Values) == 1 {
			labels, _ := identify(stream.Metric, c.settings.GroupBy)
			all = append(all, weighed{labels, float64(stream.Values[0].Value)})
		}
	}
	k, ok := bestCut(all, c.settings.GroupBy, cuts)
	if !ok {
		return false
	}
	c.log.InfoContext(ctx, "the server refuses an hour: asking in parts", "parts", 2<<had, "label", oneLine(k.label))
	c.mu.Lock()
	defer c.mu.Unlock()
	p.cuts, p.good = append(p.cuts, k), -1
	return true
}

// sizes returns the expression of how many series every workload has.
func (c *Collector) sizes() string {
	return "count by (" + labelList(c.settings.GroupBy) + ") " + c.counter
}

// weighed is a workload and its series.
type weighed struct {
	labels map[string]string
	series float64
}

// bestCut returns the cut after which the largest part of all is smallest, false when none makes it smaller by a tenth.
func bestCut(all []weighed, groupBy []string, cuts []cut) (best cut, ok bool) {
	part := make([]int, len(all)) // that cuts put each into
	sizes := make([]float64, 1<<len(cuts))
	for i, w := range all {
		for bit, k := range cuts {
			if k.holds(w.labels[k.label]) {
				part[i] |= 1 << bit
			}
		}
		sizes[part[i]] += w.series
	}
	least := 0.9 * slices.Max(sizes)
	for _, label := range slices.Sorted(slices.Values(groupBy)) {
		values := make([][]rune, len(all))
		for i, w := range all {
			values[i] = []rune(w.labels[label])
		}
		for i := range 2 * cutPlaces {
			place := i / 2
			if i%2 == 0 {
				place = -1 - place
			}
			by, rest := map[rune][]float64{}, make([]float64, len(sizes)) // series of every part by the character, and those that have none there
			for i, value := range values {
				char, there := charAt(value, place)
				sum := rest
				if there {
					if by[char] == nil {
						by[char] = make([]float64, len(sizes))
					}
					sum = by[char]
				}
				sum[part[i]] += all[i].series
			}
			if chars, largest := halve(by, rest); len(chars) > 0 && largest < least {
				best, least, ok = cut{label, place, chars}, largest, true
			}
		}
	}
	return best, ok
}

// halve returns the characters that the first side of a cut should have for both sides of every part to weigh about the same, and what the heavier side of the heaviest part weighs then. by
// is what the series of a character weigh in every part, and rest what those weigh that must be on the other side.
func halve(by map[rune][]float64, rest []float64) (chars []rune, largest float64) {
	sum := func(weights []float64) (total float64) {
		for _, w := range weights {
			total += w
		}
		return total
	}
	heaviest := slices.SortedFunc(maps.Keys(by), func(a, b rune) int { return cmp.Or(cmp.Compare(sum(by[b]), sum(by[a])), cmp.Compare(a, b)) })
	first, other := make([]float64, len(rest)), slices.Clone(rest)
	for _, char := range heaviest {
		favour := 0.0 // what the squares of the weights of the other side grow by beyond those of the first
		for i, w := range by[char] {
			favour += w * (other[i] - first[i])
		}
		side := other
		if favour >= 0 && len(chars) < cutChars {
			side, chars = first, append(chars, char)
		}
		for i, w := range by[char] {
			side[i] += w
		}
	}
	slices.Sort(chars)
	return chars, max(slices.Max(first), slices.Max(other))
}
