package config

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/decide"
)

// fleet resolves what a self-hosted or a cloud-managed option costs and can do.
func (r *reader) fleet(o *decide.Option, raw rawOption, book Book) {
	o.ClosedWeights, o.NoGPU = r.boolean(raw.ClosedWeights), r.boolean(raw.NoGPU)
	r.endpoint(o, raw, book)
	c := &cost.Capacity{
		TargetUtilization: r.number(raw.TargetUtilization, demand{"a share of the capacity, more than 0 and at most 1", aboveZero}),
		PeakFactor:        r.number(raw.PeakFactor, demand{"the peak hour over the mean hour, 1 or more", atLeastOne}),
		VariablePerMTok:   r.number(raw.Variable, demand{"dollars per million tokens, 0 or more", notNegative}),
		SpareReplicas:     r.whole(raw.SpareReplicas, "replicas", 0, spares(raw)),
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
	o.AssumedSpares = c.SpareReplicas > 0 && !raw.SpareReplicas.given()
	o.Autoscale = r.autoscale(raw)
	var t *tariff
	switch {
	case o.Hosting == model.SelfHosted && raw.GPU == nil:
		r.missing(raw.At, "gpu", ", want a mapping with usd_per_hour, or with the price of an item of the price book")
		return
	case o.Hosting == model.SelfHosted:
		t = r.gpu(o, c, raw.GPU, book)
	case raw.Instance == nil:
		r.missing(raw.At, "instance", ", want a mapping with usd_per_hour, raw_usd_per_hour or the price of an item of the price book")
		return
	default:
		t = r.instance(o, c, raw.Instance, book)
	}
	if raw.Throughput != nil {
		r.throughput(t, o, c, raw.Throughput, book)
	}
	r.operations(t, o, c, raw.Operations)
	t.item, t.origin = o.Name, model.PriceSource{Source: here}
	t.add("variable", c.VariablePerMTok, "USD/Mtok")
	o.Capacity, o.Prices = c, t.rows
}

// unmeasured reports fleets of which nothing says what a replica can do, and nothing can: no workload runs on them.
func (r *reader) unmeasured(raws []rawOption, options []decide.Option, current []string) {
	for _, raw := range raws {
		i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == raw.Name.text() && o.Capacity != nil })
		if i < 0 || slices.Contains(current, raw.Name.text()) {
			continue
		}
		const want = ", want tokens_per_hour, shapes or the book item of a measured replica: it can be measured only of an option that a workload runs on"
		switch t := raw.Throughput; {
		case t == nil:
			r.missing(raw.At, "throughput", want)
		case options[i].PreferMeasured && !t.TokensPerHour.given() && t.Shapes == nil && !t.Book.given() && t.Provisioned == nil:
			r.missing(t.At, "tokens_per_hour", want)
		}
	}
}

// spares returns how many spare replicas an option has that does not say: a provider that promises a throughput has its own.
func spares(raw rawOption) int64 {
	if raw.Throughput != nil && raw.Throughput.Provisioned != nil {
		return 0
	}
	return defaultSpares
}

// endpoint reads the kind of a managed endpoint, which says who may use it (cost model, section 5).
func (r *reader) endpoint(o *decide.Option, raw rawOption, book Book) {
	kind := r.choice(raw.Endpoint, "real-time", "asynchronous", batchTransform, "serverless")
	switch kind {
	case "asynchronous":
		o.BatchOnly = true
	case batchTransform:
		o.BatchOnly, o.Jobs = true, r.jobs(raw)
	case "serverless":
		o.NoGPU = true
	}
	o.Limits = r.limits(raw, kind, book)
	if o.Limits == nil && kind == "asynchronous" {
		o.Warnings = append(o.Warnings, model.Warning{
			Code: "ENDPOINT_LIMITS", Text: fmt.Sprintf("how long a request to %s may take and how large it may be is not known, so neither is checked", o.Name),
		})
	}
	if raw.Jobs != nil && kind != batchTransform {
		r.wrong(raw.Jobs.At, "has no effect without endpoint: %s: other endpoints wait for requests", batchTransform)
	}
}

// defaultBytesPerToken is what a token of an English prompt takes: about four characters.
const defaultBytesPerToken = "4"

// limits reads what an endpoint of a kind takes as one request: what the option says, or what the price book does of SageMaker, whose instances
// are named ml.*; nil when neither does.
func (r *reader) limits(raw rawOption, kind string, book Book) *decide.Limits {
	l := decide.Limits{BytesPerToken: parseDecimal(defaultBytesPerToken)}
	if given := raw.Limits; given != nil {
		if !given.Duration.given() && !given.PayloadBytes.given() {
			r.wrong(given.At, "want duration or payload_bytes, what one request may be, or both")
			return nil
		}
		l.Duration = r.duration(given.Duration, 0, false)
		l.PayloadBytes = r.number(given.PayloadBytes, demand{"bytes of one request, more than 0", positive})
		if per := r.numberOr(given.BytesPerToken, demand{"bytes of a token, more than 0", positive}, defaultBytesPerToken); per != nil {
			l.BytesPerToken = per
		}
		t := r.tariff(raw.Name.text(), given.Origin)
		l.Source = cited(t.origin)
		return &l
	}
	if raw.Instance == nil || !strings.HasPrefix(raw.Instance.Type.text(), "ml.") {
		return nil
	}
	item := "sagemaker/" + kind
	if row, ok := book.Value(item, "request_duration"); ok {
		l.Duration, l.Source = time.Duration(cost.Float(row.Rat())*float64(time.Second)), cited(row.PriceSource)
	}
	if row, ok := book.Value(item, "request_payload"); ok {
		l.PayloadBytes, l.Source = row.Rat(), cited(row.PriceSource)
	}
	if l.Source == "" {
		return nil
	}
	return &l
}

// cited says where p is from, and when that was looked up.
func cited(p model.PriceSource) string {
	if p.Date == "" {
		return p.Source
	}
	return p.Source + ", " + p.Date
}

// batchTransform is the kind of a managed endpoint that is there only while its jobs are.
const batchTransform = "batch-transform"

// jobs reads for which jobs alone the instances of a batch transform run.
func (r *reader) jobs(raw rawOption) *decide.Jobs {
	if raw.Jobs == nil || !raw.Jobs.ColdStart.given() {
		at := raw.At
		if raw.Jobs != nil {
			at = raw.Jobs.At
		}
		r.missing(at, "cold_start", ", want how long an instance of a "+batchTransform+" takes until it works, such as jobs: {cold_start: 6m}")
		return nil
	}
	const why = "has no effect on a " + batchTransform + ", of which as many instances run as its jobs take"
	for _, s := range []scalar{raw.PeakFactor, raw.MinReplicas, raw.SpareReplicas} {
		if s.given() {
			r.wrong(s.place, why)
		}
	}
	if raw.Autoscale != nil {
		r.wrong(raw.Autoscale.At, why)
	}
	j := decide.Jobs{PerDay: r.numberOr(raw.Jobs.PerDay, demand{"jobs a day, more than 0", positive}, "1"), Start: r.duration(raw.Jobs.ColdStart, 0, true)}
	switch {
	case j.PerDay == nil:
		return nil
	case j.PerDay.Cmp(big.NewRat(1, 31)) < 0:
		r.wrong(raw.Jobs.PerDay.place, "got %s, want at least one a month, 0.04", raw.Jobs.PerDay.text())
		return nil
	}
	between := time.Duration(24 * float64(time.Hour) / cost.Float(j.PerDay))
	j.Deadline = r.duration(raw.Jobs.Deadline, between, false)
	switch {
	case j.Deadline > between:
		r.wrong(raw.Jobs.Deadline.place, "got %s, want at most the %s until the next job", j.Deadline, between)
	case j.Deadline <= j.Start:
		r.wrong(raw.Jobs.ColdStart.place, "got %s, want less than the %s in which a job must be done", j.Start, j.Deadline)
	}
	return &j
}

// gpu resolves the price of a block of GPUs, which holds one replica or more.
func (r *reader) gpu(o *decide.Option, c *cost.Capacity, raw *rawGPU, book Book) *tariff {
	item := o.Name + " GPU"
	if raw.Type.given() {
		item = r.word(raw.Type)
	}
	t := r.tariff(item, raw.Origin)
	var perHour *big.Rat
	switch {
	case raw.USDPerHour.given() && raw.Price.given():
		r.wrong(raw.Price.place, "usd_per_hour is set too, want one of the two")
	case raw.Owned != nil && (raw.USDPerHour.given() || raw.Price.given()):
		r.wrong(raw.Owned.At, "a price of a GPU-hour is set too, want one of the two")
	case raw.Owned != nil: // priced below, once it is known how many GPUs a block has
	case raw.Price.given():
		perHour = r.hourPrice(t, o, raw.Price, book, gpuHour, "a GPU")
	case raw.USDPerHour.given():
		perHour = t.add("usd_per_hour", r.number(raw.USDPerHour, demand{"dollars per GPU-hour, more than 0", positive}), gpuHour)
	default:
		// Prices of one type of GPU differ by six times, so none is picked silently.
		r.wrong(raw.At, "want usd_per_hour, or price with an item of the price book%s", gpuExamples(raw.Type.text(), book))
	}
	gpus := r.whole(raw.PerReplica, "GPUs of one replica", 1, 1)
	if raw.Memory != nil {
		gpus = r.gpusThatFit(t, raw)
	}
	c.ReplicasPerBlock = r.whole(raw.BlockOf, "replicas that are bought together", 1, 1)
	if raw.Spot != nil && perHour != nil {
		perHour = r.spot(t, o, raw.Spot, perHour)
	}
	o.GPUsPerReplica = gpus
	gpus *= c.ReplicasPerBlock
	if perHour != nil {
		c.BlockCostPerHour = new(big.Rat).Mul(perHour, big.NewRat(gpus, 1))
	}
	if raw.Owned != nil {
		r.owned(t, o, c, raw, gpus)
	}
	r.reserved(t, o, raw, gpus)
	return t
}

// gpusThatFit returns how many GPUs the weights and the cache of a replica need (cost model, section 4.1).
func (r *reader) gpusThatFit(t *tariff, raw *rawGPU) int64 {
	m := raw.Memory
	if raw.PerReplica.given() {
		r.wrong(m.At, "per_replica is set too, want one of the two")
		return 1
	}
	for _, key := range []struct {
		s    scalar
		name string
	}{
		{m.ParamsBillion, "params_billion"},
		{m.BytesPerParam, "bytes_per_param"},
		{m.KVBytesPerToken, "kv_bytes_per_token"},
		{m.ConcurrentTokens, "concurrent_tokens"},
		{m.GPUGB, "gpu_gb"},
	} {
		if !key.s.given() {
			r.missing(m.At, key.name, "")
			return 1
		}
	}
	footprint := cost.Footprint{
		ParamsBillion:    r.number(m.ParamsBillion, demand{"billions of parameters, more than 0", positive}),
		BytesPerParam:    r.number(m.BytesPerParam, demand{"bytes of a parameter, such as 1 for FP8", positive}),
		KVBytesPerToken:  r.number(m.KVBytesPerToken, demand{"bytes of key-value cache of a token, 2 x layers x key-value heads x head size x bytes", positive}),
		ConcurrentTokens: r.number(m.ConcurrentTokens, demand{"tokens of all requests that are served at once, 0 or more", notNegative}),
	}
	gpu := r.number(m.GPUGB, demand{"gigabytes of one GPU, more than 0", positive})
	if footprint.ParamsBillion == nil || footprint.BytesPerParam == nil || footprint.KVBytesPerToken == nil || footprint.ConcurrentTokens == nil || gpu == nil {
		return 1
	}
	fit, err := footprint.Fit(gpu, nil)
	if err != nil {
		r.wrong(m.At, "%s", err)
		return 1
	}
	t.add("GPUs of a replica", big.NewRat(fit.GPUs, 1), fmt.Sprintf("for %s GB of weights and %s GB of cache", cost.Decimal(fit.WeightsGB), cost.Decimal(fit.KVGB)))
	return fit.GPUs
}

// Defaults of spot capacity (cost model, section 18).
const (
	defaultFallback = "0.15" // share of the hours served on demand
	defaultRedone   = "0.10" // share of the work that is done again after capacity was taken away
)

// spot returns the effective price of a GPU-hour that can be taken away, onDemand standing in for it.
func (r *reader) spot(t *tariff, o *decide.Option, raw *rawSpot, onDemand *big.Rat) *big.Rat {
	if !raw.USDPerHour.given() {
		r.missing(raw.At, "usd_per_hour", ", want dollars per GPU-hour on the spot market")
		return onDemand
	}
	aShare := demand{"a share, 0 or more and less than 1, such as 0.1 for 10%", belowOne}
	s := cost.Spot{
		Spot:     t.add("spot", r.number(raw.USDPerHour, demand{"dollars per GPU-hour, more than 0", positive}), gpuHour),
		OnDemand: onDemand,
		Over:     t.add("over-provisioned", r.number(raw.Over, demand{"a share on top, 0 or more", notNegative}), "share"),
		Fallback: t.add("served on demand", r.numberOr(raw.Fallback, aShare, defaultFallback), "share of the hours"),
		Redone:   t.add("done again", r.numberOr(raw.Redone, aShare, defaultRedone), "share of the work"),
	}
	if s.Spot == nil {
		return onDemand
	}
	o.Spot = &s
	return s.PerHour()
}

// gpuExamples names some items of the book that are of the given type of GPU, the cheapest first.
func gpuExamples(gpu string, book Book) string {
	var found []Row
	for _, item := range book.Items() {
		row, ok := book.Value(item, "usd_per_hour")
		if ok && gpu != "" && row.Unit == gpuHour && strings.Contains(item, "/"+strings.ToLower(gpu)) {
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

// hourPrice reads the name of an item of the price book and returns what an hour of it costs, with how that changes in o; nil when it
// is not what is sold in that unit.
func (r *reader) hourPrice(t *tariff, o *decide.Option, s scalar, book Book, unit, what string) *big.Rat {
	const field = "usd_per_hour"
	item := s.text()
	rows, err := book.Lookup(item)
	if err != nil && slices.ContainsFunc(r.awaited, func(l PriceSource) bool { return l.mayHave(item) }) {
		text := err.Error() + ", which a list of prices.lists may bring; until then the option has no cost"
		o.Warnings = append(o.Warnings, model.Warning{Code: "UNPRICED_HOUR", Text: text})
		return nil
	}
	if err != nil {
		r.wrong(s.place, "%s", err)
		return nil
	}
	first, ok := book.Value(item, field)
	if !ok || first.Unit != unit {
		r.wrong(s.place, "%s is not the price of %s", quote(item), what)
		return nil
	}
	for _, day := range append([]string{""}, book.Turns(item)...) {
		change := decide.PriceChange{From: startOf(day), Unknown: true}
		if row, known := book.At(day).Value(item, field); known {
			change.Unknown, change.Listed = false, new(big.Rat).Quo(row.Rat(), first.Rat())
		}
		o.Announced = append(o.Announced, change)
	}
	o.Announced = changesOf(o.Announced)
	for _, row := range rows {
		if row.Field == field {
			t.rows = append(t.rows, row.PriceSource)
		}
	}
	return first.Rat()
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
		c.BlockCostPerHour = r.hourPrice(t, o, raw.Price, book, "USD/instance-hour", "a managed instance")
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
		share := demand{"a share on top of the raw price, 0 or more, such as 0.25 for 25%", notNegative}
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
	o.PreferMeasured = r.boolean(raw.Measured)
	given := 0
	for _, is := range []bool{raw.TokensPerHour.given(), raw.Shapes != nil, raw.Book.given(), raw.Provisioned != nil} {
		if is {
			given++
		}
	}
	switch {
	case given == 0 && o.PreferMeasured:
		return
	case given != 1:
		r.wrong(raw.At, "want exactly one of tokens_per_hour, shapes, provisioned and book, an item of the price book")
		return
	case raw.Provisioned != nil && o.PreferMeasured:
		r.wrong(raw.Measured.place, "has no effect on provisioned throughput, which is what was bought")
	}
	measured := r.tariff(o.Name, raw.Origin)
	switch {
	case raw.TokensPerHour.given():
		value := r.number(raw.TokensPerHour, demand{"input and output tokens per hour of one replica, more than 0", positive})
		c.TokensPerHour = measured.add("throughput", value, "tokens/h per replica")
	case raw.Provisioned != nil:
		o.Provisioned = r.provisioned(measured, raw.Provisioned)
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

// provisioned reads what a unit of provisioned throughput is rated at.
func (r *reader) provisioned(t *tariff, raw *rawUnit) *decide.Provisioned {
	if !raw.InputPerMinute.given() || !raw.OutputWeight.given() {
		r.wrong(raw.At, "want input_tokens_per_minute of a unit, and output_weight, how many of them a token of output counts as")
		return nil
	}
	rate := r.number(raw.InputPerMinute, demand{"input tokens per minute of a unit, more than 0", positive})
	weight := r.number(raw.OutputWeight, demand{"input tokens that a token of output counts as, more than 0", positive})
	if rate == nil || weight == nil {
		return nil
	}
	return &decide.Provisioned{
		InputPerMinute: t.add("throughput", rate, "input tokens/min per unit"), OutputWeight: t.add("output weight", weight, "input tokens"),
	}
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
		case raw.Terms != nil && (raw.USDPerMonth.given() || o.OpsIncluded):
			r.wrong(raw.Terms.At, "usd_per_month or included is set too, want one of the three")
		case raw.Terms != nil:
			r.operationsTerms(t, o, c, raw.Terms)
			return
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

// operationsTerms works the cost of operations out of its terms (cost model, section 4.8). Building is spread over the months
// that are given; without them it is paid up front, as part of the migration.
func (r *reader) operationsTerms(t *tariff, o *decide.Option, c *cost.Capacity, raw *rawOperationsTerms) {
	number := func(s scalar, want string) *big.Rat { return r.number(s, demand{want + ", 0 or more", notNegative}) }
	terms := cost.Operations{
		EngineerMonth:   number(raw.EngineerMonth, "dollars of one engineer-month"),
		BuildMonths:     number(raw.BuildMonths, "engineer-months to build it"),
		AmortizeMonths:  r.number(raw.Amortized, demand{"months over which building is spread, more than 0", positive}),
		FTE:             number(raw.FTE, "engineers who run it, such as 0.25"),
		OnCallPerWeek:   number(raw.OnCall, "dollars per week"),
		DriverUpdates:   number(raw.DriverUpdates, "updates per year"),
		DriverDays:      number(raw.DriverDays, "engineer-days of each update"),
		ModelUpdates:    number(raw.ModelUpdates, "updates per year"),
		ModelDays:       number(raw.ModelDays, "engineer-days of each update"),
		ToolingPerMonth: number(raw.Tooling, "dollars per month"),
	}
	if terms.EngineerMonth == nil {
		r.missing(raw.At, "engineer_month_usd", ", want dollars of one engineer-month, fully loaded")
		return
	}
	t.origin = model.PriceSource{Source: here}
	parts, total := terms.Monthly()
	for _, part := range parts {
		if part.USD.Sign() > 0 {
			t.add("operations: "+part.Name, part.USD, "USD/month")
		}
	}
	c.FixedMonthly = total
	if terms.AmortizeMonths == nil && terms.Upfront().Sign() > 0 {
		t.add("building, up front", terms.Upfront(), "USD")
		o.MigrationCost = new(big.Rat).Add(or(o.MigrationCost), terms.Upfront())
	}
}

func or(r *big.Rat) *big.Rat {
	if r == nil {
		return new(big.Rat)
	}
	return r
}
