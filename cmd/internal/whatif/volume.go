package whatif

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// monthHours is the month that volumes are stated for: 730 hours (cost model, section 1).
const monthHours = 730.0

// MonthlyTokens returns the median volume of f in a month of 730 hours; 0 when nothing is projected.
func MonthlyTokens(f model.Forecast) float64 {
	if len(f.Next) <= model.Next30d {
		return 0
	}
	return float64(f.Next[model.Next30d].Total.At(0.50)) * monthHours / 720
}

// volumeKnobs adds those of the projection.
func volumeKnobs(in *decide.Input, all map[string]knob) {
	f := &in.Forecast
	all["volume.tokens_per_month"] = knob{
		get: func() string { return model.FormatTokens(model.Tokens(MonthlyTokens(*f))) },
		set: func(value string) error {
			now := MonthlyTokens(*f)
			next, err := measure(value, now)
			if err != nil || !(next >= 1 && next <= 1e18) || now <= 0 {
				return fmt.Errorf("tokens in a month of 730 hours, from 1 to 1e18, or a change such as +50%%")
			}
			scale(f, next/now)
			return nil
		},
	}
	all["volume.growth_per_month"] = knob{
		get: func() string { return model.FormatPercent(f.MonthlyGrowth) },
		set: func(value string) error {
			r := parse(value)
			low, high := big.NewRat(-9, 10), big.NewRat(2, 1)
			if r == nil || r.Cmp(low) < 0 || r.Cmp(high) > 0 {
				return fmt.Errorf("growth a month from -90%% to 200%%, such as 8%% or 0.08")
			}
			g, _ := r.Float64()
			grow(f, g)
			return nil
		},
	}
	all["volume.requests_per_month"] = knob{
		get: func() string {
			if !(f.Requests30d > 0) {
				return notSet
			}
			return model.FormatTokens(model.Tokens(f.Requests30d * monthHours / 720))
		},
		set: func(value string) error {
			next, err := measure(value, f.Requests30d*monthHours/720)
			if err != nil || !(next > 0 && next <= 1e18) {
				return fmt.Errorf("requests in a month, more than 0, or a change such as +50%%")
			}
			f.Requests30d = next * 720 / monthHours
			return nil
		},
	}
	for _, c := range model.Classes {
		all["volume.mix."+c.String()] = mix(f, c)
	}
}

// others is the knob of what other workloads use of an account: all of it more or less, at the mix that it has or, where there was nothing, at the
// mix of the workload.
func others(in *decide.Input, account string) knob {
	return tokensOfOthers(func() model.Tokens { return in.OthersOf(account) }, func(next model.Tokens) { in.SetOthers(account, next) })
}

// elsewhere is the knob of what other workloads spend on the other APIs of the contract that account is under, before its tiers. Their tokens are more
// or less by as much.
func elsewhere(in *decide.Input, account string) knob {
	now := func() float64 { return float64(in.ElsewhereOf(account)) }
	format := func(usd float64) string { return model.FormatUSD(model.USD(usd)) }
	return ofOthers(now, format, 1e12, "dollars that other workloads spend in a month of 730 hours, from 0 to 1e12, or a change such as +50%", func(next float64) {
		tokens := in.TokensElsewhere(account)
		if spent := now(); spent > 0 {
			tokens *= model.Tokens(next / spent)
		}
		in.SetElsewhere(account, model.USD(next), tokens)
	})
}

// tokensElsewhere is the knob of the tokens that other workloads use of those APIs.
func tokensElsewhere(in *decide.Input, account string) knob {
	return tokensOfOthers(func() model.Tokens { return in.TokensElsewhere(account) }, func(next model.Tokens) { in.SetElsewhere(account, in.ElsewhereOf(account), next) })
}

// tokensOfOthers is the knob of tokens of other workloads in a month.
func tokensOfOthers(now func() model.Tokens, set func(next model.Tokens)) knob {
	return ofOthers(func() float64 { return float64(now()) }, func(tokens float64) string { return model.FormatTokens(model.Tokens(tokens)) }, 1e18,
		"tokens of other workloads in a month of 730 hours, from 0 to 1e18, or a change such as +50%", func(next float64) { set(model.Tokens(next)) })
}

// ofOthers is the knob of a number of other workloads from 0 to most, which is not set while it is 0; want says what may be given.
func ofOthers(now func() float64, format func(float64) string, most float64, want string, set func(next float64)) knob {
	return knob{
		get: func() string {
			if now() == 0 {
				return notSet
			}
			return format(now())
		},
		set: func(value string) error {
			next, err := measure(value, now())
			if err != nil || !(next >= 0 && next <= most) {
				return errors.New(want)
			}
			set(next)
			return nil
		},
	}
}

// ofContract is a knob of what o has of its contract, which every other option under it has too.
func ofContract(in *decide.Input, o *decide.Option, k knob) knob {
	return knob{get: k.get, set: func(value string) error {
		if err := k.set(value); err != nil {
			return err
		}
		for i, other := range in.Options {
			if other.Contract == o.Contract && other.API != nil {
				in.Options[i].API.MinimumCommit, in.Options[i].API.Scale = o.API.MinimumCommit, o.API.Scale
			}
		}
		return nil
	}}
}

// scaleKnobs adds those of the tiers of a contract, the first of which is contract_tiers.1.
func scaleKnobs(in *decide.Input, o *decide.Option, prefix string, all map[string]knob) {
	s := o.API.Scale
	if s == nil {
		return
	}
	above, counts := "above_usd", "USD"
	if s.ByTokens {
		above, counts = "above_tokens", "tokens"
		all[prefix+"other_contract_tokens_per_month"] = tokensElsewhere(in, o.Account)
	}
	all[prefix+"contract_tiers.all_units"] = ofContract(in, o, boolean(&s.AllUnits))
	for i := range s.Steps {
		step := &s.Steps[i]
		key, row := fmt.Sprintf("%scontract_tiers.%d.", prefix, i+1), fmt.Sprintf("contract above %s %s.discount", cost.Decimal(step.Above), counts)
		all[key+above] = ofContract(in, o, number(&step.Above, positive))
		all[key+"discount"] = ofContract(in, o, sourced(o, row, number(&step.Discount, belowOne)))
	}
}

// measure reads a number, or a change of now.
func measure(value string, now float64) (float64, error) {
	if factor, err := relative(value); err == nil {
		times, _ := factor.Float64()
		return now * times, nil
	}
	r := parse(value)
	if r == nil {
		return 0, strconv.ErrSyntax
	}
	v, _ := r.Float64()
	return v, nil
}

// scale multiplies every volume of f, and the requests with them.
func scale(f *model.Forecast, times float64) {
	for _, spans := range [][]model.Projection{f.Next, f.Months} {
		for i := range spans {
			for j := range spans[i].Total {
				spans[i].Total[j] *= model.Tokens(times)
			}
		}
	}
	for i := range f.Load {
		f.Load[i].TokensPerHour *= model.Tokens(times)
	}
	f.Requests30d *= times
}

// grow replaces the growth of f: the median of a month is what the next 30 days hold, compounded from their middle on, and its other quantiles
// keep their distance to it. What f expected of the month instead, such as growth that levels off, is left.
func grow(f *model.Forecast, growth float64) {
	hourly := MonthlyTokens(*f) / monthHours
	for i := range f.Months {
		m := &f.Months[i]
		hours, median := m.To.Sub(m.From).Hours(), float64(m.Total.At(0.50))
		ahead := (m.From.Sub(f.Origin).Hours() + hours/2 - 360) / monthHours
		if ahead <= 0 || median <= 0 {
			continue
		}
		for j := range m.Total {
			m.Total[j] *= model.Tokens(hourly * hours * math.Pow(1+growth, ahead) / median)
		}
	}
	f.MonthlyGrowth = model.Fraction(growth)
}

// mix is the share of one class in all tokens; the others keep their proportions.
func mix(f *model.Forecast, c model.Class) knob {
	return knob{
		get: func() string {
			if len(f.Next) <= model.Next30d {
				return notSet
			}
			return model.FormatPercent(f.Next[model.Next30d].Mix[c])
		},
		set: func(value string) error {
			r := parse(value)
			if r == nil || !share.met(r) {
				return fmt.Errorf("a share from 0 to 1, such as 25%% or 0.25")
			}
			next, _ := r.Float64()
			for _, spans := range [][]model.Projection{f.Next, f.Months} {
				for i := range spans {
					others := 1 - float64(spans[i].Mix[c])
					if others <= 0 && next < 1 {
						return fmt.Errorf("1, since all tokens are of this class and the others have no proportions to keep")
					}
					for other := range spans[i].Mix {
						if others > 0 {
							spans[i].Mix[other] *= model.Fraction((1 - next) / others)
						}
					}
					spans[i].Mix[c] = model.Fraction(next)
				}
			}
			return nil
		},
	}
}
