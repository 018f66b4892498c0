package config

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// plainKey matches a key that needs no quotes in a path.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,39}$`)

// secretLooking matches what must never be shown: tokens of Slack and of common API providers, webhook URLs, private
// keys, bearer headers and URLs that hold a password.
var secretLooking = regexp.MustCompile(`(?i)xox[a-z0-9]+-|xapp-|hooks\.slack(-gov)?\.com` +
	`|\bsk-[a-z0-9_-]{8}|\bgh[pousr]_[a-z0-9]{8}|\bglpat-` +
	`|\beyJ[a-z0-9_-]{8}|-----BEGIN|\b(bearer|basic) +\S|://[^/\s]*@|\bhf_[a-z0-9]{8}|\bAKIA[A-Z0-9]{8}`)

// quote returns s as a message may show it: in quotes, short, without control characters and without secrets.
func quote(s string) string {
	if secretLooking.MatchString(s) {
		return "<secret>"
	}
	const limit = 60
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	return strconv.QuoteToGraphic(s)
}

// redact returns s, the words of a library, unless a secret may be among them.
func redact(s string) string {
	if secretLooking.MatchString(s) {
		return "<secret>"
	}
	return s
}

// didYouMean returns `, did you mean "…"?` for the known name nearest to got, or the known names when they are few.
func didYouMean(got string, known []string) string {
	if best, ok := nearest(got, known); ok {
		return ", did you mean " + quote(best) + "?"
	}
	const few = 8
	if len(known) == 0 || len(known) > few {
		return ""
	}
	return ", want " + oneOf(known)
}

// oneOf lists names for a reader.
func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// nearest returns the name among known that takes the fewest edits to reach from got, and false when none is near.
func nearest(got string, known []string) (string, bool) {
	got = strings.ToLower(got)
	if len(got) > 200 {
		return "", false
	}
	best, bestDistance := "", 0
	for _, name := range known {
		distance := edits(got, strings.ToLower(name))
		if best == "" || distance < bestDistance {
			best, bestDistance = name, distance
		}
	}
	limit := max(1, max(len(got), len(best))/3)
	return best, best != "" && bestDistance <= limit
}

// edits returns how many bytes must be added, removed or changed, or neighbors swapped, to turn a into b.
func edits(a, b string) int {
	row, previous, before := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		row, previous, before = before, row, previous
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(previous[j]+change, previous[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
