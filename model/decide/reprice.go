package decide

import (
	"fmt"
	"maps"
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
	Credits  *big.Rat   // USD a month of free credits, 0 when there are none; nil in what an early version kept
}

// TariffAt returns what o is charged at t.
func (o Option) TariffAt(t time.Time) Tariff {
	o = o.at(t)
	tariff := Tariff{API: o.API, Spot: o.Spot}
	if o.Hosting == model.API {
		tariff.Credits = new(big.Rat)
		if o.Credits != nil && t.Before(o.Credits.Until) {
			tariff.Credits = o.Credits.USDPerMonth
		}
	}
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
	switch {
	case t.Credits == nil:
	case t.Credits.Sign() == 0:
		o.Credits = nil
	default:
		o.Credits = &Credits{Until: at.AddDate(0, 0, 1), USDPerMonth: t.Credits}
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
	if t.Credits != nil && t.Credits.Sign() > 0 {
		add("free credits", "USD/month", t.Credits)
	}
	add("hour", "USD/block-hour", t.Hour)
	add("reserved hour", "USD/block-hour", t.Reserved)
	return all
}

// Moves returns the prices of option that differ between before and after.
func Moves(option string, before, after Tariff) []model.PriceMove {
	if before.Credits == nil || after.Credits == nil { // what was not kept has not changed
		before.Credits, after.Credits = nil, nil
	}
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

// A Change is a change of prices: what options are charged on its other side.
type Change struct {
	Tariffs map[string]Tariff `json:"tariffs"` // by option
	At      time.Time         `json:"at"`      // when they are charged that
	Past    bool              `json:"past"`    // this is how they were before, and not how they will be
}

// Repriced is what a change of prices does to one workload. The amounts are of the option that it is on, in USD a month at its median volume.
type Repriced struct {
	Workload string     `json:"workload"`
	Receipt  string     `json:"receipt"`              // of the evaluation that it was worked out from
	Before   *model.USD `json:"before_usd_per_month"` // null when it is not known
	After    *model.USD `json:"after_usd_per_month"`  // as Before
	Counts   model.USD  `json:"counts_usd_per_month"` // of it in the sum, beside the bills of accounts and with the free credits that end
	Was      string     `json:"was"`                  // the answer before, in words
	Is       string     `json:"is"`                   // and after
	Billed   bool       `json:"billed,omitempty"`     // what it uses of accounts is in their bills, and not in Counts
	Accounts bool       `json:"accounts,omitempty"`   // the change is of prices of accounts, and Beside is what others use of them then
	Beside   []Others   `json:"beside,omitempty"`     // none when nobody does

	option                string
	flips, closer, unsure bool
	material              bool
}

// AccountUse is what all workloads use of an API with an account, in a month of cost.DefaultHours.
type AccountUse struct {
	Option Option       `json:"option"`
	Usage  []cost.Usage `json:"usage"`
}

// Bills are what accounts are used for on both sides of a change of their prices.
type Bills struct {
	At   time.Time    `json:"at"`
	Is   []AccountUse `json:"is"`   // charged as they are
	Then []AccountUse `json:"then"` // charged as on the other side of the change
}

// Change returns by how much the bills are higher after the change than before it, in USD a month; past is that of the Change.
func (b Bills) Change(past bool) model.USD {
	due := func(uses []AccountUse) *big.Rat {
		u := Used{at: b.At}
		for _, use := range uses {
			u.charges = append(u.charges, charge{use.Option, blocksOf(use.Usage)})
		}
		return AccountsOf([]Used{u}).due()
	}
	higher := new(big.Rat).Sub(due(b.Then), due(b.Is))
	if past {
		higher.Neg(higher)
	}
	return usd(higher)
}

// uses returns what is used of every API, sorted.
func (a *Accounts) uses() (all []AccountUse) {
	for _, account := range slices.Sorted(maps.Keys(a.apis)) {
		for _, name := range slices.Sorted(maps.Keys(a.apis[account])) {
			c := a.apis[account][name]
			c.api.Prices, c.api.Warnings = nil, nil
			all = append(all, AccountUse{c.api, c.blocks.usage()})
		}
	}
	return all
}

// Repricing is what a change of prices does, and what that was worked out from.
type Repricing struct {
	model.PriceEvent

	Material bool       // the cost of a workload changes by as much as its own policy takes for material
	Each     []Repriced // that the change touches, in the order of the workloads
	Bills    *Bills     // nil when no account is touched
}

// Reprice says what c does to workloads, in their order. A verdict that is not known is left out, but not its part of a bill. Every other input stays
// as it is. The amount is what is paid more for all of them: of an account that several use the change of its bill.
func (c Change) Reprice(workloads []Judged) Repricing {
	r := Repricing{PriceEvent: model.PriceEvent{Flips: []model.PriceFlip{}, Closer: []string{}, Unknown: []string{}}}
	inputs, touched := make([]Input, len(workloads)), make([]bool, len(workloads))
	is, then := make([]Used, len(workloads)), make([]Used, len(workloads))
	onAccounts := false
	for i, w := range workloads {
		is[i], then[i] = w.Used, w.Used.charged(c.Tariffs, c.At)
		onAccounts = onAccounts || slices.ContainsFunc(w.Used.charges, func(used charge) bool {
			_, changed := c.Tariffs[used.api.Name]
			return changed
		})
		if in, known := w.Verdict.Input(); known {
			if inputs[i], touched[i] = c.charged(in); touched[i] {
				then[i] = c.used(inputs[i], w.Used)
			}
		}
	}
	var accounts *Accounts
	if onAccounts {
		accounts = AccountsOf(then)
		now := AccountsOf(is)
		r.Bills = &Bills{At: now.at, Is: now.uses(), Then: accounts.uses()}
		r.CostUSDPerMonth = r.Bills.Change(c.Past)
	}
	for i, w := range workloads {
		in := inputs[i]
		if w.Verdict.in == nil {
			continue
		}
		if touched[i] {
			r.Workloads++
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
		one := c.repriced(w.Verdict, in, is[i], then[i], onAccounts)
		one.Receipt = w.Receipt
		r.Each = append(r.Each, one)
		r.CostUSDPerMonth += one.Counts
		r.Material = r.Material || one.material
		switch {
		case one.flips:
			r.Flips = append(r.Flips, model.PriceFlip{Workload: in.Workload, Before: one.Was, After: one.Is, Option: one.option, Receipt: w.Receipt})
		case one.closer:
			r.Closer = append(r.Closer, in.Workload)
		}
		if one.unsure {
			r.Unknown = append(r.Unknown, in.Workload)
		}
	}
	return r
}

// Again returns what c does to the workload of in, of which was says how it was found; see Reprice.
func (c Change) Again(in Input, was Repriced) Repriced {
	var used Used
	if was.Billed {
		used = in.Used()
	}
	changed, _ := c.charged(in)
	then := c.used(changed, used)
	if was.Accounts {
		changed.Others = was.Beside
	}
	one := c.repriced(Decide(in), changed, used, then, was.Accounts)
	one.Receipt = was.Receipt
	return one
}

// charged returns in with its options charged as on the other side of c, and whether that changes any.
func (c Change) charged(in Input) (Input, bool) {
	touched := false
	in.Options = slices.Clone(in.Options)
	for i, o := range in.Options {
		if t, changed := c.Tariffs[o.Name]; changed {
			in.Options[i], touched = o.Charged(t, c.At), true
		}
	}
	return in, touched
}

// used returns what in, which is charged as on the other side of c, uses of accounts, of which it uses so much now: a hybrid splits its load by the prices.
func (c Change) used(in Input, now Used) Used {
	if now.charges != nil {
		if used := in.Used(); used.charges != nil {
			return used
		}
	}
	return now.charged(c.Tariffs, c.At)
}

// repriced returns what c does to a workload that has the verdict now and is decided on by in on its other side.
func (c Change) repriced(now Verdict, in Input, is, then Used, onAccounts bool) Repriced {
	before, after := now, Decide(in)
	if c.Past {
		before, after = after, before
	}
	one := Repriced{Workload: in.Workload, Accounts: onAccounts, Billed: onAccounts && then.charges != nil, option: after.Decision.Option, Was: answer(before.Decision), Is: answer(after.Decision)}
	if onAccounts {
		one.Beside = in.Others
	}
	a, b := model.CostOf(before.Options, in.Current), model.CostOf(after.Options, in.Current)
	if a != nil {
		one.Before = &a.P50
	}
	if b != nil {
		one.After = &b.P50
	}
	one.unsure = a == nil || b == nil
	if !one.unsure {
		ended := credited(before, in.Current) - credited(after, in.Current)
		one.material = in.Policy.Material(b.P50 - a.P50 + ended)
		one.Counts = b.P50 - a.P50 + ended
		if one.Billed {
			rest := new(big.Rat).Sub(then.rest, is.rest)
			if c.Past {
				rest.Neg(rest)
			}
			one.Counts = usd(rest) + ended
		}
	}
	x, y := before.Decision, after.Decision
	one.flips = x.Option != y.Option || x.Recommendation != y.Recommendation
	one.closer = !one.flips && y.Recommendation == model.Stay && x.SavingRatio != nil && y.SavingRatio != nil && *y.SavingRatio > *x.SavingRatio+closer
	return one
}

// credited returns what free credits take off the bill of option, in USD a month.
func credited(v Verdict, option string) model.USD {
	for _, o := range v.Options {
		if o.Option == option && o.CreditsUSDPerMonth != nil {
			return *o.CreditsUSDPerMonth
		}
	}
	return 0
}

// sameOthers reports whether a and b bring the same to a bill.
func sameOthers(a, b Others) bool {
	return a.Account == b.Account && slices.EqualFunc(a.Usage, b.Usage, sameUsage) &&
		slices.EqualFunc(a.Elsewhere, b.Elsewhere, sameSpend)
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

// Turning returns the days in (from, to] on which an announced change of a price begins or free credits end, and what the options are then charged.
func Turning(options []Option, from, to time.Time) map[time.Time]map[string]Tariff {
	days := map[time.Time]map[string]Tariff{}
	for _, o := range options {
		var turns []time.Time
		for _, c := range o.Announced {
			turns = append(turns, c.From)
		}
		if o.Credits != nil {
			turns = append(turns, o.Credits.Until)
		}
		for _, day := range turns {
			if !day.After(from) || day.After(to) {
				continue
			}
			then := o.TariffAt(day)
			if len(Moves(o.Name, o.TariffAt(day.Add(-time.Nanosecond)), then)) == 0 {
				continue
			}
			if days[day] == nil {
				days[day] = map[string]Tariff{}
			}
			days[day][o.Name] = then
		}
	}
	return days
}
