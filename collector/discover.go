package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

// A Discovery is what a server has that the packs of a library count.
type Discovery struct {
	Metered  []Metered  // the largest volume first
	Cards    []Cards    // GPUs that workloads hold, by pack, namespace and type
	Unplaced []Unplaced // what looks like tokens and cannot be read
	Replicas int        // counters of Metered that are stored once for every replica of a Prometheus
	Scraped  bool       // whether anything was scraped in the five minutes before; asked only where nothing is metered
	Queries  int        // sent, retries included
}

// Metered is what one pack counts on a server.
type Metered struct {
	Pack    string
	Metrics []string          // names under which the input was found, sorted
	Select  map[string]string // tells these series from those of another pack under the same names; nil where there are none
	GroupBy []string          // labels that make a workload: those of the pack that are there, or the scrape job
	Rivals  []string          // packs that would read the same series just as well, sorted
	Window  time.Duration     // before now, in which the streams were counted: 28 days, or what the server agrees to
	Streams []Stream          // the largest first
}

// A Stream is what was counted under one set of labels: those of GroupBy, the scrape job, and those that say which model and
// whose. Output is 0 when nothing was generated.
type Stream struct {
	Labels        map[string]string
	Input, Output model.Tokens // in the window
}

// Tokens returns all tokens of s.
func (s Stream) Tokens() model.Tokens { return s.Input + s.Output }

// Tokens returns what m counts in 28 days; a shorter window is taken for typical.
func (m Metered) Tokens() model.Tokens {
	var sum model.Tokens
	for _, s := range m.Streams {
		sum += s.Tokens()
	}
	return m.Scale() * sum
}

// Scale returns how many of its windows m has in 28 days.
func (m Metered) Scale() model.Tokens {
	return model.Tokens(discoverWindows[0]) / model.Tokens(m.Window)
}

// Cards are the GPUs of one type that the workloads of a namespace hold, a mean of the day before.
type Cards struct {
	Pack, Namespace, Type string // empty where it is not said
	Count                 float64
}

// Unplaced are metrics that look like tokens and are not read, and why.
type Unplaced struct {
	Metrics []string // sorted
	Jobs    []string // that expose them, sorted
	Why     string
}

// discoverWindows are the times before now in which volumes are counted: the first, and the next when the server refuses.
var discoverWindows = []time.Duration{28 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour}

// maxStrange is how many metrics of no pack are named.
const maxStrange = 20

// Discover asks the server of s which packs of its library count something there, and how much. It sends one query for the names, one for
// names of no pack, one for what replicas store twice, one for every pack that is found (up to three when the server refuses long windows), and keeps nothing. Of s only the
// address, the client, the library and the limits matter. The error is that of a server that cannot be asked at all.
func Discover(ctx context.Context, s Settings, now time.Time) (d Discovery, err error) {
	f, err := newFinder(s, now, discoverWindows)
	if err != nil {
		return d, err
	}
	defer func() { d.Queries = int(f.client.guard.sent.Load()) }()
	claims, err := f.claims(ctx)
	if err != nil {
		return d, err
	}
	d.Metered = settle(claims)
	slices.SortStableFunc(d.Metered, func(a, b Metered) int { return cmp.Compare(b.Tokens(), a.Tokens()) })
	if d.Cards, err = f.cards(ctx); err != nil {
		return d, err
	}
	if err := f.strange(ctx); err != nil {
		return d, err
	}
	f.leftOver(claims)
	d.Unplaced = f.unplaced
	if len(d.Metered) > 0 {
		var metrics []string
		for _, m := range d.Metered {
			metrics = append(metrics, m.Metrics...)
		}
		if d.Replicas, err = probeReplicas(ctx, f.client, "{"+named("=~", metrics)+"}", f.now); err != nil {
			return d, err
		}
	} else {
		up, err := f.ask(ctx, "count(up)")
		if err != nil {
			return d, err
		}
		d.Scraped = len(up) > 0
	}
	return d, nil
}

// Counted returns what the packs of the library of s count on its server, whoever reads it, in the day before now, with one query for the names and one for every pack that is
// found. The error says what was not counted.
func Counted(ctx context.Context, s Settings, now time.Time) ([]Metered, error) {
	f, err := newFinder(s, now, []time.Duration{24 * time.Hour})
	if err != nil {
		return nil, err
	}
	claims, err := f.claims(ctx)
	if err == nil && len(f.unplaced) > 0 {
		err = errors.New(f.unplaced[0].Why)
	}
	return settle(claims), err
}

// newFinder returns a finder on the server of s.
func newFinder(s Settings, now time.Time, windows []time.Duration) (*finder, error) {
	c, err := newClient(s)
	if err != nil {
		return nil, err
	}
	f := &finder{client: c, now: now.Truncate(time.Second), windows: windows}
	for _, name := range s.Library.Names() {
		p, err := s.Library.pack(name)
		if err != nil {
			return nil, err
		}
		once := *p
		once.ReplicaLabel = s.ReplicaLabel
		f.packs = append(f.packs, &once)
	}
	return f, nil
}

// A finder looks for packs on one server.
type finder struct {
	client   *client
	now      time.Time
	packs    []*pack                        // sorted by name
	found    map[string]map[string]struct{} // scrape jobs by metric
	windows  []time.Duration                // that the server may agree to, the longest first
	unplaced []Unplaced
}

// claims returns what every pack counts, and notes what it cannot read.
func (f *finder) claims(ctx context.Context) (claims []*claim, err error) {
	if err := f.look(ctx); err != nil {
		return nil, err
	}
	for _, p := range f.packs {
		c, err := f.count(ctx, p)
		if err != nil {
			return nil, err
		}
		if c != nil {
			claims = append(claims, c)
		}
	}
	return claims, nil
}

func (f *finder) ask(ctx context.Context, expr string) (prommodel.Matrix, error) {
	m, _, err := f.client.ask(ctx, expr, v1.Range{Start: f.now, End: f.now, Step: time.Hour})
	return m, err
}

// look asks which names there are, and which jobs expose them.
func (f *finder) look(ctx context.Context) error {
	var tokens, busy []string
	var parts []string
	for _, p := range f.packs {
		switch {
		case p.GPU == nil:
			for _, name := range p.inputs() {
				tokens = append(tokens, name)
				if plain, ok := strings.CutSuffix(name, "_sum"); ok {
					tokens = append(tokens, plain) // there only as a native histogram
				}
			}
		case p.GPU.Held != nil:
			parts = append(parts, selector(p.GPU.Held.Metric, whereList(p.GPU.Held.Where)))
		default:
			for _, b := range p.GPU.Busy {
				busy = append(busy, b.Metric)
			}
		}
	}
	parts = append(parts, "{"+named("=~", busy)+"}", fmt.Sprintf(seen, "{"+named("=~", tokens)+"}"))
	for i, part := range parts {
		parts[i] = "count by (__name__, job) (" + part + ")"
	}
	m, err := f.ask(ctx, strings.Join(parts, "\nor "))
	f.found = map[string]map[string]struct{}{}
	for _, stream := range m {
		name := string(stream.Metric[prommodel.MetricNameLabel])
		if f.found[name] == nil {
			f.found[name] = map[string]struct{}{}
		}
		f.found[name][string(stream.Metric["job"])] = struct{}{}
	}
	return err
}

// named writes a matcher of the names.
func named(operator string, names []string) string {
	escaped := make([]string, len(names))
	for i, name := range names {
		escaped[i] = regexp.QuoteMeta(name)
	}
	slices.Sort(escaped)
	return prommodel.MetricNameLabel + operator + strconv.Quote(strings.Join(slices.Compact(escaped), "|"))
}

// inputs returns every name that the input of p may be found under.
func (p *pack) inputs() []string {
	var names []string
	for c := p.Tokens[input]; c != nil; c = c.Else {
		names = append(names, c.Metrics...)
	}
	return names
}

// A claim is what one pack counts, before it is settled who reads names that several know.
type claim struct {
	pack    *pack
	metrics []string
	window  time.Duration
	streams []Stream

	generates bool // output is counted
}

// count asks what p counts; nil when none of its names is there, or when it cannot be read, which is noted.
func (f *finder) count(ctx context.Context, p *pack) (*claim, error) {
	if p.GPU != nil {
		return nil, nil
	}
	c := &claim{pack: p}
	for _, name := range p.inputs() {
		if f.found[name] != nil {
			c.metrics = append(c.metrics, name)
		}
	}
	if len(c.metrics) == 0 {
		return nil, nil
	}
	slices.Sort(c.metrics)
	m, err := f.tally(ctx, c)
	var e *Error
	switch {
	case errors.As(err, &e) && (e.Reason == Unreachable || e.Reason == Canceled || e.Reason == Unauthorized || e.Reason == NoCredentials || e.Reason == Untrusted):
		return nil, err
	case err != nil:
		f.leave(c.metrics, "the server does not say what the pack "+p.Name+" counts: "+err.Error())
		return nil, nil
	}
	c.read(m)
	if out := p.counter(output); out != nil && out.Absent != "zero" && len(c.streams) > 0 && !c.generates {
		f.leave(c.metrics, "input is counted there and output is not, which the pack "+p.Name+" looks for under "+strings.Join(out.Metrics, ", "))
		return nil, nil
	}
	return c, nil
}

// tally asks for the input and output of c under every set of labels, over the longest window that the server agrees to. No query is
// sent again: one that took too long would do so once more.
func (f *finder) tally(ctx context.Context, c *claim) (m prommodel.Matrix, err error) {
	for i, window := range f.windows {
		c.window = window
		w := worded(c.pack, everything, c.pack.telling(), window)
		var parts []string
		for _, s := range []signal{input, output, cacheRead, cacheWrite} {
			counter := c.pack.counter(s)
			if counter != nil && (s == input || s == output || !c.pack.InputIncludesCache) {
				parts = append(parts, marked(s, w.counted(s, counter)))
			}
		}
		m, _, err = f.client.once(ctx, strings.Join(parts, "\nor "), v1.Range{Start: f.now, End: f.now, Step: time.Hour})
		var e *Error
		if !errors.As(err, &e) || e.Reason != LimitReached && e.Reason != TimedOut && e.Reason != Overloaded && e.Reason != Refused {
			f.windows = f.windows[i:]
			break
		}
	}
	return m, err
}

// telling returns the labels that say what a series of p is about.
func (p *pack) telling() []string {
	labels := slices.Concat(p.GroupBy, p.Labels.Model, p.Labels.Provider, []string{"job"})
	slices.Sort(labels)
	return slices.Compact(labels)
}

// read takes over what an answer says.
func (c *claim) read(m prommodel.Matrix) {
	streams := map[string]*Stream{}
	for _, found := range m {
		labels, key := identify(found.Metric, c.pack.telling())
		counted, wrong := cell{float64(found.Values[0].Value), 1}.check(c.window.Hours() * maxTokensPerHour)
		if wrong != 0 {
			continue
		}
		if streams[key] == nil {
			streams[key] = &Stream{Labels: labels}
		}
		if signal(found.Metric[signalLabel]) == output {
			streams[key].Output += model.Tokens(counted)
			c.generates = true
		} else {
			streams[key].Input += model.Tokens(counted)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(streams)) {
		c.streams = append(c.streams, *streams[key])
	}
	slices.SortStableFunc(c.streams, func(a, b Stream) int { return cmp.Compare(b.Tokens(), a.Tokens()) })
}

// byJob returns the streams of c by scrape job.
func (c *claim) byJob() map[string][]Stream {
	jobs := map[string][]Stream{}
	for _, s := range c.streams {
		jobs[s.Labels["job"]] = append(jobs[s.Labels["job"]], s)
	}
	return jobs
}

// settle gives the series of every job to the pack that fits them best.
func settle(claims []*claim) []Metered {
	var all []Metered
	for _, c := range claims {
		jobs := c.byJob()
		var won []string
		rivals := map[string]bool{}
		for job, streams := range jobs {
			lost := false
			for _, other := range claims {
				theirs := other.byJob()[job]
				if other == c || len(theirs) == 0 || !slices.ContainsFunc(other.metrics, func(name string) bool { return slices.Contains(c.metrics, name) }) {
					continue
				}
				own, their := c.pack.evidence(streams), other.pack.evidence(theirs)
				lost = lost || their > own || their == own && other.before(c)
				if their == own {
					rivals[other.pack.Name] = true
				}
			}
			if !lost {
				won = append(won, job)
			}
		}
		slices.Sort(won)
		m := Metered{Pack: c.pack.Name, Metrics: c.metrics, Window: c.window, Rivals: slices.Sorted(maps.Keys(rivals))}
		if len(won) == len(jobs) && len(won) > 0 {
			m.Streams, m.GroupBy = c.streams, c.pack.grouping(c.streams, true)
			all = append(all, m)
			continue
		}
		for _, job := range won {
			m.Select, m.Streams = map[string]string{"job": job}, jobs[job]
			m.GroupBy = c.pack.grouping(m.Streams, false)
			all = append(all, m)
		}
	}
	return all
}

// before tells which of two packs that fit equally well is taken.
func (c *claim) before(other *claim) bool {
	return cmp.Or(
		cmp.Compare(slices.Index(Layers, c.pack.Layer), slices.Index(Layers, other.pack.Layer)),
		strings.Compare(c.pack.Name, other.pack.Name),
	) < 0
}

// ofScrape are labels that the scrape adds and that say nothing about the program.
var ofScrape = []string{"cluster", "instance", "job", "namespace", "pod", "service"}

// evidence returns how much of what p groups by the streams have: the share of the labels that are not empty.
func (p *pack) evidence(streams []Stream) float64 {
	filled, all := 0, 0
	for _, s := range streams {
		for _, label := range p.GroupBy {
			if slices.Contains(ofScrape, label) {
				continue
			}
			all++
			if s.Labels[label] != "" {
				filled++
			}
		}
	}
	if all == 0 {
		return 1
	}
	return float64(filled) / float64(all)
}

// grouping returns the labels of p that some stream has, and of those that say the same the first one instead of one that none has; where the place of the program is not
// among them, its scrape job stands in for it.
func (p *pack) grouping(streams []Stream, byJob bool) []string {
	has := func(label string) bool {
		return slices.ContainsFunc(streams, func(s Stream) bool { return s.Labels[label] != "" })
	}
	var there []string
	for _, label := range p.GroupBy {
		alike := []string{label}
		for _, say := range [][]string{p.Labels.Model, p.Labels.Provider} {
			if slices.Contains(say, label) {
				alike = append(alike, say...)
			}
		}
		if i := slices.IndexFunc(alike, has); i >= 0 && !slices.Contains(there, alike[i]) {
			there = append(there, alike[i])
		}
	}
	placeless := slices.Contains(p.GroupBy, "namespace") && !slices.Contains(there, "namespace")
	if (placeless || len(there) == 0) && byJob && has("job") && !slices.Contains(there, "job") {
		there = append([]string{"job"}, there...)
	}
	if len(there) == 0 {
		return p.GroupBy
	}
	return there
}

// leave notes metrics that cannot be read.
func (f *finder) leave(metrics []string, why string) {
	jobs := map[string]struct{}{}
	for _, name := range metrics {
		maps.Copy(jobs, f.found[name])
	}
	f.unplaced = append(f.unplaced, Unplaced{Metrics: metrics, Jobs: slices.Sorted(maps.Keys(jobs)), Why: why})
}

// leftOver notes the names that are there, and of which no pack reads anything.
func (f *finder) leftOver(claims []*claim) {
	read := map[string]bool{}
	for _, c := range claims {
		for _, name := range c.metrics {
			read[name] = read[name] || len(c.streams) > 0
		}
	}
	for _, c := range claims {
		if len(c.streams) > 0 || slices.ContainsFunc(c.metrics, func(name string) bool { return read[name] }) {
			continue
		}
		why := "the pack " + c.pack.Name + " reads none of these series"
		if len(c.pack.Where) > 0 {
			why += ", but those with " + whereList(c.pack.Where)
		}
		if c.pack.Switch != "" {
			why += "; its program needs " + c.pack.Switch
		}
		f.leave(c.metrics, why)
	}
	for _, p := range f.packs {
		for _, name := range p.inputs() {
			plain, histogram := strings.CutSuffix(name, "_sum")
			if histogram && f.found[plain] != nil && f.found[name] == nil && !read[plain] {
				read[plain] = true // said once
				f.leave([]string{plain}, "it is a native histogram: keep the classic series too (always_scrape_classic_histograms), or sum histogram_sum in queries of your own")
			}
		}
	}
}

// looksLikeTokens matches names that may count tokens of models and not those of sessions; endsLikeCounter those of counters and sums.
const (
	looksLikeTokens = `.*(prompt|completion|generat|input|output|llm|gen_?ai).*token.*|.*token.*(prompt|completion|generat|input|output|llm).*`
	endsLikeCounter = `.*(_total|_sum|tokens?)`
)

// strange notes names that look like tokens and are of no program that was found.
func (f *finder) strange(ctx context.Context) error {
	matchers := []string{`__name__=~` + strconv.Quote(looksLikeTokens), `__name__=~` + strconv.Quote(endsLikeCounter)}
	known := map[string]bool{}
	for name := range f.found {
		known[regexp.QuoteMeta(family(name))+"([_:.].*)?"] = true
	}
	for _, p := range f.packs {
		if slices.ContainsFunc(p.inputs(), func(name string) bool { return f.found[name] != nil }) {
			if operator, text, _ := matcherKind(p.Where["job"]); operator == "=~" { // names without the program's own: all of such a job are its
				matchers = append(matchers, "job!~"+strconv.Quote(text))
			}
			for c := p.Tokens[output]; c != nil; c = c.Else {
				for _, name := range c.Metrics {
					known[regexp.QuoteMeta(name)] = true
				}
			}
		}
	}
	if len(known) > 0 {
		matchers = append(matchers, `__name__!~`+strconv.Quote(strings.Join(slices.Sorted(maps.Keys(known)), "|")))
	}
	m, err := f.ask(ctx, fmt.Sprintf("topk(%d, count by (__name__, job) ({%s}))", maxStrange, strings.Join(matchers, ",")))
	var e *Error
	if errors.As(err, &e) && (e.Reason == LimitReached || e.Reason == TimedOut || e.Reason == Refused) {
		return nil // a server that finds this too much has said all that matters
	}
	jobs := map[string][]string{}
	for _, stream := range m {
		name := string(stream.Metric[prommodel.MetricNameLabel])
		jobs[name] = append(jobs[name], string(stream.Metric["job"]))
	}
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		slices.Sort(jobs[name])
		why := "no pack reads it: if it counts tokens of a model, count it with queries of your own, or with a pack of your own"
		for _, p := range f.packs {
			if p.GPU == nil && slices.ContainsFunc(p.inputs(), func(input string) bool { return family(input) == family(name) }) {
				why = "the pack " + p.Name + " reads other names of this program, of which none is there: " + strings.Join(p.inputs(), ", ")
				break
			}
		}
		f.unplaced = append(f.unplaced, Unplaced{Metrics: []string{name}, Jobs: jobs[name], Why: why})
	}
	return err
}

// family returns the first word of a metric's name, which is that of its program.
func family(name string) string {
	word, _, _ := strings.Cut(strings.NewReplacer(":", "_", ".", "_").Replace(name), "_")
	return word
}

// cards asks for the GPUs that are there: of every pack that tells how busy they are, or else of the first that tells how many are held.
func (f *finder) cards(ctx context.Context) ([]Cards, error) {
	var all []Cards
	for _, held := range []bool{false, true} {
		for _, p := range f.packs {
			if p.GPU == nil || (p.GPU.Held != nil) != held || held && len(all) > 0 || !f.shows(p.GPU) {
				continue
			}
			by := append([]string{"namespace"}, p.GPU.Type...)
			_, _, count := gpuParts(p.GPU, by)
			m, err := f.ask(ctx, count)
			var e *Error
			if errors.As(err, &e) && (e.Reason == LimitReached || e.Reason == TimedOut || e.Reason == Refused) {
				f.unplaced = append(f.unplaced, Unplaced{Why: "the server does not say which GPUs the pack " + p.Name + " counts: " + err.Error()})
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, stream := range m {
				cards := Cards{Pack: p.Name, Namespace: string(stream.Metric["namespace"]), Count: float64(stream.Values[0].Value)}
				for _, label := range p.GPU.Type {
					cards.Type = cmp.Or(cards.Type, string(stream.Metric[prommodel.LabelName(label)]))
				}
				if cards.Count > 0 && !math.IsInf(cards.Count, 0) {
					all = append(all, cards)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Cards) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Pack, b.Pack), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Type, b.Type))
	})
	return all, nil
}

// shows tells whether a metric of g is there.
func (f *finder) shows(g *gpuPack) bool {
	if g.Held != nil {
		return f.found[g.Held.Metric] != nil
	}
	return slices.ContainsFunc(g.Busy, func(b busyGauge) bool { return f.found[b.Metric] != nil })
}
