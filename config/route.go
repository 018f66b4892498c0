package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// A Route sends messages to a channel of their own, or to some of the notifiers alone.
type Route struct {
	Kinds        []string            // of messages; nil matches every kind
	Severities   []string            `json:",omitempty"` // of messages; nil matches every one
	Owners       []string            `json:",omitempty"` // of the workload that they are about, one of them; nil matches every one, and messages about no single one
	Match        map[string][]string // labels of that workload, each with the values of which it has one; nil as for Owners
	Source       string              // of that workload; empty means any
	SlackChannel string              // empty means the one that a message has anyway
	Notifiers    []string            `json:",omitempty"` // that a message goes to; nil means every one
}

// A Message is what of a message says where it goes. One about no single workload has neither an owner, labels nor a source.
type Message struct {
	Kind, Severity string
	Owner          string
	Labels         map[string]string
	Source         string
	Own            string // the channel of its workload or budget; empty for that of Notify.Slack
}

// Destination is where a message is wanted.
type Destination struct {
	Channel string   // of Slack; empty for that of Notify.Slack
	Except  []string // names of notifiers that it does not go to
	Nowhere bool     // it goes to no notifier
}

// Route returns where m is wanted: what the first route that covers it says, otherwise its own channel and every notifier. What is asked goes nowhere unless a route names its kind.
func (c *Config) Route(m Message) Destination {
	to := Destination{Channel: m.Own, Nowhere: slices.Contains(asked, m.Kind)}
	covers := func(some []string, one string) bool { return len(some) == 0 || slices.Contains(some, one) }
	for _, route := range c.Notify.Routes {
		of := covers(route.Kinds, m.Kind) && covers(route.Severities, m.Severity) && covers(route.Owners, m.Owner)
		if named := slices.Contains(route.Kinds, m.Kind); to.Nowhere && !named {
			continue
		}
		if of && (Workload{Match: route.Match, Source: route.Source}).matches(m.Labels, m.Source) {
			to.Channel, to.Nowhere = cmp.Or(route.SlackChannel, m.Own), false
			for _, n := range notifiers {
				if !covers(route.Notifiers, n) {
					to.Except = append(to.Except, n)
				}
			}
			break
		}
	}
	return to
}

// slackName matches the name of a channel as Slack makes them.
var slackName = regexp.MustCompile(`^#[\p{Ll}\p{Lo}\p{M}\p{N}_-]{1,80}$`)

// channel returns the channel that a label asks for; empty when l does not allow it. Whoever exposes metrics writes labels, so that a label chooses among channels, and never
// makes tipline post elsewhere. As many labels cannot hold one, the # may be missing.
func (l Labels) channel(asked string) string {
	for _, name := range []string{asked, "#" + asked} {
		for _, allowed := range l.Channels {
			prefix, some := strings.CutSuffix(allowed, "*")
			if !some && name == allowed || some && strings.HasPrefix(name, prefix) && slackName.MatchString(name) {
				return name
			}
		}
	}
	return ""
}

// channelLabel reads the label that asks for a channel, and the channels that it may ask for.
func (r *reader) channelLabel(raw *rawConfig, c *Config) (label string, channels []string) {
	one := raw.Defaults.Labels.SlackChannel
	if len(one) > 1 {
		r.wrong(raw.Defaults.Labels.At, "%d labels, want the one whose value names a channel", len(one))
		return "", nil
	}
	for label, wanted := range one {
		if len(wanted) == 0 { // which is told where it is read
			return "", nil
		}
		r.sourceAndChannel(rawWorkload{Notify: rawWorkloadNotify{SlackChannel: wanted[0]}}, c)
		for _, s := range wanted {
			text := s.text()
			prefix, some := strings.CutSuffix(text, "*")
			switch {
			case strings.Contains(prefix, "*") || some && !strings.HasPrefix(prefix, "#"):
				r.wrong(s.place, `got %s, want a channel, or the beginning of names such as "#llm-*"`, quote(text))
			case text == "#*":
				channels = append(channels, text)
			default:
				if r.channel(s) != "" {
					channels = append(channels, text)
				}
			}
		}
		return label, channels
	}
	return "", nil
}

// kinds are those of the messages that a route can choose, as package alerting names them.
var kinds = []string{
	"approaching", "commitment_ends", "current_blocked", "data_fault", "digest", "drifted", "first_seen", "no_option", "over_budget", "prices_moved", "reminded", "reopened", "returned", "switched", "unstable",
	"workload_gone", "workload_new",
}

// asked are those that go nowhere unless a route names them: a digest says them.
var asked = []string{"workload_gone", "workload_new"}

// severities are those of messages, as package alerting names them.
var severities = []string{"info", "warning", "critical"}

// notifiers are those that a route can choose, as package alerting and those in it name them.
var notifiers = []string{"slack", "webhook", "alertmanager"}

// standing are the kinds of messages that an Alertmanager shows, as long as what they tell stands.
var standing = []string{"current_blocked", "first_seen", "no_option", "switched"}

func (r *reader) routes(raw *rawConfig, c *Config) (routes []Route) {
	for _, raws := range raw.Notify.Routes {
		if raws.At.node == nil {
			continue // not a mapping, which has been reported
		}
		// What a stanza of workloads may match, a route may.
		as := rawWorkload{At: raws.At, Match: raws.Match, Source: raws.Source, Notify: rawWorkloadNotify{SlackChannel: raws.SlackChannel}}
		r.matchable(raw.Sources, as)
		r.sourceAndChannel(as, c)
		route := Route{Match: r.match(raws.Match, raws.Source), Source: r.word(raws.Source), SlackChannel: r.channel(raws.SlackChannel)}
		if !raws.SlackChannel.given() && raws.Notifiers == nil {
			r.missing(raws.At, "slack_channel", `, want the name of a channel such as "#llm-platform" or its id, or notifiers`)
		}
		route.Kinds = r.someOf(raws.Kinds, "kind of message", kinds)
		route.Severities = r.someOf(raws.Severities, "severity", severities)
		owners := owners(raw)
		for _, s := range raws.Owners {
			owner := r.word(s)
			if !raw.Defaults.Labels.Owner.given() && !slices.Contains(owners, owner) {
				r.wrong(s.place, "no stanza of workloads has the owner %s%s", quote(owner), didYouMean(owner, owners))
			}
			route.Owners = append(route.Owners, owner)
		}
		route.Notifiers = r.someNotifiers(raws, c.Notify)
		if raws.Notifiers == nil && len(raws.Kinds)+len(raws.Severities)+len(raws.Owners) == 0 && route.Match == nil && route.Source == "" {
			r.wrong(raws.At, "covers every message: want kinds, severities, owners, match or source in it, or another channel in notify.slack (kinds: %s)", strings.Join(kinds, ", "))
		}
		routes = append(routes, route)
	}
	return routes
}

// someNotifiers reads those of a route, each of which notify must have. One that would hold a message back from everybody is refused: what an
// Alertmanager shows is not messages.
func (r *reader) someNotifiers(raws rawRoute, notify Notify) []string {
	if raws.Notifiers == nil {
		return nil
	}
	there := map[string]bool{"slack": notify.Slack != nil, "webhook": notify.Webhook != nil, "alertmanager": notify.Alertmanager != nil}
	some := r.someOf(raws.Notifiers, "notifier", notifiers)
	for i, n := range some {
		if at := raws.Notifiers[i].place; slices.Contains(notifiers, n) && !there[n] {
			r.wrong(at, "%s is not in notify", n)
		}
	}
	passing := func(kind scalar) bool { return !slices.Contains(standing, kind.text()) }
	switch alone := !slices.Contains(some, "slack") && !slices.Contains(some, "webhook"); {
	case len(some) == 0:
		r.wrong(raws.At, "notifiers is empty, so nobody would be told: want some of %s", strings.Join(notifiers, ", "))
	case raws.SlackChannel.given() && !slices.Contains(some, "slack"):
		r.wrong(raws.SlackChannel.place, "has no effect without slack in notifiers")
	case alone && slices.Contains(some, "alertmanager") && (len(raws.Kinds) == 0 || slices.ContainsFunc(raws.Kinds, passing)):
		r.wrong(raws.Notifiers[0].place, "an Alertmanager alone shows no messages but %s: want no other kinds in this route, or slack or webhook beside it", strings.Join(standing, ", "))
	}
	return some
}

// someOf reads words each of which is one of all, which are called what.
func (r *reader) someOf(list []scalar, what string, all []string) (some []string) {
	for _, s := range list {
		one := s.text()
		if !slices.Contains(all, one) {
			r.wrong(s.place, "unknown %s %s%s", what, quote(one), didYouMean(one, all))
		}
		some = append(some, one)
	}
	return some
}

// owners returns those that the stanzas of workloads name.
func owners(raw *rawConfig) (all []string) {
	for _, w := range raw.Workloads {
		if name := w.Owner.text(); name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
