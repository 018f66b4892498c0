package decide

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"math/bits"
	"slices"

	"tipline/model"
	"tipline/model/cost"
)

// Joint is what it rests on that workloads would pay to leave an account together, or to move to it, or that they would not although each is told
// to, and all that is needed to compute it again.
type Joint struct {
	Account string     // the contract, or the account where there is none
	Kind    string     // model.JointLeave or model.JointEnter
	AtOdds  bool       // each is told to, and together they had better not
	Due     *big.Rat   `json:",omitempty"` // USD a month that stay due of it whoever leaves; nil means nothing
	APIs    []JointAPI // by name
	Members []Member   // by name
}

// JointAPI is an API of the account.
type JointAPI struct {
	Option  string
	Account string // whose tokens its tiers count
	Prices  *cost.Prices
	Rest    []cost.Usage // what is used of it in a month beside the members
}

// Member is one of the workloads.
type Member struct {
	Workload  string
	Decision  string // id of the decision on it alone
	API       string // that it leaves, or moves to
	Usage     []cost.Usage
	Option    string  // that serves it otherwise
	USD       float64 // a month of that
	Migration float64 // USD, once
	Told      bool    // the decision on it alone says so
}

// Tokens returns what m uses of the API in a month.
func (m Member) Tokens() model.Tokens { return model.Tokens(float(blocksOf(m.Usage).tokens())) }

// joiner is a Member that looks for others.
type joiner struct {
	Member
	charge charge
	kind   string
	due    *big.Rat
	policy Policy
}

// joiners returns the workload as one that may leave the account of the API that serves it, or move to another: the whole of it, by what it uses at the
// median volume. A hybrid with a part on the account is among those that neither leave nor join: how it splits its load depends on the price that the
// others make, so that every set of workloads would have other splits. What it uses counts in the bill, and it may be what a workload leaves for.
func (e *explanation) joiners(d model.Decision) (all []joiner) {
	if e.now.due == nil || !slices.ContainsFunc(e.all, func(c *costed) bool { return c.api.Account != "" }) {
		return nil
	}
	on := func(c *costed) string { // whose bill c alone is on, empty for what is on none or on several
		if c.option.Hosting != model.API || c.problem != "" {
			return ""
		}
		return c.option.invoice()
	}
	allowed := func(c *costed) bool { return c != e.now && len(c.blocked) == 0 && c.due != nil }
	told := func(c *costed) bool { return d.Recommendation == model.Move && d.Option == c.option.Name }
	add := func(kind string, api, other, to *costed) {
		asGiven := e.in.Options[slices.IndexFunc(e.in.Options, func(o Option) bool { return o.Name == api.option.Name })] // prices of other times count from its own
		j := joiner{kind: kind, policy: e.in.Policy, charge: charge{asGiven, blocksOf(api.usage(e.demand.median))}}
		j.Member = Member{
			Workload: e.in.Workload, API: api.option.Name, Usage: j.charge.blocks.usage(), Option: other.option.Name, USD: float(other.due),
			Migration: float(orZero(to.option.MigrationCost)), Told: told(to),
		}
		if s := e.sunk; s != nil && kind == model.JointLeave && s.api {
			j.due = s.usd
		} else if c := api.option.Committed; kind == model.JointLeave && c != nil && e.in.Forecast.Origin.Before(c.Until) {
			if j.due = c.USDPerMonth; j.due == nil {
				j.due = api.option.API.MinimumCommit
			}
		}
		all = append(all, j)
	}
	cheapest := map[string]*costed{} // API by bill
	var away *costed
	for _, c := range e.all {
		if !allowed(c) {
			continue
		}
		name := on(c)
		shares := slices.ContainsFunc(c.parts(), func(part *plan) bool { return part.api.invoice() == on(e.now) })
		if !shares && (away == nil || c.due.Cmp(away.due) < 0) {
			away = c
		}
		if name != "" && name != on(e.now) && (cheapest[name] == nil || c.due.Cmp(cheapest[name].due) < 0) {
			cheapest[name] = c
		}
	}
	if on(e.now) != "" && away != nil {
		add(model.JointLeave, e.now, away, away)
	}
	for _, name := range slices.Sorted(maps.Keys(cheapest)) {
		add(model.JointEnter, cheapest[name], e.now, cheapest[name])
	}
	return all
}

// on returns those of a alone that are paid on one invoice.
func (a *Accounts) on(invoice string) *Accounts {
	part := &Accounts{apis: map[string]map[string]charge{}, at: a.at}
	for account, byOption := range a.apis {
		for name, c := range byOption {
			if c.api.invoice() != invoice {
				continue
			}
			if part.apis[account] == nil {
				part.apis[account] = map[string]charge{}
			}
			part.apis[account][name] = c
		}
	}
	return part
}

// Joints returns what workloads would pay to do together with an account, and what they would not although each is told to, the largest saving
// first: at most one finding for each account and direction. The order of workloads does not matter.
func Joints(workloads []Judged) []Joint {
	var used []Used
	groups := map[[2]string][]joiner{}
	for _, w := range workloads {
		used = append(used, w.Used)
		for _, j := range w.Verdict.joiners {
			j.Decision = w.Receipt
			key := [2]string{j.charge.api.invoice(), j.kind}
			groups[key] = append(groups[key], j)
		}
	}
	accounts := AccountsOf(used)
	type found struct {
		Joint
		saving float64
	}
	var all []found
	for _, key := range slices.SortedFunc(maps.Keys(groups), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if len(groups[key]) < 2 {
			continue
		}
		s := newSearch(accounts.on(key[0]), key[0], key[1], groups[key])
		if j, saving, ok := s.best(); ok {
			all = append(all, found{j, saving})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.saving, a.saving) })
	var joints []Joint
	for _, f := range all {
		joints = append(joints, f.Joint)
	}
	return joints
}

// search looks for those who had better change their places at one account together.
type search struct {
	accounts *Accounts // with those in set where they would be
	invoice  string
	kind     string
	joiners  []joiner // by name
	set      []bool
	due      *big.Rat
	before   *big.Rat  // the bill as it is
	alone    []float64 // USD a month that each saves by itself
}

func newSearch(accounts *Accounts, invoice, kind string, joiners []joiner) *search {
	s := &search{accounts: accounts, invoice: invoice, kind: kind, joiners: slices.Clone(joiners), set: make([]bool, len(joiners)), due: new(big.Rat)}
	slices.SortFunc(s.joiners, func(a, b joiner) int { return cmp.Compare(a.Workload, b.Workload) })
	for _, j := range s.joiners {
		s.due = greater(s.due, orZero(j.due))
	}
	s.before = s.bill()
	for i := range s.joiners {
		s.toggle(i)
		s.alone = append(s.alone, s.weigh().saving)
		s.toggle(i)
	}
	return s
}

// toggle moves one of them, or back.
func (s *search) toggle(i int) {
	times := int64(1)
	if (s.kind == model.JointLeave) != s.set[i] {
		times = -1
	}
	s.accounts.add([]charge{s.joiners[i].charge}, times)
	s.set[i] = !s.set[i]
}

// bill returns what is paid for the account.
func (s *search) bill() *big.Rat { return greater(s.accounts.invoiced(s.invoice), s.due) }

// weighed is what a set of workloads would save.
type weighed struct {
	saving    float64 // USD a month
	paid      float64 // what they cost now, as far as it would change
	alone     float64 // what those of them save by themselves who save anything
	migration float64 // USD
	policy    Policy  // the strictest numbers of theirs
	members   int
	told      int
}

// weigh returns what set would save.
func (s *search) weigh() (w weighed) {
	change := float(new(big.Rat).Sub(s.before, s.bill())) // by which the bill falls
	elsewhere := 0.0
	for i, in := range s.set {
		if !in {
			continue
		}
		j := s.joiners[i]
		elsewhere, w.migration, w.members = elsewhere+j.USD, w.migration+j.Migration, w.members+1
		if i < len(s.alone) {
			w.alone += max(0, s.alone[i])
		}
		if j.Told {
			w.told++
		}
		w.policy.Enter = greater(orZero(w.policy.Enter), orZero(j.policy.Enter))
		w.policy.MinSavingUSD = greater(orZero(w.policy.MinSavingUSD), orZero(j.policy.MinSavingUSD))
		if p := j.policy.MaxPaybackMonths; p != nil && (w.policy.MaxPaybackMonths == nil || p.Cmp(w.policy.MaxPaybackMonths) < 0) {
			w.policy.MaxPaybackMonths = p
		}
	}
	if s.kind == model.JointLeave {
		w.saving, w.paid = change-elsewhere, change
	} else {
		w.saving, w.paid = change+elsewhere, elsewhere
	}
	return w
}

// pays reports whether a move is worth it by what a policy says of a single one.
func (w weighed) pays() bool {
	p := w.policy
	return w.saving > 0 && w.saving >= float(p.MinSavingUSD) && w.saving >= float(p.Enter)*w.paid &&
		(p.MaxPaybackMonths == nil || w.migration <= w.saving*float(p.MaxPaybackMonths))
}

// together reports whether it is worth saying that they should move together: what they save beyond what each saves alone is a saving by itself.
func (w weighed) together() bool {
	return w.members > 1 && w.told < w.members && w.pays() && w.saving-w.alone > 0 && w.saving-w.alone >= float(w.policy.MinSavingUSD)
}

// mostExact is how many workloads every set of which is looked at: 256 sets.
const mostExact = 8

// mostPrefixes bounds how many sets are looked at of more workloads than that, in each order.
const mostPrefixes = 512

// best returns what those do who save most together; otherwise who is told to move and had better not, if there are such; false without either.
func (s *search) best() (j Joint, saving float64, found bool) {
	var most weighed
	var set []bool
	look := func() {
		if w := s.weigh(); w.together() && (set == nil || w.saving > most.saving || w.saving == most.saving && w.members < most.members) {
			most, set = w, slices.Clone(s.set)
		}
	}
	if n := len(s.joiners); n <= mostExact {
		for i := 1; i < 1<<n; i++ { // one of them changes its place at a time
			s.toggle(bits.TrailingZeros(uint(i)))
			look()
		}
	} else {
		for _, order := range s.orders() {
			s.reset()
			for place, i := range order {
				s.toggle(i)
				if place%(1+n/mostPrefixes) == 0 || place == n-1 {
					look()
				}
			}
		}
	}
	s.reset()
	if set != nil {
		s.to(set)
		return s.joint(false), most.saving, true
	}
	for i, j := range s.joiners {
		if j.Told {
			s.toggle(i)
		}
	}
	if w := s.weigh(); w.told > 1 && !w.pays() && w.saving < w.alone {
		return s.joint(true), w.saving, true
	}
	return Joint{}, 0, false
}

// orders returns in which orders the sets grow: by what each saves alone, and by what it costs elsewhere for each dollar of its list price, the best
// first.
func (s *search) orders() [][]int {
	by := func(less func(i int) float64) []int {
		order := make([]int, len(s.joiners))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(less(a), less(b)) })
		return order
	}
	ratio := make([]float64, len(s.joiners))
	for i, j := range s.joiners {
		list, err := j.charge.api.at(s.accounts.at).API.Of(j.Usage, j.Usage)
		if err == nil && list.Sign() > 0 {
			ratio[i] = j.USD / float(list)
		}
		if s.kind == model.JointEnter {
			ratio[i] = -ratio[i]
		}
	}
	return [][]int{by(func(i int) float64 { return -s.alone[i] }), by(func(i int) float64 { return ratio[i] })}
}

func (s *search) reset() { s.to(make([]bool, len(s.set))) }

// to makes the set want.
func (s *search) to(want []bool) {
	for i := range s.set {
		if s.set[i] != want[i] {
			s.toggle(i)
		}
	}
}

// joint returns the set as what is kept of it.
func (s *search) joint(atOdds bool) Joint {
	j := Joint{Account: s.invoice, Kind: s.kind, AtOdds: atOdds}
	if s.due.Sign() > 0 {
		j.Due = s.due
	}
	set := slices.Clone(s.set)
	if s.kind == model.JointEnter {
		s.reset()
	}
	for account, byOption := range s.accounts.apis {
		for name, c := range byOption {
			j.APIs = append(j.APIs, JointAPI{Option: name, Account: account, Prices: c.api.at(s.accounts.at).API, Rest: c.blocks.usage()})
		}
	}
	for i, in := range set {
		if !in {
			continue
		}
		m := s.joiners[i]
		j.Members = append(j.Members, m.Member)
		if !slices.ContainsFunc(j.APIs, func(a JointAPI) bool { return a.Option == m.API }) { // that nobody is on yet
			j.APIs = append(j.APIs, JointAPI{Option: m.API, Account: m.charge.api.Account, Prices: m.charge.api.at(s.accounts.at).API})
		}
	}
	slices.SortFunc(j.APIs, func(a, b JointAPI) int { return cmp.Compare(a.Option, b.Option) })
	return j
}

// Validate returns an error that says what j lacks, which a stranger may have written.
func (j Joint) Validate() error {
	if j.Kind != model.JointLeave && j.Kind != model.JointEnter {
		return fmt.Errorf("joint move: got the kind %q, want %s or %s", j.Kind, model.JointLeave, model.JointEnter)
	}
	for _, a := range j.APIs {
		if a.Prices == nil {
			return fmt.Errorf("joint move: got no prices of %q", a.Option)
		}
		if err := a.Prices.Validate(); err != nil {
			return fmt.Errorf("joint move: %q: %w", a.Option, err)
		}
	}
	for _, m := range j.Members {
		if !slices.ContainsFunc(j.APIs, func(a JointAPI) bool { return a.Option == m.API }) {
			return fmt.Errorf("joint move: got %q of %q, want one of the APIs that it has the prices of", m.API, m.Workload)
		}
	}
	return nil
}

// Move says what j is and what it saves.
func (j Joint) Move() model.JointMove {
	apis := map[string]Option{}
	rest := &Accounts{apis: map[string]map[string]charge{}}
	for _, a := range j.APIs {
		apis[a.Option] = Option{Name: a.Option, Account: a.Account, Contract: j.Account, API: a.Prices}
		rest.add([]charge{{apis[a.Option], blocksOf(a.Rest)}}, 1)
	}
	var joiners []joiner
	for _, m := range j.Members {
		joiners = append(joiners, joiner{Member: m, charge: charge{apis[m.API], blocksOf(m.Usage)}, due: j.Due})
		if j.Kind == model.JointLeave {
			rest.add([]charge{joiners[len(joiners)-1].charge}, 1)
		}
	}
	s := newSearch(rest, j.Account, j.Kind, joiners)
	f := model.JointMove{Account: j.Account, Kind: j.Kind, AtOdds: j.AtOdds, Workloads: []string{}, Told: []string{}, Options: []string{}}
	for i, m := range s.joiners {
		s.toggle(i)
		f.Workloads = append(f.Workloads, m.Workload)
		if m.Told {
			f.Told = append(f.Told, m.Workload)
		}
		to := m.Option
		if j.Kind == model.JointEnter {
			to = m.API
		}
		f.Options = append(f.Options, to)
		f.OtherUSDPerMonth += model.USD(m.USD)
		f.AloneUSDPerMonth += model.USD(max(0, s.alone[i]))
		f.MigrationUSD += model.USD(m.Migration)
	}
	slices.Sort(f.Options)
	f.Options = slices.Compact(f.Options)
	after := s.bill()
	f.BillBeforeUSDPerMonth, f.BillAfterUSDPerMonth, f.SavingUSDPerMonth = usd(s.before), usd(after), model.USD(s.weigh().saving)
	f.Because = jointly(f)
	return f
}

// jointly says in one sentence what moving together does.
func jointly(f model.JointMove) string {
	who, about := listed(f.Workloads), model.FormatUSDAbout
	how := fmt.Sprintf("by leaving %s for %s together: its bill falls from %s to %s a month, and there they cost %s",
		f.Account, listed(f.Options), about(f.BillBeforeUSDPerMonth), about(f.BillAfterUSDPerMonth), about(f.OtherUSDPerMonth))
	if f.Kind == model.JointEnter {
		how = fmt.Sprintf("by moving to %s (%s) together: its bill rises from %s to %s a month, and they cost %s now",
			f.Account, listed(f.Options), about(f.BillBeforeUSDPerMonth), about(f.BillAfterUSDPerMonth), about(f.OtherUSDPerMonth))
	}
	alone := "none of them is told to alone"
	if n := len(f.Told); n > 0 {
		alone = fmt.Sprintf("alone %s told to", map[bool]string{true: "one of them is", false: fmt.Sprintf("%d of them are", n)}[n == 1])
	}
	switch {
	case !f.AtOdds:
		return fmt.Sprintf("%s would save %s a month %s; %s", who, about(f.SavingUSDPerMonth), how, alone)
	case f.SavingUSDPerMonth < 0:
		return fmt.Sprintf("%s are each told to move, and would lose %s a month %s: move one, then look again", who, about(-f.SavingUSDPerMonth), how)
	}
	return fmt.Sprintf("%s are each told to move, and would save no more than %s a month %s: move one, then look again", who, about(f.SavingUSDPerMonth), how)
}
