package collector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// partLabel tells apart numbers of one signal that are added up.
const partLabel = "tipline_part"

// lateWindow is how far back a value with a cloud's own time still counts as seen: such values come 10 minutes late with
// the defaults of the exporters, and an idle period has none.
const lateWindow = "15m"

// target are the labels that tell one scraped program from another.
var target = []string{"job", "instance"}

// wording writes the expressions of one pack. Aggregation is always outside the range function: increase(sum()) takes every
// pod that leaves for a reset.
type wording struct {
	pack       *pack
	selections []map[string]string // only series with the label values of one of these count, once however many select them
	groupBy    []string
	window     time.Duration // that ends at the evaluation
	among      []side        // on which series must be to count
}

func worded(p *pack, selections []map[string]string, groupBy []string, window time.Duration) wording {
	return wording{pack: p, selections: selections, groupBy: groupBy, window: window}
}

// everything is the selection that leaves nothing out.
var everything = []map[string]string{nil}

// over returns w with another window.
func (w wording) over(window time.Duration) wording {
	w.window = window
	return w
}

func (w wording) by() string { return labelList(w.groupBy) }

// counted returns what the counter c of the signal s says per group over the window. Where the input of some series leaves
// the cache out and that of others does not, it is added to the former.
func (w wording) counted(s signal, c *counter) string {
	total := w.total(c, everything)
	if s != input || len(w.pack.CacheApart) == 0 {
		return total
	}
	parts := []string{total}
	for _, cached := range []signal{cacheRead, cacheWrite} {
		if c := w.pack.counter(cached); c != nil {
			parts = append(parts, w.total(c, w.pack.CacheApart))
		}
	}
	return w.added(parts)
}

// sometimes returns what counted does, and 0 where the program begins to show c with the first one that it counts, in the groups whose
// requests it counts.
func (w wording) sometimes(s signal, c *counter) string {
	text := w.counted(s, c)
	if c.Absent != "zero" || w.pack.Requests == nil {
		return text
	}
	return text + " or 0 * count by (" + w.by() + ") (" + strings.Join(w.each(w.pack.Requests, seen), " or ") + ")"
}

// tokens returns the input and output per group over the window, as they are counted.
func (w wording) tokens() string {
	var parts []string
	for _, s := range []signal{input, output} {
		if c := w.pack.counter(s); c != nil { // some generate nothing
			parts = append(parts, w.counted(s, c))
		}
	}
	return w.added(parts)
}

// total returns what c says per group over the window, of the series that match one of only.
func (w wording) total(c *counter, only []map[string]string) string {
	text := w.increases(w.by(), c, only)
	if c.Else != nil {
		// Each target is read in the form that it has, so that while programs are upgraded one by one nothing is lost and
		// what shows both forms is counted once.
		per := w.perTarget()
		var forms []string
		for form := c; form != nil; form = form.Else {
			forms = append(forms, w.unless(w.increases(per, form, only), forms))
		}
		text = "sum by (" + w.by() + ") (" + strings.Join(forms, " or ") + ")"
	}
	if c.Plus == nil {
		return text
	}
	return w.added([]string{text, w.total(c.Plus, only)})
}

// perTarget returns the labels that tell one scraped program of a group from another.
func (w wording) perTarget() string {
	return labelList(append(slices.Clone(w.groupBy), slices.DeleteFunc(slices.Clone(target), func(label string) bool {
		return slices.Contains(w.groupBy, label)
	})...))
}

// unless returns what form says of the groups of which none of the better forms says anything in the same target, where or does not leave out the others by itself: whether a
// generation names tenants and providers, and what it calls them, differs, so that the same tokens may be of two groups.
func (w wording) unless(form string, better []string) string {
	if common := w.common(); common != w.perTarget() {
		for _, b := range better {
			form += " unless on (" + common + ") (" + b + ")"
		}
	}
	return form
}

// common returns what perTarget does without the labels that generations may not share.
func (w wording) common() string {
	own := slices.Concat(w.pack.Labels.Tenant, w.pack.Labels.Provider)
	return wording{groupBy: slices.DeleteFunc(slices.Clone(w.groupBy), func(label string) bool {
		return slices.Contains(own, label) && !slices.Contains(target, label)
	})}.perTarget()
}

// added adds up expressions per group; one that has nothing to say about a group adds nothing.
func (w wording) added(parts []string) string {
	named := make([]string, len(parts))
	for i, part := range parts {
		named[i] = fmt.Sprintf(`label_replace(%s, %q, "%d", "", "")`, part, partLabel, i)
	}
	return "sum by (" + w.by() + ") (" + strings.Join(named, " or ") + ")"
}

// increases returns the increase over the window of the best name that each series of c has, added up, of those that match one of only.
func (w wording) increases(by string, c *counter, only []map[string]string) string {
	var texts []string
	for _, values := range only {
		texts = append(texts, w.forms(c, w.increase(), values)...)
	}
	return "sum by (" + by + ") (" + strings.Join(texts, " or ") + ")" + times(c.Scale)
}

// forms returns form for each name of c, restricted to the matchers, with the labels called as those of the input are.
func (w wording) forms(c *counter, form string, only map[string]string) []string {
	selections := make([]map[string]string, len(w.selections))
	for i, selected := range w.selections {
		selections[i] = map[string]string{}
		for label, value := range selected {
			selections[i][cmp.Or(c.Called[label], label)] = value
		}
	}
	w.selections = selections
	w.among = slices.Clone(w.among)
	for i := range w.among {
		w.among[i].label = cmp.Or(c.Called[w.among[i].label], w.among[i].label)
	}
	texts := w.alternatives(c.Metrics, form, c.Where, only)
	for i := range texts {
		for _, label := range slices.Sorted(maps.Keys(c.Called)) {
			texts[i] = fmt.Sprintf(`label_replace(%s, %q, "$1", %q, "(.+)")`, texts[i], label, c.Called[label])
		}
	}
	return texts
}

// once returns form for one series, however many replicas of a Prometheus have stored it: the largest of what is seen at each, in every window by itself. A replica that was down has counted
// less in its hours, and as much in the others, so that nothing is lost that one of them has seen; a mean, or the sum by the number of replicas, would lose a part. Replicas scrape at other
// instants, and the largest is a little more than one of them says: by what the traffic at the ends of a window differs.
func (w wording) once(form string) string {
	if w.pack.ReplicaLabel == "" {
		return form
	}
	return largestOf(form, w.pack.ReplicaLabel)
}

// largestOf returns the largest of the series of expr that differ in a label alone.
func largestOf(expr, label string) string {
	return "max without (" + labelName(label) + ") (" + expr + ")"
}

// increase returns the form of what one series counted over the window.
func (w wording) increase() string { return w.once(w.increaseAtOne()) }

// increaseAtOne returns it for a series that one replica of a Prometheus has stored.
func (w wording) increaseAtOne() string {
	sums := w.pack.PeriodSums
	switch {
	case sums == nil:
		return "increase(%s[" + promDuration(w.window) + "])"
	case sums.Stamps == cloudStamps:
		// Each period is stored once, at its beginning: the one at which the window ends belongs to the next.
		return "sum_over_time(%s[" + promDuration(w.window) + "] offset 1s)"
	default:
		// One look a period, however often it was scraped. A second less than the window, since servers before Prometheus
		// 3 count both ends.
		return "sum_over_time(%s[" + promDuration(w.window-time.Second) + ":" + promDuration(sums.Period) + "])"
	}
}

// alternatives returns form for each name, restricted to the matchers of the source, the pack and its part.
func (w wording) alternatives(names []string, form string, where ...map[string]string) []string {
	lists := []string{whereList(w.pack.Where)}
	for _, k := range w.among {
		lists = append(lists, k.matcher())
	}
	for _, values := range where {
		lists = append(lists, whereList(values))
	}
	matchers := joined(lists...)
	var texts []string
	for _, name := range names {
		for _, selected := range w.selections {
			texts = append(texts, fmt.Sprintf(form, selector(name, joined(Matchers(selected), matchers))))
		}
	}
	return texts
}

// each returns form for every name that c may be found under.
func (w wording) each(c *counter, form string) []string {
	var texts []string
	for ; c != nil; c = c.Else {
		better := texts
		for _, text := range w.forms(c, form, nil) {
			texts = append(texts, w.unless(text, better))
		}
	}
	return texts
}

// present returns expressions that have a value where the input is there to be counted.
func (w wording) present() []string {
	form := "%s"
	if sums := w.pack.PeriodSums; sums != nil && sums.Stamps == cloudStamps {
		form = "last_over_time(%s[" + lateWindow + "])"
	}
	return w.each(w.pack.Tokens[input], form)
}

// ttft returns the 95th percentile of the time to first token per group over the window, in seconds.
func (w wording) ttft() string {
	return w.ttftOf(func(histogram string) string { return "histogram_quantile(0.95, " + histogram + ")" })
}

// ttftOf returns it with what quantile makes of a histogram.
func (w wording) ttftOf(quantile func(histogram string) string) string {
	var forms []string
	for h := w.pack.TTFTSeconds; h != nil; h = h.Else {
		if len(h.Quantiles) > 0 { // of each period: nineteen periods in twenty were not slower
			slowest := w.alternatives(h.Quantiles, "quantile_over_time(0.95, %s["+promDuration(w.window)+"])", h.Where)
			forms = append(forms, "max by ("+w.by()+") ("+strings.Join(slowest, " or ")+")"+times(h.Scale))
			continue
		}
		buckets := make([]string, len(h.Histograms))
		for i, name := range h.Histograms {
			buckets[i] = name + "_bucket"
		}
		rates := w.alternatives(buckets, w.once("rate(%s["+promDuration(w.window)+"])"), h.Where)
		forms = append(forms, quantile("sum by ("+labelList(append([]string{"le"}, w.groupBy...))+") ("+strings.Join(rates, " or ")+")")+times(h.Scale))
	}
	return strings.Join(forms, "\nor ")
}

// sumBound is the value of le that stands for the tokens of all prompts.
const sumBound = "sum"

// prompts returns how many requests had a prompt of up to le tokens per group over the window, and under sumBound the tokens of all.
func (w wording) prompts() string {
	if w.pack.PromptLengths == nil {
		return ""
	}
	return w.lengths("_bucket", append([]string{"le"}, w.groupBy...)) + "\nor " +
		fmt.Sprintf(`label_replace(%s, "le", %q, "", "")`, w.lengths("_sum", w.groupBy), sumBound)
}

// lengths adds up the increases over the window of the series of the lengths of prompts that end in suffix. Generations may have other
// buckets, so that a target is read in one of them.
func (w wording) lengths(suffix string, by []string) string {
	if w.pack.PromptLengths.Else == nil {
		return w.increases(labelList(by), w.pack.PromptLengths.series(suffix), everything)
	}
	per := wording{groupBy: by}.perTarget()
	var forms []string
	for h := w.pack.PromptLengths; h != nil; h = h.Else {
		form := append([]string{w.increases(per, h.series(suffix), everything)}, forms...)
		forms = append(forms, strings.Join(form, " unless on ("+w.common()+") "))
	}
	return "sum by (" + labelList(by) + ") (" + strings.Join(forms, " or ") + ")"
}

// series returns the series of h that end in suffix.
func (h *histogram) series(suffix string) *counter {
	c := counter{Where: h.Where}
	for _, name := range h.Histograms {
		c.Metrics = append(c.Metrics, name+suffix)
	}
	return &c
}

// level returns what the gauge g shows now per group: the sum over the replicas, or with of = "max" the worst of them.
func (w wording) level(g *gauge, of string) string {
	if g.Else == nil {
		return of + " by (" + w.by() + ") (" + w.shown(g) + ")"
	}
	var forms []string
	for ; g != nil; g = g.Else {
		forms = append(forms, w.unless(of+" by ("+w.perTarget()+") ("+w.shown(g)+")", forms))
	}
	return of + " by (" + w.by() + ") (" + strings.Join(forms, " or ") + ")"
}

// shown returns what the gauge g alone shows now.
func (w wording) shown(g *gauge) string {
	shown := strings.Join(w.alternatives(g.Metrics, w.once("%s"), g.Where), " or ")
	if len(g.Per) > 0 {
		shown = "max by (" + labelList(append(slices.Clone(w.groupBy), g.Per...)) + ") (" + shown + ")"
	}
	return shown
}

// served returns how the engines of each group did over the window: the time to first token, the queue and the replicas. Of engines that
// serve several groups no number of replicas is given, since none of them has the replicas for itself.
func (w wording) served() string {
	var parts []string
	if w.pack.engine() {
		engines, each := w.engines(), labelList(target)
		all := worded(w.pack, everything, w.groupBy, w.window).engines()
		shared := all + " and on (" + each + ") count by (" + each + ") (" + all + ") > 1"
		alone := "count by (" + w.by() + ") (" + engines + ") unless count by (" + w.by() + ") (" + shared + ")"
		parts = append(parts, marked(replicas, constant(alone, promDuration(w.window))))
	}
	if queue := w.pack.Waiting; queue != nil {
		parts = append(parts, marked(waiting, w.averaged(w.level(queue, "sum"))))
	}
	if ttft := w.ttftOf(w.capped); ttft != "" {
		parts = append(parts, marked(ttftP95, ttft))
	}
	return strings.Join(parts, "\nor ")
}

// engines returns an expression with a series for every program that counts the tokens of a group.
func (w wording) engines() string {
	return "count by (" + w.perTarget() + ") (" + strings.Join(w.present(), " or ") + ")"
}

// capped returns the 95th percentile of a histogram, and infinity where it is above the highest bound that the histogram has below that:
// the quantile is then no larger than the largest of all.
func (w wording) capped(histogram string) string {
	quantile := func(q string) string { return "histogram_quantile(" + q + ", " + histogram + ")" }
	return "(" + quantile("0.95") + " < " + quantile("1") + " or " + quantile("0.95") + " / 0)"
}

// constant returns what expr shows, where it was the same at every five-minute step of the window.
func constant(expr, window string) string {
	steps := ")[" + window + ":" + promDuration(probeStep) + "])"
	return "(min_over_time((" + expr + steps + " == max_over_time((" + expr + steps + ")"
}

// averaged returns the mean over the window of what expr shows at five-minute steps, those without a value left out.
func (w wording) averaged(expr string) string {
	return "avg_over_time((" + expr + ")[" + promDuration(w.window) + ":" + promDuration(probeStep) + "])"
}

// times writes the multiplication by a scale, 0 being 1.
func times(scale float64) string {
	if scale == 0 || scale == 1 {
		return ""
	}
	return " * " + strconv.FormatFloat(scale, 'g', -1, 64)
}

// promDuration writes d as PromQL does, in the largest unit that it is a whole number of.
func promDuration(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// matcherKind splits the value of a where into PromQL's operator and what follows it.
func matcherKind(value string) (operator, text string, isRegexp bool) {
	if text, ok := strings.CutPrefix(value, "!~"); ok {
		return "!~", text, true
	}
	if text, ok := strings.CutPrefix(value, "~"); ok {
		return "=~", text, true
	}
	return "=", value, false
}

// whereList writes the matchers of a where, sorted by label.
func whereList(values map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		operator, text, _ := matcherKind(values[name])
		list = append(list, labelName(name)+operator+strconv.Quote(text))
	}
	return strings.Join(list, ",")
}
