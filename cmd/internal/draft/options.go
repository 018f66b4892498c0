package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"tipline/collector"
	"tipline/model"
)

// maxAPIs is how many APIs a workload has as candidates.
const maxAPIs = 3

// An options is what could serve the workloads, in the order in which they first ask for it.
type options struct {
	book  book
	cards []collector.Cards
	nodes []*yaml.Node
	names map[string]*yaml.Node // of nodes

	missing  []*yaml.Node // what serves workloads now and has no price, to be filled in
	unpriced []string     // what that is, for a reader
	taken    []string     // models that were taken for others of the book, for a reader
	asked    map[string]bool

	standing map[string]standing // the fleets that serve workloads, by the name of the option
}

// standing is a fleet of which GPUs are there already.
type standing struct{ gpus, replicas int }

// choose gives w its current option and its candidates.
func (o *options) choose(w *workload) {
	if w.source.own(w.streams[0]) {
		w.current = o.fleetNow(w)
	} else {
		w.current = o.apiNow(w)
	}
	var own, apis []string
	for _, name := range w.models {
		key := modelKey(name)
		if items := o.book.serving(key, w.outputShare()); len(apis) == 0 && len(items) > 0 {
			apis = items[:min(len(items), maxAPIs)]
		}
		if len(own) == 0 {
			own = o.fleets(w, key)
		}
	}
	for _, item := range apis {
		own = append(own, o.api(item, ""))
	}
	for _, name := range append([]string{w.current}, own...) {
		if name != "" && !slices.Contains(w.candidates, name) {
			w.candidates = append(w.candidates, name)
		}
	}
}

// apiNow returns the option of the API that serves w; empty when it has no price.
func (o *options) apiNow(w *workload) string {
	for _, exact := range []bool{true, false} {
		for _, name := range w.models {
			if item, is := o.book.api(w.provider, name); item != "" && is == exact {
				o.take(w, name, item)
				return o.api(item, "")
			}
		}
	}
	asked := w.provider
	if len(w.models) > 0 {
		asked = w.provider + "/" + w.named()
		for _, name := range w.models {
			if item, _ := o.book.api(maker(name), name); w.provider == "" && maker(name) != "" && item != "" {
				return o.api(item, "guessed: no label says who serves it; ")
			}
			if strings.HasPrefix(name, w.provider+"/") {
				asked = name
			}
		}
	}
	if asked == "" {
		asked = w.source.name
	}
	o.lack(asked, w, mapping(false,
		"name", text(optionName(asked)), "kind", text("api"), "model", text(asked), "prices", mapping(true, "input", text("?"), "output", text("?"))))
	return ""
}

// take notes that the model of w is not called as item is, which may be another: no price follows from a name that is only alike. A date behind the name
// of a model says which of its releases it is, and its provider in front who serves it.
func (o *options) take(w *workload, name, item string) {
	called, _ := strings.CutPrefix(name, w.provider+"/")
	if strings.EqualFold(w.provider+"/"+released.ReplaceAllString(called, ""), item) || strings.EqualFold(called, item) || strings.EqualFold(w.provider+"/"+called, item) {
		return
	}
	w.taken = fmt.Sprintf("%s is taken for %s, since the names are alike: correct current if it is not", shown(name), item)
	if !o.asked[name+" "+item] {
		o.asked[name+" "+item] = true
		o.taken = append(o.taken, fmt.Sprintf("%s for %s (%s, %s tokens in 28 days)", shown(name), item, w.title(), model.FormatTokens(w.tokens())))
	}
}

// lack notes what serves w and has no price.
func (o *options) lack(what string, w *workload, skeleton *yaml.Node) {
	if o.asked[what] || w.tokens() == 0 {
		return
	}
	o.asked[what] = true
	if len(what) <= longestLabel {
		o.missing = append(o.missing, skeleton)
	}
	o.unpriced = append(o.unpriced, fmt.Sprintf("%s (%s, %s tokens in 28 days)", shown(what), w.title(), model.FormatTokens(w.tokens())))
}

// optionName returns the name of an option of an item or a model.
func optionName(item string) string {
	return strings.ToLower(strings.ReplaceAll(strings.Trim(item, "/"), "/", "-"))
}

// api returns the option of an item of the price book.
func (o *options) api(item, why string) string {
	name := optionName(item)
	o.add(name, mapping(false, "name", text(name), "kind", text("api"), "model", remarked(text(item), why+o.book.said(item))))
	return name
}

// add adds an option unless it is there already.
func (o *options) add(name string, node *yaml.Node) {
	if o.names[name] == nil {
		o.names[name] = node
		o.nodes = append(o.nodes, node)
	}
}

// held returns the type and number of the GPUs that w runs on, as far as one type is known.
func (o *options) held(w *workload) (exported string, count float64) {
	namespaces := map[string]string{} // pack of the GPUs by namespace
	add := func(s *source, streams []collector.Stream) {
		for _, stream := range streams {
			if ns := stream.Labels["namespace"]; ns != "" && s.cards != "" {
				namespaces[ns] = s.cards
			}
		}
	}
	add(w.source, w.streams)
	for _, name := range w.models {
		if engine := w.source.backed[modelKey(name)]; engine != nil {
			for _, stream := range engine.metered.Streams {
				if engine.named(stream, modelKey(name)) {
					add(engine, []collector.Stream{stream})
				}
			}
		}
	}
	for _, c := range o.cards {
		if namespaces[c.Namespace] != c.Pack || c.Namespace == "" {
			continue
		}
		if exported != "" && c.Type != exported {
			return "", 0
		}
		exported, count = c.Type, count+c.Count
	}
	return exported, count
}

// fleetNow returns the option of the engines that serve w; empty when their throughput or the price of their GPUs is not known.
func (o *options) fleetNow(w *workload) string {
	exported, count := o.held(w)
	gpu, known := o.book.card(exported)
	for _, name := range w.models {
		for _, r := range o.book.replicas(modelKey(name)) {
			if known && r.card.name == gpu.name {
				r.card = gpu
				option := o.fleet(r, name)
				o.standing[option] = standing{gpus: int(count), replicas: int(count) / r.gpus}
				return option
			}
		}
	}
	what := "engines of your own"
	if len(w.models) > 0 {
		what += " with " + w.named()
	}
	if exported != "" {
		what += " on " + exported
	}
	skeleton := mapping(false, "name", text(optionName("own-"+slug(w.named()))), "kind", text("self-hosted"))
	price, said := o.book.hour(gpu)
	gpuNode := mapping(true, "type", text("?"), "per_replica", text("?"), "usd_per_hour", text("?"))
	if known && price != "" {
		gpuNode = mapping(true, "type", text(gpu.name), "per_replica", text("?"), "price", text(price))
	}
	add(skeleton, "gpu", remarked(gpuNode, said))
	add(skeleton, "throughput", remarked(mapping(true, "tokens_per_hour", text("?")), "input and output tokens of one replica at full load"))
	o.lack(what, w, skeleton)
	return ""
}

var notPlain = regexp.MustCompile(`[^a-z0-9.]+`)

// slug returns the last part of the name of a model in small letters.
func slug(name string) string {
	name = strings.ToLower(name)
	name = strings.Trim(notPlain.ReplaceAllString(name[strings.LastIndexByte(name, '/')+1:], "-"), "-.")
	if name == "" {
		return "engines"
	}
	return name[:min(len(name), 60)]
}

// fleets returns an option of GPUs of one's own that could serve a model: on a type of GPU that is there, or else the cheapest per token.
func (o *options) fleets(w *workload, key string) []string {
	replicas := o.book.replicas(key)
	if len(replicas) == 0 {
		return nil
	}
	best := replicas[0]
	for _, r := range replicas {
		if slices.ContainsFunc(o.cards, func(c collector.Cards) bool {
			gpu, known := o.book.card(c.Type)
			return known && gpu.name == r.card.name
		}) {
			best = r
			break
		}
	}
	name := w.models[0]
	for _, m := range w.models {
		if modelKey(m) == key {
			name = m
		}
	}
	return []string{o.fleet(best, name)}
}

// fleet returns the option of replicas as r.
func (o *options) fleet(r replica, served string) string {
	parts := strings.Split(r.item, "/")
	name := "own-" + parts[1] + "-" + parts[2]
	if !simple.MatchString(served) {
		served = parts[1]
	}
	price, said := o.book.hour(r.card)
	throughput := mapping(true, "book", text(r.item))
	o.add(name, mapping(false, "name", text(name), "kind", text("self-hosted"), "model", text(served),
		"gpu", remarked(mapping(true, "type", text(r.card.name), "per_replica", number(r.gpus), "price", text(price)), said),
		"throughput", remarked(throughput, "a published benchmark at full load: put what your replicas do in its place (tokens_per_hour)")))
	return name
}

// floors says of every fleet that is there how many replicas it has at least. One that several workloads of the stanzas share is costed for each of them by itself, so
// that all of its replicas would be paid for several times.
func (o *options) floors(stanzas []stanza) {
	serves := map[string]int{}
	for _, s := range stanzas {
		if s.workload != nil {
			serves[s.workload.current] += max(1, s.more)
		}
	}
	for name, s := range o.standing {
		if s.replicas > 2 && serves[name] == 1 {
			add(o.names[name], "min_replicas", remarked(number(s.replicas-1), strconv.Itoa(s.gpus)+" GPUs are there, one replica of them spare"))
		}
	}
}
