package config

import (
	"fmt"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// Scenario is a what-if on its own: a volume that somebody states, what could serve it, and what to change.
// scenario.yaml documents every key.
type Scenario struct {
	Name        string
	AsOf        time.Time // midnight in UTC; the zero time means today
	Volume      Volume
	Current     string
	Candidates  []string
	Constraints decide.Constraints
	Options     []decide.Option
	Others      []OtherUse // by other workloads
	Policy      decide.Policy
	Changes     []Setting // in the order of their paths
	Prices      Book      // where items are looked up
	Quarantined []Quarantined
}

// Volume is a stated number of tokens in a month of 730 hours and how they come.
type Volume struct {
	TokensPerMonth float64
	Low, High      float64 // its 10 % and 90 % quantiles; 0 means that it is certain to that side
	MonthlyGrowth  float64
	Mix            [model.NumClasses]float64 // shares; sum to 1
	Requests       float64                   // a month; 0 means not known
	PeakFactor     float64                   // 0 means not known
	HoursOfDay     []float64                 // relative loads of the 24 hours of a day; empty when not known
}

// OtherUse is what workloads other than that of a scenario use of an option of kind api, at the mix of its volume.
type OtherUse struct {
	Option         string
	TokensPerMonth float64 // in a month of 730 hours
}

// Setting is one thing that is to be otherwise: a path and a value, as --set has them.
type Setting struct{ Path, Value string }

type rawScenario struct {
	At          place             `yaml:"-"`
	Name        scalar            `yaml:"name"`
	AsOf        scalar            `yaml:"as_of"`
	Volume      *rawVolume        `yaml:"volume"`
	Current     scalar            `yaml:"current"`
	Candidates  []scalar          `yaml:"candidates"`
	Constraints rawConstraints    `yaml:"constraints"`
	Options     []rawOption       `yaml:"options"`
	Contracts   []rawContract     `yaml:"contracts"`
	Others      []rawOtherUse     `yaml:"others"`
	Policy      rawPolicy         `yaml:"policy"`
	Prices      rawFiles          `yaml:"prices"`
	Set         map[string]scalar `yaml:"set"`
}

type rawOtherUse struct {
	At             place  `yaml:"-"`
	Option         scalar `yaml:"option"`
	TokensPerMonth scalar `yaml:"tokens_per_month"`
}

type rawVolume struct {
	At               place    `yaml:"-"`
	TokensPerMonth   scalar   `yaml:"tokens_per_month"`
	P10              scalar   `yaml:"p10"`
	P90              scalar   `yaml:"p90"`
	GrowthPerMonth   scalar   `yaml:"growth_per_month"`
	Mix              rawMix   `yaml:"mix"`
	RequestsPerMonth scalar   `yaml:"requests_per_month"`
	PeakFactor       scalar   `yaml:"peak_factor"`
	HoursOfDay       []scalar `yaml:"hours_of_day"`
}

type rawMix struct {
	At           place  `yaml:"-"`
	Input        scalar `yaml:"input"`
	CacheRead    scalar `yaml:"cache_read"`
	CacheWrite   scalar `yaml:"cache_write"`
	CacheWrite1h scalar `yaml:"cache_write_1h"`
	Output       scalar `yaml:"output"`
}

// LoadScenario reads and resolves the scenario at path. What is wrong with it is returned as Problems, all at once.
func LoadScenario(path string) (*Scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return ParseScenario(path, data)
}

// ParseScenario resolves data like LoadScenario, as if it had been read from the file name.
func ParseScenario(name string, data []byte) (*Scenario, error) {
	r := &reader{file: name, misread: map[string]bool{}}
	if top := r.document(data, "volume, current, constraints and options"); top != nil {
		raw := new(rawScenario)
		r.refuseSecrets(top, "")
		r.decode(top, "", reflect.ValueOf(raw).Elem())
		if raw.At.node != nil {
			if s := r.scenario(raw); len(r.problems) == 0 {
				return s, nil
			}
		}
	}
	return nil, r.sorted()
}

func (r *reader) scenario(raw *rawScenario) *Scenario {
	s := &Scenario{Name: r.word(raw.Name), Policy: r.policy(raw.Policy, defaultPolicy())}
	s.Prices, _, s.Quarantined = r.book(nil, raw.Prices.Files, r.words(raw.Prices.Confirmed), r.rates(raw.Prices.Rates))
	s.Options = r.options(raw.Options, s.Prices)
	r.contracts(raw.Contracts, s.Options, raw.Options)
	s.Others = r.others(raw.Others, s.Options)
	r.unmeasured(raw.Options, s.Options, nil) // a scenario has no history
	if d := raw.AsOf; d.given() {
		var err error
		if s.AsOf, err = time.Parse(time.DateOnly, d.text()); err != nil {
			r.wrong(d.place, "got %s, want a date such as 2026-11-23", quote(d.text()))
		}
	}
	for _, key := range []struct {
		name  string
		there bool
		want  string
	}{
		{"options", len(raw.Options) > 0, "what could serve the volume, as in the configuration"},
		{"current", raw.Current.given(), "the option that serves it now"},
		{"volume", raw.Volume != nil, "a mapping with tokens_per_month and mix"},
	} {
		if !key.there {
			r.missing(raw.At, key.name, ", want "+key.want)
		}
	}
	stanza := rawWorkload{At: raw.At, Current: raw.Current, Candidates: raw.Candidates, Constraints: raw.Constraints}
	w := r.workload(stanza, rawWorkload{}, &Config{Options: s.Options})
	s.Current, s.Candidates, s.Constraints = w.Current, w.Candidates, w.Constraints
	if raw.Candidates == nil {
		for _, o := range s.Options {
			if o.Name != s.Current {
				s.Candidates = append(s.Candidates, o.Name)
			}
		}
	}
	if raw.Volume != nil {
		s.Volume = r.volume(raw.Volume)
	}
	for path, value := range raw.Set {
		s.Changes = append(s.Changes, Setting{Path: path, Value: value.text()})
	}
	slices.SortFunc(s.Changes, func(a, b Setting) int { return strings.Compare(a.Path, b.Path) })
	return s
}

// others reads what other workloads use of options of kind api, whose bills count it.
func (r *reader) others(raws []rawOtherUse, options []decide.Option) (others []OtherUse) {
	for _, raw := range raws {
		if raw.At.node == nil {
			continue // not a mapping, which has been reported
		}
		for _, key := range []struct {
			name  string
			given bool
		}{{"option", raw.Option.given()}, {"tokens_per_month", raw.TokensPerMonth.given()}} {
			if !key.given {
				r.missing(raw.At, key.name, ", want an option of kind api and tokens in a month of 730 hours")
			}
		}
		use := OtherUse{Option: r.word(raw.Option), TokensPerMonth: approximate(r.number(raw.TokensPerMonth, monthTokens))}
		i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == use.Option })
		switch {
		case use.Option == "":
			continue
		case i < 0 || options[i].Hosting != model.API:
			r.wrong(raw.Option.place, "got %s, want the name of an option of kind api", quote(use.Option))
		case options[i].API != nil && options[i].Account == "":
			r.wrong(raw.Option.place, "the bill of %s does not depend on others, want an option with tiers, a commitment or a contract", quote(use.Option))
		case slices.ContainsFunc(others, func(o OtherUse) bool { return o.Option == use.Option }):
			r.wrong(raw.Option.place, "%s is there already", quote(use.Option))
		}
		others = append(others, use)
	}
	return others
}

// mostTokens is the largest volume of a month that a scenario may state.
var mostTokens = big.NewRat(1e18, 1)

// monthTokens is what a month may hold.
var monthTokens = demand{"tokens in a month of 730 hours, at least 1 and at most 1e18", func(v *big.Rat) bool { return v.Cmp(one) >= 0 && v.Cmp(mostTokens) <= 0 }}

func (r *reader) volume(raw *rawVolume) Volume {
	v := Volume{
		TokensPerMonth: approximate(r.number(raw.TokensPerMonth, monthTokens)),
		Low:            approximate(r.number(raw.P10, monthTokens)),
		High:           approximate(r.number(raw.P90, monthTokens)),
		MonthlyGrowth: approximate(r.number(raw.GrowthPerMonth, demand{"growth a month as a share, from -0.9 to 2, such as 0.08 for 8%", func(g *big.Rat) bool {
			return g.Cmp(big.NewRat(-9, 10)) >= 0 && g.Cmp(big.NewRat(2, 1)) <= 0
		}})),
		Requests: approximate(r.number(raw.RequestsPerMonth, demand{"requests in a month, more than 0", positive})),
		PeakFactor: approximate(r.number(raw.PeakFactor, demand{"the peak hour over the mean hour, from 1 to 100", func(p *big.Rat) bool {
			return p.Cmp(one) >= 0 && p.Cmp(big.NewRat(100, 1)) <= 0
		}})),
	}
	if !raw.TokensPerMonth.given() {
		r.missing(raw.At, "tokens_per_month", ", want tokens in a month of 730 hours")
	}
	if v.Low > v.TokensPerMonth && v.TokensPerMonth > 0 {
		r.wrong(raw.P10.place, "got %s, want at most the %s of tokens_per_month", quote(raw.P10.text()), raw.TokensPerMonth.text())
	}
	if v.High > 0 && v.High < v.TokensPerMonth {
		r.wrong(raw.P90.place, "got %s, want at least the %s of tokens_per_month", quote(raw.P90.text()), raw.TokensPerMonth.text())
	}
	v.Mix = r.mix(raw)
	v.HoursOfDay = r.hoursOfDay(raw)
	return v
}

// mix reads the shares of the classes, which must be all of the tokens.
func (r *reader) mix(raw *rawVolume) (mix [model.NumClasses]float64) {
	if raw.Mix.At.node == nil {
		r.missing(raw.At, "mix", ", want the shares of input, cache_read, cache_write, cache_write_1h and output, which sum to 1")
		return mix
	}
	sum := new(big.Rat)
	known := true
	for c, s := range [model.NumClasses]scalar{raw.Mix.Input, raw.Mix.CacheRead, raw.Mix.CacheWrite, raw.Mix.CacheWrite1h, raw.Mix.Output} {
		value := r.number(s, demand{"a share from 0 to 1", share})
		if value == nil {
			known = known && !s.given()
			continue
		}
		sum.Add(sum, value)
		mix[c] = approximate(value)
	}
	if known && sum.Cmp(one) != 0 {
		r.wrong(raw.Mix.At, "the shares sum to %s, want 1", decimalText(sum))
	}
	return mix
}

func (r *reader) hoursOfDay(raw *rawVolume) (loads []float64) {
	if raw.HoursOfDay == nil {
		return nil
	}
	if raw.PeakFactor.given() {
		r.wrong(raw.PeakFactor.place, "hours_of_day is set too, want one of the two")
	}
	if n := len(raw.HoursOfDay); n != 24 {
		r.wrong(place{raw.At.node, join(raw.At.path, "hours_of_day")}, "got %d numbers, want the relative loads of the 24 hours of a day", n)
		return nil
	}
	var sum float64
	for _, s := range raw.HoursOfDay {
		load := approximate(r.number(s, demand{"a relative load, 0 or more", notNegative}))
		sum += load
		loads = append(loads, load)
	}
	if sum <= 0 {
		r.wrong(raw.HoursOfDay[0].place, "all hours are 0, want a load in at least one")
	}
	return loads
}

// approximate returns the float nearest to value, 0 when there is none. Volumes are measured, so floats do for them.
func approximate(value *big.Rat) float64 {
	if value == nil {
		return 0
	}
	f, _ := value.Float64()
	return f
}
