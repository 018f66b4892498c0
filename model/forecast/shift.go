package forecast

import (
	"math"
	"slices"
)

// shift is a lasting change of level from one day to the next (the level shift of Tsay 1988).
type shift struct {
	day    int     // first day of the new level
	change float64 // of the logarithm of the level
}

// What makes a shift, chosen on the development set of the forecast protocol.
const (
	shiftDays  = 2   // days of the new level that must have been seen
	shiftNoise = 4.0 // times the mean distance of a day from its level that the change must reach
)

// smallestShift is the smallest change of level that is followed at once; the members follow smaller ones by themselves.
var smallestShift = math.Log(1.5)

// findShifts returns the lasting changes of level in logs, oldest first.
func findShifts(logs []float64) []shift {
	var found []shift
	for end := len(logs); end > 2*week; {
		s, ok := lastShift(logs[:end])
		if !ok {
			break
		}
		found = append(found, s)
		end = s.day
	}
	slices.Reverse(found)
	return found
}

// lastShift finds the newest shift of the last eight weeks; of neighbouring days the one with the largest change.
func lastShift(logs []float64) (best shift, found bool) {
	for at := len(logs) - shiftDays; at >= max(week, len(logs)-8*week); at-- {
		change, ok := changeAt(logs, at)
		if found && (!ok || math.Abs(change) <= math.Abs(best.change)) {
			break
		}
		if ok {
			best, found = shift{at, change}, true
		}
	}
	return best, found
}

// changeAt returns by how much the median of the days from at on differs from that of the week before. It is false unless
// the change stands out from the stray of the fortnight before and separates the days: all those after it lie beyond the
// middle between both levels and none of the week before does. A steady trend separates nothing.
func changeAt(logs []float64, at int) (float64, bool) {
	fortnight := known(logs[max(0, at-2*week):at])
	before, after := known(logs[at-week:at]), known(logs[at:min(len(logs), at+week)])
	if len(fortnight) < week || len(before) < week/2+1 || len(after) < shiftDays {
		return 0, false
	}
	level := median(before)
	stray := 0.0
	for _, y := range fortnight {
		stray += math.Abs(y-level) / float64(len(fortnight))
	}
	change := median(after) - level
	if math.Abs(change) < max(smallestShift, shiftNoise*stray) {
		return 0, false
	}
	beyond := func(y float64) bool { return math.Abs(y-level) > math.Abs(change)/2 && (y > level) == (change > 0) }
	within := func(y float64) bool { return !beyond(y) }
	return change, !slices.ContainsFunc(after, within) && !slices.ContainsFunc(before, beyond)
}

// known returns the values that are known.
func known(values []float64) []float64 {
	var out []float64
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
