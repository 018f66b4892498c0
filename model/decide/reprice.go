package decide

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// Tariff is what an option is charged at one time. What it does not have is nil.
type Tariff struct {
	API      *cost.Prices
	Hour     *big.Rat   // USD an hour of a block of replicas
	Spot     *cost.Spot // what Hour is made of
	Reserved *big.Rat   // USD an hour of a block that is paid for in all hours
}

// TariffAt returns what o is charged at t.
func (o Option) TariffAt(t time.Time) Tariff {
	o = o.at(t)
	tariff := Tariff{API: o.API, Spot: o.Spot}
	if o.Capacity != nil {
		tariff.Hour = o.Capacity.BlockCostPerHour
	}
	if o.Autoscale != nil {
		tariff.Reserved = o.Autoscale.ReservedPerHour
	}
	return tariff
}

// Charged returns o as if it were charged by t at a time, with the changes that are announced for later.
func (o Option) Charged(t Tariff, at time.Time) Option {
	o = o.Settled(at)
	if o.API != nil {
		o.API = t.API
	}
	if o.Capacity != nil {
		c := *o.Capacity
		c.BlockCostPerHour, o.Spot = t.Hour, t.Spot
		o.Capacity = &c
	}
	if o.Autoscale != nil {
		o.Autoscale = o.Autoscale.reservedAt(t.Reserved)
	}
	return o
}

// prices names the numbers of t.
func (t Tariff) prices() []model.PriceMove {
	var all []model.PriceMove
	add := func(field, unit string, v *big.Rat) {
		if v != nil {
			all = append(all, model.PriceMove{Field: field, Unit: unit, After: cost.Decimal(v)})
		}
	}
	kind := func(allUnits bool) string {
		if allUnits {
			return "all-units"
		}
		return "marginal"
	}
	if p := t.API; p != nil {
		api := func(prefix string, p *cost.Prices) {
			add(prefix+"input", "USD/Mtok", p.Input)
			add(prefix+"output", "USD/Mtok", p.Output)
			add(prefix+"cache_read", "USD/Mtok", p.CacheRead)
			add(prefix+"cache_write", "USD/Mtok", p.CacheWrite)
			add(prefix+"cache_write_1h", "USD/Mtok", p.CacheWrite1h)
			add(prefix+"batch_input", "USD/Mtok", p.BatchInput)
			add(prefix+"batch_output", "USD/Mtok", p.BatchOutput)
		}
		api("", p)
		if p.Long != nil {
			api("long.", p.Long)
		}
		if len(p.Tiers) > 0 {
			all = append(all, model.PriceMove{Field: "tiers", Unit: "prices", After: kind(p.AllUnits)})
		}
		for _, t := range p.Tiers {
			prefix := "above " + cost.Decimal(t.Above) + "."
			add(prefix+"times", "share", t.Times)
			if t.Prices != nil {
				api(prefix, t.Prices)
				if t.Prices.Long != nil {
					api(prefix+"long.", t.Prices.Long)
				}
			}
		}
		if s := p.Scale; s != nil {
			counts := "USD"
			if s.ByTokens {
				counts = "tokens"
			}
			all = append(all, model.PriceMove{Field: "tiers of the contract", Unit: "prices", After: kind(s.AllUnits)})
			for _, step := range s.Steps {
				add(fmt.Sprintf("contract above %s %s.discount", cost.Decimal(step.Above), counts), "share", step.Discount)
			}
		}
		add("request_fee", "USD/request", p.RequestFee)
		add("discount", "share", p.Discount)
		add("uplift", "share", p.Uplift)
		add("minimum_commit", "USD/month", p.MinimumCommit)
		add("fixed", "USD/month", p.FixedMonthly)
	}
	add("hour", "USD/block-hour", t.Hour)
	add("reserved hour", "USD/block-hour", t.Reserved)
	return all
}

// Moves returns the prices of option that differ between before and after.
func Moves(option string, before, after Tariff) []model.PriceMove {
	was, is := before.prices(), after.prices()
	find := func(list []model.PriceMove, field string) string {
		for _, m := range list {
			if m.Field == field {
				return m.After
			}
		}
		return ""
	}
	var moves []model.PriceMove
	for _, m := range is {
		if old := find(was, m.Field); old != m.After {
			moves = append(moves, model.PriceMove{Option: option, Field: m.Field, Unit: m.Unit, Before: old, After: m.After})
		}
	}
	for _, m := range was {
		if find(is, m.Field) == "" {
			moves = append(moves, model.PriceMove{Option: option, Field: m.Field, Unit: m.Unit, Before: m.After})
		}
	}
	return moves
}

// Judged is a decision with the id of its receipt.
type Judged struct {
	Verdict Verdict
	Receipt string
	Used    Used // of the accounts of APIs
}

// Reprice says what it does to workloads, in their order, that the options named in tariffs are charged by them at a time instead of as they are;
// past says that this is how they were before. A verdict that is not known is left out, but not its part of a bill. Every other input stays as it
// is. The amount is what is paid more for all of them: of an account that several use the change of its bill. It reports as well whether the cost of
// one of them changes by as much as its own policy takes for material.
func Reprice(workloads []Judged, tariffs map[string]Tariff, at time.Time, past bool) (e model.PriceEvent, material bool) {
	e.Flips, e.Closer, e.Unknown = []model.PriceFlip{}, []string{}, []string{}
	inputs, touched := make([]Input, len(workloads)), make([]bool, len(workloads))
	is, then := make([]Used, len(workloads)), make([]Used, len(workloads))
	onAccounts := false
	for i, w := range workloads {
		is[i], then[i] = w.Used, w.Used.charged(tariffs, at)
		onAccounts = onAccounts || slices.ContainsFunc(w.Used.charges, func(c charge) bool {
			_, changed := tariffs[c.api.Name]
			return changed
		})
		in, known := w.Verdict.Input()
		if !known {
			continue
		}
		in.Options = slices.Clone(in.Options)
		for j, o := range in.Options {
			if t, changed := tariffs[o.Name]; changed {
				in.Options[j], touched[i] = o.Charged(t, at), true
			}
		}
		if inputs[i] = in; touched[i] && w.Used.charges != nil {
			if used := in.Used(); used.charges != nil { // a hybrid splits its load by the prices
				then[i] = used
			}
		}
	}
	bills := new(big.Rat) // by which those of accounts are higher with tariffs
	var accounts *Accounts
	if onAccounts {
		accounts = AccountsOf(then)
		bills.Sub(accounts.due(), AccountsOf(is).due())
	}
	for i, w := range workloads {
		in := inputs[i]
		if w.Verdict.in == nil {
			continue
		}
		if touched[i] {
			e.Workloads++
		}
		if onAccounts {
			others := accounts.Beside(in)
			if !touched[i] && slices.EqualFunc(others, in.Others, sameOthers) {
				continue
			}
			in.Others = others
		} else if !touched[i] {
			continue
		}
		before, after := w.Verdict, Decide(in)
		if past {
			before, after = after, before
		}
		if a, b := model.CostOf(before.Options, in.Current), model.CostOf(after.Options, in.Current); a != nil && b != nil {
			material = material || in.Policy.Material(b.P50-a.P50)
			switch {
			case !onAccounts || then[i].charges == nil:
				e.CostUSDPerMonth += b.P50 - a.P50
			default:
				bills.Add(bills, new(big.Rat).Sub(then[i].rest, is[i].rest))
			}
		} else {
			e.Unknown = append(e.Unknown, in.Workload)
		}
		switch a, b := before.Decision, after.Decision; {
		case a.Option != b.Option || a.Recommendation != b.Recommendation:
			e.Flips = append(e.Flips, model.PriceFlip{Workload: in.Workload, Before: answer(a), After: answer(b), Option: b.Option, Receipt: w.Receipt})
		case b.Recommendation == model.Stay && a.SavingRatio != nil && b.SavingRatio != nil && *b.SavingRatio > *a.SavingRatio+closer:
			e.Closer = append(e.Closer, in.Workload)
		}
	}
	if past {
		bills.Neg(bills)
	}
	e.CostUSDPerMonth += usd(bills)
	return e, material
}

// sameOthers reports whether a and b bring the same to a bill.
func sameOthers(a, b Others) bool {
	return a.Account == b.Account && slices.EqualFunc(a.Usage, b.Usage, sameUsage) &&
		slices.EqualFunc(a.Elsewhere, b.Elsewhere, func(a, b Spend) bool {
			return a.From.Equal(b.From) && equal(a.USD, b.USD) && equal(orZero(a.Tokens), orZero(b.Tokens))
		})
}

// closer is by how much of the current cost a saving must grow for a workload to count as closer to a move.
const closer = 0.01

// answer says d in a few words.
func answer(d model.Decision) string {
	switch d.Recommendation {
	case model.Move:
		return "move to " + d.Option
	case model.Stay:
		return "stay on " + d.Option
	}
	return "unknown"
}

// Turning returns the days in (from, to] on which an announced change of a price begins, and what the options are then charged.
func Turning(options []Option, from, to time.Time) map[time.Time]map[string]Tariff {
	days := map[time.Time]map[string]Tariff{}
	for _, o := range options {
		for _, c := range o.Announced {
			if !c.From.After(from) || c.From.After(to) {
				continue
			}
			then := o.TariffAt(c.From)
			if len(Moves(o.Name, o.TariffAt(c.From.Add(-time.Nanosecond)), then)) == 0 {
				continue
			}
			if days[c.From] == nil {
				days[c.From] = map[string]Tariff{}
			}
			days[c.From][o.Name] = then
		}
	}
	return days
}
