// Package draft writes a first configuration for what was discovered on a server.
package draft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v4"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// A Server is what was asked and how.
type Server struct {
	URL      string
	HTTP     promconfig.HTTPClientConfig
	PacksDir string // folder with packs of the user's; empty means none
}

// A Draft is a configuration and what a reader should know of it.
type Draft struct {
	Config    []byte // YAML that config.Parse takes; nil when nothing is metered
	Sources   int
	Workloads int          // that are priced: not those that another source counts too
	Tokens    model.Tokens // of these in 28 days
	Findings  []Finding
}

// A Finding is something that the configuration does not settle.
type Finding struct {
	About string // what kind of thing it is
	Lines []string
}

// maxStanzas is how many workloads have a stanza with options. The others are measured all the same.
const maxStanzas = 100

// Write returns a configuration for what d found on server at now. What is guessed says so in a comment.
func Write(d collector.Discovery, library *collector.Library, server Server, now time.Time) (Draft, error) {
	names := map[string]bool{}
	meters, err := newSources(d.Metered, library, names)
	if err != nil {
		return Draft{}, err
	}
	w := writer{discovery: d, server: server, now: now.UTC(), known: library.Packs()}
	w.http, w.secrets = client(server.HTTP)
	idle := attachCards(meters, d.Cards)
	twice, suspected := findTwice(meters)
	for _, s := range meters {
		s.guessHosting()
	}
	w.sources = meters
	var second []*workload
	for _, workload := range workloads(w.sources) {
		if workload.secondary() {
			second = append(second, workload)
		} else {
			w.workloads = append(w.workloads, workload)
		}
		if line := workload.inPart(); line != "" {
			suspected = append(suspected, line)
		}
	}
	w.options = &options{
		book: book{config.Builtin().At(w.now.Format(time.DateOnly))}, cards: d.Cards, names: map[string]*yaml.Node{}, asked: map[string]bool{}, standing: map[string]standing{},
	}
	for _, workload := range w.workloads[:min(len(w.workloads), maxStanzas)] {
		w.options.choose(workload)
		w.stanzas = append(w.stanzas, priced(workload))
	}
	w.stanzas = append(w.stanzas, elsewhere(w.sources, w.workloads, second)...)
	others, left := together(w.workloads[min(len(w.workloads), maxStanzas):])
	for _, s := range others {
		w.options.choose(s.workload)
	}
	w.stanzas, w.left = append(w.stanzas, others...), left
	w.options.floors(w.stanzas)
	if d.Replicas > 0 {
		w.find("stored twice", []string{"the tokens below are too many: " + collector.PerReplica(d.Replicas)})
	}
	w.find("metered twice", twice)
	w.find("perhaps metered twice", suspected)
	w.find("without a price", w.options.unpriced)
	w.find("taken for a model of a similar name", w.options.taken)
	w.find("not placed", w.unplaced())
	w.find("GPUs without a workload", idle)
	w.find("authentication", w.secrets)
	return w.write()
}

// A writer puts a configuration together.
type writer struct {
	discovery collector.Discovery
	server    Server
	now       time.Time
	known     []model.Pack
	http      []any    // keys of prometheus beside the url
	secrets   []string // of the authentication that does not stand in the file
	sources   []*source
	workloads []*workload // that are priced
	stanzas   []stanza    // of the largest of these, of those that are priced elsewhere, and of all others of a model
	left      []*workload // that are in none of them
	options   *options
	findings  []Finding
}

func (w *writer) find(about string, lines []string) {
	if len(lines) > 0 {
		w.findings = append(w.findings, Finding{about, lines})
	}
}

// unplaced says what is not read.
func (w *writer) unplaced() []string {
	var lines []string
	for _, u := range w.discovery.Unplaced {
		names := make([]string, len(u.Metrics))
		for i, name := range u.Metrics {
			names[i] = shown(name)
		}
		line := strings.Join(names, ", ")
		if jobs := slices.DeleteFunc(slices.Clone(u.Jobs), func(job string) bool { return job == "" }); len(jobs) > 0 {
			line += " of " + shown(strings.Join(jobs[:min(3, len(jobs))], ", "))
		}
		lines = append(lines, strings.TrimPrefix(line+": ", ": ")+u.Why)
	}
	for _, s := range w.sources {
		if generated(s) == 0 && s.metered.Tokens() > 0 && slices.ContainsFunc(s.pack.Counts, func(c collector.Count) bool { return c.Signal == "output" }) {
			lines = append(lines, s.name+": it counts input and no output, which is right for embeddings only")
		}
	}
	if len(w.left) > 0 {
		var sum model.Tokens
		for _, workload := range w.left {
			sum += workload.tokens()
		}
		lines = append(lines, fmt.Sprintf("%d more workloads with %s tokens in 28 days: they are measured and have no stanza, so they get what stands under defaults",
			len(w.left), model.FormatTokens(sum)))
	}
	return lines
}

func generated(s *source) (sum model.Tokens) {
	for _, stream := range s.metered.Streams {
		sum += stream.Output
	}
	return sum
}

// write returns the configuration without what a configuration may not hold, such as a stanza with a key in a label.
func (w *writer) write() (Draft, error) {
	for i := len(w.stanzas) - 1; i >= 0; i-- {
		if long := w.stanzas[i].longest(); long > longestLabel {
			w.refuse(i, fmt.Sprintf("one has %d bytes", long))
		}
	}
	for len(w.sources) > 0 {
		text, err := w.assemble()
		if err != nil {
			return Draft{}, err
		}
		_, err = config.Parse("tipline.yml", []byte(text), w.known...)
		var problems config.Problems
		if err == nil || !errors.As(err, &problems) {
			return w.draft([]byte(text)), err
		}
		why, _, _ := strings.Cut(problems[0].Text, ":")
		if i, found := place(problems[0], "workloads"); found && i < len(w.stanzas) {
			w.refuse(i, shown(why))
		} else if i, found := place(problems[0], "sources"); found && strings.Contains(problems[0].Path, "].select") {
			w.refuseSource(i, shown(why))
		} else {
			return Draft{}, fmt.Errorf("what was found cannot stand in a configuration: %w", problems)
		}
	}
	return w.draft(nil), nil
}

// longestLabel is how long a label value in a stanza may be.
const longestLabel = 1000

// refuse takes out the i-th stanza and says why.
func (w *writer) refuse(i int, why string) {
	refused := w.stanzas[i]
	w.stanzas = slices.Delete(slices.Clone(w.stanzas), i, i+1)
	priced := ""
	if refused.primary != nil {
		priced = ", and is priced there although " + refused.primary.name + " counts it too"
	}
	w.refused(fmt.Sprintf("a workload of %s with %s tokens in 28 days is measured and has no stanza%s, for its labels cannot stand in a configuration: %s",
		refused.source.name, model.FormatTokens(refused.tokens), priced, why))
}

// refuseSource takes out the i-th of the sources, with its workloads, and says why. What others count of them is priced there.
func (w *writer) refuseSource(i int, why string) {
	s := w.sources[i]
	w.sources = slices.Delete(slices.Clone(w.sources), i, i+1)
	also := ""
	if slices.ContainsFunc(w.stanzas, func(st stanza) bool { return st.primary == s }) {
		also = ", and what other sources count too is priced there"
	}
	w.stanzas = slices.DeleteFunc(slices.Clone(w.stanzas), func(st stanza) bool { return st.source == s || st.primary == s })
	w.workloads = slices.DeleteFunc(slices.Clone(w.workloads), func(workload *workload) bool { return workload.source == s })
	w.refused(fmt.Sprintf("the source %s with %s tokens in 28 days is left out%s, for what selects it cannot stand in a configuration: %s",
		s.name, model.FormatTokens(s.metered.Tokens()), also, why))
}

func (w *writer) refused(line string) {
	const about = "labels that are refused"
	if last := len(w.findings) - 1; last >= 0 && w.findings[last].About == about {
		w.findings[last].Lines = append(w.findings[last].Lines, line)
		return
	}
	w.find(about, []string{line})
}

// place returns the index in a list that a problem is about.
func place(p config.Problem, list string) (i int, found bool) {
	rest, found := strings.CutPrefix(p.Path, list+"[")
	digits, _, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(digits)
	return i, found && err == nil
}

// draft returns the finished configuration.
func (w *writer) draft(text []byte) Draft {
	d := Draft{Config: text, Sources: len(w.sources), Workloads: len(w.workloads), Findings: w.findings}
	for _, workload := range w.workloads {
		d.Tokens += workload.tokens()
	}
	return d
}

// assemble writes every section.
func (w *writer) assemble() (string, error) {
	var b strings.Builder
	b.WriteString(comments(w.head()) + "\n")
	if w.server.PacksDir != "" {
		section, err := dump(mapping(false, "packs_dir", text(w.server.PacksDir)))
		if err != nil {
			return "", err
		}
		b.WriteString("\n" + section)
	}
	var sources, stanzas []*yaml.Node
	for _, s := range w.sources {
		sources = append(sources, w.source(s))
	}
	for i, s := range w.stanzas {
		stanzas = append(stanzas, s.write(i))
	}
	defaults := mapping(false, "constraints", remarked(mapping(true, "data_sensitivity", text("internal"), "ops_capacity", text("limited")),
		"assumed: public, internal or regulated; none, limited or dedicated"))
	for _, section := range []struct {
		key   string
		nodes []*yaml.Node
		off   []*yaml.Node
		whole *yaml.Node
		why   string // of what is off
	}{
		{key: "sources", nodes: sources},
		{key: "options", nodes: w.options.nodes, off: w.options.missing, why: "What serves workloads now and has no price in the book: fill in the question marks, and name it as current."},
		{key: "workloads", nodes: stanzas},
		{key: "defaults", whole: defaults},
	} {
		n := cmp.Or(section.whole, &yaml.Node{Kind: yaml.SequenceNode, Content: section.nodes})
		switch {
		case len(n.Content) > 0:
			part, err := dump(mapping(false, section.key, n))
			if err != nil {
				return "", err
			}
			b.WriteString("\n" + part)
		case len(section.off) > 0:
			b.WriteString("\n# " + section.key + ":\n")
		}
		out, err := off(section.off)
		if err != nil {
			return "", err
		}
		if out != "" {
			b.WriteString("\n  # " + section.why + "\n" + out)
		}
	}
	return b.String(), nil
}

// head says what this is and what it leaves open.
func (w *writer) head() []string {
	lines := []string{
		fmt.Sprintf("A first configuration of tipline, from what it found at %s on %s with %d queries.",
			shown(w.server.URL), w.now.Format(time.DateOnly), w.discovery.Queries),
		"Volumes are of 28 days, or of as much of them as the server keeps. Hosting, options and constraints are guesses to be",
		"corrected; config/reference.yaml explains every key. Then:",
		"",
		"  tipline check --live -c FILE",
		"  tipline report -c FILE",
	}
	for _, f := range w.findings {
		lines = append(lines, "", strings.ToUpper(f.About[:1])+f.About[1:]+":")
		for _, line := range f.Lines {
			lines = append(lines, "  - "+line)
		}
	}
	return lines
}

// source writes a source.
func (w *writer) source(s *source) *yaml.Node {
	m := s.metered
	said := fmt.Sprintf("%s, %s tokens in 28 days", s.pack.About, model.FormatTokens(m.Tokens()))
	if m.Scale() > 1 {
		days := "day"
		if n := int(m.Window.Hours() / 24); n > 1 {
			days = fmt.Sprintf("%d days", n)
		}
		said += ", going by the last " + days + ", since the server does not answer for more"
	}
	lines := []string{said}
	if len(m.Rivals) > 0 {
		lines = append(lines, "The same series are read by "+strings.Join(m.Rivals, ", ")+" too: see tipline packs show which of them is yours.")
	}
	for _, label := range s.pack.GroupBy {
		if !slices.Contains(m.GroupBy, label) {
			lines = append(lines, "None of its series has the label "+label+", by which the pack groups.")
		}
	}
	n := mapping(false, "name", text(s.name),
		"prometheus", mapping(len(w.http) == 0, append([]any{"url", text(w.server.URL)}, w.http...)...),
		"pack", text(m.Pack))
	if len(m.Select) > 0 {
		add(n, "select", texts(m.Select))
	}
	add(n, "group_by", list(m.GroupBy))
	add(n, "hosting", remarked(text(s.hosting), s.why))
	if s.cards != "" {
		add(n, "gpus", remarked(mapping(true, "pack", text(s.cards)), s.cardsAs))
	}
	return headed(n, lines...)
}
