package collector

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	prommodel "github.com/prometheus/common/model"
)

// A signal is one of the numbers that a source is asked for. All signals of a source travel in one answer, told apart
// by signalLabel, so that a cycle costs one query and not seven.
type signal string

// The signals per workload and hour.
const (
	input             signal = "input"
	output            signal = "output"
	cacheRead         signal = "cache_read"
	cacheReadDoubtful signal = "cache_read_doubtful" // from a counter known to count too much
	cacheWrite        signal = "cache_write"
	requests          signal = "requests"
	failures          signal = "errors"   // requests that failed; asked for over a day, not by the hour
	retries           signal = "retries"  // times that a request was sent again; over a day too
	coverage          signal = "coverage" // share of the hour in which the input counter was there
	resets            signal = "resets"   // most falls of one series of the input counter
)

// hourly lists the signals per workload and hour in the order in which they are asked for.
var hourly = [...]signal{input, output, cacheRead, cacheReadDoubtful, cacheWrite, requests, coverage, resets}

// daily lists the signals per workload over the day before.
var daily = [...]signal{failures, retries}

// The signals per group of GPUs.
const (
	gpuBusy  signal = "gpu_busy"  // GPUs, each counted by the share of time in which it was busy
	gpuCount signal = "gpu_count" // GPUs held
	gpuKnown signal = "gpu_known" // GPUs held, each counted by the share of time in which it was known how busy it was; without it of all
	gpuUSD   signal = "gpu_usd"   // US dollars an hour
	gpuShown signal = "gpu_shown" // GPUs that the exporter shows, of no group
	gpuHeld  signal = "gpu_held"  // those of them that a pod holds
)

// The signals per workload and hour that say how its engines do; see gpuCount too.
const (
	ttftP95  signal = "ttft_p95" // seconds
	waiting  signal = "waiting"  // requests
	replicas signal = "replicas"
)

// The signals of a source as a whole over the day before.
const (
	claimedTokens signal = "claimed_tokens" // input and output of what is selected
	allTokens     signal = "all_tokens"     // input and output of everything that the pack counts
)

// The signals of a source as a whole that are looked at once a day.
const (
	storedPerReplica signal = "stored_per_replica" // counters
	replicasAlike    signal = "replicas_alike"     // see alike
	newestSample     signal = "newest_sample"      // seconds since 1970
	scrapeInterval   signal = "scrape_interval"    // seconds, see scraped
)

const (
	signalLabel = "tipline_signal"
	hourWindow  = "1h"
	dayWindow   = "1d"

	// probeStep is the resolution at which coverage is measured: the server's default lookback, so that a counter
	// scraped at least every five minutes counts as seen all the time, and one that stopped is noticed within the hour.
	probeStep = 5 * time.Minute
	probes    = "1h:5m"

	// presenceWindow takes the place of $__window to see whether the user's expression has anything to say at an
	// instant. It holds two samples of a counter scraped every five minutes.
	presenceWindow = "10m"
)

// queries are the expressions of a source. An empty one is not asked.
type queries struct {
	hourly   string // every signal per workload over the hour before the evaluation
	ttft     string // 95th percentile of the time to first token per workload over the day before
	cost     string // what the GPUs cost an hour, the mean of the day before
	gpu      string // both GPU signals over the day before
	devices  string // the GPUs one by one that are there at an instant
	prompts  string // how long prompts were per workload over the day before
	daily    string // requests that failed, and times that one was sent again, per workload over the day before
	served   string // how the engines did per workload, or per group of GPUs, over the hour before the evaluation
	versions string // processes by the version of the program, at an instant; empty where that changes no meaning
	watched  string // what is there of all that is wanted, see lookedFor, and scrapes
	scrapes  string // counters stored once for every replica, the newest sample, and how often there is one; empty of queries of one's own, which do not say what they sum up
	dark     string // tokens of the source over the day before, those selected and all of them
}

// packQueries returns the expressions that read p, restricted to the matchers and grouped by the labels.
func packQueries(p *pack, selected map[string]string, groupBy []string) queries {
	w := worded(p, []map[string]string{selected}, groupBy, time.Hour)
	q := queries{hourly: w.hourly(), ttft: w.over(24 * time.Hour).ttft(), served: w.served(), prompts: w.over(24 * time.Hour).prompts()}
	var ofDay []string
	for _, s := range daily {
		if c := p.counter(s); c != nil {
			ofDay = append(ofDay, marked(s, w.over(24*time.Hour).sometimes(s, c)))
		}
	}
	q.daily = strings.Join(ofDay, "\nor ")
	q.dark = darkQuery(p, []map[string]string{selected})
	return q
}

// hourly returns the expression for every signal per workload over the hour before the evaluation.
func (w wording) hourly() string {
	var parts []string
	for _, s := range hourly {
		if c := w.pack.counter(s); c != nil {
			parts = append(parts, marked(s, w.counted(s, c)))
		}
	}
	seen := strings.Join(w.present(), " or ")
	if replica := w.pack.ReplicaLabel; replica == "" {
		parts = append(parts, marked(coverage, covered("sum by ("+w.by()+") ("+seen+")")))
	} else { // two halves of an hour that two replicas saw are not the hour, see once
		each := covered("sum by (" + labelList(append(slices.Clone(w.groupBy), replica)) + ") (" + seen + ")")
		parts = append(parts, marked(coverage, "max by ("+w.by()+") ("+each+")"))
	}
	if w.pack.PeriodSums == nil { // a gauge may fall
		falls := w.each(w.pack.Tokens[input], "resets(%s["+hourWindow+"])")
		parts = append(parts, marked(resets, "max by ("+w.by()+") ("+strings.Join(falls, " or ")+")"))
	}
	return strings.Join(parts, "\nor ")
}

// darkQuery returns the expressions for the tokens that p counts over the day before, those that one of the selections leaves and all of them;
// empty when one of them leaves everything. A series that two selections leave is counted once.
func darkQuery(p *pack, selections []map[string]string) string {
	if slices.ContainsFunc(selections, func(s map[string]string) bool { return len(s) == 0 }) {
		return ""
	}
	claimed, all := worded(p, selections, nil, 24*time.Hour), worded(p, everything, nil, 24*time.Hour)
	return marked(claimedTokens, claimed.tokens()) + "\nor " + marked(allTokens, all.tokens())
}

// ownQueries returns the expressions of the user's own PromQL. Coverage is the share of five-minute steps at which the
// input expression has a value for that workload over a short window; resets cannot be seen from outside.
func ownQueries(own *Queries, groupBy []string) queries {
	by := labelList(groupBy)
	over := func(expr, window string) string {
		// The line break ends a comment in the user's last line.
		return "sum by (" + by + ") (" + strings.ReplaceAll(expr, "$__window", window) + "\n)"
	}
	parts := []string{}
	for _, s := range hourly {
		if expr := own.expr(s); expr != "" {
			parts = append(parts, marked(s, over(expr, hourWindow)))
		}
	}
	parts = append(parts, marked(coverage, covered(over(own.Input, presenceWindow))))
	q := queries{hourly: strings.Join(parts, "\nor ")}
	if own.TTFTP95 != "" {
		ttft := func(window string) string {
			return "max by (" + by + ") (" + strings.ReplaceAll(own.TTFTP95, "$__window", window) + "\n)"
		}
		q.ttft, q.served = ttft(dayWindow), marked(ttftP95, ttft(hourWindow))
	}
	return q
}

// counted returns q without what can change while the counted hours stay the same; nil stays nil.
func (q *Queries) counted() *Queries {
	if q == nil {
		return nil
	}
	counted := *q
	counted.TTFTP95, counted.Layer, counted.Model = "", "", ""
	return &counted
}

func (q *Queries) expr(s signal) string {
	return map[signal]string{input: q.Input, output: q.Output, cacheRead: q.CacheRead, requests: q.Requests}[s]
}

// gpuQuery returns the expression for the GPU signals per value of the join labels, and for how many GPUs the exporter shows and pods hold at the full hours of the day.
func gpuQuery(g *gpuPack, join []string) string {
	var parts []string
	busy, known, count := gpuParts(g, join)
	if busy != "" {
		parts = append(parts, marked(gpuBusy, busy))
	}
	if known != "" {
		parts = append(parts, marked(gpuKnown, known))
	}
	parts = append(parts, marked(gpuCount, count))
	for i, u := range g.Unsure {
		parts = append(parts, marked(unsureSignal(i), g.unsure(u, join)))
	}
	if g.Attached != "" {
		all := *g
		all.Attached = ""
		card := g.Device[:1] // of which a pod may hold a slice
		shown, held := "count("+all.shown(unsure{}, card, nil)+")", "count("+g.shown(unsure{}, card, nil)+")"
		if len(g.Called) == 0 { // a scrape that does not honour labels gives what no pod holds the exporter's own, as it does to up
			own := []string{"instance", g.Attached}
			pods := g.shown(unsure{}, slices.Concat(card, own), []string{g.Attached})
			held = "count(count by (" + labelList(card) + ") ((" + pods + ") unless on (" + labelList(own) + ") up))"
		}
		const atHours = ")[" + dayWindow + ":1h])"
		parts = append(parts, marked(gpuShown, "avg_over_time(("+shown+atHours), marked(gpuHeld, "avg_over_time(("+held+" or 0 * "+shown+atHours))
	}
	return strings.Join(parts, "\nor ")
}

// gpuDevices returns the expression for how many GPUs each device is at an instant, once for every value of the join labels. What tells a device from another takes the
// place of the signal.
func gpuDevices(g *gpuPack, join []string) string {
	every := append(slices.Clone(join), g.Device...)
	shown := "(" + g.shown(unsure{}, every, join) + ") > bool -1" // one GPU, however busy
	if g.Held != nil {
		shown = g.Held.perDevice(every)
	}
	device := []string{shown, strconv.Quote(signalLabel), `"/"`}
	for _, name := range g.Device {
		device = append(device, strconv.Quote(name))
	}
	return "label_join(" + strings.Join(device, ", ") + ")"
}

// unsureSignal is the signal of the i-th of what makes the number of GPUs unsure.
func unsureSignal(i int) signal { return signal("gpu_unsure_" + strconv.Itoa(i)) }

// unsure returns the expression for how much there is of u, a mean of the looks at every full hour of the day that saw some.
func (g *gpuPack) unsure(u unsure, join []string) string {
	device := u.Device
	if len(device) == 0 {
		device = g.Device
	}
	every := append(slices.Clone(join), device...)
	if u.Near != nil {
		every = append(every, u.Near.On...)
	}
	of, devices := "count", g.shown(u, every, join)
	if g.Held != nil && len(u.Metrics) == 0 {
		held := *g.Held
		if u.Where != nil {
			held.Where = u.Where
		}
		of, devices = "sum", held.perDevice(every)
	}
	if len(u.Several) > 0 {
		on := labelList(device)
		devices = "(" + devices + ") and on (" + on + ") (count by (" + on + ") (" + g.shown(u, append(slices.Clone(device), u.Several...), u.Several) + ") > 1)"
	}
	if u.Near != nil {
		on := labelList(u.Near.On)
		devices = "(" + devices + ") and on (" + on + ") (max by (" + on + ") (" + selector(u.Near.Metric, whereList(u.Near.Where)) + ") == 1)"
	}
	return "avg_over_time((" + of + " by (" + labelList(join) + ") (" + devices + "))[" + dayWindow + ":1h])"
}

// shown returns what the gauges of u show, once for every value of the labels of device; those of own may be named otherwise by the scrape.
func (g *gpuPack) shown(u unsure, device, own []string) string {
	metrics := slices.Clone(u.Metrics)
	if len(metrics) == 0 {
		for _, b := range g.Busy {
			metrics = append(metrics, b.Metric)
		}
		metrics = append(metrics, g.Silent...)
	}
	by := labelList(slices.Compact(slices.Sorted(slices.Values(device))))
	for i, metric := range metrics {
		metrics[i] = "max by (" + by + ") (" + g.attached(metric, whereList(u.Where), own) + ")"
	}
	return strings.Join(metrics, " or ")
}

// gpuCosts returns the expression for what the GPUs cost: what is said of all of them, and otherwise what each costs, unless that is not
// known of one of them. It is the mean of the five-minute steps of the day.
func gpuCosts(g *gpuPack, join []string) string {
	by, on := labelList(join), "on ("+labelList(g.Cost.On)+") "
	device := append(slices.Clone(join), slices.Concat(g.Device, g.Cost.On)...)
	held := g.Held.perDevice(device)
	each := "max by (" + labelList(g.Cost.On) + ") (" + selector(g.Cost.Each, "") + ")"
	total := "sum by (" + by + ") (" + g.Cost.Total.perDevice(append(slices.Clone(join), g.Cost.Per...)) + ")"
	priced := "sum by (" + by + ") (" + held + " * " + on + "group_left () " + each + ") unless sum by (" + by + ") (" + held + " unless " + on + each + ")"
	return marked(gpuUSD, "avg_over_time(("+total+" or ("+priced+"))["+dayWindow+":5m])")
}

// gpusServing returns the expression for the GPUs held all through the hour before the evaluation.
func gpusServing(g *gpuPack, join []string) string {
	_, _, count := gpuSums(g, join)
	return marked(gpuCount, constant(count, hourWindow))
}

// gpuParts returns the expressions for the GPUs that are busy, of which it is known, and held. All are means of what was there at five-minute steps of the
// day, those at which some are held, so that the ratio of the first two is the busy share of all GPU hours of which it is known even when pods come and go, and
// that of the others how much that is of all. busy is empty when it is not known, and known when it is known of all.
func gpuParts(g *gpuPack, join []string) (busy, known, count string) {
	mean := func(expr string) string {
		if expr == "" {
			return ""
		}
		return "avg_over_time((" + expr + ")[" + dayWindow + ":5m])"
	}
	busy, known, count = gpuSums(g, join)
	return mean(busy), mean(known), mean(count)
}

// gpuSums returns the expressions for the GPUs that are busy, of which it is known, and held at one instant, see gpuParts.
func gpuSums(g *gpuPack, join []string) (busy, known, count string) {
	by := labelList(join)
	if g.Held != nil {
		return "", "", "sum by (" + by + ") (" + g.Held.perDevice(append(slices.Clone(join), g.Device...)) + ")"
	}
	device := labelList(append(slices.Clone(join), g.Device...))
	perDevice := func(metric string) string {
		return "max by (" + device + ") (" + g.named(g.attached(metric, "", join), join) + ")"
	}
	busyOf, silentOf := make([]string, len(g.Busy)), make([]string, len(g.Silent))
	for i, b := range g.Busy {
		busyOf[i] = perDevice(b.Metric)
		if b.Full != 1 {
			busyOf[i] += " / " + strconv.FormatFloat(b.Full, 'g', -1, 64)
		}
	}
	for i, metric := range g.Silent {
		silentOf[i] = perDevice(metric)
	}
	shown, silent := strings.Join(busyOf, " or "), strings.Join(silentOf, " or ")
	if silent == "" {
		return "sum by (" + by + ") (" + shown + ")", "", "count by (" + by + ") (" + shown + ")"
	}
	none := " or 0 * (" + silent + ")"
	return "sum by (" + by + ") (" + shown + none + ")", "sum by (" + by + ") ((" + shown + ") > bool -1" + none + ")", "count by (" + by + ") (" + shown + " or " + silent + ")"
}

// named returns shown with the labels of the type that are among those of join, where another gauge has them.
func (g *gpuPack) named(shown string, join []string) string {
	types := slices.DeleteFunc(slices.Clone(g.Type), func(label string) bool { return !slices.Contains(join, label) })
	if g.Named == nil || len(types) == 0 {
		return shown
	}
	on, each := labelList(g.Named.On), labelList(append(slices.Clone(g.Named.On), types...))
	return "(" + shown + ") * on (" + on + ") group_left (" + labelList(types) + ") max by (" + each + ") (" + selector(g.Named.Metric, whereList(g.Named.Where)) + ")"
}

// perDevice returns how many GPUs each device holds, once however many exporters show it.
func (h *heldGauge) perDevice(device []string) string {
	slices.Sort(device)
	shown := "max by (" + labelList(slices.Compact(device)) + ") (" + selector(h.Metric, whereList(h.Where)) + ")"
	if h.While == nil {
		return shown
	}
	on := labelList(h.While.On)
	return shown + " * on (" + on + ") group_left () (max by (" + on + ") (" + selector(h.While.Metric, whereList(h.While.Where)) + ") == 1)"
}

// attached selects the GPUs that a workload holds and that the matchers leave, all of them without a label that says so. Where the scrape did not honour labels, the
// workload's own ones are called exported_ and take their names back, as those do that the exporter itself calls otherwise.
func (g *gpuPack) attached(metric, matchers string, join []string) string {
	if g.Attached == "" {
		return selector(metric, matchers)
	}
	back := func(held string, called func(label string) string) string {
		for _, name := range join {
			if from := called(name); from != "" {
				held = fmt.Sprintf(`label_replace(%s, %q, "$1", %q, "(.+)")`, held, name, from)
			}
		}
		return held
	}
	if len(g.Called) > 0 {
		return back(selector(metric, joined(matchers, labelName(g.Attached)+`!=""`)), func(label string) string { return g.Called[label] })
	}
	exported := back(selector(metric, joined(matchers, labelName("exported_"+g.Attached)+`!=""`)), func(label string) string { return "exported_" + label })
	return exported + " or " + selector(metric, joined(matchers, labelName(g.Attached)+`!=""`, labelName("exported_"+g.Attached)+`=""`))
}

// scraped returns an expression of how many seconds are between two scrapes of the median series, given one for the time of the newest sample of each. What is scraped more often
// than every five minutes is looked at as often: 300. Of six hours a few in which nothing was scraped make no 15 minutes of five.
func scraped(newest string) string {
	const looked = "[6h:5m]"
	return "quantile(0.5, (max_over_time(" + newest + looked + ") - min_over_time(" + newest + looked + ")) / (changes(" + newest + looked + ") > 0))"
}

// marked adds the signal's name to every series of expr.
func marked(s signal, expr string) string {
	return fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, expr, signalLabel, s)
}

// covered returns the share of the hour's five-minute steps at which expr has a value. Servers before Prometheus 3 count
// both ends of a window, thirteen steps, hence the limit.
func covered(expr string) string {
	return fmt.Sprintf("clamp_max(count_over_time((%s)[%s]) / %d, 1)", expr, probes, time.Hour/probeStep)
}

// selector returns the series of a metric that the matchers leave. A name that only Prometheus 3 knows stands among them.
func selector(metric, matchers string) string {
	switch {
	case !prommodel.LegacyValidation.IsValidMetricName(metric):
		return "{" + joined(strconv.Quote(metric), matchers) + "}"
	case matchers == "":
		return metric
	}
	return metric + "{" + matchers + "}"
}

// joined puts commas between the lists of matchers that are not empty.
func joined(lists ...string) string {
	return strings.Join(slices.DeleteFunc(lists, func(list string) bool { return list == "" }), ",")
}

// Matchers writes the equality matchers for values of labels as PromQL has them between braces, sorted by label.
func Matchers(values map[string]string) string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = matcher(name, values[name])
	}
	return strings.Join(names, ",")
}

// matcher writes one equality matcher. PromQL reads a double-quoted string as Go does.
func matcher(name, value string) string { return labelName(name) + "=" + strconv.Quote(value) }

// labelList writes labels for a by clause.
func labelList(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = labelName(name)
	}
	return strings.Join(quoted, ", ")
}

// labelName writes a label's name, in quotes where only Prometheus 3 knows it.
func labelName(name string) string {
	if prommodel.LegacyValidation.IsValidLabelName(name) {
		return name
	}
	return strconv.Quote(name)
}

// checkLabels reports labels and values that no query can name.
func checkLabels(groupBy []string, selected map[string]string) error {
	var errs []error
	seen := map[string]bool{}
	for _, name := range groupBy {
		switch {
		case name == "" || !utf8.ValidString(name):
			errs = append(errs, fmt.Errorf("group_by: got %q, want the name of a label", name))
		case name == signalLabel || name == partLabel || name == "le" || name == prommodel.MetricNameLabel:
			errs = append(errs, fmt.Errorf("group_by: %q does not name a workload", name))
		case seen[name]:
			errs = append(errs, fmt.Errorf("group_by: %q is listed twice", name))
		}
		seen[name] = true
	}
	for name, value := range selected {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			errs = append(errs, fmt.Errorf("select: got %q: %q, want the name and value of a label in UTF-8", name, value))
		}
	}
	return errors.Join(errs...)
}
