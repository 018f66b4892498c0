package decide

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// Others is what the workloads other than the one that is decided on use of the account of an API in a month of cost.DefaultHours. It decides in
// which tiers the tokens of the workload lie and how much of a commitment is left for them.
type Others struct {
	Account   string
	Usage     []cost.Usage         // whole tokens, as the API counts them; at most one block of each kind
	Elsewhere []Spend              `json:",omitempty"` // on the other accounts of the same contract, the first at any time before the next; none when empty
	From      []model.AccountShare // that bring most of Usage, the largest first
	More      int                  // workloads that bring the rest
	Unknown   []string             `json:",omitempty"` // workloads that use it or its contract too, nobody knows how much: Usage does not have it; the first by name
	Further   int                  `json:",omitempty"` // the others of them
	Stated    bool                 `json:",omitempty"` // a what-if states the tokens, and they are of no workload in particular
}

// Spend is what is spent from a time on.
type Spend struct {
	From   time.Time
	USD    *big.Rat // a month, before the scale of a contract
	Tokens *big.Rat `json:",omitempty"` // a month, that it is for; nil means none
}

// beside returns o at a time.
func (o Others) beside(t time.Time) cost.Beside {
	b := cost.Beside{Usage: o.Usage}
	for i, s := range o.Elsewhere {
		if i == 0 || !s.From.After(t) {
			b.USD, b.Tokens = s.USD, s.Tokens
		}
	}
	return b
}

// mostNamed is how many of the workloads of an account are named to each of them.
const mostNamed = 20

// Used is what one workload uses of the accounts of APIs by the option that serves it now.
type Used struct {
	workload string
	charges  []charge // none when it uses none
	unknown  []Option // APIs of which nobody knows how much it uses
	rest     *big.Rat // USD a month that it costs beside its charges
	at       time.Time
}

// charge is what is used of an API.
type charge struct {
	api    Option
	blocks blocks
}

// Any reports whether u uses an account.
func (u Used) Any() bool { return len(u.charges)+len(u.unknown) > 0 }

// Accounts is what the workloads of a configuration use of the accounts of APIs.
type Accounts struct {
	apis    map[string]map[string]charge // by account and option
	own     map[string][]charge          // by workload
	from    map[string][]model.AccountShare
	unknown map[string][]string // workloads by what they are invoiced on
	spends  map[string]spends   // by contract
	at      time.Time           // when all of it is used
}

// spends is what the accounts of a contract are charged from every time on at which prices of theirs change, the first at any time before the next.
type spends struct {
	from     []time.Time
	accounts map[string][]*big.Rat // USD a month
}

// AccountsOf adds up what all workloads use. Their order does not matter.
func AccountsOf(all []Used) *Accounts {
	a := &Accounts{
		apis: map[string]map[string]charge{}, own: map[string][]charge{}, from: map[string][]model.AccountShare{}, unknown: map[string][]string{},
	}
	for _, used := range all {
		if used.at.After(a.at) {
			a.at = used.at
		}
		a.add(used.charges, 1)
		if used.charges != nil {
			a.own[used.workload] = used.charges
		}
		tokens := map[string]*big.Rat{}
		for _, c := range used.charges {
			tokens[c.api.Account] = new(big.Rat).Add(orZero(tokens[c.api.Account]), c.blocks.tokens())
		}
		for account, n := range tokens {
			a.from[account] = append(a.from[account], model.AccountShare{Workload: used.workload, TokensPerMonth: model.Tokens(float(n))})
		}
		for _, api := range used.unknown {
			if key := api.invoice(); !slices.Contains(a.unknown[key], used.workload) {
				a.unknown[key] = append(a.unknown[key], used.workload)
			}
		}
	}
	a.spends = a.contracts()
	for _, workloads := range a.unknown {
		slices.Sort(workloads)
	}
	for _, from := range a.from {
		slices.SortFunc(from, func(a, b model.AccountShare) int {
			if by := cmp.Compare(b.TokensPerMonth, a.TokensPerMonth); by != 0 {
				return by
			}
			return cmp.Compare(a.Workload, b.Workload)
		})
	}
	return a
}

// invoice names what o is paid on: its contract, which may cover other APIs too, or its account.
func (o Option) invoice() string { return cmp.Or(o.Contract, o.Account) }

// add adds as many times what charges use.
func (a *Accounts) add(charges []charge, times int64) {
	for _, c := range charges {
		byOption := a.apis[c.api.Account]
		if byOption == nil {
			byOption = map[string]charge{}
			a.apis[c.api.Account] = byOption
		}
		byOption[c.api.Name] = charge{c.api, byOption[c.api.Name].blocks.plus(c.blocks, times)}
	}
}

// total returns what is used of an account, less what without does.
func (a *Accounts) total(account string, without []charge) (b blocks) {
	for _, c := range a.apis[account] {
		b = b.plus(c.blocks, 1)
	}
	for _, c := range without {
		if c.api.Account == account {
			b = b.plus(c.blocks, -1)
		}
	}
	return b
}

// spent returns what account is charged at a time for what is used of it less what without does, in USD, without the scale of a contract, a commitment
// and fixed fees.
func (a *Accounts) spent(account string, without []charge, t time.Time) *big.Rat {
	usd, all := new(big.Rat), a.total(account, without).usage()
	for name, c := range a.apis[account] {
		for _, w := range without {
			if w.api.Account == account && w.api.Name == name {
				c.blocks = c.blocks.plus(w.blocks, -1)
			}
		}
		if api := c.api.at(t).API; api != nil {
			if part, err := api.Of(all, c.blocks.usage()); err == nil { // there was a price when it was used
				usd.Add(usd, part)
			}
		}
	}
	return usd
}

// due returns what is paid for all of it, in USD a month.
func (a *Accounts) due() *big.Rat {
	invoices := map[string]bool{}
	for _, byOption := range a.apis {
		for _, c := range byOption {
			invoices[c.api.invoice()] = true
		}
	}
	usd := new(big.Rat)
	for name := range invoices {
		usd.Add(usd, a.invoiced(name))
	}
	return usd
}

// invoiced returns what is paid on an invoice, in USD a month: what its accounts are charged by its scale, the commitment at least, and the fixed fee of every
// account. Nothing is due of what nobody uses.
func (a *Accounts) invoiced(name string) *big.Rat {
	spent := cost.Used{USD: new(big.Rat), Tokens: new(big.Rat)}
	commit, fixed := new(big.Rat), new(big.Rat)
	var scale *cost.Scale // that of each of its APIs
	for account, byOption := range a.apis {
		fee, used := new(big.Rat), false
		for _, c := range byOption {
			if api := c.api.at(a.at).API; c.api.invoice() == name && api != nil && c.blocks.usage() != nil {
				fee, commit, used = greater(fee, orZero(api.FixedMonthly)), greater(commit, orZero(api.MinimumCommit)), true
				scale = api.Scale
			}
		}
		if used {
			spent.USD.Add(spent.USD, a.spent(account, nil, a.at))
			spent.Tokens.Add(spent.Tokens, a.total(account, nil).tokens())
			fixed.Add(fixed, fee)
		}
	}
	return fixed.Add(fixed, greater(commit, scale.Due(spent)))
}

// charged returns u as if the options named in tariffs were charged by them at a time.
func (u Used) charged(tariffs map[string]Tariff, at time.Time) Used {
	u.charges = slices.Clone(u.charges)
	for i, c := range u.charges {
		if t, changed := tariffs[c.api.Name]; changed {
			u.charges[i].api = c.api.Charged(t, at)
		}
	}
	return u
}

// contracts returns what the contracts are charged.
func (a *Accounts) contracts() map[string]spends {
	all := map[string]spends{}
	for account, byOption := range a.apis {
		for _, c := range byOption {
			if c.api.Contract == "" {
				continue
			}
			s, known := all[c.api.Contract]
			if !known {
				s = spends{from: []time.Time{{}}, accounts: map[string][]*big.Rat{}}
			}
			s.accounts[account] = nil
			for _, change := range c.api.Announced {
				if !change.Unknown {
					s.from = append(s.from, change.From)
				}
			}
			all[c.api.Contract] = s
		}
	}
	for contract, s := range all {
		slices.SortFunc(s.from, time.Time.Compare)
		s.from = slices.CompactFunc(s.from, time.Time.Equal)
		for account := range s.accounts {
			for _, t := range s.from {
				s.accounts[account] = append(s.accounts[account], a.spent(account, nil, t))
			}
		}
		all[contract] = s
	}
	return all
}

// elsewhere returns what is spent on the other accounts of the contract of api less what without does.
func (a *Accounts) elsewhere(api Option, without []charge) (all []Spend) {
	s := a.spends[api.Contract]
	for i, t := range s.from {
		usd, tokens := new(big.Rat), new(big.Rat)
		for account, charged := range s.accounts {
			if account != api.Account {
				tokens.Add(tokens, a.total(account, without).tokens())
			}
			switch {
			case account == api.Account:
			case slices.ContainsFunc(without, func(c charge) bool { return c.api.Account == account }):
				usd.Add(usd, a.spent(account, without, t))
			default:
				usd.Add(usd, charged[i])
			}
		}
		if n := len(all); n == 0 || !equal(all[n-1].USD, usd) {
			all = append(all, Spend{From: t, USD: usd, Tokens: plus(nil, tokens, 1)})
		}
	}
	if len(all) == 1 && all[0].USD.Sign() == 0 && all[0].Tokens == nil {
		return nil
	}
	return all
}

// Beside returns what the workloads other than that of in use of the accounts of its options; nil when they use none.
func (a *Accounts) Beside(in Input) []Others {
	var all []Others
	without := a.own[in.Workload]
	for _, o := range in.Options {
		known := slices.ContainsFunc(all, func(other Others) bool { return other.Account == o.Account })
		if o.Account == "" || known {
			continue
		}
		others := Others{Account: o.Account, Usage: a.total(o.Account, without).usage(), Elsewhere: a.elsewhere(o, without)}
		for _, workload := range a.unknown[o.invoice()] {
			switch {
			case workload == in.Workload:
			case len(others.Unknown) < mostNamed:
				others.Unknown = append(others.Unknown, workload)
			default:
				others.Further++
			}
		}
		if len(others.Usage)+len(others.Elsewhere)+len(others.Unknown) == 0 {
			continue
		}
		for _, s := range a.from[o.Account] {
			switch {
			case s.Workload == in.Workload:
			case len(others.From) < mostNamed:
				others.From = append(others.From, s)
			default:
				others.More++
			}
		}
		all = append(all, others)
	}
	return all
}

// Used returns what in uses at the median volume in a month of cost.DefaultHours, as if it were alone on its accounts: how a hybrid splits its load
// then does not depend on what others do.
func (in Input) Used() Used {
	return in.used([]string{in.Current}, func(all []*costed, d demand, t tally) bool { return t.serve(all[0].plan, d.median, one) })
}

// UsedInMonth returns what it uses in the calendar month that the forecast begins in; see Verdict.Month.
func (in Input) UsedInMonth(stays []Stay) Used {
	names := []string{in.Current}
	for _, s := range stays {
		names = append(names, s.Option)
	}
	return in.used(names, func(all []*costed, _ demand, t tally) bool {
		if len(in.Forecast.Months) == 0 {
			return false
		}
		spent, ok := t.stays(all, stays, in.Forecast.Months[0].From)
		return ok && spent.rest(all, in, in.Forecast.Months[0].Total.At(0.5))
	})
}

// used returns what the options called names use by what serve does.
func (in Input) used(names []string, serve func(all []*costed, d demand, t tally) bool) Used {
	u := Used{workload: in.Workload, at: in.Forecast.Origin}
	options := make(map[string]Option, len(in.Options))
	for _, o := range in.Options {
		options[o.Name] = o
	}
	var apis []Option
	for _, name := range names {
		for _, o := range options[name].parts(options) {
			if o.Account != "" && !slices.ContainsFunc(apis, func(api Option) bool { return api.Name == o.Name }) {
				apis = append(apis, o)
			}
		}
	}
	idle := len(in.Forecast.Next) > model.Next30d && in.Forecast.Next[model.Next30d].Total.At(0.5) == 0
	if len(apis) == 0 || idle {
		return u
	}
	in.Candidates, in.Others = names, nil
	d, ok := in.demand()
	if !ok {
		u.unknown = apis
		return u
	}
	all, _ := candidates(in, d)
	t := newTally()
	if len(all) == 0 || !serve(all, d, t) {
		u.unknown = apis
		return u
	}
	u.rest, u.charges = t.fleets, []charge{}
	for _, name := range slices.Sorted(maps.Keys(t.apis)) {
		c := t.apis[name]
		if options[name].Account != "" {
			u.charges = append(u.charges, charge{options[name], blocksOf(c.usage)})
			continue
		}
		bill, err := c.api.API.Monthly(c.usage)
		if err != nil {
			return Used{workload: in.Workload, unknown: apis, at: u.at}
		}
		u.rest.Add(u.rest, bill.Cost)
	}
	return u
}

// blocks is usage by what sets its price apart, long prompts and a batch tier, in whole tokens and requests: what was added can be taken away
// again, whatever the order.
type blocks [4]cost.Usage

func blocksOf(usage []cost.Usage) (b blocks) {
	for _, u := range usage {
		kind := 0
		if u.Batch {
			kind++
		}
		if u.Long {
			kind += 2
		}
		for c, tokens := range u.Tokens {
			b[kind].Tokens[c] = plus(b[kind].Tokens[c], rounded(tokens), 1)
		}
		b[kind].Requests = plus(b[kind].Requests, rounded(u.Requests), 1)
	}
	return b
}

// plus returns b with as many times the usage of other.
func (b blocks) plus(other blocks, times int64) blocks {
	for kind, u := range other {
		for c, tokens := range u.Tokens {
			b[kind].Tokens[c] = plus(b[kind].Tokens[c], tokens, times)
		}
		b[kind].Requests = plus(b[kind].Requests, u.Requests, times)
	}
	return b
}

// usage returns the blocks that are used.
func (b blocks) usage() (used []cost.Usage) {
	for kind, u := range b {
		u.Batch, u.Long = kind&1 != 0, kind&2 != 0
		if slices.ContainsFunc(u.Tokens[:], func(tokens *big.Rat) bool { return tokens != nil }) {
			used = append(used, u)
		}
	}
	return used
}

// tokens returns how many b has.
func (b blocks) tokens() *big.Rat {
	total := new(big.Rat)
	for _, u := range b {
		for _, tokens := range u.Tokens {
			total.Add(total, orZero(tokens))
		}
	}
	return total
}

// plus returns a and as many times b, nil when that is nothing.
func plus(a, b *big.Rat, times int64) *big.Rat {
	if b == nil {
		return a
	}
	sum := new(big.Rat).Mul(b, big.NewRat(times, 1))
	if sum.Add(sum, orZero(a)); sum.Sign() == 0 {
		return nil
	}
	return sum
}

// rounded returns r as a whole number, nil when that is nothing.
func rounded(r *big.Rat) *big.Rat {
	if r == nil {
		return nil
	}
	return plus(nil, whole(float(r)), 1)
}

// others returns what other workloads use of account; nothing when they do not.
func (in Input) others(account string) Others {
	for _, o := range in.Others {
		if account != "" && o.Account == account {
			return o
		}
	}
	return Others{Account: account}
}

// setOthers puts o in the place of what other workloads use of the account.
func (in *Input) setOthers(o Others) {
	rest := slices.DeleteFunc(slices.Clone(in.Others), func(other Others) bool { return other.Account == o.Account })
	if len(o.Usage)+len(o.Elsewhere) > 0 {
		rest = append(rest, o)
	}
	in.Others = rest
}

// OthersOf returns the tokens that other workloads use of account in a month.
func (in Input) OthersOf(account string) model.Tokens {
	return model.Tokens(float(blocksOf(in.others(account).Usage).tokens()))
}

// ElsewhereOf returns what other workloads spend in a month on the other accounts of the contract that account is under.
func (in Input) ElsewhereOf(account string) model.USD {
	return usd(orZero(in.others(account).beside(in.Forecast.Origin).USD))
}

// TokensElsewhere returns the tokens that other workloads use in a month on the other accounts of the contract that account is under.
func (in Input) TokensElsewhere(account string) model.Tokens {
	return model.Tokens(float(orZero(in.others(account).beside(in.Forecast.Origin).Tokens)))
}

// SetElsewhere makes others spend so much there, and use so many tokens, at any time, whoever they are.
func (in *Input) SetElsewhere(account string, spent model.USD, tokens model.Tokens) {
	o := in.others(account)
	o.Elsewhere, o.Stated = nil, true
	if spent > 0 || tokens > 0 {
		o.Elsewhere = []Spend{{USD: exactly(float64(spent)), Tokens: plus(nil, whole(float64(tokens)), 1)}}
	}
	in.setOthers(o)
}

// SpendAnew brings what others spend under contracts to the prices of in, where before, the same input, had others: it is the spending of their tokens on
// options of in. What is stated otherwise than in before stays as it is.
func (in *Input) SpendAnew(before Input) {
	for _, o := range slices.Clone(in.Others) {
		if len(o.Elsewhere) == 0 || !slices.EqualFunc(o.Elsewhere, before.others(o.Account).Elsewhere, sameSpend) {
			continue
		}
		i := slices.IndexFunc(in.Options, func(api Option) bool { return api.Account == o.Account })
		if i < 0 {
			continue
		}
		o.Elsewhere = slices.Clone(o.Elsewhere)
		for j, s := range o.Elsewhere {
			t := s.From
			if t.Before(in.Forecast.Origin) {
				t = in.Forecast.Origin
			}
			o.Elsewhere[j].USD = new(big.Rat).Add(s.USD, in.dearer(before, in.Options[i], t))
		}
		in.setOthers(o)
	}
}

// dearer returns by how much more others spend at a time, in USD a month, on the accounts of options under the contract of api but its own, at the
// prices of in than at those of before.
func (in *Input) dearer(before Input, api Option, t time.Time) *big.Rat {
	usd, seen := new(big.Rat), map[string]bool{api.Account: true}
	for _, o := range in.Options {
		usage := in.others(o.Account).Usage
		i := slices.IndexFunc(before.Options, func(was Option) bool { return was.Name == o.Name })
		if o.Contract == "" || o.Contract != api.Contract || seen[o.Account] || i < 0 {
			continue
		}
		was, is := before.Options[i].at(t).API, o.at(t).API
		if was == nil || is == nil {
			continue
		}
		paid, err := was.Of(usage, usage)
		if err != nil {
			continue
		}
		due, err := is.Of(usage, usage)
		if err != nil {
			continue
		}
		seen[o.Account] = true
		usd.Add(usd, due.Sub(due, paid))
	}
	return usd
}

func sameSpend(a, b Spend) bool {
	return a.From.Equal(b.From) && equal(a.USD, b.USD) && equal(orZero(a.Tokens), orZero(b.Tokens))
}

// SetOthers makes others use so many tokens of account, whoever they are: at the mix that they have, or at that of the workload where there were none.
func (in *Input) SetOthers(account string, total model.Tokens) {
	o, now := in.others(account), in.OthersOf(account)
	usage := o.Usage
	if now == 0 {
		usage = []cost.Usage{{}}
		for c, share := range exactMix(in.Forecast.Next[model.Next30d].Mix) {
			usage[0].Tokens[c] = share
		}
		now = 1
	}
	times := new(big.Rat).Quo(whole(float64(total)), whole(float64(now)))
	scaled := make([]cost.Usage, len(usage))
	for i, u := range usage {
		scaled[i] = cost.Usage{Batch: u.Batch, Long: u.Long}
		for c, tokens := range u.Tokens {
			scaled[i].Tokens[c] = new(big.Rat).Mul(orZero(tokens), times)
		}
		if u.Requests != nil {
			scaled[i].Requests = new(big.Rat).Mul(u.Requests, times)
		}
	}
	in.setOthers(Others{Account: account, Usage: blocksOf(scaled).usage(), Elsewhere: o.Elsewhere, Stated: true})
}

// account says whose tokens the bill of api counts beside those of the workload; nil when it counts none.
func (in Input) account(api Option) *model.AccountUse {
	o := in.others(api.Account)
	elsewhere := in.ElsewhereOf(api.Account)
	if len(o.Usage) == 0 && elsewhere == 0 {
		return nil
	}
	use := &model.AccountUse{
		Account: o.Account, TokensPerMonth: in.OthersOf(o.Account), Workloads: o.From, More: o.More,
		From: "their current options at their median projections, in a month of 730 hours",
	}
	if elsewhere > 0 {
		use.Contract, use.ElsewhereUSDPerMonth = api.Contract, elsewhere
	}
	if o.Stated || o.From == nil {
		use.Workloads = []model.AccountShare{}
	}
	if o.Stated {
		use.From = "the what-if"
	}
	return use
}

// uncounted warns of workloads that use the account of api too, nobody knows how much.
func (in Input) uncounted(api Option) []model.Warning {
	o := in.others(api.Account)
	if len(o.Unknown) == 0 {
		return nil
	}
	shown := o.Unknown[:min(3, len(o.Unknown))]
	who := strings.Join(shown, ", ")
	if more := len(o.Unknown) - len(shown) + o.Further; more > 0 {
		who = fmt.Sprintf("%s and %d more", who, more)
	}
	return []model.Warning{{Code: "ACCOUNT_UNKNOWN", Text: fmt.Sprintf(
		"of the tokens of the account of %s those of %s are not known and not counted: its tiers or its commitment may reach further", api.Name, who,
	)}}
}
