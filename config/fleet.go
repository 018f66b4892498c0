package config

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// fleet resolves what a self-hosted or a cloud-managed option costs and can do.
func (r *reader) fleet(o *decide.Option, raw rawOption, book Book) {
	o.ClosedWeights, o.NoGPU = r.boolean(raw.ClosedWeights), r.boolean(raw.NoGPU)
	c := &cost.Capacity{
		TargetUtilization: r.number(raw.TargetUtilization, demand{"a share of the capacity, more than 0 and at most 1", aboveZero}),
		PeakFactor:        r.number(raw.PeakFactor, demand{"the peak hour over the mean hour, 1 or more", atLeastOne}),
		VariablePerMTok:   r.number(raw.Variable, demand{"dollars per million tokens, 0 or more", notNegative}),
		SpareReplicas:     r.whole(raw.SpareReplicas, "replicas", 0, defaultSpares),
	}
	if raw.MinReplicas.given() {
		least := r.whole(raw.MinReplicas, "replicas", 0, 1)
		c.MinReplicas = &least
	}
	if raw.MaxReplicas.given() {
		most := r.whole(raw.MaxReplicas, "replicas", 1, 1)
		c.MaxReplicas = &most
		if c.MinReplicas != nil && *c.MinReplicas > most {
			r.wrong(raw.MaxReplicas.place, "got %d, want at least the %d of min_replicas", most, *c.MinReplicas)
		}
	}
	var t *tariff
	switch {
	case o.Hosting == model.SelfHosted && raw.GPU == nil:
		r.missing(raw.At, "gpu", ", want a mapping with usd_per_hour, or with the price of an item of the price book")
		return
	case o.Hosting == model.SelfHosted:
		t = r.gpu(c, raw.GPU, o.Name, book)
	case raw.Instance == nil:
		r.missing(raw.At, "instance", ", want a mapping with usd_per_hour, raw_usd_per_hour or the price of an item of the price book")
		return
	default:
		t = r.instance(o, c, raw.Instance, book)
	}
	if raw.Throughput == nil {
		r.missing(raw.At, "throughput", ", want a mapping with tokens_per_hour, shapes or the book item of a measured replica")
	} else {
		r.throughput(t, o, c, raw.Throughput, book)
	}
	r.operations(t, o, c, raw.Operations)
	t.item, t.origin = o.Name, model.PriceSource{Source: here}
	t.add("variable", c.VariablePerMTok, "USD/Mtok")
	o.Capacity, o.Prices = c, t.rows
}

// gpu resolves the price of a block of GPUs, which holds one replica or more.
func (r *reader) gpu(c *cost.Capacity, raw *rawGPU, option string, book Book) *tariff {
	item := option + " GPU"
	if raw.Type.given() {
		item = r.word(raw.Type)
	}
	t := r.tariff(item, raw.Origin)
	var perHour *big.Rat
	switch {
	case raw.USDPerHour.given() && raw.Price.given():
		r.wrong(raw.Price.place, "usd_per_hour is set too, want one of the two")
	case raw.Price.given():
		perHour = r.bookValue(t, raw.Price, book, "usd_per_hour", "USD/GPU-hour", "a GPU")
	case raw.USDPerHour.given():
		perHour = t.add("usd_per_hour", r.number(raw.USDPerHour, demand{"dollars per GPU-hour, more than 0", positive}), "USD/GPU-hour")
	default:
		// Prices of one type of GPU differ by six times, so none is picked silently.
		r.wrong(raw.At, "want usd_per_hour, or price with an item of the price book%s", gpuExamples(raw.Type.text(), book))
	}
	gpus := r.whole(raw.PerReplica, "GPUs of one replica", 1, 1)
	c.ReplicasPerBlock = r.whole(raw.BlockOf, "replicas that are bought together", 1, 1)
	if perHour != nil {
		c.BlockCostPerHour = new(big.Rat).Mul(perHour, big.NewRat(gpus*c.ReplicasPerBlock, 1))
	}
	return t
}

// gpuExamples names some items of the book that are of the given type of GPU, the cheapest first.
func gpuExamples(gpu string, book Book) string {
	var found []Row
	for _, item := range book.Items() {
		row, ok := book.Value(item, "usd_per_hour")
		if ok && gpu != "" && row.Unit == "USD/GPU-hour" && strings.Contains(item, "/"+strings.ToLower(gpu)) {
			found = append(found, row)
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.SortStableFunc(found, func(a, b Row) int { return a.Rat().Cmp(b.Rat()) })
	first, last := found[0], found[len(found)-1]
	return fmt.Sprintf(", which has %d for this type, from %s at %s to %s at %s", len(found), first.Item, first.Value, last.Item, last.Value)
}

// bookValue reads the name of an item of the price book and returns one of its values; nil when there is none.
func (r *reader) bookValue(t *tariff, s scalar, book Book, field, unit, what string) *big.Rat {
	if _, err := book.Lookup(s.text()); err != nil {
		r.wrong(s.place, "%s", err)
		return nil
	}
	row, ok := book.Value(s.text(), field)
	if !ok || row.Unit != unit {
		r.wrong(s.place, "%s is not the price of %s", quote(s.text()), what)
		return nil
	}
	return t.fromBook(row)
}

// instance resolves the price of one managed instance: what the provider charges for it, or the raw price with a share on top.
func (r *reader) instance(o *decide.Option, c *cost.Capacity, raw *rawInstance, book Book) *tariff {
	item := o.Name + " instance"
	if raw.Type.given() {
		item = r.word(raw.Type)
	}
	t := r.tariff(item, raw.Origin)
	c.ReplicasPerBlock = r.whole(raw.Replicas, "replicas on one instance", 1, 1)
	hourly := demand{"dollars per instance-hour, more than 0", positive}
	given := 0
	for _, s := range []scalar{raw.USDPerHour, raw.RawUSDPerHour, raw.Price} {
		if s.given() {
			given++
		}
	}
	switch {
	case given != 1:
		r.wrong(raw.At, "want exactly one of usd_per_hour, raw_usd_per_hour and price, an item of the price book")
	case raw.USDPerHour.given():
		c.BlockCostPerHour = t.add("usd_per_hour", r.number(raw.USDPerHour, hourly), "USD/instance-hour")
	case raw.Price.given():
		c.BlockCostPerHour = r.bookValue(t, raw.Price, book, "usd_per_hour", "USD/instance-hour", "a managed instance")
	default:
		c.BlockCostPerHour = t.add("raw_usd_per_hour", r.number(raw.RawUSDPerHour, hourly), "USD/instance-hour")
		c.ManagedOverhead = r.overhead(t, o, raw, book)
	}
	if raw.ManagedOverhead.given() && !raw.RawUSDPerHour.given() {
		r.wrong(raw.ManagedOverhead.place, "is already in the price of a managed instance, want it only with raw_usd_per_hour")
	}
	return t
}

// overhead returns the share that a managed service adds to the raw price of raw's type of instance.
func (r *reader) overhead(t *tariff, o *decide.Option, raw *rawInstance, book Book) *big.Rat {
	if raw.ManagedOverhead.given() {
		share := demand{"a share on top of the raw price, 0 or more, such as 0.25 for 25 %", notNegative}
		return t.add("managed_overhead", r.number(raw.ManagedOverhead, share), "share")
	}
	if row, ok := book.Value(raw.Type.text(), "managed_overhead"); ok {
		return t.fromBook(row)
	}
	const unknown = "the managed overhead of %s is not known; %s of the raw price is assumed"
	text := fmt.Sprintf(unknown, quote(raw.Type.text()), defaultManagedOverhead)
	o.Warnings = append(o.Warnings, model.Warning{Code: "ASSUMED_OVERHEAD", Text: text})
	t.origin = model.PriceSource{Source: overheadSource}
	return t.add("managed_overhead", parseDecimal(defaultManagedOverhead), "share")
}

// throughput resolves what one replica can do at maximum load.
func (r *reader) throughput(t *tariff, o *decide.Option, c *cost.Capacity, raw *rawThroughput, book Book) {
	given := 0
	for _, is := range []bool{raw.TokensPerHour.given(), raw.Shapes != nil, raw.Book.given()} {
		if is {
			given++
		}
	}
	if given != 1 {
		r.wrong(raw.At, "want exactly one of tokens_per_hour, shapes and book, an item of the price book")
		return
	}
	measured := r.tariff(o.Name, raw.Origin)
	switch {
	case raw.TokensPerHour.given():
		value := r.number(raw.TokensPerHour, demand{"input and output tokens per hour of one replica, more than 0", positive})
		c.TokensPerHour = measured.add("throughput", value, "tokens/h per replica")
	case raw.Book.given():
		o.Throughput = r.bookShapes(measured, raw.Book, book)
	default:
		if len(raw.Shapes) == 0 {
			r.wrong(raw.At, "shapes is empty, want at least one measured shape")
		}
		for _, s := range raw.Shapes {
			if shape := r.shape(measured, s); shape != nil {
				o.Throughput = append(o.Throughput, *shape)
			}
		}
	}
	t.rows = append(t.rows, measured.rows...)
}

func (r *reader) shape(t *tariff, raw rawShape) *decide.Throughput {
	if raw.At.node == nil {
		return nil
	}
	if !raw.Input.given() || !raw.Output.given() || !raw.OutputPerSecond.given() {
		r.wrong(raw.At, "want input and output, tokens of a request, and output_tokens_per_second of one replica")
		return nil
	}
	shape := decide.Throughput{
		Input:                 r.whole(raw.Input, "input tokens of a request", 1, 1),
		Output:                r.whole(raw.Output, "output tokens of a request", 1, 1),
		OutputTokensPerSecond: r.number(raw.OutputPerSecond, demand{"output tokens per second of one replica, more than 0", positive}),
	}
	if t.add(fmt.Sprintf("%d/%d", shape.Input, shape.Output), shape.OutputTokensPerSecond, outputRate) == nil {
		return nil
	}
	return &shape
}

// outputRate is the unit of a measured shape.
const outputRate = "output tokens/s per replica"

// bookShapes returns the measured shapes of an item of the price book.
func (r *reader) bookShapes(t *tariff, s scalar, book Book) []decide.Throughput {
	rows, err := book.Lookup(s.text())
	if err != nil {
		r.wrong(s.place, "%s", err)
		return nil
	}
	var shapes []decide.Throughput
	for _, row := range rows {
		in, out, _ := strings.Cut(row.Field, "/")
		input, inErr := strconv.ParseInt(in, 10, 64)
		output, outErr := strconv.ParseInt(out, 10, 64)
		if row.Unit == outputRate && inErr == nil && outErr == nil {
			shapes = append(shapes, decide.Throughput{Input: input, Output: output, OutputTokensPerSecond: t.fromBook(row)})
		}
	}
	if len(shapes) == 0 {
		r.wrong(s.place, "%s is not the throughput of a replica", quote(s.text()))
	}
	return shapes
}

// operations resolves the fixed monthly cost of running a fleet.
func (r *reader) operations(t *tariff, o *decide.Option, c *cost.Capacity, raw *rawOperations) {
	fallback := defaultOperations
	if o.Hosting == model.CloudManaged {
		fallback = defaultManagedOperations
	}
	t.item, t.origin = o.Name, model.PriceSource{Source: operationsSource}
	value := parseDecimal(fallback)
	if raw != nil {
		o.OpsIncluded = r.boolean(raw.Included)
		switch {
		case raw.USDPerMonth.given() && o.OpsIncluded:
			r.wrong(raw.USDPerMonth.place, "included is true, want one of the two")
		case raw.USDPerMonth.given():
			t.origin = model.PriceSource{Source: here}
			value = r.number(raw.USDPerMonth, demand{"dollars per month, more than 0, or included: true if the offer includes them", positive})
		case o.OpsIncluded:
			t.origin = model.PriceSource{Source: "included in the offer"}
			value = new(big.Rat)
		}
	}
	c.FixedMonthly = t.add("operations", value, "USD/month")
}
