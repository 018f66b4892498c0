package decide

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"tipline/model"
	"tipline/model/cost"
)

// Others is what the workloads other than the one that is decided on use of the account of an API in a month of cost.DefaultHours. It decides in
// which tiers the tokens of the workload lie and how much of a commitment is left for them.
type Others struct {
	Account string
	Usage   []cost.Usage         // whole tokens, as the API counts them; at most one block of each kind
	From    []model.AccountShare // that bring most of it, the largest first
	More    int                  // workloads that bring the rest
	Unknown []string             `json:",omitempty"` // workloads that use it too, nobody knows how much: Usage does not have it; the first by name
	Further int                  `json:",omitempty"` // the others of them
	Stated  bool                 `json:",omitempty"` // a what-if states the tokens, and they are of no workload in particular
}

// mostNamed is how many of the workloads of an account are named to each of them.
const mostNamed = 20

// Used is what one workload uses of the accounts of APIs by the option that serves it now.
type Used struct {
	workload string
	accounts map[string]blocks // nil when it uses none
	unknown  []string          // accounts of which nobody knows how much it uses
}

// Any reports whether u uses an account.
func (u Used) Any() bool { return len(u.accounts)+len(u.unknown) > 0 }

// Accounts is what the workloads of a configuration use of the accounts of APIs.
type Accounts struct {
	total   map[string]blocks
	own     map[string]map[string]blocks // by workload and account
	from    map[string][]model.AccountShare
	unknown map[string][]string // workloads by account
}

// AccountsOf adds up what all workloads use. Their order does not matter.
func AccountsOf(all []Used) *Accounts {
	a := &Accounts{
		total: map[string]blocks{}, own: map[string]map[string]blocks{}, from: map[string][]model.AccountShare{}, unknown: map[string][]string{},
	}
	for _, used := range all {
		for account, b := range used.accounts {
			a.total[account] = a.total[account].plus(b, 1)
			a.from[account] = append(a.from[account], model.AccountShare{Workload: used.workload, TokensPerMonth: model.Tokens(float(b.tokens()))})
		}
		if used.accounts != nil {
			a.own[used.workload] = used.accounts
		}
		for _, account := range used.unknown {
			a.unknown[account] = append(a.unknown[account], used.workload)
		}
	}
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

// Beside returns what the workloads other than that of in use of the accounts of its options; nil when they use none.
func (a *Accounts) Beside(in Input) []Others {
	var all []Others
	for _, o := range in.Options {
		known := slices.ContainsFunc(all, func(other Others) bool { return other.Account == o.Account })
		if o.Account == "" || known {
			continue
		}
		rest := a.total[o.Account].plus(a.own[in.Workload][o.Account], -1)
		others := Others{Account: o.Account, Usage: rest.usage()}
		for _, workload := range a.unknown[o.Account] {
			switch {
			case workload == in.Workload:
			case len(others.Unknown) < mostNamed:
				others.Unknown = append(others.Unknown, workload)
			default:
				others.Further++
			}
		}
		if len(others.Usage)+len(others.Unknown) == 0 {
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

// Used returns what in uses at the median volume, as if it were alone on its accounts: how a hybrid splits its load then does not depend on
// what others do.
func (in Input) Used() Used {
	u := Used{workload: in.Workload}
	options := make(map[string]Option, len(in.Options))
	for _, o := range in.Options {
		options[o.Name] = o
	}
	var accounts []string
	for _, o := range options[in.Current].parts(options) {
		if o.Account != "" && !slices.Contains(accounts, o.Account) {
			accounts = append(accounts, o.Account)
		}
	}
	idle := len(in.Forecast.Next) > model.Next30d && in.Forecast.Next[model.Next30d].Total.At(0.5) == 0
	if len(accounts) == 0 || idle {
		return u
	}
	in.Candidates, in.Others = nil, nil
	d, ok := in.demand()
	if !ok {
		u.unknown = accounts
		return u
	}
	all, _ := candidates(in, d)
	t := newTally()
	if len(all) == 0 || !t.serve(all[0].plan, d.median, one) {
		u.unknown = accounts
		return u
	}
	u.accounts = map[string]blocks{}
	for name, charged := range t.apis {
		if account := options[name].Account; account != "" {
			u.accounts[account] = u.accounts[account].plus(blocksOf(charged.usage), 1)
		}
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

// OthersOf returns the tokens that other workloads use of account in a month.
func (in Input) OthersOf(account string) model.Tokens {
	for _, o := range in.Others {
		if o.Account == account {
			return model.Tokens(float(blocksOf(o.Usage).tokens()))
		}
	}
	return 0
}

// SetOthers makes others use so many tokens of account, whoever they are: at the mix that they have, or at that of the workload where there were none.
func (in *Input) SetOthers(account string, total model.Tokens) {
	now := in.OthersOf(account)
	rest := slices.DeleteFunc(slices.Clone(in.Others), func(o Others) bool { return o.Account == account })
	usage := []cost.Usage{{}}
	if now > 0 {
		usage = in.Others[slices.IndexFunc(in.Others, func(o Others) bool { return o.Account == account })].Usage
	} else {
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
	if used := blocksOf(scaled).usage(); len(used) > 0 {
		rest = append(rest, Others{Account: account, Usage: used, Stated: true})
	}
	in.Others = rest
}

// account says whose tokens the bill of api counts beside those of the workload; nil when it counts none.
func (in Input) account(api Option) *model.AccountUse {
	for _, o := range in.Others {
		if api.Account == "" || o.Account != api.Account || len(o.Usage) == 0 {
			continue
		}
		use := &model.AccountUse{
			Account: o.Account, TokensPerMonth: in.OthersOf(o.Account), Workloads: o.From, More: o.More,
			From: "their current options at their median projections, in a month of 730 hours",
		}
		if o.Stated {
			use.Workloads, use.From = []model.AccountShare{}, "the what-if"
		}
		return use
	}
	return nil
}

// uncounted warns of workloads that use the account of api too, nobody knows how much.
func (in Input) uncounted(api Option) []model.Warning {
	for _, o := range in.Others {
		if api.Account != "" && o.Account == api.Account && len(o.Unknown) > 0 {
			shown := o.Unknown[:min(3, len(o.Unknown))]
			who := strings.Join(shown, ", ")
			if more := len(o.Unknown) - len(shown) + o.Further; more > 0 {
				who = fmt.Sprintf("%s and %d more", who, more)
			}
			return []model.Warning{{Code: "ACCOUNT_UNKNOWN", Text: fmt.Sprintf(
				"of the tokens of the account of %s those of %s are not known and not counted: its tiers or its commitment may reach further", api.Name, who,
			)}}
		}
	}
	return nil
}
