package cost

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"tipline/model"
)

// ErrNoPrice says that an API has no base price for tokens that a workload uses: it has no cost, which is not a cost of zero.
var ErrNoPrice = errors.New("no price")

// Usage is a block of a month's requests that are charged alike.
type Usage struct {
	Tokens   [model.NumClasses]*big.Rat // by class; nil means none
	Requests *big.Rat                   // nil means none
	Batch    bool                       // sent through a batch tier
	Long     bool                       // prompts above the long-context threshold, which pay the higher rate on all their tokens
}

// kind names what sets the price of u apart.
func (u Usage) kind() string {
	switch {
	case u.Long:
		return " (long prompts)"
	case u.Batch:
		return " (batch)"
	}
	return ""
}

// Bill is what an API charges for a month.
type Bill struct {
	Cost      *big.Rat // USD
	Tokens    *big.Rat // of all classes
	Parts     []Part   // sum to Cost
	Fallbacks []string // prices that were missing and what stood in for them

	sum bool // only Cost and Tokens are asked for, which takes a third of the memory
}

// Part is one term of a cost.
type Part struct {
	Name    string
	Formula string
	USD     *big.Rat
}

// PerMTok returns the effective price in USD per million tokens, nil when there are no tokens.
func (b Bill) PerMTok() *big.Rat {
	if b.Tokens.Sign() == 0 {
		return nil
	}
	return quo(mul(b.Cost, million), b.Tokens)
}

// Validate returns an error that names every price outside its range.
func (p Prices) Validate() error {
	var errs []error
	check := func(name string, r, most *big.Rat) {
		if r != nil && (r.Sign() < 0 || most != nil && r.Cmp(most) > 0) {
			errs = append(errs, fmt.Errorf("%s: got %s, want 0 or more%s", name, Decimal(r), upTo(most)))
		}
	}
	check("input", p.Input, nil)
	check("output", p.Output, nil)
	check("cache_read", p.CacheRead, nil)
	check("cache_write", p.CacheWrite, nil)
	check("cache_write_1h", p.CacheWrite1h, nil)
	check("batch_input", p.BatchInput, nil)
	check("batch_output", p.BatchOutput, nil)
	check("request_fee", p.RequestFee, nil)
	check("uplift", p.Uplift, nil)
	check("discount", p.Discount, one)
	check("minimum_commit", p.MinimumCommit, nil)
	check("fixed_monthly", p.FixedMonthly, nil)
	if p.Long != nil {
		if err := p.Long.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("long: %w", err))
		}
	}
	bound := zero
	for i, t := range p.Tiers {
		switch {
		case t.Above == nil || t.Above.Cmp(bound) <= 0:
			errs = append(errs, fmt.Errorf("tier %d: above: got %s, want more tokens a month than %s", i+1, text(t.Above), Decimal(bound)))
		case t.Times != nil && t.Times.Sign() < 0:
			errs = append(errs, fmt.Errorf("tier %d: times: got %s, want 0 or more", i+1, Decimal(t.Times)))
		}
		bound = or(t.Above, bound)
		if t.Prices != nil {
			if err := t.Prices.Validate(); err != nil {
				errs = append(errs, fmt.Errorf("tier %d: %w", i+1, err))
			}
		}
	}
	if err := p.Scale.Validate(); err != nil {
		errs = append(errs, err)
	}
	if p.Scale != nil && p.Scale.ByTokens && len(p.Tiers) > 0 {
		errs = append(errs, errors.New("tiers: want none beside the tiers of a contract that count tokens"))
	}
	return errors.Join(errs...)
}

// text writes r for a reader, who learns that it is missing.
func text(r *big.Rat) string {
	if r == nil {
		return "none"
	}
	return Decimal(r)
}

func upTo(most *big.Rat) string {
	if most == nil {
		return ""
	}
	return " and at most " + Decimal(most)
}

// Monthly returns the bill of a month's usage (cost model, section 3). The error is ErrNoPrice, wrapped, when a base price
// is missing, or says what is out of range.
func (p Prices) Monthly(usage []Usage) (Bill, error) { return p.MonthlyBeside(Beside{}, usage) }

// Beside is what others use of an account in a month, before the usage that is priced.
type Beside struct {
	Usage  []Usage  // of the API
	USD    *big.Rat // charged for other APIs under the same contract, before its Scale; nil means nothing
	Tokens *big.Rat // of those APIs; nil means none
}

// None reports whether nobody else uses the account.
func (b Beside) None() bool {
	return len(b.Usage) == 0 && or(b.USD, zero).Sign() == 0 && or(b.Tokens, zero).Sign() == 0
}

// used returns what b is, where its usage of the API is charged so many USD.
func (b Beside) used(usage *big.Rat) Used {
	return Used{USD: add(usage, or(b.USD, zero)), Tokens: add(totalOf(b.Usage), or(b.Tokens, zero))}
}

// MonthlyBeside returns what a month's usage adds to the bill of an account that is used beside it too: the bill with it less the bill without,
// where the tokens of the others come first. With nothing beside it is Monthly.
func (p Prices) MonthlyBeside(beside Beside, usage []Usage) (Bill, error) {
	if err := p.Validate(); err != nil {
		return Bill{}, err
	}
	before := totalOf(beside.Usage)
	bill, err := p.used(usage, p.levels(before, totalOf(usage)))
	if err != nil {
		return Bill{}, err
	}
	theirs := zero // USD of the API, before the scale
	if len(beside.Usage) > 0 {
		if theirs, err = p.reprice(&bill, beside.Usage); err != nil {
			return Bill{}, fmt.Errorf("the other workloads of the account: %w", err)
		}
	}
	others, own := beside.used(theirs), Used{bill.Cost, bill.Tokens}
	if charged := p.Scale.adds(others, own); charged.Cmp(bill.Cost) != 0 {
		bill.add("tiers of the contract", sub(charged, bill.Cost), one, p.Scale.formula(others, own))
	}
	if !beside.None() {
		p.settle(&bill, p.Scale.Due(others))
	} else if commit := or(p.MinimumCommit, zero); bill.Cost.Cmp(commit) < 0 {
		bill.add("unused commitment", sub(commit, bill.Cost), one, fmt.Sprintf("%s USD committed a month", Decimal(commit)))
	}
	if fixed := or(p.FixedMonthly, zero); fixed.Sign() > 0 && before.Sign() == 0 { // it is due without the usage too where others have the API
		bill.add("fixed fee", fixed, one, Decimal(fixed)+" USD a month")
	}
	return bill, nil
}

// used returns what usage is charged at levels, without the commitment and the fixed fee.
func (p Prices) used(usage []Usage, levels []level) (Bill, error) {
	bill := Bill{Cost: new(big.Rat), Tokens: totalOf(usage)}
	if err := p.charge(&bill, usage, levels); err != nil {
		return Bill{}, err
	}
	return bill, nil
}

// charge adds to bill what usage is charged at levels, without the commitment and the fixed fee.
func (p Prices) charge(bill *Bill, usage []Usage, levels []level) error {
	kept := one
	if p.Discount != nil && p.Discount.Sign() > 0 {
		kept = sub(one, p.Discount)
	}
	paid := kept // of the price of a token
	if p.Uplift != nil && p.Uplift.Sign() > 0 {
		paid = mul(kept, add(one, p.Uplift))
	}
	var requests big.Rat
	for _, u := range usage {
		for _, class := range model.Classes {
			if tokens := u.Tokens[class]; tokens != nil && tokens.Sign() < 0 {
				return fmt.Errorf("%s tokens: got %s, want 0 or more", class, Decimal(tokens))
			}
		}
		requests.Add(&requests, or(u.Requests, zero))
	}
	for _, l := range levels {
		if err := bill.charge(l, usage, paid); err != nil {
			return err
		}
	}
	if fee := or(p.RequestFee, zero); fee.Sign() > 0 && requests.Sign() > 0 {
		bill.add("request fees", mul(&requests, fee), kept, fmt.Sprintf("%s requests × %s USD", Decimal(&requests), Decimal(fee)))
	}
	return nil
}

// reprice adds to b, what usage costs after that of others, what it does to their bill where all units are priced anew. It returns what they are
// charged without it, in USD.
func (p Prices) reprice(b *Bill, others []Usage) (*big.Rat, error) {
	before := totalOf(others)
	without, err := p.used(others, p.levels(zero, before))
	if err != nil || !p.AllUnits || b.Tokens.Sign() == 0 || before.Sign() == 0 {
		return without.Cost, err
	}
	with, err := p.used(others, p.levels(before, b.Tokens))
	if err != nil {
		return nil, err
	}
	if change := sub(with.Cost, without.Cost); change.Sign() != 0 {
		b.add("other workloads at another price", change, one, fmt.Sprintf("%s of the account from %s to %s USD/Mtok",
			model.FormatTokens(model.Tokens(Float(before))), Decimal(without.PerMTok()), Decimal(with.PerMTok())))
	}
	return without.Cost, nil
}

// settle adds to b what is left of the commitment where others are charged theirs: that is due without the usage too.
func (p Prices) settle(b *Bill, theirs *big.Rat) {
	commit := or(p.MinimumCommit, zero)
	all := add(theirs, b.Cost)
	if change := sub(sub(greater(commit, all), all), sub(greater(commit, theirs), theirs)); change.Sign() != 0 {
		b.add("commitment of the account", change, one, fmt.Sprintf("%s USD committed a month, of which the other workloads use %s",
			Decimal(commit), Decimal(theirs)))
	}
}

// Share returns which part of the month's bill of usage and what is beside it is for usage, in USD: a token costs what one of its kind does on
// average, the commitment is split as what is spent is, and the fixed fee as that is on the API. The shares of all workloads of an account are its
// bill.
func (p Prices) Share(beside Beside, usage []Usage) (*big.Rat, error) {
	if beside.None() {
		bill, err := p.Monthly(usage)
		return bill.Cost, err
	}
	all := append(slices.Clip(beside.Usage), usage...)
	whole, err := p.Of(all, all)
	if err != nil {
		return nil, err
	}
	ofAPI, err := p.Part(Beside{Usage: beside.Usage}, usage)
	if err != nil {
		return nil, err
	}
	part, err := p.Part(beside, usage)
	if err != nil {
		return nil, err
	}
	together := Beside{Usage: all, USD: beside.USD, Tokens: beside.Tokens}
	due := greater(or(p.MinimumCommit, zero), p.Scale.Due(together.used(whole)))
	return add(mul(due, part), mul(or(p.FixedMonthly, zero), ofAPI)), nil
}

// Part returns which share usage has, 0 to 1, in what is spent on it and on what is beside it; that of the tokens where nothing is spent.
func (p Prices) Part(beside Beside, usage []Usage) (*big.Rat, error) {
	all := append(slices.Clip(beside.Usage), usage...)
	own, err := p.Of(all, usage)
	if err != nil {
		return nil, err
	}
	whole, err := p.Of(all, all)
	if err != nil {
		return nil, err
	}
	if spent := add(whole, or(beside.USD, zero)); spent.Sign() > 0 {
		return quo(own, spent), nil
	}
	if tokens := totalOf(all); tokens.Sign() > 0 {
		return quo(totalOf(usage), tokens), nil
	}
	return zero, nil
}

// Of returns what usage, which is a part of all, is charged in a month of all of them, in USD, without the scale of a contract, the commitment and the
// fixed fee. Tokens of a kind cost what they do on average.
func (p Prices) Of(all, usage []Usage) (*big.Rat, error) {
	bill, err := p.used(usage, p.levels(zero, totalOf(all)))
	return bill.Cost, err
}

// totalOf returns the tokens of usage.
func totalOf(usage []Usage) *big.Rat {
	total := new(big.Rat)
	for _, u := range usage {
		for _, tokens := range u.Tokens {
			if tokens != nil {
				total.Add(total, tokens)
			}
		}
	}
	return total
}

// A level is a tier as one month reaches it.
type level struct {
	prices Prices
	share  *big.Rat // of the month's tokens that it prices
	name   string   // what sets its prices apart, for the name of a part
}

// levels returns what tokens of a month are priced at that come after those that were used before. A month's mix is the same in every tier.
func (p Prices) levels(before, tokens *big.Rat) []level {
	all := tokens
	if before.Sign() > 0 {
		all = add(before, tokens)
	}
	first, reached := 0, 0
	for reached < len(p.Tiers) && p.Tiers[reached].Above.Cmp(all) < 0 {
		reached++
		if p.Tiers[reached-1].Above.Cmp(before) <= 0 {
			first = reached
		}
	}
	at := func(i int) level { // tier i, the first of which is 1
		if i == 0 {
			return level{prices: p, share: one}
		}
		t := p.Tiers[i-1]
		return level{prices: t.in(p), share: one, name: " above " + model.FormatTokens(model.Tokens(Float(t.Above)))}
	}
	if reached == first || p.AllUnits {
		return []level{at(reached)}
	}
	levels, from := make([]level, 0, reached-first+1), before
	for i := first; i <= reached; i++ {
		to := all
		if i < reached {
			to = p.Tiers[i].Above
		}
		l := at(i)
		l.share = quo(sub(to, from), tokens)
		levels, from = append(levels, l), to
	}
	return levels
}

// charge adds what the tokens of usage cost at l, of which the share kept is charged.
func (b *Bill) charge(l level, usage []Usage, kept *big.Rat) error {
	for _, u := range usage {
		for _, class := range model.Classes {
			tokens := u.Tokens[class]
			if tokens == nil || tokens.Sign() == 0 {
				continue
			}
			price, fallback, err := l.prices.price(class, u.Batch, u.Long)
			if err != nil {
				return err
			}
			if fallback != "" && !slices.Contains(b.Fallbacks, fallback) {
				b.Fallbacks = append(b.Fallbacks, fallback)
			}
			if l.share != one {
				tokens = mul(tokens, l.share)
			}
			usd := perMillion(tokens, price)
			if b.sum {
				if kept != one {
					usd.Mul(usd, kept)
				}
				b.Cost.Add(b.Cost, usd)
				continue
			}
			b.add(class.String()+" tokens"+u.kind()+l.name, usd, kept,
				fmt.Sprintf("%s × %s USD/Mtok", model.FormatTokens(model.Tokens(Float(tokens))), Decimal(price)))
		}
	}
	return nil
}

// add appends a part of usd dollars of which the share kept is charged.
func (b *Bill) add(name string, usd, kept *big.Rat, formula string) {
	if kept != one {
		usd, formula = mul(usd, kept), formula+" × "+Decimal(kept)
	}
	b.Parts = append(b.Parts, Part{Name: name, Formula: formula, USD: usd})
	b.Cost.Add(b.Cost, usd)
}

// price returns the price of a class in USD per million tokens and says what stood in for a missing one. A price that a
// long-context or batch tier does not list is the price without that tier: no discount is ever assumed.
func (p Prices) price(class model.Class, batch, long bool) (price *big.Rat, fallback string, err error) {
	if long && p.Long != nil {
		if price := p.Long.listed(class); price != nil {
			return price, "", nil
		}
		if class != model.Output && p.Long.Input != nil { // the base price of the direction, in the tier that the request is in
			return p.Long.Input, fmt.Sprintf("no long-context price for %s: the long-context input price is used", class), nil
		}
		price, _, err := p.price(class, batch, false)
		return price, fmt.Sprintf("no long-context price for %s: the price without it is used", class), err
	}
	if batch {
		switch {
		case class == model.Input && p.BatchInput != nil:
			return p.BatchInput, "", nil
		case class == model.Output && p.BatchOutput != nil:
			return p.BatchOutput, "", nil
		case class == model.Input, class == model.Output:
			fallback = fmt.Sprintf("no batch price for %s: the price without batch is used", class)
		}
	}
	if price := p.listed(class); price != nil {
		return price, fallback, nil
	}
	if class == model.Output || p.Input == nil {
		return nil, "", fmt.Errorf("%w for %s tokens", ErrNoPrice, class)
	}
	return p.Input, fmt.Sprintf("no price for %s: the input price is used", class), nil
}

// listed returns the price of class as it is listed, nil when it is not.
func (p Prices) listed(class model.Class) *big.Rat {
	return [model.NumClasses]*big.Rat{p.Input, p.CacheRead, p.CacheWrite, p.CacheWrite1h, p.Output}[class]
}

// Decimal writes r for a reader: exact when it has at most six decimals, rounded to six otherwise.
func Decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	const digits, unit = 6, 1_000_000
	text := r.FloatString(digits)
	if d := r.Denom(); d.IsUint64() && unit%d.Uint64() == 0 { // exact
		return strings.TrimRight(text, "0")
	}
	return text
}
