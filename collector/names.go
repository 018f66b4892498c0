package collector

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tipline/model"
)

// A wanted is a signal that a source reads, of which it is looked once a day whether anything is there under its names.
type wanted struct {
	key    string   // what it is called in the answer and in the record
	signal string   // as the pack or the configuration calls it
	names  []string // of metrics, best first: one that is there is enough, unless each is looked at
	found  []string // expressions that have a value where it is there
	each   []string // expressions that do where each of names is, of a query of one's own; nil elsewhere
	shown  string   // what turns it on; empty when it is on by itself
	own    bool     // the user has named it
	zero   bool     // nothing means none
}

// GPUsMissing is what the GPUs of a source are called beside its signals.
const GPUsMissing = "gpus"

// wants returns what s reads from p, which is nil where it has queries of its own.
func (s Settings) wants(p *pack) (all []wanted) {
	if s.Queries != nil {
		for _, q := range s.Queries.named() {
			w := wanted{key: q.name, signal: q.name, names: metricsIn(q.expr), found: []string{"(" + strings.ReplaceAll(q.expr, "$__window", hourWindow) + "\n)"}, own: true}
			for _, name := range w.names {
				w.each = append(w.each, fmt.Sprintf(seen, selector(name, "")))
			}
			all = append(all, w)
		}
		return all
	}
	own := s.Library.text(p.Name) != ""
	for _, t := range trials(p, s, seen) {
		if last := len(all) - 1; t.name == string(cacheReadDoubtful) && all[last].signal == string(cacheRead) { // of which it takes the place
			all[last].names, all[last].found = slices.Concat(all[last].names, t.names), slices.Concat(all[last].found, t.found)
			continue
		}
		w := wanted{key: t.name, signal: t.name, names: t.names, found: t.found, shown: p.Switch, own: own, zero: t.zero}
		all = append(all, w)
		if len(t.plus) > 0 {
			w.key, w.names, w.found = t.name+" plus", t.plusNames, t.plus
			all = append(all, w)
		}
	}
	return all
}

// wantsGPUs returns what s reads from p, which counts its GPUs, whoever holds them.
func (s Settings) wantsGPUs(p *pack) (all []wanted) {
	add := func(where map[string]string, names ...string) {
		w := wanted{key: GPUsMissing + " " + names[0], signal: GPUsMissing, names: names, shown: p.Switch, own: s.Library.text(p.Name) != ""}
		for _, name := range names {
			w.found = append(w.found, fmt.Sprintf(seen, selector(name, whereList(where))))
		}
		all = append(all, w)
	}
	if h := p.GPU.Held; h != nil {
		add(h.Where, h.Metric)
		if h.While != nil {
			add(h.While.Where, h.While.Metric)
		}
		return all
	}
	var names []string
	for _, b := range p.GPU.Busy {
		names = append(names, b.Metric)
	}
	add(nil, slices.Concat(names, p.GPU.Silent)...)
	return all
}

// wantedSignal begins the signals of what is wanted, which are none that are read.
const wantedSignal = "wanted_"

// signalOf is the signal of what is wanted under key.
func signalOf(key string) signal { return signal(wantedSignal + key) }

// lookedFor returns the expression of how many series there are of all that is wanted.
func lookedFor(all []wanted) string {
	var parts []string
	for _, w := range all {
		parts = append(parts, marked(signalOf(w.key), "count("+strings.Join(w.found, " or ")+")"))
		for i, one := range w.each {
			parts = append(parts, marked(signalOf(w.key+" "+w.names[i]), "count("+one+")"))
		}
	}
	return strings.Join(parts, "\nor ")
}

// goneFor is how long nothing may be found of what was there before it is said to be gone: a look in between found nothing either.
const goneFor = lookAgain * 3 / 2

// missing takes over what of all that is wanted a look at now has found, and returns what it has not. Where it has found nothing at all but GPUs, a source with a history is idle or
// down, which says nothing of names: what was said before stays.
func (c *Collector) missing(found map[signal]float64, now time.Time) (missing []model.Missing) {
	there := func(key string) bool { return found[signalOf(key)] > 0 }
	counted := func(w wanted) bool { return w.signal != GPUsMissing && there(w.key) }
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.ContainsFunc(c.wanted, counted) && len(c.archive.series) > 0 {
		return c.look.missing
	}
	c.archive.setRecord(func(r *record) {
		if r.Found == nil {
			r.Found = map[string]time.Time{}
		}
		// absent notes what is there and returns whether something else is to be said, and since when it is not.
		absent := func(key string) (gone bool, last *time.Time) {
			if there(key) {
				r.Found[key] = now.UTC()
				return false, nil
			}
			at, before := r.Found[key]
			if before {
				last = &at
			}
			return !before || now.Sub(at) >= goneFor, last
		}
		for _, w := range c.wanted {
			var apart []string
			for _, name := range w.names[:len(w.each)] {
				gone, last := absent(w.key + " " + name)
				if gone && there(w.key) { // another takes its place
					missing = append(missing, model.Missing{Signal: w.signal, Metrics: []string{name}, Last: last})
				}
				if gone {
					apart = append(apart, name)
				}
			}
			gone, last := absent(w.key)
			if !gone || w.zero && last == nil {
				continue
			}
			m := model.Missing{Signal: w.signal, Metrics: w.names, Last: last, Switch: w.shown, Needed: w.own || slices.Contains([]string{string(input), string(output), GPUsMissing}, w.signal)}
			if len(apart) > 0 {
				m.Metrics = apart
			}
			m.Needed = m.Needed || last != nil && slices.Contains([]string{string(cacheRead), string(cacheWrite)}, w.signal)
			missing = append(missing, m)
		}
	})
	return missing
}

// missingWarnings says what of missing must be put right: what was never there, and what is there no more.
func missingWarnings(missing []model.Missing) (warnings []model.Warning) {
	var never, gone, switches []string
	for _, m := range missing {
		switch {
		case !m.Needed:
			continue
		case m.Last == nil:
			never = append(never, m.Text())
		default:
			gone = append(gone, m.Text())
		}
		if m.Switch != "" && !slices.Contains(switches, m.Switch) {
			switches = append(switches, m.Switch)
		}
	}
	on := turnedOn(switches)
	if len(never) > 0 {
		warnings = append(warnings, model.Warning{Code: NeverMatched, Text: "nothing was ever found of " + strings.Join(never, ", of ") + ": called otherwise in this version, misspelt, or not scraped?" + on})
	}
	if len(gone) > 0 {
		warnings = append(warnings, model.Warning{Code: NoLongerMatched, Text: "nothing is found any more of " + strings.Join(gone, ", of ") + ": renamed by another version, or turned off?" + on})
	}
	return warnings
}

// turnedOn says what turns metrics on, in a sentence of its own.
func turnedOn(switches []string) string {
	if len(switches) == 0 {
		return ""
	}
	return " Turned on by " + strings.Join(switches, ", and by ")
}

// metricsIn returns the names of the metrics in a PromQL expression, in their order and once each: every word that is no function, operator or label, and what stands in quotes
// where a label would. It reads no grammar, so that of an expression that is none it may return anything.
func metricsIn(expr string) (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for i := 0; i < len(expr); {
		switch c := expr[i]; {
		case c == '#':
			i += past(expr[i:], "\n")
		case c == '"' || c == '\'' || c == '`':
			i += quotedLength(expr[i:])
		case c == '[':
			i += past(expr[i:], "]")
		case c == '{':
			name, length := nameBetweenBraces(expr[i:])
			add(name)
			i += length
		case isWord(c):
			word := expr[i : i+wordLength(expr[i:])]
			i += len(word)
			rest := strings.TrimLeft(expr[i:], " \t\r\n")
			switch next := strings.ToLower(rest[:wordLength(rest)]); {
			case grouping[strings.ToLower(word)]:
				if strings.HasPrefix(rest, "(") { // labels
					i = len(expr) - len(rest) + past(rest, ")")
				}
			case c >= '0' && c <= '9' || operators[strings.ToLower(word)] || strings.HasPrefix(rest, "(") || next == "by" || next == "without":
			default:
				add(word)
			}
		default:
			i++
		}
	}
	return names
}

var (
	grouping  = map[string]bool{"by": true, "without": true, "on": true, "ignoring": true, "group_left": true, "group_right": true}
	operators = map[string]bool{
		"and": true, "or": true, "unless": true, "atan2": true, "bool": true, "offset": true, "inf": true, "nan": true,
		"default": true, "if": true, "ifnot": true, "limit": true, "keep_metric_names": true, // of MetricsQL
	}
)

func isWord(c byte) bool {
	return c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// wordLength returns how long the word is that text begins with; 0 when it begins with none.
func wordLength(text string) (n int) {
	for n < len(text) && isWord(text[n]) || n > 0 && n+1 < len(text) && text[n] == '.' && isWord(text[n+1]) { // 0.5
		n++
	}
	return n
}

// past returns how much of text there is up to the end of mark, all of it without one.
func past(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i + len(mark)
	}
	return len(text)
}

// quotedLength returns how long the string is that text begins with, its quotes included.
func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] != '`':
			i++
		case text[i] == text[0]:
			return i + 1
		}
	}
	return len(text)
}

// nameBetweenBraces returns the name of a metric that is among the matchers that text begins with, as a text alone or as the value of __name__, and how long they are.
func nameBetweenBraces(text string) (name string, length int) {
	label := "" // before the operator
	for i := 1; i < len(text); {
		switch c := text[i]; {
		case c == '}':
			return name, i + 1
		case c == '"' || c == '\'' || c == '`':
			n := quotedLength(text[i:])
			value := strings.Trim(text[i:i+n], string(c))
			if unquoted, err := strconv.Unquote(text[i : i+n]); err == nil { // but for single quotes, which Go has for one rune
				value = unquoted
			}
			i += n
			rest := strings.TrimLeft(text[i:], " \t\r\n")
			if label == "__name__=" || label == "" && (strings.HasPrefix(rest, ",") || strings.HasPrefix(rest, "}")) {
				name = value
			}
			label = ""
		case c == ',':
			label = ""
			i++
		default:
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				label += string(c)
			}
			i++
		}
	}
	return name, len(text)
}
