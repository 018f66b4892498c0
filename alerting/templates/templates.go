// Package templates says messages in words of the user's own, which it does not trust.
package templates

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/alerting/words"
	"tipline/model"
)

// What a template may do, so that it always ends, and soon: it has at most maxTemplate bytes, and in one message its ranges go round at most
// maxRounds times, what is in them is gone through for at most maxGone bytes in all, and it makes at most maxMade bytes of text. BenchmarkLongest
// says how long that may take.
const (
	maxTemplate = 8 << 10
	maxRounds   = 2000
	maxGone     = 128 << 10
	maxMade     = 32 << 10

	maxHeadline = 300 // characters of a headline from a template
	maxSaid     = 40  // lines of a body from a template; the rest is counted
)

// Said is what a template may use of a message. Everything is text, has lost what could move a cursor, and is empty where it is not known;
// nothing has a method, so a template can call none.
type Said struct {
	Kind     string // of the message, such as first_seen
	Severity string
	Date     string // of the evaluation, such as 12 Nov 2026
	Receipt  string // id that "tipline explain" takes
	Workload string
	Owner    string
	Source   string
	Labels   map[string]string // of the workload
	Current  string            // the option that it is on
	Option   string            // the option that it should be on
	Previous string            // the option that was advised before
	Saving   string            // a month, such as $6,200
	Volume   string            // projected for the next 30 days, such as 13.4B tokens
	ActBy    string            // such as 12 Jan 2027
	Because  string            // why the verdict is what it is
	Headline string            // as it is without a template
	Lines    []string          // what is said below it without a template
}

// A Template says messages of some kinds in words of the user's own.
type Template struct {
	kinds          []alerting.Reason // nil: every one but the test
	headline, body *template.Template
}

// New returns the template of the headline or the body of messages of kinds; an empty text leaves that as it is, and no kinds are all.
func New(kinds []string, headline, body string) (Template, error) {
	var t Template
	for _, kind := range kinds {
		t.kinds = append(t.kinds, alerting.Reason(kind))
	}
	var err error
	if t.headline, err = parsed(headline); err != nil {
		return t, err
	}
	t.body, err = parsed(body)
	return t, err
}

// Try says a message of every kind that t covers, and returns why one could not be said.
func (t Template) Try() error {
	for _, r := range alerting.Kinds {
		if t.kinds != nil && !slices.Contains(t.kinds, r) {
			continue
		}
		e, _ := sample.Of(r)
		if _, err := (List{t}).Apply(e); err != nil {
			return err
		}
	}
	return nil
}

// allowed are the functions that a template may call. What makes text of any length out of a short one, such as printf, is not among them, and
// text is escaped where it goes.
var allowed = strings.Fields("and or not eq ne lt le gt ge len index slice print join")

// round is called at the beginning of every round of a range, with the bytes of what is in it.
const round = "tipline_round"

func parsed(text string) (*template.Template, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("has %d bytes, want at most %d", len(text), maxTemplate)
	}
	t, err := template.New("template").Option("missingkey=zero").Funcs((&budget{}).functions()).Parse(text)
	if err != nil {
		return nil, plainly(err)
	}
	if len(t.Templates()) != 1 {
		return nil, errors.New("defines a template: want none, which could go on for ever")
	}
	if err := guard(t.Root); err != nil {
		return nil, err
	}
	return t, nil
}

// guard refuses what is not allowed below n, and makes every range count its rounds.
func guard(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := guard(child); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return guard(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			if err := guard(c); err != nil {
				return err
			}
		}
	case *parse.CommandNode:
		for _, arg := range n.Args {
			if err := guard(arg); err != nil {
				return err
			}
		}
	case *parse.ChainNode:
		return guard(n.Node)
	case *parse.IdentifierNode:
		if !slices.Contains(allowed, n.Ident) {
			return fmt.Errorf("calls %s, want one of %s", n.Ident, strings.Join(allowed, ", "))
		}
	case *parse.IfNode:
		return guardAll(n.Pipe, n.List, n.ElseList)
	case *parse.WithNode:
		return guardAll(n.Pipe, n.List, n.ElseList)
	case *parse.RangeNode:
		within := len(n.List.String())
		if err := guardAll(n.Pipe, n.List, n.ElseList); err != nil {
			return err
		}
		counts := template.Must(template.New("round").Funcs(template.FuncMap{round: func(int) string { return "" }}).Parse(fmt.Sprintf("{{%s %d}}", round, within)))
		n.List.Nodes = slices.Insert(n.List.Nodes, 0, counts.Root.Nodes[0])
	case *parse.TemplateNode:
		return fmt.Errorf("uses the template %q, want none, which could go on for ever", n.Name)
	}
	return nil
}

func guardAll(pipe *parse.PipeNode, list, other *parse.ListNode) error {
	return errors.Join(guard(pipe), guard(list), guard(other))
}

// plainly takes out of an error of package template what is the same in every one.
func plainly(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: template:")
	return errors.New(words.Clean(strings.NewReplacer(`executing "template" `, "", " in type templates.Said", "").Replace(text), words.MaxLine))
}

// budget is what one execution may still do.
type budget struct {
	rounds, gone, made int
	out                strings.Builder
}

var (
	errLong  = fmt.Errorf("makes more than %d bytes", maxMade)
	errRound = fmt.Errorf("its ranges go round more than %d times", maxRounds)
	errGone  = fmt.Errorf("its ranges go through more than %d bytes of template", maxGone)
)

func (b *budget) functions() template.FuncMap {
	return template.FuncMap{
		round: func(within int) (string, error) {
			b.rounds++
			b.gone += within
			switch {
			case b.rounds > maxRounds:
				return "", errRound
			case b.gone > maxGone:
				return "", errGone
			}
			return "", nil
		},
		"print": func(args ...any) (string, error) {
			text := fmt.Sprint(args...)
			return text, b.make(len(text))
		},
		"join": func(lines []string, between string) (string, error) {
			text := strings.Join(lines, between)
			return text, b.make(len(text))
		},
	}
}

// make takes n bytes off the budget.
func (b *budget) make(n int) error {
	if b.made += n; b.made > maxMade {
		return errLong
	}
	return nil
}

// Write takes p off the budget and keeps it.
func (b *budget) Write(p []byte) (int, error) {
	if err := b.make(len(p)); err != nil {
		return 0, err
	}
	return b.out.Write(p)
}

// execute returns what t says of e; a panic is an error that holds a *model.Panic.
func execute(t *template.Template, e alerting.Event) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = model.Caught(p, debug.Stack())
		}
	}()
	b := &budget{}
	t, err = t.Clone() // its functions are those of this execution
	if err != nil {
		return "", err
	}
	if err := t.Funcs(b.functions()).Execute(b, about(e)); err != nil {
		return "", plainly(err)
	}
	return b.out.String(), nil
}

// A List is the templates of a configuration; the first that covers a message says it.
type List []Template

// Apply returns e with the words of the template that covers it; an answer with those of the message that it is about, which shows it. On an
// error e is as it was, and is said in the built-in words.
func (all List) Apply(e alerting.Event) (alerting.Event, error) {
	if e.Reason == alerting.Tested {
		return e, nil
	}
	told := e.Told()
	i := slices.IndexFunc(all, func(t Template) bool { return t.kinds == nil || slices.Contains(t.kinds, told.Reason) })
	if i < 0 {
		return e, nil
	}
	said := all[i]
	after := e
	for _, part := range []struct {
		name string
		t    *template.Template
		keep func(text string)
	}{
		{"headline", said.headline, func(text string) { after.Headline = words.Clean(text, maxHeadline) }},
		{"body", said.body, func(text string) { after.Body = lines(text) }},
	} {
		if part.t == nil {
			continue
		}
		text, err := execute(part.t, told)
		if err == nil && strings.TrimSpace(text) == "" {
			err = errors.New("says nothing")
		}
		if err != nil {
			return e, fmt.Errorf("%s of a message %s: %w", part.name, told.Reason, err)
		}
		part.keep(text)
	}
	return after, nil
}

// lines returns the lines of text that say something, made harmless; those beyond maxSaid are counted.
func lines(text string) (all []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = words.Clean(line, words.MaxLine); line != "" {
			all = append(all, line)
		}
	}
	if more := len(all) - maxSaid; more > 0 {
		all = append(all[:maxSaid:maxSaid], fmt.Sprintf("And %d more.", more))
	}
	return all
}

// about returns what a template may use of e.
func about(e alerting.Event) Said {
	w, d := e.Report, e.Report.Decision
	s := Said{
		Kind: string(e.Reason), Severity: string(e.Severity), Date: model.FormatDate(e.Time), Receipt: e.Receipt(),
		Workload: words.Clean(e.Workload, words.MaxName), Owner: words.Clean(e.Owner, words.MaxName), Source: words.Clean(w.Source, words.MaxName), Labels: map[string]string{},
		Current: words.Clean(w.Current, words.MaxName), Option: words.Clean(d.Option, words.MaxName), Previous: words.Clean(e.Previous, words.MaxName),
		Because: words.Clean(d.Because, 2*words.MaxLine), Headline: words.Headline(e), Lines: words.Below(e),
	}
	for name, value := range w.Labels {
		s.Labels[name] = words.Clean(value, words.MaxName)
	}
	if usd := d.SavingUSDPerMonth; usd != nil && usd.P50 > 0 {
		s.Saving = model.FormatUSDKnown(usd.P50, *usd)
	}
	if w.Forecast != nil {
		s.Volume = model.FormatTokens(w.Forecast.Next30dTokens.P50) + " tokens"
	}
	if x := w.Crossover; x != nil {
		if by, err := time.Parse(time.DateOnly, x.ActBy); err == nil {
			s.ActBy = model.FormatDate(by)
		}
	}
	return s
}
