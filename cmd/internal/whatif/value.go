package whatif

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"

	"tipline/model/cost"
	"tipline/model/decide"
)

const notSet = "not set"

func decimal(r *big.Rat) string {
	if r == nil {
		return notSet
	}
	return cost.Decimal(r)
}

// A demand is what a number must satisfy, with the words for a reader.
type demand struct {
	want string
	met  func(*big.Rat) bool
}

var (
	one         = big.NewRat(1, 1)
	notNegative = demand{"a number, 0 or more", func(v *big.Rat) bool { return v.Sign() >= 0 }}
	positive    = demand{"a number, more than 0", func(v *big.Rat) bool { return v.Sign() > 0 }}
	atLeastOne  = demand{"a number, 1 or more", func(v *big.Rat) bool { return v.Cmp(one) >= 0 }}
	share       = demand{"a share from 0 to 1", func(v *big.Rat) bool { return v.Sign() >= 0 && v.Cmp(one) <= 0 }}
	belowOne    = demand{"a share, 0 or more and less than 1", func(v *big.Rat) bool { return v.Sign() >= 0 && v.Cmp(one) < 0 }}
	aboveZero   = demand{"a share, more than 0 and at most 1", func(v *big.Rat) bool { return v.Sign() > 0 && v.Cmp(one) <= 0 }}
)

// digits matches the numbers that a value may be: bounded, so that no exponent makes a fraction of a million digits.
var digits = regexp.MustCompile(`^[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?$`)

// largest bounds every number: no price, rate or volume is beyond it.
var largest = big.NewRat(1e18, 1)

// parse reads a decimal, or a percentage as a share; it returns nil for anything else.
func parse(value string) *big.Rat {
	text, percent := strings.CutSuffix(value, "%")
	if !digits.MatchString(text) {
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	if percent {
		r.Quo(r, big.NewRat(100, 1))
	}
	if new(big.Rat).Abs(r).Cmp(largest) > 0 {
		return nil
	}
	return r
}

// relative reads a change such as -30% as the factor 0.7. The error says what was wanted.
func relative(value string) (*big.Rat, error) {
	if len(value) > 1 && (value[0] == '+' || value[0] == '-') && strings.HasSuffix(value, "%") {
		if r := parse(value); r != nil && r.Cmp(big.NewRat(-1, 1)) >= 0 {
			return r.Add(r, one), nil
		}
	}
	return nil, fmt.Errorf("a change such as -30%% or +10%%, not below -100%%")
}

// number is a knob for an exact number.
func number(at **big.Rat, d demand) knob {
	return knob{get: func() string { return decimal(*at) }, set: func(value string) error {
		r := parse(value)
		if factor, err := relative(value); err == nil {
			if *at == nil {
				return fmt.Errorf("%s; there is nothing to change relatively", d.want)
			}
			r = new(big.Rat).Mul(*at, factor)
		}
		if r == nil || !d.met(r) {
			return fmt.Errorf("%s, or a change such as -30%%", d.want)
		}
		*at = r
		return nil
	}}
}

// mostReplicas bounds what a what-if may ask for.
const mostReplicas = 1_000_000

func whole(at *int64) knob {
	return knob{get: func() string { return fmt.Sprint(*at) }, set: func(value string) error {
		r := parse(value)
		if r == nil || !r.IsInt() || r.Sign() < 0 || r.Cmp(big.NewRat(mostReplicas, 1)) > 0 {
			return fmt.Errorf("a whole number from 0 to %d", mostReplicas)
		}
		*at = r.Num().Int64()
		return nil
	}}
}

func pointed(at **int64) knob {
	return knob{
		get: func() string {
			if *at == nil {
				return notSet
			}
			return fmt.Sprint(**at)
		},
		set: func(value string) error {
			n := new(int64)
			if err := whole(n).set(value); err != nil {
				return err
			}
			*at = n
			return nil
		},
	}
}

// months is a knob for a number of months that the horizon holds.
func months(at *int) knob {
	return knob{get: func() string { return fmt.Sprint(*at) }, set: func(value string) error {
		n := new(int64)
		if err := whole(n).set(value); err != nil || *n > 12 {
			return fmt.Errorf("whole months from 0 to 12")
		}
		*at = int(*n)
		return nil
	}}
}

func boolean(at *bool) knob {
	return knob{get: func() string { return fmt.Sprint(*at) }, set: func(value string) error {
		if value != "true" && value != "false" {
			return fmt.Errorf("true or false")
		}
		*at = value == "true"
		return nil
	}}
}

func duration(at *time.Duration) knob {
	return knob{get: func() string { return prommodel.Duration(*at).String() }, set: func(value string) error {
		d, err := prommodel.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("a duration such as 500ms, 2m or 90d")
		}
		*at = time.Duration(d)
		return nil
	}}
}

func text(at *string) knob {
	return knob{get: func() string { return orNotSet(*at) }, set: func(value string) error {
		*at = value
		return nil
	}}
}

func orNotSet(value string) string {
	if value == "" {
		return notSet
	}
	return value
}

// words is a knob for a list; none is the empty one.
func words(at *[]string) knob {
	return knob{get: func() string { return orNotSet(strings.Join(*at, ", ")) }, set: func(value string) error {
		list, err := listed(value)
		if err == nil {
			*at = list
		}
		return err
	}}
}

// listed reads a, b or [a, b].
func listed(value string) ([]string, error) {
	value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	list := strings.Split(value, ",")
	for i := range list {
		if list[i] = strings.TrimSpace(list[i]); list[i] == "" {
			return nil, fmt.Errorf("names separated by commas")
		}
	}
	return list, nil
}

func choice[T ~string](at *T, allowed ...T) knob {
	return knob{get: func() string { return orNotSet(string(*at)) }, set: func(value string) error {
		if !slices.Contains(allowed, T(value)) {
			return fmt.Errorf("one of %v", allowed)
		}
		*at = T(value)
		return nil
	}}
}

func optionName(in *decide.Input, at *string) knob {
	return knob{get: func() string { return orNotSet(*at) }, set: func(value string) error {
		if !known(in, value) {
			return fmt.Errorf("the name of an option: %s", names(in))
		}
		*at = value
		return nil
	}}
}

func optionNames(in *decide.Input, at *[]string) knob {
	return knob{get: func() string { return orNotSet(strings.Join(*at, ", ")) }, set: func(value string) error {
		list, err := listed(value)
		if err != nil || len(list) == 0 || slices.ContainsFunc(list, func(name string) bool { return !known(in, name) }) {
			return fmt.Errorf("names of options, separated by commas: %s", names(in))
		}
		*at = list
		return nil
	}}
}

func known(in *decide.Input, name string) bool {
	return slices.ContainsFunc(in.Options, func(o decide.Option) bool { return o.Name == name })
}

func names(in *decide.Input) string {
	list := make([]string, len(in.Options))
	for i, o := range in.Options {
		list[i] = o.Name
	}
	return strings.Join(list, ", ")
}
