package collector

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A pack says under which names one kind of exporter counts. A new exporter is a new file in packs and an exposition to
// test it against.
type pack struct {
	Name               string              `yaml:"name"`                 // name of the file without .yaml
	About              string              `yaml:"about"`                // the program, for a reader
	Switch             string              `yaml:"switch"`               // what turns the metrics on; empty when they are on by themselves
	Layer              Layer               `yaml:"layer"`                // where on their way the tokens are counted; may be empty
	Labels             packLabels          `yaml:"labels"`               // what the labels say
	GroupBy            []string            `yaml:"group_by"`             // labels that usually make a workload
	Where              map[string]string   `yaml:"where"`                // only such series count, see checkWhere
	Tokens             map[signal]*counter `yaml:"tokens"`               // input and output at least
	InputIncludesCache bool                `yaml:"input_includes_cache"` // fresh = input - cache_read - cache_write
	CacheApart         []map[string]string `yaml:"cache_apart"`          // series whose input leaves the cache out although others include it: those of any of these
	Requests           *counter            `yaml:"requests"`
	Errors             *counter            `yaml:"errors"`
	Retries            *counter            `yaml:"retries"`        // times that a request was sent again, to the same model or another; preemption is none
	TTFTSeconds        *histogram          `yaml:"ttft_seconds"`   // time to first token
	PromptLengths      *histogram          `yaml:"prompt_lengths"` // tokens of the prompt of a request
	Running            *gauge              `yaml:"running"`        // requests being answered
	Waiting            *gauge              `yaml:"waiting"`        // requests queued
	CacheUsage         *gauge              `yaml:"cache_usage"`    // fill of the KV cache, 0 to 1
	PeriodSums         *periodSums         `yaml:"period_sums"`    // every counter is a gauge of this kind; nil means real counters
	GPU                *gpuPack            `yaml:"gpu"`            // a pack counts tokens or GPUs
	Version            *versionMetric      `yaml:"version"`        // where the program says its version; nil where it does not
	Changes            []change            `yaml:"changes"`        // of what a counter means, by version
	ReplicaLabel       string              `yaml:"-"`              // of the source, see Settings
	Traps              []string            `yaml:"traps"`          // what makes the numbers wrong, double counting above all, for a reader
}

// A Layer is where on their way from a caller to a model tokens are counted. The same tokens may be counted at several.
type Layer string

// Every Layer there is, from the one that knows most of who caused the tokens to the one that knows least.
const (
	GatewayLayer Layer = "gateway" // in front of the models of several providers
	ClientLayer  Layer = "client"  // in the program that asks
	EngineLayer  Layer = "engine"  // which runs the model: every target that is scraped is one replica of it
	RouterLayer  Layer = "router"  // in front of several engines
	CloudLayer   Layer = "cloud"   // what the provider publishes
)

// Layers lists every Layer in that order.
var Layers = []Layer{GatewayLayer, ClientLayer, EngineLayer, RouterLayer, CloudLayer}

// packLabels names the labels that say what a series is about, the most telling first.
type packLabels struct {
	Model    []string `yaml:"model"`
	Provider []string `yaml:"provider"`
	Tenant   []string `yaml:"tenant"`
}

// counter lists the names of one counter, best first: a Prometheus counter, or the _sum or _count of a classic histogram. A
// series that has several of them is read once, under the best.
type counter struct {
	Metrics  []string          `yaml:"metrics"`
	Where    map[string]string `yaml:"where"`    // only such series count, see checkWhere
	Called   map[string]string `yaml:"called"`   // what these series call labels that those of the input have under the names before
	Else     *counter          `yaml:"else"`     // where a target has none of Metrics: another generation, with other labels
	Plus     *counter          `yaml:"plus"`     // added
	Scale    float64           `yaml:"scale"`    // tokens or requests per unit; 0 means 1
	Doubtful []string          `yaml:"doubtful"` // read where none of Metrics exists, and marked as doubtful
	Absent   string            `yaml:"absent"`   // what no series means beside an input, or of errors and retries beside requests: zero or unknown; empty means unknown
}

// histogram lists the names of one classic histogram without _bucket, best first.
type histogram struct {
	Histograms []string          `yaml:"histograms"`
	Quantiles  []string          `yaml:"quantiles"` // instead of Histograms: gauges of the 95th percentile of each period
	Where      map[string]string `yaml:"where"`
	Else       *histogram        `yaml:"else"`  // for workloads that have none of these, or targets in prompt_lengths
	Scale      float64           `yaml:"scale"` // seconds per unit; 0 means 1
}

// gauge lists the names of a value of this instant, best first.
type gauge struct {
	Metrics []string          `yaml:"metrics"`
	Where   map[string]string `yaml:"where"`
	Per     []string          `yaml:"per"`  // of series that are alike in these labels only the largest counts
	Else    *gauge            `yaml:"else"` // where a target has none of Metrics: another generation, with other labels
}

// periodSums describes gauges that show what a cloud counted in its last period, again at every scrape.
type periodSums struct {
	Period time.Duration `yaml:"period"`
	Stamps string        `yaml:"stamps"` // the time of a sample: scrape, or cloud for the beginning of its period
	Delay  time.Duration `yaml:"delay"`  // the values are complete this long after their period
}

// gpuPack says how one exporter shows which GPUs are held and how busy they are.
type gpuPack struct {
	Busy     []busyGauge `yaml:"busy"`     // best first; empty where only Held is known
	Silent   []string    `yaml:"silent"`   // gauges that a GPU shows too of which none of Busy is there, beside Busy; empty means that there are none
	Held     *heldGauge  `yaml:"held"`     // instead of Busy: how many GPUs are held, and not how busy they are
	Device   []string    `yaml:"device"`   // labels that tell one GPU from another, of which the first tells cards
	Type     []string    `yaml:"type"`     // labels that say which card it is; empty where it is not said
	Named    *heldWhile  `yaml:"named"`    // gauge that is 1 and has the labels of Type where Busy has none of them; nil means that they are those of Busy
	Cost     *gpuCost    `yaml:"cost"`     // what the GPUs cost; nil where it is not said, and then that of the pack opencost is looked for
	Attached string      `yaml:"attached"` // label that is not empty when a workload holds the GPU; empty means that all are held
	Unsure   []unsure    `yaml:"unsure"`   // what makes it unsure how many GPUs a workload has

	// Called says under which names the exporter shows the labels of a workload that holds the GPU, where namespace, pod and the like are the exporter's own.
	Called map[string]string `yaml:"called"`
}

// unsure is something that makes the number of GPUs unsure where there is some of it: devices that are counted, or others that are not.
type unsure struct {
	Because string            `yaml:"because"` // one of reasons
	Says    string            `yaml:"says"`    // what they are and how they count, after their number
	Metrics []string          `yaml:"metrics"` // gauges that show them; empty means those of the pack
	Device  []string          `yaml:"device"`  // labels that tell one from another; empty means those of the pack
	Where   map[string]string `yaml:"where"`   // only such series, see checkWhere; empty means those of the pack
	Several []string          `yaml:"several"` // only devices that are shown with several values of these labels at once
	Near    *heldWhile        `yaml:"near"`    // only devices that share its labels with a series of it that is 1
}

// reasons are why it is unsure how many GPUs a workload has.
var reasons = []string{"mig", "partition", "dra", "shared"}

// busyGauge is a gauge that shows Full for a GPU that is always busy.
type busyGauge struct {
	Metric string  `yaml:"metric"`
	Full   float64 `yaml:"full"`
}

// gpuCost are gauges of what is paid for GPUs, in US dollars an hour.
type gpuCost struct {
	Total *heldGauge `yaml:"total"` // of everything with the labels of a workload's GPUs
	Per   []string   `yaml:"per"`   // labels that tell one Total from another beside those, however many exporters show it
	Each  string     `yaml:"each"`  // of one GPU of the pack, where Total says nothing
	On    []string   `yaml:"on"`    // labels that a GPU shares with its Each
}

// heldGauge is a gauge that shows how many GPUs each device, which is a container here, holds.
type heldGauge struct {
	Metric string            `yaml:"metric"`
	Where  map[string]string `yaml:"where"` // only such series count, see checkWhere
	While  *heldWhile        `yaml:"while"` // nil means that what is shown is held
}

// heldWhile is a gauge that is 1 while what shares its labels On with a device is alive.
type heldWhile struct {
	Metric string            `yaml:"metric"`
	Where  map[string]string `yaml:"where"`
	On     []string          `yaml:"on"`
}

// Values of periodSums.Stamps.
const (
	scrapeStamps = "scrape"
	cloudStamps  = "cloud"
)

// parsePack reads one pack strictly: what it does not know is an error. It reports everything that is wrong at once, with file
// and line.
func parsePack(file string, data []byte) (*pack, error) {
	var p pack
	if err := yaml.Load(data, &p, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var top yaml.Node
	if err := yaml.Load(data, &top); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c := packCheck{file: file, top: &top}
	c.all(&p)
	return &p, c.sorted()
}

// packName returns the name of the pack in a file.
func packName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }

// A packCheck collects what is wrong with a pack.
type packCheck struct {
	file     string
	top      *yaml.Node // of the file
	problems []packProblem
}

type packProblem struct {
	line int
	text string
}

// wrong reports a problem of the value at path, keys with dots between them.
func (c *packCheck) wrong(path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	c.problems = append(c.problems, packProblem{lineOf(c.top, path), text})
}

// sorted returns the problems in the order of the file.
func (c *packCheck) sorted() error {
	slices.SortFunc(c.problems, func(a, b packProblem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
	})
	var errs []error
	for _, p := range c.problems {
		errs = append(errs, fmt.Errorf("%s:%d: %s", c.file, p.line, p.text))
	}
	return errors.Join(errs...)
}

// lineOf returns the line of the value at path, or of the innermost one around it that there is.
func lineOf(n *yaml.Node, path string) int {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	for key := range strings.SplitSeq(path, ".") {
		i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == key })
		if n.Kind != yaml.MappingNode || i < 0 || i%2 != 0 {
			break
		}
		n = n.Content[i+1]
	}
	return n.Line
}

func (c *packCheck) all(p *pack) {
	if p.Name != packName(c.file) {
		c.wrong("name", "got %q, want the name of the file", p.Name)
	}
	if (p.GPU == nil) == (len(p.Tokens) == 0) {
		c.wrong("", "want either tokens or gpu")
	}
	if p.Layer != "" && !slices.Contains(Layers, p.Layer) {
		c.wrong("layer", "got %q, want one of %q", p.Layer, Layers)
	}
	c.where("where", p.Where)
	if p.GPU != nil {
		c.gpu(p.GPU)
		return
	}
	for _, s := range slices.Sorted(maps.Keys(p.Tokens)) {
		if !slices.Contains([]signal{input, output, cacheRead, cacheWrite}, s) {
			c.wrong("tokens."+string(s), "got %q, want input, output, cache_read or cache_write", s)
		} else if p.Tokens[s] == nil {
			c.wrong("tokens."+string(s), "got nothing, want metrics")
		}
	}
	for _, s := range []signal{input, output} {
		if _, ok := p.Tokens[s]; !ok {
			c.wrong("tokens."+string(s), "missing")
		}
	}
	c.cacheApart(p)
	c.versions(p)
	for path, count := range p.counters() {
		// An engine for embeddings generates nothing: an output without a name that is zero when absent.
		c.counter(path, count, path == "tokens.output" && count.Absent == "zero")
	}
	if p.TTFTSeconds != nil {
		c.histogram("ttft_seconds", p.TTFTSeconds)
	}
	if h := p.PromptLengths; h != nil {
		c.histogram("prompt_lengths", h)
		for ; h != nil; h = h.Else {
			if len(h.Quantiles) > 0 {
				c.wrong("prompt_lengths", "want histograms alone")
			}
		}
	}
	for path, g := range map[string]*gauge{"running": p.Running, "waiting": p.Waiting, "cache_usage": p.CacheUsage} {
		for ; g != nil; g, path = g.Else, path+".else" {
			c.metrics(path+".metrics", g.Metrics)
			c.where(path+".where", g.Where)
		}
	}
	if p.engine() && p.PeriodSums != nil {
		c.wrong("layer", "got %q with gauges that show the sum of a period, want counters", p.Layer)
	}
	if sums := p.PeriodSums; sums != nil {
		if err := checkPeriod(sums.Period); err != nil {
			c.wrong("period_sums.period", "%v", err)
		}
		if err := checkStamps(sums.Stamps); err != nil {
			c.wrong("period_sums.stamps", "%v", err)
		}
	}
}

// checkPeriod reports a period that no number of makes an hour.
func checkPeriod(d time.Duration) error {
	if d < time.Second || time.Hour%d != 0 {
		return fmt.Errorf("got a period of %s, want one that divides an hour, such as 5m", d)
	}
	return nil
}

func checkStamps(stamps string) error {
	if stamps != scrapeStamps && stamps != cloudStamps {
		return fmt.Errorf("got stamps %q, want scrape or cloud", stamps)
	}
	return nil
}

func (c *packCheck) gpu(g *gpuPack) {
	if (len(g.Busy) == 0) == (g.Held == nil) || len(g.Device) == 0 {
		c.wrong("gpu", "want device, and either busy or held")
	}
	if len(g.Silent) > 0 {
		c.metrics("gpu.silent", g.Silent)
		if len(g.Busy) == 0 {
			c.wrong("gpu.silent", "want busy, which says how busy the other GPUs are")
		}
	}
	if len(g.Called) > 0 && g.Attached == "" {
		c.wrong("gpu.called", "want attached, which says whether a pod holds the GPU")
	}
	if h := g.Held; h != nil {
		c.metrics("gpu.held.metric", []string{h.Metric})
		c.where("gpu.held.where", h.Where)
		if w := h.While; w != nil {
			c.metrics("gpu.held.while.metric", []string{w.Metric})
			c.where("gpu.held.while.where", w.Where)
			if len(w.On) == 0 {
				c.wrong("gpu.held.while.on", "want labels")
			}
		}
	}
	if n := g.Named; n != nil {
		c.metrics("gpu.named.metric", []string{n.Metric})
		c.where("gpu.named.where", n.Where)
		if len(n.On) == 0 || len(g.Type) == 0 || len(g.Busy) == 0 {
			c.wrong("gpu.named", "want on, beside type and busy")
		}
	}
	if p := g.Cost; p != nil && (g.Held == nil || p.Total == nil || p.Each == "" || len(p.On) == 0) {
		c.wrong("gpu.cost", "want total, each and on, beside held")
	}
	for _, u := range g.Unsure {
		if !slices.Contains(reasons, u.Because) || u.Says == "" {
			c.wrong("gpu.unsure", "got because %q, want one of %q, and says", u.Because, reasons)
		}
		if len(u.Where)+len(u.Several) == 0 && u.Near == nil {
			c.wrong("gpu.unsure", "%s: want where, several or near", u.Because)
		}
		if u.Where != nil {
			c.where("gpu.unsure", u.Where)
		}
		if u.Near != nil {
			c.metrics("gpu.unsure", []string{u.Near.Metric})
			c.where("gpu.unsure", u.Near.Where)
			if len(u.Near.On) == 0 {
				c.wrong("gpu.unsure", "%s: near: want labels on", u.Because)
			}
		}
	}
	for _, b := range g.Busy {
		if !(b.Full > 0) || b.Metric == "" {
			c.wrong("gpu.busy", "%q: full: got %v, want above 0", b.Metric, b.Full)
		}
	}
}

func (c *packCheck) counter(path string, count *counter, nameless bool) {
	if count.Metrics != nil || !nameless {
		c.metrics(path+".metrics", count.Metrics)
	}
	c.where(path+".where", count.Where)
	c.where(path+".called", count.Called)
	c.scale(path+".scale", count.Scale)
	if count.Absent != "" && count.Absent != "zero" && count.Absent != "unknown" {
		c.wrong(path+".absent", "got %q, want zero or unknown", count.Absent)
	}
	for key, other := range map[string]*counter{".else": count.Else, ".plus": count.Plus} {
		if other != nil {
			c.counter(path+key, other, false)
		}
	}
}

func (c *packCheck) histogram(path string, h *histogram) {
	if (len(h.Histograms) == 0) == (len(h.Quantiles) == 0) {
		c.wrong(path, "want either histograms or quantiles")
	}
	c.where(path+".where", h.Where)
	c.scale(path+".scale", h.Scale)
	if h.Else != nil {
		c.histogram(path+".else", h.Else)
	}
}

func (c *packCheck) metrics(path string, names []string) {
	if len(names) == 0 {
		c.wrong(path, "want the name of a metric")
	}
	if slices.Contains(names, "") {
		c.wrong(path, "got an empty name")
	}
}

func (c *packCheck) scale(path string, scale float64) {
	if scale < 0 || scale > 1e9 {
		c.wrong(path, "got %v, want above 0", scale)
	}
}

// cacheApart checks which series leave the cache out of their input.
func (c *packCheck) cacheApart(p *pack) {
	for _, apart := range p.CacheApart {
		c.where("cache_apart", apart)
		if len(apart) == 0 {
			c.wrong("cache_apart", "want labels")
		}
		if err := p.mayStandApart(); err != nil {
			c.wrong("cache_apart", "%v", err)
		}
	}
}

// mayStandApart reports why no series of p can leave the cache out of its input although others include it.
func (p *pack) mayStandApart() error {
	switch {
	case p.counter(cacheRead) == nil && p.counter(cacheWrite) == nil:
		return fmt.Errorf("has no effect on pack %q, which counts no cached tokens", p.Name)
	case !p.InputIncludesCache:
		return fmt.Errorf("has no effect on pack %q, whose input never holds cached tokens", p.Name)
	}
	return nil
}

// where checks matchers.
func (c *packCheck) where(path string, values map[string]string) {
	if err := checkWhere(values); err != nil {
		c.wrong(path, "%v", err)
	}
}

// checkWhere reports what no query can say. A key of a where is a label, a value what the label must be, or after ~ a regular
// expression that it must match, or after !~ one that it must not match.
func checkWhere(values map[string]string) error {
	errs := []error{checkLabels(nil, values)}
	for _, label := range slices.Sorted(maps.Keys(values)) {
		_, expr, isRegexp := matcherKind(values[label])
		if _, err := regexp.Compile(expr); isRegexp && err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", label, err))
		}
	}
	return errors.Join(errs...)
}

// engine reports whether every target that is scraped is one replica of an engine.
func (p *pack) engine() bool { return p.Layer == EngineLayer }

// counters returns every counter of p by its path in the file.
func (p *pack) counters() map[string]*counter {
	all := map[string]*counter{}
	for s, c := range p.Tokens {
		if c != nil {
			all["tokens."+string(s)] = c
		}
	}
	if p.Requests != nil {
		all["requests"] = p.Requests
	}
	if p.Errors != nil {
		all["errors"] = p.Errors
	}
	if p.Retries != nil {
		all["retries"] = p.Retries
	}
	return all
}

// counter returns the counter that s is read from, nil when there is none.
func (p *pack) counter(s signal) *counter {
	if s == cacheReadDoubtful {
		if read := p.Tokens[cacheRead]; read != nil && len(read.Doubtful) > 0 {
			return &counter{Metrics: read.Doubtful, Where: read.Where, Scale: read.Scale}
		}
		return nil
	}
	c := p.Tokens[s]
	if s == requests {
		c = p.Requests
	}
	if s == failures {
		c = p.Errors
	}
	if s == retries {
		c = p.Retries
	}
	if c == nil || len(c.Metrics) == 0 {
		return nil
	}
	return c
}

// names returns the names of c and of what takes its place, best first; none of nil.
func (c *counter) names() (all []string) {
	for ; c != nil; c = c.Else {
		all = append(all, c.Metrics...)
	}
	return all
}

// rules returns how the cells of p become tokens per class.
func (p *pack) rules() rules {
	r := rules{
		includesCache: p.InputIncludesCache, zeroIfAbsent: map[signal]bool{},
		countsRequests: p.Requests != nil, countsCacheWrite: p.Tokens[cacheWrite] != nil,
	}
	for s, c := range p.Tokens {
		r.zeroIfAbsent[s] = c.Absent == "zero"
	}
	return r
}
