package config

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// Defaults of a fleet (cost model, sections 4.8, 5 and 18).
const (
	defaultOperations        = "9387" // USD per month to run GPUs of one's own, the base case of section 4.8
	defaultManagedOperations = "4086" // USD per month to run a managed endpoint
	defaultManagedOverhead   = "0.25" // share on top of the raw instance price where the type is not known
	defaultSpares            = 1      // N+1
	operationsSource         = "default: building it over a year, running it and updating it, base case"
	overheadSource           = "default: the share of an instance type that is not known"
)

// here is the source of a number that the configuration file gives without saying where it is from.
const here = "configuration"

func (r *reader) options(raws []rawOption, book Book) []decide.Option {
	raws = slices.DeleteFunc(raws, func(raw rawOption) bool { return raw.At.node == nil }) // not a mapping, which has been reported
	var options []decide.Option
	lines := map[string]int{}
	for _, raw := range raws {
		o := decide.Option{
			Name:          r.name(raw.Name, raw.At, lines),
			Hosting:       model.Hosting(r.required(raw.Kind, raw.At, "kind", hostings())),
			Models:        r.models(raw.Models),
			Regions:       r.words(raw.Regions),
			TTFTP95:       r.duration(raw.TTFTP95, 0, false),
			MigrationCost: r.number(raw.MigrationUSD, demand{"dollars, 0 or more", notNegative}),
		}
		if len(o.Models) == 0 && raw.Model.given() {
			o.Models = []string{r.model(raw.Model)}
		}
		r.fits(raw)
		switch o.Hosting {
		case model.API:
			r.api(&o, raw, book)
		case model.SelfHosted, model.CloudManaged:
			r.fleet(&o, raw, book)
		case model.Hybrid: // made of other options, see hybrids
		}
		if t := raw.TokenRatio; t != nil {
			ratio := demand{"tokens of this model per token measured, more than 0", positive}
			o.TokenRatioIn, o.TokenRatioOut = r.number(t.Input, ratio), r.number(t.Output, ratio)
		}
		switch {
		case o.Committed == nil:
			o.Committed = r.committed(raw)
		case raw.Committed != nil:
			r.wrong(raw.Committed.At, "the capital of the hardware that was bought is committed already, want one of the two")
		}
		o.Announced = r.announced(&o, raw)
		r.endDiscount(&o, raw.DiscountUntil, raw.Discount)
		if at, ok := r.lastDayOf(raw.Retires); ok {
			o.Retires = at
		}
		options = append(options, o)
	}
	r.hybrids(options, raws)
	return options
}

// committed reads what stays due of an option, and until when.
func (r *reader) committed(raw rawOption) *decide.Commitment {
	c := raw.Committed
	if c == nil {
		return nil
	}
	amount := r.number(c.USDPerMonth, demand{"dollars per month, more than 0", positive})
	until, ok := r.lastDay(c.At, c.Until, "on which it is due")
	if !ok {
		return nil
	}
	if raw.Kind.text() == string(model.API) && !c.USDPerMonth.given() && !raw.MinimumCommit.given() {
		r.missing(c.At, "usd_per_month", ", want dollars per month, because the option has no minimum_commit_usd_per_month")
	}
	return &decide.Commitment{Until: until, USDPerMonth: amount}
}

// announced reads the changes of an option's prices that are known before they come.
func (r *reader) announced(o *decide.Option, raw rawOption) []decide.PriceChange {
	changes := o.Announced
	for _, c := range raw.Announced {
		if c.At.node == nil {
			continue // not a mapping, which has been reported
		}
		if len(o.Announced) > 0 {
			r.wrong(c.At, "the price book says from when to when the prices of %s hold, want one of the two", quote(o.Name))
			return changes
		}
		if !c.From.given() {
			r.missing(c.At, "from", ", want the first day on which it holds, such as 2027-01-01")
			continue
		}
		from, err := time.Parse(time.DateOnly, c.From.text())
		if err != nil {
			r.wrong(c.From.place, "got %s, want a date such as 2027-01-01", quote(c.From.text()))
			continue
		}
		change := decide.PriceChange{From: from}
		switch {
		case c.Times.given() == (c.Prices != nil):
			r.wrong(c.At, "want exactly one of times and prices")
		case c.Prices != nil && o.Hosting != model.API:
			r.wrong(c.Prices.At, "are those of an API, want times")
		case c.Prices != nil:
			t := r.tariff(o.Name+" from "+c.From.text(), c.Prices.Origin)
			change.API = r.prices(t, c.Prices)
			o.Prices = append(o.Prices, t.rows...)
		default:
			t := r.tariff(o.Name+" from "+c.From.text(), rawProvenance{})
			change.Times = t.add("times", r.number(c.Times, demand{"by how much today's prices are multiplied, such as 1.25 for a quarter more, more than 0", positive}), "times")
			o.Prices = append(o.Prices, t.rows...)
		}
		changes = append(changes, change)
	}
	return changes
}

// fits reports keys that are for other kinds of option than the one that raw is.
func (r *reader) fits(raw rawOption) {
	kind := raw.Kind.text()
	if !slices.Contains(hostings(), kind) {
		return
	}
	v := reflect.ValueOf(raw)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		kinds := strings.Fields(field.Tag.Get("kinds"))
		if len(kinds) > 0 && !v.Field(i).IsZero() && !slices.Contains(kinds, kind) {
			key := field.Tag.Get("yaml")
			at := raw.At
			for j := 0; j+1 < len(at.node.Content); j += 2 {
				if at.node.Content[j].Value == key {
					at = place{at.node.Content[j], join(at.path, key)}
					break
				}
			}
			r.wrong(at, "has no effect on an option of kind %s, it is for %s", kind, oneOf(kinds))
		}
	}
}

// A tariff reads prices and keeps where each of them is from.
type tariff struct {
	r      *reader
	item   string // what the prices are of
	origin model.PriceSource
	rows   []model.PriceSource
}

func (r *reader) tariff(item string, origin rawProvenance) *tariff {
	t := &tariff{r: r, item: item, origin: model.PriceSource{Source: here}}
	if origin.Source.given() {
		t.origin.Source = r.word(origin.Source)
	}
	if d := origin.Date; d.given() {
		if _, err := time.Parse(time.DateOnly, d.text()); err != nil {
			r.wrong(d.place, "got %s, want a date such as 2026-08-01", quote(d.text()))
		}
		t.origin.Date = d.text()
	}
	return t
}

// add keeps where value is from and returns it. A nil value is a key that is absent or wrong.
func (t *tariff) add(field string, value *big.Rat, unit string) *big.Rat {
	if value != nil {
		t.rows = append(t.rows, model.PriceSource{
			Item: t.item, Field: field, Value: decimalText(value), Unit: unit, Source: t.origin.Source, Date: t.origin.Date,
		})
	}
	return value
}

// decimalText writes value without a fraction bar. Every value comes from a decimal, so nothing is lost.
func decimalText(value *big.Rat) string {
	digits, _ := value.FloatPrec()
	return value.FloatString(digits)
}

// fromBook keeps where row is from and returns its value.
func (t *tariff) fromBook(row Row) *big.Rat {
	t.rows = append(t.rows, row.PriceSource)
	return row.Rat()
}

// Whose tokens the tiers and the commitment of an API count.
const (
	forAccount  = "account"
	forWorkload = "workload"
)

// api resolves the prices of an API.
func (r *reader) api(o *decide.Option, raw rawOption, book Book) {
	o.ApprovedForRegulated, o.CustomWeights = r.boolean(raw.ApprovedForRegulated), r.boolean(raw.CustomWeights)
	item := o.Name
	if raw.Model.given() {
		item = r.canonical(raw.Model.text())
	}
	var t *tariff
	switch {
	case raw.Prices != nil:
		t = r.tariff(item, raw.Prices.Origin)
		o.API = r.prices(t, raw.Prices)
	case raw.Model.given():
		t = r.tariff(item, rawProvenance{})
		o.API = t.book(o, book)
	default:
		r.missing(raw.At, "model", ", want one that the price book has, or prices")
		return
	}
	discount := r.number(raw.Discount, demand{"a share of the price, 0 or more and less than 1, such as 0.1 for 10%", belowOne})
	uplift := r.number(raw.Uplift, demand{"a share on top of the prices of tokens, 0 or more, such as 0.1 for 10%", notNegative})
	o.Credits = r.credits(raw.Credits)
	commit := r.number(raw.MinimumCommit, demand{"dollars per month, 0 or more", notNegative})
	fixed := r.number(raw.FixedMonthly, demand{"dollars per month, 0 or more", notNegative})
	tiers, allUnits := r.tiers(t, raw.Tiers)
	billedFor := r.choice(raw.BilledFor, forAccount, forWorkload)
	if o.API != nil {
		o.API.Tiers, o.API.AllUnits = tiers, allUnits
		t.origin = model.PriceSource{Source: here}
		o.API.Discount = t.add("discount", discount, "share")
		o.API.Uplift = t.add("uplift", uplift, "share")
		o.API.MinimumCommit = t.add("minimum_commit", commit, "USD/month")
		o.API.FixedMonthly = t.add("fixed", fixed, "USD/month")
		if billedFor != forWorkload && (len(tiers) > 0 || commit != nil && commit.Sign() > 0) {
			o.Account = r.itemOf(raw) // the prices of one provider, who has one account
		}
	}
	o.Prices = t.rows
}

// credits reads the free credits of an API.
func (r *reader) credits(raw *rawCredit) *decide.Credits {
	if raw == nil {
		return nil
	}
	if !raw.USDPerMonth.given() {
		r.missing(raw.At, "usd_per_month", ", want dollars per month")
	}
	amount := r.number(raw.USDPerMonth, demand{"dollars per month, more than 0", positive})
	until, ok := r.lastDay(raw.At, raw.Until, "on which they count")
	if amount == nil || !ok {
		return nil
	}
	return &decide.Credits{Until: until, USDPerMonth: amount}
}

// endDiscount ends the discount of an API after its last day, whatever its prices are then.
func (r *reader) endDiscount(o *decide.Option, until, discount scalar) {
	end, ok := r.lastDayOf(until)
	switch {
	case !ok:
		return
	case !discount.given():
		r.wrong(until.place, "there is no discount, want it beside discount")
		return
	}
	var over decide.PriceChange // the prices are those of the day before
	for i, c := range o.Announced {
		if !c.From.Before(end) {
			o.Announced[i].DiscountOver = true
		} else if !c.From.Before(over.From) {
			over = c
		}
	}
	over.From, over.DiscountOver = end, true
	if !slices.ContainsFunc(o.Announced, func(c decide.PriceChange) bool { return c.From.Equal(end) }) {
		o.Announced = append(o.Announced, over)
	}
	for i := range o.Prices {
		if o.Prices[i].Field == "discount" {
			o.Prices[i].ValidTo = end.AddDate(0, 0, -1).Format(time.DateOnly)
		}
	}
}

// lastDay reads the last day of something that ends and returns the first instant after it. The key is required.
func (r *reader) lastDay(at place, s scalar, what string) (time.Time, bool) {
	if !s.given() {
		r.missing(at, "until", ", want the last day "+what+", such as 2027-06-30")
		return time.Time{}, false
	}
	return r.lastDayOf(s)
}

// lastDayOf does so when the key is there; it is false when it is not, or is wrong.
func (r *reader) lastDayOf(s scalar) (time.Time, bool) {
	if !s.given() {
		return time.Time{}, false
	}
	last, err := time.Parse(time.DateOnly, s.text())
	if err != nil {
		r.wrong(s.place, "got %s, want a date such as 2027-06-30", quote(s.text()))
		return time.Time{}, false
	}
	return last.AddDate(0, 0, 1), true
}

// book looks the prices of an API up, and how they change. A model that the book does not have has no cost, which a warning says.
func (t *tariff) book(o *decide.Option, book Book) *cost.Prices {
	rows, err := book.Lookup(t.item)
	if err != nil {
		text := err.Error() + "; without prices the option has no cost"
		o.Warnings = append(o.Warnings, model.Warning{Code: "UNPRICED_MODEL", Text: text})
		return nil
	}
	var first *cost.Prices
	turns := append([]string{""}, book.Turns(t.item)...)
	for _, day := range turns {
		p := apiPrices(book.At(day).rows[t.item])
		if first == nil {
			first = p
		}
		o.Announced = append(o.Announced, decide.PriceChange{From: startOf(day), API: p, Unknown: p == nil})
	}
	if first == nil {
		text := fmt.Sprintf("the price book has %s, but not as a model with prices per token", quote(t.item))
		o.Warnings = append(o.Warnings, model.Warning{Code: "UNPRICED_MODEL", Text: text})
		o.Announced = nil
		return nil
	}
	o.Announced = changesOf(o.Announced)
	if row, known := book.Value(t.item, "retires"); known && row.Unit == dayUnit {
		o.Retires = startOf(row.Value).AddDate(0, 0, 1)
		t.rows = append(t.rows, row.PriceSource)
	}
	for _, row := range rows {
		if field, _, _ := strings.Cut(row.Field, "_over_"); priceField(first, field) != nil {
			t.rows = append(t.rows, row.PriceSource)
		}
	}
	return first
}

// apiPrices returns the prices of an API that rows are, nil without those of input and output.
func apiPrices(rows []Row) *cost.Prices {
	p := new(cost.Prices)
	for _, row := range rows {
		field, above, long := strings.Cut(row.Field, "_over_")
		target := p
		if long {
			if p.Long == nil {
				p.Long = new(cost.Prices)
			}
			target = p.Long
			if tokens, err := strconv.ParseInt(strings.TrimSuffix(above, "k"), 10, 32); err == nil && tokens > 0 && strings.HasSuffix(above, "k") {
				p.LongAbove = tokens * 1000
			}
		}
		if price := priceField(target, field); price != nil {
			*price = row.Rat()
		}
	}
	if p.Input == nil || p.Output == nil {
		return nil
	}
	return p
}

// startOf returns the beginning of day; the zero time, which is before all others, for the empty one.
func startOf(day string) time.Time {
	t, _ := time.Parse(time.DateOnly, day) // the book has checked it
	return t
}

// changesOf returns the changes among periods, the prices of which follow each other: those of the first that is known are the option's
// own, so that it changes nothing when it is there from the beginning.
func changesOf(periods []decide.PriceChange) []decide.PriceChange {
	if len(periods) > 0 && !periods[0].Unknown {
		periods = periods[1:]
	}
	return slices.Clip(periods)
}

// priceField returns where p keeps the price that the configuration and the price book call name; nil when nowhere.
func priceField(p *cost.Prices, name string) **big.Rat {
	switch name {
	case "input":
		return &p.Input
	case "output":
		return &p.Output
	case "cache_read":
		return &p.CacheRead
	case "cache_write":
		return &p.CacheWrite
	case "cache_write_1h":
		return &p.CacheWrite1h
	case "batch_input":
		return &p.BatchInput
	case "batch_output":
		return &p.BatchOutput
	}
	return nil
}

// prices reads the prices of an API from the file.
func (r *reader) prices(t *tariff, raw *rawPrices) *cost.Prices { return r.pricesAs(t, "", raw) }

// pricesAs reads them; prefix goes before the names of their rows.
func (r *reader) pricesAs(t *tariff, prefix string, raw *rawPrices) *cost.Prices {
	free := r.boolean(raw.Free)
	for key, s := range map[string]scalar{"input": raw.Input, "output": raw.Output} {
		if !s.given() {
			r.missing(raw.At, key, ", want dollars per million tokens")
		}
	}
	fee := r.number(raw.RequestFee, demand{"dollars per request, 0 or more", notNegative})
	p := &cost.Prices{RequestFee: t.add(prefix+"request_fee", fee, "USD/request")}
	for _, f := range []struct {
		name string
		s    scalar
	}{
		{"input", raw.Input},
		{"output", raw.Output},
		{"cache_read", raw.CacheRead},
		{"cache_write", raw.CacheWrite},
		{"cache_write_1h", raw.CacheWrite1h},
		{"batch_input", raw.BatchInput},
		{"batch_output", raw.BatchOutput},
	} {
		*priceField(p, f.name) = t.add(prefix+f.name, r.price(f.s, lowest(f.name), free), perMTok)
	}
	if l := raw.Long; l != nil {
		p.Long = &cost.Prices{
			Input:     t.add(prefix+"long.input", r.price(l.Input, lowest("input"), free), perMTok),
			Output:    t.add(prefix+"long.output", r.price(l.Output, lowest("output"), free), perMTok),
			CacheRead: t.add(prefix+"long.cache_read", r.price(l.CacheRead, lowest("cache_read"), free), perMTok),
		}
	}
	switch {
	case raw.LongAbove.given() && raw.Long == nil:
		r.wrong(raw.LongAbove.place, "there is no long, want it beside the prices of long prompts")
	case raw.LongAbove.given():
		p.LongAbove = r.whole(raw.LongAbove, "tokens of a prompt", 1, 0)
	}
	return p
}

// price reads dollars per million tokens. Zero is a claim that free makes; a price below low is in another unit.
func (r *reader) price(s scalar, low string, free bool) *big.Rat {
	value := r.number(s, demand{"dollars per million tokens, more than 0", notNegative})
	switch {
	case value == nil:
		return nil
	case value.Sign() == 0 && !free:
		r.wrong(s.place, "got %s, want dollars per million tokens, more than 0, or free: true beside it if it costs nothing", quote(s.text()))
		return nil
	case value.Sign() > 0 && value.Cmp(parseDecimal(low)) < 0:
		unit, factor := "per thousand tokens", int64(1000)
		if value.Cmp(parseDecimal("0.00003")) < 0 {
			unit, factor = "per token", 1_000_000
		}
		meant := new(big.Rat).Mul(value, big.NewRat(factor, 1))
		r.wrong(s.place, "got %s, want dollars per million tokens; that looks like a price %s, did you mean %s?",
			quote(s.text()), unit, decimalText(meant))
		return nil
	}
	return value
}

// hybrids joins every hybrid to the two options that it is made of; raws are the file form of options.
func (r *reader) hybrids(options []decide.Option, raws []rawOption) {
	byName := map[string]*decide.Option{}
	for i := range options {
		byName[options[i].Name] = &options[i]
	}
	delete(byName, "")
	for i := range options {
		o := &options[i]
		if o.Hosting != model.Hybrid {
			continue
		}
		raw := raws[i]
		if raw.Interactive.given() || raw.Batch.given() || raw.FillValleys.given() {
			r.apart(byName, raw, o)
			continue
		}
		base := r.part(byName, raw, "base", raw.Base, "a self-hosted or a cloud-managed option", model.SelfHosted, model.CloudManaged)
		overflow := r.part(byName, raw, "overflow", raw.Overflow, "an option of kind api", model.API)
		if base == nil || overflow == nil {
			continue
		}
		if base.Autoscale != nil {
			r.wrong(raw.Base.place, "%s follows its load, want a fleet that runs all month: the load above it goes to the API", quote(base.Name))
			continue
		}
		if base.Jobs != nil {
			r.wrong(raw.Base.place, "%s runs only for its jobs, want a fleet that runs all month: the load above it goes to the API", quote(base.Name))
			continue
		}
		joined(o, base, overflow)
		o.ApprovedForRegulated = overflow.ApprovedForRegulated
		o.OpsIncluded, o.ClosedWeights = base.OpsIncluded, base.ClosedWeights
	}
}

// joined makes o of base and overflow.
func joined(o, base, overflow *decide.Option) {
	o.Base, o.Overflow = base.Name, overflow.Name
	o.Prices = slices.Concat(base.Prices, overflow.Prices)
	o.Warnings = slices.Concat(base.Warnings, overflow.Warnings)
	if len(o.Regions) == 0 {
		o.Regions = common(base.Regions, overflow.Regions)
	}
	o.Models = servedByBoth(base.Models, overflow.Models)
}

// apart reads a hybrid whose work that can wait has an option of its own.
func (r *reader) apart(byName map[string]*decide.Option, raw rawOption, o *decide.Option) {
	for key, s := range map[string]scalar{"base": raw.Base, "overflow": raw.Overflow} {
		if s.given() {
			r.wrong(s.place, "%s is set, and interactive and batch too, want base and overflow or interactive and batch", key)
		}
	}
	const want = "an option of kind api, self-hosted or cloud-managed"
	pure := []model.Hosting{model.API, model.SelfHosted, model.CloudManaged}
	now := r.part(byName, raw, "interactive", raw.Interactive, want, pure...)
	later := r.part(byName, raw, "batch", raw.Batch, want, pure...)
	if now == nil || later == nil {
		return
	}
	if now == later {
		r.wrong(raw.Batch.place, "got %s, which interactive is too, want another option: one that serves all is no hybrid", quote(later.Name))
		return
	}
	o.Apart, o.FillValleys = true, r.boolean(raw.FillValleys)
	if o.FillValleys && (now.Capacity == nil || now.Autoscale != nil || now.Jobs != nil) {
		r.wrong(raw.FillValleys.place, "%s has no replicas that run all month, which the work that can wait would fill", quote(now.Name))
		return
	}
	joined(o, now, later)
	o.ClosedWeights = now.ClosedWeights || later.ClosedWeights
}

// part returns the option that a hybrid names as its base or its overflow, or nil when it cannot be that.
func (r *reader) part(
	byName map[string]*decide.Option, raw rawOption, key string, s scalar, want string, kinds ...model.Hosting,
) *decide.Option {
	if !s.given() {
		r.missing(raw.At, key, ", want the name of "+want)
		return nil
	}
	part, known := byName[s.text()]
	switch {
	case !known:
		r.wrong(s.place, "unknown option %s%s", quote(s.text()), didYouMean(s.text(), slices.Sorted(maps.Keys(byName))))
		return nil
	case !slices.Contains(kinds, part.Hosting):
		if part.Hosting != "" {
			r.wrong(s.place, "%s is of kind %s, want %s", quote(s.text()), part.Hosting, want)
		}
		return nil
	}
	return part
}

// common returns the texts that both a and b have.
func common(a, b []string) []string {
	var both []string
	for _, text := range a {
		if slices.Contains(b, text) {
			both = append(both, text)
		}
	}
	return both
}

// servedByBoth returns the models that a and b both serve. No list means any model; two lists without a model in common
// give one that no workload can ask for, because part of its requests would go to another model.
func servedByBoth(a, b []string) []string {
	switch both := common(a, b); {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	case len(both) == 0:
		return []string{a[0] + " with " + b[0]}
	default:
		return both
	}
}
