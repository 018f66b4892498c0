package draft

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"tipline/collector"
	"tipline/model"
)

// near is how far apart, as a share of the larger, the tokens of two meters may be that are taken for the same. Counters that are scraped
// apart, and requests that fail between the two, make them differ by some percent.
const near = 0.10

// tooFew is the number of tokens below which nothing is said of two meters: by chance any two may be near.
const tooFew model.Tokens = 10_000

// findTwice looks for models that two packs count with about the same input and output, and notes with the streams of the meter that knows
// less of who caused them which source is their primary meter. It returns what it found, and what it only suspects.
func findTwice(sources []*source) (twice, suspected []string) {
	paid := map[*source]map[string][]string{}
	for _, s := range sources {
		paid[s] = s.paidFor()
	}
	ranked := slices.Clone(sources)
	slices.SortStableFunc(ranked, func(a, b *source) int {
		return cmp.Compare(slices.Index(collector.Layers, a.pack.Layer), slices.Index(collector.Layers, b.pack.Layer))
	})
	for i, s := range ranked {
		for _, primary := range ranked[:i] {
			if primary.pack.Layer == s.pack.Layer && primary.metered.Pack == s.metered.Pack {
				continue
			}
			theirs, own := primary.byModel(s, paid[s]), s.byModel(primary, paid[primary])
			for _, key := range slices.Sorted(maps.Keys(own)) {
				a, b := theirs[key], own[key]
				if min(a.Tokens(), b.Tokens()) < tooFew {
					continue
				}
				names := fmt.Sprintf("%s (%s %s, %s %s)", shown(b.name),
					primary.name, model.FormatTokens(a.Tokens()), s.name, model.FormatTokens(b.Tokens()))
				if !alike(a.Input, b.Input) || !alike(a.Output, b.Output) {
					suspected = append(suspected, fmt.Sprintf("%s: if one of these passes on to the other, say meter: secondary in the stanzas of the other", names))
					continue
				}
				for _, stream := range b.streams {
					s.primary[streamKey(stream)] = cmp.Or(s.primary[streamKey(stream)], primary)
				}
				if s.runs() {
					primary.backed[key] = s
				}
				twice = append(twice, fmt.Sprintf("%s: priced at %s, and not at %s, which says meter: secondary", names, primary.name, s.name))
			}
		}
	}
	return twice, suspected
}

// alike tells whether two numbers of tokens are near each other.
func alike(a, b model.Tokens) bool {
	return math.Abs(float64(a-b)) <= near*float64(max(a, b))
}

// A total is what a source counts of one model in 28 days, and a name that it has there.
type total struct {
	collector.Stream
	name    string
	streams []collector.Stream // that are added up
}

// byModel adds up the streams of s that are still its own and that other may count too, under each model that they name. Whom other pays for a
// model says paid.
func (s *source) byModel(other *source, paid map[string][]string) map[string]total {
	totals := map[string]total{}
	for _, stream := range s.metered.Streams {
		if s.primary[streamKey(stream)] != nil || other.runs() && !s.runs() && s.paid(stream) {
			continue
		}
		seen := map[string]bool{}
		for _, name := range s.models(stream) {
			key := modelKey(name)
			if key == "" || seen[key] {
				continue
			}
			if theirs := paid[key]; s.paid(stream) && len(theirs) > 0 && !slices.Contains(theirs, "") && !slices.Contains(theirs, s.provider(stream)) {
				continue // each of them says that somebody else is paid
			}
			seen[key] = true
			t := totals[key]
			t.name = cmp.Or(t.name, name)
			t.Input += s.metered.Scale() * stream.Input
			t.Output += s.metered.Scale() * stream.Output
			t.streams = append(t.streams, stream)
			totals[key] = t
		}
	}
	return totals
}

// runs tells whether s counts at engines of one's own.
func (s *source) runs() bool {
	return s.pack.Layer == collector.EngineLayer || s.pack.Layer == collector.RouterLayer
}

// paidFor returns the providers that s pays for each model, by modelKey; an empty one where that is not said, or where it is nobody else.
func (s *source) paidFor() map[string][]string {
	providers := map[string][]string{}
	for _, stream := range s.metered.Streams {
		provider := ""
		if s.paid(stream) {
			provider = s.provider(stream)
		}
		for _, name := range s.models(stream) {
			if key := modelKey(name); !slices.Contains(providers[key], provider) {
				providers[key] = append(providers[key], provider)
			}
		}
	}
	return providers
}

// paid tells whether a stream goes to a provider of others, as far as that is said. Engines speak OpenAI's protocol, so gateways call them
// openai too.
func (s *source) paid(stream collector.Stream) bool {
	provider := s.provider(stream)
	return provider != "" && provider != "openai" && !slices.Contains(ownProviders, provider)
}

// named tells whether stream is of the model with the key.
func (s *source) named(stream collector.Stream, key string) bool {
	return slices.ContainsFunc(s.models(stream), func(name string) bool { return modelKey(name) == key })
}

// streamKey writes the labels of a stream as one string.
func streamKey(stream collector.Stream) string {
	var b strings.Builder
	for _, label := range slices.Sorted(maps.Keys(stream.Labels)) {
		fmt.Fprintf(&b, "%q=%q,", label, stream.Labels[label])
	}
	return b.String()
}
