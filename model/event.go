package model

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Event is a change of a workload's volume that is known before it comes, or that explains one that has come.
type Event struct {
	Name   string
	From   time.Time
	Until  time.Time // the first instant after it; the zero time when it is for good
	Change float64   // of the volume: 0.4 for 40 % more, -1 for none at all
}

// Known is what is known of a workload beside its history.
type Known struct {
	Events   []Event
	Holidays []time.Time // days in UTC on which it is used as on a Sunday
}

// WithoutEvents returns k with its holidays alone.
func (k Known) WithoutEvents() Known { return Known{Holidays: k.Holidays} }

// ParseChange reads a change of a volume such as +40% or -100%. The error says what was wanted.
func ParseChange(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	change, err := strconv.ParseFloat(number, 64)
	if signed := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-"); !percent || !signed || err != nil || !(change >= -100 && change <= 10_000) {
		return 0, errors.New("a change with its sign, from -100% to +10000%, such as +40%")
	}
	return change / 100, nil
}
