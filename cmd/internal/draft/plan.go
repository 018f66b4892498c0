package draft

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tipline/collector"
	"tipline/model"
)

// A source is one meter, with what is guessed of it.
type source struct {
	metered collector.Metered
	pack    collector.Description
	name    string
	hosting string
	why     string             // of the hosting
	primary map[string]*source // the source that counts a stream too and knows more of it, by streamKey
	backed  map[string]*source // the engines of one's own that a model is passed on to, by modelKey
	cards   string             // pack of the GPUs; empty when none are known
	cardsAs string             // what they are, for a reader
}

// A workload is what a source groups together.
type workload struct {
	source        *source
	labels        map[string]string
	input, output model.Tokens // in 28 days
	twice         model.Tokens // of these, that primary counts too
	primary       *source      // nil when no other source counts any of it
	streams       []collector.Stream
	models        []string // names of its model, of the largest stream
	provider      string   // as the price book calls it; empty when nothing says it
	current       string   // name of an option; empty when what serves it now has no price
	taken         string   // what its model was taken for because the names are alike, for a reader; empty when they are the same
	candidates    []string
}

// secondary tells whether w is priced at its primary meter: a workload is priced as a whole, where most of it is counted twice.
func (w *workload) secondary() bool { return w.primary != nil && 2*w.twice > w.tokens() }

func (w *workload) tokens() model.Tokens { return w.input + w.output }

// named returns the longest of the names that w has for its model, empty when it has none: that by which it is asked for is an alias.
func (w *workload) named() (longest string) {
	for _, name := range w.models {
		if len(name) > len(longest) {
			longest = name
		}
	}
	return longest
}

// outputShare returns the share of the output, a quarter where nothing was counted.
func (w *workload) outputShare() float64 {
	if w.tokens() == 0 {
		return 0.25
	}
	return float64(w.output / w.tokens())
}

// served returns who serves most of w and under which name, for a reader.
func (w *workload) served() string {
	by := map[string]model.Tokens{}
	for _, stream := range w.streams {
		parts := append(values(stream, w.source.pack.Provider), values(stream, w.source.pack.Model)...)
		if len(parts) > 2 {
			parts = []string{parts[0], parts[len(parts)-1]}
		}
		by[strings.Join(parts, "/")] += stream.Tokens()
	}
	names := slices.Sorted(maps.Keys(by))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(by[b], by[a]) })
	if names[0] == "" && len(names) == 1 {
		if w.source.runs() {
			return "engines of your own, which do not say their model"
		}
		return "a model that no label names"
	}
	text := shown(names[0])
	if len(names) > 1 {
		var all model.Tokens
		for _, tokens := range by {
			all += tokens
		}
		text += fmt.Sprintf(" (%s of them, the rest by %s)", percent(by[names[0]], all), shown(strings.Join(names[1:min(len(names), 4)], ", ")))
	}
	return text
}

// title returns how reports call w.
func (w *workload) title() string {
	values := make([]string, len(w.source.metered.GroupBy))
	for i, label := range w.source.metered.GroupBy {
		values[i] = shown(w.labels[label])
	}
	return strings.Join(values, "/")
}

// models returns the names that a stream gives its model, the most telling first.
func (s *source) models(stream collector.Stream) []string { return values(stream, s.pack.Model) }

func values(stream collector.Stream, labels []string) []string {
	var found []string
	for _, label := range labels {
		if v := stream.Labels[label]; v != "" && !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}

// provider returns who serves a stream, as the price book calls it; empty when nothing says so.
func (s *source) provider(stream collector.Stream) string {
	if names := values(stream, s.pack.Provider); len(names) > 0 {
		name := strings.ToLower(names[0])
		return cmp.Or(providers[name], name)
	}
	for prefix, provider := range packProviders {
		if strings.HasPrefix(s.metered.Pack, prefix) {
			return provider
		}
	}
	return ""
}

// own tells whether a stream is served by engines of one's own.
func (s *source) own(stream collector.Stream) bool {
	if s.runs() || slices.Contains(ownProviders, s.provider(stream)) {
		return true
	}
	return slices.ContainsFunc(s.models(stream), func(name string) bool { return s.backed[modelKey(name)] != nil })
}

// plainName matches what may stand in the name of a source as it is.
var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,40}$`)

// newSources returns a source for everything that is metered, under names of their own.
func newSources(metered []collector.Metered, library *collector.Library, taken map[string]bool) ([]*source, error) {
	var sources []*source
	for _, m := range metered {
		d, err := library.Describe(m.Pack)
		if err != nil {
			return nil, err
		}
		s := &source{metered: m, pack: d, name: m.Pack, primary: map[string]*source{}, backed: map[string]*source{}}
		if job := m.Select["job"]; plainName.MatchString(job) && job != m.Pack {
			s.name += "-" + job
		}
		s.name = unique(s.name, taken)
		sources = append(sources, s)
	}
	return sources, nil
}

// unique returns name, or name with a number behind it that is not taken, and takes it.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

// guessHosting guesses how what s counts is served now: as most of its tokens are.
func (s *source) guessHosting() {
	byProvider := map[string]model.Tokens{}
	var own, all model.Tokens
	for _, stream := range s.metered.Streams {
		all += stream.Tokens()
		if s.own(stream) {
			own += stream.Tokens()
		}
		byProvider[s.provider(stream)] += stream.Tokens()
	}
	s.hosting = string(model.API)
	if own > all-own || s.runs() {
		s.hosting = string(model.SelfHosted)
	}
	switch {
	case s.runs():
		s.why = "engines of your own"
	case s.pack.Layer == collector.CloudLayer:
		s.why = "guessed: paid by the token, unless you bought throughput"
	case own > 0:
		s.why = fmt.Sprintf("guessed: %s of its tokens go to engines of your own", percent(own, all))
	default:
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(byProvider)), func(name string) bool { return name == "" })
		for i, name := range names {
			names[i] = shown(name)
		}
		s.why = "guessed"
		if len(names) > 0 {
			s.why += " from the providers: " + strings.Join(names[:min(5, len(names))], ", ")
		}
	}
}

func percent(part, all model.Tokens) string {
	if all == 0 {
		return "none"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(part/all))
}

// workloads groups the streams of the sources that count, the largest first.
func workloads(sources []*source) []*workload {
	var all []*workload
	for _, s := range sources {
		byLabels := map[string]*workload{}
		for _, stream := range s.metered.Streams {
			labels := map[string]string{}
			for _, label := range s.metered.GroupBy {
				labels[label] = stream.Labels[label]
			}
			key := streamKey(collector.Stream{Labels: labels})
			w := byLabels[key]
			if w == nil {
				w = &workload{source: s, labels: labels, models: s.models(stream), provider: s.provider(stream)}
				byLabels[key] = w
				all = append(all, w)
			}
			w.streams = append(w.streams, stream)
			w.input += s.metered.Scale() * stream.Input
			w.output += s.metered.Scale() * stream.Output
			if primary := s.primary[streamKey(stream)]; primary != nil {
				w.primary = cmp.Or(w.primary, primary)
				w.twice += s.metered.Scale() * stream.Tokens()
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *workload) int {
		return cmp.Or(cmp.Compare(b.tokens(), a.tokens()), strings.Compare(a.source.name, b.source.name), strings.Compare(a.title(), b.title()))
	})
	return all
}

// attachCards finds the GPUs of the sources that group by namespace, and says which nobody uses.
func attachCards(sources []*source, cards []collector.Cards) (idle []string) {
	used := map[int]bool{}
	for _, s := range sources {
		if !slices.Contains(s.metered.GroupBy, "namespace") {
			continue
		}
		counts := map[string]map[string]float64{} // by pack and type
		totals := map[string]float64{}
		for i, c := range cards {
			if c.Namespace == "" || !slices.ContainsFunc(s.metered.Streams, func(stream collector.Stream) bool { return stream.Labels["namespace"] == c.Namespace }) {
				continue
			}
			used[i] = true
			if counts[c.Pack] == nil {
				counts[c.Pack] = map[string]float64{}
			}
			counts[c.Pack][cmp.Or(c.Type, "of an unknown type")] += c.Count
			totals[c.Pack] += c.Count
		}
		for _, pack := range slices.Sorted(maps.Keys(totals)) {
			if s.cards != "" && totals[pack] <= totals[s.cards] {
				continue
			}
			s.cards = pack
			var kinds []string
			for _, kind := range slices.Sorted(maps.Keys(counts[pack])) {
				kinds = append(kinds, fmt.Sprintf("%.3g %s", counts[pack][kind], shown(kind)))
			}
			s.cardsAs = strings.Join(kinds, ", ")
		}
	}
	for i, c := range cards {
		if used[i] {
			continue
		}
		where := "namespace " + shown(c.Namespace)
		if c.Namespace == "" {
			where = "no namespace that is said"
		}
		idle = append(idle, fmt.Sprintf("%.3g GPUs %s in %s (%s): no workload was found there", c.Count, shown(c.Type), where, c.Pack))
	}
	return idle
}
