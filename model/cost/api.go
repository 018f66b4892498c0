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

// tier names what sets the price of u apart.
func (u Usage) tier() string {
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
	return errors.Join(errs...)
}

func upTo(most *big.Rat) string {
	if most == nil {
		return ""
	}
	return " and at most " + Decimal(most)
}

// Monthly returns the bill of a month's usage (cost model, section 3). The error is ErrNoPrice, wrapped, when a base price
// is missing, or says what is out of range.
func (p Prices) Monthly(usage []Usage) (Bill, error) {
	if err := p.Validate(); err != nil {
		return Bill{}, err
	}
	bill := Bill{Cost: new(big.Rat), Tokens: new(big.Rat)}
	kept := sub(one, or(p.Discount, zero))
	charged := mul(kept, add(one, or(p.Uplift, zero)))
	var requests big.Rat
	for _, u := range usage {
		for _, class := range model.Classes {
			tokens := u.Tokens[class]
			if tokens == nil || tokens.Sign() == 0 {
				continue
			}
			if tokens.Sign() < 0 {
				return Bill{}, fmt.Errorf("%s tokens: got %s, want 0 or more", class, Decimal(tokens))
			}
			price, fallback, err := p.rate(class, u.Batch, u.Long)
			if err != nil {
				return Bill{}, err
			}
			if fallback != "" && !slices.Contains(bill.Fallbacks, fallback) {
				bill.Fallbacks = append(bill.Fallbacks, fallback)
			}
			bill.Tokens.Add(bill.Tokens, tokens)
			bill.add(class.String()+" tokens"+u.tier(), quo(mul(tokens, price), million), charged,
				fmt.Sprintf("%s × %s USD/Mtok", model.FormatTokens(model.Tokens(float(tokens))), Decimal(price)))
		}
		requests.Add(&requests, or(u.Requests, zero))
	}
	if fee := or(p.RequestFee, zero); fee.Sign() > 0 && requests.Sign() > 0 {
		bill.add("request fees", mul(&requests, fee), kept, fmt.Sprintf("%s requests × %s USD", Decimal(&requests), Decimal(fee)))
	}
	if commit := or(p.MinimumCommit, zero); bill.Cost.Cmp(commit) < 0 {
		bill.add("unused commitment", sub(commit, bill.Cost), one, fmt.Sprintf("%s USD committed a month", Decimal(commit)))
	}
	if fixed := or(p.FixedMonthly, zero); fixed.Sign() > 0 {
		bill.add("fixed fee", fixed, one, Decimal(fixed)+" USD a month")
	}
	return bill, nil
}

// add appends a part of usd dollars of which the share kept is charged.
func (b *Bill) add(name string, usd, kept *big.Rat, formula string) {
	if kept.Cmp(one) != 0 {
		formula += " × " + Decimal(kept)
	}
	part := Part{Name: name, Formula: formula, USD: mul(usd, kept)}
	b.Parts = append(b.Parts, part)
	b.Cost = add(b.Cost, part.USD)
}

// rate returns the price of a class in USD per million tokens and says what stood in for a missing one. A price that a
// long-context or batch tier does not list is the price without that tier: no discount is ever assumed.
func (p Prices) rate(class model.Class, batch, long bool) (price *big.Rat, fallback string, err error) {
	if long && p.Long != nil {
		if price := p.Long.listed(class); price != nil {
			return price, "", nil
		}
		if class != model.Output && p.Long.Input != nil { // the base price of the direction, in the tier that the request is in
			return p.Long.Input, fmt.Sprintf("no long-context price for %s: the long-context input price is used", class), nil
		}
		price, _, err := p.rate(class, batch, false)
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

// Linear is an API bill as a function of volume alone: max(MinimumCommit, V · PerMTok / 10^6) + FixedMonthly.
type Linear struct {
	PerMTok       *big.Rat // USD per million tokens of all classes
	MinimumCommit *big.Rat // USD per month; nil means none
	FixedMonthly  *big.Rat // USD per month; nil means none
}

// At returns the bill in USD for volume tokens.
func (l Linear) At(volume *big.Rat) *big.Rat {
	usage := quo(mul(volume, l.PerMTok), million)
	return add(greater(usage, or(l.MinimumCommit, zero)), or(l.FixedMonthly, zero))
}

// Linear returns the bill at a fixed mix: tokens holds the tokens of each class of some volume above zero and requests the
// requests that came with it. The errors are those of Monthly.
func (p Prices) Linear(usage []Usage) (Linear, error) {
	variable := p
	variable.MinimumCommit, variable.FixedMonthly = nil, nil
	bill, err := variable.Monthly(usage)
	if err != nil {
		return Linear{}, err
	}
	perMTok := bill.PerMTok()
	if perMTok == nil {
		return Linear{}, errors.New("no tokens: the mix is not known")
	}
	return Linear{PerMTok: perMTok, MinimumCommit: p.MinimumCommit, FixedMonthly: p.FixedMonthly}, nil
}

// float returns the nearest float64.
func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
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
