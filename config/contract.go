package config

import (
	"fmt"
	"math/big"
	"slices"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// contracts puts what is agreed upon for several options into each of them. A commitment, a discount, free credits or tiers that count tokens are in one
// place: the option or its contract.
func (r *reader) contracts(raws []rawContract, options []decide.Option, rawOptions []rawOption) {
	lines, covered := map[string]int{}, map[string]bool{}
	for _, c := range raws {
		if c.At.node == nil {
			continue // not a mapping, which has been reported
		}
		name := r.name(c.Name, c.At, lines)
		if len(c.Options) == 0 {
			r.missing(c.At, "options", ", want the names of options of kind api")
		}
		commit := r.number(c.MinimumCommit, demand{"dollars per month, more than 0", positive})
		discount := r.number(c.Discount, demand{"a share of the price, 0 or more and less than 1, such as 0.1 for 10%", belowOne})
		credits := r.credits(c.Credits)
		scale := r.scale(c.Tiers)
		if !c.MinimumCommit.given() && !c.Discount.given() && c.Tiers == nil && c.Credits == nil {
			r.wrong(c.At, "agrees on nothing, want minimum_commit_usd_per_month, discount, tiers or credits")
		}
		until, ends := r.lastDayOf(c.Until)
		if c.Until.given() && !c.MinimumCommit.given() {
			r.wrong(c.Until.place, "there is no commitment, want it beside minimum_commit_usd_per_month")
		}
		for _, member := range c.Options {
			option := r.word(member)
			i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == option })
			switch {
			case option == "": // which has been reported
				continue
			case i < 0 || options[i].Hosting != model.API:
				r.wrong(member.place, "got %s, want the name of an option of kind api", quote(option))
				continue
			case covered[option]:
				r.wrong(member.place, "%s is under a contract already", quote(option))
				continue
			}
			covered[option] = true
			o := &options[i]
			raw := rawOptions[slices.IndexFunc(rawOptions, func(raw rawOption) bool { return raw.Name.text() == option })]
			r.agreedOnce(c, raw)
			if o.API == nil { // it has no price
				continue
			}
			t := r.tariff(r.itemOf(raw), rawProvenance{})
			if commit != nil {
				o.API.MinimumCommit = t.add("minimum_commit", commit, "USD/month")
				if ends {
					o.Committed = &decide.Commitment{Until: until}
				}
			}
			if discount != nil {
				o.API.Discount = t.add("discount", discount, "share")
			}
			if scale != nil {
				o.API.Scale = t.addScale(scale)
			}
			o.Prices = append(o.Prices, t.rows...)
			if discount != nil || c.DiscountUntil.given() {
				r.endDiscount(o, c.DiscountUntil, c.Discount)
			}
			if credits != nil {
				o.Credits = credits
			}
			if commit != nil || credits != nil || scale != nil {
				o.Contract, o.Account = name, name+"/"+r.itemOf(raw)
			}
		}
	}
	for _, c := range raws {
		r.ownAccounts(c, options)
	}
}

// ownAccounts reports an option that c does not cover and that would be on a bill of its by name: bills are told apart by the names of contracts,
// items and options.
func (r *reader) ownAccounts(c rawContract, options []decide.Option) {
	name := c.Name.text()
	for _, in := range options {
		if in.Contract == "" || in.Contract != name {
			continue
		}
		for _, o := range options {
			if o.Contract != name && o.Account != "" && (o.Account == in.Account || o.Contract == "" && o.Account == name) {
				r.wrong(c.Name.place, "%s names the account of %s, which it does not cover: want another name", quote(name), quote(o.Name))
				return
			}
		}
	}
}

// agreedOnce reports what c agrees on and option has too.
func (r *reader) agreedOnce(c rawContract, option rawOption) {
	for _, key := range []struct {
		name        string
		both        bool
		inTheOption place
	}{
		{"minimum_commit_usd_per_month", c.MinimumCommit.given() && option.MinimumCommit.given(), option.MinimumCommit.place},
		{"discount", c.Discount.given() && option.Discount.given(), option.Discount.place},
		{"credits", c.Credits != nil && option.Credits != nil, option.At},
		{"committed", c.Until.given() && option.Committed != nil, option.At},
		{"billed_for", option.BilledFor.text() == forWorkload && (c.MinimumCommit.given() || c.Tiers != nil || c.Credits != nil), option.BilledFor.place},
		{"tiers", c.Tiers != nil && c.Tiers.countTokens() && option.Tiers != nil, option.At},
	} {
		if key.both {
			r.wrong(key.inTheOption, "%s of %s is given by the contract %s, want one of the two", key.name, quote(option.Name.text()), quote(c.Name.text()))
		}
	}
}

// scale reads what a contract takes off by what all of its options are charged, or by their tokens.
func (r *reader) scale(raw *rawScale) *cost.Scale {
	if raw == nil || raw.At.node == nil {
		return nil
	}
	s := &cost.Scale{AllUnits: r.required(raw.Kind, raw.At, "kind", []string{marginalTiers, allUnitsTiers}) == allUnitsTiers, ByTokens: raw.countTokens()}
	if len(raw.Steps) == 0 {
		r.missing(raw.At, "steps", ", want volumes and the discounts above them")
	}
	var bound *big.Rat
	for _, step := range raw.Steps {
		if step.At.node == nil {
			continue // not a mapping, which has been reported
		}
		above, volume := step.AboveUSD, "dollars a month, before this discount, more than 0"
		if s.ByTokens {
			above, volume = step.AboveTokens, "tokens a month, more than 0"
		}
		switch {
		case step.AboveUSD.given() == step.AboveTokens.given():
			r.wrong(step.At, "want exactly one of above_usd and above_tokens")
			continue
		case !above.given():
			r.wrong(step.At, "want all steps to have above_usd or all to have above_tokens")
			continue
		case !step.Discount.given():
			r.missing(step.At, "discount", ", want a share of the price such as 0.1 for 10%")
		}
		next := cost.ScaleStep{
			Above:    r.number(above, demand{volume, positive}),
			Discount: r.number(step.Discount, demand{"a share of the price, 0 or more and less than 1, such as 0.1 for 10%", belowOne}),
		}
		if next.Above == nil || next.Discount == nil {
			continue
		}
		if bound != nil && next.Above.Cmp(bound) <= 0 {
			r.wrong(above.place, "got %s, want more than %s of the step before", quote(above.text()), decimalText(bound))
		}
		bound = next.Above
		s.Steps = append(s.Steps, next)
	}
	return s
}

// countTokens reports whether the first step that says so counts tokens.
func (raw *rawScale) countTokens() bool {
	for _, step := range raw.Steps {
		if step.AboveUSD.given() != step.AboveTokens.given() {
			return step.AboveTokens.given()
		}
	}
	return false
}

// addScale returns s, with where each of its steps is from among the rows of t.
func (t *tariff) addScale(s *cost.Scale) *cost.Scale {
	counts := "USD"
	if s.ByTokens {
		counts = "tokens"
	}
	for _, step := range s.Steps {
		t.add(fmt.Sprintf("contract above %s %s.discount", decimalText(step.Above), counts), step.Discount, "share")
	}
	return s
}

// itemOf names the price item of an API: that of the price book, or the option where it lists prices of its own.
func (r *reader) itemOf(raw rawOption) string {
	if raw.Prices != nil || !raw.Model.given() {
		return raw.Name.text()
	}
	return r.canonical(raw.Model.text())
}
