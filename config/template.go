package config

// A Template says messages in words of the user's own, as a Go template. What it may say is for whoever knows the messages to check.
type Template struct {
	Kinds    []string // of messages; nil means every kind
	Headline Phrase   // the verdict in one sentence
	Body     Phrase   // the sentences below it
}

// A Phrase is a text, and where it stands; an empty one is not given.
type Phrase struct {
	Text string
	at   Problem
}

// Wrong returns err as a problem of the configuration where p stands.
func (p Phrase) Wrong(err error) Problem {
	problem := p.at
	problem.Text = err.Error()
	return problem
}

func (r *reader) templates(raw []rawTemplate) (templates []Template) {
	for _, raws := range raw {
		if raws.At.node == nil {
			continue // not a mapping, which has been reported
		}
		if !raws.Headline.given() && !raws.Body.given() {
			r.wrong(raws.At, "want headline, body, or both")
		}
		templates = append(templates, Template{
			Kinds: r.someOf(raws.Kinds, "kind of message", kinds), Headline: r.phrase(raws.Headline), Body: r.phrase(raws.Body),
		})
	}
	return templates
}

func (r *reader) phrase(s scalar) Phrase {
	if !s.given() || holdsSecret(s.text()) {
		return Phrase{}
	}
	return Phrase{Text: s.text(), at: Problem{File: r.file, Path: s.place.path, Line: s.place.node.Line, Col: s.place.node.Column}}
}
